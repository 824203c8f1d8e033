//! What goes in and out of the store: rows as plain values.

use std::path::PathBuf;

use protocol::{BlobId, ChannelKey, Chunk, ItemId, PeerAddr, ReadKey, SafePath, SignedManifest};

use crate::StoreError;

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
    /// What of it stays here.
    pub keep: Keep,
    /// Downloads planned from here on are kept only encrypted.
    pub encrypted: bool,
    /// Name of its folder below the download folder, once it has one: it stays, whatever the channel calls itself.
    pub folder: Option<String>,
}

/// What of a channel stays on this disk; what the user pinned stays in any case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Keep {
    /// Everything.
    #[default]
    All,
    /// The newest n items.
    Newest(u32),
    /// Items younger than this many days.
    Days(u32),
    /// So many bytes of items, the newest first.
    Bytes(u64),
}

impl Keep {
    pub(crate) fn to_text(self) -> String {
        match self {
            Self::All => "all".into(),
            Self::Newest(n) => format!("newest {n}"),
            Self::Days(n) => format!("days {n}"),
            Self::Bytes(n) => format!("bytes {n}"),
        }
    }

    /// What an older or newer version may have written and we do not know keeps everything.
    pub(crate) fn from_text(text: &str) -> Self {
        let parsed = text.split_once(' ').and_then(|(kind, number)| match kind {
            "newest" => number.parse().ok().map(Self::Newest),
            "days" => number.parse().ok().map(Self::Days),
            "bytes" => number.parse().ok().map(Self::Bytes),
            _ => None,
        });
        parsed.unwrap_or(Self::All)
    }
}

/// Which items are fetched first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Urgency {
    /// After the others.
    Low,
    /// In turn.
    #[default]
    Normal,
    /// Before the others.
    High,
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
    /// The item as body JSON (`protocol::body`), so that it can be read and written again. Empty in rows of whole lists,
    /// which may be long: ask [`crate::Store::item`], or [`crate::Store::item_json`].
    pub json: Vec<u8>,
    /// Media type of an item of one file, as its publisher says.
    pub mime: Option<String>,
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
    /// Files that were seen to have changed on disk, of an item that was whole.
    pub lost_files: u64,
    /// No rule removes it.
    pub pinned: bool,
    /// When it is fetched.
    pub urgency: Urgency,
    /// It is kept only encrypted.
    pub encrypted: bool,
    /// Plain bytes of its files that the user does not want.
    pub skipped: u64,
    /// A process died while it read what the item is made of: it is not planned before the user says so.
    pub deadly: bool,
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

/// A piece of a download's plan. A file is followed by all of its chunks, or by none: they come later, then.
#[derive(Debug, Clone)]
pub enum PlanStep {
    /// The next file.
    File {
        /// Relative path as published.
        path: SafePath,
        /// Bytes.
        size: u64,
        /// Media type.
        mime: Option<String>,
    },
    /// Its next chunks.
    Chunks(Vec<Chunk>),
    /// The chunks of the file of this number follow, of which none came yet.
    Again(u64),
}

/// A recorded plan.
#[derive(Debug, Clone)]
pub struct Planned {
    /// Folder that the item's files lie below.
    pub root: PathBuf,
    /// Blobs of an earlier plan that are no longer held.
    pub gone: Vec<BlobId>,
}

/// What became of a fetched blob.
#[derive(Debug, Clone, Default)]
pub struct Placed {
    /// Items that got bytes from it, with how many plain bytes of them are here now.
    pub items: Vec<(ChannelKey, ItemId, u64)>,
    /// Items of which this was the last missing blob: call [`crate::Store::finish_item`].
    pub finished: Vec<(ChannelKey, ItemId)>,
    /// Items whose key does not open this blob: their publisher's fault; the blob is not asked for again on their behalf.
    pub unopenable: Vec<(ChannelKey, ItemId)>,
    /// Blobs that were held and are not any more: somebody removed or cut a part file. They are missing again.
    pub lost: Vec<BlobId>,
}

/// What became of a finished item's files.
#[derive(Debug, Clone, Default)]
pub struct Named {
    /// Blobs of the version before that are no longer held.
    pub gone: Vec<BlobId>,
    /// Files that are not ours, or were changed here, and stay; with the name that ours got beside each.
    pub beside: Vec<(PathBuf, PathBuf)>,
}

/// What was removed.
#[derive(Debug, Clone, Default)]
pub struct Removed {
    /// Blobs that are no longer held.
    pub gone: Vec<BlobId>,
    /// Files that would have been deleted and stay: they were changed here, lay there before, or another item has them.
    pub kept: Vec<PathBuf>,
}

/// Why a blob cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// Not held.
    #[error("a part of it is not here")]
    Missing,
    /// The file below it changed or is gone. This blob is withdrawn, and with it all that lie behind the end that the
    /// file has now. What else of it still holds is to be found with [`crate::Store::recheck`].
    #[error("{} changed on disk", protocol::words::quoted(.file.display()))]
    Changed {
        /// The file.
        file: PathBuf,
        /// Its item.
        item: (ChannelKey, ItemId),
        /// Every blob that is no longer held, this one too.
        withdrawn: Vec<BlobId>,
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
    /// Kept for others, in the space that the user lends.
    Lent,
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
    /// Channels whose kept manifest is not what its author signed: it was let go, and is sought again.
    pub unsigned: Vec<ChannelKey>,
}

/// What `verify` found.
#[derive(Debug, Clone, Default)]
pub struct VerifyOutcome {
    /// Blobs read and right.
    pub good: u64,
    /// Not right.
    pub bad: Vec<BlobId>,
    /// Of those, blobs that nothing holds any more.
    pub gone: Vec<BlobId>,
    /// Files concerned.
    pub files: Vec<PathBuf>,
    /// Of those, files that were changed here: they stay as they are, and the published version comes beside them.
    pub kept: Vec<PathBuf>,
    /// Blobs that were withdrawn and are held again.
    pub back: Vec<BlobId>,
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
