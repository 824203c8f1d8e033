//! Peer exchange: FIND_PEERS, PEERS, ANNOUNCE by the rules of E10.
//!
//! Owns: what peers announced to us. Promises: bounded tables; a clear address only from its own IP and passed on only
//! after one dial; what was told in one circle stays there; everything forgotten after 30 minutes.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use protocol::{PeerAddr, Topic};

use crate::way::Circle;

/// An announced address is passed on for this long.
const LIFE: Duration = Duration::from_secs(30 * 60);
/// Topics remembered.
const TOPICS_MAX: usize = 2048;
/// Clear addresses remembered of one topic.
const CLEAR_MAX: usize = 32;
/// Onion addresses remembered of one topic.
const ONIONS_MAX: usize = 8;
/// Topics that wait for the same dial.
const WAITING_MAX: usize = 64;
/// Addresses that wait for their dial.
const CHECKS_MAX: usize = 64;

/// What to do with an announced address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Taken {
    /// It is not taken.
    Refused,
    /// It is passed on from now on.
    Kept,
    /// It must be dialled once.
    Check,
    /// Its dial is under way for another topic.
    Waiting,
}

/// The machine.
#[derive(Default)]
pub(crate) struct Pex {
    topics: BTreeMap<(Topic, Circle), BTreeMap<PeerAddr, Duration>>,
    verified: BTreeMap<PeerAddr, Duration>,
    checks: BTreeMap<PeerAddr, Vec<(Topic, Circle)>>,
}

impl Pex {
    /// A peer at `from` (`None`: its IP is hidden), met in this circle, says that it can be dialled at `addr`.
    pub(crate) fn announced(
        &mut self,
        now: Duration,
        from: Option<IpAddr>,
        circle: Circle,
        topic: Topic,
        addr: &PeerAddr,
    ) -> Taken {
        match addr {
            PeerAddr::Name(..) => Taken::Refused,
            PeerAddr::Onion(_, 0) => Taken::Refused,
            PeerAddr::Onion(..) => self.keep(now, (topic, circle), addr),
            PeerAddr::Ip(socket) => {
                if socket.port() == 0 || from.map(|ip| ip.to_canonical()) != Some(socket.ip().to_canonical()) {
                    return Taken::Refused;
                }
                if self.verified.get(addr).is_some_and(|until| *until > now) {
                    return self.keep(now, (topic, circle), addr);
                }
                let room = self.checks.len() < CHECKS_MAX;
                match self.checks.get_mut(addr) {
                    Some(topics) if topics.len() < WAITING_MAX && !topics.contains(&(topic, circle)) => {
                        topics.push((topic, circle));
                        Taken::Waiting
                    }
                    Some(_) => Taken::Waiting,
                    None if room => {
                        self.checks.insert(addr.clone(), vec![(topic, circle)]);
                        Taken::Check
                    }
                    None => Taken::Refused,
                }
            }
        }
    }
    /// An address was dialled: announces that waited for it are kept or dropped.
    pub(crate) fn dialled(&mut self, now: Duration, addr: &PeerAddr, ok: bool) {
        let topics = self.checks.remove(addr).unwrap_or_default();
        if !ok {
            self.verified.remove(addr);
            return;
        }
        if self.verified.len() < TOPICS_MAX || self.verified.contains_key(addr) {
            self.verified.insert(addr.clone(), now + LIFE);
        }
        for topic in topics {
            self.keep(now, topic, addr);
        }
    }
    fn keep(&mut self, now: Duration, topic: (Topic, Circle), addr: &PeerAddr) -> Taken {
        if !self.topics.contains_key(&topic) && self.topics.len() >= TOPICS_MAX {
            return Taken::Refused;
        }
        let addrs = self.topics.entry(topic).or_default();
        let onion = matches!(addr, PeerAddr::Onion(..));
        let max = if onion { ONIONS_MAX } else { CLEAR_MAX };
        let alike = |a: &&PeerAddr| matches!(a, PeerAddr::Onion(..)) == onion;
        if !addrs.contains_key(addr) && addrs.keys().filter(alike).count() >= max {
            // The one that would be forgotten first makes room.
            let oldest = addrs.iter().filter(|(a, _)| alike(a)).min_by_key(|(_, until)| **until);
            if let Some(oldest) = oldest.map(|(a, _)| a.clone()) {
                addrs.remove(&oldest);
            }
        }
        addrs.insert(addr.clone(), now + LIFE);
        Taken::Kept
    }
    /// Addresses to pass on for a topic to a peer of this circle.
    pub(crate) fn peers(&self, now: Duration, circle: Circle, topic: &Topic) -> Vec<PeerAddr> {
        let addrs = self.topics.get(&(*topic, circle)).into_iter().flatten();
        addrs.filter(|(_, until)| **until > now).map(|(addr, _)| addr.clone()).collect()
    }
    /// Drops what is too old.
    pub(crate) fn expire(&mut self, now: Duration) {
        self.verified.retain(|_, until| *until > now);
        self.topics.retain(|_, addrs| {
            addrs.retain(|_, until| *until > now);
            !addrs.is_empty()
        });
    }
}

#[cfg(test)]
mod tests;
