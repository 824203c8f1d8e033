//! The language: the Megatorrent protocol v5 and its extensions, pure.
//!
//! Nothing in this crate opens a socket, reads a file, asks a clock or draws a random number: time, chance and bytes
//! are arguments. Everything that arrives from outside is bounded before it is allocated and parsed once into a type
//! that cannot hold a wrong value. `docs/PROTOCOL.md` describes the bytes; each module names its section.

pub mod addr;
pub mod blob;
pub mod body;
pub mod devices;
pub mod frame;
pub mod handshake;
pub mod id;
mod json;
pub mod link;
pub mod manifest;
pub mod message;
pub mod params;
pub mod path;
pub mod price;
pub mod rendezvous;
pub mod session;
pub mod tree;
pub mod words;

pub use addr::{AddrClass, PeerAddr};
pub use blob::{BlobKey, VerifiedBlob};
pub use body::{Body, Chunk, Content, FileEntry, Item, Payload};
pub use id::{BlobId, ChannelKey, Identity, InfoHash, ItemId, ReadKey, Topic};
pub use json::JsonError;
pub use link::Link;
pub use manifest::SignedManifest;
pub use path::SafePath;
pub use tree::Tree;
