//! One function per verb of [`crate::api::Request`].
//!
//! Promises: a verb is a task of the node, so that nobody who goes away cuts it between two steps; it ends before its end
//! only where it looks at its [`Caller`] or at the node's stop, and what is then half done is put right first.

mod caller;
mod care;
mod fetch;
mod follow;
mod give_up;
pub(crate) mod ids;
mod inside;
mod play;
mod publish;
mod waits;

pub(crate) use caller::Caller;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use protocol::words::quoted;
use protocol::{ChannelKey, ItemId, Link};
use store::{Channel, ItemRow};

use crate::api::{Code, ErrorInfo, Reply, Request, Settings, paths};
use crate::config::{RATE_MIN, SAY_AFTER};
use crate::ctx::Ctx;
use crate::error::{Result, fail};
use crate::governor::{self, Rules};
use crate::library::LibraryInput;
use crate::near::Near;
use crate::schedule::Schedule;
use crate::{author, list, network, repair, view};

pub(crate) use ids::{after_rebuild, keyring_opens, secrets};

/// Carries out a verb for this caller.
pub(crate) async fn call(ctx: &Ctx, request: Request, caller: &Caller) -> Result<Reply> {
    match request {
        Request::IdNew(args) => ids::new(ctx, args).await.map(Reply::Identity),
        Request::IdList => view::identities(ctx).await.map(Reply::Identities),
        Request::IdExport(args) => ids::export(ctx, args).await.map(|()| Reply::Done),
        Request::IdImport(args) => ids::import(ctx, args).await.map(Reply::Identity),
        Request::IdRename(args) => ids::rename(ctx, args).await.map(Reply::Identity),
        Request::Publish(args) => publish::publish(ctx, args, caller).await.map(Reply::Published),
        Request::CancelPublish(args) => ctx.jobs.cancel(&args.job).map(|()| Reply::Done),
        Request::Unpublish(args) => publish::unpublish(ctx, args).await.map(Reply::Published),
        Request::Edit(args) => publish::edit(ctx, args).await.map(Reply::Published),
        Request::ParseLink(args) => follow::parse(ctx, &args.link).await.map(Reply::Link),
        Request::Look(args) => follow::look(ctx, &args.link, caller).await.map(Reply::Looked),
        Request::Subscribe(args) => follow::subscribe(ctx, args).await.map(Reply::Channel),
        Request::Unsubscribe(args) => follow::unsubscribe(ctx, args).await.map(|kept| done(&kept)),
        Request::Channels => view::channels(ctx).await.map(Reply::Channels),
        Request::Items(args) => {
            let key = find_channel(ctx, &args.channel).await?.key;
            let rows = ctx.with_store(move |s| s.items(&key)).await?;
            view::items(ctx, rows).await.map(Reply::Items)
        }
        Request::Files(args) => {
            let row = find_item(ctx, &args.item).await?;
            view::files(ctx, row.channel, row.id).await.map(Reply::Files)
        }
        Request::Get(args) => fetch::get(ctx, args, caller).await.map(Reply::Got),
        Request::Pause(target) => fetch::pause(ctx, target, true).await.map(|()| Reply::Done),
        Request::Resume(target) => fetch::pause(ctx, target, false).await.map(|()| Reply::Done),
        Request::Remove(args) => fetch::remove(ctx, args).await.map(|kept| done(&kept)),
        Request::Verify(args) => fetch::verify(ctx, &args.item).await.map(Reply::Verified),
        Request::Locate(args) => fetch::locate(ctx, args).await.map(Reply::Verified),
        Request::Place(args) => play::place(ctx, args).await.map(Reply::Place),
        Request::Inside(args) => inside::inside(ctx, args.path).await.map(Reply::Inside),
        Request::Play(args) => play::play(ctx, args, caller).await.map(Reply::Playable),
        Request::Status => view::status(ctx).await.map(Reply::Status),
        Request::Transfers => {
            let rows = ctx.with_store(|s| s.transfers()).await?;
            view::items(ctx, rows).await.map(Reply::Transfers)
        }
        Request::Peers => Ok(Reply::Peers(if ctx.config.offline { Vec::new() } else { view::peers(ctx).await })),
        Request::ChannelLink(args) => {
            let row = find_channel(ctx, &args.channel).await?;
            Ok(Reply::LinkText(link_of(ctx, &row).await?))
        }
        Request::SetChannel(args) => care::set_channel(ctx, args).await.map(Reply::Channel),
        Request::SetItem(args) => care::set_item(ctx, args).await.map(|()| Reply::Done),
        Request::Choose(args) => care::choose(ctx, args, caller).await.map(|()| Reply::Done),
        Request::Open(args) => care::open(ctx, &args.item, caller).await.map(|()| Reply::Done),
        Request::PauseFor(args) => fetch::pause_for(ctx, args.seconds).await.map(|()| Reply::Done),
        Request::MoveData(args) => care::move_data(ctx, args, caller).await.map(|kept| done(&kept)),
        Request::Rekey(args) => publish::rekey(ctx, &args.channel).await.map(Reply::Published),
        Request::NewKey(args) => follow::new_key(ctx, &args.link).await.map(Reply::Channel),
        Request::Search(args) => care::search(ctx, args).await.map(Reply::Items),
        Request::Settings => settings(ctx).await.map(Reply::Settings),
        Request::SetSettings(new) => set_settings(ctx, new).await.map(Reply::Settings),
        Request::Unlock(args) => ids::unlock(ctx, args).await.map(|()| Reply::Done),
        Request::GiveUp(args) => give_up::give_up(ctx, args).await.map(Reply::GivenUp),
        Request::Leak(args) => {
            online(ctx)?;
            caller.unless_gone(crate::doctor::leak(ctx, args.seconds)).await.map(Reply::Leak)
        }
        Request::Watch => view::snapshot(ctx).await.map(Reply::Watching),
        Request::Shutdown => {
            ctx.stop.cancel();
            Ok(Reply::Done)
        }
    }
}

/// Done, but for files that stay where they are.
fn done(kept: &[PathBuf]) -> Reply {
    match kept {
        [] => Reply::Done,
        kept => Reply::Kept(kept.iter().map(|file| file.display().to_string()).collect()),
    }
}

/// Sets its flag when dropped: blocking work stops when the caller goes away.
pub(crate) struct Cancel(pub(crate) Arc<AtomicBool>);

impl Drop for Cancel {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Why a private channel's read key cannot be had.
fn no_read_key(ctx: &Ctx) -> ErrorInfo {
    if ctx.store.is_open() {
        let text =
            "The read key of this channel is not here any more. Its link opens it again: megatorrent new-key LINK";
        return ErrorInfo::new(Code::WrongReadKey, text);
    }
    ErrorInfo::new(Code::Secrets, "The read key of this channel is locked.")
}

/// A channel's link, with its read key if it is private. It names a way in by Tor, where there is one: for a channel of ours
/// its own onion address, and where there is no DHT its gateways; there, for another's, what the link named that we had.
pub(crate) async fn link_of(ctx: &Ctx, row: &Channel) -> Result<String> {
    if row.private && row.read_key.is_none() {
        return Err(no_read_key(ctx));
    }
    let read_key = row.read_key.clone().filter(|_| row.private);
    let network = ctx.network();
    let mut bootstrap = Vec::new();
    if row.own {
        bootstrap.extend(network::onion_of(ctx, row.key).await?);
    }
    if network.is_detour() {
        if row.own {
            bootstrap.extend(author::gateways(ctx, row.key).await?);
        } else {
            bootstrap.extend(crate::channel::link_peers(ctx, row.key).await?);
        }
        let mut seen = std::collections::HashSet::new();
        bootstrap.retain(|addr: &protocol::PeerAddr| seen.insert(addr.clone()));
        bootstrap.truncate(protocol::params::LINK_PEERS_MAX);
    }
    Ok(Link { channel: row.key, read_key, bootstrap }.to_text().to_string())
}

/// A channel by key, unique prefix (8 characters or more), name or link.
async fn find_channel(ctx: &Ctx, text: &str) -> Result<Channel> {
    let rows = ctx.with_store(|s| s.channels()).await?;
    let key = text.parse::<Link>().map(|l| l.channel).ok().or_else(|| text.parse::<ChannelKey>().ok());
    if let Some(key) = key {
        return rows.into_iter().find(|r| r.key == key).ok_or_else(|| view::unknown("channel", &key.to_string()));
    }
    let prefix = text.len() >= 8 && text.bytes().all(|b| b.is_ascii_hexdigit());
    let local = ctx.with_store(|s| s.identities()).await?;
    let by_name = |row: &Channel| row.name == text || local.iter().any(|i| i.key == row.key && i.name == text);
    let mut found: Vec<Channel> = rows
        .into_iter()
        .filter(|r| by_name(r) || (prefix && r.key.to_string().starts_with(&text.to_lowercase())))
        .collect();
    match (found.pop(), found.is_empty()) {
        (Some(row), true) => Ok(row),
        (Some(_), false) => {
            fail(Code::Ambiguous, format!("More than one channel is called {}. Use its key.", quoted(text)))
        }
        (None, _) => Err(view::unknown("channel", text)),
    }
}

/// An item by ID, unique prefix or title, of any channel or as `channel/item`.
async fn find_item(ctx: &Ctx, text: &str) -> Result<ItemRow> {
    let (rows, item) = match text.rsplit_once('/') {
        Some((channel, item)) if !channel.is_empty() => {
            let key = find_channel(ctx, channel).await?.key;
            (ctx.with_store(move |s| s.item_heads(&key)).await?, item)
        }
        _ => {
            let (hex, title) = (text.to_lowercase(), text.to_owned());
            let rows = ctx.with_store(move |s| {
                let mut rows = s.items_named(&title)?;
                if hex.len() >= 4 {
                    rows.extend(s.items_by_prefix(&hex)?.into_iter().filter(|row| row.name != title));
                }
                Ok(rows)
            });
            (rows.await?, text)
        }
    };
    let exact: Option<ItemId> = item.parse().ok();
    let mut found: Vec<ItemRow> = rows
        .into_iter()
        .filter(|r| {
            Some(r.id) == exact
                || r.name == item
                || (item.len() >= 4 && r.id.to_string().starts_with(&item.to_lowercase()))
        })
        .collect();
    // A title is anybody's choice: it does not stand in the way of an ID.
    if found.iter().any(|row| Some(row.id) == exact) {
        found.retain(|row| Some(row.id) == exact);
    }
    match (found.pop(), found.is_empty()) {
        (Some(row), true) => Ok(row),
        (Some(_), false) => fail(
            Code::Ambiguous,
            format!("More than one item fits {}. Use CHANNEL/ITEM with the full ID.", quoted(text)),
        ),
        (None, _) => fail(
            Code::NotFound,
            format!(
                "There is no item {} here. Use its title, its ID (4 characters or more) or CHANNEL/ITEM.",
                quoted(text)
            ),
        ),
    }
}

async fn settings(ctx: &Ctx) -> Result<Settings> {
    let (dir, gateway) = ctx.with_store(|s| Ok((s.setting("download_dir")?, s.setting("gateway")?))).await?;
    let gateways = network::gateways(ctx).await?.iter().map(ToString::to_string).collect();
    let dir = match dir {
        Some(dir) => crate::channel::kept_path(&dir)?,
        None => crate::folders::downloads(ctx).await?,
    };
    let (rules, schedule, near, lend) = ctx
        .with_store(|s| Ok((Rules::load(s)?, s.setting("schedule")?, Near::load(s)?, repair::Rules::load(s)?)))
        .await?;
    Ok(Settings {
        download_dir: Some(dir),
        gateway: Some(gateway.as_deref() == Some("true")),
        route: Some(network::shown(ctx).await?),
        gateways: Some(gateways),
        lan: Some(near.lan),
        port_mapping: Some(near.port_mapping),
        down: Some(rules.all.down),
        up: Some(rules.all.up),
        peer_down: Some(rules.peer.down),
        peer_up: Some(rules.peer.up),
        month: Some(rules.month),
        quota: Some(rules.quota),
        lend: Some(lend.space),
        lend_channel: Some(lend.channel),
        lend_rate: Some(lend.rate),
        lend_paused: Some(lend.paused),
        list_max: Some(list::bytes_max(ctx).await?),
        schedule: Some(schedule.unwrap_or_default()),
    })
}

/// Keeps what is wanted of the near network.
async fn set_near(ctx: &Ctx, new: &Settings) -> Result<()> {
    let words = |on: Option<bool>| on.map(|on| if on { "true" } else { "false" });
    let wanted = [("lan", words(new.lan)), ("port_mapping", words(new.port_mapping))];
    let near = ctx
        .with_store(move |s| {
            let wanted: Vec<_> = wanted.into_iter().filter(|(_, value)| value.is_some()).collect();
            s.set_settings(&wanted)?;
            Near::load(s)
        })
        .await?;
    ctx.near.send_if_modified(|old| std::mem::replace(old, near) != near);
    Ok(())
}

/// Keeps what the governor heeds.
async fn set_rules(ctx: &Ctx, new: &Settings) -> Result<()> {
    let rates = [
        ("down", new.down),
        ("up", new.up),
        ("peer_down", new.peer_down),
        ("peer_up", new.peer_up),
        (repair::RATE, new.lend_rate),
    ];
    if rates.iter().any(|(_, rate)| rate.is_some_and(|rate| (1..RATE_MIN).contains(&rate))) {
        return fail(Code::BadArgument, format!("A limit is at least {RATE_MIN} bytes a second; 0 is no limit."));
    }
    if let Some(text) = &new.schedule {
        let parsed: std::result::Result<Schedule, String> = text.parse();
        parsed.map_err(|why| ErrorInfo::new(Code::BadArgument, format!("This is no schedule: {why}.")))?;
    }
    let numbers = rates.into_iter().chain([
        ("month", new.month),
        ("quota", new.quota),
        (repair::SPACE, new.lend),
        (list::SETTING, new.list_max),
    ]);
    let mut settings: Vec<(&str, Option<String>)> =
        numbers.filter_map(|(name, value)| value.map(|value| (name, (value > 0).then(|| value.to_string())))).collect();
    // Without a word of the user each channel has a bound: nothing is another answer than none.
    settings.extend(new.lend_channel.map(|bytes| (repair::CHANNEL, Some(bytes.to_string()))));
    settings.extend(new.lend_paused.map(|paused| (repair::PAUSED, paused.then(|| "true".to_owned()))));
    let schedule = new.schedule.clone();
    if settings.is_empty() && schedule.is_none() {
        return Ok(());
    }
    ctx.with_store(move |s| {
        let mut values: Vec<(&str, Option<&str>)> =
            settings.iter().map(|(name, value)| (*name, value.as_deref())).collect();
        values.extend(schedule.as_deref().map(|text| ("schedule", Some(text.trim()).filter(|text| !text.is_empty()))));
        s.set_settings(&values)
    })
    .await?;
    governor::apply(ctx).await?;
    if new.lend.is_some() || new.lend_channel.is_some() || new.lend_rate.is_some() || new.lend_paused.is_some() {
        ctx.repair.notify_one();
    }
    if new.quota.is_some() {
        ctx.library.send(LibraryInput::Retry);
    }
    if new.list_max.is_some() && !ctx.config.offline {
        // Lists that were too long may not be any more.
        for row in ctx.with_store(|s| s.channels()).await? {
            ctx.library.send(LibraryInput::Asked(row.key));
            crate::channel::read_again(ctx, row.key).await?;
        }
    }
    Ok(())
}

/// Whether files can be written to a folder, which is made when it lacks: told when it is chosen, not at the first download.
async fn takes_files(dir: PathBuf) -> Result<()> {
    crate::error::blocking(move || {
        let refused = |error: &std::io::Error| match error.kind() {
            _ if dir.exists() && !dir.is_dir() => "it is no folder".to_owned(),
            std::io::ErrorKind::PermissionDenied => "this account has no permission".to_owned(),
            std::io::ErrorKind::ReadOnlyFilesystem => "its disk takes no writing".to_owned(),
            std::io::ErrorKind::StorageFull => "its disk is full".to_owned(),
            _ => error.to_string(),
        };
        let tried = std::fs::create_dir_all(&dir).and_then(|()| store::may_write(&dir));
        tried.map_err(|error| {
            let text = format!("{} cannot take downloads: {}.", dir.display(), refused(&error));
            ErrorInfo::new(Code::NotWritable, text)
        })
    })
    .await
}

async fn set_settings(ctx: &Ctx, new: Settings) -> Result<Settings> {
    set_rules(ctx, &new).await?;
    set_near(ctx, &new).await?;
    if let Some(dir) = &new.download_dir {
        if !dir.is_absolute() {
            return fail(Code::BadArgument, format!("{} is not an absolute path.", paths::shown(dir)));
        }
        let text = paths::to_text(dir);
        takes_files(dir.clone()).await?;
        ctx.with_store(move |s| s.set_setting("download_dir", Some(&text))).await?;
    }
    if let Some(gateway) = new.gateway {
        ctx.with_store(move |s| s.set_setting("gateway", Some(if gateway { "true" } else { "false" }))).await?;
        if !ctx.config.offline {
            let ours = crate::node::capabilities(gateway && ctx.dht().is_some());
            ctx.engine.send(crate::engine::Input::Capabilities(ours)).await;
        }
    }
    if let Some(texts) = &new.gateways {
        let list = author::gateways_of(texts)?;
        let text = list.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
        ctx.with_store(move |s| s.set_setting(network::GATEWAYS, Some(&text))).await?;
        if !ctx.config.offline {
            network::tell_addresses(ctx).await?;
        }
    }
    if let Some(text) = new.route.map(zeroize::Zeroizing::new) {
        let choice: net::route::Choice =
            text.parse().map_err(|e| ErrorInfo::new(Code::BadArgument, crate::error::sentence(&e)))?;
        network::keep(ctx, &choice).await?;
        network::change(ctx).await?;
    }
    settings(ctx).await
}

/// Waits until `ready` gives something, looking again whenever the node tells news, and each second; no longer than somebody waits.
async fn wait_for<T, F: Future<Output = Result<Option<T>>>>(
    ctx: &Ctx,
    caller: &Caller,
    mut ready: impl FnMut() -> F,
) -> Result<T> {
    let mut news = ctx.events.subscribe();
    loop {
        if let Some(found) = ready().await? {
            return Ok(found);
        }
        let heard = tokio::time::timeout(SAY_AFTER, ctx.stop.run_until_cancelled(news.recv()));
        let Ok(heard) = caller.unless_gone(async { Ok(heard.await) }).await? else { continue };
        match heard {
            None => return fail(Code::Stopping, "The node is stopping."),
            Some(Err(tokio::sync::broadcast::error::RecvError::Closed)) => {
                return fail(Code::Stopping, "The node is stopping.");
            }
            Some(Err(tokio::sync::broadcast::error::RecvError::Lagged(_)) | Ok(_)) => {}
        }
    }
}

/// Networking verbs need a node that is not offline.
fn online(ctx: &Ctx) -> Result<()> {
    if ctx.config.offline { Err(ErrorInfo::new(Code::BadArgument, "This needs a running node.")) } else { Ok(()) }
}
