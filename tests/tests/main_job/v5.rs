//! Plain v5 peers, written from the bytes alone, against the real daemon.

use super::{Person, dht, home, number};
use anyhow::{Context, Result};
use data_encoding::HEXLOWER;
use megatorrent_tests::folder::compare;
use megatorrent_tests::people::{self, Shelf, text};
use megatorrent_tests::v5::{self, Dht, Gossip, Habits, Server, V5Error, author};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::time::Duration;

#[test]
fn a_v5_client_finds_and_fetches_what_we_publish() -> Result<()> {
    let dht = dht()?;
    let alice = Person::new("alice", &dht.bootstrap(), &[])?;
    let file = people::folder(&alice.home, "one", &[("été.bin", 1_700_000)])?.join("été.bin");
    let published = people::publish(&alice.home, &file, &[])?;
    let key = text(&published, "link")?.trim_start_matches("megatorrent://").to_owned();

    let client = Dht::join(&dht.bootstrap(), Ipv4Addr::LOCALHOST)?;
    let (sequence, manifest) = client.look_up(&key)?.context("the DHT has the list")?;
    assert_eq!(sequence, number(&published, "sequence")?);
    let files = author::read(&manifest, &key, None)?;
    assert_eq!((files[0].name.as_str(), files[0].chunks.len()), ("été.bin", 2));
    // One connection for each blob, found by the blob's own announce.
    assert_eq!(client.fetch(&files[0])?, std::fs::read(&file)?);

    // Every shape of HELLO that occurs; what is not there is refused in words; FIND_PEERS is always answered.
    let peer: SocketAddr = alice.node.address().parse()?;
    let list = [(key.clone(), 7)];
    for gossip in [Gossip::Nothing, Gossip::Direct(&[]), Gossip::Direct(&list), Gossip::Nested(&list)] {
        let sealed = v5::download(peer, &files[0].chunks[0].id, gossip, Some("127.0.0.1:9"))?;
        assert_eq!(sealed.len(), v5::BLOB_LEN, "{gossip:?}");
    }
    let missing = v5::download(peer, &"0".repeat(64), Gossip::Nothing, None);
    assert!(matches!(missing, Err(V5Error::Refused(why)) if why == "Not Found"));
    v5::find_peers(peer, &files[0].chunks[0].id)?;
    assert!(v5::find_peers(peer, &"0".repeat(64))?.is_empty());
    alice.stop()
}

/// Every list that is no single small file once was empty to such a client.
#[test]
fn a_v5_client_goes_on_seeing_a_channel_that_grows() -> Result<()> {
    let dht = dht()?;
    let alice = Person::new("alice", &dht.bootstrap(), &[])?;
    let bob = Person::new("bob", &dht.bootstrap(), &[&alice])?;
    let client = Dht::join(&dht.bootstrap(), Ipv4Addr::LOCALHOST)?;
    let root = people::folder(
        &alice.home,
        "files",
        &[
            ("tide.bin", 300_000),
            ("two.bin", 200_000),
            ("three.bin", 100_000),
            ("tide3.bin", 310_000),
            ("pair/a", 9),
            ("pair/b", 9),
        ],
    )?;
    let seen = |published: &serde_json::Value| -> Result<Vec<(String, Vec<u8>)>> {
        let key = text(published, "link")?.trim_start_matches("megatorrent://").to_owned();
        let (sequence, manifest) = client.look_up(&key)?.context("the DHT has the list")?;
        assert_eq!(sequence, number(published, "sequence")?);
        let files = author::read(&manifest, &key, None)?;
        assert_eq!(number(published, "v5_items")?, files.len() as u64, "what is said is what is seen");
        files.iter().map(|file| Ok((file.name.clone(), client.fetch(file)?))).collect()
    };
    let bytes = |name: &str| -> Result<(String, Vec<u8>)> { Ok((name.to_owned(), std::fs::read(root.join(name))?)) };
    let first = people::publish(&alice.home, &root.join("tide.bin"), &[])?;
    assert_eq!(seen(&first)?, [bytes("tide.bin")?]);
    people::publish(&alice.home, &root.join("two.bin"), &[])?;
    let third = people::publish(&alice.home, &root.join("three.bin"), &[])?;
    assert_eq!(seen(&third)?, [bytes("three.bin")?], "the newest, with three in the list");
    assert_eq!(number(&third, "items")?, 3);
    // A folder of two is nothing such a client knows: the newest single file stays in its sight.
    let pair = people::publish(&alice.home, &root.join("pair"), &[])?;
    assert_eq!(seen(&pair)?, [bytes("three.bin")?]);
    // A new version under another file name: the item keeps its title, and becomes a folder of one.
    let update = people::publish(&alice.home, &root.join("tide3.bin"), &["--update", &text(&first, "item")?])?;
    assert_eq!(seen(&update)?, [bytes("tide3.bin")?]);
    // Our own reader has all of it.
    bob.ask(&["get", &text(&update, "link")?])?;
    let items = bob.ask(&["items", "Tidewater"])?;
    assert_eq!(super::len(&items), 4);
    assert!(super::named(&items, "name", "pair").is_some_and(|item| item["state"] == "complete"), "{items}");

    // On a terminal it is said.
    let mut command = alice.home.command()?;
    command.args(["edit", &text(&pair, "item")?, "--name", "A pair"]);
    let said = megatorrent_tests::process::finish(command)?;
    assert!(said.stdout.contains("Clients of version 5 see 1 of the 4 items"), "{}", said.stdout);
    bob.stop()?;
    alice.stop()
}

#[test]
fn we_find_and_fetch_what_a_v5_author_publishes() -> Result<()> {
    for split in [None, Some(100_000)] {
        let dht = dht()?;
        let server = Server::start(Habits { split, ..Habits::default() })?;
        let content: Vec<u8> = (0..1_300_000_u32).map(|i| (i % 253) as u8).collect();
        let blobs = v5::chunks(&content)?;
        let writer = author::Author::new([5; 32]);
        let outside = Dht::join(&dht.bootstrap(), Ipv4Addr::LOCALHOST)?;
        for blob in &blobs {
            server.hold(blob);
            outside.announce(&blob.id, server.address().port())?;
        }
        let sequence = 1_700_000_000_000;
        let manifest = writer.sign_public(&author::collections(&[("note.bin", &blobs)]), sequence);
        outside.put(&writer, &manifest, sequence)?;

        let bob = Person::new("bob", &dht.bootstrap(), &[])?;
        let mut news = bob.node.watch(&bob.home)?;
        bob.ask(&["subscribe", &writer.link()])?;
        let ready = news.until_ready("note.bin")?;
        assert_eq!(std::fs::read(Path::new(&text(&ready, "path")?).join("note.bin"))?, content);
        assert!(!server.requests().is_empty());
        assert_eq!(server.death(), None, "nothing was sent that kills a v5 process");
        for hello in server.hellos() {
            let hello: serde_json::Value = serde_json::from_slice(&hello)?;
            assert!(hello["v"] == 5 && hello["gossip"].is_object(), "{hello}");
        }
        bob.stop()?;
    }
    Ok(())
}

#[test]
fn a_v5_seeder_gives_many_blobs_over_one_connection() -> Result<()> {
    let dht = dht()?;
    let server = Server::start(Habits { split: Some(333_333), ..Habits::default() })?;
    let shelf = Shelf::new([2; 32], "Songs", 12)?;
    shelf.stock(&server);
    Dht::join(&dht.bootstrap(), Ipv4Addr::LOCALHOST)?.put(&shelf.author, &shelf.manifest, shelf.sequence)?;
    let bob = home("bob", &dht.bootstrap())?;
    let mut args = bob.network();
    let out = bob.path().join("here");
    args.extend(["--peer", &server.address().to_string(), "get", &shelf.author.link(), "-o"].map(str::to_owned));
    args.push(out.display().to_string());
    bob.ask(&args)?;
    let expected = bob.path().join("expected");
    shelf.write(&expected)?;
    compare(&expected, &out.join("Songs"))?;
    assert_eq!((server.requests().len(), server.connections(), server.death()), (13, 1, None));
    Ok(())
}

/// A v5 author's private channel of one small file: who signs, the file's blob, `collections` as small as they can be
/// written (a DHT item has no room for more), and the read key.
fn letter(seed: u8, name: &str) -> Result<(author::Author, v5::Blob, String, [u8; 32])> {
    let blob = v5::Blob::seal(b"a letter of few words")?;
    let chunk = format!(
        "{{\"blobId\":\"{}\",\"key\":\"{}\",\"nonce\":\"{}\",\"realSize\":{}}}",
        blob.id,
        HEXLOWER.encode(&blob.key),
        HEXLOWER.encode(&blob.nonce),
        blob.real_size
    );
    let collections = format!("[{{\"items\":[{{\"name\":\"{name}\",\"chunks\":[{chunk}]}}]}}]");
    Ok((author::Author::new([seed; 32]), blob, collections, [seed ^ 0x55; 32]))
}

#[test]
fn a_private_channel_of_a_v5_author_arrives_after_one_question() -> Result<()> {
    let dht = dht()?;
    let server = Server::start(Habits::default())?;
    let (writer, blob, collections, read_key) = letter(6, "letter.txt")?;
    server.hold(&blob);
    let outside = Dht::join(&dht.bootstrap(), Ipv4Addr::LOCALHOST)?;
    outside.announce(&blob.id, server.address().port())?;
    let sequence = 1_700_000_000_000;
    let manifest = writer.sign_private(&collections, sequence, &read_key, [7; 24])?;
    assert!(manifest.len() <= author::MANIFEST_MAX, "{} bytes", manifest.len());
    outside.put(&writer, &manifest, sequence)?;
    let link = format!("{}:{}", writer.link(), HEXLOWER.encode(&read_key));

    let bob = Person::new("bob", &dht.bootstrap(), &[])?;
    let mut news = bob.node.watch(&bob.home)?;
    bob.ask(&["subscribe", &link])?;
    let waits = news.until_cause("blob_lookups")?;
    assert_eq!(waits["cause"]["refused"], false, "{waits}");
    // Nobody was asked for it before its user was.
    assert_eq!((server.connections(), server.requests().len()), (0, 0));
    // Where nobody can be asked a question, the error names the way on.
    let refused = bob.home.run(["get", &link])?;
    assert_eq!(refused.error_code().as_deref(), Some("ask_first"));
    assert!(refused.stderr.contains(&format!("megatorrent rule {} --look-up on", &writer.channel()[..16])));
    let no = bob.ask(&["rule", &writer.channel(), "--look-up", "off"])?;
    assert_eq!(no["look_up"], false);
    let yes = bob.ask(&["rule", &writer.channel(), "--look-up", "on"])?;
    assert_eq!(yes["look_up"], true);
    let ready = news.until_ready("letter.txt")?;
    let there = Path::new(&text(&ready, "path")?).join("letter.txt");
    assert_eq!(std::fs::read(there)?, b"a letter of few words");
    assert_eq!(server.death(), None);
    // The word holds over a restart, and is forgotten with the channel.
    let before = server.requests().len();
    assert!(before >= 1);
    bob.ask(&["unsubscribe", &writer.channel(), "--delete"])?;
    bob.ask(&["subscribe", &link])?;
    news.until_cause("blob_lookups")?;
    assert_eq!(server.requests().len(), before);
    bob.stop()
}

#[test]
fn whoever_asks_for_a_link_again_gets_the_newest_list() -> Result<()> {
    let dht = dht()?;
    let server = Server::start(Habits::default())?;
    let writer = author::Author::new([8; 32]);
    let outside = Dht::join(&dht.bootstrap(), Ipv4Addr::LOCALHOST)?;
    let put = |name: &str, sequence: u64| -> Result<()> {
        let blobs = v5::chunks(name.as_bytes())?;
        server.hold(&blobs[0]);
        outside.announce(&blobs[0].id, server.address().port())?;
        let manifest = writer.sign_public(&author::collections(&[(name, &blobs)]), sequence);
        Ok(outside.put(&writer, &manifest, sequence)?)
    };
    // Each command has a node of its own, which ends with it: nothing goes on behind its back.
    let bob = home("bob", &dht.bootstrap())?;
    let command = |words: &[&str]| -> Result<serde_json::Value> {
        let mut args = bob.network();
        args.extend(words.iter().map(|word| (*word).to_owned()));
        bob.ask(&args)
    };
    let items = |reply: &serde_json::Value| -> Vec<String> {
        let items = reply["items"].as_array().into_iter().flatten();
        items.filter_map(|item| item["name"].as_str().map(str::to_owned)).collect()
    };
    put("one.txt", 1_700_000_000_000)?;
    assert_eq!(items(&command(&["get", &writer.link()])?), ["one.txt"]);
    put("two.txt", 1_700_000_001_000)?;
    // What came before it stays on the disk, and is named behind it.
    assert_eq!(items(&command(&["get", &writer.link()])?)[0], "two.txt");
    put("three.txt", 1_700_000_002_000)?;
    let looked = command(&["look", &writer.link()])?;
    assert_eq!((items(&looked)[0].as_str(), &looked["stale"]), ("three.txt", &serde_json::Value::Null));
    // A node that runs, and knows the channel, looks as well.
    let node = bob.daemon()?;
    let bob = Person { node, home: bob };
    bob.ask(&["subscribe", &writer.link()])?;
    put("four.txt", 1_700_000_003_000)?;
    assert_eq!(items(&bob.ask(&["get", &writer.link()])?)[0], "four.txt");
    put("five.txt", 1_700_000_004_000)?;
    assert_eq!(number(&bob.ask(&["subscribe", &writer.link()])?, "sequence")?, 1_700_000_004_000);
    let mut news = bob.node.watch(&bob.home)?;
    put("six.txt", 1_700_000_005_000)?;
    bob.ask(&["pause", &writer.channel()])?;
    bob.ask(&["resume", &writer.channel()])?;
    news.until_ready("six.txt")?;
    bob.stop()
}

#[test]
fn who_cannot_ask_for_a_newer_list_is_told_so() -> Result<()> {
    let alice = Person::new("alice", &[], &[])?;
    let file = people::folder(&alice.home, "one", &[("a.bin", 1000)])?.join("a.bin");
    let link = text(&people::publish(&alice.home, &file, &[])?, "link")?;
    let (bob, address) = (home("bob", &[])?, alice.node.address().to_owned());
    let command = |words: &[&str]| -> Result<serde_json::Value> {
        let mut args = bob.network();
        args.extend(["--peer".to_owned(), address.clone()]);
        args.extend(words.iter().map(|word| (*word).to_owned()));
        bob.ask(&args)
    };
    command(&["get", &link])?;
    // Peers tell, too: there is no DHT here.
    let file = people::folder(&alice.home, "two", &[("b.bin", 1000)])?.join("b.bin");
    people::publish(&alice.home, &file, &[])?;
    let got = command(&["get", &link])?;
    assert_eq!(got["items"].as_array().map(Vec::len), Some(2), "{got}");
    alice.node.kill()?;
    let looked = command(&["look", &link])?;
    assert_eq!(looked["items"].as_array().map(Vec::len), Some(2), "what was known stays");
    let why = text(&looked, "stale")?;
    assert!(why.starts_with("Nobody could be asked"), "{why}");
    Ok(())
}

#[test]
fn bytes_of_a_v5_blob_are_seen_while_it_is_under_way() -> Result<()> {
    let dht = dht()?;
    let server = Server::start(Habits { pace: Some((32_768, Duration::from_millis(200))), ..Habits::default() })?;
    let blobs = v5::chunks(b"slowly")?;
    server.hold(&blobs[0]);
    let writer = author::Author::new([9; 32]);
    let outside = Dht::join(&dht.bootstrap(), Ipv4Addr::LOCALHOST)?;
    outside.announce(&blobs[0].id, server.address().port())?;
    let manifest = writer.sign_public(&author::collections(&[("slow.txt", &blobs)]), 1_700_000_000_000);
    outside.put(&writer, &manifest, 1_700_000_000_000)?;
    let bob = Person::new("bob", &dht.bootstrap(), &[])?;
    let mut news = bob.node.watch(&bob.home)?;
    bob.ask(&["subscribe", &writer.link()])?;
    let moving = news.until("a rate", |event| {
        let item = &event["data"];
        (item["name"] == "slow.txt" && item["rate"].as_u64().is_some_and(|rate| rate > 0)).then(|| item.clone())
    })?;
    assert_eq!((&moving["state"], &moving["cause"]), (&"fetching".into(), &serde_json::Value::Null));
    let peers = bob.ask(&["peers"])?;
    let came = peers.as_array().into_iter().flatten().filter_map(|peer| peer["received"].as_u64()).max();
    assert!(came > Some(0), "{peers}");
    news.until_ready("slow.txt")?;
    bob.stop()
}
