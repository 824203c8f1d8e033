//! E10 Bans — whom a wrong answer is held against.
//!
//! Owns: what was held against whom, and until when. Connections are not authenticated, and many live behind one address:
//! so what was said wrong is held against the very place first (`ip:port` as we dialled it, or as the peer says that it
//! listens), for a short time when it was one thing only, and against the address when two of its places did it. Promises:
//! bounded; who is banned is so for its time and no longer; everything is forgotten in the end.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;

use protocol::addr::OnionKey;
use protocol::{AddrClass, PeerAddr};

use crate::Ban;

/// Bans kept at most; the one that ends first goes.
const BANS_MAX: usize = 4096;
/// Addresses of which it is known what they did wrong; who did it longest ago is forgotten first.
const WRONGS_MAX: usize = 4096;
/// The part of a ban's time that one wrong thing costs.
const ONCE: u32 = 6;

/// Whom a ban hits.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Culprit {
    /// An IPv4 address, or an IPv6 network of 64 bits: one household either way.
    Net(IpAddr),
    Onion(OnionKey),
    /// This one place.
    Place(PeerAddr),
}

impl std::fmt::Display for Culprit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Net(IpAddr::V6(net)) => write!(f, "{net}/64"),
            Self::Net(ip) => ip.fmt(f),
            Self::Onion(key) => key.fmt(f),
            Self::Place(addr) => addr.fmt(f),
        }
    }
}

/// The part of an IP that one subscriber owns.
fn network(ip: IpAddr) -> IpAddr {
    match ip.to_canonical() {
        IpAddr::V6(v6) => {
            let s = v6.segments();
            IpAddr::V6(Ipv6Addr::new(s[0], s[1], s[2], s[3], 0, 0, 0, 0))
        }
        v4 => v4,
    }
}

/// Whose place it is. Many nodes share a machine on loopback (tests), and of a name nothing else is known.
fn owner(addr: &PeerAddr) -> Culprit {
    match addr {
        PeerAddr::Onion(key, _) => Culprit::Onion(*key),
        PeerAddr::Ip(socket) if addr.class() != AddrClass::Loopback => Culprit::Net(network(socket.ip())),
        PeerAddr::Ip(_) | PeerAddr::Name(..) => Culprit::Place(addr.clone()),
    }
}

/// What one owner did wrong.
#[derive(Debug)]
struct Wrongs {
    times: u32,
    /// From which places; two are enough.
    places: BTreeSet<PeerAddr>,
    /// When it is forgotten.
    until: Duration,
}

/// The machine.
#[derive(Debug, Default)]
pub(crate) struct Bans {
    bans: BTreeMap<Culprit, Duration>,
    wrongs: BTreeMap<Culprit, Wrongs>,
    /// The user's own, who are never banned: until when they are left alone.
    spared: BTreeMap<PeerAddr, Duration>,
}

impl Bans {
    /// Whoever was met at `addr` did something wrong. `listens`: where it says that it can be dialled, if it said so. Returns
    /// until when something is banned for it: the full `span` for the second wrong thing, a sixth for the first.
    pub(crate) fn wrong(
        &mut self,
        now: Duration,
        addr: &PeerAddr,
        listens: Option<&PeerAddr>,
        span: Duration,
    ) -> Duration {
        let owner = owner(addr);
        if self.wrongs.len() >= WRONGS_MAX && !self.wrongs.contains_key(&owner) {
            let oldest = self.wrongs.iter().min_by_key(|(_, wrongs)| wrongs.until).map(|(owner, _)| owner.clone());
            oldest.and_then(|oldest| self.wrongs.remove(&oldest));
        }
        let new = || Wrongs { times: 0, places: BTreeSet::new(), until: now };
        let wrongs = self.wrongs.entry(owner.clone()).or_insert_with(new);
        if wrongs.until <= now {
            *wrongs = new();
        }
        wrongs.times = wrongs.times.saturating_add(1);
        wrongs.until = now + span;
        if wrongs.places.len() < 2 {
            // Who calls comes from another port each time: where it listens is the better name, if it told.
            wrongs.places.insert(listens.unwrap_or(addr).clone());
        }
        let until = now + if wrongs.times > 1 { span } else { span / ONCE };
        let all = wrongs.places.len() > 1;
        for place in [Some(addr), listens].into_iter().flatten() {
            self.ban(Culprit::Place(place.clone()), until);
        }
        if all {
            self.ban(owner, until);
        }
        until
    }
    fn ban(&mut self, culprit: Culprit, until: Duration) {
        if self.bans.len() >= BANS_MAX
            && !self.bans.contains_key(&culprit)
            && let Some(first) = self.bans.iter().min_by_key(|(_, until)| **until).map(|(who, _)| who.clone())
        {
            self.bans.remove(&first);
        }
        let ends = self.bans.entry(culprit).or_default();
        *ends = (*ends).max(until);
    }
    /// The user named this place: it did something wrong and is left alone until then, no longer.
    pub(crate) fn spare(&mut self, addr: &PeerAddr, until: Duration) {
        if self.spared.len() < BANS_MAX {
            self.spared.insert(addr.clone(), until);
        }
    }
    /// Whether, and until when, this place is banned or left alone.
    pub(crate) fn left_alone(&self, now: Duration, addr: &PeerAddr) -> Option<Duration> {
        let spared = self.spared.get(addr).copied().filter(|until| *until > now);
        spared.or_else(|| self.until(now, addr))
    }
    /// All who are banned or left alone, for people: of one who is banned as a whole no single places. Those first whose
    /// time is the longest, at most so many.
    pub(crate) fn list(&self, now: Duration, most: usize) -> Vec<Ban> {
        let whole = |place: &PeerAddr| {
            let owner = owner(place);
            !matches!(owner, Culprit::Place(_)) && self.bans.get(&owner).is_some_and(|until| *until > now)
        };
        let banned = self.bans.iter().filter(|(who, _)| !matches!(who, Culprit::Place(place) if whole(place)));
        let banned = banned.map(|(who, until)| Ban { who: who.to_string(), until: *until });
        let spared = self.spared.iter().map(|(addr, until)| Ban { who: addr.to_string(), until: *until });
        let mut all: Vec<Ban> = banned.chain(spared).filter(|ban| ban.until > now).collect();
        all.sort_by(|a, b| b.until.cmp(&a.until).then_with(|| a.who.cmp(&b.who)));
        all.truncate(most);
        all
    }
    /// Until when this place is banned, if it is: itself, or whoever it belongs to.
    pub(crate) fn until(&self, now: Duration, addr: &PeerAddr) -> Option<Duration> {
        let place = self.bans.get(&Culprit::Place(addr.clone()));
        place.into_iter().chain(self.bans.get(&owner(addr))).copied().max().filter(|until| *until > now)
    }
    /// Drops what has ended.
    pub(crate) fn expire(&mut self, now: Duration) {
        self.bans.retain(|_, until| *until > now);
        self.wrongs.retain(|_, wrongs| wrongs.until > now);
        self.spared.retain(|_, until| *until > now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);

    fn at(text: &str) -> PeerAddr {
        text.parse().unwrap()
    }
    fn secs(n: u64) -> Duration {
        Duration::from_secs(n)
    }

    #[test]
    fn one_wrong_thing_is_held_against_one_place_for_a_short_time() {
        let mut bans = Bans::default();
        assert_eq!(bans.wrong(secs(0), &at("45.1.2.3:1000"), None, HOUR), HOUR / ONCE);
        assert!(bans.until(secs(0), &at("45.1.2.3:1000")).is_some());
        assert!(bans.until(secs(0), &at("45.1.2.3:2000")).is_none(), "its neighbour behind the same address");
        assert!(bans.until(HOUR / ONCE, &at("45.1.2.3:1000")).is_none());
        // The same place again: the whole time, and still its own only.
        assert_eq!(bans.wrong(secs(700), &at("45.1.2.3:1000"), None, HOUR), secs(700) + HOUR);
        assert!(bans.until(secs(701), &at("45.1.2.3:2000")).is_none());
    }

    #[test]
    fn two_places_of_one_address_are_held_against_the_address() {
        let mut bans = Bans::default();
        bans.wrong(secs(0), &at("45.1.2.3:1000"), None, HOUR);
        bans.wrong(secs(1), &at("[::ffff:45.1.2.3]:2000"), None, HOUR);
        assert_eq!(bans.until(secs(2), &at("45.1.2.3:3000")), Some(secs(1) + HOUR));
        assert!(bans.until(secs(2), &at("45.1.2.4:1000")).is_none());
        bans.wrong(secs(2), &at("[2a00:1:2:3::1]:1"), None, HOUR);
        bans.wrong(secs(2), &at("[2a00:1:2:3::2]:1"), None, HOUR);
        assert!(bans.until(secs(3), &at("[2a00:1:2:3:9::9]:7")).is_some(), "one household");
        assert!(bans.until(secs(3), &at("[2a00:1:2:4::1]:1")).is_none());
        bans.expire(secs(2) + HOUR);
        assert!(bans.bans.is_empty() && bans.wrongs.is_empty());
        // What was long ago is not added up.
        bans.wrong(HOUR * 3, &at("45.1.2.3:4000"), None, HOUR);
        assert!(bans.until(HOUR * 3, &at("45.1.2.3:3000")).is_none());
    }

    #[test]
    fn who_calls_is_known_by_where_it_listens_if_it_said_so() {
        let mut bans = Bans::default();
        let listens = at("45.1.2.3:6881");
        bans.wrong(secs(0), &at("45.1.2.3:50001"), Some(&listens), HOUR);
        bans.wrong(secs(9), &at("45.1.2.3:50002"), Some(&listens), HOUR);
        assert!(bans.until(secs(10), &listens).is_some());
        assert!(bans.until(secs(10), &at("45.1.2.3:6882")).is_none(), "one node twice, its neighbour never");
        // Who does not say it counts by its port, and comes from another one each time.
        bans.wrong(secs(10), &at("45.7.7.7:50001"), None, HOUR);
        bans.wrong(secs(11), &at("45.7.7.7:50002"), None, HOUR);
        assert!(bans.until(secs(12), &at("45.7.7.7:6881")).is_some());
    }

    #[test]
    fn an_onion_is_its_own_and_loopback_is_many() {
        let mut bans = Bans::default();
        let onion = PeerAddr::Onion(OnionKey([1; 32]), 6881);
        bans.wrong(secs(0), &onion, None, HOUR);
        assert!(bans.until(secs(1), &onion).is_some());
        for port in [1, 2, 3] {
            bans.wrong(secs(0), &at(&format!("127.0.0.1:{port}")), None, HOUR);
        }
        assert!(bans.until(secs(1), &at("127.0.0.1:3")).is_some());
        assert!(bans.until(secs(1), &at("127.0.0.1:4")).is_none());
    }

    #[test]
    fn who_is_banned_can_be_told() {
        let mut bans = Bans::default();
        bans.wrong(secs(0), &at("45.1.2.3:1000"), None, HOUR);
        bans.wrong(secs(0), &at("[2a00:1:2:3::1]:1"), None, HOUR);
        bans.wrong(secs(1), &at("[2a00:1:2:3::2]:2"), None, HOUR);
        bans.spare(&at("10.0.0.1:5"), secs(30));
        let told =
            |bans: &Bans, now, most| bans.list(secs(now), most).into_iter().map(|ban| ban.who).collect::<Vec<_>>();
        assert_eq!(told(&bans, 2, 10), ["2a00:1:2:3::/64", "45.1.2.3:1000", "10.0.0.1:5"]);
        assert_eq!(bans.list(secs(2), 1), [Ban { who: "2a00:1:2:3::/64".into(), until: secs(1) + HOUR }]);
        assert_eq!(bans.left_alone(secs(2), &at("10.0.0.1:5")), Some(secs(30)));
        assert!(bans.until(secs(2), &at("10.0.0.1:5")).is_none(), "it may be dialled and may call");
        assert_eq!(told(&bans, 600, 10), ["2a00:1:2:3::/64"]);
        bans.expire(secs(1) + HOUR);
        assert!(bans.list(secs(0), 10).is_empty() && bans.spared.is_empty());
    }

    #[test]
    fn it_has_an_end() {
        let mut bans = Bans::default();
        for n in 0..6000_u32 {
            let ip = std::net::Ipv4Addr::from_bits((45 << 24) | n);
            bans.wrong(secs(n.into()), &PeerAddr::Ip((ip, 1000).into()), None, HOUR);
        }
        assert!(bans.bans.len() <= BANS_MAX && bans.wrongs.len() <= WRONGS_MAX);
    }
}
