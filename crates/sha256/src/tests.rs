use super::*;
use proptest::prelude::*;

fn one(message: &[u8]) -> [u8; 32] {
    Sha256::digest(message).into()
}

/// FIPS 180-4's example, and every length at which the end takes one block or two.
#[test]
fn known_answers_and_ends_of_every_length() {
    let abc = *b"\xba\x78\x16\xbf\x8f\x01\xcf\xea\x41\x41\x40\xde\x5d\xae\x22\x23\xb0\x03\x61\xa3\x96\x17\x7a\x9c\xb4\x10\xff\x61\xf2\x00\x15\xad";
    assert_eq!(pair([b"abc", b"abd"]), [abc, one(b"abd")]);
    let (first, second): (Vec<u8>, Vec<u8>) = (0..400_u32).map(|i| (i as u8, (i * 7) as u8)).unzip();
    for len in 0..first.len() {
        let messages = [&first[..len], &second[..len]];
        assert_eq!(pair(messages), messages.map(one), "{len} bytes");
    }
}

/// Where the processor can, the fast way is the one that is tested here.
#[test]
#[cfg(target_arch = "x86_64")]
fn the_fast_way_is_taken_where_it_can_be() {
    assert_eq!(x86::pair([b"ab", b"cd"]).is_some(), is_x86_feature_detected!("sha"));
    assert!(x86::pair([b"ab", b"c"]).is_none());
}

proptest! {
    #[test]
    fn two_are_what_each_is_alone(
        (first, second) in (0_usize..3000).prop_flat_map(|len| {
            let bytes = || proptest::collection::vec(any::<u8>(), len);
            (bytes(), bytes())
        }),
        other in proptest::collection::vec(any::<u8>(), 0..200),
    ) {
        prop_assert_eq!(pair([&first, &second]), [one(&first), one(&second)]);
        prop_assert_eq!(pair([&first, &other]), [one(&first), one(&other)]);
    }
}
