//! The quota: how much this program may lay on the disk. What is to be written is reserved before it is, so that many
//! writers at once do not pass it together.
//!
//! Counted are the plain bytes of downloads and the stored blobs. Files that were published from where they lie are the
//! user's own and take nothing.

use std::sync::atomic::Ordering;
use std::sync::{Mutex, MutexGuard, PoisonError};

use protocol::params::BLOB_LEN;
use rusqlite::Transaction;

use crate::db::uint;
use crate::store::Core;
use crate::{Store, StoreError};

/// What is allowed, what is here, what is about to be written.
#[derive(Default)]
pub(crate) struct Room {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    quota: Option<u64>,
    /// `None`: to be counted again.
    used: Option<u64>,
    reserved: u64,
}

/// Room that a write has for itself; given back unless it was taken.
pub(crate) struct Reserved<'a> {
    room: &'a Room,
    bytes: u64,
}

impl Reserved<'_> {
    /// The bytes are written and recorded.
    pub(crate) fn take(self) {
        let mut state = self.room.lock();
        state.used = state.used.map(|used| used.saturating_add(self.bytes));
    }
}

impl Drop for Reserved<'_> {
    fn drop(&mut self) {
        let mut state = self.room.lock();
        state.reserved = state.reserved.saturating_sub(self.bytes);
    }
}

impl Room {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Store {
    /// Allows so many bytes from now on; `None`: as many as the disk has. What is here already stays.
    pub fn set_quota(&self, quota: Option<u64>) {
        self.core.room.lock().quota = quota;
    }
}

impl Core {
    /// Room for a write that follows at once.
    pub(crate) fn reserve(&self, bytes: u64) -> Result<Reserved<'_>, StoreError> {
        let mut state = self.room.lock();
        if let Some(quota) = state.quota {
            // A count in the middle of others' writes would see twice what they have reserved and written already.
            let idle = state.reserved == 0;
            let used = match state.used {
                Some(used) if !(idle && self.db.changed.swap(false, Ordering::SeqCst)) => used,
                _ => self.db.read(count)?,
            };
            state.used = Some(used);
            check(quota, used.saturating_add(state.reserved), bytes)?;
        } else {
            state.used = None;
        }
        state.reserved = state.reserved.saturating_add(bytes);
        Ok(Reserved { room: &self.room, bytes })
    }

    /// Whether the quota has room for a whole plan, of which nothing is written yet.
    pub(crate) fn check_quota(&self, tx: &Transaction<'_>, bytes: u64) -> Result<(), StoreError> {
        let quota = self.room.lock().quota;
        match quota {
            Some(quota) => check(quota, count(tx)?, bytes),
            None => Ok(()),
        }
    }
}

fn check(quota: u64, used: u64, needed: u64) -> Result<(), StoreError> {
    if needed > 0 && used.saturating_add(needed) > quota {
        return Err(StoreError::Quota { quota, used, needed });
    }
    Ok(())
}

pub(crate) fn count(tx: &Transaction<'_>) -> Result<u64, StoreError> {
    let mut statement = tx.prepare_cached(
        "SELECT (SELECT COALESCE(SUM(have), 0) FROM items WHERE standing > 0 AND standing < 3 AND form <> 1)
            + (SELECT COALESCE(SUM(f.have), 0) FROM items i JOIN files f ON f.item = i.id
                WHERE i.of IS NOT NULL AND i.form <> 1),
            (SELECT COUNT(*) FROM blobs WHERE stored = 1)",
    )?;
    let (plain, stored): (i64, i64) = statement.query_row([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(uint(plain).saturating_add(uint(stored).saturating_mul(BLOB_LEN as u64)))
}
