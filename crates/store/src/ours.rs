//! Which files on the disk are ours to remove, to replace or to write to: the one place that decides it.
//!
//! What a person wrote or changed is never deleted, cut or overwritten, by no verb, rule, quota or repair. A finished
//! file is ours if we wrote it and it is what the record says: the very file with the very times, or, where one of these
//! is another, one whose every byte was read and is right. It is not ours if it lay there before us, or if it is the very
//! file, under whatever name, that another item has: above all one that was published from here. What is not ours stays
//! where it is, and whoever asked is told.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::path::{Path, PathBuf};

use protocol::BlobId;
use rusqlite::{Transaction, params};

use crate::db::{array, chunk_state, int, path, uint};
use crate::place::groups;
use crate::read::rebuild;
use crate::stamp::Stamp;
use crate::store::Core;
use crate::{StoreError, enter};

/// A file that may be touched, as it was when that was found out.
#[derive(Debug, Clone)]
pub(crate) struct Doomed {
    /// Nothing above is touched, nor what a link leads to.
    pub(crate) root: PathBuf,
    pub(crate) file: PathBuf,
    pub(crate) stamp: Stamp,
}

/// What of an item's finished files may go.
#[derive(Debug, Default)]
pub(crate) struct Sorted {
    pub(crate) ours: Vec<Doomed>,
    /// Files that are not ours, or not any more.
    pub(crate) kept: Vec<PathBuf>,
}

/// A finished file as its row tells of it.
pub(crate) struct Finished {
    pub(crate) row: i64,
    pub(crate) item: i64,
    pub(crate) root: PathBuf,
    pub(crate) disk: PathBuf,
    pub(crate) recorded: Stamp,
    /// It lay there before this program wrote anything.
    pub(crate) found: bool,
}

/// Finished files of a download and of its retired plans, or the one of this row.
pub(crate) fn finished(tx: &Transaction<'_>, item: i64, row: Option<i64>) -> Result<Vec<Finished>, StoreError> {
    let mut statement = tx.prepare_cached(
        "SELECT f.id, i.id, i.root, f.disk, f.size, f.dev, f.ino, f.mtime_ns, f.ctime_ns, f.found
         FROM items i JOIN files f ON f.item = i.id
         WHERE (i.id = ?1 OR i.of = ?1) AND f.part IS NULL AND f.disk <> x'' AND i.form <> 1 AND i.standing <> 3 AND (?2 IS NULL OR f.id = ?2)",
    )?;
    let rows = statement.query_map(params![item, row], |row| {
        let disk = path::from_sql(row.get(3)?);
        let root = row.get::<_, Option<Vec<u8>>>(2)?.map_or_else(|| disk.clone(), path::from_sql);
        let recorded = Stamp {
            length: uint(row.get(4)?),
            dev: row.get(5)?,
            ino: row.get(6)?,
            mtime_ns: row.get(7)?,
            ctime_ns: row.get(8)?,
        };
        Ok(Finished { row: row.get(0)?, item: row.get(1)?, root, disk, recorded, found: row.get(9)? })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Notes what a finished file is like now that every byte of it is known to be right.
pub(crate) fn record(tx: &Transaction<'_>, row: i64, stamp: &Stamp) -> Result<(), StoreError> {
    tx.prepare_cached("UPDATE files SET dev = ?, ino = ?, mtime_ns = ?, ctime_ns = ? WHERE id = ?")?
        .execute(params![stamp.dev, stamp.ino, stamp.mtime_ns, stamp.ctime_ns, row])?;
    Ok(())
}

impl Core {
    /// Sorts an item's finished files into those that are ours and the others. Reads those that do not look as they did;
    /// call it before the record changes.
    pub(crate) fn sort_files(&self, item: i64) -> Result<Sorted, StoreError> {
        let files = self.db.read(|tx| finished(tx, item, None))?;
        let mut sorted = Sorted::default();
        for file in files {
            let Some(now) = Stamp::at(&file.disk) else { continue };
            if enter::may_be_inside(&file.root, &file.disk) && self.is_ours(&file, &now)? {
                sorted.ours.push(Doomed { root: file.root, file: file.disk, stamp: now });
            } else {
                sorted.kept.push(file.disk);
            }
        }
        // Two plans of one item may tell of one file: whose record it fits, decides.
        sorted.kept.sort();
        sorted.kept.dedup();
        sorted.ours.sort_by(|a, b| a.file.cmp(&b.file));
        sorted.ours.dedup_by(|a, b| a.file == b.file);
        sorted.kept.retain(|kept| !sorted.ours.iter().any(|ours| ours.file == *kept));
        Ok(sorted)
    }

    /// Whether we wrote this file and nobody changed it since. `now` is what it is like; compare it again before touching
    /// anything.
    pub(crate) fn is_ours(&self, file: &Finished, now: &Stamp) -> Result<bool, StoreError> {
        if file.found || now.length != file.recorded.length {
            return Ok(false);
        }
        Ok(looks_untouched(&file.recorded, now) || self.is_right(file.item, file.row)?)
    }

    /// Whether every byte of a file was read just now and is right. What nobody could tell is not.
    pub(crate) fn is_right(&self, item: i64, file: i64) -> Result<bool, StoreError> {
        let (blobs, whole): (Vec<BlobId>, bool) = self.db.read(|tx| {
            let mut statement = tx.prepare_cached(
                "SELECT DISTINCT b.blob FROM chunks k JOIN blobs b ON b.id = k.blob WHERE k.file = ? AND k.len > 0",
            )?;
            let blobs = statement.query_map([file], |row| Ok(BlobId(array(row, 0)?)))?.collect::<Result<_, _>>()?;
            let mut lacks = tx.prepare_cached(
                "SELECT EXISTS(SELECT 1 FROM chunks WHERE file = ? AND len > 0 AND state IN (0, -1, -3))",
            )?;
            Ok((blobs, !lacks.query_row([file], |row| row.get::<_, bool>(0))?))
        })?;
        if !whole {
            return Ok(false);
        }
        for blob in &blobs {
            let states = chunk_state::LOST..=chunk_state::DERIVED;
            let mut groups = self.db.read(|tx| groups(tx, blob, Some(item), states))?;
            for group in &mut groups {
                group.spans.retain(|span| span.len > 0 && span.state != chunk_state::MISSING);
            }
            for group in groups.iter().filter(|group| group.spans.iter().any(|span| span.file == file)) {
                if rebuild(blob, group)?.is_some() {
                    continue;
                }
                let compared = self.compare(blob, group)?;
                if !compared.iter().filter(|(span, _)| span.file == file).all(|(_, right)| *right) {
                    return Ok(false);
                }
            }
        }
        Ok(true)
    }
}

/// The very file, and nobody was at it: neither at its bytes nor at its times.
pub(crate) fn looks_untouched(recorded: &Stamp, now: &Stamp) -> bool {
    recorded.is_known() && recorded == now
}

/// Which of these files, all of one item, another item has, under this name or another: they are not to be touched.
pub(crate) fn claimed(tx: &Transaction<'_>, item: i64, files: &[Doomed]) -> Result<BTreeSet<PathBuf>, StoreError> {
    // Whoever has the file has its length; where there is nothing to compare, the name has to do.
    let mut others = tx.prepare_cached(
        "SELECT COALESCE(f.part, f.disk) FROM files f JOIN items i ON i.id = f.item
         WHERE f.size = ?1 AND f.item <> ?2 AND i.of IS NOT ?2 AND i.form <> 1",
    )?;
    let mut theirs: BTreeMap<u64, (HashSet<PathBuf>, HashSet<Identity>)> = BTreeMap::new();
    let mut out = BTreeSet::new();
    for file in files {
        let length = file.stamp.length;
        let (paths, same) = match theirs.entry(length) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(unknown) => {
                let paths = others.query_map(params![int(length), item], |row| Ok(path::from_sql(row.get(0)?)))?;
                let paths: HashSet<PathBuf> = paths.collect::<Result<_, _>>()?;
                let same = paths.iter().filter_map(|path| identity(&Stamp::at(path)?, path)).collect();
                unknown.insert((paths, same))
            }
        };
        if paths.contains(&file.file) || identity(&file.stamp, &file.file).is_some_and(|it| same.contains(&it)) {
            out.insert(file.file.clone());
        }
    }
    Ok(out)
}

/// What is the same for all names of one file.
#[cfg(unix)]
type Identity = (i64, i64);
#[cfg(not(unix))]
type Identity = PathBuf;

#[cfg(unix)]
fn identity(stamp: &Stamp, _: &Path) -> Option<Identity> {
    (stamp.ino != 0).then_some((stamp.dev, stamp.ino))
}

#[cfg(not(unix))]
fn identity(_: &Stamp, path: &Path) -> Option<Identity> {
    std::fs::canonicalize(path).ok()
}

/// Takes out of `files` what another item has; those go to `kept`.
pub(crate) fn without_claimed(
    tx: &Transaction<'_>,
    item: i64,
    files: &mut Vec<Doomed>,
    kept: &mut Vec<PathBuf>,
) -> Result<(), StoreError> {
    let claimed = claimed(tx, item, files)?;
    files.retain(|one| !claimed.contains(&one.file));
    kept.extend(claimed);
    Ok(())
}
