//! What is done to items, and what comes of it.

use std::time::Duration;

use protocol::BlobId;

use crate::item::{Item, State};
use crate::{Job, Key, Library, Outcome, Output, Urgency};

impl<C: Clone> Library<C> {
    pub(crate) fn done(&mut self, now: Duration, key: Key, run: u64, outcome: Outcome<C>) {
        let Some(item) = self.items.get_mut(&key).filter(|item| item.job == Some(run)) else { return };
        item.job = None;
        // Somebody waits for it, or it was dropped while its files got their names.
        let ended = item.is_claimed() || !self.active.contains(&key);
        match (&mut item.state, outcome) {
            (State::Finishing, Outcome::Finished(true)) => {
                item.state = State::Idle;
                self.active.remove(&key);
                self.urgent.remove(&key);
                self.outputs.push_back(Output::Complete(key));
            }
            (State::Finishing, _) if ended => {
                item.state = State::Idle;
                self.look(key);
            }
            (State::Finishing, Outcome::Finished(false)) | (State::Planning, Outcome::Planned) => {
                item.state = State::Fetching { exhausted: false };
            }
            (State::Fetching { exhausted }, Outcome::Lacks(blobs)) => {
                if blobs.is_empty() || item.whole {
                    *exhausted = true;
                    if item.lacks.is_empty() || item.whole {
                        self.finish(key);
                    }
                } else {
                    self.ask(key, blobs);
                }
            }
            (state, Outcome::Failed(trouble)) if state.is_active() => self.stall(now, key, trouble),
            // Of a run that was ended.
            _ => {}
        }
        if self.held && matches!(self.items.get(&key), Some(item) if matches!(item.state, State::Fetching { .. })) {
            self.end(key);
            self.want(key);
        }
        self.grant(key);
        self.tidy(key);
    }

    pub(crate) fn ask(&mut self, key: Key, blobs: Vec<BlobId>) {
        let urgency = self.urgency(&key);
        let Some(item) = self.items.get_mut(&key) else { return };
        item.lacks.extend(&blobs);
        for blob in &blobs {
            self.lacking.entry(*blob).or_default().insert(key);
        }
        self.outputs.push_back(Output::Ask(key, blobs, urgency));
        self.outputs.push_back(Output::Tell(key));
    }

    /// Every blob is here.
    pub(crate) fn finish(&mut self, key: Key) {
        let Some(item) = self.items.get_mut(&key) else { return };
        if item.job.is_some() {
            // As soon as the job that is under way has ended.
            item.whole = true;
            return;
        }
        item.whole = false;
        let lacks = std::mem::take(&mut item.lacks);
        item.state = State::Finishing;
        self.active.insert(key);
        self.unask(key, lacks);
        self.run(key, Job::Finish);
    }

    pub(crate) fn run(&mut self, key: Key, job: Job) {
        self.runs += 1;
        if let Some(item) = self.items.get_mut(&key) {
            item.job = Some(self.runs);
            self.outputs.push_back(Output::Run(key, self.runs, job));
        }
    }

    pub(crate) fn placed(&mut self, now: Duration, blob: BlobId, lost: bool, grown: Vec<Key>, whole: Vec<Key>) {
        for key in self.lacking.remove(&blob).unwrap_or_default() {
            if let Some(item) = self.items.get_mut(&key) {
                item.lacks.remove(&blob);
            }
        }
        if lost {
            for key in self.active.clone() {
                if let Some(State::Fetching { exhausted }) = self.items.get_mut(&key).map(|item| &mut item.state) {
                    *exhausted = false;
                }
            }
        }
        for key in grown {
            let Some(item) = self.items.get_mut(&key).filter(|item| item.state.is_active()) else { continue };
            if item.told.is_none_or(|at| now.saturating_sub(at) >= self.config.progress) {
                item.told = Some(now);
                self.outputs.push_back(Output::Tell(key));
            }
        }
        for key in whole {
            let item = self.items.entry(key).or_default();
            match item.state {
                // When it is given back it is looked at.
                _ if item.is_claimed() => {}
                State::Planning | State::Finishing => {}
                State::Fetching { .. } => self.finish(key),
                _ if item.job.is_some() => {}
                // Nothing moves it, a pause perhaps, but another item brought what it lacked.
                _ => {
                    self.end(key);
                    self.finish(key);
                }
            }
        }
        // The last that was asked for came, and it is known that there is nothing more.
        let bare = |item: &Item<C>| {
            matches!(item.state, State::Fetching { exhausted: true }) && item.lacks.is_empty() && item.job.is_none()
        };
        let ended: Vec<Key> = self.active.iter().filter(|key| self.items.get(key).is_some_and(bare)).copied().collect();
        ended.into_iter().for_each(|key| self.finish(key));
    }

    /// Starts what waits, and looks up what those that move lack.
    pub(crate) fn fill(&mut self) {
        if self.held {
            return;
        }
        while let Some(key) = self.next() {
            self.queue.remove(&key);
            self.active.insert(key);
            if let Some(item) = self.items.get_mut(&key) {
                item.state = State::Planning;
                (item.whole, item.told) = (false, None);
            }
            self.run(key, Job::Plan);
        }
        let window = self.config.window;
        let hungry = |item: &Item<C>| {
            matches!(item.state, State::Fetching { exhausted: false })
                && item.job.is_none()
                && item.lacks.len() < window / 2
        };
        let hungry: Vec<(Key, usize)> = self
            .active
            .iter()
            .filter_map(|key| self.items.get(key).filter(|item| hungry(item)).map(|item| (*key, item.lacks.len())))
            .collect();
        for (key, lacks) in hungry {
            self.run(key, Job::Lack(window - lacks));
        }
    }

    /// The next item to start: the most urgent of those that wait and have no job that is still to end, the first of them.
    /// What is urgent need not wait for what is not.
    pub(crate) fn next(&self) -> Option<Key> {
        let free = |key: &&Key| self.items.get(key).is_some_and(|item| item.job.is_none());
        let key = self.queue.keys().find(free)?;
        let urgency = self.urgency(key);
        let room = match urgency {
            Urgency::High => self.active.iter().filter(|other| self.urgency(other) >= urgency).count(),
            _ => self.active.len(),
        };
        (room < self.config.at_once).then_some(*key)
    }
}
