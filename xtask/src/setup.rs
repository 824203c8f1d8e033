//! What must be installed first: Debian packages, and the foreign DHT implementations that the tests speak to.

use crate::shell::{cargo, complain, on_path, root, say, step};
use anyhow::{Context, Result, bail};
use std::path::{Path, PathBuf};
use std::process::Command;

/// A program and the Debian package that brings it.
type Need = (&'static str, &'static str);

/// Sees to it that programs are there.
pub(crate) fn debian(needs: &[Need]) -> Result<()> {
    install(needs.iter().filter(|(program, _)| !on_path(program)).map(|(_, p)| *p).collect())
}

/// Sees to it that packages without a program of their own are there. Only Debian and its like can be asked; elsewhere
/// the build says what it lacks.
pub(crate) fn packages(packages: &[&'static str]) -> Result<()> {
    if !on_path("dpkg-query") {
        return Ok(());
    }
    install(packages.iter().copied().filter(|package| !is_installed(package)).collect())
}

fn is_installed(package: &str) -> bool {
    let query = Command::new("dpkg-query").args(["--show", "--showformat=${db:Status-Status}", package]).output();
    query.is_ok_and(|out| out.stdout.trim_ascii() == b"installed")
}

/// Installs what is missing by apt-get as root; otherwise says the one line that does it.
fn install(mut missing: Vec<&str>) -> Result<()> {
    missing.sort_unstable();
    missing.dedup();
    if missing.is_empty() {
        return Ok(());
    }
    let list = missing.join(" ");
    if !is_root() || !on_path("apt-get") {
        bail!("these packages are missing: {list}\nThis installs them: sudo apt-get install -y {list}");
    }
    let apt = || {
        let mut command = Command::new("apt-get");
        command.env("DEBIAN_FRONTEND", "noninteractive").arg("-q");
        command
    };
    let fetch = |words: &str| {
        step(words, apt().args(["install", "-y", "--no-install-recommends"]).args(missing.iter().copied()))
    };
    if fetch(&format!("Installing the missing packages: {list}")).is_err() {
        step("Refreshing the list of packages", apt().arg("update"))?;
        fetch("Trying again")?;
    }
    Ok(())
}

pub(crate) fn is_root() -> bool {
    let id = Command::new("id").arg("-u").output();
    id.is_ok_and(|out| out.stdout.trim_ascii() == b"0")
}

/// A C compiler and its linker: the database and the hashes are built from source.
pub(crate) fn compiler() -> Result<()> {
    debian(&[("cc", "build-essential")])
}

/// Tor, of which the tests run a private network. It lies in a folder that is not in everybody's PATH.
pub(crate) fn tor() -> Result<()> {
    if ["/usr/sbin/tor", "/usr/bin/tor"].iter().any(|file| Path::new(file).is_file()) && on_path("tor-gencert") {
        return Ok(());
    }
    debian(&[("tor", "tor"), ("tor-gencert", "tor")])
}

/// Sets up the foreign DHT implementations of `tests/foreign/dht` in `.xtask/foreign`, once per change of their lists.
/// Nothing to do when that folder holds no list.
pub(crate) fn foreign_dht() -> Result<()> {
    let root = root()?;
    let lists = root.join("tests/foreign/dht");
    let home = root.join(".xtask/foreign");
    let package = lists.join("package.json");
    if package.is_file() {
        debian(&[("node", "nodejs"), ("npm", "npm")])?;
        let lock = lists.join("package-lock.json");
        if stale(&home.join("npm.stamp"), &[&package, &lock])? {
            std::fs::create_dir_all(&home)?;
            std::fs::copy(&package, home.join("package.json"))?;
            let mut npm = Command::new("npm");
            npm.current_dir(&home);
            if lock.is_file() {
                std::fs::copy(&lock, home.join("package-lock.json"))?;
                npm.arg("ci");
            } else {
                npm.arg("install");
            }
            npm.args(["--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error"]);
            step("Fetching the JavaScript DHT that the tests speak to", &mut npm)?;
            stamp(&home.join("npm.stamp"), &[&package, &lock])?;
        }
    }
    let requirements = lists.join("requirements.txt");
    if requirements.is_file() {
        debian(&[("python3", "python3")])?;
        if stale(&home.join("pip.stamp"), &[&requirements])? {
            std::fs::create_dir_all(&home)?;
            let venv = home.join("venv");
            python_venv(&venv)?;
            step(
                "Fetching the C++ DHT (libtorrent) that the tests speak to",
                Command::new(venv.join("bin/pip"))
                    .args(["install", "--quiet", "--disable-pip-version-check", "-r"])
                    .arg(&requirements),
            )?;
            stamp(&home.join("pip.stamp"), &[&requirements])?;
        }
    }
    Ok(())
}

/// Debian ships `venv` without the part that makes one, in a package of its own.
fn python_venv(venv: &Path) -> Result<()> {
    let make = |words| step(words, Command::new("python3").args(["-m", "venv", "--clear"]).arg(venv));
    if make("Making a Python environment").is_ok() {
        return Ok(());
    }
    if !is_root() {
        bail!(
            "Python cannot make an environment here.\nThis installs what it lacks: sudo apt-get install -y python3-venv"
        );
    }
    complain("Debian keeps that part in python3-venv");
    step(
        "Installing python3-venv",
        Command::new("apt-get").env("DEBIAN_FRONTEND", "noninteractive").args(["-q", "install", "-y", "python3-venv"]),
    )?;
    make("Making a Python environment")
}

/// Whether the lists differ from what the stamp recorded.
pub(crate) fn stale(stamp: &Path, lists: &[&PathBuf]) -> Result<bool> {
    Ok(std::fs::read(stamp).ok() != Some(contents(lists)?))
}

pub(crate) fn stamp(stamp: &Path, lists: &[&PathBuf]) -> Result<()> {
    std::fs::write(stamp, contents(lists)?).with_context(|| format!("{} cannot be written", stamp.display()))
}

fn contents(lists: &[&PathBuf]) -> Result<Vec<u8>> {
    let mut all = Vec::new();
    for list in lists.iter().filter(|list| list.is_file()) {
        all.extend(std::fs::read(list).with_context(|| format!("{} cannot be read", list.display()))?);
    }
    Ok(all)
}

/// The tools that the checks need and that a slim Rust installation lacks.
pub(crate) fn rust_components() -> Result<()> {
    let missing: Vec<&str> = [("cargo-fmt", "rustfmt"), ("cargo-clippy", "clippy")]
        .into_iter()
        .filter(|(program, _)| !on_path(program))
        .map(|(_, component)| component)
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    if !on_path("rustup") {
        bail!("{} are missing and there is no rustup to fetch them", missing.join(" and "));
    }
    say("The Rust installation lacks parts that the checks need");
    step("Fetching them", Command::new("rustup").args(["component", "add"]).args(missing))
}

/// Where ready-made tools are listed, with what their bytes hash to.
const TOOLS: &str = "xtask/tools.txt";

/// A program of cargo's family: the one on the PATH; else the ready-made one that `xtask/tools.txt` names, in
/// `.xtask/tools`; else, on a system for which there is none, one that is built here, in `.xtask/cargo`. `version` is
/// what such a building takes; whatever is on the PATH was chosen by who put it there.
pub(crate) fn cargo_tool(program: &str, version: &str) -> Result<PathBuf> {
    if on_path(program) {
        return Ok(program.into());
    }
    match ready_made(program) {
        Ok(tool) => return Ok(tool),
        Err(why) => complain(&format!("{program} is not to be had ready-made: {why:#}")),
    }
    let home = root()?.join(".xtask/cargo");
    let built = home.join("bin").join(program).with_extension(std::env::consts::EXE_EXTENSION);
    if !built.is_file() {
        let mut install = cargo();
        install.args(["install", "--quiet", "--locked", "--version", version, program, "--root"]).arg(&home);
        step(&format!("Building {program}, once: a quarter of an hour"), &mut install)?;
    }
    Ok(built)
}

/// The tool of the list, fetched once per change of the list.
fn ready_made(program: &str) -> Result<PathBuf> {
    let (list, home) = (root()?.join(TOOLS), root()?.join(".xtask/tools"));
    let tool = home.join("bin").join(program).with_extension(std::env::consts::EXE_EXTENSION);
    let made = home.join("tools.stamp");
    if stale(&made, &[&list])? || !tool.is_file() {
        debian(&[("python3", "python3")])?;
        python_venv(&home)?;
        let mut pip = Command::new(home.join("bin/pip"));
        pip.args([
            "install",
            "--quiet",
            "--disable-pip-version-check",
            "--require-hashes",
            "--only-binary=:all:",
            "-r",
        ]);
        step("Fetching the tools of the checks", pip.arg(&list))?;
        stamp(&made, &[&list])?;
    }
    if !tool.is_file() {
        bail!("{} is not in {TOOLS}", program);
    }
    Ok(tool)
}
