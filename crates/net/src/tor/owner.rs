//! Whose a port or a socket file is: what must be known before tor's is taken for tor's.
//!
//! A port of this machine can be taken by any account as long as tor does not run, and whoever stands at a control port is
//! handed the keys of onion addresses and told of every destination. Promises: a listener on this machine that belongs to
//! another ordinary account gets no connection and no byte; where the system does not tell whose a port is, only a port
//! that a person named is used.

use super::control::ControlError;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use tokio::net::TcpStream;

/// How an address was come by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Known {
    /// A person, or a tor that we are logged in at, named it.
    Named,
    /// It is a usual one.
    Guessed,
}

/// The account that a listener belongs to; `None`: another machine's, or this system does not tell.
pub(crate) type Owner = Option<u32>;

/// Folders of a system's tor. They lie where root alone makes folders, so that whoever owns one is tor's account.
#[cfg(unix)]
const TORS_FOLDERS: [&str; 3] = ["/run/tor", "/var/lib/tor", "/var/run/tor"];

/// Whether this account may stand where tor should: root, we ourselves, and the account that the system's tor has.
#[cfg(unix)]
pub(super) fn is_trusted(uid: u32) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    let tors = |folder: &str| std::fs::symlink_metadata(folder).is_ok_and(|it| it.is_dir() && it.uid() == uid);
    uid == 0 || uid == rustix::process::geteuid().as_raw() || TORS_FOLDERS.iter().any(|folder| tors(folder))
}

/// Connects to a TCP port where tor should be, once it is known whose it is.
pub(crate) async fn connect_tcp(addr: SocketAddr, known: Known) -> Result<(TcpStream, Owner), ControlError> {
    if !addr.ip().is_loopback() {
        return match known {
            Known::Named => Ok((TcpStream::connect(addr).await?, None)),
            Known::Guessed => Err(ControlError::NoOwner(addr.to_string())),
        };
    }
    let before = owner(addr, known).await?;
    let stream = TcpStream::connect(addr).await?;
    // Who listened then must be who listens now: another could have come in between.
    if owner(addr, known).await? != before {
        return Err(ControlError::NoOwner(addr.to_string()));
    }
    Ok((stream, before.map(|found| found.uid)))
}

#[cfg(target_os = "linux")]
async fn owner(addr: SocketAddr, known: Known) -> Result<Option<crate::sockets::ListenerOwner>, ControlError> {
    let found = tokio::task::spawn_blocking(move || crate::sockets::listeners(addr)).await.map_err(io::Error::other)?;
    let found = match found {
        Ok(found) => found,
        // A system that hides this.
        Err(_) if known == Known::Named => return Ok(None),
        Err(_) => return Err(ControlError::NoOwner(addr.to_string())),
    };
    match found.iter().find(|owner| !is_trusted(owner.uid)) {
        Some(stranger) => Err(ControlError::Stranger { at: addr.to_string(), uid: stranger.uid }),
        None => {
            found.first().copied().map(Some).ok_or_else(|| io::Error::from(io::ErrorKind::ConnectionRefused).into())
        }
    }
}

/// Other systems do not tell.
#[cfg(not(target_os = "linux"))]
async fn owner(addr: SocketAddr, known: Known) -> Result<Option<crate::sockets::ListenerOwner>, ControlError> {
    match known {
        Known::Named => Ok(None),
        Known::Guessed => Err(ControlError::NoOwner(addr.to_string())),
    }
}

/// Connects to a socket file where tor should be, and asks the system who is there before anything is said.
#[cfg(unix)]
pub(super) async fn connect_unix(path: &Path) -> Result<(tokio::net::UnixStream, Owner), ControlError> {
    let stream = tokio::net::UnixStream::connect(path).await?;
    let uid = stream.peer_cred()?.uid();
    if !is_trusted(uid) {
        return Err(ControlError::Stranger { at: path.display().to_string(), uid });
    }
    Ok((stream, Some(uid)))
}

/// The cookie in the file that a control port names: 32 bytes in a plain file, no link, of root, of ours or of the
/// port's own account. No other file is read, nor shown to anybody. Blocking.
pub(super) fn cookie<const LEN: usize>(path: &Path, port: Owner) -> Option<zeroize::Zeroizing<[u8; LEN]>> {
    use std::io::Read as _;
    let mut file = open_plain(path, port)?;
    let mut cookie = zeroize::Zeroizing::new([0; LEN]);
    file.read_exact(&mut *cookie).ok()?;
    (file.read(&mut [0]).ok()? == 0).then_some(cookie)
}

#[cfg(unix)]
fn open_plain(path: &Path, port: Owner) -> Option<std::fs::File> {
    use rustix::fs::{Mode, OFlags};
    use std::os::unix::fs::MetadataExt as _;
    // What is no plain file could make us wait for ever.
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = std::fs::File::from(rustix::fs::open(path, flags, Mode::empty()).ok()?);
    let about = file.metadata().ok()?;
    // Root's word for a file is as good as the file.
    let fits = is_trusted(about.uid()) || port == Some(about.uid()) || port == Some(0);
    (about.is_file() && fits).then_some(file)
}

#[cfg(not(unix))]
fn open_plain(path: &Path, _port: Owner) -> Option<std::fs::File> {
    std::fs::symlink_metadata(path).ok()?.is_file().then(|| std::fs::File::open(path).ok())?
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    use super::*;
    use crate::socks::{self, Offer, ProxyAt, SocksError};
    use crate::tor::control::{Control, ControlAddr};
    use crate::tor::find::is_tor;
    use std::io::Read as _;
    use std::time::Duration;

    /// The account that owns nothing.
    const NOBODY: u32 = 65_534;
    const LIMIT: Duration = Duration::from_secs(30);

    /// What another account makes, where this one may act as another.
    fn as_another<T: Send + 'static>(make: impl FnOnce() -> T + Send + 'static) -> Option<T> {
        let made = std::thread::spawn(move || {
            let uid = rustix::process::Uid::from_raw(NOBODY);
            // Of this thread alone.
            rustix::thread::set_thread_uid(uid).is_ok().then(make)
        });
        let made = made.join().unwrap();
        if made.is_none() {
            eprintln!("skipped: this account cannot act as another");
        }
        made
    }

    #[tokio::test]
    async fn a_strangers_port_gets_no_connection() {
        let Some(fake) = as_another(|| std::net::TcpListener::bind("127.0.0.1:0").unwrap()) else { return };
        let at = fake.local_addr().unwrap();
        let stranger = |error: &ControlError| matches!(error, ControlError::Stranger { uid: NOBODY, .. });
        for known in [Known::Named, Known::Guessed] {
            let refused = Control::connect(&ControlAddr::Tcp(at), Some(b"secret"), known).await.err().unwrap();
            assert!(stranger(&refused), "{refused}");
            assert!(stranger(&is_tor(at, known).await.unwrap_err()));
        }
        // A SOCKS port that was tor's, and is now somebody's.
        let greeted = socks::greet(&ProxyAt::Tors(at), Offer::Nothing, LIMIT).await;
        assert_eq!(greeted, Err(SocksError::Stranger));
        fake.set_nonblocking(true).unwrap();
        assert_eq!(fake.accept().unwrap_err().kind(), io::ErrorKind::WouldBlock, "somebody came");
        // On all addresses it is no other.
        let Some(wide) = as_another(|| std::net::TcpListener::bind("0.0.0.0:0").unwrap()) else { return };
        let at = SocketAddr::from(([127, 0, 0, 1], wide.local_addr().unwrap().port()));
        assert!(stranger(&connect_tcp(at, Known::Named).await.unwrap_err()));
    }

    #[tokio::test]
    async fn a_strangers_socket_file_gets_no_byte() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o777)).unwrap();
        let path = folder.path().join("control");
        let place = path.clone();
        let Some(fake) = as_another(move || std::os::unix::net::UnixListener::bind(place).unwrap()) else { return };
        let refused = Control::connect(&ControlAddr::Unix(path), Some(b"secret"), Known::Named).await.err().unwrap();
        assert!(matches!(refused, ControlError::Stranger { uid: NOBODY, .. }), "{refused}");
        let (mut came, _) = fake.accept().unwrap();
        assert_eq!(came.read(&mut [0; 1]).unwrap(), 0, "a byte was said");
    }

    #[tokio::test]
    async fn a_strangers_cookie_is_not_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("cookie");
        std::fs::write(&path, [7; 32]).unwrap();
        assert!(cookie::<32>(&path, None).is_some());
        if std::os::unix::fs::chown(&path, Some(NOBODY), None).is_err() {
            return;
        }
        assert!(cookie::<32>(&path, Some(NOBODY - 1)).is_none());
        assert!(cookie::<32>(&path, Some(NOBODY)).is_some(), "a port's own account has its cookie");
    }
}
