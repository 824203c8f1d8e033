//! A flash crowd: one seeder, and many who all want the same file at the same moment.

use std::time::Duration;

use protocol::params::BLOB_LEN;

use super::at_share;
use crate::sim::{Place, Setup, World, mins, secs};

/// Lines that homes have: share of the crowd, bytes a second up, bytes a second down.
const LINES: [(f64, f64, f64); 3] = [(0.5, 1e6, 5e6), (0.85, 2.5e6, 12e6), (1.0, 6e6, 30e6)];
/// The seeder's.
const SEEDER: (f64, f64) = (5e6, 30e6);

/// Who wants what.
#[derive(Debug, Clone)]
pub struct Flash {
    /// Those who want the file.
    pub leechers: usize,
    /// Its size in blobs of a MiB, besides the list's.
    pub blobs: usize,
    /// Of them, this share cannot be dialled.
    pub nat: f64,
}

/// What came of it.
#[derive(Debug, Clone)]
pub struct Flashed {
    /// No plan can serve everybody sooner: the slowest of the file through the seeder's uplink, the file through the
    /// thinnest downlink, and all copies through all uplinks.
    pub optimum: Duration,
    /// When each was done, in order.
    pub done: Vec<Duration>,
    /// The same of those who cannot be dialled.
    pub behind: Vec<Duration>,
    /// Blobs that were sent and not needed, of all that were sent.
    pub wasted: f64,
    /// Copies of its file that the seeder sent.
    pub copies: f64,
}

impl Flashed {
    /// How often the optimum fits into the time until this share was done.
    pub fn ratio(&self, share: f64) -> f64 {
        at_share(&self.done, share).unwrap_or_default().as_secs_f64() / self.optimum.as_secs_f64()
    }
}

impl Flash {
    /// Runs it. `None`: after a hundred times the optimum somebody still waits.
    pub fn run(&self, seed: u64) -> (World, Option<Flashed>) {
        let mut world = World::new(Setup::new(seed));
        let mut author = world.author(false);
        let (mut uplinks, mut thinnest) = (SEEDER.0, f64::INFINITY);
        for i in 0..=self.leechers {
            let chance = world.chance.unit();
            let (_, up, down) = LINES.into_iter().find(|(share, ..)| chance < *share).unwrap_or(LINES[2]);
            let (up, down) = if i == 0 { SEEDER } else { (up, down) };
            if i > 0 {
                uplinks += up;
                thinnest = thinnest.min(down);
            }
            let nat = i > 0 && world.chance.happens(self.nat);
            let id = world.add(Place { nat, up, down, ..Place::default() });
            world.follow(id, &author, true);
            world.run(mins(3) / self.leechers as u32);
        }
        world.run(mins(4));
        let key = author.key();
        let start = world.now;
        let manifest = world.sign(&mut author, self.blobs);
        world.publish(0, &manifest);
        let file = ((self.blobs + 1) * BLOB_LEN) as f64;
        let optimum = (file / SEEDER.0).max(file / thinnest).max(self.leechers as f64 * file / uplinks);
        let optimum = Duration::from_secs_f64(optimum);
        let (mut done, mut behind) = (Vec::new(), Vec::new());
        let mut waiting: Vec<usize> = (1..=self.leechers).collect();
        while !waiting.is_empty() {
            if world.now - start > optimum * 100 {
                return (world, None);
            }
            world.run(secs(1) / 4);
            waiting.retain(|id| {
                let complete = world.nodes[*id].is_complete(&key);
                if complete {
                    done.push(world.now - start);
                    behind.extend(world.nodes[*id].place.nat.then_some(world.now - start));
                }
                !complete
            });
        }
        let needed = (self.leechers * (self.blobs + 1)) as f64;
        let sent: u64 = world.nodes.iter().map(|node| node.seen.served).sum();
        let copies = world.nodes[0].seen.served as f64 / (self.blobs + 1) as f64;
        (world, Some(Flashed { optimum, done, behind, wasted: 1.0 - needed / sent as f64, copies }))
    }
}
