#![allow(clippy::disallowed_types, reason = "callers of a test come by real sockets")]

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use protocol::PeerAddr;
use protocol::addr::OnionKey;
use protocol::handshake::Handshake;
use swarm::Swarm;
use tokio::net::{TcpListener, TcpStream};

use super::*;

const KEY: ChannelKey = ChannelKey([7; 32]);

/// Who comes by an onion service: from nowhere that could be told from another, as the gate has it.
fn hidden(n: u64) -> PeerAddr {
    let mut key = [0; 32];
    key[..8].copy_from_slice(&n.to_be_bytes());
    PeerAddr::Onion(OnionKey(key), 0)
}

fn config() -> swarm::Config {
    swarm::Config {
        capabilities: protocol::session::Capabilities::default(),
        port: 0,
        dht: false,
        allow_local: false,
        connections_max: 200,
        per_channel: 12,
        announces_per_second: 0.0,
        announce_cycle: Duration::from_secs(900),
        ban: Duration::from_secs(3600),
        own_addr: None,
        unix_ms_at_start: 0,
    }
}

/// A door behind a listener of this machine: where, how many came, and how many came through.
struct Doorway {
    address: SocketAddr,
    came: Arc<AtomicUsize>,
    through: Arc<AtomicUsize>,
}

/// Each caller seems to come from where `from` says.
async fn door(from: impl Fn(u64) -> PeerAddr + Send + 'static, only: Option<ChannelKey>) -> Doorway {
    let (engine, mut inputs) = Engine::channel();
    let (through, came) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (count, counted) = (through.clone(), came.clone());
    tokio::spawn(async move {
        let mut swarm = Swarm::new(config(), 1);
        while let Some(input) = inputs.recv().await {
            match input {
                Input::Ask(ask) => ask(&mut swarm, Duration::ZERO),
                Input::Accepted(_) => drop(count.fetch_add(1, Ordering::SeqCst)),
                _ => {}
            }
        }
    });
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let mut door = Door::new(1, engine, Clock::start(), TaskTracker::new());
    tokio::spawn(async move {
        loop {
            tokio::select! {
                () = door.one_ended() => {}
                came = listener.accept() => {
                    let n = counted.fetch_add(1, Ordering::SeqCst) as u64;
                    let came = Came { stream: Box::new(came.unwrap().0), from: from(n), dialled: None };
                    door.take(came, only);
                }
            }
        }
    });
    Doorway { address, came, through }
}

/// A caller whose key comes a round trip after the connection: says whether it was let in.
async fn honest(address: SocketAddr, round_trip: Duration) -> bool {
    let Ok(mut stream) = TcpStream::connect(address).await else { return false };
    tokio::time::sleep(round_trip).await;
    let ours = Handshake::new(Role::Dialler, [9; 32]);
    let mut theirs = [0; 32];
    stream.write_all(&ours.public()).await.is_ok() && stream.read_exact(&mut theirs).await.is_ok()
}

/// Calls so many times a second, says nothing, and holds what it has.
async fn silent(address: SocketAddr, a_second: u64) {
    let mut held = std::collections::VecDeque::new();
    let mut tick = tokio::time::interval(Duration::from_micros(1_000_000 / a_second));
    // What a busy machine missed is not made up for by a burst: so many a second, never more.
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tick.tick().await;
        if let Ok(stream) = TcpStream::connect(address).await {
            held.push_back(stream);
            // Within what one process may have open; the oldest was given up by the other side long ago.
            if held.len() > 1000 {
                held.pop_front();
            }
        }
    }
}

/// Honest callers, one after another as they come, while the flood goes on: how many of them lived.
async fn lived(address: SocketAddr, callers: usize, round_trip: Duration) -> usize {
    let mut calls = JoinSet::new();
    for _ in 0..callers {
        tokio::time::sleep(Duration::from_millis(200)).await;
        calls.spawn(honest(address, round_trip));
    }
    calls.join_all().await.into_iter().filter(|lived| *lived).count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn behind_one_onion_service_silent_callers_keep_no_honest_one_out() {
    raise_handles();
    let Doorway { address, came, through } = door(hidden, Some(KEY)).await;
    let flood = tokio::spawn(silent(address, 130));
    // When every place is taken by the silent.
    while came.load(Ordering::SeqCst) < HANDSHAKES_SERVICE + 10 {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let lived = lived(address, 25, Duration::from_secs(1)).await;
    assert_eq!(lived, 25);
    // A caller has our key before we have its own: the last is let in a moment after it lived.
    let deadline = tokio::time::Instant::now() + Duration::from_secs(60);
    while through.load(Ordering::SeqCst) < lived {
        assert!(tokio::time::Instant::now() < deadline, "{} came through", through.load(Ordering::SeqCst));
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    flood.abort();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_network_has_few_handshakes_at_a_time_and_the_surplus_ends_in_peace() {
    raise_handles();
    let Doorway { address, .. } = door(|n| PeerAddr::Ip(([45, 1, 2, 3], 1000 + n as u16).into()), None).await;
    let mut silent: Vec<TcpStream> = Vec::new();
    for _ in 0..4 {
        silent.push(TcpStream::connect(address).await.unwrap());
    }
    // The fifth of the same network is refused at once, and in peace.
    let mut fifth = TcpStream::connect(address).await.unwrap();
    fifth.write_all(&[1; 32]).await.unwrap();
    let mut unread = Vec::new();
    assert_eq!(fifth.read_to_end(&mut unread).await.unwrap(), 0, "FIN, and not a byte before it");
    // Its place is free again when one has gone.
    drop(silent.pop());
    let deadline = tokio::time::Instant::now() + Duration::from_secs(60);
    while !honest(address, Duration::ZERO).await {
        assert!(tokio::time::Instant::now() < deadline, "no place was given back");
    }
}

/// Many sockets are open on both ends.
fn raise_handles() {
    #[cfg(unix)]
    {
        let mut limit = rustix::process::getrlimit(rustix::process::Resource::Nofile);
        limit.current = limit.maximum;
        rustix::process::setrlimit(rustix::process::Resource::Nofile, limit).unwrap();
    }
}
