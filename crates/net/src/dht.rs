//! The Mainline DHT behind one adapter: paced, timed, one operation per target, supervised.

use protocol::{ChannelKey, InfoHash, SignedManifest};
use std::net::SocketAddr;
use std::time::Duration;

/// How the DHT is joined.
#[derive(Debug, Clone)]
pub struct DhtConfig {
    /// Nodes to join by (`host:port`); empty: the library's defaults.
    pub bootstrap: Vec<String>,
    /// Cached nodes of earlier days; at most 16 are used.
    pub cache: Vec<SocketAddr>,
    /// UDP port, 0 picks one.
    pub port: u16,
    /// Bind only loopback (local test networks).
    pub loopback: bool,
    /// Operations a second (announces).
    pub rate: f64,
}
/// A handle; dropped last, the DHT's thread ends.
#[derive(Clone)]
pub struct Dht {
    _p: (),
}

/// Why an operation failed.
#[derive(Debug, Clone, thiserror::Error)]
pub enum DhtError {
    /// No node answered in time.
    #[error("the DHT did not answer in time")]
    TimedOut,
    /// The value is over 996 bytes.
    #[error("{0} bytes are too many for a DHT item")]
    TooLarge(usize),
    /// Another value has this sequence, or a higher one is there.
    #[error("the DHT holds a newer item")]
    Outdated,
    /// The library's thread ended; it is being rebuilt.
    #[error("the DHT is restarting")]
    Restarting,
    /// Shut down.
    #[error("the DHT is stopped")]
    Stopped,
}
/// What a look-up of a manifest found.
#[derive(Debug, Clone)]
pub struct Found {
    /// The newest whose both signatures hold.
    pub manifest: SignedManifest,
    /// Nodes that returned exactly it.
    pub nodes: u32,
}
/// Its state.
#[derive(Debug, Clone, Copy, Default)]
pub struct DhtStatus {
    /// Nodes in the routing table.
    pub nodes: u32,
    /// The last operation was answered.
    pub reachable: bool,
}

#[allow(clippy::todo, unused_variables)]
impl Dht {
    /// Starts the DHT's thread and its supervisor.
    pub async fn start(config: DhtConfig) -> Result<Self, DhtError> {
        todo!()
    }
    /// Peers of an infohash, to the end of the stream, without duplicates, at most `limit`.
    pub async fn get_peers(&self, infohash: InfoHash, limit: usize) -> Result<Vec<SocketAddr>, DhtError> {
        todo!()
    }
    /// Announces this TCP port, explicitly; returns once nodes acknowledged.
    pub async fn announce(&self, infohash: InfoHash, port: u16) -> Result<(), DhtError> {
        todo!()
    }
    /// The newest manifest of a channel, to the end of the stream. Lower than `floor` counts as not found.
    pub async fn get_manifest(&self, key: &ChannelKey, floor: u64) -> Result<Option<Found>, DhtError> {
        todo!()
    }
    /// Puts a signed manifest (ours or another's); returns how many nodes acknowledged.
    pub async fn put_manifest(&self, manifest: &SignedManifest, salt: Option<&[u8]>) -> Result<u32, DhtError> {
        todo!()
    }
    /// State.
    pub fn status(&self) -> DhtStatus {
        todo!()
    }
    /// Nodes worth remembering for the next start.
    pub async fn nodes(&self) -> Vec<SocketAddr> {
        todo!()
    }
    /// Ends the thread; returns when the port is free.
    pub async fn stop(&self) {
        todo!()
    }
}
/// A whole DHT of `mainline` nodes on loopback, for demos and tests.
pub struct LocalDht {
    _p: (),
}
#[allow(clippy::todo, unused_variables)]
impl LocalDht {
    /// Starts `n` nodes on 127.0.0.1 (blocking).
    pub fn start(n: usize) -> Result<Self, DhtError> {
        todo!()
    }
    /// Addresses to join by.
    pub fn bootstrap(&self) -> Vec<String> {
        todo!()
    }
}
/// Default time limit of one operation.
pub const OPERATION_TIMEOUT: Duration = Duration::from_secs(20);
