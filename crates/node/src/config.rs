//! How a node is started, and every tuning number of it. Protocol numbers live in `protocol::params`.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use protocol::PeerAddr;
use zeroize::Zeroizing;

/// How a node is started.
#[derive(Clone, Default)]
pub struct NodeConfig {
    /// The data folder; one process at a time owns it.
    pub data_dir: PathBuf,
    /// Where to listen for peers (TCP); port 0 picks one; `None`: no inbound.
    pub listen: Option<SocketAddr>,
    /// A name of this computer to listen at, in place of `listen`. It is looked up only where the route leads straight.
    pub listen_name: Option<(String, u16)>,
    /// DHT nodes to join by; empty: the public ones.
    pub bootstrap: Vec<String>,
    /// Whether to join the DHT.
    pub dht: bool,
    /// TCP peers to know from the start.
    pub peers: Vec<PeerAddr>,
    /// Opens the vault where there is no keyring.
    pub passphrase: Option<Zeroizing<String>>,
    /// Whether to look for an OS keyring.
    pub use_keyring: bool,
    /// Where downloads go unless the settings say otherwise.
    pub download_dir: Option<PathBuf>,
    /// The route to take, in place of the one in the settings.
    pub route: Option<net::route::Choice>,
    /// Opens the store only: no sockets, nothing moves.
    pub offline: bool,
}

/// The port of our onion services: the same for everybody, so that it tells nothing.
pub const ONION_PORT: u16 = 6881;
/// Channels with an onion address of their own, ours first: each keeps three circuits open and tells Tor's network of
/// itself every hour or two. Of further channels others are dialled, but dial nobody here.
pub const ONIONS_MAX: usize = 16;
/// Time to reach a peer.
pub const DIAL_TIMEOUT: Duration = Duration::from_secs(10);
/// Time to reach a peer through a proxy or Tor, which has to meet an onion service first.
pub const DIAL_TIMEOUT_DETOUR: Duration = Duration::from_secs(60);
/// An onion that is not reached by then is tried by a second circuit, too.
pub const SECOND_CIRCUIT: Duration = Duration::from_secs(12);
/// Time for both 32-byte keys.
pub const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
/// The same on a detour, and for whoever comes to us.
pub const HANDSHAKE_TIMEOUT_DETOUR: Duration = Duration::from_secs(30);
/// Handshakes of callers under way at once, of those who come in the clear.
pub const HANDSHAKES_MAX: usize = 128;
/// Of them, of one network. Who comes by an onion service cannot be told from the others there: each counts for itself.
pub const HANDSHAKES_EACH: usize = 4;
/// Handshakes under way at once, of those who come by one onion service: who floods it with 130 streams a second does not
/// reach the end of them before an honest caller's key has come through Tor, which takes a second or two.
pub const HANDSHAKES_SERVICE: usize = 512;
/// The same, of all onion services.
pub const HANDSHAKES_ONION: usize = 640;
/// A caller has this long to send its key before it makes room for its like.
pub const HANDSHAKES_YOUNG: Duration = Duration::from_secs(3);
/// Callers who are refused and have not gone yet, and how long they may take.
pub const PARTINGS_MAX: usize = 64;
/// See [`PARTINGS_MAX`].
pub const PARTING_TIMEOUT: Duration = Duration::from_secs(1);
/// Opened frames of one connection that wait to be handled; a v5 peer's may have 1 MiB each.
pub const FRAMES_QUEUED: usize = 4;
/// Plain frames of one connection that wait to be sealed.
pub const WRITES_QUEUED: usize = 4;
/// Blobs loaded for one connection ahead of what was sent: two that go out, and two that are made meanwhile.
pub const SERVE_AHEAD: usize = 4;
/// A fetched blob waits at most this long for another to be hashed with, when the last one came as shortly before.
pub const PARTNER_WITHIN: Duration = Duration::from_millis(20);
/// Fetched blobs that are hashed and written at once, over all connections: each holds 1 MiB.
pub const BLOBS_IN_HAND: usize = 8;
/// Connections that have a blob of 1 MiB loaded to be sent; others wait for their turn.
pub const UPLOAD_SLOTS: usize = 56;
/// Blobs loaded ahead of those, over all connections.
pub const AHEAD_SLOTS: usize = 8;
/// Loads under way at once, where there are fewer cores: one may wait for its disk.
pub const LOADS_MIN: usize = 4;
/// A peer that takes nothing for this long of what was loaded for it is let go. The slowest limit moves a frame of a v5
/// peer in about a minute.
pub const STUCK: Duration = Duration::from_secs(120);
/// How long a start waits for the keyring: one that works answers at once, one that is locked asks its person.
pub const KEYRING_AT_START: Duration = Duration::from_secs(3);
/// Least bytes a second that a limit may allow.
pub const RATE_MIN: u64 = 16_384;
/// Messages to the engine that wait.
pub const ENGINE_QUEUE: usize = 1024;
/// Commands to one connection that wait.
pub const COMMANDS_QUEUED: usize = 1024;
/// Blobs of one item that the swarm is told to want at a time.
pub const WANT_WINDOW: usize = 512;
/// Items that are fetched at once.
pub const ITEMS_AT_ONCE: usize = 3;
/// Events that a listener may fall behind before it gets a new snapshot.
pub const EVENTS_QUEUED: usize = 256;
/// Between two looks at the bytes of a blob under way.
pub const COMING_EVERY: Duration = Duration::from_millis(500);
/// While a limit keeps us from reading longer than this, it is said that the peer is not to blame.
pub const HELD_BACK: Duration = Duration::from_secs(5);
/// Time for one look for a newer list of a channel that is known, when a person asks for it.
pub const FRESH_TIMEOUT: Duration = Duration::from_secs(15);
/// The same on a detour.
pub const FRESH_TIMEOUT_DETOUR: Duration = Duration::from_secs(40);
/// Shortest time between two progress events of one thing.
pub const PROGRESS_EVERY: Duration = Duration::from_millis(250);
/// While nothing of this node's own began or came for this long, its line is idle; between two blobs it is not.
pub const IDLE_AFTER: Duration = Duration::from_secs(5);
/// A DHT that was joined a shorter time ago, and knows no node yet, is being asked; after that it does not answer.
pub const DHT_PATIENCE: Duration = Duration::from_secs(20);
/// Time for somebody to show a channel's list to a person who waits for it.
pub const LIST_TIMEOUT: Duration = Duration::from_secs(60);
/// A person who waits is told for what after this long, and again when it changes.
pub const SAY_AFTER: Duration = Duration::from_secs(1);
/// As a gateway: manifests of one channel within [`GATEWAY_PUTS_IN`].
pub const GATEWAY_PUTS: u32 = 8;
/// See [`GATEWAY_PUTS`].
pub const GATEWAY_PUTS_IN: Duration = Duration::from_secs(60);
/// As a gateway: a manifest that was put is not put again before this time, whoever asks for it.
pub const GATEWAY_PUTS_KEPT: Duration = Duration::from_secs(3600);
/// As a gateway: channels remembered for that, and for look-ups.
pub const GATEWAY_REMEMBERS: usize = 4096;
/// As a gateway: topics remembered with the peers that were found for them.
pub const GATEWAY_SOUGHT: usize = 512;
/// As a gateway: a look-up's answer is given to others for this long.
pub const GATEWAY_CACHE: Duration = Duration::from_secs(60);
/// As a gateway: look-ups and puts for others at one time.
pub const GATEWAY_AT_ONCE: usize = 16;
/// As a gateway: of them, for one network.
pub const GATEWAY_EACH: usize = 2;
/// As a gateway: look-ups and puts that wait for their turn, and askers of one thing.
pub const GATEWAY_WAITING: usize = 64;
/// As a gateway: how long they wait.
pub const GATEWAY_PATIENCE: Duration = Duration::from_secs(4);
/// As a gateway: time for a look-up of peers. Who asked has an answer within five seconds, with what came until then.
pub const GATEWAY_SEEKS_FOR: Duration = Duration::from_secs(3);
/// As a gateway: a look-up that nobody answered is tried again after this time.
pub const GATEWAY_FAILED: Duration = Duration::from_secs(10);
/// As a gateway: questions that are not looked at yet.
pub const GATEWAY_INPUTS: usize = 256;
/// Gateways that one manifest is handed to.
pub const GATEWAYS_ASKED: usize = 4;
/// Waits before a gateway is asked for what another one took: the DHT and its own memory need a moment.
pub const SHOWN_AFTER: [Duration; 3] = [Duration::ZERO, Duration::from_secs(3), Duration::from_secs(10)];
/// Time for the route to be ready when something is published.
pub const ROUTE_READY: Duration = Duration::from_secs(60);
/// Time for a gateway's whole answer: it reads and writes the DHT meanwhile.
pub const GATEWAY_TIMEOUT: Duration = Duration::from_secs(60);
/// Time for a gateway's HELLO; without one it is a v5 gateway, which shows no manifests.
pub const GATEWAY_HELLO: Duration = Duration::from_secs(3);
/// The same on a detour.
pub const GATEWAY_HELLO_DETOUR: Duration = Duration::from_secs(20);
/// Blobs that one channel's lists may have opened within [`LIST_PAUSE`]; whoever causes more waits, about as
/// long at most.
pub const LIST_BLOBS: i64 = 128;
/// See [`LIST_BLOBS`].
pub const LIST_PAUSE: Duration = Duration::from_secs(60);
/// An item whose work was ended by a change of it is looked at again after this long.
pub const AGAIN_AFTER: Duration = Duration::from_secs(1);
/// An item over whose plan the last process died is planned again, once, after the node ran this long.
pub const DIED_AGAIN_AFTER: Duration = Duration::from_secs(5);
/// An item that could not be written is tried again after this long.
pub const RETRY_EVERY: Duration = Duration::from_secs(30);
/// Waits before a manifest that no DHT node took is put again; the last one repeats.
pub const PUT_AGAIN: [Duration; 4] =
    [Duration::from_secs(15), Duration::from_secs(60), Duration::from_secs(300), Duration::from_secs(900)];
/// Time for everything to end at shutdown.
pub const STOP_TIMEOUT: Duration = Duration::from_secs(20);
/// Between two looks at our own private channels in the DHT (its nodes forget after two hours).
pub const KEEP_OWN_EVERY: Duration = Duration::from_secs(45 * 60);
/// Fewer nodes than this with the newest manifest: put it again (E4).
pub const KEEP_ALIVE_BELOW: u32 = 8;

/// The data folder that command line and window use unless told otherwise; `None`: this account has no home folder.
pub fn default_data_dir() -> Option<PathBuf> {
    store::DataDir::default_path()
}
