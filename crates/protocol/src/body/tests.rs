use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::params::*;

fn hex(byte: u8, len: usize) -> String {
    data_encoding::HEXLOWER.encode(&vec![byte; len])
}

fn chunk(byte: u8, offset: u64, len: u64) -> Value {
    json!({"blobId": hex(byte, 32), "key": hex(2, 32), "nonce": hex(3, 12), "offset": offset, "realSize": len})
}

fn tree(size: u64, depth: u64) -> Value {
    json!({"blobId": hex(1, 32), "key": hex(2, 32), "nonce": hex(3, 12), "size": size, "depth": depth})
}

fn body_of(items: Value) -> Result<Body, BodyError> {
    Body::parse(json!({"collections": [{"items": items}], "timestamp": 5}).to_string().as_bytes())
}

fn one(item: Value) -> Result<Item, BodyError> {
    Item::from_json(item.to_string().as_bytes())
}

fn folder(files: Value) -> Item {
    one(json!({"name": "x", "files": files})).unwrap()
}

#[test]
fn a_v5_item_is_one_file() {
    let item = one(json!({"name": "a.bin", "size": 1_500_000, "chunks": [
        {"blobId": hex(1, 32), "offset": 0, "length": 1_048_592, "key": hex(2, 32), "nonce": hex(3, 12), "realSize": 1_048_576},
        chunk(4, 0, 451_424),
    ]}))
    .unwrap();
    let Payload::File(file) = &item.payload else { panic!("{item:?}") };
    assert_eq!((file.path.as_str(), file.size), ("a.bin", 1_500_000));
    assert_eq!((item.size(), item.file_count()), (1_500_000, 1));
    // Its ID follows from name and blobs, and from nothing else.
    let same = one(
        json!({"name": "a.bin", "about": "now with words", "chunks": [chunk(1, 0, 1_048_576), chunk(4, 0, 451_424)]}),
    );
    assert_eq!(same.unwrap().id, item.id);
    assert_ne!(one(json!({"name": "b.bin", "chunks": []})).unwrap().id, item.id);
}

#[test]
fn a_page_stands_in_a_body_once_in_whatever_collection() {
    let page = |byte: u8| {
        let tree = json!({"blobId": hex(byte, 32), "key": hex(2, 32), "nonce": hex(3, 12), "size": 5, "depth": 0});
        json!({"count": 1, "tree": tree})
    };
    let read = |collections: Value| Body::parse(json!({"collections": collections}).to_string().as_bytes());
    let two = read(json!([{"items": [], "pages": [page(1), page(2)]}, {"items": [], "pages": [page(3)]}])).unwrap();
    assert_eq!(two.collections.iter().map(|c| c.pages.len()).collect::<Vec<_>>(), [2, 1]);
    let twice = [
        json!([{"items": [], "pages": [page(1), page(2), page(1)]}]),
        json!([{"items": [], "pages": [page(1)]}, {"items": [], "pages": [page(1)]}]),
    ];
    for collections in twice {
        assert_eq!(read(collections).err(), Some(BodyError::PageTwice));
    }
}

#[test]
fn what_is_handed_out_piece_by_piece_is_the_whole() {
    let item = |name: &str| json!({"name": name, "chunks": []});
    let collections = json!([
        {"title": "first", "pages": [{"count": 1, "tree": tree(5, 0)}], "items": [item("a"), item("b"), item("a")]},
        {"title": "second", "items": [item("c")]},
    ]);
    let stream = json!({"collections": collections, "channel": {"name": "n"}, "timestamp": 5}).to_string();
    let whole = Body::parse(stream.as_bytes()).unwrap();
    let (mut items, mut pages) = (Vec::new(), Vec::new());
    let rest = Body::parse_each(stream.as_bytes(), &mut |number, entry| match entry {
        Entry::Item(item) => items.push((number, *item)),
        Entry::Page(page) => pages.push((number, page)),
    });
    let rest = rest.unwrap();
    assert_eq!((rest.name.as_str(), rest.timestamp, rest.collections.len()), ("n", 5, 2));
    assert!(rest.collections.iter().all(|one| one.items.is_empty() && one.pages.is_empty()));
    for (number, one) in whole.collections.iter().enumerate() {
        let of =
            |items: &[(usize, Item)]| items.iter().filter(|i| i.0 == number).map(|i| i.1.clone()).collect::<Vec<_>>();
        assert_eq!((of(&items), rest.collections[number].title.as_str()), (one.items.clone(), one.title.as_str()));
        assert_eq!(pages.iter().filter(|page| page.0 == number).count(), one.pages.len());
    }
    assert_eq!(items.len(), 3);
}

#[test]
fn an_item_has_a_bounded_number_of_folders_and_bytes_of_paths() {
    let deep = |n: usize| format!("{{\"path\":\"{n}/{}x\",\"chunks\":[]}}", "a/".repeat(29));
    let files = |count: usize| format!("[{}]", (0..count).map(deep).collect::<Vec<_>>().join(","));
    assert_eq!(parse_files(files(1000).as_bytes()).unwrap().0.len(), 1000);
    let many = parse_files(files(17_000).as_bytes()).err();
    assert_eq!(many, Some(BodyError::Count { what: "files and folders in one item", max: ITEM_NAMES_MAX }));
    let part = "p".repeat(200);
    let long = |n: usize| format!("{{\"path\":\"{part}/{part}/{part}/{part}/{n}\",\"chunks\":[]}}");
    let list = format!("[{}]", (0..45_000).map(long).collect::<Vec<_>>().join(","));
    let long = parse_files(list.as_bytes()).err();
    assert_eq!(long, Some(BodyError::Count { what: "bytes of paths in one item", max: ITEM_PATHS_MAX }));
}

#[test]
fn sizes_must_add_up() {
    let size = |size: u64| one(json!({"name": "a", "size": size, "chunks": [chunk(1, 0, 10)]})).err();
    assert_eq!(size(10), None);
    assert_eq!(size(11), Some(BodyError::Size { size: 11, content: 10 }));
    let in_tree = one(json!({"name": "a", "size": 11, "tree": tree(10, 0)}));
    assert_eq!(in_tree.err(), Some(BodyError::Size { size: 11, content: 10 }));
    assert_eq!(one(json!({"name": "empty", "size": 0, "chunks": []})).unwrap().size(), 0);
}

#[test]
fn chunks_lie_in_their_blobs() {
    let check = |offset: u64, len: u64| one(json!({"name": "a", "chunks": [chunk(1, offset, len)]})).err();
    assert_eq!(check(1_048_575, 1), None);
    for (offset, len) in [(0, 0), (1, 1_048_576), (1_048_576, 1), (SEQUENCE_MAX, 1), (1, SEQUENCE_MAX)] {
        assert_eq!(check(offset, len), Some(BodyError::Chunk { offset, len }));
    }
    let without = |name: &str| {
        let mut chunk = chunk(1, 0, 1);
        chunk.as_object_mut().unwrap().remove(name);
        one(json!({"name": "a", "chunks": [chunk]})).err()
    };
    for name in ["blobId", "key", "nonce", "realSize"] {
        assert_eq!(without(name), Some(BodyError::Missing(name)));
    }
    assert_eq!(without("offset"), None);
}

#[test]
fn trees_are_checked() {
    let check = |size: u64, depth: u64| one(json!({"name": "a", "tree": tree(size, depth)})).err();
    assert_eq!(check(1 << 20, 0), None);
    assert_eq!(check(1 << 21, 0), Some(BodyError::Tree(TreeError::Depth { depth: 0, size: 1 << 21 })));
    assert!(matches!(check(1 << 20, 256), Some(BodyError::Json(JsonError::Type { .. }))));
    let files_tree = one(json!({"name": "a", "filesTree": tree(FILES_STREAM_MAX + 1, 1)}));
    assert!(matches!(files_tree, Err(BodyError::Tree(TreeError::TooLong { .. }))));
}

#[test]
fn an_item_says_once_where_its_bytes_are() {
    for item in [
        json!({"name": "a"}),
        json!({"name": "a", "chunks": [], "tree": tree(0, 0)}),
        json!({"name": "a", "chunks": [], "files": []}),
        json!({"name": "a", "files": [], "filesTree": tree(0, 0)}),
    ] {
        assert!(matches!(one(item), Err(BodyError::Content(_))));
    }
    assert!(matches!(one(json!({"name": "a", "files": [{"path": "a"}]})), Err(BodyError::Content(_))));
    assert_eq!(one(json!({"chunks": []})).err(), Some(BodyError::Missing("name")));
    assert_eq!(one(json!({"name": "a", "files": [{"chunks": []}]})).err(), Some(BodyError::Missing("path")));
}

#[test]
fn unsafe_paths_are_left_out_and_the_rest_stays() {
    let item = folder(json!([
        {"path": "good/a.txt", "chunks": [chunk(1, 0, 5)]},
        {"path": "../evil", "chunks": [chunk(2, 0, 6)]},
        {"path": "what?", "chunks": []},
        {"path": "x".repeat(5000), "chunks": []},
    ]));
    assert_eq!((item.size(), item.file_count()), (5, 1));
    let why: Vec<_> = item.left_out.iter().map(|left_out| left_out.why.clone()).collect();
    assert_eq!(why, [PathError::Dots(".."), PathError::Character('?'), PathError::Long(5000)]);
    assert_eq!(item.left_out[2].path.len(), 1024);
    let single = one(json!({"name": "what?", "chunks": [chunk(1, 0, 5)]})).unwrap();
    assert_eq!(single.left_out, [LeftOut { path: "what?".to_owned(), why: PathError::Character('?') }]);
    assert_eq!(Item::from_json(&single.to_json()).unwrap(), single);
}

#[test]
fn of_paths_that_collide_the_first_stays() {
    let file = |path: &str| json!({"path": path, "chunks": []});
    let paths = |files: Value| {
        let item = folder(files);
        let Payload::Folder(kept) = item.payload else { panic!() };
        assert!(item.left_out.iter().all(|left_out| left_out.why == PathError::Collision));
        kept.iter().map(|file| file.path.as_str().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(paths(json!([file("A"), file("a"), file("b")])), ["A", "b"]);
    assert_eq!(paths(json!([file("é"), file("e\u{301}")])), ["é"]);
    // A file cannot stand where a folder must, in either order; folders may be written in two ways.
    assert_eq!(paths(json!([file("a"), file("A/b")])), ["a"]);
    assert_eq!(paths(json!([file("a/b/c"), file("a/B"), file("A/d")])), ["a/b/c", "A/d"]);
}

#[test]
fn left_out_files_survive_writing() {
    let item = folder(json!([
        {"path": "a", "chunks": [chunk(1, 0, 5)]}, {"path": "A", "chunks": []}, {"path": "..", "chunks": []},
    ]));
    assert_eq!(item.left_out.len(), 2);
    assert_eq!(Item::from_json(&item.to_json()).unwrap(), item);
}

#[test]
fn the_first_of_two_items_with_one_id_counts() {
    let item = |id: u8, name: &str| json!({"id": hex(id, 16), "name": name, "chunks": []});
    let body = body_of(json!([item(1, "a"), item(1, "b"), item(2, "c")])).unwrap();
    let names: Vec<_> = body.collections[0].items.iter().map(|item| item.name.as_str()).collect();
    assert_eq!(names, ["a", "c"]);
}

#[test]
fn bounds_hold() {
    let long = |max: usize| "x".repeat(max + 1);
    for item in [
        json!({"name": long(NAME_MAX), "chunks": []}),
        json!({"name": "a", "about": long(ABOUT_MAX), "chunks": []}),
        json!({"name": "a", "mime": long(MIME_MAX), "chunks": []}),
    ] {
        assert!(matches!(one(item), Err(BodyError::Text { .. })));
    }
    let files = |count: usize| {
        let files: Vec<_> = (0..count).map(|i| json!({"path": i.to_string(), "chunks": []})).collect();
        one(json!({"name": "a", "files": files})).err()
    };
    assert_eq!(files(INLINE_FILES_MAX), None);
    assert_eq!(
        files(INLINE_FILES_MAX + 1),
        Some(BodyError::Count { what: "files in one item", max: INLINE_FILES_MAX })
    );
    let items = |count: usize| (0..count).map(|i| json!({"name": i.to_string(), "chunks": []})).collect::<Vec<_>>();
    let page = |count: usize| parse_page(json!({"items": items(count)}).to_string().as_bytes()).err();
    assert_eq!(page(PAGE_ITEMS_MAX), None);
    assert_eq!(page(PAGE_ITEMS_MAX + 1), Some(BodyError::Count { what: "items", max: PAGE_ITEMS_MAX }));
    let too_many = body_of(items(BODY_ITEMS_MAX + 1).into()).err();
    assert_eq!(too_many, Some(BodyError::Count { what: "items", max: BODY_ITEMS_MAX }));
    let collections = vec![json!({"items": []}); COLLECTIONS_MAX + 1];
    let too_many = Body::parse(json!({"collections": collections}).to_string().as_bytes());
    assert_eq!(too_many, Err(BodyError::Count { what: "collections", max: COLLECTIONS_MAX }));
    let size = BODY_MAX + 1;
    assert_eq!(Body::parse(&vec![b' '; size as usize]), Err(BodyError::Long { size, max: BODY_MAX }));
    let pages = json!([{"count": 1001, "tree": tree(5, 0)}]);
    let page = Body::parse(json!({"collections": [{"items": [], "pages": pages}]}).to_string().as_bytes());
    assert!(matches!(page, Err(BodyError::Count { .. })));
    let pages = json!([{"count": 1, "tree": tree(PAGE_MAX + 1, 1)}]);
    let page = Body::parse(json!({"collections": [{"items": [], "pages": pages}]}).to_string().as_bytes());
    assert!(matches!(page, Err(BodyError::Tree(TreeError::TooLong { .. }))));
}

#[test]
fn sums_beyond_reason_are_refused() {
    let file = |i: usize| json!({"path": i.to_string(), "tree": tree(TREE_SIZE_MAX, 2)});
    let files: Vec<_> = (0..46).map(file).collect();
    assert_eq!(one(json!({"name": "a", "files": files})).err(), Some(BodyError::Overflow));
}

#[test]
fn a_body_says_what_the_channel_is() {
    let onion = crate::addr::OnionKey([7; 32]);
    let stream = json!({
        "channel": {"name": "News <b>", "about": "line\nline", "later": 1},
        "peers": ["1.2.3.4:5", "host.example:1", "nonsense", format!("{onion}:80"), "[2001:db8::1]:9"],
        "collections": [{"title": "T", "items": [], "pages": [{"count": 3, "bytes": 4, "tree": tree(5, 0)}], "x": {}}],
        "timestamp": 77, "unknown": [1, {"a": null}],
    });
    let body = Body::parse(stream.to_string().as_bytes()).unwrap();
    assert_eq!((body.name.as_str(), body.about.as_str(), body.timestamp), ("News <b>", "line\nline", 77));
    let peers: Vec<_> = body.peers.iter().map(ToString::to_string).collect();
    assert_eq!(peers, ["1.2.3.4:5".to_owned(), format!("{onion}:80"), "[2001:db8::1]:9".to_owned()]);
    let page = &body.collections[0].pages[0];
    assert_eq!((page.count, page.bytes, page.tree.size), (3, 4, 5));
    assert_eq!(Body::parse(&body.to_json()).unwrap(), body);
    assert_eq!(Body::parse(b"{}"), Err(BodyError::Missing("collections")));
    assert!(matches!(Body::parse(b"[]"), Err(BodyError::Json(JsonError::Type { .. }))));
    assert!(matches!(Body::parse(b"{\"collections\":[]} x"), Err(BodyError::Json(JsonError::Syntax { .. }))));
}

#[test]
fn a_title_beside_the_path_makes_a_folder_of_one() {
    let mut item = one(json!({"name": "a.webm", "chunks": [chunk(1, 0, 5)]})).unwrap();
    item.name = "A film: the title?".to_owned();
    let again = Item::from_json(&item.to_json()).unwrap();
    let (Payload::File(file), Payload::Folder(files)) = (&item.payload, &again.payload) else { panic!("{again:?}") };
    assert_eq!((again.name.as_str(), files.as_slice()), ("A film: the title?", std::slice::from_ref(file)));
}

fn any_key() -> impl Strategy<Value = BlobKey> {
    any::<([u8; 32], [u8; 12])>().prop_map(|(key, nonce)| BlobKey { key, nonce })
}

fn any_tree(max: u64) -> impl Strategy<Value = Tree> {
    (any::<[u8; 32]>(), any_key(), 0..=max).prop_map(|(blob, key, size)| Tree {
        blob: BlobId(blob),
        key,
        size,
        depth: crate::tree::depth_for(size).unwrap(),
    })
}

fn any_chunk() -> impl Strategy<Value = Chunk> {
    (any::<[u8; 32]>(), any_key(), 0..CHUNK_LEN as u32).prop_flat_map(|(blob, key, offset)| {
        (1..=CHUNK_LEN as u32 - offset).prop_map(move |len| Chunk { blob: BlobId(blob), key: key.clone(), offset, len })
    })
}

fn any_file(path: String) -> impl Strategy<Value = FileEntry> {
    let content = prop_oneof![
        proptest::collection::vec(any_chunk(), 0..3).prop_map(Content::Chunks),
        any_tree(1 << 40).prop_map(Content::Tree),
    ];
    (content, proptest::option::of("[a-z]{1,5}/[a-z]{1,5}")).prop_map(move |(content, mime)| {
        let size = match &content {
            Content::Chunks(chunks) => chunks.iter().map(|chunk| u64::from(chunk.len)).sum(),
            Content::Tree(tree) => tree.size,
        };
        FileEntry { path: SafePath::parse(&path).unwrap(), size, mime, content }
    })
}

fn any_payload(name: String) -> impl Strategy<Value = Payload> {
    let files = (0..4).map(|i| any_file(format!("folder/file {i}.bin"))).collect::<Vec<_>>();
    prop_oneof![
        any_file(name).prop_map(Payload::File),
        files.prop_map(Payload::Folder),
        (any_tree(FILES_STREAM_MAX), 0..=SEQUENCE_MAX, 0..=FILES_MAX as u32)
            .prop_map(|(tree, size, count)| Payload::FolderTree { tree, size, count }),
    ]
}

fn any_item() -> impl Strategy<Value = Item> {
    ("[a-zA-Zé日 ]{0,8}[a-z]", any::<[u8; 16]>(), any::<String>(), 0..=SEQUENCE_MAX).prop_flat_map(
        |(name, id, about, published)| {
            any_payload(name.clone()).prop_map(move |payload| Item {
                id: ItemId(id),
                name: name.clone(),
                about: about.clone(),
                published,
                payload,
                left_out: Vec::new(),
            })
        },
    )
}

fn any_body() -> impl Strategy<Value = Body> {
    let page = (0..=1000_u32, 0..=SEQUENCE_MAX, any_tree(PAGE_MAX)).prop_map(|(count, bytes, tree)| PageRef {
        count,
        bytes,
        tree,
    });
    let collection =
        (any::<String>(), proptest::collection::vec(any_item(), 0..3), proptest::collection::vec(page, 0..3))
            .prop_map(|(title, items, pages)| Collection { title, items, pages });
    let peer =
        any::<([u8; 32], u16)>().prop_map(|(key, port)| PeerAddr::Onion(crate::addr::OnionKey(key), port.max(1)));
    (
        any::<String>(),
        any::<String>(),
        proptest::collection::vec(peer, 0..9),
        proptest::collection::vec(collection, 0..3),
        0..=SEQUENCE_MAX,
        proptest::collection::vec(any::<u8>(), 0..=crate::devices::MARK_MAX),
    )
        .prop_map(|(name, about, peers, collections, timestamp, devices)| Body {
            name,
            about,
            peers,
            collections,
            timestamp,
            devices,
        })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn bodies_come_back(body in any_body()) {
        let json = body.to_json();
        prop_assert_eq!(Body::parse(&json).unwrap(), body);
        prop_assert!(serde_json::from_slice::<Value>(&json).is_ok());
    }

    #[test]
    fn pages_and_items_come_back(items in proptest::collection::vec(any_item(), 0..4)) {
        prop_assert_eq!(&parse_page(&page_to_json(&items)).unwrap(), &items);
        for item in items {
            prop_assert_eq!(Item::from_json(&item.to_json()).unwrap(), item);
        }
    }

    #[test]
    fn file_lists_come_back(files in (0..5).map(|i| any_file(format!("{i}/x"))).collect::<Vec<_>>()) {
        prop_assert_eq!(parse_files(&files_to_json(&files)).unwrap(), (files, Vec::new()));
    }

    #[test]
    fn damaged_bodies_are_read_in_peace(body in any_body(), at in any::<prop::sample::Index>(), byte: u8) {
        let mut json = body.to_json();
        let at = at.index(json.len());
        json[at] = byte;
        let _ = Body::parse(&json);
        let _ = Body::parse(&json[..at]);
    }

    #[test]
    fn arbitrary_bytes_are_read_in_peace(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = Body::parse(&bytes);
        let _ = parse_page(&bytes);
        let _ = parse_files(&bytes);
        let _ = Item::from_json(&bytes);
    }
}
