//! One connection's task: carries frames between the wire and the session, and blobs between the session and the store.
//!
//! Owns: the session, the serving order, two child tasks (reader, writer) that end with it. Reads at most
//! [`SERVE_AHEAD`] blobs ahead of what went out, so a peer that asks for much costs little memory.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use net::wire::{FrameReader, FrameWriter, WireError};
use protocol::params::{FRAME_MAX, SPLIT_LEN};
use protocol::session::{Capabilities, Command, Event, Role, Session};
use protocol::{BlobId, VerifiedBlob};
use store::{ReadError, Store};
use swarm::{Closed, ConnId};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::task::JoinSet;

use crate::clock::Clock;
use crate::config::*;
use crate::engine::{Engine, Input};
use crate::hasher::Unhashed;
use crate::limits::Limits;
use crate::meter::Traffic;

/// What the engine tells a connection.
pub(crate) enum ConnCommand {
    /// For the session.
    Session(Command),
    /// Load this blob and serve it.
    Serve(BlobId),
}

/// What a connection's task needs.
pub(crate) struct Conn {
    pub(crate) id: ConnId,
    pub(crate) role: Role,
    pub(crate) ours: Capabilities,
    pub(crate) reader: FrameReader,
    pub(crate) writer: FrameWriter,
    pub(crate) commands: mpsc::Receiver<ConnCommand>,
    pub(crate) engine: Engine,
    pub(crate) store: Store,
    pub(crate) clock: Clock,
    pub(crate) hands: Arc<Semaphore>,
    pub(crate) hasher: mpsc::Sender<Unhashed>,
    pub(crate) traffic: Arc<Traffic>,
    pub(crate) limits: Arc<Limits>,
    pub(crate) slots: Slots,
}

/// Bytes of blobs as they come, told now and then: a blob may take a minute.
struct Coming {
    since: Duration,
    bytes: u64,
}

impl Coming {
    /// `tell` says whether it was heard; if not, it is told the next time.
    fn take(&mut self, bytes: usize, now: Duration, tell: impl FnOnce(u64) -> bool) {
        self.bytes += bytes as u64;
        if now.saturating_sub(self.since) >= COMING_EVERY && tell(self.bytes) {
            *self = Self { since: now, bytes: 0 };
        }
    }
}

/// Frames of one connection that wait to be read into, and the largest that does: one of a split blob, not a v5 peer's.
const SPARE_FRAMES: usize = 2;
const SPARE_FRAME_MAX: usize = 2 * SPLIT_LEN;

/// Blobs loaded to be sent, over all connections: each holds a slot until the kernel has its last byte.
#[derive(Clone)]
pub(crate) struct Slots {
    /// For a connection's only blob, in the order of asking.
    first: Arc<Semaphore>,
    /// For what is loaded ahead of it: whoever is quick finds one.
    ahead: Arc<Semaphore>,
    /// To read and hash: more at once than there are cores make nobody quicker, and each takes memory of its own.
    loads: Arc<Semaphore>,
}

impl Slots {
    pub(crate) fn new() -> Self {
        let of = |count| Arc::new(Semaphore::new(count));
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Self { first: of(UPLOAD_SLOTS), ahead: of(AHEAD_SLOTS), loads: of(cores.max(LOADS_MIN)) }
    }
}

/// A frame to be sealed and sent, and the slot of the blob that ends with it.
type Write = (Vec<u8>, Option<OwnedSemaphorePermit>);
/// A blob to be served, or why not, and its slot; nothing, if it was cancelled meanwhile.
type Loaded = (BlobId, Option<Result<VerifiedBlob, ReadError>>, OwnedSemaphorePermit);

/// A blob that is being loaded, and whether the peer took its question back: then what is left of the work is not done.
#[derive(Clone)]
struct Loading {
    blob: BlobId,
    cancelled: Arc<AtomicBool>,
}

impl Loading {
    fn new(blob: BlobId) -> Self {
        Self { blob, cancelled: Arc::new(AtomicBool::new(false)) }
    }
    fn is_wanted(&self, blob: &BlobId) -> bool {
        self.blob == *blob && !self.cancelled.load(Ordering::Acquire)
    }
}

/// What a connection loads beside what it has loaded already, if there is a slot for it.
fn ahead(to_serve: &mut VecDeque<BlobId>, slots: &Slots) -> Option<(BlobId, OwnedSemaphorePermit)> {
    if to_serve.is_empty() {
        return None;
    }
    let slot = slots.ahead.clone().try_acquire_owned().ok()?;
    Some((to_serve.pop_front()?, slot))
}

/// Loads a blob, once it has a slot, and another with it. Nothing: the node stops.
async fn load(
    store: Store,
    slots: Slots,
    first: (Loading, Option<OwnedSemaphorePermit>),
    second: Option<(Loading, OwnedSemaphorePermit)>,
) -> Vec<Loaded> {
    let slot = match first.1 {
        Some(slot) => slot,
        None => match slots.first.acquire_owned().await {
            Ok(slot) => slot,
            Err(_) => return Vec::new(),
        },
    };
    let Ok(turn) = slots.loads.acquire_owned().await else { return Vec::new() };
    let read = tokio::task::spawn_blocking(move || {
        let _turn = turn;
        let (loading, held): (Vec<Loading>, Vec<OwnedSemaphorePermit>) =
            std::iter::once((first.0, slot)).chain(second).unzip();
        let blobs: Vec<BlobId> = loading.iter().map(|loading| loading.blob).collect();
        let read = store.read_wanted(&blobs, &|blob| loading.iter().any(|loading| loading.is_wanted(blob)));
        blobs.into_iter().zip(read).zip(held).map(|((blob, read), slot)| (blob, read, slot)).collect()
    });
    read.await.unwrap_or_default()
}

impl Conn {
    /// Runs until the connection ends, then tells the engine why.
    pub(crate) async fn run(self) {
        let (id, engine) = (self.id, self.engine.clone());
        let why = self.talk().await;
        engine.send(Input::Closed(id, why)).await;
    }

    async fn talk(self) -> Closed {
        let Self {
            id,
            role,
            ours,
            mut reader,
            mut writer,
            mut commands,
            engine,
            store,
            clock,
            hands,
            hasher,
            traffic,
            limits,
            slots,
        } = self;
        let mut session = Session::new(role, ours, clock.now());
        let frame_max = Arc::new(AtomicUsize::new(session.frame_max()));
        let (frames_tx, mut frames) = mpsc::channel::<Result<Vec<u8>, WireError>>(FRAMES_QUEUED);
        // Frames that were handled, for the next ones to be read into: those of a split blob come by the thousand.
        let (spare, mut spare_rx) = mpsc::channel::<Vec<u8>>(SPARE_FRAMES);
        let (writes, mut writes_rx) = mpsc::channel::<Write>(WRITES_QUEUED);
        let mut children = JoinSet::new();
        let (cap, received) = (frame_max.clone(), traffic.clone());
        let (coming, (own_down, own_up)) = (limits.clone(), limits.of_peer());
        let (mut told, asked, hears) = (Coming { since: clock.now(), bytes: 0 }, frame_max.clone(), engine.clone());
        let busy = engine.clone();
        reader.on_bytes(move |bytes| {
            received.receive(bytes);
            if asked.load(Ordering::Acquire) > FRAME_MAX {
                told.take(bytes, clock.now(), |bytes| hears.try_send(Input::Coming(id, bytes)));
            }
        });
        children.spawn(async move {
            loop {
                let mut frame = spare_rx.try_recv().unwrap_or_default();
                let read = reader.read(&|| cap.load(Ordering::Acquire), &mut frame).await.map(|()| frame);
                let bytes = read.as_ref().map_or(0, Vec::len);
                let mut held = std::pin::pin!(async {
                    own_down.take(bytes).await;
                    coming.down.take(bytes).await;
                });
                while tokio::time::timeout(HELD_BACK, &mut held).await.is_err() {
                    // It is our limit that keeps us from reading: the peer is not mute.
                    busy.try_send(Input::Coming(id, 0));
                }
                let end = read.is_err();
                if frames_tx.send(read).await.is_err() || end {
                    return;
                }
            }
        });
        let (broken_tx, mut broken) = mpsc::channel::<()>(1);
        // One for each blob whose last byte the kernel has.
        let (sent_tx, mut sent) = mpsc::channel::<()>(WRITES_QUEUED);
        // Frames that the writer got, and those that it wrote.
        let (mut queued, written) = (0, Arc::new(AtomicU64::new(0)));
        let wrote = written.clone();
        let writing = tokio::spawn(async move {
            while let Some((plain, slot)) = writes_rx.recv().await {
                let bytes = plain.len();
                own_up.take(bytes).await;
                limits.up.take(bytes).await;
                if writer.write(plain).await.is_err() {
                    let _ = broken_tx.send(()).await;
                    return;
                }
                traffic.send(bytes);
                wrote.fetch_add(1, Ordering::Release);
                if let Some(slot) = slot {
                    drop(slot);
                    // Nobody counts any more when the connection ends, and what is queued still goes out.
                    let _ = sent_tx.send(()).await;
                }
            }
            let _ = writer.close().await;
        });

        let mut to_serve: VecDeque<BlobId> = VecDeque::new();
        // Blobs that the swarm gave us to serve and was not told to be gone.
        let mut given = 0;
        let (mut loads, mut loading) = (JoinSet::<Vec<Loaded>>::new(), Vec::<Loading>::new());
        // A slot for each blob that waits in the session; when something last went out, and how much had by then.
        let mut holding: VecDeque<OwnedSemaphorePermit> = VecDeque::new();
        // Blobs that left the session with their slot, and that the kernel does not have yet.
        let mut leaving = 0;
        // Blobs that the kernel has whole, and that the swarm was not told of.
        let mut whole = 0;
        let mut went = (clock.now(), 0);
        let mut pending: Option<Write> = None;
        let why = loop {
            // A peer that sends without a pause must not keep either from its turn: what went out, and what is due.
            while sent.try_recv().is_ok() {
                leaving -= 1;
                whole += 1;
            }
            let now = clock.now();
            if session.poll_timeout().is_some_and(|due| due <= now) && session.handle_timeout(now).is_err() {
                break Closed::Failed;
            }
            while let Some(event) = session.poll_event() {
                match event {
                    Event::Blob(blob, bytes) => {
                        let Ok(permit) = hands.clone().acquire_owned().await else { break };
                        // The hasher goes with the node only.
                        let _ = hasher.send(Unhashed { conn: id, blob, bytes, permit }).await;
                    }
                    Event::Cancelled(blob) => {
                        if let Some(at) = to_serve.iter().position(|b| *b == blob) {
                            to_serve.remove(at);
                        } else if let Some(loading) = loading.iter().find(|loading| loading.is_wanted(&blob)) {
                            loading.cancelled.store(true, Ordering::Release);
                        }
                        engine.send(Input::Session(id, Event::Cancelled(blob))).await;
                    }
                    other => engine.send(Input::Session(id, other)).await,
                }
            }
            frame_max.store(session.frame_max(), Ordering::Release);
            if pending.is_none() {
                let mut out = Vec::new();
                let held = session.blobs_held();
                if session.poll_transmit(&mut out) {
                    frame_max.store(session.frame_max(), Ordering::Release);
                    // The last of a blob takes its slot along.
                    let slot = if session.blobs_held() < held { holding.pop_front() } else { None };
                    leaving += usize::from(slot.is_some());
                    pending = Some((out, slot));
                }
            }
            // Cancelled by the peer.
            holding.truncate(session.blobs_held());
            // Sent, cancelled, or not readable.
            let in_hand = to_serve.len() + loading.len() + session.blobs_held() + leaving;
            if in_hand < given {
                let went = whole.min(given - in_hand);
                engine.send(Input::Served { conn: id, whole: went, dropped: given - in_hand - went }).await;
                given = in_hand;
                whole -= went;
            }
            // Two are hashed at once for little more than one: there is room for both, or nothing is loaded yet.
            if loading.is_empty() && holding.len() + 2 <= SERVE_AHEAD {
                let first = match holding.is_empty() && leaving == 0 {
                    true => to_serve.pop_front().map(|blob| (blob, None)),
                    // Without a free slot it waits until something of its own went out.
                    false => ahead(&mut to_serve, &slots).map(|(blob, slot)| (blob, Some(slot))),
                };
                if let Some(first) = first {
                    let first = (Loading::new(first.0), first.1);
                    let second = ahead(&mut to_serve, &slots).map(|(blob, slot)| (Loading::new(blob), slot));
                    loading = std::iter::once(&first.0).chain(second.iter().map(|(other, _)| other)).cloned().collect();
                    loads.spawn(load(store.clone(), slots.clone(), first, second));
                }
            }
            if pending.is_none() && session.is_finished() {
                break Closed::Clean;
            }
            let sleep = session.poll_timeout().map_or(Duration::from_secs(3600), |at| at.saturating_sub(clock.now()));
            tokio::select! {
                biased;
                permit = writes.reserve(), if pending.is_some() => match (permit, pending.take()) {
                    (Ok(permit), Some(write)) => {
                        permit.send(write);
                        queued += 1;
                    }
                    _ => break Closed::Failed,
                },
                command = commands.recv() => match command {
                    Some(ConnCommand::Session(command)) => session.handle_command(clock.now(), command),
                    Some(ConnCommand::Serve(blob)) => {
                        given += 1;
                        to_serve.push_back(blob);
                    }
                    None => break Closed::Clean,
                },
                Some(loaded) = loads.join_next() => {
                    let loaded = loaded.unwrap_or_default();
                    if loaded.is_empty() {
                        break Closed::Failed;
                    }
                    loading.clear();
                    for (blob, read, slot) in loaded {
                        match read {
                            // Its question was answered when it was taken back.
                            None => {}
                            Some(Ok(bytes)) => {
                                if holding.is_empty() {
                                    went.0 = clock.now();
                                }
                                holding.push_back(slot);
                                session.handle_command(clock.now(), Command::Serve(blob, Arc::new(bytes.into_bytes())));
                            }
                            Some(Err(error)) => {
                                session.handle_command(clock.now(), Command::NotFound(blob));
                                engine.send(Input::Unreadable(blob, error)).await;
                            }
                        }
                    }
                }
                // Others wait for the slots of a peer that takes nothing.
                () = tokio::time::sleep((went.0 + STUCK).saturating_sub(clock.now())),
                    if !holding.is_empty() || queued > written.load(Ordering::Acquire) =>
                {
                    let so_far = written.load(Ordering::Acquire);
                    if so_far == went.1 {
                        tracing::debug!(conn = id.0, "the peer takes nothing of what it asked for");
                        break Closed::Failed;
                    }
                    went = (clock.now(), so_far);
                }
                frame = frames.recv() => match frame {
                    Some(Ok(frame)) => {
                        if let Err(violation) = session.handle_frame(clock.now(), &frame) {
                            tracing::debug!(conn = id.0, %violation, "connection ended");
                            break Closed::Violation;
                        }
                        if frame.capacity() <= SPARE_FRAME_MAX {
                            // When enough of them wait, this one goes.
                            let _ = spare.try_send(frame);
                        }
                    }
                    Some(Err(WireError::Closed)) | None => break Closed::Clean,
                    Some(Err(error)) => {
                        tracing::debug!(conn = id.0, %error, "connection failed");
                        break Closed::Failed;
                    }
                },
                Some(()) = sent.recv() => {
                    leaving -= 1;
                    whole += 1;
                }
                _ = broken.recv() => break Closed::Failed,
                () = tokio::time::sleep(sleep) => if session.handle_timeout(clock.now()).is_err() {
                    break Closed::Failed;
                },
            }
        };
        children.shutdown().await;
        // Nobody reads what the writer tells from here on: it must not wait for that.
        drop((writes, sent));
        // What was sealed goes out, then FIN; a peer that does not read has a moment, not for ever.
        let abort = writing.abort_handle();
        if tokio::time::timeout(Duration::from_secs(2), writing).await.is_err() {
            abort.abort();
        }
        loads.shutdown().await;
        why
    }
}

#[cfg(test)]
mod tests;
