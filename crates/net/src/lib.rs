//! The gate: the only crate that opens sockets. Every way in or out of the house is behind [`gate::Gate`].
//!
//! A per-crate `clippy.toml` forbids socket types everywhere else, so the route chosen here is the only route there is.

mod accept;
pub mod dht;
pub mod gate;
pub mod lan;
pub mod local;
pub mod media;
pub mod memory;
pub mod portmap;
mod proxy;
pub mod route;
pub mod sockets;
pub mod socks;
pub mod tor;
pub mod web;
pub mod wire;
