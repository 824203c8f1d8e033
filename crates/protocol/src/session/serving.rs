//! §2.3, E5 — the peer's REQUESTs and PUBLISHes, answered in the order asked.
//!
//! Promises: at most four blobs of one peer are asked of the node and held at once, whatever the peer pipelines.

use std::collections::VecDeque;
use std::sync::Arc;

use super::{Event, Violation};
use crate::BlobId;
use crate::message::{Kind, Message};
use crate::params::{BLOB_LEN, SPLIT_LEN, TAG_LEN};

/// REQUESTs of the peer that are taken to the node; those beyond are answered "Not Found" in their turn.
const OPEN_MAX: usize = 256;
/// REQUESTs of the peer that may wait for an answer at all.
const SLOTS_MAX: usize = 1024;
/// REQUESTs that the node works on at once, and so blobs that wait in memory.
const HANDED_MAX: usize = 4;
/// PUBLISHes that wait for an answer.
const PUBLISHES_MAX: usize = 16;
/// How often one blob goes to one peer whole: who has it wrong on its disk asks again, and once more.
const AGAIN_MAX: u8 = 16;
/// Blobs of which is known how often they went.
const REMEMBERED: usize = 64;

enum Answer {
    /// Not yet shown to the node.
    Waiting,
    /// The node works on it.
    Handed,
    /// Ready.
    Blob(Arc<Vec<u8>>),
    /// Ready.
    NotFound,
}

struct Slot {
    /// A malformed REQUEST names none.
    id: Option<BlobId>,
    answer: Answer,
}

/// The peer's side of REQUEST and PUBLISH.
#[derive(Default)]
pub(super) struct Serving {
    slots: VecDeque<Slot>,
    /// Bytes of the front's blob that are sent.
    sent: usize,
    publishes: usize,
    /// The last blobs that went whole, and how often.
    gone: VecDeque<(BlobId, u8)>,
}

impl Serving {
    /// A REQUEST; `None`: one that names no blob.
    pub(super) fn requested(&mut self, id: Option<BlobId>) -> Result<(), Violation> {
        if self.publishes > 0 {
            return Err(Violation::Peer("REQUEST beside an open PUBLISH"));
        }
        if self.slots.len() >= SLOTS_MAX {
            return Err(Violation::Peer("too many open REQUESTs"));
        }
        if self.gone.iter().any(|(gone, times)| Some(*gone) == id && *times >= AGAIN_MAX) {
            return Err(Violation::Peer("one blob again and again"));
        }
        let refused = id.is_none() || self.slots.len() >= OPEN_MAX;
        self.slots.push_back(Slot { id, answer: if refused { Answer::NotFound } else { Answer::Waiting } });
        Ok(())
    }

    /// Shows the next REQUEST to the node, when it has room for one.
    pub(super) fn hand_over(&mut self) -> Option<Event> {
        let mut handed = 0;
        for slot in &mut self.slots {
            match (&slot.answer, slot.id) {
                (Answer::Handed | Answer::Blob(_), _) => handed += 1,
                (Answer::Waiting, Some(id)) if handed < HANDED_MAX => {
                    slot.answer = Answer::Handed;
                    return Some(Event::Requested(id));
                }
                _ => {}
            }
            if handed == HANDED_MAX {
                return None;
            }
        }
        None
    }

    /// The node's answer to the oldest REQUEST of this blob that it was shown; bytes that no blob can have count as none.
    pub(super) fn answer(&mut self, id: BlobId, blob: Option<Arc<Vec<u8>>>) {
        let open = |slot: &&mut Slot| slot.id == Some(id) && matches!(slot.answer, Answer::Handed);
        if let Some(slot) = self.slots.iter_mut().find(open) {
            slot.answer = match blob.filter(|blob| (1..=BLOB_LEN).contains(&blob.len())) {
                Some(blob) => Answer::Blob(blob),
                None => Answer::NotFound,
            };
        }
    }

    /// Blobs that wait here to be sent.
    pub(super) fn blobs_held(&self) -> usize {
        self.slots.iter().filter(|slot| matches!(slot.answer, Answer::Blob(_))).count()
    }

    /// CANCEL: the REQUEST is answered "Not Found" in its turn, if its blob is not wholly sent. The event tells the node
    /// that was still working on it.
    pub(super) fn cancel(&mut self, id: BlobId) -> Option<Event> {
        let open = |slot: &Slot| slot.id == Some(id) && !matches!(slot.answer, Answer::NotFound);
        let at = self.slots.iter().position(open)?;
        let before = std::mem::replace(&mut self.slots[at].answer, Answer::NotFound);
        if at == 0 {
            self.sent = 0;
        }
        matches!(before, Answer::Handed).then_some(Event::Cancelled(id))
    }

    /// Whether the oldest REQUEST can be answered now.
    pub(super) fn is_ready(&self) -> bool {
        self.slots.front().is_some_and(|slot| matches!(slot.answer, Answer::Blob(_) | Answer::NotFound))
    }

    /// The next frame of the oldest REQUEST's answer: a whole blob, or 64 KiB of it when both sides split.
    pub(super) fn transmit(&mut self, split: bool, out: &mut Vec<u8>) -> bool {
        match self.slots.front().map(|slot| &slot.answer) {
            Some(Answer::NotFound) => Message::Error("Not Found".into()).encode(out),
            Some(Answer::Blob(blob)) => {
                let end = if split { blob.len().min(self.sent + SPLIT_LEN) } else { blob.len() };
                // With its tag: it is sealed where it lies.
                out.reserve_exact(1 + end - self.sent + TAG_LEN);
                out.push(Kind::Data as u8);
                out.extend_from_slice(&blob[self.sent..end]);
                if end < blob.len() {
                    self.sent = end;
                    return true;
                }
            }
            Some(Answer::Waiting | Answer::Handed) | None => return false,
        }
        self.sent = 0;
        if let Some(Slot { id: Some(id), answer: Answer::Blob(_) }) = self.slots.pop_front() {
            self.note_gone(id);
        }
        true
    }

    fn note_gone(&mut self, id: BlobId) {
        let times = match self.gone.iter().position(|(gone, _)| *gone == id) {
            Some(at) => self.gone.remove(at).map_or(0, |(_, times)| times),
            None => 0,
        };
        if self.gone.len() >= REMEMBERED {
            self.gone.pop_front();
        }
        self.gone.push_back((id, times.saturating_add(1)));
    }

    /// A PUBLISH arrived.
    pub(super) fn publish(&mut self) -> Result<(), Violation> {
        if !self.slots.is_empty() {
            return Err(Violation::Peer("PUBLISH beside an open REQUEST"));
        }
        if self.publishes >= PUBLISHES_MAX {
            return Err(Violation::Peer("too many open PUBLISHes"));
        }
        self.publishes += 1;
        Ok(())
    }

    /// PUBLISHes that wait for an answer.
    pub(super) fn publishes(&self) -> usize {
        self.publishes
    }

    /// One PUBLISH is answered. False: none is open.
    pub(super) fn published(&mut self) -> bool {
        let open = self.publishes > 0;
        self.publishes = self.publishes.saturating_sub(1);
        open
    }
}
