//! E10 Addresses — where a peer can be dialled, and what class of place that is.

use std::net::SocketAddr;

/// A v3 onion service: the address' 32-byte key; the checksum was verified when it was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OnionKey(pub [u8; 32]);

/// Where a peer listens, written `host:port`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PeerAddr {
    /// An IP address and a TCP port other than 0.
    Ip(SocketAddr),
    /// `<56 characters>.onion:port`.
    Onion(OnionKey, u16),
    /// A host name; only in links, settings and on the command line, never from peers.
    Name(String, u16),
}

/// The class of an address, widest last (E10). A source may name only its own class or a wider one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AddrClass {
    /// 127.0.0.0/8, ::1.
    Loopback,
    /// RFC 1918, link-local, unique local, shared address space.
    Private,
    /// Routable on the Internet.
    Global,
    /// An onion service.
    Onion,
}
