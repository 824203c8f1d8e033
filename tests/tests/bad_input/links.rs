//! Cut, mistyped and foreign links; wrong read keys.

use super::{Scene, refused};
use megatorrent_tests::people;
use megatorrent_tests::process::Home;
use megatorrent_tests::v5::{self, author::Author, author::collections};
use std::net::Ipv4Addr;

#[test]
fn a_cut_or_foreign_link_is_named_and_leaves_nothing_behind() {
    let home = Home::new("links", &[]).unwrap();
    let key = "ab".repeat(32);
    let cut = format!("megatorrent://{}", &key[..6]);
    let half = format!("megatorrent://{key}:{}", &key[..63]);
    let mistyped = format!("megatorrent://{}g", &key[..63]);
    let long = format!("megatorrent://{key}ab");
    let magnet = format!("magnet:?xt=urn:btih:{}", &key[..40]);
    let onion = format!("megatorrent://{key}?bootstrap=abc.onion:1");
    // One letter of a well-known address is another one.
    let service = "duckduckgogg42xjoc72x3sjasowoarfbgcmvfimaftt6twagswzczae.onion:80";
    let checksum = format!("megatorrent://{key}?bootstrap={service}");
    for (link, words) in [
        (cut.as_str(), &["cut off", "6 of 64 characters of the key"][..]),
        ("megatorrent://", &["cut off", "0 of 64"]),
        (&half, &["cut off", "63 of 64 characters of the read key"]),
        (&mistyped, &["mistyped", "character 64 of the key"]),
        (&long, &["mistyped", "66 characters"]),
        (&magnet, &["no Megatorrent link", "megatorrent://"]),
        ("https://example.org/x", &["no Megatorrent link"]),
        (&onion, &["bootstrap address 1", "56 letters and digits"]),
        (&checksum, &["bootstrap address 1", "mistyped", "checksum"]),
    ] {
        let message = refused(&home.run(["subscribe", link]).unwrap(), 7, "bad_link", words);
        assert!(!message.contains(&key[..60]), "a key, perhaps a secret one, is not repeated: {message}");
        assert!(!home.data().exists(), "a link that is none needs no data folder");
    }
    for verb in ["look", "get"] {
        refused(&home.run([verb, &cut]).unwrap(), 7, "bad_link", &["cut off"]);
    }
    for foreign in ["https://example.org/x", &magnet] {
        refused(&home.run(["get", foreign]).unwrap(), 7, "bad_link", &["no Megatorrent link"]);
    }
}

#[test]
fn a_link_that_says_more_and_one_from_an_editor_open_the_channel() {
    let key = "ab".repeat(32);
    for link in [
        format!("megatorrent://{key}?tracker=x"),
        format!("megatorrent://{key}#item=ab"),
        format!("megatorrent:{key}/?v=2&bootstrap=127.0.0.1:9&more#x?y"),
        format!("\u{FEFF}\r\n \t\r\n  <MEGATORRENT://{}>. \r\nthe rest", key.to_uppercase()),
    ] {
        let home = Home::new("links", &[]).unwrap();
        let mut command = home.command().unwrap();
        command.args(["--json", "subscribe", "-"]);
        let followed = people::feed(command, &link).unwrap().json().unwrap();
        assert_eq!(followed["key"], key, "{link:?}");
    }
    let home = Home::new("links", &[]).unwrap();
    let mut command = home.command().unwrap();
    command.args(["--json", "look", "-"]);
    refused(&people::feed(command, "\u{FEFF}\r\n \n").unwrap(), 2, "bad_argument", &["holds no link"]);
}

#[test]
fn a_wrong_read_key_is_told_apart_from_no_source() {
    let testnet = mainline::Testnet::builder(6).build().unwrap();
    let dht = v5::Dht::join(&testnet.bootstrap, Ipv4Addr::LOCALHOST).unwrap();
    let (author, read_key, wrong) = (Author::new([21; 32]), [5; 32], "06".repeat(32));
    let list = collections(&[("letter.txt", &[])]);
    let manifest = author.sign_private(&list, 1_700_000_000_000, &read_key, [9; 24]).unwrap();
    dht.put(&author, &manifest, 1_700_000_000_000).unwrap();

    let home = Home::new("wrong-key", &testnet.bootstrap).unwrap();
    let daemon = home.daemon().unwrap();
    let link = format!("{}:{wrong}", author.link());
    let message = refused(&home.run(["get", &link]).unwrap(), 7, "wrong_read_key", &["read key", "does not open"]);
    assert!(!message.contains(&wrong[..8]));
    // Followed, the channel says the same instead of looking empty.
    let watch = daemon.watch(&home);
    home.ask(["subscribe", &link]).unwrap();
    watch.unwrap().until_cause("wrong_read_key").unwrap();
    let bare = home.run(["get", &author.link()]).unwrap();
    refused(&bare, 7, "wrong_read_key", &["read key"]);

    // The right link says that this channel is known otherwise, and how to go on.
    let right = format!("{}:{}", author.link(), "05".repeat(32));
    refused(&home.run(["subscribe", &right]).unwrap(), 7, "other_read_key", &["another read key", "Unsubscribe"]);
    home.ask(["unsubscribe", &author.channel()]).unwrap();
    let got = home.ask(["get", &right, "-o", home.downloads().to_str().unwrap()]).unwrap();
    assert_eq!(got["items"][0]["name"], "letter.txt");

    // A read key for a channel that is public.
    let public = Author::new([22; 32]);
    dht.put(&public, &public.sign_public(&list, 1_700_000_000_000), 1_700_000_000_000).unwrap();
    let answer = home.run(["get", &format!("{}:{wrong}", public.link())]).unwrap();
    refused(&answer, 7, "wrong_read_key", &["public"]);
    for secret in [&wrong[..16], "0505050505"] {
        assert!(!daemon.log().contains(secret), "a read key is never logged");
    }
    daemon.stop(&home).unwrap();
}

#[test]
fn a_link_from_stdin_stands_in_no_process_list() {
    use std::io::Write as _;
    use std::process::Stdio;
    let scene = Scene::unsubscribed("stdin", 23, &[]);
    let secret = "c7".repeat(32);
    let link = format!("{}:{secret}", scene.author.link());
    let mut command = scene.home.command().unwrap();
    command.args(["--json", "-vv", "get", "-"]).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut child = megatorrent_tests::process::Killed(command.spawn().unwrap());
    let mut stdin = child.0.stdin.take().unwrap();
    stdin.write_all(format!("{link}\n").as_bytes()).unwrap();
    drop(stdin);
    // It waits for the channel now: the node follows it.
    let deadline = std::time::Instant::now() + megatorrent_tests::process::PATIENCE;
    while scene.home.run(["items", &scene.author.channel()]).unwrap().code != Some(0) {
        assert!(std::time::Instant::now() < deadline, "the link never arrived");
    }
    #[cfg(target_os = "linux")]
    for file in ["cmdline", "environ"] {
        let seen = std::fs::read(format!("/proc/{}/{file}", child.0.id())).unwrap();
        assert!(!String::from_utf8_lossy(&seen).contains(&secret), "{file}");
    }
    let mut said = String::new();
    let mut stderr = child.0.stderr.take().unwrap();
    drop(child);
    std::io::Read::read_to_string(&mut stderr, &mut said).unwrap();
    assert!(!said.contains(&secret), "{said}");
    assert!(!scene.daemon.log().contains(&secret));
    scene.end();
}
