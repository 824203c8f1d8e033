//! Says what a verb waits for, to the person who waits.
//!
//! Promises: nothing is said of what comes at once; after a second the cause is, and again whenever it is another.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use protocol::ChannelKey;

use crate::api::{Cause, Code, ErrorInfo, Event, Waiting};
use crate::config::SAY_AFTER;
use crate::ctx::Ctx;
use crate::error::Result;
use crate::view;

/// What is waited for.
#[derive(Clone, Copy)]
pub(super) enum For {
    /// A channel's first list.
    List,
    /// Parts of what a channel lists.
    Parts,
}

/// One wait of one verb.
pub(super) struct Waits<'a> {
    ctx: &'a Ctx,
    key: ChannelKey,
    what: For,
    since: Duration,
    told: Mutex<Option<Cause>>,
}

impl<'a> Waits<'a> {
    /// A wait that begins now.
    pub(super) fn begin(ctx: &'a Ctx, key: ChannelKey, what: For) -> Self {
        Self { ctx, key, what, since: ctx.clock.now(), told: Mutex::new(None) }
    }

    /// Why it does not come, as far as is known now.
    pub(super) async fn cause(&self) -> Result<Option<Cause>> {
        Ok(match self.what {
            For::List => view::channel(self.ctx, self.key).await?.and_then(|info| info.cause),
            For::Parts => view::why_still(self.ctx, self.key).await,
        })
    }

    /// Says what is waited for, if that is news.
    ///
    /// # Errors
    /// [`Code::Unreachable`]: it is a list, and there is nobody from whom it could ever come.
    pub(super) async fn tell(&self) -> Result<()> {
        if self.ctx.clock.now().saturating_sub(self.since) < SAY_AFTER {
            return Ok(());
        }
        let Some(cause) = self.cause().await? else { return Ok(()) };
        if matches!(self.what, For::List) && view::is_hopeless(self.ctx, &cause).await {
            let text = format!("{cause}. Let it use the DHT, or name a peer or a gateway that has the channel.");
            return Err(ErrorInfo::new(Code::Unreachable, text));
        }
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if told.as_ref() != Some(&cause) {
            tracing::info!(channel = %self.key, %cause, "waits");
            self.ctx.emit(Event::Waiting(Waiting { channel: self.key.to_string(), cause: cause.clone() }));
            *told = Some(cause);
        }
        Ok(())
    }

    /// Does this, and says meanwhile what it waits for.
    pub(super) async fn during<T>(&self, work: impl Future<Output = T>) -> T {
        let mut work = std::pin::pin!(work);
        loop {
            if let Ok(outcome) = tokio::time::timeout(SAY_AFTER, &mut work).await {
                return outcome;
            }
            // What cannot be told now is told a second later.
            if let Err(error) = self.tell().await {
                tracing::debug!(code = ?error.code, "what is waited for is not known: {}", error.message);
            }
        }
    }
}
