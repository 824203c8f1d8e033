//! How much a folder holds that somebody may publish. Bounded in files, depth and time.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::api::{ErrorInfo, Inside, InsideEntry};

/// Children that are named.
const ENTRIES_MAX: usize = 50;
/// Files and folders that are counted.
const COUNT_MAX: u64 = 100_000;
/// Time to count.
const TIME_MAX: Duration = Duration::from_secs(3);
/// Folders within folders that are entered.
const DEPTH_MAX: u32 = 64;

struct Counter {
    looked_at: u64,
    until: Instant,
    more: bool,
}

impl Counter {
    /// Files and bytes below a folder. Links are not followed: they are not published either.
    fn below(&mut self, folder: &Path, depth: u32) -> (u64, u64) {
        let (mut files, mut bytes) = (0, 0);
        let Ok(children) = std::fs::read_dir(folder) else { return (0, 0) };
        for child in children.filter_map(Result::ok) {
            self.looked_at += 1;
            if self.looked_at > COUNT_MAX || depth > DEPTH_MAX || Instant::now() > self.until {
                self.more = true;
                break;
            }
            let Ok(kind) = child.file_type() else { continue };
            if kind.is_dir() {
                let inner = self.below(&child.path(), depth + 1);
                (files, bytes) = (files + inner.0, bytes + inner.1);
            } else if kind.is_file() {
                (files, bytes) = (files + 1, bytes + child.metadata().map_or(0, |m| m.len()));
            }
        }
        (files, bytes)
    }
}

/// What a folder, or a file, holds. Blocking.
///
/// # Errors
/// It cannot be read.
pub(super) fn inside(path: &Path) -> Result<Inside, ErrorInfo> {
    let about = std::fs::metadata(path).map_err(|e| ErrorInfo::at_path(path, &e))?;
    if about.is_file() {
        return Ok(Inside { files: 1, bytes: about.len(), ..Inside::default() });
    }
    let mut children: Vec<(bool, String, PathBuf)> = std::fs::read_dir(path)
        .map_err(|e| ErrorInfo::at_path(path, &e))?
        .filter_map(Result::ok)
        .filter_map(|child| {
            let kind = child.file_type().ok().filter(|kind| kind.is_dir() || kind.is_file())?;
            Some((!kind.is_dir(), child.file_name().to_string_lossy().into_owned(), child.path()))
        })
        .take(usize::try_from(COUNT_MAX).unwrap_or(usize::MAX))
        .collect();
    children.sort();
    let mut counter = Counter { looked_at: 0, until: Instant::now() + TIME_MAX, more: false };
    let mut inside = Inside::default();
    for (is_file, name, path) in children {
        let (files, bytes) =
            if is_file { (1, std::fs::metadata(&path).map_or(0, |m| m.len())) } else { counter.below(&path, 1) };
        (inside.files, inside.bytes) = (inside.files + files, inside.bytes + bytes);
        if inside.entries.len() < ENTRIES_MAX {
            inside.entries.push(InsideEntry { name, folder: !is_file, files, bytes });
        }
    }
    inside.more = counter.more;
    Ok(inside)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_counted_folders_first() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(dir.path().join("b/c")).unwrap();
        std::fs::write(dir.path().join("a.txt"), "12345").unwrap();
        std::fs::write(dir.path().join("b/c/d.txt"), "123").unwrap();
        std::fs::write(dir.path().join("b/e.txt"), "1").unwrap();
        #[cfg(unix)]
        std::os::unix::fs::symlink("/", dir.path().join("b/root")).unwrap();
        let inside = inside(dir.path()).unwrap();
        assert_eq!((inside.files, inside.bytes, inside.more), (3, 9, false));
        let named: Vec<(&str, bool, u64)> =
            inside.entries.iter().map(|e| (e.name.as_str(), e.folder, e.bytes)).collect();
        assert_eq!(named, [("b", true, 4), ("a.txt", false, 5)]);
    }
}
