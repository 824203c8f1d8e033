//! A list that changed brings a new plan for an item: files that are the same move over with all that is known of them.
//!
//! A file moves only together with every file that shares a blob with it, so that what could be made from the old plan
//! can be made from the new one. What does not move is copied from the blobs that the old plan holds; after that its
//! part files go, and its finished files stay until the new ones take their place.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use protocol::{BlobId, BlobKey, Chunk};
use rusqlite::{Transaction, params};

use crate::db::{array, chunk_state, int, path};
use crate::store::Core;
use crate::sweep::{blobs_of, doom, part_files, sweep};
use crate::{PlanFile, StoreError};

/// A file of a retired plan.
struct Old {
    row: i64,
    path: String,
    disk: PathBuf,
    chunks: Vec<Chunk>,
}

/// For each file of the new plan the row of a retired one that is the same, if there is one.
pub(crate) fn unchanged(
    tx: &Transaction<'_>,
    item: i64,
    files: &[PlanFile],
    disks: &[PathBuf],
) -> Result<Vec<Option<i64>>, StoreError> {
    let mut out = vec![None; files.len()];
    let mut shadows =
        tx.prepare_cached("SELECT id FROM items WHERE of IS NOT NULL AND of = ? AND form <> 1 ORDER BY id DESC")?;
    let shadows: Vec<i64> = shadows.query_map([item], |row| row.get(0))?.collect::<Result<_, _>>()?;
    for shadow in shadows {
        let old = files_of(tx, shadow)?;
        for (file, row) in same(files, disks, &old).into_iter().enumerate() {
            out[file] = out[file].or(row);
        }
    }
    Ok(out)
}

fn files_of(tx: &Transaction<'_>, item: i64) -> Result<Vec<Old>, StoreError> {
    let mut files = tx.prepare_cached("SELECT id, path, disk FROM files WHERE item = ?")?;
    let mut chunks = tx.prepare_cached(
        "SELECT b.blob, k.key, k.nonce, k.off, k.len FROM chunks k JOIN blobs b ON b.id = k.blob WHERE k.file = ?
         ORDER BY k.seq",
    )?;
    let mut rows = files.query([item])?;
    let mut out = Vec::new();
    while let Some(row) = rows.next()? {
        let chunks = chunks.query_map([row.get::<_, i64>(0)?], |row| {
            let key = BlobKey { key: array(row, 1)?, nonce: array(row, 2)? };
            Ok(Chunk { blob: BlobId(array(row, 0)?), key, offset: row.get(3)?, len: row.get(4)? })
        })?;
        out.push(Old {
            row: row.get(0)?,
            path: row.get(1)?,
            disk: path::from_sql(row.get(2)?),
            chunks: chunks.collect::<Result<_, _>>()?,
        });
    }
    Ok(out)
}

fn same(files: &[PlanFile], disks: &[PathBuf], old: &[Old]) -> Vec<Option<i64>> {
    // Files of both plans in one row of numbers: the new ones first.
    let by_path: HashMap<&str, usize> = old.iter().enumerate().map(|(n, file)| (file.path.as_str(), n)).collect();
    let chunks = |n: usize| if n < files.len() { &files[n].chunks } else { &old[n - files.len()].chunks };
    let mut partner: Vec<Option<usize>> = vec![None; files.len() + old.len()];
    for (n, (file, disk)) in files.iter().zip(disks).enumerate() {
        if let Some(other) = by_path.get(file.path.as_str()).copied()
            && old[other].disk == *disk
            && old[other].chunks == file.chunks
        {
            (partner[n], partner[files.len() + other]) = (Some(files.len() + other), Some(n));
        }
    }
    let mut sharing: HashMap<BlobId, Vec<usize>> = HashMap::new();
    for n in 0..partner.len() {
        chunks(n).iter().for_each(|chunk| sharing.entry(chunk.blob).or_default().push(n));
    }
    let mut alone: Vec<usize> = (0..partner.len()).filter(|n| partner[*n].is_none()).collect();
    while let Some(n) = alone.pop() {
        for chunk in chunks(n) {
            // Each blob spreads the news once.
            for neighbour in sharing.remove(&chunk.blob).unwrap_or_default() {
                if let Some(other) = partner[neighbour].take() {
                    partner[other] = None;
                    alone.extend([neighbour, other]);
                }
            }
        }
    }
    partner[..files.len()].iter().map(|other| other.map(|n| old[n - files.len()].row)).collect()
}

/// Moves a file of a retired plan to the new one, with all that is known of it. Returns its bytes that are here.
pub(crate) fn adopt(tx: &Transaction<'_>, item: i64, seq: usize, row: i64, new: &PlanFile) -> Result<i64, StoreError> {
    tx.prepare_cached("UPDATE files SET item = ?, seq = ?, mime = ? WHERE id = ?")?.execute(params![
        item,
        int(seq as u64),
        new.mime,
        row
    ])?;
    tx.prepare_cached("UPDATE chunks SET item = ? WHERE file = ?")?.execute([item, row])?;
    tx.prepare_cached("UPDATE chunks SET state = ? WHERE file = ? AND state = ?")?.execute(params![
        chunk_state::MISSING,
        row,
        chunk_state::UNOPENABLE
    ])?;
    Ok(tx.query_row("SELECT have FROM files WHERE id = ?", [row], |row| row.get(0))?)
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
