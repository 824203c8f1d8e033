//! Peers that stall, cut, shout and lie below the messages: as diallers, and as those that are dialled.

use super::Scene;
use megatorrent_tests::hostile::{Listener, dealt_with};
use megatorrent_tests::v5::author::collections;
use megatorrent_tests::v5::{self, DATA, ERROR, Gossip, HELLO, Habits, Server, V5Error, Wire};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

/// What a peer does on a connection; told which one it is.
type Script = Box<dyn Fn(TcpStream, usize) + Send + Sync>;

const NOW: u64 = 1_700_000_000_000;

/// Waits until the other side ends this connection.
fn until_ended(mut stream: TcpStream, patience: Duration) {
    stream.set_read_timeout(Some(patience)).unwrap();
    let mut rest = [0; 4096];
    loop {
        match stream.read(&mut rest) {
            Ok(0) => return,
            Ok(_) => {}
            Err(e) if e.kind() == std::io::ErrorKind::ConnectionReset => return,
            Err(e) => panic!("the node keeps the connection: {e}"),
        }
    }
}

#[test]
fn a_node_survives_every_broken_dialler_and_serves_the_next() {
    let home = megatorrent_tests::process::Home::new("diallers", &[]).unwrap();
    let daemon = home.daemon().unwrap();
    let node: std::net::SocketAddr = daemon.address().parse().unwrap();
    home.ask(["id", "new", "alice"]).unwrap();
    let file = home.path().join("note.txt");
    std::fs::write(&file, b"a few bytes").unwrap();
    let published = home.ask(["publish", file.to_str().unwrap()]).unwrap();
    assert_eq!(published["blobs"], 1);
    let blob = {
        // A v5 reader finds the blob's ID where the author's manifest is: asked for over the wire.
        let channel = published["link"].as_str().unwrap().trim_start_matches("megatorrent://").to_owned();
        let mut wire = Wire::dial(node).unwrap();
        wire.send(HELLO, &megatorrent_tests::hostile::hello(&channel, 0)).unwrap();
        let manifest = loop {
            let message = wire.receive().unwrap();
            if message.kind == megatorrent_tests::hostile::MANIFEST {
                break String::from_utf8(message.payload[68..].to_vec()).unwrap();
            }
        };
        v5::author::read(&manifest, &channel, None).unwrap()[0].chunks[0].id.clone()
    };
    let serves = |what: &str| {
        let got = v5::download(node, &blob, Gossip::Nothing, None);
        assert_eq!(got.unwrap_or_else(|error| panic!("after {what}: {error}")).len(), v5::BLOB_LEN);
    };
    serves("nothing");

    let minute = Duration::from_secs(60);
    let raw = |bytes: &[u8]| {
        let mut stream = TcpStream::connect(node).unwrap();
        stream.write_all(bytes).unwrap();
        stream
    };
    let wire = || Wire::dial(node).unwrap();

    // Slow ones are left open while the quick ones try. The node ends those without a key soon, and half a frame as any
    // connection without traffic: after five minutes, which the session's own tests prove.
    let silent = raw(&[]);
    let half_a_key = raw(&[7; 16]);
    let mut half_a_frame = wire();
    half_a_frame.send_raw(&[0, 0, 0, 200, 1, 2, 3]).unwrap();

    until_ended(raw(&[0; 32]), minute);
    serves("a zero key");
    let mut one = [0; 32];
    one[0] = 1;
    until_ended(raw(&one), minute);
    serves("another low-order key");
    until_ended(raw(b"GET / HTTP/1.1\r\nHost: a\r\n\r\nand more text than that"), minute);
    serves("a web browser");
    for header in [[0xff; 4], [0x00, 0x10, 0x00, 0x21], [0, 2, 0, 22], [0, 0, 0, 16], [0; 4]] {
        let mut peer = wire();
        peer.send_raw(&header).unwrap();
        until_ended(peer.handle().unwrap(), minute);
        serves("a length of nonsense");
    }
    let mut peer = wire();
    peer.send_raw(&[0, 0, 0, 17]).unwrap();
    peer.send_raw(&[9; 17]).unwrap();
    until_ended(peer.handle().unwrap(), minute);
    serves("a bad tag");
    for (kind, payload) in
        [(ERROR, &b"nobody asked"[..]), (DATA, b"nobody asked"), (DATA, b""), (v5::OK, b"thanks"), (v5::PEERS, b"[]")]
    {
        let mut peer = wire();
        peer.send(kind, payload).unwrap();
        // Ended or ignored: both are right, waiting for ever is not.
        dealt_with(&mut peer).unwrap_or_else(|error| panic!("{kind:#04x}: {error}"));
        serves("a message that nobody asked for");
    }
    // One that asks for much and reads nothing does not keep the others waiting.
    let mut greedy = wire();
    for _ in 0..60 {
        // The same again and again may end it: that is right, too.
        if greedy.send(v5::REQUEST, blob.as_bytes()).is_err() {
            break;
        }
    }
    serves("sixty requests that are not read");
    let mut cut = wire();
    cut.send(v5::REQUEST, blob.as_bytes()).unwrap();
    drop(cut);
    serves("one that leaves in the middle");

    until_ended(silent, minute);
    until_ended(half_a_key, minute);
    serves("all of that");
    assert!(!daemon.log().contains("panicked"), "{}", daemon.log());
    drop((greedy, half_a_frame));
    daemon.stop(&home).unwrap();
}

#[test]
fn a_download_comes_from_the_honest_one_among_broken_servers() {
    let wait = |stream: TcpStream| {
        // Until the node gives up, or the test is over.
        let _ = (&stream).read_to_end(&mut Vec::new());
    };
    // Each answers the handshake, then does one wrong thing when asked.
    let scripts: Vec<(&str, Script)> = vec![
        ("silent", Box::new(move |stream, _| wait(stream))),
        (
            "zero key",
            Box::new(move |mut stream, _| {
                let _ = stream.write_all(&[0; 32]);
                wait(stream);
            }),
        ),
        (
            "mute",
            Box::new(move |stream, _| {
                if let Ok(wire) = Wire::accept(stream) {
                    wait(wire.handle().unwrap());
                }
            }),
        ),
        ("half a frame", Box::new(move |stream, _| answer(stream, |wire| wire.send_raw(&[0, 0x10, 0, 0x21, 1, 2])))),
        ("giant length", Box::new(move |stream, _| answer(stream, |wire| wire.send_raw(&[0xff; 64])))),
        ("error", Box::new(move |stream, _| answer(stream, |wire| wire.send(ERROR, b"\x1b[31mNo\x1b[0m")))),
        ("empty data", Box::new(move |stream, _| answer(stream, |wire| wire.send(DATA, b"")))),
        (
            "too much data",
            Box::new(move |stream, _| {
                answer(stream, |wire| {
                    for _ in 0..40 {
                        wire.send(DATA, &[1; 60_000])?;
                    }
                    Ok(())
                })
            }),
        ),
        (
            "error before any question",
            Box::new(move |stream, _| {
                if let Ok(mut wire) = Wire::accept(stream) {
                    let _ = wire.send(ERROR, b"go away");
                    while wire.receive().is_ok() {}
                }
            }),
        ),
    ];
    let broken: Vec<(&str, Listener)> =
        scripts.into_iter().map(|(what, script)| (what, Listener::start(script).unwrap())).collect();
    let honest = Server::start(Habits { hold_after: Some(0), ..Habits::default() }).unwrap();
    let peers: Vec<_> = broken.iter().map(|(_, peer)| peer.address()).chain([honest.address()]).collect();
    let scene = Scene::new("servers", 71, &peers);
    let mut watch = scene.watch();
    let content = vec![5; 1_500_000];
    let blobs = v5::chunks(&content).unwrap();
    blobs.iter().for_each(|blob| honest.hold(blob));
    scene.publish(&mut watch, &collections(&[("film.bin", &blobs)]), NOW);
    let deadline = std::time::Instant::now() + megatorrent_tests::process::PATIENCE;
    for (what, peer) in &broken {
        while peer.connections() == 0 {
            assert!(std::time::Instant::now() < deadline, "the {what} one was never dialled");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
    honest.release();
    let ready = watch.until_ready("film.bin").unwrap();
    let path = std::path::Path::new(ready["path"].as_str().unwrap()).join("film.bin");
    assert_eq!(std::fs::read(path).unwrap(), content);
    assert!(!scene.daemon.log().contains('\u{1b}'), "a peer's text is escaped wherever it stands");
    scene.end();
}

/// Shakes hands, and answers the first REQUEST in its own way.
fn answer(stream: TcpStream, how: impl Fn(&mut Wire) -> Result<(), V5Error>) {
    let Ok(mut wire) = Wire::accept(stream) else { return };
    while let Ok(message) = wire.receive() {
        if message.kind == v5::REQUEST && how(&mut wire).is_err() {
            return;
        }
    }
}
