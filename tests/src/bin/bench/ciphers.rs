//! Ciphers and hashes on one core, against OpenSSL's on the same core: what the choice of a library costs.

use super::report::{self, Figure, Goal};
use super::usage;
use anyhow::{Context, Result, ensure};
use protocol::params::{BLOB_LEN, CHUNK_LEN};
use protocol::{BlobId, BlobKey, blob};
use std::hint::black_box;
use std::process::Command;
use std::time::{Duration, Instant};

/// Each is measured for this long.
const SPAN: Duration = Duration::from_secs(1);

/// Bytes for each second of the processor's time, of work on so many bytes again and again.
fn rate(bytes: usize, mut work: impl FnMut()) -> Result<f64> {
    work();
    let (begun, before, mut times) = (Instant::now(), usage::own_cpu()?, 0_u32);
    while begun.elapsed() < SPAN {
        work();
        times += 1;
    }
    Ok(f64::from(times) * bytes as f64 / (usage::own_cpu()? - before))
}

/// The same of one of OpenSSL's algorithms on buffers of a mebibyte; it counts the processor's time, too.
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

/// Sealing and opening, and hashing, in turns with OpenSSL's.
pub(crate) fn measure(rounds: usize) -> Result<Vec<Figure>> {
    let key = BlobKey { key: [1; 32], nonce: [2; 12] };
    let mut buffer = vec![7; CHUNK_LEN];
    buffer.reserve_exact(BLOB_LEN - CHUNK_LEN);
    let mut buffer = Some(buffer);
    let (mut both, mut hashes) = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        let hash = rate(BLOB_LEN, || {
            black_box(BlobId::of(buffer.as_deref().unwrap_or_default()));
        })?;
        // Sealed, hashed, opened: the hash is known, and taken off.
        let round = rate(CHUNK_LEN, || {
            let sealed = blob::seal(buffer.take().unwrap_or_default(), &key);
            buffer = blob::open(sealed, &key).ok();
        })?;
        let cipher = 2.0 / (1.0 / round - 1.0 / hash);
        let theirs = (openssl("chacha20-poly1305")?, openssl("sha256")?);
        report::complain(&format!(
            "   ChaCha20-Poly1305 {:.2} GB/s, OpenSSL {:.2}; SHA-256 {:.2} GB/s, OpenSSL {:.2}",
            cipher / 1e9,
            theirs.0 / 1e9,
            hash / 1e9,
            theirs.1 / 1e9
        ));
        both.push(cipher / theirs.0);
        hashes.push(hash / theirs.1);
    }
    let figure = |name: &str, what: &str, ratios: &[f64]| {
        Figure::number(name, what, report::median(ratios), "of OpenSSL's", Goal::AtLeast(0.9))
    };
    Ok(vec![
        figure("cipher", "ChaCha20-Poly1305 of 1 MiB on one core", &both),
        figure("hash", "SHA-256 of 1 MiB on one core", &hashes),
    ])
}
