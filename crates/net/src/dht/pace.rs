//! A token bucket: so many operations a second, a few at once after a pause.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// Slowest and fastest rate, in operations a second, whatever was asked for.
const RATES: (f64, f64) = (0.05, 200.0);

/// The bucket. Its tokens are handed out in the order of asking.
pub(super) struct Pace {
    /// Time that one token takes to fill in.
    interval: Duration,
    /// Time that a full bucket is worth.
    burst: Duration,
    /// When the bucket will have been empty for exactly no time: the theoretical arrival of the next token.
    next: Mutex<Instant>,
}

impl Pace {
    /// `rate` tokens a second; a full bucket holds `burst`.
    pub(super) fn new(rate: f64, burst: u32) -> Self {
        let rate = if rate.is_finite() { rate.clamp(RATES.0, RATES.1) } else { RATES.0 };
        let interval = Duration::from_secs_f64(1.0 / rate);
        let burst = interval * burst.max(1);
        Self { interval, burst, next: Mutex::new(Instant::now()) }
    }

    /// Waits for a token.
    pub(super) async fn token(&self) {
        let due = {
            let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
            let now = Instant::now();
            *next = (*next).max(now) + self.interval;
            // A token may be taken up to a full bucket before it has filled in.
            next.checked_sub(self.burst).filter(|due| *due > now)
        };
        if let Some(due) = due {
            tokio::time::sleep_until(due).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn spent(pace: &Pace, tokens: u32) -> Duration {
        let begin = Instant::now();
        for _ in 0..tokens {
            pace.token().await;
        }
        begin.elapsed()
    }

    #[tokio::test(start_paused = true)]
    async fn a_burst_is_free_and_the_rest_is_paced() {
        let pace = Pace::new(10.0, 4);
        assert_eq!(spent(&pace, 4).await, Duration::ZERO);
        let paced = spent(&pace, 20).await;
        assert!(paced >= Duration::from_millis(1999) && paced < Duration::from_millis(2100), "{paced:?}");
        tokio::time::sleep(Duration::from_secs(60)).await;
        assert_eq!(spent(&pace, 4).await, Duration::ZERO, "a pause fills the bucket");
        assert!(spent(&pace, 1).await > Duration::from_millis(90), "and no more than the bucket");
    }

    #[test]
    fn senseless_rates_are_slow_ones() {
        for rate in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            assert_eq!(Pace::new(rate, 1).interval, Duration::from_secs(20));
        }
    }
}
