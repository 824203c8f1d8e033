//! Downloads that move to another folder: first they are there twice, then the record changes, then the old ones go. A
//! process killed in between leaves whole files where the record says, and at worst a second copy, which its next start
//! takes away.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use protocol::{ChannelKey, ItemId};
use rusqlite::{Transaction, params};

use crate::cut;
use crate::db::{path, uint};
use crate::enter::{self, Look};
use crate::error::at;
use crate::items::remove_if_empty;
use crate::ours::{Doomed, looks_untouched, record, without_claimed};
use crate::stamp::Stamp;
use crate::store::{Core, now_ms};
use crate::sweep::{doom_moved, doom_unless_recorded, spare};
use crate::{Store, StoreError, items, origin, parts};

const BUFFER: usize = 1 << 20;
/// Zeros in one row that are left out of a copy: file systems give no room to what was never written.
const HOLE: usize = 64 << 10;

/// What became of a move.
#[derive(Debug, Clone, Default)]
pub struct Moved {
    /// It was not stopped.
    pub done: bool,
    /// Files that are at the new place and stay at the old one too: another item has them there, or somebody was at them.
    pub kept: Vec<PathBuf>,
}

/// One file on its way.
struct Move {
    row: i64,
    /// The row tells of a growing file.
    part: bool,
    from: PathBuf,
    to: PathBuf,
    /// What the record knows of it.
    recorded: Stamp,
    /// Bytes of it that are here.
    have: u64,
}

/// A file that is at its new place: what it is like where it came from, and there.
#[derive(Clone, Copy)]
struct Arrived {
    from: Stamp,
    to: Stamp,
    /// It was what the record says.
    untouched: bool,
    /// Something of the same bytes lay there already.
    found: bool,
}

impl Store {
    /// Moves a download's files below another root, as they are: also those that were changed here. No blob is written to
    /// them meanwhile. `go_on(bytes)` is told of bytes as they are copied, and may return false to stop: then everything
    /// is as it was. A file of the same bytes that is at the new place already is taken for what it is.
    ///
    /// # Errors
    /// Another file lies at the new place; a file cannot be read or written, or changes while it is copied.
    pub fn move_item(
        &self,
        channel: &ChannelKey,
        id: &ItemId,
        to: &Path,
        go_on: &mut dyn FnMut(u64) -> bool,
    ) -> Result<Moved, StoreError> {
        let to = std::path::absolute(to).map_err(at(to))?;
        let item = self.core.db.read(|tx| items::row_id(tx, channel, id))?;
        let _carried = self.core.carry(item);
        let (root, files) = self.core.db.read(|tx| {
            let root: Option<Vec<u8>> =
                tx.query_row("SELECT root FROM items WHERE id = ?", [item], |row| row.get(0))?;
            Ok((root.map(path::from_sql), files_of(tx, item)?))
        })?;
        let Some(root) = root else { return Ok(Moved { done: true, ..Moved::default() }) };
        let (mut moves, mut places) = (Vec::new(), Vec::new());
        for Row { row, disk, part, recorded, have } in files {
            // What lies outside of its item's folder was put there by the user.
            let Some(new_disk) = below(&root, &disk, &to) else { continue };
            let new_part = part.as_ref().and_then(|part| below(&root, part, &to));
            let (from, there) = match (&part, &new_part) {
                (Some(part), Some(new)) => (part.clone(), new.clone()),
                _ => (disk, new_disk.clone()),
            };
            if parts::length(&from).is_some() {
                moves.push(Move { row, part: part.is_some(), from, to: there, recorded, have });
            }
            places.push((row, new_disk, new_part));
        }
        let mut made = Vec::new();
        let arrived = match self.core.bring(&root, &to, &moves, &mut made, go_on) {
            Ok(Some(arrived)) => arrived,
            other => {
                // Only what was made just now, and only where it still is that.
                for (file, stamp) in &made {
                    self.core.take_back(&to, file, stamp)?;
                }
                remove_if_empty(Some(&to));
                return other.map(|_| Moved::default());
            }
        };
        let _layout = self.core.exclusive();
        let mut old = Vec::new();
        for (one, came) in moves.iter().zip(&arrived) {
            // Whoever writes to it under its other name writes to both.
            let now = Stamp::at(&one.from).filter(|now| now.is_same_file(&came.to) || *now == came.from);
            old.extend(now.map(|stamp| Doomed { root: root.clone(), file: one.from.clone(), stamp }));
        }
        let stays = |old: &[Doomed]| -> Vec<PathBuf> {
            let gone: BTreeSet<&PathBuf> = old.iter().map(|one| &one.file).collect();
            moves.iter().map(|one| &one.from).filter(|from| !gone.contains(from)).cloned().collect()
        };
        self.core.db.write(|tx| {
            without_claimed(tx, item, &mut old, &mut Vec::new())?;
            for (row, disk, part) in &places {
                tx.prepare_cached("UPDATE files SET disk = ?, part = ? WHERE id = ?")?.execute(params![
                    path::to_sql(disk),
                    part.as_deref().map(path::to_sql),
                    row
                ])?;
            }
            moves.iter().zip(&arrived).try_for_each(|(one, came)| keep_up(tx, one, came))?;
            tx.prepare_cached("UPDATE items SET root = ?, changed = ? WHERE id = ?")?.execute(params![
                path::to_sql(&to),
                now_ms(),
                item
            ])?;
            spare(tx, made.iter().map(|(file, _)| file))?;
            for one in &old {
                let there = moves.iter().find(|moved| moved.from == one.file).map_or(&to, |moved| &moved.to);
                doom_moved(tx, one, there)?;
            }
            Ok(())
        })?;
        let mut kept = stays(&old);
        kept.extend(self.core.remove_files(&[], &old)?);
        // The end of its other name changed one of its times once more.
        self.core.write_soon(|tx| {
            for (one, came) in moves.iter().zip(&arrived) {
                let now = Stamp::at(&one.to).filter(|now| same_bytes(&came.to, now));
                if let Some(to) = now {
                    keep_up(tx, one, &Arrived { to, ..*came })?;
                }
            }
            Ok(())
        })?;
        remove_if_empty(Some(&root));
        Ok(Moved { done: true, kept })
    }
}

/// A file of the item's plan.
struct Row {
    row: i64,
    disk: PathBuf,
    part: Option<PathBuf>,
    recorded: Stamp,
    have: u64,
}

fn files_of(tx: &Transaction<'_>, item: i64) -> Result<Vec<Row>, StoreError> {
    let mut files =
        tx.prepare_cached("SELECT id, disk, part, size, dev, ino, mtime_ns, ctime_ns, have FROM files WHERE item = ?")?;
    let files = files.query_map([item], |row| {
        Ok(Row {
            row: row.get(0)?,
            disk: path::from_sql(row.get(1)?),
            part: row.get::<_, Option<Vec<u8>>>(2)?.map(path::from_sql),
            recorded: Stamp {
                length: uint(row.get(3)?),
                dev: row.get(4)?,
                ino: row.get(5)?,
                mtime_ns: row.get(6)?,
                ctime_ns: row.get(7)?,
            },
            have: uint(row.get(8)?),
        })
    })?;
    Ok(files.collect::<Result<_, _>>()?)
}

/// What the record knew of a file it knows of it at the new place: of one that was touched, nothing.
fn keep_up(tx: &Transaction<'_>, one: &Move, came: &Arrived) -> Result<(), StoreError> {
    if one.part {
        if one.recorded.ino == came.from.number() {
            tx.prepare_cached("UPDATE files SET ino = ? WHERE id = ?")?.execute([came.to.number(), one.row])?;
        }
        return Ok(());
    }
    let known = if came.untouched { came.to } else { Stamp::default() };
    record(tx, one.row, &known)?;
    if came.found {
        tx.prepare_cached("UPDATE files SET found = 1 WHERE id = ?")?.execute([one.row])?;
    }
    Ok(())
}

fn below(root: &Path, file: &Path, to: &Path) -> Option<PathBuf> {
    file.strip_prefix(root).ok().map(|rest| to.join(rest))
}

/// Nobody wrote to the file in between.
fn same_bytes(before: &Stamp, after: &Stamp) -> bool {
    (before.dev, before.ino, before.length, before.mtime_ns) == (after.dev, after.ino, after.length, after.mtime_ns)
}

impl Core {
    /// Makes every file once more below `to`; those made are noted also when it fails. `None`: it was stopped.
    fn bring(
        &self,
        root: &Path,
        to: &Path,
        moves: &[Move],
        made: &mut Vec<(PathBuf, Stamp)>,
        go_on: &mut dyn FnMut(u64) -> bool,
    ) -> Result<Option<Vec<Arrived>>, StoreError> {
        let mut arrived = Vec::with_capacity(moves.len());
        let mut folders = BTreeSet::new();
        for one in moves {
            let gone = || StoreError::Changed(one.from.clone());
            let from = enter::reach(root, &one.from)?.ok_or_else(gone)?;
            let Look::File(before) = from.look()? else { return Err(gone()) };
            let untouched = looks_untouched(&one.recorded, &before);
            let there = enter::make_way(to, &one.to)?;
            if there.look()? != Look::Nothing {
                let (stamp, found) = self.take_equal(&from, &there)?;
                arrived.push(Arrived { from: before, to: stamp, untouched, found });
                if !go_on(one.have) {
                    return Ok(None);
                }
                continue;
            }
            // On the same disk a second name is enough.
            let linked = from.link_new(&there).unwrap_or(false);
            if !linked {
                let Some(target) = there.create()? else { return Err(taken(&one.to)) };
                let stamp = Stamp::of_open(&target).map_err(at(&one.to))?;
                self.note_made(to, &one.to, stamp, made)?;
                let Some(source) = from.open(false)? else { return Err(gone()) };
                if !copy(&source, &one.from, &target, &one.to, before.length, go_on)? {
                    return Ok(None);
                }
            }
            let (Look::File(now), Look::File(stamp)) = (from.look()?, there.look()?) else { return Err(gone()) };
            if linked {
                self.note_made(to, &one.to, stamp, made)?;
            }
            // Whoever changed it meanwhile has the change at the old place; half of it here is of no use.
            let same = if linked { same_bytes(&before, &now) } else { before == now };
            if !same {
                return Err(gone());
            }
            arrived.push(Arrived { from: now, to: stamp, untouched, found: false });
            folders.extend(parts::parents(to, &one.to));
            if linked && !go_on(one.have) {
                return Ok(None);
            }
        }
        // The new names last before the record tells of them, and before the old ones go.
        folders.iter().try_for_each(|folder| parts::sync_dir(folder))?;
        Ok(Some(arrived))
    }

    /// A file that was just made at the new place: if this process ends here, the next start takes it away.
    fn note_made(
        &self,
        root: &Path,
        file: &Path,
        stamp: Stamp,
        made: &mut Vec<(PathBuf, Stamp)>,
    ) -> Result<(), StoreError> {
        made.push((file.to_path_buf(), stamp));
        let one = Doomed { root: root.to_path_buf(), file: file.to_path_buf(), stamp };
        self.write_soon(|tx| doom_unless_recorded(tx, &one))
    }

    /// Removes what was made by a move that did not come to its end.
    fn take_back(&self, root: &Path, file: &Path, stamp: &Stamp) -> Result<(), StoreError> {
        if let Some(place) = enter::reach(root, file)? {
            place.remove_if(|now| cfg!(not(unix)) || now.is_same_file(stamp))?;
        }
        if let Some(folder) = file.parent() {
            parts::remove_empty_folders(root, folder);
        }
        self.write_soon(|tx| spare(tx, std::iter::once(&file.to_path_buf())))
    }

    /// What lies at the new place already, if it is the same byte by byte: what it is like, and whether it is somebody's.
    fn take_equal(&self, from: &enter::Place, there: &enter::Place) -> Result<(Stamp, bool), StoreError> {
        let (Some(source), Look::File(stamp)) = (from.open(false)?, there.look()?) else {
            return Err(taken(there.path()));
        };
        let Some(target) = there.open(false)? else { return Err(taken(there.path())) };
        let ours = Stamp::of_open(&source).map_err(at(from.path()))?;
        if ours.is_same_file(&stamp) {
            return Ok((stamp, false));
        }
        if ours.length != stamp.length || !parts::equal(source, from.path(), &target, there.path())? {
            return Err(taken(there.path()));
        }
        Ok((stamp, !origin::is_marked(&target, there.path())))
    }
}

fn taken(path: &Path) -> StoreError {
    StoreError::io(path, std::io::ErrorKind::AlreadyExists.into())
}

/// Copies what was written of a file; what never was takes no room in the copy either.
fn copy(
    mut source: &File,
    from: &Path,
    mut target: &File,
    to: &Path,
    size: u64,
    go_on: &mut dyn FnMut(u64) -> bool,
) -> Result<bool, StoreError> {
    cut::point("length");
    target.set_len(size).map_err(at(to))?;
    let mut buffer = vec![0; BUFFER];
    let mut at_byte = 0;
    while let Some((start, end)) = written(source, at_byte, size) {
        source.seek(SeekFrom::Start(start)).map_err(at(from))?;
        at_byte = start;
        while at_byte < end {
            let room = usize::try_from(end - at_byte).unwrap_or(BUFFER).min(BUFFER);
            let read = source.read(&mut buffer[..room]).map_err(at(from))?;
            if read == 0 {
                // It became shorter: its caller sees that.
                return Ok(true);
            }
            for (number, piece) in buffer[..read].chunks(HOLE).enumerate().filter(|(_, p)| p.iter().any(|b| *b != 0)) {
                let place = at_byte + (number * HOLE) as u64;
                target.seek(SeekFrom::Start(place)).map_err(at(to))?;
                cut::point("write");
                target.write_all(piece).map_err(at(to))?;
            }
            at_byte += read as u64;
            if !go_on(read as u64) {
                return Ok(false);
            }
        }
    }
    origin_along(source, from, target, to);
    let modified = source.metadata().and_then(|m| m.modified()).map_err(at(from))?;
    cut::point("times");
    target.set_times(fs::FileTimes::new().set_modified(modified)).map_err(at(to))?;
    cut::point("sync");
    target.sync_all().map_err(at(to))?;
    Ok(true)
}

fn origin_along(source: &File, from: &Path, target: &File, to: &Path) {
    if origin::is_marked(source, from) {
        origin::mark(target, to);
    }
}

/// The next piece of a file from `from` on that was ever written, as far as the file system tells.
fn written(file: &File, from: u64, size: u64) -> Option<(u64, u64)> {
    if from >= size {
        return None;
    }
    #[cfg(any(target_os = "linux", target_os = "android", target_vendor = "apple"))]
    {
        use rustix::fs::{SeekFrom, seek};
        match seek(file, SeekFrom::Data(from)) {
            Ok(start) => {
                let end = seek(file, SeekFrom::Hole(start)).unwrap_or(size);
                return Some((start, end.min(size))).filter(|(start, end)| start < end);
            }
            // Nothing but a hole is left.
            Err(rustix::io::Errno::NXIO) => return None,
            Err(_) => {}
        }
    }
    let _ = file;
    Some((from, size))
}
