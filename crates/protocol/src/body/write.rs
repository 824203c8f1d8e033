//! Writes bodies: compact JSON with v5's members under v5's names, members of defaults left away.

use data_encoding::BASE64URL_NOPAD;

use super::*;
use crate::json::{Object, array, text};
use crate::params::BODY_PEERS_MAX;

pub(super) fn body(body: &Body) -> Vec<u8> {
    let mut out = Vec::new();
    let mut object = Object::new(&mut out);
    channel(&mut object, body);
    array(object.member("collections"), &body.collections, collection);
    object.integer("timestamp", body.timestamp);
    devices(&mut object, body);
    object.end();
    out
}

fn devices(object: &mut Object<'_>, body: &Body) {
    if !body.devices.is_empty() {
        object.text("devices", &BASE64URL_NOPAD.encode(&body.devices));
    }
}

/// Whether a v5 client can read every item: one file in chunks that begin their blobs, no pages.
pub(crate) fn inline_is_v5_shape(body: &Body) -> bool {
    let plain = |item: &Item| match &item.payload {
        Payload::File(FileEntry { path, content: Content::Chunks(chunks), .. }) => {
            item.name == path.as_str() && chunks.iter().all(|chunk| chunk.offset == 0)
        }
        _ => false,
    };
    body.collections.iter().all(|collection| collection.pages.is_empty() && collection.items.iter().all(plain))
}

/// Items as a v5 client writes them, comma between, at most `room` bytes: those of one file whose chunks begin their
/// blobs, newest first as they come; one that does not fit makes room for an older one. Of two files with one name, which
/// such a client would write over each other, the newer.
pub(crate) fn for_v5(items: &[Item], room: usize) -> Vec<u8> {
    let mut out: Vec<u8> = Vec::new();
    let mut names = std::collections::BTreeSet::new();
    for file in items.iter().filter_map(only_file) {
        let Content::Chunks(chunks) = &file.content else { continue };
        let name = file.path.as_str().rsplit('/').next().unwrap_or_default();
        let least = name.len() + chunks.len() * CHUNK_JSON_MIN;
        if out.len() + least > room || chunks.iter().any(|chunk| chunk.offset != 0) || names.contains(name) {
            continue;
        }
        let before = out.len();
        if before > 0 {
            out.push(b',');
        }
        let mut object = Object::new(&mut out);
        object.text("name", name);
        object.integer("size", file.size);
        array(object.member("chunks"), chunks, chunk);
        object.end();
        if out.len() > room {
            out.truncate(before);
        } else {
            names.insert(name);
        }
    }
    out
}

/// Bytes of a chunk's JSON, at least: its ID, key and nonce in hex.
const CHUNK_JSON_MIN: usize = 2 * (32 + 32 + 12);

fn only_file(item: &Item) -> Option<&FileEntry> {
    match &item.payload {
        Payload::File(file) => Some(file),
        Payload::Folder(files) => match files.as_slice() {
            [only] if item.left_out.is_empty() => Some(only),
            _ => None,
        },
        Payload::FolderTree { .. } => None,
    }
}

/// Writes the body's members into a manifest: `collections` and `timestamp` first, where v5 has them. A v5 client
/// reads `collections[0]` without a look, so there is always one.
pub(crate) fn write_inline(object: &mut Object<'_>, body: &Body) {
    let empty = [Collection::default()];
    let collections = if body.collections.is_empty() { &empty } else { body.collections.as_slice() };
    array(object.member("collections"), collections, collection);
    object.integer("timestamp", body.timestamp);
    channel(object, body);
    devices(object, body);
}

fn channel(object: &mut Object<'_>, body: &Body) {
    if !body.name.is_empty() || !body.about.is_empty() {
        let mut channel = Object::new(object.member("channel"));
        text_unless_empty(&mut channel, "name", &body.name);
        text_unless_empty(&mut channel, "about", &body.about);
        channel.end();
    }
    // Names are looked up by somebody: they never stand where peers read addresses.
    let peers = body.peers.iter().filter(|peer| !matches!(peer, PeerAddr::Name(..)));
    if peers.clone().next().is_some() {
        array(object.member("peers"), peers.take(BODY_PEERS_MAX), |out, peer| text(out, &peer.to_string()));
    }
}

fn collection(out: &mut Vec<u8>, collection: &Collection) {
    let mut object = Object::new(out);
    text_unless_empty(&mut object, "title", &collection.title);
    array(object.member("items"), &collection.items, item);
    if !collection.pages.is_empty() {
        array(object.member("pages"), &collection.pages, |out, page| {
            let mut object = Object::new(out);
            object.integer("count", page.count.into());
            object.integer("bytes", page.bytes);
            page.tree.write(object.member("tree"));
            object.end();
        });
    }
    object.end();
}

pub(super) fn item(out: &mut Vec<u8>, item: &Item) {
    let mut object = Object::new(out);
    object.hex("id", &item.id.0);
    object.text("name", &item.name);
    text_unless_empty(&mut object, "about", &item.about);
    if item.published != 0 {
        object.integer("published", item.published);
    }
    match &item.payload {
        // A file's path is its item's name; under another title it is a folder of one.
        Payload::File(file) if item.name == file.path.as_str() => size_and_content(&mut object, file),
        Payload::File(file) => files(object.member("files"), std::slice::from_ref(file), &item.left_out),
        Payload::Folder(entries) => files(object.member("files"), entries, &item.left_out),
        Payload::FolderTree { tree, size, count } => {
            object.integer("size", *size);
            object.integer("count", (*count).into());
            tree.write(object.member("filesTree"));
        }
    }
    object.end();
}

pub(super) fn page(items: &[Item]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut object = Object::new(&mut out);
    array(object.member("items"), items, item);
    object.end();
    out
}

pub(super) fn files_json(entries: &[FileEntry]) -> Vec<u8> {
    let mut out = Vec::new();
    files(&mut out, entries, &[]);
    out
}

fn files(out: &mut Vec<u8>, entries: &[FileEntry], left_out: &[LeftOut]) {
    enum Entry<'a> {
        Kept(&'a FileEntry),
        LeftOut(&'a LeftOut),
    }
    let entries = entries.iter().map(Entry::Kept).chain(left_out.iter().map(Entry::LeftOut));
    array(out, entries, |out, entry| {
        let mut object = Object::new(out);
        match entry {
            Entry::Kept(file) => {
                object.text("path", file.path.as_str());
                size_and_content(&mut object, file);
            }
            Entry::LeftOut(left_out) => {
                object.text("path", &left_out.path);
                object.integer("size", 0);
                array(object.member("chunks"), [(); 0], |_, ()| {});
            }
        }
        object.end();
    });
}

fn size_and_content(object: &mut Object<'_>, file: &FileEntry) {
    object.integer("size", file.size);
    if let Some(mime) = &file.mime {
        object.text("mime", mime);
    }
    match &file.content {
        Content::Tree(tree) => tree.write(object.member("tree")),
        Content::Chunks(chunks) => array(object.member("chunks"), chunks, chunk),
    }
}

fn chunk(out: &mut Vec<u8>, chunk: &Chunk) {
    let mut object = Object::new(out);
    object.hex("blobId", &chunk.blob.0);
    // v5 writes 0 and reads nothing: the member costs bytes only where it says something.
    if chunk.offset != 0 {
        object.integer("offset", chunk.offset.into());
    }
    object.hex("key", &chunk.key.key);
    object.hex("nonce", &chunk.key.nonce);
    object.integer("realSize", chunk.len.into());
    object.end();
}

fn text_unless_empty(object: &mut Object<'_>, name: &str, value: &str) {
    if !value.is_empty() {
        object.text(name, value);
    }
}
