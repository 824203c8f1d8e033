//! Files and folders in the desktop's other programs. No shell is started, and nothing that was downloaded is run.

use node::api::{Code, ErrorInfo, Playable};
use std::path::Path;
use tauri::AppHandle;

/// Endings of files that a desktop runs, or that say what to run, when they are opened. Sorted.
const RUN: &[&str] = &[
    "action",
    "apk",
    "app",
    "appimage",
    "appref-ms",
    "bat",
    "bin",
    "chm",
    "cmd",
    "com",
    "command",
    "cpl",
    "csh",
    "deb",
    "desktop",
    "dll",
    "dmg",
    "exe",
    "fish",
    "gadget",
    "hta",
    "inf",
    "iso",
    "jar",
    "jnlp",
    "js",
    "jse",
    "ksh",
    "lnk",
    "mht",
    "msc",
    "msi",
    "msix",
    "msp",
    "mst",
    "osx",
    "pif",
    "pkg",
    "pl",
    "ps1",
    "psm1",
    "py",
    "pyw",
    "rb",
    "reg",
    "rpm",
    "run",
    "scf",
    "scpt",
    "scr",
    "sct",
    "service",
    "sh",
    "shb",
    "shs",
    "terminal",
    "tool",
    "url",
    "vb",
    "vbe",
    "vbs",
    "webloc",
    "wsc",
    "wsf",
    "wsh",
    "workflow",
    "xll",
    "zsh",
];

/// Whether opening it could run it.
fn is_run(path: &Path) -> bool {
    let ending = path.extension().map(|e| e.to_string_lossy().to_ascii_lowercase());
    ending.is_some_and(|ending| RUN.contains(&ending.as_str())) || has_run_bit(path)
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

/// Opens a file, or shows it in its folder where opening could run it. Blocking.
///
/// # Errors
/// The desktop has no program for it.
pub(crate) fn file(path: &Path) -> Result<(), ErrorInfo> {
    if is_run(path) {
        return tauri_plugin_opener::reveal_item_in_dir(path).map_err(|e| trouble(path, &e));
    }
    tauri_plugin_opener::open_path(path, None::<&str>).map_err(|e| trouble(path, &e))
}

/// Shows a folder. Blocking.
///
/// # Errors
/// It is gone, or the desktop has no file manager.
pub(crate) fn folder(path: &Path) -> Result<(), ErrorInfo> {
    let about = path.metadata().map_err(|e| trouble(path, &e))?;
    if !about.is_dir() {
        return tauri_plugin_opener::reveal_item_in_dir(path).map_err(|e| trouble(path, &e));
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
    fn what_would_run_is_not_opened() {
        for path in ["a.desktop", "b.EXE", "c/d.sh", "e.AppImage", "f.url"] {
            assert!(is_run(Path::new(path)), "{path}");
        }
        for path in ["film.webm", "exe", "a.sh.txt", ".sh/readme"] {
            assert!(!is_run(Path::new(path)), "{path}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_file_that_may_run_is_not_opened() {
        use std::os::unix::fs::PermissionsExt as _;
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("readme");
        std::fs::write(&file, "#!/bin/sh\n").unwrap();
        assert!(!is_run(&file));
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o755)).unwrap();
        assert!(is_run(&file));
        assert!(!is_run(dir.path()), "a folder is entered, not run");
    }
}
