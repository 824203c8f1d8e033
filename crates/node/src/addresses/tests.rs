#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::BTreeMap;
use std::net::SocketAddr;

use protocol::handshake::Binding;
use protocol::session::{Capabilities, Command, Event, Hello};
use protocol::{InfoHash, SignedManifest};
use store::{DataDir, Store};
use swarm::{Closed, Config, ConnId, Follow, Output};

use super::*;

const KEY: ChannelKey = ChannelKey([5; 32]);
const CAPABILITIES: Capabilities = Capabilities { manifest: true, have: true, split: true, gateway: false };

fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}
fn config() -> Config {
    Config {
        capabilities: CAPABILITIES,
        port: 4170,
        dht: true,
        allow_local: false,
        connections_max: 200,
        per_channel: 12,
        announces_per_second: 2.0,
        announce_cycle: secs(900),
        ban: secs(3600),
        own_addr: None,
        unix_ms_at_start: 1_800_000_000_000,
    }
}

/// What the world does, and when.
enum Due {
    Dialled(ConnId, bool),
    Found(InfoHash),
}

/// A swarm in a world in which one address alone is alive, and the DHT knows it.
struct World {
    swarm: Swarm,
    now: Duration,
    due: BTreeMap<(Duration, u64), Due>,
    serial: u64,
    live: SocketAddr,
    under_way: usize,
    most: usize,
    dials: usize,
    met: Option<Duration>,
}

impl World {
    fn push(&mut self, wait: Duration, due: Due) {
        self.serial += 1;
        self.due.insert((self.now + wait, self.serial), due);
    }
    fn carry_out(&mut self) {
        while let Some(output) = self.swarm.poll_output() {
            match output {
                Output::Dial(id, addr) => {
                    let lives = addr == PeerAddr::Ip(self.live);
                    (self.under_way, self.dials) = (self.under_way + 1, self.dials + 1);
                    self.most = self.most.max(self.under_way);
                    self.push(if lives { Duration::from_millis(50) } else { secs(10) }, Due::Dialled(id, lives));
                }
                Output::DhtLookup(infohash) => self.push(secs(2), Due::Found(infohash)),
                Output::Send(id, Command::Hello(ours)) => {
                    let hello = Hello { gossip: ours.gossip, private: Vec::new(), ext: CAPABILITIES };
                    self.met.get_or_insert(self.now);
                    self.swarm.handle_event(self.now, id, Event::Hello(hello));
                }
                Output::Close(id) => self.swarm.handle_closed(self.now, id, Closed::Clean),
                _ => {}
            }
        }
    }
    fn run(&mut self, until: Duration) {
        loop {
            self.carry_out();
            let next = self.due.keys().next().map(|(at, _)| *at).into_iter().chain(self.swarm.poll_timeout()).min();
            let Some(next) = next.filter(|at| *at <= until) else { break };
            self.now = self.now.max(next);
            self.swarm.handle_timeout(self.now);
            while let Some(entry) = self.due.first_entry().filter(|entry| entry.key().0 <= self.now) {
                match entry.remove() {
                    Due::Dialled(id, lives) => {
                        self.under_way -= 1;
                        let binding = Binding { dialler: [1; 32], acceptor: [2; 32] };
                        self.swarm.handle_dialled(self.now, id, lives.then_some(binding));
                    }
                    Due::Found(infohash) => self.swarm.handle_found(self.now, infohash, vec![self.live]),
                }
            }
        }
        self.now = until;
    }
}

/// A channel of which three hundred addresses are remembered, and nobody is there any more.
fn world(manifest: Option<SignedManifest>) -> World {
    let dir = tempfile::tempdir().unwrap();
    let (store, _) = Store::open(DataDir::lock(dir.path()).unwrap(), Some(&[7; 32])).unwrap();
    let dead = (0..300_u32).map(|n| (PeerAddr::Ip(([45, 0, (n >> 8) as u8, n as u8], 6881).into()), KEY));
    store.note_addresses(&dead.collect::<Vec<_>>(), &[], 1).unwrap();
    let mut swarm = Swarm::new(config(), 3);
    let manifest = manifest.map(std::sync::Arc::new);
    swarm.follow(secs(0), Follow { key: KEY, read_key: None, manifest, floor: 0 });
    tell(&mut swarm, secs(0), store.address_book().unwrap());
    let live = "46.1.2.3:6881".parse().unwrap();
    let (due, now) = (BTreeMap::new(), secs(0));
    World { swarm, now, due, serial: 0, live, under_way: 0, most: 0, dials: 0, met: None }
}

#[test]
fn three_hundred_dead_addresses_of_earlier_days_do_not_keep_one_live_waiting() {
    let mut world = world(None);
    world.run(secs(60));
    assert!(world.met.is_some_and(|at| at <= secs(20)), "met after {:?}", world.met);
    assert!(world.most <= 12, "{} dials under way at a time", world.most);
}

#[test]
fn dead_addresses_of_earlier_days_are_tried_less_and_less_and_named_to_be_forgotten() {
    let mut world = world(None);
    world.run(secs(3600));
    let (first, unreached) = (world.dials, world.swarm.take_unreached());
    assert!(unreached.len() >= 50 && !unreached.contains(&PeerAddr::Ip(world.live)), "{}", unreached.len());
    world.run(secs(3 * 3600));
    assert!(world.dials - first < first / 4, "{first} dials in the first hour, {} by the third", world.dials);
}

#[test]
fn nothing_of_the_local_network_is_noted_and_nobody_who_says_nothing() {
    let peer = |addr: &str, v5, received| PeerInfo {
        conn: ConnId(1),
        addr: addr.parse().unwrap(),
        role: Role::Dialler,
        v5,
        received,
        sent: 0,
        channels: vec![KEY],
        gateway: false,
    };
    assert!(answered(&peer("45.0.0.1:1", false, 0), false));
    assert!(answered(&peer("45.0.0.1:1", true, 1), false));
    assert!(!answered(&peer("45.0.0.1:1", true, 0), false));
    for near in ["192.168.1.9:1", "10.0.0.1:1", "[fe80::1]:1", "127.0.0.1:1"] {
        assert!(!answered(&peer(near, false, 0), false), "{near}");
        assert!(answered(&peer(near, false, 0), true), "{near}");
    }
    assert!(!answered(&PeerInfo { role: Role::Acceptor, ..peer("45.0.0.1:1", false, 0) }, false));
}

#[test]
fn a_remembered_address_of_the_local_network_is_nobodys() {
    let mut swarm = Swarm::new(config(), 3);
    swarm.follow(secs(0), Follow { key: KEY, read_key: None, manifest: None, floor: 0 });
    tell(&mut swarm, secs(0), vec![("192.168.1.9:6881".parse().unwrap(), KEY)]);
    swarm.handle_timeout(secs(0));
    let dialled = std::iter::from_fn(|| swarm.poll_output()).any(|output| matches!(output, Output::Dial(..)));
    assert!(!dialled, "whoever has this address in another network would be told the channel's name");
}
