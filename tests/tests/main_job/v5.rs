//! Plain v5 peers, written from the bytes alone, against the real daemon.

use super::{Person, dht, home, number};
use anyhow::{Context, Result};
use megatorrent_tests::folder::compare;
use megatorrent_tests::people::{self, Shelf, text};
use megatorrent_tests::v5::{self, Dht, Gossip, Habits, Server, V5Error, author};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;

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
