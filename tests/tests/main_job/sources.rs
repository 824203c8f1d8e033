//! Where blobs come from: several seeders, a death in between, a liar.

use super::{Person, dht, home, number};
use anyhow::{Context, Result};
use megatorrent_tests::folder::compare;
use megatorrent_tests::people::{self, Shelf, signal, text, until};
use megatorrent_tests::process::{Killed, PATIENCE, finish};
use megatorrent_tests::v5::{Dht, Habits, Server};
use std::collections::HashMap;
use std::net::Ipv4Addr;
use std::path::Path;
use std::process::Stdio;

#[test]
fn several_seeders_give_at_once() -> Result<()> {
    let alice = Person::new("alice", &[], &[])?;
    let songs = people::folder(&alice.home, "songs", &[("a", 40_000_000), ("b/c", 100_000)])?;
    let published = people::publish(&alice.home, &songs, &["--title", "Songs"])?;
    let link = text(&published, "link")?;
    let bob = Person::new("bob", &[], &[&alice])?;
    let mut news = bob.node.watch(&bob.home)?;
    bob.ask(&["subscribe", &link])?;
    news.until_ready("Songs")?;
    let carol = Person::new("carol", &[], &[&alice, &bob])?;
    let mut news = carol.node.watch(&carol.home)?;
    carol.ask(&["subscribe", &link])?;
    let ready = news.until_ready("Songs")?;
    compare(&songs, Path::new(&text(&ready, "path")?))?;
    let peers = carol.ask(&["peers"])?;
    for seeder in [&alice, &bob] {
        let peer = super::named(&peers, "addr", seeder.node.address()).with_context(|| peers.to_string())?;
        assert!(number(peer, "received")? > 0, "everything came from one of two: {peers}");
    }
    carol.stop()?;
    bob.stop()?;
    alice.stop()
}

#[test]
fn a_peer_that_lacks_a_channel_is_not_called_for_it_again_and_again() -> Result<()> {
    let (alice, carol) = (Person::new("alice", &[], &[])?, Person::new("carol", &[], &[])?);
    let songs = people::folder(&alice.home, "songs", &[("a", 1000)])?;
    let letters = people::folder(&carol.home, "letters", &[("b", 1000)])?;
    let songs = text(&people::publish(&alice.home, &songs, &[])?, "link")?;
    let letters = text(&people::publish(&carol.home, &letters, &["--private"])?, "link")?;
    // Both are named for whatever is followed, and each has one of the two channels.
    let bob = Person::new("bob", &[], &[&alice, &carol])?;
    let mut news = bob.node.watch(&bob.home)?;
    bob.ask(&["subscribe", &songs])?;
    news.until_ready("songs")?;
    bob.ask(&["subscribe", &letters])?;
    news.until_ready("letters")?;
    let peers = bob.ask(&["peers"])?;
    assert!(super::len(&peers) <= 4, "{} connections to two peers about two channels", super::len(&peers));
    bob.stop()?;
    carol.stop()?;
    alice.stop()
}

#[test]
fn a_killed_node_fetches_no_verified_blob_again() -> Result<()> {
    const BLOBS: u8 = 24;
    const BEFORE: usize = 10;
    let dht = dht()?;
    // One blob more for the list itself.
    let server = Server::start(Habits { hold_after: Some(1 + BEFORE), ..Habits::default() })?;
    let shelf = Shelf::new([3; 32], "Songs", BLOBS)?;
    shelf.stock(&server);
    Dht::join(&dht.bootstrap(), Ipv4Addr::LOCALHOST)?.put(&shelf.author, &shelf.manifest, shelf.sequence)?;

    let bob = home("bob", &dht.bootstrap())?;
    let peer = server.address().to_string();
    let node = bob.daemon_with(["--peer", &peer])?;
    bob.ask(["subscribe", &shelf.author.link()])?;
    server.wait_served(1 + BEFORE, PATIENCE)?;
    let verified = until(&bob, &["items", "Shelf"], "ten blobs verified", |items| {
        (items[0]["have"] == 1_000_000 * BEFORE).then(|| items[0]["have"].as_u64())
    })?;
    assert_eq!(verified, Some(10_000_000));
    node.kill()?;
    let served = server.requests();
    server.release();

    let node = bob.daemon_with(["--peer", &peer, "-v"])?;
    let ready = until(&bob, &["transfers"], "the item complete", |all| {
        (all[0]["state"] == "complete").then(|| all[0].clone())
    })?;
    let expected = bob.path().join("expected");
    shelf.write(&expected)?;
    compare(&expected, Path::new(&text(&ready, "path")?))?;
    // What was served before the kill was verified; only what was open then may be asked for twice.
    let mut asked: HashMap<String, usize> = HashMap::new();
    for id in server.requests() {
        *asked.entry(id).or_default() += 1;
    }
    for id in &served[..1 + BEFORE] {
        assert_eq!(asked[id], 1, "{id} was verified before the kill and fetched again");
    }
    assert_eq!(asked.len(), 1 + usize::from(BLOBS));
    node.stop(&bob)
}

#[test]
fn a_get_that_was_interrupted_goes_on_where_it_stood() -> Result<()> {
    const BEFORE: usize = 4;
    let dht = dht()?;
    let server = Server::start(Habits { hold_after: Some(1 + BEFORE), ..Habits::default() })?;
    let shelf = Shelf::new([12; 32], "Songs", 9)?;
    shelf.stock(&server);
    Dht::join(&dht.bootstrap(), Ipv4Addr::LOCALHOST)?.put(&shelf.author, &shelf.manifest, shelf.sequence)?;
    let bob = home("bob", &dht.bootstrap())?;
    let out = bob.path().join("here");
    let get = || -> Result<std::process::Command> {
        let mut command = bob.command()?;
        command.arg("--json").args(bob.network()).args(["--peer", &server.address().to_string()]);
        command.args(["get", &shelf.author.link(), "-o"]).arg(&out);
        Ok(command)
    };
    let mut first = Killed(get()?.stdout(Stdio::null()).stderr(Stdio::null()).spawn()?);
    server.wait_served(1 + BEFORE, PATIENCE)?;
    until(&bob, &["items", "Shelf"], "four blobs verified", |items| {
        (items[0]["have"] == 1_000_000 * BEFORE).then_some(())
    })?;
    signal(first.0.id(), "INT")?;
    assert_eq!(first.0.wait()?.code(), Some(130));
    let served = server.requests();
    server.release();
    let answer = finish(get()?)?;
    assert_eq!(answer.code, Some(0), "{}", answer.stderr);
    let expected = bob.path().join("expected");
    shelf.write(&expected)?;
    compare(&expected, &out.join("Songs"))?;
    let all = server.requests();
    for id in &served[..1 + BEFORE] {
        assert_eq!(all.iter().filter(|asked| *asked == id).count(), 1, "{id} was fetched again");
    }
    Ok(())
}

#[test]
fn a_corrupt_seeder_is_banned_and_others_give() -> Result<()> {
    let dht = dht()?;
    let shelf = Shelf::new([4; 32], "Songs", 6)?;
    // The good one waits behind the list until the liar was believed once.
    let good = Server::start(Habits { hold_after: Some(1), ..Habits::default() })?;
    let liar = Server::start_on("127.0.0.2:0", Habits { corrupt: true, ..Habits::default() })?;
    shelf.stock(&good);
    // Only content: the list comes from the good one.
    shelf.content.iter().for_each(|blob| liar.hold(blob));
    Dht::join(&dht.bootstrap(), Ipv4Addr::LOCALHOST)?.put(&shelf.author, &shelf.manifest, shelf.sequence)?;
    let bob = home("bob", &dht.bootstrap())?;
    let node = bob.daemon_with(["-v", "--peer", &good.address().to_string(), "--peer", &liar.address().to_string()])?;
    let mut news = node.watch(&bob)?;
    bob.ask(["subscribe", &shelf.author.link()])?;
    liar.wait_served(1, PATIENCE)?;
    good.release();
    let ready = news.until_ready("Songs")?;
    let expected = bob.path().join("expected");
    shelf.write(&expected)?;
    compare(&expected, Path::new(&text(&ready, "path")?))?;
    let told = until(&bob, &["peers"], "the liar left alone", |peers| {
        let of_liar = super::named(peers, "addr", &liar.address().to_string())?;
        of_liar["banned"].is_object().then(|| of_liar.clone())
    })?;
    assert_eq!(told["banned"]["why"], "wrong_part");
    let now = u64::try_from(std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?.as_millis())?;
    assert!(super::number(&told["banned"], "until")? > now, "{told}");
    let mut command = bob.command()?;
    command.arg("peers");
    let text = megatorrent_tests::process::finish(command)?.stdout;
    assert!(text.contains("NOT ASKED") && text.contains("sent other bytes than it was asked for"), "{text}");
    assert!(node.log().contains("banned for a wrong blob"), "{}", node.log());
    assert_eq!(liar.connections(), 1, "it is left alone for a while, though the user named it");
    assert_eq!((good.death(), liar.death()), (None, None), "nothing was sent that kills a v5 process");
    node.stop(&bob)
}

#[test]
fn whose_only_source_lies_is_told_so_and_until_when() -> Result<()> {
    let shelf = Shelf::new([14; 32], "Songs", 2)?;
    let (honest, liar) = (
        Server::start(Habits::default())?,
        Server::start_on("127.0.0.2:0", Habits { corrupt: true, ..Habits::default() })?,
    );
    // The list is all that the honest one has, and it goes then.
    honest.hold(&shelf.body);
    shelf.content.iter().for_each(|blob| liar.hold(blob));
    let bob = home("bob", &[])?;
    let node = bob.daemon_with(["--peer", &honest.address().to_string()])?;
    bob.ask(["subscribe", &shelf.author.link(), "--fetch", "none"])?;
    assert!(megatorrent_tests::hostile::push(node.address().parse()?, &shelf.author, &shelf.manifest, shelf.sequence)?);
    until(&bob, &["channels"], "the list", |all| (all[0]["items"] == 1).then_some(()))?;
    node.stop(&bob)?;
    let node = bob.daemon_with(["--peer", &liar.address().to_string()])?;
    bob.ask(["rule", &shelf.author.channel().to_string(), "--fetch", "all"])?;
    let cause = until(&bob, &["transfers"], "the cause", |items| {
        let cause = &items[0]["cause"];
        (cause["cause"] == "only_banned").then(|| cause.clone())
    })?;
    assert_eq!(cause["known"], 1);
    assert!(super::number(&cause, "until")? > 1_700_000_000_000, "{cause}");
    node.stop(&bob)
}
