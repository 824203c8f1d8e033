//! What happens to a computer beyond its own doing: its network goes and comes back, it sleeps, its clock is wrong.

use std::net::SocketAddr;
use std::time::Duration;

use protocol::PeerAddr;
use swarm::{Closed, Source};

use super::node::NodeId;
use super::secs;
use super::world::{Due, START_UNIX_MS, World};

/// A sleeper is looked after once in this time.
const LATER: Duration = secs(5);

impl World {
    /// The network of a node goes: nobody is reached, and each side finds its connections dead after a while.
    pub fn cut(&mut self, id: NodeId) {
        self.nodes[id].cut = true;
        self.break_links(id);
    }
    /// It is there again. Nobody tells the node.
    pub fn mend(&mut self, id: NodeId) {
        self.nodes[id].cut = false;
    }
    /// A computer sleeps: nothing of it runs, and others find its connections dead.
    pub fn sleep(&mut self, id: NodeId) {
        self.nodes[id].cut = true;
        self.nodes[id].asleep = true;
        self.break_links(id);
    }
    /// It wakes: whatever came due meanwhile is due at once, and its clock says how late it is.
    pub fn wake(&mut self, id: NodeId) {
        let node = &mut self.nodes[id];
        (node.cut, node.asleep) = (false, false);
    }
    /// A sleeper's turn comes when it is awake. Says whether that is later.
    pub(super) fn sleeps(&mut self, what: &Due) -> bool {
        let id = match what {
            Due::Mind(id, _) | Due::Dialled(id, ..) | Due::Missed(id, ..) | Due::Found(id, ..) => Some(*id),
            Due::Announced(id, ..) | Due::Item(id, ..) | Due::Repair(id, ..) => Some(*id),
            Due::Talk(link, side) | Due::Gone(link, side, _) => {
                self.links.get(link).and_then(|l| l.ends[*side].as_ref()).map(|end| end.node)
            }
            _ => None,
        };
        let Some(id) = id.filter(|id| self.nodes[*id].asleep) else { return false };
        let later = self.now + LATER;
        match what {
            Due::Mind(..) => self.nodes[id].wake = Some(later),
            Due::Talk(link, side) => {
                if let Some(end) = self.links.get_mut(link).and_then(|l| l.ends[*side].as_mut()) {
                    end.wake = Some(later);
                }
            }
            _ => {}
        }
        self.push(later, what.clone());
        true
    }
    /// A node's clock is put to so many ms behind the right time, or before it, and the node looks at it.
    pub fn set_clock(&mut self, id: NodeId, behind_ms: i64) {
        self.nodes[id].place.behind_ms = behind_ms;
        self.tell_clock(id);
        self.minds.push_back(id);
        self.settle();
    }
    /// UTC as a node believes it to be.
    pub(super) fn clock_of(&self, id: NodeId) -> u64 {
        let right = START_UNIX_MS + u64::try_from(self.now.as_millis()).expect("a run of less than an age");
        right.saturating_add_signed(-self.nodes[id].place.behind_ms)
    }
    fn tell_clock(&mut self, id: NodeId) {
        let (now, unix_ms) = (self.now, self.clock_of(id));
        if let Some(swarm) = &mut self.nodes[id].swarm {
            swarm.handle_clock(now, unix_ms);
        }
    }
    fn break_links(&mut self, id: NodeId) {
        let links: Vec<_> = self.nodes[id].conns.values().copied().collect();
        for (link, side) in links {
            for side in [side, 1 - side] {
                let wait = self.chance.between((secs(20), secs(200)));
                let Some(l) = self.links.get_mut(&link) else { continue };
                l.broken = true;
                self.push(self.now + wait, Due::Gone(link, side, Closed::Failed));
            }
        }
    }
    /// Two on one local network find each other there, as by mDNS.
    pub fn meet_on_the_lan(&mut self, one: NodeId, other: NodeId) {
        for (id, there) in [(one, other), (other, one)] {
            let addr = PeerAddr::Ip(self.nodes[there].addr);
            let now = self.now;
            if let Some(swarm) = &mut self.nodes[id].swarm {
                swarm.add_addr(now, addr, None, Source::Lan);
            }
            self.minds.push_back(id);
        }
        self.settle();
    }
}

/// Whether an address is of a local network.
pub(super) fn is_local(addr: &SocketAddr) -> bool {
    matches!(addr, SocketAddr::V4(v4) if v4.ip().is_private())
}
