//! Links — `megatorrent://<key>[:<read key>][?bootstrap=host:port]…`

use crate::{ChannelKey, PeerAddr, ReadKey};

/// A link to a channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// The channel.
    pub channel: ChannelKey,
    /// For private channels.
    pub read_key: Option<ReadKey>,
    /// TCP peers or gateways, at most 4.
    pub bootstrap: Vec<PeerAddr>,
}
/// Why text is no link.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LinkError {
    /// Placeholder.
    #[error("bad link")]
    Bad,
}
