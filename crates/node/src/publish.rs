//! Publishing: files are read where they lie, cut, sealed and hashed by a few workers, and never copied.
//!
//! Memory does not grow with the files: a handful of 1 MiB buffers go round. Small files of a folder share blobs (E2).
//! A file that changes while it is read fails the publication and names itself.

mod job;
mod scan;

use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io::{ErrorKind, Read, Seek, SeekFrom};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc;

use protocol::params::{BLOB_LEN, CHUNK_LEN, INLINE_FILES_MAX};
use protocol::{BlobId, BlobKey, Chunk, Content, FileEntry, Identity, Payload, VerifiedBlob, blob};
use store::{PlanFile, Store};

use crate::api::{Code, ErrorInfo, paths};
use crate::error::{Result, fail};
use crate::stream;

pub(crate) use job::{Job, Jobs};
pub(crate) use scan::{Own, Scan, preview, scan};
use scan::{Source, mtime_ns};

/// Files smaller than this share blobs inside a folder.
const PACK_BELOW: u64 = 512 * 1024;
/// Chunks that an entry names itself; more go to a tree (E1).
const CHUNKS_INLINE: usize = 8;

/// A piece of a file in a blob.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Span {
    /// Number of the file in the scan.
    file: usize,
    /// Number of the chunk in the file.
    index: usize,
    /// Where its bytes start in the blob.
    offset: u32,
    len: u32,
}

/// What goes into one blob, and the blob that held exactly these pieces before, if there was one.
struct Group {
    spans: Vec<Span>,
    known: Option<(BlobKey, BlobId)>,
}

/// One buffer to seal.
struct ToSeal {
    plain: Vec<u8>,
    group: Group,
}

/// Cuts the files into blobs: those that `known` cut alike keep their cut, so that unchanged bytes keep their blobs;
/// then whole chunks, and packs of small files.
fn cut(scan: &Scan, known: &[PlanFile]) -> Vec<Group> {
    let numbers: HashMap<&str, usize> = scan.files.iter().enumerate().map(|(n, f)| (f.path.as_str(), n)).collect();
    let mut old: HashMap<BlobId, (BlobKey, Option<Vec<Span>>)> = HashMap::new();
    for file in known {
        let number = numbers.get(file.path.as_str()).copied().filter(|n| scan.files[*n].size == file.size);
        for (index, chunk) in file.chunks.iter().enumerate() {
            let (_, spans) = old.entry(chunk.blob).or_insert_with(|| (chunk.key.clone(), Some(Vec::new())));
            match (number, spans.as_mut()) {
                (Some(file), Some(spans)) => {
                    spans.push(Span { file, index, offset: chunk.offset, len: chunk.len });
                }
                // A file of this pack is gone or has another size: the pack is cut anew.
                _ => *spans = None,
            }
        }
    }
    let mut taken: HashSet<(usize, usize)> = HashSet::new();
    let mut groups = Vec::new();
    for (blob, (key, spans)) in old {
        let Some(mut spans) = spans else { continue };
        spans.sort_by_key(|span| span.offset);
        let mut end = 0;
        let whole = spans.iter().all(|span| {
            let fits = u64::from(span.offset) == end;
            end += u64::from(span.len);
            fits
        });
        if whole && end <= CHUNK_LEN as u64 && spans.iter().all(|s| !taken.contains(&(s.file, s.index))) {
            taken.extend(spans.iter().map(|s| (s.file, s.index)));
            groups.push(Group { spans, known: Some((key, blob)) });
        }
    }
    let mut pack = Vec::new();
    let mut packed = 0_u64;
    for (file, source) in scan.files.iter().enumerate() {
        let small = scan.folder && source.size < PACK_BELOW;
        let mut left = source.size;
        for index in 0.. {
            if left == 0 {
                break;
            }
            let len = left.min(CHUNK_LEN as u64);
            left -= len;
            // Both fit: a chunk has 1 MiB at most.
            let short = u32::try_from(len).unwrap_or(u32::MAX);
            if taken.contains(&(file, index)) {
                continue;
            }
            if !small {
                groups.push(Group { spans: vec![Span { file, index, offset: 0, len: short }], known: None });
                continue;
            }
            if packed + len > CHUNK_LEN as u64 {
                groups.push(Group { spans: std::mem::take(&mut pack), known: None });
                packed = 0;
            }
            pack.push(Span { file, index, offset: u32::try_from(packed).unwrap_or(u32::MAX), len: short });
            packed += len;
        }
    }
    if !pack.is_empty() {
        groups.push(Group { spans: pack, known: None });
    }
    // Files are read from front to end.
    groups.sort_by_key(|group| group.spans.first().map(|span| (span.file, span.index)));
    groups
}

/// Reads, seals and hashes every file. `known`: how the item was cut before. `progress` counts plain bytes; `cancel`
/// stops it. Blocking.
pub(crate) fn seal(
    scan: &Scan,
    known: &[PlanFile],
    progress: &AtomicU64,
    cancel: &AtomicBool,
) -> Result<Vec<PlanFile>> {
    let mut chunks: Vec<Vec<Option<Chunk>>> = scan
        .files
        .iter()
        .map(|f| vec![None; usize::try_from(f.size.div_ceil(CHUNK_LEN as u64)).unwrap_or(usize::MAX)])
        .collect();
    let groups = cut(scan, known);
    let workers = std::thread::available_parallelism().map_or(2, |n| n.get().clamp(1, 8));
    let (job_tx, job_rx) = mpsc::sync_channel::<ToSeal>(2 * workers);
    let job_rx = std::sync::Mutex::new(job_rx);
    let (back_tx, back_rx) = mpsc::channel::<Vec<u8>>();
    let (done_tx, done_rx) = mpsc::channel::<Result<(Span, Chunk)>>();
    std::thread::scope(|scope| {
        for _ in 0..workers {
            let (done, back, jobs) = (done_tx.clone(), back_tx.clone(), &job_rx);
            scope.spawn(move || {
                while let Some(jobs) = take_jobs(jobs) {
                    for sealed in seal_jobs(jobs) {
                        match sealed {
                            Ok((named, buffer)) => {
                                let used: u64 = named.iter().map(|(span, _)| u64::from(span.len)).sum();
                                progress.fetch_add(used, Ordering::Relaxed);
                                named.into_iter().for_each(|n| drop(done.send(Ok(n))));
                                let _ = back.send(buffer);
                            }
                            Err(error) => drop(done.send(Err(error))),
                        }
                    }
                }
            });
        }
        drop((done_tx, back_tx));
        let read = read_all(scan, groups, &job_tx, &back_rx, cancel);
        drop(job_tx);
        let mut failed = None;
        for done in done_rx {
            match done {
                Ok((span, chunk)) => chunks[span.file][span.index] = Some(chunk),
                Err(error) => failed = Some(error),
            }
        }
        read?;
        failed.map_or(Ok(()), Err)
    })?;
    let mut plan = Vec::with_capacity(scan.files.len());
    for (source, chunks) in scan.files.iter().zip(chunks) {
        let Some(chunks) = chunks.into_iter().collect::<Option<Vec<Chunk>>>() else {
            return fail(Code::Internal, format!("{}: a chunk was not sealed", paths::shown(&source.disk)));
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

/// Where each piece of a sealed blob belongs, and the buffer to fill again.
type Sealed = (Vec<(Span, Chunk)>, Vec<u8>);

/// One job, and another if one waits already; `None`: there will be no more.
fn take_jobs(jobs: &std::sync::Mutex<mpsc::Receiver<ToSeal>>) -> Option<(ToSeal, Option<ToSeal>)> {
    let jobs = jobs.lock().ok()?;
    let first = jobs.recv().ok()?;
    Some((first, jobs.try_recv().ok()))
}

/// Seals what was taken: two new blobs are hashed at once.
fn seal_jobs(jobs: (ToSeal, Option<ToSeal>)) -> Vec<Result<Sealed>> {
    match jobs {
        (one, Some(two)) if one.group.known.is_none() && two.group.known.is_none() => match (new_key(), new_key()) {
            (Ok(first), Ok(second)) => {
                let [a, b] = blob::seal_two([(one.plain, &first), (two.plain, &second)]);
                vec![Ok(named(one.group, a, &first)), Ok(named(two.group, b, &second))]
            }
            (Err(error), _) | (_, Err(error)) => vec![Err(error)],
        },
        (one, two) => std::iter::once(one).chain(two).map(seal_one).collect(),
    }
}

/// Seals a buffer: under the key it had before if the very blob comes out, else under a new one. What was sealed under
/// an old key and is another blob never leaves this function (E8).
fn seal_one(job: ToSeal) -> Result<Sealed> {
    let ToSeal { mut plain, mut group } = job;
    let used = plain.len();
    if let Some((key, id)) = group.known.take() {
        let sealed = blob::seal(plain, &key);
        if sealed.id() == id {
            return Ok(named(group, sealed, &key));
        }
        plain = blob::open(sealed, &key)?;
        plain.truncate(used);
    }
    let key = new_key()?;
    Ok(named(group, blob::seal(plain, &key), &key))
}

fn new_key() -> Result<BlobKey> {
    let mut key = BlobKey { key: [0; 32], nonce: [0; 12] };
    getrandom::fill(&mut key.key)
        .and_then(|()| getrandom::fill(&mut key.nonce))
        .map_err(|e| ErrorInfo::new(Code::Internal, format!("no random numbers: {e}")))?;
    Ok(key)
}

fn named(group: Group, sealed: VerifiedBlob, key: &BlobKey) -> Sealed {
    let chunk = |span: &Span| Chunk { blob: sealed.id(), key: key.clone(), offset: span.offset, len: span.len };
    let named = group.spans.into_iter().map(|span| (span, chunk(&span))).collect();
    (named, sealed.into_bytes())
}

fn read_all(
    scan: &Scan,
    groups: Vec<Group>,
    jobs: &mpsc::SyncSender<ToSeal>,
    back: &mpsc::Receiver<Vec<u8>>,
    cancel: &AtomicBool,
) -> Result<()> {
    let mut open: Option<(usize, u64, File)> = None;
    for group in groups {
        if cancel.load(Ordering::Relaxed) {
            return fail(Code::Cancelled, "Publishing was cancelled. Nothing was published.");
        }
        let mut plain = back.try_recv().unwrap_or_else(|_| Vec::with_capacity(BLOB_LEN));
        plain.clear();
        for span in &group.spans {
            let source = &scan.files[span.file];
            let at = span.index as u64 * CHUNK_LEN as u64;
            let mut file = match open.take() {
                Some((number, position, file)) if number == span.file && position == at => file,
                _ => {
                    let mut file = opened(source)?;
                    file.seek(SeekFrom::Start(at)).map_err(|e| ErrorInfo::at_path(&source.disk, &e))?;
                    file
                }
            };
            let got = (&mut file)
                .take(u64::from(span.len))
                .read_to_end(&mut plain)
                .map_err(|e| ErrorInfo::at_path(&source.disk, &e))?;
            if got as u64 != u64::from(span.len) {
                return Err(changed(source, "it is shorter than before"));
            }
            open = Some((span.file, at + u64::from(span.len), file));
        }
        jobs.send(ToSeal { plain, group }).map_err(|_| ErrorInfo::new(Code::Internal, "the sealing workers ended"))?;
    }
    for source in &scan.files {
        let now = std::fs::metadata(&source.disk).map_err(|e| gone(source, &e))?;
        if now.len() != source.size || mtime_ns(&now) != source.mtime_ns {
            return Err(changed(source, "it was written to"));
        }
    }
    Ok(())
}

/// Opens a file that was there when the folder was looked through. A pipe in its place would never be opened to the end.
fn opened(source: &Source) -> Result<File> {
    let there = std::fs::symlink_metadata(&source.disk).map_err(|e| gone(source, &e))?;
    if !there.is_file() {
        return Err(changed(source, "it is no file any more"));
    }
    File::open(&source.disk).map_err(|e| gone(source, &e))
}

fn changed(source: &Source, how: &str) -> ErrorInfo {
    ErrorInfo::new(
        Code::SourceChanged,
        format!("{} changed while it was published ({how}). Nothing was published.", paths::shown(&source.disk)),
    )
}

/// A file that cannot be opened any more: it went, or this account may not read it, or its disk fails.
fn gone(source: &Source, error: &std::io::Error) -> ErrorInfo {
    if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) {
        return changed(source, "it is gone");
    }
    let told = ErrorInfo::at_path(&source.disk, error);
    ErrorInfo::new(told.code, format!("{} Nothing was published.", told.message))
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    fn sealed(folder: &Path, known: &[PlanFile]) -> Vec<PlanFile> {
        let scan = scan(&[folder.to_path_buf()], &Own::default()).unwrap();
        seal(&scan, known, &AtomicU64::new(0), &AtomicBool::new(false)).unwrap()
    }

    fn chunks<'a>(plan: &'a [PlanFile], path: &str) -> &'a [Chunk] {
        &plan.iter().find(|f| f.path.as_str() == path).unwrap().chunks
    }

    #[test]
    fn an_update_keeps_the_blobs_of_what_did_not_change() {
        let tmp = tempfile::tempdir().unwrap();
        let big: Vec<u8> = (0..3 * CHUNK_LEN + 5).map(|i| (i / 7) as u8).collect();
        std::fs::write(tmp.path().join("big"), &big).unwrap();
        for i in 0..10_u8 {
            std::fs::write(tmp.path().join(format!("small {i}")), vec![i; 1000]).unwrap();
        }
        let first = sealed(tmp.path(), &[]);
        assert_eq!(sealed(tmp.path(), &first).iter().map(|f| f.chunks.clone()).collect::<Vec<_>>(), {
            first.iter().map(|f| f.chunks.clone()).collect::<Vec<_>>()
        });
        // One byte in the second chunk, one new small file, one gone.
        let mut other = big.clone();
        other[CHUNK_LEN + 1] ^= 1;
        std::fs::write(tmp.path().join("big"), &other).unwrap();
        std::fs::write(tmp.path().join("a new one"), b"new").unwrap();
        let second = sealed(tmp.path(), &first);
        let (was, is) = (chunks(&first, "big"), chunks(&second, "big"));
        assert_eq!((&was[0], &was[2], &was[3]), (&is[0], &is[2], &is[3]));
        assert_ne!(was[1].blob, is[1].blob);
        assert_ne!(was[1].key.key, is[1].key.key, "other bytes under an old key betray both versions");
        assert_eq!(chunks(&first, "small 3"), chunks(&second, "small 3"), "the pack is as it was");
        assert_eq!(chunks(&second, "a new one").len(), 1);
        // A pack that lost a file is cut anew, all of it under a new key.
        std::fs::remove_file(tmp.path().join("small 4")).unwrap();
        let third = sealed(tmp.path(), &second);
        assert_ne!(chunks(&second, "small 3")[0].key.key, chunks(&third, "small 3")[0].key.key);
        assert_eq!(chunks(&second, "big"), chunks(&third, "big"));
    }

    #[test]
    fn a_thousand_small_files_take_few_blobs_and_every_byte_is_named_once() {
        let tmp = tempfile::tempdir().unwrap();
        for i in 0..300 {
            std::fs::write(tmp.path().join(format!("{i}")), vec![1; 10_000]).unwrap();
        }
        std::fs::write(tmp.path().join("empty"), b"").unwrap();
        let plan = sealed(tmp.path(), &[]);
        let blobs: HashSet<BlobId> = plan.iter().flat_map(|f| f.chunks.iter().map(|c| c.blob)).collect();
        assert_eq!(blobs.len(), 3);
        let mut spans: HashMap<BlobId, Vec<(u32, u32)>> = HashMap::new();
        for chunk in plan.iter().flat_map(|f| &f.chunks) {
            spans.entry(chunk.blob).or_default().push((chunk.offset, chunk.len));
        }
        for spans in spans.values_mut() {
            spans.sort_unstable();
            assert!(spans.windows(2).all(|w| w[0].0 + w[0].1 == w[1].0), "pieces lie side by side");
        }
        assert!(chunks(&plan, "empty").is_empty());
    }

    #[test]
    fn a_file_that_changes_while_it_is_read_fails_and_is_named() {
        let tmp = tempfile::tempdir().unwrap();
        std::fs::write(tmp.path().join("a"), vec![1; 10]).unwrap();
        std::fs::write(tmp.path().join("b"), vec![1; 10]).unwrap();
        let seen = scan(&[tmp.path().to_path_buf()], &Own::default()).unwrap();
        std::fs::write(tmp.path().join("b"), vec![1; 11]).unwrap();
        let error = seal(&seen, &[], &AtomicU64::new(0), &AtomicBool::new(false)).unwrap_err();
        assert_eq!(error.code, Code::SourceChanged);
        assert!(error.message.contains("/b changed"), "{}", error.message);
        std::fs::remove_file(tmp.path().join("b")).unwrap();
        let error = seal(&seen, &[], &AtomicU64::new(0), &AtomicBool::new(false)).unwrap_err();
        assert_eq!(error.code, Code::SourceChanged);
        assert_eq!(
            seal(&seen, &[], &AtomicU64::new(0), &AtomicBool::new(true)).unwrap_err().code,
            Code::Cancelled,
            "a cancelled publication says so"
        );
    }
}
