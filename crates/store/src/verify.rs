//! Reading everything again: on the user's word, and after an unclean stop what had not been synced.

use std::collections::BTreeSet;
use std::fs::OpenOptions;
use std::path::PathBuf;

use protocol::{BlobId, ChannelKey, ItemId, blob};
use rusqlite::{OptionalExtension, Transaction, params};

use crate::db::{array, chunk_state, form, path, uint};
use crate::error::at;
use crate::place::{Group, Span, groups, not_held, set_state};
use crate::places::free_part;
use crate::plans;
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
        let (item, published, encrypted, blobs) = self.core.db.read(|tx| {
            let item = items::row_id(tx, channel, id)?;
            let (standing, kept): (i64, i64) =
                tx.query_row("SELECT standing, form FROM items WHERE id = ?", [item], |r| Ok((r.get(0)?, r.get(1)?)))?;
            let published = Standing::from_sql(standing) == Standing::Published;
            Ok((item, published, kept == form::ENCRYPTED, here_or_lost(tx, item)?))
        })?;
        let mut outcome = VerifyOutcome::default();
        let mut files = BTreeSet::new();
        let total = blobs.len() as u64;
        let mut went_on = true;
        for (done, blob) in blobs.iter().enumerate() {
            if !progress(done as u64, total) {
                went_on = false;
                break;
            }
            let _layout = self.core.shared();
            let wrong = if published { chunk_state::LOST } else { chunk_state::MISSING };
            let checked = match encrypted {
                true => self.core.check_sealed(item, blob)?,
                false => self.core.check_blob(item, blob, wrong)?,
            };
            if checked.wrong.is_empty() {
                outcome.good += 1;
            } else {
                files.extend(checked.wrong);
                outcome.bad.push(*blob);
            }
            if checked.again {
                outcome.back.push(*blob);
            }
        }
        if !outcome.bad.is_empty() && !published {
            self.core.grow_again(item, encrypted)?;
        }
        if went_on {
            progress(total, total);
        }
        outcome.files = files.into_iter().collect();
        outcome.gone = self.core.db.read(|tx| {
            let rows = outcome.bad.iter().map(|blob| Ok((plans::find_blob(tx, blob)?.unwrap_or(0), *blob)));
            not_held(tx, rows.collect::<Result<_, StoreError>>()?)
        })?;
        Ok(outcome)
    }
}

fn here_or_lost(tx: &Transaction<'_>, item: i64) -> Result<Vec<BlobId>, StoreError> {
    let mut statement = tx.prepare_cached(
        "SELECT b.blob FROM chunks k JOIN blobs b ON b.id = k.blob
         WHERE k.item = ? AND k.len > 0 AND k.state IN (1, 2, 3, -2) GROUP BY b.id ORDER BY MIN(k.file), MIN(k.seq)",
    )?;
    Ok(statement.query_map([item], |row| Ok(BlobId(array(row, 0)?)))?.collect::<Result<_, _>>()?)
}

/// What reading a blob again found.
#[derive(Default)]
pub(crate) struct Checked {
    /// Files in which bytes are wrong.
    pub(crate) wrong: Vec<PathBuf>,
    /// It was not held, and is again.
    pub(crate) again: bool,
}

impl Core {
    /// Reads one blob's plain bytes in an item and sets its chunks' states; wrong ones become `wrong`, or missing where
    /// their file still grows.
    pub(crate) fn check_blob(&self, item: i64, id: &BlobId, wrong: i64) -> Result<Checked, StoreError> {
        let mut found = self.db.read(|tx| groups(tx, id, Some(item), chunk_state::LOST..=chunk_state::DERIVED))?;
        let mut checked = Checked::default();
        let mut changes: Vec<(&Span, i64)> = Vec::new();
        for group in &mut found {
            group
                .spans
                .retain(|span| span.len > 0 && !matches!(span.state, chunk_state::MISSING | chunk_state::UNOPENABLE));
        }
        let was_held = found.iter().flat_map(|group| &group.spans).any(|span| span.state == chunk_state::DERIVED);
        for group in found.iter().filter(|group| !group.spans.is_empty()) {
            if rebuild(id, group)?.is_some() {
                changes.extend(group.spans.iter().map(|span| (span, chunk_state::DERIVED)));
                checked.again |= !was_held;
                continue;
            }
            for (span, right) in self.compare(id, group)? {
                let to = match (right, &span.part) {
                    (true, _) => chunk_state::PLAIN,
                    (false, Some(_)) => chunk_state::MISSING,
                    (false, None) => wrong,
                };
                changes.push((span, to));
                if !right {
                    checked.wrong.push(place_of(span).to_path_buf());
                }
            }
        }
        changes.retain(|(span, to)| span.state != *to);
        if !changes.is_empty() {
            self.write_soon(|tx| {
                for (span, to) in &changes {
                    set_state(tx, item, span, *to, 0)?;
                }
                Ok(())
            })?;
        }
        Ok(checked)
    }

    /// Reads one stored blob of an item that is kept only encrypted.
    fn check_sealed(&self, item: i64, id: &BlobId) -> Result<Checked, StoreError> {
        let right = self.blobs.read(id)?.is_some();
        if !right {
            self.withdraw_stored(id)?;
        }
        let found = self.db.read(|tx| groups(tx, id, Some(item), chunk_state::LOST..=chunk_state::SEALED))?;
        let mut checked = Checked::default();
        let to = if right { chunk_state::SEALED } else { chunk_state::MISSING };
        let changes: Vec<&Span> = found
            .iter()
            .flat_map(|group| &group.spans)
            .filter(|span| span.len > 0 && matches!(span.state, chunk_state::LOST | chunk_state::SEALED))
            .collect();
        if !right {
            checked.wrong.extend(changes.iter().map(|span| span.disk.clone()));
        }
        checked.again = right && changes.iter().any(|span| span.state == chunk_state::LOST);
        self.write_soon(|tx| {
            changes
                .iter()
                .filter(|span| span.state != to)
                .try_for_each(|span| set_state(tx, item, span, to, 0).map(drop))
        })?;
        Ok(checked)
    }

    /// Whether every chunk of a file is right.
    pub(crate) fn is_right(&self, item: i64, file: i64) -> Result<bool, StoreError> {
        let blobs: Vec<BlobId> = self.db.read(|tx| {
            let mut statement = tx.prepare_cached(
                "SELECT DISTINCT b.blob FROM chunks k JOIN blobs b ON b.id = k.blob WHERE k.file = ? AND k.len > 0",
            )?;
            Ok(statement.query_map([file], |row| Ok(BlobId(array(row, 0)?)))?.collect::<Result<_, _>>()?)
        })?;
        for blob in blobs {
            if !self.check_blob(item, &blob, chunk_state::LOST)?.wrong.is_empty() {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Compares plain bytes with the stored blob, if that is here: span by span.
    fn compare<'a>(&self, id: &BlobId, group: &'a Group) -> Result<Vec<(&'a Span, bool)>, StoreError> {
        let stored: bool = self.db.read(|tx| {
            let mut statement = tx.prepare_cached("SELECT stored FROM blobs WHERE blob = ?")?;
            Ok(statement.query_row([id.as_bytes()], |row| row.get(0)).optional()?.unwrap_or(false))
        })?;
        let mut plain = None;
        if stored {
            match self.blobs.read(id)? {
                Some(stored) => plain = blob::open(stored, &group.key).ok(),
                None => self.withdraw_stored(id)?,
            }
        }
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

    /// Finished files that lack bytes grow again, and their item is wanted again. A file of which nothing is right is
    /// somebody else's by now: it stays as it is, and ours grows beside it.
    fn grow_again(&self, item: i64, encrypted: bool) -> Result<(), StoreError> {
        let _layout = self.exclusive();
        if encrypted {
            return self.want_again(item);
        }
        let files: Vec<(i64, PathBuf, u64, bool)> = self.db.read(|tx| {
            let mut statement = tx.prepare_cached(
                "SELECT id, disk, size, have > 0 FROM files f WHERE item = ? AND part IS NULL
                 AND EXISTS(SELECT 1 FROM chunks k WHERE k.file = f.id AND k.state = 0)",
            )?;
            let rows = statement.query_map([item], |row| {
                Ok((row.get(0)?, path::from_sql(row.get(1)?), uint(row.get(2)?), row.get(3)?))
            })?;
            Ok(rows.collect::<Result<_, _>>()?)
        })?;
        for (file, disk, size, ours) in files {
            // The record first: a crash between finds the bytes under the file's name (see `place_of`).
            let part = self.db.write(|tx| {
                let part = free_part(tx, &disk)?;
                tx.prepare_cached("UPDATE files SET part = ?, mtime_ns = 0 WHERE id = ?")?
                    .execute(params![path::to_sql(&part), file])?;
                Ok(part)
            })?;
            if ours && parts::length(&disk).is_some() {
                std::fs::rename(&disk, &part).map_err(at(&disk))?;
                OpenOptions::new().write(true).open(&part).and_then(|f| f.set_len(size)).map_err(at(&part))?;
            }
        }
        self.want_again(item)
    }

    fn want_again(&self, item: i64) -> Result<(), StoreError> {
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
                lost.insert(*blob);
            }
        }
        let chunks = self.db.read(unsynced_chunks)?;
        let mut rechecked: BTreeSet<BlobId> = stored.into_iter().collect();
        for (item, blob) in chunks {
            rechecked.insert(blob);
            if !self.check_blob(item, &blob, chunk_state::LOST)?.wrong.is_empty() {
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
        self.write_blob(|tx| {
            let number = self.pace.number();
            tx.execute("UPDATE blobs SET unsynced = ? WHERE unsynced > 0", [number])?;
            tx.execute("UPDATE chunks SET unsynced = ? WHERE unsynced > 0 AND state > 0", [number])?;
            tx.execute("UPDATE chunks SET unsynced = 0 WHERE unsynced > 0 AND state <= 0", [])?;
            Ok(())
        })?;
        tracing::info!(rechecked = recovery.rechecked, lost = recovery.lost, "the last process did not stop cleanly");
        Ok(recovery)
    }
}

/// Items and blobs of which plain bytes were not synced.
fn unsynced_chunks(tx: &Transaction<'_>) -> Result<Vec<(i64, BlobId)>, StoreError> {
    let mut statement = tx.prepare_cached(
        "SELECT DISTINCT k.item, b.blob FROM chunks k JOIN blobs b ON b.id = k.blob WHERE k.unsynced > 0 AND k.state > 0",
    )?;
    Ok(statement.query_map([], |row| Ok((row.get(0)?, BlobId(array(row, 1)?))))?.collect::<Result<_, _>>()?)
}
