//! Plain v5 peers: no HELLO from the server, one blob per connection from the client, no extension ever.

use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

use protocol::BlobId;
use protocol::message::Message;
use protocol::params::BLOB_LEN;
use swarm::ConnId;

/// A v5 client gives a connection up after this.
const PATIENCE: Duration = Duration::from_secs(10);

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
