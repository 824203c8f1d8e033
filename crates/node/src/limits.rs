//! Rate limits: how fast bytes may come and go, in all and with each peer.
//!
//! A bucket hands out moments: who moves bytes waits until those before it have had their time. Without a limit that is
//! one load of a number. What came in faster than allowed is not read on, so the peer's own window closes.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// Bytes that may go at once after a pause, as time at the rate.
const BURST: Duration = Duration::from_millis(200);
/// A limit that changes is heeded within this time.
const SLICE: Duration = Duration::from_millis(250);

/// Bytes a second; 0: as many as come.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Speed {
    pub(crate) down: u64,
    pub(crate) up: u64,
}

/// One direction's allowance.
#[derive(Debug, Default)]
pub(crate) struct Bucket {
    rate: Arc<AtomicU64>,
    free_at: Mutex<Option<Instant>>,
}

impl Bucket {
    /// As fast as this number says, now and later.
    fn following(rate: &Arc<AtomicU64>) -> Self {
        Self { rate: rate.clone(), free_at: Mutex::new(None) }
    }

    /// Waits until these bytes may move. Whoever comes first goes first.
    pub(crate) async fn take(&self, bytes: usize) {
        let mut rate = self.rate.load(Ordering::Relaxed);
        if rate == 0 {
            return;
        }
        let mut due = self.reserve(bytes, rate);
        loop {
            let now = Instant::now();
            if due <= now {
                return;
            }
            tokio::time::sleep_until(due.min(now + SLICE)).await;
            let current = self.rate.load(Ordering::Relaxed);
            if current == 0 {
                return;
            }
            if current != rate {
                // The queue as it was belongs to the old rate.
                let left = due.saturating_duration_since(Instant::now());
                due = Instant::now() + left.mul_f64((rate as f64 / current as f64).min(100.0));
                rate = current;
            }
        }
    }

    fn reserve(&self, bytes: usize, rate: u64) -> Instant {
        let now = Instant::now();
        let mut free_at = self.free_at.lock().unwrap_or_else(PoisonError::into_inner);
        let earliest = now.checked_sub(BURST).unwrap_or(now);
        let start = free_at.map_or(earliest, |at| at.max(earliest));
        let end = start + Duration::from_secs_f64((bytes as f64 / rate as f64).min(3600.0));
        *free_at = Some(end);
        end
    }
}

/// All of a node's limits.
#[derive(Debug, Default)]
pub(crate) struct Limits {
    pub(crate) down: Bucket,
    pub(crate) up: Bucket,
    peer_down: Arc<AtomicU64>,
    peer_up: Arc<AtomicU64>,
}

impl Limits {
    /// Changes them.
    pub(crate) fn set(&self, all: Speed, peer: Speed) {
        for (rate, new) in [
            (&self.down.rate, all.down),
            (&self.up.rate, all.up),
            (&self.peer_down, peer.down),
            (&self.peer_up, peer.up),
        ] {
            rate.store(new, Ordering::Relaxed);
        }
    }

    /// What one peer may send and get.
    pub(crate) fn of_peer(&self) -> (Bucket, Bucket) {
        (Bucket::following(&self.peer_down), Bucket::following(&self.peer_up))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limited(rate: u64) -> Limits {
        let limits = Limits::default();
        limits.set(Speed { down: 0, up: rate }, Speed::default());
        limits
    }

    #[tokio::test(start_paused = true)]
    async fn bytes_go_at_the_rate_and_without_one_at_once() {
        let (limits, start) = (limited(100_000), Instant::now());
        for _ in 0..100 {
            limits.down.take(1 << 20).await;
        }
        assert_eq!(start.elapsed(), Duration::ZERO);
        for _ in 0..50 {
            limits.up.take(20_000).await;
        }
        let took = start.elapsed();
        assert!((9_700..=10_050).contains(&took.as_millis()), "{took:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn many_share_it_and_nobody_starves() {
        let limits = Arc::new(limited(1_000_000));
        let start = Instant::now();
        let mut tasks = tokio::task::JoinSet::new();
        for _ in 0..20 {
            let limits = limits.clone();
            tasks.spawn(async move {
                let mut moved = 0_u64;
                while start.elapsed() < Duration::from_secs(20) {
                    limits.up.take(65_536).await;
                    moved += 65_536;
                }
                moved
            });
        }
        let moved = tasks.join_all().await;
        let (least, most) = (moved.iter().min().copied().unwrap_or(0), moved.iter().max().copied().unwrap_or(0));
        // One may have the burst of the first moment; from then on they take turns.
        assert!(least > 900_000 && most - least <= 5 * 65_536, "{moved:?}");
        let all: u64 = moved.iter().sum();
        assert!((20_000_000..22_000_000).contains(&all), "{all}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_limit_that_goes_or_grows_frees_who_waits() {
        let limits = Arc::new(limited(1_000));
        limits.up.take(1_000).await;
        let (waiting, start) = (limits.clone(), Instant::now());
        let waits = tokio::spawn(async move { waiting.up.take(1_000_000).await });
        tokio::time::sleep(Duration::from_secs(1)).await;
        limits.set(Speed { down: 0, up: 1_000_000 }, Speed::default());
        waits.await.unwrap();
        assert!(start.elapsed() < Duration::from_secs(3), "{:?}", start.elapsed());
        limits.set(Speed::default(), Speed::default());
        limits.up.take(usize::MAX).await;
    }

    #[tokio::test(start_paused = true)]
    async fn each_peer_has_its_own_allowance() {
        let limits = Limits::default();
        limits.set(Speed::default(), Speed { down: 10_000, up: 0 });
        let (one, other) = (limits.of_peer().0, limits.of_peer().0);
        let start = Instant::now();
        tokio::join!(one.take(100_000), other.take(100_000));
        let took = start.elapsed();
        assert!((9_700..=10_050).contains(&took.as_millis()), "{took:?}");
    }
}
