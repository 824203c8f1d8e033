//! Connected peers: what each said and what we said to it.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::Duration;

use protocol::handshake::Binding;
use protocol::price::{Payer, Source};
use protocol::session::{Capabilities, Role};
use protocol::{AddrClass, ChannelKey, PeerAddr, Topic};

use crate::channel::Channel;
use crate::{ConnId, PeerInfo};

/// Most accepted connections from one network; this computer, where anything may stand behind an address, is exempt.
const PER_NETWORK_MAX: usize = 8;
/// Closed connections whose blobs may still be judged.
const GONE_MAX: usize = 256;

/// How far the exchange of HELLOs got.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    /// No HELLO from the peer yet.
    Waiting,
    /// We dialled and it said none: a v5 peer, until it speaks.
    Silent,
    /// It said HELLO.
    Spoke,
}

/// One connection.
#[derive(Debug)]
pub(crate) struct Peer {
    pub(crate) addr: PeerAddr,
    pub(crate) role: Role,
    pub(crate) binding: Binding,
    pub(crate) since: Duration,
    /// When a blob last came or went, or else when it was met.
    pub(crate) moved: Duration,
    pub(crate) stage: Stage,
    /// A neighbour: HELLO shows it no channel's name, but tokens (E10).
    pub(crate) near: bool,
    /// Capabilities that both named.
    pub(crate) ext: Capabilities,
    /// Where we hide: the one channel that is spoken of here.
    pub(crate) only: Option<ChannelKey>,
    /// What the connection is about, as we named it.
    pub(crate) named: BTreeSet<ChannelKey>,
    /// What both named.
    pub(crate) shared: BTreeSet<ChannelKey>,
    /// Highest sequence the peer is known to hold.
    pub(crate) sequences: BTreeMap<ChannelKey, u64>,
    /// Sequences that the peer's gossip promised and that it was asked for.
    pub(crate) promised: BTreeMap<ChannelKey, u64>,
    /// Promises not kept.
    pub(crate) broken: u8,
    /// Open GET_MANIFESTs.
    pub(crate) asked: BTreeSet<ChannelKey>,
    /// Channels of which its manifest of our sequence was asked for.
    pub(crate) compared: BTreeSet<ChannelKey>,
    /// When each channel's manifest was last pushed to it.
    pub(crate) pushed: BTreeMap<ChannelKey, Duration>,
    /// Wants up to this serial were asked for by HAVE_QUERY.
    pub(crate) queried: BTreeMap<ChannelKey, u64>,
    /// Topics of open FIND_PEERS.
    pub(crate) seeking: BTreeMap<Topic, Duration>,
    /// Where it says it can be dialled.
    pub(crate) listens: Option<PeerAddr>,
    /// How long after it was met its HELLO came: a round trip at least.
    pub(crate) answered: Option<Duration>,
    pub(crate) received: u64,
    /// Bytes of blobs that are not whole yet.
    pub(crate) coming: u64,
    pub(crate) sent: u64,
}

impl Peer {
    pub(crate) fn new(now: Duration, addr: PeerAddr, role: Role, binding: Binding) -> Self {
        Self {
            addr,
            role,
            binding,
            since: now,
            moved: now,
            stage: Stage::Waiting,
            near: false,
            ext: Capabilities::default(),
            only: None,
            named: BTreeSet::new(),
            shared: BTreeSet::new(),
            sequences: BTreeMap::new(),
            promised: BTreeMap::new(),
            broken: 0,
            asked: BTreeSet::new(),
            compared: BTreeSet::new(),
            pushed: BTreeMap::new(),
            queried: BTreeMap::new(),
            seeking: BTreeMap::new(),
            listens: None,
            answered: None,
            received: 0,
            coming: 0,
            sent: 0,
        }
    }
    /// Channels that this connection serves as far as is known: what both named; of a dialled peer without HELLO, what
    /// it was dialled for.
    pub(crate) fn channels(&self) -> &BTreeSet<ChannelKey> {
        match self.stage {
            Stage::Spoke if self.knows_channels() => &self.shared,
            _ => &self.named,
        }
    }
    /// Whether it may hear of this channel at all: what is private only who showed the token on this connection.
    pub(crate) fn may_hear_of(&self, channel: &Channel) -> bool {
        !channel.is_private() || self.shared.contains(&channel.follow.key)
    }
    /// Whether its HELLO says anything about channels: one without extensions comes from a v5 client.
    fn knows_channels(&self) -> bool {
        self.ext.manifest || self.ext.have || !self.shared.is_empty() || self.role == Role::Acceptor
    }
    /// Whether it speaks no extension.
    pub(crate) fn is_v5(&self) -> bool {
        self.stage != Stage::Spoke || self.ext == Capabilities::default()
    }
    /// Its IP, if we see it.
    pub(crate) fn ip(&self) -> Option<IpAddr> {
        match &self.addr {
            PeerAddr::Ip(socket) => Some(socket.ip().to_canonical()),
            _ => None,
        }
    }
    /// The class by which it was met.
    pub(crate) fn class(&self) -> AddrClass {
        self.addr.class()
    }
    /// Who pays for the work that it causes.
    pub(crate) fn payer(&self) -> Payer {
        match self.role {
            Role::Acceptor => Payer::caller(&self.addr, self.only),
            Role::Dialler => Payer::called(&self.addr),
        }
    }
}

/// All of them.
#[derive(Debug, Default)]
pub(crate) struct Peers {
    map: BTreeMap<ConnId, Peer>,
    /// Our ephemeral keys as dialler: one that comes back as acceptor is ourselves.
    dialled: BTreeMap<[u8; 32], ConnId>,
    accepted: BTreeMap<[u8; 32], ConnId>,
    /// Accepted connections of each network and each crowd.
    guests: BTreeMap<Source, usize>,
    gone: BTreeMap<ConnId, PeerAddr>,
}

impl Peers {
    pub(crate) fn get(&self, conn: ConnId) -> Option<&Peer> {
        self.map.get(&conn)
    }
    pub(crate) fn get_mut(&mut self, conn: ConnId) -> Option<&mut Peer> {
        self.map.get_mut(&conn)
    }
    pub(crate) fn len(&self) -> usize {
        self.map.len()
    }
    pub(crate) fn iter(&self) -> impl Iterator<Item = (ConnId, &Peer)> {
        self.map.iter().map(|(conn, peer)| (*conn, peer))
    }
    /// Whether one more may connect from there.
    pub(crate) fn has_room(&self, caller: &Payer) -> bool {
        !matches!(caller.one, Source::V4(_) | Source::V6(_)) || self.guests_of(&caller.one) < PER_NETWORK_MAX
    }
    /// Accepted connections from a network, or of those who cannot be told apart.
    pub(crate) fn guests_of(&self, source: &Source) -> usize {
        self.guests.get(source).copied().unwrap_or(0)
    }
    /// Takes a connection. Returns the other end's connection if the peer is ourselves.
    pub(crate) fn insert(&mut self, conn: ConnId, peer: Peer) -> Option<ConnId> {
        let key = peer.binding.dialler;
        let (mine, other) = match peer.role {
            Role::Dialler => (&mut self.dialled, &self.accepted),
            Role::Acceptor => (&mut self.accepted, &self.dialled),
        };
        mine.insert(key, conn);
        let twin = other.get(&key).copied();
        if peer.role == Role::Acceptor {
            let payer = peer.payer();
            for source in std::iter::once(payer.one).chain(payer.crowd) {
                *self.guests.entry(source).or_default() += 1;
            }
        }
        self.map.insert(conn, peer);
        twin
    }
    pub(crate) fn remove(&mut self, conn: ConnId) -> Option<Peer> {
        let peer = self.map.remove(&conn)?;
        let keys = match peer.role {
            Role::Dialler => &mut self.dialled,
            Role::Acceptor => &mut self.accepted,
        };
        if keys.get(&peer.binding.dialler) == Some(&conn) {
            keys.remove(&peer.binding.dialler);
        }
        if peer.role == Role::Acceptor {
            let payer = peer.payer();
            for source in std::iter::once(payer.one).chain(payer.crowd) {
                if let Some(count) = self.guests.get_mut(&source) {
                    *count -= 1;
                    if *count == 0 {
                        self.guests.remove(&source);
                    }
                }
            }
        }
        if self.gone.len() >= GONE_MAX {
            self.gone.pop_first();
        }
        self.gone.insert(conn, peer.addr.clone());
        Some(peer)
    }
    /// Where a connection leads or led.
    pub(crate) fn addr(&self, conn: ConnId) -> Option<&PeerAddr> {
        self.map.get(&conn).map(|peer| &peer.addr).or_else(|| self.gone.get(&conn))
    }
    /// For the status.
    pub(crate) fn infos(&self) -> Vec<PeerInfo> {
        let info = |(conn, peer): (&ConnId, &Peer)| PeerInfo {
            conn: *conn,
            addr: peer.addr.clone(),
            role: peer.role,
            v5: peer.is_v5(),
            received: peer.received + peer.coming,
            sent: peer.sent,
            channels: peer.channels().iter().copied().collect(),
            gateway: peer.ext.gateway,
        };
        self.map.iter().map(info).collect()
    }
}
