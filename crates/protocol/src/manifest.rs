//! §1.2 Manifests — signed heads of channels, public and private; BEP 44 items.
//!
//! A manifest carries two signatures of the same identity: its own, over its JSON without the `signature` member, and
//! BEP 44's, over the DHT item that holds it. [`SignedManifest`] exists only with both verified. The inner one is
//! verified over the received bytes with the member cut out, never over JSON written again.

#[cfg(test)]
mod tests;

use chacha20poly1305::aead::inout::InOutBuf;
use chacha20poly1305::{AeadInOut, ChaCha20Poly1305, KeyInit};
use crypto_secretbox::XSalsa20Poly1305;
use crypto_secretbox::aead::AeadInPlace;
use data_encoding::HEXLOWER;
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use crate::body::{self, Body, BodyError, Envelope};
use crate::json::{self, JsonError, Object, Reader};
use crate::params::{MANIFEST_MAX, SEQUENCE_MAX, TAG_LEN};
use crate::session::PublishRequest;
use crate::{ChannelKey, Chunk, Content, FileEntry, Identity, Item, Payload, ReadKey, Tree};

/// Longest salt of a BEP 44 item, bytes.
pub const SALT_MAX: usize = 64;

/// A manifest of which both signatures (its own and BEP 44's) were verified.
#[derive(Clone, PartialEq, Eq)]
pub struct SignedManifest {
    key: ChannelKey,
    sequence: u64,
    private: bool,
    json: Box<[u8]>,
    bep44: [u8; 64],
}

/// What a manifest leads to, opened.
#[derive(Debug, Clone)]
pub enum Head {
    /// The whole body stands in the manifest.
    Inline(Body),
    /// The body is a tree's stream.
    Tree(Tree),
}

/// Why bytes are not a manifest of the asked channel.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ManifestError {
    /// More JSON than a DHT item holds.
    #[error("a manifest of {0} bytes; a DHT item holds 996")]
    Long(usize),
    /// A salt longer than BEP 44 allows.
    #[error("a salt of {0} bytes; BEP 44 allows 64")]
    Salt(usize),
    /// Not JSON, or of the wrong shape.
    #[error(transparent)]
    Json(#[from] JsonError),
    /// A member that every manifest has is not there.
    #[error("the manifest has no member \"{0}\"")]
    Missing(&'static str),
    /// It belongs to another channel than the asked one.
    #[error("the manifest belongs to another channel")]
    Channel,
    /// BEP 44's `seq` differs from the manifest's `sequence`.
    #[error("the item's seq {seq} differs from the manifest's sequence {sequence}")]
    Sequence {
        /// BEP 44's.
        seq: u64,
        /// The manifest's.
        sequence: u64,
    },
    /// The manifest's own signature does not hold.
    #[error("the manifest's own signature does not hold")]
    Signature,
    /// BEP 44's signature does not hold.
    #[error("the BEP 44 signature does not hold")]
    Bep44,
    /// The signature of a publish request is one over the bare JSON, as the v5 client makes it; no DHT node takes it.
    #[error("the signature is over the bare JSON; a DHT node needs one over the BEP 44 item")]
    Bep44SignedJson,
    /// The channel is private and no read key was given.
    #[error("the channel is private; its link needs a read key")]
    NeedsReadKey,
    /// The link has a read key, the manifest is public: a key is one channel, public or private, never both.
    #[error("the link is for a private channel, but this manifest is public")]
    NotPrivate,
    /// The read key does not open the payload.
    #[error("the read key does not open this manifest")]
    ReadKey,
    /// A private manifest's nonce has neither 12 nor 24 bytes, or its ciphertext is no hex.
    #[error("the manifest's cipher is not known")]
    Cipher,
    /// The payload is no body.
    #[error(transparent)]
    Body(#[from] BodyError),
}

/// A manifest's own members.
struct Parsed {
    key: ChannelKey,
    sequence: u64,
    signature: [u8; 64],
    private: bool,
}

impl Parsed {
    fn read(json: &[u8]) -> Result<Self, ManifestError> {
        if json.len() > MANIFEST_MAX {
            return Err(ManifestError::Long(json.len()));
        }
        let (mut key, mut sequence, mut signature, mut private) = (None, None, None, false);
        let (mut collections, mut nonce, mut ciphertext) = (false, false, false);
        let mut reader = Reader::new(json)?;
        reader.object(|reader, name| {
            match name {
                "publicKey" => key = Some(ChannelKey(reader.hex("a public key of 64 hexadecimal characters")?)),
                "sequence" => sequence = Some(reader.integer()?),
                "signature" => signature = Some(reader.hex("a signature of 128 hexadecimal characters")?),
                "encrypted" => private = reader.boolean()?,
                other => {
                    collections |= other == "collections";
                    nonce |= other == "nonce";
                    ciphertext |= other == "ciphertext";
                    reader.skip()?;
                }
            }
            Ok::<(), JsonError>(())
        })?;
        reader.end()?;
        let needed = [("nonce", private && !nonce), ("ciphertext", private && !ciphertext)];
        if let Some((name, _)) = needed.into_iter().find(|(_, missing)| *missing) {
            return Err(ManifestError::Missing(name));
        }
        if !private && !collections {
            return Err(ManifestError::Missing("collections"));
        }
        Ok(Self {
            key: key.ok_or(ManifestError::Missing("publicKey"))?,
            sequence: sequence.ok_or(ManifestError::Missing("sequence"))?,
            signature: signature.ok_or(ManifestError::Missing("signature"))?,
            private,
        })
    }

    /// Reads it and verifies that `asked` made it.
    fn verify(asked: &ChannelKey, json: &[u8]) -> Result<Self, ManifestError> {
        let parsed = Self::read(json)?;
        if parsed.key != *asked {
            return Err(ManifestError::Channel);
        }
        let signed = json::without_member(json, "signature")?.ok_or(ManifestError::Missing("signature"))?;
        if asked.verify(&signed, &parsed.signature) { Ok(parsed) } else { Err(ManifestError::Signature) }
    }
}

impl SignedManifest {
    /// Verifies everything: JSON shape, `publicKey` = `asked`, inner signature over the received bytes, BEP 44
    /// signature (no salt), `seq` = `sequence`.
    pub fn verify(asked: &ChannelKey, json: &[u8], bep44: &[u8; 64]) -> Result<Self, ManifestError> {
        let Parsed { key, sequence, private, .. } = Parsed::verify(asked, json)?;
        if !asked.verify(&bep44_message(sequence, json, &[]), bep44) {
            return Err(ManifestError::Bep44);
        }
        Ok(Self { key, sequence, private, json: json.into(), bep44: *bep44 })
    }
    /// Reads one that was verified before it was kept: of its signatures nothing is looked at.
    pub fn kept(asked: &ChannelKey, json: &[u8], bep44: &[u8; 64]) -> Result<Self, ManifestError> {
        let Parsed { key, sequence, private, .. } = Parsed::read(json)?;
        if key != *asked {
            return Err(ManifestError::Channel);
        }
        Ok(Self { key, sequence, private, json: json.into(), bep44: *bep44 })
    }
    /// The channel.
    pub fn key(&self) -> &ChannelKey {
        &self.key
    }
    /// Milliseconds since 1970, strictly rising per key.
    pub fn sequence(&self) -> u64 {
        self.sequence
    }
    /// The JSON, at most 996 bytes.
    pub fn json(&self) -> &[u8] {
        &self.json
    }
    /// BEP 44 signature: over the unsalted DHT item, see [`bep44_message`].
    pub fn bep44(&self) -> &[u8; 64] {
        &self.bep44
    }
    /// Whether the payload needs a read key.
    pub fn is_private(&self) -> bool {
        self.private
    }
    /// Opens the payload. Private ones need the read key.
    pub fn open(&self, read_key: Option<&ReadKey>) -> Result<Head, ManifestError> {
        match (self.private, read_key) {
            (false, None) => head(&self.json),
            (true, Some(read_key)) => head(&decrypt(&self.json, read_key)?),
            (true, None) => Err(ManifestError::NeedsReadKey),
            (false, Some(_)) => Err(ManifestError::NotPrivate),
        }
    }
    /// Of two manifests: the higher sequence, then the greater SHA-256 (E4).
    pub fn supersedes(&self, other: &Self) -> bool {
        let rank = |manifest: &Self| (manifest.sequence, <[u8; 32]>::from(Sha256::digest(&manifest.json)));
        rank(self) > rank(other)
    }
    /// Signs a public manifest that holds the whole body; `None` if that is more than 996 bytes, or if a v5 client
    /// could not read it (an item that is no single file in chunks of offset 0, or a page): then the body goes into a
    /// tree.
    pub fn sign_inline(identity: &Identity, sequence: u64, body: &Body) -> Option<Self> {
        if !body::inline_is_v5_shape(body) {
            return None;
        }
        let manifest = Self::sign(identity, sequence, false, |object| body::write_inline(object, body));
        (manifest.json.len() <= MANIFEST_MAX).then_some(manifest)
    }
    /// Signs a public manifest whose body is a tree. `sequence` and `timestamp`: milliseconds since 1970.
    pub fn sign_tree(identity: &Identity, sequence: u64, body: &Tree, timestamp: u64) -> Self {
        Self::sign(identity, sequence, false, |object| write_tree_head(object, body, timestamp, &[]))
    }
    /// As [`SignedManifest::sign_tree`]; beside the tree stand, for v5 clients, those of these items (the list's, newest
    /// first) that such a client can fetch, as many as the 996 bytes hold. Who reads the tree ignores them.
    pub fn sign_tree_beside(identity: &Identity, sequence: u64, body: &Tree, timestamp: u64, items: &[Item]) -> Self {
        let bare = Self::sign_tree(identity, sequence, body, timestamp);
        let shown = body::for_v5(items, MANIFEST_MAX.saturating_sub(bare.json.len()));
        if shown.is_empty() {
            return bare;
        }
        Self::sign(identity, sequence, false, |object| write_tree_head(object, body, timestamp, &shown))
    }
    /// Chunks of the items that stand in the manifest itself, which are all that a v5 client sees of the list.
    pub fn inline_chunks(&self) -> Vec<Chunk> {
        let of = |item: Item| match item.payload {
            Payload::File(FileEntry { content: Content::Chunks(chunks), .. }) => chunks,
            _ => Vec::new(),
        };
        self.inline().into_iter().flat_map(of).collect()
    }
    /// How many items a v5 client sees.
    pub fn inline_items(&self) -> u32 {
        u32::try_from(self.inline().len()).unwrap_or(u32::MAX)
    }
    /// The first collection, as it stands in the manifest; none in a private one.
    fn inline(&self) -> Vec<Item> {
        let mut envelope = Envelope::default();
        let read = Reader::new(&self.json).map_err(BodyError::from).and_then(|mut reader| {
            reader.object(|reader, name| body::read_envelope_member(&mut envelope, reader, name))
        });
        match read.and_then(|()| envelope.into_body()) {
            Ok(body) => body.collections.into_iter().next().map(|first| first.items).unwrap_or_default(),
            Err(_) => Vec::new(),
        }
    }
    /// Signs a private manifest whose body is a tree, sealed under the read key with this nonce, which is never used
    /// twice. `sequence` and `timestamp`: milliseconds since 1970.
    pub fn sign_private(
        identity: &Identity,
        sequence: u64,
        body: &Tree,
        timestamp: u64,
        read_key: &ReadKey,
        nonce: [u8; 12],
    ) -> Self {
        let mut payload = Zeroizing::new(Vec::with_capacity(512));
        let mut object = Object::new(&mut payload);
        write_tree_head(&mut object, body, timestamp, &[]);
        object.end();
        let made = ChaCha20Poly1305::new(read_key.as_bytes().into()).encrypt_inout_detached(
            &nonce.into(),
            &[],
            InOutBuf::from(payload.as_mut_slice()),
        );
        match made {
            Ok(tag) => payload.extend_from_slice(&tag),
            // The cipher's only failure is a message beyond 256 GiB.
            Err(_) => unreachable!("a payload of a few hundred bytes"),
        }
        Self::sign(identity, sequence, true, |object| {
            object.member("encrypted").extend_from_slice(b"true");
            object.hex("nonce", &nonce);
            object.hex("ciphertext", &payload);
        })
    }

    /// Writes and signs: `publicKey`, `sequence`, the payload's members, `signature` last.
    fn sign(identity: &Identity, sequence: u64, private: bool, payload: impl FnOnce(&mut Object<'_>)) -> Self {
        let key = identity.channel();
        let sequence = sequence.min(SEQUENCE_MAX);
        let mut json = Vec::with_capacity(MANIFEST_MAX);
        let mut object = Object::new(&mut json);
        object.hex("publicKey", &key.0);
        object.integer("sequence", sequence);
        payload(&mut object);
        object.end();
        let signature = identity.sign(&json);
        json.pop();
        json.extend_from_slice(b",\"signature\":\"");
        json.extend_from_slice(HEXLOWER.encode(&signature).as_bytes());
        json.extend_from_slice(b"\"}");
        let bep44 = identity.sign(&bep44_message(sequence, &json, &[]));
        Self { key, sequence, private, json: json.into(), bep44 }
    }
}

impl std::fmt::Debug for SignedManifest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SignedManifest({:?} #{})", self.key, self.sequence)
    }
}

/// The bytes that BEP 44 signs: `[4:salt<len>:<salt>]3:seqi<seq>e1:v<len>:<value>`; an empty salt is none.
pub fn bep44_message(sequence: u64, value: &[u8], salt: &[u8]) -> Vec<u8> {
    let mut message = Vec::with_capacity(value.len() + salt.len() + 64);
    if !salt.is_empty() {
        message.extend_from_slice(format!("4:salt{}:", salt.len()).as_bytes());
        message.extend_from_slice(salt);
    }
    message.extend_from_slice(format!("3:seqi{sequence}e1:v{}:", value.len()).as_bytes());
    message.extend_from_slice(value);
    message
}

/// What a gateway verifies before it relays (§5): the value's length, the manifest's own signature, `seq` =
/// `sequence`, the BEP 44 signature over value and salt. Rates and known sequences are the gateway's own affair.
pub fn verify_publish(request: &PublishRequest) -> Result<(), ManifestError> {
    if request.salt.len() > SALT_MAX {
        return Err(ManifestError::Salt(request.salt.len()));
    }
    let parsed = Parsed::verify(&request.key, &request.value)?;
    if parsed.sequence != request.sequence {
        return Err(ManifestError::Sequence { seq: request.sequence, sequence: parsed.sequence });
    }
    let message = bep44_message(request.sequence, &request.value, &request.salt);
    if request.key.verify(&message, &request.signature) {
        Ok(())
    } else if request.key.verify(&request.value, &request.signature) {
        Err(ManifestError::Bep44SignedJson)
    } else {
        Err(ManifestError::Bep44)
    }
}

/// A v5 client reads `collections[0].items` without a look: one stands there, if only an empty one.
fn write_tree_head(object: &mut Object<'_>, tree: &Tree, timestamp: u64, for_v5: &[u8]) {
    let collections = object.member("collections");
    collections.extend_from_slice(b"[{\"items\":[");
    collections.extend_from_slice(for_v5);
    collections.extend_from_slice(b"]}]");
    tree.write(object.member("body"));
    object.integer("timestamp", timestamp);
}

fn head(json: &[u8]) -> Result<Head, ManifestError> {
    let mut envelope = Envelope::default();
    let mut reader = Reader::new(json)?;
    reader.object(|reader, name| body::read_envelope_member(&mut envelope, reader, name))?;
    reader.end()?;
    match envelope.take_tree()? {
        Some(tree) => Ok(Head::Tree(tree)),
        None => Ok(Head::Inline(envelope.into_body()?)),
    }
}

/// Opens the ciphertext of a private manifest: ChaCha20-Poly1305 under a nonce of 12 bytes, tag last, or the v5
/// client's XSalsa20-Poly1305 under one of 24, tag first.
fn decrypt(json: &[u8], read_key: &ReadKey) -> Result<Zeroizing<Vec<u8>>, ManifestError> {
    let (mut nonce, mut ciphertext) = (Vec::new(), Zeroizing::new(Vec::new()));
    let mut reader = Reader::new(json)?;
    reader.object(|reader, name| {
        match name {
            "nonce" => nonce = bytes(reader)?,
            "ciphertext" => *ciphertext = bytes(reader)?,
            _ => reader.skip()?,
        }
        Ok::<(), ManifestError>(())
    })?;
    if ciphertext.len() < TAG_LEN {
        return Err(ManifestError::ReadKey);
    }
    if let Ok(nonce) = <[u8; 12]>::try_from(nonce.as_slice()) {
        let end = ciphertext.len() - TAG_LEN;
        let (sealed, tag) = ciphertext.split_at_mut(end);
        let tag = (&*tag).try_into().map_err(|_| ManifestError::ReadKey)?;
        ChaCha20Poly1305::new(read_key.as_bytes().into())
            .decrypt_inout_detached(&nonce.into(), &[], InOutBuf::from(sealed), &tag)
            .map_err(|_| ManifestError::ReadKey)?;
        ciphertext.truncate(end);
        Ok(ciphertext)
    } else if let Ok(nonce) = <[u8; 24]>::try_from(nonce.as_slice()) {
        let (tag, sealed) = ciphertext.split_at_mut(TAG_LEN);
        let cipher = <XSalsa20Poly1305 as crypto_secretbox::KeyInit>::new(read_key.as_bytes().into());
        cipher
            .decrypt_in_place_detached(&nonce.into(), &[], sealed, crypto_secretbox::Tag::from_slice(tag))
            .map_err(|_| ManifestError::ReadKey)?;
        ciphertext.drain(..TAG_LEN);
        Ok(ciphertext)
    } else {
        Err(ManifestError::Cipher)
    }
}

fn bytes(reader: &mut Reader<'_>) -> Result<Vec<u8>, ManifestError> {
    HEXLOWER.decode(reader.text()?.as_bytes()).map_err(|_| ManifestError::Cipher)
}
