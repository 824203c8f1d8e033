//! Publishing through a gateway, in both roles.

use super::{Person, dht};
use anyhow::{Context, Result};
use megatorrent_tests::people::{self, text};
use megatorrent_tests::v5::{self, Blob, Dht, Habits, Server, V5Error, author};
use std::net::{Ipv4Addr, SocketAddr};

#[test]
fn an_author_without_dht_publishes_through_a_gateway() -> Result<()> {
    let dht = dht()?;
    let gateway = Person::new("gateway", &dht.bootstrap(), &[])?;
    gateway.ask(&["set", "gateway", "on"])?;
    let alice = Person::new("alice", &[], &[])?;
    let folder = people::folder(&alice.home, "songs", &[("a", 4000)])?;
    let published = people::publish(&alice.home, &folder, &["--gateway", gateway.node.address()])?;
    assert_eq!((&published["gateways"], &published["dht_nodes"]), (&1.into(), &0.into()));
    let key = text(&published, "link")?.trim_start_matches("megatorrent://").to_owned();
    let (sequence, _) = Dht::join(&dht.bootstrap(), Ipv4Addr::LOCALHOST)?.look_up(&key)?.context("it is in the DHT")?;
    assert_eq!(published["sequence"], sequence);
    // Later changes go the same way.
    let edited = alice.ask(&["edit", "Tidewater", "--name", "High water"])?;
    assert_eq!(edited["gateways"], 1);
    alice.stop()?;
    gateway.stop()
}

#[test]
fn a_v5_gateway_gets_what_dht_nodes_take() -> Result<()> {
    let server = Server::start(Habits::default())?;
    let alice = Person::new("alice", &[], &[])?;
    let file = people::folder(&alice.home, "one", &[("a.txt", 400)])?.join("a.txt");
    let published = people::publish(&alice.home, &file, &["--gateway", &server.address().to_string()])?;
    assert_eq!(published["gateways"], 1);
    let payload: serde_json::Value = serde_json::from_str(server.publications().first().context("a PUBLISH")?)?;
    let key = text(&published, "link")?.trim_start_matches("megatorrent://").to_owned();
    assert_eq!((text(&payload, "k")?, &payload["seq"]), (key.clone(), &published["sequence"]));
    let value = data_encoding::HEXLOWER.decode(text(&payload, "v")?.as_bytes())?;
    let manifest = String::from_utf8(value)?;
    author::read(&manifest, &key, None)?;
    let message = author::item_bytes(&manifest, payload["seq"].as_u64().context("seq")?);
    let key: [u8; 32] = data_encoding::HEXLOWER.decode(key.as_bytes())?.try_into().unwrap();
    let signature: [u8; 64] = data_encoding::HEXLOWER.decode(text(&payload, "sig")?.as_bytes())?.try_into().unwrap();
    ed25519_dalek::VerifyingKey::from_bytes(&key)?.verify_strict(&message, &signature.into())?;
    assert_eq!(server.death(), None);
    alice.stop()
}

#[test]
fn we_are_a_gateway_for_v5_authors() -> Result<()> {
    let dht = dht()?;
    let gateway = Person::new("gateway", &dht.bootstrap(), &[])?;
    let peer: SocketAddr = gateway.node.address().parse()?;
    let writer = author::Author::new([11; 32]);
    let blob = Blob::seal(b"words")?;
    let manifest = writer.sign_public(&author::collections(&[("a.txt", &[blob])]), 1_700_000_000_000);
    let payload = writer.publish_payload(&manifest, 1_700_000_000_000);
    // Nobody becomes a gateway unasked.
    assert!(matches!(v5::publish(peer, &payload), Err(V5Error::Refused(_))));
    gateway.ask(&["set", "gateway", "on"])?;
    assert_eq!(v5::publish(peer, &payload)?, "Published");
    let outside = Dht::join(&dht.bootstrap(), Ipv4Addr::LOCALHOST)?;
    assert_eq!(outside.look_up(&writer.channel())?.context("it is in the DHT")?.1, manifest);
    // A v5 client signs the JSON itself, which no DHT node takes: it is told so.
    let wrong = payload.replacen("\"sig\":\"", "\"sig\":\"00", 1).replacen("00\"}", "\"}", 1);
    assert!(matches!(v5::publish(peer, &wrong), Err(V5Error::Refused(_))));
    let forged = writer.publish_payload(&manifest.replace("a.txt", "b.txt"), 1_700_000_000_000);
    assert!(matches!(v5::publish(peer, &forged), Err(V5Error::Refused(_))));
    gateway.stop()
}
