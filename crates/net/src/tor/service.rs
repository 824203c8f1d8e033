//! The listeners behind onion services: one each, on loopback.
//!
//! Owns: the listeners and a task for each. Promises: who comes is handed over with the onion address that was dialled;
//! a service that is not wanted any more listens no more.

use super::OnionService;
use crate::gate::accept_tcp;
use protocol::addr::OnionKey;
use std::collections::BTreeMap;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Mutex, mpsc, watch};
use tokio_util::sync::{CancellationToken, DropGuard};

/// Connections that wait to be taken.
const WAITING: usize = 16;

/// A service, and the listener that it leads to.
#[derive(Debug, Clone)]
pub(super) struct Service {
    pub(super) onion: OnionService,
    pub(super) local: SocketAddr,
}

pub(super) struct Services {
    wanted: watch::Sender<Vec<Service>>,
    listening: Mutex<BTreeMap<OnionKey, DropGuard>>,
    came_to: mpsc::Sender<(TcpStream, OnionKey)>,
    came: Mutex<mpsc::Receiver<(TcpStream, OnionKey)>>,
}

impl Default for Services {
    fn default() -> Self {
        let (came_to, came) = mpsc::channel(WAITING);
        let wanted = watch::Sender::new(Vec::new());
        Self { wanted, listening: Mutex::default(), came_to, came: Mutex::new(came) }
    }
}

impl Services {
    /// Those that tor should have.
    pub(super) fn wanted(&self) -> watch::Receiver<Vec<Service>> {
        self.wanted.subscribe()
    }

    /// Listens for these from here on, and for no others; what is there already stays as it is.
    pub(super) async fn set(&self, onions: Vec<OnionService>) -> io::Result<()> {
        let mut listening = self.listening.lock().await;
        let mut services: Vec<Service> = Vec::new();
        for onion in onions {
            let key = onion.secret.address();
            let known = self.wanted.borrow().iter().find(|service| service.onion.secret.address() == key).cloned();
            let local = match known {
                Some(service) => service.local,
                None => {
                    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
                    let local = listener.local_addr()?;
                    let stop = CancellationToken::new();
                    listening.insert(key, stop.clone().drop_guard());
                    tokio::spawn(listen(listener, key, self.came_to.clone(), stop));
                    local
                }
            };
            services.push(Service { onion, local });
        }
        listening.retain(|key, _| services.iter().any(|service| service.onion.secret.address() == *key));
        self.wanted.send_replace(services);
        Ok(())
    }

    /// The next who comes. May be dropped and called again.
    pub(super) async fn accept(&self) -> (TcpStream, OnionKey) {
        match self.came.lock().await.recv().await {
            Some(came) => came,
            // Never: the sender lies beside it.
            None => std::future::pending().await,
        }
    }
}

async fn listen(
    listener: TcpListener,
    key: OnionKey,
    came: mpsc::Sender<(TcpStream, OnionKey)>,
    stop: CancellationToken,
) {
    let listening = async {
        loop {
            match accept_tcp(&listener).await {
                Ok((stream, _)) => {
                    if came.send((stream, key)).await.is_err() {
                        return;
                    }
                }
                Err(error) => {
                    tracing::warn!(%error, "the listener behind an onion service is lost");
                    return;
                }
            }
        }
    };
    stop.run_until_cancelled(listening).await;
}
