//! Two sessions that talk to each other.

use super::*;

struct Pair {
    dialler: Session,
    acceptor: Session,
    now: Duration,
}

impl Pair {
    fn new(dialler: Capabilities, acceptor: Capabilities) -> Self {
        let mut pair = Self {
            dialler: Session::new(Role::Dialler, dialler, START),
            acceptor: Session::new(Role::Acceptor, acceptor, START),
            now: START,
        };
        pair.dialler.handle_command(START, Command::Hello(hello(ALL)));
        pair.acceptor.handle_command(START, Command::Hello(hello(ALL)));
        pair.run();
        assert!(matches!(&events(&mut pair.dialler)[..], [Event::Hello(hello)] if hello.ext == acceptor));
        assert!(matches!(&events(&mut pair.acceptor)[..], [Event::Hello(hello)] if hello.ext == dialler));
        assert_eq!(pair.dialler.capabilities(), pair.acceptor.capabilities());
        pair
    }
    fn ask(&mut self, command: Command) {
        self.dialler.handle_command(self.now, command);
    }
    fn tell(&mut self, command: Command) {
        self.acceptor.handle_command(self.now, command);
    }
    /// One frame from the acceptor to the dialler.
    fn step_back(&mut self) -> Option<Vec<u8>> {
        let mut frame = Vec::new();
        self.acceptor.poll_transmit(&mut frame).then(|| {
            assert!(frame.len() + crate::params::TAG_LEN <= self.dialler.frame_max());
            self.dialler.handle_frame(self.now, &frame).unwrap();
            frame
        })
    }
    /// Carries frames both ways until none is left.
    fn run(&mut self) {
        loop {
            let mut moved = false;
            for frame in sent(&mut self.dialler) {
                assert!(frame.len() + crate::params::TAG_LEN <= self.acceptor.frame_max());
                self.acceptor.handle_frame(self.now, &frame).unwrap();
                moved = true;
            }
            while self.step_back().is_some() {
                moved = true;
            }
            if !moved {
                return;
            }
        }
    }
    fn wait(&mut self, time: Duration) {
        self.now += time;
        self.dialler.handle_timeout(self.now).unwrap();
        self.acceptor.handle_timeout(self.now).unwrap();
        self.run();
    }
}

#[test]
fn answers_keep_the_order_asked() {
    let mut pair = Pair::new(ALL, ALL);
    for i in 1..=3 {
        pair.ask(Command::Request(id(i)));
    }
    pair.run();
    let asked = events(&mut pair.acceptor);
    assert!(matches!(asked[..], [Event::Requested(a), Event::Requested(b), Event::Requested(c)]
        if (a, b, c) == (id(1), id(2), id(3))));
    pair.tell(Command::Serve(id(3), blob(3)));
    pair.tell(Command::NotFound(id(2)));
    pair.run();
    assert!(events(&mut pair.dialler).is_empty());
    pair.tell(Command::Serve(id(1), blob(1)));
    pair.run();
    let got = events(&mut pair.dialler);
    let [Event::Blob(a, first), Event::NotFound(b), Event::Blob(c, third)] = &got[..] else { panic!() };
    assert_eq!((*a, *b, *c), (id(1), id(2), id(3)));
    assert!(*first == *blob(1) && *third == *blob(3));
    assert_eq!(pair.dialler.frame_max(), FRAME_MAX);
}

#[test]
fn the_first_bytes_of_a_wanted_blob_are_told() {
    let mut pair = Pair::new(ALL, ALL);
    pair.ask(Command::Request(id(1)));
    pair.ask(Command::Request(id(2)));
    pair.run();
    pair.ask(Command::Cancel(id(2)));
    for n in [1, 2] {
        pair.tell(Command::Serve(id(n), blob(n)));
    }
    while pair.step_back().is_some() {}
    let told: Vec<Event> = std::iter::from_fn(|| pair.dialler.poll_event()).collect();
    assert!(matches!(told[..], [Event::Arriving(a), Event::Blob(b, _)] if a == id(1) && b == id(1)), "{}", told.len());
}

#[test]
fn blobs_are_split_only_when_both_split() {
    for (dialler, frames) in [(ALL, BLOB_LEN.div_ceil(SPLIT_LEN)), (Capabilities { split: false, ..ALL }, 1)] {
        let mut pair = Pair::new(dialler, ALL);
        pair.ask(Command::Request(id(1)));
        pair.run();
        pair.tell(Command::Serve(id(1), blob(1)));
        let sizes: Vec<usize> = std::iter::from_fn(|| pair.step_back()).map(|frame| frame.len() - 1).collect();
        assert_eq!((sizes.len(), sizes.iter().sum()), (frames, BLOB_LEN));
        assert!(matches!(&events(&mut pair.dialler)[..], [Event::Blob(_, bytes)] if *bytes == *blob(1)));
    }
}

#[test]
fn control_messages_overtake_data() {
    let mut pair = Pair::new(ALL, ALL);
    pair.ask(Command::Request(id(1)));
    pair.run();
    pair.tell(Command::Serve(id(1), blob(1)));
    assert_eq!(pair.step_back().unwrap()[0], Kind::Data as u8);
    pair.tell(Command::FindPeers(Topic([1; 32])));
    assert_eq!(pair.step_back().unwrap()[0], Kind::FindPeers as u8);
    assert_eq!(pair.step_back().unwrap()[0], Kind::Data as u8);
}

#[test]
fn cancel_takes_back_what_is_waiting_and_what_is_on_its_way() {
    let mut pair = Pair::new(ALL, ALL);
    // Never sent.
    pair.ask(Command::Request(id(9)));
    pair.ask(Command::Cancel(id(9)));
    assert!(sent(&mut pair.dialler).is_empty());
    for i in 1..=3 {
        pair.ask(Command::Request(id(i)));
    }
    pair.run();
    events(&mut pair.acceptor);
    // The first is half sent, the second not begun.
    pair.tell(Command::Serve(id(1), blob(1)));
    pair.step_back();
    pair.step_back();
    pair.ask(Command::Cancel(id(1)));
    pair.ask(Command::Cancel(id(2)));
    pair.run();
    assert!(matches!(events(&mut pair.acceptor)[..], [Event::Cancelled(which)] if which == id(2)));
    // Asked for again at once: a new request.
    pair.ask(Command::Request(id(1)));
    pair.run();
    pair.tell(Command::Serve(id(2), blob(2)));
    pair.tell(Command::Serve(id(1), blob(1)));
    pair.tell(Command::Serve(id(3), blob(3)));
    pair.run();
    let got = events(&mut pair.dialler);
    let [Event::Blob(a, third), Event::Blob(b, first)] = &got[..] else { panic!("{}", got.len()) };
    assert!((*a, *b) == (id(3), id(1)) && *third == *blob(3) && *first == *blob(1));
}

#[test]
fn without_cancel_an_unwanted_blob_is_let_pass() {
    let mut pair = Pair::new(Capabilities { split: false, ..ALL }, ALL);
    pair.ask(Command::Request(id(1)));
    pair.run();
    pair.ask(Command::Cancel(id(1)));
    pair.tell(Command::Serve(id(1), blob(1)));
    pair.run();
    assert!(events(&mut pair.dialler).is_empty());
    pair.ask(Command::Request(id(2)));
    pair.ask(Command::Cancel(id(2)));
    pair.ask(Command::Request(id(2)));
    pair.run();
    pair.tell(Command::Serve(id(2), blob(2)));
    pair.run();
    assert!(matches!(&events(&mut pair.dialler)[..], [Event::Blob(which, _)] if *which == id(2)));
}

#[test]
fn who_holds_what_is_told_and_kept_up() {
    let mut pair = Pair::new(ALL, ALL);
    pair.ask(Command::HaveQuery((0..10).map(id).collect()));
    pair.run();
    let got = events(&mut pair.acceptor);
    let [Event::HaveQuery(query, blobs)] = &got[..] else { panic!("{got:?}") };
    assert_eq!(blobs.len(), 10);
    let query = *query;
    pair.tell(Command::Have(query, (0..10).map(|i| i == 0 || i == 9).collect()));
    pair.run();
    let held = |events: Vec<Event>| match &events[..] {
        [Event::Have(blobs)] => blobs.clone(),
        other => panic!("{other:?}"),
    };
    assert_eq!(held(events(&mut pair.dialler)), [id(0), id(9)]);
    // Within the second: gathered, then told once.
    pair.tell(Command::HaveMore(query, vec![3]));
    pair.tell(Command::HaveMore(query, vec![5, 3, 999]));
    pair.run();
    assert!(events(&mut pair.dialler).is_empty());
    assert_eq!(pair.acceptor.poll_timeout(), Some(START + timing::HAVE_MORE_EVERY));
    pair.wait(timing::HAVE_MORE_EVERY);
    assert_eq!(held(events(&mut pair.dialler)), [id(3), id(5)]);
}

#[test]
fn find_peers_is_asked_one_at_a_time() {
    let mut pair = Pair::new(ALL, ALL);
    let (one, two) = (Topic([1; 32]), Topic([2; 32]));
    pair.ask(Command::FindPeers(one));
    pair.ask(Command::FindPeers(two));
    pair.run();
    assert!(matches!(events(&mut pair.acceptor)[..], [Event::FindPeers(topic)] if topic == one));
    let peer: PeerAddr = "192.0.2.7:6881".parse().unwrap();
    pair.tell(Command::Peers(one, vec![peer.clone()]));
    pair.run();
    assert!(
        matches!(&events(&mut pair.dialler)[..], [Event::Peers(topic, peers)] if *topic == one && *peers == [peer])
    );
    assert!(matches!(events(&mut pair.acceptor)[..], [Event::FindPeers(topic)] if topic == two));
}

#[test]
fn publishing_waits_for_requests_and_is_answered() {
    let mut pair = Pair::new(ALL, ALL);
    let request = PublishRequest {
        key: ChannelKey([1; 32]),
        sequence: 5,
        value: b"{}".to_vec(),
        signature: [7; 64],
        salt: b"salt".to_vec(),
    };
    pair.ask(Command::Request(id(1)));
    pair.ask(Command::Publish(request.clone()));
    pair.ask(Command::Request(id(2)));
    pair.run();
    assert!(matches!(events(&mut pair.acceptor)[..], [Event::Requested(_)]));
    pair.tell(Command::NotFound(id(1)));
    pair.run();
    assert!(matches!(&events(&mut pair.acceptor)[..], [Event::Publish(asked)] if *asked == request));
    pair.tell(Command::Published(Err("no".into())));
    pair.run();
    assert!(matches!(&events(&mut pair.dialler)[..],
        [Event::NotFound(_), Event::Published(Err(why))] if why == "no"));
    assert!(matches!(events(&mut pair.acceptor)[..], [Event::Requested(which)] if which == id(2)));
    pair.tell(Command::NotFound(id(2)));
    pair.ask(Command::Publish(request));
    pair.run();
    pair.tell(Command::Published(Ok(())));
    pair.run();
    assert!(matches!(events(&mut pair.dialler)[..], [Event::NotFound(_), Event::Published(Ok(()))]));
}

#[test]
fn a_manifest_that_is_not_there_is_none() {
    let mut pair = Pair::new(ALL, ALL);
    let channel = ChannelKey([4; 32]);
    pair.ask(Command::GetManifest(channel, 17));
    pair.run();
    let got = events(&mut pair.acceptor);
    let [Event::GetManifest(request, asked, 17)] = got[..] else { panic!("{got:?}") };
    assert_eq!(asked, channel);
    pair.tell(Command::Manifest(request, None));
    pair.run();
    assert!(matches!(events(&mut pair.dialler)[..], [Event::NoManifest(which)] if which == channel));
    // Never answered: given up on both sides.
    pair.ask(Command::GetManifest(channel, 17));
    pair.run();
    pair.wait(timing::ANSWER);
    assert!(matches!(events(&mut pair.dialler)[..], [Event::NoManifest(which)] if which == channel));
}

#[test]
fn closing_sends_what_is_queued() {
    let mut pair = Pair::new(ALL, ALL);
    pair.ask(Command::Request(id(1)));
    pair.run();
    pair.tell(Command::Serve(id(1), blob(1)));
    pair.tell(Command::Close);
    assert!(!pair.acceptor.is_finished());
    pair.run();
    assert!(pair.acceptor.is_finished());
    assert!(matches!(events(&mut pair.dialler)[..], [Event::Blob(..)]));
    pair.ask(Command::Close);
    assert!(pair.dialler.is_finished());
    assert_eq!(pair.dialler.poll_timeout(), None);
}

/// A public channel's manifest of this sequence.
fn manifest(sequence: u64) -> Arc<SignedManifest> {
    let body = crate::Body { timestamp: sequence, ..Default::default() };
    Arc::new(SignedManifest::sign_inline(&crate::Identity::from_seed(&[3; 32]), sequence, &body).unwrap())
}
fn manifests(session: &mut Session) -> Vec<u64> {
    let sequence = |event: &Event| match event {
        Event::Manifest(manifest) => manifest.sequence(),
        other => panic!("{other:?}"),
    };
    events(session).iter().map(sequence).collect()
}

#[test]
fn manifests_are_asked_for_and_pushed() {
    let mut pair = Pair::new(ALL, ALL);
    pair.ask(Command::GetManifest(*manifest(1).key(), 4));
    pair.run();
    let [Event::GetManifest(request, ..)] = events(&mut pair.acceptor)[..] else { panic!() };
    pair.tell(Command::Manifest(request, Some(manifest(5))));
    pair.run();
    assert_eq!(manifests(&mut pair.dialler), [5]);
    // Pushes: the first at once, then the newest of those within five seconds.
    for sequence in [6, 7, 9, 8] {
        pair.tell(Command::Push(manifest(sequence)));
    }
    pair.run();
    assert_eq!(manifests(&mut pair.dialler), [6]);
    pair.wait(timing::PUSH_EVERY - Duration::from_millis(1));
    assert_eq!(manifests(&mut pair.dialler), [0; 0]);
    pair.wait(Duration::from_millis(1));
    assert_eq!(manifests(&mut pair.dialler), [9]);
    pair.wait(timing::PUSH_EVERY);
    assert_eq!(manifests(&mut pair.dialler), [0; 0]);
}

#[test]
fn nothing_is_pushed_to_a_peer_without_manifest() {
    let mut pair = Pair::new(Capabilities { manifest: false, ..ALL }, ALL);
    pair.tell(Command::Push(manifest(6)));
    assert!(sent(&mut pair.acceptor).is_empty());
}

#[test]
fn a_manifest_that_does_not_verify_ends_the_session() {
    let good = manifest(5);
    let mut bep44 = *good.bep44();
    bep44[0] ^= 1;
    let other = ChannelKey([9; 32]);
    let push = |bep44, json| Message::Manifest { id: RequestId(0), bep44, json };
    assert!(feed(&mut greeted(ALL), &push(*good.bep44(), good.json())).is_ok());
    assert!(feed(&mut greeted(ALL), &push(bep44, good.json())).is_err());
    assert!(feed(&mut greeted(ALL), &push(bep44, b"{}")).is_err());
    // Another channel's than the one asked for.
    let mut session = greeted(ALL);
    session.handle_command(START, Command::GetManifest(other, 0));
    let answer = Message::Manifest { id: RequestId(1), bep44: *good.bep44(), json: good.json() };
    assert!(feed(&mut session, &answer).is_err());
    // An answer to nothing is not even looked at.
    assert!(feed(&mut greeted(ALL), &Message::Manifest { id: RequestId(1), bep44, json: b"{}" }).is_ok());
}
