//! Plain v5 peers: no HELLO from the server, one blob per connection from the client, no extension ever.

use std::collections::{BTreeSet, VecDeque};
use std::net::SocketAddr;
use std::time::Duration;

use protocol::message::Message;
use protocol::params::BLOB_LEN;
use protocol::{BlobId, PeerAddr};
use swarm::ConnId;

use super::carry::bytes_of;
use super::link::{LinkId, Side, Talk};
use super::node::NodeId;
use super::secs;
use super::world::{Due, World};

/// A v5 client gives a connection up after this.
const PATIENCE: Duration = Duration::from_secs(10);
/// Between two tries of a v5 client.
const V5_AGAIN: Duration = secs(2);

/// A v5 node.
#[derive(Default)]
pub(super) struct V5 {
    pub(super) wants: VecDeque<BlobId>,
    /// What it fetches now.
    pub(super) current: Option<BlobId>,
    pub(super) got: BTreeSet<BlobId>,
    pub(super) next_conn: u64,
}

impl V5 {
    pub(super) fn next_conn(&mut self) -> ConnId {
        self.next_conn += 1;
        ConnId(self.next_conn)
    }
}

/// One of its connections.
#[derive(Default)]
pub(super) struct V5Talk {
    pub(super) frames: VecDeque<Vec<u8>>,
    pub(super) closing: bool,
    pub(super) deadline: Option<Duration>,
    /// The blob that this connection is for, and its bytes so far.
    fetching: Option<(BlobId, Vec<u8>)>,
}

/// What a frame means to the node.
pub(super) enum Told {
    Nothing,
    /// It is asked for a blob.
    Requested(BlobId),
    /// Its own blob came whole.
    Blob(BlobId, Vec<u8>),
    /// Its own blob does not come.
    Refused,
}

impl V5Talk {
    /// A client's: HELLO as v5 clients say it, then REQUEST.
    pub(super) fn client(now: Duration, blob: BlobId) -> Self {
        let mut hello = vec![0x01];
        hello.extend_from_slice(br#"{"v":5,"gossip":{}}"#);
        let frames = VecDeque::from([hello, Message::Request(blob).to_frame().into_vec()]);
        Self { frames, closing: false, deadline: Some(now + PATIENCE), fetching: Some((blob, Vec::new())) }
    }
    /// A frame arrived.
    pub(super) fn take(&mut self, now: Duration, frame: &[u8]) -> Told {
        match (Message::decode(frame), &mut self.fetching) {
            (Ok(Message::Request(id)), _) => return Told::Requested(id),
            (Ok(Message::FindPeers(_)), _) => self.say(&Message::Peers(Vec::new())),
            (Ok(Message::Data(bytes)), Some((id, blob))) => {
                self.deadline = Some(now + PATIENCE);
                blob.extend_from_slice(bytes);
                if blob.len() >= BLOB_LEN {
                    let told = Told::Blob(*id, std::mem::take(blob));
                    self.end();
                    return told;
                }
            }
            (Ok(Message::Error(_)), Some(_)) => {
                self.end();
                return Told::Refused;
            }
            // HELLO, ANNOUNCE and whatever it does not know.
            _ => {}
        }
        Told::Nothing
    }
    /// Says something.
    pub(super) fn say(&mut self, message: &Message<'_>) {
        self.frames.push_back(message.to_frame().into_vec());
    }
    fn end(&mut self) {
        (self.closing, self.deadline, self.fetching) = (true, None, None);
    }
    /// Gives up.
    pub(super) fn handle_timeout(&mut self) -> Told {
        let refused = self.fetching.is_some();
        self.end();
        if refused { Told::Refused } else { Told::Nothing }
    }
}

impl World {
    pub(super) fn v5_next(&mut self, id: NodeId) {
        let (now, life) = (self.now, self.nodes[id].life);
        let Some(v5) = &mut self.nodes[id].v5 else { return };
        let Some(blob) = v5.wants.pop_front() else { return };
        v5.current = Some(blob);
        let dial = v5.next_conn();
        let found = self.dht.peers(now, protocol::Topic::from(blob).infohash(), &mut self.chance);
        let found: Vec<SocketAddr> = found.into_iter().filter(|addr| *addr != self.nodes[id].addr).collect();
        if found.is_empty() {
            self.v5_refused(id);
            return;
        }
        let addr = PeerAddr::Ip(found[self.chance.below(found.len())]);
        let wait = self.chance.between(self.setup.latency) * 4;
        self.push(now + wait, Due::Dialled(id, life, dial, addr));
    }
    pub(super) fn v5_refused(&mut self, id: NodeId) {
        let Some(v5) = &mut self.nodes[id].v5 else { return };
        let Some(blob) = v5.current.take() else { return };
        v5.wants.push_back(blob);
        let life = self.nodes[id].life;
        self.push(self.now + V5_AGAIN, Due::V5(id, life));
    }
    pub(super) fn v5_told(&mut self, id: NodeId, link: LinkId, side: Side, told: Told) {
        match told {
            Told::Nothing => {}
            Told::Requested(blob) => {
                let has = self.nodes[id].v5.as_ref().is_some_and(|v5| v5.got.contains(&blob));
                if let Some(Talk::V5(talk)) = self.end(link, side).map(|end| &mut end.talk) {
                    match has {
                        true => talk.say(&Message::Data(&bytes_of(&blob, true))),
                        false => talk.say(&Message::Error("Not Found".into())),
                    }
                }
            }
            Told::Blob(blob, bytes) if bytes[..32] == blob.0 && bytes.len() == BLOB_LEN => {
                let (now, addr, life) = (self.now, self.nodes[id].addr, self.nodes[id].life);
                if let Some(v5) = &mut self.nodes[id].v5 {
                    v5.current = None;
                    v5.got.insert(blob);
                }
                self.dht.announce(now, protocol::Topic::from(blob).infohash(), addr);
                self.push(now + V5_AGAIN, Due::V5(id, life));
            }
            Told::Blob(..) | Told::Refused => self.v5_refused(id),
        }
    }
}
