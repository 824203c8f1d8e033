//! `megatorrent`: the command line and the headless daemon.

mod args;
mod door;
mod passphrase;
mod progress;
mod run;
mod show;
mod web;

use clap::Parser;
use std::process::ExitCode;

fn main() -> ExitCode {
    node::process::settle();
    let cli = match args::Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return ExitCode::from(run::usage(&error, std::env::args_os())),
    };
    run::log(cli.global.verbose, cli.global.json);
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            return ExitCode::from(run::no_threads(&error, cli.global.json));
        }
    };
    let code = runtime.block_on(run::main(cli));
    // A prompt that nobody answered may still wait for its line.
    runtime.shutdown_background();
    ExitCode::from(code)
}
