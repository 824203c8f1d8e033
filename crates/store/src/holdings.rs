//! What is held, for the swarm; blobs of a channel's own structure.

use std::collections::HashSet;

use protocol::{BlobId, ChannelKey, ItemId};
use rusqlite::{OptionalExtension, Row, Transaction, params};

use crate::db::{array, int, uint};
use crate::sweep::{Candidate, sweep};
use crate::{Holding, Role, Store, StoreError, channels, items};

const BATCH: usize = 10_000;
pub(crate) const LENT: i64 = 3;

impl Role {
    pub(crate) fn to_sql(self) -> i64 {
        match self {
            Self::Root => 0,
            Self::Structure => 1,
            Self::Content => 2,
            Self::Lent => LENT,
        }
    }

    fn from_sql(value: i64) -> Self {
        match value {
            0 => Self::Root,
            1 => Self::Structure,
            LENT => Self::Lent,
            _ => Self::Content,
        }
    }
}

impl Store {
    /// Whether a blob is held.
    pub fn has(&self, blob: &BlobId) -> Result<bool, StoreError> {
        self.core.db.read(|tx| is_held(tx, blob))
    }

    /// Ties structure blobs (tables, file lists) to a planned item: they stay as long as its plan, whatever the
    /// channel's list becomes. Replaces what was tied before; returns those that are not held at all. One that is held
    /// for another reason only is neither tied nor returned.
    pub fn tie_structure(
        &self,
        channel: &ChannelKey,
        id: &ItemId,
        blobs: &[BlobId],
    ) -> Result<Vec<BlobId>, StoreError> {
        let _layout = self.core.shared();
        self.core.db.write(|tx| {
            let item = items::row_id(tx, channel, id)?;
            tx.prepare_cached("DELETE FROM item_structure WHERE item = ?")?.execute([item])?;
            let mut tie = tx.prepare_cached(
                "INSERT OR IGNORE INTO item_structure(item, blob) SELECT i.id, s.blob FROM items i
                 JOIN structure s ON s.channel = i.channel JOIN blobs b ON b.id = s.blob WHERE i.id = ? AND b.blob = ?",
            )?;
            let mut lacking = Vec::new();
            for blob in blobs {
                tie.execute(params![item, blob.as_bytes()])?;
                if !is_held(tx, blob)? {
                    lacking.push(*blob);
                }
            }
            Ok(lacking)
        })
    }

    /// Keeps the structure blobs of the channel's current list and those tied to its items; others of that channel that
    /// nothing needs are dropped and returned.
    pub fn retain_structure(&self, channel: &ChannelKey, keep: &[BlobId]) -> Result<Vec<BlobId>, StoreError> {
        let _layout = self.core.exclusive();
        let (gone, doomed) = self.core.db.write(|tx| retain(tx, channels::row_id(tx, channel)?, keep))?;
        self.core.remove_files(&doomed, &[])?;
        Ok(gone)
    }

    /// Every holding, for the swarm at start, in batches of up to 10,000. A blob of several channels comes once for each.
    pub fn holdings(&self, each: &mut dyn FnMut(Vec<Holding>)) -> Result<(), StoreError> {
        self.core.db.read(|tx| {
            let mut batch = Vec::new();
            let mut add = |row: &Row<'_>| -> Result<(), StoreError> {
                batch.push(Holding {
                    blob: BlobId(array(row, 0)?),
                    channel: ChannelKey(array(row, 1)?),
                    role: Role::from_sql(row.get(2)?),
                    first: row.get(3)?,
                    announced: uint(row.get(4)?),
                });
                if batch.len() == BATCH {
                    each(std::mem::take(&mut batch));
                }
                Ok(())
            };
            let mut structure = tx.prepare_cached(
                "SELECT b.blob, c.key, s.role, 0, b.announced FROM structure s JOIN blobs b ON b.id = s.blob
                 JOIN channels c ON c.id = s.channel WHERE b.stored = 1 ORDER BY s.role",
            )?;
            let mut rows = structure.query([])?;
            while let Some(row) = rows.next()? {
                add(row)?;
            }
            let mut content = tx.prepare_cached(
                "SELECT b.blob, c.key, 2, MAX(f.seq = 0 AND k.seq = 0), b.announced FROM blobs b
                 JOIN chunks k ON k.blob = b.id AND (k.state = 2 OR b.stored = 1) JOIN files f ON f.id = k.file
                 JOIN items i ON i.id = k.item JOIN channels c ON c.id = i.channel GROUP BY b.id, c.id",
            )?;
            let mut rows = content.query([])?;
            while let Some(row) = rows.next()? {
                add(row)?;
            }
            if !batch.is_empty() {
                each(batch);
            }
            Ok(())
        })
    }

    /// Blobs of a channel that are kept for others.
    pub fn lent(&self, channel: &ChannelKey) -> Result<Vec<BlobId>, StoreError> {
        self.core.db.read(|tx| lent_of(tx, channels::row_id(tx, channel)?))
    }

    /// Those of them that an item holds, too.
    pub fn lent_twice(&self, channel: &ChannelKey) -> Result<Vec<BlobId>, StoreError> {
        self.core.db.read(|tx| {
            let mut statement = tx.prepare_cached(
                "SELECT b.blob FROM structure s JOIN blobs b ON b.id = s.blob WHERE s.channel = ? AND s.role = ?
                 AND EXISTS(SELECT 1 FROM chunks WHERE blob = b.id AND state BETWEEN 1 AND 3)",
            )?;
            let rows =
                statement.query_map(params![channels::row_id(tx, channel)?, LENT], |row| Ok(BlobId(array(row, 0)?)))?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
    }

    /// Keeps these for others, too: tables and lists that are stored for the channel and that nothing else needs.
    pub fn lend_structure(&self, channel: &ChannelKey, blobs: &[BlobId]) -> Result<(), StoreError> {
        self.core.db.write(|tx| {
            let channel = channels::row_id(tx, channel)?;
            let mut lend = tx.prepare_cached(
                "UPDATE structure SET role = ?1 WHERE channel = ?2 AND role = 1
                 AND blob = (SELECT id FROM blobs WHERE blob = ?3)
                 AND NOT EXISTS(SELECT 1 FROM item_structure t WHERE t.blob = structure.blob)",
            )?;
            blobs.iter().try_for_each(|blob| Ok(lend.execute(params![LENT, channel, blob.as_bytes()]).map(drop)?))
        })
    }

    /// Keeps these for others no longer. Returns those that are not held any more: nothing else needed them.
    pub fn drop_lent(&self, channel: &ChannelKey, blobs: &[BlobId]) -> Result<Vec<BlobId>, StoreError> {
        let _layout = self.core.exclusive();
        let (gone, doomed, freed) = self.core.db.write(|tx| {
            let channel = channels::row_id(tx, channel)?;
            let mut delete = tx.prepare_cached(
                "DELETE FROM structure WHERE channel = ? AND role = ? AND blob = (SELECT id FROM blobs WHERE blob = ?)
                 RETURNING blob",
            )?;
            let mut lent = Vec::new();
            for blob in blobs {
                let row: Option<i64> =
                    delete.query_row(params![channel, LENT, blob.as_bytes()], |row| row.get(0)).optional()?;
                lent.extend(row.map(|row| (row, *blob)));
            }
            let freed = crate::finish::free(tx, &lent)?;
            let (gone, doomed) = sweep(tx, lent.into_iter().map(|(row, _)| (row, true)).collect())?;
            Ok((gone, doomed, freed))
        })?;
        self.core.remove_files(&doomed, &[])?;
        self.core.remove_files(&freed, &[])?;
        Ok(gone)
    }

    /// The first blob of an item's plan.
    pub fn first_blob(&self, channel: &ChannelKey, id: &ItemId) -> Result<Option<BlobId>, StoreError> {
        self.core.db.read(|tx| {
            let item = items::row_id(tx, channel, id)?;
            let mut statement = tx.prepare_cached(
                "SELECT b.blob FROM files f JOIN chunks k ON k.file = f.id JOIN blobs b ON b.id = k.blob
                 WHERE f.item = ? AND k.len > 0 ORDER BY f.seq, k.seq LIMIT 1",
            )?;
            Ok(statement.query_row([item], |row| Ok(BlobId(array(row, 0)?))).optional()?)
        })
    }

    /// Remembers when blobs were announced.
    pub fn set_announced(&self, blobs: &[BlobId], unix_ms: u64) -> Result<(), StoreError> {
        self.core.write_soon(|tx| {
            let mut statement = tx.prepare_cached("UPDATE blobs SET announced = ? WHERE blob = ?")?;
            for blob in blobs {
                statement.execute(params![int(unix_ms), blob.as_bytes()])?;
            }
            Ok(())
        })
    }
}

/// As [`Store::retain_structure`]; returns the blobs dropped, and the blob files to remove.
pub(crate) fn retain(
    tx: &Transaction<'_>,
    channel: i64,
    keep: &[BlobId],
) -> Result<(Vec<BlobId>, Vec<BlobId>), StoreError> {
    let keep: HashSet<&BlobId> = keep.iter().collect();
    let mut old = structure_of(tx, channel)?;
    let lent: HashSet<BlobId> = lent_of(tx, channel)?.into_iter().collect();
    old.retain(|(_, blob)| !keep.contains(blob) && !lent.contains(blob));
    let mut tied = tx.prepare_cached(
        "SELECT EXISTS(SELECT 1 FROM item_structure t JOIN items i ON i.id = t.item
         WHERE t.blob = ? AND i.channel = ?)",
    )?;
    let mut free = Vec::with_capacity(old.len());
    for one in old {
        if !tied.query_row([one.0.0, channel], |row| row.get::<_, bool>(0))? {
            free.push(one);
        }
    }
    for ((row, _), _) in &free {
        tx.prepare_cached("DELETE FROM structure WHERE channel = ? AND blob = ?")?.execute([channel, *row])?;
    }
    sweep(tx, free.into_iter().map(|(candidate, _)| candidate).collect())
}

fn is_held(tx: &Transaction<'_>, blob: &BlobId) -> Result<bool, StoreError> {
    let mut statement = tx.prepare_cached(
        "SELECT EXISTS(SELECT 1 FROM blobs b WHERE b.blob = ?
         AND (b.stored = 1 OR EXISTS(SELECT 1 FROM chunks k WHERE k.blob = b.id AND k.state = 2)))",
    )?;
    Ok(statement.query_row([blob.as_bytes()], |row| row.get(0))?)
}

fn lent_of(tx: &Transaction<'_>, channel: i64) -> Result<Vec<BlobId>, StoreError> {
    let mut statement = tx.prepare_cached(
        "SELECT b.blob FROM structure s JOIN blobs b ON b.id = s.blob WHERE s.channel = ? AND s.role = ?",
    )?;
    Ok(statement.query_map([channel, LENT], |row| Ok(BlobId(array(row, 0)?)))?.collect::<Result<_, _>>()?)
}

/// A channel's structure blobs.
pub(crate) fn structure_of(tx: &Transaction<'_>, channel: i64) -> Result<Vec<(Candidate, BlobId)>, StoreError> {
    let mut statement = tx.prepare_cached(
        "SELECT b.id, b.stored = 1, b.blob FROM structure s JOIN blobs b ON b.id = s.blob WHERE s.channel = ?",
    )?;
    let rows = statement.query_map([channel], |row| Ok(((row.get(0)?, row.get(1)?), BlobId(array(row, 2)?))))?;
    Ok(rows.collect::<Result<_, _>>()?)
}
