//! The database — schema, migrations by `user_version`, one writer, a few readers.
//!
//! Before the tables change, a copy of the database is kept ([`before`]); a damaged one is made anew from what can be read
//! of it, on somebody's word ([`salvage`]).
//!
//! WAL: a killed process loses nothing. What a person was told is done reaches the disk before [`Db::write`] returns;
//! what comes by the hundred ([`Db::write_soon`]) reaches it with the next group that `sync` commits, and a power cut
//! before that loses those transactions, never the database's consistency.

mod before;
mod salvage;

pub use salvage::{Rebuilt, is_sound, rebuild};

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags, Transaction, TransactionBehavior};

use crate::error::{at, free_near};
use crate::{StoreError, cut};

/// The database's file name in the data folder.
pub(crate) const FILE: &str = "store.db";
const READERS: usize = 4;
/// Pages that one of them keeps, in KiB as SQLite wants it: below 0. The system keeps the file's pages anyway.
const READER_CACHE: i64 = -512;
/// With fewer bytes free an I/O error of the database is want of room.
const FULL_BELOW: u64 = 256 * 1024;
const BUSY: Duration = Duration::from_secs(10);

/// Each entry brings the schema from version `index` to `index + 1`.
const MIGRATIONS: &[&str] = &[V1, V2, V3, V4, V5];

// chunks.state: see `chunk_state`. `unsynced` is 0, or the number of the write that has not reached the disk for sure.
// `declined`: the user removed the item; the channel's rule does not bring it back.
// An items row whose `item` is NULL is a retired plan of the item that `of` names: its files still hold blobs.
const V1: &str = "
CREATE TABLE meta(name TEXT PRIMARY KEY, value NOT NULL) WITHOUT ROWID;
CREATE TABLE channels(
    id INTEGER PRIMARY KEY AUTOINCREMENT, key BLOB NOT NULL UNIQUE, name TEXT NOT NULL, about TEXT NOT NULL,
    private INTEGER NOT NULL, read_key BLOB, own INTEGER NOT NULL, followed INTEGER NOT NULL, paused INTEGER NOT NULL,
    fetch INTEGER NOT NULL, manifest BLOB, bep44 BLOB, body_sequence INTEGER NOT NULL, signed_twice INTEGER NOT NULL,
    checked INTEGER, seen_by INTEGER, peers TEXT NOT NULL);
CREATE TABLE floors(key BLOB PRIMARY KEY, sequence INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE items(
    id INTEGER PRIMARY KEY AUTOINCREMENT, channel INTEGER NOT NULL REFERENCES channels(id) ON DELETE CASCADE,
    item BLOB, of INTEGER REFERENCES items(id) ON DELETE SET NULL, name TEXT NOT NULL, about TEXT NOT NULL,
    published INTEGER NOT NULL, position INTEGER NOT NULL, files INTEGER NOT NULL, bytes INTEGER NOT NULL,
    json BLOB NOT NULL, standing INTEGER NOT NULL, paused INTEGER NOT NULL, root BLOB, left_out TEXT NOT NULL,
    declined INTEGER NOT NULL DEFAULT 0,
    planned INTEGER NOT NULL DEFAULT 0, have INTEGER NOT NULL DEFAULT 0, changed INTEGER NOT NULL,
    UNIQUE(channel, item));
CREATE INDEX items_item ON items(item);
CREATE INDEX items_of ON items(of) WHERE of IS NOT NULL;
CREATE INDEX items_standing ON items(standing, changed) WHERE standing > 0;
CREATE TABLE files(
    id INTEGER PRIMARY KEY AUTOINCREMENT, item INTEGER NOT NULL REFERENCES items(id) ON DELETE CASCADE,
    seq INTEGER NOT NULL, path TEXT NOT NULL, disk BLOB NOT NULL, part BLOB, size INTEGER NOT NULL, mime TEXT,
    mtime_ns INTEGER NOT NULL, have INTEGER NOT NULL DEFAULT 0, UNIQUE(item, seq));
CREATE INDEX files_disk ON files(disk);
CREATE INDEX files_part ON files(part) WHERE part IS NOT NULL;
CREATE TABLE blobs(
    id INTEGER PRIMARY KEY AUTOINCREMENT, blob BLOB NOT NULL UNIQUE, stored INTEGER NOT NULL DEFAULT 0,
    unsynced INTEGER NOT NULL DEFAULT 0, announced INTEGER NOT NULL DEFAULT 0);
CREATE INDEX blobs_unsynced ON blobs(unsynced) WHERE unsynced > 0;
CREATE TABLE chunks(
    file INTEGER NOT NULL REFERENCES files(id) ON DELETE CASCADE, seq INTEGER NOT NULL,
    item INTEGER NOT NULL REFERENCES items(id) ON DELETE CASCADE, blob INTEGER NOT NULL REFERENCES blobs(id),
    key BLOB NOT NULL, nonce BLOB NOT NULL, off INTEGER NOT NULL, len INTEGER NOT NULL, at INTEGER NOT NULL,
    state INTEGER NOT NULL, unsynced INTEGER NOT NULL DEFAULT 0, PRIMARY KEY(file, seq)) WITHOUT ROWID;
CREATE INDEX chunks_blob ON chunks(blob, state);
CREATE INDEX chunks_item ON chunks(item, blob);
CREATE INDEX chunks_missing ON chunks(item, file, seq) WHERE state <= 0;
CREATE INDEX chunks_unsynced ON chunks(unsynced) WHERE unsynced > 0;
CREATE TABLE structure(
    channel INTEGER NOT NULL REFERENCES channels(id) ON DELETE CASCADE, blob INTEGER NOT NULL REFERENCES blobs(id),
    role INTEGER NOT NULL, PRIMARY KEY(channel, blob)) WITHOUT ROWID;
CREATE INDEX structure_blob ON structure(blob);
CREATE TABLE doomed(
    file BLOB PRIMARY KEY, root BLOB NOT NULL, length INTEGER NOT NULL, mtime_ns INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE item_structure(
    item INTEGER NOT NULL REFERENCES items(id) ON DELETE CASCADE, blob INTEGER NOT NULL REFERENCES blobs(id),
    PRIMARY KEY(item, blob)) WITHOUT ROWID;
CREATE INDEX item_structure_blob ON item_structure(blob);
CREATE TABLE identities(
    key BLOB PRIMARY KEY, name TEXT NOT NULL, private INTEGER, created INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE settings(name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE sealed(name TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE addresses(id INTEGER PRIMARY KEY, sealed BLOB NOT NULL, used INTEGER NOT NULL);
CREATE INDEX addresses_used ON addresses(used);
";

// `keep`, `encrypted`: what of a channel stays on this disk, and how. items.form: see `form`. items.skipped: plain bytes of
// the files that the user does not want (files.skipped). items.priority: -1, 0, 1.
// `search` mirrors names and texts of listed items; retired plans have none.
const V2: &str = "
ALTER TABLE channels ADD COLUMN keep TEXT NOT NULL DEFAULT 'all';
ALTER TABLE channels ADD COLUMN encrypted INTEGER NOT NULL DEFAULT 0;
ALTER TABLE items ADD COLUMN pinned INTEGER NOT NULL DEFAULT 0;
ALTER TABLE items ADD COLUMN priority INTEGER NOT NULL DEFAULT 0;
ALTER TABLE items ADD COLUMN form INTEGER NOT NULL DEFAULT 0;
ALTER TABLE items ADD COLUMN skipped INTEGER NOT NULL DEFAULT 0;
ALTER TABLE files ADD COLUMN skipped INTEGER NOT NULL DEFAULT 0;
CREATE INDEX blobs_stored ON blobs(id) WHERE stored = 1;
CREATE VIRTUAL TABLE search USING fts5(name, about, content='items', content_rowid='id',
    tokenize='unicode61 remove_diacritics 2', prefix='2 3');
CREATE TRIGGER items_told AFTER INSERT ON items WHEN new.item IS NOT NULL BEGIN
    INSERT INTO search(rowid, name, about) VALUES(new.id, new.name, new.about);
END;
CREATE TRIGGER items_gone AFTER DELETE ON items WHEN old.item IS NOT NULL BEGIN
    INSERT INTO search(search, rowid, name, about) VALUES('delete', old.id, old.name, old.about);
END;
CREATE TRIGGER items_retold AFTER UPDATE OF name, about ON items
    WHEN new.item IS NOT NULL AND (new.name <> old.name OR new.about <> old.about) BEGIN
    INSERT INTO search(search, rowid, name, about) VALUES('delete', old.id, old.name, old.about);
    INSERT INTO search(rowid, name, about) VALUES(new.id, new.name, new.about);
END;
INSERT INTO search(rowid, name, about) SELECT id, name, about FROM items WHERE item IS NOT NULL;
";

// files.dev, ino, ctime_ns, with mtime_ns: what a finished file was like when its bytes were last known to be right, 0 not
// known; of a growing one only `ino`, see `growing`. files.found: it lay there before this program wrote anything.
// doomed.instead: where the file is to be whole before it goes from here. items.seen: ms since 1970, when it was first
// listed here; 0 not known.
const V3: &str = "
ALTER TABLE files ADD COLUMN dev INTEGER NOT NULL DEFAULT 0;
ALTER TABLE files ADD COLUMN ino INTEGER NOT NULL DEFAULT 0;
ALTER TABLE files ADD COLUMN ctime_ns INTEGER NOT NULL DEFAULT 0;
ALTER TABLE files ADD COLUMN found INTEGER NOT NULL DEFAULT 0;
UPDATE files SET ino = -1 WHERE part IS NOT NULL;
CREATE INDEX files_size ON files(size);
ALTER TABLE doomed ADD COLUMN dev INTEGER NOT NULL DEFAULT 0;
ALTER TABLE doomed ADD COLUMN ino INTEGER NOT NULL DEFAULT 0;
ALTER TABLE doomed ADD COLUMN ctime_ns INTEGER NOT NULL DEFAULT 0;
ALTER TABLE doomed ADD COLUMN instead BLOB;
ALTER TABLE items ADD COLUMN seen INTEGER NOT NULL DEFAULT 0;
CREATE TRIGGER items_seen AFTER INSERT ON items WHEN new.item IS NOT NULL BEGIN
    UPDATE items SET seen = CAST(strftime('%s', 'now') AS INTEGER) * 1000 WHERE id = new.id;
END;
";

// items.plan: changes with every plan that is begun, replaced or dropped, so that who worked on one sees that it is
// another's by now. Files and chunks of an item whose `planned` is 0 are those of a plan that is being written; their
// `disk` is empty until it is through. items.reading: see `reading`. items.mime: of an item of one file, so that lists
// need no `json`. channels.folder: the name of its folder below the download folder. `listing`: a list that is being
// read, of the reading whose number is channels.listing; a row without `json` is an item as it stands already.
const V4: &str = "
ALTER TABLE items ADD COLUMN plan INTEGER NOT NULL DEFAULT 0;
ALTER TABLE items ADD COLUMN reading INTEGER NOT NULL DEFAULT 0;
ALTER TABLE items ADD COLUMN mime TEXT;
UPDATE items SET mime = CASE WHEN json_valid(CAST(json AS TEXT)) THEN
    COALESCE(json_extract(CAST(json AS TEXT), '$.mime'), json_extract(CAST(json AS TEXT), '$.files[0].mime')) END
    WHERE files = 1 AND item IS NOT NULL;
ALTER TABLE channels ADD COLUMN folder TEXT;
ALTER TABLE channels ADD COLUMN listing INTEGER NOT NULL DEFAULT 0;
CREATE TABLE listing(
    channel INTEGER NOT NULL REFERENCES channels(id) ON DELETE CASCADE, item BLOB NOT NULL, place INTEGER NOT NULL,
    name TEXT NOT NULL, about TEXT NOT NULL, published INTEGER NOT NULL, files INTEGER NOT NULL,
    bytes INTEGER NOT NULL, json BLOB, left_out TEXT NOT NULL, mime TEXT, UNIQUE(channel, item));
CREATE INDEX listing_place ON listing(channel, place);
";

// What a version before listed that noted no time was listed now at the latest. channels.devices: see `own`, in the clear. own_changes: what of a list was changed here last, an item by its ID, the
// channel's texts by an empty one; `was`: what it was like before, in 16 bytes of SHA-256 each;
// `unsigned`: it is in the list at hand again, which another device signed without knowing of it.
const V5: &str = "
ALTER TABLE channels ADD COLUMN devices BLOB;
CREATE TABLE own_changes(
    channel INTEGER NOT NULL REFERENCES channels(id) ON DELETE CASCADE, thing BLOB NOT NULL, was BLOB NOT NULL,
    device BLOB NOT NULL, sequence INTEGER NOT NULL, unsigned INTEGER NOT NULL,
    PRIMARY KEY(channel, thing)) WITHOUT ROWID;
CREATE INDEX items_reading ON items(reading) WHERE reading > 0;
UPDATE items SET seen = CAST(strftime('%s', 'now') AS INTEGER) * 1000 WHERE seen = 0 AND item IS NOT NULL;
";

/// Whether an item's tables are being read for its plan.
pub(crate) mod reading {
    /// They are not.
    pub(crate) const NOT: i64 = 0;
    /// A process works on them now.
    pub(crate) const NOW: i64 = 1;
    /// Two processes died over them, one after the other: they are not read again before the user says so.
    pub(crate) const DIED: i64 = 2;
    /// A process died over them, once: whatever ended it, it may have been by chance. They are read again, later.
    pub(crate) const DIED_ONCE: i64 = 3;
    /// They are read again after that, now.
    pub(crate) const AGAIN: i64 = 4;
}

/// How an item's bytes are kept.
pub(crate) mod form {
    /// As files.
    pub(crate) const FILES: i64 = 0;
    /// As sealed blobs only: its files are names without anything on the disk.
    pub(crate) const ENCRYPTED: i64 = 1;
    /// As files, on the user's word, though its channel is kept encrypted.
    pub(crate) const OPENED: i64 = 2;

    /// The form of a plan with files.
    pub(crate) fn plain(before: i64) -> i64 {
        if before == OPENED { OPENED } else { FILES }
    }
}

/// Where a chunk's plain bytes stand.
pub(crate) mod chunk_state {
    /// Not here; wanted when its item is.
    pub(crate) const MISSING: i64 = 0;
    /// The plain bytes are here; the blob cannot be made from this item alone.
    pub(crate) const PLAIN: i64 = 1;
    /// The plain bytes are here, and the blob is made from this item's files.
    pub(crate) const DERIVED: i64 = 2;
    /// Kept only encrypted: the blob is stored, its key opens it, and no plain bytes lie anywhere.
    pub(crate) const SEALED: i64 = 3;
    /// The item's key does not open the blob; in a retired plan: not here, and not wanted.
    pub(crate) const UNOPENABLE: i64 = -1;
    /// Was here and was withdrawn: the file changed. Not fetched until the user has the item verified.
    pub(crate) const LOST: i64 = -2;
    /// The user does not want its file.
    pub(crate) const SKIPPED: i64 = -3;
}

/// The connections.
pub(crate) struct Db {
    path: PathBuf,
    writer: Mutex<Option<Writer>>,
    /// Something was written that may have freed or taken room on the disk.
    pub(crate) changed: AtomicBool,
    /// Transactions that wrote, so far.
    pub(crate) writes: AtomicU64,
    readers: [Mutex<Option<Connection>>; READERS],
}

struct Writer {
    connection: Connection,
    /// Whether it waits for the disk at each commit now.
    durable: bool,
}

impl Db {
    pub(crate) fn open(dir: &Path) -> Result<Self, StoreError> {
        let path = dir.join(FILE);
        salvage::finish(&path)?;
        Self::open_at(&path).map_err(|error| explain(&path, error))
    }

    fn open_at(path: &Path) -> Result<Self, StoreError> {
        // Before SQLite sees it: its companions take their mode from it.
        create_private(path)?;
        let mut writer = Connection::open(path)?;
        prepare(&writer)?;
        let found = check_version(&writer)?;
        writer.pragma_update(None, "journal_mode", "WAL")?;
        writer.pragma_update(None, "synchronous", "FULL")?;
        if found > 0 && found < known() {
            before::keep(&writer, path, found)?;
        }
        migrate(&mut writer)?;
        let reader = || -> Result<_, StoreError> {
            let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
            let connection = Connection::open_with_flags(path, flags)?;
            prepare(&connection)?;
            connection.pragma_update(None, "query_only", true)?;
            connection.pragma_update(None, "cache_size", READER_CACHE)?;
            Ok(Mutex::new(Some(connection)))
        };
        Ok(Self {
            path: path.to_path_buf(),
            changed: AtomicBool::new(true),
            writes: AtomicU64::new(0),
            writer: Mutex::new(Some(Writer { connection: writer, durable: true })),
            readers: [reader()?, reader()?, reader()?, reader()?],
        })
    }

    /// Runs `work` in one immediate transaction of the only writer; an error rolls everything back. What it wrote, and
    /// all that was written before, is on the disk when this returns.
    #[cfg_attr(feature = "cut", track_caller)]
    pub(crate) fn write<T>(
        &self,
        work: impl FnOnce(&Transaction<'_>) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        self.transact(true, work)
    }

    /// As [`Self::write`], but does not wait for the disk. Call through [`crate::store::Core::write_soon`], which sees to it that
    /// the disk has it soon.
    #[cfg_attr(feature = "cut", track_caller)]
    pub(crate) fn write_soon<T>(
        &self,
        work: impl FnOnce(&Transaction<'_>) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        self.transact(false, work)
    }

    #[cfg_attr(feature = "cut", track_caller)]
    fn transact<T>(
        &self,
        durable: bool,
        work: impl FnOnce(&Transaction<'_>) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let here = cut::here();
        let mut guard = lock(&self.writer);
        let writer = guard.as_mut().ok_or(StoreError::Closed)?;
        let done = (|| {
            if writer.durable != durable {
                writer.connection.pragma_update(None, "synchronous", if durable { "FULL" } else { "NORMAL" })?;
                writer.durable = durable;
            }
            let transaction = writer.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let value = work(&transaction)?;
            cut::point_at("commit", here);
            transaction.commit()?;
            cut::point_at("committed", here);
            self.writes.fetch_add(1, Ordering::SeqCst);
            if durable {
                self.changed.store(true, Ordering::SeqCst);
            }
            Ok(value)
        })();
        done.map_err(|error| explain(&self.path, error))
    }

    /// Runs `work` on a read connection in one snapshot.
    pub(crate) fn read<T>(
        &self,
        work: impl FnOnce(&Transaction<'_>) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let free = self.readers.iter().find_map(|reader| reader.try_lock().ok());
        let mut guard = match free {
            Some(guard) => guard,
            None => lock(&self.readers[0]),
        };
        let connection = guard.as_mut().ok_or(StoreError::Closed)?;
        let begun = connection.transaction_with_behavior(TransactionBehavior::Deferred).map_err(StoreError::from);
        begun.and_then(|transaction| work(&transaction)).map_err(|error| explain(&self.path, error))
    }

    /// Reads the whole database and says what is damaged in it: after a stop that was none, a disk may have kept a part only.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] with the first fault.
    pub(crate) fn check(&self) -> Result<(), StoreError> {
        self.read(|tx| match tx.pragma_query_value(None, "quick_check", |row| row.get::<_, String>(0))? {
            fine if fine == "ok" => Ok(()),
            // Its first line names the database, not the fault.
            fault => {
                let fault = fault.lines().find(|line| !line.starts_with("***")).unwrap_or(&fault);
                Err(StoreError::Corrupt(fault.to_owned()))
            }
        })
    }

    /// Ends every connection; the last one folds the WAL into the file.
    pub(crate) fn close(&self) -> Result<(), StoreError> {
        for reader in &self.readers {
            drop(lock(reader).take());
        }
        if let Some(writer) = lock(&self.writer).take() {
            writer.connection.close().map_err(|(_, error)| explain(&self.path, error.into()))?;
        }
        Ok(())
    }
}

/// A panic elsewhere leaves the connection usable: transactions roll back when dropped.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn prepare(connection: &Connection) -> Result<(), StoreError> {
    connection.busy_timeout(BUSY)?;
    connection.pragma_update(None, "foreign_keys", true)?;
    connection.set_prepared_statement_cache_capacity(128);
    Ok(())
}

/// The database's own trouble, with the file's name and, where it wants room, what is free.
fn explain(path: &Path, error: StoreError) -> StoreError {
    use rusqlite::ErrorCode;
    match error {
        StoreError::DiskFull { path: file, .. } if file == Path::new(FILE) => StoreError::full(path, 0),
        StoreError::Corrupt(why) if !why.contains(FILE) => StoreError::Corrupt(format!("{}: {why}", path.display())),
        StoreError::Database(inner) => match inner.sqlite_error_code() {
            Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied) => {
                StoreError::NotWritable { path: path.to_path_buf() }
            }
            // The shared memory beside the database cannot grow on a full disk: SQLite calls that an I/O error.
            Some(ErrorCode::SystemIoFailure | ErrorCode::CannotOpen)
                if free_near(path).is_some_and(|free| free < FULL_BELOW) =>
            {
                StoreError::full(path, 0)
            }
            _ => StoreError::Database(inner),
        },
        other => other,
    }
}

/// Makes the file, if it is not there, and keeps it to this user.
fn create_private(path: &Path) -> Result<(), StoreError> {
    let mut options = std::fs::OpenOptions::new();
    options.create(true).truncate(false).write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    cut::point("create");
    let file = options.open(path).map_err(at(path))?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        file.set_permissions(std::fs::Permissions::from_mode(0o600)).map_err(at(path))?;
    }
    drop(file);
    Ok(())
}

/// The version of the tables that this program writes.
fn known() -> i64 {
    int(MIGRATIONS.len() as u64)
}

fn check_version(connection: &Connection) -> Result<i64, StoreError> {
    let known = known();
    let found: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    if found > known { Err(StoreError::Newer { found, known }) } else { Ok(found) }
}

fn migrate(connection: &mut Connection) -> Result<(), StoreError> {
    let known = known();
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let found = check_version(&transaction)?;
    if found == known {
        return Ok(());
    }
    for step in MIGRATIONS.iter().skip(usize::try_from(found).unwrap_or(0)) {
        transaction.execute_batch(step)?;
    }
    transaction.pragma_update(None, "user_version", known)?;
    cut::point("commit");
    transaction.commit()?;
    cut::point("committed");
    Ok(())
}

/// SQLite's integers are signed; nothing here comes near their end.
pub(crate) fn int(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

/// Back again; a negative number, never written, reads as 0.
pub(crate) fn uint(value: i64) -> u64 {
    u64::try_from(value).unwrap_or(0)
}

/// A column of exactly `N` bytes.
pub(crate) fn array<const N: usize>(row: &rusqlite::Row<'_>, column: usize) -> rusqlite::Result<[u8; N]> {
    row.get::<_, [u8; N]>(column)
}

/// A path as a column: its bytes on Unix, UTF-8 elsewhere.
pub(crate) mod path {
    use std::path::{Path, PathBuf};

    #[cfg(unix)]
    pub(crate) fn to_sql(path: &Path) -> &[u8] {
        std::os::unix::ffi::OsStrExt::as_bytes(path.as_os_str())
    }
    #[cfg(unix)]
    pub(crate) fn from_sql(bytes: Vec<u8>) -> PathBuf {
        PathBuf::from(<std::ffi::OsString as std::os::unix::ffi::OsStringExt>::from_vec(bytes))
    }
    #[cfg(not(unix))]
    pub(crate) fn to_sql(path: &Path) -> Vec<u8> {
        path.to_string_lossy().into_owned().into_bytes()
    }
    #[cfg(not(unix))]
    pub(crate) fn from_sql(bytes: Vec<u8>) -> PathBuf {
        PathBuf::from(String::from_utf8_lossy(&bytes).into_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_newer_folder_is_refused_and_left_alone() {
        let tmp = tempfile::tempdir().unwrap();
        Db::open(tmp.path()).unwrap().close().unwrap();
        let raw = Connection::open(tmp.path().join(FILE)).unwrap();
        raw.pragma_update(None, "user_version", 99).unwrap();
        assert!(matches!(Db::open(tmp.path()), Err(StoreError::Newer { found: 99, .. })));
    }

    /// A database whose tables are of this version, with a setting in it.
    fn aged(dir: &Path, version: usize) {
        let raw = Connection::open(dir.join(FILE)).unwrap();
        MIGRATIONS[..version].iter().for_each(|step| raw.execute_batch(step).unwrap());
        raw.pragma_update(None, "user_version", version as i64).unwrap();
        raw.pragma_update(None, "journal_mode", "WAL").unwrap();
        raw.execute("INSERT INTO settings VALUES('of', ?)", [version as i64]).unwrap();
    }

    fn setting(raw: &Connection) -> String {
        raw.query_row("SELECT value FROM settings WHERE name = 'of'", [], |row| row.get(0)).unwrap()
    }

    fn copies(dir: &Path) -> Vec<String> {
        let names = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<String> = names.filter(|name| name.starts_with("store.db.")).collect();
        names.sort();
        names
    }

    #[test]
    fn before_tables_change_a_copy_is_kept_and_the_last_one_alone() {
        let tmp = tempfile::tempdir().unwrap();
        for version in 1..MIGRATIONS.len() {
            std::fs::remove_file(tmp.path().join(FILE)).ok();
            aged(tmp.path(), version);
            // Of a copy that was begun and not finished, nothing is believed.
            std::fs::write(tmp.path().join("store.db.copy"), "half").unwrap();
            std::fs::write(tmp.path().join("store.db.verse"), "not ours").unwrap();
            let db = Db::open(tmp.path()).unwrap();
            db.check().unwrap();
            db.close().unwrap();
            assert_eq!(setting(&Connection::open(tmp.path().join(FILE)).unwrap()), version.to_string());
            assert_eq!(copies(tmp.path()), [format!("store.db.v{version}"), "store.db.verse".into()]);
            let copy = Connection::open(tmp.path().join(format!("store.db.v{version}"))).unwrap();
            assert_eq!(check_version(&copy).unwrap(), version as i64);
            assert_eq!(setting(&copy), version.to_string());
            #[cfg(unix)]
            {
                use std::os::unix::fs::PermissionsExt;
                let mode = std::fs::metadata(tmp.path().join(format!("store.db.v{version}"))).unwrap().permissions();
                assert_eq!(mode.mode() & 0o777, 0o600);
            }
        }
        // Nothing is copied where nothing changes.
        std::fs::remove_file(tmp.path().join(format!("store.db.v{}", MIGRATIONS.len() - 1))).unwrap();
        Db::open(tmp.path()).unwrap().close().unwrap();
        assert_eq!(copies(tmp.path()), ["store.db.verse"]);
    }

    #[test]
    fn without_a_copy_nothing_is_changed() {
        let tmp = tempfile::tempdir().unwrap();
        aged(tmp.path(), 1);
        // A folder stands where the copy would go: it cannot be written.
        std::fs::create_dir(tmp.path().join("store.db.v1")).unwrap();
        std::fs::write(tmp.path().join("store.db.v1/file"), "").unwrap();
        let Err(error) = Db::open(tmp.path()) else { panic!("it was changed without a copy") };
        assert!(error.to_string().contains("store.db.v1"), "{error}");
        let raw = Connection::open(tmp.path().join(FILE)).unwrap();
        assert_eq!((check_version(&raw).unwrap(), setting(&raw)), (1, "1".into()));
    }

    #[test]
    fn a_file_that_is_no_database_is_named_as_damaged() {
        let tmp = tempfile::tempdir().unwrap();
        std::fs::write(tmp.path().join(FILE), vec![b'x'; 8192]).unwrap();
        assert!(matches!(Db::open(tmp.path()), Err(StoreError::Corrupt(_))));
    }

    #[test]
    fn an_error_rolls_back_and_closing_ends_everything() {
        let tmp = tempfile::tempdir().unwrap();
        let db = Db::open(tmp.path()).unwrap();
        let failed: Result<(), _> = db.write(|tx| {
            tx.execute("INSERT INTO settings VALUES('a', 'b')", [])?;
            Err(StoreError::Incomplete)
        });
        assert!(failed.is_err());
        let count: i64 = db.read(|tx| Ok(tx.query_row("SELECT COUNT(*) FROM settings", [], |r| r.get(0))?)).unwrap();
        assert_eq!(count, 0);
        assert!(db.read(|tx| Ok(tx.execute("DELETE FROM settings", [])?)).is_err(), "readers cannot write");
        db.close().unwrap();
        assert!(matches!(db.read(|_| Ok(())), Err(StoreError::Closed)));
    }
}
