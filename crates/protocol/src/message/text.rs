//! §2.3, E3, E7 — the JSON payloads: HELLO, PEERS, PUBLISH, ANNOUNCE.
//!
//! Read by the strict reader of [`crate::json`]; members that nobody knows are skipped (§2.3).

use data_encoding::HEXLOWER;

use crate::id::hex_array;
use crate::json::{self, JsonError, Kind, Object, Reader};
use crate::params::{HELLO_CHANNELS_MAX, HELLO_TOKENS_MAX, MANIFEST_MAX, PEERS_MAX, VERSION};
use crate::session::{Capabilities, Hello, PublishRequest};
use crate::{ChannelKey, PeerAddr, Topic};

/// Longest BEP 44 salt, bytes.
const SALT_MAX: usize = 64;

type Read<T = ()> = Result<T, JsonError>;

/// Reads one whole object; `None` if anything about it is wrong.
fn object(text: &[u8], member: impl FnMut(&mut Reader<'_>, &str) -> Read) -> Option<()> {
    let mut reader = Reader::new(text).ok()?;
    reader.object(member).and_then(|()| reader.end()).ok()
}

/// Reads an array of texts; other elements are skipped.
fn texts(reader: &mut Reader<'_>, mut each: impl FnMut(&str)) -> Read {
    reader.array(|reader| {
        if reader.kind()? != Kind::Text {
            return reader.skip();
        }
        each(&reader.text()?);
        Ok(())
    })
}

/// Reads hex of at most `max` bytes; `None` if it is longer or no lower-case hex.
fn hex_within(reader: &mut Reader<'_>, max: usize) -> Read<Option<Vec<u8>>> {
    let text = reader.text()?;
    Ok(if text.len() <= 2 * max { HEXLOWER.decode(text.as_bytes()).ok() } else { None })
}

/// An address that a peer may name: never a host name.
fn peer_address(text: &str) -> Option<PeerAddr> {
    text.parse::<PeerAddr>().ok().filter(|address| !matches!(address, PeerAddr::Name(..)))
}

/// `text`, cut to at most `max` bytes at a character's end.
pub(super) fn within(text: &str, max: usize) -> &str {
    &text[..text.floor_char_boundary(max)]
}

/// Reads `{"<key>":<sequence>, …}`, or the same in a member `sequences`, which then counts alone. What names no channel
/// is skipped, and so is everything beyond 64.
fn read_gossip(reader: &mut Reader<'_>, nested: bool) -> Read<Vec<(ChannelKey, u64)>> {
    let (mut gossip, mut inner) = (Vec::new(), None);
    reader.object(|reader, name| {
        match (reader.kind()?, name.parse()) {
            (Kind::Number, Ok(channel)) if gossip.len() < HELLO_CHANNELS_MAX => {
                gossip.push((channel, reader.integer()?));
            }
            (Kind::Object, _) if name == "sequences" && !nested => inner = Some(read_gossip(reader, true)?),
            _ => reader.skip()?,
        }
        Ok::<(), JsonError>(())
    })?;
    Ok(inner.unwrap_or(gossip))
}

/// The version and the rest.
pub(super) fn read_hello(text: &[u8]) -> Option<(u64, Hello)> {
    let (mut version, mut hello) = (VERSION, Hello::default());
    object(text, |reader, name| {
        match (name, reader.kind()?) {
            ("v", _) => version = reader.integer()?,
            ("gossip", Kind::Object) => hello.gossip = read_gossip(reader, false)?,
            ("private", Kind::Array) => texts(reader, |token| {
                if let (Ok(token), true) = (hex_array(token.as_bytes()), hello.private.len() < HELLO_TOKENS_MAX) {
                    hello.private.push(token);
                }
            })?,
            ("ext", Kind::Array) => texts(reader, |name| match name {
                "manifest" => hello.ext.manifest = true,
                "have" => hello.ext.have = true,
                "split" => hello.ext.split = true,
                "gateway" => hello.ext.gateway = true,
                _ => {}
            })?,
            _ => reader.skip()?,
        }
        Ok(())
    })?;
    Some((version, hello))
}

/// Empty `private` and `ext` are left out: then the bytes are a v5 client's.
pub(super) fn write_hello(version: u64, hello: &Hello, out: &mut Vec<u8>) {
    let mut members = Object::new(out);
    members.integer("v", version);
    let mut gossip = Object::new(members.member("gossip"));
    for (channel, sequence) in hello.gossip.iter().take(HELLO_CHANNELS_MAX) {
        gossip.integer(&channel.to_string(), *sequence);
    }
    gossip.end();
    if !hello.private.is_empty() {
        let tokens = hello.private.iter().take(HELLO_TOKENS_MAX);
        json::array(members.member("private"), tokens, |out, token| json::text(out, &HEXLOWER.encode(token)));
    }
    let Capabilities { manifest, have, split, gateway } = hello.ext;
    let named = [(manifest, "manifest"), (have, "have"), (split, "split"), (gateway, "gateway")];
    if named.iter().any(|(able, _)| *able) {
        let named = named.into_iter().filter(|(able, _)| *able);
        json::array(members.member("ext"), named, |out, (_, name)| json::text(out, name));
    }
    members.end();
}

/// What is no address of a peer is skipped; the first 200 of the rest count.
pub(super) fn read_peers(text: &[u8]) -> Option<Vec<PeerAddr>> {
    let mut peers = Vec::new();
    let mut reader = Reader::new(text).ok()?;
    let read = texts(&mut reader, |text| {
        if peers.len() < PEERS_MAX {
            peers.extend(peer_address(text));
        }
    });
    read.and_then(|()| reader.end()).ok()?;
    Some(peers)
}

pub(super) fn write_peers(peers: &[PeerAddr], out: &mut Vec<u8>) {
    let named = peers.iter().filter(|peer| !matches!(peer, PeerAddr::Name(..))).take(PEERS_MAX);
    json::array(out, named, |out, peer| json::text(out, &peer.to_string()));
}

pub(super) fn read_publish(text: &[u8]) -> Option<PublishRequest> {
    let (mut key, mut sequence, mut value, mut signature, mut salt) = (None, None, None, None, Some(Vec::new()));
    object(text, |reader, name| {
        match name {
            "k" => key = Some(ChannelKey(reader.hex("a public key")?)),
            "seq" => sequence = Some(reader.integer()?),
            "v" => value = hex_within(reader, MANIFEST_MAX)?,
            "sig" => signature = Some(reader.hex("a signature")?),
            "salt" => salt = hex_within(reader, SALT_MAX)?,
            _ => reader.skip()?,
        }
        Ok(())
    })?;
    Some(PublishRequest { key: key?, sequence: sequence?, value: value?, signature: signature?, salt: salt? })
}

pub(super) fn write_publish(request: &PublishRequest, out: &mut Vec<u8>) {
    let PublishRequest { key, sequence, value, signature, salt } = request;
    let mut members = Object::new(out);
    members.hex("k", key.as_bytes());
    members.integer("seq", *sequence);
    members.hex("v", value);
    members.hex("sig", signature);
    if !salt.is_empty() {
        members.hex("salt", salt);
    }
    members.end();
}

pub(super) fn read_announce(text: &[u8]) -> Option<(Topic, PeerAddr)> {
    let (mut topic, mut address) = (None, None);
    object(text, |reader, name| {
        match name {
            "blobId" => topic = Some(Topic(reader.hex("a blob ID")?)),
            "peerAddress" => address = peer_address(&reader.text()?),
            _ => reader.skip()?,
        }
        Ok(())
    })?;
    Some((topic?, address?))
}

pub(super) fn write_announce(topic: &Topic, address: &PeerAddr, out: &mut Vec<u8>) {
    let mut members = Object::new(out);
    members.hex("blobId", topic.as_bytes());
    members.text("peerAddress", &address.to_string());
    members.end();
}

pub(super) fn read_claimed_channel(manifest: &[u8]) -> Option<ChannelKey> {
    let mut key = None;
    object(manifest, |reader, name| {
        if name == "publicKey" {
            key = Some(ChannelKey(reader.hex("a public key")?));
            return Ok(());
        }
        reader.skip()
    })?;
    key
}
