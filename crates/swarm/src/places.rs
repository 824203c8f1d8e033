//! E10 Places — which channel gets the next connection when there are fewer places than wishes.
//!
//! Owns: the channels that found no place. Promises: a channel that has fewer connections than its share gets a free
//! place before one that has more; where none is free, one that has at least two more gives its most idle one away, and
//! where there are more channels than places they take turns; a place that becomes free wakes the hungriest channel, not
//! the one that had it; who found no place is tried again, whether or not there is a DHT.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use protocol::ChannelKey;
use protocol::session::Role;

use crate::channel::Channel;
use crate::meet::LookUp;
use crate::peers::Peer;
use crate::swarm::Swarm;
use crate::timers::Timer;
use crate::{Closed, ConnId, Output, Source};

/// A connection that moved nothing for this long may be given to a channel that has fewer.
const GIVES_WAY: Duration = Duration::from_secs(20);
/// One that moved nothing for this long may be given to a channel that has none, though it is its own channel's last.
const TURN: Duration = Duration::from_secs(600);
/// A channel that found no place tries again after this time, if nothing wakes it before.
const AGAIN: Duration = Duration::from_secs(30);
/// Dials in a row that reached nobody, after which no place is kept for a channel.
const IN_VAIN: u32 = 12;

/// Channels that found no place.
#[derive(Debug, Default)]
pub(crate) struct Waiting(BTreeMap<ChannelKey, Waits>);

#[derive(Debug, Clone, Copy)]
struct Waits {
    since: Duration,
    /// A place became free and it was told so; it has not tried yet.
    woken: bool,
}

impl Waiting {
    /// It is not there any more, or tries now. Returns since when it waited.
    pub(crate) fn remove(&mut self, key: &ChannelKey) -> Option<Duration> {
        self.0.remove(key).map(|waits| waits.since)
    }
}

/// The hungriest first: who has nobody, who lacks something, who has fewest, who waits longest.
type Hunger = (bool, bool, usize, Duration, ChannelKey);

/// Connections of a channel and dials for it.
fn has(channel: &Channel) -> usize {
    channel.conns.len() + channel.dials
}

impl Swarm {
    /// Places that no connection and no dial takes.
    fn places_left(&self) -> usize {
        self.config.connections_max.saturating_sub(self.peers.len() + self.dials.len())
    }
    /// A channel's part of all places, as large as everybody's: one at least.
    fn share(&self) -> usize {
        (self.config.connections_max / self.channels.len().max(1)).max(1)
    }
    /// Other channels that have nobody, and may soon know whom to dial.
    fn unmet(&self, key: &ChannelKey) -> usize {
        let sought: BTreeSet<ChannelKey> = self.lookups.values().map(LookUp::channel).collect();
        let may = |channel: &Channel| channel.in_vain < IN_VAIN && has(channel) == 0;
        let others = self.channels.iter().filter(|(other, channel)| *other != key && may(channel));
        others.filter(|(other, _)| self.book.known(other) > 0 || sought.contains(other)).count()
    }
    /// How many of the places that it needs this channel may take now; for the rest it waits. `since`: it has waited from
    /// then on, and keeps its turn if it gets nothing.
    pub(crate) fn grant(&mut self, now: Duration, key: &ChannelKey, need: usize, since: Option<Duration>) -> usize {
        let Some(channel) = self.channels.get(key).filter(|_| need > 0) else { return 0 };
        let first = need.min(self.share().saturating_sub(has(channel)));
        let mut left = self.places_left();
        if left == 0 && first > 0 {
            // Who waits longest is first when somebody has to go.
            let hunger = self.hunger(key, since.unwrap_or(now));
            match self.hungriest(|_| true).filter(|other| Some(*other) < hunger) {
                Some((.., other)) => self.timers.sooner(Timer::Dial(other), now),
                None if self.give_way(now, key) => left = self.places_left(),
                None => {}
            }
        }
        // Beyond its share it takes what nobody needs who has nobody yet.
        let kept = if need > first { self.unmet(key) } else { 0 };
        let granted = first.min(left) + (need - first).min(left.saturating_sub(first + kept));
        if granted < need {
            self.wait(now, key, since.filter(|_| granted == 0));
        }
        granted
    }
    fn wait(&mut self, now: Duration, key: &ChannelKey, since: Option<Duration>) {
        let since = since.unwrap_or(now);
        let waits = self.waiting.0.entry(*key).or_insert(Waits { since, woken: false });
        waits.since = waits.since.min(since);
        self.timers.sooner(Timer::Dial(*key), now + AGAIN);
    }
    /// A channel lost somebody, or reached nobody: it dials at once, unless others wait, who may be hungrier.
    pub(crate) fn lost_one(&mut self, now: Duration, key: &ChannelKey) {
        if self.waiting.0.values().all(|waits| waits.woken) {
            self.timers.sooner(Timer::Dial(*key), now);
        } else if self.channels.contains_key(key) {
            self.wait(now, key, None);
        }
    }
    /// A place is free: the hungriest of those that wait gets it.
    pub(crate) fn wake_hungriest(&mut self, now: Duration) {
        let Some((.., key)) = self.hungriest(|waits| !waits.woken).filter(|_| self.places_left() > 0) else { return };
        if let Some(waits) = self.waiting.0.get_mut(&key) {
            waits.woken = true;
        }
        self.timers.sooner(Timer::Dial(key), now);
    }
    fn hungriest(&self, fits: impl Fn(&Waits) -> bool) -> Option<Hunger> {
        let waiting = self.waiting.0.iter().filter(|(_, waits)| fits(waits));
        waiting.filter_map(|(key, waits)| self.hunger(key, waits.since)).min()
    }
    fn hunger(&self, key: &ChannelKey, since: Duration) -> Option<Hunger> {
        let channel = self.channels.get(key)?;
        let calm = channel.follow.manifest.is_some() && !self.picker.is_wanting(key);
        Some((has(channel) > 0, calm, has(channel), since, *key))
    }
    /// Ends the connection that is missed the least, for a channel that has fewer than those it serves.
    fn give_way(&mut self, now: Duration, key: &ChannelKey) -> bool {
        let Some(asker) = self.channels.get(key) else { return false };
        let (count, hopeful) = (has(asker), asker.in_vain < IN_VAIN);
        let worth = |(conn, peer): (ConnId, &Peer)| {
            let quiet = now.checked_sub(peer.moved).filter(|quiet| *quiet >= GIVES_WAY)?;
            let named = self.book.get(&peer.addr).is_some_and(|entry| entry.source == Source::User);
            let stays = peer.role == Role::Dialler && (named || peer.ext.gateway);
            if stays || peer.channels().contains(key) || self.picker.is_busy(conn) || self.uploads.is_busy(conn) {
                return None;
            }
            let served = peer.channels().iter().filter_map(|key| self.channels.get(key));
            let least = served.map(has).min().unwrap_or(usize::MAX);
            let turn = count == 0 && hopeful && quiet >= TURN;
            (least >= count + 2 || turn).then_some((least, quiet, conn))
        };
        let Some((.., conn)) = self.peers.iter().filter_map(worth).max() else { return false };
        self.outputs.push_back(Output::Close(conn));
        self.forget_conn(now, conn, &Closed::Clean);
        true
    }
}
