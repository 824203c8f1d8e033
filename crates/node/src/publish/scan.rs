//! What is to be published: names and sizes, before a byte is read.
//!
//! Promises: what was named is published whole or refused with the reason; what a named folder holds and cannot be
//! published is left out and listed, each with its reason, empty folders too. Nothing of a data folder of this program
//! goes in, nor the secret key of an identity: what is published cannot be recalled.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::fs::{File, Metadata};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, UNIX_EPOCH};

use protocol::body::{FILES_MAX, FILES_STREAM_MAX};
use protocol::params::{CHUNK_LEN, INLINE_FILES_MAX, SEQUENCE_MAX, TREE_SIZE_MAX};
use protocol::path::SafePath;

use super::CHUNKS_INLINE;
use crate::api::{Code, ErrorInfo, LeftOut, LeftOutReason, paths};
use crate::error::{Result, fail};

/// Folders within folders that are entered. A path of more parts than 32 is left out in any case.
const DEPTH_MAX: u32 = 64;
/// Names that a preview looks at.
const PREVIEW_MAX: u64 = 100_000;
/// Time that it takes.
const PREVIEW_TIME: Duration = Duration::from_secs(3);
/// Said of a folder without anything in it.
const EMPTY: &str = "an empty folder";
/// Said of a data folder.
const DATA: &str = "a data folder of Megatorrent, with keys and settings in it";
/// Longest file that may be a v5 identity: its two keys and a little.
const IDENTITY_MAX: u64 = 4096;

/// A file to publish.
#[derive(Debug, Clone)]
pub(crate) struct Source {
    pub(crate) path: SafePath,
    pub(crate) disk: PathBuf,
    pub(crate) size: u64,
    pub(crate) mtime_ns: i64,
}

/// What is published: the files, and where they lie.
#[derive(Debug)]
pub(crate) struct Scan {
    /// What the item is called unless its author says otherwise; none: the name is no text.
    pub(crate) title: Option<String>,
    pub(crate) root: PathBuf,
    pub(crate) files: Vec<Source>,
    pub(crate) left_out: Vec<LeftOut>,
    pub(crate) folder: bool,
    pub(crate) bytes: u64,
}

/// The folders of this program, as they are now.
#[derive(Debug, Clone, Default)]
pub(crate) struct Own {
    /// The data folder.
    pub(crate) data: PathBuf,
    /// The download folder: may lie in the data folder, and what lies there may be published.
    pub(crate) downloads: PathBuf,
}

impl Own {
    /// The same without links on the way, as far as the folders exist. Blocking.
    fn resolved(&self) -> Self {
        let resolved = |path: &PathBuf| std::fs::canonicalize(path).unwrap_or_else(|_| path.clone());
        Self { data: resolved(&self.data), downloads: resolved(&self.downloads) }
    }

    fn is_data(&self, folder: &Path) -> bool {
        folder == self.data || store::DataDir::looks_like_one(folder)
    }

    /// The data folder, this node's or another's, that a path is or lies in, but for the downloads in it.
    fn data_around<'a>(&self, path: &'a Path) -> Option<&'a Path> {
        let around = path.ancestors().find(|folder| self.is_data(folder))?;
        let in_downloads = |downloads: &Path| downloads != around && path.starts_with(downloads);
        (!in_downloads(&self.downloads) && !in_downloads(&around.join(store::DataDir::DOWNLOADS))).then_some(around)
    }
}

pub(super) fn mtime_ns(meta: &Metadata) -> i64 {
    meta.modified()
        .ok()
        .and_then(|t| t.duration_since(UNIX_EPOCH).ok())
        .and_then(|d| i64::try_from(d.as_nanos()).ok())
        .unwrap_or(0)
}

fn quoted(path: &Path) -> String {
    format!("\"{}\"", paths::shown(path))
}

/// Looks at what is to be published. Blocking.
///
/// # Errors
/// A path that does not exist, is neither file nor folder, or may not be published; two with one name; more than an item
/// holds; nothing at all.
pub(crate) fn scan(given: &[PathBuf], own: &Own) -> Result<Scan> {
    let own = own.resolved();
    let given = look_at(given, &own)?;
    let Some(first) = given.first() else {
        return fail(Code::BadArgument, "Nothing to publish: name a file or a folder.");
    };
    let alone = given.len() == 1;
    let mut scan = Scan {
        title: first.name.clone(),
        root: if first.meta.is_dir() && alone {
            first.path.clone()
        } else {
            first.path.parent().map(Path::to_path_buf).unwrap_or_default()
        },
        files: Vec::new(),
        left_out: Vec::new(),
        folder: first.meta.is_dir() || !alone,
        bytes: 0,
    };
    let mut walk = Walk { scan: &mut scan, own: &own, seen: HashMap::new(), bound: None };
    for one in &given {
        let name = match (&one.name, one.meta.is_dir() && alone) {
            (_, true) => "",
            (Some(name), false) => name,
            (None, false) => {
                let text = format!("The name of {} is not valid text (UTF-8). Rename it first.", quoted(&one.path));
                return fail(Code::BadArgument, text);
            }
        };
        if one.meta.is_dir() {
            let prefix = if name.is_empty() { String::new() } else { format!("{name}/") };
            walk.folder(&one.path, &prefix, 0).map_err(|e| ErrorInfo::at_path(&one.path, &e))?;
        } else {
            // A file that was named and cannot be read is no detail of a list.
            File::open(&one.path).map_err(|e| ErrorInfo::at_path(&one.path, &e))?;
            walk.file(&one.path, name, &one.meta);
        }
    }
    if scan.files.is_empty() {
        return Err(nothing(&scan, &given));
    }
    scan.files.sort_by(|a, b| a.path.cmp(&b.path));
    scan.left_out.sort_by(|a, b| a.path.cmp(&b.path));
    fits(&mut scan)?;
    Ok(scan)
}

/// What one path would give, and whether there is more than was looked at: nothing is refused here, and what a person
/// cannot publish is left out with its reason, as when it is published. Bounded in names, depth and time. Blocking.
///
/// # Errors
/// It cannot be read.
pub(crate) fn preview(path: &Path, own: &Own) -> Result<(Scan, bool)> {
    let own = own.resolved();
    let shown = paths::shown(Path::new(path.file_name().unwrap_or_default()));
    let path = std::fs::canonicalize(path).map_err(|e| ErrorInfo::at_path(path, &e))?;
    let meta = std::fs::metadata(&path).map_err(|e| ErrorInfo::at_path(&path, &e))?;
    let mut scan = Scan {
        title: path.file_name().and_then(OsStr::to_str).map(str::to_owned),
        root: path.clone(),
        files: Vec::new(),
        left_out: Vec::new(),
        folder: meta.is_dir(),
        bytes: 0,
    };
    let bound = Bound { left: PREVIEW_MAX, until: Instant::now() + PREVIEW_TIME, reached: false };
    let mut walk = Walk { scan: &mut scan, own: &own, seen: HashMap::new(), bound: Some(bound) };
    if own.data_around(&path).is_some() {
        walk.leave_out(shown, DATA, LeftOutReason::Secret);
    } else if meta.is_dir() {
        walk.folder(&path, "", 0).map_err(|e| ErrorInfo::at_path(&path, &e))?;
    } else {
        walk.entry(&path, path.file_name().unwrap_or_default(), "", 0);
    }
    let more = walk.bound.is_some_and(|bound| bound.reached);
    scan.bytes = scan.files.iter().map(|file| file.size).fold(0, u64::saturating_add);
    Ok((scan, more))
}

/// How much a preview may still look at.
struct Bound {
    left: u64,
    until: Instant,
    reached: bool,
}

/// A path that was named.
struct Given {
    /// Without links and dots.
    path: PathBuf,
    meta: Metadata,
    /// Its last part, if that is text.
    name: Option<String>,
}

/// What the paths lead to, each thing once.
fn look_at(given: &[PathBuf], own: &Own) -> Result<Vec<Given>> {
    let mut found: Vec<Given> = Vec::with_capacity(given.len());
    let mut names: HashMap<String, usize> = HashMap::new();
    for given in given {
        let path = std::fs::canonicalize(given).map_err(|e| ErrorInfo::at_path(given, &e))?;
        if found.iter().any(|known| known.path == path) {
            continue;
        }
        let meta = std::fs::metadata(&path).map_err(|e| ErrorInfo::at_path(&path, &e))?;
        if !meta.is_dir() && !meta.is_file() {
            let text = format!("{} is not a file or folder, so it cannot be published.", quoted(given));
            return fail(Code::BadArgument, text);
        }
        if let Some(data) = own.data_around(&path) {
            let what = if data == path { "is" } else { "lies in" };
            let text = format!(
                "{} {what} a data folder of Megatorrent, with keys and settings in it. Nothing of it is published.",
                quoted(given)
            );
            return fail(Code::BadArgument, text);
        }
        if meta.is_file() && is_identity(&path, &meta) {
            let text = format!("{} holds the secret key of a channel. It is not published.", quoted(given));
            return fail(Code::BadArgument, text);
        }
        let name = path.file_name().unwrap_or(OsStr::new("")).to_str().map(str::to_owned);
        let key = name.as_deref().and_then(|name| SafePath::parse(name).ok()).map(|name| name.collision_key());
        if let Some(known) = key.and_then(|key| names.insert(key, found.len())) {
            let text = format!(
                "{} and {} would have one name in the item, which systems could not tell apart. Rename one, publish \
                 them one by one, or put both into a folder and publish that.",
                quoted(&found[known].path),
                quoted(&path)
            );
            return fail(Code::BadArgument, text);
        }
        found.push(Given { path, meta, name });
    }
    Ok(found)
}

struct Walk<'a> {
    scan: &'a mut Scan,
    own: &'a Own,
    /// Names that are taken, as systems compare them, with how they are written.
    seen: HashMap<String, SafePath>,
    /// None: all is looked at.
    bound: Option<Bound>,
}

impl Walk<'_> {
    /// Whether one more name may be looked at.
    fn goes_on(&mut self) -> bool {
        let Some(bound) = &mut self.bound else { return true };
        bound.left = bound.left.saturating_sub(1);
        bound.reached |= bound.left == 0 || Instant::now() > bound.until;
        !bound.reached
    }

    fn leave_out(&mut self, path: impl Into<String>, why: impl Into<String>, code: LeftOutReason) {
        self.scan.left_out.push(LeftOut { path: path.into(), why: why.into(), code });
    }

    /// Takes in what a folder holds, in the order of names: which of two twins stays is no chance.
    ///
    /// # Errors
    /// The folder itself cannot be read.
    fn folder(&mut self, folder: &Path, prefix: &str, depth: u32) -> std::io::Result<()> {
        let mut names = Vec::new();
        for entry in std::fs::read_dir(folder)? {
            if !self.goes_on() {
                break;
            }
            names.push(entry?.file_name());
        }
        let begun = self.bound.as_ref().is_none_or(|bound| !bound.reached);
        if names.is_empty() && !prefix.is_empty() && begun {
            self.leave_out(prefix, EMPTY, LeftOutReason::EmptyFolder);
        }
        names.sort_unstable();
        for name in names {
            if self.is_late() {
                break;
            }
            self.entry(&folder.join(&name), &name, prefix, depth);
        }
        Ok(())
    }

    /// Whether time is up: a folder may hold many things, and each is looked at.
    fn is_late(&mut self) -> bool {
        let Some(bound) = &mut self.bound else { return false };
        bound.reached |= Instant::now() > bound.until;
        bound.reached && bound.left > 0
    }

    /// Takes in one thing of a folder, or says why not.
    fn entry(&mut self, path: &Path, name: &OsStr, prefix: &str, depth: u32) {
        let Some(text) = name.to_str() else {
            let shown = format!("{prefix}{}", paths::shown(Path::new(name)));
            return self.scan.left_out.push(LeftOut::no_text(shown));
        };
        let relative = format!("{prefix}{text}");
        match std::fs::symlink_metadata(path) {
            Ok(meta) if meta.is_dir() => self.inner(path, &format!("{relative}/"), depth + 1),
            Ok(meta) if meta.is_file() => match File::open(path) {
                Ok(_) if is_identity(path, &meta) => {
                    self.leave_out(relative, "the secret key of a channel", LeftOutReason::Secret)
                }
                Ok(_) => self.file(path, &relative, &meta),
                Err(error) => self.leave_out(relative, unreadable(&error), LeftOutReason::Unreadable),
            },
            Ok(meta) if meta.is_symlink() => self.leave_out(relative, "a symbolic link", LeftOutReason::Link),
            Ok(_) => self.leave_out(relative, "not a file", LeftOutReason::NoFile),
            Err(error) => self.leave_out(relative, unreadable(&error), LeftOutReason::Unreadable),
        }
    }

    fn inner(&mut self, folder: &Path, prefix: &str, depth: u32) {
        if self.own.is_data(folder) {
            self.leave_out(prefix, DATA, LeftOutReason::Secret);
        } else if depth > DEPTH_MAX {
            self.leave_out(prefix, format!("folders nested deeper than {DEPTH_MAX}"), LeftOutReason::Deep);
        } else if let Err(error) = self.folder(folder, prefix, depth) {
            self.leave_out(prefix, unreadable(&error), LeftOutReason::Unreadable);
        }
    }

    fn file(&mut self, disk: &Path, relative: &str, meta: &Metadata) {
        let path = match SafePath::parse(relative) {
            Ok(path) => path,
            Err(why) => return self.leave_out(relative, why.to_string(), LeftOutReason::from(&why)),
        };
        if meta.len() > TREE_SIZE_MAX {
            let why = format!("it is over {TREE_SIZE_MAX} bytes, the most that a file may have");
            return self.leave_out(relative, why, LeftOutReason::Other);
        }
        if let Some(taken) = self.seen.get(&path.collision_key()) {
            let why = format!("\"{taken}\" is there too, and some systems cannot tell the two names apart");
            return self.leave_out(relative, why, LeftOutReason::Same);
        }
        self.seen.insert(path.collision_key(), path.clone());
        self.scan.files.push(Source { path, disk: disk.into(), size: meta.len(), mtime_ns: mtime_ns(meta) });
    }
}

fn unreadable(error: &std::io::Error) -> String {
    match error.kind() {
        std::io::ErrorKind::PermissionDenied => "this account may not read it".into(),
        std::io::ErrorKind::NotFound => "it went while the folder was looked through".into(),
        _ => format!("it cannot be read: {error}"),
    }
}

/// Whether a file is a v5 client's `identity.json`: a secret key as anybody can read it.
fn is_identity(path: &Path, meta: &Metadata) -> bool {
    if meta.len() > IDENTITY_MAX || !path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("json")) {
        return false;
    }
    std::fs::read(path).map(zeroize::Zeroizing::new).is_ok_and(|bytes| store::backup::import_v5(&bytes).is_ok())
}

fn nothing(scan: &Scan, given: &[Given]) -> ErrorInfo {
    let text = match (scan.left_out.as_slice(), given) {
        ([], [only]) => format!("The folder {} is empty. There is nothing to publish.", quoted(&only.path)),
        ([], _) => "These folders are empty. There is nothing to publish.".into(),
        ([one], [only]) if only.meta.is_file() => {
            format!("{} cannot be published: {}.", quoted(&only.path), one.why)
        }
        (all, _) if all.iter().all(|one| one.code == LeftOutReason::EmptyFolder) => {
            "There are only empty folders in it. There is nothing to publish.".into()
        }
        ([one], _) => format!("Nothing in it can be published. \"{}\": {}.", one.path, one.why),
        ([one, more @ ..], _) => {
            let more = if more.len() == 1 { "1 more is".into() } else { format!("{} more are", more.len()) };
            format!("Nothing in it can be published. \"{}\": {}; {more} left out.", one.path, one.why)
        }
    };
    ErrorInfo::new(Code::BadArgument, text)
}

/// Holds the files against what one item may have, and adds them up.
fn fits(scan: &mut Scan) -> Result<()> {
    let number = scan.files.len();
    if number > FILES_MAX {
        let text = format!("These are {number} files; one item holds {FILES_MAX}. Publish them as several items.");
        return fail(Code::BadArgument, text);
    }
    let bytes = scan.files.iter().map(|file| file.size).fold(0_u64, u64::saturating_add);
    if bytes > SEQUENCE_MAX {
        return fail(Code::BadArgument, "These files are more bytes than one item may have.");
    }
    scan.bytes = bytes;
    let list: u64 = scan.files.iter().map(listed).sum();
    if number > INLINE_FILES_MAX && list > FILES_STREAM_MAX {
        let text = format!(
            "The list of these {number} files would have about {list} bytes; {FILES_STREAM_MAX} are allowed. Publish \
             them as several items."
        );
        return fail(Code::BadArgument, text);
    }
    Ok(())
}

/// Bytes that a file takes in the list of files, nearly: its members, and each chunk or the tree.
fn listed(file: &Source) -> u64 {
    const MEMBERS: u64 = 80;
    const CHUNK: u64 = 220;
    let chunks = file.size.div_ceil(CHUNK_LEN as u64);
    let named = if chunks > CHUNKS_INLINE as u64 { 1 } else { chunks };
    MEMBERS + file.path.as_str().len() as u64 + named * CHUNK
}

#[cfg(test)]
mod tests;
