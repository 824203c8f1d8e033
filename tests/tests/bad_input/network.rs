//! A port that is taken, a DHT that nobody answers, a clock that went back.

use super::{Scene, refused};
use megatorrent_tests::process::{Home, finish};
use megatorrent_tests::v5::author::collections;
use megatorrent_tests::v5::{self, Habits, Server};
use std::net::{TcpListener, UdpSocket};
use std::process::Command;

const NOW: u64 = 1_700_000_000_000;

#[test]
fn a_taken_port_is_named() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let home = Home::new("port", &[]).unwrap();
    let answer = home.run(["--listen", &address, "--no-dht", "daemon"]).unwrap();
    refused(&answer, 4, "port_taken", &[&address]);
    drop(taken);
    let mut command = home.command().unwrap();
    command.args(["--no-dht", "status"]);
    assert_eq!(finish(command).unwrap().code, Some(0), "nothing is left locked");
}

#[test]
fn without_any_dht_known_peers_still_work() {
    // A bootstrap node that never answers.
    let deaf = UdpSocket::bind("127.0.0.1:0").unwrap();
    let home = Home::new("deaf-dht", &[deaf.local_addr().unwrap().to_string()]).unwrap();
    let server = Server::start(Habits::default()).unwrap();
    let blobs = v5::chunks(b"by hand").unwrap();
    server.hold(&blobs[0]);
    let author = v5::author::Author::new([91; 32]);
    let daemon = home.daemon_with(["--peer", &server.address().to_string()]).unwrap();
    home.ask(["set", "download-dir", home.downloads().to_str().unwrap()]).unwrap();
    let mut watch = daemon.watch(&home).unwrap();
    home.ask(["subscribe", &author.link()]).unwrap();
    let manifest = author.sign_public(&collections(&[("note.txt", &blobs)]), NOW);
    let node = daemon.address().parse().unwrap();
    assert!(megatorrent_tests::hostile::push(node, &author, &manifest, NOW).unwrap());
    watch.until_ready("note.txt").unwrap();

    // What is published here is told to have reached nobody yet, and is served to who comes.
    home.ask(["id", "new", "alice"]).unwrap();
    let file = home.path().join("mine.txt");
    std::fs::write(&file, b"mine").unwrap();
    let answer = home.run(["publish", file.to_str().unwrap()]).unwrap();
    assert_eq!(answer.code, Some(0), "{answer:?}");
    assert_eq!(answer.json().unwrap()["dht_nodes"], 0);
    assert!(answer.stderr.contains("DHT"), "it says that the DHT does not answer: {}", answer.stderr);
    assert_eq!(home.ask(["items", "alice"]).unwrap()[0]["name"], "mine.txt");
    daemon.stop(&home).unwrap();
}

/// `clock_gettime` that shows the wall clock an hour ago; all other clocks as they are.
const CLOCK: &str = r"
#define _GNU_SOURCE
#include <time.h>
#include <unistd.h>
#include <sys/syscall.h>
int clock_gettime(clockid_t clock, struct timespec *at) {
    int result = syscall(SYS_clock_gettime, clock, at);
    if (result == 0 && clock == CLOCK_REALTIME) at->tv_sec -= 3600;
    return result;
}
";

#[cfg(target_os = "linux")]
#[test]
fn a_clock_that_went_back_does_not_make_the_sequence_fall() {
    let home = Home::new("clock", &[]).unwrap();
    let (source, library) = (home.path().join("clock.c"), home.path().join("clock.so"));
    std::fs::write(&source, CLOCK).unwrap();
    let built = Command::new("cc").args(["-shared", "-fPIC", "-o"]).arg(&library).arg(&source).status().unwrap();
    assert!(built.success(), "a C compiler is there, for the program needs one itself");
    let daemon = home.daemon().unwrap();
    home.ask(["id", "new", "alice"]).unwrap();
    let file = home.path().join("note.txt");
    std::fs::write(&file, b"one").unwrap();
    let path = file.to_str().unwrap();
    let first = home.ask(["publish", path]).unwrap()["sequence"].as_u64().unwrap();
    daemon.stop(&home).unwrap();

    let back = |args: &[&str]| {
        let mut command = home.command().unwrap();
        command.env("LD_PRELOAD", &library).args(["--json", "--no-dht", "--listen", "none"]).args(args);
        finish(command).unwrap().json().unwrap()
    };
    let made = back(&["id", "new", "bob"])["created"].as_u64().unwrap();
    assert!(made < first, "the clock does go back: {made}");
    let second = back(&["edit", "alice", "--about", "an hour earlier"])["sequence"].as_u64().unwrap();
    let third = back(&["publish", path, "--id", "alice"])["sequence"].as_u64().unwrap();
    assert_eq!((second, third), (first + 1, first + 2));
    let items = back(&["items", "alice"]);
    assert_eq!(items.as_array().unwrap().len(), 2, "and nothing was lost");
}

#[test]
fn an_identity_whose_channel_is_ahead_elsewhere_goes_on_from_there() {
    // The author published with a clock a day ahead; the key comes to this device, which has never seen that list.
    let testnet = mainline::Testnet::builder(6).build().unwrap();
    let dht = v5::Dht::join(&testnet.bootstrap, std::net::Ipv4Addr::LOCALHOST).unwrap();
    let home = Home::new("ahead", &testnet.bootstrap).unwrap();
    let daemon = home.daemon().unwrap();
    home.ask(["id", "new", "alice"]).unwrap();
    let file = home.path().join("note.txt");
    std::fs::write(&file, b"one").unwrap();
    let published = home.ask(["publish", file.to_str().unwrap()]).unwrap();
    let backup = home.path().join("alice.age");
    home.ask(["id", "export", "alice", backup.to_str().unwrap()]).unwrap();
    daemon.stop(&home).unwrap();
    let (sequence, _) =
        dht.look_up(published["link"].as_str().unwrap().trim_start_matches("megatorrent://")).unwrap().unwrap();
    assert_eq!(published["sequence"], sequence);

    // The second device's clock is behind the first one's list: still the sequence rises.
    let other = Home::new("ahead", &testnet.bootstrap).unwrap();
    let daemon = other.daemon().unwrap();
    other.ask(["id", "import", backup.to_str().unwrap()]).unwrap();
    let again = other.ask(["publish", file.to_str().unwrap()]).unwrap();
    assert!(again["sequence"].as_u64() > Some(sequence) && again["dht_nodes"].as_u64() > Some(0), "{again}");
    daemon.stop(&other).unwrap();
}

#[test]
fn a_second_node_on_one_folder_is_refused() {
    let scene = Scene::unsubscribed("second", 92, &[]);
    let answer = scene.home.run(["--no-dht", "--listen", "127.0.0.1:0", "daemon"]).unwrap();
    refused(&answer, 8, "busy", &["node runs"]);
    scene.end();
}
