//! The web interface's door, without a browser: who is let in, and what everybody else gets.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on says so by panicking")]

use anyhow::{Context, Result, bail, ensure};
use megatorrent_tests::process::Home;
use megatorrent_tests::visitor::{Visitor, request};
use std::io::{Read, Write};
use std::net::TcpStream;

#[test]
fn strangers_get_nothing() -> Result<()> {
    let server = Home::new("server", &[])?;
    let (node, address) = server.web()?;
    let token = Visitor::with_token(&address)?;
    let (host, mine) = (token.host().to_owned(), token.named());

    let page = request(&host, "/", &[&mine])?;
    ensure!(page.status == 200, "{page:?}");
    let secret = address.split_once("token=").context("a token")?.1;
    ensure!(!page.body.contains(secret));
    let small = page.head.to_lowercase();
    ensure!(small.contains("content-security-policy: default-src 'none'") && small.contains("frame-ancestors 'none'"));

    // The token signs in, once; it opens nothing else, and is said to nobody.
    ensure!(token.ask("api/folder?path=/")?.status == 401, "the token itself opens a folder");
    let session = token.sign_in()?;
    ensure!(!token.is_known()?, "the token is good for a second session");
    ensure!(session.ask("api/hello")?.status == 200);
    let next = std::fs::read_to_string(server.data().join("web-token"))?;
    ensure!(next != secret, "no other token takes its place");

    let fresh = || session.proof("api/hello");
    let used = fresh()?;
    ensure!(request(&host, "/api/hello", &[&mine, &used])?.status == 200);
    let (bearer, cut) = (format!("Authorization: Bearer {next}"), fresh()?);
    for (what, path, lines, expected) in [
        ("no proof", "/api/hello", vec![mine.as_str()], 401),
        ("a proof that was used", "/api/hello", vec![&mine, &used], 401),
        ("half a proof", "/api/hello", vec![&mine, &cut[..cut.len() - 2]], 401),
        ("a proof for something else", "/api/folder?path=/", vec![&mine, &fresh()?], 401),
        ("a token that is shown", "/api/hello", vec![&mine, &bearer], 401),
        ("a name that leads here", "/api/hello", vec!["Host: evil.example", &fresh()?], 421),
        ("no port, where it is no usual one", "/api/hello", vec!["Host: 127.0.0.1", &fresh()?], 421),
        ("no name", "/", vec![], 421),
        ("another page", "/api/hello", vec![&mine, &fresh()?, "Origin: http://evil.example"], 421),
        ("another page's socket", "/api/socket", vec![&mine, &fresh()?, "Origin: null"], 421),
        ("a key that nobody has", "/api/greet?key=00&nonce=00112233445566778899aabbccddeeff", vec![&mine], 401),
        ("an address nobody gave out", "/at/00000000000000000000000000000000/play", vec![&mine], 404),
        ("a way out of the pages", "/../../../../etc/passwd", vec![&mine], 404),
        ("a way out, in disguise", "/assets/%2e%2e/%2e%2e/Cargo.toml", vec![&mine], 404),
        ("a folder without a proof", "/api/folder?path=/", vec![&mine], 401),
    ] {
        let lines: Vec<&str> = lines;
        let answer = request(&host, path, &lines)?;
        if answer.status != expected {
            bail!("{what}: {answer:?}");
        }
    }
    ensure!(session.ask("api/folder?path=/no/such")?.status == 422);
    ensure!(session.ask("api/folder?path=/")?.status == 200);
    node.stop(&server)?;

    // The token is its owner's alone, and another one after each start; nothing of the last life is good.
    let file = server.data().join("web-token");
    #[cfg(unix)]
    assert_eq!(std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&file)?.permissions()) & 0o777, 0o600);
    let (node, again) = server.web_at(&host)?;
    ensure!(!again.ends_with(&next) && !session.is_known()? && !token.is_known()?);
    ensure!(!node.log().contains(again.split_once("token=").context("a token")?.1), "a log holds the token");
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

/// A thousand half requests of somebody who has no token keep nobody out, and cost the node no more than its places.
#[test]
fn half_requests_keep_nobody_out() -> Result<()> {
    let server = Home::new("server", &[])?;
    let (node, address) = server.web()?;
    let session = Visitor::with_token(&address)?.sign_in()?;
    let mut silent = Vec::new();
    for _ in 0..1000 {
        if let Ok(mut half) = TcpStream::connect(session.host()) {
            // One that had to go already.
            let _ = half.write_all(b"GET / HT");
            silent.push(half);
        }
        if silent.len() % 100 == 0 {
            ensure!(session.ask("api/hello")?.status == 200, "after {}", silent.len());
        }
    }
    #[cfg(target_os = "linux")]
    {
        let open = std::fs::read_dir(format!("/proc/{}/fd", node.id()))?.count();
        ensure!(open < 200, "{open} handles are open");
    }
    let mut first = silent.swap_remove(0);
    first.set_read_timeout(Some(std::time::Duration::from_secs(30)))?;
    ensure!(matches!(first.read(&mut [0; 1]), Ok(0) | Err(_)));
    node.stop(&server)
}

/// On port 80 browsers leave the port out of `Host` and `Origin`.
#[test]
fn the_usual_port_may_be_left_out() -> Result<()> {
    let server = Home::new("server", &[])?;
    if std::net::TcpListener::bind("127.0.0.1:80").is_err() {
        #[allow(clippy::print_stderr, reason = "this is how a test says that it cannot be tried here")]
        {
            eprintln!("skipped: port 80 is not ours to take");
        }
        return Ok(());
    }
    let (node, _) = server.web_at("127.0.0.1:80")?;
    for (lines, expected) in [
        (vec!["Host: 127.0.0.1"], 200),
        (vec!["Host: 127.0.0.1:80"], 200),
        (vec!["Host: localhost", "Origin: http://localhost"], 200),
        (vec!["Host: 127.0.0.1", "Origin: https://127.0.0.1"], 421),
        (vec!["Host: 127.0.0.1:81"], 421),
    ] {
        let answer = request("127.0.0.1:80", "/", &lines)?;
        ensure!(answer.status == expected, "{lines:?}: {answer:?}");
    }
    node.stop(&server)
}
