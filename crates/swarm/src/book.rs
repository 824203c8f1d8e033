//! E10 Addresses — which are worth dialling.
//!
//! Owns: known addresses, the channels each was found for, back-off; bans by [`Bans`]. Promises: never more than [`ADDRS_MAX`]
//! addresses, [`PER_CHANNEL_MAX`] of one channel, of which no more than [`REMEMBERED_MAX`] are from earlier days; what the
//! user named is never given up; no source keeps another's addresses from being tried.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use protocol::{ChannelKey, PeerAddr};

use crate::Ban;
use crate::Source;
use crate::bans::Bans;

/// Addresses known at most.
const ADDRS_MAX: usize = 4096;
/// Addresses of one channel at most.
const PER_CHANNEL_MAX: usize = 256;
/// Addresses of one channel from earlier days at most: the rest is room for who is there today.
const REMEMBERED_MAX: usize = 64;
/// Remembered addresses of which it is noted that nobody answered there.
const UNREACHED_MAX: usize = 1024;
/// Channels that one address is known for at most: what a HELLO may name.
const CHANNELS_MAX: usize = protocol::params::HELLO_CHANNELS_MAX;
/// First wait after a failed dial; doubles with each.
const BACKOFF_START: Duration = Duration::from_secs(5);
/// Longest wait for an address that somebody told.
const BACKOFF_MAX: Duration = Duration::from_secs(3600);
/// Longest wait for an address that the user named.
const BACKOFF_USER: Duration = Duration::from_secs(60);
/// Failures in a row after which an address that the user named is tried less often by those who need nobody, and after
/// which any other makes room for one that is news.
const CROWDED: u32 = 3;
/// The pause of theirs.
const CROWDED_PAUSE: Duration = Duration::from_secs(900);
/// An address that the user named and that sent something wrong is left alone for this long.
const USER_RESTS: Duration = Duration::from_secs(120);
/// Failures in a row after which an address that somebody told is forgotten.
const FAILS_MAX: u32 = 8;

/// Whether anybody can listen there at all.
fn is_dialable(addr: &PeerAddr) -> bool {
    match addr {
        PeerAddr::Ip(socket) => PeerAddr::from_socket(*socket).is_ok(),
        PeerAddr::Onion(_, port) => *port != 0,
        PeerAddr::Name(name, port) => *port != 0 && !name.is_empty(),
    }
}

/// One address.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    /// Channels that it was found for.
    pub(crate) channels: BTreeSet<ChannelKey>,
    /// The user named it without a channel, or it is a neighbour: it may serve any.
    pub(crate) any: bool,
    /// The most trusted source that named it.
    pub(crate) source: Source,
    /// It is ourselves.
    own: bool,
    fails: u32,
    next: Duration,
}

/// The order in which addresses are kept and tried: by source, then by failures in a row.
type Worth = (Source, u32, PeerAddr);

/// Those of earlier days among a channel's addresses.
fn remembered(set: &BTreeSet<Worth>) -> impl Iterator<Item = &Worth> {
    set.iter().filter(|(source, ..)| *source == Source::Remembered)
}

/// The machine.
#[derive(Debug, Default)]
pub(crate) struct Book {
    entries: BTreeMap<PeerAddr, Entry>,
    /// The same by channel, best first, and all of them: what makes room is found without a search.
    by_channel: BTreeMap<ChannelKey, BTreeSet<Worth>>,
    by_worth: BTreeSet<Worth>,
    any: BTreeSet<PeerAddr>,
    /// Those that the user named.
    users: BTreeSet<PeerAddr>,
    /// Remembered ones where nobody answered since the last [`Book::take_unreached`].
    unreached: BTreeSet<PeerAddr>,
    bans: Bans,
    /// Whose hints of newer manifests came to nothing, and until when they are not asked about.
    boasters: Bans,
}

impl Book {
    /// Takes an address. False: refused, for it is no place to dial or the book is full of better ones.
    pub(crate) fn add(&mut self, now: Duration, addr: PeerAddr, channel: Option<ChannelKey>, source: Source) -> bool {
        let named = matches!(addr, PeerAddr::Name(..));
        if !is_dialable(&addr)
            || (named && source != Source::User)
            || (channel.is_none() && !matches!(source, Source::User | Source::Lan))
        {
            return false;
        }
        if self.is_banned(now, &addr) && source != Source::User {
            return false;
        }
        if !self.entries.contains_key(&addr) && self.entries.len() >= ADDRS_MAX && !self.evict(None, source) {
            return false;
        }
        let has = |channel| self.entries.get(&addr).is_some_and(|e| e.channels.contains(channel));
        if let Some(channel) = channel {
            let known = self.by_channel.get(&channel);
            if source == Source::Remembered
                && !has(&channel)
                && known.is_some_and(|set| remembered(set).count() >= REMEMBERED_MAX)
            {
                return false;
            }
            let full = known.is_some_and(|set| set.len() >= PER_CHANNEL_MAX);
            if full && !has(&channel) && !self.evict(Some(channel), source) {
                return false;
            }
        }
        if !self.entries.contains_key(&addr) {
            let entry =
                Entry { channels: BTreeSet::new(), any: false, source, own: false, fails: 0, next: Duration::ZERO };
            self.by_worth.insert((source, 0, addr.clone()));
            self.entries.insert(addr.clone(), entry);
        }
        self.change(&addr, |entry| {
            entry.source = entry.source.min(source);
            if source == Source::User {
                entry.next = entry.next.min(now);
            }
        });
        if source == Source::User {
            self.users.insert(addr.clone());
        }
        let Some(entry) = self.entries.get_mut(&addr) else { return false };
        match channel {
            Some(channel) if entry.channels.len() < CHANNELS_MAX || entry.channels.contains(&channel) => {
                entry.channels.insert(channel);
                self.by_channel.entry(channel).or_default().insert((entry.source, entry.fails, addr));
            }
            Some(_) => return false,
            None => {
                entry.any = true;
                self.any.insert(addr);
            }
        }
        true
    }
    /// Changes an address with the lists that mirror it.
    fn change(&mut self, addr: &PeerAddr, change: impl FnOnce(&mut Entry)) {
        let Some(entry) = self.entries.get_mut(addr) else { return };
        let (source, fails) = (entry.source, entry.fails);
        change(entry);
        if (entry.source, entry.fails) == (source, fails) {
            return;
        }
        let (old, new) = ((source, fails, addr.clone()), (entry.source, entry.fails, addr.clone()));
        for channel in &entry.channels {
            if let Some(set) = self.by_channel.get_mut(channel) {
                set.remove(&old);
                set.insert(new.clone());
            }
        }
        self.by_worth.remove(&old);
        self.by_worth.insert(new);
    }
    /// Makes room: forgets the worst address that is no better than `source` and not the user's, or else one where nobody
    /// answered several times in a row, whoever told it.
    fn evict(&mut self, channel: Option<ChannelKey>, source: Source) -> bool {
        let set = match channel {
            Some(channel) => self.by_channel.get(&channel),
            None => Some(&self.by_worth),
        };
        let Some((worst, fails, addr)) = set.and_then(|set| set.last()) else { return false };
        let fits = *worst != Source::User && *worst >= source && (*worst > source || *fails > 0);
        let dead = || {
            let told =
                set.into_iter().flatten().filter(|(source, fails, _)| *source != Source::User && *fails >= CROWDED);
            told.max_by_key(|(source, fails, _)| (*fails, *source)).map(|(_, _, addr)| addr)
        };
        let Some(addr) = Some(addr).filter(|_| fits).or_else(dead).cloned() else { return false };
        match channel {
            Some(channel) => self.forget(&addr, &channel),
            None => self.remove(&addr),
        }
        true
    }
    fn remove(&mut self, addr: &PeerAddr) {
        let Some(entry) = self.entries.remove(addr) else { return };
        self.any.remove(addr);
        self.users.remove(addr);
        let worth = (entry.source, entry.fails, addr.clone());
        self.by_worth.remove(&worth);
        for channel in entry.channels {
            self.unindex(&channel, &worth);
        }
    }
    fn unindex(&mut self, channel: &ChannelKey, worth: &Worth) {
        if let Some(set) = self.by_channel.get_mut(channel) {
            set.remove(worth);
            if set.is_empty() {
                self.by_channel.remove(channel);
            }
        }
    }
    /// Addresses that the user named for this channel or for any.
    pub(crate) fn of_user(&self, channel: &ChannelKey) -> impl Iterator<Item = &PeerAddr> {
        let fits = |entry: &Entry| entry.any || entry.channels.contains(channel);
        self.users.iter().filter(move |addr| self.entries.get(*addr).is_some_and(fits))
    }
    /// This address does not serve this channel.
    pub(crate) fn forget(&mut self, addr: &PeerAddr, channel: &ChannelKey) {
        let Some(entry) = self.entries.get_mut(addr) else { return };
        let worth = (entry.source, entry.fails, addr.clone());
        entry.channels.remove(channel);
        let useless = entry.channels.is_empty() && !entry.any;
        self.unindex(channel, &worth);
        if useless {
            self.remove(addr);
        }
    }
    /// The channel is left.
    pub(crate) fn drop_channel(&mut self, channel: &ChannelKey) {
        for (_, _, addr) in self.by_channel.get(channel).cloned().unwrap_or_default() {
            self.forget(&addr, channel);
        }
    }

    /// What is known of an address.
    pub(crate) fn get(&self, addr: &PeerAddr) -> Option<&Entry> {
        self.entries.get(addr)
    }
    /// Addresses that may serve a channel.
    pub(crate) fn known(&self, channel: &ChannelKey) -> usize {
        let only_any =
            |addr: &&PeerAddr| !self.entries.get(*addr).is_some_and(|entry| entry.channels.contains(channel));
        self.by_channel.get(channel).map_or(0, BTreeSet::len) + self.any.iter().filter(only_any).count()
    }
    /// Addresses that the user named for a channel, or for any, and that may be dialled now by who has enough others. The
    /// few that a link names are full when all who have it are there: who needs them must find a place.
    pub(crate) fn named(&self, now: Duration, channel: &ChannelKey) -> Vec<PeerAddr> {
        let fits = |addr: &&PeerAddr| {
            let pause = |e: &Entry| if e.fails < CROWDED { Duration::ZERO } else { CROWDED_PAUSE };
            let may = |e: &&Entry| !e.own && e.next + pause(e) <= now && !self.is_banned(now, addr);
            let entry = self.entries.get(*addr).filter(may);
            entry.is_some_and(|e| e.any || e.channels.contains(channel))
        };
        self.users.iter().filter(fits).cloned().collect()
    }
    /// Addresses of a channel that may be dialled now, the user's first, then the best of each source, and when the next
    /// one may be.
    pub(crate) fn candidates(&self, now: Duration, channel: &ChannelKey) -> (Vec<PeerAddr>, Option<Duration>) {
        let mut ready = Vec::new();
        let mut next: Option<Duration> = None;
        let of_channel = self.by_channel.get(channel).into_iter().flatten().map(|(_, _, addr)| addr);
        for addr in of_channel.chain(&self.any) {
            let Some(entry) = self.entries.get(addr) else { continue };
            if entry.own {
                continue;
            }
            let at = self.bans.until(now, addr).map_or(entry.next, |until| entry.next.max(until));
            if at <= now {
                ready.push((entry.source, entry.fails, addr.clone()));
            } else {
                next = Some(next.map_or(at, |old| old.min(at)));
            }
        }
        ready.sort();
        ready.dedup();
        (ready.into_iter().map(|(_, _, addr)| addr).collect(), next)
    }
    /// What of this is worth a dial, in the order in which it is tried: the user's all first, then one of each source in
    /// turn, of each those first that failed the least. So neither who names two hundred addresses, nor two hundred of
    /// earlier days, keep one that the DHT shows waiting. `chance`: 0 to 1, for everybody would meet the same few otherwise.
    pub(crate) fn in_turn(&self, ready: Vec<PeerAddr>, mut chance: impl FnMut() -> f64) -> Vec<PeerAddr> {
        let mut by_source: BTreeMap<Source, Vec<(u32, f64, PeerAddr)>> = BTreeMap::new();
        for addr in ready {
            let Some(entry) = self.entries.get(&addr) else { continue };
            by_source.entry(entry.source).or_default().push((entry.fails, chance(), addr));
        }
        let users = by_source.remove(&Source::User).unwrap_or_default();
        let mut order: Vec<PeerAddr> = users.into_iter().map(|(_, _, addr)| addr).collect();
        let mut sources: Vec<_> = by_source
            .into_values()
            .map(|mut list| {
                list.sort_by(|a, b| (a.0, a.1).partial_cmp(&(b.0, b.1)).unwrap_or(std::cmp::Ordering::Equal));
                list.into_iter()
            })
            .collect();
        while !sources.is_empty() {
            sources.retain_mut(|list| list.next().map(|(_, _, addr)| order.push(addr)).is_some());
        }
        order
    }
    /// A peer answered there: earlier failures do not count.
    pub(crate) fn reached(&mut self, addr: &PeerAddr) {
        self.unreached.remove(addr);
        self.change(addr, |entry| entry.fails = 0);
    }
    /// A dial failed, or the connection broke a rule. `jitter`: 0 to 1.
    pub(crate) fn failed(&mut self, now: Duration, addr: &PeerAddr, jitter: f64) {
        let remembered = self.entries.get(addr).is_some_and(|e| e.source == Source::Remembered);
        if remembered && self.unreached.len() < UNREACHED_MAX {
            self.unreached.insert(addr.clone());
        }
        self.change(addr, |entry| {
            entry.fails = entry.fails.saturating_add(1);
            let max = if entry.source == Source::User { BACKOFF_USER } else { BACKOFF_MAX };
            let wait = BACKOFF_START.saturating_mul(1 << entry.fails.min(12).saturating_sub(1)).min(max);
            entry.next = now + wait.mul_f64(0.75 + jitter / 2.0);
        });
        if self
            .entries
            .get(addr)
            .is_some_and(|e| e.fails >= FAILS_MAX && (e.source > Source::Body || e.source == Source::Lan))
        {
            self.remove(addr);
        }
    }
    /// Remembered addresses that were dialled since the last call and where nobody answered.
    pub(crate) fn take_unreached(&mut self) -> Vec<PeerAddr> {
        std::mem::take(&mut self.unreached).into_iter().collect()
    }
    /// Do not dial before this time, though nothing failed.
    pub(crate) fn rest(&mut self, addr: &PeerAddr, until: Duration) {
        if let Some(entry) = self.entries.get_mut(addr) {
            entry.next = entry.next.max(until);
        }
    }
    /// The address turned out to be our own.
    pub(crate) fn is_us(&mut self, addr: &PeerAddr) {
        if let Some(entry) = self.entries.get_mut(addr) {
            entry.own = true;
        }
    }
    /// Another route: what was learnt on the old one, and not from the user, is forgotten; nothing that failed counts.
    pub(crate) fn drop_told(&mut self) {
        let told = self.entries.iter().filter(|(_, entry)| entry.source != Source::User);
        for addr in told.map(|(addr, _)| addr.clone()).collect::<Vec<_>>() {
            self.remove(&addr);
        }
        self.forgive(Duration::ZERO);
    }
    /// The network changed: nothing that failed before counts.
    pub(crate) fn forgive(&mut self, now: Duration) {
        let addrs: Vec<PeerAddr> = self.entries.keys().cloned().collect();
        for addr in addrs {
            self.change(&addr, |entry| {
                entry.fails = 0;
                entry.own = false;
                entry.next = now;
            });
        }
    }

    /// Whoever was met at this address sent something wrong. `listens`: where it says that it can be dialled. Returns until
    /// when it is banned, or, being the user's own, who is never banned, left alone.
    pub(crate) fn ban(
        &mut self,
        now: Duration,
        addr: &PeerAddr,
        listens: Option<&PeerAddr>,
        span: Duration,
    ) -> Duration {
        let named = |addr: &PeerAddr| self.entries.get(addr).is_some_and(|entry| entry.source == Source::User);
        if named(addr) || listens.is_some_and(named) {
            for addr in [Some(addr), listens].into_iter().flatten() {
                self.rest(addr, now + USER_RESTS);
                self.bans.spare(addr, now + USER_RESTS);
            }
            return now + USER_RESTS;
        }
        self.bans.wrong(now, addr, listens, span)
    }
    /// Whether somebody there is banned.
    pub(crate) fn is_banned(&self, now: Duration, addr: &PeerAddr) -> bool {
        self.bans.until(now, addr).is_some()
    }
    /// See [`Bans::list`].
    pub(crate) fn banned(&self, now: Duration, most: usize) -> Vec<Ban> {
        self.bans.list(now, most)
    }
    /// Until when everybody is banned or left alone who may serve a channel; `None`: somebody is not, or nobody is known.
    pub(crate) fn only_banned(&self, now: Duration, channel: &ChannelKey) -> Option<Duration> {
        let of_channel = self.by_channel.get(channel).into_iter().flatten().map(|(_, _, addr)| addr);
        let mut first = None;
        for addr in of_channel.chain(&self.any) {
            let until = self.bans.left_alone(now, addr)?;
            first = Some(first.map_or(until, |first: Duration| first.min(until)));
        }
        first
    }
    /// Whoever is at this address hinted at manifests that nobody can show.
    pub(crate) fn boasted(&mut self, now: Duration, addr: &PeerAddr, span: Duration) {
        // The first time is not short: three hints were false by then.
        self.boasters.wrong(now, addr, None, span);
        self.boasters.wrong(now, addr, None, span);
        self.rest(addr, now + span);
    }
    /// Whether hints from there are worth nothing for now.
    pub(crate) fn is_boaster(&self, now: Duration, addr: &PeerAddr) -> bool {
        self.boasters.until(now, addr).is_some()
    }
    /// Drops what has ended.
    pub(crate) fn expire(&mut self, now: Duration) {
        self.bans.expire(now);
        self.boasters.expire(now);
    }
}

#[cfg(test)]
mod tests;
