//! What a command says while it waits, and when it does not wait at all.

use super::Person;
use anyhow::{Context, Result, ensure};
use megatorrent_tests::people::{self, signal, text};
use megatorrent_tests::process::{Answer, Home, Killed, finish};
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::process::Stdio;

/// A link to a channel that nobody has.
fn link_of_nobody() -> Result<String> {
    text(&Home::new("nobody", &[])?.ask(["id", "new", "Nobody"])?, "link")
}

/// A port on which nobody listens.
fn closed_port() -> Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

/// A command of a person without a node, as it is typed where there is no terminal.
fn typed(home: &Home, args: &[&str]) -> Result<Answer> {
    let mut command = home.command()?;
    command.args(args);
    finish(command)
}

#[test]
fn a_command_that_can_never_succeed_ends_and_says_why() -> Result<()> {
    let link = link_of_nobody()?;
    let bob = Home::new("bob", &[])?;
    for verb in ["get", "look"] {
        let said = typed(&bob, &["--no-dht", "--listen", "none", verb, &link])?;
        assert_eq!(said.code, Some(4), "{verb}: {said:?}");
        assert!(said.stderr.contains("the DHT is off") && said.stderr.contains("nobody can connect"), "{said:?}");
        let told = bob.run(["--no-dht", "--listen", "none", verb, &link])?;
        assert_eq!((told.code, told.error_code().as_deref()), (Some(4), Some("unreachable")), "{verb}: {told:?}");
    }
    Ok(())
}

#[test]
fn who_waits_reads_for_what_and_gives_up_when_told_to() -> Result<()> {
    let link = link_of_nobody()?;
    let dead = closed_port()?;
    // Longer than any label of a name: whoever is asked knows at once that there is none.
    let unknown = format!("{}.invalid:9", "x".repeat(64));
    let (peer, proxy) = (format!("127.0.0.1:{dead}"), format!("socks5://127.0.0.1:{dead}"));
    let dht = super::dht()?;
    let joined = Home::new("joined", &dht.bootstrap())?.network();
    let joined: Vec<&str> = joined.iter().map(String::as_str).collect();
    let table: &[(&[&str], &[&str], &str)] = &[
        (&["--no-dht", "--listen", "127.0.0.1:0"], &["Waiting for somebody to connect", "the DHT is off"], "no_dht"),
        (&["--no-dht", "--listen", "none", "--peer", &unknown], &[&unknown, "its name is not known"], "unreached"),
        (&["--no-dht", "--listen", "none", "--peer", &peer], &[&peer, "nobody listens there"], "unreached"),
        (&["--proxy", &proxy], &["The proxy does not work", &proxy, "cannot be reached"], "proxy_down"),
        (&joined, &["the channel's list has not been found yet"], "no_manifest"),
    ];
    for (options, words, cause) in table {
        let bob = Home::new("bob", &[])?;
        let args = [options, &["get", "--timeout", "3s", &link] as &[_]].concat();
        let said = typed(&bob, &args)?;
        assert_eq!(said.code, Some(4), "{options:?}: {said:?}");
        let (waits, end) =
            said.stderr.trim_end().rsplit_once('\n').context("a line while it waits, and one at the end")?;
        for word in *words {
            assert!(waits.contains(word) && end.contains(word), "{word:?} in {said:?}");
        }
        assert!(end.starts_with("Nothing new came for 3 seconds."), "{end}");
        assert!(!said.stderr.contains('\u{1b}') && said.stdout.is_empty(), "{said:?}");
        let told = bob.run(&args)?;
        assert_eq!(told.error_code().as_deref(), Some("timed_out"), "{told:?}");
        let mut events = told.stderr.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
        let found = events.any(|line| line["event"] == "waiting" && line["data"]["cause"]["cause"] == *cause);
        assert!(found, "{cause}: {told:?}");
    }
    Ok(())
}

#[test]
fn a_look_behind_a_dead_proxy_says_so_and_ends() -> Result<()> {
    let link = link_of_nobody()?;
    let proxy = format!("socks5://127.0.0.1:{}", closed_port()?);
    let look = |bob: &Home| -> Result<Killed> {
        let mut command = bob.command()?;
        command.args(["--proxy", &proxy, "look", &link]).stdout(Stdio::null()).stderr(Stdio::piped());
        Ok(Killed(command.spawn()?))
    };
    let (patient, hasty) = (Home::new("patient", &[])?, Home::new("hasty", &[])?);
    let (mut patients, mut hastys) = (look(&patient)?, look(&hasty)?);
    let mut heard = Vec::new();
    for look in [&mut patients, &mut hastys] {
        let mut lines = BufReader::new(look.0.stderr.take().context("a pipe")?).lines();
        let waits = loop {
            let line = lines.next().context("it says what it waits for")??;
            if line.contains("The proxy does not work") {
                break line;
            }
        };
        ensure!(waits.contains(&proxy) && waits.contains("cannot be reached"), "{waits}");
        heard.push(lines);
    }
    // One is told to, the other one gives up by itself.
    signal(hastys.0.id(), "INT")?;
    assert_eq!(hastys.0.wait()?.code(), Some(130));
    let last = heard.remove(0).last().context("a line at the end")??;
    assert_eq!(patients.0.wait()?.code(), Some(4), "{last}");
    ensure!(last.contains("Nobody showed this channel's list") && last.contains("The proxy does not work"), "{last}");
    Ok(())
}

#[test]
fn a_running_node_tells_its_clients_what_it_waits_for() -> Result<()> {
    let link = link_of_nobody()?;
    let bob = Person::new("bob", &[], &[])?;
    let said = typed(&bob.home, &["get", "--timeout", "3s", &link])?;
    assert!(said.stderr.contains("Waiting for somebody to connect"), "{said:?}");
    // What is noted says so at once.
    let followed = typed(&bob.home, &["subscribe", &link])?;
    assert!(followed.code == Some(0) && followed.stdout.contains("the DHT is off"), "{followed:?}");
    bob.stop()
}

#[test]
fn what_is_said_while_a_get_waits_ends_when_the_list_comes() -> Result<()> {
    let alice = Person::new("alice", &[], &[])?;
    let songs = people::folder(&alice.home, "songs", &[("a", 5_000)])?;
    let published = people::publish(&alice.home, &songs, &["--title", "Songs"])?;
    let bob = Person::new("bob", &[], &[])?;
    let mut command = bob.home.command()?;
    command.args(["get", &text(&published, "link")?]).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut get = Killed(command.spawn()?);
    let mut lines = BufReader::new(get.0.stderr.take().context("a pipe")?).lines();
    let first = lines.next().context("a line")??;
    ensure!(first.contains("Looking for the channel's list") || first.contains("Waiting for somebody"), "{first}");
    // Somebody who has it comes.
    let carol = super::home("carol", &[])?;
    let carols = carol.daemon_with(["--peer", alice.node.address(), "--peer", bob.node.address()])?;
    carol.ask(["subscribe", &text(&published, "link")?])?;
    ensure!(get.0.wait()?.success(), "it ends by itself");
    carols.stop(&carol)?;
    bob.stop()?;
    alice.stop()
}

#[test]
fn every_signal_that_ends_a_session_ends_a_command_in_peace() -> Result<()> {
    let link = link_of_nobody()?;
    for name in ["INT", "TERM", "HUP", "QUIT"] {
        let bob = Home::new("bob", &[])?;
        let mut command = bob.command()?;
        command.args(bob.network()).args(["get", &link]).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut get = Killed(command.spawn()?);
        let mut lines = BufReader::new(get.0.stderr.take().context("a pipe")?).lines();
        lines.next().context("it waits")??;
        ensure!(bob.data().join("node.sock").exists(), "others can talk to it meanwhile");
        signal(get.0.id(), name)?;
        assert_eq!(get.0.wait()?.code(), Some(130), "after SIG{name}");
        ensure!(!bob.data().join("node.sock").exists(), "SIG{name} leaves nothing behind");
    }
    Ok(())
}

#[test]
fn a_program_that_was_started_to_outlive_its_terminal_does() -> Result<()> {
    let bob = Home::new("bob", &[])?;
    let node = bob.daemon_started_by(&["sh", "-c", "trap '' HUP; exec \"$@\"", "sh"])?;
    signal(node.id(), "HUP")?;
    // It would have ended before it answers: signals come first.
    bob.ask(["status"])?;
    bob.ask(["id", "list"])?;
    node.stop(&bob)
}
