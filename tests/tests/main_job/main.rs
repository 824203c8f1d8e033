//! The main job in whole processes: every command, seen by its effect, and what nodes do to each other.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a test that cannot go on says so by panicking"
)]

mod alone;
mod channels;
mod daemon;
mod devices;
mod gateway;
mod items;
mod json;
mod sources;
mod v5;
mod waits;

use anyhow::{Context, Result};
use megatorrent_tests::process::{Daemon, Home};
use net::dht::LocalDht;
use serde_json::Value;

/// Enough that a value's nearest nodes are not all of them, few enough to start at once.
const DHT_NODES: usize = 10;

/// A person with a running node. Without a DHT the node knows only who is named to it.
struct Person {
    home: Home,
    node: Daemon,
}

impl Person {
    fn new(name: &str, bootstrap: &[String], peers: &[&Person]) -> Result<Self> {
        let home = home(name, bootstrap)?;
        let node = home.daemon_with(peers.iter().flat_map(|peer| ["--peer", peer.node.address()]))?;
        Ok(Self { home, node })
    }

    fn ask(&self, args: &[&str]) -> Result<Value> {
        self.home.ask(args)
    }

    fn stop(self) -> Result<()> {
        self.node.stop(&self.home)
    }
}

/// A home whose downloads go to its own folder.
fn home(name: &str, bootstrap: &[String]) -> Result<Home> {
    let home = Home::new(name, bootstrap)?;
    home.ask(["set".as_ref(), "download-dir".as_ref(), home.downloads().as_os_str()])?;
    Ok(home)
}

fn dht() -> Result<LocalDht> {
    Ok(LocalDht::start(DHT_NODES)?)
}

/// The one element of a list for which this member has this value.
fn named<'a>(list: &'a Value, member: &str, value: &str) -> Option<&'a Value> {
    list.as_array()?.iter().find(|one| one[member] == value)
}

/// Number of elements.
fn len(list: &Value) -> usize {
    list.as_array().map_or(0, Vec::len)
}

fn number(value: &Value, member: &str) -> Result<u64> {
    value[member].as_u64().with_context(|| format!("no number {member:?} in {value}"))
}
