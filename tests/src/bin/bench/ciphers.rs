//! Ciphers and hashes on one core, against OpenSSL's on the same core: what the choice of a library costs.

use super::report::{self, Figure, Goal};
use anyhow::{Context, Result, ensure};
use protocol::params::{BLOB_LEN, CHUNK_LEN};
use protocol::{BlobKey, blob, sha};
use std::hint::black_box;
use std::process::Command;
use std::time::{Duration, Instant};

/// Each is measured for this long.
const SPAN: Duration = Duration::from_secs(1);

/// Bytes a second of work on so many bytes, again and again.
fn rate(bytes: usize, mut work: impl FnMut()) -> f64 {
    work();
    let (begun, mut times) = (Instant::now(), 0_u32);
    while begun.elapsed() < SPAN {
        work();
        times += 1;
    }
    f64::from(times) * bytes as f64 / begun.elapsed().as_secs_f64()
}

/// What OpenSSL reaches with one of its algorithms on buffers of a mebibyte.
fn openssl(algorithm: &str) -> Result<f64> {
    let out = Command::new("openssl")
        .args(["speed", "-evp", algorithm, "-bytes", "1048576", "-seconds", "1", "-mr"])
        .output()
        .context("openssl does not start")?;
    ensure!(out.status.success(), "openssl speed: {}", String::from_utf8_lossy(&out.stderr));
    // `+F:number:name:bytes a second`
    let text = String::from_utf8_lossy(&out.stdout).into_owned();
    let line = text.lines().rev().find(|line| line.starts_with("+F:")).context("no rate")?;
    Ok(line.rsplit(':').next().context("no rate")?.parse()?)
}

/// Sealing and hashing in turns with OpenSSL's.
pub(crate) fn measure(rounds: usize) -> Result<Vec<Figure>> {
    let key = BlobKey { key: [1; 32], nonce: [2; 12] };
    let mut plain = vec![7; CHUNK_LEN];
    plain.reserve_exact(BLOB_LEN - CHUNK_LEN);
    let blobs: Vec<Vec<u8>> = (0..4).map(|n| vec![n; BLOB_LEN]).collect();
    let (mut seals, mut hashes, mut pairs, mut fours) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for _ in 0..rounds {
        let mut buffer = Some(plain.clone());
        let ours = rate(CHUNK_LEN, || {
            let taken = buffer.take().unwrap_or_default();
            let mut sealed = blob::encrypt(taken, &key);
            sealed.truncate(CHUNK_LEN);
            buffer = Some(sealed);
        });
        seals.push(ours / openssl("chacha20-poly1305")?);
        let theirs = openssl("sha256")?;
        let [one, two, three, four] = [0, 1, 2, 3].map(|n| blobs[n].as_slice());
        hashes.push(
            rate(BLOB_LEN, || {
                black_box(sha::sha256_each([one]));
            }) / theirs,
        );
        pairs.push(
            rate(2 * BLOB_LEN, || {
                black_box(sha::sha256_each([one, two]));
            }) / theirs,
        );
        fours.push(
            rate(4 * BLOB_LEN, || {
                black_box(sha::sha256_each([one, two, three, four]));
            }) / theirs,
        );
        report::complain(&format!("   seal {:.2} GB/s; SHA-256 of OpenSSL {:.2} GB/s", ours / 1e9, theirs / 1e9));
    }
    let figure = |name: &str, what: &str, ratios: &[f64], goal| {
        Figure::number(name, what, report::median(ratios), "of OpenSSL's", Goal::AtLeast(goal))
    };
    Ok(vec![
        figure("cipher", "ChaCha20-Poly1305, 1 MiB, one core", &seals, 0.9),
        figure("hash", "SHA-256, one blob at a time", &hashes, 0.9),
        figure("hash of two", "two blobs at once on one core", &pairs, 1.2),
        figure("hash of four", "four blobs at once on one core", &fours, 1.2),
    ])
}
