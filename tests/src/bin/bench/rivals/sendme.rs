//! sendme: iroh's blobs over QUIC. Without the internet: no relay, a ticket that names addresses.

use super::{Field, Run, Talker, until_end};
use anyhow::Result;
use std::path::Path;
use std::process::Command;

/// Its program, offline, on a free port of loopback.
fn command(program: &Path, folder: &Path, verb: &str) -> Command {
    let mut command = Command::new(program);
    command.current_dir(folder).env("HOME", folder).arg(verb);
    command.args(["--relay", "disabled", "--magic-ipv4-addr", "127.0.0.1:0"]);
    command
}

pub(super) fn run(field: &Field<'_>, program: &Path) -> Result<Run> {
    let (sending, receiving) = (field.folder("sendme-sender")?, field.folder("sendme-receiver")?);
    let mut sender =
        Talker::start(command(program, &sending, "send").args(["--ticket-type", "addresses"]).arg(field.source))?;
    let ticket = sender.hear("its ticket", |line| {
        let (_, ticket) = line.split_once("sendme receive ")?;
        Some(ticket.trim().to_owned())
    })?;
    let mut run = until_end(sender.id(), command(program, &receiving, "receive").arg(ticket))?;
    run.disk = Some(field.disk(&receiving.join(field.name()?), [&sending, &receiving])?);
    drop(sender);
    std::fs::remove_dir_all(sending)?;
    std::fs::remove_dir_all(receiving)?;
    Ok(run)
}
