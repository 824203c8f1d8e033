//! Killed at any moment: a process works on a store and says what it was told; it is killed, and the store is looked at.

use crate::world::{
    CHANNEL, ITEM, Made, OTHER, Padding, assert_tidy, bytes, channel, files_below, make, open, row, structure,
};
use protocol::BlobId;
use protocol::params::CHUNK_LEN;
use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;
use store::{Holding, Role, Standing, Store};

const FOLDER: &str = "MEGATORRENT_STORE_CRASH";
const ROUNDS: u64 = 30;

/// Two versions of one item: most is the same. Half of the blobs have foreign padding and stay stored.
fn version(number: u8) -> Made {
    let seed = u64::from(number);
    let ours = make(
        1,
        Padding::Ours,
        &[
            ("same.bin", bytes(1, 3 * CHUNK_LEN)),
            ("deep/grows.bin", bytes(10 + seed, CHUNK_LEN + 77)),
            ("small.txt", bytes(20 + seed, 5000)),
            ("small too.txt", bytes(30, 6000)),
            ("empty", Vec::new()),
        ],
    );
    let noise =
        make(2, Padding::Noise, &[("noise.bin", bytes(2, 200_000)), ("noise too.bin", bytes(40 + seed, 200_000))]);
    ours.and(noise)
}

fn root(folder: &Path) -> PathBuf {
    folder.join("downloads/item")
}

fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    writeln!(out, "@{line}").and_then(|()| out.flush()).unwrap();
}

/// What version the store's list names.
fn listed(store: &Store) -> u8 {
    let item = store.item(&CHANNEL, &ITEM).unwrap().unwrap();
    u8::from(item.json == row(ITEM, b"B").json)
}

#[test]
#[ignore = "the process that is killed in a_process_killed_at_any_moment_loses_nothing"]
fn victim() {
    let Some(folder) = std::env::var_os(FOLDER).map(PathBuf::from) else { return };
    let (store, _) = open(&folder.join("data"));
    let versions = [version(0), version(1)];
    let mut turn = std::process::id();
    loop {
        let item = store.item(&CHANNEL, &ITEM).unwrap().unwrap();
        let now = listed(&store);
        let made = &versions[usize::from(now)];
        match item.standing {
            Standing::Listed | Standing::Wanted if !item.planned => {
                store.plan_download(&CHANNEL, &ITEM, &root(&folder), made.plan(&root(&folder))).unwrap();
                say("planned");
            }
            Standing::Wanted => {
                for blob in store.missing(&CHANNEL, &ITEM, 100, &|_| false).unwrap() {
                    store.place(made.blobs[&blob].clone()).unwrap();
                    say(&format!("held {blob}"));
                }
                // From here on the version before is let go.
                say(&format!("finishing {now}"));
                store.finish_item(&CHANNEL, &ITEM).unwrap();
                say(&format!("whole {now}"));
            }
            _ => {
                turn += 1;
                if turn.is_multiple_of(3) {
                    say("removing");
                    store.remove_item(&CHANNEL, &ITEM, true).unwrap();
                } else {
                    let kept = structure(u64::from(turn));
                    store.put_stored(&CHANNEL, Role::Root, &kept).unwrap();
                    store.retain_structure(&CHANNEL, &[kept.id()]).unwrap();
                    let mark: &[u8] = if now == 0 { b"B" } else { b"A" };
                    store.set_items(&CHANNEL, u64::from(turn), &[row(ITEM, mark)]).unwrap();
                    say("relisted");
                }
            }
        }
    }
}

/// What the process had said when it was killed.
#[derive(Default)]
struct Told {
    held: BTreeSet<BlobId>,
    whole: Option<u8>,
    removing: bool,
    /// How often an item was whole, over all.
    wholes: u32,
}

impl Told {
    fn hear(&mut self, line: &str, versions: &[Made; 2]) {
        // The harness writes lines of its own, one without an end.
        let Some((_, line)) = line.split_once('@') else { return };
        match line.split_once(' ').unwrap_or((line, "")) {
            ("held", blob) => drop(self.held.insert(blob.parse().unwrap())),
            ("finishing", number) => {
                let version = versions[number.parse::<usize>().unwrap()].ids();
                self.held.retain(|blob| version.contains(blob));
            }
            ("whole", number) => {
                self.whole = Some(number.parse().unwrap());
                self.wholes += 1;
            }
            ("relisted", _) => self.whole = None,
            ("removing", _) => *self = Self { removing: true, wholes: self.wholes, ..Self::default() },
            ("planned", _) => self.removing = false,
            other => panic!("{other:?}"),
        }
    }
}

#[cfg(unix)]
#[test]
fn a_process_killed_at_any_moment_loses_nothing() {
    let tmp = tempfile::tempdir().unwrap();
    let (store, _) = open(&tmp.path().join("data"));
    store.add_or_change_channel(channel(CHANNEL), |_| {}).unwrap();
    store.set_items(&CHANNEL, 1, &[row(ITEM, b"A"), row(OTHER, b"2")]).unwrap();
    store.close().unwrap();
    drop(store);
    let versions = [version(0), version(1)];
    let mut chance = [0; 8];
    getrandom::fill(&mut chance).unwrap();
    let seed = u64::from_le_bytes(chance);
    let mut dice = bytes(seed, 16 * ROUNDS as usize).into_iter();
    let mut dice = || u64::from(dice.next().unwrap());
    let mut told = Told::default();
    for round in 0..ROUNDS {
        let mut victim = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "crash::victim", "--include-ignored", "--nocapture"])
            .env(FOLDER, tmp.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .unwrap();
        let mut out = BufReader::new(victim.stdout.take().unwrap()).lines();
        for line in out.by_ref().take(1 + dice() as usize % 20) {
            told.hear(&line.unwrap(), &versions);
        }
        // The moment is a matter of chance, down to the instruction.
        std::thread::sleep(Duration::from_micros(dice() * 40));
        victim.kill().unwrap();
        victim.wait().unwrap();
        for line in out {
            told.hear(&line.unwrap(), &versions);
        }
        look(tmp.path(), &versions, &told, dice().is_multiple_of(2), &format!("seed {seed}, round {round}"));
    }
    assert!(told.wholes > 0, "it got somewhere");
}

fn look(folder: &Path, versions: &[Made; 2], told: &Told, close: bool, at: &str) {
    let (store, recovery) = open(&folder.join("data"));
    assert_eq!(recovery.lost, 0, "{at}: a killed process loses no byte that it wrote");
    let made = &versions[usize::from(listed(&store))];
    let item = store.item(&CHANNEL, &ITEM).unwrap().unwrap();
    let mut held = BTreeSet::new();
    store.holdings(&mut |batch: Vec<Holding>| held.extend(batch.iter().map(|h| h.blob))).unwrap();
    for blob in &held {
        let read = store.read_blob(blob).unwrap_or_else(|e| panic!("{at}: {blob} is held and cannot be read: {e}"));
        assert_eq!(BlobId::of(read.bytes()), *blob, "{at}");
    }
    if !told.removing {
        let due: BTreeSet<BlobId> = told.held.intersection(&made.ids()).copied().collect();
        assert!(due.is_subset(&held), "{at}: told as verified, and not held");
        if item.planned {
            let lacks = store.missing(&CHANNEL, &ITEM, 1000, &|_| false).unwrap();
            assert!(lacks.iter().all(|blob| !due.contains(blob)), "{at}: told as verified, and asked for again");
        }
    }
    if item.standing == Standing::Complete {
        made.assert_at(&root(folder));
        assert!(made.ids().is_subset(&held), "{at}");
    }
    if let Some(number) = told.whole
        && number == listed(&store)
        && !told.removing
    {
        assert_eq!(item.standing, Standing::Complete, "{at}");
    }
    if close {
        store.close().unwrap();
    }
    drop(store);
    assert_tidy(&folder.join("data"));
    assert_no_stray(folder, at);
}

/// Every file in the download folder is one that the database tells of.
fn assert_no_stray(folder: &Path, at: &str) {
    use std::os::unix::ffi::OsStringExt;
    let db = rusqlite::Connection::open(folder.join("data/store.db")).unwrap();
    let mut rows = db.prepare("SELECT disk FROM files UNION SELECT part FROM files WHERE part IS NOT NULL").unwrap();
    let known: BTreeSet<PathBuf> = rows
        .query_map([], |row| Ok(PathBuf::from(std::ffi::OsString::from_vec(row.get(0)?))))
        .unwrap()
        .map(Result::unwrap)
        .collect();
    for file in files_below(&folder.join("downloads")) {
        assert!(known.contains(&file), "{at}: nobody knows {file:?}");
    }
}
