//! A data folder that is damaged, foreign, newer, or in use: a clear error each, nothing made worse.

use crate::world::{CHANNEL, ITEM, Padding, World, folder, structure};
use std::fs;
use store::{DataDir, Role, Store, StoreError};

fn try_open(world: &World) -> Result<Store, StoreError> {
    Store::open(DataDir::lock(&world.data())?, Some(&[7; 32])).map(|(store, _)| store)
}

#[test]
fn one_process_owns_a_data_folder() {
    let mut world = World::new();
    let error = try_open(&world).unwrap_err();
    assert!(matches!(error, StoreError::Locked(_)));
    assert!(error.to_string().contains("another process uses"), "{error}");
    world.shut();
    try_open(&world).unwrap();
}

#[test]
fn a_newer_format_is_refused_and_left_as_it_is() {
    let mut world = World::new();
    world.shut();
    let db = rusqlite::Connection::open(world.data().join("store.db")).unwrap();
    db.pragma_update(None, "user_version", 1000).unwrap();
    db.pragma_update(None, "journal_mode", "DELETE").unwrap();
    drop(db);
    let before = fs::read(world.data().join("store.db")).unwrap();
    let error = try_open(&world).unwrap_err();
    assert!(matches!(error, StoreError::Newer { found: 1000, .. }));
    assert!(error.to_string().contains("1000"), "{error}");
    assert!(fs::read(world.data().join("store.db")).unwrap() == before);
}

#[test]
fn a_damaged_database_is_named_and_no_panic_comes_of_it() {
    type Insult = fn(&mut Vec<u8>);
    let insults: [Insult; 6] = [
        |db| db[..16].copy_from_slice(b"no database here"),
        |db| db.truncate(5000),
        |db| db.truncate(10),
        |db| db[100..4096].fill(0xff),
        |db| db[4096..].fill(0xa5),
        |db| db.iter_mut().skip(4096).step_by(97).for_each(|byte| *byte ^= 0x55),
    ];
    for (number, insult) in insults.into_iter().enumerate() {
        let mut world = World::new();
        world.download(ITEM, &world.root(), &folder(10, Padding::Ours));
        world.shut();
        let path = world.data().join("store.db");
        let mut db = fs::read(&path).unwrap();
        insult(&mut db);
        fs::write(&path, &db).unwrap();
        let seen = try_open(&world).and_then(|store| {
            store.channels()?;
            store.items(&CHANNEL)?;
            store.files(&CHANNEL, &ITEM)?;
            store.holdings(&mut |_| ())?;
            store.remove_channel(&CHANNEL, false)?;
            store.close()
        });
        let error = seen.expect_err("damage goes unseen");
        let text = error.to_string();
        assert!(matches!(error, StoreError::Corrupt(_)), "{number}: {error:?}");
        assert!(text.contains("damaged") && text.contains("store.db"), "{number}: {text}");
    }
}

/// What damage the first statements do not meet is found when the last stop was none.
#[test]
fn damage_anywhere_is_found_after_an_unclean_stop() {
    let mut world = World::new();
    world.download(ITEM, &world.root(), &folder(300, Padding::Ours));
    world.shut_without_sync();
    let path = world.data().join("store.db");
    let raw = rusqlite::Connection::open(&path).unwrap();
    raw.pragma_update(None, "journal_mode", "DELETE").unwrap();
    let page: u32 = raw.query_row("PRAGMA page_size", [], |row| row.get(0)).unwrap();
    // Nothing looks there at a start.
    let table = "SELECT rootpage FROM sqlite_schema WHERE name = 'addresses'";
    let root: u32 = raw.query_row(table, [], |row| row.get(0)).unwrap();
    drop(raw);
    let mut db = fs::read(&path).unwrap();
    db[((root - 1) * page + 3) as usize..(root * page) as usize].fill(0xa5);
    fs::write(&path, &db).unwrap();
    let error = try_open(&world).unwrap_err();
    let text = error.to_string();
    assert!(matches!(error, StoreError::Corrupt(_)) && text.contains("store.db"), "{text}");
    assert!(!text.contains(char::is_control), "{text}");
}

#[test]
fn a_database_of_an_earlier_moment_is_consistent_with_newer_files() {
    let mut world = World::new();
    let made = folder(20, Padding::Noise);
    world.plan(ITEM, &world.root(), &made);
    world.reopen();
    world.shut();
    let before = fs::read(world.data().join("store.db")).unwrap();
    world.open_again();
    world.put_stored(&CHANNEL, Role::Root, &structure(1)).unwrap();
    world.fetch(ITEM, &made);
    world.shut_without_sync();
    // The power went, and the database's last transactions with it.
    for name in ["store.db-wal", "store.db-shm"] {
        fs::remove_file(world.data().join(name)).ok();
    }
    fs::write(world.data().join("store.db"), before).unwrap();
    let db = rusqlite::Connection::open(world.data().join("store.db")).unwrap();
    db.execute("INSERT OR REPLACE INTO meta(name, value) VALUES('running', 1)", []).unwrap();
    drop(db);
    world.crash();
    assert_eq!(world.lacks(ITEM).len(), made.blobs.len());
    assert_eq!(world.blob_files(), 0, "blob files that nobody knows are removed");
    world.fetch(ITEM, &made);
    world.finish_item(&CHANNEL, &ITEM).unwrap();
    made.assert_at(&world.root());
    world.assert_tidy();
}

#[test]
fn half_written_blob_files_go_and_foreign_files_stay() {
    let mut world = World::new();
    world.put_stored(&CHANNEL, Role::Root, &structure(1)).unwrap();
    let folder = world.data().join("blobs/ab");
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join(".new-x1y2z3"), b"half").unwrap();
    fs::write(folder.join("readme"), b"not ours").unwrap();
    fs::write(folder.join("ab".repeat(32)), b"nobody knows this blob").unwrap();
    world.crash();
    assert_eq!(crate::world::files_below(&folder), [folder.join("readme")]);
    assert_eq!(world.read_all(), 1);
}

#[test]
fn after_closing_every_call_says_so() {
    let world = World::new();
    world.close().unwrap();
    assert!(matches!(world.channels(), Err(StoreError::Closed)));
    assert!(matches!(world.put_stored(&CHANNEL, Role::Root, &structure(1)), Err(StoreError::Closed)));
    assert!(matches!(world.close(), Err(StoreError::Closed)));
}
