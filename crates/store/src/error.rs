//! What goes wrong in a data folder, and where.

use protocol::words::{quoted, size, without_number};
use std::io;
use std::path::{Path, PathBuf};

/// What went wrong, and where.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Another process owns the data folder.
    #[error("another process uses {}", quoted(.0.display()))]
    Locked(PathBuf),
    /// Other accounts can enter the data folder, and it is not ours to close.
    #[error(
        "other accounts can enter the data folder {}, and it {why}. Close it to them (chmod 700), or name another folder: \
         --data-dir DIR",
        quoted(path.display())
    )]
    Open {
        /// The folder.
        path: PathBuf,
        /// Why it was not closed.
        why: &'static str,
    },
    /// A file could not be read or written.
    #[error("{}: {}", quoted(.path.display()), without_number(.source))]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// No space left. What was there before is as it was.
    #[error("the disk with {} is full: {} free{}", quoted(.path.display()), size(*.free), and_needed(*.needed))]
    DiskFull {
        /// The file that was written, or the folder that it would go to.
        path: PathBuf,
        /// Bytes that were still free then.
        free: u64,
        /// Bytes that the write asked for, 0 where nobody knows.
        needed: u64,
    },
    /// The quota that the user set is used up. What was there before is as it was.
    #[error("the quota of {} is used up: {} are here, {} more are needed", size(*.quota), size(*.used), size(*.needed))]
    Quota {
        /// What the user allows.
        quota: u64,
        /// What is here.
        used: u64,
        /// What was to be written.
        needed: u64,
    },
    /// The folder may not be written to.
    #[error("{} cannot be written: this account has no permission", quoted(.path.display()))]
    NotWritable {
        /// The file or folder.
        path: PathBuf,
    },
    /// A folder below an item's root is a link that leads out of it, or something that is no folder.
    #[error("{} leads out of its item's folder, or is no folder: nothing is written there", quoted(.path.display()))]
    OutsideRoot {
        /// The link.
        path: PathBuf,
    },
    /// The database does not open or is damaged.
    #[error(
        "the data folder is damaged: {0}. Nothing in it was changed. \"megatorrent doctor --rebuild\" makes its database anew \
         from what can be read, and keeps the damaged one"
    )]
    Corrupt(String),
    /// The database refuses a statement.
    #[error("the database fails: {0}")]
    Database(rusqlite::Error),
    /// The data folder was written by a newer version of this program.
    #[error("a newer version of this program wrote the data folder (format {found}; this one reads up to {known})")]
    Newer {
        /// Its format.
        found: i64,
        /// The newest this version knows.
        known: i64,
    },
    /// The secret is needed, and keyring or vault are locked.
    #[error("the secrets are locked")]
    SecretsLocked,
    /// The key at hand is not the one that the secrets in this folder are sealed with. They stay as they are.
    #[error(
        "the key in the keyring, or in the vault, is not the one that this folder's secrets are sealed with. They open when \
         the old one is back; if it is gone for good: megatorrent id give-up"
    )]
    OtherStoreKey,
    /// A file of a plan contradicts itself: the publisher's fault.
    #[error("the plan of {} is wrong: {why}", quoted(.path))]
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
    /// The plan that was being written is the item's no more: its list changed, or it was removed.
    #[error("the item was changed or removed meanwhile")]
    PlanGone,
    /// The list that was being read is not the newest any more, or its channel was left.
    #[error("a newer list is being read")]
    ListGone,
    /// A list or an item's structure is longer than is kept of one.
    #[error("more than {max} {what}")]
    TooMuch {
        /// Of what.
        what: &'static str,
        /// How much is kept.
        max: u64,
    },
    /// Another program took the file's place, or wrote to it, at this very moment.
    #[error("{} was changed by another program meanwhile", quoted(.0.display()))]
    Changed(PathBuf),
    /// The item is not whole yet.
    #[error("the item is not complete yet: parts of it are missing")]
    Incomplete,
    /// None of an item's files is where the user says that they are.
    #[error("none of the item's files is in {}", quoted(.0.display()))]
    NothingThere(PathBuf),
    /// Bytes written earlier did not reach the disk; they are read again at the next start.
    #[error("an earlier write did not reach the disk: start the node again, and what was written is read again")]
    Unsynced,
    /// The store was closed.
    #[error("the node is stopping")]
    Closed,
}

impl StoreError {
    /// An error of the operating system at this path, in its own class where the user can do something about it.
    pub(crate) fn io(path: &Path, source: io::Error) -> Self {
        match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::full(path, 0),
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
                Self::NotWritable { path: path.to_path_buf() }
            }
            _ => Self::Io { path: path.to_path_buf(), source },
        }
    }

    /// The disk of `path` has no room; counts what is free now.
    pub(crate) fn full(path: &Path, needed: u64) -> Self {
        // The figure is for people; where even it cannot be had, none is free.
        let free = free_near(path).unwrap_or(0);
        Self::DiskFull { path: path.to_path_buf(), free, needed }
    }

    /// Says how many bytes the write asked for, if it failed for want of room.
    pub(crate) fn needing(self, bytes: u64) -> Self {
        match self {
            Self::DiskFull { path, free, needed: 0 } => Self::DiskFull { path, free, needed: bytes },
            other => other,
        }
    }

    /// A file that is not there.
    pub(crate) fn is_not_found(&self) -> bool {
        matches!(self, Self::Io { source, .. } if source.kind() == io::ErrorKind::NotFound)
    }
}

/// Bytes free on the disk that `path` lies on, or would lie on; `None` where the system does not say.
pub(crate) fn free_near(path: &Path) -> Option<u64> {
    let there = path.ancestors().find(|folder| folder.exists())?;
    // Some network file systems tell zeros; one of no size tells nothing.
    let total = fs4::total_space(there).ok()?;
    if total == 0 { None } else { fs4::available_space(there).ok() }
}

fn and_needed(needed: u64) -> String {
    if needed == 0 { String::new() } else { format!(", {} needed", size(needed)) }
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        match error.sqlite_error_code() {
            Some(rusqlite::ErrorCode::DiskFull) => {
                Self::DiskFull { path: PathBuf::from(crate::db::FILE), free: 0, needed: 0 }
            }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_are_words_with_units_and_without_debug_text() {
        let path = || PathBuf::from("/m\u{e4}rz/a \"b\"");
        let errors = [
            StoreError::Locked(path()),
            StoreError::Io { path: path(), source: io::Error::from_raw_os_error(17) },
            StoreError::DiskFull { path: path(), free: 1, needed: 1_500_000 },
            StoreError::DiskFull { path: path(), free: 0, needed: 0 },
            StoreError::Quota { quota: 2_000_000, used: 1, needed: 1 },
            StoreError::NotWritable { path: path() },
            StoreError::OutsideRoot { path: path() },
            StoreError::Corrupt("x".into()),
            StoreError::Newer { found: 9, known: 1 },
            StoreError::SecretsLocked,
            StoreError::BadPlan { path: "m\u{e4}rz".into(), why: "x" },
            StoreError::UnknownChannel,
            StoreError::UnknownItem,
            StoreError::Incomplete,
            StoreError::NothingThere(path()),
            StoreError::Unsynced,
            StoreError::Closed,
        ];
        for text in errors.iter().map(ToString::to_string) {
            for slip in ["\\", "os error", "1 bytes", " bytes", "1 are "] {
                assert!(!text.contains(slip), "{slip:?} in {text}");
            }
        }
        assert_eq!(errors[2].to_string(), "the disk with \"/m\u{e4}rz/a \"b\"\" is full: 1 B free, 1.5 MB needed");
    }
}
