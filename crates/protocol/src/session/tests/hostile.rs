//! What a peer must not be able to do.

use super::*;

/// Blobs after which a fickle peer is known as one.
const FICKLE: u8 = 32;

#[test]
fn data_needs_an_open_request() {
    let mut session = greeted(ALL);
    assert_eq!(session.frame_max(), FRAME_MAX);
    assert!(feed(&mut session, &Message::Data(&[1])).is_err());

    let mut session = greeted(ALL);
    session.handle_command(START, Command::Request(id(1)));
    assert_eq!(session.frame_max(), FRAME_MAX_BLOB);
    assert!(feed(&mut session, &Message::Data(&[])).is_err());

    let mut session = greeted(ALL);
    session.handle_command(START, Command::Request(id(1)));
    feed(&mut session, &Message::Data(&[1])).unwrap();
    assert_eq!(
        feed(&mut session, &Message::Data(&vec![1; BLOB_LEN])),
        Err(Violation::Peer("DATA beyond a blob's end"))
    );
}

#[test]
fn pipelined_requests_reach_the_node_four_at_a_time() {
    let mut session = greeted(ALL);
    for i in 0..10 {
        feed(&mut session, &Message::Request(id(i))).unwrap();
    }
    assert_eq!(events(&mut session).len(), 4);
    session.handle_command(START, Command::NotFound(id(0)));
    assert!(events(&mut session).iter().any(|event| matches!(event, Event::Requested(asked) if *asked == id(4))));
    for i in 10..=255 {
        feed(&mut session, &Message::Request(id(i))).unwrap();
    }
    for _ in 256..1024 {
        feed(&mut session, &Message::Request(id(9))).unwrap();
    }
    assert!(events(&mut session).is_empty());
    assert!(feed(&mut session, &Message::Request(id(9))).is_err());
}

/// Bytes of a small blob.
fn few(n: u8) -> Arc<Vec<u8>> {
    Arc::new(vec![n; 64])
}

/// Asks for a blob, and takes it back before or after the node has made it.
fn ask_and_cancel(session: &mut Session, now: Duration, n: u8, made: bool) -> Result<usize, Violation> {
    session.handle_frame(now, &Message::Request(id(n)).to_frame())?;
    let asked = events(session).iter().filter(|event| matches!(event, Event::Requested(_))).count();
    if made {
        session.handle_command(now, Command::Serve(id(n), few(n)));
    }
    session.handle_frame(now, &Message::Cancel(id(n)).to_frame())?;
    sent(session);
    events(session);
    Ok(asked)
}

#[test]
fn work_for_nothing_has_a_price() {
    for made in [false, true] {
        let mut session = greeted(ALL);
        let mut asked = 0;
        // Two hundred different ones in turn: no single blob is asked for again and again.
        let ended = (0..10_000_u32).find_map(|n| match ask_and_cancel(&mut session, START, (n % 200) as u8, made) {
            Ok(more) => {
                asked += more;
                None
            }
            Err(violation) => Some(violation),
        });
        assert_eq!(ended, Some(Violation::Peer("more work than anybody needs")), "made: {made}");
        assert!((400..=520).contains(&asked), "{asked} blobs were made for nothing");
    }
    // Some now and then are nobody's fault.
    let mut session = greeted(ALL);
    for n in 0..2000_u32 {
        let now = START + Duration::from_millis(100) * n;
        ask_and_cancel(&mut session, now, (n % 200) as u8, true).unwrap();
    }
}

#[test]
fn what_goes_whole_or_is_not_here_costs_nothing() {
    let mut session = greeted(ALL);
    for n in 0..3000_u32 {
        let n = (n % 200) as u8;
        feed(&mut session, &Message::Request(id(n))).unwrap();
        let answer = if n.is_multiple_of(2) { Command::Serve(id(n), few(n)) } else { Command::NotFound(id(n)) };
        session.handle_command(START, answer);
        assert_eq!(sent(&mut session).len(), 1);
        events(&mut session);
    }
}

#[test]
fn who_takes_most_of_it_back_is_served_one_at_a_time() {
    let mut session = greeted(ALL);
    let shown = |session: &mut Session, from: u8| {
        (from..from + 4).for_each(|n| feed(session, &Message::Request(id(n))).unwrap());
        events(session).iter().filter(|event| matches!(event, Event::Requested(_))).count()
    };
    for n in 0..FICKLE {
        ask_and_cancel(&mut session, START, n, true).unwrap();
    }
    assert_eq!(shown(&mut session, 100), 1);
    // Who takes what it asked for is served as before.
    let mut session = greeted(ALL);
    for n in 0..FICKLE {
        if n % 2 == 0 {
            ask_and_cancel(&mut session, START, n, true).unwrap();
        } else {
            feed(&mut session, &Message::Request(id(n))).unwrap();
            session.handle_command(START, Command::Serve(id(n), few(n)));
            sent(&mut session);
            events(&mut session);
        }
    }
    assert_eq!(shown(&mut session, 100), 4);
}

#[test]
fn one_blob_is_made_for_one_peer_some_times_only() {
    for takes_back in [false, true] {
        let mut session = greeted(ALL);
        let mut made = 0;
        let ended = (0..100).find_map(|_| match takes_back {
            true => ask_and_cancel(&mut session, START, 1, true).map(|more| made += more).err(),
            false => feed(&mut session, &Message::Request(id(1))).err().or_else(|| {
                session.handle_command(START, Command::Serve(id(1), few(1)));
                sent(&mut session);
                made += 1;
                None
            }),
        });
        assert_eq!((ended, made), (Some(Violation::Peer("one blob again and again")), 16), "{takes_back}");
    }
    // Nor by asking for it many times at once. One that is not here may come.
    let mut session = greeted(ALL);
    let many = (0..100).take_while(|_| feed(&mut session, &Message::Request(id(1))).is_ok()).count();
    assert_eq!(many, 16);
    let mut session = greeted(ALL);
    for _ in 0..100 {
        feed(&mut session, &Message::Request(id(1))).unwrap();
        session.handle_command(START, Command::NotFound(id(1)));
        sent(&mut session);
    }
}

#[test]
fn unreadable_questions_are_answered() {
    let mut session = greeted(Capabilities::default());
    session.handle_frame(START, &[b"\x02", "AB".repeat(32).as_bytes()].concat()).unwrap();
    session.handle_frame(START, &[b"\x02", "a".repeat(300).as_bytes()].concat()).unwrap();
    session.handle_frame(START, b"\x04short").unwrap();
    assert_eq!(sent(&mut session), [&b"\x05[]"[..], b"\xffNot Found", b"\xffNot Found"]);
    session.handle_frame(START, b"\x06{}").unwrap();
    assert_eq!(sent(&mut session), [b"\xffPUBLISH that cannot be read"]);
    assert!(events(&mut session).is_empty());
}

#[test]
fn publish_and_request_never_stand_together() {
    let request =
        PublishRequest { key: ChannelKey([1; 32]), sequence: 1, value: vec![1], signature: [0; 64], salt: vec![] };
    let mut session = greeted(ALL);
    feed(&mut session, &Message::Request(id(1))).unwrap();
    assert!(feed(&mut session, &Message::Publish(request.clone())).is_err());
    let mut session = greeted(ALL);
    feed(&mut session, &Message::Publish(request)).unwrap();
    assert!(feed(&mut session, &Message::Request(id(1))).is_err());
}

#[test]
fn what_means_nothing_is_dropped_and_repeaters_are_let_go() {
    let mut session = greeted(Capabilities::default());
    let frames: [&[u8]; 7] = [
        b"\x09anything",
        b"\x01not json",
        b"\x07{}",
        b"\x10too short",
        b"\x08Published",
        b"\xffnobody asked",
        &[0x16; 33],
    ];
    for frame in frames.iter().cycle().take(1000) {
        session.handle_frame(START, frame).unwrap();
    }
    assert!(sent(&mut session).is_empty() && events(&mut session).is_empty());
    assert!(session.handle_frame(START, b"\x09").is_err());
}

#[test]
fn a_peer_of_an_older_version_is_told_so() {
    let mut session = Session::new(Role::Acceptor, ALL, START);
    session.handle_frame(START, b"\x01{\"v\":4}").unwrap();
    assert_eq!(sent(&mut session), [b"\xffProtocol Version Mismatch"]);
    assert!(session.is_finished());
    session.handle_frame(START, b"\x03read before closing").unwrap();
    assert!(events(&mut session).is_empty());
}

#[test]
fn a_second_hello_changes_nothing() {
    let mut session = greeted(Capabilities { have: true, ..Default::default() });
    let before = session.capabilities();
    feed(&mut session, &Message::Hello { version: 5, hello: hello(ALL) }).unwrap();
    assert_eq!(session.capabilities(), before);
    assert!(events(&mut session).is_empty());
}

#[test]
fn extensions_wait_for_both_hellos() {
    let mut session = Session::new(Role::Acceptor, ALL, START);
    session.handle_command(START, Command::Hello(hello(ALL)));
    session.handle_command(START, Command::HaveQuery(vec![id(1)]));
    session.handle_command(START, Command::GetManifest(ChannelKey([1; 32]), 0));
    assert!(sent(&mut session).is_empty(), "the acceptor speaks after the dialler");
    feed(&mut session, &Message::GetManifest(RequestId(1), ChannelKey([1; 32]), 0)).unwrap();
    assert!(events(&mut session).is_empty());
    feed(&mut session, &Message::Hello { version: 5, hello: hello(Capabilities { have: true, ..Default::default() }) })
        .unwrap();
    assert_eq!(sent(&mut session).len(), 1);
    assert_eq!(session.capabilities(), Capabilities { have: true, ..Default::default() });
    session.handle_command(START, Command::GetManifest(ChannelKey([1; 32]), 0));
    assert!(sent(&mut session).is_empty());
    session.handle_command(START, Command::HaveQuery(vec![id(1)]));
    assert_eq!(sent(&mut session).len(), 1);
}

#[test]
fn a_stalled_request_ends_the_session() {
    let mut session = Session::new(Role::Dialler, ALL, START);
    session.handle_command(START, Command::Request(id(1)));
    sent(&mut session);
    let due = session.poll_timeout().unwrap();
    assert_eq!(due, START + timing::PROGRESS);
    session.handle_timeout(due - Duration::from_millis(1)).unwrap();
    session.handle_frame(due, b"\x03progress").unwrap();
    session.handle_timeout(due).unwrap();
    assert!(session.handle_timeout(due + timing::PROGRESS).is_err());
}

#[test]
fn a_peer_that_does_not_read_is_let_go() {
    let mut session = greeted(ALL);
    let refused = (0..100_000u32).find_map(|i| {
        feed(&mut session, &Message::FindPeers(Topic([i as u8; 32]))).err().or_else(|| {
            session.handle_command(START, Command::Peers(Topic([i as u8; 32]), vec![]));
            events(&mut session);
            None
        })
    });
    assert!(refused.is_some());

    let mut session = greeted(ALL);
    feed(&mut session, &Message::Request(id(1))).unwrap();
    session.handle_command(START, Command::NotFound(id(1)));
    let due = session.poll_timeout().unwrap();
    assert_eq!(due, START + timing::WRITE);
    assert!(session.handle_timeout(due).is_err());
}

#[test]
fn silence_closes_after_five_minutes() {
    let mut session = greeted(ALL);
    assert_eq!(session.poll_timeout(), Some(START + timing::IDLE));
    session.handle_timeout(START + timing::IDLE).unwrap();
    assert!(session.is_finished());
}

#[test]
fn find_peers_is_answered_without_the_node() {
    let mut session = greeted(Capabilities::default());
    feed(&mut session, &Message::FindPeers(Topic([1; 32]))).unwrap();
    assert!(sent(&mut session).is_empty());
    let due = session.poll_timeout().unwrap();
    assert_eq!(due, START + timing::FIND_PEERS_ANSWER);
    session.handle_timeout(due).unwrap();
    assert_eq!(sent(&mut session), [b"\x05[]"]);
    session.handle_command(due, Command::Peers(Topic([1; 32]), vec![]));
    assert!(sent(&mut session).is_empty());
}

#[test]
fn the_65th_query_replaces_the_first() {
    let mut session = greeted(ALL);
    for i in 1..=65 {
        feed(&mut session, &Message::HaveQuery(RequestId(i), vec![id(1)])).unwrap();
    }
    events(&mut session);
    session.handle_command(START, Command::Have(RequestId(1), vec![true]));
    assert!(sent(&mut session).is_empty());
    session.handle_command(START, Command::Have(RequestId(65), vec![true]));
    assert_eq!(sent(&mut session), [[0x13, 0, 0, 0, 65, 0x80]]);
}

/// Every kind of frame, mostly well-formed enough to reach the machines.
fn frame() -> impl Strategy<Value = Vec<u8>> {
    let kind = prop_oneof![prop::sample::select(Kind::ALL).prop_map(|kind| kind as u8), any::<u8>()];
    let payload = prop_oneof![
        prop::collection::vec(any::<u8>(), 0..80),
        any::<u8>().prop_map(|byte| id(byte % 4).to_string().into_bytes()),
        (0u8..4, prop::collection::vec(0u8..4, 0..90)).prop_map(|(id, rest)| [&[0, 0, 0, id], &rest[..]].concat()),
        any::<u8>().prop_map(|byte| vec![byte % 4; 32]),
        Just(b"{\"v\":5,\"ext\":[\"manifest\",\"have\",\"split\"]}".to_vec()),
        Just(b"[\"192.0.2.1:5\"]".to_vec()),
        Just(vec![7; SPLIT_LEN]),
    ];
    (kind, payload).prop_map(|(kind, payload)| [&[kind], &payload[..]].concat())
}
fn command() -> impl Strategy<Value = Command> {
    let one = || (0u8..4).prop_map(id);
    let topic = || (0u8..4).prop_map(|byte| Topic([byte; 32]));
    let query = || (0u32..4).prop_map(RequestId);
    prop_oneof![
        Just(Command::Hello(hello(ALL))),
        one().prop_map(Command::Request),
        one().prop_map(Command::Cancel),
        one().prop_map(Command::NotFound),
        (one(), 1usize..200_000).prop_map(|(id, len)| Command::Serve(id, Arc::new(vec![1; len]))),
        topic().prop_map(Command::FindPeers),
        topic().prop_map(|topic| Command::Peers(topic, vec![])),
        Just(Command::GetManifest(ChannelKey([1; 32]), 0)),
        query().prop_map(|id| Command::Manifest(id, None)),
        Just(Command::HaveQuery(vec![id(1), id(2)])),
        query().prop_map(|id| Command::Have(id, vec![true])),
        (query(), any::<u16>()).prop_map(|(id, at)| Command::HaveMore(id, vec![at])),
        Just(Command::Published(Ok(()))),
    ]
}
#[derive(Debug, Clone)]
enum Step {
    Frame(Vec<u8>),
    Command(Command),
    Wait(u64),
    Send,
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]
    #[test]
    fn nothing_a_peer_sends_breaks_a_session(
        dials: bool,
        steps in prop::collection::vec(
            prop_oneof![
                6 => frame().prop_map(Step::Frame),
                3 => command().prop_map(Step::Command),
                1 => (0u64..20_000).prop_map(Step::Wait),
                1 => Just(Step::Send),
            ],
            0..120,
        ),
    ) {
        let role = if dials { Role::Dialler } else { Role::Acceptor };
        let mut session = Session::new(role, ALL, START);
        let mut now = START;
        for step in steps {
            let result = match step {
                Step::Frame(frame) => session.handle_frame(now, &frame),
                Step::Command(command) => {
                    session.handle_command(now, command);
                    Ok(())
                }
                Step::Wait(ms) => {
                    now += Duration::from_millis(ms);
                    session.handle_timeout(now)
                }
                Step::Send => {
                    for frame in sent(&mut session) {
                        prop_assert!(!frame.is_empty() && frame.len() <= 1 + BLOB_LEN);
                        prop_assert!(Message::decode(&frame).is_ok());
                    }
                    Ok(())
                }
            };
            if result.is_err() || session.is_finished() {
                break;
            }
            prop_assert!(session.poll_timeout().is_none_or(|due| due > START));
        }
    }
}

#[test]
fn a_flood_of_questions_ends_the_session_and_honest_ones_never_do() {
    let ids: Vec<BlobId> = (0..4096_u32).map(|n| BlobId(std::array::from_fn(|at| n.to_be_bytes()[at % 4]))).collect();
    let questions: [fn(u32, &[BlobId]) -> Message<'static>; 3] = [
        |n, ids| Message::HaveQuery(RequestId(n), ids.to_vec()),
        |n, _| Message::FindPeers(Topic([n as u8; 32])),
        |n, _| Message::Announce(Topic([n as u8; 32]), "192.0.2.1:6881".parse().unwrap()),
    ];
    for question in questions {
        let mut session = greeted(ALL);
        let mut taken = 0;
        while feed(&mut session, &question(taken + 1, &ids)).is_ok() {
            taken += 1;
            assert!(taken < 10_000, "never enough");
            for event in events(&mut session) {
                if let Event::FindPeers(topic) = event {
                    session.handle_command(START, Command::Peers(topic, Vec::new()));
                }
            }
            sent(&mut session);
        }
        assert!(taken >= 60, "{taken}");
    }
    // A node that fetches 500 blobs a second asks for them by the dozen, hour after hour.
    let mut session = greeted(ALL);
    for n in 0..50_000_u32 {
        let now = START + Duration::from_millis(20) * n;
        let query = Message::HaveQuery(RequestId(n + 1), ids[..16].to_vec());
        session.handle_frame(now, &query.to_frame()).unwrap();
        session.handle_frame(now, &Message::FindPeers(Topic([1; 32])).to_frame()).unwrap();
        for event in events(&mut session) {
            match event {
                Event::FindPeers(topic) => session.handle_command(now, Command::Peers(topic, Vec::new())),
                Event::HaveQuery(id, asked) => session.handle_command(now, Command::Have(id, vec![true; asked.len()])),
                _ => {}
            }
        }
        sent(&mut session);
    }
}

#[test]
fn one_blob_does_not_go_to_one_peer_for_ever() {
    let mut session = greeted(ALL);
    let bytes = blob(1);
    let mut times = 0;
    while feed(&mut session, &Message::Request(id(1))).is_ok() {
        session.handle_command(START, Command::Serve(id(1), bytes.clone()));
        sent(&mut session);
        events(&mut session);
        times += 1;
        assert!(times < 100, "never enough");
    }
    assert_eq!(times, 16);
    // Many blobs, each a few times, are a download with a broken disk.
    let mut session = greeted(ALL);
    for n in 0..600_u32 {
        let asked = id((n % 200) as u8);
        feed(&mut session, &Message::Request(asked)).unwrap();
        session.handle_command(START, Command::Serve(asked, bytes.clone()));
        sent(&mut session);
        events(&mut session);
    }
}
