//! E5 Who holds what — our side's answers, which stay in force.
//!
//! Owns: what peers asked for that we did not have. Promises: at most 64 queries a peer, the oldest forgotten first, and
//! [`WATCHED_MAX`] blobs in all; HAVE_MORE at most once a second.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use protocol::BlobId;
use protocol::params::HAVE_QUERIES_HELD;
use protocol::session::RequestId;

use crate::ConnId;

/// Blobs watched for all peers together.
const WATCHED_MAX: usize = 1 << 18;
/// Least time between two HAVE_MORE to one peer.
const PAUSE: Duration = Duration::from_secs(1);

#[derive(Default)]
struct Watcher {
    queries: VecDeque<(RequestId, Vec<(u16, BlobId)>)>,
    wait: BTreeMap<BlobId, (RequestId, u16)>,
    more: BTreeMap<RequestId, Vec<u16>>,
    last: Option<Duration>,
    /// Blobs in `queries`.
    count: usize,
}

/// The machine.
#[derive(Default)]
pub(crate) struct Watches {
    watchers: BTreeMap<ConnId, Watcher>,
    by_blob: BTreeMap<BlobId, BTreeSet<ConnId>>,
    count: usize,
}

impl Watches {
    /// Remembers what was asked and not there: position in the query and blob.
    pub(crate) fn watch(&mut self, conn: ConnId, query: RequestId, missing: Vec<(u16, BlobId)>) {
        if missing.is_empty() {
            return;
        }
        while self.count + missing.len() > WATCHED_MAX {
            // Whoever asked for most makes room, or one peer could keep all others from being told.
            let heaviest = self.watchers.iter().max_by_key(|(_, w)| w.count).map(|(conn, w)| (*conn, w.count));
            let own = self.watchers.get(&conn).map_or(0, |w| w.count) + missing.len();
            match heaviest {
                Some((heavy, count)) if count >= own => self.drop_oldest(heavy),
                _ => return,
            }
        }
        let full = self.watchers.get(&conn).is_some_and(|w| w.queries.len() >= HAVE_QUERIES_HELD);
        if full {
            self.drop_oldest(conn);
        }
        let watcher = self.watchers.entry(conn).or_default();
        for (at, id) in &missing {
            watcher.wait.insert(*id, (query, *at));
            self.by_blob.entry(*id).or_default().insert(conn);
        }
        self.count += missing.len();
        watcher.count += missing.len();
        watcher.queries.push_back((query, missing));
    }
    fn drop_oldest(&mut self, conn: ConnId) {
        let Some(watcher) = self.watchers.get_mut(&conn) else { return };
        let Some((query, missing)) = watcher.queries.pop_front() else { return };
        self.count -= missing.len();
        watcher.count -= missing.len();
        watcher.more.remove(&query);
        for (_, id) in missing {
            if watcher.wait.get(&id).is_some_and(|(q, _)| *q == query) {
                watcher.wait.remove(&id);
                unwatch(&mut self.by_blob, conn, &id);
            }
        }
    }
    /// Forgets a peer.
    pub(crate) fn remove(&mut self, conn: ConnId) {
        while self.watchers.get(&conn).is_some_and(|w| !w.queries.is_empty()) {
            self.drop_oldest(conn);
        }
        self.watchers.remove(&conn);
    }
    /// A blob arrived. Returns peers to tell and when; `shares`: whether a peer may know of it.
    pub(crate) fn arrived(
        &mut self,
        now: Duration,
        id: &BlobId,
        shares: impl Fn(ConnId) -> bool,
    ) -> Vec<(ConnId, Duration)> {
        let Some(conns) = self.by_blob.get(id) else { return Vec::new() };
        let told: Vec<ConnId> = conns.iter().copied().filter(|conn| shares(*conn)).collect();
        let mut due = Vec::new();
        for conn in told {
            unwatch(&mut self.by_blob, conn, id);
            let Some(watcher) = self.watchers.get_mut(&conn) else { continue };
            if let Some((query, at)) = watcher.wait.remove(id) {
                watcher.more.entry(query).or_default().push(at);
                due.push((conn, watcher.last.map_or(now, |last| now.max(last + PAUSE))));
            }
        }
        due
    }
    /// What to tell this peer now.
    pub(crate) fn take_more(&mut self, now: Duration, conn: ConnId) -> BTreeMap<RequestId, Vec<u16>> {
        let Some(watcher) = self.watchers.get_mut(&conn) else { return BTreeMap::new() };
        watcher.last = Some(now);
        std::mem::take(&mut watcher.more)
    }
}

fn unwatch(by_blob: &mut BTreeMap<BlobId, BTreeSet<ConnId>>, conn: ConnId, id: &BlobId) {
    if let Some(set) = by_blob.get_mut(id) {
        set.remove(&conn);
        if set.is_empty() {
            by_blob.remove(id);
        }
    }
}

#[cfg(test)]
mod tests;
