//! The web interface of a headless node, in a real browser: signed in by the printed address, a channel followed and
//! fetched, a film played, a folder of the node's computer published; and what a stranger's page gets.

use super::Author;
use anyhow::{Context, Result, bail};
use megatorrent_tests::people;
use megatorrent_tests::process::Home;
use megatorrent_tests::wav::wav;
use megatorrent_window_tests::{Browser, Desktop, until};
use serde_json::json;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

/// What a request with these lines in its head gets: the answer's head and body.
fn raw(host: &str, path: &str, lines: &[&str]) -> Result<(String, String)> {
    let mut stream = TcpStream::connect(host)?;
    stream.set_read_timeout(Some(Duration::from_secs(30)))?;
    let lines: String = lines.iter().map(|line| format!("{line}\r\n")).collect();
    write!(stream, "GET {path} HTTP/1.1\r\nConnection: close\r\n{lines}\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let (head, body) = answer.split_once("\r\n\r\n").context("no answer")?;
    Ok((head.to_owned(), body.to_owned()))
}

fn status(head: &str) -> Option<u16> {
    head.split(' ').nth(1)?.parse().ok()
}

#[test]
fn a_browser_does_what_the_window_does() -> Result<()> {
    let author = Author::new("ada")?;
    let folder = people::folder(&author.home, "Harbour", &[("notes.txt", 3000)])?;
    std::fs::write(folder.join("slack water.wav"), wav(30, 220.0))?;
    let published = people::publish(&author.home, &folder, &["--title", "Harbour"])?;
    let link = format!("{}?bootstrap={}", people::text(&published, "link")?, author.node.address());

    let server = Home::new("server", &[])?;
    let (node, address) = server.web()?;
    let (origin, token) = address.split_once("/#token=").context("no token in the address")?;
    let desktop = Desktop::new()?;
    let browser = Browser::open(&desktop, &format!("{origin}/"))?;
    let page = &browser.page;

    // Without the token there is a page that asks for it, and nothing else.
    page.see("Sign in to this node")?;
    page.fill("Address or token", &address.replace(token, &"0".repeat(token.len())))?;
    page.press("Sign in")?;
    page.see("The node does not take this token.")?;
    page.fill("Address or token", &address)?;
    page.press("Sign in")?;
    page.find("nav")?;
    let shown = page.run("return location.href + JSON.stringify(history.state)", &[])?;
    assert!(!shown.as_str().unwrap_or_default().contains(token), "the token stands in the address bar: {shown}");

    // Followed, fetched, played.
    page.fill("Channel link", &link)?;
    page.press("Open link")?;
    page.choose("Everything")?;
    page.press("Add channel")?;
    page.see("Ready")?;
    page.press("Harbour")?;
    page.press("Play: slack water.wav")?;
    until("sound in the browser", || {
        let now = page.run("return document.querySelector('video')?.currentTime ?? 0", &[])?;
        Ok((now.as_f64() > Some(1.0)).then_some(()))
    })?;
    page.press("Close the player")?;

    // A file comes out of the node as it went in; an address is a secret of its own.
    let read = page.run(
        "const headers = { authorization: `Bearer ${localStorage.getItem('megatorrent-token')}` };
         const asked = await fetch('api/file?' + new URLSearchParams({ item: args[0], path: 'notes.txt' }), { headers });
         const file = await fetch(await asked.json());
         return [file.headers.get('content-disposition'), (await file.arrayBuffer()).byteLength]",
        &[json!(people::text(&published, "item")?)],
    )?;
    assert_eq!(read, json!(["attachment", 3000]));

    // A folder of the node's computer is found and published.
    let shelf = people::folder(&server, "Shelf", &[("a.txt", 10), ("b.txt", 20)])?;
    page.go("Publish")?;
    page.press("Folder…")?;
    page.run(
        "const path = document.querySelector('dialog input');
         path.value = args[0];
         path.dispatchEvent(new Event('input', { bubbles: true }));
         path.dispatchEvent(new KeyboardEvent('keydown', { key: 'Enter', bubbles: true }))",
        &[json!(shelf)],
    )?;
    page.see("b.txt")?;
    if let Some(folder) = std::env::var_os("MEGATORRENT_SCREENSHOTS") {
        std::fs::write(std::path::Path::new(&folder).join("web-folder.png"), page.picture()?)?;
    }
    page.press("Choose this folder")?;
    page.see("2 files")?;

    // The node goes, and the page says so.
    node.stop(&server)?;
    page.see("The node does not answer")?;
    Ok(())
}

#[test]
fn strangers_get_nothing() -> Result<()> {
    let server = Home::new("server", &[])?;
    let (node, address) = server.web()?;
    let (origin, token) = address.split_once("/#token=").context("no token in the address")?;
    let host = origin.strip_prefix("http://").context("no address")?;
    let (mine, bearer) = (format!("Host: {host}"), format!("Authorization: Bearer {token}"));

    let (head, page) = raw(host, "/", &[&mine])?;
    assert_eq!(status(&head), Some(200), "{head}");
    assert!(page.contains("id=\"app\"") && !page.contains(token));
    let small = head.to_lowercase();
    assert!(small.contains("content-security-policy: default-src 'none'") && small.contains("frame-ancestors 'none'"));
    assert_eq!(status(&raw(host, "/api/hello", &[&mine, &bearer])?.0), Some(200));

    for (what, path, lines, expected) in [
        ("no token", "/api/hello", vec![mine.as_str()], 401),
        ("half a token", "/api/hello", vec![&mine, &bearer[..bearer.len() - 1]], 401),
        ("a name that leads here", "/api/hello", vec!["Host: evil.example", &bearer], 421),
        ("no name", "/", vec![], 421),
        ("another page", "/api/hello", vec![&mine, &bearer, "Origin: http://evil.example"], 421),
        ("another page's socket", "/api/socket", vec![&mine, &bearer, "Origin: null"], 421),
        ("an address nobody gave out", "/at/00000000000000000000000000000000/play", vec![&mine], 404),
        ("a way out of the pages", "/../../../../etc/passwd", vec![&mine], 404),
        ("a way out, in disguise", "/assets/%2e%2e/%2e%2e/Cargo.toml", vec![&mine], 404),
        ("a folder without a token", "/api/folder?path=/", vec![&mine], 401),
        ("a folder that is none", "/api/folder?path=/no/such", vec![&mine, &bearer], 422),
    ] {
        let (head, body) = raw(host, path, &lines)?;
        if status(&head) != Some(expected) {
            bail!("{what}: {head}\n{body}");
        }
    }
    node.stop(&server)?;

    // The token is its owner's alone, and stays.
    let file = server.data().join("web-token");
    #[cfg(unix)]
    assert_eq!(std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&file)?.permissions()) & 0o777, 0o600);
    let (node, again) = server.web()?;
    assert!(again.ends_with(token));
    node.stop(&server)?;
    // Others cannot be let in by mistake.
    let open = server.run(["daemon", "--web", "0.0.0.0:0"])?;
    assert_eq!(open.code, Some(2), "{open:?}");
    assert!(open.stderr.contains("ssh -L"), "{}", open.stderr);
    std::fs::write(&file, "short")?;
    let broken = server.run(["daemon", "--web", "127.0.0.1:0"])?;
    assert!(broken.stderr.contains("holds no token"), "{broken:?}");
    Ok(())
}
