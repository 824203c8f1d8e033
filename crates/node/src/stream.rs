//! E1 Trees, read from the swarm and written to the store: bodies, pages, file lists, and the chunk lists of files.

use protocol::params::{BLOB_LEN, CHUNK_LEN};
use protocol::{BlobId, BlobKey, ChannelKey, Chunk, Identity, Tree, VerifiedBlob, blob};
use store::Role;
use tokio::sync::oneshot;

use crate::api::{Code, ErrorInfo};
use crate::ctx::{Ctx, Inner};
use crate::engine::Input;
use crate::error::{Result, blocking, fail};

/// Reads a whole stream of at most `max` bytes; `blobs` gets every blob it consists of.
pub(crate) async fn read(
    ctx: &Ctx,
    channel: ChannelKey,
    tree: &Tree,
    max: u64,
    blobs: &mut Vec<BlobId>,
) -> Result<Vec<u8>> {
    tree.check(max)?;
    let leaves = chunks(ctx, channel, tree, blobs).await?;
    for leaf in leaves.iter().skip(1) {
        want(ctx, channel, leaf.blob, Role::Structure).await?;
    }
    let mut stream = Vec::new();
    for (i, leaf) in leaves.iter().enumerate() {
        let role = if i == 0 && tree.depth == 0 { Role::Root } else { Role::Structure };
        let plain = opened(ctx, channel, leaf.blob, &leaf.key, role).await?;
        stream.extend_from_slice(&plain[..leaf.len as usize]);
        blobs.push(leaf.blob);
    }
    Ok(stream)
}

/// The chunks of a tree's stream: reads its tables only; `blobs` gets those.
pub(crate) async fn chunks(ctx: &Ctx, channel: ChannelKey, tree: &Tree, blobs: &mut Vec<BlobId>) -> Result<Vec<Chunk>> {
    if tree.depth > 0 {
        blobs.push(tree.blob);
    }
    let mut level = vec![tree.clone()];
    let mut role = Role::Root;
    while level.first().is_some_and(|t| t.depth > 0) {
        let mut below = Vec::new();
        for table in level {
            let plain = opened(ctx, channel, table.blob, &table.key, role).await?;
            let children = table.children(&plain)?;
            if children.first().is_some_and(|c| c.depth > 0) {
                blobs.extend(children.iter().map(|c| c.blob));
            }
            below.extend(children);
        }
        level = below;
        role = Role::Structure;
    }
    Ok(level.iter().filter_map(Tree::leaf).collect())
}

/// Asks the swarm for a structure blob without waiting for it.
async fn want(
    ctx: &Ctx,
    channel: ChannelKey,
    blob: BlobId,
    role: Role,
) -> Result<Option<oneshot::Receiver<std::result::Result<(), store::StoreError>>>> {
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

/// One structure blob, opened; fetched first if it is not here.
async fn opened(ctx: &Ctx, channel: ChannelKey, blob: BlobId, key: &BlobKey, role: Role) -> Result<Vec<u8>> {
    if let Some(waiting) = want(ctx, channel, blob, role).await? {
        let mut guard = Unwant(ctx, Some(blob));
        match waiting.await {
            Ok(Ok(())) => guard.1 = None,
            Ok(Err(error)) => return Err(error.into()),
            Err(_) => return fail(Code::Cancelled, "The list is no longer fetched."),
        }
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
