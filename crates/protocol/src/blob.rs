//! §1.3, §3 Blobs — 1 MiB of plain bytes, padded, sealed, named by their hash.

use crate::{BlobId, params::*};

/// Key and nonce of one blob (§1.3). Never prints itself.
#[derive(Clone, PartialEq, Eq)]
pub struct BlobKey {
    /// ChaCha20-Poly1305 key.
    pub key: [u8; 32],
    /// 12-byte IETF nonce.
    pub nonce: [u8; 12],
}

/// Sealed bytes whose SHA-256 was compared with the ID: the only thing that is stored or opened.
#[derive(Clone)]
pub struct VerifiedBlob {
    id: BlobId,
    bytes: Vec<u8>,
}

impl std::fmt::Debug for BlobKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("BlobKey(…)")
    }
}

impl VerifiedBlob {
    /// Hashes the bytes and compares; gives the bytes back if they are not this blob.
    pub fn verify(id: BlobId, bytes: Vec<u8>) -> Result<Self, Vec<u8>> {
        if bytes.len() == BLOB_LEN && BlobId::of(&bytes) == id { Ok(Self { id, bytes }) } else { Err(bytes) }
    }
    /// Its ID.
    pub fn id(&self) -> BlobId {
        self.id
    }
    /// Its sealed bytes, 1,048,592 of them.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }
    /// Takes them.
    pub fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }
}

impl std::fmt::Debug for VerifiedBlob {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "VerifiedBlob({:?})", self.id)
    }
}

/// Seals a chunk of plain bytes (at most 1 MiB) with re-creatable padding (E1): `buf` holds the plain bytes and comes back as the blob.
#[allow(clippy::todo, unused_variables)]
pub fn seal(buf: Vec<u8>, key: &BlobKey) -> VerifiedBlob {
    todo!()
}

/// Opens a blob in place into its 1 MiB of plain bytes (padding included).
#[allow(clippy::todo, unused_variables)]
pub fn open(blob: VerifiedBlob, key: &BlobKey) -> Result<Vec<u8>, OpenError> {
    todo!()
}

/// Whether `plain[used..]` is the padding that [`seal`] makes: then the blob can be derived from its plain bytes.
#[allow(clippy::todo, unused_variables)]
pub fn padding_is_ours(plain: &[u8], used: usize, key: &BlobKey) -> bool {
    todo!()
}

/// The key does not open the blob.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the key does not open this blob")]
pub struct OpenError;
