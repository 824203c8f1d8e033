use super::*;
use crate::{Config, Follow, Priority};
use protocol::BlobId;
use protocol::rendezvous;
use protocol::session::{Capabilities, Event, Hello};

const KEY: ChannelKey = ChannelKey([7; 32]);
const ALL: Capabilities = Capabilities { manifest: true, have: true, split: true, gateway: false };

fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}
fn addr(text: &str) -> PeerAddr {
    text.parse().unwrap()
}
fn swarm() -> Swarm {
    let config = Config {
        capabilities: ALL,
        port: 4170,
        dht: false,
        allow_local: false,
        connections_max: 50,
        per_channel: 12,
        announces_per_second: 2.0,
        announce_cycle: secs(900),
        ban: secs(3600),
        own_addr: None,
        unix_ms_at_start: 1_700_000_000_000,
    };
    let mut swarm = Swarm::new(config, 1);
    swarm.follow(secs(0), Follow { key: KEY, read_key: None, manifest: None, floor: 0 });
    swarm
}
/// Whom it dials until then.
fn dialled(swarm: &mut Swarm, until: Duration) -> Vec<PeerAddr> {
    let mut all = Vec::new();
    loop {
        while let Some(output) = swarm.poll_output() {
            if let Output::Dial(_, addr) = output {
                all.push(addr);
            }
        }
        let Some(at) = swarm.poll_timeout().filter(|at| *at <= until) else { return all };
        swarm.handle_timeout(at);
    }
}
/// A laptop behind the router at 45.1.1.1 calls, and says where it listens, or not.
fn called(swarm: &mut Swarm, listens: Option<&str>) {
    let id = swarm.next_conn();
    let binding = Binding { dialler: [1; 32], acceptor: [2; 32] };
    assert!(swarm.handle_accepted(secs(1), id, addr("45.1.1.1:40000"), None, binding));
    swarm.handle_event(secs(1), id, Event::Hello(Hello { gossip: vec![(KEY, 0)], private: Vec::new(), ext: ALL }));
    if let Some(listens) = listens {
        swarm.handle_event(secs(1), id, Event::Announce(rendezvous::public(&KEY), addr(listens)));
    }
    dialled(swarm, secs(1));
}

#[test]
fn who_calls_from_an_ip_does_not_hide_who_else_lives_there() {
    // It said where it listens: that is not dialled, the other one at once.
    let mut one = swarm();
    called(&mut one, Some("45.1.1.1:5000"));
    for other in ["45.1.1.1:5000", "45.1.1.1:6881"] {
        one.add_addr(secs(2), addr(other), Some(KEY), Source::Dht);
    }
    assert_eq!(dialled(&mut one, secs(3)), [addr("45.1.1.1:6881")]);
    // It did not: whoever listens there is most likely itself, for a minute.
    let mut one = swarm();
    called(&mut one, None);
    one.add_addr(secs(2), addr("45.1.1.1:6881"), Some(KEY), Source::Dht);
    assert!(dialled(&mut one, secs(59)).is_empty());
    assert_eq!(dialled(&mut one, secs(62)), [addr("45.1.1.1:6881")]);
    // What the user named is met, and anybody when something is wanted that nobody here has.
    let mut one = swarm();
    called(&mut one, None);
    one.add_addr(secs(2), addr("45.1.1.1:7000"), Some(KEY), Source::User);
    one.add_addr(secs(2), addr("45.1.1.1:6881"), Some(KEY), Source::Dht);
    assert_eq!(dialled(&mut one, secs(3)), [addr("45.1.1.1:7000")]);
    one.want(secs(4), BlobId([3; 32]), KEY, Priority::Normal);
    assert_eq!(dialled(&mut one, secs(5)), [addr("45.1.1.1:6881")]);
}

#[test]
fn no_source_keeps_anothers_addresses_waiting() {
    let mut one = swarm();
    for n in 0..200 {
        one.add_addr(secs(0), addr(&format!("45.2.0.{n}:1")), Some(KEY), Source::Pex);
        one.add_addr(secs(0), addr(&format!("45.3.0.{n}:1")), Some(KEY), Source::Remembered);
    }
    one.add_addr(secs(0), addr("45.4.0.1:1"), Some(KEY), Source::Dht);
    let first = dialled(&mut one, secs(1));
    assert_eq!(first.len(), 12, "as many at a time as a channel has connections");
    assert!(first.contains(&addr("45.4.0.1:1")));
}
