//! A weekly schedule: when nothing moves, or when less may.
//!
//! Written `mon-fri 08:00-18:00 off; sat,sun 20:00-23:00 down 200k up 50k`. Times are those of this computer's clock and
//! time zone. A span that ends before it begins goes on after midnight. Where spans overlap, the strictest holds.

use protocol::words::quoted;

use crate::amounts;
use crate::limits::Speed;

const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
const DAY: u16 = 24 * 60;
/// Spans of one schedule.
const SPANS_MAX: usize = 64;

/// A moment of the week.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Moment {
    /// 0 Monday to 6 Sunday.
    pub(crate) weekday: u8,
    /// Minute of the day.
    pub(crate) minute: u16,
}

impl Moment {
    fn after(self, minutes: u16) -> Self {
        let all = u32::from(self.weekday) * u32::from(DAY) + u32::from(self.minute) + u32::from(minutes);
        let day = (all / u32::from(DAY)) % 7;
        Self { weekday: day as u8, minute: (all % u32::from(DAY)) as u16 }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Span {
    /// One bit a day, Monday first.
    days: u8,
    from: u16,
    to: u16,
    /// `None`: nothing moves.
    speed: Option<Speed>,
}

impl Span {
    fn holds(&self, at: Moment) -> bool {
        let on = |day: u8| self.days & (1 << day) != 0;
        if self.from < self.to {
            return on(at.weekday) && (self.from..self.to).contains(&at.minute);
        }
        (on(at.weekday) && at.minute >= self.from) || (on((at.weekday + 6) % 7) && at.minute < self.to)
    }
}

/// The whole of it; empty: nothing is scheduled.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Schedule(Vec<Span>);

/// What a schedule says of a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Say {
    /// Nothing moves.
    Off,
    /// At most so fast.
    At(Speed),
}

impl Schedule {
    /// What holds now.
    pub(crate) fn at(&self, now: Moment) -> Say {
        let mut speed = Speed::default();
        for span in self.0.iter().filter(|span| span.holds(now)) {
            match span.speed {
                None => return Say::Off,
                Some(other) => speed = stricter(speed, other),
            }
        }
        Say::At(speed)
    }

    /// Minutes until something moves again; `None`: never.
    pub(crate) fn off_for(&self, now: Moment) -> Option<u16> {
        (1..=7 * DAY).find(|minutes| self.at(now.after(*minutes)) != Say::Off)
    }
}

/// The stricter of two limits, where 0 is none.
pub(crate) fn stricter(one: Speed, other: Speed) -> Speed {
    let least = |a: u64, b: u64| {
        if a == 0 {
            b
        } else if b == 0 {
            a
        } else {
            a.min(b)
        }
    };
    Speed { down: least(one.down, other.down), up: least(one.up, other.up) }
}

impl std::str::FromStr for Schedule {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let spans: Vec<&str> = text.split(';').map(str::trim).filter(|span| !span.is_empty()).collect();
        if spans.len() > SPANS_MAX {
            return Err(format!("at most {SPANS_MAX} spans"));
        }
        spans.into_iter().map(span).collect::<Result<_, _>>().map(Self)
    }
}

fn span(text: &str) -> Result<Span, String> {
    let words: Vec<&str> = text.split_whitespace().collect();
    let [days, times, rest @ ..] = words.as_slice() else {
        return Err(format!("{}: write DAYS FROM-TO off, or DAYS FROM-TO down RATE up RATE", quoted(text)));
    };
    let (from, to) =
        times.split_once('-').ok_or_else(|| format!("{}: write FROM-TO, such as 08:00-18:00", quoted(times)))?;
    let (from, to) = (minute(from)?, minute(to)?);
    if from == DAY || from == to {
        return Err(format!("{} is no span of time; a whole day is 00:00-24:00", quoted(times)));
    }
    Ok(Span { days: day_set(days)?, from, to, speed: speed(rest)? })
}

fn minute(text: &str) -> Result<u16, String> {
    let wrong = || format!("{}: write a time such as 08:30", quoted(text));
    let (hour, minute) = text.split_once(':').ok_or_else(wrong)?;
    let number = |text: &str| text.parse::<u16>().ok().filter(|_| (1..=2).contains(&text.len()));
    match (number(hour), number(minute)) {
        (Some(24), Some(0)) => Ok(DAY),
        (Some(hour @ 0..24), Some(minute @ 0..60)) => Ok(hour * 60 + minute),
        _ => Err(wrong()),
    }
}

fn day_set(text: &str) -> Result<u8, String> {
    let day = |name: &str| {
        DAYS.iter()
            .position(|day| *day == name)
            .ok_or_else(|| format!("{} is no day: write mon to sun, or daily", quoted(name)))
    };
    if text == "daily" {
        return Ok(0x7f);
    }
    let mut set = 0;
    for part in text.split(',') {
        let (first, last) = match part.split_once('-') {
            Some((first, last)) => (day(first)?, day(last)?),
            None => (day(part)?, day(part)?),
        };
        let mut at = first;
        loop {
            set |= 1 << at;
            if at == last {
                break;
            }
            at = (at + 1) % 7;
        }
    }
    Ok(set)
}

fn speed(words: &[&str]) -> Result<Option<Speed>, String> {
    if words == ["off"] {
        return Ok(None);
    }
    let mut speed = Speed::default();
    for pair in words.chunks(2) {
        let &[which, amount] = pair else { return Err(format!("{} lacks its rate", quoted(pair[0]))) };
        let rate = amounts::bytes(amount).filter(|rate| *rate > 0);
        let rate = rate.ok_or_else(|| format!("{} is no rate: write one such as 200k", quoted(amount)))?;
        match which {
            "down" => speed.down = rate,
            "up" => speed.up = rate,
            _ => return Err(format!("{}: write off, or down RATE, up RATE", quoted(which))),
        }
    }
    if speed == Speed::default() {
        return Err("a span needs off, or a rate".into());
    }
    Ok(Some(speed))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(schedule: &Schedule, weekday: u8, hour: u16) -> Say {
        schedule.at(Moment { weekday, minute: hour * 60 })
    }

    #[test]
    fn spans_hold_on_their_days_and_at_their_times() {
        let text = "mon-fri 08:00-18:00 off; sat,sun 20:00-23:00 down 200k up 50k ; daily 22:00-06:00 up 80k";
        let schedule: Schedule = text.parse().unwrap();
        let free = Say::At(Speed::default());
        let up = |up| Say::At(Speed { down: 0, up });
        assert_eq!(at(&schedule, 0, 8), Say::Off);
        assert_eq!(at(&schedule, 4, 17), Say::Off);
        assert_eq!(at(&schedule, 4, 18), free);
        assert_eq!(at(&schedule, 5, 12), free);
        assert_eq!(at(&schedule, 6, 21), Say::At(Speed { down: 200_000, up: 50_000 }));
        assert_eq!(at(&schedule, 6, 22), Say::At(Speed { down: 200_000, up: 50_000 }), "the strictest holds");
        assert_eq!(at(&schedule, 2, 5), up(80_000), "past midnight");
        assert_eq!(at(&schedule, 2, 6), free);
        assert_eq!(schedule.off_for(Moment { weekday: 0, minute: 8 * 60 }), Some(600));
        assert_eq!(at(&Schedule::default(), 3, 3), free);
    }

    #[test]
    fn a_span_may_go_over_the_end_of_the_week() {
        let schedule: Schedule = "fri-mon 00:00-24:00 off; sun 23:00-01:00 up 1k".parse().unwrap();
        for (day, off) in [(0, true), (1, false), (3, false), (4, true), (6, true)] {
            assert_eq!(at(&schedule, day, 12) == Say::Off, off, "{day}");
        }
        let always: Schedule = "daily 00:00-24:00 off".parse().unwrap();
        assert_eq!(always.off_for(Moment { weekday: 0, minute: 0 }), None);
        assert_eq!(schedule.off_for(Moment { weekday: 4, minute: 0 }), Some(4 * DAY));
    }

    #[test]
    fn what_is_no_schedule_is_told() {
        for text in [
            "mon",
            "mon 8-18 off",
            "mon 08:00 off",
            "mon 08:00-08:00 off",
            "mon 24:00-08:00 off",
            "mon 08:60-09:00 off",
            "mon 25:00-09:00 off",
            "moon 08:00-09:00 off",
            "mon 08:00-09:00",
            "mon 08:00-09:00 down",
            "mon 08:00-09:00 down fast",
            "mon 08:00-09:00 sideways 5k",
            "mon 08:00-09:00 down 0",
        ] {
            assert!(text.parse::<Schedule>().is_err(), "{text}");
        }
        assert!("mon 08:00-09:00 off;".repeat(65).parse::<Schedule>().is_err());
        assert_eq!(" ; ".parse(), Ok(Schedule::default()));
    }
}
