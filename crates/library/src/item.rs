//! One item: what happens to it now.

use std::collections::HashSet;
use std::time::Duration;

use protocol::BlobId;

use crate::{Ticket, Trouble};

/// What happens to an item.
#[derive(Debug, Default)]
pub(crate) enum State<C> {
    /// Nothing: it is not wanted, or somebody has it for himself.
    #[default]
    Idle,
    /// It waits for its turn.
    Queued,
    /// It is looked at whether it is wanted.
    Looking,
    /// It will be looked at then.
    Later(Duration),
    /// Its tables are read.
    Planning,
    /// Its blobs are asked for. `exhausted`: it lacks nothing else.
    Fetching {
        /// No more of them need be looked up.
        exhausted: bool,
    },
    /// Its files get their names.
    Finishing,
    /// It does not go on.
    Stalled(Box<Trouble<C>>),
}

impl<C> State<C> {
    /// It waits, for its turn or to be looked at.
    pub(crate) fn is_waiting(&self) -> bool {
        matches!(self, Self::Queued | Self::Looking | Self::Later(_))
    }

    /// It moves.
    pub(crate) fn is_active(&self) -> bool {
        matches!(self, Self::Planning | Self::Fetching { .. } | Self::Finishing)
    }
}

/// An item of which there is something to know. There may be a quarter of a million: it is kept small.
#[derive(Debug)]
pub(crate) struct Item<C> {
    pub(crate) state: State<C>,
    /// The run of the job that is done to it: it ends before another begins, whatever became of the item meanwhile.
    pub(crate) job: Option<u64>,
    /// All of it is here: its files get their names after the job.
    pub(crate) whole: bool,
    /// What is asked for.
    pub(crate) lacks: HashSet<BlobId>,
    /// Who wants it for himself, in order.
    pub(crate) claims: Vec<Ticket>,
    /// The first of them has it.
    pub(crate) granted: bool,
    /// When its progress was told last.
    pub(crate) told: Option<Duration>,
}

impl<C> Default for Item<C> {
    fn default() -> Self {
        Self {
            state: State::Idle,
            job: None,
            whole: false,
            lacks: HashSet::new(),
            claims: Vec::new(),
            granted: false,
            told: None,
        }
    }
}

impl<C> Item<C> {
    /// Somebody has it for himself, or waits for it.
    pub(crate) fn is_claimed(&self) -> bool {
        !self.claims.is_empty()
    }

    pub(crate) fn is_nothing(&self) -> bool {
        matches!(self.state, State::Idle) && self.job.is_none() && self.claims.is_empty()
    }
}
