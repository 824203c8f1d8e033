//! Fetched blobs are hashed, before anything else is done with them.
//!
//! Owns: the blobs that came and are not hashed yet; each holds its place among the blobs in hand, so they are few. As many
//! workers as cores; what comes while all are busy is hashed two at a time, which takes a core little longer than one.

use std::sync::Arc;

use protocol::{BlobId, VerifiedBlob};
use swarm::ConnId;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio_util::task::TaskTracker;

use crate::config::BLOBS_IN_HAND;
use crate::engine::{BlobInHand, Engine, Input};

/// A blob as a peer sent it.
pub(crate) struct Unhashed {
    pub(crate) conn: ConnId,
    pub(crate) blob: BlobId,
    pub(crate) bytes: Vec<u8>,
    pub(crate) permit: OwnedSemaphorePermit,
}

/// Where blobs are handed in. Each waits with a permit, so there is room for all.
pub(crate) fn channel() -> (mpsc::Sender<Unhashed>, mpsc::Receiver<Unhashed>) {
    mpsc::channel(BLOBS_IN_HAND)
}

/// Runs until nobody can hand in any more, or it is dropped with the node.
pub(crate) async fn run(mut blobs: mpsc::Receiver<Unhashed>, engine: Engine, tasks: TaskTracker) {
    let cores = std::thread::available_parallelism().map_or(2, usize::from);
    let workers = Arc::new(Semaphore::new(cores));
    let mut batch = Vec::with_capacity(2);
    loop {
        let Ok(worker) = workers.clone().acquire_owned().await else { return };
        if blobs.recv_many(&mut batch, 2).await == 0 {
            return;
        }
        let (batch, engine) = (std::mem::take(&mut batch), engine.clone());
        tasks.spawn_blocking(move || {
            for hand in hash(batch) {
                engine.send_blocking(Input::Blob(hand));
            }
            drop(worker);
        });
    }
}

fn hash(batch: Vec<Unhashed>) -> Vec<BlobInHand> {
    let hand = |conn, blob, verified: Result<VerifiedBlob, _>, permit| BlobInHand {
        conn,
        blob,
        verified: verified.ok(),
        permit,
    };
    match <[Unhashed; 2]>::try_from(batch) {
        Ok([one, two]) => {
            let [first, second] = VerifiedBlob::verify_two([(one.blob, one.bytes), (two.blob, two.bytes)]);
            vec![hand(one.conn, one.blob, first, one.permit), hand(two.conn, two.blob, second, two.permit)]
        }
        Err(batch) => batch
            .into_iter()
            .map(|one| hand(one.conn, one.blob, VerifiedBlob::verify(one.blob, one.bytes), one.permit))
            .collect(),
    }
}
