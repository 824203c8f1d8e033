//! Callers in networks of their own, which takes network namespaces: what one network does is another's trouble in nothing.

use megatorrent_tests::hostile;
use megatorrent_tests::netns::Space;
use megatorrent_tests::process::{Home, PATIENCE};
use megatorrent_tests::v5::author::{Author, collections};
use megatorrent_tests::v5::{self, Wire};
use net::dht::LocalDht;
use std::net::{SocketAddr, TcpStream};
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
