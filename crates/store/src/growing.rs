//! Part files: made new, known again, and given up to whoever took their place.
//!
//! A part file is made when its first bytes come, never taken over: whatever has its name already is left alone, and ours
//! gets another. From then on the record knows it by its number on the disk. It has its full length from the start; one
//! that is gone, is another, or has another length was touched by somebody else, and what was known of it is forgotten.

use std::collections::BTreeSet;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::PoisonError;

use protocol::BlobId;
use rusqlite::{OptionalExtension, Transaction, params};

use crate::db::{array, chunk_state, path, uint};
use crate::enter::{self, Look};
use crate::error::at;
use crate::place::{forget_files, not_held};
use crate::places::free_part;
use crate::stamp::Stamp;
use crate::store::Core;
use crate::{StoreError, parts};

/// `files.ino` of a growing file: no part file was made yet.
pub(crate) const NOT_MADE: i64 = 0;
/// It is just being made, or was made by a process that was killed before it could say so.
pub(crate) const BEING_MADE: i64 = -1;

/// What has a part file's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    Ours,
    Nothing,
    /// Not ours, or somebody was at it.
    Others,
    /// It has another number, and the length that ours has: a disk that came back may number its files anew.
    Unsure,
}

/// What a plain file of this stamp is to a growing file with this number and size.
pub(crate) fn is(number: i64, size: u64, now: Option<&Stamp>) -> Part {
    let Some(now) = now else { return Part::Nothing };
    let same = match number {
        NOT_MADE => return Part::Others,
        BEING_MADE => true,
        number => number == now.number(),
    };
    // An empty one of ours had no time to get its length; there is nothing in it that could be lost.
    match (same, now.length == size || now.length == 0) {
        (true, true) => Part::Ours,
        (false, true) if now.length == size && size > 0 => Part::Unsure,
        _ => Part::Others,
    }
}

/// A growing file.
struct Row {
    file: i64,
    item: i64,
    root: PathBuf,
    disk: PathBuf,
    part: PathBuf,
    size: u64,
    have: u64,
    number: i64,
}

fn row(tx: &Transaction<'_>, file: i64) -> Result<Option<Row>, StoreError> {
    let mut statement = tx.prepare_cached(
        "SELECT f.item, i.root, f.disk, f.part, f.size, f.have, f.ino FROM files f JOIN items i ON i.id = f.item
         WHERE f.id = ? AND f.part IS NOT NULL",
    )?;
    let found = statement.query_row([file], |row| {
        let part = path::from_sql(row.get(3)?);
        let root = row.get::<_, Option<Vec<u8>>>(1)?.map(path::from_sql);
        Ok(Row {
            file,
            item: row.get(0)?,
            root: root.or_else(|| part.parent().map(Path::to_path_buf)).unwrap_or_default(),
            disk: path::from_sql(row.get(2)?),
            part,
            size: uint(row.get(4)?),
            have: uint(row.get(5)?),
            number: row.get(6)?,
        })
    });
    Ok(found.optional()?)
}

/// Whether the growing file lies under the name that it is to get.
fn is_named(row: &Row) -> bool {
    row.number > 0 && Stamp::at(&row.disk).is_some_and(|now| now.number() == row.number && now.length == row.size)
}

fn set_number(tx: &Transaction<'_>, file: i64, number: i64) -> Result<(), StoreError> {
    tx.prepare_cached("UPDATE files SET ino = ? WHERE id = ? AND part IS NOT NULL")?.execute([number, file])?;
    Ok(())
}

impl Core {
    /// Sees to it that these growing files have part files of ours in full length. Where somebody else's file has the name,
    /// ours gets another; what was known of bytes that are gone is forgotten. Returns blobs that are no longer held.
    ///
    /// # Errors
    /// [`StoreError::OutsideRoot`]: a link, or something that is no folder, is on the way.
    pub(crate) fn see_to_parts(&self, files: &BTreeSet<i64>) -> Result<Vec<BlobId>, StoreError> {
        let _turn = self.making.lock().unwrap_or_else(PoisonError::into_inner);
        let mut lost = Vec::new();
        let mut todo: Vec<i64> = files.iter().copied().collect();
        // Each round somebody may have taken a name in between: not for ever.
        for _ in 0..8 {
            let mut new = Vec::new();
            for file in std::mem::take(&mut todo) {
                if let Some(row) = self.db.read(|tx| row(tx, file))?
                    && !self.is_there(&row, &mut lost)?
                {
                    new.push(file);
                }
            }
            if new.is_empty() {
                return Ok(lost);
            }
            todo = self.make_parts(&new)?;
        }
        Err(StoreError::Changed(self.db.read(|tx| row(tx, todo[0]))?.map(|row| row.part).unwrap_or_default()))
    }

    /// Whether this part file is there and ours, in full length. One that is not is to be made, and nothing has its name.
    fn is_there(&self, row: &Row, lost: &mut Vec<BlobId>) -> Result<bool, StoreError> {
        let forget = |lost: &mut Vec<BlobId>| -> Result<(), StoreError> {
            if row.have > 0 {
                tracing::warn!(file = %row.part.display(), "a part file was removed or changed by somebody else");
                let only = BTreeSet::from([row.file]);
                lost.extend(self.write_soon(|tx| forget_files(tx, &only, chunk_state::MISSING))?);
            }
            Ok(())
        };
        let place = enter::make_way(&row.root, &row.part)?;
        let (part, length) = match place.look()? {
            Look::Nothing => (Part::Nothing, 0),
            Look::File(now) => (is(row.number, row.size, Some(&now)), now.length),
            Look::Other => (Part::Others, 0),
        };
        match part {
            Part::Ours if length == row.size => {
                if row.number == BEING_MADE {
                    self.number_again(row, &place)?;
                }
                Ok(true)
            }
            Part::Ours => {
                forget(lost)?;
                let Some(file) = place.open(true)? else { return Ok(false) };
                crate::cut::point("length");
                file.set_len(row.size).map_err(at(&row.part))?;
                self.number_again(row, &place)?;
                Ok(true)
            }
            Part::Unsure if row.have > 0 && self.has_our_bytes(row, lost)? => {
                self.number_again(row, &place)?;
                Ok(true)
            }
            // A process was killed before it could take the file over: it has its own name still.
            Part::Nothing if cfg!(unix) && is_named(row) => {
                let disk = enter::reach(&row.root, &row.disk)?;
                Ok(disk.is_some_and(|disk| disk.rename_new(&place).unwrap_or(false)))
            }
            Part::Nothing => {
                forget(lost)?;
                Ok(false)
            }
            Part::Unsure | Part::Others => {
                forget(lost)?;
                tracing::warn!(file = %row.part.display(), "somebody else's file has a part file's name: it is left alone");
                self.write_soon(|tx| {
                    let part = free_part(tx, &row.disk)?;
                    tx.prepare_cached("UPDATE files SET part = ?, ino = ? WHERE id = ?")?.execute(params![
                        path::to_sql(&part),
                        NOT_MADE,
                        row.file
                    ])?;
                    Ok(())
                })?;
                Ok(false)
            }
        }
    }

    fn number_again(&self, row: &Row, place: &enter::Place) -> Result<(), StoreError> {
        match place.look()? {
            Look::File(now) => self.write_soon(|tx| set_number(tx, row.file, now.number())),
            _ => Err(StoreError::Changed(row.part.clone())),
        }
    }

    /// Reads what is said to be here of a part file; what is not is forgotten. Whether anything was.
    fn has_our_bytes(&self, row: &Row, lost: &mut Vec<BlobId>) -> Result<bool, StoreError> {
        let blobs: Vec<(i64, BlobId)> = self.db.read(|tx| {
            let mut statement = tx.prepare_cached(
                "SELECT DISTINCT b.id, b.blob FROM chunks k JOIN blobs b ON b.id = k.blob WHERE k.file = ? AND k.state > 0 AND k.len > 0",
            )?;
            let rows = statement.query_map([row.file], |row| Ok((row.get(0)?, BlobId(array(row, 1)?))))?;
            Ok(rows.collect::<Result<_, _>>()?)
        })?;
        for (_, blob) in &blobs {
            self.check_blob(row.item, blob, chunk_state::MISSING)?;
        }
        lost.extend(self.db.read(|tx| not_held(tx, blobs))?);
        self.db.read(|tx| {
            let mut statement = tx.prepare_cached("SELECT have > 0 FROM files WHERE id = ?")?;
            Ok(statement.query_row([row.file], |row| row.get(0)).optional()?.unwrap_or(false))
        })
    }

    /// Makes part files that are not there. Returns those whose names somebody took meanwhile.
    fn make_parts(&self, files: &[i64]) -> Result<Vec<i64>, StoreError> {
        // Said before they are made: a process killed in between knows them for its own.
        self.write_soon(|tx| files.iter().try_for_each(|file| set_number(tx, *file, BEING_MADE)))?;
        let (mut made, mut taken) = (Vec::new(), Vec::new());
        for file in files {
            let Some(row) = self.db.read(|tx| row(tx, *file))? else { continue };
            match make(&row.root, &row.part, row.size)? {
                Some(stamp) => made.push((*file, stamp.number())),
                None => taken.push(*file),
            }
        }
        self.write_soon(|tx| {
            taken.iter().try_for_each(|file| set_number(tx, *file, NOT_MADE))?;
            made.iter().try_for_each(|(file, number)| set_number(tx, *file, *number))
        })?;
        Ok(taken)
    }
}

/// Makes a new file of this length that takes no room on the disk; `None` if its name is taken.
fn make(root: &Path, part: &Path, size: u64) -> Result<Option<Stamp>, StoreError> {
    let Some(file) = enter::make_way(root, part)?.create()? else { return Ok(None) };
    crate::cut::point("length");
    file.set_len(size).map_err(at(part))?;
    Ok(Some(Stamp::of_open(&file).map_err(at(part))?))
}

/// Opens a part file that was seen to for writing.
pub(crate) fn open(root: &Path, part: &Path, number: i64) -> Result<File, StoreError> {
    let file = enter::reach(root, part)?.map(|place| place.open(true)).transpose()?.flatten();
    let file = file.ok_or_else(|| StoreError::Changed(part.to_path_buf()))?;
    let now = Stamp::of_open(&file).map_err(at(part))?;
    if now.number() == number { Ok(file) } else { Err(StoreError::Changed(part.to_path_buf())) }
}

/// Whether a part file is there in full length and ours.
pub(crate) fn is_whole(part: &Path, number: i64, size: u64) -> bool {
    parts::length(part) == Some(size) && is(number, size, Stamp::at(part).as_ref()) == Part::Ours
}
