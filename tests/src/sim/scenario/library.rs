//! What a library costs the DHT: announces on a budget against one for each blob.

use std::collections::BTreeMap;
use std::time::Duration;

use protocol::{BlobId, ChannelKey};
use swarm::{Follow, Output, Rank, Swarm};

use crate::sim::mins;

/// Datagrams of one paced announce or look-up, both ways, as measured with the project's DHT library.
pub const DATAGRAMS: u64 = 61;
/// Seconds of a v5 announce cycle.
const CYCLE: u64 = 900;

/// What one node with a library at rest asked of the DHT in an hour, after the first.
#[derive(Debug, Clone, Copy)]
pub struct Cost {
    /// Blobs held.
    pub blobs: u64,
    /// Announces.
    pub announces: u64,
    /// Look-ups of peers and of manifests.
    pub lookups: u64,
    /// Of all blobs, the share that was announced within the last cycle.
    pub coverage: f64,
    /// Time from the start until meeting point, root and first blobs were announced.
    pub first: Duration,
    /// Announces in an hour if every blob had one each cycle.
    pub one_each: u64,
}

/// A library of so many blobs in items of `per_item`, in one channel.
pub fn rest(blobs: u64, per_item: u64, seed: u64) -> Cost {
    let config = crate::sim::config(1_800_014_400_000);
    let mut swarm = Swarm::new(config, seed);
    let key = ChannelKey([7; 32]);
    swarm.follow(Duration::ZERO, Follow { key, read_key: None, manifest: None, floor: 0 });
    for n in 0..blobs {
        let mut id = [0; 32];
        id[..8].copy_from_slice(&(n.wrapping_mul(0x9e37_79b9_7f4a_7c15)).to_be_bytes());
        id[8..16].copy_from_slice(&n.to_be_bytes());
        let rank = if n == 0 { Rank::Root } else { [Rank::Rest, Rank::First][usize::from(n % per_item == 1)] };
        swarm.hold(Duration::ZERO, BlobId(id), key, rank, None);
    }
    let firsts = 2 + blobs.saturating_sub(1).div_ceil(per_item);
    let mut answers: BTreeMap<(Duration, u64), Output> = BTreeMap::new();
    let (mut now, mut serial, mut announced, mut first) = (Duration::ZERO, 0, 0, Duration::ZERO);
    let mut cost = Cost { blobs, announces: 0, lookups: 0, coverage: 0.0, first, one_each: blobs * 3600 / CYCLE };
    while now < mins(120) {
        while let Some(output) = swarm.poll_output() {
            let late = now >= mins(60);
            serial += 1;
            match output {
                Output::DhtAnnounce(_) => {
                    cost.announces += u64::from(late);
                    announced += 1;
                    if announced == firsts {
                        first = now;
                    }
                    answers.insert((now + Duration::from_millis(1500), serial), output);
                }
                Output::DhtLookup(_) => {
                    cost.lookups += u64::from(late);
                    answers.insert((now + Duration::from_millis(1500), serial), output);
                }
                Output::DhtRefresh(_) => cost.lookups += u64::from(late),
                _ => {}
            }
        }
        let answer = answers.first_key_value().map(|((at, _), _)| *at);
        let Some(next) = answer.into_iter().chain(swarm.poll_timeout()).min() else { break };
        now = now.max(next);
        match answers.first_entry().filter(|entry| entry.key().0 <= now) {
            None => swarm.handle_timeout(now),
            Some(entry) => match entry.remove() {
                Output::DhtAnnounce(infohash) => drop(swarm.handle_announced(now, infohash, true)),
                Output::DhtLookup(infohash) => swarm.handle_found(now, infohash, Vec::new()),
                _ => {}
            },
        }
    }
    let coverage = swarm.coverage(now);
    Cost { coverage: coverage.announced as f64 / coverage.total as f64, first, ..cost }
}
