//! Leaving: what goes, what stays, and that nothing is left over.

use crate::world::{CHANNEL, ITEM, OTHER, Padding, World, channel, files_below, folder, row, structure};
use protocol::{ChannelKey, PeerAddr, ReadKey};
use std::collections::BTreeSet;
use std::fs;
use store::{ItemRow, Role, Standing, StoreError};

#[test]
fn unsubscribing_keeps_finished_files_or_takes_them_and_leaves_nothing_else() {
    for delete in [false, true] {
        for padding in [Padding::Ours, Padding::Noise] {
            let mut world = World::new();
            let (whole, half) = (folder(10, padding), folder(11, padding));
            world.download(ITEM, &world.root(), &whole);
            let root = world.tmp.path().join("downloads/half");
            world.plan(OTHER, &root, &half);
            world.place(half.blobs[&world.lacks(OTHER)[0]].clone()).unwrap();
            world.put_stored(&CHANNEL, Role::Root, &structure(1)).unwrap();
            world.raise_floor(&CHANNEL, 77).unwrap();
            let held = world.held();
            let gone: BTreeSet<_> = world.remove_channel(&CHANNEL, delete).unwrap().gone.into_iter().collect();
            assert_eq!(gone, held);
            assert_eq!(world.totals().unwrap().blobs, 0);
            assert_eq!(world.blob_files(), 0);
            assert!(world.channel(&CHANNEL).unwrap().is_none());
            assert_eq!(world.floor(&CHANNEL).unwrap(), 77, "no rollback, ever");
            assert!(!root.exists(), "part files go with their folder");
            if delete {
                assert!(!world.root().exists());
            } else {
                whole.assert_at(&world.root());
                assert_eq!(files_below(&world.root()).len(), whole.plain.len());
            }
            world.assert_tidy();
            world.add_or_change_channel(channel(CHANNEL), |_| {}).unwrap();
            assert_eq!(world.floor(&CHANNEL).unwrap(), 77);
        }
    }
}

/// A download lies where its user also publishes from: deleting the download must not take the publication's files.
#[test]
fn files_that_were_published_from_here_are_never_deleted() {
    let mut world = World::new();
    let made = folder(20, Padding::Ours);
    world.download(ITEM, &world.root(), &made);
    let mine = ChannelKey([5; 32]);
    world.add_or_change_channel(channel(mine), |_| {}).unwrap();
    let item = ItemRow { channel: mine, standing: Standing::Published, planned: true, ..row(OTHER, b"9") };
    world.record_published(&item, made.published(&world.root())).unwrap();
    world.remove_item(&CHANNEL, &ITEM, true).unwrap();
    made.assert_at(&world.root());
    world.remove_channel(&CHANNEL, true).unwrap();
    made.assert_at(&world.root());
    assert_eq!(world.read_all(), made.blobs.len());
    // Not even with their own channel.
    world.remove_channel(&mine, true).unwrap();
    made.assert_at(&world.root());
    assert_eq!(world.totals().unwrap().blobs, 0);
    world.assert_tidy();
}

#[test]
fn what_the_user_put_beside_a_download_stays() {
    let world = World::new();
    let made = folder(30, Padding::Ours);
    world.download(ITEM, &world.root(), &made);
    fs::write(world.root().join("deep/mine.txt"), b"mine").unwrap();
    world.remove_item(&CHANNEL, &ITEM, true).unwrap();
    assert_eq!(files_below(&world.root()), [world.root().join("deep/mine.txt")]);
}

#[test]
fn a_process_killed_before_it_removed_the_files_removes_them_later() {
    let mut world = World::new();
    let made = folder(40, Padding::Ours);
    world.plan(ITEM, &world.root(), &made);
    world.fetch(ITEM, &made);
    let parts = files_below(&world.root());
    let keep: Vec<(std::path::PathBuf, Vec<u8>)> =
        parts.iter().map(|part| (part.clone(), fs::read(part).unwrap())).collect();
    let times: Vec<_> = parts.iter().map(|part| fs::metadata(part).unwrap().modified().unwrap()).collect();
    world.remove_item(&CHANNEL, &ITEM, false).unwrap();
    world.shut_without_sync();
    // As it was between the record and the removal; one part file has since become another file.
    for ((part, bytes), time) in keep.iter().zip(times) {
        fs::create_dir_all(part.parent().unwrap()).unwrap();
        fs::write(part, bytes).unwrap();
        fs::File::options().write(true).open(part).unwrap().set_modified(time).unwrap();
    }
    let mine = world.root().join("b.txt.part");
    fs::write(&mine, b"mine").unwrap();
    let root = world.root();
    let db = rusqlite::Connection::open(world.data().join("store.db")).unwrap();
    for (part, bytes) in &keep {
        use std::os::unix::ffi::OsStrExt;
        let time = fs::metadata(part).unwrap().modified().unwrap();
        let time =
            if *part == mine { 1 } else { time.duration_since(std::time::UNIX_EPOCH).unwrap().as_nanos() as i64 };
        let values =
            rusqlite::params![part.as_os_str().as_bytes(), root.as_os_str().as_bytes(), bytes.len() as i64, time];
        db.execute("INSERT INTO doomed(file, root, length, mtime_ns) VALUES(?, ?, ?, ?)", values).unwrap();
    }
    drop(db);
    world.crash();
    assert_eq!(files_below(&world.root()), [mine]);
    world.assert_tidy();
}

#[test]
fn structure_goes_when_the_list_no_longer_names_it() {
    let mut world = World::new();
    let other = ChannelKey([6; 32]);
    world.add_or_change_channel(channel(other), |_| {}).unwrap();
    let blobs: Vec<_> = (0..4).map(structure).collect();
    for blob in &blobs {
        world.put_stored(&CHANNEL, Role::Structure, blob).unwrap();
    }
    world.put_stored(&other, Role::Root, &blobs[1]).unwrap();
    assert_eq!(world.read_all(), 4);
    assert_eq!(world.retain_structure(&CHANNEL, &[blobs[0].id()]).unwrap(), [blobs[2].id(), blobs[3].id()]);
    assert_eq!(world.blob_files(), 2, "the other channel needs one still");
    world.crash();
    assert_eq!(world.read_all(), 2);
    world.assert_tidy();
    assert!(matches!(world.put_stored(&ChannelKey([9; 32]), Role::Root, &blobs[0]), Err(StoreError::UnknownChannel)));
}

#[test]
fn a_forgotten_channel_is_not_remembered_by_its_addresses() {
    let world = World::new();
    let (mine, other) = (PeerAddr::Ip(([10, 0, 0, 1], 5).into()), PeerAddr::Ip(([10, 0, 0, 2], 5).into()));
    let another = ChannelKey([9; 32]);
    world.note_addresses(&[(mine, CHANNEL), (other.clone(), another)], &[], 1).unwrap();
    world.remove_channel(&CHANNEL, false).unwrap();
    assert_eq!(world.address_book().unwrap(), [(other, another)]);
}

#[test]
fn an_address_that_answers_on_no_day_is_forgotten_and_one_that_answers_is_not() {
    let mut world = World::new();
    let addr = |n: u8| PeerAddr::Ip(([45, 0, 0, n], 6881).into());
    let all: Vec<_> = (0..4).map(|n| (addr(n), CHANNEL)).collect();
    world.note_addresses(&all, &[], 10).unwrap();
    let kept = |world: &World| {
        let mut kept: Vec<PeerAddr> = world.address_book().unwrap().into_iter().map(|(addr, _)| addr).collect();
        kept.sort();
        kept
    };
    // A hundred tries on one day are one day.
    for _ in 0..100 {
        world.note_addresses(&[], &[addr(0), addr(1)], 11).unwrap();
    }
    assert_eq!(kept(&world).len(), 4);
    world.note_addresses(&[], &[addr(0), addr(1)], 12).unwrap();
    // What answers once starts anew, and is the best.
    world.note_addresses(&[(addr(1), CHANNEL)], &[addr(1)], 13).unwrap();
    assert_eq!(world.address_book().unwrap()[0].0, addr(1));
    world.shut();
    world.open_again();
    world.note_addresses(&[], &[addr(0), addr(1)], 13).unwrap();
    assert_eq!(kept(&world), [addr(1), addr(2), addr(3)]);
    // The book has an end, and a later note does not move what answers all the time.
    let many: Vec<_> =
        (0..1200_u32).map(|n| (PeerAddr::Ip(([46, 0, (n >> 8) as u8, n as u8], 1).into()), CHANNEL)).collect();
    world.note_addresses(&many, &[], 14).unwrap();
    let book = world.address_book().unwrap();
    assert_eq!((book.len(), &book[0].0), (1000, &many[1199].0));
}

#[test]
fn secrets_lie_sealed() {
    let mut world = World::new();
    let mut private = channel(ChannelKey([7; 32]));
    private.read_key = Some(ReadKey(*b"a read key that must not be seen"));
    world.add_or_change_channel(private.clone(), |_| {}).unwrap();
    world.set_sealed("onion", Some(b"an onion key that must not be seen")).unwrap();
    let addr = PeerAddr::Name("peer-not-to-be-seen.example".into(), 7);
    world.note_addresses(&[(addr.clone(), private.key)], &[], 1).unwrap();
    world.shut();
    for file in files_below(&world.data()) {
        let bytes = fs::read(&file).unwrap();
        let seen = |text: &[u8]| bytes.windows(text.len()).any(|window| window == text);
        assert!(!seen(b"not be seen") && !seen(b"not-to-be-seen"), "{file:?}");
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            let mode = fs::metadata(&file).unwrap().permissions().mode();
            assert!(mode & 0o077 == 0 || file.ends_with("lock"), "{file:?} {mode:o}");
        }
    }
    world.open_again();
    assert_eq!(world.channel(&private.key).unwrap().unwrap().read_key, private.read_key);
    assert_eq!(&**world.sealed("onion").unwrap().unwrap(), b"an onion key that must not be seen");
    assert_eq!(world.address_book().unwrap(), [(addr, private.key)]);
    // Without the store key the rest works, and the sealed values stay as they are.
    world.shut();
    let (store, _) = store::Store::open(store::DataDir::lock(&world.data()).unwrap(), None).unwrap();
    let locked = store.channel(&private.key).unwrap().unwrap();
    assert!(locked.read_key.is_none() && store.address_book().unwrap().is_empty());
    assert!(matches!(store.sealed("onion"), Err(StoreError::SecretsLocked)));
    assert!(matches!(store.set_sealed("onion", Some(b"x")), Err(StoreError::SecretsLocked)));
    store.change_channel(&private.key, |row| row.name = "renamed".into()).unwrap();
    let other_key = store.change_channel(&private.key, |row| row.read_key = Some(ReadKey([1; 32])));
    assert!(matches!(other_key, Err(StoreError::SecretsLocked)));
    store.close().unwrap();
    drop(store);
    world.open_again();
    let kept = world.channel(&private.key).unwrap().unwrap();
    assert_eq!((kept.read_key, kept.name), (private.read_key, "renamed".into()));
}

#[test]
fn changes_of_one_channel_at_once_are_all_kept() {
    let world = World::new();
    let key = ChannelKey([8; 32]);
    world.add_or_change_channel(channel(key), |_| {}).unwrap();
    std::thread::scope(|scope| {
        for n in 0..8 {
            let store: &store::Store = &world;
            scope.spawn(move || {
                store.change_channel(&key, |row| row.about.push(char::from(b'a' + n))).unwrap().unwrap();
            });
        }
    });
    let mut about: Vec<char> = world.channel(&key).unwrap().unwrap().about.chars().collect();
    about.sort_unstable();
    assert_eq!(about.iter().collect::<String>(), "abcdefgh");
    assert!(world.change_channel(&ChannelKey([9; 32]), |_| panic!("there is none")).unwrap().is_none());
}
