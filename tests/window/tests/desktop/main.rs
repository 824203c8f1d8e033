//! The real window on a real desktop, used as a person uses it: every flow from first start to quit, with real nodes on
//! the other side, a real keyring, a real session bus, and hands on the mouse.

#![cfg(target_os = "linux")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a test that cannot go on says so by panicking"
)]

mod care;
mod errors;
mod figures;
mod follow;
mod hostile;
mod layout;
mod play;
mod publish;
mod route;
mod screens;
mod settings;
mod vault;
mod web;

use anyhow::{Context, Result};
use megatorrent_tests::people::{self, text};
use megatorrent_tests::process::{self, Daemon, Home, finish};
use megatorrent_window_tests::{Desktop, until};
use serde_json::Value;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Somebody on the other side, with a node that publishes.
struct Author {
    home: Home,
    node: Daemon,
}

impl Author {
    fn new(name: &str) -> Result<Self> {
        let home = Home::new(name, &[])?;
        let node = home.daemon()?;
        Ok(Self { home, node })
    }

    /// Publishes these files as one item and gives back the folder and a link that names this node.
    fn publish(&self, title: &str, files: &[(&str, u64)], more: &[&str]) -> Result<(PathBuf, String)> {
        let folder = people::folder(&self.home, title, files)?;
        let published = people::publish(&self.home, &folder, &[&["--title", title], more].concat())?;
        Ok((folder, format!("{}?bootstrap={}", text(&published, "link")?, self.node.address())))
    }
}

/// Arguments for a node that has no DHT and knows these peers.
fn alone(peers: &[&str]) -> Vec<String> {
    let mut args = joining(&[], peers);
    args.push("--no-dht".to_owned());
    args
}

/// Arguments for a node that joins the DHT by these nodes and knows these peers.
fn joining(bootstrap: &[String], peers: &[&str]) -> Vec<String> {
    let mut args = vec!["--listen".to_owned(), "127.0.0.1:0".to_owned()];
    args.extend(peers.iter().flat_map(|peer| ["--peer".to_owned(), (*peer).to_owned()]));
    args.extend(bootstrap.iter().flat_map(|node| ["--bootstrap".to_owned(), node.clone()]));
    args
}

/// Asks the window's node by the command line, which talks to it over its socket.
fn ask<S: AsRef<OsStr>>(desktop: &Desktop, args: impl IntoIterator<Item = S>) -> Result<Value> {
    let mut command = Command::new(process::program()?);
    desktop.dress(&mut command).arg("--data-dir").arg(desktop.data()).arg("--json").args(args);
    finish(command)?.json()
}

/// Where the window's node listens.
fn address(desktop: &Desktop) -> Result<String> {
    until("the node's address", || {
        let status = ask(desktop, ["status"])?;
        Ok(status["listen"].as_str().map(str::to_owned))
    })
}

/// Fetches a link from the window's node as a stranger does, into `name` in this home.
fn fetch(desktop: &Desktop, stranger: &Home, link: &str, name: &str) -> Result<PathBuf> {
    let into = stranger.path().join(name);
    let peer = address(desktop)?;
    let mut command = stranger.command()?;
    command.arg("--json").args(stranger.network()).args(["--peer", &peer, "get", link, "-o"]).arg(&into);
    finish(command)?.json()?;
    let mut items = std::fs::read_dir(&into)?;
    Ok(items.next().context("nothing was fetched")??.path())
}

/// Where the window puts an item.
fn download(desktop: &Desktop, channel: &str, item: &str) -> PathBuf {
    desktop.home().join("Downloads/Megatorrent").join(channel).join(item)
}

/// Whether some file below a folder holds these bytes; the first one that does.
fn holding(folder: &Path, bytes: &[u8]) -> Result<Option<PathBuf>> {
    for name in megatorrent_tests::folder::files(folder)? {
        // Files come and go while programs run; sockets cannot be read.
        let Ok(content) = std::fs::read(folder.join(&name)) else { continue };
        if content.windows(bytes.len()).any(|window| window == bytes) {
            return Ok(Some(name));
        }
    }
    Ok(None)
}
