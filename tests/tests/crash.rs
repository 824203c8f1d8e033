//! A device that is cut off again and again loses nothing: some rounds of `cargo xtask crash`.

#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]

use megatorrent_tests::crash::Scene;

#[test]
fn nothing_is_lost_by_a_process_that_is_cut_off() {
    let outcome = Scene::new(7, None).unwrap().run(60).unwrap();
    // The rest are deeds that were done for the first time, uncut, and those for which there was nothing to do.
    assert!(outcome.at_points >= 12, "{} cuts at points only:\n{}", outcome.at_points, outcome.table());
    let deeds: std::collections::BTreeSet<_> = outcome.points.keys().map(|(deed, _)| *deed).collect();
    assert!(deeds.len() >= 8, "{deeds:?}");
}
