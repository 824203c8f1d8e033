//! Crowds under loss and churn.

use megatorrent_tests::sim::scenario::{Crowd, churn};
use megatorrent_tests::sim::{Place, Setup, Trace, World, mins, secs, with_seed};
use protocol::ChannelKey;

/// Most requests of one blob at a time: a second peer is asked in the end-game only.
const ASKED_MAX: usize = 2;
/// Blobs under way when the end-game begins: no more are asked of two peers.
const ENDGAME: usize = 32;

fn online(world: &World) -> impl Iterator<Item = usize> + '_ {
    (0..world.nodes.len()).filter(|id| world.nodes[*id].is_online())
}

fn lacking(world: &World, key: &ChannelKey, sequence: u64) -> Vec<usize> {
    let done = |id: &usize| world.nodes[*id].sequence(key) == sequence && world.nodes[*id].is_complete(key);
    online(world).filter(|id| !done(id)).collect()
}

/// One author and its followers, a third of them behind routers; connections break, nodes come and go.
fn storm(seed: u64, nodes: usize, sealed: bool) -> Trace {
    let crowd = Crowd { nodes, nat: 0.3, life: Some(mins(4)), sealed, fetches: true };
    let (mut world, mut author) = crowd.build(seed, mins(2));
    let key = author.key();
    for _ in 0..2 {
        let manifest = world.sign(&mut author, 5);
        world.publish(0, &manifest);
        churn(&mut world, mins(3), 0.004, 0.02);
    }
    // The storm is over for those who are online now, though connections still break.
    let done = world.run_until(mins(10), |world| lacking(world, &key, author.sequence).is_empty());
    let lacking = lacking(&world, &key, author.sequence);
    assert!(done.is_some(), "nodes {lacking:?} lack something ten minutes after the storm");
    assert!(online(&world).count() >= nodes * 2 / 3);
    for (id, node) in world.nodes.iter().enumerate() {
        assert_eq!(node.seen.wrong, 0);
        assert!(node.seen.banned.is_empty());
        assert!(node.seen.most_asked <= ASKED_MAX, "node {id} asked {} peers for one blob", node.seen.most_asked);
        assert!(node.seen.most_doubled <= ENDGAME, "node {id} asked twice for {}", node.seen.most_doubled);
    }
    world.trace
}

#[test]
fn a_crowd_gets_everything_in_spite_of_loss_and_churn() {
    with_seed(1, |seed| {
        storm(seed, 60, false);
    });
}

#[test]
fn one_seed_is_one_run_byte_for_byte() {
    with_seed(2, |seed| {
        let one = storm(seed, 14, true);
        assert_eq!(storm(seed, 14, true), one);
        assert_ne!(storm(seed + 1, 14, true), one);
    });
}

#[test]
fn the_author_leaves_after_three_copies_and_everybody_completes() {
    with_seed(3, |seed| {
        let crowd = Crowd { nodes: 50, nat: 0.3, life: None, sealed: false, fetches: true };
        let (mut world, mut author) = crowd.build(seed, mins(1));
        let key = author.key();
        let manifest = world.sign(&mut author, 8);
        world.publish(0, &manifest);
        let plan = world.plan_of(&manifest, None).unwrap();
        let copies = |world: &World, blob| world.nodes[1..].iter().filter(|n| n.stored.contains_key(blob)).count();
        let spread = world
            .run_until(mins(10), |world| plan.blobs.iter().chain([&plan.root]).all(|blob| copies(world, blob) >= 3));
        assert!(spread.is_some(), "the author reached nobody");
        world.leave(0, false);
        let done = world.run_until(mins(15), |world| lacking(world, &key, author.sequence).is_empty());
        assert!(done.is_some(), "nodes {:?} never completed", lacking(&world, &key, author.sequence));
    });
}

#[test]
fn without_any_dht_a_push_reaches_everybody_in_seconds() {
    with_seed(4, |seed| {
        let mut world = World::new(Setup::new(seed));
        let mut author = world.author(false);
        let key = author.key();
        for i in 0..50 {
            let id = world.add(Place { dht: false, ..Place::default() });
            world.follow(id, &author, false);
            if i > 0 {
                let friend = world.chance.below(i);
                world.know(id, Some(key), friend);
            }
        }
        world.run(mins(2));
        for round in 0..3 {
            let manifest = world.sign(&mut author, 1);
            world.publish(0, &manifest);
            let all = |world: &World| world.nodes.iter().all(|n| n.sequence(&key) == author.sequence);
            let took = world.run_until(secs(30), all).expect("everybody hears of it");
            assert!(took <= secs(3), "push {round} took {took:?}");
            world.run(secs(10));
        }
        assert_eq!(world.dht.gets + world.dht.lookups + world.dht.announces, 0);
    });
}

#[test]
fn a_full_node_is_no_closed_door() {
    with_seed(7, |seed| {
        // Eighty nodes know one address and nothing else; whoever listens there has room for a dozen callers.
        let mut world = World::new(Setup::new(seed));
        let mut author = world.author(false);
        let key = author.key();
        for i in 0..80 {
            let id = world.add(Place { dht: false, connections: 16, per_channel: 6, ..Place::default() });
            world.follow(id, &author, false);
            if i > 0 {
                world.know(id, Some(key), 0);
            }
        }
        let manifest = world.sign(&mut author, 1);
        world.publish(0, &manifest);
        let waiting = |world: &World| world.nodes.iter().filter(|n| n.sequence(&key) != author.sequence).count();
        let all = world.run_until(mins(20), |world| waiting(world) == 0);
        assert!(all.is_some(), "{} nodes found no way in", waiting(&world));
        // The door turned everybody over within seconds. A minute later they have met through it: their news does not
        // need it any more.
        world.run(mins(1));
        world.leave(0, true);
        let manifest = world.sign(&mut author, 1);
        world.publish(40, &manifest);
        let hear = |world: &World| world.nodes[1..].iter().filter(|n| n.sequence(&key) == author.sequence).count();
        let everybody = world.run_until(mins(3), |world| hear(world) == 79);
        assert!(everybody.is_some(), "the swarm falls apart without its first node: {} of 79 hear", hear(&world));
    });
}

#[test]
fn who_was_away_learns_what_is_new_when_it_comes_back() {
    with_seed(5, |seed| {
        let crowd = Crowd { nodes: 20, nat: 0.2, life: None, sealed: true, fetches: true };
        let (mut world, mut author) = crowd.build(seed, secs(20));
        let key = author.key();
        let first = world.sign(&mut author, 2);
        world.publish(0, &first);
        world.run_until(mins(5), |world| lacking(world, &key, author.sequence).is_empty()).expect("all have the first");
        for id in 10..20 {
            world.leave(id, id % 2 == 0);
        }
        let second = world.sign(&mut author, 2);
        world.publish(0, &second);
        world.run(mins(30));
        // Not even the author is there when they come back.
        world.leave(0, true);
        for id in 10..20 {
            world.join(id);
        }
        let done = world.run_until(mins(5), |world| lacking(world, &key, author.sequence).is_empty());
        assert!(done.is_some(), "nodes {:?} lack something", lacking(&world, &key, author.sequence));
        // What they had is not fetched again.
        assert!(world.nodes.iter().all(|n| n.seen.blobs - n.seen.twice <= 6));
    });
}

#[test]
fn what_nobody_has_is_sought_less_and_less() {
    with_seed(8, |seed| {
        let mut world = World::new(Setup::new(seed));
        let mut author = world.author(false);
        let key = author.key();
        let manifest = world.sign(&mut author, 4);
        let publisher = world.add(Place::default());
        world.follow(publisher, &author, true);
        world.publish(publisher, &manifest);
        // One fetches the list alone; then whoever had the rest is gone.
        let one = world.add(Place::default());
        world.follow_some(one, &author, std::collections::BTreeSet::new());
        world.run_until(mins(5), |world| world.nodes[one].is_complete(&key)).expect("the list");
        world.leave(publisher, true);
        let other = world.add(Place::default());
        world.follow(other, &author, true);
        let mut hours = Vec::new();
        for _ in 0..6 {
            let before = world.dht.lookups;
            world.run(mins(60));
            hours.push(world.dht.lookups - before);
        }
        assert_eq!(world.nodes[other].channels[&key].missing.len(), 4);
        assert!(hours[0] > hours[5], "{hours:?}");
        // Both look for more followers some eighteen times an hour; each blob is looked for once.
        assert!(hours[5] <= 60, "{hours:?}");
        // And it is found when somebody has it again.
        world.join(publisher);
        let found = world.run_until(mins(15), |world| world.nodes[other].is_complete(&key));
        assert!(found.is_some(), "not found again");
    });
}

#[test]
fn a_channel_outlives_its_author_in_the_dht() {
    with_seed(6, |seed| {
        let crowd = Crowd { nodes: 12, nat: 0.0, life: None, sealed: false, fetches: false };
        let (mut world, mut author) = crowd.build(seed, secs(20));
        let key = author.key();
        let manifest = world.sign(&mut author, 1);
        world.publish(0, &manifest);
        world.run(mins(2));
        world.leave(0, true);
        let puts = world.dht.puts;
        // Three times the life of an item that nobody keeps alive.
        world.run(mins(6 * 60));
        let (now, mut chance) = (world.now, megatorrent_tests::sim::Chance::new(seed));
        let found = world.dht.get(now, &key, &mut chance);
        assert_eq!(found.map(|(m, _)| m.sequence()), Some(author.sequence));
        // Followers do not hammer: eleven of them, six hours, and a put only when fewer than eight nodes are left.
        let again = world.dht.puts - puts;
        assert!((3..=24).contains(&again), "{again} puts");
    });
}
