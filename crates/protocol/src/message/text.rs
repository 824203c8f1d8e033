//! §2.3, E3, E7 — the JSON payloads: HELLO, PEERS, PUBLISH, ANNOUNCE.
//!
//! Read strictly: one value, no duplicate member at any depth, nothing behind it. Unknown members are ignored (§2.3).

use std::collections::BTreeMap;
use std::fmt;

use data_encoding::HEXLOWER;
use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};

use crate::id::hex_array;
use crate::params::{HELLO_CHANNELS_MAX, HELLO_TOKENS_MAX, MANIFEST_MAX, PEERS_MAX, SEQUENCE_MAX, VERSION};
use crate::session::{Capabilities, Hello, PublishRequest};
use crate::{ChannelKey, PeerAddr, Topic};

/// Longest BEP 44 salt, bytes.
const SALT_MAX: usize = 64;

/// A JSON value without duplicate members. Numbers that are no unsigned integer are `Other`, as nothing here wants them.
enum Value {
    Text(String),
    Integer(u64),
    Array(Vec<Value>),
    Object(BTreeMap<String, Value>),
    Other,
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Strict;
        impl<'de> Visitor<'de> for Strict {
            type Value = Value;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("JSON without duplicate members")
            }
            fn visit_unit<E: Error>(self) -> Result<Value, E> {
                Ok(Value::Other)
            }
            fn visit_bool<E: Error>(self, _: bool) -> Result<Value, E> {
                Ok(Value::Other)
            }
            fn visit_i64<E: Error>(self, _: i64) -> Result<Value, E> {
                Ok(Value::Other)
            }
            fn visit_f64<E: Error>(self, _: f64) -> Result<Value, E> {
                Ok(Value::Other)
            }
            fn visit_u64<E: Error>(self, number: u64) -> Result<Value, E> {
                Ok(Value::Integer(number))
            }
            fn visit_str<E: Error>(self, text: &str) -> Result<Value, E> {
                Ok(Value::Text(text.to_owned()))
            }
            fn visit_string<E: Error>(self, text: String) -> Result<Value, E> {
                Ok(Value::Text(text))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
                let mut values = Vec::new();
                while let Some(value) = seq.next_element()? {
                    values.push(value);
                }
                Ok(Value::Array(values))
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
                let mut members = BTreeMap::new();
                while let Some((name, value)) = map.next_entry()? {
                    if members.insert(name, value).is_some() {
                        return Err(A::Error::custom("duplicate member"));
                    }
                }
                Ok(Value::Object(members))
            }
        }
        deserializer.deserialize_any(Strict)
    }
}

impl Value {
    fn parse(json: &[u8]) -> Option<Self> {
        serde_json::from_slice(json).ok()
    }
    fn object(json: &[u8]) -> Option<BTreeMap<String, Self>> {
        match Self::parse(json)? {
            Self::Object(members) => Some(members),
            _ => None,
        }
    }
    fn text(&self) -> Option<&str> {
        if let Self::Text(text) = self { Some(text) } else { None }
    }
    fn hex<const N: usize>(&self) -> Option<[u8; N]> {
        hex_array(self.text()?.as_bytes()).ok()
    }
    fn hex_within(&self, max: usize) -> Option<Vec<u8>> {
        let text = self.text().filter(|text| text.len() <= 2 * max)?;
        HEXLOWER.decode(text.as_bytes()).ok()
    }
    fn sequence(&self) -> Option<u64> {
        if let &Self::Integer(number) = self { (number <= SEQUENCE_MAX).then_some(number) } else { None }
    }
    fn items(&self) -> &[Self] {
        if let Self::Array(items) = self { items } else { &[] }
    }
}

/// An address that a peer may name: never a host name.
fn peer_address(text: &str) -> Option<PeerAddr> {
    text.parse::<PeerAddr>().ok().filter(|address| !matches!(address, PeerAddr::Name(..)))
}

/// `text`, cut to at most `max` bytes at a character's end.
pub(super) fn within(text: &str, max: usize) -> &str {
    &text[..text.floor_char_boundary(max)]
}

/// The version and the rest. `gossip` maps keys to sequences directly, or in a member `sequences` of its own.
pub(super) fn read_hello(json: &[u8]) -> Option<(u64, Hello)> {
    let members = Value::object(json)?;
    let version = match members.get("v") {
        None => VERSION,
        Some(&Value::Integer(version)) => version,
        Some(_) => return None,
    };
    let mut hello = Hello::default();
    let gossip = match members.get("gossip") {
        Some(Value::Object(gossip)) => match gossip.get("sequences") {
            Some(Value::Object(inner)) => Some(inner),
            _ => Some(gossip),
        },
        _ => None,
    };
    hello.gossip = gossip
        .into_iter()
        .flatten()
        .filter_map(|(key, sequence)| Some((key.parse().ok()?, sequence.sequence()?)))
        .take(HELLO_CHANNELS_MAX)
        .collect();
    if let Some(tokens) = members.get("private") {
        hello.private = tokens.items().iter().filter_map(Value::hex).take(HELLO_TOKENS_MAX).collect();
    }
    for name in members.get("ext").map(Value::items).unwrap_or_default() {
        match name.text() {
            Some("manifest") => hello.ext.manifest = true,
            Some("have") => hello.ext.have = true,
            Some("split") => hello.ext.split = true,
            Some("gateway") => hello.ext.gateway = true,
            _ => {}
        }
    }
    Some((version, hello))
}

/// Empty `private` and `ext` are left out: then the bytes are a v5 client's.
pub(super) fn write_hello(version: u64, hello: &Hello, out: &mut Vec<u8>) {
    let gossip: Vec<String> =
        hello.gossip.iter().take(HELLO_CHANNELS_MAX).map(|(key, sequence)| format!("\"{key}\":{sequence}")).collect();
    out.extend_from_slice(format!("{{\"v\":{version},\"gossip\":{{{}}}", gossip.join(",")).as_bytes());
    if !hello.private.is_empty() {
        let tokens: Vec<String> = hello
            .private
            .iter()
            .take(HELLO_TOKENS_MAX)
            .map(|token| format!("\"{}\"", HEXLOWER.encode(token)))
            .collect();
        out.extend_from_slice(format!(",\"private\":[{}]", tokens.join(",")).as_bytes());
    }
    let Capabilities { manifest, have, split, gateway } = hello.ext;
    let named = [(manifest, "\"manifest\""), (have, "\"have\""), (split, "\"split\""), (gateway, "\"gateway\"")];
    let named: Vec<&str> = named.iter().filter(|(does, _)| *does).map(|(_, name)| *name).collect();
    if !named.is_empty() {
        out.extend_from_slice(format!(",\"ext\":[{}]", named.join(",")).as_bytes());
    }
    out.push(b'}');
}

/// What is no address of a peer is skipped; the first 200 of the rest count.
pub(super) fn read_peers(json: &[u8]) -> Option<Vec<PeerAddr>> {
    match Value::parse(json)? {
        Value::Array(items) => {
            Some(items.iter().filter_map(|item| peer_address(item.text()?)).take(PEERS_MAX).collect())
        }
        _ => None,
    }
}

pub(super) fn write_peers(peers: &[PeerAddr], out: &mut Vec<u8>) {
    let named = peers.iter().filter(|peer| !matches!(peer, PeerAddr::Name(..))).take(PEERS_MAX);
    let list: Vec<String> = named.map(|peer| format!("\"{peer}\"")).collect();
    out.extend_from_slice(format!("[{}]", list.join(",")).as_bytes());
}

pub(super) fn read_publish(json: &[u8]) -> Option<PublishRequest> {
    let members = Value::object(json)?;
    Some(PublishRequest {
        key: ChannelKey(members.get("k")?.hex()?),
        sequence: members.get("seq")?.sequence()?,
        value: members.get("v")?.hex_within(MANIFEST_MAX)?,
        signature: members.get("sig")?.hex()?,
        salt: match members.get("salt") {
            Some(salt) => salt.hex_within(SALT_MAX)?,
            None => Vec::new(),
        },
    })
}

pub(super) fn write_publish(request: &PublishRequest, out: &mut Vec<u8>) {
    let PublishRequest { key, sequence, value, signature, salt } = request;
    let (value, signature) = (HEXLOWER.encode(value), HEXLOWER.encode(signature));
    let text = format!("{{\"k\":\"{key}\",\"seq\":{sequence},\"v\":\"{value}\",\"sig\":\"{signature}\"");
    out.extend_from_slice(text.as_bytes());
    if !salt.is_empty() {
        out.extend_from_slice(format!(",\"salt\":\"{}\"", HEXLOWER.encode(salt)).as_bytes());
    }
    out.push(b'}');
}

pub(super) fn read_announce(json: &[u8]) -> Option<(Topic, PeerAddr)> {
    let members = Value::object(json)?;
    Some((Topic(members.get("blobId")?.hex()?), peer_address(members.get("peerAddress")?.text()?)?))
}

pub(super) fn write_announce(topic: &Topic, address: &PeerAddr, out: &mut Vec<u8>) {
    out.extend_from_slice(format!("{{\"blobId\":\"{topic}\",\"peerAddress\":\"{address}\"}}").as_bytes());
}

pub(super) fn read_claimed_channel(manifest: &[u8]) -> Option<ChannelKey> {
    Value::object(manifest)?.get("publicKey")?.hex().map(ChannelKey)
}
