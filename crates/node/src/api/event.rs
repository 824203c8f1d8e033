//! What a node tells those who listen.

use super::{Cause, ChannelInfo, ErrorInfo, ItemInfo, Status};
use serde::{Deserialize, Serialize};

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
    /// What a verb that was asked for waits for, when that changed.
    Waiting(Waiting),
}

/// See [`Event::Waiting`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct Waiting {
    /// Key of the channel that it is about.
    pub channel: String,
    /// Why it waits.
    pub cause: Cause,
}

/// A publication's progress.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct PublishProgress {
    /// Which publication: its title.
    pub title: String,
    /// "scan", "seal", "wait" (sealed; nothing can leave yet), "announce", "publish".
    pub stage: String,
    /// Bytes read and sealed.
    pub done: u64,
    /// Bytes in all, once known.
    pub total: u64,
    /// Topics announced.
    pub announced: u64,
    /// Topics to announce before the manifest goes out.
    pub to_announce: u64,
    /// What [`super::Request::CancelPublish`] calls it off by: the name that its caller gave, or one that the node made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, ts(optional))]
    pub job: Option<String>,
    /// While it waits: for what.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, ts(optional))]
    pub cause: Option<Cause>,
    /// Once it is sealed: the link that leads to it, with the read key if it is private.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, ts(optional))]
    pub link: Option<String>,
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
