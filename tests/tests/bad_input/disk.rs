//! Folders that cannot be written, disks that are full.
//!
//! Small file systems are mounted in a namespace of this test's own thread, which its child processes share; a machine
//! that allows none (no user namespaces) fails these tests and says so.

use super::{Scene, files, refused};
use megatorrent_tests::hostile::{body_manifest, record, tree};
use megatorrent_tests::process::Home;
use megatorrent_tests::v5::author::collections;
use megatorrent_tests::v5::{self, Blob, Habits, Server};
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

const NOW: u64 = 1_700_000_000_000;
const MIB: u64 = 1 << 20;

/// Runs one test of this file again, as a child in a user and mount namespace of its own; true in that child.
pub(super) fn in_a_namespace(test: &str) -> bool {
    const MARK: &str = "MEGATORRENT_TEST_NAMESPACE";
    if std::env::var_os(MARK).is_some() {
        return true;
    }
    let mut command = Command::new("unshare");
    command.args(["--user", "--map-root-user", "--mount", "--"]);
    command.arg(std::env::current_exe().unwrap()).args(["--exact", test, "--nocapture"]).env(MARK, "1");
    let status = command.stdin(Stdio::null()).status().expect("unshare (util-linux) is there");
    assert!(status.success(), "{test} inside its namespace: {status}");
    false
}

pub(super) fn mount(folder: &Path, options: &str) {
    fs::create_dir_all(folder).unwrap();
    let status = Command::new("mount").args(["-t", "tmpfs", "-o", options, "tmpfs"]).arg(folder).status().unwrap();
    assert!(status.success(), "a small file system at {}: {status}", folder.display());
}

#[test]
fn a_folder_that_cannot_be_written_is_named() {
    if !in_a_namespace("disk::a_folder_that_cannot_be_written_is_named") {
        return;
    }
    let server = Server::start(Habits::default()).unwrap();
    let scene = Scene::new("not-writable", 81, &[server.address()]);
    let read_only = scene.home.path().join("read-only");
    // The daemon started before the mount, in the same namespace: it sees it.
    mount(&read_only, "ro,size=1m");
    let blocked = scene.home.path().join("blocked");
    fs::write(&blocked, b"a file stands where the folder should be").unwrap();
    let mut watch = scene.watch();
    let blobs = v5::chunks(b"content").unwrap();
    server.hold(&blobs[0]);
    scene.home.ask(["unsubscribe", &scene.author.channel()]).unwrap();
    scene.home.ask(["subscribe", &scene.author.link(), "--fetch", "none"]).unwrap();
    scene.publish(&mut watch, &collections(&[("note.txt", &blobs)]), NOW);
    let item = format!("{}/note.txt", scene.author.channel());

    let in_the_way = [blocked.to_str().unwrap(), "is no folder, and one is needed there"];
    for folder in [&blocked, &blocked.join("below")] {
        let answer = scene.home.run(["get", &item, "-o", folder.to_str().unwrap()]).unwrap();
        refused(&answer, 6, "io", &in_the_way);
    }
    for folder in [&read_only, &read_only.join("new")] {
        let text = folder.to_str().unwrap();
        let answer = scene.home.run(["get", &item, "-o", text]).unwrap();
        refused(&answer, 6, "io", &[text, "cannot be written"]);
    }
    let cause = &scene.home.ask(["items", &scene.author.channel()]).unwrap()[0]["cause"];
    assert_eq!(cause["cause"], "folder_not_writable");
    assert_eq!(fs::read(&blocked).unwrap(), b"a file stands where the folder should be", "nothing was overwritten");
    // Another folder, and it arrives.
    let good = scene.home.path().join("good");
    scene.home.ask(["get", &item, "-o", good.to_str().unwrap()]).unwrap();
    assert_eq!(fs::read(good.join("note.txt")).unwrap(), b"content");
    scene.end();
}

#[test]
fn a_data_folder_that_cannot_be_made_is_named() {
    let home = Home::new("no-data", &[]).unwrap();
    fs::write(home.data(), b"a file").unwrap();
    let answer = home.run(["status"]).unwrap();
    refused(&answer, 6, "io", &[home.data().to_str().unwrap()]);
    assert_eq!(fs::read(home.data()).unwrap(), b"a file");
}

#[test]
fn downloads_do_not_begin_to_move_to_a_disk_without_room() {
    if !in_a_namespace("disk::downloads_do_not_begin_to_move_to_a_disk_without_room") {
        return;
    }
    let server = Server::start(Habits::default()).unwrap();
    let scene = Scene::new("no-room", 85, &[server.address()]);
    let (small, large) = (scene.home.path().join("small"), scene.home.path().join("large"));
    mount(&small, "size=1m");
    mount(&large, "size=12m");
    let mut watch = scene.watch();
    // As many blobs as a manifest names by itself.
    let content: Vec<u8> = (0..2 * MIB).map(|at| (at ^ (at >> 11)) as u8).collect();
    let blobs = v5::chunks(&content).unwrap();
    blobs.iter().for_each(|blob| server.hold(blob));
    scene.publish(&mut watch, &collections(&[("film.bin", &blobs)]), NOW);
    watch.until_ready("film.bin").unwrap();
    let before = files(&scene.home.downloads());

    let refusal = scene.home.run(["move-data", small.to_str().unwrap()]).unwrap();
    refused(&refusal, 6, "disk_full", &["small", "has no room", "1.0 MB are free", "2.0 MB are needed"]);
    assert_eq!(fs::read_dir(&small).unwrap().count(), 0, "nothing was begun");
    assert_eq!(files(&scene.home.downloads()), before);
    assert_eq!(scene.home.ask(["set"]).unwrap()["download_dir"], scene.home.downloads().to_str().unwrap());
    scene.home.ask(["move-data", large.to_str().unwrap()]).unwrap();
    assert_eq!(files(&large), before);
    assert_eq!(fs::read(large.join(&before[0])).unwrap(), content);
    assert_eq!(files(&scene.home.downloads()), Vec::<String>::new());
    scene.end();
}

#[test]
fn a_full_disk_pauses_a_download_and_loses_nothing() {
    if !in_a_namespace("disk::a_full_disk_pauses_a_download_and_loses_nothing") {
        return;
    }
    let server = Server::start(Habits::default()).unwrap();
    let scene = Scene::unsubscribed("disk-full", 82, &[server.address()]);
    let small = scene.home.path().join("small");
    mount(&small, "size=5m");
    scene.home.ask(["subscribe", &scene.author.link(), "--fetch", "none"]).unwrap();
    let mut watch = scene.watch();
    let content: Vec<u8> = (0..8 * MIB).map(|n| u8::try_from(n % 253).unwrap()).collect();
    let blobs = v5::chunks(&content).unwrap();
    let chunks: Vec<String> = blobs.iter().map(Blob::entry).collect();
    let note = v5::chunks(b"small").unwrap();
    let json = format!(
        "{{\"collections\":[{{\"items\":[{{\"name\":\"film.bin\",\"chunks\":[{}]}},{{\"name\":\"note.txt\",\"chunks\":[{}]}}]}}]}}",
        chunks.join(","),
        note[0].entry()
    );
    let list = Blob::seal(json.as_bytes()).unwrap();
    blobs.iter().chain(&note).chain([&list]).for_each(|blob| server.hold(blob));
    let manifest = body_manifest(&scene.author, &tree(&list, list.real_size as u64, 0), NOW);
    scene.push(&manifest, NOW);
    watch
        .until("the list", |event| (scene.is_channel(event, NOW) && event["data"]["items"] == 2).then_some(()))
        .unwrap();

    let item = |name: &str| format!("{}/{name}", scene.author.channel());
    let answer = scene.home.run(["get", &item("film.bin"), "-o", small.to_str().unwrap()]).unwrap();
    let said = refused(&answer, 6, "disk_full", &["Disk full", "free", "needed", "goes on"]);
    assert!(!said.contains(", 0 B needed"), "{said}");
    assert!(!small.join("film.bin").exists(), "half a file never has the file's name");
    // The rest of the node works: another item, on another disk.
    scene.home.ask(["get", &item("note.txt"), "-o", scene.home.downloads().to_str().unwrap()]).unwrap();
    let asked = server.requests().len();

    // With room again the same command goes on. What has no room is refused before it is fetched: no part comes twice.
    let status = Command::new("mount").args(["-o", "remount,size=20m"]).arg(&small).status().unwrap();
    assert!(status.success());
    scene.home.ask(["get", &item("film.bin"), "-o", small.to_str().unwrap()]).unwrap();
    assert_eq!(fs::read(small.join("film.bin")).unwrap(), content);
    let again = server.requests().len() - asked;
    assert!(again <= blobs.len(), "{again} requests for {} parts", blobs.len());
    scene.end();
}

#[test]
fn thirteen_gigabytes_out_of_two_blobs_stop_at_the_disks_end() {
    if !in_a_namespace("disk::thirteen_gigabytes_out_of_two_blobs_stop_at_the_disks_end") {
        return;
    }
    let server = Server::start(Habits::default()).unwrap();
    let scene = Scene::unsubscribed("two-blobs", 83, &[server.address()]);
    let small = scene.home.path().join("small");
    mount(&small, "size=24m");
    scene.home.ask(["subscribe", &scene.author.link(), "--fetch", "none"]).unwrap();
    let mut watch = scene.watch();
    let leaf = Blob::seal(&vec![9; MIB as usize]).unwrap();
    let table = Blob::seal(&record(&leaf).unwrap().repeat(13_797)).unwrap();
    let size = 13_797 * MIB;
    let file = tree(&table, size, 1);
    let json =
        format!("{{\"collections\":[{{\"items\":[{{\"name\":\"bomb.bin\",\"size\":{size},\"tree\":{file}}}]}}]}}");
    let list = Blob::seal(json.as_bytes()).unwrap();
    [&leaf, &table, &list].into_iter().for_each(|blob| server.hold(blob));
    scene.push(&body_manifest(&scene.author, &tree(&list, list.real_size as u64, 0), NOW), NOW);
    watch
        .until("the list", |event| (scene.is_channel(event, NOW) && event["data"]["items"] == 1).then_some(()))
        .unwrap();

    let item = format!("{}/bomb.bin", scene.author.channel());
    let answer = scene.home.run(["get", &item, "-o", small.to_str().unwrap()]).unwrap();
    refused(&answer, 6, "disk_full", &["Disk full", "14.4 GB needed"]);
    let peak = scene.daemon.peak_memory().unwrap();
    assert!(peak < 400 << 20, "{peak} bytes of memory for three blobs");
    // It is removed, and its bytes with it.
    scene.home.ask(["remove", &item, "--delete"]).unwrap();
    assert_eq!(files(&small), Vec::<String>::new());
    assert_eq!(scene.home.ask(["status"]).unwrap()["peers"].as_u64(), Some(1), "its server is not to blame");
    scene.end();
}

#[test]
fn a_full_data_folder_refuses_a_publication_and_stays_whole() {
    if !in_a_namespace("disk::a_full_data_folder_refuses_a_publication_and_stays_whole") {
        return;
    }
    let home = Home::new("data-full", &[]).unwrap();
    mount(&home.data(), "size=6m,mode=700");
    let daemon = home.daemon().unwrap();
    home.ask(["id", "new", "alice"]).unwrap();
    let folder = home.path().join("source");
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join("a.txt"), b"first").unwrap();
    home.ask(["publish", folder.join("a.txt").to_str().unwrap()]).unwrap();
    // Someone else takes what is left but a little.
    let ballast = home.data().join("ballast");
    let mut size = 6 * MIB;
    while fs::write(&ballast, vec![0; usize::try_from(size).unwrap()]).is_err() {
        size -= 64 * 1024;
    }
    for n in 0..40 {
        fs::write(folder.join(format!("{n}.bin")), [n; 3000]).unwrap();
    }
    let answer = home.run(["publish", folder.to_str().unwrap()]).unwrap();
    refused(&answer, 6, "disk_full", &["full"]);
    let names = |home: &Home| -> Vec<String> {
        let items = home.ask(["items", "alice"]).unwrap();
        items.as_array().unwrap().iter().map(|item| item["name"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(names(&home), ["a.txt"], "what was published stays, what was not is not in the list");
    fs::remove_file(&ballast).unwrap();
    home.ask(["publish", folder.to_str().unwrap()]).unwrap();
    assert_eq!(names(&home), ["source", "a.txt"]);
    daemon.stop(&home).unwrap();
    let again = home.daemon().unwrap();
    assert_eq!(names(&home), ["source", "a.txt"], "and after a restart");
    again.stop(&home).unwrap();
}
