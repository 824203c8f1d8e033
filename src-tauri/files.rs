//! A dropped picture, read within bounds, and a file that the person named, written.

use node::api::{Code, ErrorInfo};
use std::io::Read;
use std::path::Path;

/// Bytes of a picture.
const PICTURE_MAX: u64 = 8 << 20;

/// A picture's bytes. Blocking.
///
/// # Errors
/// It is too large, no picture, or cannot be read.
pub(crate) fn picture(path: &Path) -> Result<Vec<u8>, ErrorInfo> {
    let mut bytes = Vec::new();
    let opened = std::fs::File::open(path).map_err(|e| ErrorInfo::at_path(path, &e))?;
    opened.take(PICTURE_MAX + 1).read_to_end(&mut bytes).map_err(|e| ErrorInfo::at_path(path, &e))?;
    let starts: [&[u8]; 5] = [b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"GIF8", b"RIFF", b"BM"];
    if bytes.len() as u64 > PICTURE_MAX || !starts.iter().any(|start| bytes.starts_with(start)) {
        let text = "This is no picture of at most 8 MB (PNG, JPEG, GIF, WebP or BMP).";
        return Err(ErrorInfo::new(Code::BadArgument, text));
    }
    Ok(bytes)
}

/// Writes a file that the person named. Blocking.
///
/// # Errors
/// It cannot be written.
pub(crate) fn save(path: &Path, bytes: &[u8]) -> Result<(), ErrorInfo> {
    std::fs::write(path, bytes).map_err(|e| ErrorInfo::new(Code::Io, format!("{}: {e}", path.display())))
}

/// A name to begin a dialog with: one part of a path, and a short one.
pub(crate) fn file_name(text: &str) -> String {
    let kept = text.chars().filter(|c| !c.is_control() && !"/\\:*?\"<>|".contains(*c)).take(100);
    let name: String = kept.collect();
    match name.trim().trim_start_matches('.') {
        "" => "megatorrent".to_owned(),
        name => name.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_pictures_are_read() {
        let dir = tempfile::tempdir().unwrap();
        let (picture_file, secret) = (dir.path().join("a.png"), dir.path().join("b.png"));
        std::fs::write(&picture_file, b"\x89PNG\r\n\x1a\nrest").unwrap();
        std::fs::write(&secret, b"identity").unwrap();
        assert_eq!(picture(&picture_file).unwrap().len(), 12);
        assert!(picture(&secret).is_err());
        assert_eq!(picture(&dir.path().join("none")).unwrap_err().code, Code::NotFound);
    }

    #[test]
    fn a_name_for_a_dialog_is_one_part() {
        assert_eq!(file_name("../../etc/passwd"), "etcpasswd");
        assert_eq!(file_name("link.png"), "link.png");
        assert_eq!(file_name("..."), "megatorrent");
        assert_eq!(file_name(&"x".repeat(5000)).len(), 100);
    }
}
