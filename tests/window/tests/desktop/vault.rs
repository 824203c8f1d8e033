//! A desktop without a keyring, or with one that is locked: secrets go to a vault, and the window asks for its passphrase
//! when it needs it.

use super::{alone, ask};
use anyhow::Result;
use megatorrent_window_tests::{Desktop, Session, Window};

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
