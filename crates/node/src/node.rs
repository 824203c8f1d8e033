//! The node: started, asked, listened to, stopped.

use std::sync::Arc;
use std::time::Duration;

use net::route::Choice;
use protocol::session::Capabilities;
use protocol::words::count;
use store::keys::{KeyError, KeyStore};
use store::{DataDir, Role, Store};
use swarm::{Rank, Swarm};
use tokio::sync::{Mutex, Notify, OnceCell, RwLock, Semaphore, broadcast, mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::age::Believed;
use crate::api::{Code, ErrorInfo, Event, Reply, Request};
use crate::clock::Clock;
use crate::config::*;
use crate::conn::Slots;
use crate::ctx::{Ctx, Inner};
use crate::engine::{Engine, EngineTask, Input};
use crate::error::{Result, blocking, fail};
use crate::governor::{self, Governor};
use crate::library::{self, Library, LibraryInput, LibrarySender};
use crate::limits::Limits;
use crate::meter::{self, Rates, Traffic};
use crate::near::Near;
use crate::network::{self, Network};
use crate::process::{self, Places};
use crate::relay::{self, RelaySender};
use crate::{author, channel, hasher, keep, repair, verbs, view};

/// A running node. Cheap to clone; [`Node::stop`] ends it.
#[derive(Clone)]
pub struct Node {
    ctx: Ctx,
}

/// A stream of events: first a snapshot, then changes; a listener that falls behind gets a new snapshot.
pub struct Events {
    ctx: Ctx,
    receiver: broadcast::Receiver<Event>,
    started: bool,
}

impl Events {
    /// The next event; `None` when the node has stopped.
    pub async fn next(&mut self) -> Option<Event> {
        if !self.started {
            self.started = true;
            return view::snapshot(&self.ctx).await.ok().map(Event::Snapshot);
        }
        let stop = self.ctx.stop.clone();
        match stop.run_until_cancelled(self.receiver.recv()).await? {
            Ok(event) => Some(event),
            Err(broadcast::error::RecvError::Lagged(_)) => {
                self.receiver = self.receiver.resubscribe();
                view::snapshot(&self.ctx).await.ok().map(Event::Snapshot)
            }
            Err(broadcast::error::RecvError::Closed) => None,
        }
    }
}

/// What this version really does; only that is named in HELLO.
pub(crate) fn capabilities(gateway: bool) -> Capabilities {
    Capabilities { manifest: true, have: true, split: true, gateway }
}

impl Node {
    /// Opens the data folder, then (unless offline) the gate and the DHT, and goes on where it stopped.
    pub async fn start(config: NodeConfig) -> Result<Self> {
        process::enough()?;
        let clock = Clock::start();
        let (dir, keyring, passphrase) = (config.data_dir.clone(), config.use_keyring, config.passphrase.clone());
        let (store, recovery, keys, home) = blocking(move || {
            let dir_lock = DataDir::lock(&dir)?;
            let home = dir_lock.path().to_path_buf();
            // One that is locked asks its person; the node does not wait for the answer.
            let keys = match KeyStore::open_within(&dir, passphrase, keyring, KEYRING_AT_START) {
                Ok(keys) => keys,
                Err(error @ (KeyError::Locked | KeyError::NoKeyring)) => {
                    KeyStore::locked(matches!(error, KeyError::Locked))
                }
                Err(error) => return Err(verbs::secrets(&error)),
            };
            let kept = keys.kept_store_key();
            let known = kept.as_ref().ok().and_then(Option::as_deref);
            let (store, recovery) = Store::open(dir_lock, known)?;
            // A keyring that lost its entry must not get a new one: what is sealed here would never open again.
            if matches!(kept, Ok(None)) && store.may_have_first_key()? {
                store.unlock(&*keys.store_key().map_err(|error| verbs::secrets(&error))?)?;
            }
            Ok((store, recovery, keys, home))
        })
        .await?;
        // Its one name, whatever links led here: paths that are recorded lie in it or do not.
        let config = NodeConfig { data_dir: home, ..config };
        for key in &recovery.unsigned {
            tracing::warn!(channel = %key, "its list's head was damaged in the data folder; it is sought again");
        }
        if recovery.unclean {
            tracing::info!(rechecked = recovery.rechecked, lost = recovery.lost, "the last run did not stop cleanly");
        }
        let stop = CancellationToken::new();
        let opened = match config.offline {
            true => Ok(Network::closed(0, Choice::Direct, None, &stop)),
            false => Network::open(&config, &store, 0, config.route.clone(), &stop).await,
        };
        let kept = store.clone();
        let near = blocking(move || Ok(Near::load(&kept)?)).await;
        let (network, near) = match (opened, near) {
            (Ok(network), Ok(near)) => (Arc::new(network), near),
            (opened, near) => {
                // The folder is let go, for whoever tries again in the same process.
                stop.cancel();
                let closing = store.clone();
                blocking(move || Ok(closing.close()?)).await?;
                let why = opened.err().or(near.err());
                return Err(why.unwrap_or_else(|| ErrorInfo::new(Code::Internal, "The node did not start.")));
            }
        };
        let (engine, inputs) = Engine::channel();
        let (library, library_inputs) = LibrarySender::channel();
        let ctx: Ctx = Arc::new(Inner {
            store: store.clone(),
            engine: engine.clone(),
            library,
            network: watch::Sender::new(network.clone()),
            changing: Mutex::new(()),
            events: broadcast::channel(EVENTS_QUEUED).0,
            clock,
            tasks: TaskTracker::new(),
            stop,
            keys: RwLock::new(Arc::new(keys)),
            traffic: Arc::new(Traffic::default()),
            limits: Arc::new(Limits::default()),
            governor: Mutex::new(Governor::default()),
            near: watch::Sender::new(near),
            believed: Mutex::new(Believed::default()),
            rates: watch::Sender::new(Rates::default()),
            signing: Arc::new(Semaphore::new(1)),
            parsing: Semaphore::new(1),
            jobs: crate::publish::Jobs::default(),
            arrived: watch::Sender::new(0),
            repair: Notify::new(),
            lending: Default::default(),
            player: OnceCell::new(),
            config,
        });
        let node = Self { ctx };
        match node.begin(network, inputs, library_inputs).await {
            Ok(()) => {
                for key in recovery.unsigned {
                    let name = channel::named(&node.ctx, key).await;
                    let text = format!("The newest list of {name} was damaged in the data folder. It is sought again.");
                    node.ctx.emit(Event::Notice(ErrorInfo::new(Code::Corrupt, text)));
                }
                Ok(node)
            }
            Err(error) => {
                // What runs already ends, and the folder is let go: else a second try finds it taken by the first.
                if let Err(also) = node.stop().await {
                    tracing::warn!(code = ?also.code, "after a start that failed: {}", also.message);
                }
                Err(error)
            }
        }
    }

    /// Starts every task, and tells the swarm what is here.
    async fn begin(
        &self,
        network: Arc<Network>,
        inputs: mpsc::Receiver<Input>,
        library_inputs: mpsc::UnboundedReceiver<LibraryInput>,
    ) -> Result<()> {
        let ctx = self.ctx.clone();
        let (store, engine, library, clock) = (&ctx.store, &ctx.engine, ctx.library.clone(), ctx.clock);
        let (relay, relay_inputs) = RelaySender::channel();
        let held = governor::start(&ctx).await?;
        // Where nothing was kept yet, a person may as well choose a vault: that is not decided behind their back.
        if ctx.keys.read().await.is_keyring_locked() && KeyStore::is_chosen(&ctx.config.data_dir) {
            ctx.spawn(verbs::keyring_opens(ctx.clone()));
        }
        if ctx.config.offline {
            return verbs::after_rebuild(&ctx).await;
        }
        let gateway = ctx.with_store(|s| Ok(s.setting("gateway")?.as_deref() == Some("true"))).await?;
        let ours = capabilities(gateway && network.dht.is_some());
        let local = network::is_local(&ctx.config);
        let swarm_config = swarm::Config {
            capabilities: ours,
            port: network.port(),
            dht: network.dht.is_some(),
            allow_local: local,
            unix_ms_at_start: clock.unix_ms(),
            connections_max: Places::here().peers,
            per_channel: 12,
            announces_per_second: if local { 20.0 } else { 2.0 },
            announce_cycle: Duration::from_secs(15 * 60),
            ban: Duration::from_secs(3600),
            own_addr: None,
        };
        let mut seed = [0; 8];
        getrandom::fill(&mut seed).map_err(|e| ErrorInfo::new(Code::Internal, format!("no random numbers: {e}")))?;
        let (hasher, unhashed) = hasher::channel();
        ctx.spawn(hasher::run(unhashed, engine.clone(), ctx.tasks.clone()));
        let task = EngineTask {
            swarm: Swarm::new(swarm_config, u64::from_le_bytes(seed)),
            engine: engine.clone(),
            inputs,
            store: store.clone(),
            network: network.clone(),
            config: ctx.config.clone(),
            library,
            relay,
            clock,
            ours,
            tasks: ctx.tasks.clone(),
            stop: ctx.stop.clone(),
            arrived: ctx.arrived.clone(),
            hands: Arc::new(Semaphore::new(BLOBS_IN_HAND)),
            hasher,
            traffic: ctx.traffic.clone(),
            limits: ctx.limits.clone(),
            slots: Slots::new(),
            paused: held.is_some(),
        };
        ctx.tasks.spawn(task.run());
        ctx.tasks.spawn(Library::new(ctx.clone(), held).run(library_inputs));
        ctx.tasks.spawn(meter::run(ctx.clone()));
        ctx.tasks.spawn(governor::run(ctx.clone()));
        ctx.tasks.spawn(keep::run(ctx.clone()));
        ctx.tasks.spawn(repair::run(ctx.clone()));
        ctx.tasks.spawn(relay::run(ctx.clone(), relay_inputs));
        network::put(&ctx, network).await?;
        self.tell_all().await?;
        library::resume_all(&ctx).await?;
        verbs::after_rebuild(&ctx).await?;
        author::pending(&ctx).await?;
        let way = ctx.network();
        let listen = way.gate.as_ref().and_then(net::gate::Gate::listening).map(tracing::field::display);
        tracing::info!(route = %way.choice, listen, dht = way.dht.is_some(), "the node runs");
        Ok(())
    }

    /// Tells the swarm what is followed, known and held.
    async fn tell_all(&self) -> Result<()> {
        let ctx = &self.ctx;
        network::tell_addresses(ctx).await?;
        for row in ctx.with_store(|s| s.channels()).await? {
            // Subscribed while no node ran: what its rule fetches was not started yet.
            if row.body_sequence > 0 {
                channel::start_wanted(ctx, row.key).await?;
            }
        }
        let (store, engine, clock) = (ctx.store.clone(), ctx.engine.clone(), ctx.clock);
        blocking(move || {
            let now = clock.unix_ms();
            store.holdings(&mut |batch| {
                let held = batch
                    .into_iter()
                    .map(|h| {
                        let rank = match h.role {
                            Role::Root => Rank::Root,
                            _ if h.first => Rank::First,
                            _ => Rank::Rest,
                        };
                        let ago = (h.announced > 0)
                            .then(|| std::time::Duration::from_millis(now.saturating_sub(h.announced)));
                        (h.blob, h.channel, rank, ago)
                    })
                    .collect();
                engine.send_blocking(Input::Hold(held));
            })?;
            Ok(())
        })
        .await
    }

    /// Asks the node to do something. It is a task of the node: dropping the future cuts nothing between two steps. What
    /// only waits (`get`, `look`), and what has recorded nothing yet (a publication that is being sealed), then ends; the
    /// rest is done though nobody hears of it.
    pub async fn call(&self, request: Request) -> Result<Reply> {
        if self.ctx.stop.is_cancelled() {
            return fail(Code::Stopping, "The node is stopping.");
        }
        let (caller, _waiting) = verbs::Caller::waiting();
        let (answer, answered) = oneshot::channel();
        let ctx = self.ctx.clone();
        self.ctx.tasks.spawn(async move {
            let outcome = verbs::call(&ctx, request, &caller).await;
            // Who asked may be gone.
            answer.send(outcome).ok();
        });
        match answered.await {
            Ok(outcome) => outcome,
            Err(_) => fail(Code::Internal, "The node failed at this: it has a fault. Its log tells more."),
        }
    }

    /// Listens.
    pub fn events(&self) -> Events {
        Events { ctx: self.ctx.clone(), receiver: self.ctx.events.subscribe(), started: false }
    }

    /// Ends every task, the route with what uses it, and the store, in that order; what does not end in time is named.
    pub async fn stop(&self) -> Result<()> {
        let ctx = &self.ctx;
        ctx.stop.cancel();
        ctx.tasks.close();
        let ended = tokio::time::timeout(STOP_TIMEOUT, ctx.tasks.wait()).await;
        let closed = ctx.network().close(&ctx.store).await;
        ctx.with_store(|s| s.close()).await?;
        match ended {
            Ok(()) => closed,
            Err(_) => {
                fail(Code::Internal, format!("{} did not end in time.", count(ctx.tasks.len() as u64, "task", "tasks")))
            }
        }
    }

    /// What its tasks share.
    #[cfg(test)]
    pub(crate) fn ctx(&self) -> &Ctx {
        &self.ctx
    }

    /// Resolves when somebody asked the node to stop.
    pub async fn stopped(&self) {
        self.ctx.stop.cancelled().await;
    }
}
