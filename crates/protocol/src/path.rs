//! E2 Paths — the one parser that turns hostile text into a relative path.
//!
//! What it lets through is a name on Linux, macOS and Windows alike, stays below the folder it is joined to, and shows
//! as what it is. Two paths that some system would take for the same file share a [`SafePath::collision_key`].

use caseless::Caseless;
use unicode_normalization::UnicodeNormalization;

/// Longest path, in bytes of UTF-8.
pub const PATH_MAX: usize = 1024;
/// Longest part of a path, in bytes of UTF-8.
pub const PART_MAX: usize = 255;
/// Parts of a path, the file's name included.
pub const PARTS_MAX: usize = 32;

/// A relative path that every system can store: checked parts, `/` between them.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SafePath(Box<str>);

/// Why text is no path here.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    /// No text at all.
    #[error("the name is empty")]
    Empty,
    /// It begins at the root.
    #[error("the path is absolute; only a path inside the item's folder is stored")]
    Absolute,
    /// It begins with a drive letter.
    #[error("the path names a drive; only a path inside the item's folder is stored")]
    Drive,
    /// Two slashes without a name between, or a slash at the end.
    #[error("the path has an empty part")]
    EmptyPart,
    /// `.` or `..`.
    #[error("the path has a part \"{0}\", which leads to another folder")]
    Dots(&'static str),
    /// A character that Windows refuses.
    #[error("Windows cannot store a name with \"{0}\"")]
    Character(char),
    /// A control character or a line break.
    #[error("the name holds the control character U+{:04X}", u32::from(*.0))]
    Control(char),
    /// A character that turns the direction of the text that follows.
    #[error("the name holds the invisible character U+{:04X}, which changes how it shows", u32::from(*.0))]
    Direction(char),
    /// The name of a device on Windows, with or without an extension.
    #[error("Windows keeps the name \"{0}\" for a device")]
    Device(&'static str),
    /// The last character of a part is a dot or a space.
    #[error("Windows cannot store a name that ends with a dot or a space")]
    Trailing,
    /// A part is longer than [`PART_MAX`].
    #[error("a name of {0} bytes; 255 can be stored")]
    PartLong(usize),
    /// The path is longer than [`PATH_MAX`].
    #[error("a path of {0} bytes; 1024 can be stored")]
    Long(usize),
    /// More than [`PARTS_MAX`] parts.
    #[error("a path of {0} parts; 32 can be stored")]
    Deep(usize),
    /// Some systems cannot tell it from an earlier path of the same item, or need its name for a folder.
    #[error("another file of this item has the same name on some systems")]
    Collision,
}

impl SafePath {
    /// Parses it.
    pub fn parse(text: &str) -> Result<Self, PathError> {
        if text.is_empty() {
            return Err(PathError::Empty);
        }
        if text.len() > PATH_MAX {
            return Err(PathError::Long(text.len()));
        }
        if text.starts_with(['/', '\\']) {
            return Err(PathError::Absolute);
        }
        if matches!(text.as_bytes(), [letter, b':', ..] if letter.is_ascii_alphabetic()) {
            return Err(PathError::Drive);
        }
        let parts = text.split('/').count();
        if parts > PARTS_MAX {
            return Err(PathError::Deep(parts));
        }
        text.split('/').try_for_each(check_part)?;
        Ok(Self(text.into()))
    }
    /// As text, `/` between parts.
    pub fn as_str(&self) -> &str {
        &self.0
    }
    /// Its parts.
    pub fn parts(&self) -> impl Iterator<Item = &str> {
        self.0.split('/')
    }
    /// What two paths must not share: NFC, case-folded, without characters that some file systems do not see.
    pub fn collision_key(&self) -> String {
        let seen = self.0.chars().filter(|c| !is_ignorable(*c));
        seen.nfd().default_case_fold().nfd().nfc().collect()
    }
}

impl std::fmt::Display for SafePath {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::str::FromStr for SafePath {
    type Err = PathError;
    fn from_str(text: &str) -> Result<Self, PathError> {
        Self::parse(text)
    }
}

fn check_part(part: &str) -> Result<(), PathError> {
    match part {
        "" => return Err(PathError::EmptyPart),
        "." => return Err(PathError::Dots(".")),
        ".." => return Err(PathError::Dots("..")),
        _ => {}
    }
    for c in part.chars() {
        match c {
            '\\' | ':' | '<' | '>' | '"' | '|' | '?' | '*' => return Err(PathError::Character(c)),
            '\u{2028}' | '\u{2029}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}' => {
                return Err(PathError::Control(c));
            }
            '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {
                return Err(PathError::Direction(c));
            }
            c if c.is_control() => return Err(PathError::Control(c)),
            _ => {}
        }
    }
    if part.ends_with(['.', ' ']) {
        return Err(PathError::Trailing);
    }
    if let Some(device) = device(part) {
        return Err(PathError::Device(device));
    }
    // 255 bytes of UTF-8 are never more than 255 UTF-16 units, the limit of NTFS.
    if part.len() > PART_MAX {
        return Err(PathError::PartLong(part.len()));
    }
    Ok(())
}

/// The device that Windows sees in this name: what stands before the first dot, without spaces at its end.
fn device(part: &str) -> Option<&'static str> {
    const DEVICES: [&str; 30] = [
        "CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$", "COM1", "COM2", "COM3", "COM4", "COM5", "COM6", "COM7",
        "COM8", "COM9", "COM¹", "COM²", "COM³", "LPT1", "LPT2", "LPT3", "LPT4", "LPT5", "LPT6", "LPT7", "LPT8", "LPT9",
        "LPT¹", "LPT²", "LPT³",
    ];
    let stem = part.split('.').next().unwrap_or(part).trim_end_matches(' ');
    DEVICES.into_iter().find(|device| device.eq_ignore_ascii_case(stem))
}

/// Characters that HFS+ leaves out when it compares names, and their like.
fn is_ignorable(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{34f}' | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{e0100}'..='\u{e01ef}')
}
