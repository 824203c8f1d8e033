//! What is to be published, before it is.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use protocol::{ChannelKey, Identity, Item, ItemId};
use store::{IdentityRow, ItemRow, PlanFile, Standing};

use crate::api::{Code, PublishProgress};
use crate::config::PROGRESS_EVERY;
use crate::ctx::Ctx;
use crate::error::{Result, blocking, fail};
use crate::list;
use crate::publish::{Job, Scan, payload, seal};
use crate::verbs::Cancel;

/// What is to be published: sealed where it lies, and no item of the channel until the list that names it is signed and
/// kept. One that fails, is cancelled or dies with its process was never anything.
pub(crate) struct Draft {
    pub(crate) id: ItemId,
    pub(crate) title: String,
    pub(crate) about: String,
    /// It takes the place of an item that the list has.
    pub(crate) update: bool,
    pub(crate) scan: Arc<Scan>,
    pub(crate) files: Vec<PlanFile>,
    /// The identity, which is a public or a private one from the first publication on.
    pub(crate) identity: IdentityRow,
}

impl Draft {
    /// Writes its tables, and gives it the form that it has in a list. In the turn of signing: the list of another turn
    /// would let go of tables that it does not name.
    pub(super) async fn item(&self, ctx: &Ctx, identity: &Identity) -> Result<Item> {
        let (store, secret) = (ctx.store.clone(), identity.clone());
        let (scan, files) = (self.scan.clone(), self.files.clone());
        let payload = blocking(move || payload(&store, &secret, &scan, &files)).await?;
        Ok(Item {
            id: self.id,
            name: self.title.clone(),
            about: self.about.clone(),
            published: ctx.clock.unix_ms(),
            payload,
            left_out: Vec::new(),
        })
    }

    /// Its row, as that of a published item.
    pub(super) fn row(&self, key: ChannelKey, item: &Item) -> ItemRow {
        let mut row = list::row_of(key, 0, item);
        row.standing = Standing::Published;
        row.root = Some(self.scan.root.clone());
        row.planned = true;
        row
    }
}

/// Seals on worker threads and tells how far it is.
pub(crate) async fn sealed(job: &Job, scanned: &Arc<Scan>, known: Vec<PlanFile>) -> Result<Vec<PlanFile>> {
    let (progress, cancel) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
    let guard = Cancel(cancel.clone());
    let (scan, counter) = (scanned.clone(), progress.clone());
    let work = tokio::task::spawn_blocking(move || seal(&scan, &known, &counter, &cancel));
    let told = async {
        let mut tick = tokio::time::interval(PROGRESS_EVERY);
        tokio::pin!(work);
        loop {
            tokio::select! {
                // First of all, so that the quickest publication is heard of as well.
                biased;
                _ = tick.tick() => job.tell(PublishProgress {
                    stage: "seal".into(),
                    done: progress.load(Ordering::Relaxed),
                    total: scanned.bytes,
                    ..PublishProgress::default()
                }),
                done = &mut work => break done,
            }
        }
    };
    let done = job.unless_cancelled(told).await;
    drop(guard);
    match done? {
        Ok(plan) => plan,
        Err(error) => fail(Code::Internal, format!("sealing ended: {error}")),
    }
}
