//! What Tor mode costs, measured with real nodes on a private Tor network on this machine. `cargo xtask bench --tor`
//! builds everything at full optimisation and runs this.
//!
//! Circuits differ widely and a machine's mood changes, so everything that can be is measured in pairs that alternate,
//! and the median of the pairs' ratios counts.

#[cfg(unix)]
mod measure;
#[cfg(unix)]
mod person;

use std::process::ExitCode;

#[cfg(unix)]
fn main() -> ExitCode {
    measure::main()
}

#[cfg(not(unix))]
fn main() -> ExitCode {
    ExitCode::FAILURE
}
