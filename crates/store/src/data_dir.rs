//! The data folder — one process owns it; its lock dies with the process. Promises: no other account enters it: one that
//! was open to others is closed to them, and where that is not ours to do, it is refused.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::path::{Path, PathBuf};

use crate::error::{StoreError, at};

/// Held while a process uses the folder; it stays afterwards.
const LOCK: &str = "lock";

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

    /// Where downloads go in it, unless the user says otherwise.
    pub const DOWNLOADS: &str = "downloads";

    /// Whether a folder has the marks of a data folder, in use or not: its database, and what lies beside that.
    pub fn looks_like_one(path: &Path) -> bool {
        let has = |name: &str| path.join(name).exists();
        has(crate::db::FILE) && [LOCK, crate::keys::FILE, crate::keys::vault::FILE].into_iter().any(has)
    }

    /// Creates (mode 0700) and locks it.
    ///
    /// # Errors
    /// [`StoreError::Locked`] while another process has it; [`StoreError::Open`] when others can enter it and it is not
    /// ours to close.
    pub fn lock(path: &Path) -> Result<Self, StoreError> {
        create_private(path)?;
        let path = fs::canonicalize(path).map_err(at(path))?;
        close_to_others(&path)?;
        let file = path.join(LOCK);
        let mut options = OpenOptions::new();
        options.create(true).truncate(false).write(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        crate::cut::point("create");
        let lock = options.open(&file).map_err(at(&file))?;
        // One of an earlier version could be locked by anybody.
        #[cfg(unix)]
        lock.set_permissions(std::os::unix::fs::PermissionsExt::from_mode(0o600)).map_err(at(&file))?;
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

/// What stands in a data folder from its first start on, or is put there before it.
#[cfg(unix)]
const OURS: [&str; 8] =
    ["store.db", "keys.json", "lock", "tor", "window.json", "window.json.new", "window.json.broken", "webview"];

/// Lets nobody else into the folder. One that holds other things than this program's may be open for a reason.
#[cfg(unix)]
fn close_to_others(path: &Path) -> Result<(), StoreError> {
    use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
    let folder = File::open(path).map_err(at(path))?;
    let about = folder.metadata().map_err(at(path))?;
    if about.mode() & 0o077 == 0 {
        return Ok(());
    }
    let open = |why| StoreError::Open { path: path.to_owned(), why };
    if about.uid() != rustix::process::geteuid().as_raw() {
        return Err(open("belongs to another account"));
    }
    let is_empty = fs::read_dir(path).map_err(at(path))?.next().is_none();
    if !is_empty && !OURS.iter().any(|name| path.join(name).symlink_metadata().is_ok()) {
        return Err(open("holds other things than this program's"));
    }
    tracing::warn!("the folder {} was open to other accounts, and is closed to them now", path.display());
    crate::cut::point("mode");
    folder.set_permissions(fs::Permissions::from_mode(0o700)).map_err(at(path))
}

#[cfg(not(unix))]
fn close_to_others(_path: &Path) -> Result<(), StoreError> {
    Ok(())
}

/// Whether a file can be made in this folder; none is left there.
///
/// # Errors
/// The system's own.
pub fn may_write(folder: &Path) -> std::io::Result<()> {
    tempfile::tempfile_in(folder).map(drop)
}

/// Whether two folders lie on one disk, as far as the system tells.
pub fn is_same_disk(a: &Path, b: &Path) -> bool {
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        let device = |path: &Path| fs::metadata(path).map(|meta| meta.dev()).ok();
        device(a).is_some() && device(a) == device(b)
    }
    #[cfg(not(unix))]
    {
        let prefix =
            |path: &Path| fs::canonicalize(path).ok()?.components().next().map(|part| part.as_os_str().to_owned());
        prefix(a).is_some() && prefix(a) == prefix(b)
    }
}

/// Creates a folder that only this user enters.
pub(crate) fn create_private(path: &Path) -> Result<(), StoreError> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    crate::cut::point("mkdir");
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
        assert!(!DataDir::looks_like_one(&path), "a lock alone is no mark");
        fs::write(path.join(crate::db::FILE), b"").unwrap();
        drop(again);
        assert!(DataDir::looks_like_one(&path), "also when nobody uses it");
    }

    #[cfg(unix)]
    #[test]
    fn a_folder_that_others_could_enter_is_closed_or_refused() {
        use std::os::unix::fs::{MetadataExt, PermissionsExt};
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        let open = |path: &Path| fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
        let tmp = tempfile::tempdir().unwrap();
        // Made beforehand, empty; then in use, by a version that left it open.
        let path = tmp.path().join("data");
        fs::create_dir(&path).unwrap();
        for _ in 0..2 {
            open(&path);
            let held = DataDir::lock(&path).unwrap();
            assert_eq!((mode(&path), mode(&path.join("lock"))), (0o700, 0o600));
            drop(held);
            fs::set_permissions(path.join("lock"), fs::Permissions::from_mode(0o644)).unwrap();
        }
        // What the window puts there before the node comes is no stranger's.
        for first in ["webview", "window.json", "window.json.new", "window.json.broken"] {
            let path = tmp.path().join(format!("with {first}"));
            fs::create_dir(&path).unwrap();
            fs::create_dir(path.join(first)).unwrap();
            open(&path);
            DataDir::lock(&path).unwrap();
            assert_eq!(mode(&path), 0o700, "{first}");
        }
        // Somebody's folder with other things in it stays as it is.
        let shared = tmp.path().join("shared");
        fs::create_dir(&shared).unwrap();
        fs::write(shared.join("film.mkv"), "x").unwrap();
        open(&shared);
        let refused = DataDir::lock(&shared).unwrap_err();
        assert!(matches!(&refused, StoreError::Open { .. }) && refused.to_string().contains("chmod 700"), "{refused}");
        assert_eq!((mode(&shared), shared.join("lock").exists()), (0o755, false));
        // Another account's, where this test can make one.
        let others = tmp.path().join("others");
        fs::create_dir(&others).unwrap();
        open(&others);
        if std::os::unix::fs::chown(&others, Some(65_534), None).is_ok()
            && fs::metadata(&others).unwrap().uid() == 65_534
        {
            assert!(matches!(DataDir::lock(&others), Err(StoreError::Open { .. })));
        } else {
            #[allow(clippy::print_stderr, reason = "this is how a test says that a part of it cannot be tried here")]
            {
                eprintln!("skipped: no folder of another account can be made here");
            }
        }
    }
}
