//! The program itself, in processes of its own, asked as a person asks it.

use super::report::{Figure, Goal};
use super::rivals::{Field, Run};
use super::usage;
use anyhow::{Context, Result, ensure};
use megatorrent_tests::folder;
use megatorrent_tests::people::{publish, text, until};
use megatorrent_tests::process::{Daemon, Home};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// No command of a measurement takes longer, however busy the machine is.
pub(crate) const PATIENCE: Duration = Duration::from_secs(1200);
/// Most bytes that a node may hold, on either side, however large the file is.
const MEMORY_MAX: f64 = 100e6;
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
    /// The seeder is the author, who makes every blob anew from the file.
    pub(crate) fn start(scratch: &Path, source: &Path) -> Result<Self> {
        let seeder = Author::start(scratch)?;
        let published = publish(&seeder.home, source, &[])?;
        Self::beside(scratch, source, seeder, &published)
    }

    /// The seeder is a follower that keeps the channel encrypted: it reads every blob from its store. The author is gone.
    pub(crate) fn start_stored(scratch: &Path, source: &Path) -> Result<Self> {
        let author = Author::start(scratch)?;
        let published = publish(&author.home, source, &[])?;
        let mut home = Home::within(scratch, "keeper", &[])?;
        home.be_patient(PATIENCE);
        let node = home.daemon_with(["--peer", author.node.address()])?;
        let keeper = Author { home, node };
        follow(&keeper.home, &published)?;
        keeper.home.ask(["rule", "Bench", "--encrypted", "on"])?;
        keeper.home.ask(["get", &named(&published)?])?;
        author.stop()?;
        Self::beside(scratch, source, keeper, &published)
    }

    fn beside(scratch: &Path, source: &Path, seeder: Author, published: &Value) -> Result<Self> {
        let mut fetcher = Home::within(scratch, "fetcher", &[])?;
        fetcher.be_patient(PATIENCE);
        let node = fetcher.daemon_with(["--peer", seeder.node.address()])?;
        follow(&fetcher, published)?;
        Ok(Self { seeder, fetcher, node, item: named(published)?, source: source.to_owned() })
    }

    /// The time of the whole command, from its start to its end; then what came is compared and removed.
    pub(crate) fn fetch(&mut self) -> Result<Duration> {
        let took = self.get()?;
        folder::compare_files(&self.source, &self.target()?)?;
        self.fetcher.ask(["remove", &self.item, "--delete"])?;
        Ok(took)
    }

    /// The same once, with what it costs; what came stays.
    pub(crate) fn fetch_measured(&mut self, field: &Field<'_>) -> Result<Run> {
        let both = [self.seeder.node.id(), self.node.id()];
        let spent = || Ok::<f64, anyhow::Error>(usage::cpu(both[0])? + usage::cpu(both[1])? + usage::cpu_of_ended()?);
        let before = spent()?;
        let took = self.get()?;
        let cpu = spent()? - before;
        let peaks = [usage::memory(both[0], "VmHWM")?, usage::memory(both[1], "VmHWM")?];
        let disk = field.disk(&self.target()?, [self.seeder.home.path(), self.fetcher.path()])?;
        Ok(Run { took, cpu, peaks: Some(peaks), disk: Some(disk) })
    }

    fn get(&self) -> Result<Duration> {
        let dir = self.fetcher.path().join("out");
        let begun = Instant::now();
        let got = self.fetcher.ask(["get".as_ref(), self.item.as_ref(), "-o".as_ref(), dir.as_os_str()])?;
        let took = begun.elapsed();
        ensure!(got["items"][0]["state"] == "complete", "not complete: {got}");
        Ok(took)
    }

    fn target(&self) -> Result<PathBuf> {
        Ok(self.fetcher.path().join("out").join(self.source.file_name().context("a file name")?))
    }

    pub(crate) fn stop(self) -> Result<()> {
        self.node.stop(&self.fetcher)?;
        self.seeder.stop()
    }
}

/// Follows a channel, and waits for its list; nothing is fetched by itself.
fn follow(home: &Home, published: &Value) -> Result<()> {
    home.ask(["subscribe", &text(published, "link")?, "--fetch", "none"])?;
    until(home, &["channels"], "the list", |all| (all[0]["items"] == 1).then_some(()))
}

/// The published item, as commands name it.
fn named(published: &Value) -> Result<String> {
    Ok(format!("Bench/{}", text(published, "item")?))
}

/// Many fetchers of one seeder at once: seconds from the first command's start to the last one's end.
pub(crate) fn crowd(scratch: &Path, source: &Path, count: usize) -> Result<Duration> {
    let seeder = Author::start(scratch)?;
    let published = publish(&seeder.home, source, &[])?;
    let mut fetchers = Vec::new();
    for n in 0..count {
        let mut home = Home::within(scratch, &format!("fetcher-{n}"), &[])?;
        home.be_patient(PATIENCE);
        let node = home.daemon_with(["--peer", seeder.node.address()])?;
        follow(&home, &published)?;
        fetchers.push((home, node));
    }
    let item = named(&published)?;
    let begun = Instant::now();
    let took = std::thread::scope(|scope| {
        let fetch = |home: &Home| -> Result<()> {
            let out = home.path().join("out");
            let got = home.ask(["get".as_ref(), item.as_ref(), "-o".as_ref(), out.as_os_str()])?;
            ensure!(got["items"][0]["state"] == "complete", "not complete: {got}");
            Ok(())
        };
        let all: Vec<_> = fetchers.iter().map(|(home, _)| scope.spawn(move || fetch(home))).collect();
        all.into_iter().try_for_each(|one| one.join().map_err(|_| anyhow::anyhow!("a thread panicked"))?)?;
        Ok::<Duration, anyhow::Error>(begun.elapsed())
    })?;
    let name = source.file_name().context("a file name")?;
    for (home, node) in fetchers {
        folder::compare_files(source, &home.path().join("out").join(name))?;
        node.stop(&home)?;
    }
    seeder.stop()?;
    Ok(took)
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
