//! `megatorrent id …`

use super::failure::{Failure, refused, strange};
use super::out::Out;
use super::{absolute, done};
use crate::args::IdCommand;
use crate::door::Door;
use crate::show;
use node::api::{Code, GiveUp, IdExport, IdImport, IdNew, IdRename, Reply, Request, paths};
use std::path::Path;

pub(super) async fn identity(command: IdCommand, door: &mut Door, out: &Out) -> Result<(), Failure> {
    let reply = match command {
        IdCommand::New { name } => door.call(Request::IdNew(IdNew { name })).await?,
        IdCommand::List => door.call(Request::IdList).await?,
        IdCommand::Export { identity, file } => {
            let file = absolute(&file)?;
            is_here(&identity, door).await?;
            let passphrase = door.passphrases.ask("Backup", true).await?.as_str().to_owned();
            let shown = show::escape(&paths::shown(&file));
            let request = Request::IdExport(IdExport { identity, file, passphrase });
            return done(
                door,
                out,
                request,
                &format!("Backed up to {shown}. Without the passphrase nobody can open it."),
            )
            .await;
        }
        IdCommand::Import { file, name } => {
            let file = absolute(&file)?;
            let mut passphrase = door.passphrases.at_hand()?;
            let request = |passphrase: Option<&str>| {
                let (name, file) = (name.clone(), file.clone());
                Request::IdImport(IdImport { name, file, passphrase: passphrase.map(str::to_owned) })
            };
            if passphrase.is_none() && is_age(&file) {
                passphrase = Some(door.passphrases.ask("Backup", false).await?);
            }
            door.call(request(passphrase.as_ref().map(|passphrase| passphrase.as_str()))).await?
        }
        IdCommand::GiveUp { yes } => {
            let mut passphrase = door.passphrases.at_hand()?;
            loop {
                let text = passphrase.as_ref().map(|passphrase| passphrase.as_str().to_owned());
                match door.call(Request::GiveUp(GiveUp { sure: yes, passphrase: text })).await {
                    Ok(Reply::GivenUp(info)) => return out.value(&info, show::given_up),
                    Ok(_) => return strange(),
                    // No keyring keeps the new secrets.
                    Err(Failure::Refused(error))
                        if error.code == Code::AskFirst && passphrase.is_none() && door.passphrases.asks_a_person() =>
                    {
                        passphrase = Some(door.passphrases.ask("New vault", true).await?);
                    }
                    Err(failure) => return Err(failure),
                }
            }
        }
        IdCommand::Rename { identity, name } => {
            return match door.call(Request::IdRename(IdRename { identity, name })).await? {
                Reply::Identity(info) => out.value(&info, show::identity),
                Reply::Done => out.done("Renamed."),
                _ => strange(),
            };
        }
    };
    match reply {
        Reply::Identity(info) => out.value(&info, show::identity),
        Reply::Identities(infos) => out.value(&infos, |infos| show::identities(infos)),
        _ => strange(),
    }
}

/// Nobody is asked for the passphrase of an identity that is not here.
async fn is_here(identity: &str, door: &mut Door) -> Result<(), Failure> {
    let Reply::Identities(all) = door.call(Request::IdList).await? else { return strange() };
    if all.iter().any(|one| one.name == identity || one.key.eq_ignore_ascii_case(identity)) {
        return Ok(());
    }
    refused(Code::NotFound, format!("There is no identity {} here.", node::words::quoted(identity)))
}

/// Whether a file is an age backup, which needs a passphrase, and not a v5 `identity.json`.
pub(super) fn is_age(file: &Path) -> bool {
    use std::io::Read as _;
    let mut head = [0; 21];
    let read = std::fs::File::open(file).and_then(|mut file| file.read_exact(&mut head));
    read.is_ok() && (head.starts_with(b"age-encryption.org/") || head.starts_with(b"-----BEGIN AGE"))
}
