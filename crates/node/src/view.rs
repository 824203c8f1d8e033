//! How things look from outside: store rows and swarm state as api types.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::time::Duration;

use protocol::words::quoted;
use protocol::{ChannelKey, Item, ItemId, Link, Payload};
use store::keys::KeyStore;
use store::{Channel, ItemRow, Standing, Tally};
use tokio::sync::oneshot;

use crate::api::{
    Banned, BannedFor, Cause, ChannelInfo, Code, ErrorInfo, FetchRule, FileInfo, IdentityInfo, ItemInfo, ItemPriority,
    ItemState, KeepRule, LeftOut, PeerInfo, Snapshot, Status,
};
use crate::by_id;
use crate::ctx::Ctx;
use crate::error::Result;
use crate::library::{LibraryInput, Standings};

/// Banned peers that are told of at most.
const BANNED_SHOWN: usize = 100;

/// One channel.
pub(crate) async fn channel(ctx: &Ctx, key: ChannelKey) -> Result<Option<ChannelInfo>> {
    let found = ctx
        .with_store(move |s| match s.channel(&key)? {
            Some(row) => Ok(vec![(row, s.tally(&key)?)]),
            None => Ok(Vec::new()),
        })
        .await?;
    Ok(channel_infos(ctx, found).await.pop())
}

/// All followed and own channels.
pub(crate) async fn channels(ctx: &Ctx) -> Result<Vec<ChannelInfo>> {
    let found = ctx
        .with_store(|s| {
            let rows = s.channels()?.into_iter().filter(|row| row.followed || row.own);
            rows.map(|row| s.tally(&row.key).map(|tally| (row, tally))).collect()
        })
        .await?;
    Ok(channel_infos(ctx, found).await)
}

/// Rows, and what their lists sum up to, as api types. Swarm and library are asked once for all of them.
async fn channel_infos(ctx: &Ctx, found: Vec<(Channel, Tally)>) -> Vec<ChannelInfo> {
    let keys: Vec<ChannelKey> = found.iter().map(|(row, _)| row.key).collect();
    let in_swarm = ctx
        .engine
        .ask(move |swarm, now| {
            let of = |key| (swarm.peers_of(key), swarm.cause(now, key), swarm.of_user(key));
            keys.iter().map(of).collect::<Vec<_>>()
        })
        .await
        .unwrap_or_default();
    let in_swarm = in_swarm.into_iter().map(Some).chain(std::iter::repeat(None));
    let mut known = standings(ctx).await;
    let mut infos = Vec::with_capacity(found.len());
    for ((row, tally), in_swarm) in found.into_iter().zip(in_swarm) {
        let (peers, cause) = match in_swarm {
            Some((peers, cause, named)) if row.manifest.is_none() && peers == 0 => (0, no_list(ctx, cause, &named)),
            Some((peers, cause, _)) => (peers, from_swarm(ctx, cause)),
            None => (0, None),
        };
        let mut cause = cause_of(ctx, &row, &tally, cause, known.unread.remove(&row.key));
        ask_first(ctx, row.key, &mut cause).await;
        infos.push(channel_info(ctx, row, tally, peers, cause).await);
    }
    infos
}

/// Why the first list of a channel without any peer does not come: `cause` is the swarm's, `named` whom the user named.
fn no_list(ctx: &Ctx, cause: swarm::Cause, named: &[protocol::PeerAddr]) -> Option<Cause> {
    let network = ctx.network();
    if let Some((addr, why)) = network.unreached.of(named) {
        return Some(Cause::Unreached { addr: addr.to_string(), why, dht: network.dht.is_some() });
    }
    match cause {
        _ if network.is_dht_silent() => Some(Cause::DhtUnreachable),
        swarm::Cause::NoPeersKnown { asked: 0 } if network.dht.is_none() && !network.is_detour() => {
            Some(Cause::NoDht { listening: network.lets_in() })
        }
        swarm::Cause::NoPeersKnown { .. } if network.is_detour() => Some(Cause::NoWayIn),
        _ => Some(Cause::NoManifest),
    }
}

/// Why a channel does not stand as it should; `cause` is the swarm's, `unread` the reader's of its list.
fn cause_of(ctx: &Ctx, row: &Channel, tally: &Tally, cause: Option<Cause>, unread: Option<Cause>) -> Option<Cause> {
    if row.paused {
        Some(Cause::Paused)
    } else if unread.is_some() {
        unread
    } else if row.own && row.manifest.is_none() {
        None
    } else if row.private && row.read_key.is_none() && ctx.store.is_open() {
        Some(Cause::WrongReadKey {
            what: "The read key of this channel is not here any more. Its link opens it again".to_owned(),
        })
    } else if row.private && row.read_key.is_none() {
        Some(Cause::Locked)
    } else if let Some(of_route) = of_route(ctx).filter(|_| !row.own) {
        Some(of_route)
    } else if row.manifest.is_none() && ctx.config.offline {
        // Nothing is waited for: no node runs.
        None
    } else if row.manifest.is_none() {
        let of_list = |cause: &Cause| {
            matches!(cause, Cause::NoWayIn | Cause::NoDht { .. } | Cause::Unreached { .. } | Cause::DhtUnreachable)
        };
        cause.filter(of_list).or(Some(Cause::NoManifest))
    } else if tally.wanted > 0 {
        cause
    } else {
        None
    }
}

async fn channel_info(ctx: &Ctx, row: Channel, tally: Tally, peers: usize, cause: Option<Cause>) -> ChannelInfo {
    let key = row.key;
    let look_up = match by_id::is_asked_about(&row) {
        true => Some(ctx.with_store(move |s| by_id::allowed(s, &key)).await.is_ok_and(|word| word == Some(true))),
        false => None,
    };
    let mut name = row.name;
    if name.is_empty() && row.own {
        let identities = ctx.with_store(|s| s.identities()).await.unwrap_or_default();
        name = identities.into_iter().find(|i| i.key == key).map(|i| i.name).unwrap_or_default();
    }
    ChannelInfo {
        key: key.to_string(),
        fingerprint: key.fingerprint(),
        name,
        about: row.about,
        private: row.private,
        own: row.own,
        sequence: row.manifest.as_ref().map_or(0, protocol::SignedManifest::sequence),
        listed: row.body_sequence,
        items: tally.listed,
        complete: tally.complete,
        bytes: tally.bytes,
        checked: row.checked,
        seen_by: row.seen_by,
        peers: u32::try_from(peers).unwrap_or(u32::MAX),
        signed_twice: row.signed_twice,
        paused: row.paused,
        fetch: match u32::try_from(row.fetch) {
            Ok(0) => FetchRule::None,
            Ok(n) => FetchRule::Newest(n),
            Err(_) => FetchRule::All,
        },
        cause,
        keep: Some(keep_rule(row.keep)),
        encrypted: Some(row.encrypted),
        look_up,
    }
}

/// A rule as an api type.
pub(crate) fn keep_rule(keep: store::Keep) -> KeepRule {
    match keep {
        store::Keep::All => KeepRule::All,
        store::Keep::Newest(n) => KeepRule::Newest(n),
        store::Keep::Days(n) => KeepRule::Days(n),
        store::Keep::Bytes(n) => KeepRule::Bytes(n),
    }
}

/// Why nothing can move at all, if the route is at fault.
pub(crate) fn of_route(ctx: &Ctx) -> Option<Cause> {
    if ctx.config.offline { None } else { ctx.network().cause() }
}

/// Whether it says only that nobody has the rest at this moment: between two blobs that is so again and again.
fn is_of_sources(cause: &Cause) -> bool {
    matches!(
        cause,
        Cause::NoPeersKnown { .. } | Cause::NoneOnline { .. } | Cause::OnlyBanned { .. } | Cause::NobodyHasIt { .. }
    )
}

fn from_swarm(ctx: &Ctx, cause: swarm::Cause) -> Option<Cause> {
    match cause {
        swarm::Cause::Moving | swarm::Cause::Looking => None,
        swarm::Cause::NoPeersKnown { .. } if ctx.network().is_detour() => Some(Cause::NoWayIn),
        swarm::Cause::NoPeersKnown { asked } => Some(Cause::NoPeersKnown { asked }),
        swarm::Cause::NoneOnline { known } => Some(Cause::NoneOnline { known }),
        swarm::Cause::OnlyBanned { known, until } => Some(Cause::OnlyBanned { known, until: wall(ctx, until) }),
        swarm::Cause::NobodyHasIt { connected } => Some(Cause::NobodyHasIt { connected }),
        swarm::Cause::Queued => Some(Cause::Queued),
    }
}

/// Why nothing of this channel comes, whatever is wanted of it; nothing while something does.
pub(crate) async fn why_still(ctx: &Ctx, key: ChannelKey) -> Option<Cause> {
    match of_route(ctx) {
        Some(cause) => Some(cause),
        None => from_swarm(ctx, ctx.engine.ask(move |swarm, now| swarm.cause(now, &key)).await?),
    }
}

/// Whether a first list that does not come for this cause cannot come at all, for nobody can be asked and nobody can come.
pub(crate) async fn is_hopeless(ctx: &Ctx, cause: &Cause) -> bool {
    let alone = match cause {
        Cause::NoDht { listening } => !listening,
        Cause::NoWayIn => !ctx.network().lets_in(),
        _ => false,
    };
    alone && !ctx.near.borrow().lan && ctx.engine.ask(|swarm, _| swarm.peers().is_empty()).await == Some(true)
}

/// Where nobody is met who has it, the user may have a say.
async fn ask_first(ctx: &Ctx, channel: ChannelKey, cause: &mut Option<Cause>) {
    let lonely = cause.as_ref().is_some_and(is_of_sources);
    if lonely && let Some(question) = by_id::question(ctx, channel).await {
        *cause = Some(question);
    }
}

/// What the library knows of its items and lists; nothing while the node is offline.
pub(crate) async fn standings(ctx: &Ctx) -> Standings {
    known(ctx, LibraryInput::Standing).await
}

/// As [`standings`], of one item's cause and rate.
async fn standing_of(ctx: &Ctx, key: (ChannelKey, ItemId)) -> Standings {
    known(ctx, |answer| LibraryInput::StandingOf(key, answer)).await
}

async fn known(ctx: &Ctx, question: impl FnOnce(oneshot::Sender<Standings>) -> LibraryInput) -> Standings {
    if ctx.config.offline {
        return Standings::default();
    }
    let (tx, rx) = oneshot::channel();
    ctx.library.send(question(tx));
    ctx.until_stop(async { Ok(rx.await.unwrap_or_default()) }).await.unwrap_or_default()
}

/// Rows as api types.
pub(crate) async fn items(ctx: &Ctx, rows: Vec<ItemRow>) -> Result<Vec<ItemInfo>> {
    // Of ten thousand that wait one alone may be asked for.
    let known = match rows.as_slice() {
        [] => return Ok(Vec::new()),
        [one] => standing_of(ctx, (one.channel, one.id)).await,
        _ => standings(ctx).await,
    };
    let route = of_route(ctx);
    let mut swarm_causes: HashMap<ChannelKey, Option<Cause>> = HashMap::new();
    let mut infos = Vec::with_capacity(rows.len());
    for row in rows {
        let (channel, id) = (row.channel, row.id);
        let have = match row.standing {
            Standing::Listed => 0,
            Standing::Complete | Standing::Published => row.bytes.saturating_sub(row.skipped),
            Standing::Wanted => {
                let have = ctx.with_store(move |s| match s.have_bytes(&channel, &id) {
                    // A newer list dropped it since its row was read.
                    Err(store::StoreError::UnknownItem) => Ok(None),
                    have => have.map(Some),
                });
                let Some(have) = have.await? else { continue };
                have
            }
        };
        let mut cause = known.causes.get(&(channel, id)).cloned();
        if row.lost_files > 0 {
            cause = Some(Cause::FilesChanged { files: row.lost_files });
        }
        if row.standing == Standing::Wanted && row.deadly {
            cause = Some(Cause::DiedReading);
        }
        if row.paused {
            cause = Some(Cause::Paused);
        }
        if row.standing == Standing::Wanted && cause.is_none() {
            cause.clone_from(&route);
        }
        if row.standing == Standing::Wanted && !row.paused && known.held.is_some() {
            cause.clone_from(&known.held);
        }
        if row.standing == Standing::Wanted && cause.is_none() && !ctx.config.offline {
            if let Entry::Vacant(unknown) = swarm_causes.entry(channel) {
                let asked = ctx.engine.ask(move |swarm, now| swarm.cause(now, &channel)).await;
                let mut cause = asked.and_then(|cause| from_swarm(ctx, cause));
                ask_first(ctx, channel, &mut cause).await;
                unknown.insert(cause);
            }
            cause = swarm_causes.get(&channel).cloned().flatten();
        }
        let skipped_files = match row.skipped {
            0 => 0,
            _ => ctx.with_store(move |s| s.skipped_files(&channel, &id)).await?.len() as u64,
        };
        let state = match row.standing {
            _ if matches!(cause, Some(Cause::FilesChanged { .. })) => ItemState::Changed,
            Standing::Listed => ItemState::Listed,
            Standing::Complete => ItemState::Complete,
            Standing::Published => ItemState::Published,
            Standing::Wanted if cause == Some(Cause::Paused) => ItemState::Paused,
            Standing::Wanted if cause.is_some() || ctx.config.offline => ItemState::Waiting,
            Standing::Wanted => ItemState::Fetching,
        };
        infos.push(ItemInfo {
            id: id.to_string(),
            channel: channel.to_string(),
            mime: row.mime,
            name: row.name,
            about: row.about,
            published: row.published,
            files: row.files,
            bytes: row.bytes,
            have,
            rate: known.rates.get(&(channel, id)).copied().unwrap_or(0),
            state,
            cause,
            path: row.root.filter(|_| !row.encrypted),
            pinned: Some(row.pinned),
            priority: Some(match row.urgency {
                store::Urgency::Low => ItemPriority::Low,
                store::Urgency::Normal => ItemPriority::Normal,
                store::Urgency::High => ItemPriority::High,
            }),
            encrypted: Some(row.encrypted),
            skipped: Some(row.skipped),
            skipped_files: Some(skipped_files),
            left_out: row.left_out.into_iter().map(|(path, why)| LeftOut::new(path, why)).collect(),
        });
    }
    Ok(infos)
}

/// One item.
pub(crate) async fn item(ctx: &Ctx, channel: ChannelKey, id: ItemId) -> Result<Option<ItemInfo>> {
    let row = ctx.with_store(move |s| s.item(&channel, &id)).await?;
    Ok(items(ctx, row.into_iter().collect()).await?.pop())
}

/// Files of an item.
pub(crate) async fn files(ctx: &Ctx, channel: ChannelKey, id: ItemId) -> Result<Vec<FileInfo>> {
    let (files, skipped, row) = ctx
        .with_store(move |s| {
            Ok((s.file_names(&channel, &id)?, s.skipped_files(&channel, &id)?, s.item(&channel, &id)?))
        })
        .await?;
    if let Some(row) = row.filter(|row| !row.planned) {
        return Ok(listed_files(&row));
    }
    let info = |(f, have): (store::PlanFile, u64)| {
        let path = f.path.as_str().to_owned();
        let skipped = Some(skipped.contains(&path));
        FileInfo { path, size: f.size, have, mime: f.mime, skipped }
    };
    Ok(files.into_iter().map(info).collect())
}

/// Files of an item that is not fetched, as far as the channel's list itself names them.
fn listed_files(row: &ItemRow) -> Vec<FileInfo> {
    let files = match Item::from_json(&row.json).map(|item| item.payload) {
        Ok(Payload::File(file)) => vec![file],
        Ok(Payload::Folder(files)) => files,
        Ok(Payload::FolderTree { .. }) | Err(_) => Vec::new(),
    };
    let info = |f: protocol::FileEntry| FileInfo {
        path: f.path.as_str().to_owned(),
        size: f.size,
        have: 0,
        mime: f.mime,
        skipped: Some(false),
    };
    files.into_iter().map(info).collect()
}

/// Identities, without their secrets.
pub(crate) async fn identities(ctx: &Ctx) -> Result<Vec<IdentityInfo>> {
    let kept = kept(ctx).await;
    let rows = ctx.with_store(|s| s.identities()).await?;
    Ok(rows
        .into_iter()
        .map(|row| IdentityInfo {
            name: row.name,
            key: row.key.to_string(),
            fingerprint: row.key.fingerprint(),
            link: Link { channel: row.key, read_key: None, bootstrap: Vec::new() }.to_text().to_string(),
            private: row.private,
            created: row.created,
            kept: kept.clone(),
        })
        .collect())
}

/// As [`kept`], or that what is there is not what opens this folder's secrets.
async fn secrets(ctx: &Ctx) -> String {
    if ctx.store.is_key_lost() { "other_key".into() } else { kept(ctx).await }
}

async fn kept(ctx: &Ctx) -> String {
    let keys = ctx.keys.read().await.clone();
    match keys.kind() {
        store::keys::KeyKind::Keyring => "keyring",
        store::keys::KeyKind::Vault => "vault",
        store::keys::KeyKind::Locked => match (keys.is_keyring_locked(), KeyStore::is_chosen(&ctx.config.data_dir)) {
            (true, true) => "keyring_locked",
            (true, false) => "keyring_unused",
            (false, true) => "locked",
            (false, false) => "none",
        },
    }
    .into()
}

/// A time of the node's clock that is still to come, as ms since 1970.
fn wall(ctx: &Ctx, at: Duration) -> u64 {
    let ahead = at.saturating_sub(ctx.clock.now()).as_millis();
    ctx.clock.unix_ms().saturating_add(u64::try_from(ahead).unwrap_or(u64::MAX))
}

/// Connected peers, and those whom nothing is asked of for a while.
pub(crate) async fn peers(ctx: &Ctx) -> Vec<PeerInfo> {
    let found = ctx.engine.ask(|swarm, now| (swarm.peers(), swarm.banned(now, BANNED_SHOWN))).await;
    let (peers, banned) = found.unwrap_or_default();
    let banned = banned.into_iter().map(|ban| PeerInfo {
        kind: if ban.who.contains(".onion") { "onion" } else { "direct" }.into(),
        addr: ban.who,
        v5: false,
        inbound: false,
        received: 0,
        sent: 0,
        banned: Some(Banned { until: wall(ctx, ban.until), why: BannedFor::WrongPart }),
    });
    peers
        .into_iter()
        .map(|p| PeerInfo {
            kind: if p.addr.class() == protocol::AddrClass::Onion { "onion" } else { "direct" }.into(),
            addr: p.addr.to_string(),
            v5: p.v5,
            inbound: p.role == protocol::session::Role::Acceptor,
            received: p.received,
            sent: p.sent,
            banned: None,
        })
        .chain(banned)
        .collect()
}

/// The node's state.
pub(crate) async fn status(ctx: &Ctx) -> Result<Status> {
    let (totals, paused, rules) =
        ctx.with_store(|s| Ok((s.totals()?, s.setting("paused")?, crate::repair::Rules::load(s)?))).await?;
    let rates = *ctx.rates.borrow();
    let (peers, coverage) = if ctx.config.offline {
        (Vec::new(), swarm::Coverage::default())
    } else {
        ctx.engine.ask(|swarm, now| (swarm.peers(), swarm.coverage(now))).await.unwrap_or_default()
    };
    let (received, sent) = ctx.traffic.totals();
    let mapped = *ctx.network().mapped.borrow();
    let (held, month_used) = {
        let governor = ctx.governor.lock().await;
        (governor.hold(), governor.month_used(received.saturating_add(sent)))
    };
    Ok(Status {
        version: env!("CARGO_PKG_VERSION").into(),
        data_dir: ctx.config.data_dir.clone(),
        listen: ctx.network().listening().map(|a| a.to_string()),
        listen_lost: ctx.network().listener_lost(),
        dht_nodes: ctx.dht().map(|d| d.status().nodes),
        peers: u32::try_from(peers.len()).unwrap_or(u32::MAX),
        channels: u32::try_from(totals.followed).unwrap_or(u32::MAX),
        own: u32::try_from(totals.own).unwrap_or(u32::MAX),
        blobs: totals.blobs,
        announced: coverage.announced,
        to_announce: coverage.total,
        down: rates.down,
        up: rates.up,
        received,
        sent,
        paused: paused.as_deref() == Some("true") || matches!(held, Some(Cause::PausedUntil { .. })),
        mapped: mapped.map(|addr| addr.to_string()),
        held,
        used: Some(totals.used),
        lent: Some(totals.lent),
        lending: ctx.lending.told(ctx.clock.now(), rules, totals.lent),
        dht_asking: ctx.network().is_dht_asking().then_some(true),
        month_used: Some(month_used),
        secrets: secrets(ctx).await,
        route: ctx.network().info(),
    })
}

/// All that a listener needs to start.
pub(crate) async fn snapshot(ctx: &Ctx) -> Result<Snapshot> {
    let rows = ctx.with_store(|s| s.transfers()).await?;
    Ok(Snapshot { status: status(ctx).await?, channels: channels(ctx).await?, transfers: items(ctx, rows).await? })
}

/// Text for a channel in messages: its name, or its key's first group.
pub(crate) fn named(row: &Channel) -> String {
    if row.name.is_empty() { row.key.to_string()[..16].to_owned() } else { row.name.clone() }
}

/// Not found, named.
pub(crate) fn unknown(what: &str, text: &str) -> ErrorInfo {
    ErrorInfo::new(Code::NotFound, format!("There is no {what} {} here.", quoted(text)))
}
