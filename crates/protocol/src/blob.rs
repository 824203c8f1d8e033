//! §1.3, §3 Blobs — 1 MiB of plain bytes, padded, sealed, named by their hash.
//!
//! A blob is `ChaCha20-Poly1305(plain ‖ padding) ‖ tag`, no associated data: 1,048,592 bytes, always. Everything works
//! in the one buffer that the caller brings. The padding is noise to whoever lacks the key, and can be made again by
//! whoever has it (E1), so a blob can be rebuilt from its plain bytes.

use blake2::digest::consts::U32;
use blake2::{Blake2b, Digest};
use chacha20::cipher::{KeyIvInit, StreamCipher};
use chacha20poly1305::aead::inout::InOutBuf;
use chacha20poly1305::{AeadInOut, ChaCha20Poly1305, KeyInit, Tag};

use crate::{BlobId, params::*};

/// What the padding's key is separated by (E1).
const PADDING_LABEL: &[u8] = b"megatorrent padding v1";

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

/// Seals a chunk of plain bytes (at most 1 MiB) with re-creatable padding (E1): `buf` holds the plain bytes and comes
/// back as the blob. A buffer with room for [`BLOB_LEN`] bytes is not copied.
///
/// # Panics
/// If `buf` is longer than [`CHUNK_LEN`]: no blob can hold it.
pub fn seal(mut buf: Vec<u8>, key: &BlobKey) -> VerifiedBlob {
    let used = buf.len();
    assert!(used <= CHUNK_LEN, "a chunk of {used} bytes");
    buf.reserve_exact(BLOB_LEN - used);
    buf.resize(BLOB_LEN, 0);
    let (plain, tag) = buf.split_at_mut(CHUNK_LEN);
    if used < CHUNK_LEN {
        padding(key).apply_keystream(&mut plain[used..]);
    }
    let made =
        ChaCha20Poly1305::new(&key.key.into()).encrypt_inout_detached(&key.nonce.into(), &[], InOutBuf::from(plain));
    match made {
        Ok(made) => tag.copy_from_slice(&made),
        // The cipher's only failure is a message beyond 256 GiB.
        Err(_) => unreachable!("a chunk is 1 MiB"),
    }
    VerifiedBlob { id: BlobId::of(&buf), bytes: buf }
}

/// Opens a blob in place into its 1 MiB of plain bytes (padding included).
pub fn open(blob: VerifiedBlob, key: &BlobKey) -> Result<Vec<u8>, OpenError> {
    let mut bytes = blob.bytes;
    let (sealed, tag) = bytes.split_at_mut(CHUNK_LEN);
    let tag = Tag::try_from(&*tag).map_err(|_| OpenError)?;
    ChaCha20Poly1305::new(&key.key.into())
        .decrypt_inout_detached(&key.nonce.into(), &[], InOutBuf::from(sealed), &tag)
        .map_err(|_| OpenError)?;
    bytes.truncate(CHUNK_LEN);
    Ok(bytes)
}

/// Whether `plain[used..]` is the padding that [`seal`] makes: then the blob can be derived from its plain bytes.
/// False if `plain` is not a whole opened blob.
pub fn padding_is_ours(plain: &[u8], used: usize, key: &BlobKey) -> bool {
    if plain.len() != CHUNK_LEN || used > CHUNK_LEN {
        return false;
    }
    let mut stream = padding(key);
    plain[used..].chunks(4096).all(|part| {
        let mut ours = [0; 4096];
        let ours = &mut ours[..part.len()];
        stream.apply_keystream(ours);
        ours == part
    })
}

/// The keystream that fills a chunk (E1): its first byte is the first byte behind the plain bytes.
fn padding(key: &BlobKey) -> chacha20::ChaCha20 {
    let seed = Blake2b::<U32>::new().chain_update(key.key).chain_update(PADDING_LABEL).finalize();
    chacha20::ChaCha20::new(&seed, &[0; 12].into())
}

/// The key does not open the blob.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the key does not open this blob")]
pub struct OpenError;
