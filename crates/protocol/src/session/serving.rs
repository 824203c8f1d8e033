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
/// How often one blob is made for one peer: who has it wrong on its disk asks again, and once more.
const AGAIN_MAX: usize = 16;
/// Blobs of which is known how often they were made.
const REMEMBERED: usize = 64;
/// After so many blobs, a peer that cancelled more than half of them is served one at a time.
const FICKLE_AFTER: u32 = 32;

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
    /// The node was shown it, and what that costs was taken.
    paid: bool,
}

/// The peer's side of REQUEST and PUBLISH.
#[derive(Default)]
pub(super) struct Serving {
    slots: VecDeque<Slot>,
    /// Bytes of the front's blob that are sent.
    sent: usize,
    publishes: usize,
    /// The last blobs that were made for the peer, and how often.
    gone: VecDeque<(BlobId, usize)>,
    /// Blobs that the node was shown and had, and those that the peer cancelled then.
    handed: u32,
    cancelled: u32,
    /// Paid for and not to be paid any more.
    refunds: u32,
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
        let waits = |slot: &&Slot| id.is_some() && slot.id == id && matches!(slot.answer, Answer::Waiting);
        let made = self.gone.iter().find(|(gone, _)| Some(*gone) == id).map_or(0, |(_, times)| *times);
        if made + self.slots.iter().filter(waits).count() >= AGAIN_MAX {
            return Err(Violation::Peer("one blob again and again"));
        }
        let refused = id.is_none() || self.slots.len() >= OPEN_MAX;
        let answer = if refused { Answer::NotFound } else { Answer::Waiting };
        self.slots.push_back(Slot { id, answer, paid: false });
        Ok(())
    }

    /// How many the node is shown at once. Who cancels most of what is made for it gets the next when the last is gone.
    fn at_once(&self) -> usize {
        let fickle = self.handed >= FICKLE_AFTER && self.cancelled > self.handed / 2;
        if fickle { 1 } else { HANDED_MAX }
    }

    /// Shows the next REQUEST to the node, when it has room for one. It is work from here on, and has its price: see
    /// [`Serving::take_refunds`].
    pub(super) fn hand_over(&mut self) -> Option<Event> {
        let (mut handed, at_once) = (0, self.at_once());
        for slot in &mut self.slots {
            match (&slot.answer, slot.id) {
                (Answer::Handed | Answer::Blob(_), _) => handed += 1,
                (Answer::Waiting, Some(id)) if handed < at_once => {
                    slot.answer = Answer::Handed;
                    slot.paid = true;
                    self.handed = self.handed.saturating_add(1);
                    self.note_made(id);
                    return Some(Event::Requested(id));
                }
                _ => {}
            }
            if handed >= at_once {
                return None;
            }
        }
        None
    }

    /// REQUESTs whose price is to be given back: they went whole, or what they asked for is not here.
    pub(super) fn take_refunds(&mut self) -> u32 {
        std::mem::take(&mut self.refunds)
    }

    /// The node's answer to the oldest REQUEST of this blob that it was shown; bytes that no blob can have count as none.
    pub(super) fn answer(&mut self, id: BlobId, blob: Option<Arc<Vec<u8>>>) {
        let open = |slot: &&mut Slot| slot.id == Some(id) && matches!(slot.answer, Answer::Handed);
        if let Some(slot) = self.slots.iter_mut().find(open) {
            match blob.filter(|blob| (1..=BLOB_LEN).contains(&blob.len())) {
                Some(blob) => slot.answer = Answer::Blob(blob),
                None => {
                    // Nothing was made.
                    slot.answer = Answer::NotFound;
                    self.refunds += u32::from(std::mem::take(&mut slot.paid));
                    self.handed = self.handed.saturating_sub(1);
                    if let Some((_, times)) = self.gone.iter_mut().find(|(gone, _)| *gone == id) {
                        *times = times.saturating_sub(1);
                    }
                }
            }
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
        self.cancelled = self.cancelled.saturating_add(u32::from(self.slots[at].paid));
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
        if let Some(Slot { answer: Answer::Blob(_), paid: true, .. }) = self.slots.pop_front() {
            self.refunds += 1;
        }
        true
    }

    fn note_made(&mut self, id: BlobId) {
        let times = match self.gone.iter().position(|(gone, _)| *gone == id) {
            Some(at) => self.gone.remove(at).map_or(0, |(_, times)| times),
            None => 0,
        };
        if self.gone.len() >= REMEMBERED {
            self.gone.pop_front();
        }
        self.gone.push_back((id, times + 1));
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
