//! Channels and the floors of their sequences.

use std::collections::HashMap;

use protocol::{ChannelKey, ReadKey, SignedManifest};
use rusqlite::{OptionalExtension, Row, Transaction, params};

use crate::db::{array, int, uint};
use crate::items::{clear_out, remove_if_empty};
use crate::ours::without_claimed;
use crate::store::Core;
use crate::sweep::{doom, sweep};
use crate::{Channel, Keep, Removed, Store, StoreError, address_text};

const COLUMNS: &str =
    "key, name, about, private, read_key, own, followed, paused, fetch, manifest, bep44, body_sequence,
    signed_twice, checked, seen_by, peers, keep, encrypted";

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

    /// Highest sequence ever verified of a channel, 0 for none; kept over removal.
    pub fn floor(&self, key: &ChannelKey) -> Result<u64, StoreError> {
        self.core.db.read(|tx| {
            let mut statement = tx.prepare_cached("SELECT sequence FROM floors WHERE key = ?")?;
            Ok(statement.query_row([key.as_bytes()], |row| row.get(0)).optional()?.map_or(0, uint))
        })
    }

    /// Raises the floor; a lower sequence changes nothing.
    pub fn raise_floor(&self, key: &ChannelKey, sequence: u64) -> Result<(), StoreError> {
        self.core.db.write(|tx| raise(tx, key, sequence))
    }
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

pub(crate) fn purpose(key: &ChannelKey) -> Vec<u8> {
    [b"read key ".as_slice(), key.as_bytes()].concat()
}

/// The row of a channel.
pub(crate) fn row_id(tx: &Transaction<'_>, key: &ChannelKey) -> Result<i64, StoreError> {
    let mut statement = tx.prepare_cached("SELECT id FROM channels WHERE key = ?")?;
    statement.query_row([key.as_bytes()], |row| row.get(0)).optional()?.ok_or(StoreError::UnknownChannel)
}

impl Core {
    fn channel(&self, tx: &Transaction<'_>, key: &ChannelKey) -> Result<Option<Channel>, StoreError> {
        let mut statement = tx.prepare_cached(&format!("SELECT {COLUMNS} FROM channels WHERE key = ?"))?;
        let mut rows = statement.query([key.as_bytes()])?;
        rows.next()?.map(|row| self.channel_from(row)).transpose()
    }

    fn put_channel(&self, tx: &Transaction<'_>, channel: &Channel) -> Result<(), StoreError> {
        let seal = |key: &ReadKey| self.sealing.seal(&purpose(&channel.key), key.as_bytes());
        let read_key = channel.read_key.as_ref().map(seal).transpose()?;
        let manifest = channel.manifest.as_ref();
        tx.prepare_cached(&format!(
            "INSERT INTO channels({COLUMNS}) VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18)
             ON CONFLICT(key) DO UPDATE SET name = ?2, about = ?3, private = ?4, read_key = COALESCE(?5, read_key),
                own = ?6, followed = ?7, paused = ?8, fetch = ?9, manifest = ?10, bep44 = ?11, body_sequence = ?12,
                signed_twice = ?13, checked = ?14, seen_by = ?15, peers = ?16, keep = ?17, encrypted = ?18"
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
        let manifest: Option<(Vec<u8>, [u8; 64])> = match row.get::<_, Option<Vec<u8>>>(9)? {
            Some(json) => Some((json, array(row, 10)?)),
            None => None,
        };
        let manifest = match manifest {
            Some((json, bep44)) => match SignedManifest::verify(&key, &json, &bep44) {
                Ok(manifest) => Some(manifest),
                Err(error) => return Err(StoreError::Corrupt(format!("the manifest of channel {key}: {error}"))),
            },
            None => None,
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
        })
    }
}
