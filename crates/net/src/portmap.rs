//! A port of ours on the router: asked for by UPnP, NAT-PMP or PCP, kept, and given back.
//!
//! Owns: the mapping. Promises: there is none, and nothing is asked of any router, without the proof that the route is
//! direct ([`Clear`]); what was mapped is given back by [`PortMap::stop`].

use std::net::SocketAddrV4;
use std::num::NonZeroU16;
use std::time::Duration;

use portmapper::{Client, Config, Protocol};
use tokio::sync::watch;

use crate::gate::Clear;

/// Time for the router to take its mapping back.
const GIVE_BACK: Duration = Duration::from_secs(3);

/// A mapping that is kept.
#[derive(Debug)]
pub struct PortMap {
    client: Client,
}

impl PortMap {
    /// Asks for a mapping of this TCP port, now and whenever the network changes.
    pub fn start(_proof: Clear, port: NonZeroU16) -> Self {
        let config = Config { enable_upnp: true, enable_pcp: true, enable_nat_pmp: true, protocol: Protocol::Tcp };
        let client = Client::new(config);
        client.update_local_port(port);
        client.procure_mapping();
        Self { client }
    }

    /// Where the world reaches the port, while a router says so.
    pub fn external(&self) -> watch::Receiver<Option<SocketAddrV4>> {
        self.client.watch_external_address()
    }

    /// Gives the mapping back.
    pub async fn stop(self) {
        let mut external = self.client.watch_external_address();
        if external.borrow().is_none() {
            return;
        }
        self.client.deactivate();
        // A router that does not answer keeps the mapping until its lease ends.
        let _ = tokio::time::timeout(GIVE_BACK, external.wait_for(Option::is_none)).await;
    }
}
