//! The mark that browsers put on what came from the net: programs that open such files may be more careful then.
//!
//! It says that a file came by this program, never from whom or by what address. Where a file system keeps no such marks
//! there are none.

use std::fs::File;
use std::path::Path;

/// What Linux desktops read (freedesktop.org, "Common extended attributes"); the address is left out.
#[cfg(any(target_os = "linux", target_os = "android"))]
const NAME: &str = "user.xdg.origin.url";
#[cfg(any(target_os = "linux", target_os = "android"))]
const VALUE: &[u8] = b"megatorrent:";
/// What Gatekeeper reads: flags ("a person downloaded it"), no time, the program, no identifier.
#[cfg(target_vendor = "apple")]
const NAME: &str = "com.apple.quarantine";
#[cfg(target_vendor = "apple")]
const VALUE: &[u8] = b"0081;00000000;Megatorrent;";
/// What Windows reads: zone 3 is the internet.
#[cfg(windows)]
const VALUE: &[u8] = b"[ZoneTransfer]\r\nZoneId=3\r\nHostUrl=megatorrent:\r\n";

/// Marks a download. That some file system cannot is no trouble of anybody's.
pub(crate) fn mark(file: &File, path: &Path) {
    if let Err(error) = set(file, path) {
        tracing::debug!(file = %path.display(), %error, "no mark of origin");
    }
}

/// Whether a file carries our mark: this program wrote it, and whoever moved it since meant to keep that.
pub(crate) fn is_marked(file: &File, path: &Path) -> bool {
    get(file, path).is_some_and(|value| value == VALUE)
}

#[cfg(any(target_os = "linux", target_os = "android", target_vendor = "apple"))]
fn set(file: &File, _: &Path) -> std::io::Result<()> {
    crate::cut::point("mark");
    Ok(rustix::fs::fsetxattr(file, NAME, VALUE, rustix::fs::XattrFlags::empty())?)
}

#[cfg(any(target_os = "linux", target_os = "android", target_vendor = "apple"))]
fn get(file: &File, _: &Path) -> Option<Vec<u8>> {
    let mut value = [0; 256];
    let read = rustix::fs::fgetxattr(file, NAME, &mut value[..]).ok()?;
    value.get(..read).map(<[u8]>::to_vec)
}

#[cfg(windows)]
fn stream(path: &Path) -> std::path::PathBuf {
    let mut name = path.as_os_str().to_os_string();
    name.push(":Zone.Identifier");
    name.into()
}

#[cfg(windows)]
fn set(_: &File, path: &Path) -> std::io::Result<()> {
    crate::cut::point("mark");
    std::fs::write(stream(path), VALUE)
}

#[cfg(windows)]
fn get(_: &File, path: &Path) -> Option<Vec<u8>> {
    use std::io::Read;
    let mut value = Vec::new();
    std::fs::File::open(stream(path)).ok()?.take(256).read_to_end(&mut value).ok()?;
    Some(value)
}

#[cfg(not(any(target_os = "linux", target_os = "android", target_vendor = "apple", windows)))]
const VALUE: &[u8] = b"";

#[cfg(not(any(target_os = "linux", target_os = "android", target_vendor = "apple", windows)))]
fn set(_: &File, _: &Path) -> std::io::Result<()> {
    Ok(())
}

#[cfg(not(any(target_os = "linux", target_os = "android", target_vendor = "apple", windows)))]
fn get(_: &File, _: &Path) -> Option<Vec<u8>> {
    None
}
