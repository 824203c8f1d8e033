//! Reading everything again: on the user's word, and after an unclean stop what had not been synced.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use protocol::{BlobId, ChannelKey, ItemId, blob};
use rusqlite::{OptionalExtension, Transaction, params};

use crate::db::{array, chunk_state, form};
use crate::ours::{self, Finished};
use crate::place::{Group, Span, groups, not_held, set_state};
use crate::plans;
use crate::read::{place_of, rebuild};
use crate::stamp::Stamp;
use crate::store::{Core, now_ms};
use crate::{Recovery, Standing, Store, StoreError, VerifyOutcome, items, parts};

impl Store {
    /// Before a planned download goes on: what was found damaged in it and does not grow again yet, because a process was cut
    /// off in between, does so now. Returns the files that stay as they are beside it.
    pub fn grow_lacking(&self, channel: &ChannelKey, id: &ItemId) -> Result<Vec<PathBuf>, StoreError> {
        let (item, lacks) = self.core.db.read(|tx| {
            let item = items::row_id(tx, channel, id)?;
            Ok((item, finished_lacks(tx, item)?))
        })?;
        if lacks { self.core.grow_again(item, false) } else { Ok(Vec::new()) }
    }

    /// Reads every blob of an item again; wrong ones are withdrawn, and wanted again for downloads. A damaged file that
    /// nobody was at becomes a part file again. One that was changed here, or that is not ours, stays as it is: the
    /// published version grows beside it, from what of it is right. Chunks that were lost and are right again are held
    /// again.
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
        let before = if encrypted { BTreeMap::new() } else { self.core.stamps(item)? };
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
        // Also what an earlier reading found and was cut off over.
        if !published && (!outcome.bad.is_empty() || self.core.db.read(|tx| finished_lacks(tx, item))?) {
            outcome.kept = self.core.grow_again(item, encrypted)?;
        }
        if went_on {
            self.core.know_again(item, &before)?;
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

/// Whether a file that has its name lacks bytes: it was found damaged, and nothing grows in its place yet.
fn finished_lacks(tx: &Transaction<'_>, item: i64) -> Result<bool, StoreError> {
    let mut statement = tx.prepare_cached(
        "SELECT EXISTS(SELECT 1 FROM items i JOIN files f ON f.item = i.id
         JOIN chunks k ON k.item = i.id AND k.file = f.id AND k.state <= 0 AND k.state = 0
         WHERE i.id = ? AND i.planned = 1 AND i.form <> 1 AND i.standing <> 3 AND f.part IS NULL AND k.len > 0)",
    )?;
    Ok(statement.query_row([item], |row| row.get(0))?)
}

/// At the start: what is called complete and lacks bytes was being read when a process ended. It is wanted again.
pub(crate) fn readings_cut_off(tx: &Transaction<'_>) -> Result<(), StoreError> {
    tx.execute(
        "UPDATE items SET standing = 1, changed = ? WHERE standing = 2 AND planned = 1 AND item IS NOT NULL
         AND EXISTS(SELECT 1 FROM chunks k WHERE k.item = items.id AND k.state <= 0 AND k.state = 0 AND k.len > 0)",
        [now_ms()],
    )?;
    Ok(())
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
        self.check_spans(item, id, wrong, &BTreeSet::new())
    }

    /// Reads chunks of these files that are said to be missing and may be there: copied, or there before us.
    pub(crate) fn check_hoped(&self, item: i64, id: &BlobId, files: &BTreeSet<i64>) -> Result<(), StoreError> {
        self.check_spans(item, id, chunk_state::MISSING, files).map(drop)
    }

    /// As [`Self::check_blob`]; missing chunks of the files `hoped` are read as well, and wait for the disk when they are
    /// right.
    fn check_spans(&self, item: i64, id: &BlobId, wrong: i64, hoped: &BTreeSet<i64>) -> Result<Checked, StoreError> {
        let mut found = self.db.read(|tx| groups(tx, id, Some(item), chunk_state::LOST..=chunk_state::DERIVED))?;
        let mut checked = Checked::default();
        let mut changes: Vec<(&Span, i64)> = Vec::new();
        let is_hoped = |span: &Span| span.state == chunk_state::MISSING && hoped.contains(&span.file);
        for group in &mut found {
            let not_here = |span: &Span| matches!(span.state, chunk_state::MISSING | chunk_state::UNOPENABLE);
            group.spans.retain(|span| span.len > 0 && (!not_here(span) || is_hoped(span)));
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
                if !right && !is_hoped(span) {
                    checked.wrong.push(place_of(span).to_path_buf());
                }
            }
        }
        changes.retain(|(span, to)| span.state != *to);
        if !changes.is_empty() {
            self.write_blob(|tx| {
                let number = self.pace.number();
                for (span, to) in &changes {
                    set_state(tx, item, span, *to, if is_hoped(span) { number } else { 0 })?;
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

    /// Compares plain bytes with the stored blob, if that is here: span by span.
    pub(crate) fn compare<'a>(&self, id: &BlobId, group: &'a Group) -> Result<Vec<(&'a Span, bool)>, StoreError> {
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

    /// What an item's finished files are like now.
    fn stamps(&self, item: i64) -> Result<BTreeMap<i64, Stamp>, StoreError> {
        let files: Vec<(i64, PathBuf)> = self.db.read(|tx| {
            let mut statement = tx.prepare_cached("SELECT id, disk FROM files WHERE item = ? AND part IS NULL")?;
            let rows = statement.query_map([item], |row| Ok((row.get(0)?, crate::db::path::from_sql(row.get(1)?))))?;
            Ok(rows.collect::<Result<_, _>>()?)
        })?;
        Ok(files.into_iter().filter_map(|(row, disk)| Some((row, Stamp::at(&disk)?))).collect())
    }

    /// Files of which every byte was read and is right are known by what they are like now, if nobody was at them since.
    fn know_again(&self, item: i64, before: &BTreeMap<i64, Stamp>) -> Result<(), StoreError> {
        let now = self.stamps(item)?;
        let same = before.iter().filter(|(row, stamp)| now.get(row) == Some(stamp));
        let same: Vec<(i64, Stamp)> = same.map(|(row, stamp)| (*row, *stamp)).collect();
        self.write_soon(|tx| {
            let mut whole = tx.prepare_cached(
                "SELECT EXISTS(SELECT 1 FROM files WHERE id = ?1 AND part IS NULL AND size = ?2) AND
                    NOT EXISTS(SELECT 1 FROM chunks WHERE file = ?1 AND len > 0 AND state NOT IN (1, 2))",
            )?;
            for (row, stamp) in &same {
                if whole.query_row(params![row, crate::db::int(stamp.length)], |row| row.get::<_, bool>(0))? {
                    ours::record(tx, *row, stamp)?;
                }
            }
            Ok(())
        })
    }

    /// Finished files that lack bytes grow again, and their item is wanted again. One that nobody was at since it was
    /// written is damaged, and becomes a part file. Every other one stays as it is, and ours grows beside it. Returns those
    /// that stay.
    pub(crate) fn grow_again(&self, item: i64, encrypted: bool) -> Result<Vec<PathBuf>, StoreError> {
        let _layout = self.exclusive();
        self.want_again(item)?;
        if encrypted {
            return Ok(Vec::new());
        }
        let lacking: BTreeSet<i64> = self.db.read(|tx| {
            let mut statement = tx.prepare_cached(
                "SELECT id FROM files f WHERE item = ? AND part IS NULL
                 AND EXISTS(SELECT 1 FROM chunks k WHERE k.file = f.id AND k.state = 0)",
            )?;
            Ok(statement.query_map([item], |row| row.get(0))?.collect::<Result<_, _>>()?)
        })?;
        let files = self.db.read(|tx| ours::finished(tx, item, None))?;
        let mut kept = Vec::new();
        for file in files.into_iter().filter(|file| lacking.contains(&file.row)) {
            let now = Stamp::at(&file.disk);
            let is_damaged = match now {
                Some(now) => self.is_damaged(item, &file, &now)?,
                None => false,
            };
            if is_damaged {
                self.take_over(&file)?;
            } else {
                kept.extend(now.is_some().then(|| file.disk.clone()));
                self.grow_beside(item, &file)?;
            }
        }
        Ok(kept)
    }

    /// Whether a file with wrong bytes is the one that we wrote, and nobody was at it: then its disk is to blame.
    fn is_damaged(&self, item: i64, file: &Finished, now: &Stamp) -> Result<bool, StoreError> {
        if file.found || !ours::looks_untouched(&file.recorded, now) {
            return Ok(false);
        }
        let one = ours::Doomed { root: file.root.clone(), file: file.disk.clone(), stamp: *now };
        let claimed = self.db.read(|tx| ours::claimed(tx, item, std::slice::from_ref(&one)))?;
        Ok(claimed.is_empty() && crate::enter::may_be_inside(&file.root, &file.disk))
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
