//! Points at which a test may cut this process off: before each change of the disk, before and after each commit.
//!
//! Whatever is written here is whole after a crash at any instruction. What keeps that promise honest is a program that
//! kills a node at each of these points in turn and looks what is left. The points are there in builds with the feature
//! `cut` alone, which the tests' crate asks for; else they are nothing.
//!
//! A point's name is its verb and the place in the source that calls for it: `unlink@sweep.rs:99`. With the variable
//! [`FOLDER`] set, each point that is passed is noted in the file `passed` there, a line each; and where the file `armed`
//! holds `NAME N`, the Nth passage of that point since it was armed is the process's last.

/// The variable that names the folder of `passed` and `armed`.
#[cfg(feature = "cut")]
const FOLDER: &str = "MEGATORRENT_CUT";

/// A place in the source.
#[derive(Clone, Copy)]
pub(crate) struct Here(#[cfg(feature = "cut")] &'static std::panic::Location<'static>);

/// Where this is called for.
#[cfg_attr(feature = "cut", track_caller)]
pub(crate) fn here() -> Here {
    Here(
        #[cfg(feature = "cut")]
        std::panic::Location::caller(),
    )
}

/// Passes a point; may not return.
#[cfg_attr(feature = "cut", track_caller)]
pub(crate) fn point(verb: &str) {
    point_at(verb, here());
}

/// As [`point`], for a place that is known already.
pub(crate) fn point_at(verb: &str, here: Here) {
    #[cfg(feature = "cut")]
    {
        let file = here.0.file().rsplit(['/', '\\']).next().unwrap_or_default();
        armed::pass(&format!("{verb}@{file}:{}", here.0.line()));
    }
    let _ = (verb, here);
}

#[cfg(feature = "cut")]
mod armed {
    use std::fs::{File, OpenOptions};
    use std::io::Write;
    use std::path::PathBuf;
    use std::sync::{LazyLock, Mutex, PoisonError};

    struct Armed {
        folder: PathBuf,
        passed: File,
        /// What `armed` said last, and how often its point was passed since.
        order: (String, u64),
    }

    static ARMED: LazyLock<Option<Mutex<Armed>>> = LazyLock::new(|| {
        let folder = PathBuf::from(std::env::var_os(super::FOLDER)?);
        let passed = OpenOptions::new().create(true).append(true).open(folder.join("passed")).ok()?;
        Some(Mutex::new(Armed { folder, passed, order: (String::new(), 0) }))
    });

    pub(super) fn pass(name: &str) {
        let Some(armed) = ARMED.as_ref() else { return };
        let mut armed = armed.lock().unwrap_or_else(PoisonError::into_inner);
        // Whoever counts sees what is missing.
        let _ = writeln!(armed.passed, "{name}");
        let order = std::fs::read_to_string(armed.folder.join("armed")).unwrap_or_default();
        if armed.order.0 != order {
            armed.order = (order, 0);
        }
        let Some((point, nth)) = armed.order.0.trim().split_once(' ') else { return };
        if point != name {
            return;
        }
        let last = nth.parse::<u64>().unwrap_or(1);
        armed.order.1 += 1;
        if armed.order.1 >= last {
            die();
        }
    }

    /// As a kill from outside: nothing is dropped, flushed or said.
    #[cfg(unix)]
    fn die() -> ! {
        let _ = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
        std::process::abort()
    }

    #[cfg(not(unix))]
    fn die() -> ! {
        std::process::abort()
    }
}
