//! Whoever asked for something, as far as the work for it heeds them.

use tokio_util::sync::{CancellationToken, DropGuard};

use crate::api::Code;
use crate::error::{Result, fail};

/// Who waits for a verb's answer. One of [`Caller::default`] never goes away.
#[derive(Clone, Default)]
pub(crate) struct Caller(CancellationToken);

impl Caller {
    /// A caller, and what tells, when it is dropped, that nobody waits any more.
    pub(crate) fn waiting() -> (Self, DropGuard) {
        let gone = CancellationToken::new();
        (Self(gone.clone()), gone.drop_guard())
    }

    /// Resolves when nobody waits for the answer any more.
    pub(crate) async fn gone(&self) {
        self.0.cancelled().await;
    }

    /// Work that is dropped when nobody waits for it: what may end at any of its waits.
    ///
    /// # Errors
    /// Those of the work; [`Code::Cancelled`] when it was dropped.
    pub(crate) async fn unless_gone<T>(&self, work: impl Future<Output = Result<T>>) -> Result<T> {
        match self.0.run_until_cancelled(work).await {
            Some(outcome) => outcome,
            None => fail(Code::Cancelled, "Nobody waited for it any more."),
        }
    }
}
