//! Answers — who may ask what (E4, E5, E7, E9, E10).

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::Duration;

use protocol::params::{BLOB_LEN, PEERS_MAX};
use protocol::price::Payer;
use protocol::session::{Command, PublishRequest, RequestId, Role};
use protocol::{AddrClass, BlobId, ChannelKey, PeerAddr, Topic};

use crate::peers::{Peer, Stage};
use crate::pex::{Kin, Taken};
use crate::swarm::{Held, Swarm};
use crate::timers::Timer;
use crate::way::{Circle, Side};
use crate::{ConnId, Output, Rank, Source};

/// Our own address is told again after this time, well before it is forgotten.
const TELL: Duration = Duration::from_secs(15 * 60);
/// So many copies of a root count as one of another blob.
const ROOT_COPIES: u16 = 8;
/// A gateway that knows fewer addresses than this looks in the DHT for who asks.
const FEW: usize = 8;

impl Swarm {
    /// Any blob we hold, to anybody who knows its ID; where we hide, only those of the channel that is spoken of.
    pub(crate) fn serve(&mut self, now: Duration, conn: ConnId, blob: BlobId) {
        let only = self.peers.get(conn).and_then(|peer| peer.only);
        let fits = |held: &Held| only.is_none_or(|only| held.channels.contains(&only));
        if !self.held.get(&blob).is_some_and(fits) {
            self.send(conn, Command::NotFound(blob));
            return;
        }
        self.uploads.asked(now, conn, blob);
    }
    /// Sends what has a slot.
    pub(crate) fn fill_slots(&mut self, now: Duration) {
        // Without a root nothing else can even be asked for: it goes out to more before it is common, for others to hand on.
        let times = |held: &Held| if held.rank == Rank::Root { held.sent / ROOT_COPIES } else { held.sent };
        loop {
            let may = |conn| self.peers.get(conn).is_none_or(|peer| self.loads.could_pay(now, &peer.payer(), 1));
            let times = |blob: &BlobId| self.held.get(blob).map_or(0, times);
            let Some((conn, blob)) = self.uploads.next(now, times, may) else { break };
            let Some(held) = self.held.get_mut(&blob) else {
                // Gone while it waited.
                self.uploads.ended(now, conn, false);
                self.send(conn, Command::NotFound(blob));
                continue;
            };
            held.sent = held.sent.saturating_add(1);
            if let Some(peer) = self.peers.get(conn) {
                self.loads.pay(now, &peer.payer(), 1);
            }
            self.outputs.push_back(Output::Serve(conn, blob));
        }
        let broke = self.uploads.waiters().filter_map(|conn| self.peers.get(conn));
        let broke = broke.map(|peer| self.loads.payable_at(now, &peer.payer(), 1)).filter(|at| *at > now);
        match self.uploads.next_at(now).into_iter().chain(broke).min() {
            Some(at) => self.timers.set(Timer::Uploads, at),
            None => self.timers.cancel(Timer::Uploads),
        }
    }
    /// What was to be sent is sent, and costs nothing; or it was made for nothing, and its network has paid for it.
    pub(crate) fn end_serving(&mut self, now: Duration, conn: ConnId, whole: bool) {
        let blob = self.uploads.ended(now, conn, whole);
        match self.peers.get_mut(conn) {
            Some(peer) if whole => {
                peer.sent += BLOB_LEN as u64;
                peer.moved = now;
                let payer = peer.payer();
                self.loads.refund(now, &payer, 1);
            }
            _ => {
                if let Some(held) = blob.filter(|_| !whole).and_then(|blob| self.held.get_mut(&blob)) {
                    held.sent = held.sent.saturating_sub(1);
                }
            }
        }
    }
    /// Only blobs of channels that both named are admitted.
    pub(crate) fn answer_have_query(&mut self, conn: ConnId, query: RequestId, blobs: &[BlobId]) {
        let Some(peer) = self.peers.get(conn) else { return };
        let admits = |id: &BlobId| {
            self.held.get(id).is_some_and(|held| held.channels.iter().any(|key| peer.shared.contains(key)))
        };
        let bits: Vec<bool> = blobs.iter().map(admits).collect();
        let missing = blobs.iter().zip(&bits).enumerate().filter(|(_, (_, has))| !**has);
        let missing = missing.filter_map(|(at, (id, _))| Some((u16::try_from(at).ok()?, *id))).collect();
        self.watches.watch(conn, query, missing);
        self.send(conn, Command::Have(query, bits));
    }
    pub(crate) fn tell_more(&mut self, now: Duration, conn: ConnId) {
        for (query, indexes) in self.watches.take_more(now, conn) {
            self.send(conn, Command::HaveMore(query, indexes));
        }
    }
    pub(crate) fn answer_get_manifest(
        &mut self,
        now: Duration,
        conn: ConnId,
        id: RequestId,
        key: ChannelKey,
        after: u64,
    ) {
        let Some(peer) = self.peers.get_mut(conn) else { return };
        if peer.shared.contains(&key) {
            let manifest = self.channels.get(&key).and_then(|c| c.follow.manifest.clone());
            let manifest = manifest.filter(|m| m.sequence() > after);
            if let Some(manifest) = &manifest {
                peer.sequences.insert(key, manifest.sequence());
            }
            self.send(conn, Command::Manifest(id, manifest));
        } else if let Some(payer) = self.favour(now, conn) {
            // Followed or not: a channel that was not named on this connection is unknown here.
            self.outputs.push_back(Output::GatewayLookup(conn, payer, id, key, after));
        } else {
            self.send(conn, Command::Manifest(id, None));
        }
    }
    pub(crate) fn answer_publish(&mut self, now: Duration, conn: ConnId, request: PublishRequest) {
        if !self.config.capabilities.gateway {
            self.send(conn, Command::Published(Err("this node publishes nothing for others".to_owned())));
        } else if let Some(payer) = self.favour(now, conn) {
            self.outputs.push_back(Output::Publish(conn, payer, request));
        } else {
            self.send(conn, Command::Published(Err("too many publishes from this network".to_owned())));
        }
    }
    /// As a gateway: takes the price of something that is done for a stranger. `None`: it is not to be done.
    fn favour(&mut self, now: Duration, conn: ConnId) -> Option<Payer> {
        let payer = self.peers.get(conn).filter(|_| self.config.capabilities.gateway)?.payer();
        self.favours.pay(now, &payer, 1).then_some(payer)
    }

    pub(crate) fn answer_find_peers(&mut self, now: Duration, conn: ConnId, topic: Topic) {
        let Some(peer) = self.peers.get(conn) else { return };
        // Through an onion service of ours nobody sees that this is the node that the DHT sees asking.
        let looks = self.config.dht && Circle::of(peer) == Circle { side: Side::Clear, channel: None };
        let addrs = self.known_peers(now, peer, topic, Vec::new());
        match if addrs.len() < FEW && looks { self.favour(now, conn) } else { None } {
            Some(payer) => self.outputs.push_back(Output::GatewaySeek(conn, payer, topic)),
            None => self.send(conn, Command::Peers(topic, addrs)),
        }
    }
    /// What a gateway found in the DHT for who asked by FIND_PEERS ([`Output::GatewaySeek`]), beside what it knows.
    pub fn handle_sought(&mut self, now: Duration, conn: ConnId, topic: Topic, found: Vec<SocketAddr>) {
        let Some(peer) = self.peers.get(conn) else { return };
        let found = found.into_iter().map(PeerAddr::Ip).filter(|addr| {
            // As from everybody, the DHT's word counts for the wide world.
            self.config.allow_local || addr.class() == AddrClass::Global
        });
        let addrs = self.known_peers(now, peer, topic, found.collect());
        self.send(conn, Command::Peers(topic, addrs));
    }
    /// Whom a peer may hear of, as far as we know, and `more`.
    fn known_peers(&self, now: Duration, peer: &Peer, topic: Topic, more: Vec<PeerAddr>) -> Vec<PeerAddr> {
        let unix = self.unix_ms(now);
        let circle = Circle::of(peer);
        let mut addrs = self.pex.peers(now, circle, &topic);
        addrs.extend(more);
        // Of a channel that both named we also pass on whom we reached ourselves.
        let of_blob = self.held.get(&BlobId(topic.0)).into_iter().flat_map(|held| &held.channels);
        let wanted = self.picker.channel_of(&BlobId(topic.0));
        let shared = peer.shared.iter().filter(|key| {
            let meets = self.channels.get(key).is_some_and(|c| c.topics(unix).contains(&topic));
            meets || wanted == Some(**key) || of_blob.clone().any(|c| c == *key)
        });
        for channel in shared.filter_map(|key| self.channels.get(key)) {
            let met = channel.conns.iter().filter_map(|id| self.peers.get(*id));
            let met = met.filter(|p| p.role == Role::Dialler && p.stage == Stage::Spoke);
            let met = met.filter(|p| Side::of(&p.addr) == circle.side);
            addrs.extend(met.map(|p| p.addr.clone()));
        }
        let widest = peer.class();
        let fits = |addr: &PeerAddr| {
            let reaches = self.config.allow_local || addr.class() >= widest;
            reaches && !matches!(addr, PeerAddr::Name(..)) && *addr != peer.addr && !self.book.is_banned(now, addr)
        };
        addrs.retain(fits);
        addrs.sort();
        addrs.dedup();
        addrs.truncate(PEERS_MAX);
        addrs
    }
    /// What a topic is to us where it was told: not what it is to another channel, where one alone is spoken of.
    fn kin(&self, circle: &Circle, topic: &Topic) -> Kin {
        let here = |key: &ChannelKey| circle.channel.is_none_or(|only| only == *key) && self.channels.contains_key(key);
        if self.channels.iter().any(|(key, channel)| here(key) && channel.announced.contains(topic)) {
            return Kin::Ours;
        }
        let blob = BlobId(topic.0);
        let held = self.held.get(&blob).into_iter().flat_map(|held| &held.channels);
        if held.copied().chain(self.picker.channel_of(&blob)).any(|key| here(&key)) { Kin::Blob } else { Kin::Strange }
    }
    pub(crate) fn take_announce(&mut self, now: Duration, conn: ConnId, topic: Topic, addr: PeerAddr) {
        let Some(peer) = self.peers.get(conn) else { return };
        let (ip, circle, payer) = (peer.ip(), Circle::of(peer), peer.payer());
        let shared = |key: &&ChannelKey| self.channels.get(key).is_some_and(|c| c.announced.contains(&topic));
        let shared = peer.shared.iter().find(shared).copied();
        let kin = self.kin(&circle, &topic);
        // What is ours concerns nobody's crowd: no stranger's spending keeps a follower from saying where it is.
        let price = match kin {
            Kin::Ours | Kin::Blob => Payer { crowd: None, ..payer.clone() },
            Kin::Strange if self.config.capabilities.gateway => payer.clone(),
            Kin::Strange => return,
        };
        if !self.favours.pay(now, &price, 1) {
            return;
        }
        if self.book.is_banned(now, &addr) {
            if matches!(&addr, PeerAddr::Ip(at) if Some(at.ip().to_canonical()) == ip) {
                // It is who was banned there, back from another port.
                self.outputs.push_back(Output::Close(conn));
            }
            return;
        }
        match self.pex.announced(now, ip, &payer, (topic, circle), kin, &addr) {
            // An onion that is passed on to nobody may be of use to ourselves.
            Taken::Refused if shared.is_none() || !matches!(addr, PeerAddr::Onion(_, 1..)) => return,
            Taken::Check => self.dial(addr.clone(), None),
            Taken::Refused | Taken::Kept | Taken::Waiting => {}
        }
        // An onion may be anybody's: naming a stranger's must not keep us from dialling it.
        if matches!(addr, PeerAddr::Ip(_))
            && let Some(peer) = self.peers.get_mut(conn)
        {
            peer.listens = Some(addr.clone());
            self.part_with_double(conn);
        }
        if let Some(key) = shared {
            self.learn_addr(now, addr, Some(key), Source::Announce);
        }
    }
    /// Tells everybody anew.
    pub(crate) fn tell_everybody(&mut self, now: Duration) {
        let conns: Vec<ConnId> = self.peers.iter().map(|(conn, _)| conn).collect();
        for conn in conns {
            self.timers.set(Timer::Tell(conn), now);
        }
    }
    /// Tells a peer where we can be dialled, for the channels of the connection.
    pub(crate) fn tell_addr(&mut self, now: Duration, conn: ConnId) {
        let unix = self.unix_ms(now);
        let Some(peer) = self.peers.get(conn) else { return };
        if peer.role == Role::Acceptor && peer.shared.is_empty() {
            return;
        }
        let own = |key: &ChannelKey| match self.hides(&peer.addr) {
            true => self.onions.get(key).cloned(),
            // E10: an address of our own network leads nowhere from outside, and is nobody's business there.
            false => self.config.own_addr.clone().filter(|own| own.class() >= peer.addr.class()),
        };
        // A v5 server keeps public meeting points unknowingly; a private one it must not see.
        let told = |key: &&ChannelKey| self.channels.get(key).is_some_and(|c| peer.may_hear_of(c));
        // A gateway keeps meeting points of channels that it does not follow, as a v5 server does.
        let of_gateway = peer.named.iter().filter(|_| peer.ext.gateway);
        let keys: BTreeSet<ChannelKey> = peer.channels().iter().chain(of_gateway).filter(told).copied().collect();
        let told: Vec<(ChannelKey, PeerAddr)> = keys.into_iter().filter_map(|key| Some((key, own(&key)?))).collect();
        let plain = peer.is_v5() || peer.ext.gateway;
        for (key, own) in told {
            let Some(channel) = self.channels.get(&key) else { continue };
            let mut topics = channel.topics(unix);
            // A v5 reader asks by blob, and for no others than a list's own: whoever may be asked by one is told of those.
            if plain && !channel.is_private() {
                topics.extend(
                    channel.inline.iter().filter(|blob| self.held.contains_key(*blob)).map(|blob| Topic::from(*blob)),
                );
            }
            for topic in topics {
                self.send(conn, Command::Announce(topic, own.clone()));
            }
        }
        self.timers.set(Timer::Tell(conn), now + TELL);
    }
}
