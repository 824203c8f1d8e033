//! E4 The newest list, for a person who asks for it: one look into the DHT and at who is connected, waited for.
//!
//! Promises: it takes no longer than [`FRESH_TIMEOUT`], and the time that a newer list takes to be read; who could not be
//! asked is told in words, and what was known stays.

use std::pin::pin;
use std::time::Duration;

use protocol::ChannelKey;
use tokio::time::timeout;

use crate::api::{Code, ErrorInfo, Event};
use crate::channel::{self, Shown};
use crate::config::{FRESH_TIMEOUT, FRESH_TIMEOUT_DETOUR, LIST_TIMEOUT};
use crate::ctx::Ctx;
use crate::error::{Result, sentence};
use crate::view;

/// Between two looks whether peers have answered, and whether the list is read.
const LOOK: Duration = Duration::from_millis(100);
/// Peers of a private channel have this long before the DHT is asked.
const PEERS_FIRST: Duration = Duration::from_secs(4);
/// Connected peers that push have this long to answer what is asked of them.
const PUSHERS: Duration = Duration::from_secs(3);
/// Peers have this long when the DHT has answered that it knows of no list.
const PEERS_BESIDE: Duration = Duration::from_secs(3);

/// Looks for a newer list than the one that was read last, and waits until it is read. Returns why the one at hand may be
/// old, if it may.
pub(crate) async fn newest(ctx: &Ctx, key: ChannelKey) -> Result<Option<String>> {
    let since = ctx.clock.now();
    let limit = if ctx.network().is_detour() { FRESH_TIMEOUT_DETOUR } else { FRESH_TIMEOUT };
    let asked = ctx.until_stop(async { Ok(timeout(limit, asked(ctx, key, since)).await.unwrap_or(false)) }).await?;
    if asked {
        let now = ctx.clock.unix_ms();
        ctx.with_store(move |s| s.change_channel(&key, |row| row.checked = Some(now))).await?;
    }
    let read = ctx.until_stop(async { Ok(timeout(LIST_TIMEOUT, read(ctx, key)).await) }).await?;
    let named = channel::named(ctx, key).await;
    Ok(match read {
        Ok(Ok(None)) if asked => None,
        Ok(Ok(None)) => Some(format!(
            "Nobody could be asked within {} s whether {named} has a newer list. This is the last one known.",
            limit.as_secs()
        )),
        Ok(Ok(Some(why))) => Some(format!("The newest list of {named} cannot be read: {}", sentence(&why))),
        Ok(Err(error)) => return Err(error),
        Err(_) => Some(format!("There is a newer list of {named}, but nobody who is online has it all.")),
    })
}

/// As [`newest`], beside other work: what a person must know is a notice.
pub(crate) fn look(ctx: &Ctx, key: ChannelKey) {
    let at = ctx.clone();
    ctx.spawn(async move { notice(&at, newest(&at, key).await) });
}

/// Tells listeners why a list may be old.
pub(crate) fn notice(ctx: &Ctx, outcome: Result<Option<String>>) {
    match outcome {
        Ok(None) => {}
        Ok(Some(why)) => ctx.emit(Event::Notice(ErrorInfo::new(Code::TimedOut, why))),
        Err(error) => crate::library::log::<()>(Err(error)),
    }
}

/// Asks the DHT, and waits for what peers say meanwhile; false is never returned: it takes as long as it may.
async fn asked(ctx: &Ctx, key: ChannelKey, since: Duration) -> bool {
    // Whoever pushes what is new may do so in some seconds only: it is asked as well.
    ctx.engine.ask(move |swarm, now| swarm.ask_newest(now, &key)).await;
    // E7: whoever follows a private channel asks its swarm first.
    let private = ctx.with_store(move |s| s.channel(&key)).await.is_ok_and(|row| row.is_some_and(|row| row.private));
    if private && timeout(PEERS_FIRST, answered(ctx, key, since)).await.is_ok() {
        return true;
    }
    let mut look = pin!(channel::refresh(ctx, key));
    let mut peers = pin!(answered(ctx, key, since));
    tokio::select! {
        shown = &mut look => match shown {
            Ok(Shown::List) => {}
            Ok(Shown::Nothing) => {
                let _ = timeout(PEERS_BESIDE, peers).await;
            },
            Ok(Shown::NoDht) | Err(_) => peers.await,
        },
        () = &mut peers => {
            // Those who push have the newest that they know of; the DHT may know of a newer one still.
            if ctx.dht().is_some_and(|dht| dht.status().nodes > 0)
                && let Err(error) = look.await
            {
                tracing::debug!(channel = %key, code = ?error.code, "the DHT was not asked: {}", error.message);
            }
        }
    }
    true
}

/// Returns when a peer has said what it knows of the channel's list, and what it knew is here.
async fn answered(ctx: &Ctx, key: ChannelKey, since: Duration) {
    loop {
        let news = ctx.engine.ask(move |swarm, _| swarm.news(&key)).await.unwrap_or_default();
        let heard = news.pushed || news.heard.is_some_and(|at| at >= since);
        if heard && (!news.open || ctx.clock.now().saturating_sub(since) >= PUSHERS) {
            return;
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// Waits until the newest list that is known is read; returns why it cannot be.
async fn read(ctx: &Ctx, key: ChannelKey) -> Result<Option<String>> {
    loop {
        let newest = ctx.engine.ask(move |swarm, _| swarm.newest(&key)).await.unwrap_or_default();
        let Some(row) = ctx.with_store(move |s| s.channel(&key)).await? else { return Ok(None) };
        if row.body_sequence >= newest {
            return Ok(None);
        }
        if let Some(cause) = view::standings(ctx).await.unread.remove(&key) {
            return Ok(Some(cause.to_string()));
        }
        tokio::time::sleep(LOOK).await;
    }
}
