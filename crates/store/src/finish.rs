//! A download's last step: its part files get their names.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use protocol::{BlobId, ChannelKey, ItemId};
use rusqlite::{OptionalExtension, Transaction, params};

use crate::db::{array, chunk_state, path, uint};
use crate::enter::{self, Look, Place};
use crate::ours::{self, Doomed};
use crate::place::{SPANS_MAX, forget_files};
use crate::places::{NAMES_MAX, no_name};
use crate::stamp::Stamp;
use crate::store::{Core, now_ms};
use crate::sweep::{doom, forget_retired, sweep};
use crate::{Named, Store, StoreError, growing, items, origin, parts};

impl Store {
    /// All blobs of an item's plan are here: syncs, gives part files their names, sets `Complete`. The version before
    /// makes room where it is as it was written; one that its user changed, or whatever else has the name by now, is left
    /// alone, and ours gets `name (2)`. Doing it again after a crash half-way is right.
    ///
    /// [`StoreError::Incomplete`]: something lacks; also when somebody removed or cut a part file, which is missing again
    /// then, and when the item was changed or removed meanwhile. [`StoreError::Unsynced`]: an earlier write of this run did
    /// not reach the disk; the next start reads it again.
    pub fn finish_item(&self, channel: &ChannelKey, id: &ItemId) -> Result<Named, StoreError> {
        let Unnamed { item, plan, root, files } = self.core.db.read(|tx| unfinished_files(tx, channel, id))?;
        if self.core.see_to_unnamed(item, &root, &files)? {
            tracing::warn!(item = %id, "part files were removed or changed by somebody else; they are fetched again");
            return Err(StoreError::Incomplete);
        }
        // Files without bytes were made just now.
        let Unnamed { files, .. } = self.core.db.read(|tx| unfinished_files(tx, channel, id))?;
        let (empty, mut files): (Vec<_>, Vec<_>) = files.into_iter().partition(|file| file.size == 0);
        self.core.see_to_unnamed(item, &root, &empty)?;
        files.extend(empty);
        let mut replaced = self.core.replaced(item, &files)?;
        let alike = self.core.alike(item, &root, &files, &replaced)?;
        // The system may drop what it could not write, and call the next sync a success.
        if self.core.pace.has_failed() {
            return Err(StoreError::Unsynced);
        }
        let layout = self.core.exclusive();
        // Syncing took its time: a list may have brought another version, or the item may be gone. From here on nobody
        // changes either.
        let files = match self.core.db.read(|tx| unfinished_files(tx, channel, id)) {
            Ok(now) if (now.item, now.plan) == (item, plan) => now.files,
            Ok(_) | Err(StoreError::UnknownItem) => return Err(StoreError::Incomplete),
            Err(error) => return Err(error),
        };
        let old: Vec<Doomed> = replaced.values().map(|(_, old)| old.clone()).collect();
        let claimed = self.core.db.read(|tx| ours::claimed(tx, item, &old))?;
        replaced.retain(|_, (_, old)| !claimed.contains(&old.file));
        // What is about to be replaced holds nothing any more, before it is: a crash between must not leave its claim.
        let mut gone = Vec::new();
        if !replaced.is_empty() {
            let rows = replaced.values().map(|(row, _)| *row).collect();
            gone = self.core.db.write(|tx| forget_files(tx, &rows, chunk_state::UNOPENABLE))?;
        }
        // Said before ours goes: a crash between must not make theirs ours.
        if alike.values().any(|one| !one.marked) {
            let theirs: Vec<i64> = alike.iter().filter(|(_, one)| !one.marked).map(|(row, _)| *row).collect();
            self.core.db.write(|tx| theirs.iter().try_for_each(|row| set_found(tx, *row, true)))?;
        }
        let mut placed = Vec::with_capacity(files.len());
        for file in &files {
            let (replaces, alike) = (replaced.get(&file.row).map(|(_, old)| old), alike.get(&file.row));
            placed.push((file, settle(&root, file, replaces, alike)?));
        }
        let mut folders = BTreeSet::new();
        for (_, (disk, _)) in &placed {
            folders.extend(disk.ancestors().skip(1).take_while(|f| f.starts_with(&root)).map(Path::to_path_buf));
        }
        folders.iter().try_for_each(|folder| parts::sync_dir(folder))?;
        let (more, doomed, old_parts) = self.core.db.write(|tx| {
            for (file, (disk, stamp)) in &placed {
                tx.prepare_cached("UPDATE files SET part = NULL, disk = ? WHERE id = ?")?
                    .execute(params![path::to_sql(disk), file.row])?;
                if let Some(one) = alike.get(&file.row) {
                    set_found(tx, file.row, one.stamp == *stamp && !one.marked)?;
                }
                ours::record(tx, file.row, stamp)?;
                tx.prepare_cached("UPDATE chunks SET unsynced = 0 WHERE file = ? AND unsynced > 0")?
                    .execute([file.row])?;
            }
            let named = tx
                .prepare_cached(
                    "UPDATE items SET standing = 2, changed = ? WHERE id = ? AND standing IN (1, 2) AND planned = 1 AND plan = ?",
                )?
                .execute(params![now_ms(), item, plan])?;
            if named == 0 {
                return Err(StoreError::Incomplete);
            }
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
        let beside = placed.into_iter().filter(|(file, (disk, _))| *disk != file.disk);
        Ok(Named { gone, beside: beside.map(|(file, (disk, _))| (file.disk.clone(), disk)).collect() })
    }
}

impl Core {
    /// Makes the bytes of files that wait for their names last. `true`: some are not what was written, and are missing
    /// again.
    fn see_to_unnamed(&self, item: i64, root: &Path, files: &[Unfinished]) -> Result<bool, StoreError> {
        let mut touched = BTreeSet::new();
        for file in files {
            let grows = growing::is_whole(&file.part, file.number, file.size);
            if !grows && !self.has_its_name(item, file)? {
                touched.insert(file.row);
                continue;
            }
            let there = if grows { &file.part } else { &file.disk };
            let place = enter::reach(root, there)?;
            let Some(open) = place.map(|place| place.open(cfg!(windows))).transpose()?.flatten() else {
                touched.insert(file.row);
                continue;
            };
            if grows {
                origin::mark(&open, there);
            }
            crate::cut::point("sync");
            if let Err(error) = open.sync_all() {
                self.pace.fail();
                return Err(StoreError::io(there, error));
            }
        }
        self.see_to_parts(&touched)?;
        // A file without bytes is whole as soon as it is made.
        Ok(files.iter().any(|file| touched.contains(&file.row) && file.size > 0))
    }

    /// Whether the file was given its name before a crash.
    fn has_its_name(&self, item: i64, file: &Unfinished) -> Result<bool, StoreError> {
        let Some(now) = Stamp::at(&file.disk).filter(|now| now.length == file.size) else { return Ok(false) };
        if parts::taken(&file.part)? || (file.size == 0 && file.number <= 0) {
            return Ok(false);
        }
        // It keeps its number when it is renamed; else what has the name may be somebody's file of the same length.
        Ok((cfg!(unix) && file.number == now.number()) || self.is_right(item, file.row)?)
    }

    /// Files in whose place another with the same bytes lies: that one is taken, and ours goes.
    fn alike(
        &self,
        item: i64,
        root: &Path,
        files: &[Unfinished],
        replaced: &BTreeMap<i64, (i64, Doomed)>,
    ) -> Result<BTreeMap<i64, Alike>, StoreError> {
        let mut out = BTreeMap::new();
        for file in files.iter().filter(|file| !replaced.contains_key(&file.row)) {
            let Some(stamp) = Stamp::at(&file.disk).filter(|now| now.length == file.size) else { continue };
            let open = |path: &Path| -> Result<_, StoreError> {
                Ok(enter::reach(root, path)?.map(|place| place.open(false)).transpose()?.flatten())
            };
            let (Some(ours), Some(theirs)) = (open(&file.part)?, open(&file.disk)?) else { continue };
            let one = Doomed { root: root.to_path_buf(), file: file.disk.clone(), stamp };
            let claimed = self.db.read(|tx| ours::claimed(tx, item, std::slice::from_ref(&one)))?;
            if claimed.is_empty() && parts::equal(ours, &file.part, &theirs, &file.disk)? {
                out.insert(file.row, Alike { stamp, marked: origin::is_marked(&theirs, &file.disk) });
            }
        }
        Ok(out)
    }

    /// Files in whose place the version before lies as it was written, with its row: it makes room.
    fn replaced(&self, item: i64, files: &[Unfinished]) -> Result<BTreeMap<i64, (i64, Doomed)>, StoreError> {
        let mut out = BTreeMap::new();
        for file in files {
            let (Some(now), true) = (Stamp::at(&file.disk), parts::taken(&file.part)?) else { continue };
            let old = self.db.read(|tx| {
                let row: Option<i64> = tx
                    .prepare_cached(
                        "SELECT f.id FROM files f JOIN items i ON i.id = f.item
                         WHERE f.disk = ?1 AND f.part IS NULL AND i.of = ?2 ORDER BY f.id DESC LIMIT 1",
                    )?
                    .query_row(params![path::to_sql(&file.disk), item], |row| row.get(0))
                    .optional()?;
                Ok(match row {
                    Some(row) => ours::finished(tx, item, Some(row))?.pop(),
                    None => None,
                })
            })?;
            if let Some(old) = old
                && self.is_ours(&old, &now)?
            {
                out.insert(file.row, (old.row, Doomed { root: old.root, file: old.disk, stamp: now }));
            }
        }
        Ok(out)
    }

    /// E8: what the finished files make again bit for bit needs no stored copy. A blob that was only plain so far is
    /// rebuilt once to see; one that stands in very many places keeps its copy, which costs less than to look at them.
    fn free_copies(&self, item: i64) -> Result<(), StoreError> {
        let stored: Vec<(i64, BlobId)> = self.db.read(|tx| {
            let mut statement = tx.prepare_cached(
                "SELECT DISTINCT b.id, b.blob FROM chunks k JOIN blobs b ON b.id = k.blob
                 WHERE k.item = ?1 AND k.state BETWEEN 1 AND 2 AND b.stored = 1
                 AND NOT EXISTS(SELECT 1 FROM structure s WHERE s.blob = b.id)
                 AND (SELECT COUNT(*) FROM (SELECT 1 FROM chunks d WHERE d.item = ?1 AND d.blob = b.id LIMIT ?2 + 1)) <= ?2",
            )?;
            Ok(statement
                .query_map([item, SPANS_MAX], |row| Ok((row.get(0)?, BlobId(array(row, 1)?))))?
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
        self.remove_files(&freed, &[]).map(drop)
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

fn set_found(tx: &Transaction<'_>, file: i64, found: bool) -> Result<(), StoreError> {
    tx.prepare_cached("UPDATE files SET found = ? WHERE id = ?")?.execute(params![found, file])?;
    Ok(())
}

/// A file with the bytes of ours, under the name that ours is to get.
struct Alike {
    stamp: Stamp,
    /// This program wrote it.
    marked: bool,
}

/// A file that waits for its name.
struct Unfinished {
    row: i64,
    disk: PathBuf,
    part: PathBuf,
    size: u64,
    number: i64,
}

/// An item of which every blob is here, and its files that wait for their names.
struct Unnamed {
    item: i64,
    /// The number of its plan.
    plan: i64,
    root: PathBuf,
    files: Vec<Unfinished>,
}

fn unfinished_files(tx: &Transaction<'_>, channel: &ChannelKey, id: &ItemId) -> Result<Unnamed, StoreError> {
    let item = items::row_id(tx, channel, id)?;
    let (planned, root, lacks, plan): (bool, Option<Vec<u8>>, bool, i64) = tx.query_row(
        "SELECT planned, root, EXISTS(SELECT 1 FROM chunks WHERE item = ?1 AND state <= 0 AND state > -3), plan
         FROM items WHERE id = ?1",
        [item],
        |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)),
    )?;
    let (true, false, Some(root)) = (planned, lacks, root) else { return Err(StoreError::Incomplete) };
    let mut files = tx.prepare_cached(
        "SELECT id, disk, part, size, ino FROM files WHERE item = ? AND part IS NOT NULL AND skipped = 0 ORDER BY seq",
    )?;
    let files = files.query_map([item], |row| {
        Ok(Unfinished {
            row: row.get(0)?,
            disk: path::from_sql(row.get(1)?),
            part: path::from_sql(row.get(2)?),
            size: uint(row.get(3)?),
            number: row.get(4)?,
        })
    })?;
    Ok(Unnamed { item, plan, root: path::from_sql(root), files: files.collect::<Result<_, _>>()? })
}

/// Gives one part file its name; returns the name it got, and what the file is like under it.
fn settle(
    root: &Path,
    file: &Unfinished,
    replaces: Option<&Doomed>,
    alike: Option<&Alike>,
) -> Result<(PathBuf, Stamp), StoreError> {
    let place = |path: &Path| -> Result<Place, StoreError> {
        enter::reach(root, path)?.ok_or_else(|| StoreError::io(path, std::io::ErrorKind::NotFound.into()))
    };
    let part = place(&file.part)?;
    let Look::File(before) = part.look()? else {
        // Named before a crash.
        return match place(&file.disk)?.look()? {
            Look::File(stamp) => Ok((file.disk.clone(), stamp)),
            _ => Err(StoreError::Changed(file.disk.clone())),
        };
    };
    let mut disk = place(&file.disk)?;
    if let Some(old) = replaces {
        // Its user may have written to it since it was looked at; then it stays, and its name is taken.
        disk.remove_if(|now| *now == old.stamp)?;
    }
    if let Some(alike) = alike
        && disk.look()? == Look::File(alike.stamp)
    {
        part.remove()?;
        return Ok((file.disk.clone(), alike.stamp));
    }
    for number in 2..=NAMES_MAX {
        if part.rename_new(&disk)? {
            let known = match disk.look()? {
                // Renaming changes one of its times. Whatever else changed was not us.
                Look::File(now) if (now.length, now.mtime_ns) == (before.length, before.mtime_ns) => now,
                _ => Stamp::default(),
            };
            return Ok((disk.path().to_path_buf(), known));
        }
        disk = place(&parts::other_name(&file.disk, number, false))?;
    }
    Err(no_name(&file.disk))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Channel, DataDir, ItemRow, Keep, PlanFile, Standing, Urgency};
    use protocol::SafePath;

    /// After a sync that failed the next one may lie: nothing is called safe before the next start reads it again.
    #[test]
    fn nothing_is_called_complete_after_a_sync_that_failed() {
        let tmp = tempfile::tempdir().unwrap();
        let open = || Store::open(DataDir::lock(&tmp.path().join("data")).unwrap(), Some(&[7; 32])).unwrap().0;
        let store = open();
        let (key, id) = (ChannelKey([1; 32]), ItemId([1; 16]));
        store.add_or_change_channel(empty_channel(key), |_| {}).unwrap();
        store.set_items(&key, 1, &[empty_row(key, id)]).unwrap();
        let root = tmp.path().join("downloads");
        let path = SafePath::parse("empty").unwrap();
        let disk = root.join("empty");
        let file = PlanFile { path, disk, size: 0, mime: None, mtime_ns: 0, chunks: Vec::new() };
        store.plan_download(&key, &id, &root, vec![file]).unwrap();
        store.core.pace.fail();
        assert!(matches!(store.finish_item(&key, &id), Err(StoreError::Unsynced)));
        assert_eq!(store.item(&key, &id).unwrap().unwrap().standing, Standing::Wanted);
        assert!(!root.join("empty").exists());
        drop(store);
        let store = open();
        store.finish_item(&key, &id).unwrap();
        assert!(root.join("empty").exists());
    }

    fn empty_channel(key: ChannelKey) -> Channel {
        Channel {
            key,
            name: String::new(),
            about: String::new(),
            private: false,
            read_key: None,
            own: false,
            followed: false,
            paused: false,
            fetch: 0,
            manifest: None,
            body_sequence: 0,
            signed_twice: false,
            checked: None,
            seen_by: None,
            peers: Vec::new(),
            keep: Keep::All,
            encrypted: false,
            folder: None,
        }
    }

    fn empty_row(channel: ChannelKey, id: ItemId) -> ItemRow {
        ItemRow {
            id,
            channel,
            name: String::new(),
            about: String::new(),
            published: 1,
            position: 0,
            files: 1,
            bytes: 0,
            json: b"{}".to_vec(),
            standing: Standing::Listed,
            paused: false,
            root: None,
            left_out: Vec::new(),
            planned: false,
            lost_files: 0,
            pinned: false,
            urgency: Urgency::Normal,
            encrypted: false,
            skipped: 0,
            mime: None,
            deadly: false,
        }
    }
}
