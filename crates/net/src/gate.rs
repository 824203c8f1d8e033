//! One door for every connection, and the policy that says which way it may go.
//!
//! Owns: the TCP listener, dialling, name look-ups. Promises: a listener that breaks is made again, and is missing from
//! what is told until it is; a name is looked up only where the route leads straight; on
//! the others every dial goes through the proxy or through Tor or fails; an onion is dialled through Tor or not at all; an
//! address that the route does not lead to is refused before any packet leaves; every dial ends within its time limit.

use crate::accept::Listener;
use crate::memory::MemoryGate;
use crate::proxy::Watch;
use crate::route::{Inbound, Proxy, Route, RouteState, RouteStatus, RouteTrouble};
use crate::socks::{self, Offer, ProxyAt, SocksError};
use crate::tor::{OnionService, Tor};
use protocol::addr::OnionKey;
use protocol::{AddrClass, PeerAddr};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::watch;

/// A byte stream to one peer.
pub trait Stream: AsyncRead + AsyncWrite + Send + Unpin + 'static {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin + 'static> Stream for T {}

/// Where nodes meet: TCP, a proxy, Tor, or memory in tests.
#[derive(Clone)]
pub struct Gate {
    way: Arc<Way>,
    /// On a detour, addresses narrower than this are not asked for.
    narrowest: AddrClass,
}

enum Way {
    Direct { listener: Option<Listener>, status: watch::Sender<RouteStatus> },
    Proxy { proxy: Proxy, watch: Watch },
    Tor(Tor),
    Both { listener: Option<Listener>, tor: Tor },
    Memory { gate: MemoryGate, status: watch::Sender<RouteStatus> },
}

/// Somebody who came.
pub struct Came {
    /// The connection.
    pub stream: Box<dyn Stream>,
    /// From where. Who comes through an onion service of ours has no address: it stands for one of class onion with port
    /// 0, other for every connection, that cannot be dialled.
    pub from: PeerAddr,
    /// The onion service of ours that was dialled: known before a byte of the caller's is read, so that each service can
    /// have places of its own.
    pub dialled: Option<OnionKey>,
}

/// The proof that the route leads straight. What speaks UDP or listens in the clear cannot be made without it.
#[derive(Debug, Clone, Copy)]
pub struct Clear(());

#[cfg(test)]
impl Clear {
    pub(crate) fn in_test() -> Self {
        Self(())
    }
}

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub enum GateError {
    /// The listening port is taken.
    #[error("{0} is in use by another program")]
    PortTaken(SocketAddr),
    /// The route forbids this address.
    #[error("the route does not lead to {0}")]
    NoRoute(PeerAddr),
    /// The proxy failed, or did not reach the peer.
    #[error(transparent)]
    Proxy(#[from] SocksError),
    /// The route is down, or not up yet.
    #[error("{0}")]
    Down(RouteTrouble),
    /// Tor is still starting.
    #[error("tor is still starting")]
    Starting,
    /// Timed out.
    #[error("no answer in time")]
    TimedOut,
    /// It is no address of this computer, so nobody can listen there.
    #[error("{0} is no address of this computer")]
    NotHere(SocketAddr),
    /// A name to listen at that has no address.
    #[error("the name \"{0}\" has no address")]
    NoAddress(String),
    /// No address belongs to this name, or nobody who could tell answers.
    #[error("its name is not known")]
    NoSuchName,
    /// Refused, reset, unreachable.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// Addresses of one name that are tried.
const NAME_ADDRESSES: usize = 4;

fn always_up() -> watch::Sender<RouteStatus> {
    watch::Sender::new(RouteStatus { state: RouteState::Up, inbound: Inbound::None })
}

impl Gate {
    /// Opens the gate: binds the listener in the clear; where the route is longer, starts the task that keeps it.
    /// A proxy that is down is no error here: [`Gate::status`] tells.
    ///
    /// # Errors
    /// [`GateError::PortTaken`] if another program listens there, else what the system said.
    pub async fn open(route: Route) -> Result<Self, GateError> {
        let way = match route {
            Route::Direct { listen } => Way::Direct { listener: listen_at(listen).await?, status: always_up() },
            Route::Socks5(proxy) => Way::Proxy { watch: Watch::start(proxy.clone()), proxy },
            Route::Tor(config) => Way::Tor(Tor::start(config)?),
            Route::Both { listen, tor } => Way::Both { listener: listen_at(listen).await?, tor: Tor::start(tor)? },
        };
        Ok(Self { way: Arc::new(way), narrowest: AddrClass::Global })
    }

    pub(crate) fn in_memory(gate: MemoryGate) -> Self {
        let way = Arc::new(Way::Memory { gate, status: always_up() });
        Self { way, narrowest: AddrClass::Loopback }
    }

    /// On a detour, addresses of the proxy's or the exit's own network are asked for as well: for networks of one's own.
    /// Else whoever names one would send us into a network that we do not see.
    #[must_use]
    pub fn into_local(self) -> Self {
        Self { narrowest: AddrClass::Loopback, ..self }
    }

    /// The address of this machine that the listener in the clear is bound to.
    pub fn listening(&self) -> Option<SocketAddr> {
        match &*self.way {
            Way::Direct { listener, .. } | Way::Both { listener, .. } => listener.as_ref().map(Listener::bound),
            Way::Proxy { .. } | Way::Tor(_) => None,
            Way::Memory { gate, .. } => gate.listening(),
        }
    }

    /// Why nobody can come by the listener in the clear, as long as it is broken; `None` while it listens. Without such a
    /// listener there is nothing to follow.
    pub fn listener_lost(&self) -> Option<watch::Receiver<Option<String>>> {
        match &*self.way {
            Way::Direct { listener, .. } | Way::Both { listener, .. } => listener.as_ref().map(Listener::lost),
            Way::Proxy { .. } | Way::Tor(_) | Way::Memory { .. } => None,
        }
    }

    /// Where the route leads straight, the proof of it.
    pub fn clear(&self) -> Option<Clear> {
        matches!(&*self.way, Way::Direct { .. } | Way::Both { .. }).then_some(Clear(()))
    }

    /// Whether the way is longer than the network's own for everybody: through a proxy or through Tor.
    pub fn is_detour(&self) -> bool {
        matches!(&*self.way, Way::Proxy { .. } | Way::Tor(_))
    }

    /// Whether the way to this address is.
    pub fn is_far(&self, addr: &PeerAddr) -> bool {
        self.is_detour() || addr.class() == AddrClass::Onion
    }

    /// Onion services that lead to us, these and no others from here on. A route without Tor has none. Whether one stands
    /// is told by [`Gate::status`].
    pub fn set_onions(&self, onions: Vec<OnionService>) {
        match &*self.way {
            Way::Tor(tor) | Way::Both { tor, .. } => tor.set_onions(onions),
            Way::Direct { .. } | Way::Proxy { .. } | Way::Memory { .. } => {}
        }
    }

    /// Where a tor of our own is dialled by: its socket file, which no table of the system shows as a connection, and how
    /// many dials went by it so far.
    pub fn dialled_by_file(&self) -> Option<(std::path::PathBuf, u64)> {
        match &*self.way {
            Way::Tor(tor) | Way::Both { tor, .. } => tor.dialled_by_file(),
            Way::Direct { .. } | Way::Proxy { .. } | Way::Memory { .. } => None,
        }
    }

    /// How the route is doing, from now on; of one that leads both ways, how Tor is doing: the other needs nobody.
    pub fn status(&self) -> watch::Receiver<RouteStatus> {
        match &*self.way {
            Way::Direct { status, .. } | Way::Memory { status, .. } => status.subscribe(),
            Way::Proxy { watch, .. } => watch.status(),
            Way::Tor(tor) | Way::Both { tor, .. } => tor.status(),
        }
    }

    /// Where peers of our own network, or of the world if no address translation stands between, can dial us: the
    /// listener's address, or, where it listens on all, the one that leads out. Nothing is sent to find it. `None` on a
    /// route that leads nowhere straight.
    pub fn reachable(&self) -> Option<PeerAddr> {
        let bound = self.listening()?;
        let at = match &*self.way {
            Way::Direct { .. } | Way::Both { .. } if bound.ip().is_unspecified() => {
                // Connecting a UDP socket only asks the routing table (the address is TEST-NET-1).
                let probe = std::net::UdpSocket::bind(("0.0.0.0", 0)).ok()?;
                probe.connect(("192.0.2.1", 9)).ok()?;
                SocketAddr::new(probe.local_addr().ok()?.ip(), bound.port())
            }
            Way::Direct { .. } | Way::Both { .. } | Way::Memory { .. } => bound,
            // No clear address is anybody's business there.
            Way::Proxy { .. } | Way::Tor(_) => return None,
        };
        PeerAddr::from_socket(at).ok()
    }

    /// Dials a peer. The whole, a name's look-up included, ends within `timeout`.
    ///
    /// `apart` says what the connection is for. Through Tor, two dials with another `apart` or another address never share a
    /// circuit; the other routes keep nothing apart.
    ///
    /// # Errors
    /// [`GateError::NoRoute`] for an address that this route does not lead to (an onion service, without Tor);
    /// [`GateError::Proxy`], [`GateError::Down`] when the route fails: then nothing left by another.
    pub async fn dial(&self, addr: &PeerAddr, apart: &[u8], timeout: Duration) -> Result<Box<dyn Stream>, GateError> {
        if self.is_detour() && addr.class() < self.narrowest {
            return Err(GateError::NoRoute(addr.clone()));
        }
        let dialled = async {
            match &*self.way {
                Way::Direct { .. } => dial_direct(addr, timeout).await,
                Way::Proxy { proxy, .. } => {
                    let offer = proxy.login.as_ref().map_or(Offer::Nothing, Offer::Login);
                    Ok(socks::connect(&ProxyAt::Tcp(proxy.addr), offer, addr).await?)
                }
                Way::Tor(tor) => tor.dial(addr, apart).await,
                Way::Both { tor, .. } if addr.class() == AddrClass::Onion => tor.dial(addr, apart).await,
                Way::Both { .. } => dial_direct(addr, timeout).await,
                Way::Memory { gate, .. } => gate.dial(addr).await,
            }
        };
        tokio::time::timeout(timeout, dialled).await.map_err(|_| GateError::TimedOut)?
    }

    /// The next inbound connection. Pending for ever without a listener, and while one cannot be made again
    /// ([`Gate::listener_lost`]). May be dropped and called again: no connection is lost.
    ///
    /// # Errors
    /// [`GateError::Io`]: the system gives no random numbers, or the network in memory has ended.
    pub async fn accept(&self) -> Result<Came, GateError> {
        match &*self.way {
            Way::Direct { listener, .. } => in_the_clear(listener.as_ref()).await,
            Way::Proxy { .. } => std::future::pending().await,
            Way::Tor(tor) => in_the_dark(tor).await,
            Way::Both { listener, tor } => tokio::select! {
                came = in_the_clear(listener.as_ref()) => came,
                came = in_the_dark(tor) => came,
            },
            Way::Memory { gate, .. } => {
                let (stream, from) = gate.accept().await?;
                Ok(Came { stream, from, dialled: None })
            }
        }
    }

    /// Ends what keeps the route: its tasks, the onion service, a tor that was started for it. Waits until they are gone.
    pub async fn close(&self) {
        match &*self.way {
            Way::Direct { .. } | Way::Memory { .. } => {}
            Way::Proxy { watch, .. } => watch.stop().await,
            Way::Tor(tor) | Way::Both { tor, .. } => tor.stop().await,
        }
    }
}

async fn in_the_clear(listener: Option<&Listener>) -> Result<Came, GateError> {
    let Some(listener) = listener else { return std::future::pending().await };
    let (stream, from) = listener.accept().await;
    Ok(Came { stream: Box::new(stream), from: PeerAddr::Ip(canonical(from)), dialled: None })
}

async fn in_the_dark(tor: &Tor) -> Result<Came, GateError> {
    let (stream, from, dialled) = tor.accept().await?;
    Ok(Came { stream, from, dialled: Some(dialled) })
}

/// The address of a name to listen at. Only for a route that leads straight: it asks whom the system asks.
///
/// # Errors
/// [`GateError::NoAddress`]
pub async fn address_of(name: &str, port: u16) -> Result<SocketAddr, GateError> {
    let none = || GateError::NoAddress(name.to_owned());
    tokio::net::lookup_host((name, port)).await.map_err(|_| none())?.next().ok_or_else(none)
}

async fn listen_at(at: Option<SocketAddr>) -> Result<Option<Listener>, GateError> {
    let Some(at) = at else { return Ok(None) };
    Listener::bind(at).await.map(Some).map_err(|error| match error.kind() {
        io::ErrorKind::AddrInUse => GateError::PortTaken(at),
        io::ErrorKind::AddrNotAvailable => GateError::NotHere(at),
        _ => GateError::Io(error),
    })
}

/// A peer that came over IPv4 to a dual-stack listener is named by its IPv4 address.
fn canonical(addr: SocketAddr) -> SocketAddr {
    SocketAddr::new(addr.ip().to_canonical(), addr.port())
}

async fn dial_direct(addr: &PeerAddr, timeout: Duration) -> Result<Box<dyn Stream>, GateError> {
    let stream = match addr {
        PeerAddr::Ip(addr) => TcpStream::connect(addr).await?,
        PeerAddr::Name(name, port) => dial_name(name, *port, timeout).await?,
        PeerAddr::Onion(..) => return Err(GateError::NoRoute(addr.clone())),
    };
    stream.set_nodelay(true)?;
    Ok(Box::new(stream))
}

/// Tries a name's addresses one after another; each has its share of the time, so a dead one does not cost the others theirs.
async fn dial_name(name: &str, port: u16, timeout: Duration) -> Result<TcpStream, GateError> {
    let looked_up = tokio::net::lookup_host((name, port)).await.map_err(|error| {
        tracing::debug!(name, %error, "a name has no address");
        GateError::NoSuchName
    })?;
    let found: Vec<SocketAddr> = looked_up.take(NAME_ADDRESSES).collect();
    let share = timeout / u32::try_from(found.len().max(1)).unwrap_or(1);
    let mut last = GateError::NoSuchName;
    for addr in found {
        match tokio::time::timeout(share, TcpStream::connect(addr)).await {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(error)) => last = GateError::Io(error),
            Err(_) => last = GateError::TimedOut,
        }
    }
    Err(last)
}

#[cfg(test)]
mod tests {
    use super::*;
    use protocol::addr::OnionKey;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    const LIMIT: Duration = Duration::from_secs(5);

    async fn listening() -> Gate {
        let listen = Some("127.0.0.1:0".parse().unwrap());
        Gate::open(Route::Direct { listen }).await.unwrap()
    }

    #[tokio::test]
    async fn both_ends_of_a_dial_can_talk() {
        let gate = listening().await;
        assert!(gate.clear().is_some());
        assert_eq!(gate.status().borrow().state, RouteState::Up);
        let addr = PeerAddr::Ip(gate.listening().unwrap());
        let (dialled, accepted) = tokio::join!(gate.dial(&addr, b"", LIMIT), gate.accept());
        let (mut here, Came { stream: mut there, from, .. }) = (dialled.unwrap(), accepted.unwrap());
        assert!(matches!(from, PeerAddr::Ip(addr) if addr.ip().is_loopback()));
        here.write_all(b"ping").await.unwrap();
        let mut got = [0; 4];
        there.read_exact(&mut got).await.unwrap();
        assert_eq!(&got, b"ping");
        here.shutdown().await.unwrap();
        assert_eq!(there.read(&mut got).await.unwrap(), 0, "FIN arrives as the end of the stream");
    }

    #[tokio::test]
    async fn a_name_is_looked_up_on_the_direct_route() {
        let gate = listening().await;
        let name = PeerAddr::Name("localhost".into(), gate.listening().unwrap().port());
        let (dialled, accepted) = tokio::join!(gate.dial(&name, b"", LIMIT), gate.accept());
        dialled.unwrap();
        accepted.unwrap();
    }

    #[tokio::test]
    async fn an_onion_has_no_direct_route() {
        let gate = Gate::open(Route::Direct { listen: None }).await.unwrap();
        assert_eq!(gate.listening(), None);
        let onion = PeerAddr::Onion(OnionKey([7; 32]), 80);
        assert!(matches!(gate.dial(&onion, b"", LIMIT).await, Err(GateError::NoRoute(addr)) if addr == onion));
    }

    #[tokio::test]
    async fn a_taken_port_and_a_closed_one_are_named() {
        let gate = listening().await;
        let addr = gate.listening().unwrap();
        let again = Gate::open(Route::Direct { listen: Some(addr) }).await;
        assert!(matches!(again, Err(GateError::PortTaken(taken)) if taken == addr));
        drop(gate);
        let refused = Gate::open(Route::Direct { listen: None }).await.unwrap();
        assert!(matches!(refused.dial(&PeerAddr::Ip(addr), b"", LIMIT).await, Err(GateError::Io(_))));
    }

    #[tokio::test]
    async fn a_place_that_is_not_here_is_named() {
        let addr: SocketAddr = "192.0.2.1:7".parse().unwrap();
        let elsewhere = Gate::open(Route::Direct { listen: Some(addr) }).await;
        assert!(matches!(elsewhere, Err(GateError::NotHere(at)) if at == addr));
        assert!(matches!(address_of("localhost", 7).await, Ok(at) if at.ip().is_loopback() && at.port() == 7));
        // Longer than any label of a name: nobody has to be asked.
        let name = "x".repeat(64);
        let nowhere = address_of(&name, 7).await.unwrap_err().to_string();
        assert_eq!(nowhere, format!("the name \"{name}\" has no address"));
    }

    #[test]
    fn mapped_addresses_are_named_as_ipv4() {
        assert_eq!(canonical("[::ffff:192.0.2.1]:5".parse().unwrap()), "192.0.2.1:5".parse().unwrap());
    }
}
