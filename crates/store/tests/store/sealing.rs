//! The key that seals secrets: known again, and never replaced in silence.

use crate::world::{channel, open};
use protocol::{ChannelKey, PeerAddr, ReadKey};
use std::path::Path;
use store::{DataDir, Store, StoreError};

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
