//! The task that keeps tor: finds it, tells how it is doing, makes the onion service anew, tries again.

use super::TorConfig;
use super::control::{Control, ControlError};
use super::find::{self, Found};
use super::own::OwnTor;
use crate::proxy;
use crate::route::{Inbound, Login, RouteState, RouteStatus, RouteTrouble};
use crate::socks::{Offer, SocksError};
use data_encoding::HEXLOWER;
use protocol::PeerAddr;
use protocol::addr::OnionKey;
use std::net::SocketAddr;
use std::pin::pin;
use std::time::Duration;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// Wait before tor is looked for again; doubles while starting one of our own fails.
const AGAIN: Duration = Duration::from_secs(1);
/// Longest such wait.
const AGAIN_MAX: Duration = Duration::from_secs(30);
/// Between two questions whether tor is still there.
const EVERY: Duration = Duration::from_millis(700);
/// A tor on this machine that takes longer for an answer hangs.
const NEAR_LIMIT: Duration = Duration::from_millis(1200);

pub(super) struct Keeper {
    pub(super) config: TorConfig,
    /// Where the onion service leads to.
    pub(super) local: Option<SocketAddr>,
    pub(super) socks: watch::Sender<Option<SocketAddr>>,
    pub(super) status: watch::Sender<RouteStatus>,
    pub(super) stop: CancellationToken,
}

impl Keeper {
    pub(super) async fn run(self) {
        let mut wait = AGAIN;
        loop {
            let stop = self.stop.clone();
            let Some(found) = stop.run_until_cancelled(find::find(&self.config)).await else { return };
            let trouble = match found {
                Ok(Found::Controlled { mut control, socks, mut own }) => {
                    let trouble = stop.run_until_cancelled(self.control(&mut control, socks, own.as_deref_mut())).await;
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
            if let Inbound::Onion { published, .. } = &mut status.inbound {
                *published = false;
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
    async fn control(&self, control: &mut Control, socks: SocketAddr, own: Option<&mut OwnTor>) -> RouteTrouble {
        let ended = async {
            match own {
                Some(own) => own.ended().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            trouble = ended => trouble,
            Err(error) = self.watch(control, socks) => match error {
                ControlError::Hangs => SocksError::Hangs.into(),
                ControlError::Io(error) => SocksError::Down(error.kind()).into(),
                other => RouteTrouble::Control(other.to_string()),
            },
        }
    }

    /// Follows what tor tells. Ends only with an error.
    async fn watch(&self, control: &mut Control, socks: SocketAddr) -> Result<std::convert::Infallible, ControlError> {
        control.command("SETEVENTS STATUS_CLIENT HS_DESC").await?;
        let mut way = Way { progress: 0, trouble: None };
        way.bootstrap(&control.info("status/bootstrap-phase").await?);
        self.socks.send_replace(Some(socks));
        self.tell(|status| status.state = way.state());
        let mut service = self.create(control).await?;
        loop {
            let event = tokio::select! {
                event = control.event() => Some(event?),
                () = tokio::time::sleep(EVERY) => None,
            };
            let Some(event) = event else {
                self.ask(control, &way).await?;
                if self.config.onion.is_some() && service.is_none() {
                    service = self.create(control).await?;
                }
                continue;
            };
            if let Some(told) = event.strip_prefix("STATUS_CLIENT ") {
                way.hear(told);
                self.tell(|status| status.state = way.state());
            } else if let (Some(told), Some(own)) = (event.strip_prefix("HS_DESC UPLOADED "), service)
                && told.split(' ').next().is_some_and(|id| format!("{own}") == format!("{id}.onion"))
            {
                self.tell(|status| {
                    if let Inbound::Onion { published, .. } = &mut status.inbound {
                        *published = true;
                    }
                });
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

    /// Creates the onion service. A refusal is shown and leaves the way out as it is; it is tried again.
    async fn create(&self, control: &mut Control) -> Result<Option<OnionKey>, ControlError> {
        let (Some(onion), Some(local)) = (&self.config.onion, self.local) else { return Ok(None) };
        let (key, port) = (onion.secret.expanded(), onion.port);
        let line = zeroize::Zeroizing::new(format!(
            "ADD_ONION ED25519-V3:{} Flags=DiscardPK Port={port},{local}",
            key.as_str()
        ));
        let expected = onion.secret.address();
        let failed = match control.command(&line).await {
            Ok(reply) => {
                let id = reply.lines.iter().find_map(|line| line.strip_prefix("ServiceID="));
                match id.map(|id| OnionKey::from_host(&format!("{id}.onion"))) {
                    Some(Ok(made)) if made == expected => None,
                    _ => Some("tor made a service at another address".to_owned()),
                }
            }
            Err(ControlError::Refused(why)) => Some(why),
            Err(other) => return Err(other),
        };
        let made = failed.is_none();
        self.tell(|status| {
            status.inbound = match failed {
                Some(why) => Inbound::Failed(why),
                None => Inbound::Onion { addr: PeerAddr::Onion(expected, port), published: false },
            };
        });
        Ok(made.then_some(expected))
    }

    /// Works with a SOCKS port alone: out, never in.
    async fn blind(&self, socks: SocketAddr, why: String) {
        self.socks.send_replace(Some(socks));
        if self.config.onion.is_some() {
            self.tell(|status| status.inbound = Inbound::Failed(why));
        }
        // Tor takes any login; without one it would not show whether it keeps circuits apart.
        let mut name = [0; 16];
        let login = match getrandom::fill(&mut name).ok().and_then(|()| Login::new(HEXLOWER.encode(&name), "-").ok()) {
            Some(login) => login,
            None => return,
        };
        proxy::look(socks, Offer::Apart(&login), |state| self.tell(|status| status.state = state)).await;
    }
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
