//! Our line: how many blobs at a time fill it.
//!
//! Owns: the rate that it showed, and the trial of more or fewer. Promises: as few at a time as fill the line, for only
//! what is whole can be passed on; where each peer takes less than the line gives, more are tried until no more goes out.

use std::time::Duration;

use protocol::params::BLOB_LEN;

/// Blobs at a time at first, and at least.
pub(crate) const AT_ONCE: usize = 2;
/// On the fastest line, before more are tried: what it sends in a quarter of a second.
const AT_ONCE_FAST: usize = 16;
const QUARTER: f64 = 0.25;
/// The most that is tried. Together with what slow peers hold, it has to fit into memory.
const TRIED_MAX: usize = 40;
/// The rate is measured over so many seconds at least.
const SPAN: Duration = Duration::from_secs(2);
/// And over so many blobs, and so many of each place.
const SPAN_BLOBS: u32 = 6;
const SPAN_TURNS: u32 = 2;
/// Half as many again are worth it when so much more goes out; a third fewer when it is hardly less.
const GAIN: f64 = 1.2;
const LOSS: f64 = 0.93;
/// What was tried in vain is tried again after this.
const REST: Duration = Duration::from_secs(30);
/// A blob that takes so many times as long as a few at our line's best is late, but neither before nor after these times.
const LATE_TIMES: f64 = 40.0;
const FEW: usize = 4;
pub(crate) const LATE: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(10));

/// Another number of blobs at a time, and what was so before.
struct Trial {
    before: usize,
    rate: f64,
}

/// The machine.
pub(crate) struct Line {
    /// Blobs that ended in this span, and since when.
    blobs: u32,
    since: Duration,
    /// Somebody waited all the time, so that the rate tells about the line.
    full: bool,
    /// The most bytes a second that any span brought.
    best: f64,
    /// When a blob ended last, or one began while none was being sent: what lies between says nothing about our line.
    last: Duration,
    places: usize,
    trial: Option<Trial>,
    /// When the next trial may begin, and whether it is of fewer.
    next: Duration,
    fewer: bool,
}

impl Default for Line {
    fn default() -> Self {
        let (since, last, next) = <(Duration, Duration, Duration)>::default();
        Self { blobs: 0, since, full: true, best: 0.0, last, places: AT_ONCE, trial: None, next, fewer: false }
    }
}

impl Line {
    /// A blob begins, and no other is under way.
    pub(crate) fn wakes(&mut self, now: Duration) {
        self.since += now.saturating_sub(self.last);
        self.last = now;
        self.full = false;
    }
    /// A place is free, and nobody wants it.
    pub(crate) fn has_room(&mut self) {
        self.full = false;
    }
    /// A blob ended.
    pub(crate) fn ended(&mut self, now: Duration) {
        self.last = now;
        self.blobs += 1;
        // Much in a moment is known at once: a burst is no less than it would be if nothing followed.
        let span = now.saturating_sub(self.since);
        let rate = f64::from(self.blobs) * BLOB_LEN as f64 / span.max(SPAN).as_secs_f64();
        self.best = self.best.max(rate);
        let enough = SPAN_BLOBS.max(SPAN_TURNS * u32::try_from(self.places).unwrap_or(u32::MAX));
        if span < SPAN || (self.full && self.blobs < enough) {
            return;
        }
        if self.full {
            self.weigh(now, rate);
        } else if let Some(trial) = self.trial.take() {
            self.places = trial.before;
        }
        (self.blobs, self.since, self.full) = (0, now, true);
    }
    /// Ends a trial, and begins the next.
    fn weigh(&mut self, now: Duration, rate: f64) {
        if let Some(trial) = self.trial.take() {
            let more = self.places > trial.before;
            if rate < trial.rate * if more { GAIN } else { LOSS } {
                (self.places, self.next) = (trial.before, now + REST);
                self.fewer = more && trial.before > AT_ONCE;
                return;
            }
        }
        if self.next > now {
            return;
        }
        let tried = match self.fewer {
            true => (self.places * 2 / 3).max(AT_ONCE),
            false => (self.places * 3).div_ceil(2).min(TRIED_MAX),
        };
        if tried == self.places {
            (self.next, self.fewer) = (now + REST, !self.fewer && self.places > AT_ONCE);
        } else {
            self.trial = Some(Trial { before: self.places, rate });
            self.places = tried;
        }
    }
    /// So many are sent at a time.
    pub(crate) fn at_once(&self) -> usize {
        self.places.max(self.in_a_quarter().clamp(AT_ONCE, AT_ONCE_FAST))
    }
    /// Whether it sends so much that the processor is the bound.
    pub(crate) fn is_fastest(&self) -> bool {
        self.in_a_quarter() >= AT_ONCE_FAST
    }
    fn in_a_quarter(&self) -> usize {
        (self.best * QUARTER) as usize / BLOB_LEN
    }
    /// A blob that takes longer is taken slowly: what is sent at a time takes a third of it at most at our line's best
    /// rate, for our own line must not be the reason.
    pub(crate) fn late(&self) -> Duration {
        if self.best <= 0.0 {
            return LATE.1;
        }
        let take = |blobs: usize, times: f64| {
            Duration::from_secs_f64(((blobs * BLOB_LEN) as f64 / self.best * times).min(3600.0))
        };
        take(FEW, LATE_TIMES).clamp(LATE.0, LATE.1).max(take(FEW.max(self.places), 3.0))
    }
}

#[cfg(test)]
mod tests;
