//! The task that keeps tor: finds it, tells how it is doing, makes the onion service anew, tries again.

use super::OnionService;
use super::TorConfig;
use super::control::{Control, ControlError};
use super::find::{self, Found};
use super::own::OwnTor;
use super::service::{Came, Listeners};
use crate::proxy;
use crate::route::{Inbound, Login, OnionStanding, RouteState, RouteStatus, RouteTrouble};
use crate::socks::{Offer, ProxyAt, SocksError};
use data_encoding::HEXLOWER;
use protocol::PeerAddr;
use protocol::addr::OnionKey;
use std::collections::BTreeSet;
use std::pin::pin;
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

/// Wait before tor is looked for again; doubles while starting one of our own fails.
const AGAIN: Duration = Duration::from_secs(1);
/// Longest such wait.
const AGAIN_MAX: Duration = Duration::from_secs(30);
/// Between two questions whether tor is still there.
const EVERY: Duration = Duration::from_millis(700);
/// A tor on this machine that takes longer for an answer hangs.
const NEAR_LIMIT: Duration = Duration::from_millis(1200);

/// Why nobody comes by an onion service for a moment.
const BROKEN: &str = "its listener broke and is made again";
/// What guards a service against floods, the most first. One circuit brings at most eight streams at a time, or it is
/// closed: our own nodes make a circuit for each connection, and one of v5 has a few. Who floods must make circuits then, and
/// when there are more than tor can answer, those come first whose callers proved work (since tor 0.4.9).
const GUARDS: [&str; 2] = [
    "Flags=DiscardPK,MaxStreamsCloseCircuit MaxStreams=8 PoWDefensesEnabled=1",
    "Flags=DiscardPK,MaxStreamsCloseCircuit MaxStreams=8",
];

pub(super) struct Keeper {
    pub(super) config: TorConfig,
    /// The onion services that there should be.
    pub(super) wanted: watch::Receiver<Vec<OnionService>>,
    /// Where listeners hand over who comes.
    pub(super) came: mpsc::Sender<Came>,
    pub(super) socks: watch::Sender<Option<ProxyAt>>,
    pub(super) status: watch::Sender<RouteStatus>,
    pub(super) stop: CancellationToken,
}

impl Keeper {
    pub(super) async fn run(mut self) {
        let mut wait = AGAIN;
        loop {
            let stop = self.stop.clone();
            let Some(found) = stop.run_until_cancelled(find::find(&self.config)).await else { return };
            let trouble = match found {
                Ok(Found::Controlled { mut control, socks, mut own, onions }) => {
                    let listeners = Listeners::new(onions, self.came.clone());
                    let controlling = self.control(&mut control, socks, own.as_deref_mut(), listeners);
                    let trouble = stop.run_until_cancelled(controlling).await;
                    self.down(trouble.clone());
                    // Our own tor ends with this connection, another one's onion service does.
                    drop(control);
                    if let Some(own) = own {
                        own.stop().await;
                    }
                    wait = AGAIN;
                    trouble
                }
                Ok(Found::Blind { socks, why }) => {
                    stop.run_until_cancelled(self.blind(socks, why)).await;
                    None
                }
                Err(trouble) => Some(trouble),
            };
            let ended = matches!(trouble, Some(RouteTrouble::TorEnded(_)));
            self.down(trouble);
            if stop.run_until_cancelled(tokio::time::sleep(wait)).await.is_none() {
                return;
            }
            wait = if ended { (wait * 2).min(AGAIN_MAX) } else { AGAIN };
        }
    }

    fn down(&self, trouble: Option<RouteTrouble>) {
        self.socks.send_replace(None);
        let Some(trouble) = trouble else { return };
        self.tell(|status| {
            status.state = RouteState::Down(trouble);
            if let Inbound::Onions(onions) = &mut status.inbound {
                onions.iter_mut().for_each(|onion| onion.published = false);
            }
        });
    }

    fn tell(&self, change: impl FnOnce(&mut RouteStatus)) {
        self.status.send_if_modified(|status| {
            let before = status.clone();
            change(status);
            if *status != before {
                tracing::info!(state = ?status.state, inbound = ?status.inbound, "tor");
            }
            *status != before
        });
    }

    /// Works with a tor that lets us in, until it does not any more.
    async fn control(
        &mut self,
        control: &mut Control,
        socks: ProxyAt,
        own: Option<&mut OwnTor>,
        listeners: Listeners,
    ) -> RouteTrouble {
        let ended = async {
            match own {
                Some(own) => own.ended().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            trouble = ended => trouble,
            Err(error) = self.watch(control, socks, listeners) => match error {
                ControlError::Hangs => SocksError::Hangs.into(),
                ControlError::Io(error) => SocksError::Down(error.kind()).into(),
                other => RouteTrouble::Control(other.to_string()),
            },
        }
    }

    /// Follows what tor tells. Ends only with an error.
    async fn watch(
        &mut self,
        control: &mut Control,
        socks: ProxyAt,
        mut listeners: Listeners,
    ) -> Result<std::convert::Infallible, ControlError> {
        control.command("SETEVENTS STATUS_CLIENT HS_DESC").await?;
        let mut way = Way { progress: 0, trouble: None };
        way.bootstrap(&control.info("status/bootstrap-phase").await?);
        self.socks.send_replace(Some(socks));
        self.tell(|status| status.state = way.state());
        // Those that this tor made for us.
        let mut made = BTreeSet::new();
        self.settle(control, &mut listeners, &mut made).await?;
        loop {
            let event = tokio::select! {
                event = control.event() => Some(event?),
                // Its sender lies in the gate, and this task ends with that.
                Ok(()) = self.wanted.changed() => {
                    self.settle(control, &mut listeners, &mut made).await?;
                    continue;
                }
                // It is made again, at the next look.
                broken = listeners.broken() => {
                    self.remove(control, &broken, &mut made).await?;
                    self.tell(|status| standing(status, &broken, |onion| {
                        (onion.published, onion.trouble) = (false, Some(BROKEN.to_owned()));
                    }));
                    continue;
                }
                () = tokio::time::sleep(EVERY) => None,
            };
            let Some(event) = event else {
                self.ask(control, &way).await?;
                if made.len() < self.wanted.borrow().len() {
                    self.settle(control, &mut listeners, &mut made).await?;
                }
                continue;
            };
            if let Some(told) = event.strip_prefix("STATUS_CLIENT ") {
                way.hear(told);
                self.tell(|status| status.state = way.state());
            } else if let Some(told) = event.strip_prefix("HS_DESC UPLOADED ") {
                let id = told.split(' ').next().unwrap_or_default();
                let Ok(key) = OnionKey::from_host(&format!("{id}.onion")) else { continue };
                self.tell(|status| standing(status, &key, |onion| onion.published = true));
            }
        }
    }

    /// Asks whether tor is still there. One that is late is shown as hanging, and given time.
    async fn ask(&self, control: &mut Control, way: &Way) -> Result<(), ControlError> {
        let mut answer = pin!(control.command("GETINFO version"));
        tokio::select! {
            answer = &mut answer => { answer?; }
            () = tokio::time::sleep(NEAR_LIMIT) => {
                self.tell(|status| status.state = RouteState::Down(SocksError::Hangs.into()));
                answer.await?;
            }
        }
        self.tell(|status| status.state = way.state());
        Ok(())
    }

    /// Brings tor's onion services to what is wanted. A refusal is shown and leaves the way out as it is; it is tried
    /// again.
    async fn settle(
        &mut self,
        control: &mut Control,
        listeners: &mut Listeners,
        made: &mut BTreeSet<OnionKey>,
    ) -> Result<(), ControlError> {
        let wanted = self.wanted.borrow_and_update().clone();
        let gone: Vec<OnionKey> =
            made.iter().filter(|key| !wanted.iter().any(|onion| onion.secret.address() == **key)).copied().collect();
        for key in gone {
            self.remove(control, &key, made).await?;
            listeners.end(&key);
        }
        for onion in &wanted {
            let key = onion.secret.address();
            let is_new = !made.contains(&key);
            let trouble = match is_new {
                true => match listeners.target(key).await {
                    Ok(target) => create(control, onion, &target).await?,
                    Err(error) => Some(format!("nothing can listen for it: {error}")),
                },
                false => None,
            };
            if trouble.is_none() {
                made.insert(key);
            }
            self.tell(|status| {
                let mut onions = match std::mem::replace(&mut status.inbound, Inbound::None) {
                    Inbound::Onions(onions) => onions,
                    Inbound::None | Inbound::Failed(_) => Vec::new(),
                };
                let addr = onion.addr();
                match onions.iter_mut().find(|onion| onion.addr == addr) {
                    Some(onion) => (onion.published, onion.trouble) = (onion.published && !is_new, trouble),
                    None => onions.push(OnionStanding { addr, published: false, trouble }),
                }
                onions.retain(|onion| wanted.iter().any(|wanted| wanted.addr() == onion.addr));
                status.inbound = Inbound::Onions(onions);
            });
        }
        if wanted.is_empty() {
            self.tell(|status| status.inbound = Inbound::None);
        }
        Ok(())
    }

    /// Takes an onion service back from tor.
    async fn remove(
        &self,
        control: &mut Control,
        key: &OnionKey,
        made: &mut BTreeSet<OnionKey>,
    ) -> Result<(), ControlError> {
        let host = key.to_string();
        match control.command(&format!("DEL_ONION {}", host.trim_end_matches(".onion"))).await {
            Ok(_) | Err(ControlError::Refused(_)) => made.remove(key),
            Err(other) => return Err(other),
        };
        Ok(())
    }

    /// Works with a SOCKS port alone: out, never in.
    async fn blind(&self, socks: ProxyAt, why: String) {
        self.socks.send_replace(Some(socks.clone()));
        self.tell(|status| status.inbound = Inbound::Failed(why));
        // Tor takes any login; without one it would not show whether it keeps circuits apart.
        let mut name = [0; 16];
        let login = match getrandom::fill(&mut name).ok().and_then(|()| Login::new(HEXLOWER.encode(&name), "-").ok()) {
            Some(login) => login,
            None => return,
        };
        proxy::look(&socks, Offer::Apart(&login), |state| self.tell(|status| status.state = state)).await;
    }
}

/// Changes how one onion service is doing.
fn standing(status: &mut RouteStatus, key: &OnionKey, change: impl FnOnce(&mut OnionStanding)) {
    if let Inbound::Onions(onions) = &mut status.inbound
        && let Some(onion) = onions.iter_mut().find(|onion| matches!(&onion.addr, PeerAddr::Onion(k, _) if k == key))
    {
        change(onion);
    }
}

/// Creates an onion service; gives back why tor does not.
async fn create(control: &mut Control, onion: &OnionService, target: &str) -> Result<Option<String>, ControlError> {
    let key = onion.secret.expanded();
    let mut refused = None;
    // A tor that does not know one of the guards against floods makes the service without it.
    for guards in GUARDS {
        let line = zeroize::Zeroizing::new(format!(
            "ADD_ONION ED25519-V3:{} {guards} Port={},{target}",
            key.as_str(),
            onion.port
        ));
        let reply = match control.command(&line).await {
            Ok(reply) => reply,
            Err(ControlError::Refused(why)) => {
                refused = Some(why);
                continue;
            }
            Err(other) => return Err(other),
        };
        let id = reply.lines.iter().find_map(|line| line.strip_prefix("ServiceID="));
        return Ok(match id.map(|id| OnionKey::from_host(&format!("{id}.onion"))) {
            Some(Ok(made)) if made == onion.secret.address() => None,
            _ => Some("tor made a service at another address".to_owned()),
        });
    }
    Ok(refused)
}

/// What tor told about its way out.
struct Way {
    progress: u8,
    trouble: Option<String>,
}

impl Way {
    fn state(&self) -> RouteState {
        match &self.trouble {
            _ if self.progress < 100 => RouteState::Starting(self.progress),
            Some(why) => RouteState::Down(RouteTrouble::NoCircuits(why.clone())),
            None => RouteState::Up,
        }
    }
    /// `NOTICE BOOTSTRAP PROGRESS=85 TAG=… SUMMARY="…"`, also as GETINFO gives it.
    fn bootstrap(&mut self, told: &str) {
        let progress = told.split(' ').find_map(|word| word.strip_prefix("PROGRESS=")?.parse().ok());
        self.progress = progress.unwrap_or(self.progress).min(100);
    }
    /// One STATUS_CLIENT event.
    fn hear(&mut self, told: &str) {
        let mut words = told.split(' ').skip(1);
        match words.next() {
            Some("BOOTSTRAP") => self.bootstrap(told),
            Some("CIRCUIT_ESTABLISHED") => self.trouble = None,
            Some("CIRCUIT_NOT_ESTABLISHED") => {
                let reason = words.find_map(|word| word.strip_prefix("REASON="));
                self.trouble = Some(match reason {
                    Some("EXTERNAL_ADDRESS") => "the address of this device has changed".into(),
                    Some("CLOCK_JUMPED") => "the clock has jumped".into(),
                    Some("DIR_ALL_UNREACHABLE") => "none of its relays can be reached".into(),
                    _ => "it has lost its circuits".into(),
                });
            }
            _ => {}
        }
    }
}
