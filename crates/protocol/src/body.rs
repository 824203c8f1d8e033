//! E2 The manifest's body — channels, collections, items, files, pages.
//!
//! Everything in a body is its publisher's word: bounded while it is read, texts kept as the hostile text they are,
//! paths through [`SafePath`] or left out. The first item of an ID counts, a later one with the same ID is not kept;
//! so do the first of two files that some system cannot tell apart. Reading stands in `body/read.rs`, writing in
//! `body/write.rs`.

mod read;
#[cfg(test)]
mod tests;
mod write;

use crate::json::JsonError;
use crate::path::PathError;
use crate::tree::TreeError;
use crate::{BlobId, BlobKey, ItemId, PeerAddr, SafePath, Tree};

pub(crate) use read::{Envelope, read_envelope_member};
pub(crate) use write::{for_v5, inline_is_v5_shape, write_inline};

/// Longest name of a channel, item or collection, in bytes of UTF-8.
pub const NAME_MAX: usize = 1024;
/// Longest description of a channel or item, in bytes of UTF-8.
pub const ABOUT_MAX: usize = 16 << 10;
/// Longest media type, in bytes.
pub const MIME_MAX: usize = 127;
/// Collections of one body.
pub const COLLECTIONS_MAX: usize = 64;
/// Items that all collections of one body hold inline.
pub const BODY_ITEMS_MAX: usize = 20_000;
/// Pages that all collections of one body refer to.
pub const PAGES_MAX: usize = 10_000;
/// Files of one item, by `filesTree` too.
pub const FILES_MAX: usize = 100_000;
/// Longest `filesTree` stream, in bytes.
pub const FILES_STREAM_MAX: u64 = 64 << 20;

/// Where some bytes of a file lie: `len` bytes at `offset` of the opened blob.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chunk {
    /// The blob.
    pub blob: BlobId,
    /// Its key and nonce.
    pub key: BlobKey,
    /// First byte in the opened blob; 0 but in packed blobs.
    pub offset: u32,
    /// Bytes (`realSize`).
    pub len: u32,
}
/// A file's bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// Chunk by chunk, in order.
    Chunks(Vec<Chunk>),
    /// By a tree.
    Tree(Tree),
}
/// One file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileEntry {
    /// Where it goes, relative to the item.
    pub path: SafePath,
    /// Bytes.
    pub size: u64,
    /// Media type as the publisher says, or none.
    pub mime: Option<String>,
    /// Its bytes.
    pub content: Content,
}
/// A file that cannot be stored here, and why; the rest of its item can.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeftOut {
    /// The path as sent: hostile text.
    pub path: String,
    /// Why.
    pub why: PathError,
}
/// What an item brings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Payload {
    /// One file; its path is its name.
    File(FileEntry),
    /// A folder, named inline.
    Folder(Vec<FileEntry>),
    /// A folder of more than 1000 files: a tree of the array; `size` and `count` as the publisher says.
    FolderTree {
        /// The array's stream.
        tree: Tree,
        /// Bytes of all files, 0 if not said.
        size: u64,
        /// Number of files, 0 if not said.
        count: u32,
    },
}
/// One item of a channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// Stable over edits; derived from the content where a v5 writer gave none.
    pub id: ItemId,
    /// Title: hostile text.
    pub name: String,
    /// Description: hostile text.
    pub about: String,
    /// Milliseconds since 1970, 0 if not said.
    pub published: u64,
    /// What it brings.
    pub payload: Payload,
    /// Files that cannot be stored here.
    pub left_out: Vec<LeftOut>,
}
/// Older items, by reference.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PageRef {
    /// Items on it.
    pub count: u32,
    /// Bytes of all its items' files.
    pub bytes: u64,
    /// Its stream.
    pub tree: Tree,
}
/// A titled list of items.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Collection {
    /// Hostile text.
    pub title: String,
    /// Newest, inline.
    pub items: Vec<Item>,
    /// Older.
    pub pages: Vec<PageRef>,
}
/// What a collection names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Entry {
    /// An item, inline.
    Item(Box<Item>),
    /// A page of older ones.
    Page(PageRef),
}
/// What a channel says of itself and holds.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Body {
    /// Hostile text.
    pub name: String,
    /// Hostile text.
    pub about: String,
    /// Ways in that the publisher names.
    pub peers: Vec<PeerAddr>,
    /// Its collections; v5 readers see the first.
    pub collections: Vec<Collection>,
    /// Milliseconds since 1970.
    pub timestamp: u64,
    /// E14 What its author's devices tell each other, sealed; empty: nothing.
    pub devices: Vec<u8>,
}
/// Why a stream is not a body, page or file list.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BodyError {
    /// Longer than such a stream may be.
    #[error("a stream of {size} bytes where {max} are allowed")]
    Long {
        /// Its bytes.
        size: u64,
        /// What is allowed.
        max: u64,
    },
    /// Not JSON, or of the wrong shape.
    #[error(transparent)]
    Json(#[from] JsonError),
    /// A member that must be there is not.
    #[error("the member \"{0}\" is missing")]
    Missing(&'static str),
    /// A text is too long.
    #[error("the {what} has {found} bytes; {max} are allowed")]
    Text {
        /// Which.
        what: &'static str,
        /// Its bytes.
        found: usize,
        /// What is allowed.
        max: usize,
    },
    /// More of something than is allowed.
    #[error("more than {max} {what}")]
    Count {
        /// Of what.
        what: &'static str,
        /// What is allowed.
        max: usize,
    },
    /// An item or file says in two ways, or in none, where its bytes are.
    #[error("an item or file needs exactly one of {0}")]
    Content(&'static str),
    /// A chunk lies outside its blob or has no bytes.
    #[error("a chunk of {len} bytes at {offset} does not lie in a blob")]
    Chunk {
        /// Where it begins.
        offset: u64,
        /// Its bytes.
        len: u64,
    },
    /// A file's size is not that of its chunks or its tree.
    #[error("a file of {size} bytes whose content has {content}")]
    Size {
        /// What it says.
        size: u64,
        /// What chunks or tree hold.
        content: u64,
    },
    /// Two pages of a body are one.
    #[error("a page is named twice")]
    PageTwice,
    /// Sizes that do not add up to a number.
    #[error("the sizes add up to more than any store holds")]
    Overflow,
    /// A tree that cannot be read.
    #[error(transparent)]
    Tree(#[from] TreeError),
}

impl Body {
    /// Reads a body stream (E2), bounded by `BODY_MAX`. A `body` tree in it is not followed.
    pub fn parse(stream: &[u8]) -> Result<Self, BodyError> {
        read::body(stream)
    }
    /// As [`Body::parse`], but hands each item and page out as soon as it is read, with the number of its collection: the
    /// collections of the body that comes back are empty. Of a stream that is refused further on, some came already.
    pub fn parse_each(stream: &[u8], each: &mut dyn FnMut(usize, Entry)) -> Result<Self, BodyError> {
        read::body_each(stream, each)
    }
    /// Writes it: compact JSON, a fixed point of JavaScript's re-serialisation.
    pub fn to_json(&self) -> Vec<u8> {
        write::body(self)
    }
}

impl Payload {
    /// Its publisher made a folder of it, however few files are in it.
    pub fn is_folder(&self) -> bool {
        !matches!(self, Self::File(_))
    }
}

impl Item {
    /// Reads one item's JSON, as [`Item::to_json`] writes it; bounded by `PAGE_MAX`.
    pub fn from_json(json: &[u8]) -> Result<Self, BodyError> {
        read::item_json(json)
    }
    /// Writes it. Files left out are written as empty ones under their paths, so that reading leaves them out again.
    pub fn to_json(&self) -> Vec<u8> {
        let mut out = Vec::new();
        write::item(&mut out, self);
        out
    }
    /// Bytes of all its files that can be stored.
    pub fn size(&self) -> u64 {
        match &self.payload {
            Payload::File(file) => file.size,
            Payload::Folder(files) => files.iter().fold(0, |sum, file| sum.saturating_add(file.size)),
            Payload::FolderTree { size, .. } => *size,
        }
    }
    /// Number of its files that can be stored; of a [`Payload::FolderTree`] what the publisher says.
    pub fn file_count(&self) -> u32 {
        match &self.payload {
            Payload::File(_) => 1,
            Payload::Folder(files) => u32::try_from(files.len()).unwrap_or(u32::MAX),
            Payload::FolderTree { count, .. } => *count,
        }
    }
}

/// Reads a page stream.
pub fn parse_page(stream: &[u8]) -> Result<Vec<Item>, BodyError> {
    read::page(stream)
}
/// As [`parse_page`], item by item: of a stream that is refused further on, some came already.
pub fn parse_page_each(stream: &[u8], each: &mut dyn FnMut(Item)) -> Result<(), BodyError> {
    read::page_each(stream, each)
}
/// Writes one.
pub fn page_to_json(items: &[Item]) -> Vec<u8> {
    write::page(items)
}
/// Reads a `filesTree` stream: files that can be stored, and those left out.
pub fn parse_files(stream: &[u8]) -> Result<(Vec<FileEntry>, Vec<LeftOut>), BodyError> {
    read::files_json(stream)
}
/// As [`parse_files`], file by file: of a stream that is refused further on, some came already.
pub fn parse_files_each(stream: &[u8], each: &mut dyn FnMut(Result<FileEntry, LeftOut>)) -> Result<(), BodyError> {
    read::files_each(stream, each)
}
/// Writes one.
pub fn files_to_json(files: &[FileEntry]) -> Vec<u8> {
    write::files_json(files)
}
