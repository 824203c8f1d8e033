//! A daemon: one for a data folder, told through its socket, ended cleanly.

use super::{Person, dht, home, number};
use anyhow::{Context, Result};
use megatorrent_tests::people::{self, signal, text, until};
use megatorrent_tests::process::Home;
use std::net::TcpListener;

#[test]
fn a_data_folder_has_one_daemon_and_commands_talk_to_it() -> Result<()> {
    let alice = Home::new("alice", &[])?;
    let none = alice.run(["stop"])?;
    assert_eq!((none.code, none.error_code().as_deref()), (Some(3), Some("not_found")));
    let node = alice.daemon()?;
    let mut args = alice.network();
    args.push("daemon".into());
    let second = alice.run(&args)?;
    assert_eq!((second.code, second.error_code().as_deref()), (Some(8), Some("busy")));
    let status = alice.ask(["status"])?;
    assert_eq!(text(&status, "listen")?, node.address());
    assert_eq!(text(&status, "data_dir")?, alice.data().to_str().context("a path")?);
    assert_eq!((status["dht_nodes"].is_null(), number(&status, "peers")?), (true, 0));
    for list in ["channels", "transfers", "peers"] {
        assert_eq!(alice.ask([list])?, serde_json::json!([]), "{list}");
    }
    // A second listener on its port is told so.
    let other = Home::new("other", &[])?;
    let taken = other.run(["--listen", node.address(), "--no-dht", "daemon"])?;
    assert_eq!((taken.code, taken.error_code().as_deref()), (Some(4), Some("port_taken")));
    node.stop(&alice)
}

#[test]
fn signals_end_a_daemon_cleanly_and_nothing_is_left() -> Result<()> {
    let dht = dht()?;
    for name in ["INT", "TERM", "HUP", "QUIT"] {
        let alice = home("alice", &dht.bootstrap())?;
        let node = alice.daemon_with(["-v"])?;
        people::publish(&alice, &people::folder(&alice, "songs", &[("a", 3_000_000), ("b/c", 10)])?, &[])?;
        let (address, id) = (node.address().to_owned(), node.id());
        signal(id, name)?;
        let status = node.wait()?;
        assert_eq!(status.code(), Some(0), "after SIG{name}");
        drop(TcpListener::bind(&address).with_context(|| format!("{address} is free again"))?);
        // The next one finds everything in order.
        let node = alice.daemon_with(["-v"])?;
        assert!(!node.log().contains("did not stop cleanly"), "{}", node.log());
        assert!(number(&alice.ask(["status"])?, "blobs")? >= 3);
        node.stop(&alice)?;
    }
    Ok(())
}

#[test]
fn settings_are_kept() -> Result<()> {
    let alice = Home::new("alice", &[])?;
    let node = alice.daemon()?;
    assert_eq!(alice.ask(["set"])?["gateway"], false);
    alice.ask(["set", "gateway", "on"])?;
    let elsewhere = alice.path().join("elsewhere");
    let set = alice.ask(["set".as_ref(), "download-dir".as_ref(), elsewhere.as_os_str()])?;
    assert_eq!(set["gateway"], true);
    assert_eq!(alice.run(["set", "gateway", "perhaps"])?.code, Some(2));
    node.stop(&alice)?;
    let kept = alice.ask(["set"])?;
    assert_eq!((&kept["gateway"], &kept["download_dir"]), (&true.into(), &elsewhere.to_str().into()));
    Ok(())
}

#[test]
fn watch_tells_what_happens_and_ends_with_the_node() -> Result<()> {
    let alice = Person::new("alice", &[], &[])?;
    let mut watch = alice.node.watch(&alice.home)?;
    let folder = people::folder(&alice.home, "songs", &[("a", 2_000_000)])?;
    let published = people::publish(&alice.home, &folder, &["--title", "Songs"])?;
    assert_eq!(published["seeding"], true);
    watch.until("publishing", |event| {
        (event["event"] == "publishing" && event["data"]["title"] == "Songs").then_some(())
    })?;
    watch.until("the channel's news", |event| {
        (event["event"] == "channel" && event["data"]["items"] == 1 && event["data"]["own"] == true).then_some(())
    })?;
    until(&alice.home, &["status"], "one own channel", |status| (status["own"] == 1).then_some(()))?;
    alice.stop()?;
    let ended = watch.until("something after the end", |event| (event["event"] == "never").then_some(()));
    assert!(ended.unwrap_err().to_string().contains("watch ended"));
    Ok(())
}
