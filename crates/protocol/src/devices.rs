//! E14 Which lists of one identity's other devices a list was made with the knowledge of.
//!
//! Two devices that hold one identity sign lists without asking each other. Each gives its lists a mark, and a list says
//! of every device up to which of its lists the changes are in it: whoever finds its own later ones missing there knows
//! that they were not taken out but not known, and puts them in again. How many devices there are, and which of them
//! signed, is nobody's business: the mark is sealed under a key that only the identity's holders can make.

use std::collections::BTreeMap;

use chacha20poly1305::aead::inout::InOutBuf;
use chacha20poly1305::{AeadInOut, ChaCha20Poly1305, KeyInit};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use crate::Identity;
use crate::params::{SEQUENCE_MAX, TAG_LEN};

/// Devices that a mark has room for; of more, those that signed last.
pub const DEVICES_MAX: usize = 16;
/// Entries come in groups of so many, so that a mark's length does not count the devices.
const GROUP: usize = 4;
/// Device, six bytes, and sequence, eight.
const ENTRY_LEN: usize = 14;
const NONCE_LEN: usize = 12;
/// Longest sealed mark, bytes: nonce, entries, tag.
pub const MARK_MAX: usize = NONCE_LEN + DEVICES_MAX * ENTRY_LEN + TAG_LEN;

/// One device of an identity, as only its own devices know it: drawn by chance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DeviceId(pub [u8; 6]);

impl DeviceId {
    /// Whoever signs lists without a mark: the only device of an identity that never left it, or an older program.
    pub const UNMARKED: Self = Self([0; 6]);
}

/// Of each device the sequence of its latest list whose changes are in this one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Seen(BTreeMap<DeviceId, u64>);

impl Seen {
    /// Of what one device alone has signed so far.
    pub fn only(device: DeviceId, sequence: u64) -> Self {
        Self(BTreeMap::from([(device, sequence)]))
    }

    /// Up to which of this device's lists; 0: none.
    pub fn of(&self, device: DeviceId) -> u64 {
        self.0.get(&device).copied().unwrap_or(0)
    }

    /// As it is when this device signs its list of this sequence on top.
    pub fn with(mut self, device: DeviceId, sequence: u64) -> Self {
        let last = self.0.entry(device).or_default();
        *last = sequence.max(*last);
        while self.0.len() > DEVICES_MAX {
            let oldest = self.0.iter().min_by_key(|(_, sequence)| **sequence).map(|(device, _)| *device);
            oldest.map(|oldest| self.0.remove(&oldest));
        }
        self
    }

    /// Plain bytes, six of each device and eight of its sequence, big endian; filled up with zeros to a group.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(DEVICES_MAX * ENTRY_LEN);
        for (device, sequence) in &self.0 {
            bytes.extend_from_slice(&device.0);
            bytes.extend_from_slice(&sequence.to_be_bytes());
        }
        bytes.resize(self.0.len().max(1).next_multiple_of(GROUP) * ENTRY_LEN, 0);
        bytes
    }

    /// Reads what [`Seen::to_bytes`] wrote; `None`: it did not.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (entries, rest) = bytes.as_chunks::<ENTRY_LEN>();
        if !rest.is_empty() || entries.len() > DEVICES_MAX {
            return None;
        }
        let mut seen = BTreeMap::new();
        for [a, b, c, d, e, f, sequence @ ..] in entries {
            let sequence = u64::from_be_bytes(*sequence);
            if sequence > 0 {
                seen.insert(DeviceId([*a, *b, *c, *d, *e, *f]), sequence.min(SEQUENCE_MAX));
            }
        }
        Some(Self(seen))
    }

    /// Seals it for the identity's devices, with a nonce that is never used twice.
    pub fn seal(&self, identity: &Identity, nonce: [u8; NONCE_LEN]) -> Vec<u8> {
        let mut mark = nonce.to_vec();
        let mut entries = self.to_bytes();
        match cipher(identity).encrypt_inout_detached(&nonce.into(), &[], InOutBuf::from(entries.as_mut_slice())) {
            Ok(tag) => {
                mark.extend_from_slice(&entries);
                mark.extend_from_slice(&tag);
            }
            // The cipher's only failure is a message beyond 256 GiB.
            Err(_) => unreachable!("a mark of a few hundred bytes"),
        }
        mark
    }

    /// Opens what a device of the identity sealed; `None`: none did.
    pub fn open(identity: &Identity, mark: &[u8]) -> Option<Self> {
        if mark.len() > MARK_MAX {
            return None;
        }
        let (nonce, sealed) = mark.split_first_chunk::<NONCE_LEN>()?;
        let (entries, tag) = sealed.split_last_chunk::<TAG_LEN>()?;
        let mut entries = entries.to_vec();
        let opened = InOutBuf::from(entries.as_mut_slice());
        cipher(identity).decrypt_inout_detached(&(*nonce).into(), &[], opened, &(*tag).into()).ok()?;
        Self::from_bytes(&entries)
    }
}

/// The cipher under the key that the identity's devices alone can make: SHA-256(label ‖ seed).
fn cipher(identity: &Identity) -> ChaCha20Poly1305 {
    let hash = Sha256::new().chain_update(b"megatorrent devices v1").chain_update(*identity.seed()).finalize();
    let key: Zeroizing<[u8; 32]> = Zeroizing::new(hash.into());
    ChaCha20Poly1305::new((&*key).into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn device(number: u8) -> DeviceId {
        DeviceId([number; 6])
    }

    proptest! {
        #[test]
        fn what_was_sealed_is_opened_by_the_identity_alone(
            entries in proptest::collection::vec((1..200_u8, 1..SEQUENCE_MAX), 0..DEVICES_MAX),
            at in any::<prop::sample::Index>(),
        ) {
            let (mine, other) = (Identity::from_seed(&[1; 32]), Identity::from_seed(&[2; 32]));
            let seen = entries.into_iter().fold(Seen::default(), |seen, (id, sequence)| seen.with(device(id), sequence));
            let mut mark = seen.seal(&mine, [9; 12]);
            prop_assert!(mark.len() <= MARK_MAX);
            prop_assert_eq!((mark.len() - NONCE_LEN - TAG_LEN) % (GROUP * ENTRY_LEN), 0);
            prop_assert_eq!(Seen::open(&other, &mark), None);
            prop_assert_eq!(Seen::open(&mine, &mark), Some(seen));
            let at = at.index(mark.len());
            mark[at] ^= 1;
            prop_assert_eq!(Seen::open(&mine, &mark), None);
            prop_assert_eq!(Seen::open(&mine, &mark[..at]), None);
        }

        #[test]
        fn any_bytes_are_read_in_peace(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = Seen::from_bytes(&bytes);
            prop_assert_eq!(Seen::open(&Identity::from_seed(&[1; 32]), &bytes), None);
        }
    }

    #[test]
    fn a_device_only_goes_on_and_the_oldest_makes_room() {
        let seen = Seen::only(device(1), 5).with(device(1), 3).with(device(2), 9);
        assert_eq!((seen.of(device(1)), seen.of(device(2)), seen.of(device(3))), (5, 9, 0));
        let many = (1..=17).fold(Seen::default(), |seen, n| seen.with(device(n), u64::from(100 - n)));
        assert_eq!((many.of(device(17)), many.of(device(16)), many.of(device(1))), (0, 84, 99));
    }
}
