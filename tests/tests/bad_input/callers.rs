//! Callers in networks of their own, which takes network namespaces: what one network does is another's trouble in nothing.

use megatorrent_tests::hostile;
use megatorrent_tests::netns::Space;
use megatorrent_tests::process::{Home, PATIENCE};
use megatorrent_tests::v5::author::{Author, collections};
use megatorrent_tests::v5::{self, Wire};
use net::dht::LocalDht;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// A machine in the middle, and two others that see it and not each other.
struct Crossing {
    node: Space,
    one: Space,
    other: Space,
}

/// Where the machine in the middle is for each of them.
const FOR_ONE: &str = "10.78.1.1:4170";
const FOR_OTHER: &str = "10.78.2.1:4170";

impl Crossing {
    fn new() -> Option<Self> {
        let (node, one, other) = (Space::new("n").unwrap()?, Space::new("o").unwrap()?, Space::new("p").unwrap()?);
        Space::join((&node, "one0", &["10.78.1.1/24"]), (&one, "eth0", &["10.78.1.2/24"])).unwrap();
        Space::join((&node, "two0", &["10.78.2.1/24"]), (&other, "eth0", &["10.78.2.2/24"])).unwrap();
        Some(Self { node, one, other })
    }
}

fn at(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

/// A caller whose key comes a round trip after the connection, as through a relay far away: whether the node talks to it.
fn lives(node: SocketAddr, round_trip: Duration) -> bool {
    let Ok(stream) = TcpStream::connect_timeout(&node, PATIENCE) else { return false };
    std::thread::sleep(round_trip);
    let Ok(mut wire) = Wire::dial_over(stream) else { return false };
    wire.be_patient(PATIENCE);
    wire.send(v5::HELLO, b"{}").is_ok() && hostile::dealt_with(&mut wire).is_ok_and(|lives| lives)
}

#[test]
fn silent_callers_of_one_network_keep_no_honest_one_of_another_out() {
    let Some(crossing) = Crossing::new() else { return };
    let mut home = Home::new("crossing", &[]).unwrap();
    home.live_in(&crossing.node, "0.0.0.0:4170");
    home.ask(["set", "port-mapping", "off"]).unwrap();
    let daemon = home.daemon().unwrap();
    let (over, called) = (AtomicBool::new(false), AtomicUsize::new(0));
    let lived = std::thread::scope(|scope| {
        let _over = super::Over(&over);
        scope.spawn(|| {
            crossing.other.within(|| {
                let mut held = std::collections::VecDeque::new();
                let mut next = Instant::now();
                while !over.load(Ordering::SeqCst) {
                    if let Ok(stream) = TcpStream::connect_timeout(&at(FOR_OTHER), PATIENCE) {
                        called.fetch_add(1, Ordering::SeqCst);
                        held.push_back(stream);
                    }
                    if held.len() > 400 {
                        held.pop_front();
                    }
                    // 1,500 a second, or as many as this machine makes.
                    next += Duration::from_micros(667);
                    std::thread::sleep(next.saturating_duration_since(Instant::now()));
                }
            })
        });
        let deadline = Instant::now() + PATIENCE;
        while called.load(Ordering::SeqCst) < 1000 {
            assert!(Instant::now() < deadline, "the flood does not begin");
            std::thread::sleep(Duration::from_millis(20));
        }
        let round_trip = Duration::from_millis(300);
        crossing.one.within(|| (0..25).filter(|_| lives(at(FOR_ONE), round_trip)).count()).unwrap()
    });
    assert_eq!(lived, 25, "of 25, beside {} silent ones", called.load(Ordering::SeqCst));
    daemon.stop(&home).unwrap();
}

#[test]
fn a_gateway_serves_an_author_whatever_strangers_of_another_network_send() {
    let Some(crossing) = Crossing::new() else { return };
    // Its DHT is on the machine in the middle, where nobody else comes.
    let dht = crossing.node.within(|| LocalDht::start(10)).unwrap().unwrap();
    let mut home = Home::new("crossing", &dht.bootstrap()).unwrap();
    home.live_in(&crossing.node, "0.0.0.0:4170");
    for (key, value) in [("port-mapping", "off"), ("gateway", "on")] {
        home.ask(["set", key, value]).unwrap();
    }
    let daemon = home.daemon().unwrap();
    const FIRST: u64 = 1_700_000_000_000;
    let writer = Author::new([21; 32]);
    let list =
        |author: &Author, sequence| author.publish_payload(&author.sign_public(&collections(&[]), sequence), sequence);
    let publishes = |sequence| crossing.one.within(|| v5::publish(at(FOR_ONE), &list(&writer, sequence))).unwrap();
    assert_eq!(publishes(FIRST).unwrap(), "Published");

    // Its list is public: somebody hands it in again and again. And lists of his own, of as many keys as he likes.
    let taken = crossing
        .other
        .within(|| {
            let mut taken = 0;
            for n in 0..10_u32 {
                let Ok(mut wire) = Wire::dial(at(FOR_OTHER)) else { continue };
                wire.be_patient(PATIENCE);
                wire.send(v5::HELLO, b"{}").unwrap();
                for m in 0..12_u8 {
                    let mut seed = [40; 32];
                    seed[..5].copy_from_slice(&[&n.to_be_bytes()[..], &[m]].concat());
                    let stranger = Author::new(seed);
                    for payload in [list(&writer, FIRST), list(&stranger, FIRST)] {
                        if wire.send(v5::PUBLISH, payload.as_bytes()).is_err() {
                            break;
                        }
                        // One after another: so many at once would be refused for that.
                        match wire.receive() {
                            Ok(message) => taken += usize::from(message.kind == v5::OK),
                            Err(_) => break,
                        }
                    }
                }
            }
            taken
        })
        .unwrap();
    assert!(taken > 40, "the replays are answered: {taken}");
    for sequence in FIRST + 1..FIRST + 4 {
        assert_eq!(publishes(sequence).unwrap(), "Published", "the author's next list");
    }
    let other_author = Author::new([22; 32]);
    let published = crossing.one.within(|| v5::publish(at(FOR_ONE), &list(&other_author, FIRST))).unwrap();
    assert_eq!(published.unwrap(), "Published", "an author who never published here");
    daemon.stop(&home).unwrap();
}

/// GET_MANIFEST of this channel's list, whatever its number.
fn get_manifest(id: u32, channel: &[u8; 32]) -> Vec<u8> {
    [&id.to_be_bytes()[..], channel, &[0; 8]].concat()
}

/// Looks by this gateway for a channel's list: whether it came.
fn is_shown(gateway: SocketAddr, author: &Author) -> Result<bool, v5::V5Error> {
    let mut wire = hostile::dial(gateway, author, 0)?;
    wire.be_patient(PATIENCE);
    let channel: protocol::ChannelKey = author.channel().parse().unwrap();
    wire.send(hostile::GET_MANIFEST, &get_manifest(1, channel.as_bytes()))?;
    loop {
        match wire.receive()?.kind {
            hostile::MANIFEST => return Ok(true),
            hostile::NONE => return Ok(false),
            _ => {}
        }
    }
}

/// Asks a gateway for lists and peers of nobody's, many at once, until it is over; what is not answered yet is counted.
fn ask_for_nothing(gateway: SocketAddr, of: u32, over: &AtomicBool, open: &AtomicUsize) {
    const AT_ONCE: usize = 16;
    let nobody = Author::new([60; 32]);
    for round in 0_u32.. {
        if over.load(Ordering::SeqCst) {
            return;
        }
        // A connection that asked too much is ended; whoever is so comes back.
        let Ok(mut wire) = hostile::dial(gateway, &nobody, 0) else { continue };
        wire.be_patient(PATIENCE);
        let mut asked = 0;
        for n in 0..AT_ONCE as u32 {
            let mut key = [61; 32];
            key[..12].copy_from_slice(&[of, round, n].map(u32::to_be_bytes).concat());
            let sent = match n % 2 {
                0 => wire.send(hostile::GET_MANIFEST, &get_manifest(n + 1, &key)),
                _ => wire.send(v5::FIND_PEERS, data_encoding::HEXLOWER.encode(&key).as_bytes()),
            };
            asked += usize::from(sent.is_ok());
        }
        open.fetch_add(asked, Ordering::SeqCst);
        while asked > 0 && !over.load(Ordering::SeqCst) {
            match wire.receive() {
                Ok(message) if matches!(message.kind, hostile::NONE | v5::PEERS) => {
                    asked -= 1;
                    open.fetch_sub(1, Ordering::SeqCst);
                }
                Ok(_) => {}
                Err(_) => break,
            }
        }
        open.fetch_sub(asked, Ordering::SeqCst);
    }
}

#[test]
fn a_gateway_looks_for_everybody_whatever_one_network_asks_of_it() {
    let Some(crossing) = Crossing::new() else { return };
    const SEQUENCE: u64 = 1_700_000_000_000;
    let authors: Vec<Author> = (70..72).map(|n| Author::new([n; 32])).collect();
    let blobs = ["3c".repeat(32), "4d".repeat(32)];
    // All that is looked for is in a DHT on the machine in the middle.
    let known = crossing.node.within(|| {
        let dht = LocalDht::start(10).unwrap();
        let outside = v5::Dht::join(&dht.bootstrap(), Ipv4Addr::LOCALHOST).unwrap();
        for author in &authors {
            outside.put(author, &author.sign_public(&collections(&[]), SEQUENCE), SEQUENCE).unwrap();
        }
        for blob in &blobs {
            outside.announce(blob, 17_003).unwrap();
        }
        (dht, outside)
    });
    let (dht, _outside) = known.unwrap();
    let mut home = Home::new("crossing", &dht.bootstrap()).unwrap();
    home.live_in(&crossing.node, "0.0.0.0:4170");
    for (key, value) in [("port-mapping", "off"), ("gateway", "on")] {
        home.ask(["set", key, value]).unwrap();
    }
    let daemon = home.daemon().unwrap();
    let (over, open) = (AtomicBool::new(false), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        let _over = super::Over(&over);
        for of in 0..4 {
            let (over, open, crossing) = (&over, &open, &crossing);
            scope.spawn(move || crossing.other.within(|| ask_for_nothing(at(FOR_OTHER), of, over, open)));
        }
        for (author, blob) in authors.iter().zip(&blobs) {
            let deadline = Instant::now() + PATIENCE;
            // Three times what is looked for at once.
            while open.load(Ordering::SeqCst) < 48 {
                assert!(Instant::now() < deadline, "so many do not wait: {open:?}");
                std::thread::sleep(Duration::from_millis(5));
            }
            crossing
                .one
                .within(|| {
                    assert!(is_shown(at(FOR_ONE), author).unwrap(), "a list that is in the DHT");
                    let found = v5::find_peers(at(FOR_ONE), blob).unwrap();
                    assert_eq!(found, ["127.0.0.1:17003"], "who has a blob");
                })
                .unwrap();
        }
    });
    daemon.stop(&home).unwrap();
}
