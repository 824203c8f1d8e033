//! What stays on this disk: channels' rules carried out, room made under a quota, files looked after.

use std::collections::HashMap;
use std::path::PathBuf;
use std::time::Duration;

use protocol::{BlobId, ChannelKey, ItemId};
use store::{ItemRow, Keep, Standing, keeping};

use crate::api::{Code, ErrorInfo, Event, paths};
use crate::ctx::Ctx;
use crate::engine::Input;
use crate::error::Result;
use crate::library::log;
use crate::{age, view};

/// Between two looks at what grew too old.
const TIDY_EVERY: Duration = Duration::from_secs(600);
/// Between two looks at the files on the disk.
const LOOK_EVERY: Duration = Duration::from_secs(3600);
/// Items of one channel whose holders are counted for one decision.
const SURVEYED_MAX: usize = 256;
/// Time for peers to say what they hold.
pub(crate) const SURVEY_WAIT: Duration = Duration::from_secs(2);

/// Carries out the rules from time to time, and looks whether files are where they were, until the node stops.
pub(crate) async fn run(ctx: Ctx) {
    let mut tidy = tokio::time::interval(TIDY_EVERY);
    let mut look = tokio::time::interval(LOOK_EVERY);
    for tick in [&mut tidy, &mut look] {
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    }
    let stop = ctx.stop.clone();
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = tidy.tick() => log(all(&ctx).await),
            _ = look.tick() => log(look_after_files(&ctx).await),
        }
    }
}

async fn all(ctx: &Ctx) -> Result<()> {
    for row in ctx.with_store(|s| s.channels()).await? {
        if row.keep != Keep::All {
            channel(ctx, row.key).await?;
        }
    }
    Ok(())
}

/// Removes what a channel's rule does not keep.
pub(crate) async fn channel(ctx: &Ctx, key: ChannelKey) -> Result<()> {
    let row = ctx.with_store(move |s| s.channel(&key)).await?;
    let Some(keep) = row.map(|row| row.keep).filter(|keep| *keep != Keep::All) else { return Ok(()) };
    let mut rows = ctx.with_store(move |s| s.item_heads(&key)).await?;
    let now = age::now(ctx).await?;
    if matches!(keep, Keep::Days(_)) {
        age::not_before_it_was_seen(ctx, key, now, &mut rows).await?;
    }
    if keeping::to_remove(keep, now, &rows, &|_| 0).is_empty() {
        return Ok(());
    }
    let holders = match keep {
        Keep::Bytes(_) => holders(ctx, key, &rows).await?,
        _ => HashMap::new(),
    };
    for id in keeping::to_remove(keep, now, &rows, &|id| holders.get(id).copied().unwrap_or(0)) {
        remove(ctx, key, id).await?;
    }
    Ok(())
}

/// What needs room.
#[derive(Clone, Copy)]
pub(crate) struct Need {
    /// The item; none: a list.
    pub(crate) item: Option<(ChannelKey, ItemId)>,
    /// What it lacks.
    pub(crate) bytes: u64,
}

/// Makes room for what the quota refuses: what is lent goes first. Then items of channels with a rule go, those that
/// most others hold first, then the oldest; never a pinned one, nor one that is newer. Says whether anything went.
pub(crate) async fn make_room(ctx: &Ctx, need: Need, quota: u64) -> Result<bool> {
    if crate::repair::make_room(ctx, need.bytes).await? {
        return Ok(true);
    }
    let wanted = move |s: &store::Store| need.item.map(|(key, id)| s.item(&key, &id)).transpose();
    let (channels, row) = ctx.with_store(move |s| Ok((s.channels()?, wanted(s)?.flatten()))).await?;
    // Who dates an item after tomorrow does not get the room of everybody else's.
    let before = row.map_or(u64::MAX, |row| row.published.min(ctx.clock.unix_ms()));
    let mut candidates: Vec<(usize, ItemRow)> = Vec::new();
    for channel in channels.into_iter().filter(|channel| channel.keep != Keep::All) {
        let key = channel.key;
        let rows = ctx.with_store(move |s| s.item_heads(&key)).await?;
        let holders = holders(ctx, key, &rows).await?;
        let may_go = |one: &ItemRow| {
            let asks = need.item == Some((one.channel, one.id));
            one.standing == Standing::Complete && !one.pinned && one.published < before && !asks
        };
        let may_go = rows.into_iter().filter(may_go);
        candidates.extend(may_go.map(|one| (holders.get(&one.id).copied().unwrap_or(0), one)));
    }
    candidates.sort_by_key(|(holders, one)| (std::cmp::Reverse(*holders), one.published));
    let needed = need.bytes;
    let room: u64 = candidates.iter().map(|(_, one)| one.bytes.saturating_sub(one.skipped)).sum();
    let used = ctx.with_store(store::Store::totals).await?.used;
    if used.saturating_sub(room).saturating_add(needed) > quota {
        // It would not be enough: then nothing has to go.
        return Ok(false);
    }
    let mut went = false;
    for (_, one) in candidates {
        if ctx.with_store(store::Store::totals).await?.used.saturating_add(needed) <= quota {
            break;
        }
        remove(ctx, one.channel, one.id).await?;
        went = true;
    }
    Ok(went)
}

/// How many connected peers have the first blob of each item that is here.
async fn holders(ctx: &Ctx, key: ChannelKey, rows: &[ItemRow]) -> Result<HashMap<ItemId, usize>> {
    if ctx.config.offline {
        return Ok(HashMap::new());
    }
    let here = rows.iter().filter(|row| row.standing == Standing::Complete && !row.pinned);
    let ids: Vec<ItemId> = here.rev().take(SURVEYED_MAX).map(|row| row.id).collect();
    let firsts: Vec<(ItemId, BlobId)> = ctx
        .with_store(move |s| {
            let first = |id: ItemId| Ok(s.first_blob(&key, &id)?.map(|blob| (id, blob)));
            ids.into_iter().map(first).filter_map(std::result::Result::transpose).collect()
        })
        .await?;
    let blobs: Vec<BlobId> = firsts.iter().map(|(_, blob)| *blob).collect();
    let asked = ctx.engine.ask(move |swarm, _| swarm.survey(&key, &blobs)).await.unwrap_or(0);
    if asked == 0 {
        return Ok(HashMap::new());
    }
    tokio::time::sleep(SURVEY_WAIT).await;
    let counted = ctx.engine.ask(move |swarm, _| {
        firsts.into_iter().map(|(id, blob)| (id, swarm.holders(&blob))).collect::<HashMap<_, _>>()
    });
    Ok(counted.await.unwrap_or_default())
}

async fn remove(ctx: &Ctx, key: ChannelKey, id: ItemId) -> Result<()> {
    tracing::info!(channel = %key, item = %id, "removed, as its channel's rule or the quota wants");
    let claimed = ctx.library.claim(ctx, key, id).await?;
    let removed = ctx.with_store(move |s| s.remove_item(&key, &id, true)).await?;
    if !ctx.config.offline {
        ctx.engine.send(Input::Unhold(removed.gone)).await;
    }
    drop(claimed);
    // Once: with its item the record of the file is gone.
    if let Some(text) = kept_text(&removed.kept) {
        ctx.emit(Event::Notice(ErrorInfo::new(Code::SourceChanged, text)));
    }
    match view::item(ctx, key, id).await? {
        Some(info) => ctx.emit(Event::Item(info)),
        None => ctx.emit(Event::ItemGone(key.to_string(), id.to_string())),
    }
    Ok(())
}

/// What a person is told of files that would have been deleted and stay; `None`: there are none.
pub(crate) fn kept_text(kept: &[PathBuf]) -> Option<String> {
    let why = "changed here, in place before, or shared from here";
    match kept {
        [] => None,
        [file] => Some(format!("{} stays: it was {why}.", file.display())),
        [file, ..] => Some(format!("{} files stay, {} among them: they were {why}.", kept.len(), file.display())),
    }
}

/// E8: files that are gone, or look other than they did, are read; what they do not hold any more is withdrawn, and the
/// user is told.
async fn look_after_files(ctx: &Ctx) -> Result<()> {
    let stop = ctx.stop.clone();
    let touched = ctx.with_store(move |s| s.touched_files(&mut || !stop.is_cancelled())).await?;
    let mut changed: HashMap<(ChannelKey, ItemId), Vec<PathBuf>> = HashMap::new();
    for (item, file) in touched {
        let (stop, path) = (ctx.stop.clone(), file.clone());
        let claimed = ctx.library.claim(ctx, item.0, item.1).await?;
        let gone = ctx.with_store(move |s| s.recheck(&item.0, &item.1, &path, &mut || !stop.is_cancelled())).await?;
        drop(claimed);
        if !gone.is_empty() {
            changed.entry(item).or_default().push(file);
            ctx.engine.send(Input::Unhold(gone)).await;
        }
    }
    for ((channel, id), files) in changed {
        let text = match files.as_slice() {
            [file] => format!("{} changed or is gone. It is no longer shared.", paths::shown(file)),
            _ => format!(
                "{} files changed or are gone, {} among them. They are no longer shared.",
                files.len(),
                paths::shown(&files[0])
            ),
        };
        ctx.emit(Event::Notice(ErrorInfo::new(Code::SourceChanged, text)));
        if let Some(info) = view::item(ctx, channel, id).await? {
            ctx.emit(Event::Item(info));
        }
    }
    Ok(())
}
