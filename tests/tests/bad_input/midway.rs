//! What happens in the middle of a transfer: the quota is reached, the source is cut, the network goes and comes back.

use super::{Over, Scene, blobs};
use megatorrent_tests::folder;
use megatorrent_tests::hostile::{body_manifest, tree};
use megatorrent_tests::people::{Shelf, publish, text, until};
use megatorrent_tests::process::{Home, PATIENCE};
use megatorrent_tests::relay::{Cable, Relay};
use megatorrent_tests::v5::{self, Blob, Gossip, Habits, Server, V5Error};
use std::fs::File;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

const NOW: u64 = 1_700_000_000_000;
const MIB: u64 = 1 << 20;

#[test]
fn a_quota_that_is_reached_in_mid_transfer_stops_it_and_more_room_lets_it_go_on() {
    let server = Server::start(Habits { hold_after: Some(4), ..Habits::default() }).unwrap();
    let scene = Scene::new("midway-quota", 76, &[server.address()]);
    let mut watch = scene.watch();
    let content: Vec<u8> = (0..12 * MIB).map(|n| (n % 251) as u8).collect();
    let parts = v5::chunks(&content).unwrap();
    let chunks: Vec<String> = parts.iter().map(Blob::entry).collect();
    let json =
        format!("{{\"collections\":[{{\"items\":[{{\"name\":\"film.bin\",\"chunks\":[{}]}}]}}]}}", chunks.join(","));
    let list = Blob::seal(json.as_bytes()).unwrap();
    parts.iter().chain([&list]).for_each(|blob| server.hold(blob));
    assert!(scene.push(&body_manifest(&scene.author, &tree(&list, list.real_size as u64, 0), NOW), NOW));
    // The list and three parts are here; then the person lends less than they thought.
    server.wait_served(4, PATIENCE).unwrap();
    let used = || scene.home.ask(["status"]).unwrap()["used"].as_u64().unwrap();
    let quota = 8 * MIB;
    scene.home.ask(["set", "quota", &quota.to_string()]).unwrap();
    server.release();
    watch.until_cause("quota").unwrap();
    assert!(used() <= quota, "{} bytes under a quota of {quota}", used());
    assert!(!scene.home.downloads().join("film.bin").exists(), "half a file never has the file's name");
    assert_eq!(scene.channel()["items"], 1, "the rest of the node answers");
    let asked = server.requests().len();
    scene.home.ask(["set", "quota", &(100 * MIB).to_string()]).unwrap();
    let ready = watch.until_ready("film.bin").unwrap();
    let path = std::path::Path::new(ready["path"].as_str().unwrap()).join("film.bin");
    assert_eq!(std::fs::read(path).unwrap(), content);
    let again = server.requests().len() - asked;
    assert!(again <= parts.len(), "{again} requests for {} parts", parts.len());
    scene.end();
}

#[test]
fn a_file_that_is_cut_while_its_blobs_are_read_sends_no_wrong_byte() {
    let home = Home::new("cut-source", &[]).unwrap();
    let daemon = home.daemon().unwrap();
    let node = daemon.address().parse().unwrap();
    let path = home.path().join("song.flac");
    // Two parts: as many as a list that names them itself has room for.
    folder::write(&path, 2 * MIB, 77).unwrap();
    let content = std::fs::read(&path).unwrap();
    let published = publish(&home, &path, &[]).unwrap();
    let channel = published["link"].as_str().unwrap().trim_start_matches("megatorrent://").to_owned();
    let ids = blobs(node, &channel);
    let item = text(&published, "item").unwrap();
    let over = AtomicBool::new(false);
    let get = |id: &str| match v5::download(node, id, Gossip::Nothing, None) {
        // The downloader hashes: what is given here is the blob and no other bytes.
        Ok(_) => true,
        Err(V5Error::Refused(why)) => {
            assert_eq!(why, "Not Found");
            false
        }
        Err(other) => panic!("{other}"),
    };
    // Whole for spans of every length up to a third of a second: long enough for a look that finds it right and for a blob
    // that is given after it, and short enough that others are cut in the middle.
    let spans = [0, 3, 300, 10, 100, 1, 30];
    let (mut given, mut refused) = (0, 0);
    std::thread::scope(|scope| {
        let end = Over(&over);
        let cutting = scope.spawn(|| {
            for span in spans.iter().cycle().take_while(|_| !over.load(Ordering::SeqCst)) {
                File::options().write(true).open(&path).unwrap().set_len(MIB + 17).unwrap();
                std::fs::write(&path, &content).unwrap();
                std::thread::sleep(Duration::from_millis(*span));
            }
        });
        let deadline = Instant::now() + Duration::from_secs(120);
        for round in 1.. {
            for id in &ids {
                if get(id) { given += 1 } else { refused += 1 }
            }
            if round % 5 == 0 {
                // What was withdrawn is looked at again, with the file cut and whole by turns: right or wrong, it answers.
                drop(home.run(["verify", &item]).unwrap());
            }
            // Long enough in any case, and then until both were seen.
            if round >= 20 && given > 0 && refused > 0 {
                break;
            }
            assert!(Instant::now() < deadline, "{given} given, {refused} refused: nothing was cut in the middle");
        }
        drop(end);
        cutting.join().unwrap();
    });
    // Whole again, and quiet: shared again.
    std::fs::write(&path, &content).unwrap();
    home.ask(["verify", &item]).unwrap();
    assert!(ids.iter().all(|id| get(id)));
    assert!(!daemon.log().contains("panicked"), "{}", daemon.log());
    daemon.stop(&home).unwrap();
}

/// Parts of an item that is fetched over a cable, of a million bytes each.
const PARTS: u8 = 40;

/// A reader that knows a seeder by a cable only, and is in the middle of fetching from it. The seeder is a plain v5 one:
/// another node would tell where else it can be dialled.
fn in_the_middle(name: &str, seed: u8, cable: Cable) {
    let shelf = Shelf::new([seed; 32], "Forty parts", PARTS).unwrap();
    let server = Server::start(Habits::default()).unwrap();
    shelf.stock(&server);
    let relay = Relay::start(server.address()).unwrap();
    let scene = Scene::new(name, seed, &[relay.address()]);
    // Slow enough that there is a middle.
    scene.home.ask(["set", "down", "2M"]).unwrap();
    let mut watch = scene.watch();
    assert!(scene.push(&shelf.manifest, shelf.sequence));
    let have = |answer: &serde_json::Value| answer[0]["have"].as_u64().filter(|have| *have >= 5_000_000);
    let before = until(&scene.home, &["transfers"], "the middle", have).unwrap();
    relay.set(cable);
    // Nobody is there any more: that is what it says, and nothing is lost.
    let still = |answer: &serde_json::Value| {
        let cause = answer[0]["cause"]["cause"].as_str()?;
        (cause != "moving").then(|| answer[0]["have"].as_u64())?
    };
    let meanwhile = until(&scene.home, &["transfers"], "a cause", still).unwrap();
    assert!((before..u64::from(PARTS) * 1_000_000).contains(&meanwhile), "{before} bytes before, {meanwhile} after");
    scene.home.ask(["set", "down", "off"]).unwrap();
    relay.set(Cable::Whole);
    let ready = watch.until_ready("Forty parts").unwrap();
    for (name, bytes) in &shelf.files {
        assert_eq!(std::fs::read(std::path::Path::new(ready["path"].as_str().unwrap()).join(name)).unwrap(), *bytes);
    }
    // What was here is not asked for again; the few parts that were under way are.
    let asked = server.requests().len();
    assert!(asked <= usize::from(PARTS) + 1 + 8, "{asked} requests");
    scene.end();
}

#[test]
fn a_network_that_is_cut_and_comes_back_goes_on_where_it_stopped() {
    in_the_middle("cut", 78, Cable::Cut);
}

#[test]
fn a_line_that_goes_dead_without_a_word_is_noticed_and_left_behind() {
    in_the_middle("dead", 79, Cable::Dead);
}
