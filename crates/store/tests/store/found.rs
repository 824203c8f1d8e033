//! What lies already where a download would go is read, taken where it is right, and never changed.

use crate::touched::keeps_marks;
use crate::world::{CHANNEL, ITEM, Made, OTHER, Padding, World, bytes, channel, files_below, folder, make, row};
use protocol::params::CHUNK_LEN;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use store::Standing;

fn look(folder: &Path) -> Vec<(PathBuf, u64, i64)> {
    let one = |path: PathBuf| {
        let meta = fs::metadata(&path).unwrap();
        (path, meta.ino(), meta.mtime_nsec())
    };
    files_below(folder).into_iter().map(one).collect()
}

fn planned(world: &World, made: &Made) -> PathBuf {
    world.plan_download(&CHANNEL, &ITEM, &world.root(), made.plan(&world.root())).unwrap().root
}

#[test]
fn a_download_that_was_let_go_is_recognised_and_not_fetched_again() {
    for padding in [Padding::Ours, Padding::Noise] {
        for left in [false, true] {
            let mut world = World::new();
            let made = folder(10, padding);
            world.download(ITEM, &world.root(), &made);
            if left {
                world.remove_channel(&CHANNEL, false).unwrap();
                world.add_or_change_channel(channel(CHANNEL), |_| {}).unwrap();
                world.set_items(&CHANNEL, 1, &[row(ITEM, b"1"), row(OTHER, b"2")]).unwrap();
            } else {
                world.remove_item(&CHANNEL, &ITEM, false).unwrap();
            }
            let before = look(&world.root());
            assert_eq!(planned(&world, &made), world.root(), "in the same folder");
            if padding == Padding::Ours {
                assert_eq!(world.lacks(ITEM), [], "nothing is fetched");
                assert_eq!(look(&world.root()), before, "nothing is written");
            }
            world.fetch(ITEM, &made);
            world.finish_item(&CHANNEL, &ITEM).unwrap();
            assert_eq!(world.standing(ITEM), Standing::Complete);
            assert_eq!(look(&world.root()), before, "padding of others is fetched, and no file is made of it");
            made.assert_at(&world.root());
            assert_eq!(world.read_all(), made.blobs.len());
            // It carries our mark: it is a download again, and goes as one.
            world.remove_item(&CHANNEL, &ITEM, true).unwrap();
            if padding == Padding::Ours && keeps_marks(world.tmp.path()) {
                assert!(!world.root().exists());
            }
            world.assert_tidy();
        }
    }
}

#[test]
fn what_somebody_put_there_is_taken_and_never_deleted() {
    let mut world = World::new();
    let made = folder(20, Padding::Ours);
    made.write(&world.root());
    let before = look(&world.root());
    assert_eq!(planned(&world, &made), world.root());
    assert_eq!(world.lacks(ITEM), []);
    world.crash();
    world.finish_item(&CHANNEL, &ITEM).unwrap();
    assert_eq!(world.read_all(), made.blobs.len());
    let kept = world.remove_item(&CHANNEL, &ITEM, true).unwrap().kept;
    assert_eq!(kept.len(), made.plain.len());
    assert_eq!(look(&world.root()), before);
    world.assert_tidy();
}

#[test]
fn of_what_was_changed_since_only_the_change_is_fetched() {
    let mut world = World::new();
    let made = folder(30, Padding::Ours);
    world.download(ITEM, &world.root(), &made);
    world.remove_item(&CHANNEL, &ITEM, false).unwrap();
    let big = world.root().join("big.bin");
    let mut mine = made.plain["big.bin"].clone();
    mine[CHUNK_LEN + 1] ^= 1;
    fs::write(&big, &mine).unwrap();
    fs::write(world.root().join("a.txt"), b"of another length").unwrap();
    fs::remove_file(world.root().join("deep/down/whole.bin")).unwrap();
    assert_eq!(planned(&world, &made), world.root());
    let mut expected = vec![made.of("big.bin")[1], made.of("a.txt")[0]];
    expected.extend(made.of("deep/down/whole.bin"));
    let mut lacks = world.lacks(ITEM);
    lacks.sort();
    expected.sort();
    assert_eq!(lacks, expected);
    world.fetch(ITEM, &made);
    let named = world.finish_item(&CHANNEL, &ITEM).unwrap();
    assert_eq!(named.beside.len(), 2, "{named:?}");
    assert!(fs::read(&big).unwrap() == mine);
    assert_eq!(fs::read(world.root().join("a.txt")).unwrap(), b"of another length");
    assert!(fs::read(world.root().join("big (2).bin")).unwrap() == made.plain["big.bin"]);
    assert!(fs::read(world.root().join("a (2).txt")).unwrap() == made.plain["a.txt"]);
    assert_eq!(world.read_all(), made.blobs.len());
    world.assert_tidy();
}

#[test]
fn one_file_is_recognised_also_under_the_name_that_it_got_beside_another() {
    let mut world = World::new();
    let made = make(40, Padding::Ours, &[("f.bin", bytes(1, 2 * CHUNK_LEN + 3))]);
    fs::create_dir_all(world.root()).unwrap();
    fs::write(world.root().join("f.bin"), b"another f").unwrap();
    fs::write(world.root().join("f (2).bin"), &made.plain["f.bin"]).unwrap();
    let before = look(&world.root());
    planned(&world, &made);
    assert_eq!(world.lacks(ITEM), []);
    world.finish_item(&CHANNEL, &ITEM).unwrap();
    assert_eq!(look(&world.root()), before);
    assert_eq!(world.read_all(), made.blobs.len());
    world.assert_tidy();
}

/// Of the very length, and another file: it is nobody's download.
#[test]
fn a_file_that_only_has_the_length_is_left_alone() {
    let mut world = World::new();
    let made = make(50, Padding::Ours, &[("f.bin", bytes(1, CHUNK_LEN + 3))]);
    fs::create_dir_all(world.root()).unwrap();
    let mine = bytes(2, CHUNK_LEN + 3);
    fs::write(world.root().join("f.bin"), &mine).unwrap();
    planned(&world, &made);
    assert_eq!(world.fetch(ITEM, &made), 2);
    world.finish_item(&CHANNEL, &ITEM).unwrap();
    assert!(fs::read(world.root().join("f.bin")).unwrap() == mine);
    assert!(fs::read(world.root().join("f (2).bin")).unwrap() == made.plain["f.bin"]);
    assert_eq!(world.remove_item(&CHANNEL, &ITEM, true).unwrap().kept, Vec::<PathBuf>::new());
    assert_eq!(files_below(&world.root()), [world.root().join("f.bin")]);
    world.assert_tidy();
}

/// A file where the folder would be, a folder where a file would be, a link on the way.
#[test]
fn a_folder_whose_name_is_taken_gets_another() {
    let world = World::new();
    let made = folder(60, Padding::Ours);
    fs::create_dir_all(world.root().parent().unwrap()).unwrap();
    fs::write(world.root(), b"a file of mine").unwrap();
    let second = world.tmp.path().join("downloads/item (2)");
    fs::create_dir_all(second.join("big.bin")).unwrap();
    let third = world.tmp.path().join("downloads/item (3)");
    fs::create_dir_all(&third).unwrap();
    fs::write(third.join("deep"), b"a file where a folder is wanted").unwrap();
    let fourth = world.tmp.path().join("downloads/item (4)");
    fs::create_dir_all(&fourth).unwrap();
    std::os::unix::fs::symlink(world.tmp.path(), fourth.join("deep")).unwrap();
    let fifth = world.tmp.path().join("downloads/item (5)");
    assert_eq!(planned(&world, &made), fifth);
    world.fetch(ITEM, &made);
    world.finish_item(&CHANNEL, &ITEM).unwrap();
    made.assert_at(&fifth);
    assert_eq!(fs::read(world.root()).unwrap(), b"a file of mine");
}

#[test]
fn a_moved_data_folder_finds_what_lies_in_it() {
    let mut world = World::new();
    let (inside, outside) = (folder(70, Padding::Ours), folder(71, Padding::Ours));
    let root = world.data().join("downloads/item");
    world.download(ITEM, &root, &inside);
    world.download(OTHER, &world.root(), &outside);
    world.set_setting("download_dir", Some(world.data().join("downloads").to_str().unwrap())).unwrap();
    world.shut();
    let moved = world.tmp.path().join("elsewhere/data");
    fs::create_dir(world.tmp.path().join("elsewhere")).unwrap();
    fs::rename(world.data(), &moved).unwrap();
    let (store, recovery) = crate::world::open(&moved);
    assert!(!recovery.unclean);
    assert_eq!(store.item(&CHANNEL, &ITEM).unwrap().unwrap().root.unwrap(), moved.join("downloads/item"));
    assert_eq!(store.item(&CHANNEL, &OTHER).unwrap().unwrap().root.unwrap(), world.root());
    assert_eq!(store.setting("download_dir").unwrap().unwrap(), moved.join("downloads").to_str().unwrap());
    for id in [ITEM, OTHER] {
        let outcome = store.verify_item(&CHANNEL, &id, &mut |_, _| true).unwrap();
        assert_eq!((outcome.good as usize, outcome.bad.len()), (inside.blobs.len(), 0));
    }
    store.remove_item(&CHANNEL, &ITEM, true).unwrap();
    assert!(!moved.join("downloads/item").exists());
}
