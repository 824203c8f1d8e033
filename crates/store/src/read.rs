//! Reading blobs: one buffer is read, sealed, hashed, compared and handed out (E8).

use std::path::{Path, PathBuf};

use protocol::params::BLOB_LEN;
use protocol::{BlobId, ChannelKey, ItemId, VerifiedBlob, blob};
use rusqlite::{OptionalExtension, Transaction};

use crate::db::{array, chunk_state};
use crate::place::{Group, Span, covered, groups, set_state};
use crate::store::Core;
use crate::{ReadError, Store, StoreError, parts};

impl Store {
    /// The sealed bytes of a blob, hashed in the very buffer returned.
    ///
    /// A source that is not right any more is withdrawn, and the next one tried.
    pub fn read_blob(&self, blob: &BlobId) -> Result<VerifiedBlob, ReadError> {
        let _layout = self.core.shared();
        let (stored, derived) = self.core.db.read(|tx| {
            let mut statement = tx.prepare_cached("SELECT stored FROM blobs WHERE blob = ?")?;
            let stored: bool = statement.query_row([blob.as_bytes()], |row| row.get(0)).optional()?.unwrap_or(false);
            Ok((stored, groups(tx, blob, None, chunk_state::DERIVED..=chunk_state::DERIVED)?))
        })?;
        if stored {
            match self.core.blobs.read(blob)? {
                Some(bytes) => return Ok(bytes),
                None => self.core.withdraw_stored(blob)?,
            }
        }
        let mut changed = None;
        for group in derived {
            match rebuild(blob, &group)? {
                Some(bytes) => return Ok(bytes),
                None => {
                    let culprit = self.core.withdraw(blob, &group)?;
                    changed = changed.or(culprit);
                }
            }
        }
        match changed {
            Some((file, item)) => Err(ReadError::Changed { file, item }),
            None => Err(ReadError::Missing),
        }
    }
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
    let Some(used) = covered(group.spans.iter()) else { return Ok(None) };
    let mut buf = Vec::with_capacity(BLOB_LEN);
    buf.resize(used, 0);
    for span in &group.spans {
        let Some(bytes) = buf.get_mut(span.off..span.off + span.len) else { return Ok(None) };
        if !bytes.is_empty() && !parts::read_at(place_of(span), span.at, bytes)? {
            return Ok(None);
        }
    }
    let made = blob::seal(buf, &group.key);
    Ok((made.id() == *id).then_some(made))
}

impl Core {
    /// A stored blob's file is gone or damaged.
    pub(crate) fn withdraw_stored(&self, blob: &BlobId) -> Result<(), StoreError> {
        tracing::warn!(%blob, "its file in the data folder is damaged or gone");
        self.db.write(|tx| {
            tx.prepare_cached("UPDATE blobs SET stored = 0, unsynced = 0 WHERE blob = ?")?
                .execute([blob.as_bytes()])?;
            Ok(())
        })
    }

    /// A blob can no longer be made from this item: a growing file's chunks are wanted again, others are lost until
    /// the item is verified. Returns the file that seems to have changed and its item.
    fn withdraw(&self, blob: &BlobId, group: &Group) -> Result<Option<Suspect>, StoreError> {
        let suspect = group.spans.iter().find(|span| {
            let place = place_of(span);
            let length = std::fs::metadata(place).map_or(0, |m| m.len());
            length < span.at + span.len as u64 || (span.mtime_ns != 0 && parts::mtime_ns(place) != span.mtime_ns)
        });
        let Some(suspect) = suspect.or(group.spans.first()) else { return Ok(None) };
        let file = place_of(suspect).to_path_buf();
        tracing::warn!(%blob, file = %file.display(), "a file changed on disk; the blob is withdrawn");
        let item = self.db.write(|tx| {
            for span in &group.spans {
                let to = if span.part.is_some() { chunk_state::MISSING } else { chunk_state::LOST };
                set_state(tx, group.item, span, to, 0)?;
            }
            named(tx, group.item)
        })?;
        Ok(item.map(|item| (file, item)))
    }
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
