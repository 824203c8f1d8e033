//! The library's task: followed channels, their lists, and the items that are fetched.
//!
//! Owns: which manifest of a channel is being read, which items move, which of their blobs the swarm was told to want.
//! One message at a time; reading lists and finishing files runs beside, and reports back.

use std::collections::{HashMap, HashSet, VecDeque};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use protocol::session::{Command, PublishRequest};
use protocol::{BlobId, ChannelKey, ItemId, SignedManifest};
use store::{Placed, ReadError, Standing, StoreError};
use swarm::ConnId;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::api::{Cause, Code, ErrorInfo, Event};
use crate::channel;
use crate::config::*;
use crate::ctx::Ctx;
use crate::engine::Input;
use crate::error::Result;
use crate::view;

/// What the library hears.
pub(crate) enum LibraryInput {
    /// From the swarm or the DHT; verified, not yet read.
    Manifest(Arc<SignedManifest>),
    SignedTwice(ChannelKey),
    /// Ask the DHT (E4).
    Refresh(ChannelKey),
    /// A channel's list was read, or could not be.
    Absorbed(ChannelKey, u64, Result<()>),
    /// Start or go on with what the channel's rule, or the user, wants.
    Start(ChannelKey, ItemId),
    /// An item is paused or removed: forget it.
    Stop(ChannelKey, ItemId),
    /// Forget a channel.
    Forget(ChannelKey),
    Planned(ChannelKey, ItemId, Result<()>),
    Placed(BlobId, Placed),
    NotPlaced(BlobId, StoreError),
    Missing(ChannelKey, ItemId, Result<Vec<BlobId>>),
    Finished(ChannelKey, ItemId, Result<()>),
    Unreadable(ReadError),
    Announced(BlobId),
    GatewayPublish(ConnId, PublishRequest),
    /// Tell causes of what does not move.
    Causes(tokio::sync::oneshot::Sender<Causes>),
}

/// Why things do not move, as far as the library knows.
#[derive(Debug, Default)]
pub(crate) struct Causes {
    pub(crate) items: HashMap<(ChannelKey, ItemId), Cause>,
    /// Channels whose newest list cannot be read.
    pub(crate) channels: HashMap<ChannelKey, Cause>,
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

type Key = (ChannelKey, ItemId);

#[derive(Default)]
struct Active {
    planned: bool,
    asking: bool,
    exhausted: bool,
    wanted: HashSet<BlobId>,
    told: Option<Duration>,
}

/// The task's state.
pub(crate) struct Library {
    ctx: Ctx,
    reading: HashMap<ChannelKey, (u64, CancellationToken)>,
    active: HashMap<Key, Active>,
    queue: VecDeque<Key>,
    stalled: HashMap<Key, Cause>,
    unread: HashMap<ChannelKey, Cause>,
    announced: Vec<BlobId>,
}

impl Library {
    pub(crate) fn new(ctx: Ctx) -> Self {
        Self {
            ctx,
            reading: HashMap::new(),
            active: HashMap::new(),
            queue: VecDeque::new(),
            stalled: HashMap::new(),
            unread: HashMap::new(),
            announced: Vec::new(),
        }
    }

    /// Runs until the node stops.
    pub(crate) async fn run(mut self, mut inputs: mpsc::UnboundedReceiver<LibraryInput>) {
        let stop = self.ctx.stop.clone();
        loop {
            let input = tokio::select! {
                () = stop.cancelled() => break,
                input = inputs.recv() => input,
            };
            let Some(input) = input else { break };
            self.handle(input).await;
            self.fill();
        }
        self.flush_announced().await;
    }

    async fn handle(&mut self, input: LibraryInput) {
        match input {
            LibraryInput::Manifest(manifest) => self.read_list(manifest),
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
                    Ok(()) => drop(self.unread.remove(&key)),
                    Err(error) if error.code == Code::Cancelled || error.code == Code::Stopping => {}
                    Err(error) => {
                        let what = error.message.clone();
                        let cause = match error.code {
                            Code::WrongReadKey => Some(Cause::WrongReadKey { what }),
                            Code::BadContent => Some(Cause::BadContent { what }),
                            Code::DiskFull => Some(full(&self.ctx.config.data_dir, 0)),
                            _ => None,
                        };
                        self.unread.extend(cause.map(|cause| (key, cause)));
                        self.ctx.emit(Event::Notice(error));
                    }
                }
                let ctx = self.ctx.clone();
                self.ctx.spawn(async move { channel::told(&ctx, key).await });
            }
            LibraryInput::Start(channel, item) => {
                let key = (channel, item);
                self.stalled.remove(&key);
                if !self.active.contains_key(&key) && !self.queue.contains(&key) {
                    self.queue.push_back(key);
                }
            }
            LibraryInput::Stop(channel, item) => self.stop_item((channel, item)).await,
            LibraryInput::Forget(channel) => {
                if let Some((_, token)) = self.reading.remove(&channel) {
                    token.cancel();
                }
                let items: Vec<Key> = self.active.keys().filter(|k| k.0 == channel).copied().collect();
                for key in items {
                    self.stop_item(key).await;
                }
                self.queue.retain(|k| k.0 != channel);
                self.stalled.retain(|k, _| k.0 != channel);
                self.unread.remove(&channel);
            }
            LibraryInput::Planned(channel, item, result) => match result {
                Ok(()) => {
                    if let Some(active) = self.active.get_mut(&(channel, item)) {
                        active.planned = true;
                    }
                }
                Err(error) => self.stall((channel, item), error).await,
            },
            LibraryInput::Missing(channel, item, result) => self.missing((channel, item), result).await,
            LibraryInput::Placed(blob, placed) => {
                for active in self.active.values_mut() {
                    active.wanted.remove(&blob);
                }
                for (channel, item, _) in &placed.items {
                    self.progress((*channel, *item));
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
            LibraryInput::Finished(channel, item, result) => match result {
                Ok(()) => {
                    self.active.remove(&(channel, item));
                    let ctx = self.ctx.clone();
                    self.ctx.spawn(async move {
                        if let Ok(Some(info)) = view::item(&ctx, channel, item).await {
                            ctx.emit(Event::Ready(info));
                        }
                    });
                }
                Err(error) => self.stall((channel, item), error).await,
            },
            LibraryInput::Unreadable(error) => {
                if let ReadError::Changed { file, item } = error {
                    self.stalled.insert(item, Cause::FilesChanged { files: 1 });
                    self.ctx.emit(Event::Notice(ErrorInfo::new(
                        Code::SourceChanged,
                        format!("{} changed on disk, no longer shared", file.display()),
                    )));
                    self.told(item);
                } else if let ReadError::Store(error) = error {
                    self.ctx.emit(Event::Notice(error.into()));
                }
            }
            LibraryInput::Announced(blob) => {
                self.announced.push(blob);
                if self.announced.len() >= 32 {
                    self.flush_announced().await;
                }
            }
            LibraryInput::GatewayPublish(conn, request) => {
                let ctx = self.ctx.clone();
                self.ctx.spawn(async move {
                    let answer = channel::publish_for(&ctx, request).await;
                    ctx.engine.send(Input::Tell(conn, Command::Published(answer))).await;
                });
            }
            LibraryInput::Causes(answer) => {
                let mut items = self.stalled.clone();
                items.extend(self.queue.iter().map(|key| (*key, Cause::Queued)));
                let _ = answer.send(Causes { items, channels: self.unread.clone() });
            }
        }
    }

    /// Reads a manifest's list; a newer one replaces the reading of an older.
    fn read_list(&mut self, manifest: Arc<SignedManifest>) {
        let key = *manifest.key();
        if let Some((sequence, token)) = self.reading.get(&key) {
            if *sequence > manifest.sequence() {
                return;
            }
            token.cancel();
        }
        let token = self.ctx.stop.child_token();
        let sequence = manifest.sequence();
        self.reading.insert(key, (sequence, token.clone()));
        let ctx = self.ctx.clone();
        self.ctx.tasks.spawn(async move {
            let result = match token.run_until_cancelled(channel::absorb(&ctx, manifest)).await {
                Some(result) => result,
                None => Err(ErrorInfo::new(Code::Cancelled, "A newer list came.")),
            };
            ctx.library.send(LibraryInput::Absorbed(key, sequence, result));
        });
    }

    /// Starts queued items and asks the store what running ones lack.
    fn fill(&mut self) {
        while self.active.len() < ITEMS_AT_ONCE
            && let Some(key) = self.queue.pop_front()
        {
            self.active.insert(key, Active::default());
            let ctx = self.ctx.clone();
            self.ctx.spawn(async move {
                let result = channel::plan(&ctx, key.0, key.1).await;
                ctx.library.send(LibraryInput::Planned(key.0, key.1, result));
            });
        }
        for (key, active) in &mut self.active {
            if active.planned && !active.asking && !active.exhausted && active.wanted.len() < WANT_WINDOW / 2 {
                active.asking = true;
                let (ctx, key, wanted) = (self.ctx.clone(), *key, active.wanted.clone());
                self.ctx.spawn(async move {
                    let limit = WANT_WINDOW - wanted.len();
                    let missing =
                        ctx.with_store(move |s| s.missing(&key.0, &key.1, limit, &|b| wanted.contains(b))).await;
                    ctx.library.send(LibraryInput::Missing(key.0, key.1, missing));
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
                self.ctx.engine.send(Input::Want(blobs, key.0)).await;
                self.told(key);
            }
            Err(error) => self.stall(key, error).await,
        }
    }

    fn finish(&mut self, key: Key) {
        // The last blob of an item may come while its next window is being asked for: one finish is enough.
        if let Some(active) = self.active.get_mut(&key) {
            active.exhausted = true;
            active.asking = true;
        }
        let ctx = self.ctx.clone();
        self.ctx.spawn(async move {
            let result = channel::finish(&ctx, key.0, key.1).await;
            ctx.library.send(LibraryInput::Finished(key.0, key.1, result));
        });
    }

    async fn stop_item(&mut self, key: Key) {
        self.queue.retain(|k| *k != key);
        self.stalled.remove(&key);
        if let Some(active) = self.active.remove(&key) {
            let elsewhere: HashSet<BlobId> = self.active.values().flat_map(|a| a.wanted.iter().copied()).collect();
            let gone: Vec<BlobId> = active.wanted.into_iter().filter(|b| !elsewhere.contains(b)).collect();
            self.ctx.engine.send(Input::Unwant(gone)).await;
        }
    }

    /// An item cannot go on: its cause is kept, others go on.
    async fn stall(&mut self, key: Key, error: ErrorInfo) {
        if error.code == Code::Stopping || error.code == Code::Cancelled {
            return;
        }
        self.stop_item(key).await;
        let what = error.message.clone();
        let cause = match error.code {
            Code::BadContent => Cause::BadContent { what },
            code => match self.place_of(key).await {
                Ok((place, needed)) if code == Code::DiskFull => full(&place, needed),
                Ok((place, _)) => Cause::FolderNotWritable { path: place.display().to_string() },
                Err(_) => Cause::FolderNotWritable { path: what },
            },
        };
        self.stalled.insert(key, cause);
        self.ctx.emit(Event::Notice(error));
        self.told(key);
    }

    /// Where an item's files go, and how many bytes it still needs there.
    async fn place_of(&self, key: Key) -> Result<(PathBuf, u64)> {
        let row = self.ctx.with_store(move |s| Ok((s.item(&key.0, &key.1)?, s.have_bytes(&key.0, &key.1)?))).await;
        let (root, needed) = match row {
            Ok((Some(row), have)) => (row.root, row.bytes.saturating_sub(have)),
            _ => (None, 0),
        };
        match root {
            Some(root) => Ok((root, needed)),
            None => Ok((channel::download_dir(&self.ctx).await?, needed)),
        }
    }

    fn progress(&mut self, key: Key) {
        let now = self.ctx.clock.now();
        if let Some(active) = self.active.get_mut(&key) {
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

/// The disk with this place is full; a folder that is not there yet lies on the disk of the one above.
fn full(place: &Path, needed: u64) -> Cause {
    let free = place.ancestors().find_map(|folder| store::free_space(folder).ok()).unwrap_or(0);
    Cause::DiskFull { free, needed }
}

/// Trouble in the background is told in the log; what a person must know goes out as a notice where it happens.
fn log<T>(result: Result<T>) {
    if let Err(error) = result
        && error.code != Code::Stopping
    {
        tracing::warn!(code = ?error.code, "{}", error.message);
    }
}

/// Wanted items of all channels go on at start.
pub(crate) async fn resume_all(ctx: &Ctx) -> Result<()> {
    for row in ctx.with_store(|s| s.transfers()).await? {
        if row.standing == Standing::Wanted && !row.paused {
            ctx.library.send(LibraryInput::Start(row.channel, row.id));
        }
    }
    Ok(())
}
