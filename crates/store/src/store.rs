//! The store as a whole: opening, closing, and what its parts share.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::{SystemTime, UNIX_EPOCH};

use rusqlite::{OptionalExtension, Transaction};

use crate::blobs::BlobFiles;
use crate::db::Db;
use crate::quota::Room;
use crate::secrets::Sealing;
use crate::sums::Sums;
use crate::sync::{Pace, Syncer};
use crate::{DataDir, Recovery, StoreError};

/// What a node knows and holds. Cheap to clone.
#[derive(Clone)]
pub struct Store {
    pub(crate) core: Arc<Core>,
    // Joined when the last clone goes, or by `close`.
    syncer: Arc<Syncer>,
}

/// What the store's methods and its sync thread share.
pub(crate) struct Core {
    pub(crate) db: Db,
    pub(crate) blobs: BlobFiles,
    pub(crate) sealing: Sealing,
    pub(crate) pace: Pace,
    pub(crate) room: Room,
    pub(crate) sums: Sums,
    /// Held while plain bytes are written.
    pub(crate) writing: Mutex<()>,
    /// Held while part files are made.
    pub(crate) making: Mutex<()>,
    /// Items whose files are being carried elsewhere: nothing is written to them meanwhile.
    carried: Mutex<HashSet<i64>>,
    // Shared: reads and writes bytes of blobs. Exclusive: renames and removes their files.
    layout: RwLock<()>,
    closed: AtomicBool,
    // Held while open: `close` lets another process have the folder.
    dir: Mutex<Option<DataDir>>,
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Store")
    }
}

impl Store {
    /// Opens or creates the store; migrates; after an unclean stop re-reads what had not been synced.
    /// `store_key`: seals secrets at rest; `None` while secrets are locked. With one that is not the folder's everything else
    /// works, and what is sealed stays as it is: [`StoreError::OtherStoreKey`].
    pub fn open(dir: DataDir, store_key: Option<&[u8; 32]>) -> Result<(Self, Recovery), StoreError> {
        let home = dir.path().to_path_buf();
        let core = Arc::new(Core {
            db: Db::open(dir.path())?,
            blobs: BlobFiles::open(dir.path())?,
            sealing: Sealing::new(store_key),
            pace: Pace::default(),
            room: Room::default(),
            sums: Sums::default(),
            writing: Mutex::new(()),
            making: Mutex::new(()),
            carried: Mutex::default(),
            layout: RwLock::new(()),
            closed: AtomicBool::new(false),
            dir: Mutex::new(Some(dir)),
        });
        let unclean = core.db.read(|tx| Ok(meta(tx, "running")?.is_some()))?;
        if unclean {
            core.db.check()?;
        }
        if let Some(key) = store_key
            && !core.is_store_key(key)?
        {
            tracing::warn!("the key at hand is not the one that this folder's secrets are sealed with");
            core.sealing.lose();
        }
        core.come_home(&home)?;
        core.remove_doomed()?;
        let mut recovery = if unclean { core.recover()? } else { Recovery::default() };
        recovery.unsigned = core.check_manifests()?;
        core.db.write(|tx| {
            crate::items::readings_ended(tx, unclean)?;
            crate::verify::readings_cut_off(tx)?;
            tx.execute("DELETE FROM listing", [])?;
            tx.execute("INSERT OR REPLACE INTO meta(name, value) VALUES('running', 1)", [])?;
            Ok(())
        })?;
        let syncer = Arc::new(Syncer::start(core.clone())?);
        Ok((Self { core, syncer }, recovery))
    }

    /// Seals and opens secrets at rest with this key from here on (E11): keyring or vault were opened after the start.
    /// [`StoreError::OtherStoreKey`]: it is not the one that they are sealed with.
    pub fn unlock(&self, store_key: &[u8; 32]) -> Result<(), StoreError> {
        if !self.core.is_store_key(store_key)? {
            self.core.sealing.lose();
            return Err(StoreError::OtherStoreKey);
        }
        self.core.sealing.unlock(store_key);
        Ok(())
    }

    /// Keyring or vault are open and have no key: `true` if that is as it should be, for nothing was ever sealed here. Else
    /// what is sealed stays as it is, and asking for it fails with [`StoreError::OtherStoreKey`].
    pub fn may_have_first_key(&self) -> Result<bool, StoreError> {
        let first = !self.core.has_store_key()?;
        if !first {
            self.core.sealing.lose();
        }
        Ok(first)
    }

    /// Whether the database was made anew, and nobody said since that all is seen to.
    pub fn is_rebuilt(&self) -> Result<bool, StoreError> {
        self.core.db.read(|tx| Ok(meta(tx, "rebuilt")?.is_some()))
    }

    /// What a database made anew could not tell was looked for elsewhere.
    pub fn settle_rebuilt(&self) -> Result<(), StoreError> {
        self.core.db.write(|tx| Ok(tx.execute("DELETE FROM meta WHERE name = 'rebuilt'", [])?)).map(drop)
    }

    /// Syncs everything and marks the stop as clean. Further calls fail.
    pub fn close(&self) -> Result<(), StoreError> {
        if self.core.closed.swap(true, Ordering::SeqCst) {
            return Err(StoreError::Closed);
        }
        self.syncer.stop();
        let _layout = self.core.exclusive();
        let synced = self.core.sync_all();
        let marked = synced.and_then(|()| {
            self.core.db.write(|tx| Ok(tx.execute("DELETE FROM meta WHERE name = 'running'", [])?)).map(drop)
        });
        let closed = self.core.db.close();
        drop(self.core.dir.lock().unwrap_or_else(PoisonError::into_inner).take());
        marked.and(closed)
    }
}

impl Core {
    /// Whether the store was, or is being, closed: long work ends then.
    pub(crate) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::SeqCst)
    }

    /// From now on, until the guard goes, no blob is written to this item's files; what is being written is through.
    pub(crate) fn carry(&self, item: i64) -> Carried<'_> {
        self.carried.lock().unwrap_or_else(PoisonError::into_inner).insert(item);
        drop(self.exclusive());
        Carried { core: self, item }
    }

    /// Whether an item's files are being carried elsewhere. Ask while bytes may be written ([`Self::shared`]).
    pub(crate) fn is_carried(&self, item: i64) -> bool {
        self.carried.lock().unwrap_or_else(PoisonError::into_inner).contains(&item)
    }

    /// While bytes of blobs are read or written.
    pub(crate) fn shared(&self) -> RwLockReadGuard<'_, ()> {
        self.layout.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// While their files are renamed or removed.
    pub(crate) fn exclusive(&self) -> RwLockWriteGuard<'_, ()> {
        self.layout.write().unwrap_or_else(PoisonError::into_inner)
    }
}

/// See [`Core::carry`].
pub(crate) struct Carried<'a> {
    core: &'a Core,
    item: i64,
}

impl Drop for Carried<'_> {
    fn drop(&mut self) {
        self.core.carried.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.item);
    }
}

fn meta(tx: &Transaction<'_>, name: &str) -> Result<Option<i64>, StoreError> {
    Ok(tx.query_row("SELECT value FROM meta WHERE name = ?", [name], |row| row.get(0)).optional()?)
}

/// Milliseconds since 1970.
pub(crate) fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
