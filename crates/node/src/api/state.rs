//! How the node itself stands: its way out, its peers, its counters.

use super::{Cause, paths};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// What this process had open while it was watched.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct LeakReport {
    /// The route, without a login.
    pub route: String,
    /// How long it was watched.
    pub seconds: u64,
    /// How often all sockets were looked at.
    pub looks: u64,
    /// Where connections of the route led: the proxy, or Tor on this computer.
    pub through: Vec<String>,
    /// What went, or could have gone, another way.
    pub elsewhere: Vec<String>,
}

/// A damaged database that was made anew.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct Rebuilt {
    /// Rows that were saved.
    pub rows: u64,
    /// Tables of which a part could not be read.
    pub torn: Vec<String>,
    /// Downloads that are planned again: what lies there of them is recognised.
    pub replanned: u64,
    /// Items published from here of which it is not known any more where their files lie.
    pub unshared: u64,
    /// Where the damaged database is now.
    pub kept: String,
}

/// A connected peer.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct PeerInfo {
    /// `host:port`.
    pub addr: String,
    /// "direct", "onion".
    pub kind: String,
    /// Speaks v5 without extensions.
    pub v5: bool,
    /// It dialled us.
    pub inbound: bool,
    /// Blob bytes received.
    pub received: u64,
    /// Blob bytes sent.
    pub sent: u64,
    /// Set: it is not connected, and nothing is asked of it for a while. Then `addr` may also be a host or a network, all of
    /// whose places that is said of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, ts(optional))]
    pub banned: Option<Banned>,
}

/// See [`PeerInfo::banned`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct Banned {
    /// Until when, ms since 1970.
    pub until: u64,
    /// What it did.
    pub why: BannedFor,
}

/// What somebody did whom nothing is asked of any more for a while.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "snake_case")]
pub enum BannedFor {
    /// It sent other bytes than it was asked for.
    WrongPart,
}

/// Which kind of way out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "snake_case")]
pub enum RouteKind {
    /// Straight.
    #[default]
    Direct,
    /// Through a SOCKS5 proxy.
    Proxy,
    /// Through Tor.
    Tor,
    /// Straight, and through Tor to and from onion addresses.
    Both,
}

/// An onion address of ours.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct OnionInfo {
    /// The channel whose peers are told of it, and no others.
    pub channel: String,
    /// The address with its port.
    pub addr: String,
    /// Tor has told its network of it.
    pub published: bool,
    /// Why Tor does not make it.
    pub why: Option<String>,
}

/// What is wrong with a way out: a closed list, to be said in every language.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "snake_case")]
pub enum RouteReason {
    /// Nothing takes connections at the proxy's address.
    ProxyRefused,
    /// The proxy's address is not reached at all.
    ProxyUnreachable,
    /// The proxy takes the connection and says nothing, or closes it.
    ProxySilent,
    /// What listens there is no SOCKS5 proxy.
    NoSocks,
    /// The proxy wants a user name and a password.
    LoginWanted,
    /// The proxy refused the user name or the password, or takes none.
    LoginRefused,
    /// No running Tor, and no program of that name.
    NoTor,
    /// Tor was started and ended.
    TorEnded,
    /// The control port of the running Tor does not let us in.
    ControlRefused,
    /// Tor runs and has no way out.
    NoCircuits,
    /// Something else: the text tells.
    #[default]
    Other,
}

/// Whether anything can leave.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum RouteStanding {
    /// Not yet.
    Starting {
        /// Tor's own count; 0 where there is none.
        percent: u8,
    },
    /// It carries.
    Up,
    /// It does not, and nothing goes another way. It is tried again about once a second.
    Down {
        /// Why, in English.
        why: String,
        /// The same as a code.
        #[serde(default)]
        reason: RouteReason,
    },
}

impl Default for RouteStanding {
    fn default() -> Self {
        Self::Starting { percent: 0 }
    }
}

/// The way out and in.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(default)]
pub struct RouteInfo {
    /// As it is written, without a login: "direct", "tor", "direct+tor", "socks5://127.0.0.1:1080".
    pub route: String,
    /// Its kind.
    pub kind: RouteKind,
    /// Whether anything can leave.
    pub state: RouteStanding,
    /// Tor: our onion addresses, one for each channel.
    pub onions: Vec<OnionInfo>,
    /// Tor: why nobody can reach us by an onion address.
    pub no_inbound: Option<String>,
}

/// Space that is lent to followed channels, and what fills it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct Lending {
    /// Bytes that may be kept there.
    pub space: u64,
    /// Bytes that are.
    pub kept: u64,
    /// Bytes a second that come in for it now.
    pub rate: u64,
    /// Paused by the user.
    pub paused: bool,
    /// Something else is being fetched: it waits for an idle line.
    pub waits: bool,
}

/// The node's state.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct Status {
    /// Program version.
    pub version: String,
    /// Data folder.
    #[serde(with = "paths::one")]
    #[cfg_attr(test, ts(as = "PathBuf"))]
    pub data_dir: PathBuf,
    /// Listening address.
    pub listen: Option<String>,
    /// Why it does not listen, though it should: the listener broke, and is being made again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, ts(optional))]
    pub listen_lost: Option<String>,
    /// DHT: nodes known; none: no DHT.
    pub dht_nodes: Option<u32>,
    /// Connected peers.
    pub peers: u32,
    /// Followed channels.
    pub channels: u32,
    /// Own channels.
    pub own: u32,
    /// Blobs held.
    pub blobs: u64,
    /// Topics announced in this cycle.
    pub announced: u64,
    /// Topics to announce in a cycle.
    pub to_announce: u64,
    /// Bytes a second in.
    pub down: u64,
    /// Bytes a second out.
    pub up: u64,
    /// Bytes received from peers since start.
    pub received: u64,
    /// Bytes sent to peers since start.
    pub sent: u64,
    /// Everything is paused by the user, for a while or for good.
    pub paused: bool,
    /// Where a router lets the world in to this node.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, ts(optional))]
    pub mapped: Option<String>,
    /// Why nothing moves at all, if nothing may.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, ts(optional))]
    pub held: Option<Cause>,
    /// Bytes on the disk that count against the quota.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, ts(optional))]
    pub used: Option<u64>,
    /// Of these, bytes kept for others in the space that is lent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, ts(optional))]
    pub lent: Option<u64>,
    /// How lending goes; none: nothing is lent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, ts(optional))]
    pub lending: Option<Lending>,
    /// The DHT was asked only a moment ago: that no node is known yet means nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, ts(optional))]
    pub dht_asking: Option<bool>,
    /// Bytes in and out this month.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, ts(optional))]
    pub month_used: Option<u64>,
    /// Secrets: "keyring", "vault" (open), "locked" (a vault that waits for its passphrase), "none" (no keyring, and no
    /// vault made yet), "keyring_locked" (a keyring that does not open has them), "keyring_unused" (nothing is kept yet,
    /// and the keyring is locked: it can be unlocked, or a vault made).
    pub secrets: String,
    /// The way out and in.
    #[serde(default)]
    pub route: RouteInfo,
}
