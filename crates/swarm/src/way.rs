//! E9 The way out — what the node's route leads to, and what changes with it.
//!
//! Owns: the change from one route to another. Promises: what was learnt on one route and not named by the user is
//! forgotten with it; on the dark side every connection is about one channel, so that no peer can join two; an onion
//! address is kept only where it can be dialled.

use std::collections::BTreeSet;
use std::time::Duration;

use protocol::session::Role;
use protocol::{AddrClass, ChannelKey, PeerAddr};

use crate::channel::Channel;
use crate::peers::Peer;
use crate::swarm::Swarm;
use crate::timers::Timer;
use crate::{ConnId, Output, Source};

/// A dialled peer has this long to say HELLO before it is treated as v5.
const HELLO_WAIT: Duration = Duration::from_millis(500);
/// The same on a detour: its answer crosses the world several times.
const HELLO_WAIT_DETOUR: Duration = Duration::from_secs(10);
/// Connections by which one peer's blobs come on a route that is slower for one connection than for several.
const CIRCUITS: usize = 4;

/// What a route leads to.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Way {
    /// Whether there is a DHT.
    pub dht: bool,
    /// Our own port as others can dial it; 0: none.
    pub port: u16,
    /// Addresses of our own network may be learnt from the DHT and peers.
    pub allow_local: bool,
    /// Where others can dial us, if it is known.
    pub own_addr: Option<PeerAddr>,
    /// It leads through a proxy or Tor: onions can be dialled, answers take seconds.
    pub detour: bool,
    /// Through Tor, which keeps apart what we keep apart.
    pub tor: bool,
}

/// On which side of the house an address was met: what is told on one is not passed on at the other (E9).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Side {
    /// Whoever has a clear address.
    Clear,
    /// Whoever came by an onion service, ours or theirs.
    Dark,
}

impl Side {
    pub(crate) fn of(addr: &PeerAddr) -> Self {
        if addr.class() == AddrClass::Onion { Self::Dark } else { Self::Clear }
    }
}

impl Swarm {
    /// Another route: connections of the old one are ended by the node, which then tells addresses anew.
    pub fn set_way(&mut self, now: Duration, way: Way) {
        self.config.dht = way.dht;
        self.config.port = way.port;
        self.config.allow_local = way.allow_local;
        self.config.own_addr = way.own_addr;
        self.detour = way.detour;
        self.tor = way.tor;
        let rate = if way.dht && way.port != 0 { self.config.announces_per_second } else { 0.0 };
        self.announces.set_rate(rate);
        self.lookups.clear();
        self.pex = crate::pex::Pex::default();
        self.book.drop_told();
        let keys: Vec<ChannelKey> = self.channels.keys().copied().collect();
        for key in keys {
            let Some(channel) = self.channels.get_mut(&key) else { continue };
            channel.fruitless = 0;
            let asks_dht = !channel.is_private() || channel.follow.manifest.is_none();
            self.timers.set(Timer::Lookup(key), now);
            self.timers.set(Timer::Dial(key), now);
            if way.dht {
                if asks_dht {
                    self.outputs.push_back(Output::DhtRefresh(key));
                }
                let wait = Duration::from_secs(3600).mul_f64(self.chance());
                self.timers.set(Timer::Refresh(key), now + wait);
            } else {
                self.timers.cancel(Timer::Refresh(key));
            }
        }
        self.announces.again();
        self.plan_announces(now);
    }

    /// Whether this address leads anywhere on the route.
    pub(crate) fn is_on_our_way(&self, addr: &PeerAddr, source: Source) -> bool {
        match addr.class() {
            AddrClass::Onion => self.detour,
            AddrClass::Global => true,
            // Nobody but the user and the network itself sends us into one that is not the world's.
            AddrClass::Private => {
                source == Source::User || self.config.allow_local || (source == Source::Lan && !self.detour)
            }
            AddrClass::Loopback => source == Source::User || self.config.allow_local,
        }
    }

    pub(crate) fn hello_wait(&self) -> Duration {
        if self.detour { HELLO_WAIT_DETOUR } else { HELLO_WAIT }
    }

    /// How many connections to one address serve a channel.
    pub(crate) fn circuits(&self) -> usize {
        if self.tor { CIRCUITS } else { 1 }
    }

    /// Where nothing is wanted any more one connection to an address is enough: others need the room.
    pub(crate) fn part_with_circuits(&mut self) {
        let mut kept = BTreeSet::new();
        let mut idle = Vec::new();
        for (conn, peer) in self.peers.iter().filter(|(_, peer)| peer.role == Role::Dialler) {
            let wanting = peer.channels().iter().any(|key| self.picker.is_wanting(key));
            if !wanting && !kept.insert((peer.addr.clone(), peer.channels().clone())) {
                idle.push(conn);
            }
        }
        self.outputs.extend(idle.into_iter().map(Output::Close));
    }

    /// Gateways that were dialled for a public channel and do not follow it.
    pub(crate) fn gateways_for(&self, channel: &Channel) -> Vec<ConnId> {
        let key = &channel.follow.key;
        let serves = |peer: &Peer| peer.ext.gateway && peer.named.contains(key) && !peer.shared.contains(key);
        let all = self.peers.iter().filter(|(_, peer)| !channel.is_private() && serves(peer));
        all.map(|(conn, _)| conn).collect()
    }

    /// No DHT tells of news where there is none: gateways are asked again.
    pub(crate) fn ask_gateways(&mut self, key: &ChannelKey) {
        if self.config.dht {
            return;
        }
        let Some(channel) = self.channels.get(key).filter(|c| !c.is_private()) else { return };
        let after = channel.news_after();
        for conn in self.gateways_for(channel) {
            if let Some(peer) = self.peers.get_mut(conn)
                && peer.ext.manifest
                && peer.asked.insert(*key)
            {
                self.send(conn, protocol::session::Command::GetManifest(*key, after));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Config, Follow};
    use protocol::addr::OnionKey;
    use protocol::handshake::Binding;
    use protocol::session::{Capabilities, Command, Event, Hello};
    use protocol::{BlobId, Topic, rendezvous};

    const KEY: ChannelKey = ChannelKey([7; 32]);
    const NOW: Duration = Duration::from_secs(1);

    fn onion(n: u8) -> PeerAddr {
        PeerAddr::Onion(OnionKey([n; 32]), 6881)
    }
    fn in_the_dark(own: Option<PeerAddr>) -> Swarm {
        let config = Config {
            capabilities: Capabilities { manifest: true, have: true, split: true, gateway: false },
            port: 4170,
            dht: true,
            allow_local: true,
            connections_max: 50,
            per_channel: 12,
            announces_per_second: 2.0,
            announce_cycle: Duration::from_secs(900),
            ban: Duration::from_secs(3600),
            own_addr: "45.1.2.3:4170".parse().ok(),
            unix_ms_at_start: 1_700_000_000_000,
        };
        let mut swarm = Swarm::new(config, 1);
        swarm.set_way(NOW, Way { own_addr: own, detour: true, tor: true, ..Way::default() });
        swarm.follow(NOW, Follow { key: KEY, read_key: None, manifest: None, floor: 0 });
        swarm
    }
    /// Everything that is to be done within a minute.
    fn outputs(swarm: &mut Swarm) -> Vec<Output> {
        let mut all = Vec::new();
        while let Some(at) = swarm.poll_timeout().filter(|at| *at < NOW + Duration::from_secs(60)) {
            swarm.handle_timeout(at);
            all.extend(std::iter::from_fn(|| swarm.poll_output()));
        }
        all.extend(std::iter::from_fn(|| swarm.poll_output()));
        all
    }
    fn dialled(outputs: &[Output]) -> Vec<PeerAddr> {
        let dial = |output: &Output| if let Output::Dial(_, addr) = output { Some(addr.clone()) } else { None };
        outputs.iter().filter_map(dial).collect()
    }
    /// Meets a peer at this address, which follows the channel, or is a gateway.
    fn meet(swarm: &mut Swarm, addr: &PeerAddr, gateway: bool) -> (ConnId, Vec<Output>) {
        swarm.add_addr(NOW, addr.clone(), Some(KEY), Source::User);
        let outputs = outputs(swarm);
        let id =
            outputs.iter().find_map(|o| if let Output::Dial(id, a) = o { (a == addr).then_some(*id) } else { None });
        let id = id.unwrap();
        let n = u8::try_from(id.0).unwrap();
        swarm.handle_dialled(NOW, id, Some(Binding { dialler: [n; 32], acceptor: [n + 100; 32] }));
        let ext = Capabilities { manifest: true, have: true, split: true, gateway };
        let gossip = if gateway { Vec::new() } else { vec![(KEY, 0)] };
        swarm.handle_event(NOW, id, Event::Hello(Hello { gossip, ext, ..Hello::default() }));
        let all = self::outputs(swarm);
        (id, all)
    }
    fn topic() -> Topic {
        rendezvous::public(&KEY)
    }

    #[test]
    fn nobody_in_the_dark_names_a_clear_address_to_dial() {
        let mut swarm = in_the_dark(Some(onion(9)));
        let (id, said) = meet(&mut swarm, &onion(1), false);
        assert!(said.iter().any(|o| matches!(o, Output::Send(c, Command::FindPeers(t)) if *c == id && *t == topic())));
        let clear = ["127.0.0.1:1", "192.168.0.1:2", "45.9.9.9:3"].map(|text| text.parse::<PeerAddr>().unwrap());
        let told: Vec<PeerAddr> = clear.iter().cloned().chain([onion(2)]).collect();
        swarm.handle_event(NOW, id, Event::Peers(topic(), told));
        for addr in &clear {
            swarm.handle_event(NOW, id, Event::Announce(topic(), addr.clone()));
        }
        assert_eq!(dialled(&outputs(&mut swarm)), [onion(2)]);
    }

    #[test]
    fn we_tell_our_onion_and_nothing_else_and_look_nothing_up() {
        let mut swarm = in_the_dark(Some(onion(9)));
        let (_, said) = meet(&mut swarm, &onion(1), false);
        let (_, more) = meet(&mut swarm, &"45.1.1.1:4170".parse().unwrap(), true);
        let all: Vec<Output> = said.into_iter().chain(more).collect();
        let mut told = 0;
        for output in &all {
            match output {
                Output::Send(_, Command::Announce(_, addr)) => {
                    assert_eq!(*addr, onion(9));
                    told += 1;
                }
                Output::DhtLookup(_) | Output::DhtAnnounce(_) | Output::DhtRefresh(_) => panic!("{output:?}"),
                _ => {}
            }
        }
        assert_eq!(told, 2, "a follower and a gateway are told");
    }

    #[test]
    fn one_side_is_not_told_of_the_other() {
        let mut swarm = in_the_dark(None);
        let clear: PeerAddr = "45.1.1.1:4170".parse().unwrap();
        let (dark_conn, _) = meet(&mut swarm, &onion(1), false);
        let (clear_conn, _) = meet(&mut swarm, &clear, false);
        swarm.handle_event(NOW, dark_conn, Event::Announce(topic(), onion(3)));
        let (other, _) = meet(&mut swarm, &onion(2), false);
        for (conn, expected) in [(clear_conn, vec![]), (other, vec![onion(1), onion(3)])] {
            swarm.handle_event(NOW, conn, Event::FindPeers(topic()));
            let answers: Vec<_> = outputs(&mut swarm)
                .into_iter()
                .filter_map(|o| if let Output::Send(_, Command::Peers(_, addrs)) = o { Some(addrs) } else { None })
                .collect();
            assert_eq!(answers, [expected]);
        }
    }

    #[test]
    fn a_connection_is_about_one_channel_and_the_next_route_knows_nothing_of_it() {
        let mut swarm = in_the_dark(None);
        let second = ChannelKey([8; 32]);
        swarm.follow(NOW, Follow { key: second, read_key: None, manifest: None, floor: 0 });
        swarm.add_addr(NOW, onion(1), None, Source::User);
        let mut named = Vec::new();
        for output in outputs(&mut swarm) {
            if let Output::Dial(id, _) = output {
                let n = u8::try_from(id.0).unwrap();
                swarm.handle_dialled(NOW, id, Some(Binding { dialler: [n; 32], acceptor: [n + 100; 32] }));
            }
        }
        for output in outputs(&mut swarm) {
            match output {
                Output::Send(_, Command::Hello(hello)) => named.push(hello.gossip.len()),
                Output::Dial(id, _) => {
                    swarm.handle_dialled(NOW, id, Some(Binding { dialler: [50; 32], acceptor: [150; 32] }));
                }
                _ => {}
            }
        }
        let hellos = outputs(&mut swarm).into_iter().filter_map(|o| match o {
            Output::Send(_, Command::Hello(hello)) => Some(hello.gossip.len()),
            _ => None,
        });
        named.extend(hellos);
        assert_eq!(named, [1, 1], "each HELLO names one channel");
        // Straight again: an onion leads nowhere, and nobody is told of what was met in the dark.
        swarm.set_way(NOW, Way { dht: true, port: 4170, ..Way::default() });
        swarm.add_addr(NOW, onion(5), Some(KEY), Source::User);
        assert!(!dialled(&outputs(&mut swarm)).contains(&onion(5)));
    }

    #[test]
    fn nobody_sends_us_into_our_own_networks_nor_home() {
        let own: PeerAddr = "45.1.2.3:4170".parse().unwrap();
        let mut swarm = in_the_dark(None);
        // Straight, in the world, with an address of our own.
        swarm.set_way(
            NOW,
            Way { own_addr: Some(own.clone()), dht: true, port: 4170, allow_local: false, ..Way::default() },
        );
        let (id, _) = meet(&mut swarm, &"45.9.9.9:1".parse().unwrap(), false);
        let bad = [
            "10.0.0.1:22",
            "192.168.1.1:80",
            "172.16.0.1:1",
            "169.254.1.1:1",
            "100.64.0.1:1",
            "127.0.0.1:631",
            "0.0.0.0:80",
            "224.0.0.1:1",
            "239.255.255.250:1900",
            "255.255.255.255:1",
            "[::1]:22",
            "[fe80::1]:1",
            "[fd00::1]:1",
            "[ff02::1]:1",
            "[::ffff:192.168.1.1]:80",
            "[64:ff9b::a00:1]:1",
            "[2002:c0a8:101::1]:1",
            "45.1.2.3:4170",
        ]
        // As they come from the DHT: as text some of them are no addresses at all.
        .map(|text| PeerAddr::Ip(text.parse().unwrap()));
        let good: PeerAddr = "45.7.7.7:7".parse().unwrap();
        let told: Vec<PeerAddr> = bad.iter().cloned().chain([good.clone()]).collect();
        swarm.handle_event(NOW, id, Event::Peers(topic(), told));
        for addr in &bad {
            swarm.handle_event(NOW, id, Event::Announce(topic(), addr.clone()));
        }
        let ips = bad.iter().filter_map(|addr| if let PeerAddr::Ip(addr) = addr { Some(*addr) } else { None });
        swarm.handle_found(NOW, topic().infohash(), ips.collect());
        let all = outputs(&mut swarm);
        assert_eq!(dialled(&all), [good]);
        assert!(
            !all.iter().any(|o| matches!(o, Output::Close(_))),
            "who was told nonsense may tell it on in good faith"
        );
    }

    #[test]
    fn callers_who_fill_every_place_and_do_nothing_make_room_in_the_end() {
        let mut swarm = in_the_dark(None);
        let call = |swarm: &mut Swarm, now: Duration, n: u8| {
            let id = ConnId(1000 + u64::from(n));
            let taken = swarm.handle_accepted(now, id, onion(n), Binding { dialler: [n; 32], acceptor: [0; 32] });
            let ext = Capabilities { manifest: true, have: true, split: true, gateway: false };
            swarm.handle_event(now, id, Event::Hello(Hello { gossip: vec![(KEY, 0)], ext, ..Hello::default() }));
            taken
        };
        // All places but those for whom we dial ourselves.
        let places = (1..=100).take_while(|n| call(&mut swarm, NOW, *n)).count();
        assert_eq!(places, 38);
        let blob = BlobId([1; 32]);
        swarm.hold(NOW, blob, KEY, crate::Rank::Rest, None);
        swarm.handle_event(NOW, ConnId(1001), Event::Requested(blob));
        assert!(!call(&mut swarm, NOW + Duration::from_secs(200), 201), "they may be about to ask");
        let late = NOW + Duration::from_secs(302);
        for n in 202..=210 {
            assert!(call(&mut swarm, late, n), "{n}");
        }
        let closed: Vec<ConnId> = std::iter::from_fn(|| swarm.poll_output())
            .filter_map(|output| if let Output::Close(id) = output { Some(id) } else { None })
            .collect();
        assert_eq!(closed.len(), 9);
        assert!(!closed.contains(&ConnId(1001)), "one that is served stays");
    }
}
