//! One door for every connection, and the policy that says which way it may go.
//!
//! Owns: the TCP listener, dialling, name look-ups. Promises: a name is looked up only on a route that may ([`Route::Direct`]),
//! an address that the route does not lead to is refused before any packet leaves, and every dial ends within its time limit.

use crate::memory::MemoryGate;
use protocol::PeerAddr;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};

/// Which way traffic leaves. Proxies and Tor join here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Route {
    /// Straight: TCP in and out, the DHT by UDP.
    Direct,
}

/// A byte stream to one peer.
pub trait Stream: AsyncRead + AsyncWrite + Send + Unpin + 'static {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin + 'static> Stream for T {}

/// Where nodes meet: TCP, or memory in tests.
#[derive(Clone)]
pub struct Gate {
    way: Arc<Way>,
}

enum Way {
    Tcp { route: Route, listener: Option<(TcpListener, SocketAddr)> },
    Memory(MemoryGate),
}

/// How a gate is opened.
#[derive(Debug, Clone)]
pub struct GateConfig {
    /// The route.
    pub route: Route,
    /// Where to listen; port 0 picks one; `None`: no inbound.
    pub listen: Option<SocketAddr>,
}

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub enum GateError {
    /// The listening port is taken.
    #[error("{0} is in use by another program")]
    PortTaken(SocketAddr),
    /// The route forbids this address.
    #[error("the route does not lead to {0:?}")]
    NoRoute(PeerAddr),
    /// Timed out.
    #[error("no answer in time")]
    TimedOut,
    /// Refused, reset, unreachable.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// Pause after an `accept` that failed (out of file descriptors, mostly).
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// Failures in a row after which the listener counts as lost: 10 seconds of them.
const ACCEPT_FAILURES: u32 = 100;
/// Addresses of one name that are tried.
const NAME_ADDRESSES: usize = 4;

impl Gate {
    /// Opens the gate (binds the listener).
    ///
    /// # Errors
    /// [`GateError::PortTaken`] if another program listens there, else what the system said.
    pub async fn open(config: GateConfig) -> Result<Self, GateError> {
        let listener = match config.listen {
            None => None,
            Some(addr) => {
                let listener = TcpListener::bind(addr).await.map_err(|error| match error.kind() {
                    io::ErrorKind::AddrInUse => GateError::PortTaken(addr),
                    _ => GateError::Io(error),
                })?;
                let bound = listener.local_addr()?;
                Some((listener, bound))
            }
        };
        Ok(Self { way: Arc::new(Way::Tcp { route: config.route, listener }) })
    }

    pub(crate) fn in_memory(gate: MemoryGate) -> Self {
        Self { way: Arc::new(Way::Memory(gate)) }
    }

    /// The address that the listener is bound to.
    pub fn listening(&self) -> Option<SocketAddr> {
        match &*self.way {
            Way::Tcp { listener, .. } => listener.as_ref().map(|(_, bound)| *bound),
            Way::Memory(gate) => gate.listening(),
        }
    }

    /// Where peers of our own network, or of the world if no address translation stands between, can dial us: the
    /// listener's address, or, where it listens on all, the one that leads out. Nothing is sent to find it.
    pub fn reachable(&self) -> Option<PeerAddr> {
        let bound = self.listening()?;
        let at = match &*self.way {
            Way::Tcp { route: Route::Direct, .. } if bound.ip().is_unspecified() => {
                // Connecting a UDP socket only asks the routing table (the address is TEST-NET-1).
                let probe = std::net::UdpSocket::bind(("0.0.0.0", 0)).ok()?;
                probe.connect(("192.0.2.1", 9)).ok()?;
                SocketAddr::new(probe.local_addr().ok()?.ip(), bound.port())
            }
            _ => bound,
        };
        PeerAddr::from_socket(at).ok()
    }

    /// Dials a peer. The whole, a name's look-up included, ends within `timeout`.
    ///
    /// # Errors
    /// [`GateError::NoRoute`] for an address that this route does not lead to (an onion service, on [`Route::Direct`]).
    pub async fn dial(&self, addr: &PeerAddr, timeout: Duration) -> Result<Box<dyn Stream>, GateError> {
        let dialled = async {
            match &*self.way {
                Way::Tcp { route: Route::Direct, .. } => dial_direct(addr, timeout).await,
                Way::Memory(gate) => gate.dial(addr).await,
            }
        };
        tokio::time::timeout(timeout, dialled).await.map_err(|_| GateError::TimedOut)?
    }

    /// The next inbound connection. Pending for ever without a listener; ends with an error only when the listener is lost.
    /// May be dropped and called again: no connection is lost.
    ///
    /// # Errors
    /// [`GateError::Io`] after ten seconds in which every attempt failed.
    pub async fn accept(&self) -> Result<(Box<dyn Stream>, PeerAddr), GateError> {
        match &*self.way {
            Way::Tcp { listener: None, .. } => std::future::pending().await,
            Way::Tcp { listener: Some((listener, _)), .. } => accept_tcp(listener).await,
            Way::Memory(gate) => gate.accept().await,
        }
    }
}

async fn accept_tcp(listener: &TcpListener) -> Result<(Box<dyn Stream>, PeerAddr), GateError> {
    let mut failures = 0;
    loop {
        match listener.accept().await {
            Ok((stream, from)) => match stream.set_nodelay(true) {
                Ok(()) => return Ok((Box::new(stream), PeerAddr::Ip(canonical(from)))),
                Err(error) => tracing::debug!(%error, "an inbound connection ended before it began"),
            },
            Err(error) => {
                failures += 1;
                if failures >= ACCEPT_FAILURES {
                    return Err(GateError::Io(error));
                }
                tracing::warn!(%error, "accepting a connection failed");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
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
    let found: Vec<SocketAddr> = tokio::net::lookup_host((name, port)).await?.take(NAME_ADDRESSES).collect();
    let share = timeout / u32::try_from(found.len().max(1)).unwrap_or(1);
    let mut last = GateError::Io(io::Error::new(io::ErrorKind::NotFound, "the name has no address"));
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
        Gate::open(GateConfig { route: Route::Direct, listen }).await.unwrap()
    }

    #[tokio::test]
    async fn both_ends_of_a_dial_can_talk() {
        let gate = listening().await;
        let addr = PeerAddr::Ip(gate.listening().unwrap());
        let (dialled, accepted) = tokio::join!(gate.dial(&addr, LIMIT), gate.accept());
        let (mut here, (mut there, from)) = (dialled.unwrap(), accepted.unwrap());
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
        let (dialled, accepted) = tokio::join!(gate.dial(&name, LIMIT), gate.accept());
        dialled.unwrap();
        accepted.unwrap();
    }

    #[tokio::test]
    async fn an_onion_has_no_direct_route() {
        let gate = Gate::open(GateConfig { route: Route::Direct, listen: None }).await.unwrap();
        assert_eq!(gate.listening(), None);
        let onion = PeerAddr::Onion(OnionKey([7; 32]), 80);
        assert!(matches!(gate.dial(&onion, LIMIT).await, Err(GateError::NoRoute(addr)) if addr == onion));
    }

    #[tokio::test]
    async fn a_taken_port_and_a_closed_one_are_named() {
        let gate = listening().await;
        let addr = gate.listening().unwrap();
        let again = Gate::open(GateConfig { route: Route::Direct, listen: Some(addr) }).await;
        assert!(matches!(again, Err(GateError::PortTaken(taken)) if taken == addr));
        drop(gate);
        let refused = Gate::open(GateConfig { route: Route::Direct, listen: None }).await.unwrap();
        assert!(matches!(refused.dial(&PeerAddr::Ip(addr), LIMIT).await, Err(GateError::Io(_))));
    }

    #[test]
    fn mapped_addresses_are_named_as_ipv4() {
        assert_eq!(canonical("[::ffff:192.0.2.1]:5".parse().unwrap()), "192.0.2.1:5".parse().unwrap());
    }
}
