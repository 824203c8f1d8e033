//! `cargo xtask sim`: what swarms of many nodes do, in simulated time. The same words and seed print the same figures.

mod chart;
mod report;

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use megatorrent_tests::sim::Node;
use megatorrent_tests::sim::scenario::at_share;
use megatorrent_tests::sim::scenario::flash::Flash;
use megatorrent_tests::sim::scenario::keep::Standing;
use megatorrent_tests::sim::scenario::library;
use megatorrent_tests::sim::scenario::spread::Spread;

const USAGE: &str = "\
cargo xtask sim [--scenario NAME] [--nodes N] [--seed N] [--blobs N] [--lend N]
cargo xtask sim --report docs/scale [--scenario update | flash | announces | repair]
  all that docs/SCALE.md shows, or one picture of it
How fast an update spreads among followers of one channel:
  calm     with a DHT, a third of them behind routers (the default)
  storm    the same; connections break after four minutes on average, nodes come and go
  no-dht   nobody has a DHT, everybody knows one other follower
  wild     loss, churn, liars, two thirds behind routers, a fifth without a DHT
How fast a file spreads:
  flash    one seeder; all others want its file of --blobs MiB at the same moment; --nat of 100
           (33) are behind routers
What a node at rest asks of the DHT:
  library  with --blobs blobs in one channel
Whether content outlives its author:
  keep     thirty days of people who come and go, each of whom lends --lend MiB
";

struct Words {
    nodes: usize,
    seed: u64,
    scenario: Option<String>,
    blobs: usize,
    lend: usize,
    nat: f64,
    report: Option<PathBuf>,
}

fn read_words() -> Result<Option<Words>> {
    let mut words = Words { nodes: 1000, seed: 1, scenario: None, blobs: 128, lend: 0, nat: 33.0, report: None };
    let mut args = std::env::args().skip(1);
    while let Some(arg) = args.next() {
        if arg == "--help" || arg == "-h" {
            return Ok(None);
        }
        let value = args.next().with_context(|| format!("{arg} needs a value\n{USAGE}"))?;
        match arg.as_str() {
            "--nodes" => words.nodes = value.parse().context("--nodes is a number")?,
            "--seed" => words.seed = value.parse().context("--seed is a number")?,
            "--blobs" => words.blobs = value.parse().context("--blobs is a number")?,
            "--lend" => words.lend = value.parse().context("--lend is a number")?,
            "--nat" => words.nat = value.parse().context("--nat is a number")?,
            "--report" => words.report = Some(value.into()),
            "--scenario" => words.scenario = Some(value),
            _ => bail!("{arg} is not understood\n{USAGE}"),
        }
    }
    if !(2..=1_000_000).contains(&words.nodes) {
        bail!("from 2 to 1,000,000 nodes");
    }
    Ok(Some(words))
}

fn seconds(time: Option<Duration>) -> String {
    time.map_or_else(|| "-".into(), |time| format!("{:.2} s", time.as_secs_f64()))
}

fn spread(spread: &Spread, seed: u64, out: &mut impl Write) -> Result<()> {
    let start = Instant::now();
    let (mut world, mut author) = spread.build(seed);
    let connections: usize = world.nodes.iter().map(Node::connections).sum();
    let degree = connections as f64 / spread.nodes as f64;
    writeln!(out, "{} nodes met in {:.1?}; {degree:.1} connections each", spread.nodes, start.elapsed())?;
    for round in 1..=3 {
        let update = spread.update(&mut world, &mut author);
        let [half, most, all] = [0.5, 0.99, 1.0].map(|share| seconds(at_share(&update.waits, share)));
        let events = update.events;
        writeln!(out, "manifest {round}: 50 % in {half}, 99 % in {most}, 100 % in {all}; {events} frames and dials")?;
        if update.left > 0 {
            bail!("{} nodes still wait after two hours; seed {seed}", update.left);
        }
        world.run(Duration::from_secs(30));
    }
    let (dht, took) = (&world.dht, start.elapsed());
    writeln!(out, "DHT: {} look-ups, {} announces, {} gets, {} puts", dht.lookups, dht.announces, dht.gets, dht.puts)?;
    let (now, trace) = (world.now, world.trace);
    writeln!(out, "{now:.0?} simulated in {took:.1?}; {} frames and dials, trace {:016x}", trace.events, trace.hash)?;
    Ok(())
}

fn flash(flash: &Flash, seed: u64, out: &mut impl Write) -> Result<()> {
    let start = Instant::now();
    let (world, done) = flash.run(seed);
    let done = done.context("somebody waits still after a hundred times the optimum")?;
    let optimum = seconds(Some(done.optimum));
    writeln!(out, "{} nodes want {} MiB; no plan is done before {optimum}", flash.leechers, flash.blobs)?;
    for share in [0.01, 0.1, 0.25, 0.5, 0.75, 0.9, 0.99, 1.0] {
        let [all, behind] = [&done.done, &done.behind].map(|times| seconds(at_share(times, share)));
        let (percent, ratio) = (share * 100.0, done.ratio(share));
        writeln!(out, "{percent:3.0} % in {all:>9} = {ratio:.2} times the optimum; behind routers {behind:>9}")?;
    }
    let (wasted, copies) = (done.wasted * 100.0, done.copies);
    writeln!(out, "{wasted:.1} % sent in vain; {copies:.2} copies by the seeder")?;
    let (now, trace) = (world.now, world.trace);
    writeln!(out, "{now:.0?} simulated in {:.1?}, trace {:016x}", start.elapsed(), trace.hash)?;
    Ok(())
}

fn at_rest(blobs: u64, seed: u64, out: &mut impl Write) -> Result<()> {
    let start = Instant::now();
    let cost = library::rest(blobs, 1000, seed);
    writeln!(out, "{cost:?} in {:.1?}", start.elapsed())?;
    Ok(())
}

fn keep(lend: usize, seed: u64, out: &mut impl Write) -> Result<()> {
    let start = Instant::now();
    let (world, told) = report::people(lend).run(seed);
    for day in told.chunks(24) {
        let mean = |of: fn(&Standing) -> f64| day.iter().map(of).sum::<f64>() / day.len() as f64;
        let (number, kept) = (day[0].at.as_secs() / 86_400, mean(|s| s.kept));
        let [available, alive] = [mean(|s| s.available), mean(|s| s.alive)].map(|share| share * 100.0);
        writeln!(out, "day {number:2}: {available:5.1} % whole online, {alive:5.1} % not lost, {kept:.1} blobs each")?;
    }
    writeln!(out, "{:.1?}, trace {:016x}", start.elapsed(), world.trace.hash)?;
    Ok(())
}

fn run() -> Result<()> {
    let mut out = std::io::stdout().lock();
    let Some(words) = read_words()? else {
        write!(out, "{USAGE}")?;
        return Ok(());
    };
    let (nodes, seed) = (words.nodes, words.seed);
    if let Some(folder) = words.report {
        return report::write(&folder, words.scenario.as_deref(), seed, &mut out);
    }
    match words.scenario.as_deref().unwrap_or("calm") {
        "calm" => spread(&Spread::calm(nodes), seed, &mut out),
        "storm" => spread(&Spread::storm(nodes), seed, &mut out),
        "no-dht" => spread(&Spread::no_dht(nodes), seed, &mut out),
        "wild" => spread(&Spread::wild(nodes), seed, &mut out),
        "flash" => flash(&Flash { leechers: nodes, blobs: words.blobs, nat: words.nat / 100.0 }, seed, &mut out),
        "library" => at_rest(words.blobs as u64, seed, &mut out),
        "keep" => keep(words.lend, seed, &mut out),
        other => bail!("there is no scenario {other:?}\n{USAGE}"),
    }
}

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "{error:#}");
            ExitCode::FAILURE
        }
    }
}
