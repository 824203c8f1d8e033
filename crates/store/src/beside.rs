//! Files that are to be what was published once more: damaged ones become part files again, and beside those that a person
//! changed ours grows from what of them is right.

use std::fs::File;
use std::path::Path;

use protocol::BlobId;
use rusqlite::params;

use crate::db::{array, chunk_state, path, uint};
use crate::enter;
use crate::error::at;
use crate::growing::{self, NOT_MADE};
use crate::ours::Finished;
use crate::place::forget_files;
use crate::places::free_part;
use crate::store::Core;
use crate::{StoreError, parts};

/// Bytes that are copied at once.
const BUFFER: u64 = 1 << 20;

/// A piece of a file that was found right: its blob, its first byte, how many.
struct Piece {
    blob: BlobId,
    at: u64,
    len: u64,
}

impl Core {
    /// A file that nobody was at becomes a part file.
    pub(crate) fn take_over(&self, file: &Finished) -> Result<(), StoreError> {
        // The record first: a crash between finds the bytes under the file's name (see `place_of`), and knows the file.
        let part = self.db.write(|tx| {
            let part = free_part(tx, &file.disk)?;
            tx.prepare_cached("UPDATE files SET part = ?, ino = ?, dev = 0, mtime_ns = 0, ctime_ns = 0 WHERE id = ?")?
                .execute(params![path::to_sql(&part), file.recorded.number(), file.row])?;
            Ok(part)
        })?;
        let from = enter::reach(&file.root, &file.disk)?;
        let to = enter::reach(&file.root, &part)?;
        match (from, to) {
            (Some(from), Some(to)) if from.rename_new(&to)? => Ok(()),
            _ => Err(StoreError::Changed(file.disk.clone())),
        }
    }

    /// A new part file beside a file that is not to be touched; what of that one was found right is copied.
    pub(crate) fn grow_beside(&self, item: i64, file: &Finished) -> Result<(), StoreError> {
        let right: Vec<Piece> = self.db.read(|tx| {
            let mut statement = tx.prepare_cached(
                "SELECT b.blob, k.at, k.len FROM chunks k JOIN blobs b ON b.id = k.blob
                 WHERE k.file = ? AND k.len > 0 AND k.state IN (1, 2) ORDER BY k.at",
            )?;
            let rows = statement.query_map([file.row], |row| {
                Ok(Piece { blob: BlobId(array(row, 0)?), at: uint(row.get(1)?), len: uint(row.get(2)?) })
            })?;
            Ok(rows.collect::<Result<_, _>>()?)
        })?;
        let only = std::collections::BTreeSet::from([file.row]);
        self.db.write(|tx| {
            let part = free_part(tx, &file.disk)?;
            forget_files(tx, &only, chunk_state::MISSING)?;
            tx.prepare_cached(
                "UPDATE files SET part = ?, ino = ?, dev = 0, mtime_ns = 0, ctime_ns = 0, found = 0 WHERE id = ?",
            )?
            .execute(params![path::to_sql(&part), NOT_MADE, file.row])?;
            Ok(())
        })?;
        if right.is_empty() {
            return Ok(());
        }
        self.see_to_parts(&only)?;
        let (part, number): (_, i64) = self.db.read(|tx| {
            let mut statement = tx.prepare_cached("SELECT part, ino FROM files WHERE id = ?")?;
            Ok(statement.query_row([file.row], |row| Ok((path::from_sql(row.get(0)?), row.get(1)?)))?)
        })?;
        let source = enter::reach(&file.root, &file.disk)?.map(|place| place.open(false)).transpose()?.flatten();
        let Some(source) = source else { return Ok(()) };
        let target = growing::open(&file.root, &part, number)?;
        if clone(&source, &target) {
            crate::cut::point("length");
            target.set_len(file.recorded.length).map_err(at(&part))?;
        } else {
            right.iter().try_for_each(|piece| copy(&file.disk, &target, &part, piece))?;
        }
        // Somebody may be writing to the file at this moment: what was copied counts once it was read and is right.
        let mut blobs: Vec<BlobId> = right.into_iter().map(|piece| piece.blob).collect();
        blobs.dedup();
        for blob in blobs {
            self.check_hoped(item, &blob, &only)?;
        }
        Ok(())
    }
}

/// Lets both files have the same blocks, where the file system can. `false`: nothing was done.
fn clone(source: &File, target: &File) -> bool {
    crate::cut::point("write");
    #[cfg(all(
        any(target_os = "linux", target_os = "android"),
        not(any(target_arch = "sparc", target_arch = "sparc64"))
    ))]
    return rustix::fs::ioctl_ficlone(target, source).is_ok();
    #[cfg(not(all(
        any(target_os = "linux", target_os = "android"),
        not(any(target_arch = "sparc", target_arch = "sparc64"))
    )))]
    {
        let _ = (source, target);
        false
    }
}

fn copy(from: &Path, target: &File, to: &Path, piece: &Piece) -> Result<(), StoreError> {
    let mut done = 0;
    while done < piece.len {
        let mut buffer = vec![0; usize::try_from(BUFFER.min(piece.len - done)).unwrap_or(0)];
        // It may be cut at this moment; what is not there is fetched.
        if !parts::read_at(from, piece.at + done, &mut buffer)? {
            return Ok(());
        }
        parts::write_all_at(target, &buffer, piece.at + done).map_err(at(to))?;
        done += buffer.len() as u64;
    }
    Ok(())
}
