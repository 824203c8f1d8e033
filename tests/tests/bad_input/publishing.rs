//! What people name to be published, and where, that no list can hold or that must not get out.

use super::refused;
use megatorrent_tests::process::{Answer, Daemon, Home};
use serde_json::Value;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

struct Author {
    home: Home,
    daemon: Daemon,
}

impl Author {
    fn new(name: &str) -> Self {
        let home = Home::new(name, &[]).unwrap();
        let daemon = home.daemon().unwrap();
        home.ask(["id", "new", "alice"]).unwrap();
        Self { home, daemon }
    }

    fn at(&self, path: &str) -> PathBuf {
        self.home.path().join(path)
    }

    fn write(&self, path: &str, text: &str) -> PathBuf {
        let path = self.at(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        path
    }

    fn publish(&self, paths: &[&Path]) -> Answer {
        self.home.run(["publish".as_ref()].into_iter().chain(paths.iter().map(|path| path.as_os_str()))).unwrap()
    }

    fn items(&self) -> Vec<Value> {
        self.home.ask(["items", "alice"]).unwrap().as_array().unwrap().clone()
    }

    fn stop(self) {
        self.daemon.stop(&self.home).unwrap();
    }
}

fn left_out(published: &Value) -> Vec<(&str, &str)> {
    let all = published["left_out"].as_array().unwrap().iter();
    all.map(|one| (one["path"].as_str().unwrap(), one["why"].as_str().unwrap())).collect()
}

/// Once such a path was named, every client hung, and the node could tell nobody of any item any more.
#[test]
fn a_path_that_is_no_text_works_at_every_door() {
    let author = Author::new("march");
    let strange = author.home.path().join(OsStr::from_bytes(b"m\xe4rz"));
    fs::create_dir(&strange).unwrap();
    for name in [&b"plain.txt"[..], b"caf\xe9.txt", b"caf\xe8.txt"] {
        fs::write(strange.join(OsStr::from_bytes(name)), name).unwrap();
    }
    let mut watch = author.daemon.watch(&author.home).unwrap();
    let no_title = author.publish(&[&strange]);
    refused(&no_title, 2, "bad_argument", &["m\\xe4rz", "is not valid text (UTF-8)", "--title"]);
    let no_name = author.publish(&[&strange.join(OsStr::from_bytes(b"caf\xe9.txt"))]);
    refused(&no_name, 2, "bad_argument", &["caf\\xe9.txt", "is not valid text (UTF-8)"]);

    let words = ["publish".as_ref(), strange.as_os_str(), "--title".as_ref(), "March".as_ref()];
    let published = author.home.ask(words).unwrap();
    let why = "its name is not valid text (UTF-8)";
    assert_eq!(left_out(&published), [("caf\\xe8.txt", why), ("caf\\xe9.txt", why)]);
    let id = published["item"].as_str().unwrap();
    let place = strange.to_str().is_none().then(|| format!("{}/m\0e4rz", author.home.path().display())).unwrap();
    watch.until("its channel with the item", |event| (event["data"]["items"] == 1).then_some(())).unwrap();
    for words in [&["items", "alice"][..], &["transfers"]] {
        assert_eq!(author.home.ask(words).unwrap()[0]["path"], place.as_str(), "{words:?}");
    }
    author.home.ask(["verify", id]).unwrap();

    // From within, by a plain name.
    let mut command = author.home.command().unwrap();
    command.args(["--json", "publish", "plain.txt"]).current_dir(&strange);
    let within = megatorrent_tests::process::finish(command).unwrap().json().unwrap();
    assert_eq!(within["files"], 1);

    // Fetched there, moved there, found there, backed up there.
    let reader = Home::new("reader", &[]).unwrap();
    let node = reader.daemon_with(["--peer", author.daemon.address()]).unwrap();
    let out = reader.path().join(OsStr::from_bytes(b"out \xff"));
    let link = published["link"].as_str().unwrap();
    reader.ask(["get".as_ref(), link.as_ref(), "-o".as_ref(), out.as_os_str()]).unwrap();
    assert_eq!(fs::read(out.join("March/plain.txt")).unwrap(), b"plain.txt");
    let somewhere = |part: &str| {
        let all = reader.ask(["transfers"]).unwrap();
        let found = all.as_array().unwrap().iter().any(|item| item["path"].as_str().unwrap().contains(part));
        assert!(found, "{part:?} is in no path of {all}");
    };
    somewhere("/out \0ff");
    let moved = reader.path().join(OsStr::from_bytes(b"moved \xfe"));
    reader.ask(["move-data".as_ref(), moved.as_os_str()]).unwrap();
    let said = reader.run(["set".as_ref(), "download-dir".as_ref(), moved.as_os_str()]).unwrap();
    assert_eq!((said.code, said.stderr.contains("UTF-8")), (Some(2), true), "{said:?}");
    let set = reader.ask(["set"]).unwrap();
    assert!(set["download_dir"].as_str().unwrap().ends_with("/moved \0fe"), "{set}");
    fs::rename(&out, reader.path().join(OsStr::from_bytes(b"away \xe4"))).unwrap();
    let away = reader.path().join(OsStr::from_bytes(b"away \xe4")).join("March");
    let report = reader.ask(["locate".as_ref(), id.as_ref(), away.as_os_str()]).unwrap();
    assert_eq!(report["bad"], 0);
    somewhere("/away \0e4");
    let backup = author.home.path().join(OsStr::from_bytes(b"b\xe4ckup.age"));
    author.home.ask(["id".as_ref(), "export".as_ref(), "alice".as_ref(), backup.as_os_str()]).unwrap();
    assert!(backup.is_file());
    let import = reader.run(["id".as_ref(), "import".as_ref(), backup.as_os_str()]).unwrap();
    refused(&import, 5, "wrong_passphrase", &["b\\xe4ckup.age"]);
    node.stop(&reader).unwrap();
    author.stop();
}

/// The folder of a node itself, with everything that is told of it.
#[test]
fn a_data_folder_whose_name_is_no_text_works() {
    let home = Home::new("strange-data", &[]).unwrap();
    let data = home.path().join(OsStr::from_bytes(b"d\xe4ta"));
    let run = |words: &[&str]| {
        let mut command = std::process::Command::new(megatorrent_tests::process::program().unwrap());
        command.env("MEGATORRENT_DATA_DIR", &data).env("MEGATORRENT_NO_KEYRING", "1").env("HOME", home.path());
        command.env("MEGATORRENT_PASSPHRASE", "of strange data").arg("--json").args(words);
        megatorrent_tests::process::finish(command).unwrap()
    };
    run(&["id", "new", "alice"]).json().unwrap();
    let file = home.path().join("a.txt");
    fs::write(&file, "a").unwrap();
    run(&["--no-dht", "--listen", "none", "publish", file.to_str().unwrap()]).json().unwrap();
    let status = run(&["status"]).json().unwrap();
    assert!(status["data_dir"].as_str().unwrap().ends_with("/d\0e4ta"), "{status}");
    assert_eq!(run(&["items", "alice"]).json().unwrap().as_array().unwrap().len(), 1);
}

#[test]
fn what_is_no_file_is_refused_by_name_and_left_out_in_a_folder() {
    let author = Author::new("pipes");
    let pipe = author.at("folder/pipe");
    fs::create_dir(author.at("folder")).unwrap();
    let made = std::process::Command::new("mkfifo").arg(&pipe).status().unwrap();
    assert!(made.success());
    let _open = std::os::unix::net::UnixListener::bind(author.at("folder/socket")).unwrap();
    for path in [pipe.clone(), author.at("folder/socket"), "/dev/zero".into(), "/dev/null".into()] {
        refused(&author.publish(&[&path]), 2, "bad_argument", &["is not a file or folder"]);
    }
    refused(&author.publish(&[&author.at("folder")]), 2, "bad_argument", &["Nothing in it can be published"]);
    author.write("folder/a.txt", "a");
    let published = author.publish(&[&author.at("folder")]).json().unwrap();
    assert_eq!(left_out(&published), [("pipe", "not a file"), ("socket", "not a file")]);
    author.stop();
}

#[test]
fn one_name_twice_and_empty_folders_are_refused_before_anything_is_published() {
    let author = Author::new("twice");
    for path in ["a/x.txt", "b/x.txt", "a/docs/one", "b/docs/two"] {
        author.write(path, path);
    }
    for (one, two) in [("a/x.txt", "b/x.txt"), ("a/docs", "b/docs")] {
        let answer = author.publish(&[&author.at(one), &author.at(two)]);
        refused(&answer, 2, "bad_argument", &[one, two, "one name"]);
    }
    fs::create_dir_all(author.at("empty/inner")).unwrap();
    refused(&author.publish(&[&author.at("empty/inner")]), 2, "bad_argument", &["is empty"]);
    refused(&author.publish(&[&author.at("empty")]), 2, "bad_argument", &["only empty folders"]);
    assert_eq!(author.items().len(), 0);
    author.write("empty/full/a.txt", "a");
    let published = author.publish(&[&author.at("empty")]).json().unwrap();
    assert_eq!(left_out(&published), [("inner/", "an empty folder")]);
    author.stop();
}

/// Once the store and the vault of a folder within the home folder went to everybody who had the link.
#[test]
fn keys_and_settings_of_this_program_never_get_out() {
    let author = Author::new("keys");
    author.write("docs/a.txt", "a");
    let other = Home::within(author.home.path(), "other", &[]).unwrap();
    other.ask(["id", "new", "second"]).unwrap();
    let name = other.path().file_name().unwrap().to_str().unwrap();
    let published = author.publish(&[author.home.path()]).json().unwrap();
    let why = "a data folder of Megatorrent, with keys and settings in it";
    let told = left_out(&published);
    assert!(told.contains(&("data/", why)), "the one in use: {told:?}");
    assert!(told.contains(&(&format!("{name}/data/"), why)), "the one of another: {told:?}");
    let files = author.home.ask(["files", published["item"].as_str().unwrap()]).unwrap();
    let files: Vec<&str> = files.as_array().unwrap().iter().map(|file| file["path"].as_str().unwrap()).collect();
    assert!(files.contains(&"docs/a.txt"), "{files:?}");
    let key =
        |path: &&&str| ["store.db", "vault.age", "keys.json", "web-token", "lock"].iter().any(|key| path.contains(key));
    assert_eq!(files.iter().filter(key).count(), 0, "{files:?}");
    for path in [author.home.data(), other.data(), author.home.data().join("store.db"), other.data().join("vault.age")]
    {
        refused(&author.publish(&[&path]), 2, "bad_argument", &["data folder of Megatorrent"]);
    }
    // What was published holds: nothing of it changes in the act.
    author.home.ask(["verify", published["item"].as_str().unwrap()]).unwrap();
    author.stop();
}

/// Without the power of root to read everything.
#[test]
fn what_may_not_be_read_is_told_as_that() {
    let mut home = Home::new("closed", &[]).unwrap();
    let folder = home.path().join("folder");
    for path in ["open.txt", "closed.txt", "inner/a.txt", "shut/b.txt"] {
        let path = folder.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, "x").unwrap();
    }
    if rustix::process::geteuid().is_root() {
        let without = "-dac_override,-dac_read_search";
        let caps = ["--bounding-set".to_owned(), without.to_owned(), "--inh-caps".to_owned(), without.to_owned()];
        home.move_into([vec!["setpriv".to_owned()], caps.to_vec(), vec!["--".to_owned()]].concat());
    }
    let close = |path: &str, mode: u32| {
        use std::os::unix::fs::PermissionsExt as _;
        fs::set_permissions(folder.join(path), fs::Permissions::from_mode(mode)).unwrap();
    };
    close("closed.txt", 0);
    close("shut", 0);
    home.ask(["id", "new", "alice"]).unwrap();
    let publish = |path: &Path| {
        home.run(["--no-dht".as_ref(), "--listen".as_ref(), "none".as_ref(), "publish".as_ref(), path.as_os_str()])
            .unwrap()
    };
    let published = publish(&folder).json().unwrap();
    let why = "this account may not read it";
    assert_eq!(left_out(&published), [("closed.txt", why), ("shut/", why)]);
    assert_eq!(published["files"], 2);
    for path in ["closed.txt", "shut"] {
        let said = refused(&publish(&folder.join(path)), 6, "io", &[path, "no permission"]);
        assert!(!said.contains("changed"), "{said}");
    }
    close("shut", 0o755);
}
