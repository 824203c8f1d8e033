//! Links looked at, channels followed and left.

use std::path::PathBuf;
use std::sync::Arc;

use protocol::Link;
use protocol::ReadKey;
use store::Channel;

use crate::api::{Cause, ChannelInfo, Code, Event, LinkInfo, Looked, Subscribe, Unsubscribe};
use crate::channel;
use crate::config::LIST_TIMEOUT;
use crate::ctx::Ctx;
use crate::engine::Input;
use crate::error::{Result, blocking, fail};
use crate::library::LibraryInput;
use crate::verbs::Caller;
use crate::verbs::waits::{For, Waits};
use crate::{by_id, folders, fresh, network, view};

/// What a link itself tells; nothing is sent anywhere.
pub(super) async fn parse(ctx: &Ctx, text: &str) -> Result<LinkInfo> {
    let link: Link = text.trim().parse()?;
    let key = link.channel;
    let row = ctx.with_store(move |s| s.channel(&key)).await?;
    if let Some(row) = row.as_ref().filter(|r| r.followed && !r.own) {
        same_key(row, link.read_key.as_ref())?;
    }
    Ok(LinkInfo {
        key: key.to_string(),
        fingerprint: key.fingerprint(),
        private: link.read_key.is_some(),
        bootstrap: link.bootstrap.iter().map(ToString::to_string).collect(),
        known: row.as_ref().is_some_and(|r| r.followed),
        own: row.is_some_and(|r| r.own),
    })
}

/// A link of a known channel with another read key is refused: it is a mistake or a trap.
fn same_key(row: &Channel, read_key: Option<&ReadKey>) -> Result<()> {
    match (&row.read_key, read_key) {
        (Some(kept), Some(given)) if kept != given => fail(
            Code::OtherReadKey,
            "This channel is known with another read key. Unsubscribe from it first to use this link.",
        ),
        _ => Ok(()),
    }
}

/// Records a link's channel, changed by `change`; without it, it is not followed yet.
pub(super) async fn record(
    ctx: &Ctx,
    link: &Link,
    change: impl FnOnce(&mut Channel) + Send + 'static,
) -> Result<Channel> {
    let (key, read_key) = (link.channel, link.read_key.clone());
    if let Some(known) = ctx.with_store(move |s| s.channel(&key)).await? {
        same_key(&known, link.read_key.as_ref())?;
    }
    if read_key.is_some() && ctx.keys.read().await.kind() == store::keys::KeyKind::Locked {
        return Err(super::secrets(&store::keys::KeyError::NoKeyring));
    }
    let record = move |s: &store::Store| {
        s.add_or_change_channel(channel::fresh(key), |row| {
            if row.read_key.is_none() && read_key.is_some() {
                (row.read_key, row.private) = (read_key, true);
            }
            change(row);
        })
    };
    let row = ctx.with_store(record).await?;
    // Whoever gives a link waits for its list.
    ctx.library.send(LibraryInput::Asked(key));
    Ok(row)
}

/// The publisher gave its channel a new read key: it takes the place of the one that is kept, on the user's word.
pub(super) async fn new_key(ctx: &Ctx, text: &str) -> Result<ChannelInfo> {
    let link: Link = text.trim().parse()?;
    let (key, new) = (link.channel, link.read_key.clone());
    if new.is_none() {
        return fail(Code::BadLink, "This link has no read key.");
    }
    let replaced = ctx
        .with_store(move |s| {
            s.change_channel(&key, |row| {
                (row.read_key, row.private) = (new, true);
                // Its newest list is read again, with the new key.
                row.body_sequence = 0;
            })
        })
        .await?;
    let Some(row) = replaced else { return Err(view::unknown("channel", &key.to_string())) };
    ctx.library.send(LibraryInput::Asked(key));
    channel::keep_link_peers(ctx, key, &link.bootstrap).await?;
    if !ctx.config.offline {
        channel::follow_link(ctx, &row, link.bootstrap).await?;
    }
    channel::told(ctx, key).await;
    view::channel(ctx, key).await?.ok_or_else(|| view::unknown("channel", &key.to_string()))
}

pub(super) async fn subscribe(ctx: &Ctx, args: Subscribe) -> Result<ChannelInfo> {
    let link: Link = args.link.trim().parse()?;
    let key = link.channel;
    if ctx.with_store(move |s| s.channel(&key)).await?.is_some_and(|row| row.own) {
        return fail(Code::Exists, "This channel is yours. It needs no subscription.");
    }
    let fetch = super::care::fetch_number(args.fetch);
    let row = record(ctx, &link, move |row| (row.followed, row.fetch) = (true, fetch)).await?;
    channel::keep_link_peers(ctx, row.key, &link.bootstrap).await?;
    if !ctx.config.offline {
        channel::follow_link(ctx, &row, link.bootstrap).await?;
        channel::start_wanted(ctx, row.key).await?;
        if row.body_sequence > 0 {
            // It was known before: what its list says today is fetched, and not what it said then.
            fresh::notice(ctx, fresh::newest(ctx, key).await);
        }
    }
    channel::told(ctx, row.key).await;
    view::channel(ctx, row.key).await?.ok_or_else(|| view::unknown("channel", &row.key.to_string()))
}

pub(super) async fn unsubscribe(ctx: &Ctx, args: Unsubscribe) -> Result<Vec<PathBuf>> {
    let row = super::find_channel(ctx, &args.channel).await?;
    if row.own {
        return fail(Code::BadArgument, "This channel is yours. It cannot be unsubscribed.");
    }
    let key = row.key;
    ctx.library.send(LibraryInput::Forget(key));
    if !ctx.config.offline {
        ctx.engine.send(Input::Unfollow(key)).await;
    }
    let removed = ctx
        .with_store(move |s| {
            s.set_setting(&channel::link_setting(&key), None)?;
            s.set_setting(&by_id::setting(&key), None)?;
            network::forget_onion(s, &key)?;
            s.remove_channel(&key, args.delete)
        })
        .await?;
    ctx.network().renew.notify_one();
    if args.delete {
        // The channel's own folder, if nothing else is in it; what people put there stays.
        if let Some(folder) = folders::known(ctx, &row).await? {
            blocking(move || {
                let _ = std::fs::remove_dir(&folder);
                Ok(())
            })
            .await?;
        }
    }
    if !ctx.config.offline {
        ctx.engine.send(Input::Unhold(removed.gone)).await;
    }
    ctx.emit(Event::ChannelGone(key.to_string()));
    Ok(removed.kept)
}

/// As [`list_of`], but not for ever.
pub(super) async fn list_soon(ctx: &Ctx, key: protocol::ChannelKey, caller: &Caller) -> Result<Channel> {
    match tokio::time::timeout(LIST_TIMEOUT, list_of(ctx, key, caller)).await {
        Ok(found) => found,
        Err(_) => {
            let mut text = format!("Nobody showed this channel's list within {} s.", LIST_TIMEOUT.as_secs());
            match Waits::begin(ctx, key, For::List).cause().await? {
                None | Some(Cause::NoManifest) => {}
                Some(cause) => text += &format!(" {cause}."),
            }
            fail(Code::TimedOut, text)
        }
    }
}

/// Waits until a channel's list was read at least once.
pub(super) async fn list_of(ctx: &Ctx, key: protocol::ChannelKey, caller: &Caller) -> Result<Channel> {
    let waits = &Waits::begin(ctx, key, For::List);
    super::wait_for(ctx, caller, || async move {
        let row = ctx.with_store(move |s| s.channel(&key)).await?.filter(|r| r.body_sequence > 0);
        if row.is_some() {
            return Ok(row);
        }
        match view::standings(ctx).await.unread.remove(&key) {
            Some(Cause::WrongReadKey { what }) => fail(Code::WrongReadKey, what),
            Some(cause @ Cause::DiskFull { .. }) => fail(Code::DiskFull, format!("{cause}.")),
            Some(cause) => fail(Code::BadContent, format!("{cause}.")),
            None => waits.tell().await.map(|()| None),
        }
    })
    .await
}

/// Fetches a link's list; a channel that was not known is forgotten again.
pub(super) async fn look(ctx: &Ctx, text: &str, caller: &Caller) -> Result<Looked> {
    super::online(ctx)?;
    let link: Link = text.trim().parse()?;
    let key = link.channel;
    let known = ctx.with_store(move |s| s.channel(&key)).await?.is_some();
    let row = record(ctx, &link, |_| {}).await?;
    let guard = Forget { ctx: ctx.clone(), key, armed: !known };
    channel::follow_link(ctx, &row, link.bootstrap).await?;
    let stale = if row.body_sequence > 0 && !row.own { fresh::newest(ctx, key).await? } else { None };
    list_soon(ctx, key, caller).await?;
    let rows = ctx.with_store(move |s| s.items(&key)).await?;
    let channel = view::channel(ctx, key).await?.ok_or_else(|| view::unknown("channel", &key.to_string()))?;
    let items = view::items(ctx, rows).await?;
    drop(guard);
    Ok(Looked { channel, items, stale })
}

/// Forgets a looked-at channel, also when the looking is cancelled.
struct Forget {
    ctx: Ctx,
    key: protocol::ChannelKey,
    armed: bool,
}

impl Drop for Forget {
    fn drop(&mut self) {
        if !self.armed {
            return;
        }
        let (ctx, key) = (Arc::clone(&self.ctx), self.key);
        self.ctx.spawn(async move {
            // Subscribed meanwhile: it stays.
            let row = ctx.with_store(move |s| s.channel(&key)).await;
            if matches!(row, Ok(Some(row)) if !row.followed && !row.own) {
                ctx.library.send(LibraryInput::Forget(key));
                ctx.engine.send(Input::Unfollow(key)).await;
                if let Ok(removed) = ctx.with_store(move |s| s.remove_channel(&key, false)).await {
                    ctx.engine.send(Input::Unhold(removed.gone)).await;
                }
            }
        });
    }
}
