//! What this desktop can do.

use crate::desk::Desk;
use crate::host::{Platform, Surroundings};
use crate::house::download_dir;

/// Looks around. Blocking.
pub(crate) fn look(desk: &Desk) -> Surroundings {
    let downloads = download_dir(&desk.data_dir);
    // It may not have been made yet: the folder above it is on the same disk.
    let there = downloads.ancestors().find(|folder| folder.exists());
    Surroundings {
        tray: has_tray(),
        autostart: true,
        programs: true,
        disk_free: there.and_then(|folder| fs4::available_space(folder).ok()),
        download_dir: downloads.display().to_string(),
        settings_lost: desk.settings.lost(),
        platform: platform(),
    }
}

fn platform() -> Platform {
    if cfg!(windows) {
        Platform::Windows
    } else if cfg!(target_os = "macos") {
        Platform::Macos
    } else {
        Platform::Linux
    }
}

/// Whether there is a tray to hide in. Without one a hidden window could not be found again.
#[cfg(target_os = "linux")]
pub(crate) fn has_tray() -> bool {
    const WATCHER: &str = "org.kde.StatusNotifierWatcher";
    let asked = zbus::blocking::Connection::session().and_then(|bus| {
        let name = zbus::names::BusName::try_from(WATCHER)?;
        Ok(zbus::blocking::fdo::DBusProxy::new(&bus)?.name_has_owner(name)?)
    });
    asked.unwrap_or_else(|error| {
        tracing::debug!(%error, "no session bus, so no tray");
        false
    })
}

/// Windows and macOS always have one.
#[cfg(not(target_os = "linux"))]
pub(crate) fn has_tray() -> bool {
    true
}
