//! What is near: neighbours on the local network, and the router's port for us (E10). On the direct route alone.
//!
//! Owns: both, while the settings want them. Promises: off a direct route, or with a listener on this computer alone,
//! nothing is asked and nothing is told; what was mapped is given back at the end.

use std::net::SocketAddrV4;
use std::num::NonZeroU16;
use std::sync::Arc;

use net::gate::Gate;
use net::lan::Lan;
use net::portmap::PortMap;
use protocol::PeerAddr;
use store::{Store, StoreError};
use swarm::Source;
use tokio::sync::mpsc;

use crate::api::Event;
use crate::ctx::Ctx;
use crate::library::log;
use crate::network::Network;
use crate::view;

/// What the settings want.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Near {
    /// Neighbours are looked for, and told our port.
    pub(crate) lan: bool,
    /// The router is asked for a port.
    pub(crate) port_mapping: bool,
}

impl Near {
    /// Neighbours can tell which of the channels that they know we follow: only on the user's word. A port is asked for
    /// unless the user says no.
    pub(crate) fn load(store: &Store) -> Result<Self, StoreError> {
        let is = |name: &str, value: &str| Ok::<_, StoreError>(store.setting(name)?.as_deref() == Some(value));
        Ok(Self { lan: is("lan", "true")?, port_mapping: !is("port_mapping", "false")? })
    }
}

/// Does what the settings want, until the network is closed.
pub(crate) async fn run(ctx: Ctx, network: Arc<Network>) {
    let gate = network.gate.as_ref();
    let clear = gate.and_then(Gate::clear);
    let listening = gate.and_then(Gate::listening).filter(|addr| !addr.ip().is_loopback());
    let (Some(clear), Some(port)) = (clear, listening.and_then(|addr| NonZeroU16::new(addr.port()))) else { return };
    let mut settings = ctx.near.subscribe();
    let mut lan: Option<(Lan, mpsc::Receiver<std::net::SocketAddr>)> = None;
    let mut map: Option<PortMap> = None;
    loop {
        let wanted = *settings.borrow_and_update();
        if wanted.lan && lan.is_none() {
            match Lan::start(clear, port) {
                Ok(started) => lan = Some(started),
                Err(error) => tracing::warn!(%error, "no local discovery"),
            }
        } else if !wanted.lan
            && let Some((lan, _)) = lan.take()
        {
            lan.stop().await;
        }
        if wanted.port_mapping && map.is_none() {
            map = Some(PortMap::start(clear, port));
        } else if !wanted.port_mapping
            && let Some(map) = map.take()
        {
            map.stop().await;
            mapped(&ctx, &network, None).await;
        }
        let mut external = map.as_ref().map(PortMap::external);
        let known = *network.mapped.borrow();
        if let Some(now) = external.as_mut().map(|external| *external.borrow_and_update())
            && now != known
        {
            mapped(&ctx, &network, now).await;
        }
        tokio::select! {
            () = network.stop.cancelled() => break,
            changed = settings.changed() => if changed.is_err() { break },
            Some(addr) = async { lan.as_mut()?.1.recv().await }, if lan.is_some() => {
                if let Ok(addr) = PeerAddr::from_socket(addr) {
                    ctx.engine.ask(move |swarm, now| swarm.add_addr(now, addr, None, Source::Lan)).await;
                }
            }
            _ = async { external.as_mut()?.changed().await.ok() }, if external.is_some() => {}
        }
    }
    if let Some((lan, _)) = lan {
        lan.stop().await;
    }
    if let Some(map) = map {
        map.stop().await;
    }
}

/// The world reaches us elsewhere now: peers are told, and listeners.
async fn mapped(ctx: &Ctx, network: &Network, now: Option<SocketAddrV4>) {
    tracing::info!(external = ?now, "the router's port for us");
    network.mapped.send_replace(now);
    let own = match now {
        Some(addr) => PeerAddr::from_socket(addr.into()).ok(),
        None => network.gate.as_ref().and_then(Gate::reachable),
    };
    ctx.engine.ask(move |swarm, at| swarm.set_own_addr(at, own)).await;
    match view::status(ctx).await {
        Ok(status) => ctx.emit(Event::Status(status)),
        Err(error) => log::<()>(Err(error)),
    }
}
