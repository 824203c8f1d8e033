//! What an author may write into lists and plans, however long, and what happens in the moment of a change.

use crate::world::{CHANNEL, ITEM, Made, OTHER, Padding, World, bytes, channel, folder, make, row};
use protocol::devices::{DeviceId, Seen};
use protocol::{BlobKey, ChannelKey, Chunk, Identity, ItemId, ReadKey, SafePath, SignedManifest, blob};
use std::collections::BTreeSet;
use std::fs;
use std::sync::Barrier;
use std::time::Duration;
use store::{IdentityRow, ItemRow, ListHead, PlanFile, PlanStep, Publication, Role, Standing, StoreError};

fn path(text: &str) -> SafePath {
    SafePath::parse(text).unwrap()
}

fn file(text: &str, size: u64) -> PlanStep {
    PlanStep::File { path: path(text), size, mime: None }
}

fn chunks(made: &Made, root: &std::path::Path, name: &str) -> Vec<Chunk> {
    made.plan(root).into_iter().find(|file| file.path.as_str() == name).unwrap().chunks
}

/// A list that changes, or a user who removes, while the files of an item get their names: the change wins.
#[test]
fn a_change_in_the_moment_of_finishing_is_never_lost() {
    for round in 0..12_u64 {
        let world = World::new();
        let names: Vec<String> = (0..24).map(|n| format!("{n}.bin")).collect();
        let files: Vec<(&str, Vec<u8>)> =
            names.iter().zip(0..).map(|(name, n)| (name.as_str(), bytes(round * 100 + n, 150_000))).collect();
        let made = make(round, Padding::Ours, &files);
        world.plan(ITEM, &world.root(), &made);
        world.fetch(ITEM, &made);
        let (both, removes) = (Barrier::new(2), round % 2 == 1);
        std::thread::scope(|scope| {
            let finish = scope.spawn(|| {
                both.wait();
                world.finish_item(&CHANNEL, &ITEM)
            });
            both.wait();
            std::thread::sleep(Duration::from_micros(400 * (round / 2)));
            if removes {
                world.remove_item(&CHANNEL, &ITEM, true).unwrap();
            } else {
                let relisted = world.set_items(&CHANNEL, 2, &[row(ITEM, b"new"), row(OTHER, b"2")]).unwrap();
                assert_eq!(relisted.replanned, [ITEM], "whoever works on it is told");
            }
            let finished = finish.join().unwrap();
            assert!(matches!(finished, Ok(_) | Err(StoreError::Incomplete)), "{finished:?}");
        });
        let item = world.item(&CHANNEL, &ITEM).unwrap().unwrap();
        assert!(!item.planned, "round {round}: what is planned is no more");
        let stands = if removes { Standing::Listed } else { Standing::Wanted };
        assert_eq!(item.standing, stands, "round {round}");
    }
}

#[test]
fn a_plan_is_written_piece_by_piece_and_counts_when_it_is_whole() {
    let mut world = World::new();
    let made = folder(200, Padding::Ours);
    let (big, whole) = (chunks(&made, &world.root(), "big.bin"), chunks(&made, &world.root(), "deep/down/whole.bin"));
    let sizes = |chunks: &[Chunk]| chunks.iter().map(|chunk| u64::from(chunk.len)).sum::<u64>();
    let mut draft = world.begin_plan(&CHANNEL, &ITEM).unwrap();
    world.extend_plan(&mut draft, &[file("big.bin", sizes(&big)), file("deep/down/whole.bin", sizes(&whole))]).unwrap();
    world.extend_plan(&mut draft, &[PlanStep::Again(1), PlanStep::Chunks(whole[..1].to_vec())]).unwrap();
    // A part of a file is no file, and nothing is fetched for it.
    let other = world.extend_plan(&mut draft, &[PlanStep::Again(0)]).unwrap_err();
    assert!(matches!(other, StoreError::BadPlan { .. }), "{other}");
    assert_eq!(world.lacks(ITEM), []);
    assert!(world.file_names(&CHANNEL, &ITEM).unwrap().is_empty());
    world.extend_plan(&mut draft, &[PlanStep::Chunks(whole[1..].to_vec())]).unwrap();
    world.extend_plan(&mut draft, &[PlanStep::Again(0), PlanStep::Chunks(big.clone())]).unwrap();
    let twice = world.extend_plan(&mut draft, &[PlanStep::Again(1)]).unwrap_err();
    assert!(matches!(twice, StoreError::BadPlan { .. }), "{twice}");
    world.commit_plan(draft, &world.root(), false).unwrap();
    assert_eq!(world.lacks(ITEM).len(), big.len() + whole.len());
    world.fetch(ITEM, &made);
    world.finish_item(&CHANNEL, &ITEM).unwrap();
    assert_eq!(fs::read(world.root().join("big.bin")).unwrap(), made.plain["big.bin"]);
    let from = world.chunks_of(&CHANNEL, &ITEM, &path("big.bin"), (1 << 20) + 5, 2).unwrap();
    assert_eq!(from.iter().map(|(at, _)| *at).collect::<Vec<_>>(), [1 << 20, 2 << 20]);
    world.assert_tidy();
}

#[test]
fn a_plan_whose_item_changes_meanwhile_is_none() {
    let mut world = World::new();
    let made = folder(210, Padding::Ours);
    let begun = |world: &World| {
        let mut draft = world.begin_plan(&CHANNEL, &ITEM).unwrap();
        world.extend_plan(&mut draft, &[file("a.txt", 10_000)]).unwrap();
        draft
    };
    let mut draft = begun(&world);
    world.set_items(&CHANNEL, 2, &[row(ITEM, b"other"), row(OTHER, b"2")]).unwrap();
    let gone = world.extend_plan(&mut draft, &[file("b.txt", 1)]).unwrap_err();
    assert!(matches!(gone, StoreError::PlanGone), "{gone}");
    let draft = begun(&world);
    world.remove_item(&CHANNEL, &ITEM, true).unwrap();
    assert!(matches!(world.commit_plan(draft, &world.root(), false), Err(StoreError::PlanGone)));
    // Two at once: the later one counts. What the first wrote is gone with it, also after a kill.
    let first = begun(&world);
    let second = begun(&world);
    assert!(matches!(world.commit_plan(first, &world.root(), false), Err(StoreError::PlanGone)));
    drop(second);
    world.crash();
    world.download(ITEM, &world.root(), &made);
    made.assert_at(&world.root());
    world.assert_tidy();
    begun(&world);
    world.set_items(&CHANNEL, 3, &[]).unwrap();
    world.assert_tidy();
}

#[test]
fn a_plan_without_room_is_refused_before_it_is_read_and_an_update_asks_only_for_what_is_new() {
    let world = World::new();
    let big = 1 << 60;
    let full = world.check_plan(&CHANNEL, &ITEM, &world.root(), big, 0).unwrap_err();
    assert!(matches!(full, StoreError::DiskFull { needed, .. } if needed == big), "{full}");
    assert!(matches!(world.check_plan(&CHANNEL, &ITEM, &world.root(), 0, big), Err(StoreError::DiskFull { .. })));
    let made = folder(220, Padding::Ours);
    world.download(ITEM, &world.root(), &made);
    let size: u64 = made.plain.values().map(|plain| plain.len() as u64).sum();
    world.set_quota(Some(size + 100));
    world.set_items(&CHANNEL, 2, &[row(ITEM, b"other"), row(OTHER, b"2")]).unwrap();
    world.check_plan(&CHANNEL, &ITEM, &world.root(), size, 0).unwrap();
    assert!(matches!(
        world.check_plan(&CHANNEL, &OTHER, &world.root(), size, 0),
        Err(StoreError::Quota { needed, .. }) if needed == size
    ));
}

/// A blob that an author names ten thousand times: it is written some places at a time, and is held.
#[test]
fn one_blob_in_very_many_places_comes_to_all_of_them() {
    for encrypted in [false, true] {
        let mut world = World::new();
        let key = BlobKey { key: [5; 32], nonce: [6; 12] };
        let plain = bytes(1, 200);
        let sealed = blob::seal(plain.clone(), &key);
        let piece = |offset| Chunk { blob: sealed.id(), key: key.clone(), offset, len: 100 };
        let planned = |name: &str, count: usize| PlanFile {
            path: path(name),
            disk: world.root().join(name),
            size: 100 * count as u64,
            mime: None,
            mtime_ns: 0,
            chunks: (0..count).map(|n| piece(100 * (n as u32 % 2))).collect(),
        };
        let files = vec![planned("one.bin", 6000), planned("two.bin", 4000)];
        match encrypted {
            true => world.plan_encrypted(&CHANNEL, &ITEM, &world.root(), files).unwrap(),
            false => world.plan_download(&CHANNEL, &ITEM, &world.root(), files).unwrap(),
        };
        assert_eq!(world.lacks(ITEM), [sealed.id()]);
        let placed = world.place(sealed.clone()).unwrap();
        assert_eq!(placed.items, [(CHANNEL, ITEM, 1_000_000)]);
        assert_eq!((placed.finished.as_slice(), placed.unopenable.len()), ([(CHANNEL, ITEM)].as_slice(), 0));
        world.finish_item(&CHANNEL, &ITEM).unwrap();
        if !encrypted {
            assert!(fs::read(world.root().join("one.bin")).unwrap() == plain.repeat(3000));
            assert!(fs::read(world.root().join("two.bin")).unwrap() == plain.repeat(2000));
        }
        assert_eq!(world.read_blob(&sealed.id()).unwrap().id(), sealed.id());
        world.crash();
        assert_eq!(world.read_blob(&sealed.id()).unwrap().id(), sealed.id());
        world.assert_tidy();
    }
}

#[test]
fn a_thousand_keys_for_one_blob_are_one_wrong_key() {
    let world = World::new();
    let right = BlobKey { key: [5; 32], nonce: [6; 12] };
    let sealed = blob::seal(bytes(1, 100), &right);
    let key = |n: u8| BlobKey { key: [n; 32], nonce: [6; 12] };
    let chunk = |n: u8| Chunk { blob: sealed.id(), key: key(n), offset: 0, len: 10 };
    let file = PlanFile {
        path: path("x"),
        disk: world.root().join("x"),
        size: 2550,
        mime: None,
        mtime_ns: 0,
        chunks: (0..=254).map(chunk).collect(),
    };
    world.plan_download(&CHANNEL, &ITEM, &world.root(), vec![file]).unwrap();
    let placed = world.place(sealed).unwrap();
    assert_eq!(placed.unopenable, [(CHANNEL, ITEM)]);
    assert!(world.lacks(ITEM).is_empty(), "it is not asked for again");
}

#[test]
fn a_list_is_taken_over_piece_by_piece_in_the_order_of_its_places() {
    let mut world = World::new();
    let items = |world: &World| world.items(&CHANNEL).unwrap().iter().map(|item| item.id.0[0]).collect::<Vec<_>>();
    let listed = |n: u8, mark: &[u8]| row(ItemId([n; 16]), mark);
    let mut draft = world.begin_list(&CHANNEL, 5, 1000).unwrap();
    world.extend_list(&mut draft, &[(70, listed(7, b"1")), (20, listed(1, b"1"))]).unwrap();
    assert_eq!(items(&world), [1, 2], "the old list until the new one is whole");
    world.extend_list(&mut draft, &[(30, listed(3, b"1")), (99, listed(7, b"same ID"))]).unwrap();
    let relisted = world.commit_list(draft, head(9), &[]).unwrap();
    assert_eq!((relisted.replanned.len(), items(&world)), (0, vec![1, 3, 7]));
    assert_eq!(world.channel(&CHANNEL).unwrap().unwrap().body_sequence, 9);
    let first = world.item(&CHANNEL, &ItemId([7; 16])).unwrap().unwrap();
    assert_eq!((first.position, first.json), (2, listed(7, b"1").json));
    // A newer reading ends an older one.
    let mut old = world.begin_list(&CHANNEL, 5, 1000).unwrap();
    let mut new = world.begin_list(&CHANNEL, 5, 1000).unwrap();
    assert!(matches!(world.extend_list(&mut old, &[(1, listed(9, b"1"))]), Err(StoreError::ListGone)));
    world.extend_list(&mut new, &[(1, listed(3, b"1"))]).unwrap();
    assert!(matches!(world.commit_list(old, head(10), &[]), Err(StoreError::ListGone)));
    // What is read when the process dies is nothing.
    world.crash();
    assert_eq!(items(&world), [1, 3, 7]);
    assert!(matches!(world.commit_list(new, head(11), &[]).map(|_| items(&world)), Ok(listed) if listed.is_empty()));
    // More than is kept of one list.
    let mut long = world.begin_list(&CHANNEL, 2, 1000).unwrap();
    let many: Vec<(u64, ItemRow)> = (1..=3).map(|n| (u64::from(n), listed(n, b"1"))).collect();
    let error = world.extend_list(&mut long, &many).unwrap_err();
    assert_eq!(error.to_string(), "more than 2 items in the list of one channel");
    let mut texts = world.begin_list(&CHANNEL, 5, 1000).unwrap();
    let wordy = ItemRow { about: "x".repeat(2000), ..listed(1, b"1") };
    assert!(matches!(world.extend_list(&mut texts, &[(1, wordy)]), Err(StoreError::TooMuch { max: 1000, .. })));
}

#[test]
fn tables_over_which_a_process_died_wait_for_the_users_word() {
    let mut world = World::new();
    let wanted = |world: &World| world.want_by_rule(&CHANNEL, -1, &BTreeSet::new()).unwrap();
    assert_eq!(wanted(&world), [ITEM, OTHER]);
    world.set_reading(&CHANNEL, &ITEM, true).unwrap();
    // A stop in order says nothing against it.
    world.reopen();
    assert_eq!(wanted(&world), [ITEM, OTHER]);
    world.set_reading(&CHANNEL, &ITEM, true).unwrap();
    world.set_reading(&CHANNEL, &OTHER, true).unwrap();
    world.set_reading(&CHANNEL, &OTHER, false).unwrap();
    // Once it may have been by chance: it is read again, but not at once.
    world.crash();
    assert_eq!((wanted(&world), world.died_once().unwrap()), (vec![OTHER], vec![(CHANNEL, ITEM)]));
    assert!(!world.item(&CHANNEL, &ITEM).unwrap().unwrap().deadly);
    world.set_reading(&CHANNEL, &ITEM, true).unwrap();
    // In the middle of it it waits for a table, and goes on.
    world.set_reading(&CHANNEL, &ITEM, false).unwrap();
    world.set_reading(&CHANNEL, &ITEM, true).unwrap();
    world.reopen();
    assert_eq!(world.died_once().unwrap(), [(CHANNEL, ITEM)], "a stop in order is no second death, and no way through");
    world.set_reading(&CHANNEL, &ITEM, true).unwrap();
    world.crash();
    assert_eq!((wanted(&world), world.died_once().unwrap()), (vec![OTHER], vec![]));
    assert!(world.item(&CHANNEL, &ITEM).unwrap().unwrap().deadly);
    world.reopen();
    assert_eq!(wanted(&world), [OTHER], "not at any later start either");
    world.set_standing(&CHANNEL, &ITEM, Standing::Wanted, false).unwrap();
    assert_eq!(wanted(&world), [ITEM, OTHER]);
    // Another version is another thing.
    for _ in 0..2 {
        world.set_reading(&CHANNEL, &ITEM, true).unwrap();
        world.crash();
    }
    assert_eq!(wanted(&world), [OTHER]);
    world.set_items(&CHANNEL, 2, &[row(ITEM, b"other"), row(OTHER, b"2")]).unwrap();
    assert_eq!(wanted(&world), [ITEM, OTHER]);
}

fn head(sequence: u64) -> ListHead {
    ListHead { sequence, name: String::new(), about: String::new(), seen: None }
}

fn signed(seed: u8, sequence: u64) -> (Identity, SignedManifest) {
    let identity = Identity::from_seed(&[seed; 32]);
    let body = protocol::Body { collections: vec![protocol::body::Collection::default()], ..Default::default() };
    let manifest = SignedManifest::sign_inline(&identity, sequence, &body).unwrap();
    (identity, manifest)
}

#[test]
fn a_manifest_that_does_not_hold_any_more_costs_only_itself() {
    let mut world = World::new();
    let (identity, manifest) = signed(3, 50);
    let key = identity.channel();
    world.add_or_change_channel(channel(key), |row| row.manifest = Some(manifest.clone())).unwrap();
    let kept = world.channel(&key).unwrap().unwrap().manifest.unwrap();
    assert_eq!((kept.json(), kept.bep44()), (manifest.json(), manifest.bep44()));
    for break_it in [
        "UPDATE channels SET bep44 = zeroblob(64) WHERE manifest IS NOT NULL",
        "UPDATE channels SET bep44 = x'00' WHERE manifest IS NOT NULL",
        "UPDATE channels SET manifest = CAST(replace(CAST(manifest AS TEXT), '\"timestamp\":0', '\"timestamp\":1') AS BLOB)",
        "UPDATE channels SET manifest = x'7b' WHERE manifest IS NOT NULL",
    ] {
        world.add_or_change_channel(channel(key), |row| row.manifest = Some(manifest.clone())).unwrap();
        world.shut();
        let db = rusqlite::Connection::open(world.data().join("store.db")).unwrap();
        assert!(db.execute(break_it, []).unwrap() > 0);
        drop(db);
        let (store, recovery) = crate::world::open(&world.data());
        assert_eq!(recovery.unsigned, [key], "{break_it}");
        assert_eq!(store.channels().unwrap().len(), 2);
        assert!(store.channel(&key).unwrap().unwrap().manifest.is_none());
        assert_eq!(store.floor(&key).unwrap(), 50, "an older one is still refused");
        store.close().unwrap();
        drop(store);
        world.open_again();
    }
    // While it runs, too: the others are read, and this one can be left.
    world.add_or_change_channel(channel(key), |row| row.manifest = Some(manifest.clone())).unwrap();
    let db = rusqlite::Connection::open(world.data().join("store.db")).unwrap();
    db.execute("UPDATE channels SET manifest = x'7b' WHERE manifest IS NOT NULL", []).unwrap();
    assert_eq!(world.channels().unwrap().len(), 2);
    world.remove_channel(&key, true).unwrap();
    assert_eq!(world.channels().unwrap().len(), 1);
}

#[test]
fn a_publication_counts_with_its_list_and_not_before() {
    let mut world = World::new();
    let (identity, first) = signed(4, 10);
    let key = identity.channel();
    world.add_or_change_channel(channel(key), |row| row.own = true).unwrap();
    let source = world.tmp.path().join("mine");
    let (old, new) =
        (make(1, Padding::Ours, &[("a", bytes(1, 200_000))]), make(2, Padding::Ours, &[("b", bytes(2, 200_000))]));
    old.write(&source);
    new.write(&source);
    let item = |mark: &[u8]| ItemRow {
        channel: key,
        standing: Standing::Published,
        root: Some(source.clone()),
        planned: true,
        ..row(ITEM, mark)
    };
    let publication = |manifest: &SignedManifest, mark: &[u8], made: &Made| Publication {
        channel: key,
        name: "mine".into(),
        about: String::new(),
        manifest: manifest.clone(),
        base: 0,
        changed: None,
        device: DeviceId::UNMARKED,
        seen: Seen::default(),
        read_key: None,
        identity: None,
        items: vec![item(mark)],
        structure: Vec::new(),
        draft: Some((item(mark), made.published(&source))),
        out: None,
    };
    assert_eq!(world.publish_list(publication(&first, b"1", &old)).unwrap(), []);
    assert_eq!(world.held(), old.ids());
    // A list that another one overtook, or that was made from another one, changes nothing: what is in force is held as
    // before.
    for (base, sequence) in [(10, 10), (9, 11), (0, 11)] {
        let late = Publication { base, ..publication(&signed(4, sequence).1, b"2", &new) };
        let stale = world.publish_list(late).unwrap_err();
        assert!(matches!(stale, StoreError::ListGone), "{stale}");
    }
    assert_eq!(world.held(), old.ids());
    assert_eq!(world.items(&key).unwrap().len(), 1);
    assert_eq!(world.item(&key, &ITEM).unwrap().unwrap().json, item(b"1").json);
    let gone: BTreeSet<_> = world
        .publish_list(Publication { base: 10, ..publication(&signed(4, 11).1, b"2", &new) })
        .unwrap()
        .into_iter()
        .collect();
    assert_eq!((gone, world.held()), (old.ids(), new.ids()));
    let row = world.channel(&key).unwrap().unwrap();
    assert_eq!((row.name.as_str(), row.body_sequence, row.manifest.unwrap().sequence()), ("mine", 11, 11));
    world.assert_tidy();
}

/// Whatever step of it the disk refuses or the process does not live to see: list, manifest, key and files are all the old
/// ones or all the new.
#[test]
fn a_new_read_key_is_kept_with_the_list_that_it_opens_or_not_at_all() {
    let mut world = World::new();
    let (identity, first) = signed(4, 10);
    let key = identity.channel();
    let private =
        |row: &mut store::Channel| (row.own, row.private, row.read_key) = (true, true, Some(ReadKey([1; 32])));
    world.add_or_change_channel(channel(key), private).unwrap();
    let source = world.tmp.path().join("mine");
    let (old, new) =
        (make(1, Padding::Ours, &[("a", bytes(1, 200_000))]), make(2, Padding::Ours, &[("b", bytes(2, 200_000))]));
    old.write(&source);
    new.write(&source);
    let table = crate::world::structure(5);
    let item = |mark: &[u8]| ItemRow {
        channel: key,
        standing: Standing::Published,
        root: Some(source.clone()),
        planned: true,
        ..row(ITEM, mark)
    };
    let publication = |number: u8, manifest: &SignedManifest, made: &Made| Publication {
        channel: key,
        name: format!("name {number}"),
        about: String::new(),
        manifest: manifest.clone(),
        base: if number == 1 { 0 } else { 10 },
        changed: None,
        device: DeviceId::UNMARKED,
        seen: Seen::default(),
        read_key: Some(ReadKey([number; 32])),
        identity: Some(IdentityRow { key, name: format!("name {number}"), private: Some(true), created: 1 }),
        items: vec![item(&[number])],
        structure: vec![table.id()],
        draft: Some((item(&[number]), made.published(&source))),
        out: None,
    };
    world.put_stored(&key, Role::Root, &table).unwrap();
    world.publish_list(publication(1, &first, &old)).unwrap();
    let second = signed(4, 11).1;
    let assert_is = |world: &World, number: u8, sequence: u64, made: &Made| {
        let row = world.channel(&key).unwrap().unwrap();
        assert_eq!((row.read_key, row.name), (Some(ReadKey([number; 32])), format!("name {number}")));
        assert_eq!((row.body_sequence, row.manifest.unwrap().sequence()), (sequence, sequence));
        assert_eq!(world.floor(&key).unwrap(), sequence);
        assert_eq!(world.identities().unwrap()[0].name, format!("name {number}"));
        assert_eq!(world.item(&key, &ITEM).unwrap().unwrap().json, item(&[number]).json);
        let held: BTreeSet<_> = made.ids().into_iter().chain([table.id()]).collect();
        assert_eq!(world.held(), held);
    };
    assert_is(&world, 1, 10, &old);
    let steps = [
        ("UPDATE", "channels"),
        ("UPDATE", "floors"),
        ("INSERT", "identities"),
        ("UPDATE", "items"),
        ("DELETE", "files"),
        ("INSERT", "files"),
        ("INSERT", "chunks"),
        ("DELETE", "blobs"),
    ];
    for (what, table) in steps {
        let db = rusqlite::Connection::open(world.data().join("store.db")).unwrap();
        let refuse =
            format!("CREATE TRIGGER refused BEFORE {what} ON {table} BEGIN SELECT RAISE(ABORT, 'refused'); END");
        db.execute_batch(&refuse).unwrap();
        let failed = world.publish_list(publication(2, &second, &new)).unwrap_err();
        assert!(failed.to_string().contains("refused"), "{what} {table}: {failed}");
        assert_is(&world, 1, 10, &old);
        db.execute_batch("DROP TRIGGER refused").unwrap();
        drop(db);
        world.crash();
        assert_is(&world, 1, 10, &old);
    }
    world.publish_list(publication(2, &second, &new)).unwrap();
    world.crash();
    assert_is(&world, 2, 11, &new);
}

#[test]
fn the_first_channel_of_a_name_has_its_folder_and_keeps_it() {
    let world = World::new();
    let below = world.tmp.path().join("downloads");
    let keys = [ChannelKey([21; 32]), ChannelKey([22; 32]), ChannelKey([23; 32])];
    for key in keys {
        world.add_or_change_channel(channel(key), |_| {}).unwrap();
    }
    let folder = |key: ChannelKey, name: &str| {
        let names = [name.to_owned(), format!("{name} · 1a2b3c4d"), key.to_string()];
        world.channel_folder(&key, &below, &names).unwrap()
    };
    assert_eq!(folder(keys[0], "Alice"), "Alice");
    assert_eq!(folder(keys[1], "ALICE"), "ALICE · 1a2b3c4d", "one folder on systems that do not see case");
    assert_eq!(folder(keys[2], "Alice"), keys[2].to_string());
    // A rename moves nothing, and does not take a name away.
    assert_eq!(folder(keys[0], "Bob"), "Alice");
    world.remove_channel(&keys[1], false).unwrap();
    world.add_or_change_channel(channel(keys[1]), |_| {}).unwrap();
    assert_eq!(folder(keys[1], "Alice"), "Alice · 1a2b3c4d");
    // Channels from before folders were kept stay where their downloads are; others keep away from there.
    world.plan(ITEM, &below.join("Old name/item"), &self::folder_of_one());
    let newcomer = ChannelKey([24; 32]);
    world.add_or_change_channel(channel(newcomer), |_| {}).unwrap();
    assert_eq!(folder(newcomer, "Old name"), "Old name · 1a2b3c4d");
    assert_eq!(folder(CHANNEL, "New name"), "Old name");
}

fn folder_of_one() -> Made {
    make(9, Padding::Ours, &[("x/y.bin", bytes(9, 1000))])
}

#[test]
fn names_that_file_managers_act_upon_arrive_as_files_only() {
    let mut world = World::new();
    let names = ["desktop.ini", "deep/AutoRun.inf", ".directory", "Offer.lnk", "page.URL", "thumbs.db/x", "plain.txt"];
    let files: Vec<(&str, Vec<u8>)> = names.iter().zip(0..).map(|(name, n)| (*name, bytes(n, 2000))).collect();
    let made = make(3, Padding::Ours, &files);
    world.download(ITEM, &world.root(), &made);
    let there: Vec<String> = crate::world::files_below(&world.root())
        .iter()
        .map(|file| file.strip_prefix(world.root()).unwrap().to_str().unwrap().to_owned())
        .collect();
    assert_eq!(
        there,
        ["Offer.lnk_", "_.directory", "_desktop.ini", "_thumbs.db/x", "deep/_AutoRun.inf", "page.URL_", "plain.txt"]
    );
    assert_eq!(world.read_all(), made.blobs.len(), "they are shared as they are");
    world.assert_tidy();
    let acts = store::harmless("a.{20D04FE0-3AEA-1069-A2D8-08002B30309D}");
    assert_eq!(acts, "a.{20D04FE0-3AEA-1069-A2D8-08002B30309D}_");
    assert_eq!(store::harmless(&format!("{}.lnk", "x".repeat(251))).len(), 255);
}

/// A publisher who dates an item in 1970 does not have it removed as old, also where a version before listed it.
#[test]
fn what_a_version_before_listed_is_known_since_the_first_start() {
    let mut world = World::new();
    world.shut();
    let raw = rusqlite::Connection::open(world.data().join("store.db")).unwrap();
    let former = "DROP INDEX items_reading; DROP TABLE own_changes; ALTER TABLE channels DROP COLUMN devices;
        UPDATE items SET seen = 0; PRAGMA user_version = 4";
    raw.execute_batch(former).unwrap();
    raw.close().unwrap();
    world.open_again();
    let known = world.known_since(&CHANNEL).unwrap();
    assert!(known.len() == 2 && known.values().all(|since| *since > 1_700_000_000_000), "{known:?}");
    // And not later at each start.
    std::thread::sleep(Duration::from_millis(5));
    world.reopen();
    assert_eq!(world.known_since(&CHANNEL).unwrap(), known);
}
