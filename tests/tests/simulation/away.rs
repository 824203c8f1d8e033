//! A computer's network goes and comes back, it sleeps, its clock is wrong: each is over within minutes, and the rest
//! does not notice.

use std::time::Duration;

use megatorrent_tests::sim::scenario::Crowd;
use megatorrent_tests::sim::{Author, NodeId, Place, Setup, World, mins, secs, with_seed};
use protocol::ChannelKey;
use swarm::{Output, Source, Swarm};

const ONE: NodeId = 5;
/// The next look-up of who needs nothing, and what follows it.
const BACK: Duration = mins(6);

fn has_all(world: &World, id: NodeId, author: &Author) -> bool {
    let node = &world.nodes[id];
    node.sequence(&author.key()) == author.sequence && node.is_complete(&author.key())
}

/// One of sixteen is away while the author publishes; the others have everything, and so has it soon after.
fn away(seed: u64, time: Duration, go: fn(&mut World, NodeId), come: fn(&mut World, NodeId)) {
    let crowd = Crowd { nodes: 16, nat: 0.3, life: None, sealed: false, fetches: true };
    let (mut world, mut author) = crowd.build(seed, secs(30));
    let all_but = |world: &World, author: &Author, one| (0..16).all(|id| Some(id) == one || has_all(world, id, author));
    for _ in 0..2 {
        let first = world.sign(&mut author, 2);
        world.publish(0, &first);
        world.run_until(mins(5), |world| all_but(world, &author, None)).expect("all have the first");
        let dials = world.nodes[ONE].seen.dials;
        go(&mut world, ONE);
        world.run(mins(1));
        let second = world.sign(&mut author, 2);
        world.publish(0, &second);
        let done = world.run_until(mins(5), |world| all_but(world, &author, Some(ONE)));
        assert!(done.is_some(), "the others are held up");
        world.run(time);
        assert!(!has_all(&world, ONE, &author), "it was away");
        assert!(world.nodes[ONE].seen.dials - dials < 500, "{} dials in vain", world.nodes[ONE].seen.dials - dials);
        come(&mut world, ONE);
        let back = world.run_until(BACK, |world| has_all(world, ONE, &author));
        assert!(back.is_some(), "it found no way back");
    }
    assert!(world.nodes.iter().all(|node| node.seen.banned.is_empty()));
}

#[test]
fn an_hour_without_a_network() {
    with_seed(61, |seed| away(seed, mins(60), World::cut, World::mend));
}

#[test]
fn a_night_asleep() {
    with_seed(62, |seed| away(seed, mins(8 * 60), World::sleep, World::wake));
}

#[test]
fn the_author_s_network_goes_in_the_middle_of_a_transfer() {
    with_seed(63, |seed| {
        let crowd = Crowd { nodes: 12, nat: 0.2, life: None, sealed: false, fetches: true };
        let (mut world, mut author) = crowd.build(seed, secs(30));
        let manifest = world.sign(&mut author, 60);
        world.publish(0, &manifest);
        let got = |world: &World| world.nodes[1..].iter().map(|node| node.stored.len()).sum::<usize>();
        world.run_until(mins(5), |world| got(world) > 100).expect("it begins");
        world.cut(0);
        world.run(mins(60));
        world.mend(0);
        let all = world.run_until(mins(15), |world| (1..12).all(|id| has_all(world, id, &author)));
        assert!(all.is_some(), "somebody lacks something");
    });
}

#[test]
fn a_wrong_clock_keeps_a_member_from_its_private_channel_until_it_is_put_right() {
    with_seed(64, |seed| {
        const DAY: i64 = 86_400_000;
        for behind_ms in [2 * DAY, -2 * DAY] {
            let mut world = World::new(Setup::new(seed));
            let mut author = world.author(true);
            for id in 0..6 {
                let behind_ms = if id == ONE { behind_ms } else { 0 };
                let id = world.add(Place { behind_ms, ..Place::default() });
                world.follow(id, &author, true);
            }
            let manifest = world.sign(&mut author, 3);
            world.publish(0, &manifest);
            world.run(mins(20));
            assert!((0..5).all(|id| has_all(&world, id, &author)), "the others meet");
            assert!(!has_all(&world, ONE, &author), "it waits at the meeting point of another day");
            world.set_clock(ONE, 0);
            let met = world.run_until(BACK, |world| has_all(world, ONE, &author));
            assert!(met.is_some(), "a clock put right by {behind_ms} ms");
            // A clock that goes wrong later ends nothing that is there, and it can be put right again.
            world.set_clock(ONE, behind_ms);
            let manifest = world.sign(&mut author, 2);
            world.publish(0, &manifest);
            let told = world.run_until(mins(2), |world| (0..6).all(|id| has_all(world, id, &author)));
            assert!(told.is_some(), "connections stand whatever the clock says");
            world.set_clock(ONE, 0);
            world.run(mins(60));
            let manifest = world.sign(&mut author, 2);
            world.publish(0, &manifest);
            assert!(world.run_until(mins(2), |world| (0..6).all(|id| has_all(world, id, &author))).is_some());
        }
    });
}

#[test]
fn who_was_away_by_its_clock_looks_again_at_once() {
    const START: u64 = 1_800_014_400_000;
    let config = megatorrent_tests::sim::config(START);
    let mut swarm = Swarm::new(config, 1);
    let key = ChannelKey([7; 32]);
    swarm.follow(Duration::ZERO, swarm::Follow { key, read_key: None, manifest: None, floor: 0 });
    swarm.add_addr(Duration::ZERO, "45.1.2.3:4170".parse().unwrap(), Some(key), Source::Body);
    let dials = |swarm: &mut Swarm, until: Duration| {
        let mut count = 0;
        while let Some(at) = swarm.poll_timeout().filter(|at| *at <= until) {
            swarm.handle_timeout(at);
            while let Some(output) = swarm.poll_output() {
                if let Output::Dial(id, _) = output {
                    count += 1;
                    swarm.handle_dialled(at, id, None);
                }
            }
        }
        count
    };
    assert!(dials(&mut swarm, mins(60)) > 4, "tried, less and less often");
    // Six seconds in which nothing is due; then the same with a clock that is an hour ahead of what it should be.
    assert_eq!(dials(&mut swarm, mins(60) + secs(6)), 0);
    swarm.handle_clock(mins(60) + secs(6), START + 3_606_000 + 100);
    assert_eq!(dials(&mut swarm, mins(60) + secs(12)), 0, "a tenth of a second is nothing");
    swarm.handle_clock(mins(60) + secs(12), START + 2 * 3_600_000);
    assert!(dials(&mut swarm, mins(60) + secs(18)) > 0, "we slept: what failed before says nothing");
    swarm.handle_clock(mins(60) + secs(18), 0);
    swarm.handle_clock(mins(60) + secs(18), u64::MAX);
    dials(&mut swarm, mins(70));
}

#[test]
fn a_node_at_rest_that_looks_at_the_clock_at_each_wake_up_sleeps_and_announces() {
    const START: u64 = 1_800_014_400_000;
    const CHANNELS: u8 = 20;
    let config = megatorrent_tests::sim::config(START);
    let cycles = mins(120).as_secs() / config.announce_cycle.as_secs();
    let mut swarm = Swarm::new(config, 1);
    for n in 0..CHANNELS {
        let key = ChannelKey([n; 32]);
        swarm.follow(Duration::ZERO, swarm::Follow { key, read_key: None, manifest: None, floor: 0 });
    }
    let (mut wakes, mut announced) = (0, 0);
    while let Some(at) = swarm.poll_timeout().filter(|at| *at <= mins(120)) {
        // As the node's engine does: late by as much as a timer is.
        let now = at + Duration::from_micros(900);
        swarm.handle_clock(now, START + u64::try_from(now.as_millis()).unwrap());
        swarm.handle_timeout(now);
        wakes += 1;
        assert!(wakes < 10_000, "it does not sleep: {:?} of two hours have passed", now);
        while let Some(output) = swarm.poll_output() {
            match output {
                Output::DhtLookup(infohash) => swarm.handle_found(now, infohash, Vec::new()),
                Output::DhtAnnounce(infohash) => {
                    announced += 1;
                    swarm.handle_announced(now, infohash, true);
                }
                _ => {}
            }
        }
    }
    assert!(announced >= u64::from(CHANNELS) * cycles, "{announced} announces");
}
