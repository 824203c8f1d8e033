//! The node behind the window: one of this process' own, or, where another process holds the data folder, that one's by
//! its local socket.
//!
//! Owns: which of the two it is, and its start and end. `turn` is held while that changes, so starts and stops queue up;
//! everybody else watches `way` and `state`.

use crate::args::Args;
use crate::host::NodeState;
use node::api::{Code, ErrorInfo, Event, Rebuilt, Reply, Request};
use node::rpc::{Client, Serving, Watching};
use node::{Events, Node, NodeConfig};
use std::io::ErrorKind;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::{Mutex, watch};

/// How long to wait for another process that holds the data folder without answering: a command, or one that ends.
const BUSY: Duration = Duration::from_secs(5);
/// Time between tries.
const RETRY: Duration = Duration::from_millis(100);
/// How long a request waits for a node that starts.
const STARTING: Duration = Duration::from_secs(60);

/// How a node is reached.
#[derive(Clone)]
enum Way {
    Own(Node),
    /// Another process' node; its data folder.
    Socket(PathBuf),
}

#[derive(Default)]
struct Turn {
    /// Counts starts and stops: what watches a node knows by it whether that node is still the one.
    number: u64,
    serving: Option<Serving>,
}

/// See the module.
pub(crate) struct House {
    args: Args,
    data_dir: PathBuf,
    state: watch::Sender<NodeState>,
    way: watch::Sender<Option<Way>>,
    turn: Mutex<Turn>,
}

impl House {
    pub(crate) fn new(args: Args, data_dir: PathBuf) -> Arc<Self> {
        let (state, way) = (watch::Sender::new(NodeState::Starting), watch::Sender::new(None));
        Arc::new(Self { args, data_dir, state, way, turn: Mutex::new(Turn::default()) })
    }

    /// Makes the database of a node that is not up anew: see [`node::rebuild`].
    pub(crate) async fn rebuild(&self) -> Result<Option<Rebuilt>, ErrorInfo> {
        let _turn = self.turn.lock().await;
        node::rebuild(self.data_dir.clone()).await
    }

    /// The node's state, now and at each change.
    pub(crate) fn state(&self) -> watch::Receiver<NodeState> {
        self.state.subscribe()
    }

    /// Starts the node, or finds the one that runs. Offline: its store only, no sockets. A node that was started before
    /// is stopped first.
    pub(crate) async fn start(self: &Arc<Self>, offline: bool) {
        let mut turn = self.turn.lock().await;
        if matches!(*self.state.borrow(), NodeState::Stopping) {
            return;
        }
        self.state.send_replace(NodeState::Starting);
        if let Err(error) = self.end(&mut turn).await {
            tracing::warn!(code = ?error.code, "{}", error.message);
        }
        match self.open(&mut turn, offline).await {
            Ok(way) => {
                self.mind(way.clone(), turn.number);
                self.way.send_replace(Some(way));
                self.state.send_replace(NodeState::Running);
            }
            Err(error) => {
                tracing::error!(code = ?error.code, "{}", error.message);
                self.state.send_replace(NodeState::Failed { error });
            }
        }
    }

    /// Ends the node for good and waits until nothing of it is left. Another process' node runs on.
    ///
    /// # Errors
    /// What did not end, or could not be stored.
    pub(crate) async fn stop(&self) -> Result<(), ErrorInfo> {
        let mut turn = self.turn.lock().await;
        self.state.send_replace(NodeState::Stopping);
        self.end(&mut turn).await
    }

    /// Asks the node; a request that comes while it starts waits for it.
    ///
    /// # Errors
    /// What the node answers, or why there is none.
    pub(crate) async fn call(&self, request: Request) -> Result<Reply, ErrorInfo> {
        let mut state = self.state.subscribe();
        let started = state.wait_for(|state| !matches!(state, NodeState::Starting));
        if tokio::time::timeout(STARTING, started).await.is_err() {
            return Err(ErrorInfo::new(Code::TimedOut, "The node has not started yet."));
        }
        let way = self.way.borrow().clone();
        match way {
            Some(Way::Own(node)) => node.call(request).await,
            Some(Way::Socket(dir)) => connect(&dir).await?.call(request).await,
            None => match &*self.state.borrow() {
                NodeState::Failed { error } => Err(error.clone()),
                _ => Err(ErrorInfo::new(Code::Stopping, "The node is stopping.")),
            },
        }
    }

    /// The node's events, over every node that will be.
    pub(crate) fn news(&self) -> News {
        News { ways: self.way.subscribe(), stream: None }
    }

    async fn end(&self, turn: &mut Turn) -> Result<(), ErrorInfo> {
        turn.number += 1;
        let Some(Way::Own(node)) = self.way.send_replace(None) else { return Ok(()) };
        let stopped = node.stop().await;
        if let Some(serving) = turn.serving.take() {
            serving.end().await;
        }
        stopped
    }

    async fn open(&self, turn: &mut Turn, offline: bool) -> Result<Way, ErrorInfo> {
        let until = Instant::now() + BUSY;
        loop {
            match Client::connect(&self.data_dir).await {
                Ok(_) => return Ok(Way::Socket(self.data_dir.clone())),
                Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::ConnectionRefused) => {}
                Err(error) => {
                    let text = format!("The running node's socket cannot be used: {error}");
                    return Err(ErrorInfo::new(Code::Io, text));
                }
            }
            match Node::start(self.config(offline)).await {
                Ok(node) => {
                    turn.serving = self.serve(&node, offline);
                    return Ok(Way::Own(node));
                }
                Err(error) if error.code == Code::Busy && Instant::now() < until => tokio::time::sleep(RETRY).await,
                Err(error) => return Err(error),
            }
        }
    }

    /// Commands on this computer talk to our node. Without the socket they cannot; nothing else is the worse for it.
    fn serve(&self, node: &Node, offline: bool) -> Option<Serving> {
        if offline {
            return None;
        }
        let serving = node::rpc::serve(node.clone(), &self.data_dir);
        serving.inspect_err(|error| tracing::warn!(%error, "commands cannot talk to this node: its socket")).ok()
    }

    fn config(&self, offline: bool) -> NodeConfig {
        let args = &self.args;
        let listen = args.listen.unwrap_or_else(|| SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)));
        NodeConfig {
            data_dir: self.data_dir.clone(),
            listen: Some(listen).filter(|_| !offline),
            listen_name: None,
            bootstrap: args.bootstrap.clone(),
            dht: !args.no_dht && !offline,
            peers: args.peer.clone(),
            passphrase: args.passphrase.clone(),
            use_keyring: !std::env::var("MEGATORRENT_NO_KEYRING").is_ok_and(|value| value == "1"),
            download_dir: Some(download_dir(&self.data_dir)),
            route: None,
            offline,
        }
    }

    /// Notices when a node ends that nobody here told to.
    fn mind(self: &Arc<Self>, way: Way, number: u64) {
        let house = Arc::clone(self);
        tokio::spawn(async move {
            match &way {
                Way::Own(node) => node.stopped().await,
                Way::Socket(dir) => {
                    if let Ok(client) = Client::connect(dir).await {
                        client.closed().await;
                    }
                }
            }
            drop(way);
            let mut turn = house.turn.lock().await;
            if turn.number != number {
                return;
            }
            let error = match house.end(&mut turn).await {
                Ok(()) => ErrorInfo::new(Code::Stopping, "Another program stopped the node."),
                Err(error) => error,
            };
            house.state.send_replace(NodeState::Failed { error });
        });
    }
}

async fn connect(data_dir: &Path) -> Result<Client, ErrorInfo> {
    let gone = |error| ErrorInfo::new(Code::Stopping, format!("The running node does not answer: {error}"));
    Client::connect(data_dir).await.map_err(gone)
}

/// Where downloads go when nothing else was chosen: a folder of our own among the person's downloads.
/// `MEGATORRENT_DOWNLOADS` names another, for demonstrations.
pub(crate) fn download_dir(data_dir: &Path) -> PathBuf {
    if let Some(dir) = std::env::var_os("MEGATORRENT_DOWNLOADS") {
        return dir.into();
    }
    let dirs = directories::UserDirs::new();
    let downloads = dirs.as_ref().and_then(|dirs| dirs.download_dir().map(Path::to_owned));
    let home = dirs.map(|dirs| dirs.home_dir().join("Downloads"));
    downloads.or(home).map_or_else(|| data_dir.join("downloads"), |dir| dir.join("Megatorrent"))
}

enum Stream {
    Own(Events),
    Socket(Box<Watching>),
}

/// Events of whatever node runs: each time one was started anew, its snapshot comes first.
pub(crate) struct News {
    ways: watch::Receiver<Option<Way>>,
    stream: Option<Stream>,
}

impl News {
    /// The next event; none when the program ends. Whoever drops the future early calls [`News::again`].
    pub(crate) async fn next(&mut self) -> Option<Event> {
        loop {
            let Some(stream) = &mut self.stream else {
                let way = self.ways.borrow_and_update().clone();
                self.stream = match way {
                    Some(Way::Own(node)) => Some(Stream::Own(node.events())),
                    // One that does not answer will be missed by its minder too, which changes the way.
                    Some(Way::Socket(dir)) => match connect(&dir).await {
                        Ok(client) => client.watch().await.ok().map(|watching| Stream::Socket(Box::new(watching))),
                        Err(_) => None,
                    },
                    None => None,
                };
                if self.stream.is_none() {
                    self.ways.changed().await.ok()?;
                }
                continue;
            };
            let event = tokio::select! {
                biased;
                changed = self.ways.changed() => {
                    changed.ok()?;
                    self.stream = None;
                    continue;
                }
                event = async { match stream {
                    Stream::Own(events) => events.next().await,
                    Stream::Socket(watching) => match watching.next().await {
                        Ok(event) => event,
                        Err(error) => Some(Event::Notice(error)),
                    },
                } } => event,
            };
            if event.is_some() {
                return event;
            }
            self.ways.changed().await.ok()?;
            self.stream = None;
        }
    }

    /// Begins anew, with a snapshot.
    pub(crate) fn again(&mut self) {
        self.stream = None;
    }
}
