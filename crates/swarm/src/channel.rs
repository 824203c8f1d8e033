//! One followed channel and the peers connected for it.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use protocol::handshake::Binding;
use protocol::session::Role;
use protocol::{BlobId, ReadKey, SignedManifest, Topic, rendezvous};

use crate::{ConnId, Follow};

/// What is known of a followed channel.
pub(crate) struct Channel {
    pub(crate) follow: Follow,
    /// Connections that serve it.
    pub(crate) conns: BTreeSet<ConnId>,
    /// Dials under way for it.
    pub(crate) dials: usize,
    /// Dials in a row that reached nobody.
    pub(crate) in_vain: u32,
    /// Look-ups in a row without a peer.
    pub(crate) fruitless: u32,
    /// See [`crate::List::v5`].
    pub(crate) v5: bool,
    /// See [`crate::List::inline`].
    pub(crate) inline: Vec<BlobId>,
    /// When something was last done about a wanted blob.
    pub(crate) stirred: Duration,
    /// When the DHT was last asked for peers.
    pub(crate) looked: Option<Duration>,
    /// When a swarm peer last said anything about it.
    pub(crate) heard: Option<Duration>,
    /// Blobs looked up by ID: how often, and when they may be again.
    pub(crate) sought: std::collections::BTreeMap<BlobId, (u32, Duration)>,
    /// When a peer's manifest of our sequence was last asked for, to see whether it is the same.
    pub(crate) compared: Option<Duration>,
    /// Rendezvous topics handed to the announcer.
    pub(crate) announced: Vec<Topic>,
}

impl Channel {
    pub(crate) fn new(follow: Follow) -> Self {
        Self {
            follow,
            conns: BTreeSet::new(),
            dials: 0,
            in_vain: 0,
            fruitless: 0,
            v5: false,
            inline: Vec::new(),
            stirred: Duration::ZERO,
            looked: None,
            heard: None,
            sought: std::collections::BTreeMap::new(),
            compared: None,
            announced: Vec::new(),
        }
    }
    pub(crate) fn is_private(&self) -> bool {
        self.follow.read_key.is_some()
    }
    /// The sequence of the manifest that we hold; 0: none.
    pub(crate) fn sequence(&self) -> u64 {
        self.follow.manifest.as_ref().map_or(0, |m| m.sequence())
    }
    /// Anything above this is news.
    pub(crate) fn news_after(&self) -> u64 {
        self.sequence().max(self.follow.floor.saturating_sub(1))
    }
    /// Where its followers meet now.
    pub(crate) fn topics(&self, unix_ms: u64) -> Vec<Topic> {
        let key = &self.follow.key;
        match &self.follow.read_key {
            None => vec![rendezvous::public(key)],
            Some(read) => {
                rendezvous::days(unix_ms).into_iter().map(|day| rendezvous::private(key, read, day)).collect()
            }
        }
    }
    /// A side's token on one connection; `None` for public channels.
    pub(crate) fn token(&self, binding: &Binding, side: Role) -> Option<[u8; 16]> {
        let read: &ReadKey = self.follow.read_key.as_ref()?;
        Some(rendezvous::token(&self.follow.key, read, binding, side))
    }
    /// A side's token between neighbours (E10): a public channel's key stands in for the read key, so that only who knows
    /// the channel can tell.
    pub(crate) fn near_token(&self, binding: &Binding, side: Role) -> [u8; 16] {
        let key = &self.follow.key;
        self.token(binding, side).unwrap_or_else(|| rendezvous::token(key, &ReadKey(key.0), binding, side))
    }
    /// Whether `new` replaces what we hold.
    pub(crate) fn takes(&self, new: &SignedManifest) -> bool {
        new.sequence() >= self.follow.floor && self.follow.manifest.as_ref().is_none_or(|old| new.supersedes(old))
    }
    /// Same sequence, other bytes.
    pub(crate) fn is_signed_twice(&self, new: &SignedManifest) -> bool {
        let old: Option<&Arc<SignedManifest>> = self.follow.manifest.as_ref();
        old.is_some_and(|old| old.sequence() == new.sequence() && old.json() != new.json())
    }
}
