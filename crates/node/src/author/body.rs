//! A list, written: inline if the manifest has room for it, else as a tree, older items on pages.

use protocol::params::{CHUNK_LEN, MANIFEST_MAX, PAGE_ITEMS_MAX};
use protocol::{BlobId, Body, Identity, Item, SignedManifest, body};
use store::Channel;

use crate::api::{Code, ErrorInfo};
use crate::error::{Result, fail};
use crate::stream;

/// Bytes that a page's mention takes in the body, at most.
const PAGE_REF: usize = 400;

/// Writes a list of these items, whose other members `list` has, its sequence as `timestamp`: inline if the manifest has room
/// for it, else as a tree, older items on pages. Blocking.
pub(super) fn write(
    store: &store::Store,
    identity: &Identity,
    row: &Channel,
    items: &[Item],
    mut list: Body,
    blobs: &mut Vec<BlobId>,
) -> Result<SignedManifest> {
    let sequence = list.timestamp;
    list.collections = vec![body::Collection { title: "Default".into(), items: items.to_vec(), pages: Vec::new() }];
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
