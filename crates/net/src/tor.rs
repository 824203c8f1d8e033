//! §5, E9 Tor — out by its SOCKS port, in by onion services, and the task that keeps both.
//!
//! Owns: the connection to tor's control port, a tor that was started by us, the listeners behind the onion services.
//! Promises: a dial goes to tor's SOCKS port under a name of its own or fails; what belongs to another account of this
//! machine is never taken for tor; each service has a listener of its own, told to tor alone, so that who comes is known
//! by the address that was dialled; while tor is away the state says so within two seconds, and it is tried again; what we
//! started ends with us.

pub mod control;
mod find;
mod keep;
mod onion;
mod own;
pub(crate) mod owner;
mod service;

pub use control::ControlAddr;
pub use onion::OnionSecret;

use crate::gate::{GateError, Stream};
use crate::route::{Inbound, Login, RouteState, RouteStatus};
use crate::socks::{self, Offer, ProxyAt};
use data_encoding::HEXLOWER;
use protocol::PeerAddr;
use protocol::addr::OnionKey;
use service::Services;
use sha2::{Digest, Sha256};
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::sync::{Mutex, watch};
use tokio::task::JoinHandle;
use tokio_util::sync::{CancellationToken, DropGuard};
use zeroize::Zeroizing;

/// How tor is reached or started.
#[derive(Debug, Clone)]
pub struct TorConfig {
    /// Which tor.
    pub choice: TorChoice,
    /// The program to start. `None`: `tor` from the PATH.
    pub program: Option<PathBuf>,
    /// Where a tor that we start keeps its state. A file `torrc` in it is read too: bridges stand there.
    pub data_dir: PathBuf,
}

/// Which tor is worked with.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum TorChoice {
    /// One of our own; where there is no program for it, one that runs at the usual places, when it is known that it
    /// belongs to root, to us or to the system's tor.
    #[default]
    Any,
    /// This one and no other.
    Running(TorAt),
    /// One that we start.
    Own,
}

/// Where a running tor is. At least one of the two must be given for it to be of use.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TorAt {
    /// Its SOCKS port; `None`: the control port tells.
    pub socks: Option<SocketAddr>,
    /// Its control port; without one there is no onion service.
    pub control: Option<ControlAddr>,
    /// For a control port that wants a password.
    pub password: Option<Password>,
}

/// An onion service that leads to us.
#[derive(Debug, Clone)]
pub struct OnionService {
    /// Its key: the same key is the same address.
    pub secret: OnionSecret,
    /// The port that others dial.
    pub port: u16,
}

impl OnionService {
    /// Where others dial it.
    pub fn addr(&self) -> PeerAddr {
        PeerAddr::Onion(self.secret.address(), self.port)
    }
}

/// The control port's password.
#[derive(Clone, PartialEq, Eq)]
pub struct Password(pub Zeroizing<Vec<u8>>);

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(..)")
    }
}

/// The way through Tor. Ends with the value, or by [`Tor::stop`].
pub(crate) struct Tor {
    apart: Apart,
    socks: watch::Receiver<Option<ProxyAt>>,
    /// Dials that went by a socket file: no table of the system shows those.
    by_file: AtomicU64,
    status: watch::Receiver<RouteStatus>,
    services: Services,
    stop: CancellationToken,
    task: Mutex<Option<JoinHandle<()>>>,
    _stop_with_the_value: DropGuard,
}

impl Tor {
    /// Starts the task that keeps it; there is no onion service yet.
    pub(crate) fn start(config: TorConfig) -> Result<Self, GateError> {
        let (socks_to, socks) = watch::channel(None);
        let starting = RouteStatus { state: RouteState::Starting(0), inbound: Inbound::None };
        let (status_to, status) = watch::channel(starting);
        let stop = CancellationToken::new();
        let services = Services::default();
        let (wanted, came) = (services.wanted(), services.came_to());
        let keeper = keep::Keeper { config, wanted, came, socks: socks_to, status: status_to, stop: stop.clone() };
        let apart = Apart::new()?;
        let task = tokio::spawn(keeper.run());
        let guard = stop.clone().drop_guard();
        Ok(Self {
            apart,
            socks,
            by_file: AtomicU64::new(0),
            status,
            services,
            stop,
            task: Mutex::new(Some(task)),
            _stop_with_the_value: guard,
        })
    }

    /// These onion services and no others from here on.
    pub(crate) fn set_onions(&self, onions: Vec<OnionService>) {
        self.services.set(onions);
    }

    pub(crate) fn status(&self) -> watch::Receiver<RouteStatus> {
        self.status.clone()
    }

    pub(crate) async fn dial(&self, addr: &PeerAddr, apart: &[u8]) -> Result<Box<dyn Stream>, GateError> {
        let socks = self.socks.borrow().clone();
        let Some(socks) = socks else {
            return Err(match &self.status.borrow().state {
                RouteState::Down(trouble) => GateError::Down(trouble.clone()),
                RouteState::Starting(_) | RouteState::Up => GateError::Starting,
            });
        };
        let login = self.apart.login(apart, addr)?;
        if socks.file().is_some() {
            self.by_file.fetch_add(1, Ordering::Relaxed);
        }
        Ok(Box::new(socks::connect(&socks, Offer::Apart(&login), addr).await?))
    }

    /// The socket file by which dials go, if they do, and how many went so far.
    pub(crate) fn dialled_by_file(&self) -> Option<(PathBuf, u64)> {
        let socks = self.socks.borrow();
        Some((socks.as_ref()?.file()?.to_owned(), self.by_file.load(Ordering::Relaxed)))
    }

    /// The next who comes, and the address that was dialled.
    pub(crate) async fn accept(&self) -> Result<(Box<dyn Stream>, PeerAddr, OnionKey), GateError> {
        let (stream, dialled) = self.services.accept().await;
        let mut nobody = [0; 32];
        getrandom::fill(&mut nobody).map_err(io::Error::other)?;
        Ok((stream, PeerAddr::Onion(OnionKey(nobody), 0), dialled))
    }

    pub(crate) async fn stop(&self) {
        self.stop.cancel();
        if let Some(task) = self.task.lock().await.take()
            && let Err(error) = task.await
        {
            tracing::warn!(%error, "the task that kept tor ended badly");
        }
    }
}

/// Names for circuits: random in each run, equal for equal purposes, and telling nothing without the secret.
struct Apart(Zeroizing<[u8; 32]>);

impl Apart {
    fn new() -> Result<Self, GateError> {
        let mut secret = Zeroizing::new([0; 32]);
        getrandom::fill(&mut *secret).map_err(io::Error::other)?;
        Ok(Self(secret))
    }

    /// The login for a purpose and a peer.
    fn login(&self, apart: &[u8], addr: &PeerAddr) -> Result<Login, GateError> {
        let hash = Sha256::new()
            .chain_update(*self.0)
            .chain_update((apart.len() as u64).to_be_bytes())
            .chain_update(apart)
            .chain_update(addr.to_string())
            .finalize();
        let (user, password) = hash.split_at(16);
        Login::new(HEXLOWER.encode(user), HEXLOWER.encode(password)).map_err(|e| io::Error::other(e).into())
    }
}

#[cfg(test)]
mod tests;
