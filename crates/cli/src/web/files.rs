//! What a browser cannot do on the node's computer by itself: look for a folder there, and take a file from there.

use axum::body::Body;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use node::api::{Code, ErrorInfo, paths};
use serde::Serialize;
use std::path::{Path, PathBuf};
use tokio_util::io::ReaderStream;

/// Children of a folder that are named.
const CHILDREN_MAX: usize = 5000;
/// Characters of a name in an address.
const NAME_MAX: usize = 100;

/// One thing in a folder.
#[derive(Debug, Serialize)]
pub(super) struct Child {
    /// Its name: hostile text.
    name: String,
    /// Its whole path.
    #[serde(with = "paths::one")]
    path: PathBuf,
    /// It is a folder.
    folder: bool,
    /// Bytes, for a file.
    bytes: Option<u64>,
}

/// A folder of the node's computer.
#[derive(Debug, Serialize)]
pub(super) struct Folder {
    /// Its whole path.
    #[serde(with = "paths::one")]
    path: PathBuf,
    /// The one it lies in.
    #[serde(with = "paths::maybe")]
    parent: Option<PathBuf>,
    /// What it holds, folders first, without what is hidden.
    children: Vec<Child>,
    /// There is more than is named.
    more: bool,
}

/// What a folder holds; without a path, the home folder.
///
/// # Errors
/// It is none, or cannot be read.
pub(super) async fn folder(path: Option<PathBuf>) -> Result<Folder, ErrorInfo> {
    let look = tokio::task::spawn_blocking(move || {
        let path = path.or_else(std::env::home_dir).unwrap_or_else(|| PathBuf::from("/"));
        let path = std::path::absolute(&path).unwrap_or(path);
        read(&path).map_err(|error| ErrorInfo::at_path(&path, &error))
    });
    look.await.unwrap_or_else(|error| Err(ErrorInfo::new(Code::Internal, error.to_string())))
}

fn read(path: &Path) -> std::io::Result<Folder> {
    let mut children = Vec::new();
    let mut more = false;
    for child in std::fs::read_dir(path)?.filter_map(Result::ok) {
        let name = paths::shown(Path::new(&child.file_name()));
        // Followed: a link to a folder is one to whoever looks for it.
        let Ok(about) = std::fs::metadata(child.path()) else { continue };
        if name.starts_with('.') || !(about.is_dir() || about.is_file()) {
            continue;
        }
        if children.len() == CHILDREN_MAX {
            more = true;
            break;
        }
        let bytes = about.is_file().then_some(about.len());
        children.push(Child { name, path: child.path(), folder: about.is_dir(), bytes });
    }
    children.sort_by_key(|child| (!child.folder, child.name.to_lowercase()));
    Ok(Folder { path: path.to_owned(), parent: path.parent().map(Path::to_owned), children, more })
}

/// A file, to be saved by the browser under the last part of its address: never shown, whatever it holds.
pub(super) async fn download(path: &Path) -> Response {
    let opened = async {
        let file = tokio::fs::File::open(path).await?;
        let length = file.metadata().await?.len();
        std::io::Result::Ok((file, length))
    };
    match opened.await {
        Ok((file, length)) => {
            let headers = [
                (header::CONTENT_TYPE, "application/octet-stream".to_owned()),
                (header::CONTENT_DISPOSITION, "attachment".to_owned()),
                (header::CONTENT_LENGTH, length.to_string()),
                (header::CACHE_CONTROL, "no-store".to_owned()),
            ];
            (headers, Body::from_stream(ReaderStream::new(file))).into_response()
        }
        Err(error) => (StatusCode::NOT_FOUND, format!("{error}\n")).into_response(),
    }
}

/// A file's name as one part of an address: letters, digits and a few signs; everything else is written by its bytes.
pub(super) fn part_of_address(name: &str) -> String {
    // Browsers take "." and ".." for folders, in disguise too.
    let short: String = name.trim_start_matches('.').chars().take(NAME_MAX).collect();
    let mut part = String::new();
    for byte in short.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'~' | b'.' => part.push(char::from(byte)),
            _ => part.push_str(&format!("%{byte:02X}")),
        }
    }
    if part.is_empty() { "file".to_owned() } else { part }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_one_part_of_an_address() {
        for (name, part) in [
            ("a b.tar.gz", "a%20b.tar.gz"),
            ("..", "file"),
            ("../x", "%2Fx"),
            ("a..b", "a..b"),
            ("Fårö.wav", "F%C3%A5r%C3%B6.wav"),
            ("x\r\nSet-Cookie: a", "x%0D%0ASet-Cookie%3A%20a"),
            ("", "file"),
        ] {
            assert_eq!(part_of_address(name), part);
        }
        assert!(part_of_address(&"x".repeat(5000)).len() <= NAME_MAX);
    }

    #[tokio::test]
    async fn a_folder_shows_what_lies_in_it() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("Zebra")).unwrap();
        std::fs::write(dir.path().join("a.txt"), "12345").unwrap();
        std::fs::write(dir.path().join(".hidden"), "").unwrap();
        let folder = folder(Some(dir.path().to_owned())).await.unwrap();
        let named: Vec<(&str, bool, Option<u64>)> =
            folder.children.iter().map(|c| (c.name.as_str(), c.folder, c.bytes)).collect();
        assert_eq!(named, [("Zebra", true, None), ("a.txt", false, Some(5))]);
        assert_eq!(folder.parent.as_deref(), dir.path().parent());
        assert!(super::folder(Some(dir.path().join("a.txt"))).await.is_err());
    }
}
