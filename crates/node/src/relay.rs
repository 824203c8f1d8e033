//! §5 What a gateway does for others: puts their lists into the DHT, shows those of channels that it does not follow, and
//! looks there for peers.
//!
//! Owns: the work under way and who waits for it, and the memory of what was done. Promises: few look-ups and puts at a time,
//! of one network fewer; who asks waits for a turn, not for long; what was done lately is not done again, whoever asks, and
//! costs nobody anything; only a newer list counts against its channel.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use net::dht::{Dht, DhtError, SignedItem};
use protocol::price::{Payer, Turns};
use protocol::session::{Command, PublishRequest, RequestId};
use protocol::{ChannelKey, SignedManifest, Topic};
use swarm::ConnId;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::config::{
    GATEWAY_AT_ONCE, GATEWAY_EACH, GATEWAY_INPUTS, GATEWAY_PATIENCE, GATEWAY_SEEKS_FOR, GATEWAY_WAITING,
};
use crate::ctx::Ctx;
use crate::engine::Input;
use memory::{Item, Memory, Put};

mod memory;

/// What somebody asks of a gateway.
#[derive(Debug)]
pub(crate) enum Asked {
    Publish(ConnId, Payer, PublishRequest),
    Show(ConnId, Payer, RequestId, ChannelKey, u64),
    Seek(ConnId, Payer, Topic),
}

/// Hands questions in.
#[derive(Clone)]
pub(crate) struct RelaySender(mpsc::Sender<Asked>);

impl RelaySender {
    pub(crate) fn channel() -> (Self, mpsc::Receiver<Asked>) {
        let (tx, rx) = mpsc::channel(GATEWAY_INPUTS);
        (Self(tx), rx)
    }
    /// `Err`: so much waits that this is not taken; who asked is to be told. A stopped node tells nobody anything.
    #[expect(clippy::result_large_err, reason = "what is not taken goes back whole, and at once")]
    pub(crate) fn ask(&self, asked: Asked) -> Result<(), Asked> {
        match self.0.try_send(asked) {
            Ok(()) | Err(mpsc::error::TrySendError::Closed(_)) => Ok(()),
            Err(mpsc::error::TrySendError::Full(asked)) => Err(asked),
        }
    }
}

impl Asked {
    /// The answer to who cannot be served now.
    pub(crate) fn busy(self) -> Answer {
        match self {
            Self::Publish(conn, ..) => Answer::Tell(conn, Command::Published(Err("This gateway is busy".into()))),
            Self::Show(conn, _, request, ..) => Answer::Tell(conn, Command::Manifest(request, None)),
            Self::Seek(conn, _, topic) => Answer::Found(conn, topic, Vec::new()),
        }
    }
}

/// What is said to who asked.
#[derive(Debug)]
pub(crate) enum Answer {
    Tell(ConnId, Command),
    Found(ConnId, Topic, Vec<SocketAddr>),
}

/// Work in the DHT, the same for all who want it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Work {
    Put(Item, Vec<u8>),
    Show(ChannelKey),
    Seek(Topic),
}

/// What came of it.
enum Done {
    Put(Result<(), String>),
    Shown(Result<Option<Arc<SignedManifest>>, ()>),
    Found(Vec<SocketAddr>),
}

struct Relay {
    ctx: Ctx,
    memory: Memory,
    turns: Turns<Work>,
    /// Who waits for what; the first of them has the turn.
    askers: BTreeMap<Work, Vec<Asked>>,
    running: JoinSet<(Payer, Work, Done)>,
}

/// Runs until the node stops.
pub(crate) async fn run(ctx: Ctx, mut inputs: mpsc::Receiver<Asked>) {
    let turns = Turns::new(GATEWAY_AT_ONCE, GATEWAY_EACH, GATEWAY_WAITING, GATEWAY_PATIENCE);
    let mut relay =
        Relay { ctx: ctx.clone(), memory: Memory::default(), turns, askers: BTreeMap::new(), running: JoinSet::new() };
    loop {
        let due = relay.turns.next_at().map(|at| at.saturating_sub(ctx.clock.now()));
        tokio::select! {
            () = ctx.stop.cancelled() => break,
            asked = inputs.recv() => match asked {
                Some(asked) => relay.take(asked).await,
                None => break,
            },
            Some(ended) = relay.running.join_next() => match ended {
                Ok((payer, work, done)) => relay.end(&payer, work, done).await,
                Err(error) => tracing::warn!(%error, "a gateway's work ended"),
            },
            () = tokio::time::sleep(due.unwrap_or_default()), if due.is_some() => {}
        }
        for late in relay.turns.expire(ctx.clock.now()) {
            relay.refuse(&late).await;
        }
        while let Some((payer, work)) = relay.turns.next() {
            relay.begin(payer, work);
        }
    }
    relay.running.shutdown().await;
}

impl Relay {
    async fn take(&mut self, asked: Asked) {
        let now = self.ctx.clock.now();
        let (payer, work) = match &asked {
            Asked::Publish(conn, payer, request) => {
                // Checked first: a stranger's forgery concerns no channel.
                if let Err(error) = protocol::manifest::verify_publish(request) {
                    return self.say(Answer::Tell(*conn, Command::Published(Err(error.to_string())))).await;
                }
                let item = (request.key, request.salt.clone());
                let work = Work::Put(item.clone(), request.value.clone());
                if self.askers.contains_key(&work) {
                    return self.queue(now, payer.clone(), work, asked).await;
                }
                let said = match self.memory.put(now, &item, request.sequence, &request.value) {
                    Put::Known => Ok(()),
                    Put::Older => Err("A newer manifest is known".to_owned()),
                    Put::TooOften(wait) => {
                        Err(format!("This channel was published too often. Wait {} s.", wait.as_secs().max(1)))
                    }
                    Put::New => return self.queue(now, payer.clone(), work, asked).await,
                };
                // No work was done: it costs nothing.
                let (conn, payer) = (*conn, payer.clone());
                self.give_back(payer).await;
                return self.say(Answer::Tell(conn, Command::Published(said))).await;
            }
            Asked::Show(conn, payer, request, key, after) => {
                if let Some(known) = self.memory.shown(now, key) {
                    let answer = Answer::Tell(*conn, Command::Manifest(*request, newer(known, *after)));
                    self.give_back(payer.clone()).await;
                    return self.say(answer).await;
                }
                (payer.clone(), Work::Show(*key))
            }
            Asked::Seek(conn, payer, topic) => {
                if let Some(known) = self.memory.sought(now, topic) {
                    let answer = Answer::Found(*conn, *topic, known);
                    self.give_back(payer.clone()).await;
                    return self.say(answer).await;
                }
                (payer.clone(), Work::Seek(*topic))
            }
        };
        self.queue(now, payer, work, asked).await;
    }

    async fn queue(&mut self, now: Duration, payer: Payer, work: Work, asked: Asked) {
        if let Some(others) = self.askers.get_mut(&work) {
            // One answer for all; of a crowd that asks for one thing not all are told.
            match others.len() < GATEWAY_WAITING {
                true => others.push(asked),
                false => self.say(asked.busy()).await,
            }
            return;
        }
        self.askers.insert(work.clone(), vec![asked]);
        if let Some(refused) = self.turns.ask(now, payer, work) {
            self.refuse(&refused).await;
        }
    }

    fn begin(&mut self, payer: Payer, work: Work) {
        let (ctx, request) = (self.ctx.clone(), self.askers.get(&work).and_then(|askers| askers.first()));
        let request = match request {
            Some(Asked::Publish(_, _, request)) => Some(request.clone()),
            _ => None,
        };
        self.running.spawn(async move {
            let done = match (&work, ctx.dht(), request) {
                (Work::Put(..), Some(dht), Some(request)) => Done::Put(put(&ctx, &dht, request).await),
                (Work::Put(..), ..) => Done::Put(Err("This node has no DHT".into())),
                (Work::Show(key), Some(dht), _) => Done::Shown(match dht.get_manifest(key, 0).await {
                    Ok(found) => Ok(found.map(|found| Arc::new(found.manifest))),
                    Err(error) => {
                        tracing::debug!(channel = %key, %error, "look-up for another failed");
                        Err(())
                    }
                }),
                (Work::Seek(topic), Some(dht), _) => {
                    let found = dht.get_peers_within(topic.infohash(), protocol::params::PEERS_MAX, GATEWAY_SEEKS_FOR);
                    Done::Found(found.await.unwrap_or_else(|error| {
                        tracing::debug!(%error, "look-up of peers for another failed");
                        Vec::new()
                    }))
                }
                (Work::Show(_), None, _) => Done::Shown(Err(())),
                (Work::Seek(_), None, _) => Done::Found(Vec::new()),
            };
            (payer, work, done)
        });
    }

    async fn end(&mut self, payer: &Payer, work: Work, done: Done) {
        self.turns.done(payer);
        let now = self.ctx.clock.now();
        let askers = self.askers.remove(&work).unwrap_or_default();
        match (&work, &done) {
            (Work::Put(item, value), Done::Put(result)) => self.put_ended(now, item, value, &askers, result.is_ok()),
            (Work::Show(key), Done::Shown(found)) => self.memory.show(now, *key, found.clone()),
            (Work::Seek(topic), Done::Found(found)) => self.memory.found(now, *topic, found.clone()),
            _ => {}
        }
        for asked in askers {
            let answer = match (asked, &done) {
                (Asked::Publish(conn, ..), Done::Put(result)) => Answer::Tell(conn, Command::Published(result.clone())),
                (Asked::Show(conn, _, request, _, after), Done::Shown(found)) => {
                    let found = found.clone().ok().flatten();
                    Answer::Tell(conn, Command::Manifest(request, newer(found, after)))
                }
                (Asked::Seek(conn, _, topic), Done::Found(found)) => Answer::Found(conn, topic, found.clone()),
                (asked, _) => asked.busy(),
            };
            self.say(answer).await;
        }
    }

    fn put_ended(&mut self, now: Duration, item: &Item, value: &[u8], askers: &[Asked], ok: bool) {
        if let Some(Asked::Publish(_, _, request)) = askers.first() {
            self.memory.was_put(now, item.clone(), request.sequence, value.to_vec(), ok);
        }
    }

    /// Its turn did not come. It costs nothing, for nothing was done.
    async fn refuse(&mut self, work: &Work) {
        let askers = self.askers.remove(work).unwrap_or_default();
        if let Work::Put(item, value) = work {
            self.put_ended(self.ctx.clock.now(), item, value, &askers, false);
        }
        for asked in askers {
            let (Asked::Publish(_, payer, _) | Asked::Show(_, payer, ..) | Asked::Seek(_, payer, _)) = &asked;
            self.give_back(payer.clone()).await;
            self.say(asked.busy()).await;
        }
    }

    async fn give_back(&self, payer: Payer) {
        self.ctx.engine.send(Input::GiveBack(payer)).await;
    }

    async fn say(&self, answer: Answer) {
        self.ctx.engine.send(Input::Answer(answer)).await;
    }
}

fn newer(found: Option<Arc<SignedManifest>>, after: u64) -> Option<Arc<SignedManifest>> {
    found.filter(|manifest| manifest.sequence() > after)
}

/// Puts an item that was verified; what has no salt is a channel's list, which our own swarm may want, too.
async fn put(ctx: &Ctx, dht: &Dht, request: PublishRequest) -> Result<(), String> {
    let channel = request.salt.is_empty();
    let manifest = match channel {
        true => {
            let key = request.key;
            let floor = ctx.with_store(move |s| s.floor(&key)).await.map_err(|error| error.message)?;
            if request.sequence < floor {
                return Err("A newer manifest is known".into());
            }
            let manifest = SignedManifest::verify(&request.key, &request.value, &request.signature);
            Some(manifest.map_err(|error| error.to_string())?)
        }
        false => None,
    };
    let item = SignedItem {
        key: &request.key,
        sequence: request.sequence,
        value: &request.value,
        signature: &request.signature,
        salt: &request.salt,
    };
    match dht.put_item(&item).await {
        Ok(0) | Err(DhtError::TimedOut) => Err("No DHT node took it".into()),
        Ok(_) => {
            if let Some(manifest) = manifest {
                ctx.engine.send(Input::Manifest(Arc::new(manifest))).await;
            }
            Ok(())
        }
        Err(error) => Err(error.to_string()),
    }
}
