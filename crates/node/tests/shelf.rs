//! What is on the shelf stays there: through wrong clocks and wrong dates, beside what a person changed, wherever it was
//! put meanwhile.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on says so by panicking")]

extern crate megatorrent_node as node;

mod people;

use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use node::api::{
    Code, Event, FetchRule, Get, ItemArg, ItemInfo, ItemState, KeepRule, Locate, MoveData, Remove, Reply, Request,
    SetChannel, Settings, Subscribe, Unsubscribe, VerifyReport,
};
use node::{Node, NodeConfig};
use people::{author, call, config, start, stop, subscribe, transfers, until_transfers};

const DAY_MS: u64 = 24 * 3600 * 1000;

fn now_ms() -> u64 {
    u64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis()).unwrap()
}

async fn offline(dir: &Path) -> Node {
    Node::start(NodeConfig { offline: true, ..config(dir) }).await.unwrap()
}

/// A reader's data folder with one item that is complete, and the node closed.
async fn with_one_item(tmp: &Path) -> (PathBuf, ItemInfo, String) {
    let (author, done) = author(tmp, false, &[("film", 1_500_000), ("text", 500)]).await;
    let dir = tmp.join("reader");
    let reader = start(&dir, &[&author]).await;
    subscribe(&reader, &done.link).await;
    let complete = |items: &[ItemInfo]| items.len() == 1 && items[0].state == ItemState::Complete;
    let item = until_transfers(&reader, "complete", complete).await.remove(0);
    stop([reader, author]).await;
    (dir, item, done.link)
}

fn sql(dir: &Path, what: &str) {
    let db = rusqlite::Connection::open(dir.join("store.db")).unwrap();
    db.execute_batch(what).unwrap();
}

fn rule(item: &ItemInfo, keep: KeepRule) -> Request {
    Request::SetChannel(SetChannel { channel: item.channel.clone(), keep: Some(keep), ..SetChannel::default() })
}

async fn verified(node: &Node, request: Request) -> VerifyReport {
    let Reply::Verified(report) = call(node, request).await else { panic!("a report") };
    report
}

#[tokio::test(flavor = "multi_thread")]
async fn neither_a_publishers_date_nor_a_wrong_clock_empties_the_shelf() {
    let tmp = tempfile::tempdir().unwrap();
    let (dir, item, _) = with_one_item(tmp.path()).await;
    let film = PathBuf::from(item.path.as_ref().unwrap()).join("film");
    // The list dates everything 1970.
    sql(&dir, "UPDATE items SET published = 1000");
    let node = offline(&dir).await;
    call(&node, rule(&item, KeepRule::Days(30))).await;
    assert!(film.exists() && transfers(&node).await.len() == 1, "it has been known for some seconds");
    stop([node]).await;
    // Known for a hundred days; the clock says now, and the program ran last 400 days ago, for all that anybody tells: the
    // list at hand, which was signed just now, would tell something else.
    let (long_ago, before) = (now_ms() - 100 * DAY_MS, now_ms() - 400 * DAY_MS);
    sql(
        &dir,
        &format!(
            "UPDATE items SET published = {long_ago}, seen = {long_ago}; UPDATE floors SET sequence = 1;
             UPDATE channels SET keep = 'all', manifest = NULL, bep44 = NULL; UPDATE settings SET value = '{before}' WHERE name = 'clock'"
        ),
    );
    let node = offline(&dir).await;
    let mut events = node.events();
    call(&node, rule(&item, KeepRule::Days(30))).await;
    assert!(film.exists() && transfers(&node).await.len() == 1, "a clock that jumped");
    let told = async {
        while let Some(event) = events.next().await {
            if let Event::Notice(notice) = event {
                return notice.message;
            }
        }
        panic!("nobody is told")
    };
    let told = tokio::time::timeout(people::PATIENCE, told).await.unwrap();
    assert!(told.contains("400 days ahead"), "{told}");
    stop([node]).await;
    // Somebody signed a list an hour ago by the same clock: it is right.
    sql(&dir, &format!("UPDATE floors SET sequence = {}", now_ms() - DAY_MS / 24));
    let node = offline(&dir).await;
    call(&node, rule(&item, KeepRule::Days(30))).await;
    assert!(!film.exists() && transfers(&node).await.is_empty());
    stop([node]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rule_that_would_keep_nothing_is_refused() {
    let tmp = tempfile::tempdir().unwrap();
    let (dir, item, _) = with_one_item(tmp.path()).await;
    let node = offline(&dir).await;
    for keep in [KeepRule::Days(0), KeepRule::Newest(0), KeepRule::Bytes(0)] {
        let refused = node.call(rule(&item, keep)).await.err().unwrap();
        assert_eq!(refused.code, Code::BadArgument, "{}", refused.message);
    }
    assert!(PathBuf::from(item.path.as_ref().unwrap()).join("film").exists());
    stop([node]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_removes_hears_of_what_stays_and_a_rule_tells_it_once() {
    let tmp = tempfile::tempdir().unwrap();
    for how in ["remove", "unsubscribe", "rule"] {
        let tmp = tmp.path().join(how);
        let (dir, item, _) = with_one_item(&tmp).await;
        let folder = PathBuf::from(item.path.as_ref().unwrap());
        std::fs::write(folder.join("text"), b"my own words").unwrap();
        let node = offline(&dir).await;
        let kept = match how {
            "remove" => call(&node, Request::Remove(Remove { item: item.id.clone(), delete: true })).await,
            "unsubscribe" => {
                call(&node, Request::Unsubscribe(Unsubscribe { channel: item.channel.clone(), delete: true })).await
            }
            _ => {
                stop([node.clone()]).await;
                let old = now_ms() - 50 * DAY_MS;
                sql(&dir, &format!("UPDATE items SET published = {old}, seen = {old}"));
                let node = offline(&dir).await;
                let mut events = node.events();
                call(&node, rule(&item, KeepRule::Days(30))).await;
                let told = async {
                    while let Some(event) = events.next().await {
                        if let Event::Notice(notice) = event {
                            return notice;
                        }
                    }
                    panic!("nobody is told")
                };
                let told = tokio::time::timeout(people::PATIENCE, told).await.unwrap();
                stop([node]).await;
                assert_eq!(told.code, Code::SourceChanged);
                assert!(told.message.contains("text stays"), "{}", told.message);
                Reply::Kept(vec![folder.join("text").display().to_string()])
            }
        };
        let Reply::Kept(kept) = kept else { panic!("{how}: another answer") };
        assert_eq!(kept, [folder.join("text").display().to_string()], "{how}");
        assert_eq!(std::fs::read(folder.join("text")).unwrap(), b"my own words", "{how}");
        assert!(!folder.join("film").exists(), "{how}: what nobody changed goes");
        if how != "rule" {
            stop([node]).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn files_that_were_moved_by_hand_are_found_without_fetching() {
    let tmp = tempfile::tempdir().unwrap();
    let (dir, item, _) = with_one_item(tmp.path()).await;
    let moved = tmp.path().join("moved");
    std::fs::rename(item.path.as_ref().unwrap(), &moved).unwrap();
    let node = offline(&dir).await;
    let missed = verified(&node, Request::Verify(ItemArg { item: item.id.clone() })).await;
    assert_eq!((missed.good, missed.bad > 0), (0, true));
    let locate = Request::Locate(Locate { item: item.id.clone(), path: moved.clone() });
    let found = verified(&node, locate).await;
    assert_eq!((found.good, found.bad), (missed.bad, 0));
    let now = transfers(&node).await.remove(0);
    assert_eq!((now.state, now.have), (ItemState::Complete, item.bytes));
    stop([node]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_let_go_is_taken_again_where_it_lies() {
    let tmp = tempfile::tempdir().unwrap();
    let (dir, item, link) = with_one_item(tmp.path()).await;
    let film = PathBuf::from(item.path.as_ref().unwrap()).join("film");
    let before = std::fs::metadata(&film).unwrap().modified().unwrap();
    let node = offline(&dir).await;
    call(&node, Request::Unsubscribe(Unsubscribe { channel: item.channel.clone(), delete: false })).await;
    stop([node]).await;
    // Whoever has the list, but no file any more.
    let author_dir = tmp.path().join("author");
    for file in ["film", "text"] {
        std::fs::remove_file(tmp.path().join("published/first").join(file)).unwrap();
    }
    let author = Node::start(config(&author_dir)).await.unwrap();
    let again = start(&dir, &[&author]).await;
    call(&again, Request::Subscribe(Subscribe { link: link.clone(), fetch: FetchRule::All })).await;
    let complete = |items: &[ItemInfo]| items.len() == 1 && items[0].state == ItemState::Complete;
    let now = until_transfers(&again, "complete, from what lay there", complete).await.remove(0);
    assert_eq!(now.path, item.path);
    assert_eq!(std::fs::metadata(&film).unwrap().modified().unwrap(), before);
    // A new data folder, told to use the old place.
    let other = start(&tmp.path().join("other"), &[&author]).await;
    let parent = PathBuf::from(item.path.as_ref().unwrap()).parent().unwrap().to_path_buf();
    call(&other, Request::Get(Get { what: link, dir: Some(parent) })).await;
    let now = until_transfers(&other, "complete, from what lies there", complete).await.remove(0);
    assert_eq!(now.path, item.path);
    stop([again, other, author]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_that_takes_no_files_is_refused_when_it_is_set_and_the_old_one_stays() {
    let tmp = tempfile::tempdir().unwrap();
    let (dir, item, _) = with_one_item(tmp.path()).await;
    let node = offline(&dir).await;
    let Reply::Settings(before) = call(&node, Request::Settings).await else { panic!("settings") };
    let file = tmp.path().join("a file");
    std::fs::write(&file, b"mine").unwrap();
    let mut bad = vec![file.clone(), file.join("below"), PathBuf::from("/dev/null")];
    if cfg!(target_os = "linux") {
        bad.push("/proc/nope".into());
    }
    for dir in bad {
        let set = Request::SetSettings(Settings { download_dir: Some(dir.clone()), ..Settings::default() });
        for request in [set, Request::MoveData(MoveData { dir: dir.clone() })] {
            let refused = node.call(request).await.err().unwrap();
            assert_eq!(refused.code, Code::NotWritable);
            assert!(refused.message.contains(dir.to_str().unwrap()), "{}", refused.message);
        }
    }
    let Reply::Settings(after) = call(&node, Request::Settings).await else { panic!("settings") };
    assert_eq!(after.download_dir, before.download_dir);
    assert_eq!(std::fs::read(&file).unwrap(), b"mine");
    // A move that meets somebody's file half way: the old folder stays, and the same request goes on.
    let to = tmp.path().join("other disk");
    let root = PathBuf::from(item.path.as_ref().unwrap());
    let there = to.join(root.strip_prefix(before.download_dir.as_ref().unwrap()).unwrap());
    std::fs::create_dir_all(&there).unwrap();
    std::fs::write(there.join("text"), b"somebody's").unwrap();
    let refused = node.call(Request::MoveData(MoveData { dir: to.clone() })).await.err().unwrap();
    assert!(refused.message.contains("text"), "{}", refused.message);
    let Reply::Settings(after) = call(&node, Request::Settings).await else { panic!("settings") };
    assert_eq!(after.download_dir, before.download_dir);
    assert!(root.join("film").exists() && root.join("text").exists());
    std::fs::remove_file(there.join("text")).unwrap();
    call(&node, Request::MoveData(MoveData { dir: to.clone() })).await;
    assert!(there.join("film").exists() && !root.exists());
    let Reply::Settings(after) = call(&node, Request::Settings).await else { panic!("settings") };
    assert_eq!(after.download_dir, Some(to));
    stop([node]).await;
}
