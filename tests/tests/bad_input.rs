//! Bad input against the real program: a clear error each, nothing lost, no crash.
//!
//! Every test runs real node processes; what is hostile comes from [`megatorrent_tests::hostile`] and the independent
//! v5 peer. Where a lower room proves an item better (session limits, path rules), its own tests do so as well.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on says so by panicking")]

#[cfg(target_os = "linux")]
#[path = "bad_input/authors.rs"]
mod authors;
#[cfg(target_os = "linux")]
#[path = "bad_input/callers.rs"]
mod callers;
#[path = "bad_input/content.rs"]
mod content;
#[cfg(target_os = "linux")]
#[path = "bad_input/disk.rs"]
mod disk;
#[cfg(target_os = "linux")]
#[path = "bad_input/drafts.rs"]
mod drafts;
#[path = "bad_input/floods.rs"]
mod floods;
#[path = "bad_input/liars.rs"]
mod liars;
#[path = "bad_input/links.rs"]
mod links;
#[path = "bad_input/local.rs"]
mod local;
#[path = "bad_input/manifests.rs"]
mod manifests;
#[path = "bad_input/midway.rs"]
mod midway;
#[path = "bad_input/network.rs"]
mod network;
#[path = "bad_input/paths.rs"]
mod paths;
#[path = "bad_input/peers.rs"]
mod peers;
#[cfg(target_os = "linux")]
#[path = "bad_input/publishing.rs"]
mod publishing;
#[path = "bad_input/source.rs"]
mod source;

use megatorrent_tests::hostile;
use megatorrent_tests::process::{Answer, Daemon, Home, Watch};
use megatorrent_tests::v5::{self, author::Author};
use serde_json::Value;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

/// A follower of one v5 author's channel: a daemon without DHT that knows these TCP peers.
struct Scene {
    author: Author,
    home: Home,
    daemon: Daemon,
    node: SocketAddr,
}

impl Scene {
    fn new(name: &str, seed: u8, peers: &[SocketAddr]) -> Self {
        let scene = Self::unsubscribed(name, seed, peers);
        scene.home.ask(["subscribe", &scene.author.link()]).unwrap();
        scene
    }

    fn unsubscribed(name: &str, seed: u8, peers: &[SocketAddr]) -> Self {
        let home = Home::new(name, &[]).unwrap();
        let args: Vec<String> = peers.iter().flat_map(|peer| ["--peer".into(), peer.to_string()]).collect();
        let daemon = home.daemon_with(args).unwrap();
        let node = daemon.address().parse().unwrap();
        home.ask(["set", "download-dir", home.downloads().to_str().unwrap()]).unwrap();
        Self { author: Author::new([seed; 32]), home, daemon, node }
    }

    fn watch(&self) -> Watch {
        self.daemon.watch(&self.home).unwrap()
    }

    /// The channel as the node sees it now.
    fn channel(&self) -> Value {
        let channels = self.home.ask(["channels"]).unwrap();
        let key = self.author.channel();
        channels.as_array().unwrap().iter().find(|c| c["key"] == key.as_str()).expect("the channel is followed").clone()
    }

    fn sequence(&self) -> u64 {
        self.channel()["sequence"].as_u64().unwrap()
    }

    /// Pushes a well signed manifest around this `collections`, and waits until its list was read.
    fn publish(&self, watch: &mut Watch, collections: &str, sequence: u64) {
        self.push(&self.author.sign_public(collections, sequence), sequence);
        let read = |event: &Value| self.is_channel(event, sequence) && event["data"]["listed"] == sequence;
        watch.until("the list", |event| read(event).then_some(())).unwrap();
    }

    fn is_channel(&self, event: &Value, sequence: u64) -> bool {
        event["event"] == "channel"
            && event["data"]["key"] == self.author.channel().as_str()
            && event["data"]["sequence"] == sequence
    }

    fn push(&self, json: &str, sequence: u64) -> bool {
        hostile::push(self.node, &self.author, json, sequence).unwrap()
    }

    /// Stops the daemon in order: whatever came in, it neither crashed nor hangs.
    fn end(self) {
        let log = self.daemon.log();
        assert!(!log.contains("panicked"), "{log}");
        self.daemon.stop(&self.home).unwrap();
    }
}

/// Says that it is over, also when the test fails: the threads beside it must end.
struct Over<'a>(&'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

/// A refusal with this exit code and error code, in words that hold all of `words`; gives back the message.
fn refused(answer: &Answer, exit: i32, code: &str, words: &[&str]) -> String {
    assert_eq!((answer.code, answer.error_code().as_deref()), (Some(exit), Some(code)), "{answer:?}");
    let line = answer.stderr.lines().rev().find(|line| line.starts_with('{')).unwrap();
    let error: Value = serde_json::from_str(line).unwrap();
    let message = error["error"]["message"].as_str().unwrap().to_owned();
    for word in words {
        assert!(message.contains(word), "{message:?} does not say {word:?}");
    }
    assert!(!message.contains('!') && !message.to_lowercase().contains("please"), "{message}");
    message
}

/// Names of all files below a folder, relative, in order.
fn files(folder: &Path) -> Vec<String> {
    let found = megatorrent_tests::folder::files(folder).unwrap();
    found.into_iter().map(|path| path.to_string_lossy().into_owned()).collect()
}

/// The one v5-shaped file's blobs, read from the manifest that the node shows.
fn blobs(node: SocketAddr, channel: &str) -> Vec<String> {
    let mut wire = v5::Wire::dial(node).unwrap();
    wire.send(v5::HELLO, &hostile::hello(channel, 0)).unwrap();
    loop {
        let message = wire.receive().unwrap();
        if message.kind == hostile::MANIFEST {
            let manifest = String::from_utf8(message.payload[68..].to_vec()).unwrap();
            let files = v5::author::read(&manifest, channel, None).unwrap();
            return files[0].chunks.iter().map(|chunk| chunk.id.clone()).collect();
        }
    }
}
