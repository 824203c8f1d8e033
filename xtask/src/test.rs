//! `cargo xtask test`: everything that must hold before a change goes in.

use crate::setup;
use crate::shell::{cargo, root, say, step};
use anyhow::{Result, bail};

/// Formatting, lints, then every test of the workspace.
pub(crate) fn run(args: &[String]) -> Result<()> {
    if let Some(unknown) = args.first() {
        bail!("`cargo xtask test` takes no arguments, got {unknown:?}");
    }
    let root = root()?;
    setup::compiler()?;
    setup::rust_components()?;
    setup::foreign_dht()?;
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
    step("The programs that whole-system tests start", cargo().args(["build", "--workspace", "--bins"]))?;
    step("Tests", cargo().args(["test", "--workspace"]))?;
    say("── Everything holds.");
    Ok(())
}
