//! Settings: language, looks, the session's autostart, what closing does. All of them last.

use super::alone;
use anyhow::{Context, Result};
use megatorrent_window_tests::{Desktop, Observer, Window, until};

#[test]
fn started_hidden_without_a_tray_it_can_be_found() -> Result<()> {
    let desktop = Desktop::new()?;
    std::fs::create_dir_all(desktop.data())?;
    std::fs::write(desktop.data().join("window.json"), r#"{"welcomed":true}"#)?;
    let mut args = alone(&[]);
    args.push("--hidden".to_owned());
    // What cannot be seen is not drawn: nothing of the page but its first word is waited for.
    let window = Window::open(&desktop, &args)?;
    until("the window in the desktop's list", || Ok(desktop.lists_window()?.then_some(())))?;
    assert!(!desktop.shows_window(), "it is minimised");
    // Taken from the list, all of it is there.
    desktop.take_from_list()?;
    desktop.wait_window(true)?;
    window.page.see("Paste a channel link to begin")?;
    // What is offered and said fits a desktop without a tray.
    window.page.go("Settings")?;
    window.page.see("Start with the computer, minimised")?;
    window.page.see("This desktop has no tray. Closing the window ends the program, after a question.")?;
    let text = window.page.text()?;
    anyhow::ensure!(!text.contains("Keep running in the tray") && !text.contains("computer, in the tray"), "{text}");
    Ok(())
}

#[test]
fn settings_hold_at_once_and_at_the_next_start() -> Result<()> {
    let desktop = Desktop::new()?;
    let _panel = Observer::start(&desktop)?;
    let window = Window::open_welcomed(&desktop, &alone(&[]))?;
    let page = &window.page;
    page.go("Settings")?;
    // Started by the session: a file in its place, which starts the program in the tray.
    page.choose("Start with the computer, in the tray")?;
    let autostart = desktop.home().join(".config/autostart");
    let entry = until("the session's entry", || {
        let Ok(mut files) = std::fs::read_dir(&autostart) else { return Ok(None) };
        Ok(files.next().transpose()?.map(|file| file.path()))
    })?;
    let text = std::fs::read_to_string(&entry)?;
    let exec = text.lines().find(|line| line.starts_with("Exec=")).context("no Exec")?;
    assert!(exec.contains("megatorrent-desktop") && exec.ends_with("--hidden"), "{text}");
    page.choose("Start with the computer, in the tray")?;
    until("the entry to go", || Ok((!entry.exists()).then_some(())))?;

    page.choose("Keep running in the tray when the window is closed")?;
    page.run("const theme = document.querySelector('#s-theme'); theme.value = 'dark'; theme.dispatchEvent(new Event('change', { bubbles: true }))", &[])?;
    until("the dark page", || {
        let ground = page.run("return getComputedStyle(document.body).backgroundColor", &[])?;
        Ok((ground == "rgb(20, 23, 21)").then_some(()))
    })?;
    let language = "const one = document.querySelector('#s-language'); one.value = 'de'; one.dispatchEvent(new Event('change', { bubbles: true }))";
    page.run(language, &[])?;
    page.see("Einstellungen")?;
    page.see("Sprache")?;
    assert_eq!(page.run("return document.documentElement.lang", &[])?, "de");
    // Closing would quit now, tray or not: it asks. Who closes again while it asks means it.
    desktop.close_window()?;
    page.see("Megatorrent beenden?")?;
    desktop.close_window()?;
    window.wait()?;

    let window = Window::open_welcomed(&desktop, &alone(&[]))?;
    window.page.see("Füge einen Kanal-Link ein")?;
    let ground = window.page.run("return getComputedStyle(document.body).backgroundColor", &[])?;
    assert_eq!(ground, "rgb(20, 23, 21)");
    Ok(())
}
