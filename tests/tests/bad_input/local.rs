//! What others on this computer may hand in: lines on the local socket, backups that are none, a damaged data folder.

use super::refused;
use megatorrent_tests::process::Home;
use std::fs;

#[cfg(unix)]
#[test]
fn nonsense_on_the_local_socket_is_answered_or_ends_its_connection_only() {
    use std::io::{BufRead, BufReader, Read, Write};
    use std::os::unix::net::UnixStream;
    let home = Home::new("lines", &[]).unwrap();
    let daemon = home.daemon().unwrap();
    let dial = || {
        let stream = UnixStream::connect(home.data().join("node.sock")).unwrap();
        stream.set_read_timeout(Some(megatorrent_tests::process::PATIENCE)).unwrap();
        stream
    };
    let deep = format!(
        "{{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"look\",\"params\":{}{}}}",
        "[".repeat(50_000),
        "]".repeat(50_000)
    );
    for (line, code) in [
        (&b"not json"[..], -32700),
        (b"\xff\xfe", -32700),
        (b"[]", -32600),
        (b"{}", -32600),
        (b"{\"jsonrpc\":\"1.0\",\"id\":1,\"method\":\"status\"}", -32600),
        (b"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"format_disk\"}", -32601),
        (b"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"look\"}", -32602),
        (b"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"look\",\"params\":{\"link\":5}}", -32602),
        (b"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"items\",\"params\":{\"channel\":\"nobody\"}}", -32000),
        (deep.as_bytes(), -32602),
    ] {
        let mut stream = dial();
        stream.write_all(line).unwrap();
        stream.write_all(b"\n").unwrap();
        let mut answer = String::new();
        BufReader::new(stream).read_line(&mut answer).unwrap();
        let shown = String::from_utf8_lossy(&line[..line.len().min(60)]);
        let answer: serde_json::Value = serde_json::from_str(&answer).unwrap_or_else(|e| panic!("{shown}: {e}"));
        let got = answer["error"]["code"].as_i64();
        assert!(got == Some(code) || (code == -32602 && got == Some(-32700)), "{shown}: {answer}");
    }
    // Lines without end are cut, half lines and sudden ends forgotten.
    let mut endless = dial();
    let chunk = vec![b'x'; 1 << 16];
    let mut sent = 0_usize;
    while endless.write_all(&chunk).is_ok() {
        sent += chunk.len();
        assert!(sent < 64 << 20, "the node reads a line of {sent} bytes");
    }
    drop(endless);
    dial().write_all(b"{\"jsonrpc\":\"2.0\",\"id\":1,\"meth").unwrap();
    let mut idle = dial();
    home.ask(["status"]).unwrap();
    daemon.stop(&home).unwrap();
    let mut rest = Vec::new();
    // A node that stops closes what is open.
    let _ = idle.read_to_end(&mut rest);
    assert!(rest.is_empty());
}

#[test]
fn a_backup_that_is_none_is_named_and_changes_nothing() {
    let home = Home::new("backups", &[]).unwrap();
    let daemon = home.daemon().unwrap();
    home.ask(["id", "new", "alice"]).unwrap();
    let at = |name: &str| home.path().join(name);
    home.ask(["id", "export", "alice", at("good.age").to_str().unwrap()]).unwrap();
    let good = fs::read_to_string(at("good.age")).unwrap();
    assert!(!good.contains("alice") && good.starts_with("-----BEGIN AGE ENCRYPTED FILE-----"));
    let half = "ab".repeat(32);
    for (name, bytes, exit, code) in [
        ("empty.age", String::new(), 2, "bad_argument"),
        ("noise.age", "\u{0}\u{1}noise".to_owned(), 2, "bad_argument"),
        ("cut.age", good[..good.len() / 2].to_owned(), 2, "bad_argument"),
        ("huge.age", "x".repeat(4 << 20), 2, "bad_argument"),
        ("array.json", "[]".to_owned(), 2, "bad_argument"),
        ("nested.json", format!("{{\"secretKey\":{}", "[".repeat(50_000)), 2, "bad_argument"),
        ("short.json", "{\"secretKey\":\"abcd\"}".to_owned(), 2, "bad_argument"),
        ("foreign.json", format!("{{\"publicKey\":\"{half}\",\"secretKey\":\"{half}\"}}"), 2, "bad_argument"),
        ("halves.json", format!("{{\"secretKey\":\"{half}{half}\"}}"), 2, "bad_argument"),
    ] {
        fs::write(at(name), bytes).unwrap();
        let answer = home.run(["id", "import", at(name).to_str().unwrap(), "--name", "other"]).unwrap();
        let said = refused(&answer, exit, code, &[name]);
        assert!(!said.contains(&half), "{said}");
    }
    // Never over another file.
    let taken = home.run(["id", "export", "alice", at("good.age").to_str().unwrap()]).unwrap();
    refused(&taken, 6, "io", &["good.age", "exists already"]);
    assert_eq!(fs::read_to_string(at("good.age")).unwrap(), good);
    let missing = home.run(["id", "import", at("nowhere.age").to_str().unwrap()]).unwrap();
    refused(&missing, 3, "not_found", &["nowhere.age", "does not exist"]);
    assert_eq!(home.ask(["id", "list"]).unwrap().as_array().unwrap().len(), 1);
    daemon.stop(&home).unwrap();
}

#[test]
fn without_keyring_terminal_or_variable_it_says_that_sentence() {
    let home = Home::new("no-secrets", &[]).unwrap();
    let mut command = home.command().unwrap();
    command.env_remove("MEGATORRENT_PASSPHRASE").args(["--json", "id", "new", "alice"]);
    let answer = megatorrent_tests::process::finish(command).unwrap();
    refused(&answer, 5, "secrets", &["no keyring", "MEGATORRENT_PASSPHRASE", "terminal"]);
    home.ask(["id", "new", "alice"]).unwrap();
    let mut command = home.command().unwrap();
    command.env("MEGATORRENT_PASSPHRASE", "another").args(["--json", "publish", "/etc/hostname", "--id", "alice"]);
    let answer = megatorrent_tests::process::finish(command).unwrap();
    refused(&answer, 5, "wrong_passphrase", &["passphrase"]);
}

#[test]
fn a_damaged_data_folder_is_named_and_not_made_new() {
    let home = Home::new("damaged", &[]).unwrap();
    home.ask(["id", "new", "alice"]).unwrap();
    let base = fs::read_dir(home.data()).unwrap().map(|entry| entry.unwrap().path());
    let base =
        base.into_iter().find(|path| fs::read(path).is_ok_and(|bytes| bytes.starts_with(b"SQLite format 3"))).unwrap();
    let whole = fs::read(&base).unwrap();
    let mut damaged = whole.clone();
    damaged[..100].fill(0x5a);
    fs::write(&base, &damaged).unwrap();
    refused(&home.run(["id", "list"]).unwrap(), 6, "corrupt", &["damaged"]);
    assert_eq!(fs::read(&base).unwrap(), damaged, "what may still be saved is left alone");
    fs::write(&base, &whole).unwrap();
    assert_eq!(home.ask(["id", "list"]).unwrap()[0]["name"], "alice");
}
