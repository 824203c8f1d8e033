//! The listeners behind onion services: one each, for tor alone.
//!
//! Owns: the listeners and a task for each. Promises: who comes is handed over with the onion address that was dialled,
//! which is known before a byte of theirs is read; a tor of our own comes by socket files in its folder, which other
//! accounts cannot enter; another tor, which cannot enter it either, comes by ports on loopback; a service that is not
//! wanted any more listens no more, and one whose listener broke says so.

use super::OnionService;
use crate::accept::Reserve;
use crate::gate::Stream;
use protocol::addr::OnionKey;
use std::collections::BTreeMap;
use std::io;
use std::net::Ipv4Addr;
#[cfg(unix)]
use std::path::PathBuf;
use tokio::net::TcpListener;
use tokio::sync::{Mutex, mpsc, watch};
use tokio_util::sync::{CancellationToken, DropGuard};

/// Connections that wait to be taken.
const WAITING: usize = 16;

/// Somebody who came, and the service that they dialled.
pub(super) type Came = (Box<dyn Stream>, OnionKey);

/// Which services there should be, and who came by them.
pub(super) struct Services {
    wanted: watch::Sender<Vec<OnionService>>,
    came_to: mpsc::Sender<Came>,
    came: Mutex<mpsc::Receiver<Came>>,
}

impl Default for Services {
    fn default() -> Self {
        let (came_to, came) = mpsc::channel(WAITING);
        Self { wanted: watch::Sender::default(), came_to, came: Mutex::new(came) }
    }
}

impl Services {
    /// Those that tor should have.
    pub(super) fn wanted(&self) -> watch::Receiver<Vec<OnionService>> {
        self.wanted.subscribe()
    }

    /// Where listeners hand over who comes.
    pub(super) fn came_to(&self) -> mpsc::Sender<Came> {
        self.came_to.clone()
    }

    /// These from here on, and no others.
    pub(super) fn set(&self, onions: Vec<OnionService>) {
        self.wanted.send_replace(onions);
    }

    /// The next who comes. May be dropped and called again.
    pub(super) async fn accept(&self) -> Came {
        match self.came.lock().await.recv().await {
            Some(came) => came,
            // Never: the sender lies beside it.
            None => std::future::pending().await,
        }
    }
}

/// Where a tor finds our listeners.
#[derive(Debug, Clone)]
pub(super) enum Place {
    /// Ports on loopback.
    Loopback,
    /// Socket files in this folder, which is ours alone.
    #[cfg(unix)]
    Folder(PathBuf),
}

/// The listeners for one tor; they end with the value.
pub(super) struct Listeners {
    place: Place,
    came: mpsc::Sender<Came>,
    all: BTreeMap<OnionKey, Listening>,
    /// Broke, and nobody was told yet.
    broken: mpsc::Receiver<OnionKey>,
    breaks: mpsc::Sender<OnionKey>,
    #[cfg(unix)]
    made: u64,
}

struct Listening {
    /// As tor takes it.
    target: String,
    #[cfg(unix)]
    file: Option<PathBuf>,
    _stop: DropGuard,
}

#[cfg(unix)]
impl Drop for Listening {
    fn drop(&mut self) {
        if let Some(file) = &self.file {
            // One that stays leads nowhere, and is replaced.
            let _ = std::fs::remove_file(file);
        }
    }
}

enum Door {
    Tcp(TcpListener),
    #[cfg(unix)]
    Unix(tokio::net::UnixListener),
}

impl Door {
    async fn accept(&self) -> io::Result<Box<dyn Stream>> {
        Ok(match self {
            Self::Tcp(listener) => {
                let (stream, _) = listener.accept().await?;
                stream.set_nodelay(true).map_err(|_| io::Error::from(io::ErrorKind::ConnectionAborted))?;
                Box::new(stream)
            }
            #[cfg(unix)]
            Self::Unix(listener) => Box::new(listener.accept().await?.0),
        })
    }
}

impl Listeners {
    pub(super) fn new(place: Place, came: mpsc::Sender<Came>) -> Self {
        let (breaks, broken) = mpsc::channel(WAITING);
        Self {
            place,
            came,
            all: BTreeMap::new(),
            broken,
            breaks,
            #[cfg(unix)]
            made: 0,
        }
    }

    /// Where tor is to lead who dials this service; a listener is made where there is none.
    ///
    /// # Errors
    /// The system gives none.
    pub(super) async fn target(&mut self, key: OnionKey) -> io::Result<String> {
        if let Some(known) = self.all.get(&key) {
            return Ok(known.target.clone());
        }
        let stop = CancellationToken::new();
        let guard = stop.clone().drop_guard();
        let (door, listening) = match &self.place {
            Place::Loopback => {
                let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
                let target = listener.local_addr()?.to_string();
                let listening = Listening {
                    target,
                    #[cfg(unix)]
                    file: None,
                    _stop: guard,
                };
                (Door::Tcp(listener), listening)
            }
            #[cfg(unix)]
            Place::Folder(folder) => {
                let file = folder.join(format!("onion-{}", self.made));
                self.made += 1;
                match std::fs::remove_file(&file) {
                    Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                    _ => {}
                }
                let listener = tokio::net::UnixListener::bind(&file)?;
                let target = format!("unix:{}", file.display());
                (Door::Unix(listener), Listening { target, file: Some(file), _stop: guard })
            }
        };
        let target = listening.target.clone();
        self.all.insert(key, listening);
        tokio::spawn(listen(door, key, self.came.clone(), self.breaks.clone(), stop));
        Ok(target)
    }

    /// The service is not wanted any more.
    pub(super) fn end(&mut self, key: &OnionKey) {
        self.all.remove(key);
    }

    /// The next service whose listener broke; it has none any more. May be dropped and called again.
    pub(super) async fn broken(&mut self) -> OnionKey {
        match self.broken.recv().await {
            Some(key) => {
                self.all.remove(&key);
                key
            }
            // Never: a sender lies beside it.
            None => std::future::pending().await,
        }
    }
}

async fn listen(
    door: Door,
    key: OnionKey,
    came: mpsc::Sender<Came>,
    breaks: mpsc::Sender<OnionKey>,
    stop: CancellationToken,
) {
    let listening = async {
        let mut reserve = Reserve::new();
        loop {
            match reserve.accept(|| door.accept()).await {
                Ok(stream) => {
                    if came.send((stream, key)).await.is_err() {
                        return;
                    }
                }
                Err(error) => {
                    tracing::warn!(%error, "the listener behind an onion service broke");
                    // Who made it is gone: then nobody needs another.
                    let _ = breaks.send(key).await;
                    return;
                }
            }
        }
    };
    stop.run_until_cancelled(listening).await;
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use std::time::Duration;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    #[tokio::test]
    async fn who_comes_by_a_socket_file_is_known_by_the_service_that_was_dialled() {
        let folder = tempfile::tempdir().unwrap();
        let services = Services::default();
        let mut listeners = Listeners::new(Place::Folder(folder.path().to_owned()), services.came_to());
        let keys = [OnionKey([1; 32]), OnionKey([2; 32])];
        for key in keys {
            let target = listeners.target(key).await.unwrap();
            assert_eq!(listeners.target(key).await.unwrap(), target, "a second listener for one service");
            let file = target.strip_prefix("unix:").unwrap();
            let mut caller = tokio::net::UnixStream::connect(file).await.unwrap();
            caller.write_all(b"x").await.unwrap();
            let (mut stream, dialled) = services.accept().await;
            assert_eq!(dialled, key);
            assert_eq!(stream.read_u8().await.unwrap(), b'x');
        }
        listeners.end(&keys[0]);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "a socket file stays behind");
        drop(listeners);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[tokio::test]
    async fn a_listener_that_broke_is_told_and_made_again() {
        let services = Services::default();
        let mut listeners = Listeners::new(Place::Loopback, services.came_to());
        let (key, (breaks, came)) = (OnionKey([1; 32]), (listeners.breaks.clone(), services.came_to()));
        let first = listeners.target(key).await.unwrap();
        // A listener that the system has shut.
        let broken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        rustix::net::shutdown(&broken, rustix::net::Shutdown::Both).unwrap();
        listen(Door::Tcp(broken), key, came, breaks, CancellationToken::new()).await;
        let told = tokio::time::timeout(Duration::from_secs(30), listeners.broken()).await.unwrap();
        assert_eq!(told, key);
        assert_ne!(listeners.target(key).await.unwrap(), first);
    }
}
