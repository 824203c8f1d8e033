use super::*;
use crate::way::Side;
use protocol::ChannelKey;
use protocol::addr::OnionKey;
use protocol::price::Source;

const CLEAR: Circle = Circle { side: Side::Clear, channel: None };
const DARK: Circle = Circle { side: Side::Dark, channel: Some(ChannelKey([1; 32])) };

fn topic(n: u16) -> Topic {
    let mut topic = [7; 32];
    topic[..2].copy_from_slice(&n.to_be_bytes());
    Topic(topic)
}
fn at(text: &str) -> PeerAddr {
    text.parse().unwrap()
}
fn ip(text: &str) -> Option<IpAddr> {
    Some(text.parse().unwrap())
}
fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}
fn onion(n: u16) -> PeerAddr {
    let mut key = [9; 32];
    key[..2].copy_from_slice(&n.to_be_bytes());
    PeerAddr::Onion(OnionKey(key), 1)
}
/// Somebody with an IP, or who came by an onion service of ours.
fn from(text: &str) -> Payer {
    Payer::caller(&PeerAddr::Ip((text.parse::<IpAddr>().unwrap(), 50_000).into()), None)
}
fn hidden(n: u16) -> Payer {
    let PeerAddr::Onion(key, _) = onion(n) else { unreachable!() };
    Payer::caller(&PeerAddr::Onion(key, 0), Some(ChannelKey([1; 32])))
}
impl Pex {
    fn clear(&mut self, now: Duration, text: &str, n: u16, addr: &PeerAddr) -> Taken {
        self.announced(now, ip(text), &from(text), (topic(n), CLEAR), Kin::Ours, addr)
    }
    fn dark(&mut self, now: Duration, who: u16, n: u16, kin: Kin, addr: &PeerAddr) -> Taken {
        self.announced(now, None, &hidden(who), (topic(n), DARK), kin, addr)
    }
}

#[test]
fn a_clear_address_is_its_senders_own_and_dialled_before_it_is_passed_on() {
    let mut pex = Pex::default();
    let addr = at("45.1.2.3:6881");
    assert_eq!(pex.clear(secs(0), "45.9.9.9", 1, &addr), Taken::Refused);
    assert_eq!(pex.dark(secs(0), 1, 1, Kin::Ours, &addr), Taken::Refused, "an onion peer names no clear address");
    assert_eq!(pex.clear(secs(0), "45.1.2.3", 1, &addr), Taken::Check);
    assert_eq!(pex.clear(secs(0), "::ffff:45.1.2.3", 2, &addr), Taken::Waiting);
    assert!(pex.peers(secs(0), CLEAR, &topic(1)).is_empty(), "not before the dial");
    pex.dialled(secs(1), &addr, true);
    assert_eq!(pex.peers(secs(1), CLEAR, &topic(1)), std::slice::from_ref(&addr));
    assert_eq!(pex.peers(secs(1), CLEAR, &topic(2)), std::slice::from_ref(&addr));
    assert_eq!(pex.clear(secs(2), "45.1.2.3", 3, &addr), Taken::Kept, "known to be there");
    // Half an hour later it is forgotten.
    assert!(pex.peers(secs(1) + LIFE, CLEAR, &topic(1)).is_empty());
    pex.expire(secs(2) + LIFE);
    assert!(pex.topics.is_empty() && pex.verified.is_empty());
}

#[test]
fn a_dial_that_fails_forgets_the_announce() {
    let mut pex = Pex::default();
    let addr = at("45.1.2.3:6881");
    pex.clear(secs(0), "45.1.2.3", 1, &addr);
    pex.dialled(secs(1), &addr, false);
    assert!(pex.peers(secs(1), CLEAR, &topic(1)).is_empty());
    assert_eq!(pex.clear(secs(2), "45.1.2.3", 1, &addr), Taken::Check);
}

#[test]
fn onions_are_passed_on_unverified_eight_at_most_and_names_never() {
    let mut pex = Pex::default();
    assert_eq!(pex.clear(secs(0), "45.1.2.3", 1, &PeerAddr::Name("a.b".into(), 1)), Taken::Refused);
    for n in 0..12 {
        assert_eq!(pex.dark(secs(u64::from(n)), n, 1, Kin::Ours, &onion(n)), Taken::Kept);
    }
    let known = pex.peers(secs(12), DARK, &topic(1));
    assert_eq!(known.len(), ONIONS_MAX);
    assert!((4..12).all(|n| known.contains(&onion(n))), "the newest stay");
}

#[test]
fn an_onion_that_was_reached_is_not_driven_out_by_names_of_others() {
    let mut pex = Pex::default();
    pex.dark(secs(0), 1, 1, Kin::Ours, &onion(1));
    pex.dialled(secs(1), &onion(1), true);
    for n in 100..200 {
        pex.dark(secs(2), n, 1, Kin::Ours, &onion(n));
    }
    let known = pex.peers(secs(3), DARK, &topic(1));
    assert!(known.contains(&onion(1)) && known.len() == ONIONS_MAX + 1, "{known:?}");
}

#[test]
fn every_table_has_an_end() {
    let mut pex = Pex::default();
    for n in 0..200_u32 {
        let text = format!("45.0.0.{}", n % 250);
        let taken = pex.clear(secs(0), &text, 1, &at(&format!("{text}:{}", 1000 + n)));
        assert_eq!(taken, if n < CHECKS_MAX as u32 { Taken::Check } else { Taken::Refused });
    }
    // One household has a few of them.
    let mut pex = Pex::default();
    let checked = |port| format!("45.0.0.1:{port}");
    let taken: Vec<Taken> = (1000..1010).map(|port| pex.clear(secs(0), "45.0.0.1", 1, &at(&checked(port)))).collect();
    assert_eq!(taken.iter().filter(|taken| **taken == Taken::Check).count(), CHECKS_EACH);
    let mut pex = Pex::default();
    for n in 0..5000 {
        pex.dark(secs(0), 1, n, Kin::Strange, &onion(1));
        pex.dark(secs(0), 1, n + 5000, Kin::Blob, &onion(1));
    }
    assert_eq!((pex.strange.len(), pex.blobs.len()), (STRANGE_MAX, BLOBS_MAX));
    assert_eq!(pex.topics.len(), STRANGE_MAX + BLOBS_MAX);
    for n in 0..60_u8 {
        let (text, addr) = (format!("45.0.{n}.1"), at(&format!("45.0.{n}.1:6881")));
        pex.clear(secs(0), &text, 1, &addr);
        pex.dialled(secs(u64::from(n)), &addr, true);
    }
    let clear = pex.peers(secs(60), CLEAR, &topic(1)).into_iter().filter(|a| matches!(a, PeerAddr::Ip(_))).count();
    assert_eq!(clear, CLEAR_MAX);
    pex.expire(secs(60) + LIFE);
    assert!(pex.topics.is_empty() && pex.strange.is_empty() && pex.blobs.is_empty());
}

#[test]
fn strangers_take_no_place_of_ours_and_who_tells_most_makes_room() {
    let mut pex = Pex::default();
    assert_eq!(pex.dark(secs(0), 1, 1, Kin::Ours, &onion(1)), Taken::Kept);
    assert_eq!(pex.dark(secs(0), 1, 2, Kin::Blob, &onion(1)), Taken::Kept);
    // Somebody with an IP, about a topic of strangers; then a flood through Tor.
    let elsewhere = (topic(3), CLEAR);
    let kept = pex.announced(secs(0), ip("45.1.2.3"), &from("45.1.2.3"), elsewhere, Kin::Strange, &onion(3));
    assert_eq!(kept, Taken::Kept);
    for n in 0..10_000 {
        pex.dark(secs(1), n % 50, 100 + n, Kin::Strange, &onion(n));
    }
    assert_eq!(pex.peers(secs(2), DARK, &topic(1)), [onion(1)]);
    assert_eq!(pex.peers(secs(2), DARK, &topic(2)), [onion(1)]);
    assert_eq!(pex.peers(secs(2), CLEAR, &topic(3)), [onion(3)], "one of another network is not the heaviest");
    assert_eq!(pex.dark(secs(3), 777, 50_000, Kin::Strange, &onion(777)), Taken::Kept, "nobody is refused");
    assert_eq!(pex.strange.len(), STRANGE_MAX);
    // What was a stranger's and is ours now is counted with ours.
    pex.dark(secs(4), 777, 50_000, Kin::Ours, &onion(777));
    assert_eq!(pex.strange.len(), STRANGE_MAX - 1);
    assert!(matches!(hidden(1).neighbourhood(), Source::Service(_)));
}

#[test]
fn what_is_told_on_one_side_stays_there() {
    let mut pex = Pex::default();
    let (seen, other_one): (PeerAddr, PeerAddr) = (onion(1), onion(2));
    assert_eq!(pex.clear(secs(0), "45.1.2.3", 1, &seen), Taken::Kept);
    assert_eq!(pex.dark(secs(0), 5, 1, Kin::Ours, &other_one), Taken::Kept);
    assert_eq!(pex.peers(secs(1), CLEAR, &topic(1)), [seen]);
    assert_eq!(pex.peers(secs(1), DARK, &topic(1)), [other_one]);
    let other = Circle { channel: Some(ChannelKey([2; 32])), ..DARK };
    assert!(pex.peers(secs(1), other, &topic(1)).is_empty(), "told to another channel's peers");
}
