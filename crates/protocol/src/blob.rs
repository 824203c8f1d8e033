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
    /// As [`Self::verify`] of two, hashed at once.
    pub fn verify_two(blobs: [(BlobId, Vec<u8>); 2]) -> [Result<Self, Vec<u8>>; 2] {
        if blobs.iter().any(|(_, bytes)| bytes.len() != BLOB_LEN) {
            return blobs.map(|(id, bytes)| Self::verify(id, bytes));
        }
        let mut found = BlobId::of_two([&blobs[0].1, &blobs[1].1]).into_iter();
        blobs.map(|(id, bytes)| if found.next() == Some(id) { Ok(Self { id, bytes }) } else { Err(bytes) })
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
pub fn seal(buf: Vec<u8>, key: &BlobKey) -> VerifiedBlob {
    let bytes = encrypt(buf, key);
    VerifiedBlob { id: BlobId::of(&bytes), bytes }
}

/// As [`seal`], but not named yet.
///
/// # Panics
/// As [`seal`].
pub fn encrypt(mut buf: Vec<u8>, key: &BlobKey) -> Vec<u8> {
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
    buf
}

/// Seals two chunks, each as [`seal`] does, and hashes both at once: on one core that takes little longer than one.
///
/// # Panics
/// As [`seal`].
pub fn seal_two(chunks: [(Vec<u8>, &BlobKey); 2]) -> [VerifiedBlob; 2] {
    let [one, two] = chunks.map(|(buf, key)| encrypt(buf, key));
    let [first, second] = BlobId::of_two([&one, &two]);
    [VerifiedBlob { id: first, bytes: one }, VerifiedBlob { id: second, bytes: two }]
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

#[cfg(test)]
mod tests {
    use data_encoding::HEXLOWER;
    use serde_json::Value;

    use super::*;

    fn key(n: u8) -> BlobKey {
        BlobKey { key: [n; 32], nonce: [n; 12] }
    }

    fn plain(len: usize) -> Vec<u8> {
        (0..len).map(|i| (i % 251) as u8).collect()
    }

    #[test]
    fn the_v5_chunk_opens_and_seals() {
        let vectors: Value = serde_json::from_str(include_str!("../../../tests/vectors/v5-vectors.json")).unwrap();
        let v = &vectors["chunk"];
        let hex = |value: &Value| HEXLOWER.decode(value.as_str().unwrap().as_bytes()).unwrap();
        let mut padded = hex(&v["inputs"]["text_bytes"]);
        let used = padded.len();
        padded.extend((0..CHUNK_LEN - used).map(|i| (7 * i + 3) as u8));
        let key = BlobKey {
            key: hex(&v["inputs"]["key"]).try_into().unwrap(),
            nonce: hex(&v["inputs"]["nonce"]).try_into().unwrap(),
        };
        let blob = seal(padded.clone(), &key);
        assert_eq!(blob.id().to_string(), v["blob_sha256"].as_str().unwrap());
        assert_eq!(blob.bytes().len(), v["blob_len"].as_u64().unwrap() as usize);
        assert_eq!(blob.bytes()[..64], hex(&v["blob_first_64"]));
        assert_eq!(blob.bytes()[BLOB_LEN - 64..], hex(&v["blob_last_64"]));
        let opened = open(blob, &key).unwrap();
        assert_eq!(opened, padded);
        // Another writer's noise is read, and known not to be ours.
        assert!(!padding_is_ours(&opened, used, &key));
    }

    #[test]
    fn infohashes_are_the_first_20_bytes() {
        let vectors: Value = serde_json::from_str(include_str!("../../../tests/vectors/v5-vectors.json")).unwrap();
        for case in vectors["infohash"].as_array().unwrap() {
            let id: BlobId = case["blob_id"].as_str().unwrap().parse().unwrap();
            assert_eq!(crate::Topic::from(id).infohash().to_string(), case["infohash"].as_str().unwrap());
        }
    }

    #[test]
    fn a_chunk_comes_back_and_can_be_made_again() {
        for used in [0, 1, 4095, 4096, CHUNK_LEN - 1, CHUNK_LEN] {
            let blob = seal(plain(used), &key(1));
            assert_eq!(blob.bytes().len(), BLOB_LEN);
            assert_eq!(BlobId::of(blob.bytes()), blob.id());
            assert_eq!(seal(plain(used), &key(1)).id(), blob.id());
            let opened = open(blob.clone(), &key(1)).unwrap();
            assert_eq!(opened.len(), CHUNK_LEN);
            assert_eq!(opened[..used], plain(used));
            assert!(padding_is_ours(&opened, used, &key(1)));
            // Sealing the padded bytes again makes the same blob.
            assert_eq!(seal(opened, &key(1)).id(), blob.id());
        }
    }

    #[test]
    fn the_padding_is_the_keystream_that_the_text_says() {
        // ChaCha20 under BLAKE2b-256(00…00 ‖ "megatorrent padding v1"), nonce 0: the first bytes, computed elsewhere.
        let opened = open(seal(Vec::new(), &key(0)), &key(0)).unwrap();
        assert_eq!(HEXLOWER.encode(&opened[..32]), "a50ea7bbe51885dbc14a1aa946f1587da5fe7e2aa664e8eecab70f4ceac0cb14");
    }

    #[test]
    fn two_at_once_are_as_one_and_one() {
        let sealed = seal_two([(plain(10), &key(1)), (plain(CHUNK_LEN), &key(2))]);
        assert_eq!(sealed[0].id(), seal(plain(10), &key(1)).id());
        assert_eq!(sealed[1].bytes(), seal(plain(CHUNK_LEN), &key(2)).bytes());
        let [one, two] = sealed.map(|blob| (blob.id(), blob.into_bytes()));
        let [good, bad] = VerifiedBlob::verify_two([one.clone(), (one.0, two.1.clone())]);
        assert_eq!((good.unwrap().id(), bad.unwrap_err()), (one.0, two.1.clone()));
        let [short, good] = VerifiedBlob::verify_two([(one.0, b"short".to_vec()), two.clone()]);
        assert_eq!((short.unwrap_err(), good.unwrap().id()), (b"short".to_vec(), two.0));
    }

    #[test]
    fn foreign_padding_is_told_apart() {
        let opened = open(seal(plain(10), &key(1)), &key(1)).unwrap();
        for at in [10, 5000, CHUNK_LEN - 1] {
            let mut other = opened.clone();
            other[at] ^= 1;
            assert!(!padding_is_ours(&other, 10, &key(1)), "{at}");
        }
        assert!(!padding_is_ours(&opened, 9, &key(1)));
        assert!(!padding_is_ours(&opened, 10, &key(2)));
        assert!(!padding_is_ours(&opened[..100], 10, &key(1)));
        assert!(!padding_is_ours(&opened, CHUNK_LEN + 1, &key(1)));
    }

    #[test]
    fn a_wrong_key_or_byte_opens_nothing() {
        let blob = seal(plain(10), &key(1));
        assert_eq!(open(blob.clone(), &key(2)), Err(OpenError));
        assert_eq!(open(blob.clone(), &BlobKey { nonce: [2; 12], ..key(1) }), Err(OpenError));
        let mut bytes = blob.bytes().to_vec();
        bytes[BLOB_LEN - 1] ^= 1;
        let changed = VerifiedBlob::verify(BlobId::of(&bytes), bytes).unwrap();
        assert_eq!(open(changed, &key(1)), Err(OpenError));
    }

    #[test]
    fn only_the_named_bytes_are_verified() {
        let blob = seal(plain(10), &key(1));
        let id = blob.id();
        let mut bytes = blob.into_bytes();
        assert!(VerifiedBlob::verify(id, bytes.clone()).is_ok());
        bytes[0] ^= 1;
        assert_eq!(VerifiedBlob::verify(id, bytes.clone()).unwrap_err(), bytes);
        let short = b"short".to_vec();
        assert_eq!(VerifiedBlob::verify(BlobId::of(&short), short.clone()).unwrap_err(), short);
    }

    #[test]
    fn a_buffer_with_room_is_not_copied() {
        let mut buf = Vec::with_capacity(BLOB_LEN);
        buf.extend_from_slice(&plain(CHUNK_LEN));
        let at = buf.as_ptr();
        let blob = seal(buf, &key(1));
        assert_eq!(blob.bytes().as_ptr(), at);
        let opened = open(blob, &key(1)).unwrap();
        assert_eq!(opened.as_ptr(), at);
    }

    #[test]
    #[should_panic(expected = "a chunk of 1048577 bytes")]
    fn more_than_a_chunk_is_a_mistake_of_the_caller() {
        seal(vec![0; CHUNK_LEN + 1], &key(1));
    }
}
