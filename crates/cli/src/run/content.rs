//! `megatorrent publish` and `megatorrent get`: what takes long, with its progress.

use super::failure::{Failure, refused, strange};
use super::out::Out;
use super::{Watching, absolute, consent, key_of, with_progress};
use crate::args::{Global, PublishArgs};
use crate::door::Door;
use crate::progress::{Filter, Subject};
use crate::show;
use node::api::{ChannelArg, Code, Get, ItemInfo, Publish, Reply, Request};
use std::path::{Path, PathBuf};

/// Publishes; true when this very node is to stay and share it.
pub(super) async fn publish(args: PublishArgs, door: &mut Door, out: &Out, global: &Global) -> Result<bool, Failure> {
    let identity = match args.id {
        Some(identity) => identity,
        None => only_identity(door).await?,
    };
    let paths = args.paths.iter().map(|path| absolute(path)).collect::<Result<Vec<_>, _>>()?;
    let request = Request::Publish(Publish {
        paths,
        identity,
        private: args.private,
        title: args.title,
        about: args.about,
        update: args.update,
        gateway: args.gateway,
        job: None,
    });
    let watching = Watching { out: *out, verbose: global.verbose > 0, patience: None };
    let mut published = match with_progress(door, watching, Subject::Publication, request).await? {
        Reply::Published(published) => published,
        _ => return strange(),
    };
    let stays = args.seed && !door.is_running_node();
    // A node that ends with this command seeds nothing afterwards, whatever it says of itself.
    published.seeding = stays || door.is_running_node();
    out.value(&published, |published| show::published(published, stays))?;
    if stays {
        out.remark("Seeding. Ctrl-C ends it.");
    } else if args.seed {
        out.remark("The running node seeds it.");
    }
    Ok(stays)
}

async fn only_identity(door: &mut Door) -> Result<String, Failure> {
    let Reply::Identities(mut identities) = door.call(Request::IdList).await? else { return strange() };
    match (identities.pop(), identities.len()) {
        (None, _) => refused(Code::NotFound, "No identity yet. Make one: megatorrent id new NAME"),
        (Some(only), 0) => Ok(only.key),
        (Some(_), more) => {
            let number = u64::try_from(more).unwrap_or(u64::MAX).saturating_add(1);
            refused(Code::Ambiguous, format!("There are {number} identities. Name one: --id NAME"))
        }
    }
}

pub(super) async fn get(
    what: String,
    output: Option<PathBuf>,
    door: &mut Door,
    watching: Watching,
) -> Result<(), Failure> {
    let dir = output.as_deref().map(absolute).transpose()?;
    let filter = about(&what, door).await?;
    let channel = match &filter {
        Filter::Channel(key) => Some(key.clone()),
        _ => what.rsplit_once('/').map(|(channel, _)| channel.to_owned()),
    };
    let request = || Request::Get(Get { what: what.clone(), dir: dir.clone() });
    let mut got = with_progress(door, watching, Subject::Items(filter), request()).await;
    if let Err(failure) = &got
        && consent::given(failure, channel.as_deref(), watching.out.json, door).await?
    {
        let filter = about(&what, door).await?;
        got = with_progress(door, watching, Subject::Items(filter), request()).await;
    }
    match got? {
        Reply::Got(got) => {
            watching.out.value(&got, show::got)?;
            for item in got.items.iter().filter(|item| dir.as_ref().is_some_and(|dir| lies_elsewhere(item, dir))) {
                watching.out.remark(&format!("{} was here before: --output moved nothing.", show::quoted(&item.name)));
            }
            Ok(())
        }
        _ => strange(),
    }
}

/// Whether an item that is here lies outside of a folder.
fn lies_elsewhere(item: &ItemInfo, dir: &Path) -> bool {
    let real = |path: &Path| std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    item.path.as_ref().is_some_and(|path| !real(path).starts_with(real(dir)))
}

/// Whose progress to show for a `get`. What it cannot tell, `get` itself refuses better.
async fn about(what: &str, door: &mut Door) -> Result<Filter, Failure> {
    if let Some(key) = key_of(what) {
        return Ok(Filter::Channel(key));
    }
    let Some((channel, item)) = what.rsplit_once('/') else { return Ok(Filter::Any) };
    let request = Request::Items(ChannelArg { channel: channel.to_owned() });
    let Ok(Reply::Items(items)) = door.call(request).await else { return Ok(Filter::Any) };
    let mut fitting = items.into_iter().filter(|info| info.id.starts_with(&item.to_lowercase()) || info.name == item);
    Ok(match (fitting.next(), fitting.next()) {
        (Some(only), None) => Filter::Item(only.id),
        _ => Filter::Any,
    })
}
