//! Group commit — files are synced some seconds or blobs after they are written, all of a group at once.
//!
//! Every row that tells of bytes on disk carries the number of its write until those bytes were synced. Numbers are
//! given inside the writing transaction, after the bytes were written: whatever is at most `n` once `n` was read in a
//! transaction of its own lies in the files, and syncing them makes it last. The transaction that says so waits for the
//! disk, and with it all transactions before it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use protocol::BlobId;
use rusqlite::Transaction;

use crate::db::{array, path};
use crate::store::{Core, now_ms};
use crate::{StoreError, parts};

const DELAY: Duration = Duration::from_secs(2);
const GROUP: u32 = 64;

/// When the next sync is due.
#[derive(Default)]
pub(crate) struct Pace {
    state: Mutex<State>,
    changed: Condvar,
    last: AtomicI64,
    failed: AtomicBool,
}

#[derive(Default)]
struct State {
    dirty: u32,
    since: Option<Instant>,
    stop: bool,
}

impl Pace {
    /// The number of a write; call inside its transaction.
    pub(crate) fn number(&self) -> i64 {
        self.last.fetch_add(1, Ordering::SeqCst) + 1
    }

    /// Something written did not reach the disk, and nobody knows how much of it.
    pub(crate) fn fail(&self) {
        self.failed.store(true, Ordering::SeqCst);
    }

    /// Whether bytes written earlier may not be on the disk, whatever a later sync says.
    pub(crate) fn has_failed(&self) -> bool {
        self.failed.load(Ordering::SeqCst)
    }

    /// A blob's write is committed and waits for its sync.
    fn wrote(&self, blobs: u32) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.dirty += blobs;
        state.since.get_or_insert_with(Instant::now);
        self.changed.notify_all();
    }

    /// Waits until a group is due; `false` once the store stops.
    fn wait(&self) -> bool {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            if state.stop {
                return false;
            }
            let Some(since) = state.since else {
                state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            let left = DELAY.saturating_sub(since.elapsed());
            if left.is_zero() || state.dirty >= GROUP {
                *state = State::default();
                return true;
            }
            state = self.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

/// The thread that syncs.
pub(crate) struct Syncer {
    core: Arc<Core>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Syncer {
    pub(crate) fn start(core: Arc<Core>) -> Result<Self, StoreError> {
        let shared = core.clone();
        let thread = thread::Builder::new().name("store-sync".into()).spawn(move || {
            while shared.pace.wait() {
                match shared.sync_all() {
                    Ok(()) | Err(StoreError::Unsynced) => {}
                    Err(error) => {
                        tracing::error!(%error, "bytes could not be synced to the disk");
                        shared.pace.wrote(0);
                    }
                }
            }
        });
        let thread = thread.map_err(|e| StoreError::io(&PathBuf::from("store-sync"), e))?;
        Ok(Self { core, thread: Mutex::new(Some(thread)) })
    }

    /// Ends the thread and waits for it; nothing is synced on the way.
    pub(crate) fn stop(&self) {
        self.core.pace.state.lock().unwrap_or_else(PoisonError::into_inner).stop = true;
        self.core.pace.changed.notify_all();
        if let Some(thread) = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take()
            && thread.join().is_err()
        {
            tracing::error!("the sync thread panicked");
        }
    }
}

impl Drop for Syncer {
    fn drop(&mut self) {
        self.stop();
    }
}

impl Core {
    /// Runs `work` in a transaction that reaches the disk with the next group.
    #[cfg_attr(feature = "cut", track_caller)]
    pub(crate) fn write_soon<T>(
        &self,
        work: impl FnOnce(&Transaction<'_>) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let value = self.db.write_soon(work)?;
        self.pace.wrote(0);
        Ok(value)
    }

    /// As [`Self::write_soon`], for a transaction that tells of a blob's bytes in files.
    #[cfg_attr(feature = "cut", track_caller)]
    pub(crate) fn write_blob<T>(
        &self,
        work: impl FnOnce(&Transaction<'_>) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let value = self.db.write_soon(work)?;
        self.pace.wrote(1);
        Ok(value)
    }

    /// Syncs every file with a write that waits, then says so in the database.
    ///
    /// After a file once failed nothing is marked any more in this run: the system may drop what it could not write and
    /// call the next sync a success. What the database alone could not do is tried again with the next group.
    pub(crate) fn sync_all(&self) -> Result<(), StoreError> {
        if self.pace.has_failed() {
            return Err(StoreError::Unsynced);
        }
        let (upto, blobs, files) = self.unsynced()?;
        if let Err(error) = self.sync_files(&blobs, &files) {
            self.pace.fail();
            return Err(error);
        }
        self.db.write(|tx| {
            tx.prepare_cached("UPDATE blobs SET unsynced = 0 WHERE unsynced BETWEEN 1 AND ?")?.execute([upto])?;
            tx.prepare_cached("UPDATE chunks SET unsynced = 0 WHERE unsynced BETWEEN 1 AND ?")?.execute([upto])?;
            // Something is written in any case: only then the commit waits for the disk.
            tx.prepare_cached("INSERT OR REPLACE INTO meta(name, value) VALUES('synced', ?)")?.execute([now_ms()])?;
            Ok(())
        })
    }

    /// The last number given, and what carries one up to it: blob files, and files with their item's folder.
    fn unsynced(&self) -> Result<Unsynced, StoreError> {
        // As a write, so that every number given belongs to a transaction that has ended.
        self.db.write_soon(|tx| {
            let upto = self.pace.last.load(Ordering::SeqCst);
            let mut blobs = tx.prepare_cached("SELECT blob FROM blobs WHERE unsynced > 0 AND stored = 1")?;
            let blobs: Vec<BlobId> =
                blobs.query_map([], |row| Ok(BlobId(array(row, 0)?)))?.collect::<Result<_, _>>()?;
            let mut files = tx.prepare_cached(
                "SELECT DISTINCT COALESCE(f.part, f.disk), i.root FROM chunks c JOIN files f ON f.id = c.file
                 JOIN items i ON i.id = c.item WHERE c.unsynced > 0",
            )?;
            let files: BTreeMap<PathBuf, Option<PathBuf>> = files
                .query_map([], |row| {
                    Ok((path::from_sql(row.get(0)?), row.get::<_, Option<Vec<u8>>>(1)?.map(path::from_sql)))
                })?
                .collect::<Result<_, _>>()?;
            Ok((upto, blobs, files))
        })
    }

    fn sync_files(&self, blobs: &[BlobId], files: &BTreeMap<PathBuf, Option<PathBuf>>) -> Result<(), StoreError> {
        // A file that is gone has nothing to sync: removed meanwhile, or by the user, which reading finds.
        let gone = |result: Result<(), StoreError>| match result {
            Err(error) if error.is_not_found() => Ok(()),
            other => other,
        };
        self.blobs.sync(blobs)?;
        let mut folders = BTreeSet::new();
        for (file, root) in files {
            gone(parts::sync_file(file))?;
            if let Some(root) = root {
                folders.extend(parts::parents(root, file));
            }
        }
        folders.iter().try_for_each(|folder| gone(parts::sync_dir(folder)))
    }
}

/// Number, blob files, files with their roots.
type Unsynced = (i64, Vec<BlobId>, BTreeMap<PathBuf, Option<PathBuf>>);
