//! A damaged database that is made anew: what could be read is there, nothing else is believed, no file is touched.

use crate::world::{CHANNEL, ITEM, Made, OTHER, Padding, World, channel, folder, row};
use protocol::{ChannelKey, ItemId};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use store::{DataDir, IdentityRow, Rebuilt, Standing, Store, StoreError, rebuild};

const MINE: ItemId = ItemId([3; 16]);
const OWN: ChannelKey = ChannelKey([9; 32]);

/// A device with a finished download, one that is half here, a published item, an identity, a setting, a pin.
fn device() -> (World, BTreeMap<PathBuf, Vec<u8>>) {
    let world = World::new();
    let of = |id, mark, made: &Made| {
        let files = made.plan(Path::new("/"));
        let bytes = files.iter().map(|file| file.size).sum();
        store::ItemRow { files: files.len() as u64, bytes, ..row(id, mark) }
    };
    let listed = [of(ITEM, b"5", &folder(10, Padding::Ours)), of(OTHER, b"6", &folder(20, Padding::Noise))];
    world.set_items(&CHANNEL, 2, &listed).unwrap();
    world.download(ITEM, &world.root(), &folder(10, Padding::Ours));
    let other = folder(20, Padding::Noise);
    world.plan(OTHER, &world.tmp.path().join("downloads/other"), &other);
    let first = world.lacks(OTHER)[0];
    world.place(other.blobs[&first].clone()).unwrap();
    world.set_care(&CHANNEL, &ITEM, Some(true), None).unwrap();
    world.set_setting("quota", Some("5000000")).unwrap();
    world.put_identity(&IdentityRow { key: OWN, name: "Mine".into(), private: Some(false), created: 7 }).unwrap();
    world.add_or_change_channel(channel(OWN), |row| row.own = true).unwrap();
    let source = world.tmp.path().join("source");
    let made = folder(30, Padding::Ours);
    made.write(&source);
    let item = store::ItemRow { channel: OWN, ..of(MINE, b"3", &made) };
    world.record_published(&item, made.plan(&source)).unwrap();
    let files = all_files(&world.tmp.path().join("downloads"));
    (world, files.into_iter().chain(all_files(&source)).collect())
}

fn all_files(root: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    crate::world::files_below(root).into_iter().map(|path| (path.clone(), fs::read(&path).unwrap())).collect()
}

fn made_anew(data: &Path) -> Rebuilt {
    rebuild(&DataDir::lock(data).unwrap()).unwrap()
}

fn assert_untouched(files: &BTreeMap<PathBuf, Vec<u8>>) {
    for (path, bytes) in files {
        assert!(fs::read(path).unwrap() == *bytes, "{} was touched", path.display());
    }
}

#[test]
fn a_sound_database_comes_out_as_it_went_in() {
    let (mut world, files) = device();
    let held = world.held();
    world.shut();
    let before = fs::read(world.data().join("store.db")).unwrap();
    let rebuilt = made_anew(&world.data());
    assert!(rebuilt.torn.is_empty() && rebuilt.replanned == 0 && rebuilt.unshared == 0, "{rebuilt:?}");
    assert_eq!(fs::read(&rebuilt.kept).unwrap(), before, "the damaged one is kept");
    let recovery = world.open_unclean();
    // Everything that is said to be here was read again.
    assert!(recovery.unclean && recovery.rechecked > 0 && recovery.lost == 0, "{recovery:?}");
    assert_eq!(world.held(), held);
    assert_eq!(world.read_all(), held.len());
    assert_eq!((world.standing(ITEM), world.standing(OTHER)), (Standing::Complete, Standing::Wanted));
    assert_eq!(world.item(&OWN, &MINE).unwrap().unwrap().standing, Standing::Published);
    assert!(world.item(&CHANNEL, &ITEM).unwrap().unwrap().pinned);
    assert_eq!(world.setting("quota").unwrap().as_deref(), Some("5000000"));
    assert_eq!(world.identities().unwrap().len(), 1);
    assert_untouched(&files);
    assert_eq!(world.fetch(OTHER, &folder(20, Padding::Noise)), folder(20, Padding::Noise).blobs.len() - 1);
    world.finish_item(&CHANNEL, &OTHER).unwrap();
    world.assert_tidy();
}

#[test]
fn whatever_page_is_damaged_the_rest_is_saved_and_nothing_is_believed() {
    let (mut world, files) = device();
    world.shut();
    let whole = fs::read(world.data().join("store.db")).unwrap();
    let pages = whole.len() / 4096;
    assert!(pages > 20, "{pages}");
    let mut saved = 0;
    for page in 1..pages {
        let mut damaged = whole.clone();
        damaged[page * 4096..(page + 1) * 4096].fill(0xa5);
        for companion in ["store.db-wal", "store.db-shm"] {
            fs::remove_file(world.data().join(companion)).ok();
        }
        fs::write(world.data().join("store.db"), &damaged).unwrap();
        let rebuilt = made_anew(&world.data());
        assert_eq!(fs::read(&rebuilt.kept).unwrap(), damaged);
        fs::remove_file(&rebuilt.kept).unwrap();
        world.open_unclean();
        // What it says to hold, it holds; what it calls complete, is.
        world.read_all();
        if let Ok(Some(item)) = world.item(&CHANNEL, &ITEM) {
            saved += 1;
            if item.standing == Standing::Complete {
                assert!(world.verify_item(&CHANNEL, &ITEM, &mut |_, _| true).unwrap().bad.is_empty());
            }
        }
        assert_untouched(&files);
        world.shut();
    }
    assert!(saved > pages / 2, "of {pages} pages {saved} cost no item");
}

#[test]
fn what_is_no_database_leaves_an_empty_one_and_says_so() {
    let (mut world, files) = device();
    world.shut();
    let path = world.data().join("store.db");
    fs::write(&path, vec![b'x'; 20_000]).unwrap();
    let refused = Store::open(DataDir::lock(&world.data()).unwrap(), Some(&[7; 32])).map(drop).unwrap_err();
    assert!(
        matches!(&refused, StoreError::Corrupt(_)) && refused.to_string().contains("doctor --rebuild"),
        "{refused}"
    );
    let rebuilt = made_anew(&world.data());
    assert!(rebuilt.rows == 0 && rebuilt.torn.iter().any(|table| table == "channels"), "{rebuilt:?}");
    assert_eq!(fs::read(&rebuilt.kept).unwrap(), vec![b'x'; 20_000]);
    world.open_unclean();
    assert!(world.channels().unwrap().is_empty());
    assert_untouched(&files);
    // A second time it gets another name.
    world.shut();
    assert_ne!(made_anew(&world.data()).kept, rebuilt.kept);
}

#[test]
fn cut_off_between_the_old_and_the_new_the_new_one_is_found() {
    let (mut world, _) = device();
    world.shut();
    let rebuilt = made_anew(&world.data());
    let path = world.data().join("store.db");
    // As it is before the last renaming.
    fs::rename(&path, world.data().join("store.db.rebuilt")).unwrap();
    world.open_unclean();
    assert_eq!(world.channels().unwrap().len(), 2);
    assert!(rebuilt.kept.exists() && !world.data().join("store.db.rebuilt").exists());
}
