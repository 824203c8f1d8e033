//! The world: its nodes, its clock, the heap of what is to come.

use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap, HashMap, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use protocol::session::Capabilities;
use protocol::{BlobId, BlobKey, ChannelKey, Identity, InfoHash, PeerAddr, ReadKey, SignedManifest, Tree};
use swarm::{Closed, Config, DialId, Follow, Priority, Rank, Source, Swarm};

use super::away::is_local;
use super::chance::{Chance, Trace};
use super::dht::Dht;
use super::link::{Link, LinkId, Side};
use super::node::{Author, GLOBAL, LOCAL, Nature, Node, NodeId, Place, Plan, Subscription};
use super::{mins, secs};

/// 12:00 UTC of some day, so that a run of hours meets no change of day by chance.
pub(super) const START_UNIX_MS: u64 = 1_800_014_400_000 / 86_400_000 * 86_400_000 + 12 * 3_600_000;

/// What holds for a whole run.
#[derive(Debug, Clone)]
pub struct Setup {
    /// Where all chance comes from.
    pub seed: u64,
    /// Real handshakes and ciphers on every connection.
    pub sealed: bool,
    /// One-way latency of a connection: from, to.
    pub latency: (Duration, Duration),
    /// Mean life of a connection before the network breaks it; none: it does not.
    pub life: Option<Duration>,
    /// Packets that are lost: this share. What they carried comes later.
    pub loss: f64,
    /// How long the DHT takes.
    pub dht_delay: (Duration, Duration),
}

impl Setup {
    /// A network such as homes have.
    pub fn new(seed: u64) -> Self {
        let ms = Duration::from_millis;
        Self { seed, sealed: false, latency: (ms(5), ms(120)), life: None, loss: 0.0, dht_delay: (ms(400), secs(3)) }
    }
}

/// What is to come.
#[derive(Clone)]
pub(super) enum Due {
    /// A swarm's deadline.
    Mind(NodeId, u32),
    /// A session's deadline.
    Talk(LinkId, Side),
    /// Bytes arrive at this end.
    Frame(LinkId, Side, Vec<u8>),
    /// The downlink has taken them.
    Taken(LinkId, Side, Vec<u8>),
    /// The uplink took the last frame of this end.
    Sent(LinkId, Side),
    /// This end learns that the connection is over.
    Gone(LinkId, Side, Closed),
    /// A dial reaches its target, or nobody.
    Dialled(NodeId, u32, DialId, PeerAddr),
    /// A dial came to nothing.
    Missed(NodeId, u32, DialId),
    Found(NodeId, u32, InfoHash),
    Announced(NodeId, u32, InfoHash),
    /// The answer to a question for the newest manifest.
    Item(NodeId, u32, ChannelKey),
    Put(Arc<SignedManifest>),
    /// A node that lends space looks what is rare; true: peers have said what they hold.
    Repair(NodeId, u32, bool),
    /// A v5 client's next try.
    V5(NodeId, u32),
}

pub(super) struct Entry {
    pub(super) at: Duration,
    serial: u64,
    pub(super) what: Due,
}

impl PartialEq for Entry {
    fn eq(&self, other: &Self) -> bool {
        self.serial == other.serial
    }
}
impl Eq for Entry {}
impl PartialOrd for Entry {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Entry {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.at, self.serial).cmp(&(other.at, other.serial))
    }
}

/// Everything.
pub struct World {
    /// Time since the start.
    pub now: Duration,
    /// All nodes that ever were.
    pub nodes: Vec<Node>,
    /// The DHT.
    pub dht: Dht,
    /// Everything that happened.
    pub trace: Trace,
    /// Where chance comes from.
    pub chance: Chance,
    pub(super) setup: Setup,
    pub(super) heap: BinaryHeap<Reverse<Entry>>,
    serial: u64,
    pub(super) links: HashMap<LinkId, Link>,
    pub(super) next_link: LinkId,
    pub(super) plans: HashMap<BlobId, Arc<Plan>>,
    pub(super) bytes: HashMap<BlobId, Arc<Vec<u8>>>,
    pub(super) minds: VecDeque<NodeId>,
    pub(super) talks: VecDeque<(LinkId, Side)>,
}

impl World {
    /// An empty one.
    pub fn new(setup: Setup) -> Self {
        Self {
            now: Duration::ZERO,
            nodes: Vec::new(),
            dht: Dht::default(),
            trace: Trace::default(),
            chance: Chance::new(setup.seed),
            setup,
            heap: BinaryHeap::new(),
            serial: 0,
            links: HashMap::new(),
            next_link: 0,
            plans: HashMap::new(),
            bytes: HashMap::new(),
            minds: VecDeque::new(),
            talks: VecDeque::new(),
        }
    }

    // Building.
    /// A new node, online.
    pub fn add(&mut self, place: Place) -> NodeId {
        let id = self.nodes.len();
        self.nodes.push(Node::new(id, place));
        self.join(id);
        id
    }
    /// A new channel, followed by nobody.
    pub fn author(&mut self, private: bool) -> Author {
        Author {
            identity: Identity::from_seed(&self.chance.bytes()),
            read_key: private.then(|| ReadKey(self.chance.bytes())),
            sequence: 1_700_000_000_000,
        }
    }
    /// A node follows a channel. `fetches`: whether it wants the blobs too.
    pub fn follow(&mut self, node: NodeId, author: &Author, fetches: bool) {
        self.follow_as(node, author.key(), author.read_key.clone(), fetches);
    }
    /// The same, with whatever read key the node believes in.
    pub fn follow_as(&mut self, node: NodeId, key: ChannelKey, read_key: Option<ReadKey>, fetches: bool) {
        let n = &mut self.nodes[node];
        let subscription = Subscription { read_key: read_key.clone(), fetches, ..Subscription::default() };
        n.channels.insert(key, subscription);
        if let Some(swarm) = &mut n.swarm {
            swarm.follow(self.now, Follow { key, read_key, manifest: None, floor: 0 });
        }
        self.minds.push_back(node);
        self.settle();
    }
    /// The same, for these of the blobs that a manifest leads to alone.
    pub fn follow_some(&mut self, node: NodeId, author: &Author, wishes: BTreeSet<usize>) {
        self.follow(node, author, true);
        if let Some(subscription) = self.nodes[node].channels.get_mut(&author.key()) {
            subscription.wishes = Some(wishes);
        }
    }
    /// The user names an address.
    pub fn know(&mut self, node: NodeId, channel: Option<ChannelKey>, other: NodeId) {
        let addr = PeerAddr::Ip(self.nodes[other].addr);
        self.nodes[node].named.push((channel, addr.clone()));
        if let Some(swarm) = &mut self.nodes[node].swarm {
            swarm.add_addr(self.now, addr, channel, Source::User);
        }
        self.minds.push_back(node);
        self.settle();
    }
    /// A node learns an address for a channel from somewhere.
    pub fn tell(&mut self, node: NodeId, channel: ChannelKey, other: NodeId, source: Source) {
        let addr = PeerAddr::Ip(self.nodes[other].addr);
        if let Some(swarm) = &mut self.nodes[node].swarm {
            swarm.add_addr(self.now, addr, Some(channel), source);
        }
        self.minds.push_back(node);
        self.settle();
    }
    /// A new manifest that leads to so many new blobs; known to nobody yet.
    pub fn sign(&mut self, author: &mut Author, blobs: usize) -> Arc<SignedManifest> {
        author.sequence += 1;
        self.sign_at(author, author.sequence, blobs)
    }
    /// The same, with this sequence.
    pub fn sign_at(&mut self, author: &Author, sequence: u64, blobs: usize) -> Arc<SignedManifest> {
        let root = BlobId(self.chance.bytes());
        let blobs = (0..blobs).map(|_| BlobId(self.chance.bytes())).collect();
        self.plans.insert(root, Arc::new(Plan { root, blobs }));
        let key = BlobKey { key: self.chance.bytes(), nonce: self.chance.bytes() };
        let tree = Tree { blob: root, key, size: 1000, depth: 0 };
        let manifest = match &author.read_key {
            None => SignedManifest::sign_tree(&author.identity, sequence, &tree, sequence),
            Some(read) => {
                SignedManifest::sign_private(&author.identity, sequence, &tree, sequence, read, self.chance.bytes())
            }
        };
        Arc::new(manifest)
    }
    /// A node publishes it: holds its blobs, tells its swarm and the DHT.
    pub fn publish(&mut self, node: NodeId, manifest: &Arc<SignedManifest>) {
        self.hold_all(node, manifest);
        let n = &mut self.nodes[node];
        if let Some(swarm) = &mut n.swarm {
            assert!(swarm.handle_manifest(self.now, manifest.clone()), "an author's own manifest is news");
        }
        if n.place.dht {
            let at = self.chance.between(self.setup.dht_delay);
            self.push(self.now + at, Due::Put(manifest.clone()));
        }
        self.minds.push_back(node);
        self.settle();
    }
    /// A node has a manifest and all its blobs, however it came by them.
    pub fn hold_all(&mut self, node: NodeId, manifest: &Arc<SignedManifest>) {
        let key = *manifest.key();
        let read = self.nodes[node].channels.get(&key).and_then(|s| s.read_key.clone());
        let plan = self.plan_of(manifest, read.as_ref()).expect("a plan");
        let n = &mut self.nodes[node];
        let subscription = n.channels.get_mut(&key).expect("it follows the channel");
        subscription.manifest = Some(manifest.clone());
        subscription.learnt = self.now;
        subscription.plan = Some(plan.clone());
        subscription.missing.clear();
        for (blob, rank) in ranked(&plan) {
            n.stored.insert(blob, (key, rank));
            if let Some(swarm) = &mut n.swarm {
                swarm.hold(self.now, blob, key, rank, None);
            }
        }
        self.minds.push_back(node);
        self.settle();
    }
    /// A v5 peer holds these blobs and announces them, and wants those.
    pub fn v5_peer(&mut self, node: NodeId, holds: &[BlobId], wants: &[BlobId]) {
        let addr = self.nodes[node].addr;
        let v5 = self.nodes[node].v5.as_mut().expect("a v5 peer");
        v5.got.extend(holds);
        v5.wants.extend(wants);
        for blob in holds {
            self.dht.announce(self.now, protocol::Topic::from(*blob).infohash(), addr);
        }
        let life = self.nodes[node].life;
        self.push(self.now + secs(1), Due::V5(node, life));
    }
    /// Blobs that a v5 peer has.
    pub fn v5_got(&self, node: NodeId) -> usize {
        self.nodes[node].v5.as_ref().map_or(0, |v5| v5.got.len())
    }
    /// What a manifest leads to, for those who can open it.
    pub fn plan_of(&self, manifest: &SignedManifest, read_key: Option<&ReadKey>) -> Option<Arc<Plan>> {
        match manifest.open(read_key).ok()? {
            protocol::manifest::Head::Tree(tree) => self.plans.get(&tree.blob).cloned(),
            protocol::manifest::Head::Inline(_) => None,
        }
    }

    // Coming and going.
    /// A node starts (again), with what it kept.
    pub fn join(&mut self, id: NodeId) {
        assert!(!self.nodes[id].is_online());
        let seed = self.chance.number();
        let node = &mut self.nodes[id];
        node.since = self.now;
        node.life += 1;
        node.wake = None;
        if node.place.nature == Nature::V5 {
            node.v5 = Some(Box::default());
            return;
        }
        let dialable = !node.place.nat && !node.place.lan;
        let config = Config {
            port: if dialable { node.addr.port() } else { 0 },
            dht: node.place.dht,
            connections_max: node.place.connections,
            per_channel: node.place.per_channel,
            announces_per_second: node.place.announces,
            own_addr: (node.place.tells && dialable).then_some(PeerAddr::Ip(node.addr)),
            ..config(START_UNIX_MS.saturating_add_signed(-node.place.behind_ms))
        };
        let mut swarm = Swarm::new(config, seed);
        for (key, s) in &node.channels {
            let floor = s.manifest.as_ref().map_or(0, |m| m.sequence());
            let (manifest, read_key) = (s.manifest.clone(), s.read_key.clone());
            swarm.follow(self.now, Follow { key: *key, read_key, manifest, floor });
        }
        for (channel, addr) in &node.named {
            swarm.add_addr(self.now, addr.clone(), *channel, Source::User);
        }
        for (blob, (key, rank)) in &node.stored {
            swarm.hold(self.now, *blob, *key, *rank, None);
        }
        node.swarm = Some(Box::new(swarm));
        let keys: Vec<ChannelKey> = self.nodes[id].channels.keys().copied().collect();
        for key in keys {
            self.want_missing(id, &key);
        }
        self.plan_repair(id);
        self.minds.push_back(id);
        self.settle();
    }
    /// A node goes. `politely`: it closes its connections; else they are only found dead.
    pub fn leave(&mut self, id: NodeId, politely: bool) {
        let node = &mut self.nodes[id];
        (node.swarm, node.v5, node.wake) = (None, None, None);
        node.life += 1;
        node.asked.clear();
        node.doubled = 0;
        for (_, (link, side)) in std::mem::take(&mut node.conns) {
            let Some(l) = self.links.get_mut(&link) else { continue };
            l.ends[side] = None;
            let other = 1 - side;
            match &l.ends[other] {
                None => drop(self.links.remove(&link)),
                Some(end) => {
                    let last = end.last;
                    let (why, wait) = match politely {
                        true => (Closed::Clean, l.latency),
                        false => (Closed::Failed, self.chance.between((secs(20), secs(200)))),
                    };
                    self.push(last.max(self.now + wait), Due::Gone(link, other, why));
                }
            }
        }
    }

    // Time.
    pub(super) fn push(&mut self, at: Duration, what: Due) {
        self.serial += 1;
        self.heap.push(Reverse(Entry { at: at.max(self.now), serial: self.serial, what }));
    }
    /// Runs to this moment.
    pub fn run_to(&mut self, until: Duration) {
        while self.heap.peek().is_some_and(|Reverse(next)| next.at <= until) {
            self.step();
        }
        self.now = until;
    }
    /// Runs for this long.
    pub fn run(&mut self, time: Duration) {
        self.run_to(self.now + time);
    }
    /// Runs until something is so, looking every second; returns how long it took. `None`: it was not so in time.
    pub fn run_until(&mut self, limit: Duration, so: impl Fn(&Self) -> bool) -> Option<Duration> {
        let start = self.now;
        while !so(self) {
            if self.now - start >= limit {
                return None;
            }
            self.run(secs(1));
        }
        Some(self.now - start)
    }
    fn step(&mut self) {
        let Some(Reverse(next)) = self.heap.pop() else { return };
        self.now = next.at;
        self.happen(next);
        self.settle();
    }
    /// Until nobody has anything more to say at this moment.
    pub(super) fn settle(&mut self) {
        loop {
            if let Some((link, side)) = self.talks.pop_front() {
                self.attend_talk(link, side);
            } else if let Some(node) = self.minds.pop_front() {
                self.attend_mind(node);
            } else {
                return;
            }
        }
    }
    /// The node that can be dialled at this address.
    pub fn node_at(&self, addr: &SocketAddr) -> Option<NodeId> {
        let SocketAddr::V4(v4) = addr else { return None };
        let first = if is_local(addr) { LOCAL } else { GLOBAL };
        let id = u32::from(*v4.ip()).checked_sub(first)? as usize;
        self.nodes.get(id).filter(|node| node.addr.port() == v4.port()).map(|_| id)
    }
    /// What is missing of a channel is asked for, as far as it can be known what that is.
    pub(super) fn want_missing(&mut self, id: NodeId, key: &ChannelKey) {
        let node = &mut self.nodes[id];
        let Some(subscription) = node.channels.get(key) else { return };
        let (Some(plan), Some(swarm)) = (&subscription.plan, &mut node.swarm) else { return };
        if subscription.missing.contains(&plan.root) {
            swarm.want(self.now, plan.root, *key, Priority::Structure);
            return;
        }
        for blob in &subscription.missing {
            swarm.want(self.now, *blob, *key, Priority::Normal);
        }
    }
}

/// A mind's numbers as the product sets them, on a clear road with a DHT; UTC at its start in ms since 1970.
pub fn config(unix_ms_at_start: u64) -> Config {
    Config {
        capabilities: CAPABILITIES,
        port: 4170,
        dht: true,
        allow_local: false,
        connections_max: 200,
        per_channel: 12,
        announces_per_second: 2.0,
        announce_cycle: mins(15),
        ban: mins(60),
        own_addr: None,
        unix_ms_at_start,
    }
}

/// What the product's node can do.
pub(super) const CAPABILITIES: Capabilities = Capabilities { manifest: true, have: true, split: true, gateway: false };

/// The blobs of a plan with their ranks.
pub(super) fn ranked(plan: &Plan) -> impl Iterator<Item = (BlobId, Rank)> + '_ {
    let rest = plan.blobs.iter().enumerate().map(|(i, blob)| (*blob, if i == 0 { Rank::First } else { Rank::Rest }));
    std::iter::once((plan.root, Rank::Root)).chain(rest)
}
