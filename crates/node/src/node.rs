//! The node: one owner of every task.

use crate::api::{ErrorInfo, Event, Reply, Request};
use protocol::PeerAddr;
use std::net::SocketAddr;
use std::path::PathBuf;
use zeroize::Zeroizing;

/// How a node starts.
pub struct NodeConfig {
    /// Data folder; made if it is not there.
    pub data_dir: PathBuf,
    /// Where to listen; port 0 picks one; none: nothing comes in.
    pub listen: Option<SocketAddr>,
    /// DHT nodes, `host:port`; empty: the well-known ones.
    pub bootstrap: Vec<String>,
    /// Whether to use the DHT.
    pub dht: bool,
    /// Peers to dial at once.
    pub peers: Vec<PeerAddr>,
    /// Opens the vault.
    pub passphrase: Option<Zeroizing<String>>,
    /// Whether secrets go to the system's keyring.
    pub use_keyring: bool,
    /// Where downloads go; none: the setting.
    pub download_dir: Option<PathBuf>,
    /// Opens the store only: no sockets.
    pub offline: bool,
}

/// A running node.
#[derive(Clone)]
pub struct Node {
    _p: (),
}

/// What happens in a node, a snapshot first.
pub struct Events {
    _p: (),
}

#[allow(clippy::todo, unused_variables)]
impl Node {
    /// Starts it.
    pub async fn start(config: NodeConfig) -> Result<Node, ErrorInfo> {
        todo!()
    }
    /// Does one thing; dropping the future cancels a long one.
    pub async fn call(&self, request: Request) -> Result<Reply, ErrorInfo> {
        todo!()
    }
    /// What happens from now on.
    pub fn events(&self) -> Events {
        todo!()
    }
    /// Stops every task and waits for them.
    pub async fn stop(&self) -> Result<(), ErrorInfo> {
        todo!()
    }
    /// Resolves when the node has stopped, whoever asked for it.
    pub async fn stopped(&self) {
        todo!()
    }
}

#[allow(clippy::todo)]
impl Events {
    /// The next event; none after the node stopped.
    pub async fn next(&mut self) -> Option<Event> {
        todo!()
    }
}
