//! The key that seals secrets: known again, and never replaced in silence.

use crate::world::{channel, open};
use protocol::{ChannelKey, PeerAddr, ReadKey};
use std::path::Path;
use store::{DataDir, IdentityRow, Store, StoreError};

const PRIVATE: ChannelKey = ChannelKey([7; 32]);

fn with(data: &Path, key: Option<&[u8; 32]>) -> Store {
    Store::open(DataDir::lock(data).unwrap(), key).unwrap().0
}

fn addr() -> PeerAddr {
    PeerAddr::Ip(([10, 0, 0, 1], 5).into())
}

/// Everything that is sealed, under the key of `open`.
fn sealed(data: &Path) {
    let (store, _) = open(data);
    let mut private = channel(PRIVATE);
    private.read_key = Some(ReadKey([3; 32]));
    store.add_or_change_channel(private, |_| {}).unwrap();
    store.set_sealed("onion", Some(b"the onion's key")).unwrap();
    store.note_addresses(&[(addr(), PRIVATE)], &[], 1).unwrap();
    store.close().unwrap();
}

fn assert_all_there(data: &Path) {
    let (store, _) = open(data);
    assert_eq!(store.channel(&PRIVATE).unwrap().unwrap().read_key, Some(ReadKey([3; 32])));
    assert_eq!(&**store.sealed_or("onion", b"another").unwrap(), b"the onion's key");
    assert_eq!(store.address_book().unwrap(), [(addr(), PRIVATE)]);
    store.close().unwrap();
}

#[test]
fn another_key_opens_nothing_and_changes_nothing() {
    let tmp = tempfile::tempdir().unwrap();
    let data = tmp.path().join("data");
    sealed(&data);
    for before_there_was_a_check in [false, true] {
        if before_there_was_a_check {
            let db = rusqlite::Connection::open(data.join("store.db")).unwrap();
            assert_eq!(db.execute("DELETE FROM meta WHERE name = 'key check'", []).unwrap(), 1);
        }
        let store = with(&data, Some(&[8; 32]));
        assert!(store.channel(&PRIVATE).unwrap().unwrap().read_key.is_none(), "everything else works");
        assert!(matches!(store.sealed("onion"), Err(StoreError::OtherStoreKey)));
        assert!(matches!(store.sealed_or("onion", b"fresh"), Err(StoreError::OtherStoreKey)));
        assert!(matches!(store.set_sealed("onion", Some(b"fresh")), Err(StoreError::OtherStoreKey)));
        let both = store.set_settings_sealed(&[("route", Some("proxy"))], "login", Some(b"secret"));
        assert!(matches!(both, Err(StoreError::OtherStoreKey)));
        assert_eq!(store.setting("route").unwrap(), None, "all of it or nothing");
        let new_key = store.change_channel(&PRIVATE, |row| row.read_key = Some(ReadKey([1; 32])));
        assert!(matches!(new_key, Err(StoreError::OtherStoreKey)));
        store.note_addresses(&[(PeerAddr::Ip(([10, 0, 0, 2], 5).into()), PRIVATE)], &[], 1).unwrap();
        assert!(matches!(store.unlock(&[9; 32]), Err(StoreError::OtherStoreKey)));
        store.close().unwrap();
        drop(store);
        assert_all_there(&data);
    }
}

#[test]
fn a_key_that_is_missing_is_missed_only_where_something_was_sealed() {
    let tmp = tempfile::tempdir().unwrap();
    let (new, old) = (tmp.path().join("new"), tmp.path().join("old"));
    let store = with(&new, None);
    assert!(store.may_have_first_key().unwrap());
    store.unlock(&[8; 32]).unwrap();
    store.set_sealed("x", Some(b"y")).unwrap();
    assert!(matches!(store.unlock(&[9; 32]), Err(StoreError::OtherStoreKey)));
    store.close().unwrap();
    drop(store);
    sealed(&old);
    let store = with(&old, None);
    assert!(matches!(store.sealed("onion"), Err(StoreError::SecretsLocked)), "locked, for all that is known");
    assert!(!store.may_have_first_key().unwrap());
    assert!(matches!(store.sealed("onion"), Err(StoreError::OtherStoreKey)));
    // The keyring comes back.
    store.unlock(&[7; 32]).unwrap();
    assert_eq!(&**store.sealed("onion").unwrap().unwrap(), b"the onion's key");
    store.close().unwrap();
    drop(store);
    assert_all_there(&old);
}

#[test]
fn one_value_that_rotted_is_not_written_over_and_does_not_lock_the_others() {
    let tmp = tempfile::tempdir().unwrap();
    let data = tmp.path().join("data");
    sealed(&data);
    let db = rusqlite::Connection::open(data.join("store.db")).unwrap();
    db.execute("UPDATE sealed SET value = zeroblob(60)", []).unwrap();
    db.execute("DELETE FROM meta WHERE name = 'key check'", []).unwrap();
    drop(db);
    let (store, _) = open(&data);
    assert!(store.channel(&PRIVATE).unwrap().unwrap().read_key.is_some());
    assert!(matches!(store.sealed_or("onion", b"fresh"), Err(StoreError::OtherStoreKey)));
    store.set_sealed("onion", Some(b"on somebody's word")).unwrap();
    assert_eq!(&**store.sealed("onion").unwrap().unwrap(), b"on somebody's word");
    store.close().unwrap();
}

#[test]
fn a_key_that_is_gone_for_good_takes_what_it_sealed_along_and_nothing_else() {
    const OWN: ChannelKey = ChannelKey([11; 32]);
    const KEPT: ChannelKey = ChannelKey([12; 32]);
    let tmp = tempfile::tempdir().unwrap();
    let data = tmp.path().join("data");
    sealed(&data);
    let (store, _) = open(&data);
    for (key, name) in [(OWN, "Tidewater"), (KEPT, "Family")] {
        store.add_or_change_channel(channel(key), |row| row.own = true).unwrap();
        store.put_identity(&IdentityRow { key, name: name.into(), private: None, created: 1 }).unwrap();
        store
            .set_items(&key, 5, &[store::ItemRow { channel: key, ..crate::world::row(crate::world::ITEM, b"1") }])
            .unwrap();
    }
    assert!(!store.is_key_lost());
    store.close().unwrap();
    drop(store);

    let store = with(&data, Some(&[8; 32]));
    assert!(store.is_key_lost());
    let told = store.sealed_by_key(&[KEPT]).unwrap();
    let names = |given_up: &store::GivenUp| given_up.identities.iter().map(|row| row.name.clone()).collect::<Vec<_>>();
    assert_eq!((names(&told), told.closed.len(), told.others), (vec!["Tidewater".to_owned()], 1, true));
    assert_eq!(store.identities().unwrap().len(), 2, "telling changes nothing");
    let given_up = store.give_up_key(&[8; 32], &[KEPT]).unwrap();
    assert_eq!(names(&given_up), ["Tidewater"]);
    assert!(!store.is_key_lost());
    store.close().unwrap();
    drop(store);

    let store = with(&data, Some(&[8; 32]));
    assert!(!store.is_key_lost(), "it is the folder's key from then on");
    let own = |key| store.channel(&key).unwrap().unwrap().own;
    assert_eq!((own(OWN), own(KEPT)), (false, true));
    assert!(store.channel(&OWN).unwrap().unwrap().followed);
    assert_eq!((store.items(&OWN).unwrap().len(), store.items(&KEPT).unwrap().len()), (1, 1), "lists stay");
    assert_eq!(&**store.sealed_or("onion", b"another").unwrap(), b"another");
    assert!(store.address_book().unwrap().is_empty());
    assert!(store.channel(&PRIVATE).unwrap().unwrap().read_key.is_none());
    store.change_channel(&PRIVATE, |row| row.read_key = Some(ReadKey([4; 32]))).unwrap();
    assert_eq!(store.channel(&PRIVATE).unwrap().unwrap().read_key, Some(ReadKey([4; 32])));
    assert!(matches!(store.unlock(&[7; 32]), Err(StoreError::OtherStoreKey)), "the old one is another's now");
    store.close().unwrap();
}
