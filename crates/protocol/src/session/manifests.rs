//! E4 — manifests between peers: GET_MANIFEST both ways, push.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::timing::{ANSWER, PUSH_EVERY};
use super::{Event, RequestId, Violation, outbox::Outbox};
use crate::message::{self, Message, Reason};
use crate::{ChannelKey, SignedManifest};

/// GET_MANIFESTs that may be open, each way.
const OPEN_MAX: usize = 512;
/// Channels whose last push is remembered; more than two HELLOs can name.
const PUSHES_MAX: usize = 1024;

struct Push {
    next: Duration,
    waiting: Option<Arc<SignedManifest>>,
    /// What was sent last: in a swarm the same comes back most of the time, and was verified already.
    sent: Option<Arc<SignedManifest>>,
}

/// Both sides of the capability `manifest`.
#[derive(Default)]
pub(super) struct Manifests {
    ours: BTreeMap<RequestId, (ChannelKey, Duration)>,
    theirs: BTreeMap<RequestId, Duration>,
    pushes: BTreeMap<ChannelKey, Push>,
}

fn send(id: RequestId, manifest: &SignedManifest, outbox: &mut Outbox) {
    outbox.push(&Message::Manifest { id, bep44: *manifest.bep44(), json: manifest.json() });
}

impl Manifests {
    pub(super) fn get(
        &mut self,
        now: Duration,
        id: RequestId,
        channel: ChannelKey,
        sequence: u64,
        outbox: &mut Outbox,
    ) {
        let asked = self.ours.values().any(|(open, _)| *open == channel);
        if !asked && self.ours.len() < OPEN_MAX && outbox.push(&Message::GetManifest(id, channel, sequence)) {
            self.ours.insert(id, (channel, now + ANSWER));
        }
    }

    /// GET_MANIFEST arrived. `Err(None)`: to be dropped.
    pub(super) fn asked(
        &mut self,
        now: Duration,
        id: RequestId,
        channel: ChannelKey,
        sequence: u64,
        outbox: &mut Outbox,
    ) -> Result<Option<Event>, Option<Violation>> {
        if outbox.is_clogged() {
            return Err(Some(Violation::Peer("answers that are not read")));
        }
        if id.0 == 0 || self.theirs.contains_key(&id) {
            return Err(None);
        }
        if self.theirs.len() >= OPEN_MAX {
            outbox.push(&Message::None(id, Reason::Busy));
            return Ok(None);
        }
        self.theirs.insert(id, now + ANSWER);
        Ok(Some(Event::GetManifest(id, channel, sequence)))
    }

    /// The node's answer.
    pub(super) fn answer(&mut self, id: RequestId, manifest: Option<&SignedManifest>, outbox: &mut Outbox) {
        if self.theirs.remove(&id).is_some() {
            match manifest {
                Some(manifest) => send(id, manifest, outbox),
                None => {
                    outbox.push(&Message::None(id, Reason::Nothing));
                }
            }
        }
    }

    /// MANIFEST arrived: an answer, or a push (id 0). `Err(None)`: to be dropped.
    pub(super) fn arrived(&mut self, id: RequestId, bep44: &[u8; 64], json: &[u8]) -> Result<Event, Option<Violation>> {
        let channel = if id.0 == 0 {
            message::claimed_channel(json).ok_or(Some(Violation::Peer("MANIFEST of no channel")))?
        } else {
            self.ours.remove(&id).ok_or(None)?.0
        };
        let known = self.pushes.get(&channel).and_then(|push| push.sent.as_ref());
        if let Some(known) = known.filter(|known| known.json() == json && known.bep44() == bep44) {
            return Ok(Event::Manifest(known.clone()));
        }
        let manifest = SignedManifest::verify(&channel, json, bep44)
            .map_err(|_| Some(Violation::Peer("MANIFEST that does not verify")))?;
        Ok(Event::Manifest(Arc::new(manifest)))
    }

    /// NONE arrived; `None`: to no GET_MANIFEST of ours.
    pub(super) fn none(&mut self, id: RequestId) -> Option<Event> {
        self.ours.remove(&id).map(|(channel, _)| Event::NoManifest(channel))
    }

    /// Sends the newest, at most once in five seconds for a channel.
    pub(super) fn push(&mut self, now: Duration, manifest: Arc<SignedManifest>, outbox: &mut Outbox) {
        let channel = *manifest.key();
        if self.pushes.len() >= PUSHES_MAX && !self.pushes.contains_key(&channel) {
            self.pushes.retain(|_, push| push.next > now || push.waiting.is_some());
            if self.pushes.len() >= PUSHES_MAX {
                return;
            }
        }
        let push = self.pushes.entry(channel).or_insert(Push { next: now, waiting: None, sent: None });
        if push.next <= now {
            push.next = now + PUSH_EVERY;
            send(RequestId(0), &manifest, outbox);
            push.sent = Some(manifest);
        } else if push.waiting.as_ref().is_none_or(|waiting| manifest.supersedes(waiting)) {
            push.waiting = Some(manifest);
        }
    }

    pub(super) fn deadline(&self) -> Option<Duration> {
        let pushes = self.pushes.values().filter(|push| push.waiting.is_some()).map(|push| push.next);
        self.ours.values().map(|(_, due)| *due).chain(self.theirs.values().copied()).chain(pushes).min()
    }

    /// Sends the pushes that are due and gives up what nobody answered.
    pub(super) fn handle_timeout(&mut self, now: Duration, outbox: &mut Outbox) -> Vec<Event> {
        for push in self.pushes.values_mut().filter(|push| push.next <= now) {
            if let Some(manifest) = push.waiting.take() {
                push.next = now + PUSH_EVERY;
                send(RequestId(0), &manifest, outbox);
                push.sent = Some(manifest);
            }
        }
        for (id, _) in self.theirs.extract_if(.., |_, due| *due <= now) {
            outbox.push(&Message::None(id, Reason::Nothing));
        }
        self.ours.extract_if(.., |_, (_, due)| *due <= now).map(|(_, (key, _))| Event::NoManifest(key)).collect()
    }
}
