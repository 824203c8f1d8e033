//! Every decoder on the fuzzer's seeds and on seeds with something wrong in them: what CI has without the fuzzer.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on says so by panicking")]
#![allow(clippy::print_stderr, reason = "it names the bytes that a decoder minded")]

#[path = "../../fuzz/src/lib.rs"]
#[allow(unreachable_pub, reason = "public for the fuzz targets")]
mod decoders;

use rand_chacha::ChaCha8Rng;
use rand_core::{Rng, SeedableRng};
use std::path::Path;

/// Mutations of each seed.
const ROUNDS: u64 = 500;

/// Names what was fed when a decoder panics: the same seed and number make the same bytes again.
struct Feeding<'a> {
    decoder: &'a str,
    seed: &'a str,
    number: u64,
}

impl Drop for Feeding<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("decoder {}, seed {:?}, mutation {}", self.decoder, self.seed, self.number);
        }
    }
}

/// Text that means something to one decoder or another.
const WORDS: &[&[u8]] = &[
    b"\"",
    b"\\",
    b"\\ud800",
    b"{",
    b"}",
    b"[",
    b"]",
    b",",
    b":",
    b"null",
    b"-1",
    b"1e999",
    b"9007199254740992",
    b"0.5",
    b"../",
    b"/",
    b"%",
    b"?bootstrap=",
    b"\xff",
    b"\0",
    b"\xe2\x80\xae",
    b".onion",
    b"\xff\xff\xff\xff",
];

fn mutate(seed: &[u8], others: &[(String, Vec<u8>)], random: &mut ChaCha8Rng) -> Vec<u8> {
    let mut bytes = seed.to_vec();
    for _ in 0..=random.next_u32() % 4 {
        let below = |random: &mut ChaCha8Rng, end: usize| random.next_u32() as usize % end.max(1);
        let at = below(random, bytes.len() + 1).min(bytes.len());
        match random.next_u32() % 7 {
            0 => bytes.truncate(at),
            1 => bytes.insert(at, random.next_u32() as u8),
            2 if at < bytes.len() => bytes[at] ^= 1 << (random.next_u32() % 8),
            3 if at < bytes.len() => bytes[at] = random.next_u32() as u8,
            4 => {
                let word = WORDS[below(random, WORDS.len())];
                bytes.splice(at..at, word.iter().copied());
            }
            5 => {
                let to = at + below(random, bytes.len() - at + 1);
                let twice = bytes[at..to].to_vec();
                bytes.splice(at..at, twice);
            }
            _ => {
                let other = &others[below(random, others.len())].1;
                let tail = below(random, other.len() + 1).min(other.len());
                bytes.truncate(at);
                bytes.extend_from_slice(&other[tail..]);
            }
        }
    }
    bytes
}

#[test]
fn no_decoder_minds_what_it_is_fed() {
    let corpus = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../fuzz/corpus"));
    for (decoder, decode) in decoders::DECODERS {
        let folder = corpus.join(decoder);
        let mut seeds: Vec<(String, Vec<u8>)> = std::fs::read_dir(&folder)
            .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
            .map(|entry| entry.unwrap().path())
            .map(|path| (path.file_name().unwrap().to_string_lossy().into_owned(), std::fs::read(&path).unwrap()))
            .collect();
        seeds.sort();
        assert!(seeds.len() >= 2, "{decoder} has seeds");
        for (name, seed) in &seeds {
            let mut feeding = Feeding { decoder, seed: name, number: 0 };
            decode(seed);
            // One stream of chance per seed file, so that a new file changes no other's mutations.
            let mut random = ChaCha8Rng::seed_from_u64(name.bytes().fold(7, |sum, byte| sum * 31 + u64::from(byte)));
            for number in 1..=ROUNDS {
                feeding.number = number;
                decode(&mutate(seed, &seeds, &mut random));
            }
        }
    }
}

#[test]
fn every_decoder_has_its_fuzz_target() {
    let fuzz = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../fuzz"));
    let manifest = std::fs::read_to_string(fuzz.join("Cargo.toml")).unwrap();
    for (decoder, _) in decoders::DECODERS {
        let target = std::fs::read_to_string(fuzz.join(format!("fuzz_targets/{decoder}.rs"))).unwrap();
        assert!(target.contains(&format!("fuzz::{decoder}(bytes)")), "{decoder}");
        assert!(manifest.contains(&format!("name = \"{decoder}\"")), "{decoder}");
    }
}
