//! Commands on a data folder on which no node runs.

use super::{dht, home, len, named, number};
use anyhow::{Context, Result};
use megatorrent_tests::people::{self, feed, signal, text};
use megatorrent_tests::process::{Home, Killed, finish};
use megatorrent_tests::v5;
use std::io::{BufRead, BufReader};
use std::net::Ipv4Addr;
use std::process::Stdio;

#[test]
fn identities_are_made_listed_renamed_backed_up_and_restored() -> Result<()> {
    let alice = Home::new("alice", &[])?;
    assert_eq!(len(&alice.ask(["id", "list"])?), 0);
    let made = alice.ask(["id", "new", "Tidewater"])?;
    assert_eq!((text(&made, "name")?, text(&made, "kept")?), ("Tidewater".into(), "vault".into()));
    assert_eq!(text(&made, "link")?, format!("megatorrent://{}", text(&made, "key")?));
    assert!(made["private"].is_null(), "nothing is published yet: {made}");
    let again = alice.run(["id", "new", "Tidewater"])?;
    assert_eq!((again.code, again.error_code().as_deref()), (Some(1), Some("exists")));

    alice.ask(["id", "rename", "Tidewater", "High water"])?;
    alice.ask(["id", "new", "Second"])?;
    let list = alice.ask(["id", "list"])?;
    assert_eq!(len(&list), 2);
    let renamed = named(&list, "name", "High water").context("renamed")?;
    assert_eq!(renamed["key"], made["key"], "the key stays");
    let gone = alice.run(["id", "rename", "Tidewater", "x"])?;
    assert_eq!((gone.code, gone.error_code().as_deref()), (Some(3), Some("not_found")));

    let backup = alice.path().join("high water.age");
    alice.ask(["id".as_ref(), "export".as_ref(), "High water".as_ref(), backup.as_os_str()])?;
    let sealed = std::fs::read_to_string(&backup)?;
    assert!(sealed.starts_with("-----BEGIN AGE ENCRYPTED FILE-----"));
    // Another device of the same person: the passphrase is the same.
    let device = Home::new("alice", &[])?;
    let import = ["id".as_ref(), "import".as_ref(), backup.as_os_str()];
    let restored = device.ask(import)?;
    assert_eq!((&restored["key"], &restored["name"]), (&made["key"], &"High water".into()));
    // Once more changes nothing, and renames nothing behind its person's back.
    device.ask(["id", "rename", "High water", "Mine"])?;
    assert_eq!(device.ask(import)?["name"], "Mine");
    let renamed = device.run(import.into_iter().chain(["--name".as_ref(), "Another".as_ref()]))?;
    assert_eq!((renamed.code, renamed.error_code().as_deref()), (Some(1), Some("exists")), "{renamed:?}");
    assert_eq!(device.ask(["id", "list"])?[0]["name"], "Mine");
    // Somebody else's passphrase does not open it, and nothing is left of the try.
    let bob = Home::new("bob", &[])?;
    let refused = bob.run(import)?;
    assert_eq!((refused.code, refused.error_code().as_deref()), (Some(5), Some("wrong_passphrase")));
    assert_eq!(len(&bob.ask(["id", "list"])?), 0);
    Ok(())
}

#[test]
fn an_identity_of_a_v5_client_is_imported() -> Result<()> {
    let home = Home::new("alice", &[])?;
    let author = v5::author::Author::new([7; 32]);
    let file = home.path().join("identity.json");
    let (seed, public) = ("07".repeat(32), author.channel());
    std::fs::write(&file, format!("{{\"publicKey\":\"{public}\",\"secretKey\":\"{seed}{public}\"}}"))?;
    let imported = home.ask(["id".as_ref(), "import".as_ref(), file.as_os_str(), "--name".as_ref(), "Old".as_ref()])?;
    assert_eq!((text(&imported, "key")?, text(&imported, "name")?), (public, "Old".into()));
    Ok(())
}

#[test]
fn without_keyring_terminal_and_passphrase_secrets_are_refused_in_words() -> Result<()> {
    let home = Home::new("alice", &[])?;
    let mut command = home.command()?;
    command.env_remove("MEGATORRENT_PASSPHRASE").args(["id", "new", "Tidewater"]);
    let refused = finish(command)?;
    assert_eq!(refused.code, Some(5));
    assert!(refused.stderr.contains("MEGATORRENT_PASSPHRASE"), "{}", refused.stderr);
    assert!(refused.stdout.is_empty());
    // Too short a passphrase makes no vault, wherever it comes from.
    let mut command = home.command()?;
    command.env("MEGATORRENT_PASSPHRASE", "abc").args(["id", "new", "Tidewater"]);
    let short = finish(command)?;
    assert_eq!(short.code, Some(5), "{}", short.stderr);
    assert!(short.stderr.contains("at least 8 characters"), "{}", short.stderr);
    let mut command = home.command()?;
    command.env_remove("MEGATORRENT_PASSPHRASE").args(["--passphrase", "-", "id", "new", "Tidewater"]);
    let short = feed(command, "seven c\n")?;
    assert!(short.code == Some(5) && short.stderr.contains("at least 8 characters"), "{}", short.stderr);
    // The passphrase may come by standard input.
    let mut command = home.command()?;
    command.env_remove("MEGATORRENT_PASSPHRASE").args(["--json", "--passphrase", "-", "id", "new", "Tidewater"]);
    assert_eq!(text(&feed(command, "a passphrase\n")?.json()?, "kept")?, "vault");
    Ok(())
}

#[test]
fn publishing_without_a_node_announces_and_says_that_nobody_seeds() -> Result<()> {
    let dht = dht()?;
    let alice = Home::new("alice", &dht.bootstrap())?;
    alice.ask(["id", "new", "Tidewater"])?;
    let file = people::folder(&alice, "one", &[("note.txt", 5000)])?.join("note.txt");
    let mut command = alice.command()?;
    command.args(alice.network()).arg("publish").arg(&file);
    let said = finish(command)?;
    assert_eq!(said.code, Some(0), "{}", said.stderr);
    assert!(said.stdout.contains("Nobody seeds this until a node runs"), "{}", said.stdout);
    assert!(said.stdout.contains("DHT nodes"), "{}", said.stdout);

    // What a v5 client finds of it. The list fits a DHT item, so every chunk was announced before it.
    let channels = alice.ask(["channels"])?;
    let key = text(&channels[0], "key")?;
    let outside = v5::Dht::join(&dht.bootstrap(), Ipv4Addr::LOCALHOST)?;
    let (sequence, manifest) = outside.look_up(&key)?.context("the DHT has the list")?;
    assert_eq!(sequence, number(&channels[0], "sequence")?);
    let files = v5::author::read(&manifest, &key, None)?;
    assert_eq!((files.len(), files[0].name.as_str()), (1, "note.txt"));
    assert_eq!(outside.peers(&files[0].chunks[0].id)?.len(), 1);
    Ok(())
}

#[test]
fn publish_seed_stays_until_ctrl_c() -> Result<()> {
    let alice = Home::new("alice", &[])?;
    alice.ask(["id", "new", "Tidewater"])?;
    let folder = people::folder(&alice, "songs", &[("a.flac", 300_000)])?;
    let mut command = alice.command()?;
    command.arg("--json").args(alice.network()).arg("publish").arg(&folder).arg("--seed");
    let mut child = Killed(command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn()?);
    let mut line = String::new();
    BufReader::new(child.0.stdout.take().context("a pipe")?).read_line(&mut line)?;
    let published: serde_json::Value = serde_json::from_str(&line)?;
    assert_eq!(published["seeding"], true);
    // Other commands talk to it meanwhile, and others fetch from it.
    let listen = text(&alice.ask(["status"])?, "listen")?;
    let bob = home("bob", &[])?;
    let dir = bob.path().join("here");
    let mut args = bob.network();
    args.extend(["--peer", &listen, "get", &text(&published, "link")?, "-o"].map(str::to_owned));
    args.push(dir.display().to_string());
    assert_eq!(len(&bob.ask(&args)?["items"]), 1);
    megatorrent_tests::folder::compare(&folder, &dir.join("songs"))?;
    signal(child.0.id(), "INT")?;
    assert_eq!(child.0.wait()?.code(), Some(0));
    Ok(())
}

#[test]
fn subscribing_without_a_node_only_notes_the_channel() -> Result<()> {
    let bob = home("bob", &[])?;
    let channel = v5::author::Author::new([9; 32]).channel();
    let mut command = bob.command()?;
    command.args(["subscribe", "-", "--fetch", "3"]);
    let said = feed(command, &format!("megatorrent://{channel}\n"))?;
    assert_eq!(said.code, Some(0), "{}", said.stderr);
    assert!(said.stderr.contains("until a node runs"), "{}", said.stderr);
    let channels = bob.ask(["channels"])?;
    assert_eq!((text(&channels[0], "key")?, number(&channels[0], "sequence")?), (channel.clone(), 0));
    assert_eq!(channels[0]["fetch"]["newest"], 3);
    let status = bob.ask(["status"])?;
    assert_eq!((number(&status, "channels")?, status["listen"].is_null()), (1, true));
    assert_eq!(len(&bob.ask(["items", &channel[..8]])?), 0);
    bob.ask(["unsubscribe", &channel])?;
    assert_eq!(len(&bob.ask(["channels"])?), 0);
    assert_eq!(bob.run(["unsubscribe", &channel])?.code, Some(3));
    Ok(())
}

#[test]
fn watching_without_a_node_goes_on_until_ctrl_c() -> Result<()> {
    let home = Home::new("bob", &[])?;
    let mut command = home.command()?;
    command.arg("--json").args(home.network()).arg("watch");
    let mut child = Killed(command.stdout(Stdio::piped()).spawn()?);
    let mut lines = BufReader::new(child.0.stdout.take().context("a pipe")?).lines();
    let first: serde_json::Value = serde_json::from_str(&lines.next().context("an event")??)?;
    assert_eq!((&first["event"], len(&first["data"]["channels"])), (&"snapshot".into(), 0));
    signal(child.0.id(), "INT")?;
    assert_eq!(child.0.wait()?.code(), Some(0));
    Ok(())
}

#[test]
fn completions_help_and_usage() -> Result<()> {
    let home = Home::new("bob", &[])?;
    let run = |args: &[&str]| -> Result<_> {
        let mut command = home.command()?;
        command.args(args);
        finish(command)
    };
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let script = run(&["completions", shell])?;
        assert_eq!(script.code, Some(0));
        for word in ["megatorrent", "subscribe", "unpublish", "bootstrap"] {
            assert!(script.stdout.contains(word), "{shell} does not complete {word}");
        }
    }
    assert!(!home.data().exists(), "completions touch no data folder");
    let help = run(&["--help"])?;
    assert!(help.stdout.contains("Examples:") && help.stdout.contains("Exit codes:"));
    for command in ["publish", "subscribe", "get", "daemon", "verify", "locate", "id new"] {
        let mut args: Vec<&str> = command.split(' ').collect();
        args.push("--help");
        let help = run(&args)?;
        assert!(help.code == Some(0) && help.stdout.contains("Example"), "{command}: {}", help.stdout);
    }
    for nonsense in [&["fly"][..], &["get"], &["publish"], &["--listen", "here", "status"], &["edit", "x"]] {
        assert_eq!(run(nonsense)?.code, Some(2), "{nonsense:?}");
    }
    assert_eq!(home.run(["subscribe", "megatorrent://abc"])?.code, Some(7));
    assert_eq!(home.run(["verify", "abcdef"])?.code, Some(3));
    Ok(())
}

#[test]
fn a_damaged_database_is_made_anew_and_identities_come_back_from_the_vault() -> Result<()> {
    let home = home("damaged", &[])?;
    let made = home.ask(["id", "new", "Tidewater"])?;
    let database = home.data().join("store.db");
    assert_eq!(home.ask(["doctor", "--rebuild"])?, serde_json::Value::Null, "a sound one stays as it is");
    assert!(!home.data().join("store.db.damaged1").exists());
    std::fs::write(&database, b"no database at all".repeat(500))?;
    let refused = home.run(["id", "list"])?;
    assert_eq!((refused.code, refused.error_code().as_deref()), (Some(6), Some("corrupt")), "{refused:?}");
    assert!(refused.stderr.contains("doctor --rebuild"), "{refused:?}");
    let rebuilt = home.ask(["doctor", "--rebuild"])?;
    assert_eq!(std::fs::read(text(&rebuilt, "kept")?)?, b"no database at all".repeat(500));
    // Its name is lost; its key, and with it the channel, is not.
    let all = home.ask(["id", "list"])?;
    let key = text(&made, "key")?;
    assert_eq!((len(&all), text(&all[0], "key")?, text(&all[0], "name")?), (1, key.clone(), key[..8].to_owned()));
    home.ask(["id", "rename", &key, "Tidewater"])?;
    assert_eq!(home.ask(["id", "list"])?[0]["name"], "Tidewater");
    // A node that runs has the folder.
    let daemon = home.daemon()?;
    assert_eq!(home.run(["doctor", "--rebuild"])?.error_code().as_deref(), Some("busy"));
    daemon.stop(&home)
}
