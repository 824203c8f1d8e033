//! E11 Where peers answered in earlier runs: noted while the node runs, told to the swarm when it starts.
//!
//! Promises: only who answered for a channel is noted, and nothing of the local network, where the same address is
//! somebody else's tomorrow; what is told has no privilege: it is [`Source::Remembered`], whoever named it then.

use std::time::Duration;

use protocol::session::Role;
use protocol::{AddrClass, ChannelKey, PeerAddr};
use swarm::{PeerInfo, Source, Swarm};

use crate::ctx::Ctx;
use crate::network;

/// A day, in ms.
const DAY: u64 = 86_400_000;

/// Tells the swarm what the address book holds, the last that answered first.
pub(crate) fn tell(swarm: &mut Swarm, now: Duration, book: Vec<(PeerAddr, ChannelKey)>) {
    for (addr, channel) in book {
        swarm.add_addr(now, addr, Some(channel), Source::Remembered);
    }
}

/// Whether this peer's address is worth a note. `local`: all of our network has addresses of this one.
fn answered(peer: &PeerInfo, local: bool) -> bool {
    let lasting = match peer.addr.class() {
        AddrClass::Global | AddrClass::Onion => !matches!(peer.addr, PeerAddr::Name(..)),
        AddrClass::Private | AddrClass::Loopback => local,
    };
    // Who takes a connection and says nothing is as good as nobody.
    lasting && peer.role == Role::Dialler && (!peer.v5 || peer.received > 0)
}

/// Puts addresses that we dialled, and that answer for a channel, into the address book; those where nobody answers go
/// from it after some days.
pub(crate) async fn note(ctx: &Ctx) {
    let look = |swarm: &mut Swarm, _| {
        let peers = swarm.peers();
        // Without anybody it may be our own network that does not answer.
        let unreached = if peers.is_empty() { Vec::new() } else { swarm.take_unreached() };
        (peers, unreached)
    };
    let (peers, unreached) = ctx.engine.ask(look).await.unwrap_or_default();
    let local = network::is_local(&ctx.config);
    let known = peers.iter().filter(|peer| answered(peer, local));
    let known: Vec<(PeerAddr, ChannelKey)> =
        known.flat_map(|peer| peer.channels.iter().map(|channel| (peer.addr.clone(), *channel))).collect();
    let day = ctx.clock.unix_ms() / DAY;
    if let Err(error) = ctx.with_store(move |s| s.note_addresses(&known, &unreached, day)).await {
        tracing::warn!(code = ?error.code, "addresses were not remembered: {}", error.message);
    }
}

#[cfg(test)]
mod tests;
