//! The cellar: what a node knows (SQLite) and what it holds (files), crash-safe at every instruction.
//!
//! A blob is held **stored** (its sealed bytes are a file of the blob store) or **derived** (the plain bytes lie in the
//! user's files; key, nonce and position recreate it bit for bit). Nothing leaves [`Store::read_blob`] whose SHA-256
//! was not compared with its ID in that very buffer: bytes changed on disk and sealed under an old key and nonce would
//! betray both versions. One process owns a data folder ([`DataDir`] holds the lock). All methods block: call them from
//! blocking threads.

use std::path::{Path, PathBuf};

use protocol::{BlobId, ChannelKey, Chunk, ItemId, PeerAddr, ReadKey, SafePath, SignedManifest, VerifiedBlob};

/// A data folder that this process owns until it is dropped.
pub struct DataDir {
    _p: (),
}

/// What went wrong, and where.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Another process owns the data folder.
    #[error("another process uses {0:?}")]
    Locked(PathBuf),
    /// A file could not be read or written.
    #[error("{path:?}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// No space left.
    #[error("the disk with {path:?} is full")]
    DiskFull {
        /// The file that was written.
        path: PathBuf,
    },
    /// The database does not open or is damaged.
    #[error("the data folder is damaged: {0}")]
    Corrupt(String),
    /// The secret is needed, and keyring or vault are locked.
    #[error("the keyring is locked")]
    SecretsLocked,
}

/// A followed or own channel as kept.
#[derive(Debug, Clone)]
pub struct Channel {
    /// Its key.
    pub key: ChannelKey,
    /// What its body calls it.
    pub name: String,
    /// What its body says.
    pub about: String,
    /// Needs a read key.
    pub private: bool,
    /// Sealed at rest under the store key; `None` also while secrets are locked.
    pub read_key: Option<ReadKey>,
    /// Ours.
    pub own: bool,
    /// Followed (own channels are, too).
    pub followed: bool,
    /// Paused by the user.
    pub paused: bool,
    /// Fetch all (-1), none (0), or the newest n.
    pub fetch: i64,
    /// Newest verified manifest.
    pub manifest: Option<SignedManifest>,
    /// The body was read and its items recorded for the manifest of this sequence.
    pub body_sequence: u64,
    /// Two manifests with one sequence were seen.
    pub signed_twice: bool,
    /// When the DHT was last asked, ms since 1970.
    pub checked: Option<u64>,
    /// Nodes that showed the newest manifest then.
    pub seen_by: Option<u32>,
    /// Ways in from link and body.
    pub peers: Vec<PeerAddr>,
}

/// Where an item stands on disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// Listed only.
    Listed,
    /// To be fetched; not complete.
    Wanted,
    /// Fetched, every blob verified, files in their final place.
    Complete,
    /// Published from the user's files.
    Published,
}

/// An item as kept.
#[derive(Debug, Clone)]
pub struct ItemRow {
    /// Its ID, unique within the channel.
    pub id: ItemId,
    /// Its channel.
    pub channel: ChannelKey,
    /// Title.
    pub name: String,
    /// Description.
    pub about: String,
    /// ms since 1970.
    pub published: u64,
    /// Place in the channel's list, 0 newest.
    pub position: u32,
    /// Files, plain bytes as the body says.
    pub files: u64,
    /// Plain bytes.
    pub bytes: u64,
    /// The item as body JSON (`protocol::body`), so that it can be read and written again.
    pub json: Vec<u8>,
    /// Where it stands.
    pub standing: Standing,
    /// Paused by the user.
    pub paused: bool,
    /// Folder that its files' relative paths start from (download folder of this item, or the published root).
    pub root: Option<PathBuf>,
    /// Files that cannot be stored here: path and reason.
    pub left_out: Vec<(String, String)>,
    /// Its plan (files and chunks) is recorded.
    pub planned: bool,
}

/// One file of an item's plan.
#[derive(Debug, Clone)]
pub struct PlanFile {
    /// Relative path as published.
    pub path: SafePath,
    /// Where it lies; for published files where the user keeps it, else under the item's root.
    pub disk: PathBuf,
    /// Bytes.
    pub size: u64,
    /// Media type.
    pub mime: Option<String>,
    /// Modification time in ns when it was published (a hint for `verify`, never a proof), 0 for downloads.
    pub mtime_ns: i64,
    /// Its chunks in order.
    pub chunks: Vec<Chunk>,
}

/// What became of a fetched blob.
#[derive(Debug, Clone, Default)]
pub struct Placed {
    /// Items that got bytes from it, with how many plain bytes of them are here now.
    pub items: Vec<(ChannelKey, ItemId, u64)>,
    /// Items of which this was the last missing blob: call [`Store::finish_item`].
    pub finished: Vec<(ChannelKey, ItemId)>,
}

/// Why a blob cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// Not held.
    #[error("not held")]
    Missing,
    /// The file below it changed or is gone: all its item's blobs that no longer hold are withdrawn; this one was just now.
    #[error("{file:?} changed on disk")]
    Changed {
        /// The file.
        file: PathBuf,
        /// Its item.
        item: (ChannelKey, ItemId),
    },
    /// Trouble below.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Why a blob is stored as sealed bytes (tables, bodies, pages), or what it is for when fetched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// Body, page or table: root of a tree.
    Root,
    /// Inner table, or a structure tree's content.
    Structure,
    /// A file's bytes.
    Content,
}

/// A holding, to be told to the swarm at start.
#[derive(Debug, Clone)]
pub struct Holding {
    /// The blob.
    pub blob: BlobId,
    /// A channel that it belongs to.
    pub channel: ChannelKey,
    /// What it is.
    pub role: Role,
    /// First blob of an item.
    pub first: bool,
    /// Last announced, ms since 1970, 0 never.
    pub announced: u64,
}

/// What opening found.
#[derive(Debug, Clone, Default)]
pub struct Recovery {
    /// The last process did not stop cleanly.
    pub unclean: bool,
    /// Blobs whose bytes had not been synced and were read again.
    pub rechecked: u64,
    /// Of those, blobs that were not whole and are wanted again.
    pub lost: u64,
}

/// What a node knows and holds. Cheap to clone.
#[derive(Clone)]
pub struct Store {
    _p: (),
}

#[allow(clippy::todo, unused_variables)]
impl DataDir {
    /// The platform's default folder for this program's data; one for command line and window.
    pub fn default_path() -> Option<PathBuf> {
        todo!()
    }
    /// Creates (mode 0700) and locks it.
    pub fn lock(path: &Path) -> Result<Self, StoreError> {
        todo!()
    }
    /// Where it is.
    pub fn path(&self) -> &Path {
        todo!()
    }
}

#[allow(clippy::todo, unused_variables)]
impl Store {
    /// Opens or creates the store; migrates; after an unclean stop re-reads what had not been synced.
    /// `store_key`: seals secrets at rest; `None` while secrets are locked.
    pub fn open(dir: DataDir, store_key: Option<&[u8; 32]>) -> Result<(Self, Recovery), StoreError> {
        todo!()
    }
    /// Syncs everything and marks the stop as clean. Further calls fail.
    pub fn close(&self) -> Result<(), StoreError> {
        todo!()
    }

    // Channels.
    /// All channels, in the order they were added.
    pub fn channels(&self) -> Result<Vec<Channel>, StoreError> {
        todo!()
    }
    /// One.
    pub fn channel(&self, key: &ChannelKey) -> Result<Option<Channel>, StoreError> {
        todo!()
    }
    /// Inserts or replaces (a `read_key` of `None` keeps the one that is kept).
    pub fn put_channel(&self, channel: &Channel) -> Result<(), StoreError> {
        todo!()
    }
    /// Forgets a channel, its items and the blobs that nothing else needs. The floor stays for ever. Files of the user stay.
    /// Returns the blobs that are no longer held.
    pub fn remove_channel(&self, key: &ChannelKey) -> Result<Vec<BlobId>, StoreError> {
        todo!()
    }
    /// Highest sequence ever verified of a channel, 0 for none; kept over removal.
    pub fn floor(&self, key: &ChannelKey) -> Result<u64, StoreError> {
        todo!()
    }
    /// Raises the floor.
    pub fn raise_floor(&self, key: &ChannelKey, sequence: u64) -> Result<(), StoreError> {
        todo!()
    }

    // Items.
    /// Items of a channel in list order.
    pub fn items(&self, channel: &ChannelKey) -> Result<Vec<ItemRow>, StoreError> {
        todo!()
    }
    /// One.
    pub fn item(&self, channel: &ChannelKey, id: &ItemId) -> Result<Option<ItemRow>, StoreError> {
        todo!()
    }
    /// Items whose ID starts with this lower-case hex.
    pub fn items_by_prefix(&self, hex: &str) -> Result<Vec<ItemRow>, StoreError> {
        todo!()
    }
    /// Items that are wanted or complete or published, of all channels, newest change first.
    pub fn transfers(&self) -> Result<Vec<ItemRow>, StoreError> {
        todo!()
    }
    /// Makes the channel's list this one, in one transaction: new items in, vanished ones out (unless their files are here: then they stay, off the list with position u32::MAX),
    /// changed ones (other `json`) replaced; an item whose content changed loses its plan and stands as `Wanted` again if it was wanted or complete,
    /// keeping blobs that the new plan still needs. Also sets `body_sequence`. Returns blobs no longer held.
    pub fn set_items(&self, channel: &ChannelKey, sequence: u64, items: &[ItemRow]) -> Result<Vec<BlobId>, StoreError> {
        todo!()
    }
    /// Changes standing or pause.
    pub fn set_standing(
        &self,
        channel: &ChannelKey,
        id: &ItemId,
        standing: Standing,
        paused: bool,
    ) -> Result<(), StoreError> {
        todo!()
    }
    /// Removes an item from this device: plan, blobs nothing else needs, part files; with `delete` also its finished files
    /// (never published ones). It stays in the list as `Listed`. Returns blobs no longer held.
    pub fn remove_item(&self, channel: &ChannelKey, id: &ItemId, delete: bool) -> Result<Vec<BlobId>, StoreError> {
        todo!()
    }

    // Plans and holdings.
    /// Records a download's plan: files go to `root`, as `.part` files until finished. Blobs already held elsewhere count as had.
    /// Refuses when a path's place is taken by a file that is not this item's (another name is chosen: `name (2)`); returns the root used.
    pub fn plan_download(
        &self,
        channel: &ChannelKey,
        id: &ItemId,
        root: &Path,
        files: Vec<PlanFile>,
    ) -> Result<PathBuf, StoreError> {
        todo!()
    }
    /// Records a published item: its files' blobs are held derived. `replaces`: what the item held before goes (blobs returned are no longer held).
    pub fn record_published(&self, item: &ItemRow, files: Vec<PlanFile>) -> Result<Vec<BlobId>, StoreError> {
        todo!()
    }
    /// Files of an item's plan with verified plain bytes.
    pub fn files(&self, channel: &ChannelKey, id: &ItemId) -> Result<Vec<(PlanFile, u64)>, StoreError> {
        todo!()
    }
    /// Up to `limit` blobs that an item still lacks, in file order, after skipping those for which `skip` is true.
    pub fn missing(
        &self,
        channel: &ChannelKey,
        id: &ItemId,
        limit: usize,
        skip: &dyn Fn(&BlobId) -> bool,
    ) -> Result<Vec<BlobId>, StoreError> {
        todo!()
    }
    /// Verified plain bytes of an item.
    pub fn have_bytes(&self, channel: &ChannelKey, id: &ItemId) -> Result<u64, StoreError> {
        todo!()
    }
    /// Whether a blob is held.
    pub fn has(&self, blob: &BlobId) -> Result<bool, StoreError> {
        todo!()
    }
    /// A fetched content blob: opened under its key, written to the part files that need it, held derived where the
    /// rest is our padding, else stored. Same blob twice is no error.
    pub fn place(&self, blob: &VerifiedBlob) -> Result<Placed, StoreError> {
        todo!()
    }
    /// Keeps sealed bytes: bodies, pages, tables (fetched or made by us).
    pub fn put_stored(&self, channel: &ChannelKey, role: Role, blob: &VerifiedBlob) -> Result<(), StoreError> {
        todo!()
    }
    /// Structure blobs that belong to the channel's current list; others of that channel that nothing needs are dropped and returned.
    pub fn retain_structure(&self, channel: &ChannelKey, keep: &[BlobId]) -> Result<Vec<BlobId>, StoreError> {
        todo!()
    }
    /// The sealed bytes of a blob, hashed in the very buffer returned.
    pub fn read_blob(&self, blob: &BlobId) -> Result<VerifiedBlob, ReadError> {
        todo!()
    }
    /// All blobs of an item's plan are here: syncs, renames part files to their names, sets `Complete`.
    pub fn finish_item(&self, channel: &ChannelKey, id: &ItemId) -> Result<ItemRow, StoreError> {
        todo!()
    }
    /// Reads every blob of an item again; wrong ones are withdrawn (and wanted again for downloads). `progress(done, total)` may return false to stop.
    pub fn verify_item(
        &self,
        channel: &ChannelKey,
        id: &ItemId,
        progress: &mut dyn FnMut(u64, u64) -> bool,
    ) -> Result<VerifyOutcome, StoreError> {
        todo!()
    }
    /// Says where an item's files lie now; verify afterwards.
    pub fn locate(&self, channel: &ChannelKey, id: &ItemId, path: &Path) -> Result<(), StoreError> {
        todo!()
    }
    /// Every holding, for the swarm at start, in batches of up to 10,000.
    pub fn holdings(&self, each: &mut dyn FnMut(Vec<Holding>)) -> Result<(), StoreError> {
        todo!()
    }
    /// Number of blobs held.
    pub fn blob_count(&self) -> Result<u64, StoreError> {
        todo!()
    }
    /// Remembers when blobs were announced.
    pub fn set_announced(&self, blobs: &[BlobId], unix_ms: u64) -> Result<(), StoreError> {
        todo!()
    }

    // Identities (their secrets are in the keyring or vault), settings, address book.
    /// Identities: key, local name, kind (`Some(true)` private), created ms.
    pub fn identities(&self) -> Result<Vec<IdentityRow>, StoreError> {
        todo!()
    }
    /// Inserts or replaces.
    pub fn put_identity(&self, row: &IdentityRow) -> Result<(), StoreError> {
        todo!()
    }
    /// A setting.
    pub fn setting(&self, name: &str) -> Result<Option<String>, StoreError> {
        todo!()
    }
    /// Sets one.
    pub fn set_setting(&self, name: &str, value: Option<&str>) -> Result<(), StoreError> {
        todo!()
    }
    /// Remembered addresses (sealed at rest; empty while secrets are locked), best first, at most 1000.
    pub fn address_book(&self) -> Result<Vec<(PeerAddr, Option<ChannelKey>)>, StoreError> {
        todo!()
    }
    /// Remembers one that was dialled successfully.
    pub fn remember_address(&self, addr: &PeerAddr, channel: Option<&ChannelKey>) -> Result<(), StoreError> {
        todo!()
    }
    /// DHT nodes for the next start.
    pub fn dht_cache(&self) -> Result<Vec<String>, StoreError> {
        todo!()
    }
    /// Replaces them.
    pub fn set_dht_cache(&self, nodes: &[String]) -> Result<(), StoreError> {
        todo!()
    }
}

/// What `verify` found.
#[derive(Debug, Clone, Default)]
pub struct VerifyOutcome {
    /// Blobs read and right.
    pub good: u64,
    /// Withdrawn.
    pub bad: Vec<BlobId>,
    /// Files concerned.
    pub files: Vec<PathBuf>,
}

/// An identity as kept; its secret is elsewhere.
#[derive(Debug, Clone)]
pub struct IdentityRow {
    /// Public key.
    pub key: ChannelKey,
    /// Local name.
    pub name: String,
    /// Published privately, publicly, or nothing yet.
    pub private: Option<bool>,
    /// ms since 1970.
    pub created: u64,
}
