//! Tables whose counts lie, files made of one blob over and over, blobs that hash wrong, bodies that are none.

use super::{Scene, refused};
use megatorrent_tests::hostile::{body_manifest, record, tree};
use megatorrent_tests::v5::author::collections;
use megatorrent_tests::v5::{self, Blob, Habits, Server};

const NOW: u64 = 1_700_000_000_000;
const MIB: u64 = 1 << 20;

/// An item of one file behind a tree, in a body of its own.
fn body(name: &str, tree: &str, size: u64) -> Blob {
    let json = format!("{{\"collections\":[{{\"items\":[{{\"name\":\"{name}\",\"size\":{size},\"tree\":{tree}}}]}}]}}");
    Blob::seal(json.as_bytes()).unwrap()
}

#[test]
fn bodies_and_tables_that_lie_are_named_and_the_old_list_stays() {
    let server = Server::start(Habits::default()).unwrap();
    let scene = Scene::new("tables", 51, &[server.address()]);
    let mut watch = scene.watch();
    scene.publish(&mut watch, &collections(&[("kept.txt", &[])]), NOW);

    let hold = |bytes: &[u8]| {
        let blob = Blob::seal(bytes).unwrap();
        server.hold(&blob);
        blob
    };
    let small = hold(b"{\"collections\":[]}");
    let nested = format!("{{\"collections\":[],\"x\":{}", "[".repeat(1 << 20));
    let deep = hold(&nested.as_bytes()[..1 << 20]);
    let noise = hold(&[0xff; 1000]);
    let page = hold(b"{\"items\":[{\"name\":\"one\",\"chunks\":[]},{\"name\":\"two\",\"chunks\":[]}],\"items\":[]}");
    let page_tree = tree(&page, page.real_size as u64, 0);
    let paged = hold(
        format!("{{\"collections\":[{{\"pages\":[{{\"count\":1,\"bytes\":0,\"tree\":{page_tree}}}]}}]}}").as_bytes(),
    );
    let chunk = format!(
        "{{\"blobId\":\"{0}\",\"key\":\"{0}\",\"nonce\":\"{1}\",\"realSize\":10}}",
        "ab".repeat(32),
        "ab".repeat(12)
    );
    let sums = hold(
        format!("{{\"collections\":[{{\"items\":[{{\"name\":\"x\",\"size\":11,\"chunks\":[{chunk}]}}]}}]}}").as_bytes(),
    );
    let huge = hold(
        format!("{{\"collections\":[{{\"items\":[{{\"name\":\"x\",\"size\":1e18,\"chunks\":[{chunk}]}}]}}]}}")
            .as_bytes(),
    );
    let mut wrong_key = small.clone();
    wrong_key.key = [1; 32];
    let cases = [
        ("a depth that does not fit", tree(&small, 18, 1), "depth 1 does not fit a stream of 18 bytes"),
        ("too shallow", tree(&small, 2 * MIB, 0), "depth 0 does not fit"),
        ("a body beyond 16 MiB", tree(&small, 17 * MIB, 1), "17825792 bytes where 16777216 are allowed"),
        ("more than any tree", tree(&small, (1 << 53) - 1, 2), "allowed"),
        ("a megabyte of nesting", tree(&deep, MIB, 0), "nested more than 32 deep"),
        ("not text", tree(&noise, 1000, 0), "not UTF-8"),
        ("another key", tree(&wrong_key, 18, 0), "does not open"),
        ("a page that names its items twice", tree(&paged, paged.real_size as u64, 0), "names a member twice"),
        ("chunks that do not add up", tree(&sums, sums.real_size as u64, 0), "11"),
        ("a size that is no whole number", tree(&huge, huge.real_size as u64, 0), "whole number"),
    ];
    let mut sequence = NOW;
    for (what, tree, words) in cases {
        sequence += 1;
        assert!(scene.push(&body_manifest(&scene.author, &tree, sequence), sequence), "{what}: rightly signed");
        let told = watch.until(what, |event| {
            let cause = &event["data"]["cause"];
            (event["data"]["sequence"] == sequence && cause["cause"] == "bad_content").then(|| cause["what"].clone())
        });
        let told = told.unwrap();
        assert!(told.as_str().unwrap().contains(words), "{what}: {told}");
        let items = scene.home.ask(["items", &scene.author.channel()]).unwrap();
        assert_eq!(items[0]["name"], "kept.txt", "{what}: the last good list stays");
    }
    // What is right again is taken again, and the cause goes.
    scene.publish(&mut watch, &collections(&[("new.txt", &[])]), sequence + 1);
    watch.until_ready("new.txt").unwrap();
    assert!(scene.channel()["cause"].is_null());
    scene.end();
}

#[test]
fn one_who_asks_for_a_list_that_cannot_be_read_is_told_why() {
    let server = Server::start(Habits::default()).unwrap();
    let scene = Scene::unsubscribed("unreadable", 52, &[server.address()]);
    let blob = Blob::seal(b"{\"collections\":5}").unwrap();
    server.hold(&blob);
    let manifest = body_manifest(&scene.author, &tree(&blob, 17, 0), NOW);
    std::thread::scope(|scope| {
        let got = scope.spawn(|| scene.home.run(["get", &scene.author.link()]).unwrap());
        let deadline = std::time::Instant::now() + megatorrent_tests::process::PATIENCE;
        while scene.home.run(["items", &scene.author.channel()]).unwrap().code != Some(0) {
            assert!(std::time::Instant::now() < deadline, "the channel is not followed");
        }
        scene.push(&manifest, NOW);
        refused(&got.join().unwrap(), 7, "bad_content", &["publisher", "an array"]);
    });
    scene.end();
}

#[test]
fn a_table_with_too_few_records_only_stops_its_item() {
    let server = Server::start(Habits::default()).unwrap();
    let scene = Scene::new("few-records", 53, &[server.address()]);
    let mut watch = scene.watch();
    // Three records are due; one is there, behind it stands noise that names blobs nobody has.
    let leaf = Blob::seal(&[7; MIB as usize]).unwrap();
    let table = Blob::seal(&record(&leaf).unwrap()).unwrap();
    let list = body("short.bin", &tree(&table, 3 * MIB, 1), 3 * MIB);
    for blob in [&leaf, &table, &list] {
        server.hold(blob);
    }
    scene.push(&body_manifest(&scene.author, &tree(&list, list.real_size as u64, 0), NOW), NOW);
    let item = watch.until("the first part", |event| {
        (event["data"]["name"] == "short.bin" && event["data"]["have"] == MIB).then(|| event["data"].clone())
    });
    assert_ne!(item.unwrap()["state"], "complete");
    // Others go on.
    let blobs = v5::chunks(b"what is well made").unwrap();
    server.hold(&blobs[0]);
    scene.publish(&mut watch, &collections(&[("well.txt", &blobs)]), NOW + 1);
    let ready = watch.until_ready("well.txt").unwrap();
    let path = std::path::Path::new(ready["path"].as_str().unwrap()).join("well.txt");
    assert_eq!(std::fs::read(path).unwrap(), b"what is well made");
    scene.end();
}

#[test]
fn a_blob_that_hashes_wrong_is_never_kept_and_comes_from_another() {
    let (liar, honest) = (
        Server::start(Habits { corrupt: true, ..Habits::default() }).unwrap(),
        Server::start(Habits { hold_after: Some(0), ..Habits::default() }).unwrap(),
    );
    let scene = Scene::new("corrupt", 54, &[liar.address(), honest.address()]);
    let mut watch = scene.watch();
    let content: Vec<u8> = (0..3 * MIB).map(|n| u8::try_from(n % 251).unwrap()).collect();
    let blobs = v5::chunks(&content).unwrap();
    blobs.iter().for_each(|blob| [&liar, &honest].into_iter().for_each(|server| server.hold(blob)));
    // 996 bytes hold two chunks: the third stands in a body.
    let chunks: Vec<String> = blobs.iter().map(Blob::entry).collect();
    let json =
        format!("{{\"collections\":[{{\"items\":[{{\"name\":\"film.bin\",\"chunks\":[{}]}}]}}]}}", chunks.join(","));
    let list = Blob::seal(json.as_bytes()).unwrap();
    honest.hold(&list);
    honest.release();
    scene.push(&body_manifest(&scene.author, &tree(&list, list.real_size as u64, 0), NOW), NOW);
    let ready = watch.until_ready("film.bin").unwrap();
    let path = std::path::Path::new(ready["path"].as_str().unwrap()).join("film.bin");
    assert_eq!(std::fs::read(path).unwrap(), content);
    assert_eq!(liar.death(), None, "nothing was sent that kills a v5 process");
    // It is not dialled again for a while, though the user named it.
    let dialled = liar.connections();
    let more = v5::chunks(b"more").unwrap();
    honest.hold(&more[0]);
    scene.publish(&mut watch, &collections(&[("more.txt", &more)]), NOW + 1);
    watch.until_ready("more.txt").unwrap();
    if liar.requests().iter().any(|id| blobs.iter().any(|blob| blob.id == *id)) {
        assert_eq!(liar.connections(), dialled, "a liar is left alone");
    }
    scene.end();
}
