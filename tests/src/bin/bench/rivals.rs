//! Programs that a user would pick instead, and ours, with the same file in the same run.
//!
//! Each round starts a sender and a receiver anew, lets the receiver fetch the file over loopback, and compares what came.
//! The sender is ready before the clock runs (hashes known, listening); the clock runs from the receiver's start, or from
//! the command to our running node, until the whole file lies under its name. They take turns, so that a moment of the
//! machine hits all alike.

mod sendme;
mod torrent;

use super::product::Pair;
use super::report::{self, Figure, Goal, Row};
use super::usage::{self, Peaks};
use super::{Plan, ceiling};
use anyhow::{Context, Result, bail, ensure};
use megatorrent_tests::folder;
use megatorrent_tests::process::Killed;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

/// No program takes longer for one step.
const PATIENCE: Duration = Duration::from_secs(300);
/// Our own name among them.
const OURS: &str = "megatorrent";
/// A gibibyte.
const GIB: f64 = (1_u64 << 30) as f64;

/// What one transfer cost.
pub(crate) struct Run {
    pub(crate) took: Duration,
    /// Processor seconds of both sides.
    pub(crate) cpu: f64,
    /// The most memory held at once, in bytes: sender, receiver. Nothing for a ceiling, which is one program.
    pub(crate) peaks: Option<[u64; 2]>,
    /// Bytes on the disks of both sides, the shared file with them, for each byte shared.
    pub(crate) disk: Option<f64>,
}

/// The file that is shared, and a folder for whoever shares it.
pub(crate) struct Field<'a> {
    pub(crate) source: &'a Path,
    pub(crate) size: u64,
    pub(crate) scratch: &'a Path,
}

impl Field<'_> {
    /// Name of the shared file.
    pub(crate) fn name(&self) -> Result<&std::ffi::OsStr> {
        self.source.file_name().context("a file name")
    }

    /// A new empty folder.
    pub(crate) fn folder(&self, name: &str) -> Result<PathBuf> {
        let folder = self.scratch.join(name);
        if folder.exists() {
            std::fs::remove_dir_all(&folder)?;
        }
        std::fs::create_dir_all(&folder)?;
        Ok(folder)
    }

    /// Compares what came, and weighs what both sides keep; `folders`: of both, without the shared file.
    pub(crate) fn disk(&self, got: &Path, folders: [&Path; 2]) -> Result<f64> {
        folder::compare_files(self.source, got)?;
        let kept = usage::on_disk(folders[0])? + usage::on_disk(folders[1])? + self.size;
        Ok(kept as f64 / (2 * self.size) as f64)
    }
}

/// How a program shares the file once.
type Share<'a> = Box<dyn Fn(&Field<'_>) -> Result<Run> + 'a>;

/// A program that shares a file.
struct Rival<'a> {
    name: &'static str,
    share: Share<'a>,
    runs: Vec<Run>,
}

fn rival<'a>(name: &'static str, share: impl Fn(&Field<'_>) -> Result<Run> + 'a) -> Rival<'a> {
    Rival { name, share: Box::new(share), runs: Vec::new() }
}

/// A child whose standard output and error are read line by line.
pub(crate) struct Talker {
    child: Killed,
    lines: mpsc::Receiver<String>,
    heard: Vec<String>,
}

impl Talker {
    pub(crate) fn start(command: &mut Command) -> Result<Self> {
        let words = format!("{command:?}");
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = Killed(command.spawn().with_context(|| format!("{words} does not start"))?);
        let (sender, lines) = mpsc::channel();
        let (out, err) = (child.0.stdout.take().context("no pipe")?, child.0.stderr.take().context("no pipe")?);
        let errors = sender.clone();
        std::thread::spawn(move || listen(BufReader::new(out), &sender));
        std::thread::spawn(move || listen(BufReader::new(err), &errors));
        Ok(Self { child, lines, heard: vec![words] })
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.0.id()
    }

    /// Waits for a line from which `pick` takes something.
    pub(crate) fn hear<T>(&mut self, what: &str, mut pick: impl FnMut(&str) -> Option<T>) -> Result<T> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            match self.lines.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(line) => {
                    let found = pick(&line);
                    self.heard.push(line);
                    if let Some(found) = found {
                        return Ok(found);
                    }
                }
                Err(_) => bail!("never said {what}: {}", self.heard.join("\n")),
            }
        }
    }

    /// Waits for its end, which must be a good one.
    pub(crate) fn end(mut self) -> Result<()> {
        let deadline = Instant::now() + PATIENCE;
        // Its pipes close with it.
        while let Ok(line) = self.lines.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            self.heard.push(line);
        }
        ensure!(Instant::now() < deadline, "does not end: {}", self.heard.join("\n"));
        let status = self.child.0.wait()?;
        ensure!(status.success(), "ended with {status}: {}", self.heard.join("\n"));
        Ok(())
    }
}

fn listen(mut pipe: impl BufRead, lines: &mpsc::Sender<String>) {
    let mut line = Vec::new();
    // Progress bars end their lines with a carriage return alone, and are no text of anybody: bytes.
    while pipe.read_until(b'\n', &mut line).is_ok_and(|n| n > 0) {
        if lines.send(String::from_utf8_lossy(&line).trim_end().to_owned()).is_err() {
            return;
        }
        line.clear();
    }
}

/// How long a receiver ran and what it and the sender took, when it ends by itself.
pub(crate) fn until_end(sender: u32, receiver: &mut Command) -> Result<Run> {
    let (before, ended) = (usage::cpu(sender)?, usage::cpu_of_ended()?);
    let begun = Instant::now();
    let receiver = Talker::start(receiver)?;
    let both = [sender, receiver.id()];
    let peaks = Peaks::watch(&both);
    receiver.end()?;
    let took = begun.elapsed();
    let cpu = usage::cpu(sender)? - before + usage::cpu_of_ended()? - ended;
    let peaks = peaks.end(&both)?;
    Ok(Run { took, cpu, peaks: Some([peaks[0], peaks[1]]), disk: None })
}

/// The same for one that says a line when it is done, and stays.
pub(crate) fn until_line(sender: u32, receiver: &mut Command, line: &str) -> Result<Run> {
    let before = usage::cpu(sender)?;
    let begun = Instant::now();
    let mut receiver = Talker::start(receiver)?;
    receiver.hear(line, |said| (said == line).then_some(()))?;
    let took = begun.elapsed();
    let cpu = usage::cpu(sender)? - before + usage::cpu(receiver.id())?;
    let peaks = [usage::memory(sender, "VmHWM")?, usage::memory(receiver.id(), "VmHWM")?];
    Ok(Run { took, cpu, peaks: Some(peaks), disk: None })
}

/// Ours, as a person uses it.
fn ours(field: &Field<'_>) -> Result<Run> {
    let scratch = field.folder("megatorrent")?;
    let mut pair = Pair::start(&scratch, field.source)?;
    let run = pair.fetch_measured(field)?;
    pair.stop()?;
    std::fs::remove_dir_all(&scratch)?;
    Ok(run)
}

/// A ceiling: one program, whose processor time is its own.
fn alone(work: impl FnOnce() -> Result<Duration>) -> Result<Run> {
    let before = usage::own_cpu()?;
    let took = work()?;
    Ok(Run { took, cpu: usage::own_cpu()? - before, peaks: None, disk: None })
}

/// Where the programs are that `cargo xtask bench --peers` installs.
fn tools() -> Result<(PathBuf, PathBuf)> {
    let var = |name: &str| {
        std::env::var_os(name).map(PathBuf::from).with_context(|| format!("{name} is not set: use `cargo xtask bench`"))
    };
    Ok((var("MEGATORRENT_RIVALS")?.join("bin"), var("MEGATORRENT_RIVALS_PYTHON")?))
}

/// All of them, in turns; a table, and our rate against each.
pub(crate) fn measure(plan: &Plan, scratch: &Path) -> Result<Vec<Figure>> {
    let (bin, python) = tools()?;
    let source = scratch.join("shared").join("film.bin");
    folder::write(&source, plan.size, 5)?;
    let field = Field { source: &source, size: plan.size, scratch };
    let torrent = torrent::Torrent::make(&field)?;
    let target = scratch.join("ceiling.bin");
    let (python, torrent, bin) = (python.as_path(), &torrent, bin.as_path());
    let mut rivals = [
        rival(OURS, ours),
        rival("loopback TCP", |field| alone(|| ceiling::loopback(field.size))),
        rival("two threads", |field| alone(|| ceiling::fetch(field.source, &target))),
        rival("rqbit", |field| torrent.rqbit(field, &bin.join("rqbit"))),
        rival("sendme", |field| sendme::run(field, &bin.join("sendme"))),
        rival("libtorrent", |field| torrent.libtorrent(field, python, false)),
        rival("libtorrent, encrypted", |field| torrent.libtorrent(field, python, true)),
        rival("aria2", |field| torrent.aria2(field, false)),
        rival("aria2, encrypted", |field| torrent.aria2(field, true)),
    ];
    for round in 0..=plan.rounds {
        for rival in &mut rivals {
            let run = (rival.share)(&field).with_context(|| format!("{}, round {round}", rival.name))?;
            report::one(rival.name, round, plan.size, run.took, run.cpu);
            if round > 0 {
                rival.runs.push(run);
            }
        }
    }
    let rows: Vec<Row> = rivals.iter().map(|rival| row(rival.name, plan.size, &rival.runs)).collect();
    report::table(&rows);
    let rate = |name: &str| rows.iter().find(|row| row.name == name).map(|row| row.rate).context("a rival");
    let mine = rate(OURS)?;
    let what = format!("{} MiB over loopback, medians of {}", plan.size >> 20, plan.rounds);
    let mut figures = Vec::new();
    for (name, goal) in [
        ("rqbit", 1.3),
        ("sendme", 2.0),
        ("libtorrent", 1.0),
        ("libtorrent, encrypted", 2.5),
        ("aria2", 1.0),
        ("aria2, encrypted", 1.0),
        ("two threads", 0.8),
    ] {
        let ratio = mine / rate(name)?;
        figures.push(Figure::number(&format!("against {name}"), &what, ratio, "times its rate", Goal::AtLeast(goal)));
    }
    let disk = rows[0].disk.context("a disk factor")?;
    // Lists, tables and the database beside the file.
    let goal = Goal::AtMost(1.005);
    figures.push(Figure::number("disk", "bytes on both disks for each byte shared", disk, "bytes a byte", goal));
    std::fs::remove_dir_all(scratch.join("shared"))?;
    Ok(figures)
}

fn row(name: &str, size: u64, runs: &[Run]) -> Row {
    let median = |pick: &dyn Fn(&Run) -> f64| report::median(&runs.iter().map(pick).collect::<Vec<_>>());
    let seconds = median(&|run| run.took.as_secs_f64());
    let most = |side: usize| runs.iter().filter_map(|run| Some(run.peaks?[side])).max();
    Row {
        name: name.to_owned(),
        seconds,
        rate: size as f64 / seconds,
        cpu: median(&|run| run.cpu) * GIB / size as f64,
        peaks: most(0).zip(most(1)),
        disk: runs.iter().filter_map(|run| run.disk).max_by(f64::total_cmp),
    }
}
