//! Downloads that move to another folder.

use crate::world::{CHANNEL, ITEM, Padding, World, files_below, folder};
use std::fs;
use store::{Standing, StoreError};

#[test]
fn a_download_moves_whole_and_is_shared_from_there() {
    let mut world = World::new();
    let made = folder(1, Padding::Ours);
    world.download(ITEM, &world.root(), &made);
    let to = world.tmp.path().join("other disk/item");
    let mut told = 0;
    let add = &mut |bytes| {
        told += bytes;
        true
    };
    let moved = world.move_item(&CHANNEL, &ITEM, &to, add).unwrap();
    assert!(moved.done && moved.kept.is_empty());
    assert_eq!(told, made.plain.values().map(|plain| plain.len() as u64).sum::<u64>());
    made.assert_at(&to);
    assert!(!world.root().exists());
    assert_eq!(world.item(&CHANNEL, &ITEM).unwrap().unwrap().root, Some(to));
    assert_eq!(world.read_all(), made.blobs.len());
    assert_eq!(world.touched_files(&mut || true).unwrap(), []);
    world.assert_tidy();
}

#[test]
fn an_unfinished_one_goes_on_at_the_new_place() {
    let mut world = World::new();
    let made = folder(2, Padding::Ours);
    world.plan(ITEM, &world.root(), &made);
    for blob in &world.lacks(ITEM)[..3] {
        world.place(made.blobs[blob].clone()).unwrap();
    }
    let to = world.tmp.path().join("elsewhere");
    assert!(world.move_item(&CHANNEL, &ITEM, &to, &mut |_| true).unwrap().done);
    assert_eq!(world.read_all(), 3);
    world.fetch(ITEM, &made);
    world.finish_item(&CHANNEL, &ITEM).unwrap();
    made.assert_at(&to);
    assert!(!world.root().exists());
    assert_eq!(world.standing(ITEM), Standing::Complete);
    world.assert_tidy();
}

/// A blob that comes while the files are copied is not written to those that go: it is lacked, and nothing else.
#[test]
fn what_comes_while_files_are_carried_is_not_lost_with_the_old_ones() {
    let Ok(other) = tempfile::Builder::new().prefix("megatorrent-moving-").tempdir_in("/dev/shm") else {
        eprintln!("skipped: there is no other disk to move to here");
        return;
    };
    let mut world = World::new();
    let made = folder(2, Padding::Ours);
    world.plan(ITEM, &world.root(), &made);
    let lacked = world.lacks(ITEM);
    lacked[..3].iter().for_each(|blob| drop(world.place(made.blobs[blob].clone()).unwrap()));
    let to = other.path().join("elsewhere");
    let mut late = lacked[3..].iter();
    let moved = world.move_item(&CHANNEL, &ITEM, &to, &mut |_| {
        if let Some(blob) = late.next() {
            assert!(world.place(made.blobs[blob].clone()).unwrap().items.is_empty());
        }
        true
    });
    assert!(moved.unwrap().done);
    assert!(late.len() < lacked.len() - 3, "nothing came meanwhile");
    assert!(!world.root().exists());
    assert_eq!(world.lacks(ITEM), lacked[3..]);
    assert!(world.verify_item(&CHANNEL, &ITEM, &mut |_, _| true).unwrap().bad.is_empty());
    world.fetch(ITEM, &made);
    world.finish_item(&CHANNEL, &ITEM).unwrap();
    made.assert_at(&to);
    world.assert_tidy();
}

#[test]
fn stopped_or_in_the_way_of_others_everything_is_as_it_was() {
    let mut world = World::new();
    let made = folder(3, Padding::Ours);
    world.download(ITEM, &world.root(), &made);
    let to = world.tmp.path().join("elsewhere");
    let mut left = 2;
    let stops = &mut |_| {
        left -= 1;
        left > 0
    };
    assert!(!world.move_item(&CHANNEL, &ITEM, &to, stops).unwrap().done);
    assert!(!to.exists());
    fs::create_dir(&to).unwrap();
    fs::write(to.join("b.txt"), b"somebody's").unwrap();
    let refused = world.move_item(&CHANNEL, &ITEM, &to, &mut |_| true);
    assert!(matches!(refused, Err(StoreError::Io { .. })), "{refused:?}");
    assert_eq!(fs::read(to.join("b.txt")).unwrap(), b"somebody's");
    assert_eq!(files_below(&to).len(), 1);
    made.assert_at(&world.root());
    assert_eq!(world.read_all(), made.blobs.len());
    world.assert_tidy();
}
