//! How long a session waits. Times since whatever the caller's `now` counts from.

use std::time::Duration;

/// A REQUEST of ours without any progress ends the session after this. A busy peer may let us wait for our turn.
pub const PROGRESS: Duration = Duration::from_secs(60);
/// A PUBLISH of ours without an answer ends the session after this; the gateway has to reach the DHT first.
pub const PUBLISHED: Duration = Duration::from_secs(90);
/// FIND_PEERS of the peer is answered with `[]` when the node gave no answer by then (§2.3).
pub const FIND_PEERS_ANSWER: Duration = Duration::from_secs(5);
/// An extension request, or a FIND_PEERS of ours, is given up after this.
pub const ANSWER: Duration = Duration::from_secs(30);
/// A peer that takes none of the waiting bytes for this long is gone.
pub const WRITE: Duration = Duration::from_secs(60);
/// A session without any traffic closes after this.
pub const IDLE: Duration = Duration::from_secs(300);
/// Shortest time between two pushes of one channel to one peer (E4).
pub const PUSH_EVERY: Duration = Duration::from_secs(5);
/// Shortest time between two HAVE_MOREs of one query (E5).
pub const HAVE_MORE_EVERY: Duration = Duration::from_secs(1);
