//! An author who makes lists and items of any size: what a follower's node remembers of them stays small, and no item
//! kills it twice. Memory is the process's own, as Linux counts it.

use super::disk::{in_a_namespace, mount};
use super::{Scene, refused};
use megatorrent_tests::hostile::{body_manifest, record, tree};
use megatorrent_tests::people::until;
use megatorrent_tests::process::{Home, PATIENCE};
use megatorrent_tests::v5::author::collections;
use megatorrent_tests::v5::{self, Blob, Habits, Server};
use serde_json::Value;
use std::fmt::Write as _;
use std::fs;
use std::time::{Duration, Instant};

const NOW: u64 = 1_700_000_000_000;
const MIB: u64 = 1 << 20;
/// Children of one table.
const FANOUT: u64 = 13_797;
/// Most memory that a node may take for what an author wrote, in bytes.
const MEMORY_MAX: u64 = 200 << 20;
/// A plan of a million chunks is a million rows, in a debug build on a busy machine.
const LONG: Duration = Duration::from_secs(900);

impl Scene {
    fn hold(server: &Server, content: &[u8]) -> Blob {
        let blob = Blob::seal(content).unwrap();
        server.hold(&blob);
        blob
    }

    /// A stream of any length, behind a table where it is longer than a blob.
    fn stream(server: &Server, content: &[u8]) -> String {
        let leaves: Vec<Blob> = content.chunks(1 << 20).map(|part| Self::hold(server, part)).collect();
        match leaves.as_slice() {
            [leaf] => tree(leaf, content.len() as u64, 0),
            leaves => {
                let table: Vec<u8> = leaves.iter().flat_map(|leaf| record(leaf).unwrap()).collect();
                tree(&Self::hold(server, &table), content.len() as u64, 1)
            }
        }
    }

    fn list(&self, server: &Server, items: &str, sequence: u64) {
        let json = format!("{{\"collections\":[{{\"items\":[{items}]}}]}}");
        let body = Self::stream(server, json.as_bytes());
        assert!(self.push(&body_manifest(&self.author, &body, sequence), sequence));
        until(&self.home, &["channels"], "the list", |all| (all[0]["listed"] == sequence).then_some(())).unwrap();
    }

    fn item(&self, name: &str) -> String {
        format!("{}/{name}", self.author.channel())
    }

    fn memory(&self) -> u64 {
        self.daemon.peak_memory().unwrap()
    }
}

/// The first item, as the node shows it.
fn first(home: &Home, channel: &str) -> Value {
    home.ask(["items", channel]).unwrap()[0].clone()
}

#[test]
fn a_tree_of_any_depth_and_width_costs_no_memory() {
    let server = Server::start(Habits::default()).unwrap();
    let scene = Scene::unsubscribed("any-depth", 91, &[server.address()]);
    scene.home.ask(["subscribe", &scene.author.link(), "--fetch", "none"]).unwrap();
    let leaf = Scene::hold(&server, &vec![9; MIB as usize]);
    let table = Scene::hold(&server, &record(&leaf).unwrap().repeat(FANOUT as usize));
    let mut items = Vec::new();
    // 2.6 TiB, 39.5 TiB, and all that a tree can name: out of four blobs.
    for records in [200, 3000, FANOUT] {
        let root = Scene::hold(&server, &record(&table).unwrap().repeat(records as usize));
        let size = records * FANOUT * MIB;
        items.push(format!("{{\"name\":\"{records}.bin\",\"size\":{size},\"tree\":{}}}", tree(&root, size, 2)));
    }
    scene.list(&server, &items.join(","), NOW);
    let asked = server.requests().len();
    for (name, exit, code, words) in [
        ("200.bin", 6, "disk_full", "2.8 TB needed"),
        ("3000.bin", 7, "bad_content", "more than 16777216 parts"),
        ("13797.bin", 7, "bad_content", "more than 16777216 parts"),
    ] {
        refused(&scene.home.run(["get", &scene.item(name)]).unwrap(), exit, code, &[words]);
    }
    assert_eq!(server.requests().len(), asked, "what has no room is refused before its first table is asked for");
    // Kept sealed, and looked into: the same.
    scene.home.ask(["rule", &scene.author.channel(), "--encrypted", "on"]).unwrap();
    refused(&scene.home.run(["get", &scene.item("200.bin")]).unwrap(), 6, "disk_full", &["2.8 TB needed"]);
    let files = scene.home.ask(["files", &scene.item("13797.bin")]).unwrap();
    assert_eq!(files[0]["size"], FANOUT * FANOUT * MIB);
    assert!(scene.memory() < MEMORY_MAX, "{} bytes", scene.memory());
    scene.end();
}

#[test]
fn a_hundred_thousand_files_with_a_tree_each_cost_no_memory() {
    if !in_a_namespace("authors::a_hundred_thousand_files_with_a_tree_each_cost_no_memory") {
        return;
    }
    let server = Server::start(Habits::default()).unwrap();
    let mut scene = Scene::unsubscribed("any-number", 92, &[server.address()]);
    scene.home.be_patient(LONG);
    let large = scene.home.path().join("large");
    mount(&large, "size=20T");
    scene.home.ask(["set", "download-dir", large.to_str().unwrap()]).unwrap();
    scene.home.ask(["subscribe", &scene.author.link(), "--fetch", "none"]).unwrap();
    // The leaf is nobody's: nothing is written for it.
    let leaf = Blob::seal(&vec![9; MIB as usize]).unwrap();
    let full = Scene::hold(&server, &record(&leaf).unwrap().repeat(FANOUT as usize));
    let folder = |name: &str, records: u64| {
        let size = records * MIB;
        let one = tree(&full, size, 1);
        let mut files = String::from("[");
        for n in 0..100_000 {
            let comma = if n == 0 { "" } else { "," };
            write!(files, "{comma}{{\"path\":\"folder {}/{n}\",\"size\":{size},\"tree\":{one}}}", n / 7).unwrap();
        }
        files.push(']');
        // What it says of its size is nothing that anybody has to believe.
        let list = Scene::stream(&server, files.as_bytes());
        format!("{{\"name\":\"{name}\",\"size\":5,\"count\":100000,\"filesTree\":{list}}}")
    };
    scene.list(&server, &[folder("huge", FANOUT), folder("large", 2)].join(","), NOW);
    let huge = scene.home.run(["get", &scene.item("huge")]).unwrap();
    refused(&huge, 7, "bad_content", &["more than 16777216 parts"]);
    // Two hundred gigabytes that the disk has room for are planned, file by file, and wait for whoever has them.
    let item = scene.item("large");
    std::thread::scope(|scope| {
        let getting = scope.spawn(|| scene.home.run(["get", &item]).unwrap());
        until_within(LONG, || !first_named(&scene, "large")["path"].is_null());
        assert!(scene.memory() < MEMORY_MAX, "{} bytes", scene.memory());
        let files = scene.home.ask(["files", &item]).unwrap();
        assert_eq!((files.as_array().unwrap().len(), &files[99_999]["size"]), (100_000, &Value::from(2 * MIB)));
        scene.home.ask(["remove", &item, "--delete"]).unwrap();
        refused(&getting.join().unwrap(), 3, "not_found", &["was removed"]);
    });
    scene.end();
}

fn first_named(scene: &Scene, name: &str) -> Value {
    let items = scene.home.ask(["items", &scene.author.channel()]).unwrap();
    items.as_array().unwrap().iter().find(|item| item["name"] == name).unwrap().clone()
}

fn until_within(patience: Duration, mut done: impl FnMut() -> bool) {
    let deadline = Instant::now() + patience;
    while !done() {
        assert!(Instant::now() < deadline, "it did not happen in time");
        std::thread::sleep(Duration::from_millis(200));
    }
}

/// A file of 128 GiB is planned where the disk has room for it; and when the process is killed in the middle, the next one
/// leaves the item alone until its user says otherwise.
#[test]
fn an_item_over_whose_plan_the_node_was_killed_waits_for_the_user() {
    if !in_a_namespace("authors::an_item_over_whose_plan_the_node_was_killed_waits_for_the_user") {
        return;
    }
    let server = Server::start(Habits::default()).unwrap();
    let mut scene = Scene::unsubscribed("long-plan", 93, &[server.address()]);
    scene.home.be_patient(LONG);
    let large = scene.home.path().join("large");
    mount(&large, "size=20T");
    scene.home.ask(["set", "download-dir", large.to_str().unwrap()]).unwrap();
    scene.home.ask(["subscribe", &scene.author.link()]).unwrap();
    let leaf = Blob::seal(&vec![9; MIB as usize]).unwrap();
    let table = Scene::hold(&server, &record(&leaf).unwrap().repeat(FANOUT as usize));
    let root = Scene::hold(&server, &record(&table).unwrap().repeat(76));
    let size = MIB * MIB / 8;
    let item = format!("{{\"name\":\"film.bin\",\"size\":{size},\"tree\":{}}}", tree(&root, size, 2));
    scene.list(&server, &item, NOW);
    // In the middle of it: rows come, the plan is not there yet.
    let database = || -> u64 {
        let parts = ["store.db", "store.db-wal"].map(|name| fs::metadata(scene.home.data().join(name)));
        parts.into_iter().map(|part| part.map_or(0, |part| part.len())).sum()
    };
    until_within(LONG, || database() > 8 << 20);
    assert!(first(&scene.home, &scene.author.channel())["path"].is_null(), "it was planned before it could be killed");
    scene.daemon.kill().unwrap();

    // Once it may have been by chance: it is read again, when the node has run for a while. Then it dies over it again.
    scene.daemon = scene.home.daemon_with(["--peer".to_owned(), server.address().to_string()]).unwrap();
    assert_eq!(first(&scene.home, &scene.author.channel())["cause"]["cause"], "queued");
    let before = database();
    until_within(LONG, || database() > before + (4 << 20));
    scene.daemon.kill().unwrap();

    scene.daemon = scene.home.daemon_with(["--peer".to_owned(), server.address().to_string()]).unwrap();
    let item = first(&scene.home, &scene.author.channel());
    assert_eq!(item["cause"]["cause"], "died_reading", "{item}");
    // Others of the channel are fetched, and another list is read: this one waits.
    let note = v5::chunks(b"a note").unwrap();
    server.hold(&note[0]);
    scene.node = scene.daemon.address().parse().unwrap();
    let film = format!("{{\"name\":\"film.bin\",\"size\":{size},\"tree\":{}}}", tree(&root, size, 2));
    let small = format!("{{\"name\":\"note.txt\",\"size\":6,\"chunks\":[{}]}}", note[0].entry());
    scene.list(&server, &[film, small].join(","), NOW + 1);
    until_within(PATIENCE, || first_named(&scene, "note.txt")["state"] == "complete");
    let item = first(&scene.home, &scene.author.channel());
    assert_eq!((&item["cause"]["cause"], item["path"].is_null()), (&Value::from("died_reading"), true));
    let said = scene.home.command().unwrap().args(["items", &scene.author.channel()]).output().unwrap();
    let said = String::from_utf8_lossy(&said.stdout).into_owned();
    assert!(said.contains("It is not read again by itself"), "{said}");
    // The user's word.
    let name = scene.item("film.bin");
    std::thread::scope(|scope| {
        let getting = scope.spawn(|| scene.home.run(["get", &name]).unwrap());
        until_within(LONG, || !first(&scene.home, &scene.author.channel())["path"].is_null());
        let item = first(&scene.home, &scene.author.channel());
        assert_ne!(item["cause"]["cause"], "died_reading");
        assert_eq!(item["bytes"], size);
        assert!(scene.memory() < MEMORY_MAX, "{} bytes", scene.memory());
        scene.home.ask(["unsubscribe", &scene.author.channel()]).unwrap();
        refused(&getting.join().unwrap(), 3, "not_found", &["The channel was left"]);
    });
    assert!(scene.memory() < MEMORY_MAX, "{} bytes", scene.memory());
    scene.end();
}

#[test]
fn lists_are_bounded_in_all_though_nothing_of_them_is_fetched() {
    let server = Server::start(Habits::default()).unwrap();
    let scene = Scene::new("any-list", 94, &[server.address()]);
    let mut watch = scene.watch();
    scene.home.ask(["unsubscribe", &scene.author.channel()]).unwrap();
    scene.home.ask(["subscribe", &scene.author.link(), "--fetch", "none"]).unwrap();
    scene.publish(&mut watch, &collections(&[("kept.txt", &[])]), NOW);
    let page = |n: u32| {
        let page = format!("{{\"items\":[{{\"name\":\"on page {n}\",\"chunks\":[]}}]}}");
        format!("{{\"count\":1,\"bytes\":0,\"tree\":{}}}", Scene::stream(&server, page.as_bytes()))
    };
    let pages: Vec<String> = (0..6).map(page).collect();
    let list = |pages: &[String]| {
        Scene::stream(&server, format!("{{\"collections\":[{{\"pages\":[{}]}}]}}", pages.join(",")).as_bytes())
    };
    let mut told = |sequence: u64, body: &str, words: &str| {
        assert!(scene.push(&body_manifest(&scene.author, body, sequence), sequence));
        let what = watch.until(words, |event| {
            let cause = &event["data"]["cause"];
            (event["data"]["sequence"] == sequence && cause["cause"] == "bad_content").then(|| cause["what"].clone())
        });
        let what = what.unwrap();
        assert!(what.as_str().unwrap().contains(words), "{what}");
        assert_eq!(scene.home.ask(["items", &scene.author.channel()]).unwrap()[0]["name"], "kept.txt");
    };
    // One page ten thousand times is ten thousand times the work: refused before any is asked for.
    let twice: Vec<String> = std::iter::repeat_n(pages[0].clone(), 100).collect();
    told(NOW + 1, &list(&twice), "a page is named twice");
    // Many pages: as many as the settings allow.
    scene.home.ask(["set", "list-max", "5M"]).unwrap();
    told(NOW + 2, &list(&pages), "more than 5.0 MB");
    let asked = server.requests().len();
    assert!(asked <= 8, "{asked} blobs were asked for");
    scene.home.ask(["set", "list-max", "off"]).unwrap();
    until(&scene.home, &["items", &scene.author.channel()], "six pages", |items| {
        (items.as_array().map(Vec::len) == Some(6)).then_some(())
    })
    .unwrap();
    // A body of sixteen megabytes, every byte of it an object.
    let files = vec!["{\"path\":\"a\",\"chunks\":[]}"; 1000].join(",");
    let mut items = String::new();
    for n in 0.. {
        let item = format!("{{\"name\":\"{n}\",\"files\":[{files}]}}");
        if items.len() + item.len() + 100 > 16 << 20 {
            break;
        }
        items.push_str(if n == 0 { "" } else { "," });
        items.push_str(&item);
    }
    scene.home.ask(["set", "list-max", "1G"]).unwrap();
    scene.list(&server, &items, NOW + 3);
    assert!(scene.memory() < MEMORY_MAX, "{} bytes", scene.memory());
    // One item that fills such a body, and the same with its last part another: the two are compared.
    let parts = [Blob::seal(b"one").unwrap().entry(), Blob::seal(b"two").unwrap().entry()];
    let count = (15 << 20) / parts[0].len();
    for (n, last) in parts.iter().enumerate() {
        let chunks = vec![parts[0].as_str(); count].join(",");
        let item = format!("{{\"id\":\"{}\",\"name\":\"long\",\"chunks\":[{chunks},{last}]}}", "77".repeat(16));
        scene.list(&server, &item, NOW + 4 + n as u64);
    }
    assert!(scene.memory() < MEMORY_MAX, "{} bytes", scene.memory());
    scene.end();
}

/// Lists one after the other: small ones are read as they come, large ones not more often than once a minute.
#[test]
fn large_lists_are_read_once_a_minute_and_small_ones_at_once() {
    let server = Server::start(Habits::default()).unwrap();
    let scene = Scene::unsubscribed("many-lists", 95, &[server.address()]);
    scene.home.ask(["subscribe", &scene.author.link(), "--fetch", "none"]).unwrap();
    for n in 0..10 {
        scene.list(&server, &format!("{{\"name\":\"{n}\",\"chunks\":[]}}"), NOW + n);
    }
    // A list of two hundred blobs: the first of them is read, and what comes then waits.
    let filler = "x".repeat(900_000);
    let page = |n: u64, m: u64| {
        let page = format!("{{\"items\":[],\"filler\":\"{n} {m} {filler}\"}}");
        format!("{{\"count\":0,\"bytes\":0,\"tree\":{}}}", Scene::stream(&server, page.as_bytes()))
    };
    let large = |n: u64| {
        let pages: Vec<String> = (0..200).map(|m| page(n, m)).collect();
        let item = format!("{{\"name\":\"large {n}\",\"chunks\":[]}}");
        let json = format!("{{\"collections\":[{{\"items\":[{item}],\"pages\":[{}]}}]}}", pages.join(","));
        Scene::stream(&server, json.as_bytes())
    };
    let sequence = NOW + 100;
    let (first, begun) = (large(0), Instant::now());
    assert!(scene.push(&body_manifest(&scene.author, &first, sequence), sequence));
    let listed = |wanted: u64| scene.channel()["listed"] == wanted;
    until_within(LONG, || listed(sequence));
    let small = Scene::stream(&server, b"{\"collections\":[{\"items\":[{\"name\":\"small\",\"chunks\":[]}]}]}");
    assert!(scene.push(&body_manifest(&scene.author, &small, sequence + 1), sequence + 1));
    until_within(LONG, || listed(sequence + 1));
    // Two hundred blobs are 72 more than a minute may open.
    assert!(begun.elapsed() > Duration::from_secs(30), "both within {:?}", begun.elapsed());
    // Who asks does not wait.
    assert!(scene.push(&body_manifest(&scene.author, &large(1), sequence + 2), sequence + 2));
    until_within(LONG, || listed(sequence + 2));
    assert!(scene.push(&body_manifest(&scene.author, &small, sequence + 3), sequence + 3));
    let begun = Instant::now();
    scene.home.ask(["subscribe", &scene.author.link(), "--fetch", "none"]).unwrap();
    until_within(LONG, || listed(sequence + 3));
    assert!(begun.elapsed() < Duration::from_secs(50), "the user waited {:?}", begun.elapsed());
    scene.end();
}

/// A new version while the old one is fetched, whose parts nobody gives any more: the new one is what is fetched.
#[test]
fn an_item_that_is_updated_while_it_is_fetched_arrives_in_its_new_version() {
    let server = Server::start(Habits::default()).unwrap();
    let scene = Scene::new("midway-update", 96, &[server.address()]);
    let mut watch = scene.watch();
    let id = "00112233445566778899aabbccddeeff";
    let item = |blobs: &[Blob]| {
        let size: usize = blobs.iter().map(|blob| blob.real_size).sum();
        let chunks: Vec<String> = blobs.iter().map(Blob::entry).collect();
        format!("{{\"id\":\"{id}\",\"name\":\"film.bin\",\"size\":{size},\"chunks\":[{}]}}", chunks.join(","))
    };
    let content = |n: u8| (0..3 * MIB).map(|at| (at % 251) as u8 ^ n).collect::<Vec<u8>>();
    let (old, new) = (v5::chunks(&content(1)).unwrap(), v5::chunks(&content(2)).unwrap());
    // Of the old version one part is there, and the rest never was.
    server.hold(&old[0]);
    new.iter().for_each(|blob| server.hold(blob));
    scene.list(&server, &item(&old), NOW);
    server.wait_served(2, PATIENCE).unwrap();
    let wants_more = |items: &Value| (items[0]["have"] == MIB).then_some(());
    until(&scene.home, &["items", &scene.author.channel()], "a third of the old version", wants_more).unwrap();
    scene.list(&server, &item(&new), NOW + 1);
    let ready = watch.until_ready("film.bin").unwrap();
    let path = std::path::Path::new(ready["path"].as_str().unwrap()).join("film.bin");
    assert!(fs::read(path).unwrap() == content(2));
    scene.end();
}

/// A channel that calls itself like another one does not come among its files.
#[test]
fn a_channel_of_the_same_name_has_another_folder() {
    let server = Server::start(Habits::default()).unwrap();
    let mut scene = Scene::unsubscribed("same-name", 97, &[server.address()]);
    let mut watch = scene.watch();
    let mut sent = Vec::new();
    for (seed, name) in [(98, "song.mp3"), (99, "setup.exe")] {
        scene.author = megatorrent_tests::v5::author::Author::new([seed; 32]);
        scene.home.ask(["subscribe", &scene.author.link()]).unwrap();
        let blobs = v5::chunks(name.as_bytes()).unwrap();
        server.hold(&blobs[0]);
        let json = format!("{{\"channel\":{{\"name\":\"Alice\"}},\"collections\":{}}}", collections(&[(name, &blobs)]));
        let body = Scene::stream(&server, json.as_bytes());
        assert!(scene.push(&body_manifest(&scene.author, &body, NOW), NOW));
        let ready = watch.until_ready(name).unwrap();
        sent.push(ready["path"].as_str().unwrap().to_owned());
    }
    let folder = scene.home.downloads();
    let other = format!("Alice · {}", &scene.author.channel()[..8]);
    assert_eq!(sent, [folder.join("Alice").to_str().unwrap(), folder.join(&other).to_str().unwrap()]);
    assert_eq!(super::files(&folder), ["Alice/song.mp3".to_owned(), format!("{other}/setup.exe")]);
    scene.end();
}

/// Prints what a page that a body names over and over costs, in processor seconds:
/// `PAGES=10000 cargo nextest run -p megatorrent-tests --run-ignored only -E 'test(what_a_page)' --no-capture`.
#[test]
#[ignore = "a measurement"]
fn what_a_page_that_is_named_over_and_over_costs() {
    let server = Server::start(Habits::default()).unwrap();
    let scene = Scene::unsubscribed("page-cost", 101, &[server.address()]);
    scene.home.ask(["subscribe", &scene.author.link(), "--fetch", "none"]).unwrap();
    let count = std::env::var("PAGES").ok().and_then(|pages| pages.parse().ok()).unwrap_or(10_000);
    let filler = "x".repeat(7_900_000);
    let page = Scene::stream(&server, format!("{{\"items\":[],\"filler\":\"{filler}\"}}").as_bytes());
    let page = format!("{{\"count\":0,\"bytes\":0,\"tree\":{page}}}");
    let pages: Vec<String> = std::iter::repeat_n(page, count).collect();
    let body = format!("{{\"collections\":[{{\"items\":[],\"pages\":[{}]}}]}}", pages.join(","));
    let body = Scene::stream(&server, body.as_bytes());
    let used = || -> f64 {
        let stat = fs::read_to_string(format!("/proc/{}/stat", scene.daemon.id())).unwrap();
        let numbers: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
        numbers[11..13].iter().map(|ticks| ticks.parse::<f64>().unwrap() / 100.0).sum()
    };
    let before = used();
    assert!(scene.push(&body_manifest(&scene.author, &body, NOW), NOW));
    until_within(LONG, || {
        let channel = scene.channel();
        channel["listed"] == NOW || channel["cause"]["cause"] == "bad_content"
    });
    println!("{count} references to one page of 8 MB: {:.1} s of a processor", used() - before);
    scene.end();
}
