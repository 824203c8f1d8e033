//! The pictures of docs/SCALE.md, and the figures beside them.

use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use megatorrent_tests::sim::scenario::at_share;
use megatorrent_tests::sim::scenario::flash::Flash;
use megatorrent_tests::sim::scenario::keep::Keep;
use megatorrent_tests::sim::scenario::library;
use megatorrent_tests::sim::scenario::spread::Spread;

use crate::chart::{Axis, Chart, Line};

fn plain(value: f64) -> String {
    match value {
        v if v >= 1e9 => format!("{} G", v / 1e9),
        v if v >= 1e6 => format!("{} M", v / 1e6),
        v if v >= 1e4 => format!("{} k", v / 1e3),
        v => format!("{}", (v * 1000.0).round() / 1000.0),
    }
}

fn percent(value: f64) -> String {
    format!("{value:.0} %")
}

fn share(from: f64) -> Axis {
    Axis { label: "share", from, to: 100.0, log: false, write: percent }
}

/// The end of an axis that all of these curves fit on.
fn end(lines: &[Line], log: bool) -> f64 {
    let most = lines.iter().flat_map(|line| &line.points).map(|(x, _)| *x).fold(1.0, f64::max);
    if log { 10_f64.powf(most.log10().ceil()) } else { most.ceil() }
}

/// How many were done by when, as a curve from nobody to all.
fn curve(name: impl Into<String>, times: &[Duration], unit: f64) -> Line {
    let step = (times.len() / 400).max(1);
    let point = |(n, at): (usize, &Duration)| (at.as_secs_f64() / unit, (n + 1) as f64 * 100.0 / times.len() as f64);
    let mut points: Vec<(f64, f64)> = times.iter().enumerate().step_by(step).map(point).collect();
    points.extend(times.iter().enumerate().next_back().map(point));
    Line { name: name.into(), points }
}

/// What draws one picture and prints its figures.
type Draw<W> = fn(u64, &mut W) -> Result<Chart>;

/// Writes the pictures, or one of them, into a folder; prints the figures as they stand in docs/SCALE.md.
pub(crate) fn write<W: Write>(folder: &Path, only: Option<&str>, seed: u64, out: &mut W) -> Result<()> {
    std::fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
    let pictures: [(&str, Draw<W>); 4] =
        [("update", update), ("flash", flash), ("announces", announces), ("repair", repair)];
    let wanted: Vec<_> = pictures.iter().filter(|(name, _)| only.is_none_or(|only| only == *name)).collect();
    if wanted.is_empty() {
        bail!("the pictures are update, flash, announces and repair");
    }
    for (name, draw) in wanted {
        let path = folder.join(name).with_extension("svg");
        std::fs::write(&path, draw(seed, out)?.svg()).with_context(|| path.display().to_string())?;
        out.flush()?;
    }
    Ok(())
}

fn update<W: Write>(seed: u64, out: &mut W) -> Result<Chart> {
    let mut lines = Vec::new();
    let of = |name: &'static str, spread: Spread| (name, spread);
    let runs =
        [of("calm", Spread::calm(10_000)), of("wild", Spread::wild(10_000)), of("no-dht", Spread::no_dht(1_000))];
    for (name, spread) in runs {
        let start = Instant::now();
        let (mut world, mut author) = spread.build(seed);
        let update = spread.update(&mut world, &mut author);
        let at = |share| at_share(&update.waits, share).unwrap_or_default().as_secs_f64();
        writeln!(
            out,
            "| `--scenario {name} --nodes {} --seed {seed}` | 50 % in {:.2} s, 99 % in {:.2} s, 100 % in {:.1} s; {} left | {:.0} s |",
            spread.nodes,
            at(0.5),
            at(0.99),
            at(1.0),
            update.left,
            start.elapsed().as_secs_f64()
        )?;
        lines.push(curve(format!("{name}, {} nodes", spread.nodes), &update.waits, 1.0));
    }
    Ok(Chart {
        title: "An update reaches those who follow".into(),
        told: "Share of online followers that have a new manifest, by seconds since it was signed.".into(),
        x: Axis { label: "seconds since it was signed", from: 0.01, to: end(&lines, true), log: true, write: plain },
        y: Axis { label: "online followers that have it", ..share(0.0) },
        lines,
    })
}

fn flash<W: Write>(seed: u64, out: &mut W) -> Result<Chart> {
    let mut lines = Vec::new();
    for (leechers, blobs) in [(1_000, 128), (1_000, 32), (100, 128)] {
        let start = Instant::now();
        let (_, done) = Flash { leechers, blobs, nat: 0.33 }.run(seed);
        let done = done.context("a flash crowd that is never done")?;
        let at = |share| done.ratio(share);
        writeln!(
            out,
            "| `--scenario flash --nodes {leechers} --blobs {blobs} --seed {seed}` | optimum {:.1} s; 50 % at {:.2}, 99 % at {:.2}, 100 % at {:.2} times it; {:.1} % in vain | {:.0} s |",
            done.optimum.as_secs_f64(),
            at(0.5),
            at(0.99),
            at(1.0),
            done.wasted * 100.0,
            start.elapsed().as_secs_f64()
        )?;
        lines.push(curve(format!("{leechers} want {blobs} MiB"), &done.done, done.optimum.as_secs_f64()));
    }
    Ok(Chart {
        title: "A flash crowd and one seeder".into(),
        told: "Share of a crowd that has the whole file, by time as a multiple of the least that any plan needs."
            .into(),
        x: Axis {
            label: "time, as a multiple of the optimum",
            from: 0.0,
            to: end(&lines, false),
            log: false,
            write: plain,
        },
        y: Axis { label: "of the crowd that is done", ..share(0.0) },
        lines,
    })
}

fn announces<W: Write>(seed: u64, out: &mut W) -> Result<Chart> {
    let (mut paced, mut each) = (Vec::new(), Vec::new());
    for (name, blobs) in [("1 GiB", 1 << 10), ("10 GiB", 10 << 10), ("100 GiB", 100 << 10), ("10 TiB", 10 << 20)] {
        let start = Instant::now();
        let cost = library::rest(blobs, 1000, seed);
        let datagrams = |announces: u64| (announces * library::DATAGRAMS) as f64 / 3600.0;
        writeln!(
            out,
            "| `--scenario library --blobs {blobs}` ({name}) | {} announces and {} look-ups an hour, {:.1} datagrams a second; {:.1} % of the blobs in a cycle; found after {:.0} s. One for each blob: {} announces, {:.0} datagrams a second | {:.0} s |",
            cost.announces,
            cost.lookups,
            datagrams(cost.announces + cost.lookups),
            cost.coverage * 100.0,
            cost.first.as_secs_f64(),
            cost.one_each,
            datagrams(cost.one_each + cost.lookups),
            start.elapsed().as_secs_f64()
        )?;
        paced.push((blobs as f64 / 1024.0, datagrams(cost.announces + cost.lookups)));
        each.push((blobs as f64 / 1024.0, datagrams(cost.one_each + cost.lookups)));
    }
    let line = |name: &str, points| Line { name: name.into(), points };
    Ok(Chart {
        title: "What a library costs the DHT".into(),
        told: "Datagrams a second of one node at rest, by the size of its library: paced, and with one announce for each blob.".into(),
        x: Axis { label: "library, GiB", from: 1.0, to: 10_240.0, log: true, write: plain },
        y: Axis { label: "datagrams a second", from: 10.0, to: 1e6, log: true, write: plain },
        lines: vec![line("meeting points and a budget", paced), line("one announce for each blob", each)],
    })
}

/// The people of the picture.
pub(crate) fn people(lends: usize) -> Keep {
    Keep { people: 60, items: 60, likes: 6.0, lends, days: 30 }
}

fn repair<W: Write>(seed: u64, out: &mut W) -> Result<Chart> {
    let mut lines = Vec::new();
    for lends in [0, 8, 24] {
        let start = Instant::now();
        let (_, told) = people(lends).run(seed);
        let last = told.last().context("no day passed")?;
        let week = &told[told.len().saturating_sub(7 * 24)..];
        let mean = week.iter().map(|s| s.available).sum::<f64>() / week.len() as f64;
        writeln!(
            out,
            "| `--scenario keep --lend {lends} --seed {seed}` | last week: {:.1} % of the items whole among those online; {:.1} % not lost at the end; {:.0} blobs a person | {:.0} s |",
            mean * 100.0,
            last.alive * 100.0,
            last.kept,
            start.elapsed().as_secs_f64()
        )?;
        // By days, each the mean of its hours: the picture is about weeks.
        let days = told.chunks(24).map(|day| {
            let mean = day.iter().map(|s| s.available).sum::<f64>() / day.len() as f64;
            (day[0].at.as_secs_f64() / 86_400.0, mean * 100.0)
        });
        let name = if lends == 0 { "nothing lent".to_owned() } else { format!("{lends} MiB lent by each") };
        lines.push(Line { name, points: days.collect() });
    }
    Ok(Chart {
        title: "A channel after its author left".into(),
        told: "Share of a channel's items that can be fetched whole, over thirty days; the author leaves after three."
            .into(),
        x: Axis { label: "days; the author leaves after three", from: 0.0, to: 30.0, log: false, write: plain },
        y: Axis { label: "items that can be fetched whole", ..share(0.0) },
        lines,
    })
}
