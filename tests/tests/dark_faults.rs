//! §5, E9 What goes wrong in the dark, and who tries to lead a node out of it: real nodes, a private Tor network.

#![cfg(unix)]

use anyhow::{Context, Result, bail, ensure};
use data_encoding::HEXLOWER;
use megatorrent_tests::between::{dial, login};
use megatorrent_tests::dark::{Hidden, path_of};
use megatorrent_tests::folder::compare;
use megatorrent_tests::hostile::{self, Listener};
use megatorrent_tests::people::{self, feed, text, until};
use megatorrent_tests::process::Home;
use megatorrent_tests::tornet::TorNet;
use megatorrent_tests::v5::{self, Wire, author};
use sha2::{Digest, Sha256};
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// The state of a route follows what happened to it within this time, and a moment for asking.
const NOTICED: Duration = Duration::from_millis(2_500);
const ONION_PORT: u16 = 6881;

/// Waits for a state of the route; gives back the reason, if it has one.
fn standing(home: &Home, wanted: &str) -> Result<String> {
    until(home, &["status"], wanted, |status| {
        let state = &status["route"]["state"];
        (state["state"] == wanted).then(|| state["why"].as_str().unwrap_or_default().to_owned())
    })
}

/// Waits until the reason says this.
fn down_for(home: &Home, reason: &str) -> Result<()> {
    until(home, &["status"], reason, |status| {
        let why = status["route"]["state"]["why"].as_str()?;
        why.contains(reason).then_some(())
    })
}

#[test]
fn a_control_port_lets_in_who_has_what_it_wants_and_says_what_it_wants() -> Result<()> {
    const PASSWORD: &str = "Hush, @ and:all";
    const ESCAPED: &str = "Hush%2c%20%40%20and%3Aall";
    let tors = TorNet::start(1)?;
    let client = tors.client(0);
    let control = client.control()?;
    let home = Home::new("alice", &[])?;

    // A cookie that cannot be read.
    client.hide_cookie(true)?;
    let node = home.daemon_with(["--route", &format!("tor://{control}")])?;
    ensure!(standing(&home, "down")?.contains("a cookie that this user may not read"));
    client.hide_cookie(false)?;
    standing(&home, "up")?;
    // Tor hangs: that is seen in time, and that it goes on again.
    client.freeze(true)?;
    let frozen = Instant::now();
    let why = standing(&home, "down");
    let took = frozen.elapsed();
    client.freeze(false)?;
    ensure!(why?.contains("does not answer") && took < NOTICED, "it took {took:?}");
    standing(&home, "up")?;

    // From here on a password is wanted, and nothing else.
    let mut owner = client.log_in()?;
    let hashed = tors.hashed(PASSWORD)?;
    owner.command(&format!("SETCONF CookieAuthentication=0 HashedControlPassword={hashed}"))?;
    let set = |route: String| -> Result<String> {
        // By standard input: what stands on the command line stands in the process list.
        let mut command = home.command()?;
        command.args(["--json", "set", "route", "-"]);
        let answer = feed(command, &route)?;
        text(&answer.json()?, "route")
    };
    set(format!("tor://{control}"))?;
    down_for(&home, "wants a password: give the route as tor://PASSWORD@IP:PORT")?;
    ensure!(set(format!("tor://wrong@{control}"))? == format!("tor://{control}"), "the password is shown");
    down_for(&home, "refused the password")?;
    set(format!("tor://{ESCAPED}@{control}"))?;
    standing(&home, "up")?;
    let secret = |text: &str| text.contains("Hush");
    for list in ["status", "set", "doctor"] {
        let told = home.run(if list == "doctor" { vec!["doctor", "--leak", "--seconds", "1"] } else { vec![list] })?;
        ensure!(told.code == Some(0) && !secret(&told.stdout) && !secret(&told.stderr), "{told:?}");
    }
    // It is kept over a restart, sealed.
    let log = node.log();
    node.stop(&home)?;
    ensure!(!secret(&log), "{log}");
    for file in std::fs::read_dir(home.data())? {
        let path = file?.path();
        if path.is_file() {
            let bytes = std::fs::read(&path)?;
            let found = bytes.windows(5).any(|part| part == b"Hush," || part == b"Hush%");
            ensure!(!found, "the password lies open in {}", path.display());
        }
    }
    let node = home.daemon()?;
    standing(&home, "up")?;
    node.stop(&home)
}

#[test]
fn nobody_is_led_out_of_the_dark_and_no_two_channels_are_joined() -> Result<()> {
    let tors = TorNet::start(2)?;
    // Two channels of two people on one device: two addresses, the same ones after a restart.
    let author = Hidden::start("alice", &tors, 0)?;
    for (name, title) in [("Low water", "Ebb"), ("High water", "Flood")] {
        author.ask(&["id", "new", name])?;
        let folder = people::folder(&author.home, title, &[("a.flac", 1_300_000)])?;
        let folder = folder.to_str().context("a path")?;
        author.ask(&["publish", folder, "--id", name, "--title", title])?;
    }
    let link =
        |name: &str| -> Result<String> { Ok(author.ask(&["link", name])?.as_str().context("a link")?.to_owned()) };
    let (low, high) = (link("Low water")?, link("High water")?);
    let onions = author.onions(2)?;
    ensure!(onions[0].1 != onions[1].1, "one address for two channels: {onions:?}");
    for (link, other) in [(&low, &high), (&high, &low)] {
        let way_in = |link: &str| link.split_once("?bootstrap=").map(|(_, addr)| addr.to_owned());
        let (ours, theirs) = (way_in(link).context("a way in")?, way_in(other).context("a way in")?);
        ensure!(!link.contains(&theirs), "{link} names the other channel's address");
        let key = link.trim_start_matches("megatorrent://").split('?').next().context("a key")?;
        ensure!(onions.iter().any(|(channel, addr)| channel == key && *addr == ours), "{link}: {onions:?}");
    }

    // Who knows both links and comes by one address is shown nothing of the other.
    let socks = tors.client(1).socks()?;
    let keys = [&low, &high].map(|link| link["megatorrent://".len()..][..64].to_owned());
    let addr_of = |key: &str| onions.iter().find(|(channel, _)| channel == key).map(|(_, addr)| addr.clone());
    let host = addr_of(&keys[0]).context("an address")?;
    let host = host.split(':').next().context("a host")?;
    let mut wire = Wire::dial_over(dial(socks, &login("stranger")?, host, ONION_PORT)?)?;
    let gossip =
        format!("{{\"v\":5,\"gossip\":{{\"{}\":0,\"{}\":0}},\"ext\":[\"manifest\",\"have\"]}}", keys[0], keys[1]);
    wire.send(v5::HELLO, gossip.as_bytes())?;
    let told = loop {
        let message = wire.receive()?;
        if message.kind == v5::HELLO {
            break String::from_utf8(message.payload)?;
        }
    };
    ensure!(told.contains(&keys[0]) && !told.contains(&keys[1]), "{told}");
    let mut ask = vec![0, 0, 0, 9];
    ask.extend(HEXLOWER.decode(keys[1].as_bytes())?);
    ask.extend([0; 8]);
    wire.send(hostile::GET_MANIFEST, &ask)?;
    loop {
        let message = wire.receive()?;
        let answers = message.payload.starts_with(&[0, 0, 0, 9]);
        ensure!(!(message.kind == hostile::MANIFEST && answers), "the other channel's list was shown");
        if message.kind == hostile::NONE && answers {
            break;
        }
    }
    drop(wire);

    // A peer in the dark names addresses in the light: nobody dials them, by whatever way.
    let bystander = TcpListener::bind("127.0.0.1:0")?;
    bystander.set_nonblocking(true)?;
    let led: SocketAddr = bystander.local_addr()?;
    let channel = author::Author::new([81; 32]);
    let (named, answers) = (channel.channel(), Arc::new(AtomicUsize::new(0)));
    let answered = answers.clone();
    let liar = Listener::start(move |stream, _| {
        let Ok(mut wire) = Wire::accept(stream) else { return };
        let addrs = format!("[\"{led}\",\"198.51.100.7:6881\",\"leak-test.example:6881\"]");
        while let Ok(message) = wire.receive() {
            let said = match message.kind {
                v5::HELLO => wire.send(v5::HELLO, &hostile::hello(&named, 0)),
                v5::FIND_PEERS => {
                    let topic = String::from_utf8_lossy(&message.payload).into_owned();
                    let announce = format!("{{\"blobId\":\"{topic}\",\"peerAddress\":\"{led}\"}}");
                    let said = wire.send(v5::ANNOUNCE, announce.as_bytes());
                    let said = said.and_then(|()| wire.send(v5::PEERS, addrs.as_bytes()));
                    answered.fetch_add(1, Ordering::SeqCst);
                    said
                }
                _ => Ok(()),
            };
            if said.is_err() {
                return;
            }
        }
    })?;
    let mut owner = tors.client(0).log_in()?;
    let made =
        owner.command(&format!("ADD_ONION NEW:ED25519-V3 Flags=DiscardPK Port={ONION_PORT},{}", liar.address()))?;
    let id = made.iter().find_map(|line| line.strip_prefix("ServiceID=")).context("an onion service")?.to_owned();
    let reader = Hidden::start("bob", &tors, 1)?;
    let before = mentions(&tors, &led)?;
    reader.ask(&["subscribe", &format!("{}?bootstrap={id}.onion:{ONION_PORT}", channel.link())])?;
    until(&reader.home, &["status"], "the liar asked", |_| (answers.load(Ordering::SeqCst) > 0).then_some(()))?;
    // What it said is dealt with while another channel is followed and fetched.
    let mut news = reader.watch()?;
    reader.ask(&["subscribe", &low])?;
    compare(&author.home.path().join("Ebb"), &path_of(&news.until_ready("Ebb")?)?)?;
    match bystander.accept() {
        Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
        other => bail!("somebody was led there: {other:?}"),
    }
    ensure!(mentions(&tors, &led)? == before, "tor was asked for the address");
    for peer in reader.ask(&["peers"])?.as_array().context("peers")? {
        ensure!(peer["kind"] == "onion", "{peer}");
    }
    // The reader, too, has an address for each of its channels.
    let own = reader.onions(2)?;
    ensure!(own[0].1 != own[1].1, "{own:?}");
    reader.ask(&["unsubscribe", &channel.link()])?;
    ensure!(reader.onions(1)?[0].0 == keys[0]);
    drop(news);
    let Hidden { home, node, tor } = author;
    node.stop(&home)?;
    let author = Hidden { node: Hidden::run(&home, &tors, tor)?, home, tor };
    let mut again = author.onions(2)?;
    let mut first = onions;
    again.sort();
    first.sort();
    ensure!(again == first, "other addresses after a restart");
    reader.node.stop(&reader.home)?;
    author.node.stop(&author.home)
}

/// Streams of the reader's tor that lead to this address now.
fn mentions(tors: &TorNet, addr: &SocketAddr) -> Result<usize> {
    let told = tors.client(1).log_in()?.command("GETINFO stream-status")?;
    Ok(told.iter().filter(|line| line.contains(&addr.to_string())).count())
}

#[test]
fn one_node_bridges_both_sides_and_keeps_their_addresses_apart() -> Result<()> {
    let tors = TorNet::start(2)?;
    // An author in the light, who has no Tor; a bridge; a reader in the dark, who knows the bridge's onion alone.
    let author = Home::new("alice", &[])?;
    let light = author.daemon()?;
    let songs = people::folder(&author, "songs", &[("a.flac", 3_300_000)])?;
    let published = people::publish(&author, &songs, &["--title", "Songs"])?;
    let link = text(&published, "link")?;
    ensure!(!link.contains("bootstrap"), "{link}");

    let bridge = Home::new("bob", &[])?;
    let control = tors.client(0).control()?;
    let both = bridge.daemon_with(["--route", &format!("direct+tor://{control}")])?;
    let mut news = both.watch(&bridge)?;
    bridge.ask(["subscribe", &format!("{link}?bootstrap={}", light.address())])?;
    compare(&songs, &path_of(&news.until_ready("Songs")?)?)?;
    let bridge = Hidden { home: bridge, node: both, tor: 0 };
    let onion = bridge.onion()?;
    let status = bridge.ask(&["status"])?;
    ensure!(status["route"]["kind"] == "both" && status["listen"].is_string(), "{status}");

    let reader = Hidden::start("carol", &tors, 1)?;
    let mut heard = reader.watch()?;
    reader.ask(&["subscribe", &format!("{link}?bootstrap={onion}")])?;
    compare(&songs, &path_of(&heard.until_ready("Songs")?)?)?;
    let hidden = reader.onion()?;
    // News goes through, and back: both sides see the bridge and nobody else.
    let more = people::folder(&author, "more", &[("b.flac", 1_200_000)])?;
    people::publish(&author, &more, &["--title", "More"])?;
    compare(&more, &path_of(&heard.until_ready("More")?)?)?;
    let addrs = |peers: &serde_json::Value| -> Vec<String> {
        peers.as_array().into_iter().flatten().filter_map(|peer| Some(peer["addr"].as_str()?.to_owned())).collect()
    };
    // The reader told its onion to the bridge: from here on it would be passed on, were it not for the sides.
    until(&bridge.home, &["peers"], "the reader met", |peers| {
        peers.as_array()?.iter().any(|peer| peer["inbound"] == true && peer["kind"] == "onion").then_some(())
    })?;

    // Whoever asks on one side is told of that side alone.
    let channel = link["megatorrent://".len()..][..64].to_owned();
    let key = HEXLOWER.decode(channel.as_bytes())?;
    let topic = Sha256::new().chain_update("megatorrent channel v1").chain_update(key).finalize();
    let topic = HEXLOWER.encode(&topic);
    let told = |mut wire: Wire| -> Result<Vec<String>> {
        wire.send(v5::HELLO, &hostile::hello(&channel, 0))?;
        wire.send(v5::FIND_PEERS, topic.as_bytes())?;
        let mut all: Vec<String> = Vec::new();
        loop {
            let message = wire.receive()?;
            match message.kind {
                v5::PEERS => {
                    all.extend(serde_json::from_slice::<Vec<String>>(&message.payload)?);
                    return Ok(all);
                }
                v5::ANNOUNCE => {
                    let announce: serde_json::Value = serde_json::from_slice(&message.payload)?;
                    all.push(text(&announce, "peerAddress")?);
                }
                _ => {}
            }
        }
    };
    let host = onion.split(':').next().context("a host")?;
    let stranger = dial(tors.client(1).socks()?, &login("stranger")?, host, ONION_PORT)?;
    let dark = told(Wire::dial_over(stranger)?)?;
    ensure!(dark.iter().all(|addr| addr.contains(".onion:")), "the dark side was told {dark:?}");
    ensure!(dark.contains(&hidden), "the dark side is not told of its own: {dark:?}");
    let listens: SocketAddr = text(&status, "listen")?.parse()?;
    let clear = told(Wire::dial(listens)?)?;
    ensure!(clear.iter().all(|addr| !addr.contains(".onion")), "the light side was told {clear:?}");
    ensure!(clear.iter().any(|addr| addr == light.address()), "the light side is not told of its own: {clear:?}");
    // What the two who never met know of each other.
    let (seen, known) = (addrs(&author.ask(["peers"])?), addrs(&reader.ask(&["peers"])?));
    ensure!(!seen.is_empty() && seen.iter().all(|addr| !addr.contains(".onion")), "{seen:?}");
    ensure!(!known.is_empty() && known.iter().all(|addr| addr.contains(".onion")), "{known:?}");

    // Tor goes: the light side stays.
    drop((news, heard));
    tors_gone(tors, &bridge)?;
    let last = people::folder(&author, "last", &[("c.flac", 900_000)])?;
    let mut news = bridge.watch()?;
    people::publish(&author, &last, &["--title", "Last"])?;
    compare(&last, &path_of(&news.until_ready("Last")?)?)?;
    drop(news);
    reader.node.stop(&reader.home)?;
    bridge.node.stop(&bridge.home)?;
    light.stop(&author)
}

/// Ends the network; the bridge says that nobody can reach it by onion, and that its route is up nevertheless.
fn tors_gone(tors: TorNet, bridge: &Hidden) -> Result<()> {
    drop(tors);
    until(&bridge.home, &["status"], "no way in by onion", |status| {
        let route = &status["route"];
        (route["state"]["state"] == "up" && route["no_inbound"].is_string()).then_some(())
    })
}
