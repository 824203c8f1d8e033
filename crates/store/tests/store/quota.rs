//! The quota, checked before each write.

use crate::world::{CHANNEL, ITEM, OTHER, Padding, World, bytes, make, structure};
use protocol::params::{BLOB_LEN, CHUNK_LEN};
use store::{Role, StoreError};

#[test]
fn a_plan_that_does_not_fit_is_refused_before_anything_is_fetched() {
    let world = World::new();
    let made = make(1, Padding::Ours, &[("film", bytes(1, 3 * CHUNK_LEN))]);
    world.set_quota(Some(3 * CHUNK_LEN as u64 - 1));
    let refused = world.plan_download(&CHANNEL, &ITEM, &world.root(), made.plan(&world.root()));
    match refused {
        Err(StoreError::Quota { quota, used: 0, needed }) => assert_eq!(quota + 1, needed),
        other => panic!("{other:?}"),
    }
    assert!(!world.item(&CHANNEL, &ITEM).unwrap().unwrap().planned);
    world.set_quota(Some(3 * CHUNK_LEN as u64));
    world.download(ITEM, &world.root(), &made);
    assert_eq!(world.totals().unwrap().used, 3 * CHUNK_LEN as u64);
    // What is here already may be planned again.
    world.plan(ITEM, &world.root(), &made);
}

#[test]
fn a_quota_that_is_reached_in_the_middle_stops_there_and_loses_nothing() {
    let mut world = World::new();
    let made = make(2, Padding::Ours, &[("film", bytes(2, 5 * CHUNK_LEN))]);
    world.plan(ITEM, &world.root(), &made);
    let lacks = world.lacks(ITEM);
    world.set_quota(Some(2 * CHUNK_LEN as u64 + 7));
    let results: Vec<_> = lacks.iter().map(|blob| world.place(made.blobs[blob].clone())).collect();
    assert!(results[..2].iter().all(Result::is_ok));
    assert!(results[2..].iter().all(|r| matches!(r, Err(StoreError::Quota { .. }))));
    assert_eq!(world.lacks(ITEM), lacks[2..]);
    // A stored blob counts whole.
    let refused = world.put_stored(&CHANNEL, Role::Structure, &structure(1));
    assert!(matches!(refused, Err(StoreError::Quota { needed, .. }) if needed == BLOB_LEN as u64));
    world.set_quota(None);
    world.fetch(ITEM, &made);
    world.finish_item(&CHANNEL, &ITEM).unwrap();
    made.assert_at(&world.root());
    world.assert_tidy();
}

#[test]
fn many_writers_at_once_do_not_pass_it_together() {
    let world = World::new();
    let made = make(3, Padding::Ours, &[("film", bytes(3, 24 * CHUNK_LEN))]);
    world.plan(ITEM, &world.root(), &made);
    world.set_quota(Some(10 * CHUNK_LEN as u64));
    let lacks = world.lacks(ITEM);
    let store: &store::Store = &world;
    let taken: usize = std::thread::scope(|scope| {
        let workers: Vec<_> = lacks
            .chunks(6)
            .map(|part| {
                scope.spawn(|| part.iter().filter(|blob| store.place(made.blobs[blob].clone()).is_ok()).count())
            })
            .collect();
        workers.into_iter().map(|worker| worker.join().unwrap()).sum()
    });
    assert_eq!(taken, 10);
    assert_eq!(world.totals().unwrap().used, 10 * CHUNK_LEN as u64);
}

#[test]
fn what_is_removed_makes_room() {
    let world = World::new();
    let made = make(4, Padding::Ours, &[("film", bytes(4, 2 * CHUNK_LEN))]);
    let other = make(5, Padding::Ours, &[("song", bytes(5, 2 * CHUNK_LEN))]);
    world.set_quota(Some(3 * CHUNK_LEN as u64));
    world.download(ITEM, &world.root(), &made);
    let root = world.tmp.path().join("downloads/other");
    let plan = || world.plan_download(&CHANNEL, &OTHER, &root, other.plan(&root));
    assert!(matches!(plan(), Err(StoreError::Quota { .. })));
    world.remove_item(&CHANNEL, &ITEM, true).unwrap();
    plan().unwrap();
    world.fetch(OTHER, &other);
    world.finish_item(&CHANNEL, &OTHER).unwrap();
}
