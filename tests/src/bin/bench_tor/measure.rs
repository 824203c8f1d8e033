//! The figures.

use crate::person::{ONION_PORT, Person, publish, tor_traffic};
use anyhow::{Context, Result, bail, ensure};
use megatorrent_tests::between::{PLAIN_PORT, dial, login, plain_bytes, unchanged, with_plain_port};
use megatorrent_tests::people::until;
use megatorrent_tests::tornet::TorNet;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

const USAGE: &str = "\
cargo xtask bench --tor [PART…] [OPTION…]

Parts: throughput, circuits, first-byte, first-frame, idle (default: all)
  throughput   fetching by one circuit, against plain bytes by the very same circuit
  circuits     fetching by four circuits against one; the same for plain bytes
  first-byte   from a link to the first blob of an item, by a fresh node
  first-frame  from a link to the first MiB of a film at the player, by a fresh node
  idle         bytes an hour of a node that follows a channel and has all of it

Options:
  --size MIB      what is fetched [32]
  --rounds N      pairs, or fresh nodes [9]
  --idle SECONDS  how long idle nodes are measured [300]
  --check         end with 1 when a goal is missed
";
/// What a player needs to begin.
const FIRST_FRAME: usize = 1 << 20;
const TITLE: &str = "Film";
const FILE: &str = "film.mp4";

struct Plan {
    parts: Vec<String>,
    size: u64,
    rounds: usize,
    idle: Duration,
    check: bool,
}

/// One line of the table.
struct Figure {
    name: &'static str,
    value: String,
    /// The goal, and whether it was met.
    goal: Option<(String, bool)>,
    how: String,
}

pub(crate) fn main() -> ExitCode {
    let plan = match plan() {
        Ok(plan) => plan,
        Err(error) => {
            complain(&format!("{error:#}\n\n{USAGE}"));
            return ExitCode::from(2);
        }
    };
    match measure(&plan) {
        Ok(figures) => {
            print(&figures);
            let missed = figures.iter().any(|figure| figure.goal.as_ref().is_some_and(|(_, met)| !met));
            ExitCode::from(u8::from(plan.check && missed))
        }
        Err(error) => {
            complain(&format!("The measurement failed: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

fn plan() -> Result<Plan> {
    let mut plan = Plan { parts: Vec::new(), size: 32 << 20, rounds: 9, idle: Duration::from_secs(300), check: false };
    let mut args = std::env::args().skip(1);
    while let Some(arg) = args.next() {
        let mut value = || args.next().with_context(|| format!("{arg} needs a value"));
        match arg.as_str() {
            "--size" => plan.size = value()?.parse::<u64>()? << 20,
            "--rounds" => plan.rounds = value()?.parse()?,
            "--idle" => plan.idle = Duration::from_secs(value()?.parse()?),
            "--check" => plan.check = true,
            "throughput" | "circuits" | "first-byte" | "first-frame" | "idle" => plan.parts.push(arg),
            _ => bail!("{arg:?} is not known here"),
        }
    }
    ensure!(plan.rounds > 0 && plan.size > 0 && !plan.idle.is_zero(), "a measurement of nothing");
    if plan.parts.is_empty() {
        plan.parts = ["throughput", "circuits", "first-byte", "first-frame", "idle"].map(str::to_owned).to_vec();
    }
    Ok(plan)
}

/// What every part needs: an author who is reached by onion, with one film.
struct World<'a> {
    plan: &'a Plan,
    tors: &'a TorNet,
    scratch: &'a Path,
    author: Person,
    link: String,
    item: String,
}

fn measure(plan: &Plan) -> Result<Vec<Figure>> {
    let scratch = tempfile::Builder::new().prefix("megatorrent-bench-tor-").tempdir()?;
    complain("── a private Tor network on 127.0.0.1");
    let tors = TorNet::start(4)?;
    let author = Person::start(scratch.path(), "author", &tors, 0, with_plain_port(plain_bytes()?))?;
    // It would dial its followers, too: blobs would come by circuits that are not counted.
    author.between.allow(0, ONION_PORT);
    let folder = author.home.path().join("films");
    let file: PathBuf = folder.join(FILE);
    megatorrent_tests::folder::write(&file, plan.size, 1)?;
    let (link, item) = publish(&author, &folder, TITLE)?;
    until(&author.home, &["status"], "the onion address published", |status| {
        (status["route"]["onions"][0]["published"] == true).then_some(())
    })?;
    let world = World { plan, tors: &tors, scratch: scratch.path(), author, link, item };
    let mut figures = Vec::new();
    for part in &plan.parts {
        complain(&format!("── {part}"));
        match part.as_str() {
            "throughput" => figures.push(world.throughput()?),
            "circuits" => figures.extend(world.circuits()?),
            "first-byte" => figures.push(world.first_byte()?),
            "first-frame" => figures.push(world.first_frame()?),
            _ => figures.extend(world.idle()?),
        }
    }
    world.author.stop()?;
    Ok(figures)
}

impl World<'_> {
    /// A fresh follower whose tor has forgotten where it met services.
    fn fresh(&self, name: &str) -> Result<Person> {
        self.tors.client(1).log_in()?.command("SIGNAL NEWNYM")?;
        Person::start(self.scratch, name, self.tors, 1, unchanged())
    }

    /// A follower that knows the list and holds nothing, its circuits kept beyond tor's usual ten minutes.
    fn fetcher(&self) -> Result<Person> {
        self.tors.client(1).log_in()?.command("SETCONF MaxCircuitDirtiness=36000")?;
        let fetcher = self.fresh("fetcher")?;
        fetcher.between.allow(1, ONION_PORT);
        fetcher.follow(&self.link, &["--fetch", "none"])?;
        Ok(fetcher)
    }

    fn rate(&self, took: Duration) -> f64 {
        self.plan.size as f64 / took.as_secs_f64()
    }

    /// Plain bytes from the author's other port; the time from the question to the last byte.
    fn plain(&self, streams: &mut [TcpStream]) -> Result<Duration> {
        let share = self.plan.size / streams.len() as u64;
        let began = Instant::now();
        for stream in &mut *streams {
            stream.write_all(&share.to_be_bytes())?;
        }
        std::thread::scope(|scope| {
            let reading = streams.iter_mut().map(|stream| {
                scope.spawn(move || -> Result<()> {
                    let mut piece = vec![0; 64 << 10];
                    let mut left = share;
                    while left > 0 {
                        let most = piece.len().min(usize::try_from(left)?);
                        let length = stream.read(&mut piece[..most])?;
                        ensure!(length > 0, "the plain stream ended");
                        left -= length as u64;
                    }
                    Ok(())
                })
            });
            reading
                .collect::<Vec<_>>()
                .into_iter()
                .try_for_each(|thread| thread.join().unwrap_or_else(|_| bail!("a thread panicked")))
        })?;
        Ok(began.elapsed())
    }

    /// One circuit: ours, plain, ours, plain …
    fn throughput(&self) -> Result<Figure> {
        let fetcher = self.fetcher()?;
        let (mut ratios, mut ours, mut plain) = (Vec::new(), Vec::new(), Vec::new());
        let open = fetcher.onions().pop().context("the follower is not connected")?;
        let host = open.target.trim_end_matches(&format!(":{ONION_PORT}")).to_owned();
        let mut stream = [dial(fetcher.between.socks(), &open.login, &host, PLAIN_PORT)?];
        for round in 0..=self.plan.rounds {
            let before = fetcher.between.carried();
            let fetched = self.rate(fetcher.fetch(&self.item)?);
            ensure!(fetcher.onions() == [open.clone()], "the node has other connections now");
            ensure!(fetcher.between.carried() - before >= self.plan.size, "not all of it came by this connection");
            let bare = self.rate(self.plain(&mut stream)?);
            one_circuit(self.tors, &host)?;
            told("throughput", round, &[("ours", fetched), ("plain", bare)]);
            if round > 0 {
                ratios.push(fetched / bare);
                ours.push(fetched);
                plain.push(bare);
            }
        }
        fetcher.stop()?;
        let ratio = median(&ratios);
        Ok(Figure {
            name: "throughput",
            value: format!("{ratio:.2} of the same circuit"),
            goal: Some(("at least 0.85".into(), ratio >= 0.85)),
            how: format!(
                "{} pairs of {} MiB: the whole command `get`, and plain bytes under the same SOCKS login; ours {}, plain {} \
                 (medians), ratios {}",
                self.plan.rounds,
                self.plan.size >> 20,
                megabytes(median(&ours)),
                megabytes(median(&plain)),
                spread(&ratios)
            ),
        })
    }

    /// Ours by one circuit and by four, plain bytes by one and by four, and again.
    fn circuits(&self) -> Result<[Figure; 2]> {
        let fetcher = self.fetcher()?;
        let open = fetcher.onions().pop().context("the follower is not connected")?;
        let host = open.target.trim_end_matches(&format!(":{ONION_PORT}")).to_owned();
        let (mut ours, mut plain) = (Vec::new(), Vec::new());
        let (mut rates, mut seen) = ([Vec::new(), Vec::new()], 0);
        for round in 0..=self.plan.rounds {
            let names = (0..4).map(|n| login(&format!("plain {round} {n}")));
            let mut streams = names
                .map(|name| dial(fetcher.between.socks(), &name?, &host, PLAIN_PORT))
                .collect::<Result<Vec<_>>>()?;
            let bare = [self.rate(self.plain(&mut streams[..1])?), self.rate(self.plain(&mut streams)?)];
            drop(streams);
            fetcher.between.allow(1, ONION_PORT);
            until(&fetcher.home, &["peers"], "one connection", |_| (fetcher.onions().len() <= 1).then_some(()))?;
            let one = self.rate(fetcher.fetch(&self.item)?);
            fetcher.between.allow(4, ONION_PORT);
            let four = self.rate(fetcher.fetch(&self.item)?);
            seen = seen.max(fetcher.onions().len());
            told("circuits", round, &[("ours 1", one), ("ours 4", four), ("plain 1", bare[0]), ("plain 4", bare[1])]);
            if round > 0 {
                ours.push(four / one);
                plain.push(bare[1] / bare[0]);
                rates[0].push(one);
                rates[1].push(four);
            }
        }
        fetcher.stop()?;
        ensure!(seen > 1, "the node never used a second circuit");
        let how = |what: &str, ratios: &[f64]| {
            format!("{} rounds of {} MiB, {what}, ratios {}", self.plan.rounds, self.plan.size >> 20, spread(ratios))
        };
        let (gain, bare) = (median(&ours), median(&plain));
        let rates = format!(
            "`get` by one circuit {}, by up to four {} (medians), most open at once {seen}",
            megabytes(median(&rates[0])),
            megabytes(median(&rates[1]))
        );
        Ok([
            Figure {
                name: "four circuits",
                value: format!("{gain:.2} times one"),
                goal: Some((format!("at least 0.85 of what plain bytes gain ({bare:.2})"), gain >= 0.85 * bare)),
                how: how(&rates, &ours),
            },
            Figure {
                name: "four circuits, plain",
                value: format!("{bare:.2} times one"),
                goal: None,
                how: how("plain bytes by circuits of their own", &plain),
            },
        ])
    }

    /// A fresh node, its way out up; the link is given; the first blob of the item is here.
    fn first_byte(&self) -> Result<Figure> {
        let mut took = Vec::new();
        for round in 0..self.plan.rounds {
            let person = self.fresh("newcomer")?;
            let mut news = person.node.watch(&person.home)?;
            let began = Instant::now();
            person.home.ask(["subscribe", &self.link])?;
            news.until("the first blob", |event| {
                (event["event"] == "item" && event["data"]["have"].as_u64()? > 0).then_some(())
            })?;
            took.push(began.elapsed().as_secs_f64());
            complain(&format!("   first-byte, round {}: {:.2} s", round + 1, took[round]));
            drop(news);
            person.stop()?;
        }
        Ok(Figure {
            name: "link to first byte",
            value: format!("{:.2} s", median(&took)),
            goal: None,
            how: format!(
                "{} fresh nodes, tor's circuits and descriptors forgotten: `subscribe` until an item has a blob, {}",
                took.len(),
                spread(&took)
            ),
        })
    }

    fn first_frame(&self) -> Result<Figure> {
        let mut took = Vec::new();
        for round in 0..self.plan.rounds {
            let person = self.fresh("viewer")?;
            let began = Instant::now();
            person.follow(&self.link, &["--fetch", "none"])?;
            person.play(&self.item, FILE, FIRST_FRAME)?;
            took.push(began.elapsed().as_secs_f64());
            complain(&format!("   first-frame, round {}: {:.2} s", round + 1, took[round]));
            person.stop()?;
        }
        Ok(Figure {
            name: "link to first frame",
            value: format!("{:.2} s", median(&took)),
            goal: None,
            how: format!(
                "{} fresh nodes: `subscribe` until the player was handed the first MiB of a film of {} MiB, {}",
                took.len(),
                self.plan.size >> 20,
                spread(&took)
            ),
        })
    }

    /// Two followers of the channel and its author, all complete and connected; nothing happens.
    fn idle(&self) -> Result<[Figure; 2]> {
        self.author.between.allow(usize::MAX, ONION_PORT);
        let people = [1, 2]
            .map(|tor| Person::start(self.scratch, "idler", self.tors, tor, unchanged()))
            .into_iter()
            .collect::<Result<Vec<_>>>()?;
        for person in &people {
            person.follow(&self.link, &[])?;
        }
        for person in &people {
            until(&person.home, &["channels"], "all fetched", |all| (all[0]["complete"] == 1).then_some(()))?;
            until(&person.home, &["peers"], "both others met", |peers| (peers.as_array()?.len() >= 2).then_some(()))?;
        }
        // Circuits that were for fetching are given up within a minute.
        let settled = Duration::from_secs(70);
        complain(&format!("   settling for {} s, then measured for {} s", settled.as_secs(), self.plan.idle.as_secs()));
        std::thread::sleep(settled);
        let count = || -> Result<[u64; 3]> {
            Ok([people[0].between.carried(), people[0].tor_traffic(self.tors)?, tor_traffic(self.tors, 3)?])
        };
        let (before, began) = (count()?, Instant::now());
        std::thread::sleep(self.plan.idle);
        let (after, took) = (count()?, began.elapsed().as_secs_f64());
        let hourly = |n: usize| (after[n] - before[n]) as f64 / took * 3600.0;
        let peers = people[0].home.ask(["peers"])?.as_array().map_or(0, Vec::len);
        for person in people {
            person.stop()?;
        }
        let how = format!("measured for {took:.0} s and scaled; {peers} connections, one channel, nothing new");
        Ok([
            Figure {
                name: "idle: the node",
                value: format!("{:.2} MB an hour", hourly(0) / 1e6),
                goal: None,
                how: format!("bytes both ways by the SOCKS port, {how}"),
            },
            Figure {
                name: "idle: its tor",
                value: format!("{:.2} MB an hour", hourly(1) / 1e6),
                goal: None,
                how: format!(
                    "all that its tor moved, onion service and incoming connections included; a tor without a node moved \
                     {:.2} MB an hour meanwhile (this small network's directory changes every 20 s, the real one every \
                     hour), {how}",
                    hourly(2) / 1e6
                ),
            },
        ])
    }
}

/// The node's stream and the plain one to this service run on one circuit, as tor itself tells.
fn one_circuit(tors: &TorNet, host: &str) -> Result<()> {
    let told = tors.client(1).log_in()?.command("GETINFO stream-status")?;
    let mut circuits: Vec<&str> = Vec::new();
    for line in told.iter().map(|line| line.strip_prefix("stream-status=").unwrap_or(line)) {
        let words: Vec<&str> = line.split(' ').collect();
        if let [_, "SUCCEEDED", circuit, target] = words[..]
            && target.starts_with(host.trim_end_matches(".onion"))
        {
            circuits.push(circuit);
        }
    }
    ensure!(circuits.len() == 2 && circuits[0] == circuits[1], "not one circuit: {told:?}");
    Ok(())
}

fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    if sorted.len() % 2 == 1 { sorted[middle] } else { (sorted[middle - 1] + sorted[middle]) / 2.0 }
}

fn spread(values: &[f64]) -> String {
    let least = values.iter().copied().fold(f64::INFINITY, f64::min);
    let most = values.iter().copied().fold(0.0, f64::max);
    format!("{least:.2} to {most:.2}")
}

fn megabytes(rate: f64) -> String {
    format!("{:.1} MB/s", rate / 1e6)
}

fn told(name: &str, round: usize, rates: &[(&str, f64)]) {
    let number = if round == 0 { "warm-up".to_owned() } else { format!("round {round}") };
    let rates: Vec<String> = rates.iter().map(|(what, rate)| format!("{what} {}", megabytes(*rate))).collect();
    complain(&format!("   {name}, {number}: {}", rates.join(", ")));
}

fn print(figures: &[Figure]) {
    let mut out = std::io::stdout();
    for figure in figures {
        let goal = match &figure.goal {
            Some((goal, true)) => format!("   goal {goal}: met"),
            Some((goal, false)) => format!("   goal {goal}: MISSED"),
            None => String::new(),
        };
        // A closed pipe wants to hear no more.
        let _ = writeln!(out, "{:<22} {:>26}{goal}\n{:<22} {}", figure.name, figure.value, "", figure.how);
    }
}

fn complain(text: &str) {
    // As above.
    let _ = writeln!(std::io::stderr(), "{text}");
}
