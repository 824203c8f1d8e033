//! A desktop without a keyring, or with one that is locked: secrets go to a vault, and the window asks for its passphrase
//! when it needs it.

use super::{Author, alone, ask};
use anyhow::{Result, ensure};
use megatorrent_tests::process::{self, finish};
use megatorrent_window_tests::{Desktop, Group, Session, Window, program, until};
use std::process::{Command, Stdio};

#[test]
fn without_a_keyring_a_vault_keeps_the_secrets() -> Result<()> {
    let desktop = Desktop::without_keyring()?;
    let window = Window::open_welcomed(&desktop, &alone(&[]))?;
    let page = &window.page;
    page.go("Settings")?;
    page.see("There is no keyring here.")?;
    page.go("Identities")?;
    page.press("New identity")?;
    page.see("Make a vault")?;
    page.fill("Passphrase", "correct horse battery staple")?;
    page.fill("Passphrase again", "correct horse battery staple")?;
    page.press("Make vault")?;
    page.fill("Name", "Tidewater")?;
    page.press("Make identity")?;
    page.see("“Tidewater” is made.")?;
    assert_eq!(ask(&desktop, ["id", "list"])?[0]["kept"], "vault");
    desktop.keys("ctrl+q")?;
    window.leave_by("Quit")?;

    let window = Window::open_welcomed(&desktop, &alone(&[]))?;
    let page = &window.page;
    page.see("The vault is locked")?;
    page.press("Unlock…")?;
    page.fill("Passphrase", "wrong")?;
    page.press("Unlock")?;
    page.see("The passphrase does not fit")?;
    page.run("document.querySelector('dialog[open] input').select()", &[])?;
    page.fill("Passphrase", "correct horse battery staple")?;
    page.press("Unlock")?;
    page.lose("The vault is locked")
}

#[test]
fn a_private_channel_is_followed_without_a_keyring_once_a_vault_is_made_on_the_way() -> Result<()> {
    let desktop = Desktop::without_keyring()?;
    let alice = Author::new("alice")?;
    let (_, link) = alice.publish("Letters 1961–74", &[("one.txt", 40)], &["--private"])?;
    let args = alone(&[alice.node.address()]);
    let followed = || Ok::<_, anyhow::Error>(ask(&desktop, ["channels"])?.as_array().map_or(0, Vec::len));

    let window = Window::open_welcomed(&desktop, &args)?;
    let page = &window.page;
    page.fill("Channel link", &link)?;
    page.press("Open link")?;
    page.see("Nothing has been sent anywhere yet.")?;
    // Its read key has no place to be kept. Who turns back is where they were.
    page.press("Add channel")?;
    page.see("There is no keyring on this computer")?;
    page.press("Cancel")?;
    page.lose("There is no keyring on this computer")?;
    assert_eq!(followed()?, 0);
    page.press("Add channel")?;
    page.see("Make a vault")?;
    // Too short a passphrase makes none.
    page.fill("Passphrase", "abcdefg")?;
    page.fill("Passphrase again", "abcdefg")?;
    page.see("At least 8 characters.")?;
    page.find("dialog[open] button[type=submit]:disabled")?;
    page.fill("Passphrase", "h")?;
    page.fill("Passphrase again", "h")?;
    page.press("Make vault")?;
    page.see("Letters 1961–74")?;
    assert_eq!(followed()?, 1);
    assert_eq!(ask(&desktop, ["status"])?["secrets"], "vault");
    desktop.keys("ctrl+q")?;
    window.leave_by("Quit")?;

    // The key came from the vault and nowhere else: without the passphrase there is no link.
    let window = Window::open_welcomed(&desktop, &args)?;
    let page = &window.page;
    page.press("Share")?;
    page.fill("Passphrase", "abcdefgh")?;
    page.press("Unlock")?;
    page.see("Copy link")?;
    assert_eq!(followed()?, 1);
    Ok(())
}

/// A person has a minute to unlock the keyring; here nobody does.
fn stays_locked(page: &Session) -> Result<()> {
    let told = "The keyring is locked still";
    page.see(told).or_else(|_| page.see(told))
}

#[test]
fn a_locked_keyring_is_told_from_none_and_a_vault_is_the_way_on() -> Result<()> {
    let desktop = Desktop::with_locked_keyring()?;
    let window = Window::open_welcomed(&desktop, &alone(&[]))?;
    let page = &window.page;
    page.go("Settings")?;
    page.see("The keyring of this computer is locked.")?;
    page.go("Identities")?;
    page.press("New identity")?;
    page.see("This computer has a keyring, and it is locked.")?;
    page.press("Try the keyring")?;
    stays_locked(page)?;
    page.fill("Passphrase", "correct horse battery staple")?;
    page.fill("Passphrase again", "correct horse battery staple")?;
    page.press("Make vault")?;
    page.fill("Name", "Tidewater")?;
    page.press("Make identity")?;
    page.see("“Tidewater” is made.")?;
    assert_eq!(ask(&desktop, ["id", "list"])?[0]["kept"], "vault");
    Ok(())
}

#[test]
fn secrets_in_a_keyring_that_is_locked_now_wait_for_it() -> Result<()> {
    let mut desktop = Desktop::new()?;
    let window = Window::open_welcomed(&desktop, &alone(&[]))?;
    window.page.go("Identities")?;
    window.page.press("New identity")?;
    window.page.fill("Name", "Tidewater")?;
    window.page.press("Make identity")?;
    window.page.see("“Tidewater” is made.")?;
    desktop.keys("ctrl+q")?;
    window.leave_by("Quit")?;

    desktop.lock_keyring()?;
    let window = Window::open_welcomed(&desktop, &alone(&[]))?;
    window.page.see("The keyring is locked")?;
    window.page.press("Unlock…")?;
    window.page.see("it is locked. Unlock it where you manage its passwords")?;
    window.page.press("Try again")?;
    stays_locked(&window.page)?;
    window.page.press("Cancel")?;
    desktop.keys("ctrl+q")?;
    window.leave_by("Quit")?;

    // Unlocked again, as by logging in: what was kept is there.
    desktop.unlock_keyring()?;
    let window = Window::open_welcomed(&desktop, &alone(&[]))?;
    window.page.go("Settings")?;
    window.page.see("Kept in this computer's keyring")?;
    assert_eq!(ask(&desktop, ["status"])?["secrets"], "keyring");
    Ok(())
}

fn holds(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|some| some == part)
}

/// What each process of this desktop was started with: its words and its variables. One that shows them to nobody has none.
fn started_with(desktop: &Desktop) -> Result<Vec<(Vec<u8>, Vec<u8>)>> {
    let home = desktop.home().as_os_str().as_encoded_bytes();
    let all = std::fs::read_dir("/proc")?.filter_map(Result::ok).map(|entry| entry.path());
    let told = all.filter_map(|process| {
        let words = std::fs::read(process.join("cmdline")).ok()?;
        let variables = std::fs::read(process.join("environ")).unwrap_or_default();
        (holds(&words, home) || holds(&variables, home)).then_some((words, variables))
    });
    Ok(told.collect())
}

#[test]
fn a_passphrase_in_a_variable_opens_the_vault_and_nothing_that_is_started_gets_to_know_it() -> Result<()> {
    const NAME: &str = "MEGATORRENT_PASSPHRASE";
    const SECRET: &str = "correct horse battery staple";
    let desktop = Desktop::without_keyring()?;
    let mut command = Command::new(process::program()?);
    desktop.dress(&mut command).env(NAME, SECRET).arg("--data-dir").arg(desktop.data());
    command.args(["--json", "id", "new", "Tidewater"]);
    finish(command)?.json()?;
    std::fs::write(desktop.data().join("window.json"), r#"{"welcomed":true}"#)?;

    let mut command = Command::new(program()?);
    desktop.dress(&mut command).env(NAME, SECRET).args(alone(&[]));
    let _running = Group::start(command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()))?;
    // Nobody else opens the data folder before the program has.
    until("the node", || Ok(desktop.data().join("node.sock").exists().then_some(())))?;
    // A key is made only where the vault is open.
    until("the vault open", || Ok(ask(&desktop, ["id", "new", "Second"]).is_ok().then_some(())))?;
    assert_eq!(ask(&desktop, ["id", "list"])?[1]["kept"], "vault");
    let seen = until("the page's own process", || {
        let seen = started_with(&desktop)?;
        Ok(seen.iter().any(|(words, _)| holds(words, b"WebKitWebProcess")).then_some(seen))
    })?;
    for (words, variables) in seen {
        let who = String::from_utf8_lossy(&words).replace('\0', " ");
        ensure!(!holds(&words, SECRET.as_bytes()) && !holds(&variables, SECRET.as_bytes()), "it is known to {who}");
    }
    Ok(())
}
