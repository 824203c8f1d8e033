//! Every call that changes the disk has a point at which a test can cut the process off.

use std::path::{Path, PathBuf};

/// What changes the disk.
const CHANGES: [&str; 23] = [
    ".commit()",
    "fs::rename(",
    "fs::remove_",
    "fs::create_dir",
    "hard_link(",
    ".set_len(",
    ".set_times(",
    ".sync_all()",
    "write_all_at(",
    ".write_all(",
    ".persist(",
    "renameat(",
    "renameat_with(",
    "linkat(",
    "unlinkat(",
    "mkdirat(",
    "set_permissions(",
    "fsetxattr(",
    "ioctl_ficlone(",
    "fs::copy(",
    "fs::write(",
    "VACUUM INTO",
    "builder.create(",
];

/// Lines that are none of their own: behind a door that has its point, or nothing that could be half done.
const ELSEWHERE: [(&str, &str); 6] = [
    ("enter.rs", "`Place` has the points; these are what it calls"),
    ("stamp.rs", "looks only"),
    ("backup.rs", "writes to memory"),
    ("place.rs", "`parts::write_all_at` has the point, of this caller"),
    ("sync.rs", "`sync_all` of the whole store"),
    ("store.rs", "`sync_all` of the whole store"),
];

/// How far above its call a point may stand, in lines.
const NEAR: usize = 8;

fn sources(folder: &Path, out: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, out);
        } else if path.extension().is_some_and(|ending| ending == "rs") && !path.ends_with("tests.rs") {
            out.push(path);
        }
    }
}

#[test]
fn every_change_of_the_disk_can_be_cut_off() {
    let mut files = Vec::new();
    sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut files);
    let (mut seen, mut without) = (0, Vec::new());
    for path in files {
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        if name == "cut.rs" || ELSEWHERE.iter().any(|(file, _)| *file == name) {
            continue;
        }
        let text = std::fs::read_to_string(&path).unwrap();
        let lines: Vec<&str> = text.lines().take_while(|line| line.trim() != "#[cfg(test)]").collect();
        for (number, line) in lines.iter().enumerate() {
            let code = line.split("//").next().unwrap_or_default();
            if !CHANGES.iter().any(|change| code.contains(change)) || code.contains("fn ") {
                continue;
            }
            seen += 1;
            let before = &lines[number.saturating_sub(NEAR)..=number];
            if !before.iter().any(|line| line.contains("cut::point") || line.contains("parts::write_all_at(target")) {
                without.push(format!("{name}:{}: {}", number + 1, line.trim()));
            }
        }
    }
    assert!(seen > 25, "{seen} calls were found: what is looked for is called otherwise by now");
    assert!(without.is_empty(), "no point before:\n{}", without.join("\n"));
}
