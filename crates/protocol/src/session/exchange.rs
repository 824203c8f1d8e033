//! §2.3 FIND_PEERS and PEERS, both ways. PEERS names no topic, so one question of ours is open at a time.

use std::collections::VecDeque;
use std::time::Duration;

use super::timing::{ANSWER, FIND_PEERS_ANSWER};
use super::{Event, Violation, outbox::Outbox};
use crate::message::Message;
use crate::{PeerAddr, Topic};

/// Topics of ours that wait to be asked.
const WAITING_MAX: usize = 256;
/// FIND_PEERS of the peer that wait for an answer.
const OPEN_MAX: usize = 64;

struct Slot {
    topic: Option<Topic>,
    due: Duration,
    answer: Option<Vec<PeerAddr>>,
}

/// Both sides of FIND_PEERS.
#[derive(Default)]
pub(super) struct Exchange {
    waiting: VecDeque<Topic>,
    open: Option<(Topic, Duration)>,
    /// An answer of the peer's is missing: the next PEERS could belong to any question, so no more are asked.
    deaf: bool,
    theirs: VecDeque<Slot>,
}

impl Exchange {
    pub(super) fn find(&mut self, now: Duration, topic: Topic, outbox: &mut Outbox) {
        let known = self.waiting.contains(&topic) || self.open.is_some_and(|(open, _)| open == topic);
        if !known && !self.deaf && self.waiting.len() < WAITING_MAX {
            self.waiting.push_back(topic);
            self.advance(now, outbox);
        }
    }

    fn advance(&mut self, now: Duration, outbox: &mut Outbox) {
        if self.open.is_none()
            && let Some(topic) = self.waiting.pop_front()
        {
            outbox.push(&Message::FindPeers(topic));
            self.open = Some((topic, now + ANSWER));
        }
    }

    /// PEERS arrived; `None`: to no question.
    pub(super) fn peers(&mut self, now: Duration, peers: Vec<PeerAddr>, outbox: &mut Outbox) -> Option<Event> {
        let (topic, _) = self.open.take()?;
        self.advance(now, outbox);
        Some(Event::Peers(topic, peers))
    }

    /// FIND_PEERS arrived; `None`: one that names no topic, and is answered with `[]`.
    pub(super) fn asked(
        &mut self,
        now: Duration,
        topic: Option<Topic>,
        outbox: &mut Outbox,
    ) -> Result<Option<Event>, Violation> {
        if self.theirs.len() >= OPEN_MAX || outbox.is_clogged() {
            return Err(Violation::Peer("too many open FIND_PEERS"));
        }
        let answer = topic.is_none().then(Vec::new);
        self.theirs.push_back(Slot { topic, due: now + FIND_PEERS_ANSWER, answer });
        self.flush(outbox);
        Ok(topic.map(Event::FindPeers))
    }

    /// The node's answer to the oldest question about this topic.
    pub(super) fn answer(&mut self, topic: Topic, peers: Vec<PeerAddr>, outbox: &mut Outbox) {
        let open = |slot: &&mut Slot| slot.topic == Some(topic) && slot.answer.is_none();
        if let Some(slot) = self.theirs.iter_mut().find(open) {
            slot.answer = Some(peers);
            self.flush(outbox);
        }
    }

    fn flush(&mut self, outbox: &mut Outbox) {
        while self.theirs.front().is_some_and(|slot| slot.answer.is_some()) {
            if let Some(peers) = self.theirs.pop_front().and_then(|slot| slot.answer) {
                outbox.push(&Message::Peers(peers));
            }
        }
    }

    pub(super) fn deadline(&self) -> Option<Duration> {
        let ours = self.open.map(|(_, due)| due);
        ours.into_iter().chain(self.theirs.iter().filter(|slot| slot.answer.is_none()).map(|slot| slot.due)).min()
    }

    /// Answers what is overdue, and gives up what the peer owes us: no peers, for each topic asked.
    pub(super) fn handle_timeout(&mut self, now: Duration, outbox: &mut Outbox) -> Vec<Event> {
        for slot in self.theirs.iter_mut().filter(|slot| slot.due <= now) {
            slot.answer.get_or_insert_default();
        }
        self.flush(outbox);
        if self.open.is_none_or(|(_, due)| due > now) {
            return Vec::new();
        }
        self.deaf = true;
        let given_up = self.open.take().map(|(topic, _)| topic).into_iter().chain(self.waiting.drain(..));
        given_up.map(|topic| Event::Peers(topic, Vec::new())).collect()
    }
}
