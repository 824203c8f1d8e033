//! Running other programs and speaking to the person at the terminal.

use anyhow::{Context, Result, bail};
use std::io::Write;
use std::path::PathBuf;
use std::process::Command;

/// The project's root folder.
pub(crate) fn root() -> Result<PathBuf> {
    let here = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    Ok(here.parent().context("xtask lies directly in the project's folder")?.to_path_buf())
}

/// The cargo that runs us.
pub(crate) fn cargo() -> Command {
    Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
}

/// One line to standard output. A closed pipe is nobody's fault here.
pub(crate) fn say(text: &str) {
    let _ = writeln!(std::io::stdout(), "{text}");
}

/// One line to standard error.
pub(crate) fn complain(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}

/// Says what comes, then runs it with this terminal; fails when it fails.
pub(crate) fn step(words: &str, command: &mut Command) -> Result<()> {
    say(&format!("── {words}"));
    let status = command.status().with_context(|| format!("{} does not start", name(command)))?;
    if !status.success() {
        bail!("{words}: {} ended with {status}", name(command));
    }
    Ok(())
}

fn name(command: &Command) -> String {
    let mut line = command.get_program().to_string_lossy().into_owned();
    for arg in command.get_args() {
        line.push(' ');
        line.push_str(&arg.to_string_lossy());
    }
    line
}

/// Whether a program is on the PATH.
pub(crate) fn on_path(program: &str) -> bool {
    let Some(path) = std::env::var_os("PATH") else { return false };
    std::env::split_paths(&path).any(|dir| dir.join(program).is_file())
}
