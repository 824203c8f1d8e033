//! Files of a download that the user does not want, or wants after all.

use std::collections::{BTreeSet, HashSet};

use protocol::{BlobId, ChannelKey, ItemId};
use rusqlite::{Transaction, params};

use crate::db::{array, chunk_state, path};
use crate::growing::NOT_MADE;
use crate::ours::Doomed;
use crate::place::{forget_files, not_held};
use crate::store::now_ms;
use crate::sweep::{doom, part_files};
use crate::{Store, StoreError, items};

/// What a choice changed.
#[derive(Debug, Clone, Default)]
pub struct Chosen {
    /// Files of which it was not so before.
    pub files: u64,
    /// Blobs that are no longer held: they were parts of files that are not wanted.
    pub gone: Vec<BlobId>,
    /// Blobs that the item no longer lacks.
    pub unwanted: Vec<BlobId>,
}

impl Store {
    /// Wants, or does not want, files of a planned download: those with these paths as published, or all. What was
    /// fetched of an unfinished file that is not wanted any more goes; a finished file stays. An item that was complete
    /// and now lacks something is wanted again.
    pub fn choose_files(
        &self,
        channel: &ChannelKey,
        id: &ItemId,
        paths: Option<&[String]>,
        want: bool,
    ) -> Result<Chosen, StoreError> {
        let paths: Option<HashSet<&str>> = paths.map(|paths| paths.iter().map(String::as_str).collect());
        let _layout = self.core.exclusive();
        let (chosen, parts, freed) = self.core.db.write(|tx| {
            let item = items::row_id(tx, channel, id)?;
            let mut files = tx.prepare_cached(
                "SELECT f.id, f.path, f.part FROM files f JOIN items i ON i.id = f.item
                 WHERE i.id = ? AND f.skipped = ? AND (f.part IS NOT NULL OR i.form = 1)",
            )?;
            let mut rows = files.query(params![item, want])?;
            let (mut concerned, mut parts) = (BTreeSet::new(), HashSet::new());
            while let Some(row) = rows.next()? {
                let path: String = row.get(1)?;
                if paths.as_ref().is_some_and(|paths| !paths.contains(path.as_str())) {
                    continue;
                }
                concerned.insert(row.get::<_, i64>(0)?);
                parts.extend(row.get::<_, Option<Vec<u8>>>(2)?.map(path::from_sql));
            }
            let mut parts: Vec<Doomed> =
                part_files(tx, item)?.into_iter().filter(|one| parts.contains(&one.file)).collect();
            let mut freed = Vec::new();
            let mut chosen = Chosen { files: concerned.len() as u64, ..Chosen::default() };
            if want {
                concerned.iter().try_for_each(|file| unskip(tx, *file))?;
                parts.clear();
            } else {
                let lacked = lacked(tx, item)?;
                let mut candidates = Vec::new();
                for file in &concerned {
                    candidates.extend(blobs_of(tx, *file)?);
                }
                let held = not_held(tx, candidates.clone())?;
                forget_files(tx, &concerned, chunk_state::SKIPPED)?;
                // Wanted again, their part files are made again.
                let mut unmade = tx.prepare_cached("UPDATE files SET ino = ? WHERE id = ? AND part IS NOT NULL")?;
                concerned.iter().try_for_each(|file| unmade.execute([NOT_MADE, *file]).map(drop))?;
                concerned.iter().try_for_each(|file| skip(tx, *file))?;
                freed = crate::finish::free(tx, &candidates)?;
                chosen.gone = not_held(tx, candidates)?;
                chosen.gone.retain(|blob| !held.contains(blob));
                let still = self::lacked(tx, item)?;
                chosen.unwanted = lacked.difference(&still).copied().collect();
                doom(tx, &parts)?;
            }
            tx.prepare_cached(
                "UPDATE items SET skipped = (SELECT COALESCE(SUM(size), 0) FROM files WHERE item = ?1 AND skipped = 1),
                    changed = ?2, standing = CASE WHEN ?3 AND standing = 2 THEN 1 ELSE standing END WHERE id = ?1",
            )?
            .execute(params![item, now_ms(), want && chosen.files > 0])?;
            Ok((chosen, parts, freed))
        })?;
        self.core.remove_files(&freed, &parts)?;
        Ok(chosen)
    }

    /// Paths of an item's files that the user does not want.
    pub fn skipped_files(&self, channel: &ChannelKey, id: &ItemId) -> Result<BTreeSet<String>, StoreError> {
        self.core.db.read(|tx| {
            let item = items::row_id(tx, channel, id)?;
            let mut statement = tx.prepare_cached("SELECT path FROM files WHERE item = ? AND skipped = 1")?;
            Ok(statement.query_map([item], |row| row.get(0))?.collect::<Result<_, _>>()?)
        })
    }
}

/// Marks a file of which nothing is here as not wanted.
pub(crate) fn skip(tx: &Transaction<'_>, file: i64) -> Result<(), StoreError> {
    tx.prepare_cached("UPDATE files SET skipped = 1 WHERE id = ?")?.execute([file])?;
    tx.prepare_cached("UPDATE chunks SET state = ? WHERE file = ? AND state = ? AND len > 0")?.execute([
        chunk_state::SKIPPED,
        file,
        chunk_state::MISSING,
    ])?;
    Ok(())
}

fn unskip(tx: &Transaction<'_>, file: i64) -> Result<(), StoreError> {
    tx.prepare_cached("UPDATE files SET skipped = 0 WHERE id = ?")?.execute([file])?;
    tx.prepare_cached("UPDATE chunks SET state = ? WHERE file = ? AND state = ?")?.execute([
        chunk_state::MISSING,
        file,
        chunk_state::SKIPPED,
    ])?;
    Ok(())
}

fn blobs_of(tx: &Transaction<'_>, file: i64) -> Result<Vec<(i64, BlobId)>, StoreError> {
    let mut statement =
        tx.prepare_cached("SELECT DISTINCT b.id, b.blob FROM chunks k JOIN blobs b ON b.id = k.blob WHERE k.file = ?")?;
    Ok(statement.query_map([file], |row| Ok((row.get(0)?, BlobId(array(row, 1)?))))?.collect::<Result<_, _>>()?)
}

fn lacked(tx: &Transaction<'_>, item: i64) -> Result<BTreeSet<BlobId>, StoreError> {
    let mut statement = tx.prepare_cached(
        "SELECT DISTINCT b.blob FROM chunks k JOIN blobs b ON b.id = k.blob
         WHERE k.item = ? AND k.state <= 0 AND k.state = 0",
    )?;
    Ok(statement.query_map([item], |row| Ok(BlobId(array(row, 0)?)))?.collect::<Result<_, _>>()?)
}
