//! Repair: which blobs of followed channels a node keeps for others in the space that its user lends.
//!
//! Pure arithmetic over what have-maps say. Promises: what fewest hold comes first; what many others hold makes room for
//! what fewer hold, and never the other way round, so that a choice made twice is the same; many nodes that see the same
//! choose differently among equals.

use std::cmp::Reverse;

use protocol::BlobId;

/// A blob that at least this many of our peers hold needs no copy of ours.
pub const ENOUGH: usize = 4;

/// A blob and how many of our connected peers hold it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counted {
    /// The blob.
    pub blob: BlobId,
    /// Peers that said that they hold it.
    pub holders: usize,
}

/// What to do.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Choice {
    /// Blobs to give up, first of all.
    pub drop: Vec<BlobId>,
    /// Blobs to fetch then, the rarest first.
    pub fetch: Vec<BlobId>,
}

/// Chooses. `room`: blobs that may be kept in all; `kept`: those that are; `offered`: others, of which those that nobody
/// holds cannot be had; `most`: blobs to fetch at one time; `salt`: what makes this node's choice among equals its own.
pub fn choose(room: usize, mut kept: Vec<Counted>, mut offered: Vec<Counted>, most: usize, salt: u64) -> Choice {
    let own = |blob: &BlobId| BlobId::of(&[&blob.0[..], &salt.to_be_bytes()].concat());
    offered.retain(|one| (1..ENOUGH).contains(&one.holders));
    offered.sort_by_cached_key(|one| (one.holders, own(&one.blob)));
    offered.truncate(most);
    // Whoever many others hold goes first.
    kept.sort_by_cached_key(|one| (Reverse(one.holders), own(&one.blob)));
    let mut going = kept.into_iter().peekable();
    let mut choice = Choice::default();
    let mut left = going.len();
    while left > room
        && let Some(one) = going.next()
    {
        choice.drop.push(one.blob);
        left -= 1;
    }
    for one in offered {
        if left >= room {
            // With as many other holders the exchange would gain nothing, and be taken back the next time.
            let Some(worse) = going.next_if(|kept| kept.holders > one.holders) else { break };
            choice.drop.push(worse.blob);
            left -= 1;
        }
        choice.fetch.push(one.blob);
        left += 1;
    }
    choice
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn counted(blobs: &[(u8, usize)]) -> Vec<Counted> {
        blobs.iter().map(|(n, holders)| Counted { blob: BlobId([*n; 32]), holders: *holders }).collect()
    }
    fn numbers(blobs: &[BlobId]) -> Vec<u8> {
        blobs.iter().map(|blob| blob.0[0]).collect()
    }

    #[test]
    fn the_rarest_come_first_and_what_nobody_or_everybody_has_does_not() {
        let offered = counted(&[(1, 3), (2, 0), (3, 1), (4, ENOUGH), (5, 2)]);
        assert_eq!(numbers(&choose(9, Vec::new(), offered.clone(), 9, 0).fetch), [3, 5, 1]);
        assert_eq!(numbers(&choose(2, Vec::new(), offered.clone(), 9, 0).fetch), [3, 5]);
        assert_eq!(numbers(&choose(9, Vec::new(), offered.clone(), 1, 0).fetch), [3]);
        assert_eq!(choose(0, Vec::new(), offered, 9, 0), Choice::default());
    }

    #[test]
    fn what_many_hold_makes_room_for_what_fewer_hold() {
        let kept = counted(&[(1, 1), (2, 7), (3, 2)]);
        let offered = counted(&[(4, 1), (5, 2), (6, 2)]);
        let choice = choose(3, kept.clone(), offered, 9, 0);
        assert_eq!((numbers(&choice.drop), numbers(&choice.fetch)[0]), (vec![2, 3][..1].to_vec(), 4));
        assert_eq!(choice.fetch.len(), 1, "2 others against 2 others is no gain");
        // Less is lent than was: the most held go, and nothing comes.
        let choice = choose(1, kept, counted(&[(4, 1)]), 9, 0);
        assert_eq!((numbers(&choice.drop), choice.fetch.len()), (vec![2, 3], 0));
    }

    #[test]
    fn among_equals_nodes_choose_differently() {
        let offered: Vec<Counted> = (0..100).map(|n| Counted { blob: BlobId([n; 32]), holders: 1 }).collect();
        let first = |salt| choose(10, Vec::new(), offered.clone(), 10, salt).fetch;
        assert_eq!(first(1), first(1));
        let common = first(1).iter().filter(|blob| first(2).contains(blob)).count();
        assert!(common < 5, "{common} of ten alike");
    }

    proptest! {
        #[test]
        fn the_room_is_kept_and_a_choice_is_not_taken_back(
            room in 0usize..12,
            holders in prop::collection::vec(0usize..8, 0..30),
            split in 0usize..30,
            salt: u64,
        ) {
            let all: Vec<Counted> =
                holders.iter().enumerate().map(|(n, h)| Counted { blob: BlobId([n as u8; 32]), holders: *h }).collect();
            let (kept, offered) = all.split_at(split.min(all.len()));
            let choice = choose(room, kept.to_vec(), offered.to_vec(), 100, salt);
            prop_assert!(choice.drop.iter().all(|blob| kept.iter().any(|one| one.blob == *blob)));
            prop_assert!(choice.fetch.iter().all(|blob| offered.iter().any(|one| one.blob == *blob)));
            let (after, rest): (Vec<Counted>, Vec<Counted>) = all.iter().partition(|one| {
                choice.fetch.contains(&one.blob) || (kept.contains(one) && !choice.drop.contains(&one.blob))
            });
            prop_assert!(after.len() <= room);
            prop_assert_eq!(choose(room, after, rest, 100, salt), Choice::default());
        }
    }
}
