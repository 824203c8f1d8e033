//! Items that wait for their turn: the most urgent first, of those the one that waits longest.
//!
//! Every step costs a logarithm: one list may bring a quarter of a million of them.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};

use crate::{Key, Urgency};

/// The queue.
#[derive(Default)]
pub(crate) struct Queue {
    order: BTreeMap<(Reverse<Urgency>, u64), Key>,
    places: HashMap<Key, (Reverse<Urgency>, u64)>,
    next: u64,
}

impl Queue {
    /// Puts an item at the end of those that are as urgent, unless it waits already.
    pub(crate) fn push(&mut self, key: Key, urgency: Urgency) {
        if self.places.contains_key(&key) {
            return;
        }
        let place = (Reverse(urgency), self.next);
        self.next += 1;
        self.order.insert(place, key);
        self.places.insert(key, place);
    }

    /// Takes one out.
    pub(crate) fn remove(&mut self, key: &Key) {
        if let Some(place) = self.places.remove(key) {
            self.order.remove(&place);
        }
    }

    /// Changes how urgent one is; among its new equals it keeps the place that its time of waiting gives it.
    pub(crate) fn set_urgency(&mut self, key: &Key, urgency: Urgency) {
        if let Some(place) = self.places.get_mut(key) {
            self.order.remove(place);
            place.0 = Reverse(urgency);
            self.order.insert(*place, *key);
        }
    }

    /// All of them, in their order.
    pub(crate) fn keys(&self) -> impl Iterator<Item = &Key> {
        self.order.values()
    }
}

#[cfg(test)]
mod tests {
    use protocol::{ChannelKey, ItemId};

    use super::*;

    fn key(n: u8) -> Key {
        (ChannelKey([0; 32]), ItemId([n; 16]))
    }

    #[test]
    fn the_urgent_come_first_and_equals_in_turn() {
        let mut queue = Queue::default();
        for (n, urgency) in [(1, Urgency::Normal), (2, Urgency::Low), (3, Urgency::High), (4, Urgency::Normal)] {
            queue.push(key(n), urgency);
        }
        queue.push(key(1), Urgency::High);
        let order = |queue: &Queue| queue.keys().map(|key| key.1.0[0]).collect::<Vec<_>>();
        assert_eq!(order(&queue), [3, 1, 4, 2], "who waits already keeps its place");
        queue.set_urgency(&key(4), Urgency::High);
        queue.set_urgency(&key(9), Urgency::High);
        assert_eq!(order(&queue), [3, 4, 1, 2]);
        queue.remove(&key(3));
        queue.remove(&key(3));
        assert_eq!(order(&queue), [4, 1, 2]);
    }

    #[test]
    fn a_quarter_of_a_million_are_no_trouble() {
        let mut queue = Queue::default();
        let item = |n: u32| (ChannelKey([0; 32]), ItemId(u128::from(n).to_be_bytes()));
        for _ in 0..2 {
            (0..250_000).for_each(|n| queue.push(item(n), Urgency::Normal));
        }
        for n in 0..250_000 {
            assert_eq!(queue.keys().next(), Some(&item(n)));
            queue.remove(&item(n));
        }
    }
}
