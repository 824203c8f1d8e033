//! The engine's task: owns the swarm, carries its outputs into the world and the world's answers back.
//!
//! Everything that happens to peers passes here, one message at a time; nothing here blocks. Fetched blobs are
//! hashed by the hasher's workers, written by workers of this task, and only then counted as held.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use net::gate::{Gate, GateError};
use net::wire::{FrameReader, FrameWriter};
use protocol::handshake::Binding;
use protocol::price::Payer;
use protocol::session::{Command, Event, Role};
use protocol::{AddrClass, BlobId, ChannelKey, InfoHash, PeerAddr, SignedManifest, VerifiedBlob};
use store::{Placed, ReadError, Store, StoreError};
use swarm::{Closed, ConnId, Follow, Output, Priority, Rank, Source, Swarm, Verdict};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::clock::Clock;
use crate::config::*;
use crate::conn::{Conn, ConnCommand, Slots};
use crate::hasher::Unhashed;
use crate::library::{LibraryInput, LibrarySender};
use crate::limits::Limits;
use crate::meter::Traffic;
use crate::network::Network;
use crate::relay::{self, Asked, RelaySender};

/// A blob that a peer sent, hashed; holds its place among the blobs in hand.
pub(crate) struct BlobInHand {
    pub(crate) conn: ConnId,
    pub(crate) blob: BlobId,
    /// `None`: the hash was wrong.
    pub(crate) verified: Option<VerifiedBlob>,
    pub(crate) permit: OwnedSemaphorePermit,
}

/// A connection that passed the handshake.
pub(crate) struct Connected {
    /// The number of the route that it was made by.
    pub(crate) network: u64,
    pub(crate) addr: PeerAddr,
    /// It came by an address that is this channel's alone.
    pub(crate) only: Option<ChannelKey>,
    pub(crate) reader: FrameReader,
    pub(crate) writer: FrameWriter,
    pub(crate) binding: Binding,
}

type Ask = Box<dyn FnOnce(&mut Swarm, Duration) + Send>;

/// What the engine hears.
pub(crate) enum Input {
    Follow(Follow, Vec<(PeerAddr, Source)>),
    Unfollow(ChannelKey),
    Manifest(Arc<SignedManifest>),
    /// A structure blob is wanted; answered when it is stored, dropped when it is given up.
    Structure {
        blob: BlobId,
        channel: ChannelKey,
        role: store::Role,
        done: oneshot::Sender<Result<(), StoreError>>,
    },
    Want(Vec<BlobId>, ChannelKey, Priority),
    Unwant(Vec<BlobId>),
    /// Of these, what is wanted to be lent is not waited for any more.
    UnwantLent(Vec<BlobId>),
    /// Wanted before all other content: a player waits for it.
    Stream(Vec<BlobId>, ChannelKey),
    Hold(Vec<(BlobId, ChannelKey, Rank, Option<Duration>)>),
    Unhold(Vec<BlobId>),
    Dialled(ConnId, Option<Box<Connected>>),
    Accepted(Box<Connected>),
    Session(ConnId, Event),
    Blob(BlobInHand),
    /// So many bytes came on this connection while something was asked of it, since this was last said.
    Coming(ConnId, u64),
    /// So many blobs that this connection had to serve are off its hands: they went whole, or were taken back or not readable.
    Served {
        conn: ConnId,
        whole: usize,
        dropped: usize,
    },
    Placed(ConnId, BlobId, Result<Placement, StoreError>),
    Unreadable(BlobId, ReadError),
    Closed(ConnId, Closed),
    Found(InfoHash, Vec<std::net::SocketAddr>),
    Announced(InfoHash, bool),
    /// Stop everything, or go on.
    Pause(bool),
    /// Another way out; answered when nothing is done on the old one any more.
    Network(Arc<Network>, oneshot::Sender<()>),
    /// What HELLO names from here on.
    Capabilities(protocol::session::Capabilities),
    /// What a gateway says to who asked.
    Answer(relay::Answer),
    /// What was paid for costs nothing after all.
    GiveBack(Payer),
    /// Look at the swarm.
    Ask(Ask),
}

/// Where a fetched blob went.
pub(crate) enum Placement {
    Content(Placed),
    Structure(ChannelKey, store::Role),
}

/// Talks to the engine.
#[derive(Clone)]
pub(crate) struct Engine(mpsc::Sender<Input>);

impl Engine {
    pub(crate) fn channel() -> (Self, mpsc::Receiver<Input>) {
        let (tx, rx) = mpsc::channel(ENGINE_QUEUE);
        (Self(tx), rx)
    }
    /// Waits for room. A stopped engine hears nothing any more, and nobody needs it to.
    pub(crate) async fn send(&self, input: Input) {
        let _ = self.0.send(input).await;
    }
    /// Says it if there is room, for what may as well be said later. False: there was none.
    pub(crate) fn try_send(&self, input: Input) -> bool {
        self.0.try_send(input).is_ok()
    }
    /// For blocking workers.
    pub(crate) fn send_blocking(&self, input: Input) {
        let _ = self.0.blocking_send(input);
    }
    /// Tells what of a channel is held from now on, slice by slice: an item of a million blobs makes no message of a million.
    pub(crate) async fn hold(&self, channel: ChannelKey, blobs: impl IntoIterator<Item = (BlobId, Rank)> + Send) {
        let mut slice = Vec::new();
        let mut blobs = blobs.into_iter().map(|(blob, rank)| (blob, channel, rank, None));
        loop {
            slice.extend(blobs.by_ref().take(HOLD_SLICE));
            if slice.is_empty() {
                return;
            }
            self.send(Input::Hold(std::mem::take(&mut slice))).await;
        }
    }
    /// Asks the swarm; `None` when the engine is stopped.
    pub(crate) async fn ask<T: Send + 'static>(
        &self,
        f: impl FnOnce(&mut Swarm, Duration) -> T + Send + 'static,
    ) -> Option<T> {
        let (tx, rx) = oneshot::channel();
        self.send(Input::Ask(Box::new(move |swarm, now| drop(tx.send(f(swarm, now)))))).await;
        // A question that was handed over in the very moment in which the engine ended lies in its queue for ever.
        tokio::select! {
            biased;
            answer = rx => answer.ok(),
            () = self.0.closed() => None,
        }
    }
}

/// Blobs that one message tells of.
const HOLD_SLICE: usize = 4096;

/// Whose turn it is: what is due goes before the next input, and the next input before what is due again. So neither a
/// queue that is never empty keeps timers from running, nor the timers the queue.
enum Turn {
    Input,
    Due,
}

enum Next<T> {
    Input(T),
    Due,
    /// Nothing comes any more.
    Over,
}

impl Turn {
    /// The next thing to do; something is due after `due`. May be dropped and called again: nothing is lost.
    async fn next<T>(&mut self, inputs: &mut mpsc::Receiver<T>, due: Duration) -> Next<T> {
        if due.is_zero() && matches!(self, Self::Due) {
            *self = Self::Input;
            return Next::Due;
        }
        let next = tokio::select! {
            biased;
            input = inputs.recv() => input.map_or(Next::Over, Next::Input),
            () = tokio::time::sleep(due) => Next::Due,
        };
        *self = if matches!(next, Next::Due) { Self::Input } else { Self::Due };
        next
    }
}

struct Structure {
    channel: ChannelKey,
    role: store::Role,
    done: Vec<oneshot::Sender<Result<(), StoreError>>>,
}

/// The task's state.
pub(crate) struct EngineTask {
    pub(crate) swarm: Swarm,
    pub(crate) engine: Engine,
    pub(crate) inputs: mpsc::Receiver<Input>,
    pub(crate) store: Store,
    pub(crate) network: Arc<Network>,
    pub(crate) config: NodeConfig,
    pub(crate) library: LibrarySender,
    pub(crate) relay: RelaySender,
    pub(crate) clock: Clock,
    pub(crate) ours: protocol::session::Capabilities,
    pub(crate) tasks: TaskTracker,
    pub(crate) stop: CancellationToken,
    pub(crate) hands: Arc<Semaphore>,
    pub(crate) hasher: mpsc::Sender<Unhashed>,
    pub(crate) arrived: watch::Sender<u64>,
    pub(crate) traffic: Arc<Traffic>,
    pub(crate) limits: Arc<Limits>,
    pub(crate) slots: Slots,
    /// Nothing moves: no connection is made, kept or taken, nothing is announced or looked up.
    pub(crate) paused: bool,
}

impl EngineTask {
    /// Runs until stopped; connections are closed with FIN.
    pub(crate) async fn run(mut self) {
        let mut conns: HashMap<ConnId, mpsc::Sender<ConnCommand>> = HashMap::new();
        let mut structure: HashMap<BlobId, Structure> = HashMap::new();
        let mut next_accepted: u64 = 1 << 63;
        let mut turn = Turn::Input;
        loop {
            while let Some(output) = self.swarm.poll_output() {
                self.carry_out(output, &mut conns);
            }
            let due =
                self.swarm.poll_timeout().map_or(Duration::from_secs(60), |at| at.saturating_sub(self.clock.now()));
            let next = tokio::select! {
                biased;
                () = self.stop.cancelled() => break,
                next = turn.next(&mut self.inputs, due) => next,
            };
            let input = match next {
                Next::Input(input) => input,
                Next::Due => {
                    let now = self.clock.now();
                    self.swarm.handle_clock(now, self.clock.unix_ms());
                    self.swarm.handle_timeout(now);
                    continue;
                }
                Next::Over => break,
            };
            let now = self.clock.now();
            match input {
                Input::Follow(follow, addrs) => {
                    let key = follow.key;
                    self.swarm.follow(now, follow);
                    for (addr, source) in addrs {
                        self.swarm.add_addr(now, addr, Some(key), source);
                    }
                }
                Input::Unfollow(key) => self.swarm.unfollow(now, &key),
                Input::Manifest(manifest) => {
                    self.swarm.handle_manifest(now, manifest);
                }
                Input::Structure { blob, channel, role, done } => {
                    let wanted = structure.entry(blob).or_insert_with(|| Structure { channel, role, done: Vec::new() });
                    if wanted.role == store::Role::Lent {
                        wanted.role = role;
                    }
                    wanted.done.push(done);
                    let lent = structure.get(&blob).is_some_and(|wanted| wanted.role == store::Role::Lent);
                    self.swarm.want(now, blob, channel, if lent { Priority::Low } else { Priority::Structure });
                }
                Input::Want(blobs, channel, priority) => {
                    for blob in blobs {
                        take_over(&mut structure, &blob);
                        self.swarm.want(now, blob, channel, priority);
                    }
                }
                Input::Stream(blobs, channel) => {
                    for blob in blobs {
                        take_over(&mut structure, &blob);
                        self.swarm.want(now, blob, channel, Priority::Streaming);
                    }
                }
                Input::Unwant(blobs) => {
                    for blob in blobs {
                        structure.remove(&blob);
                        self.swarm.unwant(now, &blob);
                    }
                }
                Input::UnwantLent(blobs) => {
                    for blob in blobs {
                        if take_over(&mut structure, &blob) {
                            self.swarm.unwant(now, &blob);
                        }
                    }
                }
                Input::Hold(held) => {
                    for (blob, channel, rank, announced) in held {
                        self.swarm.hold(now, blob, channel, rank, announced);
                    }
                }
                Input::Unhold(blobs) => {
                    for blob in blobs {
                        self.swarm.unhold(now, &blob);
                    }
                }
                Input::Dialled(id, None) => self.swarm.handle_dialled(now, id, None),
                Input::Dialled(id, Some(connected)) => {
                    let binding = connected.binding;
                    if self.paused || connected.network != self.network.number {
                        self.swarm.handle_dialled(now, id, None);
                    } else {
                        self.start_conn(id, Role::Dialler, *connected, &mut conns);
                        self.swarm.handle_dialled(now, id, Some(binding));
                    }
                }
                Input::Accepted(connected) if self.paused || connected.network != self.network.number => {}
                Input::Accepted(connected) => {
                    let id = ConnId(next_accepted);
                    next_accepted += 1;
                    let Connected { addr, only, binding, .. } = &*connected;
                    if self.swarm.handle_accepted(now, id, addr.clone(), *only, *binding) {
                        self.start_conn(id, Role::Acceptor, *connected, &mut conns);
                    }
                }
                Input::Session(id, event) => self.swarm.handle_event(now, id, event),
                Input::Coming(id, bytes) => {
                    if let Some(blob) = self.swarm.handle_coming(now, id, bytes) {
                        self.library.send(LibraryInput::Coming(blob, bytes));
                    }
                }
                Input::Served { conn, whole, dropped } => {
                    (0..whole).for_each(|_| self.swarm.handle_served(now, conn, true));
                    (0..dropped).for_each(|_| self.swarm.handle_served(now, conn, false));
                }
                Input::Blob(hand) => self.take_blob(hand, &structure),
                Input::Placed(id, blob, result) => self.placed(id, blob, result, &mut structure),
                Input::Unreadable(blob, error) => {
                    self.swarm.unhold(now, &blob);
                    if let ReadError::Changed { withdrawn, .. } = &error {
                        withdrawn.iter().for_each(|blob| self.swarm.unhold(now, blob));
                    }
                    self.library.send(LibraryInput::Unreadable(error));
                }
                Input::Closed(id, why) => {
                    tracing::info!(conn = id.0, "a connection ended");
                    conns.remove(&id);
                    self.swarm.handle_closed(now, id, why);
                }
                Input::Found(infohash, addrs) => self.swarm.handle_found(now, infohash, addrs),
                Input::Announced(infohash, ok) => {
                    if let Some(topic) = self.swarm.handle_announced(now, infohash, ok).filter(|_| ok) {
                        self.library.send(LibraryInput::Announced(BlobId(topic.0)));
                    }
                }
                Input::Pause(paused) => self.pause(paused, &mut conns),
                Input::Network(network, done) => {
                    // A connection whose sender goes ends in peace.
                    conns.clear();
                    self.swarm.set_way(now, network.way(&self.config));
                    self.network = network;
                    let _ = done.send(());
                }
                Input::Capabilities(ours) => {
                    self.ours = ours;
                    self.swarm.set_capabilities(ours);
                }
                Input::Answer(answer) => self.answer(answer, &mut conns),
                Input::GiveBack(payer) => self.swarm.give_back(now, &payer),
                Input::Ask(ask) => ask(&mut self.swarm, now),
            }
        }
        for conn in conns.values() {
            let _ = conn.try_send(ConnCommand::Session(Command::Close));
        }
    }

    /// Stops everything, or lets it go on.
    fn pause(&mut self, paused: bool, conns: &mut HashMap<ConnId, mpsc::Sender<ConnCommand>>) {
        if paused == self.paused {
            return;
        }
        self.paused = paused;
        if paused {
            // A connection whose sender goes ends in peace.
            conns.clear();
        } else {
            self.swarm.handle_network_change(self.clock.now());
        }
    }

    fn start_conn(
        &self,
        id: ConnId,
        role: Role,
        connected: Connected,
        conns: &mut HashMap<ConnId, mpsc::Sender<ConnCommand>>,
    ) {
        let came = role == Role::Acceptor;
        tracing::info!(conn = id.0, addr = %connected.addr, came, "a peer is connected");
        let (tx, rx) = mpsc::channel(COMMANDS_QUEUED);
        conns.insert(id, tx);
        let conn = Conn {
            id,
            role,
            ours: self.ours,
            reader: connected.reader,
            writer: connected.writer,
            commands: rx,
            engine: self.engine.clone(),
            store: self.store.clone(),
            clock: self.clock,
            hands: self.hands.clone(),
            hasher: self.hasher.clone(),
            traffic: self.traffic.clone(),
            limits: self.limits.clone(),
            slots: self.slots.clone(),
        };
        self.network.tasks.spawn(conn.run());
    }

    fn take_blob(&mut self, hand: BlobInHand, structure: &HashMap<BlobId, Structure>) {
        let BlobInHand { conn, blob, verified, permit } = hand;
        let Some(verified) = verified else {
            self.swarm.handle_verdict(self.clock.now(), conn, blob, Verdict::BadHash);
            return;
        };
        let wanted = structure.get(&blob).map(|s| (s.channel, s.role));
        let (store, engine) = (self.store.clone(), self.engine.clone());
        self.tasks.spawn_blocking(move || {
            // What is lent may be wanted for an item, too, of this channel or another: then it is the item's.
            let content = match wanted {
                Some((_, store::Role::Lent)) => {
                    store.place(verified.clone()).map(|placed| Some(placed).filter(|placed| !placed.items.is_empty()))
                }
                _ => Ok(None),
            };
            let result = match (content, wanted) {
                (Err(error), _) => Err(error),
                (Ok(Some(placed)), _) => Ok(Placement::Content(placed)),
                (Ok(None), Some((channel, role))) => {
                    store.put_stored(&channel, role, &verified).map(|()| Placement::Structure(channel, role))
                }
                (Ok(None), None) => store.place(verified).map(Placement::Content),
            };
            drop(permit);
            engine.send_blocking(Input::Placed(conn, blob, result));
        });
    }

    fn placed(
        &mut self,
        id: ConnId,
        blob: BlobId,
        result: Result<Placement, StoreError>,
        structure: &mut HashMap<BlobId, Structure>,
    ) {
        let now = self.clock.now();
        match result {
            Ok(placement) => {
                self.swarm.handle_verdict(now, id, blob, Verdict::Stored);
                match placement {
                    Placement::Structure(channel, role) => {
                        let rank = if role == store::Role::Root { Rank::Root } else { Rank::Rest };
                        self.swarm.hold(now, blob, channel, rank, None);
                    }
                    Placement::Content(placed) => {
                        placed.lost.iter().for_each(|blob| self.swarm.unhold(now, blob));
                        if let Some((channel, ..)) = placed.items.first() {
                            self.swarm.hold(now, blob, *channel, Rank::Rest, None);
                        }
                        self.library.send(LibraryInput::Placed(blob, placed));
                        self.arrived.send_modify(|count| *count += 1);
                    }
                }
                if let Some(waiting) = structure.remove(&blob) {
                    for done in waiting.done {
                        let _ = done.send(Ok(()));
                    }
                }
            }
            Err(error) => {
                self.swarm.handle_verdict(now, id, blob, Verdict::NotStored);
                let mut error = Some(error);
                if let Some(waiting) = structure.remove(&blob) {
                    self.swarm.unwant(now, &blob);
                    for done in waiting.done {
                        if let Some(error) = error.take() {
                            let _ = done.send(Err(error));
                        }
                    }
                } else if let Some(error) = error.take() {
                    self.library.send(LibraryInput::NotPlaced(blob, error));
                }
            }
        }
    }

    fn carry_out(&self, output: Output, conns: &mut HashMap<ConnId, mpsc::Sender<ConnCommand>>) {
        match output {
            Output::Dial(id, addr) => self.dial(id, addr),
            Output::Send(id, command) => tell(conns, id, ConnCommand::Session(command)),
            Output::Serve(id, blob) => tell(conns, id, ConnCommand::Serve(blob)),
            Output::Close(id) => tell(conns, id, ConnCommand::Session(Command::Close)),
            Output::DhtLookup(infohash) => {
                let (dht, engine) = (self.network.dht.clone().filter(|_| !self.paused), self.engine.clone());
                self.spawn(async move {
                    let found = match dht {
                        Some(dht) => dht.get_peers(infohash, 100).await.unwrap_or_else(|error| {
                            tracing::debug!(%error, ?infohash, "look-up failed");
                            Vec::new()
                        }),
                        None => Vec::new(),
                    };
                    engine.send(Input::Found(infohash, found)).await;
                });
            }
            Output::DhtAnnounce(infohash) => {
                let (network, engine) = (self.network.clone(), self.engine.clone());
                let dht = network.dht.clone().filter(|_| !self.paused);
                self.spawn(async move {
                    let ok = match dht {
                        Some(dht) => dht.announce(infohash, network.outer_port()).await.is_ok(),
                        None => false,
                    };
                    engine.send(Input::Announced(infohash, ok)).await;
                });
            }
            Output::DhtRefresh(_) if self.paused => {}
            Output::DhtRefresh(key) => self.library.send(LibraryInput::Refresh(key)),
            Output::NewManifest(manifest) => self.library.send(LibraryInput::Manifest(manifest)),
            Output::SignedTwice(key) => self.library.send(LibraryInput::SignedTwice(key)),
            Output::Publish(id, payer, request) => self.relay(Asked::Publish(id, payer, request)),
            Output::GatewayLookup(id, payer, request, key, sequence) => {
                self.relay(Asked::Show(id, payer, request, key, sequence));
            }
            Output::GatewaySeek(id, payer, topic) => self.relay(Asked::Seek(id, payer, topic)),
            Output::Banned(addr, time) => tracing::info!(%addr, seconds = time.as_secs(), "banned for a wrong blob"),
        }
    }

    /// Hands a stranger's question to the gateway's task. Where too much waits already, the answer is that.
    fn relay(&self, asked: Asked) {
        if let Err(asked) = self.relay.ask(asked) {
            // The queue of this very task may be full: nobody waits for it here.
            let (engine, answer) = (self.engine.clone(), asked.busy());
            self.tasks.spawn(async move { engine.send(Input::Answer(answer)).await });
        }
    }

    fn answer(&mut self, answer: relay::Answer, conns: &mut HashMap<ConnId, mpsc::Sender<ConnCommand>>) {
        match answer {
            relay::Answer::Tell(id, command) => tell(conns, id, ConnCommand::Session(command)),
            relay::Answer::Found(id, topic, found) => self.swarm.handle_sought(self.clock.now(), id, topic, found),
        }
    }

    /// Work of this route, which ends with it.
    fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        let stop = self.network.stop.clone();
        self.network.tasks.spawn(async move { stop.run_until_cancelled(work).await.unwrap_or(()) });
    }

    fn dial(&self, id: ConnId, addr: PeerAddr) {
        let (network, engine, paused) = (self.network.clone(), self.engine.clone(), self.paused);
        let channel = self.swarm.dialled_for(id);
        self.network.tasks.spawn(async move {
            let connected = match network.gate.as_ref().filter(|_| !paused) {
                // Cut short, it has failed: the swarm hears of every dial's end.
                Some(gate) => {
                    let connecting = connect(&network, gate, &addr, channel, id);
                    network.stop.run_until_cancelled(connecting).await.flatten()
                }
                None => None,
            };
            engine.send(Input::Dialled(id, connected.map(Box::new))).await;
        });
    }
}

async fn connect(
    network: &Network,
    gate: &Gate,
    addr: &PeerAddr,
    channel: Option<ChannelKey>,
    id: ConnId,
) -> Option<Connected> {
    let (dial, handshake) = if gate.is_far(addr) {
        (DIAL_TIMEOUT_DETOUR, HANDSHAKE_TIMEOUT_DETOUR)
    } else {
        (DIAL_TIMEOUT, HANDSHAKE_TIMEOUT)
    };
    // Over Tor every connection has a circuit of its own: no relay and no peer can join two of them by it.
    let mut apart = channel.map_or_else(|| b"check".to_vec(), |key| key.0.to_vec());
    apart.extend(id.0.to_be_bytes());
    let stream = match dial_twice(gate, addr, apart, dial).await {
        Ok(stream) => stream,
        Err(error) => {
            tracing::debug!(%addr, %error, "no connection");
            network.unreached.note(addr, Some(&error));
            return None;
        }
    };
    network.unreached.note(addr, None);
    match net::wire::handshake(stream, Role::Dialler, handshake).await {
        Ok((reader, writer, binding)) => {
            Some(Connected { network: network.number, addr: addr.clone(), only: None, reader, writer, binding })
        }
        Err(error) => {
            tracing::debug!(%addr, %error, "no handshake");
            None
        }
    }
}

/// Tor holds on to what it tries for two minutes, also when a second try would fare better: an onion that is not there
/// after a while is tried by a second circuit beside the first.
async fn dial_twice(
    gate: &Gate,
    addr: &PeerAddr,
    mut apart: Vec<u8>,
    limit: Duration,
) -> Result<Box<dyn net::gate::Stream>, GateError> {
    let first_apart = apart.clone();
    let mut first = std::pin::pin!(gate.dial(addr, &first_apart, limit));
    if addr.class() != AddrClass::Onion {
        return first.await;
    }
    if let Ok(done) = tokio::time::timeout(SECOND_CIRCUIT, &mut first).await {
        return done;
    }
    apart.extend(b"again");
    let mut second = std::pin::pin!(gate.dial(addr, &apart, limit - SECOND_CIRCUIT));
    tokio::select! {
        done = &mut first => match done {
            Ok(stream) => Ok(stream),
            Err(_) => second.await,
        },
        done = &mut second => match done {
            Ok(stream) => Ok(stream),
            Err(_) => first.await,
        },
    }
}

/// What was to be lent is wanted for this node's own sake, or not at all. Says whether it was to be lent.
fn take_over(structure: &mut HashMap<BlobId, Structure>, blob: &BlobId) -> bool {
    let lent = structure.get(blob).is_some_and(|wanted| wanted.role == store::Role::Lent);
    if lent {
        structure.remove(blob);
    }
    lent
}

/// A connection whose command queue is full does not read what it asked for: it is cut.
fn tell(conns: &mut HashMap<ConnId, mpsc::Sender<ConnCommand>>, id: ConnId, command: ConnCommand) {
    if let Some(conn) = conns.get(&id)
        && conn.try_send(command).is_err()
    {
        conns.remove(&id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn who_sends_without_end_does_not_keep_what_is_due_from_its_turn() {
        let clock = Clock::start();
        let (tx, mut inputs) = mpsc::channel(4);
        let mut turn = Turn::Input;
        let (mut due_at, mut rounds, mut taken) = (Duration::from_secs(1), 0_u64, 0_u64);
        for n in 0..100_000_u64 {
            // The queue is never empty.
            while tx.try_send(n).is_ok() {}
            match turn.next(&mut inputs, due_at.saturating_sub(clock.now())).await {
                Next::Input(_) => taken += 1,
                Next::Due => {
                    let late = clock.now() - due_at;
                    assert!(late <= Duration::from_millis(2), "{late:?} late");
                    rounds += 1;
                    due_at = clock.now() + Duration::from_secs(1);
                }
                Next::Over => panic!("the sender is here"),
            }
            tokio::time::advance(Duration::from_millis(1)).await;
        }
        assert!(rounds >= 99 && taken >= 99_000, "{rounds} rounds, {taken} inputs");
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_always_due_does_not_keep_inputs_waiting() {
        let (tx, mut inputs) = mpsc::channel(4);
        let mut turn = Turn::Input;
        let mut taken = 0;
        for n in 0..100 {
            while tx.try_send(n).is_ok() {}
            taken += usize::from(matches!(turn.next(&mut inputs, Duration::ZERO).await, Next::Input(_)));
        }
        assert_eq!(taken, 50);
        drop(tx);
        while let Next::Input(_) | Next::Due = turn.next(&mut inputs, Duration::from_secs(1)).await {}
    }
}
