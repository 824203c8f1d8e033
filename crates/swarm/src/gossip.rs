//! E4 Manifests between peers — gossip, GET_MANIFEST, push.

use std::sync::Arc;
use std::time::Duration;

use protocol::session::{Command, Role};
use protocol::{ChannelKey, SignedManifest};

use crate::channel::Channel;
use crate::swarm::Swarm;
use crate::timers::Timer;
use crate::{ConnId, Output, Source};

/// Connected peers that are asked for the newest list when a person wants it.
const ASKED_AT_ONCE: usize = 3;
/// Least time between two pushes of one channel to one peer.
const PUSH_PAUSE: Duration = Duration::from_secs(5);
/// Promises of a newer manifest that a peer may break.
const BROKEN_MAX: u8 = 3;
/// Between two looks whether a peer with our sequence has our manifest, too: a HELLO cannot tell.
const COMPARE: Duration = Duration::from_secs(60);
/// A peer that broke its promises is not dialled before this time, and its hints are not followed.
const BOASTER: Duration = Duration::from_secs(3600);
/// Between two visits to the DHT for one channel of which no peer would tell what is new.
const REFRESH_ALONE: Duration = Duration::from_secs(600);
/// Between two visits of the node for all such channels together.
const REFRESH_BUDGET: Duration = Duration::from_secs(60);
/// Between two visits to the DHT for one channel.
const REFRESH: Duration = Duration::from_secs(3600);
/// A private channel's followers ask the DHT only when no peer answered for this long.
const SILENCE: Duration = Duration::from_secs(86_400);

impl Swarm {
    /// After the HELLOs: asks for what is newer there, pushes what is newer here.
    pub(crate) fn start_gossip(&mut self, now: Duration, conn: ConnId) {
        let Some(peer) = self.peers.get(conn) else { return };
        if !peer.ext.manifest {
            return;
        }
        let by_user = self.book.get(&peer.addr).is_some_and(|e| e.source == Source::User);
        let gateway = peer.ext.gateway && peer.role == Role::Dialler && by_user && !self.config.dht;
        let boaster = self.book.is_boaster(now, &peer.addr);
        let mut ask = Vec::new();
        let mut push = Vec::new();
        for channel in peer.shared.iter().filter_map(|key| self.channels.get(key)) {
            let key = channel.follow.key;
            match peer.sequences.get(&key) {
                Some(theirs) if *theirs > channel.news_after() && boaster => {}
                Some(theirs) if *theirs > channel.news_after() => ask.push((key, channel.news_after(), Some(*theirs))),
                Some(theirs) if *theirs < channel.sequence() => push.push(key),
                Some(_) if is_compared(channel, now) => {}
                Some(_) => ask.push((key, channel.sequence() - 1, None)),
                // Tokens say no sequence.
                None if is_compared(channel, now) => ask.push((key, channel.news_after(), None)),
                None => ask.push((key, channel.sequence() - 1, None)),
            }
        }
        if gateway {
            let strange = peer.named.iter().filter(|key| !peer.shared.contains(key));
            let public = strange.filter_map(|key| self.channels.get(key)).filter(|c| !c.is_private());
            ask.extend(public.map(|c| (c.follow.key, c.news_after(), None)));
        }
        for (key, after, promised) in ask {
            if let Some(peer) = self.peers.get_mut(conn)
                && peer.asked.insert(key)
            {
                peer.promised.extend(promised.map(|sequence| (key, sequence)));
                if let Some(channel) = self.channels.get_mut(&key)
                    && after < channel.sequence()
                {
                    channel.compared = Some(now);
                    peer.compared.insert(key);
                }
                self.send(conn, Command::GetManifest(key, after));
            }
        }
        for key in push {
            self.push(now, conn, key);
        }
    }
    /// Asks one peer for its manifest of our sequence: of two that were signed alike, the greater must win everywhere (E4).
    pub(crate) fn compare(&mut self, now: Duration, key: &ChannelKey) {
        let Some(channel) = self.channels.get(key).filter(|c| !is_compared(c, now)) else { return };
        let after = channel.sequence() - 1;
        let shares = |conn: &&ConnId| {
            self.peers.get(**conn).is_some_and(|p| p.ext.manifest && p.shared.contains(key) && !p.asked.contains(key))
        };
        let conns: Vec<ConnId> = channel.conns.iter().filter(shares).copied().collect();
        let at = (self.chance() * conns.len() as f64) as usize;
        let new = |conn: &&ConnId| self.peers.get(**conn).is_some_and(|p| !p.compared.contains(key));
        let Some(conn) = conns.iter().find(new).or(conns.get(at)).copied() else { return };
        if let Some(peer) = self.peers.get_mut(conn) {
            peer.asked.insert(*key);
            peer.compared.insert(*key);
            self.send(conn, Command::GetManifest(*key, after));
        }
        if let Some(channel) = self.channels.get_mut(key) {
            channel.compared = Some(now);
        }
    }
    /// Asks some of those who push what they have now: a person waits for it, and pushes wait for their turn.
    pub(crate) fn ask_pushers(&mut self, key: &ChannelKey) {
        let Some(channel) = self.channels.get(key) else { return };
        let after = channel.sequence();
        let shares = |conn: &&ConnId| {
            self.peers.get(**conn).is_some_and(|p| p.ext.manifest && p.shared.contains(key) && !p.asked.contains(key))
        };
        let conns: Vec<ConnId> = channel.conns.iter().filter(shares).take(ASKED_AT_ONCE).copied().collect();
        for conn in conns {
            if let Some(peer) = self.peers.get_mut(conn) {
                peer.asked.insert(*key);
            }
            self.send(conn, Command::GetManifest(*key, after));
        }
    }
    /// Pushes the newest manifest to a peer that may lack it, or plans it if the last push is too recent.
    pub(crate) fn push(&mut self, now: Duration, conn: ConnId, key: ChannelKey) {
        let Some(manifest) = self.channels.get(&key).and_then(|c| c.follow.manifest.clone()) else { return };
        let Some(peer) = self.peers.get_mut(conn) else { return };
        let has = peer.sequences.get(&key).is_some_and(|theirs| *theirs >= manifest.sequence());
        if !peer.ext.manifest || !peer.shared.contains(&key) || has {
            return;
        }
        if let Some(last) = peer.pushed.get(&key)
            && *last + PUSH_PAUSE > now
        {
            self.timers.set(Timer::Push(conn, key), *last + PUSH_PAUSE);
            return;
        }
        peer.pushed.insert(key, now);
        peer.sequences.insert(key, manifest.sequence());
        self.send(conn, Command::Push(manifest));
    }
    /// Takes a verified manifest if it is newer, and tells everybody but `from`.
    pub(crate) fn take_manifest(
        &mut self,
        now: Duration,
        manifest: &Arc<SignedManifest>,
        from: Option<ConnId>,
    ) -> bool {
        let key = *manifest.key();
        let Some(channel) = self.channels.get_mut(&key) else { return false };
        if channel.is_signed_twice(manifest) {
            self.outputs.push_back(Output::SignedTwice(key));
        }
        if !channel.takes(manifest) {
            return false;
        }
        let twin = channel.is_signed_twice(manifest);
        channel.follow.floor = manifest.sequence();
        channel.follow.manifest = Some(manifest.clone());
        let conns: Vec<ConnId> = channel.conns.iter().copied().filter(|conn| Some(*conn) != from).collect();
        for conn in conns {
            if twin && let Some(peer) = self.peers.get_mut(conn) {
                // It may hold the other bytes of this sequence.
                peer.sequences.remove(&key);
            }
            self.push(now, conn, key);
        }
        true
    }
    pub(crate) fn take_peer_manifest(&mut self, now: Duration, conn: ConnId, manifest: &Arc<SignedManifest>) {
        let key = *manifest.key();
        let Some(peer) = self.peers.get_mut(conn) else { return };
        let asked = peer.asked.remove(&key);
        if !peer.shared.contains(&key) && !asked {
            return;
        }
        let theirs = peer.sequences.entry(key).or_default();
        *theirs = (*theirs).max(manifest.sequence());
        if let Some(channel) = self.channels.get_mut(&key) {
            channel.heard = Some(now);
        }
        if self.take_manifest(now, manifest, Some(conn)) {
            self.outputs.push_back(Output::NewManifest(manifest.clone()));
        } else {
            // An older one, or the lesser of two: the peer gets ours.
            if let Some(peer) = self.peers.get_mut(conn) {
                peer.sequences.insert(key, manifest.sequence().saturating_sub(1));
            }
            let ours = self.channels.get(&key).and_then(|c| c.follow.manifest.as_ref());
            if ours.is_some_and(|ours| ours.json() != manifest.json()) {
                self.push(now, conn, key);
            } else if let Some(peer) = self.peers.get_mut(conn) {
                peer.sequences.insert(key, manifest.sequence());
            }
        }
        if asked {
            self.check_promise(now, conn, key, manifest.sequence());
        }
    }
    pub(crate) fn take_no_manifest(&mut self, now: Duration, conn: ConnId, key: ChannelKey) {
        let Some(peer) = self.peers.get_mut(conn) else { return };
        if peer.asked.remove(&key) && peer.shared.contains(&key) {
            if let Some(channel) = self.channels.get_mut(&key) {
                channel.heard = Some(now);
            }
            self.check_promise(now, conn, key, 0);
        }
    }
    /// A gossiped sequence is a hint; three that nothing came of end the connection.
    fn check_promise(&mut self, now: Duration, conn: ConnId, key: ChannelKey, got: u64) {
        let ours = self.channels.get(&key).map_or(u64::MAX, Channel::sequence);
        let Some(peer) = self.peers.get_mut(conn) else { return };
        let Some(promised) = peer.promised.remove(&key) else { return };
        if got < promised && ours < promised {
            peer.sequences.remove(&key);
            peer.broken += 1;
            if peer.broken >= BROKEN_MAX {
                self.book.boasted(now, &peer.addr, BOASTER);
                self.outputs.push_back(Output::Close(conn));
            }
        }
    }
    /// From time to time: the DHT's newest, kept alive.
    pub(crate) fn refresh(&mut self, now: Duration, key: &ChannelKey) {
        let Some(channel) = self.channels.get(key) else { return };
        let quiet = channel.heard.is_none_or(|at| at + SILENCE <= now) && now >= SILENCE;
        if !channel.is_private() || channel.v5 || quiet {
            self.outputs.push_back(Output::DhtRefresh(*key));
        }
        self.timers.cancel(Timer::Refresh(*key));
        self.plan_refresh(now, key);
    }
    /// Connected peers that push what is new in a channel.
    pub(crate) fn pushers(&self, channel: &Channel) -> usize {
        let key = &channel.follow.key;
        let pushes = |conn: &&ConnId| self.peers.get(**conn).is_some_and(|p| p.ext.manifest && p.shared.contains(key));
        channel.conns.iter().filter(pushes).count()
    }
    /// The next visit to the DHT: once an hour where peers push what is new. Where nobody does, as often as the node's
    /// budget for all such channels allows; so does the author of a list in v5 shape, which never pushes: there whoever finds
    /// the news pushes it, so those who meet share the visits.
    pub(crate) fn plan_refresh(&mut self, now: Duration, key: &ChannelKey) {
        let looks = |channel: &Channel| !channel.is_private() || channel.v5;
        let often = |channel: &Channel| looks(channel) && (channel.v5 || self.pushers(channel) == 0);
        let Some(channel) = self.channels.get(key).filter(|_| self.config.dht) else { return };
        let times = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
        let wait = match often(channel) {
            false => REFRESH,
            true => {
                let all = self.channels.values().filter(|channel| often(channel)).count();
                let alone = REFRESH_BUDGET.saturating_mul(times(all)).max(REFRESH_ALONE);
                alone.saturating_mul(times(self.pushers(channel) + 1)).min(REFRESH)
            }
        };
        let wait = wait.mul_f64(0.5 + self.chance());
        self.timers.sooner(Timer::Refresh(*key), now + wait);
    }
}

/// Whether there is nothing to compare with a peer that has our sequence, or it was done lately.
fn is_compared(channel: &Channel, now: Duration) -> bool {
    channel.sequence() == 0 || channel.compared.is_some_and(|at| at + COMPARE > now)
}
