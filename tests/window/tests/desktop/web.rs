//! The web interface of a headless node, in a real browser: signed in by its token, a channel followed and fetched, a film
//! played, a folder of the node's computer published; and what somebody gets who takes the node's port from it.

use super::Author;
use anyhow::{Context, Result, ensure};
use megatorrent_tests::people;
use megatorrent_tests::process::Home;
use megatorrent_tests::wav::wav;
use megatorrent_window_tests::{Browser, Desktop, until};
use serde_json::json;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::time::Duration;

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
        "const text = new TextEncoder();
         const secret = sessionStorage.getItem('megatorrent-session');
         const raw = Uint8Array.from(secret.match(/../g), (pair) => parseInt(pair, 16));
         const key = await crypto.subtle.importKey('raw', raw, { name: 'HMAC', hash: 'SHA-256' }, false, ['sign']);
         const hex = (bytes) => Array.from(new Uint8Array(bytes), (byte) => byte.toString(16).padStart(2, '0')).join('');
         const mac = async (...parts) => hex(await crypto.subtle.sign('HMAC', key, text.encode(parts.join('\\n'))));
         const [name, ours] = [(await mac('name')).slice(0, 32), '00'.repeat(16)];
         const { nonce } = await (await fetch(`api/greet?key=${name}&nonce=${ours}`)).json();
         const what = 'api/file?' + new URLSearchParams({ item: args[0], path: 'notes.txt' });
         const headers = { authorization: `Proof ${name}.${nonce}.${await mac('page', ours, nonce, what)}` };
         const asked = await fetch(what, { headers });
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

    // Somebody takes its port. The open tab tries again and again, and tells them nothing: no socket, no secret.
    let host = origin.strip_prefix("http://").context("an address")?;
    let secret = page.run("return sessionStorage.getItem('megatorrent-session')", &[])?;
    let secret = secret.as_str().context("a session")?.to_owned();
    let heard = overhear(host, 3)?;
    for said in &heard {
        ensure!(said.starts_with("GET /api/greet?"), "a stranger was told {said:?}");
        ensure!(!said.contains(&secret) && !said.contains(token), "a stranger was told the secret: {said:?}");
    }
    // The node is back: its sessions ended with it.
    let (node, address) = server.web_at(host)?;
    page.see("The node was started anew.")?;
    page.fill("Address or token", &address)?;
    page.press("Sign in")?;
    page.find("nav")?;
    node.stop(&server)?;
    Ok(())
}

/// Stands at a port as somebody would who wants what a page says there, until it has said so many things.
fn overhear(host: &str, count: usize) -> Result<Vec<String>> {
    let listener = TcpListener::bind(host)?;
    let mut heard = Vec::new();
    while heard.len() < count {
        let (mut stream, _) = listener.accept()?;
        stream.set_read_timeout(Some(Duration::from_secs(10)))?;
        let (mut head, mut some) = (Vec::new(), [0; 1024]);
        while !head.windows(4).any(|end| end == b"\r\n\r\n") {
            match stream.read(&mut some) {
                Ok(0) | Err(_) => break,
                Ok(read) => head.extend_from_slice(&some[..read]),
            }
        }
        // Browsers open connections ahead, and say nothing there.
        if head.is_empty() {
            continue;
        }
        heard.push(String::from_utf8_lossy(&head).into_owned());
        let body = format!(r#"{{"nonce":"{0}","proof":"{0}{0}"}}"#, "00".repeat(16));
        let told = write!(
            stream,
            "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
            body.len()
        );
        // A page that went away hears nothing.
        drop(told);
    }
    Ok(heard)
}
