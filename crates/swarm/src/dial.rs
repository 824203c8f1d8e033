//! E10 Dialling — which known address is dialled, and what becomes of it.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::Duration;

use protocol::handshake::Binding;
use protocol::session::{Command, Role};
use protocol::{AddrClass, ChannelKey, PeerAddr};
use rand_core::Rng;

use crate::channel::Channel;
use crate::peers::{Peer, Stage};
use crate::swarm::Swarm;
use crate::timers::Timer;
use crate::{ConnId, DialId, Output, Source};

/// Who called us keeps us from dialling what else there is at its IP for this long, if it does not say where it listens.
const CALLED: Duration = Duration::from_secs(60);

/// A dial under way.
pub(crate) struct Dialling {
    pub(crate) addr: PeerAddr,
    /// For whom; none: to check an announced address.
    channel: Option<ChannelKey>,
}

impl Swarm {
    pub(crate) fn learn_addr(&mut self, now: Duration, addr: PeerAddr, channel: Option<ChannelKey>, source: Source) {
        if !self.is_on_our_way(&addr, source) {
            return;
        }
        let ours = self.config.own_addr.iter().chain(self.onions.values()).any(|own| *own == addr);
        if ours || !self.book.add(now, addr, channel, source) {
            return;
        }
        match channel {
            Some(key) if self.channels.contains_key(&key) => self.timers.sooner(Timer::Dial(key), now),
            Some(_) => {}
            None => self.channels.keys().for_each(|key| self.timers.sooner(Timer::Dial(*key), now)),
        }
    }
    /// How many more a channel should dial: twice as many while something of it is wanted, or who cannot be dialled would
    /// have half the suppliers of who can. Half of its connections are its own choice, however many call: callers alone
    /// could show it whatever world they like.
    pub(crate) fn lacking(&self, channel: &Channel) -> usize {
        let chosen = |conn: &&ConnId| self.peers.get(**conn).is_some_and(|p| p.role == Role::Dialler);
        let chosen = channel.conns.iter().filter(chosen).count() + channel.dials;
        let wanting = self.picker.is_wanting(&channel.follow.key);
        let aim = if wanting { 2 * self.config.per_channel } else { self.config.per_channel };
        let all = aim.saturating_sub(channel.conns.len() + channel.dials);
        all.max((self.config.per_channel / 2).saturating_sub(chosen))
    }
    pub(crate) fn dial_more(&mut self, now: Duration, key: &ChannelKey) {
        let since = self.waiting.remove(key);
        let Some(channel) = self.channels.get(key) else { return };
        let need = self.lacking(channel);
        // Whom the user named is met even when there are enough others.
        let (ready, next) = match need {
            0 => (self.book.named(now, key), None),
            _ => self.book.candidates(now, key),
        };
        if ready.is_empty() && next.is_none() {
            self.wake_hungriest(now);
            return;
        }
        let met: Vec<&Peer> = channel.conns.iter().filter_map(|conn| self.peers.get(*conn)).collect();
        let ours = |d: &&Dialling| !self.hides(&d.addr) || d.channel == Some(*key);
        let under_way: Vec<&PeerAddr> = self.dials.values().filter(ours).map(|d| &d.addr).collect();
        // One connection to an address is enough, or as many as fetch faster together: the others follow the first at
        // once when it is there.
        let wanting = self.picker.is_wanting(key);
        let more = |addr: &PeerAddr| {
            let there = met.iter().filter(|p| p.addr == *addr);
            let answered = there.clone().any(|p| p.stage != Stage::Waiting);
            let most = if wanting && answered { self.circuits(addr) } else { 1 };
            most.saturating_sub(there.count() + under_way.iter().filter(|a| **a == addr).count())
        };
        let mut taken: BTreeSet<&PeerAddr> = BTreeSet::new();
        // A gateway stays though it does not follow the channel: it is asked what it knows on the connection there is.
        let serving = self.peers.iter().filter(|(_, p)| p.ext.gateway && p.named.contains(key));
        taken.extend(serving.map(|(_, p)| &p.addr));
        taken.extend(met.iter().filter_map(|p| p.listens.as_ref()));
        // Who was asked about this channel and said that it does not have it is here about another one.
        let strange = |peer: &&Peer| {
            let asked = peer.role == Role::Dialler && peer.stage == Stage::Spoke && peer.named.contains(key);
            asked && !peer.channels().contains(key)
        };
        taken.extend(self.peers.iter().map(|(_, peer)| peer).filter(strange).map(|p| &p.addr));
        // Who called us from there and has not said yet where it listens is most likely who listens there. Not for long,
        // for several may live behind one router; not where something is wanted that nobody here has; and never in the
        // way of what the user named.
        let pressing = self.picker.lonely(key).next().is_some();
        let silent =
            |p: &&&Peer| p.role == Role::Acceptor && p.listens.is_none() && p.since + CALLED > now && !pressing;
        let callers: BTreeMap<IpAddr, Duration> =
            met.iter().filter(silent).filter_map(|p| Some((p.ip()?, p.since + CALLED))).collect();
        let named = |addr: &PeerAddr| self.book.get(addr).is_some_and(|e| e.source == Source::User);
        let called = |addr: &PeerAddr| match addr {
            PeerAddr::Ip(socket) if addr.class() != AddrClass::Loopback && !named(addr) => {
                callers.get(&socket.ip().to_canonical()).copied()
            }
            _ => None,
        };
        let later = ready.iter().filter_map(called).min();
        let next = next.into_iter().chain(later).min();
        let free = |addr: &PeerAddr| !taken.contains(addr) && called(addr).is_none() && more(addr) > 0;
        let ready: Vec<PeerAddr> = ready.into_iter().filter(free).collect();
        let users = ready.iter().filter(|addr| named(addr)).count();
        // As many at a time as a channel has connections when all is well.
        let at_once = self.config.per_channel.saturating_sub(channel.dials);
        let counted: BTreeMap<PeerAddr, usize> = ready.iter().map(|addr| (addr.clone(), more(addr))).collect();
        let rng = &mut self.rng;
        let order = self.book.in_turn(ready, || f64::from(rng.next_u32()));
        let mut dials: Vec<PeerAddr> = order
            .into_iter()
            .take(need.max(users).min(at_once))
            .flat_map(|addr| std::iter::repeat_n(addr.clone(), counted.get(&addr).copied().unwrap_or(1)))
            .collect();
        let granted = self.grant(now, key, dials.len(), since);
        if dials.is_empty() {
            // What it was woken for is another's.
            self.wake_hungriest(now);
        }
        dials.truncate(granted);
        for addr in dials {
            self.dial(addr, Some(*key));
        }
        if let Some(at) = next {
            self.timers.sooner(Timer::Dial(*key), at.max(now + Duration::from_millis(1)));
        }
    }
    pub(crate) fn dial(&mut self, addr: PeerAddr, channel: Option<ChannelKey>) {
        let id = self.next_conn();
        if let Some(channel) = channel.and_then(|key| self.channels.get_mut(&key)) {
            channel.dials += 1;
        }
        self.dials.insert(id, Dialling { addr: addr.clone(), channel });
        self.outputs.push_back(Output::Dial(id, addr));
    }
    /// The channel that a dial under way is for; `None`: it checks an announced address, or is over.
    pub(crate) fn dial_channel(&self, id: DialId) -> Option<ChannelKey> {
        self.dials.get(&id).and_then(|dial| dial.channel)
    }
    pub(crate) fn end_dial(&mut self, now: Duration, id: DialId, result: Option<Binding>) {
        let Some(Dialling { addr, channel }) = self.dials.remove(&id) else { return };
        if let Some(channel) = channel.and_then(|key| self.channels.get_mut(&key)) {
            channel.dials = channel.dials.saturating_sub(1);
            channel.in_vain = if result.is_some() { 0 } else { channel.in_vain.saturating_add(1) };
        }
        self.pex.dialled(now, &addr, result.is_some());
        let Some(binding) = result else {
            let jitter = self.chance();
            self.book.failed(now, &addr, jitter);
            if let Some(key) = channel {
                self.lost_one(now, &key);
            }
            self.wake_hungriest(now);
            return;
        };
        // Only a check, or what it was for is gone.
        let wanted = channel.is_some_and(|key| self.channels.contains_key(&key));
        if !wanted || self.book.is_banned(now, &addr) {
            self.outputs.push_back(Output::Close(id));
            return;
        }
        let mut peer = Peer::new(now, addr.clone(), Role::Dialler, binding);
        peer.near = self.book.get(&addr).is_some_and(|entry| entry.source == Source::Lan);
        peer.only = channel.filter(|_| self.hides(&addr));
        peer.named = self.subjects(&addr, channel);
        let hello = self.hello(&peer, &peer.named);
        for key in &peer.named {
            if let Some(channel) = self.channels.get_mut(key) {
                channel.conns.insert(id);
            }
        }
        let twin = self.peers.insert(id, peer);
        self.send(id, Command::Hello(hello));
        self.timers.set(Timer::Settle(id), now + self.hello_wait(&addr));
        if let Some(key) = channel {
            // The next ones, if it needs more than are dialled at a time.
            self.timers.sooner(Timer::Dial(key), now);
        }
        if let Some(twin) = twin {
            self.meet_ourselves(id, twin);
        }
    }
    pub(crate) fn meet_ourselves(&mut self, one: ConnId, other: ConnId) {
        for conn in [one, other] {
            if let Some(peer) = self.peers.get(conn)
                && peer.role == Role::Dialler
            {
                self.book.is_us(&peer.addr);
            }
            self.outputs.push_back(Output::Close(conn));
        }
    }
    /// Both sides dialled each other: one connection is enough, the one whose dialler's key is the greater, unless the other
    /// is about more. Each side ends what it accepted and never what it dialled: both see the same two, so one of them ends
    /// the lesser; and who only says that it listens where somebody else does ends nothing but its own connection.
    pub(crate) fn part_with_double(&mut self, accepted: ConnId) {
        let Some(peer) = self.peers.get(accepted) else { return };
        let Some(listens) = peer.listens.as_ref().filter(|_| peer.role == Role::Acceptor) else { return };
        let met = peer.shared.iter().filter_map(|key| self.channels.get(key)).flat_map(|c| &c.conns);
        let same = |id: &&ConnId| self.peers.get(**id).is_some_and(|p| p.role == Role::Dialler && p.addr == *listens);
        let Some(dialled) = met.copied().find(|id| same(&id)) else { return };
        let Some(other) = self.peers.get(dialled) else { return };
        let lesser = peer.binding.dialler < other.binding.dialler;
        if lesser && other.stage == Stage::Spoke && peer.shared.is_subset(&other.shared) {
            self.outputs.push_back(Output::Close(accepted));
        }
    }
}

#[cfg(test)]
mod tests;
