//! Fetched blobs are hashed, before anything else is done with them.
//!
//! Owns: the blobs that came and are not hashed yet; each holds its place among the blobs in hand, so they are few. As many
//! workers as cores; two blobs at a time, which takes a core little longer than one. In a steady stream one waits for the
//! next; a blob that comes alone, as those of lists do, waits for nothing.

use std::sync::Arc;
use std::time::Instant;

use protocol::{BlobId, VerifiedBlob};
use swarm::ConnId;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio_util::task::TaskTracker;

use crate::config::{BLOBS_IN_HAND, PARTNER_WITHIN};
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
    let mut last: Option<Instant> = None;
    loop {
        let Ok(worker) = workers.clone().acquire_owned().await else { return };
        let Some(first) = blobs.recv().await else { return };
        let streams = last.is_some_and(|last| last.elapsed() < PARTNER_WITHIN);
        last = Some(Instant::now());
        let second = match blobs.try_recv() {
            Ok(second) => Some(second),
            Err(_) if streams => tokio::time::timeout(PARTNER_WITHIN, blobs.recv()).await.ok().flatten(),
            Err(_) => None,
        };
        if second.is_some() {
            last = Some(Instant::now());
        }
        let engine = engine.clone();
        tasks.spawn_blocking(move || {
            for hand in hash(first, second) {
                engine.send_blocking(Input::Blob(hand));
            }
            drop(worker);
        });
    }
}

fn hash(first: Unhashed, second: Option<Unhashed>) -> Vec<BlobInHand> {
    let hand = |conn, blob, verified: Result<VerifiedBlob, _>, permit| BlobInHand {
        conn,
        blob,
        verified: verified.ok(),
        permit,
    };
    let Some(second) = second else {
        let verified = VerifiedBlob::verify(first.blob, first.bytes);
        return vec![hand(first.conn, first.blob, verified, first.permit)];
    };
    let [a, b] = VerifiedBlob::verify_two([(first.blob, first.bytes), (second.blob, second.bytes)]);
    vec![hand(first.conn, first.blob, a, first.permit), hand(second.conn, second.blob, b, second.permit)]
}
