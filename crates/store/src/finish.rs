//! A download's last step: its part files get their names.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use protocol::{BlobId, ChannelKey, ItemId};
use rusqlite::{OptionalExtension, Transaction, params};

use crate::db::{array, chunk_state, path, uint};
use crate::error::at;
use crate::place::forget_files;
use crate::places::{NAMES_MAX, is_others};
use crate::store::{Core, now_ms};
use crate::sweep::{doom, forget_retired, sweep};
use crate::{Store, StoreError, items, parts};

impl Store {
    /// All blobs of an item's plan are here: syncs, renames part files to their names, sets `Complete`. A name taken
    /// meanwhile by another file is left alone; ours gets `name (2)`. Doing it again after a crash half-way is right.
    /// Returns blobs of the version before that are no longer held.
    ///
    /// [`StoreError::Incomplete`]: something lacks; also when somebody removed or cut a part file, which is missing again
    /// then.
    pub fn finish_item(&self, channel: &ChannelKey, id: &ItemId) -> Result<Vec<BlobId>, StoreError> {
        let (item, root, files) = self.core.db.read(|tx| unfinished_files(tx, channel, id))?;
        let mut spoilt = BTreeSet::new();
        for file in &files {
            let whole = parts::is_whole(&root, &file.part, &file.disk, file.size)?;
            let grows = parts::taken(&file.part)?;
            // What has the final name already is ours, renamed before a crash, or somebody else's of the same length.
            if whole && (grows || self.core.is_right(item, file.row)?) {
                parts::sync_file(if grows { &file.part } else { &file.disk })?;
            } else {
                spoilt.insert(file.row);
            }
        }
        if !spoilt.is_empty() {
            tracing::warn!(item = %id, "part files were removed or cut by somebody else; they are fetched again");
            self.core.db.write(|tx| forget_files(tx, &spoilt, chunk_state::MISSING))?;
            return Err(StoreError::Incomplete);
        }
        let layout = self.core.exclusive();
        // What is about to be replaced holds nothing any more, before it is: a crash between must not leave its claim.
        let replaced = self.core.db.read(|tx| replaced(tx, item, &files))?;
        let mut gone = Vec::new();
        if !replaced.is_empty() {
            let rows = replaced.values().copied().collect();
            gone = self.core.db.write(|tx| forget_files(tx, &rows, chunk_state::UNOPENABLE))?;
        }
        let mut placed = Vec::with_capacity(files.len());
        for file in &files {
            placed.push((file.row, settle(file, replaced.contains_key(&file.row))?));
        }
        let mut folders = BTreeSet::new();
        for (_, disk) in &placed {
            folders.extend(disk.ancestors().skip(1).take_while(|f| f.starts_with(&root)).map(Path::to_path_buf));
        }
        folders.iter().try_for_each(|folder| parts::sync_dir(folder))?;
        let (more, doomed, old_parts) = self.core.db.write(|tx| {
            for (file, disk) in &placed {
                tx.prepare_cached("UPDATE files SET part = NULL, disk = ?, mtime_ns = ? WHERE id = ?")?
                    .execute(params![path::to_sql(disk), parts::mtime_ns(disk), file])?;
                tx.prepare_cached("UPDATE chunks SET unsynced = 0 WHERE file = ? AND unsynced > 0")?.execute([file])?;
            }
            tx.prepare_cached("UPDATE items SET standing = 2, changed = ? WHERE id = ?")?
                .execute(params![now_ms(), item])?;
            let (mut blobs, mut old_parts) = (Vec::new(), Vec::new());
            forget_retired(tx, item, &mut blobs, &mut old_parts)?;
            doom(tx, &old_parts)?;
            let (gone, doomed) = sweep(tx, blobs)?;
            Ok((gone, doomed, old_parts))
        })?;
        self.core.remove_files(&doomed, &old_parts)?;
        gone.extend(more);
        drop(layout);
        self.core.free_copies(item)?;
        Ok(gone)
    }
}

impl Core {
    /// E8: what the finished files make again bit for bit needs no stored copy. A blob that was only plain so far is
    /// rebuilt once to see.
    fn free_copies(&self, item: i64) -> Result<(), StoreError> {
        let stored: Vec<(i64, BlobId)> = self.db.read(|tx| {
            let mut statement = tx.prepare_cached(
                "SELECT DISTINCT b.id, b.blob FROM chunks k JOIN blobs b ON b.id = k.blob
                 WHERE k.item = ? AND k.state BETWEEN 1 AND 2 AND b.stored = 1
                 AND NOT EXISTS(SELECT 1 FROM structure s WHERE s.blob = b.id)",
            )?;
            Ok(statement
                .query_map([item], |row| Ok((row.get(0)?, BlobId(array(row, 1)?))))?
                .collect::<Result<_, _>>()?)
        })?;
        for (_, blob) in &stored {
            let _layout = self.shared();
            self.check_blob(item, blob, chunk_state::LOST)?;
        }
        if stored.is_empty() {
            return Ok(());
        }
        let _layout = self.exclusive();
        let freed = self.db.write(|tx| free(tx, &stored))?;
        self.remove_files(&freed, &[])
    }
}

/// Gives up stored copies of those of these blobs that need none: no item keeps them encrypted, no list is made of them,
/// and they are made from files, or nobody has their plain bytes. Returns what is to be removed.
pub(crate) fn free(tx: &Transaction<'_>, blobs: &[(i64, BlobId)]) -> Result<Vec<BlobId>, StoreError> {
    let mut free = tx.prepare_cached(
        "UPDATE blobs SET stored = 0, unsynced = 0 WHERE id = ?1 AND stored = 1
         AND NOT EXISTS(SELECT 1 FROM structure WHERE blob = ?1)
         AND NOT EXISTS(SELECT 1 FROM chunks WHERE blob = ?1 AND state = 3)
         AND (EXISTS(SELECT 1 FROM chunks WHERE blob = ?1 AND state = 2)
            OR NOT EXISTS(SELECT 1 FROM chunks WHERE blob = ?1 AND state = 1))",
    )?;
    let mut freed = Vec::new();
    for (row, blob) in blobs {
        if free.execute([row])? == 1 {
            freed.push(*blob);
        }
    }
    Ok(freed)
}

/// A file that waits for its name.
struct Unfinished {
    row: i64,
    disk: PathBuf,
    part: PathBuf,
    size: u64,
}

fn unfinished_files(
    tx: &Transaction<'_>,
    channel: &ChannelKey,
    id: &ItemId,
) -> Result<(i64, PathBuf, Vec<Unfinished>), StoreError> {
    let item = items::row_id(tx, channel, id)?;
    let (planned, root, lacks): (bool, Option<Vec<u8>>, bool) = tx.query_row(
        "SELECT planned, root, EXISTS(SELECT 1 FROM chunks WHERE item = ?1 AND state <= 0 AND state > -3) FROM items WHERE id = ?1",
        [item],
        |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)),
    )?;
    let (true, false, Some(root)) = (planned, lacks, root) else { return Err(StoreError::Incomplete) };
    let mut files = tx.prepare_cached(
        "SELECT id, disk, part, size FROM files WHERE item = ? AND part IS NOT NULL AND skipped = 0 ORDER BY seq",
    )?;
    let files = files.query_map([item], |row| {
        Ok(Unfinished {
            row: row.get(0)?,
            disk: path::from_sql(row.get(1)?),
            part: path::from_sql(row.get(2)?),
            size: uint(row.get(3)?),
        })
    })?;
    Ok((item, path::from_sql(root), files.collect::<Result<_, _>>()?))
}

/// Gives one part file its name; returns the name it got.
fn settle(file: &Unfinished, replaces: bool) -> Result<PathBuf, StoreError> {
    if !parts::taken(&file.part)? {
        return Ok(file.disk.clone()); // named before a crash
    }
    if replaces {
        std::fs::rename(&file.part, &file.disk).map_err(at(&file.disk))?;
        return Ok(file.disk.clone());
    }
    let mut disk = file.disk.clone();
    for number in 2..NAMES_MAX {
        if parts::rename_new(&file.part, &disk)? {
            return Ok(disk);
        }
        disk = parts::other_name(&file.disk, number, false);
    }
    let taken = std::io::Error::from(std::io::ErrorKind::AlreadyExists);
    Err(StoreError::Io { path: file.disk.clone(), source: taken })
}

/// Files in whose place the version before lies, with its row: it makes room, unless its user wrote to it or another
/// item needs it.
fn replaced(tx: &Transaction<'_>, item: i64, files: &[Unfinished]) -> Result<BTreeMap<i64, i64>, StoreError> {
    let mut of_old = tx.prepare_cached(
        "SELECT f.id, f.mtime_ns FROM files f JOIN items i ON i.id = f.item
         WHERE f.disk = ?1 AND f.part IS NULL AND i.of = ?2 ORDER BY f.id DESC LIMIT 1",
    )?;
    let mut out = BTreeMap::new();
    for file in files {
        if !parts::taken(&file.part)? || parts::length(&file.disk).is_none() || is_others(tx, item, &file.disk)? {
            continue;
        }
        let old: Option<(i64, i64)> = of_old
            .query_row(params![path::to_sql(&file.disk), item], |row| Ok((row.get(0)?, row.get(1)?)))
            .optional()?;
        if let Some((row, mtime_ns)) = old
            && (mtime_ns == 0 || mtime_ns == parts::mtime_ns(&file.disk))
        {
            out.insert(file.row, row);
        }
    }
    Ok(out)
}
