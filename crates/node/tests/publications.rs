//! Publications under way: what they wait for, and how they are called off.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on says so by panicking")]

extern crate megatorrent_node as node;

mod people;

use node::api::{CancelPublish, Cause, ChannelArg, Code, Event, Publish, PublishProgress, Reply, Request};
use node::{Events, Node, NodeConfig};
use people::{PATIENCE, call, config, identity, published, stop};
use std::path::Path;

/// A node whose only way out is a proxy that is not there.
async fn nowhere(dir: &Path) -> Node {
    // Nobody listens at "discard".
    let route = Some("socks5://127.0.0.1:9".parse().unwrap());
    let node = Node::start(NodeConfig { route, ..config(dir) }).await.unwrap();
    identity(&node, "author").await;
    node
}

/// Waits for this step of a publication.
async fn step(events: &mut Events, stage: &str) -> PublishProgress {
    let wait = async {
        loop {
            match events.next().await.expect("the node runs") {
                Event::Publishing(progress) if progress.stage == stage => return progress,
                _ => {}
            }
        }
    };
    tokio::time::timeout(PATIENCE, wait).await.expect("the step comes")
}

async fn items(node: &Node) -> usize {
    let Reply::Items(items) = call(node, Request::Items(ChannelArg { channel: "author".into() })).await else {
        panic!("items")
    };
    items.len()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_leave_yet_says_why_and_gives_its_link_and_can_be_called_off() {
    let tmp = tempfile::tempdir().unwrap();
    let node = nowhere(&tmp.path().join("data")).await;
    std::fs::write(tmp.path().join("picture.png"), vec![1; 100_000]).unwrap();
    for (private, name) in [(false, Some("mine".to_owned())), (false, None)] {
        let mut events = node.events();
        let args = Publish {
            paths: vec![tmp.path().join("picture.png")],
            identity: "author".into(),
            private,
            job: name.clone(),
            ..Publish::default()
        };
        let running = tokio::spawn({
            let (node, args) = (node.clone(), args.clone());
            async move { node.call(Request::Publish(args)).await }
        });
        let waits = step(&mut events, "wait").await;
        assert_eq!(waits.title, "picture.png");
        assert!(matches!(waits.cause, Some(Cause::ProxyDown { .. })), "{waits:?}");
        let Reply::LinkText(link) = call(&node, Request::ChannelLink(ChannelArg { channel: "author".into() })).await
        else {
            panic!("a link")
        };
        assert_eq!(waits.link, Some(link), "the link is there at once");
        let job = waits.job.unwrap();
        assert!(name.is_none_or(|name| name == job), "the caller's own name");
        let twice = node.call(Request::Publish(Publish { job: Some(job.clone()), ..args })).await.err().unwrap();
        assert_eq!(twice.code, Code::Exists);
        assert_eq!(items(&node).await, 0, "nothing is in the list while it waits");

        call(&node, Request::CancelPublish(CancelPublish { job: job.clone() })).await;
        let ended = tokio::time::timeout(PATIENCE, running).await.unwrap().unwrap().err().unwrap();
        assert_eq!((ended.code, ended.message.contains("Nothing was published")), (Code::Cancelled, true));
        assert_eq!(items(&node).await, 0);
        let late = node.call(Request::CancelPublish(CancelPublish { job })).await.err().unwrap();
        assert_eq!(late.code, Code::NotFound);
    }
    stop([node]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sealing_can_be_called_off_and_the_next_publication_has_nothing_of_it() {
    let tmp = tempfile::tempdir().unwrap();
    let node = Node::start(config(&tmp.path().join("data"))).await.unwrap();
    identity(&node, "author").await;
    // Holes take the disk nothing and the sealing some seconds.
    let vast = tmp.path().join("vast.bin");
    std::fs::File::create(&vast).unwrap().set_len(8 << 30).unwrap();
    let of = |path: &Path| Publish { paths: vec![path.to_owned()], identity: "author".into(), ..Publish::default() };
    let mut events = node.events();
    let running = tokio::spawn({
        let (node, args) = (node.clone(), of(&vast));
        async move { node.call(Request::Publish(args)).await }
    });
    let first = step(&mut events, "scan").await;
    let seals = step(&mut events, "seal").await;
    assert_eq!((first.job.as_ref(), seals.total), (seals.job.as_ref(), 8 << 30));
    call(&node, Request::CancelPublish(CancelPublish { job: seals.job.unwrap() })).await;
    let ended = tokio::time::timeout(PATIENCE, running).await.unwrap().unwrap().err().unwrap();
    assert_eq!(ended.code, Code::Cancelled);

    let small = tmp.path().join("small.txt");
    std::fs::write(&small, "small").unwrap();
    let done = published(&node, of(&small)).await;
    assert_eq!((items(&node).await, done.items), (1, Some(1)));
    stop([node]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn texts_that_no_reader_takes_are_refused_before_anything_is_sealed() {
    let tmp = tempfile::tempdir().unwrap();
    let node = Node::start(config(&tmp.path().join("data"))).await.unwrap();
    identity(&node, "author").await;
    let file = tmp.path().join("small.txt");
    std::fs::write(&file, "small").unwrap();
    let args = Publish { paths: vec![file], identity: "author".into(), ..Publish::default() };
    let mut events = node.events();
    for (title, about, says) in [
        (Some("é".repeat(513)), None, "The title has 1026 bytes; 1024 are allowed."),
        (None, Some("a".repeat(16_385)), "The description has 16385 bytes; 16384 are allowed."),
    ] {
        let error = node.call(Request::Publish(Publish { title, about, ..args.clone() })).await.err().unwrap();
        assert_eq!((error.code, error.message.as_str()), (Code::BadArgument, says));
    }
    let done = published(&node, Publish { title: Some("é".repeat(512)), ..args }).await;
    // The first step that was told is that of the one which was taken.
    assert_eq!(step(&mut events, "seal").await.title, "é".repeat(512));
    // A list is not signed either that nobody could read.
    for what in ["author".to_owned(), done.item.unwrap()] {
        let edit = node::api::Edit { what, name: Some("x".repeat(1025)), about: None };
        let error = node.call(Request::Edit(edit)).await.err().unwrap();
        assert_eq!(
            (error.code, error.message.as_str()),
            (Code::BadArgument, "The name has 1025 bytes; 1024 are allowed.")
        );
    }
    stop([node]).await;
}

/// The author's channel link, with its read key.
async fn link(node: &Node) -> String {
    let Reply::LinkText(link) = call(node, Request::ChannelLink(ChannelArg { channel: "author".into() })).await else {
        panic!("a link")
    };
    link
}

/// Whoever has this link alone reads so many items.
async fn assert_reads(dir: &Path, author: &Node, link: &str, items: u64) {
    let reader = people::start(dir, &[author]).await;
    people::subscribe(&reader, link).await;
    people::until(&reader, |event| match event {
        Event::Snapshot(now) => now.channels.iter().any(|channel| channel.items == items),
        Event::Channel(channel) => channel.items == items,
        _ => false,
    })
    .await;
    stop([reader]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_read_key_that_comes_half_way_leaves_the_old_one_and_its_list() {
    let tmp = tempfile::tempdir().unwrap();
    let data = tmp.path().join("author");
    let (author, _) = people::author(tmp.path(), true, &[("letter.txt", 1000)]).await;
    let old = link(&author).await;
    // From the moment at which a key or a list was written the disk takes no other: as if the process had died there.
    let db = rusqlite::Connection::open(data.join("store.db")).unwrap();
    db.execute_batch(
        "CREATE TABLE dead(x);
         CREATE TRIGGER dies AFTER UPDATE ON channels WHEN old.read_key IS NOT new.read_key
            AND old.manifest IS new.manifest BEGIN INSERT INTO dead VALUES(1); END;
         CREATE TRIGGER is_dead BEFORE UPDATE ON channels WHEN EXISTS (SELECT 1 FROM dead)
            OR old.manifest IS NOT new.manifest BEGIN SELECT RAISE(ABORT, 'the disk is gone'); END;",
    )
    .unwrap();
    let rekey = Request::Rekey(ChannelArg { channel: "author".into() });
    let error = author.call(rekey.clone()).await.err().unwrap();
    assert!(error.message.contains("the disk is gone"), "{error:?}");
    assert_eq!(link(&author).await, old, "while it runs");
    stop([author]).await;
    db.execute_batch("DROP TRIGGER dies; DROP TRIGGER is_dead; DROP TABLE dead").unwrap();
    drop(db);

    let author = people::start(&data, &[]).await;
    assert_eq!(link(&author).await, old, "after a start");
    assert_reads(&tmp.path().join("reader"), &author, &old, 1).await;
    let Reply::Published(done) = call(&author, rekey).await else { panic!("a new link") };
    assert_ne!(done.link, old);
    assert_eq!(link(&author).await, done.link);
    assert_reads(&tmp.path().join("newcomer"), &author, &done.link, 1).await;
    stop([author]).await;
}
