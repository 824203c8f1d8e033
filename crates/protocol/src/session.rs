//! §2.3 Messages, E3–E7 — one peer's conversation as a machine without I/O.
//!
//! Owns: who may say what when, open requests, message queues, caps. Does not own: the cipher (see [`crate::frame`]),
//! sockets, time. Promises: whatever the peer sends, no queue here grows beyond its cap, no method panics, and an
//! extension is used only when both sides named it.

mod asks;
mod budget;
mod exchange;
mod holdings;
mod manifests;
mod outbox;
mod serving;
pub mod timing;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use crate::message::{Kind, Message, MessageError};
use crate::params::{FRAME_MAX, FRAME_MAX_BLOB, VERSION};
use crate::{BlobId, ChannelKey, PeerAddr, SignedManifest, Topic};
use asks::Asks;
use budget::Budget;
use exchange::Exchange;
use holdings::Holdings;
use manifests::Manifests;
use outbox::Outbox;
use serving::Serving;

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
    /// Public channels and the sequence held of each (ms since 1970; 0: none yet), at most 64.
    pub gossip: Vec<(ChannelKey, u64)>,
    /// Tokens of private channels, at most 256 (E7).
    pub private: Vec<[u8; 16]>,
    /// Extensions of the side that says it.
    pub ext: Capabilities,
}

/// Names an extension request on one connection; the answer echoes it (E3). Big-endian on the wire; 0 marks a push.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestId(pub u32);

/// What a PUBLISH carries: a BEP 44 mutable item (§5).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublishRequest {
    /// The manifest's channel.
    pub key: ChannelKey,
    /// BEP 44 `seq`: the manifest's sequence, ms since 1970.
    pub sequence: u64,
    /// BEP 44 value: the manifest's JSON, not bencoded, at most 996 bytes.
    pub value: Vec<u8>,
    /// Signature as sent (BEP 44's, or a v5 client's over the raw JSON, which is refused).
    pub signature: [u8; 64],
    /// BEP 44 salt of at most 64 bytes, empty for none.
    pub salt: Vec<u8>,
}

/// What the node tells a session to do.
#[derive(Debug, Clone)]
pub enum Command {
    /// Say HELLO. Once; the acceptor only after [`Event::Hello`].
    Hello(Hello),
    /// Ask for a blob.
    Request(BlobId),
    /// A blob that was asked for is no longer wanted: no event tells of it any more, unless it is asked for again.
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
    /// Ask for a manifest newer than this sequence, in ms since 1970 (capability `manifest`).
    GetManifest(ChannelKey, u64),
    /// Answer [`Event::GetManifest`].
    Manifest(RequestId, Option<Arc<SignedManifest>>),
    /// Send a manifest unasked (capability `manifest`).
    Push(Arc<SignedManifest>),
    /// Ask which of these the peer holds (capability `have`); stays in force.
    HaveQuery(Vec<BlobId>),
    /// Answer [`Event::HaveQuery`], one per ID asked.
    Have(RequestId, Vec<bool>),
    /// More of an earlier query arrived: indexes into it, from 0.
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
    /// The first bytes of a blob of ours arrived; more are to come.
    Arriving(BlobId),
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

impl Capabilities {
    /// What both name.
    pub const fn and(self, other: Self) -> Self {
        Self {
            manifest: self.manifest && other.manifest,
            have: self.have && other.have,
            split: self.split && other.split,
            gateway: self.gateway && other.gateway,
        }
    }
}

/// A broken rule that ends the connection: whose fault and which rule.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Violation {
    /// The peer broke a rule.
    #[error("peer misbehaved: {0}")]
    Peer(&'static str),
}

/// Messages that may be dropped silently before the peer is let go (E3).
const DROPPED_MAX: u32 = 1000;
/// Events that may wait to be polled.
const EVENTS_MAX: usize = 4096;

/// One established connection's conversation.
///
/// After each `handle_*`: take all of `poll_event`, then of `poll_transmit`, then ask `poll_timeout`. A [`Violation`]
/// ends the session; it is not to be fed any more.
pub struct Session {
    role: Role,
    ours: Capabilities,
    /// What our HELLO named, once it is said.
    said: Option<Capabilities>,
    /// The acceptor's HELLO, commanded before the dialler's came.
    held: Option<Hello>,
    /// What the peer's HELLO named, once it came.
    theirs: Option<Capabilities>,
    asks: Asks,
    serving: Serving,
    exchange: Exchange,
    manifests: Manifests,
    holdings: Holdings,
    outbox: Outbox,
    budget: Budget,
    events: VecDeque<Event>,
    last_id: u32,
    dropped: u32,
    closing: bool,
    now: Duration,
    last_traffic: Duration,
    /// Since when the bytes that wait were not taken.
    unread_since: Option<Duration>,
}

impl Session {
    /// A conversation that starts `now`. `ours`: what we can do; a capability is in force once both sides named it.
    pub fn new(role: Role, ours: Capabilities, now: Duration) -> Self {
        Self {
            role,
            ours,
            said: None,
            held: None,
            theirs: None,
            asks: Asks::default(),
            serving: Serving::default(),
            exchange: Exchange::default(),
            manifests: Manifests::default(),
            holdings: Holdings::default(),
            outbox: Outbox::default(),
            budget: Budget::new(now),
            events: VecDeque::new(),
            last_id: 0,
            dropped: 0,
            closing: false,
            now,
            last_traffic: now,
            unread_since: None,
        }
    }

    /// Does what the node asks; what cannot be done any more (the peer lacks the capability) is dropped.
    pub fn handle_command(&mut self, now: Duration, command: Command) {
        if self.closing {
            return;
        }
        self.now = now;
        let able = self.capabilities();
        let outbox = &mut self.outbox;
        match command {
            Command::Hello(hello) => self.hello(hello),
            Command::Request(id) => self.asks.request(now, id, outbox),
            Command::Cancel(id) => self.asks.cancel(now, id, able.split, outbox),
            Command::Serve(id, blob) => self.serving.answer(id, Some(blob)),
            Command::NotFound(id) => self.serving.answer(id, None),
            Command::FindPeers(topic) => self.exchange.find(now, topic, outbox),
            Command::Peers(topic, peers) => self.exchange.answer(topic, peers, outbox),
            Command::Announce(_, PeerAddr::Name(..)) => {}
            Command::Announce(topic, address) => {
                outbox.push(&Message::Announce(topic, address));
            }
            Command::GetManifest(channel, sequence) if able.manifest => {
                let id = self.next_id();
                self.manifests.get(now, id, channel, sequence, &mut self.outbox);
            }
            Command::Manifest(id, manifest) => self.manifests.answer(id, manifest.as_deref(), outbox),
            Command::Push(manifest) if able.manifest => self.manifests.push(now, manifest, outbox),
            Command::HaveQuery(blobs) if able.have => {
                let id = self.next_id();
                self.holdings.query(id, blobs, &mut self.outbox);
            }
            Command::Have(id, held) => self.holdings.answer(now, id, held, outbox),
            Command::HaveMore(id, indexes) => self.holdings.more(now, id, indexes, outbox),
            Command::GetManifest(..) | Command::Push(_) | Command::HaveQuery(_) => {}
            Command::Publish(request) => self.asks.publish(now, request, outbox),
            Command::Published(result) => {
                if self.serving.published() {
                    outbox.push(&match result {
                        Ok(()) => Message::Ok("Published".into()),
                        Err(why) => Message::Error(why.into()),
                    });
                }
            }
            Command::Close => self.close(),
        }
        self.settle();
    }

    /// One opened frame: type byte and payload.
    pub fn handle_frame(&mut self, now: Duration, frame: &[u8]) -> Result<(), Violation> {
        self.now = now;
        self.last_traffic = now;
        if self.closing {
            return Ok(());
        }
        if self.events.len() >= EVENTS_MAX {
            return Err(Violation::Peer("more messages than can be taken"));
        }
        match Message::decode(frame) {
            Ok(message) => self.message(now, message)?,
            Err(MessageError::Empty) => return Err(Violation::Peer("a frame without a type")),
            Err(MessageError::Unknown(_)) => self.drop_silently()?,
            // These are always answered, even when they make no sense.
            Err(MessageError::TooLong { kind, .. } | MessageError::Malformed(kind))
                if matches!(kind, Kind::Request | Kind::FindPeers | Kind::Publish) =>
            {
                self.unreadable_question(now, kind)?;
            }
            Err(MessageError::TooLong { .. }) => return Err(Violation::Peer("a message over its type's cap")),
            Err(MessageError::Malformed(_)) => self.drop_silently()?,
        }
        self.settle();
        self.budget.check()
    }

    fn message(&mut self, now: Duration, message: Message<'_>) -> Result<(), Violation> {
        self.budget.pay(now, &message)?;
        let able = self.capabilities();
        let outbox = &mut self.outbox;
        let event = match message {
            Message::Hello { version, hello } => return self.peer_hello(version, hello),
            Message::Request(id) => return self.serving.requested(Some(id)),
            Message::Data(bytes) => match self.asks.data(now, bytes, outbox)? {
                Some(event) => Some(event),
                None => return Ok(()),
            },
            Message::FindPeers(topic) => self.exchange.asked(now, Some(topic), outbox)?,
            Message::Peers(peers) => self.exchange.peers(now, peers, outbox),
            Message::Publish(request) => {
                self.serving.publish()?;
                Some(Event::Publish(request))
            }
            Message::Announce(topic, address) => Some(Event::Announce(topic, address)),
            Message::Ok(_) => self.asks.published(now, Ok(()), outbox),
            Message::Error(text) => match self.asks.error(now, &text, outbox) {
                Ok(Some(event)) => Some(event),
                Ok(None) => return Ok(()),
                Err(()) => None,
            },
            Message::GetManifest(id, channel, sequence) if able.manifest => {
                match self.manifests.asked(now, id, channel, sequence, outbox) {
                    Ok(Some(event)) => Some(event),
                    Ok(None) => return Ok(()),
                    Err(fault) => fault.map_or(Ok(None), Err)?,
                }
            }
            Message::Manifest { id, bep44, json } if able.manifest => match self.manifests.arrived(id, &bep44, json) {
                Ok(event) => Some(event),
                Err(fault) => fault.map_or(Ok(None), Err)?,
            },
            Message::HaveQuery(id, blobs) if able.have => match self.holdings.queried(now, id, blobs, outbox) {
                Ok(event) => Some(event),
                Err(fault) => fault.map_or(Ok(None), Err)?,
            },
            Message::Have(id, bits) if able.have => self.holdings.have(id, &bits),
            Message::HaveMore(id, indexes) if able.have => self.holdings.have_more(id, &indexes),
            Message::None(id, _) => match self.manifests.none(id) {
                Some(event) => Some(event),
                None if self.holdings.none(id) => return Ok(()),
                None => None,
            },
            Message::Cancel(id) if able.split => {
                self.events.extend(self.serving.cancel(id));
                return Ok(());
            }
            Message::GetManifest(..)
            | Message::Manifest { .. }
            | Message::HaveQuery(..)
            | Message::Have(..)
            | Message::HaveMore(..)
            | Message::Cancel(_) => None,
        };
        match event {
            Some(event) => self.events.push_back(event),
            None => self.drop_silently()?,
        }
        Ok(())
    }

    /// Our HELLO: the acceptor's waits for the dialler's (E3).
    fn hello(&mut self, mut hello: Hello) {
        if self.said.is_some() {
            return;
        }
        if self.role == Role::Acceptor && self.theirs.is_none() {
            self.held = Some(hello);
            return;
        }
        hello.ext = hello.ext.and(self.ours);
        self.said = Some(hello.ext);
        self.outbox.push(&Message::Hello { version: VERSION, hello });
    }

    fn peer_hello(&mut self, version: u64, hello: Hello) -> Result<(), Violation> {
        if self.theirs.is_some() {
            return self.drop_silently();
        }
        if version < VERSION {
            self.outbox.push(&Message::Error("Protocol Version Mismatch".into()));
            self.close();
            return Ok(());
        }
        self.theirs = Some(hello.ext);
        self.events.push_back(Event::Hello(hello));
        if let Some(held) = self.held.take() {
            self.hello(held);
        }
        Ok(())
    }

    /// REQUEST, FIND_PEERS and PUBLISH that cannot be read get the answer that v5 gives to what it does not have.
    fn unreadable_question(&mut self, now: Duration, kind: Kind) -> Result<(), Violation> {
        match kind {
            Kind::Request => self.serving.requested(None),
            Kind::FindPeers => self.exchange.asked(now, None, &mut self.outbox).map(|_| ()),
            _ => {
                self.serving.publish()?;
                if self.serving.publishes() > 1 || self.outbox.is_clogged() {
                    return Err(Violation::Peer("PUBLISH that cannot be read"));
                }
                self.serving.published();
                self.outbox.push(&Message::Error("PUBLISH that cannot be read".into()));
                Ok(())
            }
        }
    }

    /// Neither answered nor acted upon, but counted.
    fn drop_silently(&mut self) -> Result<(), Violation> {
        self.dropped += 1;
        if self.dropped > DROPPED_MAX { Err(Violation::Peer("too many messages that mean nothing")) } else { Ok(()) }
    }

    fn close(&mut self) {
        self.closing = true;
        self.asks.stop();
    }

    /// What follows from any input: the node is shown what it has room for, and the clock of unread bytes runs.
    fn settle(&mut self) {
        self.budget.refund_blobs(self.serving.take_refunds());
        while !self.closing
            && let Some(event) = self.serving.hand_over()
        {
            self.budget.pay_blob(self.now);
            self.events.push_back(event);
        }
        self.unread_since = if self.has_output() { self.unread_since.or(Some(self.now)) } else { None };
    }

    fn has_output(&self) -> bool {
        !self.outbox.is_empty() || self.serving.is_ready()
    }

    fn next_id(&mut self) -> RequestId {
        self.last_id = self.last_id.checked_add(1).unwrap_or(1);
        RequestId(self.last_id)
    }

    /// The next event, oldest first.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// The next plain frame to seal and send (type byte and payload appended to `out`, which is cleared first);
    /// control messages go before DATA. False: nothing to send now.
    pub fn poll_transmit(&mut self, out: &mut Vec<u8>) -> bool {
        out.clear();
        let split = self.capabilities().split;
        let sent = self.outbox.transmit(out) || self.serving.transmit(split, out);
        if sent {
            self.last_traffic = self.now;
            self.unread_since = None;
            self.settle();
        }
        sent
    }

    /// When [`Session::handle_timeout`] is due.
    pub fn poll_timeout(&self) -> Option<Duration> {
        let write = self.unread_since.map(|since| since + timing::WRITE);
        if self.closing {
            return write;
        }
        let due = [
            Some(self.last_traffic + timing::IDLE),
            write,
            self.asks.deadline(),
            self.exchange.deadline(),
            self.manifests.deadline(),
            self.holdings.deadline(),
        ];
        due.into_iter().flatten().min()
    }

    /// Time passed: stalled requests and idle peers end here. An idle session closes as by [`Command::Close`].
    pub fn handle_timeout(&mut self, now: Duration) -> Result<(), Violation> {
        self.now = now;
        if self.unread_since.is_some_and(|since| since + timing::WRITE <= now) {
            return Err(Violation::Peer("nothing of what waits for it is taken"));
        }
        if self.closing {
            return Ok(());
        }
        if self.asks.deadline().is_some_and(|due| due <= now) {
            return Err(Violation::Peer("no answer in time"));
        }
        self.events.extend(self.exchange.handle_timeout(now, &mut self.outbox));
        self.events.extend(self.manifests.handle_timeout(now, &mut self.outbox));
        self.holdings.handle_timeout(now, &mut self.outbox);
        if self.last_traffic + timing::IDLE <= now {
            self.close();
        }
        self.settle();
        Ok(())
    }

    /// Blobs given with [`Command::Serve`] that are not wholly sent yet, nor cancelled.
    pub fn blobs_held(&self) -> usize {
        self.serving.blobs_held()
    }

    /// The largest `N` that the next frame may have: a whole blob's only while a REQUEST of ours is open.
    pub fn frame_max(&self) -> usize {
        if self.asks.is_open() { FRAME_MAX_BLOB } else { FRAME_MAX }
    }

    /// Capabilities in force: both sides named them.
    pub fn capabilities(&self) -> Capabilities {
        self.said.unwrap_or_default().and(self.theirs.unwrap_or_default())
    }

    /// [`Command::Close`] was given, or the session closes by itself (idle, wrong version), and everything queued has
    /// been taken by `poll_transmit`.
    pub fn is_finished(&self) -> bool {
        self.closing && !self.has_output()
    }
}

#[cfg(test)]
mod tests;
