//! The inside of `megatorrent_tests::house`: run by `unshare`, it furnishes the namespace, captures what moves, and
//! carries connections to the files that lead out. Each line on standard input asks for a report.

#![allow(clippy::print_stdout, reason = "its report is what it is for")]

#[cfg(target_os = "linux")]
fn main() -> anyhow::Result<()> {
    inside::run()
}

#[cfg(not(target_os = "linux"))]
fn main() {}

#[cfg(target_os = "linux")]
mod inside {
    use anyhow::{Context, Result, ensure};
    use megatorrent_tests::house::{WAY_IN, door, join};
    use rustix::net::{AddressFamily, Protocol, RecvFlags, SocketType, recv, socket_with};
    use std::collections::BTreeSet;
    use std::io::{BufRead, Read};
    use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, TcpListener, TcpStream};
    use std::num::NonZeroU32;
    use std::os::unix::net::{UnixListener, UnixStream};
    use std::path::PathBuf;
    use std::process::Command;
    use std::sync::{Arc, Mutex, PoisonError};

    /// Every protocol (ETH_P_ALL), in network order as the system wants it.
    const EVERY: u16 = 3;

    #[derive(Default)]
    struct Seen {
        packets: u64,
        strays: BTreeSet<String>,
    }

    pub(super) fn run() -> Result<()> {
        let mut args = std::env::args_os().skip(1);
        let folder = PathBuf::from(args.next().context("the folder")?);
        let ports: Vec<u16> = args.map(|port| Ok(port.to_str().context("a port")?.parse()?)).collect::<Result<_>>()?;
        furnish(&folder)?;
        for port in ports {
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))?;
            let way = door(&folder, port);
            std::thread::spawn(move || {
                for stream in listener.incoming().map_while(std::io::Result::ok) {
                    let Ok(out) = UnixStream::connect(&way) else { return };
                    std::thread::spawn(move || join(out, stream));
                }
            });
        }
        let listener = UnixListener::bind(folder.join(WAY_IN))?;
        std::thread::spawn(move || {
            for mut outer in listener.incoming().map_while(std::io::Result::ok) {
                std::thread::spawn(move || {
                    let mut port = [0; 2];
                    outer.read_exact(&mut port)?;
                    let inner = TcpStream::connect((Ipv4Addr::LOCALHOST, u16::from_be_bytes(port)))?;
                    join(outer, inner)
                });
            }
        });
        let seen = Arc::new(Mutex::new(Seen::default()));
        capture(seen.clone())?;
        println!("ready");
        for _ in std::io::stdin().lock().lines().map_while(std::io::Result::ok) {
            let seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
            println!("{}", serde_json::json!({ "packets": seen.packets, "strays": seen.strays }));
        }
        Ok(())
    }

    /// Loopback, and an interface with nobody behind it to which all else leads.
    fn furnish(folder: &std::path::Path) -> Result<()> {
        for words in [
            "link set lo up",
            "link add outside type veth peer name nobody",
            "link set nobody up",
            "addr add 198.51.100.2/24 dev outside",
            "link set outside up",
            "neigh add 198.51.100.1 lladdr 02:00:00:00:00:01 dev outside",
            "neigh add 198.51.100.53 lladdr 02:00:00:00:00:53 dev outside",
            "route add default via 198.51.100.1 dev outside",
        ] {
            let status = Command::new("ip").args(words.split(' ')).status().context("ip (package iproute2)")?;
            ensure!(status.success(), "ip {words}: {status}");
        }
        let names = folder.join("resolv.conf");
        std::fs::write(&names, "nameserver 198.51.100.53\noptions timeout:1 attempts:1\n")?;
        let status = Command::new("mount").arg("--bind").arg(names).arg("/etc/resolv.conf").status()?;
        ensure!(status.success(), "mount: {status}");
        Ok(())
    }

    fn capture(seen: Arc<Mutex<Seen>>) -> Result<()> {
        let every = Protocol::from_raw(NonZeroU32::new(EVERY.to_be().into()).context("a protocol")?);
        let socket =
            socket_with(AddressFamily::PACKET, SocketType::RAW, rustix::net::SocketFlags::CLOEXEC, Some(every))?;
        std::thread::spawn(move || {
            let mut frame = vec![0; 65_536];
            while let Ok((_, length)) = recv(&socket, frame.as_mut_slice(), RecvFlags::empty()) {
                let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
                seen.packets += 1;
                let stray = stray(&frame[..length.min(65_536)]);
                seen.strays.extend(stray);
            }
        });
        Ok(())
    }

    /// What a frame is, if it is anything but TCP within this machine that looks no name up.
    fn stray(frame: &[u8]) -> Option<String> {
        let kind = u16::from_be_bytes(frame.get(12..14)?.try_into().ok()?);
        let (from, to, protocol, rest): (IpAddr, IpAddr, u8, &[u8]) = match kind {
            0x0800 => {
                let packet = frame.get(14..)?;
                let addr = |at: usize| Some(Ipv4Addr::from(<[u8; 4]>::try_from(packet.get(at..at + 4)?).ok()?));
                let header = usize::from(packet.first()? & 15) * 4;
                (addr(12)?.into(), addr(16)?.into(), *packet.get(9)?, packet.get(header..)?)
            }
            0x86dd => {
                let packet = frame.get(14..)?;
                let addr = |at: usize| Some(Ipv6Addr::from(<[u8; 16]>::try_from(packet.get(at..at + 16)?).ok()?));
                let to = addr(24)?;
                // The system's own: it makes itself known to routers when an interface comes up.
                if *packet.get(6)? == 58 || (*packet.get(6)? == 0 && to.is_multicast()) {
                    return None;
                }
                (addr(8)?.into(), to.into(), *packet.get(6)?, packet.get(40..)?)
            }
            other => return Some(format!("frame of kind {other:#06x}")),
        };
        let port = |at: usize| Some(u16::from_be_bytes(rest.get(at..at + 2)?.try_into().ok()?));
        let (source, target) = (port(0).unwrap_or(0), port(2).unwrap_or(0));
        let inside = from.is_loopback() && to.is_loopback();
        if inside && protocol == 6 && source != 53 && target != 53 {
            return None;
        }
        let name = match protocol {
            6 => "TCP".to_owned(),
            17 => "UDP".to_owned(),
            other => format!("protocol {other}"),
        };
        Some(format!("{name} to {to}, port {target}"))
    }
}
