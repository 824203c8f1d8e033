//! Plain v5 peers among ours: no HELLO from the server, one blob per connection from the client.

use megatorrent_tests::sim::{Nature, Place, Setup, World, mins, secs, with_seed};

#[test]
fn v5_peers_give_and_take() {
    with_seed(41, |seed| {
        let mut world = World::new(Setup { sealed: true, ..Setup::new(seed) });
        let mut author = world.author(false);
        let key = author.key();
        let manifest = world.sign(&mut author, 10);
        let plan = world.plan_of(&manifest, None).unwrap();
        for i in 0..6 {
            let id = world.add(Place { announces: 20.0, ..Place::default() });
            world.follow(id, &author, true);
            if i == 0 {
                world.publish(id, &manifest);
            }
        }
        let clients: Vec<_> = (0..4).map(|_| world.add(Place { nature: Nature::V5, ..Place::default() })).collect();
        for client in &clients {
            world.v5_peer(*client, &[], &plan.blobs);
        }
        let done = world.run_until(mins(10), |world| {
            let ours = (0..6).all(|id| world.nodes[id].is_complete(&key));
            ours && clients.iter().all(|c| world.v5_got(*c) == 10)
        });
        let got: Vec<usize> = clients.iter().map(|c| world.v5_got(*c)).collect();
        assert!(done.is_some(), "v5 clients got {got:?} of 10");
        assert!(world.nodes.iter().all(|n| n.seen.wrong == 0 && n.seen.banned.is_empty()));
    });
}

#[test]
fn blobs_that_only_v5_peers_hold_are_found_and_fetched() {
    with_seed(42, |seed| {
        let mut world = World::new(Setup { sealed: true, ..Setup::new(seed) });
        let mut author = world.author(false);
        let key = author.key();
        let manifest = world.sign(&mut author, 12);
        let plan = world.plan_of(&manifest, None).unwrap();
        let publisher = world.add(Place::default());
        world.follow(publisher, &author, true);
        world.publish(publisher, &manifest);
        // The root is announced by the author; the blobs by two v5 peers, half of them each.
        let all: Vec<_> = plan.blobs.clone();
        for half in all.chunks(6) {
            let server = world.add(Place { nature: Nature::V5, ..Place::default() });
            world.v5_peer(server, half, &[]);
        }
        let root = world.add(Place { nature: Nature::V5, ..Place::default() });
        world.v5_peer(root, &[plan.root], &[]);
        world.run(secs(20));
        world.leave(publisher, true);
        let newcomer = world.add(Place::default());
        world.follow(newcomer, &author, true);
        let done = world.run_until(mins(20), |world| world.nodes[newcomer].is_complete(&key));
        let missing = world.nodes[newcomer].channels[&key].missing.len();
        assert!(done.is_some(), "{missing} blobs are missing");
        assert_eq!(world.nodes[newcomer].seen.twice, 0);
    });
}
