//! §2.1 Handshake — two ephemeral X25519 keys, two BLAKE2b keys.

use crate::frame::{Opener, Sealer};
use crate::session::Role;

/// Both ephemeral public keys: what a connection's tokens bind to (E7).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Binding {
    /// The dialling side's ephemeral public key.
    pub dialler: [u8; 32],
    /// The accepting side's.
    pub acceptor: [u8; 32],
}

/// The peer's key made an all-zero shared secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the peer sent a zero key")]
pub struct ZeroKey;

/// Our half, sent at once.
pub struct Handshake {
    _p: (),
}

#[allow(clippy::todo, unused_variables)]
impl Handshake {
    /// `secret`: 32 random bytes.
    pub fn new(role: Role, secret: [u8; 32]) -> Self {
        todo!()
    }
    /// The 32 bytes to send.
    pub fn public(&self) -> [u8; 32] {
        todo!()
    }
    /// The peer's 32 bytes arrived.
    pub fn finish(self, peer: [u8; 32]) -> Result<(Sealer, Opener, Binding), ZeroKey> {
        todo!()
    }
}
