//! Where a download's files go: names that nothing else has, and what the user says about files that moved.

use std::path::{Path, PathBuf};

use protocol::{ChannelKey, ItemId};
use rusqlite::{Transaction, params};

use crate::db::path;
use crate::error::at;
use crate::plans::kept_path;
use crate::store::now_ms;
use crate::{PlanFile, Store, StoreError, items, parts};

/// Names tried beside a taken one.
pub(crate) const NAMES_MAX: u32 = 1000;

impl Store {
    /// Says where an item's files lie now: its folder, or the file itself for an item of one file; verify afterwards.
    /// [`StoreError::NothingThere`]: none of them is there; nothing was changed.
    pub fn locate(&self, channel: &ChannelKey, id: &ItemId, place: &Path) -> Result<(), StoreError> {
        let place = std::path::absolute(place).map_err(at(place))?;
        let _layout = self.core.exclusive();
        self.core.db.write(|tx| {
            let item = items::row_id(tx, channel, id)?;
            let old_root: Option<Vec<u8>> =
                tx.query_row("SELECT root FROM items WHERE id = ?", [item], |row| row.get(0))?;
            let old_root = old_root.map(path::from_sql);
            let files = located(tx, item)?;
            let itself = matches!(files.as_slice(), [file] if !file.text.contains('/')) && place.is_file();
            let root = if itself { place.parent().unwrap_or(&place) } else { &place };
            // Below its folder a file has the name that it had there, else the one it was published under.
            let moved = |old: &Path| -> Option<PathBuf> {
                let below = old.strip_prefix(old_root.as_deref()?).ok()?;
                Some(root.join(below))
            };
            let mut found = false;
            for Located { row, text, disk, part } in files {
                let published = parts::join(root, &kept_path(&text)?);
                let disk = match moved(&disk) {
                    _ if itself => place.clone(),
                    Some(moved) if parts::length(&moved).is_some() => moved,
                    _ => published,
                };
                // A part file moved along with its folder.
                let part = part.map(|part| moved(&part).unwrap_or_else(|| parts::part_name(&disk, 1)));
                found |= parts::length(&disk).is_some() || part.as_deref().is_some_and(|p| parts::length(p).is_some());
                tx.prepare_cached("UPDATE files SET disk = ?, part = ? WHERE id = ?")?.execute(params![
                    path::to_sql(&disk),
                    part.as_deref().map(path::to_sql),
                    row
                ])?;
            }
            if !found {
                return Err(StoreError::NothingThere(place.clone()));
            }
            tx.prepare_cached("UPDATE items SET root = ?, changed = ? WHERE id = ?")?.execute(params![
                path::to_sql(root),
                now_ms(),
                item
            ])?;
            Ok(())
        })
    }
}

/// A file of a plan that is said to lie elsewhere.
struct Located {
    row: i64,
    /// Its path as published.
    text: String,
    disk: PathBuf,
    part: Option<PathBuf>,
}

fn located(tx: &Transaction<'_>, item: i64) -> Result<Vec<Located>, StoreError> {
    let mut files = tx.prepare_cached("SELECT id, path, disk, part FROM files WHERE item = ?")?;
    let files = files.query_map([item], |row| {
        Ok(Located {
            row: row.get(0)?,
            text: row.get(1)?,
            disk: path::from_sql(row.get(2)?),
            part: row.get::<_, Option<Vec<u8>>>(3)?.map(path::from_sql),
        })
    })?;
    Ok(files.collect::<Result<_, _>>()?)
}

/// The root and each file's place below it, free of files that are not this item's.
pub(crate) fn choose_places(
    tx: &Transaction<'_>,
    item: i64,
    root: PathBuf,
    files: &[PlanFile],
) -> Result<(PathBuf, Vec<PathBuf>), StoreError> {
    if let [file] = files
        && !file.path.as_str().contains('/')
    {
        let first = parts::join(&root, &file.path);
        let mut disk = first.clone();
        let mut number = 2;
        while number < NAMES_MAX && is_foreign(tx, item, &disk)? {
            disk = parts::other_name(&first, number, false);
            number += 1;
        }
        return Ok((root, vec![disk]));
    }
    let mut chosen = root.clone();
    let mut number = 2;
    loop {
        let disks: Vec<PathBuf> = files.iter().map(|file| parts::join(&chosen, &file.path)).collect();
        let mut foreign = false;
        for disk in &disks {
            if is_foreign(tx, item, disk)? {
                foreign = true;
                break;
            }
        }
        if !foreign || number >= NAMES_MAX {
            return Ok((chosen, disks));
        }
        chosen = parts::other_name(&root, number, true);
        number += 1;
    }
}

/// Whether this place is another item's, or a file lies there that is not from an earlier plan of this item.
fn is_foreign(tx: &Transaction<'_>, item: i64, disk: &Path) -> Result<bool, StoreError> {
    Ok(is_others(tx, item, disk)? || (parts::taken(disk)? && !is_retired_place(tx, item, disk)?))
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
    let mut part = parts::part_name(disk, 1);
    for number in 2..NAMES_MAX {
        let planned: bool = tx
            .prepare_cached("SELECT EXISTS(SELECT 1 FROM files WHERE part = ? AND part IS NOT NULL)")?
            .query_row([path::to_sql(&part)], |row| row.get(0))?;
        if !planned && !parts::taken(&part)? {
            break;
        }
        part = parts::part_name(disk, number);
    }
    Ok(part)
}
