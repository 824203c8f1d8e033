//! How fast bytes move: counters that connections feed, and rates over the last seconds.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use protocol::{ChannelKey, ItemId};

use crate::api::{Event, ItemInfo};
use crate::ctx::Ctx;
use crate::view;
use crate::{addresses, channel};

/// A rate is taken over this long.
const WINDOW: Duration = Duration::from_secs(5);
/// Between two looks at the counters.
const EVERY: Duration = Duration::from_secs(1);
/// Between two notes of who could be dialled.
const NOTE_EVERY: u32 = 60;

/// Bytes that peers and we exchanged since the start, frames whole.
#[derive(Debug, Default)]
pub(crate) struct Traffic {
    received: AtomicU64,
    sent: AtomicU64,
}

impl Traffic {
    pub(crate) fn receive(&self, bytes: usize) {
        self.received.fetch_add(bytes as u64, Ordering::Relaxed);
    }
    pub(crate) fn send(&self, bytes: usize) {
        self.sent.fetch_add(bytes as u64, Ordering::Relaxed);
    }
    /// Received, sent.
    pub(crate) fn totals(&self) -> (u64, u64) {
        (self.received.load(Ordering::Relaxed), self.sent.load(Ordering::Relaxed))
    }
}

/// A growing total, seen now and then.
#[derive(Debug, Default)]
pub(crate) struct Meter(VecDeque<(Duration, u64)>);

impl Meter {
    /// The total stands here now.
    pub(crate) fn note(&mut self, now: Duration, total: u64) {
        while self.0.len() > 1 && self.0.get(1).is_some_and(|(at, _)| now.saturating_sub(*at) >= WINDOW) {
            self.0.pop_front();
        }
        let several = self.0.len() > 1;
        match self.0.back_mut() {
            // Many notes in one moment are one.
            Some(last) if now.saturating_sub(last.0) < WINDOW / 20 && several => last.1 = total,
            _ => self.0.push_back((now, total)),
        }
    }

    /// Bytes a second over the window that ends now.
    pub(crate) fn rate(&self, now: Duration) -> u64 {
        let (Some(first), Some(last)) = (self.0.front(), self.0.back()) else { return 0 };
        let time = now.saturating_sub(first.0).as_secs_f64();
        if time < 0.2 || now.saturating_sub(last.0) > WINDOW {
            return 0;
        }
        (last.1.saturating_sub(first.1) as f64 / time) as u64
    }
}

/// Rates of the whole node.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Rates {
    /// Bytes a second in.
    pub(crate) down: u64,
    /// Bytes a second out.
    pub(crate) up: u64,
}

/// Measures while the node runs; tells listeners when the state changed; notes addresses that answered.
pub(crate) async fn run(ctx: Ctx) {
    let (mut down, mut up) = (Meter::default(), Meter::default());
    let mut tick = tokio::time::interval(EVERY);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut told = None;
    let mut items = HashMap::new();
    let mut ticks = 0_u32;
    while ctx.stop.run_until_cancelled(tick.tick()).await.is_some() {
        let (now, (received, sent)) = (ctx.clock.now(), ctx.traffic.totals());
        down.note(now, received);
        up.note(now, sent);
        ctx.rates.send_replace(Rates { down: down.rate(now), up: up.rate(now) });
        if ctx.events.receiver_count() > 0 {
            tell_items(&ctx, &mut items).await;
        }
        if ctx.events.receiver_count() > 0
            && let Ok(status) = view::status(&ctx).await
            && told.as_ref() != Some(&status)
        {
            told = Some(status.clone());
            ctx.emit(Event::Status(status));
        }
        ticks = ticks.wrapping_add(1);
        if ticks % NOTE_EVERY == 10 {
            addresses::note(&ctx).await;
        }
    }
    addresses::note(&ctx).await;
}

/// Tells how items under way stand when that changed without a blob's arrival: a rate that fell, a source that left.
async fn tell_items(ctx: &Ctx, told: &mut HashMap<(ChannelKey, ItemId), ItemInfo>) {
    let keys: Vec<_> = view::standings(ctx).await.rates.into_keys().collect();
    told.retain(|key, _| keys.contains(key));
    let rows = ctx.with_store(move |s| keys.iter().filter_map(|(c, i)| s.item(c, i).transpose()).collect()).await;
    let Ok(rows) = rows else { return };
    let mut changed = HashSet::new();
    for info in view::items(ctx, rows).await.unwrap_or_default() {
        let (Ok(channel), Ok(item)) = (info.channel.parse(), info.id.parse()) else { continue };
        let before = told.get(&(channel, item));
        if before == Some(&info) {
            continue;
        }
        if before.is_none_or(|before| before.cause != info.cause) {
            changed.insert(channel);
        }
        told.insert((channel, item), info.clone());
        ctx.emit(Event::Item(info));
    }
    for channel in changed {
        channel::told(ctx, channel).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_steady_stream_has_its_rate_and_silence_has_none() {
        let mut meter = Meter::default();
        for second in 0..20 {
            meter.note(Duration::from_secs(second), second * 1000);
        }
        assert_eq!(meter.rate(Duration::from_secs(19)), 1000);
        assert_eq!(meter.rate(Duration::from_secs(40)), 0);
        assert_eq!(Meter::default().rate(Duration::from_secs(1)), 0);
        assert!(meter.0.len() < 12);
    }

    #[test]
    fn a_thousand_notes_in_a_second_keep_few() {
        let mut meter = Meter::default();
        for milli in 0..5000 {
            meter.note(Duration::from_millis(milli), milli * 7);
        }
        assert!(meter.0.len() < 30, "{}", meter.0.len());
        let rate = meter.rate(Duration::from_millis(5000));
        assert!((6500..=7500).contains(&rate), "{rate}");
    }
}
