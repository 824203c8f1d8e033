//! Two ways to a node: the socket of the one that runs on the data folder, or one of this process' own for the time
//! of the command.

use crate::args::{Global, Listen};
use crate::passphrase::Passphrases;
use crate::run::{Failure, Out, absolute};
use node::api::{Code, ErrorInfo, Event, Reply, Request, Unlock};
use node::rpc::{Client, Serving, Watching};
use node::{Events, Node, NodeConfig, Route};
use std::io::ErrorKind;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How long to wait for another command that holds the data folder for a moment.
const BUSY: Duration = Duration::from_secs(5);
/// After this long it is said that one waits.
const SAY_AFTER: Duration = Duration::from_secs(1);
/// Time between tries.
const RETRY: Duration = Duration::from_millis(100);
/// How often a person may type a passphrase.
const TRIES: u32 = 3;

/// What a command needs of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Need {
    /// The data folder only: without a running node no socket is opened.
    Store,
    /// As [`Need::Store`], and the secrets are not opened though their passphrase is at hand.
    Locked,
    /// Peers: without a running node one is started.
    Network,
    /// A node of one's own: that one runs already is a failure.
    Own,
}

impl Need {
    /// The data folder alone is enough.
    fn is_offline(self) -> bool {
        matches!(self, Self::Store | Self::Locked)
    }
}

enum Way {
    Socket(Box<Client>),
    Own { node: Node, serving: Option<Serving> },
}

/// A node to talk to, and the passphrases that open its secrets.
pub(crate) struct Door {
    way: Way,
    pub(crate) passphrases: Passphrases,
    out: Out,
}

/// The data folder of this run.
pub(crate) fn data_dir(global: &Global) -> Result<PathBuf, Failure> {
    if let Some(dir) = &global.data_dir {
        return absolute(dir);
    }
    node::default_data_dir().ok_or_else(|| {
        let message = "This account has no home folder. Name the data folder: --data-dir DIR".to_owned();
        Failure::Refused(ErrorInfo { code: Code::NotFound, message })
    })
}

/// Connects to the node that runs on the data folder, if one does.
pub(crate) async fn running(data_dir: &Path) -> Result<Option<Client>, Failure> {
    match Client::connect(data_dir).await {
        Ok(client) => Ok(Some(client)),
        Err(error)
            if matches!(
                error.kind(),
                ErrorKind::NotFound | ErrorKind::NotADirectory | ErrorKind::ConnectionRefused
            ) =>
        {
            Ok(None)
        }
        Err(error) => {
            let error = node::words::without_number(error);
            let message = format!("The socket of the node in {} cannot be used: {error}.", data_dir.display());
            Err(Failure::Refused(ErrorInfo { code: Code::Io, message }))
        }
    }
}

impl Door {
    /// Goes to the running node, or starts one of our own.
    pub(crate) async fn open(global: &Global, need: Need) -> Result<Self, Failure> {
        let data_dir = data_dir(global)?;
        let mut passphrases = Passphrases::new(global.passphrase.clone());
        let out = Out { json: global.json };
        let begun = Instant::now();
        let (until, mut told) = (begun + BUSY, false);
        loop {
            if let Some(client) = running(&data_dir).await? {
                if need == Need::Own {
                    let message = "A node runs on this data folder already. Stop it first: megatorrent stop".to_owned();
                    return Err(Failure::Refused(ErrorInfo { code: Code::Busy, message }));
                }
                if global.shapes_a_node() {
                    out.remark(
                        "A node runs already: --listen, --bootstrap, --no-dht, --peer, --route and --proxy change nothing",
                    );
                }
                return Ok(Self { way: Way::Socket(Box::new(client)), passphrases, out });
            }
            match start(global, &data_dir, need, &mut passphrases).await {
                Ok(node) => {
                    let serving = serve(&node, &data_dir, need, out).await?;
                    return Ok(Self { way: Way::Own { node, serving }, passphrases, out });
                }
                // Another command is at it, or a node that just starts or ends.
                Err(Failure::Refused(error)) if error.code == Code::Busy && Instant::now() < until => {
                    if !told && begun.elapsed() > SAY_AFTER {
                        told = true;
                        out.remark("Another process uses the data folder. Waiting for it.");
                    }
                    tokio::time::sleep(RETRY).await;
                }
                Err(failure) => return Err(failure),
            }
        }
    }

    /// Whether the node is another process', which runs on after this command.
    pub(crate) fn is_running_node(&self) -> bool {
        matches!(self.way, Way::Socket(_))
    }

    /// Asks one thing. Locked secrets are opened with a passphrase.
    pub(crate) async fn call(&mut self, request: Request) -> Result<Reply, Failure> {
        match self.ask(request.clone()).await {
            Err(error) if error.code == Code::Secrets => self.unlock(error).await?,
            outcome => return outcome.map_err(Failure::Refused),
        }
        self.ask(request).await.map_err(Failure::Refused)
    }

    /// As [`Door::call`], for what takes long: its progress goes to `on_event` meanwhile.
    pub(crate) async fn call_with(
        &mut self,
        request: Request,
        mut on_event: impl FnMut(&Event) + Send,
    ) -> Result<Reply, Failure> {
        match self.ask_with(request.clone(), &mut on_event).await {
            Err(error) if error.code == Code::Secrets => self.unlock(error).await?,
            outcome => return outcome.map_err(Failure::Refused),
        }
        self.ask_with(request, &mut on_event).await.map_err(Failure::Refused)
    }

    async fn unlock(&mut self, locked: ErrorInfo) -> Result<(), Failure> {
        // A vault that is made now has nothing yet to tell a slip of the finger by.
        let told = match self.ask(Request::Status).await {
            Ok(Reply::Status(status)) => status.secrets,
            _ => String::new(),
        };
        // A keyring that is locked asks its person itself.
        if told.starts_with("keyring_") && self.ask(Request::Unlock(Unlock { passphrase: String::new() })).await.is_ok()
        {
            return Ok(());
        }
        let new = matches!(told.as_str(), "none" | "keyring_unused");
        if self.passphrases.at_hand()?.is_none() && !self.passphrases.asks_a_person() {
            let what = if new { "This machine has no keyring." } else { locked.message.as_str() };
            let message =
                format!("{what} Set MEGATORRENT_PASSPHRASE, or run this in a terminal to be asked for a passphrase.");
            return Err(Failure::Refused(ErrorInfo { code: Code::Secrets, message }));
        }
        let mut tries = 0;
        loop {
            tries += 1;
            let typed = self.passphrases.ask("Vault", new).await?;
            let request = Request::Unlock(Unlock { passphrase: typed.as_str().to_owned() });
            match self.ask(request).await {
                Err(error)
                    if error.code == Code::WrongPassphrase && self.passphrases.asks_a_person() && tries < TRIES =>
                {
                    self.out.remark(&error.message);
                }
                Err(error) => return Err(Failure::Refused(error)),
                Ok(_) => return Ok(()),
            }
        }
    }

    async fn ask(&mut self, request: Request) -> Result<Reply, ErrorInfo> {
        match &mut self.way {
            Way::Socket(client) => client.call(request).await,
            Way::Own { node, .. } => node.call(request).await,
        }
    }

    async fn ask_with(
        &mut self,
        request: Request,
        on_event: &mut (impl FnMut(&Event) + Send),
    ) -> Result<Reply, ErrorInfo> {
        match &mut self.way {
            Way::Socket(client) => client.call_with(request, on_event).await,
            Way::Own { node, .. } => {
                let mut news = node.events();
                let call = node.call(request);
                tokio::pin!(call);
                let mut listening = true;
                loop {
                    tokio::select! {
                        biased;
                        event = news.next(), if listening => match event {
                            Some(event) => on_event(&event),
                            None => listening = false,
                        },
                        outcome = &mut call => return outcome,
                    }
                }
            }
        }
    }

    /// What happens, the snapshot first. The connection of a running node becomes that stream.
    pub(crate) async fn watch(self) -> Result<(Stream, Option<Door>), Failure> {
        match self.way {
            Way::Socket(client) => {
                Ok((Stream::Socket(Box::new(client.watch().await.map_err(Failure::Refused)?)), None))
            }
            Way::Own { ref node, .. } => Ok((Stream::Own(node.events()), Some(self))),
        }
    }

    /// The node of our own.
    pub(crate) fn own(&self) -> Option<Node> {
        match &self.way {
            Way::Own { node, .. } => Some(node.clone()),
            Way::Socket(_) => None,
        }
    }

    /// Resolves when the node of our own was stopped by another: `megatorrent stop`.
    pub(crate) async fn stopped(&self) {
        match &self.way {
            Way::Own { node, .. } => node.stopped().await,
            Way::Socket(_) => std::future::pending().await,
        }
    }

    /// Stops the node of our own and waits until nothing of it is left.
    pub(crate) async fn close(self) -> Result<(), Failure> {
        if let Way::Own { node, serving } = self.way {
            let stopped = node.stop().await;
            if let Some(serving) = serving {
                serving.end().await;
            }
            stopped.map_err(Failure::Refused)?;
        }
        Ok(())
    }
}

/// Events from one way or the other.
pub(crate) enum Stream {
    Socket(Box<Watching>),
    Own(Events),
}

impl Stream {
    /// The next event; none when the node stopped.
    pub(crate) async fn next(&mut self) -> Result<Option<Event>, Failure> {
        match self {
            Self::Socket(watching) => watching.next().await.map_err(Failure::Refused),
            Self::Own(events) => Ok(events.next().await),
        }
    }
}

async fn start(global: &Global, data_dir: &Path, need: Need, passphrases: &mut Passphrases) -> Result<Node, Failure> {
    let route = global.chosen_route();
    let route = route.map_err(|message| Failure::Refused(ErrorInfo { code: Code::BadArgument, message }))?;
    let mut tries = 0;
    let mut typed = None;
    loop {
        tries += 1;
        let passphrase = match typed.take() {
            Some(typed) => Some(typed),
            None if need == Need::Locked => None,
            None => passphrases.at_hand()?,
        };
        let given = passphrase.is_some();
        let outcome = Node::start(config(global, data_dir, need, route.clone(), passphrase)).await;
        match outcome {
            Ok(node) => return Ok(node),
            Err(error)
                if passphrases.asks_a_person()
                    && tries <= TRIES
                    && (error.code == Code::Secrets && !given || error.code == Code::WrongPassphrase) =>
            {
                if given {
                    Out { json: global.json }.remark(&error.message);
                }
                typed = Some(passphrases.ask("Vault", false).await?);
            }
            Err(error) => return Err(Failure::Refused(error)),
        }
    }
}

fn config(
    global: &Global,
    data_dir: &Path,
    need: Need,
    route: Option<Route>,
    passphrase: Option<zeroize::Zeroizing<String>>,
) -> NodeConfig {
    let offline = need.is_offline();
    let listen = match global.listen {
        Some(Listen::At(addr)) => Some(addr),
        Some(Listen::Name(..) | Listen::Nowhere) => None,
        None => Some(SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0))),
    };
    let listen_name = match &global.listen {
        Some(Listen::Name(name, port)) => Some((name.clone(), *port)),
        _ => None,
    };
    NodeConfig {
        data_dir: data_dir.to_owned(),
        listen: listen.filter(|_| !offline),
        listen_name: listen_name.filter(|_| !offline),
        bootstrap: global.bootstrap.clone(),
        dht: !global.no_dht && !offline,
        peers: global.peer.clone(),
        passphrase,
        use_keyring: !std::env::var("MEGATORRENT_NO_KEYRING").is_ok_and(|value| value == "1"),
        download_dir: None,
        route,
        offline,
    }
}

/// Lets later commands talk to a node that runs for more than a moment.
async fn serve(node: &Node, data_dir: &Path, need: Need, out: Out) -> Result<Option<Serving>, Failure> {
    if need.is_offline() {
        return Ok(None);
    }
    match node::rpc::serve(node.clone(), data_dir) {
        Ok(serving) => Ok(Some(serving)),
        Err(error) if need == Need::Own => {
            // Nobody could ask such a node for anything, not even to stop.
            node.stop().await.map_err(Failure::Refused)?;
            let message = format!("The node's socket cannot be made: {}.", node::words::without_number(error));
            Err(Failure::Refused(ErrorInfo { code: Code::Io, message }))
        }
        Err(error) => {
            let error = node::words::without_number(error);
            out.remark(&format!(
                "Other commands cannot talk to this one meanwhile, for its socket cannot be made: {error}"
            ));
            Ok(None)
        }
    }
}

#[cfg(test)]
mod tests;
