//! A connection whose inputs never end.

use super::*;
use net::memory::MemoryNet;
use net::wire::handshake;
use protocol::{PeerAddr, Topic};
use std::net::SocketAddr;
use store::DataDir;

const LIMIT: Duration = Duration::from_secs(30);
/// More than a task takes at one go.
const QUEUED: usize = 1000;

/// Both ends of a connection over a memory network: the caller's, and the one under test.
async fn ends() -> ((FrameReader, FrameWriter), (FrameReader, FrameWriter)) {
    let net = MemoryNet::new(1);
    let (a, b): (SocketAddr, SocketAddr) = ("10.0.0.1:1".parse().unwrap(), "10.0.0.2:1".parse().unwrap());
    let (from, to) = (net.gate(a), net.gate(b));
    let addr = PeerAddr::Ip(b);
    let (dialled, accepted) = tokio::join!(from.dial(&addr, b"", LIMIT), to.accept());
    let (dialled, accepted) = (dialled.unwrap(), accepted.unwrap().stream);
    let (a, b) = tokio::join!(handshake(dialled, Role::Dialler, LIMIT), handshake(accepted, Role::Acceptor, LIMIT));
    let (a, b) = (a.unwrap(), b.unwrap());
    ((a.0, a.1), (b.0, b.1))
}

#[tokio::test(start_paused = true)]
async fn whoever_sends_without_end_does_not_keep_what_is_due_from_its_turn() {
    let tmp = tempfile::tempdir().unwrap();
    let (store, _) = Store::open(DataDir::lock(tmp.path()).unwrap(), None).unwrap();
    let ((mut reader, mut writer), (their_reader, their_writer)) = ends().await;
    let (engine, mut inputs) = Engine::channel();
    let (hasher, _hashed) = mpsc::channel(1);
    let (commands, commanded) = mpsc::channel(QUEUED);
    let clock = Clock::start();
    let conn = Conn {
        id: ConnId(1),
        role: Role::Acceptor,
        ours: Capabilities::default(),
        reader: their_reader,
        writer: their_writer,
        commands: commanded,
        engine,
        store: store.clone(),
        clock,
        hands: Arc::new(Semaphore::new(1)),
        hasher,
        traffic: Arc::default(),
        limits: Arc::default(),
        slots: Slots::new(),
    };
    let running = tokio::spawn(conn.run());
    // The node hears the question, and answers nothing.
    let (heard, question) = tokio::sync::oneshot::channel();
    let deaf = tokio::spawn(async move {
        let mut heard = Some(heard);
        while let Some(input) = inputs.recv().await {
            if let Input::Session(_, Event::FindPeers(_)) = input {
                heard.take().map(|heard| heard.send(()));
            }
        }
    });
    let without_end = || while commands.try_send(ConnCommand::Session(Command::Cancel(BlobId([9; 32])))).is_ok() {};

    let mut peer = Session::new(Role::Dialler, Capabilities::default(), clock.now());
    let topic = Topic([7; 32]);
    peer.handle_command(clock.now(), Command::FindPeers(topic));
    let mut frame = Vec::new();
    while peer.poll_transmit(&mut frame) {
        writer.write(std::mem::take(&mut frame)).await.unwrap();
    }
    question.await.unwrap();
    let asked = clock.now();
    // From here on there is always another command for it.
    without_end();
    let answer = tokio::spawn(async move {
        let mut frame = Vec::new();
        loop {
            reader.read(&|| FRAME_MAX, &mut frame).await.unwrap();
            peer.handle_frame(clock.now(), &frame).unwrap();
            while let Some(event) = peer.poll_event() {
                if let Event::Peers(about, peers) = event {
                    return (about, peers, clock.now());
                }
            }
        }
    });
    let mut rounds = 0;
    while !answer.is_finished() && rounds < 10_000 {
        without_end();
        assert!(commands.capacity() < QUEUED / 2, "the queue is never empty");
        tokio::time::advance(Duration::from_millis(1)).await;
        rounds += 1;
    }
    assert!(answer.is_finished(), "what was due after five seconds did not come within ten");
    let (about, peers, at) = answer.await.unwrap();
    assert_eq!((about, peers), (topic, Vec::new()));
    let took = at.saturating_sub(asked);
    assert!((Duration::from_secs(5)..Duration::from_secs(6)).contains(&took), "{took:?}");
    drop(commands);
    running.await.unwrap();
    deaf.await.unwrap();
    tokio::task::spawn_blocking(move || store.close()).await.unwrap().unwrap();
}
