//! One operation per target at a time.
//!
//! The library mixes up operations that share a target: a look-up during an announce on the same infohash ends empty.
//! So each operation takes its target's turn first, and keeps it until the library is done, even if its caller gave up.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use tokio::sync::OwnedMutexGuard;

/// A DHT target: an infohash, or the SHA-1 of a key and salt.
pub(super) type Target = [u8; 20];

/// A target's turn; given back when dropped.
pub(super) type Turn = OwnedMutexGuard<()>;

/// Who waits for which target.
#[derive(Default)]
pub(super) struct Turns {
    waiting: Mutex<HashMap<Target, Weak<tokio::sync::Mutex<()>>>>,
}

impl Turns {
    /// Waits for the target's turn, first come first served.
    pub(super) async fn take(&self, target: Target) -> Turn {
        let turn = {
            let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
            match waiting.get(&target).and_then(Weak::upgrade) {
                Some(turn) => turn,
                None => {
                    waiting.retain(|_, turn| turn.strong_count() > 0);
                    let turn = Arc::new(tokio::sync::Mutex::new(()));
                    waiting.insert(target, Arc::downgrade(&turn));
                    turn
                }
            }
        };
        turn.lock_owned().await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn one_target_waits_and_another_does_not() {
        let turns = Turns::default();
        let first = turns.take([1; 20]).await;
        let _other = turns.take([2; 20]).await;
        let mut second = Box::pin(turns.take([1; 20]));
        let early = tokio::select! { biased; _ = &mut second => true, () = std::future::ready(()) => false };
        assert!(!early, "the first still has the turn");
        drop(first);
        let _second = second.await;
        assert_eq!(turns.waiting.lock().unwrap().len(), 2);
    }

    #[tokio::test]
    async fn targets_nobody_waits_for_are_forgotten() {
        let turns = Turns::default();
        for n in 0..100 {
            drop(turns.take([n; 20]).await);
        }
        assert_eq!(turns.waiting.lock().unwrap().len(), 1);
    }
}
