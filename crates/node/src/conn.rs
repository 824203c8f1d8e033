//! One connection's task: carries frames between the wire and the session, and blobs between the session and the store.
//!
//! Owns: the session, the serving order, two child tasks (reader, writer) that end with it. Reads at most
//! [`SERVE_AHEAD`] blobs ahead of what went out, so a peer that asks for much costs little memory.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use net::wire::{FrameReader, FrameWriter, WireError};
use protocol::session::{Capabilities, Command, Event, Role, Session};
use protocol::{BlobId, VerifiedBlob};
use store::{ReadError, Store};
use swarm::{Closed, ConnId};
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinSet;
use tokio_util::task::TaskTracker;

use crate::clock::Clock;
use crate::config::*;
use crate::engine::{BlobInHand, Engine, Input};
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
    pub(crate) traffic: Arc<Traffic>,
    pub(crate) limits: Arc<Limits>,
    pub(crate) tasks: TaskTracker,
}

const DATA: u8 = 0x03;

/// A blob to be served, or why not.
type Load = (BlobId, Option<Result<VerifiedBlob, ReadError>>);

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
            traffic,
            limits,
            tasks,
        } = self;
        let mut session = Session::new(role, ours, clock.now());
        let frame_max = Arc::new(AtomicUsize::new(session.frame_max()));
        let (frames_tx, mut frames) = mpsc::channel::<Result<Vec<u8>, WireError>>(FRAMES_QUEUED);
        let (writes, mut writes_rx) = mpsc::channel::<Vec<u8>>(WRITES_QUEUED);
        let mut children = JoinSet::new();
        let (cap, received) = (frame_max.clone(), traffic.clone());
        let (coming, (own_down, own_up)) = (limits.clone(), limits.of_peer());
        children.spawn(async move {
            loop {
                let mut frame = Vec::new();
                let read = reader.read(&|| cap.load(Ordering::Acquire), &mut frame).await.map(|()| frame);
                let bytes = read.as_ref().map_or(0, Vec::len);
                received.receive(bytes);
                own_down.take(bytes).await;
                coming.down.take(bytes).await;
                let end = read.is_err();
                if frames_tx.send(read).await.is_err() || end {
                    return;
                }
            }
        });
        let (broken_tx, mut broken) = mpsc::channel::<()>(1);
        let writing = tokio::spawn(async move {
            while let Some(plain) = writes_rx.recv().await {
                own_up.take(plain.len()).await;
                limits.up.take(plain.len()).await;
                if writer.write(&plain).await.is_err() {
                    let _ = broken_tx.send(()).await;
                    return;
                }
                traffic.send(plain.len());
            }
            let _ = writer.close().await;
        });

        let mut to_serve: VecDeque<BlobId> = VecDeque::new();
        let mut loads: JoinSet<Load> = JoinSet::new();
        // Blobs that the swarm gave us to serve and was not told to be gone; when something last went out.
        let mut given = 0;
        let mut went = clock.now();
        let mut pending: Option<Vec<u8>> = None;
        let why = loop {
            while let Some(event) = session.poll_event() {
                match event {
                    Event::Blob(blob, bytes) => {
                        let Ok(permit) = hands.clone().acquire_owned().await else { break };
                        let engine = engine.clone();
                        tasks.spawn_blocking(move || {
                            let verified = VerifiedBlob::verify(blob, bytes).ok();
                            engine.send_blocking(Input::Blob(BlobInHand { conn: id, blob, verified, permit }));
                        });
                    }
                    Event::Cancelled(blob) => {
                        if let Some(at) = to_serve.iter().position(|b| *b == blob) {
                            to_serve.remove(at);
                        }
                        engine.send(Input::Session(id, Event::Cancelled(blob))).await;
                    }
                    other => engine.send(Input::Session(id, other)).await,
                }
            }
            frame_max.store(session.frame_max(), Ordering::Release);
            if pending.is_none() {
                let mut out = Vec::new();
                if session.poll_transmit(&mut out) {
                    frame_max.store(session.frame_max(), Ordering::Release);
                    if out.first() == Some(&DATA) {
                        went = clock.now();
                    }
                    pending = Some(out);
                }
            }
            // Sent, cancelled by the peer, or not readable.
            let in_hand = to_serve.len() + loads.len() + session.blobs_held();
            if in_hand < given {
                engine.send(Input::Served(id, given - in_hand)).await;
                given = in_hand;
            }
            while loads.len() < 2 && session.blobs_held() + loads.len() < SERVE_AHEAD {
                let Some(blob) = to_serve.pop_front() else { break };
                let store = store.clone();
                loads.spawn(async move {
                    let read = tokio::task::spawn_blocking(move || store.read_blob(&blob)).await;
                    (blob, read.ok())
                });
            }
            if pending.is_none() && session.is_finished() {
                break Closed::Clean;
            }
            let sleep = session.poll_timeout().map_or(Duration::from_secs(3600), |at| at.saturating_sub(clock.now()));
            tokio::select! {
                biased;
                permit = writes.reserve(), if pending.is_some() => match (permit, pending.take()) {
                    (Ok(permit), Some(plain)) => permit.send(plain),
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
                Some(load) = loads.join_next() => match load {
                    Ok((blob, Some(Ok(bytes)))) => {
                        if session.blobs_held() == 0 {
                            went = clock.now();
                        }
                        session.handle_command(clock.now(), Command::Serve(blob, Arc::new(bytes.into_bytes())));
                    }
                    Ok((blob, Some(Err(error)))) => {
                        session.handle_command(clock.now(), Command::NotFound(blob));
                        engine.send(Input::Unreadable(blob, error)).await;
                    }
                    Ok(_) | Err(_) => break Closed::Failed,
                },
                // Others wait for the slots of a peer that takes nothing.
                () = tokio::time::sleep((went + STUCK).saturating_sub(clock.now())), if session.blobs_held() > 0 => {
                    tracing::debug!(conn = id.0, "the peer takes nothing of what it asked for");
                    break Closed::Failed;
                }
                frame = frames.recv() => match frame {
                    Some(Ok(frame)) => if let Err(violation) = session.handle_frame(clock.now(), &frame) {
                        tracing::debug!(conn = id.0, %violation, "connection ended");
                        break Closed::Violation;
                    },
                    Some(Err(WireError::Closed)) | None => break Closed::Clean,
                    Some(Err(error)) => {
                        tracing::debug!(conn = id.0, %error, "connection failed");
                        break Closed::Failed;
                    }
                },
                _ = broken.recv() => break Closed::Failed,
                () = tokio::time::sleep(sleep) => if session.handle_timeout(clock.now()).is_err() {
                    break Closed::Failed;
                },
            }
        };
        children.shutdown().await;
        drop(writes);
        // What was sealed goes out, then FIN; a peer that does not read has a moment, not for ever.
        let abort = writing.abort_handle();
        if tokio::time::timeout(Duration::from_secs(2), writing).await.is_err() {
            abort.abort();
        }
        loads.shutdown().await;
        why
    }
}
