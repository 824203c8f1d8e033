//! §5 PUBLISH, the asking side — hands a manifest to gateways and looks whether it can be read back.
//!
//! Each gateway is asked on a connection of its own, which the swarm does not know: nothing else is said on it.

use std::sync::Arc;
use std::time::Duration;

use protocol::session::{Capabilities, Command, Event, Hello, PublishRequest, Role, Session};
use protocol::{PeerAddr, SignedManifest};
use tokio::task::JoinSet;

use crate::config::{DIAL_TIMEOUT, GATEWAY_TIMEOUT, GATEWAYS_ASKED, HANDSHAKE_TIMEOUT};
use crate::ctx::{Ctx, Inner};

/// What came of it.
#[derive(Debug, Default)]
pub(crate) struct Handed {
    /// Gateways that said that they published it.
    pub(crate) taken: u32,
    /// Gateways that showed it afterwards.
    pub(crate) shown: u32,
    /// Who did not take it, and why.
    pub(crate) refused: Vec<(PeerAddr, String)>,
}

/// Hands a manifest to at most [`GATEWAYS_ASKED`] gateways at once, then asks all of them for it.
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
    while let Some(done) = asked.join_next().await {
        match done {
            Ok((_, Ok(_))) => handed.taken += 1,
            Ok((addr, Err(why))) => handed.refused.push((addr, why)),
            Err(error) => tracing::warn!(%error, "a gateway's task ended"),
        }
    }
    if handed.taken == 0 {
        return handed;
    }
    // Whoever shows the very bytes that we signed has them, by its own copy or by the DHT.
    let mut shown = JoinSet::new();
    for addr in gateways {
        let (ctx, key, floor) = (Arc::clone(ctx), *manifest.key(), manifest.sequence() - 1);
        shown.spawn(async move { talk(&ctx, &addr, Talk::Show(key, floor)).await });
    }
    while let Some(done) = shown.join_next().await {
        if let Ok(Ok(Some(found))) = done
            && found.json() == manifest.json()
        {
            handed.shown += 1;
        }
    }
    handed
}

/// What is said on one connection.
enum Talk {
    Publish(PublishRequest),
    Show(protocol::ChannelKey, u64),
}

async fn talk(ctx: &Inner, addr: &PeerAddr, talk: Talk) -> Result<Option<Arc<SignedManifest>>, String> {
    let work = async {
        match tokio::time::timeout(GATEWAY_TIMEOUT, converse(ctx, addr, talk)).await {
            Ok(answer) => answer,
            Err(_) => Err(format!("no answer within {} s", GATEWAY_TIMEOUT.as_secs())),
        }
    };
    ctx.stop.run_until_cancelled(work).await.unwrap_or_else(|| Err("the node is stopping".into()))
}

async fn converse(ctx: &Inner, addr: &PeerAddr, talk: Talk) -> Result<Option<Arc<SignedManifest>>, String> {
    let Some(gate) = &ctx.gate else { return Err("this node is offline".into()) };
    let stream = gate.dial(addr, DIAL_TIMEOUT).await.map_err(|e| e.to_string())?;
    let (mut reader, mut writer, _) =
        net::wire::handshake(stream, Role::Dialler, HANDSHAKE_TIMEOUT).await.map_err(|e| e.to_string())?;
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
    let mut frame = Vec::new();
    loop {
        while let Some(event) = session.poll_event() {
            match event {
                Event::Published(result) => {
                    close(&mut session, &mut writer, ctx).await;
                    return result.map(|()| None);
                }
                Event::Hello(hello) => {
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
            writer.write(&out).await.map_err(|e| e.to_string())?;
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
            () = tokio::time::sleep(due) => session.handle_timeout(ctx.clock.now()).map_err(|v| v.to_string())?,
        }
    }
}

/// Ends a connection that gave what it was for; whether the FIN arrives concerns nobody any more.
async fn close(session: &mut Session, writer: &mut net::wire::FrameWriter, ctx: &Inner) {
    session.handle_command(ctx.clock.now(), Command::Close);
    let _ = tokio::time::timeout(Duration::from_secs(1), writer.close()).await;
}
