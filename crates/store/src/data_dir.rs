//! The data folder — one process owns it; its lock dies with the process.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::path::{Path, PathBuf};

use crate::error::{StoreError, at};

/// A data folder that this process owns until it is dropped.
#[derive(Debug)]
pub struct DataDir {
    path: PathBuf,
    _lock: File,
}

impl DataDir {
    /// The platform's default folder for this program's data; one for command line and window.
    pub fn default_path() -> Option<PathBuf> {
        directories::ProjectDirs::from("", "", "megatorrent").map(|dirs| dirs.data_local_dir().to_path_buf())
    }

    /// Creates (mode 0700) and locks it.
    pub fn lock(path: &Path) -> Result<Self, StoreError> {
        create_private(path)?;
        let path = fs::canonicalize(path).map_err(at(path))?;
        let file = path.join("lock");
        let lock = OpenOptions::new().create(true).truncate(false).write(true).open(&file).map_err(at(&file))?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { path, _lock: lock }),
            Err(TryLockError::WouldBlock) => Err(StoreError::Locked(path)),
            Err(TryLockError::Error(source)) => Err(StoreError::io(&file, source)),
        }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

/// Bytes that this user may still write to the disk of `path`, which exists.
pub fn free_space(path: &Path) -> Result<u64, StoreError> {
    fs4::available_space(path).map_err(at(path))
}

/// Creates a folder that only this user enters.
pub(crate) fn create_private(path: &Path) -> Result<(), StoreError> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path).map_err(at(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_has_one_owner_and_is_free_after_it() {
        let tmp = tempfile::tempdir().unwrap();
        let path = tmp.path().join("data");
        let first = DataDir::lock(&path).unwrap();
        assert!(matches!(DataDir::lock(&path), Err(StoreError::Locked(_))));
        drop(first);
        let again = DataDir::lock(&path).unwrap();
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            assert_eq!(fs::metadata(again.path()).unwrap().permissions().mode() & 0o777, 0o700);
        }
        assert!(free_space(again.path()).unwrap() > 0);
    }
}
