//! Blobs as any v5 writer makes them: true noise behind the bytes, sealed under a random key.

use chacha20poly1305::aead::{Aead, KeyInit};
use chacha20poly1305::{ChaCha20Poly1305, Key, Nonce};
use data_encoding::HEXLOWER;
use sha2::{Digest, Sha256};
use std::io;

/// Plain bytes of a blob.
pub const CHUNK_LEN: usize = 1 << 20;
/// Sealed bytes of a blob.
pub const BLOB_LEN: usize = CHUNK_LEN + 16;

/// A blob and what opens it.
#[derive(Clone)]
pub struct Blob {
    /// SHA-256 of the sealed bytes, lower-case hex.
    pub id: String,
    /// The sealed bytes.
    pub sealed: Vec<u8>,
    /// Its key.
    pub key: [u8; 32],
    /// Its nonce.
    pub nonce: [u8; 12],
    /// Bytes of content in it.
    pub real_size: usize,
}

impl Blob {
    /// Seals up to 1 MiB.
    ///
    /// # Errors
    /// More than 1 MiB, or the system gives no random bytes.
    pub fn seal(content: &[u8]) -> io::Result<Self> {
        if content.len() > CHUNK_LEN {
            return Err(io::Error::other("more than 1 MiB for one blob"));
        }
        let (mut key, mut nonce) = ([0; 32], [0; 12]);
        getrandom::fill(&mut key).map_err(io::Error::other)?;
        getrandom::fill(&mut nonce).map_err(io::Error::other)?;
        let mut plain = vec![0; CHUNK_LEN];
        plain[..content.len()].copy_from_slice(content);
        getrandom::fill(&mut plain[content.len()..]).map_err(io::Error::other)?;
        let mut blob = Self::seal_plain(&plain, key, nonce)?;
        blob.real_size = content.len();
        Ok(blob)
    }

    /// Seals exactly these plain bytes.
    ///
    /// # Errors
    /// More bytes than the cipher takes.
    pub fn seal_plain(plain: &[u8], key: [u8; 32], nonce: [u8; 12]) -> io::Result<Self> {
        let sealed = ChaCha20Poly1305::new(&Key::from(key))
            .encrypt(&Nonce::from(nonce), plain)
            .map_err(|_| io::Error::other("these bytes cannot be sealed"))?;
        let id = HEXLOWER.encode(&Sha256::digest(&sealed));
        Ok(Self { id, sealed, key, nonce, real_size: plain.len() })
    }

    /// Opens sealed bytes as a v5 reader does.
    ///
    /// # Errors
    /// The key does not open them, or they hold fewer bytes than `real_size`.
    pub fn open(sealed: &[u8], key: [u8; 32], nonce: [u8; 12], real_size: usize) -> io::Result<Vec<u8>> {
        let mut plain = ChaCha20Poly1305::new(&Key::from(key))
            .decrypt(&Nonce::from(nonce), sealed)
            .map_err(|_| io::Error::other("the key does not open this blob"))?;
        if plain.len() < real_size {
            return Err(io::Error::other("the blob is shorter than its content"));
        }
        plain.truncate(real_size);
        Ok(plain)
    }

    /// Its entry in a manifest's `chunks`, in the members and order that v5 writes.
    pub fn entry(&self) -> String {
        format!(
            "{{\"blobId\":\"{}\",\"offset\":0,\"length\":{},\"key\":\"{}\",\"nonce\":\"{}\",\"realSize\":{}}}",
            self.id,
            self.sealed.len(),
            HEXLOWER.encode(&self.key),
            HEXLOWER.encode(&self.nonce),
            self.real_size
        )
    }
}

/// A file's blobs: none for an empty file.
///
/// # Errors
/// As [`Blob::seal`].
pub fn chunks(content: &[u8]) -> io::Result<Vec<Blob>> {
    content.chunks(CHUNK_LEN).map(Blob::seal).collect()
}
