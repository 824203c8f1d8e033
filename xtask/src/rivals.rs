//! Programs that a user would pick instead of ours, for `cargo xtask bench --peers`: each from where its makers publish it.

use crate::chores::target;
use crate::setup;
use crate::shell::{cargo, root, step};
use anyhow::Result;
use std::path::PathBuf;

/// Programs of crates.io: name, version, how they are built.
const CRATES: [(&str, &str, &[&str]); 2] = [
    // Without its web page, which wants npm at build time.
    ("rqbit", "9.1.0", &["--no-default-features", "--features", "rust-tls"]),
    ("sendme", "0.37.1", &[]),
];

/// Where the rivals are.
pub(crate) struct Rivals {
    /// The folder above `bin`.
    pub(crate) root: PathBuf,
    /// A Python that has libtorrent.
    pub(crate) python: PathBuf,
}

/// Sees to it that all rivals are there. The two from crates.io are built in the target folder; that takes a quarter of
/// an hour the first time.
pub(crate) fn install() -> Result<Rivals> {
    setup::debian(&[("aria2c", "aria2"), ("pkg-config", "pkg-config")])?;
    setup::foreign_dht()?;
    let place = target()?.join("peers");
    for (name, version, how) in CRATES {
        let stamp = place.join(format!("{name}.version"));
        if place.join("bin").join(name).is_file() && std::fs::read_to_string(&stamp).ok().as_deref() == Some(version) {
            continue;
        }
        let mut install = cargo();
        // What cargo installs is built by its makers' flags, not by those of our folder.
        install.args(["install", "--locked", "--force", "--version", version, "--root"]).arg(&place);
        install.arg("--target-dir").arg(place.join("build")).args(how).arg(name);
        step(&format!("Building {name} {version}, which is compared"), &mut install)?;
        std::fs::write(stamp, version)?;
    }
    Ok(Rivals { root: place, python: root()?.join(".xtask/foreign/venv/bin/python") })
}
