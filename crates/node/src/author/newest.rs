//! Before a list is signed: the newest one, which another device may have signed, is read.

use std::sync::Arc;

use protocol::ChannelKey;

use super::mark;
use crate::api::{Code, ErrorInfo, Event};
use crate::ctx::Ctx;
use crate::error::{Result, fail};
use crate::verbs::ids;
use crate::{channel, fresh, list, view};

/// Sees to it that what is signed next is made from the newest list that there is. Who made an identity here and never gave
/// it away asks nobody; else it takes as long as [`fresh::newest`]. An identity from a backup reads what it published
/// before it signs for the first time.
///
/// # Errors
/// A list is there that cannot be read, and nothing was ever read here: whatever is signed would take its place. The channel
/// has another read key now.
pub(crate) async fn read(ctx: &Ctx, key: ChannelKey) -> Result<()> {
    let setting = ids::restored_setting(&key);
    let (row, restored) = {
        let setting = setting.clone();
        ctx.with_store(move |s| Ok((s.channel(&key)?, s.setting(&setting)?.is_some()))).await?
    };
    let Some(row) = row else { return Ok(()) };
    let unread = row.manifest.as_ref().is_some_and(|m| m.sequence() > row.body_sequence);
    if ctx.config.offline {
        let wants = unread || (restored && row.manifest.is_none());
        return if wants { fail(Code::BadArgument, "This needs a running node.") } else { Ok(()) };
    }
    if row.manifest.is_none() {
        if !restored {
            return Ok(());
        }
        find(ctx, key).await?;
    } else if unread || !mark::is_alone(ctx, key).await? {
        look(ctx, key).await?;
    }
    if restored {
        ctx.with_store(move |s| s.set_setting(&setting, None)).await?;
    }
    Ok(())
}

/// Where nothing is known of a channel that may have been published, the DHT must have answered.
async fn find(ctx: &Ctx, key: ChannelKey) -> Result<()> {
    let Some(dht) = ctx.dht() else {
        return fail(Code::TimedOut, "This identity comes from a backup. Its list has not been found yet.");
    };
    match dht.get_manifest(&key, 0).await {
        Ok(Some(found)) => list::absorb(ctx, Arc::new(found.manifest), Arc::default()).await,
        // The DHT answered: there is no list, not any more.
        Ok(None) => Ok(()),
        Err(error) => {
            let text = format!("This identity comes from a backup. Its list must be found first: {error}.");
            fail(Code::TimedOut, text)
        }
    }
}

/// Asks who can be asked, and waits until what they know is read.
async fn look(ctx: &Ctx, key: ChannelKey) -> Result<()> {
    let peers = ctx.engine.ask(move |swarm, _| swarm.peers_of(&key)).await.unwrap_or(0);
    let unread = |row: &store::Channel| row.manifest.as_ref().is_some_and(|m| m.sequence() > row.body_sequence);
    let row = ctx.with_store(move |s| s.channel(&key)).await?;
    if ctx.dht().is_none() && peers == 0 && !row.as_ref().is_some_and(unread) {
        // Whoever comes later brings what they have, and then both are made one.
        return Ok(());
    }
    let why = fresh::newest(ctx, key).await?;
    let Some(row) = ctx.with_store(move |s| s.channel(&key)).await?.filter(unread) else {
        if let Some(why) = why {
            tracing::info!(channel = %key, "signed without having asked: {why}");
        }
        return Ok(());
    };
    let why = why.unwrap_or_else(|| "There is a newer list, but it cannot be read yet.".into());
    if let Some(cause @ crate::api::Cause::WrongReadKey { .. }) = view::standings(ctx).await.unread.remove(&key) {
        let text = format!(
            "Another of your devices gave this channel a new read key. {cause}. Its new link opens it here too: \
             megatorrent new-key LINK"
        );
        return fail(Code::WrongReadKey, text);
    }
    if row.body_sequence == 0 {
        return fail(Code::TimedOut, format!("{why} Nothing was signed: it would have taken that list's place."));
    }
    // Of this identity's devices, the one that signed it adds what is missing as soon as it hears of this one.
    let named = channel::named(ctx, key).await;
    let text =
        format!("{why} What only that list has comes back to {named} when the device that signed it is there again.");
    ctx.emit(Event::Notice(ErrorInfo::new(Code::TimedOut, text)));
    Ok(())
}
