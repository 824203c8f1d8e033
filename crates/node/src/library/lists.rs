//! Which lists are read, and when: a newer one takes the place of an older, and none costs more than its channel may.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use protocol::{ChannelKey, SignedManifest};

use super::{Library, LibraryInput, log};
use crate::api::{Cause, Code, ErrorInfo, Event};
use crate::config::{LIST_BLOBS, LIST_PAUSE};
use crate::error::{Result, sentence};
use crate::{channel, keep, list};

/// How much reading of lists a channel may cause, in blobs opened: a list that costs more is followed by a pause of up to
/// [`LIST_PAUSE`], and small ones come one after the other.
pub(super) struct Reading {
    /// When it was counted last.
    at: Duration,
    /// Blobs that may still be opened; below 0 is debt.
    pub(super) left: i64,
    /// What the last reading opened so far, and how much of that was counted.
    pub(super) cost: Arc<AtomicU64>,
    pub(super) counted: u64,
    /// The newest list that waits for its time.
    waits: Option<Arc<SignedManifest>>,
}

impl Reading {
    fn new(now: Duration) -> Self {
        Self { at: now, left: LIST_BLOBS, cost: Arc::default(), counted: 0, waits: None }
    }

    /// Counts what was opened since, and what time gave back. Returns how long the next reading has to wait.
    fn count(&mut self, now: Duration) -> Duration {
        let opened = self.cost.load(Ordering::Relaxed);
        let new = i64::try_from(opened - self.counted).unwrap_or(i64::MAX);
        self.counted = opened;
        let pause = LIST_PAUSE.as_millis() as i64;
        let back = i64::try_from(now.saturating_sub(self.at).as_millis()).unwrap_or(i64::MAX).min(2 * pause);
        let back = back * LIST_BLOBS / pause;
        if back > 0 {
            self.at = now;
        }
        self.left = (self.left.saturating_sub(new).max(-LIST_BLOBS) + back).min(LIST_BLOBS);
        match self.left {
            1.. => Duration::ZERO,
            debt => LIST_PAUSE.mul_f64((1 - debt) as f64 / LIST_BLOBS as f64),
        }
    }

    /// A reading begins: it costs something even if it opens nothing.
    fn begin(&mut self) -> Arc<AtomicU64> {
        self.left -= 1;
        self.counted = 0;
        self.cost = Arc::default();
        self.cost.clone()
    }
}

impl Library {
    /// A manifest came: its list is read now, or when its channel may cause so much work again. The first list of a
    /// channel never waits.
    pub(super) async fn list_came(&mut self, manifest: Arc<SignedManifest>) {
        let (key, now) = (*manifest.key(), self.ctx.clock.now());
        let known = self.ctx.with_store(move |s| s.channel(&key)).await;
        let first = matches!(&known, Ok(Some(row)) if row.body_sequence == 0);
        let budget = self.budgets.entry(key).or_insert_with(|| Reading::new(now));
        if !first && !budget.count(now).is_zero() {
            if budget.waits.as_ref().is_none_or(|waits| manifest.supersedes(waits)) {
                budget.waits = Some(manifest);
            }
            return;
        }
        budget.waits = None;
        let cost = budget.begin();
        self.read_list(manifest, cost);
    }

    /// How long until a list that waits may be read.
    pub(super) fn lists_due(&mut self) -> Duration {
        let now = self.ctx.clock.now();
        let waiting = self.budgets.values_mut().filter(|budget| budget.waits.is_some());
        waiting.map(|budget| budget.count(now)).min().unwrap_or(Duration::from_secs(3600))
    }

    pub(super) async fn read_waiting(&mut self) {
        let now = self.ctx.clock.now();
        let mut ready = Vec::new();
        for budget in self.budgets.values_mut() {
            if budget.waits.is_some() && budget.count(now).is_zero() {
                ready.extend(budget.waits.take());
            }
        }
        for manifest in ready {
            self.list_came(manifest).await;
        }
    }

    /// Somebody waits for a channel's list.
    pub(super) fn list_asked(&mut self, key: ChannelKey) {
        if let Some(budget) = self.budgets.get_mut(&key) {
            budget.left = LIST_BLOBS;
            budget.counted = budget.cost.load(Ordering::Relaxed);
        }
    }

    /// A list was read, or could not be.
    pub(super) async fn list_read(&mut self, key: ChannelKey, sequence: u64, result: Result<()>) {
        if self.reading.get(&key).is_some_and(|(s, _)| *s == sequence) {
            self.reading.remove(&key);
        }
        match result {
            Ok(()) => {
                self.ctx.repair.notify_one();
                self.unread.remove(&key);
                self.told_lists.remove(&key);
            }
            Err(error) if error.code == Code::Cancelled || error.code == Code::Stopping => {}
            Err(error) => {
                let what = error.message.clone();
                let cause = match error.code {
                    Code::WrongReadKey => Some(Cause::WrongReadKey { what }),
                    Code::BadContent => Some(Cause::BadContent { what }),
                    Code::DiskFull => Some(channel::data_full(&self.ctx).await),
                    Code::Quota => Some(channel::no_room(&self.ctx, protocol::params::BLOB_LEN as u64).await),
                    _ => None,
                };
                if let Some(Cause::Quota { quota, needed, .. }) = cause {
                    let ctx = self.ctx.clone();
                    self.ctx.spawn(async move {
                        let need = keep::Need { item: None, bytes: needed };
                        match keep::make_room(&ctx, need, quota).await {
                            Ok(true) => log(channel::read_again(&ctx, key).await),
                            outcome => log(outcome),
                        }
                    });
                }
                self.unread.extend(cause.map(|cause| (key, cause)));
                let news = self.told_lists.insert(key, error.code) != Some(error.code);
                let named = channel::named(&self.ctx, key).await;
                let text = format!("The newest list of {named} cannot be read: {}", sentence(&error.message));
                if news {
                    self.ctx.emit(Event::Notice(ErrorInfo::new(error.code, text)));
                }
            }
        }
        let ctx = self.ctx.clone();
        self.ctx.spawn(async move { channel::told(&ctx, key).await });
    }

    /// Lists for which there was no room are read again.
    pub(super) fn retry_lists(&self) {
        let lists = self.unread.iter().filter(|(_, c)| matches!(c, Cause::DiskFull { .. } | Cause::Quota { .. }));
        for key in lists.map(|(key, _)| *key).filter(|key| !self.reading.contains_key(key)) {
            let ctx = self.ctx.clone();
            self.ctx.spawn(async move { log(channel::read_again(&ctx, key).await) });
        }
    }

    /// Reads a manifest's list; a newer one replaces the reading of an older.
    fn read_list(&mut self, manifest: Arc<SignedManifest>, cost: Arc<AtomicU64>) {
        let key = *manifest.key();
        if let Some((sequence, token)) = self.reading.get(&key) {
            if *sequence > manifest.sequence() {
                return;
            }
            token.cancel();
        }
        let token = self.ctx.stop.child_token();
        let sequence = manifest.sequence();
        self.reading.insert(key, (sequence, token.clone()));
        // What was wrong with an older list says nothing of this one.
        self.unread.remove(&key);
        let ctx = self.ctx.clone();
        self.ctx.tasks.spawn(async move {
            let result = match token.run_until_cancelled(list::absorb(&ctx, manifest, cost)).await {
                Some(result) => result,
                None => Err(ErrorInfo::new(Code::Cancelled, "A newer list came.")),
            };
            ctx.library.send(LibraryInput::Absorbed(key, sequence, result));
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn opened(reading: &Reading, blobs: u64) {
        reading.cost.fetch_add(blobs, Ordering::Relaxed);
    }

    #[test]
    fn small_lists_come_at_once_and_a_large_one_is_followed_by_a_pause() {
        let at = Duration::from_secs;
        let mut reading = Reading::new(at(100));
        for _ in 0..20 {
            assert_eq!(reading.count(at(100)), Duration::ZERO);
            let _ = reading.begin();
            opened(&reading, 2);
        }
        // A gigabyte: about a minute, however large it was.
        let _ = reading.begin();
        opened(&reading, 1024);
        let wait = reading.count(at(101));
        assert!(wait > at(58) && wait < at(63), "{wait:?}");
        assert!(reading.count(at(140)) > Duration::ZERO);
        assert_eq!(reading.count(at(103) + wait), Duration::ZERO);
        // What is given back has an end, too.
        reading.count(at(100_000));
        let _ = reading.begin();
        opened(&reading, 130);
        assert!(reading.count(at(100_000)) > Duration::ZERO);
    }

    #[test]
    fn lists_in_a_row_of_which_each_ends_the_one_before_cost_what_they_opened() {
        let mut reading = Reading::new(Duration::ZERO);
        let mut read = 0;
        while reading.count(Duration::ZERO).is_zero() {
            let _ = reading.begin();
            opened(&reading, 3);
            read += 1;
        }
        assert!((20..=40).contains(&read), "{read}");
    }
}
