//! A device that is cut off again and again, and what became of it: `cargo xtask crash --rounds N [--seed S]`.

use megatorrent_tests::crash::Scene;
use std::io::Write;
use std::process::ExitCode;

/// Rounds where none are asked for.
const ROUNDS: u64 = 200;

fn main() -> ExitCode {
    match run(&std::env::args().skip(1).collect::<Vec<_>>()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // A closed pipe wants to hear no more.
            let _ = writeln!(std::io::stderr(), "{error:#}");
            ExitCode::FAILURE
        }
    }
}

fn say(text: &str) {
    // As above.
    let _ = writeln!(std::io::stdout(), "{text}");
}

fn run(args: &[String]) -> anyhow::Result<()> {
    let (mut rounds, mut seed) = (ROUNDS, 1);
    let mut args = args.iter();
    while let Some(arg) = args.next() {
        let mut number = || args.next().and_then(|text| text.parse().ok());
        match arg.as_str() {
            "--rounds" => rounds = number().ok_or_else(|| anyhow::anyhow!("--rounds takes a number"))?,
            "--seed" => seed = number().ok_or_else(|| anyhow::anyhow!("--seed takes a number"))?,
            other => anyhow::bail!("crash knows --rounds N and --seed S, not {other:?}"),
        }
    }
    let outcome = Scene::new(seed, Some(say))?.run(rounds)?;
    say(&format!("\n{}", outcome.table()));
    let few = outcome.points.values().filter(|(_, cuts)| *cuts < megatorrent_tests::crash::EACH).count();
    say(&format!(
        "{} rounds, {} cut at a point, {} at some moment; nothing was lost. {} points of deeds, {few} of them cut fewer than {} times.",
        outcome.rounds,
        outcome.at_points,
        outcome.at_moments,
        outcome.points.len(),
        megatorrent_tests::crash::EACH
    ));
    Ok(())
}
