//! Lent space keeps a channel whole after its author left.

use megatorrent_tests::sim::scenario::keep::Keep;
use megatorrent_tests::sim::with_seed;

#[test]
fn what_a_few_lend_keeps_what_nobody_likes() {
    with_seed(81, |seed| {
        let end = |lends| {
            let keep = Keep { people: 24, items: 24, likes: 2.0, lends, days: 12 };
            let (world, told) = keep.run(seed);
            let most = world.nodes.iter().map(|node| node.lent_blobs()).max().unwrap();
            assert!(most <= lends, "{most} blobs are kept in room for {lends}");
            *told.last().unwrap()
        };
        let (without, with) = (end(0), end(12));
        assert!(without.alive < 0.9, "a channel loses what few like: {without:?}");
        assert!(with.alive > without.alive + 0.1, "{with:?} against {without:?}");
        assert!(with.alive > 0.95, "{with:?}");
    });
}
