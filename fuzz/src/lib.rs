//! Every decoder that reads what others wrote, as one function over bytes.
//!
//! Promises of each, whatever the bytes: it returns, it allocates no more than a small multiple of them, and what it
//! read and can be written reads the same again. The fuzz targets run these functions, and so does an ordinary test
//! (`tests/tests/decoders.rs`, which includes this file) on the seeds in `corpus/` and on mutations of them.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a broken promise says so by panicking")]

use protocol::frame::Opener;
use protocol::handshake::Handshake;
use protocol::message::Message;
use protocol::params::{BLOB_LEN, FRAME_MAX, FRAME_MAX_BLOB, TREE_SIZE_MAX};
use protocol::path::SafePath;
use protocol::session::{Capabilities, Command, Hello, Role, Session};
use protocol::{Body, Identity, Item, Link, PeerAddr, SignedManifest, Tree, body};
use std::time::Duration;

/// A decoder by the name of its fuzz target and of its seeds' folder.
pub type Decoder = (&'static str, fn(&[u8]));

/// All of them.
pub const DECODERS: &[Decoder] = &[
    ("addr", addr),
    ("body", body),
    ("files", files),
    ("frame", frame),
    ("handshake", handshake),
    ("head", head),
    ("item", item),
    ("link", link),
    ("manifest", manifest),
    ("message", message),
    ("page", page),
    ("path", path),
    ("private", private),
    ("publish", publish),
    ("session", session),
    ("table", table),
];

fn text(bytes: &[u8]) -> Option<&str> {
    std::str::from_utf8(bytes).ok()
}

/// `host:port`.
pub fn addr(bytes: &[u8]) {
    if let Some(Ok(addr)) = text(bytes).map(str::parse::<PeerAddr>) {
        assert_eq!(addr.to_string().parse(), Ok(addr.clone()));
        assert_ne!(addr.port(), 0);
        let _ = addr.class();
    }
}

/// A body's stream (E2).
pub fn body(bytes: &[u8]) {
    if let Ok(body) = Body::parse(bytes) {
        let written = body.to_json();
        let again = Body::parse(&written).expect("what was read can be written");
        assert_eq!(again.to_json(), written);
    }
}

/// The array of files behind `filesTree` (E2).
pub fn files(bytes: &[u8]) {
    if let Ok((files, _)) = body::parse_files(bytes) {
        let (again, left_out) = body::parse_files(&body::files_to_json(&files)).expect("what was read can be written");
        assert_eq!((again, left_out.len()), (files, 0));
    }
}

/// A frame as it comes off the wire: header, then as many bytes as it says, under a key that the sender has.
pub fn frame(bytes: &[u8]) {
    let Some((header, rest)) = bytes.split_first_chunk::<4>() else { return };
    for max in [FRAME_MAX, FRAME_MAX_BLOB] {
        if let Ok(length) = Opener::length(*header, max) {
            assert!((17..=max).contains(&length));
        }
    }
    let ours = Handshake::new(Role::Acceptor, [2; 32]);
    let theirs = Handshake::new(Role::Dialler, [1; 32]);
    let (to_us, to_them) = (theirs.public(), ours.public());
    let (Ok((_, mut opener, _)), Ok((mut sealer, ..))) = (ours.finish(to_us), theirs.finish(to_them)) else {
        unreachable!("two honest keys")
    };
    assert!(opener.open(&mut rest.to_vec()).is_err(), "bytes that nobody sealed never open");
    if !rest.is_empty() && rest.len() <= 1 + BLOB_LEN {
        let mut wire = Vec::new();
        sealer.seal(rest, &mut wire);
        assert_eq!(opener.open(&mut wire[4..]), Ok(rest));
        let mut body = rest.to_vec();
        assert_eq!(sealer.seal_in_place(&mut body), wire[..4]);
        assert_eq!(opener.open(&mut body), Ok(rest));
    }
}

/// 32 bytes of a peer's key.
pub fn handshake(bytes: &[u8]) {
    let Some(peer) = bytes.first_chunk::<32>() else { return };
    for role in [Role::Dialler, Role::Acceptor] {
        // A zero key is refused, every other makes ciphers.
        let _ = Handshake::new(role, [7; 32]).finish(*peer);
    }
}

/// What stands in a rightly signed public manifest beside its own members.
pub fn head(bytes: &[u8]) {
    let Some(members) = text(bytes) else { return };
    if let Some(manifest) = signed_around(members) {
        let _ = manifest.open(None);
        let _ = manifest.open(Some(&READ_KEY));
    }
}

/// The read key of what is private here.
const READ_KEY: protocol::ReadKey = protocol::ReadKey([1; 32]);

/// What stands inside a private manifest, sealed by one who has the read key: by our cipher.
pub fn private(bytes: &[u8]) {
    use chacha20poly1305::{KeyInit, aead::Aead};
    let sealed = chacha20poly1305::ChaCha20Poly1305::new(&READ_KEY.0.into()).encrypt(&[5; 12].into(), bytes);
    let hex: String = sealed.expect("a short text").iter().map(|byte| format!("{byte:02x}")).collect();
    let members = format!("\"encrypted\":true,\"nonce\":\"{}\",\"ciphertext\":\"{hex}\"", "05".repeat(12));
    if let Some(manifest) = signed_around(&members) {
        assert!(manifest.is_private() && manifest.open(None).is_err());
        let wrong = manifest.open(Some(&protocol::ReadKey([2; 32])));
        assert!(matches!(wrong, Err(protocol::manifest::ManifestError::ReadKey)));
        let _ = manifest.open(Some(&READ_KEY));
    }
}

/// A manifest with these members, rightly signed; `None` if it is none.
fn signed_around(members: &str) -> Option<SignedManifest> {
    let identity = Identity::from_seed(&[3; 32]);
    let channel = identity.channel();
    let unsigned = format!("{{\"publicKey\":\"{channel}\",\"sequence\":5,{members}}}");
    let signature: String = identity.sign(unsigned.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect();
    let json = format!("{},\"signature\":\"{signature}\"}}", &unsigned[..unsigned.len() - 1]);
    let bep44 = identity.sign(&protocol::manifest::bep44_message(5, json.as_bytes(), &[]));
    SignedManifest::verify(&channel, json.as_bytes(), &bep44).ok()
}

/// An item's JSON (E2).
pub fn item(bytes: &[u8]) {
    if let Ok(item) = Item::from_json(bytes) {
        let written = item.to_json();
        let again = Item::from_json(&written).expect("what was read can be written");
        assert_eq!(again.to_json(), written);
        assert_eq!((again.id, again.size(), again.file_count()), (item.id, item.size(), item.file_count()));
    }
}

/// `megatorrent://…`.
pub fn link(bytes: &[u8]) {
    if let Some(Ok(link)) = text(bytes).map(str::parse::<Link>) {
        assert_eq!(link.to_text().parse(), Ok(link));
    }
}

/// A manifest that nobody signed.
pub fn manifest(bytes: &[u8]) {
    let channel = Identity::from_seed(&[3; 32]).channel();
    let (bep44, json) = bytes.split_first_chunk::<64>().unwrap_or((&[0; 64], bytes));
    assert!(SignedManifest::verify(&channel, json, bep44).is_err(), "a forged manifest");
}

/// An opened frame: type byte and payload.
pub fn message(bytes: &[u8]) {
    if let Ok(read) = Message::decode(bytes) {
        let written = read.to_frame();
        // Text of others is cut and made valid UTF-8 on the way.
        if !matches!(read, Message::Ok(_) | Message::Error(_)) {
            assert_eq!(Message::decode(&written), Ok(read));
        }
    }
}

/// A page's stream (E2).
pub fn page(bytes: &[u8]) {
    if let Ok(items) = body::parse_page(bytes) {
        let written = body::page_to_json(&items);
        let again = body::parse_page(&written).expect("what was read can be written");
        assert_eq!(body::page_to_json(&again), written);
    }
}

/// A path out of an item.
pub fn path(bytes: &[u8]) {
    let Some(Ok(path)) = text(bytes).map(SafePath::parse) else { return };
    assert_eq!(SafePath::parse(path.as_str()), Ok(path.clone()));
    let joined = path.parts().fold(std::path::PathBuf::from("root"), |all, part| all.join(part));
    let below = joined.components().skip(1).all(|part| matches!(part, std::path::Component::Normal(_)));
    assert!(below && joined.starts_with("root"), "{joined:?} leads out");
    assert_eq!(joined.components().count(), 1 + path.parts().count());
    let _ = path.collision_key();
}

/// PUBLISH, as a gateway judges it (§5).
pub fn publish(bytes: &[u8]) {
    let frame = [&[0x06], bytes].concat();
    if let Ok(Message::Publish(request)) = Message::decode(&frame) {
        let _ = protocol::manifest::verify_publish(&request);
    }
}

/// One connection's conversation: the first byte chooses the side and what was said before, then frames behind a
/// length of two bytes each; an empty one lets half a minute pass.
pub fn session(bytes: &[u8]) {
    let Some((&choice, mut rest)) = bytes.split_first() else { return };
    let role = if choice & 1 == 0 { Role::Dialler } else { Role::Acceptor };
    let able = Capabilities { manifest: true, have: true, split: choice & 2 == 0, gateway: true };
    let mut now = Duration::ZERO;
    let mut session = Session::new(role, able, now);
    session.handle_command(now, Command::Hello(Hello { ext: able, ..Hello::default() }));
    if choice & 4 != 0 {
        for n in 0..3 {
            session.handle_command(now, Command::Request(protocol::BlobId([n; 32])));
        }
    }
    if choice & 8 != 0 {
        session.handle_command(now, Command::HaveQuery(vec![protocol::BlobId([9; 32]); 20]));
        session.handle_command(now, Command::FindPeers(protocol::Topic([8; 32])));
    }
    let mut out = Vec::new();
    while let Some((length, after)) = rest.split_first_chunk::<2>() {
        let (frame, after) = after.split_at(after.len().min(usize::from(u16::from_be_bytes(*length))));
        rest = after;
        let over = if frame.is_empty() {
            now += Duration::from_secs(30);
            session.handle_timeout(now).is_err()
        } else {
            session.handle_frame(now, frame).is_err()
        };
        while session.poll_event().is_some() {}
        loop {
            out.clear();
            if !session.poll_transmit(&mut out) {
                break;
            }
            assert!(Message::decode(&out).is_ok(), "what we say can be read");
        }
        assert!([FRAME_MAX, FRAME_MAX_BLOB].contains(&session.frame_max()));
        if over {
            return;
        }
    }
}

/// An opened table (E1) under a tree of any size and depth: eight bytes and one, then the table.
pub fn table(bytes: &[u8]) {
    let Some((size, rest)) = bytes.split_first_chunk::<8>() else { return };
    let Some((&depth, table)) = rest.split_first() else { return };
    let key = protocol::BlobKey { key: [2; 32], nonce: [3; 12] };
    let tree = Tree { blob: protocol::BlobId([1; 32]), key, size: u64::from_be_bytes(*size), depth };
    let checked = tree.check(TREE_SIZE_MAX);
    if let Ok(children) = tree.children(table) {
        assert!(children.len() * 76 <= table.len());
        if checked.is_ok() {
            assert_eq!(children.iter().map(|child| child.size).sum::<u64>(), tree.size);
        }
    }
    if let Some(leaf) = tree.leaf() {
        assert_eq!(u64::from(leaf.len), tree.size);
    }
}
