//! What nothing needs any more: plans that were replaced, blobs that lost their last reason to be here, their files.
//!
//! The database forgets first, and keeps a list of the user's files that are to go ([`doom`]) until they are gone: a
//! process killed between the two removes them at its next start.

use std::path::PathBuf;

use protocol::BlobId;
use rusqlite::{Transaction, params};

use crate::db::{array, chunk_state, int, path, uint};
use crate::store::Core;
use crate::{StoreError, parts};

/// A file to remove after the transaction, and the root above which nothing is touched.
pub(crate) type Doomed = (Option<PathBuf>, PathBuf);

/// Notes files that are to be removed once the transaction is through, as they are now.
pub(crate) fn doom(tx: &Transaction<'_>, files: &[Doomed]) -> Result<(), StoreError> {
    let mut insert =
        tx.prepare_cached("INSERT OR REPLACE INTO doomed(file, root, length, mtime_ns) VALUES(?, ?, ?, ?)")?;
    for (root, file) in files {
        let Some(length) = parts::length(file) else { continue };
        let root = root.as_deref().unwrap_or(file);
        insert.execute(params![path::to_sql(file), path::to_sql(root), int(length), parts::mtime_ns(file)])?;
    }
    Ok(())
}

impl Core {
    /// Removes blob files and user files that no row tells of any more.
    pub(crate) fn remove_files(&self, blobs: &[BlobId], files: &[Doomed]) -> Result<(), StoreError> {
        for blob in blobs {
            self.blobs.remove(blob)?;
        }
        for (root, file) in files {
            parts::remove_below(root.as_deref().unwrap_or(file), file)?;
        }
        if files.is_empty() {
            return Ok(());
        }
        self.write_soon(|tx| {
            let mut done = tx.prepare_cached("DELETE FROM doomed WHERE file = ?")?;
            files.iter().try_for_each(|(_, file)| Ok(done.execute([path::to_sql(file)]).map(drop)?))
        })
    }

    /// Removes what a process that was killed had still to remove; a file that is another one by now stays.
    pub(crate) fn remove_doomed(&self) -> Result<(), StoreError> {
        let doomed: Vec<(Doomed, u64, i64)> = self.db.read(|tx| {
            let mut statement = tx.prepare_cached("SELECT root, file, length, mtime_ns FROM doomed")?;
            let rows = statement.query_map([], |row| {
                let doomed = (Some(path::from_sql(row.get(0)?)), path::from_sql(row.get(1)?));
                Ok((doomed, uint(row.get(2)?), row.get(3)?))
            })?;
            Ok(rows.collect::<Result<_, _>>()?)
        })?;
        let mut done = Vec::new();
        for ((root, file), length, mtime_ns) in doomed {
            let same = parts::length(&file) == Some(length) && parts::mtime_ns(&file) == mtime_ns;
            let removed = if same { parts::remove_below(root.as_deref().unwrap_or(&file), &file) } else { Ok(()) };
            match removed {
                Ok(()) => done.push(file),
                Err(error) => tracing::warn!(%error, "a file that is not needed any more cannot be removed"),
            }
        }
        if done.is_empty() {
            return Ok(());
        }
        self.db.write(|tx| {
            let mut delete = tx.prepare_cached("DELETE FROM doomed WHERE file = ?")?;
            done.iter().try_for_each(|file| Ok(delete.execute([path::to_sql(file)]).map(drop)?))
        })
    }
}

/// A blob that may lose its last reason to be here, and whether it was held before.
pub(crate) type Candidate = (i64, bool);

/// The blobs of an item's plan.
pub(crate) fn blobs_of(tx: &Transaction<'_>, item: i64) -> Result<Vec<Candidate>, StoreError> {
    let mut statement = tx.prepare_cached(
        "SELECT b.id, b.stored = 1 OR EXISTS(SELECT 1 FROM chunks d WHERE d.blob = b.id AND d.state = 2)
         FROM blobs b WHERE b.id IN (SELECT blob FROM chunks WHERE item = ?)",
    )?;
    Ok(statement.query_map([item], |row| Ok((row.get(0)?, row.get(1)?)))?.collect::<Result<_, _>>()?)
}

fn files_where(tx: &Transaction<'_>, item: i64, what: &str) -> Result<Vec<Doomed>, StoreError> {
    let mut statement = tx.prepare_cached(what)?;
    let rows = statement.query_map([item], |row| {
        Ok((row.get::<_, Option<Vec<u8>>>(0)?.map(path::from_sql), path::from_sql(row.get(1)?)))
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Part files of an item's plan.
pub(crate) fn part_files(tx: &Transaction<'_>, item: i64) -> Result<Vec<Doomed>, StoreError> {
    files_where(
        tx,
        item,
        "SELECT i.root, f.part FROM files f JOIN items i ON i.id = f.item WHERE i.id = ? AND f.part IS NOT NULL",
    )
}

/// Finished files of a download and of its retired plans, but for those that another item, published from there perhaps,
/// needs.
pub(crate) fn finished_files(tx: &Transaction<'_>, item: i64) -> Result<Vec<Doomed>, StoreError> {
    files_where(
        tx,
        item,
        "SELECT i.root, f.disk FROM items i JOIN files f ON f.item = i.id
         WHERE (i.id = ?1 OR i.of = ?1) AND f.part IS NULL AND i.form <> 1 AND NOT EXISTS(
            SELECT 1 FROM files o JOIN items oi ON oi.id = o.item
            WHERE o.disk = f.disk AND oi.id <> ?1 AND oi.of IS NOT ?1)",
    )
}

/// An item's plan becomes a retired one of its own row: its files still hold blobs until the next plan is finished.
pub(crate) fn retire(tx: &Transaction<'_>, channel: i64, item: i64) -> Result<(), StoreError> {
    let planned: bool = tx.query_row("SELECT planned FROM items WHERE id = ?", [item], |row| row.get(0))?;
    if planned {
        tx.prepare_cached(
            "INSERT INTO items(channel, item, of, name, about, published, position, files, bytes, json, standing,
                paused, root, left_out, planned, have, changed, form)
             SELECT ?1, NULL, id, '', '', 0, 0, 0, 0, x'', 0, 0, root, '[]', 0, 0, 0, form FROM items WHERE id = ?2",
        )?
        .execute(params![channel, item])?;
        let shadow = tx.last_insert_rowid();
        // What it lacks is not wanted on its behalf any more.
        tx.prepare_cached("UPDATE chunks SET state = ? WHERE item = ? AND state = ?")?.execute(params![
            chunk_state::UNOPENABLE,
            item,
            chunk_state::MISSING
        ])?;
        tx.prepare_cached("UPDATE chunks SET item = ? WHERE item = ?")?.execute([shadow, item])?;
        tx.prepare_cached("UPDATE files SET item = ? WHERE item = ?")?.execute([shadow, item])?;
    }
    tx.prepare_cached("UPDATE items SET planned = 0, have = 0 WHERE id = ?")?.execute([item])?;
    Ok(())
}

/// Ends an item's retired plans; their blobs and part files are added to what is to be swept. Finished files stay.
pub(crate) fn forget_retired(
    tx: &Transaction<'_>,
    item: i64,
    blobs: &mut Vec<Candidate>,
    files: &mut Vec<Doomed>,
) -> Result<(), StoreError> {
    let mut shadows = tx.prepare_cached("SELECT id FROM items WHERE of IS NOT NULL AND of = ?")?;
    let shadows: Vec<i64> = shadows.query_map([item], |row| row.get(0))?.collect::<Result<_, _>>()?;
    for shadow in shadows {
        blobs.extend(blobs_of(tx, shadow)?);
        files.extend(part_files(tx, shadow)?);
        tx.prepare_cached("DELETE FROM items WHERE id = ?")?.execute([shadow])?;
    }
    Ok(())
}

/// Drops candidates that nothing refers to. Returns those no longer held, and those whose blob file is to be removed
/// once the transaction is through.
pub(crate) fn sweep(
    tx: &Transaction<'_>,
    mut candidates: Vec<Candidate>,
) -> Result<(Vec<BlobId>, Vec<BlobId>), StoreError> {
    candidates.sort_unstable_by_key(|(row, held)| (*row, !held));
    candidates.dedup_by_key(|(row, _)| *row);
    let (mut gone, mut doomed) = (Vec::new(), Vec::new());
    let mut look = tx.prepare_cached(
        "SELECT blob, stored, EXISTS(SELECT 1 FROM chunks WHERE blob = b.id),
            EXISTS(SELECT 1 FROM structure WHERE blob = b.id),
            EXISTS(SELECT 1 FROM chunks WHERE blob = b.id AND state = 2) FROM blobs b WHERE id = ?",
    )?;
    for (row, was_held) in candidates {
        let (blob, stored, in_chunks, in_structure, derived) = look.query_row([row], |r| {
            let blob = BlobId(array(r, 0)?);
            Ok((blob, r.get::<_, bool>(1)?, r.get::<_, bool>(2)?, r.get::<_, bool>(3)?, r.get::<_, bool>(4)?))
        })?;
        let needed = in_chunks || in_structure;
        if !needed {
            tx.prepare_cached("DELETE FROM blobs WHERE id = ?")?.execute([row])?;
            if stored {
                doomed.push(blob);
            }
        }
        if was_held && !(needed && (stored || derived)) {
            gone.push(blob);
        }
    }
    Ok((gone, doomed))
}
