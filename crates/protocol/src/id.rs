//! §1.1 Identity, §1.3 Blob ID — the names of things, each a type of its own.
//!
//! Written as lower-case hex everywhere; read as lower-case hex (links also read upper case, see [`crate::link`]).
//! Secrets ([`Identity`], [`ReadKey`]) are zeroized when dropped and print nothing of themselves.

use std::fmt;
use std::str::FromStr;

use data_encoding::HEXLOWER;
use ed25519_dalek::{Signer, SigningKey};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest, Sha256};
use zeroize::{Zeroize, ZeroizeOnDrop};

/// Text that should have been lower-case hex of a certain length and was not.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HexError {
    /// The wrong number of characters.
    #[error("{found} characters where {expected} hexadecimal ones are needed")]
    Length {
        /// Characters that the type needs.
        expected: usize,
        /// Characters found.
        found: usize,
    },
    /// A character that is not `0-9a-f`.
    #[error("a character that is not lower-case hexadecimal")]
    Digit,
}

/// Reads exactly `N` bytes of lower-case hex.
pub(crate) fn hex_array<const N: usize>(text: &[u8]) -> Result<[u8; N], HexError> {
    if text.len() != N * 2 {
        return Err(HexError::Length { expected: N * 2, found: text.len() });
    }
    let mut out = [0; N];
    HEXLOWER.decode_mut(text, &mut out).map_err(|_| HexError::Digit)?;
    Ok(out)
}

macro_rules! name_of_bytes {
    ($(#[$doc:meta])* $name:ident, $len:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub [u8; $len]);

        impl $name {
            /// The raw bytes.
            pub const fn as_bytes(&self) -> &[u8; $len] { &self.0 }
        }
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result { f.write_str(&HEXLOWER.encode(&self.0)) }
        }
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), HEXLOWER.encode(&self.0[..6]))
            }
        }
        impl FromStr for $name {
            type Err = HexError;
            fn from_str(text: &str) -> Result<Self, HexError> { hex_array(text.as_bytes()).map(Self) }
        }
        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> { s.collect_str(self) }
        }
        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
                let text = std::borrow::Cow::<'de, str>::deserialize(d)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

name_of_bytes!(
    /// A channel: the raw 32-byte Ed25519 public key of the identity that signs it (§1.1).
    ChannelKey, 32
);
name_of_bytes!(
    /// A blob: SHA-256 of its 1,048,592 sealed bytes (§1.3).
    BlobId, 32
);
name_of_bytes!(
    /// An item of a channel: 16 random bytes, stable over edits (E2).
    ItemId, 16
);
name_of_bytes!(
    /// What the DHT knows a swarm by: the first 20 bytes of a [`Topic`] (§1.3, BEP 5).
    InfoHash, 20
);
name_of_bytes!(
    /// What peers can be found for: a blob ID, or a channel's rendezvous ID (E6).
    Topic, 32
);

impl BlobId {
    /// The ID of these sealed bytes: their SHA-256.
    pub fn of(sealed: &[u8]) -> Self {
        Self(Sha256::digest(sealed).into())
    }

    /// The IDs of two blobs, hashed at once: that takes a core little longer than one.
    pub fn of_two(sealed: [&[u8]; 2]) -> [Self; 2] {
        sha256::pair(sealed).map(Self)
    }
}

impl From<BlobId> for Topic {
    fn from(id: BlobId) -> Self {
        Self(id.0)
    }
}

impl Topic {
    /// The DHT's name for this topic.
    pub fn infohash(&self) -> InfoHash {
        let mut out = [0; 20];
        out.copy_from_slice(&self.0[..20]);
        InfoHash(out)
    }
}

impl ChannelKey {
    /// The fingerprint as people compare it: 16 groups of 4 characters.
    pub fn fingerprint(&self) -> String {
        let hex = HEXLOWER.encode(&self.0);
        let groups: Vec<&str> = (0..16).map(|i| &hex[i * 4..i * 4 + 4]).collect();
        groups.join(" ")
    }

    /// Whether `signature` (64 bytes) over `message` was made by this channel's identity (strict Ed25519: no small-order keys).
    pub fn verify(&self, message: &[u8], signature: &[u8; 64]) -> bool {
        ed25519_dalek::VerifyingKey::from_bytes(&self.0)
            .and_then(|key| key.verify_strict(message, &ed25519_dalek::Signature::from_bytes(signature)))
            .is_ok()
    }
}

/// The secret half of a channel: signs its manifests (§1.1).
#[derive(Clone, ZeroizeOnDrop)]
pub struct Identity(SigningKey);

impl Identity {
    /// From the 32-byte Ed25519 seed.
    pub fn from_seed(seed: &[u8; 32]) -> Self {
        Self(SigningKey::from_bytes(seed))
    }
    /// The seed, for the keyring and for an encrypted backup; nowhere else.
    pub fn seed(&self) -> zeroize::Zeroizing<[u8; 32]> {
        zeroize::Zeroizing::new(self.0.to_bytes())
    }
    /// The public half.
    pub fn channel(&self) -> ChannelKey {
        ChannelKey(self.0.verifying_key().to_bytes())
    }
    /// Ed25519 signature of `message`.
    pub fn sign(&self, message: &[u8]) -> [u8; 64] {
        self.0.sign(message).to_bytes()
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Identity({:?})", self.channel())
    }
}

/// The shared 32-byte secret that opens a private channel's manifests (§1.2) and proves a follower (E7).
#[derive(Clone, PartialEq, Eq, Zeroize, ZeroizeOnDrop)]
pub struct ReadKey(pub [u8; 32]);

impl ReadKey {
    /// The raw bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Debug for ReadKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ReadKey(…)")
    }
}
