//! E10 People in one house: mDNS tells others on the local network our port, and us theirs.
//!
//! Owns: the announcement and the search. Promises: nothing is told but the port and a random name that is new with every
//! start; nothing at all without the proof that the route is direct ([`Clear`]); what others tell is bounded, and no more
//! than an address of the local network to try.

use std::collections::HashSet;
use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU16;

use mdns_sd::{IfKind, ServiceDaemon, ServiceEvent, ServiceInfo};
use protocol::{AddrClass, PeerAddr};
use tokio::sync::mpsc;

use crate::gate::Clear;

const SERVICE: &str = "_megatorrent._tcp.local.";
/// Addresses that wait to be taken.
const QUEUED: usize = 64;
/// Addresses taken in one life: a neighbour that makes up names is heard no further.
const FOUND_MAX: usize = 1024;

/// Why there is no local discovery.
#[derive(Debug, thiserror::Error)]
pub enum LanError {
    /// The system lets nobody multicast.
    #[error("the local network cannot be asked: {0}")]
    Mdns(#[from] mdns_sd::Error),
    /// No random name.
    #[error("no random numbers: {0}")]
    Random(#[from] getrandom::Error),
}

/// Being found, and finding.
pub struct Lan {
    daemon: ServiceDaemon,
    name: String,
}

impl std::fmt::Debug for Lan {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Lan")
    }
}

impl Lan {
    /// Announces this TCP port, and looks for others'. Their addresses come out of the receiver, until it is dropped or
    /// [`Lan::stop`] is called.
    ///
    /// # Errors
    /// The system lets nobody multicast.
    pub fn start(_proof: Clear, port: NonZeroU16) -> Result<(Self, mpsc::Receiver<SocketAddr>), LanError> {
        let mut random = [0; 8];
        getrandom::fill(&mut random)?;
        let own = data_encoding::HEXLOWER.encode(&random);
        let daemon = ServiceDaemon::new()?;
        daemon.disable_interface(vec![IfKind::LoopbackV4, IfKind::LoopbackV6])?;
        let host = format!("{own}.local.");
        let info = ServiceInfo::new(SERVICE, &own, &host, "", port.get(), None)?.enable_addr_auto();
        let name = info.get_fullname().to_owned();
        let news = daemon.browse(SERVICE)?;
        daemon.register(info)?;
        let (tx, rx) = mpsc::channel(QUEUED);
        let ours = name.clone();
        tokio::spawn(async move {
            let mut seen = HashSet::new();
            while let Ok(event) = news.recv_async().await {
                let ServiceEvent::ServiceResolved(found) = event else { continue };
                if found.fullname == ours {
                    continue;
                }
                for addr in &found.addresses {
                    let addr = SocketAddr::new(addr.to_ip_addr(), found.port);
                    if seen.len() < FOUND_MAX && is_near(addr) && seen.insert(addr) && tx.send(addr).await.is_err() {
                        return;
                    }
                }
            }
        });
        Ok((Self { daemon, name }, rx))
    }

    /// Says goodbye, and ends.
    pub async fn stop(self) {
        // A daemon that ended already has nothing to take back.
        if let Ok(gone) = self.daemon.unregister(&self.name) {
            let _ = tokio::time::timeout(std::time::Duration::from_secs(1), gone.recv_async()).await;
        }
        let _ = self.daemon.shutdown();
    }
}

/// Whether this is an address of a local network, and of no other: whoever answers there is told of all our channels. A
/// link-local IPv6 address names no network card, so it leads nowhere.
fn is_near(addr: SocketAddr) -> bool {
    let link_local = matches!(addr.ip(), IpAddr::V6(v6) if v6.is_unicast_link_local());
    !link_local && addr.port() != 0 && PeerAddr::from_socket(addr).is_ok_and(|a| a.class() == AddrClass::Private)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_can_be_a_neighbour_is_taken() {
        for (addr, near) in [
            ("192.168.1.7:4000", true),
            ("10.0.0.7:4000", true),
            ("[fd00::1]:4000", true),
            ("127.0.0.1:4000", false),
            ("8.8.8.8:4000", false),
            ("[2001:4860:4860::8888]:4000", false),
            ("[::1]:4000", false),
            ("[fe80::1]:4000", false),
            ("224.0.0.251:4000", false),
            ("0.0.0.0:4000", false),
            ("192.168.1.7:0", false),
        ] {
            assert_eq!(is_near(addr.parse().unwrap()), near, "{addr}");
        }
    }
}
