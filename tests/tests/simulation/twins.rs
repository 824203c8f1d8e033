//! Two manifests of one sequence.

use megatorrent_tests::sim::{Place, Setup, World, mins, with_seed};

#[test]
fn of_two_with_one_sequence_the_greater_hash_wins_everywhere() {
    with_seed(31, |seed| {
        for swap in [false, true] {
            let mut world = World::new(Setup::new(seed));
            let mut author = world.author(false);
            let key = author.key();
            // Two halves that cannot reach each other, each with its own twin.
            for i in 0..20 {
                let id = world.add(Place { dht: false, group: (i % 2) as u8, ..Place::default() });
                world.follow(id, &author, false);
                if i >= 2 {
                    let friend = world.chance.below(i / 2) * 2 + i % 2;
                    world.know(id, Some(key), friend);
                }
            }
            world.run(mins(1));
            let one = world.sign(&mut author, 1);
            let other = world.sign_at(&author, author.sequence, 1);
            assert_eq!(one.sequence(), other.sequence());
            let (one, other) = if swap { (other, one) } else { (one, other) };
            let greater = if one.supersedes(&other) { one.clone() } else { other.clone() };
            world.publish(0, &one);
            world.publish(1, &other);
            world.run(mins(2));
            assert!(world.nodes.iter().all(|n| n.sequence(&key) == author.sequence));
            // The halves meet: every HELLO names the same sequence now.
            for id in 0..20 {
                world.nodes[id].place.group = 0;
            }
            world.know(5, Some(key), 8);
            let same = |world: &World| {
                let has = |n: &megatorrent_tests::sim::Node| n.channels[&key].manifest.clone();
                world.nodes.iter().all(|n| has(n).is_some_and(|m| m.json() == greater.json()))
            };
            let done = world.run_until(mins(15), same);
            assert!(done.is_some(), "the halves still differ");
            let lost = usize::from(one.supersedes(&other));
            let told = world.nodes.iter().skip(lost).step_by(2).filter(|n| n.channels[&key].signed_twice).count();
            assert_eq!(told, 10, "everybody whose twin lost shows it");
        }
    });
}

#[test]
fn twins_in_the_dht_end_as_one() {
    with_seed(32, |seed| {
        let mut world = World::new(Setup::new(seed));
        let mut author = world.author(false);
        let key = author.key();
        for _ in 0..20 {
            let id = world.add(Place::default());
            world.follow(id, &author, false);
        }
        world.run(mins(2));
        let one = world.sign(&mut author, 1);
        let other = world.sign_at(&author, author.sequence, 1);
        let greater = if one.supersedes(&other) { one.clone() } else { other.clone() };
        world.publish(0, &one);
        world.publish(1, &other);
        let same = |world: &World| {
            world.nodes.iter().all(|n| n.channels[&key].manifest.as_ref().is_some_and(|m| m.json() == greater.json()))
        };
        assert!(world.run_until(mins(2), same).is_some());
        assert!(world.nodes.iter().any(|n| n.channels[&key].signed_twice));
    });
}
