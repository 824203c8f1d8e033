//! Whole nodes in one process, over loopback and a local DHT.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on says so by panicking")]
#![allow(clippy::disallowed_types, reason = "a DHT that keeps silent is a socket of the test's own")]

extern crate megatorrent_node as node;

mod people;

use net::dht::LocalDht;
use node::api::{Code, Event, Publish, Reply, Request, Settings, Subscribe, Target, Unlock};
use node::{Node, NodeConfig};
use people::{address, call, config, identity, is_complete, published, until};

#[test]
fn a_stopped_node_leaves_no_task() {
    let tmp = tempfile::tempdir().unwrap();
    let dht = LocalDht::start(8).unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        std::fs::write(tmp.path().join("file"), vec![7; 3_000_000]).unwrap();
        let with_dht =
            |name: &str| NodeConfig { dht: true, bootstrap: dht.bootstrap(), ..config(&tmp.path().join(name)) };
        let author = Node::start(with_dht("a")).await.unwrap();
        identity(&author, "author").await;
        let args = Publish { paths: vec![tmp.path().join("file")], identity: "author".into(), ..Publish::default() };
        let done = published(&author, args).await;
        assert!(done.dht_nodes > 0);
        let reader = Node::start(with_dht("b")).await.unwrap();
        call(&reader, Request::Subscribe(Subscribe { link: done.link, fetch: Default::default() })).await;
        until(&reader, is_complete).await;
        reader.stop().await.unwrap();
        author.stop().await.unwrap();
        assert_eq!(author.call(Request::Status).await.err().map(|e| e.code), Some(Code::Stopping));
    });
    let alive = runtime.metrics().num_alive_tasks();
    assert_eq!(alive, 0, "tasks that nobody awaited");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_publishes_for_one_without_a_dht_and_shows_it() {
    let tmp = tempfile::tempdir().unwrap();
    let dht = LocalDht::start(8).unwrap();
    let gateway = NodeConfig { dht: true, bootstrap: dht.bootstrap(), ..config(&tmp.path().join("gateway")) };
    let gateway = Node::start(gateway).await.unwrap();
    let author = Node::start(config(&tmp.path().join("author"))).await.unwrap();
    identity(&author, "author").await;
    std::fs::write(tmp.path().join("file"), b"by way of another").unwrap();
    let args = Publish {
        paths: vec![tmp.path().join("file")],
        identity: "author".into(),
        gateway: vec![address(&gateway).await],
        ..Publish::default()
    };
    // A node that is no gateway takes nothing, and that is said.
    let refused = author.call(Request::Publish(args.clone())).await.err().unwrap();
    assert_eq!(refused.code, Code::NotPublished, "{refused}");

    call(&gateway, Request::SetSettings(Settings { gateway: Some(true), ..Settings::default() })).await;
    let done = published(&author, args).await;
    assert_eq!((done.gateways, done.dht_nodes), (1, 0));

    // A reader with a DHT and no word of the author finds the manifest there; the bytes come from the author.
    let peers = vec![address(&author).await.parse().unwrap()];
    let reader = NodeConfig { dht: true, bootstrap: dht.bootstrap(), peers, ..config(&tmp.path().join("reader")) };
    let reader = Node::start(reader).await.unwrap();
    call(&reader, Request::Subscribe(Subscribe { link: done.link.clone(), fetch: Default::default() })).await;
    until(&reader, is_complete).await;
    // The list may have come from the author before the DHT answered.
    let shown = |channel: &node::api::ChannelInfo| channel.seen_by.is_some_and(|nodes| nodes > 0);
    until(&reader, |event| match event {
        Event::Snapshot(now) => now.channels.iter().any(shown),
        Event::Channel(channel) => shown(channel),
        _ => false,
    })
    .await;
    for node in [reader, author, gateway] {
        node.stop().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_private_channel_waits_for_its_vault_and_goes_on_when_it_opens() {
    let tmp = tempfile::tempdir().unwrap();
    let author = Node::start(config(&tmp.path().join("author"))).await.unwrap();
    identity(&author, "author").await;
    std::fs::write(tmp.path().join("file"), b"between us").unwrap();
    let args = Publish {
        paths: vec![tmp.path().join("file")],
        identity: "author".into(),
        private: true,
        ..Publish::default()
    };
    let done = published(&author, args).await;
    assert!(done.link.len() > "megatorrent://".len() + 64, "a private link carries its read key");
    let reader_config =
        NodeConfig { peers: vec![address(&author).await.parse().unwrap()], ..config(&tmp.path().join("reader")) };
    let offline = NodeConfig { offline: true, ..reader_config.clone() };
    let reader = Node::start(offline).await.unwrap();
    call(&reader, Request::Subscribe(Subscribe { link: done.link.clone(), fetch: Default::default() })).await;
    reader.stop().await.unwrap();

    // The old handle lives still; the folder is free all the same.
    let locked = Node::start(NodeConfig { passphrase: None, ..reader_config }).await.unwrap();
    let Reply::Status(status) = call(&locked, Request::Status).await else { panic!("a status") };
    assert_eq!(status.secrets, "locked");
    let Reply::Channels(channels) = call(&locked, Request::Channels).await else { panic!("channels") };
    assert_eq!(channels[0].cause, Some(node::api::Cause::Locked));
    let wrong = locked.call(Request::Unlock(Unlock { passphrase: "no".into() })).await.err().unwrap();
    assert_eq!(wrong.code, Code::WrongPassphrase);
    call(&locked, Request::Unlock(Unlock { passphrase: "a secret of tests".into() })).await;
    until(&locked, is_complete).await;
    for node in [locked, author] {
        node.stop().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_paused_node_talks_to_nobody_until_it_resumes() {
    let tmp = tempfile::tempdir().unwrap();
    let author = Node::start(config(&tmp.path().join("author"))).await.unwrap();
    identity(&author, "author").await;
    std::fs::write(tmp.path().join("file"), vec![1; 2_500_000]).unwrap();
    let args = Publish { paths: vec![tmp.path().join("file")], identity: "author".into(), ..Publish::default() };
    let done = published(&author, args).await;
    let peers = vec![address(&author).await.parse().unwrap()];
    let reader = Node::start(NodeConfig { peers, ..config(&tmp.path().join("reader")) }).await.unwrap();
    call(&reader, Request::Pause(Target::All)).await;
    call(&reader, Request::Subscribe(Subscribe { link: done.link, fetch: Default::default() })).await;
    let Reply::Status(status) = call(&reader, Request::Status).await else { panic!("a status") };
    assert!(status.paused && status.peers == 0 && status.received == 0);
    call(&reader, Request::Resume(Target::All)).await;
    until(&reader, is_complete).await;
    // What is paused in the middle of a connection ends it.
    call(&reader, Request::Pause(Target::All)).await;
    until(&author, |event| match event {
        Event::Snapshot(now) => now.status.peers == 0,
        Event::Status(now) => now.peers == 0,
        _ => false,
    })
    .await;
    for node in [reader, author] {
        node.stop().await.unwrap();
    }
}

/// The first node of the DHT takes its time: for twenty seconds that is no fault, and then it is one that is told.
#[tokio::test(flavor = "multi_thread")]
async fn a_dht_that_was_just_joined_is_being_asked_and_one_that_stays_silent_is_named() {
    use node::api::Cause;
    let tmp = tempfile::tempdir().unwrap();
    let silent = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let bootstrap = vec![silent.local_addr().unwrap().to_string()];
    let begun = std::time::Instant::now();
    let node = Node::start(NodeConfig { dht: true, bootstrap, ..config(&tmp.path().join("a")) }).await.unwrap();
    let link = format!("megatorrent://{}", protocol::Identity::from_seed(&[3; 32]).channel());
    call(&node, Request::Subscribe(Subscribe { link, fetch: Default::default() })).await;
    let mut asked = 0;
    loop {
        let Reply::Status(status) = call(&node, Request::Status).await else { panic!("a status") };
        let Reply::Channels(channels) = call(&node, Request::Channels).await else { panic!("channels") };
        let since = begun.elapsed();
        assert_eq!(status.dht_nodes, Some(0));
        match (status.dht_asking, &channels[0].cause) {
            (Some(true), cause) => {
                assert!(!matches!(cause, Some(Cause::DhtUnreachable)), "it is too early to say: {since:?}");
                asked += 1;
            }
            (None, Some(Cause::DhtUnreachable)) => {
                assert!(since >= std::time::Duration::from_secs(20), "{since:?}");
                break;
            }
            // Its time was over between the two questions.
            (_, cause) => assert!(since < people::PATIENCE, "{cause:?}"),
        }
        tokio::time::sleep(std::time::Duration::from_millis(300)).await;
    }
    assert!(asked > 1, "it was never being asked");
    node.stop().await.unwrap();
}

/// Pushes to one peer are five seconds apart; whoever asks for the newest list does not wait for its turn.
#[tokio::test(flavor = "multi_thread")]
async fn whoever_asks_for_the_newest_list_gets_what_was_signed_a_moment_ago() {
    use node::api::Get;
    let tmp = tempfile::tempdir().unwrap();
    let (author, done) = people::author(tmp.path(), false, &[("one", 1000)]).await;
    let reader = people::start(&tmp.path().join("reader"), &[&author]).await;
    let get = || Request::Get(Get { what: done.link.clone(), dir: None });
    call(&reader, get()).await;
    for items in 2..5 {
        people::publish(&author, tmp.path(), &format!("item {items}"), false, &[("more", 500)]).await;
        let Reply::Got(got) = call(&reader, get()).await else { panic!("got") };
        assert_eq!(got.items.len(), items, "the list of this very moment");
    }
    people::stop([reader, author]).await;
}
