//! Space that a user lends: what few others hold is kept there, sealed, for whoever asks.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on says so by panicking")]

extern crate megatorrent_node as node;

mod people;

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::Path;
use std::time::Duration;

use node::Node;
use node::api::{ChannelArg, FetchRule, ItemState, Reply, Request, SetChannel, Settings, Status, Subscribe};
use people::{PATIENCE, author, call, publish, start, stop, subscribe, transfers, until_transfers};

const MIB: u64 = 1 << 20;
/// What a sealed blob takes.
const BLOB: u64 = MIB + 16;

async fn status(node: &Node) -> Status {
    let Reply::Status(status) = call(node, Request::Status).await else { panic!("a status") };
    status
}

/// Asks until so many blobs are lent.
async fn until_lent(node: &Node, what: &str, fits: impl Fn(u64) -> bool) -> u64 {
    let mut events = node.events();
    let wait = async {
        loop {
            let blobs = status(node).await.lent.unwrap() / MIB;
            if fits(blobs) {
                return blobs;
            }
            // Nothing tells of it but the status, which is told often enough.
            let _ = tokio::time::timeout(Duration::from_millis(200), events.next()).await;
        }
    };
    match tokio::time::timeout(PATIENCE, wait).await {
        Ok(blobs) => blobs,
        Err(_) => panic!("{what}: {:?} lent", status(node).await.lent),
    }
}

async fn lend(node: &Node, bytes: u64) {
    call(node, Request::SetSettings(Settings { lend: Some(bytes), ..Settings::default() })).await;
}

/// Follows and fetches nothing but the list.
async fn follow(node: &Node, link: &str) {
    let args = Subscribe { link: link.to_owned(), fetch: FetchRule::None };
    call(node, Request::Subscribe(args)).await;
    let mut events = node.events();
    let listed = async {
        loop {
            let Reply::Items(items) = call(node, Request::Items(ChannelArg { channel: link.to_owned() })).await else {
                panic!("items")
            };
            if !items.is_empty() {
                return;
            }
            events.next().await;
        }
    };
    tokio::time::timeout(PATIENCE, listed).await.expect("the list");
}

/// Waits until the channel's list has so many items.
async fn until_listed(node: &Node, link: &str, many: usize) {
    let mut events = node.events();
    let listed = async {
        loop {
            let Reply::Items(items) = call(node, Request::Items(ChannelArg { channel: link.to_owned() })).await else {
                panic!("items")
            };
            if items.len() >= many {
                return;
            }
            let _ = tokio::time::timeout(Duration::from_millis(200), events.next()).await;
        }
    };
    tokio::time::timeout(PATIENCE, listed).await.expect("the list");
}

fn complete(items: &[node::api::ItemInfo]) -> bool {
    !items.is_empty() && items.iter().all(|item| item.state == ItemState::Complete)
}

/// Names of what lies sealed in a data folder.
fn blob_files(data: &Path) -> BTreeSet<OsString> {
    let folders = std::fs::read_dir(data.join("blobs")).unwrap();
    let files = folders.flat_map(|folder| std::fs::read_dir(folder.unwrap().path()).into_iter().flatten());
    files.map(|file| file.unwrap().file_name()).collect()
}

async fn until_files(data: &Path, what: &str, done: impl Fn(&BTreeSet<OsString>) -> bool) {
    let reached = async {
        while !done(&blob_files(data)) {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    tokio::time::timeout(PATIENCE, reached).await.unwrap_or_else(|_| panic!("{what}: {:?}", blob_files(data)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_channel_outlives_its_only_seeder_in_space_that_a_follower_lends() {
    for private in [false, true] {
        let tmp = tempfile::tempdir().unwrap();
        let (author, done) = author(tmp.path(), private, &[("film", 2_500_000)]).await;
        let keeper = start(&tmp.path().join("keeper"), &[&author]).await;
        follow(&keeper, &done.link).await;
        let before = blob_files(&tmp.path().join("keeper"));
        lend(&keeper, 50 * MIB).await;
        until_lent(&keeper, "the film's three parts", |blobs| blobs >= 3).await;
        assert!(transfers(&keeper).await.is_empty(), "nothing is fetched for the keeper itself");
        assert!(!tmp.path().join("keeper/downloads").exists(), "and nothing lies open");
        let status = status(&keeper).await;
        assert!(status.used >= status.lent && status.lent.unwrap() <= 50 * MIB);
        stop([author]).await;
        // The keeper alone is left.
        let reader = start(&tmp.path().join("reader"), &[&keeper]).await;
        subscribe(&reader, &done.link).await;
        let items = until_transfers(&reader, "complete", complete).await;
        let folder = items[0].path.clone().unwrap();
        let published = std::fs::read(tmp.path().join("published/first/film")).unwrap();
        assert!(std::fs::read(folder.join("film")).unwrap() == published, "every byte is the author's");
        // It is kept over a restart, and taken back by a word.
        stop([keeper]).await;
        let keeper = start(&tmp.path().join("keeper"), &[&reader]).await;
        until_lent(&keeper, "after a restart", |blobs| blobs >= 3).await;
        lend(&keeper, 0).await;
        until_lent(&keeper, "taken back", |blobs| blobs == 0).await;
        // The database forgets them first, so that a crash between the two leaves nothing that is missing.
        until_files(&tmp.path().join("keeper"), "its files are gone", |files| *files == before).await;
        stop([reader, keeper]).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_others_hold_by_now_makes_room_for_what_is_rare() {
    let tmp = tempfile::tempdir().unwrap();
    let (author, done) = author(tmp.path(), false, &[("film", 2_500_000)]).await;
    let keeper = start(&tmp.path().join("keeper"), &[&author]).await;
    let data = tmp.path().join("keeper");
    follow(&keeper, &done.link).await;
    let before = blob_files(&data);
    lend(&keeper, 3 * BLOB).await;
    until_lent(&keeper, "the film", |blobs| blobs == 3).await;
    let film: BTreeSet<OsString> = blob_files(&data).difference(&before).cloned().collect();
    assert_eq!(film.len(), 3);
    // Another one takes the film for itself: two hold it beside the keeper.
    let fan = start(&tmp.path().join("fan"), &[&author, &keeper]).await;
    subscribe(&fan, &done.link).await;
    let items = until_transfers(&fan, "complete", complete).await;
    let none = SetChannel { channel: items[0].channel.clone(), fetch: Some(FetchRule::None), ..SetChannel::default() };
    call(&fan, Request::SetChannel(none)).await;
    publish(&author, tmp.path(), "second", false, &[("song", 2_500_000)]).await;
    // Only the author has the song. The keeper looks again when the list is new.
    until_files(&data, "the film makes room", |files| files.is_disjoint(&film)).await;
    until_lent(&keeper, "the song", |blobs| blobs == 3).await;
    assert_eq!(status(&keeper).await.lent, Some(3 * BLOB), "no more than is lent");
    stop([author]).await;
    let reader = start(&tmp.path().join("reader"), &[&keeper]).await;
    subscribe(&reader, &done.link).await;
    until_transfers(&reader, "the song from the keeper", |items| {
        items.iter().any(|item| item.name == "second" && item.state == ItemState::Complete)
    })
    .await;
    stop([reader, fan, keeper]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_channel_takes_more_than_its_share_and_a_pause_stops_it() {
    let tmp = tempfile::tempdir().unwrap();
    let (author, done) = author(tmp.path(), false, &[("film", 12_500_000)]).await;
    let keeper = start(&tmp.path().join("keeper"), &[&author]).await;
    follow(&keeper, &done.link).await;
    let set = |settings: Settings| call(&keeper, Request::SetSettings(settings));
    set(Settings { lend: Some(50 * MIB), lend_paused: Some(true), ..Settings::default() }).await;
    let told = status(&keeper).await.lending.expect("lending is told");
    assert!(told.paused && told.space == 50 * MIB && told.kept == 0, "{told:?}");
    set(Settings { lend_channel: Some(5 * BLOB), lend_paused: Some(false), ..Settings::default() }).await;
    until_lent(&keeper, "the channel's share", |blobs| blobs == 5).await;
    // There is room in all, and more to have: a second look adds nothing.
    set(Settings { lend: Some(40 * MIB), ..Settings::default() }).await;
    publish(&author, tmp.path(), "second", false, &[("song", 2_500_000)]).await;
    until_listed(&keeper, &done.link, 2).await;
    set(Settings { lend_channel: Some(6 * BLOB), ..Settings::default() }).await;
    until_lent(&keeper, "one more", |blobs| blobs == 6).await;
    set(Settings { lend_channel: Some(2 * BLOB), ..Settings::default() }).await;
    until_lent(&keeper, "less than before", |blobs| blobs == 2).await;
    let Reply::Settings(all) = call(&keeper, Request::Settings).await else { panic!("settings") };
    assert_eq!((all.lend, all.lend_channel, all.lend_paused), (Some(40 * MIB), Some(2 * BLOB), Some(false)));
    stop([author, keeper]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_said_nothing_lends_nothing_and_knows_the_bound_for_a_channel() {
    let tmp = tempfile::tempdir().unwrap();
    let node = start(&tmp.path().join("new"), &[]).await;
    let Reply::Settings(all) = call(&node, Request::Settings).await else { panic!("settings") };
    assert_eq!((all.lend, all.lend_channel, all.lend_rate), (Some(0), Some(200_000_000), Some(0)));
    assert_eq!(status(&node).await.lending, None);
    // No bound of its own is another answer than none given.
    call(&node, Request::SetSettings(Settings { lend_channel: Some(0), ..Settings::default() })).await;
    let Reply::Settings(all) = call(&node, Request::Settings).await else { panic!("settings") };
    assert_eq!(all.lend_channel, Some(0));
    stop([node]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_being_lent_and_is_wanted_then_arrives() {
    let tmp = tempfile::tempdir().unwrap();
    let (author, done) = author(tmp.path(), false, &[("film", 2_500_000)]).await;
    let keeper = start(&tmp.path().join("keeper"), &[&author]).await;
    follow(&keeper, &done.link).await;
    // A blob takes seconds: there is time to want it while it comes.
    let slowly = Settings { up: Some(300_000), ..Settings::default() };
    call(&author, Request::SetSettings(slowly)).await;
    lend(&keeper, 100 * MIB).await;
    let begun = async {
        loop {
            let Reply::Peers(peers) = call(&keeper, Request::Peers).await else { panic!("peers") };
            if peers.iter().any(|peer| peer.received > 0) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(PATIENCE, begun).await.expect("something is on its way");
    assert_eq!(status(&keeper).await.lent, Some(0), "and not here yet");
    let what = format!("{}/{}", done.link, done.item.as_deref().unwrap());
    let got = keeper.call(Request::Get(node::api::Get { what, dir: None }));
    tokio::time::timeout(PATIENCE, got).await.expect("it arrives").unwrap();
    let items = until_transfers(&keeper, "the film", |items| items.len() == 1 && items[0].state == ItemState::Complete);
    let path = items.await[0].path.clone().unwrap();
    assert_eq!(std::fs::metadata(path.join("film")).or_else(|_| std::fs::metadata(&path)).unwrap().len(), 2_500_000);
    assert_eq!(status(&keeper).await.lent, Some(0), "what is its own is lent to nobody");
    stop([author, keeper]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_comes_to_be_lent_while_an_item_of_this_node_comes_however_slowly() {
    let tmp = tempfile::tempdir().unwrap();
    let (author, done) = author(tmp.path(), false, &[("film", 2_500_000)]).await;
    publish(&author, tmp.path(), "second", false, &[("song", 2_500_000)]).await;
    let keeper = start(&tmp.path().join("keeper"), &[&author]).await;
    follow(&keeper, &done.link).await;
    until_listed(&keeper, &done.link, 2).await;
    // One blob takes longer than the line has to be silent for to count as idle, and than the time between two looks.
    let up = |up| call(&author, Request::SetSettings(Settings { up: Some(up), ..Settings::default() }));
    up(60_000).await;
    let what = format!("{}/{}", done.link, done.item.as_deref().unwrap());
    let getting = keeper.clone();
    let got = tokio::spawn(async move { getting.call(Request::Get(node::api::Get { what, dir: None })).await });
    until_transfers(&keeper, "the film is fetched", |items| !items.is_empty()).await;
    lend(&keeper, 50 * MIB).await;
    let mut waited = 0;
    let first = async {
        while transfers(&keeper).await[0].have == 0 {
            let now = status(&keeper).await;
            let waits = now.lending.as_ref().is_some_and(|lending| lending.waits);
            assert!(waits || waited == 0, "it has begun: {now:?}");
            assert_eq!(now.lent, Some(0));
            waited += u32::from(waits);
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    };
    tokio::time::timeout(PATIENCE, first).await.expect("the first part");
    assert!(waited > 0, "it says that it waits");
    up(0).await;
    tokio::time::timeout(PATIENCE, got).await.expect("it arrives").unwrap().unwrap();
    until_lent(&keeper, "the song, then", |blobs| blobs == 3).await;
    stop([author, keeper]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_lent_comes_no_faster_than_it_may() {
    const RATE: u64 = 2_000_000;
    let tmp = tempfile::tempdir().unwrap();
    let (author, done) = author(tmp.path(), false, &[("film", 12_500_000)]).await;
    let keeper = start(&tmp.path().join("keeper"), &[&author]).await;
    follow(&keeper, &done.link).await;
    let began = std::time::Instant::now();
    let slowly = Settings { lend: Some(50 * MIB), lend_rate: Some(RATE), ..Settings::default() };
    call(&keeper, Request::SetSettings(slowly)).await;
    let blobs = until_lent(&keeper, "the film", |blobs| blobs >= 9).await;
    // A few come at once; the next ones wait until these have had their time.
    let least = Duration::from_secs_f64((8 * BLOB) as f64 / RATE as f64);
    assert!(began.elapsed() >= least, "{blobs} blobs in {:?}", began.elapsed());
    stop([author, keeper]).await;
}
