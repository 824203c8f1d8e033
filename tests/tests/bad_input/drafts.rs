//! Publications that come to nothing: they are never in a list, and the list in force keeps all that it names.

use super::disk::{in_a_namespace, mount};
use super::refused;
use megatorrent_tests::people::{publish, text, until};
use megatorrent_tests::process::{Home, Killed};
use serde_json::Value;
use std::fs;
use std::process::Stdio;
use std::time::Instant;

const MIB: u64 = 1 << 20;

fn names(home: &Home, channel: &str) -> Vec<String> {
    let items = home.ask(["items", channel]).unwrap();
    items.as_array().unwrap().iter().map(|item| item["name"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn what_could_not_be_published_is_not_signed_with_the_next_list() {
    // One person, two devices: the second has the identity from a backup, and nobody yet who shows its list.
    let first = Home::new("alice", &[]).unwrap();
    let there = first.daemon().unwrap();
    first.ask(["id", "new", "Tidewater"]).unwrap();
    let write = |home: &Home, name: &str| {
        let file = home.path().join(name);
        fs::write(&file, name).unwrap();
        file
    };
    publish(&first, &write(&first, "a.txt"), &[]).unwrap();
    let backup = first.path().join("backup.age");
    first.ask(["id".as_ref(), "export".as_ref(), "Tidewater".as_ref(), backup.as_os_str()]).unwrap();

    let second = Home::new("alice", &[]).unwrap();
    second.ask(["id".as_ref(), "import".as_ref(), backup.as_os_str()]).unwrap();
    let alone = second.daemon().unwrap();
    let secret = write(&second, "secret.txt");
    let answer = second.run(["publish", secret.to_str().unwrap()]).unwrap();
    refused(&answer, 4, "timed_out", &["comes from a backup"]);
    assert_eq!(names(&second, "Tidewater"), [""; 0], "what failed is no item");
    alone.stop(&second).unwrap();

    let both = second.daemon_with(["--peer", there.address()]).unwrap();
    until(&second, &["items", "Tidewater"], "the list of the first device", |items| {
        (items[0]["name"] == "a.txt").then_some(())
    })
    .unwrap();
    publish(&second, &write(&second, "b.txt"), &[]).unwrap();
    assert_eq!(names(&second, "Tidewater"), ["b.txt", "a.txt"]);
    until(&first, &["items", "Tidewater"], "the list of the second device", |items| {
        (items[0]["name"] == "b.txt").then_some(())
    })
    .unwrap();
    assert_eq!(names(&first, "Tidewater"), ["b.txt", "a.txt"]);
    both.stop(&second).unwrap();
    there.stop(&first).unwrap();
}

#[test]
fn an_update_that_fails_leaves_the_version_in_force_for_others() {
    if !in_a_namespace("drafts::an_update_that_fails_leaves_the_version_in_force_for_others") {
        return;
    }
    let home = Home::new("alice", &[]).unwrap();
    mount(&home.data(), "size=12m,mode=700");
    let daemon = home.daemon().unwrap();
    home.ask(["id", "new", "Tidewater"]).unwrap();
    let version = |folder: &str, content: &[u8]| {
        let folder = home.path().join(folder);
        fs::create_dir(&folder).unwrap();
        fs::write(folder.join("note.txt"), content).unwrap();
        folder.join("note.txt")
    };
    let published = publish(&home, &version("one", b"the first version"), &["--private"]).unwrap();
    let (link, item) = (text(&published, "link").unwrap(), text(&published, "item").unwrap());
    // What is left on the disk is less than a list takes.
    let ballast = home.data().join("ballast");
    let mut size = 12 * MIB;
    while fs::write(&ballast, vec![0; usize::try_from(size).unwrap()]).is_err() {
        size -= 64 * 1024;
    }
    fs::write(&ballast, vec![0; usize::try_from(size - 512 * 1024).unwrap()]).unwrap();
    let second = version("two", b"the second version");
    let update = ["publish", "--private", "--update", &item, second.to_str().unwrap()];
    refused(&home.run(update).unwrap(), 6, "disk_full", &["full"]);
    let kept = home.ask(["items", "Tidewater"]).unwrap();
    assert_eq!((kept.as_array().unwrap().len(), &kept[0]["bytes"]), (1, &Value::from(17)));

    let reader = Home::new("reader", &[]).unwrap();
    let reading = reader.daemon_with(["--peer", daemon.address()]).unwrap();
    reader.ask(["set", "download-dir", reader.downloads().to_str().unwrap()]).unwrap();
    reader.ask(["get", &link]).unwrap();
    let arrived = super::files(&reader.downloads());
    assert_eq!(fs::read(reader.downloads().join(&arrived[0])).unwrap(), b"the first version");
    // With room the same command does what it was to do.
    fs::remove_file(&ballast).unwrap();
    home.ask(update).unwrap();
    until(&reader, &["transfers"], "the second version", |items| {
        (items[0]["bytes"] == 18 && items[0]["state"] == "complete").then_some(())
    })
    .unwrap();
    reading.stop(&reader).unwrap();
    daemon.stop(&home).unwrap();
}

/// A row of the database that does not hold any more costs its channel's list, not the node.
#[test]
fn a_damaged_manifest_does_not_keep_the_node_from_starting_nor_the_channel_from_being_left() {
    let home = Home::new("alice", &[]).unwrap();
    let daemon = home.daemon().unwrap();
    home.ask(["id", "new", "Tidewater"]).unwrap();
    let file = home.path().join("a.txt");
    fs::write(&file, b"content").unwrap();
    let published = publish(&home, &file, &[]).unwrap();
    let link = text(&published, "link").unwrap();
    let reader = Home::new("reader", &[]).unwrap();
    let peer = ["--peer".to_owned(), daemon.address().to_owned()];
    let reading = reader.daemon_with(peer.clone()).unwrap();
    reader.ask(["subscribe", &link, "--fetch", "none"]).unwrap();
    until(&reader, &["channels"], "the list", |all| (all[0]["items"] == 1).then_some(())).unwrap();
    reading.stop(&reader).unwrap();

    let break_it = || {
        let path = reader.data().join("store.db");
        let mut bytes = fs::read(&path).unwrap();
        let member = b"\"signature\":\"";
        let places = bytes.windows(member.len()).enumerate().filter(|(_, part)| part == member);
        let places: Vec<usize> = places.map(|(at, _)| at + member.len()).collect();
        assert!(!places.is_empty());
        for at in places {
            bytes[at] = if bytes[at] == b'0' { b'1' } else { b'0' };
        }
        fs::write(&path, &bytes).unwrap();
    };
    break_it();
    let alone = reader.daemon().unwrap();
    let channel = &reader.ask(["channels"]).unwrap()[0];
    assert_eq!((&channel["items"], &channel["sequence"]), (&Value::from(1), &Value::from(0)), "{channel}");
    alone.stop(&reader).unwrap();
    // It comes again from whoever has it.
    let reading = reader.daemon_with(peer).unwrap();
    until(&reader, &["channels"], "the list again", |all| (all[0]["sequence"] != 0).then_some(())).unwrap();
    reading.stop(&reader).unwrap();
    break_it();
    let alone = reader.daemon().unwrap();
    reader.ask(["unsubscribe", &link]).unwrap();
    assert_eq!(reader.ask(["channels"]).unwrap().as_array().unwrap().len(), 0);
    alone.stop(&reader).unwrap();
    daemon.stop(&home).unwrap();
}

/// A new read key, killed at many moments: the link that is there afterwards opens the list that is there.
#[test]
fn a_node_that_is_killed_while_it_changes_a_read_key_has_the_list_that_its_link_opens() {
    let home = Home::new("alice", &[]).unwrap();
    let mut daemon = home.daemon().unwrap();
    home.ask(["id", "new", "Family"]).unwrap();
    let letter = home.path().join("letter.txt");
    fs::write(&letter, "a letter").unwrap();
    publish(&home, &letter, &["--private"]).unwrap();
    let begun = Instant::now();
    let mut link = text(&home.ask(["rekey", "Family"]).unwrap(), "link").unwrap();
    let whole = begun.elapsed();
    let (mut old, mut new) = (0, 0);
    const ROUNDS: u32 = 8;
    for round in 0..ROUNDS {
        let mut command = home.command().unwrap();
        command.args(["--json", "rekey", "Family"]).stdout(Stdio::null()).stderr(Stdio::null());
        let rekey = Killed(command.spawn().unwrap());
        std::thread::sleep(whole * (round + 1) / ROUNDS);
        daemon.kill().unwrap();
        drop(rekey);
        daemon = home.daemon().unwrap();
        let now = home.ask(["link", "Family"]).unwrap().as_str().unwrap().to_owned();
        *(if now == link { &mut old } else { &mut new }) += 1;
        let reader = Home::new("reader", &[]).unwrap();
        let seen = reader.ask(["--no-dht", "--listen", "none", "--peer", daemon.address(), "look", &now]).unwrap();
        assert_eq!(seen["items"].as_array().map(Vec::len), Some(1), "round {round}: {seen}");
        link = now;
    }
    println!("{old} times the old key, {new} times the new one");
    daemon.stop(&home).unwrap();
}
