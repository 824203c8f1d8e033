//! Which blob is asked of whom.
//!
//! Owns: wants, who has them, open requests, each peer's window. Promises: a peer's next blob is found in O(log n); a
//! want is asked of one peer at a time except in the end-game and behind slow peers; what a closed or slow peer owed
//! returns to the pool.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use protocol::params::BLOB_LEN;
use protocol::{BlobId, ChannelKey};

use crate::{ConnId, Priority};

/// Requests that a peer gets before its rate is known.
const WINDOW_START: usize = 4;
/// Fewest requests open with a peer, so that its pipe does not run dry.
const WINDOW_MIN: usize = 2;
/// Most requests open with a peer: 64 MiB.
const WINDOW_MAX: usize = 64;
/// Most requests open with a v5 peer, whose answers nobody can cancel.
const WINDOW_BLIND: usize = 4;
/// Data that should be under way.
const AHEAD: Duration = Duration::from_secs(2);
/// A rate is measured over at least this long.
const RATE_SPAN: Duration = Duration::from_millis(250);
/// A v5 peer that sends not a byte of what it was asked for in this time is as good as nobody: it cannot say that it has
/// nothing, and v5 clients themselves wait no longer.
pub(crate) const MUTE: Duration = Duration::from_secs(10);
/// A peer that brings no blob for this long is slow.
pub(crate) const SLOW: Duration = Duration::from_secs(60);
/// A blob that a peer had not got may be asked for again.
pub(crate) const LACKS: Duration = Duration::from_secs(60);
/// The end-game begins when no more than this many blobs are under way.
const ENDGAME: usize = 32;
/// What waits in a peer's queue this long may be asked of an idle peer instead.
const QUEUED: Duration = Duration::from_millis(1500);
/// Only what was asked for this long ago is asked of a second peer.
const ENDGAME_PATIENCE: Duration = Duration::from_secs(1);

/// The order in which a peer's blobs are asked for.
type Rung = (Reverse<Priority>, u8, u64, BlobId);

struct Want {
    channels: Vec<(ChannelKey, u64)>,
    priority: Priority,
    salt: u64,
    holders: BTreeSet<ConnId>,
    maybes: BTreeSet<ConnId>,
    asked: Vec<ConnId>,
    /// How often it was taken out of a queue to stand in another.
    moved: u32,
    /// Stands in the lists of those who have it.
    open: bool,
}

impl Want {
    fn rung(&self, id: BlobId) -> Rung {
        match self.priority {
            Priority::Streaming => (Reverse(self.priority), 0, self.channels.first().map_or(0, |c| c.1), id),
            _ => (Reverse(self.priority), rarity(self.holders.len()), self.salt, id),
        }
    }
    /// This peer has it; a blind one may.
    fn known_with(&mut self, conn: ConnId, blind: bool) {
        if blind { &mut self.maybes } else { &mut self.holders }.insert(conn);
    }
    fn available(&self) -> bool {
        !self.holders.is_empty() || !self.maybes.is_empty()
    }
}

/// Classes of rarity: exact while few have it, then by powers of two, so that a popular blob seldom moves.
fn rarity(holders: usize) -> u8 {
    match holders {
        0..=3 => holders as u8,
        n => 2 + n.ilog2() as u8,
    }
}

/// One peer as the picker sees it.
struct Lane {
    /// It cannot say what it has: every blob of its channels is tried.
    blind: bool,
    ready: BTreeSet<Rung>,
    asked: BTreeMap<BlobId, Duration>,
    knows: BTreeSet<BlobId>,
    /// What it is sending: the rest of what it was asked for waits in its queue.
    arriving: Option<BlobId>,
    lacks: BTreeMap<BlobId, Duration>,
    /// The same in the order in which they become due; entries that `lacks` does not hold are void.
    retries: VecDeque<(Duration, BlobId)>,
    rate: Option<f64>,
    mark: Duration,
    bytes: usize,
    progress: Duration,
    slow: bool,
    /// It sends nothing of what it was asked for: nothing more is asked of it until it does.
    mute: bool,
}

impl Lane {
    fn window(&self) -> usize {
        if self.mute {
            return 0;
        }
        if self.slow {
            return 1;
        }
        let aim = match self.rate {
            None => WINDOW_START,
            Some(rate) => {
                ((rate * AHEAD.as_secs_f64() / BLOB_LEN as f64).ceil() as usize).clamp(WINDOW_MIN, WINDOW_MAX)
            }
        };
        if self.blind { aim.min(WINDOW_BLIND) } else { aim }
    }
    /// It is not asked for this blob any more.
    fn drop_ask(&mut self, id: &BlobId) {
        self.asked.remove(id);
        self.arriving = self.arriving.filter(|arriving| arriving != id);
    }
    fn arrived(&mut self, now: Duration) {
        self.slow = false;
        self.progress = now;
        self.bytes += BLOB_LEN;
        let span = now.saturating_sub(self.mark);
        if span >= RATE_SPAN {
            let measured = self.bytes as f64 / span.as_secs_f64();
            self.rate = Some(self.rate.map_or(measured, |old| (old + measured) / 2.0));
            self.mark = now;
            self.bytes = 0;
        }
    }
}

/// What is wanted of one channel.
#[derive(Default)]
struct Demand {
    wants: BTreeMap<u64, BlobId>,
    lonely: BTreeSet<(Reverse<Priority>, BlobId)>,
    flying: usize,
}

/// The machine.
#[derive(Default)]
pub(crate) struct Picker {
    wants: BTreeMap<BlobId, Want>,
    lanes: BTreeMap<ConnId, Lane>,
    demands: BTreeMap<ChannelKey, Demand>,
    flying: BTreeSet<BlobId>,
    serial: u64,
    dirty: BTreeSet<ConnId>,
}

impl Picker {
    /// A peer is there. `blind`: it cannot say what it has. If it was taken for another kind before, what it was thought
    /// to have is forgotten; what it was asked for stays asked.
    pub(crate) fn add_lane(&mut self, now: Duration, conn: ConnId, blind: bool) {
        if let Some(lane) = self.lanes.get_mut(&conn) {
            if lane.blind == blind {
                return;
            }
            lane.blind = blind;
            for id in std::mem::take(&mut lane.knows) {
                self.edit(id, |want| {
                    want.holders.remove(&conn);
                    want.maybes.remove(&conn);
                });
            }
            return;
        }
        let lane = Lane {
            blind,
            ready: BTreeSet::new(),
            asked: BTreeMap::new(),
            knows: BTreeSet::new(),
            arriving: None,
            lacks: BTreeMap::new(),
            retries: VecDeque::new(),
            rate: None,
            mark: now,
            bytes: 0,
            progress: now,
            slow: false,
            mute: false,
        };
        self.lanes.insert(conn, lane);
    }
    /// It is gone; what it owed returns to the pool.
    pub(crate) fn remove_lane(&mut self, conn: ConnId) {
        let Some(lane) = self.lanes.get(&conn) else { return };
        let known: BTreeSet<BlobId> = lane.knows.iter().chain(lane.asked.keys()).copied().collect();
        for id in known {
            self.edit(id, |want| {
                want.holders.remove(&conn);
                want.maybes.remove(&conn);
                want.asked.retain(|c| *c != conn);
                want.open |= want.asked.is_empty();
            });
        }
        self.lanes.remove(&conn);
        self.dirty.remove(&conn);
    }
    /// Whether something was asked of this peer that it has not sent.
    pub(crate) fn is_busy(&self, conn: ConnId) -> bool {
        self.lanes.get(&conn).is_some_and(|lane| !lane.asked.is_empty())
    }
    /// Whether this peer has a lane that tries everything.
    pub(crate) fn is_blind(&self, conn: ConnId) -> bool {
        self.lanes.get(&conn).is_some_and(|lane| lane.blind)
    }

    /// Wants a blob, or changes its priority. Returns whether it is new to this channel.
    pub(crate) fn want(&mut self, id: BlobId, channel: ChannelKey, priority: Priority, salt: u64) -> bool {
        self.serial += 1;
        let serial = self.serial;
        self.wants.entry(id).or_insert_with(|| Want {
            channels: Vec::new(),
            priority,
            salt,
            holders: BTreeSet::new(),
            maybes: BTreeSet::new(),
            asked: Vec::new(),
            moved: 0,
            open: true,
        });
        let mut new = false;
        self.edit(id, |want| {
            want.priority = priority;
            if !want.channels.iter().any(|(c, _)| *c == channel) {
                want.channels.push((channel, serial));
                new = true;
            }
        });
        if new {
            self.demands.entry(channel).or_default().wants.insert(serial, id);
        }
        new
    }
    /// No longer wanted. Returns those who were asked.
    pub(crate) fn unwant(&mut self, id: &BlobId) -> Vec<ConnId> {
        let Some(want) = self.wants.remove(id) else { return Vec::new() };
        self.unlist(*id, &want);
        for (channel, serial) in &want.channels {
            if let Some(demand) = self.demands.get_mut(channel) {
                demand.wants.remove(serial);
                if demand.wants.is_empty() {
                    self.demands.remove(channel);
                }
            }
        }
        for conn in want.holders.iter().chain(&want.maybes) {
            if let Some(lane) = self.lanes.get_mut(conn) {
                lane.knows.remove(id);
            }
        }
        for conn in &want.asked {
            if let Some(lane) = self.lanes.get_mut(conn) {
                lane.drop_ask(id);
                self.dirty.insert(*conn);
            }
        }
        want.asked
    }
    /// The channel is left. Returns every want that fell with it and who was asked.
    pub(crate) fn drop_channel(&mut self, channel: &ChannelKey) -> Vec<(BlobId, Vec<ConnId>)> {
        let Some(demand) = self.demands.get(channel) else { return Vec::new() };
        let ids: Vec<BlobId> = demand.wants.values().copied().collect();
        let mut gone = Vec::new();
        for id in ids {
            if self.wants.get(&id).is_some_and(|want| want.channels.len() == 1) {
                gone.push((id, self.unwant(&id)));
            } else {
                self.edit(id, |want| want.channels.retain(|(c, _)| c != channel));
            }
        }
        self.demands.remove(channel);
        gone
    }

    /// This peer has the blob (or may have it, if blind). Unwanted blobs are ignored.
    pub(crate) fn learn(&mut self, conn: ConnId, id: BlobId) {
        let (Some(lane), Some(want)) = (self.lanes.get_mut(&conn), self.wants.get_mut(&id)) else { return };
        lane.lacks.remove(&id);
        if lane.mute || !lane.knows.insert(id) {
            return;
        }
        let blind = lane.blind;
        let before = want.rung(id);
        let lonely = !want.available();
        if lonely || (!blind && rarity(want.holders.len()) != rarity(want.holders.len() + 1)) {
            self.edit(id, |want| want.known_with(conn, blind));
            self.dirty.insert(conn);
            return;
        }
        want.known_with(conn, blind);
        let open = want.open && !want.asked.contains(&conn);
        if open {
            lane.ready.insert(before);
        }
        // What waits in another's queue may be asked of it.
        if open || lane.asked.is_empty() {
            self.dirty.insert(conn);
        }
    }
    /// It answered that it has not got it.
    pub(crate) fn lack(&mut self, now: Duration, conn: ConnId, id: BlobId) {
        let wanted = self.wants.contains_key(&id);
        let Some(lane) = self.lanes.get_mut(&conn) else { return };
        lane.drop_ask(&id);
        lane.knows.remove(&id);
        lane.progress = now;
        if wanted {
            lane.lacks.insert(id, now + LACKS);
            lane.retries.push_back((now + LACKS, id));
        }
        self.dirty.insert(conn);
        self.edit(id, |want| {
            want.holders.remove(&conn);
            want.maybes.remove(&conn);
            want.asked.retain(|c| *c != conn);
            want.open |= want.asked.is_empty();
        });
    }
    /// Puts blobs back that this peer had not got a while ago. Returns when the next one is due.
    pub(crate) fn retry(&mut self, now: Duration, conn: ConnId) -> Option<Duration> {
        loop {
            let lane = self.lanes.get_mut(&conn)?;
            let (at, id) = *lane.retries.front()?;
            let stands = lane.lacks.get(&id) == Some(&at);
            if stands && at > now {
                return Some(at);
            }
            lane.retries.pop_front();
            if stands {
                lane.lacks.remove(&id);
                self.learn(conn, id);
            }
        }
    }

    /// Peers for whom something changed since the last call: each may have a next blob.
    pub(crate) fn take_dirty(&mut self) -> BTreeSet<ConnId> {
        std::mem::take(&mut self.dirty)
    }
    /// The next blob to ask this peer for, now counted as asked; and the peer in whose queue it waited until now.
    pub(crate) fn pick(&mut self, now: Duration, conn: ConnId) -> Option<(BlobId, Option<ConnId>)> {
        let lane = self.lanes.get(&conn)?;
        if lane.asked.len() >= lane.window() {
            return None;
        }
        let (id, instead) = match lane.ready.first() {
            Some(rung) => (rung.3, None),
            None if lane.asked.is_empty() && !lane.slow => match self.queued(now, conn) {
                Some((id, instead)) => (id, Some(instead)),
                None => (self.endgame(now, conn)?, None),
            },
            None => return None,
        };
        if let Some(lane) = instead.and_then(|conn| self.lanes.get_mut(&conn)) {
            lane.drop_ask(&id);
        }
        self.edit(id, |want| {
            want.asked.retain(|other| Some(*other) != instead);
            want.moved = want.moved.saturating_add(u32::from(instead.is_some()));
            want.asked.push(conn);
            want.open = false;
        });
        let lane = self.lanes.get_mut(&conn)?;
        if lane.asked.is_empty() {
            lane.progress = now;
            lane.mark = now;
            lane.bytes = 0;
        }
        lane.asked.insert(id, now);
        Some((id, instead))
    }
    /// The best blob that waits in others' queues and that this one has, too. Where it waits in two, it keeps its place in
    /// the one that it has stood in longer.
    fn queued(&self, now: Duration, conn: ConnId) -> Option<(BlobId, ConnId)> {
        let waits = |id: &BlobId| {
            let want = self.wants.get(id)?;
            let has = want.holders.contains(&conn) || want.maybes.contains(&conn);
            if !has || want.asked.contains(&conn) {
                return None;
            }
            let lanes = || want.asked.iter().filter_map(|asked| Some((*asked, self.lanes.get(asked)?)));
            if lanes().any(|(_, lane)| lane.arriving == Some(*id)) {
                return None;
            }
            let since = |(asked, lane): (ConnId, &Lane)| Some((*lane.asked.get(id)?, asked, lane.blind));
            let (since, asked, blind) = lanes().filter_map(since).max()?;
            // A blind one cannot be told that it need not send it. Where every queue is long, it stays in one of them.
            (since + QUEUED * want.moved.saturating_add(1) <= now && !blind).then(|| (want.rung(*id), asked))
        };
        self.flying.iter().filter_map(waits).min().map(|(rung, asked)| (rung.3, asked))
    }
    /// The first bytes of a blob came.
    pub(crate) fn arriving(&mut self, now: Duration, conn: ConnId, id: BlobId) {
        if let Some(lane) = self.lanes.get_mut(&conn) {
            lane.arriving = Some(id);
            lane.progress = now;
        }
    }
    /// More bytes of what was asked came. Says whether the peer was taken for mute until now: it does not know of the wants
    /// since.
    pub(crate) fn coming(&mut self, now: Duration, conn: ConnId) -> bool {
        let Some(lane) = self.lanes.get_mut(&conn) else { return false };
        lane.progress = now;
        std::mem::take(&mut lane.mute)
    }
    /// The blob that this peer is sending: the one that began, or else the one that was asked for first.
    pub(crate) fn sending(&self, conn: ConnId) -> Option<BlobId> {
        let lane = self.lanes.get(&conn)?;
        let first = || lane.asked.iter().min_by_key(|(_, at)| **at).map(|(id, _)| *id);
        lane.arriving.or_else(first)
    }
    /// A peer that cannot say what it has, and sends nothing: what it was asked for returns to the pool as if it had never
    /// been there. The requests stay open with it: should the bytes come after all, they are taken.
    pub(crate) fn mute(&mut self, conn: ConnId) {
        let Some(lane) = self.lanes.get_mut(&conn) else { return };
        lane.mute = true;
        lane.arriving = None;
        let mut all = std::mem::take(&mut lane.knows);
        all.extend(std::mem::take(&mut lane.asked).into_keys());
        for id in all {
            self.edit(id, |want| {
                want.maybes.remove(&conn);
                want.asked.retain(|c| *c != conn);
                want.open |= want.asked.is_empty();
            });
        }
    }
    /// Whether blobs are under way, and idle peers may help.
    pub(crate) fn is_flying(&self) -> bool {
        !self.flying.is_empty()
    }
    /// Idle peers look for a next blob once more.
    pub(crate) fn wake_idle(&mut self) {
        self.dirty.extend(self.lanes.iter().filter(|(_, lane)| lane.asked.is_empty()).map(|(conn, _)| *conn));
    }
    fn endgame(&self, now: Duration, conn: ConnId) -> Option<BlobId> {
        if self.flying.len() > ENDGAME {
            return None;
        }
        let fits = |id: &&BlobId| {
            self.wants.get(*id).is_some_and(|want| {
                let late = |c: &ConnId| self.lanes.get(c)?.asked.get(*id).map(|at| *at + ENDGAME_PATIENCE <= now);
                want.asked.len() == 1
                    && want.asked.iter().filter_map(late).any(|late| late)
                    && !want.asked.contains(&conn)
                    && (want.holders.contains(&conn) || want.maybes.contains(&conn))
            })
        };
        self.flying.iter().find(fits).copied()
    }

    /// Bytes that this peer sent for this blob arrived: its slot is free. `useful`: they were the blob.
    pub(crate) fn arrived(&mut self, now: Duration, conn: ConnId, id: BlobId, useful: bool) {
        if let Some(lane) = self.lanes.get_mut(&conn) {
            lane.drop_ask(&id);
            if useful {
                lane.arrived(now);
            }
            self.dirty.insert(conn);
        }
        self.edit(id, |want| want.asked.retain(|c| *c != conn));
    }
    /// The blob may be asked for again.
    pub(crate) fn relist(&mut self, id: BlobId) {
        self.edit(id, |want| want.open |= want.asked.is_empty());
    }
    /// When this peer's open requests become late.
    pub(crate) fn late_at(&self, conn: ConnId) -> Option<Duration> {
        let lane = self.lanes.get(&conn)?;
        let patience = if lane.blind { MUTE } else { SLOW };
        (!lane.asked.is_empty() && !lane.slow).then(|| lane.progress + patience)
    }
    /// The peer is slow: it keeps its oldest request, which others may be asked for too; the rest returns to the pool.
    /// Returns what to cancel.
    pub(crate) fn slow(&mut self, conn: ConnId) -> Vec<BlobId> {
        let Some(lane) = self.lanes.get_mut(&conn) else { return Vec::new() };
        lane.slow = true;
        let mut asked: Vec<(Duration, BlobId)> = lane.asked.iter().map(|(id, at)| (*at, *id)).collect();
        asked.sort_unstable();
        let Some(((_, oldest), rest)) = asked.split_first() else { return Vec::new() };
        let rest: Vec<BlobId> = rest.iter().map(|(_, id)| *id).collect();
        for id in &rest {
            lane.drop_ask(id);
        }
        for id in &rest {
            self.edit(*id, |want| {
                want.asked.retain(|c| *c != conn);
                want.open |= want.asked.is_empty();
            });
        }
        self.edit(*oldest, |want| want.open = true);
        rest
    }

    /// Blobs of this channel wanted after `serial`, at most `max`, with the last one's serial.
    pub(crate) fn wants_after(&self, channel: &ChannelKey, serial: u64, max: usize) -> (u64, Vec<BlobId>) {
        let Some(demand) = self.demands.get(channel) else { return (serial, Vec::new()) };
        let mut last = serial;
        let ids = demand.wants.range(serial + 1..).take(max).map(|(at, id)| {
            last = *at;
            *id
        });
        let ids = ids.collect();
        (last, ids)
    }
    /// A channel that this blob is wanted of.
    pub(crate) fn channel_of(&self, id: &BlobId) -> Option<ChannelKey> {
        self.wants.get(id)?.channels.first().map(|(channel, _)| *channel)
    }
    /// Whether anything is wanted of this channel.
    pub(crate) fn is_wanting(&self, channel: &ChannelKey) -> bool {
        self.demands.contains_key(channel)
    }
    /// Whether any of its blobs is under way.
    pub(crate) fn is_moving(&self, channel: &ChannelKey) -> bool {
        self.demands.get(channel).is_some_and(|demand| demand.flying > 0)
    }
    /// Whether any of its wanted blobs is with a connected peer.
    pub(crate) fn is_available(&self, channel: &ChannelKey) -> bool {
        self.demands.get(channel).is_some_and(|demand| demand.lonely.len() < demand.wants.len())
    }
    /// Wanted blobs that nobody connected has, most urgent first.
    pub(crate) fn lonely(&self, channel: &ChannelKey) -> impl Iterator<Item = BlobId> + '_ {
        self.demands.get(channel).into_iter().flat_map(|demand| demand.lonely.iter().map(|(_, id)| *id))
    }

    /// Changes a want with all lists that mirror it.
    fn edit(&mut self, id: BlobId, change: impl FnOnce(&mut Want)) {
        let Some(mut want) = self.wants.remove(&id) else { return };
        self.unlist(id, &want);
        change(&mut want);
        self.list(id, &want);
        self.wants.insert(id, want);
    }
    fn unlist(&mut self, id: BlobId, want: &Want) {
        let rung = want.rung(id);
        for conn in want.holders.iter().chain(&want.maybes) {
            if let Some(lane) = self.lanes.get_mut(conn) {
                lane.ready.remove(&rung);
            }
        }
        self.flying.remove(&id);
        for (channel, _) in &want.channels {
            if let Some(demand) = self.demands.get_mut(channel) {
                demand.lonely.remove(&(Reverse(want.priority), id));
                demand.flying -= usize::from(!want.asked.is_empty());
            }
        }
    }
    fn list(&mut self, id: BlobId, want: &Want) {
        let rung = want.rung(id);
        if want.open {
            for conn in want.holders.iter().chain(&want.maybes).filter(|c| !want.asked.contains(c)) {
                if let Some(lane) = self.lanes.get_mut(conn) {
                    lane.ready.insert(rung);
                    self.dirty.insert(*conn);
                }
            }
        }
        if !want.asked.is_empty() {
            self.flying.insert(id);
        }
        for (channel, _) in &want.channels {
            let demand = self.demands.entry(*channel).or_default();
            if !want.available() {
                demand.lonely.insert((Reverse(want.priority), id));
            }
            demand.flying += usize::from(!want.asked.is_empty());
        }
    }
}

#[cfg(test)]
mod tests;
