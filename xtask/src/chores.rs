//! `cargo xtask demo | bench | crash | sim | run | cli | types`: what is missing is installed, what is needed is built, then a
//! program of the house does the work.

use crate::rivals;
use crate::setup;
use crate::shell::{cargo, root, step};
use crate::window;
use anyhow::{Result, bail};
use std::path::PathBuf;
use std::process::Command;

/// The package of the window, and its program.
const DESKTOP: &str = "megatorrent-desktop";

/// How a program is built.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Build {
    Debug,
    Release,
}

/// Builds the program and one helper of the tests; gives back the folder they lie in.
fn build(words: &str, how: Build, helper: &str) -> Result<PathBuf> {
    setup::compiler()?;
    let mut command = cargo();
    command.current_dir(root()?).args(["build", "-p", "megatorrent-cli", "-p", "megatorrent-tests"]);
    command.args(["--bin", "megatorrent", "--bin", helper]);
    if how == Build::Release {
        command.arg("--release");
    }
    step(words, &mut command)?;
    let folder = if how == Build::Release { "release" } else { "debug" };
    Ok(target()?.join(folder))
}

/// Where cargo puts what it builds.
pub(crate) fn target() -> Result<PathBuf> {
    let out =
        cargo().current_dir(root()?).args(["metadata", "--format-version", "1", "--no-deps", "--offline"]).output()?;
    let metadata: serde_json::Value = serde_json::from_slice(&out.stdout)?;
    match metadata["target_directory"].as_str() {
        Some(folder) => Ok(folder.into()),
        None => bail!("cargo does not say where it builds"),
    }
}

/// A program beside `megatorrent`, told where that one is.
fn helper(folder: &std::path::Path, name: &str) -> Command {
    let mut command = Command::new(folder.join(name));
    command.env("MEGATORRENT_BIN", folder.join("megatorrent"));
    command
}

/// A DHT, three nodes, a channel: see `tests/src/bin/demo.rs`.
pub(crate) fn demo(args: &[String]) -> Result<()> {
    if args == ["--desktop"] {
        return demo_desktop();
    }
    if args == ["--tor"] {
        return demo_tor();
    }
    if let Some(unknown) = args.iter().find(|arg| *arg != "--keep") {
        bail!("`cargo xtask demo` knows --keep, --tor and --desktop, not {unknown:?}");
    }
    let folder = build("Building. The first time takes some minutes", Build::Debug, "demo")?;
    step("The demonstration", helper(&folder, "demo").args(args))
}

/// Three nodes on a private Tor network: see `tests/src/bin/demo_tor.rs`.
fn demo_tor() -> Result<()> {
    setup::tor()?;
    let folder = build("Building. The first time takes some minutes", Build::Debug, "demo_tor")?;
    step("The demonstration in the dark", &mut helper(&folder, "demo_tor"))
}

/// The window over such a network: see `tests/src/bin/demo_desktop.rs`.
fn demo_desktop() -> Result<()> {
    window::build()?;
    let folder = build("Building. The first time takes some minutes", Build::Debug, "demo_desktop")?;
    step("Building the window's program", cargo().current_dir(root()?).args(["build", "-p", DESKTOP]))?;
    let window = folder.join(DESKTOP);
    step("The demonstration", helper(&folder, "demo_desktop").env("MEGATORRENT_DESKTOP_BIN", window))
}

/// Speed as ratios to a ceiling and to other programs: see `tests/src/bin/bench/`.
pub(crate) fn bench(args: &[String]) -> Result<()> {
    if let Some(("--tor", args)) = args.split_first().map(|(first, rest)| (first.as_str(), rest)) {
        // What Tor mode costs: see `tests/src/bin/bench_tor/main.rs`.
        setup::tor()?;
        let folder = build("Building at full optimisation", Build::Release, "bench_tor")?;
        return step("Measuring", helper(&folder, "bench_tor").args(args));
    }
    let folder = build("Building at full optimisation", Build::Release, "bench")?;
    let mut bench = helper(&folder, "bench");
    if args.iter().any(|arg| arg == "--peers") {
        let rivals = rivals::install()?;
        bench.env("MEGATORRENT_RIVALS", rivals.root).env("MEGATORRENT_RIVALS_PYTHON", rivals.python);
    }
    step("Measuring", bench.args(args))
}

/// A device that is cut off again and again: see `tests/src/bin/crash.rs`.
pub(crate) fn crash(args: &[String]) -> Result<()> {
    let folder = build("Building", Build::Debug, "crash")?;
    step("The rounds", helper(&folder, "crash").args(args))
}

/// News in a simulated swarm of many nodes: see `tests/src/bin/sim.rs`.
pub(crate) fn sim(args: &[String]) -> Result<()> {
    setup::compiler()?;
    let mut command = cargo();
    command.current_dir(root()?).args(["build", "--release", "-p", "megatorrent-tests", "--bin", "sim"]);
    step("Building at full optimisation", &mut command)?;
    step("The simulation", Command::new(target()?.join("release").join("sim")).args(args))
}

/// The program itself, with its window; arguments go to it.
pub(crate) fn run(args: &[String]) -> Result<()> {
    setup::compiler()?;
    window::build()?;
    let mut command = cargo();
    step("Building. The first time takes some minutes", command.current_dir(root()?).args(["build", "-p", DESKTOP]))?;
    step("Megatorrent", Command::new(target()?.join("debug").join(DESKTOP)).args(args))
}

/// The command line; arguments go to it.
pub(crate) fn cli(args: &[String]) -> Result<()> {
    setup::compiler()?;
    let mut build = cargo();
    step("Building", build.current_dir(root()?).args(["build", "-p", "megatorrent-cli"]))?;
    let words: &[String] = if args.is_empty() { &["--help".to_owned()] } else { args };
    step("megatorrent", Command::new(target()?.join("debug").join("megatorrent")).args(words))
}

/// The pages of the window and of the web interface, `ui/dist`: the next build of the command line packs them in.
pub(crate) fn pages(args: &[String]) -> Result<()> {
    if let Some(unknown) = args.first() {
        bail!("`cargo xtask pages` takes no arguments, got {unknown:?}");
    }
    window::pages()
}

/// Writes `ui/src/host/gen/`: see `crates/node/src/api/typescript.rs` and `src-tauri/host/typescript.rs`.
pub(crate) fn types(args: &[String]) -> Result<()> {
    if let Some(unknown) = args.first() {
        bail!("`cargo xtask types` takes no arguments, got {unknown:?}");
    }
    setup::compiler()?;
    let write = |words: &str, package: &[&str]| {
        let mut write = cargo();
        write.current_dir(root()?).env("MEGATORRENT_WRITE_TYPES", "1").args(["test", "--quiet"]);
        step(words, write.args(package).arg("the_windows_types"))
    };
    write("Writing the types of the node", &["-p", "megatorrent-node", "--lib"])?;
    write("Writing the types of the shell", &["-p", DESKTOP, "--bins"])
}
