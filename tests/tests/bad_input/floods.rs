//! Peers that ask for more than anybody needs: each pays with its connection, and the next honest one is served.

use super::Scene;
use megatorrent_tests::hostile::{self, CANCEL, HAVE_QUERY};
use megatorrent_tests::people::publish;
use megatorrent_tests::process::{Daemon, Home, PATIENCE};
use megatorrent_tests::v5::{self, ANNOUNCE, DATA, FIND_PEERS, Gossip, REQUEST, V5Error, Wire};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Most memory that a node under attack may hold, in bytes.
const MEMORY_MAX: u64 = 150 << 20;

/// Makes the payload of the next question.
type Payload = Box<dyn FnMut() -> Vec<u8>>;

/// Who publishes one small file.
struct Publisher {
    home: Home,
    daemon: Daemon,
    node: SocketAddr,
    channel: String,
    blob: String,
}

impl Publisher {
    fn new(name: &str) -> Self {
        let home = Home::new(name, &[]).unwrap();
        let daemon = home.daemon().unwrap();
        let node = daemon.address().parse().unwrap();
        let file = home.path().join("note.txt");
        std::fs::write(&file, b"a few bytes").unwrap();
        let published = publish(&home, &file, &[]).unwrap();
        let channel = published["link"].as_str().unwrap().trim_start_matches("megatorrent://").to_owned();
        let blob = super::blobs(node, &channel).remove(0);
        Self { home, daemon, node, channel, blob }
    }

    fn serves(&self, what: &str) {
        let got = v5::download(self.node, &self.blob, Gossip::Nothing, None);
        assert_eq!(got.unwrap_or_else(|error| panic!("after {what}: {error}")).len(), v5::BLOB_LEN);
    }

    fn end(self) {
        assert!(!self.daemon.log().contains("panicked"), "{}", self.daemon.log());
        let peak = self.daemon.peak_memory().unwrap();
        assert!(peak < MEMORY_MAX, "{peak} bytes at once");
        self.daemon.stop(&self.home).unwrap();
    }
}

/// A connection that reads and drops whatever comes, so that the node never waits for it.
fn deaf(wire: &Wire) {
    let mut from = wire.handle().unwrap();
    std::thread::spawn(move || drop(std::io::copy(&mut from, &mut std::io::sink())));
}

#[test]
fn floods_of_questions_end_their_connection_and_nobody_else_waits() {
    let publisher = Publisher::new("questions");
    let id = "a".repeat(64);
    let announce = format!("{{\"blobId\":\"{id}\",\"peerAddress\":\"127.0.0.1:9\"}}").into_bytes();
    let mut number = 0_u32;
    let query = move || {
        number += 1;
        [&number.to_be_bytes()[..], &[7; 4096 * 32]].concat()
    };
    let mut floods: Vec<(&str, u8, Payload)> = vec![
        ("FIND_PEERS", FIND_PEERS, Box::new(move || id.clone().into_bytes())),
        ("ANNOUNCE", ANNOUNCE, Box::new(move || announce.clone())),
        ("HAVE_QUERY", HAVE_QUERY, Box::new(query)),
    ];
    for (what, kind, payload) in &mut floods {
        let mut wire = Wire::dial(publisher.node).unwrap();
        wire.send(v5::HELLO, &hostile::hello(&publisher.channel, 0)).unwrap();
        deaf(&wire);
        let mut sent = 0;
        while wire.send(*kind, &payload()).is_ok() {
            sent += 1;
            assert!(sent < 1_000_000, "{what} for ever");
            if sent % 50 == 49 && sent < 200 {
                publisher.serves(what);
            }
        }
        publisher.serves(what);
    }
    publisher.end();
}

#[test]
fn one_blob_asked_for_without_end_is_sent_some_times_only() {
    let publisher = Publisher::new("again");
    let mut wire = Wire::dial(publisher.node).unwrap();
    let mut times = 0;
    let ended = loop {
        assert!(times < 1000, "served for ever");
        // A v5 downloader's ten seconds are for one blob, not for a thousand.
        wire.be_patient(PATIENCE);
        if let Err(error) = wire.send(REQUEST, publisher.blob.as_bytes()) {
            break error;
        }
        let mut got = 0;
        let answer = loop {
            match wire.receive() {
                Ok(message) if message.kind == DATA => got += message.payload.len(),
                Ok(_) => {}
                Err(error) => break Some(error),
            }
            if got >= v5::BLOB_LEN {
                break None;
            }
        };
        if let Some(error) = answer {
            break error;
        }
        times += 1;
        publisher.serves("one who asks again and again");
    };
    assert!(times >= 2, "{times}: whose disk lost it asks again");
    assert!(matches!(ended, V5Error::Io(_)), "{ended}");
    publisher.end();
}

#[test]
fn one_blob_taken_back_without_end_is_made_some_times_only() {
    let publisher = Publisher::new("taken-back");
    let mut wire = Wire::dial(publisher.node).unwrap();
    wire.send(v5::HELLO, &hostile::hello(&publisher.channel, 0)).unwrap();
    deaf(&wire);
    let taken_back = data_encoding::HEXLOWER.decode(publisher.blob.as_bytes()).unwrap();
    let mut times = 0;
    while wire.send(REQUEST, publisher.blob.as_bytes()).is_ok() && wire.send(CANCEL, &taken_back).is_ok() {
        times += 1;
        assert!(times < 100_000, "made for ever");
        if times % 50 == 49 && times < 200 {
            publisher.serves("one who takes back what it asked for");
        }
    }
    publisher.serves("one who took back what it asked for");
    publisher.end();
}

/// An announce of an onion address for a topic.
fn announce(topic: &str, onion: u32) -> (String, Vec<u8>) {
    let mut key = [3; 32];
    key[..4].copy_from_slice(&onion.to_be_bytes());
    let address = protocol::PeerAddr::Onion(protocol::addr::OnionKey(key), 6881).to_string();
    let said = format!("{{\"blobId\":\"{topic}\",\"peerAddress\":\"{address}\"}}").into_bytes();
    (address, said)
}

#[test]
fn announces_of_a_nodes_own_channels_survive_any_flood() {
    let publisher = Publisher::new("announces");
    let channel: protocol::ChannelKey = publisher.channel.parse().unwrap();
    let topic = data_encoding::HEXLOWER.encode(&protocol::rendezvous::public(&channel).0);
    // More topics of nobody's than a node keeps, by as many connections as it takes.
    for n in 0..40_u32 {
        let mut wire = Wire::dial(publisher.node).unwrap();
        wire.be_patient(PATIENCE);
        wire.send(v5::HELLO, &hostile::hello(&publisher.channel, 0)).unwrap();
        for m in 0..64_u32 {
            let strange = format!("{:064x}", (n << 8) + m);
            wire.send(ANNOUNCE, &announce(&strange, (n << 8) + m).1).unwrap();
        }
        assert!(hostile::dealt_with(&mut wire).unwrap());
    }
    let mut wire = Wire::dial(publisher.node).unwrap();
    wire.be_patient(PATIENCE);
    wire.send(v5::HELLO, &hostile::hello(&publisher.channel, 0)).unwrap();
    let (address, said) = announce(&topic, 1 << 30);
    wire.send(ANNOUNCE, &said).unwrap();
    assert!(hostile::dealt_with(&mut wire).unwrap());
    let told = v5::find_peers(publisher.node, &topic).unwrap();
    assert!(told.contains(&address), "{told:?}");
    publisher.end();
}

#[cfg(target_os = "linux")]
#[test]
fn a_thousand_connections_cost_little_and_the_next_caller_is_served() {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    setrlimit(Resource::Nofile, limit).unwrap();
    let publisher = Publisher::new("thousand");
    let open = || std::fs::read_dir(format!("/proc/{}/fd", publisher.daemon.id())).unwrap().count();
    // Whoever was there before stays served.
    let mut before = Wire::dial(publisher.node).unwrap();
    before.be_patient(PATIENCE);
    before.send(v5::HELLO, &hostile::hello(&publisher.channel, 0)).unwrap();
    assert!(hostile::dealt_with(&mut before).unwrap());
    let (mut silent, mut polite) = (Vec::new(), Vec::new());
    let mut most = 0;
    for n in 0..1000 {
        // Half of them say nothing, half shake hands and follow the channel.
        if n % 2 == 0 {
            silent.push(std::net::TcpStream::connect(publisher.node).unwrap());
        } else if let Ok(mut wire) = Wire::dial(publisher.node) {
            // One that is refused is ended by the node.
            let _ = wire.send(v5::HELLO, &hostile::hello(&publisher.channel, 0));
            polite.push(wire);
        }
        most = most.max(open());
        if n % 100 == 99 {
            assert!(hostile::dealt_with(&mut before).unwrap(), "{n} callers drove out one who was there");
        }
    }
    assert!(most < 400, "{most} files open at once");
    // The command line goes another way and does not feel it.
    assert_eq!(publisher.home.ask(["status"]).unwrap()["listen"], publisher.daemon.address());
    drop((silent, polite));
    let deadline = Instant::now() + PATIENCE;
    while v5::download(publisher.node, &publisher.blob, Gossip::Nothing, None).is_err() {
        assert!(Instant::now() < deadline, "nobody is served any more");
        std::thread::sleep(Duration::from_millis(100));
    }
    drop(before);
    publisher.end();
}

/// Calls a node, says that it follows the channel, and waits there; sent away, it calls again.
fn wait_there(node: SocketAddr, channel: &str, over: &AtomicBool) {
    while !over.load(Ordering::SeqCst) {
        let Ok(mut wire) = Wire::dial(node) else { continue };
        if wire.send(v5::HELLO, &hostile::hello(channel, 0)).is_ok() {
            let mut from = wire.handle().unwrap();
            from.set_read_timeout(None).unwrap();
            let _ = std::io::copy(&mut from, &mut std::io::sink());
        }
        std::thread::sleep(Duration::from_millis(500));
    }
}

#[test]
fn callers_of_the_channel_who_hold_every_place_keep_no_newcomer_out() {
    // A node has 200 places, and a quarter of them is for those whom it dials.
    const PLACES: usize = 150;
    let publisher = Publisher::new("places");
    let places = || publisher.home.ask(["peers"]).unwrap().as_array().unwrap().len();
    let bob = Home::new("newcomer", &[]).unwrap();
    let over = Arc::new(AtomicBool::new(false));
    let _over = super::Over(&over);
    for _ in 0..PLACES + 10 {
        let (node, channel, over) = (publisher.node, publisher.channel.clone(), over.clone());
        std::thread::spawn(move || wait_there(node, &channel, &over));
    }
    let deadline = Instant::now() + PATIENCE;
    while places() < PLACES {
        assert!(Instant::now() < deadline, "{} are there", places());
        std::thread::sleep(Duration::from_millis(100));
    }
    let node = bob.daemon_with(["--peer", publisher.daemon.address()]).unwrap();
    let mut watch = node.watch(&bob).unwrap();
    bob.ask(["subscribe", &format!("megatorrent://{}", publisher.channel)]).unwrap();
    let ready = watch.until_ready("note.txt").unwrap();
    let path = std::path::Path::new(ready["path"].as_str().unwrap()).join("note.txt");
    assert_eq!(std::fs::read(path).unwrap(), b"a few bytes");
    assert!(places() > PLACES * 9 / 10, "the others are there all the time: {}", places());
    drop(watch);
    node.stop(&bob).unwrap();
    over.store(true, Ordering::SeqCst);
    publisher.end();
}

#[test]
fn a_node_that_is_flooded_goes_on_fetching() {
    let server = v5::Server::start(v5::Habits { hold_after: Some(1), ..v5::Habits::default() }).unwrap();
    let scene = Scene::new("flooded", 73, &[server.address()]);
    let mut watch = scene.watch();
    let content = vec![3; 2_000_000];
    let blobs = v5::chunks(&content).unwrap();
    blobs.iter().for_each(|blob| server.hold(blob));
    scene.publish(&mut watch, &v5::author::collections(&[("film.bin", &blobs)]), 1_700_000_000_000);
    server.wait_served(1, PATIENCE).unwrap();
    let stop = AtomicBool::new(false);
    let ready = std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                // Whoever is let go comes again, at once.
                while !stop.load(Ordering::SeqCst) {
                    let Ok(mut wire) = Wire::dial(scene.node) else { continue };
                    deaf(&wire);
                    while wire.send(FIND_PEERS, &[b'b'; 64]).is_ok() && !stop.load(Ordering::SeqCst) {}
                }
            });
        }
        server.release();
        let ready = watch.until_ready("film.bin");
        stop.store(true, Ordering::SeqCst);
        ready
    })
    .unwrap();
    let path = std::path::Path::new(ready["path"].as_str().unwrap()).join("film.bin");
    assert_eq!(std::fs::read(path).unwrap(), content);
    scene.end();
}
