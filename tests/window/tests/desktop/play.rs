//! Playing: what is not all here yet plays, from where the person wants it.

use super::{ask, joining};
use anyhow::{Context, Result};
use megatorrent_tests::people::Shelf;
use megatorrent_tests::v5::{Dht, Habits, Server};
use megatorrent_tests::wav::wav;
use megatorrent_window_tests::{Desktop, Window, until};
use net::dht::LocalDht;
use std::net::Ipv4Addr;

#[test]
fn sound_plays_and_seeks_before_all_of_it_is_here() -> Result<()> {
    let desktop = Desktop::new()?;
    let dht = LocalDht::start(10)?;
    let server = Server::start(Habits::default())?;
    // 204 seconds in nine blobs. The seeder lacks some between the beginning and the middle, and the end.
    let shelf =
        Shelf::of([22; 32], ["Tidewater", "Slack water", ""], vec![("slack water.wav".into(), wav(204, 220.0))])?;
    assert_eq!(shelf.content.len(), 9);
    server.hold(&shelf.body);
    for held in [0, 1, 4, 5] {
        server.hold(&shelf.content[held]);
    }
    Dht::join(&dht.bootstrap(), Ipv4Addr::LOCALHOST)?.put(&shelf.author, &shelf.manifest, shelf.sequence)?;
    let args = joining(&dht.bootstrap(), &[&server.address().to_string()]);

    let window = Window::open_welcomed(&desktop, &args)?;
    let page = &window.page;
    page.fill("Channel link", &shelf.author.link())?;
    page.press("Open link")?;
    page.choose("Everything")?;
    page.press("Add channel")?;
    page.press("Slack water")?;
    page.press("Play")?;
    let at = |what: &str| -> Result<f64> {
        let script = format!("const media = document.querySelector('video'); return media ? media.{what} : 0");
        page.run(&script, &[])?.as_f64().context("no number")
    };
    until("the beginning to play", || Ok((at("currentTime")? > 1.0).then_some(())))?;
    // A click in the middle of the slider.
    page.named("field", "Position")?.click()?;
    until("the middle to play", || {
        let now = at("currentTime")?;
        Ok((now > 103.0 && now < 130.0).then_some(()))
    })?;
    assert!(server.requests().contains(&shelf.content[4].id));
    let items = ask(&desktop, ["items", "Tidewater"])?;
    assert!(items[0]["have"].as_u64() < items[0]["bytes"].as_u64(), "all of it was here: {items}");
    page.see("Plays while it downloads")?;
    // What cannot be served is never made up: the player waits.
    assert!(at("error === null ? 0 : 1")? == 0.0);
    page.see("The rest waits for someone who has it.")?;
    page.press("Close the player")?;
    page.see("Waiting:")
}
