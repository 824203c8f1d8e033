//! Speed as ratios: what the program reaches of what the same library could do at best on the same cores, in the same run.
//! `cargo xtask bench` builds everything at full optimisation and runs this.
//!
//! Absolute rates say more about a machine's mood than about a program, so each measurement stands beside its ceiling:
//! the two alternate, after one unmeasured round of each, and the medians of both are compared.

mod ceiling;
mod product;
mod report;

use anyhow::{Context, Result, bail, ensure};
use report::{Figure, Goal};
use std::path::PathBuf;
use std::process::ExitCode;

const USAGE: &str = "\
cargo xtask bench [PART…] [OPTION…]

Parts: publish, fetch, memory, small (default: all)
  publish  1 GiB read, sealed and named, against the bare loop
  fetch    1 GiB between two nodes on loopback, against one program that does the work of both on two threads
  memory   the most that both sides hold at once, for 5 GiB
  small    blobs that 1,000 files of 10 KB become

Options:
  --size MIB         file of publish and fetch [1024]
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
    rounds: usize,
    folder: PathBuf,
    json: bool,
    check: bool,
}

fn main() -> ExitCode {
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
        rounds: 5,
        folder: std::env::temp_dir(),
        json: false,
        check: false,
    };
    let mut args = std::env::args().skip(1);
    while let Some(arg) = args.next() {
        let mut value = || args.next().with_context(|| format!("{arg} needs a value"));
        match arg.as_str() {
            "--size" => plan.size = value()?.parse::<u64>()? * MIB,
            "--memory-size" => plan.memory_size = value()?.parse::<u64>()? * MIB,
            "--rounds" => plan.rounds = value()?.parse()?,
            "--folder" => plan.folder = value()?.into(),
            "--json" => plan.json = true,
            "--check" => plan.check = true,
            "publish" | "fetch" | "memory" | "small" => plan.parts.push(arg),
            _ => bail!("{arg:?} is not known here"),
        }
    }
    ensure!(plan.rounds > 0 && plan.size > 0 && plan.memory_size > 0, "a measurement of nothing");
    if plan.parts.is_empty() {
        plan.parts = ["publish", "fetch", "memory", "small"].map(str::to_owned).to_vec();
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
            "fetch" => figures.push(fetch(plan, scratch.path())?),
            "memory" => figures.extend(product::memory(scratch.path(), plan.memory_size)?),
            _ => figures.push(product::small(scratch.path())?),
        }
    }
    Ok(figures)
}

/// Publishing against the bare loop: read, seal, SHA-256, on every core.
fn publish(plan: &Plan, scratch: &std::path::Path) -> Result<Figure> {
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
    Ok(Figure::rate("publish", &what, plan.size, &ours, &best, Goal::AtLeast(0.7)))
}

/// Fetching against one program that does the work of both sides on two threads.
fn fetch(plan: &Plan, scratch: &std::path::Path) -> Result<Figure> {
    let source = scratch.join("fetch.bin");
    megatorrent_tests::folder::write(&source, plan.size, 2)?;
    let mut pair = product::Pair::start(scratch, &source)?;
    let target = scratch.join("ceiling.bin");
    let (mut ours, mut best) = (Vec::new(), Vec::new());
    for round in 0..=plan.rounds {
        let bare = ceiling::fetch(&source, &target)?;
        let took = pair.fetch()?;
        report::round("fetch", round, plan.size, took, bare);
        if round > 0 {
            best.push(bare);
            ours.push(took);
        }
    }
    pair.stop()?;
    std::fs::remove_file(&source)?;
    let what = format!("both sides' work for {} MiB on two threads, over loopback, to disk", plan.size >> 20);
    Ok(Figure::rate("fetch", &what, plan.size, &ours, &best, Goal::AtLeast(0.5)))
}
