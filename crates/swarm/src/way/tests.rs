use super::*;
use crate::{Config, Follow};
use protocol::addr::OnionKey;
use protocol::handshake::Binding;
use protocol::session::{Capabilities, Command, Event, Hello};
use protocol::{BlobId, Topic, rendezvous};

const KEY: ChannelKey = ChannelKey([7; 32]);
const NOW: Duration = Duration::from_secs(1);

fn onion(n: u8) -> PeerAddr {
    PeerAddr::Onion(OnionKey([n; 32]), 6881)
}
fn in_the_dark(own: Option<PeerAddr>) -> Swarm {
    let config = Config {
        capabilities: Capabilities { manifest: true, have: true, split: true, gateway: false },
        port: 4170,
        dht: true,
        allow_local: true,
        connections_max: 50,
        per_channel: 12,
        announces_per_second: 2.0,
        announce_cycle: Duration::from_secs(900),
        ban: Duration::from_secs(3600),
        own_addr: "45.1.2.3:4170".parse().ok(),
        unix_ms_at_start: 1_700_000_000_000,
    };
    let mut swarm = Swarm::new(config, 1);
    swarm.set_way(NOW, Way { detour: true, tor: true, ..Way::default() });
    swarm.set_onions(NOW, own.map(|own| (KEY, own)).into_iter().collect());
    swarm.follow(NOW, Follow { key: KEY, read_key: None, manifest: None, floor: 0 });
    swarm
}
/// Everything that is to be done within a minute.
fn outputs(swarm: &mut Swarm) -> Vec<Output> {
    let mut all = Vec::new();
    while let Some(at) = swarm.poll_timeout().filter(|at| *at < NOW + Duration::from_secs(60)) {
        swarm.handle_timeout(at);
        all.extend(std::iter::from_fn(|| swarm.poll_output()));
    }
    all.extend(std::iter::from_fn(|| swarm.poll_output()));
    all
}
fn dialled(outputs: &[Output]) -> Vec<PeerAddr> {
    let dial = |output: &Output| if let Output::Dial(_, addr) = output { Some(addr.clone()) } else { None };
    outputs.iter().filter_map(dial).collect()
}
/// Meets a peer at this address, which follows the channel, or is a gateway.
fn meet(swarm: &mut Swarm, addr: &PeerAddr, gateway: bool) -> (ConnId, Vec<Output>) {
    swarm.add_addr(NOW, addr.clone(), Some(KEY), Source::User);
    let outputs = outputs(swarm);
    let id = outputs.iter().find_map(|o| if let Output::Dial(id, a) = o { (a == addr).then_some(*id) } else { None });
    let id = id.unwrap();
    let n = u8::try_from(id.0).unwrap();
    swarm.handle_dialled(NOW, id, Some(Binding { dialler: [n; 32], acceptor: [n + 100; 32] }));
    let ext = Capabilities { manifest: true, have: true, split: true, gateway };
    let gossip = if gateway { Vec::new() } else { vec![(KEY, 0)] };
    swarm.handle_event(NOW, id, Event::Hello(Hello { gossip, ext, ..Hello::default() }));
    let all = self::outputs(swarm);
    (id, all)
}
fn topic() -> Topic {
    rendezvous::public(&KEY)
}

#[test]
fn nobody_in_the_dark_names_a_clear_address_to_dial() {
    let mut swarm = in_the_dark(Some(onion(9)));
    let (id, said) = meet(&mut swarm, &onion(1), false);
    assert!(said.iter().any(|o| matches!(o, Output::Send(c, Command::FindPeers(t)) if *c == id && *t == topic())));
    let clear = ["127.0.0.1:1", "192.168.0.1:2", "45.9.9.9:3"].map(|text| text.parse::<PeerAddr>().unwrap());
    let told: Vec<PeerAddr> = clear.iter().cloned().chain([onion(2)]).collect();
    swarm.handle_event(NOW, id, Event::Peers(topic(), told));
    for addr in &clear {
        swarm.handle_event(NOW, id, Event::Announce(topic(), addr.clone()));
    }
    assert_eq!(dialled(&outputs(&mut swarm)), [onion(2)]);
}

#[test]
fn we_tell_our_onion_and_nothing_else_and_look_nothing_up() {
    let mut swarm = in_the_dark(Some(onion(9)));
    let (_, said) = meet(&mut swarm, &onion(1), false);
    let (_, more) = meet(&mut swarm, &"45.1.1.1:4170".parse().unwrap(), true);
    let all: Vec<Output> = said.into_iter().chain(more).collect();
    let mut told = 0;
    for output in &all {
        match output {
            Output::Send(_, Command::Announce(_, addr)) => {
                assert_eq!(*addr, onion(9));
                told += 1;
            }
            Output::DhtLookup(_) | Output::DhtAnnounce(_) | Output::DhtRefresh(_) => panic!("{output:?}"),
            _ => {}
        }
    }
    assert_eq!(told, 2, "a follower and a gateway are told");
}

#[test]
fn one_side_is_not_told_of_the_other() {
    let mut swarm = in_the_dark(None);
    let clear: PeerAddr = "45.1.1.1:4170".parse().unwrap();
    let (dark_conn, _) = meet(&mut swarm, &onion(1), false);
    let (clear_conn, _) = meet(&mut swarm, &clear, false);
    swarm.handle_event(NOW, dark_conn, Event::Announce(topic(), onion(3)));
    let (other, _) = meet(&mut swarm, &onion(2), false);
    for (conn, expected) in [(clear_conn, vec![]), (other, vec![onion(1), onion(3)])] {
        swarm.handle_event(NOW, conn, Event::FindPeers(topic()));
        let answers: Vec<_> = outputs(&mut swarm)
            .into_iter()
            .filter_map(|o| if let Output::Send(_, Command::Peers(_, addrs)) = o { Some(addrs) } else { None })
            .collect();
        assert_eq!(answers, [expected]);
    }
}

#[test]
fn a_connection_is_about_one_channel_and_the_next_route_knows_nothing_of_it() {
    let mut swarm = in_the_dark(None);
    let second = ChannelKey([8; 32]);
    swarm.follow(NOW, Follow { key: second, read_key: None, manifest: None, floor: 0 });
    swarm.add_addr(NOW, onion(1), None, Source::User);
    let mut named = Vec::new();
    for output in outputs(&mut swarm) {
        if let Output::Dial(id, _) = output {
            let n = u8::try_from(id.0).unwrap();
            swarm.handle_dialled(NOW, id, Some(Binding { dialler: [n; 32], acceptor: [n + 100; 32] }));
        }
    }
    for output in outputs(&mut swarm) {
        match output {
            Output::Send(_, Command::Hello(hello)) => named.push(hello.gossip.len()),
            Output::Dial(id, _) => {
                swarm.handle_dialled(NOW, id, Some(Binding { dialler: [50; 32], acceptor: [150; 32] }));
            }
            _ => {}
        }
    }
    let hellos = outputs(&mut swarm).into_iter().filter_map(|o| match o {
        Output::Send(_, Command::Hello(hello)) => Some(hello.gossip.len()),
        _ => None,
    });
    named.extend(hellos);
    assert_eq!(named, [1, 1], "each HELLO names one channel");
    // Straight again: an onion leads nowhere, and nobody is told of what was met in the dark.
    swarm.set_way(NOW, Way { dht: true, port: 4170, ..Way::default() });
    swarm.add_addr(NOW, onion(5), Some(KEY), Source::User);
    assert!(!dialled(&outputs(&mut swarm)).contains(&onion(5)));
}

fn hello(keys: &[ChannelKey]) -> Hello {
    let ext = Capabilities { manifest: true, have: true, split: true, gateway: false };
    Hello { gossip: keys.iter().map(|key| (*key, 0)).collect(), ext, ..Hello::default() }
}
/// Somebody comes by the onion address of this channel and names these.
fn come(swarm: &mut Swarm, only: Option<ChannelKey>, from: PeerAddr, names: &[ChannelKey]) -> (ConnId, Vec<Output>) {
    let id = ConnId(1000 + swarm.next_conn().0);
    let n = u8::try_from(id.0 - 1000).unwrap();
    let binding = Binding { dialler: [n; 32], acceptor: [n + 100; 32] };
    assert!(swarm.handle_accepted(NOW, id, from, only, binding));
    swarm.handle_event(NOW, id, Event::Hello(hello(names)));
    let all = outputs(swarm);
    (id, all)
}
/// What is said to this connection in answer to an event.
fn said(swarm: &mut Swarm, id: ConnId, event: Event) -> Vec<Command> {
    outputs(swarm);
    swarm.handle_event(NOW, id, event);
    let to = |output: Output| match output {
        Output::Send(conn, command) if conn == id => Some(command),
        Output::Serve(conn, blob) if conn == id => Some(Command::Serve(blob, std::sync::Arc::new(Vec::new()))),
        _ => None,
    };
    outputs(swarm).into_iter().filter_map(to).collect()
}

/// Says that dials under way have succeeded, and HELLO to each.
fn answer_dials(swarm: &mut Swarm, now: Duration) -> Vec<ConnId> {
    let mut made = Vec::new();
    let dials: Vec<ConnId> = std::iter::from_fn(|| swarm.poll_output())
        .filter_map(|output| if let Output::Dial(id, _) = output { Some(id) } else { None })
        .collect();
    for id in dials {
        let n = u8::try_from(id.0).unwrap();
        swarm.handle_dialled(now, id, Some(Binding { dialler: [n; 32], acceptor: [n + 100; 32] }));
        swarm.handle_event(now, id, Event::Hello(hello(&[KEY])));
        made.push(id);
    }
    made
}

#[test]
fn what_is_wanted_comes_by_four_circuits_the_first_time_and_the_next() {
    let mut swarm = in_the_dark(None);
    let (first, _) = meet(&mut swarm, &onion(1), false);
    let mut now = NOW;
    for round in 0..3_u8 {
        let blob = BlobId([40 + round; 32]);
        swarm.want(now, blob, KEY, crate::Priority::Normal);
        swarm.handle_timeout(now + Duration::from_millis(1));
        let more = answer_dials(&mut swarm, now);
        assert_eq!(more.len(), CIRCUITS - 1, "round {round}: the others follow the first at once");
        // It is here; nothing more is wanted, and all but one are given up.
        swarm.hold(now, blob, KEY, crate::Rank::Rest, None);
        std::iter::from_fn(|| swarm.poll_output()).for_each(drop);
        swarm.part_with_circuits();
        let closed: Vec<ConnId> = std::iter::from_fn(|| swarm.poll_output())
            .filter_map(|output| if let Output::Close(id) = output { Some(id) } else { None })
            .collect();
        assert_eq!(closed.len(), CIRCUITS - 1, "round {round}");
        assert!(!closed.contains(&first), "the one that is there longest stays");
        now += Duration::from_secs(1);
        closed.into_iter().for_each(|id| swarm.handle_closed(now, id, crate::Closed::Clean));
    }
}

const SECOND: ChannelKey = ChannelKey([8; 32]);

#[test]
fn who_comes_by_one_channels_address_learns_nothing_of_another() {
    let mut swarm = in_the_dark(None);
    swarm.follow(NOW, Follow { key: SECOND, read_key: None, manifest: None, floor: 0 });
    swarm.set_onions(NOW, [(KEY, onion(10)), (SECOND, onion(11))].into());
    let (ours, secret) = (BlobId([1; 32]), BlobId([2; 32]));
    swarm.hold(NOW, ours, KEY, crate::Rank::Rest, None);
    swarm.hold(NOW, secret, SECOND, crate::Rank::Rest, None);

    // Both channels are named; one is known here.
    let (id, told) = come(&mut swarm, Some(KEY), onion(20), &[KEY, SECOND]);
    let hellos: Vec<_> = told
        .iter()
        .filter_map(|o| {
            if let Output::Send(c, Command::Hello(h)) = o { (*c == id).then_some(h.gossip.clone()) } else { None }
        })
        .collect();
    assert_eq!(hellos, [[(KEY, 0)]]);
    let addrs: Vec<_> = told
        .iter()
        .filter_map(|o| if let Output::Send(_, Command::Announce(_, a)) = o { Some(a.clone()) } else { None })
        .collect();
    assert_eq!(addrs, [onion(10)], "the address of this channel and no other");
    // A blob, holdings, a list of the other one: as if there were none.
    assert!(matches!(said(&mut swarm, id, Event::Requested(secret))[..], [Command::NotFound(b)] if b == secret));
    assert!(matches!(said(&mut swarm, id, Event::Requested(ours))[..], [Command::Serve(b, _)] if b == ours));
    let query = protocol::session::RequestId(5);
    let have = said(&mut swarm, id, Event::HaveQuery(query, vec![ours, secret]));
    assert!(matches!(&have[..], [Command::Have(_, bits)] if *bits == [true, false]), "{have:?}");
    let shown = said(&mut swarm, id, Event::GetManifest(query, SECOND, 0));
    assert!(matches!(shown[..], [Command::Manifest(_, None)]), "{shown:?}");
    // What a peer of the other one told is not passed on here, nor what was told here passed on there.
    let (other, _) = come(&mut swarm, Some(SECOND), onion(21), &[SECOND]);
    swarm.handle_event(NOW, other, Event::Announce(rendezvous::public(&SECOND), onion(30)));
    swarm.handle_event(NOW, id, Event::Announce(rendezvous::public(&SECOND), onion(31)));
    // On the first connection it is a stranger's topic, of which only a gateway keeps anything.
    for (conn, expected) in [(id, vec![]), (other, vec![onion(30)])] {
        let answer = said(&mut swarm, conn, Event::FindPeers(rendezvous::public(&SECOND)));
        assert!(matches!(&answer[..], [Command::Peers(_, addrs)] if *addrs == expected), "{answer:?}");
    }
}

#[test]
fn on_both_sides_at_once_neither_is_told_the_others_addresses() {
    let mut swarm = in_the_dark(None);
    let own: PeerAddr = "45.1.2.3:4170".parse().unwrap();
    let way = Way { dht: true, port: 4170, own_addr: Some(own.clone()), tor: true, ..Way::default() };
    swarm.set_way(NOW, way);
    swarm.set_onions(NOW, [(KEY, onion(9))].into());
    let clear: PeerAddr = "45.1.1.1:4170".parse().unwrap();
    let (dark_conn, mut all) = meet(&mut swarm, &onion(1), false);
    let (clear_conn, more) = meet(&mut swarm, &clear, false);
    all.extend(more);
    let (dark_caller, more) = come(&mut swarm, Some(KEY), onion(20), &[KEY]);
    all.extend(more);
    let (clear_caller, more) = come(&mut swarm, None, "45.7.7.7:5555".parse().unwrap(), &[KEY]);
    all.extend(more);
    // Each tells where others are: the dark ones name clear addresses, too, and nobody goes there for them.
    swarm.handle_event(NOW, dark_conn, Event::Announce(topic(), onion(3)));
    swarm.handle_event(NOW, dark_conn, Event::Announce(topic(), "45.8.8.8:1".parse().unwrap()));
    swarm.handle_event(NOW, clear_caller, Event::Announce(topic(), "45.7.7.7:6".parse().unwrap()));
    swarm.handle_event(NOW, clear_caller, Event::Announce(topic(), onion(4)));
    let after = outputs(&mut swarm);
    assert!(!dialled(&after).contains(&"45.8.8.8:1".parse().unwrap()), "{after:?}");
    all.extend(after);
    for conn in [dark_conn, clear_conn, dark_caller, clear_caller] {
        swarm.handle_event(NOW, conn, Event::FindPeers(topic()));
        all.extend(outputs(&mut swarm));
    }
    // Every address that was told to anybody.
    let (mut to_dark, mut to_clear) = (BTreeSet::new(), BTreeSet::new());
    for output in all {
        let (conn, addrs) = match output {
            Output::Send(conn, Command::Announce(_, addr)) => (conn, vec![addr]),
            Output::Send(conn, Command::Peers(_, addrs)) => (conn, addrs),
            _ => continue,
        };
        let told = if [dark_conn, dark_caller].contains(&conn) { &mut to_dark } else { &mut to_clear };
        told.extend(addrs);
    }
    assert_eq!(to_dark, [onion(1), onion(3), onion(9)].into(), "our onion, and onions met in the dark");
    // An onion that a clear peer told of itself is the clear side's to know.
    assert_eq!(to_clear, [own, clear, onion(4)].into(), "our clear address, and what was met in the clear");
    // Blobs know no sides.
    let blob = BlobId([1; 32]);
    swarm.hold(NOW, blob, KEY, crate::Rank::Rest, None);
    for conn in [dark_conn, clear_conn, dark_caller, clear_caller] {
        assert!(matches!(said(&mut swarm, conn, Event::Requested(blob))[..], [Command::Serve(b, _)] if b == blob));
    }
}

#[test]
fn nobody_sends_us_into_our_own_networks_nor_home() {
    let own: PeerAddr = "45.1.2.3:4170".parse().unwrap();
    let mut swarm = in_the_dark(None);
    // Straight, in the world, with an address of our own.
    swarm
        .set_way(NOW, Way { own_addr: Some(own.clone()), dht: true, port: 4170, allow_local: false, ..Way::default() });
    let (id, _) = meet(&mut swarm, &"45.9.9.9:1".parse().unwrap(), false);
    let bad = [
        "10.0.0.1:22",
        "192.168.1.1:80",
        "172.16.0.1:1",
        "169.254.1.1:1",
        "100.64.0.1:1",
        "127.0.0.1:631",
        "0.0.0.0:80",
        "224.0.0.1:1",
        "239.255.255.250:1900",
        "255.255.255.255:1",
        "[::1]:22",
        "[fe80::1]:1",
        "[fd00::1]:1",
        "[ff02::1]:1",
        "[::ffff:192.168.1.1]:80",
        "[64:ff9b::a00:1]:1",
        "[2002:c0a8:101::1]:1",
        "45.1.2.3:4170",
    ]
    // As they come from the DHT: as text some of them are no addresses at all.
    .map(|text| PeerAddr::Ip(text.parse().unwrap()));
    let good: PeerAddr = "45.7.7.7:7".parse().unwrap();
    let told: Vec<PeerAddr> = bad.iter().cloned().chain([good.clone()]).collect();
    swarm.handle_event(NOW, id, Event::Peers(topic(), told));
    for addr in &bad {
        swarm.handle_event(NOW, id, Event::Announce(topic(), addr.clone()));
    }
    let ips = bad.iter().filter_map(|addr| if let PeerAddr::Ip(addr) = addr { Some(*addr) } else { None });
    swarm.handle_found(NOW, topic().infohash(), ips.collect());
    let all = outputs(&mut swarm);
    assert_eq!(dialled(&all), [good]);
    assert!(!all.iter().any(|o| matches!(o, Output::Close(_))), "who was told nonsense may tell it on in good faith");
}
