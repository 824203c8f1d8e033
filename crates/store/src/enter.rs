//! Files below an item's folder, reached without ever leaving it.
//!
//! No link below the root is followed, nor anything that is no folder entered; on Unix each step opens the next folder
//! from the one before, and what is then done to a file is done by its name in the folder that was opened: nobody can put
//! a link there between a look and an act. Nothing here writes over a file, and nothing is removed but what its caller
//! has looked at in that very folder.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::path::{Component, Path, PathBuf};

use crate::cut;
use crate::error::{StoreError, at};
use crate::stamp::Stamp;

pub(crate) fn outside(path: &Path) -> StoreError {
    StoreError::OutsideRoot { path: path.to_path_buf() }
}

/// The plain names from `root` down to `file`; refuses whatever is not below it.
fn names<'a>(root: &Path, file: &'a Path) -> Result<Vec<&'a OsStr>, StoreError> {
    let below = file.strip_prefix(root).map_err(|_| outside(file))?;
    let names = below.components().map(|part| match part {
        Component::Normal(name) => Ok(name),
        _ => Err(outside(file)),
    });
    let names = names.collect::<Result<Vec<_>, _>>()?;
    if names.is_empty() { Err(outside(file)) } else { Ok(names) }
}

/// A name, and the folder that has it or may get it, opened.
pub(crate) struct Place {
    folder: system::Folder,
    name: OsString,
    path: PathBuf,
}

/// What has a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Look {
    Nothing,
    /// A plain file.
    File(Stamp),
    /// A folder, a link, a pipe, a device.
    Other,
}

/// The place of `file` below `root`; `None` when a folder on the way is not there. [`StoreError::OutsideRoot`]: the way
/// leads over a link, or over what is no folder.
pub(crate) fn reach(root: &Path, file: &Path) -> Result<Option<Place>, StoreError> {
    walk(root, file, false)
}

/// As [`reach`]; makes the folders that lack, the root too.
#[cfg_attr(feature = "cut", track_caller)]
pub(crate) fn make_way(root: &Path, file: &Path) -> Result<Place, StoreError> {
    cut::point("mkdir");
    fs::create_dir_all(root).map_err(at(root))?;
    walk(root, file, true)?.ok_or_else(|| StoreError::io(file, std::io::ErrorKind::NotFound.into()))
}

fn walk(root: &Path, file: &Path, make: bool) -> Result<Option<Place>, StoreError> {
    let names = names(root, file)?;
    let Some((name, folders)) = names.split_last() else { return Err(outside(file)) };
    let folder = system::walk(root, folders, make)?;
    Ok(folder.map(|folder| Place { folder, name: (*name).to_os_string(), path: file.to_path_buf() }))
}

/// Whether the folders from `root` down to the parent of `file` are there, or could be made, and none of them is a link
/// or something else.
pub(crate) fn may_be_inside(root: &Path, file: &Path) -> bool {
    reach(root, file).is_ok()
}

impl Place {
    /// The whole path.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// What is there now.
    pub(crate) fn look(&self) -> Result<Look, StoreError> {
        self.folder.look(&self.name).map_err(at(&self.path))
    }

    /// A new file of this name, open for reading and writing; `None` if the name is taken, by whatever.
    #[cfg_attr(feature = "cut", track_caller)]
    pub(crate) fn create(&self) -> Result<Option<File>, StoreError> {
        cut::point("create");
        self.folder.create(&self.name).map_err(at(&self.path))
    }

    /// The plain file of this name, for reading, for writing too; `None` if nothing is there.
    /// [`StoreError::OutsideRoot`]: something that is no plain file.
    pub(crate) fn open(&self, write: bool) -> Result<Option<File>, StoreError> {
        let Some(file) = self.folder.open(&self.name, &self.path, write)? else { return Ok(None) };
        if file.metadata().map_err(at(&self.path))?.is_file() { Ok(Some(file)) } else { Err(outside(&self.path)) }
    }

    /// Gives what is here the name `to`; `false` if that name is taken by something else. A process killed half way
    /// leaves the file under one of the two names or under both, and doing it again is right.
    #[cfg_attr(feature = "cut", track_caller)]
    pub(crate) fn rename_new(&self, to: &Self) -> Result<bool, StoreError> {
        cut::point("rename");
        let renamed = self.folder.rename_new(&self.name, &to.folder, &to.name).map_err(at(&to.path))?;
        if renamed {
            return Ok(true);
        }
        match (self.look()?, to.look()?) {
            // Two names of one file: the other half of a renaming that was cut short.
            (Look::File(ours), Look::File(theirs)) if ours.is_same_file(&theirs) => self.remove().map(|()| true),
            _ => Ok(false),
        }
    }

    /// Gives what is here a second name; `false` if that is taken. [`StoreError::Io`] also where files have one name only.
    #[cfg_attr(feature = "cut", track_caller)]
    pub(crate) fn link_new(&self, to: &Self) -> Result<bool, StoreError> {
        cut::point("link");
        match self.folder.link_new(&self.name, &to.folder, &to.name) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(false),
            Err(error) => Err(StoreError::io(&to.path, error)),
        }
    }

    /// Takes the name away; one that is not there is no error.
    #[cfg_attr(feature = "cut", track_caller)]
    pub(crate) fn remove(&self) -> Result<(), StoreError> {
        cut::point("unlink");
        self.folder.remove(&self.name).map_err(at(&self.path))
    }

    /// Removes the file of this name if it is the one that was looked at. `false`: another is there, and stays.
    #[cfg_attr(feature = "cut", track_caller)]
    pub(crate) fn remove_if(&self, is: impl FnOnce(&Stamp) -> bool) -> Result<bool, StoreError> {
        match self.look()? {
            Look::Nothing => Ok(true),
            Look::File(stamp) if is(&stamp) => self.remove().map(|()| true),
            _ => Ok(false),
        }
    }

    /// Removes the folder of this name if it is empty; says whether it is gone.
    #[cfg_attr(feature = "cut", track_caller)]
    pub(crate) fn remove_empty_folder(&self) -> bool {
        cut::point("rmdir");
        self.folder.remove_folder(&self.name).is_ok()
    }
}

#[cfg(unix)]
mod system {
    use std::ffi::OsStr;
    use std::fs::File;
    use std::io;
    use std::os::fd::OwnedFd;
    use std::path::Path;

    use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags, linkat, mkdirat, openat, renameat, statat, unlinkat};
    use rustix::io::Errno;

    use super::{Look, Stamp, outside};
    use crate::StoreError;
    use crate::stamp::nanoseconds;

    // A folder that may be passed but not listed is good enough where the system can say so.
    #[cfg(any(target_os = "linux", target_os = "android"))]
    const PASS: OFlags = OFlags::PATH;
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    const PASS: OFlags = OFlags::RDONLY;

    pub(super) struct Folder(OwnedFd);

    pub(super) fn walk(root: &Path, folders: &[&OsStr], make: bool) -> Result<Option<Folder>, StoreError> {
        let io = |path: &Path, errno: Errno| StoreError::io(path, io::Error::from(errno));
        let enter = PASS | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let mut folder: OwnedFd = match openat(CWD, root, enter, Mode::empty()) {
            Ok(folder) => folder,
            Err(Errno::NOENT) if !make => return Ok(None),
            Err(Errno::NOTDIR) => return Err(outside(root)),
            Err(e) => return Err(io(root, e)),
        };
        let mut path = root.to_path_buf();
        for part in folders {
            path.push(part);
            let next = || openat(&folder, *part, enter | OFlags::NOFOLLOW, Mode::empty());
            let entered = match next() {
                Err(Errno::NOENT) if make => {
                    crate::cut::point("mkdir");
                    match mkdirat(&folder, *part, Mode::from(0o777)) {
                        Ok(()) | Err(Errno::EXIST) => next(),
                        Err(e) => Err(e),
                    }
                }
                other => other,
            };
            folder = match entered {
                Err(Errno::NOENT) if !make => return Ok(None),
                Err(Errno::LOOP | Errno::NOTDIR | Errno::MLINK) => return Err(outside(&path)),
                other => other.map_err(|e| io(&path, e))?,
            };
        }
        Ok(Some(Folder(folder)))
    }

    impl Folder {
        pub(super) fn look(&self, name: &OsStr) -> io::Result<Look> {
            let stat = match statat(&self.0, name, AtFlags::SYMLINK_NOFOLLOW) {
                Ok(stat) => stat,
                Err(Errno::NOENT) => return Ok(Look::Nothing),
                Err(e) => return Err(e.into()),
            };
            if !FileType::from_raw_mode(stat.st_mode).is_file() {
                return Ok(Look::Other);
            }
            #[allow(
                clippy::unnecessary_cast,
                clippy::cast_lossless,
                reason = "these have other types on other systems"
            )]
            Ok(Look::File(Stamp {
                dev: stat.st_dev as i64,
                ino: stat.st_ino as i64,
                length: u64::try_from(stat.st_size).unwrap_or(0),
                mtime_ns: nanoseconds(stat.st_mtime as i64, stat.st_mtime_nsec as i64),
                ctime_ns: nanoseconds(stat.st_ctime as i64, stat.st_ctime_nsec as i64),
            }))
        }

        pub(super) fn create(&self, name: &OsStr) -> io::Result<Option<File>> {
            let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            match openat(&self.0, name, flags, Mode::from(0o666)) {
                Ok(file) => Ok(Some(File::from(file))),
                Err(Errno::EXIST) => Ok(None),
                Err(e) => Err(e.into()),
            }
        }

        pub(super) fn open(&self, name: &OsStr, path: &Path, write: bool) -> Result<Option<File>, StoreError> {
            // Without waiting: a named pipe under this name must not hold us.
            let how = if write { OFlags::RDWR } else { OFlags::RDONLY };
            let flags = how | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
            match openat(&self.0, name, flags, Mode::empty()) {
                Ok(opened) => Ok(Some(File::from(opened))),
                Err(Errno::NOENT) => Ok(None),
                Err(Errno::LOOP | Errno::ISDIR | Errno::NXIO | Errno::MLINK) => Err(outside(path)),
                Err(e) => Err(StoreError::io(path, e.into())),
            }
        }

        /// `false`: taken.
        pub(super) fn rename_new(&self, name: &OsStr, to: &Self, new: &OsStr) -> io::Result<bool> {
            #[cfg(any(target_os = "linux", target_os = "android", target_vendor = "apple"))]
            {
                use rustix::fs::{RenameFlags, renameat_with};
                match renameat_with(&self.0, name, &to.0, new, RenameFlags::NOREPLACE) {
                    Ok(()) => return Ok(true),
                    Err(Errno::EXIST) => return Ok(false),
                    // This file system, or this kernel, cannot.
                    Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) => {}
                    Err(e) => return Err(e.into()),
                }
            }
            // A second name fails where it is taken; a plain renaming would write over what is there.
            match linkat(&self.0, name, &to.0, new, AtFlags::empty()) {
                Ok(()) => {
                    crate::cut::point("unlink");
                    self.remove(name)?;
                    Ok(true)
                }
                Err(Errno::EXIST) => Ok(false),
                // File systems without second names (FAT, some network shares).
                Err(_) if to.look(new)? != Look::Nothing => Ok(false),
                Err(_) => Ok(renameat(&self.0, name, &to.0, new).map(|()| true)?),
            }
        }

        pub(super) fn link_new(&self, name: &OsStr, to: &Self, new: &OsStr) -> io::Result<()> {
            Ok(linkat(&self.0, name, &to.0, new, AtFlags::empty())?)
        }

        pub(super) fn remove(&self, name: &OsStr) -> io::Result<()> {
            match unlinkat(&self.0, name, AtFlags::empty()) {
                Ok(()) | Err(Errno::NOENT) => Ok(()),
                Err(e) => Err(e.into()),
            }
        }

        pub(super) fn remove_folder(&self, name: &OsStr) -> io::Result<()> {
            Ok(unlinkat(&self.0, name, AtFlags::REMOVEDIR)?)
        }
    }
}

#[cfg(not(unix))]
mod system {
    use std::ffi::OsStr;
    use std::fs::{self, File, OpenOptions};
    use std::io;
    use std::path::{Path, PathBuf};

    use super::{Look, Stamp, outside};
    use crate::StoreError;
    use crate::error::at;

    pub(super) struct Folder(PathBuf);

    pub(super) fn walk(root: &Path, folders: &[&OsStr], make: bool) -> Result<Option<Folder>, StoreError> {
        let mut folder = root.to_path_buf();
        if !folder.exists() && !make {
            return Ok(None);
        }
        for part in folders {
            folder.push(part);
            if make {
                crate::cut::point("mkdir");
            }
            if make
                && let Err(e) = fs::create_dir(&folder)
                && e.kind() != io::ErrorKind::AlreadyExists
            {
                return Err(StoreError::io(&folder, e));
            }
            match fs::symlink_metadata(&folder) {
                Ok(meta) if meta.is_dir() => {}
                Ok(_) => return Err(outside(&folder)),
                Err(e) if e.kind() == io::ErrorKind::NotFound && !make => return Ok(None),
                Err(e) => return Err(StoreError::io(&folder, e)),
            }
        }
        Ok(Some(Folder(folder)))
    }

    fn absent<T>(result: io::Result<T>) -> io::Result<Option<T>> {
        match result {
            Ok(value) => Ok(Some(value)),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(e) => Err(e),
        }
    }

    impl Folder {
        pub(super) fn look(&self, name: &OsStr) -> io::Result<Look> {
            let path = self.0.join(name);
            Ok(match absent(fs::symlink_metadata(&path))? {
                None => Look::Nothing,
                Some(meta) if meta.is_file() => Look::File(Stamp::seen(&path, &meta)),
                Some(_) => Look::Other,
            })
        }

        pub(super) fn create(&self, name: &OsStr) -> io::Result<Option<File>> {
            match OpenOptions::new().read(true).write(true).create_new(true).open(self.0.join(name)) {
                Ok(file) => Ok(Some(file)),
                Err(e) if e.kind() == io::ErrorKind::AlreadyExists => Ok(None),
                Err(e) => Err(e),
            }
        }

        pub(super) fn open(&self, name: &OsStr, path: &Path, write: bool) -> Result<Option<File>, StoreError> {
            match self.look(name).map_err(at(path))? {
                Look::Nothing => Ok(None),
                Look::Other => Err(outside(path)),
                // Windows syncs only handles that may write.
                Look::File(_) => {
                    let file = OpenOptions::new().read(true).write(write).open(self.0.join(name));
                    absent(file).map_err(at(path))
                }
            }
        }

        pub(super) fn rename_new(&self, name: &OsStr, to: &Self, new: &OsStr) -> io::Result<bool> {
            let (from, new) = (self.0.join(name), to.0.join(new));
            match fs::hard_link(&from, &new) {
                Ok(()) => {
                    crate::cut::point("unlink");
                    fs::remove_file(&from).map(|()| true)
                }
                Err(e) if e.kind() == io::ErrorKind::AlreadyExists => Ok(false),
                Err(_) if fs::symlink_metadata(&new).is_ok() => Ok(false),
                Err(_) => fs::rename(&from, &new).map(|()| true),
            }
        }

        pub(super) fn link_new(&self, name: &OsStr, to: &Self, new: &OsStr) -> io::Result<()> {
            fs::hard_link(self.0.join(name), to.0.join(new))
        }

        pub(super) fn remove(&self, name: &OsStr) -> io::Result<()> {
            absent(fs::remove_file(self.0.join(name))).map(drop)
        }

        pub(super) fn remove_folder(&self, name: &OsStr) -> io::Result<()> {
            fs::remove_dir(self.0.join(name))
        }
    }
}

#[cfg(test)]
mod tests;
