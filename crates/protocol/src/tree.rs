//! E1 Trees — a stream of any length, named by one blob.

use crate::{BlobId, BlobKey};

/// Names a byte stream by its root blob.
#[derive(Clone, PartialEq, Eq)]
pub struct Tree {
    /// Root blob.
    pub blob: BlobId,
    /// Its key and nonce.
    pub key: BlobKey,
    /// Bytes of the stream.
    pub size: u64,
    /// 0: the root is the stream; else tables.
    pub depth: u8,
}
impl std::fmt::Debug for Tree {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Tree({:?}, {} bytes)", self.blob, self.size)
    }
}

/// One child of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// The child.
    pub blob: BlobId,
    /// Its key and nonce.
    pub key: BlobKey,
}

/// Why a tree cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TreeError {
    /// Longer than the caller allows, or than trees go.
    #[error("a stream of {size} bytes where {max} are allowed")]
    TooLong {
        /// What it says.
        size: u64,
        /// What is allowed.
        max: u64,
    },
    /// Not the smallest depth that fits the size.
    #[error("depth {depth} does not fit a stream of {size} bytes")]
    Depth {
        /// Its depth.
        depth: u8,
        /// Its size.
        size: u64,
    },
}

/// The smallest depth that fits a stream of this size; `None` beyond `TREE_SIZE_MAX`.
#[allow(clippy::todo, unused_variables)]
pub fn depth_for(size: u64) -> Option<u8> {
    todo!()
}

#[allow(clippy::todo, unused_variables)]
impl Tree {
    /// Checks size and depth before the first fetch.
    pub fn check(&self, max: u64) -> Result<(), TreeError> {
        todo!()
    }
    /// The subtrees named by an opened table of this tree (depth ≥ 1), in stream order; exactly as many as `size` demands.
    pub fn children(&self, opened: &[u8]) -> Result<Vec<Tree>, TreeError> {
        todo!()
    }
    /// As the one chunk of a stream (depth 0).
    pub fn leaf(&self) -> Option<crate::Chunk> {
        todo!()
    }
}

/// Builds the tables above a stream's chunks (each full but the last), bottom up; sealed tables go to `emit`. `random` makes fresh keys.
/// One chunk makes depth 0 (its own blob); an empty stream needs one blob of no bytes, given as a chunk of `len` 0.
#[allow(clippy::todo, unused_variables)]
pub fn build<E>(
    chunks: &[crate::Chunk],
    size: u64,
    random: &mut dyn FnMut() -> BlobKey,
    emit: &mut dyn FnMut(crate::VerifiedBlob) -> Result<(), E>,
) -> Result<Tree, E> {
    todo!()
}
