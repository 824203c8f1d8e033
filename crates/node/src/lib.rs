//! A full node: joins protocol, swarm, store and net, and owns every task.
pub mod api;
pub mod node;
pub mod rpc;

pub use node::{Events, Node, NodeConfig};
pub use protocol::PeerAddr;
