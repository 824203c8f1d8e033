//! Publishing through a gateway, in both roles.

use super::{Person, dht};
use anyhow::{Context, Result};
use megatorrent_tests::hostile::{self, Listener};
use megatorrent_tests::people::{self, text};
use megatorrent_tests::process::Watch;
use megatorrent_tests::v5::{self, Blob, Dht, Habits, Server, V5Error, author};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

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
    // Handed in again, by whomever, it is known, and costs its author nothing.
    for _ in 0..20 {
        assert_eq!(v5::publish(peer, &payload)?, "Published");
    }
    let newer = writer.sign_public(&author::collections(&[]), 1_700_000_000_001);
    assert_eq!(v5::publish(peer, &writer.publish_payload(&newer, 1_700_000_000_001))?, "Published");
    // A v5 client signs the JSON itself, which no DHT node takes: it is told so.
    let wrong = payload.replacen("\"sig\":\"", "\"sig\":\"00", 1).replacen("00\"}", "\"}", 1);
    assert!(matches!(v5::publish(peer, &wrong), Err(V5Error::Refused(_))));
    let forged = writer.publish_payload(&manifest.replace("a.txt", "b.txt"), 1_700_000_000_000);
    assert!(matches!(v5::publish(peer, &forged), Err(V5Error::Refused(_))));
    gateway.stop()
}

#[test]
fn a_gateway_relays_salted_items_beside_the_channels_list() -> Result<()> {
    let dht = dht()?;
    let gateway = Person::new("gateway", &dht.bootstrap(), &[])?;
    gateway.ask(&["set", "gateway", "on"])?;
    let peer: SocketAddr = gateway.node.address().parse()?;
    let writer = author::Author::new([14; 32]);
    let manifest = |n: u64| writer.sign_public(&author::collections(&[]), 1_700_000_000_000 + n);
    let salted = writer.publish_salted(&manifest(5), 1_700_000_000_005, b"drafts");
    assert_eq!(v5::publish(peer, &salted)?, "Published");
    // Another item: an older number of the list itself is no older number of this one, nor the other way round.
    assert_eq!(v5::publish(peer, &writer.publish_payload(&manifest(1), 1_700_000_000_001))?, "Published");
    let outside = Dht::join(&dht.bootstrap(), Ipv4Addr::LOCALHOST)?;
    let found = outside.look_up_salted(&writer.channel(), Some(b"drafts"))?.context("the salted item")?;
    assert_eq!(found, (1_700_000_000_005, manifest(5)));
    let found = outside.look_up(&writer.channel())?.context("the list")?;
    assert_eq!(found, (1_700_000_000_001, manifest(1)));
    // The signature covers the salt.
    let forged =
        salted.replace(&data_encoding::HEXLOWER.encode(b"drafts"), &data_encoding::HEXLOWER.encode(b"droughts"));
    assert!(matches!(v5::publish(peer, &forged), Err(V5Error::Refused(_))));
    gateway.stop()
}

#[test]
fn a_gateway_looks_in_the_dht_for_who_asks_for_peers() -> Result<()> {
    let dht = dht()?;
    let gateway = Person::new("gateway", &dht.bootstrap(), &[])?;
    let peer: SocketAddr = gateway.node.address().parse()?;
    let (blob, nobodys) = ("3c".repeat(32), "4d".repeat(32));
    Dht::join(&dht.bootstrap(), Ipv4Addr::LOCALHOST)?.announce(&blob, 17_003)?;
    assert!(v5::find_peers(peer, &blob)?.is_empty(), "nobody becomes a gateway unasked");
    gateway.ask(&["set", "gateway", "on"])?;
    // Within what a v5 client waits; a machine at its limits may need a second try, as that client makes one.
    let seeder = vec!["127.0.0.1:17003".to_owned()];
    let found =
        (0..5).map(|_| v5::find_peers(peer, &blob)).find(|found| found.as_ref().is_ok_and(|all| *all == seeder));
    assert!(found.is_some(), "{:?}", v5::find_peers(peer, &blob));
    assert!(v5::find_peers(peer, &nobodys)?.is_empty());
    gateway.stop()
}

/// What the person is told beside the result.
fn notice(heard: &mut Watch) -> Result<String> {
    heard.until("a notice", |event| {
        (event["event"] == "notice").then(|| event["data"]["message"].as_str().unwrap_or_default().to_owned())
    })
}

#[test]
fn a_gateway_that_says_ok_and_does_nothing_is_not_believed() -> Result<()> {
    let dht = dht()?;
    let (liar, other) = (Server::start(Habits::default())?, Server::start(Habits::default())?);
    let (liar, other) = (liar.address().to_string(), other.address().to_string());
    let alice = Person::new("alice", &[], &[])?;
    let folder = people::folder(&alice.home, "songs", &[("a", 4000)])?;
    let mut heard = alice.node.watch(&alice.home)?;
    // Its own word proves nothing; nor does that of two.
    let alone = people::publish(&alice.home, &folder, &["--gateway", &liar])?;
    assert_eq!((&alone["gateways"], &alone["shown_by"]), (&1.into(), &0.into()));
    let said = notice(&mut heard)?;
    assert!(said.contains("name another one"), "{said}");
    let two = people::publish(&alice.home, &folder, &["--gateway", &liar, "--gateway", &other])?;
    assert_eq!((&two["gateways"], &two["shown_by"]), (&2.into(), &0.into()));
    let said = notice(&mut heard)?;
    assert!(said.contains("no other one shows it"), "{said}");
    // An honest one among them: it is in the DHT, and seen there.
    let gateway = Person::new("gateway", &dht.bootstrap(), &[])?;
    gateway.ask(&["set", "gateway", "on"])?;
    let honest = ["--gateway", liar.as_str(), "--gateway", gateway.node.address()];
    let published = people::publish(&alice.home, &folder, &honest)?;
    assert_eq!((&published["gateways"], &published["shown_by"]), (&2.into(), &1.into()));
    drop(heard);
    alice.stop()?;
    gateway.stop()
}

/// A gateway that says "Published" and shows the first list it ever got, for ever; and how often it was asked for one.
fn backward_gateway() -> Result<(Listener, Arc<AtomicUsize>)> {
    type Kept = Option<(Vec<u8>, [u8; 64])>;
    let (first, asked) = (Arc::new(Mutex::new(Kept::None)), Arc::new(AtomicUsize::new(0)));
    let count = asked.clone();
    let read = |payload: &[u8]| -> Kept {
        let publish: serde_json::Value = serde_json::from_slice(payload).ok()?;
        let hex = |member: &str| data_encoding::HEXLOWER.decode(publish[member].as_str()?.as_bytes()).ok();
        Some((hex("v")?, hex("sig")?.try_into().ok()?))
    };
    let gateway = Listener::start(move |stream, _| {
        let Ok(mut wire) = v5::Wire::accept(stream) else { return };
        while let Ok(message) = wire.receive() {
            let mut first = first.lock().unwrap();
            let said = match message.kind {
                v5::HELLO => wire.send(v5::HELLO, br#"{"v":5,"gossip":{},"ext":["manifest","gateway"]}"#),
                v5::PUBLISH => {
                    *first = first.take().or_else(|| read(&message.payload));
                    wire.send(v5::OK, b"Published")
                }
                hostile::GET_MANIFEST => {
                    count.fetch_add(1, Ordering::SeqCst);
                    let id = u32::from_be_bytes(message.payload[..4].try_into().unwrap());
                    match &*first {
                        Some((json, signature)) => {
                            let json = std::str::from_utf8(json).unwrap();
                            wire.send(hostile::MANIFEST, &hostile::manifest(id, signature, json))
                        }
                        None => wire.send(hostile::NONE, &[&message.payload[..4], &[1]].concat()),
                    }
                }
                _ => Ok(()),
            };
            if said.is_err() {
                return;
            }
        }
    })?;
    Ok((gateway, asked))
}

#[test]
fn a_gateway_that_shows_an_older_list_proves_nothing_and_takes_nobody_back() -> Result<()> {
    let ((listener, asked), server) = (backward_gateway()?, Server::start(Habits::default())?);
    let (backward, plain) = (listener.address().to_string(), server.address().to_string());
    let alice = Person::new("alice", &[], &[])?;
    let folder = people::folder(&alice.home, "songs", &[("a", 4000)])?;
    let gateways = ["--gateway", backward.as_str(), "--gateway", plain.as_str()];
    let mut heard = alice.node.watch(&alice.home)?;
    let first = people::publish(&alice.home, &folder, &gateways)?;
    // The very list that was handed in is shown: that is what a witness is for.
    assert_eq!((&first["gateways"], &first["shown_by"]), (&2.into(), &1.into()));
    let second = people::publish(&alice.home, &folder, &gateways)?;
    assert_eq!((&second["gateways"], &second["shown_by"]), (&2.into(), &0.into()));
    let said = notice(&mut heard)?;
    assert!(said.contains("no other one shows it"), "{said}");
    drop(heard);

    // A follower who has the newer one keeps it, whatever the gateway shows.
    let link = text(&second, "link")?;
    let bob = super::home("bob", &[])?;
    let node = bob.daemon_with(["--peer", alice.node.address()])?;
    bob.ask(["subscribe", &link])?;
    let newest =
        |all: &serde_json::Value| (all[0]["sequence"] == second["sequence"] && all[0]["items"] == 2).then_some(());
    people::until(&bob, &["channels"], "the newer list", newest)?;
    node.stop(&bob)?;
    alice.stop()?;
    let before = asked.load(Ordering::SeqCst);
    let node = bob.daemon_with(["--peer", &backward])?;
    people::until(&bob, &["status"], "the gateway asked", |_| (asked.load(Ordering::SeqCst) > before).then_some(()))?;
    assert_eq!(bob.ask(["look", &link])?["channel"]["sequence"], second["sequence"]);
    // Nor when everything that came was dealt with.
    node.stop(&bob)?;
    assert_eq!(bob.ask(["channels"])?[0]["sequence"], second["sequence"]);
    Ok(())
}

/// Ten thousand, as fast as they are read: few are put, and others are served meanwhile. A connection that asks too much
/// is ended by the gateway; the flood comes back each time.
#[test]
fn a_flood_of_publishes_is_bounded() -> Result<()> {
    let dht = dht()?;
    let gateway = Person::new("gateway", &dht.bootstrap(), &[])?;
    gateway.ask(&["set", "gateway", "on"])?;
    let peer: SocketAddr = gateway.node.address().parse()?;
    let writer = author::Author::new([12; 32]);
    let flood = std::thread::spawn(move || {
        let (mut sent, mut taken) = (0_u64, 0_u64);
        while sent < 10_000 {
            let Ok(mut wire) = v5::Wire::dial(peer) else { continue };
            // What is refused counts as sent: it was read.
            while sent < 10_000 {
                sent += 1;
                let sequence = 1_700_000_000_000 + sent;
                let manifest = writer.sign_public(&author::collections(&[]), sequence);
                if wire.send(v5::PUBLISH, writer.publish_payload(&manifest, sequence).as_bytes()).is_err() {
                    break;
                }
            }
            while let Ok(message) = wire.receive() {
                taken += u64::from(message.kind == v5::OK);
            }
        }
        (sent, taken)
    });
    let other = author::Author::new([13; 32]);
    let manifest = other.sign_public(&author::collections(&[]), 1_700_000_000_000);
    assert_eq!(v5::publish(peer, &other.publish_payload(&manifest, 1_700_000_000_000))?, "Published");
    let (sent, taken) = flood.join().expect("the flood");
    assert!(sent == 10_000 && taken <= 8, "{taken} of {sent} were put");
    // And after it.
    let manifest = other.sign_public(&author::collections(&[]), 1_700_000_000_001);
    assert_eq!(v5::publish(peer, &other.publish_payload(&manifest, 1_700_000_000_001))?, "Published");
    gateway.stop()
}
