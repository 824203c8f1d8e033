//! Source files that change or go, while they are published and afterwards.

use super::{blobs, refused};
use megatorrent_tests::process::{Daemon, Home, Watch};
use megatorrent_tests::v5::{self, Gossip, V5Error};
use std::fs::{self, File};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

/// A name, the word that the message says, and what is done to the file.
type Case = (&'static str, &'static str, fn(&Path));

struct Publisher {
    home: Home,
    daemon: Daemon,
    folder: PathBuf,
}

impl Publisher {
    fn new(name: &str) -> Self {
        let home = Home::new(name, &[]).unwrap();
        let daemon = home.daemon().unwrap();
        home.ask(["id", "new", "alice"]).unwrap();
        let folder = home.path().join("source");
        fs::create_dir(&folder).unwrap();
        Self { home, daemon, folder }
    }

    fn node(&self) -> SocketAddr {
        self.daemon.address().parse().unwrap()
    }

    fn file(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.folder.join(name);
        fs::write(&path, bytes).unwrap();
        path
    }

    fn items(&self) -> serde_json::Value {
        self.home.ask(["items", "alice"]).unwrap()
    }
}

/// Publishes a folder, and does something to it as soon as sealing has begun.
fn disturbed(name: &str, disturb: impl FnOnce(&Path) + Send) -> (Publisher, megatorrent_tests::process::Answer) {
    let publisher = Publisher::new(name);
    let mut watch = publisher.daemon.watch(&publisher.home).unwrap();
    // A file of holes takes the disk nothing and the sealing some seconds.
    File::create(publisher.folder.join("big.bin")).unwrap().set_len(3 << 30).unwrap();
    publisher.file("last.txt", &vec![1; 600_000]);
    let answer = std::thread::scope(|scope| {
        let publishing = scope.spawn(|| publisher.home.run(["publish", publisher.folder.to_str().unwrap()]).unwrap());
        watch
            .until("sealing", |event| {
                let begun = event["data"]["stage"] == "seal" && event["data"]["done"].as_u64() > Some(0);
                (event["event"] == "publishing" && begun).then_some(())
            })
            .unwrap();
        disturb(&publisher.folder);
        publishing.join().unwrap()
    });
    (publisher, answer)
}

#[test]
fn a_file_that_changes_or_goes_while_it_is_published_stops_that_publication() {
    let cases: [Case; 3] = [
        ("shorter", "big.bin", |folder| {
            File::options().write(true).open(folder.join("big.bin")).unwrap().set_len(1 << 20).unwrap();
        }),
        ("written", "big.bin", |folder| {
            use std::io::Write as _;
            File::options().append(true).open(folder.join("big.bin")).unwrap().write_all(b"more").unwrap();
        }),
        ("gone", "last.txt", |folder| fs::remove_file(folder.join("last.txt")).unwrap()),
    ];
    for (name, file, disturb) in cases {
        let (publisher, answer) = disturbed(name, disturb);
        refused(&answer, 6, "source_changed", &[file, "changed while it was published", "Nothing was published"]);
        assert_eq!(publisher.items().as_array().unwrap().len(), 0, "{name}: nothing is in the list");
        // The next try, with files that hold still, works.
        fs::remove_file(publisher.folder.join("big.bin")).unwrap();
        publisher.file("still.txt", b"quiet");
        publisher.home.ask(["publish", publisher.folder.to_str().unwrap()]).unwrap();
        assert_eq!(publisher.items().as_array().unwrap().len(), 1);
        publisher.daemon.stop(&publisher.home).unwrap();
    }
}

/// Waits for the word that a file is no longer shared.
fn until_withdrawn(watch: &mut Watch, file: &str) {
    watch
        .until("the notice", |event| {
            let said = event["data"]["message"].as_str().unwrap_or_default();
            let notice = event["event"] == "notice" && event["data"]["code"] == "source_changed";
            (notice && said.contains(file) && said.contains("no longer shared")).then_some(())
        })
        .unwrap();
}

#[test]
fn changed_bytes_never_leave_and_right_ones_come_back() {
    let publisher = Publisher::new("changed-later");
    let content: Vec<u8> = (0..1_300_000_u32).map(|n| n.to_le_bytes()[n as usize % 3]).collect();
    let path = publisher.file("song.flac", &content);
    let published = publisher.home.ask(["publish", path.to_str().unwrap()]).unwrap();
    let channel = published["link"].as_str().unwrap().trim_start_matches("megatorrent://").to_owned();
    let ids = blobs(publisher.node(), &channel);
    assert_eq!(ids.len(), 2);
    let get = |id: &str| v5::download(publisher.node(), id, Gossip::Nothing, None);
    let none = |id: &str, what: &str| match get(id) {
        Err(V5Error::Refused(why)) => assert_eq!(why, "Not Found", "{what}"),
        other => panic!("{what}: {:?}", other.map(|bytes| bytes.len())),
    };
    ids.iter().for_each(|id| assert_eq!(get(id).unwrap().len(), v5::BLOB_LEN));
    let held = |publisher: &Publisher| publisher.home.ask(["status"]).unwrap()["blobs"].as_u64().unwrap();
    let before = held(&publisher);
    let mut watch = publisher.daemon.watch(&publisher.home).unwrap();

    // One byte of the second part, under the old size and the old modification time.
    let (changed_at, mut altered) = (fs::metadata(&path).unwrap().modified().unwrap(), content.clone());
    altered[1_200_000] ^= 1;
    fs::write(&path, &altered).unwrap();
    File::options().write(true).open(&path).unwrap().set_modified(changed_at).unwrap();
    none(&ids[1], "a changed byte");
    until_withdrawn(&mut watch, "song.flac");
    assert_eq!(get(&ids[0]).unwrap().len(), v5::BLOB_LEN, "the part that did not change is still shared");
    none(&ids[1], "asked again");
    assert_eq!(held(&publisher), before - 1, "its blob is withdrawn");
    let item = &publisher.items()[0];
    assert_eq!((&item["state"], &item["cause"]["cause"]), (&"changed".into(), &"files_changed".into()));
    let id = item["id"].as_str().unwrap().to_owned();
    let report = publisher.home.run(["verify", &id]).unwrap();
    assert_eq!(report.code, Some(6), "{report:?}");

    // Its own bytes again: verified, shared again.
    fs::write(&path, &content).unwrap();
    let report = publisher.home.ask(["verify", &id]).unwrap();
    assert_eq!((report["bad"].as_u64(), report["good"].as_u64()), (Some(0), Some(2)));
    ids.iter().for_each(|id| assert_eq!(get(id).unwrap().len(), v5::BLOB_LEN, "shared again"));
    assert_eq!(publisher.items()[0]["state"], "published");

    // Gone altogether, and then found elsewhere.
    let moved = publisher.folder.join("moved.flac");
    fs::rename(&path, &moved).unwrap();
    none(&ids[0], "a file that is gone");
    until_withdrawn(&mut watch, "song.flac");
    none(&ids[1], "a file that is gone");
    publisher.home.ask(["locate", &id, moved.to_str().unwrap()]).unwrap();
    ids.iter().for_each(|id| assert_eq!(get(id).unwrap().len(), v5::BLOB_LEN, "found again"));
    publisher.daemon.stop(&publisher.home).unwrap();
}
