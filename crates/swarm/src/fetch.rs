//! E5 Blobs for us — wants, questions, requests, verdicts.

use std::time::Duration;

use protocol::params::{BLOB_LEN, HAVE_QUERY_MAX};
use protocol::session::{Command, Role};
use protocol::{BlobId, ChannelKey, PeerAddr};
use rand_core::Rng;

use crate::channel::Channel;
use crate::peers::{Peer, Stage};
use crate::picker::LACKS;
use crate::swarm::Swarm;
use crate::timers::Timer;
use crate::{Cause, ConnId, Output, Priority, Source, Verdict};

/// Wants that come within this time share a question.
const GATHER: Duration = Duration::from_millis(20);
/// A blob that could not be stored is asked for again after this time.
const NOT_STORED: Duration = Duration::from_secs(30);
/// A channel of which something is wanted stands still when nothing was done about it for this long.
const SETTLED: Duration = Duration::from_secs(5);
/// Bytes counted of blobs under way on one connection.
const COMING_MAX: u64 = 8 * BLOB_LEN as u64;
/// First look-up of a blob that nobody has.
const FIRST_BLOB_LOOKUP: Duration = Duration::from_secs(2);

impl Swarm {
    pub(crate) fn start_wanting(&mut self, now: Duration, blob: BlobId, channel: ChannelKey, priority: Priority) {
        let Some(followed) = self.channels.get(&channel) else { return };
        let salt = self.rng.next_u64();
        let first = !self.picker.is_wanting(&channel);
        if !self.picker.want(blob, channel, priority, salt) {
            return;
        }
        let conns = followed.conns.iter().copied();
        let blind: Vec<ConnId> =
            conns.filter(|conn| self.picker.is_blind(*conn) && self.may_try(*conn, &channel)).collect();
        for conn in blind {
            self.picker.learn(conn, blob);
        }
        self.timers.sooner(Timer::HaveAsk, now + GATHER);
        if first {
            // A v5 author's followers meet nowhere: there is nothing to wait for.
            let wait = if followed.v5 { Duration::ZERO } else { FIRST_BLOB_LOOKUP };
            if let Some(followed) = self.channels.get_mut(&channel) {
                followed.stirred = now;
            }
            self.plan_lookup(now, &channel);
            self.timers.sooner(Timer::BlobLookup(channel), now + wait);
            self.timers.sooner(Timer::Dial(channel), now);
        }
    }
    /// `but`: the connection that brought it needs no CANCEL.
    pub(crate) fn stop_wanting(&mut self, blob: &BlobId, but: Option<ConnId>) {
        for conn in self.picker.unwant(blob) {
            if Some(conn) != but {
                self.send(conn, Command::Cancel(*blob));
            }
        }
        self.timers.cancel(Timer::Relist(*blob));
    }

    /// Whether a peer that cannot say what it has may be tried for this channel's blobs. Constant IDs of a private channel
    /// are shown to those who showed its token, and to whom the user named for it; of a v5 author's, if the user agreed,
    /// to whoever is found by them.
    fn may_try(&self, conn: ConnId, key: &ChannelKey) -> bool {
        let (Some(peer), Some(channel)) = (self.peers.get(conn), self.channels.get(key)) else { return false };
        let entry = self.book.get(&peer.addr);
        let named = entry.is_some_and(|e| e.source == Source::User && e.channels.contains(key));
        peer.may_hear_of(channel) || named || channel.v5
    }
    /// The peer said what it is: asks it what it has, or tries it blindly.
    pub(crate) fn start_fetching(&mut self, now: Duration, conn: ConnId) {
        let Some(peer) = self.peers.get(conn) else { return };
        let blind = !peer.ext.have;
        // Who dials us without extensions is a v5 downloader and serves nothing.
        if blind && peer.role == Role::Acceptor {
            return;
        }
        let keys = peer.channels().clone();
        // A HELLO that came late finds requests open: those stay.
        self.picker.add_lane(now, conn, blind);
        if !blind {
            self.ask_have(conn);
            return;
        }
        for key in keys.into_iter().filter(|key| self.may_try(conn, key)).collect::<Vec<_>>() {
            let (_, blobs) = self.picker.wants_after(&key, 0, usize::MAX);
            blobs.into_iter().for_each(|blob| self.picker.learn(conn, blob));
        }
    }
    /// Asks everybody about what is newly wanted.
    pub(crate) fn ask_everybody(&mut self) {
        let conns: Vec<ConnId> = self.peers.iter().filter(|(_, p)| p.ext.have).map(|(conn, _)| conn).collect();
        for conn in conns {
            self.ask_have(conn);
        }
    }
    fn ask_have(&mut self, conn: ConnId) {
        let Some(peer) = self.peers.get(conn) else { return };
        if peer.stage != Stage::Spoke || !peer.ext.have {
            return;
        }
        let mut batch = Vec::new();
        for key in peer.shared.clone() {
            loop {
                let Some(peer) = self.peers.get_mut(conn) else { return };
                let after = peer.queried.get(&key).copied().unwrap_or(0);
                let (last, blobs) = self.picker.wants_after(&key, after, HAVE_QUERY_MAX - batch.len());
                if blobs.is_empty() {
                    break;
                }
                peer.queried.insert(key, last);
                batch.extend(blobs);
                if batch.len() >= HAVE_QUERY_MAX {
                    self.send(conn, Command::HaveQuery(std::mem::take(&mut batch)));
                }
            }
        }
        if !batch.is_empty() {
            self.send(conn, Command::HaveQuery(batch));
        }
    }
    /// Fills the peer's window.
    pub(crate) fn request_more(&mut self, now: Duration, conn: ConnId) {
        while let Some((blob, instead)) = self.picker.pick(now, conn) {
            if let Some(other) = instead {
                self.send(other, Command::Cancel(blob));
                self.plan_slow(other);
            }
            self.stir(now, &blob);
            self.send(conn, Command::Request(blob));
        }
        self.plan_slow(conn);
    }
    /// Something is done about a wanted blob: whether its channel stands still is seen a little later.
    fn stir(&mut self, now: Duration, blob: &BlobId) {
        if let Some(channel) = self.picker.channel_of(blob).and_then(|key| self.channels.get_mut(&key)) {
            channel.stirred = now;
        }
    }
    /// So many bytes of blobs came on a connection since this was last told. Returns the blob that they are most likely of.
    pub(crate) fn note_coming(&mut self, now: Duration, conn: ConnId, bytes: u64) -> Option<BlobId> {
        if let Some(peer) = self.peers.get_mut(conn) {
            peer.coming = (peer.coming + bytes).min(COMING_MAX);
        }
        if self.picker.coming(now, conn) {
            self.start_fetching(now, conn);
        }
        self.picker.sending(conn)
    }
    fn plan_slow(&mut self, conn: ConnId) {
        match self.picker.late_at(conn) {
            Some(at) => self.timers.set(Timer::Slow(conn), at),
            None => self.timers.cancel(Timer::Slow(conn)),
        }
    }
    pub(crate) fn check_slow(&mut self, now: Duration, conn: ConnId) {
        match self.picker.late_at(conn) {
            Some(at) if at <= now && self.picker.is_blind(conn) => {
                self.picker.mute(conn);
                // Others are sought at once.
                let channels = self.peers.get(conn).map(|peer| peer.channels().clone()).unwrap_or_default();
                channels.iter().for_each(|key| self.timers.sooner(Timer::BlobLookup(*key), now));
            }
            Some(at) if at <= now => {
                for blob in self.picker.slow(conn) {
                    self.send(conn, Command::Cancel(blob));
                }
            }
            _ => self.plan_slow(conn),
        }
    }
    pub(crate) fn take_not_found(&mut self, now: Duration, conn: ConnId, blob: BlobId) {
        self.picker.lack(now, conn, blob);
        self.timers.sooner(Timer::Retry(conn), now + LACKS);
    }
    pub(crate) fn retry_lacking(&mut self, now: Duration, conn: ConnId) {
        if let Some(at) = self.picker.retry(now, conn) {
            self.timers.set(Timer::Retry(conn), at);
        }
    }
    pub(crate) fn judge(&mut self, now: Duration, conn: ConnId, blob: BlobId, verdict: Verdict) {
        let useful = verdict != Verdict::BadHash;
        if let Some(peer) = self.peers.get_mut(conn) {
            peer.received += BLOB_LEN as u64;
            peer.coming = peer.coming.saturating_sub(BLOB_LEN as u64);
            peer.moved = now;
        }
        self.stir(now, &blob);
        let woke = self.picker.coming(now, conn);
        self.picker.arrived(now, conn, blob, useful);
        if woke {
            self.start_fetching(now, conn);
        }
        match verdict {
            Verdict::Stored => self.stop_wanting(&blob, Some(conn)),
            Verdict::NotStored => self.timers.set(Timer::Relist(blob), now + NOT_STORED),
            Verdict::BadHash => {
                self.ban(now, conn);
                self.picker.relist(blob);
            }
        }
    }
    fn ban(&mut self, now: Duration, conn: ConnId) {
        let Some(addr) = self.peers.addr(conn).cloned() else { return };
        let listens = self.peers.get(conn).and_then(|peer| peer.listens.clone());
        let until = self.book.ban(now, &addr, listens.as_ref(), self.config.ban);
        self.outputs.push_back(Output::Banned(addr, until.saturating_sub(now)));
        // Whoever else is there now is the same.
        let banned = |addr: &PeerAddr| self.book.is_banned(now, addr);
        let there = |id: ConnId, p: &Peer| id == conn || banned(&p.addr) || p.listens.as_ref().is_some_and(banned);
        let there: Vec<ConnId> = self.peers.iter().filter(|(id, p)| there(*id, p)).map(|(id, _)| id).collect();
        for id in there {
            self.outputs.push_back(Output::Close(id));
            self.picker.remove_lane(id);
        }
    }
    /// Why a channel's blobs do not move. What may be over in a moment is no cause yet.
    pub(crate) fn why_still(&self, now: Duration, key: &ChannelKey) -> Cause {
        let Some(channel) = self.channels.get(key) else { return Cause::NoPeersKnown { asked: 0 } };
        if self.picker.is_moving(key) {
            return Cause::Moving;
        }
        // Nothing of a known list is asked for just now: then nobody lacks it, and what is to be asked for is being found out.
        let idle = !self.picker.is_wanting(key) && channel.follow.manifest.is_some();
        let looking = self.picker.is_wanting(key) && channel.stirred + SETTLED > now;
        match self.who_lacks(now, key, channel) {
            Cause::NoPeersKnown { .. }
            | Cause::NoneOnline { .. }
            | Cause::OnlyBanned { .. }
            | Cause::NobodyHasIt { .. }
                if idle || looking =>
            {
                Cause::Looking
            }
            cause => cause,
        }
    }
    fn who_lacks(&self, now: Duration, key: &ChannelKey, channel: &Channel) -> Cause {
        let connected = u32::try_from(channel.conns.len()).unwrap_or(u32::MAX);
        if connected == 0 {
            return match self.book.known(key) {
                0 => Cause::NoPeersKnown { asked: u32::try_from(self.peers.len()).unwrap_or(u32::MAX) },
                known => {
                    let known = u32::try_from(known).unwrap_or(u32::MAX);
                    match self.book.only_banned(now, key) {
                        Some(until) => Cause::OnlyBanned { known, until },
                        None => Cause::NoneOnline { known },
                    }
                }
            };
        }
        let nothing_to_want = channel.follow.manifest.is_some() && !self.picker.is_wanting(key);
        if nothing_to_want || self.picker.is_available(key) { Cause::Queued } else { Cause::NobodyHasIt { connected } }
    }
}
