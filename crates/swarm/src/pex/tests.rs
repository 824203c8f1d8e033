use super::*;
use crate::way::Side;
use protocol::ChannelKey;
use protocol::addr::OnionKey;

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
fn onion(n: u8) -> PeerAddr {
    PeerAddr::Onion(OnionKey([n; 32]), 1)
}

#[test]
fn a_clear_address_is_its_senders_own_and_dialled_before_it_is_passed_on() {
    let mut pex = Pex::default();
    let addr = at("45.1.2.3:6881");
    assert_eq!(pex.announced(secs(0), ip("45.9.9.9"), CLEAR, topic(1), &addr), Taken::Refused);
    assert_eq!(
        pex.announced(secs(0), None, CLEAR, topic(1), &addr),
        Taken::Refused,
        "an onion peer names no clear address"
    );
    assert_eq!(pex.announced(secs(0), ip("45.1.2.3"), CLEAR, topic(1), &addr), Taken::Check);
    assert_eq!(pex.announced(secs(0), ip("::ffff:45.1.2.3"), CLEAR, topic(2), &addr), Taken::Waiting);
    assert!(pex.peers(secs(0), CLEAR, &topic(1)).is_empty(), "not before the dial");
    pex.dialled(secs(1), &addr, true);
    assert_eq!(pex.peers(secs(1), CLEAR, &topic(1)), std::slice::from_ref(&addr));
    assert_eq!(pex.peers(secs(1), CLEAR, &topic(2)), std::slice::from_ref(&addr));
    assert_eq!(pex.announced(secs(2), ip("45.1.2.3"), CLEAR, topic(3), &addr), Taken::Kept, "known to be there");
    // Half an hour later it is forgotten.
    assert!(pex.peers(secs(1) + LIFE, CLEAR, &topic(1)).is_empty());
    pex.expire(secs(2) + LIFE);
    assert!(pex.topics.is_empty() && pex.verified.is_empty());
}

#[test]
fn a_dial_that_fails_forgets_the_announce() {
    let mut pex = Pex::default();
    let addr = at("45.1.2.3:6881");
    pex.announced(secs(0), ip("45.1.2.3"), CLEAR, topic(1), &addr);
    pex.dialled(secs(1), &addr, false);
    assert!(pex.peers(secs(1), CLEAR, &topic(1)).is_empty());
    assert_eq!(pex.announced(secs(2), ip("45.1.2.3"), CLEAR, topic(1), &addr), Taken::Check);
}

#[test]
fn onions_are_passed_on_unverified_eight_at_most_and_names_never() {
    let mut pex = Pex::default();
    assert_eq!(
        pex.announced(secs(0), ip("45.1.2.3"), CLEAR, topic(1), &PeerAddr::Name("a.b".into(), 1)),
        Taken::Refused
    );
    for n in 0..12 {
        assert_eq!(pex.announced(secs(u64::from(n)), None, CLEAR, topic(1), &onion(n)), Taken::Kept);
    }
    let known = pex.peers(secs(12), CLEAR, &topic(1));
    assert_eq!(known.len(), ONIONS_MAX);
    assert!((4..12).all(|n| known.contains(&onion(n))), "the newest stay");
}

#[test]
fn every_table_has_an_end() {
    let mut pex = Pex::default();
    for n in 0..200u32 {
        let text = format!("45.0.0.{}", n % 250);
        let addr = at(&format!("{text}:{}", 1000 + n));
        let taken = pex.announced(secs(0), ip(&text), CLEAR, topic(1), &addr);
        assert_eq!(taken, if n < CHECKS_MAX as u32 { Taken::Check } else { Taken::Refused });
    }
    let mut pex = Pex::default();
    for n in 0..5000u16 {
        pex.announced(secs(0), None, CLEAR, topic(n), &onion(1));
    }
    assert_eq!(pex.topics.len(), TOPICS_MAX);
    for n in 0..60u8 {
        let (from, addr) = (format!("45.0.1.{n}"), at(&format!("45.0.1.{n}:6881")));
        pex.announced(secs(0), ip(&from), CLEAR, topic(1), &addr);
        pex.dialled(secs(u64::from(n)), &addr, true);
    }
    let clear = pex.peers(secs(60), CLEAR, &topic(1)).into_iter().filter(|a| matches!(a, PeerAddr::Ip(_))).count();
    assert_eq!(clear, CLEAR_MAX);
}

#[test]
fn what_is_told_on_one_side_stays_there() {
    let mut pex = Pex::default();
    let (seen, hidden): (PeerAddr, PeerAddr) = (onion(1), onion(2));
    assert_eq!(pex.announced(secs(0), ip("45.1.2.3"), CLEAR, topic(1), &seen), Taken::Kept);
    assert_eq!(pex.announced(secs(0), None, DARK, topic(1), &hidden), Taken::Kept);
    assert_eq!(pex.peers(secs(1), CLEAR, &topic(1)), [seen]);
    assert_eq!(pex.peers(secs(1), DARK, &topic(1)), [hidden]);
    let other = Circle { channel: Some(ChannelKey([2; 32])), ..DARK };
    assert!(pex.peers(secs(1), other, &topic(1)).is_empty(), "told to another channel's peers");
}
