//! Repair in the simulation, as the node does it: looks at the channel's blobs from time to time, asks who has what, and
//! lets [`swarm::repair`] choose what is kept in the space that is lent.

use std::time::Duration;

use protocol::{BlobId, ChannelKey};
use swarm::repair::{self, Counted};
use swarm::{Priority, Rank};

use super::node::NodeId;
use super::world::{Due, World};
use super::{mins, secs};

/// Between two looks; the node looks more often.
const EVERY: Duration = mins(60);
/// Time for peers to say what they hold.
const ANSWERS: Duration = secs(2);
/// Blobs fetched at one look.
const FETCHED_MAX: usize = 256;

impl World {
    /// The node's user lends room for so many blobs of a channel.
    pub fn lend(&mut self, id: NodeId, key: ChannelKey, room: usize) {
        self.nodes[id].lends = Some((key, room));
        self.plan_repair(id);
    }
    /// A node that comes online looks after a while.
    pub(super) fn plan_repair(&mut self, id: NodeId) {
        if self.nodes[id].lends.is_some() {
            let (life, wait) = (self.nodes[id].life, self.chance.between((mins(2), EVERY)));
            self.push(self.now + wait, Due::Repair(id, life, false));
        }
    }
    /// Asks who has what, or, `asked`, acts upon the answers.
    pub(super) fn repair(&mut self, id: NodeId, asked: bool) {
        let (now, salt) = (self.now, self.chance.number());
        let node = &mut self.nodes[id];
        let (Some((key, room)), Some(swarm)) = (node.lends, &mut node.swarm) else { return };
        let Some(plan) = node.channels.get(&key).and_then(|s| s.plan.clone()) else {
            return self.plan_repair(id);
        };
        let others: Vec<BlobId> = plan.blobs.iter().filter(|blob| !node.stored.contains_key(blob)).copied().collect();
        let lent: Vec<BlobId> = node.lent.iter().filter(|blob| node.stored.contains_key(blob)).copied().collect();
        if !asked {
            let all: Vec<BlobId> = lent.iter().chain(&others).copied().collect();
            swarm.survey(&key, &all);
            let life = node.life;
            self.push(now + ANSWERS, Due::Repair(id, life, true));
            self.minds.push_back(id);
            return;
        }
        let count = |blob: BlobId| Counted { blob, holders: swarm.holders(&blob) };
        let (kept, offered) = (lent.into_iter().map(count).collect(), others.into_iter().map(count).collect());
        let choice = repair::choose(room, kept, offered, FETCHED_MAX, salt);
        for blob in &choice.drop {
            node.stored.remove(blob);
            node.lent.remove(blob);
            swarm.unhold(now, blob);
        }
        // What did not come until now is not waited for.
        let wished = node.channels.get(&key).map(|s| s.missing.clone()).unwrap_or_default();
        let late = node.lent.iter().filter(|blob| !node.stored.contains_key(blob)).copied().collect::<Vec<_>>();
        for blob in late.iter().filter(|blob| !choice.fetch.contains(blob)) {
            node.lent.remove(blob);
            if !wished.contains(blob) {
                swarm.unwant(now, blob);
            }
        }
        for blob in choice.fetch.into_iter().filter(|blob| !wished.contains(blob)) {
            node.lent.insert(blob);
            swarm.want(now, blob, key, Priority::Low);
        }
        self.minds.push_back(id);
        self.plan_repair(id);
    }
    /// A blob came that is wanted for others.
    pub(super) fn store_lent(&mut self, id: NodeId, blob: BlobId) {
        let now = self.now;
        let node = &mut self.nodes[id];
        let Some((key, _)) = node.lends.filter(|_| node.lent.contains(&blob)) else { return };
        node.stored.insert(blob, (key, Rank::Rest));
        if let Some(swarm) = &mut node.swarm {
            swarm.hold(now, blob, key, Rank::Rest, None);
        }
    }
}
