//! A channel's life: its manifest is asked for and handed on to be read, its items are started and finished.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;

use protocol::words::quoted;
use protocol::{ChannelKey, ItemId, PeerAddr, SignedManifest};
use store::{Channel, ItemRow, Keep, Standing, StoreError};
use swarm::{Follow, Source};

use crate::api::{Cause, Code, ErrorInfo, Event, paths};
use crate::config::*;
use crate::ctx::Ctx;
use crate::engine::Input;
use crate::error::{Result, fail};
use crate::library::LibraryInput;
use crate::{by_id, folders, view};

/// A channel that is not known yet.
pub(crate) fn fresh(key: ChannelKey) -> Channel {
    Channel {
        key,
        name: String::new(),
        about: String::new(),
        private: false,
        read_key: None,
        own: false,
        followed: false,
        paused: false,
        fetch: 0,
        manifest: None,
        body_sequence: 0,
        signed_twice: false,
        checked: None,
        seen_by: None,
        peers: Vec::new(),
        keep: store::Keep::All,
        encrypted: false,
        folder: None,
    }
}

/// Where the links that a channel was opened by said to ask (their `bootstrap`), at most 8: the user's word, unlike
/// what its author writes into the body.
pub(crate) async fn link_peers(ctx: &Ctx, key: ChannelKey) -> Result<Vec<PeerAddr>> {
    let kept = ctx.with_store(move |s| s.setting(&link_setting(&key))).await?.unwrap_or_default();
    Ok(kept.split_whitespace().filter_map(|addr| addr.parse().ok()).collect())
}

/// Keeps a link's `bootstrap`, the newest first.
pub(crate) async fn keep_link_peers(ctx: &Ctx, key: ChannelKey, new: &[PeerAddr]) -> Result<()> {
    if new.is_empty() {
        return Ok(());
    }
    let mut all = new.to_vec();
    all.extend(link_peers(ctx, key).await?.into_iter().filter(|addr| !new.contains(addr)));
    let text = all.iter().take(8).map(ToString::to_string).collect::<Vec<_>>().join(" ");
    ctx.with_store(move |s| s.set_setting(&link_setting(&key), Some(&text))).await
}

pub(crate) fn link_setting(key: &ChannelKey) -> String {
    format!("link {key}")
}

/// As [`follow`], of a channel that a link led to: by the peers that it names, and by those that this node was given.
pub(crate) async fn follow_link(ctx: &Ctx, channel: &Channel, link: Vec<PeerAddr>) -> Result<()> {
    follow(ctx, channel, link.into_iter().chain(ctx.config.peers.clone()).collect()).await
}

/// Tells the swarm to follow a channel; reads its list if that was not done for the manifest at hand.
pub(crate) async fn follow(ctx: &Ctx, channel: &Channel, user: Vec<PeerAddr>) -> Result<()> {
    let key = channel.key;
    let floor = ctx.with_store(move |s| s.floor(&key)).await?;
    let manifest = channel.manifest.clone().map(Arc::new);
    let mut addrs: Vec<(PeerAddr, Source)> = user.into_iter().map(|a| (a, Source::User)).collect();
    addrs.extend(channel.peers.iter().cloned().map(|a| (a, Source::Body)));
    let follow = Follow { key, read_key: channel.read_key.clone(), manifest: manifest.clone(), floor };
    ctx.engine.send(Input::Follow(follow, addrs)).await;
    by_id::tell(ctx, channel).await?;
    ctx.network().renew.notify_one();
    if let Some(manifest) = manifest.filter(|m| m.sequence() > channel.body_sequence) {
        ctx.library.send(LibraryInput::Manifest(manifest));
    }
    Ok(())
}

/// What a look into the DHT showed of a channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shown {
    /// There is no DHT on this route.
    NoDht,
    /// Nodes answered, and none has a list.
    Nothing,
    /// A list: the newest that is known, or a newer one.
    List,
}

/// E4: reads the DHT item to the end, takes a higher one, puts it again when few nodes have it.
pub(crate) async fn refresh(ctx: &Ctx, key: ChannelKey) -> Result<Shown> {
    let Some(dht) = ctx.dht() else { return Ok(Shown::NoDht) };
    let floor = ctx.with_store(move |s| s.floor(&key)).await?;
    let found = dht.get_manifest(&key, floor).await?;
    let (now, nodes) = (ctx.clock.unix_ms(), found.as_ref().map_or(0, |f| f.nodes));
    tracing::info!(channel = %key, nodes, sequence = found.as_ref().map(|f| f.manifest.sequence()), "looked into the DHT");
    let noted =
        ctx.with_store(move |s| s.change_channel(&key, |c| (c.checked, c.seen_by) = (Some(now), Some(nodes)))).await?;
    let shown = if found.is_some() { Shown::List } else { Shown::Nothing };
    let Some(channel) = noted else { return Ok(shown) };
    let again = match (&found, &channel.manifest) {
        (Some(found), _) if found.nodes < KEEP_ALIVE_BELOW => Some(found.manifest.clone()),
        (None, Some(ours)) => Some(ours.clone()),
        _ => None,
    };
    if let Some(found) = found {
        let manifest = Arc::new(found.manifest);
        ctx.engine.send(Input::Manifest(manifest.clone())).await;
        taken(ctx, manifest).await?;
    }
    if let Some(manifest) = again.filter(|_| !channel.private || channel.own) {
        dht.put_manifest(&manifest, None).await?;
    }
    told(ctx, key).await;
    Ok(shown)
}

/// A verified manifest from the DHT: read if it is newer than what is kept.
async fn taken(ctx: &Ctx, manifest: Arc<SignedManifest>) -> Result<()> {
    let key = *manifest.key();
    let known = ctx.with_store(move |s| s.channel(&key)).await?.and_then(|c| c.manifest);
    if known.is_none_or(|known| manifest.supersedes(&known)) {
        ctx.library.send(LibraryInput::Manifest(manifest));
    }
    Ok(())
}

/// Tells listeners how a channel stands. One that is only looked into is nobody's channel yet.
pub(crate) async fn told(ctx: &Ctx, key: ChannelKey) {
    let ours = ctx.with_store(move |s| s.channel(&key)).await;
    if !matches!(ours, Ok(Some(row)) if row.followed || row.own) {
        return;
    }
    if let Ok(Some(info)) = view::channel(ctx, key).await {
        ctx.emit(Event::Channel(info));
    }
}

/// Two manifests with one sequence were seen.
pub(crate) async fn signed_twice(ctx: &Ctx, key: ChannelKey) -> Result<()> {
    if ctx.with_store(move |s| s.change_channel(&key, |c| c.signed_twice = true)).await?.is_some() {
        told(ctx, key).await;
    }
    Ok(())
}

/// Starts the items that the channel's rule fetches, and those that were wanted before an edit.
///
/// The channel's row is read here: who lifts a pause while a list is being taken in, and whoever takes it in, must not each
/// see what the other has not done yet.
pub(crate) async fn start_wanted(ctx: &Ctx, key: ChannelKey) -> Result<()> {
    let Some(channel) = ctx.with_store(move |s| s.channel(&key)).await?.filter(|row| !row.paused) else {
        return Ok(());
    };
    let newest = if channel.followed && !channel.own { channel.fetch } else { 0 };
    let (keep, now) = (channel.keep, ctx.clock.unix_ms());
    let wanted = ctx
        .with_store(move |s| {
            let except = match keep {
                Keep::All => BTreeSet::new(),
                keep => store::keeping::beyond(keep, now, &s.item_heads(&key)?),
            };
            s.want_by_rule(&key, newest, &except)
        })
        .await?;
    for id in wanted {
        ctx.library.send(LibraryInput::Start(key, id));
    }
    Ok(())
}

/// A path as a setting keeps it.
pub(crate) fn kept_path(text: &str) -> Result<PathBuf> {
    paths::from_text(text).map_err(|error| ErrorInfo::new(Code::Corrupt, crate::error::sentence(&error)))
}

/// Bytes that an item still needs: those of the files that are wanted, less what is here.
fn lacking(
    store: &store::Store,
    key: ChannelKey,
    id: ItemId,
    row: Option<&ItemRow>,
) -> std::result::Result<u64, StoreError> {
    let wanted = row.map_or(0, |row| row.bytes.saturating_sub(row.skipped));
    Ok(wanted.saturating_sub(store.have_bytes(&key, &id)?))
}

/// What the disk below an item has, and what the item still needs.
pub(crate) async fn disk_full(ctx: &Ctx, key: ChannelKey, id: ItemId) -> Cause {
    let data_dir = ctx.config.data_dir.clone();
    let found = ctx
        .with_store(move |s| {
            let row = s.item(&key, &id)?;
            let needed = lacking(s, key, id, row.as_ref())?;
            let place = row.and_then(|r| r.root).unwrap_or(data_dir);
            // A folder that is not there yet lies on its nearest ancestor's disk.
            let there = place.ancestors().find(|p| p.exists()).unwrap_or(&place);
            Ok((store::free_space(there)?, needed))
        })
        .await;
    let (free, needed) = found.unwrap_or_default();
    Cause::DiskFull { free, needed }
}

/// Reads the newest list that is known once more.
pub(crate) async fn read_again(ctx: &Ctx, key: ChannelKey) -> Result<()> {
    let row = ctx.with_store(move |s| s.channel(&key)).await?;
    if let Some(manifest) = row.and_then(|row| row.manifest.filter(|m| m.sequence() > row.body_sequence)) {
        ctx.library.send(LibraryInput::Manifest(Arc::new(manifest)));
    }
    Ok(())
}

/// The quota has no room for what an item still needs.
pub(crate) async fn quota_full(ctx: &Ctx, key: ChannelKey, id: ItemId) -> Cause {
    let needed = ctx.with_store(move |s| lacking(s, key, id, s.item(&key, &id)?.as_ref())).await.unwrap_or_default();
    no_room(ctx, needed).await
}

/// The quota has no room for so many bytes.
pub(crate) async fn no_room(ctx: &Ctx, needed: u64) -> Cause {
    let quota = ctx.governor.lock().await.rules().quota;
    let used = ctx.with_store(store::Store::totals).await.unwrap_or_default().used;
    Cause::Quota { quota, used, needed }
}

/// A channel's name in quotes, or the start of its key.
pub(crate) async fn named(ctx: &Ctx, key: ChannelKey) -> String {
    match ctx.with_store(move |s| s.channel(&key)).await {
        Ok(Some(row)) if !row.name.is_empty() => quoted(row.name),
        _ => format!("channel {}", &key.to_string()[..16]),
    }
}

/// The disk of the data folder is full.
pub(crate) async fn data_full(ctx: &Ctx) -> Cause {
    let data_dir = ctx.config.data_dir.clone();
    let free = ctx.with_store(move |_| store::free_space(&data_dir)).await.unwrap_or_default();
    Cause::DiskFull { free, needed: protocol::params::BLOB_LEN as u64 }
}

/// Where an item's files go.
async fn place_of(ctx: &Ctx, key: ChannelKey, id: ItemId) -> PathBuf {
    let (root, row) = ctx
        .with_store(move |s| Ok((s.item(&key, &id)?.and_then(|row| row.root), s.channel(&key)?)))
        .await
        .unwrap_or_default();
    let folder = match &row {
        Some(row) => folders::known(ctx, row).await.unwrap_or_default(),
        None => None,
    };
    match root.or(folder) {
        Some(place) => place,
        None => folders::downloads(ctx).await.unwrap_or_default(),
    }
}

/// Why an item's files cannot be written where they go.
pub(crate) async fn unwritable(ctx: &Ctx, key: ChannelKey, id: ItemId) -> Cause {
    let place = place_of(ctx, key, id).await;
    match in_the_way(&place) {
        Some(path) => Cause::InTheWay { path: paths::shown(path) },
        None => Cause::FolderNotWritable { path: paths::shown(&place) },
    }
}

/// What is no folder and lies where an item's folder has to be, if anything does.
pub(crate) async fn in_its_way(ctx: &Ctx, key: ChannelKey, id: ItemId) -> Option<Cause> {
    let place = place_of(ctx, key, id).await;
    in_the_way(&place).map(|path| Cause::InTheWay { path: paths::shown(path) })
}

/// What lies on the way to a place, or in it, and is no folder; a link counts as what it leads to.
fn in_the_way(place: &std::path::Path) -> Option<&std::path::Path> {
    let there = place.ancestors().find(|path| path.symlink_metadata().is_ok())?;
    if there.is_dir() { None } else { Some(there) }
}

/// What became of an item's last step.
enum Finished {
    /// It is complete.
    Named(store::Named),
    /// Some of it is missing again.
    Lacks,
    /// It is not what it was.
    Other,
}

/// Every blob of an item is here: its files get their names.
///
/// False: a part file was removed or cut by somebody else, and some are missing again.
pub(crate) async fn finish(ctx: &Ctx, key: ChannelKey, id: ItemId) -> Result<bool> {
    let finished = ctx
        .with_store(move |s| match s.finish_item(&key, &id) {
            Ok(named) => Ok(Finished::Named(named)),
            Err(StoreError::Incomplete | StoreError::UnknownItem) => match s.item(&key, &id)? {
                Some(row) if row.planned && row.standing == Standing::Wanted => {
                    let lacks = !s.missing(&key, &id, 1, &|_| false)?.is_empty();
                    if lacks { Ok(Finished::Lacks) } else { Err(StoreError::Incomplete) }
                }
                // Another version was listed meanwhile, or the item was removed.
                _ => Ok(Finished::Other),
            },
            Err(error) => Err(error),
        })
        .await?;
    let named = match finished {
        Finished::Named(named) => named,
        Finished::Lacks => return Ok(false),
        Finished::Other => return fail(Code::Cancelled, "The item was changed or removed meanwhile."),
    };
    for (kept, ours) in named.beside {
        let text = format!(
            "{} was changed here, or is another's: it stays as it is, and what was published is beside it as {}.",
            kept.display(),
            ours.file_name().unwrap_or_default().display()
        );
        ctx.emit(Event::Notice(ErrorInfo::new(Code::SourceChanged, text)));
    }
    if !ctx.config.offline {
        ctx.engine.send(Input::Unhold(named.gone)).await;
    }
    Ok(true)
}

/// Reads all of a file again that was seen to have changed: what it no longer holds is no longer offered.
pub(crate) async fn recheck(ctx: &Ctx, (key, id): (ChannelKey, ItemId), file: PathBuf) -> Result<()> {
    let stop = ctx.stop.clone();
    let _claimed = ctx.library.claim(ctx, key, id).await?;
    let gone = ctx.with_store(move |s| s.recheck(&key, &id, &file, &mut || !stop.is_cancelled())).await?;
    ctx.engine.send(Input::Unhold(gone)).await;
    Ok(())
}
