//! Announces on a budget.

use std::collections::BTreeMap;

use megatorrent_tests::sim::{Place, Setup, World, mins, secs, with_seed};
use protocol::{InfoHash, Topic};

#[test]
fn ten_thousand_blobs_are_announced_at_a_pace_the_meeting_point_first() {
    with_seed(51, |seed| {
        let mut world = World::new(Setup::new(seed));
        let mut author = world.author(false);
        let node = world.add(Place { announces: 4.0, ..Place::default() });
        world.follow(node, &author, true);
        let manifest = world.sign(&mut author, 10_000);
        world.publish(node, &manifest);
        let plan = world.plan_of(&manifest, None).unwrap();
        let hash = |topic: Topic| topic.infohash();
        let meeting = hash(protocol::rendezvous::public(&author.key()));
        // 10,002 topics at four a second: 42 minutes, so no cycle of 15 covers them.
        world.run(mins(14));
        let swarm = world.nodes[node].swarm.as_ref().unwrap();
        let coverage = swarm.coverage(world.now);
        assert_eq!(coverage.total, 10_002);
        let done = world.nodes[node].seen.announced.len() as u64;
        assert!(coverage.announced <= done && coverage.announced + 64 >= done, "{coverage:?} of {done}");
        world.run(mins(31));
        let announced = world.nodes[node].seen.announced.clone();
        assert_eq!(announced[0].1, meeting, "the meeting point goes first");
        assert_eq!(announced[1].1, hash(plan.root.into()), "then the root");
        assert_eq!(announced[2].1, hash(plan.blobs[0].into()), "then the first blob of the item");
        // Paced: at most four a second and a burst of four, over any span.
        for span in [1, 10, 300] {
            for (i, (at, _)) in announced.iter().enumerate() {
                let within = announced[i..].iter().take_while(|(then, _)| *then < *at + secs(span)).count() as u64;
                assert!(within <= 4 * span + 4, "{within} announces within {span} s");
            }
        }
        // Everything had its turn before anything had two, but for what goes first.
        let mut turns: BTreeMap<InfoHash, usize> = BTreeMap::new();
        let all = announced.iter().position(|(_, infohash)| {
            *turns.entry(*infohash).or_default() += 1;
            turns.len() == 10_002
        });
        assert!(all.is_some(), "{} of 10,002 had a turn", turns.len());
        let firsts = [meeting, hash(plan.root.into()), hash(plan.blobs[0].into())];
        assert!(turns.iter().all(|(infohash, count)| *count == 1 || firsts.contains(infohash)));
        assert!((3..=4).contains(&turns[&meeting]), "{} turns of the meeting point", turns[&meeting]);
    });
}
