//! The demonstration in the dark: three real nodes, each behind a tor of its own, on a private Tor network on this
//! machine alone. `cargo xtask demo --tor` runs it.

use std::process::ExitCode;

#[cfg(unix)]
fn main() -> ExitCode {
    match show::run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            show::complain(&format!("\nThe demonstration failed: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

#[cfg(not(unix))]
fn main() -> ExitCode {
    ExitCode::FAILURE
}

#[cfg(unix)]
mod show {
    use anyhow::{Context, Result, ensure};
    use megatorrent_tests::dark::{Hidden, path_of};
    use megatorrent_tests::folder::compare;
    use megatorrent_tests::people::{self, text, until};
    use megatorrent_tests::tornet::TorNet;
    use std::io::Write;
    use std::time::Instant;

    fn say(text: &str) {
        // A closed pipe wants to hear no more.
        let _ = writeln!(std::io::stdout(), "{text}");
    }

    pub(super) fn complain(text: &str) {
        let _ = writeln!(std::io::stderr(), "{text}");
    }

    pub(super) fn run() -> Result<()> {
        say("A private Tor network on 127.0.0.1: a directory, three relays, three people's tors …");
        let began = Instant::now();
        let tors = TorNet::start(3)?;
        say(&format!("  ready after {:.1} s. Nothing of it touches the Internet.", began.elapsed().as_secs_f32()));

        say("\nAlice starts a node that knows her tor and nothing else.");
        let alice = Hidden::start("alice", &tors, 0)?;
        let folder = people::folder(&alice.home, "recordings", &[("dawn.flac", 9_000_000), ("dusk.flac", 3_000_000)])?;
        let link = text(&people::publish(&alice.home, &folder, &["--title", "Field recordings"])?, "link")?;
        say(&format!("  She publishes a folder of 12 MB. Its link names the way in:\n  {link}"));
        say(&format!("  Tor's network knows it: {}", alice.onion()?));

        say("\nBob follows it, by his own tor.");
        let bob = Hidden::start("bob", &tors, 1)?;
        let mut news = bob.watch()?;
        let began = Instant::now();
        bob.ask(&["subscribe", &link])?;
        compare(&folder, &path_of(&news.until_ready("Field recordings")?)?)?;
        say(&format!("  Everything is here and every byte compared, {:.1} s later.", began.elapsed().as_secs_f32()));

        let more = people::folder(&alice.home, "tonight", &[("rain.flac", 1_500_000)])?;
        let began = Instant::now();
        people::publish(&alice.home, &more, &["--title", "Tonight"])?;
        compare(&more, &path_of(&news.until_ready("Tonight")?)?)?;
        say(&format!("  An update is pushed, and complete after {:.1} s.", began.elapsed().as_secs_f32()));

        say("\nCarol follows it too, and meets Bob through Alice. Then Alice goes.");
        let carol = Hidden::start("carol", &tors, 2)?;
        let bobs = bob.onion()?;
        carol.ask(&["subscribe", &link])?;
        until(&carol.home, &["peers"], "Bob met", |peers| {
            peers.as_array()?.iter().any(|peer| peer["addr"] == bobs.as_str()).then_some(())
        })?;
        alice.node.stop(&alice.home)?;
        until(&carol.home, &["channels"], "everything fetched", |all| (all[0]["complete"] == 2).then_some(()))?;
        say("  Carol has everything, from whoever is there.");

        say("\nHas anything left by another way than Tor? Carol's node is watched and tempted for 5 s.");
        let report = carol.ask(&["doctor", "--leak", "--seconds", "5"])?;
        let elsewhere = report["elsewhere"].as_array().context("a report")?;
        ensure!(elsewhere.is_empty(), "it has: {report}");
        say(&format!("  {} looks at every open socket: nothing.", report["looks"]));
        for person in [bob, carol] {
            person.node.stop(&person.home)?;
        }
        say("\nThat was it. Nothing is left behind.");
        Ok(())
    }
}
