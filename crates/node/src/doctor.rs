//! §5, E9 The leak test: watches every socket of this process while the node is led into temptation.
//!
//! Owns: one made-up channel that is followed meanwhile, with addresses that a careless program would dial or look up
//! itself. Promises: nothing of the user's is changed; what is reported was seen in the system's own tables.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use net::route::Choice;
use net::sockets::{OpenSocket, open_sockets};
use protocol::addr::OnionKey;
use protocol::{ChannelKey, PeerAddr};
use swarm::{Follow, Source};

use crate::api::{Code, ErrorInfo, LeakReport};
use crate::ctx::Ctx;
use crate::engine::Input;
use crate::error::{Result, blocking, fail};

/// Longest that one test may take.
const LONGEST: u64 = 3600;
/// Between two looks: shorter than any dial or look-up that goes astray.
const LOOK: Duration = Duration::from_millis(5);
/// The port of name look-ups.
const DNS: u16 = 53;

/// Watches for so many seconds.
pub(crate) async fn leak(ctx: &Ctx, seconds: u64) -> Result<LeakReport> {
    if !(1..=LONGEST).contains(&seconds) {
        return fail(Code::BadArgument, format!("The leak test takes 1 to {LONGEST} seconds."));
    }
    let choice = ctx.network().choice.clone();
    let proxy = match &choice {
        Choice::Direct | Choice::Both(_) => {
            return fail(
                Code::BadArgument,
                "The route leads straight, and your address is visible. Choose tor or a proxy first.",
            );
        }
        Choice::Socks5(proxy) => Some(proxy.addr),
        Choice::Tor(_) => None,
    };
    let by_file = || ctx.gate().as_ref().and_then(net::gate::Gate::dialled_by_file);
    let before = by_file().map_or(0, |(_, dials)| dials);
    let followed = tempt(ctx).await?;
    let stop = ctx.stop.clone();
    let watched = blocking(move || {
        let until = Instant::now() + Duration::from_secs(seconds);
        let (mut looks, mut elsewhere, mut through) = (0_u64, BTreeSet::new(), BTreeSet::new());
        while Instant::now() < until && !stop.is_cancelled() {
            let seen = open_sockets().map_err(|error| {
                ErrorInfo::new(Code::Io, format!("This system does not tell what its programs have open: {error}."))
            })?;
            looks += 1;
            for socket in seen {
                if strays(&socket, proxy) {
                    elsewhere.insert(told(&socket));
                } else if let Some(remote) = socket.remote {
                    through.insert(remote.ip());
                }
            }
            std::thread::sleep(LOOK);
        }
        Ok((looks, elsewhere, through))
    })
    .await;
    drop(followed);
    let (looks, elsewhere, through) = watched?;
    let file = by_file().filter(|(_, dials)| *dials > before).map(|(file, _)| file.display().to_string());
    Ok(LeakReport {
        route: choice.to_string(),
        seconds,
        looks,
        through: through.iter().map(ToString::to_string).chain(file).collect(),
        elsewhere: elsewhere.into_iter().collect(),
    })
}

/// Follows a channel that nobody has, at addresses of every kind.
async fn tempt(ctx: &Ctx) -> Result<Followed> {
    let mut random = [[0; 32]; 2];
    for bytes in &mut random {
        getrandom::fill(bytes).map_err(|e| ErrorInfo::new(Code::Internal, format!("no random numbers: {e}")))?;
    }
    let key = ChannelKey(random[0]);
    let at = |a: [u8; 4]| PeerAddr::Ip(SocketAddr::from((a, 6881)));
    // Addresses and a name that are kept free for examples, one of a house's own network, this machine, an onion.
    let addrs = [
        at([192, 0, 2, 1]),
        at([203, 0, 113, 1]),
        at([192, 168, 255, 254]),
        at([127, 0, 0, 1]),
        PeerAddr::Name("leak-test.example".into(), 6881),
        PeerAddr::Onion(OnionKey(random[1]), 6881),
    ];
    let follow = Follow { key, read_key: None, manifest: None, floor: 0 };
    let addrs = addrs.into_iter().map(|addr| (addr, Source::User)).collect();
    ctx.engine.send(Input::Follow(follow, addrs)).await;
    Ok(Followed { ctx: ctx.clone(), key })
}

/// Leaves the made-up channel, also when nobody waits for the test any more.
struct Followed {
    ctx: Ctx,
    key: ChannelKey,
}

impl Drop for Followed {
    fn drop(&mut self) {
        let (ctx, key) = (self.ctx.clone(), self.key);
        self.ctx.spawn(async move { ctx.engine.send(Input::Unfollow(key)).await });
    }
}

/// Whether something goes, could go, or could come, past the proxy or Tor. Both are on this machine, or the proxy's
/// address is known.
fn strays(socket: &OpenSocket, proxy: Option<SocketAddr>) -> bool {
    if socket.protocol != "tcp" {
        return true;
    }
    match socket.remote {
        Some(remote) if Some(remote) == proxy => false,
        Some(remote) => !remote.ip().is_loopback() || remote.port() == DNS,
        None => !socket.local.ip().is_loopback(),
    }
}

fn told(socket: &OpenSocket) -> String {
    match socket.remote {
        Some(remote) => format!("{} to {remote}", socket.protocol),
        None => format!("{} open at {}", socket.protocol, socket.local),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_proxy_and_this_machine_are_no_strays() {
        let socket = |protocol, local: &str, remote: Option<&str>| OpenSocket {
            protocol,
            local: local.parse().unwrap(),
            remote: remote.map(|remote| remote.parse().unwrap()),
        };
        let proxy = Some("10.0.0.1:1080".parse().unwrap());
        for (seen, stray) in [
            (socket("tcp", "10.0.0.2:5", Some("10.0.0.1:1080")), false),
            (socket("tcp", "10.0.0.2:5", Some("10.0.0.1:1081")), true),
            (socket("tcp", "127.0.0.1:5", Some("127.0.0.1:9050")), false),
            (socket("tcp", "127.0.0.1:5", Some("127.0.0.53:53")), true),
            (socket("tcp", "127.0.0.1:5", None), false),
            (socket("tcp", "0.0.0.0:5", None), true),
            (socket("tcp", "[::]:5", None), true),
            (socket("udp", "127.0.0.1:5", Some("127.0.0.53:53")), true),
            (socket("udp", "0.0.0.0:5", None), true),
        ] {
            assert_eq!(strays(&seen, proxy), stray, "{seen:?}");
        }
    }
}
