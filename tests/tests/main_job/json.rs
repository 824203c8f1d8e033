//! `--json`: nothing but JSON, whatever is asked and however it ends.

use super::{Person, home};
use anyhow::{Context, Result, ensure};
use megatorrent_tests::people::{self, text};
use megatorrent_tests::process::{Answer, Home, finish};
use serde_json::Value;

/// The members of which an object on standard error has one.
const KINDS: [&str; 4] = ["error", "event", "remark", "log"];

fn check(what: &[&str], answer: &Answer) -> Result<()> {
    ensure!(answer.code.is_some(), "{what:?} was killed");
    for line in answer.stdout.lines() {
        serde_json::from_str::<Value>(line).with_context(|| format!("{what:?}, standard output: {line:?}"))?;
    }
    for line in answer.stderr.lines() {
        let value: Value = serde_json::from_str(line).with_context(|| format!("{what:?}, standard error: {line:?}"))?;
        let known = KINDS.iter().filter(|kind| !value[**kind].is_null()).count();
        ensure!(known == 1, "{what:?}: one of {KINDS:?} in {value}");
        let message = value["error"]["message"].as_str().unwrap_or("a sentence");
        ensure!(!message.is_empty() && !message.contains('\n'), "{what:?}: {value}");
    }
    let failed = answer.error_code();
    // `verify` and the leak test end with a report and a code.
    ensure!(failed.is_some() == (answer.code != Some(0)), "{what:?} ended with {:?}: {answer:?}", answer.code);
    Ok(())
}

/// Every command that ends by itself, with arguments that make sense somewhere, and lines that make none anywhere.
const LINES: &[&str] = &[
    "",
    "sing",
    "--help",
    "--version",
    "help",
    "help publish",
    "publish --help",
    "id",
    "id new",
    "id list",
    "id export nobody x.age",
    "id import nothing.age",
    "id import nothing.age --passphrase secret",
    "id rename a b",
    "publish",
    "publish nothing-here",
    "unpublish abcd",
    "edit abcd",
    "edit abcd --name x",
    "look",
    "look nonsense",
    "look megatorrent://abcd",
    "subscribe nonsense",
    "unsubscribe nobody",
    "channels",
    "items nobody",
    "files abcd",
    "get nonsense://x",
    "get abcd --timeout 1s",
    "pause",
    "resume",
    "pause --for 1h",
    "resume nobody",
    "rule nobody",
    "rule nobody --keep 3d",
    "pin abcd",
    "unpin abcd",
    "priority abcd high",
    "priority abcd soon",
    "want abcd x",
    "skip abcd x",
    "open abcd",
    "search storm",
    "move-data relative",
    "rekey nobody",
    "new-key nonsense",
    "remove abcd",
    "verify abcd",
    "locate abcd .",
    "status",
    "transfers",
    "peers",
    "link nobody",
    "set",
    "set up lots",
    "set up 500k",
    "set gateways here",
    "set schedule never",
    "set route nowhere",
    "doctor",
    "doctor --leak --seconds 1",
    "completions bash",
    "completions csh",
    "stop now",
    "watch --nonsense",
    "gateway --nonsense",
    "daemon --web elsewhere:1",
    "daemon --listen 192.0.2.1:7",
    "daemon --listen 127.0.0.1",
    "-vv status",
    "--no-dht --listen none get --timeout 4s megatorrent://d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
];

fn line(words: &str) -> Vec<&str> {
    words.split(' ').filter(|word| !word.is_empty()).collect()
}

#[test]
fn every_command_without_a_node_prints_json_alone() -> Result<()> {
    let bob = Home::new("bob", &[])?;
    for words in LINES {
        let words = line(words);
        check(&words, &bob.run(&words)?)?;
    }
    check(&["stop"], &bob.run(["stop"])?)?;
    // Where nobody can be asked for a passphrase.
    let mut command = bob.command()?;
    command.env_remove("MEGATORRENT_PASSPHRASE").args(["--json", "id", "new", "x"]);
    check(&["id", "new", "x"], &finish(command)?)?;
    Ok(())
}

#[test]
fn every_command_of_a_running_node_prints_json_alone() -> Result<()> {
    let bob = Person::new("bob", &[], &[])?;
    for words in LINES.iter().filter(|words| !words.starts_with("daemon --listen")) {
        let words = line(words);
        check(&words, &bob.home.run(&words)?)?;
    }
    // And what it tells beside results: its options are no use, it notes, it seeds.
    let carol = home("carol", &[])?;
    let songs = people::folder(&carol, "songs", &[("a", 2_000_000)])?;
    let link = text(&people::publish(&carol, &songs, &[])?, "link")?;
    for words in [
        &["--no-dht", "status"] as &[_],
        &["subscribe", &link, "--fetch", "none"],
        &["id", "new", "Tidewater"],
        &["publish", songs.to_str().context("a path")?, "--seed"],
        &["daemon"],
    ] {
        check(words, &bob.home.run(words)?)?;
    }
    check(
        &["subscribe"],
        &carol
            .run(["subscribe", &text(&bob.ask(&["channels"])?[0], "key").map(|key| format!("megatorrent://{key}"))?])?,
    )?;
    let log = bob.node.log();
    bob.stop()?;
    check(&["daemon"], &Answer { code: Some(0), stdout: String::new(), stderr: log })
}

#[test]
fn the_log_is_json_too_and_without_colours_where_no_terminal_is() -> Result<()> {
    let alice = Person::new("alice", &[], &[])?;
    let songs = people::folder(&alice.home, "songs", &[("a", 2_000_000)])?;
    let link = text(&people::publish(&alice.home, &songs, &[])?, "link")?;
    let bob = home("bob", &[])?;
    let get = ["--no-dht", "--listen", "none", "--peer", alice.node.address(), "get", &link];
    for verbose in ["-v", "-vv"] {
        let answer = bob.run([&[verbose], &get as &[_]].concat())?;
        check(&get, &answer)?;
        let told = answer.stderr.lines().any(|line| line.contains("\"log\"") && line.contains("a list is read"));
        ensure!(told || verbose == "-vv", "{verbose} says what happens: {answer:?}");
        let mut plain = bob.command()?;
        plain.arg(verbose).args(get);
        let plain = finish(plain)?;
        ensure!(plain.stderr.contains("INFO") && !plain.stderr.contains('\u{1b}'), "{plain:?}");
    }
    alice.stop()
}
