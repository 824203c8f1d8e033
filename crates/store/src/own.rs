//! E14 What this device changed in the lists of its own channels, so that a list which another device of the identity signed
//! without knowing of it loses nothing.
//!
//! Every change is noted with the list that brought it. When a list comes that does not know of that one, the change is
//! made to it again: what was added here is in it, what was taken out here is out, what was edited here is as it was
//! edited; and it waits to be signed ([`Store::unsigned`]). Where both devices changed one thing, the list that came has
//! it: it was signed later.

use protocol::ChannelKey;
use protocol::ItemId;
use protocol::devices::{DeviceId, Seen};
use rusqlite::{OptionalExtension, Transaction, params};
use sha2::{Digest, Sha256};

use crate::db::{array, int, uint};
use crate::items::OFF_LIST;
use crate::{Store, StoreError, channels};

/// Changes that are kept of a channel, the latest.
const KEPT: i64 = 10_000;
/// Former versions of a thing that are recognised.
const VERSIONS: usize = 16;
const HASH_LEN: usize = 16;

/// A thing in a list that a publication changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OwnChange {
    /// An item: put in, edited, or taken out.
    Item(ItemId),
    /// The channel's name and description.
    Texts,
}

impl OwnChange {
    fn id(&self) -> &[u8] {
        match self {
            Self::Item(id) => id.as_bytes(),
            Self::Texts => &[],
        }
    }
}

/// What a list of another device did to what was changed here.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Merged {
    /// Changes of this device are in it again, and no list that says so is signed yet.
    pub(crate) unsigned: bool,
    /// Items that both devices changed.
    pub(crate) conflicts: Vec<ItemId>,
}

impl Store {
    /// Which lists of which devices the list at hand was made with the knowledge of.
    pub fn seen(&self, key: &ChannelKey) -> Result<Seen, StoreError> {
        self.core.db.read(|tx| seen(tx, channels::row_id(tx, key)?))
    }

    /// Channels in which changes of this device wait to be signed again.
    pub fn unsigned(&self) -> Result<Vec<ChannelKey>, StoreError> {
        self.core.db.read(|tx| {
            let mut found = tx.prepare_cached(
                "SELECT key FROM channels WHERE id IN (SELECT channel FROM own_changes WHERE unsigned = 1) ORDER BY id",
            )?;
            Ok(found.query_map([], |row| Ok(ChannelKey(array(row, 0)?)))?.collect::<Result<_, _>>()?)
        })
    }
}

/// See [`Store::seen`].
pub(crate) fn seen(tx: &Transaction<'_>, channel: i64) -> Result<Seen, StoreError> {
    let mut kept = tx.prepare_cached("SELECT devices, body_sequence FROM channels WHERE id = ?")?;
    let (kept, sequence): (Option<Vec<u8>>, i64) = kept.query_row([channel], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let kept = kept.and_then(|bytes| Seen::from_bytes(&bytes));
    // Lists of a time before marks had none.
    Ok(kept.unwrap_or_else(|| match uint(sequence) {
        0 => Seen::default(),
        sequence => Seen::only(DeviceId::UNMARKED, sequence),
    }))
}

pub(crate) fn set_seen(tx: &Transaction<'_>, channel: i64, seen: &Seen) -> Result<(), StoreError> {
    tx.prepare_cached("UPDATE channels SET devices = ? WHERE id = ?")?.execute(params![seen.to_bytes(), channel])?;
    Ok(())
}

/// Notes what is about to be changed by a list of this device, and that every change so far is in that list.
pub(crate) fn note(
    tx: &Transaction<'_>,
    channel: i64,
    changed: Option<OwnChange>,
    device: DeviceId,
    sequence: u64,
) -> Result<(), StoreError> {
    if let Some(changed) = changed {
        let mut was = tx
            .prepare_cached("SELECT was FROM own_changes WHERE channel = ? AND thing = ?")?
            .query_row(params![channel, changed.id()], |row| row.get::<_, Vec<u8>>(0))
            .optional()?
            .unwrap_or_default();
        was.extend(version(tx, channel, changed)?.into_iter().flatten());
        was.drain(..was.len().saturating_sub(VERSIONS * HASH_LEN));
        tx.prepare_cached(
            "INSERT OR REPLACE INTO own_changes(channel, thing, was, device, sequence, unsigned) VALUES(?, ?, ?, ?, ?, 0)",
        )?
        .execute(params![channel, changed.id(), was, device.0, int(sequence)])?;
    }
    tx.prepare_cached(
        "UPDATE own_changes SET device = ?, sequence = ?, unsigned = 0 WHERE channel = ? AND unsigned = 1",
    )?
    .execute(params![device.0, int(sequence), channel])?;
    tx.prepare_cached(
        "DELETE FROM own_changes WHERE channel = ?1 AND unsigned = 0 AND sequence <= (SELECT sequence FROM own_changes
         WHERE channel = ?1 ORDER BY sequence DESC LIMIT 1 OFFSET ?2)",
    )?
    .execute(params![channel, KEPT])?;
    Ok(())
}

/// What a thing is like now; `None`: it is not in the list.
fn version(tx: &Transaction<'_>, channel: i64, thing: OwnChange) -> Result<Option<[u8; HASH_LEN]>, StoreError> {
    let found = match thing {
        OwnChange::Item(id) => tx
            .prepare_cached("SELECT json FROM items WHERE channel = ? AND item = ? AND position <> ?")?
            .query_row(params![channel, id.as_bytes(), OFF_LIST], |row| Ok(hash(row.get_ref(0)?.as_bytes()?)))
            .optional()?,
        OwnChange::Texts => tx
            .prepare_cached("SELECT name, about FROM channels WHERE id = ?")?
            .query_row([channel], |row| Ok(texts_hash(&row.get::<_, String>(0)?, &row.get::<_, String>(1)?)))
            .optional()?,
    };
    Ok(found)
}

fn hash(json: &[u8]) -> [u8; HASH_LEN] {
    let mut short = [0; HASH_LEN];
    short.copy_from_slice(&Sha256::digest(json)[..HASH_LEN]);
    short
}

fn texts_hash(name: &str, about: &str) -> [u8; HASH_LEN] {
    hash(&[name.as_bytes(), &[0], about.as_bytes()].concat())
}

/// What was changed here.
struct Changed {
    thing: Vec<u8>,
    was: Vec<u8>,
    /// The list that comes knows of it.
    known: bool,
}

impl Changed {
    /// The other device has what this one had before.
    fn was(&self, version: [u8; HASH_LEN]) -> bool {
        self.was.as_chunks::<HASH_LEN>().0.contains(&version)
    }
}

/// All changes, in the order in which they were signed.
fn changes(tx: &Transaction<'_>, channel: i64, seen: &Seen) -> Result<Vec<Changed>, StoreError> {
    let mut all = tx.prepare_cached(
        "SELECT thing, was, device, sequence FROM own_changes WHERE channel = ? ORDER BY sequence, thing",
    )?;
    let mut rows = all.query([channel])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        let known = uint(row.get(3)?) <= seen.of(DeviceId(array(row, 2)?));
        found.push(Changed { thing: row.get(0)?, was: row.get(1)?, known });
    }
    Ok(found)
}

/// What another device's list has of an item.
enum Theirs {
    Nothing,
    /// It is as it is here.
    Same,
    Version([u8; HASH_LEN]),
}

/// Makes the changes of this device to a list that is about to take the place of the one at hand, and that knows of what
/// `seen` says. `texts`: the channel's name and description in that list.
pub(crate) fn merge(
    tx: &Transaction<'_>,
    channel: i64,
    seen: &Seen,
    texts: &mut (String, String),
) -> Result<Merged, StoreError> {
    let mut merged = Merged::default();
    // What waited for another list than this one waits no longer, but for what follows.
    tx.prepare_cached("UPDATE own_changes SET unsigned = 0 WHERE channel = ? AND unsigned = 1")?.execute([channel])?;
    // Before everything that the list has, the latest first.
    let mut place = 0_i64;
    for change in changes(tx, channel, seen)? {
        let kept = match <[u8; 16]>::try_from(change.thing.as_slice()) {
            Ok(id) => {
                place -= 1;
                let kept = merge_item(tx, channel, &ItemId(id), &change, place)?;
                if kept == Some(false) {
                    merged.conflicts.push(ItemId(id));
                }
                kept
            }
            Err(_) if change.known => None,
            Err(_) => {
                let ours: (String, String) = tx
                    .prepare_cached("SELECT name, about FROM channels WHERE id = ?")?
                    .query_row([channel], |row| Ok((row.get(0)?, row.get(1)?)))?;
                if *texts == ours {
                    None
                } else if change.was(texts_hash(&texts.0, &texts.1)) {
                    *texts = ours;
                    Some(true)
                } else {
                    Some(false)
                }
            }
        };
        match kept {
            Some(true) => {
                tx.prepare_cached("UPDATE own_changes SET unsigned = 1 WHERE channel = ? AND thing = ?")?
                    .execute(params![channel, change.thing])?;
                merged.unsigned = true;
            }
            Some(false) => {
                tx.prepare_cached("DELETE FROM own_changes WHERE channel = ? AND thing = ?")?
                    .execute(params![channel, change.thing])?;
            }
            None => {}
        }
    }
    Ok(merged)
}

/// Whether the change is made to the list; false: the list's own has its place; `None`: both have it.
fn merge_item(
    tx: &Transaction<'_>,
    channel: i64,
    id: &ItemId,
    change: &Changed,
    place: i64,
) -> Result<Option<bool>, StoreError> {
    let ours = tx
        .prepare_cached("SELECT 1 FROM items WHERE channel = ? AND item = ? AND position <> ?")?
        .exists(params![channel, id.as_bytes(), OFF_LIST])?;
    let theirs = tx
        .prepare_cached("SELECT json FROM listing WHERE channel = ? AND item = ?")?
        .query_row(params![channel, id.as_bytes()], |row| {
            Ok(row.get_ref(0)?.as_blob_or_null()?.map_or(Theirs::Same, |json| Theirs::Version(hash(json))))
        })
        .optional()?
        .unwrap_or(Theirs::Nothing);
    let at = params![channel, id.as_bytes()];
    Ok(match (ours, theirs) {
        // Taken out stays taken out: a third device may put it in again that did not know, on top of a list that did.
        (true, _) | (false, Theirs::Nothing) if change.known => None,
        (false, Theirs::Version(theirs)) if change.known && !change.was(theirs) => None,
        (true, Theirs::Nothing) => {
            // As it stands already: `listing` has no content of its own for it.
            tx.prepare_cached(
                "INSERT INTO listing(channel, item, place, name, about, published, files, bytes, json, left_out, mime)
                 VALUES(?, ?, ?, '', '', 0, 0, 0, NULL, '', NULL)",
            )?
            .execute(params![channel, id.as_bytes(), place])?;
            Some(true)
        }
        (true, Theirs::Version(theirs)) if change.was(theirs) => {
            tx.prepare_cached("UPDATE listing SET json = NULL WHERE channel = ? AND item = ?")?.execute(at)?;
            Some(true)
        }
        (false, Theirs::Version(theirs)) if change.was(theirs) => {
            tx.prepare_cached("DELETE FROM listing WHERE channel = ? AND item = ?")?.execute(at)?;
            Some(true)
        }
        // Its row waits beside the list to be let go of.
        (false, Theirs::Same) => {
            tx.prepare_cached("DELETE FROM listing WHERE channel = ? AND item = ?")?.execute(at)?;
            Some(true)
        }
        (true, Theirs::Same) | (false, Theirs::Nothing) => None,
        (_, Theirs::Version(_)) => Some(false),
    })
}
