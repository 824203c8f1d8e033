//! How much a folder holds that somebody may publish, and what of it will be left out: told by the very walk that
//! publishing makes, bounded in names, depth and time.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::api::{ErrorInfo, Inside, InsideEntry};
use crate::ctx::Ctx;
use crate::error::blocking;
use crate::folders;
use crate::publish::{Own, preview};

/// Children that are named.
const ENTRIES_MAX: usize = 50;
/// Files that will be left out and are named.
const LEFT_OUT_MAX: usize = 20;

/// What a folder, or a file, holds.
///
/// # Errors
/// It cannot be read.
pub(super) async fn inside(ctx: &Ctx, path: PathBuf) -> Result<Inside, ErrorInfo> {
    let own = Own { data: ctx.config.data_dir.clone(), downloads: folders::downloads(ctx).await? };
    blocking(move || look(&path, &own)).await
}

/// Blocking.
fn look(path: &Path, own: &Own) -> Result<Inside, ErrorInfo> {
    let (scan, more) = preview(path, own)?;
    let lost = scan.left_out.len() as u64;
    let mut inside = Inside { files: scan.files.len() as u64, bytes: scan.bytes, more, lost, ..Inside::default() };
    inside.left_out = scan.left_out;
    inside.left_out.truncate(LEFT_OUT_MAX);
    if !scan.folder {
        return Ok(inside);
    }
    // Folders come first.
    let mut entries: BTreeMap<(bool, &str), (u64, u64)> = BTreeMap::new();
    for file in &scan.files {
        let path = file.path.as_str();
        let (name, is_file) = path.split_once('/').map_or((path, true), |(folder, _)| (folder, false));
        let (files, bytes) = entries.entry((is_file, name)).or_default();
        (*files, *bytes) = (*files + 1, bytes.saturating_add(file.size));
    }
    inside.entries = entries
        .into_iter()
        .take(ENTRIES_MAX)
        .map(|((is_file, name), (files, bytes))| InsideEntry { name: name.to_owned(), folder: !is_file, files, bytes })
        .collect();
    Ok(inside)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::LeftOutReason;

    fn inside(path: &Path) -> Result<Inside, ErrorInfo> {
        look(path, &Own::default())
    }

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

    /// What the preview says is what the publication does: the same walk, with nothing refused.
    #[cfg(unix)]
    #[test]
    fn empty_folders_keys_and_what_is_no_file_are_told_as_they_will_be_left_out() {
        let tmp = tempfile::tempdir().unwrap();
        let at = |path: &str| tmp.path().join(path);
        for folder in ["all/empty/within", "all/data", "all/own/keep"] {
            std::fs::create_dir_all(at(folder)).unwrap();
        }
        for file in ["all/data/store.db", "all/data/lock", "all/own/keys", "all/own/keep/song", "all/Twin", "all/twin"]
        {
            std::fs::write(at(file), "x").unwrap();
        }
        let secret = format!("{{\"secretKey\":\"{}\"}}", "11".repeat(32));
        std::fs::write(at("all/identity.json"), secret).unwrap();
        let _socket = std::os::unix::net::UnixListener::bind(at("all/socket")).unwrap();
        let own = Own { data: at("all/own"), downloads: at("all/own/keep") };
        let found = look(&at("all"), &own).unwrap();
        let told: Vec<(&str, &LeftOutReason)> =
            found.left_out.iter().map(|one| (one.path.as_str(), &one.code)).collect();
        let wanted = [
            ("data/", &LeftOutReason::Secret),
            ("empty/within/", &LeftOutReason::EmptyFolder),
            ("identity.json", &LeftOutReason::Secret),
            ("own/", &LeftOutReason::Secret),
            ("socket", &LeftOutReason::NoFile),
            ("twin", &LeftOutReason::Same),
        ];
        assert_eq!(told, wanted);
        assert_eq!((found.files, found.lost), (1, 6));
        let published = crate::publish::scan(&[at("all")], &own).unwrap();
        assert_eq!(published.left_out, found.left_out);
        // Named by itself, a data folder gives nothing; the downloads in it may be given.
        assert_eq!(look(&at("all/own"), &own).unwrap().left_out[0].code, LeftOutReason::Secret);
        assert_eq!(look(&at("all/own/keep"), &own).unwrap().files, 1);
    }
}
