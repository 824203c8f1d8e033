//! Folders to publish, made from a seed, and a comparison byte by byte.

use anyhow::{Context, Result, bail};
use rand_chacha::ChaCha8Rng;
use rand_core::{Rng, SeedableRng};
use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

/// Bytes that are written and compared at a time.
const STEP: usize = 1 << 20;

/// Writes a file of `len` bytes that depend on `seed` alone; folders above it are made.
///
/// # Errors
/// The file cannot be written.
pub fn write(path: &Path, len: u64, seed: u64) -> Result<()> {
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent).with_context(|| format!("{} cannot be made", parent.display()))?;
    }
    let mut file = File::create(path).with_context(|| format!("{} cannot be written", path.display()))?;
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let mut buf = vec![0; STEP];
    let mut left = len;
    while left > 0 {
        let step = usize::try_from(left).unwrap_or(STEP).min(STEP);
        random.fill_bytes(&mut buf[..step]);
        file.write_all(&buf[..step]).with_context(|| format!("{} cannot be written", path.display()))?;
        left -= step as u64;
    }
    Ok(())
}

/// Many files of `len` bytes in nested folders of ten each.
///
/// # Errors
/// A file cannot be written.
pub fn write_many(root: &Path, count: u64, len: u64, seed: u64) -> Result<()> {
    for n in 0..count {
        let path = format!("{}/{}/{n:04}.bin", n / 100, n / 10 % 10);
        write(&root.join(path), len, seed.wrapping_add(n))?;
    }
    Ok(())
}

/// Every file under a folder, by its path inside it.
///
/// # Errors
/// A folder cannot be read.
pub fn files(root: &Path) -> Result<BTreeSet<PathBuf>> {
    let mut found = BTreeSet::new();
    let mut folders = vec![root.to_path_buf()];
    while let Some(folder) = folders.pop() {
        let entries = fs::read_dir(&folder).with_context(|| format!("{} cannot be read", folder.display()))?;
        for entry in entries {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                folders.push(entry.path());
            } else {
                found.insert(entry.path().strip_prefix(root)?.to_path_buf());
            }
        }
    }
    Ok(found)
}

/// Checks that two folders hold the same files with the same bytes; gives back how many files and bytes that were.
///
/// # Errors
/// The first difference, in words.
pub fn compare(left: &Path, right: &Path) -> Result<(u64, u64)> {
    let (names, others) = (files(left)?, files(right)?);
    if let Some(only) = names.difference(&others).next() {
        bail!("{} is missing in {}", only.display(), right.display());
    }
    if let Some(only) = others.difference(&names).next() {
        bail!("{} is too much in {}", only.display(), right.display());
    }
    let mut bytes = 0;
    for name in &names {
        bytes += compare_files(&left.join(name), &right.join(name))?;
    }
    Ok((names.len() as u64, bytes))
}

/// Checks that two files hold the same bytes; gives back how many.
///
/// # Errors
/// Where they differ.
pub fn compare_files(left: &Path, right: &Path) -> Result<u64> {
    let open = |path: &Path| File::open(path).with_context(|| format!("{} cannot be read", path.display()));
    let (mut a, mut b) = (open(left)?, open(right)?);
    let (mut x, mut y) = (vec![0; STEP], vec![0; STEP]);
    let mut at = 0;
    loop {
        let (n, m) = (fill(&mut a, &mut x)?, fill(&mut b, &mut y)?);
        if x[..n] != y[..m] {
            bail!("{} and {} differ after byte {at}", left.display(), right.display());
        }
        at += n as u64;
        if n == 0 {
            return Ok(at);
        }
    }
}

fn fill(file: &mut File, buf: &mut [u8]) -> Result<usize> {
    let mut at = 0;
    while at < buf.len() {
        let n = file.read(&mut buf[at..])?;
        if n == 0 {
            break;
        }
        at += n;
    }
    Ok(at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_makes_the_same_folder() {
        let (a, b) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        write_many(a.path(), 23, 1000, 7).unwrap();
        write_many(b.path(), 23, 1000, 7).unwrap();
        write(&a.path().join("empty"), 0, 1).unwrap();
        write(&b.path().join("empty"), 0, 2).unwrap();
        assert_eq!(compare(a.path(), b.path()).unwrap(), (24, 23_000));
    }

    #[test]
    fn every_kind_of_difference_is_found() {
        let (a, b) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        write(&a.path().join("x/1"), 3 << 20, 1).unwrap();
        assert!(compare(a.path(), b.path()).unwrap_err().to_string().contains("missing"));
        assert!(compare(b.path(), a.path()).unwrap_err().to_string().contains("too much"));
        write(&b.path().join("x/1"), (3 << 20) - 1, 1).unwrap();
        assert!(compare(a.path(), b.path()).unwrap_err().to_string().contains("differ after byte 2097152"));
        write(&b.path().join("x/1"), 3 << 20, 2).unwrap();
        assert!(compare(a.path(), b.path()).unwrap_err().to_string().contains("differ after byte 0"));
    }
}
