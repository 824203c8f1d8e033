//! Arrows run down only: shells → node → swarm, store, net → protocol. Nothing sideways, nothing up.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on says so by panicking")]

use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

/// Every package of the house and the packages of the house it may lean on (dev-dependencies aside).
const ARROWS: &[(&str, &[&str])] = &[
    ("megatorrent-heap", &[]),
    ("megatorrent-sha256", &[]),
    ("megatorrent-protocol", &["megatorrent-sha256"]),
    ("megatorrent-swarm", &["megatorrent-protocol"]),
    ("megatorrent-store", &["megatorrent-protocol"]),
    ("megatorrent-net", &["megatorrent-protocol"]),
    (
        "megatorrent-node",
        &["megatorrent-heap", "megatorrent-net", "megatorrent-protocol", "megatorrent-store", "megatorrent-swarm"],
    ),
    ("megatorrent-cli", &["megatorrent-node", "megatorrent-protocol"]),
    ("megatorrent-desktop", &["megatorrent-node", "megatorrent-protocol"]),
    ("xtask", &[]),
];

/// Packages that may lean on everything: nothing leans on them.
const TESTS: &[&str] = &["megatorrent-tests", "megatorrent-window-tests"];

/// What is linked with a system's libraries for windows, or builds what is.
const WINDOWED: &[&str] = &["glib-sys", "gtk-sys", "gdk-sys", "wry", "tauri"];

/// Foreign crates that belong to one room, and the room.
const OWNED: &[(&str, &str)] = &[
    ("mainline", "megatorrent-net"),
    ("interprocess", "megatorrent-net"),
    ("rusqlite", "megatorrent-store"),
    ("keyring", "megatorrent-store"),
    ("age", "megatorrent-store"),
];

/// What a pure crate cannot lean on: tasks, sockets, files, clocks, chance.
const IMPURE: &[&str] = &[
    "tokio",
    "tokio-util",
    "mainline",
    "getrandom",
    "rand",
    "rusqlite",
    "tempfile",
    "rustix",
    "fs4",
    "chrono",
    "time",
];

/// Package name → what it leans on, dev-dependencies aside.
fn house() -> BTreeMap<String, BTreeSet<String>> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let out = Command::new(cargo)
        .args(["metadata", "--format-version", "1", "--offline", "--no-deps"])
        .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
        .output()
        .expect("cargo starts");
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    let metadata: Value = serde_json::from_slice(&out.stdout).expect("cargo writes JSON");
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    metadata["packages"]
        .as_array()
        .expect("packages")
        .iter()
        .map(|package| {
            let leans = package["dependencies"].as_array().expect("dependencies").iter();
            let leans = leans.filter(|d| d["kind"] != "dev").map(|d| text(&d["name"])).collect();
            (text(&package["name"]), leans)
        })
        .collect()
}

#[test]
fn arrows_run_down_only() {
    let house = house();
    for (package, allowed) in ARROWS {
        let leans = house.get(*package).unwrap_or_else(|| panic!("{package} is not in the workspace"));
        for other in leans.iter().filter(|name| house.contains_key(*name)) {
            assert!(allowed.contains(&other.as_str()), "{package} leans on {other}: that arrow does not run down");
        }
    }
    let known: BTreeSet<&str> = ARROWS.iter().map(|(name, _)| *name).collect();
    let rooms = house.keys().filter(|name| name.starts_with("megatorrent-") && !TESTS.contains(&name.as_str()));
    for room in rooms {
        assert!(known.contains(room.as_str()), "{room} is new: say here what it may lean on");
    }
}

#[test]
fn one_room_owns_each_outside_thing() {
    let house = house();
    for (thing, owner) in OWNED {
        for (package, leans) in house.iter().filter(|(name, _)| !TESTS.contains(&name.as_str())) {
            assert!(package == owner || !leans.contains(*thing), "{package} leans on {thing}, which {owner} owns");
        }
    }
}

/// The command line, the demonstration, the bench and most tests are built on machines that have no window's libraries:
/// neither they nor anything that they lean on may want one.
#[test]
fn only_the_window_needs_a_windows_libraries() {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let out = Command::new(cargo)
        .args(["tree", "--offline", "--prefix", "none", "--format", "{p}", "--edges", "normal,build,dev"])
        .args(["-p", "megatorrent-cli", "-p", "megatorrent-tests", "-p", "xtask"])
        .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
        .output()
        .expect("cargo starts");
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    let text = String::from_utf8(out.stdout).expect("cargo writes UTF-8");
    let crates: BTreeSet<&str> = text.lines().filter_map(|line| line.split(' ').next()).collect();
    assert!(crates.contains("tokio"), "this is no list of crates: {text}");
    let found: Vec<&&str> = WINDOWED.iter().filter(|thing| crates.contains(**thing)).collect();
    assert!(
        found.is_empty(),
        "{found:?} came in: the README's first command then fails on a machine without a desktop"
    );
}

#[test]
fn the_language_and_the_mind_are_pure() {
    let house = house();
    for pure in ["megatorrent-protocol", "megatorrent-swarm"] {
        for thing in IMPURE {
            assert!(!house[pure].contains(*thing), "{pure} is pure and cannot lean on {thing}");
        }
    }
}
