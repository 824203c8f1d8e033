//! Items of channels: the list, where each stands, what becomes of it when the list changes.

use std::collections::BTreeSet;
use std::path::PathBuf;

use protocol::{ChannelKey, ItemId};
use rusqlite::{OptionalExtension, Row, Transaction, params};

use crate::db::{array, form, int, path, reading, uint};
use crate::ours::{Doomed, Sorted, without_claimed};
use crate::store::now_ms;
use crate::sweep::{self, Candidate, doom, forget_retired, sweep};
use crate::{ItemRow, Removed, Standing, Store, StoreError, Urgency, channels};

/// Columns of [`from_row`]; `json` and `about` stand for the item's JSON and description, or for nothing.
const SELECT: &str = "SELECT i.item, c.key, i.name, {about}, i.published, i.position, i.files, i.bytes, {json},
    i.standing, i.paused, i.root, i.left_out, i.planned,
    CASE WHEN i.standing < 2 THEN 0 ELSE
        (SELECT COUNT(DISTINCT k.file) FROM chunks k WHERE k.item = i.id AND k.state <= 0 AND k.state = -2) END,
    i.pinned, i.priority, i.form, i.skipped, i.mime, i.reading
    FROM items i JOIN channels c ON c.id = i.channel
    WHERE i.item IS NOT NULL";

/// Position of an item that its channel no longer lists.
pub(crate) const OFF_LIST: u32 = u32::MAX;

impl Standing {
    pub(crate) fn to_sql(self) -> i64 {
        match self {
            Self::Listed => 0,
            Self::Wanted => 1,
            Self::Complete => 2,
            Self::Published => 3,
        }
    }

    pub(crate) fn from_sql(value: i64) -> Self {
        match value {
            1 => Self::Wanted,
            2 => Self::Complete,
            3 => Self::Published,
            _ => Self::Listed,
        }
    }
}

/// An item that may go on.
const NOT_PAUSED: i64 = 0;
/// An item that is paused because its channel is; 1 is one that was paused by itself.
const WITH_CHANNEL: i64 = 2;

impl Store {
    /// Items of a channel in list order, without their JSON.
    pub fn items(&self, channel: &ChannelKey) -> Result<Vec<ItemRow>, StoreError> {
        self.select("AND c.key = ?1 ORDER BY i.position, i.id", params![channel.as_bytes()])
    }

    /// As [`Self::items`], without their descriptions too: for rules, which go by dates, sizes and names. A list may have a
    /// quarter of a million items.
    pub fn item_heads(&self, channel: &ChannelKey) -> Result<Vec<ItemRow>, StoreError> {
        let which = "AND c.key = ?1 ORDER BY i.position, i.id";
        self.select_with("x''", "''", which, params![channel.as_bytes()])
    }

    /// One.
    pub fn item(&self, channel: &ChannelKey, id: &ItemId) -> Result<Option<ItemRow>, StoreError> {
        let which = "AND c.key = ?1 AND i.item = ?2";
        let found = self.select_with("i.json", "i.about", which, params![channel.as_bytes(), id.as_bytes()])?;
        Ok(found.into_iter().next())
    }

    /// One, as lists have it: without its JSON.
    pub(crate) fn listed_item(&self, channel: &ChannelKey, id: &ItemId) -> Result<Option<ItemRow>, StoreError> {
        let found = self.select("AND c.key = ?1 AND i.item = ?2", params![channel.as_bytes(), id.as_bytes()])?;
        Ok(found.into_iter().next())
    }

    /// An item's JSON; `None`: it is not known (any more).
    pub fn item_json(&self, channel: &ChannelKey, id: &ItemId) -> Result<Option<Vec<u8>>, StoreError> {
        self.core.db.read(|tx| {
            let mut statement = tx.prepare_cached(
                "SELECT i.json FROM items i JOIN channels c ON c.id = i.channel WHERE c.key = ? AND i.item = ?",
            )?;
            Ok(statement.query_row(params![channel.as_bytes(), id.as_bytes()], |row| row.get(0)).optional()?)
        })
    }

    /// The JSON of a channel's listed items, in order: for the user's own lists.
    pub fn list_json(&self, channel: &ChannelKey) -> Result<Vec<Vec<u8>>, StoreError> {
        self.core.db.read(|tx| {
            let mut statement = tx.prepare_cached(
                "SELECT i.json FROM items i JOIN channels c ON c.id = i.channel
                 WHERE c.key = ? AND i.item IS NOT NULL AND i.position <> ? ORDER BY i.position, i.id",
            )?;
            Ok(statement
                .query_map(params![channel.as_bytes(), OFF_LIST], |row| row.get(0))?
                .collect::<Result<_, _>>()?)
        })
    }

    /// Notes that this item's tables are being worked on, or are not: a process that dies over them must not do so at each
    /// start. Only an item that is listed or wanted can be marked.
    pub fn set_reading(&self, channel: &ChannelKey, id: &ItemId, now: bool) -> Result<(), StoreError> {
        self.core.write_soon(|tx| {
            let item = row_id(tx, channel, id)?;
            // What is read once more has only come through when its plan is there.
            let (to, once) = if now { (reading::NOW, reading::AGAIN) } else { (reading::NOT, reading::DIED_ONCE) };
            tx.prepare_cached(
                "UPDATE items SET reading = CASE WHEN reading IN (?1, ?2) THEN ?3 ELSE ?4 END WHERE id = ?5",
            )?
            .execute([reading::DIED_ONCE, reading::AGAIN, once, to, item])?;
            Ok(())
        })
    }

    /// Wanted items over whose tables the last process died, for the first time: to be read again when others are through.
    pub fn died_once(&self) -> Result<Vec<(ChannelKey, ItemId)>, StoreError> {
        self.core.db.read(|tx| {
            let mut statement = tx.prepare_cached(
                "SELECT c.key, i.item FROM items i JOIN channels c ON c.id = i.channel
                 WHERE i.standing = 1 AND i.paused = 0 AND i.reading = ? AND i.item IS NOT NULL",
            )?;
            let rows = statement
                .query_map([reading::DIED_ONCE], |row| Ok((ChannelKey(array(row, 0)?), ItemId(array(row, 1)?))))?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
    }

    /// Items whose ID starts with this lower-case hex. Text that is no hex, or longer than an ID, matches none.
    pub fn items_by_prefix(&self, hex: &str) -> Result<Vec<ItemRow>, StoreError> {
        let digits = hex.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        if !digits || hex.len() > 32 {
            return Ok(Vec::new());
        }
        let bound = |fill: char| -> Option<[u8; 16]> {
            let text: String = hex.chars().chain(std::iter::repeat(fill)).take(32).collect();
            data_encoding::HEXLOWER.decode(text.as_bytes()).ok()?.try_into().ok()
        };
        match (bound('0'), bound('f')) {
            (Some(low), Some(high)) => self.select("AND i.item BETWEEN ?1 AND ?2 ORDER BY i.id", params![low, high]),
            _ => Ok(Vec::new()),
        }
    }

    /// Items of this title, of all channels, in the order in which they were met.
    pub fn items_named(&self, name: &str) -> Result<Vec<ItemRow>, StoreError> {
        self.select("AND i.name = ?1 ORDER BY i.id", params![name])
    }

    /// Items that are wanted or complete or published, of all channels, newest change first.
    pub fn transfers(&self) -> Result<Vec<ItemRow>, StoreError> {
        self.select("AND i.standing > 0 ORDER BY i.changed DESC, i.id DESC", params![])
    }

    /// Wanted items that lack no blob: their last one came, or all were here already, and the process ended before
    /// [`Store::finish_item`].
    pub fn unfinished(&self) -> Result<Vec<(ChannelKey, ItemId)>, StoreError> {
        self.core.db.read(|tx| {
            let mut statement = tx.prepare_cached(
                "SELECT c.key, i.item FROM items i JOIN channels c ON c.id = i.channel
                 WHERE i.standing = 1 AND i.planned = 1 AND i.item IS NOT NULL
                 AND NOT EXISTS(SELECT 1 FROM chunks k WHERE k.item = i.id AND k.state <= 0 AND k.state > -3)",
            )?;
            let rows = statement.query_map([], |row| Ok((ChannelKey(array(row, 0)?), ItemId(array(row, 1)?))))?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
    }

    /// Chooses where an item goes, before it is planned.
    pub fn set_root(&self, channel: &ChannelKey, id: &ItemId, root: &std::path::Path) -> Result<(), StoreError> {
        self.core.db.write(|tx| {
            let item = row_id(tx, channel, id)?;
            let root = path::to_sql(root);
            tx.prepare_cached("UPDATE items SET root = ? WHERE id = ?")?.execute(params![root, item])?;
            Ok(())
        })
    }

    /// Changes standing or pause, on the user's word: an item over whose tables a process died may be read again.
    pub fn set_standing(
        &self,
        channel: &ChannelKey,
        id: &ItemId,
        standing: Standing,
        paused: bool,
    ) -> Result<(), StoreError> {
        self.core.write_soon(|tx| {
            let item = row_id(tx, channel, id)?;
            tx.prepare_cached(
                "UPDATE items SET standing = ?1, paused = ?2, changed = ?3, declined = declined AND ?1 = 0,
                    reading = CASE WHEN ?1 = 1 AND ?2 = 0 AND reading IN (2, 3) THEN 0 ELSE reading END WHERE id = ?4",
            )?
            .execute(params![standing.to_sql(), paused, now_ms(), item])?;
            Ok(())
        })
    }

    /// Pauses what a channel fetches, or lifts that again: an item that was paused by itself stays so. Returns the items
    /// that this concerns.
    pub fn pause_items(&self, channel: &ChannelKey, paused: bool) -> Result<Vec<ItemId>, StoreError> {
        let (from, to) = if paused { (NOT_PAUSED, WITH_CHANNEL) } else { (WITH_CHANNEL, NOT_PAUSED) };
        self.core.db.write(|tx| {
            let channel = channels::row_id(tx, channel)?;
            let mut statement = tx.prepare_cached(
                "UPDATE items SET paused = ?1, changed = ?2 WHERE channel = ?3 AND standing = 1 AND paused = ?4
                 AND item IS NOT NULL RETURNING item",
            )?;
            let rows = statement.query_map(params![to, now_ms(), channel, from], |row| Ok(ItemId(array(row, 0)?)))?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
    }

    /// Removes an item from this device: plan, blobs nothing else needs, part files; with `delete` also its finished
    /// files: never published ones, nor what was changed here or lay there before. It stays in the list as `Listed`, and
    /// [`Store::want_by_rule`] passes it over; one that its channel no longer lists goes altogether.
    pub fn remove_item(&self, channel: &ChannelKey, id: &ItemId, delete: bool) -> Result<Removed, StoreError> {
        let item = self.core.db.read(|tx| row_id(tx, channel, id))?;
        let sorted = if delete { self.core.sort_files(item)? } else { Sorted::default() };
        let _layout = self.core.exclusive();
        let (gone, doomed, files, root, mut kept) = self.core.db.write(|tx| {
            let item = row_id(tx, channel, id)?;
            let mut blobs = Vec::new();
            let Sorted { ours: mut files, mut kept } = sorted;
            without_claimed(tx, item, &mut files, &mut kept)?;
            let root = take_out(tx, item, &mut blobs, &mut files)?;
            doom(tx, &files)?;
            let (gone, doomed) = sweep(tx, blobs)?;
            Ok((gone, doomed, files, root, kept))
        })?;
        kept.extend(self.core.remove_files(&doomed, &files)?);
        remove_if_empty(root.as_deref());
        Ok(Removed { gone, kept })
    }

    /// What a channel's rule fetches is wanted from now on: its listed items among the first `newest` (all below 0),
    /// but for those that the user removed and those in `except`. Returns every item that is wanted and not paused, but for
    /// those over whose tables a process died.
    pub fn want_by_rule(
        &self,
        channel: &ChannelKey,
        newest: i64,
        except: &BTreeSet<ItemId>,
    ) -> Result<Vec<ItemId>, StoreError> {
        self.core.db.write(|tx| {
            let channel = channels::row_id(tx, channel)?;
            let end = if newest < 0 { i64::from(OFF_LIST) } else { newest };
            let mut listed = tx.prepare_cached(
                "SELECT id, item FROM items WHERE channel = ? AND standing = 0 AND declined = 0
                 AND item IS NOT NULL AND position < ?",
            )?;
            let mut want = tx.prepare_cached("UPDATE items SET standing = 1, changed = ? WHERE id = ?")?;
            let found: Vec<(i64, ItemId)> = listed
                .query_map(params![channel, end], |row| Ok((row.get(0)?, ItemId(array(row, 1)?))))?
                .collect::<Result<_, _>>()?;
            for (row, _) in found.into_iter().filter(|(_, id)| !except.contains(id)) {
                want.execute(params![now_ms(), row])?;
            }
            let mut statement = tx.prepare_cached(
                "SELECT item FROM items WHERE channel = ? AND standing = 1 AND paused = 0 AND reading NOT IN (2, 3)
                 AND item IS NOT NULL ORDER BY priority DESC, position, id",
            )?;
            Ok(statement.query_map([channel], |row| Ok(ItemId(array(row, 0)?)))?.collect::<Result<_, _>>()?)
        })
    }

    fn select(&self, rest: &str, values: &[&dyn rusqlite::ToSql]) -> Result<Vec<ItemRow>, StoreError> {
        self.select_with("x''", "i.about", rest, values)
    }

    fn select_with(
        &self,
        json: &str,
        about: &str,
        rest: &str,
        values: &[&dyn rusqlite::ToSql],
    ) -> Result<Vec<ItemRow>, StoreError> {
        self.core.db.read(|tx| {
            let mut statement =
                tx.prepare_cached(&format!("{} {rest}", SELECT.replace("{json}", json).replace("{about}", about)))?;
            let mut rows = statement.query(values)?;
            let mut out = Vec::new();
            while let Some(row) = rows.next()? {
                out.push(from_row(row)?);
            }
            Ok(out)
        })
    }
}

/// Takes an item's bytes away from it, and what is known of its files; one that is off the list goes with them. As
/// [`clear_out`].
pub(crate) fn take_out(
    tx: &Transaction<'_>,
    item: i64,
    blobs: &mut Vec<Candidate>,
    files: &mut Vec<Doomed>,
) -> Result<Option<PathBuf>, StoreError> {
    let root = clear_out(tx, item, blobs, files)?;
    tx.prepare_cached("DELETE FROM files WHERE item = ?")?.execute([item])?;
    // The structure itself goes with the next list.
    tx.prepare_cached("DELETE FROM item_structure WHERE item = ?")?.execute([item])?;
    tx.prepare_cached(
        "UPDATE items SET standing = 0, paused = 0, root = NULL, planned = 0, have = 0, declined = 1,
            plan = plan + 1, reading = 0, form = 0, skipped = 0, pinned = 0, changed = ? WHERE id = ?",
    )?
    .execute(params![now_ms(), item])?;
    tx.prepare_cached("DELETE FROM items WHERE id = ? AND position = ?")?.execute(params![item, OFF_LIST])?;
    Ok(root)
}

/// What of an item's plan is to go: its blobs and its part files. Returns its folder if it has one of its own.
pub(crate) fn clear_out(
    tx: &Transaction<'_>,
    item: i64,
    blobs: &mut Vec<Candidate>,
    files: &mut Vec<Doomed>,
) -> Result<Option<PathBuf>, StoreError> {
    blobs.extend(sweep::blobs_of(tx, item)?);
    files.extend(sweep::part_files(tx, item)?);
    let (standing, root, folder): (i64, Option<Vec<u8>>, bool) = tx.query_row(
        "SELECT standing, root, (SELECT COUNT(*) > 1 OR MAX(path LIKE '%/%') FROM files WHERE item = i.id)
            FROM items i WHERE id = ?",
        [item],
        |row| Ok((row.get(0)?, row.get(1)?, row.get::<_, Option<bool>>(2)?.unwrap_or(false))),
    )?;
    let published = Standing::from_sql(standing) == Standing::Published;
    forget_retired(tx, item, blobs, files)?;
    Ok(root.filter(|_| folder && !published).map(path::from_sql))
}

/// An item's own folder goes with its last file; one that holds anything refuses.
pub(crate) fn remove_if_empty(root: Option<&std::path::Path>) {
    if let Some(root) = root {
        crate::cut::point("rmdir");
        std::fs::remove_dir(root).ok();
    }
}

/// Inserts or replaces an item's row, keeping its plan columns.
pub(crate) fn insert(
    tx: &Transaction<'_>,
    channel: i64,
    item: &ItemRow,
    position: u32,
    standing: Standing,
) -> Result<(), StoreError> {
    tx.prepare_cached(
        "INSERT INTO items(channel, item, name, about, published, position, files, bytes, json, standing, paused, root,
            left_out, changed, mime) VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15)
         ON CONFLICT(channel, item) DO UPDATE SET name = ?3, about = ?4, published = ?5, position = ?6, files = ?7,
            bytes = ?8, json = ?9, standing = ?10, paused = ?11, root = ?12, left_out = ?13, changed = ?14, mime = ?15",
    )?
    .execute(params![
        channel,
        item.id.as_bytes(),
        item.name,
        item.about,
        int(item.published),
        position,
        int(item.files),
        int(item.bytes),
        item.json,
        standing.to_sql(),
        item.paused,
        item.root.as_deref().map(path::to_sql),
        left_out_json(&item.left_out),
        now_ms(),
        item.mime,
    ])?;
    Ok(())
}

pub(crate) fn left_out_json(left_out: &[(String, String)]) -> String {
    serde_json::Value::from_iter(left_out.iter().map(|(path, why)| vec![path.as_str(), why.as_str()])).to_string()
}

fn from_row(row: &Row<'_>) -> Result<ItemRow, StoreError> {
    let left_out: Vec<(String, String)> = serde_json::from_str(&row.get::<_, String>(12)?)
        .map_err(|e| StoreError::Corrupt(format!("an item's left out files: {e}")))?;
    Ok(ItemRow {
        id: ItemId(array(row, 0)?),
        channel: ChannelKey(array(row, 1)?),
        name: row.get(2)?,
        about: row.get(3)?,
        published: uint(row.get(4)?),
        position: row.get(5)?,
        files: uint(row.get(6)?),
        bytes: uint(row.get(7)?),
        json: row.get(8)?,
        standing: Standing::from_sql(row.get(9)?),
        paused: row.get::<_, i64>(10)? != NOT_PAUSED,
        root: row.get::<_, Option<Vec<u8>>>(11)?.map(path::from_sql),
        left_out,
        planned: row.get(13)?,
        lost_files: uint(row.get(14)?),
        pinned: row.get(15)?,
        urgency: Urgency::from_sql(row.get(16)?),
        encrypted: row.get::<_, i64>(17)? == form::ENCRYPTED,
        skipped: uint(row.get(18)?),
        mime: row.get(19)?,
        deadly: row.get::<_, i64>(20)? == reading::DIED,
    })
}

/// At the start: tables that were being worked on by a process that died are read again later, once; what one stopped in
/// order was reading is simply read again.
pub(crate) fn readings_ended(tx: &Transaction<'_>, died: bool) -> Result<(), StoreError> {
    use reading::{AGAIN, DIED, DIED_ONCE, NOT, NOW};
    let (now, again) = if died { (DIED_ONCE, DIED) } else { (NOT, DIED_ONCE) };
    tx.execute(
        // By its index: an item's row may have sixteen megabytes before this column.
        "UPDATE items SET reading = CASE reading WHEN ?1 THEN ?2 ELSE ?3 END WHERE reading > 0 AND reading IN (?1, ?4)",
        [NOW, now, again, AGAIN],
    )?;
    Ok(())
}

/// The row of an item.
pub(crate) fn row_id(tx: &Transaction<'_>, channel: &ChannelKey, id: &ItemId) -> Result<i64, StoreError> {
    let mut statement = tx.prepare_cached(
        "SELECT i.id FROM items i JOIN channels c ON c.id = i.channel WHERE c.key = ? AND i.item = ?",
    )?;
    let found = statement.query_row(params![channel.as_bytes(), id.as_bytes()], |row| row.get(0)).optional()?;
    found.ok_or(StoreError::UnknownItem)
}
