//! The gate: the only crate that opens sockets. Every way in or out of the house is behind [`Gate`].

pub mod dht;
pub mod gate;
pub mod local;
pub mod wire;
