//! E6 Announces on a budget.
//!
//! Owns: topics to announce in the DHT, when each was last, the token bucket. Promises: rendezvous first, then roots,
//! first blobs, the rest; within a rank the longest due first, so that a budget too small for a cycle rotates; never more
//! than the budget; no topic twice at a time.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use protocol::{InfoHash, Topic};

use crate::{Coverage, Rank};

/// Announces that may be open at once.
const OPEN_MAX: usize = 64;
/// An announce that nobody answered for this long has failed.
const LOST: i64 = 120_000;
/// A failed announce is tried again after this time.
const AGAIN: i64 = 60_000;
/// The bucket holds this many seconds of budget.
const BURST: f64 = 1.0;

/// The order of announces: rendezvous before every blob.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Tier {
    /// A channel's meeting point.
    Rendezvous,
    /// A blob.
    Blob(Rank),
}

/// All of them, the first first.
const TIERS: [Tier; 4] = [Tier::Rendezvous, Tier::Blob(Rank::Root), Tier::Blob(Rank::First), Tier::Blob(Rank::Rest)];

struct Entry {
    tier: Tier,
    /// Milliseconds since the start; negative: before it.
    due: i64,
    last: Option<i64>,
}

/// The machine. Times inside are milliseconds since the start, for they reach back before it.
pub(crate) struct Announces {
    cycle: i64,
    rate: f64,
    entries: BTreeMap<Topic, Entry>,
    due: BTreeMap<Tier, BTreeSet<(i64, Topic)>>,
    /// The same, of topics that are due now whenever that was to be: the network changed since they were announced.
    overdue: BTreeMap<Tier, BTreeSet<(i64, Topic)>>,
    /// How many topics were last announced in each second.
    done: BTreeMap<i64, u64>,
    open: BTreeMap<InfoHash, (Topic, i64)>,
    tokens: f64,
    filled: Duration,
}

fn ms(at: Duration) -> i64 {
    i64::try_from(at.as_millis()).unwrap_or(i64::MAX / 4)
}

impl Announces {
    /// `rate`: announces a second; 0 or less: none at all.
    pub(crate) fn new(rate: f64, cycle: Duration) -> Self {
        let rate = if rate.is_finite() { rate.max(0.0) } else { 0.0 };
        Self {
            cycle: ms(cycle).max(1000),
            rate,
            entries: BTreeMap::new(),
            due: BTreeMap::new(),
            overdue: BTreeMap::new(),
            done: BTreeMap::new(),
            open: BTreeMap::new(),
            tokens: (rate * BURST).max(1.0),
            filled: Duration::ZERO,
        }
    }
    /// Another budget from now on.
    pub(crate) fn set_rate(&mut self, rate: f64) {
        self.rate = if rate.is_finite() { rate.max(0.0) } else { 0.0 };
        self.tokens = self.tokens.min((self.rate * BURST).max(1.0));
        self.open.clear();
    }
    /// A topic to announce from now on. `ago`: how long ago it was announced.
    pub(crate) fn add(&mut self, now: Duration, topic: Topic, tier: Tier, ago: Option<Duration>) {
        let old = self.take(&topic);
        let last = old.as_ref().and_then(|e| e.last).max(ago.map(|ago| ms(now) - ms(ago)));
        let due = last.map_or(i64::MIN / 4, |last| last + self.cycle).max(old.map_or(i64::MIN, |e| e.due));
        self.put(topic, Entry { tier, due, last });
    }
    /// Not any more.
    pub(crate) fn remove(&mut self, topic: &Topic) {
        self.take(topic);
    }
    fn take(&mut self, topic: &Topic) -> Option<Entry> {
        let entry = self.entries.remove(topic)?;
        for lists in [&mut self.due, &mut self.overdue] {
            if let Some(set) = lists.get_mut(&entry.tier) {
                set.remove(&(entry.due, *topic));
            }
        }
        if let Some(last) = entry.last
            && let Some(count) = self.done.get_mut(&(last / 1000))
        {
            *count -= 1;
            if *count == 0 {
                self.done.remove(&(last / 1000));
            }
        }
        Some(entry)
    }
    fn put(&mut self, topic: Topic, entry: Entry) {
        self.due.entry(entry.tier).or_default().insert((entry.due, topic));
        if let Some(last) = entry.last {
            *self.done.entry(last / 1000).or_default() += 1;
        }
        self.entries.insert(topic, entry);
    }
    fn reschedule(&mut self, topic: Topic, due: i64, last: Option<i64>) {
        if let Some(mut entry) = self.take(&topic) {
            entry.due = due;
            entry.last = last.or(entry.last);
            self.put(topic, entry);
        }
    }

    fn fill(&mut self, now: Duration) {
        let span = now.saturating_sub(self.filled).as_secs_f64();
        self.filled = self.filled.max(now);
        self.tokens = (self.tokens + span * self.rate).min((self.rate * BURST).max(1.0));
    }
    /// The next topic to announce now, if the budget allows one.
    pub(crate) fn next(&mut self, now: Duration) -> Option<Topic> {
        self.fill(now);
        if self.rate <= 0.0 || self.tokens < 1.0 || self.open.len() >= OPEN_MAX {
            return None;
        }
        let first =
            |set: &BTreeSet<(i64, Topic)>| set.first().filter(|(due, _)| *due <= ms(now)).map(|(_, topic)| *topic);
        loop {
            let overdue = |tier: &Tier| self.overdue.get(tier)?.first().map(|(_, topic)| *topic);
            let topic = TIERS.iter().find_map(|tier| overdue(tier).or_else(|| self.due.get(tier).and_then(first)))?;
            self.reschedule(topic, ms(now) + LOST, None);
            // An equal infohash under way is this very topic or a twin of 20 bytes: either way it waits.
            if self.open.contains_key(&topic.infohash()) {
                continue;
            }
            self.tokens -= 1.0;
            self.open.insert(topic.infohash(), (topic, ms(now)));
            return Some(topic);
        }
    }
    /// When [`Announces::next`] may have one. The answer stays until one was taken, however often it is asked for: whoever
    /// plans anew at each wake-up would otherwise put it off for ever.
    pub(crate) fn next_at(&self) -> Option<Duration> {
        if self.rate <= 0.0 || self.open.len() >= OPEN_MAX {
            return None;
        }
        let overdue = self.overdue.values().any(|set| !set.is_empty()).then_some(0);
        let due = self.due.values().filter_map(|set| set.first()).map(|(due, _)| *due);
        let due = overdue.into_iter().chain(due).min()?;
        let due = Duration::from_millis(u64::try_from(due).unwrap_or(0));
        if self.tokens >= 1.0 {
            return Some(due);
        }
        let wait = ((1.0 - self.tokens) / self.rate).min(3600.0);
        // A little late rather than a little early, or the timer would fire with the bucket all but full.
        Some(due.max(self.filled + Duration::from_secs_f64(wait) + Duration::from_millis(1)))
    }
    /// An announce ended. Returns its topic.
    pub(crate) fn ended(&mut self, now: Duration, infohash: InfoHash, ok: bool) -> Option<Topic> {
        let (topic, _) = self.open.remove(&infohash)?;
        let now = ms(now);
        if ok {
            self.reschedule(topic, now + self.cycle, Some(now));
        } else {
            self.reschedule(topic, now + AGAIN, None);
        }
        Some(topic)
    }
    /// Drops announces that nobody answered.
    pub(crate) fn expire(&mut self, now: Duration) {
        let now = ms(now);
        self.open.retain(|_, (_, since)| *since + LOST > now);
    }
    /// The network changed: everything is due again, in the order in which it was to be. Nothing is walked through but what
    /// was announced since the last change: there may be a million.
    pub(crate) fn again(&mut self) {
        for (tier, mut due) in std::mem::take(&mut self.due) {
            let overdue = self.overdue.entry(tier).or_default();
            if overdue.len() < due.len() {
                std::mem::swap(overdue, &mut due);
            }
            overdue.extend(due);
        }
    }
    /// What of a cycle is done.
    pub(crate) fn coverage(&self, now: Duration) -> Coverage {
        if self.rate <= 0.0 {
            return Coverage::default();
        }
        let from = (ms(now) - self.cycle).div_euclid(1000);
        let announced = self.done.range(from + 1..).map(|(_, count)| *count).sum();
        Coverage { total: self.entries.len() as u64, announced }
    }
}

#[cfg(test)]
mod tests;
