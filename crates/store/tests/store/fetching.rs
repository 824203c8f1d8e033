//! Downloads: blobs find their places, and a killed process loses none of them.

use crate::world::{CHANNEL, ITEM, Made, OTHER, Padding, World, bytes, files_below, folder, make};
use protocol::params::CHUNK_LEN;
use protocol::{BlobKey, Chunk, SafePath};
use std::collections::BTreeSet;
use std::fs;
use store::{PlanFile, Standing, StoreError};

#[test]
fn a_download_arrives_whole_and_is_held_without_a_second_copy() {
    let mut world = World::new();
    let made = folder(10, Padding::Ours);
    world.plan(ITEM, &world.root(), &made);
    assert_eq!(world.standing(ITEM), Standing::Wanted);
    let total: usize = made.plain.values().map(Vec::len).sum();
    let mut have = 0;
    for (number, blob) in world.lacks(ITEM).iter().enumerate() {
        let placed = world.place(made.blobs[blob].clone()).unwrap();
        let [(CHANNEL, ITEM, now)] = placed.items[..] else { panic!("{placed:?}") };
        assert!(now > have, "the plain bytes here rise");
        have = now;
        assert_eq!(placed.finished.is_empty(), number + 1 < made.blobs.len());
        assert!(world.has(blob).unwrap() && placed.unopenable.is_empty() && placed.lost.is_empty());
    }
    assert_eq!(have, total as u64);
    assert_eq!(world.have_bytes(&CHANNEL, &ITEM).unwrap(), have);
    assert_eq!(world.unfinished().unwrap(), [(CHANNEL, ITEM)]);
    assert!(matches!(world.finish_item(&CHANNEL, &OTHER), Err(StoreError::Incomplete)));
    world.finish_item(&CHANNEL, &ITEM).unwrap();
    made.assert_at(&world.root());
    assert_eq!(files_below(&world.root()).len(), made.plain.len(), "no part file is left");
    assert_eq!(world.blob_files(), 0, "every blob can be made from the files");
    assert_eq!(world.held(), made.ids());
    world.read_all();
    world.assert_tidy();
    assert_eq!(world.read_all(), made.blobs.len());
}

#[test]
fn blobs_with_foreign_padding_stay_stored() {
    let mut world = World::new();
    let made = folder(20, Padding::Noise);
    world.download(ITEM, &world.root(), &made);
    made.assert_at(&world.root());
    // Blobs without padding are made from the files even so.
    let full = made.plain.values().map(|plain| plain.len() / CHUNK_LEN).sum::<usize>();
    assert_eq!(world.blob_files(), made.blobs.len() - full);
    assert_eq!(world.read_all(), made.blobs.len());
    world.assert_tidy();
}

#[test]
fn a_killed_process_fetches_no_blob_twice() {
    for padding in [Padding::Ours, Padding::Noise] {
        let mut world = World::new();
        let made = folder(30, padding);
        world.plan(ITEM, &world.root(), &made);
        let mut fetched = BTreeSet::new();
        while let Some(blob) = world.lacks(ITEM).first().copied() {
            assert!(fetched.insert(blob), "asked for again");
            world.place(made.blobs[&blob].clone()).unwrap();
            assert_eq!(world.crash().lost, 0);
            assert_eq!(world.read_all(), fetched.len());
        }
        assert_eq!(world.unfinished().unwrap(), [(CHANNEL, ITEM)]);
        world.finish_item(&CHANNEL, &ITEM).unwrap();
        world.crash();
        made.assert_at(&world.root());
        world.assert_tidy();
    }
}

#[test]
fn finishing_again_after_a_crash_half_way_is_right() {
    let mut world = World::new();
    let made = folder(40, Padding::Ours);
    world.plan(ITEM, &world.root(), &made);
    world.fetch(ITEM, &made);
    // As far as a process came that was killed between two renames: nothing of it is recorded.
    for name in ["a.txt", "big.bin"] {
        fs::rename(world.root().join(format!("{name}.part")), world.root().join(name)).unwrap();
    }
    world.crash();
    assert_eq!(world.read_all(), made.blobs.len());
    world.finish_item(&CHANNEL, &ITEM).unwrap();
    made.assert_at(&world.root());
    assert_eq!(files_below(&world.root()).len(), made.plain.len());
    world.assert_tidy();
}

#[test]
fn the_same_blob_twice_and_foreign_blobs_change_nothing() {
    let world = World::new();
    let made = folder(50, Padding::Ours);
    world.plan(ITEM, &world.root(), &made);
    let blob = &made.blobs[&world.lacks(ITEM)[0]];
    world.place(blob.clone()).unwrap();
    let have = world.have_bytes(&CHANNEL, &ITEM).unwrap();
    let again = world.place(blob.clone()).unwrap();
    assert!(again.items.is_empty() && again.finished.is_empty());
    assert_eq!(world.have_bytes(&CHANNEL, &ITEM).unwrap(), have);
    let foreign = make(51, Padding::Ours, &[("x", bytes(1, 10))]);
    for blob in foreign.blobs.values() {
        assert!(world.place(blob.clone()).unwrap().items.is_empty());
        assert!(!world.has(&blob.id()).unwrap());
    }
}

#[test]
fn what_an_item_lacks_comes_in_order_once_and_without_what_is_skipped() {
    let world = World::new();
    let made = folder(60, Padding::Ours);
    world.plan(ITEM, &world.root(), &made);
    let all = world.lacks(ITEM);
    assert_eq!(all.iter().copied().collect::<BTreeSet<_>>(), made.ids());
    assert_eq!(all.len(), made.blobs.len());
    assert_eq!(world.missing(&CHANNEL, &ITEM, 2, &|_| false).unwrap(), all[..2]);
    let rest = world.missing(&CHANNEL, &ITEM, 100, &|blob| all[..2].contains(blob)).unwrap();
    assert_eq!(rest, all[2..]);
}

#[test]
fn one_blob_serves_two_items_and_goes_with_the_last() {
    for padding in [Padding::Ours, Padding::Noise] {
        let mut world = World::new();
        let made = folder(70, padding);
        let other_root = world.tmp.path().join("downloads/other");
        world.plan(ITEM, &world.root(), &made);
        world.plan(OTHER, &other_root, &made);
        world.fetch(ITEM, &made);
        assert_eq!(world.lacks(OTHER), [], "each came once, for both");
        world.finish_item(&CHANNEL, &ITEM).unwrap();
        world.finish_item(&CHANNEL, &OTHER).unwrap();
        made.assert_at(&other_root);
        assert_eq!(world.remove_item(&CHANNEL, &ITEM, true).unwrap().gone, [], "the other item needs them all");
        assert!(!world.root().exists());
        assert_eq!(world.read_all(), made.blobs.len());
        let gone: BTreeSet<_> = world.remove_item(&CHANNEL, &OTHER, true).unwrap().gone.into_iter().collect();
        assert_eq!(gone, made.ids());
        assert_eq!((world.totals().unwrap().blobs, world.blob_files()), (0, 0));
        world.assert_tidy();
    }
}

#[test]
fn a_plan_begins_with_what_is_here() {
    let world = World::new();
    let made = folder(80, Padding::Ours);
    world.download(ITEM, &world.root(), &made);
    let root = world.tmp.path().join("downloads/second");
    world.plan(OTHER, &root, &made);
    assert_eq!(world.lacks(OTHER), []);
    assert_eq!(world.unfinished().unwrap(), [(CHANNEL, OTHER)]);
    world.finish_item(&CHANNEL, &OTHER).unwrap();
    made.assert_at(&root);
}

#[test]
fn a_key_that_does_not_open_its_blob_is_the_publishers_fault() {
    let world = World::new();
    let made = make(90, Padding::Ours, &[("x", bytes(1, 200 << 10))]);
    let mut plan = made.plan(&world.root());
    plan[0].chunks[0].key.key[0] ^= 1;
    world.plan_download(&CHANNEL, &ITEM, &world.root(), plan).unwrap();
    let placed = world.place(made.blobs.values().next().unwrap().clone()).unwrap();
    assert_eq!(placed.unopenable, [(CHANNEL, ITEM)]);
    assert!(placed.items.is_empty());
    assert_eq!((world.lacks(ITEM), world.totals().unwrap().blobs), (vec![], 0));
    assert!(matches!(world.finish_item(&CHANNEL, &ITEM), Err(StoreError::Incomplete)));
}

#[test]
fn a_plan_that_contradicts_itself_is_refused_before_anything_happens() {
    let world = World::new();
    let key = BlobKey { key: [1; 32], nonce: [1; 12] };
    let chunk = |offset, len| Chunk { blob: protocol::BlobId([3; 32]), key: key.clone(), offset, len };
    let bad = [(5, vec![chunk(0, 4)]), (u64::from(u32::MAX), vec![chunk(1, u32::MAX)]), (2, vec![chunk(1 << 20, 2)])];
    for (size, chunks) in bad {
        let path = SafePath::parse("x").unwrap();
        let plan = vec![PlanFile { path, disk: "x".into(), size, mime: None, mtime_ns: 0, chunks }];
        let refused = world.plan_download(&CHANNEL, &ITEM, &world.root(), plan);
        assert!(matches!(refused, Err(StoreError::BadPlan { .. })), "{refused:?}");
    }
    assert!(!world.root().exists());
    assert_eq!(world.standing(ITEM), Standing::Listed);
}

#[test]
fn part_files_that_somebody_removed_or_cut_are_fetched_again_and_never_taken_as_whole() {
    let made = folder(100, Padding::Ours);
    type Insult = fn(&std::path::Path);
    let insults: [Insult; 3] = [
        |part| fs::remove_file(part).unwrap(),
        |part| fs::File::options().write(true).open(part).unwrap().set_len(7).unwrap(),
        |part| fs::write(part, b"").unwrap(),
    ];
    for insult in insults {
        for early in [true, false] {
            let mut world = World::new();
            world.plan(ITEM, &world.root(), &made);
            let part = world.root().join("big.bin.part");
            let last = *made.of("big.bin").last().unwrap();
            for blob in world.lacks(ITEM).into_iter().filter(|blob| *blob != last) {
                world.place(made.blobs[&blob].clone()).unwrap();
            }
            if !early {
                world.place(made.blobs[&last].clone()).unwrap();
            }
            insult(&part);
            if early {
                let placed = world.place(made.blobs[&last].clone()).unwrap();
                assert!(placed.finished.is_empty());
                let lost: BTreeSet<_> = placed.lost.into_iter().collect();
                let spoilt: BTreeSet<_> = made.of("big.bin").into_iter().filter(|blob| *blob != last).collect();
                assert_eq!(lost, spoilt);
            }
            assert!(matches!(world.finish_item(&CHANNEL, &ITEM), Err(StoreError::Incomplete)));
            let again = world.lacks(ITEM);
            assert_eq!(again.len(), made.of("big.bin").len() - usize::from(early), "only that file");
            world.fetch(ITEM, &made);
            world.finish_item(&CHANNEL, &ITEM).unwrap();
            made.assert_at(&world.root());
            world.read_all();
            world.assert_tidy();
        }
    }
}

#[test]
fn neighbours_in_a_pack_keep_their_bytes_when_one_part_file_goes() {
    let world = World::new();
    let made = folder(110, Padding::Ours);
    world.plan(ITEM, &world.root(), &made);
    world.fetch(ITEM, &made);
    fs::remove_file(world.root().join("a.txt.part")).unwrap();
    assert!(matches!(world.finish_item(&CHANNEL, &ITEM), Err(StoreError::Incomplete)));
    assert_eq!(world.lacks(ITEM), made.of("a.txt"), "the blob that all small files share, once");
    assert!(!world.has(&made.of("a.txt")[0]).unwrap());
    let placed = world.place(made.blobs[&made.of("a.txt")[0]].clone()).unwrap();
    assert_eq!(placed.finished, [(CHANNEL, ITEM)]);
    world.finish_item(&CHANNEL, &ITEM).unwrap();
    made.assert_at(&world.root());
    assert_eq!(world.read_all(), made.blobs.len());
}

#[test]
fn files_that_are_not_ours_are_never_written_over() {
    let world = World::new();
    let made = folder(120, Padding::Ours);
    fs::create_dir_all(world.root()).unwrap();
    fs::write(world.root().join("a.txt"), b"precious").unwrap();
    let planned = world.plan_download(&CHANNEL, &ITEM, &world.root(), made.plan(&world.root())).unwrap();
    assert!(planned.root.ends_with("item (2)"));
    world.fetch(ITEM, &made);
    // One comes while the download runs, under a name of ours.
    fs::write(planned.root.join("b.txt"), b"precious too").unwrap();
    world.finish_item(&CHANNEL, &ITEM).unwrap();
    assert_eq!(fs::read(world.root().join("a.txt")).unwrap(), b"precious");
    assert_eq!(fs::read(planned.root.join("b.txt")).unwrap(), b"precious too");
    assert!(fs::read(planned.root.join("b (2).txt")).unwrap() == made.plain["b.txt"]);
    assert_eq!(world.read_all(), made.blobs.len());
    // One file without a folder gets another name, not another folder.
    let single = make(121, Padding::Ours, &[("a.txt", bytes(5, 100))]);
    world.download(OTHER, &world.root(), &single);
    assert!(fs::read(world.root().join("a (2).txt")).unwrap() == single.plain["a.txt"]);
    assert_eq!(fs::read(world.root().join("a.txt")).unwrap(), b"precious");
}

#[test]
fn two_items_never_share_a_place() {
    let world = World::new();
    let (one, two) = (folder(130, Padding::Ours), folder(131, Padding::Ours));
    world.plan(ITEM, &world.root(), &one);
    let second = world.plan_download(&CHANNEL, &OTHER, &world.root(), two.plan(&world.root())).unwrap();
    assert_ne!(second.root, world.root());
    world.fetch(OTHER, &two);
    world.fetch(ITEM, &one);
    world.finish_item(&CHANNEL, &OTHER).unwrap();
    world.finish_item(&CHANNEL, &ITEM).unwrap();
    one.assert_at(&world.root());
    two.assert_at(&second.root);
}

#[test]
fn names_that_fill_a_disks_limit_can_be_fetched() {
    let world = World::new();
    let long = |end: &str| format!("{}{end}", "日".repeat(84));
    let names = [long("aa"), long("bb"), long("ccc")];
    let files: Vec<(&str, Vec<u8>)> = names.iter().zip(1..).map(|(n, i)| (n.as_str(), bytes(i, 150_000))).collect();
    let made = make(140, Padding::Ours, &files);
    world.download(ITEM, &world.root(), &made);
    made.assert_at(&world.root());
}

#[cfg(unix)]
#[test]
fn a_link_in_the_items_folder_leads_nowhere() {
    let world = World::new();
    let made: Made = folder(150, Padding::Ours);
    let away = world.tmp.path().join("away");
    fs::create_dir(&away).unwrap();
    world.plan(ITEM, &world.root(), &made);
    std::os::unix::fs::symlink(&away, world.root().join("deep")).unwrap();
    let blob = made.of("deep/down/whole.bin")[0];
    assert!(matches!(world.place(made.blobs[&blob].clone()), Err(StoreError::OutsideRoot { .. })));
    assert_eq!(files_below(&away), Vec::<std::path::PathBuf>::new());
    assert!(!world.has(&blob).unwrap());
    // The link away, everything goes on.
    fs::remove_file(world.root().join("deep")).unwrap();
    world.fetch(ITEM, &made);
    world.finish_item(&CHANNEL, &ITEM).unwrap();
    made.assert_at(&world.root());
    // Nor is anything removed through one.
    fs::rename(world.root().join("deep"), away.join("deep")).unwrap();
    std::os::unix::fs::symlink(away.join("deep"), world.root().join("deep")).unwrap();
    world.remove_item(&CHANNEL, &ITEM, true).unwrap();
    assert!(away.join("deep/down/whole.bin").exists() && away.join("deep/c.txt").exists());
    assert!(!world.root().join("a.txt").exists());
}

#[test]
fn a_folder_that_cannot_be_made_is_named_at_once() {
    let world = World::new();
    let made = folder(160, Padding::Ours);
    fs::write(world.tmp.path().join("file"), b"").unwrap();
    let root = world.tmp.path().join("file/item");
    let refused = world.plan_download(&CHANNEL, &ITEM, &root, made.plan(&root)).unwrap_err();
    assert!(refused.to_string().contains("file/item"), "{refused}");
    assert_eq!(world.standing(ITEM), Standing::Listed);
    assert_eq!(world.files(&CHANNEL, &ITEM).unwrap().len(), 0);
}

/// Bytes that were told of and not yet synced are gone after a power cut: they are found out and fetched again.
#[test]
fn a_power_cut_costs_what_was_not_synced_and_nothing_of_it_is_taken_as_right() {
    for padding in [Padding::Ours, Padding::Noise] {
        let mut world = World::new();
        let made = folder(170, padding);
        world.plan(ITEM, &world.root(), &made);
        world.fetch(ITEM, &made);
        world.shut_without_sync();
        let unsynced = lose_unsynced(&world);
        let recovery = world.crash();
        assert_eq!((recovery.rechecked as usize, recovery.lost as usize), (unsynced.len(), unsynced.len()));
        assert_eq!(world.lacks(ITEM).into_iter().collect::<BTreeSet<_>>(), unsynced);
        world.read_all();
        world.fetch(ITEM, &made);
        world.finish_item(&CHANNEL, &ITEM).unwrap();
        made.assert_at(&world.root());
        assert_eq!(world.read_all(), made.blobs.len());
        world.assert_tidy();
    }
}

/// Makes of the files what a file system gives back that wrote names and lengths, but not the bytes: zeros, wherever
/// nothing was synced yet.
fn lose_unsynced(world: &World) -> BTreeSet<protocol::BlobId> {
    use std::os::unix::ffi::OsStringExt;
    use std::os::unix::fs::FileExt;
    let db = rusqlite::Connection::open(world.data().join("store.db")).unwrap();
    let mut lost = BTreeSet::new();
    let chunks = "SELECT b.blob, f.part, k.at, k.len FROM chunks k JOIN files f ON f.id = k.file
        JOIN blobs b ON b.id = k.blob WHERE k.unsynced > 0";
    let mut chunks = db.prepare(chunks).unwrap();
    let mut rows = chunks.query([]).unwrap();
    while let Some(row) = rows.next().unwrap() {
        lost.insert(protocol::BlobId(row.get(0).unwrap()));
        let part = std::ffi::OsString::from_vec(row.get(1).unwrap());
        let zeros = vec![0; row.get::<_, u32>(3).unwrap() as usize];
        fs::File::options()
            .write(true)
            .open(part)
            .unwrap()
            .write_all_at(&zeros, row.get::<_, i64>(2).unwrap() as u64)
            .unwrap();
    }
    let mut blobs = db.prepare("SELECT lower(hex(blob)) FROM blobs WHERE unsynced > 0").unwrap();
    for name in blobs.query_map([], |row| row.get::<_, String>(0)).unwrap() {
        let name = name.unwrap();
        let path = world.data().join("blobs").join(&name[..2]).join(&name);
        let len = fs::metadata(&path).unwrap().len();
        fs::File::create(&path).unwrap().set_len(len).unwrap();
    }
    lost
}
