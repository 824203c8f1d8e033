//! §5, E9 A swarm that lives in the dark: real nodes, each behind a tor of its own, on a private Tor network.
//!
//! Nodes have the direct route's listener and DHT nowhere: whatever arrives here came over Tor.

#![cfg(unix)]

use anyhow::{Context, Result, bail, ensure};
use megatorrent_tests::dark::{Hidden, path_of};
use megatorrent_tests::folder::compare;
use megatorrent_tests::foreign_dht::{ForeignDht, Maker};
use megatorrent_tests::people::{self, text, until};
use megatorrent_tests::process::Home;
use megatorrent_tests::tornet::TorNet;
use std::time::{Duration, Instant};

/// The state of a route follows what happened to it within this time, and a moment for asking.
const NOTICED: Duration = Duration::from_millis(2_500);

#[test]
fn a_swarm_lives_in_the_dark() -> Result<()> {
    let mut tors = TorNet::start(3)?;
    let author = Hidden::start("alice", &tors, 0)?;
    let songs = people::folder(&author.home, "songs", &[("a.flac", 31_300_000), ("b/c.flac", 20_000)])?;
    let published = people::publish(&author.home, &songs, &["--title", "Songs"])?;
    let onion = author.onion()?;
    let link = text(&published, "link")?;
    ensure!(link.ends_with(&format!("?bootstrap={onion}")), "the link names no way in: {link}");

    // From a link, by onion.
    let reader = Hidden::start("bob", &tors, 1)?;
    let mut news = reader.watch()?;
    let mut circuits = tors.client(1).log_in()?;
    circuits.command("SETEVENTS STREAM")?;
    reader.ask(&["subscribe", &link])?;
    compare(&songs, &path_of(&news.until_ready("Songs")?)?)?;
    only_onions(&reader)?;
    // Several connections to the one author, each by a circuit of its own.
    let mut used = Vec::new();
    while used.len() < 2 {
        let event = circuits.event()?;
        let words: Vec<&str> = event.split(' ').collect();
        if let ["STREAM", _, "SUCCEEDED", circuit, target, ..] = words[..]
            && target.starts_with(onion.split(':').next().context("a host")?)
        {
            ensure!(!used.contains(&circuit.to_owned()), "two connections share circuit {circuit}");
            used.push(circuit.to_owned());
        }
    }
    drop(circuits);

    // News by push.
    let more = people::folder(&author.home, "more", &[("d.flac", 1_200_000)])?;
    let pushed = people::publish(&author.home, &more, &["--title", "More"])?;
    ensure!(pushed["pushed"].as_u64() > Some(0), "{pushed}");
    compare(&more, &path_of(&news.until_ready("More")?)?)?;

    // A third person meets the second through the first.
    let third = Hidden::start("carol", &tors, 2)?;
    third.ask(&["subscribe", &link])?;
    let second = reader.onion()?;
    until(&third.home, &["peers"], "the other follower met", |peers| {
        let met = peers.as_array()?.iter().any(|peer| peer["addr"] == second.as_str() && peer["inbound"] == false);
        met.then_some(())
    })?;
    until(&third.home, &["channels"], "everything fetched", |all| (all[0]["complete"] == 2).then_some(()))?;
    only_onions(&third)?;

    // The author's node comes back under the same address, and is found there.
    let Hidden { home, node, tor } = author;
    node.stop(&home)?;
    let author = Hidden { node: Hidden::run(&home, &tors, tor)?, home, tor };
    ensure!(author.onion()? == onion, "another address after a restart");
    reader.forget(&tors)?;
    third.forget(&tors)?;
    let last = people::folder(&author.home, "last", &[("e.flac", 900_000)])?;
    people::publish(&author.home, &last, &["--title", "Last"])?;
    compare(&last, &path_of(&news.until_ready("Last")?)?)?;

    // The reader's tor is gone: that is said at once, also of what waits for it, and nothing moves.
    tors.client_mut(1).kill();
    let killed = Instant::now();
    until(&reader.home, &["status"], "the route down", |status| {
        (status["route"]["state"]["state"] == "down").then_some(())
    })?;
    ensure!(killed.elapsed() < NOTICED, "the state took {:?}", killed.elapsed());
    let channels = reader.ask(&["channels"])?;
    ensure!(channels[0]["cause"]["cause"] == "tor_down", "{channels}");
    let late = people::folder(&author.home, "late", &[("f.flac", 700_000)])?;
    people::publish(&author.home, &late, &["--title", "Late"])?;

    // It is back at another port: the route is changed while the node runs, and what was missed arrives.
    tors.restart(1)?;
    let control = tors.client(1).control()?;
    let set = reader.ask(&["set", "route", &format!("tor://{control}")])?;
    ensure!(set["route"] == format!("tor://{control}"), "{set}");
    compare(&late, &path_of(&news.until_ready("Late")?)?)?;
    ensure!(reader.onion()? == second, "another address after a change of route");
    for person in [author, reader, third] {
        person.node.stop(&person.home)?;
    }
    Ok(())
}

/// Two gateways in a DHT of another maker, an author and a reader who reach them through exits and each other by onion.
#[test]
fn an_author_in_the_dark_publishes_through_gateways() -> Result<()> {
    let foreign = ForeignDht::start(Maker::BittorrentDht, 10)?;
    let tors = TorNet::start(2)?;
    let bootstrap: Vec<String> = foreign.bootstrap().into_iter().take(3).collect();
    let homes = [Home::new("gate", &bootstrap)?, Home::new("way", &bootstrap)?];
    let gateways = [homes[0].gateway()?, homes[1].gateway()?];
    for home in &homes {
        until(home, &["status"], "DHT nodes known", |status| (status["dht_nodes"].as_u64()? > 0).then_some(()))?;
    }
    let author = Hidden::start("alice", &tors, 0)?;
    author.ask(&["set", "gateways", &format!("{},{}", gateways[0].address(), gateways[1].address())])?;
    let songs = people::folder(&author.home, "songs", &[("a.flac", 2_300_000)])?;
    let mut heard = author.watch()?;
    let published = people::publish(&author.home, &songs, &["--title", "Songs"])?;
    if published["gateways"] != 2 || published["shown_by"] == 0 {
        let why = heard.until("a notice", |event| (event["event"] == "notice").then(|| event["data"].clone()))?;
        bail!("{published}: {why}");
    }
    drop(heard);
    ensure!(published["gateways"] == 2 && published["dht_nodes"] == 0, "{published}");
    ensure!(published["shown_by"].as_u64() > Some(0), "nobody shows what was taken: {published}");
    let link = text(&published, "link")?;
    let bare = link.split('?').next().context("a key")?.to_owned();
    ensure!(link.contains(&author.onion()?) && link.contains(gateways[1].address()), "{link}");

    // Whoever asks the DHT finds the list there.
    let outside = Home::new("dora", &bootstrap)?;
    let node = outside.daemon()?;
    outside.ask(["subscribe", &bare])?;
    until(&outside, &["channels"], "the list found in the DHT", |all| {
        (all[0]["sequence"] == published["sequence"] && all[0]["seen_by"].as_u64()? > 0).then_some(())
    })?;

    // Who is in the dark gets it from a gateway, and the author's onion address, too: the author told it there.
    let reader = Hidden::start("bob", &tors, 1)?;
    let mut news = reader.watch()?;
    reader.ask(&["subscribe", &bare])?;
    until(&reader.home, &["channels"], "no way in", |all| (all[0]["cause"]["cause"] == "no_way_in").then_some(()))?;
    reader.ask(&["unsubscribe", &bare])?;
    reader.ask(&["subscribe", &format!("{bare}?bootstrap={}", gateways[1].address())])?;
    compare(&songs, &path_of(&news.until_ready("Songs")?)?)?;

    // A gateway needs a DHT.
    let refused = author.home.run(["--route", "tor", "gateway"])?;
    ensure!(refused.code != Some(0), "{refused:?}");
    node.stop(&outside)?;
    for (gateway, home) in gateways.into_iter().zip(&homes) {
        gateway.stop(home)?;
    }
    for person in [author, reader] {
        person.node.stop(&person.home)?;
    }
    Ok(())
}

/// Nobody is known to this node by a clear address.
fn only_onions(person: &Hidden) -> Result<()> {
    let (status, peers) = (person.ask(&["status"])?, person.ask(&["peers"])?);
    ensure!(status["listen"].is_null() && status["dht_nodes"].is_null(), "{status}");
    for peer in peers.as_array().context("peers")? {
        if peer["kind"] != "onion" {
            bail!("a peer in the clear: {peers}");
        }
    }
    Ok(())
}
