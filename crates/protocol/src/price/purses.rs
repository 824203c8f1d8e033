//! What each source may cause in a time.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::{Payer, Source, TOGETHER};

/// Purses that fill with time. What is kept of one is when it will be full again: who owes nothing is not kept at all.
#[derive(Debug)]
pub struct Purses {
    full: u32,
    every: Duration,
    most: usize,
    debts: BTreeMap<Source, Duration>,
    /// The same by time: who owes least first.
    order: BTreeSet<(Duration, Source)>,
}

impl Purses {
    /// Purses of `full` units (1 at least), into each of which a unit comes `every` so often; what all of a crowd may cause
    /// together is [`TOGETHER`] times that. Debts of `most` sources are remembered; beyond that the least is forgotten.
    pub fn new(full: u32, every: Duration, most: usize) -> Self {
        Self { full: full.max(1), every, most: most.max(2), debts: BTreeMap::new(), order: BTreeSet::new() }
    }

    /// Pays for work, all of it or nothing. False: it is not to be done. What costs more than a full purse costs a full one.
    pub fn pay(&mut self, now: Duration, who: &Payer, price: u32) -> bool {
        if !self.could_pay(now, who, price) {
            return false;
        }
        for (source, times) in of(who) {
            let owed = self.owed(now, source);
            self.set(now, source.clone(), owed + self.span(price, times));
        }
        true
    }

    /// Whether [`Purses::pay`] would.
    pub fn could_pay(&self, now: Duration, who: &Payer, price: u32) -> bool {
        of(who).all(|(source, times)| self.owed(now, source) + self.span(price, times) <= now + self.window())
    }

    /// When [`Purses::pay`] will, if nothing else is paid for meanwhile.
    pub fn payable_at(&self, now: Duration, who: &Payer, price: u32) -> Duration {
        let at = |(source, times)| {
            let due = self.owed(now, source) + self.span(price, times);
            due.saturating_sub(self.window())
        };
        of(who).map(at).max().unwrap_or(now).max(now)
    }

    /// Gives back what was paid: the work was honest, or was not done. Nobody ever has more than a full purse.
    pub fn refund(&mut self, now: Duration, who: &Payer, price: u32) {
        for (source, times) in of(who) {
            let left = self.owed(now, source).saturating_sub(self.span(price, times));
            self.set(now, source.clone(), left);
        }
    }

    /// Sources that owe something, or did a moment ago.
    pub fn len(&self) -> usize {
        self.debts.len()
    }

    /// Nobody owes anything.
    pub fn is_empty(&self) -> bool {
        self.debts.is_empty()
    }

    /// The time in which an empty purse is full again, one's own and a crowd's.
    fn window(&self) -> Duration {
        self.every * self.full
    }

    /// The time in which so many units come in, where `times` as many come as in one's own purse.
    fn span(&self, units: u32, times: u32) -> Duration {
        self.every * units.min(self.full) / times
    }

    fn owed(&self, now: Duration, source: &Source) -> Duration {
        self.debts.get(source).copied().unwrap_or_default().max(now)
    }

    fn set(&mut self, now: Duration, source: Source, until: Duration) {
        if let Some(old) = self.debts.remove(&source) {
            self.order.remove(&(old, source.clone()));
        }
        // Who owes nothing any more goes, and then, where there are too many, who owes least: it gains least by it.
        let room = |purses: &Self| until <= now || purses.debts.len() < purses.most;
        while let Some((paid, first)) = self.order.first().cloned() {
            if paid > now && room(self) {
                break;
            }
            self.order.remove(&(paid, first.clone()));
            self.debts.remove(&first);
        }
        if until <= now {
            return;
        }
        self.order.insert((until, source.clone()));
        self.debts.insert(source, until);
    }
}

/// The purses that somebody pays from, and how many times as much as one's own each of them holds.
fn of(who: &Payer) -> impl Iterator<Item = (&Source, u32)> {
    std::iter::once((&who.one, 1)).chain(who.crowd.iter().map(|crowd| (crowd, TOGETHER)))
}
