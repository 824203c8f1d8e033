//! The library's task: followed channels, their lists, and the items that are fetched.
//!
//! Owns: which manifest of a channel is being read, which items move, which of their blobs the swarm was told to want.
//! One message at a time; reading lists and finishing files runs beside, and reports back.

mod lists;
#[cfg(test)]
mod tests;

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use protocol::words::quoted;
use protocol::{BlobId, ChannelKey, ItemId, SignedManifest};
use store::{Placed, ReadError, Standing, StoreError, Urgency};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use self::lists::Reading;
use crate::api::{Cause, Code, ErrorInfo, Event, paths};
use crate::config::*;
use crate::ctx::Ctx;
use crate::engine::Input;
use crate::error::{Result, sentence};
use crate::meter::Meter;
use crate::queue::Queue;
use crate::{channel, keep, network, plan, view};

/// What the library hears.
pub(crate) enum LibraryInput {
    /// From the swarm or the DHT; verified, not yet read.
    Manifest(Arc<SignedManifest>),
    SignedTwice(ChannelKey),
    /// Ask the DHT (E4).
    Refresh(ChannelKey),
    /// A channel's list was read, or could not be.
    Absorbed(ChannelKey, u64, Result<()>),
    /// Somebody waits for this channel's list: it is read without delay.
    Asked(ChannelKey),
    /// A new list brings other content for an item, or none: what was planned and wanted of it is no more.
    Replanned(ChannelKey, ItemId),
    /// Start or go on with what the channel's rule, or the user, wants.
    Start(ChannelKey, ItemId),
    /// The last process died over this one, it may be by chance: as [`Self::Start`], when everything else has begun.
    Later(ChannelKey, ItemId),
    /// An item is paused or removed: forget it.
    Stop(ChannelKey, ItemId),
    /// A published item's files were read again: so many of them are not what was published.
    Checked(ChannelKey, ItemId, u64),
    /// Forget a channel.
    Forget(ChannelKey),
    /// With the number of the run that this answers; so of the others.
    Planned(Key, u64, Result<()>),
    Placed(BlobId, Placed),
    /// So many bytes came, most likely of this blob.
    Coming(BlobId, u64),
    NotPlaced(BlobId, StoreError),
    Missing(Key, u64, Result<Vec<BlobId>>),
    /// Every file has its name; false: a part file was removed or cut, and blobs are missing again.
    Finished(Key, u64, Result<bool>),
    Unreadable(ReadError),
    /// All of a changed file was read again.
    Rechecked((ChannelKey, ItemId), PathBuf),
    Announced(BlobId),
    /// Everything stops for this cause, or goes on.
    Hold(Option<Cause>),
    /// Items that had no room are tried again: there may be some now.
    Retry,
    /// When an item is fetched.
    Urgency(ChannelKey, ItemId, Urgency),
    /// Room was made under the quota for this item, or could not be.
    Room(ChannelKey, ItemId, Result<bool>),
    /// Tell what is known of items here.
    Standing(tokio::sync::oneshot::Sender<Standings>),
}

/// Causes of items that do not move and of lists that cannot be read, rates of what moves (bytes a second).
#[derive(Default)]
pub(crate) struct Standings {
    pub(crate) causes: HashMap<(ChannelKey, ItemId), Cause>,
    pub(crate) rates: HashMap<(ChannelKey, ItemId), u64>,
    /// Whether something began, or came, a moment ago: the line is not idle then.
    pub(crate) busy: bool,
    /// Why nothing moves at all.
    pub(crate) held: Option<Cause>,
    /// Channels whose newest list cannot be read.
    pub(crate) unread: HashMap<ChannelKey, Cause>,
}

/// Talks to the library. Never waits: each message answers one thing that is bounded elsewhere (blobs in hand, paced DHT
/// operations, one list per channel), and a bounded queue here could lock the engine and the library into each other.
#[derive(Clone)]
pub(crate) struct LibrarySender(mpsc::UnboundedSender<LibraryInput>);

impl LibrarySender {
    pub(crate) fn channel() -> (Self, mpsc::UnboundedReceiver<LibraryInput>) {
        let (tx, rx) = mpsc::unbounded_channel();
        (Self(tx), rx)
    }
    /// A stopped library hears nothing any more.
    pub(crate) fn send(&self, input: LibraryInput) {
        let _ = self.0.send(input);
    }
}

/// An item of a channel.
pub(crate) type Key = (ChannelKey, ItemId);

#[derive(Default)]
struct Active {
    /// Told apart from earlier runs of the same item, whose answers may still come.
    run: u64,
    planned: bool,
    asking: bool,
    exhausted: bool,
    wanted: HashSet<BlobId>,
    told: Option<Duration>,
    /// When it began, or got something last.
    moved: Duration,
    meter: Meter,
    /// Bytes of its blobs that came, also of those under way, and those of whole ones: the first are counted now and then.
    came: u64,
    whole: u64,
}

impl Active {
    /// Bytes came: its rate follows.
    fn count(&mut self, now: Duration) {
        self.came = self.came.max(self.whole);
        self.meter.note(now, self.came);
    }
}

/// The task's state.
pub(crate) struct Library {
    ctx: Ctx,
    reading: HashMap<ChannelKey, (u64, CancellationToken)>,
    budgets: HashMap<ChannelKey, Reading>,
    active: HashMap<Key, Active>,
    runs: u64,
    queue: Queue,
    stalled: HashMap<Key, Cause>,
    unread: HashMap<ChannelKey, Cause>,
    told_trouble: HashMap<Key, Code>,
    told_lists: HashMap<ChannelKey, Code>,
    announced: Vec<BlobId>,
    rechecking: HashSet<PathBuf>,
    held: Option<Cause>,
    urgent: HashMap<Key, Urgency>,
    keep_own_at: Duration,
}

impl Library {
    pub(crate) fn new(ctx: Ctx, held: Option<Cause>) -> Self {
        Self {
            ctx,
            reading: HashMap::new(),
            budgets: HashMap::new(),
            active: HashMap::new(),
            runs: 0,
            queue: Queue::default(),
            stalled: HashMap::new(),
            unread: HashMap::new(),
            told_trouble: HashMap::new(),
            told_lists: HashMap::new(),
            announced: Vec::new(),
            rechecking: HashSet::new(),
            held,
            urgent: HashMap::new(),
            keep_own_at: Duration::ZERO,
        }
    }

    /// Runs until the node stops.
    pub(crate) async fn run(mut self, mut inputs: mpsc::UnboundedReceiver<LibraryInput>) {
        let stop = self.ctx.stop.clone();
        let mut retry = tokio::time::interval(RETRY_EVERY);
        retry.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            let due = self.lists_due();
            let input = tokio::select! {
                () = stop.cancelled() => break,
                input = inputs.recv() => input,
                () = tokio::time::sleep(due) => {
                    self.read_waiting().await;
                    continue;
                }
                _ = retry.tick() => {
                    self.retry();
                    self.keep_own();
                    continue;
                }
            };
            let Some(input) = input else { break };
            self.handle(input).await;
            self.fill();
        }
        self.flush_announced().await;
    }

    async fn handle(&mut self, input: LibraryInput) {
        match input {
            LibraryInput::Manifest(manifest) => self.list_came(manifest).await,
            LibraryInput::Asked(key) => {
                if let Some(budget) = self.budgets.get_mut(&key) {
                    budget.left = LIST_BLOBS;
                    budget.counted = budget.cost.load(Ordering::Relaxed);
                }
            }
            LibraryInput::Replanned(channel, item) => {
                let key = (channel, item);
                self.stop_item(key).await;
                self.told_trouble.remove(&key);
            }
            LibraryInput::SignedTwice(key) => {
                let ctx = self.ctx.clone();
                self.ctx.spawn(async move { log(channel::signed_twice(&ctx, key).await) });
            }
            LibraryInput::Refresh(key) => {
                let ctx = self.ctx.clone();
                self.ctx.spawn(async move { log(channel::refresh(&ctx, key).await) });
            }
            LibraryInput::Absorbed(key, sequence, result) => {
                if self.reading.get(&key).is_some_and(|(s, _)| *s == sequence) {
                    self.reading.remove(&key);
                }
                match result {
                    Ok(()) => {
                        self.ctx.repair.notify_one();
                        self.unread.remove(&key);
                        self.told_lists.remove(&key);
                    }
                    Err(error) if error.code == Code::Cancelled || error.code == Code::Stopping => {}
                    Err(error) => {
                        let what = error.message.clone();
                        let cause = match error.code {
                            Code::WrongReadKey => Some(Cause::WrongReadKey { what }),
                            Code::BadContent => Some(Cause::BadContent { what }),
                            Code::DiskFull => Some(channel::data_full(&self.ctx).await),
                            Code::Quota => Some(channel::no_room(&self.ctx, protocol::params::BLOB_LEN as u64).await),
                            _ => None,
                        };
                        if let Some(Cause::Quota { quota, needed, .. }) = cause {
                            let ctx = self.ctx.clone();
                            self.ctx.spawn(async move {
                                let need = keep::Need { item: None, bytes: needed };
                                match keep::make_room(&ctx, need, quota).await {
                                    Ok(true) => log(channel::read_again(&ctx, key).await),
                                    outcome => log(outcome),
                                }
                            });
                        }
                        self.unread.extend(cause.map(|cause| (key, cause)));
                        let news = self.told_lists.insert(key, error.code) != Some(error.code);
                        let named = channel::named(&self.ctx, key).await;
                        let text = format!("The newest list of {named} cannot be read: {}", sentence(&error.message));
                        if news {
                            self.ctx.emit(Event::Notice(ErrorInfo::new(error.code, text)));
                        }
                    }
                }
                let ctx = self.ctx.clone();
                self.ctx.spawn(async move { channel::told(&ctx, key).await });
            }
            LibraryInput::Start(channel, item) => {
                let key = (channel, item);
                self.stalled.remove(&key);
                if !self.active.contains_key(&key) {
                    self.enqueue(key);
                }
            }
            LibraryInput::Later(channel, item) => {
                self.stalled.insert((channel, item), Cause::Queued);
                self.look_again((channel, item), DIED_AGAIN_AFTER);
            }
            LibraryInput::Stop(channel, item) => self.stop_item((channel, item)).await,
            LibraryInput::Checked(channel, item, files) => {
                let key = (channel, item);
                if files > 0 {
                    self.stalled.insert(key, Cause::FilesChanged { files });
                } else {
                    self.stalled.remove(&key);
                }
                self.told(key);
            }
            LibraryInput::Forget(channel) => {
                if let Some((_, token)) = self.reading.remove(&channel) {
                    token.cancel();
                }
                let items: Vec<Key> = self.active.keys().filter(|k| k.0 == channel).copied().collect();
                for key in items {
                    self.stop_item(key).await;
                }
                self.told_lists.remove(&channel);
                self.budgets.remove(&channel);
                let waiting: Vec<Key> = self.queue.keys().filter(|k| k.0 == channel).copied().collect();
                waiting.iter().for_each(|key| self.queue.remove(key));
                self.stalled.retain(|k, _| k.0 != channel);
                self.unread.remove(&channel);
            }
            LibraryInput::Planned(key, run, result) if self.runs_as(&key, run) => match result {
                Ok(()) => {
                    if let Some(active) = self.active.get_mut(&key) {
                        active.planned = true;
                    }
                }
                Err(error) => self.stall(key, error).await,
            },
            LibraryInput::Missing(key, run, result) if self.runs_as(&key, run) => self.missing(key, result).await,
            LibraryInput::Coming(blob, bytes) => {
                let now = self.ctx.clock.now();
                for active in self.active.values_mut().filter(|active| active.wanted.contains(&blob)) {
                    // On a slow line a blob takes longer than the time after which the line counts as idle.
                    active.moved = now;
                    active.came += bytes;
                    active.count(now);
                }
            }
            LibraryInput::Placed(blob, placed) => {
                let now = self.ctx.clock.now();
                for active in self.active.values_mut() {
                    if active.wanted.remove(&blob) {
                        active.whole += protocol::params::BLOB_LEN as u64;
                        active.count(now);
                    }
                    // A part file was removed or cut: there is more to ask for again.
                    active.exhausted &= placed.lost.is_empty();
                }
                for (channel, item, _) in &placed.items {
                    self.progress((*channel, *item));
                }
                for (channel, item) in placed.unopenable {
                    let why = "a part of it does not open with the key in the list";
                    self.stall((channel, item), ErrorInfo::new(Code::BadContent, why)).await;
                }
                for (channel, item) in placed.finished {
                    self.finish((channel, item));
                }
            }
            LibraryInput::NotPlaced(blob, error) => {
                let keys: Vec<Key> =
                    self.active.iter().filter(|(_, a)| a.wanted.contains(&blob)).map(|(k, _)| *k).collect();
                let error = ErrorInfo::from(error);
                for key in keys {
                    self.stall(key, error.clone()).await;
                }
            }
            LibraryInput::Finished(key @ (channel, item), run, result) if self.runs_as(&key, run) => match result {
                Ok(false) => {
                    if let Some(active) = self.active.get_mut(&key) {
                        (active.exhausted, active.asking) = (false, false);
                    }
                }
                Ok(true) => {
                    self.active.remove(&key);
                    self.urgent.remove(&key);
                    let ctx = self.ctx.clone();
                    let last = !self.active.keys().chain(self.queue.keys()).any(|(other, _)| *other == channel);
                    self.ctx.spawn(async move {
                        log(keep::channel(&ctx, channel).await);
                        if let Ok(Some(info)) = view::item(&ctx, channel, item).await {
                            tracing::info!(
                                channel = info.channel,
                                item = info.id,
                                bytes = info.bytes,
                                "an item is here"
                            );
                            ctx.emit(Event::Ready(info));
                        }
                        // With nothing more to wait for, the channel stands otherwise too.
                        if last {
                            channel::told(&ctx, channel).await;
                        }
                    });
                }
                Err(error) => self.stall(key, error).await,
            },
            // Of a run that was ended: the item is another's by now, or nobody's.
            LibraryInput::Planned(..) | LibraryInput::Missing(..) | LibraryInput::Finished(..) => {}
            LibraryInput::Unreadable(error) => {
                if let ReadError::Changed { file, item, .. } = error {
                    self.ctx.emit(Event::Notice(ErrorInfo::new(
                        Code::SourceChanged,
                        format!("{} changed on disk, no longer shared", paths::shown(&file)),
                    )));
                    if let Some(active) = self.active.get_mut(&item) {
                        active.exhausted = false;
                    }
                    if self.rechecking.insert(file.clone()) {
                        let ctx = self.ctx.clone();
                        self.ctx.spawn(async move {
                            log(channel::recheck(&ctx, item, file.clone()).await);
                            ctx.library.send(LibraryInput::Rechecked(item, file));
                        });
                    }
                    self.told(item);
                } else if let ReadError::Store(error) = error {
                    self.ctx.emit(Event::Notice(error.into()));
                }
            }
            LibraryInput::Rechecked(item, file) => {
                self.rechecking.remove(&file);
                self.told(item);
            }
            LibraryInput::Announced(blob) => {
                self.announced.push(blob);
                if self.announced.len() >= 32 {
                    self.flush_announced().await;
                }
            }
            LibraryInput::Hold(held) => {
                self.held = held;
                if self.held.is_some() {
                    let moving: Vec<Key> = self.active.keys().copied().collect();
                    for key in moving {
                        self.stop_item(key).await;
                        self.enqueue(key);
                    }
                }
                for key in self.queue.keys() {
                    self.told(*key);
                }
            }
            LibraryInput::Retry => self.retry(),
            LibraryInput::Urgency(channel, item, urgency) => self.set_urgency((channel, item), urgency).await,
            LibraryInput::Room(channel, item, made) => match made {
                Ok(true) => {
                    self.stalled.remove(&(channel, item));
                    self.enqueue((channel, item));
                }
                Ok(false) => {}
                Err(error) => log::<()>(Err(error)),
            },
            LibraryInput::Standing(answer) => {
                let now = self.ctx.clock.now();
                let mut causes = self.stalled.clone();
                for key in self.queue.keys() {
                    causes.insert(*key, self.held.clone().unwrap_or(Cause::Queued));
                }
                let rates = self.active.iter().map(|(key, active)| (*key, active.meter.rate(now))).collect();
                let busy = self.active.values().any(|active| now.saturating_sub(active.moved) < IDLE_AFTER);
                let (held, unread) = (self.held.clone(), self.unread.clone());
                // Who asked may have gone: then nobody needs it.
                let _ = answer.send(Standings { causes, rates, busy, held, unread });
            }
        }
    }

    /// E4 for our own private channels: their followers do not put again what we signed, so we do, once an hour.
    fn keep_own(&mut self) {
        let now = self.ctx.clock.now();
        if self.held.is_some() || now < self.keep_own_at {
            return;
        }
        self.keep_own_at = now + KEEP_OWN_EVERY;
        let ctx = self.ctx.clone();
        self.ctx.spawn(async move {
            let work = async {
                if ctx.network().is_detour() {
                    network::ready(&ctx, |_| {}).await;
                    return network::keep_own(&ctx).await;
                }
                for row in ctx.with_store(|s| s.channels()).await? {
                    if row.own && row.private && row.manifest.is_some() {
                        channel::refresh(&ctx, row.key).await?;
                    }
                }
                Ok(())
            };
            log(work.await);
        });
    }

    /// What could not be written is tried again: the disk may have room, the folder may be back.
    fn retry(&mut self) {
        let lists = self.unread.iter().filter(|(_, c)| matches!(c, Cause::DiskFull { .. } | Cause::Quota { .. }));
        for key in lists.map(|(key, _)| *key).filter(|key| !self.reading.contains_key(key)).collect::<Vec<_>>() {
            let ctx = self.ctx.clone();
            self.ctx.spawn(async move { log(channel::read_again(&ctx, key).await) });
        }
        let again: Vec<Key> = self
            .stalled
            .iter()
            .filter(|(_, cause)| {
                matches!(
                    cause,
                    Cause::DiskFull { .. }
                        | Cause::FolderNotWritable { .. }
                        | Cause::InTheWay { .. }
                        | Cause::Quota { .. }
                        | Cause::Trouble { .. }
                )
            })
            .map(|(key, _)| *key)
            .collect();
        for (channel, item) in again {
            self.ctx.library.send(LibraryInput::Start(channel, item));
        }
    }

    /// Starts queued items and asks the store what running ones lack.
    fn fill(&mut self) {
        if self.held.is_some() {
            return;
        }
        while let Some(key) = self.next() {
            self.runs += 1;
            let run = self.runs;
            self.active.insert(key, Active { run, moved: self.ctx.clock.now(), ..Active::default() });
            let ctx = self.ctx.clone();
            self.ctx.spawn(async move {
                let result = plan::wanted(&ctx, key.0, key.1).await;
                ctx.library.send(LibraryInput::Planned(key, run, result));
            });
        }
        for (key, active) in &mut self.active {
            if active.planned && !active.asking && !active.exhausted && active.wanted.len() < WANT_WINDOW / 2 {
                active.asking = true;
                let (ctx, key, run, wanted) = (self.ctx.clone(), *key, active.run, active.wanted.clone());
                self.ctx.spawn(async move {
                    let limit = WANT_WINDOW - wanted.len();
                    let missing =
                        ctx.with_store(move |s| s.missing(&key.0, &key.1, limit, &|b| wanted.contains(b))).await;
                    ctx.library.send(LibraryInput::Missing(key, run, missing));
                });
            }
        }
    }

    async fn missing(&mut self, key: Key, result: Result<Vec<BlobId>>) {
        let Some(active) = self.active.get_mut(&key) else { return };
        active.asking = false;
        match result {
            Ok(blobs) if blobs.is_empty() => {
                active.exhausted = true;
                if active.wanted.is_empty() {
                    self.finish(key);
                }
            }
            Ok(blobs) => {
                active.wanted.extend(blobs.iter().copied());
                let priority = priority(self.urgency(&key));
                self.ctx.engine.send(Input::Want(blobs, key.0, priority)).await;
                self.told(key);
            }
            Err(error) => self.stall(key, error).await,
        }
    }

    fn finish(&mut self, key: Key) {
        // The last blob of an item may come while its next window is being asked for: one finish is enough.
        let mut run = 0;
        if let Some(active) = self.active.get_mut(&key) {
            active.exhausted = true;
            active.asking = true;
            run = active.run;
        }
        let ctx = self.ctx.clone();
        self.ctx.spawn(async move {
            let result = channel::finish(&ctx, key.0, key.1).await;
            ctx.library.send(LibraryInput::Finished(key, run, result));
        });
    }

    fn urgency(&self, key: &Key) -> Urgency {
        self.urgent.get(key).copied().unwrap_or_default()
    }

    /// The next item to start: the most urgent of those that wait, the first of them. What is urgent need not wait for
    /// what is not.
    fn next(&mut self) -> Option<Key> {
        let key = self.queue.first()?;
        let peers = self.active.keys().filter(|other| self.urgency(other) >= self.urgency(&key)).count();
        let room = if self.urgency(&key) == Urgency::High { peers } else { self.active.len() };
        (room < ITEMS_AT_ONCE).then(|| {
            self.queue.remove(&key);
            key
        })
    }

    /// What an item's run worked on is no more, or is not to be worked on yet: it runs again if it is still wanted.
    fn look_again(&self, key: Key, after: Duration) {
        let ctx = self.ctx.clone();
        self.ctx.spawn(async move {
            tokio::time::sleep(after).await;
            let row = ctx.with_store(move |s| s.item(&key.0, &key.1)).await;
            if matches!(row, Ok(Some(row)) if row.standing == Standing::Wanted && !row.paused && !row.deadly) {
                ctx.library.send(LibraryInput::Start(key.0, key.1));
            }
        });
    }

    fn enqueue(&mut self, key: Key) {
        self.queue.push(key, self.urgency(&key));
    }

    /// Whether this answers what runs of an item now; one that no run moves is finished by what its blobs brought.
    fn runs_as(&self, key: &Key, run: u64) -> bool {
        self.active.get(key).map_or(0, |active| active.run) == run
    }

    async fn set_urgency(&mut self, key: Key, urgency: Urgency) {
        match urgency {
            Urgency::Normal => drop(self.urgent.remove(&key)),
            urgency => drop(self.urgent.insert(key, urgency)),
        }
        self.queue.set_urgency(&key, urgency);
        if let Some(active) = self.active.get(&key) {
            let wanted: Vec<BlobId> = active.wanted.iter().copied().collect();
            self.ctx.engine.send(Input::Want(wanted, key.0, priority(urgency))).await;
        }
    }

    async fn stop_item(&mut self, key: Key) {
        self.queue.remove(&key);
        self.stalled.remove(&key);
        if let Some(active) = self.active.remove(&key) {
            let elsewhere: HashSet<BlobId> = self.active.values().flat_map(|a| a.wanted.iter().copied()).collect();
            let gone: Vec<BlobId> = active.wanted.into_iter().filter(|b| !elsewhere.contains(b)).collect();
            self.ctx.engine.send(Input::Unwant(gone)).await;
        }
    }

    /// An item cannot go on: its cause is kept, others go on.
    async fn stall(&mut self, key: Key, error: ErrorInfo) {
        if error.code == Code::Stopping {
            return;
        }
        self.stop_item(key).await;
        if error.code == Code::Cancelled {
            self.look_again(key, AGAIN_AFTER);
            return;
        }
        let cause = match error.code {
            Code::DiskFull => channel::disk_full(&self.ctx, key.0, key.1).await,
            Code::Quota => channel::quota_full(&self.ctx, key.0, key.1).await,
            Code::BadContent => Cause::BadContent { what: error.message.clone() },
            // A newer list took it out, or was read meanwhile: whoever reads that starts what is wanted of it.
            Code::NotFound => {
                self.told(key);
                return;
            }
            Code::NotWritable => channel::unwritable(&self.ctx, key.0, key.1).await,
            Code::Io if let Some(what) = channel::in_its_way(&self.ctx, key.0, key.1).await => what,
            code => Cause::Trouble { code, what: error.message.trim_end_matches('.').to_owned() },
        };
        // A retry that fails as before is no news.
        let news = self.stalled.get(&key).map(std::mem::discriminant) != Some(std::mem::discriminant(&cause))
            && self.told_trouble.insert(key, error.code) != Some(error.code);
        if let Cause::Quota { quota, needed, .. } = cause
            && self.stalled.get(&key).is_none_or(|old| !matches!(old, Cause::Quota { .. }))
        {
            let ctx = self.ctx.clone();
            self.ctx.spawn(async move {
                let need = keep::Need { item: Some(key), bytes: needed };
                let made = keep::make_room(&ctx, need, quota).await;
                ctx.library.send(LibraryInput::Room(key.0, key.1, made));
            });
        }
        self.stalled.insert(key, cause);
        if news {
            self.ctx.emit(Event::Notice(error));
        }
        self.told(key);
    }

    fn progress(&mut self, key: Key) {
        let now = self.ctx.clock.now();
        self.told_trouble.remove(&key);
        if let Some(active) = self.active.get_mut(&key) {
            active.moved = now;
            if active.told.is_some_and(|at| now.saturating_sub(at) < PROGRESS_EVERY) {
                return;
            }
            active.told = Some(now);
            self.told(key);
        }
    }

    /// Tells listeners how an item stands.
    fn told(&self, key: Key) {
        let ctx = self.ctx.clone();
        self.ctx.spawn(async move {
            if let Ok(Some(info)) = view::item(&ctx, key.0, key.1).await {
                ctx.emit(Event::Item(info));
            }
        });
    }

    async fn flush_announced(&mut self) {
        let (blobs, at) = (std::mem::take(&mut self.announced), self.ctx.clock.unix_ms());
        if !blobs.is_empty() {
            log(self.ctx.with_store(move |s| s.set_announced(&blobs, at)).await);
        }
    }
}

fn priority(urgency: Urgency) -> swarm::Priority {
    match urgency {
        Urgency::Low => swarm::Priority::Low,
        Urgency::Normal => swarm::Priority::Normal,
        Urgency::High => swarm::Priority::High,
    }
}

/// Trouble in the background is told in the log; what a person must know goes out as a notice where it happens.
pub(crate) fn log<T>(result: Result<T>) {
    if let Err(error) = result
        && error.code != Code::Stopping
    {
        tracing::warn!(code = ?error.code, "{}", error.message);
    }
}

/// Wanted items of all channels go on at start.
pub(crate) async fn resume_all(ctx: &Ctx) -> Result<()> {
    let once: HashSet<Key> = ctx.with_store(|s| s.died_once()).await?.into_iter().collect();
    for row in ctx.with_store(|s| s.transfers()).await? {
        if row.urgency != Urgency::Normal && matches!(row.standing, Standing::Wanted | Standing::Listed) {
            ctx.library.send(LibraryInput::Urgency(row.channel, row.id, row.urgency));
        }
        if row.deadly {
            tracing::warn!(channel = %row.channel, item = %row.id, "the last run ended while it read what this item is made of");
            let text = format!("{}: {}.", quoted(&row.name), Cause::DiedReading);
            ctx.emit(Event::Notice(ErrorInfo::new(Code::BadContent, text)));
        } else if once.contains(&(row.channel, row.id)) {
            tracing::warn!(channel = %row.channel, item = %row.id, "the last run ended while it read what this item is made of: it is read again, once");
            ctx.library.send(LibraryInput::Later(row.channel, row.id));
        } else if row.standing == Standing::Wanted && !row.paused {
            ctx.library.send(LibraryInput::Start(row.channel, row.id));
        }
    }
    Ok(())
}
