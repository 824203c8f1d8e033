//! DHT nodes of other makers on loopback: npm's `bittorrent-dht` and libtorrent.
//!
//! `mainline` nodes answer only each other, so a network of them proves nothing about interoperation. `cargo xtask test`
//! installs the foreign ones into `.xtask/foreign` (or the folder that `MEGATORRENT_FOREIGN` names).

use anyhow::{Context, Result, bail};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};

/// Who made the nodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Maker {
    /// npm's `bittorrent-dht`, on Node.js.
    BittorrentDht,
    /// libtorrent, through its Python binding.
    Libtorrent,
}

/// Running nodes; they end when this is dropped.
pub struct ForeignDht {
    process: Child,
    stdin: Option<ChildStdin>,
    nodes: Vec<String>,
}

impl ForeignDht {
    /// Starts `count` nodes that know each other (blocking, some seconds).
    pub fn start(maker: Maker, count: usize) -> Result<Self> {
        let (home, scripts) = (home(), workspace().join("tests/foreign/dht"));
        let mut command = match maker {
            Maker::BittorrentDht => {
                let mut node = Command::new("node");
                node.arg(scripts.join("bittorrent-dht.mjs")).arg(&home);
                node
            }
            Maker::Libtorrent => {
                let mut python = Command::new(home.join("venv/bin/python"));
                python.arg(scripts.join("libtorrent_dht.py"));
                python
            }
        };
        command.arg(count.to_string()).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut process = command.spawn().with_context(|| {
            format!("{maker:?} did not start from {}; `cargo xtask test` installs it there", home.display())
        })?;
        let stdin = process.stdin.take();
        let stdout = process.stdout.take();
        let mut started = Self { process, stdin, nodes: Vec::new() };
        let mut line = String::new();
        if let Some(stdout) = stdout {
            BufReader::new(stdout).read_line(&mut line)?;
        }
        if line.is_empty() {
            bail!("{maker:?} ended without a word; `cargo xtask test` installs it into {}", home.display());
        }
        started.nodes = serde_json::from_str(&line).with_context(|| format!("{maker:?} said {line:?}"))?;
        Ok(started)
    }

    /// Addresses to join by, `host:port`.
    pub fn bootstrap(&self) -> Vec<String> {
        self.nodes.clone()
    }
}

impl Drop for ForeignDht {
    fn drop(&mut self) {
        // Its standard input closes: the script's own end. The kill is for one that hangs.
        self.stdin = None;
        let _ended_already = self.process.kill();
        let _reaped = self.process.wait();
    }
}

fn workspace() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

fn home() -> PathBuf {
    std::env::var_os("MEGATORRENT_FOREIGN").map_or_else(|| workspace().join(".xtask/foreign"), PathBuf::from)
}
