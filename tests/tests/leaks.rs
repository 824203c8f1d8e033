//! §5, E9 Nothing leaves but by the proxy or Tor: real nodes in a network namespace without another way out, every
//! feature used, and a capture of all that moves.

#![cfg(target_os = "linux")]

use anyhow::{Result, ensure};
use megatorrent_tests::dark::{Hidden, path_of};
use megatorrent_tests::folder::compare;
use megatorrent_tests::house::House;
use megatorrent_tests::people::{self, text, until};
use megatorrent_tests::process::{Home, Watch};
use megatorrent_tests::socks_proxy::SocksProxy;
use megatorrent_tests::tornet::TorNet;
use megatorrent_tests::v5::{Habits, Server};
use std::net::SocketAddr;

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
    home.ask(["subscribe", &temptation()])?;
    home.ask(["look", link])?;
    home.ask(["subscribe", link])?;
    news.until_ready("Songs")?;
    let own = people::folder(home, "own", &[("x.flac", 1_100_000)])?;
    let published = people::publish(home, &own, &["--gateway", gateway])?;
    ensure!(published["gateways"] == 1, "{published}");
    // The author of the other channel chose the same name.
    let own = text(&published, "link")?;
    home.ask(["edit", &own, "--about", "by the sea"])?;
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
    let mut home = Home::new("bob", &[])?;
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
    let mut tors = TorNet::start(2)?;
    let author = Hidden::start("alice", &tors, 0)?;
    let songs = people::folder(&author.home, "songs", &[("a.flac", 4_200_000)])?;
    let published = people::publish(&author.home, &songs, &["--title", "Songs"])?;
    let gateway = Server::start(Habits::default())?;
    let (socks, control) = (tors.client(1).socks()?, tors.client(1).control()?);
    let mut house = House::open(&[socks.port(), control.port()])?;
    let mut home = Home::new("bob", &[])?;
    home.move_into(house.entry());
    let node = home.daemon_with(["--route", &format!("tor://{control}")])?;
    state(&home, "up")?;
    let mut news = node.watch(&home)?;
    use_every_feature(&home, &mut news, &text(&published, "link")?, &gateway.address().to_string())?;
    tors.client_mut(1).kill();
    state(&home, "down")?;
    let report = home.ask(["doctor", "--leak", "--seconds", "4"])?;
    ensure!(report["elsewhere"].as_array().is_some_and(Vec::is_empty), "{report}");
    drop(news);
    node.stop(&home)?;
    let seen = house.seen()?;
    ensure!(seen.packets > 1000, "the capture saw next to nothing: {seen:?}");
    ensure!(seen.strays.is_empty(), "{seen:?}");
    author.node.stop(&author.home)
}
