//! How the rest of the node talks to the library.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use library::{Key, Ticket, Trouble};
use protocol::{BlobId, ChannelKey, ItemId, SignedManifest};
use store::{Placed, ReadError, StoreError, Urgency};
use tokio::sync::{mpsc, oneshot};

use super::causes::Stuck;
use crate::api::Cause;
use crate::ctx::Inner;
use crate::error::Result;

/// What the library hears.
pub(crate) enum LibraryInput {
    /// From the swarm or the DHT; verified, not yet read.
    Manifest(Arc<SignedManifest>),
    SignedTwice(ChannelKey),
    /// Ask the DHT (E4).
    Refresh(ChannelKey),
    /// A channel's list was read, or could not be.
    Absorbed(ChannelKey, u64, Result<()>),
    /// Somebody waits for this channel's list: it is read without delay.
    Asked(ChannelKey),
    /// A new list brings other content for an item, or none: what was planned and wanted of it is no more.
    Replanned(ChannelKey, ItemId),
    /// Start or go on with what the channel's rule, or the user, wants.
    Start(ChannelKey, ItemId),
    /// The last process died over this one, it may be by chance: as [`Self::Start`], when everything else has begun.
    Later(ChannelKey, ItemId),
    /// An item is paused: nothing of it is asked for.
    Stop(ChannelKey, ItemId),
    /// Somebody wants an item for himself; see [`LibrarySender::claim`].
    Claim(Key, Ticket, oneshot::Sender<()>, Arc<AtomicBool>),
    Release(Key, Ticket),
    /// Whether an item is wanted, and not paused: the answer to what the machine asked.
    Looked(Key, bool),
    /// A published item's files were read again: so many of them are not what was published.
    Checked(ChannelKey, ItemId, u64),
    /// Forget a channel.
    Forget(ChannelKey),
    /// What came of a job of the machine.
    Done(Key, u64, library::Outcome<Stuck>),
    Placed(BlobId, Placed),
    /// So many bytes came, most likely of this blob.
    Coming(BlobId, u64),
    NotPlaced(BlobId, StoreError),
    /// An item cannot go on.
    Stuck(Key, Trouble<Stuck>),
    Unreadable(ReadError),
    /// All of a changed file was read again.
    Rechecked(Key, PathBuf),
    Announced(BlobId),
    /// Everything stops for this cause, or goes on.
    Hold(Option<Cause>),
    /// Items that had no room are tried again: there may be some now.
    Retry,
    /// When an item is fetched.
    Urgency(ChannelKey, ItemId, Urgency),
    /// Tell what is known of items here.
    Standing(oneshot::Sender<Standings>),
    /// Tell what is known of one item.
    StandingOf(Key, oneshot::Sender<Standings>),
}

/// Causes of items that do not move and of lists that cannot be read, rates of what moves (bytes a second).
#[derive(Default)]
pub(crate) struct Standings {
    pub(crate) causes: HashMap<Key, Cause>,
    pub(crate) rates: HashMap<Key, u64>,
    /// Whether something began, or came, a moment ago: the line is not idle then.
    pub(crate) busy: bool,
    /// Why nothing moves at all.
    pub(crate) held: Option<Cause>,
    /// Channels whose newest list cannot be read.
    pub(crate) unread: HashMap<ChannelKey, Cause>,
}

/// Talks to the library. Never waits: each message answers one thing that is bounded elsewhere (blobs in hand, paced DHT
/// operations, one list per channel), and a bounded queue here could lock the engine and the library into each other.
#[derive(Clone)]
pub(crate) struct LibrarySender {
    inputs: mpsc::UnboundedSender<LibraryInput>,
    tickets: Arc<AtomicU64>,
}

impl LibrarySender {
    pub(crate) fn channel() -> (Self, mpsc::UnboundedReceiver<LibraryInput>) {
        let (inputs, rx) = mpsc::unbounded_channel();
        (Self { inputs, tickets: Arc::default() }, rx)
    }

    /// A stopped library hears nothing any more.
    pub(crate) fn send(&self, input: LibraryInput) {
        let _ = self.inputs.send(input);
    }

    /// Takes an item for oneself: returns when nothing else is done to it any more, and nothing is until what comes back
    /// is dropped. Then it is looked at, and goes on if it is wanted. Who claims twice at once waits for himself.
    ///
    /// # Errors
    /// The node stops.
    pub(crate) async fn claim(&self, node: &Inner, channel: ChannelKey, item: ItemId) -> Result<Claimed> {
        let (granted, grants) = oneshot::channel();
        let awaited = Arc::new(AtomicBool::new(false));
        let ticket = self.tickets.fetch_add(1, Ordering::Relaxed);
        let claimed = Claimed { key: (channel, item), ticket, library: self.clone(), awaited: awaited.clone() };
        if node.config.offline {
            // A node without a library has nobody else who does anything.
            return Ok(claimed);
        }
        self.send(LibraryInput::Claim((channel, item), ticket, granted, awaited));
        // A library that is gone does nothing to it either.
        node.until_stop(async { Ok(grants.await.is_ok()) }).await?;
        Ok(claimed)
    }
}

/// An item that is somebody's, until this is dropped.
#[must_use = "the item goes on as soon as this is dropped"]
pub(crate) struct Claimed {
    key: Key,
    ticket: Ticket,
    library: LibrarySender,
    awaited: Arc<AtomicBool>,
}

impl Claimed {
    /// Set when others wait for the item: what takes long and can be done again ends early.
    pub(crate) fn awaited(&self) -> Arc<AtomicBool> {
        self.awaited.clone()
    }
}

impl Drop for Claimed {
    fn drop(&mut self) {
        self.library.send(LibraryInput::Release(self.key, self.ticket));
    }
}
