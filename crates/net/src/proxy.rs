//! Looks after a proxy: says within two seconds whether it is there, works and takes our login, and goes on looking.
//!
//! Owns: one task. Promises: it talks to the proxy alone and asks it for nothing.

use crate::route::{Inbound, Proxy, RouteState, RouteStatus, RouteTrouble};
use crate::socks::{self, GREETING_LIMIT, Offer, ProxyAt};
use std::time::Duration;
use tokio::sync::{Mutex, watch};
use tokio::task::JoinHandle;
use tokio_util::sync::{CancellationToken, DropGuard};

/// Between two looks.
const EVERY: Duration = Duration::from_millis(700);
/// A proxy on this machine that takes longer hangs.
const NEAR_LIMIT: Duration = Duration::from_millis(1200);

/// The task, and what it sees. Ends with the value.
pub(crate) struct Watch {
    status: watch::Receiver<RouteStatus>,
    stop: CancellationToken,
    task: Mutex<Option<JoinHandle<()>>>,
    _stop_with_the_value: DropGuard,
}

impl Watch {
    pub(crate) fn start(proxy: Proxy) -> Self {
        let starting = RouteStatus { state: RouteState::Starting(0), inbound: Inbound::None };
        let (sender, status) = watch::channel(starting);
        let stop = CancellationToken::new();
        let ends = stop.clone();
        let task = tokio::spawn(async move {
            ends.run_until_cancelled(look_after(&proxy, &sender)).await;
        });
        let guard = stop.clone().drop_guard();
        Self { status, stop, task: Mutex::new(Some(task)), _stop_with_the_value: guard }
    }
    pub(crate) fn status(&self) -> watch::Receiver<RouteStatus> {
        self.status.clone()
    }
    pub(crate) async fn stop(&self) {
        self.stop.cancel();
        if let Some(task) = self.task.lock().await.take()
            && let Err(error) = task.await
        {
            tracing::warn!(%error, "the task that looked after the proxy ended badly");
        }
    }
}

async fn look_after(proxy: &Proxy, status: &watch::Sender<RouteStatus>) {
    let offer = proxy.login.as_ref().map_or(Offer::Nothing, Offer::Login);
    look(&ProxyAt::Tcp(proxy.addr), offer, |state| {
        status.send_if_modified(|status| {
            let changed = status.state != state;
            if changed {
                tracing::info!(?state, "the proxy");
                status.state = state;
            }
            changed
        });
    })
    .await;
}

/// Looks for ever and tells each time.
pub(crate) async fn look(proxy: &ProxyAt, offer: Offer<'_>, tell: impl Fn(RouteState)) {
    let limit = if proxy.is_near() { NEAR_LIMIT } else { GREETING_LIMIT };
    loop {
        tell(match socks::greet(proxy, offer, limit).await {
            Ok(()) => RouteState::Up,
            Err(error) => RouteState::Down(RouteTrouble::Proxy(error)),
        });
        tokio::time::sleep(EVERY).await;
    }
}
