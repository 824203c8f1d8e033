//! SHA-256 of several blobs at once on one core.
//!
//! One stream is bound by the latency of its rounds: each waits for the one before. Blobs are independent and all of one
//! length, so several streams, a block of each in turn, fill the gaps. The compression function is sha2's own; what is
//! here is the order of the blocks and the padding that FIPS 180-4 puts behind the last.

use sha2::block_api::compress256;

/// Bytes that the compression function takes at a time.
const BLOCK: usize = 64;
/// The first 32 bits of the fractional parts of the square roots of the first eight primes.
const START: [u32; 8] =
    [0x6a09_e667, 0xbb67_ae85, 0x3c6e_f372, 0xa54f_f53a, 0x510e_527f, 0x9b05_688c, 0x1f83_d9ab, 0x5be0_cd19];

/// The hashes of streams of one length.
///
/// # Panics
/// If their lengths differ.
pub fn sha256_each<const N: usize>(streams: [&[u8]; N]) -> [[u8; 32]; N] {
    let len = streams.first().map_or(0, |stream| stream.len());
    assert!(streams.iter().all(|stream| stream.len() == len), "streams of one length");
    let parts = streams.map(<[u8]>::as_chunks::<BLOCK>);
    let mut states = [START; N];
    for at in 0..len / BLOCK {
        for (state, (blocks, _)) in states.iter_mut().zip(&parts) {
            compress256(state, std::slice::from_ref(&blocks[at]));
        }
    }
    for (state, (_, rest)) in states.iter_mut().zip(&parts) {
        let mut last = [[0; BLOCK]; 2];
        let bytes = last.as_flattened_mut();
        bytes[..rest.len()].copy_from_slice(rest);
        bytes[rest.len()] = 0x80;
        // The length in bits stands at the end of the block that has room for it.
        let blocks = if rest.len() + 1 + 8 <= BLOCK { 1 } else { 2 };
        bytes[blocks * BLOCK - 8..blocks * BLOCK].copy_from_slice(&(len as u64 * 8).to_be_bytes());
        compress256(state, &last[..blocks]);
    }
    states.map(|state| {
        let mut hash = [0; 32];
        for (to, word) in hash.as_chunks_mut::<4>().0.iter_mut().zip(state) {
            *to = word.to_be_bytes();
        }
        hash
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use sha2::{Digest, Sha256};

    #[test]
    fn it_is_sha_256_at_every_length() {
        let bytes: Vec<u8> = (0..1000_u32).map(|n| (n * 31 + n / 7) as u8).collect();
        for len in (0..200).chain([255, 256, 511, 512, 999]) {
            let streams = [&bytes[..len], &bytes[1..=len], &bytes[1000 - len..]];
            let expected = streams.map(|stream| <[u8; 32]>::from(Sha256::digest(stream)));
            assert_eq!(sha256_each(streams), expected, "{len}");
            assert_eq!(sha256_each([streams[0]]), [expected[0]], "{len}");
        }
        let blob = vec![7; crate::params::BLOB_LEN];
        assert_eq!(sha256_each([&blob[..]])[0], <[u8; 32]>::from(Sha256::digest(&blob)));
    }

    #[test]
    #[should_panic(expected = "streams of one length")]
    fn streams_of_several_lengths_are_a_mistake_of_the_caller() {
        sha256_each([&[1][..], &[]]);
    }
}
