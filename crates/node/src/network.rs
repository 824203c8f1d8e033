//! §5, E9 The way out: the route that was chosen, the gate and the DHT behind it, and taking another one meanwhile.
//!
//! Owns: opening and closing them, what is told when the route's state changes. Promises: a route that does not open is
//! closed, and nothing goes another way; before a new one is opened nothing of the old is left: no connection, no
//! listener, no DHT; where nothing leads straight there is no DHT at all; each channel has an onion address of its own,
//! derived from nothing, so that no two can be joined by it.

use std::collections::BTreeMap;
use std::net::SocketAddrV4;
use std::sync::Arc;
use std::time::Instant;

use net::dht::{Dht, DhtConfig};
use net::gate::Gate;
use net::route::{Choice, Inbound, OnionStanding, Route, RouteState, RouteStatus, RouteTrouble};
use net::socks::SocksError;
use net::tor::{OnionSecret, OnionService, TorChoice, TorConfig};
use protocol::addr::OnionKey;
use protocol::words::{count, without_number};
use protocol::{AddrClass, ChannelKey, PeerAddr};
use store::{Store, StoreError};
use swarm::{Source, Way};
use tokio::sync::{Notify, oneshot, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::api::{Cause, Code, ErrorInfo, Event, OnionInfo, RouteInfo, RouteKind, RouteReason, RouteStanding};
use crate::config::*;
use crate::ctx::{Ctx, Inner};
use crate::engine::Input;
use crate::error::{Result, blocking, fail};
use crate::library::log;
use crate::unreached::Unreached;
use crate::{accept, addresses, channel, gateway, view};

/// The setting that names the route, without a login.
const ROUTE: &str = "route";
/// The same with its login, sealed. While it is there, nothing leaves without it.
const ROUTE_SEALED: &str = "route";
/// Says that there is one.
const ROUTE_IS_SEALED: &str = "route is sealed";
/// The setting with gateways for every channel.
pub(crate) const GATEWAYS: &str = "gateways";

/// One route, opened; replaced as a whole.
pub(crate) struct Network {
    /// Tells it from those before.
    pub(crate) number: u64,
    pub(crate) choice: Choice,
    pub(crate) gate: Option<Gate>,
    pub(crate) dht: Option<Dht>,
    opened: Instant,
    /// Why there is no gate.
    closed: Option<String>,
    /// Our onion services, though Tor may not have published them yet.
    onions: watch::Sender<Onions>,
    /// Channels came or went: their onion services follow.
    pub(crate) renew: Notify,
    /// Where a router lets the world in to us.
    pub(crate) mapped: watch::Sender<Option<SocketAddrV4>>,
    /// Addresses that could not be reached last time.
    pub(crate) unreached: Unreached,
    /// Everything that uses the gate.
    pub(crate) tasks: TaskTracker,
    pub(crate) stop: CancellationToken,
}

/// Which onion service leads to which channel.
#[derive(Debug, Clone, Default)]
struct Onions {
    of: BTreeMap<OnionKey, ChannelKey>,
    /// The secrets are locked, and their keys with them.
    locked: bool,
}

/// A network of our own (tests, demos, a house): nobody in it has an address of the wide world.
pub(crate) fn is_local(config: &NodeConfig) -> bool {
    let bootstrap: Vec<PeerAddr> = config.bootstrap.iter().filter_map(|b| b.parse().ok()).collect();
    let inside = !bootstrap.is_empty() && bootstrap.iter().all(|b| b.class() < AddrClass::Global);
    inside || config.listen.is_some_and(|l| l.ip().is_loopback())
}

/// The route in the settings; the text of the error says why it cannot be told.
fn stored(store: &Store) -> std::result::Result<std::result::Result<Choice, String>, StoreError> {
    let text = match store.setting(ROUTE_IS_SEALED)? {
        None => store.setting(ROUTE)?.unwrap_or_else(|| Choice::Direct.to_string()),
        Some(_) => match store.sealed(ROUTE_SEALED) {
            Ok(Some(sealed)) => String::from_utf8_lossy(&sealed).into_owned(),
            Ok(None) => return Ok(Err("The proxy's password is lost. Set the route again.".into())),
            Err(StoreError::SecretsLocked) => {
                return Ok(Err("The secrets are locked, and the proxy's password with them.".into()));
            }
            Err(error @ StoreError::OtherStoreKey) => {
                return Ok(Err(format!("The proxy's password does not open: {error}.")));
            }
            Err(error) => return Err(error),
        },
    };
    let text = zeroize::Zeroizing::new(text);
    Ok(text.parse().map_err(|error| format!("The route in the settings is none: {error}.")))
}

/// The route as a person wrote it, without its login.
pub(crate) async fn shown(ctx: &Inner) -> Result<String> {
    Ok(ctx.with_store(|s| s.setting(ROUTE)).await?.unwrap_or_else(|| Choice::Direct.to_string()))
}

/// Keeps a route for this start and later ones.
pub(crate) async fn keep(ctx: &Inner, choice: &Choice) -> Result<()> {
    let (plain, secret) = (choice.to_string(), choice.is_secret().then(|| choice.to_secret()));
    ctx.with_store(move |s| {
        let Some(secret) = &secret else {
            return s.set_settings(&[(ROUTE_IS_SEALED, None), (ROUTE, Some(&plain))]);
        };
        let values = [(ROUTE_IS_SEALED, Some("true")), (ROUTE, Some(plain.as_str()))];
        s.set_settings_sealed(&values, ROUTE_SEALED, Some(secret.as_bytes()))
    })
    .await
}

/// Where the key of a channel's onion service is kept, sealed (E11).
fn onion_name(key: &ChannelKey) -> String {
    format!("onion {key}")
}

/// The onion service of a channel: the same key is the same address after every start.
fn onion_service(store: &Store, key: &ChannelKey) -> Result<OnionService> {
    let fresh = OnionSecret::generate().map_err(|e| ErrorInfo::new(Code::Internal, e.to_string()))?;
    let kept = store.sealed_or(&onion_name(key), &fresh.to_bytes()[..])?;
    let Ok(seed) = <&[u8; 32]>::try_from(&kept[..]) else {
        return fail(Code::Internal, "The key of an onion address has another length.");
    };
    Ok(OnionService { secret: OnionSecret::from_bytes(seed), port: ONION_PORT })
}

/// Channels with an onion address of their own: ours, then those that are followed longest; at most [`ONIONS_MAX`].
fn with_onions(store: &Store) -> Result<Vec<ChannelKey>> {
    let (own, others): (Vec<_>, Vec<_>) =
        store.channels()?.into_iter().filter(|row| row.own || row.followed).partition(|row| row.own);
    Ok(own.into_iter().chain(others).map(|row| row.key).take(ONIONS_MAX).collect())
}

/// Where the peers of this channel can dial us over Tor, from now on or soon; `None` where nobody can.
pub(crate) async fn onion_of(ctx: &Inner, key: ChannelKey) -> Result<Option<PeerAddr>> {
    if !ctx.network().takes_onions() {
        return Ok(None);
    }
    let store = ctx.store.clone();
    blocking(move || {
        if !with_onions(&store)?.contains(&key) {
            return Ok(None);
        }
        match onion_service(&store, &key) {
            Ok(service) => Ok(Some(service.addr())),
            // Then nobody can reach us.
            Err(error) if matches!(error.code, Code::Secrets | Code::OtherKey) => Ok(None),
            Err(error) => Err(error),
        }
    })
    .await
}

/// Leaves the onion address of a channel that is left: who follows it again has another one.
pub(crate) fn forget_onion(store: &Store, key: &ChannelKey) -> std::result::Result<(), StoreError> {
    store.set_sealed(&onion_name(key), None)
}

/// Gives each channel its onion service.
async fn renew_onions(ctx: &Ctx, network: &Network) -> Result<()> {
    let Some(gate) = network.gate.as_ref().filter(|_| network.has_tor()) else { return Ok(()) };
    let store = ctx.store.clone();
    let services = blocking(move || {
        with_onions(&store)?.into_iter().map(|key| Ok((key, onion_service(&store, &key)?))).collect::<Result<Vec<_>>>()
    });
    let services = match services.await {
        Ok(services) => services,
        Err(error) if matches!(error.code, Code::Secrets | Code::OtherKey) => {
            network.onions.send_replace(Onions { locked: true, of: BTreeMap::new() });
            return Ok(());
        }
        Err(error) => return Err(error),
    };
    let of = services.iter().map(|(key, service)| (service.secret.address(), *key)).collect();
    // First who leads where, then the services: nobody comes by an unknown one.
    network.onions.send_replace(Onions { of, locked: false });
    let services = services.into_iter().map(|(_, service)| service).collect();
    gate.set_onions(services);
    Ok(())
}

/// What is wrong with the way out, as a code.
fn reason_of(trouble: &RouteTrouble) -> RouteReason {
    match trouble {
        RouteTrouble::Proxy(SocksError::Down(kind)) => match kind {
            std::io::ErrorKind::ConnectionRefused => RouteReason::ProxyRefused,
            _ => RouteReason::ProxyUnreachable,
        },
        RouteTrouble::Proxy(SocksError::Hangs | SocksError::Closed) => RouteReason::ProxySilent,
        RouteTrouble::Proxy(SocksError::NotSocks) => RouteReason::NoSocks,
        RouteTrouble::Proxy(SocksError::LoginWanted) => RouteReason::LoginWanted,
        RouteTrouble::Proxy(SocksError::LoginRefused | SocksError::NoMethod) => RouteReason::LoginRefused,
        RouteTrouble::NoTor => RouteReason::NoTor,
        RouteTrouble::TorEnded(_) => RouteReason::TorEnded,
        RouteTrouble::Control(_) => RouteReason::ControlRefused,
        RouteTrouble::NoCircuits(_) => RouteReason::NoCircuits,
        _ => RouteReason::Other,
    }
}

fn tor_config(config: &NodeConfig, choice: TorChoice) -> TorConfig {
    TorConfig { choice, program: None, data_dir: config.data_dir.join("tor") }
}

impl Network {
    /// Nothing leaves and nothing comes.
    pub(crate) fn closed(number: u64, choice: Choice, why: Option<String>, stop: &CancellationToken) -> Self {
        Self {
            number,
            choice,
            gate: None,
            dht: None,
            opened: Instant::now(),
            closed: why,
            onions: watch::Sender::default(),
            renew: Notify::new(),
            mapped: watch::Sender::new(None),
            unreached: Unreached::default(),
            tasks: TaskTracker::new(),
            stop: stop.child_token(),
        }
    }

    /// Opens the route that the settings name, or this one in its place. A proxy or a tor that is down is no error.
    pub(crate) async fn open(
        config: &NodeConfig,
        store: &Store,
        number: u64,
        instead: Option<Choice>,
        stop: &CancellationToken,
    ) -> Result<Self> {
        let kept = store.clone();
        let choice = match instead {
            Some(choice) => choice,
            None => match blocking(move || Ok(stored(&kept)?)).await? {
                Ok(choice) => choice,
                Err(why) => return Ok(Self::closed(number, Choice::Direct, Some(why), stop)),
            },
        };
        let mut network = Self::closed(number, choice.clone(), None, stop);
        let listen = match &config.listen_name {
            Some((name, port)) if !choice.is_detour() => Some(net::gate::address_of(name, *port).await?),
            _ => config.listen,
        };
        let route = match choice {
            Choice::Direct => Route::Direct { listen },
            Choice::Socks5(proxy) => Route::Socks5(proxy),
            Choice::Tor(choice) => Route::Tor(tor_config(config, choice)),
            Choice::Both(choice) => Route::Both { listen, tor: tor_config(config, choice) },
        };
        let gate = Gate::open(route).await?;
        let gate = if is_local(config) { gate.into_local() } else { gate };
        if let Some(clear) = gate.clear().filter(|_| config.dht) {
            let cached = store.clone();
            let cache = blocking(move || Ok(cached.dht_cache()?)).await?;
            let dht_config = DhtConfig {
                loopback: config.listen.is_some_and(|l| l.ip().is_loopback()),
                bootstrap: config.bootstrap.clone(),
                cache: cache.iter().filter_map(|a| a.parse().ok()).collect(),
                port: 0,
                rate: 20.0,
            };
            network.dht = Some(Dht::start(clear, dht_config).await?);
        }
        network.gate = Some(gate);
        Ok(network)
    }

    /// Our TCP port in the clear, 0 for none.
    pub(crate) fn port(&self) -> u16 {
        self.gate.as_ref().and_then(Gate::listening).map_or(0, |a| a.port())
    }

    /// Where it listens in the clear, while it does.
    pub(crate) fn listening(&self) -> Option<std::net::SocketAddr> {
        self.gate.as_ref().and_then(Gate::listening).filter(|_| self.listener_lost().is_none())
    }

    /// Why nobody can come in the clear, where the listener broke.
    pub(crate) fn listener_lost(&self) -> Option<String> {
        self.gate.as_ref()?.listener_lost()?.borrow().clone()
    }

    /// The port by which the world reaches us, as far as is known; 0 for none.
    pub(crate) fn outer_port(&self) -> u16 {
        self.mapped.borrow().map_or(self.port(), |addr| addr.port())
    }

    /// What the swarm must know of it.
    pub(crate) fn way(&self, config: &NodeConfig) -> Way {
        let detour = self.choice.is_detour();
        Way {
            dht: self.dht.is_some(),
            port: self.port(),
            allow_local: !detour && is_local(config),
            own_addr: self.gate.as_ref().and_then(Gate::reachable),
            detour,
            tor: self.has_tor(),
        }
    }

    fn status(&self) -> Option<RouteStatus> {
        self.gate.as_ref().map(|gate| gate.status().borrow().clone())
    }

    /// Whether onions are dialled through Tor.
    fn has_tor(&self) -> bool {
        matches!(self.choice, Choice::Tor(_) | Choice::Both(_))
    }

    /// Whether there are onion services of ours, from now on or soon.
    fn takes_onions(&self) -> bool {
        self.has_tor() && self.status().is_some_and(|status| !matches!(status.inbound, Inbound::Failed(_)))
    }

    /// The channel that an onion service of ours leads to.
    pub(crate) fn channel_at(&self, onion: &OnionKey) -> Option<ChannelKey> {
        self.onions.borrow().of.get(onion).copied()
    }

    /// Onion addresses of ours that Tor's network knows.
    fn published(&self, inbound: &Inbound) -> BTreeMap<ChannelKey, PeerAddr> {
        let Inbound::Onions(onions) = inbound else { return BTreeMap::new() };
        let published = onions.iter().filter(|onion| onion.published).map(|onion| &onion.addr);
        let with_channel = |addr: &PeerAddr| match addr {
            PeerAddr::Onion(key, _) => Some((self.channel_at(key)?, addr.clone())),
            _ => None,
        };
        published.filter_map(with_channel).collect()
    }

    /// Whether somebody whom we do not know could come to us.
    pub(crate) fn lets_in(&self) -> bool {
        self.gate.as_ref().is_some_and(|gate| gate.listening().is_some()) || self.takes_onions()
    }

    /// Nothing leaves straight.
    pub(crate) fn is_detour(&self) -> bool {
        self.choice.is_detour()
    }

    /// No node of the DHT is known, and it was joined only a moment ago.
    pub(crate) fn is_dht_asking(&self) -> bool {
        self.knows_no_node() && self.opened.elapsed() < DHT_PATIENCE
    }

    /// No node of the DHT answers, though there was time for one.
    pub(crate) fn is_dht_silent(&self) -> bool {
        self.knows_no_node() && self.opened.elapsed() >= DHT_PATIENCE
    }

    fn knows_no_node(&self) -> bool {
        self.dht.as_ref().is_some_and(|dht| dht.status().nodes == 0)
    }

    /// Why nothing can leave, if the way out is at fault.
    pub(crate) fn cause(&self) -> Option<Cause> {
        let info = self.info();
        match (info.kind, info.state) {
            (RouteKind::Tor, RouteStanding::Starting { percent }) => Some(Cause::TorStarting { percent }),
            (RouteKind::Tor, RouteStanding::Down { why, reason }) => Some(Cause::TorDown { why, reason }),
            (RouteKind::Proxy, RouteStanding::Down { why, reason }) if why.contains("the proxy") => {
                // Which one, for a person may have several.
                Some(Cause::ProxyDown { why: why.replacen("the proxy", &info.route, 1), reason })
            }
            (_, RouteStanding::Down { why, reason }) => Some(Cause::ProxyDown { why, reason }),
            (_, RouteStanding::Starting { .. } | RouteStanding::Up) => None,
        }
    }

    /// How it is doing, for people.
    pub(crate) fn info(&self) -> RouteInfo {
        let kind = match self.choice {
            Choice::Direct => RouteKind::Direct,
            Choice::Socks5(_) => RouteKind::Proxy,
            Choice::Tor(_) => RouteKind::Tor,
            Choice::Both(_) => RouteKind::Both,
        };
        let locked = self.onions.borrow().locked;
        let why_not =
            locked.then(|| "the secrets are locked, and the keys of the onion addresses with them".to_owned());
        let mut info = RouteInfo { route: self.choice.to_string(), kind, no_inbound: why_not, ..RouteInfo::default() };
        info.state = match (self.status(), &self.closed) {
            (Some(status), _) => {
                match status.inbound {
                    Inbound::None => {}
                    Inbound::Onions(onions) => info.onions = onions.into_iter().filter_map(|o| self.told(o)).collect(),
                    Inbound::Failed(why) => info.no_inbound = Some(why),
                }
                match status.state {
                    // What leads straight needs no Tor.
                    RouteState::Starting(percent) if kind == RouteKind::Both => {
                        info.no_inbound = Some(format!("tor is starting, {percent} %"));
                        RouteStanding::Up
                    }
                    RouteState::Down(trouble) if kind == RouteKind::Both => {
                        info.no_inbound = Some(without_number(trouble));
                        RouteStanding::Up
                    }
                    RouteState::Starting(percent) => RouteStanding::Starting { percent },
                    RouteState::Up => RouteStanding::Up,
                    RouteState::Down(trouble) => {
                        RouteStanding::Down { why: without_number(&trouble), reason: reason_of(&trouble) }
                    }
                }
            }
            (None, Some(why)) => RouteStanding::Down { why: why.clone(), reason: RouteReason::Other },
            (None, None) => RouteStanding::Starting { percent: 0 },
        };
        info
    }

    /// An onion service for people; `None` for one that is being given up.
    fn told(&self, onion: OnionStanding) -> Option<OnionInfo> {
        let OnionStanding { addr, published, trouble } = onion;
        let PeerAddr::Onion(key, _) = &addr else { return None };
        let channel = self.channel_at(key)?.to_string();
        Some(OnionInfo { channel, addr: addr.to_string(), published, why: trouble })
    }

    /// Ends all that uses the route, then the route; returns when nothing of it is left.
    pub(crate) async fn close(&self, store: &Store) -> Result<()> {
        self.stop.cancel();
        self.tasks.close();
        let ended = tokio::time::timeout(STOP_TIMEOUT, self.tasks.wait()).await;
        if let Some(dht) = &self.dht {
            let nodes: Vec<String> = dht.nodes().await.iter().take(16).map(ToString::to_string).collect();
            dht.stop().await;
            let store = store.clone();
            if !nodes.is_empty() {
                blocking(move || Ok(store.set_dht_cache(&nodes)?)).await?;
            }
        }
        if let Some(gate) = &self.gate {
            gate.close().await;
        }
        match ended {
            Ok(()) => Ok(()),
            Err(_) => fail(
                Code::Internal,
                format!("{} did not end in time.", count(self.tasks.len() as u64, "connection", "connections")),
            ),
        }
    }
}

/// Puts a network in the place of the one before, and lets peers in.
pub(crate) async fn put(ctx: &Ctx, network: Arc<Network>) -> Result<()> {
    ctx.network.send_replace(network.clone());
    let gateway = ctx.with_store(|s| s.setting("gateway")).await?.as_deref() == Some("true");
    ctx.engine.send(Input::Capabilities(crate::node::capabilities(gateway && network.dht.is_some()))).await;
    let (done, taken) = oneshot::channel();
    ctx.engine.send(Input::Network(network.clone(), done)).await;
    // An engine that stopped needs no network.
    let _ = taken.await;
    if network.gate.is_some() {
        network.tasks.spawn(accept::run(network.clone(), ctx.engine.clone(), ctx.clock));
        network.tasks.spawn(mind(ctx.clone(), network.clone()));
        network.tasks.spawn(crate::near::run(ctx.clone(), network.clone()));
    }
    Ok(())
}

/// Takes the route that the settings name now.
pub(crate) async fn change(ctx: &Ctx) -> Result<()> {
    if ctx.config.offline {
        return Ok(());
    }
    let _turn = ctx.changing.lock().await;
    let old = ctx.network();
    let number = old.number + 1;
    let between = Network::closed(number, old.choice.clone(), Some("The route is being changed.".into()), &ctx.stop);
    put(ctx, Arc::new(between)).await?;
    let opened = match old.close(&ctx.store).await {
        // The last handle to the old listener goes, so that its port can be taken again.
        Ok(()) => {
            drop(old);
            Network::open(&ctx.config, &ctx.store, number + 1, None, &ctx.stop).await
        }
        Err(error) => Err(error),
    };
    let (network, outcome) = match opened {
        Ok(network) => (network, Ok(())),
        Err(error) => {
            let kept = ctx.store.clone();
            let choice = blocking(move || Ok(stored(&kept)?)).await?.unwrap_or_default();
            (Network::closed(number + 1, choice, Some(error.message.clone()), &ctx.stop), Err(error))
        }
    };
    put(ctx, Arc::new(network)).await?;
    tell_addresses(ctx).await?;
    ctx.emit(Event::Snapshot(view::snapshot(ctx).await?));
    outcome
}

/// Follows the route's state: tells listeners at once, peers where we are, and the swarm when it can go on.
async fn mind(ctx: Ctx, network: Arc<Network>) {
    let Some(mut status) = network.gate.as_ref().map(Gate::status) else { return };
    let (mut told, mut known) = (None, BTreeMap::new());
    let mut listener = network.gate.as_ref().and_then(Gate::listener_lost);
    network.renew.notify_one();
    loop {
        let now = status.borrow_and_update().clone();
        let onions = network.published(&now.inbound);
        if onions != known {
            known = onions.clone();
            ctx.engine.ask(move |swarm, at| swarm.set_onions(at, onions)).await;
        }
        if told.as_ref() != Some(&now.state) {
            if (network.is_detour() || network.has_tor()) && now.state == RouteState::Up {
                ctx.engine.ask(|swarm, at| swarm.handle_network_change(at)).await;
            }
            told = Some(now.state.clone());
            // What waits for the route has another reason now.
            if let Ok(snapshot) = view::snapshot(&ctx).await {
                ctx.emit(Event::Snapshot(snapshot));
            }
        } else if let Ok(status) = view::status(&ctx).await {
            ctx.emit(Event::Status(status));
        }
        tokio::select! {
            () = network.stop.cancelled() => return,
            changed = status.changed() => if changed.is_err() { return },
            () = network.renew.notified() => log(renew_onions(&ctx, &network).await),
            // Its sender lies in the gate.
            Ok(()) = changed(&mut listener) => {}
        }
    }
}

/// The next change, where there is anything to change.
async fn changed<T>(watched: &mut Option<watch::Receiver<T>>) -> std::result::Result<(), watch::error::RecvError> {
    match watched {
        Some(watched) => watched.changed().await,
        None => std::future::pending().await,
    }
}

/// Waits until something can leave, if the route is not there yet, and tells what it waits for; a person waits for it,
/// so not for ever: as long as Tor gets on, and [`ROUTE_READY`] more. What then cannot leave says why itself.
pub(crate) async fn ready(ctx: &Inner, mut waits: impl FnMut(Cause) + Send) {
    let mut routes = ctx.network.subscribe();
    let (mut until, mut furthest) = (tokio::time::Instant::now() + ROUTE_READY, 0);
    loop {
        let network = routes.borrow_and_update().clone();
        let Some(gate) = network.gate.as_ref().filter(|gate| gate.is_detour()) else { return };
        let mut status = gate.status();
        loop {
            match status.borrow_and_update().state {
                RouteState::Up => return,
                RouteState::Starting(percent) if percent > furthest => {
                    (until, furthest) = (tokio::time::Instant::now() + ROUTE_READY, percent);
                }
                RouteState::Starting(_) | RouteState::Down(_) => {}
            }
            if let Some(cause) = network.cause() {
                waits(cause);
            }
            tokio::select! {
                changed = status.changed() => if changed.is_err() { return },
                // Another route: it begins anew with that.
                changed = routes.changed() => if changed.is_err() { return } else { break },
                () = tokio::time::sleep_until(until) => return,
                () = ctx.stop.cancelled() => return,
            }
        }
    }
}

/// Off the direct route: hands our own lists to gateways again when none shows them. The DHT forgets within two hours.
pub(crate) async fn keep_own(ctx: &Ctx) -> Result<()> {
    for row in ctx.with_store(|s| s.channels()).await? {
        let Some(manifest) = row.manifest.filter(|_| row.own) else { continue };
        let gateways = crate::author::gateways(ctx, row.key).await?;
        if !gateways.is_empty() && gateway::shown(ctx, &gateways, &manifest).await.0 == 0 {
            let handed = gateway::publish(ctx, &gateways, &manifest).await;
            tracing::info!(channel = %row.key, taken = handed.taken, shown = handed.shown, "handed to gateways again");
        }
    }
    Ok(())
}

/// Gateways that the user named for every channel.
pub(crate) async fn gateways(ctx: &Inner) -> Result<Vec<PeerAddr>> {
    let kept = ctx.with_store(|s| s.setting(GATEWAYS)).await?.unwrap_or_default();
    Ok(kept.split_whitespace().filter_map(|addr| addr.parse().ok()).collect())
}

/// Tells the swarm every address that is known from elsewhere: links, lists, settings, earlier days.
pub(crate) async fn tell_addresses(ctx: &Ctx) -> Result<()> {
    let (channels, book) = ctx.with_store(|s| Ok((s.channels()?, s.address_book()?))).await?;
    for row in &channels {
        channel::follow_link(ctx, row, channel::link_peers(ctx, row.key).await?).await?;
    }
    let mut users = ctx.config.peers.clone();
    users.extend(gateways(ctx).await?);
    ctx.engine
        .ask(move |swarm, now| {
            for addr in users {
                swarm.add_addr(now, addr, None, Source::User);
            }
            addresses::tell(swarm, now, book);
        })
        .await;
    Ok(())
}
