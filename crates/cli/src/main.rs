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
    let cli = args::Cli::parse();
    run::log(cli.global.verbose);
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            run::remark(&format!("The system gives no threads: {error}"));
            return ExitCode::FAILURE;
        }
    };
    let code = runtime.block_on(run::main(cli));
    // A prompt that nobody answered may still wait for its line.
    runtime.shutdown_background();
    ExitCode::from(code)
}
