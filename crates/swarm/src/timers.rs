//! Deadlines: one per [`Timer`], the earliest first, ties in a fixed order.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use protocol::{BlobId, ChannelKey};

use crate::ConnId;

/// What becomes due.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Timer {
    /// Dial more peers of a channel.
    Dial(ChannelKey),
    /// Look the channel's rendezvous up.
    Lookup(ChannelKey),
    /// Look up blobs that nobody connected has.
    BlobLookup(ChannelKey),
    /// Ask the DHT for the manifest and keep it alive.
    Refresh(ChannelKey),
    /// A dialled peer that has said no HELLO until now counts as v5.
    Settle(ConnId),
    /// A push that was held back by its rate.
    Push(ConnId, ChannelKey),
    /// Ask who has the newly wanted blobs.
    HaveAsk,
    /// Tell a peer what arrived.
    HaveMore(ConnId),
    /// Blobs of this peer are late.
    Slow(ConnId),
    /// Blobs that a peer had not got may be asked for again.
    Retry(ConnId),
    /// A blob that could not be stored may be asked for again.
    Relist(BlobId),
    /// Tell a peer our own address again.
    Tell(ConnId),
    /// Blobs are under way: idle peers may help.
    Idlers,
    /// A slow upload does not count any more: a slot may be free.
    Uploads,
    /// Announce in the DHT.
    Announce,
    /// Drop what is too old.
    Expire,
}

/// The set of deadlines.
#[derive(Debug, Default)]
pub(crate) struct Timers {
    due: BTreeSet<(Duration, Timer)>,
    at: BTreeMap<Timer, Duration>,
}

impl Timers {
    /// Sets the deadline, replacing an earlier or later one.
    pub(crate) fn set(&mut self, timer: Timer, at: Duration) {
        if let Some(old) = self.at.insert(timer, at) {
            self.due.remove(&(old, timer));
        }
        self.due.insert((at, timer));
    }
    /// Sets the deadline unless an earlier one stands.
    pub(crate) fn sooner(&mut self, timer: Timer, at: Duration) {
        if self.at.get(&timer).is_none_or(|old| at < *old) {
            self.set(timer, at);
        }
    }
    /// Forgets it.
    pub(crate) fn cancel(&mut self, timer: Timer) {
        if let Some(old) = self.at.remove(&timer) {
            self.due.remove(&(old, timer));
        }
    }
    /// The earliest deadline.
    pub(crate) fn next(&self) -> Option<Duration> {
        self.due.first().map(|(at, _)| *at)
    }
    /// Takes the earliest timer that is due.
    pub(crate) fn pop(&mut self, now: Duration) -> Option<Timer> {
        let (at, timer) = *self.due.first()?;
        if at > now {
            return None;
        }
        self.due.remove(&(at, timer));
        self.at.remove(&timer);
        Some(timer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn one_deadline_per_timer_in_order() {
        let s = Duration::from_secs;
        let mut timers = Timers::default();
        timers.set(Timer::Announce, s(5));
        timers.set(Timer::Announce, s(3));
        timers.sooner(Timer::Announce, s(4));
        timers.sooner(Timer::Expire, s(1));
        timers.set(Timer::HaveAsk, s(2));
        timers.cancel(Timer::HaveAsk);
        assert_eq!(timers.next(), Some(s(1)));
        assert_eq!(timers.pop(s(0)), None);
        assert_eq!(timers.pop(s(9)), Some(Timer::Expire));
        assert_eq!(timers.next(), Some(s(3)));
        assert_eq!(timers.pop(s(9)), Some(Timer::Announce));
        assert_eq!(timers.pop(s(9)), None);
    }
    proptest! {
        #[test]
        fn behaves_like_a_plain_list(steps in prop::collection::vec((0u8..4, 0u64..6, 0u64..20), 1..60)) {
            let mut timers = Timers::default();
            let mut model: Vec<(u64, u64)> = Vec::new();
            for (step, name, at) in steps {
                let timer = Timer::Slow(ConnId(name));
                let old = model.iter().position(|(_, n)| *n == name);
                match step {
                    0 | 1 => {
                        let sooner = step == 1;
                        if !(sooner && old.is_some_and(|i| model[i].0 <= at)) {
                            old.map(|i| model.remove(i));
                            model.push((at, name));
                        }
                        let due = Duration::from_secs(at);
                        if sooner { timers.sooner(timer, due) } else { timers.set(timer, due) }
                    }
                    2 => {
                        old.map(|i| model.remove(i));
                        timers.cancel(timer);
                    }
                    _ => {
                        model.sort_unstable();
                        let due = model.first().filter(|(due, _)| *due <= at).copied();
                        if due.is_some() {
                            model.remove(0);
                        }
                        let popped = timers.pop(Duration::from_secs(at));
                        prop_assert_eq!(popped, due.map(|(_, name)| Timer::Slow(ConnId(name))));
                    }
                }
                let next = model.iter().map(|(at, _)| *at).min();
                prop_assert_eq!(timers.next(), next.map(Duration::from_secs));
            }
        }
    }
}
