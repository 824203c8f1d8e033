//! The window: what it is built of (Debian's web view, Node, `ui/dist`), and what it is tested with.

use crate::setup;
use crate::shell::{on_path, root, step};
use anyhow::{Context, Result, bail};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::SystemTime;

/// What the shell is linked with.
const TO_BUILD: &[&str] = &["libwebkit2gtk-4.1-dev", "libayatana-appindicator3-dev", "librsvg2-dev", "pkg-config"];
/// What the window plays with: WebKit leaves media to GStreamer.
const TO_PLAY: &[&str] = &["gstreamer1.0-plugins-base", "gstreamer1.0-plugins-good", "gstreamer1.0-libav"];
/// A desktop for tests: a screen, a window manager, a session bus, a keyring, hands, and fonts to read.
const TO_TEST: &[&str] = &[
    "dbus",
    "fonts-inter",
    "gnome-keyring",
    "libsecret-tools",
    "openbox",
    "webkit2gtk-driver",
    "x11-utils",
    "xdg-utils",
    "xdotool",
    "xvfb",
];
/// The oldest Node that the window's builder takes.
const NODE: (u32, u32) = (20, 19);

/// Everything that building and starting the window needs, and `ui/dist` itself.
pub(crate) fn build() -> Result<()> {
    setup::packages(&[TO_BUILD, TO_PLAY].concat())?;
    pages()
}

/// `ui/dist`, which takes Node and npm and nothing of the system.
pub(crate) fn pages() -> Result<()> {
    node()?;
    let ui = root()?.join("ui");
    let lists = [ui.join("package.json"), ui.join("package-lock.json")];
    let stamp = ui.join("node_modules/.xtask-stamp");
    if setup::stale(&stamp, &[&lists[0], &lists[1]])? {
        step("Fetching what the window is built with", npm(&ui).args(["ci", "--loglevel=error"]))?;
        setup::stamp(&stamp, &[&lists[0], &lists[1]])?;
    }
    if is_older(&ui)? {
        step("Building the window", npm(&ui).args(["run", "build"]))?;
    }
    Ok(())
}

/// What the tests of the whole window need.
pub(crate) fn test_tools() -> Result<()> {
    setup::packages(TO_TEST)
}

/// Types, lints and tests of the window's pages, over a mock of the shell.
pub(crate) fn check() -> Result<()> {
    let ui = root()?.join("ui");
    step("The window's types", npm(&ui).args(["run", "--silent", "check"]))?;
    step("The window's lints", npm(&ui).args(["run", "--silent", "lint"]))?;
    step("The window's pages", npm(&ui).args(["run", "--silent", "test", "--", "--silent"]))
}

fn npm(ui: &Path) -> Command {
    let mut npm = Command::new("npm");
    npm.current_dir(ui);
    npm
}

/// Node from Debian 12 is too old for the window's builder.
fn node() -> Result<()> {
    if !on_path("node") || !on_path("npm") {
        bail!("Node {}.{} or newer is missing: https://nodejs.org", NODE.0, NODE.1);
    }
    let out = Command::new("node").arg("--version").output().context("node does not start")?;
    let text = String::from_utf8_lossy(&out.stdout).trim().to_owned();
    let mut parts = text.trim_start_matches('v').split('.').map_while(|part| part.parse::<u32>().ok());
    let found = (parts.next().unwrap_or(0), parts.next().unwrap_or(0));
    if found < NODE {
        bail!("Node {text} is too old: {}.{} or newer builds the window. https://nodejs.org", NODE.0, NODE.1);
    }
    Ok(())
}

/// Whether any source of the window is newer than the page made of it.
fn is_older(ui: &Path) -> Result<bool> {
    let Some(made) = modified(&ui.join("dist/index.html")) else { return Ok(true) };
    let mut look: Vec<PathBuf> = std::fs::read_dir(ui)?.filter_map(Result::ok).map(|child| child.path()).collect();
    look.retain(|path| !["node_modules", "dist", "dist-mock"].iter().any(|skip| path.ends_with(skip)));
    while let Some(path) = look.pop() {
        if path.is_dir() {
            look.extend(std::fs::read_dir(&path)?.filter_map(Result::ok).map(|child| child.path()));
        } else if modified(&path).is_some_and(|at| at > made) {
            return Ok(true);
        }
    }
    Ok(false)
}

fn modified(path: &Path) -> Option<SystemTime> {
    path.metadata().and_then(|about| about.modified()).ok()
}
