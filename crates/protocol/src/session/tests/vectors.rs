//! The recorded sessions of the v5 reference client, byte for byte.

use super::*;

fn recorded() -> Value {
    serde_json::from_str(include_str!("../../../../../tests/vectors/v5-vectors.json")).unwrap()
}
fn unhex(value: &Value) -> Vec<u8> {
    data_encoding::HEXLOWER.decode(value.as_str().unwrap().as_bytes()).unwrap()
}
fn secret(name: &str) -> [u8; 32] {
    hex_array(recorded()["handshake"]["inputs"][name].as_str().unwrap().as_bytes()).unwrap()
}

/// One side of a connection with the recorded secrets: session, ciphers, and all bytes that it sent.
struct Side {
    session: Session,
    sealer: Sealer,
    opener: Opener,
    wire: Vec<u8>,
}

impl Side {
    fn new(role: Role) -> Self {
        let name = if role == Role::Dialler { "client_ephemeral_secret" } else { "server_ephemeral_secret" };
        let other = if role == Role::Dialler { "server_ephemeral_secret" } else { "client_ephemeral_secret" };
        let handshake = Handshake::new(role, secret(name));
        let wire = handshake.public().to_vec();
        let (sealer, opener, _) = handshake.finish(Handshake::new(role, secret(other)).public()).unwrap();
        Self { session: Session::new(role, Capabilities::default(), START), sealer, opener, wire }
    }
    fn command(&mut self, command: Command) {
        self.session.handle_command(START, command);
        self.flush();
    }
    fn flush(&mut self) {
        for frame in sent(&mut self.session) {
            self.sealer.seal(&frame, &mut self.wire);
        }
    }
    /// Reads the peer's recorded frames (after its 32 bytes).
    fn read(&mut self, recorded: &Value) {
        let mut stream = unhex(&recorded["whole_stream"]);
        let mut rest = &mut stream[32..];
        while !rest.is_empty() {
            let (header, tail) = rest.split_at_mut(4);
            let n = Opener::length(header.try_into().unwrap(), self.session.frame_max()).unwrap();
            let (sealed, tail) = tail.split_at_mut(n);
            let plain = self.opener.open(sealed).unwrap();
            self.session.handle_frame(START, plain).unwrap();
            rest = tail;
        }
    }
}

#[test]
fn downloads_as_the_reference_does() {
    let row = &recorded()["session_download"];
    let blob: BlobId = row["blob_id"].as_str().unwrap().parse().unwrap();
    let mut ours = Side::new(Role::Dialler);
    ours.command(Command::Hello(Hello::default()));
    ours.command(Command::Request(blob));
    ours.command(Command::Announce(blob.into(), "127.0.0.1:6881".parse().unwrap()));
    assert_eq!(ours.wire, unhex(&row["client_to_server"]["whole_stream"]));
    assert_eq!(ours.session.frame_max(), FRAME_MAX_BLOB);
    ours.read(&row["server_to_client"]);
    // The reference served a short text: a beginning, not a blob.
    assert!(events(&mut ours.session).is_empty());
    assert_eq!(ours.session.frame_max(), FRAME_MAX_BLOB);
}

#[test]
fn serves_the_reference() {
    let row = &recorded()["session_download"];
    let blob: BlobId = row["blob_id"].as_str().unwrap().parse().unwrap();
    let mut ours = Side::new(Role::Acceptor);
    ours.read(&row["client_to_server"]);
    let got = events(&mut ours.session);
    assert!(matches!(&got[0], Event::Hello(hello) if *hello == Hello::default()));
    let address: PeerAddr = "127.0.0.1:6881".parse().unwrap();
    assert!(matches!(&got[1], Event::Requested(asked) if *asked == blob), "{got:?}");
    assert!(matches!(&got[2], Event::Announce(topic, at) if *topic == blob.into() && *at == address), "{got:?}");
    assert_eq!(got.len(), 3);
    ours.command(Command::Serve(blob, Arc::new(row["blob_text"].as_str().unwrap().as_bytes().to_vec())));
    assert_eq!(ours.wire, unhex(&row["server_to_client"]["whole_stream"]));
}

#[test]
fn finds_peers_as_the_reference_does() {
    let row = &recorded()["session_find_peers"];
    let topic: Topic = recorded()["session_download"]["blob_id"].as_str().unwrap().parse().unwrap();
    let mut ours = Side::new(Role::Dialler);
    // The one frame that only the reference writes.
    ours.sealer.seal(b"\x01{}", &mut ours.wire);
    ours.command(Command::FindPeers(topic));
    assert_eq!(ours.wire, unhex(&row["client_to_server"]["whole_stream"]));
    ours.read(&row["server_to_client"]);
    let got = events(&mut ours.session);
    assert!(
        matches!(&got[..], [Event::Peers(asked, peers)]
            if *asked == topic && *peers == ["127.0.0.1:6881".parse().unwrap()]),
        "{got:?}"
    );
}

#[test]
fn names_peers_to_the_reference() {
    let row = &recorded()["session_find_peers"];
    let mut ours = Side::new(Role::Acceptor);
    ours.read(&row["client_to_server"]);
    let got = events(&mut ours.session);
    let [Event::Hello(_), Event::FindPeers(topic)] = got[..] else { panic!("{got:?}") };
    ours.command(Command::Peers(topic, vec!["127.0.0.1:6881".parse().unwrap()]));
    assert_eq!(ours.wire, unhex(&row["server_to_client"]["whole_stream"]));
}
