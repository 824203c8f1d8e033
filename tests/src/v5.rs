//! A plain v5 peer with the habits of the ones in the wild, written from the wire alone.
//!
//! Nothing here uses the product's protocol crate: it is an independent second implementation, so that a mistake in
//! the first one cannot hide in both ends of a test. [`Wire`] is one encrypted connection; [`download`] and
//! [`find_peers`] are what a v5 client does; [`Server`] is what a v5 seeder does; [`author`] signs and reads
//! manifests; [`Dht`] puts and finds them.

pub mod author;
mod blob;
mod dht;
mod server;
mod wire;

pub use blob::{BLOB_LEN, Blob, CHUNK_LEN, chunks};
pub use dht::Dht;
pub use server::{Death, Habits, Server};
pub use wire::{Keys, Message, Opener, Sealer, Wire};

use data_encoding::HEXLOWER;
use sha2::{Digest, Sha256};
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

/// HELLO.
pub const HELLO: u8 = 0x01;
/// REQUEST.
pub const REQUEST: u8 = 0x02;
/// DATA.
pub const DATA: u8 = 0x03;
/// FIND_PEERS.
pub const FIND_PEERS: u8 = 0x04;
/// PEERS.
pub const PEERS: u8 = 0x05;
/// PUBLISH.
pub const PUBLISH: u8 = 0x06;
/// ANNOUNCE.
pub const ANNOUNCE: u8 = 0x07;
/// OK.
pub const OK: u8 = 0x08;
/// ERROR.
pub const ERROR: u8 = 0xFF;

/// A v5 downloader gives up after this.
pub const PATIENCE: Duration = Duration::from_secs(10);

/// What went wrong between two v5 peers.
#[derive(Debug, thiserror::Error)]
pub enum V5Error {
    /// The other side closed, or the network failed.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// Nobody answered within [`PATIENCE`].
    #[error("no answer within {} s", PATIENCE.as_secs())]
    GaveUp,
    /// The shared secret is all zero.
    #[error("the other side sent a key of low order")]
    ZeroKey,
    /// A frame that does not open.
    #[error("a frame with a wrong tag")]
    BadTag,
    /// A frame shorter than a type byte and a tag, or longer than any legal one.
    #[error("a frame of {0} bytes")]
    Length(usize),
    /// ERROR, with its text.
    #[error("the other side answered ERROR {0:?}")]
    Refused(String),
    /// A message that the client did not wait for, or whose payload is not what its type says.
    #[error("an unexpected message of type {0:#04x}")]
    Unexpected(u8),
}

/// How a v5 client names what it follows in HELLO: two shapes exist, and an empty object too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gossip<'a> {
    /// `{}`.
    Nothing,
    /// `{"v":5,"gossip":{"<key>":<sequence>}}`, as it is written.
    Direct(&'a [(String, u64)]),
    /// `{"v":5,"gossip":{"sequences":{"<key>":<sequence>}}}`, as it is read.
    Nested(&'a [(String, u64)]),
}

impl Gossip<'_> {
    /// The payload of HELLO.
    pub fn payload(&self) -> Vec<u8> {
        let object = |list: &[(String, u64)]| {
            let members: Vec<String> = list.iter().map(|(key, sequence)| format!("\"{key}\":{sequence}")).collect();
            format!("{{{}}}", members.join(","))
        };
        match self {
            Self::Nothing => b"{}".to_vec(),
            Self::Direct(list) => format!("{{\"v\":5,\"gossip\":{}}}", object(list)).into_bytes(),
            Self::Nested(list) => format!("{{\"v\":5,\"gossip\":{{\"sequences\":{}}}}}", object(list)).into_bytes(),
        }
    }
}

/// Fetches one blob as a v5 downloader does: one connection for it alone, HELLO, perhaps ANNOUNCE of its own address,
/// REQUEST, then DATA until the hash is right. Answers of other types are ignored, ERROR ends it.
///
/// # Errors
/// Whatever keeps the blob away; [`V5Error::GaveUp`] after 10 s.
pub fn download(peer: SocketAddr, id: &str, gossip: Gossip<'_>, announce_as: Option<&str>) -> Result<Vec<u8>, V5Error> {
    let mut wire = Wire::dial(peer)?;
    wire.send(HELLO, &gossip.payload())?;
    if let Some(address) = announce_as {
        let announce = format!("{{\"blobId\":\"{id}\",\"peerAddress\":\"{address}\"}}");
        wire.send(ANNOUNCE, announce.as_bytes())?;
    }
    wire.send(REQUEST, id.as_bytes())?;
    let mut blob = Vec::new();
    loop {
        let message = wire.receive()?;
        match message.kind {
            DATA => {
                blob.extend_from_slice(&message.payload);
                if HEXLOWER.encode(&Sha256::digest(&blob)) == id {
                    return Ok(blob);
                }
                if blob.len() > BLOB_LEN {
                    return Err(V5Error::Length(blob.len()));
                }
            }
            ERROR => return Err(V5Error::Refused(String::from_utf8_lossy(&message.payload).into_owned())),
            _ => {}
        }
    }
}

/// Asks a peer who else has a blob (or follows a channel, by its rendezvous ID).
///
/// # Errors
/// Whatever keeps the answer away; [`V5Error::GaveUp`] after 10 s.
pub fn find_peers(peer: SocketAddr, id: &str) -> Result<Vec<String>, V5Error> {
    let mut wire = Wire::dial(peer)?;
    wire.send(HELLO, b"{}")?;
    wire.send(FIND_PEERS, id.as_bytes())?;
    loop {
        let message = wire.receive()?;
        match message.kind {
            PEERS => return serde_json::from_slice(&message.payload).map_err(|_| V5Error::Unexpected(PEERS)),
            ERROR => return Err(V5Error::Refused(String::from_utf8_lossy(&message.payload).into_owned())),
            _ => {}
        }
    }
}

/// Hands a gateway a signed DHT item, in the words of its PUBLISH; gives back the text of its OK.
///
/// # Errors
/// [`V5Error::Refused`] with the gateway's reason, or whatever keeps the answer away.
pub fn publish(gateway: SocketAddr, payload: &str) -> Result<String, V5Error> {
    let mut wire = Wire::dial(gateway)?;
    wire.send(HELLO, b"{}")?;
    wire.send(PUBLISH, payload.as_bytes())?;
    loop {
        let message = wire.receive()?;
        let text = || String::from_utf8_lossy(&message.payload).into_owned();
        match message.kind {
            OK => return Ok(text()),
            ERROR => return Err(V5Error::Refused(text())),
            _ => {}
        }
    }
}
