//! Every verb, reply, event and error code of the program, declared once.
//!
//! The command line, the local socket (JSON-RPC) and the window all speak these types. Errors cross as `{code, message}`;
//! callers match the code, people read the message. Secrets never cross, except a read key inside a link that the user
//! asked for and an encrypted backup.

use serde::{Deserialize, Serialize};
use std::path::PathBuf;

#[cfg(test)]
mod typescript;

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
    /// Open the vault with its passphrase; where there is no vault yet, make it with this one.
    Unlock(Unlock),
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
/// See [`Request::Get`].
#[derive(Clone, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct Get {
    /// Link, or `channel/item`.
    pub what: String,
    /// Folder; default: the download folder.
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
    pub path: PathBuf,
}
/// Settings that can be changed while running.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(optional_fields = nullable))]
#[serde(default)]
pub struct Settings {
    /// Where downloads go.
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
    /// Opens the vault.
    pub passphrase: String,
}

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
    /// Where it lies.
    Place(PathBuf),
    /// Where a player finds it.
    Playable(Playable),
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
    /// A stream of events follows, snapshot first.
    Watching(Snapshot),
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
}
/// A file left out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct LeftOut {
    /// Path: hostile text.
    pub path: String,
    /// Why.
    pub why: String,
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
/// Why something does not move: a closed list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(tag = "cause", rename_all = "snake_case")]
pub enum Cause {
    /// No source is known yet.
    NoPeersKnown {
        /// Peers asked.
        asked: u32,
    },
    /// Sources are known, none answers.
    NoneOnline {
        /// Addresses known.
        known: u32,
    },
    /// Nobody connected has the missing blobs.
    NobodyHasIt {
        /// Peers connected.
        connected: u32,
    },
    /// The list was not found yet.
    NoManifest,
    /// The DHT does not answer.
    DhtUnreachable,
    /// Tor is still starting.
    TorStarting {
        /// How far, of 100.
        percent: u8,
    },
    /// Tor, or the way to it, is down.
    TorDown {
        /// Why.
        why: String,
    },
    /// The proxy is down.
    ProxyDown {
        /// Why.
        why: String,
    },
    /// Nobody is known who could be asked without the DHT.
    NoWayIn,
    /// Paused.
    Paused,
    /// Paused for a while.
    PausedUntil {
        /// ms since 1970.
        until: u64,
    },
    /// The schedule says that nothing moves now.
    Schedule {
        /// ms since 1970; none: it never lets anything move.
        until: Option<u64>,
    },
    /// The month's allowance is used up.
    MonthUsed {
        /// Bytes a month.
        limit: u64,
        /// When the next month begins, ms since 1970.
        until: u64,
    },
    /// The quota has no room for it.
    Quota {
        /// Bytes allowed.
        quota: u64,
        /// Bytes here.
        used: u64,
        /// Bytes that it still needs.
        needed: u64,
    },
    /// In the queue.
    Queued,
    /// Disk full.
    DiskFull {
        /// Bytes free.
        free: u64,
        /// Bytes needed.
        needed: u64,
    },
    /// Files changed on disk, no longer shared.
    FilesChanged {
        /// How many.
        files: u64,
    },
    /// The folder cannot be written.
    FolderNotWritable {
        /// The folder.
        path: String,
    },
    /// What the publisher sent is wrong.
    BadContent {
        /// What is wrong with it.
        what: String,
    },
    /// The read key does not open the channel, or is missing.
    WrongReadKey {
        /// What is wrong with it.
        what: String,
    },
    /// The secrets are locked.
    Locked,
}
/// Bytes as people read them, in powers of 1000.
fn size(bytes: u64) -> String {
    let (mut whole, mut unit) = (bytes as f64, "B");
    for larger in ["KB", "MB", "GB", "TB", "PB"] {
        if whole < 999.95 {
            break;
        }
        (whole, unit) = (whole / 1000.0, larger);
    }
    if unit == "B" { format!("{bytes} B") } else { format!("{whole:.1} {unit}") }
}
/// A time on this computer's clock.
fn local(unix_ms: u64) -> String {
    let at = i64::try_from(unix_ms).ok().and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok());
    at.map_or_else(
        || "the end of time".into(),
        |at| at.to_zoned(jiff::tz::TimeZone::system()).strftime("%Y-%m-%d %H:%M").to_string(),
    )
}
impl std::fmt::Display for Cause {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NoPeersKnown { asked: 0 } => f.write_str("Waiting: no source known yet"),
            Self::NoPeersKnown { asked } => write!(f, "Waiting: no source known yet. Asking {asked} peers."),
            Self::NoneOnline { known } => write!(f, "Waiting: no source online ({known} known)"),
            Self::NobodyHasIt { connected } => {
                write!(f, "Waiting: none of the {connected} peers online has the missing parts")
            }
            Self::NoManifest => f.write_str("Waiting: the channel's list has not been found yet"),
            Self::DhtUnreachable => f.write_str("The DHT does not answer. Known peers still work."),
            Self::TorStarting { percent } => write!(f, "Tor is not ready, {percent} %"),
            Self::TorDown { why } => write!(f, "Tor does not answer: {why}"),
            Self::ProxyDown { why } => write!(f, "The proxy does not work: {why}"),
            Self::NoWayIn => f.write_str("This link names no way in over Tor"),
            Self::Paused => f.write_str("Paused"),
            Self::PausedUntil { until } => write!(f, "Paused until {}", local(*until)),
            Self::Schedule { until: Some(until) } => {
                write!(f, "Waiting: the schedule stops everything until {}", local(*until))
            }
            Self::Schedule { until: None } => f.write_str("Waiting: the schedule never lets anything move"),
            Self::MonthUsed { limit, until } => {
                write!(f, "Waiting: this month's {} are used up. It goes on at {}.", size(*limit), local(*until))
            }
            Self::Quota { quota, used, needed } => write!(
                f,
                "No room: {} of the quota of {} are used, {} are needed",
                size(*used),
                size(*quota),
                size(*needed)
            ),
            Self::Queued => f.write_str("Queued"),
            Self::DiskFull { free, needed } => write!(f, "Disk full: {} free, {} needed", size(*free), size(*needed)),
            Self::FilesChanged { files: 1 } => f.write_str("1 file changed on disk, no longer shared"),
            Self::FilesChanged { files } => write!(f, "{files} files changed on disk, no longer shared"),
            Self::FolderNotWritable { path } => write!(f, "The folder {path:?} cannot be written"),
            Self::BadContent { what } => write!(f, "The publisher's data is wrong: {what}"),
            Self::WrongReadKey { what } => f.write_str(what),
            Self::Locked => f.write_str("The keyring is locked"),
        }
    }
}
/// See [`Request::Get`].
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct Got {
    /// Items fetched.
    pub items: Vec<ItemInfo>,
}
/// What this process had open while it was watched.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct LeakReport {
    /// The route, without a login.
    pub route: String,
    /// How long it was watched.
    pub seconds: u64,
    /// How often all sockets were looked at.
    pub looks: u64,
    /// Where connections of the route led: the proxy, or Tor on this computer.
    pub through: Vec<String>,
    /// What went, or could have gone, another way.
    pub elsewhere: Vec<String>,
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
/// A connected peer.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct PeerInfo {
    /// `host:port`.
    pub addr: String,
    /// "direct", "onion".
    pub kind: String,
    /// Speaks v5 without extensions.
    pub v5: bool,
    /// It dialled us.
    pub inbound: bool,
    /// Blob bytes received.
    pub received: u64,
    /// Blob bytes sent.
    pub sent: u64,
}
/// Which kind of way out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "snake_case")]
pub enum RouteKind {
    /// Straight.
    #[default]
    Direct,
    /// Through a SOCKS5 proxy.
    Proxy,
    /// Through Tor.
    Tor,
}
/// Whether anything can leave.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum RouteStanding {
    /// Not yet.
    Starting {
        /// Tor's own count; 0 where there is none.
        percent: u8,
    },
    /// It carries.
    Up,
    /// It does not, and nothing goes another way. It is tried again about once a second.
    Down {
        /// Why.
        why: String,
    },
}
impl Default for RouteStanding {
    fn default() -> Self {
        Self::Starting { percent: 0 }
    }
}
/// The way out and in.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(default)]
pub struct RouteInfo {
    /// As it is written, without a login: "direct", "tor", "socks5://127.0.0.1:1080".
    pub route: String,
    /// Its kind.
    pub kind: RouteKind,
    /// Whether anything can leave.
    pub state: RouteStanding,
    /// Tor: our onion address with its port.
    pub onion: Option<String>,
    /// Tor has told its network of the onion address.
    pub onion_published: bool,
    /// Tor: why nobody can reach us by an onion address.
    pub no_inbound: Option<String>,
}
/// The node's state.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct Status {
    /// Program version.
    pub version: String,
    /// Data folder.
    pub data_dir: PathBuf,
    /// Listening address.
    pub listen: Option<String>,
    /// DHT: nodes known; none: no DHT.
    pub dht_nodes: Option<u32>,
    /// Connected peers.
    pub peers: u32,
    /// Followed channels.
    pub channels: u32,
    /// Own channels.
    pub own: u32,
    /// Blobs held.
    pub blobs: u64,
    /// Topics announced in this cycle.
    pub announced: u64,
    /// Topics to announce in a cycle.
    pub to_announce: u64,
    /// Bytes a second in.
    pub down: u64,
    /// Bytes a second out.
    pub up: u64,
    /// Bytes received from peers since start.
    pub received: u64,
    /// Bytes sent to peers since start.
    pub sent: u64,
    /// Everything is paused by the user, for a while or for good.
    pub paused: bool,
    /// Where a router lets the world in to this node.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, ts(optional))]
    pub mapped: Option<String>,
    /// Why nothing moves at all, if nothing may.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, ts(optional))]
    pub held: Option<Cause>,
    /// Bytes on the disk that count against the quota.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, ts(optional))]
    pub used: Option<u64>,
    /// Bytes in and out this month.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, ts(optional))]
    pub month_used: Option<u64>,
    /// Secrets: "keyring", "vault" (open), "locked" (a vault that waits for its passphrase), "none" (no keyring, and no
    /// vault made yet).
    pub secrets: String,
    /// The way out and in.
    #[serde(default)]
    pub route: RouteInfo,
}

/// All that a listener needs to start.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct Snapshot {
    /// State.
    pub status: Status,
    /// Channels.
    pub channels: Vec<ChannelInfo>,
    /// Items that move, wait or were just finished.
    pub transfers: Vec<ItemInfo>,
}

/// News. At most 4 a second per thing.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(tag = "event", content = "data", rename_all = "snake_case")]
pub enum Event {
    /// Sent first, and again to a listener that fell behind.
    Snapshot(Snapshot),
    /// State changed.
    Status(Status),
    /// A channel is new or changed.
    Channel(ChannelInfo),
    /// A channel was left.
    ChannelGone(String),
    /// An item is new or changed.
    Item(ItemInfo),
    /// An item went: channel, item.
    ItemGone(String, String),
    /// An item is complete: every blob verified, files in place.
    Ready(ItemInfo),
    /// A publication goes on.
    Publishing(PublishProgress),
    /// Downloads are being moved.
    Moving(MoveProgress),
    /// Something a person should know; code and text.
    Notice(ErrorInfo),
}
/// A publication's progress.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct PublishProgress {
    /// Which publication: its title.
    pub title: String,
    /// "scan", "seal", "announce", "publish".
    pub stage: String,
    /// Bytes read and sealed.
    pub done: u64,
    /// Bytes in all, once known.
    pub total: u64,
    /// Topics announced.
    pub announced: u64,
    /// Topics to announce before the manifest goes out.
    pub to_announce: u64,
}

/// How far a move of all downloads is.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct MoveProgress {
    /// Bytes moved.
    pub done: u64,
    /// Bytes in all.
    pub total: u64,
}

/// An error as it crosses a border.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[error("{message}")]
pub struct ErrorInfo {
    /// For programs.
    pub code: Code,
    /// For people.
    pub message: String,
}

/// Error codes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "snake_case")]
pub enum Code {
    /// A link that is none.
    BadLink,
    /// Known channel, other read key.
    OtherReadKey,
    /// The read key does not open the manifest.
    WrongReadKey,
    /// No such channel, item or identity.
    NotFound,
    /// A name that fits several.
    Ambiguous,
    /// A name taken.
    Exists,
    /// The arguments make no sense together.
    BadArgument,
    /// The identity's channel is public, not private, or the reverse.
    KindMismatch,
    /// Not ours to change.
    NotOwn,
    /// A file could not be read or written.
    Io,
    /// No space.
    DiskFull,
    /// The quota that the user set has no room.
    Quota,
    /// Source changed while publishing.
    SourceChanged,
    /// Keyring, vault or variable missing or locked.
    Secrets,
    /// Wrong passphrase.
    WrongPassphrase,
    /// No DHT node and no gateway took the manifest.
    NotPublished,
    /// Nobody showed it within the time.
    TimedOut,
    /// Cancelled by the user.
    Cancelled,
    /// Another process holds the data folder and does not answer.
    Busy,
    /// The port is taken.
    PortTaken,
    /// The data folder is damaged.
    Corrupt,
    /// What a publisher signed is wrong.
    BadContent,
    /// Shutting down.
    Stopping,
    /// A bug.
    Internal,
}
