//! Whether a channel's content outlives its author: people come and go for thirty days, with and without lent space.

use std::collections::BTreeSet;
use std::time::Duration;

use protocol::BlobId;

use crate::sim::{Author, NodeId, Place, Setup, World, mins};

/// The people and what they like.
#[derive(Debug, Clone)]
pub struct Keep {
    /// Followers at any time, online or not.
    pub people: usize,
    /// Items of the channel, of [`Keep::PARTS`] blobs each.
    pub items: usize,
    /// Items that a person fetches on average, popular ones rather than others.
    pub likes: f64,
    /// Blobs that each lends room for.
    pub lends: usize,
    /// Days.
    pub days: u64,
}

/// What was so at one moment.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Standing {
    /// Since the author published.
    pub at: Duration,
    /// Items of which every blob is with somebody online: this share.
    pub available: f64,
    /// Items of which every blob is with somebody who is still there, online or not: this share. The rest is lost.
    pub alive: f64,
    /// Blobs that an average person who is still there keeps.
    pub kept: f64,
}

/// Time online and away, on average.
const SESSION: (Duration, Duration) = (mins(8 * 60), mins(16 * 60));
/// A follower stays one for this long, on average; another one comes then.
const FOLLOWS: Duration = mins(20 * 24 * 60);
/// The author is there for this long.
const AUTHOR: Duration = mins(3 * 24 * 60);
/// Between two steps of the people.
const STEP: Duration = mins(10);

impl Keep {
    /// Blobs of one item.
    pub const PARTS: usize = 2;

    /// Runs it; one [`Standing`] for each hour.
    pub fn run(&self, seed: u64) -> (World, Vec<Standing>) {
        let mut world = World::new(Setup::new(seed));
        let mut author = world.author(false);
        let first = world.add(Place::default());
        world.follow(first, &author, true);
        let manifest = world.sign(&mut author, self.items * Self::PARTS);
        world.publish(first, &manifest);
        let plan = world.plan_of(&manifest, None).expect("it was signed here");
        let mut people: Vec<NodeId> = (0..self.people).map(|_| self.come(&mut world, &author)).collect();
        let mut told = Vec::new();
        let (start, days) = (world.now, mins(24 * 60) * u32::try_from(self.days).expect("fewer days"));
        let likely = |span: Duration| STEP.as_secs_f64() / span.as_secs_f64();
        while world.now - start < days {
            world.run(STEP);
            if world.nodes[first].is_online() && world.now - start >= AUTHOR {
                world.leave(first, true);
            }
            for person in &mut people {
                if world.chance.happens(likely(FOLLOWS)) {
                    if world.nodes[*person].is_online() {
                        world.leave(*person, false);
                    }
                    *person = self.come(&mut world, &author);
                } else if world.nodes[*person].is_online() {
                    if world.chance.happens(likely(SESSION.0)) {
                        let politely = world.chance.happens(0.5);
                        world.leave(*person, politely);
                    }
                } else if world.chance.happens(likely(SESSION.1)) {
                    world.join(*person);
                }
            }
            if (world.now - start).as_secs().is_multiple_of(3600) {
                let there = people.iter().chain(world.nodes[first].is_online().then_some(&first));
                let there: Vec<_> = there.map(|id| &world.nodes[*id]).collect();
                let share = |online: bool| {
                    let holds =
                        |blob: &BlobId| there.iter().any(|n| (!online || n.is_online()) && n.stored.contains_key(blob));
                    let whole = plan.blobs.chunks(Self::PARTS).filter(|item| item.iter().all(holds)).count();
                    whole as f64 / self.items as f64
                };
                let kept = people.iter().map(|id| world.nodes[*id].stored.len()).sum::<usize>() as f64;
                let kept = kept / self.people as f64;
                let at = world.now - start;
                told.push(Standing { at, available: share(true), alive: share(false), kept });
            }
        }
        (world, told)
    }
    /// A new follower with its own taste; some cannot be dialled.
    fn come(&self, world: &mut World, author: &Author) -> NodeId {
        let nat = world.chance.happens(0.33);
        let id = world.add(Place { nat, ..Place::default() });
        // Item n is liked by so many that all likes together make the average.
        let all: f64 = (1..=self.items).map(|n| 1.0 / n as f64).sum();
        let mut wishes = BTreeSet::new();
        for n in 0..self.items {
            if world.chance.happens((self.likes / all / (n + 1) as f64).min(1.0)) {
                wishes.extend(n * Self::PARTS..(n + 1) * Self::PARTS);
            }
        }
        world.follow_some(id, author, wishes);
        if self.lends > 0 {
            world.lend(id, author.key(), self.lends);
        }
        id
    }
}
