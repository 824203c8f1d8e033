//! What goes wrong in a data folder, and where.

use std::io;
use std::path::{Path, PathBuf};

/// What went wrong, and where.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Another process owns the data folder.
    #[error("another process uses {0:?}")]
    Locked(PathBuf),
    /// A file could not be read or written.
    #[error("{path:?}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// No space left, or the user's quota is used up.
    #[error("the disk with {path:?} is full")]
    DiskFull {
        /// The file that was written.
        path: PathBuf,
    },
    /// The folder may not be written to.
    #[error("{path:?} cannot be written: permission denied")]
    NotWritable {
        /// The file or folder.
        path: PathBuf,
    },
    /// A folder below an item's root is a link that leads out of it, or something that is no folder.
    #[error("{path:?} leads out of its item's folder")]
    OutsideRoot {
        /// The link.
        path: PathBuf,
    },
    /// The database does not open or is damaged.
    #[error("the data folder is damaged: {0}")]
    Corrupt(String),
    /// The database refuses a statement.
    #[error("the database fails: {0}")]
    Database(rusqlite::Error),
    /// The data folder was written by a newer version of this program.
    #[error("the data folder has format {found}, this version reads up to {known}")]
    Newer {
        /// Its format.
        found: i64,
        /// The newest this version knows.
        known: i64,
    },
    /// The secret is needed, and keyring or vault are locked.
    #[error("the keyring is locked")]
    SecretsLocked,
    /// A file of a plan contradicts itself: the publisher's fault.
    #[error("the plan of {path:?} is wrong: {why}")]
    BadPlan {
        /// The file as published.
        path: String,
        /// What is wrong.
        why: &'static str,
    },
    /// No such channel is kept.
    #[error("no such channel")]
    UnknownChannel,
    /// No such item is kept.
    #[error("no such item")]
    UnknownItem,
    /// The item is not whole yet.
    #[error("the item is not complete")]
    Incomplete,
    /// The store was closed.
    #[error("the store is closed")]
    Closed,
}

impl StoreError {
    /// An error of the operating system at this path, in its own class where the user can do something about it.
    pub(crate) fn io(path: &Path, source: io::Error) -> Self {
        let path = path.to_path_buf();
        match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::DiskFull { path },
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => Self::NotWritable { path },
            _ => Self::Io { path, source },
        }
    }
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        match error.sqlite_error_code() {
            Some(rusqlite::ErrorCode::DiskFull) => Self::DiskFull { path: PathBuf::from(crate::db::FILE) },
            Some(rusqlite::ErrorCode::DatabaseCorrupt | rusqlite::ErrorCode::NotADatabase) => {
                Self::Corrupt(error.to_string())
            }
            _ => Self::Database(error),
        }
    }
}

/// Shorthand for `map_err`: names the path.
pub(crate) fn at(path: &Path) -> impl FnOnce(io::Error) -> StoreError + '_ {
    move |source| StoreError::io(path, source)
}
