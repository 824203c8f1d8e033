//! A desktop without a keyring: secrets go to a vault, and the window asks for its passphrase when it needs it.

use super::{alone, ask};
use anyhow::Result;
use megatorrent_tests::desktop::{Desktop, Window};

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
