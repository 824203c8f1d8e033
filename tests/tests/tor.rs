//! The gate over a real Tor network on loopback: onion services, circuits kept apart, tor lost and found again.
//!
//! One test, for the network takes seconds to start: its parts run one after another.

#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on says so by panicking")]

use megatorrent_tests::tornet::TorNet;
use net::gate::{Came, Gate, GateError, Stream};
use net::route::{Inbound, OnionStanding, Route, RouteState, RouteStatus};
use net::tor::{ControlAddr, OnionSecret, OnionService, TorAt, TorChoice, TorConfig};
use net::wire;
use protocol::PeerAddr;
use protocol::session::Role;
use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

const PATIENCE: Duration = Duration::from_secs(120);
/// One dial. Tor goes on with what it tries for two minutes, also when a second dial would fare better.
const ATTEMPT: Duration = Duration::from_secs(15);
const PORT: u16 = 6881;

fn config(choice: TorChoice, folder: &Path) -> Route {
    Route::Tor(TorConfig { choice, program: None, data_dir: folder.to_owned() })
}

fn service_of(secret: &OnionSecret) -> OnionService {
    OnionService { secret: secret.clone(), port: PORT }
}

/// A running tor by its control port: everything else is learnt there.
fn running(tors: &TorNet, number: usize) -> TorChoice {
    let control = Some(ControlAddr::Tcp(tors.client(number).control().unwrap()));
    TorChoice::Running(TorAt { control, ..TorAt::default() })
}

async fn status(gate: &Gate, what: &str, wanted: impl FnMut(&RouteStatus) -> bool) {
    let mut status = gate.status();
    let seen = tokio::time::timeout(PATIENCE, status.wait_for(wanted)).await.map(|seen| seen.unwrap().clone());
    seen.unwrap_or_else(|_| panic!("never {what}: {:?}", *gate.status().borrow()));
}

async fn published(gate: &Gate) {
    status(gate, "published", |status| {
        let known = |onions: &[OnionStanding]| !onions.is_empty() && onions.iter().all(|onion| onion.published);
        status.state == RouteState::Up && matches!(&status.inbound, Inbound::Onions(onions) if known(onions))
    })
    .await;
}

/// Dials until it succeeds: a service that was just published is not known everywhere at once.
async fn dial(gate: &Gate, to: &PeerAddr, apart: &[u8]) -> Box<dyn Stream> {
    let dialling = async {
        loop {
            match gate.dial(to, apart, ATTEMPT).await {
                Ok(stream) => return stream,
                Err(GateError::TimedOut) => {}
                Err(GateError::Proxy(error)) if !error.is_proxys() => {}
                Err(error) => panic!("{error}"),
            }
        }
    };
    tokio::time::timeout(PATIENCE, dialling).await.expect("a connection in time")
}

/// One dials, the other accepts; a frame crosses each way. Gives the address that the acceptor sees.
async fn meet(from: &Gate, to: &Gate, onion: &PeerAddr) -> PeerAddr {
    let accepting = async {
        let Came { stream, from: seen, dialled } = tokio::time::timeout(PATIENCE, to.accept()).await.unwrap().unwrap();
        assert!(matches!(onion, PeerAddr::Onion(key, _) if dialled == Some(*key)), "it came to another service");
        let (mut reader, mut writer, _) = wire::handshake(stream, Role::Acceptor, PATIENCE).await.unwrap();
        let mut frame = Vec::new();
        reader.read(&|| 1 << 20, &mut frame).await.unwrap();
        writer.write(frame).await.unwrap();
        writer.close().await.unwrap();
        seen
    };
    let dialling = async {
        let stream = dial(from, onion, b"meet").await;
        let (mut reader, mut writer, _) = wire::handshake(stream, Role::Dialler, PATIENCE).await.unwrap();
        let sent: Vec<u8> = (0..500_000_u32).map(|i| i as u8).collect();
        writer.write(sent.clone()).await.unwrap();
        let mut frame = Vec::new();
        reader.read(&|| 1 << 20, &mut frame).await.unwrap();
        assert!(frame == sent, "the frame came back changed");
    };
    tokio::join!(accepting, dialling).0
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_meet_over_tor_and_only_over_tor() {
    let mut tors = tokio::task::spawn_blocking(|| TorNet::start(2)).await.unwrap().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let secret = OnionSecret::generate().unwrap();
    let onion = PeerAddr::Onion(secret.address(), PORT);

    let service = Gate::open(config(running(&tors, 0), folder.path())).await.unwrap().into_local();
    service.set_onions(vec![service_of(&secret)]);
    let visitor = Gate::open(config(running(&tors, 1), folder.path())).await.unwrap().into_local();
    status(&visitor, "up", |status| status.state == RouteState::Up).await;
    published(&service).await;
    inbound_has_no_address(&visitor, &service, &onion).await;
    one_circuit_brings_eight_streams_at_a_time(&visitor, &service, &onion).await;
    a_found_socks_port_alone_leads_out(&tors, folder.path()).await;
    circuits_are_kept_apart(&tors, &visitor).await;
    an_unknown_onion_is_named(&visitor).await;
    service.close().await;
    an_own_tor_is_started_watched_and_stopped(&tors, &visitor, &secret).await;

    // The visitor's tor is killed: nothing leaves any more, though the peer could be reached straight.
    let bystander = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let clear = PeerAddr::Ip(bystander.local_addr().unwrap());
    tors.client_mut(1).kill();
    status(&visitor, "down", |status| matches!(status.state, RouteState::Down(_))).await;
    let dialled = visitor.dial(&clear, b"", PATIENCE).await;
    assert!(matches!(dialled, Err(GateError::Down(_) | GateError::Proxy(_))), "a way past a dead tor");
    let straight = tokio::time::timeout(Duration::from_millis(300), bystander.accept()).await;
    assert!(straight.is_err(), "somebody went straight to the peer");
    visitor.close().await;
}

async fn inbound_has_no_address(visitor: &Gate, service: &Gate, onion: &PeerAddr) {
    let first = meet(visitor, service, onion).await;
    let second = meet(visitor, service, onion).await;
    assert!(matches!((&first, &second), (PeerAddr::Onion(_, 0), PeerAddr::Onion(_, 0))), "{first} {second}");
    assert_ne!(first, second, "two visitors look like one");
    assert_ne!(&first, onion);
}

/// Who brings more loses the circuit: else one circuit could carry any number of silent callers.
async fn one_circuit_brings_eight_streams_at_a_time(visitor: &Gate, service: &Gate, onion: &PeerAddr) {
    let mut held = Vec::new();
    for _ in 0..8 {
        let there = dial(visitor, onion, b"flood").await;
        let came = tokio::time::timeout(PATIENCE, service.accept()).await.unwrap().unwrap();
        held.push((there, came.stream));
    }
    // The ninth does not come; the others go with it.
    let ninth = visitor.dial(onion, b"flood", PATIENCE);
    let gone = async {
        for (_, here) in &mut held {
            let read = tokio::time::timeout(PATIENCE, here.read(&mut [0; 1])).await.expect("an end in time");
            assert!(matches!(read, Ok(0) | Err(_)), "a stream beyond the eighth leaves the others as they are");
        }
    };
    let (ninth, ()) = tokio::join!(ninth, gone);
    drop(ninth);
    // Who makes another circuit is let in as before.
    let _fresh = dial(visitor, onion, b"another").await;
    tokio::time::timeout(PATIENCE, service.accept()).await.unwrap().unwrap();
}

async fn a_found_socks_port_alone_leads_out(tors: &TorNet, folder: &Path) {
    let at = TorAt { socks: Some(tors.client(1).socks().unwrap()), ..TorAt::default() };
    let gate = Gate::open(config(TorChoice::Running(at), folder)).await.unwrap().into_local();
    status(&gate, "up by SOCKS alone", |status| status.state == RouteState::Up).await;
    assert!(matches!(gate.status().borrow().inbound, Inbound::Failed(_)), "an onion service without a control port");
    gate.close().await;
}

/// The circuit of each stream to a clear listener, by what the dial was for.
async fn circuits_are_kept_apart(tors: &TorNet, visitor: &Gate) {
    let mut events = tors.client(1).log_in().unwrap();
    events.command("SETEVENTS STREAM").unwrap();
    let listeners = [
        tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap(),
        tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap(),
    ];
    let addrs = listeners.each_ref().map(|listener| listener.local_addr().unwrap());
    let mut held = Vec::new();
    for (tag, to) in [("one", 0), ("one", 0), ("two", 0), ("one", 1)] {
        let mut there = dial(visitor, &PeerAddr::Ip(addrs[to]), tag.as_bytes()).await;
        let (mut here, _) = listeners[to].accept().await.unwrap();
        there.write_all(tag.as_bytes()).await.unwrap();
        let mut got = [0; 3];
        here.read_exact(&mut got).await.unwrap();
        assert_eq!(&got, tag.as_bytes());
        held.push((there, here));
    }
    let circuits = tokio::task::spawn_blocking(move || {
        // "STREAM <id> SUCCEEDED <circuit> <target> …"
        let mut circuits: BTreeMap<u64, (String, String)> = BTreeMap::new();
        while circuits.len() < 4 {
            let event = events.event().unwrap();
            let words: Vec<&str> = event.split(' ').collect();
            if let ["STREAM", id, "SUCCEEDED", circuit, target, ..] = words[..]
                && target.starts_with("127.0.0.1:")
            {
                circuits.insert(id.parse().unwrap(), (circuit.to_owned(), target.to_owned()));
            }
        }
        circuits.into_values().map(|(circuit, _)| circuit).collect::<Vec<_>>()
    })
    .await
    .unwrap();
    assert_eq!(circuits[0], circuits[1], "one purpose and one peer: one circuit");
    assert_ne!(circuits[0], circuits[2], "two purposes share a circuit");
    assert_ne!(circuits[0], circuits[3], "two peers share a circuit");
}

async fn an_unknown_onion_is_named(visitor: &Gate) {
    let nobody = PeerAddr::Onion(OnionSecret::generate().unwrap().address(), PORT);
    match visitor.dial(&nobody, b"", PATIENCE).await {
        Err(GateError::Proxy(error)) => assert!(!error.is_proxys(), "{error}"),
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("a connection to nobody"),
    }
}

async fn an_own_tor_is_started_watched_and_stopped(tors: &TorNet, visitor: &Gate, secret: &OnionSecret) {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("torrc"), tors.torrc()).unwrap();
    let onion = PeerAddr::Onion(secret.address(), PORT);
    let gate = Gate::open(config(TorChoice::Own, folder.path())).await.unwrap().into_local();
    gate.set_onions(vec![service_of(secret)]);
    published(&gate).await;
    // The same key on another tor: the same address.
    forget(tors);
    meet(visitor, &gate, &onion).await;
    let killed = process_of(folder.path());
    rustix::process::kill_process(killed, rustix::process::Signal::KILL).unwrap();
    status(&gate, "down", |status| matches!(status.state, RouteState::Down(_))).await;
    published(&gate).await;
    let second = process_of(folder.path());
    assert_ne!(killed, second);
    forget(tors);
    meet(visitor, &gate, &onion).await;
    gate.close().await;
    assert!(rustix::process::test_kill_process(second).is_err(), "our tor outlives its gate");
}

/// The visitor's tor forgets where it met services. It would ask no directory of a service again within 15 minutes, and
/// this small network has no others.
fn forget(tors: &TorNet) {
    tors.client(1).log_in().unwrap().command("SIGNAL NEWNYM").unwrap();
}

/// The process of the tor whose state lies there, as it tells itself.
fn process_of(folder: &Path) -> rustix::process::Pid {
    let mut control = megatorrent_tests::tornet::Control::of_folder(folder).unwrap();
    let told = control.command("GETINFO process/pid").unwrap();
    let pid = told[0].strip_prefix("process/pid=").unwrap().parse().unwrap();
    rustix::process::Pid::from_raw(pid).unwrap()
}
