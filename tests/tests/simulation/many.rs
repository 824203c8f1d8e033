//! Many channels and few places for connections.

use megatorrent_tests::sim::{Author, NodeId, Place, Setup, World, mins, secs, with_seed};
use swarm::Source;

/// A follower of so many channels, each with so many others, who know few people themselves. The follower cannot be
/// dialled: whom it meets is its own doing.
fn crowd(seed: u64, channels: usize, others: usize, follower: Place) -> (World, NodeId, Vec<Author>, Vec<Vec<NodeId>>) {
    let mut world = World::new(Setup::new(seed));
    let (mut authors, mut groups) = (Vec::new(), Vec::new());
    for _ in 0..channels {
        let author = world.author(false);
        let place = || Place { per_channel: 1, connections: 16, announces: 10.0, ..Place::default() };
        let group: Vec<NodeId> = (0..others).map(|_| world.add(place())).collect();
        group.iter().for_each(|node| world.follow(*node, &author, false));
        authors.push(author);
        groups.push(group);
    }
    world.run(secs(20));
    let one = world.add(Place { nat: true, ..follower });
    for author in &authors {
        world.follow(one, author, false);
    }
    (world, one, authors, groups)
}

/// Channels of which a node knows nobody just now.
fn unmet(world: &World, node: NodeId, authors: &[Author]) -> usize {
    let swarm = world.nodes[node].swarm.as_ref().unwrap();
    authors.iter().filter(|author| swarm.peers_of(&author.key()) == 0).count()
}

#[test]
fn each_of_two_hundred_channels_is_met_within_minutes() {
    with_seed(61, |seed| {
        let (mut world, one, authors, _) = crowd(seed, 200, 20, Place::default());
        let met = world.run_until(mins(4), |world| unmet(world, one, &authors) == 0);
        assert!(met.is_some(), "{} of 200 channels met nobody", unmet(&world, one, &authors));
        // And it stays so.
        world.run(mins(10));
        assert!(unmet(&world, one, &authors) <= 10, "{} are alone again", unmet(&world, one, &authors));
        assert!(world.nodes[one].connections() <= 200);
    });
}

#[test]
fn who_found_no_place_is_tried_again_without_a_dht() {
    with_seed(62, |seed| {
        let (mut world, one, authors, groups) =
            crowd(seed, 60, 12, Place { dht: false, connections: 60, ..Place::default() });
        for (author, group) in authors.iter().zip(&groups) {
            for other in group {
                world.tell(one, author.key(), *other, Source::Body);
            }
        }
        let met = world.run_until(mins(4), |world| unmet(world, one, &authors) == 0);
        assert!(met.is_some(), "{} of 60 channels met nobody", unmet(&world, one, &authors));
    });
}

#[test]
fn more_channels_than_places_take_turns() {
    with_seed(63, |seed| {
        let (mut world, one, authors, groups) =
            crowd(seed, 30, 6, Place { dht: false, connections: 12, ..Place::default() });
        for (author, group) in authors.iter().zip(&groups) {
            for other in group {
                world.tell(one, author.key(), *other, Source::Body);
            }
        }
        let mut waiting: Vec<_> = authors.iter().map(Author::key).collect();
        for _ in 0..120 {
            world.run(secs(30));
            let swarm = world.nodes[one].swarm.as_ref().unwrap();
            waiting.retain(|key| swarm.peers_of(key) == 0);
        }
        assert!(waiting.is_empty(), "{} of 30 channels had no turn within an hour", waiting.len());
    });
}
