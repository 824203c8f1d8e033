//! What every task and verb of a node shares: handles, never locks around truths.

use std::sync::Arc;

use net::dht::Dht;
use net::gate::Gate;
use store::Store;
use store::keys::KeyStore;
use tokio::sync::{Mutex, Notify, OnceCell, RwLock, Semaphore, broadcast, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::age::Believed;
use crate::api::{Code, ErrorInfo, Event};
use crate::clock::Clock;
use crate::config::NodeConfig;
use crate::engine::Engine;
use crate::error::{Result, blocking};
use crate::governor::Governor;
use crate::library::LibrarySender;
use crate::limits::Limits;
use crate::meter::{Rates, Traffic};
use crate::near::Near;
use crate::network::Network;
use crate::play::Player;
use crate::publish::Jobs;

/// Shared by all parts of a node.
pub(crate) struct Inner {
    pub(crate) config: NodeConfig,
    pub(crate) store: Store,
    pub(crate) engine: Engine,
    pub(crate) library: LibrarySender,
    pub(crate) network: watch::Sender<Arc<Network>>,
    /// One change of route at a time.
    pub(crate) changing: Mutex<()>,
    pub(crate) events: broadcast::Sender<Event>,
    pub(crate) clock: Clock,
    pub(crate) tasks: TaskTracker,
    pub(crate) stop: CancellationToken,
    pub(crate) keys: RwLock<Arc<KeyStore>>,
    pub(crate) traffic: Arc<Traffic>,
    pub(crate) limits: Arc<Limits>,
    /// What of the near network the settings want.
    pub(crate) near: watch::Sender<Near>,
    /// What may move now.
    pub(crate) governor: Mutex<Governor>,
    /// The time by which ages are counted.
    pub(crate) believed: Mutex<Believed>,
    pub(crate) rates: watch::Sender<Rates>,
    /// One manifest at a time is read, changed and signed: two at once would lose one's change.
    pub(crate) signing: Arc<Semaphore>,
    /// One stream (a body, a page, a file list) at a time is in memory while it is parsed: its author decides how long it
    /// is.
    pub(crate) parsing: Semaphore,
    /// Publications that can be called off.
    pub(crate) jobs: Jobs,
    /// Changes with every content blob that is stored: who waits for one looks again.
    pub(crate) arrived: watch::Sender<u64>,
    /// Something changed that may be worth repairing, or the space that is lent.
    pub(crate) repair: Notify,
    /// How lending goes.
    pub(crate) lending: crate::repair::Lending,
    /// Serves files to players; made when the first is asked for.
    pub(crate) player: OnceCell<Arc<Player>>,
}

/// A cheap handle to it.
pub(crate) type Ctx = Arc<Inner>;

impl Inner {
    /// Tells listeners; nobody listening is fine.
    pub(crate) fn emit(&self, event: Event) {
        let _ = self.events.send(event);
    }

    /// Runs store work on a blocking thread.
    pub(crate) async fn with_store<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Store) -> std::result::Result<T, store::StoreError> + Send + 'static,
    ) -> Result<T> {
        let store = self.store.clone();
        blocking(move || work(&store).map_err(ErrorInfo::from)).await
    }

    /// The way out as it is now.
    pub(crate) fn network(&self) -> Arc<Network> {
        self.network.borrow().clone()
    }

    /// The DHT, on the direct route. Asked for anew each time: the route may be another by then.
    pub(crate) fn dht(&self) -> Option<Dht> {
        self.network.borrow().dht.clone()
    }

    /// The gate, if one is open.
    pub(crate) fn gate(&self) -> Option<Gate> {
        self.network.borrow().gate.clone()
    }

    /// The port by which the world reaches us, as far as is known; 0 for none.
    pub(crate) fn port(&self) -> u16 {
        self.network.borrow().outer_port()
    }

    /// Runs a task that ends when the node stops.
    pub(crate) fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        let stop = self.stop.clone();
        self.tasks.spawn(async move { stop.run_until_cancelled(work).await.unwrap_or(()) });
    }

    /// Ends early when the node stops.
    pub(crate) async fn until_stop<T>(&self, work: impl Future<Output = Result<T>>) -> Result<T> {
        match self.stop.run_until_cancelled(work).await {
            Some(result) => result,
            None => Err(ErrorInfo::new(Code::Stopping, "The node is stopping.")),
        }
    }
}
