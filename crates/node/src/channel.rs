//! A channel's life: its manifest is asked for, read into a list, and its items are planned and finished.

use std::collections::{BTreeSet, HashSet};
use std::path::PathBuf;
use std::sync::Arc;

use protocol::manifest::Head;
use protocol::params::{BODY_MAX, PAGE_MAX};
use protocol::words::quoted;
use protocol::{
    BlobId, Body, ChannelKey, Chunk, Content, FileEntry, Item, ItemId, Payload, PeerAddr, SafePath, SignedManifest,
    body,
};
use store::{Channel, ItemRow, Keep, PlanFile, Standing, StoreError};
use swarm::{Follow, Source};

use crate::api::{Cause, Code, ErrorInfo, Event, paths};
use crate::config::*;
use crate::ctx::Ctx;
use crate::engine::Input;
use crate::error::{Result, fail};
use crate::library::LibraryInput;
use crate::{by_id, keep, stream, view};

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

/// Opens a manifest into its whole list, page by page: of an item only its row is kept, for a list may have a hundred
/// thousand. `blobs` gets the structure blobs that it consists of.
async fn open(
    ctx: &Ctx,
    channel: &Channel,
    manifest: &SignedManifest,
    blobs: &mut Vec<BlobId>,
) -> Result<(Body, Vec<ItemRow>)> {
    if manifest.is_private() && channel.read_key.is_none() {
        return fail(Code::WrongReadKey, "This channel is private. Its link needs the read key.");
    }
    let head = manifest.open(channel.read_key.as_ref()).map_err(|error| {
        use protocol::manifest::ManifestError as E;
        match error {
            E::ReadKey => ErrorInfo::new(Code::WrongReadKey, "The read key in this link does not open the channel."),
            E::NotPrivate => {
                let text = "This channel is public, but the link has a read key. It may be another channel's link.";
                ErrorInfo::new(Code::WrongReadKey, text)
            }
            error => error.into(),
        }
    })?;
    let mut body = match head {
        Head::Inline(body) => body,
        Head::Tree(tree) => Body::parse(&stream::read(ctx, channel.key, &tree, BODY_MAX, blobs).await?)?,
    };
    let (mut rows, mut seen) = (Vec::new(), HashSet::new());
    let mut take = |items: Vec<Item>| {
        for item in items {
            if seen.insert(item.id) {
                rows.push(row_of(channel.key, rows.len(), &item));
            }
        }
    };
    for collection in std::mem::take(&mut body.collections) {
        take(collection.items);
        for page in collection.pages {
            take(body::parse_page(&stream::read(ctx, channel.key, &page.tree, PAGE_MAX, blobs).await?)?);
        }
    }
    Ok((body, rows))
}

/// Keeps a newer manifest, reads its list, and starts what the channel's rule fetches.
pub(crate) async fn absorb(ctx: &Ctx, manifest: Arc<SignedManifest>) -> Result<()> {
    let (key, sequence) = (*manifest.key(), manifest.sequence());
    let (now, newest) = (ctx.clock.unix_ms(), manifest.clone());
    let noted = ctx
        .with_store(move |s| {
            s.change_channel(&key, |c| {
                c.private = newest.is_private();
                // Read again from the disk, it was not asked for just now.
                if c.manifest.as_ref() != Some(&*newest) {
                    c.checked = Some(now);
                }
                c.manifest = Some((*newest).clone());
            })
        })
        .await?;
    let Some(channel) = noted else { return Ok(()) };
    by_id::tell(ctx, &channel).await?;
    told(ctx, key).await;
    let mut blobs = Vec::new();
    let (body, rows) = open(ctx, &channel, &manifest, &mut blobs).await?;
    let listed = rows.len();
    let read = ctx
        .with_store(move |s| {
            let noted = s.change_channel(&key, |c| {
                c.name = body.name;
                c.about = body.about;
                let new: Vec<_> = body.peers.into_iter().filter(|p| !c.peers.contains(p)).collect();
                c.peers.extend(new);
                c.peers.truncate(16);
            })?;
            let Some(channel) = noted else { return Ok(None) };
            let mut gone = s.set_items(&key, sequence, &rows)?;
            gone.extend(s.retain_structure(&key, &blobs)?);
            Ok(Some((channel, gone)))
        })
        .await?;
    let Some((channel, gone)) = read else { return Ok(()) };
    ctx.engine.send(Input::Unhold(gone)).await;
    tracing::info!(channel = %key, sequence, items = listed, "a list is read");
    told(ctx, key).await;
    start_wanted(ctx, &channel).await?;
    keep::channel(ctx, key).await
}

/// An item as the store keeps it.
pub(crate) fn row_of(channel: ChannelKey, position: usize, item: &Item) -> ItemRow {
    ItemRow {
        id: item.id,
        channel,
        name: item.name.clone(),
        about: item.about.clone(),
        published: item.published,
        position: u32::try_from(position).unwrap_or(u32::MAX - 1),
        files: u64::from(item.file_count()),
        bytes: item.size(),
        json: item.to_json(),
        standing: Standing::Listed,
        paused: false,
        root: None,
        left_out: item.left_out.iter().map(|l| (l.path.clone(), l.why.to_string())).collect(),
        planned: false,
        lost_files: 0,
        pinned: false,
        urgency: store::Urgency::Normal,
        encrypted: false,
        skipped: 0,
    }
}

/// Starts the items that the channel's rule fetches, and those that were wanted before an edit.
pub(crate) async fn start_wanted(ctx: &Ctx, channel: &Channel) -> Result<()> {
    if channel.paused {
        return Ok(());
    }
    let key = channel.key;
    let newest = if channel.followed && !channel.own { channel.fetch } else { 0 };
    let (keep, now) = (channel.keep, ctx.clock.unix_ms());
    let wanted = ctx
        .with_store(move |s| {
            let except = match keep {
                Keep::All => BTreeSet::new(),
                keep => store::keeping::beyond(keep, now, &s.items(&key)?),
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

/// Where downloads go.
pub(crate) async fn download_dir(ctx: &Ctx) -> Result<PathBuf> {
    let set = ctx.with_store(|s| s.setting("download_dir")).await?;
    let set = set.as_deref().map(kept_path).transpose()?;
    Ok(set.or_else(|| ctx.config.download_dir.clone()).unwrap_or_else(|| ctx.config.data_dir.join("downloads")))
}

/// A channel's folder below it.
pub(crate) async fn folder_of(ctx: &Ctx, channel: &Channel) -> Result<PathBuf> {
    Ok(download_dir(ctx).await?.join(folder_name(&channel.name, &channel.key.to_string()[..16])))
}

/// A name for a folder, made from hostile text: what a path part cannot hold becomes `_`.
pub(crate) fn folder_name(text: &str, otherwise: &str) -> String {
    let cleaned: String = text
        .chars()
        .map(|c| if c.is_alphanumeric() || " -_.,()[]+&'".contains(c) { c } else { '_' })
        .take(80)
        .collect();
    let cleaned = cleaned.trim().trim_end_matches(['.', ' ']);
    match SafePath::parse(cleaned) {
        Ok(path) => path.as_str().to_owned(),
        Err(_) => otherwise.to_owned(),
    }
}

/// Makes an item's plan: reads its file list and tables, and records where every chunk goes.
pub(crate) async fn plan(ctx: &Ctx, key: ChannelKey, id: ItemId) -> Result<()> {
    let (channel, row) = ctx.with_store(move |s| Ok((s.channel(&key)?, s.item(&key, &id)?))).await?;
    let (Some(channel), Some(row)) = (channel, row) else {
        return fail(Code::NotFound, "This item is no longer in the list.");
    };
    if row.planned {
        return Ok(());
    }
    let payload = Item::from_json(&row.json)?.payload;
    let folder = !matches!(payload, Payload::File(_));
    // What the plan is read from stays as long as it does: others will ask us for it. A newer list may drop some of it
    // before it is tied; then it is read again.
    let files = loop {
        let mut blobs = Vec::new();
        let files = content(ctx, key, &payload, &mut blobs).await?;
        if ctx.with_store(move |s| s.tie_structure(&key, &id, &blobs)).await?.is_empty() {
            break files;
        }
    };
    let root = match row.root {
        Some(root) => root,
        None => {
            let base = folder_of(ctx, &channel).await?;
            if folder { base.join(folder_name(&row.name, &id.to_string()[..8])) } else { base }
        }
    };
    let mut plan = Vec::with_capacity(files.len());
    for (FileEntry { path, size, mime, .. }, chunks) in files {
        let disk = path.parts().fold(root.clone(), |disk, part| disk.join(part));
        plan.push(PlanFile { path, disk, size, mime, mtime_ns: 0, chunks });
    }
    let encrypted = channel.encrypted;
    let planned = ctx
        .with_store(move |s| match encrypted && !s.is_opened(&key, &id)? {
            true => s.plan_encrypted(&key, &id, &root, plan),
            false => s.plan_download(&key, &id, &root, plan),
        })
        .await?;
    ctx.engine.send(Input::Unhold(planned.gone)).await;
    Ok(())
}

/// An item's files and their chunks; `blobs` gets the structure blobs that tell them.
pub(crate) async fn content(
    ctx: &Ctx,
    key: ChannelKey,
    payload: &Payload,
    blobs: &mut Vec<BlobId>,
) -> Result<Vec<(FileEntry, Vec<Chunk>)>> {
    let files = match payload {
        Payload::File(file) => vec![file.clone()],
        Payload::Folder(files) => files.clone(),
        Payload::FolderTree { tree, .. } => {
            body::parse_files(&stream::read(ctx, key, tree, protocol::body::FILES_STREAM_MAX, blobs).await?)?.0
        }
    };
    let mut with_chunks = Vec::with_capacity(files.len());
    for file in files {
        let chunks = match &file.content {
            Content::Chunks(chunks) => chunks.clone(),
            Content::Tree(tree) => stream::chunks(ctx, key, tree, blobs).await?,
        };
        with_chunks.push((file, chunks));
    }
    Ok(with_chunks)
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

/// Where an item's files go, as text.
pub(crate) async fn place_of(ctx: &Ctx, key: ChannelKey, id: ItemId) -> String {
    let root = ctx.with_store(move |s| Ok(s.item(&key, &id)?.and_then(|row| row.root))).await.unwrap_or_default();
    let place = match root {
        Some(root) => root,
        None => download_dir(ctx).await.unwrap_or_default(),
    };
    paths::shown(&place)
}

/// Every blob of an item is here: its files get their names.
///
/// False: a part file was removed or cut by somebody else, and some are missing again.
pub(crate) async fn finish(ctx: &Ctx, key: ChannelKey, id: ItemId) -> Result<bool> {
    let named = ctx
        .with_store(move |s| match s.finish_item(&key, &id) {
            Ok(named) => Ok(Some(named)),
            Err(StoreError::Incomplete) if !s.missing(&key, &id, 1, &|_| false)?.is_empty() => Ok(None),
            Err(error) => Err(error),
        })
        .await?;
    let Some(named) = named else { return Ok(false) };
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
    let gone = ctx.with_store(move |s| s.recheck(&key, &id, &file, &mut || !stop.is_cancelled())).await?;
    ctx.engine.send(Input::Unhold(gone)).await;
    Ok(())
}
