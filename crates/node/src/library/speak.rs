//! What the machine says, done: jobs on tasks of their own, questions to the engine, news to listeners.

use std::collections::HashSet;
use std::sync::atomic::Ordering;

use library::{Job, Outcome, Output, Trouble};
use store::Standing;
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use super::causes::{self, Stuck};
use super::{Key, Library, LibraryInput, Moving, log};
use crate::api::{Cause, Code, ErrorInfo, Event};
use crate::engine::Input;
use crate::{channel, keep, plan, view};

/// Items of which the causes are told at once.
const TOLD_AT_ONCE: usize = 256;

impl Library {
    /// Does what the machine says.
    pub(super) async fn speak(&mut self) {
        while let Some(output) = self.machine.say() {
            match output {
                Output::Run(key, run, job) => self.run_job(key, run, job),
                Output::Cancel(key, run) => {
                    if let Some(plan) = self.plans.get(&(key, run)) {
                        plan.cancel();
                    }
                }
                Output::Ask(key, blobs, urgency) => {
                    self.ctx.engine.send(Input::Want(blobs, key.0, priority(urgency))).await;
                }
                Output::Unask(blobs) => self.ctx.engine.send(Input::Unwant(blobs)).await,
                Output::Look(key) => {
                    let ctx = self.ctx.clone();
                    self.ctx.spawn(async move {
                        let row = ctx.with_store(move |s| s.item(&key.0, &key.1)).await;
                        let wanted =
                            |row: &store::ItemRow| row.standing == Standing::Wanted && !row.paused && !row.deadly;
                        let wanted = matches!(&row, Ok(Some(row)) if wanted(row));
                        ctx.library.send(LibraryInput::Looked(key, wanted));
                        log(row);
                    });
                }
                Output::Granted(key, ticket) => {
                    self.moving.remove(&key);
                    self.claims.entry(ticket).and_modify(|(granted, _)| {
                        // Who asked may have gone; then the item comes back at once.
                        let _ = std::mem::replace(granted, oneshot::channel().0).send(());
                    });
                }
                Output::Awaited(_, ticket) => {
                    if let Some((_, awaited)) = self.claims.get(&ticket) {
                        awaited.store(true, Ordering::SeqCst);
                    }
                }
                Output::Tell(key) => self.told(key),
                Output::TellQueue => self.told_queue(),
                Output::Complete(key) => self.complete(key),
            }
        }
    }

    pub(super) fn run_job(&mut self, key: Key, run: u64, job: Job) {
        let (ctx, (channel, item)) = (self.ctx.clone(), key);
        let plan = CancellationToken::new();
        if job == Job::Plan {
            let now = self.ctx.clock.now();
            let machine = &self.machine;
            self.moving.retain(|key, _| machine.active().any(|active| active == key));
            self.moving.insert(key, Moving { moved: now, ..Moving::default() });
            self.plans.insert((key, run), plan.clone());
        }
        let asked = if matches!(job, Job::Lack(_)) { self.machine.asked(&key) } else { HashSet::new() };
        self.ctx.spawn(async move {
            let done = match job {
                Job::Plan => match plan.run_until_cancelled(plan::wanted(&ctx, channel, item)).await {
                    Some(planned) => planned.map(|()| Outcome::Planned),
                    None => Err(ErrorInfo::new(Code::Cancelled, "The item is another's now.")),
                },
                Job::Lack(limit) => ctx
                    .with_store(move |s| s.missing(&channel, &item, limit, &|blob| asked.contains(blob)))
                    .await
                    .map(Outcome::Lacks),
                Job::Finish => channel::finish(&ctx, channel, item).await.map(Outcome::Finished),
            };
            let outcome = match done {
                Ok(outcome) => outcome,
                Err(error) => match causes::of(&ctx, key, error).await {
                    Some(trouble) => Outcome::Failed(trouble),
                    None => return,
                },
            };
            ctx.library.send(LibraryInput::Done(key, run, outcome));
        });
    }

    /// An item does not go on, for what is found out beside.
    pub(super) fn stuck(&self, key: Key, error: ErrorInfo) {
        let ctx = self.ctx.clone();
        self.ctx.spawn(async move {
            if let Some(trouble) = causes::of(&ctx, key, error).await {
                ctx.library.send(LibraryInput::Stuck(key, trouble));
            }
        });
    }

    /// What a person must know of it, and what may help.
    pub(super) fn trouble(&mut self, key: Key, trouble: &Trouble<Stuck>) {
        let (Trouble::Passing(stuck) | Trouble::Lasting(stuck)) = trouble else { return };
        if let Cause::Quota { quota, needed, .. } = stuck.cause {
            let ctx = self.ctx.clone();
            self.ctx.spawn(async move {
                let need = keep::Need { item: Some(key), bytes: needed };
                match keep::make_room(&ctx, need, quota).await {
                    Ok(true) => ctx.library.send(LibraryInput::Start(key.0, key.1)),
                    outcome => log(outcome),
                }
            });
        }
        // A retry that fails as before is no news.
        if self.told_trouble.insert(key, stuck.error.code) != Some(stuck.error.code) {
            self.ctx.emit(Event::Notice(stuck.error.clone()));
        }
    }

    pub(super) fn complete(&mut self, key: Key) {
        let (ctx, (channel, item)) = (self.ctx.clone(), key);
        self.moving.remove(&key);
        let last = !self.machine.is_busy_with(&channel);
        self.ctx.spawn(async move {
            log(keep::channel(&ctx, channel).await);
            if let Ok(Some(info)) = view::item(&ctx, channel, item).await {
                tracing::info!(channel = info.channel, item = info.id, bytes = info.bytes, "an item is here");
                ctx.emit(Event::Ready(info));
            }
            // With nothing more to wait for, the channel stands otherwise too.
            if last {
                channel::told(&ctx, channel).await;
            }
        });
    }

    /// Tells listeners how an item stands.
    pub(super) fn told(&self, key: Key) {
        let ctx = self.ctx.clone();
        self.ctx.spawn(async move {
            if let Ok(Some(info)) = view::item(&ctx, key.0, key.1).await {
                ctx.emit(Event::Item(info));
            }
        });
    }

    /// Tells listeners how all that waits stands, some at a time.
    pub(super) fn told_queue(&self) {
        let (ctx, keys) = (self.ctx.clone(), self.machine.queued().copied().collect::<Vec<Key>>());
        self.ctx.spawn(async move {
            for some in keys.chunks(TOLD_AT_ONCE) {
                let some = some.to_vec();
                let rows = ctx.with_store(move |s| {
                    let rows = some.iter().map(|(channel, item)| s.item(channel, item));
                    Ok(rows.collect::<std::result::Result<Vec<_>, _>>()?.into_iter().flatten().collect::<Vec<_>>())
                });
                let infos = match rows.await {
                    Ok(rows) => view::items(&ctx, rows).await,
                    Err(error) => Err(error),
                };
                match infos {
                    Ok(infos) => infos.into_iter().for_each(|info| ctx.emit(Event::Item(info))),
                    outcome => log(outcome),
                }
            }
        });
    }
}

fn priority(urgency: library::Urgency) -> swarm::Priority {
    match urgency {
        library::Urgency::Low => swarm::Priority::Low,
        library::Urgency::Normal => swarm::Priority::Normal,
        library::Urgency::High => swarm::Priority::High,
    }
}
