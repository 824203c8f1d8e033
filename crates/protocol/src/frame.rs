//! §2.2 Framing — `[N: u32 big-endian][ciphertext ‖ tag]`, one nonce counter a direction.
//!
//! Owns: the two ciphers of a connection and their counters. Promises: a frame is encrypted and opened in place, a
//! counter is never used twice, and `N` is judged before anything is allocated for it.

use chacha20poly1305::{AeadInOut, ChaCha20Poly1305, KeyInit, Nonce};

use crate::params::{FRAME_MIN, TAG_LEN};

/// Bytes of a frame's header: `N`, big-endian.
pub const HEADER_LEN: usize = 4;

/// Seals frames of one direction.
pub struct Sealer {
    cipher: ChaCha20Poly1305,
    counter: u64,
}

/// Opens frames of one direction.
pub struct Opener {
    cipher: ChaCha20Poly1305,
    counter: u64,
}

/// A frame that ends the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// `N` under 17 or over the cap.
    #[error("frame of {0} bytes")]
    Length(u32),
    /// The tag does not fit.
    #[error("frame with a bad tag")]
    Tag,
}

/// The nonce of the frame with this number: 12 bytes, little-endian.
fn nonce(counter: u64) -> Nonce {
    let mut bytes = [0; 12];
    bytes[..8].copy_from_slice(&counter.to_le_bytes());
    bytes.into()
}

impl Sealer {
    /// From the direction's key; the first frame has number 0.
    pub(crate) fn new(key: &[u8; 32]) -> Self {
        Self { cipher: ChaCha20Poly1305::new(&(*key).into()), counter: 0 }
    }

    /// Appends to `wire` one whole frame of `plain` (type byte and payload, at most a blob's DATA).
    pub fn seal(&mut self, plain: &[u8], wire: &mut Vec<u8>) {
        wire.reserve(HEADER_LEN + plain.len() + TAG_LEN);
        wire.extend_from_slice(&header(plain.len()));
        let start = wire.len();
        wire.extend_from_slice(plain);
        let tag = self.encrypt(&mut wire[start..]);
        wire.extend_from_slice(&tag);
    }

    /// Seals `frame` (type byte and payload) where it lies, its tag behind it; returns the header that goes before it.
    /// With room for [`TAG_LEN`] bytes more it is not moved.
    pub fn seal_in_place(&mut self, frame: &mut Vec<u8>) -> [u8; HEADER_LEN] {
        let header = header(frame.len());
        let tag = self.encrypt(frame);
        frame.extend_from_slice(&tag);
        header
    }

    fn encrypt(&mut self, plain: &mut [u8]) -> [u8; TAG_LEN] {
        let sealed = self.cipher.encrypt_inout_detached(&nonce(self.counter), &[], plain.into());
        // The cipher fails only beyond 256 GiB.
        let Ok(tag) = sealed else { unreachable!("a frame never reaches the cipher's limit") };
        self.counter += 1;
        tag.into()
    }
}

/// The header of a frame with so many plain bytes.
fn header(plain: usize) -> [u8; HEADER_LEN] {
    let n = plain + TAG_LEN;
    debug_assert!((FRAME_MIN..=crate::params::FRAME_MAX_BLOB).contains(&n), "a frame of {n} bytes");
    (n as u32).to_be_bytes()
}

impl Opener {
    /// From the direction's key; the first frame has number 0.
    pub(crate) fn new(key: &[u8; 32]) -> Self {
        Self { cipher: ChaCha20Poly1305::new(&(*key).into()), counter: 0 }
    }

    /// Checks a frame's header against the cap before anything is allocated; returns N.
    pub fn length(header: [u8; HEADER_LEN], max: usize) -> Result<usize, FrameError> {
        let n = u32::from_be_bytes(header);
        let length = n as usize;
        if (FRAME_MIN..=max).contains(&length) { Ok(length) } else { Err(FrameError::Length(n)) }
    }

    /// Opens the N bytes in place; returns type byte and payload.
    pub fn open<'a>(&mut self, sealed: &'a mut [u8]) -> Result<&'a [u8], FrameError> {
        if sealed.len() < FRAME_MIN {
            return Err(FrameError::Length(sealed.len() as u32));
        }
        let (plain, tag) = sealed.split_at_mut(sealed.len() - TAG_LEN);
        let mut expected = [0; TAG_LEN];
        expected.copy_from_slice(tag);
        self.cipher
            .decrypt_inout_detached(&nonce(self.counter), &[], (&mut *plain).into(), &expected.into())
            .map_err(|_| FrameError::Tag)?;
        self.counter += 1;
        Ok(plain)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::params::{BLOB_LEN, FRAME_MAX, FRAME_MAX_BLOB};
    use data_encoding::HEXLOWER;
    use proptest::prelude::*;

    #[test]
    fn counts_nonces_as_the_vectors_do() {
        let vectors: serde_json::Value =
            serde_json::from_str(include_str!("../../../tests/vectors/v5-vectors.json")).unwrap();
        let rows = vectors["nonce_counter"].as_array().unwrap();
        assert!(rows.len() >= 6);
        for row in rows {
            let expected = row["nonce"].as_str().unwrap();
            assert_eq!(HEXLOWER.encode(&nonce(row["frame_index"].as_u64().unwrap())), expected);
        }
    }

    #[test]
    fn judges_the_length_before_anything_else() {
        let header = |n: usize| (n as u32).to_be_bytes();
        assert_eq!(Opener::length(header(16), FRAME_MAX), Err(FrameError::Length(16)));
        assert_eq!(Opener::length(header(17), FRAME_MAX), Ok(17));
        assert_eq!(Opener::length(header(FRAME_MAX), FRAME_MAX), Ok(131_093));
        assert_eq!(Opener::length(header(FRAME_MAX + 1), FRAME_MAX), Err(FrameError::Length(131_094)));
        assert_eq!(Opener::length(header(FRAME_MAX_BLOB), FRAME_MAX_BLOB), Ok(1_048_609));
        assert_eq!(Opener::length([0xff; 4], FRAME_MAX_BLOB), Err(FrameError::Length(u32::MAX)));
    }

    #[test]
    fn a_whole_blob_passes_and_a_changed_bit_does_not() {
        let plain = vec![3u8; 1 + BLOB_LEN];
        let mut wire = Vec::new();
        Sealer::new(&[7; 32]).seal(&plain, &mut wire);
        assert_eq!(wire.len(), 4 + FRAME_MAX_BLOB);
        let mut changed = wire[4..].to_vec();
        assert_eq!(Opener::new(&[7; 32]).open(&mut wire[4..]).unwrap(), plain);
        changed[100] ^= 1;
        assert_eq!(Opener::new(&[7; 32]).open(&mut changed), Err(FrameError::Tag));
        assert_eq!(Opener::new(&[7; 32]).open(&mut [0; 16]), Err(FrameError::Length(16)));
    }

    proptest! {
        #[test]
        fn frames_open_in_their_order_only(
            frames in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..300), 2..6),
            key: [u8; 32],
        ) {
            let (mut sealer, mut opener) = (Sealer::new(&key), Opener::new(&key));
            let mut wire = Vec::new();
            for plain in &frames {
                sealer.seal(plain, &mut wire);
            }
            let second = 4 + frames[0].len() + TAG_LEN;
            let mut early = wire[second + 4..second + 4 + frames[1].len() + TAG_LEN].to_vec();
            prop_assert_eq!(Opener::new(&key).open(&mut early), Err(FrameError::Tag));
            let mut rest = &mut wire[..];
            for plain in &frames {
                let (header, tail) = rest.split_at_mut(4);
                let n = Opener::length(header.try_into().unwrap(), FRAME_MAX).unwrap();
                let (sealed, tail) = tail.split_at_mut(n);
                prop_assert_eq!(opener.open(sealed).unwrap(), &plain[..]);
                rest = tail;
            }
            prop_assert!(rest.is_empty());
        }

        #[test]
        fn arbitrary_bytes_never_open(mut sealed in prop::collection::vec(any::<u8>(), 0..200), key: [u8; 32]) {
            prop_assert!(Opener::new(&key).open(&mut sealed).is_err());
        }
    }
}
