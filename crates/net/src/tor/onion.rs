//! An onion service's key.

use data_encoding::BASE64;
use ed25519_dalek::SigningKey;
use protocol::addr::OnionKey;
use sha2::{Digest, Sha512};
use std::{fmt, io};
use zeroize::Zeroizing;

/// The secret of an onion service: an Ed25519 seed. Whoever has it can stand at the address.
#[derive(Clone)]
pub struct OnionSecret(Zeroizing<[u8; 32]>);

impl fmt::Debug for OnionSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OnionSecret(..)")
    }
}

impl OnionSecret {
    /// A new one, by chance; derived from nothing.
    ///
    /// # Errors
    /// The system gives no random bytes.
    pub fn generate() -> io::Result<Self> {
        let mut seed = Zeroizing::new([0; 32]);
        getrandom::fill(&mut *seed).map_err(io::Error::other)?;
        Ok(Self(seed))
    }
    /// One that was kept.
    pub fn from_bytes(seed: &[u8; 32]) -> Self {
        Self(Zeroizing::new(*seed))
    }
    /// To be kept.
    pub fn to_bytes(&self) -> Zeroizing<[u8; 32]> {
        self.0.clone()
    }
    /// The address that it makes.
    pub fn address(&self) -> OnionKey {
        OnionKey(SigningKey::from_bytes(&self.0).verifying_key().to_bytes())
    }
    /// As tor takes it: base64 of the expanded key, which is SHA-512 of the seed, clamped.
    pub(crate) fn expanded(&self) -> Zeroizing<String> {
        let mut key = Zeroizing::new([0; 64]);
        key.copy_from_slice(&Sha512::digest(*self.0));
        key[0] &= 248;
        key[31] &= 63;
        key[31] |= 64;
        Zeroizing::new(BASE64.encode(&*key))
    }
}
