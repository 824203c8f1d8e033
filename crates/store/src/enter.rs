//! Opening part files below an item's folder without ever leaving it.
//!
//! No link below the root is followed, nor anything that is no folder entered; on Unix each step opens the next folder
//! from the one before, so that nobody can put a link there between a look and an open.

use std::fs::{self, File};
use std::path::{Component, Path, PathBuf};

use crate::error::{StoreError, at};

fn outside(path: &Path) -> StoreError {
    StoreError::OutsideRoot { path: path.to_path_buf() }
}

/// The plain names from `root` down to `file`; refuses whatever is not below it.
fn names<'a>(root: &Path, file: &'a Path) -> Result<Vec<&'a std::ffi::OsStr>, StoreError> {
    let below = file.strip_prefix(root).map_err(|_| outside(file))?;
    let names = below.components().map(|part| match part {
        Component::Normal(name) => Ok(name),
        _ => Err(outside(file)),
    });
    let names = names.collect::<Result<Vec<_>, _>>()?;
    if names.is_empty() { Err(outside(file)) } else { Ok(names) }
}

/// Opens a file below `root` for writing; makes it and the folders on the way when they lack. What is there under its
/// name and is no plain file is refused.
pub(crate) fn open(root: &Path, file: &Path) -> Result<File, StoreError> {
    let names = names(root, file)?;
    fs::create_dir_all(root).map_err(at(root))?;
    let opened = system::open(root, &names, file)?;
    if opened.metadata().map_err(at(file))?.is_file() { Ok(opened) } else { Err(outside(file)) }
}

/// Whether the folders from `root` down to the parent of `file` are there and none of them is a link.
pub(crate) fn is_inside(root: &Path, file: &Path) -> bool {
    let Ok(names) = names(root, file) else { return false };
    let mut folder: PathBuf = root.to_path_buf();
    names.iter().rev().skip(1).rev().all(|name| {
        folder.push(name);
        fs::symlink_metadata(&folder).is_ok_and(|m| m.is_dir())
    })
}

#[cfg(unix)]
mod system {
    use std::ffi::OsStr;
    use std::fs::File;
    use std::io;
    use std::os::fd::OwnedFd;
    use std::path::Path;

    use rustix::fs::{CWD, Mode, OFlags, mkdirat, openat};
    use rustix::io::Errno;

    use super::outside;
    use crate::StoreError;

    // A folder that may be passed but not listed is good enough where the system can say so.
    #[cfg(any(target_os = "linux", target_os = "android"))]
    const PASS: OFlags = OFlags::PATH;
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    const PASS: OFlags = OFlags::RDONLY;

    pub(super) fn open(root: &Path, names: &[&OsStr], file: &Path) -> Result<File, StoreError> {
        let io = |path: &Path, errno: Errno| StoreError::io(path, io::Error::from(errno));
        let enter = PASS | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let mut folder: OwnedFd = openat(CWD, root, enter, Mode::empty()).map_err(|e| io(root, e))?;
        let Some((name, folders)) = names.split_last() else { return Err(outside(file)) };
        let mut path = root.to_path_buf();
        for part in folders {
            path.push(part);
            let next = || openat(&folder, *part, enter | OFlags::NOFOLLOW, Mode::empty());
            let entered = match next() {
                Err(Errno::NOENT) => match mkdirat(&folder, *part, Mode::from(0o777)) {
                    Ok(()) | Err(Errno::EXIST) => next(),
                    Err(e) => Err(e),
                },
                other => other,
            };
            folder = match entered {
                Err(Errno::LOOP | Errno::NOTDIR | Errno::MLINK) => return Err(outside(&path)),
                other => other.map_err(|e| io(&path, e))?,
            };
        }
        // Without waiting: a named pipe under this name must not hold us.
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        match openat(&folder, *name, flags, Mode::from(0o666)) {
            Ok(opened) => Ok(File::from(opened)),
            Err(Errno::LOOP | Errno::ISDIR | Errno::NXIO | Errno::MLINK) => Err(outside(file)),
            Err(e) => Err(io(file, e)),
        }
    }
}

#[cfg(not(unix))]
mod system {
    use std::ffi::OsStr;
    use std::fs::{self, File, OpenOptions};
    use std::io;
    use std::path::Path;

    use super::outside;
    use crate::StoreError;
    use crate::error::at;

    pub(super) fn open(root: &Path, names: &[&OsStr], file: &Path) -> Result<File, StoreError> {
        let Some((_, folders)) = names.split_last() else { return Err(outside(file)) };
        let mut folder = root.to_path_buf();
        for part in folders {
            folder.push(part);
            match fs::create_dir(&folder) {
                Err(e) if e.kind() != io::ErrorKind::AlreadyExists => return Err(StoreError::io(&folder, e)),
                _ => {}
            }
            if !fs::symlink_metadata(&folder).map_err(at(&folder))?.is_dir() {
                return Err(outside(&folder));
            }
        }
        if fs::symlink_metadata(file).is_ok_and(|m| !m.is_file()) {
            return Err(outside(file));
        }
        OpenOptions::new().create(true).truncate(false).write(true).open(file).map_err(at(file))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(unix)]
    #[test]
    fn no_link_is_followed_on_the_way_and_nothing_outside_is_touched() {
        use std::os::unix::fs::symlink;
        let tmp = tempfile::tempdir().unwrap();
        let (root, away) = (tmp.path().join("root"), tmp.path().join("away"));
        fs::create_dir_all(root.join("real")).unwrap();
        fs::create_dir(&away).unwrap();
        fs::write(away.join("precious"), b"mine").unwrap();
        symlink(&away, root.join("out")).unwrap();
        symlink(root.join("real"), root.join("within")).unwrap();
        symlink(away.join("precious"), root.join("link.part")).unwrap();
        symlink(away.join("new"), root.join("dangling.part")).unwrap();
        fs::write(root.join("plain"), b"").unwrap();
        fs::create_dir(root.join("folder.part")).unwrap();
        let bad = ["out/x", "out/deep/x", "within/x", "link.part", "dangling.part", "plain/x", "folder.part"];
        for name in bad {
            let refused = open(&root, &root.join(name));
            assert!(matches!(refused, Err(StoreError::OutsideRoot { .. })), "{name}: {refused:?}");
        }
        for outside in [away.join("x"), root.join("../away/x"), root.clone(), root.join("real/../../away/x")] {
            assert!(matches!(open(&root, &outside), Err(StoreError::OutsideRoot { .. })), "{outside:?}");
        }
        assert!(!is_inside(&root, &root.join("out/x")) && !is_inside(&root, &away.join("x")));
        assert!(is_inside(&root, &root.join("real/x")) && is_inside(&root, &root.join("x")));
        open(&root, &root.join("real/a/b/x.part")).unwrap();
        assert!(root.join("real/a/b/x.part").is_file());
        assert_eq!(fs::read(away.join("precious")).unwrap(), b"mine");
        assert_eq!(fs::read_dir(&away).unwrap().count(), 1);
    }

    #[cfg(unix)]
    #[test]
    fn the_root_itself_may_be_a_link_for_the_user_chose_it() {
        let tmp = tempfile::tempdir().unwrap();
        fs::create_dir(tmp.path().join("disk")).unwrap();
        std::os::unix::fs::symlink(tmp.path().join("disk"), tmp.path().join("root")).unwrap();
        open(&tmp.path().join("root"), &tmp.path().join("root/a/x")).unwrap();
        assert!(tmp.path().join("disk/a/x").is_file());
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_named_pipe_does_not_hold_us() {
        let tmp = tempfile::tempdir().unwrap();
        let pipe = tmp.path().join("x.part");
        let mode = rustix::fs::Mode::from(0o600);
        rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, mode, 0).unwrap();
        assert!(matches!(open(tmp.path(), &pipe), Err(StoreError::OutsideRoot { .. })));
        assert!(!crate::parts::read_at(&pipe, 0, &mut [0; 4]).unwrap());
    }
}
