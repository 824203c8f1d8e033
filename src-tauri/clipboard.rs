//! The clipboard. On Linux the program that copied must stay to hand the text out, so one clipboard is kept open.

use node::api::{Code, ErrorInfo};
use std::sync::{Mutex, PoisonError};

static OPEN: Mutex<Option<arboard::Clipboard>> = Mutex::new(None);

/// Puts text there. Blocking.
///
/// # Errors
/// There is no clipboard.
pub(crate) fn copy(text: String) -> Result<(), ErrorInfo> {
    let mut open = OPEN.lock().unwrap_or_else(PoisonError::into_inner);
    let mut clipboard = match open.take() {
        Some(clipboard) => clipboard,
        None => arboard::Clipboard::new().map_err(|e| trouble(&e))?,
    };
    set(&mut clipboard, text).map_err(|e| trouble(&e))?;
    *open = Some(clipboard);
    Ok(())
}

#[cfg(target_os = "linux")]
fn set(clipboard: &mut arboard::Clipboard, text: String) -> Result<(), arboard::Error> {
    use arboard::SetExtLinux as _;
    clipboard.set().exclude_from_history().text(text)
}

#[cfg(windows)]
fn set(clipboard: &mut arboard::Clipboard, text: String) -> Result<(), arboard::Error> {
    use arboard::SetExtWindows as _;
    clipboard.set().exclude_from_history().exclude_from_cloud().text(text)
}

#[cfg(target_os = "macos")]
fn set(clipboard: &mut arboard::Clipboard, text: String) -> Result<(), arboard::Error> {
    use arboard::SetExtApple as _;
    clipboard.set().exclude_from_history().text(text)
}

fn trouble(error: &arboard::Error) -> ErrorInfo {
    ErrorInfo::new(Code::Io, format!("Nothing was copied: {error}"))
}
