//! Following: first start, a clicked link, consent, arrival, the tray, pause, quit and what comes after.

use super::figures::channel;
use super::{Author, alone, ask, download, joining};
use anyhow::Result;
use megatorrent_tests::folder::compare;
use megatorrent_tests::hostile::Listener;
use megatorrent_tests::people::Shelf;
use megatorrent_tests::process::PATIENCE;
use megatorrent_tests::v5::{Dht, Habits, Server};
use megatorrent_window_tests::{Desktop, Observer, Session, Window, program, until};
use net::dht::LocalDht;
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::process::{Command, Stdio};

#[test]
fn a_newcomer_follows_a_clicked_link_and_lets_it_run_in_the_tray() -> Result<()> {
    let desktop = Desktop::new()?;
    let observer = Observer::start(&desktop)?;
    let alice = Author::new("alice")?;
    let files = [("one.flac", 2_500_000), ("deep/two.flac", 700_000), ("notes.txt", 40)];
    let (songs, link) = alice.publish("Harbour at night", &files, &[])?;
    let spy = Listener::start(|_, _| {})?;
    let link = format!("{link}&bootstrap={}", spy.address());

    let window = Window::open(&desktop, &alone(&[]))?;
    let page = &window.page;
    page.see("Follow a link. Keep the files.")?;
    page.press("Choose the route")?;
    page.press("Choose the folder")?;
    page.see("Downloads/Megatorrent")?;
    page.press("Start")?;
    page.see("Paste a channel link to begin")?;

    // The desktop hands a clicked link to a second start, which hands it to the first and ends.
    Window::second_start(&desktop, &[&link])?;
    page.see("Opened from a link. Add this channel?")?;
    page.see("Nothing has been sent anywhere yet.")?;
    page.see(&link["megatorrent://".len()..][..4])?;
    page.see(&format!("The link names {} and {}", alice.node.address(), spy.address()))?;
    assert_eq!(ask(&desktop, ["peers"])?.as_array().map(Vec::len), Some(0));
    assert_eq!(spy.connections(), 0, "somebody was called before the person agreed");

    page.press("Look inside")?;
    page.see("1 item, 3.2 MB")?;
    assert_eq!(ask(&desktop, ["channels"])?.as_array().map(Vec::len), Some(0), "looking is not following");
    page.choose("Everything")?;
    page.press("Add channel")?;
    let told = observer.notification()?;
    assert_eq!((told.summary.as_str(), told.body.as_str()), ("Ready", "Harbour at night"));
    page.see("1 item · 1 on this device")?;
    compare(&songs, &download(&desktop, "Tidewater", "Harbour at night"))?;

    // Closing leaves it in the tray, where it goes on; a clicked link brings it back.
    desktop.wait_window(true)?;
    desktop.close_window()?;
    desktop.wait_window(false)?;
    observer.see("Running")?;
    observer.click("Open Megatorrent")?;
    desktop.wait_window(true)?;
    observer.click("Pause")?;
    observer.see("Paused")?;
    page.see("Everything is paused")?;
    observer.click("Go on")?;
    page.lose("Everything is paused")?;
    desktop.close_window()?;
    desktop.wait_window(false)?;
    Window::second_start(&desktop, &[&link])?;
    desktop.wait_window(true)?;
    page.see("You follow this channel already")?;
    observer.click("Quit")?;
    window.wait()
}

#[test]
fn a_list_is_where_it_was_scrolled_after_a_restart() -> Result<()> {
    const TOP: u64 = 4800;
    let desktop = Desktop::new()?;
    let dht = LocalDht::start(10)?;
    let server = Server::start(Habits::default())?;
    let network = Dht::join(&dht.bootstrap(), Ipv4Addr::LOCALHOST)?;
    let (short, long) = (channel(1, 4, &server, &network)?, channel(2, 300, &server, &network)?);
    let args = joining(&dht.bootstrap(), &[&server.address().to_string()]);
    const LIST: &str = "document.querySelector('main [role=table] [role=rowgroup][aria-label]')";
    let top = |page: &Session| page.run(&format!("return Math.round({LIST}?.scrollTop ?? -1)"), &[]);
    let first_shown = |page: &Session| {
        let script = format!(
            "const list = {LIST}.getBoundingClientRect();
             const rows = Array.from({LIST}.querySelectorAll('[data-row]'));
             return rows.find((row) => row.getBoundingClientRect().bottom > list.top + 1).querySelector('[data-main]').textContent"
        );
        page.run(&script, &[])
    };

    let window = Window::open_welcomed(&desktop, &args)?;
    let page = &window.page;
    for (link, items) in [(&short, "4 items"), (&long, "300 items")] {
        Window::second_start(&desktop, &[link])?;
        page.see("Opened from a link. Add this channel?")?;
        page.choose("Nothing; I choose each")?;
        page.press("Add channel")?;
        page.see(items)?;
    }
    until("the long list", || {
        Ok((page.run(&format!("return {LIST}.scrollHeight"), &[])?.as_u64() > Some(2 * TOP)).then_some(()))
    })?;
    page.run(&format!("{LIST}.scrollTop = {TOP}"), &[])?;
    until("the place to be kept", || {
        let kept = std::fs::read_to_string(desktop.data().join("window.json"))?;
        let kept: serde_json::Value = serde_json::from_str(&kept)?;
        Ok((kept["last"]["top"] == TOP).then_some(()))
    })?;
    let shown = first_shown(page)?;
    desktop.keys("ctrl+q")?;
    page.see("Quit Megatorrent?")?;
    window.leave_by("Quit")?;

    let window = Window::open_welcomed(&desktop, &args)?;
    let page = &window.page;
    until("the list", || Ok((top(page)? != -1).then_some(())))?;
    until("its place", || Ok((top(page)? == TOP).then_some(())))?;
    assert_eq!(first_shown(page)?, shown);
    // Another channel begins at its top; the long one is where it was when it is opened again.
    page.press("Channel 1")?;
    page.see("4 items")?;
    assert_eq!(top(page)?, 0);
    page.press("Channel 2")?;
    until("its place again", || Ok((top(page)? == TOP).then_some(())))
}

#[test]
fn a_download_pauses_resumes_and_goes_on_after_a_quit() -> Result<()> {
    const BEFORE: usize = 3;
    let desktop = Desktop::new()?;
    let dht = LocalDht::start(10)?;
    let server = Server::start(Habits { hold_after: Some(1 + BEFORE), ..Habits::default() })?;
    let shelf = Shelf::new([21; 32], "Songs", 8)?;
    shelf.stock(&server);
    Dht::join(&dht.bootstrap(), Ipv4Addr::LOCALHOST)?.put(&shelf.author, &shelf.manifest, shelf.sequence)?;
    let peer = server.address().to_string();
    let args = joining(&dht.bootstrap(), &[&peer]);

    let window = Window::open_welcomed(&desktop, &args)?;
    window.page.fill("Channel link", &shelf.author.link())?;
    window.page.press("Open link")?;
    window.page.choose("Everything")?;
    window.page.press("Add channel")?;
    server.wait_served(1 + BEFORE, PATIENCE)?;
    window.page.press("Songs")?;
    window.page.see("37 %")?;
    window.page.press("Pause")?;
    window.page.see("Resume it when you like.")?;
    window.page.press("Resume")?;
    window.page.lose("Resume it when you like.")?;
    // Quit by key, with a question.
    desktop.keys("ctrl+q")?;
    window.page.see("Quit Megatorrent?")?;
    window.leave_by("Quit")?;
    let served = server.requests();
    server.release();

    let window = Window::open_welcomed(&desktop, &args)?;
    window.page.see("1 item · 1 on this device")?;
    let expected = desktop.home().join("expected");
    shelf.write(&expected)?;
    compare(&expected, &download(&desktop, "Shelf", "Songs"))?;
    let all = server.requests();
    for id in &served[..1 + BEFORE] {
        assert_eq!(all.iter().filter(|asked| *asked == id).count(), 1, "{id} was here and was fetched again");
    }
    // Where there is no tray to hide in, closing would quit: it asks as Ctrl+Q does.
    desktop.close_window()?;
    window.page.see("Quit Megatorrent?")?;
    window.page.press("Cancel")?;
    window.page.lose("Quit Megatorrent?")?;
    desktop.close_window()?;
    window.page.see("Quit Megatorrent?")?;
    window.leave_by("Quit")
}

#[test]
fn a_private_channel_opens_with_its_link_and_an_update_comes_by_itself() -> Result<()> {
    let desktop = Desktop::new()?;
    let alice = Author::new("alice")?;
    let (letters, link) = alice.publish("Letters", &[("1962.txt", 900)], &["--private"])?;
    let window = Window::open_welcomed(&desktop, &alone(&[]))?;
    let page = &window.page;
    page.fill("Channel link", &link)?;
    page.press("Open link")?;
    page.see("Only people with this link can read it")?;
    page.choose("Everything")?;
    page.press("Add channel")?;
    page.see("1 item · 1 on this device")?;
    compare(&letters, &download(&desktop, "Tidewater", "Letters"))?;

    let (more, _) = alice.publish("More letters", &[("1963.txt", 950)], &["--private"])?;
    page.see("2 items · 2 on this device")?;
    compare(&more, &download(&desktop, "Tidewater", "More letters"))?;

    // The same channel with another read key is a mistake or a trap.
    let (key, rest) = link.split_at(link.rfind(':').unwrap_or_default().min("megatorrent://".len() + 64));
    let other = format!("{key}:{}", "5a".repeat(32));
    assert!(rest.len() > 64);
    Window::second_start(&desktop, &[&other])?;
    page.see("This link brings another read key")?;
    page.press("Keep the old key")?;

    // Left, with its files.
    page.press("More for Tidewater")?;
    page.press("Stop following…")?;
    page.choose("Delete its files from this computer too")?;
    page.press("Stop following")?;
    page.see("Paste a channel link to begin")?;
    let gone: PathBuf = download(&desktop, "Tidewater", "Letters");
    until("its files to go", || match megatorrent_tests::folder::files(&gone) {
        Ok(left) if !left.is_empty() => anyhow::bail!("there are {left:?}"),
        _ => Ok(Some(())),
    })
}

/// The entry that the packages install, with this program in it.
fn entry() -> Result<String> {
    let template = include_str!("../../../../src-tauri/megatorrent.desktop");
    let program = program()?;
    let filled = [("name", "Megatorrent"), ("comment", "Channels of files"), ("icon", "megatorrent-desktop")];
    let text =
        filled.iter().fold(template.to_owned(), |text, (key, value)| text.replace(&format!("{{{{{key}}}}}"), value));
    Ok(text.replace("{{exec}}", &program.to_string_lossy()))
}

#[test]
fn a_link_clicked_anywhere_on_the_desktop_reaches_the_running_window() -> Result<()> {
    let desktop = Desktop::new()?;
    let _panel = Observer::start(&desktop)?;
    let alice = Author::new("alice")?;
    let (_, link) = alice.publish("Harbour at night", &[("one.flac", 2_000)], &[])?;
    let window = Window::open_welcomed(&desktop, &alone(&[]))?;
    let applications = desktop.home().join("share/applications");
    std::fs::create_dir_all(&applications)?;
    std::fs::write(applications.join("Megatorrent.desktop"), entry()?)?;
    let mut chosen = Command::new("xdg-mime");
    chosen.args(["default", "Megatorrent.desktop", "x-scheme-handler/megatorrent"]);
    anyhow::ensure!(desktop.dress(&mut chosen).status()?.success(), "the desktop does not take the entry");
    let mut click = Command::new("xdg-open");
    let clicked = desktop.dress(click.arg(&link)).stdin(Stdio::null()).output()?;
    anyhow::ensure!(clicked.status.success(), "{}", String::from_utf8_lossy(&clicked.stderr));
    window.page.see("Opened from a link. Add this channel?")?;
    window.page.see(&link["megatorrent://".len()..][..4])?;
    // What is no link is told, and opens nothing.
    window.page.press("Cancel")?;
    let mut click = Command::new("xdg-open");
    desktop.dress(click.arg("megatorrent://12")).stdin(Stdio::null()).output()?;
    window.page.see("This is not a channel link")
}
