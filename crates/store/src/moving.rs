//! Downloads that move to another folder: first they are there twice, then the record changes, then the old ones go. A
//! process killed in between leaves whole files where the record says, and at worst a second copy.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use protocol::{ChannelKey, ItemId};
use rusqlite::params;

use crate::db::path;
use crate::error::at;
use crate::items::remove_if_empty;
use crate::store::now_ms;
use crate::sweep::doom;
use crate::{Store, StoreError, items, parts};

const BUFFER: usize = 1 << 20;

/// One file on its way.
struct Move {
    row: i64,
    /// The row tells of a growing file.
    part: bool,
    from: PathBuf,
    to: PathBuf,
}

impl Store {
    /// Moves a download's files below another root. Nobody else may be writing to them. `go_on(bytes)` is told of bytes
    /// as they are copied, and may return false to stop: then everything is as it was. `false`: it was stopped.
    ///
    /// # Errors
    /// A file of another name's owner lies at the new place; a file cannot be read or written.
    pub fn move_item(
        &self,
        channel: &ChannelKey,
        id: &ItemId,
        to: &Path,
        go_on: &mut dyn FnMut(u64) -> bool,
    ) -> Result<bool, StoreError> {
        let to = std::path::absolute(to).map_err(at(to))?;
        let (item, root, files) = self.core.db.read(|tx| {
            let item = items::row_id(tx, channel, id)?;
            let root: Option<Vec<u8>> =
                tx.query_row("SELECT root FROM items WHERE id = ?", [item], |row| row.get(0))?;
            let mut files = tx.prepare_cached("SELECT id, disk, part FROM files WHERE item = ?")?;
            let files = files.query_map([item], |row| {
                Ok((row.get(0)?, path::from_sql(row.get(1)?), row.get::<_, Option<Vec<u8>>>(2)?.map(path::from_sql)))
            })?;
            let files: Vec<(i64, PathBuf, Option<PathBuf>)> = files.collect::<Result<_, _>>()?;
            Ok((item, root.map(path::from_sql), files))
        })?;
        let Some(root) = root else { return Ok(true) };
        let mut moves = Vec::new();
        let mut places = Vec::new();
        for (row, disk, part) in files {
            // What lies outside of its item's folder was put there by the user.
            let Some(new_disk) = below(&root, &disk, &to) else { continue };
            let new_part = part.as_ref().and_then(|part| below(&root, part, &to));
            let (from, there) = match (&part, &new_part) {
                (Some(part), Some(new)) => (part.clone(), new.clone()),
                _ => (disk, new_disk.clone()),
            };
            if parts::length(&from).is_some() {
                moves.push(Move { row, part: part.is_some(), from, to: there });
            }
            places.push((row, new_disk, new_part));
        }
        let mut made = Vec::new();
        let copied = copy_all(&to, &moves, &mut made, go_on);
        if !matches!(copied, Ok(true)) {
            made.iter().try_for_each(|file| parts::remove_below(&to, file))?;
            remove_if_empty(Some(&to));
            return copied;
        }
        let _layout = self.core.exclusive();
        let old: Vec<_> = moves.iter().map(|one| (Some(root.clone()), one.from.clone())).collect();
        self.core.db.write(|tx| {
            for (row, disk, part) in &places {
                tx.prepare_cached("UPDATE files SET disk = ?, part = ? WHERE id = ?")?.execute(params![
                    path::to_sql(disk),
                    part.as_deref().map(path::to_sql),
                    row
                ])?;
            }
            for one in moves.iter().filter(|one| !one.part) {
                tx.prepare_cached("UPDATE files SET mtime_ns = ? WHERE id = ? AND mtime_ns <> 0")?
                    .execute(params![parts::mtime_ns(&one.to), one.row])?;
            }
            tx.prepare_cached("UPDATE items SET root = ?, changed = ? WHERE id = ?")?.execute(params![
                path::to_sql(&to),
                now_ms(),
                item
            ])?;
            doom(tx, &old)
        })?;
        self.core.remove_files(&[], &old)?;
        remove_if_empty(Some(&root));
        Ok(true)
    }
}

fn below(root: &Path, file: &Path, to: &Path) -> Option<PathBuf> {
    file.strip_prefix(root).ok().map(|rest| to.join(rest))
}

/// Makes every file once more; those made are noted also when it fails.
fn copy_all(
    root: &Path,
    moves: &[Move],
    made: &mut Vec<PathBuf>,
    go_on: &mut dyn FnMut(u64) -> bool,
) -> Result<bool, StoreError> {
    for Move { from, to, .. } in moves {
        if parts::taken(to)? {
            let taken = std::io::Error::from(std::io::ErrorKind::AlreadyExists);
            return Err(StoreError::Io { path: to.clone(), source: taken });
        }
        let folder = to.parent().unwrap_or(root);
        fs::create_dir_all(folder).map_err(at(folder))?;
        // On the same disk a second name is enough.
        if fs::hard_link(from, to).is_ok() {
            made.push(to.clone());
            if !go_on(parts::length(to).unwrap_or(0)) {
                return Ok(false);
            }
            continue;
        }
        made.push(to.clone());
        if !copy(from, to, go_on)? {
            return Ok(false);
        }
        parts::parents(root, to).try_for_each(|folder| parts::sync_dir(&folder))?;
    }
    Ok(true)
}

fn copy(from: &Path, to: &Path, go_on: &mut dyn FnMut(u64) -> bool) -> Result<bool, StoreError> {
    let mut source = File::open(from).map_err(at(from))?;
    let mut target = File::options().write(true).create_new(true).open(to).map_err(at(to))?;
    let mut buffer = vec![0; BUFFER];
    loop {
        let read = source.read(&mut buffer).map_err(at(from))?;
        if read == 0 {
            break;
        }
        target.write_all(&buffer[..read]).map_err(at(to))?;
        if !go_on(read as u64) {
            return Ok(false);
        }
    }
    let modified = source.metadata().and_then(|m| m.modified()).map_err(at(from))?;
    target.set_times(fs::FileTimes::new().set_modified(modified)).map_err(at(to))?;
    target.sync_all().map_err(at(to))?;
    Ok(true)
}
