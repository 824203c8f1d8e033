//! Whole stories: a crowd with loss and churn.

pub mod flash;
pub mod keep;
pub mod library;
pub mod spread;

use std::time::Duration;

use super::{Author, NodeId, Place, Setup, World, secs};

/// A crowd of followers and one author.
#[derive(Debug, Clone)]
pub struct Crowd {
    /// Nodes, the author among them.
    pub nodes: usize,
    /// Of them, this share is behind routers.
    pub nat: f64,
    /// Mean life of a connection; none: the network does not break any.
    pub life: Option<Duration>,
    /// Real handshakes and ciphers.
    pub sealed: bool,
    /// Whether followers fetch blobs.
    pub fetches: bool,
}

impl Crowd {
    /// The world with this crowd in it: node 0 is the author and nobody has published yet. Followers come within the
    /// first `within`.
    pub fn build(&self, seed: u64, within: Duration) -> (World, Author) {
        let mut world = World::new(Setup { sealed: self.sealed, life: self.life, ..Setup::new(seed) });
        let author = world.author(false);
        for i in 0..self.nodes {
            let nat = i > 0 && world.chance.happens(self.nat);
            let id = world.add(Place { nat, ..Place::default() });
            world.follow(id, &author, self.fetches);
            world.run(within / self.nodes as u32);
        }
        (world, author)
    }
}

/// Of times in order, the one that this share does not exceed.
pub fn at_share(times: &[Duration], share: f64) -> Option<Duration> {
    times.get(((times.len() as f64 * share).ceil() as usize).saturating_sub(1)).copied()
}

/// Nodes come and go: once a second, each online follower leaves with this likelihood, each absent one comes back with
/// that. Node 0 stays.
pub fn churn(world: &mut World, time: Duration, leaves: f64, comes: f64) {
    let until = world.now + time;
    while world.now < until {
        world.run(secs(1));
        let followers: Vec<NodeId> = (1..world.nodes.len()).collect();
        for id in followers {
            if world.nodes[id].is_online() {
                if world.chance.happens(leaves) {
                    let politely = world.chance.happens(0.5);
                    world.leave(id, politely);
                }
            } else if world.chance.happens(comes) {
                world.join(id);
            }
        }
    }
}
