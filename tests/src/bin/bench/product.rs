//! The program itself, in processes of its own, asked as a person asks it.

use super::report::{Figure, Goal};
use anyhow::{Context, Result, ensure};
use megatorrent_tests::folder;
use megatorrent_tests::people::{publish, text, until};
use megatorrent_tests::process::{Daemon, Home};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// No command of a measurement takes longer, however busy the machine is.
const PATIENCE: Duration = Duration::from_secs(1200);
/// Most bytes that a node may hold, on either side, however large the file is.
const MEMORY_MAX: f64 = 150e6;
/// Most blobs that 1,000 files of 10 KB may become, tables and lists with them.
const SMALL_MAX: f64 = 12.0;

/// An author with a running node, and no network but loopback.
pub(crate) struct Author {
    home: Home,
    node: Daemon,
}

impl Author {
    pub(crate) fn start(scratch: &Path) -> Result<Self> {
        let mut home = Home::within(scratch, "author", &[])?;
        home.be_patient(PATIENCE);
        home.ask(["id", "new", "Bench"])?;
        let node = home.daemon()?;
        Ok(Self { home, node })
    }

    /// The time of the whole command, from its start to its end.
    pub(crate) fn publish(&mut self, path: &Path) -> Result<Duration> {
        let begun = Instant::now();
        let published = publish(&self.home, path, &[])?;
        let took = begun.elapsed();
        ensure!(published["bytes"].as_u64() == Some(std::fs::metadata(path)?.len()), "not all of it: {published}");
        self.home.ask(["unpublish", &text(&published, "item")?])?;
        Ok(took)
    }

    pub(crate) fn stop(self) -> Result<()> {
        self.node.stop(&self.home)
    }
}

/// A seeder and a fetcher that knows it.
pub(crate) struct Pair {
    seeder: Author,
    fetcher: Home,
    node: Daemon,
    item: String,
    source: PathBuf,
}

impl Pair {
    pub(crate) fn start(scratch: &Path, source: &Path) -> Result<Self> {
        let seeder = Author::start(scratch)?;
        let published = publish(&seeder.home, source, &[])?;
        let mut fetcher = Home::within(scratch, "fetcher", &[])?;
        fetcher.be_patient(PATIENCE);
        let node = fetcher.daemon_with(["--peer", seeder.node.address()])?;
        fetcher.ask(["subscribe", &text(&published, "link")?, "--fetch", "none"])?;
        until(&fetcher, &["channels"], "the list", |all| (all[0]["items"] == 1).then_some(()))?;
        let item = format!("Bench/{}", text(&published, "item")?);
        Ok(Self { seeder, fetcher, node, item, source: source.to_owned() })
    }

    /// The time of the whole command, from its start to its end; then what came is compared and removed.
    pub(crate) fn fetch(&mut self) -> Result<Duration> {
        let dir = self.fetcher.path().join("out");
        let begun = Instant::now();
        let got = self.fetcher.ask(["get".as_ref(), self.item.as_ref(), "-o".as_ref(), dir.as_os_str()])?;
        let took = begun.elapsed();
        let name = self.source.file_name().context("a file name")?;
        ensure!(got["items"][0]["state"] == "complete", "not complete: {got}");
        folder::compare_files(&self.source, &dir.join(name))?;
        self.fetcher.ask(["remove", &self.item, "--delete"])?;
        Ok(took)
    }

    pub(crate) fn stop(self) -> Result<()> {
        self.node.stop(&self.fetcher)?;
        self.seeder.stop()
    }
}

/// The most memory that both sides held while a large file was published and fetched.
pub(crate) fn memory(scratch: &Path, size: u64) -> Result<[Figure; 2]> {
    let source = scratch.join("memory.bin");
    folder::write(&source, size, 3)?;
    let mut pair = Pair::start(scratch, &source)?;
    pair.fetch()?;
    let peaks = [pair.seeder.node.peak_memory()?, pair.node.peak_memory()?];
    pair.stop()?;
    std::fs::remove_file(&source)?;
    let what = format!("{} MiB", size >> 20);
    Ok([("publish and seed", peaks[0]), ("fetch", peaks[1])].map(|(side, peak)| {
        Figure::number(&format!("memory: {side}"), &what, peak as f64, "bytes", Goal::AtMost(MEMORY_MAX))
    }))
}

/// Blobs that many small files become.
pub(crate) fn small(scratch: &Path) -> Result<Figure> {
    let author = Author::start(scratch)?;
    let source = scratch.join("small");
    folder::write_many(&source, 1000, 10_000, 4)?;
    publish(&author.home, &source, &[])?;
    let blobs = author.home.ask(["status"])?["blobs"].as_u64().context("blobs")?;
    author.stop()?;
    std::fs::remove_dir_all(&source)?;
    Ok(Figure::number(
        "small files",
        "1,000 × 10 KB, with tables and lists",
        blobs as f64,
        "blobs",
        Goal::AtMost(SMALL_MAX),
    ))
}
