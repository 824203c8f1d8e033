//! §5, E9 Nothing leaves but by the proxy or Tor: real nodes in a network namespace without another way out, every
//! feature used, and a capture of all that moves.

#![cfg(target_os = "linux")]

use anyhow::{Context, Result, ensure};
use megatorrent_tests::between::{Between, leading};
use megatorrent_tests::dark::{Hidden, path_of};
use megatorrent_tests::folder::compare;
use megatorrent_tests::house::{House, WayIn};
use megatorrent_tests::people::{self, text, until};
use megatorrent_tests::process::{Home, Watch};
use megatorrent_tests::socks_proxy::SocksProxy;
use megatorrent_tests::tornet::TorNet;
use megatorrent_tests::v5::{Habits, Server};
use serde_json::Value;
use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

/// Addresses that a careless program would dial, or look up, by itself. None of IPv6: this network has no exit for it, and
/// its tor looks for one without a pause.
fn temptation() -> String {
    let nobody = "c".repeat(64);
    format!(
        "megatorrent://{nobody}?bootstrap=203.0.113.1:6881&bootstrap=leak-test.example:6881&bootstrap=192.168.7.7:6881"
    )
}

fn state(home: &Home, wanted: &str) -> Result<()> {
    until(home, &["status"], wanted, |status| (status["route"]["state"]["state"] == wanted).then_some(()))
}

/// Everything that a person can do, but for what needs others to come in.
fn use_every_feature(home: &Home, news: &mut Watch, link: &str, gateway: &str) -> Result<()> {
    for setting in ["lan", "port-mapping"] {
        home.ask(["set", setting, "on"])?;
    }
    home.ask(["subscribe", &temptation()])?;
    home.ask(["look", link])?;
    home.ask(["subscribe", link])?;
    news.until_ready("Songs")?;
    let own = people::folder(home, "own", &[("x.flac", 1_100_000)])?;
    let published = people::publish(home, &own, &["--gateway", gateway])?;
    ensure!(published["gateways"] == 1, "{published}");
    // The author of the other channel chose the same name.
    let own = text(&published, "link")?;
    home.ask(["edit", &own, "--about", "by the sea", "--name", "bob's"])?;
    home.ask(["link", &own])?;
    for list in ["channels", "transfers", "peers", "status", "set"] {
        home.ask([list])?;
    }
    home.ask(["set", "gateways", "gateway.example:4170"])?;
    home.ask(["pause"])?;
    home.ask(["resume"])?;
    let report = home.ask(["doctor", "--leak", "--seconds", "8"])?;
    ensure!(report["elsewhere"].as_array().is_some_and(Vec::is_empty), "{report}");
    ensure!(report["looks"].as_u64() > Some(100), "{report}");
    home.ask(["unpublish", &text(&published, "item")?])?;
    Ok(())
}

/// First of all: the capture sees what leaves. On the direct route everything does.
#[test]
fn a_direct_node_is_seen() -> Result<()> {
    let mut house = House::open(&[])?;
    let before = house.seen()?;
    ensure!(before.strays.is_empty(), "before anything runs: {before:?}");
    let mut home = Home::new("bob", &["198.51.100.77:6881".into()])?;
    home.move_into(house.entry());
    let node = home.daemon()?;
    home.ask(["subscribe", &temptation()])?;
    for wanted in ["TCP to 203.0.113.1, port 6881", "UDP to 198.51.100.53, port 53"] {
        until(&home, &["status"], wanted, |_| {
            let seen = house.seen().ok()?;
            seen.strays.iter().any(|stray| stray == wanted).then_some(())
        })?;
    }
    let refused = home.run(["doctor", "--leak", "--seconds", "1"])?;
    ensure!(refused.code == Some(2), "{refused:?}");
    node.stop(&home)
}

#[test]
fn nothing_leaves_past_a_proxy() -> Result<()> {
    let alice = Home::new("alice", &[])?;
    let author = alice.daemon()?;
    let songs = people::folder(&alice, "songs", &[("a.flac", 4_200_000)])?;
    let published = people::publish(&alice, &songs, &["--title", "Songs"])?;
    let link = format!("{}?bootstrap={}", text(&published, "link")?, author.address());
    let gateway = Server::start(Habits::default())?;

    let proxy = SocksProxy::start(SocketAddr::from(([127, 0, 0, 1], 0)), "user", "word")?;
    let at = proxy.addr();
    let mut house = House::open(&[at.port()])?;
    let mut home = Home::new("bob", &["198.51.100.77:6881".into()])?;
    home.move_into(house.entry());
    let node = home.daemon_with(["--proxy", &format!("socks5://user:word@{at}")])?;
    state(&home, "up")?;
    let mut news = node.watch(&home)?;
    use_every_feature(&home, &mut news, &link, &gateway.address().to_string())?;
    ensure!(proxy.asked().iter().any(|asked| asked == "leak-test.example:6881"), "the name went elsewhere");

    // Killed in the middle of a transfer, then back.
    let more = people::folder(&alice, "more", &[("b.flac", 60_000_000)])?;
    people::publish(&alice, &more, &["--title", "More"])?;
    news.until("the transfer under way", |event| {
        (event["event"] == "item" && event["data"]["name"] == "More" && event["data"]["have"].as_u64()? > 0)
            .then_some(())
    })?;
    drop(proxy);
    state(&home, "down")?;
    until(&alice, &["peers"], "nobody connected", |peers| peers.as_array()?.is_empty().then_some(()))?;
    home.run(["look", &link])?;
    let _proxy = SocksProxy::start(at, "user", "word")?;
    compare(&more, &path_of(&news.until_ready("More")?)?)?;
    drop(news);
    node.stop(&home)?;
    let seen = house.seen()?;
    ensure!(seen.packets > 1000, "the capture saw next to nothing: {seen:?}");
    ensure!(seen.strays.is_empty(), "{seen:?}");
    author.stop(&alice)
}

#[test]
fn nothing_leaves_past_tor() -> Result<()> {
    in_the_dark(Duration::from_secs(30))
}

/// The same for minutes: `cargo xtask leaks`.
#[test]
#[ignore = "takes minutes: cargo xtask leaks"]
fn nothing_leaves_past_tor_for_minutes() -> Result<()> {
    in_the_dark(Duration::from_secs(180))
}

/// Everything that a person can do, again and again for at least this long: also what others do who come by onion, and
/// what befalls a tor.
fn in_the_dark(least: Duration) -> Result<()> {
    let began = Instant::now();
    let mut tors = TorNet::start(3)?;
    let (author, reader) = (Hidden::start("alice", &tors, 0)?, Hidden::start("carol", &tors, 2)?);
    let gateway = Server::start(Habits::default())?;
    // Tor runs outside: its onion services lead to the listeners inside.
    let way_in: Arc<OnceLock<WayIn>> = Arc::default();
    let leads = way_in.clone();
    let change = leading(move |inside| leads.get().context("a house")?.lead_in(inside));
    let between = Between::start(tors.client(1).control()?, tors.client(1).socks()?, change)?;
    let mut house = House::open(&[between.socks().port(), between.control().port()])?;
    way_in.set(house.way_in()).ok().context("one house")?;
    // The settings want a DHT, neighbours and a router's port: none of them is to be asked.
    let mut home = Home::new("bob", &["198.51.100.77:6881".into()])?;
    home.move_into(house.entry());
    let route = format!("tor://{}", between.control());
    let node = home.daemon_with(["--route", &route])?;
    state(&home, "up")?;
    for (setting, value) in [("lan", "on"), ("port-mapping", "on"), ("gateways", "gateway.example:4170")] {
        home.ask(["set", setting, value])?;
    }
    let mut news = node.watch(&home)?;
    let songs = people::folder(&author.home, "songs", &[("a.flac", 4_200_000)])?;
    let published = people::publish(&author.home, &songs, &["--title", "Songs"])?;
    author.onion()?;
    let link = text(&published, "link")?;
    use_every_feature(&home, &mut news, &link, &gateway.address().to_string())?;
    let own = home.ask(["link", "bob's"])?.as_str().context("a link")?.to_owned();
    ensure!(own.contains(".onion:"), "{own}");
    reader.ask(&["subscribe", &link])?;
    let mut heard = reader.watch()?;
    reader.ask(&["subscribe", &own])?;

    let mut round = 0;
    while round == 0 || began.elapsed() < least {
        round += 1;
        // Pushed to here, and played before it is complete.
        let title = format!("Film {round}");
        let film = people::folder(&author.home, &title, &[("film.mp4", 12_000_000)])?;
        // No player gets what does not begin as it is called.
        let mut bytes = std::fs::read(film.join("film.mp4"))?;
        bytes[..12].copy_from_slice(b"\0\0\0\x20ftypisom");
        std::fs::write(film.join("film.mp4"), bytes)?;
        let item = text(&people::publish(&author.home, &film, &["--title", &title])?, "item")?;
        let listed = |items: &Value| {
            items.as_array()?.iter().any(|i| i["id"] == item.as_str() && i["state"] != "listed").then_some(())
        };
        until(&home, &["items", &link], "the film", listed)?;
        let read = house.read_inside(&people::play_address(&home, &item, "film.mp4")?, 1 << 20)?;
        ensure!(read == 1 << 20);
        compare(&film, &path_of(&news.until_ready(&title)?)?)?;
        // Published here, fetched by somebody who comes by onion, and by the exchange of peers.
        let title = format!("Own {round}");
        let folder = people::folder(&home, &title, &[("b.flac", 1_200_000)])?;
        let words = ["--gateway".to_owned(), gateway.address().to_string(), "--title".into(), title.clone()];
        people::publish(&home, &folder, &words.each_ref().map(String::as_str))?;
        compare(&folder, &path_of(&heard.until_ready(&title)?)?)?;
        until(&home, &["peers"], "somebody who came by onion", |peers| {
            peers.as_array()?.iter().any(|peer| peer["inbound"] == true && peer["kind"] == "onion").then_some(())
        })?;
        // Other words and ways.
        for words in [
            &["set", "lan", "off"][..],
            &["set", "lan", "on"],
            &["set", "port-mapping", "off"],
            &["set", "port-mapping", "on"],
            &["set", "down", "4M"],
            &["set", "down", "off"],
            &["verify", &item],
            &["search", "Film"],
            &["doctor", "--leak", "--seconds", "2"],
        ] {
            home.ask(words)?;
        }
        home.ask(["set", "route", &format!("socks5://any:word@{}", between.socks())])?;
        state(&home, "up")?;
        home.ask(["set", "route", &route])?;
        state(&home, "up")?;
        // Killed in the middle of a transfer, then back at other ports.
        let title = format!("Long {round}");
        let long = people::folder(&author.home, &title, &[("c.flac", 40_000_000)])?;
        people::publish(&author.home, &long, &["--title", &title])?;
        news.until("the transfer under way", |event| {
            (event["event"] == "item" && event["data"]["name"] == title.as_str() && event["data"]["have"].as_u64()? > 0)
                .then_some(())
        })?;
        tors.client_mut(1).kill();
        state(&home, "down")?;
        let report = home.ask(["doctor", "--leak", "--seconds", "2"])?;
        ensure!(report["elsewhere"].as_array().is_some_and(Vec::is_empty), "{report}");
        tors.restart(1)?;
        between.lead_to(tors.client(1).control()?, tors.client(1).socks()?);
        state(&home, "up")?;
        compare(&long, &path_of(&news.until_ready(&title)?)?)?;
        // Its tor would not ask for the new descriptor of a service that was there a moment ago.
        reader.forget(&tors)?;
        author.forget(&tors)?;
        let seen = house.seen()?;
        ensure!(seen.strays.is_empty(), "after {} s: {seen:?}", began.elapsed().as_secs());
    }
    let seen = house.seen()?;
    ensure!(seen.packets > 10_000, "the capture saw next to nothing: {seen:?}");
    ensure!(seen.strays.is_empty(), "{seen:?}");
    // The same capture sees the same node when it is let out.
    home.ask(["set", "route", "direct"])?;
    let wanted = "TCP to 203.0.113.1, port 6881";
    until(&home, &["status"], wanted, |_| house.seen().ok()?.strays.iter().any(|s| s == wanted).then_some(()))?;
    drop((news, heard));
    node.stop(&home)?;
    reader.node.stop(&reader.home)?;
    author.node.stop(&author.home)
}
