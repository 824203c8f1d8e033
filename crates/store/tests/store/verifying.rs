//! Reading everything again, and files that moved.

use crate::world::{CHANNEL, ITEM, Padding, World, bytes, files_below, folder, make};
use protocol::params::CHUNK_LEN;
use std::collections::BTreeSet;
use std::fs;
use store::{Standing, StoreError};

#[test]
fn verifying_what_is_right_finds_it_right() {
    for padding in [Padding::Ours, Padding::Noise] {
        let world = World::new();
        let made = folder(10, padding);
        world.download(ITEM, &world.root(), &made);
        let mut steps = Vec::new();
        let outcome = world
            .verify_item(&CHANNEL, &ITEM, &mut |done, total| {
                steps.push((done, total));
                true
            })
            .unwrap();
        let total = made.blobs.len() as u64;
        assert_eq!((outcome.good, outcome.bad.len(), outcome.back.len()), (total, 0, 0));
        assert_eq!(steps, (0..=total).map(|done| (done, total)).collect::<Vec<_>>());
        assert_eq!(world.standing(ITEM), Standing::Complete);
        let stopped = world.verify_item(&CHANNEL, &ITEM, &mut |done, _| done < 2).unwrap();
        assert_eq!(stopped.good, 2);
    }
}

/// Bytes that changed on the disk and not by anybody's hand: the file has the very times that it had.
#[test]
fn damage_in_a_download_is_found_and_only_that_is_fetched_again() {
    for padding in [Padding::Ours, Padding::Noise] {
        let mut world = World::new();
        let made = folder(20, padding);
        world.download(ITEM, &world.root(), &made);
        let file = world.root().join("big.bin");
        let mut plain = made.plain["big.bin"].clone();
        plain[CHUNK_LEN + 1] ^= 1;
        plain[3 * CHUNK_LEN + 1] ^= 1;
        fs::write(&file, &plain).unwrap();
        world.as_if_untouched(&file);
        fs::remove_file(world.root().join("deep/down/whole.bin")).unwrap();
        let outcome = world.verify_item(&CHANNEL, &ITEM, &mut |_, _| true).unwrap();
        let bad: BTreeSet<_> = outcome.bad.iter().copied().collect();
        let big = made.of("big.bin");
        let expected: BTreeSet<_> = [big[1], big[3]].into_iter().chain(made.of("deep/down/whole.bin")).collect();
        assert_eq!(bad, expected);
        assert_eq!(outcome.kept, Vec::<std::path::PathBuf>::new());
        // What a stored copy still holds is not withdrawn.
        let gone: BTreeSet<_> = outcome.gone.iter().copied().collect();
        let stored = if padding == Padding::Noise { BTreeSet::from([big[3]]) } else { BTreeSet::new() };
        assert_eq!(gone, expected.difference(&stored).copied().collect());
        assert_eq!(outcome.files, [world.root().join("big.bin"), world.root().join("deep/down/whole.bin")]);
        assert_eq!(world.standing(ITEM), Standing::Wanted);
        assert_eq!(world.lacks(ITEM).into_iter().collect::<BTreeSet<_>>(), expected);
        world.read_all();
        world.crash();
        world.fetch(ITEM, &made);
        world.finish_item(&CHANNEL, &ITEM).unwrap();
        made.assert_at(&world.root());
        assert_eq!(files_below(&world.root()).len(), made.plain.len());
        assert_eq!(world.read_all(), made.blobs.len());
        world.assert_tidy();
    }
}

/// Between finding damage and growing the file again the process ended: the item is neither called complete nor stuck.
#[test]
fn what_was_found_damaged_grows_again_also_after_a_cut() {
    let mut world = World::new();
    let made = folder(20, Padding::Ours);
    for verified in [false, true] {
        world.download(ITEM, &world.root(), &made);
        world.shut();
        let db = rusqlite::Connection::open(world.data().join("store.db")).unwrap();
        db.execute_batch(
            "CREATE TEMP TABLE big AS SELECT id, item, size FROM files WHERE path = 'big.bin';
             UPDATE chunks SET state = 0 WHERE file IN (SELECT id FROM big);
             UPDATE chunks SET state = 1 WHERE state = 2 AND blob IN (SELECT blob FROM chunks WHERE file IN (SELECT id FROM big));
             UPDATE files SET have = 0 WHERE id IN (SELECT id FROM big);
             UPDATE items SET have = have - (SELECT size FROM big) WHERE id IN (SELECT item FROM big);",
        )
        .unwrap();
        db.close().unwrap();
        world.open_again();
        assert_eq!(world.standing(ITEM), Standing::Wanted);
        if verified {
            assert!(world.verify_item(&CHANNEL, &ITEM, &mut |_, _| true).unwrap().bad.is_empty());
        } else {
            world.grow_lacking(&CHANNEL, &ITEM).unwrap();
        }
        world.fetch(ITEM, &made);
        world.finish_item(&CHANNEL, &ITEM).unwrap();
        made.assert_at(&world.root());
        assert_eq!(files_below(&world.root()).len(), made.plain.len());
        world.assert_tidy();
        world.remove_item(&CHANNEL, &ITEM, true).unwrap();
    }
}

/// A file of which nothing is right any more is somebody's own: verifying leaves it, and ours comes beside it.
#[test]
fn a_file_that_the_user_replaced_is_not_taken_over() {
    let world = World::new();
    let made = make(30, Padding::Ours, &[("one.txt", bytes(1, 150_000)), ("two.txt", bytes(2, 150_000))]);
    world.download(ITEM, &world.root(), &made);
    fs::write(world.root().join("one.txt"), b"the user's own words").unwrap();
    let outcome = world.verify_item(&CHANNEL, &ITEM, &mut |_, _| true).unwrap();
    assert_eq!(outcome.bad, made.of("one.txt"));
    assert_eq!(world.fetch(ITEM, &made), 1);
    world.finish_item(&CHANNEL, &ITEM).unwrap();
    assert_eq!(fs::read(world.root().join("one.txt")).unwrap(), b"the user's own words");
    assert!(fs::read(world.root().join("one (2).txt")).unwrap() == made.plain["one.txt"]);
    assert_eq!(world.read_all(), 2);
    // As long as ours, even, and with the part file gone at the last moment: not taken for ours.
    fs::write(world.root().join("two.txt"), bytes(3, 150_000)).unwrap();
    world.verify_item(&CHANNEL, &ITEM, &mut |_, _| true).unwrap();
    world.fetch(ITEM, &made);
    fs::remove_file(world.root().join("two.txt.part")).unwrap();
    assert!(matches!(world.finish_item(&CHANNEL, &ITEM), Err(StoreError::Incomplete)));
    assert_eq!(world.fetch(ITEM, &made), 1);
    world.finish_item(&CHANNEL, &ITEM).unwrap();
    assert!(fs::read(world.root().join("two (2).txt")).unwrap() == made.plain["two.txt"]);
}

#[test]
fn a_stored_blob_that_rotted_is_withdrawn_and_stored_anew() {
    let mut world = World::new();
    let made = make(40, Padding::Noise, &[("x", bytes(1, 150_000))]);
    world.download(ITEM, &world.root(), &made);
    let [file] = &crate::world::files_below(&world.data().join("blobs"))[..] else { panic!("one blob file") };
    let blob = *made.ids().first().unwrap();
    let mut bytes = fs::read(file).unwrap();
    bytes[9] ^= 1;
    fs::write(file, bytes).unwrap();
    // The user's file is all right, but that cannot be told without the blob: it is fetched again.
    let outcome = world.verify_item(&CHANNEL, &ITEM, &mut |_, _| true).unwrap();
    assert_eq!(outcome.gone, [blob]);
    assert!(!file.exists());
    assert_eq!(world.fetch(ITEM, &made), 1);
    world.finish_item(&CHANNEL, &ITEM).unwrap();
    assert_eq!(world.read_all(), 1);
    world.assert_tidy();
}

#[test]
fn a_rotten_blob_file_is_never_sent() {
    let mut world = World::new();
    let made = make(50, Padding::Noise, &[("x", bytes(1, 150_000))]);
    world.download(ITEM, &world.root(), &made);
    let [file] = &crate::world::files_below(&world.data().join("blobs"))[..] else { panic!("one blob file") };
    fs::write(file, b"rotten").unwrap();
    let blob = *made.ids().first().unwrap();
    assert!(matches!(world.read_blob(&blob), Err(store::ReadError::Missing)));
    assert!(!world.has(&blob).unwrap() && !file.exists());
    made.assert_at(&world.root());
    assert_eq!(world.standing(ITEM), Standing::Complete);
    world.assert_tidy();
}

#[test]
fn files_that_moved_are_found_where_the_user_says() {
    let mut world = World::new();
    let made = folder(60, Padding::Ours);
    world.download(ITEM, &world.root(), &made);
    let moved = world.tmp.path().join("elsewhere");
    fs::rename(world.root(), &moved).unwrap();
    assert!(world.read_blob(&made.of("big.bin")[0]).is_err());
    world.locate(&CHANNEL, &ITEM, &moved).unwrap();
    let outcome = world.verify_item(&CHANNEL, &ITEM, &mut |_, _| true).unwrap();
    assert_eq!((outcome.good as usize, outcome.bad.len()), (made.blobs.len(), 0));
    assert!(!outcome.back.is_empty());
    assert_eq!(world.item(&CHANNEL, &ITEM).unwrap().unwrap().root.unwrap(), moved);
    assert_eq!(world.standing(ITEM), Standing::Complete);
    assert_eq!(world.read_all(), made.blobs.len());
    // Where nothing of it is, nothing changes.
    let nothing = world.tmp.path().join("nothing");
    fs::create_dir(&nothing).unwrap();
    assert!(matches!(world.locate(&CHANNEL, &ITEM, &nothing), Err(StoreError::NothingThere(_))));
    assert_eq!(world.read_all(), made.blobs.len());
    world.assert_tidy();
}

#[test]
fn one_file_may_be_named_itself_and_a_download_may_move_while_it_grows() {
    let world = World::new();
    let made = make(70, Padding::Ours, &[("film.mkv", bytes(1, 2 * CHUNK_LEN))]);
    world.plan(ITEM, &world.root(), &made);
    let blob = world.lacks(ITEM)[0];
    world.place(made.blobs[&blob].clone()).unwrap();
    let moved = world.tmp.path().join("elsewhere");
    fs::rename(world.root(), &moved).unwrap();
    world.locate(&CHANNEL, &ITEM, &moved).unwrap();
    assert_eq!(world.fetch(ITEM, &made), 1);
    world.finish_item(&CHANNEL, &ITEM).unwrap();
    made.assert_at(&moved);
    fs::rename(moved.join("film.mkv"), moved.join("renamed.mkv")).unwrap();
    world.locate(&CHANNEL, &ITEM, &moved.join("renamed.mkv")).unwrap();
    assert_eq!(world.verify_item(&CHANNEL, &ITEM, &mut |_, _| true).unwrap().good, 2);
    assert_eq!(world.read_all(), 2);
}

#[test]
fn a_wrong_place_costs_the_user_no_file() {
    let world = World::new();
    let made = make(80, Padding::Ours, &[("a.txt", bytes(1, 150_000)), ("b.txt", bytes(2, 150_000))]);
    world.download(ITEM, &world.root(), &made);
    let wrong = world.tmp.path().join("wrong");
    fs::create_dir(&wrong).unwrap();
    fs::write(wrong.join("a.txt"), b"another a").unwrap();
    world.locate(&CHANNEL, &ITEM, &wrong).unwrap();
    let outcome = world.verify_item(&CHANNEL, &ITEM, &mut |_, _| true).unwrap();
    assert_eq!((outcome.good, outcome.bad.len()), (0, 2));
    assert_eq!(fs::read(wrong.join("a.txt")).unwrap(), b"another a");
    // Said right, everything is back without fetching.
    world.locate(&CHANNEL, &ITEM, &world.root()).unwrap();
    assert_eq!(world.verify_item(&CHANNEL, &ITEM, &mut |_, _| true).unwrap().good, 2);
    assert_eq!(world.fetch(ITEM, &made), 0);
    world.finish_item(&CHANNEL, &ITEM).unwrap();
    assert_eq!(fs::read(wrong.join("a.txt")).unwrap(), b"another a");
    assert_eq!(world.read_all(), 2);
}
