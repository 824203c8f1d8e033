//! The [`Swarm`]: its parts, its doors in and out.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use protocol::handshake::Binding;
use protocol::params::HAVE_QUERY_MAX;
use protocol::price::{Payer, Purses};
use protocol::session::{Command, Event};
use protocol::{BlobId, ChannelKey, InfoHash, PeerAddr, SignedManifest, Topic};
use rand_chacha::ChaCha8Rng;
use rand_core::{Rng, SeedableRng};

use crate::announce::{Announces, Tier};
use crate::book::Book;
use crate::census::Census;
use crate::channel::Channel;
use crate::dial::Dialling;
use crate::have::Watches;
use crate::meet::LookUp;
use crate::peers::Peers;
use crate::pex::Pex;
use crate::picker::Picker;
use crate::places::Waiting;
use crate::timers::{Timer, Timers};
use crate::uploads::Uploads;
use crate::{
    Ban, Cause, Closed, Config, ConnId, Coverage, DialId, Follow, List, News, Output, PeerInfo, Priority, Rank, Source,
    Verdict,
};

/// How often old entries are dropped.
const EXPIRE: Duration = Duration::from_secs(30);

/// Between looks for idle peers that may help while blobs are under way.
const IDLERS: Duration = Duration::from_millis(500);

/// Work that one network may cause at a stretch, announces and what a gateway does: as much as a HELLO names channels; and
/// how often one more comes in.
const FAVOURS: (u32, Duration) = (64, Duration::from_secs(1));

/// Blobs that are made for one network and not sent whole, at a stretch, and how often one more comes in.
const LOADS: (u32, Duration) = (64, Duration::from_millis(250));

/// Networks whose debts are remembered.
const PAYERS_MAX: usize = 4096;

/// A clock that went ahead by more than this did not go by itself.
const AWAY_MS: u64 = 120_000;

/// A blob that we hold.
pub(crate) struct Held {
    /// Nearly always one: a set would take ten times the memory.
    pub(crate) channels: Vec<ChannelKey>,
    pub(crate) rank: Rank,
    pub(crate) announced: Option<Duration>,
    /// How often it was sent since it is here.
    pub(crate) sent: u16,
}

/// The machine.
pub struct Swarm {
    pub(crate) config: Config,
    pub(crate) rng: ChaCha8Rng,
    pub(crate) outputs: VecDeque<Output>,
    pub(crate) timers: Timers,
    pub(crate) channels: BTreeMap<ChannelKey, Channel>,
    pub(crate) peers: Peers,
    pub(crate) book: Book,
    pub(crate) picker: Picker,
    pub(crate) watches: Watches,
    pub(crate) census: Census,
    pub(crate) uploads: Uploads,
    pub(crate) loads: Purses,
    pub(crate) favours: Purses,
    pub(crate) announces: Announces,
    pub(crate) pex: Pex,
    pub(crate) held: BTreeMap<BlobId, Held>,
    /// How many of them are of each channel: where there are none, nobody walks through all.
    pub(crate) held_of: BTreeMap<ChannelKey, usize>,
    pub(crate) dials: BTreeMap<DialId, Dialling>,
    pub(crate) lookups: BTreeMap<InfoHash, LookUp>,
    pub(crate) waiting: Waiting,
    pub(crate) next_conn: u64,
    /// The route leads through a proxy or Tor.
    pub(crate) detour: bool,
    /// Onions are met through Tor; on a detour everybody is.
    pub(crate) tor: bool,
    /// Where the peers of a channel can dial us, and no others.
    pub(crate) onions: BTreeMap<ChannelKey, PeerAddr>,
}

impl Swarm {
    /// A machine with its own chance.
    pub fn new(config: Config, seed: u64) -> Self {
        let rate = if config.dht && config.port != 0 { config.announces_per_second } else { 0.0 };
        let announces = Announces::new(rate, config.announce_cycle);
        let mut timers = Timers::default();
        timers.set(Timer::Expire, EXPIRE);
        Self {
            config,
            rng: ChaCha8Rng::seed_from_u64(seed),
            outputs: VecDeque::new(),
            timers,
            channels: BTreeMap::new(),
            peers: Peers::default(),
            book: Book::default(),
            picker: Picker::default(),
            watches: Watches::default(),
            census: Census::default(),
            uploads: Uploads::default(),
            loads: Purses::new(LOADS.0, LOADS.1, PAYERS_MAX),
            favours: Purses::new(FAVOURS.0, FAVOURS.1, PAYERS_MAX),
            announces,
            pex: Pex::default(),
            held: BTreeMap::new(),
            held_of: BTreeMap::new(),
            dials: BTreeMap::new(),
            lookups: BTreeMap::new(),
            waiting: Waiting::default(),
            next_conn: 0,
            detour: false,
            tor: false,
            onions: BTreeMap::new(),
        }
    }

    // What the node wants.
    /// Follow (or own) a channel: meet its swarm, learn its manifests, share its blobs.
    pub fn follow(&mut self, now: Duration, channel: Follow) {
        self.start_following(now, channel);
        self.settle(now);
    }
    /// Leave it.
    pub fn unfollow(&mut self, now: Duration, key: &ChannelKey) {
        self.stop_following(key);
        self.settle(now);
    }
    /// A verified manifest from outside the swarm (the DHT, our own publishing): taken if newer, then pushed. Returns whether it was taken.
    pub fn handle_manifest(&mut self, now: Duration, manifest: Arc<SignedManifest>) -> bool {
        let taken = self.take_manifest(now, &manifest, None);
        self.settle(now);
        taken
    }
    /// What kind of list the channel has, as far as it is read.
    pub fn set_list(&mut self, now: Duration, key: &ChannelKey, list: List) {
        self.take_list(now, key, list);
        self.settle(now);
    }
    /// Asks connected peers for a newer list than the one that is known: a person waits for it. See [`Self::news`].
    pub fn ask_newest(&mut self, now: Duration, key: &ChannelKey) {
        self.ask_pushers(key);
        self.settle(now);
    }
    /// What peers have said of a channel's list.
    pub fn news(&self, key: &ChannelKey) -> News {
        let heard = self.channels.get(key).and_then(|channel| channel.heard);
        let open = self.peers.iter().any(|(_, peer)| peer.asked.contains(key));
        let pushed = self.channels.get(key).is_some_and(|channel| self.pushers(channel) > 0);
        News { heard, open, pushed }
    }
    /// The sequence of the newest manifest that is known of a channel; 0: none.
    pub fn newest(&self, key: &ChannelKey) -> u64 {
        self.channels.get(key).map_or(0, Channel::sequence)
    }
    /// Fetch this blob from the channel's swarm.
    pub fn want(&mut self, now: Duration, blob: BlobId, channel: ChannelKey, priority: Priority) {
        self.start_wanting(now, blob, channel, priority);
        self.settle(now);
    }
    /// No longer.
    pub fn unwant(&mut self, now: Duration, blob: &BlobId) {
        self.stop_wanting(blob, None);
        self.settle(now);
    }
    /// We hold this blob: serve it, announce it. `announced`: how long ago it was announced, if known from an earlier run.
    pub fn hold(&mut self, now: Duration, blob: BlobId, channel: ChannelKey, rank: Rank, announced: Option<Duration>) {
        let new = || Held { channels: Vec::new(), rank, announced, sent: 0 };
        let held = self.held.entry(blob).or_insert_with(new);
        if !held.channels.contains(&channel) {
            held.channels.push(channel);
            *self.held_of.entry(channel).or_default() += 1;
        }
        held.rank = held.rank.min(rank);
        let rank = held.rank;
        if self.channels.get(&channel).is_some_and(|c| !c.is_private()) {
            self.announces.add(now, blob.into(), Tier::Blob(rank), announced);
            self.plan_announces();
        }
        let peers = &self.peers;
        let shares = |conn| peers.get(conn).is_some_and(|p| p.shared.contains(&channel));
        for (conn, at) in self.watches.arrived(now, &blob, shares) {
            self.timers.sooner(Timer::HaveMore(conn), at);
        }
        self.stop_wanting(&blob, None);
        self.settle(now);
    }
    /// We do not hold it any more.
    pub fn unhold(&mut self, _now: Duration, blob: &BlobId) {
        let Some(held) = self.held.remove(blob) else { return };
        self.announces.remove(&(*blob).into());
        for channel in held.channels {
            if let Some(count) = self.held_of.get_mut(&channel) {
                *count -= 1;
                if *count == 0 {
                    self.held_of.remove(&channel);
                }
            }
        }
    }
    /// An address that may serve a channel (`None`: any channel; only from [`Source::User`] and [`Source::Lan`]).
    pub fn add_addr(&mut self, now: Duration, addr: PeerAddr, channel: Option<ChannelKey>, source: Source) {
        self.learn_addr(now, addr, channel, source);
    }
    /// Addresses from [`Source::Remembered`] that were dialled since the last call and where nobody answered.
    pub fn take_unreached(&mut self) -> Vec<PeerAddr> {
        self.book.take_unreached()
    }
    /// Where others can dial us in the clear, learnt or changed after the start (a mapped port): told to peers.
    pub fn set_own_addr(&mut self, now: Duration, addr: Option<PeerAddr>) {
        self.config.own_addr = addr;
        self.tell_everybody(now);
    }
    /// What HELLO names on connections made from here on.
    pub fn set_capabilities(&mut self, ours: protocol::session::Capabilities) {
        self.config.capabilities = ours;
    }
    /// The channel that a dial under way is for, so that a route that can keeps channels apart; `None` for a mere check.
    pub fn dialled_for(&self, id: DialId) -> Option<ChannelKey> {
        self.dial_channel(id)
    }
    /// Asks the channel's connected peers which of these blobs of ours they hold, too; at most as many blobs as one
    /// question has room for. Returns how many peers are asked; [`Swarm::holders`] counts their answers.
    pub fn survey(&mut self, channel: &ChannelKey, blobs: &[BlobId]) -> usize {
        let blobs = &blobs[..blobs.len().min(HAVE_QUERY_MAX)];
        let able = |peer: &crate::peers::Peer| peer.ext.have && peer.shared.contains(channel);
        let conns: Vec<ConnId> = self.peers.iter().filter(|(_, peer)| able(peer)).map(|(conn, _)| conn).collect();
        if blobs.is_empty() {
            return 0;
        }
        self.census.begin(blobs);
        for conn in &conns {
            self.send(*conn, Command::HaveQuery(blobs.to_vec()));
        }
        conns.len()
    }
    /// Connected peers that said that they hold a blob of the last surveys.
    pub fn holders(&self, blob: &BlobId) -> usize {
        self.census.holders(blob)
    }
    /// A number for an accepted connection that no dial has or will have.
    pub fn next_conn(&mut self) -> ConnId {
        self.next_conn += 1;
        ConnId(self.next_conn)
    }

    // What the world says.
    /// A dial ended: connected (with the handshake's binding), or not.
    pub fn handle_dialled(&mut self, now: Duration, id: DialId, result: Option<Binding>) {
        self.end_dial(now, id, result);
        self.settle(now);
    }
    /// A session's event; `Event::Blob` stays with the node, which hashes and stores, then calls [`Swarm::handle_verdict`].
    pub fn handle_event(&mut self, now: Duration, id: ConnId, event: Event) {
        if self.peers.get(id).is_none() {
            return;
        }
        match event {
            Event::Hello(hello) => self.take_hello(now, id, &hello),
            Event::Requested(blob) => self.serve(now, id, blob),
            Event::NotFound(blob) => self.take_not_found(now, id, blob),
            Event::FindPeers(topic) => self.answer_find_peers(now, id, topic),
            Event::Peers(topic, addrs) => self.take_peers(now, id, topic, addrs),
            Event::Announce(topic, addr) => self.take_announce(now, id, topic, addr),
            Event::GetManifest(request, key, sequence) => self.answer_get_manifest(now, id, request, key, sequence),
            Event::Manifest(manifest) => self.take_peer_manifest(now, id, &manifest),
            Event::NoManifest(key) => self.take_no_manifest(now, id, key),
            Event::HaveQuery(request, blobs) => self.answer_have_query(id, request, &blobs),
            Event::Have(blobs) => {
                for blob in blobs {
                    self.census.note(id, &blob);
                    self.picker.learn(id, blob);
                }
            }
            Event::Publish(request) => self.answer_publish(now, id, request),
            Event::Arriving(blob) => self.picker.arriving(now, id, blob),
            Event::Cancelled(blob) => self.uploads.cancelled(id, &blob),
            // The node judges blobs and asked for the publishing.
            Event::Blob(..) | Event::Published(_) => {}
        }
        self.settle(now);
    }
    /// What became of a blob that this connection brought.
    pub fn handle_verdict(&mut self, now: Duration, id: ConnId, blob: BlobId, verdict: Verdict) {
        self.judge(now, id, blob, verdict);
        self.settle(now);
    }
    /// So many bytes came on this connection, while a REQUEST of ours was open, since this was last told; from time to time.
    /// 0: it is we who do not read. Returns the blob that they are most likely of.
    pub fn handle_coming(&mut self, now: Duration, id: ConnId, bytes: u64) -> Option<BlobId> {
        let blob = self.note_coming(now, id, bytes);
        self.settle(now);
        blob
    }
    /// A blob of an [`Output::Serve`] is off this connection's hands: sent whole, or cancelled or not readable.
    pub fn handle_served(&mut self, now: Duration, id: ConnId, whole: bool) {
        self.end_serving(now, id, whole);
        self.settle(now);
    }
    /// What a gateway was paid for with [`Output::Publish`] and its like cost no work after all.
    pub fn give_back(&mut self, now: Duration, payer: &Payer) {
        self.favours.refund(now, payer, 1);
    }
    /// A connection ended.
    pub fn handle_closed(&mut self, now: Duration, id: ConnId, why: Closed) {
        self.forget_conn(now, id, &why);
        self.settle(now);
    }
    /// A DHT look-up ended with these addresses.
    pub fn handle_found(&mut self, now: Duration, infohash: InfoHash, addrs: Vec<SocketAddr>) {
        self.end_lookup(now, infohash, addrs);
        self.settle(now);
    }
    /// A DHT announce ended. Returns the blob, if the topic was one, so that the time can be kept.
    pub fn handle_announced(&mut self, now: Duration, infohash: InfoHash, ok: bool) -> Option<Topic> {
        let topic = self.announces.ended(now, infohash, ok);
        self.plan_announces();
        topic.filter(|topic| ok && self.held.contains_key(&BlobId(topic.0)))
    }
    /// The network came back or went (suspend, cable): forget back-offs, look again.
    pub fn handle_network_change(&mut self, now: Duration) {
        self.book.forgive(now);
        self.lookups.clear();
        self.announces.again();
        self.plan_announces();
        let keys: Vec<ChannelKey> = self.channels.keys().copied().collect();
        for key in keys {
            if let Some(channel) = self.channels.get_mut(&key) {
                channel.fruitless = 0;
                channel.looked = None;
            }
            self.timers.set(Timer::Lookup(key), now);
            self.timers.set(Timer::Dial(key), now);
        }
    }

    /// UTC as it is now, in ms since 1970, to be told from time to time: a computer that sleeps stops the other clock and
    /// not this one, and clocks are put right. One that went far ahead means that we were away.
    pub fn handle_clock(&mut self, now: Duration, unix_ms: u64) {
        let ahead = unix_ms.saturating_sub(self.unix_ms(now));
        self.config.unix_ms_at_start = unix_ms.saturating_sub(u64::try_from(now.as_millis()).unwrap_or(u64::MAX));
        self.renew_rendezvous(now);
        self.plan_announces();
        if ahead >= AWAY_MS {
            self.handle_network_change(now);
        }
    }

    // What to do.
    /// The next output.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }
    /// When [`Swarm::handle_timeout`] is due.
    pub fn poll_timeout(&self) -> Option<Duration> {
        self.timers.next()
    }
    /// Time passed.
    pub fn handle_timeout(&mut self, now: Duration) {
        while let Some(timer) = self.timers.pop(now) {
            match timer {
                Timer::Dial(key) => self.dial_more(now, &key),
                Timer::Lookup(key) => self.look_up(now, &key),
                Timer::BlobLookup(key) => self.look_up_blobs(now, &key),
                Timer::Refresh(key) => self.refresh(now, &key),
                Timer::Settle(conn) => self.give_up_hello(now, conn),
                Timer::Push(conn, key) => self.push(now, conn, key),
                Timer::HaveAsk => self.ask_everybody(),
                Timer::HaveMore(conn) => self.tell_more(now, conn),
                Timer::Slow(conn) => self.check_slow(now, conn),
                Timer::Retry(conn) => self.retry_lacking(now, conn),
                Timer::Relist(blob) => self.picker.relist(blob),
                Timer::Tell(conn) => self.tell_addr(now, conn),
                Timer::Idlers => self.picker.wake_idle(),
                Timer::Uploads => {}
                Timer::Announce => self.announce(now),
                Timer::Expire => self.expire(now),
            }
        }
        self.settle(now);
    }

    // What is so.
    /// Why this channel's wanted blobs do not move.
    pub fn cause(&self, now: Duration, channel: &ChannelKey) -> Cause {
        self.why_still(now, channel)
    }
    /// Connected peers.
    pub fn peers(&self) -> Vec<PeerInfo> {
        self.peers.infos()
    }
    /// Who is banned, or left alone, for a wrong blob: at most so many, the longest first.
    pub fn banned(&self, now: Duration, most: usize) -> Vec<Ban> {
        self.book.banned(now, most)
    }
    /// Peers connected for a channel.
    pub fn peers_of(&self, channel: &ChannelKey) -> usize {
        self.channels.get(channel).map_or(0, |c| c.conns.len())
    }
    /// Addresses that the user named for a channel or for any, at most 8.
    pub fn of_user(&self, channel: &ChannelKey) -> Vec<PeerAddr> {
        self.book.of_user(channel).take(8).cloned().collect()
    }
    /// Announces done of those due.
    pub fn coverage(&self, now: Duration) -> Coverage {
        self.announces.coverage(now)
    }

    // Inside.
    pub(crate) fn send(&mut self, conn: ConnId, command: Command) {
        self.outputs.push_back(Output::Send(conn, command));
    }
    /// A number from 0 to 1.
    pub(crate) fn chance(&mut self) -> f64 {
        f64::from(self.rng.next_u32()) / (f64::from(u32::MAX) + 1.0)
    }
    /// UTC now, in ms since 1970.
    pub(crate) fn unix_ms(&self, now: Duration) -> u64 {
        self.config.unix_ms_at_start.saturating_add(u64::try_from(now.as_millis()).unwrap_or(u64::MAX))
    }
    /// Sends requests to everybody for whom something changed.
    fn settle(&mut self, now: Duration) {
        for conn in self.picker.take_dirty() {
            self.request_more(now, conn);
        }
        self.fill_slots(now);
        if self.picker.is_flying() {
            self.timers.sooner(Timer::Idlers, now + IDLERS);
        }
    }
    fn announce(&mut self, now: Duration) {
        while let Some(topic) = self.announces.next(now) {
            self.outputs.push_back(Output::DhtAnnounce(topic.infohash()));
        }
        self.plan_announces();
    }
    pub(crate) fn plan_announces(&mut self) {
        match self.announces.next_at() {
            Some(at) => self.timers.set(Timer::Announce, at),
            None => self.timers.cancel(Timer::Announce),
        }
    }
    fn expire(&mut self, now: Duration) {
        self.book.expire(now);
        self.pex.expire(now);
        self.announces.expire(now);
        self.expire_lookups(now);
        self.renew_rendezvous(now);
        if self.tor {
            self.part_with_circuits();
        }
        self.plan_announces();
        self.timers.set(Timer::Expire, now + EXPIRE);
    }
}
