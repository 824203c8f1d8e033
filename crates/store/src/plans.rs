//! Plans of items: files, their chunks, which of them are missing.
//!
//! A download's plan is written piece by piece ([`Store::begin_plan`], [`Store::extend_plan`]) and put in force in one
//! step ([`Store::commit_plan`]), so that no plan, however long, is ever held in memory. Until then its rows stand under
//! an item that is not planned: nothing is fetched, written or counted for them, and the next plan of that item, or the
//! item's end, takes them away.

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
use crate::sweep::{blobs_of, retire, sweep};
use crate::{PlanFile, PlanStep, Planned, ReadError, Store, StoreError, channels};

/// Files that one look at the database takes of a long plan.
pub(crate) const PAGE: usize = 1000;

/// A plan that is being written.
#[derive(Debug)]
pub struct PlanDraft {
    item: i64,
    /// The item's plan number, as long as nobody began another or dropped this one.
    number: i64,
    files: u64,
    /// Bytes of its files whose chunks did not come yet.
    lacks: u64,
    /// The file whose chunks come.
    file: Option<Growing>,
}

#[derive(Debug)]
struct Growing {
    row: i64,
    path: String,
    size: u64,
    at: u64,
    chunks: u64,
}

impl Store {
    /// Begins a plan for a download: what was written of an earlier one that never came in force goes, and a plan in
    /// force becomes the item's version before.
    pub fn begin_plan(&self, channel: &ChannelKey, id: &ItemId) -> Result<PlanDraft, StoreError> {
        let _layout = self.core.exclusive();
        let (draft, doomed) = self.core.db.write(|tx| {
            let item = items::row_id(tx, channel, id)?;
            begin(tx, channels::row_id(tx, channel)?, item)
        })?;
        self.core.remove_files(&doomed, &[])?;
        Ok(draft)
    }

    /// Writes more of it: files, each followed by its chunks in order.
    ///
    /// # Errors
    /// [`StoreError::PlanGone`]: the item's list changed meanwhile, or the item was removed, or planned by another.
    /// [`StoreError::BadPlan`]: chunks and sizes contradict each other.
    pub fn extend_plan(&self, draft: &mut PlanDraft, steps: &[PlanStep]) -> Result<(), StoreError> {
        self.core.write_soon(|tx| {
            in_hand(tx, draft)?;
            steps.iter().try_for_each(|step| extend(tx, draft, step))
        })
    }

    /// Puts a plan in force: its files go to `root`, as `.part` files until finished; a listed item becomes wanted. Files
    /// that are the same in the version before move over with what is here of them, and of others the blobs held already
    /// count as had, their bytes are copied now. An item that then lacks nothing is ready for [`Store::finish_item`]; see
    /// [`Store::unfinished`]. With `encrypted` its blobs are stored, and nothing is written where its files would lie:
    /// such an item is whole once its blobs are here.
    ///
    /// Where a file's place is taken by one that is not this item's, another name is chosen: `name (2)` for the folder,
    /// or for the one file of an item without a folder.
    ///
    /// # Errors
    /// [`StoreError::DiskFull`], [`StoreError::Quota`]: there is no room for what is to be fetched; nothing was changed.
    /// [`StoreError::PlanGone`]: as of [`Store::extend_plan`].
    pub fn commit_plan(&self, draft: PlanDraft, root: &Path, encrypted: bool) -> Result<Planned, StoreError> {
        let root = std::path::absolute(root).map_err(at(root))?;
        let item = draft.item;
        let layout = self.core.exclusive();
        let root = self.core.db.write(|tx| self.put_in_force(tx, &draft, root, encrypted))?;
        drop(layout);
        self.settle_plan(item, root)
    }

    /// A plan whose files are all known, in one step: as [`Store::commit_plan`].
    pub fn plan_download(
        &self,
        channel: &ChannelKey,
        id: &ItemId,
        root: &Path,
        files: Vec<PlanFile>,
    ) -> Result<Planned, StoreError> {
        self.record_plan(channel, id, root, files, false)
    }

    /// As [`Store::plan_download`], for an item that is kept only encrypted.
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
        let root = std::path::absolute(root).map_err(at(root))?;
        let layout = self.core.exclusive();
        let (item, root, doomed) = self.core.db.write(|tx| {
            let item = items::row_id(tx, channel, id)?;
            let (mut draft, doomed) = begin(tx, channels::row_id(tx, channel)?, item)?;
            for PlanFile { path, size, mime, chunks, .. } in files {
                extend(tx, &mut draft, &PlanStep::File { path, size, mime })?;
                extend(tx, &mut draft, &PlanStep::Chunks(chunks))?;
            }
            Ok((item, self.put_in_force(tx, &draft, root, encrypted)?, doomed))
        })?;
        self.core.remove_files(&doomed, &[])?;
        drop(layout);
        self.settle_plan(item, root)
    }

    fn put_in_force(
        &self,
        tx: &Transaction<'_>,
        draft: &PlanDraft,
        root: PathBuf,
        encrypted: bool,
    ) -> Result<PathBuf, StoreError> {
        in_hand(tx, draft)?;
        whole(draft)?;
        if draft.lacks > 0 {
            let why = "its chunks do not add up to its size";
            return Err(StoreError::BadPlan { path: lacking(tx, draft.item)?, why });
        }
        let item = draft.item;
        let form: i64 = tx.query_row("SELECT form FROM items WHERE id = ?", [item], |row| row.get(0))?;
        crate::adopt::begin(tx)?;
        let root = choose_places(tx, item, root)?;
        // Files and sealed blobs are no form of each other: what is here of the one is copied to the other.
        let same = if encrypted { 0 } else { unchanged(tx, item)? };
        let all: i64 = tx
            .prepare_cached("SELECT COALESCE(SUM(size), 0) FROM files WHERE item = ?")?
            .query_row([item], |row| row.get(0))?;
        let new = uint(all - same);
        if encrypted {
            check_room(&self.core.blobs.path(&BlobId([0; 32])), new)?;
        } else {
            // The folder's trouble shows now, not at the first blob.
            crate::cut::point("mkdir");
            std::fs::create_dir_all(&root).map_err(at(&root))?;
            tempfile::tempfile_in(&root).map_err(at(&root))?;
            check_room(&root, new)?;
        }
        self.core.check_quota(tx, new)?;
        let have = if encrypted { 0 } else { adopt(tx, item)? };
        if !encrypted {
            name_parts(tx, item)?;
        }
        skip_as_before(tx, item)?;
        tx.prepare_cached(
            "UPDATE items SET root = ?1, planned = 1, reading = 0, have = ?2, standing = MAX(standing, 1), changed = ?3, form = ?4,
                skipped = (SELECT COALESCE(SUM(size), 0) FROM files WHERE item = ?5 AND skipped = 1) WHERE id = ?5",
        )?
        .execute(params![
            path::to_sql(&root),
            have,
            now_ms(),
            if encrypted { form::ENCRYPTED } else { form::plain(form) },
            item
        ])?;
        Ok(root)
    }

    fn settle_plan(&self, item: i64, root: PathBuf) -> Result<Planned, StoreError> {
        self.core.take_found(item)?;
        self.copy_held(item)?;
        let gone = self.core.prune(item)?;
        Ok(Planned { root, gone })
    }

    /// Whether a plan of so many bytes would have room, before anything of it is read: on the disk of `root` and in the
    /// quota, and in the data folder for what it takes `beside`. What the item has here already is not asked for again.
    ///
    /// # Errors
    /// [`StoreError::DiskFull`], [`StoreError::Quota`]: it would not.
    pub fn check_plan(
        &self,
        channel: &ChannelKey,
        id: &ItemId,
        root: &Path,
        bytes: u64,
        beside: u64,
    ) -> Result<(), StoreError> {
        self.core.db.read(|tx| {
            let item = items::row_id(tx, channel, id)?;
            let here: i64 = tx
                .prepare_cached(
                    "SELECT COALESCE(SUM(f.have), 0) FROM items i JOIN files f ON f.item = i.id
                     WHERE i.id = ?1 OR (i.of IS NOT NULL AND i.of = ?1)",
                )?
                .query_row([item], |row| row.get(0))?;
            let needed = bytes.saturating_sub(uint(here));
            check_room(root, needed)?;
            check_room(&self.core.blobs.path(&BlobId([0; 32])), beside)?;
            self.core.check_quota(tx, needed)
        })
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

    /// Files of an item's plan with verified plain bytes, chunk by chunk: for what is the user's own. How many chunks
    /// another's item has nobody knows: see [`Store::file_names`] and [`Store::chunks_of`].
    pub fn files(&self, channel: &ChannelKey, id: &ItemId) -> Result<Vec<(PlanFile, u64)>, StoreError> {
        let mut files = self.file_names(channel, id)?;
        self.core.db.read(|tx| {
            let item = items::row_id(tx, channel, id)?;
            let mut chunks = tx.prepare_cached(
                "SELECT b.blob, k.key, k.nonce, k.off, k.len FROM files f JOIN chunks k ON k.file = f.id
                 JOIN blobs b ON b.id = k.blob WHERE f.item = ? AND f.seq = ? ORDER BY k.seq",
            )?;
            for (seq, (file, _)) in files.iter_mut().enumerate() {
                let rows = chunks.query_map([item, int(seq as u64)], |row| {
                    let key = BlobKey { key: array(row, 1)?, nonce: array(row, 2)? };
                    Ok(Chunk { blob: BlobId(array(row, 0)?), key, offset: row.get(3)?, len: row.get(4)? })
                })?;
                file.chunks = rows.collect::<Result<_, _>>()?;
            }
            Ok(())
        })?;
        Ok(files)
    }

    /// Files of an item's plan with verified plain bytes, without their chunks.
    pub fn file_names(&self, channel: &ChannelKey, id: &ItemId) -> Result<Vec<(PlanFile, u64)>, StoreError> {
        self.core.db.read(|tx| {
            let item = items::row_id(tx, channel, id)?;
            let mut files = tx.prepare_cached(
                "SELECT f.path, f.disk, f.size, f.mime, f.mtime_ns, f.have FROM files f JOIN items i ON i.id = f.item
                 WHERE f.item = ? AND i.planned = 1 ORDER BY f.seq",
            )?;
            let mut rows = files.query([item])?;
            let mut out = Vec::new();
            while let Some(row) = rows.next()? {
                let file = PlanFile {
                    path: kept_path(&row.get::<_, String>(0)?)?,
                    disk: path::from_sql(row.get(1)?),
                    size: uint(row.get(2)?),
                    mime: row.get(3)?,
                    mtime_ns: row.get(4)?,
                    chunks: Vec::new(),
                };
                out.push((file, uint(row.get(5)?)));
            }
            Ok(out)
        })
    }

    /// Up to `limit` chunks of one of an item's files, in order, from the one on that holds the byte `from`: each with
    /// its first byte in the file.
    pub fn chunks_of(
        &self,
        channel: &ChannelKey,
        id: &ItemId,
        file: &SafePath,
        from: u64,
        limit: u64,
    ) -> Result<Vec<(u64, Chunk)>, StoreError> {
        self.core.db.read(|tx| {
            let item = items::row_id(tx, channel, id)?;
            let row: Option<i64> = tx
                .prepare_cached("SELECT id FROM files WHERE item = ? AND path = ?")?
                .query_row(params![item, file.as_str()], |row| row.get(0))
                .optional()?;
            // Chunks have at most 1 MiB, so none that ends behind `from` begins much before it.
            let mut chunks = tx.prepare_cached(
                "SELECT k.at, b.blob, k.key, k.nonce, k.off, k.len FROM chunks k JOIN blobs b ON b.id = k.blob
                 WHERE k.file = ? AND k.at + k.len > ? ORDER BY k.seq LIMIT ?",
            )?;
            let rows = chunks.query_map(params![row, int(from), int(limit)], |row| {
                let key = BlobKey { key: array(row, 2)?, nonce: array(row, 3)? };
                Ok((
                    uint(row.get(0)?),
                    Chunk { blob: BlobId(array(row, 1)?), key, offset: row.get(4)?, len: row.get(5)? },
                ))
            })?;
            Ok(rows.collect::<Result<_, _>>()?)
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
            // A plan that is being written lacks nothing yet.
            let planned: bool = tx.query_row("SELECT planned FROM items WHERE id = ?", [item], |row| row.get(0))?;
            let mut rows = statement.query([planned.then_some(item)])?;
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

/// Begins a plan. Returns it with blob files that nothing needs any more.
fn begin(tx: &Transaction<'_>, channel: i64, item: i64) -> Result<(PlanDraft, Vec<BlobId>), StoreError> {
    retire(tx, channel, item)?;
    // What is left under the item itself was never in force.
    let blobs = blobs_of(tx, item)?;
    tx.prepare_cached("DELETE FROM files WHERE item = ?")?.execute([item])?;
    let (_, doomed) = sweep(tx, blobs)?;
    let number = tx.query_row("SELECT plan FROM items WHERE id = ?", [item], |row| row.get(0))?;
    Ok((PlanDraft { item, number, files: 0, lacks: 0, file: None }, doomed))
}

/// Whether a draft is still the item's.
fn in_hand(tx: &Transaction<'_>, draft: &PlanDraft) -> Result<(), StoreError> {
    let mut same = tx.prepare_cached("SELECT plan = ? AND planned = 0 FROM items WHERE id = ?")?;
    let same = same.query_row([draft.number, draft.item], |row| row.get(0)).optional()?;
    if same == Some(true) { Ok(()) } else { Err(StoreError::PlanGone) }
}

fn extend(tx: &Transaction<'_>, draft: &mut PlanDraft, step: &PlanStep) -> Result<(), StoreError> {
    match step {
        PlanStep::File { path, size, mime } => {
            whole(draft)?;
            tx.prepare_cached(
                "INSERT INTO files(item, seq, path, disk, part, size, mime, mtime_ns, have) VALUES(?, ?, ?, x'', NULL, ?, ?, 0, 0)",
            )?
            .execute(params![draft.item, int(draft.files), path.as_str(), int(*size), mime])?;
            let (row, path) = (tx.last_insert_rowid(), path.as_str().to_owned());
            draft.file = Some(Growing { row, path, size: *size, at: 0, chunks: 0 });
            draft.files += 1;
            draft.lacks = draft.lacks.saturating_add(*size);
        }
        PlanStep::Again(number) => {
            whole(draft)?;
            let mut find = tx.prepare_cached(
                "SELECT id, path, size FROM files f WHERE item = ? AND seq = ?
                 AND NOT EXISTS(SELECT 1 FROM chunks WHERE file = f.id)",
            )?;
            let found = find.query_row(params![draft.item, int(*number)], |row| {
                Ok(Growing { row: row.get(0)?, path: row.get(1)?, size: uint(row.get(2)?), at: 0, chunks: 0 })
            });
            let why = "a file has its chunks already, or is none";
            draft.file = Some(found.optional()?.ok_or_else(|| StoreError::BadPlan { path: number.to_string(), why })?);
        }
        PlanStep::Chunks(chunks) => {
            let wrong = |path: &str, why| Err(StoreError::BadPlan { path: path.to_owned(), why });
            let Some(file) = &mut draft.file else { return wrong("", "chunks without a file") };
            for chunk in chunks {
                if u64::from(chunk.offset) + u64::from(chunk.len) > CHUNK_LEN as u64 {
                    return wrong(&file.path, "a chunk ends behind its blob");
                }
                if file.size - file.at < u64::from(chunk.len) {
                    return wrong(&file.path, "its chunks do not add up to its size");
                }
                let state = if chunk.len == 0 { chunk_state::PLAIN } else { chunk_state::MISSING };
                insert_chunk(tx, (file.row, draft.item), file.chunks, file.at, chunk, state)?;
                file.at += u64::from(chunk.len);
                file.chunks += 1;
                draft.lacks = draft.lacks.saturating_sub(u64::from(chunk.len));
            }
        }
    }
    Ok(())
}

/// Whether the file whose chunks came has all of them, or none.
fn whole(draft: &PlanDraft) -> Result<(), StoreError> {
    match &draft.file {
        Some(file) if file.chunks > 0 && file.at != file.size => {
            Err(StoreError::BadPlan { path: file.path.clone(), why: "its chunks do not add up to its size" })
        }
        _ => Ok(()),
    }
}

/// A file of a plan of which no chunk came.
fn lacking(tx: &Transaction<'_>, item: i64) -> Result<String, StoreError> {
    let mut find = tx.prepare_cached(
        "SELECT path FROM files f WHERE item = ? AND size > 0 AND NOT EXISTS(SELECT 1 FROM chunks WHERE file = f.id) LIMIT 1",
    )?;
    Ok(find.query_row([item], |row| row.get(0)).optional()?.unwrap_or_default())
}

/// A published file's own arithmetic.
pub(crate) fn check(file: &PlanFile) -> Result<(), StoreError> {
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

/// Names the part files of a plan's new files, those that were not taken over from the version before.
fn name_parts(tx: &Transaction<'_>, item: i64) -> Result<(), StoreError> {
    let mut page = tx.prepare_cached(
        "SELECT id, disk, seq FROM files WHERE item = ? AND seq > ? AND part IS NULL AND id NOT IN (SELECT old FROM temp.same) ORDER BY seq LIMIT ?",
    )?;
    let mut last = -1_i64;
    loop {
        let rows = page.query_map(params![item, last, PAGE as i64], |row| {
            Ok((row.get::<_, i64>(0)?, path::from_sql(row.get(1)?), row.get::<_, i64>(2)?))
        })?;
        let rows: Vec<(i64, PathBuf, i64)> = rows.collect::<Result<_, _>>()?;
        let Some((.., seq)) = rows.last() else { return Ok(()) };
        last = *seq;
        for (row, disk, _) in &rows {
            let part = free_part(tx, disk)?;
            tx.prepare_cached("UPDATE files SET part = ? WHERE id = ?")?.execute(params![path::to_sql(&part), row])?;
        }
    }
}

/// New files under paths of earlier plans that the user did not want are not wanted either.
fn skip_as_before(tx: &Transaction<'_>, item: i64) -> Result<(), StoreError> {
    let mut statement = tx.prepare_cached(
        "SELECT id FROM files WHERE item = ?1 AND have = 0 AND skipped = 0 AND id NOT IN (SELECT old FROM temp.same)
         AND path IN (SELECT f.path FROM files f JOIN items i ON i.id = f.item WHERE i.of = ?1 AND f.skipped = 1)",
    )?;
    let rows: Vec<i64> = statement.query_map([item], |row| row.get(0))?.collect::<Result<_, _>>()?;
    rows.into_iter().try_for_each(|row| crate::choose::skip(tx, row))
}

/// Inserts a published file, which lies whole where the user keeps it, and its chunks.
pub(crate) fn insert_published(tx: &Transaction<'_>, item: i64, seq: usize, file: &PlanFile) -> Result<(), StoreError> {
    let disk = std::path::absolute(&file.disk).map_err(at(&file.disk))?;
    tx.prepare_cached(
        "INSERT INTO files(item, seq, path, disk, part, size, mime, mtime_ns, have) VALUES(?1, ?2, ?3, ?4, NULL, ?5, ?6, ?7, ?5)",
    )?
    .execute(params![
        item,
        int(seq as u64),
        file.path.as_str(),
        path::to_sql(&disk),
        int(file.size),
        file.mime,
        file.mtime_ns,
    ])?;
    let row = tx.last_insert_rowid();
    let mut at = 0;
    for (seq, chunk) in file.chunks.iter().enumerate() {
        insert_chunk(tx, (row, item), seq as u64, at, chunk, chunk_state::DERIVED)?;
        at += u64::from(chunk.len);
    }
    Ok(())
}

fn insert_chunk(
    tx: &Transaction<'_>,
    (file, item): (i64, i64),
    seq: u64,
    at: u64,
    chunk: &Chunk,
    state: i64,
) -> Result<(), StoreError> {
    let blob = blob_row(tx, &chunk.blob)?;
    tx.prepare_cached(
        "INSERT INTO chunks(file, seq, item, blob, key, nonce, off, len, at, state) VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    )?
    .execute(params![
        file,
        int(seq),
        item,
        blob,
        chunk.key.key,
        chunk.key.nonce,
        chunk.offset,
        chunk.len,
        int(at),
        state,
    ])?;
    Ok(())
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
