//! Manifests that are forged, old, doubled, absurd, or promised and never shown.

use super::Scene;
use megatorrent_tests::hostile::{self, GET_MANIFEST, MANIFEST, NONE};
use megatorrent_tests::v5::author::{Author, collections};
use megatorrent_tests::v5::{self, HELLO};

const NOW: u64 = 1_700_000_000_000;

/// A manifest with anything between the key and the signature.
fn with(author: &Author, members: &str) -> String {
    author.sign(&format!("{{\"publicKey\":\"{}\",{members}}}", author.channel()))
}

#[test]
fn only_a_rightly_signed_newer_manifest_is_taken() {
    let scene = Scene::new("forged", 31, &[]);
    let mut watch = scene.watch();
    let (author, stranger) = (&scene.author, Author::new([32; 32]));
    let list = collections(&[("kept.txt", &[])]);
    scene.publish(&mut watch, &list, NOW);

    let newer = author.sign_public(&list, NOW + 1);
    let item = |json: &str, seq: u64| author.sign_item(json, seq);
    let body = |members: &str| with(author, members);
    let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    let long = body(&format!("\"sequence\":{},\"collections\":[],\"x\":\"{}\"", NOW + 1, "y".repeat(900)));
    let key = author.channel();
    let cases: Vec<(&str, String, u64)> = vec![
        ("own signature", newer.replace("kept.txt", "evil.txt"), NOW + 1),
        ("older", author.sign_public(&list, NOW - 1), NOW - 1),
        ("sequence 2^53", author.sign_public(&list, 1 << 53), 1 << 53),
        ("sequence 10^300", body("\"sequence\":1e300,\"collections\":[]"), NOW + 1),
        ("sequence beyond a double", body("\"sequence\":1e999,\"collections\":[]"), NOW + 1),
        ("sequence below 0", body("\"sequence\":-1,\"collections\":[]"), NOW + 1),
        ("sequence with a fraction", body(&format!("\"sequence\":{}.5,\"collections\":[]", NOW + 1)), NOW + 1),
        ("no sequence", body("\"collections\":[]"), NOW + 1),
        (
            "a number that is not finite",
            body(&format!("\"sequence\":{},\"collections\":[],\"x\":1e999", NOW + 1)),
            NOW + 1,
        ),
        ("a member twice", body(&format!("\"sequence\":1,\"sequence\":{},\"collections\":[]", NOW + 1)), NOW + 1),
        ("a key twice", body(&format!("\"publicKey\":\"{key}\",\"sequence\":{},\"collections\":[]", NOW + 1)), NOW + 1),
        (
            "a member twice, deep",
            body(&format!("\"sequence\":{},\"collections\":[],\"x\":[{{\"a\":1,\"\\u0061\":2}}]", NOW + 1)),
            NOW + 1,
        ),
        (
            "nested too deep",
            body(&format!("\"sequence\":{},\"collections\":[],\"x\":{}", NOW + 1, nested(200))),
            NOW + 1,
        ),
        ("997 bytes and more", long, NOW + 1),
        (
            "another's list under our key",
            with(&stranger, &format!("\"sequence\":{},\"collections\":[]", NOW + 1)),
            NOW + 1,
        ),
        ("not JSON", "x".repeat(500), NOW + 1),
        ("another seq than sequence", author.sign_public(&list, NOW + 1), NOW + 2),
    ];
    for (what, json, seq) in &cases {
        let mut wire = hostile::dial(scene.node, author, 0).unwrap();
        // The node may have ended the connection before all of it was sent: that is an answer too.
        let _ = wire.send(MANIFEST, &hostile::manifest(0, &item(json, *seq), json));
        hostile::dealt_with(&mut wire).unwrap();
        assert_eq!(scene.sequence(), NOW, "{what}");
    }
    // A right manifest under a wrong DHT signature, and under a stranger's.
    for bep44 in [[0; 64], item(&newer, NOW), stranger.sign_item(&newer, NOW + 1)] {
        let mut wire = hostile::dial(scene.node, author, 0).unwrap();
        wire.send(MANIFEST, &hostile::manifest(0, &bep44, &newer)).unwrap();
        assert!(!hostile::dealt_with(&mut wire).unwrap(), "a forger is not listened to any longer");
        assert_eq!(scene.sequence(), NOW);
    }
    // A megabyte of nesting where a manifest may have 996 bytes.
    let mut wire = hostile::dial(scene.node, author, 0).unwrap();
    let _ = wire.send(MANIFEST, &hostile::manifest(0, &[1; 64], &"[".repeat(1 << 20)));
    assert!(!hostile::dealt_with(&mut wire).unwrap());
    let items = scene.home.ask(["items", &author.channel()]).unwrap();
    assert_eq!(items[0]["name"], "kept.txt", "nothing was lost");
    scene.publish(&mut watch, &list, NOW + 1);
    scene.end();
}

#[test]
fn of_two_manifests_of_one_sequence_one_wins_and_it_shows() {
    use sha2::Digest as _;
    let scene = Scene::new("twice", 33, &[]);
    let mut watch = scene.watch();
    let mut pair: Vec<String> =
        ["one.txt", "two.txt"].map(|name| scene.author.sign_public(&collections(&[(name, &[])]), NOW)).into();
    pair.sort_by_key(|json| <[u8; 32]>::from(sha2::Sha256::digest(json)));
    let [lesser, greater] = &pair[..] else { panic!() };
    let (author, name) = (&scene.author, |json: &str| if json.contains("one.txt") { "one.txt" } else { "two.txt" });
    let first = |scene: &Scene| scene.home.ask(["items", &author.channel()]).unwrap()[0]["name"].clone();

    scene.push(lesser, NOW);
    watch.until("the lesser", |event| scene.is_channel(event, NOW).then_some(())).unwrap();
    assert_eq!(scene.channel()["signed_twice"], false);
    scene.push(greater, NOW);
    let twice = |event: &serde_json::Value| (event["data"]["signed_twice"] == true).then_some(());
    watch.until("the sign that it was signed twice", twice).unwrap();
    // The lesser of the two comes again and changes nothing.
    scene.push(lesser, NOW);
    let deadline = std::time::Instant::now() + megatorrent_tests::process::PATIENCE;
    while first(&scene) != name(greater) {
        assert!(std::time::Instant::now() < deadline, "the greater hash did not win");
    }
    scene.push(lesser, NOW);
    assert_eq!((first(&scene), scene.sequence()), (name(greater).into(), NOW));
    scene.end();
}

#[test]
fn a_sequence_that_nobody_can_show_is_a_hint_and_no_more() {
    let scene = Scene::new("gossip", 34, &[]);
    let mut watch = scene.watch();
    let list = collections(&[("a.txt", &[])]);
    let channels: Vec<Author> = (40..43).map(|seed| Author::new([seed; 32])).collect();
    for author in &channels {
        scene.home.ask(["subscribe", &author.link()]).unwrap();
    }
    // One connection promises three channels' news and has none.
    let mut wire = v5::Wire::dial(scene.node).unwrap();
    let gossip: Vec<String> = channels.iter().map(|a| format!("\"{}\":{}", a.channel(), (1_u64 << 53) - 1)).collect();
    let hello = format!("{{\"v\":5,\"gossip\":{{{}}},\"ext\":[\"manifest\"]}}", gossip.join(","));
    wire.send(HELLO, hello.as_bytes()).unwrap();
    let mut asked = std::collections::BTreeMap::new();
    loop {
        match wire.receive() {
            Ok(message) if message.kind == GET_MANIFEST => {
                let channel = message.payload[4..36].to_vec();
                *asked.entry(channel).or_insert(0) += 1;
                // The third answer may meet a closed connection.
                let _ = wire.send(NONE, &[&message.payload[..4], &[0]].concat());
            }
            Ok(_) => {}
            Err(v5::V5Error::Io(_)) => break,
            Err(error) => panic!("after three broken promises the connection should be over: {error}"),
        }
    }
    assert_eq!((asked.len(), asked.values().sum::<i32>()), (3, 3), "one question each");
    // No floor was raised: a manifest with an honest sequence is taken.
    scene.publish(&mut watch, &list, NOW);
    for author in &channels {
        assert!(hostile::push(scene.node, author, &author.sign_public(&list, NOW), NOW).unwrap());
        let key = author.channel();
        let taken =
            |e: &serde_json::Value| (e["data"]["key"] == key.as_str() && e["data"]["sequence"] == NOW).then_some(());
        watch.until("the list", taken).unwrap();
    }
    scene.end();
}

#[test]
fn hello_peers_announce_and_publish_of_nonsense_end_at_most_their_connection() {
    let scene = Scene::new("nonsense", 35, &[]);
    let deep = "[".repeat(100_000);
    let twice = format!("{{\"v\":5,\"gossip\":{{\"{k}\":1,\"{k}\":2}}}}", k = scene.author.channel());
    let many: Vec<String> = (0..1500).map(|n| format!("\"{n:064x}\":1")).collect();
    let many = format!("{{\"v\":5,\"gossip\":{{{}}}}}", many.join(","));
    for (kind, payload) in [
        (HELLO, deep.as_str()),
        (HELLO, &twice),
        (HELLO, &many),
        (HELLO, "{\"v\":4}"),
        (HELLO, "{\"v\":1e999}"),
        (HELLO, "\u{0}"),
        (v5::PEERS, &deep),
        (v5::PEERS, "[\"1.2.3.4:0\",\"::1\",5]"),
        (v5::ANNOUNCE, "{\"blobId\":\"x\",\"peerAddress\":\"127.0.0.1:99999\"}"),
        (v5::PUBLISH, &deep[..1000]),
        (v5::PUBLISH, "{\"k\":1}"),
        (v5::REQUEST, "../../etc/passwd"),
        (v5::REQUEST, ""),
        (v5::REQUEST, &"A".repeat(64)),
        (v5::FIND_PEERS, ""),
        (0x00, ""),
        (0x7f, "what is this"),
        (GET_MANIFEST, "short"),
        (0x12, "\u{0}\u{0}\u{0}\u{1}"),
        (0x16, "x"),
    ] {
        let mut wire = v5::Wire::dial(scene.node).unwrap();
        let _ = wire.send(kind, payload.as_bytes());
        hostile::dealt_with(&mut wire).unwrap_or_else(|error| panic!("{kind:#04x} {payload:.40}: {error}"));
    }
    assert_eq!(scene.channel()["sequence"], 0);
    scene.end();
}
