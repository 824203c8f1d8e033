//! `vault.age` — one JSON map of hex values, sealed with age under a passphrase, rewritten whole.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use age::armor::Format;
use data_encoding::HEXLOWER;
use zeroize::{Zeroize, Zeroizing};

use super::{KeyError, read_bounded, write_atomically};
use crate::backup::{BackupError, decrypt, encrypt};

/// Its name in the data folder.
pub(crate) const FILE: &str = "vault.age";
/// log2 of scrypt's N: well below a second on slow machines.
const WORK: u8 = 15;
const MAX: usize = 1 << 20;

/// The vault, opened.
pub(super) struct Vault {
    path: PathBuf,
    passphrase: Zeroizing<String>,
    values: Values,
}

#[derive(Clone, Default)]
struct Values(BTreeMap<String, String>);

impl Drop for Values {
    fn drop(&mut self) {
        self.0.values_mut().for_each(Zeroize::zeroize);
    }
}

impl Vault {
    /// Opens the vault, or makes an empty one.
    pub(super) fn open(path: &Path, passphrase: Zeroizing<String>) -> Result<Self, KeyError> {
        let path = path.to_path_buf();
        let Some(file) = read_bounded(&path, MAX as u64)? else {
            let vault = Self { path, passphrase, values: Values::default() };
            vault.write(&vault.values)?;
            return Ok(vault);
        };
        let json = decrypt(&file, &passphrase, MAX).map_err(|e| match e {
            BackupError::WrongPassphrase => KeyError::WrongPassphrase,
            _ => KeyError::Damaged(path.clone()),
        })?;
        let values = serde_json::from_slice(&json).map(Values).map_err(|_| KeyError::Damaged(path.clone()))?;
        Ok(Self { path, passphrase, values })
    }

    pub(super) fn get(&self, name: &str) -> Option<Zeroizing<Vec<u8>>> {
        self.values.0.get(name).and_then(|hex| HEXLOWER.decode(hex.as_bytes()).ok()).map(Zeroizing::new)
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.values.0.keys().map(String::as_str)
    }

    /// Sets or removes a value; what is in memory changes only once the file has.
    pub(super) fn set(&mut self, name: &str, value: Option<&[u8]>) -> Result<(), KeyError> {
        let mut values = self.values.clone();
        let old = match value {
            Some(value) => values.0.insert(name.to_string(), HEXLOWER.encode(value)),
            None => values.0.remove(name),
        };
        drop(old.map(Zeroizing::new));
        self.write(&values)?;
        self.values = values;
        Ok(())
    }

    fn write(&self, values: &Values) -> Result<(), KeyError> {
        let io = |source| KeyError::Io { path: self.path.clone(), source };
        let json = serde_json::to_vec(&values.0).map(Zeroizing::new).map_err(|e| io(e.into()))?;
        let sealed = encrypt(&json, &self.passphrase, WORK, Format::Binary).map_err(io)?;
        write_atomically(&self.path, &sealed)
    }
}
