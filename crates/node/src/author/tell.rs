//! What was signed, told: announced, put into the DHT, handed to gateways.

use std::collections::HashSet;
use std::sync::Arc;

use protocol::words::quoted;
use protocol::{BlobId, ChannelKey, PeerAddr, SignedManifest, Topic, rendezvous};
use store::Channel;

use crate::api::{Cause, Code, ErrorInfo, Event, PublishProgress};
use crate::config::PUT_AGAIN;
use crate::ctx::Ctx;
use crate::error::{Result, fail};
use crate::network;
use crate::publish::Job;
use crate::verbs::link_of;

/// Waits until what is sealed can leave, and says what it waits for and which link will lead to it.
pub(crate) async fn ready(ctx: &Ctx, job: &Job, key: ChannelKey) -> Result<()> {
    if ctx.config.offline {
        return Ok(());
    }
    let Some(row) = ctx.with_store(move |s| s.channel(&key)).await? else {
        return Err(crate::view::unknown("channel", &key.to_string()));
    };
    let link = link_of(ctx, &row).await?;
    job.unless_cancelled(network::ready(ctx, |cause| waits(job, cause, &link))).await
}

/// Says what it waits for before it can leave, and which link will lead to it.
pub(super) fn waits(job: &Job, cause: Cause, link: &str) {
    let (cause, link) = (Some(cause), Some(link.to_owned()));
    job.tell(PublishProgress { stage: "wait".into(), cause, link, ..PublishProgress::default() });
}

/// Puts a manifest into the DHT; while no node takes it, again and again in the background, until a newer one is made.
/// Returns how many nodes took it now.
pub(super) async fn put(ctx: &Ctx, manifest: &Arc<SignedManifest>) -> u32 {
    let Some(dht) = ctx.dht() else { return 0 };
    match dht.put_manifest(manifest, None).await {
        Ok(nodes) if nodes > 0 => return nodes,
        Ok(_) => {}
        Err(error) => ctx.emit(Event::Notice(error.into())),
    }
    let (again, manifest) = (ctx.clone(), manifest.clone());
    ctx.spawn(async move {
        let (key, mut waits) = (*manifest.key(), PUT_AGAIN.iter());
        let mut wait = PUT_AGAIN[0];
        loop {
            wait = waits.next().copied().unwrap_or(wait);
            tokio::time::sleep(wait).await;
            let newest = again.with_store(move |s| s.floor(&key)).await;
            if !newest.is_ok_and(|newest| newest == manifest.sequence()) {
                return;
            }
            // Another route may have none.
            let Some(dht) = again.dht() else { continue };
            match dht.put_manifest(&manifest, None).await {
                Ok(nodes) if nodes > 0 => {
                    tracing::info!(channel = %key, nodes, "the DHT has the manifest now");
                    return;
                }
                Ok(_) => {}
                Err(error) => tracing::debug!(channel = %key, %error, "the DHT did not take the manifest"),
            }
        }
    });
    0
}

/// Where a channel's gateways are kept among the settings.
pub(crate) fn gateways_setting(key: &ChannelKey) -> String {
    format!("gateways {key}")
}

/// Who publishes a channel where the DHT is not to be asked: its own gateways, else, off the direct route, those of the
/// settings and connected ones. None on the direct route: there the DHT is asked.
pub(crate) async fn gateways(ctx: &Ctx, key: ChannelKey) -> Result<Vec<PeerAddr>> {
    let own = ctx.with_store(move |s| s.setting(&gateways_setting(&key))).await?.unwrap_or_default();
    let own: Vec<PeerAddr> = own.split_whitespace().filter_map(|a| a.parse().ok()).collect();
    if !own.is_empty() || !ctx.network().is_detour() {
        return Ok(own);
    }
    let mut all = network::gateways(ctx).await?;
    let peers = ctx.engine.ask(|swarm, _| swarm.peers()).await.unwrap_or_default();
    let dialled = peers.into_iter().filter(|p| p.gateway && p.role == protocol::session::Role::Dialler);
    all.extend(dialled.map(|p| p.addr));
    let mut seen = HashSet::new();
    all.retain(|addr| seen.insert(addr.clone()));
    Ok(all)
}

/// Gateways as the user wrote them.
pub(crate) fn gateways_of(texts: &[String]) -> Result<Vec<PeerAddr>> {
    if texts.len() > 16 {
        return fail(Code::BadArgument, "At most 16 gateways can be named.");
    }
    let parse = |text: &String| {
        text.parse().map_err(|e| ErrorInfo::new(Code::BadArgument, format!("{} is no HOST:PORT: {e}.", quoted(text))))
    };
    texts.iter().map(parse).collect()
}

/// E6: rendezvous and roots, and every chunk of an inline manifest, are announced before the manifest goes out, for a v5
/// client tries each sequence once. A failed announce is repeated by the schedule.
/// Returns how many were announced, and of how many.
pub(super) async fn announce_first(
    ctx: &Ctx,
    row: &Channel,
    manifest: &SignedManifest,
    roots: &[BlobId],
    job: &Job,
) -> (u64, u64) {
    let (Some(dht), port) = (ctx.dht(), ctx.port()) else { return (0, 0) };
    if port == 0 {
        return (0, 0);
    }
    let mut topics: Vec<Topic> = Vec::new();
    match (&row.read_key, row.private) {
        (Some(read_key), true) => {
            topics.extend(
                rendezvous::days(ctx.clock.unix_ms())
                    .into_iter()
                    .map(|day| rendezvous::private(&row.key, read_key, day)),
            );
        }
        _ => {
            topics.push(rendezvous::public(&row.key));
            topics.extend(roots.iter().map(|b| Topic::from(*b)));
            topics.extend(manifest.inline_chunks().into_iter().map(|chunk| Topic::from(chunk.blob)));
        }
    }
    let total = topics.len() as u64;
    let mut work = tokio::task::JoinSet::new();
    for topic in topics {
        let dht = dht.clone();
        work.spawn(async move { dht.announce(topic.infohash(), port).await });
    }
    let mut announced = 0;
    while let Some(done) = work.join_next().await {
        announced += u64::from(matches!(done, Ok(Ok(()))));
        job.tell(PublishProgress {
            stage: "announce".into(),
            announced,
            to_announce: total,
            ..PublishProgress::default()
        });
    }
    (announced, total)
}
