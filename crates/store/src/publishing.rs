//! What the user publishes: an item's files, and the list that names it, become the channel's in one step.

use protocol::devices::{DeviceId, Seen};
use protocol::{BlobId, ChannelKey, ItemId, ReadKey, SignedManifest};
use rusqlite::{Transaction, params};

use crate::db::int;
use crate::holdings::retain;
use crate::ours::Doomed;
use crate::plans::{check, insert_published};
use crate::store::now_ms;
use crate::sweep::{blobs_of, doom, forget_retired, part_files, sweep};
use crate::{
    Channel, IdentityRow, ItemRow, OwnChange, PlanFile, Standing, Store, StoreError, channels, items, listing, own,
    settings,
};

/// A list that was signed, with what it brings.
#[derive(Debug, Clone)]
pub struct Publication {
    /// Whose it is.
    pub channel: ChannelKey,
    /// The channel's name in it.
    pub name: String,
    /// The channel's description in it.
    pub about: String,
    /// What was signed; its sequence is the list's.
    pub manifest: SignedManifest,
    /// Sequence of the list that it was made from.
    pub base: u64,
    /// What it changes in that.
    pub changed: Option<OwnChange>,
    /// Which device signed it ...
    pub device: DeviceId,
    /// ... and of which lists it knows, itself among them.
    pub seen: Seen,
    /// The read key that the manifest is sealed with, where it is a new one; else the channel keeps its own.
    pub read_key: Option<ReadKey>,
    /// Whose identity signed it, where that changed: it is a public or a private one from its first publication on.
    pub identity: Option<IdentityRow>,
    /// Its items, in order.
    pub items: Vec<ItemRow>,
    /// Structure blobs that it and its items consist of.
    pub structure: Vec<BlobId>,
    /// The item that is new or other in it, with its files where the user keeps them.
    pub draft: Option<(ItemRow, Vec<PlanFile>)>,
    /// An item that it has no more, and that is not shared any longer.
    pub out: Option<ItemId>,
}

impl Store {
    /// Makes a signed list the channel's own: its manifest, the read key that opens it, its items, and the files of the one
    /// that it publishes, all of it or nothing. Until then a publication is no item: one that fails, is cancelled, or dies with its process leaves
    /// the list in force as it was, and every blob of it held. Returns the blobs that are no longer held.
    ///
    /// # Errors
    /// [`StoreError::ListGone`]: a list of this sequence or a higher one is known already, or the one that it was made from
    /// is no longer the list. [`StoreError::SecretsLocked`],
    /// [`StoreError::OtherStoreKey`]: a new read key cannot be sealed. Nothing was changed.
    pub fn publish_list(&self, publication: Publication) -> Result<Vec<BlobId>, StoreError> {
        let Publication { channel: key, name, about, manifest, read_key, identity, items, structure, draft, .. } =
            publication;
        let Publication { base, changed, device, seen, out, .. } = publication;
        draft.iter().flat_map(|(_, files)| files).try_for_each(check)?;
        let sequence = manifest.sequence();
        let _layout = self.core.exclusive();
        let (gone, doomed, parts) = self.core.db.write(|tx| {
            let Some(mut row) = self.core.channel(tx, &key)? else { return Err(StoreError::UnknownChannel) };
            if channels::floor(tx, &key)? >= sequence || row.body_sequence != base {
                return Err(StoreError::ListGone);
            }
            let channel = channels::row_id(tx, &key)?;
            own::note(tx, channel, changed, device, sequence)?;
            own::set_seen(tx, channel, &seen)?;
            (row.name, row.about, row.manifest, row.body_sequence) = (name, about, Some(manifest), sequence);
            self.core.put_channel(tx, &Channel { read_key, ..row })?;
            identity.iter().try_for_each(|row| settings::put_identity(tx, row))?;
            let (mut gone, mut doomed, mut parts) = match &draft {
                Some((item, files)) => record(tx, channel, item, files)?,
                None => Default::default(),
            };
            let (relisted, more, old_parts) = listing::replace(tx, channel, sequence, &items)?;
            gone.extend(relisted.gone);
            doomed.extend(more);
            parts.extend(old_parts);
            if let Some(out) = out.and_then(|id| items::row_id(tx, &key, &id).ok()) {
                let mut blobs = Vec::new();
                let mut files = Vec::new();
                items::take_out(tx, out, &mut blobs, &mut files)?;
                doom(tx, &files)?;
                let (unshared, more) = sweep(tx, blobs)?;
                gone.extend(unshared);
                doomed.extend(more);
                parts.extend(files);
            }
            let (dropped, more) = retain(tx, channel, &structure)?;
            gone.extend(dropped);
            doomed.extend(more);
            Ok((gone, doomed, parts))
        })?;
        self.core.remove_files(&doomed, &parts)?;
        Ok(gone)
    }

    /// Records a published item alone, of no list: its files' blobs are held derived, where `disk` says they lie.
    /// Replaces what the item held before; returns the blobs that are no longer held. What is published for others goes
    /// through [`Store::publish_list`].
    pub fn record_published(&self, item: &ItemRow, files: Vec<PlanFile>) -> Result<Vec<BlobId>, StoreError> {
        files.iter().try_for_each(check)?;
        let _layout = self.core.exclusive();
        let (gone, doomed, old_parts) = self.core.db.write(|tx| {
            let channel = channels::row_id(tx, &item.channel)?;
            record(tx, channel, item, &files)
        })?;
        self.core.remove_files(&doomed, &old_parts)?;
        Ok(gone)
    }
}

/// Blobs no longer held, blob files to remove, and files of the user.
type Recorded = (Vec<BlobId>, Vec<BlobId>, Vec<Doomed>);

fn record(tx: &Transaction<'_>, channel: i64, item: &ItemRow, files: &[PlanFile]) -> Result<Recorded, StoreError> {
    items::insert(tx, channel, item, item.position, Standing::Published)?;
    let row = items::row_id(tx, &item.channel, &item.id)?;
    let mut blobs = blobs_of(tx, row)?;
    let mut old_parts = part_files(tx, row)?;
    forget_retired(tx, row, &mut blobs, &mut old_parts)?;
    tx.prepare_cached("DELETE FROM files WHERE item = ?")?.execute([row])?;
    for (seq, file) in files.iter().enumerate() {
        insert_published(tx, row, seq, file)?;
    }
    tx.prepare_cached("UPDATE items SET planned = 1, plan = plan + 1, have = ?, changed = ? WHERE id = ?")?
        .execute(params![int(files.iter().map(|f| f.size).sum()), now_ms(), row])?;
    doom(tx, &old_parts)?;
    let (gone, doomed) = sweep(tx, blobs)?;
    Ok((gone, doomed, old_parts))
}
