//! What whole-process tests say often: content to publish, a question asked until its answer is right, and a channel
//! that only a plain v5 peer serves.

use crate::process::{Answer, Home, Killed, PATIENCE, collect};
use crate::v5::{self, Blob, Server};
use anyhow::{Context, Result, bail};
use data_encoding::HEXLOWER;
use protocol::body::Collection;
use protocol::{
    BlobId, BlobKey, Body, Chunk, Content, FileEntry, Identity, Item, ItemId, Payload, SafePath, SignedManifest, Tree,
};
use serde_json::Value;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Between two questions of [`until`].
const AGAIN: Duration = Duration::from_millis(100);

/// A folder below a person's home with these files: path and bytes. The content depends on the names alone.
///
/// # Errors
/// A file cannot be written.
pub fn folder(home: &Home, name: &str, files: &[(&str, u64)]) -> Result<PathBuf> {
    let root = home.path().join(name);
    for (path, len) in files {
        let seed = path.bytes().fold(*len, |seed, byte| seed.wrapping_mul(31).wrapping_add(u64::from(byte)));
        crate::folder::write(&root.join(path), *len, seed)?;
    }
    Ok(root)
}

/// Makes an identity of the person's name and publishes a folder with it.
///
/// # Errors
/// A command failed.
pub fn publish(home: &Home, path: &Path, more: &[&str]) -> Result<Value> {
    if home.ask(["id", "list"])?.as_array().is_none_or(Vec::is_empty) {
        home.ask(["id", "new", "Tidewater"])?;
    }
    let mut args = vec!["publish".into(), path.as_os_str().to_owned()];
    args.extend(more.iter().map(Into::into));
    home.ask(args)
}

/// Asks the same again and again until `pick` finds what it wants in the answer.
///
/// # Errors
/// A command failed, or the answer was not right within [`PATIENCE`].
pub fn until<T>(home: &Home, args: &[&str], what: &str, mut pick: impl FnMut(&Value) -> Option<T>) -> Result<T> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let answer = home.ask(args)?;
        if let Some(found) = pick(&answer) {
            return Ok(found);
        }
        if Instant::now() > deadline {
            bail!("{what} was not so in time; the last answer: {answer}");
        }
        std::thread::sleep(AGAIN);
    }
}

/// An address from which a file of an item can be played: what the command line does not know, so the node is asked at
/// its socket.
///
/// # Errors
/// It refuses.
#[cfg(unix)]
pub fn play_address(home: &Home, item: &str, path: &str) -> Result<String> {
    let mut stream = std::os::unix::net::UnixStream::connect(home.data().join("node.sock"))?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let params = serde_json::json!({"item": item, "path": path});
    let request = serde_json::json!({"jsonrpc": "2.0", "id": 1, "method": "play", "params": params});
    stream.write_all(format!("{request}\n").as_bytes())?;
    let mut answer = String::new();
    std::io::BufRead::read_line(&mut std::io::BufReader::new(stream), &mut answer)?;
    let answer: Value = serde_json::from_str(&answer)?;
    let url = answer["result"]["value"]["url"].as_str();
    Ok(url.with_context(|| format!("no address to play from: {answer}"))?.to_owned())
}

/// A member that is a text.
///
/// # Errors
/// It is none.
pub fn text(value: &Value, member: &str) -> Result<String> {
    let text = value[member].as_str().with_context(|| format!("no text {member:?} in {value}"))?;
    Ok(text.to_owned())
}

/// Runs a command that reads this from its standard input.
///
/// # Errors
/// It does not start or does not end.
pub fn feed(mut command: Command, input: &str) -> Result<Answer> {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = Killed(command.spawn()?);
    child.0.stdin.take().context("no pipe")?.write_all(input.as_bytes())?;
    Ok(collect(child, PATIENCE)?.into())
}

/// Sends a signal, by its name without SIG.
///
/// # Errors
/// There is no such process or no `kill`.
pub fn signal(process: u32, name: &str) -> Result<()> {
    let status = Command::new("kill").arg(format!("-{name}")).arg(process.to_string()).status()?;
    if !status.success() {
        bail!("kill -{name} {process} ended with {status}");
    }
    Ok(())
}

/// A channel whose blobs v5 peers hold, with a list too long for a v5 manifest: one folder item of several blobs.
pub struct Shelf {
    /// Its author, who signs what goes to the DHT.
    pub author: v5::author::Author,
    /// The manifest's JSON.
    pub manifest: String,
    /// Its sequence.
    pub sequence: u64,
    /// The list.
    pub body: Blob,
    /// The files' blobs, in order.
    pub content: Vec<Blob>,
    /// The item's ID, hex.
    pub item: String,
    /// The files: name and bytes.
    pub files: Vec<(String, Vec<u8>)>,
}

impl Shelf {
    /// A folder called `title` of `count` files of one blob each, true noise behind the bytes as v5 writes it.
    ///
    /// # Errors
    /// The system gives no random bytes.
    pub fn new(seed: [u8; 32], title: &str, count: u8) -> Result<Self> {
        let file = |n: u8| (format!("part {n:03}.bin"), (0..1_000_000_u32).map(|i| (i / 251 + i) as u8 ^ n).collect());
        Self::of(seed, ["Shelf", title, ""], (0..count).map(file).collect())
    }

    /// As [`Self::new`] of these files, each in blobs of a million bytes, with these texts of any kind: the channel's
    /// name, the item's title and its description.
    ///
    /// # Errors
    /// As [`Self::new`], or a path that is none.
    pub fn of(seed: [u8; 32], [name, title, about]: [&str; 3], files: Vec<(String, Vec<u8>)>) -> Result<Self> {
        let sequence = 1_700_000_000_000;
        let (mut content, mut entries) = (Vec::new(), Vec::new());
        for (path, bytes) in &files {
            let mut chunks = Vec::new();
            for part in bytes.chunks(1_000_000) {
                let blob = Blob::seal(part)?;
                let len = u32::try_from(part.len())?;
                chunks.push(Chunk { blob: BlobId(hex(&blob.id)?), key: key(&blob), offset: 0, len });
                content.push(blob);
            }
            entries.push(FileEntry {
                path: SafePath::parse(path)?,
                size: bytes.len() as u64,
                mime: None,
                content: Content::Chunks(chunks),
            });
        }
        let id = ItemId([seed[0]; 16]);
        let item = Item {
            id,
            name: title.to_owned(),
            about: about.to_owned(),
            published: sequence,
            payload: Payload::Folder(entries),
            left_out: Vec::new(),
        };
        let list = Body {
            name: name.into(),
            collections: vec![Collection { title: "Default".into(), items: vec![item], pages: Vec::new() }],
            timestamp: sequence,
            ..Body::default()
        };
        let json = list.to_json();
        let body = Blob::seal(&json)?;
        let tree = Tree { blob: BlobId(hex(&body.id)?), key: key(&body), size: json.len() as u64, depth: 0 };
        let signed = SignedManifest::sign_tree(&Identity::from_seed(&seed), sequence, &tree, sequence);
        let manifest = String::from_utf8(signed.json().to_vec())?;
        let author = v5::author::Author::new(seed);
        Ok(Self { author, manifest, sequence, body, content, item: id.to_string(), files })
    }

    /// Gives a seeder everything.
    pub fn stock(&self, server: &Server) {
        server.hold(&self.body);
        self.content.iter().for_each(|blob| server.hold(blob));
    }

    /// Writes the files as they must arrive.
    ///
    /// # Errors
    /// A file cannot be written.
    pub fn write(&self, root: &Path) -> Result<()> {
        std::fs::create_dir_all(root)?;
        for (name, bytes) in &self.files {
            std::fs::write(root.join(name), bytes)?;
        }
        Ok(())
    }
}

fn hex(id: &str) -> Result<[u8; 32]> {
    let bytes = HEXLOWER.decode(id.as_bytes())?;
    bytes.try_into().ok().context("a blob ID has 32 bytes")
}

fn key(blob: &Blob) -> BlobKey {
    BlobKey { key: blob.key, nonce: blob.nonce }
}
