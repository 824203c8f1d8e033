//! A device with a store, and content to put there.

use protocol::params::CHUNK_LEN;
use protocol::{BlobId, BlobKey, ChannelKey, Chunk, ItemId, SafePath, VerifiedBlob, blob};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use store::{Channel, DataDir, Holding, ItemRow, Keep, PlanFile, Recovery, Standing, Store, Urgency};
use tempfile::TempDir;

pub(crate) const CHANNEL: ChannelKey = ChannelKey([1; 32]);
pub(crate) const ITEM: ItemId = ItemId([1; 16]);
pub(crate) const OTHER: ItemId = ItemId([2; 16]);

/// A data folder, a download folder, and the store while it is open.
pub(crate) struct World {
    pub(crate) tmp: TempDir,
    store: Option<Store>,
}

impl std::ops::Deref for World {
    type Target = Store;
    fn deref(&self) -> &Store {
        self.store.as_ref().unwrap()
    }
}

impl World {
    /// With one channel that lists `ITEM` and `OTHER`.
    pub(crate) fn new() -> Self {
        let tmp = tempfile::tempdir().unwrap();
        let (store, recovery) = open(&tmp.path().join("data"));
        assert!(!recovery.unclean);
        let world = Self { tmp, store: Some(store) };
        world.add_or_change_channel(channel(CHANNEL), |_| {}).unwrap();
        world.set_items(&CHANNEL, 1, &[row(ITEM, b"1"), row(OTHER, b"2")]).unwrap();
        world
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.tmp.path().join("data")
    }

    /// The folder of an item.
    pub(crate) fn root(&self) -> PathBuf {
        self.tmp.path().join("downloads/item")
    }

    /// As a killed process leaves it: nothing is closed.
    pub(crate) fn crash(&mut self) -> Recovery {
        drop(self.store.take());
        let (store, recovery) = open(&self.data());
        assert!(recovery.unclean);
        self.store = Some(store);
        recovery
    }

    /// The process is gone; the store is to be opened with [`Self::crash`].
    pub(crate) fn shut_without_sync(&mut self) {
        drop(self.store.take());
    }

    pub(crate) fn reopen(&mut self) {
        self.close().unwrap();
        drop(self.store.take());
        let (store, recovery) = open(&self.data());
        assert!(!recovery.unclean);
        self.store = Some(store);
    }

    /// Opens what was shut, or made anew, and looks at it as after a kill.
    pub(crate) fn open_unclean(&mut self) -> Recovery {
        let (store, recovery) = open(&self.data());
        self.store = Some(store);
        recovery
    }

    /// Opens what was shut.
    pub(crate) fn open_again(&mut self) {
        let (store, recovery) = open(&self.data());
        assert!(!recovery.unclean);
        self.store = Some(store);
    }

    pub(crate) fn shut(&mut self) {
        self.close().unwrap();
        drop(self.store.take());
    }

    pub(crate) fn plan(&self, id: ItemId, root: &Path, made: &Made) {
        self.plan_download(&CHANNEL, &id, root, made.plan(root)).unwrap();
    }

    /// Blobs that an item lacks.
    pub(crate) fn lacks(&self, id: ItemId) -> Vec<BlobId> {
        self.missing(&CHANNEL, &id, usize::MAX, &|_| false).unwrap()
    }

    /// Fetches all that an item lacks; returns how many blobs that were.
    pub(crate) fn fetch(&self, id: ItemId, made: &Made) -> usize {
        let lacks = self.lacks(id);
        lacks.iter().for_each(|blob| drop(self.place(made.blobs[blob].clone()).unwrap()));
        lacks.len()
    }

    /// Fetches an item whole.
    pub(crate) fn download(&self, id: ItemId, root: &Path, made: &Made) {
        self.plan(id, root, made);
        self.fetch(id, made);
        self.finish_item(&CHANNEL, &id).unwrap();
    }

    pub(crate) fn standing(&self, id: ItemId) -> Standing {
        self.item(&CHANNEL, &id).unwrap().unwrap().standing
    }

    pub(crate) fn held(&self) -> BTreeSet<BlobId> {
        let mut held = BTreeSet::new();
        self.holdings(&mut |batch: Vec<Holding>| held.extend(batch.iter().map(|h| h.blob))).unwrap();
        assert_eq!(held.len() as u64, self.totals().unwrap().blobs);
        held
    }

    /// Every blob that is said to be held is read, and is what it is called.
    pub(crate) fn read_all(&self) -> usize {
        let held = self.held();
        for id in &held {
            let bytes = self.read_blob(id).unwrap_or_else(|error| panic!("{id}: {error}")).into_bytes();
            assert_eq!(BlobId::of(&bytes), *id);
        }
        held.len()
    }

    /// Closes the store and looks for what nothing needs: rows, blob files, half-written files.
    pub(crate) fn assert_tidy(&mut self) {
        self.reopen();
        self.shut();
        assert_tidy(&self.data());
        let (store, _) = open(&self.data());
        self.store = Some(store);
    }

    /// Tells the record that a finished file always looked as it does now: what a disk does to bytes changes no times.
    pub(crate) fn as_if_untouched(&self, file: &Path) {
        use std::os::unix::ffi::OsStrExt;
        use std::os::unix::fs::MetadataExt;
        let now = fs::metadata(file).unwrap();
        let nanoseconds = |seconds: i64, rest: i64| seconds * 1_000_000_000 + rest;
        let db = rusqlite::Connection::open(self.data().join("store.db")).unwrap();
        let values = rusqlite::params![
            now.dev() as i64,
            now.ino() as i64,
            nanoseconds(now.mtime(), now.mtime_nsec()),
            nanoseconds(now.ctime(), now.ctime_nsec()),
            file.as_os_str().as_bytes()
        ];
        let set = "UPDATE files SET dev = ?, ino = ?, mtime_ns = ?, ctime_ns = ? WHERE disk = ? AND part IS NULL";
        assert_eq!(db.execute(set, values).unwrap(), 1);
    }

    pub(crate) fn blob_files(&self) -> usize {
        files_below(&self.data().join("blobs")).len()
    }
}

pub(crate) fn open(data: &Path) -> (Store, Recovery) {
    Store::open(DataDir::lock(data).unwrap(), Some(&[7; 32])).unwrap()
}

/// Nothing in a closed data folder without a reason to be there.
pub(crate) fn assert_tidy(data: &Path) {
    let db = rusqlite::Connection::open(data.join("store.db")).unwrap();
    let count = |what: &str| -> i64 { db.query_row(what, [], |row| row.get(0)).unwrap() };
    let orphans = [
        "SELECT COUNT(*) FROM blobs b WHERE NOT EXISTS(SELECT 1 FROM chunks WHERE blob = b.id)
            AND NOT EXISTS(SELECT 1 FROM structure WHERE blob = b.id)",
        "SELECT COUNT(*) FROM chunks WHERE file NOT IN (SELECT id FROM files)",
        "SELECT COUNT(*) FROM chunks k JOIN files f ON f.id = k.file WHERE f.item <> k.item",
        "SELECT COUNT(*) FROM files WHERE item NOT IN (SELECT id FROM items)",
        "SELECT COUNT(*) FROM items WHERE item IS NULL AND of IS NULL",
        "SELECT COUNT(*) FROM doomed",
        "SELECT COUNT(*) FROM files f WHERE have <>
            (SELECT COALESCE(SUM(len), 0) FROM chunks WHERE file = f.id AND state > 0)",
        "SELECT COUNT(*) FROM items i WHERE item IS NOT NULL AND have <>
            (SELECT COALESCE(SUM(have), 0) FROM files WHERE item = i.id)",
    ];
    for what in orphans {
        assert_eq!(count(what), 0, "{what}");
    }
    assert_eq!(db.query_row("PRAGMA integrity_check", [], |row| row.get::<_, String>(0)).unwrap(), "ok");
    assert!(!db.prepare("PRAGMA foreign_key_check").unwrap().exists([]).unwrap());
    let mut stored = db.prepare("SELECT lower(hex(blob)) FROM blobs WHERE stored = 1").unwrap();
    let stored: BTreeSet<String> = stored.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
    let files: BTreeSet<String> = files_below(&data.join("blobs"))
        .iter()
        .map(|path| path.file_name().unwrap().to_str().unwrap().to_owned())
        .collect();
    assert_eq!(files, stored, "blob files, and those that rows tell of");
}

pub(crate) fn files_below(folder: &Path) -> Vec<PathBuf> {
    let mut out = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten() {
        let path = entry.unwrap().path();
        if path.is_dir() && !path.is_symlink() { out.extend(files_below(&path)) } else { out.push(path) }
    }
    out.sort();
    out
}

pub(crate) fn channel(key: ChannelKey) -> Channel {
    Channel {
        key,
        name: "name".into(),
        about: String::new(),
        private: false,
        read_key: None,
        own: false,
        followed: true,
        paused: false,
        fetch: -1,
        manifest: None,
        body_sequence: 0,
        signed_twice: false,
        checked: None,
        seen_by: None,
        peers: Vec::new(),
        keep: Keep::All,
        encrypted: false,
        folder: None,
    }
}

/// A listed item; another `mark`, other content.
pub(crate) fn row(id: ItemId, mark: &[u8]) -> ItemRow {
    let json = format!("{{\"size\":{}}}", mark.iter().fold(0_u64, |n, b| n * 256 + u64::from(*b)));
    ItemRow {
        id,
        channel: CHANNEL,
        name: "item".into(),
        about: String::new(),
        published: 1,
        position: 0,
        files: 1,
        bytes: 1,
        json: json.into_bytes(),
        standing: Standing::Listed,
        paused: false,
        root: None,
        left_out: Vec::new(),
        planned: false,
        lost_files: 0,
        pinned: false,
        urgency: Urgency::Normal,
        encrypted: false,
        skipped: 0,
        mime: None,
        deadly: false,
    }
}

/// Whose padding is behind the bytes of a blob.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Padding {
    Ours,
    Noise,
}

/// Published content: files, their chunks, the sealed blobs.
#[derive(Clone)]
pub(crate) struct Made {
    pub(crate) plain: BTreeMap<String, Vec<u8>>,
    chunks: BTreeMap<String, Vec<Chunk>>,
    pub(crate) blobs: BTreeMap<BlobId, VerifiedBlob>,
}

/// Bytes that are the same for the same seed.
pub(crate) fn bytes(seed: u64, len: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut out = Vec::with_capacity(len + 8);
    while out.len() < len {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        out.extend_from_slice(&state.to_le_bytes());
    }
    out.truncate(len);
    out
}

fn key(seed: u64) -> BlobKey {
    let noise = bytes(seed ^ 0xfeed, 44);
    BlobKey { key: noise[..32].try_into().unwrap(), nonce: noise[32..].try_into().unwrap() }
}

/// A blob of our own making, for the list.
pub(crate) fn structure(seed: u64) -> VerifiedBlob {
    blob::seal(bytes(seed, 1000), &key(seed))
}

/// Cuts and seals: whole chunks of large files, small ones (below 100 KiB) packed together. The same seed makes the
/// same keys; a file's seed is its content's.
pub(crate) fn make(seed: u64, padding: Padding, files: &[(&str, Vec<u8>)]) -> Made {
    let mut made = Made { plain: BTreeMap::new(), chunks: BTreeMap::new(), blobs: BTreeMap::new() };
    let mut pack: (Vec<u8>, Vec<&str>) = (Vec::new(), Vec::new());
    for (name, plain) in files {
        let named = u64::from(BlobId::of(name.as_bytes()).0[0]);
        made.plain.insert((*name).to_owned(), plain.clone());
        made.chunks.insert((*name).to_owned(), Vec::new());
        if plain.len() < 100 << 10 {
            if pack.0.len() + plain.len() > CHUNK_LEN {
                made.seal_pack(&mut pack, seed, padding);
            }
            pack.0.extend_from_slice(plain);
            pack.1.push(name);
            continue;
        }
        for (index, part) in plain.chunks(CHUNK_LEN).enumerate() {
            let key = key(seed ^ u64::from(BlobId::of(part).0[0]) ^ (named << 32) ^ ((index as u64) << 16));
            let sealed = seal(part, &key, padding);
            let chunk = Chunk { blob: sealed.id(), key, offset: 0, len: part.len() as u32 };
            made.chunks.get_mut(*name).unwrap().push(chunk);
            made.blobs.insert(sealed.id(), sealed);
        }
    }
    made.seal_pack(&mut pack, seed, padding);
    made
}

fn seal(plain: &[u8], key: &BlobKey, padding: Padding) -> VerifiedBlob {
    let mut plain = plain.to_vec();
    if padding == Padding::Noise {
        plain.extend(bytes(99, CHUNK_LEN - plain.len()));
    }
    blob::seal(plain, key)
}

impl Made {
    fn seal_pack(&mut self, pack: &mut (Vec<u8>, Vec<&str>), seed: u64, padding: Padding) {
        if pack.1.is_empty() {
            return;
        }
        let names: u64 = pack.1.iter().map(|n| n.len() as u64).sum();
        let key = key(seed ^ 0xbad ^ u64::from(BlobId::of(&pack.0).0[0]) ^ (names << 8));
        let sealed = seal(&pack.0, &key, padding);
        let mut offset = 0;
        for name in &pack.1 {
            let len = self.plain[*name].len() as u32;
            if len > 0 {
                let chunk = Chunk { blob: sealed.id(), key: key.clone(), offset, len };
                self.chunks.get_mut(*name).unwrap().push(chunk);
            }
            offset += len;
        }
        self.blobs.insert(sealed.id(), sealed);
        *pack = (Vec::new(), Vec::new());
    }

    /// Both together.
    pub(crate) fn and(mut self, other: Self) -> Self {
        self.plain.extend(other.plain);
        self.chunks.extend(other.chunks);
        self.blobs.extend(other.blobs);
        self
    }

    pub(crate) fn plan(&self, root: &Path) -> Vec<PlanFile> {
        let file = |(name, chunks): (&String, &Vec<Chunk>)| PlanFile {
            path: SafePath::parse(name).unwrap(),
            disk: root.join(name),
            size: self.plain[name].len() as u64,
            mime: None,
            mtime_ns: 0,
            chunks: chunks.clone(),
        };
        self.chunks.iter().map(file).collect()
    }

    /// The plan of files that lie at `root`, as publishing records it.
    pub(crate) fn published(&self, root: &Path) -> Vec<PlanFile> {
        let mut plan = self.plan(root);
        for file in &mut plan {
            let changed = fs::metadata(&file.disk).unwrap().modified().unwrap();
            let since = changed.duration_since(std::time::UNIX_EPOCH).unwrap();
            file.mtime_ns = i64::try_from(since.as_nanos()).unwrap();
        }
        plan
    }

    /// Writes the plain files.
    pub(crate) fn write(&self, root: &Path) {
        for (name, plain) in &self.plain {
            fs::create_dir_all(root.join(name).parent().unwrap()).unwrap();
            fs::write(root.join(name), plain).unwrap();
        }
    }

    /// Every file is at `root`, byte for byte.
    pub(crate) fn assert_at(&self, root: &Path) {
        for (name, plain) in &self.plain {
            let found = fs::read(root.join(name)).unwrap_or_else(|e| panic!("{name}: {e}"));
            assert!(found == *plain, "{name} has other bytes");
        }
    }

    /// Blobs of one file.
    pub(crate) fn of(&self, name: &str) -> Vec<BlobId> {
        self.chunks[name].iter().map(|chunk| chunk.blob).collect()
    }

    pub(crate) fn ids(&self) -> BTreeSet<BlobId> {
        self.blobs.keys().copied().collect()
    }
}

/// A folder of a bit of everything: two large files, five small ones that share a blob, one without bytes.
pub(crate) fn folder(seed: u64, padding: Padding) -> Made {
    make(
        seed,
        padding,
        &[
            ("big.bin", bytes(seed + 1, 3 * CHUNK_LEN + 5)),
            ("deep/down/whole.bin", bytes(seed + 2, 2 * CHUNK_LEN)),
            ("a.txt", bytes(seed + 3, 10_000)),
            ("b.txt", bytes(seed + 4, 20_000)),
            ("deep/c.txt", bytes(seed + 5, 1)),
            ("日本語.txt", bytes(seed + 6, 30_000)),
            ("empty", Vec::new()),
        ],
    )
}
