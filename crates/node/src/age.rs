//! How old something is, where that decides what is deleted: neither a clock that is wrong nor a publisher's date may.

use std::time::Duration;

use protocol::ChannelKey;
use store::{ItemRow, keeping};

use crate::api::{Code, ErrorInfo, Event};
use crate::ctx::Ctx;
use crate::error::Result;

/// Where the last believable time is kept, in ms since 1970.
const SEEN: &str = "clock";
const DAY_MS: u64 = 24 * 3600 * 1000;

/// What was believed last in this run, and whether anybody was told that the clock is not.
#[derive(Debug, Default)]
pub(crate) struct Believed {
    at: Option<(Duration, u64)>,
    told: bool,
}

/// The time by which ages are counted; the user is told once when the clock says something else.
pub(crate) async fn now(ctx: &Ctx) -> Result<u64> {
    let mut believed = ctx.believed.lock().await;
    let (ran, wall) = (ctx.clock.now(), ctx.clock.unix_ms());
    let (seen, since) = match believed.at {
        Some((at, seen)) => (seen, ran.saturating_sub(at)),
        None => (first(ctx, wall).await?, ran),
    };
    let signed = ctx.with_store(move |s| s.signed_last(wall)).await?;
    let since = u64::try_from(since.as_millis()).unwrap_or(u64::MAX);
    let now = keeping::believable(wall, seen, since, signed);
    believed.at = Some((ran, now));
    ctx.with_store(move |s| s.set_setting(SEEN, Some(&now.to_string()))).await?;
    if now == wall {
        believed.told = false;
    } else if !std::mem::replace(&mut believed.told, true) {
        let days = (wall - now) / DAY_MS;
        let text = format!(
            "This computer's clock is {} ahead of the last time that this program ran and of every list that it has read. \
             Rules by age delete nothing by that clock until a newer list says the same.",
            if days == 1 { "a day".to_owned() } else { format!("{days} days") }
        );
        ctx.emit(Event::Notice(ErrorInfo::new(Code::BadArgument, text)));
    }
    Ok(now)
}

/// What an earlier run believed. Where there was none, the clock is taken for right, if nothing is here that could be lost.
async fn first(ctx: &Ctx, wall: u64) -> Result<u64> {
    let (seen, empty) = ctx.with_store(|s| Ok((s.setting(SEEN)?, s.transfers()?.is_empty()))).await?;
    Ok(seen.and_then(|text| text.parse().ok()).unwrap_or(if empty { wall } else { 0 }))
}

/// An item is not older than the day on which it was first listed here, whatever its publisher says.
pub(crate) async fn not_before_it_was_seen(ctx: &Ctx, key: ChannelKey, now: u64, rows: &mut [ItemRow]) -> Result<()> {
    let known = ctx.with_store(move |s| s.known_since(&key)).await?;
    for row in rows {
        // A day that lies ahead is a clock's mistake, and tells nothing.
        let since = known.get(&row.id).copied().filter(|since| *since <= now.saturating_add(DAY_MS));
        row.published = row.published.max(since.unwrap_or(0));
    }
    Ok(())
}
