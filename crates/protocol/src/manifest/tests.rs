use proptest::prelude::*;
use serde_json::Value;

use super::*;
use crate::body::{Chunk, Collection, Content, FileEntry, Item, Payload};
use crate::{BlobId, BlobKey, ItemId, SafePath};

fn vectors() -> Value {
    serde_json::from_str(include_str!("../../../../tests/vectors/v5-vectors.json")).unwrap()
}

fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_else(|| panic!("no text at {pointer}"))
}

fn hex(value: &Value, pointer: &str) -> Vec<u8> {
    HEXLOWER.decode(text(value, pointer).as_bytes()).unwrap()
}

fn array<const N: usize>(value: &Value, pointer: &str) -> [u8; N] {
    hex(value, pointer).try_into().unwrap()
}

fn channel(v: &Value) -> ChannelKey {
    text(v, "/manifest_public/inputs/public_key").parse().unwrap()
}

fn author() -> Identity {
    Identity::from_seed(&[0x42; 32])
}

fn tree() -> Tree {
    Tree { blob: BlobId([0xaa; 32]), key: BlobKey { key: [0xbb; 32], nonce: [0xcc; 12] }, size: 16 << 20, depth: 1 }
}

fn item(name: &str, chunks: usize) -> Item {
    let chunk = |i: usize| Chunk {
        blob: BlobId([i as u8; 32]),
        key: BlobKey { key: [2; 32], nonce: [3; 12] },
        offset: 0,
        len: 1_048_576,
    };
    Item {
        id: ItemId([1; 16]),
        name: name.to_owned(),
        about: String::new(),
        published: 0,
        payload: Payload::File(FileEntry {
            path: SafePath::parse(name).unwrap(),
            size: 1_048_576 * chunks as u64,
            mime: None,
            content: Content::Chunks((0..chunks).map(chunk).collect()),
        }),
        left_out: Vec::new(),
    }
}

fn small_body(items: Vec<Item>) -> Body {
    Body { collections: vec![Collection { items, ..Collection::default() }], timestamp: 7, ..Body::default() }
}

/// The v5 item of the vectors.
fn assert_hello_item(head: Head, name: &str) {
    let Head::Inline(body) = head else { panic!("not inline") };
    let item = &body.collections[0].items[0];
    assert_eq!(item.name, name);
    let Payload::File(FileEntry { path, size: 13, content: Content::Chunks(chunks), .. }) = &item.payload else {
        panic!("{item:?}")
    };
    assert_eq!(path.as_str(), name);
    assert_eq!(chunks.len(), 1);
    assert_eq!(chunks[0].blob, BlobId([0x11; 32]));
    assert_eq!(chunks[0].key.key, [0x22; 32]);
    assert_eq!(chunks[0].key.nonce, [0x33; 12]);
    assert_eq!((chunks[0].offset, chunks[0].len), (0, 13));
}

#[test]
fn reads_the_v5_public_manifest() {
    let v = vectors();
    let json = text(&v, "/manifest_public/bep44/v_text").as_bytes();
    let bep44 = array(&v, "/manifest_public/bep44/sig");
    let manifest = SignedManifest::verify(&channel(&v), json, &bep44).unwrap();
    assert_eq!(manifest.sequence(), 1_700_000_000_000);
    assert_eq!(manifest.json(), json);
    assert!(!manifest.is_private());
    assert_hello_item(manifest.open(None).unwrap(), "hello é.txt");
    let signed = json::without_member(json, "signature").unwrap().unwrap();
    assert_eq!(signed, hex(&v, "/manifest_public/signed_bytes"));
    assert_eq!(bep44_message(1_700_000_000_000, json, &[]), hex(&v, "/manifest_public/bep44/signed_message"));
}

#[test]
fn signs_as_v5_does() {
    let v = vectors();
    let identity = Identity::from_seed(&array(&v, "/manifest_public/inputs/ed25519_seed"));
    let signed = hex(&v, "/manifest_public/signed_bytes");
    assert_eq!(identity.sign(&signed), array(&v, "/manifest_public/signature"));
    let message = hex(&v, "/manifest_public/bep44/signed_message");
    assert_eq!(identity.sign(&message), array(&v, "/manifest_public/bep44/sig"));
}

#[test]
fn opens_the_v5_private_manifests() {
    let v = vectors();
    let read_key = ReadKey(array(&v, "/manifest_private/inputs/read_key"));
    let json = text(&v, "/manifest_private/manifest_text").as_bytes();
    // Too long for a DHT item, as the v5 client makes it: its payload can be opened all the same.
    assert_eq!(Parsed::read(json).err(), Some(ManifestError::Long(json.len())));
    let plain = decrypt(json, &read_key).unwrap();
    assert_eq!(*plain, text(&v, "/manifest_private/plaintext_text").as_bytes());
    assert_hello_item(head(&plain).unwrap(), "hello é.txt");

    let json = text(&v, "/manifest_private_small/bep44/v_text").as_bytes();
    let bep44 = array(&v, "/manifest_private_small/bep44/sig");
    let manifest = SignedManifest::verify(&channel(&v), json, &bep44).unwrap();
    assert!(manifest.is_private());
    assert_hello_item(manifest.open(Some(&read_key)).unwrap(), "a");
    assert_eq!(manifest.open(None).unwrap_err(), ManifestError::NeedsReadKey);
    assert_eq!(manifest.open(Some(&ReadKey([1; 32]))).unwrap_err(), ManifestError::ReadKey);
}

#[test]
fn a_gateway_takes_the_bep44_signature_and_names_the_v5_clients() {
    let v = vectors();
    let request = |pointer: &str| {
        let payload: Value = serde_json::from_str(text(&v, pointer)).unwrap();
        PublishRequest {
            key: text(&payload, "/k").parse().unwrap(),
            sequence: payload["seq"].as_u64().unwrap(),
            value: hex(&payload, "/v"),
            signature: array(&payload, "/sig"),
            salt: Vec::new(),
        }
    };
    let good = request("/gateway_publish/payload_that_works_text");
    assert_eq!(verify_publish(&good), Ok(()));
    let v5 = request("/gateway_publish/payload_as_reference_text");
    assert_eq!(verify_publish(&v5), Err(ManifestError::Bep44SignedJson));

    let mut other = good.clone();
    other.sequence += 1;
    assert_eq!(
        verify_publish(&other),
        Err(ManifestError::Sequence { seq: good.sequence + 1, sequence: good.sequence })
    );
    let mut other = good.clone();
    other.key = ChannelKey([5; 32]);
    assert_eq!(verify_publish(&other), Err(ManifestError::Channel));
    let mut other = good.clone();
    other.salt = b"x".to_vec();
    assert_eq!(verify_publish(&other), Err(ManifestError::Bep44));
    other.salt = vec![0; 65];
    assert_eq!(verify_publish(&other), Err(ManifestError::Salt(65)));
    let mut other = good.clone();
    let at = other.value.windows(6).position(|w| w == b"\"size\"").unwrap() + 8;
    other.value[at] ^= 1;
    assert_eq!(verify_publish(&other), Err(ManifestError::Signature));
    let mut other = good;
    other.value = vec![b' '; 997];
    assert_eq!(verify_publish(&other), Err(ManifestError::Long(997)));
}

#[test]
fn a_gateway_takes_a_salted_item() {
    let manifest = SignedManifest::sign_tree(&author(), 9, &tree(), 8);
    let salt = b"some salt".to_vec();
    let message = bep44_message(9, manifest.json(), &salt);
    assert!(message.starts_with(b"4:salt9:some salt3:seqi9e1:v"));
    let signature = author().sign(&message);
    let request =
        PublishRequest { key: *manifest.key(), sequence: 9, value: manifest.json().to_vec(), signature, salt };
    assert_eq!(verify_publish(&request), Ok(()));
    assert_eq!(verify_publish(&PublishRequest { salt: Vec::new(), ..request }), Err(ManifestError::Bep44));
}

#[test]
fn an_inline_manifest_comes_back_whole() {
    let body = small_body(vec![item("film.webm", 3)]);
    let manifest = SignedManifest::sign_inline(&author(), 12, &body).unwrap();
    let json = std::str::from_utf8(manifest.json()).unwrap();
    assert!(json.len() <= MANIFEST_MAX, "{}", json.len());
    let order = ["\"publicKey\"", "\"sequence\"", "\"collections\"", "\"timestamp\"", "\"signature\""];
    let places: Vec<usize> = order.iter().map(|name| json.find(name).unwrap()).collect();
    assert!(places.is_sorted(), "{json}");
    let again = SignedManifest::verify(manifest.key(), manifest.json(), manifest.bep44()).unwrap();
    assert_eq!(again, manifest);
    let Head::Inline(opened) = again.open(None).unwrap() else { panic!("not inline") };
    assert_eq!(opened, body);
    assert_eq!(again.open(Some(&ReadKey([1; 32]))).unwrap_err(), ManifestError::NotPrivate);
}

#[test]
fn what_v5_cannot_read_or_a_dht_item_cannot_hold_is_not_inline() {
    assert!(SignedManifest::sign_inline(&author(), 1, &small_body(vec![item("a", 4)])).is_none());
    let mut packed = item("a", 1);
    let Payload::File(FileEntry { content: Content::Chunks(chunks), .. }) = &mut packed.payload else { panic!() };
    (chunks[0].offset, chunks[0].len) = (8, 8);
    assert!(SignedManifest::sign_inline(&author(), 1, &small_body(vec![packed])).is_none());
    let folder = Item { payload: Payload::Folder(Vec::new()), ..item("a", 0) };
    assert!(SignedManifest::sign_inline(&author(), 1, &small_body(vec![folder])).is_none());
    // A v5 reader needs collections[0].
    let empty = SignedManifest::sign_inline(&author(), 1, &Body::default()).unwrap();
    let json: Value = serde_json::from_slice(empty.json()).unwrap();
    assert!(json["collections"][0]["items"].is_array());
}

#[test]
fn tree_manifests_fit_an_item_and_come_back() {
    let largest = Tree { size: crate::params::BODY_MAX, ..tree() };
    let ms = SEQUENCE_MAX;
    let public = SignedManifest::sign_tree(&author(), ms, &largest, ms);
    let again = SignedManifest::verify(public.key(), public.json(), public.bep44()).unwrap();
    assert!(matches!(again.open(None).unwrap(), Head::Tree(tree) if tree == largest));

    let read_key = ReadKey([9; 32]);
    let private = SignedManifest::sign_private(&author(), ms, &largest, ms, &read_key, [4; 12]);
    assert!(private.json().len() <= MANIFEST_MAX, "{}", private.json().len());
    assert!(!private.json().windows(4).any(|w| w == b"aaaa"), "the blob ID shows");
    let again = SignedManifest::verify(private.key(), private.json(), private.bep44()).unwrap();
    assert!(again.is_private());
    assert!(matches!(again.open(Some(&read_key)).unwrap(), Head::Tree(tree) if tree == largest));
}

#[test]
fn beside_a_tree_stands_what_v5_can_fetch_newest_first() {
    let folder = |name: &str| {
        let Payload::File(file) = item(name, 1).payload else { panic!() };
        Item { payload: Payload::Folder(vec![file]), ..item("A title", 1) }
    };
    let two = Item { payload: Payload::Folder(vec![]), ..item("none", 0) };
    let mut packed = item("packed", 1);
    let Payload::File(FileEntry { content: Content::Chunks(chunks), .. }) = &mut packed.payload else { panic!() };
    (chunks[0].offset, chunks[0].len) = (8, 8);
    let whole = |manifest: &SignedManifest| {
        let again = SignedManifest::verify(manifest.key(), manifest.json(), manifest.bep44()).unwrap();
        assert!(matches!(again.open(None).unwrap(), Head::Tree(found) if found == tree()), "we read the tree");
        let json: Value = serde_json::from_slice(manifest.json()).unwrap();
        assert_eq!(serde_json::to_string(&json).unwrap().len(), manifest.json().len(), "as JavaScript writes it again");
        json["collections"][0]["items"].clone()
    };
    let sign = |items: &[Item]| SignedManifest::sign_tree_beside(&author(), 5, &tree(), 5, items);

    // The newest does not fit, two are no single file, one shares its blob: the next is seen, and its bytes are named.
    let manifest = sign(&[item("huge", 9), two.clone(), packed.clone(), item("tide é.bin", 1), item("older.bin", 1)]);
    let items = whole(&manifest);
    assert_eq!(items.as_array().unwrap().len(), 1);
    assert_eq!((items[0]["name"].as_str(), items[0]["size"].as_u64()), (Some("tide é.bin"), Some(1_048_576)));
    assert_eq!(items[0]["chunks"][0]["blobId"], "00".repeat(32));
    assert_eq!(items[0]["chunks"][0]["realSize"], 1_048_576);
    assert!(manifest.json().len() <= MANIFEST_MAX);
    let seen: Vec<BlobId> = manifest.inline_chunks().into_iter().map(|chunk| chunk.blob).collect();
    assert_eq!((seen, manifest.inline_items()), (vec![BlobId([0; 32])], 1));

    // A folder of one file under another title goes by the file's name; empty files take little; no name twice.
    let items = whole(&sign(&[folder("a/tide3.bin"), item("tide3.bin", 0), item("empty", 0), item("empty", 0)]));
    let names: Vec<&str> = items.as_array().unwrap().iter().map(|item| item["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["tide3.bin", "empty"]);

    // Nothing of that kind: as before, to the byte.
    let none = sign(&[two, packed]);
    assert_eq!(none, SignedManifest::sign_tree(&author(), 5, &tree(), 5));
    assert_eq!((none.inline_chunks(), none.inline_items()), (vec![], 0));
    let many: Vec<Item> = (0..50).map(|n| item(&format!("{n}"), 0)).collect();
    let full = sign(&many);
    assert!(full.json().len() <= MANIFEST_MAX && full.json().len() > MANIFEST_MAX - 60);
    assert!(full.inline_items() > 5);
}

/// JSON that the author really signed, whatever it says.
fn signed(members: &str) -> (Vec<u8>, [u8; 64]) {
    let unsigned = format!("{{\"publicKey\":\"{}\",{members}}}", author().channel());
    let signature = HEXLOWER.encode(&author().sign(unsigned.as_bytes()));
    let json = format!("{},\"signature\":\"{signature}\"}}", &unsigned[..unsigned.len() - 1]).into_bytes();
    let bep44 = author().sign(&bep44_message(5, &json, &[]));
    (json, bep44)
}

#[test]
fn each_fault_has_its_name() {
    let key = author().channel();
    let check = |members: &str| {
        let (json, bep44) = signed(members);
        SignedManifest::verify(&key, &json, &bep44).map(|manifest| manifest.open(Some(&ReadKey([0; 32]))).err())
    };
    assert_eq!(check("\"sequence\":5,\"collections\":[]"), Ok(Some(ManifestError::NotPrivate)));
    assert_eq!(check("\"sequence\":6,\"collections\":[]"), Err(ManifestError::Bep44));
    assert_eq!(check("\"sequence\":5"), Err(ManifestError::Missing("collections")));
    assert_eq!(check("\"collections\":[]"), Err(ManifestError::Missing("sequence")));
    assert!(matches!(check("\"sequence\":5.0,\"collections\":[]"), Err(ManifestError::Json(JsonError::Type { .. }))));
    assert!(matches!(
        check("\"sequence\":9007199254740992,\"collections\":[]"),
        Err(ManifestError::Json(JsonError::Type { .. }))
    ));
    assert!(matches!(
        check("\"sequence\":5,\"sequence\":5,\"collections\":[]"),
        Err(ManifestError::Json(JsonError::Twice { .. }))
    ));
    assert!(matches!(
        check("\"sequence\":5,\"collections\":[{\"x\":1,\"\\u0078\":2}]"),
        Err(ManifestError::Json(JsonError::Twice { .. }))
    ));
    assert!(matches!(
        check("\"sequence\":5,\"collections\":[],\"x\":1e999"),
        Err(ManifestError::Json(JsonError::Number { .. }))
    ));
    assert_eq!(check("\"sequence\":5,\"encrypted\":true,\"nonce\":\"\""), Err(ManifestError::Missing("ciphertext")));
    let odd = format!("\"sequence\":5,\"encrypted\":true,\"nonce\":\"00\",\"ciphertext\":\"{}\"", "00".repeat(40));
    assert_eq!(check(&odd), Ok(Some(ManifestError::Cipher)));
    let short = "\"sequence\":5,\"encrypted\":true,\"nonce\":\"000000000000000000000000\",\"ciphertext\":\"00\"";
    assert_eq!(check(short), Ok(Some(ManifestError::ReadKey)));
    let (json, bep44) = signed("\"sequence\":5,\"collections\":[]");
    assert_eq!(SignedManifest::verify(&ChannelKey([1; 32]), &json, &bep44), Err(ManifestError::Channel));
    assert_eq!(SignedManifest::verify(&key, &[b' '; 997], &bep44), Err(ManifestError::Long(997)));
}

#[test]
fn a_body_tree_is_checked_before_anything_is_fetched() {
    let huge = Tree { size: crate::params::BODY_MAX + 1, ..tree() };
    let manifest = SignedManifest::sign_tree(&author(), 1, &huge, 1);
    assert!(matches!(manifest.open(None), Err(ManifestError::Body(BodyError::Tree(_)))));
    let deep = Tree { depth: 2, ..tree() };
    let manifest = SignedManifest::sign_tree(&author(), 1, &deep, 1);
    assert!(matches!(manifest.open(None), Err(ManifestError::Body(BodyError::Tree(_)))));
}

#[test]
fn the_newer_and_then_the_greater_hash_wins() {
    let one = SignedManifest::sign_tree(&author(), 1, &tree(), 1);
    let two = SignedManifest::sign_tree(&author(), 2, &tree(), 1);
    assert!(two.supersedes(&one) && !one.supersedes(&two) && !one.supersedes(&one));
    let twin = SignedManifest::sign_tree(&author(), 1, &tree(), 2);
    assert_ne!(twin.supersedes(&one), one.supersedes(&twin));
}

proptest! {
    #[test]
    fn arbitrary_bytes_are_refused_in_peace(bytes in proptest::collection::vec(any::<u8>(), 0..1100)) {
        prop_assert!(SignedManifest::verify(&author().channel(), &bytes, &[0; 64]).is_err());
    }

    #[test]
    fn a_flipped_bit_is_noticed(at in any::<prop::sample::Index>(), bit in 0..8_u8) {
        let manifest = SignedManifest::sign_tree(&author(), 5, &tree(), 4);
        let mut json = manifest.json().to_vec();
        let at = at.index(json.len());
        json[at] ^= 1 << bit;
        prop_assert!(SignedManifest::verify(manifest.key(), &json, manifest.bep44()).is_err());
    }
}
