//! The price of work that others cause: who pays for it, out of which purse, and who makes room where room is short.
//!
//! Owns: three small machines without a clock. [`Payer`] says whose work it is: the network that somebody calls from, or the
//! onion service of ours that somebody came by. [`Purses`] hold what each may cause in a time; what was paid for honest
//! work is given back. [`Places`] hold what stands for a while (a handshake, a remembered address), and [`Turns`] what is
//! done for others now, and who waits for it.
//!
//! Promises: the price is asked before the work is done; a connection is worth nothing, for anybody makes as many as they
//! like; nobody's spending takes anything from another network's purse; who has most makes room, and never for somebody
//! who would have more; every table has an end.
//!
//! Many callers cannot be told apart: those who come by an onion service, and those on this computer, where anything may
//! stand behind an address. Each connection of theirs has a purse, and all of them together have one besides.

mod places;
mod purses;
mod turns;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

pub use places::{Entry, Places};
pub use purses::Purses;
pub use turns::Turns;

use crate::{AddrClass, ChannelKey, PeerAddr};

/// What all callers together may cause who cannot be told apart, in purses of one.
pub const TOGETHER: u32 = 16;

/// Who causes work, as far as can be told.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Source {
    /// An IPv4 address: one household, or one machine that is rented.
    V4(Ipv4Addr),
    /// An IPv6 network of 56 bits, as providers give it to a household; the other bits are 0.
    V6(Ipv6Addr),
    /// An onion service or a host name that was dialled; or one connection of those who cannot be told apart.
    Place(PeerAddr),
    /// IPv4 addresses that begin with the same 24 bits, IPv6 addresses with the same 48: one owner, often enough.
    Near(IpAddr),
    /// All who come from this very computer.
    Here,
    /// All who come by the onion service of this channel.
    Service(Option<ChannelKey>),
}

/// Who pays: one source, and the crowd that it may be hiding in.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Payer {
    /// Whose purse it is.
    pub one: Source,
    /// All who cannot be told from it, if it may be any of them.
    pub crowd: Option<Source>,
}

impl Payer {
    /// Somebody who called. `service`: the channel whose onion service was dialled, where that is known.
    pub fn caller(from: &PeerAddr, service: Option<ChannelKey>) -> Self {
        let crowd = match from.class() {
            AddrClass::Onion => Some(Source::Service(service)),
            AddrClass::Loopback => Some(Source::Here),
            AddrClass::Private | AddrClass::Global => None,
        };
        Self { one: one(from), crowd }
    }

    /// Somebody whom we chose to call.
    pub fn called(addr: &PeerAddr) -> Self {
        Self { one: one(addr), crowd: None }
    }

    /// Those who are likely the same person as this one: its crowd, or the addresses beside its own.
    pub fn neighbourhood(&self) -> Source {
        match (&self.crowd, &self.one) {
            (Some(crowd), _) => crowd.clone(),
            (None, Source::V4(ip)) => Source::Near(IpAddr::V4(Ipv4Addr::from_bits(ip.to_bits() & !0xff))),
            (None, Source::V6(ip)) => Source::Near(IpAddr::V6(Ipv6Addr::from_bits(ip.to_bits() & (!0 << 80)))),
            (None, one) => one.clone(),
        }
    }
}

fn one(addr: &PeerAddr) -> Source {
    match addr {
        PeerAddr::Ip(at) if addr.class() != AddrClass::Loopback => match at.ip().to_canonical() {
            IpAddr::V4(ip) => Source::V4(ip),
            IpAddr::V6(ip) => Source::V6(Ipv6Addr::from_bits(ip.to_bits() & (!0 << 72))),
        },
        _ => Source::Place(addr.clone()),
    }
}

#[cfg(test)]
mod tests;
