//! §2.3 Messages, E3–E7 — one peer's conversation as a machine without I/O.
//!
//! Owns: who may say what when, open requests, message queues, caps. Does not own: the cipher (see [`crate::frame`]), sockets, time.

use std::sync::Arc;
use std::time::Duration;

use crate::{BlobId, ChannelKey, PeerAddr, SignedManifest, Topic};

/// Which side of the connection we are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// We dialled.
    Dialler,
    /// We accepted.
    Acceptor,
}

/// Extensions that a side named in its HELLO (E3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Capabilities {
    /// GET_MANIFEST, MANIFEST and push (E4).
    pub manifest: bool,
    /// HAVE_QUERY, HAVE, HAVE_MORE (E5).
    pub have: bool,
    /// DATA in 64 KiB frames and CANCEL (E5).
    pub split: bool,
    /// Publishes for others (E9).
    pub gateway: bool,
}

/// What a HELLO says (§2.3, E3, E7).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Hello {
    /// Public channels and the sequence held of each (0: none yet), at most 64.
    pub gossip: Vec<(ChannelKey, u64)>,
    /// Tokens of private channels (E7).
    pub private: Vec<[u8; 16]>,
    /// Extensions of the side that says it.
    pub ext: Capabilities,
}

/// Names an extension request on one connection; the answer echoes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestId(pub u32);

/// What a PUBLISH carries: a BEP 44 mutable item (§5).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublishRequest {
    /// The manifest's channel.
    pub key: ChannelKey,
    /// BEP 44 `seq`.
    pub sequence: u64,
    /// BEP 44 value: the manifest's JSON, not bencoded.
    pub value: Vec<u8>,
    /// Signature as sent (BEP 44's, or a v5 client's over the raw JSON, which is refused).
    pub signature: [u8; 64],
    /// BEP 44 salt, empty for none.
    pub salt: Vec<u8>,
}

/// What the node tells a session to do.
#[derive(Debug, Clone)]
pub enum Command {
    /// Say HELLO. Once; the acceptor only after [`Event::Hello`].
    Hello(Hello),
    /// Ask for a blob.
    Request(BlobId),
    /// A blob that was asked for is no longer wanted.
    Cancel(BlobId),
    /// Answer the oldest [`Event::Requested`] of this ID with the sealed bytes.
    Serve(BlobId, Arc<Vec<u8>>),
    /// Answer it with "Not Found".
    NotFound(BlobId),
    /// Ask for peers of a topic.
    FindPeers(Topic),
    /// Answer [`Event::FindPeers`].
    Peers(Topic, Vec<PeerAddr>),
    /// Tell our own address for a topic.
    Announce(Topic, PeerAddr),
    /// Ask for a manifest newer than this sequence (capability `manifest`).
    GetManifest(ChannelKey, u64),
    /// Answer [`Event::GetManifest`].
    Manifest(RequestId, Option<Arc<SignedManifest>>),
    /// Send a manifest unasked (capability `manifest`).
    Push(Arc<SignedManifest>),
    /// Ask which of these the peer holds (capability `have`); stays in force.
    HaveQuery(Vec<BlobId>),
    /// Answer [`Event::HaveQuery`], one per ID asked.
    Have(RequestId, Vec<bool>),
    /// More of an earlier query arrived: indexes into it.
    HaveMore(RequestId, Vec<u16>),
    /// Ask a gateway to publish (§5).
    Publish(PublishRequest),
    /// Answer [`Event::Publish`]: OK "Published", or ERROR with this text.
    Published(Result<(), String>),
    /// Send what is queued, then close with FIN.
    Close,
}

/// What a session tells the node.
#[derive(Debug, Clone)]
pub enum Event {
    /// The peer's first HELLO.
    Hello(Hello),
    /// The peer asks for a blob: answer with [`Command::Serve`] or [`Command::NotFound`], in any order; the session orders.
    Requested(BlobId),
    /// The peer no longer wants it; drop work under way (E5).
    Cancelled(BlobId),
    /// Bytes arrived for a blob of ours, whole but not yet hashed.
    Blob(BlobId, Vec<u8>),
    /// The peer has not got it.
    NotFound(BlobId),
    /// The peer asks for peers of a topic; must be answered.
    FindPeers(Topic),
    /// Answer to our FIND_PEERS.
    Peers(Topic, Vec<PeerAddr>),
    /// The peer says where it can be dialled.
    Announce(Topic, PeerAddr),
    /// The peer asks for a manifest newer than this sequence.
    GetManifest(RequestId, ChannelKey, u64),
    /// A verified manifest: the answer to ours (`Some(key)` asked), or a push.
    Manifest(Arc<SignedManifest>),
    /// The peer has no newer manifest of this channel.
    NoManifest(ChannelKey),
    /// The peer asks which of these we hold.
    HaveQuery(RequestId, Vec<BlobId>),
    /// The peer holds these (of our queries).
    Have(Vec<BlobId>),
    /// The peer asks us to publish.
    Publish(PublishRequest),
    /// Our PUBLISH was answered; the text is the peer's, untrusted.
    Published(Result<(), String>),
}

/// A broken rule that ends the connection: whose fault and which rule.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Violation {
    /// The peer broke a rule.
    #[error("peer misbehaved: {0}")]
    Peer(&'static str),
}

/// One established connection's conversation.
pub struct Session {
    _p: (),
}

#[allow(clippy::todo, unused_variables)]
impl Session {
    /// A conversation that starts `now`. `ours`: what we can do; a capability is in force once both sides named it.
    pub fn new(role: Role, ours: Capabilities, now: Duration) -> Self {
        todo!()
    }
    /// Does what the node asks; what cannot be done any more (the peer lacks the capability) is dropped.
    pub fn handle_command(&mut self, now: Duration, command: Command) {
        todo!()
    }
    /// One opened frame: type byte and payload.
    pub fn handle_frame(&mut self, now: Duration, frame: &[u8]) -> Result<(), Violation> {
        todo!()
    }
    /// The next event, oldest first.
    pub fn poll_event(&mut self) -> Option<Event> {
        todo!()
    }
    /// The next plain frame to seal and send (type byte and payload appended to `out`, which is cleared first);
    /// control messages go before DATA. False: nothing to send now.
    pub fn poll_transmit(&mut self, out: &mut Vec<u8>) -> bool {
        todo!()
    }
    /// When [`Session::handle_timeout`] is due.
    pub fn poll_timeout(&self) -> Option<Duration> {
        todo!()
    }
    /// Time passed: stalled requests and idle peers end here.
    pub fn handle_timeout(&mut self, now: Duration) -> Result<(), Violation> {
        todo!()
    }
    /// The largest `N` that the next frame may have: a whole blob's only while a REQUEST of ours is open.
    pub fn frame_max(&self) -> usize {
        todo!()
    }
    /// Capabilities in force: both sides named them.
    pub fn capabilities(&self) -> Capabilities {
        todo!()
    }
    /// [`Command::Close`] was given and everything queued has been taken by `poll_transmit`.
    pub fn is_finished(&self) -> bool {
        todo!()
    }
}
