//! Repair: blobs of followed channels that few others hold are fetched, and kept sealed, in the space that the user lends.
//!
//! Owns: when that is looked at, what is asked about it, and how fast it comes. The choice itself is [`swarm::repair`]'s.
//! Promises: never more than is lent, in all and for each channel; nothing comes while an item of this node does, while
//! lending or a channel is paused, or while the node is held, and never faster than its own limit; what an item of this
//! node needs is the item's, and no longer counts as lent.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use protocol::{BlobId, ChannelKey, Item};
use store::{Role, Standing, Store, StoreError};
use swarm::repair::{self, Counted};
use tokio::sync::oneshot;

use crate::api::{self, Code, ErrorInfo};
use crate::ctx::Ctx;
use crate::engine::Input;
use crate::error::Result;
use crate::keep::SURVEY_WAIT;
use crate::library::log;
use crate::meter::Meter;
use crate::stream::Structure;
use crate::{plan, view};

/// Between two looks when nothing happens.
const EVERY: Duration = Duration::from_secs(600);
/// Blobs of one channel that peers are asked about at one look: as many that are kept, as many that could be.
const ASKED_MAX: usize = protocol::params::HAVE_QUERY_MAX / 2;
/// Blobs fetched at one look.
const FETCHED_MAX: usize = 256;
/// Time to read what one item is made of.
const READ_TIMEOUT: Duration = Duration::from_secs(60);
/// Items that say they are larger are not repaired: their tables alone would take much of what is lent.
const LENT_ITEM_MAX: u64 = 1 << 42;
/// Bytes of tables and file lists that are read of one item for it.
const LENT_TABLES_MAX: u64 = 256 << 20;
/// Blobs fetched at one time: few, so that what the user wants meanwhile finds the line free.
const AT_ONCE: usize = 4;
/// Time for these; what does not come by then is not waited for.
const FETCH_TIMEOUT: Duration = Duration::from_secs(120);
/// Until it is looked again whether the line is idle.
const BUSY: Duration = Duration::from_secs(10);
/// What a sealed blob takes.
const BLOB: u64 = protocol::params::BLOB_LEN as u64;
/// Bytes for one channel, where the user said nothing else.
const CHANNEL_AT_FIRST: u64 = 200_000_000;
/// The setting: bytes in all.
pub(crate) const SPACE: &str = "lend";
/// The setting: bytes for each channel.
pub(crate) const CHANNEL: &str = "lend_channel";
/// The setting: bytes a second.
pub(crate) const RATE: &str = "lend_rate";
/// The setting that nothing is fetched.
pub(crate) const PAUSED: &str = "lend_paused";

/// What the user lends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Rules {
    /// Bytes; 0: none.
    pub(crate) space: u64,
    /// Bytes for each channel; 0: as many as in all.
    pub(crate) channel: u64,
    /// Bytes a second; 0: as fast as they come.
    pub(crate) rate: u64,
    pub(crate) paused: bool,
}

impl Rules {
    pub(crate) fn load(store: &Store) -> std::result::Result<Self, StoreError> {
        let number = |name: &str| Ok::<_, StoreError>(store.setting(name)?.and_then(|text| text.parse().ok()));
        Ok(Self {
            space: number(SPACE)?.unwrap_or(0),
            channel: number(CHANNEL)?.unwrap_or(CHANNEL_AT_FIRST),
            rate: number(RATE)?.unwrap_or(0),
            paused: store.setting(PAUSED)?.as_deref() == Some("true"),
        })
    }

    /// Blobs that one channel may have.
    fn of_channel(&self) -> usize {
        if self.channel == 0 { usize::MAX } else { blobs_in(self.channel) }
    }
}

fn blobs_in(bytes: u64) -> usize {
    usize::try_from(bytes / BLOB).unwrap_or(usize::MAX)
}

/// How lending goes, for whoever looks.
#[derive(Debug, Default)]
pub(crate) struct Lending {
    waits: AtomicBool,
    came: Mutex<(u64, Meter)>,
}

impl Lending {
    /// So many bytes came in for it.
    fn note(&self, now: Duration, bytes: u64) {
        let mut came = self.came.lock().unwrap_or_else(PoisonError::into_inner);
        came.0 = came.0.saturating_add(bytes);
        let total = came.0;
        came.1.note(now, total);
    }

    /// For people; `None` where nothing is lent.
    pub(crate) fn told(&self, now: Duration, rules: Rules, kept: u64) -> Option<api::Lending> {
        let rate = self.came.lock().unwrap_or_else(PoisonError::into_inner).1.rate(now);
        let waits = !rules.paused && self.waits.load(Ordering::Relaxed);
        let told = api::Lending { space: rules.space, kept, rate, paused: rules.paused, waits };
        (rules.space > 0 || kept > 0).then_some(told)
    }
}

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
                () = tokio::time::sleep(if ctx.lending.waits.load(Ordering::Relaxed) { BUSY } else { EVERY }) => {}
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

/// Whether something of this node's own comes in: then the line is not idle.
async fn is_busy(ctx: &Ctx) -> bool {
    view::standings(ctx).await.busy
}

/// Whether anything may come in for others now, under these rules.
async fn may_fetch(ctx: &Ctx, rules: Rules) -> bool {
    let held = ctx.governor.lock().await.hold().is_some();
    let wants = rules.space > 0 && !rules.paused && !held;
    let busy = wants && is_busy(ctx).await;
    ctx.lending.waits.store(busy, Ordering::Relaxed);
    wants && !busy
}

/// One look: says how many blobs were fetched.
async fn look(ctx: &Ctx, salt: u64) -> Result<usize> {
    let (rules, channels) = ctx.with_store(|s| Ok((Rules::load(s)?, s.channels()?))).await?;
    let mut lend = rules.space;
    let quota = ctx.governor.lock().await.rules().quota;
    if quota > 0 {
        let totals = ctx.with_store(|s| s.totals()).await?;
        lend = lend.min(quota.saturating_sub(totals.used.saturating_sub(totals.lent)));
    }
    let (room, most) = (blobs_in(lend), rules.of_channel());
    let (mut kept, mut offered, mut of) = (Vec::new(), Vec::new(), HashMap::new());
    for row in channels.into_iter().filter(|row| row.followed) {
        let key = row.key;
        let (mut lent, twice) = ctx.with_store(move |s| Ok((s.lent(&key)?, s.lent_twice(&key)?))).await?;
        lent.retain(|blob| !twice.contains(blob));
        give_up(ctx, key, twice).await?;
        let mut others = Vec::new();
        if room > 0 && !row.paused && may_fetch(ctx, rules).await {
            others = candidates(ctx, key, &mut lent, most, salt).await?;
        }
        of.extend(lent.iter().chain(&others).map(|blob| (*blob, key)));
        let (mut ours, mut theirs) = (Vec::new(), Vec::new());
        count(ctx, key, &mut ours, lent, &mut theirs, others, salt).await;
        // First each channel within its own bound, then all of them within what is lent.
        let choice = repair::choose(most, ours.clone(), theirs.clone(), FETCHED_MAX, salt);
        ours.retain(|one| !choice.drop.contains(&one.blob));
        theirs.retain(|one| choice.fetch.contains(&one.blob));
        kept.extend(ours);
        offered.extend(theirs);
        give_up(ctx, key, choice.drop).await?;
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
async fn candidates(ctx: &Ctx, key: ChannelKey, lent: &mut Vec<BlobId>, most: usize, salt: u64) -> Result<Vec<BlobId>> {
    let asked = ASKED_MAX.min(most);
    let mut rows = ctx.with_store(move |s| s.item_heads(&key)).await?;
    rows.retain(|row| row.standing == Standing::Listed);
    rows.sort_by_cached_key(|row| BlobId::of(&[&row.id.0[..], &salt.to_be_bytes()].concat()));
    let mut blobs = Vec::new();
    for row in rows {
        if blobs.len() >= asked {
            break;
        }
        if row.bytes > LENT_ITEM_MAX {
            continue;
        }
        let id = row.id;
        let Some(json) = ctx.with_store(move |s| s.item_json(&key, &id)).await? else { continue };
        let Ok(item) = Item::from_json(&json) else { continue };
        let mut structure = Structure::new(LENT_TABLES_MAX, Arc::default());
        // As many as can be asked about, by chance: an item may have any number.
        let mut chosen: BTreeMap<BlobId, BlobId> = BTreeMap::new();
        let mut choose = |chunks: &[protocol::Chunk]| {
            for chunk in chunks {
                chosen.insert(BlobId::of(&[&chunk.blob.0[..], &salt.to_be_bytes()].concat()), chunk.blob);
                if chosen.len() > asked {
                    chosen.pop_last();
                }
            }
        };
        let reading = plan::each_blob(ctx, key, &item.payload, &mut structure, &mut choose);
        let Ok(Ok(())) = tokio::time::timeout(READ_TIMEOUT, reading).await else { continue };
        let read = structure.blobs();
        ctx.with_store(move |s| s.lend_structure(&key, &read)).await?;
        let chunks: Vec<BlobId> = chosen.into_values().collect();
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
    blobs.truncate(asked);
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

/// Fetches these and keeps them, a few at a time, as long as the line is idle; says how many came.
async fn fetch(ctx: &Ctx, blobs: Vec<(BlobId, ChannelKey)>) -> Result<usize> {
    let mut came = 0;
    for few in blobs.chunks(AT_ONCE) {
        let rules = ctx.with_store(Rules::load).await?;
        if !may_fetch(ctx, rules).await {
            break;
        }
        ctx.lending.note(ctx.clock.now(), 0);
        let began = tokio::time::Instant::now();
        let now = fetch_few(ctx, few).await?;
        if now == 0 {
            break;
        }
        came += now;
        ctx.lending.note(ctx.clock.now(), now as u64 * BLOB);
        if rules.rate > 0 {
            let time = Duration::from_secs_f64((now as u64 * BLOB) as f64 / rules.rate as f64);
            tokio::time::sleep_until(began + time).await;
        }
    }
    Ok(came)
}

async fn fetch_few(ctx: &Ctx, blobs: &[(BlobId, ChannelKey)]) -> Result<usize> {
    let mut waiting = Vec::new();
    for (blob, channel) in blobs.iter().copied() {
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
