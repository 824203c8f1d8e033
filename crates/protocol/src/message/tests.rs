use super::*;
use crate::addr::OnionKey;
use crate::params::{HELLO_CHANNELS_MAX, HELLO_TOKENS_MAX, PEERS_MAX, SEQUENCE_MAX};
use crate::session::Capabilities;
use proptest::prelude::*;
use serde_json::Value;

fn vectors() -> Value {
    serde_json::from_str(include_str!("../../../../tests/vectors/v5-vectors.json")).unwrap()
}
fn unhex(value: &Value) -> Vec<u8> {
    data_encoding::HEXLOWER.decode(value.as_str().unwrap().as_bytes()).unwrap()
}

fn address() -> impl Strategy<Value = PeerAddr> {
    prop_oneof![
        (1u8..224, any::<[u8; 3]>(), 1u16..).prop_map(|(a, [b, c, d], port)| PeerAddr::Ip(([a, b, c, d], port).into())),
        (any::<[u16; 3]>(), 1u16..)
            .prop_map(|(s, port)| PeerAddr::Ip(([0x2001, 0xdb8, s[0], s[1], 0, 0, 0, s[2]], port).into())),
        (any::<[u8; 32]>(), 1u16..).prop_map(|(key, port)| PeerAddr::Onion(OnionKey(key), port)),
    ]
}
fn hello() -> impl Strategy<Value = Hello> {
    let gossip = prop::collection::btree_map(any::<[u8; 32]>().prop_map(ChannelKey), 0..=SEQUENCE_MAX, 0..64);
    let private = prop::collection::vec(any::<[u8; 16]>(), 0..8);
    (gossip, private, any::<[bool; 4]>()).prop_map(|(gossip, private, [manifest, have, split, gateway])| Hello {
        gossip: gossip.into_iter().collect(),
        private,
        ext: Capabilities { manifest, have, split, gateway },
    })
}
fn publish() -> impl Strategy<Value = PublishRequest> {
    let bytes = |max| prop::collection::vec(any::<u8>(), 0..=max);
    (any::<[u8; 32]>(), 0..=SEQUENCE_MAX, bytes(MANIFEST_MAX), any::<[u8; 32]>(), bytes(64)).prop_map(
        |(key, sequence, value, half, salt)| {
            let mut signature = [1; 64];
            signature[..32].copy_from_slice(&half);
            PublishRequest { key: ChannelKey(key), sequence, value, signature, salt }
        },
    )
}
fn message() -> impl Strategy<Value = Message<'static>> {
    let id = || any::<u32>().prop_map(RequestId);
    let blob = || any::<[u8; 32]>().prop_map(BlobId);
    let topic = || any::<[u8; 32]>().prop_map(Topic);
    let text = || "\\PC{0,40}".prop_map(Cow::Owned);
    let leaked = |max: usize| prop::collection::vec(any::<u8>(), 0..max).prop_map(|bytes| &*bytes.leak());
    prop_oneof![
        hello().prop_map(|hello| Message::Hello { version: 5, hello }),
        blob().prop_map(Message::Request),
        leaked(64).prop_map(Message::Data),
        topic().prop_map(Message::FindPeers),
        prop::collection::vec(address(), 0..12).prop_map(Message::Peers),
        publish().prop_map(Message::Publish),
        (topic(), address()).prop_map(|(topic, address)| Message::Announce(topic, address)),
        text().prop_map(Message::Ok),
        (id(), any::<[u8; 32]>(), any::<u64>()).prop_map(|(id, key, seq)| Message::GetManifest(
            id,
            ChannelKey(key),
            seq
        )),
        (id(), any::<u8>(), leaked(64)).prop_map(|(id, byte, json)| Message::Manifest { id, bep44: [byte; 64], json }),
        (id(), prop::collection::vec(blob(), 1..20)).prop_map(|(id, blobs)| Message::HaveQuery(id, blobs)),
        (id(), prop::collection::vec(any::<u8>(), 1..20)).prop_map(|(id, bits)| Message::Have(id, Cow::Owned(bits))),
        (id(), any::<u8>()).prop_map(|(id, byte)| Message::None(id, Reason::of(byte))),
        (id(), prop::collection::vec(any::<u16>(), 1..20)).prop_map(|(id, at)| Message::HaveMore(id, at)),
        blob().prop_map(Message::Cancel),
        text().prop_map(Message::Error),
    ]
}

proptest! {
    #[test]
    fn every_message_comes_back(message in message()) {
        let frame = message.to_frame();
        prop_assert_eq!(frame[0], message.kind() as u8);
        prop_assert_eq!(Message::decode(&frame), Ok(message));
    }

    #[test]
    fn arbitrary_payloads_decode_or_fail_and_decoded_ones_are_stable(
        at in 0..Kind::ALL.len(),
        payload in prop::collection::vec(any::<u8>(), 0..200),
    ) {
        let frame = [&[Kind::ALL[at] as u8], &payload[..]].concat();
        if let Ok(message) = Message::decode(&frame) {
            let again = message.to_frame();
            prop_assert_eq!(Message::decode(&again), Ok(message));
        }
    }

    #[test]
    fn bits_stand_where_they_were_put(held in prop::collection::vec(any::<bool>(), 1..100)) {
        let bits = pack_bits(&held);
        prop_assert_eq!(bits.len(), held.len().div_ceil(8));
        let expected: Vec<usize> = (0..held.len()).filter(|&at| held[at]).collect();
        prop_assert_eq!(set_bits(&bits, held.len()).collect::<Vec<_>>(), expected);
    }
}

#[test]
fn the_first_id_has_the_highest_bit() {
    assert_eq!(pack_bits(&[true, false, false, false, false, false, false, true, true]), [0x81, 0x80]);
}

#[test]
fn reads_and_writes_the_recorded_frames() {
    let all = vectors();
    let mut seen = 0;
    for session in ["session_download", "session_find_peers"] {
        for side in ["client_to_server", "server_to_client"] {
            for frame in all[session][side]["frames"].as_array().unwrap() {
                let plain = unhex(&frame["plaintext"]);
                let message = Message::decode(&plain).unwrap();
                // `{}` is a HELLO that is read but never written.
                if plain != b"\x01{}" {
                    assert_eq!(*message.to_frame(), plain[..], "{session} {side}");
                }
                seen += 1;
            }
        }
    }
    assert!(seen >= 7);
}

#[test]
fn reads_and_writes_the_recorded_publish() {
    let row = &vectors()["gateway_publish"];
    for text in [&row["payload_as_reference_text"], &row["payload_that_works_text"]] {
        let frame = [b"\x06", text.as_str().unwrap().as_bytes()].concat();
        let message = Message::decode(&frame).unwrap();
        let Message::Publish(request) = &message else { panic!("{message:?}") };
        assert_eq!(request.sequence, 1_700_000_000_000);
        assert_eq!(*message.to_frame(), frame[..]);
    }
}

fn hello_of(json: &str) -> Result<(u64, Hello), MessageError> {
    match Message::decode(&[b"\x01", json.as_bytes()].concat())? {
        Message::Hello { version, hello } => Ok((version, hello)),
        other => panic!("{other:?}"),
    }
}

#[test]
fn hello_is_read_in_every_shape_that_occurs() {
    let key = "ab".repeat(32);
    let expected = vec![(ChannelKey([0xab; 32]), 7)];
    for json in [
        format!("{{\"v\":5,\"gossip\":{{\"{key}\":7}}}}"),
        format!("{{\"v\":5,\"gossip\":{{\"sequences\":{{\"{key}\":7}}}}}}"),
        format!("{{ \"gossip\" : {{\"nonsense\":1,\"{key}\":7}}, \"later\":[{{\"a\":null}}] }}"),
    ] {
        assert_eq!(hello_of(&json).unwrap().1.gossip, expected, "{json}");
    }
    assert_eq!(hello_of("{}").unwrap(), (5, Hello::default()));
    assert_eq!(hello_of("{\"v\":4}").unwrap().0, 4);
    let odd = hello_of("{\"v\":5,\"ext\":[\"split\",\"new\",3],\"private\":[\"00\",7],\"gossip\":[]}").unwrap().1;
    assert_eq!(odd, Hello { ext: Capabilities { split: true, ..Default::default() }, ..Default::default() });
}

#[test]
fn json_that_says_two_things_is_refused() {
    let key = "ab".repeat(32);
    for json in [
        "{\"v\":5,\"v\":5}".to_owned(),
        format!("{{\"v\":5,\"gossip\":{{\"{key}\":7,\"{key}\":8}}}}"),
        "{\"v\":5} {}".to_owned(),
        "{\"v\":\"5\"}".to_owned(),
        "{\"v\":5,\"x\":{\"a\":1,\"\\u0061\":1}}".to_owned(),
        "[]".to_owned(),
        "".to_owned(),
        "[".repeat(100_000),
    ] {
        assert_eq!(hello_of(&json), Err(MessageError::Malformed(Kind::Hello)), "{json:.60}");
    }
}

#[test]
fn what_one_message_names_is_capped() {
    let mut hello = Hello::default();
    for i in 0..100u8 {
        hello.gossip.push((ChannelKey([i; 32]), 1));
    }
    hello.private = vec![[1; 16]; 300];
    let frame = Message::Hello { version: 5, hello }.to_frame();
    let Ok(Message::Hello { hello, .. }) = Message::decode(&frame) else { panic!() };
    assert_eq!((hello.gossip.len(), hello.private.len()), (HELLO_CHANNELS_MAX, HELLO_TOKENS_MAX));

    let many = format!("[{}\"10.0.0.1:1\"]", "\"10.0.0.1:1\",".repeat(999));
    let frame = [b"\x05", many.as_bytes()].concat();
    let Ok(Message::Peers(peers)) = Message::decode(&frame) else { panic!() };
    assert_eq!(peers.len(), PEERS_MAX);

    let mut frame = vec![Kind::HaveQuery as u8];
    frame.resize(1 + 4 + HAVE_QUERY_MAX * 32, 0);
    assert!(matches!(Message::decode(&frame), Ok(Message::HaveQuery(_, ids)) if ids.len() == HAVE_QUERY_MAX));
    assert_eq!(frame.len() + crate::params::TAG_LEN, crate::params::FRAME_MAX);
    frame.push(0);
    assert!(matches!(Message::decode(&frame), Err(MessageError::TooLong { .. })));
}

#[test]
fn every_type_refuses_more_than_its_cap() {
    for &kind in Kind::ALL {
        let mut frame = vec![kind as u8];
        frame.resize(2 + kind.payload_max(), b'0');
        assert_eq!(Message::decode(&frame), Err(MessageError::TooLong { kind, len: kind.payload_max() + 1 }));
        assert_eq!(Kind::of(kind as u8), Some(kind));
    }
    assert_eq!(Message::decode(&[]), Err(MessageError::Empty));
    assert_eq!(Message::decode(&[0x09, 1]), Err(MessageError::Unknown(9)));
}

#[test]
fn names_that_are_no_lower_case_hex_are_refused() {
    for (kind, byte) in [(Kind::Request, b"\x02"), (Kind::FindPeers, b"\x04")] {
        for text in ["AB".repeat(32), "ab".repeat(31), "../../etc/passwd".to_owned(), String::new()] {
            let frame = [byte, text.as_bytes()].concat();
            assert_eq!(Message::decode(&frame), Err(MessageError::Malformed(kind)), "{text}");
        }
    }
}

#[test]
fn host_names_are_no_addresses_of_peers() {
    let frame = b"\x05[\"example.org:80\",\"192.0.2.1:80\",5,\"192.0.2.1\",\"192.0.2.1:0\"]";
    let expected = vec![PeerAddr::Ip(([192, 0, 2, 1], 80).into())];
    assert_eq!(Message::decode(frame), Ok(Message::Peers(expected.clone())));
    let written = Message::Peers(vec![PeerAddr::Name("example.org".into(), 80), expected[0].clone()]);
    assert_eq!(*written.to_frame(), b"\x05[\"192.0.2.1:80\"]"[..]);
    let announce = format!("\x07{{\"blobId\":\"{}\",\"peerAddress\":\"example.org:80\"}}", "00".repeat(32));
    assert_eq!(Message::decode(announce.as_bytes()), Err(MessageError::Malformed(Kind::Announce)));
}

#[test]
fn long_texts_are_cut_at_a_character() {
    let frame = Message::Error("é".repeat(4000).into()).to_frame();
    assert!(frame.len() <= 1 + TEXT_MAX);
    assert!(matches!(Message::decode(&frame), Ok(Message::Error(text)) if text.chars().all(|c| c == 'é')));
}
