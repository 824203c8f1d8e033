//! E11 Secrets at rest — XChaCha20-Poly1305 per value under the store key, bound to what the value is.

use std::sync::{PoisonError, RwLock};

use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use zeroize::Zeroizing;

use crate::StoreError;

const NONCE: usize = 24;
const DOMAIN: &[u8] = b"megatorrent store v1";

/// The store key, or none while keyring or vault are locked.
pub(crate) struct Sealing(RwLock<Option<Zeroizing<[u8; 32]>>>);

impl Sealing {
    pub(crate) fn new(key: Option<&[u8; 32]>) -> Self {
        Self(RwLock::new(key.map(|key| Zeroizing::new(*key))))
    }

    /// From here on with this key.
    pub(crate) fn unlock(&self, key: &[u8; 32]) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Some(Zeroizing::new(*key));
    }

    pub(crate) fn locked(&self) -> bool {
        self.0.read().unwrap_or_else(PoisonError::into_inner).is_none()
    }

    fn cipher(&self) -> Result<XChaCha20Poly1305, StoreError> {
        let key = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let key = key.as_ref().ok_or(StoreError::SecretsLocked)?;
        XChaCha20Poly1305::new_from_slice(&key[..]).map_err(|_| StoreError::SecretsLocked)
    }

    /// `nonce(24) ‖ ciphertext ‖ tag(16)`; opens only with the same purpose.
    pub(crate) fn seal(&self, purpose: &[u8], value: &[u8]) -> Result<Vec<u8>, StoreError> {
        let cipher = self.cipher()?;
        let mut nonce = [0; NONCE];
        getrandom::fill(&mut nonce).map_err(|e| StoreError::Corrupt(format!("no randomness: {e}")))?;
        let aad = [DOMAIN, &[0], purpose].concat();
        let sealed = cipher
            .encrypt(&XNonce::from(nonce), Payload { msg: value, aad: &aad })
            .map_err(|_| StoreError::Corrupt("a secret too long to be sealed".into()))?;
        Ok([&nonce[..], &sealed].concat())
    }

    /// `None`: sealed under another store key, for another purpose, or changed on disk.
    pub(crate) fn open(&self, purpose: &[u8], sealed: &[u8]) -> Result<Option<Zeroizing<Vec<u8>>>, StoreError> {
        let cipher = self.cipher()?;
        let Some((nonce, text)) = sealed.split_first_chunk::<NONCE>() else { return Ok(None) };
        let aad = [DOMAIN, &[0], purpose].concat();
        Ok(cipher.decrypt(&XNonce::from(*nonce), Payload { msg: text, aad: &aad }).ok().map(Zeroizing::new))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn opens_what_it_sealed_and_nothing_else(value in proptest::collection::vec(any::<u8>(), 0..100), flip in any::<usize>()) {
            let sealing = Sealing::new(Some(&[7; 32]));
            let mut sealed = sealing.seal(b"a", &value).unwrap();
            prop_assert_eq!(&**sealing.open(b"a", &sealed).unwrap().unwrap(), &value[..]);
            prop_assert!(sealing.open(b"b", &sealed).unwrap().is_none());
            prop_assert!(Sealing::new(Some(&[8; 32])).open(b"a", &sealed).unwrap().is_none());
            let at = flip % sealed.len();
            sealed[at] ^= 1;
            prop_assert!(sealing.open(b"a", &sealed).unwrap().is_none());
        }
    }

    #[test]
    fn locked_secrets_say_so() {
        let sealing = Sealing::new(None);
        assert!(sealing.locked());
        assert!(matches!(sealing.seal(b"a", b"x"), Err(StoreError::SecretsLocked)));
        sealing.unlock(&[1; 32]);
        assert!(!sealing.locked() && sealing.seal(b"a", b"x").is_ok());
    }
}
