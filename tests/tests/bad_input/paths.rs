//! Names that would leave the download folder, fool a person, or not exist on another system.

use super::{Scene, files};
use megatorrent_tests::hostile::{body_manifest, tree};
use megatorrent_tests::v5::{Blob, Habits, Server};

const NOW: u64 = 1_700_000_000_000;

const BAD: &[&str] = &[
    "../x",
    "a/../../x",
    "..",
    ".",
    "/x",
    "//x",
    "a//x",
    "a/",
    "",
    "C:\\x",
    "C:x",
    "c:/x",
    "\\\\server\\share",
    "..\\x",
    "a\\x",
    "a:b",
    "file.txt:stream",
    "CON",
    "con.txt",
    "a/NUL",
    "LPT1.log",
    "COM\u{b9}",
    "trailing.",
    "trailing ",
    "a./x",
    "a /x",
    "line\nbreak",
    "zero\u{0}",
    "escape\u{1b}[31m",
    "photo\u{202e}gpj.exe",
    "\u{2066}x\u{2069}",
    "\u{200f}x",
    "what?",
    "star*",
    "pipe|",
    "a<b",
    "quo\"te",
];

#[test]
fn bad_paths_in_a_folder_are_left_out_by_name_and_the_rest_arrives() {
    let server = Server::start(Habits::default()).unwrap();
    let scene = Scene::new("paths", 61, &[server.address()]);
    let mut watch = scene.watch();
    let blob = Blob::seal(b"content").unwrap();
    let long = "n".repeat(256);
    // The first of two names that some system takes for one stays.
    let good = ["Good.txt", "folder/two.txt", "stra\u{df}e", "caf\u{e9}"];
    let twins = ["good.TXT", "FOLDER/TWO.txt", "strasse", "cafe\u{301}", "folder", "Good.txt/inside"];
    let deep = "d/".repeat(40) + "x";
    let bad: Vec<&str> = BAD.iter().copied().chain(twins).chain([long.as_str(), deep.as_str()]).collect();
    let entry = |path: &&str| {
        format!("{{\"path\":{},\"size\":7,\"chunks\":[{}]}}", serde_json::to_string(path).unwrap(), blob.entry())
    };
    let entries: Vec<String> = good.iter().chain(&bad).map(entry).collect();
    let json = format!(
        "{{\"channel\":{{\"name\":\"../../escape\"}},\"collections\":[{{\"items\":[{{\"name\":\"..\\u202e/trap\",\
         \"files\":[{}]}}]}}]}}",
        entries.join(",")
    );
    let list = Blob::seal(json.as_bytes()).unwrap();
    [&blob, &list].into_iter().for_each(|held| server.hold(held));
    scene.push(&body_manifest(&scene.author, &tree(&list, list.real_size as u64, 0), NOW), NOW);
    let ready = watch.until_ready("..\u{202e}/trap").unwrap();

    let left_out = ready["left_out"].as_array().unwrap();
    for path in &bad {
        let found = left_out.iter().find(|left| left["path"].as_str() == Some(path));
        let why = found.unwrap_or_else(|| panic!("{path:?} was not left out"))["why"].as_str().unwrap();
        assert!(why.len() > 10 && !why.contains(char::is_control), "{path:?}: {why}");
    }
    assert_eq!(left_out.len(), bad.len());
    // What lies on disk lies below the download folder, under one folder of the channel and one of the item.
    let root = std::path::Path::new(ready["path"].as_str().unwrap()).to_path_buf();
    assert!(root.starts_with(scene.home.downloads()) && root.canonicalize().unwrap() == root, "{root:?}");
    let mut expected: Vec<String> = good.iter().map(ToString::to_string).collect();
    expected.sort();
    assert_eq!(files(&root), expected);
    assert_eq!(files(&scene.home.downloads()).len(), good.len());
    let around: Vec<String> = files(scene.home.path()).into_iter().filter(|file| file.ends_with('x')).collect();
    assert_eq!(around, Vec::<String>::new());
    // On a terminal nothing of it takes effect.
    let mut command = scene.home.command().unwrap();
    command.args(["items", &scene.author.channel()]);
    let shown = megatorrent_tests::process::finish(command).unwrap();
    assert!(!shown.stdout.contains(['\u{202e}', '\u{1b}', '\u{0}']), "{}", shown.stdout);
    assert!(shown.stdout.contains("left out") && shown.stdout.contains("a:b"), "{}", shown.stdout);
    scene.end();
}

#[test]
fn bad_names_of_v5_files_are_listed_and_never_written() {
    let scene = Scene::new("v5-names", 62, &[]);
    let mut watch = scene.watch();
    for (number, names) in BAD.chunks(4).enumerate() {
        let named: Vec<(&str, &[Blob])> =
            names.iter().map(|name| (*name, &[][..])).chain([("fine.txt", &[][..])]).collect();
        let sequence = NOW + number as u64;
        scene.publish(&mut watch, &megatorrent_tests::v5::author::collections(&named), sequence);
        let items = scene.home.ask(["items", &scene.author.channel()]).unwrap();
        for name in names {
            let item = items.as_array().unwrap().iter().find(|item| item["name"] == *name);
            let item = item.unwrap_or_else(|| panic!("{name:?} is not even listed"));
            assert_eq!(item["left_out"][0]["path"], *name);
        }
    }
    let deadline = std::time::Instant::now() + megatorrent_tests::process::PATIENCE;
    let fine = |item: &serde_json::Value| item["name"] == "fine.txt" && item["state"] == "complete";
    while !scene.home.ask(["items", &scene.author.channel()]).unwrap().as_array().unwrap().iter().any(fine) {
        assert!(std::time::Instant::now() < deadline, "the good file never came");
    }
    let home = scene.home.path();
    assert_eq!(files(&scene.home.downloads()).iter().filter(|file| !file.ends_with("fine.txt")).count(), 0);
    assert!(files(home).iter().all(|file| !file.ends_with("/x") && file != "x"));
    scene.end();
}
