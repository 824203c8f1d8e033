//! §5 A SOCKS5 proxy as the only way out: nothing leaves past it, whatever becomes of it.

use anyhow::{Context, Result, ensure};
use megatorrent_tests::folder::compare;
use megatorrent_tests::people::{self, text, until};
use megatorrent_tests::process::{Daemon, Home};
use megatorrent_tests::socks_proxy::SocksProxy;
use megatorrent_tests::v5::{Habits, Server};
use serde_json::Value;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// A route's state is known within this time, and a moment for asking.
const NOTICED: Duration = Duration::from_millis(2_500);

fn loopback() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 0))
}

/// Waits for a state of the route; gives back the reason, if it has one.
fn standing(home: &Home, wanted: &str) -> Result<String> {
    until(home, &["status"], wanted, |status| {
        let state = &status["route"]["state"];
        (state["state"] == wanted).then(|| state["why"].as_str().unwrap_or_default().to_owned())
    })
}

fn behind(home: &Home, proxy: SocketAddr, login: &str) -> Result<Daemon> {
    home.daemon_with(["--proxy", &format!("socks5://{login}@{proxy}")])
}

#[test]
fn everything_goes_through_the_proxy_or_not_at_all() -> Result<()> {
    let alice = Home::new("alice", &[])?;
    let author = alice.daemon()?;
    let folder = people::folder(&alice, "songs", &[("a.flac", 3_300_000)])?;
    let published = people::publish(&alice, &folder, &["--title", "Songs"])?;
    let link = format!("{}?bootstrap={}", text(&published, "link")?, author.address());

    let proxy = SocksProxy::start(loopback(), "user", "right")?;
    let at = proxy.addr();
    let bob = Home::new("bob", &[])?;
    let began = Instant::now();
    let node = behind(&bob, at, "user:wrong")?;
    let why = standing(&bob, "down")?;
    ensure!(why.contains("refused the user name or the password"), "{why}");
    ensure!(began.elapsed() < NOTICED * 2, "the start and the state took {:?}", began.elapsed());
    let status = bob.ask(["status"])?;
    ensure!(status["listen"].is_null() && status["dht_nodes"].is_null(), "{status}");
    ensure!(!status.to_string().contains("wrong"), "the password is told: {status}");
    bob.ask(["subscribe", &link])?;
    let channels = bob.ask(["channels"])?;
    ensure!(channels[0]["cause"]["cause"] == "proxy_down", "{channels}");

    // The right password, while the node runs; kept, and told to nobody.
    let mut news = node.watch(&bob)?;
    let set = bob.ask(["set", "route", &format!("socks5://user:right@{at}")])?;
    ensure!(set["route"] == format!("socks5://{at}"), "{set}");
    standing(&bob, "up")?;
    let ready = news.until_ready("Songs")?;
    compare(&folder, Path::new(&text(&ready, "path")?))?;
    ensure!(proxy.asked().iter().all(|asked| asked == author.address()), "{:?}", proxy.asked());

    // Ended in the middle: known at once, and nothing goes another way.
    let second = people::folder(&alice, "second", &[("b.flac", 2_200_000)])?;
    drop(proxy);
    let ended = Instant::now();
    standing(&bob, "down")?;
    ensure!(ended.elapsed() < NOTICED, "the state took {:?}", ended.elapsed());
    people::publish(&alice, &second, &["--title", "Second"])?;
    until(&alice, &["peers"], "nobody connected", |peers| peers.as_array()?.is_empty().then_some(()))?;
    // Back again, what was missed arrives. The route and its password were kept over a restart, too.
    let proxy = SocksProxy::start(at, "user", "right")?;
    compare(&second, Path::new(&text(&news.until_ready("Second")?, "path")?))?;
    node.stop(&bob)?;
    let node = bob.daemon()?;
    standing(&bob, "up")?;
    ensure!(!proxy.asked().is_empty());
    drop(news);
    node.stop(&bob)?;
    author.stop(&alice)
}

/// Proxies that do not mean well: each has its name within two seconds, and a node behind it dials nobody.
#[test]
fn a_proxy_that_misbehaves_is_named_and_nobody_is_dialled() -> Result<()> {
    let bystander = Server::start(Habits::default())?;
    let link = format!("megatorrent://{}?bootstrap={}", "5a".repeat(32), bystander.address());
    for (what, answer, why) in [
        ("hangs", None, "does not answer"),
        ("closes at once", Some(&b""[..]), "closed the connection"),
        ("closes in the middle", Some(b"\x05"), "closed the connection"),
        ("answers garbage", Some(b"HTTP/1.1 200 OK\r\n\r\n"), "no SOCKS5 proxy"),
    ] {
        let listener = TcpListener::bind(loopback())?;
        let addr = listener.local_addr()?;
        // It ends with the test's process.
        std::thread::spawn(move || {
            let mut held = Vec::new();
            for mut stream in listener.incoming().map_while(std::io::Result::ok) {
                let Some(answer) = answer else {
                    held.push(stream);
                    continue;
                };
                // Who asked may have gone.
                if stream.read(&mut [0; 16]).is_ok() {
                    let _ = stream.write_all(answer);
                }
            }
        });
        let home = Home::new("bob", &[])?;
        let node = home.daemon_with(["--proxy", &format!("socks5://{addr}")])?;
        home.ask(["subscribe", &link])?;
        let told = standing(&home, "down")?;
        ensure!(told.contains(why), "{what}: {told}");
        let channels = home.ask(["channels"])?;
        ensure!(channels[0]["cause"]["cause"] == "proxy_down", "{what}: {channels}");
        node.stop(&home)?;
        ensure!(bystander.connections() == 0, "{what}: somebody went straight to the peer");
    }
    Ok(())
}

/// A proxy that lets us in and says that it reached whomever we ask for, and then speaks itself, in many ways.
#[test]
fn a_proxy_that_lies_about_success_is_no_peer_and_no_reason_to_go_straight() -> Result<()> {
    let bystander = Server::start(Habits::default())?;
    let link = format!("megatorrent://{}?bootstrap={}", "5b".repeat(32), bystander.address());
    // A point of low order, garbage, an end, nothing; a key with garbage behind it.
    let lies: Vec<Vec<u8>> =
        vec![vec![0; 32], b"HTTP/1.1 200 OK\r\n\r\nHello".to_vec(), Vec::new(), [vec![9; 32], vec![0xff; 64]].concat()];
    for lie in lies {
        let asked = Arc::new(AtomicUsize::new(0));
        let listener = TcpListener::bind(loopback())?;
        let addr = listener.local_addr()?;
        let (count, said) = (asked.clone(), lie.clone());
        // It ends with the test's process.
        std::thread::spawn(move || {
            for mut stream in listener.incoming().map_while(std::io::Result::ok) {
                let (count, said) = (count.clone(), said.clone());
                std::thread::spawn(move || -> std::io::Result<()> {
                    stream.read_exact(&mut [0; 3])?;
                    stream.write_all(&[5, 0])?;
                    // A mere greeting ends here.
                    stream.read_exact(&mut [0; 10])?;
                    count.fetch_add(1, Ordering::SeqCst);
                    stream.write_all(&[5, 0, 0, 1, 0, 0, 0, 0, 0, 0])?;
                    stream.write_all(&said)
                });
            }
        });
        let home = Home::new("bob", &[])?;
        let node = home.daemon_with(["--proxy", &format!("socks5://{addr}")])?;
        standing(&home, "up")?;
        home.ask(["subscribe", &link])?;
        // Asked, and again after the first failure: by then it was dealt with.
        until(&home, &["status"], "the proxy asked twice", |_| (asked.load(Ordering::SeqCst) > 1).then_some(()))?;
        // The route is up, so it is not at fault; nobody is there.
        let nobody = |all: &Value| (all[0]["cause"]["cause"] == "no_manifest" && all[0]["peers"] == 0).then_some(());
        until(&home, &["channels"], "nobody there", nobody)?;
        node.stop(&home)?;
        ensure!(bystander.connections() == 0, "{lie:?}: somebody went straight to the peer");
    }
    Ok(())
}

/// The route is changed back and forth while a node runs; the listener comes and goes with it.
#[test]
fn a_route_is_changed_while_the_node_runs() -> Result<()> {
    let alice = Home::new("alice", &[])?;
    let node = alice.daemon()?;
    let address = node.address().to_owned();
    let unread = alice.run(["set", "route", "socks5://hush:hush@proxy.example:1"])?;
    ensure!(unread.code == Some(2) && !unread.stderr.contains("hush"), "{unread:?}");
    let proxy = SocksProxy::start(loopback(), "user", "word")?;
    alice.ask(["set", "route", &format!("socks5://user:word@{}", proxy.addr())])?;
    standing(&alice, "up")?;
    ensure!(alice.ask(["status"])?["listen"].is_null());
    ensure!(std::net::TcpStream::connect(&address).is_err(), "the old listener is still there");
    alice.ask(["set", "route", "direct"])?;
    let status = alice.ask(["status"])?;
    let listen = status["listen"].as_str().context("it listens again")?.to_owned();
    ensure!(status["route"]["route"] == "direct");
    std::net::TcpStream::connect(listen)?;
    node.stop(&alice)
}
