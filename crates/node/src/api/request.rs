//! What can be asked of a node, and what a person can set.

use super::paths;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// What can be asked of a node: a verb and its arguments.
#[derive(Clone, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(tag = "method", content = "params", rename_all = "snake_case")]
pub enum Request {
    /// Make an identity.
    IdNew(IdNew),
    /// List identities.
    IdList,
    /// Back up an identity to an age file.
    IdExport(IdExport),
    /// Restore an identity from an age file, or import a v5 `identity.json`.
    IdImport(IdImport),
    /// Rename an identity (local name only).
    IdRename(IdRename),
    /// Publish files or a folder as an item.
    Publish(Publish),
    /// Call a publication off that is under way: nothing of it is published. Once its list is signed it is too late.
    CancelPublish(CancelPublish),
    /// Take an item out of its channel's list.
    Unpublish(Unpublish),
    /// Change a channel's or an item's texts.
    Edit(Edit),
    /// What a link itself tells, without network.
    ParseLink(LinkArg),
    /// Fetch a link's list without subscribing.
    Look(LinkArg),
    /// Follow a channel.
    Subscribe(Subscribe),
    /// Stop following.
    Unsubscribe(Unsubscribe),
    /// Followed and own channels.
    Channels,
    /// Items of a channel.
    Items(ChannelArg),
    /// Files of an item.
    Files(ItemArg),
    /// Fetch one item, or every item of a link, to a folder; done when all is there.
    Get(Get),
    /// Stop moving an item, a channel, or everything.
    Pause(Target),
    /// Go on.
    Resume(Target),
    /// Remove an item from this device; `delete` also removes its files.
    Remove(Remove),
    /// Read an item's files again and compare every blob.
    Verify(ItemArg),
    /// Tell where an item's files went.
    Locate(Locate),
    /// Where an item, or one complete file of it, lies on this computer.
    Place(PlaceArg),
    /// What a file or folder that may be published holds.
    Inside(InsideArg),
    /// An address on this computer from which a media element plays a file, also before it is complete.
    Play(FileArg),
    /// The node's state.
    Status,
    /// Transfers under way and done.
    Transfers,
    /// Connected peers.
    Peers,
    /// A channel's link.
    ChannelLink(ChannelArg),
    /// Change what of a channel is fetched and kept.
    SetChannel(SetChannel),
    /// Pin an item, or change when it is fetched.
    SetItem(SetItem),
    /// Want, or do not want, files of an item.
    Choose(Choose),
    /// Write the files of an item that is kept only encrypted.
    Open(ItemArg),
    /// Stop everything for a while.
    PauseFor(PauseFor),
    /// Move all downloads to another folder.
    MoveData(MoveData),
    /// Give an own private channel a new read key: whoever has only the old link does not see what comes.
    Rekey(ChannelArg),
    /// The publisher of a followed private channel gave it a new read key: the link's takes the place of the old one.
    NewKey(LinkArg),
    /// Look for items by the words of their names and descriptions.
    Search(Search),
    /// Settings.
    Settings,
    /// Change settings.
    SetSettings(Settings),
    /// Open the vault with its passphrase; where there is no vault yet, make it with this one. Without a passphrase: try
    /// a keyring again that was locked.
    Unlock(Unlock),
    /// The keyring or the vault that had this folder's secrets is gone for good: go on without what only it could open.
    GiveUp(GiveUp),
    /// Watch whether anything leaves by another way than the route, for so many seconds.
    Leak(Leak),
    /// Turn this connection into a stream of events, snapshot first.
    Watch,
    /// Stop the node.
    Shutdown,
}

/// See [`Request::IdNew`].
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct IdNew {
    /// Local name, unique.
    pub name: String,
}

/// See [`Request::IdExport`].
#[derive(Clone, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct IdExport {
    /// Local name or key.
    pub identity: String,
    /// File to write.
    #[serde(with = "paths::one")]
    #[cfg_attr(test, ts(as = "PathBuf"))]
    pub file: PathBuf,
    /// Encrypts the backup.
    pub passphrase: String,
}

/// See [`Request::IdImport`].
#[derive(Clone, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct IdImport {
    /// Local name; default: the one in the backup.
    pub name: Option<String>,
    /// File to read.
    #[serde(with = "paths::one")]
    #[cfg_attr(test, ts(as = "PathBuf"))]
    pub file: PathBuf,
    /// Opens an age backup.
    pub passphrase: Option<String>,
}

/// See [`Request::IdRename`].
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct IdRename {
    /// Local name or key.
    pub identity: String,
    /// New local name.
    pub name: String,
}

/// See [`Request::Publish`].
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(default)]
pub struct Publish {
    /// Files and folders. One folder becomes the item; several paths become one item.
    #[serde(with = "paths::many")]
    #[cfg_attr(test, ts(as = "Vec<PathBuf>"))]
    pub paths: Vec<PathBuf>,
    /// Local name or key of the identity.
    pub identity: String,
    /// Private: only holders of the read key can read. Must fit what the channel already is.
    pub private: bool,
    /// Title; default: the file's or folder's name.
    pub title: Option<String>,
    /// Description.
    pub about: Option<String>,
    /// Replace this item.
    pub update: Option<String>,
    /// Publish this channel through these gateways only (`host:port`), never the DHT; kept for its later updates.
    pub gateway: Vec<String>,
    /// What this publication is called while it is under way, 64 bytes at most: its progress carries the name, and
    /// [`Request::CancelPublish`] takes it. Without one the node makes one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, ts(optional = nullable))]
    pub job: Option<String>,
}

/// See [`Request::CancelPublish`].
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct CancelPublish {
    /// Its name: [`Publish::job`], or the one that its progress carries.
    pub job: String,
}

/// See [`Request::Unpublish`].
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct Unpublish {
    /// Item ID, or `channel/item`.
    pub item: String,
}

/// See [`Request::Edit`].
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(default)]
pub struct Edit {
    /// Own channel (name, key or link) or item ID.
    pub what: String,
    /// New name.
    pub name: Option<String>,
    /// New description.
    pub about: Option<String>,
}

/// A link.
#[derive(Clone, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct LinkArg {
    /// `megatorrent://…`
    pub link: String,
}

/// What is fetched on its own from a followed channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "snake_case")]
pub enum FetchRule {
    /// Everything.
    #[default]
    All,
    /// Only the newest n.
    Newest(u32),
    /// Nothing.
    None,
}

/// See [`Request::Subscribe`].
#[derive(Clone, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct Subscribe {
    /// `megatorrent://…`
    pub link: String,
    /// What to fetch.
    #[serde(default)]
    pub fetch: FetchRule,
}

/// What of a channel stays here; what is pinned stays in any case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "snake_case")]
pub enum KeepRule {
    /// Everything.
    #[default]
    All,
    /// The newest n items.
    Newest(u32),
    /// Items younger than n days.
    Days(u32),
    /// So many bytes of items.
    Bytes(u64),
}

/// See [`Request::SetChannel`].
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(default)]
pub struct SetChannel {
    /// Key, name or link.
    pub channel: String,
    /// What is fetched on its own.
    pub fetch: Option<FetchRule>,
    /// What stays here; the rest is deleted.
    pub keep: Option<KeepRule>,
    /// Whether downloads from now on are kept only encrypted.
    pub encrypted: Option<bool>,
    /// Whether the blobs of a private channel of a v5 author are looked up by ID: then whoever watches the DHT sees that
    /// this node's address asks for them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, ts(optional))]
    pub look_up: Option<bool>,
}

/// When an item is fetched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "snake_case")]
pub enum ItemPriority {
    /// After the others.
    Low,
    /// In turn.
    #[default]
    Normal,
    /// Before the others.
    High,
}

/// See [`Request::SetItem`].
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(default)]
pub struct SetItem {
    /// Item.
    pub item: String,
    /// No rule and no quota removes it.
    pub pinned: Option<bool>,
    /// When it is fetched.
    pub priority: Option<ItemPriority>,
}

/// See [`Request::Choose`].
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct Choose {
    /// Item.
    pub item: String,
    /// Paths as [`Request::Files`] tells them.
    pub paths: Vec<String>,
    /// Whether they are wanted.
    pub want: bool,
}

/// See [`Request::PauseFor`].
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct PauseFor {
    /// From 1 second to 31 days.
    pub seconds: u64,
}

/// See [`Request::MoveData`].
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct MoveData {
    /// The new download folder.
    #[serde(with = "paths::one")]
    #[cfg_attr(test, ts(as = "PathBuf"))]
    pub dir: PathBuf,
}

/// See [`Request::Search`].
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(default)]
pub struct Search {
    /// Words, or beginnings of words: an item has all of them.
    pub text: String,
    /// Only in this channel.
    pub channel: Option<String>,
    /// At most so many; 0: 100.
    pub limit: u32,
}

/// See [`Request::Unsubscribe`].
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct Unsubscribe {
    /// Key, name or link.
    pub channel: String,
    /// Delete its files too.
    #[serde(default)]
    pub delete: bool,
}

/// A channel by key, name or link.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct ChannelArg {
    /// Key, unique prefix of at least 8 characters, name or link.
    pub channel: String,
}

/// An item by ID or unique prefix, or `channel/item`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct ItemArg {
    /// Item.
    pub item: String,
}

/// A file of an item.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct FileArg {
    /// Item.
    pub item: String,
    /// Its path as [`Request::Files`] tells it.
    pub path: String,
}

/// See [`Request::Place`].
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct PlaceArg {
    /// Item.
    pub item: String,
    /// A file's path as [`Request::Files`] tells it; without one, the folder.
    #[serde(default)]
    pub path: Option<String>,
}

/// See [`Request::Inside`].
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct InsideArg {
    /// A file or folder of this computer.
    #[serde(with = "paths::one")]
    #[cfg_attr(test, ts(as = "PathBuf"))]
    pub path: PathBuf,
}

/// See [`Request::Get`].
#[derive(Clone, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct Get {
    /// Link, or `channel/item`.
    pub what: String,
    /// Folder; default: the download folder.
    #[serde(default, with = "paths::maybe")]
    #[cfg_attr(test, ts(as = "Option<PathBuf>"))]
    pub dir: Option<PathBuf>,
}

/// What to pause or resume.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "snake_case")]
pub enum Target {
    /// Everything.
    All,
    /// A channel.
    Channel(String),
    /// An item.
    Item(String),
}

/// See [`Request::Remove`].
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct Remove {
    /// Item.
    pub item: String,
    /// Delete its files too (never files that were published from here).
    #[serde(default)]
    pub delete: bool,
}

/// See [`Request::Locate`].
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct Locate {
    /// Item.
    pub item: String,
    /// The file, or the folder that holds the item's files, now.
    #[serde(with = "paths::one")]
    #[cfg_attr(test, ts(as = "PathBuf"))]
    pub path: PathBuf,
}

/// Settings that can be changed while running.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(optional_fields = nullable))]
#[serde(default)]
pub struct Settings {
    /// Where downloads go.
    #[serde(default, with = "paths::maybe")]
    #[cfg_attr(test, ts(as = "Option<PathBuf>", optional = nullable))]
    pub download_dir: Option<PathBuf>,
    /// Serve as a gateway for others' manifests.
    pub gateway: Option<bool>,
    /// The way out: `direct`, `tor`, `tor://own`, `tor://IP:PORT` (a running tor's control port) or
    /// `socks5://[user:password@]IP:PORT`. Told without the login.
    #[cfg_attr(test, ts(optional = nullable))]
    pub route: Option<String>,
    /// Gateways for every channel where there is no DHT (`host:port`), at most 16.
    #[cfg_attr(test, ts(optional = nullable))]
    pub gateways: Option<Vec<String>>,
    /// Bytes a second in, of all peers together; 0: no limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, ts(optional))]
    pub down: Option<u64>,
    /// Bytes a second out; 0: no limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, ts(optional))]
    pub up: Option<u64>,
    /// Bytes a second in, of each peer; 0: no limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, ts(optional))]
    pub peer_down: Option<u64>,
    /// Bytes a second out, to each peer; 0: no limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, ts(optional))]
    pub peer_up: Option<u64>,
    /// Bytes in and out in a calendar month; 0: no limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, ts(optional))]
    pub month: Option<u64>,
    /// Bytes that downloads and blobs may take on the disk; 0: no limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, ts(optional))]
    pub quota: Option<u64>,
    /// Bytes lent to followed channels: parts that few others hold are kept there, sealed; 0: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, ts(optional))]
    pub lend: Option<u64>,
    /// Of these, bytes for each channel; 0: as many as are lent in all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, ts(optional))]
    pub lend_channel: Option<u64>,
    /// Bytes a second in for what is lent; 0: no limit of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, ts(optional))]
    pub lend_rate: Option<u64>,
    /// Nothing is fetched for what is lent; what is kept there stays, and is given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, ts(optional))]
    pub lend_paused: Option<bool>,
    /// Bytes of blobs that the list of one channel may be made of, whether its items are fetched or not; 0: as many as
    /// usual, which is 1 GiB.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, ts(optional))]
    pub list_max: Option<u64>,
    /// Find neighbours on the local network, and be found. A neighbour who knows a channel's link can tell that you
    /// follow it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, ts(optional))]
    pub lan: Option<bool>,
    /// Ask the router for a port, so that others can reach this node.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, ts(optional))]
    pub port_mapping: Option<bool>,
    /// Weekly schedule, such as `mon-fri 08:00-18:00 off; daily 22:00-06:00 down 200k up 50k`; empty: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, ts(optional))]
    pub schedule: Option<String>,
}

/// See [`Request::Leak`].
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct Leak {
    /// How long to watch.
    pub seconds: u64,
}

/// See [`Request::Unlock`].
#[derive(Clone, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct Unlock {
    /// Opens the vault; empty: only the keyring is tried.
    pub passphrase: String,
}

/// See [`Request::GiveUp`].
#[derive(Clone, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct GiveUp {
    /// False: only tell what would be given up.
    pub sure: bool,
    /// Of the new vault, where no keyring can keep the new secrets.
    pub passphrase: Option<String>,
}
