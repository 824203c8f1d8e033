use super::*;
use crate::way::Way;
use crate::{Config, Follow, Rank};
use protocol::addr::OnionKey;
use protocol::session::{Capabilities, Command, Event, Hello};
use protocol::{BlobId, rendezvous};

const KEY: ChannelKey = ChannelKey([7; 32]);
const EXT: Capabilities = Capabilities { manifest: true, have: true, split: true, gateway: false };

fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}
/// A node that follows one channel, with 38 places for callers.
fn node(gateway: bool) -> Swarm {
    let config = Config {
        capabilities: Capabilities { gateway, ..EXT },
        port: 4170,
        dht: true,
        allow_local: false,
        connections_max: 50,
        per_channel: 12,
        announces_per_second: 2.0,
        announce_cycle: secs(900),
        ban: secs(3600),
        own_addr: None,
        unix_ms_at_start: 1_700_000_000_000,
    };
    let mut swarm = Swarm::new(config, 3);
    swarm.set_way(secs(0), Way { dht: true, port: 4170, tor: true, ..Way::default() });
    swarm.follow(secs(0), Follow { key: KEY, read_key: None, manifest: None, floor: 0 });
    swarm
}
/// Somebody, told apart by a number, each in a neighbourhood of its own.
fn clear(n: u16) -> PeerAddr {
    let [a, b] = n.to_be_bytes();
    PeerAddr::Ip(([45, a, b, 1], 1000).into())
}
/// Somebody who came by an onion service.
fn hidden(n: u16) -> PeerAddr {
    let mut key = [9; 32];
    key[..2].copy_from_slice(&n.to_be_bytes());
    PeerAddr::Onion(OnionKey(key), 0)
}
fn call(swarm: &mut Swarm, now: Duration, n: u16, from: PeerAddr, only: Option<ChannelKey>) -> Option<ConnId> {
    let id = ConnId(1000 + u64::from(n));
    let mut dialler = [0; 32];
    dialler[..2].copy_from_slice(&n.to_be_bytes());
    let taken = swarm.handle_accepted(now, id, from, only, Binding { dialler, acceptor: [0; 32] });
    taken.then(|| {
        swarm.handle_event(now, id, Event::Hello(Hello { gossip: vec![(KEY, 0)], ext: EXT, ..Hello::default() }));
        id
    })
}
fn outputs(swarm: &mut Swarm) -> Vec<Output> {
    std::iter::from_fn(|| swarm.poll_output()).collect()
}
fn closed(swarm: &mut Swarm) -> Vec<ConnId> {
    let close = |output| if let Output::Close(id) = output { Some(id) } else { None };
    outputs(swarm).into_iter().filter_map(close).collect()
}

#[test]
fn callers_who_fill_every_place_and_wait_do_not_hold_them() {
    let mut swarm = node(false);
    let places = (1..=100)
        .take_while(|n| call(&mut swarm, secs(1), *n, clear(*n), None).is_some() && closed(&mut swarm).is_empty());
    assert_eq!(places.count(), 38, "all but those for whom we dial ourselves");
    // One of them takes a blob. It is not the first, and not the last.
    let blob = BlobId([1; 32]);
    swarm.hold(secs(2), blob, KEY, Rank::Rest, None);
    swarm.handle_event(secs(2), ConnId(1020), Event::Requested(blob));
    swarm.handle_served(secs(3), ConnId(1020), true);
    closed(&mut swarm);
    // Newcomers are taken at once, at any time, and whoever fills places goes on calling, too.
    let mut gone = Vec::new();
    for n in 200..400 {
        assert!(call(&mut swarm, secs(4), n, clear(n), None).is_some(), "{n}");
        gone.extend(closed(&mut swarm));
    }
    assert_eq!(swarm.peers().len(), 38);
    assert!(!gone.contains(&ConnId(1020)), "who moved something stays");
    assert!((1..=4).all(|n| !gone.contains(&ConnId(1000 + n))), "who was there first stays");
    assert!(gone.iter().any(|id| id.0 >= 1200), "also young ones go, or newcomers would drive out everybody else");
}

#[test]
fn everybody_at_work_gives_no_place_for_five_minutes() {
    let mut swarm = node(false);
    let blob = BlobId([1; 32]);
    swarm.hold(secs(0), blob, KEY, Rank::Rest, None);
    for n in 1..=38 {
        let id = call(&mut swarm, secs(1), n, clear(n), None).unwrap();
        swarm.handle_event(secs(1), id, Event::Requested(blob));
    }
    assert!(call(&mut swarm, secs(30), 200, clear(200), None).is_none());
    assert!(call(&mut swarm, secs(1) + WORKER_STAYS, 201, clear(201), None).is_some());
}

#[test]
fn one_onion_service_does_not_fill_the_places_of_another() {
    let mut swarm = node(false);
    let second = ChannelKey([8; 32]);
    swarm.follow(secs(0), Follow { key: second, read_key: None, manifest: None, floor: 0 });
    for n in 1..=200 {
        assert!(call(&mut swarm, secs(1), n, hidden(n), Some(KEY)).is_some(), "{n}");
    }
    assert_eq!(swarm.peers().len(), 19, "half of them at most");
    closed(&mut swarm);
    for n in 300..309 {
        assert!(call(&mut swarm, secs(1), n, hidden(n), Some(second)).is_some());
        assert!(call(&mut swarm, secs(1), n + 100, clear(n), None).is_some());
    }
    assert!(closed(&mut swarm).is_empty(), "there was room");
}

#[test]
fn a_network_has_eight_and_who_is_banned_none() {
    let mut swarm = node(false);
    let port = |port: u16| PeerAddr::Ip(([45, 1, 2, 3], port).into());
    let taken = (1..=20).filter(|n| call(&mut swarm, secs(1), *n, port(1000 + n), None).is_some()).count();
    assert_eq!(taken, 8);
    assert!(!swarm.admits(secs(1), &port(2000), None), "asked before a handshake");
    assert!(swarm.admits(secs(1), &clear(9), None));
    swarm.book.ban(secs(1), &clear(9), None, secs(3600));
    assert!(!swarm.admits(secs(1), &clear(9), None));
}

#[test]
fn announces_of_our_own_channels_survive_any_flood() {
    for gateway in [false, true] {
        let mut swarm = node(gateway);
        let ours = rendezvous::public(&KEY);
        let honest = call(&mut swarm, secs(1), 1, hidden(1), Some(KEY)).unwrap();
        let onion = PeerAddr::Onion(OnionKey([77; 32]), 6881);
        // The flood came first, and goes on: strangers' topics, by as many connections as it likes.
        let flood = |swarm: &mut Swarm, from: u16| {
            for n in from..from + 60 {
                let Some(id) = call(swarm, secs(1), n, hidden(n), Some(KEY)) else { continue };
                for m in 0..100_u16 {
                    let mut topic = [5; 32];
                    topic[..4].copy_from_slice(&[n.to_be_bytes(), m.to_be_bytes()].concat());
                    let told = PeerAddr::Onion(OnionKey(topic), 6881);
                    swarm.handle_event(secs(1), id, Event::Announce(protocol::Topic(topic), told));
                }
            }
        };
        flood(&mut swarm, 100);
        swarm.handle_event(secs(2), honest, Event::Announce(ours, onion.clone()));
        flood(&mut swarm, 300);
        outputs(&mut swarm);
        // Whoever asks now is told; and the node keeps the address for itself.
        let asker = call(&mut swarm, secs(3), 2, hidden(2), Some(KEY)).unwrap();
        outputs(&mut swarm);
        swarm.handle_event(secs(3), asker, Event::FindPeers(ours));
        let told = outputs(&mut swarm).into_iter().find_map(|output| match output {
            Output::Send(id, Command::Peers(_, addrs)) if id == asker => Some(addrs),
            _ => None,
        });
        assert_eq!(told, Some(vec![onion.clone()]), "gateway: {gateway}");
        assert!(swarm.book.get(&onion).is_some());
    }
}

#[test]
fn a_new_connection_brings_no_new_allowance() {
    let mut swarm = node(true);
    let port = |port: u16| PeerAddr::Ip(([45, 1, 2, 3], port).into());
    let mut looked = 0;
    for n in 1..=8 {
        let id = call(&mut swarm, secs(1), n, port(1000 + n), None).unwrap();
        for m in 0..200_u8 {
            let request = protocol::session::RequestId(u32::from(m) + 1);
            swarm.handle_event(secs(1), id, Event::GetManifest(request, ChannelKey([m; 32]), 0));
        }
        looked += outputs(&mut swarm).iter().filter(|o| matches!(o, Output::GatewayLookup(..))).count();
    }
    assert_eq!(looked, 64, "one network's, by however many connections");
    let other = call(&mut swarm, secs(1), 100, clear(100), None).unwrap();
    swarm.handle_event(secs(1), other, Event::GetManifest(protocol::session::RequestId(1), ChannelKey([1; 32]), 0));
    let asked = outputs(&mut swarm);
    let payer = asked.iter().find_map(|o| if let Output::GatewayLookup(_, payer, ..) = o { Some(payer) } else { None });
    assert_eq!(payer, Some(&Payer::caller(&clear(100), None)), "another one's is untouched");
}

#[test]
fn a_gateway_looks_for_peers_for_who_asks_in_the_clear_and_never_for_who_came_by_an_onion() {
    let topic = protocol::Topic([3; 32]);
    for (gateway, from, only, looks) in
        [(true, clear(1), None, true), (false, clear(1), None, false), (true, hidden(1), Some(KEY), false)]
    {
        let mut swarm = node(gateway);
        let id = call(&mut swarm, secs(1), 1, from, only).unwrap();
        outputs(&mut swarm);
        swarm.handle_event(secs(1), id, Event::FindPeers(topic));
        let out = outputs(&mut swarm);
        assert_eq!(out.iter().any(|o| matches!(o, Output::GatewaySeek(..))), looks, "{out:?}");
        if looks {
            let found = ["45.9.9.9:9", "192.168.1.1:80", "127.0.0.1:9"].map(|at| at.parse().unwrap());
            swarm.handle_sought(secs(2), id, topic, found.to_vec());
        }
        let out: Vec<Output> = out.into_iter().chain(outputs(&mut swarm)).collect();
        let told =
            out.iter().find_map(|o| if let Output::Send(_, Command::Peers(_, addrs)) = o { Some(addrs) } else { None });
        let expected: Vec<PeerAddr> = if looks { vec!["45.9.9.9:9".parse().unwrap()] } else { Vec::new() };
        assert_eq!(told, Some(&expected));
    }
}

#[test]
fn what_is_made_for_nothing_is_paid_by_its_network_and_what_goes_whole_by_nobody() {
    let mut swarm = node(false);
    let blob = BlobId([1; 32]);
    swarm.hold(secs(0), blob, KEY, Rank::Rest, None);
    let port = |port: u16| PeerAddr::Ip(([45, 1, 2, 3], port).into());
    let serves = |swarm: &mut Swarm| outputs(swarm).iter().filter(|o| matches!(o, Output::Serve(..))).count();
    // By several connections of one network: what is taken back costs, however they share it.
    let mut made = 0;
    for n in 1..=8 {
        let id = call(&mut swarm, secs(1), n, port(1000 + n), None).unwrap();
        for _ in 0..40 {
            swarm.handle_event(secs(1), id, Event::Requested(blob));
            let now = serves(&mut swarm);
            made += now;
            if now > 0 {
                swarm.handle_event(secs(1), id, Event::Cancelled(blob));
                swarm.handle_served(secs(1), id, false);
            } else {
                swarm.handle_event(secs(1), id, Event::Cancelled(blob));
            }
        }
    }
    assert_eq!(made, 64);
    // It waits for its turn, and gets it; others do not wait.
    swarm.handle_event(secs(1), ConnId(1001), Event::Requested(blob));
    assert_eq!(serves(&mut swarm), 0);
    let other = call(&mut swarm, secs(1), 100, clear(100), None).unwrap();
    outputs(&mut swarm);
    for _ in 0..500 {
        swarm.handle_event(secs(1), other, Event::Requested(blob));
        assert_eq!(serves(&mut swarm), 1, "what goes whole costs nothing");
        swarm.handle_served(secs(1), other, true);
        outputs(&mut swarm);
    }
    let due = swarm.poll_timeout().unwrap();
    assert!(due <= secs(1) + Duration::from_millis(250), "{due:?}");
    swarm.handle_timeout(secs(1) + Duration::from_millis(250));
    assert_eq!(serves(&mut swarm), 1);
}

#[test]
fn who_says_that_it_listens_where_somebody_else_does_ends_nothing_but_its_own_connection() {
    let mut swarm = node(false);
    let honest: PeerAddr = "45.1.2.3:6881".parse().unwrap();
    swarm.add_addr(secs(1), honest.clone(), Some(KEY), crate::Source::User);
    swarm.handle_timeout(secs(1));
    let dialled =
        outputs(&mut swarm).into_iter().find_map(|o| if let Output::Dial(id, _) = o { Some(id) } else { None });
    let dialled = dialled.unwrap();
    // Its key is the smaller one, so the connection that came would stay if both were honest.
    swarm.handle_dialled(secs(1), dialled, Some(Binding { dialler: [0; 32], acceptor: [1; 32] }));
    swarm.handle_event(secs(1), dialled, Event::Hello(Hello { gossip: vec![(KEY, 0)], ext: EXT, ..Hello::default() }));
    let id = call(&mut swarm, secs(2), 9, PeerAddr::Ip(([45, 1, 2, 3], 50_000).into()), None).unwrap();
    outputs(&mut swarm);
    swarm.handle_event(secs(2), id, Event::Announce(rendezvous::public(&KEY), honest));
    assert!(!closed(&mut swarm).contains(&dialled), "the one that we dialled");
}
