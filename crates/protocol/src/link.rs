//! Links — `megatorrent://<key>[:<read key>][?bootstrap=host:port[&bootstrap=host:port]…]`
//!
//! What people hand to each other. Read in upper and lower case, in brackets or quotes, broken over lines, with a `/` behind
//! the keys, as mail and browsers make of it; written in lower case, one way only. Members of the query that are not known
//! here, and whatever stands behind a `#`, are passed over: later versions say more there, and the channel is the same. A
//! private channel's link is a secret.

use std::fmt;
use std::str::FromStr;

use data_encoding::{HEXLOWER, HEXLOWER_PERMISSIVE};
use zeroize::Zeroizing;

use crate::addr::AddrError;
use crate::params::LINK_PEERS_MAX;
use crate::{ChannelKey, PeerAddr, ReadKey};

/// How every link begins.
pub const SCHEME: &str = "megatorrent://";
/// What of it must be there.
const SCHEME_NAME: &str = "megatorrent:";
/// Longest text that is looked at.
const TEXT_MAX: usize = 4096;

/// A link to a channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// The channel.
    pub channel: ChannelKey,
    /// For private channels.
    pub read_key: Option<ReadKey>,
    /// TCP peers or gateways, at most 4.
    pub bootstrap: Vec<PeerAddr>,
}

/// Which of a link's two keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LinkPart {
    /// The channel's public key.
    Key,
    /// The read key of a private channel.
    ReadKey,
}

/// Why text is no link. Holds nothing of the text: it may have held a read key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LinkError {
    /// It does not begin with `megatorrent://`.
    #[error("This is no Megatorrent link: it does not begin with megatorrent://.")]
    Scheme,
    /// More text than any link has.
    #[error("This link is too long: {0} characters.")]
    Long(usize),
    /// A key is cut off.
    #[error("This link is cut off: {found} of 64 characters of the {part}.")]
    CutOff {
        /// Which.
        part: LinkPart,
        /// How much of it is there.
        found: usize,
    },
    /// A key goes on where it should end.
    #[error("This link is mistyped: {found} characters where the {part} has 64.")]
    KeyLong {
        /// Which.
        part: LinkPart,
        /// Characters found.
        found: usize,
    },
    /// A key holds a character other than 0–9 and a–f.
    #[error("This link is mistyped: character {at} of the {part} is none of 0-9 and a-f.")]
    Digit {
        /// Which.
        part: LinkPart,
        /// Which character of the key, from 1.
        at: usize,
    },
    /// A bootstrap address is none.
    #[error("The bootstrap address {number} of this link is wrong: {why}.")]
    Bootstrap {
        /// Which, from 1.
        number: usize,
        /// Why.
        why: AddrError,
    },
    /// More than [`LINK_PEERS_MAX`] bootstrap addresses.
    #[error("This link names more than 4 bootstrap addresses.")]
    Bootstraps,
}

impl Link {
    /// The link as text. Wiped from memory when dropped, for it may hold a read key.
    pub fn to_text(&self) -> Zeroizing<String> {
        // Reserved in one piece: growing would leave copies of the read key behind.
        let peers = self.bootstrap.iter().take(LINK_PEERS_MAX);
        let mut text = Zeroizing::new(String::with_capacity(160 + LINK_PEERS_MAX * 280));
        text.push_str(SCHEME);
        push_hex(&mut text, &self.channel.0);
        if let Some(read_key) = &self.read_key {
            text.push(':');
            push_hex(&mut text, read_key.as_bytes());
        }
        for (i, peer) in peers.enumerate() {
            text.push_str(if i == 0 { "?bootstrap=" } else { "&bootstrap=" });
            text.push_str(&peer.to_string());
        }
        text
    }
}

impl fmt::Display for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_text())
    }
}

impl fmt::Display for LinkPart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Key => "key",
            Self::ReadKey => "read key",
        })
    }
}

impl FromStr for Link {
    type Err = LinkError;

    fn from_str(text: &str) -> Result<Self, LinkError> {
        let text = bare(text)?;
        let scheme = text.get(..SCHEME_NAME.len()).ok_or(LinkError::Scheme)?;
        if !scheme.eq_ignore_ascii_case(SCHEME_NAME) {
            return Err(LinkError::Scheme);
        }
        let rest = text[SCHEME_NAME.len()..].trim_start_matches('/');
        let rest = rest.split_once('#').map_or(rest, |(rest, _)| rest);
        let (keys, query) = match rest.split_once('?') {
            Some((keys, query)) => (keys, Some(query)),
            None => (rest, None),
        };
        let keys = keys.strip_suffix('/').unwrap_or(keys);
        let (channel, read_key) = match keys.split_once(':') {
            Some((channel, read_key)) => (channel, Some(read_key)),
            None => (keys, None),
        };
        let channel = ChannelKey(*parse_key(channel, LinkPart::Key)?);
        let read_key = match read_key {
            Some(text) => Some(ReadKey(*parse_key(text, LinkPart::ReadKey)?)),
            None => None,
        };
        let bootstrap = query.map_or(Ok(Vec::new()), parse_query)?;
        Ok(Self { channel, read_key, bootstrap })
    }
}

/// The text without what programs and people put around and into a link: brackets, quotes, a sentence's end, line breaks,
/// marks that nobody sees.
fn bare(text: &str) -> Result<Zeroizing<String>, LinkError> {
    if text.len() > TEXT_MAX {
        return Err(LinkError::Long(text.trim().chars().count()));
    }
    let unseen =
        |c: char| c.is_whitespace() || matches!(c, '\u{FEFF}' | '\u{200B}'..='\u{200F}' | '\u{2060}' | '\u{AD}');
    let mut bare = Zeroizing::new(String::with_capacity(text.len()));
    bare.extend(text.chars().filter(|c| !unseen(*c)));
    let around =
        |c: char| matches!(c, '<' | '>' | '"' | '\'' | '`' | '“' | '”' | '„' | '‘' | '’' | '«' | '»' | '(' | ')');
    let inner = bare.trim_start_matches(around).trim_end_matches(|c| around(c) || matches!(c, '.' | ',' | ';' | '!'));
    let mut link = Zeroizing::new(String::with_capacity(inner.len()));
    link.push_str(inner);
    Ok(link)
}

fn push_hex(text: &mut Zeroizing<String>, bytes: &[u8; 32]) {
    let mut hex = Zeroizing::new([0; 64]);
    HEXLOWER.encode_mut(bytes, &mut *hex);
    text.extend(hex.iter().map(|b| char::from(*b)));
}

fn parse_key(text: &str, part: LinkPart) -> Result<Zeroizing<[u8; 32]>, LinkError> {
    if let Some(at) = text.chars().position(|c| !c.is_ascii_hexdigit()) {
        return Err(LinkError::Digit { part, at: at + 1 });
    }
    match text.len() {
        64 => {}
        found @ 0..64 => return Err(LinkError::CutOff { part, found }),
        found => return Err(LinkError::KeyLong { part, found }),
    }
    let mut key = Zeroizing::new([0; 32]);
    match HEXLOWER_PERMISSIVE.decode_mut(text.as_bytes(), &mut *key) {
        Ok(_) => Ok(key),
        Err(_) => Err(LinkError::Digit { part, at: 1 }),
    }
}

fn parse_query(query: &str) -> Result<Vec<PeerAddr>, LinkError> {
    let mut peers: Vec<PeerAddr> = Vec::new();
    let named = query.split(['&', '?']).filter_map(|pair| {
        // An & that a web page wrote as &amp; leaves this before the name.
        let (name, value) = pair.strip_prefix("amp;").unwrap_or(pair).split_once('=')?;
        name.eq_ignore_ascii_case("bootstrap").then_some(value)
    });
    for (i, value) in named.enumerate() {
        if i == LINK_PEERS_MAX {
            return Err(LinkError::Bootstraps);
        }
        let peer: PeerAddr = unescape(value)
            .ok_or(AddrError::Host)
            .and_then(|value| value.parse())
            .map_err(|why| LinkError::Bootstrap { number: i + 1, why })?;
        if !peers.contains(&peer) {
            peers.push(peer);
        }
    }
    Ok(peers)
}

/// Undoes `%3A` and the like, which some programs make of `:`, `[` and `]`.
fn unescape(text: &str) -> Option<String> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        rest = tail;
        if *first == b'%' {
            let (hex, tail) = tail.split_at_checked(2)?;
            out.extend_from_slice(&HEXLOWER_PERMISSIVE.decode(hex).ok()?);
            rest = tail;
        } else {
            out.push(*first);
        }
    }
    String::from_utf8(out).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parse(text: &str) -> Result<Link, LinkError> {
        text.parse()
    }

    fn keys(read: bool) -> String {
        let key = "ab".repeat(32);
        if read { format!("{SCHEME}{key}:{}", "cd".repeat(32)) } else { format!("{SCHEME}{key}") }
    }

    #[test]
    fn links_are_read_in_any_case_and_written_in_lower() {
        let public = Link { channel: ChannelKey([0xab; 32]), read_key: None, bootstrap: Vec::new() };
        let private = Link { read_key: Some(ReadKey([0xcd; 32])), ..public.clone() };
        assert_eq!(parse(&keys(false)), Ok(public.clone()));
        assert_eq!(parse(&format!(" {}/\n", keys(false).to_uppercase())), Ok(public.clone()));
        assert_eq!(parse(&keys(true).to_uppercase()), Ok(private.clone()));
        assert_eq!(*private.to_text(), keys(true));
        assert_eq!(public.to_string(), keys(false));
        let peers: Vec<PeerAddr> = vec!["1.2.3.4:5".parse().unwrap(), "[::1]:6".parse().unwrap()];
        let with_peers = Link { bootstrap: peers, ..private };
        let text = format!("{}?bootstrap=1.2.3.4:5&bootstrap=[::1]:6", keys(true));
        assert_eq!(parse(&text), Ok(with_peers.clone()));
        assert_eq!(*with_peers.to_text(), text);
        for variant in [
            "?bootstrap=1.2.3.4:5?bootstrap=[::1]:6",
            "/?BOOTSTRAP=1.2.3.4%3A5&bootstrap=%5B::1%5d:6&bootstrap=1.2.3.4:5",
        ] {
            assert_eq!(parse(&format!("{}{variant}", keys(true))), Ok(with_peers.clone()));
        }
    }

    #[test]
    fn each_fault_has_its_name() {
        use LinkPart::{Key, ReadKey};
        let good = keys(false);
        let cases = [
            ("".to_owned(), LinkError::Scheme),
            ("http://x".to_owned(), LinkError::Scheme),
            ("ab".repeat(32), LinkError::Scheme),
            (format!("{SCHEME}abcdef"), LinkError::CutOff { part: Key, found: 6 }),
            (SCHEME.to_owned(), LinkError::CutOff { part: Key, found: 0 }),
            (format!("{good}a"), LinkError::KeyLong { part: Key, found: 65 }),
            (format!("{good}:"), LinkError::CutOff { part: ReadKey, found: 0 }),
            (format!("{good}:abc"), LinkError::CutOff { part: ReadKey, found: 3 }),
            (format!("{SCHEME}abxd"), LinkError::Digit { part: Key, at: 3 }),
            (format!("{}:00", keys(true)), LinkError::Digit { part: ReadKey, at: 65 }),
            (format!("{good}?bootstrap=x"), LinkError::Bootstrap { number: 1, why: AddrError::NoPort }),
            (format!("{good}?bootstrap=a.b:1&bootstrap=%zz"), LinkError::Bootstrap { number: 2, why: AddrError::Host }),
            (format!("{good}?{}", ["bootstrap=a.b:1"; 5].join("&")), LinkError::Bootstraps),
            (format!("{good}?v=2&bootstrap=x"), LinkError::Bootstrap { number: 1, why: AddrError::NoPort }),
            (format!("{good}/item"), LinkError::Digit { part: Key, at: 65 }),
            ("x".repeat(5000), LinkError::Long(5000)),
        ];
        for (text, why) in cases {
            assert_eq!(parse(&text), Err(why), "{text}");
        }
        let cut = parse(&format!("{SCHEME}abcdef")).unwrap_err().to_string();
        assert_eq!(cut, "This link is cut off: 6 of 64 characters of the key.");
    }

    #[test]
    fn what_later_versions_say_is_passed_over() {
        for (read, key) in [(false, keys(false)), (true, keys(true))] {
            let plain = parse(&key).unwrap();
            assert_eq!(plain.read_key.is_some(), read);
            for more in ["?", "?&", "?title=x", "?v=2&flag&=&x=%zz", "#", "#item=ab", "/#x?bootstrap=nonsense", "/?a#b"]
            {
                assert_eq!(parse(&format!("{key}{more}")), Ok(plain.clone()), "{more}");
            }
            let with_peer = parse(&format!("{key}?bootstrap=a.example:1")).unwrap();
            for more in ["?v=2&bootstrap=a.example:1", "?bootstrap=a.example:1&v=2", "?bootstrap=a.example:1#x"] {
                assert_eq!(parse(&format!("{key}{more}")), Ok(with_peer.clone()), "{more}");
            }
        }
    }

    #[test]
    fn links_are_read_as_programs_and_people_hand_them_on() {
        let key = keys(true);
        let plain = parse(&key).unwrap();
        let (head, tail) = key.split_at(60);
        for text in [
            format!("\u{FEFF}{key}\r\n"),
            format!("\r\n\t {key} \n\n"),
            format!("<{key}>"),
            format!("\"{key}\","),
            format!("„{key}“."),
            format!("`{key}`"),
            format!("({key})."),
            format!("{head}\r\n  {tail}"),
            format!("{head}\u{200B}{tail}"),
            key.replacen("://", ":", 1),
            key.replacen("://", ":/", 1),
            key.replacen("://", ":///", 1),
            key.replacen("megatorrent", "MegaTorrent", 1),
        ] {
            assert_eq!(parse(&text), Ok(plain.clone()), "{text:?}");
        }
        let both = parse(&format!("{key}?bootstrap=a.example:1&bootstrap=[::1]:2")).unwrap();
        assert_eq!(parse(&format!("{key}?bootstrap=a.example:1&amp;bootstrap=[::1]:2")), Ok(both));
        assert_eq!(parse(&format!("see {key}")), Err(LinkError::Scheme));
    }

    #[test]
    fn debug_keeps_the_read_key() {
        let link = parse(&keys(true)).unwrap();
        assert!(!format!("{link:?}").contains("cdcd"));
    }

    proptest! {
        #[test]
        fn arbitrary_text_is_read_in_peace(text in any::<String>(), tail in any::<String>()) {
            let _ = parse(&text);
            let _ = parse(&format!("{SCHEME}{tail}"));
            let _ = parse(&format!("{}?bootstrap={tail}", keys(true)));
        }

        #[test]
        fn links_come_back(key: [u8; 32], read: Option<[u8; 32]>, hosts in proptest::collection::btree_set(any::<([u8; 4], u16)>(), 0..4)) {
            let peers = hosts.into_iter().filter_map(|(ip, port)| PeerAddr::from_socket((ip, port).into()).ok());
            let link = Link { channel: ChannelKey(key), read_key: read.map(ReadKey), bootstrap: peers.collect() };
            prop_assert_eq!(parse(&link.to_text()), Ok(link));
        }
    }
}
