//! Where a download's files go: names that nothing else has, and what the user says about files that moved.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use protocol::{ChannelKey, Item, ItemId};
use rusqlite::{Transaction, params};

use crate::db::{chunk_state, form, path, uint};
use crate::error::at;
use crate::growing::NOT_MADE;
use crate::place::forget_files;
use crate::plans::{PAGE, kept_path};
use crate::store::now_ms;
use crate::sweep::{doom, part_files};
use crate::{Store, StoreError, items, origin, parts};

/// Names tried beside a taken one.
pub(crate) const NAMES_MAX: u32 = 1000;

impl Store {
    /// Says where an item's files lie now: its folder, or the file itself for an item of one file. What is there is read
    /// by [`Store::verify_item`], which is to follow, and counts as far as it is right; nothing of it is changed.
    /// [`StoreError::NothingThere`]: none of them is there; nothing was changed.
    pub fn locate(&self, channel: &ChannelKey, id: &ItemId, place: &Path) -> Result<(), StoreError> {
        let place = std::path::absolute(place).map_err(at(place))?;
        let _layout = self.core.exclusive();
        let old_parts = self.core.db.write(|tx| {
            let item = items::row_id(tx, channel, id)?;
            let (old_root, kept): (Option<Vec<u8>>, i64) =
                tx.query_row("SELECT root, form FROM items WHERE id = ?", [item], |row| {
                    Ok((row.get(0)?, row.get(1)?))
                })?;
            let old_root = old_root.map(path::from_sql);
            let files = located(tx, item)?;
            if kept == form::ENCRYPTED {
                return Err(StoreError::NothingThere(place.clone()));
            }
            let mut old_parts = part_files(tx, item)?;
            let itself = matches!(files.as_slice(), [file] if !file.text.contains('/')) && place.is_file();
            let root = if itself { place.parent().unwrap_or(&place) } else { &place };
            // Below its folder a file has the name that it had there, else the one it was published under.
            let moved = |old: &Path| -> Option<PathBuf> {
                let below = old.strip_prefix(old_root.as_deref()?).ok()?;
                Some(root.join(below))
            };
            let mut found = false;
            for file in files {
                let published = parts::join(root, &kept_path(&file.text)?);
                let disk = match moved(&file.disk) {
                    _ if itself => place.clone(),
                    Some(moved) if parts::length(&moved).is_some() => moved,
                    _ => published,
                };
                // A part file moved along with its folder.
                let part = file.part.as_deref().and_then(moved).filter(|part| parts::length(part) == Some(file.size));
                found |= part.is_some() || parts::length(&disk).is_some();
                if let Some(part) = &part {
                    old_parts.retain(|old| old.file != *part);
                }
                relocate(tx, &file, &disk, part.as_deref())?;
            }
            if !found {
                return Err(StoreError::NothingThere(place.clone()));
            }
            tx.prepare_cached("UPDATE items SET root = ?, changed = ? WHERE id = ?")?.execute(params![
                path::to_sql(root),
                now_ms(),
                item
            ])?;
            doom(tx, &old_parts)?;
            Ok(old_parts)
        })?;
        self.core.remove_files(&[], &old_parts).map(drop)
    }
}

/// A file of a plan that is said to lie elsewhere.
struct Located {
    row: i64,
    /// Its path as published.
    text: String,
    disk: PathBuf,
    part: Option<PathBuf>,
    size: u64,
}

/// Notes where a file lies now; `part`: where it goes on growing.
fn relocate(tx: &Transaction<'_>, file: &Located, disk: &Path, part: Option<&Path>) -> Result<(), StoreError> {
    let only = BTreeSet::from([file.row]);
    let is_there = parts::length(disk).is_some();
    let (part, number) =
        match part {
            Some(part) => {
                tx.prepare_cached("UPDATE files SET disk = ?, part = ? WHERE id = ?")?.execute(params![
                    path::to_sql(disk),
                    path::to_sql(part),
                    file.row
                ])?;
                return Ok(());
            }
            // What is known of it is read again where it lies now.
            None if is_there && file.part.is_none() => (None, NOT_MADE),
            None if is_there => {
                // Whatever was fetched of it meanwhile: what lies there counts as far as it is right.
                forget_files(tx, &only, chunk_state::LOST)?;
                tx.prepare_cached("UPDATE chunks SET state = ? WHERE file = ? AND state = ? AND len > 0")?
                    .execute([chunk_state::LOST, file.row, chunk_state::MISSING])?;
                (None, NOT_MADE)
            }
            None if file.part.is_some() => {
                forget_files(tx, &only, chunk_state::MISSING)?;
                (Some(free_part(tx, disk)?), NOT_MADE)
            }
            None => (None, NOT_MADE),
        };
    // Who put it there is not known, unless it says so itself.
    let is_found = is_there && !parts::open_plain(disk).is_ok_and(|open| origin::is_marked(&open, disk));
    tx.prepare_cached(
        "UPDATE files SET disk = ?, part = ?, ino = ?, dev = 0, mtime_ns = 0, ctime_ns = 0, found = ? WHERE id = ?",
    )?
    .execute(params![path::to_sql(disk), part.as_deref().map(path::to_sql), number, is_found, file.row])?;
    Ok(())
}

fn located(tx: &Transaction<'_>, item: i64) -> Result<Vec<Located>, StoreError> {
    let mut files = tx.prepare_cached("SELECT id, path, disk, part, size FROM files WHERE item = ? AND disk <> x''")?;
    let files = files.query_map([item], |row| {
        Ok(Located {
            row: row.get(0)?,
            text: row.get(1)?,
            disk: path::from_sql(row.get(2)?),
            part: row.get::<_, Option<Vec<u8>>>(3)?.map(path::from_sql),
            size: uint(row.get(4)?),
        })
    })?;
    Ok(files.collect::<Result<_, _>>()?)
}

/// Finds a root that is free of files that are not this item's, and gives each file of the plan its place below it. A file
/// of the same length may be one that was fetched before: see [`crate::found`].
pub(crate) fn choose_places(tx: &Transaction<'_>, item: i64, root: PathBuf) -> Result<PathBuf, StoreError> {
    let mut only = tx.prepare_cached("SELECT id, path, size FROM files WHERE item = ? LIMIT 2")?;
    let only: Vec<(i64, String, i64)> =
        only.query_map([item], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?.collect::<Result<_, _>>()?;
    let mut set = tx.prepare_cached("UPDATE files SET disk = ? WHERE id = ?")?;
    // A folder of one file lies in a folder all the same: where a file has its name, it gets another.
    let taken =
        || -> Result<bool, StoreError> { Ok(parts::taken(&root)? && !root.is_dir() && is_published_folder(tx, item)?) };
    if let [(row, path, size)] = only.as_slice()
        && !path.contains('/')
        && !taken()?
    {
        let first = parts::join(&root, &kept_path(path)?);
        for number in 1..=NAMES_MAX {
            let disk = if number == 1 { first.clone() } else { parts::other_name(&first, number, false) };
            if matches!(lies_at(tx, item, &root, &disk, uint(*size))?, Lies::Nothing | Lies::Alike) {
                set.execute(params![path::to_sql(&disk), row])?;
                return Ok(root);
            }
        }
        return Err(no_name(&first));
    }
    for number in 1..=NAMES_MAX {
        let chosen = if number == 1 { root.clone() } else { parts::other_name(&root, number, true) };
        // A file where the folder would be.
        if parts::taken(&chosen)? && !chosen.is_dir() {
            continue;
        }
        let mut tally = Tally::default();
        each_file(tx, item, &mut |_, path, size| {
            tally.add(lies_at(tx, item, &chosen, &parts::join(&chosen, &path), size)?, size);
            Ok(!tally.blocked)
        })?;
        if tally.is_ours() {
            each_file(tx, item, &mut |row, path, _| {
                set.execute(params![path::to_sql(&parts::join(&chosen, &path)), row])?;
                Ok(true)
            })?;
            return Ok(chosen);
        }
    }
    Err(no_name(&root))
}

/// Whether its publisher made a folder of it, however few files are in it.
fn is_published_folder(tx: &Transaction<'_>, item: i64) -> Result<bool, StoreError> {
    let json: Vec<u8> = tx.query_row("SELECT json FROM items WHERE id = ?", [item], |row| row.get(0))?;
    Ok(Item::from_json(&json).is_ok_and(|item| item.payload.is_folder()))
}

/// What lies in the place of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lies {
    Nothing,
    /// A file of its length, which nobody else has: perhaps the very file.
    Alike,
    /// A plain file of another length.
    Changed,
    /// Whatever is in the way.
    Other,
}

/// What lies in the places of a folder's files.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    alike: u32,
    changed: u32,
    blocked: bool,
}

impl Tally {
    pub(crate) fn add(&mut self, lies: Lies, size: u64) {
        match lies {
            Lies::Nothing => {}
            // Files of no bytes are all alike.
            Lies::Alike => self.alike += u32::from(size > 0),
            Lies::Changed => self.changed += 1,
            Lies::Other => self.blocked = true,
        }
    }

    /// Whether the folder is free, or looks like what this item made of it before, some files of which were changed since.
    pub(crate) fn is_ours(&self) -> bool {
        !self.blocked && (self.changed == 0 || self.alike >= self.changed)
    }
}

/// Goes through the files of a plan, some at a time, until `each` says that it is enough.
fn each_file(
    tx: &Transaction<'_>,
    item: i64,
    each: &mut dyn FnMut(i64, protocol::SafePath, u64) -> Result<bool, StoreError>,
) -> Result<(), StoreError> {
    let mut page =
        tx.prepare_cached("SELECT id, path, size, seq FROM files WHERE item = ? AND seq > ? ORDER BY seq LIMIT ?")?;
    let mut last = -1_i64;
    loop {
        let rows = page.query_map(params![item, last, PAGE as i64], |row| {
            Ok((row.get(0)?, row.get(1)?, uint(row.get(2)?), row.get(3)?))
        })?;
        let rows: Vec<(i64, String, u64, i64)> = rows.collect::<Result<_, _>>()?;
        let Some((.., seq)) = rows.last() else { return Ok(()) };
        last = *seq;
        for (row, path, size, _) in rows {
            if !each(row, kept_path(&path)?, size)? {
                return Ok(());
            }
        }
    }
}

/// Looks at the place of a file of this length.
pub(crate) fn lies_at(
    tx: &Transaction<'_>,
    item: i64,
    root: &Path,
    disk: &Path,
    size: u64,
) -> Result<Lies, StoreError> {
    if is_others(tx, item, disk)? || !crate::enter::may_be_inside(root, disk) {
        return Ok(Lies::Other);
    }
    if !parts::taken(disk)? || is_retired_place(tx, item, disk)? {
        return Ok(Lies::Nothing);
    }
    Ok(match parts::length(disk) {
        Some(length) if length == size => Lies::Alike,
        Some(_) => Lies::Changed,
        None => Lies::Other,
    })
}

/// Whether this place is another item's.
pub(crate) fn is_others(tx: &Transaction<'_>, item: i64, disk: &Path) -> Result<bool, StoreError> {
    let mut statement = tx.prepare_cached(
        "SELECT EXISTS(SELECT 1 FROM files f JOIN items i ON i.id = f.item
         WHERE f.disk = ?1 AND f.item <> ?2 AND i.of IS NOT ?2)",
    )?;
    Ok(statement.query_row(params![path::to_sql(disk), item], |row| row.get(0))?)
}

/// Whether an earlier plan of this item had its finished file here.
fn is_retired_place(tx: &Transaction<'_>, item: i64, disk: &Path) -> Result<bool, StoreError> {
    let mut statement = tx.prepare_cached(
        "SELECT EXISTS(SELECT 1 FROM files f JOIN items i ON i.id = f.item
         WHERE f.disk = ?1 AND f.part IS NULL AND i.of = ?2)",
    )?;
    Ok(statement.query_row(params![path::to_sql(disk), item], |row| row.get(0))?)
}

/// A part name that neither the disk nor a plan has.
pub(crate) fn free_part(tx: &Transaction<'_>, disk: &Path) -> Result<PathBuf, StoreError> {
    for number in 1..=NAMES_MAX {
        let part = parts::part_name(disk, number);
        let planned: bool = tx
            .prepare_cached("SELECT EXISTS(SELECT 1 FROM files WHERE part = ? AND part IS NOT NULL)")?
            .query_row([path::to_sql(&part)], |row| row.get(0))?;
        if !planned && !parts::taken(&part)? {
            return Ok(part);
        }
    }
    Err(no_name(disk))
}

/// Every name that could be tried is taken.
pub(crate) fn no_name(path: &Path) -> StoreError {
    let text = format!("this name is taken, and the {} beside it", NAMES_MAX - 1);
    StoreError::io(path, std::io::Error::new(std::io::ErrorKind::AlreadyExists, text))
}
