//! The adapter against a network of `mainline` nodes; `tests/` has it against foreign ones.

use super::*;
use protocol::Identity;

fn config(net: &LocalDht) -> DhtConfig {
    DhtConfig { bootstrap: net.bootstrap(), cache: Vec::new(), port: 0, loopback: true, rate: 40.0 }
}

async fn network() -> LocalDht {
    tokio::task::spawn_blocking(|| LocalDht::start(12)).await.unwrap().unwrap()
}

/// A signed value with its signature, made here byte by byte.
fn sign(identity: &Identity, sequence: u64, value: &[u8], salt: &[u8]) -> [u8; 64] {
    let mut signed = Vec::new();
    if !salt.is_empty() {
        signed.extend_from_slice(format!("4:salt{}:", salt.len()).as_bytes());
        signed.extend_from_slice(salt);
    }
    signed.extend_from_slice(format!("3:seqi{sequence}e1:v{}:", value.len()).as_bytes());
    signed.extend_from_slice(value);
    identity.sign(&signed)
}

async fn put(dht: &Dht, identity: &Identity, sequence: u64, value: &[u8], salt: &[u8]) -> Result<u32, DhtError> {
    let signature = sign(identity, sequence, value, salt);
    let key = identity.channel();
    dht.put_item(&SignedItem { key: &key, sequence, value, signature: &signature, salt }).await
}

#[tokio::test]
async fn announced_peers_are_found_by_another_node() {
    let net = network().await;
    let (a, b) = (
        Dht::start(Clear::in_test(), config(&net)).await.unwrap(),
        Dht::start(Clear::in_test(), config(&net)).await.unwrap(),
    );
    let infohash = InfoHash([9; 20]);
    assert_eq!(b.get_peers(infohash, 50).await.unwrap(), [], "nobody has announced");
    let (first, second) = tokio::join!(a.announce(infohash, 4001), a.announce(infohash, 4001));
    first.unwrap();
    second.unwrap();
    assert_eq!(b.get_peers(infohash, 50).await.unwrap(), ["127.0.0.1:4001".parse().unwrap()]);
    assert!(b.status().reachable);
    assert!(!b.nodes().await.is_empty() && b.status().nodes > 0);
    let addr = a.addr().unwrap();
    a.stop().await;
    std::net::UdpSocket::bind(addr).unwrap();
    assert!(matches!(a.announce(infohash, 1).await, Err(DhtError::Stopped)));
}

#[tokio::test]
async fn a_look_up_beside_an_announce_waits_its_turn() {
    let net = network().await;
    let (a, b) = (
        Dht::start(Clear::in_test(), config(&net)).await.unwrap(),
        Dht::start(Clear::in_test(), config(&net)).await.unwrap(),
    );
    let infohash = InfoHash([11; 20]);
    b.announce(infohash, 4002).await.unwrap();
    let (announced, found) = tokio::join!(a.announce(infohash, 4003), a.get_peers(infohash, 50));
    announced.unwrap();
    assert!(found.unwrap().contains(&"127.0.0.1:4002".parse().unwrap()));
}

#[tokio::test]
async fn what_nodes_would_refuse_is_never_sent() {
    let net = network().await;
    let dht = Dht::start(Clear::in_test(), config(&net)).await.unwrap();
    let identity = Identity::from_seed(&[3; 32]);
    assert!(matches!(put(&dht, &identity, 1, &[b'a'; 997], b"").await, Err(DhtError::TooLarge(997))));
    let signature = sign(&identity, 1, b"one", b"");
    let key = identity.channel();
    let altered = SignedItem { key: &key, sequence: 2, value: b"one", signature: &signature, salt: b"" };
    assert!(matches!(dht.put_item(&altered).await, Err(DhtError::BadSignature)));
    let salted = SignedItem { sequence: 1, salt: b"s", ..altered };
    assert!(matches!(dht.put_item(&salted).await, Err(DhtError::BadSignature)));
}

#[tokio::test]
async fn a_newer_item_or_another_of_the_same_sequence_stands() {
    let net = network().await;
    let (a, b) = (
        Dht::start(Clear::in_test(), config(&net)).await.unwrap(),
        Dht::start(Clear::in_test(), config(&net)).await.unwrap(),
    );
    let identity = Identity::from_seed(&[5; 32]);
    for salt in [&b""[..], b"salt"] {
        assert!(put(&a, &identity, 7, &[b'a'; 996], salt).await.unwrap() > 0);
        assert!(put(&b, &identity, 7, &[b'a'; 996], salt).await.unwrap() > 0, "the same again keeps it alive");
        assert!(matches!(put(&b, &identity, 7, b"other", salt).await, Err(DhtError::Outdated)));
        assert!(matches!(put(&b, &identity, 6, b"older", salt).await, Err(DhtError::Outdated)));
        assert!(put(&b, &identity, 8, b"newer", salt).await.unwrap() > 0);
    }
}

#[tokio::test]
async fn with_nobody_there_it_says_so() {
    let alone = DhtConfig { bootstrap: Vec::new(), cache: Vec::new(), port: 0, loopback: true, rate: 40.0 };
    let dht = Dht::start(Clear::in_test(), alone).await.unwrap();
    assert!(matches!(dht.get_peers(InfoHash([1; 20]), 5).await, Err(DhtError::TimedOut)));
    assert!(matches!(dht.announce(InfoHash([1; 20]), 5).await, Err(DhtError::TimedOut)));
    assert!(!dht.status().reachable);
    let taken = DhtConfig { port: dht.addr().unwrap().port(), ..config(&network().await) };
    assert!(matches!(Dht::start(Clear::in_test(), taken).await, Err(DhtError::Socket(io::ErrorKind::AddrInUse))));
}

fn manifest(identity: &Identity, sequence: u64) -> SignedManifest {
    let body = protocol::Body { timestamp: sequence, ..protocol::Body::default() };
    SignedManifest::sign_inline(identity, sequence, &body).unwrap()
}

#[tokio::test]
async fn the_newest_valid_manifest_is_found() {
    let net = network().await;
    let (a, b) = (
        Dht::start(Clear::in_test(), config(&net)).await.unwrap(),
        Dht::start(Clear::in_test(), config(&net)).await.unwrap(),
    );
    let identity = Identity::from_seed(&[6; 32]);
    let key = identity.channel();
    assert!(b.get_manifest(&key, 0).await.unwrap().is_none());
    for sequence in [5, 9] {
        let manifest = manifest(&identity, sequence);
        assert!(a.put_manifest(&manifest, None).await.unwrap() > 0);
        let found = b.get_manifest(&key, 0).await.unwrap().unwrap();
        assert!(found.manifest == manifest && found.nodes > 0);
    }
    assert!(b.get_manifest(&key, 10).await.unwrap().is_none(), "below the floor is nothing");
    // A higher item that is no manifest hides nothing but itself: a look-up finds it empty-handed, without an error.
    assert!(put(&a, &identity, 12, b"no manifest", b"").await.unwrap() > 0);
    assert!(b.get_manifest(&key, 0).await.unwrap().is_none_or(|found| found.manifest.sequence() == 9));
}

#[test]
fn the_better_of_two_manifests_is_kept_and_counted() {
    let identity = Identity::from_seed(&[8; 32]);
    let key = identity.channel();
    let item = |manifest: &SignedManifest, signature: &[u8; 64]| {
        let sequence = manifest.sequence() as i64;
        MutableItem::new_signed_unchecked(key.0, *signature, manifest.json(), sequence, None)
    };
    let (old, new) = (manifest(&identity, 1), manifest(&identity, 2));
    let mut best = None;
    for told in [&old, &new, &old, &new, &new] {
        weigh(&key, 0, &item(told, told.bep44()), &mut best);
    }
    let found = best.take().unwrap();
    assert!(found.manifest == new && found.nodes == 3);
    weigh(&key, 0, &item(&new, old.bep44()), &mut best);
    assert!(best.is_none(), "a signature that is not this item's");
    weigh(&key, 3, &item(&new, new.bep44()), &mut best);
    assert!(best.is_none(), "below the floor");
}
