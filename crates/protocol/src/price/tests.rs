use super::*;
use crate::addr::OnionKey;
use proptest::prelude::*;
use std::time::Duration;

fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}
fn at(text: &str) -> PeerAddr {
    text.parse().unwrap()
}
/// Different households, each in a neighbourhood of its own.
fn household(n: u8) -> Payer {
    Payer::caller(&PeerAddr::Ip(([45, 1, n, 7], 1000).into()), None)
}
/// Callers by one onion service.
fn hidden(n: u8) -> Payer {
    Payer::caller(&PeerAddr::Onion(OnionKey([n; 32]), 0), Some(ChannelKey([1; 32])))
}

#[test]
fn one_household_is_one_source_whatever_its_ports_and_addresses() {
    let of = |text| Payer::caller(&at(text), None);
    assert_eq!(of("45.1.2.3:1"), of("45.1.2.3:2"));
    assert_eq!(of("[::ffff:45.1.2.3]:5"), of("45.1.2.3:2"));
    assert_ne!(of("45.1.2.3:1").one, of("45.1.2.4:1").one);
    assert_eq!(of("45.1.2.3:1").neighbourhood(), of("45.1.2.250:1").neighbourhood());
    assert_ne!(of("45.1.2.3:1").neighbourhood(), of("45.1.3.3:1").neighbourhood());
    assert_eq!(of("[2a00:1:2:3401::1]:1"), of("[2a00:1:2:34ff:9::2]:7"));
    assert_ne!(of("[2a00:1:2:3401::1]:1").one, of("[2a00:1:2:3501::1]:1").one);
    assert_eq!(of("[2a00:1:2:3401::1]:1").neighbourhood(), of("[2a00:1:2:ffff::1]:1").neighbourhood());
    assert_ne!(of("[2a00:1:2:3401::1]:1").neighbourhood(), of("[2a00:1:3::1]:1").neighbourhood());
    // Who cannot be told apart: each connection, and all of them.
    assert_ne!(hidden(1).one, hidden(2).one);
    assert_eq!(
        (hidden(1).crowd.as_ref(), hidden(1).neighbourhood()),
        (hidden(2).crowd.as_ref(), hidden(2).neighbourhood())
    );
    assert_ne!(of("127.0.0.1:1").one, of("127.0.0.1:2").one);
    assert_eq!(of("127.0.0.1:1").crowd, Some(Source::Here));
    // Whom we chose ourselves hides in no crowd.
    assert_eq!(Payer::called(&at("127.0.0.1:1")).crowd, None);
}

#[test]
fn a_purse_is_spent_and_fills_again() {
    let mut purses = Purses::new(4, ms(1000), 100);
    let (one, other) = (household(1), household(2));
    for _ in 0..4 {
        assert!(purses.pay(ms(0), &one, 1));
    }
    assert!(!purses.pay(ms(0), &one, 1));
    assert!(purses.pay(ms(0), &other, 4), "another's purse is its own");
    assert_eq!(purses.payable_at(ms(0), &one, 1), ms(1000));
    assert!(!purses.pay(ms(999), &one, 1));
    assert!(purses.pay(ms(1000), &one, 1));
    purses.refund(ms(1000), &one, 3);
    assert!(purses.pay(ms(1000), &one, 3) && !purses.pay(ms(1000), &one, 1));
    // What costs more than anybody has costs all that one has.
    assert!(!purses.pay(ms(4999), &one, 9) && purses.pay(ms(5000), &one, 9));
    // Who owes nothing is not remembered.
    purses.refund(ms(90_000), &other, 1);
    assert_eq!(purses.len(), 0);
}

#[test]
fn a_crowd_has_a_purse_together_and_another_crowd_another_one() {
    let mut purses = Purses::new(4, ms(1000), 1000);
    let mut paid = 0;
    for n in 0..200 {
        paid += u32::from(purses.pay(ms(0), &hidden(n), 1));
        assert!(!purses.pay(ms(0), &hidden(n), 4), "none has more than one's own");
    }
    assert_eq!(paid, 4 * TOGETHER);
    assert!(!purses.pay(ms(0), &hidden(222), 1), "a new connection brings nothing");
    assert!(purses.pay(ms(63), &hidden(222), 1), "sixteen a second come in for all");
    let other = Payer::caller(&PeerAddr::Onion(OnionKey([250; 32]), 0), Some(ChannelKey([2; 32])));
    assert!(purses.pay(ms(0), &other, 4));
}

#[test]
fn a_new_household_finds_a_full_purse_however_many_came_before() {
    let mut purses = Purses::new(4, ms(1000), 16);
    for n in 0..255 {
        assert!(purses.pay(ms(0), &household(n), 4));
        assert!(purses.len() <= 16);
    }
}

#[test]
fn who_has_most_makes_room() {
    let mut places = Places::new(8, 8, Duration::ZERO);
    for n in 0..8 {
        assert_eq!(places.enter(ms(n), &household(1), n), Entry::Taken);
    }
    assert_eq!(places.enter(ms(8), &household(2), 100), Entry::Instead(0));
    assert_eq!(places.enter(ms(9), &household(2), 101), Entry::Instead(1));
    assert_eq!(places.enter(ms(10), &household(1), 8), Entry::Instead(2), "its own oldest");
    assert!(places.contains(&100) && places.contains(&101) && places.leave(&100) && !places.leave(&100));
    // One that is told of again is as good as new.
    assert_eq!(places.enter(ms(11), &household(1), 3), Entry::Taken);
    assert_eq!(places.enter(ms(12), &household(2), 102), Entry::Taken);
    assert_eq!(places.enter(ms(12), &household(3), 200), Entry::Instead(4));
}

#[test]
fn who_came_just_now_makes_room_for_no_more_of_its_like() {
    let mut places = Places::new(4, 2, ms(3000));
    for n in 0..4 {
        assert_eq!(places.enter(ms(0), &hidden(n), u64::from(n)), Entry::Taken);
    }
    assert_eq!(places.enter(ms(2999), &hidden(4), 4), Entry::Refused, "none has been here for three seconds");
    assert_eq!(places.enter(ms(3000), &hidden(4), 4), Entry::Instead(0));
    assert_eq!(places.enter(ms(3001), &hidden(5), 5), Entry::Instead(1));
    // A crowd that fills everything in a moment does not keep others out.
    let mut places = Places::new(4, 3, ms(3000));
    for n in 0..4 {
        assert_eq!(places.enter(ms(n), &hidden(n as u8), n), Entry::Taken);
    }
    assert_eq!(places.enter(ms(5), &household(1), 10), Entry::Instead(0));
    assert_eq!(places.enter(ms(5), &household(1), 11), Entry::Instead(1));
    assert_eq!(places.enter(ms(5), &household(1), 12), Entry::Refused, "both have as much");
    assert_eq!(places.enter(ms(3005), &household(1), 12), Entry::Instead(10), "its own");
    let mut places = Places::new(4, 1, ms(3000));
    assert_eq!(places.enter(ms(0), &household(1), 1), Entry::Taken);
    assert_eq!(places.enter(ms(9000), &household(1), 2), Entry::Refused, "one is enough for one household");
}

#[test]
fn one_service_leaves_room_for_another() {
    let mut places = Places::new(6, 6, ms(3000)).of_neighbourhood(4);
    let other = |n: u8| Payer::caller(&PeerAddr::Onion(OnionKey([n; 32]), 0), Some(ChannelKey([2; 32])));
    for n in 0..4 {
        assert_eq!(places.enter(ms(0), &hidden(n), n), Entry::Taken);
    }
    assert_eq!(places.enter(ms(1), &hidden(4), 4), Entry::Refused);
    assert_eq!(places.enter(ms(2), &other(20), 20), Entry::Taken);
    assert_eq!(places.enter(ms(3), &other(21), 21), Entry::Taken);
    assert_eq!(places.enter(ms(4), &other(22), 22), Entry::Instead(0));
    assert_eq!(
        places.enter(ms(3000), &hidden(5), 5),
        Entry::Instead(1),
        "for its own kind only, however many others have"
    );
}

#[test]
fn work_for_others_is_shared_among_those_who_ask() {
    let mut turns = Turns::new(3, 3, 10, ms(5000));
    for n in 0..8 {
        assert_eq!(turns.ask(ms(0), household(1), n), None);
    }
    for n in 0..3 {
        assert_eq!(turns.next(), Some((household(1), n)));
    }
    for n in 100..102 {
        assert_eq!(turns.ask(ms(10), household(2), n), None);
    }
    assert_eq!(turns.next(), None);
    turns.done(&household(1));
    assert_eq!(turns.next(), Some((household(2), 100)), "who has nothing under way, though the other waited longer");
    turns.done(&household(1));
    assert_eq!(turns.next(), Some((household(1), 3)), "who has as much waits in the order asked");
    turns.done(&household(2));
    assert_eq!(turns.next(), Some((household(2), 101)));
    // Who asks for most is refused first.
    for n in 0..6 {
        assert_eq!(turns.ask(ms(30), household(1), 20 + n), None);
    }
    assert_eq!(turns.ask(ms(30), household(3), 200), Some(25));
    assert_eq!(turns.ask(ms(30), household(1), 26), Some(26));
    assert_eq!((turns.waiting(), turns.next_at()), (10, Some(ms(5000))));
    assert_eq!(turns.expire(ms(5000)), [4, 5, 6, 7]);
    assert_eq!(turns.next_at(), Some(ms(5030)));
}

#[test]
fn of_a_crowd_who_asks_for_most_is_refused_first() {
    let mut turns = Turns::new(1, 1, 6, ms(5000));
    for n in 0..6 {
        assert_eq!(turns.ask(ms(0), hidden(1), n), None);
    }
    assert_eq!(turns.ask(ms(1), hidden(2), 100), Some(5));
    assert_eq!(turns.ask(ms(1), household(1), 200), Some(4));
}

/// What happens to purses: who, how much, after how long, paid or given back.
type Step = (u8, u32, u64, bool);

fn steps() -> impl Strategy<Value = Vec<Step>> {
    prop::collection::vec((0u8..5, 1u32..7, 0u64..4000, prop::bool::weighted(0.7)), 1..80)
}

proptest! {
    #[test]
    fn purses_are_buckets_of_tokens_one_for_each(steps in steps(), full in 1u32..20, every in 1u64..3000) {
        let mut purses = Purses::new(full, ms(every), 100);
        // Tokens in thousandths of what comes in a millisecond, so that all is whole.
        let (most, mut now) = (u64::from(full) * every, 0);
        let mut model = [(most, 0_u64); 5];
        let mut honest = [0_u32; 5];
        for (who, price, wait, pays) in steps {
            now += wait;
            let n = usize::from(who);
            let (left, since) = model[n];
            let left = (left + now - since).min(most);
            let cost = u64::from(price.min(full)) * every;
            model[n] = (left, now);
            if pays {
                let granted = purses.pay(ms(now), &household(who), price);
                prop_assert_eq!(granted, left >= cost);
                if granted {
                    model[n].0 = left - cost;
                    honest[n] += price.min(full);
                }
            } else {
                let back = price.min(honest[n]);
                honest[n] -= back;
                purses.refund(ms(now), &household(who), back);
                model[n].0 = (left + u64::from(back.min(full)) * every).min(most);
            }
        }
    }
    #[test]
    fn nobody_feels_what_another_network_spends(steps in steps()) {
        let run = |alone: bool| {
            let (mut purses, mut now, mut seen) = (Purses::new(5, ms(700), 100), 0, Vec::new());
            for (who, price, wait, pays) in steps.clone() {
                now += wait;
                if alone && who != 0 {
                    continue;
                }
                let result = match pays {
                    true => purses.pay(ms(now), &household(who), price),
                    false => { purses.refund(ms(now), &household(who), price); true }
                };
                if who == 0 {
                    seen.push(result);
                }
            }
            seen
        };
        prop_assert_eq!(run(true), run(false));
    }
    #[test]
    fn what_is_given_back_was_never_taken(steps in steps(), price in 1u32..7) {
        let (mut purses, mut now) = (Purses::new(5, ms(700), 100), 0);
        for (who, price, wait, _) in steps {
            now += wait;
            purses.pay(ms(now), &hidden(who), price);
        }
        let before: Vec<Duration> = (0..5).map(|n| purses.payable_at(ms(now), &hidden(n), 5)).collect();
        if purses.pay(ms(now), &hidden(0), price) {
            purses.refund(ms(now), &hidden(0), price);
        }
        let after: Vec<Duration> = (0..5).map(|n| purses.payable_at(ms(now), &hidden(n), 5)).collect();
        prop_assert_eq!(before, after);
    }
    #[test]
    fn places_have_an_end_and_nobody_has_less_than_a_fair_share_because_of_others(
        steps in prop::collection::vec((0u8..6, 0u16..60, 0u64..2000, prop::bool::weighted(0.85)), 1..200),
        young in 0u64..3000,
    ) {
        const MOST: usize = 12;
        let mut places = Places::new(MOST, 7, ms(young));
        let (mut now, mut stands) = (0, std::collections::BTreeMap::new());
        for (who, what, wait, enters) in steps {
            now += wait;
            let count = |stands: &std::collections::BTreeMap<u16, (u8, u64)>, who| stands.values().filter(|(w, _)| *w == who).count();
            if !enters {
                prop_assert_eq!(places.leave(&what), stands.remove(&what).is_some());
                continue;
            }
            let (had, knew) = (count(&stands, who), stands.contains_key(&what));
            match places.enter(ms(now), &household(who), what) {
                Entry::Taken => {
                    // Another's stays another's.
                    if stands.get(&what).is_none_or(|(owner, _)| *owner == who) {
                        stands.insert(what, (who, now));
                    }
                }
                Entry::Instead(gone) => {
                    let (loser, since) = stands.remove(&gone).unwrap();
                    let (left, own) = (count(&stands, loser), loser == who);
                    prop_assert!(own || left >= had, "who has less makes no room");
                    prop_assert!(since + young <= now || (!own && left > had), "it was young");
                    prop_assert!(!knew);
                    stands.insert(what, (who, now));
                }
                Entry::Refused => {
                    prop_assert!(!knew && (had >= 7 || stands.len() == MOST));
                    // None who has as many stood long enough, and nobody has more.
                    let ripe = |(w, since): &(u8, u64)| {
                        (since + young <= now && (*w == who || count(&stands, *w) > had))
                            || (*w != who && count(&stands, *w) > had + 1)
                    };
                    prop_assert!(had >= 7 || !stands.values().any(ripe));
                }
            }
            prop_assert!(places.len() <= MOST && places.len() == stands.len());
            prop_assert!((0..6).all(|who| count(&stands, who) <= 7));
        }
    }
    #[test]
    fn turns_are_few_and_fair(steps in prop::collection::vec((0u8..4, 0u8..3), 1..150)) {
        let mut turns = Turns::new(4, 2, 6, ms(5000));
        let (mut running, mut refused, mut asked): (Vec<Payer>, usize, usize) = (Vec::new(), 0, 0);
        let mut begun = 0;
        for (n, (who, what)) in steps.into_iter().enumerate() {
            match what {
                0 | 1 => {
                    asked += 1;
                    refused += usize::from(turns.ask(ms(0), household(who), n).is_some());
                }
                _ if running.is_empty() => {}
                _ => {
                    let done = running.remove(usize::from(who) % running.len());
                    turns.done(&done);
                }
            }
            while let Some((who, _)) = turns.next() {
                running.push(who);
                begun += 1;
            }
            prop_assert!(running.len() <= 4 && turns.waiting() <= 6);
            prop_assert_eq!(running.len(), turns.under_way());
            prop_assert!((0..4).all(|n| running.iter().filter(|who| **who == household(n)).count() <= 2));
            prop_assert_eq!(asked, begun + refused + turns.waiting());
        }
    }
}
