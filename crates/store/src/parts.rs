//! Files of the user and part files — the only place that turns a [`SafePath`] into a path on disk.
//!
//! A download grows as `<name>.part` below its item's root and gets its name once it is whole. No folder below the root
//! is entered through a link that leads out of it, and no file that is not ours is ever overwritten.

use std::ffi::OsStr;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

use protocol::SafePath;

use crate::error::{StoreError, at};

/// `root` and the path's parts below it.
pub(crate) fn join(root: &Path, path: &SafePath) -> PathBuf {
    let mut out = root.to_path_buf();
    out.extend(path.parts());
    out
}

/// Where a file grows: its name and `.part`, or `.part2` and so on where that is taken.
pub(crate) fn part_name(disk: &Path, number: u32) -> PathBuf {
    let mut name = disk.file_name().unwrap_or_else(|| OsStr::new("file")).to_os_string();
    name.push(if number < 2 { ".part".to_string() } else { format!(".part{number}") });
    disk.with_file_name(name)
}

/// `name (2).ext`, `name (3).ext`, …
pub(crate) fn other_name(path: &Path, number: u32, is_folder: bool) -> PathBuf {
    let stem = if is_folder { path.file_name() } else { path.file_stem() };
    let mut name = stem.unwrap_or_else(|| OsStr::new("file")).to_os_string();
    name.push(format!(" ({number})"));
    if let (false, Some(extension)) = (is_folder, path.extension()) {
        name.push(".");
        name.push(extension);
    }
    path.with_file_name(name)
}

/// Whether anything, a dangling link too, has this name.
pub(crate) fn taken(path: &Path) -> Result<bool, StoreError> {
    match fs::symlink_metadata(path) {
        Ok(_) => Ok(true),
        Err(e) if matches!(e.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => Ok(false),
        Err(e) => Err(StoreError::io(path, e)),
    }
}

/// Makes the folders from `root` down to the parent of `file`; a link on the way must stay inside `root`.
pub(crate) fn make_parents(root: &Path, file: &Path) -> Result<(), StoreError> {
    fs::create_dir_all(root).map_err(at(root))?;
    let outside = |path: &Path| StoreError::OutsideRoot { path: path.to_path_buf() };
    let below = file.parent().and_then(|parent| parent.strip_prefix(root).ok()).ok_or_else(|| outside(file))?;
    let mut folder = root.to_path_buf();
    for part in below.components() {
        folder.push(part);
        match fs::create_dir(&folder) {
            Ok(()) => continue,
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {}
            Err(e) => return Err(StoreError::io(&folder, e)),
        }
        let kind = fs::symlink_metadata(&folder).map_err(at(&folder))?.file_type();
        if kind.is_dir() {
            continue;
        }
        let inside = kind.is_symlink() && {
            let real_root = fs::canonicalize(root).map_err(at(root))?;
            fs::canonicalize(&folder).is_ok_and(|real| real.starts_with(real_root) && real.is_dir())
        };
        if !inside {
            return Err(outside(&folder));
        }
    }
    Ok(())
}

/// Opens a part file for writing, making it and its folders when needed.
pub(crate) fn open_part(root: &Path, part: &Path) -> Result<File, StoreError> {
    make_parents(root, part)?;
    if fs::symlink_metadata(part).is_ok_and(|m| !m.is_file()) {
        return Err(StoreError::OutsideRoot { path: part.to_path_buf() });
    }
    OpenOptions::new().create(true).truncate(false).write(true).open(part).map_err(at(part))
}

/// Makes sure that a finished file exists: its part file, or the file itself where a crash came after its renaming.
/// Files of no bytes are made here.
pub(crate) fn open_part_or_done(root: &Path, part: &Path, disk: &Path, size: u64) -> Result<(), StoreError> {
    let length = |path: &Path| fs::symlink_metadata(path).ok().filter(fs::Metadata::is_file).map(|m| m.len());
    match length(part) {
        Some(len) if len == size => Ok(()),
        Some(len) if len > size => {
            // Bytes behind the end are a leftover of ours: nobody else writes part files.
            open_part(root, part)?.set_len(size).map_err(at(part))
        }
        None if length(disk) == Some(size) && size > 0 => Ok(()),
        None if size == 0 => open_part(root, part).map(drop),
        _ => Err(StoreError::Io { path: part.to_path_buf(), source: io::ErrorKind::NotFound.into() }),
    }
}

/// Gives `from` the name `to`; `false` if that name is taken.
pub(crate) fn rename_new(from: &Path, to: &Path) -> Result<bool, StoreError> {
    // A hard link fails atomically where the name is taken; a rename would overwrite.
    match fs::hard_link(from, to) {
        Ok(()) => {
            fs::remove_file(from).map_err(at(from))?;
            return Ok(true);
        }
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists => return Ok(false),
        Err(_) => {}
    }
    // File systems without hard links (FAT, some network shares).
    if taken(to)? {
        return Ok(false);
    }
    fs::rename(from, to).map_err(at(to))?;
    Ok(true)
}

/// Reads exactly `buf` at `offset`; `false` if the file is gone, shorter or no file.
pub(crate) fn read_at(path: &Path, offset: u64, buf: &mut [u8]) -> Result<bool, StoreError> {
    let missing = |e: &io::Error| {
        matches!(
            e.kind(),
            io::ErrorKind::NotFound
                | io::ErrorKind::UnexpectedEof
                | io::ErrorKind::IsADirectory
                | io::ErrorKind::NotADirectory
                | io::ErrorKind::PermissionDenied
        )
    };
    match File::open(path).and_then(|file| read_exact_at(&file, buf, offset)) {
        Ok(()) => Ok(true),
        Err(e) if missing(&e) => Ok(false),
        Err(e) => Err(StoreError::io(path, e)),
    }
}

#[cfg(unix)]
fn read_exact_at(file: &File, buf: &mut [u8], offset: u64) -> io::Result<()> {
    std::os::unix::fs::FileExt::read_exact_at(file, buf, offset)
}
#[cfg(unix)]
pub(crate) fn write_all_at(file: &File, buf: &[u8], offset: u64) -> io::Result<()> {
    std::os::unix::fs::FileExt::write_all_at(file, buf, offset)
}
#[cfg(windows)]
fn read_exact_at(mut file: &File, buf: &mut [u8], offset: u64) -> io::Result<()> {
    use std::io::{Read, Seek, SeekFrom};
    file.seek(SeekFrom::Start(offset))?;
    file.read_exact(buf)
}
#[cfg(windows)]
pub(crate) fn write_all_at(mut file: &File, buf: &[u8], offset: u64) -> io::Result<()> {
    use std::io::{Seek, SeekFrom, Write};
    file.seek(SeekFrom::Start(offset))?;
    file.write_all(buf)
}

/// Makes a file's bytes last.
pub(crate) fn sync_file(path: &Path) -> Result<(), StoreError> {
    // Windows syncs only handles that may write.
    OpenOptions::new().read(true).write(cfg!(windows)).open(path).and_then(|f| f.sync_all()).map_err(at(path))
}

/// Makes a folder's names last.
pub(crate) fn sync_dir(path: &Path) -> Result<(), StoreError> {
    if cfg!(unix) { File::open(path).and_then(|f| f.sync_all()).map_err(at(path)) } else { Ok(()) }
}

/// Makes the names of `file` and of each folder from its parent up to `root` last.
pub(crate) fn sync_parents(root: &Path, file: &Path) -> Result<(), StoreError> {
    let folders = file.ancestors().skip(1).take_while(|folder| folder.starts_with(root));
    folders.chain(root.parent()).filter(|folder| !folder.as_os_str().is_empty()).try_for_each(sync_dir)
}

/// Removes a file and then the folders above it that are empty, up to and without `root`.
pub(crate) fn remove_below(root: &Path, file: &Path) -> Result<(), StoreError> {
    match fs::remove_file(file) {
        Err(e) if !matches!(e.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            return Err(StoreError::io(file, e));
        }
        _ => {}
    }
    for folder in file.ancestors().skip(1) {
        // A folder that still holds something refuses to go; that ends the climb.
        if folder == root || !folder.starts_with(root) || fs::remove_dir(folder).is_err() {
            break;
        }
    }
    Ok(())
}

/// Modification time in ns since 1970, 0 where the system does not say.
pub(crate) fn mtime_ns(path: &Path) -> i64 {
    let time = fs::metadata(path).and_then(|m| m.modified()).ok();
    let since = time.and_then(|t| t.duration_since(std::time::UNIX_EPOCH).ok());
    since.and_then(|d| i64::try_from(d.as_nanos()).ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        assert_eq!(part_name(Path::new("/a/b.iso"), 1), Path::new("/a/b.iso.part"));
        assert_eq!(part_name(Path::new("/a/b.iso"), 3), Path::new("/a/b.iso.part3"));
        assert_eq!(other_name(Path::new("/a/b.tar.gz"), 2, false), Path::new("/a/b.tar (2).gz"));
        assert_eq!(other_name(Path::new("/a/vol. 1"), 2, true), Path::new("/a/vol. 1 (2)"));
        assert_eq!(other_name(Path::new("/a/b"), 4, false), Path::new("/a/b (4)"));
    }

    #[cfg(unix)]
    #[test]
    fn a_link_out_of_the_root_is_not_followed() {
        let tmp = tempfile::tempdir().unwrap();
        let (root, outside) = (tmp.path().join("root"), tmp.path().join("outside"));
        fs::create_dir_all(root.join("real")).unwrap();
        fs::create_dir(&outside).unwrap();
        std::os::unix::fs::symlink(&outside, root.join("bad")).unwrap();
        std::os::unix::fs::symlink(root.join("real"), root.join("good")).unwrap();
        std::os::unix::fs::symlink(outside.join("x"), root.join("file.part")).unwrap();
        assert!(matches!(open_part(&root, &root.join("bad/x.part")), Err(StoreError::OutsideRoot { .. })));
        assert!(matches!(open_part(&root, &root.join("bad/deep/x.part")), Err(StoreError::OutsideRoot { .. })));
        assert!(matches!(open_part(&root, &root.join("file.part")), Err(StoreError::OutsideRoot { .. })));
        assert!(matches!(open_part(&root, &outside.join("x.part")), Err(StoreError::OutsideRoot { .. })));
        open_part(&root, &root.join("good/x.part")).unwrap();
        assert!(root.join("real/x.part").exists());
        assert_eq!(fs::read_dir(&outside).unwrap().count(), 0);
    }

    #[test]
    fn renaming_never_overwrites() {
        let tmp = tempfile::tempdir().unwrap();
        let (from, to) = (tmp.path().join("a"), tmp.path().join("b"));
        fs::write(&from, b"new").unwrap();
        fs::write(&to, b"old").unwrap();
        assert!(!rename_new(&from, &to).unwrap());
        assert_eq!(fs::read(&to).unwrap(), b"old");
        fs::remove_file(&to).unwrap();
        assert!(rename_new(&from, &to).unwrap());
        assert_eq!(fs::read(&to).unwrap(), b"new");
        assert!(!from.exists());
    }

    #[test]
    fn removing_leaves_no_empty_folder_and_nothing_else_goes() {
        let tmp = tempfile::tempdir().unwrap();
        let root = tmp.path().join("root");
        fs::create_dir_all(root.join("a/b")).unwrap();
        fs::write(root.join("a/b/x"), b"").unwrap();
        fs::write(root.join("a/keep"), b"").unwrap();
        remove_below(&root, &root.join("a/b/x")).unwrap();
        assert!(!root.join("a/b").exists() && root.join("a/keep").exists());
        remove_below(&root, &root.join("a/keep")).unwrap();
        assert!(!root.join("a").exists() && root.exists());
        assert!(!read_at(&root.join("a/keep"), 0, &mut [0; 1]).unwrap());
    }
}
