use super::line::{AT_ONCE, LATE};
use super::*;

fn id(n: u8) -> BlobId {
    BlobId([n; 32])
}
fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}
fn next(uploads: &mut Uploads, now: Duration) -> Vec<(u64, u8)> {
    std::iter::from_fn(|| uploads.next(now, |_| 0, |_| true)).map(|(conn, blob)| (conn.0, blob.0[0])).collect()
}

#[test]
fn a_few_at_a_time_and_of_one_peer_fewer() {
    let mut uploads = Uploads::default();
    (0..9).for_each(|n| uploads.asked(Duration::ZERO, ConnId(1), id(n)));
    assert_eq!(next(&mut uploads, Duration::ZERO), [(1, 0), (1, 1)], "in the order asked");
    uploads.asked(Duration::ZERO, ConnId(2), id(20));
    uploads.asked(Duration::ZERO, ConnId(2), id(21));
    assert!(next(&mut uploads, Duration::ZERO).is_empty());
    uploads.ended(secs(1), ConnId(1), true);
    uploads.ended(secs(1), ConnId(1), true);
    assert_eq!(next(&mut uploads, secs(1)), [(2, 20), (1, 2)], "who has less under way goes first");
    uploads.ended(secs(2), ConnId(2), true);
    assert_eq!(next(&mut uploads, secs(2)), [(2, 21)]);
    // However quick the line, one peer does not get all of it.
    for (blobs, most) in [(100, AHEAD), (200, AHEAD_FAST)] {
        let mut uploads = Uploads::default();
        for n in 0..blobs {
            uploads.asked(Duration::ZERO, ConnId(1), id(n));
            assert_eq!(next(&mut uploads, Duration::ZERO).len(), 1);
            uploads.ended(Duration::ZERO, ConnId(1), true);
        }
        (0..9).for_each(|n| uploads.asked(secs(1), ConnId(1), id(n)));
        assert_eq!(next(&mut uploads, secs(1)).len(), most);
    }
}

#[test]
fn everything_goes_out_once_before_anything_goes_out_twice() {
    let mut uploads = Uploads::default();
    let mut sent = BTreeMap::<BlobId, u16>::new();
    // Twenty peers ask for the same four blobs, each in another order.
    for conn in 0..20u8 {
        (0..4).for_each(|n| uploads.asked(Duration::ZERO, ConnId(u64::from(conn)), id((conn + n) % 4)));
    }
    let mut order = Vec::new();
    for at in 0..12 {
        while let Some((conn, blob)) = uploads.next(secs(at), |blob| sent.get(blob).copied().unwrap_or(0), |_| true) {
            *sent.entry(blob).or_default() += 1;
            order.push(blob);
            uploads.ended(secs(at), conn, true);
            if order.len() as u64 == 4 * (at + 1) {
                break;
            }
        }
    }
    let distinct = |blobs: &[BlobId]| blobs.iter().collect::<std::collections::BTreeSet<_>>().len();
    assert_eq!(distinct(&order[..4]), 4);
    assert_eq!(distinct(&order[4..8]), 4);
}

#[test]
fn nobody_waits_for_ever() {
    let mut uploads = Uploads::default();
    uploads.asked(Duration::ZERO, ConnId(0), id(0));
    let mut served = None;
    for at in 0..60 {
        // Others ask all the time for what never went out; the first one wants what went out often.
        (1..9).for_each(|conn| uploads.asked(secs(at), ConnId(conn), id(1)));
        for _ in 0..4 {
            let common = |blob: &BlobId| if *blob == id(0) { 9 } else { 0 };
            let Some((conn, _)) = uploads.next(secs(at), common, |_| true) else { break };
            uploads.ended(secs(at), conn, true);
            served = served.or((conn == ConnId(0)).then_some(at));
        }
    }
    assert!(served.is_some_and(|at| at <= 20), "{served:?}");
}

#[test]
fn who_takes_slowly_keeps_no_slot_from_others() {
    let mut uploads = Uploads::default();
    for conn in 0..10 {
        uploads.asked(Duration::ZERO, ConnId(conn), id(0));
    }
    assert_eq!(next(&mut uploads, Duration::ZERO).len(), AT_ONCE);
    assert_eq!(uploads.next_at(Duration::ZERO), Some(LATE.1));
    assert!(next(&mut uploads, LATE.1 - secs(1)).is_empty());
    assert_eq!(next(&mut uploads, LATE.1).len(), AT_ONCE);
    // And however slow all of them are, memory has an end.
    for conn in 10..100 {
        uploads.asked(LATE.1, ConnId(conn), id(0));
    }
    for round in 2..30 {
        next(&mut uploads, LATE.1 * round);
    }
    assert_eq!(uploads.queues.values().map(|queue| queue.sending.len()).sum::<usize>(), AT_ONCE_MAX);
    // One that goes makes room.
    uploads.remove(ConnId(0));
    assert_eq!(next(&mut uploads, LATE.1 * 31).len(), 1);
}

#[test]
fn a_quick_one_among_many_slow_ones_is_served_at_once() {
    let mut uploads = Uploads::default();
    // Our line is fast: it has sent a hundred blobs in two seconds.
    for n in 0..100 {
        uploads.asked(Duration::ZERO, ConnId(1000), id(n));
        assert_eq!(next(&mut uploads, Duration::ZERO).len(), 1);
        uploads.ended(secs(if n < 99 { 0 } else { 2 }), ConnId(1000), true);
    }
    assert_eq!(uploads.line.late(), Duration::from_secs_f64(40.0 * 4.0 / 50.0));
    // Fifty take a blob in 16 seconds, and never have enough.
    let mut under_way: VecDeque<(u64, u64)> = VecDeque::new();
    let mut slowly = |uploads: &mut Uploads, at: u64| {
        while under_way.front().is_some_and(|(since, _)| since + 16 <= at) {
            let (_, conn) = under_way.pop_front().unwrap();
            uploads.ended(secs(at), ConnId(conn), true);
            uploads.asked(secs(at), ConnId(conn), id(1));
        }
        under_way.extend(next(uploads, secs(at)).iter().map(|(conn, _)| (at, *conn)));
    };
    for conn in 0..50 {
        (0..8).for_each(|n| uploads.asked(secs(2), ConnId(conn), id(n)));
    }
    (2..60).for_each(|at| slowly(&mut uploads, at));
    let slow = uploads.queues.values().map(|queue| queue.sending.len()).sum::<usize>();
    assert!((AT_ONCE_SLOW..AT_ONCE_MAX).contains(&slow), "{slow}");
    for at in 60..70 {
        uploads.asked(secs(at), ConnId(2000), id(1));
        assert_eq!(next(&mut uploads, secs(at)), [(2000, 1)], "nobody slow is served before it");
        uploads.ended(secs(at), ConnId(2000), true);
        slowly(&mut uploads, at);
    }
}

#[test]
fn a_thin_line_of_our_own_is_not_taken_for_slow_peers() {
    let mut uploads = Uploads::default();
    (0..40).for_each(|conn| uploads.asked(Duration::ZERO, ConnId(conn), id(0)));
    let mut under_way: VecDeque<u64> = VecDeque::new();
    let mut most = 0;
    // Our line sends one blob in six seconds.
    for at in 0..30 {
        under_way.extend(next(&mut uploads, secs(6 * at)).iter().map(|(conn, _)| *conn));
        most = if at > 5 { most.max(under_way.len()) } else { 0 };
        if let Some(conn) = under_way.pop_front() {
            uploads.ended(secs(6 * at + 6), ConnId(conn), true);
        }
    }
    assert!(most <= 2 * AT_ONCE, "{most}");
}

#[test]
fn what_is_not_wanted_any_more_is_not_sent() {
    let mut uploads = Uploads::default();
    (0..6).for_each(|n| uploads.asked(Duration::ZERO, ConnId(1), id(n)));
    uploads.cancelled(ConnId(1), &id(0));
    uploads.cancelled(ConnId(1), &id(9));
    assert_eq!(next(&mut uploads, Duration::ZERO), [(1, 1), (1, 2)]);
    uploads.remove(ConnId(1));
    assert_eq!(uploads.waiting, 0);
    uploads.ended(secs(1), ConnId(1), true);
    assert!(next(&mut uploads, secs(1)).is_empty());
}
