//! What is done for others now, and who waits for it.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use super::{Payer, Source};

/// Work of which so much is done at once, in all and of one source; what is beyond waits for a while, and who has least
/// under way goes first.
#[derive(Debug)]
pub struct Turns<T> {
    at_once: usize,
    each: usize,
    waiting_most: usize,
    patience: Duration,
    running: BTreeMap<Source, usize>,
    under_way: usize,
    waiting: VecDeque<(Payer, Duration, T)>,
}

impl<T> Turns<T> {
    /// `at_once` in all, `each` of one source and twice as many of a crowd; `waiting_most` wait, none longer than `patience`.
    pub fn new(at_once: usize, each: usize, waiting_most: usize, patience: Duration) -> Self {
        Self { at_once, each, waiting_most, patience, running: BTreeMap::new(), under_way: 0, waiting: VecDeque::new() }
    }

    /// Hands work in; [`Turns::next`] says when it begins. When too many wait, one of the source that has most waiting is
    /// given back, to be refused: it may be this one.
    pub fn ask(&mut self, now: Duration, who: Payer, work: T) -> Option<T> {
        self.waiting.push_back((who, now, work));
        if self.waiting.len() <= self.waiting_most {
            return None;
        }
        let mut counts: BTreeMap<Source, (usize, BTreeMap<Source, usize>)> = BTreeMap::new();
        for (who, ..) in &self.waiting {
            let (all, each) = counts.entry(who.neighbourhood()).or_default();
            *all += 1;
            *each.entry(who.one.clone()).or_default() += 1;
        }
        // The last one of the heaviest source of the heaviest neighbourhood: those before it waited longer.
        let weight = |who: &Payer| {
            let (all, each) = counts.get(&who.neighbourhood())?;
            Some((*all, *each.get(&who.one)?))
        };
        let (last, _) = self.waiting.iter().enumerate().max_by_key(|(at, (who, ..))| (weight(who), *at))?;
        self.waiting.remove(last).map(|(.., work)| work)
    }

    /// The next that begins now, if one may. Say [`Turns::done`] when it has ended.
    #[allow(clippy::should_implement_trait, reason = "it may give one again after none: no iterator")]
    pub fn next(&mut self) -> Option<(Payer, T)> {
        if self.under_way >= self.at_once {
            return None;
        }
        let of = |source: &Source| self.running.get(source).copied().unwrap_or(0);
        let may =
            |who: &Payer| of(&who.one) < self.each && who.crowd.as_ref().is_none_or(|all| of(all) < 2 * self.each);
        let ready = self.waiting.iter().enumerate().filter(|(_, (who, ..))| may(who));
        // Among equals the one that waited longest: they stand in that order.
        let next = ready.min_by_key(|(at, (who, ..))| (of(&who.one).max(who.crowd.as_ref().map_or(0, of)), *at));
        let (who, _, work) = self.waiting.remove(next?.0)?;
        for source in std::iter::once(&who.one).chain(&who.crowd) {
            *self.running.entry(source.clone()).or_default() += 1;
        }
        self.under_way += 1;
        Some((who, work))
    }

    /// Work of this payer has ended.
    pub fn done(&mut self, who: &Payer) {
        for source in std::iter::once(&who.one).chain(&who.crowd) {
            if let Some(count) = self.running.get_mut(source) {
                *count -= 1;
                if *count == 0 {
                    self.running.remove(source);
                }
            }
        }
        self.under_way = self.under_way.saturating_sub(1);
    }

    /// Who waited too long, to be refused.
    pub fn expire(&mut self, now: Duration) -> Vec<T> {
        let patience = self.patience;
        let late = self.waiting.iter().take_while(|(_, since, _)| *since + patience <= now).count();
        self.waiting.drain(..late).map(|(.., work)| work).collect()
    }

    /// When [`Turns::expire`] is due.
    pub fn next_at(&self) -> Option<Duration> {
        self.waiting.front().map(|(_, since, _)| *since + self.patience)
    }

    /// How many are done now.
    pub fn under_way(&self) -> usize {
        self.under_way
    }

    /// How many wait.
    pub fn waiting(&self) -> usize {
        self.waiting.len()
    }
}
