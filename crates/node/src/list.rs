//! A channel's list: its newest manifest is kept, its body and pages are read, and what they name becomes the list.
//!
//! Promises: of a list, however long, one page is in memory at a time; no more of it is opened than the settings allow
//! ([`SETTING`]); and a list that cannot be read changes nothing.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use protocol::body::{self, Entry, PageRef};
use protocol::manifest::Head;
use protocol::params::{BODY_MAX, LIST_BYTES_MAX, LIST_ITEMS_MAX, LIST_TEXTS_MAX, PAGE_MAX};
use protocol::words::quoted;
use protocol::{Body, ChannelKey, Item, PeerAddr, SignedManifest, Tree};
use store::{Channel, ItemRow, ListDraft, ListHead, Store, StoreError};

use crate::api::{Code, ErrorInfo, Event};
use crate::ctx::Ctx;
use crate::engine::Input;
use crate::error::{Result, fail};
use crate::library::LibraryInput;
use crate::stream::{self, Structure};
use crate::{author, by_id, channel, keep};

/// The setting: bytes of blobs that one list may be made of.
pub(crate) const SETTING: &str = "list_max";
/// Bytes of items' JSON that are written at once.
const BATCH: usize = 1 << 20;
/// A page's items come behind its collection's own, in the order of pages.
const PAGES_FROM: u64 = 1 << 32;
/// Places of one collection.
const COLLECTION: u64 = 1 << 48;
/// Addresses of a channel that are kept.
const PEERS_MAX: usize = 16;

/// What the newest list says comes first: whoever moved is found where they are now.
fn with_former<P: PartialEq>(mut newest: Vec<P>, former: Vec<P>) -> Vec<P> {
    for peer in former {
        if !newest.contains(&peer) {
            newest.push(peer);
        }
    }
    newest.truncate(PEERS_MAX);
    newest
}

/// What a list may be made of, as the settings have it.
pub(crate) async fn bytes_max(ctx: &Ctx) -> Result<u64> {
    let set = ctx.with_store(|s| s.setting(SETTING)).await?;
    Ok(set.and_then(|text| text.parse().ok()).unwrap_or(LIST_BYTES_MAX))
}

/// What a body says beside its items.
struct Told {
    name: String,
    about: String,
    peers: Vec<PeerAddr>,
    pages: Vec<(usize, PageRef)>,
    /// E14 What its author's devices tell each other.
    devices: Vec<u8>,
}

/// Keeps a newer manifest, reads its list, and starts what the channel's rule fetches. `cost` counts the blobs opened.
pub(crate) async fn absorb(ctx: &Ctx, manifest: Arc<SignedManifest>, cost: Arc<AtomicU64>) -> Result<()> {
    let (key, sequence) = (*manifest.key(), manifest.sequence());
    let (now, newest) = (ctx.clock.unix_ms(), manifest.clone());
    let noted = ctx
        .with_store(move |s| {
            s.change_channel(&key, |c| {
                // Read again from the disk, it was not asked for just now.
                if c.manifest.as_ref() != Some(&*newest) {
                    c.checked = Some(now);
                }
                // A slow reading of an older list does not put its manifest back.
                if c.manifest.as_ref().is_none_or(|kept| newest.supersedes(kept)) {
                    c.private = newest.is_private();
                    c.manifest = Some((*newest).clone());
                }
            })
        })
        .await?;
    let Some(row) = noted else { return Ok(()) };
    if row.manifest.as_ref().is_some_and(|kept| kept.supersedes(&manifest)) {
        return Ok(());
    }
    by_id::tell(ctx, &row).await?;
    channel::told(ctx, key).await;
    let mut structure = Structure::new(bytes_max(ctx).await?, cost);
    let (draft, told) = read(ctx, &row, &manifest, &mut structure).await?;
    let (blobs, items) = (structure.blobs(), draft.items());
    let Told { name, about, peers, devices, .. } = told;
    // Of a channel of ours: another device signed it, and may not have known of what this one did.
    let seen = if row.own { author::heard(ctx, key, &devices).await? } else { None };
    let head = ListHead { sequence, name, about, seen };
    let taken = ctx
        .with_store(move |s| {
            let noted = s.change_channel(&key, |c| c.peers = with_former(peers, std::mem::take(&mut c.peers)))?;
            let Some(row) = noted else { return Ok(None) };
            Ok(Some((row, s.commit_list(draft, head, &blobs)?)))
        })
        .await?;
    let Some((row, relisted)) = taken else { return Ok(()) };
    ctx.engine.send(Input::Unhold(relisted.gone)).await;
    tracing::info!(channel = %key, sequence, items, "a list is read");
    // Whoever works on these works on a version that is no more: told before they are started again.
    for id in relisted.replanned {
        ctx.library.send(LibraryInput::Replanned(key, id));
    }
    if relisted.unsigned {
        author::again(ctx, key);
    }
    for id in relisted.conflicts {
        let item = ctx.with_store(move |s| s.item(&key, &id)).await?.map_or_else(|| id.to_string(), |item| item.name);
        let text = format!(
            "{} was changed on two of your devices at once. The change that was signed later counts.",
            quoted(item)
        );
        ctx.emit(Event::Notice(ErrorInfo::new(Code::SourceChanged, text)));
    }
    channel::told(ctx, key).await;
    channel::start_wanted(ctx, row.key).await?;
    keep::channel(ctx, key).await
}

/// Opens a manifest into its whole list, page by page: of an item only its row is kept, for a list may have a hundred
/// thousand.
async fn read(
    ctx: &Ctx,
    channel: &Channel,
    manifest: &SignedManifest,
    structure: &mut Structure,
) -> Result<(ListDraft, Told)> {
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
    let key = channel.key;
    let draft = ctx.with_store(move |s| s.begin_list(&key, LIST_ITEMS_MAX, LIST_TEXTS_MAX)).await?;
    let (mut draft, mut told) = match head {
        Head::Inline(body) => inline(ctx, key, draft, body).await?,
        Head::Tree(tree) => {
            let read = move |store: &Store, list: &[u8]| read_body(store, key, draft, list);
            stream::parsed(ctx, key, &tree, BODY_MAX, structure, read).await?
        }
    };
    for (number, (collection, page)) in std::mem::take(&mut told.pages).into_iter().enumerate() {
        let first = collection as u64 * COLLECTION + (number as u64 + 1) * PAGES_FROM;
        draft = read_page(ctx, key, draft, first, &page.tree, structure).await?;
    }
    Ok((draft, told))
}

async fn read_page(
    ctx: &Ctx,
    key: ChannelKey,
    draft: ListDraft,
    first: u64,
    tree: &Tree,
    structure: &mut Structure,
) -> Result<ListDraft> {
    let read = move |store: &Store, page: &[u8]| {
        let mut writer = Writer::new(key, draft);
        let mut place = first;
        body::parse_page_each(page, &mut |item| {
            writer.add(store, place, &item);
            place += 1;
        })?;
        Ok(writer.end(store)?)
    };
    stream::parsed(ctx, key, tree, PAGE_MAX, structure, read).await
}

/// A body that stands in the manifest itself: a few hundred bytes.
async fn inline(ctx: &Ctx, key: ChannelKey, draft: ListDraft, body: Body) -> Result<(ListDraft, Told)> {
    let Body { name, about, peers, collections, devices, .. } = body;
    let mut told = Told { name, about, peers, pages: Vec::new(), devices };
    let mut rows = Vec::new();
    for (number, collection) in collections.into_iter().enumerate() {
        let first = number as u64 * COLLECTION;
        rows.extend(collection.items.iter().enumerate().map(|(at, item)| (first + at as u64, row_of(key, at, item))));
        told.pages.extend(collection.pages.into_iter().map(|page| (number, page)));
    }
    let draft = ctx.with_store(move |s| {
        let mut draft = draft;
        s.extend_list(&mut draft, &rows).map(|()| draft)
    });
    Ok((draft.await?, told))
}

/// Reads a body's stream. Blocking.
fn read_body(store: &Store, key: ChannelKey, draft: ListDraft, stream: &[u8]) -> Result<(ListDraft, Told)> {
    let mut writer = Writer::new(key, draft);
    let (mut pages, mut next) = (Vec::new(), 0_u64);
    let Body { name, about, peers, devices, .. } = Body::parse_each(stream, &mut |number, entry| match entry {
        Entry::Item(item) => {
            writer.add(store, number as u64 * COLLECTION + next, &item);
            next += 1;
        }
        Entry::Page(page) => pages.push((number, page)),
    })?;
    Ok((writer.end(store)?, Told { name, about, peers, pages, devices }))
}

/// Writes items to a list, some at a time. Blocking.
struct Writer {
    key: ChannelKey,
    draft: ListDraft,
    rows: Vec<(u64, ItemRow)>,
    /// Bytes of their JSON.
    waiting: usize,
    failed: Option<StoreError>,
}

impl Writer {
    fn new(key: ChannelKey, draft: ListDraft) -> Self {
        Self { key, draft, rows: Vec::new(), waiting: 0, failed: None }
    }

    /// After the first failure nothing more is written; [`Writer::end`] tells it.
    fn add(&mut self, store: &Store, place: u64, item: &Item) {
        if self.failed.is_some() {
            return;
        }
        let row = row_of(self.key, 0, item);
        self.waiting += row.json.len();
        self.rows.push((place, row));
        if self.waiting >= BATCH {
            self.flush(store);
        }
    }

    fn flush(&mut self, store: &Store) {
        self.failed = store.extend_list(&mut self.draft, &self.rows).err();
        self.rows.clear();
        self.waiting = 0;
    }

    fn end(mut self, store: &Store) -> std::result::Result<ListDraft, StoreError> {
        if self.failed.is_none() {
            self.flush(store);
        }
        self.failed.map_or(Ok(self.draft), Err)
    }
}

/// An item as the store keeps it.
pub(crate) fn row_of(channel: ChannelKey, position: usize, item: &Item) -> ItemRow {
    use protocol::Payload;
    let mime = match &item.payload {
        Payload::File(file) => file.mime.clone(),
        Payload::Folder(files) => match files.as_slice() {
            [file] => file.mime.clone(),
            _ => None,
        },
        Payload::FolderTree { .. } => None,
    };
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
        mime,
        standing: store::Standing::Listed,
        paused: false,
        root: None,
        left_out: item.left_out.iter().map(|l| (l.path.clone(), l.why.to_string())).collect(),
        planned: false,
        lost_files: 0,
        pinned: false,
        urgency: store::Urgency::Normal,
        encrypted: false,
        skipped: 0,
        deadly: false,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_addresses_stay_and_the_oldest_go() {
        let former: Vec<u32> = (0..16).collect();
        let joined = with_former(vec![99, 3], former);
        assert_eq!(joined[..4], [99, 3, 0, 1]);
        assert_eq!((joined.len(), joined.last()), (16, Some(&14)));
        assert!(with_former((0..40).collect(), vec![50_u32]).iter().eq(&(0..16).collect::<Vec<_>>()));
    }

    #[tokio::test]
    async fn a_slow_reading_of_an_older_list_does_not_put_its_manifest_back() {
        let tmp = tempfile::tempdir().unwrap();
        let config = crate::NodeConfig {
            data_dir: tmp.path().join("data"),
            passphrase: Some(zeroize::Zeroizing::new("a secret of tests".into())),
            offline: true,
            ..crate::NodeConfig::default()
        };
        let node = crate::Node::start(config).await.unwrap();
        let ctx = node.ctx();
        let author = protocol::Identity::from_seed(&[5; 32]);
        let blob_key = protocol::BlobKey { key: [2; 32], nonce: [3; 12] };
        let tree = Tree { blob: protocol::BlobId([1; 32]), key: blob_key, size: 10, depth: 0 };
        let list = |sequence| Arc::new(SignedManifest::sign_tree(&author, sequence, &tree, sequence));
        let key = *list(1).key();
        let fresh = Channel { followed: true, ..channel::fresh(key) };
        ctx.with_store(move |s| s.add_or_change_channel(fresh, |_| {})).await.unwrap();
        // What it is made of does not come: nobody is there who has it.
        for sequence in [1, 3] {
            absorb(ctx, list(sequence), Arc::default()).await.unwrap_err();
            let kept = ctx.with_store(move |s| s.channel(&key)).await.unwrap().unwrap().manifest.unwrap();
            assert_eq!(kept.sequence(), sequence, "a newer one is kept at once");
        }
        // One that was handed over before the newest came, and is taken up only now.
        absorb(ctx, list(2), Arc::default()).await.unwrap();
        let kept = ctx.with_store(move |s| s.channel(&key)).await.unwrap().unwrap();
        assert_eq!((kept.manifest.as_ref(), kept.body_sequence), (Some(&*list(3)), 0));
        node.stop().await.unwrap();
    }
}
