//! E6, E7 Rendezvous IDs and the tokens of private channels.

use crate::{ChannelKey, ReadKey, Topic, handshake::Binding, session::Role};

/// Where followers of a public channel meet.
#[allow(clippy::todo, unused_variables)]
pub fn public(channel: &ChannelKey) -> Topic {
    todo!()
}
/// Where followers of a private channel meet on one UTC day (days since 1970).
#[allow(clippy::todo, unused_variables)]
pub fn private(channel: &ChannelKey, read_key: &ReadKey, day: u64) -> Topic {
    todo!()
}
/// The days whose rendezvous are in force at this time (ms since 1970): one, or two from 23:00 to 01:00.
#[allow(clippy::todo, unused_variables)]
pub fn days(unix_ms: u64) -> Vec<u64> {
    todo!()
}
/// A side's token for a private channel on one connection (E7).
#[allow(clippy::todo, unused_variables)]
pub fn token(channel: &ChannelKey, read_key: &ReadKey, binding: &Binding, side: Role) -> [u8; 16] {
    todo!()
}
