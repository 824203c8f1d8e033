//! The spread of an update: many follow one channel, and its author signs a new manifest.

use std::time::Duration;

use super::churn;
use crate::sim::{Author, Nature, Node, Place, Setup, World, mins, secs};

/// Who follows, and on what kind of network.
#[derive(Debug, Clone)]
pub struct Spread {
    /// Nodes, the author among them.
    pub nodes: usize,
    /// Behind routers that let nobody in: this share.
    pub nat: f64,
    /// Besides, without any DHT: this share knows four addresses out of the channel's link and nothing else.
    pub shut: f64,
    /// Without a DHT for anybody; everybody knows one other follower.
    pub no_dht: bool,
    /// Peers that lie, one way or another: this share.
    pub liars: f64,
    /// Packets that are lost: this share.
    pub loss: f64,
    /// Mean life of a connection; none: the network breaks none.
    pub life: Option<Duration>,
    /// Likelihoods, each second, with which who is online goes and who is away comes back.
    pub churn: (f64, f64),
}

/// One update's way.
#[derive(Debug, Clone)]
pub struct Update {
    /// How long each honest node that is online waited for it, since it was published or since the node came, in order.
    pub waits: Vec<Duration>,
    /// Honest nodes that wait still.
    pub left: usize,
    /// Frames and dials until then.
    pub events: u64,
}

impl Spread {
    /// A third behind routers; nothing breaks.
    pub fn calm(nodes: usize) -> Self {
        Self { nodes, nat: 0.33, shut: 0.0, no_dht: false, liars: 0.0, loss: 0.0, life: None, churn: (0.0, 0.0) }
    }
    /// The same; connections break, nodes come and go.
    pub fn storm(nodes: usize) -> Self {
        Self { life: Some(mins(4)), churn: (0.002, 0.02), ..Self::calm(nodes) }
    }
    /// Nobody has a DHT, nobody is behind a router.
    pub fn no_dht(nodes: usize) -> Self {
        Self { nat: 0.0, no_dht: true, ..Self::calm(nodes) }
    }
    /// All that homes have to offer: two thirds that nobody can dial, a fifth without any DHT, one packet of a hundred
    /// lost, a twentieth of liars, connections that live for half an hour and people who stay for an hour.
    pub fn wild(nodes: usize) -> Self {
        let churn = (1.0 / 3600.0, 1.0 / 900.0);
        Self { nodes, nat: 0.45, shut: 0.2, no_dht: false, liars: 0.05, loss: 0.01, life: Some(mins(30)), churn }
    }

    /// Everybody comes, within ten minutes, and meets. Node 0 is the author and can be dialled.
    pub fn build(&self, seed: u64) -> (World, Author) {
        let mut world = World::new(Setup { life: self.life, loss: self.loss, ..Setup::new(seed) });
        let author = world.author(false);
        // Whom the link names.
        let mut open = Vec::new();
        for i in 0..self.nodes {
            let chance = if i < 4 || self.nat == 0.0 { 1.0 } else { world.chance.unit() };
            let shut = chance < self.shut;
            let nat = chance < self.shut + self.nat;
            let nature = match i >= 4 && self.liars > 0.0 && world.chance.happens(self.liars) {
                true => LIARS[world.chance.below(LIARS.len())],
                false => Nature::Honest,
            };
            let id = world.add(Place { nat, nature, dht: !shut && !self.no_dht, ..Place::default() });
            world.follow(id, &author, false);
            if open.len() < 4 {
                open.push(id);
            }
            if shut {
                open.iter().for_each(|other| world.know(id, Some(author.key()), *other));
            } else if self.no_dht && i > 0 {
                let friend = world.chance.below(i);
                world.know(id, Some(author.key()), friend);
            }
            world.run(mins(10) / self.nodes as u32);
        }
        world.run(mins(5));
        (world, author)
    }
    /// A new manifest, and what becomes of it: until nobody waits, or two hours.
    pub fn update(&self, world: &mut World, author: &mut Author) -> Update {
        let (published, before) = (world.now, world.trace.events);
        let manifest = world.sign(author, 1);
        world.publish(0, &manifest);
        let (leaves, comes) = self.churn;
        match leaves > 0.0 {
            true => churn(world, mins(3), leaves, comes),
            false => world.run(secs(30)),
        }
        world.run_until(mins(120), |world| waits(world, author, published).1 == 0);
        let (waits, left) = waits(world, author, published);
        Update { waits, left, events: world.trace.events - before }
    }
}

const LIARS: [Nature; 5] = [Nature::Corrupt, Nature::Stalls, Nature::Boasts, Nature::Spams, Nature::Pretends];

fn waits(world: &World, author: &Author, published: Duration) -> (Vec<Duration>, usize) {
    let key = author.key();
    let online = || world.nodes.iter().filter(|node| node.is_online() && node.place.nature == Nature::Honest);
    let has = |node: &&Node| node.sequence(&key) == author.sequence;
    let wait = |node: &Node| node.channels[&key].learnt.saturating_sub(published.max(node.since));
    let mut waits: Vec<Duration> = online().filter(has).map(wait).collect();
    waits.sort_unstable();
    let left = online().count() - waits.len();
    (waits, left)
}
