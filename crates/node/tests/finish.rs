//! What is begun is finished, though whoever asked for it goes away.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on says so by panicking")]

extern crate megatorrent_node as node;

mod people;

use std::time::Duration;

use node::Node;
use node::api::{ChannelArg, ChannelInfo, Code, Edit, Event, Publish, Reply, Request, Unpublish};
use people::{PATIENCE, author, bytes, call, identity, start, stop, subscribe, transfers, until_transfers};

/// Asks, and goes away as soon as the node has heard of it.
async fn ask_and_leave(node: &Node, request: Request) {
    tokio::select! {
        biased;
        outcome = node.call(request) => panic!("answered at once: {:?}", outcome.err()),
        () = std::future::ready(()) => {}
    }
}

async fn channel(node: &Node) -> ChannelInfo {
    let Reply::Channels(mut channels) = call(node, Request::Channels).await else { panic!("channels") };
    channels.remove(0)
}

async fn link(node: &Node) -> String {
    let request = Request::ChannelLink(ChannelArg { channel: "author".into() });
    let Reply::LinkText(link) = call(node, request).await else { panic!("a link") };
    link
}

/// Asks again until it is so.
async fn until<T, F: Future<Output = Option<T>>>(what: &str, mut look: impl FnMut() -> F) -> T {
    let found = async {
        loop {
            if let Some(found) = look().await {
                return found;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, found).await.unwrap_or_else(|_| panic!("{what} was not so in time"))
}

#[tokio::test(flavor = "multi_thread")]
async fn what_signs_is_finished_though_nobody_waits_for_it() {
    let tmp = tempfile::tempdir().unwrap();
    let (author, done) = author(tmp.path(), true, &[("a", 10)]).await;

    // The new read key is kept, and a list is sealed with it: not the one without the other.
    ask_and_leave(&author, Request::Rekey(ChannelArg { channel: "author".into() })).await;
    let (link, sequence) = until("a new read key", || async {
        let (link, sequence) = (link(&author).await, channel(&author).await.sequence);
        (link != done.link && sequence > done.sequence).then_some((link, sequence))
    })
    .await;
    let reader = start(&tmp.path().join("reader"), &[&author]).await;
    subscribe(&reader, &link).await;
    until_transfers(&reader, "the item, by the new link", |items| items.len() == 1 && items[0].have == 10).await;

    let named = Edit { what: "author".into(), name: Some("Tidewater".into()), about: None };
    ask_and_leave(&author, Request::Edit(named)).await;
    let sequence = until("a new name", || async {
        let now = channel(&author).await;
        (now.name == "Tidewater" && now.sequence > sequence).then_some(now.sequence)
    })
    .await;

    ask_and_leave(&author, Request::Unpublish(Unpublish { item: done.item.unwrap() })).await;
    until("nothing listed", || async {
        let now = channel(&author).await;
        (now.items == 0 && now.sequence > sequence).then_some(())
    })
    .await;
    stop([reader, author]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_publication_that_is_still_being_sealed_ends_with_whoever_wanted_it() {
    let tmp = tempfile::tempdir().unwrap();
    let author = start(&tmp.path().join("author"), &[]).await;
    identity(&author, "author").await;
    let file = tmp.path().join("film");
    std::fs::write(&file, bytes(1, 40_000_000)).unwrap();
    let mut events = author.events();
    let request = Publish { paths: vec![file], identity: "author".into(), ..Default::default() };
    let asked = author.call(Request::Publish(request));
    let sealing = async {
        while let Some(event) = events.next().await {
            if matches!(event, Event::Publishing(progress) if progress.stage == "seal") {
                return;
            }
        }
    };
    tokio::select! {
        biased;
        _ = asked => panic!("40 MB are not sealed at once"),
        () = sealing => {}
    }
    // Nothing is recorded, and what is asked next is not in its way.
    let listed = channel(&author).await;
    assert_eq!((listed.sequence, listed.items), (0, 0));
    assert!(transfers(&author).await.is_empty());
    stop([author]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_that_fails_half_way_leaves_nothing_behind() {
    let tmp = tempfile::tempdir().unwrap();
    let dir = tmp.path().join("data");
    let node = start(&dir, &[]).await;
    subscribe(&node, &format!("megatorrent://{}", "5c".repeat(32))).await;
    let listen = people::address(&node).await.parse().unwrap();
    stop([node]).await;
    let set_key = |key: &[u8]| {
        let db = rusqlite::Connection::open(dir.join("store.db")).unwrap();
        assert_eq!(db.execute("UPDATE channels SET key = ?", [key]).unwrap(), 1);
    };
    // Read when everything runs: what is told to the swarm.
    set_key(&[1, 2, 3]);
    let config = || node::NodeConfig { listen: Some(listen), ..people::config(&dir) };
    for _ in 0..2 {
        let Err(why) = Node::start(config()).await else { panic!("it starts") };
        assert!(!matches!(why.code, Code::Busy | Code::PortTaken), "the first one has let go: {why:?}");
    }
    set_key(&[0x5c; 32]);
    let node = Node::start(config()).await.unwrap();
    assert_eq!(people::address(&node).await.parse(), Ok(listen));
    stop([node]).await;
}
