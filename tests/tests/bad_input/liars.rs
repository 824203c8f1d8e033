//! Those who say what is not so: peers about what they hold, a DHT about everything.

use super::{Over, Scene};
use megatorrent_tests::hostile::{self, Listener, claim_everything};
use megatorrent_tests::people::Shelf;
use megatorrent_tests::process::Home;
use megatorrent_tests::v5::author::{Author, collections};
use megatorrent_tests::v5::{self, DATA, ERROR, Habits, Server, V5Error, Wire};
use std::net::UdpSocket;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

/// What a liar does when it is asked for a blob that it said it holds.
type Answer = fn(&mut Wire, &str) -> Result<(), V5Error>;

#[test]
fn who_claims_every_blob_and_gives_none_does_not_hold_a_download_up() {
    let answers: [(&str, Answer); 4] = [
        ("denies it then", |wire, _| wire.send(ERROR, b"Not Found")),
        ("never answers", |_, _| Ok(())),
        ("sends another one's bytes", |wire, _| {
            for _ in 0..16 {
                wire.send(DATA, &[9; 65_537])?;
            }
            Ok(())
        }),
        ("sends a byte now and then", |wire, _| {
            for _ in 0..3000 {
                wire.send(DATA, b"x")?;
                std::thread::sleep(Duration::from_millis(100));
            }
            Ok(())
        }),
    ];
    let author = Author::new([74; 32]);
    let asked = Arc::new(AtomicUsize::new(0));
    let liars: Vec<Listener> = answers
        .into_iter()
        .map(|(_, answer)| {
            let (channel, asked) = (author.channel(), asked.clone());
            Listener::start(move |stream, _| {
                let told = claim_everything(stream, &channel, |wire, blob| {
                    asked.fetch_add(1, Ordering::SeqCst);
                    answer(wire, blob)
                });
                // It ends when the node lets it go, or with the test.
                drop(told);
            })
            .unwrap()
        })
        .collect();
    let shelf = Shelf::new([74; 32], "Twelve parts", 12).unwrap();
    let honest = Server::start(Habits::default()).unwrap();
    shelf.stock(&honest);
    let peers: Vec<_> = liars.iter().map(Listener::address).chain([honest.address()]).collect();
    let scene = Scene::new("claims", 74, &peers);
    let mut watch = scene.watch();
    assert!(scene.push(&shelf.manifest, shelf.sequence));
    let ready = watch.until_ready("Twelve parts").unwrap();
    for (name, bytes) in &shelf.files {
        assert_eq!(std::fs::read(std::path::Path::new(ready["path"].as_str().unwrap()).join(name)).unwrap(), *bytes);
    }
    assert!(asked.load(Ordering::SeqCst) > 0, "nobody believed them: nothing was tried");
    scene.end();
}

/// Answers to one question of the DHT, told apart by the number of the answer.
fn nonsense(number: usize, question: &[u8], own: std::net::SocketAddr) -> Vec<u8> {
    let transaction = transaction(question).unwrap_or(b"??");
    let t = [format!("1:t{}:", transaction.len()).as_bytes(), transaction].concat();
    let reply = |body: &[u8]| [&b"d1:rd2:id20:abcdefghij0123456789"[..], body, b"e", t.as_slice(), b"1:y1:re"].concat();
    let node = |address: [u8; 4], port: u16| [&[number as u8; 20][..], &address, &port.to_be_bytes()].concat();
    match number % 10 {
        0 => (0..1400).map(|n| (n * 7 + number) as u8).collect(),
        1 => vec![b'l'; 1400],
        2 => [&b"d1:rd2:id-20:"[..], t.as_slice(), b"1:y1:re"].concat(),
        3 => [&b"d1:eli201e4:oopse"[..], t.as_slice(), b"1:y1:ee"].concat(),
        // Nodes: itself, nobody, everybody, the router.
        4 => {
            let nodes = [[127, 0, 0, 1], [0, 0, 0, 0], [224, 0, 0, 1], [255, 255, 255, 255], [192, 168, 0, 1]];
            let nodes: Vec<u8> = nodes.into_iter().flat_map(|address| node(address, own.port())).collect();
            reply(&[format!("5:nodes{}:", nodes.len()).as_bytes(), &nodes].concat())
        }
        // Peers on port 0, on this very node, and cut short.
        5 => reply(b"5:token4:abcd6:valuesl6:\x7f\x00\x00\x01\x00\x006:\xe0\x00\x00\x01\x1a\xe15:short0:e"),
        6 => reply(b"5:token1000000000:"),
        // A mutable item that nobody signed.
        7 => {
            let item = [b"1:k32:".as_slice(), &[7; 32], b"3:seqi99e3:sig64:", &[1; 64], b"5:token1:x1:v3:abc"].concat();
            reply(&item)
        }
        8 => reply(b"3:seqi-9223372036854775808e1:v0:"),
        _ => [&b"d1:rd2:id3:abce1:t2:zz1:y1:re"[..], question].concat(),
    }
}

/// The transaction's name in a question.
fn transaction(question: &[u8]) -> Option<&[u8]> {
    let at = question.windows(3).rposition(|w| w == b"1:t")? + 3;
    let colon = at + question[at..].iter().position(|b| *b == b':')?;
    let len: usize = std::str::from_utf8(&question[at..colon]).ok()?.parse().ok()?;
    question.get(colon + 1..colon + 1 + len)
}

#[test]
fn a_dht_that_answers_nonsense_is_no_worse_than_none() {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
    let own = socket.local_addr().unwrap();
    let (over, questions) = (AtomicBool::new(false), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut question = [0; 2048];
            while !over.load(Ordering::SeqCst) {
                let Ok((n, from)) = socket.recv_from(&mut question) else { continue };
                let number = questions.fetch_add(1, Ordering::SeqCst);
                for offset in 0..3 {
                    // One that has gone needs no answer.
                    let _ = socket.send_to(&nonsense(number + offset * 3, &question[..n], own), from);
                }
            }
        });
        let end = Over(&over);
        let home = Home::new("nonsense", &[own.to_string()]).unwrap();
        let server = Server::start(Habits::default()).unwrap();
        let blobs = v5::chunks(b"by hand").unwrap();
        server.hold(&blobs[0]);
        let author = Author::new([75; 32]);
        let daemon = home.daemon_with(["--peer", &server.address().to_string()]).unwrap();
        home.ask(["set", "download-dir", home.downloads().to_str().unwrap()]).unwrap();
        let mut watch = daemon.watch(&home).unwrap();
        home.ask(["subscribe", &author.link()]).unwrap();
        let manifest = author.sign_public(&collections(&[("note.txt", &blobs)]), 1_700_000_000_000);
        assert!(hostile::push(daemon.address().parse().unwrap(), &author, &manifest, 1_700_000_000_000).unwrap());
        watch.until_ready("note.txt").unwrap();
        home.ask(["id", "new", "alice"]).unwrap();
        let file = home.path().join("mine.txt");
        std::fs::write(&file, b"mine").unwrap();
        let published = home.ask(["publish", file.to_str().unwrap()]).unwrap();
        assert_eq!(published["blobs"], 1);
        let channels = home.ask(["channels"]).unwrap();
        assert!(channels.as_array().unwrap().iter().all(|channel| channel["sequence"].as_u64() != Some(99)));
        assert!(questions.load(Ordering::SeqCst) > 10, "it was never asked");
        assert!(!daemon.log().contains("panicked"), "{}", daemon.log());
        daemon.stop(&home).unwrap();
        drop(end);
    });
}
