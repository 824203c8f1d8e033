//! What may move now: the user's pause, the schedule, the month's allowance, the limits.
//!
//! Owns: the settings that say so, as read last; the month's count. Whoever changes one of them calls [`apply`]; a tick
//! each second does, too. The engine and the library are told when the answer changes.

use std::time::Duration;

use jiff::Zoned;
use store::{Store, StoreError};

use crate::api::Cause;
use crate::ctx::Ctx;
use crate::engine::Input;
use crate::error::Result;
use crate::library::LibraryInput;
use crate::limits::Speed;
use crate::schedule::{Moment, Say, Schedule, stricter};

/// Between two looks.
const EVERY: Duration = Duration::from_secs(1);
/// Running time for which the clock reads an earlier month than the one that is counted, after which that one was wrong:
/// the clock was ahead once, and has been put right.
const EARLIER_FOR: Duration = Duration::from_secs(3 * 3600);
/// Looks between two notes of the month's count.
const SAVE_EVERY: u32 = 60;
/// The longest pause that ends by itself; one that lasts longer was set before the clock was put back.
pub(crate) const PAUSE_MAX: Duration = Duration::from_secs(31 * 24 * 3600);

/// What the user said.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Rules {
    pub(crate) paused: bool,
    /// ms since 1970.
    pub(crate) paused_until: Option<u64>,
    pub(crate) all: Speed,
    pub(crate) peer: Speed,
    /// Bytes a month, both ways; 0: no end.
    pub(crate) month: u64,
    /// Bytes on the disk; 0: as it has.
    pub(crate) quota: u64,
    pub(crate) schedule: Schedule,
}

impl Rules {
    pub(crate) fn load(store: &Store) -> std::result::Result<Self, StoreError> {
        let number = |name: &str| Ok::<u64, StoreError>(store.setting(name)?.and_then(|n| n.parse().ok()).unwrap_or(0));
        let until = number("paused_until")?;
        Ok(Self {
            paused: store.setting("paused")?.as_deref() == Some("true"),
            paused_until: (until > 0).then_some(until),
            all: Speed { down: number("down")?, up: number("up")? },
            peer: Speed { down: number("peer_down")?, up: number("peer_up")? },
            month: number("month")?,
            quota: number("quota")?,
            schedule: store.setting("schedule")?.and_then(|text| text.parse().ok()).unwrap_or_default(),
        })
    }
}

/// What time it is, in all the ways that matter.
#[derive(Debug, Clone, Copy)]
struct Now {
    unix_ms: u64,
    moment: Moment,
    /// When the month ends.
    month_end: u64,
}

/// What may move.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Decision {
    /// Nothing, and why.
    hold: Option<Cause>,
    speed: Speed,
}

fn decide(rules: &Rules, now: Now, month_used: u64) -> Decision {
    let held = |cause| Decision { hold: Some(cause), speed: rules.all };
    if rules.paused {
        return held(Cause::Paused);
    }
    let longest = now.unix_ms.saturating_add(u64::try_from(PAUSE_MAX.as_millis()).unwrap_or(u64::MAX));
    if let Some(until) = rules.paused_until.filter(|until| (now.unix_ms..=longest).contains(until)) {
        return held(Cause::PausedUntil { until });
    }
    if rules.month > 0 && month_used >= rules.month {
        return held(Cause::MonthUsed { limit: rules.month, until: now.month_end });
    }
    match rules.schedule.at(now.moment) {
        Say::Off => {
            let minutes = rules.schedule.off_for(now.moment).map(u64::from);
            // Told as the full minute, so that it stays the same while it holds.
            let this_minute = now.unix_ms / 60_000;
            held(Cause::Schedule { until: minutes.map(|minutes| (this_minute + minutes) * 60_000) })
        }
        Say::At(speed) => Decision { hold: None, speed: stricter(rules.all, speed) },
    }
}

/// The state between two looks.
#[derive(Debug, Default)]
pub(crate) struct Governor {
    rules: Rules,
    told: Option<Cause>,
    month: Month,
    ticks: u32,
}

/// Bytes of one month, both ways.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
struct Month {
    /// Such as 2026-11.
    name: String,
    used: u64,
    /// Bytes since the start that are counted already.
    counted: u64,
    /// Running time in which the clock read an earlier month.
    earlier: Duration,
    /// When it was last looked at, since the start.
    looked: Duration,
}

impl Month {
    fn load(text: Option<&str>) -> Self {
        let mut words = text.unwrap_or_default().split(' ');
        let name = words.next().unwrap_or_default().to_owned();
        let mut number = || words.next().and_then(|word| word.parse().ok()).unwrap_or(0);
        let (used, earlier) = (number(), Duration::from_secs(number()));
        Self { name, used, counted: 0, earlier, looked: Duration::ZERO }
    }

    fn to_text(&self) -> String {
        match self.earlier.as_secs() {
            0 => format!("{} {}", self.name, self.used),
            earlier => format!("{} {} {earlier}", self.name, self.used),
        }
    }

    /// Counts what moved; another month begins at nothing. One that lies before the one that is counted is this one, for the
    /// clock was put back; if it stays so, the clock was ahead before, and the earlier month begins. `now`: since the start.
    fn count(&mut self, now: Duration, name: &str, total: u64) {
        let passed = now.saturating_sub(self.looked);
        self.looked = now;
        self.earlier = if name < self.name.as_str() { self.earlier + passed } else { Duration::ZERO };
        if name > self.name.as_str() || self.earlier >= EARLIER_FOR {
            self.used = 0;
            self.name = name.to_owned();
            self.earlier = Duration::ZERO;
        }
        self.used = self.used.saturating_add(total.saturating_sub(self.counted));
        self.counted = total;
    }

    /// When the month that is counted ends, by a clock that reads `now`, to the full minute.
    fn end(&self, now: &Now) -> u64 {
        let rest = EARLIER_FOR.saturating_sub(self.earlier).as_secs().div_ceil(60);
        let corrected = (now.unix_ms / 60_000 + rest) * 60_000;
        if self.earlier.is_zero() { now.month_end } else { corrected.min(now.month_end) }
    }
}

fn look(zoned: &Zoned) -> (Now, String) {
    let unix_ms = u64::try_from(zoned.timestamp().as_millisecond()).unwrap_or(0);
    let weekday = zoned.weekday().to_monday_zero_offset().unsigned_abs();
    let minute = u16::from(zoned.hour().unsigned_abs()) * 60 + u16::from(zoned.minute().unsigned_abs());
    // A month that has no next one lies at the end of time.
    let next = zoned.last_of_month().and_then(|last| last.tomorrow()).and_then(|first| first.start_of_day());
    let month_end = next.map_or(u64::MAX, |next| u64::try_from(next.timestamp().as_millisecond()).unwrap_or(0));
    (Now { unix_ms, moment: Moment { weekday, minute }, month_end }, zoned.strftime("%Y-%m").to_string())
}

/// Reads the settings at the start; says why nothing moves, if nothing does.
pub(crate) async fn start(ctx: &Ctx) -> Result<Option<Cause>> {
    let (rules, month) = ctx.with_store(|s| Ok((Rules::load(s)?, s.setting("month_used")?))).await?;
    let mut governor = ctx.governor.lock().await;
    (governor.rules, governor.month) = (rules, Month::load(month.as_deref()));
    let decision = governor.decide(ctx);
    governor.told.clone_from(&decision.hold);
    Ok(decision.hold)
}

impl Governor {
    fn decide(&mut self, ctx: &Ctx) -> Decision {
        let (mut now, month) = look(&Zoned::now());
        let (received, sent) = ctx.traffic.totals();
        self.month.count(ctx.clock.now(), &month, received.saturating_add(sent));
        now.month_end = self.month.end(&now);
        let decision = decide(&self.rules, now, self.month.used);
        ctx.limits.set(decision.speed, self.rules.peer);
        ctx.store.set_quota(Some(self.rules.quota).filter(|quota| *quota > 0));
        decision
    }

    /// Why nothing moves.
    pub(crate) fn hold(&self) -> Option<Cause> {
        self.told.clone()
    }

    /// The rules in force.
    pub(crate) fn rules(&self) -> &Rules {
        &self.rules
    }

    /// Bytes that moved this month, of so many since the start.
    pub(crate) fn month_used(&self, total: u64) -> u64 {
        self.month.used.saturating_add(total.saturating_sub(self.month.counted))
    }
}

/// Reads the settings again and does as they say. Nothing is told while the node is offline.
pub(crate) async fn apply(ctx: &Ctx) -> Result<()> {
    let rules = ctx.with_store(Rules::load).await?;
    ctx.governor.lock().await.rules = rules;
    tell(ctx).await;
    Ok(())
}

async fn tell(ctx: &Ctx) {
    // Held while it is told, so that two tellings keep their order.
    let mut governor = ctx.governor.lock().await;
    let Decision { hold, .. } = governor.decide(ctx);
    if hold == governor.told || ctx.config.offline {
        return;
    }
    governor.told.clone_from(&hold);
    ctx.library.send(LibraryInput::Hold(hold.clone()));
    ctx.engine.send(Input::Pause(hold.is_some())).await;
}

/// Looks once a second until the node stops.
pub(crate) async fn run(ctx: Ctx) {
    let mut tick = tokio::time::interval(EVERY);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    while ctx.stop.run_until_cancelled(tick.tick()).await.is_some() {
        tell(&ctx).await;
        let due = {
            let mut governor = ctx.governor.lock().await;
            governor.ticks = governor.ticks.wrapping_add(1);
            governor.ticks % SAVE_EVERY == 0
        };
        if due {
            save(&ctx).await;
        }
    }
    save(&ctx).await;
}

async fn save(ctx: &Ctx) {
    let text = ctx.governor.lock().await.month.to_text();
    if let Err(error) = ctx.with_store(move |s| s.set_setting("month_used", Some(&text))).await {
        tracing::warn!(code = ?error.code, "the month's count was not kept: {}", error.message);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Now = Now { unix_ms: 1_000_000_000_000, moment: Moment { weekday: 0, minute: 600 }, month_end: 7 };

    fn hold(rules: &Rules, used: u64) -> Option<Cause> {
        decide(rules, NOW, used).hold
    }

    #[test]
    fn each_rule_holds_everything_for_its_own_cause() {
        let free = Rules::default();
        assert_eq!(decide(&free, NOW, u64::MAX), Decision { hold: None, speed: Speed::default() });
        let paused = Rules { paused: true, month: 1, ..Rules::default() };
        assert_eq!(hold(&paused, 5), Some(Cause::Paused));
        let month = Rules { month: 100, ..Rules::default() };
        assert_eq!(hold(&month, 99), None);
        assert_eq!(hold(&month, 100), Some(Cause::MonthUsed { limit: 100, until: 7 }));
        let off = Rules { schedule: "mon 09:00-11:00 off".parse().unwrap(), ..Rules::default() };
        let until = NOW.unix_ms / 60_000 * 60_000 + 3_600_000;
        assert_eq!(hold(&off, 0), Some(Cause::Schedule { until: Some(until) }));
        let for_ever = Rules { schedule: "daily 00:00-24:00 off".parse().unwrap(), ..Rules::default() };
        assert_eq!(hold(&for_ever, 0), Some(Cause::Schedule { until: None }));
    }

    #[test]
    fn a_pause_ends_by_itself_and_a_clock_put_back_makes_none_endless() {
        let until = |until| Rules { paused_until: Some(until), ..Rules::default() };
        assert_eq!(hold(&until(NOW.unix_ms + 1), 0), Some(Cause::PausedUntil { until: NOW.unix_ms + 1 }));
        assert_eq!(hold(&until(NOW.unix_ms - 1), 0), None);
        assert_eq!(hold(&until(NOW.unix_ms + 40 * 86_400_000), 0), None, "set when the clock was a month ahead");
    }

    #[test]
    fn the_strictest_limit_holds() {
        let schedule = "mon 09:00-11:00 down 50k".parse().unwrap();
        let rules = Rules { all: Speed { down: 80_000, up: 9_000 }, schedule, ..Rules::default() };
        assert_eq!(decide(&rules, NOW, 0).speed, Speed { down: 50_000, up: 9_000 });
    }

    #[test]
    fn a_clock_that_was_ahead_holds_the_month_for_some_hours_only() {
        let hours = |n: u64| Duration::from_secs(n * 3600);
        // It read 2038 once, and everything was used up by then.
        let mut month = Month::load(Some("2038-01 900"));
        month.count(hours(0), "2026-11", 0);
        month.count(hours(2), "2026-11", 10);
        assert_eq!((month.used, month.to_text().as_str()), (910, "2038-01 910 7200"));
        let end = month.end(&Now { month_end: u64::MAX, ..NOW });
        assert!((3_540_000..=3_660_000).contains(&(end - NOW.unix_ms)), "told is an hour, not 2038: {end}");
        // The running time counts over restarts.
        let mut month = Month::load(Some(&month.to_text()));
        month.count(hours(1), "2026-11", 5);
        assert_eq!((month.used, month.name.as_str()), (5, "2026-11"));
        // A clock that is put right at once changes nothing.
        let mut month = Month::load(Some("2026-12 900"));
        month.count(hours(0), "2026-11", 0);
        month.count(hours(2), "2026-12", 0);
        month.count(hours(4), "2026-11", 0);
        assert_eq!((month.used, month.name.as_str()), (900, "2026-12"));
    }

    #[test]
    fn a_month_counts_its_own_bytes_over_restarts() {
        let mut month = Month::load(Some("2026-11 500"));
        let soon = Duration::from_secs(1);
        month.count(soon, "2026-11", 100);
        month.count(soon, "2026-11", 150);
        assert_eq!((month.used, month.to_text().as_str()), (650, "2026-11 650"));
        month.count(soon, "2026-10", 160);
        assert_eq!(month.used, 660, "a clock put back begins no month");
        month.count(soon, "2026-12", 200);
        assert_eq!((month.used, month.name.as_str()), (40, "2026-12"));
        for broken in [None, Some(""), Some("2026-11"), Some("2026-11 many")] {
            assert_eq!(Month::load(broken).used, 0);
        }
    }

    #[test]
    fn a_moment_is_read_from_a_clock() {
        let zoned: Zoned = "2026-11-25T22:05:00[UTC]".parse().unwrap();
        let (now, month) = look(&zoned);
        assert_eq!(now.moment, Moment { weekday: 2, minute: 22 * 60 + 5 });
        assert_eq!(month, "2026-11");
        let end: Zoned = "2026-12-01T00:00:00[UTC]".parse().unwrap();
        assert_eq!(now.month_end, u64::try_from(end.timestamp().as_millisecond()).unwrap());
    }
}
