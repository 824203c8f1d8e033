use super::*;
use proptest::prelude::*;

const CYCLE: Duration = Duration::from_secs(900);

fn topic(n: u16) -> Topic {
    let mut topic = [7; 32];
    topic[..2].copy_from_slice(&n.to_be_bytes());
    Topic(topic)
}
fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}
/// Takes everything that may go now, each announce ending at once.
fn drain(announces: &mut Announces, now: Duration, ok: bool) -> Vec<Topic> {
    let mut out = Vec::new();
    while let Some(topic) = announces.next(now) {
        assert_eq!(announces.ended(now, topic.infohash(), ok), Some(topic));
        out.push(topic);
    }
    out
}

#[test]
fn goes_by_tier_then_by_what_waited_longest() {
    let mut announces = Announces::new(10.0, CYCLE);
    let now = secs(1000);
    announces.add(now, topic(1), Tier::Blob(Rank::Rest), None);
    announces.add(now, topic(2), Tier::Blob(Rank::First), None);
    announces.add(now, topic(3), Tier::Blob(Rank::Root), None);
    announces.add(now, topic(4), Tier::Blob(Rank::Rest), Some(secs(950)));
    announces.add(now, topic(5), Tier::Blob(Rank::Rest), Some(secs(1900)));
    announces.add(now, topic(6), Tier::Rendezvous, None);
    let order = [6, 3, 2, 1, 5, 4].map(topic);
    assert_eq!(drain(&mut announces, now, true), order);
    assert_eq!(announces.coverage(now), coverage(6, 6));
}

fn coverage(total: u64, announced: u64) -> Coverage {
    Coverage { total, announced }
}

#[test]
fn what_was_announced_in_an_earlier_run_waits_for_its_turn() {
    let mut announces = Announces::new(10.0, CYCLE);
    announces.add(Duration::ZERO, topic(1), Tier::Rendezvous, Some(secs(100)));
    assert_eq!(announces.coverage(Duration::ZERO), coverage(1, 1));
    assert_eq!(drain(&mut announces, secs(799), true), []);
    assert!(announces.next_at().unwrap() >= secs(800));
    assert_eq!(drain(&mut announces, secs(801), true), [topic(1)]);
    assert_eq!(drain(&mut announces, secs(802), true), []);
}

#[test]
fn a_failed_one_is_tried_again_and_a_lost_one_too() {
    let mut announces = Announces::new(10.0, CYCLE);
    announces.add(Duration::ZERO, topic(1), Tier::Rendezvous, None);
    assert_eq!(drain(&mut announces, secs(1), false), [topic(1)]);
    assert_eq!(announces.coverage(secs(1)), coverage(1, 0));
    assert_eq!(drain(&mut announces, secs(60), false), []);
    assert_eq!(announces.next(secs(62)), Some(topic(1)));
    // Nobody answers that one.
    announces.expire(secs(100));
    assert_eq!(announces.next(secs(150)), None);
    announces.expire(secs(183));
    assert_eq!(announces.next(secs(183)), Some(topic(1)));
    assert_eq!(announces.ended(secs(184), topic(2).infohash(), true), None);
}

#[test]
fn nothing_goes_without_a_budget_and_what_is_removed_never_goes() {
    for rate in [0.0, -1.0, f64::NAN] {
        let mut announces = Announces::new(rate, CYCLE);
        announces.add(Duration::ZERO, topic(1), Tier::Rendezvous, None);
        assert_eq!(announces.next(secs(100)), None);
        assert_eq!(announces.next_at(), None);
        assert_eq!(announces.coverage(secs(100)), Coverage::default());
    }
    let mut announces = Announces::new(1.0, CYCLE);
    announces.add(Duration::ZERO, topic(1), Tier::Rendezvous, None);
    announces.remove(&topic(1));
    assert_eq!(announces.next(secs(100)), None);
    assert_eq!(announces.coverage(secs(100)).total, 0);
}

#[test]
fn a_change_of_network_makes_everything_due() {
    let mut announces = Announces::new(10.0, CYCLE);
    (1..5).for_each(|n| announces.add(Duration::ZERO, topic(n), Tier::Blob(Rank::Rest), None));
    assert_eq!(drain(&mut announces, secs(1), true).len(), 4);
    assert_eq!(drain(&mut announces, secs(3), true).len(), 0);
    announces.again();
    assert_eq!(drain(&mut announces, secs(3), true).len(), 4);
}

#[test]
fn after_a_change_of_network_the_order_is_the_same_and_nothing_goes_twice() {
    let mut announces = Announces::new(10.0, CYCLE);
    for n in 1..5 {
        announces.add(secs(0), topic(n), Tier::Blob(Rank::Rest), None);
        assert_eq!(drain(&mut announces, secs(u64::from(n)), true), [topic(n)]);
    }
    announces.add(secs(5), topic(9), Tier::Rendezvous, Some(secs(1)));
    announces.again();
    assert_eq!(announces.next_at(), Some(secs(0)), "at once, and not in a quarter of an hour");
    announces.remove(&topic(2));
    // Another change while the first one is not through yet.
    assert_eq!(announces.next(secs(6)), Some(topic(9)));
    assert_eq!(announces.ended(secs(6), topic(9).infohash(), true), Some(topic(9)));
    announces.again();
    assert_eq!(drain(&mut announces, secs(6), true), [9, 1, 3, 4].map(topic));
    assert_eq!(drain(&mut announces, secs(60), true), []);
    assert_eq!(announces.coverage(secs(60)), coverage(4, 4));
}

proptest! {
    #[test]
    fn keeps_the_budget_and_starves_nobody(count in 1u16..60, rate in 1u32..5, skips in prop::collection::vec(1u64..4, 400)) {
        let mut announces = Announces::new(f64::from(rate), secs(60));
        (0..count).for_each(|n| announces.add(Duration::ZERO, topic(n), Tier::Blob(Rank::Rest), None));
        let (mut now, mut done) = (Duration::ZERO, Vec::new());
        for skip in skips {
            now += secs(skip);
            done.extend(drain(&mut announces, now, true).into_iter().map(|topic| (now, topic)));
            prop_assert!(announces.next_at().is_none_or(|at| at > now));
        }
        for (i, (at, _)) in done.iter().enumerate() {
            let burst = done[i..].iter().take_while(|(then, _)| *then <= *at + secs(10)).count();
            prop_assert!(burst as u32 <= 11 * rate + 1);
        }
        // A second turn only after everybody's first.
        let mut seen = BTreeSet::new();
        for (_, topic) in done {
            if !seen.insert(topic) {
                break;
            }
        }
        prop_assert_eq!(seen.len(), usize::from(count));
    }
}
