//! Speed as ratios: what the program reaches of what the same library could do at best on the same cores, in the same run.
//! `cargo xtask bench` builds everything at full optimisation and runs this.
//!
//! Absolute rates say more about a machine's mood than about a program, so each measurement stands beside its ceiling:
//! the two alternate, after one unmeasured round of each, and the medians of both are compared.

mod ceiling;
mod ciphers;
mod product;
mod report;
mod rivals;
mod size;
mod usage;

use anyhow::{Context, Result, bail, ensure};
use report::{Figure, Goal};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

const USAGE: &str = "\
cargo xtask bench [PART…] [OPTION…]

Parts: publish, fetch, stored, crowd, memory, small (default: all of these), --size, --peers
  publish  1 GiB read, sealed and named, against the bare loop
  fetch    1 GiB between two nodes on loopback, against one program that does the work of both on two threads
  stored   the same from a seeder that keeps the channel encrypted
  crowd    a quarter of it to 8 nodes at once, against the time that the processors need at least
  memory   the most that both sides hold at once, for 5 GiB
  small    blobs that 1,000 files of 10 KB become
  ciphers  ChaCha20-Poly1305 and SHA-256 on one core, against OpenSSL's
  --size   100,000 blobs held, a channel of 100,000 items, 50 slow peers at once
  --peers  the same file through rqbit, sendme, libtorrent and aria2, too, which are installed for it

Options:
  --file MIB         file of publish, fetch, stored, crowd and --peers [1024]
  --count N          blobs and items of --size [100000]
  --memory-size MIB  file of memory [5120]
  --rounds N         pairs measured [5]
  --folder DIR       where files are written [the system's folder for temporary files]
  --json             one JSON value on standard output instead of the table
  --check            end with 1 when a goal is missed
";

/// What is to be measured.
struct Plan {
    parts: Vec<String>,
    size: u64,
    memory_size: u64,
    count: u64,
    rounds: usize,
    folder: PathBuf,
    json: bool,
    check: bool,
}

fn main() -> ExitCode {
    if std::env::args().skip(1).any(|arg| arg == "--help" || arg == "-h") {
        report::complain(USAGE);
        return ExitCode::SUCCESS;
    }
    let plan = match plan() {
        Ok(plan) => plan,
        Err(error) => {
            report::complain(&format!("{error:#}\n\n{USAGE}"));
            return ExitCode::from(2);
        }
    };
    match measure(&plan) {
        Ok(figures) => {
            report::print(&figures, plan.json);
            let missed = figures.iter().any(|figure| !figure.met());
            ExitCode::from(u8::from(plan.check && missed))
        }
        Err(error) => {
            report::complain(&format!("The measurement failed: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

fn plan() -> Result<Plan> {
    const MIB: u64 = 1 << 20;
    let mut plan = Plan {
        parts: Vec::new(),
        size: 1024 * MIB,
        memory_size: 5120 * MIB,
        count: 100_000,
        rounds: 5,
        folder: std::env::temp_dir(),
        json: false,
        check: false,
    };
    let mut args = std::env::args().skip(1);
    while let Some(arg) = args.next() {
        let mut value = || args.next().with_context(|| format!("{arg} needs a value"));
        match arg.as_str() {
            "--file" => plan.size = value()?.parse::<u64>()? * MIB,
            "--memory-size" => plan.memory_size = value()?.parse::<u64>()? * MIB,
            "--rounds" => plan.rounds = value()?.parse()?,
            "--folder" => plan.folder = value()?.into(),
            "--json" => plan.json = true,
            "--check" => plan.check = true,
            "--count" => plan.count = value()?.parse()?,
            "--peers" => plan.parts.push("peers".into()),
            "--size" => plan.parts.extend(["holdings", "channel", "slow"].map(str::to_owned)),
            "ciphers" | "holdings" | "channel" | "slow" => plan.parts.push(arg),
            "publish" | "fetch" | "stored" | "crowd" | "memory" | "small" => plan.parts.push(arg),
            _ => bail!("{arg:?} is not known here"),
        }
    }
    ensure!(plan.rounds > 0 && plan.size > 0 && plan.memory_size > 0, "a measurement of nothing");
    if plan.parts.is_empty() {
        plan.parts = ["publish", "fetch", "stored", "crowd", "memory", "small"].map(str::to_owned).to_vec();
    }
    Ok(plan)
}

fn measure(plan: &Plan) -> Result<Vec<Figure>> {
    let scratch = tempfile::Builder::new().prefix("megatorrent-bench-").tempdir_in(&plan.folder)?;
    let mut figures = Vec::new();
    for part in &plan.parts {
        report::complain(&format!("── {part}"));
        match part.as_str() {
            "publish" => figures.push(publish(plan, scratch.path())?),
            "fetch" => figures.push(fetch(plan, scratch.path(), "fetch", product::Pair::start)?),
            "stored" => figures.push(fetch(plan, scratch.path(), "stored", product::Pair::start_stored)?),
            "crowd" => figures.push(crowd(plan, scratch.path())?),
            "ciphers" => figures.extend(ciphers::measure(plan.rounds)?),
            "holdings" => figures.extend(size::holdings(scratch.path(), plan.count)?),
            "channel" => figures.extend(size::channel(scratch.path(), plan.count)?),
            "slow" => figures.extend(size::slow(scratch.path())?),
            "peers" => figures.extend(rivals::measure(plan, scratch.path())?),
            "memory" => figures.extend(product::memory(scratch.path(), plan.memory_size)?),
            _ => figures.push(product::small(scratch.path())?),
        }
    }
    Ok(figures)
}

/// Publishing against the bare loop: read, seal, SHA-256, on every core.
fn publish(plan: &Plan, scratch: &Path) -> Result<Figure> {
    let source = scratch.join("publish.bin");
    megatorrent_tests::folder::write(&source, plan.size, 1)?;
    let mut author = product::Author::start(scratch)?;
    let cores = std::thread::available_parallelism()?.get();
    let (mut ours, mut best) = (Vec::new(), Vec::new());
    for round in 0..=plan.rounds {
        let bare = ceiling::publish(&source, cores)?;
        let took = author.publish(&source)?;
        report::round("publish", round, plan.size, took, bare);
        if round > 0 {
            best.push(bare);
            ours.push(took);
        }
    }
    author.stop()?;
    std::fs::remove_file(&source)?;
    let what = format!("read, seal, SHA-256 of {} MiB on {cores} cores", plan.size >> 20);
    Ok(Figure::rate("publish", &what, plan.size, &ours, &best, Goal::AtLeast(0.9)))
}

/// How a seeder and a fetcher are set up.
type Setting = fn(&Path, &Path) -> Result<product::Pair>;

/// Fetching against one program that does the work of both sides on two threads.
fn fetch(plan: &Plan, scratch: &Path, name: &str, setting: Setting) -> Result<Figure> {
    let source = scratch.join("fetch.bin");
    megatorrent_tests::folder::write(&source, plan.size, 2)?;
    let mut pair = setting(scratch, &source)?;
    let target = scratch.join("ceiling.bin");
    let (mut ours, mut best) = (Vec::new(), Vec::new());
    for round in 0..=plan.rounds {
        let bare = ceiling::fetch(&source, &target)?;
        let took = pair.fetch()?;
        report::round(name, round, plan.size, took, bare);
        if round > 0 {
            best.push(bare);
            ours.push(took);
        }
    }
    pair.stop()?;
    std::fs::remove_file(&source)?;
    let what = format!("both sides' work for {} MiB on two threads, over loopback, to disk", plan.size >> 20);
    Ok(Figure::rate(name, &what, plan.size, &ours, &best, Goal::AtLeast(0.8)))
}

/// Fetchers of [`crowd`].
const CROWD: usize = 8;

/// Many fetchers at once. The least time is what both sides' work takes on all cores, if nothing ever waits: processor
/// seconds of the two-thread program for each fetcher, spread evenly.
fn crowd(plan: &Plan, scratch: &Path) -> Result<Figure> {
    let (source, target) = (scratch.join("crowd.bin"), scratch.join("ceiling.bin"));
    let size = (plan.size / 4).max(1 << 20);
    megatorrent_tests::folder::write(&source, size, 6)?;
    let cores = std::thread::available_parallelism()?.get();
    let (mut ours, mut best) = (Vec::new(), Vec::new());
    for round in 0..=plan.rounds {
        let before = usage::own_cpu()?;
        ceiling::fetch(&source, &target)?;
        let least = Duration::from_secs_f64((usage::own_cpu()? - before) * CROWD as f64 / cores as f64);
        let took = product::crowd(scratch, &source, CROWD)?;
        report::round("crowd", round, size * CROWD as u64, took, least);
        if round > 0 {
            best.push(least);
            ours.push(took);
        }
    }
    std::fs::remove_file(&source)?;
    let what = format!("{} MiB to {CROWD} nodes at once, against the processors' time alone", size >> 20);
    Ok(Figure::rate("crowd", &what, size * CROWD as u64, &ours, &best, Goal::AtLeast(1.0 / 1.3)))
}
