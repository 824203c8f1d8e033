//! E9 The way out — what the node's route leads to, and what changes with it.
//!
//! Owns: the change from one route to another. Promises: what was learnt on one route and not named by the user is
//! forgotten with it; where we hide every connection is about one channel, and tells and hears of nothing else, so that
//! no peer can join two; an onion address is kept only where it can be dialled; what is told on one side of the house is
//! not passed on at the other.

use std::collections::{BTreeMap, BTreeSet};
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
    /// Where others can dial us in the clear, if it is known.
    pub own_addr: Option<PeerAddr>,
    /// It leads through a proxy or Tor and nowhere straight: onions can be dialled, answers take seconds.
    pub detour: bool,
    /// Onions are dialled through Tor, which keeps apart what we keep apart; on a detour everything is.
    pub tor: bool,
}

/// On which side of the house an address was met.
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

/// Who hears what a peer told: whoever is met on the same side, and where we hide, for the same channel (E9).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Circle {
    pub(crate) side: Side,
    pub(crate) channel: Option<ChannelKey>,
}

impl Circle {
    pub(crate) fn of(peer: &Peer) -> Self {
        Self { side: Side::of(&peer.addr), channel: peer.only }
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
        self.onions.clear();
        let rate = if way.dht && way.port != 0 { self.config.announces_per_second } else { 0.0 };
        self.announces.set_rate(rate);
        self.lookups.clear();
        self.pex = crate::pex::Pex::default();
        self.book.drop_told();
        let keys: Vec<ChannelKey> = self.channels.keys().copied().collect();
        for key in keys {
            let Some(channel) = self.channels.get_mut(&key) else { continue };
            channel.fruitless = 0;
            channel.looked = None;
            let asks_dht = !channel.is_private() || channel.follow.manifest.is_none();
            self.timers.set(Timer::Lookup(key), now);
            self.timers.set(Timer::Dial(key), now);
            if way.dht {
                if asks_dht {
                    self.outputs.push_back(Output::DhtRefresh(key));
                }
                self.plan_refresh(now, &key);
            } else {
                self.timers.cancel(Timer::Refresh(key));
            }
        }
        self.announces.again();
        self.plan_announces();
    }

    /// Whether this address leads anywhere on the route.
    pub(crate) fn is_on_our_way(&self, addr: &PeerAddr, source: Source) -> bool {
        match addr.class() {
            AddrClass::Onion => self.detour || self.tor,
            AddrClass::Global => true,
            // Nobody but the user and the network itself sends us into one that is not the world's.
            AddrClass::Private => {
                source == Source::User || self.config.allow_local || (source == Source::Lan && !self.detour)
            }
            AddrClass::Loopback => source == Source::User || self.config.allow_local,
        }
    }

    /// Whether Tor stands between us and this address, so that nobody there knows who we are.
    pub(crate) fn hides(&self, addr: &PeerAddr) -> bool {
        self.tor && (self.detour || addr.class() == AddrClass::Onion)
    }

    pub(crate) fn hello_wait(&self, addr: &PeerAddr) -> Duration {
        if self.detour || self.hides(addr) { HELLO_WAIT_DETOUR } else { HELLO_WAIT }
    }

    /// How many connections to one address serve a channel.
    pub(crate) fn circuits(&self, addr: &PeerAddr) -> usize {
        if self.hides(addr) { CIRCUITS } else { 1 }
    }

    /// Onion addresses of ours, each known to the peers of one channel: told to them from here on.
    pub fn set_onions(&mut self, now: Duration, onions: BTreeMap<ChannelKey, PeerAddr>) {
        if self.onions != onions {
            self.onions = onions;
            self.tell_everybody(now);
        }
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
mod tests;
