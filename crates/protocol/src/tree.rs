//! E1 Trees — a stream of any length, named by one blob.
//!
//! Depth 0 is one blob with the stream's bytes; a deeper root is a table of 76-byte records, `blobId ‖ key ‖ nonce`,
//! one per child of the next depth, in stream order. Sizes follow from the root's `size` alone: every child but the
//! last spans the full span of its depth, and all children have the same depth.

use crate::json::{JsonError, Object, Reader};
use crate::params::{BLOB_LEN, CHUNK_LEN, DEPTH_MAX, FANOUT, RECORD_LEN, TREE_SIZE_MAX};
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

/// One child of a table: 76 bytes there, `blobId ‖ key ‖ nonce`.
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
    /// An opened table is shorter than the records that the size demands.
    #[error("a table of {found} bytes where the stream's size demands {needed}")]
    Table {
        /// Its bytes.
        found: usize,
        /// Bytes of all records.
        needed: usize,
    },
}

/// Bytes of the stream that a full subtree of this depth spans; `None` beyond [`DEPTH_MAX`].
fn span(depth: u8) -> Option<u64> {
    (depth <= DEPTH_MAX).then(|| FANOUT.pow(u32::from(depth)) * CHUNK_LEN as u64)
}

/// The smallest depth that fits a stream of this size; `None` beyond `TREE_SIZE_MAX`.
pub fn depth_for(size: u64) -> Option<u8> {
    (0..=DEPTH_MAX).find(|depth| span(*depth).is_some_and(|span| size <= span))
}

impl Tree {
    /// Checks size and depth before the first fetch.
    pub fn check(&self, max: u64) -> Result<(), TreeError> {
        let max = max.min(TREE_SIZE_MAX);
        if self.size > max {
            return Err(TreeError::TooLong { size: self.size, max });
        }
        if depth_for(self.size) == Some(self.depth) { Ok(()) } else { Err(self.wrong_depth()) }
    }

    /// Chunks of the stream; an empty one has a chunk of no bytes.
    pub fn chunks(&self) -> u64 {
        self.size.div_ceil(CHUNK_LEN as u64).max(1)
    }

    /// Tables above those chunks, the root among them.
    pub fn tables(&self) -> u64 {
        (1..=self.depth).filter_map(span).map(|span| self.size.div_ceil(span)).sum()
    }

    /// The subtrees named by an opened table of this tree (depth ≥ 1), in stream order; exactly as many as `size`
    /// demands. What stands behind the last record is padding and is not looked at.
    pub fn children(&self, opened: &[u8]) -> Result<Vec<Tree>, TreeError> {
        if self.depth == 0 || self.depth > DEPTH_MAX {
            return Err(self.wrong_depth());
        }
        let depth = self.depth - 1;
        let child = span(depth).ok_or_else(|| self.wrong_depth())?;
        let count = self.size.div_ceil(child);
        if count == 0 || count > FANOUT {
            return Err(self.wrong_depth());
        }
        // At most FANOUT, so it fits.
        let count = count as usize;
        let needed = count * RECORD_LEN;
        let records = opened.get(..needed).ok_or(TreeError::Table { found: opened.len(), needed })?;
        let mut left = self.size;
        let children = records.chunks_exact(RECORD_LEN).map(|bytes| {
            let Record { blob, key } = Record::read(bytes);
            let size = left.min(child);
            left -= size;
            Tree { blob, key, size, depth }
        });
        Ok(children.collect())
    }

    /// As the one chunk of a stream (depth 0).
    pub fn leaf(&self) -> Option<crate::Chunk> {
        let len = u32::try_from(self.size).ok().filter(|len| self.depth == 0 && *len as usize <= CHUNK_LEN)?;
        Some(crate::Chunk { blob: self.blob, key: self.key.clone(), offset: 0, len })
    }

    fn wrong_depth(&self) -> TreeError {
        TreeError::Depth { depth: self.depth, size: self.size }
    }

    /// Writes it as JSON: `{"blobId","key","nonce","size","depth"}`.
    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        let mut object = Object::new(out);
        object.hex("blobId", &self.blob.0);
        object.hex("key", &self.key.key);
        object.hex("nonce", &self.key.nonce);
        object.integer("size", self.size);
        object.integer("depth", self.depth.into());
        object.end();
    }

    /// Reads it; all five members are needed. The caller runs [`Tree::check`].
    pub(crate) fn read(reader: &mut Reader<'_>) -> Result<Self, JsonError> {
        let (mut blob, mut key, mut nonce, mut size, mut depth) = (None, None, None, None, None);
        let at = reader.position();
        reader.object(|reader, name| {
            match name {
                "blobId" => blob = Some(reader.hex("a blob ID of 64 hexadecimal characters")?),
                "key" => key = Some(reader.hex("a key of 64 hexadecimal characters")?),
                "nonce" => nonce = Some(reader.hex("a nonce of 24 hexadecimal characters")?),
                "size" => size = Some(reader.integer()?),
                "depth" => depth = Some(reader.integer()?),
                _ => reader.skip()?,
            }
            Ok::<(), JsonError>(())
        })?;
        match (blob, key, nonce, size, depth.and_then(|depth| u8::try_from(depth).ok())) {
            (Some(blob), Some(key), Some(nonce), Some(size), Some(depth)) => {
                Ok(Self { blob: BlobId(blob), key: BlobKey { key, nonce }, size, depth })
            }
            _ => Err(JsonError::Type { expected: "a tree (blobId, key, nonce, size, depth)", at }),
        }
    }
}

impl Record {
    /// Reads the record that `bytes` begins with.
    fn read(bytes: &[u8]) -> Self {
        let mut record = Self { blob: BlobId([0; 32]), key: BlobKey { key: [0; 32], nonce: [0; 12] } };
        record.blob.0.copy_from_slice(&bytes[..32]);
        record.key.key.copy_from_slice(&bytes[32..64]);
        record.key.nonce.copy_from_slice(&bytes[64..RECORD_LEN]);
        record
    }

    fn write(&self, table: &mut Vec<u8>) {
        table.extend_from_slice(&self.blob.0);
        table.extend_from_slice(&self.key.key);
        table.extend_from_slice(&self.key.nonce);
    }
}

/// Builds the tables above a stream's chunks (each full but the last), bottom up; sealed tables go to `emit`. `random`
/// makes fresh keys. One chunk makes depth 0 (its own blob); an empty stream is one blob of no bytes: given as a chunk
/// of `len` 0, or sealed and emitted here if there is no chunk at all.
pub fn build<E>(
    chunks: &[crate::Chunk],
    size: u64,
    random: &mut dyn FnMut() -> BlobKey,
    emit: &mut dyn FnMut(crate::VerifiedBlob) -> Result<(), E>,
) -> Result<Tree, E> {
    let mut level: Vec<Record> =
        chunks.iter().map(|chunk| Record { blob: chunk.blob, key: chunk.key.clone() }).collect();
    let mut depth = 0;
    loop {
        if let [root] = level.as_slice() {
            return Ok(Tree { blob: root.blob, key: root.key.clone(), size, depth });
        }
        if level.is_empty() {
            level.push(seal_table(&[], random, emit)?);
        } else {
            let tables = level.chunks(FANOUT as usize).map(|records| seal_table(records, random, emit));
            level = tables.collect::<Result<_, E>>()?;
            depth += 1;
        }
    }
}

fn seal_table<E>(
    records: &[Record],
    random: &mut dyn FnMut() -> BlobKey,
    emit: &mut dyn FnMut(crate::VerifiedBlob) -> Result<(), E>,
) -> Result<Record, E> {
    let mut table = Vec::with_capacity(BLOB_LEN);
    records.iter().for_each(|record| record.write(&mut table));
    let key = random();
    let blob = crate::blob::seal(table, &key);
    let record = Record { blob: blob.id(), key };
    emit(blob)?;
    Ok(record)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::Chunk;

    const MIB: u64 = CHUNK_LEN as u64;

    fn tree(size: u64, depth: u8) -> Tree {
        Tree { blob: BlobId([1; 32]), key: BlobKey { key: [2; 32], nonce: [3; 12] }, size, depth }
    }

    /// Distinct chunks without blobs behind them: tables name, they do not look.
    fn chunks(count: u64, last: u32) -> Vec<Chunk> {
        let chunk = |i: u64| {
            let mut id = [0; 32];
            id[..8].copy_from_slice(&i.to_be_bytes());
            let len = if i + 1 == count { last } else { CHUNK_LEN as u32 };
            Chunk { blob: BlobId(id), key: BlobKey { key: id, nonce: [9; 12] }, offset: 0, len }
        };
        (0..count).map(chunk).collect()
    }

    /// Builds, then reads the tables back down to the leaves.
    fn there_and_back(count: u64, last: u32) -> (Tree, Vec<Chunk>) {
        let given = chunks(count, last);
        let size = given.iter().map(|chunk| u64::from(chunk.len)).sum();
        let mut next = 0_u8;
        let mut random = || {
            next += 1;
            BlobKey { key: [next; 32], nonce: [next; 12] }
        };
        let mut tables = std::collections::HashMap::new();
        let root = build::<()>(&given, size, &mut random, &mut |blob| {
            tables.insert(blob.id(), blob);
            Ok(())
        })
        .unwrap();
        root.check(size).unwrap();
        let mut level = vec![root.clone()];
        while level[0].depth > 0 {
            let open = |tree: &Tree| crate::blob::open(tables[&tree.blob].clone(), &tree.key).unwrap();
            level = level.iter().flat_map(|tree| tree.children(&open(tree)).unwrap()).collect();
        }
        (root, level.iter().map(|tree| tree.leaf().unwrap()).collect())
    }

    #[test]
    fn numbers_of_the_text() {
        assert_eq!(FANOUT, 13_797);
        assert_eq!(depth_for(0), Some(0));
        assert_eq!(depth_for(MIB), Some(0));
        assert_eq!(depth_for(MIB + 1), Some(1));
        assert_eq!(depth_for(FANOUT * MIB), Some(1));
        assert_eq!(depth_for(FANOUT * MIB + 1), Some(2));
        assert_eq!(depth_for(TREE_SIZE_MAX), Some(2));
        assert_eq!(depth_for(TREE_SIZE_MAX + 1), None);
        assert_eq!(depth_for(u64::MAX), None);
    }

    #[test]
    fn chunks_and_tables_are_counted_before_any_is_fetched() {
        let count = |size: u64| {
            let tree = tree(size, depth_for(size).unwrap());
            (tree.chunks(), tree.tables())
        };
        assert_eq!(count(0), (1, 0));
        assert_eq!(count(MIB), (1, 0));
        assert_eq!(count(MIB + 1), (2, 1));
        assert_eq!(count(FANOUT * MIB), (FANOUT, 1));
        assert_eq!(count(FANOUT * MIB + 1), (FANOUT + 1, 3));
        assert_eq!(count(TREE_SIZE_MAX), (FANOUT * FANOUT, FANOUT + 1));
    }

    #[test]
    fn every_shape_comes_back() {
        for (count, last, depth) in
            [(1, 1, 0), (1, 1 << 20, 0), (2, 1, 1), (13_797, 7, 1), (13_798, 7, 2), (27_595, 1 << 20, 2)]
        {
            let (root, read) = there_and_back(count, last);
            assert_eq!(root.depth, depth);
            assert_eq!(read, chunks(count, last));
        }
    }

    #[test]
    fn an_empty_stream_is_one_blob() {
        let mut emitted = Vec::new();
        let key = BlobKey { key: [1; 32], nonce: [1; 12] };
        let mut emit = |blob: crate::VerifiedBlob| {
            emitted.push(blob.id());
            Ok::<(), ()>(())
        };
        let root = build(&[], 0, &mut || key.clone(), &mut emit).unwrap();
        assert_eq!((root.size, root.depth, emitted), (0, 0, vec![root.blob]));
        assert_eq!(root.leaf().unwrap().len, 0);
        let given = build::<()>(&chunks(1, 0), 0, &mut || key.clone(), &mut |_| Err(())).unwrap();
        assert_eq!(given.blob, chunks(1, 0)[0].blob);
    }

    #[test]
    fn a_failed_write_ends_the_building() {
        let key = BlobKey { key: [1; 32], nonce: [1; 12] };
        let result = build(&chunks(2, 1), MIB + 1, &mut || key.clone(), &mut |_| Err("disk full"));
        assert_eq!(result.err(), Some("disk full"));
    }

    #[test]
    fn size_and_depth_are_checked_before_the_first_fetch() {
        assert_eq!(tree(MIB, 0).check(MIB), Ok(()));
        assert_eq!(tree(MIB, 0).check(MIB - 1), Err(TreeError::TooLong { size: MIB, max: MIB - 1 }));
        assert_eq!(tree(MIB, 1).check(u64::MAX), Err(TreeError::Depth { depth: 1, size: MIB }));
        assert_eq!(tree(MIB + 1, 0).check(u64::MAX), Err(TreeError::Depth { depth: 0, size: MIB + 1 }));
        assert_eq!(tree(0, 1).check(u64::MAX), Err(TreeError::Depth { depth: 1, size: 0 }));
        let beyond = TREE_SIZE_MAX + 1;
        assert_eq!(tree(beyond, 2).check(u64::MAX), Err(TreeError::TooLong { size: beyond, max: TREE_SIZE_MAX }));
    }

    #[test]
    fn children_are_as_many_as_the_size_demands() {
        let opened = vec![7; CHUNK_LEN];
        let count = |size, depth| tree(size, depth).children(&opened).map(|children| children.len());
        assert_eq!(count(MIB + 1, 1), Ok(2));
        assert_eq!(count(3 * MIB, 1), Ok(3));
        assert_eq!(count(FANOUT * MIB, 1), Ok(13_797));
        assert_eq!(count(FANOUT * MIB + 1, 2), Ok(2));
        assert_eq!(count(TREE_SIZE_MAX, 2), Ok(13_797));
        // The last child of a deep tree may be a table of one record.
        assert_eq!(count(1, 1), Ok(1));
        for (size, depth) in [(MIB, 0), (0, 1), (FANOUT * MIB + 1, 1), (TREE_SIZE_MAX + 1, 2), (1, 3), (u64::MAX, 255)]
        {
            assert_eq!(count(size, depth), Err(TreeError::Depth { depth, size }));
        }
        let short = tree(2 * MIB, 1).children(&opened[..151]);
        assert_eq!(short, Err(TreeError::Table { found: 151, needed: 152 }));
        let children = tree(FANOUT * MIB + 5, 2).children(&opened).unwrap();
        assert_eq!((children[0].size, children[1].size), (FANOUT * MIB, 5));
        assert_eq!((children[0].depth, children[1].depth), (1, 1));
    }

    #[test]
    fn only_depth_0_is_a_leaf() {
        assert!(tree(5, 1).leaf().is_none());
        assert!(tree(MIB + 1, 0).leaf().is_none());
        assert!(tree(u64::MAX, 0).leaf().is_none());
        assert_eq!(tree(MIB, 0).leaf().unwrap().len, 1 << 20);
    }

    proptest! {
        #[test]
        fn sizes_of_children_add_up(size in 1..=TREE_SIZE_MAX) {
            let tree = tree(size, depth_for(size).unwrap());
            if tree.depth > 0 {
                let children = tree.children(&vec![0; CHUNK_LEN]).unwrap();
                prop_assert_eq!(children.iter().map(|child| child.size).sum::<u64>(), size);
                prop_assert!(children.iter().all(|child| child.size > 0));
            }
        }

        #[test]
        fn json_comes_back(blob: [u8; 32], key: [u8; 32], nonce: [u8; 12], size in 0..=TREE_SIZE_MAX, depth: u8) {
            let tree = Tree { blob: BlobId(blob), key: BlobKey { key, nonce }, size, depth };
            let mut out = Vec::new();
            tree.write(&mut out);
            prop_assert!(out.len() <= 222);
            prop_assert_eq!(Tree::read(&mut Reader::new(&out).unwrap()), Ok(tree));
        }
    }
}
