//! What is wanted, what waits, and what does not go on.

use std::collections::HashSet;
use std::time::Duration;

use protocol::BlobId;

use crate::item::{Item, State};
use crate::{Key, Library, Output, Trouble, Urgency};

impl<C: Clone> Library<C> {
    pub(crate) fn want(&mut self, key: Key) {
        let item = self.items.entry(key).or_default();
        // Whoever has it for himself gives it back, and then it is looked at.
        if item.is_claimed() || item.state.is_active() {
            return;
        }
        self.passing.remove(&key);
        item.state = State::Queued;
        self.queue.push(key, self.urgency(&key));
    }

    pub(crate) fn put_off(&mut self, key: Key, at: Duration) {
        let item = self.items.entry(key).or_default();
        if item.is_claimed() || item.state.is_active() || matches!(item.state, State::Queued) {
            return;
        }
        self.passing.remove(&key);
        item.state = State::Later(at);
        self.timers.insert((at, key));
    }

    pub(crate) fn drop_item(&mut self, key: Key) {
        self.end(key);
        self.tidy(key);
    }

    /// Ends what moves an item: nothing of it is asked for, and a job that is under way is nobody's. Says whether it was
    /// wanted. Who has it for himself keeps it.
    pub(crate) fn end(&mut self, key: Key) -> bool {
        self.queue.remove(&key);
        self.passing.remove(&key);
        let Some(item) = self.items.get_mut(&key) else { return false };
        let before = std::mem::replace(&mut item.state, State::Idle);
        let (job, lacks) = (item.job, std::mem::take(&mut item.lacks));
        if let State::Later(at) = before {
            self.timers.remove(&(at, key));
        }
        self.active.remove(&key);
        self.unask(key, lacks);
        match before {
            State::Planning => self.outputs.extend(job.map(|run| Output::Cancel(key, run))),
            // Files that get their names are finished with that, whoever waits.
            State::Finishing if job.is_some() => {
                if let Some(item) = self.items.get_mut(&key) {
                    item.state = State::Finishing;
                }
            }
            _ => {}
        }
        !matches!(before, State::Idle)
    }

    pub(crate) fn unask(&mut self, key: Key, blobs: HashSet<BlobId>) {
        let mut gone = Vec::new();
        for blob in blobs {
            if let Some(who) = self.lacking.get_mut(&blob) {
                who.remove(&key);
                if who.is_empty() {
                    self.lacking.remove(&blob);
                    gone.push(blob);
                }
            }
        }
        if !gone.is_empty() {
            gone.sort_unstable();
            self.outputs.push_back(Output::Unask(gone));
        }
    }

    pub(crate) fn urge(&mut self, key: Key, urgency: Urgency) {
        match urgency {
            Urgency::Normal => drop(self.urgent.remove(&key)),
            urgency => drop(self.urgent.insert(key, urgency)),
        }
        self.queue.set_urgency(&key, urgency);
        let lacks = self.items.get(&key).map(|item| item.lacks.iter().copied().collect::<Vec<_>>());
        if let Some(lacks) = lacks.filter(|lacks| !lacks.is_empty()) {
            self.outputs.push_back(Output::Ask(key, lacks, urgency));
        }
    }

    pub(crate) fn look(&mut self, key: Key) {
        if let Some(item) = self.items.get_mut(&key).filter(|item| !item.is_claimed()) {
            item.state = State::Looking;
            self.outputs.push_back(Output::Look(key));
        }
    }

    pub(crate) fn looked(&mut self, key: Key, wanted: bool) {
        let Some(item) = self.items.get_mut(&key).filter(|item| matches!(item.state, State::Looking)) else { return };
        item.state = State::Idle;
        if wanted {
            self.want(key);
        }
        self.tidy(key);
    }

    pub(crate) fn hold(&mut self, held: bool) {
        self.held = held;
        if held {
            let moving: Vec<Key> = self.active.iter().copied().collect();
            for key in moving {
                if matches!(self.items.get(&key), Some(item) if matches!(item.state, State::Finishing)) {
                    continue;
                }
                self.end(key);
                self.want(key);
            }
        }
        self.outputs.push_back(Output::TellQueue);
    }

    /// An item does not go on: others do.
    pub(crate) fn stall(&mut self, now: Duration, key: Key, trouble: Trouble<C>) {
        let was_wanted = self.end(key);
        let Some(item) = self.items.get_mut(&key) else { return };
        if matches!(item.state, State::Finishing) || item.is_claimed() || !was_wanted {
            return;
        }
        match trouble {
            Trouble::Changed => self.put_off(key, now + self.config.again),
            Trouble::Gone => self.tidy(key),
            trouble => {
                if matches!(trouble, Trouble::Passing(_)) {
                    self.passing.insert(key);
                }
                item.state = State::Stalled(Box::new(trouble));
            }
        }
        self.outputs.push_back(Output::Tell(key));
    }

    pub(crate) fn retry(&mut self) {
        let mut again: Vec<Key> = self.passing.iter().copied().collect();
        again.sort_unstable();
        again.into_iter().for_each(|key| self.want(key));
    }

    /// Forgets an item of which there is nothing to know.
    pub(crate) fn tidy(&mut self, key: Key) {
        if self.items.get(&key).is_some_and(Item::is_nothing) {
            self.items.remove(&key);
        }
    }

    pub(crate) fn urgency(&self, key: &Key) -> Urgency {
        self.urgent.get(key).copied().unwrap_or_default()
    }
}
