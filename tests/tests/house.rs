//! A house of its own, in network namespaces: neighbours find each other, peers meet over IPv6, a router lets the world in.

#![cfg(target_os = "linux")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stderr,
    reason = "a test that cannot go on says so by panicking, one that cannot be tried here by a line"
)]

use anyhow::{Context, Result};
use megatorrent_tests::netns::Space;
use megatorrent_tests::people::{self, text, until};
use megatorrent_tests::process::{Home, Killed};
use serde_json::Value;
use std::process::Stdio;

fn home(name: &str, space: &Space, listen: &str, settings: &[(&str, &str)]) -> Result<Home> {
    let mut home = Home::new(name, &[])?;
    home.live_in(space, listen);
    home.ask(["set".as_ref(), "download-dir".as_ref(), home.downloads().as_os_str()])?;
    for (key, value) in settings {
        home.ask(["set", key, value])?;
    }
    Ok(home)
}

fn is_complete(transfers: &Value) -> Option<()> {
    transfers.as_array()?.iter().any(|item| item["state"] == "complete").then_some(())
}

/// Two machines on one cable.
fn neighbours() -> Result<Option<(Space, Space)>> {
    let (Some(one), Some(other)) = (Space::new("a")?, Space::new("b")?) else { return Ok(None) };
    Space::join((&one, "eth0", &["10.77.0.1/24", "fd77::1/64"]), (&other, "eth0", &["10.77.0.2/24", "fd77::2/64"]))?;
    Ok(Some((one, other)))
}

#[test]
fn neighbours_find_each_other_when_both_want_to() -> Result<()> {
    let Some((one, other)) = neighbours()? else { return Ok(()) };
    let wants = &[("lan", "on"), ("port-mapping", "off")];
    let alice = home("alice", &one, "0.0.0.0:0", wants)?;
    let bob = home("bob", &other, "0.0.0.0:0", &[("port-mapping", "off")])?;
    let (at_alice, at_bob) = (alice.daemon()?, bob.daemon()?);
    let songs = people::folder(&alice, "songs", &[("a.flac", 2_500_000), ("b.txt", 10)])?;
    let link = text(&people::publish(&alice, &songs, &[])?, "link")?;
    bob.ask(["subscribe", &link])?;
    // Nobody told him of her, and he does not ask the network either.
    let cause = |channels: &Value| Some(channels.as_array()?.first()?["cause"]["cause"].as_str()?.to_owned());
    let alone = until(&bob, &["channels"], "a cause", cause)?;
    assert!(["no_dht", "no_manifest", "no_peers_known", "dht_unreachable"].contains(&alone.as_str()), "{alone}");
    bob.ask(["set", "lan", "on"])?;
    until(&bob, &["transfers"], "fetched from the neighbour", is_complete)?;
    let peers = bob.ask(["peers"])?;
    assert!(peers.as_array().context("peers")?.iter().any(|p| p["addr"].as_str().is_some_and(|a| a.contains("77"))));
    at_bob.stop(&bob)?;
    at_alice.stop(&alice)
}

#[test]
fn peers_meet_over_ipv6() -> Result<()> {
    let Some((one, other)) = neighbours()? else { return Ok(()) };
    let off = &[("port-mapping", "off")];
    let (alice, bob) = (home("alice", &one, "[fd77::1]:4170", off)?, home("bob", &other, "[::]:0", off)?);
    let at_alice = alice.daemon()?;
    assert_eq!(at_alice.address(), "[fd77::1]:4170");
    let songs = people::folder(&alice, "songs", &[("a.flac", 1_500_000)])?;
    let link = text(&people::publish(&alice, &songs, &[])?, "link")?;
    let at_bob = bob.daemon_with(["--peer", "[fd77::1]:4170"])?;
    bob.ask(["subscribe", &link])?;
    until(&bob, &["transfers"], "fetched over IPv6", is_complete)?;
    at_bob.stop(&bob)?;
    at_alice.stop(&alice)
}

/// A router between a house and a world, with a real miniupnpd.
struct Router {
    house: Space,
    router: Space,
    _world: Space,
    _daemon: Killed,
    _folder: tempfile::TempDir,
}

impl Router {
    fn start() -> Result<Option<Self>> {
        if std::process::Command::new("miniupnpd").arg("--version").output().is_err() {
            eprintln!("skipped: no miniupnpd here");
            return Ok(None);
        }
        let (Some(house), Some(router), Some(world)) = (Space::new("h")?, Space::new("r")?, Space::new("w")?) else {
            return Ok(None);
        };
        Space::join((&router, "lan0", &["192.168.77.1/24"]), (&house, "eth0", &["192.168.77.2/24"]))?;
        house.run("ip route add default via 192.168.77.1")?;
        // miniupnpd takes no address for a public one that cannot be.
        Space::join((&world, "eth0", &["11.22.33.1/24"]), (&router, "ext0", &["11.22.33.44/24"]))?;
        router.run("ip route add default via 11.22.33.1")?;
        router.run("sysctl -qw net.ipv4.ip_forward=1")?;
        let rules = "table inet filter {\n chain forward {\n type filter hook forward priority 0; policy accept;\n \
            jump miniupnpd\n }\n chain miniupnpd {\n }\n chain prerouting {\n type nat hook prerouting priority -100;\n \
            jump prerouting_miniupnpd\n }\n chain postrouting {\n type nat hook postrouting priority 100;\n \
            jump postrouting_miniupnpd\n }\n chain prerouting_miniupnpd {\n }\n chain postrouting_miniupnpd {\n }\n}\n";
        let folder = tempfile::tempdir()?;
        let (nft, conf) = (folder.path().join("rules"), folder.path().join("conf"));
        std::fs::write(&nft, rules)?;
        router.run(&format!("nft -f {}", nft.display()))?;
        std::fs::write(
            &conf,
            "ext_ifname=ext0\nlistening_ip=lan0\nenable_natpmp=yes\nenable_upnp=yes\nsecure_mode=yes\n\
             upnp_table_name=filter\nupnp_nat_table_name=filter\nupnp_forward_chain=miniupnpd\n\
             upnp_nat_chain=prerouting_miniupnpd\nupnp_nat_postrouting_chain=postrouting_miniupnpd\n\
             uuid=2d1e7a3c-1111-4b8e-9c58-000000000001\nallow 1024-65535 192.168.77.0/24 1024-65535\n\
             deny 0-65535 0.0.0.0/0 0-65535\n",
        )?;
        let pid = folder.path().join("pid");
        let mut command = router.command("miniupnpd");
        command.arg("-d").arg("-f").arg(&conf).arg("-P").arg(&pid).stdout(Stdio::null());
        command.stderr(std::fs::File::create(folder.path().join("log"))?);
        let daemon = Killed(command.spawn()?);
        Ok(Some(Self { house, router, _world: world, _daemon: daemon, _folder: folder }))
    }

    fn rules(&self) -> Result<String> {
        self.router.run("nft list ruleset")
    }
}

#[test]
fn a_router_lets_the_world_in_and_takes_its_port_back() -> Result<()> {
    let Some(router) = Router::start()? else { return Ok(()) };
    let alice = home("alice", &router.house, "0.0.0.0:4170", &[])?;
    let node = alice.daemon()?;
    let mapped = |status: &Value| Some(status["mapped"].as_str()?.to_owned());
    let outside = until(&alice, &["status"], "a mapped port", mapped)?;
    assert!(outside.starts_with("11.22.33.44:"), "{outside}");
    assert!(router.rules()?.contains("192.168.77.2:4170"), "{}", router.rules()?);
    alice.ask(["set", "port-mapping", "off"])?;
    until(&alice, &["status"], "no mapped port", |status| status["mapped"].is_null().then_some(()))?;
    assert!(!router.rules()?.contains("192.168.77.2:4170"), "{}", router.rules()?);
    alice.ask(["set", "port-mapping", "on"])?;
    until(&alice, &["status"], "a mapped port again", mapped)?;
    // It is given back at the end.
    node.stop(&alice)?;
    assert!(!router.rules()?.contains("192.168.77.2:4170"), "{}", router.rules()?);
    Ok(())
}

#[test]
fn off_the_direct_route_no_router_and_no_neighbour_is_asked() -> Result<()> {
    let Some((one, other)) = neighbours()? else { return Ok(()) };
    let wants = &[("lan", "on"), ("port-mapping", "on"), ("route", "socks5://10.77.0.2:9999")];
    let alice = home("alice", &one, "0.0.0.0:0", wants)?;
    one.run("ip route add default via 10.77.0.2")?;
    // Every packet of hers that is none to the proxy is counted.
    let rules = "table inet watch {\n counter leaked { }\n chain out {\n type filter hook output priority 0;\n \
        oif lo accept\n ip daddr 10.77.0.2 tcp dport 9999 accept\n meta l4proto { tcp, udp } counter name leaked\n }\n}\n";
    let file = alice.path().join("rules");
    std::fs::write(&file, rules)?;
    one.run(&format!("nft -f {}", file.display()))?;
    let node = alice.daemon()?;
    // It reaches nobody; what matters is what it tries.
    alice.ask(["subscribe", &format!("megatorrent://{}", "5a".repeat(32))])?;
    until(&alice, &["status"], "a route that is down", |status| {
        (status["route"]["state"]["state"] == "down" || status["route"].to_string().contains("down")).then_some(())
    })?;
    let status = alice.ask(["status"])?;
    assert!(status["mapped"].is_null());
    node.stop(&alice)?;
    let counter = one.run("nft list counter inet watch leaked")?;
    assert!(counter.contains("packets 0 "), "{counter}");
    drop(other);
    Ok(())
}
