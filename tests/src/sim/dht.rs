//! A DHT as its users see it: slow, forgetful, and open to anybody.

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use protocol::{ChannelKey, InfoHash, SignedManifest};

use super::chance::Chance;

/// An announced address is forgotten after this.
const PEER_LIFE: Duration = Duration::from_secs(30 * 60);
/// An item is forgotten by its last node after this; its 20 nodes go one by one.
const ITEM_LIFE: Duration = Duration::from_secs(2 * 3600);
/// Nodes that take a put.
const NODES: f64 = 20.0;
/// Addresses in one answer.
const FOUND_MAX: usize = 100;

#[derive(Default)]
struct Crowd {
    peers: Vec<(SocketAddr, Duration)>,
    places: HashMap<SocketAddr, usize>,
}

impl Crowd {
    fn forget(&mut self, at: usize) {
        let (gone, _) = self.peers.swap_remove(at);
        self.places.remove(&gone);
        if let Some((moved, _)) = self.peers.get(at) {
            self.places.insert(*moved, at);
        }
    }
}

/// What all DHT nodes together know.
#[derive(Default)]
pub struct Dht {
    crowds: HashMap<InfoHash, Crowd>,
    items: BTreeMap<ChannelKey, Vec<(Arc<SignedManifest>, Duration)>>,
    /// Look-ups of peers so far.
    pub lookups: u64,
    /// Announces so far.
    pub announces: u64,
    /// Manifests asked for so far.
    pub gets: u64,
    /// Manifests put so far.
    pub puts: u64,
}

impl Dht {
    /// Somebody can be dialled there.
    pub fn announce(&mut self, now: Duration, infohash: InfoHash, addr: SocketAddr) {
        self.announces += 1;
        let crowd = self.crowds.entry(infohash).or_default();
        match crowd.places.get(&addr) {
            Some(at) => crowd.peers[*at].1 = now + PEER_LIFE,
            None => {
                crowd.places.insert(addr, crowd.peers.len());
                crowd.peers.push((addr, now + PEER_LIFE));
            }
        }
    }
    /// Some of those who announced themselves.
    pub fn peers(&mut self, now: Duration, infohash: InfoHash, chance: &mut Chance) -> Vec<SocketAddr> {
        self.lookups += 1;
        let Some(crowd) = self.crowds.get_mut(&infohash) else { return Vec::new() };
        let mut found = Vec::new();
        for _ in 0..FOUND_MAX.min(crowd.peers.len()) {
            if crowd.peers.is_empty() {
                break;
            }
            let at = chance.below(crowd.peers.len());
            let (addr, until) = crowd.peers[at];
            if until <= now {
                crowd.forget(at);
            } else if !found.contains(&addr) {
                found.push(addr);
            }
        }
        found
    }
    /// A manifest is put on some 20 nodes. Of two with one sequence, some keep this and some that.
    pub fn put(&mut self, now: Duration, manifest: Arc<SignedManifest>) {
        self.puts += 1;
        let items = self.items.entry(*manifest.key()).or_default();
        items.retain(|(old, _)| old.sequence() >= manifest.sequence() && old.json() != manifest.json());
        if items.iter().all(|(old, _)| old.sequence() == manifest.sequence()) {
            items.push((manifest, now));
        }
    }
    /// The newest, and how many nodes had it.
    pub fn get(&mut self, now: Duration, key: &ChannelKey, chance: &mut Chance) -> Option<(Arc<SignedManifest>, u32)> {
        self.gets += 1;
        let items = self.items.get_mut(key)?;
        items.retain(|(_, put)| *put + ITEM_LIFE > now);
        if items.is_empty() {
            return None;
        }
        let (manifest, put) = &items[chance.below(items.len())];
        let age = now.saturating_sub(*put).as_secs_f64() / ITEM_LIFE.as_secs_f64();
        let nodes = (NODES * (1.0 - age)).ceil().max(1.0) as u32;
        Some((manifest.clone(), nodes))
    }
}
