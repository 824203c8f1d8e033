//! Publishing, unpublishing, editing: everything that signs a new manifest.

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use protocol::params::{CHUNK_LEN, MANIFEST_MAX, PAGE_ITEMS_MAX, SEQUENCE_MAX};
use protocol::words::quoted;
use protocol::{
    BlobId, Body, ChannelKey, Identity, Item, ItemId, PeerAddr, ReadKey, SignedManifest, Topic, body, rendezvous,
};
use store::{Channel, IdentityRow, ItemRow, PlanFile, Publication, Standing};
use swarm::Rank;
use tokio::sync::OwnedSemaphorePermit;

use crate::api::{Cause, Code, Edit, ErrorInfo, Event, Publish, PublishProgress, Published, Unpublish, paths};
use crate::config::{PROGRESS_EVERY, PUT_AGAIN};
use crate::ctx::Ctx;
use crate::engine::Input;
use crate::error::{Result, blocking, fail};
use crate::publish::{Job, Own, Scan, payload, scan, seal};
use crate::verbs::{Caller, Cancel, find_channel, find_item, follow, ids, link_of};
use crate::{channel, folders, gateway, list, network, plan, stream};

pub(super) async fn publish(ctx: &Ctx, args: Publish, caller: &Caller) -> Result<Published> {
    let gateways = gateways_of(&args.gateway)?;
    texts_fit("title", args.title.as_deref(), args.about.as_deref())?;
    let mut job = Job::begin(ctx, args.job.clone(), caller)?;
    let identity_row = ids::find(ctx, &args.identity).await?;
    let identity = ids::secret(ctx, identity_row.key).await?;
    // Of what is there already the kind is known, and need not be said.
    let private = identity_row.private.filter(|_| args.update.is_some()).unwrap_or(args.private);
    if identity_row.private.is_some_and(|kind| kind != private) {
        let (is, want) = if private { ("public", "private") } else { ("private", "public") };
        return fail(
            Code::KindMismatch,
            format!(
                "The channel of {} is {is}. A key is one channel: make another identity for a {want} one.",
                quoted(&identity_row.name)
            ),
        );
    }
    let key = identity.channel();
    let mut fresh_key = [0; 32];
    getrandom::fill(&mut fresh_key).map_err(|e| ErrorInfo::new(Code::Internal, format!("no random numbers: {e}")))?;
    let fresh_key = ReadKey(fresh_key);
    let name = identity_row.name.clone();
    ctx.with_store(move |s| {
        if !gateways.is_empty() {
            let list: Vec<String> = gateways.iter().map(ToString::to_string).collect();
            s.set_setting(&gateways_setting(&key), Some(&list.join(" ")))?;
        }
        s.add_or_change_channel(channel::fresh(key), |row| {
            (row.own, row.followed, row.private) = (true, true, private);
            if private && row.read_key.is_none() {
                row.read_key = Some(fresh_key);
            }
            if row.name.is_empty() {
                row.name = name;
            }
        })
    })
    .await?;

    let old = match &args.update {
        Some(text) => {
            let found = find_item(ctx, text).await?;
            if found.channel != key {
                return fail(Code::NotOwn, "This item belongs to another channel.");
            }
            Some(found)
        }
        None => None,
    };
    let given = args.title.clone().or_else(|| old.as_ref().map(|o| o.name.clone()));
    // Until the folder was looked at, its own name has to do.
    let named = args.paths.first().and_then(|path| path.file_name()).unwrap_or_default();
    job.entitle(&given.clone().unwrap_or_else(|| paths::shown(std::path::Path::new(named))));
    job.tell(PublishProgress { stage: "scan".into(), ..PublishProgress::default() });
    let own = Own { data: ctx.config.data_dir.clone(), downloads: folders::downloads(ctx).await? };
    let paths: Vec<PathBuf> = args.paths.clone();
    let scanned = Arc::new(job.unless_cancelled(blocking(move || scan(&paths, &own))).await??);
    let Some(title) = given.or_else(|| scanned.title.clone()) else {
        let text = format!(
            "The name of \"{}\" is not valid text (UTF-8), so it is no title. Give one with --title.",
            paths::shown(&scanned.root)
        );
        return fail(Code::BadArgument, text);
    };
    job.entitle(&title);
    // What did not change keeps its blobs: subscribers do not fetch it again.
    let known = match &old {
        Some(row) if row.planned => {
            let id = row.id;
            ctx.with_store(move |s| s.files(&key, &id)).await?.into_iter().map(|(file, _)| file).collect()
        }
        _ => Vec::new(),
    };
    let plan = sealed(&job, &scanned, known).await?;
    ready(ctx, &job, key).await?;
    job.past_recall().await?;
    let blobs = {
        let mut ids: Vec<BlobId> = plan.iter().flat_map(|f| f.chunks.iter().map(|c| c.blob)).collect();
        ids.sort_unstable();
        ids.dedup();
        ids
    };
    let id = match &old {
        Some(old) => old.id,
        None => {
            let mut id = [0; 16];
            getrandom::fill(&mut id).map_err(|e| ErrorInfo::new(Code::Internal, format!("no random numbers: {e}")))?;
            ItemId(id)
        }
    };
    let draft = Draft {
        id,
        title: title.clone(),
        about: args.about.clone().or_else(|| old.as_ref().map(|o| o.about.clone())).unwrap_or_default(),
        update: old.is_some(),
        scan: scanned.clone(),
        files: plan,
        identity: IdentityRow { private: Some(private), ..identity_row },
    };
    let signed = sign(ctx, &identity, Change::Put(Box::new(draft)), &job).await?;
    Ok(Published {
        item: Some(id.to_string()),
        files: scanned.files.len() as u64,
        bytes: scanned.bytes,
        blobs: blobs.len() as u64,
        left_out: scanned.left_out.clone(),
        ..signed
    })
}

/// Refuses texts that no reader would take, before anything is made of them.
fn texts_fit(what: &str, name: Option<&str>, about: Option<&str>) -> Result<()> {
    let fits = |what: &str, text: Option<&str>, max: usize| match text.map_or(0, str::len) {
        bytes if bytes > max => fail(Code::BadArgument, format!("The {what} has {bytes} bytes; {max} are allowed.")),
        _ => Ok(()),
    };
    fits(what, name, body::NAME_MAX)?;
    fits("description", about, body::ABOUT_MAX)
}

/// Waits until what is sealed can leave, and says what it waits for and which link will lead to it.
async fn ready(ctx: &Ctx, job: &Job, key: ChannelKey) -> Result<()> {
    if ctx.config.offline {
        return Ok(());
    }
    let Some(row) = ctx.with_store(move |s| s.channel(&key)).await? else {
        return Err(crate::view::unknown("channel", &key.to_string()));
    };
    let link = link_of(ctx, &row).await?;
    job.unless_cancelled(network::ready(ctx, |cause| waits(job, cause, &link))).await
}

/// Says what it waits for before it can leave, and which link will lead to it.
fn waits(job: &Job, cause: Cause, link: &str) {
    let (cause, link) = (Some(cause), Some(link.to_owned()));
    job.tell(PublishProgress { stage: "wait".into(), cause, link, ..PublishProgress::default() });
}

/// What is to be published: sealed where it lies, and no item of the channel until the list that names it is signed and
/// kept. One that fails, is cancelled or dies with its process was never anything.
struct Draft {
    id: ItemId,
    title: String,
    about: String,
    /// It takes the place of an item that the list has.
    update: bool,
    scan: Arc<Scan>,
    files: Vec<PlanFile>,
    /// The identity, which is a public or a private one from the first publication on.
    identity: IdentityRow,
}

impl Draft {
    /// Writes its tables, and gives it the form that it has in a list. In the turn of signing: the list of another turn
    /// would let go of tables that it does not name.
    async fn item(&self, ctx: &Ctx, identity: &Identity) -> Result<Item> {
        let (store, secret) = (ctx.store.clone(), identity.clone());
        let (scan, files) = (self.scan.clone(), self.files.clone());
        let payload = blocking(move || payload(&store, &secret, &scan, &files)).await?;
        Ok(Item {
            id: self.id,
            name: self.title.clone(),
            about: self.about.clone(),
            published: ctx.clock.unix_ms(),
            payload,
            left_out: Vec::new(),
        })
    }

    /// Its row, as that of a published item.
    fn row(&self, key: ChannelKey, item: &Item) -> ItemRow {
        let mut row = list::row_of(key, 0, item);
        row.standing = Standing::Published;
        row.root = Some(self.scan.root.clone());
        row.planned = true;
        row
    }
}

/// Seals on worker threads and tells how far it is.
async fn sealed(job: &Job, scanned: &Arc<Scan>, known: Vec<PlanFile>) -> Result<Vec<PlanFile>> {
    let (progress, cancel) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
    let guard = Cancel(cancel.clone());
    let (scan, counter) = (scanned.clone(), progress.clone());
    let work = tokio::task::spawn_blocking(move || seal(&scan, &known, &counter, &cancel));
    let told = async {
        let mut tick = tokio::time::interval(PROGRESS_EVERY);
        tokio::pin!(work);
        loop {
            tokio::select! {
                // First of all, so that the quickest publication is heard of as well.
                biased;
                _ = tick.tick() => job.tell(PublishProgress {
                    stage: "seal".into(),
                    done: progress.load(Ordering::Relaxed),
                    total: scanned.bytes,
                    ..PublishProgress::default()
                }),
                done = &mut work => break done,
            }
        }
    };
    let done = job.unless_cancelled(told).await;
    drop(guard);
    match done? {
        Ok(plan) => plan,
        Err(error) => fail(Code::Internal, format!("sealing ended: {error}")),
    }
}

/// What a new manifest changes.
enum Change {
    /// A new or replaced item, put first.
    Put(Box<Draft>),
    /// An item taken out.
    Out(ItemId),
    /// An item's texts.
    Item(ItemId, Option<String>, Option<String>),
    /// The channel's texts.
    Channel(Option<String>, Option<String>),
    /// The key that opens this list and those to come.
    ReadKey(ReadKey),
}

pub(super) async fn unpublish(ctx: &Ctx, args: Unpublish) -> Result<Published> {
    let item = find_item(ctx, &args.item).await?;
    let (_, identity) = own(ctx, &item.channel.to_string()).await?;
    let signed = sign(ctx, &identity, Change::Out(item.id), &Job::unnamed(ctx, &item.name)).await?;
    let (channel, id) = (item.channel, item.id);
    let gone = ctx.with_store(move |s| s.remove_item(&channel, &id, false)).await?.gone;
    if !ctx.config.offline {
        ctx.engine.send(Input::Unhold(gone)).await;
    }
    ctx.emit(Event::ItemGone(channel.to_string(), id.to_string()));
    Ok(Published { item: Some(id.to_string()), ..signed })
}

pub(super) async fn edit(ctx: &Ctx, args: Edit) -> Result<Published> {
    if args.name.is_none() && args.about.is_none() {
        return fail(Code::BadArgument, "Nothing to change: give --name or --about.");
    }
    texts_fit("name", args.name.as_deref(), args.about.as_deref())?;
    match find_channel(ctx, &args.what).await {
        Ok(found) => {
            let (row, identity) = own(ctx, &found.key.to_string()).await?;
            let job = Job::unnamed(ctx, &crate::view::named(&row));
            sign(ctx, &identity, Change::Channel(args.name, args.about), &job).await
        }
        Err(error) if error.code == Code::NotFound => {
            let item = find_item(ctx, &args.what).await?;
            let (_, identity) = own(ctx, &item.channel.to_string()).await?;
            let job = Job::unnamed(ctx, &item.name);
            let signed = sign(ctx, &identity, Change::Item(item.id, args.name, args.about), &job).await?;
            Ok(Published { item: Some(item.id.to_string()), ..signed })
        }
        Err(error) => Err(error),
    }
}

/// A new read key for a private channel of ours. What is sealed stays as it is: only the way to the list changes, so
/// whoever has the old key alone reads no list that comes.
pub(super) async fn rekey(ctx: &Ctx, text: &str) -> Result<Published> {
    let (row, identity) = own(ctx, text).await?;
    if !row.private {
        return fail(Code::KindMismatch, "This channel is public. It has no read key.");
    }
    if row.read_key.is_none() {
        return Err(crate::verbs::no_read_key(ctx));
    }
    let mut read_key = [0; 32];
    getrandom::fill(&mut read_key).map_err(|e| ErrorInfo::new(Code::Internal, format!("no random numbers: {e}")))?;
    let job = Job::unnamed(ctx, &crate::view::named(&row));
    sign(ctx, &identity, Change::ReadKey(ReadKey(read_key)), &job).await
}

/// One of our channels and the identity that signs it.
async fn own(ctx: &Ctx, text: &str) -> Result<(Channel, Identity)> {
    let row = find_channel(ctx, text).await?;
    if !row.own {
        return fail(Code::NotOwn, "This channel is not yours to change.");
    }
    let identity = ids::secret(ctx, row.key).await?;
    Ok((row, identity))
}

/// What is kept with a new list, in the same step.
#[derive(Default)]
struct Brings {
    /// What is published by it.
    draft: Option<Box<Draft>>,
    /// The read key that it is sealed with, where that is a new one.
    read_key: Option<ReadKey>,
}

/// The channel's list as it stands, with the change; and what it brings.
async fn changed(ctx: &Ctx, identity: &Identity, row: &mut Channel, change: Change) -> Result<(Vec<Item>, Brings)> {
    let key = row.key;
    let listed = ctx.with_store(move |s| s.list_json(&key)).await?;
    let mut items = listed.iter().map(|json| Ok(Item::from_json(json)?)).collect::<Result<Vec<_>>>()?;
    let mut brings = Brings::default();
    match change {
        Change::Put(draft) => {
            let known = items.len();
            items.retain(|i| i.id != draft.id);
            if draft.update && items.len() == known {
                return fail(Code::NotFound, "This item is no longer in the list.");
            }
            items.insert(0, draft.item(ctx, identity).await?);
            brings.draft = Some(draft);
        }
        Change::Out(id) => items.retain(|i| i.id != id),
        Change::Item(id, name, about) => {
            let Some(item) = items.iter_mut().find(|i| i.id == id) else {
                return fail(Code::NotFound, "This item is no longer in the list.");
            };
            item.name = name.unwrap_or_else(|| item.name.clone());
            item.about = about.unwrap_or_else(|| item.about.clone());
        }
        Change::Channel(name, about) => {
            row.name = name.unwrap_or_else(|| row.name.clone());
            row.about = about.unwrap_or_else(|| row.about.clone());
        }
        Change::ReadKey(new) => {
            row.read_key = Some(new.clone());
            brings.read_key = Some(new);
        }
    }
    Ok((items, brings))
}

/// Bytes that a page's mention takes in the body, at most.
const PAGE_REF: usize = 400;

/// Writes the body: inline if the manifest has room for it, else as a tree, older items on pages. Blocking.
fn write(
    store: &store::Store,
    identity: &Identity,
    row: &Channel,
    items: &[Item],
    peers: Vec<PeerAddr>,
    sequence: u64,
    blobs: &mut Vec<BlobId>,
) -> Result<SignedManifest> {
    let mut list = Body {
        name: row.name.clone(),
        about: row.about.clone(),
        peers,
        collections: vec![body::Collection { title: "Default".into(), items: items.to_vec(), pages: Vec::new() }],
        timestamp: sequence,
    };
    let mut stream = list.to_json();
    if !row.private
        && stream.len() <= MANIFEST_MAX
        && let Some(manifest) = SignedManifest::sign_inline(identity, sequence, &list)
    {
        return Ok(manifest);
    }
    if stream.len() > CHUNK_LEN {
        // Pages are cut from the oldest end, so that a full page never changes when items are added.
        let mut pages = Vec::new();
        let mut oldest_first: Vec<Item> = items.iter().rev().cloned().collect();
        let mut page_items = PAGE_ITEMS_MAX;
        // What the stream has about, so that it is written anew only when it may be short enough.
        let mut about = stream.len();
        while stream.len() > CHUNK_LEN && !oldest_first.is_empty() {
            page_items = page_items.min(oldest_first.len());
            let mut page: Vec<Item> = oldest_first[..page_items].to_vec();
            page.reverse();
            let json = body::page_to_json(&page);
            if json.len() as u64 > protocol::params::PAGE_MAX && page_items > 1 {
                page_items /= 2;
                continue;
            }
            oldest_first.drain(..page_items);
            let tree = stream::write(store, identity, &json, blobs)?;
            let bytes = page.iter().map(Item::size).sum();
            pages.insert(0, body::PageRef { count: u32::try_from(page.len()).unwrap_or(u32::MAX), bytes, tree });
            about = about.saturating_sub(json.len()) + PAGE_REF;
            if about > CHUNK_LEN + PAGE_REF && !oldest_first.is_empty() {
                continue;
            }
            let inline: Vec<Item> = oldest_first.iter().rev().cloned().collect();
            list.collections = vec![body::Collection { title: "Default".into(), items: inline, pages: pages.clone() }];
            stream = list.to_json();
            about = stream.len();
        }
    }
    let tree = stream::write(store, identity, &stream, blobs)?;
    match (&row.read_key, row.private) {
        (Some(read_key), true) => {
            let mut nonce = [0; 12];
            getrandom::fill(&mut nonce)
                .map_err(|e| ErrorInfo::new(Code::Internal, format!("no random numbers: {e}")))?;
            Ok(SignedManifest::sign_private(identity, sequence, &tree, sequence, read_key, nonce))
        }
        (None, true) => fail(Code::Secrets, "The read key of this channel is locked."),
        (_, false) => Ok(SignedManifest::sign_tree_beside(identity, sequence, &tree, sequence, items)),
    }
}

/// Signs the changed list, announces what a reader needs first, and hands the manifest out: DHT, peers.
async fn sign(ctx: &Ctx, identity: &Identity, change: Change, job: &Job) -> Result<Published> {
    let key = identity.channel();
    let Ok(turn) = ctx.signing.clone().acquire_owned().await else {
        return fail(Code::Stopping, "The node is stopping. Nothing was published.");
    };
    list_first(ctx, key).await?;
    let Some(mut row) = ctx.with_store(move |s| s.channel(&key)).await? else {
        return Err(crate::view::unknown("channel", &key.to_string()));
    };
    let (items, brings) = changed(ctx, identity, &mut row, change).await?;
    let floor = ctx.with_store(move |s| s.floor(&key)).await?;
    // A clock that went back does not make the sequence fall.
    let sequence = ctx.clock.unix_ms().max(floor + 1);
    if sequence > SEQUENCE_MAX {
        return fail(Code::Internal, "The clock is beyond what a sequence can hold.");
    }
    let (store, secret, kept, listed) = (ctx.store.clone(), identity.clone(), row.clone(), items.clone());
    // Followers who have no DHT learn from the list where we are; never a clear address.
    let peers: Vec<PeerAddr> = network::onion_of(ctx, key).await?.into_iter().collect();
    let (manifest, blobs) = blocking(move || {
        let mut blobs = Vec::new();
        let manifest = write(&store, &secret, &kept, &listed, peers, sequence, &mut blobs)?;
        Ok((manifest, blobs))
    })
    .await?;
    // Structure that items name themselves (tables, file lists) stays as long as the items do.
    let mut structure = blobs.clone();
    for item in &items {
        structure.extend(plan::structure_of(ctx, key, item).await?);
    }
    row.manifest = Some(manifest.clone());
    row.body_sequence = sequence;
    let manifest = Arc::new(manifest);
    // From here on nobody's leaving ends it half way: what is signed is kept, and what is kept is told.
    let kept =
        ctx.tasks.spawn(keep(ctx.clone(), turn, row.clone(), manifest.clone(), items.clone(), structure, brings));
    let pushed = match kept.await {
        Ok(kept) => kept?,
        Err(error) => return fail(Code::Internal, format!("publishing ended: {error}")),
    };
    let mut published = Published {
        link: link_of(ctx, &row).await?,
        item: None,
        sequence,
        dht_nodes: 0,
        gateways: 0,
        shown_by: 0,
        pushed,
        files: 0,
        bytes: 0,
        blobs: 0,
        left_out: Vec::new(),
        seeding: !ctx.config.offline,
        items: Some(u32::try_from(items.len()).unwrap_or(u32::MAX)),
        v5_items: (!row.private).then(|| manifest.inline_items()),
    };
    if ctx.config.offline {
        return Ok(published);
    }
    // It is signed and kept: from here on only the telling is cut, when the node stops, and the next start tells it.
    ctx.until_stop(async {
        network::ready(ctx, |cause| waits(job, cause, &published.link)).await;
        Ok(())
    })
    .await?;
    let gateways = gateways(ctx, key).await?;
    if gateways.is_empty() {
        let work = async {
            let (announced, to_announce) = announce_first(ctx, &row, &manifest, &blobs, job).await;
            job.tell(PublishProgress { stage: "publish".into(), announced, to_announce, ..PublishProgress::default() });
            Ok(put(ctx, &manifest).await)
        };
        published.dht_nodes = ctx.until_stop(work).await?;
    } else {
        job.tell(PublishProgress { stage: "publish".into(), ..PublishProgress::default() });
        let handed = ctx.until_stop(async { Ok(gateway::publish(ctx, &gateways, &manifest).await) }).await?;
        (published.gateways, published.shown_by) = (handed.taken, handed.shown);
        for (addr, why) in &handed.refused {
            let text = format!("The gateway {addr} did not take it: {why}");
            ctx.emit(Event::Notice(ErrorInfo::new(Code::NotPublished, text)));
        }
        if let Some(doubt) = handed.doubt() {
            ctx.emit(Event::Notice(ErrorInfo::new(Code::NotPublished, doubt)));
        }
        if handed.taken == 0 {
            let why = handed.refused.iter().map(|(addr, why)| format!("{addr}: {why}")).collect::<Vec<_>>().join("; ");
            return fail(Code::NotPublished, format!("No gateway took it. {why}"));
        }
    }
    let nodes = published.dht_nodes;
    let now = ctx.clock.unix_ms();
    ctx.with_store(move |s| s.change_channel(&key, |row| (row.seen_by, row.checked) = (Some(nodes), Some(now))))
        .await?;
    channel::told(ctx, key).await;
    Ok(published)
}

/// Keeps what was signed, in one step, and tells the swarm. Returns how many connected peers have it at once.
async fn keep(
    ctx: Ctx,
    turn: OwnedSemaphorePermit,
    row: Channel,
    manifest: Arc<SignedManifest>,
    items: Vec<Item>,
    structure: Vec<BlobId>,
    brings: Brings,
) -> Result<u32> {
    let key = row.key;
    let mut held: Vec<(BlobId, Rank)> = structure.iter().map(|blob| (*blob, Rank::Root)).collect();
    let published =
        brings.draft.as_deref().and_then(|draft| Some((draft, items.iter().find(|item| item.id == draft.id)?)));
    let draft = published.map(|(draft, item)| (draft.row(key, item), draft.files.clone()));
    if let Some((_, files)) = &draft {
        let mut chunks = files.iter().flat_map(|file| &file.chunks);
        held.extend(chunks.next().map(|chunk| (chunk.blob, Rank::First)));
        held.extend(chunks.map(|chunk| (chunk.blob, Rank::Rest)));
    }
    let identity = published.map(|(draft, _)| draft.identity.clone());
    let publication = Publication {
        channel: key,
        name: row.name.clone(),
        about: row.about.clone(),
        manifest: (*manifest).clone(),
        read_key: brings.read_key,
        identity,
        items: items.iter().enumerate().map(|(i, item)| list::row_of(key, i, item)).collect(),
        structure,
        draft,
    };
    let gone = ctx.with_store(move |s| s.publish_list(publication)).await?;
    if ctx.config.offline {
        return Ok(0);
    }
    ctx.engine.send(Input::Unhold(gone)).await;
    let mut seen = HashSet::new();
    held.retain(|(blob, _)| seen.insert(*blob));
    ctx.engine.hold(key, held).await;
    channel::follow(&ctx, &Channel { manifest: None, ..row }, Vec::new()).await?;
    // Connected peers have it at once; whoever looks into the DHT finds the swarm announced before the manifest.
    ctx.engine.send(Input::Manifest(manifest)).await;
    let pushed = ctx.engine.ask(move |swarm, _| swarm.peers_of(&key)).await.unwrap_or(0);
    tracing::info!(channel = %key, items = items.len(), pushed, "a list is signed");
    drop(turn);
    Ok(u32::try_from(pushed).unwrap_or(u32::MAX))
}

/// A list that lies somewhere and is not known here would be lost by signing another: it is read first. An identity that
/// was made here has none; one from a backup may.
async fn list_first(ctx: &Ctx, key: ChannelKey) -> Result<()> {
    let setting = ids::restored_setting(&key);
    let (row, restored) = {
        let setting = setting.clone();
        ctx.with_store(move |s| Ok((s.channel(&key)?, s.setting(&setting)?.is_some()))).await?
    };
    let unread = row.and_then(|r| r.manifest.map(|m| m.sequence() > r.body_sequence));
    match unread {
        Some(false) => {}
        None if !restored => return Ok(()),
        _ if ctx.config.offline => return fail(Code::BadArgument, "This needs a running node."),
        Some(true) => drop(follow::list_soon(ctx, key, &Caller::default()).await?),
        None => {
            let Some(dht) = ctx.dht() else {
                return fail(Code::TimedOut, "This identity comes from a backup. Its list has not been found yet.");
            };
            match dht.get_manifest(&key, 0).await {
                Ok(Some(found)) => list::absorb(ctx, Arc::new(found.manifest), Arc::default()).await?,
                // The DHT answered: there is no list, not any more.
                Ok(None) => {}
                Err(error) => {
                    return fail(
                        Code::TimedOut,
                        format!("This identity comes from a backup. Its list must be found first: {error}."),
                    );
                }
            }
        }
    }
    if restored {
        ctx.with_store(move |s| s.set_setting(&setting, None)).await?;
    }
    Ok(())
}

/// Puts a manifest into the DHT; while no node takes it, again and again in the background, until a newer one is made.
/// Returns how many nodes took it now.
async fn put(ctx: &Ctx, manifest: &Arc<SignedManifest>) -> u32 {
    let Some(dht) = ctx.dht() else { return 0 };
    match dht.put_manifest(manifest, None).await {
        Ok(nodes) if nodes > 0 => return nodes,
        Ok(_) => {}
        Err(error) => ctx.emit(Event::Notice(error.into())),
    }
    let (again, manifest) = (ctx.clone(), manifest.clone());
    ctx.spawn(async move {
        let (key, mut waits) = (*manifest.key(), PUT_AGAIN.iter());
        let mut wait = PUT_AGAIN[0];
        loop {
            wait = waits.next().copied().unwrap_or(wait);
            tokio::time::sleep(wait).await;
            let newest = again.with_store(move |s| s.floor(&key)).await;
            if !newest.is_ok_and(|newest| newest == manifest.sequence()) {
                return;
            }
            // Another route may have none.
            let Some(dht) = again.dht() else { continue };
            match dht.put_manifest(&manifest, None).await {
                Ok(nodes) if nodes > 0 => {
                    tracing::info!(channel = %key, nodes, "the DHT has the manifest now");
                    return;
                }
                Ok(_) => {}
                Err(error) => tracing::debug!(channel = %key, %error, "the DHT did not take the manifest"),
            }
        }
    });
    0
}

/// Where a channel's gateways are kept among the settings.
fn gateways_setting(key: &ChannelKey) -> String {
    format!("gateways {key}")
}

/// Who publishes a channel where the DHT is not to be asked: its own gateways, else, off the direct route, those of the
/// settings and connected ones. None on the direct route: there the DHT is asked.
pub(crate) async fn gateways(ctx: &Ctx, key: ChannelKey) -> Result<Vec<PeerAddr>> {
    let own = ctx.with_store(move |s| s.setting(&gateways_setting(&key))).await?.unwrap_or_default();
    let own: Vec<PeerAddr> = own.split_whitespace().filter_map(|a| a.parse().ok()).collect();
    if !own.is_empty() || !ctx.network().is_detour() {
        return Ok(own);
    }
    let mut all = network::gateways(ctx).await?;
    let peers = ctx.engine.ask(|swarm, _| swarm.peers()).await.unwrap_or_default();
    let dialled = peers.into_iter().filter(|p| p.gateway && p.role == protocol::session::Role::Dialler);
    all.extend(dialled.map(|p| p.addr));
    let mut seen = HashSet::new();
    all.retain(|addr| seen.insert(addr.clone()));
    Ok(all)
}

/// Gateways as the user wrote them.
pub(super) fn gateways_of(texts: &[String]) -> Result<Vec<PeerAddr>> {
    if texts.len() > 16 {
        return fail(Code::BadArgument, "At most 16 gateways can be named.");
    }
    let parse = |text: &String| {
        text.parse().map_err(|e| ErrorInfo::new(Code::BadArgument, format!("{} is no HOST:PORT: {e}.", quoted(text))))
    };
    texts.iter().map(parse).collect()
}

/// E6: rendezvous and roots, and every chunk of an inline manifest, are announced before the manifest goes out, for a v5
/// client tries each sequence once. A failed announce is repeated by the schedule.
/// Returns how many were announced, and of how many.
async fn announce_first(
    ctx: &Ctx,
    row: &Channel,
    manifest: &SignedManifest,
    roots: &[BlobId],
    job: &Job,
) -> (u64, u64) {
    let (Some(dht), port) = (ctx.dht(), ctx.port()) else { return (0, 0) };
    if port == 0 {
        return (0, 0);
    }
    let mut topics: Vec<Topic> = Vec::new();
    match (&row.read_key, row.private) {
        (Some(read_key), true) => {
            topics.extend(
                rendezvous::days(ctx.clock.unix_ms())
                    .into_iter()
                    .map(|day| rendezvous::private(&row.key, read_key, day)),
            );
        }
        _ => {
            topics.push(rendezvous::public(&row.key));
            topics.extend(roots.iter().map(|b| Topic::from(*b)));
            topics.extend(manifest.inline_chunks().into_iter().map(|chunk| Topic::from(chunk.blob)));
        }
    }
    let total = topics.len() as u64;
    let mut work = tokio::task::JoinSet::new();
    for topic in topics {
        let dht = dht.clone();
        work.spawn(async move { dht.announce(topic.infohash(), port).await });
    }
    let mut announced = 0;
    while let Some(done) = work.join_next().await {
        announced += u64::from(matches!(done, Ok(Ok(()))));
        job.tell(PublishProgress {
            stage: "announce".into(),
            announced,
            to_announce: total,
            ..PublishProgress::default()
        });
    }
    (announced, total)
}
