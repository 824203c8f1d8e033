//! Upload slots: which of the blobs that peers ask for goes out next.
//!
//! Owns: what peers wait for, what is being sent to whom. Promises: so few blobs are sent at a time that each is soon
//! whole, for only what is whole can be passed on; what went out least often goes first, so that a first seeder sends
//! everything once before it sends anything twice; nobody waits while others are served over and over; a peer that
//! takes its blob slowly does not keep the line from others.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use protocol::BlobId;

use crate::ConnId;
use line::Line;

mod line;

/// Of them, to one peer: its line never runs dry.
const AHEAD: usize = 3;
/// The same on the fastest line: two go out while two are made, which costs little more than to make one.
const AHEAD_FAST: usize = 4;
/// Blobs that are sent at a time to peers that take them slowly.
const AT_ONCE_SLOW: usize = 32;
/// Blobs that are sent at a time to all: before slow peers are known to be, each of fifty may have one, and somebody
/// quick still finds a place.
const AT_ONCE_MAX: usize = 56;
/// Who waited longer than this comes before what went out less often.
const PATIENCE: Duration = Duration::from_secs(15);
/// Blobs that went out as often as this are all alike.
const COMMON: u16 = 2;

/// What one peer asked for.
struct Queue {
    waiting: VecDeque<BlobId>,
    /// Since when each blob is being sent.
    sending: VecDeque<(Duration, BlobId)>,
    /// When it was served last, or asked first.
    served: Duration,
    /// Its last blob was late.
    slow: bool,
}

impl Queue {
    /// It takes blobs slowly: they do not count against the few, and do not keep the line from others.
    fn is_slow(&self, now: Duration, late: Duration) -> bool {
        self.slow || self.sending.front().is_some_and(|(since, _)| *since + late <= now)
    }
}

/// The machine.
#[derive(Default)]
pub(crate) struct Uploads {
    queues: BTreeMap<ConnId, Queue>,
    line: Line,
    /// Blobs that wait, of all peers.
    waiting: usize,
}

impl Uploads {
    /// A peer asks for a blob that is here.
    pub(crate) fn asked(&mut self, now: Duration, conn: ConnId, blob: BlobId) {
        let new = || Queue { waiting: VecDeque::new(), sending: VecDeque::new(), served: now, slow: false };
        let queue = self.queues.entry(conn).or_insert_with(new);
        if queue.waiting.is_empty() && queue.sending.is_empty() {
            queue.served = now;
        }
        queue.waiting.push_back(blob);
        self.waiting += 1;
    }
    /// It does not want it any more. What is being sent already ends by itself.
    pub(crate) fn cancelled(&mut self, conn: ConnId, blob: &BlobId) {
        if let Some(queue) = self.queues.get_mut(&conn)
            && let Some(at) = queue.waiting.iter().position(|waits| waits == blob)
        {
            queue.waiting.remove(at);
            self.waiting -= 1;
        }
    }
    /// A blob given to this connection is off our hands: it went whole, or was cancelled or not readable. Returns which one
    /// it most likely is: what goes whole goes in order, what is cancelled is what was asked for last.
    pub(crate) fn ended(&mut self, now: Duration, conn: ConnId, whole: bool) -> Option<BlobId> {
        let late = self.line.late();
        let queue = self.queues.get_mut(&conn)?;
        queue.served = now;
        if !whole {
            return queue.sending.pop_back().map(|(_, blob)| blob);
        }
        let (since, blob) = queue.sending.pop_front()?;
        queue.slow = since + late <= now;
        self.line.ended(now);
        Some(blob)
    }
    /// It is gone.
    pub(crate) fn remove(&mut self, conn: ConnId) {
        self.waiting -= self.queues.remove(&conn).map_or(0, |queue| queue.waiting.len());
    }
    /// Whether it waits for anything, or something is being sent to it.
    pub(crate) fn is_busy(&self, conn: ConnId) -> bool {
        self.queues.get(&conn).is_some_and(|queue| !queue.waiting.is_empty() || !queue.sending.is_empty())
    }
    /// The next blob to send, if a slot is free. `sent`: how often a blob went out already; `may`: whether a peer can pay.
    pub(crate) fn next(
        &mut self,
        now: Duration,
        sent: impl Fn(&BlobId) -> u16,
        may: impl Fn(ConnId) -> bool,
    ) -> Option<(ConnId, BlobId)> {
        if self.waiting == 0 {
            self.line.has_room();
            return None;
        }
        let late = self.line.late();
        let (mut all, mut fresh, mut slow) = (0, 0, 0);
        for queue in self.queues.values() {
            let sending = queue.sending.len();
            all += sending;
            *if queue.is_slow(now, late) { &mut slow } else { &mut fresh } += sending;
        }
        if all >= AT_ONCE_MAX || fresh >= self.line.at_once() {
            return None;
        }
        let ahead = if self.line.is_fastest() { AHEAD_FAST } else { AHEAD };
        let place = |(conn, queue): (&ConnId, &Queue)| {
            let blob = *queue.waiting.front().filter(|_| queue.sending.len() < ahead)?;
            if (slow >= AT_ONCE_SLOW && queue.is_slow(now, late)) || !may(*conn) {
                return None;
            }
            // Where many are slow, nobody holds two of the last places.
            if all >= AT_ONCE_SLOW && !queue.sending.is_empty() {
                return None;
            }
            let patient = queue.served + PATIENCE > now;
            let class = if patient { sent(&blob).min(COMMON) } else { 0 };
            Some(((queue.sending.len(), class, queue.served), *conn, blob))
        };
        let Some((_, conn, blob)) = self.queues.iter().filter_map(place).min() else {
            self.line.has_room();
            return None;
        };
        if all == 0 {
            self.line.wakes(now);
        }
        let queue = self.queues.get_mut(&conn)?;
        queue.waiting.pop_front();
        self.waiting -= 1;
        queue.sending.push_back((now, blob));
        Some((conn, blob))
    }
    /// Who waits.
    pub(crate) fn waiters(&self) -> impl Iterator<Item = ConnId> {
        self.queues.iter().filter(|(_, queue)| !queue.waiting.is_empty()).map(|(conn, _)| *conn)
    }
    /// When a slot becomes free though nothing ends: what is sent slowly then does not count any more.
    pub(crate) fn next_at(&self, now: Duration) -> Option<Duration> {
        if self.waiting == 0 {
            return None;
        }
        let late = self.line.late();
        self.queues
            .values()
            .flat_map(|queue| &queue.sending)
            .map(|(since, _)| *since + late)
            .filter(|at| *at > now)
            .min()
    }
}

#[cfg(test)]
mod tests;
