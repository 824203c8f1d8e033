//! A deterministic simulation: the real machines (`protocol::Session`, `swarm::Swarm`) of many nodes on a network in
//! memory, under a virtual clock.
//!
//! Owns: the event heap, latency, bandwidth, broken connections, machines behind routers, a DHT, liars, plain v5 peers.
//! Real: every decision of a swarm, every message as its encoded bytes and, where [`Setup::sealed`] says so, handshake
//! and ciphers. Simulated: disk and hashing. A blob is 1 MiB that starts with its own ID, and "hashes right" means
//! that it does. Promises: one seed, one run (see [`World::trace`]); no step costs more for more nodes.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a simulation that cannot go on says so by panicking")]

mod away;
mod carry;
mod chance;
mod dht;
mod lend;
mod link;
mod node;
pub mod scenario;
mod v5;
mod world;

pub use chance::{Chance, Trace};
pub use dht::Dht;
pub use node::{Author, Nature, Node, NodeId, Place, Plan, Seen, Subscription};
pub use world::{Setup, World, config};

use std::time::Duration;

/// So many seconds.
pub const fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

/// So many minutes.
pub const fn mins(n: u64) -> Duration {
    Duration::from_secs(60 * n)
}

/// Seeds other than a test's own: `MEGATORRENT_SIM_SEED=7` or `=100..120`.
const SEEDS: &str = "MEGATORRENT_SIM_SEED";

struct Named(u64);

impl Drop for Named {
    fn drop(&mut self) {
        if std::thread::panicking() {
            #[allow(clippy::print_stderr, reason = "this is how a failed test names its seed")]
            {
                eprintln!("the simulation failed with seed {0}; run it again with {SEEDS}={0}", self.0);
            }
        }
    }
}

/// Runs a test with its own seed, or with those that the environment names; a failure names its seed.
pub fn with_seed(own: u64, test: impl Fn(u64)) {
    let seeds = match std::env::var(SEEDS) {
        Ok(text) => {
            let number = |text: &str| text.trim().parse::<u64>().expect("a seed is a number");
            match text.split_once("..") {
                Some((from, to)) => number(from)..number(to),
                None => number(&text)..number(&text) + 1,
            }
        }
        Err(_) => own..own + 1,
    };
    for seed in seeds {
        let named = Named(seed);
        test(seed);
        drop(named);
    }
}
