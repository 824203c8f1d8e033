//! Figures for people and for programs.

use serde_json::json;
use std::io::Write;
use std::time::Duration;

/// What a figure should be.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Goal {
    AtLeast(f64),
    AtMost(f64),
}

/// One measured figure.
pub(crate) struct Figure {
    name: String,
    what: String,
    value: f64,
    unit: &'static str,
    goal: Goal,
    /// Bytes a second, ours and the ceiling's, every round.
    rates: Option<(Vec<f64>, Vec<f64>)>,
}

impl Figure {
    /// The ratio of two rates: medians of every round.
    pub(crate) fn rate(name: &str, what: &str, bytes: u64, ours: &[Duration], best: &[Duration], goal: Goal) -> Self {
        let rates = |took: &[Duration]| took.iter().map(|took| bytes as f64 / took.as_secs_f64()).collect::<Vec<_>>();
        let (ours, best) = (rates(ours), rates(best));
        let value = median(&ours) / median(&best);
        Self { name: name.into(), what: what.into(), value, unit: "of the ceiling", goal, rates: Some((ours, best)) }
    }

    /// A number by itself.
    pub(crate) fn number(name: &str, what: &str, value: f64, unit: &'static str, goal: Goal) -> Self {
        Self { name: name.into(), what: what.into(), value, unit, goal, rates: None }
    }

    /// Whether it is what it should be.
    pub(crate) fn met(&self) -> bool {
        match self.goal {
            Goal::AtLeast(least) => self.value >= least,
            Goal::AtMost(most) => self.value <= most,
        }
    }
}

/// The value in the middle.
pub(crate) fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    if sorted.len() % 2 == 1 { sorted[middle] } else { (sorted[middle - 1] + sorted[middle]) / 2.0 }
}

/// A program among its rivals.
pub(crate) struct Row {
    pub(crate) name: String,
    pub(crate) seconds: f64,
    /// Bytes a second.
    pub(crate) rate: f64,
    /// Processor seconds of both sides for a gibibyte.
    pub(crate) cpu: f64,
    /// The most bytes of memory: sender, receiver.
    pub(crate) peaks: Option<(u64, u64)>,
    /// Bytes on both disks for each byte shared.
    pub(crate) disk: Option<f64>,
}

/// Prints the rivals on standard error: the figures that follow from them go to standard output.
pub(crate) fn table(rows: &[Row]) {
    complain("");
    complain(&format!(
        "{:<22} {:>8} {:>7} {:>10} {:>17} {:>6}",
        "", "seconds", "MB/s", "CPU s/GiB", "peak MB out + in", "disk"
    ));
    for row in rows {
        let peaks = row
            .peaks
            .map_or_else(String::new, |(out, into)| format!("{:.0} + {:.0}", out as f64 / 1e6, into as f64 / 1e6));
        let disk = row.disk.map_or_else(String::new, |disk| format!("{disk:.2}"));
        complain(&format!(
            "{:<22} {:>8.2} {:>7.0} {:>10.2} {peaks:>17} {disk:>6}",
            row.name,
            row.seconds,
            row.rate / 1e6,
            row.cpu
        ));
    }
    complain("");
}

/// Tells of one transfer, on standard error.
pub(crate) fn one(name: &str, round: usize, bytes: u64, took: Duration, cpu: f64) {
    let (seconds, rate) = (took.as_secs_f64(), bytes as f64 / 1e6 / took.as_secs_f64());
    complain(&format!("   {}, {name}: {seconds:.2} s, {rate:.0} MB/s, {cpu:.2} CPU s", numbered(round)));
}

fn numbered(round: usize) -> String {
    if round == 0 { "warm-up".to_owned() } else { format!("round {round}") }
}

/// Prints all figures.
pub(crate) fn print(figures: &[Figure], as_json: bool) {
    if as_json {
        let all: Vec<_> = figures
            .iter()
            .map(|figure| {
                let (least, most) = match figure.goal {
                    Goal::AtLeast(least) => (Some(least), None),
                    Goal::AtMost(most) => (None, Some(most)),
                };
                let rates = figure.rates.as_ref();
                json!({
                    "name": figure.name, "what": figure.what, "value": figure.value, "unit": figure.unit,
                    "at_least": least, "at_most": most, "met": figure.met(),
                    "bytes_per_second": rates.map(|(ours, _)| ours),
                    "ceiling_bytes_per_second": rates.map(|(_, best)| best),
                })
            })
            .collect();
        say(&json!({ "cores": std::thread::available_parallelism().map_or(0, usize::from), "figures": all })
            .to_string());
        return;
    }
    for figure in figures {
        let value = match figure.unit {
            "bytes" if figure.value >= 1e7 => format!("{:.0} MB", figure.value / 1e6),
            "bytes" => format!("{:.2} MB", figure.value / 1e6),
            "blobs" => format!("{} blobs", figure.value),
            unit => format!("{:.2} {unit}", figure.value),
        };
        let goal = match figure.goal {
            Goal::AtMost(most) if figure.unit == "bytes" => format!("at most {:.0} MB", most / 1e6),
            Goal::AtMost(most) => format!("at most {most}"),
            Goal::AtLeast(least) => format!("at least {least}"),
        };
        let met = if figure.met() { "met" } else { "MISSED" };
        say(&format!("{:<24} {value:>20}   goal {goal}: {met}", figure.name));
        if let Some((ours, best)) = &figure.rates {
            say(&format!("{:<24} {:>15.0} MB/s   ceiling {:.0} MB/s", "", median(ours) / 1e6, median(best) / 1e6));
        }
        say(&format!("{:<24} {}", "", figure.what));
    }
}

/// Tells how one round went, on standard error.
pub(crate) fn round(name: &str, round: usize, bytes: u64, ours: Duration, best: Duration) {
    let rate = |took: Duration| bytes as f64 / 1e6 / took.as_secs_f64();
    complain(&format!("   {name}, {}: {:.0} MB/s, ceiling {:.0} MB/s", numbered(round), rate(ours), rate(best)));
}

fn say(text: &str) {
    // A closed pipe wants to hear no more.
    let _ = writeln!(std::io::stdout(), "{text}");
}

pub(crate) fn complain(text: &str) {
    // As above.
    let _ = writeln!(std::io::stderr(), "{text}");
}
