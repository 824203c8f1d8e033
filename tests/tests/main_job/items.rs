//! Items: fetched once, paused, removed, verified, located.

use super::{Person, home, len, number};
use anyhow::{Context, Result};
use megatorrent_tests::folder::{compare, files};
use megatorrent_tests::people::{self, feed, text, until};
use std::path::Path;

#[test]
fn get_fetches_verifies_and_ends() -> Result<()> {
    let alice = Person::new("alice", &[], &[])?;
    let songs = people::folder(&alice.home, "songs", &[("a.flac", 2_500_000), ("日本/潮騒.flac", 33), ("empty", 0)])?;
    let published = people::publish(&alice.home, &songs, &["--title", "Songs"])?;
    let note = people::folder(&alice.home, "notes", &[("note.txt", 777)])?.join("note.txt");
    people::publish(&alice.home, &note, &[])?;
    let (link, item) = (text(&published, "link")?, text(&published, "item")?);

    // Nothing runs here: the command brings its own node. The link does not stand in the process list.
    let carol = home("carol", &[])?;
    let mut command = carol.command()?;
    command
        .args(carol.network())
        .args(["--peer", alice.node.address(), "get", "-", "-o"])
        .arg(carol.path().join("here"));
    let said = feed(command, &format!("{link}\n"))?;
    assert_eq!(said.code, Some(0), "{}", said.stderr);
    assert!(said.stdout.contains("\"Songs\" is here"), "{}", said.stdout);
    compare(&songs, &carol.path().join("here/Songs"))?;
    megatorrent_tests::folder::compare_files(&note, &carol.path().join("here/note.txt"))?;
    // Again: all is there, nothing is fetched.
    let mut args = carol.network();
    args.extend(["--peer", alice.node.address(), "get", &link].map(str::to_owned));
    assert_eq!(len(&carol.ask(&args)?["items"]), 2);

    // With a running node it is asked; one item of a followed channel.
    let bob = Person::new("bob", &[], &[&alice])?;
    bob.ask(&["subscribe", &link, "--fetch", "none"])?;
    until(&bob.home, &["channels"], "the list", |all| (all[0]["items"] == 2).then_some(()))?;
    assert!(files(&bob.home.downloads())?.is_empty(), "--fetch none fetches nothing");
    let one = format!("Tidewater/{}", &item[..8]);
    let got = bob.ask(&["get", &one, "-o", &bob.home.path().join("one").display().to_string()])?;
    assert_eq!((len(&got["items"]), &got["items"][0]["state"]), (1, &"complete".into()));
    compare(&songs, Path::new(&text(&got["items"][0], "path")?))?;
    // The same once more is done already; to another folder nothing is fetched, and that is said.
    bob.ask(&["get", &one, "-o", &bob.home.path().join("one").display().to_string()])?;
    let elsewhere = bob.home.path().join("two");
    let refused = bob.home.run(["get", &one, "-o", elsewhere.to_str().context("a path")?])?;
    assert_eq!((refused.code, refused.error_code().as_deref()), (Some(1), Some("exists")), "{refused:?}");
    assert!(refused.stderr.contains("Nothing was fetched") && !elsewhere.exists(), "{refused:?}");
    let other = bob.ask(&["items", "Tidewater"])?;
    assert_eq!(super::named(&other, "name", "note.txt").context("the other item")?["state"], "listed");
    assert_eq!(bob.home.run(["get", "Tidewater/00000000"])?.code, Some(3));
    assert_eq!(bob.ask(&["files", "Songs"])?, bob.ask(&["files", &item])?, "a title names an item as well");
    assert_eq!(bob.home.run(["files", "No such song"])?.code, Some(3));
    bob.stop()?;
    alice.stop()
}

#[test]
fn what_is_paused_waits_and_goes_on() -> Result<()> {
    let alice = Person::new("alice", &[], &[])?;
    let bob = Person::new("bob", &[], &[&alice])?;
    let songs = people::folder(&alice.home, "songs", &[("a", 3_000_000)])?;
    let link = text(&people::publish(&alice.home, &songs, &["--title", "Songs"])?, "link")?;
    bob.ask(&["pause"])?;
    assert_eq!(bob.ask(&["status"])?["paused"], true);
    bob.ask(&["subscribe", &link])?;
    assert_eq!(bob.ask(&["channels"])?[0]["sequence"], 0, "a paused node takes no news");
    // A channel of its own pause: its list comes, its items do not.
    bob.ask(&["pause", &link])?;
    bob.ask(&["resume"])?;
    assert_eq!(bob.ask(&["status"])?["paused"], false);
    assert_eq!(
        bob.ask(&["channels"])?[0]["paused"],
        true,
        "a pause of its own lies below that of everything, and stays"
    );
    bob.ask(&["resume", &link])?;
    let mut news = bob.node.watch(&bob.home)?;
    let ready = until(&bob.home, &["transfers"], "the item complete", |all| {
        all.as_array()?.iter().find(|one| one["state"] == "complete").cloned()
    })?;
    compare(&songs, Path::new(&text(&ready, "path")?))?;

    let item = text(&ready, "id")?;
    assert_eq!(bob.home.run(["pause", &item])?.code, Some(2), "what is complete cannot be paused");
    bob.ask(&["pause", "Tidewater"])?;
    let more = people::folder(&alice.home, "more", &[("b", 2_000_000)])?;
    people::publish(&alice.home, &more, &["--title", "More"])?;
    until(&bob.home, &["channels"], "the new list", |all| (all[0]["items"] == 2).then_some(()))?;
    assert_eq!(bob.ask(&["items", "Tidewater"])?[0]["state"], "listed");
    bob.ask(&["resume", "Tidewater"])?;
    news.until_ready("More")?;
    bob.stop()?;
    alice.stop()
}

#[test]
fn removed_verified_and_located() -> Result<()> {
    let alice = Person::new("alice", &[], &[])?;
    let songs = people::folder(&alice.home, "songs", &[("a", 2_300_000), ("b", 1_100_000)])?;
    let published = people::publish(&alice.home, &songs, &["--title", "Songs"])?;
    let (link, item) = (text(&published, "link")?, text(&published, "item")?);
    let whole = alice.ask(&["verify", &item])?;
    assert_eq!((number(&whole, "good")?, number(&whole, "bad")?), (number(&published, "blobs")?, 0));

    let bob = Person::new("bob", &[], &[&alice])?;
    let mut news = bob.node.watch(&bob.home)?;
    bob.ask(&["subscribe", &link])?;
    let path = text(&news.until_ready("Songs")?, "path")?;
    // A published file is never deleted, a download only when asked.
    assert_eq!(alice.home.run(["remove", &item, "--delete"])?.code, Some(2));
    bob.ask(&["remove", &item])?;
    compare(&songs, Path::new(&path))?;
    assert_eq!(bob.ask(&["items", "Tidewater"])?[0]["state"], "listed");
    let got = bob.ask(&["get", &format!("Tidewater/{item}")])?;
    let again = text(&got["items"][0], "path")?;
    assert_eq!(again, path, "what lies there already is recognised");
    bob.ask(&["remove", &item, "--delete"])?;
    assert!(!Path::new(&again).exists());

    // Moved: the blobs are withdrawn, and held again where they are found.
    let moved = alice.home.path().join("moved");
    std::fs::rename(&songs, &moved)?;
    let report = alice.home.run(["verify", &item])?;
    assert_eq!(report.code, Some(6), "{}", report.stderr);
    let report: serde_json::Value = serde_json::from_str(&report.stdout)?;
    assert_eq!((number(&report, "good")?, len(&report["files"])), (0, 2));
    assert_eq!(alice.ask(&["items", "Tidewater"])?[0]["state"], "changed");
    let found = alice.ask(&["locate", &item, &moved.display().to_string()])?;
    assert_eq!(number(&found, "bad")?, 0);
    assert_eq!(alice.ask(&["items", "Tidewater"])?[0]["state"], "published");
    let got =
        bob.ask(&["get", &format!("Tidewater/{item}"), "-o", &bob.home.path().join("new").display().to_string()])?;
    compare(&moved, Path::new(&text(&got["items"][0], "path")?))?;

    // A download of which nothing is right any more is fetched again, beside what the user made of it.
    let copy = text(&got["items"][0], "path")?;
    std::fs::write(Path::new(&copy).join("b"), b"other")?;
    let mut news = bob.node.watch(&bob.home)?;
    let report = bob.home.run(["verify", &item])?;
    assert_eq!(report.code, Some(6));
    let ready = news.until_ready("Songs")?;
    let now = std::path::PathBuf::from(text(&ready, "path")?);
    assert_eq!(std::fs::read(now.join("a"))?, std::fs::read(moved.join("a"))?);
    assert_eq!(std::fs::read(now.join("b (2)"))?, std::fs::read(moved.join("b"))?);
    assert_eq!(std::fs::read(now.join("b"))?, b"other");
    bob.stop()?;
    alice.stop()
}

#[test]
fn a_rule_that_deletes_says_which_files_stay() -> Result<()> {
    let alice = Person::new("alice", &[], &[])?;
    let bob = Person::new("bob", &[], &[&alice])?;
    let note = |name: &str| -> Result<std::path::PathBuf> {
        Ok(people::folder(&alice.home, "notes", &[(name, 500)])?.join(name))
    };
    let link = text(&people::publish(&alice.home, &note("old.txt")?, &[])?, "link")?;
    people::publish(&alice.home, &note("new.txt")?, &[])?;
    bob.ask(&["get", &link])?;
    let old = files(&bob.home.downloads())?.into_iter().find(|path| path.ends_with("old.txt")).context("a file")?;
    let old = bob.home.downloads().join(old);
    std::fs::write(&old, "my own words")?;
    for (rounds, json) in [true, false].into_iter().enumerate() {
        let mut command = bob.home.command()?;
        command.args(json.then_some("--json")).args(["rule", "Tidewater", "--keep", "newest:1"]);
        let said = megatorrent_tests::process::finish(command)?;
        assert_eq!(said.code, Some(0), "{}", said.stderr);
        let told = said.stderr.contains("old.txt") && said.stderr.contains("stays");
        assert_eq!(told, rounds == 0, "it is told once: {}", said.stderr);
    }
    assert_eq!(std::fs::read_to_string(&old)?, "my own words");
    bob.stop()?;
    alice.stop()
}

#[test]
fn a_file_where_a_channels_folder_goes_is_named_and_moved_away_it_goes_on() -> Result<()> {
    let alice = Person::new("alice", &[], &[])?;
    let bob = Person::new("bob", &[], &[&alice])?;
    let songs = people::folder(&alice.home, "songs", &[("a.flac", 3000), ("b.flac", 300)])?;
    let link = text(&people::publish(&alice.home, &songs, &["--title", "Songs"])?, "link")?;
    let place = bob.home.downloads().join("Tidewater");
    std::fs::write(&place, "a diary")?;
    let said = bob.home.run(["get", &link])?;
    assert_eq!((said.code, said.error_code().as_deref()), (Some(6), Some("io")), "{}", said.stderr);
    assert!(said.stderr.contains("is no folder, and one is needed there"), "{}", said.stderr);
    let cause = until(&bob.home, &["transfers"], "its cause", |items| {
        (items[0]["cause"]["cause"] == "in_the_way").then(|| items[0]["cause"].clone())
    })?;
    assert_eq!(text(&cause, "path")?, place.display().to_string());
    assert_eq!(std::fs::read_to_string(&place)?, "a diary");
    std::fs::rename(&place, bob.home.downloads().join("diary"))?;
    bob.ask(&["get", &link])?;
    compare(&songs, &place.join("Songs"))?;
    bob.stop()?;
    alice.stop()
}

#[test]
fn a_folder_of_one_file_whose_name_a_file_has_gets_another_name() -> Result<()> {
    let alice = Person::new("alice", &[], &[])?;
    let bob = Person::new("bob", &[], &[&alice])?;
    let report = people::folder(&alice.home, "first", &[("report", 700)])?.join("report");
    let link = text(&people::publish(&alice.home, &report, &[])?, "link")?;
    bob.ask(&["get", &link])?;
    let folder = people::folder(&alice.home, "second/report", &[("one.txt", 500)])?;
    people::publish(&alice.home, &folder, &[])?;
    let got = bob.ask(&["get", &link])?;
    assert_eq!(len(&got["items"]), 2, "{got}");
    let place = bob.home.downloads().join("Tidewater");
    megatorrent_tests::folder::compare_files(&report, &place.join("report"))?;
    compare(&folder, &place.join("report (2)"))?;
    bob.stop()?;
    alice.stop()
}
