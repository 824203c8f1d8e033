//! `cargo xtask sim`: how fast news travels through a swarm of many nodes, in simulated time.
//!
//! Prints how long it took until half, 99 of 100 and all nodes had a new manifest. The same words and seed print the
//! same times.

use std::io::Write;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use megatorrent_tests::sim::scenario::{churn, flash::Flash};
use megatorrent_tests::sim::{Author, Place, Setup, World, mins, secs};

const USAGE: &str = "\
cargo xtask sim [--nodes N] [--seed N] [--scenario calm | storm | no-dht]
  calm     followers with a DHT, a third of them behind routers (the default)
  storm    the same; connections break after four minutes on average, nodes come and go
  no-dht   nobody has a DHT, everybody knows one other follower
  flash    one seeder; everybody wants its file of --blobs MiB at the same moment
";

#[derive(Clone, Copy, PartialEq, Eq)]
enum Scenario {
    Calm,
    Storm,
    NoDht,
    Flash,
}

struct Words {
    nodes: usize,
    seed: u64,
    scenario: Scenario,
    blobs: usize,
}

fn read_words() -> Result<Option<Words>> {
    let mut words = Words { nodes: 1000, seed: 1, scenario: Scenario::Calm, blobs: 128 };
    let mut args = std::env::args().skip(1);
    while let Some(arg) = args.next() {
        if arg == "--help" || arg == "-h" {
            return Ok(None);
        }
        let value = args.next().with_context(|| format!("{arg} needs a value\n{USAGE}"))?;
        match (arg.as_str(), value.as_str()) {
            ("--nodes", text) => words.nodes = text.parse().context("--nodes is a number")?,
            ("--seed", text) => words.seed = text.parse().context("--seed is a number")?,
            ("--scenario", "calm") => words.scenario = Scenario::Calm,
            ("--scenario", "storm") => words.scenario = Scenario::Storm,
            ("--scenario", "no-dht") => words.scenario = Scenario::NoDht,
            ("--scenario", "flash") => words.scenario = Scenario::Flash,
            ("--blobs", text) => words.blobs = text.parse().context("--blobs is a number")?,
            _ => bail!("{arg} {value} is not understood\n{USAGE}"),
        }
    }
    if !(2..=1_000_000).contains(&words.nodes) {
        bail!("from 2 to 1,000,000 nodes");
    }
    Ok(Some(words))
}

/// Node 0 is the author and can be dialled; everybody follows.
fn build(words: &Words) -> (World, Author) {
    let life = (words.scenario == Scenario::Storm).then_some(mins(4));
    let mut world = World::new(Setup { life, ..Setup::new(words.seed) });
    let author = world.author(false);
    let dht = words.scenario != Scenario::NoDht;
    for i in 0..words.nodes {
        let nat = i > 0 && dht && world.chance.happens(0.33);
        let id = world.add(Place { nat, dht, ..Place::default() });
        world.follow(id, &author, false);
        if i > 0 && !dht {
            let friend = world.chance.below(i);
            world.know(id, Some(author.key()), friend);
        }
        world.run(mins(10) / words.nodes as u32);
    }
    (world, author)
}

/// How long each node that is online waited for the manifest since it was published or since it came, in order; and how
/// many wait still.
fn waits(world: &World, author: &Author, published: Duration) -> (Vec<Duration>, usize) {
    let key = author.key();
    let online = || world.nodes.iter().filter(|node| node.is_online());
    let has = |node: &&megatorrent_tests::sim::Node| node.sequence(&key) == author.sequence;
    let wait =
        |node: &megatorrent_tests::sim::Node| node.channels[&key].learnt.saturating_sub(published.max(node.since));
    let mut waits: Vec<Duration> = online().filter(has).map(wait).collect();
    waits.sort_unstable();
    let left = online().count() - waits.len();
    (waits, left)
}

fn flash(words: &Words, out: &mut impl Write) -> Result<()> {
    let start = Instant::now();
    let flash = Flash { leechers: words.nodes, blobs: words.blobs, nat: 0.33 };
    let (world, done) = flash.run(words.seed);
    let done = done.context("somebody waits still after a hundred times the optimum")?;
    let seconds = done.optimum.as_secs_f64();
    writeln!(out, "{} nodes want {} MiB; the optimum is {seconds:.1} s", words.nodes, words.blobs)?;
    for share in [0.01, 0.1, 0.25, 0.5, 0.75, 0.9, 0.99, 1.0] {
        let (at, ratio) = (done.at(share).unwrap_or_default().as_secs_f64(), done.ratio(share).unwrap_or_default());
        writeln!(out, "{:3.0} % in {at:7.2} s = {ratio:.2} of the optimum", share * 100.0)?;
    }
    let (wasted, copies) = (done.wasted * 100.0, done.copies);
    writeln!(out, "{wasted:.1} % sent in vain; {copies:.2} copies by the seeder; {:.1?}", start.elapsed())?;
    writeln!(out, "trace {:016x}", world.trace.hash)?;
    Ok(())
}

fn run() -> Result<()> {
    let mut out = std::io::stdout().lock();
    let Some(words) = read_words()? else {
        write!(out, "{USAGE}")?;
        return Ok(());
    };
    if words.scenario == Scenario::Flash {
        return flash(&words, &mut out);
    }
    let start = Instant::now();
    let (mut world, mut author) = build(&words);
    world.run(mins(5));
    let connections: usize = world.nodes.iter().map(megatorrent_tests::sim::Node::connections).sum();
    let degree = connections as f64 / words.nodes as f64;
    writeln!(out, "{} nodes met in {:.1?}; {degree:.1} connections each", words.nodes, start.elapsed())?;
    for round in 1..=3 {
        let (published, before) = (world.now, world.trace.events);
        let manifest = world.sign(&mut author, 1);
        world.publish(0, &manifest);
        match words.scenario {
            Scenario::Storm => churn(&mut world, mins(3), 0.002, 0.02),
            _ => world.run(mins(3)),
        }
        let done = world.run_until(mins(120), |world| waits(world, &author, published).1 == 0);
        let (waits, left) = waits(&world, &author, published);
        let at = |share: f64| waits.get(((waits.len() as f64 * share).ceil() as usize).saturating_sub(1));
        let show = |share| at(share).map_or_else(|| "-".into(), |t| format!("{:.2} s", t.as_secs_f64()));
        let events = world.trace.events - before;
        let (half, most, all) = (show(0.5), show(0.99), show(1.0));
        writeln!(out, "manifest {round}: 50 % in {half}, 99 % in {most}, 100 % in {all}; {events} frames and dials")?;
        if done.is_none() {
            bail!("{left} nodes still wait after two hours; seed {}", words.seed);
        }
        world.run(secs(30));
    }
    let (dht, took) = (&world.dht, start.elapsed());
    writeln!(out, "DHT: {} look-ups, {} announces, {} gets, {} puts", dht.lookups, dht.announces, dht.gets, dht.puts)?;
    writeln!(
        out,
        "{:.0?} simulated in {took:.1?}; {} frames and dials, trace {:016x}",
        world.now, world.trace.events, world.trace.hash
    )?;
    Ok(())
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
