//! §2.3, E5 — our REQUESTs and PUBLISHes: what is open, and the blob that is arriving.
//!
//! Promises: answers are matched in the order asked; one buffer of a blob's size at a time; PUBLISH is never open beside
//! a REQUEST (E3).

use std::collections::VecDeque;
use std::time::Duration;

use super::timing::{PROGRESS, PUBLISHED};
use super::{Event, PublishRequest, Violation, outbox::Outbox};
use crate::BlobId;
use crate::message::Message;
use crate::params::BLOB_LEN;

/// REQUESTs of ours that are open at once; more wait here. Within what a peer takes.
const OPEN_MAX: usize = 128;
/// REQUESTs and PUBLISHes that wait to be asked.
const WAITING_MAX: usize = 4096;

enum Ask {
    Request(BlobId),
    Publish(Box<PublishRequest>),
}

struct Open {
    id: BlobId,
    wanted: bool,
    /// CANCEL was said: the peer answers with the blob or with ERROR, and neither is news.
    cancelled: bool,
}

/// Our side of REQUEST and PUBLISH.
#[derive(Default)]
pub(super) struct Asks {
    waiting: VecDeque<Ask>,
    open: VecDeque<Open>,
    publishing: bool,
    /// Bytes of the oldest open REQUEST's blob.
    filled: Vec<u8>,
    /// Their number, also when they are not wanted and not kept.
    received: usize,
    progress: Duration,
}

impl Asks {
    /// Whether a REQUEST of ours is open: only then a frame may hold a blob.
    pub(super) fn is_open(&self) -> bool {
        !self.open.is_empty()
    }

    pub(super) fn request(&mut self, now: Duration, id: BlobId, outbox: &mut Outbox) {
        if let Some(open) = self.open.iter_mut().find(|open| open.id == id && !open.cancelled) {
            open.wanted = true;
            return;
        }
        let waits = self.waiting.iter().any(|ask| matches!(ask, Ask::Request(waiting) if *waiting == id));
        if !waits && self.waiting.len() < WAITING_MAX {
            self.waiting.push_back(Ask::Request(id));
            self.advance(now, outbox);
        }
    }

    pub(super) fn publish(&mut self, now: Duration, request: PublishRequest, outbox: &mut Outbox) {
        if self.waiting.len() < WAITING_MAX {
            self.waiting.push_back(Ask::Publish(Box::new(request)));
            self.advance(now, outbox);
        }
    }

    /// Asks what may be asked now.
    fn advance(&mut self, now: Duration, outbox: &mut Outbox) {
        while let Some(next) = self.waiting.front() {
            let may = match next {
                Ask::Request(_) => !self.publishing && self.open.len() < OPEN_MAX,
                Ask::Publish(_) => !self.publishing && self.open.is_empty(),
            };
            // A question that the outbox drops would shift every later answer by one.
            if !may || outbox.is_full() {
                return;
            }
            if self.open.is_empty() {
                self.progress = now;
            }
            match self.waiting.pop_front() {
                Some(Ask::Request(id)) => {
                    outbox.push(&Message::Request(id));
                    self.open.push_back(Open { id, wanted: true, cancelled: false });
                }
                Some(Ask::Publish(request)) => {
                    outbox.push(&Message::Publish(*request));
                    self.publishing = true;
                }
                None => return,
            }
        }
    }

    /// A blob is not wanted any more; `may_say`: the peer knows CANCEL.
    pub(super) fn cancel(&mut self, now: Duration, id: BlobId, may_say: bool, outbox: &mut Outbox) {
        self.waiting.retain(|ask| !matches!(ask, Ask::Request(waiting) if *waiting == id));
        let Some(at) = self.open.iter().position(|open| open.id == id && !open.cancelled) else { return };
        if outbox.take_back(&Message::Request(id)) {
            self.open.remove(at);
            self.advance(now, outbox);
            return;
        }
        let open = &mut self.open[at];
        open.wanted = false;
        if at == 0 {
            self.filled = Vec::new();
        }
        if may_say {
            open.cancelled = true;
            outbox.push(&Message::Cancel(id));
        }
    }

    /// Bytes of the oldest open REQUEST's blob arrived.
    pub(super) fn data(
        &mut self,
        now: Duration,
        bytes: &[u8],
        outbox: &mut Outbox,
    ) -> Result<Option<Event>, Violation> {
        let Some(front) = self.open.front() else { return Err(Violation::Peer("DATA that nobody asked for")) };
        if bytes.is_empty() {
            return Err(Violation::Peer("DATA without bytes"));
        }
        if bytes.len() > BLOB_LEN - self.received {
            return Err(Violation::Peer("DATA beyond a blob's end"));
        }
        self.progress = now;
        // Wanted again after its first bytes were let go: those are gone, so it is asked for once more.
        let whole_so_far = self.filled.len() == self.received;
        if front.wanted && whole_so_far {
            if self.filled.is_empty() {
                self.filled.reserve_exact(BLOB_LEN);
            }
            self.filled.extend_from_slice(bytes);
        }
        let first = self.received == 0;
        self.received += bytes.len();
        if self.received < BLOB_LEN {
            return Ok((first && front.wanted).then_some(Event::Arriving(front.id)));
        }
        self.received = 0;
        let blob = std::mem::take(&mut self.filled);
        let Some(done) = self.open.pop_front() else { return Ok(None) };
        let event = if !done.wanted {
            None
        } else if blob.len() == BLOB_LEN {
            Some(Event::Blob(done.id, blob))
        } else {
            self.waiting.push_front(Ask::Request(done.id));
            None
        };
        self.advance(now, outbox);
        Ok(event)
    }

    /// ERROR answers the oldest open REQUEST, or the PUBLISH. `Err`: neither is open.
    pub(super) fn error(&mut self, now: Duration, text: &str, outbox: &mut Outbox) -> Result<Option<Event>, ()> {
        if let Some(done) = self.open.pop_front() {
            self.received = 0;
            self.filled = Vec::new();
            self.progress = now;
            self.advance(now, outbox);
            return Ok(done.wanted.then_some(Event::NotFound(done.id)));
        }
        self.published(now, Err(text.to_owned()), outbox).map(Some).ok_or(())
    }

    /// OK answers the PUBLISH. `None`: none is open.
    pub(super) fn published(
        &mut self,
        now: Duration,
        result: Result<(), String>,
        outbox: &mut Outbox,
    ) -> Option<Event> {
        if !std::mem::take(&mut self.publishing) {
            return None;
        }
        self.progress = now;
        self.advance(now, outbox);
        Some(Event::Published(result))
    }

    /// Nothing is asked any more.
    pub(super) fn stop(&mut self) {
        self.waiting.clear();
    }

    /// When an open ask without progress fails.
    pub(super) fn deadline(&self) -> Option<Duration> {
        if self.publishing {
            return Some(self.progress + PUBLISHED);
        }
        self.is_open().then_some(self.progress + PROGRESS)
    }
}
