//! Whole nodes in one process, over loopback and a local DHT.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on says so by panicking")]

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
