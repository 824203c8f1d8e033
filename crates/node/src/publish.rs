//! Publishing: files are read where they lie, cut, sealed and hashed by a few workers, and never copied.
//!
//! Memory does not grow with the files: a handful of 1 MiB buffers go round. Small files of a folder share blobs (E2).
//! A file that changes while it is read fails the publication and names itself.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc;
use std::time::UNIX_EPOCH;

use protocol::params::{BLOB_LEN, CHUNK_LEN, INLINE_FILES_MAX};
use protocol::path::SafePath;
use protocol::{BlobKey, Chunk, Content, FileEntry, Identity, Payload, blob};
use store::{PlanFile, Store};

use crate::api::{Code, ErrorInfo, LeftOut};
use crate::error::{Result, fail, io};
use crate::stream;

/// Files smaller than this share blobs inside a folder.
const PACK_BELOW: u64 = 512 * 1024;
/// Chunks that an entry names itself; more go to a tree (E1).
const CHUNKS_INLINE: usize = 8;

/// A file to publish.
#[derive(Debug, Clone)]
pub(crate) struct Source {
    pub(crate) path: SafePath,
    pub(crate) disk: PathBuf,
    pub(crate) size: u64,
    pub(crate) mtime_ns: i64,
}

/// What is published: the files, and where they lie.
pub(crate) struct Scan {
    pub(crate) title: String,
    pub(crate) root: PathBuf,
    pub(crate) files: Vec<Source>,
    pub(crate) left_out: Vec<LeftOut>,
    pub(crate) folder: bool,
    pub(crate) bytes: u64,
}

fn mtime_ns(meta: &std::fs::Metadata) -> i64 {
    meta.modified()
        .ok()
        .and_then(|t| t.duration_since(UNIX_EPOCH).ok())
        .and_then(|d| i64::try_from(d.as_nanos()).ok())
        .unwrap_or(0)
}

/// Looks at what is to be published: names, sizes, nothing else. Blocking.
pub(crate) fn scan(paths: &[PathBuf]) -> Result<Scan> {
    let mut scan = Scan {
        title: String::new(),
        root: PathBuf::new(),
        files: Vec::new(),
        left_out: Vec::new(),
        folder: true,
        bytes: 0,
    };
    let mut seen = std::collections::HashSet::new();
    let Some(first) = paths.first() else {
        return fail(Code::BadArgument, "Nothing to publish: name a file or a folder.");
    };
    for given in paths {
        let path = std::fs::canonicalize(given).map_err(|e| io(given, &e))?;
        let meta = std::fs::metadata(&path).map_err(|e| io(&path, &e))?;
        let name = path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
        if given == first {
            scan.title = name.clone();
            scan.folder = meta.is_dir() || paths.len() > 1;
            scan.root = if meta.is_dir() && paths.len() == 1 {
                path.clone()
            } else {
                path.parent().map(Path::to_path_buf).unwrap_or_default()
            };
        }
        if meta.is_dir() {
            let prefix = if paths.len() == 1 { String::new() } else { format!("{name}/") };
            walk(&path, &prefix, 0, &mut scan, &mut seen)?;
        } else {
            add(&path, &name, &meta, &mut scan, &mut seen);
        }
    }
    if scan.files.is_empty() {
        let why = scan.left_out.first().map(|l| format!(" {}: {}", l.path, l.why)).unwrap_or_default();
        return fail(Code::BadArgument, format!("Nothing to publish: no file can be.{why}"));
    }
    scan.files.sort_by(|a, b| a.path.cmp(&b.path));
    scan.bytes = scan.files.iter().map(|f| f.size).sum();
    Ok(scan)
}

fn walk(
    dir: &Path,
    prefix: &str,
    depth: u32,
    scan: &mut Scan,
    seen: &mut std::collections::HashSet<String>,
) -> Result<()> {
    if depth > 64 {
        scan.left_out.push(LeftOut { path: prefix.into(), why: "folders nested deeper than 64".into() });
        return Ok(());
    }
    for entry in std::fs::read_dir(dir).map_err(|e| io(dir, &e))? {
        let entry = entry.map_err(|e| io(dir, &e))?;
        let path = entry.path();
        let kind = entry.file_type().map_err(|e| io(&path, &e))?;
        let relative = format!("{prefix}{}", entry.file_name().to_string_lossy());
        if kind.is_dir() {
            walk(&path, &format!("{relative}/"), depth + 1, scan, seen)?;
        } else if kind.is_file() {
            let meta = entry.metadata().map_err(|e| io(&path, &e))?;
            add(&path, &relative, &meta, scan, seen);
        } else {
            let why = if kind.is_symlink() { "a symbolic link" } else { "not a file" };
            scan.left_out.push(LeftOut { path: relative, why: why.into() });
        }
    }
    Ok(())
}

fn add(
    disk: &Path,
    relative: &str,
    meta: &std::fs::Metadata,
    scan: &mut Scan,
    seen: &mut std::collections::HashSet<String>,
) {
    match SafePath::parse(relative) {
        Ok(path) if seen.insert(path.collision_key()) => {
            scan.files.push(Source { path, disk: disk.into(), size: meta.len(), mtime_ns: mtime_ns(meta) });
        }
        Ok(_) => scan
            .left_out
            .push(LeftOut { path: relative.into(), why: "another file's name is equal but for case".into() }),
        Err(why) => scan.left_out.push(LeftOut { path: relative.into(), why: why.to_string() }),
    }
}

/// One buffer to seal: which bytes of which files are in it.
struct Job {
    plain: Vec<u8>,
    spans: Vec<(usize, usize, u32, u32)>,
}

/// Reads, seals and hashes every file. `progress` counts plain bytes; `cancel` stops it. Blocking.
pub(crate) fn seal(scan: &Scan, progress: &AtomicU64, cancel: &AtomicBool) -> Result<Vec<PlanFile>> {
    let mut chunks: Vec<Vec<Option<Chunk>>> = scan
        .files
        .iter()
        .map(|f| vec![None; usize::try_from(f.size.div_ceil(CHUNK_LEN as u64)).unwrap_or(usize::MAX)])
        .collect();
    let workers = std::thread::available_parallelism().map_or(2, |n| n.get().clamp(1, 8));
    let (job_tx, job_rx) = mpsc::sync_channel::<Job>(workers);
    let job_rx = std::sync::Mutex::new(job_rx);
    let (back_tx, back_rx) = mpsc::channel::<Vec<u8>>();
    let (done_tx, done_rx) = mpsc::channel::<Result<(usize, usize, Chunk)>>();
    std::thread::scope(|scope| {
        for _ in 0..workers {
            let (done, back, jobs) = (done_tx.clone(), back_tx.clone(), &job_rx);
            scope.spawn(move || {
                loop {
                    let job = match jobs.lock() {
                        Ok(jobs) => jobs.recv(),
                        Err(_) => return,
                    };
                    let Ok(job) = job else { return };
                    let used = job.spans.iter().map(|s| u64::from(s.3)).sum();
                    match seal_one(job) {
                        Ok((named, buffer)) => {
                            progress.fetch_add(used, Ordering::Relaxed);
                            named.into_iter().for_each(|n| drop(done.send(Ok(n))));
                            let _ = back.send(buffer);
                        }
                        Err(error) => drop(done.send(Err(error))),
                    }
                }
            });
        }
        drop((done_tx, back_tx));
        let read = read_all(scan, &job_tx, &back_rx, cancel);
        drop(job_tx);
        let mut failed = None;
        for done in done_rx {
            match done {
                Ok((file, index, chunk)) => chunks[file][index] = Some(chunk),
                Err(error) => failed = Some(error),
            }
        }
        read?;
        failed.map_or(Ok(()), Err)
    })?;
    let mut plan = Vec::with_capacity(scan.files.len());
    for (source, chunks) in scan.files.iter().zip(chunks) {
        let Some(chunks) = chunks.into_iter().collect::<Option<Vec<Chunk>>>() else {
            return fail(Code::Internal, format!("{}: a chunk was not sealed", source.disk.display()));
        };
        plan.push(PlanFile {
            path: source.path.clone(),
            disk: source.disk.clone(),
            size: source.size,
            mime: mime_of(source.path.as_str()).map(str::to_owned),
            mtime_ns: source.mtime_ns,
            chunks,
        });
    }
    Ok(plan)
}

/// Where each piece of a sealed blob belongs (file, chunk number), and the buffer to fill again.
type Sealed = (Vec<(usize, usize, Chunk)>, Vec<u8>);

fn seal_one(job: Job) -> Result<Sealed> {
    let mut key = BlobKey { key: [0; 32], nonce: [0; 12] };
    getrandom::fill(&mut key.key)
        .and_then(|()| getrandom::fill(&mut key.nonce))
        .map_err(|e| ErrorInfo::new(Code::Internal, format!("no random numbers: {e}")))?;
    let sealed = blob::seal(job.plain, &key);
    let id = sealed.id();
    let named = job
        .spans
        .into_iter()
        .map(|(file, index, offset, len)| (file, index, Chunk { blob: id, key: key.clone(), offset, len }))
        .collect();
    Ok((named, sealed.into_bytes()))
}

fn read_all(
    scan: &Scan,
    jobs: &mpsc::SyncSender<Job>,
    back: &mpsc::Receiver<Vec<u8>>,
    cancel: &AtomicBool,
) -> Result<()> {
    let buffer = || {
        let mut buffer = back.try_recv().unwrap_or_else(|_| Vec::with_capacity(BLOB_LEN));
        buffer.clear();
        buffer
    };
    let stopped = || ErrorInfo::new(Code::Internal, "the sealing workers ended");
    let mut pack = Job { plain: buffer(), spans: Vec::new() };
    for (number, source) in scan.files.iter().enumerate() {
        let mut file = File::open(&source.disk).map_err(|e| changed(source, &e.to_string()))?;
        let packed = scan.folder && source.size < PACK_BELOW;
        if packed && pack.plain.len() as u64 + source.size > CHUNK_LEN as u64 {
            let full = std::mem::replace(&mut pack, Job { plain: buffer(), spans: Vec::new() });
            jobs.send(full).map_err(|_| stopped())?;
        }
        let mut left = source.size;
        let mut index = 0;
        while left > 0 {
            if cancel.load(Ordering::Relaxed) {
                return fail(Code::Cancelled, "Publishing was cancelled. Nothing was published.");
            }
            let take = left.min(CHUNK_LEN as u64);
            let mut job = if packed {
                std::mem::replace(&mut pack, Job { plain: Vec::new(), spans: Vec::new() })
            } else {
                Job { plain: buffer(), spans: Vec::new() }
            };
            let offset = job.plain.len();
            let got = (&mut file).take(take).read_to_end(&mut job.plain).map_err(|e| io(&source.disk, &e))?;
            if got as u64 != take {
                return Err(changed(source, "it is shorter than before"));
            }
            let (Ok(offset), Ok(len)) = (u32::try_from(offset), u32::try_from(take)) else { return Err(stopped()) };
            job.spans.push((number, index, offset, len));
            if packed {
                pack = job;
            } else {
                jobs.send(job).map_err(|_| stopped())?;
            }
            left -= take;
            index += 1;
        }
        let now = file.metadata().map_err(|e| io(&source.disk, &e))?;
        if now.len() != source.size || mtime_ns(&now) != source.mtime_ns {
            return Err(changed(source, "it was written to"));
        }
    }
    if !pack.spans.is_empty() {
        jobs.send(pack).map_err(|_| stopped())?;
    }
    Ok(())
}

fn changed(source: &Source, how: &str) -> ErrorInfo {
    ErrorInfo::new(
        Code::SourceChanged,
        format!("{} changed while it was published ({how}). Nothing was published.", source.disk.display()),
    )
}

/// Turns a plan into an item's payload; trees and long file lists are stored as structure. Blocking.
pub(crate) fn payload(store: &Store, identity: &Identity, scan: &Scan, plan: &[PlanFile]) -> Result<Payload> {
    let mut blobs = Vec::new();
    let mut files = Vec::with_capacity(plan.len());
    for file in plan {
        let content = if file.chunks.len() > CHUNKS_INLINE {
            Content::Tree(stream::tables(store, identity, &file.chunks, file.size, &mut blobs)?)
        } else {
            Content::Chunks(file.chunks.clone())
        };
        files.push(FileEntry { path: file.path.clone(), size: file.size, mime: file.mime.clone(), content });
    }
    if !scan.folder
        && let Some(file) = files.pop()
    {
        return Ok(Payload::File(file));
    }
    if files.len() <= INLINE_FILES_MAX {
        return Ok(Payload::Folder(files));
    }
    let list = protocol::body::files_to_json(&files);
    let tree = stream::write(store, identity, &list, &mut blobs)?;
    Ok(Payload::FolderTree { tree, size: scan.bytes, count: u32::try_from(files.len()).unwrap_or(u32::MAX) })
}

/// A media type by the name's ending; only what players and previews need.
fn mime_of(name: &str) -> Option<&'static str> {
    let ending = name.rsplit_once('.')?.1.to_ascii_lowercase();
    Some(match ending.as_str() {
        "mp4" | "m4v" => "video/mp4",
        "webm" => "video/webm",
        "mkv" => "video/x-matroska",
        "mp3" => "audio/mpeg",
        "m4a" => "audio/mp4",
        "flac" => "audio/flac",
        "ogg" | "oga" | "opus" => "audio/ogg",
        "wav" => "audio/wav",
        "jpg" | "jpeg" => "image/jpeg",
        "png" => "image/png",
        "gif" => "image/gif",
        "webp" => "image/webp",
        "svg" => "image/svg+xml",
        "pdf" => "application/pdf",
        "txt" | "md" => "text/plain",
        "zip" => "application/zip",
        _ => return None,
    })
}
