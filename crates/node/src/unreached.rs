//! Addresses that could not be reached when they were dialled last, and why: for people who named one of them.
//!
//! Promises: bounded; an address that answers is forgotten.

use std::collections::VecDeque;
use std::io::ErrorKind;
use std::sync::{Mutex, PoisonError};

use net::gate::GateError;
use protocol::PeerAddr;
use protocol::words::without_number;

/// Addresses remembered; the oldest go first.
const REMEMBERED: usize = 256;

/// Who was not reached, the newest last.
#[derive(Default)]
pub(crate) struct Unreached(Mutex<VecDeque<(PeerAddr, String)>>);

impl Unreached {
    /// A dial ended: in failure, or not.
    pub(crate) fn note(&self, addr: &PeerAddr, error: Option<&GateError>) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|(known, _)| known != addr);
        if let Some(error) = error {
            if all.len() == REMEMBERED {
                all.pop_front();
            }
            all.push_back((addr.clone(), why(error)));
        }
    }

    /// The first of these that was not reached, and why.
    pub(crate) fn of(&self, addrs: &[PeerAddr]) -> Option<(PeerAddr, String)> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        addrs.iter().find_map(|addr| all.iter().find(|(known, _)| known == addr).cloned())
    }
}

/// A failed dial in words that say what a person can look at, without the system's numbers.
fn why(error: &GateError) -> String {
    let GateError::Io(error) = error else { return error.to_string() };
    match error.kind() {
        ErrorKind::ConnectionRefused => "nobody listens there".into(),
        ErrorKind::ConnectionReset | ErrorKind::ConnectionAborted => "the connection was cut".into(),
        ErrorKind::TimedOut => "no answer in time".into(),
        ErrorKind::NetworkUnreachable | ErrorKind::HostUnreachable => "there is no way to it".into(),
        ErrorKind::PermissionDenied => "this system does not allow it".into(),
        _ => without_number(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_that_was_not_reached_is_told_until_it_is() {
        let at = |port| PeerAddr::Name("host.invalid".into(), port);
        let unreached = Unreached::default();
        assert_eq!(unreached.of(&[at(1)]), None);
        unreached.note(&at(2), Some(&GateError::NoSuchName));
        unreached.note(&at(1), Some(&GateError::Io(ErrorKind::ConnectionRefused.into())));
        assert_eq!(unreached.of(&[at(1), at(2)]), Some((at(1), "nobody listens there".into())));
        unreached.note(&at(1), None);
        assert_eq!(unreached.of(&[at(1), at(2)]), Some((at(2), "its name is not known".into())));
        for port in 3..=u16::try_from(REMEMBERED).unwrap() + 3 {
            unreached.note(&at(port), Some(&GateError::TimedOut));
        }
        assert_eq!(unreached.of(&[at(2)]), None, "the oldest goes");
        let raw = std::io::Error::from_raw_os_error(24);
        assert!(!why(&GateError::Io(raw)).contains("os error"));
    }
}
