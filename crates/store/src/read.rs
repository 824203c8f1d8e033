//! Reading blobs: one buffer is read, sealed, hashed, compared and handed out (E8).

use std::path::{Path, PathBuf};

use protocol::params::BLOB_LEN;
use protocol::{BlobId, BlobKey, ChannelKey, ItemId, VerifiedBlob, blob};
use rusqlite::{OptionalExtension, Transaction, params};

use crate::db::{array, chunk_state, int, path};
use crate::place::{Group, Span, covered, not_held, pieces, set_state};
use crate::store::Core;
use crate::{ReadError, Store, StoreError, items, parts, plans};

impl Store {
    /// The sealed bytes of a blob, hashed in the very buffer returned.
    ///
    /// A source that is not right any more is withdrawn, and the next one tried.
    pub fn read_blob(&self, blob: &BlobId) -> Result<VerifiedBlob, ReadError> {
        let _layout = self.core.shared();
        let (stored, derived) = self.core.db.read(|tx| sources(tx, blob))?;
        if stored {
            match self.core.blobs.read(blob)? {
                Some(bytes) => return Ok(bytes),
                None => self.core.withdraw_stored(blob)?,
            }
        }
        let mut changed = None;
        let mut withdrawn = Vec::new();
        for group in derived {
            match rebuild(blob, &group)? {
                Some(bytes) => return Ok(bytes),
                None => {
                    let (culprit, gone) = self.core.withdraw(blob, &group)?;
                    changed = changed.or(culprit);
                    withdrawn.extend(gone);
                }
            }
        }
        match changed {
            Some((file, item)) => Err(ReadError::Changed { file, item, withdrawn }),
            None => Err(ReadError::Missing),
        }
    }

    /// As [`Store::read_blob`], for others who may not want it any more: `wanted` is asked before each step of the work
    /// (reading, sealing, hashing). `None`: it was not, and the rest was left undone. Two at once are hashed together: what a
    /// core does for two takes little longer than for one.
    pub fn read_wanted(
        &self,
        blobs: &[BlobId],
        wanted: &dyn Fn(&BlobId) -> bool,
    ) -> Vec<Option<Result<VerifiedBlob, ReadError>>> {
        // Whatever is not as usual (several sources, a changed file, trouble) is told by the reading of one.
        let alone = |blob: &BlobId| wanted(blob).then(|| self.read_blob(blob));
        let made: Vec<Made> = blobs.iter().map(|blob| self.core.make(blob, wanted)).collect();
        let hashed = |blob: &BlobId, made: Result<VerifiedBlob, Vec<u8>>| match made {
            Ok(made) => Some(Ok(made)),
            Err(_) => alone(blob),
        };
        let finish = |blobs: &[BlobId], made: Vec<Made>| {
            let one = |(blob, made): (&BlobId, Made)| match made {
                Made::Unwanted => None,
                Made::Unusual => alone(blob),
                Made::Sealed(bytes) => hashed(blob, VerifiedBlob::verify(*blob, bytes)),
            };
            blobs.iter().zip(made).map(one).collect()
        };
        match <[Made; 2]>::try_from(made) {
            Ok([Made::Sealed(first), Made::Sealed(second)]) => {
                let made = VerifiedBlob::verify_two([(blobs[0], first), (blobs[1], second)]);
                blobs.iter().zip(made).map(|(blob, made)| hashed(blob, made)).collect()
            }
            Ok(made) => finish(blobs, made.into()),
            Err(made) => finish(blobs, made),
        }
    }

    /// Reads every blob that one file of an item is said to hold, and withdraws those that it does not: after
    /// [`ReadError::Changed`]. Stops when `go_on` says false. Returns the blobs that are no longer held.
    pub fn recheck(
        &self,
        channel: &ChannelKey,
        id: &ItemId,
        file: &Path,
        go_on: &mut dyn FnMut() -> bool,
    ) -> Result<Vec<BlobId>, StoreError> {
        let of_file: Vec<(i64, i64, BlobId)> = self.core.db.read(|tx| {
            let item = items::row_id(tx, channel, id)?;
            let mut statement = tx.prepare_cached(
                "SELECT k.item, b.id, b.blob FROM files f JOIN chunks k ON k.file = f.id
                 JOIN blobs b ON b.id = k.blob JOIN items i ON i.id = f.item
                 WHERE (f.disk = ?1 OR f.part = ?1) AND (i.id = ?2 OR i.of = ?2) AND k.state = 2
                 GROUP BY k.item, b.id ORDER BY MIN(f.id), MIN(k.seq)",
            )?;
            let rows = statement.query_map(params![path::to_sql(file), item], |row| {
                Ok((row.get(0)?, row.get(1)?, BlobId(array(row, 2)?)))
            })?;
            Ok(rows.collect::<Result<_, _>>()?)
        })?;
        let mut bad = Vec::new();
        for (item, row, blob) in of_file {
            if !go_on() {
                break;
            }
            let _layout = self.core.shared();
            if !self.core.check_blob(item, &blob, chunk_state::LOST)?.wrong.is_empty() {
                bad.push((row, blob));
            }
        }
        self.core.db.read(|tx| not_held(tx, bad))
    }
}

impl Store {
    /// Finished files, downloaded or published, that are gone or do not look as they did: their length or their time is
    /// another. Only [`Store::recheck`] tells whether their bytes are. Those of which nothing is held any more are passed over.
    pub fn touched_files(&self, go_on: &mut dyn FnMut() -> bool) -> Result<Vec<Touched>, StoreError> {
        let files: Vec<(Touched, u64, i64)> = self.core.db.read(|tx| {
            let mut statement = tx.prepare_cached(
                "SELECT c.key, i.item, f.disk, f.size, f.mtime_ns FROM items i JOIN channels c ON c.id = i.channel
                 JOIN files f ON f.item = i.id WHERE i.standing >= 2 AND i.form <> 1 AND f.part IS NULL AND f.have > 0",
            )?;
            let rows = statement.query_map([], |row| {
                let item = (ChannelKey(array(row, 0)?), ItemId(array(row, 1)?));
                Ok(((item, path::from_sql(row.get(2)?)), crate::db::uint(row.get(3)?), row.get(4)?))
            })?;
            Ok(rows.collect::<Result<_, _>>()?)
        })?;
        let mut out = Vec::new();
        for ((item, file), size, mtime_ns) in files {
            if !go_on() {
                break;
            }
            let same = parts::length(&file) == Some(size) && (mtime_ns == 0 || parts::mtime_ns(&file) == mtime_ns);
            if !same {
                out.push((item, file));
            }
        }
        Ok(out)
    }
}

/// Whether a blob is stored, and what it can be made from.
fn sources(tx: &Transaction<'_>, blob: &BlobId) -> Result<(bool, Vec<Group>), StoreError> {
    let mut statement = tx.prepare_cached("SELECT stored FROM blobs WHERE blob = ?")?;
    let stored: bool = statement.query_row([blob.as_bytes()], |row| row.get(0)).optional()?.unwrap_or(false);
    Ok((stored, pieces(tx, blob, chunk_state::DERIVED..=chunk_state::DERIVED)?))
}

/// A file that does not look as it did, and its item.
pub type Touched = ((ChannelKey, ItemId), PathBuf);

/// How far a blob for others came.
enum Made {
    /// Nobody wants it any more.
    Unwanted,
    /// It takes more than one look.
    Unusual,
    /// To be hashed.
    Sealed(Vec<u8>),
}

/// Where a span's bytes lie now.
pub(crate) fn place_of(span: &Span) -> &Path {
    match &span.part {
        // A crash between a file's renaming and its record leaves the part's name behind.
        Some(part) if part.exists() || !span.disk.exists() => part,
        _ => &span.disk,
    }
}

/// Makes the blob from its plain bytes; `None` if they are not there, or it is another blob.
pub(crate) fn rebuild(id: &BlobId, group: &Group) -> Result<Option<VerifiedBlob>, StoreError> {
    let Some(plain) = plain_of(group)? else { return Ok(None) };
    let made = blob::seal(plain, &group.key);
    Ok((made.id() == *id).then_some(made))
}

/// The plain bytes of a group, with room for the blob; `None` if they are not there.
fn plain_of(group: &Group) -> Result<Option<Vec<u8>>, StoreError> {
    let Some(used) = covered(group.spans.iter()) else { return Ok(None) };
    let mut buf = Vec::with_capacity(BLOB_LEN);
    buf.resize(used, 0);
    for span in &group.spans {
        let Some(bytes) = buf.get_mut(span.off..span.off + span.len) else { return Ok(None) };
        if !bytes.is_empty() && !parts::read_at(place_of(span), span.at, bytes)? {
            return Ok(None);
        }
    }
    Ok(Some(buf))
}

/// Bytes, and the key that seals them where they are plain.
type Raw = (Vec<u8>, Option<BlobKey>);

impl Core {
    /// What should be a blob's sealed bytes, not hashed yet, if it is wanted until then.
    fn make(&self, blob: &BlobId, wanted: &dyn Fn(&BlobId) -> bool) -> Made {
        if !wanted(blob) {
            return Made::Unwanted;
        }
        let found = self.raw(blob).ok().flatten();
        match found {
            _ if !wanted(blob) => Made::Unwanted,
            None => Made::Unusual,
            Some((bytes, None)) => Made::Sealed(bytes),
            Some((plain, Some(key))) => {
                let sealed = blob::encrypt(plain, &key);
                if wanted(blob) { Made::Sealed(sealed) } else { Made::Unwanted }
            }
        }
    }

    /// A blob's sealed bytes, or plain ones and the key that seals them; `None` where that takes more than one look.
    fn raw(&self, blob: &BlobId) -> Result<Option<Raw>, StoreError> {
        let _layout = self.shared();
        let (stored, derived) = self.db.read(|tx| sources(tx, blob))?;
        if stored {
            return Ok(self.blobs.read_raw(blob)?.map(|bytes| (bytes, None)));
        }
        match derived.as_slice() {
            [group] => Ok(plain_of(group)?.map(|plain| (plain, Some(group.key.clone())))),
            _ => Ok(None),
        }
    }

    /// A stored blob's file is gone or damaged.
    pub(crate) fn withdraw_stored(&self, blob: &BlobId) -> Result<(), StoreError> {
        tracing::warn!(%blob, "its file in the data folder is damaged or gone");
        self.write_soon(|tx| {
            tx.prepare_cached("UPDATE blobs SET stored = 0, unsynced = 0 WHERE blob = ?")?
                .execute([blob.as_bytes()])?;
            lose_sealed(tx, blob)
        })?;
        self.blobs.remove(blob)
    }

    /// A blob can no longer be made from this item, nor can those behind the end of a file that became shorter. A growing
    /// file's chunks are wanted again, others are lost until the item is verified. Returns the file that seems to have
    /// changed with its item, and the blobs that nothing holds now.
    fn withdraw(&self, blob: &BlobId, group: &Group) -> Result<(Option<Suspect>, Vec<BlobId>), StoreError> {
        let length = |span: &Span| parts::length(place_of(span)).unwrap_or(0);
        let cut: Vec<&Span> = group.spans.iter().filter(|s| s.len > 0 && length(s) < s.at + s.len as u64).collect();
        let touched = group.spans.iter().filter(|s| s.mtime_ns != 0 && parts::mtime_ns(place_of(s)) != s.mtime_ns);
        let touched: Vec<&Span> = touched.collect();
        // The files known to have changed; where none shows it, any may have.
        let guilty = match (cut.is_empty(), touched.is_empty()) {
            (false, _) => cut.clone(),
            (true, false) => touched,
            (true, true) => group.spans.iter().collect(),
        };
        let Some(suspect) = guilty.first() else { return Ok((None, Vec::new())) };
        let file = place_of(suspect).to_path_buf();
        tracing::warn!(%blob, file = %file.display(), "a file changed on disk; the blob is withdrawn");
        let (item, withdrawn) = self.db.write(|tx| {
            let mut candidates = vec![(plans::blob_row(tx, blob)?, *blob)];
            for span in &group.spans {
                let is_guilty = guilty.iter().any(|g| (g.file, g.seq) == (span.file, span.seq));
                // Its neighbours in a packed blob keep their bytes, from which alone the blob cannot be made.
                let to = if is_guilty { lost_state(span) } else { chunk_state::PLAIN };
                set_state(tx, group.item, span, to, 0)?;
            }
            for span in &cut {
                candidates.extend(cut_off(tx, group.item, span, length(span))?);
            }
            Ok((named(tx, group.item)?, not_held(tx, candidates)?))
        })?;
        Ok((item.map(|item| (file, item)), withdrawn))
    }
}

/// A stored blob went: items that are kept only encrypted lack it. What was whole is not fetched again before the user has
/// it verified.
fn lose_sealed(tx: &Transaction<'_>, blob: &BlobId) -> Result<(), StoreError> {
    let mut concerned = tx.prepare_cached(
        "SELECT k.file, k.seq, k.item, k.len, i.standing = 1 FROM chunks k JOIN items i ON i.id = k.item
         WHERE k.blob = (SELECT id FROM blobs WHERE blob = ?) AND k.state = 3",
    )?;
    let concerned: Vec<(i64, i64, i64, i64, bool)> = concerned
        .query_map([blob.as_bytes()], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?)))?
        .collect::<Result<_, _>>()?;
    for (file, seq, item, len, wanted) in concerned {
        let to = if wanted { chunk_state::MISSING } else { chunk_state::LOST };
        tx.prepare_cached("UPDATE chunks SET state = ? WHERE file = ? AND seq = ?")?.execute([to, file, seq])?;
        tx.prepare_cached("UPDATE files SET have = have - ? WHERE id = ?")?.execute([len, file])?;
        tx.prepare_cached("UPDATE items SET have = have - ? WHERE id = ? AND item IS NOT NULL")?
            .execute([len, item])?;
    }
    Ok(())
}

fn lost_state(span: &Span) -> i64 {
    if span.part.is_some() { chunk_state::MISSING } else { chunk_state::LOST }
}

/// Takes back the chunks of a file that end behind byte `end`. Returns their blobs.
fn cut_off(tx: &Transaction<'_>, item: i64, span: &Span, end: u64) -> Result<Vec<(i64, BlobId)>, StoreError> {
    let blobs = tx
        .prepare_cached(
            "SELECT DISTINCT b.id, b.blob FROM chunks k JOIN blobs b ON b.id = k.blob
             WHERE k.file = ? AND k.state > 0 AND k.len > 0 AND k.at + k.len > ?",
        )?
        .query_map(params![span.file, int(end)], |row| Ok((row.get(0)?, BlobId(array(row, 1)?))))?
        .collect::<Result<Vec<_>, _>>()?;
    for (row, _) in &blobs {
        tx.prepare_cached("UPDATE chunks SET state = 1 WHERE item = ? AND blob = ? AND state = 2 AND file <> ?")?
            .execute(params![item, row, span.file])?;
    }
    tx.prepare_cached(
        "UPDATE chunks SET state = ?, unsynced = 0 WHERE file = ? AND state > 0 AND len > 0 AND at + len > ?",
    )?
    .execute(params![lost_state(span), span.file, int(end)])?;
    let had: i64 = tx.query_row("SELECT have FROM files WHERE id = ?", [span.file], |row| row.get(0))?;
    tx.prepare_cached(
        "UPDATE files SET have = (SELECT COALESCE(SUM(len), 0) FROM chunks WHERE file = ?1 AND state > 0) WHERE id = ?1",
    )?
    .execute([span.file])?;
    let has: i64 = tx.query_row("SELECT have FROM files WHERE id = ?", [span.file], |row| row.get(0))?;
    tx.prepare_cached("UPDATE items SET have = have - ? WHERE id = ?")?.execute(params![had - has, item])?;
    Ok(blobs)
}

/// A file that seems to have changed, and its item.
type Suspect = (PathBuf, (ChannelKey, ItemId));

/// The item of a row; of a retired plan, the item whose plan it was.
fn named(tx: &Transaction<'_>, item: i64) -> Result<Option<(ChannelKey, ItemId)>, StoreError> {
    let mut statement = tx.prepare_cached(
        "SELECT c.key, COALESCE(i.item, o.item) FROM items i JOIN channels c ON c.id = i.channel
         LEFT JOIN items o ON o.id = i.of WHERE i.id = ? AND COALESCE(i.item, o.item) IS NOT NULL",
    )?;
    let found = statement.query_row([item], |row| Ok((ChannelKey(array(row, 0)?), ItemId(array(row, 1)?))));
    Ok(found.optional()?)
}
