//! Paths as text. JSON, and the database's settings, hold Unicode; a path on Unix is any bytes but NUL, on Windows any
//! 16-bit units but NUL.
//!
//! What is Unicode stands as it is. Each byte (on Windows each 16-bit unit) that is not is written as NUL, which no path
//! holds, and its two (four) lower-case hexadecimal digits: the Latin-1 name of March is `m\0e4rz`. So every path has
//! one text, every text is the text of one path at most, and nothing that lies on a disk can fail to be told.

use std::path::{Path, PathBuf};

/// Text that stands for no path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("this text stands for no path: a NUL is in it")]
pub struct NoPath;

/// A path's one text.
pub fn to_text(path: &Path) -> String {
    written(path, |text, strange| {
        text.push('\0');
        text.push_str(&strange);
    })
}

/// The path of a text.
///
/// # Errors
/// A NUL that [`to_text`] does not write.
pub fn from_text(text: &str) -> Result<PathBuf, NoPath> {
    if !text.contains('\0') {
        return Ok(PathBuf::from(text));
    }
    let path = read(text).ok_or(NoPath)?;
    // Digits for what is Unicode after all would be a second text of one path.
    if to_text(&path) == text { Ok(path) } else { Err(NoPath) }
}

/// For people: what is no Unicode as `\xe4`. Still hostile text, for names are anybody's.
pub fn shown(path: &Path) -> String {
    written(path, |text, strange| {
        text.push_str("\\x");
        text.push_str(&strange);
    })
}

#[cfg(unix)]
fn written(path: &Path, mut strange: impl FnMut(&mut String, String)) -> String {
    let mut text = String::new();
    for chunk in std::os::unix::ffi::OsStrExt::as_bytes(path.as_os_str()).utf8_chunks() {
        text.push_str(chunk.valid());
        chunk.invalid().iter().for_each(|byte| strange(&mut text, format!("{byte:02x}")));
    }
    text
}

#[cfg(unix)]
fn read(text: &str) -> Option<PathBuf> {
    let mut parts = text.split('\0');
    let mut bytes = parts.next()?.as_bytes().to_vec();
    for part in parts {
        let (digits, plain) = part.split_at_checked(2)?;
        bytes.push(u8::from_str_radix(digits, 16).ok()?);
        bytes.extend_from_slice(plain.as_bytes());
    }
    Some(PathBuf::from(<std::ffi::OsString as std::os::unix::ffi::OsStringExt>::from_vec(bytes)))
}

#[cfg(windows)]
fn written(path: &Path, mut strange: impl FnMut(&mut String, String)) -> String {
    let mut text = String::new();
    for unit in char::decode_utf16(std::os::windows::ffi::OsStrExt::encode_wide(path.as_os_str())) {
        match unit {
            Ok(char) => text.push(char),
            Err(lone) => strange(&mut text, format!("{:04x}", lone.unpaired_surrogate())),
        }
    }
    text
}

#[cfg(windows)]
fn read(text: &str) -> Option<PathBuf> {
    let mut parts = text.split('\0');
    let mut units: Vec<u16> = parts.next()?.encode_utf16().collect();
    for part in parts {
        let (digits, plain) = part.split_at_checked(4)?;
        units.push(u16::from_str_radix(digits, 16).ok()?);
        units.extend(plain.encode_utf16());
    }
    Some(PathBuf::from(<std::ffi::OsString as std::os::windows::ffi::OsStringExt>::from_wide(&units)))
}

/// How serde writes and reads a path.
pub mod one {
    use super::{from_text, to_text};
    use serde::{Deserialize, Deserializer, Serializer, de::Error as _};
    use std::path::{Path, PathBuf};

    /// Writes its text.
    ///
    /// # Errors
    /// Those of the serializer.
    pub fn serialize<S: Serializer>(path: &Path, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&to_text(path))
    }

    /// Reads its text.
    ///
    /// # Errors
    /// No text, or that of no path.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<PathBuf, D::Error> {
        from_text(&String::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}

/// The same for a path that may be none.
pub mod maybe {
    use super::{from_text, to_text};
    use serde::{Deserialize, Deserializer, Serialize as _, Serializer, de::Error as _};
    use std::path::PathBuf;

    /// Writes its text, or null.
    ///
    /// # Errors
    /// Those of the serializer.
    #[allow(clippy::ref_option, reason = "serde hands a reference to the member")]
    pub fn serialize<S: Serializer>(path: &Option<PathBuf>, serializer: S) -> Result<S::Ok, S::Error> {
        path.as_deref().map(to_text).serialize(serializer)
    }

    /// Reads a text, or null.
    ///
    /// # Errors
    /// Something else, or the text of no path.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<PathBuf>, D::Error> {
        let text = Option::<String>::deserialize(deserializer)?;
        text.as_deref().map(from_text).transpose().map_err(D::Error::custom)
    }
}

/// The same for several.
pub mod many {
    use super::{from_text, to_text};
    use serde::{Deserialize, Deserializer, Serializer, de::Error as _};
    use std::path::PathBuf;

    /// Writes an array of texts.
    ///
    /// # Errors
    /// Those of the serializer.
    pub fn serialize<S: Serializer>(paths: &[PathBuf], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(paths.iter().map(|path| to_text(path)))
    }

    /// Reads one.
    ///
    /// # Errors
    /// Something else, or the text of no path in it.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<PathBuf>, D::Error> {
        let texts = Vec::<String>::deserialize(deserializer)?;
        texts.iter().map(|text| from_text(text)).collect::<Result<_, _>>().map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unicode_stands_as_it_is() {
        for text in ["", "/a/b c", "märz", "back\\xe4slash", "\u{FFFD}", "👩\u{200d}👧"] {
            assert_eq!(to_text(Path::new(text)), text);
            assert_eq!(from_text(text), Ok(PathBuf::from(text)));
            assert_eq!(shown(Path::new(text)), text);
        }
    }

    #[cfg(unix)]
    #[test]
    fn any_bytes_come_back_and_have_one_text() {
        use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
        let path = |bytes: &[u8]| PathBuf::from(std::ffi::OsString::from_vec(bytes.to_vec()));
        assert_eq!(to_text(&path(b"/m\xe4rz/x")), "/m\0e4rz/x");
        assert_eq!(shown(&path(b"/m\xe4rz/x")), "/m\\xe4rz/x");
        let all: Vec<u8> = (1..=255).collect();
        for bytes in [&all[..], b"\xff", b"\xc3", b"\xc3\xa4\xc3", b"\xf0\x9f\x91", b"a\xe4", b"\xed\xa0\x80"] {
            let there = path(bytes);
            assert_eq!(from_text(&to_text(&there)).unwrap().as_os_str().as_bytes(), bytes);
        }
        for none in ["\0", "\0e", "m\0E4rz", "\0+4", "a\0zz", "\x0061", "\0c3\0a4", "\x0000", "m\0éx"] {
            assert_eq!(from_text(none), Err(NoPath), "{none:?}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn json_holds_every_path() {
        use crate::api::{Get, Publish, Reply, Request, Settings, Status};
        use std::os::unix::ffi::OsStrExt as _;
        let strange = PathBuf::from(std::ffi::OsStr::from_bytes(b"/tmp/m\xe4rz"));
        let again =
            |request: &Request| serde_json::from_str::<Request>(&serde_json::to_string(request).unwrap()).unwrap();
        let Request::Publish(read) =
            again(&Request::Publish(Publish { paths: vec![strange.clone(), "a".into()], ..Default::default() }))
        else {
            panic!("another verb")
        };
        assert_eq!(read.paths, [strange.clone(), "a".into()]);
        let Request::Get(read) = again(&Request::Get(Get { what: "x".into(), dir: Some(strange.clone()) })) else {
            panic!("another verb")
        };
        assert_eq!(read.dir, Some(strange.clone()));
        let read: Request = serde_json::from_str(r#"{"method":"get","params":{"what":"x"}}"#).unwrap();
        assert!(matches!(read, Request::Get(get) if get.dir.is_none()), "it may be absent");
        let settings = Settings { download_dir: Some(strange.clone()), ..Default::default() };
        let Request::SetSettings(read) = again(&Request::SetSettings(settings.clone())) else { panic!("another verb") };
        assert_eq!(read, settings);
        for reply in [
            Reply::Place(strange.clone()),
            Reply::Status(Status { data_dir: strange.clone(), ..Default::default() }),
            Reply::Settings(settings),
        ] {
            let text = serde_json::to_string(&reply).unwrap();
            assert!(text.contains(r"/tmp/m\u0000e4rz"), "{text}");
            assert!(serde_json::from_str::<Reply>(&text).is_ok());
        }
        assert!(serde_json::from_str::<Request>(r#"{"method":"inside","params":{"path":"\u0000zz"}}"#).is_err());
    }
}
