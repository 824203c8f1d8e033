//! Reads bodies: member by member into the final types, every bound checked before anything is kept.

use std::collections::{BTreeSet, HashMap, HashSet};

use blake2::digest::consts::U16;
use blake2::{Blake2b, Digest};
use data_encoding::BASE64URL_NOPAD;

use super::*;
use crate::devices::MARK_MAX;
use crate::json::Reader;
use crate::params::*;

type Result<T, E = BodyError> = std::result::Result<T, E>;

/// What stands beside a manifest's own members: the body, or the tree that leads to it.
#[derive(Default)]
pub(crate) struct Envelope {
    name: String,
    about: String,
    peers: Vec<PeerAddr>,
    collections: Option<Vec<Collection>>,
    timestamp: u64,
    devices: Vec<u8>,
    tree: Option<Tree>,
}

impl Envelope {
    /// The tree named by `body`, if there is one.
    pub(crate) fn take_tree(&mut self) -> Result<Option<Tree>> {
        match self.tree.take() {
            Some(tree) => tree.check(BODY_MAX).map(|()| Some(tree)).map_err(BodyError::from),
            None => Ok(None),
        }
    }

    /// Puts what was read into its collections.
    fn take(&mut self, entries: Vec<(usize, Entry)>) {
        for (number, entry) in entries {
            let Some(collection) = self.collections.as_mut().and_then(|all| all.get_mut(number)) else { continue };
            match entry {
                Entry::Item(item) => collection.items.push(*item),
                Entry::Page(page) => collection.pages.push(page),
            }
        }
    }

    /// The body that stands in the manifest itself.
    pub(crate) fn into_body(self) -> Result<Body> {
        let Self { name, about, peers, collections, timestamp, devices, tree: _ } = self;
        let collections = collections.ok_or(BodyError::Missing("collections"))?;
        Ok(Body { name, about, peers, collections, timestamp, devices })
    }
}

/// Reads one member of a body; members it does not know are skipped.
pub(crate) fn read_envelope_member(envelope: &mut Envelope, reader: &mut Reader<'_>, name: &str) -> Result<()> {
    let mut entries = Vec::new();
    read_member(envelope, reader, name, &mut |number, entry| entries.push((number, entry)))?;
    envelope.take(entries);
    Ok(())
}

fn read_member(
    envelope: &mut Envelope,
    reader: &mut Reader<'_>,
    name: &str,
    each: &mut dyn FnMut(usize, Entry),
) -> Result<()> {
    match name {
        "channel" => reader.object(|reader, name| {
            match name {
                "name" => envelope.name = text(reader, "channel's name", NAME_MAX)?,
                "about" => envelope.about = text(reader, "channel's description", ABOUT_MAX)?,
                _ => reader.skip()?,
            }
            Ok(())
        }),
        "peers" => reader.array(|reader| {
            // Kinds of addresses that are not known here, and names, are no way in for us.
            if let Ok(peer @ (PeerAddr::Ip(_) | PeerAddr::Onion(..))) = reader.text()?.parse::<PeerAddr>()
                && envelope.peers.len() < BODY_PEERS_MAX
            {
                envelope.peers.push(peer);
            }
            Ok(())
        }),
        "collections" => {
            envelope.collections = Some(collections(reader, each)?);
            Ok(())
        }
        "timestamp" => {
            envelope.timestamp = reader.integer()?;
            Ok(())
        }
        "devices" => {
            // For its author's devices: to whoever cannot read it, it is nothing.
            let mark = reader.text()?;
            if mark.len() <= BASE64URL_NOPAD.encode_len(MARK_MAX) {
                envelope.devices = BASE64URL_NOPAD.decode(mark.as_bytes()).unwrap_or_default();
            }
            Ok(())
        }
        "body" => {
            envelope.tree = Some(Tree::read(reader)?);
            Ok(())
        }
        _ => Ok(reader.skip()?),
    }
}

pub(super) fn body(stream: &[u8]) -> Result<Body> {
    let mut reader = open(stream, BODY_MAX)?;
    let mut envelope = Envelope::default();
    reader.object(|reader, name| read_envelope_member(&mut envelope, reader, name))?;
    reader.end()?;
    envelope.into_body()
}

pub(super) fn body_each(stream: &[u8], each: &mut dyn FnMut(usize, Entry)) -> Result<Body> {
    let mut reader = open(stream, BODY_MAX)?;
    let mut envelope = Envelope::default();
    reader.object(|reader, name| read_member(&mut envelope, reader, name, each))?;
    reader.end()?;
    envelope.into_body()
}

pub(super) fn page(stream: &[u8]) -> Result<Vec<Item>> {
    let mut found = Vec::new();
    page_each(stream, &mut |item| found.push(item))?;
    Ok(found)
}

pub(super) fn page_each(stream: &[u8], each: &mut dyn FnMut(Item)) -> Result<()> {
    let mut reader = open(stream, PAGE_MAX)?;
    let mut found = false;
    reader.object(|reader, name| {
        match name {
            "items" => {
                items(reader, &mut BTreeSet::new(), PAGE_ITEMS_MAX, each)?;
                found = true;
            }
            _ => reader.skip()?,
        }
        Ok::<(), BodyError>(())
    })?;
    reader.end()?;
    if found { Ok(()) } else { Err(BodyError::Missing("items")) }
}

pub(super) fn item_json(json: &[u8]) -> Result<Item> {
    let mut reader = open(json, PAGE_MAX)?;
    let item = item(&mut reader)?;
    reader.end()?;
    Ok(item)
}

pub(super) fn files_json(stream: &[u8]) -> Result<(Vec<FileEntry>, Vec<LeftOut>)> {
    let (mut kept, mut left_out) = (Vec::new(), Vec::new());
    files_each(stream, &mut |file| sort(file, &mut kept, &mut left_out))?;
    Ok((kept, left_out))
}

pub(super) fn files_each(stream: &[u8], each: &mut dyn FnMut(Result<FileEntry, LeftOut>)) -> Result<()> {
    let mut reader = open(stream, FILES_STREAM_MAX)?;
    files(&mut reader, FILES_MAX, each)?;
    reader.end()?;
    Ok(())
}

fn sort(file: Result<FileEntry, LeftOut>, kept: &mut Vec<FileEntry>, left_out: &mut Vec<LeftOut>) {
    match file {
        Ok(file) => kept.push(file),
        Err(file) => left_out.push(file),
    }
}

fn open(stream: &[u8], max: u64) -> Result<Reader<'_>> {
    let size = stream.len() as u64;
    if size > max {
        return Err(BodyError::Long { size, max });
    }
    Ok(Reader::new(stream)?)
}

fn text(reader: &mut Reader<'_>, what: &'static str, max: usize) -> Result<String> {
    let text = reader.text()?;
    if text.len() > max {
        return Err(BodyError::Text { what, found: text.len(), max });
    }
    Ok(text.into_owned())
}

fn room(len: usize, what: &'static str, max: usize) -> Result<()> {
    if len < max { Ok(()) } else { Err(BodyError::Count { what, max }) }
}

/// Reads collections; `each` gets what they name, with the collection's number. Those that come back are empty.
fn collections(reader: &mut Reader<'_>, each: &mut dyn FnMut(usize, Entry)) -> Result<Vec<Collection>> {
    let mut found: Vec<Collection> = Vec::new();
    let mut ids = BTreeSet::new();
    let mut named = HashSet::new();
    reader.array(|reader| {
        room(found.len(), "collections", COLLECTIONS_MAX)?;
        let number = found.len();
        let mut collection = Collection::default();
        reader.object(|reader, name| {
            match name {
                "title" => collection.title = text(reader, "collection's title", NAME_MAX)?,
                "items" => items(reader, &mut ids, BODY_ITEMS_MAX, &mut |item| {
                    each(number, Entry::Item(Box::new(item)));
                })?,
                "pages" => pages(reader, &mut named, &mut |page| each(number, Entry::Page(page)))?,
                _ => reader.skip()?,
            }
            Ok::<(), BodyError>(())
        })?;
        found.push(collection);
        Ok::<(), BodyError>(())
    })?;
    Ok(found)
}

/// Reads references to pages; `named` holds the roots of those that this body named before: each would be fetched, opened
/// and read again.
fn pages(reader: &mut Reader<'_>, named: &mut HashSet<BlobId>, each: &mut dyn FnMut(PageRef)) -> Result<()> {
    reader.array(|reader| {
        room(named.len(), "pages", PAGES_MAX)?;
        let (mut count, mut bytes, mut tree) = (0, 0, None);
        reader.object(|reader, name| {
            match name {
                "count" => count = reader.integer()?,
                "bytes" => bytes = reader.integer()?,
                "tree" => tree = Some(Tree::read(reader)?),
                _ => reader.skip()?,
            }
            Ok::<(), BodyError>(())
        })?;
        let tree: Tree = tree.ok_or(BodyError::Missing("tree"))?;
        tree.check(PAGE_MAX)?;
        let too_many = BodyError::Count { what: "items on a page", max: PAGE_ITEMS_MAX };
        let count = u32::try_from(count).ok().filter(|count| *count as usize <= PAGE_ITEMS_MAX).ok_or(too_many)?;
        if !named.insert(tree.blob) {
            return Err(BodyError::PageTwice);
        }
        each(PageRef { count, bytes, tree });
        Ok(())
    })
}

/// Reads items; `ids` holds what is known of this body, at most `max` in all.
fn items(reader: &mut Reader<'_>, ids: &mut BTreeSet<ItemId>, max: usize, each: &mut dyn FnMut(Item)) -> Result<()> {
    reader.array(|reader| {
        let item = item(reader)?;
        if !ids.contains(&item.id) {
            room(ids.len(), "items", max)?;
            ids.insert(item.id);
            each(item);
        }
        Ok::<(), BodyError>(())
    })
}

/// The members that say where bytes are, of an item or a file.
#[derive(Default)]
struct Parts {
    size: Option<u64>,
    mime: Option<String>,
    chunks: Option<Vec<Chunk>>,
    tree: Option<Tree>,
}

impl Parts {
    /// Reads one of them; false if the member is none.
    fn member(&mut self, reader: &mut Reader<'_>, name: &str) -> Result<bool> {
        match name {
            "size" => self.size = Some(reader.integer()?),
            "mime" => self.mime = Some(text(reader, "media type", MIME_MAX)?).filter(|mime| !mime.is_empty()),
            "chunks" => self.chunks = Some(chunks(reader)?),
            "tree" => self.tree = Some(Tree::read(reader)?),
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn into_file(self, path: SafePath, kinds: &'static str) -> Result<FileEntry> {
        let (content, held) = match (self.chunks, self.tree) {
            (Some(chunks), None) => {
                let held = chunks.iter().map(|chunk| u64::from(chunk.len)).sum();
                (Content::Chunks(chunks), held)
            }
            (None, Some(tree)) => {
                tree.check(TREE_SIZE_MAX)?;
                let held = tree.size;
                (Content::Tree(tree), held)
            }
            _ => return Err(BodyError::Content(kinds)),
        };
        let size = self.size.unwrap_or(held);
        if size != held {
            return Err(BodyError::Size { size, content: held });
        }
        Ok(FileEntry { path, size, mime: self.mime, content })
    }
}

fn item(reader: &mut Reader<'_>) -> Result<Item> {
    const KINDS: &str = "chunks, tree, files and filesTree";
    let (mut id, mut name, mut about, mut published) = (None, None, String::new(), 0);
    let (mut folder, mut files_tree, mut count) = (None, None, 0);
    let mut parts = Parts::default();
    reader.object(|reader, member| {
        match member {
            "id" => id = Some(ItemId(reader.hex("an item ID of 32 hexadecimal characters")?)),
            "name" => name = Some(text(reader, "item's name", NAME_MAX)?),
            "about" => about = text(reader, "item's description", ABOUT_MAX)?,
            "published" => published = reader.integer()?,
            "files" => {
                let (mut kept, mut left_out) = (Vec::new(), Vec::new());
                files(reader, INLINE_FILES_MAX, &mut |file| sort(file, &mut kept, &mut left_out))?;
                folder = Some((kept, left_out));
            }
            "filesTree" => files_tree = Some(Tree::read(reader)?),
            "count" => count = reader.integer()?,
            _ if parts.member(reader, member)? => {}
            _ => reader.skip()?,
        }
        Ok::<(), BodyError>(())
    })?;
    let name = name.ok_or(BodyError::Missing("name"))?;
    let id = id.unwrap_or_else(|| derived_id(&name, parts.chunks.as_deref().unwrap_or_default()));
    let has_content = parts.chunks.is_some() || parts.tree.is_some();
    let (payload, left_out) = match (folder, files_tree, has_content) {
        (Some((files, left_out)), None, false) => (Payload::Folder(files), left_out),
        (None, Some(tree), false) => {
            tree.check(FILES_STREAM_MAX)?;
            let too_many = BodyError::Count { what: "files", max: FILES_MAX };
            let count = u32::try_from(count).ok().filter(|count| *count as usize <= FILES_MAX).ok_or(too_many)?;
            (Payload::FolderTree { tree, size: parts.size.unwrap_or(0), count }, Vec::new())
        }
        (None, None, true) => match SafePath::parse(&name) {
            Ok(path) => (Payload::File(parts.into_file(path, KINDS)?), Vec::new()),
            Err(why) => (Payload::Folder(Vec::new()), vec![LeftOut { path: name.clone(), why }]),
        },
        _ => return Err(BodyError::Content(KINDS)),
    };
    Ok(Item { id, name, about, published, payload, left_out })
}

/// The ID of an item whose writer gave none: BLAKE2b-128 over its name, a zero byte, and the IDs of its blobs.
fn derived_id(name: &str, chunks: &[Chunk]) -> ItemId {
    let mut hash = Blake2b::<U16>::new().chain_update(name).chain_update([0]);
    chunks.iter().for_each(|chunk| hash.update(chunk.blob.0));
    ItemId(hash.finalize().into())
}

fn files(reader: &mut Reader<'_>, max: usize, each: &mut dyn FnMut(Result<FileEntry, LeftOut>)) -> Result<()> {
    let mut taken = Taken::default();
    let (mut count, mut total, mut paths) = (0, 0_u64, 0_usize);
    reader.array(|reader| {
        room(count, "files in one item", max)?;
        count += 1;
        let mut path = None;
        let mut parts = Parts::default();
        reader.object(|reader, name| {
            match name {
                "path" => path = Some(reader.text()?.into_owned()),
                _ if parts.member(reader, name)? => {}
                _ => reader.skip()?,
            }
            Ok::<(), BodyError>(())
        })?;
        let text = path.ok_or(BodyError::Missing("path"))?;
        match SafePath::parse(&text).and_then(|path| taken.claim(&path).map(|()| path)) {
            Ok(path) => {
                paths += path.as_str().len();
                if paths > ITEM_PATHS_MAX {
                    return Err(BodyError::Count { what: "bytes of paths in one item", max: ITEM_PATHS_MAX });
                }
                if taken.names.len() > ITEM_NAMES_MAX {
                    return Err(BodyError::Count { what: "files and folders in one item", max: ITEM_NAMES_MAX });
                }
                let file = parts.into_file(path, "chunks and tree")?;
                total = total.checked_add(file.size).filter(|sum| *sum <= SEQUENCE_MAX).ok_or(BodyError::Overflow)?;
                each(Ok(file));
            }
            Err(why) => each(Err(LeftOut { path: cut(text), why })),
        }
        Ok::<(), BodyError>(())
    })
}

/// The names that an item's earlier files need: their hashes, for an item may have very many.
#[derive(Default)]
struct Taken {
    /// Hash of a collision key, and whether it is a folder's.
    names: HashMap<[u8; 16], bool>,
}

impl Taken {
    /// Takes the path and its folders, unless an earlier file stands in the way.
    fn claim(&mut self, path: &SafePath) -> Result<(), PathError> {
        let hash = |name: &str| -> [u8; 16] { Blake2b::<U16>::digest(name).into() };
        let key = path.collision_key();
        let folders: Vec<[u8; 16]> = key.match_indices('/').map(|(end, _)| hash(&key[..end])).collect();
        let file = hash(&key);
        let in_the_way =
            self.names.contains_key(&file) || folders.iter().any(|name| self.names.get(name) == Some(&false));
        if in_the_way {
            return Err(PathError::Collision);
        }
        for folder in folders {
            self.names.entry(folder).or_insert(true);
        }
        self.names.insert(file, false);
        Ok(())
    }
}

/// A left-out path is shown, no more: its front will do.
fn cut(mut text: String) -> String {
    if text.len() > crate::path::PATH_MAX {
        text.truncate(text.floor_char_boundary(crate::path::PATH_MAX));
    }
    text
}

fn chunks(reader: &mut Reader<'_>) -> Result<Vec<Chunk>> {
    let mut found = Vec::new();
    reader.array(|reader| {
        let (mut blob, mut key, mut nonce, mut offset, mut len) = (None, None, None, 0, None);
        reader.object(|reader, name| {
            match name {
                "blobId" => blob = Some(BlobId(reader.hex("a blob ID of 64 hexadecimal characters")?)),
                "key" => key = Some(reader.hex("a key of 64 hexadecimal characters")?),
                "nonce" => nonce = Some(reader.hex("a nonce of 24 hexadecimal characters")?),
                "offset" => offset = reader.integer()?,
                "realSize" => len = Some(reader.integer()?),
                _ => reader.skip()?,
            }
            Ok::<(), BodyError>(())
        })?;
        let blob = blob.ok_or(BodyError::Missing("blobId"))?;
        let key = key.ok_or(BodyError::Missing("key"))?;
        let nonce = nonce.ok_or(BodyError::Missing("nonce"))?;
        let len = len.ok_or(BodyError::Missing("realSize"))?;
        let outside = BodyError::Chunk { offset, len };
        if len == 0 || offset.checked_add(len).is_none_or(|end| end > CHUNK_LEN as u64) {
            return Err(outside);
        }
        let (Ok(offset), Ok(len)) = (u32::try_from(offset), u32::try_from(len)) else { return Err(outside) };
        found.push(Chunk { blob, key: BlobKey { key, nonce }, offset, len });
        Ok(())
    })?;
    Ok(found)
}
