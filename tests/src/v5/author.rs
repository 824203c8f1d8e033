//! Manifests and DHT items as a v5 client writes and reads them.

use super::Blob;
use crypto_secretbox::XSalsa20Poly1305;
use crypto_secretbox::aead::{Aead, KeyInit};
use data_encoding::HEXLOWER;
use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};
use mainline::MutableItem;
use serde_json::Value;
use std::io;

/// Largest JSON that a DHT node takes.
pub const MANIFEST_MAX: usize = 996;

/// A v5 author: an Ed25519 key and what it signs.
pub struct Author {
    key: SigningKey,
}

impl Author {
    /// From a seed.
    pub fn new(seed: [u8; 32]) -> Self {
        Self { key: SigningKey::from_bytes(&seed) }
    }

    /// The channel's key, lower-case hex.
    pub fn channel(&self) -> String {
        HEXLOWER.encode(self.key.verifying_key().as_bytes())
    }

    /// The channel's link.
    pub fn link(&self) -> String {
        format!("megatorrent://{}", self.channel())
    }

    /// A signed public manifest around this text of `collections`.
    pub fn sign_public(&self, collections: &str, sequence: u64) -> String {
        self.sign(&format!(
            "{{\"publicKey\":\"{}\",\"sequence\":{sequence},\"collections\":{collections},\"timestamp\":{sequence}}}",
            self.channel()
        ))
    }

    /// A signed private manifest in the cipher that v5 clients use: XSalsa20-Poly1305, 24-byte nonce, tag first.
    ///
    /// # Errors
    /// The payload cannot be sealed.
    pub fn sign_private(
        &self,
        collections: &str,
        sequence: u64,
        read_key: &[u8; 32],
        nonce: [u8; 24],
    ) -> io::Result<String> {
        let plain = format!("{{\"collections\":{collections},\"timestamp\":{sequence}}}");
        self.seal_private(&plain, sequence, read_key, nonce)
    }

    /// As [`Self::sign_private`], around this very plaintext.
    ///
    /// # Errors
    /// The payload cannot be sealed.
    pub fn seal_private(&self, plain: &str, sequence: u64, read_key: &[u8; 32], nonce: [u8; 24]) -> io::Result<String> {
        let sealed = XSalsa20Poly1305::new(&(*read_key).into())
            .encrypt(&nonce.into(), plain.as_bytes())
            .map_err(|_| io::Error::other("the payload cannot be sealed"))?;
        Ok(self.sign(&format!(
            "{{\"publicKey\":\"{}\",\"sequence\":{sequence},\"encrypted\":true,\"nonce\":\"{}\",\"ciphertext\":\"{}\"}}",
            self.channel(),
            HEXLOWER.encode(&nonce),
            HEXLOWER.encode(&sealed)
        )))
    }

    /// Adds the signature over the text, an object of any content, as its last member.
    pub fn sign(&self, unsigned: &str) -> String {
        let signature = HEXLOWER.encode(&self.sign_text(unsigned.as_bytes()));
        format!("{},\"signature\":\"{signature}\"}}", &unsigned[..unsigned.len() - 1])
    }

    /// Signs any bytes.
    pub fn sign_text(&self, bytes: &[u8]) -> [u8; 64] {
        self.key.sign(bytes).to_bytes()
    }

    /// The BEP 44 signature over a manifest as an unsalted DHT item.
    pub fn sign_item(&self, manifest: &str, sequence: u64) -> [u8; 64] {
        self.key.sign(&item_bytes(manifest, sequence)).to_bytes()
    }

    /// Payload of PUBLISH that a gateway's DHT nodes take.
    pub fn publish_payload(&self, manifest: &str, sequence: u64) -> String {
        format!(
            "{{\"k\":\"{}\",\"seq\":{sequence},\"v\":\"{}\",\"sig\":\"{}\"}}",
            self.channel(),
            HEXLOWER.encode(manifest.as_bytes()),
            HEXLOWER.encode(&self.sign_item(manifest, sequence))
        )
    }

    /// As [`Self::publish_payload`], for the item of this key with a salt.
    pub fn publish_salted(&self, manifest: &str, sequence: u64, salt: &[u8]) -> String {
        let signed = [format!("4:salt{}:", salt.len()).as_bytes(), salt, &item_bytes(manifest, sequence)].concat();
        format!(
            "{{\"k\":\"{}\",\"seq\":{sequence},\"v\":\"{}\",\"sig\":\"{}\",\"salt\":\"{}\"}}",
            self.channel(),
            HEXLOWER.encode(manifest.as_bytes()),
            HEXLOWER.encode(&self.sign_text(&signed)),
            HEXLOWER.encode(salt)
        )
    }

    /// The manifest as a signed DHT item.
    ///
    /// # Errors
    /// The sequence is no 64-bit integer.
    pub(super) fn item(&self, manifest: &str, sequence: u64) -> io::Result<MutableItem> {
        let seq = i64::try_from(sequence).map_err(io::Error::other)?;
        Ok(MutableItem::new(self.key.clone(), manifest.as_bytes(), seq, None))
    }
}

/// What BEP 44 signs of an unsalted item.
pub fn item_bytes(value: &str, sequence: u64) -> Vec<u8> {
    format!("3:seqi{sequence}e1:v{}:{value}", value.len()).into_bytes()
}

/// `collections` of one collection named Default with one item per file.
pub fn collections(files: &[(&str, &[Blob])]) -> String {
    let items: Vec<String> = files
        .iter()
        .map(|(name, blobs)| {
            let size: usize = blobs.iter().map(|blob| blob.real_size).sum();
            let chunks: Vec<String> = blobs.iter().map(Blob::entry).collect();
            format!("{{\"name\":{},\"size\":{size},\"chunks\":[{}]}}", Value::from(*name), chunks.join(","))
        })
        .collect();
    format!("[{{\"title\":\"Default\",\"items\":[{}]}}]", items.join(","))
}

/// A v5 reader's view of one file of a channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// Name.
    pub name: String,
    /// What to fetch, in order.
    pub chunks: Vec<Chunk>,
}

/// One chunk as v5 reads it: offset, length and size are ignored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chunk {
    /// Blob ID, hex.
    pub id: String,
    /// Key.
    pub key: [u8; 32],
    /// Nonce.
    pub nonce: [u8; 12],
    /// Bytes of content.
    pub real_size: usize,
}

/// Why a v5 reader refuses a manifest.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// Not the JSON that v5 reads.
    #[error("a v5 reader cannot read this: {0}")]
    Shape(&'static str),
    /// The signature is not the channel's.
    #[error("the signature is not the channel's")]
    Signature,
    /// The read key does not open the payload.
    #[error("the read key does not open the payload")]
    ReadKey,
}

/// Verifies a manifest as v5 does (it signs the compact JSON without `signature`) and lists its first collection.
///
/// # Errors
/// What keeps a v5 client from reading it.
pub fn read(manifest: &str, channel: &str, read_key: Option<&[u8; 32]>) -> Result<Vec<File>, ReadError> {
    let shape = ReadError::Shape;
    let json: Value = serde_json::from_str(manifest).map_err(|_| shape("not JSON"))?;
    let signature = json["signature"].as_str().ok_or(shape("signature"))?;
    let member = format!(",\"signature\":\"{signature}\"");
    if json["publicKey"].as_str() != Some(channel) || manifest.matches(&member).count() != 1 {
        return Err(shape("publicKey or signature"));
    }
    let signed = manifest.replacen(&member, "", 1);
    let key: [u8; 32] = bytes(channel)?;
    let key = VerifyingKey::from_bytes(&key).map_err(|_| ReadError::Signature)?;
    let signature = Signature::from_bytes(&bytes(signature)?);
    key.verify_strict(signed.as_bytes(), &signature).map_err(|_| ReadError::Signature)?;
    let mut payload = json;
    if payload["encrypted"].as_bool() == Some(true) {
        let read_key = read_key.ok_or(ReadError::ReadKey)?;
        let nonce: [u8; 24] = bytes(payload["nonce"].as_str().ok_or(shape("nonce"))?)?;
        let sealed = payload["ciphertext"].as_str().ok_or(shape("ciphertext"))?;
        let sealed = HEXLOWER.decode(sealed.as_bytes()).map_err(|_| shape("ciphertext"))?;
        let plain = XSalsa20Poly1305::new(&(*read_key).into())
            .decrypt(&nonce.into(), sealed.as_slice())
            .map_err(|_| ReadError::ReadKey)?;
        payload = serde_json::from_slice(&plain).map_err(|_| shape("payload"))?;
    }
    let items = payload["collections"][0]["items"].as_array().ok_or(shape("items"))?;
    items.iter().map(file).collect()
}

fn file(item: &Value) -> Result<File, ReadError> {
    let shape = ReadError::Shape;
    let chunks = item["chunks"].as_array().ok_or(shape("chunks"))?;
    let chunk = |value: &Value| {
        let text = |member: &'static str| value[member].as_str().ok_or(shape(member));
        let real_size = value["realSize"].as_u64().and_then(|n| usize::try_from(n).ok());
        Ok(Chunk {
            id: text("blobId")?.to_owned(),
            key: bytes(text("key")?)?,
            nonce: bytes(text("nonce")?)?,
            real_size: real_size.ok_or(shape("realSize"))?,
        })
    };
    Ok(File {
        name: item["name"].as_str().ok_or(shape("name"))?.to_owned(),
        chunks: chunks.iter().map(chunk).collect::<Result<_, _>>()?,
    })
}

pub(super) fn bytes<const N: usize>(hex: &str) -> Result<[u8; N], ReadError> {
    let bytes = HEXLOWER.decode(hex.as_bytes()).map_err(|_| ReadError::Shape("hex"))?;
    bytes.try_into().map_err(|_| ReadError::Shape("length of hex"))
}
