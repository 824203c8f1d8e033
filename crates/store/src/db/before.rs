//! The database as it was before a newer version of the program changed its tables.
//!
//! Promises: before the first change a copy lies beside the database, whole and on the disk, or nothing is changed; the
//! last copy alone is kept; whoever has no room for it is told how much it takes, and goes on as before with the older
//! version.

use std::fs::{self, File};
use std::path::Path;

use rusqlite::Connection;

use super::create_private;
use crate::StoreError;
use crate::cut;
use crate::error::at;
use crate::parts::sync_dir;

/// What a copy's name begins with; the version of its tables follows.
const COPY: &str = "store.db.v";
/// An unfinished copy: nothing is in it that is not elsewhere.
const UNFINISHED: &str = "store.db.copy";
/// Bytes that are left free beside it, for the change itself.
const SPARE: u64 = 1 << 20;

/// Copies the database at `path`, whose tables are of `version`.
///
/// # Errors
/// [`StoreError::DiskFull`] names the bytes it takes; whatever else keeps the copy from being written.
pub(super) fn keep(connection: &Connection, path: &Path, version: i64) -> Result<(), StoreError> {
    let copy = path.with_file_name(format!("{COPY}{version}"));
    let unfinished = path.with_file_name(UNFINISHED);
    let pages: u64 = super::uint(connection.pragma_query_value(None, "page_count", |row| row.get(0))?);
    let page: u64 = super::uint(connection.pragma_query_value(None, "page_size", |row| row.get(0))?);
    let needed = pages.saturating_mul(page);
    if crate::free_space(path.parent().unwrap_or(path))? < needed.saturating_add(SPARE) {
        return Err(StoreError::full(&copy, needed));
    }
    remove(&unfinished)?;
    create_private(&unfinished)?;
    let Some(name) = unfinished.to_str() else { return copy_bytes(connection, path, &unfinished, &copy) };
    cut::point("write");
    connection.execute("VACUUM INTO ?", [name])?;
    settle(&unfinished, &copy)
}

/// SQLite takes no path that is not UTF-8: with the log folded in, the file is all there is to copy.
fn copy_bytes(connection: &Connection, path: &Path, unfinished: &Path, copy: &Path) -> Result<(), StoreError> {
    connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
    cut::point("write");
    fs::copy(path, unfinished).map_err(at(unfinished))?;
    settle(unfinished, copy)
}

fn settle(unfinished: &Path, copy: &Path) -> Result<(), StoreError> {
    cut::point("sync");
    File::open(unfinished).and_then(|file| file.sync_all()).map_err(at(unfinished))?;
    cut::point("rename");
    fs::rename(unfinished, copy).map_err(at(copy))?;
    let Some(dir) = copy.parent() else { return Ok(()) };
    sync_dir(dir)?;
    for entry in fs::read_dir(dir).map_err(at(dir))? {
        let entry = entry.map_err(at(dir))?;
        let name = entry.file_name();
        let version = name.to_str().and_then(|name| name.strip_prefix(COPY));
        if version.is_some_and(|version| version.parse::<u32>().is_ok()) && entry.path() != copy {
            remove(&entry.path())?;
        }
    }
    Ok(())
}

/// Removes a file, if it is there.
pub(super) fn remove(path: &Path) -> Result<(), StoreError> {
    cut::point("unlink");
    match fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(at(path)(error)),
        _ => Ok(()),
    }
}
