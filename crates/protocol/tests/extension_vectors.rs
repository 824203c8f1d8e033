//! Known answers of the extensions: `tests/vectors/extensions.json` holds what this code makes of fixed inputs, checked
//! once against an independent implementation, and `docs/PROTOCOL.md` quotes it. This test holds all three together.

#![allow(clippy::unwrap_used, reason = "what does not fit here fails the test")]

use megatorrent_protocol as protocol;

use data_encoding::HEXLOWER;
use protocol::devices::{DeviceId, Seen};
use protocol::handshake::Handshake;
use protocol::message::{Message, Reason, pack_bits};
use protocol::session::{Capabilities, Hello, RequestId, Role};
use protocol::{
    BlobId, BlobKey, Body, ChannelKey, Chunk, Content, FileEntry, Identity, Item, ItemId, Payload, ReadKey, SafePath,
    SignedManifest, blob, body, rendezvous, tree,
};
use serde_json::{Value, json};

const FILE: &str = include_str!("../../../tests/vectors/extensions.json");
const DOCUMENT: &str = include_str!("../../../docs/PROTOCOL.md");
const SEQUENCE: u64 = 1_700_000_000_000;
const ALL: Capabilities = Capabilities { manifest: true, have: true, split: true, gateway: false };

/// `N` bytes that count up from `first`.
fn rising<const N: usize>(first: u8) -> [u8; N] {
    std::array::from_fn(|i| first + i as u8)
}

fn hex(bytes: impl AsRef<[u8]>) -> String {
    HEXLOWER.encode(bytes.as_ref())
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

fn plain(message: Message<'_>) -> String {
    hex(message.to_frame())
}

fn identity() -> Identity {
    Identity::from_seed(&rising(0x20))
}

fn blobs() -> Value {
    let key = BlobKey { key: rising(0x40), nonce: rising(0xc0) };
    let padded = blob::seal(b"Hello, Megatorrent!\n".to_vec(), &key);
    let id = padded.id();
    let tag = hex(&padded.bytes()[protocol::params::CHUNK_LEN..]);
    let opened = blob::open(padded, &key).unwrap();
    json!({
        "key": hex(key.key), "nonce": hex(key.nonce), "text": "Hello, Megatorrent!\n",
        "padding_first_32": hex(&opened[20..52]), "tag": tag, "blob_id": id.to_string(),
    })
}

/// A stream of 1,048,577 bytes of the letter `a`: two chunks and the table above them.
fn table() -> (Value, protocol::Tree) {
    let size = protocol::params::CHUNK_LEN + 1;
    let stream = vec![b'a'; size];
    let key = |n: u8| BlobKey { key: [n; 32], nonce: [n; 12] };
    let mut chunks = Vec::new();
    for (part, n) in stream.chunks(protocol::params::CHUNK_LEN).zip(1..) {
        let sealed = blob::seal(part.to_vec(), &key(n));
        chunks.push(Chunk { blob: sealed.id(), key: key(n), offset: 0, len: part.len() as u32 });
    }
    let mut records = Vec::new();
    let root = tree::build::<()>(&chunks, size as u64, &mut || key(9), &mut |sealed| {
        records = blob::open(sealed, &key(9)).unwrap()[..2 * protocol::params::RECORD_LEN].to_vec();
        Ok(())
    });
    let root = root.unwrap();
    let value =
        json!({ "size": root.size, "depth": root.depth, "records": hex(records), "blob_id": root.blob.to_string() });
    (value, root)
}

fn item() -> Item {
    let chunk =
        Chunk { blob: BlobId([0x11; 32]), key: BlobKey { key: [0x22; 32], nonce: [0x33; 12] }, offset: 0, len: 13 };
    let path = SafePath::parse("hello é.txt").unwrap();
    let file = FileEntry { path, size: 13, mime: Some("text/plain".into()), content: Content::Chunks(vec![chunk]) };
    Item {
        id: ItemId([0x44; 16]),
        name: "hello é.txt".into(),
        about: String::new(),
        published: SEQUENCE,
        payload: Payload::File(file),
        left_out: Vec::new(),
    }
}

fn manifests() -> Value {
    let collections = vec![body::Collection { title: "Default".into(), items: vec![item()], pages: Vec::new() }];
    let body = Body { name: "Tidewater".into(), collections, timestamp: SEQUENCE, ..Body::default() };
    let (_, tree) = table();
    let read_key = ReadKey(rising(0x60));
    let inline = SignedManifest::sign_inline(&identity(), SEQUENCE, &body).unwrap();
    let by_tree = SignedManifest::sign_tree(&identity(), SEQUENCE, &tree, SEQUENCE);
    let private = SignedManifest::sign_private(&identity(), SEQUENCE, &tree, SEQUENCE, &read_key, rising(0xb0));
    let made =
        |m: &SignedManifest| json!({ "json": text(m.json()), "length": m.json().len(), "bep44": hex(m.bep44()) });
    json!({
        "body": text(&body.to_json()), "inline": made(&inline), "tree": made(&by_tree), "private": made(&private),
    })
}

fn meetings() -> Value {
    let (channel, read_key) = (identity().channel(), ReadKey(rising(0x60)));
    let (dialler, acceptor) =
        (Handshake::new(Role::Dialler, rising(0x01)), Handshake::new(Role::Acceptor, rising(0x81)));
    let acceptor_public = acceptor.public();
    let (mut sealer, _, binding) = dialler.finish(acceptor_public).unwrap();
    let (c, s) = (
        rendezvous::token(&channel, &read_key, &binding, Role::Dialler),
        rendezvous::token(&channel, &read_key, &binding, Role::Acceptor),
    );
    let public = Hello { gossip: vec![(channel, SEQUENCE)], private: Vec::new(), ext: ALL };
    let private = Hello { gossip: Vec::new(), private: vec![c], ext: ALL };
    let (mut wire, hello) = (Vec::new(), Message::Hello { version: 5, hello: public }.to_frame());
    sealer.seal(&hello, &mut wire);
    let day = 19_675;
    json!({
        "rendezvous_public": hex(rendezvous::public(&channel).0),
        "rendezvous_public_infohash": hex(rendezvous::public(&channel).infohash().0),
        "day": day, "rendezvous_private": hex(rendezvous::private(&channel, &read_key, day).0),
        "token_c": hex(c), "token_s": hex(s),
        "hello_public": text(&hello[1..]), "hello_public_frame": hex(wire),
        "hello_private": text(&Message::Hello { version: 5, hello: private }.to_frame()[1..]),
    })
}

fn messages() -> Value {
    let (id, channel, ids) = (RequestId(7), ChannelKey([0x11; 32]), vec![BlobId([0x22; 32]), BlobId([0x33; 32])]);
    json!({
        "get_manifest": plain(Message::GetManifest(id, channel, SEQUENCE)),
        "manifest": plain(Message::Manifest { id, bep44: [0x55; 64], json: b"{}" }),
        "have_query": plain(Message::HaveQuery(id, ids)),
        "have": plain(Message::Have(id, pack_bits(&[true, false, false, false, false, false, false, false, true]).into())),
        "none_nothing": plain(Message::None(id, Reason::Nothing)),
        "none_busy": plain(Message::None(id, Reason::Busy)),
        "have_more": plain(Message::HaveMore(id, vec![1, 258])),
        "cancel": plain(Message::Cancel(BlobId([0x22; 32]))),
    })
}

fn devices() -> Value {
    let seen = Seen::only(DeviceId([1, 2, 3, 4, 5, 255]), SEQUENCE)
        .with(DeviceId([0xa1, 0xa2, 0xa3, 0xa4, 0xa5, 0xa6]), SEQUENCE + 60_000);
    let mark = seen.seal(&identity(), [9; 12]);
    assert_eq!(Seen::open(&identity(), &mark).as_ref(), Some(&seen));
    let body = Body { devices: mark, timestamp: SEQUENCE, ..Body::default() };
    let json: Value = serde_json::from_slice(&body.to_json()).unwrap();
    json!({ "entries": hex(seen.to_bytes()), "mark": json["devices"] })
}

fn made() -> Value {
    json!({ "devices": devices(), "blob": blobs(), "table": table().0, "manifests": manifests(), "meetings": meetings(), "messages": messages() })
}

#[test]
fn the_vectors_are_what_the_code_makes() {
    let (made, kept) = (made(), serde_json::from_str::<Value>(FILE).unwrap_or_default());
    assert!(
        made == kept,
        "tests/vectors/extensions.json should hold:\n{}",
        serde_json::to_string_pretty(&made).unwrap()
    );
}

/// Every text and number of the file stands in the document, so that neither can change alone.
#[test]
fn the_document_quotes_the_vectors() {
    fn walk(at: &str, value: &Value, missing: &mut Vec<String>) {
        let text = match value {
            Value::Object(members) => {
                return members.iter().for_each(|(name, value)| walk(&format!("{at}/{name}"), value, missing));
            }
            Value::String(text) => text.trim_end().to_owned(),
            other => other.to_string(),
        };
        // Long lines are broken in the document.
        let document: String = DOCUMENT.split_whitespace().collect();
        let text: String = text.split_whitespace().collect();
        if !document.contains(&text) {
            missing.push(at.to_owned());
        }
    }
    let mut missing = Vec::new();
    walk("", &made(), &mut missing);
    assert!(missing.is_empty(), "not in docs/PROTOCOL.md: {missing:?}");
}
