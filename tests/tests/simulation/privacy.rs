//! Private channels: who has no read key learns nothing.

use std::collections::BTreeSet;

use megatorrent_tests::sim::{Author, Nature, NodeId, Place, Setup, World, mins, secs, with_seed};
use protocol::message::Message;
use protocol::session::Command;
use protocol::{BlobId, ChannelKey, ReadKey};

fn stranger(world: &mut World, nature: Nature) -> NodeId {
    world.add(Place { nature, tapped: true, dht: false, tells: false, ..Place::default() })
}

/// A private channel with a publisher and four followers that are at home with each other.
fn family(world: &mut World) -> (Author, Vec<NodeId>, Vec<BlobId>) {
    let mut author = world.author(true);
    let members: Vec<NodeId> = (0..5).map(|_| world.add(Place::default())).collect();
    for member in &members {
        world.follow(*member, &author, true);
    }
    let manifest = world.sign(&mut author, 6);
    world.publish(members[0], &manifest);
    let key = author.key();
    let done = world.run_until(mins(5), |world| members.iter().all(|m| world.nodes[*m].is_complete(&key)));
    assert!(done.is_some(), "the private channel works for its members");
    let plan = world.plan_of(&manifest, author.read_key.as_ref()).unwrap();
    (author, members, plan.blobs.iter().chain([&plan.root]).copied().collect())
}

/// Everything that a stranger heard is nothing.
fn check_heard(world: &World, stranger: NodeId, key: &ChannelKey, read: &ReadKey, blobs: &[BlobId]) {
    let day = 1_800_014_400_000 / 86_400_000;
    let topic = protocol::rendezvous::private(key, read, day).to_string();
    let ids: BTreeSet<BlobId> = blobs.iter().copied().collect();
    assert!(!world.nodes[stranger].heard.is_empty());
    for frame in &world.nodes[stranger].heard {
        let text = String::from_utf8_lossy(frame);
        assert!(!text.contains(&topic), "the meeting point is told: {text}");
        match Message::decode(frame).unwrap() {
            Message::Hello { hello, .. } => assert!(hello.gossip.iter().all(|(k, _)| k != key), "the channel is named"),
            Message::Manifest { .. } => panic!("a manifest reached the stranger"),
            Message::Have(_, bits) => assert!(bits.iter().all(|b| *b == 0), "holdings are told"),
            Message::HaveMore(..) => panic!("holdings are told"),
            Message::Request(id) => assert!(!ids.contains(&id), "a blob ID is told"),
            Message::HaveQuery(_, asked) => assert!(asked.iter().all(|id| !ids.contains(id)), "blob IDs are told"),
            Message::Peers(addrs) => assert!(addrs.is_empty(), "members' addresses are told"),
            _ => {}
        }
    }
}

#[test]
fn a_stranger_who_knows_only_the_public_key_learns_nothing() {
    with_seed(21, |seed| {
        let mut world = World::new(Setup::new(seed));
        let (mut author, members, blobs) = family(&mut world);
        let (key, read) = (author.key(), author.read_key.clone().unwrap());
        // One stranger calls a member, another calls somebody who never heard of the channel. Both say the same.
        let bystander = world.add(Place::default());
        let strangers = [members[1], bystander].map(|target| {
            let caller = stranger(&mut world, Nature::Honest);
            world.follow_as(caller, key, None, true);
            world.know(caller, Some(key), target);
            caller
        });
        for _ in 0..40 {
            world.run(secs(1));
            for caller in strangers {
                world.say(caller, &Command::GetManifest(key, 0));
                world.say(caller, &Command::HaveQuery(blobs.clone()));
                world.say(caller, &Command::FindPeers(protocol::rendezvous::public(&key)));
            }
        }
        let manifest = world.sign(&mut author, 2);
        world.publish(members[0], &manifest);
        world.run(mins(2));
        assert!(members.iter().all(|m| world.nodes[*m].is_complete(&key)));
        for caller in strangers {
            check_heard(&world, caller, &key, &read, &blobs);
        }
        let [one, other] = strangers.map(|caller| &world.nodes[caller].heard);
        assert_eq!(one, other, "a member answers otherwise than somebody who knows nothing");
    });
}

#[test]
fn a_stranger_who_is_called_learns_nothing() {
    with_seed(22, |seed| {
        for nature in [Nature::Honest, Nature::Plain, Nature::V5] {
            let mut world = World::new(Setup::new(seed));
            let (author, members, blobs) = family(&mut world);
            let (key, read) = (author.key(), author.read_key.clone().unwrap());
            let listener = stranger(&mut world, nature);
            // The user of a newcomer, who wants everything, names the stranger's address for whatever it may serve.
            let newcomer = world.add(Place { dht: false, ..Place::default() });
            world.know(newcomer, None, listener);
            world.follow(newcomer, &author, true);
            world.run(mins(2));
            check_heard(&world, listener, &key, &read, &blobs);
            // Then it meets a member, knows what to want, and still does not ask the stranger.
            world.know(newcomer, Some(key), members[2]);
            world.run(mins(10));
            assert!(world.nodes[newcomer].is_complete(&key));
            check_heard(&world, listener, &key, &read, &blobs);
        }
    });
}

#[test]
fn a_wrong_read_key_is_as_good_as_none() {
    with_seed(23, |seed| {
        let mut world = World::new(Setup::new(seed));
        let (author, members, blobs) = family(&mut world);
        let (key, read) = (author.key(), author.read_key.clone().unwrap());
        let caller = world.add(Place { tapped: true, dht: false, ..Place::default() });
        world.follow_as(caller, key, Some(ReadKey([9; 32])), true);
        world.know(caller, Some(key), members[1]);
        world.run(mins(3));
        check_heard(&world, caller, &key, &read, &blobs);
        assert_eq!(world.nodes[caller].sequence(&key), 0);
    });
}
