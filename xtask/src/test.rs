//! `cargo xtask test`: everything that must hold before a change goes in.

use crate::chores::target;
use crate::setup;
use crate::shell::{cargo, root, say, step};
use crate::window;
use anyhow::{Result, bail};
use std::process::Command;

/// What makes networks of a test's own, with a real router in one of them.
const NETWORKS: &[&str] = &["iproute2", "miniupnpd-nftables", "nftables", "util-linux"];

/// What runs the tests, where no other is installed.
const NEXTEST: &str = "0.9.143";
/// What reads `deny.toml`, where no other is installed.
const CARGO_DENY: &str = "0.20.2";
/// What holds or not whatever the day is. Advisories change by the day and come from the network:
/// `cargo deny check advisories` asks for them.
const DENY: &[&str] = &["bans", "licenses", "sources"];

/// The leak test in its long form: a namespace whose only way out is tor's ports, a capture, minutes.
pub(crate) fn leaks(args: &[String]) -> Result<()> {
    if let Some(unknown) = args.first() {
        bail!("`cargo xtask leaks` takes no arguments, got {unknown:?}");
    }
    setup::compiler()?;
    setup::tor()?;
    setup::packages(NETWORKS)?;
    let at = |words: &[&str]| -> Result<std::process::Command> {
        let mut command = cargo();
        command.current_dir(root()?).args(words);
        Ok(command)
    };
    let bins = ["build", "--bins", "-p", "megatorrent-cli", "-p", "megatorrent-tests"];
    step("The programs that the test starts", &mut at(&bins)?)?;
    let program = target()?.join("debug").join("megatorrent");
    let test = ["test", "-p", "megatorrent-tests", "--test", "leaks", "--", "--ignored", "--nocapture"];
    step("Three minutes in a house without a door", at(&test)?.env("MEGATORRENT_BIN", program))
}

/// Formatting, lints, then every test of the workspace.
pub(crate) fn run(args: &[String]) -> Result<()> {
    if let Some(unknown) = args.first() {
        bail!("`cargo xtask test` takes no arguments, got {unknown:?}");
    }
    let root = root()?;
    setup::compiler()?;
    setup::rust_components()?;
    setup::foreign_dht()?;
    setup::tor()?;
    setup::packages(NETWORKS)?;
    let nextest = setup::cargo_tool("cargo-nextest", NEXTEST)?;
    let deny = setup::cargo_tool("cargo-deny", CARGO_DENY)?;
    window::build()?;
    window::test_tools()?;
    let cargo = || {
        let mut command = cargo();
        command.current_dir(&root);
        command
    };
    step("Formatting", cargo().args(["fmt", "--all", "--check"]))?;
    step(
        "Lints, on every crate and test, warnings count",
        cargo().args(["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"]),
    )?;
    step(
        "Licences and sources of every crate that is built in",
        Command::new(deny).current_dir(&root).args(["--workspace", "check", "--hide-inclusion-graph"]).args(DENY),
    )?;
    window::check()?;
    step("The programs that whole-system tests start", cargo().args(["build", "--workspace", "--bins"]))?;
    // Said once, so that no test asks cargo again.
    let program = target()?.join("debug").join("megatorrent").with_extension(std::env::consts::EXE_EXTENSION);
    // Not cargo's own runner: which tests must not run beside others is told to this one (.config/nextest.toml).
    let mut nextest = Command::new(nextest);
    nextest
        .current_dir(&root)
        .args(["nextest", "run", "--workspace", "--no-fail-fast"])
        .env("MEGATORRENT_BIN", program);
    if std::env::var_os("CI").is_some() {
        nextest.args(["--profile", "ci"]);
    }
    step("Tests", &mut nextest)?;
    step("Examples in the documentation", cargo().args(["test", "--quiet", "--workspace", "--doc"]))?;
    say("── Everything holds.");
    Ok(())
}
