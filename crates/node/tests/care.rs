//! What a user says about limits, room and choice, and what a node does of it.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on says so by panicking")]

extern crate megatorrent_node as node;

mod people;

use std::path::Path;
use std::time::{Duration, Instant};

use node::Node;
use node::api::{
    Cause, ChannelArg, Choose, Code, FetchRule, ItemArg, ItemPriority, ItemState, KeepRule, LinkArg, MoveData,
    PauseFor, Reply, Request, Search, SetChannel, SetItem, Settings, Status, Subscribe, Target,
};
use people::{PATIENCE, author, call, publish, start, stop, subscribe, transfers, until_transfers};

async fn set(node: &Node, settings: Settings) {
    call(node, Request::SetSettings(settings)).await;
}

async fn status(node: &Node) -> Status {
    let Reply::Status(status) = call(node, Request::Status).await else { panic!("a status") };
    status
}

fn complete(items: &[node::api::ItemInfo]) -> bool {
    !items.is_empty() && items.iter().all(|item| item.state == ItemState::Complete)
}

fn files_below(folder: &Path) -> Vec<String> {
    let mut names = Vec::new();
    for entry in std::fs::read_dir(folder).into_iter().flatten() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => names.extend(files_below(&path)),
            false => names.push(path.file_name().unwrap().to_str().unwrap().to_owned()),
        }
    }
    names.sort();
    names
}

#[tokio::test(flavor = "multi_thread")]
async fn limits_hold_in_and_out_and_for_each_peer() {
    let tmp = tempfile::tempdir().unwrap();
    let (author, done) = author(tmp.path(), false, &[("film", 2_500_000)]).await;
    let limit = |rate| Settings { up: Some(rate), ..Settings::default() };
    set(&author, limit(800_000)).await;
    let wrong = author.call(Request::SetSettings(limit(1))).await.err().unwrap();
    assert_eq!(wrong.code, Code::BadArgument);
    let mut took = Vec::new();
    for (name, own) in [
        ("one", Settings::default()),
        ("two", Settings { down: Some(800_000), ..Settings::default() }),
        ("three", Settings { peer_down: Some(800_000), ..Settings::default() }),
    ] {
        let reader = start(&tmp.path().join(name), &[&author]).await;
        set(&reader, own).await;
        let begun = Instant::now();
        subscribe(&reader, &done.link).await;
        until_transfers(&reader, "complete", complete).await;
        took.push(begun.elapsed());
        stop([reader]).await;
        // The others are slowed by themselves alone.
        set(&author, limit(0)).await;
    }
    // Three blobs of a MiB, with a fifth of a second's worth at once.
    assert!(took.iter().all(|time| *time > Duration::from_millis(3_300)), "{took:?}");
    stop([author]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_holds_everything_has_its_own_cause_and_ends() {
    let tmp = tempfile::tempdir().unwrap();
    let (author, done) = author(tmp.path(), false, &[("film", 1_500_000)]).await;
    let reader = start(&tmp.path().join("reader"), &[&author]).await;
    let held = |node: Node| async move {
        let items = until_transfers(&node, "held", |items| items.iter().any(|item| item.cause.is_some())).await;
        assert_eq!(status(&node).await.peers, 0, "nothing moves");
        items[0].cause.clone().unwrap()
    };
    call(&reader, Request::Pause(Target::All)).await;
    subscribe(&reader, &done.link).await;
    // Nothing is asked while all is paused: the list comes in a free moment, the bytes not yet.
    call(&reader, Request::Pause(Target::All)).await;
    set(&reader, Settings { schedule: Some("daily 00:00-24:00 off".into()), ..Settings::default() }).await;
    assert_eq!(status(&reader).await.held, Some(Cause::Paused));
    call(&reader, Request::Resume(Target::All)).await;
    assert_eq!(status(&reader).await.held, Some(Cause::Schedule { until: None }));
    set(&reader, Settings { schedule: Some(String::new()), down: Some(200_000), ..Settings::default() }).await;
    until_transfers(&reader, "moving", |items| items.iter().any(|item| item.state == ItemState::Fetching)).await;

    set(&reader, Settings { schedule: Some("daily 00:00-24:00 off".into()), ..Settings::default() }).await;
    assert_eq!(held(reader.clone()).await, Cause::Schedule { until: None });
    set(&reader, Settings { schedule: Some(String::new()), month: Some(1), ..Settings::default() }).await;
    assert!(matches!(held(reader.clone()).await, Cause::MonthUsed { limit: 1, .. }));
    call(&reader, Request::PauseFor(PauseFor { seconds: 3600 })).await;
    assert!(matches!(held(reader.clone()).await, Cause::PausedUntil { .. }));
    assert!(status(&reader).await.paused);
    let free = Settings { month: Some(0), down: Some(0), ..Settings::default() };
    set(&reader, free).await;
    call(&reader, Request::PauseFor(PauseFor { seconds: 1 })).await;
    // It ends by itself.
    until_transfers(&reader, "complete", complete).await;
    assert_eq!(status(&reader).await.held, None);
    assert!(status(&reader).await.month_used.unwrap() > 1_500_000);
    for seconds in [0, 40 * 86_400] {
        let wrong = reader.call(Request::PauseFor(PauseFor { seconds })).await.err().unwrap();
        assert_eq!(wrong.code, Code::BadArgument);
    }
    stop([reader, author]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_quota_stops_an_item_with_its_cause_and_a_larger_one_lets_it_go_on() {
    let tmp = tempfile::tempdir().unwrap();
    let (author, done) = author(tmp.path(), false, &[("film", 2_500_000)]).await;
    let reader = start(&tmp.path().join("reader"), &[&author]).await;
    set(&reader, Settings { quota: Some(2_000_000), ..Settings::default() }).await;
    subscribe(&reader, &done.link).await;
    let items = until_transfers(&reader, "no room", |items| {
        items.iter().any(|item| matches!(item.cause, Some(Cause::Quota { .. })))
    })
    .await;
    let Some(Cause::Quota { quota, used, needed }) = items[0].cause.clone() else { panic!("{items:?}") };
    assert_eq!((quota, needed), (2_000_000, 2_500_000));
    assert!(used <= quota && status(&reader).await.used == Some(used));
    set(&reader, Settings { quota: Some(5_000_000), ..Settings::default() }).await;
    until_transfers(&reader, "complete", complete).await;
    stop([reader, author]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rules_remove_what_is_old_pins_override_and_room_is_made_for_what_is_new() {
    let tmp = tempfile::tempdir().unwrap();
    let (author, done) = author(tmp.path(), false, &[("a", 1_000_000)]).await;
    let reader = start(&tmp.path().join("reader"), &[&author]).await;
    subscribe(&reader, &done.link).await;
    let here = until_transfers(&reader, "the first", complete).await;
    call(&reader, Request::SetItem(SetItem { item: here[0].id.clone(), pinned: Some(true), priority: None })).await;
    for title in ["second", "third"] {
        publish(&author, tmp.path(), title, false, &[("b", 1_000_000)]).await;
    }
    until_transfers(&reader, "all three", |items| items.len() == 3 && complete(items)).await;
    let rule = |keep| SetChannel { channel: here[0].channel.clone(), keep: Some(keep), ..SetChannel::default() };
    call(&reader, Request::SetChannel(rule(KeepRule::Newest(1)))).await;
    let names = |items: Vec<node::api::ItemInfo>| {
        let mut names: Vec<String> = items.into_iter().map(|item| item.name).collect();
        names.sort();
        names
    };
    assert_eq!(names(transfers(&reader).await), ["first", "third"], "the pinned and the newest");
    assert_eq!(files_below(&tmp.path().join("reader/downloads")), ["a", "b"]);
    // What is new takes the place of what was.
    publish(&author, tmp.path(), "fourth", false, &[("b", 1_000_000)]).await;
    until_transfers(&reader, "the fourth in place of the third", |items| {
        complete(items) && items.iter().any(|i| i.name == "fourth") && items.len() == 2
    })
    .await;
    // Under a quota the oldest of a channel with a rule makes room; the pinned one does not.
    call(&reader, Request::SetChannel(rule(KeepRule::Days(30)))).await;
    let used = status(&reader).await.used.unwrap();
    set(&reader, Settings { quota: Some(used + 100_000), ..Settings::default() }).await;
    publish(&author, tmp.path(), "fifth!", false, &[("b", 1_000_000)]).await;
    until_transfers(&reader, "the fifth in place of the fourth", |items| {
        complete(items)
            && items.iter().any(|i| i.name == "fifth!")
            && items.iter().any(|i| i.name == "first")
            && items.len() == 2
    })
    .await;
    stop([reader, author]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_channel_kept_only_encrypted_is_shared_on_and_opened_on_the_users_word() {
    let tmp = tempfile::tempdir().unwrap();
    let (author, done) = author(tmp.path(), false, &[("film", 2_000_000), ("text", 500)]).await;
    let keeper = start(&tmp.path().join("keeper"), &[&author]).await;
    let fetch = FetchRule::None;
    call(&keeper, Request::Subscribe(Subscribe { link: done.link.clone(), fetch })).await;
    let Reply::Channels(channels) = call(&keeper, Request::Channels).await else { panic!("channels") };
    let channel = channels[0].key.clone();
    let rule = SetChannel { channel, encrypted: Some(true), fetch: Some(FetchRule::All), ..SetChannel::default() };
    call(&keeper, Request::SetChannel(rule)).await;
    let items = until_transfers(&keeper, "complete", complete).await;
    assert_eq!((items[0].encrypted, &items[0].path), (Some(true), &None));
    assert_eq!(files_below(&tmp.path().join("keeper/downloads")), [] as [&str; 0]);
    stop([author]).await;

    let reader = start(&tmp.path().join("reader"), &[&keeper]).await;
    subscribe(&reader, &done.link).await;
    until_transfers(&reader, "complete, from the keeper alone", complete).await;
    assert_eq!(files_below(&tmp.path().join("reader/downloads")), ["film", "text"]);
    stop([reader]).await;

    let stored = status(&keeper).await.used.unwrap();
    call(&keeper, Request::Open(ItemArg { item: items[0].id.clone() })).await;
    assert_eq!(files_below(&tmp.path().join("keeper/downloads")), ["film", "text"]);
    // Each is made again from the files first, to see that it can be: that goes on after the files are there.
    let freed = async {
        while status(&keeper).await.used.unwrap() >= stored {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, freed).await.expect("the sealed copies are freed");
    let again = keeper.call(Request::Open(ItemArg { item: items[0].id.clone() })).await.err().unwrap();
    assert_eq!(again.code, Code::BadArgument);
    stop([keeper]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn files_are_chosen_before_and_after_and_what_is_urgent_goes_first() {
    let tmp = tempfile::tempdir().unwrap();
    let (author, done) = author(tmp.path(), false, &[("a", 1_200_000), ("b", 400_000), ("c", 900)]).await;
    let reader = start(&tmp.path().join("reader"), &[&author]).await;
    call(&reader, Request::Subscribe(Subscribe { link: done.link, fetch: FetchRule::None })).await;
    let Reply::Items(items) = people::call(&reader, Request::Channels).await.into_items(&reader).await else {
        panic!("items")
    };
    let item = items[0].id.clone();
    let Reply::Files(files) = call(&reader, Request::Files(ItemArg { item: item.clone() })).await else {
        panic!("files")
    };
    assert_eq!(files.iter().map(|f| (f.path.as_str(), f.have)).collect::<Vec<_>>(), [("a", 0), ("b", 0), ("c", 0)]);
    let choose = |paths: &[&str], want| {
        Request::Choose(Choose { item: item.clone(), paths: paths.iter().map(|p| (*p).into()).collect(), want })
    };
    let wrong = reader.call(choose(&["d"], true)).await.err().unwrap();
    assert_eq!(wrong.code, Code::NotFound);
    call(&reader, choose(&["b"], true)).await;
    let here = until_transfers(&reader, "one file", complete).await;
    assert_eq!((here[0].have, here[0].skipped), (400_000, Some(1_200_900)));
    assert_eq!(files_below(&tmp.path().join("reader/downloads")), ["b"]);
    call(&reader, choose(&["a"], true)).await;
    until_transfers(&reader, "two files", |items| complete(items) && items[0].have == 1_600_000).await;
    call(&reader, Request::SetItem(SetItem { item, pinned: None, priority: Some(ItemPriority::High) })).await;
    assert_eq!(transfers(&reader).await[0].priority, Some(ItemPriority::High));
    stop([reader, author]).await;
}

trait IntoItems {
    async fn into_items(self, node: &Node) -> Reply;
}

impl IntoItems for Reply {
    /// The items of the first of these channels, once its list is here.
    async fn into_items(self, node: &Node) -> Reply {
        let Reply::Channels(channels) = self else { panic!("channels") };
        let channel = channels[0].key.clone();
        people::until(node, |event| match event {
            node::api::Event::Snapshot(now) => now.channels.iter().any(|c| c.items > 0),
            node::api::Event::Channel(info) => info.items > 0,
            _ => false,
        })
        .await;
        call(node, Request::Items(ChannelArg { channel })).await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_read_key_shuts_out_whoever_has_only_the_old_link() {
    let tmp = tempfile::tempdir().unwrap();
    let (author, done) = author(tmp.path(), true, &[("letter", 1_100_000)]).await;
    let (stays, leaves) =
        (start(&tmp.path().join("stays"), &[&author]).await, start(&tmp.path().join("leaves"), &[&author]).await);
    for reader in [&stays, &leaves] {
        subscribe(reader, &done.link).await;
        until_transfers(reader, "complete", complete).await;
    }
    let channel = transfers(&stays).await[0].channel.clone();
    let blobs = status(&author).await.blobs;
    let Reply::Published(new) = call(&author, Request::Rekey(ChannelArg { channel: channel.clone() })).await else {
        panic!("published")
    };
    assert!(new.link != done.link && new.sequence > done.sequence);
    assert!(status(&author).await.blobs <= blobs + 1, "no content was sealed anew");
    let refused = stays
        .call(Request::Subscribe(Subscribe { link: new.link.clone(), fetch: FetchRule::All }))
        .await
        .err()
        .unwrap();
    assert_eq!(refused.code, Code::OtherReadKey);
    call(&stays, Request::NewKey(LinkArg { link: new.link.clone() })).await;
    publish(&author, tmp.path(), "second", true, &[("letter", 900_000)]).await;
    until_transfers(&stays, "the second letter", |items| items.len() == 2 && complete(items)).await;
    assert_eq!(transfers(&leaves).await.len(), 1, "it reads no list that comes");
    let public = author.call(Request::Rekey(ChannelArg { channel: "nobody".into() })).await.err().unwrap();
    assert_eq!(public.code, Code::NotFound);
    stop([stays, leaves, author]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn downloads_move_and_are_found_by_their_words() {
    let tmp = tempfile::tempdir().unwrap();
    let (author, done) = author(tmp.path(), false, &[("film", 1_500_000)]).await;
    publish(&author, tmp.path(), "Storm over the harbour", false, &[("b", 10_000)]).await;
    let reader = start(&tmp.path().join("reader"), &[&author]).await;
    subscribe(&reader, &done.link).await;
    until_transfers(&reader, "both", |items| items.len() == 2 && complete(items)).await;
    let search = |text: &str| Request::Search(Search { text: text.into(), ..Search::default() });
    let Reply::Items(found) = call(&reader, search("harb sto")).await else { panic!("items") };
    assert_eq!(found.iter().map(|item| item.name.as_str()).collect::<Vec<_>>(), ["Storm over the harbour"]);

    let dir = tmp.path().join("other disk");
    call(&reader, Request::MoveData(MoveData { dir: dir.clone() })).await;
    assert_eq!(files_below(&dir), ["b", "film"]);
    let before = std::fs::read_dir(tmp.path().join("reader/downloads")).unwrap();
    assert_eq!(before.count(), 0, "no file stays, and no folder");
    assert!(transfers(&reader).await.iter().all(|item| item.path.as_ref().unwrap().starts_with(&dir)));
    let Reply::Verified(report) = call(&reader, Request::Verify(ItemArg { item: found[0].id.clone() })).await else {
        panic!("verified")
    };
    assert_eq!(report.bad, 0);
    let inside = reader.call(Request::MoveData(MoveData { dir: dir.join("deeper") })).await.err().unwrap();
    assert_eq!(inside.code, Code::BadArgument);
    // They are shared from there.
    stop([author]).await;
    let other = start(&tmp.path().join("other"), &[&reader]).await;
    subscribe(&other, &done.link).await;
    until_transfers(&other, "both, from the reader", |items| items.len() == 2 && complete(items)).await;
    stop([other, reader]).await;
}
