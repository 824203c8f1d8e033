//! Publishing reads and copies nothing; a file that changed is found out, and wrong bytes never leave.

use crate::world::{CHANNEL, ITEM, Made, OTHER, Padding, World, bytes, folder, make, row};
use protocol::params::CHUNK_LEN;
use protocol::{BlobId, ItemId};
use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use store::{ItemRow, ReadError, Standing, Store};

fn source(world: &World) -> PathBuf {
    world.tmp.path().join("mine")
}

fn published_row(id: ItemId, root: PathBuf) -> ItemRow {
    ItemRow { standing: Standing::Published, root: Some(root), planned: true, ..row(id, b"1") }
}

fn publish(world: &World, made: &Made) {
    made.write(&source(world));
    world.record_published(&published_row(ITEM, source(world)), made.published(&source(world))).unwrap();
}

/// Reads until somebody says that a file changed.
fn changed(store: &Store, blob: &BlobId) -> (PathBuf, BTreeSet<BlobId>) {
    match store.read_blob(blob) {
        Err(ReadError::Changed { file, item, withdrawn }) => {
            assert_eq!(item, (CHANNEL, ITEM));
            assert!(withdrawn.iter().all(|blob| !store.has(blob).unwrap()));
            (file, withdrawn.into_iter().collect())
        }
        other => panic!("{:?}", other.map(|blob| blob.id())),
    }
}

#[test]
fn publishing_copies_nothing() {
    let mut world = World::new();
    let made = folder(10, Padding::Ours);
    publish(&world, &made);
    assert_eq!(world.held(), made.ids());
    assert_eq!(world.blob_files(), 0);
    assert_eq!(world.read_all(), made.blobs.len());
    let item = world.item(&CHANNEL, &ITEM).unwrap().unwrap();
    assert_eq!((item.standing, item.lost_files), (Standing::Published, 0));
    world.shut();
    let data: u64 = crate::world::files_below(&world.data()).iter().map(|path| fs::metadata(path).unwrap().len()).sum();
    assert!(data < 500_000, "the data folder has {data} bytes");
    world.open_again();
    assert_eq!(world.read_all(), made.blobs.len());
}

#[test]
fn a_file_that_is_gone_withdraws_all_its_blobs_and_names_itself() {
    let mut world = World::new();
    let made = folder(20, Padding::Ours);
    publish(&world, &made);
    fs::remove_file(source(&world).join("big.bin")).unwrap();
    let (file, withdrawn) = changed(&world, &made.of("big.bin")[1]);
    assert_eq!(file, source(&world).join("big.bin"));
    assert_eq!(withdrawn, made.of("big.bin").into_iter().collect());
    let rest: BTreeSet<_> = made.ids().difference(&withdrawn).copied().collect();
    assert_eq!(world.held(), rest);
    world.read_all();
    assert_eq!(world.item(&CHANNEL, &ITEM).unwrap().unwrap().lost_files, 1);
    assert!(matches!(world.read_blob(&made.of("big.bin")[0]), Err(ReadError::Missing)));
    // It comes back: verifying finds it.
    made.write(&source(&world));
    assert_eq!(world.held(), rest, "not by itself");
    let outcome = world.verify_item(&CHANNEL, &ITEM, &mut |_, _| true).unwrap();
    assert_eq!((outcome.good as usize, outcome.bad.len()), (made.blobs.len(), 0));
    assert_eq!(outcome.back.into_iter().collect::<BTreeSet<_>>(), withdrawn);
    assert_eq!(world.read_all(), made.blobs.len());
    assert_eq!(world.item(&CHANNEL, &ITEM).unwrap().unwrap().lost_files, 0);
    world.assert_tidy();
}

#[test]
fn a_file_that_was_cut_withdraws_what_lay_behind_its_end() {
    let world = World::new();
    let made = folder(30, Padding::Ours);
    publish(&world, &made);
    let file = source(&world).join("big.bin");
    fs::File::options().write(true).open(&file).unwrap().set_len(CHUNK_LEN as u64 + 1).unwrap();
    let blobs = made.of("big.bin");
    assert!(world.read_blob(&blobs[0]).is_ok(), "what is whole still goes out");
    let (named, withdrawn) = changed(&world, &blobs[3]);
    assert_eq!(named, file);
    assert_eq!(withdrawn, blobs[1..].iter().copied().collect());
    assert_eq!(world.read_all(), made.blobs.len() - 3);
}

#[test]
fn changed_bytes_are_found_whatever_length_and_time_say() {
    let world = World::new();
    let made = folder(40, Padding::Ours);
    publish(&world, &made);
    let file = source(&world).join("big.bin");
    let before = fs::metadata(&file).unwrap().modified().unwrap();
    let mut plain = made.plain["big.bin"].clone();
    plain[CHUNK_LEN + 3] ^= 1;
    plain[2 * CHUNK_LEN] ^= 1;
    fs::write(&file, &plain).unwrap();
    fs::File::options().write(true).open(&file).unwrap().set_modified(before).unwrap();
    let blobs = made.of("big.bin");
    let (named, withdrawn) = changed(&world, &blobs[1]);
    assert_eq!((named, withdrawn), (file.clone(), BTreeSet::from([blobs[1]])));
    let more = world.recheck(&CHANNEL, &ITEM, &file, &mut || true).unwrap();
    assert_eq!(more, [blobs[2]], "the rest is read again, and what is right stays");
    assert_eq!(world.read_all(), made.blobs.len() - 2);
}

#[test]
fn one_changed_file_of_a_pack_takes_the_pack_and_nothing_else() {
    let world = World::new();
    let made = folder(50, Padding::Ours);
    publish(&world, &made);
    let (pack, file) = (made.of("a.txt")[0], source(&world).join("b.txt"));
    fs::write(&file, b"other").unwrap();
    let (named, withdrawn) = changed(&world, &pack);
    assert_eq!((named, withdrawn), (file.clone(), BTreeSet::from([pack])));
    assert_eq!(world.item(&CHANNEL, &ITEM).unwrap().unwrap().lost_files, 1);
    assert_eq!(world.read_all(), made.blobs.len() - 1);
    fs::write(&file, &made.plain["b.txt"]).unwrap();
    world.verify_item(&CHANNEL, &ITEM, &mut |_, _| true).unwrap();
    assert_eq!(world.read_all(), made.blobs.len());
}

#[cfg(unix)]
#[test]
fn a_pipe_or_folder_in_a_files_place_is_a_changed_file() {
    let world = World::new();
    let made = folder(60, Padding::Ours);
    publish(&world, &made);
    for name in ["big.bin", "deep/down/whole.bin"] {
        fs::remove_file(source(&world).join(name)).unwrap();
    }
    fs::create_dir(source(&world).join("big.bin")).unwrap();
    let status = std::process::Command::new("mkfifo").arg(source(&world).join("deep/down/whole.bin")).status();
    assert!(status.unwrap().success());
    for name in ["big.bin", "deep/down/whole.bin"] {
        let (_, withdrawn) = changed(&world, &made.of(name)[0]);
        assert_eq!(withdrawn, made.of(name).into_iter().collect());
    }
}

/// E8 under fire: one writes to the file, others read its blobs. What comes out is the blob or nothing.
#[test]
fn wrong_bytes_never_leave_while_a_file_is_written_to() {
    let world = World::new();
    let made = make(70, Padding::Ours, &[("f", bytes(1, CHUNK_LEN))]);
    publish(&world, &made);
    let blob = made.of("f")[0];
    let (file, plain) = (source(&world).join("f"), &made.plain["f"]);
    let stop = AtomicBool::new(false);
    let (mut right, mut refused) = (0, 0);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            use std::os::unix::fs::FileExt;
            let file = fs::File::options().write(true).open(&file).unwrap();
            let mut flip = false;
            while !stop.load(Ordering::Relaxed) {
                flip = !flip;
                file.write_all_at(&[plain[500_000] ^ u8::from(flip)], 500_000).unwrap();
            }
        });
        while (right < 20 || refused < 20) && right + refused < 5000 {
            match world.read_blob(&blob) {
                Ok(read) => {
                    assert_eq!(BlobId::of(read.bytes()), blob);
                    right += 1;
                }
                Err(ReadError::Changed { .. }) => refused += 1,
                Err(ReadError::Missing) => drop(world.verify_item(&CHANNEL, &ITEM, &mut |_, _| true).unwrap()),
                Err(error) => panic!("{error}"),
            }
        }
        stop.store(true, Ordering::Relaxed);
    });
    assert!(right > 0 && refused > 0, "both were seen: {right} right, {refused} refused");
}

#[test]
fn another_source_stands_in_for_a_changed_file() {
    let world = World::new();
    let made = folder(80, Padding::Ours);
    publish(&world, &made);
    let root = world.tmp.path().join("downloads/copy");
    world.download(OTHER, &root, &made);
    fs::write(source(&world).join("big.bin"), b"gone").unwrap();
    assert_eq!(world.read_all(), made.blobs.len());
}

#[test]
fn publishing_again_keeps_what_is_the_same_and_lets_go_of_the_rest() {
    let mut world = World::new();
    let old = folder(90, Padding::Ours);
    publish(&world, &old);
    let mut files: Vec<(&str, Vec<u8>)> = old.plain.iter().map(|(n, p)| (n.as_str(), p.clone())).collect();
    files.iter_mut().find(|(name, _)| *name == "big.bin").unwrap().1 = bytes(7, 200_000);
    let new = make(90, Padding::Ours, &files);
    new.write(&source(&world));
    let row = published_row(ITEM, source(&world));
    let gone: BTreeSet<_> = world.record_published(&row, new.published(&source(&world))).unwrap().into_iter().collect();
    assert_eq!(gone, old.ids().difference(&new.ids()).copied().collect());
    assert!(gone.len() >= 4 && new.ids().intersection(&old.ids()).count() >= 2);
    assert_eq!(world.held(), new.ids());
    world.read_all();
    world.assert_tidy();
}

#[test]
fn unpublishing_lets_go_of_blobs_and_never_of_files() {
    let mut world = World::new();
    let made = folder(100, Padding::Ours);
    publish(&world, &made);
    let gone: BTreeSet<_> = world.remove_item(&CHANNEL, &ITEM, true).unwrap().gone.into_iter().collect();
    assert_eq!(gone, made.ids());
    made.assert_at(&source(&world));
    world.assert_tidy();
}
