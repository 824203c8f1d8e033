//! E11 Secrets at rest — XChaCha20-Poly1305 per value under the store key, bound to what the value is.

use std::sync::{PoisonError, RwLock};

use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use protocol::ChannelKey;
use rusqlite::{OptionalExtension, Transaction};
use zeroize::Zeroizing;

use crate::db::array;
use crate::store::Core;
use crate::{IdentityRow, Store, StoreError};

const NONCE: usize = 24;
const DOMAIN: &[u8] = b"megatorrent store v1";

/// The store key, or none while keyring or vault are locked.
pub(crate) struct Sealing(RwLock<Key>);

enum Key {
    /// Keyring or vault are locked.
    Locked,
    /// They are open, and have no key or another one: what lies here sealed stays as it is.
    Other,
    Here(Zeroizing<[u8; 32]>),
}

impl Sealing {
    pub(crate) fn new(key: Option<&[u8; 32]>) -> Self {
        Self(RwLock::new(key.map_or(Key::Locked, |key| Key::Here(Zeroizing::new(*key)))))
    }

    /// From here on with this key.
    pub(crate) fn unlock(&self, key: &[u8; 32]) {
        self.set(Key::Here(Zeroizing::new(*key)));
    }

    /// The key is not to be had: nothing is opened or sealed from here on.
    pub(crate) fn lose(&self) {
        self.set(Key::Other);
    }

    fn set(&self, key: Key) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = key;
    }

    pub(crate) fn locked(&self) -> bool {
        !matches!(*self.0.read().unwrap_or_else(PoisonError::into_inner), Key::Here(_))
    }

    fn cipher(&self) -> Result<XChaCha20Poly1305, StoreError> {
        match &*self.0.read().unwrap_or_else(PoisonError::into_inner) {
            Key::Locked => Err(StoreError::SecretsLocked),
            Key::Other => Err(StoreError::OtherStoreKey),
            Key::Here(key) => XChaCha20Poly1305::new_from_slice(&key[..]).map_err(|_| StoreError::SecretsLocked),
        }
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

/// By which the right key is known, in `meta`.
const CHECK: &str = "key check";
const CHECKED: &[u8] = b"right";

/// A purpose, and what is sealed for it.
type Sample = (Vec<u8>, Vec<u8>);

/// What is sealed in a data folder, at most some of each kind.
fn samples(tx: &Transaction<'_>) -> Result<Vec<Sample>, StoreError> {
    let mut out: Vec<Sample> = Vec::new();
    let mut values = tx.prepare_cached("SELECT name, value FROM sealed LIMIT 50")?;
    let values = values.query_map([], |row| Ok((row.get::<_, String>(0)?, row.get(1)?)))?;
    for value in values {
        let (name, value) = value?;
        out.push((format!("value {name}").into_bytes(), value));
    }
    let mut keys = tx.prepare_cached("SELECT key, read_key FROM channels WHERE read_key IS NOT NULL LIMIT 50")?;
    let keys = keys.query_map([], |row| Ok((ChannelKey(array(row, 0)?), row.get(1)?)))?;
    for key in keys {
        let (key, value) = key?;
        out.push((crate::channels::purpose(&key), value));
    }
    let mut book = tx.prepare_cached("SELECT sealed FROM addresses LIMIT 50")?;
    for value in book.query_map([], |row| row.get(0))? {
        out.push((crate::addresses::BOOK.to_vec(), value?));
    }
    Ok(out)
}

fn check_value(tx: &Transaction<'_>) -> Result<Option<Vec<u8>>, StoreError> {
    let mut statement = tx.prepare_cached("SELECT value FROM meta WHERE name = ?")?;
    Ok(statement.query_row([CHECK], |row| row.get(0)).optional()?)
}

impl Core {
    /// Whether this key opens what lies here sealed. The first key of a folder does, and is known from then on.
    pub(crate) fn is_store_key(&self, key: &[u8; 32]) -> Result<bool, StoreError> {
        let sealing = Sealing::new(Some(key));
        let (check, samples) = self.db.read(|tx| Ok((check_value(tx)?, samples(tx)?)))?;
        if let Some(check) = check {
            return Ok(sealing.open(CHECK.as_bytes(), &check)?.is_some());
        }
        // An earlier version wrote no check value: one thing that opens is enough, for there may be damage.
        let mut opens = samples.is_empty();
        for (purpose, value) in &samples {
            opens = opens || sealing.open(purpose, value)?.is_some();
        }
        if opens {
            let check = sealing.seal(CHECK.as_bytes(), CHECKED)?;
            self.db.write(|tx| {
                tx.prepare_cached("INSERT OR REPLACE INTO meta(name, value) VALUES(?, ?)")?
                    .execute(rusqlite::params![CHECK, check])?;
                Ok(())
            })?;
        }
        Ok(opens)
    }

    /// Whether a key was ever used here.
    pub(crate) fn has_store_key(&self) -> Result<bool, StoreError> {
        self.db.read(|tx| Ok(check_value(tx)?.is_some() || !samples(tx)?.is_empty()))
    }
}

/// What is given up with a key that is gone.
#[derive(Debug, Clone, Default)]
pub struct GivenUp {
    /// Identities whose secrets are gone: their channels are followed from then on, and are nobody's here.
    pub identities: Vec<IdentityRow>,
    /// Private channels whose read keys are gone, and what they are called: their links open them again.
    pub closed: Vec<(ChannelKey, String)>,
    /// Whether something else was sealed: a proxy's password, keys of onion addresses, addresses of peers.
    pub others: bool,
}

impl Store {
    /// Whether a key was tried, or is missing, that is not the one by which this folder's secrets are sealed.
    pub fn is_key_lost(&self) -> bool {
        matches!(*self.core.sealing.0.read().unwrap_or_else(PoisonError::into_inner), Key::Other)
    }

    /// Whether secrets can be sealed and opened now.
    pub fn is_open(&self) -> bool {
        !self.core.sealing.locked()
    }

    /// What [`Self::give_up_key`] would give up: of the identities all but those in `keep`.
    pub fn sealed_by_key(&self, keep: &[ChannelKey]) -> Result<GivenUp, StoreError> {
        let identities = self.identities()?.into_iter().filter(|row| !keep.contains(&row.key)).collect();
        self.core.db.read(|tx| {
            let mut closed =
                tx.prepare_cached("SELECT key, name FROM channels WHERE read_key IS NOT NULL ORDER BY id")?;
            let closed = closed.query_map([], |row| Ok((ChannelKey(array(row, 0)?), row.get(1)?)))?;
            let others =
                tx.query_row("SELECT EXISTS(SELECT 1 FROM sealed) OR EXISTS(SELECT 1 FROM addresses)", [], |row| {
                    row.get(0)
                })?;
            Ok(GivenUp { identities, closed: closed.collect::<Result<_, _>>()?, others })
        })
    }

    /// Goes on with another key, for the one that this folder's secrets are sealed with is gone for good: what it sealed is
    /// forgotten, and so are the identities but those in `keep`, all of it or nothing. Channels, lists, downloads and
    /// published files stay.
    pub fn give_up_key(&self, fresh: &[u8; 32], keep: &[ChannelKey]) -> Result<GivenUp, StoreError> {
        let given_up = self.sealed_by_key(keep)?;
        let check = Sealing::new(Some(fresh)).seal(CHECK.as_bytes(), CHECKED)?;
        self.core.db.write(|tx| {
            tx.execute_batch("DELETE FROM sealed; DELETE FROM addresses; UPDATE channels SET read_key = NULL;")?;
            for row in &given_up.identities {
                tx.execute("DELETE FROM identities WHERE key = ?", [row.key.as_bytes()])?;
                tx.execute("UPDATE channels SET own = 0, followed = 1 WHERE key = ?", [row.key.as_bytes()])?;
            }
            tx.execute("INSERT OR REPLACE INTO meta(name, value) VALUES(?, ?)", rusqlite::params![CHECK, check])?;
            Ok(())
        })?;
        self.core.sealing.unlock(fresh);
        Ok(given_up)
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
