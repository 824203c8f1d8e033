//! Channels: followed, looked at, edited, private, left; news by push.

use super::{Person, dht, home, len, named, number};
use anyhow::{Context, Result};
use megatorrent_tests::folder::{compare, compare_files};
use megatorrent_tests::people::{self, feed, text, until};
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

#[test]
fn a_list_is_followed_through_every_change() -> Result<()> {
    let alice = Person::new("alice", &[], &[])?;
    let bob = Person::new("bob", &[], &[&alice])?;
    let songs = people::folder(&alice.home, "songs", &[("a.flac", 1_500_000), ("b/c.flac", 20_000), ("b/empty", 0)])?;
    let published = people::publish(&alice.home, &songs, &["--title", "Songs", "--about", "from the pier"])?;
    assert_eq!((number(&published, "files")?, number(&published, "bytes")?), (3, 1_520_000));
    let (link, item) = (text(&published, "link")?, text(&published, "item")?);

    // Looking subscribes to nothing.
    let looked = bob.ask(&["look", &link])?;
    assert_eq!(
        (text(&looked["channel"], "name")?, text(&looked["items"][0], "about")?),
        ("Tidewater".into(), "from the pier".into())
    );
    assert_eq!(len(&bob.ask(&["channels"])?), 0);

    let mut news = bob.node.watch(&bob.home)?;
    bob.ask(&["subscribe", &link])?;
    let ready = news.until_ready("Songs")?;
    compare(&songs, Path::new(&text(&ready, "path")?))?;
    let items = bob.ask(&["items", "Tidewater"])?;
    assert_eq!((&items[0]["id"], &items[0]["state"]), (&item.as_str().into(), &"complete".into()));
    let files = bob.ask(&["files", &item])?;
    assert_eq!(len(&files), 3);
    assert_eq!(number(named(&files, "path", "b/c.flac").context("a file")?, "have")?, 20_000);
    assert_eq!(bob.ask(&["link", "Tidewater"])?, link.as_str());
    assert_eq!(alice.ask(&["channels"])?[0]["own"], true);

    let channel = |pick: fn(&serde_json::Value) -> bool| {
        until(&bob.home, &["channels"], "the channel's change", move |all| pick(&all[0]).then_some(()))
    };
    let listed = |pick: fn(&serde_json::Value) -> bool| {
        let key = link.rsplit('/').next().unwrap_or_default().to_owned();
        until(&bob.home, &["items", &key], "the list's change", move |all| pick(all).then_some(()))
    };
    alice.ask(&["edit", "Tidewater", "--name", "High water", "--about", "songs of the sea"])?;
    channel(|it| it["name"] == "High water" && it["about"] == "songs of the sea")?;
    alice.ask(&["edit", &item, "--name", "Live at the pier"])?;
    listed(|all| all[0]["name"] == "Live at the pier" && all[0]["state"] == "complete")?;

    // The same item with other files.
    let other = people::folder(&alice.home, "other", &[("a.flac", 1_500_000), ("new.flac", 2_100_000)])?;
    let updated = people::publish(&alice.home, &other, &["--update", &item])?;
    assert_eq!(text(&updated, "item")?, item, "an update keeps the ID");
    let ready = news.until("the update complete", |event| {
        (event["event"] == "ready" && event["data"]["bytes"] == 3_600_000).then(|| event["data"].clone())
    })?;
    let here = text(&ready, "path")?;
    let same = |name: &str| compare_files(&other.join(name), &Path::new(&here).join(name));
    assert_eq!((same("a.flac")?, same("new.flac")?), (1_500_000, 2_100_000));
    assert_eq!(len(&bob.ask(&["items", "High water"])?), 1);

    let mut command = alice.home.command()?;
    command.args(["unpublish", &item]);
    let said = megatorrent_tests::process::finish(command)?;
    assert!(said.code == Some(0) && said.stdout.contains("This recalls nothing"), "{}{}", said.stdout, said.stderr);
    channel(|it| it["items"] == 0)?;
    // What bob has stays his.
    assert_eq!(same("new.flac")?, 2_100_000);
    bob.ask(&["unsubscribe", "High water", "--delete"])?;
    assert_eq!(len(&bob.ask(&["channels"])?), 0);
    for name in ["a.flac", "new.flac"] {
        assert!(!Path::new(&here).join(name).exists(), "--delete removes the downloads");
    }
    // What the author took out of it was complete here once: that is the subscriber's own now.
    assert_eq!(compare_files(&songs.join("b/c.flac"), &Path::new(&here).join("b/c.flac"))?, 20_000);
    bob.stop()?;
    alice.stop()
}

#[test]
fn a_private_channel_opens_with_its_read_key_only() -> Result<()> {
    let dht = dht()?;
    let alice = Person::new("alice", &dht.bootstrap(), &[])?;
    let bob = Person::new("bob", &dht.bootstrap(), &[])?;
    let letters = people::folder(&alice.home, "letters", &[("one.txt", 4000), ("two.txt", 1_200_000)])?;
    alice.ask(&["id", "new", "Family"])?;
    let published = people::publish(&alice.home, &letters, &["--private", "--title", "Letters"])?;
    let link = text(&published, "link")?;
    let (key, read_key) = link.trim_start_matches("megatorrent://").split_once(':').context("a read key")?;
    assert_eq!(read_key.len(), 64);
    assert_eq!(alice.ask(&["id", "list"])?[0]["private"], true);
    assert_eq!(alice.ask(&["link", "Family"])?, link.as_str(), "its author is told the whole link again");
    // A key is one channel, public or private.
    let public = alice.home.run(["publish".as_ref(), letters.as_os_str()])?;
    assert_eq!((public.code, public.error_code().as_deref()), (Some(1), Some("kind_mismatch")));

    let mut news = bob.node.watch(&bob.home)?;
    let mut command = bob.home.command()?;
    command.args(["--json", "subscribe", "-"]);
    assert_eq!(feed(command, &format!("{link}\n"))?.json()?["private"], true);
    let ready = news.until_ready("Letters")?;
    compare(&letters, Path::new(&text(&ready, "path")?))?;
    // News reaches bob here too.
    let more = people::folder(&alice.home, "more", &[("three.txt", 900)])?;
    people::publish(&alice.home, &more, &["--private", "--title", "More"])?;
    news.until_ready("More")?;

    let carol = home("carol", &dht.bootstrap())?;
    for (what, code) in
        [(format!("megatorrent://{key}:{}", "ab".repeat(32)), Some(7)), (format!("megatorrent://{key}"), Some(7))]
    {
        let mut args = carol.network();
        args.extend(["--peer", alice.node.address(), "look", &what].map(str::to_owned));
        let refused = carol.run(&args)?;
        assert_eq!(
            (refused.code, refused.error_code().as_deref()),
            (code, Some("wrong_read_key")),
            "{}",
            refused.stderr
        );
    }
    bob.stop()?;
    alice.stop()
}

#[test]
fn an_update_comes_by_push() -> Result<()> {
    let dht = dht()?;
    let alice = Person::new("alice", &dht.bootstrap(), &[])?;
    let bob = Person::new("bob", &dht.bootstrap(), &[])?;
    let link = text(
        &people::publish(&alice.home, &people::folder(&alice.home, "one", &[("a", 9)])?, &["--title", "One"])?,
        "link",
    )?;
    let mut news = bob.node.watch(&bob.home)?;
    bob.ask(&["subscribe", &link])?;
    news.until_ready("One")?;
    let two = people::folder(&alice.home, "two", &[("b", 5_000_000)])?;
    let published = people::publish(&alice.home, &two, &["--title", "Two"])?;
    assert!(number(&published, "pushed")? >= 1, "bob was connected: {published}");
    news.until_ready("Two")?;
    let arrived = SystemTime::now().duration_since(UNIX_EPOCH)?;
    // The sequence is the time of the signature. Nobody asks for news more often than once in minutes: within this
    // bound only a push can bring it.
    let took = arrived.saturating_sub(Duration::from_millis(number(&published, "sequence")?));
    println!("an update of 5 MB arrived {} ms after its signature", took.as_millis());
    assert!(took < Duration::from_secs(20), "{took:?}");
    bob.stop()?;
    alice.stop()
}

/// The announces of publishing are told apart from those of a node that runs: it comes back at another port, and nobody
/// but the DHT can tell.
#[test]
fn who_knows_only_the_dht_finds_a_node_that_came_back_elsewhere() -> Result<()> {
    let dht = dht()?;
    let alice = Person::new("alice", &dht.bootstrap(), &[])?;
    let songs = people::folder(&alice.home, "songs", &[("a.flac", 300_000)])?;
    let published = people::publish(&alice.home, &songs, &["--title", "Songs"])?;
    let Person { home, node } = alice;
    let before = node.address().to_owned();
    node.stop(&home)?;
    let node = home.daemon_with::<&str>([])?;
    assert_ne!(node.address(), before);
    until(&home, &["status"], "everything announced", |status| {
        let total = status["to_announce"].as_u64()?;
        (total > 0 && status["announced"].as_u64() == Some(total)).then_some(())
    })?;
    let bob = Person::new("bob", &dht.bootstrap(), &[])?;
    let mut news = bob.node.watch(&bob.home)?;
    bob.ask(&["subscribe", &text(&published, "link")?])?;
    let ready = news.until_ready("Songs")?;
    compare(&songs, Path::new(&text(&ready, "path")?))?;
    bob.stop()?;
    node.stop(&home)
}
