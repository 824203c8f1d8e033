//! What this very process has open towards the network, as the system tells it (Linux only).
//!
//! Owns: reading `/proc`. Promises: it opens no socket, and what it cannot read is an error, never an empty answer. What
//! the system does on our behalf in another process (a name look-up by its own resolver) it cannot see.

use std::collections::HashSet;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// One open socket.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OpenSocket {
    /// "tcp", "udp" or "raw".
    pub protocol: &'static str,
    /// Our end.
    pub local: SocketAddr,
    /// The other end; `None`: there is none (yet).
    pub remote: Option<SocketAddr>,
}

/// The tables of `/proc/self/net`, and what stands in them.
const TABLES: [(&str, &str); 6] =
    [("tcp", "tcp"), ("tcp6", "tcp"), ("udp", "udp"), ("udp6", "udp"), ("raw", "raw"), ("raw6", "raw")];

/// Every Internet socket of this process.
///
/// # Errors
/// The system has no such tables, or does not let us read them.
pub fn open_sockets() -> io::Result<Vec<OpenSocket>> {
    let mut ours = HashSet::new();
    for entry in std::fs::read_dir("/proc/self/fd")? {
        // One that was closed meanwhile is not open.
        let Ok(target) = std::fs::read_link(entry?.path()) else { continue };
        let inode =
            target.to_str().and_then(|name| name.strip_prefix("socket:[")?.strip_suffix(']')?.parse::<u64>().ok());
        ours.extend(inode);
    }
    let mut open = Vec::new();
    for (table, protocol) in TABLES {
        let text = match std::fs::read_to_string(format!("/proc/self/net/{table}")) {
            // A system without IPv6 has no table of it.
            Err(error) if error.kind() == io::ErrorKind::NotFound && table.ends_with('6') => continue,
            read => read?,
        };
        open.extend(text.lines().skip(1).filter_map(|line| entry(line, protocol, &ours)));
    }
    Ok(open)
}

/// A TCP listener of any process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ListenerOwner {
    /// The account that made it.
    pub(crate) uid: u32,
    /// Its number in the system, which no later one has.
    pub(crate) inode: u64,
}

/// A socket that waits for callers, as the tables write it.
#[cfg(target_os = "linux")]
const LISTENS: &str = "0A";

/// Who listens where a TCP connection to this address of this machine ends; nobody: the list is empty. Blocking.
///
/// # Errors
/// The system has no such tables, or does not let us read them.
#[cfg(target_os = "linux")]
pub(crate) fn listeners(at: SocketAddr) -> io::Result<Vec<ListenerOwner>> {
    let (mut exact, mut wide) = (Vec::new(), Vec::new());
    for table in ["tcp", "tcp6"] {
        let text = match std::fs::read_to_string(format!("/proc/self/net/{table}")) {
            Err(error) if error.kind() == io::ErrorKind::NotFound && table.ends_with('6') => continue,
            read => read?,
        };
        for line in text.lines().skip(1) {
            let words: Vec<&str> = line.split_whitespace().collect();
            let field = |number: usize| words.get(number).copied().unwrap_or_default();
            if field(3) != LISTENS {
                continue;
            }
            // A line that cannot be read could be the very one: then nothing is known.
            let unread =
                || io::Error::new(io::ErrorKind::InvalidData, "the system's table of listeners is not to be read");
            let bound = addr(field(1)).ok_or_else(unread)?;
            let uid = field(7).parse().map_err(|_| unread())?;
            let inode = field(9).parse().map_err(|_| unread())?;
            if bound.port() != at.port() {
                continue;
            }
            // The system gives a connection to the narrowest.
            if bound.ip() == at.ip().to_canonical() {
                exact.push(ListenerOwner { uid, inode });
            } else if bound.ip().is_unspecified() {
                wide.push(ListenerOwner { uid, inode });
            }
        }
    }
    let mut found = if exact.is_empty() { wide } else { exact };
    found.sort_unstable();
    Ok(found)
}

/// `sl local remote st tx:rx tr:when retr uid timeout inode …`
fn entry(line: &str, protocol: &'static str, ours: &HashSet<u64>) -> Option<OpenSocket> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let inode: u64 = words.get(9)?.parse().ok()?;
    if !ours.contains(&inode) {
        return None;
    }
    let (local, remote) = (addr(words.get(1)?)?, addr(words.get(2)?)?);
    let remote = (remote.port() != 0 || !remote.ip().is_unspecified()).then_some(remote);
    Some(OpenSocket { protocol, local, remote })
}

/// Hexadecimal, each group of four bytes in the machine's own order.
fn addr(text: &str) -> Option<SocketAddr> {
    let (ip, port) = text.split_once(':')?;
    let port = u16::from_str_radix(port, 16).ok()?;
    let mut groups = Vec::new();
    for at in (0..ip.len()).step_by(8) {
        groups.push(u32::from_str_radix(ip.get(at..at + 8)?, 16).ok()?.to_ne_bytes());
    }
    let ip = match groups.as_slice() {
        [v4] => IpAddr::V4(Ipv4Addr::from(*v4)),
        [a, b, c, d] => {
            let mut bytes = [0; 16];
            for (to, from) in bytes.chunks_mut(4).zip([a, b, c, d]) {
                to.copy_from_slice(from);
            }
            IpAddr::V6(Ipv6Addr::from(bytes))
        }
        _ => return None,
    };
    Some(SocketAddr::new(ip.to_canonical(), port))
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;
    use std::net::{TcpListener, TcpStream, UdpSocket};

    #[test]
    fn what_is_open_is_seen_with_both_ends() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let at = listener.local_addr().unwrap();
        let dialled = TcpStream::connect(at).unwrap();
        let asking = UdpSocket::bind("127.0.0.1:0").unwrap();
        asking.connect(at).unwrap();
        let seen = open_sockets().unwrap();
        let has = |protocol, local, remote| seen.contains(&OpenSocket { protocol, local, remote });
        assert!(has("tcp", at, None), "the listener: {seen:?}");
        assert!(has("tcp", dialled.local_addr().unwrap(), Some(at)), "the dialled one: {seen:?}");
        assert!(has("udp", asking.local_addr().unwrap(), Some(at)), "UDP: {seen:?}");
        let gone = asking.local_addr().unwrap();
        drop(asking);
        assert!(!open_sockets().unwrap().iter().any(|socket| socket.protocol == "udp" && socket.local == gone));
    }

    #[test]
    fn a_listener_has_an_owner_and_a_connection_has_not() {
        let narrow = TcpListener::bind("127.0.0.1:0").unwrap();
        let at = narrow.local_addr().unwrap();
        let ours = rustix::process::geteuid().as_raw();
        assert_eq!(listeners(at).unwrap().iter().map(|found| found.uid).collect::<Vec<_>>(), [ours]);
        let dialled = TcpStream::connect(at).unwrap();
        assert_eq!(listeners(dialled.local_addr().unwrap()).unwrap(), []);
        let wide = TcpListener::bind("[::]:0").unwrap();
        let port = wide.local_addr().unwrap().port();
        for reached in ["127.0.0.1", "::1"] {
            let reached = SocketAddr::new(reached.parse().unwrap(), port);
            assert_eq!(listeners(reached).unwrap().len(), 1, "{reached}");
        }
        drop(narrow);
        assert_eq!(listeners(at).unwrap(), []);
    }

    #[test]
    fn addresses_of_both_families_are_read() {
        let four = if cfg!(target_endian = "little") { "0100007F:1F90" } else { "7F000001:1F90" };
        assert_eq!(addr(four), Some("127.0.0.1:8080".parse().unwrap()));
        assert_eq!(addr("00000000000000000000000000000000:0000"), Some("[::]:0".parse().unwrap()));
        assert_eq!(addr("0100007F"), None);
        assert_eq!(addr("xx:1"), None);
        assert_eq!(addr("0100007:1"), None);
    }
}
