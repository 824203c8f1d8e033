//! Publications under way: what they are called, how far they are, and how one is called off.
//!
//! Promises: one that is called off before [`Job::past_recall`] leaves nothing in the list; afterwards nobody is told
//! that it was called off.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio_util::sync::CancellationToken;

use crate::api::{Code, ErrorInfo, Event, PublishProgress};
use crate::ctx::Ctx;
use crate::error::{Result, fail};
use crate::verbs::Caller;

/// Longest name, in bytes.
const NAME_MAX: usize = 64;

/// All that can be called off.
#[derive(Default)]
pub(crate) struct Jobs(Mutex<HashMap<String, CancellationToken>>);

impl Jobs {
    fn running(&self) -> MutexGuard<'_, HashMap<String, CancellationToken>> {
        // Each change is one call: a panic elsewhere leaves the map whole.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Calls one off.
    ///
    /// # Errors
    /// None of that name can be: it has ended, or its list is being signed.
    pub(crate) fn cancel(&self, name: &str) -> Result<()> {
        match self.running().remove(name) {
            Some(job) => {
                job.cancel();
                Ok(())
            }
            None => fail(
                Code::NotFound,
                "This publication has ended, or its list is signed already. What is in the list is taken out with \
                 unpublish.",
            ),
        }
    }
}

/// One publication.
pub(crate) struct Job {
    ctx: Ctx,
    name: Option<String>,
    /// It stands among those that can be called off.
    listed: bool,
    title: String,
    cancelled: CancellationToken,
    caller: Caller,
}

impl Job {
    /// One that can be called off by this name, or by one that is made here.
    ///
    /// # Errors
    /// The name is none, or another publication under way has it.
    pub(crate) fn begin(ctx: &Ctx, name: Option<String>, caller: &Caller) -> Result<Self> {
        let name = match name {
            Some(name) if name.is_empty() || name.len() > NAME_MAX => {
                return fail(Code::BadArgument, format!("A publication's name has 1 to {NAME_MAX} bytes."));
            }
            Some(name) => name,
            None => {
                let mut random = [0; 16];
                getrandom::fill(&mut random)
                    .map_err(|e| ErrorInfo::new(Code::Internal, format!("no random numbers: {e}")))?;
                protocol::ItemId(random).to_string()
            }
        };
        let cancelled = CancellationToken::new();
        let mut running = ctx.jobs.running();
        if running.contains_key(&name) {
            return fail(Code::Exists, "A publication of this name is under way.");
        }
        running.insert(name.clone(), cancelled.clone());
        Ok(Self {
            ctx: ctx.clone(),
            name: Some(name),
            listed: true,
            title: String::new(),
            cancelled,
            caller: caller.clone(),
        })
    }

    /// A change of the list that is over too soon to be called off.
    pub(crate) fn unnamed(ctx: &Ctx, title: &str) -> Self {
        let cancelled = CancellationToken::new();
        Self {
            ctx: ctx.clone(),
            name: None,
            listed: false,
            title: title.to_owned(),
            cancelled,
            caller: Caller::default(),
        }
    }

    /// What listeners know it by.
    pub(crate) fn entitle(&mut self, title: &str) {
        title.clone_into(&mut self.title);
    }

    /// Tells how far it is; its name and title are put in here.
    pub(crate) fn tell(&self, progress: PublishProgress) {
        let (title, job) = (self.title.clone(), self.name.clone());
        self.ctx.emit(Event::Publishing(PublishProgress { title, job, ..progress }));
    }

    /// Does what can be dropped at any time, unless it is called off.
    ///
    /// # Errors
    /// It was called off, or nobody waits for it any more, or the node stops.
    pub(crate) async fn unless_cancelled<T>(&self, work: impl Future<Output = T>) -> Result<T> {
        tokio::select! {
            biased;
            () = self.cancelled.cancelled() => fail(Code::Cancelled, "Publishing was cancelled. Nothing was published."),
            () = self.caller.gone() => fail(Code::Cancelled, "Cancelled. Nothing was published."),
            () = self.ctx.stop.cancelled() => fail(Code::Stopping, "The node is stopping. Nothing was published."),
            done = work => Ok(done),
        }
    }

    /// From here on it cannot be called off.
    ///
    /// # Errors
    /// It was.
    pub(crate) async fn past_recall(&mut self) -> Result<()> {
        self.delist();
        self.unless_cancelled(async {}).await
    }

    fn delist(&mut self) {
        // Whoever called it off took it from the list; by now another may have its name.
        if std::mem::take(&mut self.listed) && !self.cancelled.is_cancelled() {
            self.name.as_ref().map(|name| self.ctx.jobs.running().remove(name));
        }
    }
}

impl Drop for Job {
    fn drop(&mut self) {
        self.delist();
    }
}
