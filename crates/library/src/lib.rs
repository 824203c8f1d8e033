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

mod item;
mod queue;
mod types;

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
        self.fill(now);
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
        self.fill(now);
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

    /// Whether an item waits for its turn.
    pub fn is_queued(&self, key: &Key) -> bool {
        matches!(self.items.get(key), Some(Item { state: State::Queued | State::Looking | State::Later(_), .. }))
    }

    /// Items that wait for their turn, in order.
    pub fn queued(&self) -> impl Iterator<Item = &Key> {
        self.queue.keys()
    }

    /// Items that are put off, and will be looked at.
    pub fn put_off_items(&self) -> impl Iterator<Item = &Key> {
        self.timers.iter().map(|(_, key)| key)
    }

    /// Why an item does not go on.
    pub fn cause(&self, key: &Key) -> Option<&C> {
        match &self.items.get(key)?.state {
            State::Stalled(Trouble::Passing(cause) | Trouble::Lasting(cause)) => Some(cause),
            _ => None,
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

    fn urgency(&self, key: &Key) -> Urgency {
        self.urgent.get(key).copied().unwrap_or_default()
    }

    fn want(&mut self, key: Key) {
        let item = self.items.entry(key).or_default();
        // Whoever has it for himself gives it back, and then it is looked at.
        if item.is_claimed() || item.state.is_active() {
            return;
        }
        self.passing.remove(&key);
        item.state = State::Queued;
        self.queue.push(key, self.urgency(&key));
    }

    fn put_off(&mut self, key: Key, at: Duration) {
        let item = self.items.entry(key).or_default();
        if item.is_claimed() || item.state.is_active() || matches!(item.state, State::Queued) {
            return;
        }
        self.passing.remove(&key);
        item.state = State::Later(at);
        self.timers.insert((at, key));
    }

    fn drop_item(&mut self, key: Key) {
        self.end(key);
        self.tidy(key);
    }

    /// Ends what moves an item: nothing of it is asked for, and a job that is under way is nobody's. Says whether it was
    /// wanted. Who has it for himself keeps it.
    fn end(&mut self, key: Key) -> bool {
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

    fn unask(&mut self, key: Key, blobs: HashSet<BlobId>) {
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

    fn urge(&mut self, key: Key, urgency: Urgency) {
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

    fn claim(&mut self, key: Key, ticket: Ticket) {
        self.end(key);
        let item = self.items.entry(key).or_default();
        if let Some(first) = item.claims.front().filter(|_| item.granted) {
            self.outputs.push_back(Output::Awaited(key, *first));
        }
        item.claims.push_back(ticket);
        self.grant(key);
    }

    fn release(&mut self, key: Key, ticket: Ticket) {
        let Some(item) = self.items.get_mut(&key) else { return };
        if item.granted && item.claims.front() == Some(&ticket) {
            item.granted = false;
        }
        item.claims.retain(|other| *other != ticket);
        if item.claims.is_empty() {
            // What was done to it may have made it wanted, or not.
            if !matches!(item.state, State::Finishing) {
                self.look(key);
            }
        } else {
            self.grant(key);
        }
    }

    /// Gives an item to whoever waits for it, if nothing is done to it.
    fn grant(&mut self, key: Key) {
        let Some(item) = self.items.get_mut(&key) else { return };
        if item.job.is_none()
            && !item.granted
            && let Some(ticket) = item.claims.front()
        {
            item.granted = true;
            self.outputs.push_back(Output::Granted(key, *ticket));
            if item.claims.len() > 1 {
                self.outputs.push_back(Output::Awaited(key, *ticket));
            }
        }
    }

    fn look(&mut self, key: Key) {
        if let Some(item) = self.items.get_mut(&key).filter(|item| !item.is_claimed()) {
            item.state = State::Looking;
            self.outputs.push_back(Output::Look(key));
        }
    }

    fn looked(&mut self, key: Key, wanted: bool) {
        let Some(item) = self.items.get_mut(&key).filter(|item| matches!(item.state, State::Looking)) else { return };
        item.state = State::Idle;
        if wanted {
            self.want(key);
        }
        self.tidy(key);
    }

    fn hold(&mut self, held: bool) {
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

    fn done(&mut self, now: Duration, key: Key, run: u64, outcome: Outcome<C>) {
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

    fn ask(&mut self, key: Key, blobs: Vec<BlobId>) {
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
    fn finish(&mut self, key: Key) {
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

    fn run(&mut self, key: Key, job: Job) {
        self.runs += 1;
        if let Some(item) = self.items.get_mut(&key) {
            item.job = Some(self.runs);
            self.outputs.push_back(Output::Run(key, self.runs, job));
        }
    }

    fn placed(&mut self, now: Duration, blob: BlobId, lost: bool, grown: Vec<Key>, whole: Vec<Key>) {
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

    /// An item does not go on: others do.
    fn stall(&mut self, now: Duration, key: Key, trouble: Trouble<C>) {
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
                item.state = State::Stalled(trouble);
            }
        }
        self.outputs.push_back(Output::Tell(key));
    }

    fn retry(&mut self) {
        let mut again: Vec<Key> = self.passing.iter().copied().collect();
        again.sort_unstable();
        again.into_iter().for_each(|key| self.want(key));
    }

    /// Starts what waits, and looks up what those that move lack.
    fn fill(&mut self, now: Duration) {
        if self.held {
            return;
        }
        while let Some(key) = self.next() {
            self.queue.remove(&key);
            self.active.insert(key);
            if let Some(item) = self.items.get_mut(&key) {
                item.state = State::Planning;
                (item.whole, item.moved, item.told) = (false, now, None);
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
    fn next(&self) -> Option<Key> {
        let free = |key: &&Key| self.items.get(key).is_some_and(|item| item.job.is_none());
        let key = self.queue.keys().find(free)?;
        let urgency = self.urgency(key);
        let room = match urgency {
            Urgency::High => self.active.iter().filter(|other| self.urgency(other) >= urgency).count(),
            _ => self.active.len(),
        };
        (room < self.config.at_once).then_some(*key)
    }

    /// Forgets an item of which there is nothing to know.
    fn tidy(&mut self, key: Key) {
        if self.items.get(&key).is_some_and(Item::is_nothing) {
            self.items.remove(&key);
        }
    }
}
