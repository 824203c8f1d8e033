//! What stays, what goes first, what is looked for: channels' rules, pins, choices of files, moves, searches.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use protocol::words::quoted;
use protocol::{ChannelKey, ItemId};
use store::{ItemRow, Keep, Standing, Urgency};

use crate::api::{
    ChannelInfo, Choose, Code, Event, FetchRule, ItemInfo, ItemPriority, KeepRule, MoveData, MoveProgress, Search,
    SetChannel, SetItem, paths,
};
use crate::config::PROGRESS_EVERY;
use crate::ctx::Ctx;
use crate::engine::Input;
use crate::error::{Result, fail};
use crate::library::LibraryInput;
use crate::verbs::waits::{For, Waits};
use crate::verbs::{Caller, find_channel, find_item};
use crate::{by_id, channel, folders, keep, plan, view};

/// Items found at most.
const FOUND_MAX: u32 = 1000;

/// What a rule is among the store's numbers.
pub(super) fn fetch_number(rule: FetchRule) -> i64 {
    match rule {
        FetchRule::All => -1,
        FetchRule::Newest(n) => i64::from(n),
        FetchRule::None => 0,
    }
}

/// Changes what of a channel is fetched and kept; removes at once what is not kept any more.
pub(super) async fn set_channel(ctx: &Ctx, args: SetChannel) -> Result<ChannelInfo> {
    let row = find_channel(ctx, &args.channel).await?;
    let key = row.key;
    if row.own && args.fetch.is_some() {
        return fail(Code::BadArgument, "This channel is yours. Nothing of it is fetched.");
    }
    if matches!(args.keep, Some(KeepRule::Newest(0) | KeepRule::Days(0) | KeepRule::Bytes(0))) {
        let text = "This rule would keep nothing and delete at once what is here. Who wants that leaves the channel: \
                    megatorrent unsubscribe CHANNEL --delete";
        return fail(Code::BadArgument, text);
    }
    let kept = args.keep.map(|rule| match rule {
        KeepRule::All => Keep::All,
        KeepRule::Newest(n) => Keep::Newest(n),
        KeepRule::Days(n) => Keep::Days(n),
        KeepRule::Bytes(n) => Keep::Bytes(n),
    });
    let changed = ctx
        .with_store(move |s| {
            s.change_channel(&key, |row| {
                row.fetch = args.fetch.map_or(row.fetch, fetch_number);
                row.keep = kept.unwrap_or(row.keep);
                row.encrypted = args.encrypted.unwrap_or(row.encrypted);
            })
        })
        .await?;
    if let Some(allow) = args.look_up {
        let Some(row) = changed.as_ref().filter(|row| by_id::is_asked_about(row)) else {
            let text = "This is no private channel of a v5 author: its parts are found without looking up their IDs.";
            return fail(Code::BadArgument, text);
        };
        by_id::set(ctx, row, allow).await?;
    }
    if let Some(row) = changed {
        keep::channel(ctx, key).await?;
        if !ctx.config.offline && (args.fetch.is_some() || args.keep.is_some()) {
            channel::start_wanted(ctx, row.key).await?;
        }
    }
    channel::told(ctx, key).await;
    view::channel(ctx, key).await?.ok_or_else(|| view::unknown("channel", &key.to_string()))
}

/// Pins an item, or changes when it is fetched.
pub(super) async fn set_item(ctx: &Ctx, args: SetItem) -> Result<()> {
    let row = find_item(ctx, &args.item).await?;
    let (channel, id) = (row.channel, row.id);
    let urgency = args.priority.map(|priority| match priority {
        ItemPriority::Low => Urgency::Low,
        ItemPriority::Normal => Urgency::Normal,
        ItemPriority::High => Urgency::High,
    });
    ctx.with_store(move |s| s.set_care(&channel, &id, args.pinned, urgency)).await?;
    if let Some(urgency) = urgency {
        ctx.library.send(LibraryInput::Urgency(channel, id, urgency));
    }
    told(ctx, channel, id).await
}

async fn told(ctx: &Ctx, channel: ChannelKey, id: ItemId) -> Result<()> {
    if let Some(info) = view::item(ctx, channel, id).await? {
        ctx.emit(Event::Item(info));
    }
    Ok(())
}

/// Wants, or does not want, files of an item.
pub(super) async fn choose(ctx: &Ctx, args: Choose, caller: &Caller) -> Result<()> {
    let row = find_item(ctx, &args.item).await?;
    let (channel, id) = (row.channel, row.id);
    if row.standing == Standing::Published {
        return fail(Code::BadArgument, "This item is published from here. Nothing of it is fetched.");
    }
    // Which files there are stands in its plan; nothing is fetched before the choice is made.
    let fresh = row.standing == Standing::Listed;
    let claimed = caller.unless_gone(ctx.library.claim(ctx, channel, id)).await?;
    if !row.planned {
        super::online(ctx)?;
        let waits = Waits::begin(ctx, channel, For::Parts);
        caller.unless_gone(ctx.until_stop(waits.during(plan::plan(ctx, channel, id)))).await?;
    }
    if fresh {
        ctx.with_store(move |s| s.set_standing(&channel, &id, Standing::Listed, false)).await?;
    }
    let known = ctx.with_store(move |s| s.file_names(&channel, &id)).await?;
    if let Some(strange) = args.paths.iter().find(|path| !known.iter().any(|(file, _)| file.path.as_str() == *path)) {
        return fail(Code::NotFound, format!("This item has no file {}.", quoted(strange)));
    }
    // Who names the files of a new item that are wanted does not want the others.
    let (paths, want) = (args.paths, args.want);
    let wanted = paths.clone();
    let chosen = ctx
        .with_store(move |s| {
            if fresh && want {
                s.choose_files(&channel, &id, None, false)?;
            }
            let chosen = s.choose_files(&channel, &id, Some(&wanted), want)?;
            if fresh && want {
                s.set_standing(&channel, &id, Standing::Wanted, false)?;
            }
            Ok(chosen)
        })
        .await?;
    if !want && chosen.files == 0 && !paths.is_empty() {
        return fail(Code::BadArgument, "These files are complete already, or were not wanted before.");
    }
    if !ctx.config.offline {
        ctx.engine.send(Input::Unhold(chosen.gone)).await;
        ctx.engine.send(Input::Unwant(chosen.unwanted)).await;
    }
    // It goes on with what is wanted of it.
    drop(claimed);
    told(ctx, channel, id).await
}

/// Writes the files of an item that is kept only encrypted, and waits for them.
pub(super) async fn open(ctx: &Ctx, text: &str, caller: &Caller) -> Result<()> {
    super::online(ctx)?;
    let row = find_item(ctx, text).await?;
    let (channel, id) = (row.channel, row.id);
    let claimed = ctx.library.claim(ctx, channel, id).await?;
    if !ctx.with_store(move |s| s.open_item(&channel, &id)).await? {
        return fail(Code::BadArgument, "This item is not kept encrypted. Its files are where they were written.");
    }
    drop(claimed);
    super::fetch::until_complete(ctx, vec![(channel, id)], caller).await
}

/// Items that have all these words.
pub(super) async fn search(ctx: &Ctx, args: Search) -> Result<Vec<ItemInfo>> {
    let key = match &args.channel {
        Some(text) => Some(find_channel(ctx, text).await?.key),
        None => None,
    };
    let limit = if args.limit == 0 { 100 } else { args.limit.min(FOUND_MAX) } as usize;
    let rows = ctx.with_store(move |s| s.search(key.as_ref(), &args.text, limit)).await?;
    view::items(ctx, rows).await
}

/// Moves every download below the download folder to another one, item by item; what is added from then on goes there.
/// Stopped on the way, the download folder is what it was, and the same request goes on. Returns files that stay at the
/// old place too.
pub(super) async fn move_data(ctx: &Ctx, args: MoveData, caller: &Caller) -> Result<Vec<PathBuf>> {
    if !args.dir.is_absolute() {
        return fail(Code::BadArgument, format!("{} is not an absolute path.", paths::shown(&args.dir)));
    }
    let text = paths::to_text(&args.dir);
    let from = folders::downloads(ctx).await?;
    if args.dir == from || args.dir.starts_with(&from) || from.starts_with(&args.dir) {
        return fail(Code::BadArgument, "The new folder must lie outside of the old one, and not around it.");
    }
    super::takes_files(args.dir.clone()).await?;
    let (mut left, mut kept) = (BTreeSet::new(), Vec::new());
    let (done, mut total) = (Arc::new(AtomicU64::new(0)), 0);
    let mut tried = BTreeSet::new();
    loop {
        let rows = ctx.with_store(|s| s.transfers()).await?;
        let here = |row: &ItemRow| {
            matches!(row.standing, Standing::Wanted | Standing::Complete)
                && row.root.as_ref().is_some_and(|root| root.starts_with(&from))
                && !tried.contains(&(row.channel, row.id))
        };
        // Once more after the last: something may have been added to the old folder meanwhile.
        let rows: Vec<ItemRow> = rows.into_iter().filter(here).collect();
        if rows.is_empty() {
            break;
        }
        let mut bytes = 0;
        for row in &rows {
            let (channel, id) = (row.channel, row.id);
            bytes += ctx.with_store(move |s| s.have_bytes(&channel, &id)).await?;
        }
        has_room(&from, &args.dir, bytes).await?;
        total += bytes;
        for row in rows {
            tried.insert((row.channel, row.id));
            let Some(root) = row.root.as_deref() else { continue };
            let Ok(below) = root.strip_prefix(&from) else { continue };
            let to = args.dir.join(below);
            left.extend(root.ancestors().filter(|f| f.starts_with(&from) && *f != from).map(PathBuf::from));
            let claimed = caller.unless_gone(ctx.library.claim(ctx, row.channel, row.id)).await?;
            kept.extend(move_one(ctx, &row, &to, (&done, total), caller).await?);
            drop(claimed);
            told(ctx, row.channel, row.id).await?;
        }
    }
    // Last of all: whatever ends this before leaves the folder that it was.
    ctx.with_store(move |s| s.set_setting("download_dir", Some(&text))).await?;
    // Channels' folders of which nothing is left, the inner ones first; what people put there stays.
    crate::error::blocking(move || {
        left.iter().rev().for_each(|folder| drop(std::fs::remove_dir(folder)));
        Ok(())
    })
    .await?;
    Ok(kept)
}

/// Whether another disk has room for what would be copied there.
async fn has_room(from: &Path, to: &Path, bytes: u64) -> Result<()> {
    let (from, to) = (from.to_owned(), to.to_owned());
    crate::error::blocking(move || {
        let free = store::free_space(&to)?;
        if store::is_same_disk(&from, &to) || free >= bytes {
            return Ok(());
        }
        let text = format!(
            "The disk with {} has no room: {} are free, {} are needed.",
            protocol::words::quoted(paths::shown(&to)),
            protocol::words::size(free),
            protocol::words::size(bytes)
        );
        fail(Code::DiskFull, text)
    })
    .await
}

/// Moves one item, and tells how far the whole is. Nobody who waits, or a node that stops, ends it where it can go on: what
/// moves has an end in either place before this returns.
async fn move_one(
    ctx: &Ctx,
    row: &ItemRow,
    to: &Path,
    (done, total): (&Arc<AtomicU64>, u64),
    caller: &Caller,
) -> Result<Vec<PathBuf>> {
    let cancel = Arc::new(AtomicBool::new(false));
    let (asked, mut ending) = (cancel.clone(), false);
    let (store, to, counter, channel, id) = (ctx.store.clone(), to.to_owned(), done.clone(), row.channel, row.id);
    let mut work = tokio::task::spawn_blocking(move || {
        store.move_item(&channel, &id, &to, &mut |bytes| {
            counter.fetch_add(bytes, Ordering::Relaxed);
            !cancel.load(Ordering::Relaxed)
        })
    });
    let mut tick = tokio::time::interval(PROGRESS_EVERY);
    loop {
        tokio::select! {
            moved = &mut work => {
                return match moved {
                    Ok(Ok(moved)) if moved.done => Ok(moved.kept),
                    Ok(Ok(_)) if ctx.stop.is_cancelled() => fail(Code::Stopping, "The node is stopping. What was moved is in the new folder, the rest in the old one. The same command goes on."),
                    Ok(Ok(_)) => fail(Code::Cancelled, "Stopped. What was moved is in the new folder, the rest in the old one. The same command goes on."),
                    Ok(Err(error)) => Err(error.into()),
                    Err(error) => fail(Code::Internal, format!("moving ended: {error}")),
                };
            }
            _ = tick.tick() => ctx.emit(Event::Moving(MoveProgress { done: done.load(Ordering::Relaxed).min(total), total })),
            () = ctx.stop.cancelled(), if !ending => {
                ending = true;
                asked.store(true, Ordering::Relaxed);
            }
            () = caller.gone(), if !ending => {
                ending = true;
                asked.store(true, Ordering::Relaxed);
            }
        }
    }
}
