//! Items fetched, paused, removed, verified, located.

use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;

use protocol::words::quoted;
use protocol::{ChannelKey, Item, Link};
use store::{ItemRow, Standing};

use crate::api::{Cause, Code, ErrorInfo, Event, Get, Got, Locate, Remove, Target, VerifyReport, paths};
use crate::ctx::Ctx;
use crate::engine::Input;
use crate::error::{Result, fail};
use crate::folders;
use crate::governor;
use crate::library::{Claimed, LibraryInput};
use crate::verbs::{Caller, find_channel, find_item, follow};
use crate::view;
use crate::{channel, fresh};

/// Fetches one item, or all of a link's; returns when every byte is verified and in place.
pub(super) async fn get(ctx: &Ctx, args: Get, caller: &Caller) -> Result<Got> {
    super::online(ctx)?;
    let rows = match args.what.trim().parse::<Link>() {
        Ok(link) => {
            let row = follow::record(ctx, &link, |_| {}).await?;
            let key = row.key;
            channel::keep_link_peers(ctx, key, &link.bootstrap).await?;
            channel::follow_link(ctx, &row, link.bootstrap).await?;
            if row.body_sequence > 0 && !row.own {
                fresh::notice(ctx, fresh::newest(ctx, key).await);
            }
            follow::list_of(ctx, key, caller).await?;
            ctx.with_store(move |s| s.item_heads(&key)).await?
        }
        Err(error) if args.what.trim().starts_with("megatorrent:") => match args.what.trim().rsplit_once('/') {
            Some((channel, _)) if channel.parse::<Link>().is_ok() => vec![find_item(ctx, args.what.trim()).await?],
            _ => return Err(error.into()),
        },
        Err(_) => vec![find_item(ctx, &args.what).await?],
    };
    let wanted: Vec<(ChannelKey, protocol::ItemId)> = rows.iter().map(|r| (r.channel, r.id)).collect();
    if let Some(dir) = &args.dir {
        not_elsewhere(ctx, &rows, dir).await?;
    }
    for row in rows {
        start(ctx, row, args.dir.clone()).await?;
    }
    until_complete(ctx, wanted.clone(), caller).await?;
    let mut items = Vec::new();
    for (channel, id) in wanted {
        items.extend(view::item(ctx, channel, id).await?);
    }
    Ok(Got { items })
}

/// Nothing is fetched to a folder while it lies, or is on its way, in another one: that would look as if it had been.
async fn not_elsewhere(ctx: &Ctx, rows: &[ItemRow], dir: &Path) -> Result<()> {
    let placed = |row: &ItemRow| row.planned || matches!(row.standing, Standing::Complete | Standing::Published);
    let placed: Vec<ItemRow> = rows.iter().filter(|row| placed(row)).cloned().collect();
    let dir = dir.to_owned();
    ctx.with_store(move |s| {
        for row in placed {
            let Some(root) = row.root else { continue };
            let json = s.item_json(&row.channel, &row.id)?.unwrap_or_default();
            let at = if is_folder(&json) { root.parent().unwrap_or(&root) } else { &root };
            if !is_same_place(at, &dir) {
                return Ok(Err((row.name, at.to_owned())));
            }
        }
        Ok(Ok(()))
    })
    .await?
    .or_else(|(name, at)| {
        let text = "Nothing was fetched. To have it elsewhere, copy it, or say where it was moved: megatorrent locate";
        fail(Code::Exists, format!("{} has its place in {} already. {text}", quoted(&name), quoted(at.display())))
    })
}

fn is_folder(json: &[u8]) -> bool {
    Item::from_json(json).map_or(true, |item| item.payload.is_folder())
}

fn is_same_place(one: &Path, other: &Path) -> bool {
    one == other || matches!((one.canonicalize(), other.canonicalize()), (Ok(one), Ok(other)) if one == other)
}

/// Waits until these are complete, or one of them needs the user.
pub(super) async fn until_complete(
    ctx: &Ctx,
    asked: Vec<(ChannelKey, protocol::ItemId)>,
    caller: &Caller,
) -> Result<()> {
    super::wait_for(ctx, caller, || {
        let asked = asked.clone();
        async move {
            for (channel, id) in asked {
                let Some(item) = view::item(ctx, channel, id).await? else {
                    return if ctx.with_store(move |s| s.channel(&channel)).await?.is_some() {
                        fail(Code::NotFound, "The publisher took the item out of the list.")
                    } else {
                        fail(
                            Code::NotFound,
                            "The channel was left while its item was fetched. What was complete stays.",
                        )
                    };
                };
                if item.state == crate::api::ItemState::Listed {
                    return fail(Code::NotFound, "The item was removed while it was fetched.");
                }
                match item.cause {
                    Some(cause @ Cause::DiskFull { .. }) => {
                        return fail(
                            Code::DiskFull,
                            format!("{cause}. What was fetched stays; the same command goes on."),
                        );
                    }
                    Some(cause @ Cause::Quota { .. }) => {
                        return fail(
                            Code::Quota,
                            format!("{cause}. What was fetched stays; the same command goes on."),
                        );
                    }
                    Some(cause @ Cause::BlobLookups { .. }) => {
                        let key = &item.channel[..16];
                        let way = format!("To allow it: megatorrent rule {key} --look-up on");
                        return fail(Code::AskFirst, format!("{cause}. {way}"));
                    }
                    Some(cause @ (Cause::FolderNotWritable { .. } | Cause::InTheWay { .. })) => {
                        return fail(Code::Io, format!("{cause}."));
                    }
                    Some(cause @ Cause::BadContent { .. }) => return fail(Code::BadContent, format!("{cause}.")),
                    // What is missing again is fetched again, by itself.
                    Some(Cause::Trouble { code: Code::Incomplete, .. }) => {}
                    Some(Cause::Trouble { code, what }) => return fail(code, format!("{what}.")),
                    _ => {}
                }
                if !matches!(item.state, crate::api::ItemState::Complete | crate::api::ItemState::Published) {
                    return Ok(None);
                }
            }
            Ok(Some(()))
        }
    })
    .await
}

/// Wants an item, unless it is here already.
pub(super) async fn start(ctx: &Ctx, row: ItemRow, dir: Option<std::path::PathBuf>) -> Result<()> {
    if matches!(row.standing, Standing::Complete | Standing::Published) {
        return Ok(());
    }
    let (channel, id) = (row.channel, row.id);
    ctx.with_store(move |s| {
        if let Some(dir) = dir.filter(|_| !row.planned) {
            let json = s.item_json(&channel, &id)?.unwrap_or_default();
            let root = if is_folder(&json) { dir.join(folders::name(&row.name, &id.to_string()[..8])) } else { dir };
            s.set_root(&channel, &id, &root)?;
        }
        s.set_standing(&channel, &id, Standing::Wanted, false)
    })
    .await?;
    ctx.library.send(LibraryInput::Start(channel, id));
    Ok(())
}

/// Pauses or resumes an item, a channel, or everything.
pub(super) async fn pause(ctx: &Ctx, target: Target, paused: bool) -> Result<()> {
    match target {
        Target::Item(text) => {
            let row = find_item(ctx, &text).await?;
            pause_item(ctx, row, paused).await
        }
        Target::Channel(text) => {
            let row = find_channel(ctx, &text).await?;
            pause_channel(ctx, row.key, paused).await?;
            // What came while it was paused is looked for beside: going on takes no time.
            if !paused && row.followed && !row.own && row.body_sequence > 0 && !ctx.config.offline {
                fresh::look(ctx, row.key);
            }
            Ok(())
        }
        Target::All => pause_all(ctx, paused).await,
    }
}

/// Stops the whole node: nothing is fetched, shared, announced or looked up. A layer above all else: what was paused by
/// itself stays so when this is lifted.
async fn pause_all(ctx: &Ctx, paused: bool) -> Result<()> {
    ctx.with_store(move |s| {
        s.set_settings(&[("paused_until", None), ("paused", Some(if paused { "true" } else { "false" }))])
    })
    .await?;
    governor::apply(ctx).await?;
    if !ctx.config.offline {
        ctx.emit(Event::Snapshot(view::snapshot(ctx).await?));
    }
    Ok(())
}

/// Stops the whole node for a while.
pub(super) async fn pause_for(ctx: &Ctx, seconds: u64) -> Result<()> {
    let time = std::time::Duration::from_secs(seconds);
    if time.is_zero() || time > governor::PAUSE_MAX {
        return fail(Code::BadArgument, "A pause lasts from 1 second to 31 days.");
    }
    let until = ctx.clock.unix_ms().saturating_add(seconds.saturating_mul(1000));
    ctx.with_store(move |s| s.set_setting("paused_until", Some(&until.to_string()))).await?;
    governor::apply(ctx).await?;
    if !ctx.config.offline {
        ctx.emit(Event::Snapshot(view::snapshot(ctx).await?));
    }
    Ok(())
}

/// A channel's pause lies above those of its items, as the node's lies above both.
async fn pause_channel(ctx: &Ctx, key: ChannelKey, paused: bool) -> Result<()> {
    let concerned = ctx.with_store(move |s| {
        s.change_channel(&key, |row| row.paused = paused)?;
        s.pause_items(&key, paused)
    });
    for id in concerned.await? {
        ctx.library.send(if paused { LibraryInput::Stop(key, id) } else { LibraryInput::Start(key, id) });
        if let Some(info) = view::item(ctx, key, id).await? {
            ctx.emit(Event::Item(info));
        }
    }
    // What was published meanwhile waited for this.
    if !paused && !ctx.config.offline {
        channel::start_wanted(ctx, key).await?;
    }
    channel::told(ctx, key).await;
    Ok(())
}

async fn pause_item(ctx: &Ctx, row: ItemRow, paused: bool) -> Result<()> {
    let (channel, id) = (row.channel, row.id);
    let standing = match row.standing {
        Standing::Wanted => Standing::Wanted,
        Standing::Listed if !paused => Standing::Wanted,
        _ => return fail(Code::BadArgument, "This item is not being fetched."),
    };
    ctx.with_store(move |s| s.set_standing(&channel, &id, standing, paused)).await?;
    ctx.library.send(if paused { LibraryInput::Stop(channel, id) } else { LibraryInput::Start(channel, id) });
    if let Some(info) = view::item(ctx, channel, id).await? {
        ctx.emit(Event::Item(info));
    }
    Ok(())
}

/// Removes an item from this device.
pub(super) async fn remove(ctx: &Ctx, args: Remove) -> Result<Vec<PathBuf>> {
    let row = find_item(ctx, &args.item).await?;
    let (channel, id) = (row.channel, row.id);
    if row.standing == Standing::Published {
        return fail(
            Code::BadArgument,
            "This item is published from here. Take it out of the list first: megatorrent unpublish ITEM",
        );
    }
    let claimed = ctx.library.claim(ctx, channel, id).await?;
    let removed = ctx.with_store(move |s| s.remove_item(&channel, &id, args.delete)).await?;
    if !ctx.config.offline {
        ctx.engine.send(Input::Unhold(removed.gone)).await;
    }
    drop(claimed);
    match view::item(ctx, channel, id).await? {
        Some(info) => ctx.emit(Event::Item(info)),
        None => ctx.emit(Event::ItemGone(channel.to_string(), id.to_string())),
    }
    Ok(removed.kept)
}

/// Reads an item's files again; what is wrong is withdrawn, and fetched again if it was a download. Files that were changed
/// here stay as they are.
pub(super) async fn verify(ctx: &Ctx, item: &str) -> Result<VerifyReport> {
    let row = find_item(ctx, item).await?;
    let claimed = ctx.library.claim(ctx, row.channel, row.id).await?;
    verify_claimed(ctx, row, &claimed).await
}

/// As [`verify`], of an item that nobody else has now.
async fn verify_claimed(ctx: &Ctx, row: ItemRow, claimed: &Claimed) -> Result<VerifyReport> {
    let (channel, id) = (row.channel, row.id);
    let (stop, awaited) = (ctx.stop.clone(), claimed.awaited());
    let goes_on = move |_, _| !stop.is_cancelled() && !awaited.load(Ordering::SeqCst);
    let outcome = ctx.with_store(move |s| s.verify_item(&channel, &id, &mut { goes_on })).await?;
    if !ctx.config.offline && !outcome.back.is_empty() {
        ctx.engine.hold(channel, outcome.back.iter().map(|blob| (*blob, swarm::Rank::Rest)).collect::<Vec<_>>()).await;
    }
    let bad = outcome.bad.len() as u64;
    let is_download = matches!(row.standing, Standing::Wanted | Standing::Complete);
    if !ctx.config.offline {
        ctx.engine.send(Input::Unhold(outcome.gone)).await;
        if bad > 0 && is_download {
            // As soon as it is nobody's any more it goes on.
            ctx.with_store(move |s| s.set_standing(&channel, &id, Standing::Wanted, false)).await?;
        }
    }
    // What was missing was found again: nothing is left to fetch.
    if bad == 0 && row.standing == Standing::Wanted && row.planned && outcome.good > 0 {
        let whole = ctx.with_store(move |s| Ok(s.unfinished()?.contains(&(channel, id)))).await?;
        if whole {
            channel::finish(ctx, channel, id).await?;
            if let Some(info) = view::item(ctx, channel, id).await? {
                ctx.emit(Event::Ready(info));
            }
        }
    }
    if row.standing == Standing::Published {
        ctx.library.send(LibraryInput::Checked(channel, id, outcome.files.len() as u64));
    }
    let text = |files: &[PathBuf]| files.iter().map(|file| paths::shown(file)).collect();
    Ok(VerifyReport { good: outcome.good, bad, files: text(&outcome.files), kept: text(&outcome.kept) })
}

/// Says where an item's files lie now, then verifies them.
pub(super) async fn locate(ctx: &Ctx, args: Locate) -> Result<VerifyReport> {
    let row = find_item(ctx, &args.item).await?;
    let (channel, id) = (row.channel, row.id);
    let path = std::fs::canonicalize(&args.path).map_err(|e| ErrorInfo::at_path(&args.path, &e))?;
    // Nothing is written while it is not known where.
    let claimed = ctx.library.claim(ctx, channel, id).await?;
    ctx.with_store(move |s| s.locate(&channel, &id, &path)).await?;
    let row = find_item(ctx, &format!("{channel}/{id}")).await?;
    verify_claimed(ctx, row, &claimed).await
}
