//! Set-up and chores: `cargo xtask test | fresh | demo | bench | crash | leaks | sim | run | bundle | cli | types`. Works on a fresh machine.

mod bundle;
mod chores;
mod fresh;
mod rivals;
mod setup;
mod shell;
mod test;
mod window;

use anyhow::{Result, bail};
use std::process::ExitCode;

const USAGE: &str = "\
cargo xtask demo [--keep]  a network of three nodes on this machine; --keep leaves it up
cargo xtask demo --tor     three nodes on a private Tor network on this machine; installs tor
cargo xtask demo --desktop the window over such a network, with sample channels
cargo xtask test           formatting, lints and every test
cargo xtask fresh          the README's commands in a clean Debian 12, as a newcomer types them; --quick: the demo alone
cargo xtask bench          speed, as ratios to what this machine could do at best; --help says more
cargo xtask bench --peers  the same file through rqbit, sendme, libtorrent and aria2, which it installs
cargo xtask bench --tor    what Tor mode costs, on a private Tor network on this machine; installs tor
cargo xtask leaks          a node in a network without a way past Tor or a proxy, watched for minutes
cargo xtask crash [ARG…]   a device that is cut off again and again, and what became of it: --rounds N --seed S
cargo xtask sim [ARG…]     how fast news travels through a simulated swarm; --help says more
cargo xtask run [ARG…]     the program itself, with its window; --help tells its arguments
cargo xtask cli [ARG…]     the command line
cargo xtask pages          the pages that `megatorrent daemon --web` shows, for the next build of it to pack in
cargo xtask bundle         packages for Debian and Fedora and their like
cargo xtask bundle --try   the one for Debian, installed into a clean Debian 12 and started there
cargo xtask types          the window's TypeScript types, written from the Rust ones
";

fn main() -> ExitCode {
    match dispatch() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            shell::complain(&format!("{error:#}"));
            ExitCode::FAILURE
        }
    }
}

fn dispatch() -> Result<()> {
    let mut args = std::env::args().skip(1);
    let verb = args.next();
    let rest: Vec<String> = args.collect();
    match verb.as_deref() {
        Some("demo") => chores::demo(&rest),
        Some("bench") => chores::bench(&rest),
        Some("leaks") => test::leaks(&rest),
        Some("crash") => chores::crash(&rest),
        Some("sim") => chores::sim(&rest),
        Some("run") => chores::run(&rest),
        Some("cli") => chores::cli(&rest),
        Some("bundle") => bundle::run(&rest),
        Some("types") => chores::types(&rest),
        Some("test") => test::run(&rest),
        Some("fresh") => fresh::run(&rest),
        Some("pages") => chores::pages(&rest),
        None | Some("help" | "--help" | "-h") => {
            shell::say(USAGE);
            Ok(())
        }
        Some(other) => bail!("there is no chore {other:?}\n{USAGE}"),
    }
}
