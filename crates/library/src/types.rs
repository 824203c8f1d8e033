//! What the machine hears, and what it says.

use std::time::Duration;

use protocol::{BlobId, ChannelKey, ItemId};

/// An item of a channel.
pub type Key = (ChannelKey, ItemId);

/// When an item is fetched, compared with others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Urgency {
    /// After others.
    Low,
    /// In turn.
    #[default]
    Normal,
    /// Before others.
    High,
}

/// Numbers of the machine.
#[derive(Debug, Clone, Copy)]
pub struct Config {
    /// Items that move at once.
    pub at_once: usize,
    /// Blobs of one item that are asked for at once, at most.
    pub window: usize,
    /// After this long an item that was changed under its run is looked at again.
    pub again: Duration,
    /// After this long an item that was put off is looked at.
    pub later: Duration,
    /// Items that could not be written are tried again this often.
    pub retry: Duration,
    /// Progress of one item is told this often at most.
    pub progress: Duration,
}

/// Why an item does not go on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trouble<C> {
    /// What was worked on is no more: it is looked at again.
    Changed,
    /// It is in no list any more.
    Gone,
    /// Something that may pass: tried again by and by.
    Passing(C),
    /// Nothing changes it but a new list, or its user.
    Lasting(C),
}

/// What is done to an item, one at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Job {
    /// Its tables are read, until it is known what it consists of.
    Plan,
    /// Which blobs it lacks is looked up: so many at most, none of those that are asked for already.
    Lack(usize),
    /// Its files get their names.
    Finish,
}

/// What came of a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome<C> {
    /// It is known what it consists of.
    Planned,
    /// It lacks these; none: it lacks nothing but what is asked for already.
    Lacks(Vec<BlobId>),
    /// Its files have their names. False: some of it is missing again.
    Finished(bool),
    /// The job failed.
    Failed(Trouble<C>),
}

/// Who has an item for itself, to do with it what is no job of the machine.
pub type Ticket = u64;

/// What the machine hears.
#[derive(Debug, Clone)]
pub enum Input<C> {
    /// It is wanted: start it, or go on.
    Want(Key),
    /// It is wanted, but not at once.
    WantLater(Key),
    /// It is not wanted any more, or not now.
    Drop(Key),
    /// Its content is another's from now on.
    Changed(Key),
    /// Nothing of this channel is wanted any more.
    Forget(ChannelKey),
    /// How urgent it is.
    Urge(Key, Urgency),
    /// Somebody wants it for himself; granted when nobody and nothing else has it.
    Claim(Key, Ticket),
    /// And gives it back, or waits for it no longer.
    Release(Key, Ticket),
    /// Nothing begins and nothing is asked for, or everything goes on.
    Hold(bool),
    /// What came of the job of this run.
    Done(Key, u64, Outcome<C>),
    /// The answer to [`Output::Look`].
    Looked(Key, bool),
    /// A blob came and is written. `lost`: some of what was written before is missing.
    Placed {
        /// Which.
        blob: BlobId,
        /// Whether others were lost.
        lost: bool,
        /// Items that have more than before.
        grown: Vec<Key>,
        /// Items that have all.
        whole: Vec<Key>,
    },
    /// A blob came and cannot be written.
    NotPlaced(BlobId, Trouble<C>),
    /// It cannot go on, for what came.
    Bad(Key, Trouble<C>),
    /// A file of it changed: more may be missing.
    Shrunk(Key),
    /// There may be room for what had none.
    Room,
}

/// What the machine says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// Do this, as the run of this number.
    Run(Key, u64, Job),
    /// Nobody waits for this run any more: it may end early. Its outcome is heard all the same.
    Cancel(Key, u64),
    /// Ask for these blobs.
    Ask(Key, Vec<BlobId>, Urgency),
    /// Ask for them no more.
    Unask(Vec<BlobId>),
    /// Is it wanted, and not paused?
    Look(Key),
    /// The item is this ticket's until it is released.
    Granted(Key, Ticket),
    /// Others wait for it: what takes long ends early.
    Awaited(Key, Ticket),
    /// It stands otherwise than before.
    Tell(Key),
    /// All that waits stands otherwise than before.
    TellQueue,
    /// All of it is here, and has its names.
    Complete(Key),
}
