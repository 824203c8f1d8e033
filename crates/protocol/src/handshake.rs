//! §2.1 Handshake — two ephemeral X25519 keys, two BLAKE2b keys.
//!
//! Owns: our ephemeral secret until the peer's key is there. Promises: both are used once, an all-zero shared secret is
//! refused, and no secret outlives [`Handshake::finish`].

use blake2::{Blake2b256, Digest};
use x25519_dalek::{PublicKey, SharedSecret, StaticSecret};
use zeroize::{Zeroize, Zeroizing};

use crate::frame::{Opener, Sealer};
use crate::session::Role;

/// Both ephemeral public keys: what a connection's tokens bind to (E7).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Binding {
    /// The dialling side's ephemeral public key, raw X25519.
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
    role: Role,
    secret: StaticSecret,
    public: [u8; 32],
}

/// `BLAKE2b-256(shared ‖ letter)`: the key of the dialler's frames (`C`) or of the acceptor's (`S`).
fn direction_key(shared: &SharedSecret, letter: u8) -> Zeroizing<[u8; 32]> {
    Zeroizing::new(Blake2b256::new().chain_update(shared.as_bytes()).chain_update([letter]).finalize().into())
}

impl Handshake {
    /// `secret`: 32 random bytes, used for this connection only.
    pub fn new(role: Role, mut secret: [u8; 32]) -> Self {
        let kept = StaticSecret::from(secret);
        secret.zeroize();
        let public = PublicKey::from(&kept).to_bytes();
        Self { role, secret: kept, public }
    }

    /// The 32 bytes to send.
    pub fn public(&self) -> [u8; 32] {
        self.public
    }

    /// The peer's 32 bytes arrived. Fails on a low-order point.
    pub fn finish(self, peer: [u8; 32]) -> Result<(Sealer, Opener, Binding), ZeroKey> {
        let shared = self.secret.diffie_hellman(&PublicKey::from(peer));
        if !shared.was_contributory() {
            return Err(ZeroKey);
        }
        let (dialler, acceptor) = (direction_key(&shared, b'C'), direction_key(&shared, b'S'));
        Ok(match self.role {
            Role::Dialler => {
                (Sealer::new(&dialler), Opener::new(&acceptor), Binding { dialler: self.public, acceptor: peer })
            }
            Role::Acceptor => {
                (Sealer::new(&acceptor), Opener::new(&dialler), Binding { dialler: peer, acceptor: self.public })
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::hex_array;

    fn vectors() -> serde_json::Value {
        serde_json::from_str(include_str!("../../../tests/vectors/v5-vectors.json")).unwrap()
    }
    fn bytes(value: &serde_json::Value) -> [u8; 32] {
        hex_array(value.as_str().unwrap().as_bytes()).unwrap()
    }

    #[test]
    fn derives_the_keys_of_the_vectors() {
        let row = &vectors()["handshake"];
        let dialler = Handshake::new(Role::Dialler, bytes(&row["inputs"]["client_ephemeral_secret"]));
        let acceptor = Handshake::new(Role::Acceptor, bytes(&row["inputs"]["server_ephemeral_secret"]));
        assert_eq!(dialler.public(), bytes(&row["client_ephemeral_public"]));
        assert_eq!(acceptor.public(), bytes(&row["server_ephemeral_public"]));
        let shared = dialler.secret.diffie_hellman(&PublicKey::from(acceptor.public()));
        assert_eq!(shared.as_bytes(), &bytes(&row["shared_point"]));
        assert_eq!(*direction_key(&shared, b'C'), bytes(&row["key_C"]));
        assert_eq!(*direction_key(&shared, b'S'), bytes(&row["key_S"]));
    }

    #[test]
    fn each_side_opens_what_the_other_seals() {
        let (dialler, acceptor) = (Handshake::new(Role::Dialler, [1; 32]), Handshake::new(Role::Acceptor, [2; 32]));
        let (to_acceptor, to_dialler) = (dialler.public(), acceptor.public());
        let (mut d_seal, mut d_open, d_binding) = dialler.finish(to_dialler).unwrap();
        let (mut a_seal, mut a_open, a_binding) = acceptor.finish(to_acceptor).unwrap();
        assert_eq!(d_binding, a_binding);
        let mut wire = Vec::new();
        d_seal.seal(b"\x01{}", &mut wire);
        assert_eq!(a_open.open(&mut wire[4..]).unwrap(), b"\x01{}");
        wire.clear();
        a_seal.seal(b"\x05[]", &mut wire);
        assert_eq!(d_open.open(&mut wire[4..]).unwrap(), b"\x05[]");
    }

    #[test]
    fn low_order_points_are_refused() {
        let mut one = [0; 32];
        one[0] = 1;
        let order_eight = hex_array(b"e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800").unwrap();
        for peer in [[0; 32], one, order_eight] {
            assert!(Handshake::new(Role::Dialler, [9; 32]).finish(peer).is_err());
        }
    }
}
