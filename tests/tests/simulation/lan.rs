//! Neighbours on a local network (E10): they find each other, and tell nobody else what they follow.

use megatorrent_tests::sim::{NodeId, Place, Setup, World, mins, secs, with_seed};
use protocol::AddrClass;
use protocol::message::Message;

fn neighbour(world: &mut World, dht: bool) -> NodeId {
    world.add(Place { lan: true, tapped: true, dht, ..Place::default() })
}

#[test]
fn neighbours_with_a_channel_in_common_meet_and_others_learn_nothing() {
    with_seed(71, |seed| {
        let mut world = World::new(Setup::new(seed));
        let [mut ours, other, theirs] = [false, false, true].map(|private| world.author(private));
        let [one, two, stranger] = [(); 3].map(|()| neighbour(&mut world, false));
        for id in [one, two] {
            world.follow(id, &ours, true);
        }
        world.follow(two, &other, true);
        world.follow(two, &theirs, true);
        let unknown = world.author(false);
        world.follow(stranger, &unknown, true);
        for (a, b) in [(one, two), (one, stranger), (two, stranger)] {
            world.meet_on_the_lan(a, b);
        }
        world.run(secs(30));
        let manifest = world.sign(&mut ours, 3);
        world.publish(one, &manifest);
        let key = ours.key();
        let done = world.run_until(mins(2), |world| world.nodes[two].is_complete(&key));
        assert!(done.is_some(), "neighbours need no internet");
        world.run(mins(20));
        let keys = [&ours, &other, &theirs].map(|author| author.key());
        let meeting = [ours.key(), other.key()].map(|key| protocol::rendezvous::public(&key));
        assert!(!world.nodes[stranger].heard.is_empty(), "it was spoken to");
        for (id, node) in world.nodes.iter().enumerate() {
            for frame in &node.heard {
                let message = Message::decode(frame).unwrap();
                if let Message::Hello { hello, .. } = &message {
                    assert!(hello.gossip.is_empty(), "a neighbour is told a channel's name");
                }
                let names = |bytes: &[u8]| frame.windows(bytes.len()).any(|window| window == bytes);
                if id == stranger {
                    assert!(matches!(message, Message::Hello { .. } | Message::Peers(_)), "{message:?}");
                    assert!(keys.iter().all(|key| !names(&key.0) && !names(key.to_string().as_bytes())));
                    assert!(meeting.iter().all(|topic| !names(topic.to_string().as_bytes())));
                }
            }
        }
        assert_eq!(world.nodes[stranger].sequence(&key), 0);
    });
}

#[test]
fn addresses_of_the_house_do_not_leave_it() {
    with_seed(72, |seed| {
        let mut world = World::new(Setup::new(seed));
        let mut author = world.author(false);
        let home = [neighbour(&mut world, true), neighbour(&mut world, true)];
        let outside: Vec<NodeId> = (0..4).map(|_| world.add(Place { tapped: true, ..Place::default() })).collect();
        for id in home.iter().chain(&outside) {
            world.follow(*id, &author, true);
        }
        world.meet_on_the_lan(home[0], home[1]);
        world.run(mins(5));
        let manifest = world.sign(&mut author, 2);
        world.publish(outside[0], &manifest);
        let key = author.key();
        let all = world.run_until(mins(5), |world| world.nodes.iter().all(|node| node.is_complete(&key)));
        assert!(all.is_some(), "the house and the world are one swarm");
        world.run(mins(40));
        let mut told = 0;
        for frame in outside.iter().flat_map(|id| &world.nodes[*id].heard) {
            let addrs = match Message::decode(frame).unwrap() {
                Message::Peers(addrs) => addrs,
                Message::Announce(_, addr) => vec![addr],
                _ => continue,
            };
            told += addrs.len();
            assert!(addrs.iter().all(|addr| addr.class() == AddrClass::Global), "{addrs:?}");
        }
        assert!(told > 0, "addresses were told at all");
    });
}
