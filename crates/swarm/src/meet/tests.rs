use super::*;
use crate::{Cause, Config, List, Priority, Verdict};
use protocol::handshake::Binding;
use protocol::session::{Capabilities, Event};
use protocol::{ReadKey, SignedManifest, rendezvous};
use std::sync::Arc;

const KEY: ChannelKey = ChannelKey([7; 32]);
const BLOB: BlobId = BlobId([3; 32]);
const ALL: Capabilities = Capabilities { manifest: true, have: true, split: true, gateway: false };

fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}
fn addr(n: u8) -> SocketAddr {
    format!("45.0.0.{n}:6881").parse().unwrap()
}
fn config() -> Config {
    Config {
        capabilities: ALL,
        port: 4170,
        dht: true,
        allow_local: false,
        connections_max: 50,
        per_channel: 12,
        announces_per_second: 2.0,
        announce_cycle: secs(900),
        ban: secs(3600),
        own_addr: "46.0.0.1:4170".parse().ok(),
        unix_ms_at_start: 1_700_000_000_000,
    }
}
fn follow(read_key: Option<ReadKey>) -> Follow {
    Follow { key: KEY, read_key, manifest: None, floor: 0 }
}
fn swarm(read_key: Option<ReadKey>) -> Swarm {
    let mut swarm = Swarm::new(config(), 1);
    swarm.follow(secs(0), follow(read_key));
    swarm
}
/// Everything that it does until then, and when.
fn run(swarm: &mut Swarm, until: Duration) -> Vec<(Duration, Output)> {
    let (mut all, mut now) = (Vec::new(), Duration::ZERO);
    loop {
        all.extend(std::iter::from_fn(|| swarm.poll_output()).map(|output| (now, output)));
        let Some(at) = swarm.poll_timeout().filter(|at| *at <= until) else { return all };
        now = at;
        swarm.handle_timeout(at);
    }
}
fn lookups(done: &[(Duration, Output)], infohash: InfoHash) -> Vec<Duration> {
    done.iter().filter(|(_, o)| matches!(o, Output::DhtLookup(hash) if *hash == infohash)).map(|(at, _)| *at).collect()
}
fn blob() -> InfoHash {
    Topic::from(BLOB).infohash()
}
/// A v5 server that was found there is dialled: it never says HELLO.
fn meet_v5(swarm: &mut Swarm, now: Duration, n: u8) -> ConnId {
    swarm.handle_found(now, blob(), vec![addr(n)]);
    let done = run(swarm, now);
    let dial = done.iter().find_map(|(_, o)| match o {
        Output::Dial(id, there) if *there == PeerAddr::Ip(addr(n)) => Some(*id),
        _ => None,
    });
    let id = dial.expect("whoever the DHT names is dialled");
    swarm.handle_dialled(now, id, Some(Binding { dialler: [n; 32], acceptor: [n + 100; 32] }));
    id
}
fn requested(done: &[(Duration, Output)], conn: ConnId) -> Vec<Duration> {
    let asks = |o: &Output| matches!(o, Output::Send(to, Command::Request(BLOB)) if *to == conn);
    done.iter().filter(|(_, o)| asks(o)).map(|(at, _)| *at).collect()
}

#[test]
fn blobs_of_a_private_channel_are_looked_up_for_a_v5_author_only_and_only_if_the_user_agreed() {
    let read_key = ReadKey([9; 32]);
    let mut one = swarm(Some(read_key.clone()));
    one.want(secs(1), BLOB, KEY, Priority::Normal);
    let done = run(&mut one, secs(3600));
    assert_eq!(lookups(&done, blob()), [], "nobody said that it may");
    let mut one = swarm(Some(read_key.clone()));
    one.set_list(secs(0), &KEY, List { v5: true, inline: vec![BLOB] });
    one.want(secs(1), BLOB, KEY, Priority::Normal);
    assert_eq!(lookups(&run(&mut one, secs(1)), blob()), [secs(1)], "at once");
    let server = meet_v5(&mut one, secs(2), 1);
    let done = run(&mut one, secs(5));
    assert_eq!(requested(&done, server).len(), 1);
    // The meeting points of the others are none of its business, and we announce nothing of it.
    let days = rendezvous::days(1_700_000_000_000).into_iter().map(|day| rendezvous::private(&KEY, &read_key, day));
    let secret: Vec<Topic> = days.collect();
    for (_, output) in &done {
        match output {
            Output::Send(_, Command::FindPeers(topic)) => assert!(!secret.contains(topic)),
            Output::Send(_, Command::Announce(..)) => panic!("{output:?}"),
            Output::DhtAnnounce(hash) => assert_ne!(*hash, blob()),
            _ => {}
        }
    }
    // The author takes up our program: its list is none of a v5 writer any more.
    one.set_list(secs(6), &KEY, List::default());
    one.handle_closed(secs(6), server, Closed::Clean);
    assert_eq!(lookups(&run(&mut one, secs(7200)), blob()), []);
}

#[test]
fn a_v5_authors_blobs_are_looked_up_with_the_meeting_point_and_ours_a_little_later() {
    for (v5, at) in [(true, Duration::from_millis(10)), (false, Duration::from_millis(2010))] {
        let mut one = swarm(None);
        one.set_list(secs(0), &KEY, List { v5, inline: vec![BLOB] });
        one.want(Duration::from_millis(10), BLOB, KEY, Priority::Normal);
        let done = run(&mut one, secs(4));
        assert_eq!(lookups(&done, rendezvous::public(&KEY).infohash())[0], secs(0));
        assert_eq!(lookups(&done, blob()), [at], "v5: {v5}");
    }
}

#[test]
fn a_mute_v5_peer_costs_ten_seconds() {
    let mut one = swarm(None);
    one.want(secs(0), BLOB, KEY, Priority::Normal);
    let mute = meet_v5_rendezvous(&mut one);
    let done = run(&mut one, secs(11));
    assert_eq!(requested(&done, mute), [Duration::from_millis(1500)]);
    assert_eq!((one.cause(secs(11), &KEY), lookups(&done, blob()).len()), (Cause::Moving, 0));
    let done = run(&mut one, secs(12));
    assert_eq!(lookups(&done, blob()), [Duration::from_millis(11_500)], "the DHT is asked at once");
    assert_eq!(
        one.cause(secs(12), &KEY),
        Cause::NobodyHasIt { connected: 1 },
        "it is no source, though it takes requests"
    );
    let good = meet_v5(&mut one, secs(13), 2);
    let done = run(&mut one, secs(14));
    assert_eq!((requested(&done, good).len(), requested(&done, mute).len()), (1, 0));
    // It speaks after all: it is a source again.
    one.want(secs(15), BlobId([4; 32]), KEY, Priority::Normal);
    one.handle_coming(secs(15), mute, 1000);
    let asks = |o: &Output| matches!(o, Output::Send(to, Command::Request(_)) if *to == mute);
    assert!(run(&mut one, secs(16)).iter().any(|(_, o)| asks(o)));
}

#[test]
fn a_slow_v5_peer_whose_bytes_come_is_not_mute() {
    let mut one = swarm(None);
    one.want(secs(0), BLOB, KEY, Priority::Normal);
    run(&mut one, secs(3));
    let slow = meet_v5(&mut one, secs(3), 1);
    run(&mut one, secs(4));
    for second in 4..120 {
        assert_eq!(one.handle_coming(secs(second), slow, 8000), Some(BLOB));
        let done = run(&mut one, secs(second));
        assert_eq!((one.cause(secs(second), &KEY), lookups(&done, blob()).len()), (Cause::Moving, 0));
        let peers = one.peers();
        assert_eq!(peers[0].received, 8000 * (second - 3), "bytes under way count");
    }
}

#[test]
fn what_may_be_over_in_a_moment_is_no_cause_yet() {
    let mut one = swarm(None);
    one.want(secs(10), BLOB, KEY, Priority::Normal);
    assert_eq!(one.cause(secs(10), &KEY), Cause::Looking);
    assert_eq!(one.cause(secs(14), &KEY), Cause::Looking);
    assert_eq!(one.cause(secs(15), &KEY), Cause::NoPeersKnown { asked: 0 });
    // A peer that has not got it was asked: again it is too early to say.
    run(&mut one, secs(16));
    let conn = meet_v5(&mut one, secs(17), 1);
    run(&mut one, secs(18));
    one.handle_event(secs(18), conn, Event::NotFound(BLOB));
    assert_eq!(one.cause(secs(19), &KEY), Cause::Looking);
    assert_eq!(one.cause(secs(23), &KEY), Cause::NobodyHasIt { connected: 1 });
}

#[test]
fn when_all_who_are_known_sent_wrong_parts_that_is_the_cause() {
    let mut one = swarm(None);
    one.want(secs(0), BLOB, KEY, Priority::Normal);
    run(&mut one, secs(3));
    let liar = meet_v5(&mut one, secs(3), 1);
    run(&mut one, secs(4));
    one.handle_event(secs(4), liar, Event::Blob(BLOB, Vec::new()));
    one.handle_verdict(secs(4), liar, BLOB, Verdict::BadHash);
    one.handle_closed(secs(4), liar, crate::Closed::Clean);
    assert_eq!(one.cause(secs(6), &KEY), Cause::Looking);
    // The first wrong thing costs a sixth of an hour.
    let until = secs(4 + 600);
    assert_eq!(one.cause(secs(10), &KEY), Cause::OnlyBanned { known: 1, until });
    let banned = [crate::Ban { who: addr(1).to_string(), until }];
    assert_eq!(one.banned(secs(10), 100), banned);
    assert_eq!(one.banned(until, 100), []);
    // Somebody else is known as well: then it is not for want of honest ones.
    one.add_addr(secs(11), PeerAddr::Ip(addr(2)), Some(KEY), crate::Source::Dht);
    assert_eq!(one.cause(secs(30), &KEY), Cause::NoneOnline { known: 2 });
    assert_eq!(one.cause(until, &KEY), Cause::NoneOnline { known: 2 });
}

#[test]
fn what_of_a_known_list_is_not_asked_for_is_nobodys_lack() {
    let identity = protocol::Identity::from_seed(&[5; 32]);
    let list = protocol::Body { timestamp: 5, ..protocol::Body::default() };
    let manifest = SignedManifest::sign_inline(&identity, 5, &list).map(Arc::new);
    let mut one = Swarm::new(config(), 1);
    let key = identity.channel();
    one.follow(secs(0), Follow { key, read_key: None, manifest, floor: 0 });
    assert_eq!(one.cause(secs(100), &key), Cause::Looking, "an item is being looked into");
    one.want(secs(100), BLOB, key, Priority::Normal);
    assert_eq!(one.cause(secs(104), &key), Cause::Looking);
    assert_eq!(one.cause(secs(105), &key), Cause::NoPeersKnown { asked: 0 });
}

/// When the DHT is asked for the newest list.
fn refreshes(done: &[(Duration, Output)]) -> Vec<Duration> {
    done.iter().filter(|(_, o)| matches!(o, Output::DhtRefresh(KEY))).map(|(at, _)| *at).collect()
}
fn gaps(at: &[Duration]) -> Vec<u64> {
    at.windows(2).map(|two| (two[1] - two[0]).as_secs()).collect()
}

#[test]
fn a_channel_that_nobody_pushes_is_looked_for_more_often_on_a_budget() {
    let mut one = swarm(None);
    let alone = gaps(&refreshes(&run(&mut one, secs(6 * 3600))));
    assert!(alone.iter().all(|gap| (300..=900).contains(gap)), "{alone:?}");
    // A hundred such channels share what a node may ask.
    let mut one = swarm(None);
    for n in 0..100 {
        one.follow(secs(0), Follow { key: ChannelKey([n + 100; 32]), ..follow(None) });
    }
    // The first one was planned when it was the only one.
    let many = gaps(&refreshes(&run(&mut one, secs(12 * 3600)))[1..]);
    assert!(many.iter().all(|gap| (1800..=5400).contains(gap)), "{many:?}");
    // One that is pushed needs no more than an hour, and one that loses its peers is looked for sooner.
    let mut one = swarm(None);
    let id = one.next_conn();
    assert!(one.handle_accepted(
        secs(1),
        id,
        PeerAddr::Ip(addr(1)),
        None,
        Binding { dialler: [1; 32], acceptor: [2; 32] }
    ));
    let hello = || Event::Hello(Hello { gossip: vec![(KEY, 0)], private: Vec::new(), ext: ALL });
    one.handle_event(secs(1), id, hello());
    let pushed = refreshes(&run(&mut one, secs(6 * 3600)));
    let later: Vec<Duration> = pushed.into_iter().filter(|at| *at > secs(1000)).collect();
    assert!(gaps(&later).iter().all(|gap| (1800..=5400).contains(gap)), "{later:?}");
    one.handle_closed(secs(6 * 3600), id, Closed::Clean);
    let after = refreshes(&run(&mut one, secs(8 * 3600)));
    assert!(after[0] <= secs(6 * 3600 + 900), "{after:?}");
    // A v5 author's is shared among those who would push: two that meet look half as often each.
    one.set_list(secs(8 * 3600), &KEY, List { v5: true, inline: Vec::new() });
    let id = one.next_conn();
    let binding = Binding { dialler: [3; 32], acceptor: [4; 32] };
    assert!(one.handle_accepted(secs(8 * 3600), id, PeerAddr::Ip(addr(2)), None, binding));
    one.handle_event(secs(8 * 3600), id, hello());
    let shared = refreshes(&run(&mut one, secs(16 * 3600)));
    let shared = gaps(&shared[2..]);
    assert!(shared.iter().all(|gap| (600..=1800).contains(gap)), "{shared:?}");
}

#[test]
fn a_v5_reader_finds_us_by_the_blobs_of_a_small_list() {
    let mut one = swarm(None);
    one.set_list(secs(0), &KEY, List { v5: false, inline: vec![BLOB, BlobId([4; 32])] });
    one.hold(secs(0), BLOB, KEY, crate::Rank::First, None);
    let server = meet_v5_rendezvous(&mut one);
    let done = run(&mut one, secs(30));
    let told: Vec<Topic> = done
        .iter()
        .filter_map(|(_, o)| match o {
            Output::Send(to, Command::Announce(topic, _)) if *to == server => Some(*topic),
            _ => None,
        })
        .collect();
    assert_eq!(told, [rendezvous::public(&KEY), Topic::from(BLOB)], "and of what is not here, nothing");
}
fn meet_v5_rendezvous(swarm: &mut Swarm) -> ConnId {
    run(swarm, secs(1));
    swarm.handle_found(secs(1), rendezvous::public(&KEY).infohash(), vec![addr(1)]);
    let done = run(swarm, secs(1));
    let id = done.iter().find_map(|(_, o)| if let Output::Dial(id, _) = o { Some(*id) } else { None }).unwrap();
    swarm.handle_dialled(secs(1), id, Some(Binding { dialler: [1; 32], acceptor: [2; 32] }));
    id
}
