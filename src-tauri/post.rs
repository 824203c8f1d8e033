//! Things that wait for whoever asks next: links that came before the window was up, notices, drops.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use tokio::sync::Notify;

/// Letters that are kept; a newer one pushes the oldest out.
const WAITING_MAX: usize = 32;

/// A letter box: many may put in, one takes out each.
pub(crate) struct Post<T> {
    waiting: Mutex<VecDeque<T>>,
    came: Notify,
}

impl<T> Default for Post<T> {
    fn default() -> Self {
        Self { waiting: Mutex::new(VecDeque::new()), came: Notify::new() }
    }
}

impl<T> Post<T> {
    pub(crate) fn put(&self, letter: T) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if waiting.len() == WAITING_MAX {
            waiting.pop_front();
        }
        waiting.push_back(letter);
        self.came.notify_one();
    }

    /// The next letter. May be dropped and called again: no letter is lost.
    pub(crate) async fn next(&self) -> T {
        loop {
            if let Some(letter) = self.take() {
                return letter;
            }
            self.came.notified().await;
        }
    }

    fn take(&self) -> Option<T> {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let letter = waiting.pop_front();
        if !waiting.is_empty() {
            self.came.notify_one();
        }
        letter
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn letters_wait_in_order_and_are_bounded() {
        let post = Post::default();
        (0..WAITING_MAX + 3).for_each(|n| post.put(n));
        for n in 3..WAITING_MAX + 3 {
            assert_eq!(post.next().await, n);
        }
        let late = async {
            tokio::task::yield_now().await;
            post.put(99);
        };
        assert_eq!(tokio::join!(post.next(), late).0, 99);
    }
}
