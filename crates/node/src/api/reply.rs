//! What a node answers: identities, channels, items and what it did.

use super::{
    Cause, FetchRule, ItemPriority, KeepRule, LeakReport, LeftOut, PeerInfo, Settings, Snapshot, Status, paths,
};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// What comes back.
#[derive(Clone, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(tag = "kind", content = "value", rename_all = "snake_case")]
pub enum Reply {
    /// Done, nothing to say.
    Done,
    /// One identity.
    Identity(IdentityInfo),
    /// Identities.
    Identities(Vec<IdentityInfo>),
    /// A finished publication.
    Published(Published),
    /// What a link tells.
    Link(LinkInfo),
    /// What is behind a link.
    Looked(Looked),
    /// One channel.
    Channel(ChannelInfo),
    /// Channels.
    Channels(Vec<ChannelInfo>),
    /// Items.
    Items(Vec<ItemInfo>),
    /// Files.
    Files(Vec<FileInfo>),
    /// What `get` fetched.
    Got(Got),
    /// What `verify` found.
    Verified(VerifyReport),
    /// Done, but for these files: they were changed here, lay there before, or are shared from here, and stay.
    Kept(Vec<String>),
    /// Where it lies.
    Place(
        #[serde(with = "paths::one")]
        #[cfg_attr(test, ts(as = "PathBuf"))]
        PathBuf,
    ),
    /// Where a player finds it.
    Playable(Playable),
    /// See [`Inside`].
    Inside(Inside),
    /// State.
    Status(Status),
    /// Transfers (items that move, wait, or are done).
    Transfers(Vec<ItemInfo>),
    /// Peers.
    Peers(Vec<PeerInfo>),
    /// A link as text.
    LinkText(String),
    /// Settings.
    Settings(Settings),
    /// What the leak test saw.
    Leak(LeakReport),
    /// See [`GivenUp`].
    GivenUp(GivenUp),
    /// A stream of events follows, snapshot first.
    Watching(Snapshot),
}

/// What goes with a key that is gone; what was downloaded, and what is public, stays.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct GivenUp {
    /// False: nothing was changed yet.
    pub done: bool,
    /// Names of identities whose secrets are gone. A backup brings one back.
    pub identities: Vec<String>,
    /// Private channels that are closed until they are opened with their links.
    pub closed: Vec<String>,
    /// Something else was sealed: a proxy's password, onion addresses, addresses of peers.
    pub others: bool,
}

/// An identity, without its secret.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct IdentityInfo {
    /// Local name.
    pub name: String,
    /// Public key, hex.
    pub key: String,
    /// 16 groups of 4.
    pub fingerprint: String,
    /// Link, without read key.
    pub link: String,
    /// Whether it published a private channel; none: nothing published yet.
    pub private: Option<bool>,
    /// When it was made, ms since 1970.
    pub created: u64,
    /// Where the secret is kept: "keyring" or "vault".
    pub kept: String,
}

/// See [`Request::Publish`], [`Request::Unpublish`] and [`Request::Edit`].
#[derive(Clone, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct Published {
    /// With the read key, if private.
    pub link: String,
    /// Item ID, if one was written.
    pub item: Option<String>,
    /// New sequence.
    pub sequence: u64,
    /// DHT nodes that acknowledged the manifest.
    pub dht_nodes: u32,
    /// Gateways that took it.
    pub gateways: u32,
    /// Gateways that showed it afterwards though another one had taken it.
    #[serde(default)]
    pub shown_by: u32,
    /// Peers it was pushed to at once.
    pub pushed: u32,
    /// Files in it.
    pub files: u64,
    /// Plain bytes.
    pub bytes: u64,
    /// Blobs.
    pub blobs: u64,
    /// Files left out, with the reason.
    pub left_out: Vec<LeftOut>,
    /// Whether a node keeps running that seeds it.
    pub seeding: bool,
    /// Items in the list.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, ts(optional))]
    pub items: Option<u32>,
    /// Of these, items that clients of version 5 see; none: a private list, which they cannot read at all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, ts(optional))]
    pub v5_items: Option<u32>,
}

/// See [`Request::ParseLink`].
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct LinkInfo {
    /// Key, hex.
    pub key: String,
    /// 16 groups of 4.
    pub fingerprint: String,
    /// It carries a read key.
    pub private: bool,
    /// Hosts it names.
    pub bootstrap: Vec<String>,
    /// Followed already.
    pub known: bool,
    /// Ours.
    pub own: bool,
}

/// See [`Request::Look`].
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct Looked {
    /// The channel.
    pub channel: ChannelInfo,
    /// Its items.
    pub items: Vec<ItemInfo>,
    /// Why there may be a newer list than this one, if nobody could be asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, ts(optional))]
    pub stale: Option<String>,
}

/// A channel.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct ChannelInfo {
    /// Key, hex.
    pub key: String,
    /// 16 groups of 4.
    pub fingerprint: String,
    /// What it calls itself: hostile text.
    pub name: String,
    /// Its description: hostile text.
    pub about: String,
    /// Read key needed.
    pub private: bool,
    /// Ours.
    pub own: bool,
    /// Newest sequence, 0 when none is known yet.
    pub sequence: u64,
    /// Sequence of the list that was read last, 0 when none was. Items asked for before it changed are old.
    pub listed: u64,
    /// Items in its list.
    pub items: u64,
    /// Of them complete here.
    pub complete: u64,
    /// Bytes of all items.
    pub bytes: u64,
    /// Last asked, ms since 1970.
    pub checked: Option<u64>,
    /// DHT nodes that showed the newest manifest last time.
    pub seen_by: Option<u32>,
    /// Peers connected for it.
    pub peers: u32,
    /// Two different manifests with one sequence were seen.
    pub signed_twice: bool,
    /// Paused.
    pub paused: bool,
    /// What is fetched.
    pub fetch: FetchRule,
    /// Why it does not move, if it does not.
    pub cause: Option<Cause>,
    /// What of it stays here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, ts(optional))]
    pub keep: Option<KeepRule>,
    /// Downloads are kept only encrypted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, ts(optional))]
    pub encrypted: Option<bool>,
    /// Of a private channel whose list a v5 author wrote: whether its blobs are looked up by ID. None: there is nothing to
    /// say about that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, ts(optional))]
    pub look_up: Option<bool>,
}

/// Where an item stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "snake_case")]
pub enum ItemState {
    /// In the list, not fetched.
    #[default]
    Listed,
    /// Waiting its turn or for peers.
    Waiting,
    /// Moving.
    Fetching,
    /// Every blob verified, files in place.
    Complete,
    /// Paused by the user.
    Paused,
    /// Published from here.
    Published,
    /// Some files changed or are gone.
    Changed,
}

/// An item.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct ItemInfo {
    /// ID, hex.
    pub id: String,
    /// Channel key, hex.
    pub channel: String,
    /// Title: hostile text.
    pub name: String,
    /// Description: hostile text.
    pub about: String,
    /// ms since 1970.
    pub published: u64,
    /// Files.
    pub files: u64,
    /// Media type of its only file, as published.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, ts(optional))]
    pub mime: Option<String>,
    /// Plain bytes.
    pub bytes: u64,
    /// Plain bytes here, verified.
    pub have: u64,
    /// Bytes a second now.
    pub rate: u64,
    /// State.
    pub state: ItemState,
    /// Why it does not move.
    pub cause: Option<Cause>,
    /// Where it lies on disk.
    #[serde(default, with = "paths::maybe")]
    #[cfg_attr(test, ts(as = "Option<PathBuf>"))]
    pub path: Option<PathBuf>,
    /// Files left out.
    pub left_out: Vec<LeftOut>,
    /// No rule and no quota removes it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, ts(optional))]
    pub pinned: Option<bool>,
    /// When it is fetched.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, ts(optional))]
    pub priority: Option<ItemPriority>,
    /// It is kept only encrypted: there are no files.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, ts(optional))]
    pub encrypted: Option<bool>,
    /// Plain bytes of its files that are not wanted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, ts(optional))]
    pub skipped: Option<u64>,
    /// How many files these are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, ts(optional))]
    pub skipped_files: Option<u64>,
}

/// A file.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct FileInfo {
    /// Relative path.
    pub path: String,
    /// Bytes.
    pub size: u64,
    /// Verified bytes here.
    pub have: u64,
    /// Media type as published.
    pub mime: Option<String>,
    /// Not wanted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, ts(optional))]
    pub skipped: Option<bool>,
}

/// See [`Request::Get`].
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct Got {
    /// Items fetched.
    pub items: Vec<ItemInfo>,
}

/// See [`Request::Verify`].
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct VerifyReport {
    /// Blobs read and right.
    pub good: u64,
    /// Blobs missing or wrong; fetched again if the item is a download.
    pub bad: u64,
    /// Files concerned.
    pub files: Vec<String>,
    /// Of those, files that were changed here: they stay as they are, and the published version comes beside them.
    #[serde(default)]
    pub kept: Vec<String>,
}

/// See [`Request::Play`].
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct Playable {
    /// `http://127.0.0.1:…`; holds until the node stops or 64 newer ones were asked for.
    pub url: String,
    /// Media type.
    pub mime: String,
}

/// One child of a folder, with the sums over what lies below it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct InsideEntry {
    /// Its name: hostile text.
    pub name: String,
    /// It is a folder.
    pub folder: bool,
    /// Files in it; 1 for a file.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// What a folder holds at its top, and in all; counting stops at a bound.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct Inside {
    /// Files in all.
    pub files: u64,
    /// Bytes in all.
    pub bytes: u64,
    /// The counts are lower bounds: the folder was too large to count at once.
    pub more: bool,
    /// Its direct children, folders first, at most 50.
    pub entries: Vec<InsideEntry>,
    /// Files that will be left out, with the reason; the first 20.
    #[serde(default)]
    pub left_out: Vec<LeftOut>,
    /// How many will be.
    #[serde(default)]
    pub lost: u64,
}
