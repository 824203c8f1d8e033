use super::*;
use proptest::prelude::*;

const KEY: ChannelKey = ChannelKey([1; 32]);
const OTHER: ChannelKey = ChannelKey([2; 32]);

fn addr(n: u32) -> PeerAddr {
    format!("45.{}.{}.{}:6881", n >> 16 & 255, n >> 8 & 255, n & 255).parse().unwrap()
}
fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}
fn ready(book: &Book, now: Duration) -> Vec<PeerAddr> {
    book.candidates(now, &KEY).0
}

#[test]
fn waits_longer_after_each_failure_and_gives_up_what_somebody_told() {
    let mut book = Book::default();
    assert!(book.add(secs(0), addr(1), Some(KEY), Source::Pex));
    assert!(book.add(secs(0), addr(2), Some(KEY), Source::User));
    assert_eq!(ready(&book, secs(0)), [addr(2), addr(1)], "the user's first");
    let mut wait = 5;
    let mut now = secs(0);
    for _ in 1..FAILS_MAX {
        book.failed(now, &addr(1), 0.5);
        assert!(!ready(&book, now + secs(wait) - Duration::from_millis(1)).contains(&addr(1)));
        assert!(ready(&book, now + secs(wait)).contains(&addr(1)));
        now += secs(wait);
        wait *= 2;
    }
    book.failed(now, &addr(1), 0.5);
    assert_eq!(book.known(&KEY), 1, "forgotten");
    for _ in 0..100 {
        book.failed(now, &addr(2), 0.5);
    }
    assert_eq!(ready(&book, now + secs(60)), [addr(2)], "the user's is tried every minute for ever");
    book.reached(&addr(2));
    book.failed(now, &addr(2), 0.5);
    assert_eq!(ready(&book, now + secs(5)), [addr(2)]);
}

#[test]
fn takes_only_what_can_be_dialled_and_names_only_from_the_user() {
    let mut book = Book::default();
    for bad in ["0.0.0.0:1", "255.255.255.255:1", "224.0.0.1:1"] {
        let bad: std::net::SocketAddr = bad.parse().unwrap();
        assert!(!book.add(secs(0), PeerAddr::Ip(bad), Some(KEY), Source::User));
    }
    let name = PeerAddr::Name("peer.example".into(), 6881);
    assert!(!book.add(secs(0), name.clone(), Some(KEY), Source::Pex));
    assert!(book.add(secs(0), name, Some(KEY), Source::User));
    assert!(!book.add(secs(0), addr(1), None, Source::Body), "only the user says that an address may serve anything");
    assert!(book.add(secs(0), addr(1), None, Source::User));
    assert!(ready(&book, secs(0)).contains(&addr(1)));
}

#[test]
fn a_full_channel_prefers_what_is_trusted_more() {
    let mut book = Book::default();
    let max = PER_CHANNEL_MAX as u32;
    (0..max).for_each(|n| assert!(book.add(secs(0), addr(n), Some(KEY), Source::Pex)));
    assert!(!book.add(secs(0), addr(max), Some(KEY), Source::Pex), "no better than what is there");
    assert!(book.add(secs(0), addr(max), Some(KEY), Source::Dht), "better");
    assert_eq!(book.known(&KEY), PER_CHANNEL_MAX);
    book.failed(secs(0), &addr(7), 0.0);
    book.failed(secs(0), &addr(7), 0.0);
    let has = |book: &Book, n| book.entries.get(&addr(n)).is_some_and(|e| e.channels.contains(&KEY));
    if has(&book, 7) {
        assert!(book.add(secs(0), addr(max + 1), Some(KEY), Source::Pex), "one that failed makes room");
        assert!(!has(&book, 7));
    }
    // The user's own are never pushed out.
    let mut book = Book::default();
    (0..max).for_each(|n| assert!(book.add(secs(0), addr(n), Some(KEY), Source::User)));
    assert!(!book.add(secs(0), addr(max), Some(KEY), Source::Body));
}

#[test]
fn who_is_banned_is_neither_dialled_nor_learnt_and_the_users_own_never() {
    let mut book = Book::default();
    let (one, other): (PeerAddr, PeerAddr) = ("45.1.2.3:1000".parse().unwrap(), "45.1.2.3:2000".parse().unwrap());
    let neighbour: PeerAddr = "45.1.2.3:3000".parse().unwrap();
    book.add(secs(0), one.clone(), Some(KEY), Source::Dht);
    let until = book.ban(secs(0), &one, None, secs(3600));
    assert_eq!((until, book.candidates(secs(0), &KEY)), (secs(600), (vec![], Some(secs(600)))));
    assert!(!book.add(secs(0), one.clone(), Some(OTHER), Source::Dht), "a banned address is not learnt");
    assert!(!book.is_banned(secs(0), &neighbour));
    assert_eq!(book.ban(secs(1), &other, None, secs(3600)), secs(3601));
    assert!(book.is_banned(secs(2), &neighbour), "two of its places");
    book.expire(secs(3601));
    assert_eq!(ready(&book, secs(3601)), [one]);
    // The user's own is left alone for a moment: there may be nobody else.
    let mut book = Book::default();
    book.add(secs(0), other.clone(), Some(KEY), Source::User);
    for n in 0..5 {
        assert_eq!(book.ban(secs(n), &other, None, secs(3600)), secs(n) + USER_RESTS);
        assert_eq!(book.ban(secs(n), &neighbour, Some(&other), secs(3600)), secs(n) + USER_RESTS, "it called");
    }
    assert!(!book.is_banned(secs(5), &other) && ready(&book, secs(5)).is_empty());
    assert_eq!(ready(&book, secs(4) + USER_RESTS), [other]);
}

#[test]
fn a_boaster_is_left_alone_for_its_time() {
    let mut book = Book::default();
    book.add(secs(0), addr(1), Some(KEY), Source::Dht);
    book.boasted(secs(0), &addr(1), secs(600));
    assert!(book.is_boaster(secs(599), &addr(1)));
    assert!(!book.is_boaster(secs(0), &"45.0.0.1:4000".parse().unwrap()), "another one behind the same address");
    assert!(!book.is_banned(secs(0), &addr(1)));
    assert!(ready(&book, secs(599)).is_empty());
    assert_eq!(ready(&book, secs(600)), [addr(1)]);
    assert!(!book.is_boaster(secs(600), &addr(1)));
    // Who calls again and again from other ports is known in the end.
    for port in [4000, 4001] {
        book.boasted(secs(700), &format!("45.0.0.1:{port}").parse().unwrap(), secs(600));
    }
    assert!(book.is_boaster(secs(701), &"45.0.0.1:4002".parse().unwrap()));
}

#[test]
fn an_address_serves_until_its_last_channel_is_left() {
    let mut book = Book::default();
    book.add(secs(0), addr(1), Some(KEY), Source::Dht);
    book.add(secs(0), addr(1), Some(OTHER), Source::Body);
    book.add(secs(0), addr(2), Some(KEY), Source::Dht);
    book.drop_channel(&KEY);
    assert_eq!(book.known(&KEY), 0);
    assert_eq!(book.entries.len(), 1);
    assert_eq!(book.get(&addr(1)).map(|e| e.source), Some(Source::Body));
    book.is_us(&addr(1));
    assert!(book.candidates(secs(0), &OTHER).0.is_empty());
    book.forgive(secs(9));
    assert_eq!(book.candidates(secs(9), &OTHER).0, [addr(1)]);
    book.drop_channel(&OTHER);
    assert!(book.entries.is_empty() && book.by_channel.is_empty());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn never_grows_beyond_its_bounds(steps in prop::collection::vec((0u32..6000, 0u8..40, 0u8..4, any::<bool>()), 1..30)) {
        let sources = [Source::User, Source::Body, Source::Dht, Source::Pex];
        let mut book = Book::default();
        for (from, channel, source, fails) in steps {
            // A whole answer at a time.
            for n in from..from + 200 {
                book.add(secs(0), addr(n), Some(ChannelKey([channel; 32])), sources[usize::from(source)]);
                if fails {
                    book.failed(secs(0), &addr(n), 0.3);
                }
            }
            prop_assert!(book.entries.len() <= ADDRS_MAX);
            for (key, set) in &book.by_channel {
                prop_assert!(set.len() <= PER_CHANNEL_MAX && !set.is_empty());
                for (source, fails, addr) in set {
                    let entry = &book.entries[addr];
                    prop_assert!(entry.channels.contains(key) && (entry.source, entry.fails) == (*source, *fails));
                }
            }
            for (addr, entry) in &book.entries {
                prop_assert!(entry.any || !entry.channels.is_empty());
                let worth = (entry.source, entry.fails, addr.clone());
                prop_assert!(entry.channels.iter().all(|key| book.by_channel[key].contains(&worth)));
                prop_assert!(book.by_worth.contains(&worth));
                prop_assert_eq!(entry.source == Source::User, book.users.contains(addr));
            }
            prop_assert_eq!(book.by_worth.len(), book.entries.len());
            prop_assert!(book.users.iter().all(|addr| book.entries.contains_key(addr)));
        }
    }
}
