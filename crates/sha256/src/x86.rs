//! With the SHA extensions of x86-64. State and schedule stand as Intel's instructions want them: A, B, E, F in one
//! register, C, D, G, H in another, four words of the schedule in each of four.

use std::arch::x86_64::*;

/// FIPS 180-4, 4.2.2.
const K: [u32; 64] = [
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5, 0xd807aa98,
    0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174, 0xe49b69c1, 0xefbe4786,
    0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da, 0x983e5152, 0xa831c66d, 0xb00327c8,
    0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967, 0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13,
    0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85, 0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819,
    0xd6990624, 0xf40e3585, 0x106aa070, 0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a,
    0x5b9cca4f, 0x682e6ff3, 0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7,
    0xc67178f2,
];

/// FIPS 180-4, 5.3.3: A to H.
const FIRST: [u32; 8] =
    [0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19];

/// Two hashes under way: of each, `[ABEF, CDGH]`.
type States = [[__m128i; 2]; 2];

/// Both digests; `None` when the processor lacks the instructions, or the lengths differ.
pub(crate) fn pair(messages: [&[u8]; 2]) -> Option<[[u8; 32]; 2]> {
    let able =
        is_x86_feature_detected!("sha") && is_x86_feature_detected!("ssse3") && is_x86_feature_detected!("sse4.1");
    if !able || messages[0].len() != messages[1].len() {
        return None;
    }
    // The only thing that the compiler cannot see for itself is that the processor has these instructions. That was
    // asked two lines above; all else here is safe Rust on slices and values.
    #[allow(unsafe_code, reason = "the features were detected")]
    Some(unsafe { both(messages) })
}

#[target_feature(enable = "sha,ssse3,sse4.1")]
fn both(messages: [&[u8]; 2]) -> [[u8; 32]; 2] {
    let [a, b, c, d, e, f, g, h] = FIRST;
    let mut states = [[words([f, e, b, a]), words([h, g, d, c])]; 2];
    let [(one, one_rest), (two, two_rest)] = messages.map(<[u8]>::as_chunks::<64>);
    for (one, two) in one.iter().zip(two) {
        compress(&mut states, [one, two]);
    }
    // What is left, the bit that ends it, and the length in bits: one block, or two.
    let ends = [one_rest, two_rest].map(|rest| {
        let mut end = [0; 128];
        let len = if rest.len() < 56 { 64 } else { 128 };
        end[..rest.len()].copy_from_slice(rest);
        end[rest.len()] = 0x80;
        end[len - 8..len].copy_from_slice(&(messages[0].len() as u64 * 8).to_be_bytes());
        (end, len)
    });
    let [(one, len), (two, _)] = &ends;
    for (one, two) in one[..*len].as_chunks::<64>().0.iter().zip(two[..*len].as_chunks::<64>().0) {
        compress(&mut states, [one, two]);
    }
    states.map(|[abef, cdgh]| {
        let words = [
            _mm_extract_epi32::<3>(abef),
            _mm_extract_epi32::<2>(abef),
            _mm_extract_epi32::<3>(cdgh),
            _mm_extract_epi32::<2>(cdgh),
            _mm_extract_epi32::<1>(abef),
            _mm_extract_epi32::<0>(abef),
            _mm_extract_epi32::<1>(cdgh),
            _mm_extract_epi32::<0>(cdgh),
        ];
        let mut digest = [0; 32];
        digest.as_chunks_mut::<4>().0.iter_mut().zip(words).for_each(|(four, word)| *four = word.to_be_bytes());
        digest
    })
}

/// Four words, the first one lowest.
#[inline]
#[target_feature(enable = "sha,ssse3,sse4.1")]
fn words(words: [u32; 4]) -> __m128i {
    let [a, b, c, d] = words.map(u32::cast_signed);
    _mm_set_epi32(d, c, b, a)
}

/// Four big-endian words of a block.
#[inline]
#[target_feature(enable = "sha,ssse3,sse4.1")]
fn load(block: &[u8; 64], at: usize) -> __m128i {
    let halves = block.as_chunks::<8>().0;
    let raw = _mm_set_epi64x(i64::from_le_bytes(halves[2 * at + 1]), i64::from_le_bytes(halves[2 * at]));
    _mm_shuffle_epi8(raw, _mm_set_epi64x(0x0c0d_0e0f_0809_0a0b, 0x0405_0607_0001_0203))
}

/// FIPS 180-4, 6.2.2, of one block of each.
#[inline]
#[target_feature(enable = "sha,ssse3,sse4.1")]
fn compress(states: &mut States, blocks: [&[u8; 64]; 2]) {
    let mut now = *states;
    let mut schedule = [[_mm_setzero_si128(); 4]; 2];
    // A macro, not a loop: with the numbers known, all of it stays in registers.
    macro_rules! rounds {
        ($($four:literal)*) => { $(
            for n in 0..2 {
                const AT: usize = $four % 4;
                let schedule = &mut schedule[n];
                schedule[AT] = if $four < 4 {
                    load(blocks[n], AT)
                } else {
                    let [a, b, c, d] = [0, 1, 2, 3].map(|i| schedule[($four + i) % 4]);
                    _mm_sha256msg2_epu32(_mm_add_epi32(_mm_sha256msg1_epu32(a, b), _mm_alignr_epi8::<4>(d, c)), d)
                };
                const ADDED: [u32; 4] = [K[4 * $four], K[4 * $four + 1], K[4 * $four + 2], K[4 * $four + 3]];
                let added = _mm_add_epi32(schedule[AT], words(ADDED));
                let [abef, cdgh] = &mut now[n];
                *cdgh = _mm_sha256rnds2_epu32(*cdgh, *abef, added);
                *abef = _mm_sha256rnds2_epu32(*abef, *cdgh, _mm_shuffle_epi32::<0x0e>(added));
            }
        )* };
    }
    rounds!(0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15);
    for (state, now) in states.iter_mut().flatten().zip(now.iter().flatten()) {
        *state = _mm_add_epi32(*state, *now);
    }
}
