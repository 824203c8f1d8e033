//! What this user's identities sign: a change is made to the newest list, the list is signed and kept in one step, and then
//! it is told.
//!
//! Promises: one list is signed at a time; one that was made from a list which is no longer the newest is made again; what
//! was signed is kept, whoever leaves meanwhile, and told, at the next start if not now. Several devices with one identity
//! lose none of each other's changes (E14): what a list of another one does not know of is signed again on top of it.

mod body;
mod draft;
mod mark;
mod newest;
mod tell;

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use protocol::params::SEQUENCE_MAX;
use protocol::{BlobId, Body, ChannelKey, Identity, Item, ItemId, PeerAddr, ReadKey, SignedManifest};
use store::{Channel, OwnChange, Publication, StoreError};
use swarm::Rank;

use crate::api::{Code, ErrorInfo, Event, PublishProgress, Published};
use crate::ctx::Ctx;
use crate::engine::Input;
use crate::error::{Result, blocking, fail};
use crate::library::log;
use crate::publish::Job;
use crate::verbs::{ids, link_of};
use crate::{channel, gateway, list, network, plan};

pub(crate) use draft::{Draft, sealed};
pub(crate) use mark::{alone_setting, heard, shared};
pub(crate) use newest::read as read_newest;
pub(crate) use tell::{gateways, gateways_of, gateways_setting, ready};

/// A list is made anew this often when others come meanwhile.
const ATTEMPTS: u32 = 8;
/// Devices that sign again what another did not know of do so at different moments, within so many milliseconds.
const AGAIN_WITHIN: u64 = 1_500;
/// A sequence that a clock behind the list's cannot give is above that by so much at most, so that no two are one.
const STEP_MAX: u64 = 1_000;

/// What a new manifest changes.
pub(crate) enum Change {
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
    /// Nothing more: what was changed already is signed on top of another device's list.
    Again,
}

impl Change {
    /// What of the list it changes.
    fn thing(&self) -> Option<OwnChange> {
        match self {
            Self::Put(draft) => Some(OwnChange::Item(draft.id)),
            Self::Out(id) | Self::Item(id, ..) => Some(OwnChange::Item(*id)),
            Self::Channel(..) => Some(OwnChange::Texts),
            Self::ReadKey(_) | Self::Again => None,
        }
    }

    /// The channel's list as it stands, with the change.
    async fn made(&self, ctx: &Ctx, identity: &Identity, row: &mut Channel) -> Result<Vec<Item>> {
        let key = row.key;
        let listed = ctx.with_store(move |s| s.list_json(&key)).await?;
        let mut items = listed.iter().map(|json| Ok(Item::from_json(json)?)).collect::<Result<Vec<_>>>()?;
        match self {
            Self::Put(draft) => {
                let known = items.len();
                items.retain(|i| i.id != draft.id);
                if draft.update && items.len() == known {
                    return fail(Code::NotFound, "This item is no longer in the list.");
                }
                items.insert(0, draft.item(ctx, identity).await?);
            }
            Self::Out(id) => items.retain(|i| i.id != *id),
            Self::Item(id, name, about) => {
                let Some(item) = items.iter_mut().find(|i| i.id == *id) else {
                    return fail(Code::NotFound, "This item is no longer in the list.");
                };
                set(&mut item.name, name);
                set(&mut item.about, about);
            }
            Self::Channel(name, about) => {
                set(&mut row.name, name);
                set(&mut row.about, about);
            }
            Self::ReadKey(new) => row.read_key = Some(new.clone()),
            Self::Again => {}
        }
        Ok(items)
    }
}

/// A text that is given takes the place of the one that is there.
fn set(text: &mut String, given: &Option<String>) {
    if let Some(given) = given {
        text.clone_from(given);
    }
}

/// A list that is kept, and what is needed to tell of it.
struct Signed {
    row: Channel,
    manifest: Arc<SignedManifest>,
    items: usize,
    /// Its structure, the roots first.
    blobs: Vec<BlobId>,
    /// Connected peers that have it at once.
    pushed: u32,
}

/// Makes a change to the list at hand, signs it, keeps it, announces what a reader needs first, and hands it out: DHT, peers.
/// Who may not be the only one that signs reads the newest list before ([`read_newest`]).
pub(crate) async fn sign(ctx: &Ctx, identity: &Identity, change: Change, job: &Job) -> Result<Published> {
    let change = Arc::new(change);
    let mut attempt = 0;
    let signed = loop {
        attempt += 1;
        match signed(ctx, identity, change.clone()).await? {
            Some(signed) => break signed,
            None if attempt < ATTEMPTS => {}
            None => return fail(Code::Internal, "Newer lists of this channel keep coming. Nothing was published."),
        }
    };
    tell(ctx, signed, job).await
}

/// One attempt; `None`: another list came meanwhile.
async fn signed(ctx: &Ctx, identity: &Identity, change: Arc<Change>) -> Result<Option<Signed>> {
    let key = identity.channel();
    let Ok(turn) = ctx.signing.clone().acquire_owned().await else {
        return fail(Code::Stopping, "The node is stopping. Nothing was published.");
    };
    let Some(mut row) = ctx.with_store(move |s| s.channel(&key)).await? else {
        return Err(crate::view::unknown("channel", &key.to_string()));
    };
    let base = row.body_sequence;
    let items = change.made(ctx, identity, &mut row).await?;
    let alone = mark::is_alone(ctx, key).await?;
    let sequence = sequence(ctx, key, alone).await?;
    let mark = mark::Mark::of(ctx, identity, alone, sequence).await?;
    let (store, secret, kept, listed) = (ctx.store.clone(), identity.clone(), row.clone(), items.clone());
    // Followers who have no DHT learn from the list where we are; never a clear address.
    let peers: Vec<PeerAddr> = network::onion_of(ctx, key).await?.into_iter().collect();
    let list = Body {
        name: row.name.clone(),
        about: row.about.clone(),
        peers,
        collections: Vec::new(),
        timestamp: sequence,
        devices: mark.sealed,
    };
    let (manifest, blobs) = blocking(move || {
        let mut blobs = Vec::new();
        let manifest = body::write(&store, &secret, &kept, &listed, list, &mut blobs)?;
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
    let (draft, out) = match &*change {
        Change::Put(draft) => {
            let item = items.iter().find(|item| item.id == draft.id);
            (item.map(|item| (draft.row(key, item), draft.files.clone())), None)
        }
        Change::Out(id) => (None, Some(*id)),
        _ => (None, None),
    };
    let publication = Publication {
        channel: key,
        name: row.name.clone(),
        about: row.about.clone(),
        manifest: (*manifest).clone(),
        base,
        changed: change.thing(),
        device: mark.device,
        seen: mark.seen,
        read_key: match &*change {
            Change::ReadKey(new) => Some(new.clone()),
            _ => None,
        },
        identity: match &*change {
            Change::Put(draft) => Some(draft.identity.clone()),
            _ => None,
        },
        items: items.iter().enumerate().map(|(i, item)| list::row_of(key, i, item)).collect(),
        structure,
        draft,
        out,
    };
    // From here on nobody's leaving ends it half way: what is signed is kept, and what is kept is told.
    let work = keep(ctx.clone(), row.clone(), manifest.clone(), publication);
    let kept = ctx.tasks.spawn(async move {
        let pushed = work.await;
        drop(turn);
        pushed
    });
    let pushed = match kept.await {
        Ok(kept) => kept?,
        Err(error) => return fail(Code::Internal, format!("publishing ended: {error}")),
    };
    Ok(pushed.map(|pushed| Signed { row, manifest, items: items.len(), blobs, pushed }))
}

/// A clock that went back does not make the sequence fall; of two devices whose clocks are behind, no two lists have one.
async fn sequence(ctx: &Ctx, key: ChannelKey, alone: bool) -> Result<u64> {
    let floor = ctx.with_store(move |s| s.floor(&key)).await?;
    let step = if alone { 1 } else { 1 + u64::from_le_bytes(mark::random()?) % STEP_MAX };
    let now = ctx.clock.unix_ms();
    let sequence = if now > floor { now } else { floor + step };
    if sequence > SEQUENCE_MAX {
        return fail(Code::Internal, "The clock is beyond what a sequence can hold.");
    }
    Ok(sequence)
}

/// Keeps what was signed, in one step, and tells the swarm. Returns how many connected peers have it at once; `None`: it was
/// made from a list that is no longer the newest, and nothing was kept.
async fn keep(ctx: Ctx, row: Channel, manifest: Arc<SignedManifest>, publication: Publication) -> Result<Option<u32>> {
    let (key, items) = (row.key, publication.items.len());
    let mut held: Vec<(BlobId, Rank)> = publication.structure.iter().map(|blob| (*blob, Rank::Root)).collect();
    if let Some((_, files)) = &publication.draft {
        let mut chunks = files.iter().flat_map(|file| &file.chunks);
        held.extend(chunks.next().map(|chunk| (chunk.blob, Rank::First)));
        held.extend(chunks.map(|chunk| (chunk.blob, Rank::Rest)));
    }
    let store = ctx.store.clone();
    let kept = blocking(move || match store.publish_list(publication) {
        Ok(gone) => Ok(Some(gone)),
        Err(StoreError::ListGone) => Ok(None),
        Err(error) => Err(error.into()),
    });
    let Some(gone) = kept.await? else { return Ok(None) };
    if ctx.config.offline {
        return Ok(Some(0));
    }
    ctx.engine.send(Input::Unhold(gone)).await;
    let mut seen = HashSet::new();
    held.retain(|(blob, _)| seen.insert(*blob));
    ctx.engine.hold(key, held).await;
    channel::follow(&ctx, &Channel { manifest: None, ..row }, Vec::new()).await?;
    // Connected peers have it at once; whoever looks into the DHT finds the swarm announced before the manifest.
    ctx.engine.send(Input::Manifest(manifest)).await;
    let pushed = ctx.engine.ask(move |swarm, _| swarm.peers_of(&key)).await.unwrap_or(0);
    tracing::info!(channel = %key, items, pushed, "a list is signed");
    Ok(Some(u32::try_from(pushed).unwrap_or(u32::MAX)))
}

/// Hands out what is kept. When the node stops meanwhile the next start tells it.
async fn tell(ctx: &Ctx, signed: Signed, job: &Job) -> Result<Published> {
    let Signed { row, manifest, items, blobs, pushed } = signed;
    let key = row.key;
    let mut published = Published {
        link: link_of(ctx, &row).await?,
        item: None,
        sequence: manifest.sequence(),
        dht_nodes: 0,
        gateways: 0,
        shown_by: 0,
        pushed,
        files: 0,
        bytes: 0,
        blobs: 0,
        left_out: Vec::new(),
        seeding: !ctx.config.offline,
        items: Some(u32::try_from(items).unwrap_or(u32::MAX)),
        v5_items: (!row.private).then(|| manifest.inline_items()),
    };
    if ctx.config.offline {
        return Ok(published);
    }
    // It is signed and kept: from here on only the telling is cut, when the node stops, and the next start tells it.
    ctx.until_stop(async {
        network::ready(ctx, |cause| tell::waits(job, cause, &published.link)).await;
        Ok(())
    })
    .await?;
    let gateways = tell::gateways(ctx, key).await?;
    if gateways.is_empty() {
        let work = async {
            let (announced, to_announce) = tell::announce_first(ctx, &row, &manifest, &blobs, job).await;
            job.tell(PublishProgress { stage: "publish".into(), announced, to_announce, ..PublishProgress::default() });
            Ok(tell::put(ctx, &manifest).await)
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

/// Signs what another device's list did not know of on top of that list, after a moment: several devices may do so at once.
pub(crate) fn again(ctx: &Ctx, key: ChannelKey) {
    let at = ctx.clone();
    ctx.spawn(async move {
        let wait = mark::random().map_or(0, u64::from_le_bytes) % AGAIN_WITHIN;
        tokio::time::sleep(Duration::from_millis(wait)).await;
        log(signed_again(&at, key).await);
    });
}

/// As [`again`], of all that waits for it: at the start, or since the secrets were locked.
pub(crate) async fn pending(ctx: &Ctx) -> Result<()> {
    for key in ctx.with_store(store::Store::unsigned).await? {
        again(ctx, key);
    }
    Ok(())
}

async fn signed_again(ctx: &Ctx, key: ChannelKey) -> Result<()> {
    if !ctx.with_store(store::Store::unsigned).await?.contains(&key) {
        return Ok(());
    }
    let identity = ids::secret(ctx, key).await?;
    let named = channel::named(ctx, key).await;
    tracing::info!(channel = %key, "another device's list did not know of changes made here: they are signed again");
    sign(ctx, &identity, Change::Again, &Job::unnamed(ctx, &named)).await.map(drop)
}
