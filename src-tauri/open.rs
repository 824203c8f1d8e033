//! Files and folders in the desktop's other programs. No shell is started, and nothing that was downloaded is run.

use node::api::{Code, ErrorInfo, Playable, RouteKind};
use std::collections::BTreeSet;
use std::path::Path;
use tauri::AppHandle;

/// Endings of files that a desktop only shows or plays: pictures without scripts, sound, film, PDF, plain text. Whatever
/// else there is, is shown in its folder: a desktop runs some files when they are opened, others say what to run, fetch or
/// follow, and which those are differs from desktop to desktop and grows. Sorted.
const SHOWN: &[&str] = &[
    "aac", "aif", "aiff", "avi", "avif", "bmp", "csv", "flac", "gif", "heic", "jpeg", "jpg", "log", "m4a", "m4v", "md",
    "mka", "mkv", "mov", "mp3", "mp4", "mpeg", "mpg", "nfo", "oga", "ogg", "ogv", "opus", "pdf", "png", "srt", "tif",
    "tiff", "ts", "txt", "vtt", "wav", "webm", "webp",
];

/// The kind of a file that a desktop only shows or plays, by its ending in lower case; none for any other, and for one
/// that may be run.
pub(crate) fn kind(path: &Path) -> Option<&'static str> {
    kind_of_name(path).filter(|_| !has_run_bit(path))
}

/// The same by the name alone, for what is played and may not be on the disk.
pub(crate) fn kind_of_name(path: &Path) -> Option<&'static str> {
    let ending = path.extension()?.to_str()?.to_ascii_lowercase();
    SHOWN.iter().find(|shown| **shown == ending).copied()
}

/// Whether it is one of those kinds.
pub(crate) fn is_kind(text: &str) -> bool {
    SHOWN.contains(&text)
}

/// Whether the person is asked before another program gets a file: that program does not use the route. `route` is none
/// where the node does not tell it, which is not taken for the direct one. `agreed` are the kinds that the person wants
/// no question for; a file of no kind is asked about each time.
pub(crate) fn asks(route: Option<RouteKind>, kind: Option<&str>, agreed: &BTreeSet<String>) -> bool {
    let hides = match route {
        Some(RouteKind::Direct | RouteKind::Both) => false,
        Some(RouteKind::Tor | RouteKind::Proxy) | None => true,
    };
    hides && !kind.is_some_and(|kind| is_kind(kind) && agreed.contains(kind))
}

#[cfg(unix)]
fn has_run_bit(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    path.metadata().is_ok_and(|about| about.is_file() && about.permissions().mode() & 0o111 != 0)
}

#[cfg(not(unix))]
fn has_run_bit(_path: &Path) -> bool {
    false
}

/// Opens a file with the program that the desktop has for it. Blocking. Only for what has a [`kind`].
///
/// # Errors
/// The desktop has no program for it.
pub(crate) fn file(path: &Path) -> Result<(), ErrorInfo> {
    tauri_plugin_opener::open_path(path, None::<&str>).map_err(|e| trouble(path, &e))
}

/// Shows a file in its folder. Blocking.
///
/// # Errors
/// The desktop has no file manager.
pub(crate) fn in_folder(path: &Path) -> Result<(), ErrorInfo> {
    tauri_plugin_opener::reveal_item_in_dir(path).map_err(|e| trouble(path, &e))
}

/// Shows a folder. Blocking.
///
/// # Errors
/// It is gone, or the desktop has no file manager.
pub(crate) fn folder(path: &Path) -> Result<(), ErrorInfo> {
    let about = path.metadata().map_err(|e| trouble(path, &e))?;
    if !about.is_dir() {
        return in_folder(path);
    }
    tauri_plugin_opener::open_path(path, None::<&str>).map_err(|e| trouble(path, &e))
}

/// Gives the address to the program that the desktop has for such media. On the thread of the windows.
///
/// # Errors
/// There is none, or it takes files only.
#[cfg(target_os = "linux")]
pub(crate) fn in_player(_app: &AppHandle, media: &Playable) -> Result<(), ErrorInfo> {
    use gtk::gio;
    use gtk::gio::prelude::AppInfoExt as _;
    let Some(player) = gio::AppInfo::default_for_type(&media.mime, true) else {
        let text = format!("This desktop has no player that takes addresses for {}.", media.mime);
        return Err(ErrorInfo::new(Code::NotFound, text));
    };
    player
        .launch_uris(&[media.url.as_str()], None::<&gio::AppLaunchContext>)
        .map_err(|e| ErrorInfo::new(Code::Io, format!("{} does not start: {e}", player.name())))
}

/// Elsewhere a list of one address is opened, which players take.
///
/// # Errors
/// There is no player.
#[cfg(not(target_os = "linux"))]
pub(crate) fn in_player(app: &AppHandle, media: &Playable) -> Result<(), ErrorInfo> {
    use tauri::Manager as _;
    let list = app.state::<crate::desk::Desk>().data_dir.join("play.m3u");
    std::fs::write(&list, format!("#EXTM3U\n{}\n", media.url)).map_err(|e| trouble(&list, &e))?;
    tauri_plugin_opener::open_path(&list, None::<&str>).map_err(|e| trouble(&list, &e))
}

fn trouble(path: &Path, error: &dyn std::fmt::Display) -> ErrorInfo {
    ErrorInfo::new(Code::Io, format!("{}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_shown_or_played_is_opened() {
        assert!(SHOWN.is_sorted());
        for (path, shown) in [("film.webm", "webm"), ("a/B.PDF", "pdf"), ("c.tar.txt", "txt"), ("d.JPEG", "jpeg")] {
            assert_eq!(kind(Path::new(path)), Some(shown), "{path}");
        }
        // Run, or say what to run.
        let run = ["desktop", "EXE", "sh", "AppImage", "url", "bash", "lua", "pyz", "pyc", "flatpakref", "snap", "msi"];
        // Lists of addresses, pages, and others that fetch something when they are opened.
        let fetch =
            ["m3u", "M3U8", "pls", "xspf", "asx", "wpl", "html", "htm", "xhtml", "svg", "torrent", "docx", "odt"];
        let other = ["iso", "img", "vhdx", "library-ms", "search-ms", "mobileconfig", "applescript", "zip", "new-kind"];
        for ending in run.iter().chain(&fetch).chain(&other) {
            assert_eq!(kind(Path::new(&format!("a.{ending}"))), None, "{ending}");
        }
        for path in ["readme", ".txt", "a.txt/", "pdf"] {
            assert_eq!(kind(Path::new(path)).filter(|_| !path.ends_with('/')), None, "{path}");
        }
    }

    #[test]
    fn a_person_is_asked_wherever_the_route_hides_or_is_not_known() {
        use RouteKind::{Both, Direct, Proxy, Tor};
        let (nothing, pdf) = (BTreeSet::new(), BTreeSet::from(["pdf".to_owned()]));
        // What stands in a file that somebody wrote by hand is no kind by that.
        let odd = BTreeSet::from(["", "m3u", "sh", "PDF"].map(str::to_owned));
        for route in [Some(Tor), Some(Proxy), None] {
            for (kind, agreed) in [
                (Some("pdf"), &nothing),
                (Some("flac"), &pdf),
                (None, &nothing),
                (None, &pdf),
                (None, &odd),
                (Some(""), &odd),
                (Some("m3u"), &odd),
                (Some("sh"), &odd),
                (Some("pdf"), &odd),
            ] {
                assert!(asks(route, kind, agreed), "{route:?} {kind:?} {agreed:?}");
            }
            assert!(!asks(route, Some("pdf"), &pdf), "{route:?}: an answer holds for its kind");
        }
        // Others see this computer's address as it is.
        for route in [Direct, Both] {
            for kind in [Some("pdf"), None] {
                assert!(!asks(Some(route), kind, &nothing), "{route:?} {kind:?}");
            }
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_file_that_may_run_is_not_opened() {
        use std::os::unix::fs::PermissionsExt as _;
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("readme.txt");
        std::fs::write(&file, "#!/bin/sh\n").unwrap();
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).unwrap();
        assert_eq!(kind(&file), Some("txt"));
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o755)).unwrap();
        assert_eq!(kind(&file), None);
        assert_eq!(kind_of_name(&file), Some("txt"), "the player gets bytes, whatever lies there");
    }
}
