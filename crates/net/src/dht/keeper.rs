//! Keeps the library's thread: builds it, notices its end, builds it again.
//!
//! The library runs one OS thread and panics in its caller once that thread is gone. So every call into it runs in a task
//! of its own; a panic there is an answer ([`DhtError::Restarting`]), and the supervisor builds a new thread.

use super::{CACHE_MAX, DhtConfig, DhtError, OPERATION_TIMEOUT, turns::Turn};
use mainline::async_dht::AsyncDht;
use std::future::Future;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, ToSocketAddrs, UdpSocket};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// How often the supervisor looks whether the thread lives, and counts its nodes.
const CHECK_EVERY: Duration = Duration::from_secs(10);
/// Time limit of a question that the library answers by itself.
const OWN_TIMEOUT: Duration = Duration::from_secs(5);
/// Wait before the first rebuild that follows a failed one; doubled up to [`REBUILD_SLOWEST`].
const REBUILD_FIRST: Duration = Duration::from_secs(1);
const REBUILD_SLOWEST: Duration = Duration::from_secs(60);
/// The library waits this long for a node on loopback, and its own time elsewhere.
const LOOPBACK_REQUEST: Duration = Duration::from_millis(400);
/// The port is free this long after the last handle went, at most.
const PORT_FREE_WITHIN: Duration = Duration::from_secs(3);

/// The thread as it stands.
enum Thread {
    Running { dht: AsyncDht, addr: SocketAddrV4 },
    Rebuilding,
    Stopped,
}

/// The thread's keeper; shared by every handle, the supervisor and running operations.
pub(super) struct Keeper {
    thread: Mutex<Thread>,
    lost: Notify,
    nodes: AtomicU32,
    reachable: AtomicBool,
    stop: CancellationToken,
}

impl Keeper {
    /// Builds the thread and starts its supervisor, which ends with `stop`.
    pub(super) async fn start(
        config: DhtConfig,
        stop: CancellationToken,
    ) -> Result<(Arc<Self>, JoinHandle<()>), DhtError> {
        let running = build(&config).await?;
        let keeper = Arc::new(Self {
            thread: Mutex::new(running),
            lost: Notify::new(),
            nodes: AtomicU32::new(0),
            reachable: AtomicBool::new(false),
            stop: stop.clone(),
        });
        let supervisor = tokio::spawn(supervise(Arc::clone(&keeper), config, stop));
        Ok((keeper, supervisor))
    }

    fn thread(&self) -> MutexGuard<'_, Thread> {
        self.thread.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn running(&self) -> Result<AsyncDht, DhtError> {
        match &*self.thread() {
            Thread::Running { dht, .. } => Ok(dht.clone()),
            Thread::Rebuilding => Err(DhtError::Restarting),
            Thread::Stopped => Err(DhtError::Stopped),
        }
    }

    /// Where the thread's socket is bound.
    pub(super) fn addr(&self) -> Option<SocketAddrV4> {
        match &*self.thread() {
            Thread::Running { addr, .. } => Some(*addr),
            Thread::Rebuilding | Thread::Stopped => None,
        }
    }

    pub(super) fn node_count(&self) -> u32 {
        self.nodes.load(Ordering::Relaxed)
    }

    pub(super) fn is_reachable(&self) -> bool {
        self.reachable.load(Ordering::Relaxed)
    }

    /// Runs one operation on the network with its target's turn, within `limit`. It goes on when the caller gives up:
    /// the turn is the target's, not the caller's.
    pub(super) async fn operate<T, F>(
        self: &Arc<Self>,
        turn: Turn,
        operation: impl FnOnce(AsyncDht) -> F,
    ) -> Result<T, DhtError>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, DhtError>> + Send + 'static,
    {
        let future = operation(self.running()?);
        let done = self.isolated(OPERATION_TIMEOUT, async move {
            let _turn = turn;
            future.await
        });
        let result = done.await.and_then(|result| result);
        match &result {
            Ok(_) | Err(DhtError::Outdated | DhtError::Refused(_)) => self.reachable.store(true, Ordering::Relaxed),
            Err(DhtError::TimedOut) => self.reachable.store(false, Ordering::Relaxed),
            Err(_) => {}
        }
        result
    }

    /// The nodes of the routing table, as the library tells them.
    pub(super) async fn table(self: &Arc<Self>) -> Result<Vec<SocketAddr>, DhtError> {
        let dht = self.running()?;
        let told = self.isolated(OWN_TIMEOUT, async move { dht.to_bootstrap().await }).await?;
        let nodes: Vec<SocketAddr> = told.iter().filter_map(|node| node.parse().ok()).collect();
        self.nodes.store(u32::try_from(nodes.len()).unwrap_or(u32::MAX), Ordering::Relaxed);
        Ok(nodes)
    }

    /// Runs a future that calls the library. A panic in it is the end of the library's thread. A stop ends it: the
    /// thread lives as long as anybody's handle.
    async fn isolated<T: Send + 'static>(
        self: &Arc<Self>,
        limit: Duration,
        future: impl Future<Output = T> + Send + 'static,
    ) -> Result<T, DhtError> {
        let stop = self.stop.clone();
        let limited = async move { stop.run_until_cancelled(tokio::time::timeout(limit, future)).await };
        match tokio::spawn(limited).await {
            Ok(Some(Ok(value))) => Ok(value),
            Ok(Some(Err(_))) => Err(DhtError::TimedOut),
            Ok(None) => Err(DhtError::Stopped),
            Err(error) if error.is_panic() => {
                self.lose();
                Err(DhtError::Restarting)
            }
            Err(_) => Err(DhtError::Stopped),
        }
    }

    fn lose(&self) {
        let mut thread = self.thread();
        if matches!(*thread, Thread::Running { .. }) {
            *thread = Thread::Rebuilding;
            self.lost.notify_one();
        }
    }
}

async fn supervise(keeper: Arc<Keeper>, config: DhtConfig, stop: CancellationToken) {
    let work = async {
        loop {
            tokio::select! {
                () = keeper.lost.notified() => rebuild(&keeper, &config).await,
                () = tokio::time::sleep(CHECK_EVERY) => {
                    if let Err(error) = keeper.table().await {
                        tracing::debug!(%error, "the DHT's thread did not tell its nodes");
                    }
                }
            }
        }
    };
    tokio::select! {
        () = stop.cancelled() => {}
        () = work => {}
    }
    let last = std::mem::replace(&mut *keeper.thread(), Thread::Stopped);
    if let Thread::Running { dht, addr } = last {
        drop(dht);
        until_free(addr).await;
    }
}

async fn rebuild(keeper: &Keeper, config: &DhtConfig) {
    let mut wait = REBUILD_FIRST;
    tracing::warn!("the DHT's thread ended; it is built again");
    loop {
        match build(config).await {
            Ok(running) => {
                *keeper.thread() = running;
                return;
            }
            Err(error) => tracing::warn!(%error, "the DHT's thread could not be built"),
        }
        tokio::time::sleep(wait).await;
        wait = (wait * 2).min(REBUILD_SLOWEST);
    }
}

/// Builds the thread where blocking is allowed: names of bootstrap nodes are looked up there.
async fn build(config: &DhtConfig) -> Result<Thread, DhtError> {
    let config = config.clone();
    let (host, port) = (if config.loopback { Ipv4Addr::LOCALHOST } else { Ipv4Addr::UNSPECIFIED }, config.port);
    let built = tokio::task::spawn_blocking(move || build_blocking(&config)).await.map_err(|_| {
        // The library's thread may end of a taken port before it is asked for the first time, which panics in the caller.
        std::net::UdpSocket::bind((host, port)).err().map_or(DhtError::Restarting, |e| DhtError::Socket(e.kind()))
    })?;
    let dht = built.map_err(|error| DhtError::Socket(error.kind()))?;
    let asked = dht.clone();
    let info = tokio::spawn(async move { asked.info().await }).await.map_err(|_| DhtError::Restarting)?;
    Ok(Thread::Running { dht, addr: info.local_addr() })
}

fn build_blocking(config: &DhtConfig) -> io::Result<AsyncDht> {
    let mut builder = mainline::Dht::builder();
    // An explicit list never lets the library look up its own; a loopback network never reaches for the real one.
    builder.bootstrap(&bootstrap(config)).port(config.port);
    if config.loopback {
        builder.bind_address(Ipv4Addr::LOCALHOST).request_timeout(LOOPBACK_REQUEST).server_mode();
    }
    Ok(builder.build()?.as_async())
}

fn bootstrap(config: &DhtConfig) -> Vec<SocketAddrV4> {
    let mut names: Vec<&str> = config.bootstrap.iter().map(String::as_str).collect();
    if names.is_empty() && !config.loopback {
        names = mainline::DEFAULT_BOOTSTRAP_NODES.to_vec();
    }
    let named = names.into_iter().take(CACHE_MAX).filter_map(|name| match name.to_socket_addrs() {
        Ok(addrs) => Some(addrs),
        Err(error) => {
            tracing::debug!(name, %error, "a bootstrap node has no address");
            None
        }
    });
    let cached = config.cache.iter().take(CACHE_MAX).copied();
    let mut addrs: Vec<SocketAddrV4> = Vec::new();
    for addr in named.flatten().chain(cached) {
        // The library knows IPv4 only.
        if let SocketAddr::V4(addr) = addr
            && !addrs.contains(&addr)
        {
            addrs.push(addr);
        }
    }
    addrs
}

/// The library's thread ends some time after its last handle; nothing else tells when.
async fn until_free(addr: SocketAddrV4) {
    let free = async {
        while UdpSocket::bind(addr).is_err() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    if tokio::time::timeout(PORT_FREE_WITHIN, free).await.is_err() {
        tracing::warn!(%addr, "the DHT's port is still in use");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config() -> DhtConfig {
        DhtConfig { bootstrap: Vec::new(), cache: Vec::new(), port: 0, loopback: true, rate: 10.0 }
    }

    #[test]
    fn few_nodes_are_asked_and_only_those_named() {
        let cache: Vec<SocketAddr> = (1..40).map(|n| SocketAddr::from(([127, 0, 0, 1], 1000 + n))).collect();
        let named = DhtConfig { bootstrap: vec!["127.0.0.1:1001".into()], cache, ..config() };
        assert_eq!(bootstrap(&named).len(), CACHE_MAX);
        assert!(bootstrap(&config()).is_empty(), "loopback never reaches for the real network");
        let six = DhtConfig { bootstrap: vec!["[::1]:5".into()], ..config() };
        assert!(bootstrap(&six).is_empty());
    }

    #[tokio::test]
    async fn a_panic_is_answered_and_the_thread_built_again() {
        let stop = CancellationToken::new();
        let (keeper, supervisor) = Keeper::start(config(), stop.clone()).await.unwrap();
        let turns = super::super::turns::Turns::default();
        let turn = turns.take([0; 20]).await;
        let crashed: Result<(), _> = keeper.operate(turn, |_| async { panic!("the library's thread ended") }).await;
        assert!(matches!(crashed, Err(DhtError::Restarting)));
        let back = async {
            while keeper.addr().is_none() {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(10), back).await.unwrap();
        keeper.table().await.unwrap();
        let addr = keeper.addr().unwrap();
        stop.cancel();
        supervisor.await.unwrap();
        UdpSocket::bind(addr).unwrap();
        assert!(matches!(keeper.table().await, Err(DhtError::Stopped)));
    }
}
