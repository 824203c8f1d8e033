use super::*;

fn id(n: u32) -> BlobId {
    let mut id = [0; 32];
    id[..4].copy_from_slice(&n.to_be_bytes());
    BlobId(id)
}
fn query(blobs: std::ops::Range<u32>) -> Vec<(u16, BlobId)> {
    blobs.enumerate().map(|(at, n)| (at as u16, id(n))).collect()
}
fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}
const PEER: ConnId = ConnId(1);

#[test]
fn what_arrives_is_told_once_a_second_at_most() {
    let mut watches = Watches::default();
    watches.watch(PEER, RequestId(5), query(0..10));
    assert_eq!(watches.arrived(secs(1), &id(3), |_| true), [(PEER, secs(1))]);
    assert_eq!(watches.take_more(secs(1), PEER), BTreeMap::from([(RequestId(5), vec![3])]));
    assert_eq!(watches.arrived(secs(1), &id(4), |_| true), [(PEER, secs(2))]);
    assert_eq!(watches.arrived(secs(1), &id(9), |_| true), [(PEER, secs(2))]);
    assert_eq!(watches.take_more(secs(2), PEER), BTreeMap::from([(RequestId(5), vec![4, 9])]));
    // Once is enough, and what nobody asked about is told to nobody.
    assert!(watches.arrived(secs(3), &id(4), |_| true).is_empty());
    assert!(watches.arrived(secs(3), &id(77), |_| true).is_empty());
    assert!(watches.take_more(secs(4), PEER).is_empty());
}

#[test]
fn who_shares_no_channel_is_not_told_until_it_does() {
    let mut watches = Watches::default();
    watches.watch(PEER, RequestId(1), query(0..2));
    watches.watch(ConnId(2), RequestId(1), query(0..2));
    assert_eq!(watches.arrived(secs(1), &id(0), |conn| conn != PEER), [(ConnId(2), secs(1))]);
    assert_eq!(watches.arrived(secs(2), &id(0), |_| true), [(PEER, secs(2))]);
}

#[test]
fn the_oldest_of_65_queries_is_forgotten() {
    let mut watches = Watches::default();
    for n in 0..=HAVE_QUERIES_HELD as u32 {
        watches.watch(PEER, RequestId(n), query(n * 10..n * 10 + 10));
    }
    assert!(watches.arrived(secs(1), &id(3), |_| true).is_empty());
    assert_eq!(watches.arrived(secs(1), &id(13), |_| true).len(), 1);
    assert_eq!(watches.count, HAVE_QUERIES_HELD * 10);
    watches.remove(PEER);
    assert_eq!((watches.count, watches.by_blob.len(), watches.watchers.len()), (0, 0, 0));
}

#[test]
fn one_peer_cannot_keep_the_others_from_being_told() {
    let mut watches = Watches::default();
    for n in 0..64 {
        watches.watch(PEER, RequestId(n), query(n * 4096..(n + 1) * 4096));
    }
    assert_eq!(watches.count, WATCHED_MAX);
    watches.watch(ConnId(2), RequestId(1), query(900_000..900_100));
    assert_eq!(watches.arrived(secs(1), &id(900_050), |_| true), [(ConnId(2), secs(1))]);
    assert!(watches.count <= WATCHED_MAX);
    // The heavy one asks on: it makes room itself.
    watches.watch(PEER, RequestId(100), query(0..4096));
    assert!(watches.count <= WATCHED_MAX);
    assert_eq!(watches.arrived(secs(2), &id(900_051), |_| true).len(), 1);
}
