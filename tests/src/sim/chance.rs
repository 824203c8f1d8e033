//! Chance from a seed, and the sum of everything that happened.

use std::time::Duration;

use rand_chacha::ChaCha8Rng;
use rand_core::{Rng, SeedableRng};

/// Where all chance of a simulation comes from.
pub struct Chance(ChaCha8Rng);

impl Chance {
    /// The same seed gives the same chance.
    pub fn new(seed: u64) -> Self {
        Self(ChaCha8Rng::seed_from_u64(seed))
    }
    /// Any number.
    pub fn number(&mut self) -> u64 {
        self.0.next_u64()
    }
    /// A number below `end`, which is not 0.
    pub fn below(&mut self, end: usize) -> usize {
        (self.0.next_u64() % end as u64) as usize
    }
    /// A number from 0 to 1.
    pub fn unit(&mut self) -> f64 {
        (self.0.next_u64() >> 11) as f64 / (1u64 << 53) as f64
    }
    /// Whether something of this likelihood happens.
    pub fn happens(&mut self, likelihood: f64) -> bool {
        self.unit() < likelihood
    }
    /// A time between two.
    pub fn between(&mut self, (from, to): (Duration, Duration)) -> Duration {
        from + to.saturating_sub(from).mul_f64(self.unit())
    }
    /// The life of something that lives `mean` on average and does not age.
    pub fn life(&mut self, mean: Duration) -> Duration {
        mean.mul_f64(-(1.0 - self.unit()).ln())
    }
    /// How much later than on a line without loss a frame of so many packets arrives: a lone packet is sent again after a
    /// pause that doubles; one of many is missed at once and comes a round trip later.
    pub fn late(&mut self, loss: f64, packets: usize, latency: Duration) -> Duration {
        if packets > 1 {
            let any = 1.0 - (1.0 - loss).powi(packets.min(10_000) as i32);
            return if self.happens(any) { latency * 2 } else { Duration::ZERO };
        }
        let (mut late, mut pause) = (Duration::ZERO, Duration::from_millis(200) + latency * 2);
        while pause < Duration::from_secs(60) && self.happens(loss) {
            late += pause;
            pause *= 2;
        }
        late
    }
    /// Random bytes.
    pub fn bytes<const N: usize>(&mut self) -> [u8; N] {
        let mut out = [0; N];
        self.0.fill_bytes(&mut out);
        out
    }
}

/// A hash over everything that happened, in order: equal runs have equal traces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Trace {
    /// FNV-1a over what was told.
    pub hash: u64,
    /// How often something was told.
    pub events: u64,
}

impl Default for Trace {
    fn default() -> Self {
        Self { hash: 0xcbf2_9ce4_8422_2325, events: 0 }
    }
}

impl Trace {
    /// Something happened.
    pub fn tell(&mut self, numbers: &[u64], bytes: &[u8]) {
        self.events += 1;
        for number in numbers {
            self.hash = (self.hash ^ number).wrapping_mul(0x0100_0000_01b3).rotate_left(5);
        }
        for byte in bytes.iter().take(96) {
            self.hash = (self.hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
}
