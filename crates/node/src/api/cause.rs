//! Why a thing does not move, and errors as they cross a border.

use protocol::words::{count, quoted, size};
use serde::{Deserialize, Serialize};

use super::RouteReason;

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
    /// Nobody is met who follows this private channel, and its list is a v5 author's: its blobs could be looked up by ID,
    /// which shows the DHT who asks for them. Whether to do so is the user's to say.
    BlobLookups {
        /// The user said no.
        refused: bool,
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
    /// The DHT is off, and nobody is known who could be asked in its place.
    NoDht {
        /// Others can come to this node.
        listening: bool,
    },
    /// An address that the user named, here or by a link, cannot be reached.
    Unreached {
        /// The address.
        addr: String,
        /// Why not.
        why: String,
        /// The DHT is asked as well.
        dht: bool,
    },
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
    /// Everybody who is known for it sent wrong parts, and is not asked for a while.
    OnlyBanned {
        /// Addresses known.
        known: u32,
        /// When the first of them is asked again, ms since 1970.
        until: u64,
    },
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
    /// Something that is no folder lies where a folder is needed.
    InTheWay {
        /// What lies there.
        path: String,
    },
    /// The program died while it read what the item is made of.
    DiedReading,
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
    /// Something else went wrong on this computer; it is tried again.
    Trouble {
        /// What kind of thing.
        code: Code,
        /// A sentence without its full stop.
        what: String,
    },
}

/// A time on this computer's clock.
pub fn local(unix_ms: u64) -> String {
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
            Self::NoPeersKnown { asked } => {
                write!(f, "Waiting: no source known yet. Asking {}.", count((*asked).into(), "peer", "peers"))
            }
            Self::NoneOnline { known } => write!(f, "Waiting: no source online ({known} known)"),
            Self::NobodyHasIt { connected: 1 } => {
                f.write_str("Waiting: the only peer online does not have the missing parts")
            }
            Self::NobodyHasIt { connected } => {
                write!(f, "Waiting: none of the {connected} peers online has the missing parts")
            }
            Self::BlobLookups { refused: false } => f.write_str(
                "Waiting for your word: nobody is met who follows this private channel. Its author's program lets its \
                 parts be found by their IDs only, and whoever watches the DHT sees which address looks these up",
            ),
            Self::BlobLookups { refused: true } => f.write_str(
                "Waiting: nobody is met who follows this private channel, and its parts are not looked up by their IDs",
            ),
            Self::NoManifest => f.write_str("Waiting: the channel's list has not been found yet"),
            Self::DhtUnreachable => f.write_str("The DHT does not answer. Known peers still work."),
            Self::TorStarting { percent } => write!(f, "Tor is not ready, {percent} %"),
            Self::TorDown { why, .. } => write!(f, "Tor does not answer: {why}"),
            Self::ProxyDown { why, .. } => write!(f, "The proxy does not work: {why}"),
            Self::NoWayIn => f.write_str("This link names no way in over Tor"),
            Self::NoDht { listening: true } => {
                f.write_str("Waiting for somebody to connect: the DHT is off, and no peer is known who could be asked")
            }
            Self::NoDht { listening: false } => f.write_str(
                "Nobody can be asked: the DHT is off, no peer is known, and nobody can connect to this node",
            ),
            Self::Unreached { addr, why, dht: false } => write!(f, "Waiting: {addr} cannot be reached: {why}"),
            Self::Unreached { addr, why, dht: true } => {
                write!(f, "Waiting: the channel's list has not been found yet, and {addr} cannot be reached: {why}")
            }
            Self::Paused => f.write_str("Paused"),
            Self::PausedUntil { until } => write!(f, "Paused until {}", local(*until)),
            Self::Schedule { until: Some(until) } => {
                write!(f, "Waiting: the schedule stops everything until {}", local(*until))
            }
            Self::Schedule { until: None } => f.write_str("Waiting: the schedule never lets anything move"),
            Self::MonthUsed { limit, until } => {
                write!(f, "Waiting: this month's {} are used up until {}", size(*limit), local(*until))
            }
            Self::Quota { quota, used, needed } => write!(
                f,
                "No room: {} of the quota of {} are used, {} are needed",
                size(*used),
                size(*quota),
                size(*needed)
            ),
            Self::OnlyBanned { known: 1, until } => {
                write!(f, "Waiting: the only source known sent wrong parts, and is not asked before {}", local(*until))
            }
            Self::OnlyBanned { known, until } => {
                write!(f, "Waiting: all {known} sources known sent wrong parts; none is asked before {}", local(*until))
            }
            Self::Queued => f.write_str("Queued"),
            Self::DiskFull { free, needed } => write!(f, "Disk full: {} free, {} needed", size(*free), size(*needed)),
            Self::FilesChanged { files } => {
                write!(f, "{} changed on disk, no longer shared", count(*files, "file", "files"))
            }
            Self::FolderNotWritable { path } => write!(f, "The folder {} cannot be written", quoted(path)),
            Self::InTheWay { path } => {
                write!(f, "In the way: {} is no folder, and one is needed there. Move it away, or give it another name", quoted(path))
            }
            Self::DiedReading => f.write_str(
                "The program ended while it read what this item is made of. It is not read again by itself; get it once more to try",
            ),
            Self::BadContent { what } => write!(f, "The publisher's data is wrong: {what}"),
            Self::WrongReadKey { what } => f.write_str(what),
            Self::Locked => f.write_str("The secrets are locked"),
            Self::Trouble { what, .. } => f.write_str(what),
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
    /// Keyring or vault have no key, or another one, than the one that the data folder's secrets are sealed with.
    OtherKey,
    /// Wrong passphrase.
    WrongPassphrase,
    /// It takes the user's word, which was not given.
    AskFirst,
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
    /// A newer version of the program wrote the data folder.
    NewerData,
    /// A folder that was named cannot be written to.
    NotWritable,
    /// Other accounts can enter the data folder, and it is not ours to close.
    OpenToOthers,
    /// Parts of the item are missing.
    Incomplete,
    /// None of the item's files is at the place that was named.
    NothingThere,
    /// A folder below an item's own leads out of it.
    OutsideRoot,
    /// Bytes that were written did not reach the disk.
    Unsynced,
    /// There is no way by which anybody could be asked.
    Unreachable,
    /// What a publisher signed is wrong.
    BadContent,
    /// Shutting down.
    Stopping,
    /// A bug.
    Internal,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every cause, with these numbers in it. A new one does not compile here until it stands in the list.
    fn all(n: u32) -> Vec<Cause> {
        let bytes = u64::from(n);
        let text = || "x".to_owned();
        let all = vec![
            Cause::NoPeersKnown { asked: n },
            Cause::NoneOnline { known: n },
            Cause::NobodyHasIt { connected: n },
            Cause::BlobLookups { refused: false },
            Cause::BlobLookups { refused: true },
            Cause::NoManifest,
            Cause::DhtUnreachable,
            Cause::TorStarting { percent: 1 },
            Cause::TorDown { why: text(), reason: RouteReason::Other },
            Cause::ProxyDown { why: text(), reason: RouteReason::Other },
            Cause::NoWayIn,
            Cause::NoDht { listening: true },
            Cause::NoDht { listening: false },
            Cause::Unreached { addr: text(), why: text(), dht: true },
            Cause::Unreached { addr: text(), why: text(), dht: false },
            Cause::Paused,
            Cause::PausedUntil { until: bytes },
            Cause::Schedule { until: Some(bytes) },
            Cause::Schedule { until: None },
            Cause::MonthUsed { limit: bytes, until: bytes },
            Cause::Quota { quota: bytes, used: bytes, needed: bytes },
            Cause::Queued,
            Cause::DiskFull { free: bytes, needed: bytes },
            Cause::FilesChanged { files: bytes },
            Cause::FolderNotWritable { path: "/m\u{e4}rz/\"a\"".into() },
            Cause::InTheWay { path: "/m\u{e4}rz/\"a\"".into() },
            Cause::OnlyBanned { known: u32::try_from(bytes).unwrap(), until: bytes },
            Cause::BadContent { what: text() },
            Cause::DiedReading,
            Cause::WrongReadKey { what: text() },
            Cause::Locked,
            Cause::Trouble { code: Code::Corrupt, what: text() },
        ];
        for cause in &all {
            match cause {
                Cause::NoPeersKnown { .. } | Cause::NoneOnline { .. } | Cause::NobodyHasIt { .. } => {}
                Cause::BlobLookups { .. }
                | Cause::NoManifest
                | Cause::DhtUnreachable
                | Cause::NoWayIn
                | Cause::NoDht { .. } => {}
                Cause::TorStarting { .. } | Cause::TorDown { .. } | Cause::ProxyDown { .. } => {}
                Cause::Unreached { .. } | Cause::Paused | Cause::PausedUntil { .. } | Cause::Schedule { .. } => {}
                Cause::MonthUsed { .. } | Cause::Quota { .. } | Cause::Queued | Cause::DiskFull { .. } => {}
                Cause::FilesChanged { .. } | Cause::FolderNotWritable { .. } | Cause::BadContent { .. } => {}
                Cause::InTheWay { .. } | Cause::OnlyBanned { .. } => {}
                Cause::DiedReading | Cause::WrongReadKey { .. } | Cause::Locked | Cause::Trouble { .. } => {}
            }
        }
        all
    }

    #[test]
    fn one_of_anything_reads_as_one() {
        for text in all(1).iter().map(ToString::to_string) {
            for slip in ["1 peers", "1 files", "1 known)s", "1 bytes", "1 file changed on disks", "the 1 "] {
                assert!(!text.contains(slip), "{text}");
            }
        }
        let said = |cause: Cause| cause.to_string();
        assert_eq!(
            said(Cause::NobodyHasIt { connected: 1 }),
            "Waiting: the only peer online does not have the missing parts"
        );
        assert_eq!(said(Cause::FilesChanged { files: 1 }), "1 file changed on disk, no longer shared");
        assert_eq!(said(Cause::FilesChanged { files: 2 }), "2 files changed on disk, no longer shared");
        assert_eq!(said(Cause::NoPeersKnown { asked: 1 }), "Waiting: no source known yet. Asking 1 peer.");
    }

    #[test]
    fn a_cause_is_no_debug_text() {
        for text in all(2).iter().map(ToString::to_string) {
            assert!(!text.contains("\\u{") && !text.contains("\\\"") && !text.contains("Some("), "{text}");
            assert!(text.starts_with(|c: char| c.is_uppercase() || c.is_numeric()) || text == "x", "{text}");
        }
        let folder = Cause::FolderNotWritable { path: "/märz".into() };
        assert_eq!(folder.to_string(), "The folder \"/märz\" cannot be written");
    }
}
