//! A data folder that was moved: what the record says lies in it lies in it still.

use std::path::{Path, PathBuf};

use rusqlite::{OptionalExtension, Transaction, params};

use crate::StoreError;
use crate::db::path;
use crate::store::Core;

/// Where the data folder was when it was last open, in `meta`.
const HOME: &str = "home";
/// Settings that are paths.
const SETTINGS: [&str; 1] = ["download_dir"];

impl Core {
    /// Notes where the data folder is. Where it was elsewhere before, what lay inside of it is looked for here, item by
    /// item; an item whose folder is at the old place still, and not here, stays there.
    pub(crate) fn come_home(&self, now: &Path) -> Result<(), StoreError> {
        let before: Option<PathBuf> = self.db.read(|tx| {
            let mut statement = tx.prepare_cached("SELECT value FROM meta WHERE name = ?")?;
            let found: Option<Vec<u8>> = statement.query_row([HOME], |row| row.get(0)).optional()?;
            Ok(found.map(path::from_sql))
        })?;
        if before.as_deref() == Some(now) {
            return Ok(());
        }
        self.db.write(|tx| {
            if let Some(before) = &before {
                let moved = Moved { from: before, to: now };
                tracing::info!(from = %before.display(), to = %now.display(), "the data folder was moved");
                moved.items(tx)?;
                moved.settings(tx)?;
            }
            tx.prepare_cached("INSERT OR REPLACE INTO meta(name, value) VALUES(?, ?)")?
                .execute(params![HOME, path::to_sql(now)])?;
            Ok(())
        })
    }
}

struct Moved<'a> {
    from: &'a Path,
    to: &'a Path,
}

impl Moved<'_> {
    /// Where a path that lay inside lies now; `None`: it lay outside, or is at its old place still.
    fn place(&self, old: &Path) -> Option<PathBuf> {
        let new = self.to.join(old.strip_prefix(self.from).ok()?);
        (new.exists() || !old.exists()).then_some(new)
    }

    fn items(&self, tx: &Transaction<'_>) -> Result<(), StoreError> {
        let mut items = tx.prepare_cached("SELECT id, root FROM items WHERE root IS NOT NULL")?;
        let items: Vec<(i64, Vec<u8>)> =
            items.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect::<Result<_, _>>()?;
        for (item, root) in items {
            let Some(root) = self.place(&path::from_sql(root)) else { continue };
            tx.prepare_cached("UPDATE items SET root = ? WHERE id = ?")?.execute(params![path::to_sql(&root), item])?;
            self.files(tx, item)?;
        }
        Ok(())
    }

    fn files(&self, tx: &Transaction<'_>, item: i64) -> Result<(), StoreError> {
        let inside = |old: Vec<u8>| {
            let old = path::from_sql(old);
            old.strip_prefix(self.from).map(|rest| self.to.join(rest)).unwrap_or(old)
        };
        let mut files = tx.prepare_cached("SELECT id, disk, part FROM files WHERE item = ?")?;
        let files: Vec<(i64, PathBuf, Option<PathBuf>)> = files
            .query_map([item], |row| {
                Ok((row.get(0)?, inside(row.get(1)?), row.get::<_, Option<Vec<u8>>>(2)?.map(inside)))
            })?
            .collect::<Result<_, _>>()?;
        for (row, disk, part) in files {
            tx.prepare_cached("UPDATE files SET disk = ?, part = ? WHERE id = ?")?.execute(params![
                path::to_sql(&disk),
                part.as_deref().map(path::to_sql),
                row
            ])?;
        }
        Ok(())
    }

    fn settings(&self, tx: &Transaction<'_>) -> Result<(), StoreError> {
        for name in SETTINGS {
            let mut statement = tx.prepare_cached("SELECT value FROM settings WHERE name = ?")?;
            let old: Option<String> = statement.query_row([name], |row| row.get(0)).optional()?;
            if let Some(new) = old.and_then(|old| self.place(Path::new(&old)))
                && let Some(new) = new.to_str()
            {
                tx.prepare_cached("UPDATE settings SET value = ? WHERE name = ?")?.execute([new, name])?;
            }
        }
        Ok(())
    }
}
