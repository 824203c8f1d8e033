//! How many of our peers hold a blob that we hold, too: asked when something has to make room (E5).
//!
//! Owns: the answers. Promises: never more than [`BLOBS_MAX`] blobs; what a closed connection said is forgotten.

use std::collections::{BTreeMap, BTreeSet};

use protocol::BlobId;

use crate::ConnId;

/// Blobs counted at one time.
const BLOBS_MAX: usize = 4096;

/// The machine.
#[derive(Debug, Default)]
pub(crate) struct Census {
    holders: BTreeMap<BlobId, BTreeSet<ConnId>>,
}

impl Census {
    /// Counts these from now on, and forgets others when there are too many.
    pub(crate) fn begin(&mut self, blobs: &[BlobId]) {
        if self.holders.len() + blobs.len() > BLOBS_MAX {
            self.holders.clear();
        }
        for blob in blobs.iter().take(BLOBS_MAX) {
            self.holders.entry(*blob).or_default();
        }
    }
    /// A peer says that it has a blob. What is not counted is ignored.
    pub(crate) fn note(&mut self, conn: ConnId, blob: &BlobId) {
        if let Some(holders) = self.holders.get_mut(blob) {
            holders.insert(conn);
        }
    }
    /// A connection ended.
    pub(crate) fn remove(&mut self, conn: ConnId) {
        for holders in self.holders.values_mut() {
            holders.remove(&conn);
        }
    }
    /// Peers that said so.
    pub(crate) fn holders(&self, blob: &BlobId) -> usize {
        self.holders.get(blob).map_or(0, BTreeSet::len)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_asked_is_counted_and_only_while_the_peer_is_there() {
        let mut census = Census::default();
        let (asked, other) = (BlobId([1; 32]), BlobId([2; 32]));
        census.begin(&[asked]);
        for conn in [ConnId(1), ConnId(2), ConnId(2)] {
            census.note(conn, &asked);
            census.note(conn, &other);
        }
        assert_eq!((census.holders(&asked), census.holders(&other)), (2, 0));
        census.remove(ConnId(2));
        assert_eq!(census.holders(&asked), 1);
        let many: Vec<BlobId> = (0..10_000_u32).map(|n| BlobId::of(&n.to_be_bytes())).collect();
        census.begin(&many);
        assert_eq!(census.holders(&asked), 0, "forgotten for want of room");
        assert!(census.holders.len() <= BLOBS_MAX);
    }
}
