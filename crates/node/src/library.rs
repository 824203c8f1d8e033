//! The library's task: followed channels, their lists, and the items that are fetched.
//!
//! Owns: which manifest of a channel is being read, and the machine that decides what is done to each item (the crate
//! `library`). One message at a time; whatever takes time (reading lists, plans, finishing files) runs beside, and reports
//! back. Whoever wants an item for himself claims it ([`LibrarySender::claim`]).

mod causes;
mod handle;
mod lists;
mod speak;

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use library::{Config, Input as Heard, Outcome, Ticket};
use protocol::words::quoted;
use protocol::{BlobId, ChannelKey};
use store::{Placed, ReadError, Standing, Urgency};
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use self::causes::Stuck;
pub(crate) use self::handle::{Claimed, LibraryInput, LibrarySender, Standings};
use self::lists::Reading;
use crate::api::{Cause, Code, ErrorInfo, Event, paths};
use crate::config::*;
use crate::ctx::Ctx;
use crate::error::Result;
use crate::meter::Meter;
use crate::{channel, network};

/// An item of a channel.
pub(crate) type Key = library::Key;

/// How fast an item moves.
#[derive(Default)]
struct Moving {
    /// When it began, or got something last.
    moved: Duration,
    meter: Meter,
    /// Bytes of its blobs that came, also of those under way, and those of whole ones: the first are counted now and then.
    came: u64,
    whole: u64,
}

impl Moving {
    /// Bytes came: its rate follows.
    fn count(&mut self, now: Duration) {
        self.moved = now;
        self.came = self.came.max(self.whole);
        self.meter.note(now, self.came);
    }
}

/// The task's state.
pub(crate) struct Library {
    ctx: Ctx,
    machine: library::Library<Stuck>,
    reading: HashMap<ChannelKey, (u64, CancellationToken)>,
    budgets: HashMap<ChannelKey, Reading>,
    unread: HashMap<ChannelKey, Cause>,
    told_trouble: HashMap<Key, Code>,
    told_lists: HashMap<ChannelKey, Code>,
    moving: HashMap<Key, Moving>,
    /// What ends a plan early.
    plans: HashMap<(Key, u64), CancellationToken>,
    claims: HashMap<Ticket, (oneshot::Sender<()>, Arc<AtomicBool>)>,
    announced: Vec<BlobId>,
    rechecking: HashSet<PathBuf>,
    /// Published items of which so many files are not what was published.
    checked: HashMap<Key, u64>,
    held: Option<Cause>,
    keep_own_at: Duration,
}

impl Library {
    pub(crate) fn new(ctx: Ctx, held: Option<Cause>) -> Self {
        let config = Config {
            at_once: ITEMS_AT_ONCE,
            window: WANT_WINDOW,
            again: AGAIN_AFTER,
            later: DIED_AGAIN_AFTER,
            retry: RETRY_EVERY,
            progress: PROGRESS_EVERY,
        };
        let machine = library::Library::new(config, ctx.clock.now(), held.is_some());
        Self {
            ctx,
            machine,
            reading: HashMap::new(),
            budgets: HashMap::new(),
            unread: HashMap::new(),
            told_trouble: HashMap::new(),
            told_lists: HashMap::new(),
            moving: HashMap::new(),
            plans: HashMap::new(),
            claims: HashMap::new(),
            announced: Vec::new(),
            rechecking: HashSet::new(),
            checked: HashMap::new(),
            held,
            keep_own_at: Duration::ZERO,
        }
    }

    /// Runs until the node stops.
    pub(crate) async fn run(mut self, mut inputs: mpsc::UnboundedReceiver<LibraryInput>) {
        let stop = self.ctx.stop.clone();
        let mut retry = tokio::time::interval(RETRY_EVERY);
        retry.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            let (lists, now) = (self.lists_due(), self.ctx.clock.now());
            tokio::select! {
                () = stop.cancelled() => break,
                input = inputs.recv() => match input {
                    Some(input) => self.handle(input).await,
                    None => break,
                },
                () = tokio::time::sleep(lists) => self.read_waiting().await,
                () = tokio::time::sleep(self.machine.due().saturating_sub(now)) => {}
                _ = retry.tick() => {
                    self.retry_lists();
                    self.keep_own();
                }
            }
            self.machine.tick(self.ctx.clock.now());
            self.speak().await;
        }
        self.flush_announced().await;
    }

    /// Tells the machine.
    fn hear(&mut self, heard: Heard<Stuck>) {
        self.machine.hear(self.ctx.clock.now(), heard);
    }

    async fn handle(&mut self, input: LibraryInput) {
        match input {
            LibraryInput::Manifest(manifest) => self.list_came(manifest).await,
            LibraryInput::Asked(key) => self.list_asked(key),
            LibraryInput::SignedTwice(key) => {
                let ctx = self.ctx.clone();
                self.ctx.spawn(async move { log(channel::signed_twice(&ctx, key).await) });
            }
            LibraryInput::Refresh(key) => {
                let ctx = self.ctx.clone();
                self.ctx.spawn(async move { log(channel::refresh(&ctx, key).await) });
            }
            LibraryInput::Absorbed(key, sequence, result) => self.list_read(key, sequence, result).await,
            LibraryInput::Replanned(channel, item) => {
                self.told_trouble.remove(&(channel, item));
                self.hear(Heard::Changed((channel, item)));
            }
            LibraryInput::Start(channel, item) => self.hear(Heard::Want((channel, item))),
            LibraryInput::Later(channel, item) => self.hear(Heard::WantLater((channel, item))),
            LibraryInput::Stop(channel, item) => self.hear(Heard::Drop((channel, item))),
            LibraryInput::Claim(key, ticket, granted, awaited) => {
                self.claims.insert(ticket, (granted, awaited));
                self.hear(Heard::Claim(key, ticket));
            }
            LibraryInput::Release(key, ticket) => {
                self.claims.remove(&ticket);
                self.hear(Heard::Release(key, ticket));
            }
            LibraryInput::Looked(key, wanted) => self.hear(Heard::Looked(key, wanted)),
            LibraryInput::Checked(channel, item, files) => {
                match files {
                    0 => drop(self.checked.remove(&(channel, item))),
                    files => drop(self.checked.insert((channel, item), files)),
                }
                self.told((channel, item));
            }
            LibraryInput::Forget(channel) => {
                if let Some((_, token)) = self.reading.remove(&channel) {
                    token.cancel();
                }
                self.told_lists.remove(&channel);
                self.budgets.remove(&channel);
                self.unread.remove(&channel);
                self.checked.retain(|(other, _), _| *other != channel);
                self.hear(Heard::Forget(channel));
            }
            LibraryInput::Done(key, run, outcome) => {
                self.plans.remove(&(key, run));
                if let Outcome::Failed(trouble) = &outcome {
                    self.trouble(key, trouble);
                }
                self.hear(Heard::Done(key, run, outcome));
            }
            LibraryInput::Coming(blob, bytes) => {
                let now = self.ctx.clock.now();
                for key in self.machine.lacking(&blob) {
                    // On a slow line a blob takes longer than the time after which the line counts as idle.
                    let moving = self.moving.entry(*key).or_default();
                    moving.came += bytes;
                    moving.count(now);
                }
            }
            LibraryInput::Placed(blob, placed) => self.placed(blob, placed),
            LibraryInput::NotPlaced(blob, error) => {
                let error = ErrorInfo::from(error);
                for key in self.machine.lacking(&blob).copied().collect::<Vec<_>>() {
                    self.stuck(key, error.clone());
                }
            }
            LibraryInput::Stuck(key, trouble) => {
                self.trouble(key, &trouble);
                self.hear(Heard::Bad(key, trouble));
            }
            LibraryInput::Unreadable(error) => self.unreadable(error),
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
                self.hear(Heard::Hold(self.held.is_some()));
            }
            LibraryInput::Retry => {
                self.retry_lists();
                self.hear(Heard::Room);
            }
            LibraryInput::Urgency(channel, item, urgency) => {
                self.hear(Heard::Urge((channel, item), of_store(urgency)));
            }
            LibraryInput::Standing(answer) => {
                let mut causes: HashMap<Key, Cause> =
                    self.machine.causes().map(|(key, stuck)| (*key, stuck.cause.clone())).collect();
                causes.extend(self.checked.iter().map(|(key, files)| (*key, Cause::FilesChanged { files: *files })));
                let waiting = self.machine.waiting();
                causes.extend(waiting.map(|key| (*key, self.held.clone().unwrap_or(Cause::Queued))));
                let rates = self.machine.active().map(|key| (*key, self.rate(key))).collect();
                // Who asked may have gone: then nobody needs it.
                let _ = answer.send(Standings { causes, rates, ..self.standing() });
            }
            LibraryInput::StandingOf(key, answer) => {
                let mut cause = self.machine.cause(&key).map(|stuck| stuck.cause.clone());
                if let Some(files) = self.checked.get(&key) {
                    cause = Some(Cause::FilesChanged { files: *files });
                }
                if self.machine.is_queued(&key) {
                    cause = Some(self.held.clone().unwrap_or(Cause::Queued));
                }
                let causes = cause.map(|cause| (key, cause)).into_iter().collect();
                let rates = HashMap::from([(key, self.rate(&key))]);
                let _ = answer.send(Standings { causes, rates, ..self.standing() });
            }
        }
    }

    /// What is known of everything.
    fn standing(&self) -> Standings {
        let now = self.ctx.clock.now();
        let moved = |key: &Key| self.moving.get(key).map_or(Duration::ZERO, |moving| moving.moved);
        let busy = self.machine.active().any(|key| now.saturating_sub(moved(key)) < IDLE_AFTER);
        Standings { busy, held: self.held.clone(), unread: self.unread.clone(), ..Standings::default() }
    }

    fn rate(&self, key: &Key) -> u64 {
        self.moving.get(key).map_or(0, |moving| moving.meter.rate(self.ctx.clock.now()))
    }

    fn placed(&mut self, blob: BlobId, placed: Placed) {
        let now = self.ctx.clock.now();
        for key in self.machine.lacking(&blob).copied().collect::<Vec<_>>() {
            let moving = self.moving.entry(key).or_default();
            moving.whole += protocol::params::BLOB_LEN as u64;
            moving.count(now);
        }
        let grown: Vec<Key> = placed.items.iter().map(|(channel, item, _)| (*channel, *item)).collect();
        for key in &grown {
            self.told_trouble.remove(key);
        }
        // A part file was removed or cut: there is more to ask for again.
        let lost = !placed.lost.is_empty();
        self.hear(Heard::Placed { blob, lost, grown, whole: placed.finished });
        for key in placed.unopenable {
            let why = "a part of it does not open with the key in the list";
            self.stuck(key, ErrorInfo::new(Code::BadContent, why));
        }
    }

    /// A file that is shared, or fetched, was seen to have changed: all of it is read.
    fn unreadable(&mut self, error: ReadError) {
        let ReadError::Changed { file, item, .. } = error else {
            if let ReadError::Store(error) = error {
                self.ctx.emit(Event::Notice(error.into()));
            }
            return;
        };
        let text = format!("{} changed on disk, no longer shared", paths::shown(&file));
        self.ctx.emit(Event::Notice(ErrorInfo::new(Code::SourceChanged, text)));
        self.hear(Heard::Shrunk(item));
        if self.rechecking.insert(file.clone()) {
            let ctx = self.ctx.clone();
            self.ctx.spawn(async move {
                log(channel::recheck(&ctx, item, file.clone()).await);
                ctx.library.send(LibraryInput::Rechecked(item, file));
            });
        }
        self.told(item);
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

    async fn flush_announced(&mut self) {
        let (blobs, at) = (std::mem::take(&mut self.announced), self.ctx.clock.unix_ms());
        if !blobs.is_empty() {
            log(self.ctx.with_store(move |s| s.set_announced(&blobs, at)).await);
        }
    }
}

fn of_store(urgency: Urgency) -> library::Urgency {
    match urgency {
        Urgency::Low => library::Urgency::Low,
        Urgency::Normal => library::Urgency::Normal,
        Urgency::High => library::Urgency::High,
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
