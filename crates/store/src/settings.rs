//! Identities, settings, sealed values, DHT nodes.

use protocol::ChannelKey;
use rusqlite::{OptionalExtension, Transaction, params};
use zeroize::Zeroizing;

use crate::db::{array, int, uint};
use crate::store::Core;
use crate::{IdentityRow, Store, StoreError};

const DHT: &str = "dht nodes";

impl Store {
    /// Identities: key, local name, kind (`Some(true)` private), created ms. Oldest first.
    pub fn identities(&self) -> Result<Vec<IdentityRow>, StoreError> {
        self.core.db.read(|tx| {
            let mut statement =
                tx.prepare_cached("SELECT key, name, private, created FROM identities ORDER BY created, key")?;
            let rows = statement.query_map([], |row| {
                Ok(IdentityRow {
                    key: ChannelKey(array(row, 0)?),
                    name: row.get(1)?,
                    private: row.get(2)?,
                    created: uint(row.get(3)?),
                })
            })?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
    }

    /// Inserts or replaces.
    pub fn put_identity(&self, row: &IdentityRow) -> Result<(), StoreError> {
        self.core.db.write(|tx| put_identity(tx, row))
    }

    /// A setting.
    pub fn setting(&self, name: &str) -> Result<Option<String>, StoreError> {
        self.core.db.read(|tx| {
            let mut statement = tx.prepare_cached("SELECT value FROM settings WHERE name = ?")?;
            Ok(statement.query_row([name], |row| row.get(0)).optional()?)
        })
    }

    /// Sets one; `None` removes it.
    pub fn set_setting(&self, name: &str, value: Option<&str>) -> Result<(), StoreError> {
        self.set_settings(&[(name, value)])
    }

    /// Sets several in one step; `None` removes one.
    pub fn set_settings(&self, values: &[(&str, Option<&str>)]) -> Result<(), StoreError> {
        self.core.db.write(|tx| values.iter().try_for_each(|(name, value)| set(tx, name, *value)))
    }

    /// Sets values in the clear and a sealed one in one step, so that each fits the others whatever happens; `None` removes
    /// one.
    pub fn set_settings_sealed(
        &self,
        values: &[(&str, Option<&str>)],
        name: &str,
        sealed: Option<&[u8]>,
    ) -> Result<(), StoreError> {
        let sealed = self.core.seal_value(name, sealed)?;
        self.core.db.write(|tx| {
            set_sealed(tx, name, sealed.as_deref())?;
            values.iter().try_for_each(|(name, value)| set(tx, name, *value))
        })
    }

    /// A secret value kept under the store key (E11), such as an onion service's key; `None` if there is none, or if it
    /// was sealed under another store key.
    pub fn sealed(&self, name: &str) -> Result<Option<Zeroizing<Vec<u8>>>, StoreError> {
        let value: Option<Vec<u8>> = self.core.db.read(|tx| {
            let mut statement = tx.prepare_cached("SELECT value FROM sealed WHERE name = ?")?;
            Ok(statement.query_row([name], |row| row.get(0)).optional()?)
        })?;
        match value {
            Some(value) => self.core.sealing.open(format!("value {name}").as_bytes(), &value),
            None => Ok(None),
        }
    }

    /// The sealed value of this name, or, if there is none, this one from now on. Of several who ask at once all get the
    /// same. [`StoreError::OtherStoreKey`]: there is one that does not open; it stays as it is.
    pub fn sealed_or(&self, name: &str, fresh: &[u8]) -> Result<Zeroizing<Vec<u8>>, StoreError> {
        let purpose = format!("value {name}");
        let sealed = self.core.sealing.seal(purpose.as_bytes(), fresh)?;
        self.core.db.write(|tx| {
            let mut statement = tx.prepare_cached("SELECT value FROM sealed WHERE name = ?")?;
            let kept: Option<Vec<u8>> = statement.query_row([name], |row| row.get(0)).optional()?;
            match kept {
                Some(kept) => self.core.sealing.open(purpose.as_bytes(), &kept)?.ok_or(StoreError::OtherStoreKey),
                None => {
                    set_sealed(tx, name, Some(&sealed))?;
                    Ok(Zeroizing::new(fresh.to_vec()))
                }
            }
        })
    }

    /// Keeps one; `None` removes it.
    pub fn set_sealed(&self, name: &str, value: Option<&[u8]>) -> Result<(), StoreError> {
        let sealed = self.core.seal_value(name, value)?;
        self.core.db.write(|tx| set_sealed(tx, name, sealed.as_deref()))
    }

    /// DHT nodes for the next start.
    pub fn dht_cache(&self) -> Result<Vec<String>, StoreError> {
        let json = self.setting(DHT)?;
        Ok(json.and_then(|json| serde_json::from_str(&json).ok()).unwrap_or_default())
    }

    /// Replaces them.
    pub fn set_dht_cache(&self, nodes: &[String]) -> Result<(), StoreError> {
        self.set_setting(DHT, Some(&serde_json::Value::from(nodes).to_string()))
    }
}

/// See [`Store::put_identity`].
pub(crate) fn put_identity(tx: &Transaction<'_>, row: &IdentityRow) -> Result<(), StoreError> {
    tx.prepare_cached("INSERT OR REPLACE INTO identities(key, name, private, created) VALUES(?, ?, ?, ?)")?
        .execute(params![row.key.as_bytes(), row.name, row.private, int(row.created)])?;
    Ok(())
}

fn set(tx: &Transaction<'_>, name: &str, value: Option<&str>) -> Result<(), StoreError> {
    match value {
        Some(value) => {
            tx.prepare_cached("INSERT OR REPLACE INTO settings(name, value) VALUES(?, ?)")?.execute([name, value])?
        }
        None => tx.prepare_cached("DELETE FROM settings WHERE name = ?")?.execute([name])?,
    };
    Ok(())
}

fn set_sealed(tx: &Transaction<'_>, name: &str, sealed: Option<&[u8]>) -> Result<(), StoreError> {
    match sealed {
        Some(sealed) => tx
            .prepare_cached("INSERT OR REPLACE INTO sealed(name, value) VALUES(?, ?)")?
            .execute(params![name, sealed])?,
        None => tx.prepare_cached("DELETE FROM sealed WHERE name = ?")?.execute([name])?,
    };
    Ok(())
}

impl Core {
    fn seal_value(&self, name: &str, value: Option<&[u8]>) -> Result<Option<Vec<u8>>, StoreError> {
        value.map(|value| self.sealing.seal(format!("value {name}").as_bytes(), value)).transpose()
    }
}
