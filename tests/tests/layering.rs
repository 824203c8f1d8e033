//! Arrows run down only: shells → node → swarm, library, store, net → protocol. Nothing sideways, nothing up.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on says so by panicking")]

use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Every package of the house and the packages of the house it may lean on (dev-dependencies aside).
const ARROWS: &[(&str, &[&str])] = &[
    ("megatorrent-heap", &[]),
    ("megatorrent-sha256", &[]),
    ("megatorrent-protocol", &["megatorrent-sha256"]),
    ("megatorrent-swarm", &["megatorrent-protocol"]),
    ("megatorrent-library", &["megatorrent-protocol"]),
    ("megatorrent-store", &["megatorrent-protocol"]),
    ("megatorrent-net", &["megatorrent-protocol"]),
    (
        "megatorrent-node",
        &[
            "megatorrent-heap",
            "megatorrent-library",
            "megatorrent-net",
            "megatorrent-protocol",
            "megatorrent-store",
            "megatorrent-swarm",
        ],
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
fn the_language_and_the_machines_are_pure() {
    let house = house();
    for pure in ["megatorrent-protocol", "megatorrent-swarm", "megatorrent-library"] {
        for thing in IMPURE {
            assert!(!house[pure].contains(*thing), "{pure} is pure and cannot lean on {thing}");
        }
    }
}

/// The largest circle of files that import each other, where it has more than three; so many files it has at most. What
/// stands here is still to be taken apart, and only gets smaller.
const CIRCLES: &[(&str, usize)] = &[("node", 29), ("store", 28), ("net", 8), ("swarm", 6), ("cli", 6)];
/// A few files that know each other are one thing in several files.
const CIRCLE_MAX: usize = 3;

/// The sources of a crate, by module path, without their tests.
fn sources(root: &Path) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).expect("a folder").map(|entry| entry.expect("an entry").path()) {
            let name = entry.file_name().expect("a name").to_string_lossy().into_owned();
            if entry.is_dir() {
                folders.extend((!name.contains("test")).then_some(entry));
            } else if let Some(stem) = name.strip_suffix(".rs").filter(|stem| *stem != "tests") {
                let mut path: PathBuf = entry.parent().expect("a folder").strip_prefix(root).expect("below").to_owned();
                path.extend((stem != "mod").then_some(stem));
                let module = path.iter().map(|part| part.to_string_lossy()).collect::<Vec<_>>().join("::");
                let text = std::fs::read_to_string(&entry).expect("text");
                let code = text.split("#[cfg(test)]\nmod tests {").next().expect("a part").to_owned();
                found.insert(module, code);
            }
        }
    }
    found
}

/// What a source names by `crate::`, as modules.
fn named(text: &str, modules: &BTreeMap<String, String>) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for after in text.split("crate::").skip(1) {
        let list = match after.strip_prefix('{') {
            Some(list) => list.split('}').next().unwrap_or_default().split(',').collect(),
            None => vec![after],
        };
        for path in list {
            let end = path.trim().find(|c: char| !c.is_alphanumeric() && c != '_' && c != ':');
            let mut path = path.trim()[..end.unwrap_or(path.trim().len())].trim_end_matches(':').to_owned();
            while !modules.contains_key(&path) {
                match path.rsplit_once("::") {
                    Some((above, _)) => path = above.to_owned(),
                    None => break,
                }
            }
            found.extend(modules.contains_key(&path).then_some(path));
        }
    }
    found
}

/// The largest set of modules of which each leads to each.
fn largest_circle(arrows: &BTreeMap<String, BTreeSet<String>>) -> BTreeSet<String> {
    let reach = |from: &String| {
        let (mut seen, mut next) = (BTreeSet::new(), vec![from.clone()]);
        while let Some(module) = next.pop() {
            for to in arrows.get(&module).into_iter().flatten() {
                if seen.insert(to.clone()) {
                    next.push(to.clone());
                }
            }
        }
        seen
    };
    let all: BTreeMap<&String, BTreeSet<String>> = arrows.keys().map(|module| (module, reach(module))).collect();
    let circle = |module: &String| {
        let back = all[module].iter().filter(|other| all.get(other).is_some_and(|reach| reach.contains(module)));
        back.cloned().collect::<BTreeSet<_>>()
    };
    arrows.keys().map(circle).max_by_key(BTreeSet::len).unwrap_or_default()
}

#[test]
fn files_import_each_other_in_no_new_circle() {
    let crates = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../crates"));
    let mut grown = Vec::new();
    for folder in std::fs::read_dir(crates).expect("crates").map(|entry| entry.expect("an entry")) {
        let name = folder.file_name().to_string_lossy().into_owned();
        let modules = sources(&folder.path().join("src"));
        let arrows: BTreeMap<String, BTreeSet<String>> = modules
            .iter()
            .map(|(module, text)| {
                let mut to = named(text, &modules);
                to.remove(module);
                (module.clone(), to)
            })
            .collect();
        let circle = largest_circle(&arrows);
        let allowed = CIRCLES.iter().find(|(crate_, _)| *crate_ == name).map_or(CIRCLE_MAX, |(_, max)| *max);
        println!("{name}: {} of {allowed}", circle.len());
        if circle.len() > allowed || (allowed > CIRCLE_MAX && circle.len() < allowed) {
            grown.push(format!("{name}: {} files, {allowed} are told here: {circle:?}", circle.len()));
        }
    }
    assert!(grown.is_empty(), "{grown:#?}");
}

#[test]
fn a_circle_is_found() {
    let text = |to: &[&str]| to.iter().map(|to| (*to).to_owned()).collect::<BTreeSet<_>>();
    let arrows = [("a", text(&["b"])), ("b", text(&["c::d"])), ("c::d", text(&["a", "e"])), ("e", text(&[]))];
    let arrows = arrows.into_iter().map(|(from, to)| (from.to_owned(), to)).collect();
    assert_eq!(largest_circle(&arrows), text(&["a", "b", "c::d"]));
    let modules = ["a", "b", "c::d"].into_iter().map(|name| (name.to_owned(), String::new())).collect();
    let source = "use crate::{a, b::Thing};\nfn f() { crate::c::d::g() } use crate::nothing;";
    assert_eq!(named(source, &modules), text(&["a", "b", "c::d"]));
}
