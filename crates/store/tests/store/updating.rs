//! A list that changes: what is the same is not fetched again, what was here stays until the new is here.

use crate::world::{CHANNEL, ITEM, Made, OTHER, Padding, World, bytes, files_below, folder, make, row};
use protocol::params::CHUNK_LEN;
use std::collections::BTreeSet;
use std::fs;
use store::{Standing, StoreError};

fn changed(made: &Made, seed: u64, padding: Padding, edits: &[(&'static str, Option<Vec<u8>>)]) -> Made {
    let mut plain = made.plain.clone();
    for (name, edit) in edits {
        match edit {
            Some(bytes) => drop(plain.insert((*name).to_owned(), bytes.clone())),
            None => drop(plain.remove(*name)),
        }
    }
    let files: Vec<(&str, Vec<u8>)> = plain.iter().map(|(n, p)| (n.as_str(), p.clone())).collect();
    make(seed, padding, &files)
}

fn relist(world: &World, mark: &[u8]) {
    world.set_items(&CHANNEL, 2, &[row(ITEM, mark), row(OTHER, b"2")]).unwrap();
}

#[cfg(unix)]
fn inode(path: &std::path::Path) -> u64 {
    std::os::unix::fs::MetadataExt::ino(&fs::metadata(path).unwrap())
}

#[cfg(unix)]
#[test]
fn files_that_are_the_same_are_neither_fetched_nor_copied() {
    for padding in [Padding::Ours, Padding::Noise] {
        let mut world = World::new();
        let old = changed(&folder(10, padding), 10, padding, &[]);
        world.download(ITEM, &world.root(), &old);
        let before = inode(&world.root().join("big.bin"));
        relist(&world, b"changed");
        assert_eq!(world.standing(ITEM), Standing::Wanted);
        let edits = [("deep/down/whole.bin", Some(bytes(99, CHUNK_LEN))), ("new.bin", Some(bytes(98, 300_000)))];
        let new = changed(&old, 10, padding, &edits);
        world.plan(ITEM, &world.root(), &new);
        let wanted: BTreeSet<_> = world.lacks(ITEM).into_iter().collect();
        assert_eq!(wanted, new.ids().difference(&old.ids()).copied().collect());
        assert_eq!(wanted.len(), 2);
        assert_eq!(world.read_all(), old.blobs.len(), "the version before is held until the new one is here");
        assert!(!world.root().join("big.bin.part").exists());
        world.crash();
        world.fetch(ITEM, &new);
        old.assert_at(&world.root());
        let gone: BTreeSet<_> = world.finish_item(&CHANNEL, &ITEM).unwrap().gone.into_iter().collect();
        assert_eq!(gone, old.ids().difference(&new.ids()).copied().collect());
        new.assert_at(&world.root());
        assert_eq!(inode(&world.root().join("big.bin")), before);
        assert_eq!(files_below(&world.root()).len(), new.plain.len());
        assert_eq!(world.held(), new.ids());
        world.read_all();
        world.assert_tidy();
    }
}

#[cfg(unix)]
#[test]
fn half_fetched_files_that_are_the_same_go_on_growing() {
    let mut world = World::new();
    let old = folder(20, Padding::Ours);
    world.plan(ITEM, &world.root(), &old);
    let fetched = old.of("big.bin")[..2].to_vec();
    fetched.iter().for_each(|blob| drop(world.place(old.blobs[blob].clone()).unwrap()));
    let before = inode(&world.root().join("big.bin.part"));
    relist(&world, b"changed");
    let new = changed(&old, 20, Padding::Ours, &[("deep/down/whole.bin", None)]);
    world.plan(ITEM, &world.root(), &new);
    let wanted: BTreeSet<_> = world.lacks(ITEM).into_iter().collect();
    assert_eq!(wanted, new.ids().into_iter().filter(|blob| !fetched.contains(blob)).collect());
    assert_eq!(inode(&world.root().join("big.bin.part")), before);
    world.fetch(ITEM, &new);
    world.finish_item(&CHANNEL, &ITEM).unwrap();
    new.assert_at(&world.root());
    assert_eq!(files_below(&world.root()).len(), new.plain.len());
    assert_eq!(world.read_all(), new.blobs.len());
    world.assert_tidy();
}

#[test]
fn blobs_that_stay_in_a_file_that_changed_are_copied() {
    let mut world = World::new();
    let old = make(30, Padding::Ours, &[("f", bytes(1, 4 * CHUNK_LEN)), ("g", bytes(2, 10))]);
    world.download(ITEM, &world.root(), &old);
    relist(&world, b"changed");
    let mut plain = old.plain["f"].clone();
    plain[2 * CHUNK_LEN] ^= 1;
    let new = make(30, Padding::Ours, &[("f", plain), ("g", bytes(2, 10))]);
    world.plan(ITEM, &world.root(), &new);
    assert_eq!(world.lacks(ITEM), [new.of("f")[2]]);
    old.assert_at(&world.root());
    world.fetch(ITEM, &new);
    world.finish_item(&CHANNEL, &ITEM).unwrap();
    new.assert_at(&world.root());
    assert_eq!(world.held(), new.ids());
    world.assert_tidy();
}

#[test]
fn a_pack_that_lost_a_file_is_not_taken_for_whole() {
    let mut world = World::new();
    let old = folder(40, Padding::Ours);
    world.download(ITEM, &world.root(), &old);
    relist(&world, b"changed");
    let new = changed(&old, 40, Padding::Ours, &[("b.txt", None)]);
    world.plan(ITEM, &world.root(), &new);
    assert_eq!(world.lacks(ITEM), new.of("a.txt"), "the small files came anew, in one blob");
    world.read_all();
    world.fetch(ITEM, &new);
    world.finish_item(&CHANNEL, &ITEM).unwrap();
    new.assert_at(&world.root());
    assert_eq!(world.read_all(), new.blobs.len());
    assert!(world.root().join("b.txt").exists(), "a file that left the list is the user's");
    world.assert_tidy();
}

#[test]
fn many_edits_of_an_item_that_is_never_whole_leave_one_plan() {
    let mut world = World::new();
    let first = folder(50, Padding::Noise);
    world.download(ITEM, &world.root(), &first);
    let mut last = first.clone();
    for edit in 0..6_u64 {
        relist(&world, &[1, edit as u8]);
        let with_new = [("big.bin", Some(bytes(1000 + edit, CHUNK_LEN + 9)))];
        last = changed(&last, 50, Padding::Noise, &with_new);
        world.plan(ITEM, &world.root(), &last);
        let next = world.lacks(ITEM)[0];
        world.place(last.blobs[&next].clone()).unwrap();
        assert!(files_below(&world.root()).len() <= first.plain.len() + 1, "{:?}", files_below(&world.root()));
        world.read_all();
    }
    world.crash();
    world.fetch(ITEM, &last);
    world.finish_item(&CHANNEL, &ITEM).unwrap();
    last.assert_at(&world.root());
    assert_eq!(files_below(&world.root()).len(), last.plain.len());
    assert_eq!(world.held(), last.ids());
    world.assert_tidy();
}

#[test]
fn what_the_user_wrote_into_the_version_before_stays() {
    let world = World::new();
    let old = make(60, Padding::Ours, &[("notes.txt", bytes(1, 200_000)), ("x", bytes(2, 200_000))]);
    world.download(ITEM, &world.root(), &old);
    let notes = world.root().join("notes.txt");
    fs::write(&notes, b"my own words").unwrap();
    fs::File::options().write(true).open(&notes).unwrap().set_modified(std::time::SystemTime::UNIX_EPOCH).unwrap();
    relist(&world, b"changed");
    let new = make(60, Padding::Ours, &[("notes.txt", bytes(3, 200_000)), ("x", bytes(2, 200_000))]);
    world.plan(ITEM, &world.root(), &new);
    world.fetch(ITEM, &new);
    world.finish_item(&CHANNEL, &ITEM).unwrap();
    assert_eq!(fs::read(&notes).unwrap(), b"my own words");
    assert!(fs::read(world.root().join("notes (2).txt")).unwrap() == new.plain["notes.txt"]);
}

#[test]
fn text_changes_leave_a_plan_alone_and_a_vanished_item_keeps_its_bytes() {
    let mut world = World::new();
    let made = folder(70, Padding::Ours);
    world.download(ITEM, &world.root(), &made);
    let mut renamed = row(ITEM, b"1");
    renamed.name = "another name".into();
    renamed.json = br#"{"name":"another name","size":49}"#.to_vec();
    world.set_items(&CHANNEL, 2, &[row(OTHER, b"2"), renamed]).unwrap();
    let item = world.item(&CHANNEL, &ITEM).unwrap().unwrap();
    assert_eq!((item.name.as_str(), item.standing, item.position), ("another name", Standing::Complete, 1));
    // It leaves the list: what is here stays.
    assert_eq!(world.set_items(&CHANNEL, 3, &[row(OTHER, b"2")]).unwrap().gone, []);
    assert_eq!(world.item(&CHANNEL, &ITEM).unwrap().unwrap().position, u32::MAX);
    assert_eq!(world.read_all(), made.blobs.len());
    // One of which nothing is here goes, with its plan.
    world.plan(OTHER, &world.tmp.path().join("downloads/other"), &folder(71, Padding::Ours));
    world.set_items(&CHANNEL, 4, &[]).unwrap();
    assert!(world.item(&CHANNEL, &OTHER).unwrap().is_none());
    world.assert_tidy();
    // Removed by the user, it goes altogether.
    world.remove_item(&CHANNEL, &ITEM, false).unwrap();
    assert!(world.item(&CHANNEL, &ITEM).unwrap().is_none());
    made.assert_at(&world.root());
    world.assert_tidy();
}

#[test]
fn an_edited_item_that_then_vanishes_keeps_the_version_that_is_here() {
    let mut world = World::new();
    let made = folder(80, Padding::Ours);
    world.download(ITEM, &world.root(), &made);
    relist(&world, b"changed");
    world.set_items(&CHANNEL, 3, &[row(OTHER, b"2")]).unwrap();
    assert!(world.item(&CHANNEL, &ITEM).unwrap().is_some());
    assert_eq!(world.read_all(), made.blobs.len());
    let gone: BTreeSet<_> = world.remove_item(&CHANNEL, &ITEM, true).unwrap().gone.into_iter().collect();
    assert_eq!(gone, made.ids());
    assert!(!world.root().join("big.bin").exists());
    world.assert_tidy();
}

#[test]
fn the_rule_brings_new_items_and_never_what_the_user_removed() {
    let world = World::new();
    assert_eq!(world.want_by_rule(&CHANNEL, 1, &BTreeSet::new()).unwrap(), [ITEM]);
    assert_eq!(world.want_by_rule(&CHANNEL, -1, &BTreeSet::new()).unwrap(), [ITEM, OTHER]);
    world.remove_item(&CHANNEL, &ITEM, false).unwrap();
    relist(&world, b"changed");
    assert_eq!(world.want_by_rule(&CHANNEL, -1, &BTreeSet::new()).unwrap(), [OTHER]);
    assert_eq!(world.standing(ITEM), Standing::Listed);
    world.set_standing(&CHANNEL, &OTHER, Standing::Wanted, true).unwrap();
    assert_eq!(world.want_by_rule(&CHANNEL, -1, &BTreeSet::new()).unwrap(), []);
    // Asked for by hand it is wanted again, and stays so.
    world.set_standing(&CHANNEL, &ITEM, Standing::Wanted, false).unwrap();
    assert_eq!(world.want_by_rule(&CHANNEL, 0, &BTreeSet::new()).unwrap(), [ITEM]);
}

#[test]
fn unknown_channels_and_items_are_named_as_such() {
    let world = World::new();
    let nobody = protocol::ChannelKey([9; 32]);
    assert!(matches!(world.set_items(&nobody, 1, &[]), Err(StoreError::UnknownChannel)));
    assert!(matches!(world.remove_channel(&nobody, true), Err(StoreError::UnknownChannel)));
    assert!(matches!(world.remove_item(&nobody, &ITEM, true), Err(StoreError::UnknownItem)));
    assert!(matches!(world.finish_item(&CHANNEL, &protocol::ItemId([9; 16])), Err(StoreError::UnknownItem)));
}
