//! A damaged database, made anew from what of it can be read.
//!
//! Promises: the damaged one is kept beside, untouched; what is made anew is whole before it takes its place, and a process
//! that is cut off on the way leaves the one or the other. Nothing that was read is believed of the disk: every byte that is
//! said to be here is read again at the next start. What belonged together and came apart is let go of: a download that
//! lacks rows is planned again, which finds the files that lie there.

use std::fs;
use std::path::{Path, PathBuf};

use rusqlite::types::Value;
use rusqlite::{Connection, OpenFlags, Transaction, params_from_iter};

use super::before::remove;
use super::{Db, FILE, create_private, migrate, prepare};
use crate::error::at;
use crate::parts::{sync_dir, sync_file};
use crate::{DataDir, StoreError, cut};

/// What is being made, until it takes its place.
pub(super) const REBUILT: &str = "store.db.rebuilt";
/// What the damaged one is called afterwards; a number follows.
const DAMAGED: &str = "store.db.damaged";
/// Numbers that are tried for it.
const NUMBERS: u32 = 10_000;

/// What came of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rebuilt {
    /// Rows that were saved.
    pub rows: u64,
    /// Tables of which a part could not be read.
    pub torn: Vec<String>,
    /// Downloads that lacked rows: they are planned again, and what lies there is recognised.
    pub replanned: u64,
    /// Items published from here of which it is not known any more where their files lie: to be published again.
    pub unshared: u64,
    /// Where the damaged database is now.
    pub kept: PathBuf,
}

/// Whether a folder's database can be read from end to end.
///
/// # Errors
/// There is none, or it is a newer version's.
pub fn is_sound(dir: &DataDir) -> Result<bool, StoreError> {
    finish(&dir.path().join(FILE))?;
    let path = dir.path().join(FILE);
    if !path.exists() {
        return Err(StoreError::io(&path, std::io::ErrorKind::NotFound.into()));
    }
    let opened = Db::open(dir.path()).and_then(|db| {
        db.check()?;
        db.close()
    });
    match opened {
        Ok(()) => Ok(true),
        Err(StoreError::Corrupt(_)) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Makes a folder's database anew from what can be read of the one that is there.
///
/// # Errors
/// There is no database; the new one cannot be written. The old one is where it was.
pub fn rebuild(dir: &DataDir) -> Result<Rebuilt, StoreError> {
    let old = dir.path().join(FILE);
    let new = dir.path().join(REBUILT);
    if !old.exists() {
        return Err(StoreError::io(&old, std::io::ErrorKind::NotFound.into()));
    }
    for companion in ["", "-wal", "-shm"] {
        remove(&beside(&new, companion))?;
    }
    let mut rebuilt = fill(&old, &new)?;
    cut::point("sync");
    sync_file(&new)?;
    rebuilt.kept = swap(dir.path(), &old)?;
    tracing::warn!(?rebuilt, "the database was made anew");
    Ok(rebuilt)
}

/// Finishes what a process that was cut off in the middle of [`rebuild`] left: with the old one away, the new one is it.
pub(super) fn finish(path: &Path) -> Result<(), StoreError> {
    let new = path.with_file_name(REBUILT);
    if !path.exists() && new.exists() {
        cut::point("rename");
        fs::rename(&new, path).map_err(at(path))?;
        sync_dir(path.parent().unwrap_or(path))?;
    }
    Ok(())
}

fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_os_string();
    name.push(ending);
    path.with_file_name(name)
}

/// Puts the new one in the place of the old, which gets a name that nothing has.
fn swap(dir: &Path, old: &Path) -> Result<PathBuf, StoreError> {
    let free = (1..NUMBERS).map(|number| dir.join(format!("{DAMAGED}{number}"))).find(|path| !path.exists());
    let kept = free.ok_or_else(|| StoreError::io(old, std::io::ErrorKind::AlreadyExists.into()))?;
    // Its log first: it belongs to the old one, and must not be taken for the new one's.
    for companion in ["-wal", "-shm"] {
        let from = beside(old, companion);
        if from.exists() {
            cut::point("rename");
            fs::rename(&from, beside(&kept, companion)).map_err(at(&from))?;
        }
    }
    cut::point("rename");
    fs::rename(old, &kept).map_err(at(old))?;
    sync_dir(dir)?;
    finish(old)?;
    Ok(kept)
}

fn fill(old: &Path, new: &Path) -> Result<Rebuilt, StoreError> {
    create_private(new)?;
    let mut made = Connection::open(new)?;
    prepare(&made)?;
    made.pragma_update(None, "foreign_keys", false)?;
    migrate(&mut made)?;
    let mut rebuilt = Rebuilt::default();
    let transaction = made.transaction()?;
    let tables = tables(&transaction)?;
    // One that is no database at all has nothing that could be read.
    match Connection::open_with_flags(old, OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX) {
        Ok(source) => {
            for table in &tables {
                let (rows, whole) = copy(&source, &transaction, table)?;
                rebuilt.rows += rows;
                if !whole {
                    rebuilt.torn.push(table.name.clone());
                }
            }
        }
        Err(error) => {
            tracing::warn!(%error, "the damaged database does not open");
            rebuilt.torn.extend(tables.into_iter().map(|table| table.name));
        }
    }
    (rebuilt.replanned, rebuilt.unshared) = put_right(&transaction)?;
    cut::point("commit");
    transaction.commit()?;
    cut::point("committed");
    made.close().map_err(|(_, error)| error)?;
    let made = Db::open_at(new)?;
    made.check()?;
    made.close()?;
    Ok(rebuilt)
}

/// A table of this version, and what its rows stand in order of.
struct Table {
    name: String,
    columns: Vec<String>,
    key: String,
}

/// Tables whose rows are worth saving.
fn tables(tx: &Transaction<'_>) -> Result<Vec<Table>, StoreError> {
    let mut all = tx.prepare(
        "SELECT name, sql FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'search%' AND name NOT LIKE 'sqlite%'
         AND name <> 'listing' ORDER BY rowid",
    )?;
    let all: Vec<(String, String)> =
        all.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect::<Result<_, _>>()?;
    let mut out = Vec::new();
    for (name, sql) in all {
        let mut columns = tx.prepare("SELECT name, pk FROM pragma_table_info(?)")?;
        let columns: Vec<(String, i64)> =
            columns.query_map([&name], |row| Ok((row.get(0)?, row.get(1)?)))?.collect::<Result<_, _>>()?;
        let mut key: Vec<&(String, i64)> = columns.iter().filter(|(_, place)| *place > 0).collect();
        key.sort_by_key(|(_, place)| *place);
        let key = if sql.contains("WITHOUT ROWID") {
            key.iter().map(|(name, _)| format!("\"{name}\"")).collect::<Vec<_>>()
        } else {
            vec!["rowid".to_owned()]
        };
        out.push(Table { name, columns: columns.into_iter().map(|(name, _)| name).collect(), key: key.join(", ") });
    }
    Ok(out)
}

/// Copies the rows of a table that can be read: from its beginning up to what cannot, and from its end. Says whether that
/// was all.
fn copy(from: &Connection, to: &Transaction<'_>, table: &Table) -> Result<(u64, bool), StoreError> {
    let mut saved = 0;
    // A version before has fewer columns; the others have what they begin with.
    let theirs = || -> rusqlite::Result<Vec<String>> {
        let mut columns = from.prepare("SELECT name FROM pragma_table_info(?)")?;
        let names = columns.query_map([&table.name], |row| row.get(0))?;
        names.collect()
    };
    let Ok(theirs) = theirs() else { return Ok((0, false)) };
    let columns: Vec<&String> = table.columns.iter().filter(|name| theirs.contains(name)).collect();
    if columns.is_empty() {
        return Ok((0, false));
    }
    let names = columns.iter().map(|name| format!("\"{name}\"")).collect::<Vec<_>>().join(", ");
    let places = vec!["?"; columns.len()].join(", ");
    let mut insert = to.prepare(&format!("INSERT OR IGNORE INTO \"{}\"({names}) VALUES({places})", table.name))?;
    for order in ["ASC", "DESC"] {
        let key = table.key.split(", ").map(|column| format!("{column} {order}")).collect::<Vec<_>>().join(", ");
        let Ok(mut rows) = from.prepare(&format!("SELECT {names} FROM \"{}\" NOT INDEXED ORDER BY {key}", table.name))
        else {
            return Ok((saved, false));
        };
        let Ok(mut rows) = rows.query([]) else { return Ok((saved, false)) };
        loop {
            let row = match rows.next() {
                Ok(Some(row)) => row,
                Ok(None) if order == "ASC" => return Ok((saved, true)),
                Ok(None) | Err(_) => break,
            };
            let values = (0..columns.len()).map(|column| row.get::<_, Value>(column)).collect::<Result<Vec<_>, _>>();
            let Ok(values) = values else { continue };
            let new = insert.execute(params_from_iter(values))?;
            saved += new as u64;
            // From the end it has come to what is there already.
            if order == "DESC" && new == 0 {
                break;
            }
        }
    }
    Ok((saved, false))
}

/// Makes the rows agree with each other, and nothing of the disk believed. Returns the downloads that are to be planned again,
/// and the published items that are not shared any more.
fn put_right(tx: &Transaction<'_>) -> Result<(u64, u64), StoreError> {
    tx.execute_batch(
        "DELETE FROM channels WHERE typeof(key) <> 'blob' OR length(key) <> 32;
         DELETE FROM identities WHERE typeof(key) <> 'blob' OR length(key) <> 32;
         DELETE FROM floors WHERE typeof(key) <> 'blob' OR length(key) <> 32;
         DELETE FROM blobs WHERE typeof(blob) <> 'blob' OR length(blob) <> 32;
         DELETE FROM items WHERE channel NOT IN (SELECT id FROM channels)
            OR (item IS NOT NULL AND (typeof(item) <> 'blob' OR length(item) <> 16));
         DELETE FROM items WHERE item IS NULL AND (of IS NULL OR of NOT IN (SELECT id FROM items WHERE item IS NOT NULL));
         DELETE FROM files WHERE item NOT IN (SELECT id FROM items);
         DELETE FROM chunks WHERE file NOT IN (SELECT id FROM files) OR item NOT IN (SELECT id FROM items)
            OR blob NOT IN (SELECT id FROM blobs) OR typeof(key) <> 'blob' OR length(key) <> 32
            OR typeof(nonce) <> 'blob' OR length(nonce) <> 12;
         DELETE FROM structure WHERE channel NOT IN (SELECT id FROM channels) OR blob NOT IN (SELECT id FROM blobs);
         DELETE FROM own_changes WHERE channel NOT IN (SELECT id FROM channels)
            OR typeof(device) <> 'blob' OR length(device) <> 6;
         DELETE FROM item_structure WHERE item NOT IN (SELECT id FROM items) OR blob NOT IN (SELECT id FROM blobs);
         INSERT OR IGNORE INTO floors(key, sequence) SELECT key, body_sequence FROM channels;
         CREATE TEMP TABLE torn AS SELECT i.id FROM items i WHERE i.planned = 1 AND (
            (SELECT COUNT(*) FROM files WHERE item = i.id) = 0
            OR (i.item IS NOT NULL AND i.files <> (SELECT COUNT(*) FROM files WHERE item = i.id))
            OR EXISTS(SELECT 1 FROM files f WHERE f.item = i.id
                AND f.size <> (SELECT COALESCE(SUM(len), 0) FROM chunks WHERE file = f.id)));
         INSERT INTO temp.torn SELECT id FROM items WHERE planned = 0 AND id IN (SELECT item FROM files);
         DELETE FROM chunks WHERE item IN (SELECT id FROM temp.torn);
         DELETE FROM files WHERE item IN (SELECT id FROM temp.torn);
         DELETE FROM items WHERE item IS NULL AND id IN (SELECT id FROM temp.torn);",
    )?;
    let count = |which: &str| -> Result<u64, StoreError> {
        let sql = format!("SELECT COUNT(*) FROM items WHERE id IN (SELECT id FROM temp.torn) AND {which}");
        Ok(super::uint(tx.query_row(&sql, [], |row| row.get(0))?))
    };
    let (replanned, unshared) = (count("standing IN (1, 2)")?, count("standing = 3")?);
    tx.execute_batch(
        "UPDATE items SET planned = 0, have = 0, skipped = 0, plan = plan + 1,
            standing = CASE standing WHEN 3 THEN 0 WHEN 2 THEN 1 ELSE standing END
            WHERE id IN (SELECT id FROM temp.torn);
         UPDATE items SET standing = CASE standing WHEN 3 THEN 0 WHEN 2 THEN 1 ELSE standing END WHERE planned = 0;
         DROP TABLE temp.torn;
         DELETE FROM blobs WHERE id NOT IN (SELECT blob FROM chunks) AND id NOT IN (SELECT blob FROM structure)
            AND id NOT IN (SELECT blob FROM item_structure);
         UPDATE files SET have = (SELECT COALESCE(SUM(len), 0) FROM chunks WHERE file = files.id AND state > 0);
         UPDATE items SET have = (SELECT COALESCE(SUM(have), 0) FROM files WHERE item = items.id) WHERE planned = 1;
         UPDATE chunks SET unsynced = 1 WHERE state > 0;
         UPDATE blobs SET unsynced = 1 WHERE stored = 1;
         INSERT OR REPLACE INTO meta(name, value) VALUES('running', 1);
         INSERT OR REPLACE INTO meta(name, value) VALUES('rebuilt', 1);",
    )?;
    Ok((replanned, unshared))
}
