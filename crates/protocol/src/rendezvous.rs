//! E6, E7 Rendezvous IDs and the tokens of private channels.
//!
//! Both sides of a meeting compute the same 32 bytes from what the link holds; nobody without the link can.

use blake2::Blake2bMac;
use blake2::digest::consts::U32;
use blake2::digest::{KeyInit, Mac};
use sha2::{Digest, Sha256};

use crate::{ChannelKey, ReadKey, Topic, handshake::Binding, session::Role};

const HOUR_MS: u64 = 3_600_000;
const DAY_MS: u64 = 24 * HOUR_MS;

/// Where followers of a public channel meet: SHA-256(label ‖ public key).
pub fn public(channel: &ChannelKey) -> Topic {
    Topic(Sha256::new().chain_update(b"megatorrent channel v1").chain_update(channel.0).finalize().into())
}

/// Where followers of a private channel meet on one UTC day (days since 1970, hashed as u64 big-endian).
pub fn private(channel: &ChannelKey, read_key: &ReadKey, day: u64) -> Topic {
    let hash = Sha256::new()
        .chain_update(b"megatorrent private v1")
        .chain_update(channel.0)
        .chain_update(read_key.as_bytes())
        .chain_update(day.to_be_bytes());
    Topic(hash.finalize().into())
}

/// The days whose rendezvous are in force at this time (ms since 1970): one, or two from 23:00 to 01:00. The day that
/// the clock shows comes first.
pub fn days(unix_ms: u64) -> Vec<u64> {
    let day = unix_ms / DAY_MS;
    let hour = unix_ms % DAY_MS / HOUR_MS;
    let mut days = vec![day];
    match hour {
        0 => days.extend(day.checked_sub(1)),
        23 => days.push(day + 1),
        _ => {}
    }
    days
}

/// A side's token for a private channel on one connection (E7): the first 16 bytes of keyed BLAKE2b-256. It binds to
/// both ephemeral keys, so it says nothing on any other connection, and to the side, so it cannot be echoed.
pub fn token(channel: &ChannelKey, read_key: &ReadKey, binding: &Binding, side: Role) -> [u8; 16] {
    let Ok(mut mac) = <Blake2bMac<U32> as KeyInit>::new_from_slice(read_key.as_bytes()) else {
        // BLAKE2b takes keys of up to 64 bytes.
        unreachable!("a read key has 32 bytes")
    };
    mac.update(b"megatorrent hello v1");
    mac.update(&channel.0);
    mac.update(&binding.dialler);
    mac.update(&binding.acceptor);
    mac.update(match side {
        Role::Dialler => b"C",
        Role::Acceptor => b"S",
    });
    let full = mac.finalize().into_bytes();
    let mut out = [0; 16];
    out.copy_from_slice(&full[..16]);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHANNEL: ChannelKey = ChannelKey([7; 32]);

    #[test]
    fn days_overlap_around_midnight() {
        let noon = 20_000 * DAY_MS + 12 * HOUR_MS;
        assert_eq!(days(noon), [20_000]);
        assert_eq!(days(20_000 * DAY_MS + 23 * HOUR_MS - 1), [20_000]);
        assert_eq!(days(20_000 * DAY_MS + 23 * HOUR_MS), [20_000, 20_001]);
        assert_eq!(days(20_001 * DAY_MS - 1), [20_000, 20_001]);
        assert_eq!(days(20_001 * DAY_MS), [20_001, 20_000]);
        assert_eq!(days(20_001 * DAY_MS + HOUR_MS), [20_001]);
        assert_eq!(days(0), [0]);
        assert_eq!(days(u64::MAX).len(), 1);
    }

    #[test]
    fn topics_are_the_hashes_that_the_text_says() {
        let text = [&b"megatorrent channel v1"[..], &[7; 32]].concat();
        assert_eq!(public(&CHANNEL).0, <[u8; 32]>::from(Sha256::digest(text)));
        let key = ReadKey([9; 32]);
        let text = [&b"megatorrent private v1"[..], &[7; 32], &[9; 32], &[0, 0, 0, 0, 0, 0, 0x4e, 0x20]].concat();
        assert_eq!(private(&CHANNEL, &key, 20_000).0, <[u8; 32]>::from(Sha256::digest(text)));
        assert_ne!(private(&CHANNEL, &key, 20_000), private(&CHANNEL, &key, 20_001));
        assert_ne!(private(&CHANNEL, &key, 20_000), private(&CHANNEL, &ReadKey([8; 32]), 20_000));
    }

    #[test]
    fn a_token_binds_to_side_connection_channel_and_key() {
        let binding = Binding { dialler: [1; 32], acceptor: [2; 32] };
        let key = ReadKey([9; 32]);
        let ours = token(&CHANNEL, &key, &binding, Role::Dialler);
        // Computed with Python's hashlib.
        assert_eq!(data_encoding::HEXLOWER.encode(&ours), "10460314e607dca12b3d6ec7f604d538");
        assert_eq!(ours, token(&CHANNEL, &key, &binding, Role::Dialler));
        let swapped = Binding { dialler: [2; 32], acceptor: [1; 32] };
        for other in [
            token(&CHANNEL, &key, &binding, Role::Acceptor),
            token(&CHANNEL, &key, &swapped, Role::Dialler),
            token(&ChannelKey([8; 32]), &key, &binding, Role::Dialler),
            token(&CHANNEL, &ReadKey([8; 32]), &binding, Role::Dialler),
        ] {
            assert_ne!(ours, other);
        }
    }
}
