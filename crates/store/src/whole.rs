//! Small files that are there whole, or as they were before: keys, a token, a window's settings.
//!
//! Promises: only this account reads them; a process that ends at any instruction leaves the old file or the new one, and at
//! worst a second one under a name of its own, which the next writing or [`clear`] takes away.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::cut;

/// The name under which a file is written before it gets its own.
fn unfinished(path: &Path) -> PathBuf {
    let mut name: OsString = path.file_name().unwrap_or_default().to_os_string();
    name.push(".new");
    path.with_file_name(name)
}

/// Writes `bytes` under this name and makes them last, in a folder into which nobody else writes.
///
/// # Errors
/// The system's own; the file is as it was.
pub fn write_whole(path: &Path, bytes: &[u8]) -> io::Result<()> {
    clear(path)?;
    let unfinished = unfinished(path);
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    cut::point("create");
    let mut file = options.open(&unfinished)?;
    let written = (|| {
        cut::point("write");
        file.write_all(bytes)?;
        cut::point("sync");
        file.sync_all()?;
        cut::point("rename");
        fs::rename(&unfinished, path)
    })();
    if written.is_err() {
        // What is left of it goes with the next one at the latest.
        drop(clear(path));
        return written;
    }
    if !cfg!(unix) {
        return Ok(());
    }
    cut::point("sync");
    File::open(path.parent().unwrap_or(Path::new(".")))?.sync_all()
}

/// Takes away what a process that was cut off left of a file of this name.
///
/// # Errors
/// The system's own.
pub(crate) fn clear(path: &Path) -> io::Result<()> {
    let unfinished = unfinished(path);
    if fs::symlink_metadata(&unfinished).is_err() {
        return Ok(());
    }
    cut::point("unlink");
    match fs::remove_file(&unfinished) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_cut_off_is_never_taken_for_the_file() {
        let tmp = tempfile::tempdir().unwrap();
        let path = tmp.path().join("keys.json");
        write_whole(&path, b"one").unwrap();
        fs::write(tmp.path().join("keys.json.new"), b"half").unwrap();
        write_whole(&path, b"two").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"two");
        assert_eq!(fs::read_dir(tmp.path()).unwrap().count(), 1);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        }
        fs::write(tmp.path().join("keys.json.new"), b"half").unwrap();
        clear(&path).unwrap();
        clear(&path).unwrap();
        assert_eq!(fs::read_dir(tmp.path()).unwrap().count(), 1);
        assert!(write_whole(&tmp.path().join("no/such"), b"x").is_err());
    }
}
