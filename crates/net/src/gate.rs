//! One door for every connection, and the policy that says which way it may go.

use protocol::PeerAddr;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};

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
    _p: Arc<()>,
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
    Io(#[from] std::io::Error),
}

#[allow(clippy::todo, unused_variables)]
impl Gate {
    /// Opens the gate (binds the listener).
    pub async fn open(config: GateConfig) -> Result<Self, GateError> {
        todo!()
    }
    /// The address that the listener is bound to.
    pub fn listening(&self) -> Option<SocketAddr> {
        todo!()
    }
    /// Dials a peer.
    pub async fn dial(&self, addr: &PeerAddr, timeout: Duration) -> Result<Box<dyn Stream>, GateError> {
        todo!()
    }
    /// The next inbound connection. Pending for ever without a listener; ends with an error only when the listener is lost.
    pub async fn accept(&self) -> Result<(Box<dyn Stream>, PeerAddr), GateError> {
        todo!()
    }
}
