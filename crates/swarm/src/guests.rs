//! Who comes to us, and who makes room for whom.
//!
//! Owns: which callers are taken. Promises: a quarter of the places is for those whom we dial; one network has a few, one
//! onion service half; whoever calls finds a place, though every place be taken by those who came first and wait: of them
//! one goes by chance, young or old, so that who fills all places does not hold them; who is of use, by whatever measure,
//! stays.

use std::collections::BTreeSet;
use std::time::Duration;

use protocol::handshake::Binding;
use protocol::price::{Payer, Source};
use protocol::session::Role;
use protocol::{ChannelKey, PeerAddr};

use crate::peers::Peer;
use crate::swarm::Swarm;
use crate::{Closed, ConnId, Output};

/// An accepted connection that shares nothing has this long before it makes room before all others.
const STRANGER_STAYS: Duration = Duration::from_secs(30);
/// Who moved a blob within this time is at work.
const AT_WORK: Duration = Duration::from_secs(60);
/// Who is at work makes room after this long, when everybody is.
const WORKER_STAYS: Duration = Duration::from_secs(300);
/// By each measure, so many callers are not sent away; fewer where there are few places.
const PROTECTED: usize = 8;

impl Swarm {
    /// Places for callers.
    fn guests_max(&self) -> usize {
        self.config.connections_max - self.config.connections_max / 4
    }
    /// Whether somebody who calls from there may come in at all: asked before anything is done for it. `only`: by an address
    /// that is one channel's alone.
    pub fn admits(&self, now: Duration, addr: &PeerAddr, only: Option<ChannelKey>) -> bool {
        !self.book.is_banned(now, addr) && self.peers.has_room(&Payer::caller(addr, only))
    }
    /// Somebody connected; `id` comes from [`Swarm::next_conn`]. `only`: by an address that is one channel's alone. False:
    /// refused (banned, too many); drop it.
    pub fn handle_accepted(
        &mut self,
        now: Duration,
        id: ConnId,
        addr: PeerAddr,
        only: Option<ChannelKey>,
        binding: Binding,
    ) -> bool {
        if !self.admits(now, &addr, only) || self.peers.get(id).is_some() {
            return false;
        }
        let payer = Payer::caller(&addr, only);
        // Who comes by one onion service makes room for others who do: no other one's places fill with them.
        let service = payer.crowd.filter(|crowd| matches!(crowd, Source::Service(Some(_))));
        let service = service.filter(|service| self.peers.guests_of(service) >= self.guests_max() / 2);
        let full = service.is_some() || self.peers.len() >= self.guests_max();
        if full && !self.evict(now, service.as_ref()) {
            return false;
        }
        let mut peer = Peer::new(now, addr, Role::Acceptor, binding);
        peer.only = only;
        if let Some(twin) = self.peers.insert(id, peer) {
            self.meet_ourselves(id, twin);
        }
        true
    }
    /// Makes room for a newcomer among the callers, or among those by one onion service.
    fn evict(&mut self, now: Duration, among: Option<&Source>) -> bool {
        let Some(conn) = self.who_goes(now, among) else { return false };
        self.outputs.push_back(Output::Close(conn));
        self.forget_conn(now, conn, &Closed::Clean);
        true
    }
    fn who_goes(&mut self, now: Duration, among: Option<&Source>) -> Option<ConnId> {
        let fits = |p: &Peer| among.is_none_or(|service| p.payer().crowd.as_ref() == Some(service));
        let guests: Vec<(ConnId, &Peer)> =
            self.peers.iter().filter(|(_, p)| p.role == Role::Acceptor && fits(p)).collect();
        let useless = |p: &Peer| p.shared.is_empty() && p.since + STRANGER_STAYS < now;
        let stranger = guests.iter().filter(|(_, p)| useless(p)).min_by_key(|(_, p)| (p.sent, p.since));
        if let Some((conn, _)) = stranger {
            return Some(*conn);
        }
        let stays = protected(&guests);
        let at_work =
            |conn: ConnId, p: &Peer| (p.sent + p.received > 0 && p.moved + AT_WORK > now) || self.uploads.is_busy(conn);
        let rest = || guests.iter().filter(|(conn, _)| !stays.contains(conn));
        let mut may_go: Vec<ConnId> = rest().filter(|(conn, p)| !at_work(*conn, p)).map(|(conn, _)| *conn).collect();
        if may_go.is_empty() {
            may_go = rest().filter(|(_, p)| p.since + WORKER_STAYS <= now).map(|(conn, _)| *conn).collect();
        }
        let at = (self.chance() * may_go.len() as f64) as usize;
        may_go.get(at).copied()
    }
}

/// Those who are the best by some measure that who only wants a place does not reach: here longest, gave us most, took most
/// from us, answered first.
fn protected(guests: &[(ConnId, &Peer)]) -> BTreeSet<ConnId> {
    let many = PROTECTED.min(guests.len() / 8);
    let mut stays = BTreeSet::new();
    let mut protect = |mut ranked: Vec<(std::cmp::Reverse<u128>, ConnId)>| {
        ranked.sort();
        stays.extend(ranked.into_iter().take(many).map(|(_, conn)| conn));
    };
    let ranked = |measure: &dyn Fn(&Peer) -> Option<u128>| {
        let of = |(conn, p): &(ConnId, &Peer)| Some((std::cmp::Reverse(measure(p)?), *conn));
        guests.iter().filter_map(of).collect()
    };
    let some = |bytes: u64| (bytes > 0).then_some(u128::from(bytes));
    protect(ranked(&|p| Some(u128::MAX - p.since.as_nanos())));
    protect(ranked(&|p| some(p.received)));
    protect(ranked(&|p| some(p.sent)));
    protect(ranked(&|p| p.answered.map(|after| u128::MAX - after.as_nanos())));
    stays
}

#[cfg(test)]
mod tests;
