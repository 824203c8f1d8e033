//! Carrying things out: what swarms and sessions say is brought to each other, as the real node does it.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use protocol::params::{BLOB_LEN, TAG_LEN};
use protocol::session::{Command, Event, Hello, Role, Session};
use protocol::{BlobId, ChannelKey, PeerAddr, SignedManifest};
use swarm::{Closed, ConnId, Output, Rank, Verdict};

use super::link::{End, Link, LinkId, Side, Talk, shake_hands};
use super::node::{GLOBAL, Nature, NodeId, address};
use super::secs;
use super::v5::{Told, V5Talk};
use super::world::{Due, Entry, World, ranked};

/// A frame of more bytes takes its time on the uplink and the downlink.
const SMALL: usize = 4096;
/// Bytes that a packet carries.
const PACKET: usize = 1400;
/// Blobs whose bytes are kept for the next who asks.
const BYTES_KEPT: usize = 128;
/// A dial that nobody answers ends after this.
const DIAL: Duration = secs(10);
/// Nodes with the newest manifest below which it is put again (E4).
const KEEP_ALIVE_BELOW: u32 = 8;

impl World {
    pub(super) fn happen(&mut self, entry: Entry) {
        let at = entry.at;
        if self.sleeps(&entry.what) {
            return;
        }
        match entry.what {
            Due::Mind(id, life) => self.wake_mind(at, id, life),
            Due::Talk(link, side) => self.wake_talk(at, link, side),
            Due::Frame(link, side, wire) => self.come_down(link, side, wire),
            Due::Taken(link, side, wire) => {
                if let Some(end) = self.end(link, side) {
                    end.queued -= 1;
                }
                self.arrive(link, side, wire);
            }
            Due::Sent(link, side) => {
                if let Some(end) = self.end(link, side) {
                    end.sending = false;
                    self.talks.push_back((link, side));
                }
            }
            Due::Gone(link, side, why) => match self.end(link, side).map(|end| (end.taken, end.queued)) {
                Some((taken, queued)) if queued > 0 => self.push(taken, Due::Gone(link, side, why)),
                _ => self.end_talk(link, side, why),
            },
            Due::Dialled(id, life, dial, addr) => self.dialled(id, life, dial, &addr),
            Due::Missed(id, life, dial) => self.missed(id, life, dial),
            Due::Found(id, life, infohash) if self.nodes[id].life == life => {
                let cut = self.nodes[id].cut;
                let found = if cut { Vec::new() } else { self.dht.peers(self.now, infohash, &mut self.chance) };
                if let Some(swarm) = &mut self.nodes[id].swarm {
                    swarm.handle_found(self.now, infohash, found);
                }
                self.minds.push_back(id);
            }
            Due::Announced(id, life, infohash) if self.nodes[id].life == life => {
                let cut = self.nodes[id].cut;
                if !cut {
                    self.dht.announce(self.now, infohash, self.nodes[id].addr);
                }
                if let Some(swarm) = &mut self.nodes[id].swarm {
                    swarm.handle_announced(self.now, infohash, !cut);
                }
                self.minds.push_back(id);
            }
            Due::Item(id, life, key) if self.nodes[id].life == life && !self.nodes[id].cut => self.refreshed(id, &key),
            Due::Put(manifest) => self.dht.put(self.now, manifest),
            Due::Repair(id, life, asked) if self.nodes[id].life == life => self.repair(id, asked),
            Due::V5(id, life) if self.nodes[id].life == life => self.v5_next(id),
            Due::Found(..) | Due::Announced(..) | Due::Item(..) | Due::V5(..) | Due::Repair(..) => {}
        }
    }
    pub(super) fn end(&mut self, link: LinkId, side: Side) -> Option<&mut End> {
        self.links.get_mut(&link)?.ends[side].as_mut()
    }

    // Deadlines.
    fn wake_mind(&mut self, at: Duration, id: NodeId, life: u32) {
        let node = &mut self.nodes[id];
        if node.life != life || node.wake != Some(at) {
            return;
        }
        node.wake = None;
        if let Some(swarm) = &mut node.swarm
            && swarm.poll_timeout().is_some_and(|due| due <= self.now)
        {
            swarm.handle_timeout(self.now);
        }
        self.minds.push_back(id);
    }
    fn wake_talk(&mut self, at: Duration, link: LinkId, side: Side) {
        let now = self.now;
        let Some(end) = self.end(link, side) else { return };
        if end.wake != Some(at) {
            return;
        }
        end.wake = None;
        if end.timeout().is_none_or(|due| due > now) {
            self.talks.push_back((link, side));
            return;
        }
        let node = end.node;
        let broken = match &mut end.talk {
            Talk::Session(session) => session.handle_timeout(now).is_err(),
            Talk::V5(talk) => {
                if let Told::Refused = talk.handle_timeout() {
                    self.v5_refused(node);
                }
                false
            }
        };
        if broken {
            self.end_talk(link, side, Closed::Failed);
            return;
        }
        self.talks.push_back((link, side));
    }

    // The mind.
    pub(super) fn attend_mind(&mut self, id: NodeId) {
        while let Some(output) = self.nodes[id].swarm.as_mut().and_then(|swarm| swarm.poll_output()) {
            self.carry_out(id, output);
        }
        let node = &mut self.nodes[id];
        let Some(due) = node.swarm.as_ref().and_then(|swarm| swarm.poll_timeout()) else { return };
        let due = due.max(self.now);
        if node.wake.is_none_or(|wake| due < wake) {
            node.wake = Some(due);
            let life = node.life;
            self.push(due, Due::Mind(id, life));
        }
    }
    fn carry_out(&mut self, id: NodeId, output: Output) {
        let life = self.nodes[id].life;
        match output {
            Output::Dial(dial, addr) => {
                self.nodes[id].seen.dials += 1;
                let wait = self.chance.between(self.setup.latency) * 4;
                self.push(self.now + wait, Due::Dialled(id, life, dial, addr));
            }
            Output::Send(conn, command) => self.send(id, conn, command),
            Output::Serve(conn, blob) => self.serve(id, conn, blob),
            Output::Close(conn) => self.command(id, conn, Command::Close),
            Output::DhtLookup(infohash) => self.ask_dht(Due::Found(id, life, infohash)),
            Output::DhtAnnounce(infohash) => {
                let now = self.now;
                self.nodes[id].seen.announced.push((now, infohash));
                self.ask_dht(Due::Announced(id, life, infohash));
            }
            Output::DhtRefresh(key) => self.ask_dht(Due::Item(id, life, key)),
            Output::NewManifest(manifest) => self.learn(id, &manifest),
            Output::SignedTwice(key) => {
                if let Some(subscription) = self.nodes[id].channels.get_mut(&key) {
                    subscription.signed_twice = true;
                }
            }
            Output::Publish(conn, ..) => {
                self.command(id, conn, Command::Published(Err("no gateway".into())));
            }
            Output::GatewayLookup(conn, _, request, ..) => self.command(id, conn, Command::Manifest(request, None)),
            Output::GatewaySeek(conn, _, topic) => self.command(id, conn, Command::Peers(topic, Vec::new())),
            Output::Banned(PeerAddr::Ip(addr), _) => {
                let now = self.now;
                self.nodes[id].seen.banned.push((addr, now));
            }
            Output::Banned(..) => {}
        }
    }
    fn ask_dht(&mut self, what: Due) {
        let wait = self.chance.between(self.setup.dht_delay);
        self.push(self.now + wait, what);
    }
    fn send(&mut self, id: NodeId, conn: ConnId, mut command: Command) {
        match (&mut command, self.nodes[id].place.nature) {
            (Command::Request(blob), _) => self.nodes[id].asks(*blob, conn),
            (Command::Cancel(blob), _) => self.nodes[id].asks_no_more(blob, conn),
            (Command::GetManifest(..), _) => self.nodes[id].seen.gets += 1,
            (Command::Hello(hello), Nature::Boasts) => {
                hello.gossip.iter_mut().for_each(|(_, sequence)| *sequence += 1_000_000);
            }
            (Command::Hello(hello), Nature::Plain) => *hello = Hello::default(),
            (Command::Peers(_, addrs), Nature::Spams) => *addrs = self.nowhere(200),
            (Command::Have(_, bits), Nature::Pretends) => bits.fill(true),
            _ => {}
        }
        self.command(id, conn, command);
    }
    /// Addresses where nobody is.
    pub fn nowhere(&mut self, count: usize) -> Vec<PeerAddr> {
        let mut one = || {
            let ip = Ipv4Addr::new(45, self.chance.below(256) as u8, self.chance.below(256) as u8, 7);
            PeerAddr::Ip(SocketAddr::new(ip.into(), 6881))
        };
        (0..count).map(|_| one()).collect()
    }
    /// A node says this on every connection, whatever its mind thinks.
    pub fn say(&mut self, id: NodeId, command: &Command) {
        let conns: Vec<ConnId> = self.nodes[id].conns.keys().copied().collect();
        for conn in conns {
            self.command(id, conn, command.clone());
        }
        self.settle();
    }
    fn command(&mut self, id: NodeId, conn: ConnId, command: Command) {
        let now = self.now;
        let Some((link, side)) = self.nodes[id].conns.get(&conn).copied() else { return };
        if let Some(Talk::Session(session)) = self.end(link, side).map(|end| &mut end.talk) {
            session.handle_command(now, command);
            self.talks.push_back((link, side));
        }
    }
    fn serve(&mut self, id: NodeId, conn: ConnId, blob: BlobId) {
        let bytes = match self.nodes[id].place.nature {
            Nature::Stalls => return,
            Nature::Corrupt => Arc::new(bytes_of(&blob, false)),
            _ => self.bytes.entry(blob).or_insert_with(|| Arc::new(bytes_of(&blob, true))).clone(),
        };
        if self.bytes.len() > BYTES_KEPT {
            self.bytes.clear();
        }
        if let Some((link, side)) = self.nodes[id].conns.get(&conn).copied()
            && let Some(end) = self.end(link, side)
        {
            end.given += 1;
        }
        self.command(id, conn, Command::Serve(blob, bytes));
    }
    /// A newer manifest is here.
    fn learn(&mut self, id: NodeId, manifest: &Arc<SignedManifest>) {
        let key = *manifest.key();
        let read = self.nodes[id].channels.get(&key).and_then(|s| s.read_key.clone());
        let plan = self.plan_of(manifest, read.as_ref());
        let (now, node) = (self.now, &mut self.nodes[id]);
        let Some(subscription) = node.channels.get_mut(&key) else { return };
        subscription.manifest = Some(manifest.clone());
        subscription.learnt = now;
        let Some(plan) = plan.filter(|_| subscription.fetches) else { return };
        let missing =
            ranked(&plan).enumerate().filter(|(at, _)| subscription.wishes_for(*at)).map(|(_, (blob, _))| blob);
        let missing = missing.filter(|blob| !node.stored.contains_key(blob)).collect();
        let gone = std::mem::replace(&mut subscription.missing, missing);
        let gone: Vec<BlobId> = gone.into_iter().filter(|blob| !subscription.missing.contains(blob)).collect();
        subscription.plan = Some(plan);
        if let Some(swarm) = &mut node.swarm {
            gone.iter().for_each(|blob| swarm.unwant(now, blob));
        }
        self.want_missing(id, &key);
        self.minds.push_back(id);
    }
    /// The DHT answered: a higher one is taken; it is put again if few nodes have it.
    fn refreshed(&mut self, id: NodeId, key: &ChannelKey) {
        let found = self.dht.get(self.now, key, &mut self.chance);
        let Some(subscription) = self.nodes[id].channels.get(key) else { return };
        let public = subscription.read_key.is_none();
        let again = match (&found, &subscription.manifest) {
            (Some((manifest, nodes)), _) if *nodes < KEEP_ALIVE_BELOW => Some(manifest.clone()),
            (None, Some(ours)) => Some(ours.clone()),
            _ => None,
        };
        if let Some(again) = again.filter(|_| public) {
            self.ask_dht(Due::Put(again));
        }
        let Some((manifest, _)) = found else { return };
        let Some(swarm) = &mut self.nodes[id].swarm else { return };
        if swarm.handle_manifest(self.now, manifest.clone()) {
            self.learn(id, &manifest);
        }
        self.minds.push_back(id);
    }

    // Dials.
    fn dialled(&mut self, id: NodeId, life: u32, dial: ConnId, addr: &PeerAddr) {
        if self.nodes[id].life != life {
            return;
        }
        let target = match addr {
            PeerAddr::Ip(addr) => self.node_at(addr),
            _ => None,
        };
        let reaches = |to: &NodeId| {
            let node = &self.nodes[*to];
            let ours = &self.nodes[id];
            let same = node.place.group == ours.place.group && (!node.place.lan || ours.place.lan);
            node.is_online() && !node.place.nat && same && !node.cut && !ours.cut
        };
        let Some(target) = target.filter(reaches) else {
            self.push(self.now + DIAL, Due::Missed(id, life, dial));
            return;
        };
        let ([ours, theirs], binding) = shake_hands(&mut self.chance, self.setup.sealed);
        let (now, link) = (self.now, self.next_link);
        self.next_link += 1;
        // Who leaves its house is seen as its router.
        let ip = if self.nodes[target].place.lan { self.nodes[id].addr.ip() } else { address(GLOBAL, id) };
        let from = PeerAddr::Ip(SocketAddr::new(ip, 40_000 + (link % 20_000) as u16));
        let node = &mut self.nodes[target];
        let (conn, taken, talk) = match (&mut node.swarm, &mut node.v5) {
            (Some(swarm), _) => {
                let conn = swarm.next_conn();
                let taken = swarm.handle_accepted(now, conn, from, None, binding);
                (conn, taken, Talk::Session(Box::new(Session::new(Role::Acceptor, super::world::CAPABILITIES, now))))
            }
            (None, Some(v5)) => (v5.next_conn(), true, Talk::V5(Box::default())),
            (None, None) => unreachable!("it is online"),
        };
        let end = |node, conn, talk, cipher| End {
            node,
            conn,
            talk,
            cipher,
            sending: false,
            last: now,
            taken: now,
            queued: 0,
            wake: None,
            given: 0,
        };
        let accepted = taken.then(|| end(target, conn, talk, theirs));
        if taken {
            self.nodes[target].conns.insert(conn, (link, 1));
        }
        let node = &mut self.nodes[id];
        let talk = match node.v5.as_ref().and_then(|v5| v5.current) {
            Some(blob) => Talk::V5(Box::new(V5Talk::client(now, blob))),
            None => Talk::Session(Box::new(Session::new(Role::Dialler, super::world::CAPABILITIES, now))),
        };
        node.conns.insert(dial, (link, 0));
        let latency = self.chance.between(self.setup.latency);
        let ends = [Some(end(id, dial, talk, ours)), accepted];
        self.links.insert(link, Link { ends, latency, broken: false });
        self.trace.tell(&[2, now.as_nanos() as u64, id as u64, target as u64], &[]);
        if let Some(swarm) = &mut self.nodes[id].swarm {
            swarm.handle_dialled(now, dial, Some(binding));
        }
        if !taken {
            self.push(now + latency, Due::Gone(link, 0, Closed::Clean));
        } else if let Some(mean) = self.setup.life {
            let life = self.chance.life(mean);
            for side in [0, 1] {
                let notice = self.chance.between((Duration::ZERO, secs(20)));
                self.push(now + life + notice, Due::Gone(link, side, Closed::Failed));
            }
        }
        self.minds.extend([target, id]);
        self.talks.extend([(link, 0), (link, 1)]);
    }
    fn missed(&mut self, id: NodeId, life: u32, dial: ConnId) {
        let node = &mut self.nodes[id];
        if node.life != life {
            return;
        }
        node.seen.missed += 1;
        match &mut node.swarm {
            Some(swarm) => swarm.handle_dialled(self.now, dial, None),
            None => self.v5_refused(id),
        }
        self.minds.push_back(id);
    }

    // The wire.
    /// Bytes reach the downlink, which all connections of the node share.
    fn come_down(&mut self, link: LinkId, side: Side, wire: Vec<u8>) {
        let now = self.now;
        let Some(l) = self.links.get_mut(&link) else { return };
        let broken = l.broken;
        let Some(end) = l.ends[side].as_mut() else { return };
        if broken {
            return;
        }
        let mut taken = end.taken.max(now);
        if wire.len() > SMALL {
            let node = &mut self.nodes[end.node];
            taken = taken.max(node.down_free) + Duration::from_secs_f64(wire.len() as f64 / node.place.down);
            node.down_free = taken;
        }
        end.taken = taken;
        if taken > now || end.queued > 0 {
            end.queued += 1;
            self.push(taken, Due::Taken(link, side, wire));
        } else {
            self.arrive(link, side, wire);
        }
    }
    fn arrive(&mut self, link: LinkId, side: Side, mut wire: Vec<u8>) {
        let now = self.now;
        let Some(end) = self.links.get_mut(&link).and_then(|l| l.ends[side].as_mut()) else { return };
        let plain: &[u8] = match &mut end.cipher {
            Some(cipher) => cipher.1.open(&mut wire[4..]).expect("nobody is on the path"),
            None => &wire,
        };
        self.trace.tell(&[1, now.as_nanos() as u64, link, side as u64, plain.len() as u64], plain);
        let id = end.node;
        if self.nodes[id].place.tapped {
            self.nodes[id].heard.push(plain[..plain.len().min(1 << 17)].to_vec());
        }
        match &mut end.talk {
            Talk::Session(session) => {
                if plain.len() + TAG_LEN > session.frame_max() {
                    self.end_talk(link, side, Closed::Failed);
                } else if session.handle_frame(now, plain).is_err() {
                    self.end_talk(link, side, Closed::Violation);
                } else {
                    self.talks.push_back((link, side));
                }
            }
            Talk::V5(talk) => {
                let told = talk.take(now, plain);
                self.v5_told(id, link, side, told);
                self.talks.push_back((link, side));
            }
        }
    }
    pub(super) fn attend_talk(&mut self, link: LinkId, side: Side) {
        let Some(end) = self.end(link, side) else { return };
        let (id, conn) = (end.node, end.conn);
        while let Some(Talk::Session(session)) = self.end(link, side).map(|end| &mut end.talk)
            && let Some(event) = session.poll_event()
        {
            self.take_event(id, conn, event);
        }
        self.off_our_hands(link, side, false);
        self.transmit(link, side);
        let now = self.now;
        let Some(end) = self.end(link, side) else { return };
        if end.is_finished() && !end.sending {
            self.end_talk(link, side, Closed::Clean);
            return;
        }
        if let Some(due) = end.timeout().map(|due| due.max(now))
            && end.wake.is_none_or(|wake| due < wake)
        {
            end.wake = Some(due);
            self.push(due, Due::Talk(link, side));
        }
    }
    fn take_event(&mut self, id: NodeId, conn: ConnId, event: Event) {
        let now = self.now;
        let node = &mut self.nodes[id];
        match event {
            Event::Blob(blob, bytes) => {
                let right = bytes.len() == BLOB_LEN && bytes[..32] == blob.0;
                node.asks_no_more(&blob, conn);
                if right {
                    node.seen.blobs += 1;
                    node.seen.twice += u64::from(node.stored.contains_key(&blob));
                } else {
                    node.seen.wrong += 1;
                }
                let verdict = if right { Verdict::Stored } else { Verdict::BadHash };
                if let Some(swarm) = &mut node.swarm {
                    swarm.handle_verdict(now, conn, blob, verdict);
                }
                if right {
                    self.store(id, blob);
                }
            }
            other => {
                if let Event::NotFound(blob) = &other {
                    node.asks_no_more(blob, conn);
                }
                if let Some(swarm) = &mut node.swarm {
                    swarm.handle_event(now, conn, other);
                }
            }
        }
        self.minds.push_back(id);
    }
    /// A blob is here and right.
    fn store(&mut self, id: NodeId, blob: BlobId) {
        let node = &mut self.nodes[id];
        let wanting = node.channels.iter_mut().find(|(_, s)| s.missing.contains(&blob));
        let Some((key, subscription)) = wanting else { return self.store_lent(id, blob) };
        subscription.missing.remove(&blob);
        let (key, plan) = (*key, subscription.plan.clone());
        let root = plan.is_some_and(|plan| plan.root == blob);
        let rank = if root { Rank::Root } else { Rank::Rest };
        node.stored.insert(blob, (key, rank));
        if let Some(swarm) = &mut node.swarm {
            swarm.hold(self.now, blob, key, rank, None);
        }
        if root {
            self.want_missing(id, &key);
        }
    }
    /// Tells the mind of blobs that were given to this end and wait there no more: sent, or cancelled.
    fn off_our_hands(&mut self, link: LinkId, side: Side, mut whole: bool) {
        let now = self.now;
        let Some(end) = self.links.get_mut(&link).and_then(|l| l.ends[side].as_mut()) else { return };
        let (id, conn, gone) = (end.node, end.conn, end.given.saturating_sub(end.blobs_held()));
        if gone == 0 {
            return;
        }
        end.given -= gone;
        if let Some(swarm) = &mut self.nodes[id].swarm {
            // One goes whole at a time; the others were taken back.
            (0..gone).for_each(|_| swarm.handle_served(now, conn, std::mem::take(&mut whole)));
        }
        self.minds.push_back(id);
    }
    fn transmit(&mut self, link: LinkId, side: Side) {
        loop {
            let now = self.now;
            let Some(l) = self.links.get_mut(&link) else { return };
            let latency = l.latency;
            let Some(end) = &mut l.ends[side] else { return };
            let mut frame = Vec::new();
            let held = end.blobs_held();
            if end.sending || !end.next_frame(&mut frame) {
                return;
            }
            let whole = end.blobs_held() < held;
            if whole {
                self.nodes[end.node].seen.served += 1;
            }
            self.off_our_hands(link, side, whole);
            let Some(l) = self.links.get_mut(&link) else { return };
            let Some(end) = &mut l.ends[side] else { return };
            let wire = match &mut end.cipher {
                Some(cipher) => {
                    let mut wire = Vec::new();
                    cipher.0.seal(&frame, &mut wire);
                    wire
                }
                None => frame,
            };
            let (loss, packets) = (self.setup.loss, wire.len().div_ceil(PACKET));
            let mut leaves = now;
            let big = wire.len() > SMALL;
            if big {
                end.sending = true;
                let node = &mut self.nodes[end.node];
                leaves = node.up_free.max(now) + Duration::from_secs_f64(wire.len() as f64 / node.place.up);
                node.up_free = leaves;
                self.push(leaves, Due::Sent(link, side));
            }
            let Some(there) = self.links.get_mut(&link).and_then(|l| l.ends[1 - side].as_mut()) else { continue };
            let late = if loss > 0.0 { self.chance.late(loss, packets, latency) } else { Duration::ZERO };
            let arrives = (leaves + latency + late).max(there.last);
            there.last = arrives;
            self.push(arrives, Due::Frame(link, 1 - side, wire));
        }
    }
    /// This end is over; the other one learns it behind the last bytes.
    pub(super) fn end_talk(&mut self, link: LinkId, side: Side, why: Closed) {
        let now = self.now;
        let Some(l) = self.links.get_mut(&link) else { return };
        let Some(end) = l.ends[side].take() else { return };
        let fetching = matches!(&end.talk, Talk::V5(talk) if !talk.closing);
        match l.ends[1 - side].as_ref().map(|other| other.last.max(now + l.latency)) {
            Some(at) => self.push(at, Due::Gone(link, 1 - side, Closed::Clean)),
            None => drop(self.links.remove(&link)),
        }
        self.trace.tell(&[3, now.as_nanos() as u64, link, side as u64], &[]);
        let node = &mut self.nodes[end.node];
        node.conn_ended(end.conn);
        match &mut node.swarm {
            Some(swarm) => swarm.handle_closed(now, end.conn, why),
            None if fetching && side == 0 => self.v5_refused(end.node),
            None => {}
        }
        self.minds.push_back(end.node);
    }
}

/// The bytes of a blob: 1 MiB that starts with its ID, or with another.
pub(super) fn bytes_of(blob: &BlobId, honest: bool) -> Vec<u8> {
    let mut bytes = vec![0x5a; BLOB_LEN];
    bytes[..32].copy_from_slice(&blob.0);
    bytes[0] ^= u8::from(!honest);
    bytes
}
