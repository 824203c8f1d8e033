//! The words in which the node and the swarm talk: inputs, outputs and the status.

use std::sync::Arc;
use std::time::Duration;

use protocol::price::Payer;
use protocol::session::{Command, Role};
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
    /// Local discovery: a neighbour, who may follow any channel.
    Lan,
    /// The signed body's `peers`.
    Body,
    /// An earlier run that dialled it with success: worth a try, and forgotten like what somebody told.
    Remembered,
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

/// What is known of a followed channel's list beyond its blobs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct List {
    /// A v5 author wrote it, whose seeders announce blobs and nothing else: blobs are looked up by ID at once, and those of a
    /// private channel, too, which constant IDs give away. So of a private one only what its user agreed to.
    pub v5: bool,
    /// Blobs of chunks that stand in the manifest itself: what a v5 reader can find and ask for.
    pub inline: Vec<BlobId>,
}

/// What peers have said of a channel's list.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct News {
    /// When one last said anything about the channel.
    pub heard: Option<Duration>,
    /// One is being asked for its list just now.
    pub open: bool,
    /// One is connected that pushes what is new.
    pub pushed: bool,
}

/// How urgent a wanted blob is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Priority {
    /// Files that can wait.
    Low,
    /// Files, rarest first.
    Normal,
    /// Files that the user wants before others.
    High,
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
    /// Load this blob and give it to the session with `Command::Serve`, or `NotFound`; say [`Swarm::handle_served`] when
    /// it is sent or will not be.
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
    Publish(ConnId, Payer, protocol::session::PublishRequest),
    /// A peer asks for a manifest of a channel we do not follow (gateway): look up, answer with `Command::Manifest`.
    GatewayLookup(ConnId, Payer, protocol::session::RequestId, ChannelKey, u64),
    /// A peer asks for peers of a topic of which we know few (gateway): look in the DHT, for a few seconds at most, and
    /// answer with [`Swarm::handle_sought`](crate::Swarm::handle_sought), also when nothing was found.
    GatewaySeek(ConnId, Payer, Topic),
    /// A peer was banned for this long, for a wrong blob; or left alone, if the user named it.
    Banned(PeerAddr, Duration),
}

/// Who sent a wrong blob and is not dealt with for a while.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ban {
    /// A place (`host:port`), or all places of a host or network.
    pub who: String,
    /// Until when.
    pub until: Duration,
}

/// Why a wanted blob does not move.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// Requests are open: it moves.
    Moving,
    /// Somebody who has it is being looked for since a moment.
    Looking,
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
    /// Addresses are known, and everybody there sent a wrong blob and is left alone for a while.
    OnlyBanned {
        /// Addresses known.
        known: u32,
        /// When the first of them is asked again.
        until: Duration,
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
    /// Blob bytes received from it, those of blobs under way among them.
    pub received: u64,
    /// Blob bytes sent to it.
    pub sent: u64,
    /// Channels shared with it.
    pub channels: Vec<ChannelKey>,
    /// It publishes for others.
    pub gateway: bool,
}

/// Announces, for the status (E6).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
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
    /// Where others can dial us, if we know it: told to peers by ANNOUNCE (E10). `None`: nothing is told.
    pub own_addr: Option<PeerAddr>,
    /// UTC time at `now` = 0, in ms since 1970 (for the days of private rendezvous).
    pub unix_ms_at_start: u64,
}
