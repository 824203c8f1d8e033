//! Secrets in a real Secret Service: a session bus and gnome-keyring of this test's own, looked at with `secret-tool`.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on says so by panicking")]

use megatorrent_tests::process::Home;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

const INSIDE: &str = "MEGATORRENT_TEST_KEYRING";

fn is_here(program: &str) -> bool {
    Command::new(program).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok()
}

#[test]
fn secrets_live_in_the_secret_service_and_nowhere_else() {
    let needed = ["dbus-run-session", "gnome-keyring-daemon", "secret-tool"];
    let lacks: Vec<_> = needed.iter().filter(|program| !is_here(program)).collect();
    assert!(lacks.is_empty(), "{lacks:?} not installed: `cargo xtask test` does it");
    let runtime = tempfile::tempdir().unwrap();
    let session = "printf 'passphrase' | gnome-keyring-daemon --unlock --components=secrets >/dev/null && exec \"$@\"";
    let child = Command::new("dbus-run-session")
        .args(["--", "sh", "-c", session, "sh"])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "inside", "--include-ignored", "--nocapture"])
        .env(INSIDE, "1")
        .env("HOME", runtime.path())
        .env("XDG_RUNTIME_DIR", runtime.path())
        .env("XDG_DATA_HOME", runtime.path().join("share"))
        .env_remove("DBUS_SESSION_BUS_ADDRESS")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .spawn()
        .unwrap();
    let group = child.id();
    // The daemon outlives its session for a minute: the group that we made ends with the test's other half.
    let said = std::thread::spawn(move || child.wait_with_output().unwrap());
    let mark = runtime.path().join("done");
    while !said.is_finished() && !mark.exists() {
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    Command::new("kill").args(["-TERM", "--", &format!("-{group}")]).status().unwrap();
    let said = said.join().unwrap();
    let text = format!("{}{}", String::from_utf8_lossy(&said.stdout), String::from_utf8_lossy(&said.stderr));
    assert_eq!(std::fs::read_to_string(&mark).ok().as_deref(), Some("came to its end"), "{text}");
}

/// A command of a home as a desktop has it: with a keyring, without a passphrase.
fn ask(home: &Home, args: &[&str], passphrase: Option<&str>) -> serde_json::Value {
    let mut command = home.command().unwrap();
    command.env_remove("MEGATORRENT_PASSPHRASE").env_remove("MEGATORRENT_NO_KEYRING").arg("--json").args(args);
    if let Some(passphrase) = passphrase {
        command.env("MEGATORRENT_PASSPHRASE", passphrase);
    }
    let out = command.output().unwrap();
    assert!(out.status.success(), "{args:?}: {}", String::from_utf8_lossy(&out.stderr));
    serde_json::from_slice(&out.stdout).unwrap()
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut out = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { out.extend(files(&path)) } else { out.push(path) }
    }
    out
}

/// What the Secret Service keeps of ours under this name.
fn kept(data: &Path, name: &str) -> Vec<u8> {
    let choice: serde_json::Value = serde_json::from_slice(&std::fs::read(data.join("keys.json")).unwrap()).unwrap();
    assert_eq!(choice["keyring"], true);
    let user = format!("{}/{name}", choice["install"].as_str().unwrap());
    let out = Command::new("secret-tool").args(["lookup", "service", "megatorrent", "username", &user]).output();
    out.unwrap().stdout
}

/// Takes one of ours out of the Secret Service.
fn forget(data: &Path, name: &str) {
    let choice: serde_json::Value = serde_json::from_slice(&std::fs::read(data.join("keys.json")).unwrap()).unwrap();
    let user = format!("{}/{name}", choice["install"].as_str().unwrap());
    let status = Command::new("secret-tool").args(["clear", "service", "megatorrent", "username", &user]).status();
    assert!(status.unwrap().success());
}

#[test]
#[ignore = "run by secrets_live_in_the_secret_service_and_nowhere_else, inside its session"]
fn inside() {
    if std::env::var_os(INSIDE).is_none() {
        return;
    }
    let home = Home::new("keyring", &[]).unwrap();
    let made = ask(&home, &["id", "new", "alice"], None);
    let key = made["key"].as_str().unwrap().to_owned();
    assert!(!home.data().join("vault.age").exists());
    let seed = kept(&home.data(), &format!("identity-{key}"));
    let store_key = kept(&home.data(), "store-key");
    assert_eq!((seed.len(), store_key.len()), (32, 32), "the secret service has both");
    for file in files(home.path()) {
        let bytes = std::fs::read(&file).unwrap();
        let hex: String = seed.iter().map(|byte| format!("{byte:02x}")).collect();
        for secret in [&seed[..], hex.as_bytes(), &store_key[..]] {
            assert!(!bytes.windows(secret.len()).any(|window| window == secret), "a secret lies in {file:?}");
        }
    }
    // A backup, to another device.
    let backup = home.path().join("alice.age");
    ask(&home, &["id", "export", "alice", backup.to_str().unwrap()], Some("of the backup"));
    let other = Home::new("other", &[]).unwrap();
    let back = ask(&other, &["id", "import", backup.to_str().unwrap()], Some("of the backup"));
    assert_eq!(back["key"], key);
    assert_eq!(kept(&other.data(), &format!("identity-{key}")), seed);
    // The keyring loses the key that the database is sealed with: nothing is sealed anew under another one.
    ask(&home, &["set", "route", "socks5://me:password@127.0.0.1:9"], None);
    forget(&home.data(), "store-key");
    ask(&home, &["id", "list"], None);
    let mut command = home.command().unwrap();
    command.env_remove("MEGATORRENT_PASSPHRASE").env_remove("MEGATORRENT_NO_KEYRING");
    let out = command.args(["--json", "set", "route", "socks5://me:other@127.0.0.1:9"]).output().unwrap();
    let text = String::from_utf8_lossy(&out.stderr).into_owned() + &String::from_utf8_lossy(&out.stdout);
    assert_eq!(out.status.code(), Some(5), "{text}");
    assert!(text.contains("other_key"), "{text}");
    assert!(kept(&home.data(), "store-key").is_empty(), "no new one was made");
    assert_eq!(ask(&home, &["status"], None)["secrets"], "other_key");
    // It is gone for good: it goes on without it, on a word, and the identity whose secret is there stays.
    let told = ask(&home, &["id", "give-up"], None);
    assert_eq!(
        (&told["done"], &told["identities"], &told["others"]),
        (&false.into(), &serde_json::json!([]), &true.into())
    );
    assert!(kept(&home.data(), "store-key").is_empty(), "telling changes nothing");
    assert_eq!(ask(&home, &["id", "give-up", "--yes"], None)["done"], true);
    assert_eq!(kept(&home.data(), &format!("identity-{key}")), seed, "in its new place");
    assert_eq!(kept(&home.data(), "store-key").len(), 32);
    assert_eq!(ask(&home, &["status"], None)["secrets"], "keyring");
    ask(&home, &["set", "route", "socks5://me:other@127.0.0.1:9"], None);
    let mut command = home.command().unwrap();
    command.env_remove("MEGATORRENT_PASSPHRASE").env_remove("MEGATORRENT_NO_KEYRING");
    let again = command.args(["--json", "id", "give-up", "--yes"]).output().unwrap();
    assert_eq!(again.status.code(), Some(2), "there is nothing to give up");
    // A v5 client's identity.
    let v5 = home.path().join("identity.json");
    std::fs::write(&v5, format!(r#"{{"seed":"{}"}}"#, "09".repeat(32))).unwrap();
    let imported = ask(&other, &["id", "import", v5.to_str().unwrap(), "--name", "old"], None);
    let old = kept(&other.data(), &format!("identity-{}", imported["key"].as_str().unwrap()));
    assert_eq!(old, [9; 32]);
    std::fs::write(PathBuf::from(std::env::var_os("XDG_RUNTIME_DIR").unwrap()).join("done"), "came to its end")
        .unwrap();
}

#[test]
fn without_keyring_and_passphrase_the_command_says_what_to_do() {
    let home = Home::new("nothing", &[]).unwrap();
    let mut command = home.command().unwrap();
    command.env_remove("MEGATORRENT_PASSPHRASE").args(["id", "new", "alice"]);
    let out = command.output().unwrap();
    let text = String::from_utf8_lossy(&out.stderr);
    assert!(!out.status.success());
    assert!(text.contains("no keyring") && text.contains("MEGATORRENT_PASSPHRASE"), "{text}");
    assert!(!home.data().join("vault.age").exists());
}

/// The passphrase of the vault is forgotten: what was fetched and published stays, the identity comes back from its backup.
#[test]
fn a_forgotten_passphrase_costs_what_it_sealed_and_a_backup_brings_the_identity_back() {
    let home = Home::new("forgetful", &[]).unwrap();
    let daemon = home.daemon().unwrap();
    home.ask(["id", "new", "Family"]).unwrap();
    let letter = home.path().join("letter.txt");
    std::fs::write(&letter, "a letter").unwrap();
    let published = home.ask(["publish", "--private", letter.to_str().unwrap()]).unwrap();
    let backup = home.path().join("family.age");
    home.ask(["id", "export", "Family", backup.to_str().unwrap()]).unwrap();
    daemon.stop(&home).unwrap();
    let vault = std::fs::read(home.data().join("vault.age")).unwrap();
    let run = |passphrase: &str, args: &[&str]| {
        let mut command = home.command().unwrap();
        command.env("MEGATORRENT_PASSPHRASE", passphrase).arg("--json").args(args);
        megatorrent_tests::process::finish(command).unwrap()
    };
    let new = "another passphrase";
    assert_eq!(run(new, &["id", "list"]).error_code().as_deref(), Some("wrong_passphrase"));
    // While it can be opened nothing is given up.
    let refused = run("the passphrase of forgetful", &["id", "give-up", "--yes"]);
    assert_eq!(refused.code, Some(2), "{}", refused.stderr);
    let told = run(new, &["id", "give-up"]).json().unwrap();
    assert_eq!((&told["done"], &told["identities"]), (&false.into(), &serde_json::json!(["Family"])));
    assert_eq!(told["closed"].as_array().unwrap().len(), 1);
    assert_eq!(std::fs::read(home.data().join("vault.age")).unwrap(), vault, "telling changes nothing");
    run(new, &["id", "give-up", "--yes"]).json().unwrap();
    let beside = std::fs::read_dir(home.data()).unwrap().filter_map(|entry| {
        let path = entry.unwrap().path();
        path.file_name()?.to_str()?.starts_with("vault.age.").then_some(path)
    });
    let beside: Vec<PathBuf> = beside.collect();
    assert_eq!(beside.len(), 1);
    assert_eq!(std::fs::read(&beside[0]).unwrap(), vault, "somebody may remember it yet");
    assert_eq!(run(new, &["id", "list"]).json().unwrap(), serde_json::json!([]));
    let channel = &run(new, &["channels"]).json().unwrap()[0];
    assert_eq!((&channel["own"], &channel["items"]), (&false.into(), &1.into()), "{channel}");
    // The backup was made under the old passphrase of this test's homes; the vault is the new one's.
    let mut command = home.command().unwrap();
    command.env("MEGATORRENT_PASSPHRASE", new).args(["--json", "id", "import"]).arg(&backup);
    let wrong = megatorrent_tests::process::finish(command).unwrap();
    assert_eq!(wrong.error_code().as_deref(), Some("wrong_passphrase"), "{}", wrong.stderr);
    let daemon = {
        let mut command = home.command().unwrap();
        command.env("MEGATORRENT_PASSPHRASE", new).arg("--json").args(home.network()).arg("daemon");
        home.await_daemon(command).unwrap()
    };
    home.ask(["id", "import", backup.to_str().unwrap()]).unwrap();
    let link = home.ask(["link", "Family"]).unwrap();
    assert_eq!(link, published["link"]);
    daemon.stop(&home).unwrap();
}
