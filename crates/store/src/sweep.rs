//! What nothing needs any more: plans that were replaced, blobs that lost their last reason to be here, their files.
//!
//! The database forgets first, and keeps a list of the user's files that are to go ([`doom`]) until they are gone: a
//! process killed between the two removes them at its next start.

use std::path::PathBuf;

use protocol::BlobId;
use rusqlite::{Transaction, params};

use crate::db::{array, chunk_state, int, path, uint};
use crate::growing::{self, Part};
use crate::ours::{Doomed, claimed};
use crate::stamp::Stamp;
use crate::store::Core;
use crate::{StoreError, enter, parts};

/// Of a file that was just made, whatever its length is by now.
const ANY_LENGTH: i64 = -1;

/// Notes files that are to be removed once the transaction is through, as they were when it was found that they are ours.
pub(crate) fn doom(tx: &Transaction<'_>, files: &[Doomed]) -> Result<(), StoreError> {
    files.iter().try_for_each(|one| note(tx, one, int(one.stamp.length), None))
}

/// As [`doom`]: `one` moved, and goes only if it is whole at its new place.
pub(crate) fn doom_moved(tx: &Transaction<'_>, one: &Doomed, to: &std::path::Path) -> Result<(), StoreError> {
    note(tx, one, int(one.stamp.length), Some(to))
}

/// Notes a file that was just made and is no use if its maker ends here: it is to be removed unless the record comes to
/// tell of it.
pub(crate) fn doom_unless_recorded(tx: &Transaction<'_>, one: &Doomed) -> Result<(), StoreError> {
    note(tx, one, ANY_LENGTH, None)
}

fn note(tx: &Transaction<'_>, one: &Doomed, length: i64, to: Option<&std::path::Path>) -> Result<(), StoreError> {
    tx.prepare_cached(
        "INSERT OR REPLACE INTO doomed(file, root, length, dev, ino, mtime_ns, ctime_ns, instead)
         VALUES(?, ?, ?, ?, ?, ?, ?, ?)",
    )?
    .execute(params![
        path::to_sql(&one.file),
        path::to_sql(&one.root),
        length,
        one.stamp.dev,
        one.stamp.ino,
        one.stamp.mtime_ns,
        one.stamp.ctime_ns,
        to.map(path::to_sql),
    ])?;
    Ok(())
}

/// They are gone, or stay after all.
pub(crate) fn spare<'a>(tx: &Transaction<'_>, files: impl Iterator<Item = &'a PathBuf>) -> Result<(), StoreError> {
    let mut done = tx.prepare_cached("DELETE FROM doomed WHERE file = ?")?;
    for file in files {
        done.execute([path::to_sql(file)])?;
    }
    Ok(())
}

/// A row of files to remove.
struct Noted {
    one: Doomed,
    any_length: bool,
    instead: Option<PathBuf>,
}

impl Core {
    /// Removes blob files and user files that no row tells of any more. Returns those that stay, for somebody was at them
    /// since.
    pub(crate) fn remove_files(&self, blobs: &[BlobId], files: &[Doomed]) -> Result<Vec<PathBuf>, StoreError> {
        for blob in blobs {
            self.blobs.remove(blob)?;
        }
        let mut kept = Vec::new();
        for one in files {
            if !remove(one, |now| *now == one.stamp)? {
                kept.push(one.file.clone());
            }
        }
        if !files.is_empty() {
            self.write_soon(|tx| spare(tx, files.iter().map(|one| &one.file)))?;
        }
        Ok(kept)
    }

    /// Removes what a process that was killed had still to remove. What is another file by now stays, and so does what
    /// the record tells of again, and what moved to a place where it is not.
    pub(crate) fn remove_doomed(&self) -> Result<(), StoreError> {
        let noted: Vec<Noted> = self.db.read(|tx| {
            let mut statement =
                tx.prepare_cached("SELECT root, file, length, dev, ino, mtime_ns, ctime_ns, instead FROM doomed")?;
            let rows = statement.query_map([], |row| {
                let length: i64 = row.get(2)?;
                let stamp = Stamp {
                    length: uint(length),
                    dev: row.get(3)?,
                    ino: row.get(4)?,
                    mtime_ns: row.get(5)?,
                    ctime_ns: row.get(6)?,
                };
                let (root, file) = (path::from_sql(row.get(0)?), path::from_sql(row.get(1)?));
                let instead = row.get::<_, Option<Vec<u8>>>(7)?.map(path::from_sql);
                Ok(Noted { one: Doomed { root, file, stamp }, any_length: length == ANY_LENGTH, instead })
            })?;
            Ok(rows.collect::<Result<_, _>>()?)
        })?;
        let mut done = Vec::new();
        for Noted { mut one, any_length, instead } in noted {
            let Some(now) = Stamp::at(&one.file) else {
                done.push(one.file);
                continue;
            };
            let known = one.stamp;
            // The device may have another number after a restart.
            let same = if any_length {
                known.ino != 0 && known.ino == now.ino
            } else {
                Stamp { dev: 0, ..known }.agrees(&now)
            };
            let (same, arrived) = match instead.as_deref().map(Stamp::at) {
                None => (same, true),
                // Two names of one file: taking one away takes no bytes.
                Some(Some(there)) if there.is_same_file(&now) => (true, true),
                Some(there) => (same, there.is_some_and(|there| there.length == known.length)),
            };
            one.stamp = now;
            let is_needed = !self.db.read(|tx| claimed(tx, i64::MIN, std::slice::from_ref(&one)))?.is_empty();
            let removed = if same && arrived && !is_needed { remove(&one, |is| *is == now) } else { Ok(false) };
            match removed {
                Ok(true) => done.push(one.file),
                Ok(false) => {
                    tracing::warn!(file = %one.file.display(), "it was to be removed, and is another file by now: it stays");
                    done.push(one.file);
                }
                Err(error) => tracing::warn!(%error, "a file that is not needed any more cannot be removed"),
            }
        }
        if done.is_empty() {
            return Ok(());
        }
        self.db.write(|tx| spare(tx, done.iter()))
    }
}

/// Removes a file and then the folders above it that are empty. One that lies behind a link out of its root, or that is
/// not the one that was looked at, stays: `false`.
fn remove(one: &Doomed, is: impl FnOnce(&Stamp) -> bool) -> Result<bool, StoreError> {
    match enter::reach(&one.root, &one.file) {
        Ok(Some(place)) => {
            if !place.remove_if(is)? {
                return Ok(false);
            }
        }
        Ok(None) => {}
        Err(StoreError::OutsideRoot { .. }) => return Ok(false),
        Err(error) => return Err(error),
    }
    if let Some(folder) = one.file.parent() {
        parts::remove_empty_folders(&one.root, folder);
    }
    Ok(true)
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

/// Part files of an item's plan that are ours and that nobody else needs.
pub(crate) fn part_files(tx: &Transaction<'_>, item: i64) -> Result<Vec<Doomed>, StoreError> {
    let mut statement = tx.prepare_cached(
        "SELECT i.root, f.part, f.ino, f.size FROM files f JOIN items i ON i.id = f.item
         WHERE i.id = ? AND f.part IS NOT NULL",
    )?;
    let rows = statement.query_map([item], |row| {
        let file = path::from_sql(row.get(1)?);
        let root = row.get::<_, Option<Vec<u8>>>(0)?.map_or_else(|| file.clone(), path::from_sql);
        Ok((root, file, row.get(2)?, uint(row.get(3)?)))
    })?;
    let mut out = Vec::new();
    for row in rows {
        let (root, file, number, size) = row?;
        if let Some(stamp) = Stamp::at(&file)
            && growing::is(number, size, Some(&stamp)) == Part::Ours
        {
            out.push(Doomed { root, file, stamp });
        }
    }
    let claimed = claimed(tx, item, &out)?;
    out.retain(|one| !claimed.contains(&one.file));
    Ok(out)
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
    tx.prepare_cached("UPDATE items SET planned = 0, have = 0, plan = plan + 1 WHERE id = ?")?.execute([item])?;
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
