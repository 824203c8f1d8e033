//! §1 Control plane — the Mainline DHT behind one adapter: paced, timed, one operation per target, supervised.
//!
//! Owns: every call into the `mainline` library. Promises: a call ends within [`OPERATION_TIMEOUT`] plus its wait for a
//! token and its target's turn; what comes back was verified; nothing is put that a real node would refuse; no
//! `find_node`, ever (one on a target that is written soon after hangs the library).
//!
//! It cannot be started without the proof that the route is direct: there is no way to lead the library's socket elsewhere.

mod keeper;
mod pace;
mod turns;

use crate::gate::Clear;
use futures_core::Stream as _;
use keeper::Keeper;
use mainline::async_dht::{AsyncDht, GetStream};
use mainline::errors::{PutMutableError, PutQueryError};
use mainline::{Id, MutableItem, Testnet};
use pace::Pace;
use protocol::manifest::bep44_message;
use protocol::params::MANIFEST_MAX;
use protocol::{ChannelKey, InfoHash, SignedManifest};
use std::collections::BTreeSet;
use std::future::poll_fn;
use std::io;
use std::net::{SocketAddr, SocketAddrV4};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinHandle;
use tokio_util::sync::{CancellationToken, DropGuard};
use turns::Turns;

/// Default time limit of one operation.
pub const OPERATION_TIMEOUT: Duration = Duration::from_secs(20);
/// Nodes remembered from one start to the next: each query visits all of them.
pub const CACHE_MAX: usize = 16;
/// Part of [`OPERATION_TIMEOUT`] that a stream of answers may take; what came until then counts.
const STREAM_TIMEOUT: Duration = Duration::from_secs(15);
/// Look-ups and puts that may start at once after a pause.
const BURST: u32 = 8;

/// How the DHT is joined.
#[derive(Debug, Clone)]
pub struct DhtConfig {
    /// Nodes to join by (`host:port`), at most 16; empty: the library's defaults (none with `loopback`).
    pub bootstrap: Vec<String>,
    /// Cached nodes of earlier days; at most 16 are used.
    pub cache: Vec<SocketAddr>,
    /// UDP port, 0 picks one.
    pub port: u16,
    /// Bind only loopback (local test networks).
    pub loopback: bool,
    /// Operations a second (announces). Look-ups and puts have a bucket of their own at the same rate.
    pub rate: f64,
}

/// A handle; dropped last, the DHT's thread ends.
#[derive(Clone)]
pub struct Dht {
    shared: Arc<Shared>,
}

struct Shared {
    keeper: Arc<Keeper>,
    turns: Turns,
    announces: Pace,
    lookups: Pace,
    supervisor: tokio::sync::Mutex<Option<JoinHandle<()>>>,
    stop: CancellationToken,
    _stop_with_the_last: DropGuard,
}

/// Why an operation failed.
#[derive(Debug, Clone, thiserror::Error)]
pub enum DhtError {
    /// No node answered in time.
    #[error("the DHT did not answer in time")]
    TimedOut,
    /// The value is over 996 bytes.
    #[error("{0} bytes are too many for a DHT item")]
    TooLarge(usize),
    /// The item's BEP 44 signature is not its key's.
    #[error("the item's DHT signature does not hold")]
    BadSignature,
    /// Another value has this sequence, or a higher one is there.
    #[error("the DHT holds a newer item")]
    Outdated,
    /// Most nodes refused, with this error code (BEP 5, BEP 44).
    #[error("the DHT's nodes refused with error {0}")]
    Refused(i32),
    /// The library's thread ended; it is being rebuilt.
    #[error("the DHT is restarting")]
    Restarting,
    /// The UDP socket could not be opened.
    #[error("the DHT has no socket: {0}")]
    Socket(io::ErrorKind),
    /// Shut down.
    #[error("the DHT is stopped")]
    Stopped,
}

/// What a look-up of a manifest found.
#[derive(Debug, Clone)]
pub struct Found {
    /// The newest whose both signatures hold.
    pub manifest: SignedManifest,
    /// Nodes that returned exactly it.
    pub nodes: u32,
}

/// Its state.
#[derive(Debug, Clone, Copy, Default)]
pub struct DhtStatus {
    /// Nodes in the routing table.
    pub nodes: u32,
    /// The last operation was answered.
    pub reachable: bool,
}

/// A BEP 44 mutable item that somebody signed: what a gateway relays (§5).
#[derive(Debug, Clone, Copy)]
pub struct SignedItem<'a> {
    /// The signer.
    pub key: &'a ChannelKey,
    /// BEP 44 `seq`.
    pub sequence: u64,
    /// The value as a byte string, not bencoded: at most 996 bytes.
    pub value: &'a [u8],
    /// Signature over `[4:salt<len>:<salt>]3:seqi<seq>e1:v<len>:<value>`.
    pub signature: &'a [u8; 64],
    /// Empty for none.
    pub salt: &'a [u8],
}

impl SignedItem<'_> {
    fn verify(&self) -> Result<MutableItem, DhtError> {
        if self.value.len() > MANIFEST_MAX {
            return Err(DhtError::TooLarge(self.value.len()));
        }
        let sequence = i64::try_from(self.sequence).map_err(|_| DhtError::BadSignature)?;
        let signed = bep44_message(self.sequence, self.value, self.salt);
        if !self.key.verify(&signed, self.signature) {
            return Err(DhtError::BadSignature);
        }
        Ok(MutableItem::new_signed_unchecked(self.key.0, *self.signature, self.value, sequence, salt(self.salt)))
    }
}

/// The library takes an empty salt for a salt: its target would be right and its message wrong.
fn salt(salt: &[u8]) -> Option<&[u8]> {
    (!salt.is_empty()).then_some(salt)
}

impl Dht {
    /// Starts the DHT's thread and its supervisor. Does not wait for the first node's answer. Takes the proof that UDP may
    /// leave ([`crate::gate::Gate::clear`]).
    ///
    /// # Errors
    /// [`DhtError::Socket`] when the port cannot be bound.
    pub async fn start(_clear: Clear, config: DhtConfig) -> Result<Self, DhtError> {
        let stop = CancellationToken::new();
        let (announces, lookups) = (Pace::new(config.rate, 1), Pace::new(config.rate, BURST));
        let (keeper, supervisor) = Keeper::start(config, stop.clone()).await?;
        let supervisor = tokio::sync::Mutex::new(Some(supervisor));
        let _stop_with_the_last = stop.clone().drop_guard();
        let shared =
            Shared { keeper, turns: Turns::default(), announces, lookups, supervisor, stop, _stop_with_the_last };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// Peers of an infohash, to the end of the stream, without duplicates, at most `limit`. They are claims: many are dead.
    ///
    /// # Errors
    /// [`DhtError::TimedOut`] when no node is there to be asked; no peers is not an error.
    pub async fn get_peers(&self, infohash: InfoHash, limit: usize) -> Result<Vec<SocketAddr>, DhtError> {
        self.get_peers_within(infohash, limit, STREAM_TIMEOUT).await
    }

    /// As [`Dht::get_peers`], and what came within `time` counts.
    ///
    /// # Errors
    /// As [`Dht::get_peers`].
    pub async fn get_peers_within(
        &self,
        infohash: InfoHash,
        limit: usize,
        time: Duration,
    ) -> Result<Vec<SocketAddr>, DhtError> {
        self.shared.lookups.token().await;
        let turn = self.shared.turns.take(infohash.0).await;
        let peers = self.shared.keeper.operate(turn, move |dht| async move {
            let mut peers: BTreeSet<SocketAddrV4> = BTreeSet::new();
            let stream = dht.get_peers(Id::from(infohash.0));
            let ended = to_the_end(stream, time, |told| {
                for peer in told.into_iter().filter(|peer| peer.port() != 0) {
                    if peers.len() < limit {
                        peers.insert(peer);
                    }
                }
            });
            let ended = ended.await;
            if peers.is_empty() && (!ended || alone(&dht).await) {
                return Err(DhtError::TimedOut);
            }
            Ok(peers)
        });
        Ok(peers.await?.into_iter().map(SocketAddr::V4).collect())
    }

    /// Announces this TCP port, explicitly; returns once nodes acknowledged.
    ///
    /// # Errors
    /// [`DhtError::TimedOut`] when none did.
    pub async fn announce(&self, infohash: InfoHash, port: u16) -> Result<(), DhtError> {
        self.shared.announces.token().await;
        let turn = self.shared.turns.take(infohash.0).await;
        let announced = self.shared.keeper.operate(turn, move |dht| async move {
            dht.announce_peer(Id::from(infohash.0), Some(port)).await.map_err(refusal)
        });
        announced.await.map(|_| ())
    }

    /// The newest manifest of a channel, to the end of the stream. Lower than `floor` counts as not found.
    ///
    /// # Errors
    /// [`DhtError::TimedOut`] when no node answered at all; an unknown channel is not an error.
    pub async fn get_manifest(&self, key: &ChannelKey, floor: u64) -> Result<Option<Found>, DhtError> {
        let key = *key;
        self.shared.lookups.token().await;
        let turn = self.shared.turns.take(target(&key, &[])).await;
        let found = self.shared.keeper.operate(turn, move |dht| async move {
            let mut best: Option<Found> = None;
            let answered = read_items(&dht, &key, &[], |item| weigh(&key, floor, &item, &mut best)).await;
            if best.is_none() && !answered {
                return Err(DhtError::TimedOut);
            }
            Ok(best)
        });
        found.await
    }

    /// Puts a signed manifest (ours or another's); returns how many nodes acknowledged. A manifest's signature covers no
    /// salt, so one with a salt is refused; [`Dht::put_item`] takes salted items.
    ///
    /// # Errors
    /// See [`Dht::put_item`].
    pub async fn put_manifest(&self, manifest: &SignedManifest, salt: Option<&[u8]>) -> Result<u32, DhtError> {
        let item = SignedItem {
            key: manifest.key(),
            sequence: manifest.sequence(),
            value: manifest.json(),
            signature: manifest.bep44(),
            salt: salt.unwrap_or_default(),
        };
        self.put_item(&item).await
    }

    /// Puts a signed item; returns how many nodes acknowledged it, or held it already (one at least). Reads the item first, for nodes accept what
    /// they should not: another value under the same sequence.
    ///
    /// # Errors
    /// [`DhtError::TooLarge`] and [`DhtError::BadSignature`] before anything is sent; [`DhtError::Outdated`] when a node
    /// holds a higher sequence, or another value under this one.
    pub async fn put_item(&self, item: &SignedItem<'_>) -> Result<u32, DhtError> {
        let checked = item.verify()?;
        self.shared.lookups.token().await;
        let turn = self.shared.turns.take(target(item.key, item.salt)).await;
        let (key, salt) = (*item.key, item.salt.to_vec());
        let stored = self.shared.keeper.operate(turn, move |dht| async move {
            let (outdated, holders) = who_holds(&dht, &key, &salt, &checked).await;
            if outdated {
                return Err(DhtError::Outdated);
            }
            let length = checked.value().len();
            match dht.put_mutable(checked.clone(), None).await {
                Ok(outcome) if outcome.stored_at > 0 => Ok(outcome.stored_at.max(holders)),
                Ok(_) => Err(DhtError::TimedOut),
                Err(PutMutableError::Query(error)) => Err(match refusal(error) {
                    DhtError::Refused(205) => DhtError::TooLarge(length),
                    other => other,
                }),
                // Some makers' nodes take no sequence twice; those that gave this very item hold it all the same.
                Err(PutMutableError::Concurrency(_)) if holders > 0 => Ok(holders),
                // Somebody else put it between our look and our put: this very item, or another one.
                Err(PutMutableError::Concurrency(_)) => match who_holds(&dht, &key, &salt, &checked).await {
                    (false, holders @ 1..) => Ok(holders),
                    _ => Err(DhtError::Outdated),
                },
            }
        });
        stored.await
    }

    /// State. The count of nodes is at most ten seconds old.
    pub fn status(&self) -> DhtStatus {
        let keeper = &self.shared.keeper;
        DhtStatus { nodes: keeper.node_count(), reachable: keeper.is_reachable() }
    }

    /// Where the DHT's socket is bound; `None` while it restarts and after it was stopped.
    pub fn addr(&self) -> Option<SocketAddr> {
        self.shared.keeper.addr().map(SocketAddr::V4)
    }

    /// Nodes worth remembering for the next start, at most [`CACHE_MAX`].
    pub async fn nodes(&self) -> Vec<SocketAddr> {
        match self.shared.keeper.table().await {
            Ok(mut nodes) => {
                nodes.truncate(CACHE_MAX);
                nodes
            }
            Err(error) => {
                tracing::debug!(%error, "no DHT nodes to remember");
                Vec::new()
            }
        }
    }

    /// Ends the thread; returns when the port is free.
    pub async fn stop(&self) {
        self.shared.stop.cancel();
        // Taken and awaited under the lock, so that a second call returns no earlier than the first.
        let mut supervisor = self.shared.supervisor.lock().await;
        if let Some(task) = supervisor.as_mut() {
            if let Err(error) = task.await {
                tracing::warn!(%error, "the DHT's supervisor did not end well");
            }
            *supervisor = None;
        }
    }
}

fn target(key: &ChannelKey, of_salt: &[u8]) -> [u8; 20] {
    *MutableItem::target_from_key(&key.0, salt(of_salt)).as_bytes()
}

/// Whether some node holds a newer item, or another of the same number, and how many hold this one.
async fn who_holds(dht: &AsyncDht, key: &ChannelKey, salt: &[u8], item: &MutableItem) -> (bool, u32) {
    let (mut outdated, mut holders) = (false, 0);
    read_items(dht, key, salt, |held| {
        let other = held.seq() == item.seq() && held.value() != item.value();
        outdated |= held.seq() > item.seq() || other;
        holders += u32::from(held == *item);
    })
    .await;
    (outdated, holders)
}

fn refusal(error: PutQueryError) -> DhtError {
    match error {
        PutQueryError::ErrorResponse(error) => DhtError::Refused(error.code),
        PutQueryError::NoClosestNodes | PutQueryError::Timeout => DhtError::TimedOut,
    }
}

/// No node in the routing table: an empty answer says nothing. Panics like every call when the thread is gone, which is
/// how a stream that ended with it is told from one that came to its end.
async fn alone(dht: &AsyncDht) -> bool {
    dht.to_bootstrap().await.is_empty()
}

/// Takes all that a stream brings, at most for `time`; tells whether it came to its end.
async fn to_the_end<T>(mut stream: GetStream<T>, time: Duration, mut take: impl FnMut(T)) -> bool {
    let all = async {
        while let Some(item) = poll_fn(|cx| Pin::new(&mut stream).poll_next(cx)).await {
            take(item);
        }
    };
    tokio::time::timeout(time, all).await.is_ok()
}

/// Reads a key's items to the end of the stream; tells whether any node answered.
async fn read_items(dht: &AsyncDht, key: &ChannelKey, of_salt: &[u8], take: impl FnMut(MutableItem)) -> bool {
    let reading = dht.get_mutable_detailed(&key.0, salt(of_salt), None);
    let ended = to_the_end(reading.items, STREAM_TIMEOUT, take).await;
    ended && reading.outcome.recv().await.responded() > 0
}

/// Keeps the better of two manifests, verified; counts the nodes that gave it.
fn weigh(key: &ChannelKey, floor: u64, item: &MutableItem, best: &mut Option<Found>) {
    if u64::try_from(item.seq()).is_ok_and(|sequence| sequence < floor) {
        return;
    }
    if let Some(best) = best
        && best.manifest.json() == item.value()
        && best.manifest.bep44() == item.signature()
    {
        best.nodes += 1;
        return;
    }
    match SignedManifest::verify(key, item.value(), item.signature()) {
        Ok(manifest) if manifest.sequence() < floor => {}
        Ok(manifest) => {
            if best.as_ref().is_none_or(|best| manifest.supersedes(&best.manifest)) {
                *best = Some(Found { manifest, nodes: 1 });
            }
        }
        Err(error) => tracing::debug!(channel = ?key, %error, "a DHT node returned an item that is no manifest"),
    }
}

/// A whole DHT of `mainline` nodes on loopback, for demos and tests.
pub struct LocalDht {
    net: Testnet,
}

impl LocalDht {
    /// Nodes that [`LocalDht::bootstrap`] names.
    const NAMED: usize = 4;

    /// Starts `n` nodes on 127.0.0.1 (blocking).
    ///
    /// # Errors
    /// [`DhtError::Socket`] when a socket cannot be opened.
    pub fn start(n: usize) -> Result<Self, DhtError> {
        let net = Testnet::builder(n).build().map_err(|error| DhtError::Socket(error.kind()))?;
        Ok(Self { net })
    }

    /// Addresses to join by.
    pub fn bootstrap(&self) -> Vec<String> {
        self.net.bootstrap.iter().take(Self::NAMED).cloned().collect()
    }
}

#[cfg(test)]
mod tests;
