//! §1 Control plane on nodes of other makers: what our DHT adapter writes, they store and give back.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]

use megatorrent_tests::foreign_dht::{ForeignDht, Maker};
use net::dht::{Dht, DhtConfig, DhtError, SignedItem};
use net::gate::Gate;
use net::route::Route;
use protocol::body::Collection;
use protocol::manifest::bep44_message;
use protocol::params::MANIFEST_MAX;
use protocol::{Body, Identity, InfoHash, SignedManifest};
use std::net::SocketAddr;

/// Enough that a value's nearest nodes are not all of them, few enough to start in seconds.
const NODES: usize = 10;

async fn foreign(maker: Maker) -> ForeignDht {
    tokio::task::spawn_blocking(move || ForeignDht::start(maker, NODES)).await.unwrap().unwrap()
}

async fn join(foreign: &ForeignDht) -> Dht {
    let bootstrap = foreign.bootstrap().into_iter().take(3).collect();
    let clear = Gate::open(Route::Direct { listen: None }).await.unwrap().clear().unwrap();
    Dht::start(clear, DhtConfig { bootstrap, cache: Vec::new(), port: 0, loopback: true, rate: 40.0 }).await.unwrap()
}

/// A public manifest of which the collection's title has this many bytes.
fn manifest(identity: &Identity, sequence: u64, title: usize) -> SignedManifest {
    let collection = Collection { title: "t".repeat(title), ..Collection::default() };
    let body = Body { collections: vec![collection], timestamp: sequence, ..Body::default() };
    SignedManifest::sign_inline(identity, sequence, &body).unwrap()
}

fn largest(identity: &Identity, sequence: u64) -> SignedManifest {
    let bare = manifest(identity, sequence, 1);
    let whole = manifest(identity, sequence, 1 + MANIFEST_MAX - bare.json().len());
    assert_eq!(whole.json().len(), 996);
    whole
}

/// One node publishes, another, which has seen nothing of it, reads: both know only the foreign nodes.
async fn manifests(foreign: &ForeignDht) {
    let (writer, reader) = (join(foreign).await, join(foreign).await);
    let identity = Identity::from_seed(&[0xA1; 32]);
    let key = identity.channel();
    assert!(reader.get_manifest(&key, 0).await.unwrap().is_none(), "nothing is there yet");

    let small = manifest(&identity, 1_795_350_169_625, 7);
    let nodes = writer.put_manifest(&small, None).await.unwrap();
    assert!(nodes > 0);
    let found = reader.get_manifest(&key, 0).await.unwrap().unwrap();
    assert_eq!((found.manifest.json(), found.manifest.bep44()), (small.json(), small.bep44()));
    assert!(found.nodes > 0 && found.nodes <= nodes, "{} of {nodes}", found.nodes);

    let large = largest(&identity, 1_795_350_169_626);
    assert!(writer.put_manifest(&large, Some(b"")).await.unwrap() > 0, "an empty salt is none");
    let found = reader.get_manifest(&key, small.sequence()).await.unwrap().unwrap();
    assert_eq!(found.manifest.json(), large.json(), "the highest of two sequences");
    assert!(reader.get_manifest(&key, large.sequence() + 1).await.unwrap().is_none(), "never below the floor");

    assert!(matches!(reader.put_manifest(&small, None).await, Err(DhtError::Outdated)), "no way back");
    // A follower keeps it alive without the author's key.
    assert!(reader.put_manifest(&large, None).await.unwrap() > 0);
    writer.stop().await;
    reader.stop().await;
}

async fn peers(foreign: &ForeignDht) {
    let (announcer, seeker) = (join(foreign).await, join(foreign).await);
    let infohash = InfoHash(*b"a foreign info hash!");
    assert!(seeker.get_peers(infohash, 100).await.unwrap().is_empty(), "nobody has announced");
    announcer.announce(infohash, 47_001).await.unwrap();
    seeker.announce(infohash, 47_002).await.unwrap();
    let found = seeker.get_peers(infohash, 100).await.unwrap();
    // An announce says the TCP port itself: the UDP port, which nodes see, is another.
    let expected: SocketAddr = "127.0.0.1:47001".parse().unwrap();
    assert!(found.contains(&expected), "{found:?}");
    announcer.stop().await;
    seeker.stop().await;
}

/// Real nodes refuse it without a word that tells why: so it never leaves.
async fn a_byte_too_many(foreign: &ForeignDht) {
    let dht = join(foreign).await;
    let identity = Identity::from_seed(&[0xA2; 32]);
    let (key, value) = (identity.channel(), [b'a'; 997]);
    let signature = identity.sign(&bep44_message(1, &value, &[]));
    let item = SignedItem { key: &key, sequence: 1, value: &value, signature: &signature, salt: &[] };
    assert!(matches!(dht.put_item(&item).await, Err(DhtError::TooLarge(997))));
    // One byte less is taken, and with a salt it is another item.
    for salt in [&b""[..], b"salt"] {
        let signature = identity.sign(&bep44_message(1, &value[1..], salt));
        let item = SignedItem { key: &key, sequence: 1, value: &value[1..], signature: &signature, salt };
        assert!(dht.put_item(&item).await.unwrap() > 0);
    }
    dht.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bittorrent_dht_stores_what_we_write() {
    let foreign = foreign(Maker::BittorrentDht).await;
    manifests(&foreign).await;
    peers(&foreign).await;
    a_byte_too_many(&foreign).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn libtorrent_stores_what_we_write() {
    let foreign = foreign(Maker::Libtorrent).await;
    manifests(&foreign).await;
    peers(&foreign).await;
    a_byte_too_many(&foreign).await;
}
