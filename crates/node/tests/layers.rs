//! What lies above what: the pause of everything above a channel's, that above an item's; and what a player is given.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on says so by panicking")]
#![allow(clippy::disallowed_types, reason = "a player of another program connects to the node here")]

extern crate megatorrent_node as node;

mod people;

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use node::Node;
use node::api::{
    Cause, ChannelArg, Code, FetchRule, FileArg, ItemInfo, ItemState, Playable, Reply, Request, Subscribe, Target,
};
use people::{PATIENCE, address, author, bytes, call, config, publish, start, stop, transfers, until_transfers};

async fn state_of(node: &Node, name: &str) -> (ItemState, Option<Cause>) {
    let found = transfers(node).await.into_iter().find(|item| item.name == name);
    found.map(|item| (item.state, item.cause)).expect("the item")
}

fn is_paused(items: &[ItemInfo], name: &str) -> bool {
    items.iter().any(|item| item.name == name && item.state == ItemState::Paused)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pause_of_the_whole_or_of_a_channel_leaves_an_items_own_as_it_is() {
    let tmp = tempfile::tempdir().unwrap();
    let (author, done) = author(tmp.path(), false, &[("a", 300_000)]).await;
    publish(&author, tmp.path(), "second", false, &[("b", 300_000)]).await;
    let reader = start(&tmp.path().join("reader"), &[&author]).await;
    call(&reader, Request::Pause(Target::All)).await;
    call(&reader, Request::Subscribe(Subscribe { link: done.link.clone(), fetch: FetchRule::None })).await;
    call(&reader, Request::Resume(Target::All)).await;
    // Its list comes; nothing of it is fetched.
    let mut events = reader.events();
    let listed = async {
        loop {
            let Reply::Items(items) = call(&reader, Request::Items(ChannelArg { channel: done.link.clone() })).await
            else {
                panic!("items")
            };
            if items.len() == 2 {
                return items;
            }
            events.next().await;
        }
    };
    let items = tokio::time::timeout(PATIENCE, listed).await.expect("the list");
    stop([author]).await;
    // Both are wanted, and nobody has them now: they stay where they are.
    for item in &items {
        let target = Target::Item(format!("{}/{}", item.channel, item.id));
        call(&reader, Request::Resume(target)).await;
    }
    let first = items.iter().find(|item| item.name == "first").expect("the first");
    let own = Target::Item(format!("{}/{}", first.channel, first.id));
    let channel = Target::Channel(first.channel.clone());
    call(&reader, Request::Pause(own.clone())).await;
    for layer in [Target::All, channel.clone()] {
        call(&reader, Request::Pause(layer.clone())).await;
        call(&reader, Request::Resume(layer)).await;
        assert_eq!(state_of(&reader, "first").await, (ItemState::Paused, Some(Cause::Paused)), "its own pause stays");
        until_transfers(&reader, "the other goes on", |items| !is_paused(items, "second")).await;
    }
    // The channel's pause holds both, over a pause of everything too, and an item's own outlasts it.
    call(&reader, Request::Pause(channel.clone())).await;
    until_transfers(&reader, "both paused", |items| is_paused(items, "first") && is_paused(items, "second")).await;
    call(&reader, Request::Pause(Target::All)).await;
    call(&reader, Request::Resume(Target::All)).await;
    let now = transfers(&reader).await;
    assert!(is_paused(&now, "first") && is_paused(&now, "second"), "the channel is paused still: {now:?}");
    call(&reader, Request::Resume(channel)).await;
    until_transfers(&reader, "the other goes on", |items| !is_paused(items, "second")).await;
    assert_eq!(state_of(&reader, "first").await.0, ItemState::Paused);
    call(&reader, Request::Resume(own)).await;
    until_transfers(&reader, "it goes on by its own word", |items| !is_paused(items, "first")).await;
    stop([reader]).await;
}

/// What a player gets when it asks for the whole file: the answer's head.
fn asked(playable: &Playable) -> String {
    let rest = playable.url.strip_prefix("http://").expect("an address of this machine");
    let (host, path) = rest.split_once('/').expect("a path");
    let mut stream = TcpStream::connect(host).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    write!(stream, "GET /{path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n").unwrap();
    let mut head = [0; 512];
    let read = stream.read(&mut head).unwrap();
    String::from_utf8_lossy(&head[..read]).into_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_of_addresses_that_calls_itself_a_song_reaches_no_player() {
    let tmp = tempfile::tempdir().unwrap();
    let folder = tmp.path().join("songs");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("song.mp3"), "#EXTM3U\nhttp://203.0.113.9/who-are-you.mp3\n").unwrap();
    std::fs::write(folder.join("true.mp3"), [b"ID3\x04\0\0\0\0\0\0".to_vec(), bytes(1, 5000)].concat()).unwrap();
    let author = Node::start(config(&tmp.path().join("author"))).await.unwrap();
    people::identity(&author, "author").await;
    let args = node::api::Publish { paths: vec![folder], identity: "author".into(), ..Default::default() };
    let done = people::published(&author, args).await;
    let item = done.item.clone().expect("an item");
    let file = |path: &str| FileArg { item: item.clone(), path: path.into() };
    // Where it is here, nobody gets an address for it.
    let refused = author.call(Request::Play(file("song.mp3"))).await.err().expect("it is refused");
    assert_eq!(refused.code, Code::BadContent, "{}", refused.message);
    let Reply::Playable(song) = call(&author, Request::Play(file("true.mp3"))).await else { panic!("an address") };
    assert_eq!(song.mime, "audio/mpeg");
    assert!(asked(&song).starts_with("HTTP/1.1 200"), "{}", asked(&song));
    // Where it comes only now, the player is refused once its first bytes are seen.
    let reader = start(&tmp.path().join("reader"), &[&author]).await;
    let _ = address(&reader).await;
    call(&reader, Request::Subscribe(Subscribe { link: done.link, fetch: FetchRule::All })).await;
    until_transfers(&reader, "the item", |items| items.iter().any(|one| one.id == item)).await;
    match reader.call(Request::Play(file("song.mp3"))).await {
        Ok(Reply::Playable(list)) => {
            let head = tokio::task::spawn_blocking(move || asked(&list)).await.unwrap();
            assert!(head.starts_with("HTTP/1.1 415"), "{head}");
            assert!(!head.contains("203.0.113.9"), "{head}");
        }
        // It was here already by then.
        Err(error) => assert_eq!(error.code, Code::BadContent),
        Ok(_) => panic!("another answer"),
    }
    stop([reader, author]).await;
}
