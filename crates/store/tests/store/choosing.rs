//! Files that the user does not want.

use crate::world::{CHANNEL, ITEM, Padding, World, files_below, folder};
use std::collections::BTreeSet;
use store::Standing;

fn choose(world: &World, paths: &[&str], want: bool) -> store::Chosen {
    let paths: Vec<String> = paths.iter().map(|path| (*path).to_owned()).collect();
    world.choose_files(&CHANNEL, &ITEM, Some(&paths), want).unwrap()
}

#[test]
fn an_item_is_complete_without_the_files_that_nobody_wants() {
    for padding in [Padding::Ours, Padding::Noise] {
        let mut world = World::new();
        let made = folder(1, padding);
        world.plan(ITEM, &world.root(), &made);
        let chosen = choose(&world, &["big.bin", "b.txt", "no such file"], false);
        assert_eq!((chosen.files, chosen.gone.len()), (2, 0));
        assert_eq!(chosen.unwanted.iter().copied().collect::<BTreeSet<_>>(), made.of("big.bin").into_iter().collect());
        let left: BTreeSet<String> = ["big.bin", "b.txt"].map(Into::into).into();
        assert_eq!(world.skipped_files(&CHANNEL, &ITEM).unwrap(), left);
        world.fetch(ITEM, &made);
        world.finish_item(&CHANNEL, &ITEM).unwrap();
        assert_eq!(world.standing(ITEM), Standing::Complete);
        let there = files_below(&world.root()).len();
        assert_eq!(there, made.plain.len() - 2, "nothing of them, nor any part file");
        let row = world.item(&CHANNEL, &ITEM).unwrap().unwrap();
        assert_eq!(row.skipped, (made.plain["big.bin"].len() + 20_000) as u64);
        world.read_all();
        world.assert_tidy();
        // After all: only what lacks is fetched.
        assert_eq!(choose(&world, &["big.bin", "b.txt"], true).files, 2);
        assert_eq!(world.standing(ITEM), Standing::Wanted);
        assert_eq!(world.lacks(ITEM).len(), made.of("big.bin").len() + 1);
        world.fetch(ITEM, &made);
        world.finish_item(&CHANNEL, &ITEM).unwrap();
        made.assert_at(&world.root());
        assert_eq!(world.read_all(), made.blobs.len());
        if padding == Padding::Ours {
            assert_eq!(world.blob_files(), 0, "what was an odd blob is made from the files now");
        }
        world.assert_tidy();
    }
}

#[test]
fn what_was_fetched_of_a_file_goes_with_the_wish_for_it() {
    let mut world = World::new();
    let made = folder(2, Padding::Ours);
    world.plan(ITEM, &world.root(), &made);
    let first = made.of("big.bin")[0];
    world.place(made.blobs[&first].clone()).unwrap();
    assert!(world.has(&first).unwrap());
    let chosen = choose(&world, &["big.bin"], false);
    assert_eq!(chosen.gone, [first]);
    assert!(!world.has(&first).unwrap());
    assert_eq!(files_below(&world.root()).len(), 0);
    assert_eq!(world.have_bytes(&CHANNEL, &ITEM).unwrap(), 0);
    world.assert_tidy();
    // A finished file is not unwanted any more: it is here.
    world.fetch(ITEM, &made);
    world.finish_item(&CHANNEL, &ITEM).unwrap();
    assert_eq!(choose(&world, &["a.txt"], false).files, 0);
}

#[test]
fn a_choice_outlives_a_new_list_and_a_restart() {
    let mut world = World::new();
    let made = folder(3, Padding::Ours);
    world.plan(ITEM, &world.root(), &made);
    choose(&world, &["big.bin"], false);
    world.reopen();
    let newer = folder(3, Padding::Ours).and(crate::world::make(9, Padding::Ours, &[("new.txt", vec![7; 100])]));
    world.set_items(&CHANNEL, 2, &[crate::world::row(ITEM, b"new")]).unwrap();
    world.plan(ITEM, &world.root(), &newer);
    assert_eq!(world.skipped_files(&CHANNEL, &ITEM).unwrap(), ["big.bin".to_owned()].into());
    let lacks = world.lacks(ITEM);
    assert!(made.of("big.bin").iter().all(|blob| !lacks.contains(blob)));
    world.fetch(ITEM, &newer);
    world.finish_item(&CHANNEL, &ITEM).unwrap();
    world.assert_tidy();
}

#[test]
fn of_what_is_kept_only_encrypted_unwanted_blobs_go() {
    let mut world = World::new();
    let made = folder(4, Padding::Ours);
    world.plan_encrypted(&CHANNEL, &ITEM, &world.root(), made.plan(&world.root())).unwrap();
    world.fetch(ITEM, &made);
    world.finish_item(&CHANNEL, &ITEM).unwrap();
    let chosen = choose(&world, &["big.bin"], false);
    assert_eq!(chosen.gone.len(), made.of("big.bin").len());
    assert_eq!(world.blob_files(), made.blobs.len() - made.of("big.bin").len());
    world.read_all();
    world.assert_tidy();
}
