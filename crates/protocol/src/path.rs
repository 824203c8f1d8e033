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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn ordinary_names_pass() {
        for good in [
            "a",
            "a/b/c.flac",
            "hello é.txt",
            "日本語/ファイル.txt",
            ".hidden",
            "..a",
            "a..b",
            "con1",
            "CONSOLE.txt",
            "COM",
            "COM10",
            "com.txt",
            "a (1) [x] {y} 'z' & ~ # % + = ;.txt",
            "👩‍👩‍👧.png",
            "null",
            "LPT0",
        ] {
            assert_eq!(SafePath::parse(good).map(|path| path.as_str().to_owned()), Ok(good.to_owned()));
        }
        assert_eq!(SafePath::parse("a/b").unwrap().parts().collect::<Vec<_>>(), ["a", "b"]);
    }

    #[test]
    fn what_leads_elsewhere_is_refused_by_name() {
        for (bad, why) in [
            ("", PathError::Empty),
            ("/etc/passwd", PathError::Absolute),
            ("\\\\server\\share", PathError::Absolute),
            ("//a", PathError::Absolute),
            ("C:/a", PathError::Drive),
            ("c:a", PathError::Drive),
            ("a//b", PathError::EmptyPart),
            ("a/", PathError::EmptyPart),
            ("..", PathError::Dots("..")),
            ("a/../b", PathError::Dots("..")),
            ("./a", PathError::Dots(".")),
            ("a\\b", PathError::Character('\\')),
            ("a/b:stream", PathError::Character(':')),
            ("what?", PathError::Character('?')),
            ("<", PathError::Character('<')),
            ("a|b", PathError::Character('|')),
            ("a*", PathError::Character('*')),
            ("a\"", PathError::Character('"')),
            ("a\0b", PathError::Control('\0')),
            ("a\u{7f}", PathError::Control('\u{7f}')),
            ("a\u{85}", PathError::Control('\u{85}')),
            ("a\nb", PathError::Control('\n')),
            ("a\u{2028}", PathError::Control('\u{2028}')),
            ("a\u{e0041}", PathError::Control('\u{e0041}')),
            ("gpj.\u{202e}exe", PathError::Direction('\u{202e}')),
            ("\u{2066}a", PathError::Direction('\u{2066}')),
            ("a\u{200f}", PathError::Direction('\u{200f}')),
            ("a.", PathError::Trailing),
            ("a /b", PathError::Trailing),
            ("...", PathError::Trailing),
            ("CON", PathError::Device("CON")),
            ("a/nul.txt", PathError::Device("NUL")),
            ("Com1.tar.gz", PathError::Device("COM1")),
            ("lpt³.log", PathError::Device("LPT³")),
            ("aux .c", PathError::Device("AUX")),
            ("conin$", PathError::Device("CONIN$")),
        ] {
            assert_eq!(SafePath::parse(bad), Err(why), "{bad:?}");
        }
        assert_eq!(SafePath::parse("a?").unwrap_err().to_string(), "Windows cannot store a name with \"?\"");
    }

    #[test]
    fn lengths() {
        assert!(SafePath::parse(&"a".repeat(255)).is_ok());
        assert_eq!(SafePath::parse(&"a".repeat(256)), Err(PathError::PartLong(256)));
        assert_eq!(SafePath::parse(&"é".repeat(128)), Err(PathError::PartLong(256)));
        let long = vec!["a".repeat(204); 5].join("/");
        assert_eq!(long.len(), 1024);
        assert!(SafePath::parse(&long).is_ok());
        assert_eq!(SafePath::parse(&format!("{long}a")), Err(PathError::Long(1025)));
        assert!(SafePath::parse(&vec!["a"; 32].join("/")).is_ok());
        assert_eq!(SafePath::parse(&vec!["a"; 33].join("/")), Err(PathError::Deep(33)));
    }

    #[test]
    fn paths_that_some_system_mixes_up_share_a_key() {
        let key = |text: &str| SafePath::parse(text).unwrap().collision_key();
        for (a, b) in [
            ("A.TXT", "a.txt"),
            ("é", "e\u{301}"),
            ("É/x", "e\u{301}/X"),
            ("straße", "STRASSE"),
            ("ab", "a\u{200b}b"),
            ("Σ", "ς"),
            ("K", "\u{212a}"),
        ] {
            assert_eq!(key(a), key(b), "{a} {b}");
        }
        assert_ne!(key("a"), key("b"));
        assert_ne!(key("a/b"), key("ab"));
    }

    proptest! {
        #[test]
        fn whatever_passes_is_harmless(text in any::<String>()) {
            if let Ok(path) = SafePath::parse(&text) {
                let joined = std::path::Path::new("root").join(path.as_str());
                let normal = |part: std::path::Component<'_>| matches!(part, std::path::Component::Normal(_));
                prop_assert!(joined.components().all(normal));
                prop_assert_eq!(joined.components().count(), 1 + path.parts().count());
                prop_assert!(!path.as_str().chars().any(char::is_control));
            }
        }

        #[test]
        fn a_key_is_its_own_key(text in "[a-zA-ZäÄßéİıσςΣǅ\u{301}\u{308}]{1,12}") {
            let key = SafePath::parse(&text).unwrap().collision_key();
            if let Ok(path) = SafePath::parse(&key) {
                prop_assert_eq!(path.collision_key(), key);
            }
        }
    }
}
