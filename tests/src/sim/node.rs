//! One simulated node: a swarm, what it keeps over restarts, and counts of what it did.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use protocol::{BlobId, ChannelKey, Identity, InfoHash, PeerAddr, ReadKey, SignedManifest};
use swarm::{ConnId, Rank, Swarm};

use super::link::{LinkId, Side};
use super::v5::V5;

/// The first address of the world, and of a local network.
pub(super) const GLOBAL: u32 = (20 << 24) + 1;
pub(super) const LOCAL: u32 = (10 << 24) + 1;

/// A node's address in either.
pub(super) fn address(first: u32, id: NodeId) -> IpAddr {
    Ipv4Addr::from(first + u32::try_from(id).expect("fewer nodes than addresses")).into()
}

/// A node's place in [`super::World::nodes`].
pub type NodeId = usize;

/// How a node behaves beyond what its machine says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Nature {
    /// As the protocol says.
    Honest,
    /// Every blob that it serves is wrong.
    Corrupt,
    /// It takes requests and never answers them.
    Stalls,
    /// It says in HELLO that it has newer manifests.
    Boasts,
    /// It names 200 addresses where nobody is.
    Spams,
    /// It says that it has every blob.
    Pretends,
    /// Its HELLO names no channel, no token, no extension.
    Plain,
    /// A plain v5 peer.
    V5,
}

/// Where and how a node lives.
#[derive(Debug, Clone)]
pub struct Place {
    /// How it behaves.
    pub nature: Nature,
    /// Behind a router: nobody can dial it.
    pub nat: bool,
    /// Whether it has a DHT.
    pub dht: bool,
    /// Whether it tells peers where it can be dialled.
    pub tells: bool,
    /// Bytes a second that it can send.
    pub up: f64,
    /// Bytes a second that it can receive.
    pub down: f64,
    /// Nodes of different groups cannot reach each other.
    pub group: u8,
    /// Whether everything that it hears is kept in [`Node::heard`].
    pub tapped: bool,
    /// Blob announces a second.
    pub announces: f64,
    /// Connections per channel.
    pub per_channel: usize,
    /// Connections in all.
    pub connections: usize,
    /// On a local network, with an address of that network.
    pub lan: bool,
    /// Its clock is so many ms behind, or before it.
    pub behind_ms: i64,
}

impl Default for Place {
    fn default() -> Self {
        Self {
            nature: Nature::Honest,
            nat: false,
            dht: true,
            tells: true,
            up: 2e6,
            down: 8e6,
            group: 0,
            tapped: false,
            announces: 2.0,
            per_channel: 12,
            connections: 200,
            lan: false,
            behind_ms: 0,
        }
    }
}

/// What a manifest leads to.
#[derive(Debug)]
pub struct Plan {
    /// The body's blob: nothing else is known before it is there.
    pub root: BlobId,
    /// The rest.
    pub blobs: Vec<BlobId>,
}

/// A channel from its author's side.
pub struct Author {
    /// Who signs.
    pub identity: Identity,
    /// Of a private channel.
    pub read_key: Option<ReadKey>,
    /// The last one signed.
    pub sequence: u64,
}

impl Author {
    /// The channel.
    pub fn key(&self) -> ChannelKey {
        self.identity.channel()
    }
}

/// A followed channel as the node keeps it.
#[derive(Debug, Clone, Default)]
pub struct Subscription {
    /// Of a private channel.
    pub read_key: Option<ReadKey>,
    /// The newest.
    pub manifest: Option<Arc<SignedManifest>>,
    /// When it was learnt.
    pub learnt: Duration,
    /// What it leads to.
    pub plan: Option<Arc<Plan>>,
    /// Blobs that are not here yet.
    pub missing: BTreeSet<BlobId>,
    /// Two manifests of one sequence were seen.
    pub signed_twice: bool,
    /// Of the plan's blobs, those that are wanted; none: all.
    pub wishes: Option<BTreeSet<usize>>,
    /// Whether blobs are fetched at all.
    pub fetches: bool,
}

impl Subscription {
    /// Whether the blob at this place of a plan, its root being the first, is wanted.
    pub(super) fn wishes_for(&self, at: usize) -> bool {
        at == 0 || self.wishes.as_ref().is_none_or(|wishes| wishes.contains(&(at - 1)))
    }
}

/// Counts.
#[derive(Debug, Clone, Default)]
pub struct Seen {
    /// Whole blobs sent, as far as their last byte.
    pub served: u64,
    /// REQUESTs said.
    pub requests: u64,
    /// Whole blobs that came and were right.
    pub blobs: u64,
    /// Whole blobs that came and were wrong.
    pub wrong: u64,
    /// Right blobs that were here already.
    pub twice: u64,
    /// Most peers asked for one blob at a time.
    pub most_asked: usize,
    /// Most blobs that were asked of two or more at a time.
    pub most_doubled: usize,
    /// Addresses banned.
    pub banned: Vec<(SocketAddr, Duration)>,
    /// Manifests asked for.
    pub gets: u64,
    /// Dials.
    pub dials: u64,
    /// Dials that reached nobody.
    pub missed: u64,
    /// Announces in the DHT: when and what.
    pub announced: Vec<(Duration, InfoHash)>,
}

/// One node.
pub struct Node {
    /// Where it can be dialled, unless it is behind a router.
    pub addr: SocketAddr,
    /// How it lives.
    pub place: Place,
    /// Its mind, while it is online (a v5 peer has none).
    pub swarm: Option<Box<Swarm>>,
    pub(super) v5: Option<Box<V5>>,
    /// When it came online last.
    pub since: Duration,
    /// Its network is gone.
    pub(super) cut: bool,
    /// Nothing of it runs.
    pub(super) asleep: bool,
    /// Runs so far.
    pub(super) life: u32,
    pub(super) conns: BTreeMap<ConnId, (LinkId, Side)>,
    /// Open requests: who was asked for which blob.
    pub(super) asked: BTreeMap<BlobId, Vec<ConnId>>,
    pub(super) doubled: usize,
    pub(super) up_free: Duration,
    pub(super) down_free: Duration,
    pub(super) wake: Option<Duration>,
    /// What it follows.
    pub channels: BTreeMap<ChannelKey, Subscription>,
    /// What it holds.
    pub stored: BTreeMap<BlobId, (ChannelKey, Rank)>,
    /// Room for so many blobs of a channel is lent to others.
    pub(super) lends: Option<(ChannelKey, usize)>,
    /// What is kept, or fetched, for that.
    pub(super) lent: BTreeSet<BlobId>,
    /// Addresses that the user named.
    pub(super) named: Vec<(Option<ChannelKey>, PeerAddr)>,
    /// Counts.
    pub seen: Seen,
    /// Plain frames that it received, if it is tapped.
    pub heard: Vec<Vec<u8>>,
}

impl Node {
    pub(super) fn new(id: NodeId, place: Place) -> Self {
        // Every node its own household: 20.0.0.1 and on; or all in one house: 10.0.0.1 and on.
        let ip = address(if place.lan { LOCAL } else { GLOBAL }, id);
        Self {
            addr: SocketAddr::new(ip, 6881),
            place,
            swarm: None,
            v5: None,
            since: Duration::ZERO,
            cut: false,
            asleep: false,
            life: 0,
            conns: BTreeMap::new(),
            asked: BTreeMap::new(),
            doubled: 0,
            up_free: Duration::ZERO,
            down_free: Duration::ZERO,
            wake: None,
            channels: BTreeMap::new(),
            stored: BTreeMap::new(),
            lends: None,
            lent: BTreeSet::new(),
            named: Vec::new(),
            seen: Seen::default(),
            heard: Vec::new(),
        }
    }
    /// Connections now.
    pub fn connections(&self) -> usize {
        self.conns.len()
    }
    /// Whether it runs.
    pub fn is_online(&self) -> bool {
        self.swarm.is_some() || self.v5.is_some()
    }
    /// Blobs here that are kept for others.
    pub fn lent_blobs(&self) -> usize {
        self.lent.iter().filter(|blob| self.stored.contains_key(blob)).count()
    }
    /// The sequence that it has of a channel; 0: none.
    pub fn sequence(&self, key: &ChannelKey) -> u64 {
        self.channels.get(key).and_then(|s| s.manifest.as_ref()).map_or(0, |m| m.sequence())
    }
    /// Whether it holds everything that its newest manifest leads to.
    pub fn is_complete(&self, key: &ChannelKey) -> bool {
        self.channels.get(key).is_some_and(|s| s.plan.is_some() && s.missing.is_empty())
    }
    pub(super) fn asks(&mut self, blob: BlobId, conn: ConnId) {
        self.seen.requests += 1;
        let asked = self.asked.entry(blob).or_default();
        if asked.contains(&conn) {
            return;
        }
        asked.push(conn);
        self.doubled += usize::from(asked.len() == 2);
        self.seen.most_asked = self.seen.most_asked.max(asked.len());
        self.seen.most_doubled = self.seen.most_doubled.max(self.doubled);
    }
    pub(super) fn asks_no_more(&mut self, blob: &BlobId, conn: ConnId) {
        let Some(asked) = self.asked.get_mut(blob) else { return };
        let before = asked.len();
        asked.retain(|c| *c != conn);
        self.doubled -= usize::from(before >= 2 && asked.len() < 2);
        if asked.is_empty() {
            self.asked.remove(blob);
        }
    }
    pub(super) fn conn_ended(&mut self, conn: ConnId) {
        self.conns.remove(&conn);
        let blobs: Vec<BlobId> = self.asked.iter().filter(|(_, c)| c.contains(&conn)).map(|(b, _)| *b).collect();
        for blob in blobs {
            self.asks_no_more(&blob, conn);
        }
    }
}
