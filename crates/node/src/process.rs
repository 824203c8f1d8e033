//! What this process asks of the system before it does anything: handles, and that nothing of its memory is kept.
//!
//! Owns: the limits of the process, and how many places they leave for connections. Promises: the soft limit of open
//! files becomes the hard one; what connections may take at most adds up to less than that; a limit under which nothing
//! would work is named before anything is opened; no core dump is written, and where the system knows how (Linux), no
//! other process of this account reads this one's memory or the variables that it was started with.

use crate::api::Code;
use crate::config::{HANDSHAKES_MAX, HANDSHAKES_ONION};
use crate::error::{Result, fail};

/// Fewer open files than this do not carry a node.
pub const FILES_MIN: u64 = 32;
/// With so many, all is well, but for a flood through Tor that is met with fewer places.
const FILES_ENOUGH: u64 = 1024;
/// Open files that are nobody's place: the database, the runtime, listeners, the DHT, files that are read or written.
const FILES_OF_OUR_OWN: u64 = 128;
/// Connections to peers at most, dials included.
const PEERS: usize = 200;
/// Players at one time.
const PLAYERS: usize = 32;

/// Asks the system for all that. To be called first of all, once.
pub fn settle() {
    heap::settle();
    #[cfg(unix)]
    unix::settle();
}

/// How many of each kind there may be at one time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Places {
    /// Connections to peers, dials included.
    pub(crate) peers: usize,
    /// Handshakes of callers in the clear.
    pub(crate) handshakes_clear: usize,
    /// Handshakes of callers through onion services.
    pub(crate) handshakes_onion: usize,
    /// Players that are served.
    pub(crate) players: usize,
}

impl Places {
    /// Those that the limit of this process leaves.
    pub(crate) fn here() -> Self {
        #[cfg(unix)]
        unix::raise();
        Self::of(files())
    }

    /// What a limit leaves after our own: a quarter each for peers and for callers through Tor, a sixth for callers in the
    /// clear; the rest for players, browsers and commands.
    fn of(files: Option<u64>) -> Self {
        let spare = files.unwrap_or(u64::MAX).saturating_sub(FILES_OF_OUR_OWN);
        let of = |share: u64, least: usize, most: usize| {
            usize::try_from(spare / share).unwrap_or(usize::MAX).clamp(least, most)
        };
        Self {
            peers: of(4, 6, PEERS),
            handshakes_clear: of(6, 6, HANDSHAKES_MAX),
            handshakes_onion: of(4, 6, HANDSHAKES_ONION),
            players: of(24, 2, PLAYERS),
        }
    }
}

/// The limit of open files; `None`: there is none, or this system has no such thing.
fn files() -> Option<u64> {
    #[cfg(unix)]
    return rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
    #[cfg(not(unix))]
    return None;
}

/// Whether the system lets this process open as many files as a node needs at least.
///
/// # Errors
/// It does not, and this says how many are wanted.
pub(crate) fn enough() -> Result<()> {
    match files() {
        Some(files) if files < FILES_MIN => fail(
            Code::Io,
            format!(
                "This process may have only {files} files open at a time, and needs {FILES_MIN} at least. Raise the \
                 limit: ulimit -n {FILES_ENOUGH}"
            ),
        ),
        _ => Ok(()),
    }
}

#[cfg(unix)]
mod unix {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

    /// What macOS takes at most, whatever its hard limit says.
    const MACOS_MAX: u64 = 10_240;

    /// The soft limit of open files becomes the hard one.
    pub(super) fn raise() {
        let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
        if current != maximum
            && setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }).is_err()
            && current.is_some_and(|current| current < MACOS_MAX)
        {
            // What it has is what it keeps then; `enough` tells when that is too little.
            let _ = setrlimit(Resource::Nofile, Rlimit { current: Some(MACOS_MAX), maximum });
        }
    }

    pub(super) fn settle() {
        raise();
        let core = getrlimit(Resource::Core);
        // A smaller limit is never refused.
        let _ = setrlimit(Resource::Core, Rlimit { current: Some(0), ..core });
        // Where dumps go to a program, that limit is not asked; this is, and it closes `/proc` too.
        #[cfg(target_os = "linux")]
        let _ = rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(unix)]
    #[test]
    fn nothing_of_this_process_is_kept_and_it_may_open_what_it_may() {
        use rustix::process::{Resource, getrlimit};
        settle();
        assert_eq!(getrlimit(Resource::Core).current, Some(0));
        if cfg!(not(target_os = "macos")) {
            let files = getrlimit(Resource::Nofile);
            assert_eq!(files.current, files.maximum);
        }
        #[cfg(target_os = "linux")]
        assert_eq!(
            rustix::process::dumpable_behavior().unwrap(),
            rustix::process::DumpableBehavior::NotDumpable,
            "its memory can be dumped"
        );
    }

    #[test]
    fn places_add_up_to_less_than_the_limit() {
        let sum = |files| {
            let Places { peers, handshakes_clear, handshakes_onion, players } = Places::of(Some(files));
            (peers + handshakes_clear + handshakes_onion + players) as u64
        };
        let most = (PEERS + HANDSHAKES_MAX + HANDSHAKES_ONION + PLAYERS) as u64;
        assert_eq!((sum(u64::MAX), sum(1 << 20)), (most, most));
        for files in 192..8192 {
            assert!(sum(files) + FILES_OF_OUR_OWN <= files, "{files}");
            // Browsers with what they play, and commands.
            assert!(files < FILES_ENOUGH || sum(files) + FILES_OF_OUR_OWN + 64 + 64 + 32 <= files, "{files}");
        }
        assert_eq!(Places::of(Some(FILES_ENOUGH)).peers, PEERS);
        assert!(Places::of(Some(FILES_MIN)).peers > 0 && Places::of(Some(FILES_MIN)).players > 0);
    }
}
