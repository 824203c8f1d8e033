//! Files of the user and part files — the only place that turns a [`SafePath`] into a path on disk.
//!
//! A download grows as `<name>.part` below its item's root and gets its name once it is whole. Who may touch such files
//! stands in [`crate::growing`], who may touch finished ones in [`crate::ours`]; how they are reached in
//! [`crate::enter`].

use std::borrow::Cow;
use std::ffi::{OsStr, OsString};
use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

use protocol::SafePath;

use crate::cut;
use crate::error::{StoreError, at};

/// `root` and the path's parts below it, under names that no file manager acts upon.
pub(crate) fn join(root: &Path, path: &SafePath) -> PathBuf {
    let mut out = root.to_path_buf();
    out.extend(path.parts().map(|part| harmless(part).into_owned()));
    out
}

/// A name under which a file is only a file. Some names and endings make a desktop do something when it merely shows
/// their folder, or follow them elsewhere on a click: they get `_` in front, or behind where the ending is what acts.
pub fn harmless(part: &str) -> Cow<'_, str> {
    const NAMES: [&str; 9] = [
        "desktop.ini",
        "autorun.inf",
        "folder.htt",
        "thumbs.db",
        ".directory",
        ".hidden",
        ".ds_store",
        ".localized",
        ".nomedia",
    ];
    const ENDINGS: [&str; 17] = [
        "lnk",
        "url",
        "website",
        "desktop",
        "webloc",
        "inetloc",
        "fileloc",
        "pif",
        "scf",
        "shb",
        "shs",
        "appref-ms",
        "library-ms",
        "search-ms",
        "searchconnector-ms",
        "theme",
        "settingcontent-ms",
    ];
    let lower = part.to_lowercase();
    let ending = lower.rsplit_once('.').map(|(_, ending)| ending);
    // A folder whose ending is a class of the shell opens as that class.
    let is_class = |ending: &str| ending.starts_with('{') && ending.ends_with('}');
    if NAMES.contains(&lower.as_str()) {
        Cow::Owned(format!("_{part}"))
    } else if ending.is_some_and(|ending| ENDINGS.contains(&ending) || is_class(ending)) {
        Cow::Owned(fitting(OsStr::new(part), "_").to_string_lossy().into_owned())
    } else {
        Cow::Borrowed(part)
    }
}

/// Longest name that every file system takes, in bytes.
const NAME_MAX: usize = 255;

/// `stem` cut, at a character, so that it fits a name together with `ending`; and that ending.
fn fitting(stem: &OsStr, ending: &str) -> OsString {
    let room = NAME_MAX.saturating_sub(ending.len());
    let mut name = if stem.len() <= room {
        stem.to_os_string()
    } else {
        let text = stem.to_string_lossy();
        OsString::from(&text[..text.floor_char_boundary(room)])
    };
    name.push(ending);
    name
}

/// Where a file grows: its name and `.part`, or `.part2` and so on where that is taken. A name that would be too long
/// is cut.
pub(crate) fn part_name(disk: &Path, number: u32) -> PathBuf {
    let name = disk.file_name().unwrap_or_else(|| OsStr::new("file"));
    let ending = if number < 2 { ".part".to_string() } else { format!(".part{number}") };
    disk.with_file_name(fitting(name, &ending))
}

/// `name (2).ext`, `name (3).ext`, …
pub(crate) fn other_name(path: &Path, number: u32, is_folder: bool) -> PathBuf {
    let stem = if is_folder { path.file_name() } else { path.file_stem() };
    let mut ending = format!(" ({number})");
    if let (false, Some(extension)) = (is_folder, path.extension().and_then(OsStr::to_str)) {
        ending = format!("{ending}.{extension}");
    }
    path.with_file_name(fitting(stem.unwrap_or_else(|| OsStr::new("file")), &ending))
}

/// Whether anything, a dangling link too, has this name.
pub(crate) fn taken(path: &Path) -> Result<bool, StoreError> {
    match fs::symlink_metadata(path) {
        Ok(_) => Ok(true),
        Err(e) if matches!(e.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => Ok(false),
        Err(e) => Err(StoreError::io(path, e)),
    }
}

/// A plain file's length; `None` if nothing, or something else, has this name.
pub(crate) fn length(path: &Path) -> Option<u64> {
    fs::symlink_metadata(path).ok().filter(fs::Metadata::is_file).map(|m| m.len())
}

/// Opens a file for reading, without waiting: a pipe or device under its name must not hold us.
pub(crate) fn open_plain(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::custom_flags(&mut options, rustix::fs::OFlags::NONBLOCK.bits().cast_signed());
    let file = options.open(path)?;
    if file.metadata()?.is_file() { Ok(file) } else { Err(io::ErrorKind::IsADirectory.into()) }
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
    match open_plain(path).and_then(|file| read_exact_at(&file, buf, offset)) {
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
#[cfg_attr(feature = "cut", track_caller)]
pub(crate) fn write_all_at(file: &File, buf: &[u8], offset: u64) -> io::Result<()> {
    cut::point("write");
    std::os::unix::fs::FileExt::write_all_at(file, buf, offset)
}
#[cfg(windows)]
fn read_exact_at(mut file: &File, buf: &mut [u8], offset: u64) -> io::Result<()> {
    use std::io::{Read, Seek, SeekFrom};
    file.seek(SeekFrom::Start(offset))?;
    file.read_exact(buf)
}
#[cfg(windows)]
#[cfg_attr(feature = "cut", track_caller)]
pub(crate) fn write_all_at(mut file: &File, buf: &[u8], offset: u64) -> io::Result<()> {
    use std::io::{Seek, SeekFrom, Write};
    cut::point("write");
    file.seek(SeekFrom::Start(offset))?;
    file.write_all(buf)
}

/// Whether two files have the same bytes, from where they stand on.
pub(crate) fn equal(mut a: File, a_path: &Path, mut b: &File, b_path: &Path) -> Result<bool, StoreError> {
    use io::Read;
    let (mut left, mut right) = (vec![0; 1 << 20], vec![0; 1 << 20]);
    loop {
        let read = a.read(&mut left).map_err(at(a_path))?;
        if read == 0 {
            return Ok(true);
        }
        match b.read_exact(&mut right[..read]) {
            Ok(()) if left[..read] == right[..read] => {}
            Ok(()) => return Ok(false),
            Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => return Ok(false),
            Err(error) => return Err(StoreError::io(b_path, error)),
        }
    }
}

/// Makes a file's bytes last.
#[cfg_attr(feature = "cut", track_caller)]
pub(crate) fn sync_file(path: &Path) -> Result<(), StoreError> {
    cut::point("sync");
    // Windows syncs only handles that may write.
    OpenOptions::new().read(true).write(cfg!(windows)).open(path).and_then(|f| f.sync_all()).map_err(at(path))
}

/// Makes a folder's names last, where the system lets us: some folders may be passed but not opened, and some file
/// systems sync no folders.
#[cfg_attr(feature = "cut", track_caller)]
pub(crate) fn sync_dir(path: &Path) -> Result<(), StoreError> {
    if !cfg!(unix) {
        return Ok(());
    }
    cut::point("sync");
    match File::open(path).and_then(|f| f.sync_all()) {
        Err(e)
            if matches!(
                e.kind(),
                io::ErrorKind::PermissionDenied | io::ErrorKind::InvalidInput | io::ErrorKind::Unsupported
            ) =>
        {
            Ok(())
        }
        other => other.map_err(at(path)),
    }
}

/// The folders that hold the name of `file` and those on the way to it, from its parent up to the one that holds `root`.
pub(crate) fn parents<'a>(root: &'a Path, file: &'a Path) -> impl Iterator<Item = PathBuf> + 'a {
    let folders = file.ancestors().skip(1).take_while(move |folder| folder.starts_with(root));
    folders.chain(root.parent()).filter(|folder| !folder.as_os_str().is_empty()).map(Path::to_path_buf)
}

/// Removes the folders from `folder` up to and without `root`, as far as they are empty.
pub(crate) fn remove_empty_folders(root: &Path, folder: &Path) {
    for folder in folder.ancestors().take_while(|folder| *folder != root && folder.starts_with(root)) {
        // A folder that still holds something refuses to go; that ends the climb.
        let gone = crate::enter::reach(root, folder).is_ok_and(|place| place.is_none_or(|p| p.remove_empty_folder()));
        if !gone {
            break;
        }
    }
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

    #[test]
    fn names_stay_short_enough_for_a_disk_and_whole_characters() {
        let tmp = tempfile::tempdir().unwrap();
        let long = tmp.path().join("日".repeat(85));
        for name in [part_name(&long, 1), part_name(&long, 12), other_name(&long.with_extension("flac"), 7, false)] {
            let text = name.file_name().unwrap().to_str().unwrap().to_string();
            assert!(text.len() <= 255 && text.starts_with("日日"), "{text}");
            fs::write(&name, b"").unwrap();
        }
        assert!(other_name(&long.with_extension("flac"), 7, false).to_str().unwrap().ends_with(" (7).flac"));
    }
}
