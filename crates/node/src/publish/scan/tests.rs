use super::*;
use std::fs;

fn taken(scan: &Scan) -> Vec<&str> {
    scan.files.iter().map(|file| file.path.as_str()).collect()
}

fn left(scan: &Scan) -> Vec<(&str, &str)> {
    scan.left_out.iter().map(|one| (one.path.as_str(), one.why.as_str())).collect()
}

fn look(paths: &[PathBuf]) -> Result<Scan> {
    scan(paths, &Own::default())
}

fn refused(paths: &[PathBuf], own: &Own) -> String {
    let error = scan(paths, own).unwrap_err();
    assert_eq!(error.code, Code::BadArgument, "{}", error.message);
    error.message
}

// Other systems refuse some of these names, and cannot tell others apart.
#[cfg(target_os = "linux")]
#[test]
fn what_a_folder_cannot_give_is_listed_with_its_reason() {
    let tmp = tempfile::tempdir().unwrap();
    let folder = tmp.path().join("mixed");
    fs::create_dir_all(folder.join("empty/within")).unwrap();
    fs::create_dir_all(folder.join("full")).unwrap();
    for name in ["full/a.txt", "Readme", "README", "what?", "é", "e\u{301}"] {
        fs::write(folder.join(name), "x").unwrap();
    }
    let secret = "11".repeat(32);
    fs::write(folder.join("identity.json"), format!("{{\"secretKey\":\"{secret}\"}}")).unwrap();
    fs::write(folder.join("other.json"), "{\"a\":1}").unwrap();
    let scan = look(&[folder]).unwrap();
    assert_eq!(taken(&scan), ["README", "e\u{301}", "full/a.txt", "other.json"]);
    assert_eq!(
        left(&scan),
        [
            ("Readme", "\"README\" is there too, and some systems cannot tell the two names apart"),
            ("empty/within/", "an empty folder"),
            ("identity.json", "the secret key of a channel"),
            ("what?", "Windows cannot store a name with \"?\""),
            ("é", "\"e\u{301}\" is there too, and some systems cannot tell the two names apart"),
        ]
    );
    assert_eq!(scan.title.as_deref(), Some("mixed"));
}

#[cfg(target_os = "linux")]
#[test]
fn two_things_of_one_name_are_refused_and_one_thing_twice_is_one() {
    let tmp = tempfile::tempdir().unwrap();
    for (folder, file) in [("a", "x.txt"), ("b", "x.txt"), ("b", "X.TXT"), ("a/docs", "1"), ("b/docs", "2")] {
        fs::create_dir_all(tmp.path().join(folder)).unwrap();
        fs::write(tmp.path().join(folder).join(file), folder).unwrap();
    }
    let at = |path: &str| tmp.path().join(path);
    for (one, two) in [("a/x.txt", "b/x.txt"), ("a/x.txt", "b/X.TXT"), ("a/docs", "b/docs")] {
        let said = refused(&[at(one), at(two)], &Own::default());
        assert!(said.contains(one) && said.contains(two), "{said}");
    }
    let scan = look(&[at("a/x.txt"), at("b/../a/x.txt")]).unwrap();
    assert_eq!((taken(&scan), scan.folder), (vec!["x.txt"], false));
    let scan = look(&[at("a/x.txt"), at("b/docs")]).unwrap();
    assert_eq!((taken(&scan), scan.folder), (vec!["docs/2", "x.txt"], true));
}

#[cfg(target_os = "linux")]
#[test]
fn nothing_to_publish_says_why() {
    let tmp = tempfile::tempdir().unwrap();
    let at = |path: &str| tmp.path().join(path);
    fs::create_dir_all(at("e/f")).unwrap();
    fs::write(at("what?"), "").unwrap();
    let own = Own::default();
    assert!(refused(&[at("e/f")], &own).contains("is empty. There is nothing to publish."));
    assert!(refused(&[at("e")], &own).contains("only empty folders"));
    assert!(refused(&[at("what?")], &own).ends_with("cannot be published: Windows cannot store a name with \"?\"."));
    assert!(refused(&[], &own).contains("name a file or a folder"));
    assert_eq!(look(&[at("none")]).unwrap_err().code, Code::NotFound);
}

#[cfg(unix)]
#[test]
fn what_is_no_file_is_refused_when_named_and_listed_when_found() {
    let tmp = tempfile::tempdir().unwrap();
    let socket = tmp.path().join("socket");
    let _open = std::os::unix::net::UnixListener::bind(&socket).unwrap();
    for path in [socket, "/dev/null".into(), "/dev/zero".into()] {
        assert!(refused(&[path], &Own::default()).contains("is not a file or folder"));
    }
    fs::write(tmp.path().join("a.txt"), "a").unwrap();
    std::os::unix::fs::symlink("nowhere", tmp.path().join("dangling")).unwrap();
    std::os::unix::fs::symlink("a.txt", tmp.path().join("link")).unwrap();
    let scan = look(&[tmp.path().to_path_buf()]).unwrap();
    assert_eq!(taken(&scan), ["a.txt"]);
    assert_eq!(left(&scan), [("dangling", "a symbolic link"), ("link", "a symbolic link"), ("socket", "not a file")]);
    let scan = look(&[tmp.path().join("link")]).unwrap();
    assert_eq!(taken(&scan), ["a.txt"], "a link that was named is followed");
}

// Other systems' disks refuse such names.
#[cfg(target_os = "linux")]
#[test]
fn names_that_are_no_text_are_never_written_otherwise() {
    use std::os::unix::ffi::OsStrExt as _;
    let tmp = tempfile::tempdir().unwrap();
    let strange = tmp.path().join(OsStr::from_bytes(b"m\xe4rz"));
    fs::create_dir(&strange).unwrap();
    for name in [&b"caf\xe9.txt"[..], b"caf\xe8.txt", b"plain.txt"] {
        fs::write(strange.join(OsStr::from_bytes(name)), "x").unwrap();
    }
    let scan = look(std::slice::from_ref(&strange)).unwrap();
    assert_eq!((taken(&scan), &scan.title), (vec!["plain.txt"], &None));
    let why = "its name is not valid text (UTF-8)";
    assert_eq!(left(&scan), [("caf\\xe8.txt", why), ("caf\\xe9.txt", why)]);
    let scan = look(&[strange.join("plain.txt")]).unwrap();
    assert_eq!((taken(&scan), scan.title.as_deref()), (vec!["plain.txt"], Some("plain.txt")));
    for paths in
        [vec![strange.join(OsStr::from_bytes(b"caf\xe9.txt"))], vec![strange.join("plain.txt"), strange.clone()]]
    {
        assert!(refused(&paths, &Own::default()).contains("is not valid text (UTF-8)"));
    }
}

#[test]
fn no_key_of_this_program_is_published() {
    let tmp = tempfile::tempdir().unwrap();
    let at = |path: &str| tmp.path().join(path);
    for folder in ["home/data/downloads/Tide", "home/old/downloads", "home/docs", "home/got"] {
        fs::create_dir_all(at(folder)).unwrap();
    }
    for file in ["home/data/store.db", "home/data/lock", "home/old/store.db", "home/old/vault.age", "home/docs/a.txt"] {
        fs::write(at(file), "x").unwrap();
    }
    fs::write(at("home/data/downloads/Tide/song"), "x").unwrap();
    // The one in use need have no marks yet.
    fs::create_dir_all(at("home/fresh/keep")).unwrap();
    fs::write(at("home/fresh/node"), "x").unwrap();
    fs::write(at("home/fresh/keep/song"), "x").unwrap();
    let own = Own { data: at("home/fresh"), downloads: at("home/fresh/keep") };
    let scan = scan(&[at("home")], &own).unwrap();
    assert_eq!(taken(&scan), ["docs/a.txt"]);
    let why = "a data folder of Megatorrent, with keys and settings in it";
    assert_eq!(left(&scan), [("data/", why), ("fresh/", why), ("got/", "an empty folder"), ("old/", why)]);
    for path in ["home/data", "home/old/vault.age", "home/fresh", "home/fresh/node"] {
        assert!(refused(&[at(path)], &own).contains("a data folder of Megatorrent"), "{path}");
    }
    assert!(refused(&[at("home/docs"), at("home/data")], &own).contains("a data folder of Megatorrent"));
    for path in ["home/data/downloads/Tide", "home/fresh/keep", "home/fresh/keep/song"] {
        assert!(super::scan(&[at(path)], &own).is_ok(), "{path}: what was downloaded may be published");
    }
    fs::write(at("key.json"), format!("{{\"secretKey\":\"{}\"}}", "11".repeat(32))).unwrap();
    assert!(refused(&[at("key.json")], &own).contains("secret key"));
}

#[test]
fn more_than_an_item_holds_is_refused_before_a_byte_is_read() {
    let source =
        |name: String, size| Source { path: SafePath::parse(&name).unwrap(), disk: "none".into(), size, mtime_ns: 0 };
    let of = |files: Vec<Source>| Scan {
        title: None,
        root: PathBuf::new(),
        files,
        left_out: Vec::new(),
        folder: true,
        bytes: 0,
    };
    let mut most = of((0..FILES_MAX).map(|n| source(n.to_string(), 1)).collect());
    fits(&mut most).unwrap();
    assert_eq!(most.bytes, FILES_MAX as u64);
    most.files.push(source("one more".into(), 1));
    assert!(fits(&mut most).unwrap_err().message.contains("100001 files; one item holds 100000"));
    let long = format!("{}/{}/", "d".repeat(250), "e".repeat(250));
    let mut wordy = of((0..99_000).map(|n| source(format!("{long}{n}"), 3 << 20)).collect());
    assert!(fits(&mut wordy).unwrap_err().message.contains("The list of these 99000 files"));
    let mut vast = of(vec![source("a".into(), SEQUENCE_MAX), source("b".into(), 1)]);
    assert!(fits(&mut vast).is_err());
}

#[test]
fn the_list_of_files_is_as_long_as_is_thought() {
    use protocol::{BlobId, BlobKey, Chunk, Content, FileEntry};
    let chunk = || Chunk {
        blob: BlobId([0; 32]),
        key: BlobKey { key: [0; 32], nonce: [0; 12] },
        offset: 900_000,
        len: 100_000,
    };
    let (mut files, mut thought) = (Vec::new(), 0);
    for n in 0..500_u64 {
        let path = SafePath::parse(&format!("a folder/file {n}.jpg")).unwrap();
        let size = (n % 9) * CHUNK_LEN as u64;
        thought += listed(&Source { path: path.clone(), disk: PathBuf::new(), size, mtime_ns: 0 });
        let chunks = (0..n % 9).map(|_| chunk()).collect();
        files.push(FileEntry { path, size, mime: Some("image/jpeg".into()), content: Content::Chunks(chunks) });
    }
    let real = protocol::body::files_to_json(&files).len() as u64;
    assert!(real <= thought && thought < real + real / 10, "{real} bytes, thought to be {thought}");
}
