//! E2 The manifest's body — channels, collections, items, files, pages.

use crate::{BlobId, BlobKey, ItemId, PeerAddr, SafePath, Tree};

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
    pub why: crate::path::PathError,
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
}
/// Why a stream is not a body, page or file list.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BodyError {
    /// Placeholder.
    #[error("bad body")]
    Bad,
}

#[allow(clippy::todo, unused_variables)]
impl Body {
    /// Reads a body stream (E2), bounded by `BODY_MAX`.
    pub fn parse(stream: &[u8]) -> Result<Self, BodyError> {
        todo!()
    }
    /// Writes it: compact JSON, a fixed point of JavaScript's re-serialisation.
    pub fn to_json(&self) -> Vec<u8> {
        todo!()
    }
}
/// Reads a page stream.
#[allow(clippy::todo, unused_variables)]
pub fn parse_page(stream: &[u8]) -> Result<Vec<Item>, BodyError> {
    todo!()
}
/// Writes one.
#[allow(clippy::todo, unused_variables)]
pub fn page_to_json(items: &[Item]) -> Vec<u8> {
    todo!()
}
/// Reads a `filesTree` stream: files that can be stored, and those left out.
#[allow(clippy::todo, unused_variables)]
pub fn parse_files(stream: &[u8]) -> Result<(Vec<FileEntry>, Vec<LeftOut>), BodyError> {
    todo!()
}
/// Writes one.
#[allow(clippy::todo, unused_variables)]
pub fn files_to_json(files: &[FileEntry]) -> Vec<u8> {
    todo!()
}
