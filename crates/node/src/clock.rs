//! The one place of this crate that asks what time it is.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::time::Instant;

/// Monotonic time since the node started, which a test can hold, and the wall clock.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Clock(Instant);

impl Clock {
    pub(crate) fn start() -> Self {
        Self(Instant::now())
    }
    /// Time since start.
    pub(crate) fn now(&self) -> Duration {
        self.0.elapsed()
    }
    /// Milliseconds since 1970, 0 if the clock stands before.
    pub(crate) fn unix_ms(&self) -> u64 {
        SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| u64::try_from(d.as_millis()).unwrap_or(u64::MAX))
    }
}
