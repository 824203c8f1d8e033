//! Publishing: a folder dropped on the window, an identity made on the way, its secret, its backup.

use super::{alone, ask, fetch, holding};
use anyhow::{Context, Result};
use megatorrent_tests::folder::{compare, write};
use megatorrent_tests::process::Home;
use megatorrent_window_tests::{Desktop, Window, until};
use std::path::Path;
use std::process::Command;

/// Everything that the page and the program said to each other while this ran.
const LISTEN: &str = "
    window.heard = [];
    const fetch = window.fetch;
    window.fetch = async (...asked) => {
        const answer = await fetch(...asked);
        const copy = answer.clone();
        window.heard.push(JSON.stringify([String(asked[0]), asked[1]?.body instanceof ArrayBuffer ? '' : String(asked[1]?.body)]));
        copy.text().then((text) => window.heard.push(text), () => undefined);
        return answer;
    };";

/// What the Secret Service keeps of the program's under this name.
fn kept(desktop: &Desktop, name: &str) -> Result<Vec<u8>> {
    let choice: serde_json::Value = serde_json::from_slice(&std::fs::read(desktop.data().join("keys.json"))?)?;
    let user = format!("{}/{name}", choice["install"].as_str().context("no name of the installation")?);
    let mut lookup = Command::new("secret-tool");
    Ok(desktop.dress(lookup.args(["lookup", "service", "megatorrent", "username", &user])).output()?.stdout)
}

fn drop_on(window: &Window, desktop: &Desktop, path: &Path) -> Result<()> {
    desktop.drop_files(&[path], || Ok(window.page.text()?.contains("Drop to publish")))
}

#[test]
fn a_dropped_folder_becomes_a_channel_and_its_secret_stays_in_the_keyring() -> Result<()> {
    let desktop = Desktop::new()?;
    let songs = desktop.home().join("My songs");
    write(&songs.join("live/one.flac"), 3_000_000, 1)?;
    write(&songs.join("notes.txt"), 300, 2)?;
    write(&songs.join("what?.txt"), 10, 3)?;
    let window = Window::open_welcomed(&desktop, &alone(&[]))?;
    let page = &window.page;
    page.run(LISTEN, &[])?;
    page.see("Paste a channel link to begin")?;
    drop_on(&window, &desktop, &songs)?;
    page.see("2 files")?;
    page.see("1 file will be left out.")?;
    page.see("Windows cannot store a name with “?”.")?;
    page.press("Publish")?;
    page.see("The channel needs a name.")?;
    page.fill("Name of the channel", "Lisa’s songs")?;
    page.press("Publish")?;
    page.see("The link is ready")?;
    page.see("1 file left out:")?;
    page.press("Copy link")?;
    let link = text_of(&ask(&desktop, ["link", "Lisa’s songs"])?)?;

    // A stranger gets it, byte by byte.
    let stranger = Home::new("stranger", &[])?;
    std::fs::remove_file(songs.join("what?.txt"))?;
    compare(&songs, &fetch(&desktop, &stranger, &link, "here")?)?;

    // A new version by drop: the place stays what it was, and the channel still has one item.
    write(&songs.join("live/two.flac"), 900_000, 4)?;
    page.press("Go to the channel")?;
    page.hover("My songs")?;
    page.press("More for My songs")?;
    page.press("Publish a new version…")?;
    page.see("New version of “My songs”")?;
    drop_on(&window, &desktop, &songs)?;
    page.see("3 files")?;
    page.see("New version of “My songs”")?;
    page.press("Publish update")?;
    page.see("The link is ready")?;
    let items = ask(&desktop, ["items", "Lisa’s songs"])?;
    assert_eq!(items.as_array().map(Vec::len), Some(1), "{items}");
    assert_eq!(items[0]["files"], 3);
    let later = Home::new("later", &[])?;
    compare(&songs, &fetch(&desktop, &later, &link, "here")?)?;

    // What was copied is the link, and the window knows its own.
    page.go("Channels")?;
    page.press("Add")?;
    page.named("field", "Channel link")?.click()?;
    desktop.keys("ctrl+v")?;
    until("the pasted link", || {
        let pasted = page.run("return document.querySelector('dialog[open] input').value", &[])?;
        Ok((pasted.as_str() == Some(link.as_str())).then_some(()))
    })?;
    page.press("Continue")?;
    page.see("This is your own channel")?;
    page.press("Close")?;

    // The secret: in the Secret Service, and in no file, no log and no word between page and program.
    let key = &link["megatorrent://".len()..][..64];
    let seed = kept(&desktop, &format!("identity-{key}"))?;
    assert_eq!(seed.len(), 32, "the keyring has no secret of {key}");
    let forms =
        [hex(&seed), hex(&seed).to_uppercase(), data_encoding::BASE64.encode(&seed), format!("{:?}", &seed[..8])];
    let heard = page.run("return window.heard.join('\\n')", &[])?;
    let heard = heard.as_str().context("nothing was heard")?;
    assert!(heard.contains("id_new") && heard.contains(key), "the ear was deaf: {heard}");
    for form in &forms {
        assert!(!heard.contains(form.trim_start_matches('[').trim_end_matches(']')), "the page heard the secret");
        assert_eq!(holding(desktop.home(), form.as_bytes())?, None, "a file holds the secret");
        assert!(!window.log().contains(form), "the log holds the secret");
    }
    assert_eq!(holding(&desktop.data(), &seed)?, None, "a file holds the secret");
    Ok(())
}

#[test]
fn an_identity_is_backed_up_and_lives_on_elsewhere() -> Result<()> {
    let backup = tempfile::tempdir()?;
    let file = backup.path().join("tidewater.age");
    let desktop = Desktop::new()?;
    let letters = desktop.home().join("Letters");
    write(&letters.join("1962.txt"), 900, 1)?;
    let window = Window::open_welcomed(&desktop, &alone(&[]))?;
    let page = &window.page;
    page.go("Identities")?;
    page.press("New identity")?;
    page.fill("Name", "Tidewater")?;
    page.press("Make identity")?;
    page.see("Back it up: no one can reset it for you.")?;
    page.go("Publish")?;
    drop_on(&window, &desktop, &letters)?;
    page.choose("With the link")?;
    page.press("Publish")?;
    page.see("The link is ready")?;
    page.see("It carries the read key")?;
    let link = text_of(&ask(&desktop, ["link", "Tidewater"])?)?;
    assert_eq!(link.len(), "megatorrent://".len() + 64 + 1 + 64);
    let stranger = Home::new("stranger", &[])?;
    compare(&letters, &fetch(&desktop, &stranger, &link, "here")?)?;

    page.go("Identities")?;
    page.press("Back up")?;
    page.fill("Passphrase", "correct horse battery staple")?;
    page.fill("Passphrase again", "correct horse battery staple")?;
    page.press("Save backup…")?;
    desktop.turn_back("Save")?;
    page.press("Save backup…")?;
    desktop.save_as("Save", &file)?;
    page.see("Saved to tidewater.age")?;
    assert!(std::fs::read(&file)?.starts_with(b"-----BEGIN AGE ENCRYPTED FILE-----"));
    drop(window);
    drop(desktop);

    let desktop = Desktop::new()?;
    let window = Window::open_welcomed(&desktop, &alone(&[]))?;
    let page = &window.page;
    page.go("Identities")?;
    page.see("No identity yet")?;
    drop_on(&window, &desktop, &file)?;
    page.fill("Passphrase of the backup", "wrong")?;
    page.press("Restore")?;
    page.see("The passphrase does not fit")?;
    page.run("document.querySelector('dialog[open] input').select()", &[])?;
    page.fill("Passphrase of the backup", "correct horse battery staple")?;
    page.press("Restore")?;
    page.see("“Tidewater” is back")?;
    let identities = ask(&desktop, ["id", "list"])?;
    assert_eq!(identities[0]["key"].as_str(), Some(&link["megatorrent://".len()..][..64]));
    assert_eq!(identities[0]["kept"], "keyring");
    Ok(())
}

fn text_of(value: &serde_json::Value) -> Result<String> {
    value.as_str().map(str::to_owned).with_context(|| format!("no text: {value}"))
}

fn hex(bytes: &[u8]) -> String {
    data_encoding::HEXLOWER.encode(bytes)
}
