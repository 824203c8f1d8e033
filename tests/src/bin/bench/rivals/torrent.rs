//! BitTorrent clients: rqbit, libtorrent, aria2, all with the same torrent. Nothing but loopback: no DHT, no local
//! discovery, no router; where a client cannot be told a peer, a tracker of ours names it.

use super::{Field, Run, Talker, until_end, until_line};
use anyhow::{Context, Result};
use sha1::{Digest, Sha1};
use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};

/// Bytes of a piece: what makers of torrents choose for a file of a gibibyte.
const PIECE: usize = 1 << 20;
/// Speaks to libtorrent's Python binding.
const LIBTORRENT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/foreign/bench/libtorrent_peer.py");

/// The shared file's torrent, and the tracker that it names.
pub(super) struct Torrent {
    file: PathBuf,
    /// The port of whoever seeds now.
    seeder: Arc<AtomicU16>,
}

impl Torrent {
    pub(super) fn make(field: &Field<'_>) -> Result<Self> {
        let seeder = Arc::new(AtomicU16::new(0));
        let tracker = track(seeder.clone())?;
        let name = field.name()?.to_str().context("a plain name")?;
        let mut pieces = Vec::new();
        let mut source = File::open(field.source)?;
        let mut piece = vec![0; PIECE];
        let mut left = field.size;
        while left > 0 {
            let len = usize::try_from(left).unwrap_or(PIECE).min(PIECE);
            source.read_exact(&mut piece[..len])?;
            pieces.extend_from_slice(&Sha1::digest(&piece[..len]));
            left -= len as u64;
        }
        let url = format!("http://127.0.0.1:{tracker}/announce");
        let mut torrent = Vec::new();
        write!(torrent, "d8:announce{}:{url}4:infod6:lengthi{}e", url.len(), field.size)?;
        write!(torrent, "4:name{}:{name}12:piece lengthi{PIECE}e6:pieces{}:", name.len(), pieces.len())?;
        torrent.extend_from_slice(&pieces);
        torrent.extend_from_slice(b"ee");
        let file = field.scratch.join("film.torrent");
        std::fs::write(&file, torrent)?;
        Ok(Self { file, seeder })
    }

    /// rqbit's command line. `HOME` is a new folder: it keeps notes of what it did.
    pub(super) fn rqbit(&self, field: &Field<'_>, program: &Path) -> Result<Run> {
        let (sending, receiving) = (field.folder("rqbit-sender")?, field.folder("rqbit-receiver")?);
        let port = free_port()?;
        let command = |home: &Path, port: u16, out: &Path| {
            let mut command = Command::new(program);
            command.current_dir(home).env("HOME", home).env("XDG_CACHE_HOME", home.join("cache"));
            command.args(["-v", "info", "--disable-dht", "--disable-upnp-port-forward", "--disable-lsd"]);
            command.args(["--disable-trackers", "--listen-ip", "127.0.0.1", "--listen-port", &port.to_string()]);
            command.args(["download", "--disable-http-api", "--overwrite", "-o"]).arg(out).arg(&self.file);
            command
        };
        let shared = field.source.parent().context("a folder")?;
        let mut sender = Talker::start(&mut command(&sending, port, shared))?;
        sender.hear("that it seeds", |line| {
            (line.contains("100.00%") || line.contains("torrent finished")).then_some(())
        })?;
        let mut receiver = command(&receiving, free_port()?, &receiving);
        receiver.args(["--exit-on-finish", "--initial-peers", &format!("127.0.0.1:{port}")]);
        let run = until_end(sender.id(), &mut receiver)?;
        drop(sender);
        self.finish(field, run, sending, receiving)
    }

    /// libtorrent 2 by its Python binding; `encrypted`: RC4 for everything, as forced encryption is in its clients.
    pub(super) fn libtorrent(&self, field: &Field<'_>, python: &Path, encrypted: bool) -> Result<Run> {
        let (sending, receiving) = (field.folder("libtorrent-sender")?, field.folder("libtorrent-receiver")?);
        let how = if encrypted { "encrypted" } else { "plain" };
        let command = |what: &str, folder: &Path| {
            let mut command = Command::new(python);
            command.arg(LIBTORRENT).args([what, how]).arg(&self.file).arg(folder);
            command
        };
        let shared = field.source.parent().context("a folder")?;
        let mut sender = Talker::start(&mut command("seed", shared))?;
        let port = sender.hear("its port", |line| line.strip_prefix("port ").map(str::to_owned))?;
        let run = until_line(sender.id(), command("fetch", &receiving).arg(port), "done")?;
        drop(sender);
        self.finish(field, run, sending, receiving)
    }

    /// aria2, with the fastest of its ways to allocate files; it hears of the seeder by the tracker.
    pub(super) fn aria2(&self, field: &Field<'_>, encrypted: bool) -> Result<Run> {
        let (sending, receiving) = (field.folder("aria2-sender")?, field.folder("aria2-receiver")?);
        let port = free_port()?;
        let command = |port: u16, folder: &Path| {
            let mut command = Command::new("aria2c");
            command.args(["--no-conf", "--enable-dht=false", "--enable-dht6=false", "--bt-enable-lpd=false"]);
            command.args(["--enable-peer-exchange=false", "--file-allocation=none", "--summary-interval=0"]);
            command.args([format!("--listen-port={port}"), format!("--dir={}", folder.display())]);
            if encrypted {
                command.args(["--bt-require-crypto=true", "--bt-min-crypto-level=arc4"]);
            }
            command
        };
        let shared = field.source.parent().context("a folder")?;
        let mut sender = command(port, shared);
        sender.args(["--seed-ratio=0.0", "--bt-seed-unverified=true", "--console-log-level=notice"]).arg(&self.file);
        let mut sender = Talker::start(&mut sender)?;
        sender.hear("that it listens", |line| line.contains("listening on TCP port").then_some(()))?;
        self.seeder.store(port, Ordering::SeqCst);
        let mut receiver = command(free_port()?, &receiving);
        receiver.args(["--seed-time=0"]).arg(&self.file);
        let run = until_end(sender.id(), &mut receiver)?;
        self.seeder.store(0, Ordering::SeqCst);
        drop(sender);
        self.finish(field, run, sending, receiving)
    }

    fn finish(&self, field: &Field<'_>, mut run: Run, sending: PathBuf, receiving: PathBuf) -> Result<Run> {
        run.disk = Some(field.disk(&receiving.join(field.name()?), [&sending, &receiving])?);
        std::fs::remove_dir_all(sending)?;
        std::fs::remove_dir_all(receiving)?;
        Ok(run)
    }
}

/// A port of loopback that was free a moment ago.
fn free_port() -> Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

/// A tracker that names one peer to whoever asks (BEP 3, BEP 23), for as long as this program runs. Returns its port.
fn track(seeder: Arc<AtomicU16>) -> Result<u16> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let port = listener.local_addr()?.port();
    std::thread::spawn(move || {
        while let Ok((stream, _)) = listener.accept() {
            // Who hangs up early gets no answer and needs none.
            let _ = name_seeder(stream, seeder.load(Ordering::SeqCst));
        }
    });
    Ok(port)
}

fn name_seeder(mut stream: TcpStream, port: u16) -> std::io::Result<()> {
    let mut request = BufReader::new(stream.try_clone()?);
    let mut line = String::new();
    while request.read_line(&mut line)? > 2 {
        line.clear();
    }
    let mut body = b"d8:intervali1800e5:peers".to_vec();
    if port == 0 {
        body.extend_from_slice(b"0:e");
    } else {
        body.extend_from_slice(b"6:\x7f\x00\x00\x01");
        body.extend_from_slice(&port.to_be_bytes());
        body.push(b'e');
    }
    write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len())?;
    stream.write_all(&body)
}
