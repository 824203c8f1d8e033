//! The machine against a world of rows: whatever is wanted, dropped, claimed, changed, held, lost or failing, in whatever
//! order its jobs end, its promises hold at every step, and in the end all that is wanted is here.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on says so by panicking")]

extern crate megatorrent_library as library;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use library::{Config, Input, Job, Key, Library, Outcome, Output, Ticket, Trouble, Urgency};
use proptest::prelude::*;
use protocol::{BlobId, ChannelKey, ItemId};

const ITEMS: u8 = 6;
const CONFIG: Config = Config {
    at_once: 2,
    window: 4,
    again: Duration::from_secs(1),
    later: Duration::from_secs(5),
    retry: Duration::from_secs(20),
    progress: Duration::from_millis(500),
};

fn key(n: u8) -> Key {
    (ChannelKey([n / 3; 32]), ItemId([n; 16]))
}

/// What the database says of an item.
#[derive(Debug, Clone, Default)]
struct Row {
    wanted: bool,
    complete: bool,
    /// Blobs that it lacks; one number is one blob, which several items may lack.
    lacks: BTreeSet<u8>,
}

/// Everything around the machine.
struct World {
    machine: Library<&'static str>,
    now: Duration,
    rows: BTreeMap<Key, Row>,
    /// Jobs that are done now.
    jobs: BTreeMap<(Key, u64), Job>,
    asked: BTreeSet<BlobId>,
    looks: VecDeque<Key>,
    granted: BTreeMap<Key, Ticket>,
    /// Everybody who wants an item for himself, or has it.
    claims: BTreeMap<Ticket, Key>,
    tickets: Ticket,
    held: bool,
}

fn blob(n: u8) -> BlobId {
    BlobId([n; 32])
}

impl World {
    fn new() -> Self {
        let rows = (0..ITEMS).map(|n| (key(n), Row { lacks: Self::content(n), ..Row::default() })).collect();
        Self {
            machine: Library::new(CONFIG, Duration::ZERO, false),
            now: Duration::ZERO,
            rows,
            jobs: BTreeMap::new(),
            asked: BTreeSet::new(),
            looks: VecDeque::new(),
            granted: BTreeMap::new(),
            claims: BTreeMap::new(),
            tickets: 0,
            held: false,
        }
    }

    /// Neighbours share two blobs.
    fn content(n: u8) -> BTreeSet<u8> {
        (0..n + 2).map(|m| n * 4 + m).collect()
    }

    fn row(&mut self, key: Key) -> &mut Row {
        self.rows.get_mut(&key).unwrap()
    }

    fn hear(&mut self, input: Input<&'static str>) {
        self.machine.hear(self.now, input);
        self.listen();
    }

    fn listen(&mut self) {
        while let Some(output) = self.machine.say() {
            match output {
                Output::Run(key, run, job) => {
                    assert!(!self.jobs.keys().any(|(other, _)| *other == key), "two jobs for one item");
                    assert!(!self.granted.contains_key(&key), "a job for what somebody has");
                    self.jobs.insert((key, run), job);
                }
                Output::Cancel(key, run) => assert!(self.jobs.contains_key(&(key, run)), "no such job"),
                Output::Ask(_, blobs, _) => self.asked.extend(blobs),
                Output::Unask(blobs) => blobs.iter().for_each(|blob| assert!(self.asked.remove(blob), "not asked for")),
                Output::Look(key) => self.looks.push_back(key),
                Output::Granted(key, ticket) => {
                    assert!(!self.jobs.keys().any(|(other, _)| *other == key), "granted while something is done to it");
                    assert_eq!(self.granted.insert(key, ticket), None, "granted twice");
                }
                Output::Awaited(key, ticket) => {
                    assert_eq!(self.granted.get(&key), Some(&ticket));
                    assert!(self.claims.values().filter(|other| **other == key).count() > 1);
                }
                Output::Complete(key) => assert!(self.rows[&key].complete, "complete before it was finished"),
                Output::Tell(_) | Output::TellQueue => {}
            }
        }
        self.check();
    }

    fn check(&self) {
        let mut asked = BTreeSet::new();
        for (key, row) in &self.rows {
            let mine = self.machine.asked(key);
            let known = self.jobs.keys().any(|(other, _)| other == key)
                || self.machine.is_queued(key)
                || !mine.is_empty()
                || self.machine.cause(key).is_some()
                || self.claims.values().any(|other| other == key)
                || self.looks.contains(key);
            assert!(!row.wanted || row.complete || known, "{key:?} is forgotten");
            asked.extend(mine);
        }
        assert_eq!(self.asked, asked, "what is asked for is what the items lack");
    }

    /// Ends a job as the world is by then.
    fn end(&mut self, at: usize, fail: Option<Trouble<&'static str>>) {
        let Some((&(key, run), &job)) = self.jobs.iter().nth(at % self.jobs.len().max(1)) else { return };
        let mine = self.machine.asked(&key);
        let outcome = match (fail, job) {
            (Some(trouble), _) => Outcome::Failed(trouble),
            (None, Job::Plan) if !self.rows[&key].wanted => Outcome::Failed(Trouble::Changed),
            (None, Job::Plan) => Outcome::Planned,
            (None, Job::Lack(limit)) => {
                let lacks = self.rows[&key].lacks.iter().map(|n| blob(*n)).filter(|blob| !mine.contains(blob));
                Outcome::Lacks(lacks.take(limit).collect())
            }
            (None, Job::Finish) if self.rows[&key].lacks.is_empty() => {
                self.row(key).complete = true;
                Outcome::Finished(true)
            }
            (None, Job::Finish) => Outcome::Finished(false),
        };
        self.jobs.remove(&(key, run));
        self.hear(Input::Done(key, run, outcome));
    }

    /// A blob that is asked for comes.
    fn place(&mut self, at: usize) {
        let Some(&came) = self.asked.iter().nth(at % self.asked.len().max(1)) else { return };
        self.asked.remove(&came);
        let (mut grown, mut whole) = (Vec::new(), Vec::new());
        for (key, row) in &mut self.rows {
            if row.wanted && !row.complete && row.lacks.remove(&came.0[0]) {
                grown.push(*key);
                whole.extend(row.lacks.is_empty().then_some(*key));
            }
        }
        self.hear(Input::Placed { blob: came, lost: false, grown, whole });
    }

    fn looked(&mut self) {
        if let Some(key) = self.looks.pop_front() {
            let row = &self.rows[&key];
            let wanted = row.wanted && !row.complete;
            self.hear(Input::Looked(key, wanted));
        }
    }

    fn release(&mut self, at: usize) {
        let Some((&ticket, &key)) = self.claims.iter().nth(at % self.claims.len().max(1)) else { return };
        self.claims.remove(&ticket);
        if self.granted.get(&key) == Some(&ticket) {
            self.granted.remove(&key);
        }
        self.hear(Input::Release(key, ticket));
    }
}

#[derive(Debug, Clone)]
enum Op {
    Want(u8),
    WantLater(u8),
    Drop(u8),
    Change(u8),
    Lose(u8, u8),
    Claim(u8),
    Release(usize),
    /// Whoever has an item wants it, or does not, from now on.
    Settle(usize, bool),
    End(usize),
    Fail(usize, u8),
    Place(usize),
    NotPlace(usize),
    Bad(u8),
    Looked,
    Hold(bool),
    Room,
    Urge(u8, u8),
    Forget(u8),
    Time(u64),
}

fn op() -> impl Strategy<Value = Op> {
    let item = 0..ITEMS;
    let at = 0..100_usize;
    prop_oneof![
        6 => item.clone().prop_map(Op::Want),
        1 => item.clone().prop_map(Op::WantLater),
        2 => item.clone().prop_map(Op::Drop),
        1 => item.clone().prop_map(Op::Change),
        1 => (item.clone(), 0..8_u8).prop_map(|(item, n)| Op::Lose(item, n)),
        3 => item.clone().prop_map(Op::Claim),
        3 => at.clone().prop_map(Op::Release),
        1 => (at.clone(), any::<bool>()).prop_map(|(at, wanted)| Op::Settle(at, wanted)),
        10 => at.clone().prop_map(Op::End),
        2 => (at.clone(), 0..4_u8).prop_map(|(at, how)| Op::Fail(at, how)),
        10 => at.clone().prop_map(Op::Place),
        1 => at.prop_map(Op::NotPlace),
        1 => item.clone().prop_map(Op::Bad),
        3 => Just(Op::Looked),
        1 => any::<bool>().prop_map(Op::Hold),
        1 => Just(Op::Room),
        1 => (item.clone(), 0..3_u8).prop_map(|(item, urgency)| Op::Urge(item, urgency)),
        1 => (0..ITEMS / 3).prop_map(Op::Forget),
        2 => (1..30_000_u64).prop_map(Op::Time),
    ]
}

fn trouble(how: u8) -> Trouble<&'static str> {
    match how {
        0 => Trouble::Changed,
        1 => Trouble::Gone,
        2 => Trouble::Passing("no room"),
        _ => Trouble::Lasting("bad"),
    }
}

impl World {
    fn act(&mut self, op: Op) {
        match op {
            Op::Want(n) | Op::WantLater(n) => {
                if self.rows[&key(n)].complete {
                    return;
                }
                self.row(key(n)).wanted = true;
                let later = matches!(op, Op::WantLater(_));
                self.hear(if later { Input::WantLater(key(n)) } else { Input::Want(key(n)) });
            }
            Op::Drop(n) => {
                self.row(key(n)).wanted = false;
                self.hear(Input::Drop(key(n)));
            }
            Op::Change(n) => {
                let row = self.row(key(n));
                (row.complete, row.lacks) = (false, Self::content(n + 1));
                // Whoever changes a list wants again what was wanted of it.
                let wanted = row.wanted;
                self.hear(Input::Changed(key(n)));
                if wanted {
                    self.hear(Input::Want(key(n)));
                }
            }
            Op::Lose(n, lost) => {
                if !self.rows[&key(n)].complete {
                    self.row(key(n)).lacks.insert(n * 4 + lost);
                    self.hear(Input::Shrunk(key(n)));
                }
            }
            Op::Claim(n) => {
                self.tickets += 1;
                self.claims.insert(self.tickets, key(n));
                self.hear(Input::Claim(key(n), self.tickets));
            }
            Op::Release(at) => self.release(at),
            Op::Settle(at, wanted) => {
                if let Some((&key, _)) = self.granted.iter().nth(at % self.granted.len().max(1)) {
                    let row = self.row(key);
                    row.wanted = wanted;
                    row.complete &= wanted;
                }
            }
            Op::End(at) => self.end(at, None),
            Op::Fail(at, how) => {
                // Nothing that is gone from its list is wanted.
                if how == 1
                    && let Some((&(key, _), _)) = self.jobs.iter().nth(at % self.jobs.len().max(1))
                {
                    self.row(key).wanted = false;
                }
                self.end(at, Some(trouble(how)));
            }
            Op::Place(at) => self.place(at),
            Op::NotPlace(at) => {
                if let Some(&came) = self.asked.iter().nth(at % self.asked.len().max(1)) {
                    self.hear(Input::NotPlaced(came, trouble(2)));
                }
            }
            Op::Bad(n) => self.hear(Input::Bad(key(n), trouble(3))),
            Op::Looked => self.looked(),
            Op::Hold(held) => {
                self.held = held;
                self.hear(Input::Hold(held));
            }
            Op::Room => self.hear(Input::Room),
            Op::Urge(n, urgency) => {
                let urgency = [Urgency::Low, Urgency::Normal, Urgency::High][usize::from(urgency)];
                self.hear(Input::Urge(key(n), urgency));
            }
            Op::Forget(channel) => {
                let channel = ChannelKey([channel; 32]);
                for (_, row) in self.rows.iter_mut().filter(|(key, _)| key.0 == channel) {
                    row.wanted = false;
                }
                self.hear(Input::Forget(channel));
            }
            Op::Time(ms) => {
                self.now += Duration::from_millis(ms);
                self.machine.tick(self.now);
                self.listen();
            }
        }
    }

    /// Everybody gives back what they have, nothing fails any more, and time passes.
    fn settle(&mut self) {
        self.act(Op::Hold(false));
        for _ in 0..1_000 {
            let lasting: Vec<Key> =
                self.rows.keys().filter(|key| self.machine.cause(key) == Some(&"bad")).copied().collect();
            for key in lasting {
                // Its user says to try again.
                self.hear(Input::Want(key));
            }
            self.release(0);
            self.looked();
            self.end(0, None);
            self.place(0);
            self.act(Op::Time(1_000));
            if self.rows.values().all(|row| !row.wanted || row.complete)
                && self.jobs.is_empty()
                && self.claims.is_empty()
            {
                break;
            }
        }
        for (key, row) in &self.rows {
            assert!(!row.wanted || row.complete, "{key:?} never came: {row:?}");
            assert!(self.machine.asked(key).is_empty());
        }
        assert!(self.granted.is_empty(), "{:?}", self.granted);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, max_shrink_iters: 20_000, ..ProptestConfig::default() })]
    #[test]
    fn whatever_happens_nothing_that_is_wanted_is_forgotten(ops in proptest::collection::vec(op(), 1..80)) {
        let mut world = World::new();
        ops.into_iter().for_each(|op| world.act(op));
        world.settle();
    }
}

#[test]
fn what_is_claimed_is_nobodys_until_its_job_has_ended_and_is_looked_at_when_it_is_given_back() {
    let mut world = World::new();
    world.act(Op::Want(0));
    assert_eq!(world.jobs.len(), 1);
    world.act(Op::Claim(0));
    world.act(Op::Claim(0));
    assert!(world.granted.is_empty(), "its plan is still being made");
    world.end(0, None);
    assert_eq!(world.granted.get(&key(0)), Some(&1), "in turn");
    world.act(Op::Want(0));
    assert!(world.jobs.is_empty() && !world.machine.is_queued(&key(0)));
    world.release(0);
    assert_eq!(world.granted.get(&key(0)), Some(&2));
    world.release(0);
    assert_eq!(world.looks, [key(0)]);
    world.looked();
    assert_eq!(world.jobs.values().collect::<Vec<_>>(), [&Job::Plan]);
    world.settle();
}

#[test]
fn what_is_dropped_and_wanted_again_while_its_files_get_their_names_is_not_forgotten_when_they_do_not() {
    let mut world = World::new();
    world.act(Op::Want(0));
    world.end(0, None);
    world.end(0, None);
    world.place(0);
    world.place(0);
    world.end(0, None);
    assert_eq!(world.jobs.values().collect::<Vec<_>>(), [&Job::Finish]);
    world.act(Op::Drop(0));
    world.act(Op::Want(0));
    world.act(Op::Lose(0, 7));
    world.end(0, None);
    world.settle();
}

#[test]
fn ten_thousand_wait_and_a_pause_is_one_word() {
    let mut machine: Library<&str> = Library::new(CONFIG, Duration::ZERO, false);
    let item = |n: u32| (ChannelKey([0; 32]), ItemId(u128::from(n).to_be_bytes()));
    (0..10_000).for_each(|n| machine.hear(Duration::ZERO, Input::Want(item(n))));
    while machine.say().is_some() {}
    machine.hear(Duration::ZERO, Input::Hold(true));
    let mut said = 0;
    while machine.say().is_some() {
        said += 1;
    }
    assert!(said <= 8, "{said}");
    assert_eq!(machine.queued().count(), 10_000);
}
