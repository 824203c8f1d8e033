//! E10 Addresses — where a peer can be dialled, and what class of place that is.
//!
//! An address is read once, here: a port other than 0, an IP address that can be dialled, an onion whose checksum
//! holds, or a host name that is one. It is written as it was read, lower case, IPv6 in brackets.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};
use std::str::FromStr;

use data_encoding::BASE32_NOPAD;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha3::{Digest, Sha3_256};

/// Longest `host:port`, in bytes: a host name of 253 and a port.
pub const ADDR_TEXT_MAX: usize = 259;
/// Characters of a v3 onion address before `.onion`.
const ONION_LEN: usize = 56;

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

/// Why text is no address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AddrError {
    /// Longer than [`ADDR_TEXT_MAX`].
    #[error("an address of {0} characters is too long")]
    Long(usize),
    /// No `:port` at the end.
    #[error("the address has no port; write it as host:port")]
    NoPort,
    /// The port is not a number from 1 to 65535.
    #[error("the port is not a number from 1 to 65535")]
    Port,
    /// An IPv6 address without brackets, or brackets around something else.
    #[error("an IPv6 address is written in brackets, as [2001:db8::1]:6881")]
    Brackets,
    /// 0.0.0.0, multicast or broadcast.
    #[error("the address {0} cannot be dialled")]
    Undiallable(IpAddr),
    /// Not 56 base32 characters before `.onion`.
    #[error("an onion address has 56 letters and digits before .onion")]
    OnionShape,
    /// A character of the onion address is wrong.
    #[error("the onion address is mistyped: its checksum does not hold")]
    OnionChecksum,
    /// No host name.
    #[error("the host is neither an IP address nor a valid name")]
    Host,
}

impl AddrClass {
    /// The class of an IP address. Addresses that carry an IPv4 address have that one's class.
    pub fn of_ip(ip: IpAddr) -> Self {
        match ip {
            IpAddr::V4(ip) => Self::of_v4(ip),
            IpAddr::V6(ip) => Self::of_v6(ip),
        }
    }

    /// Whether a source of this class may name an address of that class (E10): its own or a wider one.
    pub fn may_name(self, other: Self) -> bool {
        self <= other
    }

    fn of_v4(ip: Ipv4Addr) -> Self {
        match ip.octets() {
            [0 | 127, ..] => Self::Loopback,
            [10, ..]
            | [172, 16..=31, ..]
            | [192, 168, ..]
            | [169, 254, ..]
            | [100, 64..=127, ..]
            | [192, 0, 0, _]
            | [198, 18 | 19, ..]
            | [224..=255, ..] => Self::Private,
            _ => Self::Global,
        }
    }

    fn of_v6(ip: Ipv6Addr) -> Self {
        let s = ip.segments();
        let embedded = |high: u16, low: u16| {
            let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
            Self::of_v4(Ipv4Addr::new(a, b, c, d))
        };
        match s {
            [0, 0, 0, 0, 0, 0, 0, 0 | 1] => Self::Loopback,
            // IPv4-mapped, IPv4-compatible, NAT64, 6to4.
            [0, 0, 0, 0, 0, 0 | 0xffff, high, low] | [0x64, 0xff9b, 0, 0, 0, 0, high, low] => embedded(high, low),
            [0x2002, high, low, ..] => embedded(high, low),
            [0xfc00..=0xfdff | 0xfe80..=0xfeff | 0xff00..=0xffff, ..] => Self::Private,
            _ => Self::Global,
        }
    }
}

impl PeerAddr {
    /// The class (E10). A name has the class [`AddrClass::Global`] until it is looked up, but for `localhost`.
    pub fn class(&self) -> AddrClass {
        match self {
            Self::Ip(at) => AddrClass::of_ip(at.ip()),
            Self::Onion(..) => AddrClass::Onion,
            Self::Name(host, _) if host == "localhost" || host.ends_with(".localhost") => AddrClass::Loopback,
            Self::Name(..) => AddrClass::Global,
        }
    }

    /// The TCP port, never 0.
    pub fn port(&self) -> u16 {
        match self {
            Self::Ip(at) => at.port(),
            Self::Onion(_, port) | Self::Name(_, port) => *port,
        }
    }

    /// An IP address that can be dialled; IPv4 in IPv6 becomes IPv4.
    pub fn from_socket(at: SocketAddr) -> Result<Self, AddrError> {
        if at.port() == 0 {
            return Err(AddrError::Port);
        }
        let ip = at.ip().to_canonical();
        let broadcast = ip == IpAddr::V4(Ipv4Addr::BROADCAST);
        if ip.is_unspecified() || ip.is_multicast() || broadcast {
            return Err(AddrError::Undiallable(ip));
        }
        Ok(Self::Ip(SocketAddr::new(ip, at.port())))
    }
}

impl OnionKey {
    /// Reads `<56 characters>.onion`, upper or lower case, and verifies the checksum.
    pub fn from_host(host: &str) -> Result<Self, AddrError> {
        let host = host.to_ascii_uppercase();
        let label = host.strip_suffix(".ONION").ok_or(AddrError::OnionShape)?;
        if label.len() != ONION_LEN {
            return Err(AddrError::OnionShape);
        }
        let bytes = BASE32_NOPAD.decode(label.as_bytes()).map_err(|_| AddrError::OnionShape)?;
        let key: [u8; 32] = bytes[..32].try_into().map_err(|_| AddrError::OnionShape)?;
        if bytes[32..] == Self(key).tail() { Ok(Self(key)) } else { Err(AddrError::OnionChecksum) }
    }

    /// Checksum and version, the last three bytes of the address.
    fn tail(&self) -> [u8; 3] {
        const VERSION: u8 = 3;
        let hash = Sha3_256::new().chain_update(b".onion checksum").chain_update(self.0).chain_update([VERSION]);
        let hash = hash.finalize();
        [hash[0], hash[1], VERSION]
    }
}

impl fmt::Display for OnionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut bytes = [0; 35];
        bytes[..32].copy_from_slice(&self.0);
        bytes[32..].copy_from_slice(&self.tail());
        write!(f, "{}.onion", BASE32_NOPAD.encode(&bytes).to_ascii_lowercase())
    }
}

impl fmt::Display for PeerAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ip(at) => write!(f, "{at}"),
            Self::Onion(key, port) => write!(f, "{key}:{port}"),
            Self::Name(host, port) => write!(f, "{host}:{port}"),
        }
    }
}

impl FromStr for PeerAddr {
    type Err = AddrError;

    fn from_str(text: &str) -> Result<Self, AddrError> {
        if text.len() > ADDR_TEXT_MAX {
            return Err(AddrError::Long(text.len()));
        }
        let (host, port) = text.rsplit_once(':').ok_or(AddrError::NoPort)?;
        if let Some(inner) = host.strip_prefix('[') {
            let inner = inner.strip_suffix(']').ok_or(AddrError::Brackets)?;
            let ip: Ipv6Addr = inner.parse().map_err(|_| AddrError::Brackets)?;
            return Self::from_socket(SocketAddrV6::new(ip, parse_port(port)?, 0, 0).into());
        }
        if host.contains(':') {
            return Err(AddrError::Brackets);
        }
        let port = parse_port(port)?;
        if let Ok(ip) = host.parse::<Ipv4Addr>() {
            return Self::from_socket(SocketAddr::new(ip.into(), port));
        }
        let host = host.to_ascii_lowercase();
        if host == "onion" || host.ends_with(".onion") {
            return Ok(Self::Onion(OnionKey::from_host(&host)?, port));
        }
        if is_host_name(&host) { Ok(Self::Name(host, port)) } else { Err(AddrError::Host) }
    }
}

impl Serialize for PeerAddr {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for PeerAddr {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(d)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// Digits only, no leading zero: there is one way to write a port.
fn parse_port(text: &str) -> Result<u16, AddrError> {
    if text.starts_with('0') || !text.bytes().all(|b| b.is_ascii_digit()) {
        return Err(AddrError::Port);
    }
    text.parse().map_err(|_| AddrError::Port)
}

/// Letters, digits and inner hyphens, labels of 1 to 63, 253 in all. A last label of digits (or `0x…`) is an
/// IPv4 address in disguise to some resolvers, so it is no name.
fn is_host_name(host: &str) -> bool {
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let last = host.rsplit('.').next().unwrap_or(host);
    let number = last.bytes().all(|b| b.is_ascii_digit())
        || last.strip_prefix("0x").is_some_and(|hex| hex.bytes().all(|b| b.is_ascii_hexdigit()));
    host.len() <= 253 && host.split('.').all(label) && !number
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    // The DuckDuckGo service: a well-known address whose checksum others computed.
    const ONION: &str = "duckduckgogg42xjoc72x3sjasowoarfbgcmvfimaftt6twagswzczad.onion";

    fn parse(text: &str) -> Result<PeerAddr, AddrError> {
        text.parse()
    }

    #[test]
    fn every_kind_is_read_and_written() {
        for (text, written) in [
            ("1.2.3.4:6881", "1.2.3.4:6881"),
            ("[2001:DB8::1]:80", "[2001:db8::1]:80"),
            ("[::ffff:1.2.3.4]:1", "1.2.3.4:1"),
            ("Example.ORG:65535", "example.org:65535"),
            ("localhost:1", "localhost:1"),
            ("xn--bcher-kva.example:443", "xn--bcher-kva.example:443"),
        ] {
            assert_eq!(parse(text).unwrap().to_string(), written);
        }
        let onion = format!("{ONION}:443");
        let read = parse(&onion.to_uppercase()).unwrap();
        assert!(matches!(read, PeerAddr::Onion(_, 443)));
        assert_eq!(read.to_string(), onion);
        assert_eq!(read.port(), 443);
        assert_eq!(serde_json::to_string(&read).unwrap(), format!("\"{onion}\""));
        assert_eq!(serde_json::from_str::<PeerAddr>(&format!("\"{onion}\"")).unwrap(), read);
        assert!(serde_json::from_str::<PeerAddr>("\"x\"").is_err());
    }

    #[test]
    fn what_cannot_be_dialled_is_refused_by_name() {
        let mistyped = ONION.replace("duck", "dukc");
        for (bad, why) in [
            ("", AddrError::NoPort),
            ("1.2.3.4", AddrError::NoPort),
            ("1.2.3.4:", AddrError::Port),
            ("1.2.3.4:0", AddrError::Port),
            ("[::1]:0", AddrError::Port),
            ("1.2.3.4:65536", AddrError::Port),
            ("1.2.3.4:+80", AddrError::Port),
            ("1.2.3.4:080", AddrError::Port),
            ("1.2.3.4:8 0", AddrError::Port),
            ("::1:80", AddrError::Brackets),
            ("[::1:80", AddrError::Brackets),
            ("[1.2.3.4]:80", AddrError::Brackets),
            ("[fe80::1%1]:80", AddrError::Brackets),
            ("0.0.0.0:80", AddrError::Undiallable(Ipv4Addr::UNSPECIFIED.into())),
            ("[::]:80", AddrError::Undiallable(Ipv6Addr::UNSPECIFIED.into())),
            ("224.0.0.1:80", AddrError::Undiallable(Ipv4Addr::new(224, 0, 0, 1).into())),
            ("255.255.255.255:80", AddrError::Undiallable(Ipv4Addr::BROADCAST.into())),
            ("abc.onion:80", AddrError::OnionShape),
            ("onion:80", AddrError::OnionShape),
            (&format!("www.{ONION}:80"), AddrError::OnionShape),
            (&format!("{mistyped}:80"), AddrError::OnionChecksum),
            (":80", AddrError::Host),
            ("1.2.3:80", AddrError::Host),
            ("127.1:80", AddrError::Host),
            ("2130706433:80", AddrError::Host),
            ("0x7f000001:80", AddrError::Host),
            ("-a.example:80", AddrError::Host),
            ("a..b:80", AddrError::Host),
            ("a.:80", AddrError::Host),
            ("a_b.example:80", AddrError::Host),
            ("user@host:80", AddrError::Host),
            ("bücher.example:80", AddrError::Host),
            (&format!("{}.example:80", "a".repeat(64)), AddrError::Host),
            (&"a".repeat(300), AddrError::Long(300)),
        ] {
            assert_eq!(parse(bad), Err(why), "{bad}");
        }
    }

    #[test]
    fn classes() {
        let class = |text: &str| parse(text).unwrap().class();
        for text in
            ["127.0.0.1:1", "127.255.0.1:1", "[::1]:1", "[::ffff:127.0.0.1]:1", "localhost:1", "[64:ff9b::7f00:1]:1"]
        {
            assert_eq!(class(text), AddrClass::Loopback, "{text}");
        }
        for text in [
            "10.0.0.1:1",
            "172.16.0.1:1",
            "172.31.255.1:1",
            "192.168.1.1:1",
            "169.254.0.1:1",
            "100.64.0.1:1",
            "[fe80::1]:1",
            "[fd00::1]:1",
            "[2002:c0a8:101::1]:1",
            "240.0.0.1:1",
            "198.18.0.1:1",
        ] {
            assert_eq!(class(text), AddrClass::Private, "{text}");
        }
        for text in ["8.8.8.8:1", "172.32.0.1:1", "100.128.0.1:1", "[2a00::1]:1", "example.org:1"] {
            assert_eq!(class(text), AddrClass::Global, "{text}");
        }
        assert_eq!(class(&format!("{ONION}:1")), AddrClass::Onion);
        assert_eq!(AddrClass::of_ip(Ipv4Addr::UNSPECIFIED.into()), AddrClass::Loopback);
    }

    #[test]
    fn a_source_names_its_own_class_or_a_wider_one() {
        use AddrClass::*;
        let order = [Loopback, Private, Global, Onion];
        for (i, source) in order.into_iter().enumerate() {
            for (j, named) in order.into_iter().enumerate() {
                assert_eq!(source.may_name(named), i <= j);
            }
        }
    }

    proptest! {
        #[test]
        fn arbitrary_text_is_read_in_peace(text in any::<String>()) {
            let _ = parse(&text);
        }

        #[test]
        fn address_like_text_that_is_read_comes_back(text in r"\[?[0-9a-f.:%x-]{0,20}\]?:[0-9]{0,6}") {
            if let Ok(addr) = parse(&text) {
                prop_assert_eq!(parse(&addr.to_string()), Ok(addr));
            }
        }

        #[test]
        fn addresses_come_back(bytes: [u8; 32], port in 1..=u16::MAX, v4: [u8; 4], v6: [u8; 16]) {
            let onion = PeerAddr::Onion(OnionKey(bytes), port);
            prop_assert_eq!(parse(&onion.to_string()), Ok(onion));
            for ip in [IpAddr::from(v4), IpAddr::from(v6)] {
                if let Ok(addr) = PeerAddr::from_socket(SocketAddr::new(ip, port)) {
                    prop_assert_eq!(parse(&addr.to_string()), Ok(addr));
                }
            }
        }
    }
}
