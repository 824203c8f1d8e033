//! Plans of items: files, their chunks, which of them are missing; blobs that nothing needs any more.

use std::path::{Path, PathBuf};

use protocol::params::CHUNK_LEN;
use protocol::{BlobId, BlobKey, ChannelKey, Chunk, ItemId, SafePath};
use rusqlite::{OptionalExtension, Transaction, params};

use crate::db::{array, chunk_state, int, path, uint};
use crate::error::at;
use crate::items::{self, Doomed};
use crate::store::now_ms;
use crate::{ItemRow, PlanFile, ReadError, Standing, Store, StoreError, channels, parts};

/// Names tried beside a taken one.
const NAMES_MAX: u32 = 1000;

impl Store {
    /// Records a download's plan: files go to `root`, as `.part` files until finished; a listed item becomes wanted.
    /// Blobs already held elsewhere count as had: their bytes are copied now. An item that then lacks nothing is ready
    /// for [`Store::finish_item`]; see [`Store::unfinished`].
    ///
    /// Where a file's place is taken by one that is not this item's, another name is chosen: `name (2)` for the folder,
    /// or for the one file of an item without a folder. Returns the root used. A plan recorded before is replaced.
    pub fn plan_download(
        &self,
        channel: &ChannelKey,
        id: &ItemId,
        root: &Path,
        files: Vec<PlanFile>,
    ) -> Result<PathBuf, StoreError> {
        files.iter().try_for_each(check)?;
        let root = std::path::absolute(root).map_err(at(root))?;
        let layout = self.core.exclusive();
        let (item, root) = self.core.db.write(|tx| {
            let item = items::row_id(tx, channel, id)?;
            retire(tx, channels::row_id(tx, channel)?, item)?;
            let (root, disks) = choose_places(tx, item, root, &files)?;
            // The folder's trouble shows now, not at the first blob.
            std::fs::create_dir_all(&root).map_err(at(&root))?;
            tempfile::Builder::new().prefix(".megatorrent-").tempfile_in(&root).map_err(at(&root))?;
            for (seq, (file, disk)) in files.iter().zip(&disks).enumerate() {
                let part = free_part(tx, disk)?;
                insert_file(tx, item, seq, file, disk, Some(&part))?;
            }
            tx.prepare_cached(
                "UPDATE items SET root = ?, planned = 1, have = 0, standing = MAX(standing, 1), changed = ? WHERE id = ?",
            )?
            .execute(params![path::to_sql(&root), now_ms(), item])?;
            Ok((item, root))
        })?;
        drop(layout);
        self.copy_held(item)?;
        Ok(root)
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
                Ok(blob) => drop(self.place(&blob)?),
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
        let (gone, doomed, part_files) = self.core.db.write(|tx| {
            let channel = channels::row_id(tx, &item.channel)?;
            items::insert(tx, channel, item, item.position, Standing::Published)?;
            let row = items::row_id(tx, &item.channel, &item.id)?;
            let mut blobs = blobs_of(tx, row)?;
            let mut old_parts = part_files(tx, row)?;
            forget_retired(tx, row, &mut blobs, &mut old_parts)?;
            tx.prepare_cached("DELETE FROM files WHERE item = ?")?.execute([row])?;
            for (seq, file) in files.iter().enumerate() {
                let disk = std::path::absolute(&file.disk).map_err(at(&file.disk))?;
                insert_file(tx, row, seq, file, &disk, None)?;
            }
            tx.prepare_cached("UPDATE items SET planned = 1, have = ? WHERE id = ?")?
                .execute(params![int(files.iter().map(|f| f.size).sum()), row])?;
            let (gone, doomed) = sweep(tx, blobs)?;
            Ok((gone, doomed, old_parts))
        })?;
        self.core.remove_files(&doomed, &part_files)?;
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

    /// Says where an item's files lie now: its folder, or the file itself for an item of one file; verify afterwards.
    pub fn locate(&self, channel: &ChannelKey, id: &ItemId, place: &Path) -> Result<(), StoreError> {
        let place = std::path::absolute(place).map_err(at(place))?;
        let _layout = self.core.exclusive();
        self.core.db.write(|tx| {
            let item = items::row_id(tx, channel, id)?;
            let root: Option<Vec<u8>> =
                tx.query_row("SELECT root FROM items WHERE id = ?", [item], |row| row.get(0))?;
            let old_root = root.map(path::from_sql);
            let mut files = tx.prepare_cached("SELECT id, path, part FROM files WHERE item = ?")?;
            let files: Vec<(i64, String, Option<Vec<u8>>)> = files
                .query_map([item], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?
                .collect::<Result<_, _>>()?;
            let itself = matches!(files.as_slice(), [(_, path, _)] if !path.contains('/')) && place.is_file();
            let root = if itself { place.parent().unwrap_or(&place) } else { &place };
            for (file, text, part) in &files {
                let disk = if itself { place.clone() } else { parts::join(root, &kept_path(text)?) };
                // A part file moved along with its folder.
                let part = part.clone().map(path::from_sql).map(|part| {
                    let below = old_root.as_deref().and_then(|old| part.strip_prefix(old).ok());
                    below.map_or_else(|| parts::part_name(&disk, 1), |below| root.join(below))
                });
                tx.prepare_cached("UPDATE files SET disk = ?, part = ? WHERE id = ?")?.execute(params![
                    path::to_sql(&disk),
                    part.as_deref().map(path::to_sql),
                    file
                ])?;
            }
            tx.prepare_cached("UPDATE items SET root = ?, changed = ? WHERE id = ?")?.execute(params![
                path::to_sql(root),
                now_ms(),
                item
            ])?;
            Ok(())
        })
    }

    /// All blobs of an item's plan are here: syncs, renames part files to their names, sets `Complete`. A name taken
    /// meanwhile by another file is left alone; ours gets `name (2)`. Doing it again after a crash half-way is right.
    pub fn finish_item(&self, channel: &ChannelKey, id: &ItemId) -> Result<ItemRow, StoreError> {
        let (item, root, files) = self.core.db.read(|tx| unfinished_files(tx, channel, id))?;
        for file in &files {
            parts::open_part_or_done(&root, &file.part, &file.disk, file.size)?;
            let grown = if parts::taken(&file.part)? { &file.part } else { &file.disk };
            parts::sync_file(grown)?;
        }
        let _layout = self.core.exclusive();
        let mut placed = Vec::with_capacity(files.len());
        for file in &files {
            placed.push((file.row, self.core.settle(item, file)?));
        }
        let mut folders = std::collections::BTreeSet::new();
        for (_, disk) in &placed {
            folders.extend(disk.ancestors().skip(1).take_while(|f| f.starts_with(&root)).map(Path::to_path_buf));
        }
        folders.iter().try_for_each(|folder| parts::sync_dir(folder))?;
        let (doomed, old_parts) = self.core.db.write(|tx| {
            for (file, disk) in &placed {
                tx.prepare_cached("UPDATE files SET part = NULL, disk = ?, mtime_ns = ? WHERE id = ?")?
                    .execute(params![path::to_sql(disk), parts::mtime_ns(disk), file])?;
            }
            tx.prepare_cached("UPDATE chunks SET unsynced = 0 WHERE item = ? AND unsynced > 0")?.execute([item])?;
            tx.prepare_cached("UPDATE items SET standing = 2, changed = ? WHERE id = ?")?
                .execute(params![now_ms(), item])?;
            let (mut blobs, mut old_parts) = (Vec::new(), Vec::new());
            forget_retired(tx, item, &mut blobs, &mut old_parts)?;
            Ok((sweep(tx, blobs)?.1, old_parts))
        })?;
        self.core.remove_files(&doomed, &old_parts)?;
        self.item(channel, id)?.ok_or(StoreError::UnknownItem)
    }
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
        "SELECT planned, root, EXISTS(SELECT 1 FROM chunks WHERE item = ?1 AND state <= 0) FROM items WHERE id = ?1",
        [item],
        |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)),
    )?;
    let (true, false, Some(root)) = (planned, lacks, root) else { return Err(StoreError::Incomplete) };
    let mut files =
        tx.prepare_cached("SELECT id, disk, part, size FROM files WHERE item = ? AND part IS NOT NULL ORDER BY seq")?;
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

impl crate::store::Core {
    /// Gives one part file its name; returns the name it got.
    fn settle(&self, item: i64, file: &Unfinished) -> Result<PathBuf, StoreError> {
        if !parts::taken(&file.part)? {
            return Ok(file.disk.clone()); // named before a crash
        }
        let ours = self.db.read(|tx| is_retired_place(tx, item, &file.disk))?;
        if ours && std::fs::symlink_metadata(&file.disk).is_ok_and(|m| m.is_file()) {
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

fn kept_path(text: &str) -> Result<SafePath, StoreError> {
    SafePath::parse(text).map_err(|e| StoreError::Corrupt(format!("a file's path: {e}")))
}

/// The root and each file's place below it, free of files that are not this item's.
fn choose_places(
    tx: &Transaction<'_>,
    item: i64,
    root: PathBuf,
    files: &[PlanFile],
) -> Result<(PathBuf, Vec<PathBuf>), StoreError> {
    if let [file] = files
        && !file.path.as_str().contains('/')
    {
        let first = parts::join(&root, &file.path);
        let mut disk = first.clone();
        let mut number = 2;
        while number < NAMES_MAX && is_foreign(tx, item, &disk)? {
            disk = parts::other_name(&first, number, false);
            number += 1;
        }
        return Ok((root, vec![disk]));
    }
    let mut chosen = root.clone();
    let mut number = 2;
    loop {
        let disks: Vec<PathBuf> = files.iter().map(|file| parts::join(&chosen, &file.path)).collect();
        let mut foreign = false;
        for disk in &disks {
            if is_foreign(tx, item, disk)? {
                foreign = true;
                break;
            }
        }
        if !foreign || number >= NAMES_MAX {
            return Ok((chosen, disks));
        }
        chosen = parts::other_name(&root, number, true);
        number += 1;
    }
}

/// Whether this place is another item's, or a file lies there that is not from an earlier plan of this item.
fn is_foreign(tx: &Transaction<'_>, item: i64, disk: &Path) -> Result<bool, StoreError> {
    let planned: bool = tx
        .prepare_cached(
            "SELECT EXISTS(SELECT 1 FROM files f JOIN items i ON i.id = f.item
             WHERE f.disk = ?1 AND f.item <> ?2 AND i.of IS NOT ?2)",
        )?
        .query_row(params![path::to_sql(disk), item], |row| row.get(0))?;
    Ok(planned || (parts::taken(disk)? && !is_retired_place(tx, item, disk)?))
}

/// Whether an earlier plan of this item had its finished file here.
fn is_retired_place(tx: &Transaction<'_>, item: i64, disk: &Path) -> Result<bool, StoreError> {
    let mut statement = tx.prepare_cached(
        "SELECT EXISTS(SELECT 1 FROM files f JOIN items i ON i.id = f.item
         WHERE f.disk = ?1 AND f.part IS NULL AND i.of = ?2)",
    )?;
    Ok(statement.query_row(params![path::to_sql(disk), item], |row| row.get(0))?)
}

/// A part name that neither the disk nor a plan has.
fn free_part(tx: &Transaction<'_>, disk: &Path) -> Result<PathBuf, StoreError> {
    let mut part = parts::part_name(disk, 1);
    for number in 2..NAMES_MAX {
        let planned: bool = tx
            .prepare_cached("SELECT EXISTS(SELECT 1 FROM files WHERE part = ? AND part IS NOT NULL)")?
            .query_row([path::to_sql(&part)], |row| row.get(0))?;
        if !planned && !parts::taken(&part)? {
            break;
        }
        part = parts::part_name(disk, number);
    }
    Ok(part)
}

/// Inserts a file and its chunks: missing below a part file, else derived.
fn insert_file(
    tx: &Transaction<'_>,
    item: i64,
    seq: usize,
    file: &PlanFile,
    disk: &Path,
    part: Option<&Path>,
) -> Result<(), StoreError> {
    let have = if part.is_some() { 0 } else { int(file.size) };
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
        let state = match (part, chunk.len) {
            (None, _) => chunk_state::DERIVED,
            (Some(_), 0) => chunk_state::PLAIN,
            (Some(_), _) => chunk_state::MISSING,
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
    Ok(())
}

/// The row of a blob, made when it is new.
pub(crate) fn blob_row(tx: &Transaction<'_>, blob: &BlobId) -> Result<i64, StoreError> {
    let mut find = tx.prepare_cached("SELECT id FROM blobs WHERE blob = ?")?;
    if let Some(row) = find.query_row([blob.as_bytes()], |row| row.get(0)).optional()? {
        return Ok(row);
    }
    tx.prepare_cached("INSERT INTO blobs(blob) VALUES(?)")?.execute([blob.as_bytes()])?;
    Ok(tx.last_insert_rowid())
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
    let mut files: Vec<Doomed> = rows.collect::<Result<_, _>>()?;
    // A folder that was made for this item alone goes with its last file; one file may lie among others' files.
    let own = files.len() > 1 || files.iter().any(|(root, file)| file.parent() != root.as_deref());
    for (root, _) in files.iter_mut().filter(|_| own) {
        *root = root.as_deref().and_then(Path::parent).map(Path::to_path_buf).or_else(|| root.take());
    }
    Ok(files)
}

/// Part files of an item's plan.
pub(crate) fn part_files(tx: &Transaction<'_>, item: i64) -> Result<Vec<Doomed>, StoreError> {
    files_where(
        tx,
        item,
        "SELECT i.root, f.part FROM files f JOIN items i ON i.id = f.item WHERE i.id = ? AND f.part IS NOT NULL",
    )
}

/// Finished files of a download.
pub(crate) fn finished_files(tx: &Transaction<'_>, item: i64) -> Result<Vec<Doomed>, StoreError> {
    files_where(
        tx,
        item,
        "SELECT i.root, f.disk FROM files f JOIN items i ON i.id = f.item WHERE i.id = ? AND f.part IS NULL",
    )
}

/// An item's plan becomes a retired one of its own row: its files still hold blobs until the next plan is finished.
pub(crate) fn retire(tx: &Transaction<'_>, channel: i64, item: i64) -> Result<(), StoreError> {
    let planned: bool = tx.query_row("SELECT planned FROM items WHERE id = ?", [item], |row| row.get(0))?;
    if planned {
        tx.prepare_cached(
            "INSERT INTO items(channel, item, of, name, about, published, position, files, bytes, json, standing,
                paused, root, left_out, planned, have, changed)
             SELECT ?1, NULL, id, '', '', 0, 0, 0, 0, x'', 0, 0, root, '[]', 0, 0, 0 FROM items WHERE id = ?2",
        )?
        .execute(params![channel, item])?;
        let shadow = tx.last_insert_rowid();
        tx.prepare_cached("DELETE FROM chunks WHERE item = ? AND state <= 0")?.execute([item])?;
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
