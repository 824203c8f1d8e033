//! Every screen with real data: nothing that axe objects to, and pictures of them when a folder for them is named by
//! `MEGATORRENT_SCREENSHOTS` (`docs/screens` is made so).

use super::{Author, alone};
use anyhow::{Context, Result, bail};
use megatorrent_tests::folder::write;
use megatorrent_tests::people;
use megatorrent_tests::tornet::TorNet;
use megatorrent_tests::wav::wav;
use megatorrent_window_tests::{Desktop, Session, Window};
use std::path::{Path, PathBuf};

/// Asks axe about the page as it stands, once nothing in it moves: what another theme changes begins to fade with the next
/// frame.
const AXE: &str = "
    await new Promise((then) => requestAnimationFrame(() => requestAnimationFrame(then)));
    await Promise.allSettled(document.getAnimations().map((one) => one.finished));
    const report = await window.axe.run(document, { runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'] });
    return report.violations.map((one) => `${one.id}: ${one.help}: ${one.nodes.slice(0, 3).map((node) => node.target.join(' ')).join(', ')}`);";

/// Takes away what the window has told meanwhile.
const DISMISS: &str = "document.querySelectorAll('.toasts button[aria-label=Dismiss]').forEach((one) => one.click())";

/// Where pictures go, and which theme and size it is now.
struct Camera<'a> {
    page: &'a Session,
    folder: Option<PathBuf>,
}

impl Camera<'_> {
    /// The page as it stands: axe has its say in both themes, and it is kept as a picture in the sizes that it is made for.
    fn look(&self, name: &str) -> Result<()> {
        for theme in ["light", "dark"] {
            self.page.run("document.documentElement.dataset.theme = args[0]", &[theme.into()])?;
            let found = self.page.run(AXE, &[])?;
            if found.as_array().is_none_or(|all| !all.is_empty()) {
                bail!("axe about {name}, {theme}: {found:#}");
            }
            if let Some(folder) = &self.folder {
                // Two frames: what is drawn is what is there.
                self.page.run(
                    "await new Promise((then) => requestAnimationFrame(() => requestAnimationFrame(then)))",
                    &[],
                )?;
                std::fs::write(folder.join(format!("{name}-{theme}.png")), self.page.picture()?)?;
            }
        }
        self.page.run("document.documentElement.dataset.theme = 'light'", &[]).map(drop)
    }
}

/// A few channels as people have them.
fn world(author: &Author) -> Result<String> {
    let publish = |title: &str, about: &str, fill: &dyn Fn(&Path) -> Result<()>| {
        let folder = author.home.path().join(title);
        std::fs::create_dir_all(&folder)?;
        fill(&folder)?;
        people::publish(&author.home, &folder, &["--title", title, "--about", about])
    };
    let sound =
        |seconds: u32, base: f64| move |to: &Path| Ok(std::fs::write(to.join("take 1.wav"), wav(seconds, base))?);
    publish("Cable ferry bell, Fårö", "", &sound(10, 392.0))?;
    publish("Shipyard, last shift before the summer", "", &|to| write(&to.join("shift.flac"), 2_400_000, 5))?;
    publish("Market hall before opening, Porto", "", &|to| write(&to.join("market.flac"), 1_710_000, 6))?;
    publish("Microphone log and map, autumn 2026", "", &|to| write(&to.join("log.pdf"), 94_000, 7))?;
    publish("أصوات الميناء القديم", "", &|to| write(&to.join("ميناء.flac"), 900_000, 8))?;
    publish("Fog signal, Hallett Point: final week", "", &sound(40, 110.0))?;
    publish("Ice on Lake Inari, contact microphones", "Two contact microphones under one night of frost.", &|to| {
        (0..31).try_for_each(|n| write(&to.join(format!("ice {n:02}.wav")), 120_000, n))
    })?;
    let last = publish("Harbour at night", "Slack water, two hydrophones and a buoy bell. CC0.", &|to| {
        std::fs::write(to.join("01 Slack water.wav"), wav(60, 220.0))?;
        std::fs::write(to.join("02 Buoy bell.wav"), wav(25, 330.0))?;
        std::fs::write(to.join("cover.png"), include_bytes!("../../../../icons/256x256.png"))?;
        write(&to.join("notes.txt"), 1200, 9)
    })?;
    author.home.ask(["edit", "Tidewater", "--about", "Unedited sound from estuaries, harbours and islands. CC0."])?;
    let link = last["link"].as_str().context("no link")?;
    Ok(format!("{link}?bootstrap={}", author.node.address()))
}

#[test]
fn every_screen_is_fit_for_everybody_and_for_its_picture() -> Result<()> {
    let tors = TorNet::start(1)?;
    let desktop = Desktop::new()?;
    let alice = Author::new("alice")?;
    let link = world(&alice)?;
    let bob = Author::new("bob")?;
    bob.home.ask(["id", "new", "Slow Signals"])?;
    let (_, other) =
        bob.publish("Numbers from the short wave, 1962–1988", &[("tape.flac", 800_000)], &["--private"])?;

    let window = Window::open(&desktop, &alone(&[alice.node.address(), bob.node.address()]))?;
    let page = &window.page;
    let axe =
        std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../ui/node_modules/axe-core/axe.min.js"));
    page.run(&axe.context("`cargo xtask test` fetches axe")?, &[])?;
    let folder = std::env::var_os("MEGATORRENT_SCREENSHOTS").map(PathBuf::from);
    let folder = folder.map(|folder| Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(folder));
    if let Some(folder) = &folder {
        std::fs::create_dir_all(folder)?;
    }
    let camera = Camera { page, folder };

    page.see("Follow a link. Keep the files.")?;
    camera.look("first-start-1")?;
    page.press("Choose the route")?;
    page.see("How should it reach others?")?;
    camera.look("first-start-2")?;
    page.press("Choose the folder")?;
    page.see("Where may the files live?")?;
    camera.look("first-start-3")?;
    page.press("Start")?;
    page.see("Paste a channel link to begin")?;
    camera.look("channels-empty")?;
    page.fill("Channel link", &link)?;
    page.press("Open link")?;
    page.see("Nothing has been sent anywhere yet.")?;
    page.press("Look inside")?;
    page.see("8 items")?;
    camera.look("add-channel")?;
    page.choose("The newest")?;
    page.press("Add channel")?;
    page.see("8 items · 5 on this device")?;
    Window::second_start(&desktop, &[&other])?;
    page.see("Opened from a link. Add this channel?")?;
    page.press("Add channel")?;
    page.see("Slow Signals")?;
    page.run(DISMISS, &[])?;
    page.press("Tidewater")?;
    page.see("Unedited sound from estuaries")?;
    camera.look("channels")?;
    page.press("Keep:")?;
    page.see("Keep new items only encrypted")?;
    camera.look("keep")?;
    page.press("Cancel")?;
    page.press("Harbour at night")?;
    page.see("02 Buoy bell.wav")?;
    camera.look("item")?;
    page.press("Play")?;
    page.see("All of it is on this device.")?;
    page.press("Pause")?;
    camera.look("playing")?;
    page.go("Transfers")?;
    page.see("Finished")?;
    camera.look("transfers")?;
    page.go("Network")?;
    page.see("Connected peers")?;
    camera.look("network")?;
    page.choose("Tor")?;
    page.fill("Control port of a running Tor", &tors.client(0).control()?.to_string())?;
    page.press("Use Tor")?;
    page.see("Connected, and reachable by its onion address")?;
    page.press("Check for leaks")?;
    page.see("Nothing got past the route")?;
    camera.look("network-tor")?;
    page.choose("Direct")?;
    page.press("Use Direct")?;
    page.see("Leave Tor for Direct?")?;
    camera.look("leave-tor")?;
    page.press("Use Direct")?;
    page.see("Listening on port")?;
    page.go("Settings")?;
    page.see("Kept in this computer's keyring")?;
    page.fill("Up, all together", "500\u{e007}")?;
    page.press("Add a time")?;
    page.run(DISMISS, &[])?;
    page.run("document.querySelector('main .page').scrollTop = 0", &[])?;
    camera.look("settings")?;

    let songs = desktop.home().join("Hallett Point 2026");
    for (name, bytes) in [("fog-signal/one.flac", 3_000_000), ("interviews/keeper.flac", 900_000), ("README.txt", 4000)]
    {
        write(&songs.join(name), bytes, bytes)?;
    }
    page.go("Publish")?;
    desktop.drop_files(&[&songs], || Ok(page.text()?.contains("Drop to publish")))?;
    page.see("fog-signal")?;
    page.fill("Title", "Hallett Point: the last fog signal")?;
    page.fill("Description", "Every blast of the final week, three microphones.")?;
    page.fill("Name of the channel", "Lighthouse tapes")?;
    camera.look("publish-1")?;
    page.press("Publish")?;
    page.see("The link is ready")?;
    camera.look("publish-2")?;
    page.go("Identities")?;
    page.see("Lighthouse tapes")?;
    camera.look("identities")?;
    page.press("Back up")?;
    page.see("Back up to a file")?;
    camera.look("back-up")?;
    page.press("Cancel")?;
    // Channels kept its place, the item: from there up to its channel.
    page.go("Channels")?;
    page.go("Channels")?;
    page.press("Share")?;
    page.see("Copy link")?;
    camera.look("share")?;
    page.press("Done")?;

    // Narrow windows: a rail for the sidebar, then one pane at a time.
    page.resize(900, 600)?;
    page.press("Tidewater")?;
    camera.look("channels-900x600")?;
    page.resize(590, 600)?;
    camera.look("channels-590x600")
}
