//! What a peer may ask of us beyond blobs: a purse that fills with time. Whoever empties it is let go.
//!
//! Everything that an honest node says fits in many times over; a flood costs its sender the connection, and the
//! handshake of the next one. A REQUEST costs what making a blob costs, once the node works on it, and nothing when the
//! blob went whole; DATA and answers are bounded elsewhere.

use std::time::Duration;

use super::Violation;
use crate::message::Message;

/// What the purse holds: 64 HAVE_QUERYs of the largest kind, or 4,000 FIND_PEERS.
const FULL: f64 = 16_384.0;
/// What comes in each second.
const A_SECOND: f64 = 512.0;
/// What making a blob costs: reading, sealing and hashing 1 MiB.
const BLOB: f64 = 32.0;

/// One peer's purse.
pub(super) struct Budget {
    left: f64,
    filled: Duration,
}

impl Budget {
    pub(super) fn new(now: Duration) -> Self {
        Self { left: FULL, filled: now }
    }

    /// Pays for a message.
    pub(super) fn pay(&mut self, now: Duration, message: &Message<'_>) -> Result<(), Violation> {
        let price = price(message);
        if price == 0.0 {
            return Ok(());
        }
        self.fill(now);
        self.left -= price;
        self.check()
    }

    /// Pays for a blob that is made from now on.
    pub(super) fn pay_blob(&mut self, now: Duration) {
        self.fill(now);
        self.left -= BLOB;
    }

    /// Gives back what so many blobs cost.
    pub(super) fn refund_blobs(&mut self, count: u32) {
        self.left = (self.left + BLOB * f64::from(count)).min(FULL);
    }

    /// Whether everything is paid for.
    pub(super) fn check(&self) -> Result<(), Violation> {
        if self.left < 0.0 { Err(Violation::Peer("more work than anybody needs")) } else { Ok(()) }
    }

    fn fill(&mut self, now: Duration) {
        self.left = (self.left + now.saturating_sub(self.filled).as_secs_f64() * A_SECOND).min(FULL);
        self.filled = self.filled.max(now);
    }
}

/// What answering costs us, in hundreds of look-ups or thereabouts.
fn price(message: &Message<'_>) -> f64 {
    match message {
        Message::Data(_) | Message::Request(_) | Message::Error(_) | Message::Ok(_) => 0.0,
        // Each is looked up among what we hold.
        Message::HaveQuery(_, blobs) => 1.0 + blobs.len() as f64 / 16.0,
        Message::HaveMore(_, indexes) => 1.0 + indexes.len() as f64 / 64.0,
        Message::Peers(peers) => 1.0 + peers.len() as f64 / 16.0,
        Message::FindPeers(_) | Message::Announce(..) | Message::GetManifest(..) => 4.0,
        // Two signatures are verified.
        Message::Manifest { .. } | Message::Publish(_) => 16.0,
        _ => 1.0,
    }
}
