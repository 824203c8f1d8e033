use super::*;
use proptest::prelude::*;

const ONE: ChannelKey = ChannelKey([1; 32]);
const OTHER: ChannelKey = ChannelKey([2; 32]);

fn id(n: u32) -> BlobId {
    let mut id = [0; 32];
    id[..4].copy_from_slice(&n.wrapping_mul(0x9e37_79b1).to_be_bytes());
    id[4..8].copy_from_slice(&n.to_be_bytes());
    BlobId(id)
}
fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}
/// A picker with these lanes, each of which says what it has.
fn picker(lanes: u64) -> Picker {
    let mut picker = Picker::default();
    (0..lanes).for_each(|conn| picker.add_lane(Duration::ZERO, ConnId(conn), false));
    picker
}
fn all(picker: &mut Picker, now: Duration, conn: u64) -> Vec<BlobId> {
    std::iter::from_fn(|| picked(picker, now, conn)).collect()
}

fn picked(picker: &mut Picker, now: Duration, conn: u64) -> Option<BlobId> {
    picker.pick(now, ConnId(conn)).map(|(id, _)| id)
}

/// What must hold between the lists, whatever happened.
fn check(picker: &Picker) {
    for (id, want) in &picker.wants {
        assert_eq!(picker.flying.contains(id), !want.asked.is_empty());
        let distinct: BTreeSet<_> = want.asked.iter().collect();
        assert_eq!(distinct.len(), want.asked.len(), "one peer is asked twice for one blob");
        for conn in &want.asked {
            assert!(picker.lanes[conn].asked.contains_key(id), "an ask that its lane does not know");
        }
        assert!(want.holders.is_disjoint(&want.maybes));
        for conn in want.holders.iter().chain(&want.maybes) {
            assert!(picker.lanes[conn].knows.contains(id));
        }
        for (channel, serial) in &want.channels {
            assert_eq!(picker.demands[channel].wants.get(serial), Some(id));
        }
    }
    for (conn, lane) in &picker.lanes {
        let ready = picker.wants.iter().filter(|(_, want)| {
            want.open && (want.holders.contains(conn) || want.maybes.contains(conn)) && !want.asked.contains(conn)
        });
        let ready: BTreeSet<Rung> = ready.map(|(id, want)| want.rung(*id)).collect();
        assert_eq!(lane.ready, ready);
        assert!(lane.asked.len() <= WINDOW_MAX);
        for id in lane.asked.keys() {
            assert!(picker.wants.get(id).is_some_and(|want| want.asked.contains(conn)));
        }
    }
    for (channel, demand) in &picker.demands {
        let of = |want: &&Want| want.channels.iter().any(|(c, _)| c == channel);
        let wants: Vec<(&BlobId, &Want)> = picker.wants.iter().filter(|(_, want)| of(want)).collect();
        assert_eq!(demand.wants.len(), wants.len());
        assert_eq!(demand.flying, wants.iter().filter(|(_, w)| !w.asked.is_empty()).count());
        let lonely: BTreeSet<_> =
            wants.iter().filter(|(_, w)| !w.available()).map(|(id, w)| (Reverse(w.priority), **id)).collect();
        assert_eq!(demand.lonely, lonely);
    }
    assert!(picker.flying.iter().all(|id| picker.wants.contains_key(id)));
}

#[derive(Debug, Clone)]
enum Step {
    Lane(u64, bool),
    Gone(u64),
    Want(u32, bool, u8),
    Unwant(u32),
    Leave(bool),
    Learn(u64, u32),
    Lack(u64, u32),
    Pick(u64),
    Arrived(u64, u32, bool),
    Relist(u32),
    Slow(u64),
    Retry(u64),
    Wait(u64),
}

fn step() -> impl Strategy<Value = Step> {
    let (conn, blob) = (0u64..4, 0u32..12);
    prop_oneof![
        1 => (conn.clone(), any::<bool>()).prop_map(|(c, b)| Step::Lane(c, b)),
        1 => conn.clone().prop_map(Step::Gone),
        5 => (blob.clone(), any::<bool>(), 0u8..3).prop_map(|(b, c, p)| Step::Want(b, c, p)),
        1 => blob.clone().prop_map(Step::Unwant),
        1 => any::<bool>().prop_map(Step::Leave),
        8 => (conn.clone(), blob.clone()).prop_map(|(c, b)| Step::Learn(c, b)),
        2 => (conn.clone(), blob.clone()).prop_map(|(c, b)| Step::Lack(c, b)),
        8 => conn.clone().prop_map(Step::Pick),
        3 => (conn.clone(), blob.clone(), any::<bool>()).prop_map(|(c, b, u)| Step::Arrived(c, b, u)),
        1 => blob.prop_map(Step::Relist),
        1 => conn.clone().prop_map(Step::Slow),
        1 => conn.prop_map(Step::Retry),
        2 => (0u64..70).prop_map(Step::Wait),
    ]
}

proptest! {
    #[test]
    fn its_lists_mirror_each_other(steps in prop::collection::vec(step(), 1..120)) {
        let mut picker = Picker::default();
        let mut now = Duration::ZERO;
        for step in steps {
            match step {
                Step::Lane(conn, blind) => picker.add_lane(now, ConnId(conn), blind),
                Step::Gone(conn) => picker.remove_lane(ConnId(conn)),
                Step::Want(blob, other, priority) => {
                    let priority = [Priority::Normal, Priority::Streaming, Priority::Structure][usize::from(priority)];
                    picker.want(id(blob), if other { OTHER } else { ONE }, priority, u64::from(blob) * 77);
                }
                Step::Unwant(blob) => drop(picker.unwant(&id(blob))),
                Step::Leave(other) => drop(picker.drop_channel(if other { &OTHER } else { &ONE })),
                Step::Learn(conn, blob) => picker.learn(ConnId(conn), id(blob)),
                Step::Lack(conn, blob) => picker.lack(now, ConnId(conn), id(blob)),
                Step::Pick(conn) => {
                    if let Some((picked, _)) = picker.pick(now, ConnId(conn)) {
                        prop_assert!(picker.wants.contains_key(&picked));
                    }
                }
                Step::Arrived(conn, blob, useful) => {
                    let asked = picker.lanes.get(&ConnId(conn)).is_some_and(|lane| lane.asked.contains_key(&id(blob)));
                    if asked {
                        picker.arrived(now, ConnId(conn), id(blob), useful);
                        picker.relist(id(blob));
                    }
                }
                Step::Relist(blob) => picker.relist(id(blob)),
                Step::Slow(conn) => drop(picker.slow(ConnId(conn))),
                Step::Retry(conn) => {
                    if let Some(at) = picker.retry(now, ConnId(conn)) {
                        prop_assert!(at > now);
                    }
                }
                Step::Wait(time) => now += secs(time),
            }
            check(&picker);
        }
    }

    #[test]
    fn every_want_that_somebody_has_is_asked_for_once(blobs in 1u32..200, lanes in 1u64..6, seed: u64) {
        let mut picker = picker(lanes);
        for n in 0..blobs {
            picker.want(id(n), ONE, Priority::Normal, seed.rotate_left(n));
            (0..lanes).filter(|c| (seed >> ((u64::from(n) + c) % 60)) & 1 == 1 || *c == u64::from(n) % lanes)
                .for_each(|c| picker.learn(ConnId(c), id(n)));
        }
        let mut asked = BTreeSet::new();
        // Within one second nothing is late, so nobody is asked for what another was asked for.
        loop {
            let mut any = false;
            for conn in 0..lanes {
                while let Some(blob) = picked(&mut picker, Duration::ZERO, conn) {
                    any = true;
                    prop_assert!(asked.insert(blob), "asked twice");
                    picker.arrived(Duration::ZERO, ConnId(conn), blob, true);
                    picker.unwant(&blob);
                }
            }
            if !any {
                break;
            }
        }
        prop_assert_eq!(asked.len() as u32, blobs);
    }
}

#[test]
fn the_rarest_goes_first_but_for_structure_and_streaming() {
    let mut picker = picker(5);
    for n in 0..6 {
        picker.want(id(n), ONE, Priority::Normal, u64::from(n));
    }
    // Blob n is with n + 1 peers of five, the last two with all.
    for n in 0..6u32 {
        (0..u64::from(n + 1).min(5)).for_each(|conn| picker.learn(ConnId(conn), id(n)));
    }
    picker.want(id(10), ONE, Priority::Streaming, 0);
    picker.want(id(11), ONE, Priority::Streaming, 0);
    picker.want(id(12), ONE, Priority::Structure, 0);
    [12, 11, 10].into_iter().for_each(|n| (0..5).for_each(|conn| picker.learn(ConnId(conn), id(n))));
    let first = all(&mut picker, Duration::ZERO, 0);
    assert_eq!(first, [id(12), id(10), id(11), id(0)], "structure, then the play head's order, then the rarest");
    assert_eq!(all(&mut picker, Duration::ZERO, 1)[..2], [id(1), id(2)]);
}

#[test]
fn what_a_closed_peer_owed_is_asked_of_another() {
    let mut picker = picker(2);
    for n in 0..4 {
        picker.want(id(n), ONE, Priority::Normal, 0);
        [0, 1].into_iter().for_each(|conn| picker.learn(ConnId(conn), id(n)));
    }
    assert_eq!(all(&mut picker, Duration::ZERO, 0).len(), WINDOW_START);
    assert!(all(&mut picker, Duration::ZERO, 1).is_empty());
    picker.take_dirty();
    picker.remove_lane(ConnId(0));
    assert!(picker.take_dirty().contains(&ConnId(1)));
    assert_eq!(all(&mut picker, Duration::ZERO, 1).len(), 4);
    check(&picker);
}

#[test]
fn a_slow_peer_keeps_one_and_others_may_have_it_too() {
    let mut picker = picker(2);
    for n in 0..4 {
        picker.want(id(n), ONE, Priority::Normal, 0);
        picker.learn(ConnId(0), id(n));
    }
    assert_eq!(all(&mut picker, Duration::ZERO, 0).len(), 4);
    assert_eq!(picker.late_at(ConnId(0)), Some(SLOW));
    assert_eq!(picker.slow(ConnId(0)).len(), 3);
    assert_eq!(picker.late_at(ConnId(0)), None);
    (0..4).for_each(|n| picker.learn(ConnId(1), id(n)));
    assert_eq!(all(&mut picker, SLOW, 1).len(), 4);
    assert_eq!(picker.flying.len(), 4);
    check(&picker);
    // It brings its one after all, and is given more.
    let kept = *picker.lanes[&ConnId(0)].asked.keys().next().unwrap();
    picker.arrived(SLOW, ConnId(0), kept, true);
    assert_eq!(picker.unwant(&kept), [ConnId(1)]);
    assert!(!picker.lanes[&ConnId(0)].slow);
}

#[test]
fn idle_peers_help_in_the_end_game_only_and_only_with_what_is_late() {
    let mut picker = picker(3);
    for n in 0..3 {
        picker.want(id(n), ONE, Priority::Normal, 0);
        (0..3).for_each(|conn| picker.learn(ConnId(conn), id(n)));
    }
    assert_eq!(all(&mut picker, Duration::ZERO, 0).len(), 3);
    assert_eq!(picker.pick(Duration::from_millis(900), ConnId(1)), None);
    let late = ENDGAME_PATIENCE;
    let helped = picked(&mut picker, late, 1).unwrap();
    // One at a time, and no third peer for the same.
    assert_eq!(picker.pick(late, ConnId(1)), None);
    let other = picked(&mut picker, late, 2).unwrap();
    assert_ne!(helped, other);
    // Far from the end nobody helps.
    for n in 100..100 + 2 * ENDGAME as u32 {
        picker.want(id(n), ONE, Priority::Normal, 0);
        let conn = ConnId(1000 + u64::from(n));
        picker.add_lane(late, conn, false);
        picker.learn(conn, id(n));
        assert_eq!(picker.pick(late, conn), Some((id(n), None)));
    }
    picker.add_lane(late, ConnId(5), false);
    (0..3).for_each(|n| picker.learn(ConnId(5), id(n)));
    // Nor with what is coming already; what waits in a queue is asked of an idle peer instead. What was asked of two keeps
    // its first place.
    picker.arriving(late, ConnId(0), id(2));
    assert_eq!(picker.pick(late, ConnId(5)), None);
    let (moved, from) = picker.pick(secs(20), ConnId(5)).unwrap();
    assert_ne!(moved, id(2));
    let second = [(helped, ConnId(1)), (other, ConnId(2))].into_iter().find(|(blob, _)| *blob == moved);
    assert_eq!(from, Some(second.map_or(ConnId(0), |(_, conn)| conn)));
    let first = second.map(|_| ConnId(0));
    assert_eq!(picker.wants[&moved].asked, first.into_iter().chain([ConnId(5)]).collect::<Vec<_>>());
    check(&picker);
}

#[test]
fn what_waits_in_a_queue_moves_to_an_idle_peer_and_what_is_coming_stays() {
    let mut picker = picker(3);
    for n in 0..3 {
        picker.want(id(n), ONE, Priority::Normal, 0);
        picker.learn(ConnId(0), id(n));
    }
    assert_eq!(all(&mut picker, Duration::ZERO, 0).len(), 3);
    picker.arriving(secs(1), ConnId(0), id(1));
    (0..3).for_each(|n| picker.learn(ConnId(1), id(n)));
    for n in 100..100 + 2 * ENDGAME as u32 {
        picker.want(id(n), ONE, Priority::Normal, 0);
        picker.add_lane(Duration::ZERO, ConnId(1000 + u64::from(n)), false);
        picker.learn(ConnId(1000 + u64::from(n)), id(n));
        picker.pick(Duration::ZERO, ConnId(1000 + u64::from(n))).unwrap();
    }
    assert_eq!(picker.pick(QUEUED - secs(1), ConnId(1)), None, "it waits not long enough");
    let (moved, from) = picker.pick(QUEUED, ConnId(1)).unwrap();
    assert_eq!(from, Some(ConnId(0)));
    assert_ne!(moved, id(1));
    assert_eq!(picker.pick(QUEUED, ConnId(1)), None, "one for an idle peer");
    assert_eq!(picker.wants[&moved].asked, [ConnId(1)]);
    check(&picker);
}

#[test]
fn what_waits_in_two_queues_keeps_its_place_in_the_longer_one() {
    let mut picker = picker(4);
    picker.want(id(0), ONE, Priority::Normal, 0);
    picker.learn(ConnId(0), id(0));
    assert_eq!(picker.pick(Duration::ZERO, ConnId(0)), Some((id(0), None)));
    picker.take_dirty();
    picker.learn(ConnId(1), id(0));
    assert!(picker.take_dirty().contains(&ConnId(1)), "who has it, and nothing to do, is looked at");
    let second = ENDGAME_PATIENCE;
    assert_eq!(picker.pick(second, ConnId(1)), Some((id(0), None)));
    picker.learn(ConnId(2), id(0));
    assert_eq!(picker.pick(QUEUED, ConnId(2)), None, "it waits there not long enough");
    assert_eq!(picker.pick(second + QUEUED, ConnId(2)), Some((id(0), Some(ConnId(1)))));
    assert_eq!(picker.wants[&id(0)].asked, [ConnId(0), ConnId(2)]);
    picker.learn(ConnId(3), id(0));
    picker.arriving(secs(9), ConnId(0), id(0));
    assert_eq!(picker.pick(secs(9), ConnId(3)), None, "it comes");
    check(&picker);
}

#[test]
fn what_a_peer_lacks_is_asked_again_after_a_minute() {
    let mut picker = Picker::default();
    picker.add_lane(Duration::ZERO, ConnId(0), true);
    for n in 0..3 {
        picker.want(id(n), ONE, Priority::Normal, 0);
        picker.learn(ConnId(0), id(n));
    }
    for at in 0..3 {
        let blob = picked(&mut picker, secs(at), 0).unwrap();
        picker.lack(secs(at), ConnId(0), blob);
    }
    assert_eq!(picker.pick(secs(3), ConnId(0)), None);
    assert_eq!(picker.lonely(&ONE).count(), 3);
    assert_eq!(picker.retry(secs(59), ConnId(0)), Some(secs(60)));
    assert_eq!(picker.retry(secs(61), ConnId(0)), Some(secs(62)));
    assert_eq!(all(&mut picker, secs(61), 0).len(), 2);
    assert_eq!(picker.retry(secs(62), ConnId(0)), None);
    check(&picker);
}

#[test]
fn a_peer_that_turns_out_to_be_able_keeps_what_it_was_asked_for() {
    let mut picker = Picker::default();
    picker.add_lane(Duration::ZERO, ConnId(0), true);
    for n in 0..6 {
        picker.want(id(n), ONE, Priority::Normal, 0);
        picker.learn(ConnId(0), id(n));
    }
    let asked = all(&mut picker, Duration::ZERO, 0);
    assert_eq!(asked.len(), WINDOW_BLIND);
    picker.add_lane(Duration::ZERO, ConnId(0), false);
    check(&picker);
    assert!(!picker.is_blind(ConnId(0)));
    // It is not tried for what it does not say it has, and its answers still count.
    assert_eq!(picker.pick(Duration::ZERO, ConnId(0)), None);
    assert_eq!(picker.flying.len(), asked.len());
    picker.arrived(Duration::ZERO, ConnId(0), asked[0], true);
    assert!(picker.unwant(&asked[0]).is_empty());
    check(&picker);
}

#[test]
fn a_hundred_thousand_blobs_cost_no_more_each_than_a_few() {
    // Were a request to look at every blob, these would be 10^10 steps, and nobody would wait for that.
    let blobs = 100_000;
    let lanes = 4;
    let mut picker = picker(lanes);
    for n in 0..blobs {
        picker.want(id(n), ONE, Priority::Normal, u64::from(n) ^ 0x5555);
        (0..lanes).for_each(|conn| picker.learn(ConnId(conn), id(n)));
    }
    let mut got = 0;
    while got < blobs {
        for conn in 0..lanes {
            for blob in all(&mut picker, secs(u64::from(got)), conn) {
                picker.arrived(secs(u64::from(got)), ConnId(conn), blob, true);
                picker.unwant(&blob);
                got += 1;
            }
        }
    }
    assert!(picker.wants.is_empty() && picker.flying.is_empty());
}
