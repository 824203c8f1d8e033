//! What stands for a while, and who makes room.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::{Payer, Source};

/// What became of a newcomer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Entry<T> {
    /// It has a place.
    Taken,
    /// It has the place of this one, which is gone.
    Instead(T),
    /// It has none.
    Refused,
}

/// Places for things that somebody caused: so many in all, so many of one source. When all are taken, the neighbourhood
/// that has most loses what stands there longest, but never to one that would have more. What came just now makes room
/// only for a neighbourhood that would have less.
#[derive(Debug)]
pub struct Places<T> {
    most: usize,
    each: usize,
    together: usize,
    young: Duration,
    serial: u64,
    of: BTreeMap<T, (Payer, Stands)>,
    /// By neighbourhood, and in it by source, the oldest first.
    groups: BTreeMap<Source, Group<T>>,
}

/// Since when, and in which order.
type Stands = (Duration, u64);

#[derive(Debug)]
struct Group<T> {
    count: usize,
    owners: BTreeMap<Source, BTreeSet<(Stands, T)>>,
}

impl<T: Ord + Clone> Places<T> {
    /// `most` places, `each` of them for one source; who came less than `young` ago does not make room for its like.
    pub fn new(most: usize, each: usize, young: Duration) -> Self {
        Self { most, each, together: most, young, serial: 0, of: BTreeMap::new(), groups: BTreeMap::new() }
    }

    /// The same, with `together` places at most for one neighbourhood.
    #[must_use]
    pub fn of_neighbourhood(self, together: usize) -> Self {
        Self { together, ..self }
    }

    /// A place for something new. What stands here already is as good as new if its own payer names it again, and stays
    /// whose it is if another does.
    pub fn enter(&mut self, now: Duration, who: &Payer, what: T) -> Entry<T> {
        if let Some(owner) = self.payer(&what) {
            if *owner == *who {
                self.leave(&what);
                self.put(now, who, what);
            }
            return Entry::Taken;
        }
        if self.count(&who.one, &who.neighbourhood()) >= self.each {
            return Entry::Refused;
        }
        if self.of.len() < self.most && self.neighbours(who) < self.together {
            self.put(now, who, what);
            return Entry::Taken;
        }
        let Some(victim) = self.victim(now, who) else { return Entry::Refused };
        self.leave(&victim);
        self.put(now, who, what);
        Entry::Instead(victim)
    }

    /// It stands no longer. False: it did not.
    pub fn leave(&mut self, what: &T) -> bool {
        let Some((payer, since)) = self.of.remove(what) else { return false };
        let neighbourhood = payer.neighbourhood();
        if let Some(group) = self.groups.get_mut(&neighbourhood) {
            group.count -= 1;
            if let Some(owned) = group.owners.get_mut(&payer.one) {
                owned.remove(&(since, what.clone()));
                if owned.is_empty() {
                    group.owners.remove(&payer.one);
                }
            }
            if group.count == 0 {
                self.groups.remove(&neighbourhood);
            }
        }
        true
    }

    /// Whether it has a place.
    pub fn contains(&self, what: &T) -> bool {
        self.of.contains_key(what)
    }

    /// Who caused it.
    pub fn payer(&self, what: &T) -> Option<&Payer> {
        self.of.get(what).map(|(payer, _)| payer)
    }

    /// Everything that stands here.
    pub fn iter(&self) -> impl Iterator<Item = &T> {
        self.of.keys()
    }

    /// How many stand here.
    pub fn len(&self) -> usize {
        self.of.len()
    }

    /// None does.
    pub fn is_empty(&self) -> bool {
        self.of.is_empty()
    }

    fn put(&mut self, now: Duration, who: &Payer, what: T) {
        self.serial += 1;
        let since = (now, self.serial);
        let group = self.groups.entry(who.neighbourhood());
        let group = group.or_insert_with(|| Group { count: 0, owners: BTreeMap::new() });
        group.count += 1;
        group.owners.entry(who.one.clone()).or_default().insert((since, what.clone()));
        self.of.insert(what, (who.clone(), since));
    }

    fn count(&self, one: &Source, neighbourhood: &Source) -> usize {
        let group = self.groups.get(neighbourhood);
        group.and_then(|group| group.owners.get(one)).map_or(0, BTreeSet::len)
    }

    fn neighbours(&self, who: &Payer) -> usize {
        self.groups.get(&who.neighbourhood()).map_or(0, |group| group.count)
    }

    /// Whom this newcomer replaces: of the neighbourhoods that have as many as its own would then have, and of its own, the
    /// one that has most and in which somebody may go; in it the source that has most; of that the oldest.
    fn victim(&self, now: Duration, who: &Payer) -> Option<T> {
        let (own, would_have) = (who.neighbourhood(), self.neighbours(who) + 1);
        let crowded = would_have > self.together;
        type Weight = (usize, usize, std::cmp::Reverse<Stands>);
        let mut best: Option<(Weight, &T)> = None;
        for (neighbourhood, group) in &self.groups {
            let (is_own, heavy) = (*neighbourhood == own, group.count >= would_have && !crowded);
            if !(is_own || heavy) || best.as_ref().is_some_and(|((count, ..), _)| *count > group.count) {
                continue;
            }
            let spares_young = is_own || group.count == would_have;
            for owned in group.owners.values() {
                let oldest = owned.first().filter(|((since, _), _)| !spares_young || *since + self.young <= now);
                let Some((stands, what)) = oldest else { continue };
                let weight = (group.count, owned.len(), std::cmp::Reverse(*stands));
                if best.as_ref().is_none_or(|(heaviest, _)| weight > *heaviest) {
                    best = Some((weight, what));
                }
            }
        }
        best.map(|(_, what)| what.clone())
    }
}
