//! Kept only encrypted: blobs without files, until the user opens the item. And E8: no second copy of what files make.

use crate::world::{CHANNEL, ITEM, Made, OTHER, Padding, World, bytes, files_below, folder, make};
use protocol::params::{BLOB_LEN, CHUNK_LEN};
use std::fs;
use store::{Keep, ReadError, Standing};

fn fetch_encrypted(world: &World, made: &Made) {
    world.plan_encrypted(&CHANNEL, &ITEM, &world.root(), made.plan(&world.root())).unwrap();
    world.fetch(ITEM, made);
    world.finish_item(&CHANNEL, &ITEM).unwrap();
}

#[test]
fn no_plain_byte_is_written_and_every_blob_is_shared() {
    let mut world = World::new();
    let made = folder(1, Padding::Ours);
    world.change_channel(&CHANNEL, |channel| channel.encrypted = true).unwrap();
    assert!(world.channel(&CHANNEL).unwrap().unwrap().encrypted);
    assert_eq!(world.channel(&CHANNEL).unwrap().unwrap().keep, Keep::All);
    fetch_encrypted(&world, &made);
    assert_eq!(world.standing(ITEM), Standing::Complete);
    let row = world.item(&CHANNEL, &ITEM).unwrap().unwrap();
    assert!(row.encrypted && row.lost_files == 0);
    assert_eq!(files_below(&world.tmp.path().join("downloads")), [] as [std::path::PathBuf; 0]);
    assert_eq!(world.blob_files(), made.blobs.len());
    assert_eq!(world.totals().unwrap().used, (made.blobs.len() * BLOB_LEN) as u64);
    assert_eq!(world.read_all(), made.blobs.len());
    world.assert_tidy();
    assert_eq!(world.crash().lost, 0);
    assert_eq!(world.read_all(), made.blobs.len());
    assert_eq!(world.verify_item(&CHANNEL, &ITEM, &mut |_, _| true).unwrap().good, made.blobs.len() as u64);
}

#[test]
fn opened_it_becomes_files_and_no_blob_is_fetched_or_kept_twice() {
    let mut world = World::new();
    let made = folder(2, Padding::Ours);
    fetch_encrypted(&world, &made);
    assert!(world.open_item(&CHANNEL, &ITEM).unwrap());
    assert!(!world.open_item(&CHANNEL, &ITEM).unwrap(), "opened already");
    assert!(world.is_opened(&CHANNEL, &ITEM).unwrap());
    world.plan(ITEM, &world.root(), &made);
    assert_eq!(world.lacks(ITEM), []);
    world.finish_item(&CHANNEL, &ITEM).unwrap();
    made.assert_at(&world.root());
    assert_eq!(world.blob_files(), 0, "the stored copies are freed");
    let plain: usize = made.plain.values().map(Vec::len).sum();
    assert_eq!(world.totals().unwrap().used, plain as u64);
    assert_eq!(world.read_all(), made.blobs.len());
    world.assert_tidy();
}

#[test]
fn a_file_of_that_name_is_not_its_to_remove() {
    let mut world = World::new();
    let made = folder(3, Padding::Ours);
    fetch_encrypted(&world, &made);
    let theirs = world.root().join("a.txt");
    fs::create_dir_all(world.root()).unwrap();
    fs::write(&theirs, b"somebody's").unwrap();
    let removed = world.remove_item(&CHANNEL, &ITEM, true).unwrap();
    assert_eq!(removed.gone.len(), made.blobs.len());
    assert_eq!(fs::read(&theirs).unwrap(), b"somebody's");
    assert_eq!((world.blob_files(), world.totals().unwrap().used), (0, 0));
    world.assert_tidy();
}

#[test]
fn a_damaged_blob_is_withdrawn_named_and_fetched_again_on_the_users_word() {
    let mut world = World::new();
    let made = folder(4, Padding::Ours);
    fetch_encrypted(&world, &made);
    let damaged = made.of("big.bin")[0];
    let hex = damaged.to_string();
    let file = world.data().join("blobs").join(&hex[..2]).join(&hex);
    fs::write(&file, b"rubbish").unwrap();
    assert!(matches!(world.read_blob(&damaged), Err(ReadError::Missing)));
    let row = world.item(&CHANNEL, &ITEM).unwrap().unwrap();
    assert_eq!((row.lost_files, row.standing), (1, Standing::Complete));
    assert_eq!(world.lacks(ITEM), [], "not before the user says so");
    let outcome = world.verify_item(&CHANNEL, &ITEM, &mut |_, _| true).unwrap();
    assert_eq!(outcome.bad, [damaged]);
    assert_eq!((world.lacks(ITEM), world.standing(ITEM)), (vec![damaged], Standing::Wanted));
    world.fetch(ITEM, &made);
    world.finish_item(&CHANNEL, &ITEM).unwrap();
    assert_eq!(world.read_all(), made.blobs.len());
    world.assert_tidy();
}

#[test]
fn copies_that_files_came_to_make_are_freed_when_an_item_is_done() {
    let mut world = World::new();
    // The one item keeps the blobs stored, the other makes them from its files.
    let made = make(5, Padding::Ours, &[("film", bytes(5, 2 * CHUNK_LEN + 9)), ("text", bytes(6, 700))]);
    fetch_encrypted(&world, &made);
    let root = world.tmp.path().join("downloads/other");
    world.plan(OTHER, &root, &made);
    assert_eq!(world.lacks(OTHER), [], "all is here, sealed");
    world.finish_item(&CHANNEL, &OTHER).unwrap();
    made.assert_at(&root);
    assert_eq!(world.blob_files(), made.blobs.len(), "the first item still needs them");
    assert_eq!(world.remove_item(&CHANNEL, &ITEM, true).unwrap().gone, []);
    assert_eq!(world.read_all(), made.blobs.len());
    world.assert_tidy();
}

#[test]
fn files_that_look_other_than_they_did_are_found_without_reading_them() {
    let world = World::new();
    let made = folder(6, Padding::Ours);
    world.download(ITEM, &world.root(), &made);
    let touched = || -> Vec<_> {
        let found = world.touched_files(&mut || true).unwrap();
        found.into_iter().map(|(item, file)| (item, file.strip_prefix(world.root()).unwrap().to_owned())).collect()
    };
    assert_eq!(touched(), []);
    fs::remove_file(world.root().join("big.bin")).unwrap();
    let whole = world.root().join("deep/down/whole.bin");
    fs::File::options().write(true).open(&whole).unwrap().set_len(CHUNK_LEN as u64).unwrap();
    let mut found = touched();
    found.sort();
    let item = (CHANNEL, ITEM);
    assert_eq!(found, [(item, "big.bin".into()), (item, "deep/down/whole.bin".into())]);
    let mut gone = Vec::new();
    for (_, file) in found {
        gone.extend(world.recheck(&CHANNEL, &ITEM, &world.root().join(file), &mut || true).unwrap());
    }
    assert_eq!(gone.len(), made.of("big.bin").len() + 1);
    assert_eq!(world.item(&CHANNEL, &ITEM).unwrap().unwrap().lost_files, 2);
    // Found where they went, they are shared again.
    let elsewhere = world.tmp.path().join("elsewhere");
    made.write(&elsewhere);
    world.locate(&CHANNEL, &ITEM, &elsewhere).unwrap();
    let outcome = world.verify_item(&CHANNEL, &ITEM, &mut |_, _| true).unwrap();
    assert_eq!((outcome.bad.len(), outcome.back.len()), (0, gone.len()));
    assert_eq!(world.read_all(), made.blobs.len());
}
