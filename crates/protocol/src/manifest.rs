//! §1.2 Manifests — signed heads of channels, public and private; BEP 44 items.

use crate::{ChannelKey, Identity, ReadKey, Tree, body::Body};

/// A manifest of which both signatures (its own and BEP 44's) were verified.
#[derive(Clone, PartialEq, Eq)]
pub struct SignedManifest {
    key: ChannelKey,
    sequence: u64,
    json: Box<[u8]>,
    bep44: [u8; 64],
}
impl std::fmt::Debug for SignedManifest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SignedManifest({:?} #{})", self.key, self.sequence)
    }
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
    /// Placeholder.
    #[error("bad manifest")]
    Bad,
}

#[allow(clippy::todo, unused_variables)]
impl SignedManifest {
    /// Verifies everything: JSON shape, `publicKey` = `asked`, inner signature over the received bytes, BEP 44 signature (no salt), `seq` = `sequence`.
    pub fn verify(asked: &ChannelKey, json: &[u8], bep44: &[u8; 64]) -> Result<Self, ManifestError> {
        todo!()
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
    /// BEP 44 signature.
    pub fn bep44(&self) -> &[u8; 64] {
        &self.bep44
    }
    /// Whether the payload needs a read key.
    pub fn is_private(&self) -> bool {
        todo!()
    }
    /// Opens the payload. Private ones need the read key.
    pub fn open(&self, read_key: Option<&ReadKey>) -> Result<Head, ManifestError> {
        todo!()
    }
    /// Of two manifests: the higher sequence, then the greater SHA-256 (E4).
    pub fn supersedes(&self, other: &Self) -> bool {
        todo!()
    }
    /// Signs a public manifest that holds the whole body; `None` if that is more than 996 bytes.
    pub fn sign_inline(identity: &Identity, sequence: u64, body: &Body) -> Option<Self> {
        todo!()
    }
    /// Signs a public manifest whose body is a tree.
    pub fn sign_tree(identity: &Identity, sequence: u64, body: &Tree, timestamp: u64) -> Self {
        todo!()
    }
    /// Signs a private manifest whose body is a tree, sealed under the read key with this nonce.
    pub fn sign_private(
        identity: &Identity,
        sequence: u64,
        body: &Tree,
        timestamp: u64,
        read_key: &ReadKey,
        nonce: [u8; 12],
    ) -> Self {
        todo!()
    }
}
