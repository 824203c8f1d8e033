//! Peer exchange: FIND_PEERS, PEERS, ANNOUNCE by the rules of E10.
//!
//! Owns: what peers announced to us. Promises: bounded tables; a clear address only from its own IP and passed on only
//! after one dial; what was told in one circle stays there; everything forgotten after 30 minutes; where a channel that is
//! followed here meets has places of its own, which nothing that strangers say can take; where room is short, who told most
//! makes it.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use protocol::price::{Entry, Payer, Places};
use protocol::{PeerAddr, Topic};

use crate::way::Circle;

/// An announced address is passed on for this long.
const LIFE: Duration = Duration::from_secs(30 * 60);
/// Addresses remembered for topics that are nothing to us, all together: only a gateway keeps any.
const STRANGE_MAX: usize = 2048;
/// Addresses remembered for blobs of our channels, all together.
const BLOBS_MAX: usize = 4096;
/// Clear addresses remembered of one topic.
const CLEAR_MAX: usize = 32;
/// Onion addresses remembered of one topic that nobody here has reached.
const ONIONS_MAX: usize = 8;
/// Onion addresses remembered of one topic that we reached ourselves: whoever names others does not drive them out.
const REACHED_MAX: usize = 8;
/// Topics that wait for the same dial.
const WAITING_MAX: usize = 64;
/// Addresses that wait for their dial.
const CHECKS_MAX: usize = 64;
/// Of them, of one source.
const CHECKS_EACH: usize = 4;
/// A check lasts as long as its dial may: before that it does not make room.
const CHECK: Duration = Duration::from_secs(10);
/// Addresses remembered as having answered.
const VERIFIED_MAX: usize = 4096;

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

/// What a topic is to us.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kin {
    /// A channel that is followed here meets there.
    Ours,
    /// A blob that is held or wanted for one.
    Blob,
    /// Nothing.
    Strange,
}

/// A place and who hears of it.
pub(crate) type Meeting = (Topic, Circle);

/// Addresses of one topic.
#[derive(Debug)]
struct Known {
    clear: Places<PeerAddr>,
    onions: Places<PeerAddr>,
    reached: Places<PeerAddr>,
    until: BTreeMap<PeerAddr, Duration>,
}

impl Default for Known {
    fn default() -> Self {
        let of = |most| Places::new(most, most, Duration::ZERO);
        Self { clear: of(CLEAR_MAX), onions: of(ONIONS_MAX), reached: of(REACHED_MAX), until: BTreeMap::new() }
    }
}

impl Known {
    /// Keeps an address; gives back the one that made room.
    fn keep(&mut self, now: Duration, who: &Payer, addr: &PeerAddr, reached: bool) -> Entry<PeerAddr> {
        let is_onion = matches!(addr, PeerAddr::Onion(..));
        let places = match (is_onion, reached || self.reached.contains(addr)) {
            (false, _) => &mut self.clear,
            (true, false) => &mut self.onions,
            (true, true) => {
                self.onions.leave(addr);
                &mut self.reached
            }
        };
        let entry = places.enter(now, who, addr.clone());
        match &entry {
            Entry::Refused => {
                self.until.remove(addr);
                return Entry::Refused;
            }
            Entry::Instead(gone) => drop(self.until.remove(gone)),
            Entry::Taken => {}
        }
        self.until.insert(addr.clone(), now + LIFE);
        entry
    }
    fn drop(&mut self, addr: &PeerAddr) {
        self.until.remove(addr);
        for places in [&mut self.clear, &mut self.onions, &mut self.reached] {
            places.leave(addr);
        }
    }
}

/// An announce that waits for its address to be dialled.
#[derive(Debug)]
struct Waits {
    meeting: Meeting,
    kin: Kin,
    who: Payer,
}

/// The machine.
pub(crate) struct Pex {
    topics: BTreeMap<Meeting, Known>,
    blobs: Places<(Meeting, PeerAddr)>,
    strange: Places<(Meeting, PeerAddr)>,
    verified: BTreeMap<PeerAddr, Duration>,
    checks: Places<PeerAddr>,
    waiting: BTreeMap<PeerAddr, Vec<Waits>>,
}

impl Default for Pex {
    fn default() -> Self {
        Self {
            topics: BTreeMap::new(),
            blobs: Places::new(BLOBS_MAX, BLOBS_MAX, Duration::ZERO),
            strange: Places::new(STRANGE_MAX, STRANGE_MAX, Duration::ZERO),
            verified: BTreeMap::new(),
            checks: Places::new(CHECKS_MAX, CHECKS_EACH, CHECK),
            waiting: BTreeMap::new(),
        }
    }
}

impl Pex {
    /// A peer at `from` (`None`: its IP is hidden) says that it can be dialled at `addr` about a topic that is `kin` to us.
    pub(crate) fn announced(
        &mut self,
        now: Duration,
        from: Option<IpAddr>,
        who: &Payer,
        meeting: Meeting,
        kin: Kin,
        addr: &PeerAddr,
    ) -> Taken {
        match addr {
            PeerAddr::Name(..) => Taken::Refused,
            PeerAddr::Onion(_, 0) => Taken::Refused,
            PeerAddr::Onion(..) => self.keep(now, who, meeting, kin, addr),
            PeerAddr::Ip(socket) => {
                if socket.port() == 0 || from.map(|ip| ip.to_canonical()) != Some(socket.ip().to_canonical()) {
                    return Taken::Refused;
                }
                if self.verified.get(addr).is_some_and(|until| *until > now) {
                    return self.keep(now, who, meeting, kin, addr);
                }
                let waits = Waits { meeting, kin, who: who.clone() };
                if let Some(others) = self.waiting.get_mut(addr) {
                    if others.len() < WAITING_MAX && !others.iter().any(|other| other.meeting == meeting) {
                        others.push(waits);
                    }
                    return Taken::Waiting;
                }
                match self.checks.enter(now, who, addr.clone()) {
                    Entry::Refused => return Taken::Refused,
                    Entry::Instead(late) => drop(self.waiting.remove(&late)),
                    Entry::Taken => {}
                }
                self.waiting.insert(addr.clone(), vec![waits]);
                Taken::Check
            }
        }
    }
    /// An address was dialled: announces that waited for it are kept or dropped.
    pub(crate) fn dialled(&mut self, now: Duration, addr: &PeerAddr, ok: bool) {
        self.checks.leave(addr);
        let waiting = self.waiting.remove(addr).unwrap_or_default();
        if !ok {
            self.verified.remove(addr);
            return;
        }
        if self.verified.len() < VERIFIED_MAX || self.verified.contains_key(addr) {
            self.verified.insert(addr.clone(), now + LIFE);
        }
        for Waits { meeting, kin, who } in waiting {
            self.keep(now, &who, meeting, kin, addr);
        }
        if matches!(addr, PeerAddr::Onion(..)) {
            let told: Vec<&mut Known> = self.topics.values_mut().filter(|known| known.onions.contains(addr)).collect();
            for known in told {
                let Some(who) = known.onions.payer(addr).cloned() else { continue };
                known.keep(now, &who, addr, true);
            }
        }
    }
    fn keep(&mut self, now: Duration, who: &Payer, meeting: Meeting, kin: Kin, addr: &PeerAddr) -> Taken {
        let reached = self.verified.get(addr).is_some_and(|until| *until > now);
        let known = self.topics.entry(meeting).or_default();
        let entry = known.keep(now, who, addr, reached);
        let shelves = [(&mut self.blobs, Kin::Blob), (&mut self.strange, Kin::Strange)];
        let mut made_room = None;
        for (shelf, of) in shelves {
            if let Entry::Instead(gone) = &entry {
                shelf.leave(&(meeting, gone.clone()));
            }
            if kin != of || entry == Entry::Refused {
                shelf.leave(&(meeting, addr.clone()));
                continue;
            }
            match shelf.enter(now, who, (meeting, addr.clone())) {
                Entry::Taken => {}
                Entry::Instead(gone) => made_room = Some(gone),
                Entry::Refused => made_room = Some((meeting, addr.clone())),
            }
        }
        let refused =
            entry == Entry::Refused || made_room.as_ref().is_some_and(|gone| *gone == (meeting, addr.clone()));
        if let Some((meeting, addr)) = made_room {
            self.drop(&meeting, &addr);
        }
        self.tidy(&meeting);
        if refused { Taken::Refused } else { Taken::Kept }
    }
    fn drop(&mut self, meeting: &Meeting, addr: &PeerAddr) {
        if let Some(known) = self.topics.get_mut(meeting) {
            known.drop(addr);
        }
        self.tidy(meeting);
    }
    fn tidy(&mut self, meeting: &Meeting) {
        if self.topics.get(meeting).is_some_and(|known| known.until.is_empty()) {
            self.topics.remove(meeting);
        }
    }
    /// Addresses to pass on for a topic to a peer of this circle.
    pub(crate) fn peers(&self, now: Duration, circle: Circle, topic: &Topic) -> Vec<PeerAddr> {
        let addrs = self.topics.get(&(*topic, circle)).into_iter().flat_map(|known| &known.until);
        addrs.filter(|(_, until)| **until > now).map(|(addr, _)| addr.clone()).collect()
    }
    /// Drops what is too old.
    pub(crate) fn expire(&mut self, now: Duration) {
        self.verified.retain(|_, until| *until > now);
        for (meeting, known) in &mut self.topics {
            let old: Vec<PeerAddr> =
                known.until.iter().filter(|(_, until)| **until <= now).map(|(addr, _)| addr.clone()).collect();
            for addr in old {
                known.drop(&addr);
                for shelf in [&mut self.blobs, &mut self.strange] {
                    shelf.leave(&(*meeting, addr.clone()));
                }
            }
        }
        self.topics.retain(|_, known| !known.until.is_empty());
    }
}

#[cfg(test)]
mod tests;
