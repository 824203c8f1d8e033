//! Plans of items: files, their chunks, which of them are missing.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use protocol::params::CHUNK_LEN;
use protocol::{BlobId, BlobKey, ChannelKey, Chunk, ItemId, SafePath};
use rusqlite::{OptionalExtension, Transaction, params};

use crate::adopt::{adopt, check_room, unchanged};
use crate::db::{array, chunk_state, form, int, path, uint};
use crate::error::at;
use crate::items;
use crate::places::{choose_places, free_part};
use crate::store::now_ms;
use crate::sweep::{blobs_of, doom, forget_retired, part_files, retire, sweep};
use crate::{ItemRow, PlanFile, Planned, ReadError, Standing, Store, StoreError, channels};

impl Store {
    /// Records a download's plan: files go to `root`, as `.part` files until finished; a listed item becomes wanted. A
    /// plan recorded before is replaced: files that are the same in both move over with what is here of them, and of
    /// others the blobs held already count as had, their bytes are copied now. An item that then lacks nothing is ready
    /// for [`Store::finish_item`]; see [`Store::unfinished`].
    ///
    /// Where a file's place is taken by one that is not this item's, another name is chosen: `name (2)` for the folder,
    /// or for the one file of an item without a folder. [`StoreError::DiskFull`]: the disk has no room for what is to be
    /// fetched; nothing was changed.
    pub fn plan_download(
        &self,
        channel: &ChannelKey,
        id: &ItemId,
        root: &Path,
        files: Vec<PlanFile>,
    ) -> Result<Planned, StoreError> {
        self.record_plan(channel, id, root, files, false)
    }

    /// As [`Store::plan_download`], for an item that is kept only encrypted: its blobs are stored, and nothing is written
    /// where its files would lie. Such an item is whole once its blobs are here.
    pub fn plan_encrypted(
        &self,
        channel: &ChannelKey,
        id: &ItemId,
        root: &Path,
        files: Vec<PlanFile>,
    ) -> Result<Planned, StoreError> {
        self.record_plan(channel, id, root, files, true)
    }

    fn record_plan(
        &self,
        channel: &ChannelKey,
        id: &ItemId,
        root: &Path,
        files: Vec<PlanFile>,
        encrypted: bool,
    ) -> Result<Planned, StoreError> {
        files.iter().try_for_each(check)?;
        let root = std::path::absolute(root).map_err(at(root))?;
        let layout = self.core.exclusive();
        let (item, root) = self.core.db.write(|tx| {
            let item = items::row_id(tx, channel, id)?;
            let form: i64 = tx.query_row("SELECT form FROM items WHERE id = ?", [item], |row| row.get(0))?;
            retire(tx, channels::row_id(tx, channel)?, item)?;
            let (root, disks) = choose_places(tx, item, root, &files)?;
            // Files and sealed blobs are no form of each other: what is here of the one is copied to the other.
            let same = if encrypted { vec![None; files.len()] } else { unchanged(tx, item, &files, &disks)? };
            let new = files.iter().zip(&same).filter(|(_, same)| same.is_none());
            let new: u64 = new.map(|(file, _)| file.size).sum();
            if encrypted {
                check_room(&self.core.blobs.path(&BlobId([0; 32])), new)?;
            } else {
                // The folder's trouble shows now, not at the first blob.
                std::fs::create_dir_all(&root).map_err(at(&root))?;
                tempfile::tempfile_in(&root).map_err(at(&root))?;
                check_room(&root, new)?;
            }
            self.core.check_quota(tx, new)?;
            let skipped = skipped_before(tx, item)?;
            let mut have = 0;
            for (seq, ((file, disk), same)) in files.iter().zip(&disks).zip(same).enumerate() {
                match same {
                    Some(row) => have += adopt(tx, item, seq, row, file)?,
                    None => {
                        let place = match encrypted {
                            true => Lies::Sealed,
                            false => Lies::Part(free_part(tx, disk)?),
                        };
                        let row = insert_file(tx, item, seq, file, disk, &place)?;
                        if skipped.contains(file.path.as_str()) {
                            crate::choose::skip(tx, row)?;
                        }
                    }
                }
            }
            tx.prepare_cached(
                "UPDATE items SET root = ?1, planned = 1, have = ?2, standing = MAX(standing, 1), changed = ?3, form = ?4,
                    skipped = (SELECT COALESCE(SUM(size), 0) FROM files WHERE item = ?5 AND skipped = 1) WHERE id = ?5",
            )?
            .execute(params![
                path::to_sql(&root),
                have,
                now_ms(),
                if encrypted { form::ENCRYPTED } else { form::plain(form) },
                item
            ])?;
            Ok((item, root))
        })?;
        drop(layout);
        self.core.take_found(item)?;
        self.copy_held(item)?;
        let gone = self.core.prune(item)?;
        Ok(Planned { root, gone })
    }

    /// Fills a new plan from blobs that are here.
    fn copy_held(&self, item: i64) -> Result<(), StoreError> {
        let held: Vec<BlobId> = self.core.db.read(|tx| {
            let mut statement = tx.prepare_cached(
                "SELECT DISTINCT b.blob FROM chunks k JOIN blobs b ON b.id = k.blob WHERE k.item = ? AND k.state = 0
                 AND (b.stored = 1 OR EXISTS(SELECT 1 FROM chunks d WHERE d.blob = b.id AND d.state = 2))",
            )?;
            Ok(statement.query_map([item], |row| Ok(BlobId(array(row, 0)?)))?.collect::<Result<_, _>>()?)
        })?;
        for blob in held {
            match self.read_blob(&blob) {
                Ok(blob) => drop(self.place(blob)?),
                // Not here after all: it will be fetched.
                Err(ReadError::Missing | ReadError::Changed { .. }) => {}
                Err(ReadError::Store(error)) => return Err(error),
            }
        }
        Ok(())
    }

    /// Records a published item: its files' blobs are held derived, where `disk` says they lie. Replaces what the item
    /// held before; returns the blobs that are no longer held.
    pub fn record_published(&self, item: &ItemRow, files: Vec<PlanFile>) -> Result<Vec<BlobId>, StoreError> {
        files.iter().try_for_each(check)?;
        let _layout = self.core.exclusive();
        let (gone, doomed, old_parts) = self.core.db.write(|tx| {
            let channel = channels::row_id(tx, &item.channel)?;
            items::insert(tx, channel, item, item.position, Standing::Published)?;
            let row = items::row_id(tx, &item.channel, &item.id)?;
            let mut blobs = blobs_of(tx, row)?;
            let mut old_parts = part_files(tx, row)?;
            forget_retired(tx, row, &mut blobs, &mut old_parts)?;
            tx.prepare_cached("DELETE FROM files WHERE item = ?")?.execute([row])?;
            for (seq, file) in files.iter().enumerate() {
                let disk = std::path::absolute(&file.disk).map_err(at(&file.disk))?;
                insert_file(tx, row, seq, file, &disk, &Lies::Whole)?;
            }
            tx.prepare_cached("UPDATE items SET planned = 1, have = ? WHERE id = ?")?
                .execute(params![int(files.iter().map(|f| f.size).sum()), row])?;
            doom(tx, &old_parts)?;
            let (gone, doomed) = sweep(tx, blobs)?;
            Ok((gone, doomed, old_parts))
        })?;
        self.core.remove_files(&doomed, &old_parts)?;
        Ok(gone)
    }

    /// Files of an item's plan with verified plain bytes.
    pub fn files(&self, channel: &ChannelKey, id: &ItemId) -> Result<Vec<(PlanFile, u64)>, StoreError> {
        self.core.db.read(|tx| {
            let item = items::row_id(tx, channel, id)?;
            let mut chunks = tx.prepare_cached(
                "SELECT b.blob, k.key, k.nonce, k.off, k.len FROM chunks k JOIN blobs b ON b.id = k.blob
                 WHERE k.file = ? ORDER BY k.seq",
            )?;
            let mut files = tx.prepare_cached(
                "SELECT id, path, disk, size, mime, mtime_ns, have FROM files WHERE item = ? ORDER BY seq",
            )?;
            let mut rows = files.query([item])?;
            let mut out = Vec::new();
            while let Some(row) = rows.next()? {
                let chunks = chunks.query_map([row.get::<_, i64>(0)?], |row| {
                    let key = BlobKey { key: array(row, 1)?, nonce: array(row, 2)? };
                    Ok(Chunk { blob: BlobId(array(row, 0)?), key, offset: row.get(3)?, len: row.get(4)? })
                })?;
                let file = PlanFile {
                    path: kept_path(&row.get::<_, String>(1)?)?,
                    disk: path::from_sql(row.get(2)?),
                    size: uint(row.get(3)?),
                    mime: row.get(4)?,
                    mtime_ns: row.get(5)?,
                    chunks: chunks.collect::<Result<_, _>>()?,
                };
                out.push((file, uint(row.get(6)?)));
            }
            Ok(out)
        })
    }

    /// Up to `limit` blobs that an item still lacks, in file order, each once, after skipping those for which `skip` is
    /// true.
    pub fn missing(
        &self,
        channel: &ChannelKey,
        id: &ItemId,
        limit: usize,
        skip: &dyn Fn(&BlobId) -> bool,
    ) -> Result<Vec<BlobId>, StoreError> {
        self.core.db.read(|tx| {
            let item = items::row_id(tx, channel, id)?;
            let mut statement = tx.prepare_cached(
                "SELECT b.blob FROM chunks k JOIN blobs b ON b.id = k.blob
                 WHERE k.item = ? AND k.state <= 0 AND k.state = 0 ORDER BY k.file, k.seq",
            )?;
            let mut rows = statement.query([item])?;
            let mut out = Vec::new();
            let mut seen = std::collections::HashSet::new();
            while out.len() < limit
                && let Some(row) = rows.next()?
            {
                let blob = BlobId(array(row, 0)?);
                if !skip(&blob) && seen.insert(blob) {
                    out.push(blob);
                }
            }
            Ok(out)
        })
    }

    /// Verified plain bytes of an item.
    pub fn have_bytes(&self, channel: &ChannelKey, id: &ItemId) -> Result<u64, StoreError> {
        self.core.db.read(|tx| {
            let item = items::row_id(tx, channel, id)?;
            Ok(uint(tx.prepare_cached("SELECT have FROM items WHERE id = ?")?.query_row([item], |row| row.get(0))?))
        })
    }
}

/// A plan's own arithmetic.
fn check(file: &PlanFile) -> Result<(), StoreError> {
    let wrong = |why| Err(StoreError::BadPlan { path: file.path.as_str().to_string(), why });
    if file.chunks.iter().any(|c| u64::from(c.offset) + u64::from(c.len) > CHUNK_LEN as u64) {
        return wrong("a chunk ends behind its blob");
    }
    if file.chunks.iter().map(|c| u64::from(c.len)).sum::<u64>() != file.size {
        return wrong("its chunks do not add up to its size");
    }
    Ok(())
}

pub(crate) fn kept_path(text: &str) -> Result<SafePath, StoreError> {
    SafePath::parse(text).map_err(|e| StoreError::Corrupt(format!("a file's path: {e}")))
}

/// Where a new file's bytes lie.
enum Lies {
    /// Where the user keeps it.
    Whole,
    /// Nowhere yet: they will grow here.
    Part(PathBuf),
    /// Nowhere yet, and never but in sealed blobs.
    Sealed,
}

/// Paths of an item's earlier plans that its user did not want.
fn skipped_before(tx: &Transaction<'_>, item: i64) -> Result<HashSet<String>, StoreError> {
    let mut statement =
        tx.prepare_cached("SELECT f.path FROM files f JOIN items i ON i.id = f.item WHERE i.of = ? AND f.skipped = 1")?;
    Ok(statement.query_map([item], |row| row.get(0))?.collect::<Result<_, _>>()?)
}

/// Inserts a file and its chunks: derived where the file is whole, else missing. Returns its row.
fn insert_file(
    tx: &Transaction<'_>,
    item: i64,
    seq: usize,
    file: &PlanFile,
    disk: &Path,
    lies: &Lies,
) -> Result<i64, StoreError> {
    let (part, have) = match lies {
        Lies::Whole => (None, int(file.size)),
        Lies::Part(part) => (Some(part.as_path()), 0),
        Lies::Sealed => (None, 0),
    };
    tx.prepare_cached(
        "INSERT INTO files(item, seq, path, disk, part, size, mime, mtime_ns, have) VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?)",
    )?
    .execute(params![
        item,
        int(seq as u64),
        file.path.as_str(),
        path::to_sql(disk),
        part.map(path::to_sql),
        int(file.size),
        file.mime,
        file.mtime_ns,
        have,
    ])?;
    let row = tx.last_insert_rowid();
    let mut insert = tx.prepare_cached(
        "INSERT INTO chunks(file, seq, item, blob, key, nonce, off, len, at, state) VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    )?;
    let mut at = 0;
    for (seq, chunk) in file.chunks.iter().enumerate() {
        let state = match (lies, chunk.len) {
            (Lies::Whole, _) => chunk_state::DERIVED,
            (_, 0) => chunk_state::PLAIN,
            _ => chunk_state::MISSING,
        };
        let blob = blob_row(tx, &chunk.blob)?;
        insert.execute(params![
            row,
            int(seq as u64),
            item,
            blob,
            chunk.key.key,
            chunk.key.nonce,
            chunk.offset,
            chunk.len,
            int(at),
            state,
        ])?;
        at += u64::from(chunk.len);
    }
    Ok(row)
}

/// The row of a blob, if there is one.
pub(crate) fn find_blob(tx: &Transaction<'_>, blob: &BlobId) -> Result<Option<i64>, StoreError> {
    let mut find = tx.prepare_cached("SELECT id FROM blobs WHERE blob = ?")?;
    Ok(find.query_row([blob.as_bytes()], |row| row.get(0)).optional()?)
}

/// The row of a blob, made when it is new.
pub(crate) fn blob_row(tx: &Transaction<'_>, blob: &BlobId) -> Result<i64, StoreError> {
    if let Some(row) = find_blob(tx, blob)? {
        return Ok(row);
    }
    tx.prepare_cached("INSERT INTO blobs(blob) VALUES(?)")?.execute([blob.as_bytes()])?;
    Ok(tx.last_insert_rowid())
}
