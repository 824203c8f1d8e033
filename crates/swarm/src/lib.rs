//! The mind: a pure machine that knows many peers and many blobs and decides what to ask of whom.
//!
//! Owns: who is connected and what they said, what is wanted and what is held, which addresses are worth dialling, who is
//! banned, when to announce, look up, gossip and push. Does not own: sockets, files, ciphers, clocks, chance. Inputs are
//! `handle_*(now, …)`, `now` being the time since the process (or the simulation) started; outputs are polled. The same
//! seed and the same inputs give the same outputs.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use protocol::handshake::Binding;
use protocol::session::{Command, Event, Role};
use protocol::{BlobId, ChannelKey, InfoHash, PeerAddr, ReadKey, SignedManifest, Topic};

/// One connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnId(pub u64);

/// One attempt to dial; becomes a [`ConnId`] of the same number.
pub type DialId = ConnId;

/// How an address became known: what it may name and how much it is trusted (E10).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Source {
    /// The user: command line, settings, or a link that the user opened.
    User,
    /// The signed body's `peers`.
    Body,
    /// The DHT.
    Dht,
    /// Another peer's PEERS.
    Pex,
    /// The peer itself, by ANNOUNCE.
    Announce,
}

/// A followed or own channel.
#[derive(Debug, Clone)]
pub struct Follow {
    /// Its key.
    pub key: ChannelKey,
    /// Present for private channels.
    pub read_key: Option<ReadKey>,
    /// The newest verified manifest, if one is known.
    pub manifest: Option<Arc<SignedManifest>>,
    /// Highest sequence ever verified: nothing lower is taken.
    pub floor: u64,
}

/// How urgent a wanted blob is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Priority {
    /// Files, rarest first.
    Normal,
    /// Under a play head.
    Streaming,
    /// Bodies, pages, tables: nothing moves without them.
    Structure,
}

/// Which of our holdings is announced first (E6).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Rank {
    /// Body and table roots, pages.
    Root,
    /// First blob of an item.
    First,
    /// Everything else, in rotation.
    Rest,
}

/// What became of bytes that a peer sent for a blob.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Hash right, stored.
    Stored,
    /// Hash wrong: the sender is banned.
    BadHash,
    /// Hash right, but it could not be stored (disk full): wanted still, nobody's fault.
    NotStored,
}

/// Why a connection ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Closed {
    /// By us, or in peace.
    Clean,
    /// The peer broke a rule.
    Violation,
    /// Network trouble, a bad tag, a time-out.
    Failed,
}

/// What the machine wants done.
#[derive(Debug, Clone)]
pub enum Output {
    /// Dial this address; answer with [`Swarm::handle_dialled`].
    Dial(DialId, PeerAddr),
    /// Give this to the connection's session.
    Send(ConnId, Command),
    /// Load this blob and give it to the session with `Command::Serve`, or `NotFound`.
    Serve(ConnId, BlobId),
    /// End the connection.
    Close(ConnId),
    /// Look up peers in the DHT; answer with [`Swarm::handle_found`].
    DhtLookup(InfoHash),
    /// Announce our port in the DHT; answer with [`Swarm::handle_announced`].
    DhtAnnounce(InfoHash),
    /// Ask the DHT for the newest manifest and keep it alive (E4); a result comes back as [`Swarm::handle_manifest`].
    DhtRefresh(ChannelKey),
    /// A newer verified manifest was learnt from a peer (not from `handle_manifest`): keep it, act on it.
    NewManifest(Arc<SignedManifest>),
    /// Same sequence, other bytes: the channel shows "signed twice".
    SignedTwice(ChannelKey),
    /// A peer asked us as a gateway to publish; check, put, and answer with `Command::Published`.
    Publish(ConnId, protocol::session::PublishRequest),
    /// A peer asks for a manifest of a channel we do not follow (gateway): look up, answer with `Command::Manifest`.
    GatewayLookup(ConnId, protocol::session::RequestId, ChannelKey, u64),
    /// An IP was banned for this long, for a wrong blob.
    Banned(PeerAddr, Duration),
}

/// Why a wanted blob does not move.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// Requests are open: it moves.
    Moving,
    /// No address is known for this channel.
    NoPeersKnown {
        /// Peers that were asked for others.
        asked: u32,
    },
    /// Addresses are known, none is connected.
    NoneOnline {
        /// Addresses tried.
        known: u32,
    },
    /// Peers are connected, none has it.
    NobodyHasIt {
        /// Peers connected for this channel.
        connected: u32,
    },
    /// Waiting for a free slot.
    Queued,
}

/// A connected peer, for the status.
#[derive(Debug, Clone)]
pub struct PeerInfo {
    /// Its connection.
    pub conn: ConnId,
    /// Where it is.
    pub addr: PeerAddr,
    /// Who dialled.
    pub role: Role,
    /// It said no HELLO or named no extension.
    pub v5: bool,
    /// Blob bytes received from it.
    pub received: u64,
    /// Blob bytes sent to it.
    pub sent: u64,
    /// Channels shared with it.
    pub channels: Vec<ChannelKey>,
}

/// Announces, for the status (E6).
#[derive(Debug, Clone, Copy, Default)]
pub struct Coverage {
    /// Topics that should be announced in a cycle.
    pub total: u64,
    /// Announced within the last cycle.
    pub announced: u64,
}

/// Numbers that tune the machine.
#[derive(Debug, Clone)]
pub struct Config {
    /// What we can do, named in HELLO.
    pub capabilities: protocol::session::Capabilities,
    /// Our own port as others can dial it; 0: none.
    pub port: u16,
    /// Whether there is a DHT.
    pub dht: bool,
    /// Addresses of these classes may be learnt from the DHT and peers: true on loopback test networks.
    pub allow_local: bool,
    /// Most connections.
    pub connections_max: usize,
    /// Most connections dialled per channel.
    pub per_channel: usize,
    /// Blob announces a second.
    pub announces_per_second: f64,
    /// Length of an announce cycle: 15 minutes.
    pub announce_cycle: Duration,
    /// A ban's length: 1 hour.
    pub ban: Duration,
    /// UTC time at `now` = 0, in ms since 1970 (for the days of private rendezvous).
    pub unix_ms_at_start: u64,
}

/// The machine.
pub struct Swarm {
    _p: (),
}

#[allow(clippy::todo, unused_variables)]
impl Swarm {
    /// A machine with its own chance.
    pub fn new(config: Config, seed: u64) -> Self {
        todo!()
    }

    // What the node wants.
    /// Follow (or own) a channel: meet its swarm, learn its manifests, share its blobs.
    pub fn follow(&mut self, now: Duration, channel: Follow) {
        todo!()
    }
    /// Leave it.
    pub fn unfollow(&mut self, now: Duration, key: &ChannelKey) {
        todo!()
    }
    /// A verified manifest from outside the swarm (the DHT, our own publishing): taken if newer, then pushed. Returns whether it was taken.
    pub fn handle_manifest(&mut self, now: Duration, manifest: Arc<SignedManifest>) -> bool {
        todo!()
    }
    /// Fetch this blob from the channel's swarm.
    pub fn want(&mut self, now: Duration, blob: BlobId, channel: ChannelKey, priority: Priority) {
        todo!()
    }
    /// No longer.
    pub fn unwant(&mut self, now: Duration, blob: &BlobId) {
        todo!()
    }
    /// We hold this blob: serve it, announce it. `announced`: how long ago it was announced, if known from an earlier run.
    pub fn hold(&mut self, now: Duration, blob: BlobId, channel: ChannelKey, rank: Rank, announced: Option<Duration>) {
        todo!()
    }
    /// We do not hold it any more.
    pub fn unhold(&mut self, now: Duration, blob: &BlobId) {
        todo!()
    }
    /// An address that may serve a channel (`None`: any channel).
    pub fn add_addr(&mut self, now: Duration, addr: PeerAddr, channel: Option<ChannelKey>, source: Source) {
        todo!()
    }

    // What the world says.
    /// A dial ended: connected (with the handshake's binding), or not.
    pub fn handle_dialled(&mut self, now: Duration, id: DialId, result: Option<Binding>) {
        todo!()
    }
    /// Somebody connected. False: refused (banned, too many); drop it.
    pub fn handle_accepted(&mut self, now: Duration, id: ConnId, addr: PeerAddr, binding: Binding) -> bool {
        todo!()
    }
    /// A session's event; `Event::Blob` stays with the node, which hashes and stores, then calls [`Swarm::handle_verdict`].
    pub fn handle_event(&mut self, now: Duration, id: ConnId, event: Event) {
        todo!()
    }
    /// What became of a blob that this connection brought.
    pub fn handle_verdict(&mut self, now: Duration, id: ConnId, blob: BlobId, verdict: Verdict) {
        todo!()
    }
    /// A connection ended.
    pub fn handle_closed(&mut self, now: Duration, id: ConnId, why: Closed) {
        todo!()
    }
    /// A DHT look-up ended with these addresses.
    pub fn handle_found(&mut self, now: Duration, infohash: InfoHash, addrs: Vec<SocketAddr>) {
        todo!()
    }
    /// A DHT announce ended. Returns the blob, if the topic was one, so that the time can be kept.
    pub fn handle_announced(&mut self, now: Duration, infohash: InfoHash, ok: bool) -> Option<Topic> {
        todo!()
    }
    /// The network came back or went (suspend, cable): forget back-offs, look again.
    pub fn handle_network_change(&mut self, now: Duration) {
        todo!()
    }

    // What to do.
    /// The next output.
    pub fn poll_output(&mut self) -> Option<Output> {
        todo!()
    }
    /// When [`Swarm::handle_timeout`] is due.
    pub fn poll_timeout(&self) -> Option<Duration> {
        todo!()
    }
    /// Time passed.
    pub fn handle_timeout(&mut self, now: Duration) {
        todo!()
    }

    // What is so.
    /// Why this channel's wanted blobs do not move.
    pub fn cause(&self, now: Duration, channel: &ChannelKey) -> Cause {
        todo!()
    }
    /// Connected peers.
    pub fn peers(&self) -> Vec<PeerInfo> {
        todo!()
    }
    /// Peers connected for a channel.
    pub fn peers_of(&self, channel: &ChannelKey) -> usize {
        todo!()
    }
    /// Announces done of those due.
    pub fn coverage(&self, now: Duration) -> Coverage {
        todo!()
    }
}
