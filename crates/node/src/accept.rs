//! The door: who calls is let in, for as long as there is room.
//!
//! Owns: handshakes of callers under way. Promises: whose work it would be is asked before any is done: one network has few
//! handshakes at a time, and who is banned or has its connections already is not let in at all; who keeps silent makes
//! room, but in the first seconds, in which an honest caller's key comes, not for more of the same network; each onion
//! service of ours has places of its own. Who is refused sees its connection end with FIN.

use std::collections::HashMap;
use std::sync::Arc;

use net::gate::{Came, Stream};
use protocol::price::{Entry, Payer, Places};
use protocol::session::Role;
use protocol::{AddrClass, ChannelKey};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tokio_util::task::TaskTracker;

use crate::clock::Clock;
use crate::config::{
    HANDSHAKE_TIMEOUT, HANDSHAKE_TIMEOUT_DETOUR, HANDSHAKES_EACH, HANDSHAKES_SERVICE, HANDSHAKES_YOUNG,
    PARTING_TIMEOUT, PARTINGS_MAX,
};
use crate::engine::{Connected, Engine, Input};
use crate::network::Network;

/// Lets peers in until the route ends.
pub(crate) async fn run(network: Arc<Network>, engine: Engine, clock: Clock) {
    let Some(gate) = &network.gate else { return };
    let mut door = Door::new(network.number, engine, clock, network.tasks.clone());
    loop {
        let accepted = tokio::select! {
            () = network.stop.cancelled() => break,
            () = door.one_ended() => continue,
            accepted = gate.accept() => accepted,
        };
        match accepted {
            Ok(came) => {
                let only = came.dialled.and_then(|onion| network.channel_at(&onion));
                // Its service is being given up: nothing is known that could be spoken of.
                if came.dialled.is_none() || only.is_some() {
                    door.take(came, only);
                }
            }
            Err(error) => {
                tracing::warn!(%error, "the listener is lost");
                break;
            }
        }
    }
    door.close().await;
}

/// Handshakes under way.
struct Door {
    /// The route's.
    number: u64,
    engine: Engine,
    clock: Clock,
    tasks: TaskTracker,
    last: u64,
    clear: Places<u64>,
    onion: Places<u64>,
    /// A handshake ends when its sender goes.
    hands: HashMap<u64, oneshot::Sender<()>>,
    shaking: JoinSet<u64>,
    parting: JoinSet<()>,
}

impl Door {
    fn new(number: u64, engine: Engine, clock: Clock, tasks: TaskTracker) -> Self {
        // Fewer where this process may open few files. One service leaves a part to the others.
        let most = crate::process::Places::here();
        let of_service = HANDSHAKES_SERVICE.min(most.handshakes_onion - most.handshakes_onion / 5);
        Self {
            number,
            engine,
            clock,
            tasks,
            last: 0,
            clear: Places::new(most.handshakes_clear, HANDSHAKES_EACH, HANDSHAKES_YOUNG),
            onion: Places::new(most.handshakes_onion, HANDSHAKES_EACH, HANDSHAKES_YOUNG).of_neighbourhood(of_service),
            hands: HashMap::new(),
            shaking: JoinSet::new(),
            parting: JoinSet::new(),
        }
    }

    /// Somebody came. `only`: by the onion service of this channel.
    fn take(&mut self, came: Came, only: Option<ChannelKey>) {
        let Came { stream, from, .. } = came;
        let hidden = from.class() == AddrClass::Onion;
        let places = if hidden { &mut self.onion } else { &mut self.clear };
        self.last += 1;
        let number = self.last;
        match places.enter(self.clock.now(), &Payer::caller(&from, only), number) {
            Entry::Refused => return self.part(stream),
            Entry::Instead(late) => drop(self.hands.remove(&late)),
            Entry::Taken => {}
        }
        let (ends, mut ended) = oneshot::channel();
        self.hands.insert(number, ends);
        let limit = if hidden { HANDSHAKE_TIMEOUT_DETOUR } else { HANDSHAKE_TIMEOUT };
        let (engine, network) = (self.engine.clone(), self.number);
        let shake = async move {
            let caller = from.clone();
            let admitted = engine.ask(move |swarm, now| swarm.admits(now, &caller, only)).await;
            if admitted != Some(true) {
                return part(stream).await;
            }
            match net::wire::handshake(stream, Role::Acceptor, limit).await {
                Ok((reader, writer, binding)) => {
                    let connected = Connected { network, addr: from, only, reader, writer, binding };
                    engine.send(Input::Accepted(Box::new(connected))).await;
                }
                Err(error) => tracing::debug!(%from, %error, "no handshake"),
            }
        };
        self.shaking.spawn(self.tasks.track_future(async move {
            tokio::select! {
                () = shake => {}
                _ = &mut ended => {}
            }
            number
        }));
    }

    /// A handshake is over, one way or another: its place is free. Pending while none is under way. May be dropped.
    async fn one_ended(&mut self) {
        tokio::select! {
            Some(ended) = self.shaking.join_next() => match ended {
                Ok(number) => {
                    self.hands.remove(&number);
                    self.clear.leave(&number);
                    self.onion.leave(&number);
                }
                Err(error) => tracing::warn!(%error, "a handshake's task ended"),
            },
            Some(_) = self.parting.join_next() => {}
            else => std::future::pending().await,
        }
    }

    /// Refuses somebody.
    fn part(&mut self, stream: Box<dyn Stream>) {
        if self.parting.len() < PARTINGS_MAX {
            self.parting.spawn(self.tasks.track_future(part(stream)));
        }
    }

    async fn close(mut self) {
        self.hands.clear();
        self.parting.shutdown().await;
        while self.shaking.join_next().await.is_some() {}
    }
}

/// Ends a connection in peace: whoever sent something already would else be answered by RST, of which a v5 peer dies.
async fn part(mut stream: Box<dyn Stream>) {
    let parting = async {
        let mut unread = [0; 256];
        let ended = stream.shutdown().await;
        while ended.is_ok() && stream.read(&mut unread).await.is_ok_and(|n| n > 0) {}
    };
    // It had its time.
    let _ = tokio::time::timeout(PARTING_TIMEOUT, parting).await;
}

#[cfg(test)]
mod tests;
