//! Repair: blobs of followed channels that few others hold are fetched, and kept sealed, in the space that the user lends.
//!
//! Owns: when that is looked at, and what is asked about it. The choice itself is [`swarm::repair`]'s. Promises: never
//! more than is lent; nothing moves while the node is held or a channel is paused; what an item of this node needs is
//! the item's, and no longer counts as lent.

use std::collections::HashMap;
use std::time::Duration;

use protocol::{BlobId, ChannelKey, Item};
use store::{Role, Standing};
use swarm::repair::{self, Counted};
use tokio::sync::oneshot;

use crate::api::{Code, ErrorInfo};
use crate::channel;
use crate::ctx::Ctx;
use crate::engine::Input;
use crate::error::Result;
use crate::keep::SURVEY_WAIT;
use crate::library::log;

/// Between two looks when nothing happens.
const EVERY: Duration = Duration::from_secs(600);
/// Blobs of one channel that peers are asked about at one look: as many that are kept, as many that could be.
const ASKED_MAX: usize = protocol::params::HAVE_QUERY_MAX / 2;
/// Blobs fetched at one look.
const FETCHED_MAX: usize = 256;
/// Time to read what one item is made of.
const READ_TIMEOUT: Duration = Duration::from_secs(60);
/// Time for what is fetched; what does not come by then is not waited for.
const FETCH_TIMEOUT: Duration = Duration::from_secs(600);
/// The setting: bytes.
pub(crate) const SETTING: &str = "lend";

/// Looks from time to time, and when something changed, until the node stops.
pub(crate) async fn run(ctx: Ctx) {
    let mut seed = [0; 8];
    // Without chance this node's choice among equals is another's, too: worse, not wrong.
    let _ = getrandom::fill(&mut seed);
    let mut salt = u64::from_le_bytes(seed);
    loop {
        let wait = async {
            tokio::select! {
                () = ctx.repair.notified() => {}
                () = tokio::time::sleep(EVERY) => {}
            }
        };
        if ctx.stop.run_until_cancelled(wait).await.is_none() {
            return;
        }
        salt = salt.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(1);
        match ctx.stop.run_until_cancelled(look(&ctx, salt)).await {
            None => return,
            // There may be more.
            Some(Ok(FETCHED_MAX)) => ctx.repair.notify_one(),
            Some(outcome) => log(outcome),
        }
    }
}

/// Gives up lent blobs for the sake of what needs room: nothing that the user fetched goes before them. Says whether any
/// went.
pub(crate) async fn make_room(ctx: &Ctx, bytes: u64) -> Result<bool> {
    let mut left = usize::try_from(bytes.div_ceil(protocol::params::BLOB_LEN as u64)).unwrap_or(usize::MAX);
    let before = left;
    for channel in ctx.with_store(|s| s.channels()).await? {
        let key = channel.key;
        let mut lent = ctx.with_store(move |s| s.lent(&key)).await?;
        lent.truncate(left);
        left -= lent.len();
        give_up(ctx, key, lent).await?;
    }
    Ok(left < before)
}

async fn give_up(ctx: &Ctx, key: ChannelKey, blobs: Vec<BlobId>) -> Result<()> {
    if blobs.is_empty() {
        return Ok(());
    }
    let gone = ctx.with_store(move |s| s.drop_lent(&key, &blobs)).await?;
    ctx.engine.send(Input::Unhold(gone)).await;
    Ok(())
}

/// One look: says how many blobs were fetched.
async fn look(ctx: &Ctx, salt: u64) -> Result<usize> {
    let (lend, channels) = ctx.with_store(|s| Ok((s.setting(SETTING)?, s.channels()?))).await?;
    let mut lend: u64 = lend.and_then(|text| text.parse().ok()).unwrap_or(0);
    let (quota, held) = {
        let governor = ctx.governor.lock().await;
        (governor.rules().quota, governor.hold().is_some())
    };
    if quota > 0 {
        let totals = ctx.with_store(|s| s.totals()).await?;
        lend = lend.min(quota.saturating_sub(totals.used.saturating_sub(totals.lent)));
    }
    let room = usize::try_from(lend / protocol::params::BLOB_LEN as u64).unwrap_or(usize::MAX);
    let (mut kept, mut offered, mut of) = (Vec::new(), Vec::new(), HashMap::new());
    for row in channels.into_iter().filter(|row| row.followed) {
        let key = row.key;
        let (mut lent, twice) = ctx.with_store(move |s| Ok((s.lent(&key)?, s.lent_twice(&key)?))).await?;
        lent.retain(|blob| !twice.contains(blob));
        give_up(ctx, key, twice).await?;
        let mut others = Vec::new();
        if room > 0 && !held && !row.paused {
            others = candidates(ctx, key, &mut lent, salt).await?;
        }
        of.extend(lent.iter().chain(&others).map(|blob| (*blob, key)));
        count(ctx, key, &mut kept, lent, &mut offered, others, salt).await;
    }
    let choice = repair::choose(room, kept, offered, FETCHED_MAX, salt);
    let mut going: HashMap<ChannelKey, Vec<BlobId>> = HashMap::new();
    for blob in choice.drop {
        if let Some(key) = of.get(&blob) {
            going.entry(*key).or_default().push(blob);
        }
    }
    for (key, blobs) in going {
        give_up(ctx, key, blobs).await?;
    }
    fetch(ctx, choice.fetch.into_iter().filter_map(|blob| Some((blob, *of.get(&blob)?))).collect()).await
}

/// Blobs of listed items that are not here. Tables and lists that were read for it are lent from then on.
async fn candidates(ctx: &Ctx, key: ChannelKey, lent: &mut Vec<BlobId>, salt: u64) -> Result<Vec<BlobId>> {
    let mut rows = ctx.with_store(move |s| s.items(&key)).await?;
    rows.retain(|row| row.standing == Standing::Listed);
    rows.sort_by_cached_key(|row| BlobId::of(&[&row.id.0[..], &salt.to_be_bytes()].concat()));
    let mut blobs = Vec::new();
    for row in rows {
        if blobs.len() >= ASKED_MAX {
            break;
        }
        let Ok(item) = Item::from_json(&row.json) else { continue };
        let mut tables = Vec::new();
        let reading = channel::content(ctx, key, &item.payload, &mut tables);
        let Ok(Ok(files)) = tokio::time::timeout(READ_TIMEOUT, reading).await else { continue };
        let read = tables.clone();
        ctx.with_store(move |s| s.lend_structure(&key, &read)).await?;
        let mut chunks: Vec<BlobId> =
            files.into_iter().flat_map(|(_, chunks)| chunks).map(|chunk| chunk.blob).collect();
        chunks.sort_by_cached_key(|blob| BlobId::of(&[&blob.0[..], &salt.to_be_bytes()].concat()));
        chunks.dedup();
        chunks.truncate(ASKED_MAX);
        let lacking = ctx.with_store(move |s| {
            let lacks = |blob: &BlobId| s.has(blob).map(|has| !has);
            let mut lacking = Vec::new();
            for blob in chunks {
                if lacks(&blob)? {
                    lacking.push(blob);
                }
            }
            Ok(lacking)
        });
        blobs.extend(lacking.await?);
    }
    blobs.truncate(ASKED_MAX);
    *lent = ctx.with_store(move |s| s.lent(&key)).await?;
    Ok(blobs)
}

/// Asks the channel's peers who has what.
async fn count(
    ctx: &Ctx,
    key: ChannelKey,
    kept: &mut Vec<Counted>,
    mut lent: Vec<BlobId>,
    offered: &mut Vec<Counted>,
    others: Vec<BlobId>,
    salt: u64,
) {
    lent.sort_by_cached_key(|blob| BlobId::of(&[&blob.0[..], &salt.to_be_bytes()].concat()));
    let asked: Vec<BlobId> = lent.iter().take(ASKED_MAX).chain(&others).copied().collect();
    let peers = ctx.engine.ask(move |swarm, _| swarm.survey(&key, &asked)).await.unwrap_or(0);
    if peers > 0 {
        tokio::time::sleep(SURVEY_WAIT).await;
    }
    let counted = ctx.engine.ask(move |swarm, _| {
        let count = |blob: BlobId| Counted { blob, holders: swarm.holders(&blob) };
        (lent.into_iter().map(count).collect::<Vec<_>>(), others.into_iter().map(count).collect::<Vec<_>>())
    });
    if let Some((ours, theirs)) = counted.await {
        kept.extend(ours);
        offered.extend(theirs);
    }
}

/// Fetches these and keeps them; says how many came.
async fn fetch(ctx: &Ctx, blobs: Vec<(BlobId, ChannelKey)>) -> Result<usize> {
    let mut waiting = Vec::new();
    for (blob, channel) in blobs {
        let (done, wait) = oneshot::channel();
        ctx.engine.send(Input::Structure { blob, channel, role: Role::Lent, done }).await;
        waiting.push((blob, wait));
    }
    let deadline = tokio::time::Instant::now() + FETCH_TIMEOUT;
    let (mut came, mut late, mut trouble) = (0, Vec::new(), None);
    for (blob, wait) in waiting {
        match tokio::time::timeout_at(deadline, wait).await {
            Ok(Ok(Ok(()))) => came += 1,
            Ok(Ok(Err(error))) => trouble = Some(ErrorInfo::from(error)),
            // An item of this node wants it now.
            Ok(Err(_)) => {}
            Err(_) => late.push(blob),
        }
    }
    ctx.engine.send(Input::UnwantLent(late)).await;
    match trouble {
        // There is less room than was lent: what is here is kept.
        Some(error) if !matches!(error.code, Code::Quota | Code::DiskFull) => Err(error),
        _ => Ok(came),
    }
}
