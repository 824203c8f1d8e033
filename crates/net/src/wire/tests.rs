//! Frames over a memory network, where every byte's way is known.

use super::*;
use crate::memory::MemoryNet;
use protocol::PeerAddr;
use protocol::frame::FrameError;
use protocol::params::{BLOB_LEN, FRAME_MAX, FRAME_MAX_BLOB};
use std::net::SocketAddr;

const LIMIT: Duration = Duration::from_secs(30);

async fn streams() -> (Box<dyn Stream>, Box<dyn Stream>) {
    let net = MemoryNet::new(1);
    let (a, b): (SocketAddr, SocketAddr) = ("10.0.0.1:1".parse().unwrap(), "10.0.0.2:1".parse().unwrap());
    let (from, to) = (net.gate(a), net.gate(b));
    let addr = PeerAddr::Ip(b);
    let (dialled, accepted) = tokio::join!(from.dial(&addr, b"", LIMIT), to.accept());
    (dialled.unwrap(), accepted.unwrap().stream)
}

type End = (FrameReader, FrameWriter, Binding);

async fn ends() -> (End, End) {
    let (dialled, accepted) = streams().await;
    let (a, b) = tokio::join!(handshake(dialled, Role::Dialler, LIMIT), handshake(accepted, Role::Acceptor, LIMIT));
    (a.unwrap(), b.unwrap())
}

#[tokio::test]
async fn frames_of_all_sizes_arrive_in_order_and_then_the_end() {
    let ((_, mut writer, ours), (mut reader, _writer, theirs)) = ends().await;
    assert_eq!(ours, theirs);
    let sizes = [1, 2, 65_537, 1, BLOB_LEN + 1, 3, 4, 5, 131_000, 17];
    let frame = |n: usize, size: usize| vec![n as u8; size];
    let write = async {
        for (n, size) in sizes.into_iter().enumerate() {
            writer.write(frame(n, size)).await.unwrap();
        }
        writer.close().await.unwrap();
    };
    let read = async {
        let mut got = Vec::new();
        for (n, size) in sizes.into_iter().enumerate() {
            reader.read(&|| FRAME_MAX_BLOB, &mut got).await.unwrap();
            assert!(got == frame(n, size), "frame {n} of {size} bytes");
        }
        assert!(matches!(reader.read(&|| FRAME_MAX_BLOB, &mut got).await, Err(WireError::Closed)));
    };
    tokio::join!(write, read);
}

#[tokio::test]
async fn a_frame_over_the_cap_is_refused_before_a_byte_of_it_is_awaited() {
    let ((_, mut writer, _), (mut reader, _writer, _)) = ends().await;
    let big = vec![3; FRAME_MAX];
    let mut got = Vec::new();
    let (_, read) = tokio::join!(writer.write(big), reader.read(&|| FRAME_MAX, &mut got));
    let expected = FRAME_MAX as u32 + TAG_LEN as u32;
    assert!(matches!(read, Err(WireError::Frame(FrameError::Length(n))) if n == expected));
    assert_eq!(got.capacity(), 0, "nothing was allocated");
}

#[tokio::test]
async fn a_read_that_was_dropped_goes_on_where_it_stood() {
    let (mut dialled, accepted) = streams().await;
    // The other end by hand: the frame arrives in pieces, with a dropped read after each.
    let key = Handshake::new(Role::Dialler, [7; 32]);
    dialled.write_all(&key.public()).await.unwrap();
    let (mut reader, _writer, _) = handshake(accepted, Role::Acceptor, LIMIT).await.unwrap();
    let mut peer = [0; 32];
    dialled.read_exact(&mut peer).await.unwrap();
    let (mut sealer, _, _) = key.finish(peer).unwrap();
    let mut wire = Vec::new();
    sealer.seal(b"first frame", &mut wire);
    let first = wire.len();
    sealer.seal(b"second", &mut wire);
    let mut got = Vec::new();
    let mut sent = 0;
    for end in [2, 5, 20, first - 1] {
        dialled.write_all(&wire[sent..end]).await.unwrap();
        sent = end;
        let early = tokio::select! {
            biased;
            _ = reader.read(&|| FRAME_MAX, &mut got) => true,
            () = tokio::task::yield_now() => false,
        };
        assert!(!early, "the frame is not whole after {end} bytes");
    }
    // The rest of the first frame comes together with two bytes of the second's header.
    dialled.write_all(&wire[sent..first + 2]).await.unwrap();
    reader.read(&|| FRAME_MAX, &mut got).await.unwrap();
    assert_eq!(got, b"first frame");
    dialled.write_all(&wire[first + 2..]).await.unwrap();
    reader.read(&|| FRAME_MAX, &mut got).await.unwrap();
    assert_eq!(got, b"second");
    drop(dialled);
    assert!(matches!(reader.read(&|| FRAME_MAX, &mut got).await, Err(WireError::Closed)));
}

#[tokio::test]
async fn hostile_ends_are_told_apart() {
    // A zero key.
    let (mut dialled, accepted) = streams().await;
    dialled.write_all(&[0; 32]).await.unwrap();
    assert!(matches!(handshake(accepted, Role::Acceptor, LIMIT).await, Err(WireError::ZeroKey(_))));
    // An end before the first byte, and one inside the key.
    let (dialled, accepted) = streams().await;
    drop(dialled);
    assert!(handshake(accepted, Role::Acceptor, LIMIT).await.is_err());
    let (mut dialled, accepted) = streams().await;
    dialled.write_all(&[1; 31]).await.unwrap();
    dialled.shutdown().await.unwrap();
    let cut = handshake(accepted, Role::Acceptor, LIMIT).await;
    assert!(matches!(cut, Err(WireError::Io(error)) if error.kind() == io::ErrorKind::UnexpectedEof));
    // A frame of noise.
    let (mut dialled, accepted) = streams().await;
    dialled.write_all(&[9; 32]).await.unwrap();
    let (mut reader, _writer, _) = handshake(accepted, Role::Acceptor, LIMIT).await.unwrap();
    dialled.write_all(&[0, 0, 0, 20]).await.unwrap();
    dialled.write_all(&[5; 20]).await.unwrap();
    let noise = reader.read(&|| FRAME_MAX, &mut Vec::new()).await;
    assert!(matches!(noise, Err(WireError::Frame(FrameError::Tag))));
}

#[tokio::test(start_paused = true)]
async fn a_silent_peer_costs_the_time_limit_and_no_more() {
    let (_dialled, accepted) = streams().await;
    let begin = tokio::time::Instant::now();
    let silent = handshake(accepted, Role::Acceptor, Duration::from_secs(10)).await;
    assert!(matches!(silent, Err(WireError::TimedOut)));
    assert_eq!(begin.elapsed().as_secs(), 10);
}
