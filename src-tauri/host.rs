//! What the window and the shell tell each other beside the node's own types. TypeScript for them is written to
//! `ui/src/host/gen/shell.ts` by `cargo xtask types`; a test fails when it differs.

use node::api::ErrorInfo;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// A file or folder that the user chose.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub(crate) struct Picked {
    /// Opaque; dies with the page that got it.
    pub(crate) handle: String,
    /// Last part of its path: hostile text.
    pub(crate) name: String,
    /// It is a folder.
    pub(crate) folder: bool,
    /// Bytes, for a file.
    pub(crate) bytes: Option<u64>,
}

/// What a person can choose with a native dialog.
#[derive(Debug, Clone, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(tag = "what", rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum Pick {
    /// Files to publish.
    Files,
    /// A folder.
    Folder,
    /// One file to read: a backup or an `identity.json`.
    Backup,
    /// A new file to write.
    Save {
        /// The name to begin with.
        name: String,
    },
}

/// Things being dragged over the window. Positions are in CSS pixels.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(tag = "phase", rename_all = "snake_case")]
pub(crate) enum Drag {
    /// They are above the window.
    Over {
        /// From the left.
        x: f64,
        /// From the top.
        y: f64,
    },
    /// They left.
    Left,
    /// They were dropped.
    Dropped {
        /// From the left.
        x: f64,
        /// From the top.
        y: f64,
        /// What was dropped.
        items: Vec<Picked>,
    },
}

/// The node behind the window.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(tag = "state", rename_all = "snake_case")]
pub(crate) enum NodeState {
    /// Not yet.
    Starting,
    /// It answers.
    Running,
    /// It did not start, or it ended by itself; `retry` starts it again.
    Failed {
        /// Why.
        #[cfg_attr(test, ts(type = "ErrorInfo"))]
        error: ErrorInfo,
    },
    /// Quit was asked for; it stores what it has.
    Stopping,
}

/// Language of the window.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "snake_case")]
pub(crate) enum Language {
    /// The desktop's.
    #[default]
    System,
    /// English.
    En,
    /// German.
    De,
}

/// Light or dark.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "snake_case")]
pub(crate) enum Theme {
    /// The desktop's.
    #[default]
    System,
    /// Light.
    Light,
    /// Dark.
    Dark,
}

/// When this person last looked at a channel.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub(crate) struct SeenMark {
    /// ms since 1970.
    pub(crate) at: u64,
    /// Items it listed then.
    pub(crate) items: u64,
}

/// What the window showed last of a channel.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub(crate) struct LastPlace {
    /// Channel key, hex.
    pub(crate) channel: String,
    /// How far its list was scrolled, in CSS pixels.
    pub(crate) top: u32,
}

/// What became of a file that another program was to get.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(tag = "handed", rename_all = "snake_case")]
pub(crate) enum Handed {
    /// The program has it.
    Opened,
    /// It is not of a kind that is only shown or played: its folder is shown instead.
    Shown,
    /// The route hides this computer's address, and the other program would not use it: the person has to be asked.
    Asks {
        /// The file's ending in lower case, empty if it is none that is known: an answer may hold for all of a known kind.
        kind: String,
    },
}

/// Settings of the window and of the program around it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(default)]
pub(crate) struct HostSettings {
    /// First start was gone through; before that the node opens no socket.
    pub(crate) welcomed: bool,
    /// Language.
    pub(crate) language: Language,
    /// Theme.
    pub(crate) theme: Theme,
    /// Closing the window hides it in the tray.
    pub(crate) close_to_tray: bool,
    /// Start when the user logs in. Kept by the desktop, not in our file.
    #[serde(skip_deserializing)]
    pub(crate) autostart: bool,
    /// By channel key.
    pub(crate) seen: BTreeMap<String, SeenMark>,
    /// Where the window was last.
    pub(crate) last: Option<LastPlace>,
    /// Kinds of files that other programs get without a question while the route hides: endings in lower case.
    pub(crate) outside: BTreeSet<String>,
}

impl Default for HostSettings {
    fn default() -> Self {
        Self {
            welcomed: false,
            language: Language::System,
            theme: Theme::System,
            close_to_tray: true,
            autostart: false,
            seen: BTreeMap::new(),
            last: None,
            outside: BTreeSet::new(),
        }
    }
}

/// The settings to change.
#[derive(Debug, Clone, Default, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[cfg_attr(test, ts(optional_fields))]
#[serde(default, deny_unknown_fields)]
pub(crate) struct HostSettingsChange {
    /// See [`HostSettings`], as all below.
    pub(crate) welcomed: Option<bool>,
    /// …
    pub(crate) language: Option<Language>,
    /// …
    pub(crate) theme: Option<Theme>,
    /// …
    pub(crate) close_to_tray: Option<bool>,
    /// …
    pub(crate) autostart: Option<bool>,
    /// …
    pub(crate) seen: Option<BTreeMap<String, SeenMark>>,
    /// …
    pub(crate) last: Option<LastPlace>,
    /// …
    pub(crate) outside: Option<BTreeSet<String>>,
}

/// The system around.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "snake_case")]
pub(crate) enum Platform {
    /// Linux and the BSDs.
    Linux,
    /// Windows.
    Windows,
    /// macOS.
    Macos,
    /// No desktop shell: a browser. Never told by this program.
    #[allow(dead_code, reason = "told by the window's other hosts, which share this type")]
    Browser,
}

/// What the surroundings can do; controls for the rest do not appear.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub(crate) struct Surroundings {
    /// There is a tray to hide in.
    pub(crate) tray: bool,
    /// Starting with the session can be switched.
    pub(crate) autostart: bool,
    /// Files and folders can be shown by the programs of the computer that the node runs on.
    pub(crate) programs: bool,
    /// Where downloads go when nothing else was chosen: text to read.
    pub(crate) download_dir: String,
    /// Bytes free on its disk, where the system tells.
    pub(crate) disk_free: Option<u64>,
    /// The window's settings could not be read and began anew at this start.
    pub(crate) settings_lost: bool,
    /// The system.
    pub(crate) platform: Platform,
}

#[cfg(test)]
mod typescript;
