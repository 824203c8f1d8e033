//! Secrets of this node — the system's keyring where one really works, else a vault file under a passphrase.
//!
//! A data folder uses one of the two for good: `keys.json` names it and the random prefix of this folder's keyring
//! entries. When neither opens, [`KeyStore::locked`] lets a node start without its secrets (E11).

mod ring;
pub(crate) mod vault;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use data_encoding::HEXLOWER;
use protocol::words::{quoted, without_number};
use protocol::{ChannelKey, Identity};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::cut;
use crate::whole::{clear, write_whole};

use ring::Ring;
use vault::Vault;

const STORE_KEY: &str = "store-key";
/// What the name of an identity's secret begins with; the key follows.
const IDENTITY: &str = "identity-";
pub(crate) const FILE: &str = "keys.json";
const FILE_MAX: u64 = 4096;
/// Characters that a new passphrase has at least: one of a vault, or of a backup.
pub const PASSPHRASE_MIN: usize = 8;

/// Why secrets cannot be read or kept.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// Nothing here can keep secrets yet.
    #[error(
        "This machine has no keyring. Set MEGATORRENT_PASSPHRASE, or run this in a terminal to be asked for a passphrase."
    )]
    NoKeyring,
    /// The vault was made with another one.
    #[error("wrong passphrase")]
    WrongPassphrase,
    /// A new vault is not made under it.
    #[error("A passphrase has at least {PASSPHRASE_MIN} characters.")]
    Short,
    /// The secrets are in a keyring that does not answer, or this store was started locked.
    #[error("the secrets are locked")]
    Locked,
    /// The keyring answered with an error.
    #[error("the keyring fails: {0}")]
    Keyring(String),
    /// What the vault, `keys.json` or a keyring entry holds is not what was written.
    #[error("{} is damaged", quoted(.0.display()))]
    Damaged(PathBuf),
    /// A file could not be read or written.
    #[error("{}: {}", quoted(.path.display()), without_number(.source))]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// Where secrets are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyKind {
    /// The system's keyring.
    Keyring,
    /// `vault.age` in the data folder.
    Vault,
    /// Nowhere that opens now.
    Locked,
}

/// Keeps named secrets.
pub struct KeyStore {
    place: Mutex<Place>,
    kind: KeyKind,
}

enum Place {
    Ring(Ring),
    Vault(Vault),
    Locked { in_keyring: bool },
}

/// `keys.json`: nothing secret.
#[derive(Serialize, Deserialize)]
struct Choice {
    install: String,
    keyring: bool,
}

/// Whether it has fewer than [`PASSPHRASE_MIN`] characters: too few for a new one.
pub fn is_short(passphrase: &str) -> bool {
    passphrase.chars().count() < PASSPHRASE_MIN
}

impl std::fmt::Debug for KeyStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "KeyStore({:?})", self.kind)
    }
}

impl KeyStore {
    /// Opens the secrets of a data folder. On first use the keyring is taken if `use_keyring` and it keeps, gives and
    /// forgets a probe; else a vault under `passphrase`. Later the same place is used again.
    ///
    /// [`KeyError::NoKeyring`]: a passphrase is needed and none was given. [`KeyError::Short`]: a vault would be made, and its
    /// passphrase is shorter than [`PASSPHRASE_MIN`]. [`KeyError::WrongPassphrase`]: not the
    /// vault's. [`KeyError::Locked`]: this folder's secrets are in a keyring that does not open now, or the keyring that
    /// would be taken is locked and no passphrase for a vault was given.
    pub fn open(data_dir: &Path, passphrase: Option<Zeroizing<String>>, use_keyring: bool) -> Result<Self, KeyError> {
        Self::open_within(data_dir, passphrase, use_keyring, ring::PATIENCE)
    }

    /// As [`KeyStore::open`], with so much time for a person to unlock the keyring.
    ///
    /// # Errors
    /// As [`KeyStore::open`].
    pub fn open_within(
        data_dir: &Path,
        passphrase: Option<Zeroizing<String>>,
        use_keyring: bool,
        patience: Duration,
    ) -> Result<Self, KeyError> {
        crate::data_dir::create_private(data_dir)
            .map_err(|e| KeyError::Io { path: data_dir.to_path_buf(), source: io::Error::other(e) })?;
        let file = data_dir.join(FILE);
        for path in [&file, &data_dir.join(vault::FILE)] {
            clear(path).map_err(|source| KeyError::Io { path: path.clone(), source })?;
        }
        let chosen = read_choice(&file)?;
        let ring = |install: &str| -> Result<Option<Ring>, KeyError> {
            if use_keyring { Ring::probe(install, patience) } else { Ok(None) }
        };
        match chosen {
            Some(Choice { install, keyring: true }) => {
                let ring = ring(&install)?.ok_or(KeyError::Locked)?;
                Ok(Self { place: Mutex::new(Place::Ring(ring)), kind: KeyKind::Keyring })
            }
            Some(Choice { keyring: false, .. }) => Self::open_vault(data_dir, passphrase),
            None => {
                let install = HEXLOWER.encode(&random::<16>()?[..]);
                match ring(&install) {
                    Ok(Some(ring)) => {
                        write_choice(&file, &Choice { install, keyring: true })?;
                        return Ok(Self { place: Mutex::new(Place::Ring(ring)), kind: KeyKind::Keyring });
                    }
                    // It may open later: a vault takes its place only on somebody's word.
                    Err(KeyError::Locked) if passphrase.is_some() => {}
                    Err(error) => return Err(error),
                    Ok(None) => {}
                }
                let made = !data_dir.join(vault::FILE).exists();
                if made && passphrase.as_ref().is_some_and(|text| is_short(text)) {
                    return Err(KeyError::Short);
                }
                let vault = Self::open_vault(data_dir, passphrase)?;
                write_choice(&file, &Choice { install, keyring: false })?;
                Ok(vault)
            }
        }
    }

    fn open_vault(data_dir: &Path, passphrase: Option<Zeroizing<String>>) -> Result<Self, KeyError> {
        let passphrase = passphrase.ok_or(KeyError::NoKeyring)?;
        let vault = Vault::open(&data_dir.join(vault::FILE), passphrase)?;
        Ok(Self { place: Mutex::new(Place::Vault(vault)), kind: KeyKind::Vault })
    }

    /// A store that holds nothing and keeps nothing: every call fails with [`KeyError::Locked`] when a keyring has the
    /// secrets, else with [`KeyError::NoKeyring`].
    pub fn locked(in_keyring: bool) -> Self {
        Self { place: Mutex::new(Place::Locked { in_keyring }), kind: KeyKind::Locked }
    }

    /// Whether a place for this folder's secrets was chosen on an earlier start.
    pub fn is_chosen(data_dir: &Path) -> bool {
        data_dir.join(FILE).exists()
    }

    /// Chooses a place for this folder's secrets anew, as on first use, for what was chosen is gone for good. The old choice
    /// and the old vault stay beside, under names with `number` in them; of a keyring nothing is removed. Both come back if
    /// no new place can be had.
    ///
    /// # Errors
    /// As [`KeyStore::open`].
    pub fn anew(
        data_dir: &Path,
        passphrase: Option<Zeroizing<String>>,
        use_keyring: bool,
        number: u64,
    ) -> Result<Self, KeyError> {
        let mut moved = Vec::new();
        for name in [FILE, vault::FILE] {
            let (from, to) = (data_dir.join(name), data_dir.join(format!("{name}.{number}.old")));
            cut::point("rename");
            match std::fs::rename(&from, &to) {
                Ok(()) => moved.push((from, to)),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(source) => {
                    put_back(&moved);
                    return Err(KeyError::Io { path: from, source });
                }
            }
        }
        let opened = Self::open_within(data_dir, passphrase, use_keyring, ring::PATIENCE);
        if opened.is_err() {
            put_back(&moved);
        }
        opened
    }

    /// Where the secrets are.
    pub fn kind(&self) -> KeyKind {
        self.kind
    }

    /// Whether it is a keyring that would have to be unlocked.
    pub fn is_keyring_locked(&self) -> bool {
        matches!(*self.place(), Place::Locked { in_keyring: true })
    }

    /// A secret; `None` if there is none of that name.
    pub fn get(&self, name: &str) -> Result<Option<Zeroizing<Vec<u8>>>, KeyError> {
        match &*self.place() {
            Place::Ring(ring) => ring.get(name),
            Place::Vault(vault) => Ok(vault.get(name)),
            Place::Locked { in_keyring } => Err(locked(*in_keyring)),
        }
    }

    /// Keeps one, in place of an earlier one of that name.
    pub fn set(&self, name: &str, value: &[u8]) -> Result<(), KeyError> {
        match &mut *self.place() {
            Place::Ring(ring) => ring.set(name, value),
            Place::Vault(vault) => vault.set(name, Some(value)),
            Place::Locked { in_keyring } => Err(locked(*in_keyring)),
        }
    }

    /// Forgets one; one that is not there is no error.
    pub fn delete(&self, name: &str) -> Result<(), KeyError> {
        match &mut *self.place() {
            Place::Ring(ring) => ring.delete(name),
            Place::Vault(vault) => vault.set(name, None),
            Place::Locked { in_keyring } => Err(locked(*in_keyring)),
        }
    }

    /// The key that seals secrets in the database (E11), if there is one. Where none is, [`Self::store_key`] makes one: only
    /// for a database in which nothing is sealed (see [`crate::Store::may_have_first_key`]).
    pub fn kept_store_key(&self) -> Result<Option<Zeroizing<[u8; 32]>>, KeyError> {
        self.get(STORE_KEY)?.map(|key| bytes32(&key, STORE_KEY)).transpose()
    }

    /// The key that seals secrets in the database (E11); made on first use.
    pub fn store_key(&self) -> Result<Zeroizing<[u8; 32]>, KeyError> {
        if let Some(key) = self.kept_store_key()? {
            return Ok(key);
        }
        let key = random::<32>()?;
        self.set(STORE_KEY, &key[..])?;
        Ok(key)
    }

    /// The secret half of a channel of ours.
    pub fn identity(&self, channel: &ChannelKey) -> Result<Option<Identity>, KeyError> {
        let name = identity_name(channel);
        let Some(seed) = self.get(&name)? else { return Ok(None) };
        let identity = Identity::from_seed(&*bytes32(&seed, &name)?);
        if identity.channel() == *channel { Ok(Some(identity)) } else { Err(KeyError::Damaged(name.into())) }
    }

    /// Keys of the identities that are kept here, where the place can tell: a keyring is asked by name only.
    pub fn identity_keys(&self) -> Vec<ChannelKey> {
        let place = self.place();
        let Place::Vault(vault) = &*place else { return Vec::new() };
        let hex = vault.names().filter_map(|name| name.strip_prefix(IDENTITY));
        hex.filter_map(|hex| Some(ChannelKey(HEXLOWER.decode(hex.as_bytes()).ok()?.try_into().ok()?))).collect()
    }

    /// Keeps an identity's seed.
    pub fn put_identity(&self, identity: &Identity) -> Result<(), KeyError> {
        self.set(&identity_name(&identity.channel()), &identity.seed()[..])
    }

    fn place(&self) -> MutexGuard<'_, Place> {
        self.place.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Undoes renames, where nothing took the old name meanwhile.
fn put_back(moved: &[(PathBuf, PathBuf)]) {
    for (from, to) in moved {
        cut::point("rename");
        if !from.exists()
            && let Err(error) = std::fs::rename(to, from)
        {
            tracing::warn!(%error, "{} could not get its name back", to.display());
        }
    }
}

fn identity_name(channel: &ChannelKey) -> String {
    format!("{IDENTITY}{channel}")
}

fn bytes32(value: &[u8], name: &str) -> Result<Zeroizing<[u8; 32]>, KeyError> {
    value.try_into().map(Zeroizing::new).map_err(|_| KeyError::Damaged(name.into()))
}

fn random<const N: usize>() -> Result<Zeroizing<[u8; N]>, KeyError> {
    let mut out = Zeroizing::new([0; N]);
    getrandom::fill(&mut out[..])
        .map_err(|e| KeyError::Io { path: "random numbers".into(), source: io::Error::other(e) })?;
    Ok(out)
}

/// A file of at most `max` bytes; `None` if there is none.
fn read_bounded(path: &Path, max: u64) -> Result<Option<Vec<u8>>, KeyError> {
    use io::Read;
    let io = |source| KeyError::Io { path: path.to_path_buf(), source };
    let file = match std::fs::File::open(path) {
        Ok(file) => file,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(io(e)),
    };
    let mut bytes = Vec::new();
    file.take(max + 1).read_to_end(&mut bytes).map_err(io)?;
    if bytes.len() as u64 > max { Err(KeyError::Damaged(path.to_path_buf())) } else { Ok(Some(bytes)) }
}

/// See [`write_whole`].
fn write_atomically(path: &Path, bytes: &[u8]) -> Result<(), KeyError> {
    write_whole(path, bytes).map_err(|source| KeyError::Io { path: path.to_path_buf(), source })
}

fn read_choice(file: &Path) -> Result<Option<Choice>, KeyError> {
    let Some(bytes) = read_bounded(file, FILE_MAX)? else { return Ok(None) };
    let choice: Choice = serde_json::from_slice(&bytes).map_err(|_| KeyError::Damaged(file.to_path_buf()))?;
    Ok(Some(choice))
}

fn write_choice(file: &Path, choice: &Choice) -> Result<(), KeyError> {
    let json = serde_json::to_vec(choice)
        .map_err(|e| KeyError::Io { path: file.to_path_buf(), source: io::Error::other(e) })?;
    write_atomically(file, &json)
}

fn locked(in_keyring: bool) -> KeyError {
    if in_keyring { KeyError::Locked } else { KeyError::NoKeyring }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pass(text: &str) -> Option<Zeroizing<String>> {
        Some(Zeroizing::new(text.into()))
    }

    #[test]
    fn a_vault_keeps_secrets_over_restarts_and_knows_its_passphrase() {
        let tmp = tempfile::tempdir().unwrap();
        let identity = Identity::from_seed(&[3; 32]);
        let keys = KeyStore::open(tmp.path(), pass("the first one"), false).unwrap();
        assert_eq!(keys.kind(), KeyKind::Vault);
        let store_key = keys.store_key().unwrap();
        assert_eq!(*keys.store_key().unwrap(), *store_key);
        keys.put_identity(&identity).unwrap();
        keys.set("other", b"x").unwrap();
        keys.delete("other").unwrap();
        drop(keys);
        assert!(matches!(KeyStore::open(tmp.path(), pass("another one"), false), Err(KeyError::WrongPassphrase)));
        let keys = KeyStore::open(tmp.path(), pass("the first one"), false).unwrap();
        assert_eq!(*keys.store_key().unwrap(), *store_key);
        assert_eq!(keys.identity(&identity.channel()).unwrap().unwrap().channel(), identity.channel());
        assert!(keys.identity(&ChannelKey([0; 32])).unwrap().is_none());
        assert!(keys.get("other").unwrap().is_none());
    }

    #[test]
    fn without_passphrase_the_sentence_for_users_comes_and_nothing_is_chosen() {
        let tmp = tempfile::tempdir().unwrap();
        let error = KeyStore::open(tmp.path(), None, false).unwrap_err();
        assert!(matches!(error, KeyError::NoKeyring));
        assert_eq!(
            error.to_string(),
            "This machine has no keyring. Set MEGATORRENT_PASSPHRASE, or run this in a terminal to be asked for a passphrase."
        );
        assert!(!tmp.path().join(FILE).exists());
        KeyStore::open(tmp.path(), pass("from now on"), false).unwrap();
    }

    #[test]
    fn a_vault_is_not_made_under_a_short_passphrase_and_an_older_one_opens() {
        let tmp = tempfile::tempdir().unwrap();
        for short in ["", "abc", "seven c", "ÄÖÜäöüß"] {
            assert!(matches!(KeyStore::open(tmp.path(), pass(short), false), Err(KeyError::Short)), "{short}");
        }
        assert!(!tmp.path().join(FILE).exists() && !tmp.path().join(vault::FILE).exists());
        KeyStore::open(tmp.path(), pass("ÄÖÜäöüßẞ"), false).unwrap();
        let old = tempfile::tempdir().unwrap();
        Vault::open(&old.path().join(vault::FILE), Zeroizing::new("abc".into())).unwrap();
        KeyStore::open(old.path(), pass("abc"), false).unwrap();
    }

    #[test]
    fn secrets_in_a_keyring_that_is_gone_are_locked_and_not_made_anew() {
        let tmp = tempfile::tempdir().unwrap();
        write_choice(&tmp.path().join(FILE), &Choice { install: "ab".into(), keyring: true }).unwrap();
        assert!(matches!(KeyStore::open(tmp.path(), pass("x"), false), Err(KeyError::Locked)));
        assert!(!tmp.path().join(vault::FILE).exists());
    }

    #[test]
    fn a_new_place_leaves_the_old_one_beside_and_comes_only_where_it_can_be_had() {
        let tmp = tempfile::tempdir().unwrap();
        let old = KeyStore::open(tmp.path(), pass("the forgotten one"), false).unwrap();
        let (old_key, vault) = (old.store_key().unwrap(), std::fs::read(tmp.path().join(vault::FILE)).unwrap());
        drop(old);
        for none in [None, pass("short")] {
            KeyStore::anew(tmp.path(), none, false, 5).unwrap_err();
            let again = KeyStore::open(tmp.path(), pass("the forgotten one"), false).unwrap();
            assert_eq!(*again.store_key().unwrap(), *old_key, "nothing has changed");
        }
        let new = KeyStore::anew(tmp.path(), pass("the new passphrase"), false, 5).unwrap();
        assert!(new.kept_store_key().unwrap().is_none());
        assert_eq!(std::fs::read(tmp.path().join("vault.age.5.old")).unwrap(), vault);
        assert!(tmp.path().join("keys.json.5.old").exists());
    }

    #[test]
    fn a_locked_store_says_so() {
        let keys = KeyStore::locked(true);
        assert_eq!(keys.kind(), KeyKind::Locked);
        assert!(matches!(keys.store_key(), Err(KeyError::Locked)));
        assert!(matches!(keys.set("a", b"b"), Err(KeyError::Locked)));
        assert!(matches!(keys.delete("a"), Err(KeyError::Locked)));
        assert!(matches!(KeyStore::locked(false).store_key(), Err(KeyError::NoKeyring)));
    }

    #[test]
    fn a_damaged_vault_is_not_overwritten() {
        let tmp = tempfile::tempdir().unwrap();
        let vault = tmp.path().join(vault::FILE);
        std::fs::write(&vault, b"nonsense").unwrap();
        assert!(matches!(KeyStore::open(tmp.path(), pass("x"), false), Err(KeyError::Damaged(_))));
        assert_eq!(std::fs::read(&vault).unwrap(), b"nonsense");
    }
}
