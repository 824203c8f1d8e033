//! A disk that is full, or may not be written to: a clear error with figures, nothing lost, and it goes on afterwards.
//!
//! In a mount namespace of its own, which takes root; elsewhere these tests say so and do nothing.

use crate::world::{CHANNEL, ITEM, OTHER, Padding, bytes, channel, make, open, row, structure};
use protocol::params::{BLOB_LEN, CHUNK_LEN};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use store::{Role, Standing, Store, StoreError};

const FOLDER: &str = "MEGATORRENT_STORE_FULL";

/// Runs another test of this program as root of its own mounts, with a disk of 24.5 MiB at `small` below its folder.
fn on_a_small_disk(name: &str) {
    let tmp = tempfile::tempdir().unwrap();
    fs::create_dir(tmp.path().join("small")).unwrap();
    let mount = "mount -t tmpfs -o size=25088k tmpfs \"$0/small\"";
    let may = Command::new("unshare").args(["-m", "sh", "-c", mount]).arg(tmp.path()).output();
    if !may.as_ref().is_ok_and(|out| out.status.success()) {
        eprintln!("skipped: no mount namespace of our own here ({may:?})");
        return;
    }
    let out = Command::new("unshare")
        .args(["-m", "sh", "-c", &format!("{mount} && exec \"$@\"")])
        .arg(tmp.path())
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", name, "--include-ignored", "--nocapture"])
        .env(FOLDER, tmp.path())
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&out.stdout);
    assert!(out.status.success(), "{text}{}", String::from_utf8_lossy(&out.stderr));
    assert!(text.contains("came to its end"), "{text}");
}

fn folder() -> Option<PathBuf> {
    std::env::var_os(FOLDER).map(PathBuf::from)
}

/// Fills the small disk but for `left` bytes.
fn fill(small: &Path, left: u64) -> PathBuf {
    let ballast = small.join("ballast");
    let free = store::free_space(small).unwrap();
    fs::write(&ballast, vec![1; (free - left) as usize]).unwrap();
    ballast
}

fn start(data: &Path) -> Store {
    let (store, _) = open(data);
    store.add_or_change_channel(channel(CHANNEL), |_| {}).unwrap();
    store.set_items(&CHANNEL, 1, &[row(ITEM, b"1"), row(OTHER, b"2")]).unwrap();
    store
}

#[test]
fn a_full_download_disk_stops_an_item_and_loses_nothing() {
    on_a_small_disk("full::inside_downloads");
}

#[test]
#[ignore = "run by a_full_download_disk_stops_an_item_and_loses_nothing"]
fn inside_downloads() {
    let Some(folder) = folder() else { return };
    let (small, store) = (folder.join("small"), start(&folder.join("data")));
    // What cannot fit is refused before anything is fetched.
    let large = make(1, Padding::Ours, &[("large", bytes(1, 40 * CHUNK_LEN))]);
    let root = small.join("large item");
    match store.plan_download(&CHANNEL, &OTHER, &root, large.plan(&root)) {
        Err(StoreError::DiskFull { path, free, needed }) => {
            assert_eq!((path, needed), (root, 40 * CHUNK_LEN as u64));
            assert!(free > 0 && free < needed);
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(store.item(&CHANNEL, &OTHER).unwrap().unwrap().standing, Standing::Listed);
    // What fits when it is planned, and does not when it comes.
    let made = make(2, Padding::Ours, &[("film", bytes(2, 12 * CHUNK_LEN)), ("text", bytes(3, 1000))]);
    let root = small.join("item");
    store.plan_download(&CHANNEL, &ITEM, &root, made.plan(&root)).unwrap();
    let lacks = store.missing(&CHANNEL, &ITEM, 100, &|_| false).unwrap();
    lacks[..3].iter().for_each(|blob| drop(store.place(made.blobs[blob].clone()).unwrap()));
    let ballast = fill(&small, 2 * CHUNK_LEN as u64 + 4096);
    let mut placed = 3;
    let error = loop {
        match store.place(made.blobs[&lacks[placed]].clone()) {
            Ok(_) => placed += 1,
            Err(error) => break error,
        }
    };
    assert!((3..=5).contains(&placed), "{placed}");
    let text = error.to_string();
    match error {
        StoreError::DiskFull { path, free, needed } => {
            assert!(path.starts_with(&small), "{path:?}");
            assert_eq!(needed, BLOB_LEN as u64);
            assert!(free < needed);
        }
        other => panic!("{other:?}"),
    }
    assert!(text.contains("full") && text.contains(" free"), "{text}");
    assert_eq!(store.missing(&CHANNEL, &ITEM, 100, &|_| false).unwrap(), lacks[placed..]);
    for blob in &lacks[..placed] {
        store.read_blob(blob).unwrap();
    }
    // Killed like this, and with room again, it goes on where it was.
    drop(store);
    let (store, recovery) = open(&folder.join("data"));
    assert_eq!(recovery.lost, 0);
    fs::remove_file(ballast).unwrap();
    for blob in store.missing(&CHANNEL, &ITEM, 100, &|_| false).unwrap() {
        store.place(made.blobs[&blob].clone()).unwrap();
    }
    store.finish_item(&CHANNEL, &ITEM).unwrap();
    made.assert_at(&root);
    // Nor may it be written to at all.
    let status = Command::new("mount").args(["-o", "remount,ro"]).arg(&small).status().unwrap();
    assert!(status.success());
    let other = make(3, Padding::Ours, &[("x", bytes(4, 10))]);
    let root = small.join("third item");
    let refused = store.plan_download(&CHANNEL, &OTHER, &root, other.plan(&root));
    assert!(matches!(&refused, Err(StoreError::NotWritable { path }) if *path == root), "{refused:?}");
    assert!(made.ids().iter().all(|blob| store.read_blob(blob).is_ok()));
    store.close().unwrap();
    println!("came to its end");
}

#[test]
fn a_full_data_disk_refuses_and_loses_nothing() {
    on_a_small_disk("full::inside_data");
}

#[test]
#[ignore = "run by a_full_data_disk_refuses_and_loses_nothing"]
fn inside_data() {
    let Some(folder) = folder() else { return };
    let (small, store) = (folder.join("small"), start(&folder.join("small/data")));
    let mut kept = Vec::new();
    // Whatever the disk's size is beyond whole blobs: the database has this much when there is room again.
    let spare = small.join("spare");
    fs::write(&spare, vec![1; 512 << 10]).unwrap();
    // Of the last blob there is room for a part, so that it is that which has none, and not the database.
    let pages = (BLOB_LEN as u64).next_multiple_of(4096);
    let beyond = (store::free_space(&small).unwrap() - (800 << 10)) % pages;
    fs::write(small.join("beyond"), vec![1; beyond as usize]).unwrap();
    let error = loop {
        let blob = structure(kept.len() as u64);
        match store.put_stored(&CHANNEL, Role::Root, &blob) {
            Ok(()) => kept.push(blob.id()),
            Err(error) => break error,
        }
        assert!(kept.len() < 30);
    };
    assert!(kept.len() > 10, "{}", kept.len());
    assert!(matches!(&error, StoreError::DiskFull { needed, .. } if *needed == BLOB_LEN as u64), "{error:?}");
    // What is left beside whole blobs is chance, and may be nothing: a little for the database.
    fs::File::options().write(true).open(&spare).unwrap().set_len(384 << 10).unwrap();
    store.set_setting("before", Some("all")).unwrap();
    // Not a byte left: the database cannot grow either, and says so without breaking.
    let ballast = fill(&small, 0);
    let mut refused = 0;
    for number in 0..2000_u32 {
        let name = format!("setting {number}");
        match store.set_setting(&name, Some(&"x".repeat(500))) {
            Ok(()) => assert_eq!(refused, 0, "it went on after all"),
            Err(StoreError::DiskFull { path, .. }) => {
                assert!(path.starts_with(&small), "{path:?}");
                refused += 1;
                assert_eq!(store.setting(&name).unwrap(), None);
            }
            Err(other) => panic!("{other:?}"),
        }
        if refused == 20 {
            break;
        }
    }
    assert_eq!(refused, 20);
    assert!(kept.iter().all(|blob| store.read_blob(blob).is_ok()));
    assert_eq!(store.setting("before").unwrap().as_deref(), Some("all"));
    // Room again.
    fs::remove_file(ballast).unwrap();
    fs::remove_file(spare).unwrap();
    store.set_setting("after", Some("all")).unwrap();
    let gone: Vec<_> = kept.drain(..2).collect();
    assert_eq!(store.retain_structure(&CHANNEL, &kept).unwrap().len(), gone.len());
    store.put_stored(&CHANNEL, Role::Root, &structure(99)).unwrap();
    store.close().unwrap();
    drop(store);
    let (store, recovery) = open(&small.join("data"));
    assert!(!recovery.unclean);
    assert_eq!(store.totals().unwrap().blobs as usize, kept.len() + 1);
    assert!(kept.iter().all(|blob| store.read_blob(blob).is_ok()));
    store.close().unwrap();
    drop(store);
    crate::world::assert_tidy(&small.join("data"));
    println!("came to its end");
}

#[test]
fn what_is_fetched_in_part_moves_to_a_disk_that_has_room_for_the_parts_alone() {
    on_a_small_disk("full::inside_moving");
}

#[cfg(unix)]
#[test]
#[ignore = "run by what_is_fetched_in_part_moves_to_a_disk_that_has_room_for_the_parts_alone"]
fn inside_moving() {
    use std::os::unix::fs::MetadataExt;
    let Some(folder) = folder() else { return };
    let (small, store) = (folder.join("small"), start(&folder.join("data")));
    let made = make(4, Padding::Ours, &[("film", bytes(5, 40 * CHUNK_LEN))]);
    let root = folder.join("downloads/item");
    store.plan_download(&CHANNEL, &ITEM, &root, made.plan(&root)).unwrap();
    let lacks = store.missing(&CHANNEL, &ITEM, 100, &|_| false).unwrap();
    // The last of all, so that the part file is as long as the whole.
    let here = [lacks[0], lacks[20], lacks[39]];
    here.iter().for_each(|blob| drop(store.place(made.blobs[blob].clone()).unwrap()));
    let (mut copied, to) = (0, small.join("item"));
    let moved = store.move_item(&CHANNEL, &ITEM, &to, &mut |bytes| {
        copied += bytes;
        true
    });
    assert!(moved.unwrap().done);
    assert!(copied <= 4 * CHUNK_LEN as u64, "{copied} bytes were copied of 3 MiB that are here");
    let part = crate::world::files_below(&to).into_iter().next().unwrap();
    let meta = fs::metadata(&part).unwrap();
    assert_eq!(meta.len(), 40 * CHUNK_LEN as u64);
    assert!(meta.blocks() * 512 <= 4 * CHUNK_LEN as u64, "{} blocks", meta.blocks());
    assert!(crate::world::files_below(&folder.join("downloads")).is_empty());
    here.iter().for_each(|blob| drop(store.read_blob(blob).unwrap()));
    let rest = store.missing(&CHANNEL, &ITEM, 100, &|_| false).unwrap();
    assert_eq!(rest.len(), 37);
    store.close().unwrap();
    println!("came to its end");
}
