//! Which items of a node move, and what is done to each of them.
//!
//! Owns: of every item that is wanted, what happens to it now; who waits for its turn; which blobs are asked for; who else
//! has an item for itself. Knows no files, no database, no clock and no tasks: what is to be done is said
//! ([`Output::Run`]), and what came of it is heard ([`Input::Done`]).
//!
//! Promises, each held by a property test:
//! - at most one job is done to an item at a time, and none while somebody has it for himself;
//! - every item that is wanted waits for its turn, or has a job, or lacks a blob that is asked for, or is somebody's, or is
//!   about to be looked at, or has a cause that is kept; none is forgotten;
//! - what is asked for is what the items that move lack, and nothing else.

mod claims;
mod item;
mod jobs;
mod queue;
mod types;
mod wants;

use std::collections::{BTreeSet, HashMap, HashSet, VecDeque};
use std::time::Duration;

use protocol::{BlobId, ChannelKey};

use item::{Item, State};
use queue::Queue;
pub use types::{Config, Input, Job, Key, Outcome, Output, Ticket, Trouble, Urgency};

/// The machine. `C`: a cause, as its owner has them.
pub struct Library<C> {
    config: Config,
    items: HashMap<Key, Item<C>>,
    /// Those that move.
    active: BTreeSet<Key>,
    queue: Queue,
    urgent: HashMap<Key, Urgency>,
    /// Who lacks a blob that is asked for.
    lacking: HashMap<BlobId, BTreeSet<Key>>,
    /// When items are to be looked at.
    timers: BTreeSet<(Duration, Key)>,
    /// Items with a cause that may pass.
    passing: HashSet<Key>,
    held: bool,
    runs: u64,
    retry_at: Duration,
    outputs: VecDeque<Output>,
}

impl<C: Clone> Library<C> {
    /// Nothing is wanted yet. `held`: nothing begins before it is said that everything goes on.
    pub fn new(config: Config, now: Duration, held: bool) -> Self {
        Self {
            config,
            items: HashMap::new(),
            active: BTreeSet::new(),
            queue: Queue::default(),
            urgent: HashMap::new(),
            lacking: HashMap::new(),
            timers: BTreeSet::new(),
            passing: HashSet::new(),
            held,
            runs: 0,
            retry_at: now + config.retry,
            outputs: VecDeque::new(),
        }
    }

    /// Hears something.
    pub fn hear(&mut self, now: Duration, input: Input<C>) {
        match input {
            Input::Want(key) => self.want(key),
            Input::WantLater(key) => self.put_off(key, now + self.config.later),
            Input::Drop(key) => self.drop_item(key),
            Input::Changed(key) => {
                self.end(key);
                self.items.entry(key).or_default();
                self.look(key);
            }
            Input::Forget(channel) => {
                let all: Vec<Key> = self.items.keys().filter(|key| key.0 == channel).copied().collect();
                all.into_iter().for_each(|key| self.drop_item(key));
            }
            Input::Urge(key, urgency) => self.urge(key, urgency),
            Input::Claim(key, ticket) => self.claim(key, ticket),
            Input::Release(key, ticket) => self.release(key, ticket),
            Input::Hold(held) => self.hold(held),
            Input::Done(key, run, outcome) => self.done(now, key, run, outcome),
            Input::Looked(key, wanted) => self.looked(key, wanted),
            Input::Placed { blob, lost, grown, whole } => self.placed(now, blob, lost, grown, whole),
            Input::NotPlaced(blob, trouble) => {
                for key in self.lacking.get(&blob).cloned().unwrap_or_default() {
                    self.stall(now, key, trouble.clone());
                }
            }
            Input::Bad(key, trouble) => self.stall(now, key, trouble),
            Input::Shrunk(key) => {
                if let Some(State::Fetching { exhausted }) = self.items.get_mut(&key).map(|item| &mut item.state) {
                    *exhausted = false;
                }
            }
            Input::Room => self.retry(),
        }
        self.fill();
    }

    /// Lets time pass: what is due happens.
    pub fn tick(&mut self, now: Duration) {
        while let Some((at, key)) = self.timers.first().copied().filter(|(at, _)| *at <= now) {
            self.timers.remove(&(at, key));
            if self.items.get(&key).is_some_and(|item| matches!(item.state, State::Later(due) if due == at)) {
                self.look(key);
            }
        }
        if now >= self.retry_at {
            self.retry_at = now + self.config.retry;
            self.retry();
        }
        self.fill();
    }

    /// When [`Self::tick`] is due.
    pub fn due(&self) -> Duration {
        let timer = self.timers.first().map(|(at, _)| *at);
        timer.into_iter().chain([self.retry_at]).min().unwrap_or(self.retry_at)
    }

    /// What is to be said next.
    pub fn say(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// Whether an item waits: for its turn, or to be looked at.
    pub fn is_queued(&self, key: &Key) -> bool {
        self.items.get(key).is_some_and(|item| item.state.is_waiting())
    }

    /// All that wait, in no order.
    pub fn waiting(&self) -> impl Iterator<Item = &Key> {
        self.items.iter().filter(|(_, item)| item.state.is_waiting()).map(|(key, _)| key)
    }

    /// Items that wait for their turn, in order.
    pub fn queued(&self) -> impl Iterator<Item = &Key> {
        self.queue.keys()
    }

    /// Why an item does not go on.
    pub fn cause(&self, key: &Key) -> Option<&C> {
        let State::Stalled(trouble) = &self.items.get(key)?.state else { return None };
        match &**trouble {
            Trouble::Passing(cause) | Trouble::Lasting(cause) => Some(cause),
            Trouble::Changed | Trouble::Gone => None,
        }
    }

    /// All that do not go on, and why.
    pub fn causes(&self) -> impl Iterator<Item = (&Key, &C)> {
        self.items.keys().filter_map(|key| Some((key, self.cause(key)?)))
    }

    /// Items that move.
    pub fn active(&self) -> impl Iterator<Item = &Key> {
        self.active.iter()
    }

    /// Items that move and lack this blob.
    pub fn lacking(&self, blob: &BlobId) -> impl Iterator<Item = &Key> {
        self.lacking.get(blob).into_iter().flatten()
    }

    /// Blobs that are asked for, for this item.
    pub fn asked(&self, key: &Key) -> HashSet<BlobId> {
        self.items.get(key).map(|item| item.lacks.clone()).unwrap_or_default()
    }

    /// Whether anything of this channel moves, or waits to.
    pub fn is_busy_with(&self, channel: &ChannelKey) -> bool {
        self.active.iter().chain(self.queue.keys()).any(|(other, _)| other == channel)
    }
}
