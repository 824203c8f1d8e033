//! Files that an item lacks because their names cannot be stored, and why, for people of every language.

use protocol::path::{PART_MAX, PATH_MAX, PathError};
use serde::{Deserialize, Serialize};

/// Why a file is left out: a closed list, to be said in every language.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(tag = "reason", rename_all = "snake_case")]
pub enum LeftOutReason {
    /// A name, or a part of the path, is empty.
    Empty,
    /// The path leads out of the item's folder.
    Outside,
    /// Windows cannot store a name with this character.
    Character {
        /// The character.
        character: String,
    },
    /// The name holds a character that does not show, or changes how it shows.
    Invisible {
        /// Its number, such as `U+202E`.
        code: String,
    },
    /// Windows keeps the name for a device.
    Device {
        /// The name.
        name: String,
    },
    /// Windows cannot store a name that ends with a dot or a space.
    Trailing,
    /// The name, or the path, is too long.
    Long {
        /// Bytes that it has.
        bytes: u64,
        /// Bytes that can be stored.
        most: u64,
    },
    /// Folders are nested too deep.
    Deep,
    /// Another file has the same name on some systems.
    Same,
    /// A symbolic link.
    Link,
    /// A pipe, a socket, a device.
    NoFile,
    /// An empty folder.
    EmptyFolder,
    /// The name is not UTF-8.
    NoText,
    /// It cannot be read.
    Unreadable,
    /// A key of this program or of a channel, or a folder with such keys in it.
    Secret,
    /// Something else: the text tells.
    #[default]
    Other,
}

/// A file left out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct LeftOut {
    /// Path: hostile text.
    pub path: String,
    /// Why, in English.
    pub why: String,
    /// The same as a code.
    #[serde(default)]
    pub code: LeftOutReason,
}

impl LeftOut {
    /// A file whose name is not UTF-8.
    pub(crate) fn no_text(path: impl Into<String>) -> Self {
        Self { path: path.into(), why: "its name is not valid text (UTF-8)".into(), code: LeftOutReason::NoText }
    }

    /// A file that is left out for what is wrong with its path, or for another reason, which only the text tells.
    pub(crate) fn new(path: impl Into<String>, why: impl ToString) -> Self {
        let (path, why) = (path.into(), why.to_string());
        let code = match protocol::SafePath::parse(&path) {
            Err(error) => LeftOutReason::from(&error),
            Ok(_) if why == PathError::Collision.to_string() => LeftOutReason::Same,
            Ok(_) => LeftOutReason::Other,
        };
        Self { path, why, code }
    }
}

impl From<&PathError> for LeftOutReason {
    fn from(error: &PathError) -> Self {
        let invisible = |c: char| Self::Invisible { code: format!("U+{:04X}", u32::from(c)) };
        let long = |bytes: usize, most: usize| Self::Long { bytes: bytes as u64, most: most as u64 };
        match error {
            PathError::Empty | PathError::EmptyPart => Self::Empty,
            PathError::Absolute | PathError::Drive | PathError::Dots(_) => Self::Outside,
            PathError::Character(c) => Self::Character { character: c.to_string() },
            PathError::Control(c) | PathError::Direction(c) => invisible(*c),
            PathError::Device(name) => Self::Device { name: (*name).to_owned() },
            PathError::Trailing => Self::Trailing,
            PathError::PartLong(bytes) => long(*bytes, PART_MAX),
            PathError::Long(bytes) => long(*bytes, PATH_MAX),
            PathError::Deep(_) => Self::Deep,
            PathError::Collision => Self::Same,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_has_a_code_with_what_it_names() {
        let code = |path: &str| LeftOut::new(path, "as the list was read").code;
        assert_eq!(code("a/what?.txt"), LeftOutReason::Character { character: "?".into() });
        assert_eq!(code("../x"), LeftOutReason::Outside);
        assert_eq!(code("C:/x"), LeftOutReason::Outside);
        assert_eq!(code("aux.txt"), LeftOutReason::Device { name: "AUX".into() });
        assert_eq!(code("a\u{202e}b"), LeftOutReason::Invisible { code: "U+202E".into() });
        assert_eq!(code("end."), LeftOutReason::Trailing);
        assert_eq!(code(&"x".repeat(300)), LeftOutReason::Long { bytes: 300, most: 255 });
        assert_eq!(LeftOut::new("twice.txt", PathError::Collision).code, LeftOutReason::Same);
        assert_eq!(code("fine.txt"), LeftOutReason::Other, "only the text tells");
    }
}
