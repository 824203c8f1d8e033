//! A list that changed brings a new plan for an item: files that are the same move over with all that is known of them.
//!
//! A file moves only together with every file that shares a blob with it, so that what could be made from the old plan
//! can be made from the new one. What does not move is copied from the blobs that the old plan holds; after that its
//! part files go, and its finished files stay until the new ones take their place.

use std::path::Path;

use protocol::BlobId;
use rusqlite::{Transaction, params};

use crate::StoreError;
use crate::db::chunk_state;
use crate::store::Core;
use crate::sweep::{blobs_of, doom, part_files, sweep};

/// Makes the tables of this connection in which files of two plans are compared, and empties them. `same`: files of an
/// earlier plan (`old`) that are files of the new one (`new`). The others are those of one comparison.
pub(crate) fn begin(tx: &Transaction<'_>) -> Result<(), StoreError> {
    tx.execute_batch(
        "CREATE TEMP TABLE IF NOT EXISTS same(new INTEGER PRIMARY KEY, old INTEGER NOT NULL UNIQUE);
         CREATE TEMP TABLE IF NOT EXISTS pairs(new INTEGER PRIMARY KEY, old INTEGER NOT NULL UNIQUE);
         CREATE TEMP TABLE IF NOT EXISTS alone(file INTEGER PRIMARY KEY, round INTEGER NOT NULL);
         CREATE INDEX IF NOT EXISTS temp.alone_round ON alone(round);
         CREATE TEMP TABLE IF NOT EXISTS spread(blob INTEGER PRIMARY KEY, round INTEGER NOT NULL);
         CREATE INDEX IF NOT EXISTS temp.spread_round ON spread(round);
         DELETE FROM temp.same;",
    )?;
    Ok(())
}

/// Finds the files of the new plan that are the same in a retired one. Returns their bytes. Nothing of a plan is held in
/// memory for it: plans are as long as their publisher likes.
pub(crate) fn unchanged(tx: &Transaction<'_>, item: i64) -> Result<i64, StoreError> {
    let mut shadows =
        tx.prepare_cached("SELECT id FROM items WHERE of IS NOT NULL AND of = ? AND form <> 1 ORDER BY id DESC")?;
    let shadows: Vec<i64> = shadows.query_map([item], |row| row.get(0))?.collect::<Result<_, _>>()?;
    for shadow in shadows {
        compare(tx, item, shadow)?;
        tx.prepare_cached("INSERT OR IGNORE INTO temp.same(new, old) SELECT new, old FROM temp.pairs")?.execute([])?;
    }
    let sum = "SELECT COALESCE(SUM(f.size), 0) FROM temp.same s JOIN files f ON f.id = s.new";
    Ok(tx.prepare_cached(sum)?.query_row([], |row| row.get(0))?)
}

/// Pairs the files of two plans that are equal in place and chunks, and parts them again where one shares a blob with a
/// file that stays alone: that goes on, from blob to blob, until nothing is parted any more.
fn compare(tx: &Transaction<'_>, item: i64, shadow: i64) -> Result<(), StoreError> {
    tx.execute_batch("DELETE FROM temp.pairs; DELETE FROM temp.alone; DELETE FROM temp.spread;")?;
    tx.prepare_cached(
        "INSERT INTO temp.pairs(new, old)
         SELECT n.id, MIN(o.id) FROM files n JOIN files o ON o.disk = n.disk AND o.item = ?2 AND o.path = n.path
            AND o.size = n.size
         WHERE n.item = ?1
         AND (SELECT COUNT(*) FROM chunks WHERE file = n.id) = (SELECT COUNT(*) FROM chunks WHERE file = o.id)
         AND NOT EXISTS(SELECT 1 FROM chunks a LEFT JOIN chunks b ON b.file = o.id AND b.seq = a.seq
            WHERE a.file = n.id AND (b.blob IS NOT a.blob OR b.key IS NOT a.key OR b.nonce IS NOT a.nonce
                OR b.off IS NOT a.off OR b.len IS NOT a.len))
         GROUP BY n.id",
    )?
    .execute([item, shadow])?;
    tx.prepare_cached(
        "INSERT INTO temp.alone(file, round) SELECT id, 0 FROM files WHERE item IN (?1, ?2)
         AND id NOT IN (SELECT new FROM temp.pairs) AND id NOT IN (SELECT old FROM temp.pairs)",
    )?
    .execute([item, shadow])?;
    for round in 0_i64.. {
        // Each blob spreads the news once, each file hears it once.
        let spread = tx
            .prepare_cached(
                "INSERT OR IGNORE INTO temp.spread(blob, round) SELECT k.blob, ?1 FROM temp.alone a
                 JOIN chunks k ON k.file = a.file WHERE a.round = ?1",
            )?
            .execute([round])?;
        if spread == 0 {
            break;
        }
        // The other of a pair has the very same blobs.
        tx.prepare_cached(
            "INSERT OR IGNORE INTO temp.alone(file, round) SELECT k.file, ?1 + 1 FROM temp.spread s
             JOIN chunks k ON k.item = ?2 AND k.blob = s.blob WHERE s.round = ?1 AND k.file IN (SELECT new FROM temp.pairs)",
        )?
        .execute([round, item])?;
        tx.prepare_cached("DELETE FROM temp.pairs WHERE new IN (SELECT file FROM temp.alone WHERE round = ?1 + 1)")?
            .execute([round])?;
    }
    Ok(())
}

/// Moves the files that are the same to the new plan, with all that is known of them. Returns their bytes that are here.
pub(crate) fn adopt(tx: &Transaction<'_>, item: i64) -> Result<i64, StoreError> {
    let mut next = tx.prepare_cached(
        "SELECT s.new, s.old, f.seq, f.mime FROM temp.same s JOIN files f ON f.id = s.new
         WHERE s.new > ? ORDER BY s.new LIMIT 1000",
    )?;
    let (mut last, mut have) = (i64::MIN, 0_i64);
    loop {
        let rows = next.query_map([last], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)))?;
        let rows: Vec<(i64, i64, i64, Option<String>)> = rows.collect::<Result<_, _>>()?;
        let Some((new, ..)) = rows.last() else { return Ok(have) };
        last = *new;
        for (new, old, seq, mime) in rows {
            tx.prepare_cached("DELETE FROM files WHERE id = ?")?.execute([new])?;
            tx.prepare_cached("UPDATE files SET item = ?, seq = ?, mime = ? WHERE id = ?")?
                .execute(params![item, seq, mime, old])?;
            tx.prepare_cached("UPDATE chunks SET item = ? WHERE file = ?")?.execute([item, old])?;
            tx.prepare_cached("UPDATE chunks SET state = ? WHERE file = ? AND state = ?")?.execute([
                chunk_state::MISSING,
                old,
                chunk_state::UNOPENABLE,
            ])?;
            have += tx.query_row("SELECT have FROM files WHERE id = ?", [old], |row| row.get::<_, i64>(0))?;
        }
    }
}

impl Core {
    /// What the retired plans of an item held was copied: their part files go. Returns blobs no longer held.
    pub(crate) fn prune(&self, item: i64) -> Result<Vec<BlobId>, StoreError> {
        let _layout = self.exclusive();
        let (gone, doomed, parts) = self.db.write(|tx| {
            let mut shadows = tx.prepare_cached(
                "SELECT id FROM items i WHERE of IS NOT NULL AND of = ?
                 AND (EXISTS(SELECT 1 FROM files f WHERE f.item = i.id AND f.part IS NOT NULL)
                    OR NOT EXISTS(SELECT 1 FROM files f WHERE f.item = i.id))",
            )?;
            let shadows: Vec<i64> = shadows.query_map([item], |row| row.get(0))?.collect::<Result<_, _>>()?;
            let (mut blobs, mut parts) = (Vec::new(), Vec::new());
            for shadow in shadows {
                blobs.extend(blobs_of(tx, shadow)?);
                parts.extend(part_files(tx, shadow)?);
                // A finished file beside them cannot make their common blobs alone.
                tx.prepare_cached(
                    "UPDATE chunks SET state = 1 WHERE item = ?1 AND state = 2 AND blob IN
                     (SELECT k.blob FROM chunks k JOIN files f ON f.id = k.file WHERE f.item = ?1 AND f.part IS NOT NULL)",
                )?
                .execute([shadow])?;
                tx.prepare_cached("DELETE FROM files WHERE item = ? AND part IS NOT NULL")?.execute([shadow])?;
                tx.prepare_cached(
                    "DELETE FROM items WHERE id = ?1 AND NOT EXISTS(SELECT 1 FROM files WHERE item = ?1)",
                )?
                .execute([shadow])?;
            }
            doom(tx, &parts)?;
            let (gone, doomed) = sweep(tx, blobs)?;
            Ok((gone, doomed, parts))
        })?;
        self.remove_files(&doomed, &parts)?;
        Ok(gone)
    }
}

/// Whether the disk has room for what a plan still needs. Where the system does not tell, it has.
pub(crate) fn check_room(root: &Path, needed: u64) -> Result<(), StoreError> {
    match crate::error::free_near(root) {
        Some(free) if free < needed => Err(StoreError::DiskFull { path: root.to_path_buf(), free, needed }),
        _ => Ok(()),
    }
}
