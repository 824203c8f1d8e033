use super::*;

const MIB: f64 = BLOB_LEN as f64;
const TICK: Duration = Duration::from_millis(50);

#[test]
fn idle_hours_are_not_taken_for_a_thin_line() {
    let mut line = Line::default();
    // A blob each hour, in a second.
    for at in (1..5).map(|n| n * Duration::from_secs(3600)) {
        line.wakes(at);
        line.ended(at + Duration::from_secs(1));
    }
    assert_eq!(line.best, MIB);
    assert_eq!(line.places, AT_ONCE);
}

/// Peers that never have enough, each of which takes so many blobs a second, and a line that gives so many: blobs a
/// second that went out in the last two thirds of the time, and how many were sent at a time, on average.
fn busy(line: &mut Line, peers: usize, takes: f64, gives: f64, from: Duration, secs: u32) -> (f64, f64) {
    // What each blob that is being sent still lacks.
    let mut under_way: Vec<f64> = Vec::new();
    let (mut ended, mut at_once, mut ticks) = (0, 0, 0);
    line.wakes(from);
    for tick in 0..secs * 20 {
        let now = from + tick * TICK;
        under_way.resize(line.at_once().min(peers), 1.0);
        if under_way.len() < line.at_once() {
            line.has_room();
        }
        let share = takes.min(gives / under_way.len() as f64) * TICK.as_secs_f64();
        under_way.iter_mut().for_each(|lacks| *lacks -= share);
        let before = under_way.len();
        under_way.retain(|lacks| *lacks > 0.0);
        let done = before - under_way.len();
        (0..done).for_each(|_| line.ended(now));
        if tick >= secs * 20 / 3 {
            (ended, at_once, ticks) = (ended + done, at_once + before, ticks + 1);
        }
    }
    (ended as f64 / (f64::from(ticks) * TICK.as_secs_f64()), at_once as f64 / f64::from(ticks))
}

#[test]
fn a_line_that_no_few_peers_fill_is_filled_by_many() {
    for (takes, gives) in [(1.0, 20.0), (2.0, 30.0), (0.5, 10.0)] {
        let (rate, _) = busy(&mut Line::default(), 100, takes, gives, Duration::ZERO, 120);
        assert!(rate > 0.8 * gives, "{takes} of {gives}: {rate}");
    }
}

#[test]
fn a_thin_line_sends_few_at_a_time() {
    for gives in [0.1, 0.5, 1.0, 5.0] {
        let (rate, at_once) = busy(&mut Line::default(), 100, 10.0, gives, Duration::ZERO, 600);
        assert!(rate > 0.95 * gives, "of {gives}: {rate}");
        assert!(at_once < 1.5 * AT_ONCE as f64, "of {gives}: {at_once}");
    }
}

#[test]
fn a_line_that_became_thin_goes_back_to_few() {
    let mut line = Line::default();
    let (_, many) = busy(&mut line, 100, 1.0, 20.0, Duration::ZERO, 120);
    assert!(many > 15.0, "{many}");
    let (rate, few) = busy(&mut line, 100, 1.0, 2.0, Duration::from_secs(3600), 600);
    assert!(rate > 1.9 && few < 8.0, "{rate} {few}");
}
