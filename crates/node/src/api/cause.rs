//! Why a thing does not move, and errors as they cross a border.

use super::RouteReason;
use serde::{Deserialize, Serialize};

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
        /// Why, in English.
        why: String,
        /// The same as a code.
        #[serde(default)]
        reason: RouteReason,
    },
    /// The proxy is down.
    ProxyDown {
        /// Why, in English.
        why: String,
        /// The same as a code.
        #[serde(default)]
        reason: RouteReason,
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
            Self::TorDown { why, .. } => write!(f, "Tor does not answer: {why}"),
            Self::ProxyDown { why, .. } => write!(f, "The proxy does not work: {why}"),
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
