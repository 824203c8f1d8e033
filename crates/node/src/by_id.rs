//! E7 Private channels of v5 authors: whether their blobs are looked up by ID.
//!
//! A list whose chunks stand in the manifest itself is a v5 writer's, if the channel is private: ours are always trees. Its
//! seeders announce these very IDs and know no other meeting point, so nothing is lost by looking them up but what the
//! look-up itself tells: that this node's address asks for them, today and tomorrow. That is its user's to decide, once for
//! each channel. A list of ours is never looked up so.

use protocol::manifest::Head;
use protocol::{BlobId, Body, ChannelKey, Content, FileEntry, Payload, ReadKey, SignedManifest};
use store::{Channel, Store, StoreError};
use swarm::List;

use crate::api::Cause;
use crate::ctx::{Ctx, Inner};
use crate::error::Result;

/// Where the user's word for a channel is kept.
pub(crate) fn setting(key: &ChannelKey) -> String {
    format!("blob look-ups {key}")
}

/// The user's word, if there is one.
pub(crate) fn allowed(store: &Store, key: &ChannelKey) -> std::result::Result<Option<bool>, StoreError> {
    Ok(store.setting(&setting(key))?.map(|text| text == "yes"))
}

/// A list that stands in the manifest itself.
fn inline(manifest: &SignedManifest, read_key: Option<&ReadKey>) -> Option<Body> {
    match manifest.open(read_key) {
        Ok(Head::Inline(body)) => Some(body),
        Ok(Head::Tree(_)) | Err(_) => None,
    }
}

/// Whether a v5 author wrote it: nothing of ours is in it.
fn is_v5(manifest: &SignedManifest, body: &Body) -> bool {
    let items = || body.collections.iter().flat_map(|collection| &collection.items);
    let plain = body.name.is_empty() && body.about.is_empty() && items().all(|item| item.published == 0);
    manifest.is_private() || (plain && items().next().is_some())
}

/// Blobs of the chunks that a list has inline.
fn blobs(body: &Body) -> Vec<BlobId> {
    let items = body.collections.iter().flat_map(|collection| &collection.items);
    let files = items.flat_map(|item| -> &[FileEntry] {
        match &item.payload {
            Payload::File(file) => std::slice::from_ref(file),
            Payload::Folder(files) => files,
            Payload::FolderTree { .. } => &[],
        }
    });
    let chunks = files.filter_map(|file| match &file.content {
        Content::Chunks(chunks) => Some(chunks),
        Content::Tree(_) => None,
    });
    chunks.flatten().map(|chunk| chunk.blob).collect()
}

/// Blobs that stand beside a tree, for v5 readers: they ask for these by their IDs, and are told who has them.
fn beside(manifest: &SignedManifest) -> Vec<BlobId> {
    manifest.inline_chunks().into_iter().map(|chunk| chunk.blob).collect()
}

/// Whether this is a private channel whose list a v5 author wrote, and names blobs that could be looked up.
pub(crate) fn is_asked_about(channel: &Channel) -> bool {
    let list = channel.manifest.as_ref().filter(|manifest| channel.private && manifest.is_private());
    let body = list.and_then(|manifest| inline(manifest, channel.read_key.as_ref()));
    !channel.own && body.is_some_and(|body| !blobs(&body).is_empty())
}

/// Tells the swarm what kind of list a channel has.
pub(crate) async fn tell(ctx: &Ctx, channel: &Channel) -> Result<()> {
    let key = channel.key;
    let mut list = List::default();
    if let Some(manifest) = channel.manifest.as_ref() {
        if let Some(body) = inline(manifest, channel.read_key.as_ref()) {
            let may = !manifest.is_private() || ctx.with_store(move |s| allowed(s, &key)).await? == Some(true);
            list = List { v5: may && is_v5(manifest, &body), inline: blobs(&body) };
        } else {
            list.inline = beside(manifest);
        }
    }
    ctx.engine.ask(move |swarm, now| swarm.set_list(now, &key, list)).await;
    Ok(())
}

/// Keeps the user's word, and does as it says.
pub(crate) async fn set(ctx: &Ctx, channel: &Channel, allow: bool) -> Result<()> {
    let key = channel.key;
    ctx.with_store(move |s| s.set_setting(&setting(&key), Some(if allow { "yes" } else { "no" }))).await?;
    if ctx.config.offline { Ok(()) } else { tell(ctx, channel).await }
}

/// Why a channel stands still of which nobody is met: the question that its user has not answered, or answered with no.
pub(crate) async fn question(ctx: &Inner, key: ChannelKey) -> Option<Cause> {
    // Without a DHT there is nothing to ask about.
    ctx.dht()?;
    let (row, word) = ctx.with_store(move |s| Ok((s.channel(&key)?, allowed(s, &key)?))).await.ok()?;
    row.filter(is_asked_about).filter(|_| word != Some(true))?;
    Some(Cause::BlobLookups { refused: word == Some(false) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use protocol::Identity;

    #[test]
    fn a_v5_authors_list_is_told_from_ours() {
        let identity = Identity::from_seed(&[5; 32]);
        let tree = protocol::Tree {
            blob: BlobId([1; 32]),
            key: protocol::BlobKey { key: [2; 32], nonce: [3; 12] },
            size: 10,
            depth: 0,
        };
        let ours = SignedManifest::sign_tree(&identity, 7, &tree, 7);
        assert!(inline(&ours, None).is_none() && beside(&ours).is_empty());
        let chunk = protocol::Chunk { blob: BlobId([8; 32]), key: tree.key.clone(), offset: 0, len: 4 };
        let file = FileEntry {
            path: protocol::SafePath::parse("a").unwrap(),
            size: 4,
            mime: None,
            content: Content::Chunks(vec![chunk]),
        };
        let item = protocol::Item {
            id: protocol::ItemId([1; 16]),
            name: "a".into(),
            about: String::new(),
            published: 0,
            payload: Payload::File(file),
            left_out: Vec::new(),
        };
        let seen = SignedManifest::sign_tree_beside(&identity, 7, &tree, 7, &[item]);
        assert_eq!((inline(&seen, None).is_none(), beside(&seen)), (true, vec![BlobId([8; 32])]));
        let read_key = ReadKey([9; 32]);
        let ours = SignedManifest::sign_private(&identity, 7, &tree, 7, &read_key, [4; 12]);
        assert!(inline(&ours, Some(&read_key)).is_none(), "a private list of ours is always a tree");
        assert!(beside(&ours).is_empty(), "and shows nothing");
    }
}
