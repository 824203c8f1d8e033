//! One file of an item: where it lies, and an address to play it from.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::api::{Code, FileArg, PlaceArg, Playable, paths};
use crate::ctx::Ctx;
use crate::error::{Result, fail};
use crate::media::Container;
use crate::play::{self, Player, Track};
use crate::verbs::{Caller, fetch, find_item};
use protocol::words::quoted;
use store::{PlanFile, Standing};

/// Time for an item's list of files to come before playing is given up; it goes on being fetched.
const PLAN_TIME: Duration = Duration::from_secs(60);

/// An address from which a media element can play a file, also before it is complete. An item that nobody wanted yet is
/// wanted from now on.
pub(super) async fn play(ctx: &Ctx, args: FileArg, caller: &Caller) -> Result<Playable> {
    super::online(ctx)?;
    let row = find_item(ctx, &args.item).await?;
    let (channel, id) = (row.channel, row.id);
    if row.standing == Standing::Listed || row.deadly {
        fetch::start(ctx, row, None).await?;
    }
    let planned = super::wait_for(ctx, caller, || async move {
        Ok(ctx.with_store(move |s| s.item(&channel, &id)).await?.filter(|row| row.planned))
    });
    match tokio::time::timeout(PLAN_TIME, planned).await {
        Ok(planned) => planned?,
        Err(_) => return fail(Code::TimedOut, "Nobody has sent this item's list of files yet."),
    };
    let file = file_of(ctx, &args).await?;
    let Some(container) = container_of(&file) else {
        return fail(Code::BadArgument, "This file is neither sound, film nor picture.");
    };
    let track = Track { channel, item: id, size: file.size, container, path: file.path.clone(), fits: Arc::default() };
    // What is here already is looked at before anybody gets an address; the rest, when the first bytes come.
    if play::head_here(ctx, &track).await?.is_some_and(|head| !container.fits(&head)) {
        return fail(Code::BadContent, "This file is not what its name or its publisher says. It is not played.");
    }
    let player = ctx.player.get_or_try_init(|| Player::start(ctx)).await?;
    Ok(Playable { url: player.address(track)?, mime: container.mime().to_owned() })
}

/// Where an item's files lie, or one of them, which must be complete.
pub(super) async fn place(ctx: &Ctx, args: PlaceArg) -> Result<PathBuf> {
    let row = find_item(ctx, &args.item).await?;
    let Some(path) = args.path else {
        return row.root.map_or_else(|| fail(Code::NotFound, "Nothing of this item is on this computer yet."), Ok);
    };
    let file = file_of(ctx, &FileArg { item: format!("{}/{}", row.channel, row.id), path }).await?;
    let disk = file.disk.clone();
    let there = crate::error::blocking(move || Ok(disk.metadata().is_ok_and(|m| m.is_file()))).await?;
    if there {
        Ok(file.disk)
    } else {
        fail(Code::NotFound, format!("{} is not complete, or was moved away.", paths::shown(&file.disk)))
    }
}

async fn file_of(ctx: &Ctx, args: &FileArg) -> Result<PlanFile> {
    let row = find_item(ctx, &args.item).await?;
    let files = ctx.with_store(move |s| s.file_names(&row.channel, &row.id)).await?;
    match files.into_iter().find(|(file, _)| file.path.as_str() == args.path) {
        Some((file, _)) => Ok(file),
        None => fail(Code::NotFound, format!("This item has no file {}.", quoted(&args.path))),
    }
}

/// What a player gets the file as: what its publisher says, where that is a container of ours, else by the name's ending.
/// Whether the file is one is looked at when its first bytes are here.
fn container_of(file: &PlanFile) -> Option<Container> {
    file.mime.as_deref().and_then(Container::of_mime).or_else(|| Container::of_name(file.path.as_str()))
}
