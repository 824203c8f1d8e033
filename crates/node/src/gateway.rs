//! §5 PUBLISH — hands a manifest to gateways and looks whether it can be read back. What we do for others
//! as a gateway is [`crate::relay`]'s.
//!
//! Each gateway is asked on a connection of its own, which the swarm does not know: nothing else is said on it.

use std::sync::Arc;
use std::time::Duration;

use net::gate::Gate;
use protocol::session::{Capabilities, Command, Event, Hello, PublishRequest, Role, Session};
use protocol::{PeerAddr, SignedManifest};
use tokio::task::JoinSet;

use crate::config::{
    DIAL_TIMEOUT, DIAL_TIMEOUT_DETOUR, GATEWAY_HELLO, GATEWAY_HELLO_DETOUR, GATEWAY_TIMEOUT, GATEWAYS_ASKED,
    HANDSHAKE_TIMEOUT, HANDSHAKE_TIMEOUT_DETOUR, SHOWN_AFTER,
};
use crate::ctx::{Ctx, Inner};

/// What came of it.
#[derive(Debug, Default)]
pub(crate) struct Handed {
    /// Gateways that said that they published it.
    pub(crate) taken: u32,
    /// Gateways that could tell whether another one's word is true.
    pub(crate) witnesses: u32,
    /// Of them, those that showed it afterwards.
    pub(crate) shown: u32,
    /// Who did not take it, and why.
    pub(crate) refused: Vec<(PeerAddr, String)>,
}

impl Handed {
    /// What a person should know of a publication that was taken and perhaps not made.
    pub(crate) fn doubt(&self) -> Option<String> {
        match (self.taken, self.witnesses, self.shown) {
            (0, ..) | (_, _, 1..) => None,
            (_, 0, _) => Some(
                "A gateway says that it published this. No second gateway is known that could show it: name another one \
                 to have it checked."
                    .to_owned(),
            ),
            _ => Some(
                "A gateway says that it published this, but no other one shows it. Others may not find it yet.".to_owned(),
            ),
        }
    }
}

/// Hands a manifest to at most [`GATEWAYS_ASKED`] gateways at once, then asks for it through others than took it: no
/// gateway's word counts for itself.
pub(crate) async fn publish(ctx: &Ctx, gateways: &[PeerAddr], manifest: &SignedManifest) -> Handed {
    let gateways: Vec<PeerAddr> = gateways.iter().take(GATEWAYS_ASKED).cloned().collect();
    let mut handed = Handed::default();
    let request = PublishRequest {
        key: *manifest.key(),
        sequence: manifest.sequence(),
        value: manifest.json().to_vec(),
        signature: *manifest.bep44(),
        salt: Vec::new(),
    };
    let mut asked = JoinSet::new();
    for addr in gateways.clone() {
        let (ctx, request) = (Arc::clone(ctx), request.clone());
        asked.spawn(async move {
            let answer = talk(&ctx, &addr, Talk::Publish(request)).await;
            (addr, answer)
        });
    }
    let mut takers = Vec::new();
    while let Some(done) = asked.join_next().await {
        match done {
            Ok((addr, Ok(_))) => takers.push(addr),
            Ok((addr, Err(why))) => handed.refused.push((addr, why)),
            Err(error) => tracing::warn!(%error, "a gateway's task ended"),
        }
    }
    handed.taken = u32::try_from(takers.len()).unwrap_or(u32::MAX);
    let mut witnesses: Vec<PeerAddr> =
        gateways.into_iter().filter(|witness| takers.iter().any(|taker| taker != witness)).collect();
    handed.witnesses = u32::try_from(witnesses.len()).unwrap_or(u32::MAX);
    for wait in SHOWN_AFTER {
        if witnesses.is_empty()
            || handed.shown > 0
            || ctx.stop.run_until_cancelled(tokio::time::sleep(wait)).await.is_none()
        {
            break;
        }
        let (shown, later) = shown(ctx, &witnesses, manifest).await;
        (handed.shown, witnesses) = (shown, later);
    }
    handed
}

/// How many of these gateways show the very bytes that were signed, and which of the others may do so later.
pub(crate) async fn shown(ctx: &Ctx, gateways: &[PeerAddr], manifest: &SignedManifest) -> (u32, Vec<PeerAddr>) {
    let mut asked = JoinSet::new();
    for addr in gateways.iter().take(GATEWAYS_ASKED) {
        let addr = addr.clone();
        let (ctx, key, floor) = (Arc::clone(ctx), *manifest.key(), manifest.sequence() - 1);
        asked.spawn(async move {
            let answer = talk(&ctx, &addr, Talk::Show(key, floor)).await;
            (addr, answer)
        });
    }
    let (mut shown, mut later) = (0, Vec::new());
    while let Some(done) = asked.join_next().await {
        match done {
            Ok((_, Ok(Some(found)))) if found.json() == manifest.json() => shown += 1,
            Ok((addr, Ok(_))) => later.push(addr),
            // One that shows nothing to anybody will not do so later.
            Ok((addr, Err(why))) => tracing::debug!(%addr, why, "a gateway shows nothing"),
            Err(error) => tracing::warn!(%error, "a gateway's task ended"),
        }
    }
    (shown, later)
}

/// What is said on one connection.
enum Talk {
    Publish(PublishRequest),
    Show(protocol::ChannelKey, u64),
}

async fn talk(ctx: &Inner, addr: &PeerAddr, talk: Talk) -> Result<Option<Arc<SignedManifest>>, String> {
    let network = ctx.network();
    let Some(gate) = &network.gate else { return Err("this node is offline".into()) };
    let work = async {
        match tokio::time::timeout(GATEWAY_TIMEOUT, converse(ctx, gate, addr, talk)).await {
            Ok(answer) => answer,
            Err(_) => Err(format!("no answer within {} s", GATEWAY_TIMEOUT.as_secs())),
        }
    };
    let work = network.tasks.track_future(network.stop.run_until_cancelled(work));
    work.await.unwrap_or_else(|| Err("the route was changed, or the node is stopping".into()))
}

async fn converse(
    ctx: &Inner,
    gate: &Gate,
    addr: &PeerAddr,
    talk: Talk,
) -> Result<Option<Arc<SignedManifest>>, String> {
    let (dial, handshake, hello) = if gate.is_far(addr) {
        (DIAL_TIMEOUT_DETOUR, HANDSHAKE_TIMEOUT_DETOUR, GATEWAY_HELLO_DETOUR)
    } else {
        (DIAL_TIMEOUT, HANDSHAKE_TIMEOUT, GATEWAY_HELLO)
    };
    // What is handed in and the look whether it is there go by circuits of their own: the gateway sees two strangers.
    let mut apart = [0; 16];
    getrandom::fill(&mut apart).map_err(|e| e.to_string())?;
    let stream = gate.dial(addr, &apart, dial).await.map_err(|e| e.to_string())?;
    let (mut reader, mut writer, _) =
        net::wire::handshake(stream, Role::Dialler, handshake).await.map_err(|e| e.to_string())?;
    let ours = Capabilities { manifest: true, ..Capabilities::default() };
    let mut session = Session::new(Role::Dialler, ours, ctx.clock.now());
    session.handle_command(ctx.clock.now(), Command::Hello(Hello { ext: ours, ..Hello::default() }));
    let show = match talk {
        Talk::Publish(request) => {
            session.handle_command(ctx.clock.now(), Command::Publish(request));
            None
        }
        Talk::Show(key, floor) => Some((key, floor)),
    };
    let hello_by = tokio::time::Instant::now() + hello;
    let mut greeted = false;
    let mut frame = Vec::new();
    loop {
        while let Some(event) = session.poll_event() {
            match event {
                Event::Published(result) => {
                    close(&mut session, &mut writer, ctx).await;
                    return result.map(|()| None);
                }
                Event::Hello(hello) => {
                    greeted = true;
                    if let Some((key, floor)) = show {
                        if !hello.ext.manifest {
                            return Err("it shows no manifests".into());
                        }
                        session.handle_command(ctx.clock.now(), Command::GetManifest(key, floor));
                    }
                }
                Event::Manifest(found) => {
                    close(&mut session, &mut writer, ctx).await;
                    return Ok(Some(found));
                }
                Event::NoManifest(_) => return Ok(None),
                Event::Requested(blob) => session.handle_command(ctx.clock.now(), Command::NotFound(blob)),
                Event::FindPeers(topic) => {
                    session.handle_command(ctx.clock.now(), Command::Peers(topic, Vec::new()));
                }
                _ => {}
            }
        }
        let mut out = Vec::new();
        if session.poll_transmit(&mut out) {
            writer.write(out).await.map_err(|e| e.to_string())?;
            continue;
        }
        let due = session.poll_timeout().map_or(GATEWAY_TIMEOUT, |at| at.saturating_sub(ctx.clock.now()));
        let frame_max = session.frame_max();
        let cap = || frame_max;
        tokio::select! {
            read = reader.read(&cap, &mut frame) => {
                read.map_err(|e| e.to_string())?;
                session.handle_frame(ctx.clock.now(), &frame).map_err(|v| v.to_string())?;
            }
            () = tokio::time::sleep_until(hello_by), if show.is_some() && !greeted => {
                close(&mut session, &mut writer, ctx).await;
                return Err("it shows no manifests".into());
            }
            () = tokio::time::sleep(due) => session.handle_timeout(ctx.clock.now()).map_err(|v| v.to_string())?,
        }
    }
}

/// Ends a connection that gave what it was for; whether the FIN arrives concerns nobody any more.
async fn close(session: &mut Session, writer: &mut net::wire::FrameWriter, ctx: &Inner) {
    session.handle_command(ctx.clock.now(), Command::Close);
    let _ = tokio::time::timeout(Duration::from_secs(1), writer.close()).await;
}
