//! E5 — who holds what: HAVE_QUERY, HAVE, HAVE_MORE.
//!
//! A query stays in force. Sixty-four are held each way; one more replaces the oldest, on both sides alike.

use std::borrow::Cow;
use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

use super::timing::HAVE_MORE_EVERY;
use super::{Event, RequestId, Violation, outbox::Outbox};
use crate::BlobId;
use crate::message::{self, Message};
use crate::params::{HAVE_QUERIES_HELD, HAVE_QUERY_MAX};

/// A query of the peer.
struct Theirs {
    id: RequestId,
    count: usize,
    answered: bool,
    /// Indexes that wait for the next HAVE_MORE.
    more: BTreeSet<u16>,
    next: Duration,
}

/// Both sides of the capability `have`.
#[derive(Default)]
pub(super) struct Holdings {
    ours: VecDeque<(RequestId, Vec<BlobId>)>,
    theirs: VecDeque<Theirs>,
}

impl Holdings {
    pub(super) fn query(&mut self, id: RequestId, mut blobs: Vec<BlobId>, outbox: &mut Outbox) {
        blobs.truncate(HAVE_QUERY_MAX);
        if blobs.is_empty() {
            return;
        }
        let message = Message::HaveQuery(id, blobs);
        if outbox.push(&message)
            && let Message::HaveQuery(id, blobs) = message
        {
            if self.ours.len() >= HAVE_QUERIES_HELD {
                self.ours.pop_front();
            }
            self.ours.push_back((id, blobs));
        }
    }

    /// HAVE_QUERY arrived. `Err(None)`: to be dropped.
    pub(super) fn queried(
        &mut self,
        now: Duration,
        id: RequestId,
        blobs: Vec<BlobId>,
        outbox: &Outbox,
    ) -> Result<Event, Option<Violation>> {
        if outbox.is_clogged() {
            return Err(Some(Violation::Peer("answers that are not read")));
        }
        if id.0 == 0 || self.theirs.iter().any(|held| held.id == id) {
            return Err(None);
        }
        if self.theirs.len() >= HAVE_QUERIES_HELD {
            self.theirs.pop_front();
        }
        let (count, more) = (blobs.len(), BTreeSet::new());
        self.theirs.push_back(Theirs { id, count, answered: false, more, next: now });
        Ok(Event::HaveQuery(id, blobs))
    }

    /// The node's answer; bits that it did not give are 0.
    pub(super) fn answer(&mut self, now: Duration, id: RequestId, mut held: Vec<bool>, outbox: &mut Outbox) {
        if let Some(query) = self.theirs.iter_mut().find(|query| query.id == id && !query.answered) {
            held.resize(query.count, false);
            query.answered = true;
            query.next = now + HAVE_MORE_EVERY;
            outbox.push(&Message::Have(id, Cow::Owned(message::pack_bits(&held))));
        }
    }

    /// More of a query arrived here: told at once, or with what else comes within the second.
    pub(super) fn more(&mut self, now: Duration, id: RequestId, indexes: Vec<u16>, outbox: &mut Outbox) {
        if let Some(query) = self.theirs.iter_mut().find(|query| query.id == id) {
            let count = query.count;
            query.more.extend(indexes.into_iter().filter(|index| usize::from(*index) < count));
            query.flush(now, outbox);
        }
    }

    /// HAVE arrived; `None`: it answers nothing of ours or is of the wrong length.
    pub(super) fn have(&self, id: RequestId, bits: &[u8]) -> Option<Event> {
        let (_, blobs) = self.ours.iter().find(|(ours, _)| *ours == id)?;
        (bits.len() == blobs.len().div_ceil(8))
            .then(|| Event::Have(message::set_bits(bits, blobs.len()).map(|at| blobs[at]).collect()))
    }

    /// HAVE_MORE arrived; `None`: as above, or an index beyond the query.
    pub(super) fn have_more(&self, id: RequestId, indexes: &[u16]) -> Option<Event> {
        let (_, blobs) = self.ours.iter().find(|(ours, _)| *ours == id)?;
        let named: Option<Vec<BlobId>> = indexes.iter().map(|at| blobs.get(usize::from(*at)).copied()).collect();
        named.map(Event::Have)
    }

    /// NONE arrived; false: to no query of ours.
    pub(super) fn none(&mut self, id: RequestId) -> bool {
        let before = self.ours.len();
        self.ours.retain(|(ours, _)| *ours != id);
        self.ours.len() < before
    }

    pub(super) fn deadline(&self) -> Option<Duration> {
        self.theirs.iter().filter(|query| query.answered && !query.more.is_empty()).map(|query| query.next).min()
    }

    pub(super) fn handle_timeout(&mut self, now: Duration, outbox: &mut Outbox) {
        for query in &mut self.theirs {
            query.flush(now, outbox);
        }
    }
}

impl Theirs {
    fn flush(&mut self, now: Duration, outbox: &mut Outbox) {
        if self.answered && self.next <= now && !self.more.is_empty() {
            self.next = now + HAVE_MORE_EVERY;
            outbox.push(&Message::HaveMore(self.id, std::mem::take(&mut self.more).into_iter().collect()));
        }
    }
}
