//! What a gateway remembers of what it did for others: bounded, the oldest goes first.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use protocol::{ChannelKey, SignedManifest, Topic};

use crate::config::{
    GATEWAY_CACHE, GATEWAY_FAILED, GATEWAY_PUTS, GATEWAY_PUTS_IN, GATEWAY_PUTS_KEPT, GATEWAY_REMEMBERS, GATEWAY_SOUGHT,
};

/// A channel, and the salt of an item of its key; empty for its list.
pub(super) type Item = (ChannelKey, Vec<u8>);

/// What is to be done with a manifest.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Put {
    /// It is to be put.
    New,
    /// It was, not long ago.
    Known,
    /// One with a higher number was, or another one with this number.
    Older,
    /// This channel had its share; it has more after this time.
    TooOften(Duration),
}

struct LastPut {
    at: Duration,
    sequence: u64,
    value: Vec<u8>,
    /// Since when newer ones are counted, and how many there were.
    counted: (Duration, u32),
}

/// Some things, of which those that came first are forgotten when there are too many.
struct Recent<K, V> {
    most: usize,
    serial: u64,
    of: BTreeMap<K, (u64, V)>,
    order: BTreeMap<u64, K>,
}

impl<K: Ord + Clone, V> Recent<K, V> {
    fn new(most: usize) -> Self {
        Self { most, serial: 0, of: BTreeMap::new(), order: BTreeMap::new() }
    }
    fn get(&self, key: &K) -> Option<&V> {
        self.of.get(key).map(|(_, value)| value)
    }
    fn get_mut(&mut self, key: &K) -> Option<&mut V> {
        self.of.get_mut(key).map(|(_, value)| value)
    }
    fn remove(&mut self, key: &K) -> Option<V> {
        let (serial, value) = self.of.remove(key)?;
        self.order.remove(&serial);
        Some(value)
    }
    fn insert(&mut self, key: K, value: V) {
        self.remove(&key);
        if self.of.len() >= self.most
            && let Some((_, oldest)) = self.order.pop_first()
        {
            self.of.remove(&oldest);
        }
        self.serial += 1;
        self.order.insert(self.serial, key.clone());
        self.of.insert(key, (self.serial, value));
    }
}

/// The memory.
pub(super) struct Memory {
    puts: Recent<Item, LastPut>,
    /// Until when an answer holds, and what it was.
    shown: Recent<ChannelKey, (Duration, Option<Arc<SignedManifest>>)>,
    sought: Recent<Topic, (Duration, Vec<SocketAddr>)>,
}

impl Default for Memory {
    fn default() -> Self {
        Self {
            puts: Recent::new(GATEWAY_REMEMBERS),
            shown: Recent::new(GATEWAY_REMEMBERS),
            sought: Recent::new(GATEWAY_SOUGHT),
        }
    }
}

impl Memory {
    /// What is to be done with this item. One that is to be put counts from here on: see [`Memory::was_put`].
    pub(super) fn put(&mut self, now: Duration, item: &Item, sequence: u64, value: &[u8]) -> Put {
        let Some(last) = self.puts.get_mut(item) else {
            let last = LastPut { at: Duration::ZERO, sequence: 0, value: Vec::new(), counted: (now, 1) };
            self.puts.insert(item.clone(), last);
            return Put::New;
        };
        if last.counted.0 + GATEWAY_PUTS_IN <= now {
            last.counted = (now, 0);
        }
        match sequence.cmp(&last.sequence) {
            std::cmp::Ordering::Less => Put::Older,
            std::cmp::Ordering::Equal if last.value != value => Put::Older,
            std::cmp::Ordering::Equal if last.at + GATEWAY_PUTS_KEPT > now => Put::Known,
            // The same again is no news of its channel.
            std::cmp::Ordering::Equal => Put::New,
            std::cmp::Ordering::Greater if last.counted.1 >= GATEWAY_PUTS => {
                Put::TooOften((last.counted.0 + GATEWAY_PUTS_IN).saturating_sub(now))
            }
            std::cmp::Ordering::Greater => {
                last.counted.1 += 1;
                Put::New
            }
        }
    }

    /// It was put, or not: then it does not count.
    pub(super) fn was_put(&mut self, now: Duration, item: Item, sequence: u64, value: Vec<u8>, ok: bool) {
        let Some(last) = self.puts.get_mut(&item) else { return };
        if !ok {
            last.counted.1 = last.counted.1.saturating_sub(u32::from(sequence > last.sequence));
            return;
        }
        // Of two at a time the newer one may have been done first.
        if sequence >= last.sequence {
            (last.at, last.sequence, last.value) = (now, sequence, value);
        }
        if item.1.is_empty() {
            self.shown.remove(&item.0);
        }
    }

    /// A look-up's answer, if it is young; also that there is none.
    pub(super) fn shown(&self, now: Duration, key: &ChannelKey) -> Option<Option<Arc<SignedManifest>>> {
        self.shown.get(key).filter(|(until, _)| *until > now).map(|(_, found)| found.clone())
    }

    /// Keeps a look-up's answer. `Err`: nobody answered, which is soon tried again.
    pub(super) fn show(&mut self, now: Duration, key: ChannelKey, found: Result<Option<Arc<SignedManifest>>, ()>) {
        let holds = if found.is_ok() { GATEWAY_CACHE } else { GATEWAY_FAILED };
        self.shown.insert(key, (now + holds, found.ok().flatten()));
    }

    /// Peers of a topic, if they were looked up lately.
    pub(super) fn sought(&self, now: Duration, topic: &Topic) -> Option<Vec<SocketAddr>> {
        self.sought.get(topic).filter(|(until, _)| *until > now).map(|(_, found)| found.clone())
    }

    /// Keeps who was found; nobody, too.
    pub(super) fn found(&mut self, now: Duration, topic: Topic, found: Vec<SocketAddr>) {
        let holds = if found.is_empty() { GATEWAY_FAILED } else { GATEWAY_CACHE };
        self.sought.insert(topic, (now + holds, found));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(n: u64) -> Item {
        let mut key = [0; 32];
        key[..8].copy_from_slice(&n.to_be_bytes());
        (ChannelKey(key), Vec::new())
    }
    fn secs(n: u64) -> Duration {
        Duration::from_secs(n)
    }

    /// It is to be put, and is.
    fn puts(memory: &mut Memory, now: Duration, item: &Item, sequence: u64, value: &[u8]) {
        assert_eq!(memory.put(now, item, sequence, value), Put::New);
        memory.was_put(now, item.clone(), sequence, value.to_vec(), true);
    }

    #[test]
    fn what_was_put_lately_counts_for_nobody() {
        let mut memory = Memory::default();
        puts(&mut memory, secs(0), &item(1), 10, b"list");
        for n in 0..50 {
            assert_eq!(memory.put(secs(n), &item(1), 10, b"list"), Put::Known, "a replay");
            assert_eq!(memory.put(secs(n), &item(1), 9, b"earlier"), Put::Older);
            assert_eq!(memory.put(secs(n), &item(1), 10, b"other"), Put::Older);
        }
        // The author has every one of the places.
        for n in 1..u64::from(GATEWAY_PUTS) {
            puts(&mut memory, secs(50), &item(1), 10 + n, b"new");
        }
        assert_eq!(memory.put(secs(51), &item(1), 90, b"new"), Put::TooOften(GATEWAY_PUTS_IN - secs(51)));
        puts(&mut memory, GATEWAY_PUTS_IN, &item(1), 90, b"newest");
        // After an hour it is put again, so that the DHT does not forget it.
        puts(&mut memory, GATEWAY_PUTS_IN + GATEWAY_PUTS_KEPT, &item(1), 90, b"newest");
        // Another item of the same key is another item.
        assert_eq!(memory.put(secs(2), &(item(1).0, b"salt".to_vec()), 1, b"x"), Put::New);
    }

    #[test]
    fn what_is_being_put_counts_and_what_was_not_put_does_not() {
        let mut memory = Memory::default();
        for n in 0..u64::from(GATEWAY_PUTS) {
            assert_eq!(memory.put(secs(1), &item(1), 10 + n, b"list"), Put::New);
        }
        assert!(matches!(memory.put(secs(1), &item(1), 90, b"list"), Put::TooOften(_)), "nothing is there yet");
        memory.was_put(secs(2), item(1), 17, b"list".to_vec(), false);
        assert_eq!(memory.put(secs(2), &item(1), 90, b"list"), Put::New);
        memory.was_put(secs(3), item(1), 90, b"list".to_vec(), true);
        memory.was_put(secs(3), item(1), 12, b"earlier".to_vec(), true);
        assert_eq!(memory.put(secs(4), &item(1), 90, b"list"), Put::Known);
    }

    #[test]
    fn strangers_keep_no_new_author_out() {
        let mut memory = Memory::default();
        let many = GATEWAY_REMEMBERS as u64 + 500;
        for n in 0..many {
            puts(&mut memory, secs(1), &item(n), 1, b"list");
            memory.show(secs(1), item(n).0, Ok(None));
        }
        assert!(memory.puts.of.len() == GATEWAY_REMEMBERS && memory.puts.order.len() == GATEWAY_REMEMBERS);
        assert!(memory.shown.of.len() == GATEWAY_REMEMBERS);
        assert_eq!(memory.put(secs(1), &item(many), 1, b"list"), Put::New);
        assert_eq!(memory.put(secs(1), &item(many - 1), 1, b"list"), Put::Known, "the newest stay");
        assert_eq!(memory.put(secs(1), &item(0), 1, b"list"), Put::New, "the oldest is forgotten");
    }

    #[test]
    fn that_there_is_nothing_is_an_answer() {
        let mut memory = Memory::default();
        assert!(memory.shown(secs(0), &item(1).0).is_none());
        memory.show(secs(0), item(1).0, Ok(None));
        assert!(memory.shown(secs(1), &item(1).0).is_some_and(|found| found.is_none()));
        assert!(memory.shown(GATEWAY_CACHE, &item(1).0).is_none());
        memory.show(secs(100), item(2).0, Err(()));
        assert!(memory.shown(secs(101), &item(2).0).is_some());
        assert!(memory.shown(secs(100) + GATEWAY_FAILED, &item(2).0).is_none());
        let (topic, peer) = (Topic([1; 32]), SocketAddr::from(([45, 1, 2, 3], 6881)));
        memory.found(secs(0), topic, vec![peer]);
        assert_eq!(memory.sought(secs(1), &topic), Some(vec![peer]));
        assert_eq!(memory.sought(GATEWAY_CACHE, &topic), None);
    }
}
