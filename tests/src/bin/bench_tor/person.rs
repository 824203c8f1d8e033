//! A person whose node stands behind `Between` and a tor of the private network, and what can be asked of it.

use anyhow::{Context, Result, ensure};
use megatorrent_tests::between::{Between, Change, Dial};
use megatorrent_tests::people::{play_address, text, until};
use megatorrent_tests::process::{Daemon, Home};
use megatorrent_tests::tornet::TorNet;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The port of every node's onion service.
pub(crate) const ONION_PORT: u16 = 6881;
/// No command of a measurement takes longer.
const PATIENCE: Duration = Duration::from_secs(600);

pub(crate) struct Person {
    pub(crate) home: Home,
    pub(crate) node: Daemon,
    pub(crate) between: Between,
    pub(crate) tor: usize,
}

impl Person {
    /// A fresh node, once its way out is there.
    pub(crate) fn start(scratch: &Path, name: &str, tors: &TorNet, tor: usize, change: Arc<Change>) -> Result<Self> {
        let client = tors.client(tor);
        let between = Between::start(client.control()?, client.socks()?, change)?;
        let mut home = Home::within(scratch, name, &[])?;
        home.be_patient(PATIENCE);
        let node = home.daemon_with(["--route", &format!("tor://{}", between.control())])?;
        until(&home, &["status"], "the route up", |status| (status["route"]["state"]["state"] == "up").then_some(()))?;
        Ok(Self { home, node, between, tor })
    }

    /// Follows a channel and waits for its list.
    pub(crate) fn follow(&self, link: &str, more: &[&str]) -> Result<()> {
        let words: Vec<&str> = ["subscribe", link].iter().chain(more).copied().collect();
        self.home.ask(words)?;
        until(&self.home, &["channels"], "the list", |all| (all[0]["items"].as_u64()? > 0).then_some(()))
    }

    /// Fetches an item and removes it again; gives back how long the whole command took.
    pub(crate) fn fetch(&self, item: &str) -> Result<Duration> {
        let folder = self.home.path().join("out");
        let began = Instant::now();
        let got = self.home.ask(["get".as_ref(), item.as_ref(), "-o".as_ref(), folder.as_os_str()])?;
        let took = began.elapsed();
        ensure!(got["items"][0]["state"] == "complete", "not complete: {got}");
        self.home.ask(["remove", item, "--delete"])?;
        Ok(took)
    }

    /// Connections of the node to onion services.
    pub(crate) fn onions(&self) -> Vec<Dial> {
        let ending = format!(".onion:{ONION_PORT}");
        self.between.open().into_iter().filter(|dial| dial.target.ends_with(&ending)).collect()
    }

    /// Plays a file and reads its first bytes as a media element would; gives back how many came.
    pub(crate) fn play(&self, item: &str, path: &str, bytes: usize) -> Result<usize> {
        let url = play_address(&self.home, item, path)?;
        let (host, path) = url.strip_prefix("http://").and_then(|rest| rest.split_once('/')).context("an address")?;
        let mut stream = TcpStream::connect(host)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        let head = format!("GET /{path} HTTP/1.1\r\nHost: {host}\r\nRange: bytes=0-{}\r\n\r\n", bytes - 1);
        stream.write_all(head.as_bytes())?;
        let mut stream = BufReader::new(stream);
        let mut line = String::new();
        stream.read_line(&mut line)?;
        ensure!(line.contains(" 206 "), "the player's server says {line}");
        while !line.trim().is_empty() {
            line.clear();
            stream.read_line(&mut line)?;
        }
        let mut first = vec![0; bytes];
        stream.read_exact(&mut first)?;
        Ok(first.len())
    }

    /// Bytes that its tor moved on the network since it started.
    pub(crate) fn tor_traffic(&self, tors: &TorNet) -> Result<u64> {
        tor_traffic(tors, self.tor)
    }

    pub(crate) fn stop(self) -> Result<()> {
        self.node.stop(&self.home)
    }
}

pub(crate) fn tor_traffic(tors: &TorNet, tor: usize) -> Result<u64> {
    let mut control = tors.client(tor).log_in()?;
    ["traffic/read", "traffic/written"].iter().try_fold(0, |sum, key| {
        let told = control.command(&format!("GETINFO {key}"))?;
        let value = told.first().and_then(|line| line.split_once('=')).context("no count")?.1;
        Ok(sum + value.parse::<u64>()?)
    })
}

/// Makes an identity's channel of one file.
pub(crate) fn publish(author: &Person, file: &Path, title: &str) -> Result<(String, String)> {
    let published = megatorrent_tests::people::publish(&author.home, file, &["--title", title])?;
    let link = text(&published, "link")?;
    ensure!(link.contains(".onion:"), "the link names no way in: {link}");
    Ok((link, text(&published, "item")?))
}
