//! How much a folder holds that somebody may publish. Bounded in files, depth and time.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use protocol::SafePath;

use crate::api::{ErrorInfo, Inside, InsideEntry, LeftOut, LeftOutReason, paths};

/// Children that are named.
const ENTRIES_MAX: usize = 50;
/// Files and folders that are counted.
const COUNT_MAX: u64 = 100_000;
/// Time to count.
const TIME_MAX: Duration = Duration::from_secs(3);
/// Folders within folders that are entered.
const DEPTH_MAX: u32 = 64;

/// Files that will be left out and are named.
const LEFT_OUT_MAX: usize = 20;

struct Counter {
    looked_at: u64,
    until: Instant,
    more: bool,
    left_out: Vec<LeftOut>,
    /// All of them.
    lost: u64,
}

impl Counter {
    /// A file of this path inside the item, or a link, is left out when it is published.
    fn leave_out(&mut self, file: LeftOut) {
        self.lost += 1;
        if self.left_out.len() < LEFT_OUT_MAX {
            self.left_out.push(file);
        }
    }

    /// Notes a file that cannot be stored everywhere under its name; whether it can.
    fn check(&mut self, relative: &str) -> bool {
        let fault = SafePath::parse(relative).err();
        let fits = fault.is_none();
        if let Some(why) = fault {
            self.leave_out(LeftOut::new(relative, why));
        }
        fits
    }

    /// Files and bytes below a folder that is called so inside the item. Links are not followed: they are not published
    /// either.
    fn below(&mut self, folder: &Path, name: &str, depth: u32) -> (u64, u64) {
        let (mut files, mut bytes) = (0, 0);
        let Ok(children) = std::fs::read_dir(folder) else { return (0, 0) };
        for child in children.filter_map(Result::ok) {
            self.looked_at += 1;
            if self.looked_at > COUNT_MAX || depth > DEPTH_MAX || Instant::now() > self.until {
                self.more = true;
                break;
            }
            let Ok(kind) = child.file_type() else { continue };
            let relative = format!("{name}/{}", paths::shown(Path::new(&child.file_name())));
            if child.file_name().to_str().is_none() {
                self.leave_out(LeftOut::no_text(relative));
                continue;
            }
            if kind.is_dir() {
                let inner = self.below(&child.path(), &relative, depth + 1);
                (files, bytes) = (files + inner.0, bytes + inner.1);
            } else if kind.is_file() {
                if self.check(&relative) {
                    (files, bytes) = (files + 1, bytes + child.metadata().map_or(0, |m| m.len()));
                }
            } else if kind.is_symlink() {
                let link = LeftOut::new(relative, "a symbolic link");
                self.leave_out(LeftOut { code: LeftOutReason::Link, ..link });
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
    let until = Instant::now() + TIME_MAX;
    let mut counter = Counter { looked_at: 0, until, more: false, left_out: Vec::new(), lost: 0 };
    if about.is_file() {
        counter.check(&path.file_name().unwrap_or_default().to_string_lossy());
        let Counter { left_out, lost, .. } = counter;
        return Ok(Inside { files: 1, bytes: about.len(), left_out, lost, ..Inside::default() });
    }
    let mut children: Vec<(bool, String, PathBuf)> = std::fs::read_dir(path)
        .map_err(|e| ErrorInfo::at_path(path, &e))?
        .filter_map(Result::ok)
        .filter_map(|child| {
            let kind = child.file_type().ok().filter(|kind| kind.is_dir() || kind.is_file())?;
            let name = paths::shown(Path::new(&child.file_name()));
            if child.file_name().to_str().is_none() {
                counter.leave_out(LeftOut::no_text(name));
                return None;
            }
            Some((!kind.is_dir(), name, child.path()))
        })
        .take(usize::try_from(COUNT_MAX).unwrap_or(usize::MAX))
        .collect();
    children.sort();
    let mut inside = Inside::default();
    for (is_file, name, path) in children {
        let (files, bytes) = match is_file {
            true if counter.check(&name) => (1, std::fs::metadata(&path).map_or(0, |m| m.len())),
            true => (0, 0),
            false => counter.below(&path, &name, 1),
        };
        (inside.files, inside.bytes) = (inside.files + files, inside.bytes + bytes);
        if inside.entries.len() < ENTRIES_MAX {
            inside.entries.push(InsideEntry { name, folder: !is_file, files, bytes });
        }
    }
    (inside.more, inside.left_out, inside.lost) = (counter.more, counter.left_out, counter.lost);
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

    #[cfg(unix)]
    #[test]
    fn what_will_be_left_out_is_told_before_it_is() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("b")).unwrap();
        std::fs::write(dir.path().join("b/what?.txt"), "123").unwrap();
        std::fs::write(dir.path().join("aux"), "1").unwrap();
        std::fs::write(dir.path().join("kept.txt"), "12345").unwrap();
        std::os::unix::fs::symlink("kept.txt", dir.path().join("b/link")).unwrap();
        let found = inside(dir.path()).unwrap();
        assert_eq!((found.files, found.bytes, found.lost), (1, 5, 3));
        let mut told: Vec<(String, LeftOutReason)> =
            found.left_out.into_iter().map(|one| (one.path, one.code)).collect();
        told.sort_by(|a, b| a.0.cmp(&b.0));
        assert_eq!(
            told,
            [
                ("aux".to_owned(), LeftOutReason::Device { name: "AUX".into() }),
                ("b/link".to_owned(), LeftOutReason::Link),
                ("b/what?.txt".to_owned(), LeftOutReason::Character { character: "?".into() }),
            ]
        );
        assert_eq!(inside(&dir.path().join("b/what?.txt")).unwrap().lost, 1);
    }
}
