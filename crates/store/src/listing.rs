//! A channel's list, taken over: read piece by piece, then put in place of the one before in one step.
//!
//! What is being read stands in a table of its own, so that no list, however long, is ever held in memory. Nothing of
//! it counts before [`Store::commit_list`].

use protocol::devices::{DeviceId, Seen};
use protocol::{BlobId, ChannelKey, ItemId};
use rusqlite::{OptionalExtension, Transaction, params};
use serde_json::value::RawValue;

use crate::db::{array, int};
use crate::holdings::retain;
use crate::items::{OFF_LIST, left_out_json};
use crate::ours::Doomed;
use crate::store::now_ms;
use crate::sweep::{self, Candidate, doom, forget_retired, sweep};
use crate::{ItemRow, Standing, Store, StoreError, channels, own};

/// A list that is being read.
#[derive(Debug)]
pub struct ListDraft {
    channel: i64,
    /// The channel's number of this reading, until another begins.
    number: i64,
    items: u64,
    texts: u64,
    items_max: u64,
    texts_max: u64,
}

/// What a new list changed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Relisted {
    /// Blobs that are no longer held.
    pub gone: Vec<BlobId>,
    /// Items that bring other content than before and lost their plan for it: whoever works on them works on what is
    /// no more.
    pub replanned: Vec<ItemId>,
    /// Changes of this device are in it that the list does not know of: it is to be signed again.
    pub unsigned: bool,
    /// Items that this device and another one changed: the other's is in the list.
    pub conflicts: Vec<ItemId>,
}

/// What a list says beside its items.
#[derive(Debug, Clone)]
pub struct ListHead {
    /// Its sequence.
    pub sequence: u64,
    /// The channel's name.
    pub name: String,
    /// The channel's description.
    pub about: String,
    /// E14 Of a list of this user's own channel, signed by another of their devices: of which lists it knows. `None`: it
    /// does not say, and counts as knowing all.
    pub seen: Option<Seen>,
}

impl ListDraft {
    /// Items so far.
    pub fn items(&self) -> u64 {
        self.items
    }
}

impl Store {
    /// Begins to read a channel's list, of at most so many items and bytes of their texts; what another reading left
    /// goes, and that reading ends.
    pub fn begin_list(&self, channel: &ChannelKey, items_max: u64, texts_max: u64) -> Result<ListDraft, StoreError> {
        self.core.write_soon(|tx| {
            let channel = channels::row_id(tx, channel)?;
            let number = begin(tx, channel)?;
            Ok(ListDraft { channel, number, items: 0, texts: 0, items_max, texts_max })
        })
    }

    /// Adds items to it, each with its place: the list is in the order of places. The first item of an ID counts.
    ///
    /// # Errors
    /// [`StoreError::ListGone`]: another reading began, or the channel was left. [`StoreError::TooMuch`].
    pub fn extend_list(&self, draft: &mut ListDraft, items: &[(u64, ItemRow)]) -> Result<(), StoreError> {
        self.core.write_soon(|tx| {
            in_hand(tx, draft)?;
            for (place, item) in items {
                let texts = stage(tx, draft.channel, *place, item)?;
                let Some(texts) = texts else { continue };
                draft.items += 1;
                draft.texts += texts;
                if draft.items > draft.items_max {
                    return Err(StoreError::TooMuch { what: "items in the list of one channel", max: draft.items_max });
                }
                if draft.texts > draft.texts_max {
                    let what = "bytes of titles and descriptions in the list of one channel";
                    return Err(StoreError::TooMuch { what, max: draft.texts_max });
                }
            }
            Ok(())
        })
    }

    /// Makes it the channel's list, with its texts, in one transaction: new items in, vanished ones out (unless some of their bytes are
    /// here: then they stay, off the list with position `u32::MAX`), changed ones (other `json`) replaced; an item whose
    /// content changed loses its plan and stands as `Wanted` again if it was wanted or complete, keeping blobs that the
    /// new plan still needs until that is finished. Also sets `body_sequence`, and keeps of the channel's structure
    /// blobs only these, and those that items are tied to. Of a channel of ours, what the list does not know of stays in it.
    ///
    /// # Errors
    /// [`StoreError::ListGone`]: as of [`Store::extend_list`].
    pub fn commit_list(&self, draft: ListDraft, head: ListHead, structure: &[BlobId]) -> Result<Relisted, StoreError> {
        let ListHead { sequence, name, about, seen } = head;
        let _layout = self.core.exclusive();
        let (relisted, doomed, parts) = self.core.db.write(|tx| {
            in_hand(tx, &draft)?;
            let mut texts = (name, about);
            let known = match &seen {
                Some(seen) => seen.clone(),
                None => own::seen(tx, draft.channel)?.with(DeviceId::UNMARKED, sequence),
            };
            let merged = match &seen {
                Some(seen) => own::merge(tx, draft.channel, seen, &mut texts)?,
                None => own::Merged::default(),
            };
            own::set_seen(tx, draft.channel, &known)?;
            tx.prepare_cached("UPDATE channels SET name = ?, about = ? WHERE id = ?")?.execute(params![
                texts.0,
                texts.1,
                draft.channel
            ])?;
            let (mut relisted, mut doomed, parts) = merge(tx, draft.channel, sequence)?;
            (relisted.unsigned, relisted.conflicts) = (merged.unsigned, merged.conflicts);
            let (gone, more) = retain(tx, draft.channel, structure)?;
            relisted.gone.extend(gone);
            doomed.extend(more);
            Ok((relisted, doomed, parts))
        })?;
        self.core.remove_files(&doomed, &parts)?;
        Ok(relisted)
    }

    /// A list whose items are all known, in one step: as [`Store::commit_list`], but for its structure.
    pub fn set_items(&self, channel: &ChannelKey, sequence: u64, items: &[ItemRow]) -> Result<Relisted, StoreError> {
        let _layout = self.core.exclusive();
        let (relisted, doomed, parts) = self.core.db.write(|tx| {
            let channel = channels::row_id(tx, channel)?;
            replace(tx, channel, sequence, items)
        })?;
        self.core.remove_files(&doomed, &parts)?;
        Ok(relisted)
    }
}

/// What to tell, blob files to remove, and files of the user.
type Merged = (Relisted, Vec<BlobId>, Vec<Doomed>);

/// Puts a whole list in place of the one before.
pub(crate) fn replace(
    tx: &Transaction<'_>,
    channel: i64,
    sequence: u64,
    items: &[ItemRow],
) -> Result<Merged, StoreError> {
    begin(tx, channel)?;
    for (place, item) in items.iter().enumerate() {
        stage(tx, channel, place as u64, item)?;
    }
    merge(tx, channel, sequence)
}

fn begin(tx: &Transaction<'_>, channel: i64) -> Result<i64, StoreError> {
    tx.prepare_cached("DELETE FROM listing WHERE channel = ?")?.execute([channel])?;
    let mut next = tx.prepare_cached("UPDATE channels SET listing = listing + 1 WHERE id = ? RETURNING listing")?;
    Ok(next.query_row([channel], |row| row.get(0))?)
}

fn in_hand(tx: &Transaction<'_>, draft: &ListDraft) -> Result<(), StoreError> {
    let mut same = tx.prepare_cached("SELECT listing = ? FROM channels WHERE id = ?")?;
    let same = same.query_row([draft.number, draft.channel], |row| row.get(0)).optional()?;
    if same == Some(true) { Ok(()) } else { Err(StoreError::ListGone) }
}

/// Adds an item to what is being read. Returns the bytes of its texts; `None`: one of this ID is there already.
fn stage(tx: &Transaction<'_>, channel: i64, place: u64, item: &ItemRow) -> Result<Option<u64>, StoreError> {
    let left_out = left_out_json(&item.left_out);
    let texts = item.name.len() + item.about.len() + left_out.len();
    // Compared where it lies: an item's JSON may have sixteen megabytes.
    let mut same = tx.prepare_cached("SELECT json FROM items WHERE channel = ? AND item = ?")?;
    let same = same.query_row(params![channel, item.id.as_bytes()], |row| {
        Ok(row.get_ref(0)?.as_blob_or_null()?.is_some_and(|json| json == item.json))
    });
    let same = same.optional()?.unwrap_or(false);
    let mut add = tx.prepare_cached(
        "INSERT OR IGNORE INTO listing(channel, item, place, name, about, published, files, bytes, json, left_out, mime)
         VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    )?;
    let added = match same {
        true => add.execute(params![
            channel,
            item.id.as_bytes(),
            int(place),
            "",
            "",
            0,
            0,
            0,
            None::<Vec<u8>>,
            "",
            None::<String>
        ])?,
        false => add.execute(params![
            channel,
            item.id.as_bytes(),
            int(place),
            item.name,
            item.about,
            int(item.published),
            int(item.files),
            int(item.bytes),
            item.json,
            left_out,
            item.mime,
        ])?,
    };
    Ok((added > 0).then_some(texts as u64))
}

/// What was read becomes the list.
fn merge(tx: &Transaction<'_>, channel: i64, sequence: u64) -> Result<Merged, StoreError> {
    let mut relisted = Relisted::default();
    let mut staged =
        tx.prepare_cached("SELECT item, json IS NOT NULL FROM listing WHERE channel = ? ORDER BY place")?;
    // An item's JSON may have sixteen megabytes: it goes from row to row inside of the database.
    let mut change = tx.prepare_cached(
        "UPDATE items SET (name, about, published, files, bytes, json, left_out, mime) =
            (SELECT name, about, published, files, bytes, json, left_out, mime FROM listing
             WHERE channel = ?1 AND item = ?2), position = ?3, changed = ?4 WHERE channel = ?1 AND item = ?2",
    )?;
    let mut add = tx.prepare_cached(
        "INSERT INTO items(channel, item, name, about, published, position, files, bytes, json, standing, paused, root,
            left_out, changed, mime)
         SELECT channel, item, name, about, published, ?3, files, bytes, json, 0, 0, NULL, left_out, ?4, mime FROM listing
         WHERE channel = ?1 AND item = ?2",
    )?;
    let mut rows = staged.query([channel])?;
    let mut position = 0_u32;
    while let Some(row) = rows.next()? {
        let id = ItemId(array(row, 0)?);
        let is_told: bool = row.get(1)?;
        match (known(tx, channel, &id, is_told)?, is_told) {
            (Some(known), _) if known.changed == Changed::Nothing => place(tx, &known, position)?,
            (Some(known), _) => {
                change.execute(params![channel, id.as_bytes(), position, now_ms()])?;
                if known.standing != Standing::Published && known.changed == Changed::Content {
                    sweep::retire(tx, channel, known.row)?;
                    // What an earlier version did to a process says nothing of this one.
                    tx.prepare_cached("UPDATE items SET standing = MIN(standing, 1), reading = 0 WHERE id = ?")?
                        .execute([known.row])?;
                    relisted.replanned.push(id);
                }
            }
            (None, true) => drop(add.execute(params![channel, id.as_bytes(), position, now_ms()])?),
            // It stood here when it was read and went meanwhile, by its user's hand: the next list brings it again.
            (None, false) => continue,
        }
        position = position.saturating_add(1).min(OFF_LIST - 1);
    }
    drop(rows);
    let (doomed, parts) = vanished(tx, channel, &mut relisted.gone)?;
    tx.prepare_cached("DELETE FROM listing WHERE channel = ?")?.execute([channel])?;
    tx.prepare_cached("UPDATE channels SET body_sequence = ? WHERE id = ?")?
        .execute(params![int(sequence), channel])?;
    Ok((relisted, doomed, parts))
}

/// Items that the list has no more: those of which nothing is here go, the others stay beside the list.
fn vanished(
    tx: &Transaction<'_>,
    channel: i64,
    gone: &mut Vec<BlobId>,
) -> Result<(Vec<BlobId>, Vec<Doomed>), StoreError> {
    let mut old = tx.prepare_cached(
        "SELECT id, standing >= 2 OR have > 0 OR EXISTS(SELECT 1 FROM items s WHERE s.of = i.id) FROM items i
         WHERE channel = ?1 AND item IS NOT NULL
         AND NOT EXISTS(SELECT 1 FROM listing l WHERE l.channel = ?1 AND l.item = i.item)",
    )?;
    let old: Vec<(i64, bool)> =
        old.query_map([channel], |row| Ok((row.get(0)?, row.get(1)?)))?.collect::<Result<_, _>>()?;
    let (mut blobs, mut parts): (Vec<Candidate>, Vec<Doomed>) = (Vec::new(), Vec::new());
    for (row, has_bytes) in old {
        if has_bytes {
            tx.prepare_cached("UPDATE items SET position = ? WHERE id = ?")?.execute(params![OFF_LIST, row])?;
        } else {
            blobs.extend(sweep::blobs_of(tx, row)?);
            parts.extend(sweep::part_files(tx, row)?);
            forget_retired(tx, row, &mut blobs, &mut parts)?;
            tx.prepare_cached("DELETE FROM items WHERE id = ?")?.execute([row])?;
        }
    }
    doom(tx, &parts)?;
    let (swept, doomed) = sweep(tx, blobs)?;
    gone.extend(swept);
    Ok((doomed, parts))
}

/// What is known of an item before the list changes.
struct Known {
    row: i64,
    standing: Standing,
    position: u32,
    changed: Changed,
}

/// What of an item is other in the list that was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Changed {
    Nothing,
    /// Title, text or dates.
    Words,
    Content,
}

/// An item as it stands; `is_told`: what was read may differ.
fn known(tx: &Transaction<'_>, channel: i64, id: &ItemId, is_told: bool) -> Result<Option<Known>, StoreError> {
    let mut statement = tx.prepare_cached(
        "SELECT i.id, i.standing, i.position, CASE WHEN ?3 THEN i.json END, CASE WHEN ?3 THEN l.json END
         FROM items i JOIN listing l ON l.channel = i.channel AND l.item = i.item WHERE i.channel = ?1 AND i.item = ?2",
    )?;
    let found = statement.query_row(params![channel, id.as_bytes(), is_told], |row| {
        // As the database holds them: copies would double them.
        let (old, new) = (row.get_ref(3)?, row.get_ref(4)?);
        let changed = match (old.as_blob_or_null()?, new.as_blob_or_null()?) {
            (Some(old), Some(new)) if old == new => Changed::Nothing,
            (Some(old), Some(new)) if same_content(old, new) => Changed::Words,
            (Some(_), Some(_)) => Changed::Content,
            _ => Changed::Nothing,
        };
        let (row, standing, position) = (row.get(0)?, Standing::from_sql(row.get(1)?), row.get(2)?);
        Ok(Known { row, standing, position, changed })
    });
    Ok(found.optional()?)
}

fn place(tx: &Transaction<'_>, known: &Known, position: u32) -> Result<(), StoreError> {
    if known.position != position {
        tx.prepare_cached("UPDATE items SET position = ? WHERE id = ?")?.execute(params![position, known.row])?;
    }
    Ok(())
}

/// Whether two body items bring the same files; title, text and dates do not count.
fn same_content(old: &[u8], new: &[u8]) -> bool {
    // Compared as they are written: an item may be millions of chunks long, and a tree of values takes six times its bytes.
    #[derive(serde::Deserialize)]
    struct Content<'a> {
        #[serde(borrow, default)]
        size: Option<&'a RawValue>,
        #[serde(borrow, default)]
        chunks: Option<&'a RawValue>,
        #[serde(borrow, default)]
        tree: Option<&'a RawValue>,
        #[serde(borrow, default)]
        files: Option<&'a RawValue>,
        #[serde(borrow, default, rename = "filesTree")]
        files_tree: Option<&'a RawValue>,
    }
    let content = |json| -> Option<[Option<&str>; 5]> {
        let item: Content<'_> = serde_json::from_slice(json).ok()?;
        Some([item.size, item.chunks, item.tree, item.files, item.files_tree].map(|raw| raw.map(RawValue::get)))
    };
    content(old).is_some_and(|old| content(new) == Some(old))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_no_content_and_a_chunk_is() {
        let item = |name: &str, chunks: &str| format!(r#"{{"name":"{name}","chunks":{chunks},"size":3}}"#).into_bytes();
        let old = item("a", "[[1,2],[3]]");
        assert!(same_content(&old, &item("another", "[[1,2],[3]]")));
        assert!(!same_content(&old, &item("a", "[[1,2],[4]]")));
        assert!(!same_content(&old, br#"{"name":"a","files":[[1,2],[3]],"size":3}"#));
        assert!(!same_content(b"no json", b"no json"));
    }
}
