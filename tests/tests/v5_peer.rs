//! The v5 peer of these tests against known answers of a real v5 client, and against itself.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on says so by panicking")]

use data_encoding::HEXLOWER;
use megatorrent_tests::v5::{self, Blob, Death, Gossip, Habits, Keys, Opener, Sealer, Server, V5Error, Wire, author};
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::Duration;
use x25519_dalek::{PublicKey, StaticSecret};

const SOON: Duration = Duration::from_secs(10);

fn vectors() -> Value {
    serde_json::from_str(include_str!("../vectors/v5-vectors.json")).unwrap()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

fn hex<const N: usize>(value: &Value) -> [u8; N] {
    HEXLOWER.decode(text(value).as_bytes()).unwrap().try_into().unwrap()
}

#[test]
fn handshake_gives_the_known_keys() {
    let known = &vectors()["handshake"];
    let secret = |side: &str| StaticSecret::from(hex::<32>(&known["inputs"][format!("{side}_ephemeral_secret")]));
    let (client, server) = (secret("client"), secret("server"));
    assert_eq!(PublicKey::from(&client).as_bytes(), &hex(&known["client_ephemeral_public"]));
    let keys = Keys::agree(&client, hex(&known["server_ephemeral_public"])).unwrap();
    assert_eq!((keys.client, keys.server), (hex(&known["key_C"]), hex(&known["key_S"])));
    assert!(keys == Keys::agree(&server, hex(&known["client_ephemeral_public"])).unwrap());
    assert!(matches!(Keys::agree(&client, [0; 32]), Err(V5Error::ZeroKey)));
}

#[test]
fn recorded_sessions_are_made_and_read_byte_for_byte() {
    let vectors = vectors();
    let keys = [&vectors["handshake"]["key_C"], &vectors["handshake"]["key_S"]].map(hex::<32>);
    let mut frames = 0;
    for session in ["session_download", "session_find_peers"] {
        for (direction, key) in ["client_to_server", "server_to_client"].into_iter().zip(&keys) {
            let stream = &vectors[session][direction];
            let (mut sealer, mut opener) = (Sealer::new(key), Opener::new(key));
            let mut whole = HEXLOWER.decode(text(&stream["first32"]).as_bytes()).unwrap();
            for frame in stream["frames"].as_array().unwrap() {
                let plain = HEXLOWER.decode(text(&frame["plaintext"]).as_bytes()).unwrap();
                let sealed = sealer.seal(plain[0], &plain[1..]).unwrap();
                assert_eq!(HEXLOWER.encode(&sealed), text(&frame["frame"]));
                let message = opener.open(&sealed[4..]).unwrap();
                assert_eq!((message.kind, message.payload.as_slice()), (plain[0], &plain[1..]));
                whole.extend(sealed);
                frames += 1;
            }
            assert_eq!(HEXLOWER.encode(&whole), text(&stream["whole_stream"]), "{session} {direction}");
        }
    }
    assert!(frames >= 7);
}

#[test]
fn both_shapes_of_hello_are_what_v5_writes_and_reads() {
    let list = [("ab".to_owned(), 7), ("cd".to_owned(), 8)];
    assert_eq!(Gossip::Direct(&list).payload(), br#"{"v":5,"gossip":{"ab":7,"cd":8}}"#);
    assert_eq!(Gossip::Nested(&list).payload(), br#"{"v":5,"gossip":{"sequences":{"ab":7,"cd":8}}}"#);
    assert_eq!(Gossip::Nothing.payload(), b"{}");
}

#[test]
fn a_blob_is_sealed_as_v5_seals_it() {
    let known = &vectors()["chunk"];
    let content = text(&known["inputs"]["text"]).as_bytes();
    let mut plain = content.to_vec();
    plain.extend((0..v5::CHUNK_LEN - content.len()).map(|i| u8::try_from((7 * i + 3) % 256).unwrap()));
    let (key, nonce) = (hex(&known["inputs"]["key"]), hex(&known["inputs"]["nonce"]));
    let mut blob = Blob::seal_plain(&plain, key, nonce).unwrap();
    assert_eq!((blob.id.as_str(), blob.sealed.len()), (text(&known["blob_sha256"]), v5::BLOB_LEN));
    blob.real_size = content.len();
    assert!(text(&known["file_entry_text"]).contains(&blob.entry()));
    assert_eq!(Blob::open(&blob.sealed, key, nonce, content.len()).unwrap(), content);
    assert!(Blob::open(&blob.sealed, [0; 32], nonce, content.len()).is_err());
}

#[test]
fn a_public_manifest_is_signed_and_read_as_v5_does() {
    let vectors = vectors();
    let known = &vectors["manifest_public"];
    let writer = author::Author::new(hex(&known["inputs"]["ed25519_seed"]));
    let sequence = known["inputs"]["sequence"].as_u64().unwrap();
    let manifest = writer.sign_public(text(&known["inputs"]["collections_text"]), sequence);
    assert_eq!(manifest, text(&known["bep44"]["v_text"]));
    assert_eq!(
        author::item_bytes(&manifest, sequence),
        HEXLOWER.decode(text(&known["bep44"]["signed_message"]).as_bytes()).unwrap()
    );
    assert_eq!(writer.sign_item(&manifest, sequence), hex(&known["bep44"]["sig"]));
    assert_eq!(
        writer.publish_payload(&manifest, sequence),
        text(&vectors["gateway_publish"]["payload_that_works_text"])
    );
    let files = author::read(&manifest, &writer.channel(), None).unwrap();
    assert_eq!((files.len(), files[0].name.as_str(), files[0].chunks[0].real_size), (1, "hello é.txt", 13));
    let forged = manifest.replace("\"realSize\":13", "\"realSize\":14");
    assert!(matches!(author::read(&forged, &writer.channel(), None), Err(author::ReadError::Signature)));
}

#[test]
fn a_private_manifest_is_sealed_and_read_as_v5_does() {
    let vectors = vectors();
    let known = &vectors["manifest_private"];
    let writer = author::Author::new(hex(&known["inputs"]["ed25519_seed"]));
    let read_key = hex(&known["inputs"]["read_key"]);
    let nonce = hex(&known["inputs"]["secretbox_nonce"]);
    let sequence = known["inputs"]["sequence"].as_u64().unwrap();
    let manifest = writer.sign_private(text(&known["inputs"]["collections_text"]), sequence, &read_key, nonce).unwrap();
    assert_eq!(manifest, text(&known["manifest_text"]));
    assert_eq!(author::read(&manifest, &writer.channel(), Some(&read_key)).unwrap()[0].name, "hello é.txt");
    for wrong in [None, Some(&[9; 32])] {
        assert!(matches!(author::read(&manifest, &writer.channel(), wrong), Err(author::ReadError::ReadKey)));
    }
    let small = &vectors["manifest_private_small"];
    let manifest = writer.seal_private(text(&small["plaintext_text"]), sequence, &read_key, nonce).unwrap();
    assert_eq!(manifest, text(&small["manifest_text"]));
}

#[test]
fn a_blob_crosses_whole_and_split_and_peers_are_told() {
    for split in [None, Some(64 * 1024), Some(333_333)] {
        let server = Server::start(Habits { split, ..Habits::default() }).unwrap();
        let blob = Blob::seal(b"a few bytes").unwrap();
        server.hold(&blob);
        let got = v5::download(server.address(), &blob.id, Gossip::Direct(&[]), Some("127.0.0.1:7777")).unwrap();
        assert_eq!(got, blob.sealed);
        assert_eq!(v5::find_peers(server.address(), &blob.id).unwrap(), ["127.0.0.1:7777"]);
        assert!(v5::find_peers(server.address(), &"0".repeat(64)).unwrap().is_empty());
        let missing = v5::download(server.address(), &"0".repeat(64), Gossip::Nothing, None);
        assert!(matches!(missing, Err(V5Error::Refused(why)) if why == "Not Found"));
        assert_eq!((server.requests().len(), server.connections(), server.death()), (2, 4, None));
    }
}

#[test]
fn a_held_blob_waits_and_a_cut_one_ends() {
    let server = Server::start(Habits { hold_after: Some(1), ..Habits::default() }).unwrap();
    let blob = Blob::seal(b"x").unwrap();
    server.hold(&blob);
    v5::download(server.address(), &blob.id, Gossip::Nothing, None).unwrap();
    std::thread::scope(|scope| {
        let second = scope.spawn(|| v5::download(server.address(), &blob.id, Gossip::Nothing, None));
        server.wait_connections(2, SOON).unwrap();
        server.release();
        assert_eq!(second.join().unwrap().unwrap(), blob.sealed);
    });
    server.wait_served(2, SOON).unwrap();

    let server = Server::start(Habits { split: Some(65_536), cut_after: Some(200_000), ..Habits::default() }).unwrap();
    server.hold(&blob);
    let cut = v5::download(server.address(), &blob.id, Gossip::Nothing, None);
    assert!(matches!(cut, Err(V5Error::Io(e)) if e.kind() == ErrorKind::UnexpectedEof));
    assert_eq!(v5::download(server.address(), &blob.id, Gossip::Nothing, None).unwrap(), blob.sealed);
}

#[test]
fn a_corrupt_seeder_never_satisfies_a_downloader() {
    let server = Server::start(Habits { corrupt: true, ..Habits::default() }).unwrap();
    let blob = Blob::seal(b"x").unwrap();
    server.hold(&blob);
    let mut wire = Wire::dial(server.address()).unwrap();
    wire.send(v5::REQUEST, blob.id.as_bytes()).unwrap();
    let message = wire.receive().unwrap();
    assert_eq!((message.kind, message.payload.len()), (v5::DATA, v5::BLOB_LEN));
    assert_ne!(HEXLOWER.encode(&Sha256::digest(&message.payload)), blob.id);
}

/// Waits until the server ends this connection, as a dying process does.
fn until_closed(mut stream: TcpStream) {
    stream.set_read_timeout(Some(SOON)).unwrap();
    let mut rest = Vec::new();
    let end = stream.read_to_end(&mut rest);
    assert!(end.is_ok() || end.is_err_and(|e| e.kind() == ErrorKind::ConnectionReset));
}

#[test]
fn a_server_dies_of_what_v5_processes_die_of() {
    let server = || Server::start(Habits::default()).unwrap();
    let wire = |server: &Server| Wire::dial(server.address()).unwrap();

    let dying = server();
    let mut peer = wire(&dying);
    peer.send_raw(&[0, 0, 0, 17]).unwrap();
    peer.send_raw(&[0; 17]).unwrap();
    until_closed(peer.handle().unwrap());
    assert_eq!(dying.death(), Some(Death::BadTag));

    let dying = server();
    let mut peer = wire(&dying);
    peer.send_raw(&[0, 0, 0, 16]).unwrap();
    until_closed(peer.handle().unwrap());
    assert_eq!(dying.death(), Some(Death::Length(16)));

    let dying = server();
    let mut peer = wire(&dying);
    peer.send(v5::REQUEST, b"").unwrap();
    until_closed(peer.handle().unwrap());
    assert_eq!(dying.death(), Some(Death::EmptyRequest));

    let dying = server();
    let mut raw = TcpStream::connect(dying.address()).unwrap();
    raw.write_all(&[0; 32]).unwrap();
    until_closed(raw);
    assert_eq!(dying.death(), Some(Death::ZeroKey));
    let address = dying.address();
    drop(dying);
    assert!(TcpListener::bind(address).is_ok(), "a dead server leaves its port");
}

#[test]
fn a_manifest_and_its_blob_are_found_through_a_dht() {
    let testnet = mainline::Testnet::builder(6).build().unwrap();
    let join = || v5::Dht::join(&testnet.bootstrap, std::net::Ipv4Addr::LOCALHOST).unwrap();
    let (writing, reading) = (join(), join());
    let server = Server::start(Habits::default()).unwrap();
    let content = b"what the author wrote".as_slice();
    let blobs = v5::chunks(content).unwrap();
    server.hold(&blobs[0]);
    let writer = author::Author::new([5; 32]);
    writing.announce(&blobs[0].id, server.address().port()).unwrap();
    let manifest = writer.sign_public(&author::collections(&[("note.txt", &blobs)]), 1_700_000_000_000);
    assert!(manifest.len() <= author::MANIFEST_MAX);
    writing.put(&writer, &manifest, 1_700_000_000_000).unwrap();

    let (sequence, found) = reading.look_up(&writer.channel()).unwrap().unwrap();
    assert_eq!((sequence, found.as_str()), (1_700_000_000_000, manifest.as_str()));
    let files = author::read(&found, &writer.channel(), None).unwrap();
    assert_eq!(reading.fetch(&files[0]).unwrap(), content);
    assert_eq!(v5::publish(server.address(), &writer.publish_payload(&manifest, sequence)).unwrap(), "Published");
    assert_eq!(server.publications().len(), 1);
}
