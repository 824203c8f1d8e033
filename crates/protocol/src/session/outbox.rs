//! E5 — control messages on their way out; they go before DATA.

use std::collections::VecDeque;

use crate::message::Message;

/// Frames that may wait because of what the node asked for; further ones are dropped.
const FRAMES_MAX: usize = 4096;
/// Frames that may wait while the peer asks for more.
const ANSWERS_MAX: usize = 256;

/// Plain frames, oldest first.
#[derive(Default)]
pub(super) struct Outbox {
    frames: VecDeque<Box<[u8]>>,
}

impl Outbox {
    /// Queues one message; false: it was dropped, since too many wait.
    pub(super) fn push(&mut self, message: &Message<'_>) -> bool {
        let room = !self.is_full();
        if room {
            self.frames.push_back(message.to_frame());
        }
        room
    }
    /// Removes a message that is still here.
    pub(super) fn take_back(&mut self, message: &Message<'_>) -> bool {
        let frame = message.to_frame();
        let at = self.frames.iter().position(|queued| *queued == frame);
        at.and_then(|at| self.frames.remove(at)).is_some()
    }
    /// Appends the oldest to `out`.
    pub(super) fn transmit(&mut self, out: &mut Vec<u8>) -> bool {
        let frame = self.frames.pop_front();
        if let Some(frame) = &frame {
            out.extend_from_slice(frame);
        }
        frame.is_some()
    }
    /// Nothing more can be queued.
    pub(super) fn is_full(&self) -> bool {
        self.frames.len() >= FRAMES_MAX
    }
    pub(super) fn is_empty(&self) -> bool {
        self.frames.is_empty()
    }
    /// So much waits that the peer cannot be reading what it asks for.
    pub(super) fn is_clogged(&self) -> bool {
        self.frames.len() >= ANSWERS_MAX
    }
}
