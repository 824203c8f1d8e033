//! Channels and the floors of their sequences.

use std::collections::{BTreeSet, HashMap};
use std::path::Path;

use protocol::{ChannelKey, ReadKey, SafePath, SignedManifest};
use rusqlite::{OptionalExtension, Row, Transaction, params};

use crate::db::{array, int, path, uint};
use crate::items::{clear_out, remove_if_empty};
use crate::ours::without_claimed;
use crate::store::Core;
use crate::sweep::{doom, sweep};
use crate::{Channel, Keep, Removed, Store, StoreError, address_text};

const COLUMNS: &str =
    "key, name, about, private, read_key, own, followed, paused, fetch, manifest, bep44, body_sequence,
    signed_twice, checked, seen_by, peers, keep, encrypted, folder";

impl Store {
    /// All channels, in the order they were added.
    pub fn channels(&self) -> Result<Vec<Channel>, StoreError> {
        self.core.db.read(|tx| {
            let mut statement = tx.prepare_cached(&format!("SELECT {COLUMNS} FROM channels ORDER BY id"))?;
            let mut rows = statement.query([])?;
            let mut out = Vec::new();
            while let Some(row) = rows.next()? {
                out.push(self.core.channel_from(row)?);
            }
            Ok(out)
        })
    }

    /// One.
    pub fn channel(&self, key: &ChannelKey) -> Result<Option<Channel>, StoreError> {
        self.core.db.read(|tx| self.core.channel(tx, key))
    }

    /// Changes a channel: it is read, changed and written in one step, so that nothing is lost that another task wrote
    /// meanwhile (a `read_key` of `None` keeps the one that is kept). Returns what is kept now; `None`, and nothing
    /// written, if the channel is not known.
    ///
    /// Fails with [`StoreError::SecretsLocked`] when a read key is given that cannot be sealed now.
    pub fn change_channel(
        &self,
        key: &ChannelKey,
        change: impl FnOnce(&mut Channel),
    ) -> Result<Option<Channel>, StoreError> {
        self.core.db.write(|tx| {
            let Some(mut channel) = self.core.channel(tx, key)? else { return Ok(None) };
            change(&mut channel);
            self.core.put_channel(tx, &channel)?;
            Ok(Some(channel))
        })
    }

    /// As [`Self::change_channel`]; a channel that is not known starts as `fresh`.
    pub fn add_or_change_channel(
        &self,
        fresh: Channel,
        change: impl FnOnce(&mut Channel),
    ) -> Result<Channel, StoreError> {
        self.core.db.write(|tx| {
            let mut channel = self.core.channel(tx, &fresh.key)?.unwrap_or(fresh);
            change(&mut channel);
            self.core.put_channel(tx, &channel)?;
            Ok(channel)
        })
    }

    /// Forgets a channel, its items, the addresses met for it, and the blobs that nothing else needs. The floor stays for
    /// ever. With `delete` the finished files of its downloads go: never published ones, nor what was changed here or lay
    /// there before. Else files of the user stay.
    pub fn remove_channel(&self, key: &ChannelKey, delete: bool) -> Result<Removed, StoreError> {
        let mut sorted = HashMap::new();
        if delete {
            for item in self.core.db.read(|tx| items_of(tx, row_id(tx, key)?))? {
                sorted.insert(item, self.core.sort_files(item)?);
            }
        }
        let _layout = self.core.exclusive();
        let (gone, doomed, files, roots, mut kept) = self.core.db.write(|tx| {
            let channel = row_id(tx, key)?;
            let items = items_of(tx, channel)?;
            let (mut blobs, mut files, mut roots, mut kept) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
            for item in items {
                let mut sorted = sorted.remove(&item).unwrap_or_default();
                without_claimed(tx, item, &mut sorted.ours, &mut kept)?;
                files.append(&mut sorted.ours);
                kept.append(&mut sorted.kept);
                roots.extend(clear_out(tx, item, &mut blobs, &mut files)?);
            }
            blobs.extend(crate::holdings::structure_of(tx, channel)?.into_iter().map(|(candidate, _)| candidate));
            tx.prepare_cached("DELETE FROM channels WHERE id = ?")?.execute([channel])?;
            self.core.forget_addresses(tx, key)?;
            doom(tx, &files)?;
            let (gone, doomed) = sweep(tx, blobs)?;
            Ok((gone, doomed, files, roots, kept))
        })?;
        kept.extend(self.core.remove_files(&doomed, &files)?);
        roots.iter().for_each(|root| remove_if_empty(Some(root)));
        Ok(Removed { gone, kept })
    }

    /// The name of a channel's folder below the download folder `below`: chosen once. Where it has downloads already it
    /// stays; else the first of `names` that no other channel has on any system; the last of them in any case.
    pub fn channel_folder(&self, key: &ChannelKey, below: &Path, names: &[String]) -> Result<String, StoreError> {
        self.core.db.write(|tx| {
            let channel = row_id(tx, key)?;
            let kept: Option<String> = tx
                .prepare_cached("SELECT folder FROM channels WHERE id = ?")?
                .query_row([channel], |row| row.get(0))?;
            if let Some(kept) = kept {
                return Ok(kept);
            }
            let old = tops(tx, channel, below, "= ?")?.into_iter().next();
            let mut folder = names.last().cloned().unwrap_or_else(|| key.to_string());
            for name in old.iter().chain(names) {
                if !is_taken(tx, channel, below, name)? {
                    folder.clone_from(name);
                    break;
                }
            }
            tx.prepare_cached("UPDATE channels SET folder = ? WHERE id = ?")?.execute(params![folder, channel])?;
            Ok(folder)
        })
    }

    /// Highest sequence ever verified of a channel, 0 for none; kept over removal.
    pub fn floor(&self, key: &ChannelKey) -> Result<u64, StoreError> {
        self.core.db.read(|tx| floor(tx, key))
    }

    /// Raises the floor; a lower sequence changes nothing.
    pub fn raise_floor(&self, key: &ChannelKey, sequence: u64) -> Result<(), StoreError> {
        self.core.db.write(|tx| raise(tx, key, sequence))
    }
}

/// Whether another channel's folder has this name, or one that some system cannot tell from it; also of channels that
/// came here before folders were kept.
fn is_taken(tx: &Transaction<'_>, channel: i64, below: &Path, name: &str) -> Result<bool, StoreError> {
    let key = |name: &str| SafePath::parse(name).map_or_else(|_| name.to_owned(), |path| path.collision_key());
    let mut others = tx.prepare_cached("SELECT folder FROM channels WHERE id <> ? AND folder IS NOT NULL")?;
    let others = others.query_map([channel], |row| row.get::<_, String>(0))?;
    for other in others {
        if key(&other?) == key(name) {
            return Ok(true);
        }
    }
    Ok(tops(tx, channel, below, "<> ?")?.iter().any(|top| key(top) == key(name)))
}

/// Folders below the download folder in which channels without a folder of their own have downloads.
fn tops(tx: &Transaction<'_>, channel: i64, below: &Path, which: &str) -> Result<BTreeSet<String>, StoreError> {
    let mut roots = tx.prepare_cached(&format!(
        "SELECT DISTINCT i.root FROM items i JOIN channels c ON c.id = i.channel
         WHERE c.id {which} AND c.folder IS NULL AND i.root IS NOT NULL AND i.standing IN (1, 2)"
    ))?;
    let mut roots = roots.query([channel])?;
    let mut tops = BTreeSet::new();
    while let Some(row) = roots.next()? {
        let root = path::from_sql(row.get(0)?);
        let top = root.strip_prefix(below).ok().and_then(|rest| rest.iter().next()).and_then(|top| top.to_str());
        tops.extend(top.map(str::to_owned));
    }
    Ok(tops)
}

/// See [`Store::floor`].
pub(crate) fn floor(tx: &Transaction<'_>, key: &ChannelKey) -> Result<u64, StoreError> {
    let mut statement = tx.prepare_cached("SELECT sequence FROM floors WHERE key = ?")?;
    Ok(statement.query_row([key.as_bytes()], |row| row.get(0)).optional()?.map_or(0, uint))
}

fn items_of(tx: &Transaction<'_>, channel: i64) -> Result<Vec<i64>, StoreError> {
    let mut items = tx.prepare_cached("SELECT id FROM items WHERE channel = ? AND item IS NOT NULL")?;
    Ok(items.query_map([channel], |row| row.get(0))?.collect::<Result<_, _>>()?)
}

fn raise(tx: &Transaction<'_>, key: &ChannelKey, sequence: u64) -> Result<(), StoreError> {
    tx.prepare_cached(
        "INSERT INTO floors VALUES(?1, ?2) ON CONFLICT(key) DO UPDATE SET sequence = MAX(sequence, excluded.sequence)",
    )?
    .execute(params![key.as_bytes(), int(sequence)])?;
    Ok(())
}

/// A manifest as kept. Its signatures were verified before it was, and at each start; one that cannot be read is none:
/// its channel is a channel without a manifest, and every other goes on.
fn kept_manifest(key: &ChannelKey, json: &[u8], bep44: &[u8]) -> Option<SignedManifest> {
    let read = <&[u8; 64]>::try_from(bep44).ok().map(|bep44| SignedManifest::kept(key, json, bep44));
    match read {
        Some(Ok(manifest)) => return Some(manifest),
        Some(Err(error)) => tracing::warn!(channel = %key, %error, "the manifest that is kept cannot be read"),
        None => tracing::warn!(channel = %key, "the manifest that is kept has no whole signature"),
    }
    None
}

pub(crate) fn purpose(key: &ChannelKey) -> Vec<u8> {
    [b"read key ".as_slice(), key.as_bytes()].concat()
}

/// The row of a channel.
pub(crate) fn row_id(tx: &Transaction<'_>, key: &ChannelKey) -> Result<i64, StoreError> {
    let mut statement = tx.prepare_cached("SELECT id FROM channels WHERE key = ?")?;
    statement.query_row([key.as_bytes()], |row| row.get(0)).optional()?.ok_or(StoreError::UnknownChannel)
}

impl Core {
    /// Verifies every manifest that is kept, and lets those go that do not hold. Returns their channels.
    pub(crate) fn check_manifests(&self) -> Result<Vec<ChannelKey>, StoreError> {
        let kept: Vec<(ChannelKey, Vec<u8>, Vec<u8>)> = self.db.read(|tx| {
            let mut statement = tx.prepare_cached(
                "SELECT key, manifest, COALESCE(bep44, x'') FROM channels WHERE manifest IS NOT NULL ORDER BY id",
            )?;
            let rows = statement.query_map([], |row| Ok((ChannelKey(array(row, 0)?), row.get(1)?, row.get(2)?)))?;
            Ok(rows.collect::<Result<_, _>>()?)
        })?;
        let holds = |(key, json, bep44): &(ChannelKey, Vec<u8>, Vec<u8>)| {
            bep44.as_slice().try_into().is_ok_and(|bep44| SignedManifest::verify(key, json, bep44).is_ok())
        };
        let bad: Vec<ChannelKey> = kept.into_iter().filter(|one| !holds(one)).map(|(key, ..)| key).collect();
        if !bad.is_empty() {
            self.db.write(|tx| {
                let mut forget =
                    tx.prepare_cached("UPDATE channels SET manifest = NULL, bep44 = NULL WHERE key = ?")?;
                bad.iter().try_for_each(|key| Ok(forget.execute([key.as_bytes()]).map(drop)?))
            })?;
        }
        Ok(bad)
    }

    pub(crate) fn channel(&self, tx: &Transaction<'_>, key: &ChannelKey) -> Result<Option<Channel>, StoreError> {
        let mut statement = tx.prepare_cached(&format!("SELECT {COLUMNS} FROM channels WHERE key = ?"))?;
        let mut rows = statement.query([key.as_bytes()])?;
        rows.next()?.map(|row| self.channel_from(row)).transpose()
    }

    pub(crate) fn put_channel(&self, tx: &Transaction<'_>, channel: &Channel) -> Result<(), StoreError> {
        let seal = |key: &ReadKey| self.sealing.seal(&purpose(&channel.key), key.as_bytes());
        let read_key = channel.read_key.as_ref().map(seal).transpose()?;
        let manifest = channel.manifest.as_ref();
        tx.prepare_cached(&format!(
            "INSERT INTO channels({COLUMNS}) VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19)
             ON CONFLICT(key) DO UPDATE SET name = ?2, about = ?3, private = ?4, read_key = COALESCE(?5, read_key),
                own = ?6, followed = ?7, paused = ?8, fetch = ?9, manifest = ?10, bep44 = ?11, body_sequence = ?12,
                signed_twice = ?13, checked = ?14, seen_by = ?15, peers = ?16, keep = ?17, encrypted = ?18, folder = ?19"
        ))?
        .execute(params![
            channel.key.as_bytes(),
            channel.name,
            channel.about,
            channel.private,
            read_key,
            channel.own,
            channel.followed,
            channel.paused,
            channel.fetch,
            manifest.map(SignedManifest::json),
            manifest.map(|m| &m.bep44()[..]),
            int(channel.body_sequence),
            channel.signed_twice,
            channel.checked.map(int),
            channel.seen_by,
            address_text::write_list(&channel.peers),
            channel.keep.to_text(),
            channel.encrypted,
            channel.folder,
        ])?;
        if let Some(manifest) = manifest {
            raise(tx, &channel.key, manifest.sequence())?;
        }
        Ok(())
    }

    fn channel_from(&self, row: &Row<'_>) -> Result<Channel, StoreError> {
        let key = ChannelKey(array(row, 0)?);
        let sealed: Option<Vec<u8>> = row.get(4)?;
        let read_key = match sealed {
            Some(sealed) if !self.sealing.locked() => {
                let opened = self.sealing.open(&purpose(&key), &sealed)?;
                let read_key = opened.and_then(|bytes| Some(ReadKey(bytes.as_slice().try_into().ok()?)));
                if read_key.is_none() {
                    tracing::warn!(channel = %key, "its read key was sealed under another store key");
                }
                read_key
            }
            _ => None,
        };
        let manifest = match (row.get::<_, Option<Vec<u8>>>(9)?, row.get::<_, Option<Vec<u8>>>(10)?) {
            (Some(json), Some(bep44)) => kept_manifest(&key, &json, &bep44),
            _ => None,
        };
        Ok(Channel {
            key,
            name: row.get(1)?,
            about: row.get(2)?,
            private: row.get(3)?,
            read_key,
            own: row.get(5)?,
            followed: row.get(6)?,
            paused: row.get(7)?,
            fetch: row.get(8)?,
            manifest,
            body_sequence: uint(row.get(11)?),
            signed_twice: row.get(12)?,
            checked: row.get::<_, Option<i64>>(13)?.map(uint),
            seen_by: row.get(14)?,
            peers: address_text::read_list(&row.get::<_, String>(15)?),
            keep: Keep::from_text(&row.get::<_, String>(16)?),
            encrypted: row.get(17)?,
            folder: row.get(18)?,
        })
    }
}
