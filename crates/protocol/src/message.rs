//! §2.3 Messages, E3–E5 — the codecs: type byte and payload to a typed message and back.
//!
//! Owns: every message's bytes and its own cap. Promises: a decoded message holds only values that its type allows, and
//! decoding allocates no more than a small multiple of the frame. Who may say what when is [`crate::session`]'s.

mod text;

use std::borrow::Cow;

use crate::id::hex_array;
use crate::params::{BLOB_LEN, HAVE_QUERY_MAX, MANIFEST_MAX};
use crate::session::{Hello, PublishRequest, RequestId};
use crate::{BlobId, ChannelKey, PeerAddr, Topic};

macro_rules! kinds {
    ($($(#[$doc:meta])* $kind:ident = $byte:literal, $max:expr;)+) => {
        /// A message's type byte.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u8)]
        pub enum Kind { $($(#[$doc])* $kind = $byte,)+ }

        impl Kind {
            /// Every type that this implementation reads.
            pub const ALL: &[Self] = &[$(Self::$kind),+];

            /// The type of this byte, if it is known.
            pub const fn of(byte: u8) -> Option<Self> {
                match byte { $($byte => Some(Self::$kind),)+ _ => None }
            }

            /// Most bytes of its payload.
            pub const fn payload_max(self) -> usize {
                match self { $(Self::$kind => $max,)+ }
            }
        }
    };
}

/// Payload of the largest frame that is not DATA: 4 bytes of id and 4,096 blob IDs.
const WIDE: usize = 4 + HAVE_QUERY_MAX * 32;
/// Bytes of a text in OK or ERROR.
const TEXT_MAX: usize = 4096;

kinds! {
    /// JSON: version, gossip, tokens, capabilities.
    Hello = 0x01, WIDE;
    /// 64 hex: a blob ID.
    Request = 0x02, 64;
    /// Bytes of the oldest open REQUEST's blob.
    Data = 0x03, BLOB_LEN;
    /// 64 hex: a blob ID or a rendezvous ID.
    FindPeers = 0x04, 64;
    /// JSON: array of `host:port`.
    Peers = 0x05, WIDE;
    /// JSON: a BEP 44 item.
    Publish = 0x06, 16 * 1024;
    /// JSON: a topic and the sender's address.
    Announce = 0x07, 1024;
    /// Text.
    Ok = 0x08, TEXT_MAX;
    /// `id (4) ‖ channel (32) ‖ sequence (8)`; numbers are big-endian, here and below.
    GetManifest = 0x10, 4 + 32 + 8;
    /// `id (4) ‖ BEP 44 signature (64) ‖ JSON`.
    Manifest = 0x11, 4 + 64 + MANIFEST_MAX;
    /// `id (4) ‖ blob IDs (32 each)`.
    HaveQuery = 0x12, WIDE;
    /// `id (4) ‖ bits`, the first in the highest.
    Have = 0x13, 4 + HAVE_QUERY_MAX / 8;
    /// `id (4) ‖ reason (1)`.
    None = 0x14, 4 + 1;
    /// `id (4) ‖ u16 indexes`, from 0.
    HaveMore = 0x15, 4 + HAVE_QUERY_MAX * 2;
    /// A blob ID, 32 raw bytes.
    Cancel = 0x16, 32;
    /// Text.
    Error = 0xff, TEXT_MAX;
}

/// Why an extension request is answered by NONE.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// 0: nothing (newer) is held, or the channel is unknown here; the same answer for both.
    Nothing,
    /// 1: too many requests are open.
    Busy,
    /// Any other byte, read as [`Reason::Nothing`].
    Other(u8),
}

impl Reason {
    const fn byte(self) -> u8 {
        match self {
            Self::Nothing => 0,
            Self::Busy => 1,
            Self::Other(byte) => byte,
        }
    }
    const fn of(byte: u8) -> Self {
        match byte {
            0 => Self::Nothing,
            1 => Self::Busy,
            other => Self::Other(other),
        }
    }
}

/// One message. Large payloads are borrowed from the frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Message<'a> {
    /// Who speaks; `version` is 5.
    Hello {
        /// `v`; 5 if absent.
        version: u64,
        /// The rest.
        hello: Hello,
    },
    /// Asks for a blob.
    Request(BlobId),
    /// Bytes of a blob.
    Data(&'a [u8]),
    /// Asks for peers.
    FindPeers(Topic),
    /// Where peers listen.
    Peers(Vec<PeerAddr>),
    /// Asks to publish.
    Publish(PublishRequest),
    /// Where the sender listens.
    Announce(Topic, PeerAddr),
    /// PUBLISH was done.
    Ok(Cow<'a, str>),
    /// Asks for a newer manifest than this sequence (ms since 1970).
    GetManifest(RequestId, ChannelKey, u64),
    /// A manifest, not verified; id 0: a push.
    Manifest {
        /// The request's, or 0.
        id: RequestId,
        /// BEP 44 signature.
        bep44: [u8; 64],
        /// At most 996 bytes.
        json: &'a [u8],
    },
    /// Asks which blobs are held.
    HaveQuery(RequestId, Vec<BlobId>),
    /// One bit per ID asked, first in the highest bit; the unused low bits of the last byte are 0.
    Have(RequestId, Cow<'a, [u8]>),
    /// The answer to an extension request that has none.
    None(RequestId, Reason),
    /// More of a query arrived.
    HaveMore(RequestId, Vec<u16>),
    /// A REQUEST is taken back.
    Cancel(BlobId),
    /// A REQUEST or PUBLISH failed. Untrusted text.
    Error(Cow<'a, str>),
}

/// Why a frame is no message. The peer's fault, each time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MessageError {
    /// Not even a type byte.
    #[error("an empty frame")]
    Empty,
    /// A type that is not known here: ignored.
    #[error("a message of unknown type {0:#04x}")]
    Unknown(u8),
    /// Over the type's cap.
    #[error("{kind:?} of {len} bytes, over its cap of {}", .kind.payload_max())]
    TooLong {
        /// Its type.
        kind: Kind,
        /// Its payload's bytes.
        len: usize,
    },
    /// The payload does not parse.
    #[error("{0:?} that cannot be read")]
    Malformed(Kind),
}

/// Cuts `N` bytes off the front.
fn take<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (front, back) = rest.split_first_chunk::<N>()?;
    *rest = back;
    Some(*front)
}

fn take_id(rest: &mut &[u8]) -> Option<RequestId> {
    Some(RequestId(u32::from_be_bytes(take(rest)?)))
}

/// The whole of `payload`, as an array.
fn whole<const N: usize>(payload: &[u8]) -> Option<[u8; N]> {
    payload.try_into().ok()
}

impl<'a> Message<'a> {
    /// Reads one opened frame: type byte and payload.
    pub fn decode(frame: &'a [u8]) -> Result<Self, MessageError> {
        let (&byte, payload) = frame.split_first().ok_or(MessageError::Empty)?;
        let kind = Kind::of(byte).ok_or(MessageError::Unknown(byte))?;
        if payload.len() > kind.payload_max() {
            return Err(MessageError::TooLong { kind, len: payload.len() });
        }
        Self::payload(kind, payload).ok_or(MessageError::Malformed(kind))
    }

    fn payload(kind: Kind, payload: &'a [u8]) -> Option<Self> {
        let mut rest = payload;
        Some(match kind {
            Kind::Hello => {
                let (version, hello) = text::read_hello(payload)?;
                Self::Hello { version, hello }
            }
            Kind::Request => Self::Request(BlobId(hex_array(payload).ok()?)),
            Kind::Data => Self::Data(payload),
            Kind::FindPeers => Self::FindPeers(Topic(hex_array(payload).ok()?)),
            Kind::Peers => Self::Peers(text::read_peers(payload)?),
            Kind::Publish => Self::Publish(text::read_publish(payload)?),
            Kind::Announce => {
                let (topic, address) = text::read_announce(payload)?;
                Self::Announce(topic, address)
            }
            Kind::Ok => Self::Ok(String::from_utf8_lossy(payload)),
            Kind::Error => Self::Error(String::from_utf8_lossy(payload)),
            Kind::GetManifest => {
                let (id, channel) = (take_id(&mut rest)?, ChannelKey(take(&mut rest)?));
                Self::GetManifest(id, channel, u64::from_be_bytes(whole(rest)?))
            }
            Kind::Manifest => {
                let (id, bep44) = (take_id(&mut rest)?, take(&mut rest)?);
                Self::Manifest { id, bep44, json: rest }
            }
            Kind::HaveQuery => {
                let id = take_id(&mut rest)?;
                let (ids, odd) = rest.as_chunks::<32>();
                (odd.is_empty() && !ids.is_empty())
                    .then(|| Self::HaveQuery(id, ids.iter().copied().map(BlobId).collect()))?
            }
            Kind::Have => {
                let id = take_id(&mut rest)?;
                (!rest.is_empty()).then_some(Self::Have(id, Cow::Borrowed(rest)))?
            }
            Kind::None => Self::None(take_id(&mut rest)?, Reason::of(u8::from_be_bytes(whole(rest)?))),
            Kind::HaveMore => {
                let id = take_id(&mut rest)?;
                let (indexes, odd) = rest.as_chunks::<2>();
                (odd.is_empty() && !indexes.is_empty())
                    .then(|| Self::HaveMore(id, indexes.iter().copied().map(u16::from_be_bytes).collect()))?
            }
            Kind::Cancel => Self::Cancel(BlobId(whole(payload)?)),
        })
    }

    /// Its type.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Hello { .. } => Kind::Hello,
            Self::Request(_) => Kind::Request,
            Self::Data(_) => Kind::Data,
            Self::FindPeers(_) => Kind::FindPeers,
            Self::Peers(_) => Kind::Peers,
            Self::Publish(_) => Kind::Publish,
            Self::Announce(..) => Kind::Announce,
            Self::Ok(_) => Kind::Ok,
            Self::GetManifest(..) => Kind::GetManifest,
            Self::Manifest { .. } => Kind::Manifest,
            Self::HaveQuery(..) => Kind::HaveQuery,
            Self::Have(..) => Kind::Have,
            Self::None(..) => Kind::None,
            Self::HaveMore(..) => Kind::HaveMore,
            Self::Cancel(_) => Kind::Cancel,
            Self::Error(_) => Kind::Error,
        }
    }

    /// Appends type byte and payload.
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.push(self.kind() as u8);
        match self {
            Self::Hello { version, hello } => text::write_hello(*version, hello, out),
            Self::Request(id) => out.extend_from_slice(id.to_string().as_bytes()),
            Self::Data(bytes) => out.extend_from_slice(bytes),
            Self::FindPeers(topic) => out.extend_from_slice(topic.to_string().as_bytes()),
            Self::Peers(peers) => text::write_peers(peers, out),
            Self::Publish(request) => text::write_publish(request, out),
            Self::Announce(topic, address) => text::write_announce(topic, address, out),
            Self::Ok(text) | Self::Error(text) => out.extend_from_slice(text::within(text, TEXT_MAX).as_bytes()),
            Self::GetManifest(id, channel, sequence) => {
                out.extend_from_slice(&id.0.to_be_bytes());
                out.extend_from_slice(channel.as_bytes());
                out.extend_from_slice(&sequence.to_be_bytes());
            }
            Self::Manifest { id, bep44, json } => {
                out.extend_from_slice(&id.0.to_be_bytes());
                out.extend_from_slice(bep44);
                out.extend_from_slice(json);
            }
            Self::HaveQuery(id, blobs) => {
                out.extend_from_slice(&id.0.to_be_bytes());
                for blob in blobs {
                    out.extend_from_slice(blob.as_bytes());
                }
            }
            Self::Have(id, bits) => {
                out.extend_from_slice(&id.0.to_be_bytes());
                out.extend_from_slice(bits);
            }
            Self::None(id, reason) => {
                out.extend_from_slice(&id.0.to_be_bytes());
                out.push(reason.byte());
            }
            Self::HaveMore(id, indexes) => {
                out.extend_from_slice(&id.0.to_be_bytes());
                for index in indexes {
                    out.extend_from_slice(&index.to_be_bytes());
                }
            }
            Self::Cancel(id) => out.extend_from_slice(id.as_bytes()),
        }
    }

    /// As one plain frame.
    pub fn to_frame(&self) -> Box<[u8]> {
        let mut out = Vec::new();
        self.encode(&mut out);
        out.into()
    }
}

/// Packs one bit per blob, first in the highest bit (E5).
pub fn pack_bits(held: &[bool]) -> Vec<u8> {
    held.chunks(8)
        .map(|eight| eight.iter().enumerate().fold(0, |byte, (i, &bit)| byte | (u8::from(bit) << (7 - i))))
        .collect()
}

/// The positions of the set bits among the first `count`.
pub fn set_bits(bits: &[u8], count: usize) -> impl Iterator<Item = usize> + '_ {
    (0..count).filter(|i| bits.get(i / 8).is_some_and(|byte| byte & (0x80 >> (i % 8)) != 0))
}

/// The `publicKey` that a pushed manifest names, to verify it against; nothing else of it is believed.
pub(crate) fn claimed_channel(manifest: &[u8]) -> Option<ChannelKey> {
    text::read_claimed_channel(manifest)
}

#[cfg(test)]
mod tests;
