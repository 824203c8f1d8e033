//! The way out, changed by hand: through a proxy, through Tor, lost, found again, and left for the direct one.

use super::{Author, alone, ask};
use anyhow::{Result, ensure};
use megatorrent_tests::socks_proxy::SocksProxy;
use megatorrent_tests::tornet::TorNet;
use megatorrent_window_tests::{Desktop, Observer, Window, until};
use serde_json::Value;
use std::net::SocketAddr;

/// Waits for a state of the node's route.
fn route(desktop: &Desktop, what: &str, fits: impl Fn(&Value) -> bool) -> Result<Value> {
    until(&format!("the route to be {what}"), || {
        let status = ask(desktop, ["status"])?;
        Ok(fits(&status["route"]).then(|| status["route"].clone()))
    })
}

fn is(kind: &str, state: &str) -> impl Fn(&Value) -> bool {
    move |route| route["kind"] == kind && route["state"]["state"] == state
}

fn is_published(route: &Value) -> bool {
    route["onions"].as_array().is_some_and(|all| !all.is_empty() && all.iter().all(|onion| onion["published"] == true))
}

#[test]
fn a_proxy_is_taken_proved_lost_and_left_by_hand() -> Result<()> {
    let desktop = Desktop::new()?;
    let observer = Observer::start(&desktop)?;
    let alice = Author::new("alice")?;
    let (_, link) = alice.publish("Harbour at night", &[("one.flac", 700_000)], &[])?;
    let proxy = SocksProxy::start(SocketAddr::from(([127, 0, 0, 1], 0)), "mira", "se:cret/7")?;
    let window = Window::open_welcomed(&desktop, &alone(&[]))?;
    let page = &window.page;
    page.go("Network")?;
    page.see("Listening on port")?;

    // The wrong password first: the window says so, and nothing goes another way.
    page.choose("Proxy")?;
    page.press("Use this proxy")?;
    page.see("A proxy is an IP address and a port, such as 127.0.0.1:1080.")?;
    page.fill("Proxy address", &proxy.addr().to_string())?;
    page.fill("User name", "mira")?;
    page.fill("Password", "wrong")?;
    page.press("Use this proxy")?;
    page.see("Proxy does not answer. Nothing leaves this device.")?;
    page.see("The proxy does not take this user name and password.")?;
    route(&desktop, "down", is("proxy", "down"))?;
    page.go("Channels")?;
    page.see("Proxy does not answer. Nothing leaves this device.")?;
    observer.see("Route lost. Nothing leaves this device")?;
    page.press("Show route")?;

    page.press("Change…")?;
    let address = page.run("return document.querySelector('form input.mono').value", &[])?;
    assert_eq!(address, proxy.addr().to_string());
    page.fill("User name", "mira")?;
    page.fill("Password", "se:cret/7")?;
    page.press("Use this proxy")?;
    page.see(&format!("Connected through {}", proxy.addr()))?;
    let told = route(&desktop, "up", is("proxy", "up"))?;
    assert_eq!(told["route"], format!("socks5://{}", proxy.addr()));
    let html = page.run("return document.documentElement.outerHTML", &[])?.to_string();
    ensure!(!html.contains("se:cret") && !html.contains("mira"), "the login is told again");

    // What is fetched comes by it, and the leak test finds nothing else.
    page.go("Channels")?;
    page.fill("Channel link", &link)?;
    page.press("Open link")?;
    page.see("Other members see the proxy's address, not this device's.")?;
    page.choose("Everything")?;
    page.press("Add channel")?;
    page.see("1 item · 1 on this device")?;
    ensure!(proxy.asked().iter().any(|host| *host == alice.node.address()), "{:?}", proxy.asked());
    page.go("Network")?;
    page.press("Check for leaks")?;
    page.see("Nothing got past the route")?;
    page.see("All of it went by 127.0.0.1.")?;

    // The tray asks before it shows what was hidden, and so does the window.
    observer.click("Direct")?;
    desktop.turn_back("Use the direct route\\?")?;
    page.choose("Direct")?;
    page.press("Use Direct")?;
    page.see("Leave Proxy for Direct?")?;
    page.press("Cancel")?;
    route(&desktop, "as it was", is("proxy", "up"))?;
    drop(proxy);
    page.see("Proxy does not answer. Nothing leaves this device.")?;
    page.press("Use Direct")?;
    page.see("Leave Proxy for Direct?")?;
    page.press("Use Direct")?;
    page.see("Listening on port")?;
    route(&desktop, "direct", is("direct", "up"))?;
    page.see("Tested on Proxy. The route is Direct now.")?;
    observer.see("Running").map(drop)
}

#[test]
fn tor_comes_up_is_lost_and_found_again_in_the_window() -> Result<()> {
    let mut tors = TorNet::start(1)?;
    let desktop = Desktop::new()?;
    let observer = Observer::start(&desktop)?;
    let alice = Author::new("alice")?;
    let (_, link) = alice.publish("Harbour at night", &[("one.flac", 2_000)], &[])?;
    let window = Window::open_welcomed(&desktop, &alone(&[]))?;
    let page = &window.page;
    page.go("Network")?;
    page.choose("Tor")?;
    page.fill("Control port of a running Tor", &tors.client(0).control()?.to_string())?;
    page.press("Use Tor")?;
    page.see("Route: Tor")?;
    page.see("Connected")?;
    page.see("Tor carries no DHT traffic")?;
    page.see("each channel gets an onion address of its own")?;
    // A channel is followed: by an address of its own.
    page.go("Channels")?;
    page.fill("Channel link", &link)?;
    page.press("Open link")?;
    page.see("Other members see an onion address, not this device's")?;
    page.press("Add channel")?;
    page.go("Network")?;
    page.see("Connected, and reachable by its onion address")?;
    let told = route(&desktop, "published", is_published)?;
    let onion = told["onions"][0]["addr"].as_str().unwrap_or_default().to_owned();
    page.see(&format!("{}…", &onion[..6]))?;
    page.press("Check for leaks")?;
    page.see("Nothing got past the route")?;

    tors.client_mut(0).kill();
    page.see("Tor does not answer. Nothing leaves this device.")?;
    observer.see("Route lost. Nothing leaves this device")?;
    tors.restart(0)?;
    // It may listen elsewhere now.
    page.press("Change…")?;
    page.run("document.querySelector('#tor-control').select()", &[])?;
    page.fill("Control port of a running Tor", &tors.client(0).control()?.to_string())?;
    page.press("Use Tor")?;
    page.see("Connected, and reachable by its onion address")?;
    let again = route(&desktop, "published again", is_published)?;
    assert_eq!(again["onions"][0]["addr"], onion, "the onion address is kept");
    Ok(())
}
