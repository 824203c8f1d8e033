//! What a swarm promises, on a simulated network: see `megatorrent_tests::sim`.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on says so by panicking")]

mod simulation {
    mod announces;
    mod away;
    mod crowd;
    mod lan;
    mod lending;
    mod liars;
    mod many;
    mod privacy;
    mod twins;
    mod v5;
}
