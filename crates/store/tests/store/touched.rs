//! What a person wrote or changed is never deleted, cut or overwritten: by no verb, rule, quota or repair, under no
//! spelling of its path.

use crate::world::{CHANNEL, ITEM, Made, OTHER, Padding, World, bytes, channel, files_below, folder, make, row};
use protocol::ChannelKey;
use protocol::params::CHUNK_LEN;
use std::fs;
use std::io::Write;
use std::os::unix::fs::{FileExt, MetadataExt, symlink};
use std::path::{Path, PathBuf};
use store::{ItemRow, Standing, StoreError};

const MINE: ChannelKey = ChannelKey([5; 32]);

/// An item of ours in a channel of ours, published from `root`.
fn publish(world: &World, made: &Made, root: &Path) {
    world.add_or_change_channel(channel(MINE), |_| {}).unwrap();
    let item = ItemRow { channel: MINE, standing: Standing::Published, planned: true, ..row(OTHER, b"9") };
    world.record_published(&item, made.published(root)).unwrap();
}

fn two_files(seed: u64) -> Made {
    make(seed, Padding::Ours, &[("photo.jpg", bytes(seed, 2 * CHUNK_LEN + 7)), ("notes.txt", bytes(seed + 1, 150_000))])
}

fn modified(path: &Path) -> std::time::SystemTime {
    fs::metadata(path).unwrap().modified().unwrap()
}

/// One way to change a file.
type Change = fn(&Path);

/// In place with another time, in place with the very time that it had, longer, shorter, another file of that length.
const CHANGES: [(&str, Change); 5] = [
    ("edited", |path| {
        fs::File::options().write(true).open(path).unwrap().write_all_at(b"a tag of mine", 9).unwrap();
    }),
    ("edited, with its time put back", |path| {
        let before = modified(path);
        let file = fs::File::options().write(true).open(path).unwrap();
        file.write_all_at(b"a tag of mine", 9).unwrap();
        file.set_modified(before).unwrap();
    }),
    ("grown", |path| fs::File::options().append(true).open(path).unwrap().write_all(b"a line of mine").unwrap()),
    ("cut", |path| fs::File::options().write(true).open(path).unwrap().set_len(1000).unwrap()),
    ("replaced", |path| {
        let before = fs::metadata(path).unwrap();
        let other = path.with_extension("new");
        fs::write(&other, bytes(77, before.len() as usize)).unwrap();
        fs::File::options().write(true).open(&other).unwrap().set_modified(before.modified().unwrap()).unwrap();
        fs::rename(other, path).unwrap();
    }),
];

#[test]
fn a_changed_file_outlives_its_download() {
    for (how, change) in CHANGES {
        for whole_channel in [false, true] {
            let mut world = World::new();
            let made = two_files(10);
            world.download(ITEM, &world.root(), &made);
            let photo = world.root().join("photo.jpg");
            change(&photo);
            let mine = fs::read(&photo).unwrap();
            let removed = match whole_channel {
                false => world.remove_item(&CHANNEL, &ITEM, true).unwrap(),
                true => world.remove_channel(&CHANNEL, true).unwrap(),
            };
            assert_eq!(removed.kept, std::slice::from_ref(&photo), "{how}");
            assert_eq!(fs::read(&photo).unwrap(), mine, "{how}");
            assert_eq!(files_below(&world.root()), [photo], "{how}: what nobody changed goes");
            world.crash();
            world.assert_tidy();
        }
    }
}

/// Its bytes are what they were: rights, times, a copy brought back in its place make no other file of it.
#[test]
fn a_file_that_only_looks_changed_goes() {
    let world = World::new();
    let made = two_files(20);
    world.download(ITEM, &world.root(), &made);
    let (photo, notes) = (world.root().join("photo.jpg"), world.root().join("notes.txt"));
    fs::File::options().write(true).open(&photo).unwrap().set_modified(std::time::SystemTime::UNIX_EPOCH).unwrap();
    let copy = world.tmp.path().join("copy");
    fs::copy(&notes, &copy).unwrap();
    fs::rename(&copy, &notes).unwrap();
    assert_eq!(world.remove_item(&CHANNEL, &ITEM, true).unwrap().kept, Vec::<PathBuf>::new());
    assert!(!world.root().exists());
}

/// One album under many names: the folder behind a link, second names, a second spelling.
#[test]
fn what_is_published_from_here_stays_under_every_spelling() {
    type Spelling = fn(&World) -> PathBuf;
    let spellings: [(&str, Spelling); 3] = [
        ("a link to the download folder", |world| {
            let link = world.tmp.path().join("music");
            symlink(world.tmp.path().join("downloads"), &link).unwrap();
            link.join("item")
        }),
        ("a link to the album", |world| {
            let link = world.tmp.path().join("album");
            symlink(world.root(), &link).unwrap();
            link
        }),
        ("second names, as of a bind mount", |world| {
            let other = world.tmp.path().join("other name");
            fs::create_dir(&other).unwrap();
            for name in ["photo.jpg", "notes.txt"] {
                fs::hard_link(world.root().join(name), other.join(name)).unwrap();
            }
            other
        }),
    ];
    for (how, spelling) in spellings {
        let mut world = World::new();
        let made = two_files(30);
        world.download(ITEM, &world.root(), &made);
        publish(&world, &made, &spelling(&world));
        let removed = world.remove_item(&CHANNEL, &ITEM, true).unwrap();
        assert_eq!(removed.kept.len(), 2, "{how}");
        made.assert_at(&world.root());
        world.remove_channel(&CHANNEL, true).unwrap();
        made.assert_at(&world.root());
        assert_eq!(world.read_all(), made.blobs.len(), "{how}: it is shared as before");
        world.assert_tidy();
    }
}

#[test]
fn a_download_below_a_link_is_removed_when_nobody_published_it() {
    let world = World::new();
    fs::create_dir(world.tmp.path().join("big disk")).unwrap();
    symlink(world.tmp.path().join("big disk"), world.tmp.path().join("downloads")).unwrap();
    let made = two_files(40);
    world.download(ITEM, &world.root(), &made);
    assert_eq!(world.remove_item(&CHANNEL, &ITEM, true).unwrap().kept, Vec::<PathBuf>::new());
    assert_eq!(files_below(&world.tmp.path().join("big disk")), Vec::<PathBuf>::new());
}

#[test]
fn verifying_keeps_a_changed_file_and_fetches_only_what_was_changed() {
    for (how, change) in CHANGES {
        let mut world = World::new();
        let made = two_files(50);
        world.download(ITEM, &world.root(), &made);
        let photo = world.root().join("photo.jpg");
        change(&photo);
        let mine = fs::read(&photo).unwrap();
        let outcome = world.verify_item(&CHANNEL, &ITEM, &mut |_, _| true).unwrap();
        let kept = if outcome.bad.is_empty() { &[][..] } else { std::slice::from_ref(&photo) };
        assert_eq!(outcome.kept, kept, "{how}");
        assert_eq!(fs::read(&photo).unwrap(), mine, "{how}: as its user left it");
        let lacks = world.lacks(ITEM);
        match how {
            "grown" => assert_eq!(lacks, [], "{how}: every byte that was published is there"),
            "cut" | "replaced" => assert_eq!(lacks, made.of("photo.jpg"), "{how}"),
            _ => assert_eq!(lacks, made.of("photo.jpg")[..1], "{how}: the rest is copied"),
        }
        world.read_all();
        world.crash();
        world.fetch(ITEM, &made);
        if !outcome.bad.is_empty() {
            let named = world.finish_item(&CHANNEL, &ITEM).unwrap();
            let ours = world.root().join("photo (2).jpg");
            assert_eq!(named.beside, [(photo.clone(), ours.clone())], "{how}");
            assert!(fs::read(ours).unwrap() == made.plain["photo.jpg"], "{how}");
        }
        assert_eq!(fs::read(&photo).unwrap(), mine, "{how}");
        assert_eq!(world.read_all(), made.blobs.len());
        world.assert_tidy();
    }
}

/// The user edits a download where it lies and publishes the edit from there; then verifies the download.
#[test]
fn verifying_never_takes_a_published_file() {
    let mut world = World::new();
    let made = two_files(60);
    world.download(ITEM, &world.root(), &made);
    let photo = world.root().join("photo.jpg");
    let mut plain = made.plain["photo.jpg"].clone();
    plain[CHUNK_LEN + 5] ^= 1;
    fs::write(&photo, &plain).unwrap();
    let edition =
        make(61, Padding::Ours, &[("photo.jpg", plain.clone()), ("notes.txt", made.plain["notes.txt"].clone())]);
    publish(&world, &edition, &world.root());
    // Even if it looked as we wrote it.
    let db = rusqlite::Connection::open(world.data().join("store.db")).unwrap();
    let now = fs::metadata(&photo).unwrap();
    db.execute(
        "UPDATE files SET dev = ?, ino = ?, mtime_ns = ?, ctime_ns = ? WHERE size = ?",
        rusqlite::params![
            now.dev() as i64,
            now.ino() as i64,
            now.mtime() * 1_000_000_000 + now.mtime_nsec(),
            now.ctime() * 1_000_000_000 + now.ctime_nsec(),
            now.len() as i64
        ],
    )
    .unwrap();
    drop(db);
    let outcome = world.verify_item(&CHANNEL, &ITEM, &mut |_, _| true).unwrap();
    assert_eq!((outcome.bad.as_slice(), outcome.kept.as_slice()), (&made.of("photo.jpg")[1..2], &[photo.clone()][..]));
    world.fetch(ITEM, &made);
    world.finish_item(&CHANNEL, &ITEM).unwrap();
    assert!(fs::read(&photo).unwrap() == plain);
    assert!(edition.blobs.keys().all(|blob| world.read_blob(blob).is_ok()), "the edition is shared as before");
    world.assert_tidy();
}

/// `locate` at a folder with another edition: most of it is the same, none of it is touched.
#[test]
fn another_edition_is_read_and_never_changed() {
    let mut world = World::new();
    let made = two_files(70);
    world.download(ITEM, &world.root(), &made);
    let edition = world.tmp.path().join("my edition");
    made.write(&edition);
    let mut plain = made.plain["photo.jpg"].clone();
    plain[CHUNK_LEN + 5] ^= 1;
    plain.extend_from_slice(b"and more");
    fs::write(edition.join("photo.jpg"), &plain).unwrap();
    let before = inodes(&edition);
    world.locate(&CHANNEL, &ITEM, &edition).unwrap();
    let outcome = world.verify_item(&CHANNEL, &ITEM, &mut |_, _| true).unwrap();
    assert_eq!(outcome.bad, made.of("photo.jpg")[1..2]);
    assert_eq!(outcome.kept, [edition.join("photo.jpg")]);
    assert_eq!(world.fetch(ITEM, &made), 1);
    world.finish_item(&CHANNEL, &ITEM).unwrap();
    assert!(fs::read(edition.join("photo (2).jpg")).unwrap() == made.plain["photo.jpg"]);
    // Nor is it deleted: it was there before.
    assert_eq!(world.remove_item(&CHANNEL, &ITEM, true).unwrap().kept, [edition.join("notes.txt")]);
    assert!(fs::read(edition.join("photo.jpg")).unwrap() == plain);
    assert!(fs::read(edition.join("notes.txt")).unwrap() == made.plain["notes.txt"]);
    assert_eq!(inodes(&edition), before);
    world.assert_tidy();
}

fn inodes(folder: &Path) -> Vec<(PathBuf, u64)> {
    files_below(folder).into_iter().map(|path| (path.clone(), fs::metadata(&path).unwrap().ino())).collect()
}

#[test]
fn a_file_that_was_moved_by_hand_is_found_after_it_was_missed() {
    let mut world = World::new();
    let made = make(80, Padding::Ours, &[("f.bin", bytes(1, 2 * CHUNK_LEN + 1))]);
    world.download(ITEM, &world.root(), &made);
    let elsewhere = world.tmp.path().join("elsewhere.bin");
    fs::rename(world.root().join("f.bin"), &elsewhere).unwrap();
    let missed = world.verify_item(&CHANNEL, &ITEM, &mut |_, _| true).unwrap();
    assert_eq!((missed.good, missed.bad.len()), (0, 3));
    // A part of it came again meanwhile.
    world.place(made.blobs[&made.of("f.bin")[0]].clone()).unwrap();
    world.locate(&CHANNEL, &ITEM, &elsewhere).unwrap();
    let found = world.verify_item(&CHANNEL, &ITEM, &mut |_, _| true).unwrap();
    assert_eq!((found.good, found.bad.len()), (3, 0));
    assert_eq!(world.lacks(ITEM), []);
    world.finish_item(&CHANNEL, &ITEM).unwrap();
    assert_eq!(world.standing(ITEM), Standing::Complete);
    assert_eq!(world.read_all(), 3);
    assert_eq!(files_below(world.tmp.path().join("downloads").as_path()), Vec::<PathBuf>::new());
    // It carries our mark still: it is a download, and goes with it.
    world.remove_item(&CHANNEL, &ITEM, true).unwrap();
    assert_eq!(elsewhere.exists(), !keeps_marks(world.tmp.path()));
    world.assert_tidy();
}

/// Whether files below this folder can be marked.
pub(crate) fn keeps_marks(folder: &Path) -> bool {
    let probe = folder.join("probe");
    let file = fs::File::create(&probe).unwrap();
    let keeps = rustix::fs::fsetxattr(&file, "user.probe", b"1", rustix::fs::XattrFlags::empty()).is_ok();
    fs::remove_file(probe).unwrap();
    keeps
}

#[test]
fn a_part_file_of_somebody_elses_is_left_alone() {
    let mut world = World::new();
    let made = make(90, Padding::Ours, &[("film.mkv", bytes(1, 2 * CHUNK_LEN)), ("empty", Vec::new())]);
    world.plan(ITEM, &world.root(), &made);
    // A browser's, saved there since: one as long as ours, one not.
    let theirs = [("film.mkv.part", bytes(5, 2 * CHUNK_LEN)), ("empty.part", b"mine".to_vec())];
    fs::create_dir_all(world.root()).unwrap();
    theirs.iter().for_each(|(name, bytes)| fs::write(world.root().join(name), bytes).unwrap());
    world.place(made.blobs[&made.of("film.mkv")[0]].clone()).unwrap();
    world.crash();
    assert_eq!(world.lacks(ITEM), made.of("film.mkv")[1..]);
    world.fetch(ITEM, &made);
    world.finish_item(&CHANNEL, &ITEM).unwrap();
    made.assert_at(&world.root());
    for (name, bytes) in &theirs {
        assert!(fs::read(world.root().join(name)).unwrap() == *bytes, "{name}");
    }
    assert_eq!(world.read_all(), made.of("film.mkv").len());
    world.remove_item(&CHANNEL, &ITEM, true).unwrap();
    assert_eq!(files_below(&world.root()).len(), 2);
    world.assert_tidy();
}

#[test]
fn what_takes_a_part_files_place_while_it_grows_is_left_alone() {
    let mut world = World::new();
    let made = make(100, Padding::Ours, &[("film.mkv", bytes(1, 3 * CHUNK_LEN))]);
    world.plan(ITEM, &world.root(), &made);
    let blobs = made.of("film.mkv");
    world.place(made.blobs[&blobs[0]].clone()).unwrap();
    let part = world.root().join("film.mkv.part");
    let mine = bytes(9, 3 * CHUNK_LEN);
    fs::write(world.root().join("mine"), &mine).unwrap();
    fs::rename(world.root().join("mine"), &part).unwrap();
    let placed = world.place(made.blobs[&blobs[1]].clone()).unwrap();
    assert_eq!(placed.lost, blobs[..1]);
    world.fetch(ITEM, &made);
    world.finish_item(&CHANNEL, &ITEM).unwrap();
    made.assert_at(&world.root());
    assert!(fs::read(&part).unwrap() == mine);
    // Nor does it go when an unfinished item is removed.
    let other = make(101, Padding::Ours, &[("film.mkv", bytes(2, 3 * CHUNK_LEN))]);
    let root = world.tmp.path().join("downloads/other");
    world.plan(OTHER, &root, &other);
    world.place(other.blobs[&other.of("film.mkv")[0]].clone()).unwrap();
    fs::remove_file(root.join("film.mkv.part")).unwrap();
    fs::write(root.join("film.mkv.part"), b"mine as well").unwrap();
    world.remove_item(&CHANNEL, &OTHER, true).unwrap();
    assert_eq!(fs::read(root.join("film.mkv.part")).unwrap(), b"mine as well");
    world.assert_tidy();
}

/// A disk that numbers its files anew each time it is mounted: what was fetched is known by its bytes.
#[test]
fn a_part_file_with_another_number_is_known_by_its_bytes() {
    let world = World::new();
    let made = make(110, Padding::Ours, &[("film.mkv", bytes(1, 3 * CHUNK_LEN))]);
    world.plan(ITEM, &world.root(), &made);
    let blobs = made.of("film.mkv");
    world.place(made.blobs[&blobs[0]].clone()).unwrap();
    let part = world.root().join("film.mkv.part");
    fs::copy(&part, world.root().join("copy")).unwrap();
    fs::rename(world.root().join("copy"), &part).unwrap();
    let placed = world.place(made.blobs[&blobs[1]].clone()).unwrap();
    assert_eq!(placed.lost, []);
    assert_eq!(world.lacks(ITEM), blobs[2..]);
    world.fetch(ITEM, &made);
    world.finish_item(&CHANNEL, &ITEM).unwrap();
    made.assert_at(&world.root());
    assert_eq!(files_below(&world.root()).len(), 1);
}

/// Its user writes to the version before in the last moment: also with the time put back.
#[test]
fn an_update_replaces_only_what_it_wrote() {
    for (how, change) in CHANGES {
        let mut world = World::new();
        let old = two_files(120);
        world.download(ITEM, &world.root(), &old);
        world.set_items(&CHANNEL, 2, &[row(ITEM, b"changed"), row(OTHER, b"2")]).unwrap();
        let mut plain = old.plain["photo.jpg"].clone();
        plain[0] ^= 1;
        let new = make(121, Padding::Ours, &[("photo.jpg", plain), ("notes.txt", bytes(55, 150_000))]);
        world.plan(ITEM, &world.root(), &new);
        world.fetch(ITEM, &new);
        let photo = world.root().join("photo.jpg");
        change(&photo);
        let mine = fs::read(&photo).unwrap();
        let named = world.finish_item(&CHANNEL, &ITEM).unwrap();
        assert_eq!(named.beside, [(photo.clone(), world.root().join("photo (2).jpg"))], "{how}");
        assert_eq!(fs::read(&photo).unwrap(), mine, "{how}");
        assert!(fs::read(world.root().join("photo (2).jpg")).unwrap() == new.plain["photo.jpg"], "{how}");
        assert!(fs::read(world.root().join("notes.txt")).unwrap() == new.plain["notes.txt"], "{how}");
        assert_eq!(files_below(&world.root()).len(), 3, "{how}");
        world.assert_tidy();
    }
}

#[test]
fn moving_takes_changes_along_and_remembers_them() {
    let mut world = World::new();
    let made = two_files(130);
    world.download(ITEM, &world.root(), &made);
    CHANGES[1].1(&world.root().join("photo.jpg"));
    let mine = fs::read(world.root().join("photo.jpg")).unwrap();
    let to = world.tmp.path().join("elsewhere");
    let moved = world.move_item(&CHANNEL, &ITEM, &to, &mut |_| true).unwrap();
    assert!(moved.done && moved.kept.is_empty() && !world.root().exists());
    assert_eq!(fs::read(to.join("photo.jpg")).unwrap(), mine);
    assert_eq!(world.remove_item(&CHANNEL, &ITEM, true).unwrap().kept, [to.join("photo.jpg")]);
    assert_eq!(files_below(&to), [to.join("photo.jpg")]);
    world.assert_tidy();
}

#[test]
fn what_is_published_from_here_does_not_move_away() {
    let mut world = World::new();
    let made = two_files(140);
    world.download(ITEM, &world.root(), &made);
    let link = world.tmp.path().join("album");
    symlink(world.root(), &link).unwrap();
    publish(&world, &made, &link);
    let to = world.tmp.path().join("elsewhere");
    let moved = world.move_item(&CHANNEL, &ITEM, &to, &mut |_| true).unwrap();
    assert_eq!(moved.kept.len(), 2);
    made.assert_at(&world.root());
    made.assert_at(&to);
    assert_eq!(world.read_all(), made.blobs.len());
    world.assert_tidy();
}

/// The power goes just after the record says that the files moved: the names at the new place never reached the disk, and
/// those at the old place are back.
#[test]
fn a_moved_file_that_did_not_arrive_is_not_removed_where_it_was() {
    let mut world = World::new();
    let made = two_files(150);
    world.download(ITEM, &world.root(), &made);
    let (kept, to) = (world.tmp.path().join("as it was"), world.tmp.path().join("elsewhere"));
    fs::create_dir(&kept).unwrap();
    for file in files_below(&world.root()) {
        fs::hard_link(&file, kept.join(file.file_name().unwrap())).unwrap();
    }
    let doomed = "CREATE TABLE noted AS SELECT * FROM doomed WHERE 0;
        CREATE TRIGGER noting BEFORE DELETE ON doomed BEGIN
            INSERT INTO noted SELECT * FROM doomed WHERE file = old.file; END;";
    rusqlite::Connection::open(world.data().join("store.db")).unwrap().execute_batch(doomed).unwrap();
    world.move_item(&CHANNEL, &ITEM, &to, &mut |_| true).unwrap();
    world.shut_without_sync();
    let db = rusqlite::Connection::open(world.data().join("store.db")).unwrap();
    db.execute_batch(
        "DROP TRIGGER noting; UPDATE noted SET ctime_ns = 0; INSERT INTO doomed SELECT * FROM noted WHERE length >= 0; DROP TABLE noted;",
    )
    .unwrap();
    let noted: i64 = db.query_row("SELECT COUNT(*) FROM doomed", [], |row| row.get(0)).unwrap();
    assert_eq!(noted, 2);
    drop(db);
    fs::rename(&kept, world.root()).unwrap();
    fs::remove_dir_all(&to).unwrap();
    world.crash();
    made.assert_at(&world.root());
    // Told where they are, they are downloads as before.
    world.locate(&CHANNEL, &ITEM, &world.root()).unwrap();
    assert_eq!(world.verify_item(&CHANNEL, &ITEM, &mut |_, _| true).unwrap().bad, []);
    assert_eq!(world.read_all(), made.blobs.len());
    world.assert_tidy();
}

#[test]
fn what_lies_at_the_new_place_is_taken_if_it_is_the_same_and_else_refused() {
    let mut world = World::new();
    let made = folder(160, Padding::Ours);
    world.download(ITEM, &world.root(), &made);
    let to = world.tmp.path().join("elsewhere");
    fs::create_dir_all(&to).unwrap();
    fs::write(to.join("b.txt"), &made.plain["b.txt"]).unwrap();
    fs::write(to.join("big.bin"), b"somebody's").unwrap();
    let refused = world.move_item(&CHANNEL, &ITEM, &to, &mut |_| true);
    assert!(matches!(&refused, Err(StoreError::Io { path, .. }) if *path == to.join("big.bin")), "{refused:?}");
    assert_eq!(files_below(&to).len(), 2);
    made.assert_at(&world.root());
    fs::remove_file(to.join("big.bin")).unwrap();
    assert!(world.move_item(&CHANNEL, &ITEM, &to, &mut |_| true).unwrap().done);
    made.assert_at(&to);
    assert_eq!(world.read_all(), made.blobs.len());
    // Somebody had put it there.
    assert_eq!(world.remove_item(&CHANNEL, &ITEM, true).unwrap().kept, [to.join("b.txt")]);
    world.assert_tidy();
}

/// Takes a name and 999 beside it, each with a few bytes of its own; gives back the one of this number.
fn take_names(place: &Path, number: usize, name: impl Fn(usize) -> String) -> PathBuf {
    fs::create_dir_all(place).unwrap();
    let path = |n| place.join(name(n));
    (1..=1000).for_each(|n| fs::write(path(n), format!("my file {n}")).unwrap());
    path(number)
}

#[test]
fn a_thousand_taken_names_are_told_and_cost_nothing() {
    let beside = |stem: &'static str, ending: &'static str| {
        move |n: usize| if n == 1 { format!("{stem}{ending}") } else { format!("{stem} ({n}){ending}") }
    };
    let part = |n: usize| if n == 1 { "film.bin.part".to_owned() } else { format!("film.bin.part{n}") };
    let taken = |outcome: Result<(), StoreError>| match outcome {
        Err(StoreError::Io { source, .. }) => source.kind() == std::io::ErrorKind::AlreadyExists,
        _ => false,
    };
    let one = make(90, Padding::Ours, &[("film.bin", bytes(1, CHUNK_LEN + 9))]);
    let two = two_files(91);
    for case in ["the file's", "its part file's", "the folder's", "the finished file's"] {
        let mut world = World::new();
        let (root, downloads) = (world.root(), world.tmp.path().join("downloads"));
        let made = if case == "the folder's" { &two } else { &one };
        let plan = || world.plan_download(&CHANNEL, &ITEM, &root, made.plan(&root)).map(drop);
        let finish = || world.finish_item(&CHANNEL, &ITEM).map(drop);
        if case == "the finished file's" {
            plan().unwrap();
            world.fetch(ITEM, made);
        }
        let freed = match case {
            "its part file's" => take_names(&root, 777, part),
            "the folder's" => take_names(&downloads, 777, beside("item", "")),
            _ => take_names(&root, 777, beside("film", ".bin")),
        };
        let before: Vec<_> = files_below(&downloads).into_iter().map(|path| (fs::read(&path).unwrap(), path)).collect();
        if case == "the finished file's" {
            assert!(taken(finish()), "{case}");
            assert_eq!(world.read_all(), made.blobs.len(), "{case}: what came stays");
        } else {
            assert!(taken(plan()), "{case}");
            assert!(!world.item(&CHANNEL, &ITEM).unwrap().unwrap().planned, "{case}");
        }
        for (content, path) in &before {
            assert!(fs::read(path).unwrap() == *content, "{case}: {path:?} is as it was");
        }
        assert_eq!(files_below(&downloads).len(), before.len(), "{case}: and nothing came beside");
        // One name is free again.
        fs::remove_file(&freed).unwrap();
        if case != "the finished file's" {
            plan().unwrap();
            world.fetch(ITEM, made);
        }
        finish().unwrap();
        match case {
            "the folder's" => made.assert_at(&freed),
            "its part file's" => made.assert_at(&root),
            _ => assert!(fs::read(&freed).unwrap() == made.plain["film.bin"], "{case}"),
        }
        let mine = before.iter().filter(|(content, path)| content.starts_with(b"my file") && *path != freed);
        assert!(mine.clone().count() == 999 && mine.clone().all(|(content, path)| fs::read(path).unwrap() == *content));
        assert_eq!(world.read_all(), made.blobs.len());
        world.assert_tidy();
    }
}
