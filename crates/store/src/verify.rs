//! Reading everything again: on the user's word, and after an unclean stop what had not been synced.

use std::collections::BTreeSet;

use protocol::{BlobId, ChannelKey, ItemId, blob};
use rusqlite::{Transaction, params};

use crate::db::{array, chunk_state, path};
use crate::error::at;
use crate::place::{Group, Span, groups, set_state};
use crate::read::{place_of, rebuild};
use crate::store::{Core, now_ms};
use crate::{Recovery, Standing, Store, StoreError, VerifyOutcome, items, parts};

impl Store {
    /// Reads every blob of an item again; wrong ones are withdrawn (and wanted again for downloads, whose damaged files
    /// become part files again). Chunks that were lost and are right again are held again.
    /// `progress(done, total)`, in blobs, may return false to stop.
    pub fn verify_item(
        &self,
        channel: &ChannelKey,
        id: &ItemId,
        progress: &mut dyn FnMut(u64, u64) -> bool,
    ) -> Result<VerifyOutcome, StoreError> {
        let (item, published, blobs) = self.core.db.read(|tx| {
            let item = items::row_id(tx, channel, id)?;
            let standing: i64 = tx.query_row("SELECT standing FROM items WHERE id = ?", [item], |row| row.get(0))?;
            Ok((item, Standing::from_sql(standing) == Standing::Published, here_or_lost(tx, item)?))
        })?;
        let mut outcome = VerifyOutcome::default();
        let mut files = BTreeSet::new();
        let total = blobs.len() as u64;
        for (done, blob) in blobs.iter().enumerate() {
            if !progress(done as u64, total) {
                break;
            }
            let _layout = self.core.shared();
            let wrong = if published { chunk_state::LOST } else { chunk_state::MISSING };
            let (bad, back) = self.core.check_blob(item, blob, wrong)?;
            outcome.back.extend(back.then_some(*blob));
            if bad.is_empty() {
                outcome.good += 1;
            } else {
                files.extend(bad);
                outcome.bad.push(*blob);
            }
        }
        if !outcome.bad.is_empty() && !published {
            self.core.grow_again(item)?;
        }
        progress(outcome.good + outcome.bad.len() as u64, total);
        outcome.files = files.into_iter().collect();
        Ok(outcome)
    }
}

fn here_or_lost(tx: &Transaction<'_>, item: i64) -> Result<Vec<BlobId>, StoreError> {
    let mut statement = tx.prepare_cached(
        "SELECT b.blob FROM chunks k JOIN blobs b ON b.id = k.blob
         WHERE k.item = ? AND k.len > 0 AND k.state IN (1, 2, -2) GROUP BY b.id ORDER BY MIN(k.file), MIN(k.seq)",
    )?;
    Ok(statement.query_map([item], |row| Ok(BlobId(array(row, 0)?)))?.collect::<Result<_, _>>()?)
}

impl Core {
    /// Reads one blob's plain bytes in an item and sets its chunks' states; wrong ones become `wrong`. Returns the files
    /// in which bytes are wrong, and whether a withdrawn blob is held again.
    fn check_blob(&self, item: i64, id: &BlobId, wrong: i64) -> Result<(Vec<std::path::PathBuf>, bool), StoreError> {
        let mut found = self.db.read(|tx| groups(tx, id, Some(item), chunk_state::LOST..=chunk_state::DERIVED))?;
        let mut bad = Vec::new();
        let mut changes: Vec<(&Span, i64)> = Vec::new();
        for group in &mut found {
            group
                .spans
                .retain(|span| span.len > 0 && !matches!(span.state, chunk_state::MISSING | chunk_state::UNOPENABLE));
        }
        for group in found.iter().filter(|group| !group.spans.is_empty()) {
            if rebuild(id, group)?.is_some() {
                changes.extend(group.spans.iter().map(|span| (span, chunk_state::DERIVED)));
                continue;
            }
            for (span, right) in self.compare(id, group)? {
                changes.push((span, if right { chunk_state::PLAIN } else { wrong }));
                if !right {
                    bad.push(place_of(span).to_path_buf());
                }
            }
        }
        changes.retain(|(span, to)| span.state != *to);
        let back = changes.iter().any(|(span, to)| span.state == chunk_state::LOST && *to == chunk_state::DERIVED);
        if !changes.is_empty() {
            self.db.write(|tx| {
                for (span, to) in &changes {
                    set_state(tx, item, span, *to, 0)?;
                }
                Ok(())
            })?;
        }
        Ok((bad, back))
    }

    /// Compares plain bytes with the stored blob, if that is here: span by span.
    fn compare<'a>(&self, id: &BlobId, group: &'a Group) -> Result<Vec<(&'a Span, bool)>, StoreError> {
        let plain = self.blobs.read(id)?.and_then(|stored| blob::open(stored, &group.key).ok());
        let mut out = Vec::with_capacity(group.spans.len());
        for span in &group.spans {
            let expected = plain.as_deref().and_then(|plain| plain.get(span.off..span.off + span.len));
            let right = match expected {
                Some(expected) => {
                    let mut found = vec![0; span.len];
                    parts::read_at(place_of(span), span.at, &mut found)? && found == expected
                }
                None => false,
            };
            out.push((span, right));
        }
        Ok(out)
    }

    /// Finished files that lack bytes become part files again, and their item is wanted again.
    fn grow_again(&self, item: i64) -> Result<(), StoreError> {
        let _layout = self.exclusive();
        let files: Vec<(i64, std::path::PathBuf)> = self.db.read(|tx| {
            let mut statement = tx.prepare_cached(
                "SELECT id, disk FROM files f WHERE item = ? AND part IS NULL
                 AND EXISTS(SELECT 1 FROM chunks k WHERE k.file = f.id AND k.state = 0)",
            )?;
            let rows = statement.query_map([item], |row| Ok((row.get(0)?, path::from_sql(row.get(1)?))))?;
            Ok(rows.collect::<Result<_, _>>()?)
        })?;
        for (file, disk) in files {
            let mut part = parts::part_name(&disk, 1);
            let mut number = 2;
            while parts::taken(&part)? {
                part = parts::part_name(&disk, number);
                number += 1;
            }
            // The record first: a crash between finds the bytes under the file's name (see `place_of`).
            self.db.write(|tx| {
                tx.prepare_cached("UPDATE files SET part = ? WHERE id = ?")?
                    .execute(params![path::to_sql(&part), file])?;
                Ok(())
            })?;
            if std::fs::symlink_metadata(&disk).is_ok_and(|m| m.is_file()) {
                std::fs::rename(&disk, &part).map_err(at(&disk))?;
            }
        }
        self.db.write(|tx| {
            tx.prepare_cached("UPDATE items SET standing = 1, changed = ? WHERE id = ?")?
                .execute(params![now_ms(), item])?;
            Ok(())
        })
    }

    /// After an unclean stop: reads what had not been synced and drops what is not whole.
    pub(crate) fn recover(&self) -> Result<Recovery, StoreError> {
        let mut recovery = Recovery { unclean: true, ..Recovery::default() };
        let stored: Vec<BlobId> = self.db.read(|tx| {
            let mut statement = tx.prepare_cached("SELECT blob FROM blobs WHERE unsynced > 0 AND stored = 1")?;
            Ok(statement.query_map([], |row| Ok(BlobId(array(row, 0)?)))?.collect::<Result<_, _>>()?)
        })?;
        let mut lost = BTreeSet::new();
        for blob in &stored {
            if self.blobs.read(blob)?.is_none() {
                self.withdraw_stored(blob)?;
                self.blobs.remove(blob)?;
                lost.insert(*blob);
            }
        }
        let chunks = self.db.read(|tx| unsynced_chunks(tx, &lost))?;
        let mut rechecked: BTreeSet<BlobId> = stored.into_iter().collect();
        for (item, blob) in chunks {
            rechecked.insert(blob);
            if !self.check_blob(item, &blob, chunk_state::MISSING)?.0.is_empty() {
                lost.insert(blob);
            }
        }
        recovery.rechecked = rechecked.len() as u64;
        recovery.lost = lost.len() as u64;
        self.blobs.remove_strays(&mut |blob| {
            self.db.read(|tx| {
                let mut statement =
                    tx.prepare_cached("SELECT EXISTS(SELECT 1 FROM blobs WHERE blob = ? AND stored = 1)")?;
                Ok(statement.query_row([blob.as_bytes()], |row| row.get(0))?)
            })
        })?;
        // Read is not synced: what is right still waits for its sync, under this run's numbers.
        self.db.write(|tx| {
            let number = self.pace.number();
            tx.execute("UPDATE blobs SET unsynced = ? WHERE unsynced > 0", [number])?;
            tx.execute("UPDATE chunks SET unsynced = ? WHERE unsynced > 0 AND state > 0", [number])?;
            tx.execute("UPDATE chunks SET unsynced = 0 WHERE unsynced > 0 AND state <= 0", [])?;
            Ok(())
        })?;
        self.pace.wrote();
        tracing::info!(rechecked = recovery.rechecked, lost = recovery.lost, "the last process did not stop cleanly");
        Ok(recovery)
    }
}

/// Items and blobs of which plain bytes were not synced, or that were compared with a stored blob that is lost.
fn unsynced_chunks(tx: &Transaction<'_>, lost: &BTreeSet<BlobId>) -> Result<BTreeSet<(i64, BlobId)>, StoreError> {
    let mut out = BTreeSet::new();
    let mut statement = tx.prepare_cached(
        "SELECT DISTINCT k.item, b.blob FROM chunks k JOIN blobs b ON b.id = k.blob WHERE k.unsynced > 0 AND k.state > 0",
    )?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        out.insert((row.get(0)?, BlobId(array(row, 1)?)));
    }
    let mut of_blob = tx.prepare_cached(
        "SELECT DISTINCT item FROM chunks WHERE blob = (SELECT id FROM blobs WHERE blob = ?) AND state > 0",
    )?;
    for blob in lost {
        let mut rows = of_blob.query([blob.as_bytes()])?;
        while let Some(row) = rows.next()? {
            out.insert((row.get(0)?, *blob));
        }
    }
    Ok(out)
}
