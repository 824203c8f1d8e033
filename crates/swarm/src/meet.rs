//! E7 Meeting — following, look-ups, HELLO, the end of a connection.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::Duration;

use protocol::params::HELLO_CHANNELS_MAX;
use protocol::session::{Command, Hello, Role};
use protocol::{AddrClass, BlobId, ChannelKey, InfoHash, PeerAddr, Topic};

use crate::announce::Tier;
use crate::channel::Channel;
use crate::peers::{Peer, Stage};
use crate::swarm::Swarm;
use crate::timers::Timer;
use crate::{Closed, ConnId, Follow, List, Output, Source};

/// Between look-ups when all is well. FIND_PEERS goes with them and keeps quiet sessions from ending as idle.
const LOOKUP: Duration = Duration::from_secs(200);
/// Between look-ups in the DHT when nobody is lacking: a channel of a million followers must not hammer 20 nodes.
const LOOKUP_RARE: Duration = Duration::from_secs(900);
/// First wait when something is wanted and nobody is there; doubles.
const LOOKUP_HUNGRY: Duration = Duration::from_secs(5);
/// Longest such wait.
const LOOKUP_HUNGRY_MAX: Duration = Duration::from_secs(120);
/// A look-up that was not answered for this long is forgotten.
const LOOKUP_LOST: Duration = Duration::from_secs(120);
/// Between look-ups of blobs that nobody connected has; longer when many were sought in vain.
const BLOB_LOOKUP: Duration = Duration::from_secs(5);
/// Blobs sought in vain that make it longer by as much again, up to [`BLOB_LOOKUPS_MAX`] times.
const SOUGHT_MANY: usize = 16;
/// See [`SOUGHT_MANY`].
const BLOB_LOOKUPS_MAX: u32 = 12;
/// One blob is looked up again after this time; doubles.
const BLOB_AGAIN: Duration = Duration::from_secs(120);
/// Longest such wait.
const BLOB_AGAIN_MAX: Duration = Duration::from_secs(3600);
/// Blobs of one channel whose look-ups are remembered.
const SOUGHT_MAX: usize = 1024;
/// Blobs of a list's own chunks: a manifest has room for three.
const INLINE_MAX: usize = 16;
/// After a list was read, v5 peers are told what of it is here.
const TELL_LIST: Duration = Duration::from_secs(10);
/// Addresses taken from one answer.
const FOUND_MAX: usize = 200;
/// FIND_PEERS open with one peer.
const SEEKING_MAX: usize = 8;
/// A connection that ended in peace is not dialled again before this time.
const REST: Duration = Duration::from_secs(30);
/// A connection that held this long was a good one, whatever ended it.
const PROVEN: Duration = Duration::from_secs(60);
/// A peer with whom we share nothing now is left alone this long.
const STRANGER: Duration = Duration::from_secs(600);

/// A DHT look-up under way.
pub(crate) struct LookUp {
    channel: ChannelKey,
    since: Duration,
}

impl LookUp {
    pub(crate) fn channel(&self) -> ChannelKey {
        self.channel
    }
}

impl Swarm {
    pub(crate) fn start_following(&mut self, now: Duration, follow: Follow) {
        let key = follow.key;
        if let Some(old) = self.channels.get_mut(&key) {
            // Followed already: only what is new counts.
            old.follow.floor = old.follow.floor.max(follow.floor);
            if old.follow.read_key == follow.read_key {
                if let Some(manifest) = follow.manifest {
                    self.take_manifest(now, &manifest, None);
                }
                return;
            }
            self.stop_following(&key);
        }
        let private = follow.read_key.is_some();
        let unknown = follow.manifest.is_none();
        self.channels.insert(key, Channel::new(follow));
        if !private && self.held_of.contains_key(&key) {
            for (blob, held) in self.held.iter().filter(|(_, held)| held.channels.contains(&key)) {
                self.announces.add(now, (*blob).into(), Tier::Blob(held.rank), held.announced);
            }
        }
        self.renew_rendezvous(now);
        self.plan_announces();
        self.timers.set(Timer::Lookup(key), now);
        self.timers.set(Timer::Dial(key), now);
        if self.config.dht {
            // E7: whoever knows a private channel already asks its swarm; the DHT only after a day of silence.
            if !private || unknown {
                self.outputs.push_back(Output::DhtRefresh(key));
            }
            self.plan_refresh(now, &key);
        }
    }
    pub(crate) fn stop_following(&mut self, key: &ChannelKey) {
        let Some(channel) = self.channels.remove(key) else { return };
        for timer in [Timer::Dial(*key), Timer::Lookup(*key), Timer::BlobLookup(*key), Timer::Refresh(*key)] {
            self.timers.cancel(timer);
        }
        for (blob, asked) in self.picker.drop_channel(key) {
            for conn in asked {
                self.send(conn, Command::Cancel(blob));
            }
        }
        for topic in channel.announced {
            self.announces.remove(&topic);
        }
        let none = !self.held_of.contains_key(key);
        for (blob, held) in self.held.iter().filter(|(_, held)| !none && held.channels.contains(key)) {
            let mut others = held.channels.iter().filter(|c| *c != key);
            if !others.any(|c| self.channels.get(c).is_some_and(|c| !c.is_private())) {
                self.announces.remove(&(*blob).into());
            }
        }
        self.lookups.retain(|_, lookup| lookup.channel != *key);
        self.book.drop_channel(key);
        self.waiting.remove(key);
        for conn in channel.conns {
            let Some(peer) = self.peers.get_mut(conn) else { continue };
            peer.named.remove(key);
            peer.shared.remove(key);
            if peer.channels().is_empty() {
                self.outputs.push_back(Output::Close(conn));
            }
        }
        self.plan_announces();
    }
    /// Hands the rendezvous in force to the announcer and takes back those of yesterday.
    pub(crate) fn renew_rendezvous(&mut self, now: Duration) {
        let unix = self.unix_ms(now);
        for channel in self.channels.values_mut() {
            let topics = channel.topics(unix);
            if topics == channel.announced {
                continue;
            }
            for old in channel.announced.iter().filter(|t| !topics.contains(t)) {
                self.announces.remove(old);
            }
            for new in topics.iter().filter(|t| !channel.announced.contains(t)) {
                self.announces.add(now, *new, Tier::Rendezvous, None);
            }
            channel.announced = topics;
        }
    }

    // Look-ups.
    fn is_hungry(&self, key: &ChannelKey) -> bool {
        let Some(channel) = self.channels.get(key) else { return false };
        channel.conns.is_empty() && (channel.follow.manifest.is_none() || self.picker.is_wanting(key))
    }
    /// The next look-up of this channel, now that somebody left or something is wanted.
    pub(crate) fn plan_lookup(&mut self, now: Duration, key: &ChannelKey) {
        if self.is_hungry(key) {
            let fruitless = self.channels.get(key).map_or(0, |c| c.fruitless);
            let wait = LOOKUP_HUNGRY.saturating_mul(1 << fruitless.min(6)).min(LOOKUP_HUNGRY_MAX);
            self.timers.sooner(Timer::Lookup(*key), now + wait);
        }
    }
    pub(crate) fn look_up(&mut self, now: Duration, key: &ChannelKey) {
        let unix = self.unix_ms(now);
        let jitter = 0.75 + self.chance() / 2.0;
        let hungry = self.is_hungry(key);
        let Some(channel) = self.channels.get_mut(key) else { return };
        let wait = if hungry {
            let wait = LOOKUP_HUNGRY.saturating_mul(1 << channel.fruitless.min(6)).min(LOOKUP_HUNGRY_MAX);
            channel.fruitless = channel.fruitless.saturating_add(1);
            wait
        } else {
            channel.fruitless = 0;
            LOOKUP.mul_f64(jitter)
        };
        self.timers.set(Timer::Lookup(*key), now + wait);
        let topics = channel.topics(unix);
        let Some(channel) = self.channels.get(key) else { return };
        let may = |conn: &&ConnId| self.peers.get(**conn).is_some_and(|p| p.may_hear_of(channel));
        let mut conns: Vec<ConnId> = channel.conns.iter().filter(may).copied().collect();
        conns.extend(self.gateways_for(channel));
        let asks_dht = self.lacking(channel) > 0 || channel.looked.is_none_or(|at| at + LOOKUP_RARE <= now);
        if let Some(channel) = self.channels.get_mut(key).filter(|_| asks_dht) {
            channel.looked = Some(now);
        }
        self.compare(now, key);
        self.ask_gateways(key);
        for topic in topics {
            if asks_dht {
                self.look_up_topic(now, *key, topic);
            }
            for conn in &conns {
                self.ask_peers(now, *conn, topic);
            }
        }
    }
    fn look_up_topic(&mut self, now: Duration, channel: ChannelKey, topic: Topic) {
        let infohash = topic.infohash();
        if self.config.dht && !self.lookups.contains_key(&infohash) {
            self.lookups.insert(infohash, LookUp { channel, since: now });
            self.outputs.push_back(Output::DhtLookup(infohash));
        }
    }
    /// Asks a new peer for others, for channels that lack some.
    fn start_seeking(&mut self, now: Duration, conn: ConnId) {
        let unix = self.unix_ms(now);
        let Some(peer) = self.peers.get(conn) else { return };
        // A gateway keeps meeting points of channels that it does not follow. Private ones are asked of their own only.
        let of_gateway = peer.named.iter().filter(|_| peer.ext.gateway || peer.stage == Stage::Silent);
        let keys: BTreeSet<ChannelKey> = peer.shared.iter().chain(of_gateway).copied().collect();
        let lacks = |c: &&Channel| self.lacking(c) > 0;
        let fits = |c: &&Channel| peer.may_hear_of(c);
        let channels = keys.iter().filter_map(|key| self.channels.get(key)).filter(lacks).filter(fits);
        let topics: Vec<Topic> = channels.flat_map(|c| c.topics(unix)).take(SEEKING_MAX).collect();
        for topic in topics {
            self.ask_peers(now, conn, topic);
        }
    }
    /// Asks for peers of a topic, unless an answer is open.
    pub(crate) fn ask_peers(&mut self, now: Duration, conn: ConnId, topic: Topic) {
        let Some(peer) = self.peers.get_mut(conn) else { return };
        // A v5 dialler answers nothing; only who accepts (or speaks our extensions) can.
        let answers = peer.role == Role::Dialler || !peer.is_v5();
        peer.seeking.retain(|_, since| *since + LOOKUP_LOST > now);
        if answers && peer.seeking.len() < SEEKING_MAX && !peer.seeking.contains_key(&topic) {
            peer.seeking.insert(topic, now);
            self.send(conn, Command::FindPeers(topic));
        }
    }
    /// Looks for one blob that nobody connected has.
    pub(crate) fn look_up_blobs(&mut self, now: Duration, key: &ChannelKey) {
        let Some(channel) = self.channels.get_mut(key) else { return };
        channel.sought.retain(|id, _| self.picker.channel_of(id).is_some());
        if !self.picker.is_wanting(key) || (channel.is_private() && !channel.v5) {
            return;
        }
        let many = u32::try_from(channel.sought.len() / SOUGHT_MANY).unwrap_or(u32::MAX);
        self.timers.set(Timer::BlobLookup(*key), now + BLOB_LOOKUP * many.saturating_add(1).min(BLOB_LOOKUPS_MAX));
        let full = channel.sought.len() >= SOUGHT_MAX;
        let due = |id: &BlobId| channel.sought.get(id).map_or(!full, |(_, due)| *due <= now);
        // The walk stays short: few more are looked at than may be sought.
        let Some(blob) = self.picker.lonely(key).take(2 * SOUGHT_MAX).find(due) else { return };
        let tries = channel.sought.get(&blob).map_or(0, |(tries, _)| *tries);
        let wait = BLOB_AGAIN.saturating_mul(1 << tries.min(6)).min(BLOB_AGAIN_MAX);
        channel.sought.insert(blob, (tries.saturating_add(1), now + wait));
        let conns: Vec<ConnId> = channel.conns.iter().copied().collect();
        self.look_up_topic(now, *key, blob.into());
        for conn in conns {
            self.ask_peers(now, conn, blob.into());
        }
    }
    /// What the node read in the channel's list.
    pub(crate) fn take_list(&mut self, now: Duration, key: &ChannelKey, list: List) {
        let Some(channel) = self.channels.get_mut(key) else { return };
        let (begins, told) = (list.v5 && !channel.v5, list.inline != channel.inline);
        (channel.v5, channel.inline) = (list.v5, list.inline);
        channel.inline.truncate(INLINE_MAX);
        if begins && self.picker.is_wanting(key) {
            self.timers.set(Timer::BlobLookup(*key), now);
            // Whoever is here already may be tried now.
            let here = self.channels.get(key).into_iter().flat_map(|c| &c.conns).copied();
            let blind: Vec<ConnId> = here.filter(|conn| self.picker.is_blind(*conn)).collect();
            blind.into_iter().for_each(|conn| self.start_fetching(now, conn));
        }
        if told && let Some(channel) = self.channels.get(key) {
            channel.conns.iter().for_each(|conn| self.timers.sooner(Timer::Tell(*conn), now + TELL_LIST));
        }
        self.plan_refresh(now, key);
    }
    pub(crate) fn end_lookup(&mut self, now: Duration, infohash: InfoHash, addrs: Vec<SocketAddr>) {
        let Some(lookup) = self.lookups.remove(&infohash) else { return };
        for addr in addrs.into_iter().take(FOUND_MAX) {
            self.learn_addr(now, PeerAddr::Ip(addr), Some(lookup.channel), Source::Dht);
        }
    }
    pub(crate) fn expire_lookups(&mut self, now: Duration) {
        self.lookups.retain(|_, lookup| lookup.since + LOOKUP_LOST > now);
    }
    /// The followed channel that a topic belongs to: its rendezvous, or a blob wanted of it.
    fn channel_of(&self, now: Duration, conn: ConnId, topic: &Topic) -> Option<ChannelKey> {
        let unix = self.unix_ms(now);
        let peer = self.peers.get(conn)?;
        // A gateway tells of what we named, though it follows none of it.
        let of_gateway = peer.named.iter().filter(|_| peer.ext.gateway);
        let mut named = peer.channels().iter().chain(of_gateway);
        let rendezvous = named.find(|key| self.channels.get(key).is_some_and(|c| c.topics(unix).contains(topic)));
        rendezvous.copied().or_else(|| self.picker.channel_of(&BlobId(topic.0)))
    }
    pub(crate) fn take_peers(&mut self, now: Duration, conn: ConnId, topic: Topic, addrs: Vec<PeerAddr>) {
        let channel = self.channel_of(now, conn, &topic);
        let Some(peer) = self.peers.get_mut(conn) else { return };
        if peer.seeking.remove(&topic).is_none() {
            return;
        }
        let from = peer.class();
        let Some(channel) = channel else { return };
        for addr in addrs.into_iter().take(FOUND_MAX) {
            if self.config.allow_local || addr.class() >= from {
                self.learn_addr(now, addr, Some(channel), Source::Pex);
            }
        }
    }

    // HELLO.
    /// What a dialled connection is about: the channels that the address was found for (E7).
    pub(crate) fn subjects(&self, addr: &PeerAddr, channel: Option<ChannelKey>) -> BTreeSet<ChannelKey> {
        let mut about: BTreeSet<ChannelKey> = channel.into_iter().collect();
        if self.hides(addr) {
            // A circuit of its own is worth nothing if the HELLO on it joins what it keeps apart.
            return about;
        }
        if let Some(entry) = self.book.get(addr) {
            let any = self.channels.keys().filter(|_| entry.any);
            let known = entry.channels.iter().filter(|key| self.channels.contains_key(key));
            // The wanted first: a HELLO has an end.
            let (first, later): (Vec<&ChannelKey>, Vec<&ChannelKey>) =
                known.chain(any).partition(|key| self.picker.is_wanting(key));
            about.extend(first.into_iter().take(HELLO_CHANNELS_MAX - 1));
            let room = HELLO_CHANNELS_MAX.saturating_sub(about.len());
            about.extend(later.into_iter().take(room));
        }
        about
    }
    pub(crate) fn hello(&self, peer: &Peer, about: &BTreeSet<ChannelKey>) -> Hello {
        let mut hello = Hello { ext: self.config.capabilities, ..Hello::default() };
        for channel in about.iter().filter_map(|key| self.channels.get(key)) {
            match channel.token(&peer.binding, peer.role) {
                Some(token) => hello.private.push(token),
                None if peer.near => hello.private.push(channel.near_token(&peer.binding, peer.role)),
                None => hello.gossip.push((channel.follow.key, channel.sequence())),
            }
        }
        hello
    }

    pub(crate) fn take_hello(&mut self, now: Duration, id: ConnId, hello: &Hello) {
        let Some(peer) = self.peers.get(id) else { return };
        if peer.stage == Stage::Spoke {
            return;
        }
        let other = if peer.role == Role::Dialler { Role::Acceptor } else { Role::Dialler };
        let ours = self.config.capabilities;
        let mut ext = hello.ext;
        ext.manifest &= ours.manifest;
        ext.have &= ours.have;
        ext.split &= ours.split;
        let subjects: BTreeSet<ChannelKey> = match peer.role {
            Role::Dialler => peer.named.clone(),
            Role::Acceptor => {
                let named = hello.gossip.iter().map(|(key, _)| key).filter(|key| self.channels.contains_key(key));
                // E10: a neighbour shows tokens of public channels, too.
                let near = matches!(peer.class(), AddrClass::Private | AddrClass::Loopback);
                let private =
                    self.channels.iter().filter(|(_, c)| !hello.private.is_empty() && (near || c.is_private()));
                let spoken_of = |key: &ChannelKey| peer.only.is_none_or(|only| only == *key);
                named.chain(private.map(|(key, _)| key)).copied().filter(spoken_of).collect()
            }
        };
        let tokens: BTreeSet<&[u8; 16]> = hello.private.iter().take(256).collect();
        let mut shared = BTreeSet::new();
        let mut near = peer.near;
        let mut sequences = Vec::new();
        for channel in subjects.iter().filter_map(|key| self.channels.get(key)) {
            let key = channel.follow.key;
            match channel.token(&peer.binding, other) {
                Some(token) if tokens.contains(&token) => drop(shared.insert(key)),
                Some(_) => {}
                None => {
                    if let Some((_, sequence)) = hello.gossip.iter().find(|(k, _)| *k == key) {
                        shared.insert(key);
                        sequences.push((key, *sequence));
                    } else if !tokens.is_empty() && tokens.contains(&channel.near_token(&peer.binding, other)) {
                        shared.insert(key);
                        near = true;
                    }
                }
            }
        }
        if shared.len() > HELLO_CHANNELS_MAX {
            shared = shared.into_iter().take(HELLO_CHANNELS_MAX).collect();
        }
        if let Some(peer) = self.peers.get_mut(id) {
            peer.near = near;
        }
        let Some(peer) = self.peers.get(id) else { return };
        let answer = (peer.role == Role::Acceptor).then(|| self.hello(peer, &shared));
        let old = peer.channels().clone();
        let Some(peer) = self.peers.get_mut(id) else { return };
        peer.stage = Stage::Spoke;
        peer.answered = Some(now.saturating_sub(peer.since));
        peer.ext = ext;
        peer.shared = shared;
        peer.sequences.extend(sequences);
        if peer.role == Role::Acceptor {
            peer.named = peer.shared.clone();
        }
        let current = peer.channels().clone();
        for key in old.difference(&current) {
            self.leave_channel(now, id, key);
        }
        for key in &current {
            if let Some(channel) = self.channels.get_mut(key) {
                channel.conns.insert(id);
                channel.heard = Some(now);
                channel.fruitless = 0;
            }
        }
        if let Some(answer) = answer {
            self.send(id, Command::Hello(answer));
        }
        self.timers.cancel(Timer::Settle(id));
        self.start_gossip(now, id);
        self.start_fetching(now, id);
        self.start_seeking(now, id);
        self.part_with_stranger(now, id);
        self.timers.set(Timer::Tell(id), now);
        if self.tor {
            // It may serve by more than one circuit.
            current.iter().for_each(|key| self.timers.sooner(Timer::Dial(*key), now));
        }
    }
    /// A dialled peer that follows nothing of what we came for, and is no gateway, is left.
    fn part_with_stranger(&mut self, now: Duration, id: ConnId) {
        let Some(peer) = self.peers.get(id) else { return };
        if peer.role == Role::Dialler && peer.channels().is_empty() && !peer.ext.gateway {
            self.book.rest(&peer.addr, now + STRANGER);
            self.outputs.push_back(Output::Close(id));
        }
    }
    fn leave_channel(&mut self, now: Duration, conn: ConnId, key: &ChannelKey) {
        if let Some(channel) = self.channels.get_mut(key) {
            channel.conns.remove(&conn);
            self.lost_one(now, key);
            self.plan_lookup(now, key);
            self.plan_refresh(now, key);
        }
    }
    /// No HELLO came: the peer is asked as a v5 one.
    pub(crate) fn give_up_hello(&mut self, now: Duration, id: ConnId) {
        let Some(peer) = self.peers.get_mut(id) else { return };
        if peer.stage != Stage::Waiting {
            return;
        }
        peer.stage = Stage::Silent;
        self.start_fetching(now, id);
        self.start_seeking(now, id);
        self.timers.set(Timer::Tell(id), now);
    }

    pub(crate) fn forget_conn(&mut self, now: Duration, id: ConnId, why: &Closed) {
        let Some(peer) = self.peers.remove(id) else { return };
        self.picker.remove_lane(id);
        self.watches.remove(id);
        self.uploads.remove(id);
        self.census.remove(id);
        for timer in [Timer::Settle(id), Timer::HaveMore(id), Timer::Slow(id), Timer::Retry(id), Timer::Tell(id)] {
            self.timers.cancel(timer);
        }
        for key in peer.pushed.keys() {
            self.timers.cancel(Timer::Push(id, *key));
        }
        if peer.role == Role::Dialler {
            // Who takes the connection and says nothing is as good as nobody.
            let mute = peer.stage != Stage::Spoke && peer.received == 0;
            let jitter = self.chance();
            // A HELLO alone is cheap: who takes requests and sits on them would be dialled again and again.
            if peer.received > 0 || (!mute && peer.since + PROVEN <= now) {
                self.book.reached(&peer.addr);
            }
            // One of several circuits, given up when there was nothing to fetch: the next item may want it again at once.
            let twin = |p: &Peer| p.role == Role::Dialler && p.addr == peer.addr && p.named == peer.named;
            let given_up = !peer.channels().iter().any(|key| self.picker.is_wanting(key))
                && self.peers.iter().any(|(_, p)| twin(p));
            if mute || *why != Closed::Clean {
                self.book.failed(now, &peer.addr, jitter);
            } else if !given_up {
                self.book.rest(&peer.addr, now + REST.mul_f64(0.75 + jitter / 2.0));
            }
        }
        for key in peer.named.union(&peer.shared) {
            self.leave_channel(now, id, key);
        }
        self.wake_hungriest(now);
    }
}

#[cfg(test)]
mod tests;
