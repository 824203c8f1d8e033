//! The best that the same libraries can do: the same bytes through the same ciphers and hashes, and nothing else.

use anyhow::{Context, Result, anyhow, ensure};
use protocol::frame::Opener;
use protocol::handshake::Handshake;
use protocol::session::Role;
use protocol::{BlobKey, VerifiedBlob, blob};
use std::fs::File;
use std::io::{IoSlice, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

const CHUNK: usize = protocol::params::CHUNK_LEN;
const BLOB: usize = protocol::params::BLOB_LEN;
/// Bytes of a blob in one frame between two of our nodes (E5).
const PIECE: usize = 64 << 10;

fn key() -> Result<BlobKey> {
    let mut key = BlobKey { key: [0; 32], nonce: [0; 12] };
    getrandom::fill(&mut key.key).map_err(|e| anyhow!("{e}"))?;
    getrandom::fill(&mut key.nonce).map_err(|e| anyhow!("{e}"))?;
    Ok(key)
}

/// Reads chunk `n` into a buffer with room for its tag.
fn read(file: &File, n: u64, mut buf: Vec<u8>) -> Result<Vec<u8>> {
    buf.clear();
    buf.resize(CHUNK, 0);
    let mut at = 0;
    while at < CHUNK {
        match file.read_at(&mut buf[at..], n * CHUNK as u64 + at as u64)? {
            0 => break,
            got => at += got,
        }
    }
    buf.truncate(at);
    Ok(buf)
}

fn chunks(path: &Path) -> Result<u64> {
    Ok(std::fs::metadata(path)?.len().div_ceil(CHUNK as u64))
}

/// Every chunk read, sealed under a random key and hashed, two at a time, on this many threads.
pub(crate) fn publish(path: &Path, threads: usize) -> Result<Duration> {
    let (file, chunks, next) = (File::open(path)?, chunks(path)?, AtomicU64::new(0));
    let begun = Instant::now();
    std::thread::scope(|scope| {
        let work = || -> Result<()> {
            let [mut one, mut two] = [Vec::with_capacity(BLOB), Vec::with_capacity(BLOB)];
            loop {
                let n = next.fetch_add(2, Ordering::Relaxed);
                if n + 1 < chunks {
                    let both = [(read(&file, n, one)?, &key()?), (read(&file, n + 1, two)?, &key()?)];
                    [one, two] = blob::seal_two(both).map(VerifiedBlob::into_bytes);
                } else {
                    if n < chunks {
                        blob::seal(read(&file, n, one)?, &key()?);
                    }
                    return Ok(());
                }
            }
        };
        let threads: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        threads.into_iter().try_for_each(|thread| thread.join().map_err(|_| anyhow!("a thread panicked"))?)
    })?;
    Ok(begun.elapsed())
}

/// Header and body in one system call, when the kernel takes both.
fn write_both(stream: &mut TcpStream, header: &[u8], body: &[u8]) -> Result<()> {
    let sent = stream.write_vectored(&[IoSlice::new(header), IoSlice::new(body)])?;
    stream.write_all(header.get(sent..).unwrap_or_default())?;
    Ok(stream.write_all(&body[sent.saturating_sub(header.len())..])?)
}

/// Bytes through a connection on loopback, and nothing done with them.
pub(crate) fn loopback(size: u64) -> Result<Duration> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    let begun = Instant::now();
    std::thread::scope(|scope| {
        let sending = scope.spawn(move || -> Result<()> {
            let (mut stream, _) = listener.accept()?;
            let buf = vec![7; CHUNK];
            let mut left = size;
            while left > 0 {
                let step = usize::try_from(left).unwrap_or(CHUNK).min(CHUNK);
                stream.write_all(&buf[..step])?;
                left -= step as u64;
            }
            Ok(())
        });
        let mut stream = TcpStream::connect(address)?;
        let (mut buf, mut got) = (vec![0; CHUNK], 0);
        loop {
            match stream.read(&mut buf)? {
                0 => break,
                n => got += n as u64,
            }
        }
        ensure!(got == size, "{got} bytes of {size}");
        sending.join().map_err(|_| anyhow!("the sender panicked"))?
    })?;
    Ok(begun.elapsed())
}

/// What both sides of a fetch must do, one thread each: read, seal, hash, compare, frame, send; receive, open, hash, compare,
/// open, write, sync as our finished download is synced.
pub(crate) fn fetch(source: &Path, target: &Path) -> Result<Duration> {
    let (file, chunks) = (File::open(source)?, chunks(source)?);
    let key = key()?;
    // The names are known beforehand: they stand in the list.
    let mut names = Vec::new();
    for n in 0..chunks {
        names.push(blob::seal(read(&file, n, Vec::with_capacity(BLOB))?, &key).id());
    }
    let length = file.metadata()?.len();
    let (sender_key, receiver_key) = (key.clone(), key);
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    let (ours, theirs) = (Handshake::new(Role::Acceptor, [1; 32]), Handshake::new(Role::Dialler, [2; 32]));
    let (at_acceptor, at_dialler) = (theirs.public(), ours.public());
    let (mut sealer, ..) = ours.finish(at_acceptor)?;
    let (_, mut opener, _) = theirs.finish(at_dialler)?;
    let begun = Instant::now();
    std::thread::scope(|scope| {
        let names = &names;
        let sending = scope.spawn(move || -> Result<()> {
            let (mut stream, _) = listener.accept()?;
            stream.set_nodelay(true)?;
            let mut frame = Vec::with_capacity(PIECE + 64);
            let [mut one, mut two] = [Vec::with_capacity(BLOB), Vec::with_capacity(BLOB)];
            for n in (0..names.len()).step_by(2) {
                let both = [(read(&file, n as u64, one)?, &sender_key), (read(&file, n as u64 + 1, two)?, &sender_key)];
                let both = blob::seal_two(both);
                for (sealed, name) in both.iter().zip(&names[n..]) {
                    ensure!(sealed.id() == *name, "the file changed");
                    for piece in sealed.bytes().chunks(PIECE) {
                        frame.clear();
                        frame.push(3);
                        frame.extend_from_slice(piece);
                        let header = sealer.seal_in_place(&mut frame);
                        write_both(&mut stream, &header, &frame)?;
                    }
                }
                [one, two] = both.map(VerifiedBlob::into_bytes);
            }
            Ok(())
        });
        let mut stream = TcpStream::connect(address)?;
        let out = File::create(target)?;
        let mut frame = Vec::new();
        let mut receive = |mut into: Vec<u8>| -> Result<Vec<u8>> {
            into.clear();
            while into.len() < BLOB {
                let mut header = [0; 4];
                stream.read_exact(&mut header)?;
                let n = Opener::length(header, 1 + BLOB + 16)?;
                frame.resize(n, 0);
                stream.read_exact(&mut frame)?;
                into.extend_from_slice(&opener.open(&mut frame)?[1..]);
            }
            Ok(into)
        };
        let open = |n: usize, verified: Result<VerifiedBlob, Vec<u8>>| -> Result<Vec<u8>> {
            let plain = blob::open(verified.ok().context("a wrong blob")?, &receiver_key)?;
            let at = n as u64 * CHUNK as u64;
            let used = usize::try_from((length - at).min(CHUNK as u64))?;
            out.write_all_at(&plain[..used], at)?;
            Ok(plain)
        };
        let [mut one, mut two] = [Vec::with_capacity(BLOB), Vec::with_capacity(BLOB)];
        for (n, pair) in names.chunks(2).enumerate() {
            one = receive(one)?;
            match pair {
                [first, second] => {
                    two = receive(two)?;
                    let [a, b] = VerifiedBlob::verify_two([(*first, one), (*second, two)]);
                    (one, two) = (open(2 * n, a)?, open(2 * n + 1, b)?);
                }
                _ => one = open(2 * n, VerifiedBlob::verify(pair[0], one))?,
            }
        }
        out.sync_data()?;
        sending.join().map_err(|_| anyhow!("the sender panicked"))?
    })?;
    let took = begun.elapsed();
    std::fs::remove_file(target)?;
    Ok(took)
}
