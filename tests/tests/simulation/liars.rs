//! Peers that lie, stall, boast and spam.

use megatorrent_tests::sim::{Author, Nature, NodeId, Place, Setup, World, mins, secs, with_seed};

/// An author, seven honest holders of everything, one of this nature who holds everything too, and a newcomer, the
/// last node. The liar and the newcomer know each other from the start.
fn among_liars(seed: u64, nature: Nature, blobs: usize) -> (World, Author, NodeId, NodeId) {
    let mut world = World::new(Setup::new(seed));
    let mut author = world.author(false);
    let manifest = world.sign(&mut author, blobs);
    for i in 0..9 {
        let nature = if i == 8 { nature } else { Nature::Honest };
        let id = world.add(Place { nature, ..Place::default() });
        world.follow(id, &author, true);
        match i {
            0 => world.publish(id, &manifest),
            _ => world.hold_all(id, &manifest),
        }
    }
    world.run(secs(30));
    let newcomer = world.add(Place::default());
    world.follow(newcomer, &author, true);
    world.know(newcomer, Some(author.key()), 8);
    (world, author, 8, newcomer)
}

#[test]
fn a_corrupt_seeder_is_banned_for_a_while_and_its_blobs_come_from_others() {
    with_seed(11, |seed| {
        let (mut world, author, liar, newcomer) = among_liars(seed, Nature::Corrupt, 24);
        let key = author.key();
        world.run_until(mins(5), |world| world.nodes[newcomer].is_complete(&key)).expect("others have it");
        let seen = &world.nodes[newcomer].seen;
        // One lie is enough, and only the liar is banned: where it was dialled, and where it calls from.
        let (who, when) = (seen.banned.first().expect("a ban").0, seen.banned.last().expect("a ban").1);
        assert!(seen.banned.iter().all(|(who, _)| who.ip() == world.nodes[liar].addr.ip()));
        assert_eq!(seen.blobs - seen.twice, 25);
        let dialled = |world: &World| {
            let peers = world.nodes[newcomer].swarm.as_ref().unwrap().peers();
            let there = |p: &swarm::PeerInfo| p.addr == protocol::PeerAddr::Ip(who);
            peers.iter().any(there)
        };
        // One wrong blob closes its place for ten minutes, and that of nobody else behind the same address.
        while world.now < when + mins(9) {
            assert!(!dialled(&world), "the banned peer is dialled at {:?}", world.now);
            world.run(secs(20));
        }
        // And it is forgiven then, whoever calls.
        let back = |world: &World| {
            let peers = world.nodes[newcomer].swarm.as_ref().unwrap().peers();
            peers.iter().any(|p| matches!(p.addr, protocol::PeerAddr::Ip(at) if at.ip() == who.ip()))
        };
        assert!(world.run_until(mins(120), back).is_some());
    });
}

#[test]
fn a_stalled_peer_is_let_go_and_its_requests_are_asked_again() {
    with_seed(12, |seed| {
        let (mut world, author, liar, newcomer) = among_liars(seed, Nature::Stalls, 40);
        let key = author.key();
        let took = world.run_until(mins(5), |world| world.nodes[newcomer].is_complete(&key)).expect("others have it");
        assert!(took < secs(60), "one staller held everything up for {took:?}");
        assert!(world.nodes[newcomer].seen.most_asked <= 2);
        // The staller is not dialled over and over, though it says HELLO each time.
        let manifest = {
            let mut author = author;
            let manifest = world.sign(&mut author, 1);
            world.publish(0, &manifest);
            manifest
        };
        world.run(mins(10));
        assert_eq!(world.nodes[newcomer].sequence(&key), manifest.sequence());
        assert!(world.nodes[newcomer].is_complete(&key));
        assert!(world.nodes[liar].is_online());
    });
}

#[test]
fn a_peer_that_trickles_does_not_hold_the_rest_up() {
    with_seed(13, |seed| {
        let mut world = World::new(Setup::new(seed));
        let mut author = world.author(false);
        let manifest = world.sign(&mut author, 60);
        for i in 0..3 {
            // 64 KiB in 22 s: not silent, but no blob in a minute.
            let id = world.add(Place { up: if i == 2 { 3e3 } else { 4e5 }, ..Place::default() });
            world.follow(id, &author, true);
            match i {
                0 => world.publish(id, &manifest),
                _ => world.hold_all(id, &manifest),
            }
        }
        world.run(secs(30));
        let newcomer = world.add(Place::default());
        world.follow(newcomer, &author, true);
        let key = author.key();
        let took = world.run_until(mins(10), |world| world.nodes[newcomer].is_complete(&key)).expect("others have it");
        // 61 blobs over two lines of 400 kB/s: 80 s, and what the slow one owed after its minute.
        assert!(took < secs(140), "{took:?}");
    });
}

#[test]
fn hints_that_nobody_can_show_end_connections_after_three() {
    with_seed(14, |seed| {
        let mut world = World::new(Setup::new(seed));
        let authors: Vec<Author> = (0..5).map(|_| world.author(false)).collect();
        let honest = world.add(Place { dht: false, ..Place::default() });
        let boaster = world.add(Place { dht: false, nature: Nature::Boasts, ..Place::default() });
        for node in [honest, boaster] {
            authors.iter().for_each(|author| world.follow(node, author, false));
        }
        for author in &authors {
            world.know(honest, Some(author.key()), boaster);
        }
        world.run(secs(20));
        let peers = world.nodes[honest].swarm.as_ref().unwrap().peers();
        assert!(peers.iter().all(|p| p.role == protocol::session::Role::Acceptor), "a boaster stays connected");
        assert_eq!(world.nodes[honest].seen.gets, 5, "each hint causes one question");
        // It is not met again at once, only to be asked the same.
        world.run(mins(5));
        assert_eq!(world.nodes[honest].seen.gets, 5);
        assert!(authors.iter().all(|author| world.nodes[honest].sequence(&author.key()) == 0));
        // Two hints are not held against a peer.
        let fair = world.add(Place { dht: false, ..Place::default() });
        authors.iter().take(2).for_each(|author| world.follow(fair, author, false));
        authors.iter().take(2).for_each(|author| world.know(fair, Some(author.key()), boaster));
        world.run(secs(20));
        let there = |p: &swarm::PeerInfo| p.addr.to_string() == world.nodes[boaster].addr.to_string();
        assert!(world.nodes[fair].swarm.as_ref().unwrap().peers().iter().any(there));
    });
}

#[test]
fn false_addresses_delay_but_do_not_drown() {
    with_seed(15, |seed| {
        let mut world = World::new(Setup::new(seed));
        let mut author = world.author(false);
        let key = author.key();
        let manifest = world.sign(&mut author, 10);
        // 400 false addresses in the DHT, and a peer that names 200 more whenever it is asked.
        let infohash = protocol::rendezvous::public(&key).infohash();
        for addr in world.nowhere(400) {
            if let protocol::PeerAddr::Ip(addr) = addr {
                let now = world.now;
                world.dht.announce(now, infohash, addr);
            }
        }
        for i in 0..12 {
            let nature = if i == 11 { Nature::Spams } else { Nature::Honest };
            let id = world.add(Place { nature, ..Place::default() });
            world.follow(id, &author, true);
            match i {
                0 => world.publish(id, &manifest),
                _ => world.hold_all(id, &manifest),
            }
        }
        world.run(mins(5));
        let newcomer = world.add(Place::default());
        world.follow(newcomer, &author, true);
        let took = world.run_until(mins(20), |world| world.nodes[newcomer].is_complete(&key));
        let seen = &world.nodes[newcomer].seen;
        assert!(took.is_some_and(|took| took < mins(5)), "{took:?}, {} dials, {} missed", seen.dials, seen.missed);
    });
}

#[test]
fn a_peer_that_claims_every_blob_costs_little() {
    with_seed(16, |seed| {
        let mut world = World::new(Setup::new(seed));
        let mut author = world.author(false);
        let manifest = world.sign(&mut author, 60);
        let (publisher, pretender) =
            (world.add(Place::default()), { world.add(Place { nature: Nature::Pretends, ..Place::default() }) });
        world.follow(publisher, &author, true);
        world.follow(pretender, &author, false);
        world.publish(publisher, &manifest);
        world.run(secs(30));
        let newcomer = world.add(Place::default());
        world.follow(newcomer, &author, true);
        let key = author.key();
        let took = world.run_until(mins(5), |world| world.nodes[newcomer].is_complete(&key)).expect("one has it");
        assert!(took < mins(2), "{took:?}");
        // Each blob is asked of the pretender at most once in a minute.
        let requests = world.nodes[newcomer].seen.requests;
        assert!(requests <= 61 * 3, "{requests} requests");
    });
}

#[test]
fn a_crowd_of_callers_does_not_keep_a_node_from_calling_out() {
    with_seed(17, |seed| {
        let mut world = World::new(Setup::new(seed));
        let mut author = world.author(false);
        let victim = world.add(Place { dht: false, ..Place::default() });
        world.follow(victim, &author, false);
        let key = author.key();
        // Twenty callers follow the channel and say nothing of what they know.
        for _ in 0..20 {
            let caller = world.add(Place { dht: false, nat: true, ..Place::default() });
            world.follow(caller, &author, false);
            world.know(caller, Some(key), victim);
        }
        world.run(secs(30));
        let publisher = world.add(Place { dht: false, ..Place::default() });
        world.follow(publisher, &author, false);
        world.know(victim, Some(key), publisher);
        let manifest = world.sign(&mut author, 1);
        world.publish(publisher, &manifest);
        let heard = world.run_until(mins(2), |world| world.nodes[victim].sequence(&key) == author.sequence);
        assert!(heard.is_some(), "callers took every place of the channel");
    });
}
