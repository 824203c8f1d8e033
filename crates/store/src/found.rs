//! What lies already where a download would go: fetched once and forgotten since, copied there by hand, of an earlier data
//! folder. It is read, and where it is right it is taken as it is and not fetched again; it is never changed.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use protocol::BlobId;
use rusqlite::{Transaction, params};

use crate::db::{array, path, uint};
use crate::growing::NOT_MADE;
use crate::ours::{self, Doomed, Finished};
use crate::stamp::Stamp;
use crate::store::Core;
use crate::{StoreError, enter, origin, parts};

/// A file of a new plan in whose place one of its length lies.
struct Candidate {
    row: i64,
    root: PathBuf,
    disk: PathBuf,
    stamp: Stamp,
    /// This program wrote it.
    marked: bool,
}

/// A file of which nothing is here: its row, the item's root, its place, its part file, its bytes.
type Unbegun = (i64, PathBuf, PathBuf, PathBuf, u64);

/// Files of a plan of which nothing is here, and the places that they are to get.
fn unbegun(tx: &Transaction<'_>, item: i64) -> Result<Vec<Unbegun>, StoreError> {
    let mut files = tx.prepare_cached(
        "SELECT f.id, i.root, f.disk, f.part, f.size FROM files f JOIN items i ON i.id = f.item
         WHERE f.item = ?1 AND f.part IS NOT NULL AND f.ino = ?2 AND f.have = 0 AND f.skipped = 0
         AND NOT EXISTS(SELECT 1 FROM files o JOIN items s ON s.id = o.item WHERE o.disk = f.disk AND s.of = ?1)",
    )?;
    let rows = files.query_map(params![item, NOT_MADE], |row| {
        let disk = path::from_sql(row.get(2)?);
        let root = row.get::<_, Option<Vec<u8>>>(1)?.map_or_else(|| disk.clone(), path::from_sql);
        Ok((row.get(0)?, root, disk, path::from_sql(row.get(3)?), uint(row.get(4)?)))
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

impl Core {
    /// Looks at what lies in the places of an item's new plan. What is right in full is taken where it is; of what is not,
    /// right pieces are copied, and ours grows beside it.
    pub(crate) fn take_found(&self, item: i64) -> Result<(), StoreError> {
        let candidates = self.candidates(item)?;
        if candidates.is_empty() {
            return Ok(());
        }
        tracing::debug!(files = candidates.len(), "what lies in a download's place is read");
        // Before anything of them counts: they were there before us, whatever happens to this process.
        self.db.write(|tx| {
            let mut found = tx.prepare_cached("UPDATE files SET found = ? WHERE id = ?")?;
            candidates.values().try_for_each(|one| Ok(found.execute(params![!one.marked, one.row]).map(drop)?))
        })?;
        let rows: BTreeSet<i64> = candidates.keys().copied().collect();
        for blob in self.db.read(|tx| blobs_of(tx, &rows))? {
            let _layout = self.shared();
            self.check_hoped(item, &blob, &rows)?;
        }
        let _layout = self.exclusive();
        for one in candidates.into_values() {
            self.settle_found(item, one)?;
        }
        Ok(())
    }

    fn candidates(&self, item: i64) -> Result<BTreeMap<i64, Candidate>, StoreError> {
        let mut out = BTreeMap::new();
        for (row, root, disk, part, size) in self.db.read(|tx| unbegun(tx, item))? {
            // A part file of that name is somebody else's, and would be read in place of it.
            if Stamp::at(&disk).is_none_or(|now| now.length != size) || parts::taken(&part)? {
                continue;
            }
            let open = match enter::reach(&root, &disk) {
                Ok(Some(place)) => place.open(false),
                _ => continue,
            };
            let Ok(Some(open)) = open else { continue };
            let stamp = Stamp::of_open(&open).map_err(crate::error::at(&disk))?;
            let marked = origin::is_marked(&open, &disk);
            out.insert(row, Candidate { row, root, disk, stamp, marked });
        }
        let files: Vec<Doomed> = out
            .values()
            .map(|one| Doomed { root: one.root.clone(), file: one.disk.clone(), stamp: one.stamp })
            .collect();
        let claimed = self.db.read(|tx| ours::claimed(tx, item, &files))?;
        out.retain(|_, one| !claimed.contains(&one.disk));
        Ok(out)
    }

    fn settle_found(&self, item: i64, one: Candidate) -> Result<(), StoreError> {
        let (have, size): (u64, u64) = self.db.read(|tx| {
            let mut statement = tx.prepare_cached("SELECT have, size FROM files WHERE id = ?")?;
            Ok(statement.query_row([one.row], |row| Ok((uint(row.get(0)?), uint(row.get(1)?))))?)
        })?;
        if have == size && Stamp::at(&one.disk) == Some(one.stamp) {
            return self.db.write(|tx| {
                tx.prepare_cached("UPDATE files SET part = NULL WHERE id = ?")?.execute([one.row])?;
                ours::record(tx, one.row, &one.stamp)
            });
        }
        if have == 0 {
            return self.db.write(|tx| {
                tx.prepare_cached("UPDATE files SET found = 0 WHERE id = ?")?.execute([one.row])?;
                Ok(())
            });
        }
        let recorded = Stamp { length: size, ..Stamp::default() };
        let file = Finished { row: one.row, item, root: one.root, disk: one.disk, recorded, found: true };
        self.grow_beside(item, &file)
    }
}

fn blobs_of(tx: &Transaction<'_>, files: &BTreeSet<i64>) -> Result<BTreeSet<BlobId>, StoreError> {
    let mut blobs = tx.prepare_cached(
        "SELECT DISTINCT b.blob FROM chunks k JOIN blobs b ON b.id = k.blob WHERE k.file = ? AND k.len > 0",
    )?;
    let mut out = BTreeSet::new();
    for file in files {
        for blob in blobs.query_map([file], |row| Ok(BlobId(array(row, 0)?)))? {
            out.insert(blob?);
        }
    }
    Ok(out)
}
