//! One connection: two ends, each with its own machine, and the wire between them.

use std::time::Duration;

use protocol::frame::{Opener, Sealer};
use protocol::handshake::{Binding, Handshake};
use protocol::session::{Role, Session};
use swarm::ConnId;

use super::chance::Chance;
use super::node::NodeId;
use super::v5::V5Talk;

/// A connection's number, never used twice.
pub(super) type LinkId = u64;

/// 0: who dialled; 1: who accepted.
pub(super) type Side = usize;

/// What speaks at an end.
pub(super) enum Talk {
    Session(Box<Session>),
    V5(Box<V5Talk>),
}

/// One end.
pub(super) struct End {
    pub(super) node: NodeId,
    pub(super) conn: ConnId,
    pub(super) talk: Talk,
    pub(super) cipher: Option<Box<(Sealer, Opener)>>,
    /// A big frame goes out; the next one waits.
    pub(super) sending: bool,
    /// When the last frame to this end arrives: none overtakes another.
    pub(super) last: Duration,
    /// When its downlink has taken it.
    pub(super) taken: Duration,
    /// Frames that wait for that.
    pub(super) queued: usize,
    pub(super) wake: Option<Duration>,
    /// Blobs that the mind gave to be sent and was not told to be gone.
    pub(super) given: usize,
}

/// The connection.
pub(super) struct Link {
    pub(super) ends: [Option<End>; 2],
    pub(super) latency: Duration,
    /// What is sent on it is lost.
    pub(super) broken: bool,
}

/// The keys of both ends, and what binds tokens to this connection.
pub(super) type Keys = ([Option<Box<(Sealer, Opener)>>; 2], Binding);

/// The handshake: the real one, or only its ephemeral keys.
pub(super) fn shake_hands(chance: &mut Chance, sealed: bool) -> Keys {
    let (one, other) = (chance.bytes(), chance.bytes());
    if !sealed {
        return ([None, None], Binding { dialler: one, acceptor: other });
    }
    let (dialler, acceptor) = (Handshake::new(Role::Dialler, one), Handshake::new(Role::Acceptor, other));
    let (to_acceptor, to_dialler) = (dialler.public(), acceptor.public());
    let (d_seal, d_open, binding) = dialler.finish(to_dialler).expect("an honest key");
    let (a_seal, a_open, theirs) = acceptor.finish(to_acceptor).expect("an honest key");
    assert_eq!(binding, theirs);
    ([Some(Box::new((d_seal, d_open))), Some(Box::new((a_seal, a_open)))], binding)
}

impl End {
    /// The next plain frame.
    pub(super) fn next_frame(&mut self, out: &mut Vec<u8>) -> bool {
        match &mut self.talk {
            Talk::Session(session) => session.poll_transmit(out),
            Talk::V5(talk) => match talk.frames.pop_front() {
                Some(frame) => {
                    *out = frame;
                    true
                }
                None => false,
            },
        }
    }
    /// Blobs that wait here to be sent.
    pub(super) fn blobs_held(&self) -> usize {
        match &self.talk {
            Talk::Session(session) => session.blobs_held(),
            Talk::V5(_) => 0,
        }
    }
    /// Whether the end has said all and wants to close.
    pub(super) fn is_finished(&self) -> bool {
        match &self.talk {
            Talk::Session(session) => session.is_finished(),
            Talk::V5(talk) => talk.closing && talk.frames.is_empty(),
        }
    }
    /// When it wants to be woken.
    pub(super) fn timeout(&self) -> Option<Duration> {
        match &self.talk {
            Talk::Session(session) => session.poll_timeout(),
            Talk::V5(talk) => talk.deadline,
        }
    }
}
