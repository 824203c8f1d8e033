//! What the rows sum up to: asked for often, by every listener's every look at the node, so nothing is counted twice.

use std::sync::atomic::Ordering;
use std::sync::{Mutex, PoisonError};

use protocol::ChannelKey;
use protocol::params::BLOB_LEN;
use rusqlite::{Transaction, params};

use crate::db::uint;
use crate::holdings::LENT;
use crate::items::OFF_LIST;
use crate::{Standing, Store, StoreError, quota};

/// What all of the store comes to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Totals {
    /// Channels of others that are followed.
    pub followed: u64,
    /// The user's own channels.
    pub own: u64,
    /// Blobs that can be given to peers.
    pub blobs: u64,
    /// Bytes that count against the quota.
    pub used: u64,
    /// Bytes of blobs that are kept for others.
    pub lent: u64,
}

/// What a channel's items come to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// Items on its list.
    pub listed: u64,
    /// Those of them that are whole here, published ones with them.
    pub complete: u64,
    /// Their plain bytes, as listed.
    pub bytes: u64,
    /// Items that are being fetched, on the list or not.
    pub wanted: u64,
}

/// The last totals, and the number of writes that they were counted after.
#[derive(Default)]
pub(crate) struct Sums(Mutex<Option<(u64, Totals)>>);

impl Store {
    /// What all of it comes to. Counted anew only when something was written since.
    pub fn totals(&self) -> Result<Totals, StoreError> {
        // Read first: a write in the middle of the counting has it done again.
        let writes = self.core.db.writes.load(Ordering::SeqCst);
        let last = *self.core.sums.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, totals)) = last.filter(|(at, _)| *at == writes) {
            return Ok(totals);
        }
        let totals = self.core.db.read(count)?;
        *self.core.sums.0.lock().unwrap_or_else(PoisonError::into_inner) = Some((writes, totals));
        Ok(totals)
    }

    /// What a channel's items come to; nothing for one that is not known (any more).
    pub fn tally(&self, channel: &ChannelKey) -> Result<Tally, StoreError> {
        self.core.db.read(|tx| {
            // Sizes are what a stranger wrote: their sum may pass what a 64-bit number holds. Up to 2^53 it is exact.
            let mut sum = tx.prepare_cached(
                "SELECT COUNT(*) FILTER (WHERE position <> ?2),
                    COUNT(*) FILTER (WHERE position <> ?2 AND standing IN (?3, ?4)),
                    CAST(MIN(TOTAL(bytes) FILTER (WHERE position <> ?2), 9e18) AS INTEGER),
                    COUNT(*) FILTER (WHERE standing = ?5)
                 FROM items WHERE channel = (SELECT id FROM channels WHERE key = ?1) AND item IS NOT NULL",
            )?;
            let [complete, published, wanted] =
                [Standing::Complete, Standing::Published, Standing::Wanted].map(Standing::to_sql);
            Ok(sum.query_row(params![channel.as_bytes(), OFF_LIST, complete, published, wanted], |row| {
                let sum = |at| row.get(at).map(uint);
                Ok(Tally { listed: sum(0)?, complete: sum(1)?, bytes: sum(2)?, wanted: sum(3)? })
            })?)
        })
    }
}

fn count(tx: &Transaction<'_>) -> Result<Totals, StoreError> {
    let number =
        |sql: &str| -> Result<u64, StoreError> { Ok(uint(tx.prepare_cached(sql)?.query_row([], |row| row.get(0))?)) };
    let mut lent = tx.prepare_cached("SELECT COUNT(DISTINCT blob) FROM structure WHERE role = ?")?;
    Ok(Totals {
        followed: number("SELECT COUNT(*) FROM channels WHERE followed = 1 AND own = 0")?,
        own: number("SELECT COUNT(*) FROM channels WHERE own = 1")?,
        blobs: number(
            "SELECT COUNT(*) FROM blobs b
             WHERE b.stored = 1 OR EXISTS(SELECT 1 FROM chunks k WHERE k.blob = b.id AND k.state = 2)",
        )?,
        used: quota::count(tx)?,
        lent: uint(lent.query_row([LENT], |row| row.get(0))?).saturating_mul(BLOB_LEN as u64),
    })
}
