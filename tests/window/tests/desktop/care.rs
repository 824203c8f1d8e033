//! Limits, space, rules and choices, set in the window and read back from the node, with what they do.

use super::{Author, alone, ask, download};
use anyhow::{Result, ensure};
use megatorrent_tests::people::text;
use megatorrent_window_tests::{Desktop, Observer, Window, until};
use serde_json::{Value, json};

/// Waits until the node's settings say so.
fn set(desktop: &Desktop, name: &str, wanted: Value) -> Result<()> {
    until(&format!("{name} to be {wanted}"), || {
        let settings = ask(desktop, ["set"])?;
        Ok((settings[name] == wanted).then_some(()))
    })
}

#[test]
fn limits_and_schedule_set_in_the_window_hold_in_the_node() -> Result<()> {
    let desktop = Desktop::new()?;
    let observer = Observer::start(&desktop)?;
    let window = Window::open_welcomed(&desktop, &alone(&[]))?;
    let page = &window.page;
    page.go("Settings")?;
    page.fill("Down, all together", "750\u{e007}")?;
    set(&desktop, "down", json!(750_000))?;
    page.fill("Up, to each peer", "20\u{e007}")?;
    set(&desktop, "peer_up", json!(20_000))?;
    page.fill("In a month, both ways", "300\u{e007}")?;
    set(&desktop, "month", json!(300_000_000_000_u64))?;
    page.fill("Use at most", "40\u{e007}")?;
    set(&desktop, "quota", json!(40_000_000_000_u64))?;
    page.choose("Ask the router for a port")?;
    set(&desktop, "port_mapping", json!(false))?;
    page.press("Add a time")?;
    page.press("Sat")?;
    page.press("Use this schedule")?;
    set(&desktop, "schedule", json!("mon-sat 08:00-18:00 off"))?;
    // Changed by a command meanwhile: the screen shows it when it is opened again.
    ask(&desktop, ["set", "down", "2M"])?;
    page.go("Transfers")?;
    page.see("2.0 MB/s")?;
    page.see("300 GB")?;
    ask(&desktop, ["set", "schedule", ""])?;

    page.press("Pause for 1 h")?;
    page.see("It goes on by itself.")?;
    observer.see("Paused")?;
    let status = ask(&desktop, ["status"])?;
    assert_eq!(status["held"]["cause"], "paused_until");
    page.press("Resume all")?;
    page.lose("It goes on by itself.")?;
    observer.click("Pause until tomorrow")?;
    page.see("It goes on by itself.")?;
    observer.click("Go on")?;
    page.lose("It goes on by itself.")
}

#[test]
fn files_are_chosen_items_kept_and_the_rest_goes() -> Result<()> {
    let desktop = Desktop::new()?;
    let _panel = Observer::start(&desktop)?;
    let alice = Author::new("alice")?;
    alice.publish("First", &[("first.flac", 300_000)], &[])?;
    alice.publish("Second", &[("second.flac", 300_000)], &[])?;
    let files = [("big.flac", 3_000_000), ("small.txt", 500)];
    let (_, link) = alice.publish("Harbour at night", &files, &["--about", "with a buoy bell"])?;
    let window = Window::open_welcomed(&desktop, &alone(&[]))?;
    let page = &window.page;
    page.fill("Channel link", &link)?;
    page.press("Open link")?;
    page.see("Nothing has been sent anywhere yet.")?;
    page.press("Add channel")?;
    page.see("3 items · 0 on this device")?;

    // Found by a word of its description; of its files only one is wanted.
    page.fill("Find channel or item", "buoy")?;
    page.find("[data-item]")?.click()?;
    page.see("big.flac")?;
    page.choose("Fetch small.txt")?;
    page.see("Left out")?;
    let there = download(&desktop, "Tidewater", "Harbour at night");
    until("the small file", || Ok(there.join("small.txt").is_file().then_some(())))?;
    page.see("Ready")?;
    ensure!(!there.join("big.flac").exists(), "a file came that nobody wanted");

    // Kept for good, an old item outlives the channel's rule; what is neither new nor kept goes.
    page.press("Back")?;
    page.press("Get automatically")?;
    page.choose("Everything")?;
    page.press("Use this rule")?;
    page.see("3 items · 3 on this device")?;
    page.press("First")?;
    page.press("More for First")?;
    page.press("Keep for good")?;
    page.see("Kept for good")?;
    page.press("Back")?;
    page.press("Keep:")?;
    page.choose("The newest")?;
    page.run("document.querySelectorAll('dialog input[type=number]')[0].select()", &[])?;
    page.fill("How many of the newest items to keep", "1")?;
    page.see("Deletes 1 item with 300 KB from this device now")?;
    page.press("Use this rule")?;
    page.see("3 items · 2 on this device")?;
    let channels = ask(&desktop, ["channels"])?;
    assert_eq!(channels[0]["keep"], json!({ "newest": 1 }));
    let gone = download(&desktop, "Tidewater", "Second").join("second.flac");
    until("what is not kept to go", || Ok((!gone.exists()).then_some(())))?;
    ensure!(download(&desktop, "Tidewater", "First").join("first.flac").exists(), "what is kept for good went");
    Ok(())
}

#[test]
fn a_new_read_key_is_handed_out_and_taken_in() -> Result<()> {
    let desktop = Desktop::new()?;
    let _panel = Observer::start(&desktop)?;
    let alice = Author::new("alice")?;
    let (_, link) = alice.publish("Only for us", &[("a.flac", 300_000)], &["--private"])?;
    let window = Window::open_welcomed(&desktop, &alone(&[]))?;
    let page = &window.page;
    page.fill("Channel link", &link)?;
    page.press("Open link")?;
    page.see("Nothing has been sent anywhere yet.")?;
    page.choose("Everything")?;
    page.press("Add channel")?;
    page.see("1 item · 1 on this device")?;

    let rekeyed = alice.home.ask(["rekey", "Tidewater"])?;
    let new = format!("{}?bootstrap={}", text(&rekeyed, "link")?, alice.node.address());
    alice.publish("After the change", &[("b.flac", 300_000)], &["--private"])?;
    Window::second_start(&desktop, &[&new])?;
    page.see("This link brings another read key")?;
    page.press("Use the new key")?;
    page.see("2 items · 2 on this device")
}
