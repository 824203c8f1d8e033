//! E1 Trees, read from the swarm and written to the store: bodies, pages, file lists, and the chunk lists of files.
//!
//! A tree's author decides how long it is. So nothing here holds more of one than a table at a time, or the one stream
//! that is being parsed: [`Walk`] hands chunks out table by table, and [`parsed`] has one stream at a time in memory, in
//! the whole node, and only while it is parsed, never while it is waited for.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use protocol::params::{BLOB_LEN, CHUNK_LEN};
use protocol::{BlobId, BlobKey, ChannelKey, Chunk, Identity, ItemId, Tree, VerifiedBlob, blob};
use store::{ReadError, Role, Store};
use tokio::sync::oneshot;

use crate::api::{Code, ErrorInfo};
use crate::ctx::{Ctx, Inner};
use crate::engine::Input;
use crate::error::{Result, blocking, fail};

/// Times that a stream's blobs are fetched again when a newer list let go of them in the middle.
const AGAIN: u32 = 3;

/// The structure blobs that something consists of, and what it may cost to read them.
pub(crate) struct Structure {
    blobs: HashSet<BlobId>,
    /// Blobs that may still be opened.
    left: u64,
    max: u64,
    /// Counts the blobs opened, for whoever pays for them.
    cost: Arc<AtomicU64>,
    /// The item whose tables they are: it is marked while they are worked on, not while they are waited for.
    mark: Option<(ChannelKey, ItemId)>,
    /// The table opened last: an author may name one over and over.
    last: Option<(Tree, Arc<Vec<u8>>)>,
}

impl Structure {
    /// Of at most so many bytes of blobs.
    pub(crate) fn new(max: u64, cost: Arc<AtomicU64>) -> Self {
        let left = max / BLOB_LEN as u64;
        Self { blobs: HashSet::new(), left, max, cost, mark: None, last: None }
    }

    /// Of something whose size bounds it.
    pub(crate) fn unbounded() -> Self {
        Self::new(u64::MAX, Arc::default())
    }

    /// Of an item that is being planned.
    pub(crate) fn of_item(key: ChannelKey, id: ItemId) -> Self {
        Self { mark: Some((key, id)), ..Self::unbounded() }
    }

    /// The blobs, each once.
    pub(crate) fn blobs(&self) -> Vec<BlobId> {
        self.blobs.iter().copied().collect()
    }

    /// Notes a blob that is to be opened.
    fn note(&mut self, blob: BlobId) -> Result<()> {
        let Some(left) = self.left.checked_sub(1) else {
            return fail(
                Code::BadContent,
                format!("its list is made of more than {}; set list-max allows more", protocol::words::size(self.max)),
            );
        };
        self.left = left;
        self.cost.fetch_add(1, Ordering::Relaxed);
        self.blobs.insert(blob);
        Ok(())
    }

    /// A table of a tree, opened.
    async fn table(&mut self, ctx: &Ctx, channel: ChannelKey, table: &Tree, role: Role) -> Result<Arc<Vec<u8>>> {
        if let Some((last, plain)) = &self.last
            && (last.blob, &last.key) == (table.blob, &table.key)
        {
            return Ok(plain.clone());
        }
        self.note(table.blob)?;
        let plain = Arc::new(opened(ctx, channel, table.blob, &table.key, role, self.mark).await?);
        self.last = Some((table.clone(), plain.clone()));
        Ok(plain)
    }
}

/// A tree's chunks, table by table.
pub(crate) struct Walk {
    channel: ChannelKey,
    /// Tables to open, the next one last. At most one table's children of each depth.
    todo: Vec<Tree>,
    role: Role,
}

impl Walk {
    pub(crate) fn new(channel: ChannelKey, tree: &Tree) -> Self {
        Self { channel, todo: vec![tree.clone()], role: Role::Root }
    }

    /// The chunks of the next table; `None`: there are no more.
    pub(crate) async fn next(&mut self, ctx: &Ctx, structure: &mut Structure) -> Result<Option<Vec<Chunk>>> {
        while let Some(tree) = self.todo.pop() {
            if tree.depth == 0 {
                return Ok(Some(tree.leaf().into_iter().collect()));
            }
            let plain = structure.table(ctx, self.channel, &tree, self.role).await?;
            self.role = Role::Structure;
            let children = tree.children(&plain)?;
            if tree.depth == 1 {
                return Ok(Some(children.iter().filter_map(Tree::leaf).collect()));
            }
            self.todo.extend(children.into_iter().rev());
        }
        Ok(None)
    }
}

/// Fetches a whole stream of at most `max` bytes and has it parsed, on a blocking thread, one of the node at a time.
pub(crate) async fn parsed<T: Send + 'static>(
    ctx: &Ctx,
    channel: ChannelKey,
    tree: &Tree,
    max: u64,
    structure: &mut Structure,
    parse: impl FnOnce(&Store, &[u8]) -> Result<T> + Send + 'static,
) -> Result<T> {
    tree.check(max)?;
    let mut leaves = Vec::new();
    let mut walk = Walk::new(channel, tree);
    while let Some(chunks) = walk.next(ctx, structure).await? {
        leaves.extend(chunks);
    }
    for leaf in &leaves {
        structure.note(leaf.blob)?;
    }
    let (role, size) = (if tree.depth == 0 { Role::Root } else { Role::Structure }, tree.size);
    let mut parse = Some(parse);
    for _ in 0..AGAIN {
        fetched(ctx, channel, &leaves, role, structure.mark).await?;
        let Ok(turn) = ctx.parsing.acquire().await else { break };
        let (store, wanted, take) = (ctx.store.clone(), leaves.clone(), parse.take());
        let done = blocking(move || {
            let Some(take) = take else { return fail(Code::Internal, "a stream was parsed twice") };
            match load(&store, &wanted, size)? {
                Some(stream) => take(&store, &stream).map(Ok),
                None => Ok(Err(take)),
            }
        })
        .await?;
        drop(turn);
        match done {
            Ok(value) => return Ok(value),
            // A newer list let go of some of it: it is fetched again.
            Err(take) => parse = Some(take),
        }
    }
    fail(Code::Cancelled, "The list is no longer fetched.")
}

/// Waits until every one of these is here: all are asked for at once.
async fn fetched(
    ctx: &Ctx,
    channel: ChannelKey,
    leaves: &[Chunk],
    role: Role,
    mark: Option<(ChannelKey, ItemId)>,
) -> Result<()> {
    let mut coming = Vec::new();
    for leaf in leaves {
        if let Some(waiting) = want(ctx, channel, leaf.blob, role).await? {
            coming.push((Unwant(ctx, Some(leaf.blob)), waiting));
        }
    }
    if coming.is_empty() {
        return Ok(());
    }
    marked(ctx, mark, false).await?;
    for (mut guard, waiting) in coming {
        arrived(waiting.await)?;
        guard.1.take();
    }
    marked(ctx, mark, true).await
}

/// The stream; `None`: some of it is not here any more. Blocking.
fn load(store: &Store, leaves: &[Chunk], size: u64) -> Result<Option<Vec<u8>>> {
    // `size` was checked, so it fits.
    let mut stream = Vec::with_capacity(usize::try_from(size).unwrap_or(0));
    for leaf in leaves {
        let sealed = match store.read_blob(&leaf.blob) {
            Ok(sealed) => sealed,
            Err(ReadError::Missing | ReadError::Changed { .. }) => return Ok(None),
            Err(ReadError::Store(error)) => return Err(error.into()),
        };
        let plain = blob::open(sealed, &leaf.key)?;
        stream.extend_from_slice(&plain[..leaf.len as usize]);
    }
    Ok(Some(stream))
}

/// Notes that an item's tables are worked on, or not: see [`Store::set_reading`].
async fn marked(ctx: &Ctx, mark: Option<(ChannelKey, ItemId)>, now: bool) -> Result<()> {
    match mark {
        Some((key, id)) => ctx.with_store(move |s| s.set_reading(&key, &id, now)).await,
        None => Ok(()),
    }
}

/// What the engine says of a structure blob that was wanted.
type Arrived = std::result::Result<(), store::StoreError>;

/// Asks the swarm for a structure blob without waiting for it.
async fn want(ctx: &Ctx, channel: ChannelKey, blob: BlobId, role: Role) -> Result<Option<oneshot::Receiver<Arrived>>> {
    if ctx.with_store(move |s| s.has(&blob)).await? {
        return Ok(None);
    }
    let (done, waiting) = oneshot::channel();
    ctx.engine.send(Input::Structure { blob, channel, role, done }).await;
    Ok(Some(waiting))
}

/// Takes a want back when its reader is dropped before the blob came.
struct Unwant<'a>(&'a Inner, Option<BlobId>);

impl Drop for Unwant<'_> {
    fn drop(&mut self) {
        if let Some(blob) = self.1.take() {
            let engine = self.0.engine.clone();
            self.0.spawn(async move { engine.send(Input::Unwant(vec![blob])).await });
        }
    }
}

/// What became of a want.
fn arrived(answer: std::result::Result<Arrived, oneshot::error::RecvError>) -> Result<()> {
    match answer {
        Ok(Ok(())) => Ok(()),
        Ok(Err(error)) => Err(error.into()),
        Err(_) => fail(Code::Cancelled, "The list is no longer fetched."),
    }
}

/// One structure blob, opened; fetched first if it is not here.
async fn opened(
    ctx: &Ctx,
    channel: ChannelKey,
    blob: BlobId,
    key: &BlobKey,
    role: Role,
    mark: Option<(ChannelKey, ItemId)>,
) -> Result<Vec<u8>> {
    if let Some(waiting) = want(ctx, channel, blob, role).await? {
        let mut guard = Unwant(ctx, Some(blob));
        marked(ctx, mark, false).await?;
        arrived(waiting.await)?;
        guard.1 = None;
        marked(ctx, mark, true).await?;
    }
    let (store, key) = (ctx.store.clone(), key.clone());
    blocking(move || Ok(blob::open(store.read_blob(&blob)?, &key)?)).await
}

/// Keys for structure blobs: fixed by the identity and the content, so that an unchanged page keeps its blobs, and never
/// one key for two contents.
fn structure_key(identity: &Identity, plain: &[u8]) -> BlobKey {
    let mut message = b"megatorrent structure v1".to_vec();
    message.extend_from_slice(&BlobId::of(plain).0);
    message.extend_from_slice(identity.seed().as_slice());
    let key = BlobId::of(&message).0;
    zeroize::Zeroize::zeroize(&mut message);
    BlobKey { key, nonce: [0; 12] }
}

/// Cuts a stream into structure blobs of the channel, stores them, and names them by a tree. Blocking.
pub(crate) fn write(store: &store::Store, identity: &Identity, stream: &[u8], blobs: &mut Vec<BlobId>) -> Result<Tree> {
    let channel = identity.channel();
    let mut chunks = Vec::new();
    let cuts: Vec<&[u8]> = if stream.is_empty() { vec![&[]] } else { stream.chunks(CHUNK_LEN).collect() };
    let one = cuts.len() == 1;
    for cut in cuts {
        let key = structure_key(identity, cut);
        let sealed = blob::seal(buffer(cut), &key);
        store.put_stored(&channel, if one { Role::Root } else { Role::Structure }, &sealed)?;
        blobs.push(sealed.id());
        chunks.push(Chunk { blob: sealed.id(), key, offset: 0, len: u32::try_from(cut.len()).unwrap_or(u32::MAX) });
    }
    tables(store, identity, &chunks, stream.len() as u64, blobs)
}

/// Stores the tables above chunks that exist already. Blocking.
pub(crate) fn tables(
    store: &store::Store,
    identity: &Identity,
    chunks: &[Chunk],
    size: u64,
    blobs: &mut Vec<BlobId>,
) -> Result<Tree> {
    let channel = identity.channel();
    // A table's key comes from what the table names, so the same file list makes the same tables.
    let mut seed = Vec::with_capacity(chunks.len() * 32);
    chunks.iter().for_each(|c| seed.extend_from_slice(&c.blob.0));
    let mut next = 0_u64;
    let mut random = || {
        next += 1;
        let mut named = seed.clone();
        named.extend_from_slice(&next.to_be_bytes());
        structure_key(identity, &named)
    };
    protocol::tree::build(chunks, size, &mut random, &mut |table: VerifiedBlob| {
        blobs.push(table.id());
        store.put_stored(&channel, Role::Root, &table).map_err(ErrorInfo::from)
    })
}

fn buffer(plain: &[u8]) -> Vec<u8> {
    let mut buf = Vec::with_capacity(BLOB_LEN);
    buf.extend_from_slice(plain);
    buf
}
