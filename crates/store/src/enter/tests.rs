use super::*;

fn made(root: &Path, name: &str) -> Result<Option<File>, StoreError> {
    make_way(root, &root.join(name)).and_then(|place| place.create())
}

#[cfg(unix)]
#[test]
fn no_link_is_followed_on_the_way_and_nothing_outside_is_touched() {
    use std::os::unix::fs::symlink;
    let tmp = tempfile::tempdir().unwrap();
    let (root, away) = (tmp.path().join("root"), tmp.path().join("away"));
    fs::create_dir_all(root.join("real")).unwrap();
    fs::create_dir(&away).unwrap();
    fs::write(away.join("precious"), b"mine").unwrap();
    symlink(&away, root.join("out")).unwrap();
    symlink(root.join("real"), root.join("within")).unwrap();
    symlink(away.join("precious"), root.join("link.part")).unwrap();
    symlink(away.join("new"), root.join("dangling.part")).unwrap();
    fs::write(root.join("plain"), b"").unwrap();
    fs::create_dir(root.join("folder.part")).unwrap();
    for name in ["out/x", "out/deep/x", "out/precious", "within/x", "plain/x"] {
        for result in [reach(&root, &root.join(name)).map(drop), make_way(&root, &root.join(name)).map(drop)] {
            assert!(matches!(result, Err(StoreError::OutsideRoot { .. })), "{name}: {result:?}");
        }
    }
    for name in ["link.part", "dangling.part", "folder.part"] {
        let place = reach(&root, &root.join(name)).unwrap().unwrap();
        assert_eq!(place.look().unwrap(), Look::Other, "{name}");
        assert!(matches!(place.open(true), Err(StoreError::OutsideRoot { .. })), "{name}");
        assert!(place.create().unwrap().is_none(), "{name}");
        assert!(!place.remove_if(|_| true).unwrap(), "{name}");
    }
    for outside in [away.join("x"), root.join("../away/x"), root.clone(), root.join("real/../../away/x")] {
        assert!(matches!(reach(&root, &outside), Err(StoreError::OutsideRoot { .. })), "{outside:?}");
    }
    assert!(!may_be_inside(&root, &root.join("out/x")) && !may_be_inside(&root, &away.join("x")));
    assert!(may_be_inside(&root, &root.join("real/x")) && may_be_inside(&root, &root.join("not/yet/x")));
    assert!(reach(&root, &root.join("not/yet/x")).unwrap().is_none());
    assert!(!root.join("not").exists());
    made(&root, "real/a/b/x.part").unwrap().unwrap();
    assert!(root.join("real/a/b/x.part").is_file());
    assert_eq!(fs::read(away.join("precious")).unwrap(), b"mine");
    assert_eq!(fs::read_dir(&away).unwrap().count(), 1);
}

/// The folder is swapped for a link after it was entered: what is done is done in the folder that was entered.
#[cfg(unix)]
#[test]
fn a_folder_that_becomes_a_link_meanwhile_leads_nowhere() {
    let tmp = tempfile::tempdir().unwrap();
    let (root, away) = (tmp.path().join("root"), tmp.path().join("away"));
    fs::create_dir_all(root.join("sub")).unwrap();
    fs::create_dir(&away).unwrap();
    fs::write(root.join("sub/x.part"), b"ours").unwrap();
    for name in ["x", "x.part", "y"] {
        fs::write(away.join(name), b"precious").unwrap();
    }
    let part = reach(&root, &root.join("sub/x.part")).unwrap().unwrap();
    let name = reach(&root, &root.join("sub/x")).unwrap().unwrap();
    fs::rename(root.join("sub"), root.join("moved")).unwrap();
    std::os::unix::fs::symlink(&away, root.join("sub")).unwrap();
    assert!(part.rename_new(&name).unwrap());
    assert_eq!(fs::read(root.join("moved/x")).unwrap(), b"ours");
    assert!(name.remove_if(|_| true).unwrap());
    assert_eq!(fs::read_dir(root.join("moved")).unwrap().count(), 0);
    for name in ["x", "x.part", "y"] {
        assert_eq!(fs::read(away.join(name)).unwrap(), b"precious");
    }
}

#[cfg(unix)]
#[test]
fn the_root_itself_may_be_a_link_for_the_user_chose_it() {
    let tmp = tempfile::tempdir().unwrap();
    fs::create_dir(tmp.path().join("disk")).unwrap();
    std::os::unix::fs::symlink(tmp.path().join("disk"), tmp.path().join("root")).unwrap();
    made(&tmp.path().join("root"), "a/x").unwrap().unwrap();
    assert!(tmp.path().join("disk/a/x").is_file());
}

#[test]
fn renaming_never_overwrites_and_may_be_cut_short() {
    let tmp = tempfile::tempdir().unwrap();
    let place = |name: &str| reach(tmp.path(), &tmp.path().join(name)).unwrap().unwrap();
    let (from, to) = (place("a"), place("b"));
    fs::write(from.path(), b"new").unwrap();
    fs::write(to.path(), b"old").unwrap();
    assert!(!from.rename_new(&to).unwrap());
    assert_eq!((fs::read(from.path()).unwrap(), fs::read(to.path()).unwrap()), (b"new".to_vec(), b"old".to_vec()));
    fs::remove_file(to.path()).unwrap();
    // As a process leaves it that was killed between the second name and the end of the first.
    fs::hard_link(from.path(), to.path()).unwrap();
    assert!(from.rename_new(&to).unwrap());
    assert_eq!(fs::read(to.path()).unwrap(), b"new");
    assert!(!from.path().exists());
    assert!(place("b").rename_new(&place("c")).unwrap());
    assert_eq!(fs::read(tmp.path().join("c")).unwrap(), b"new");
    assert!(!tmp.path().join("b").exists());
}

#[cfg(target_os = "linux")]
#[test]
fn a_named_pipe_does_not_hold_us() {
    let tmp = tempfile::tempdir().unwrap();
    let pipe = tmp.path().join("x.part");
    let mode = rustix::fs::Mode::from(0o600);
    rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, mode, 0).unwrap();
    let place = reach(tmp.path(), &pipe).unwrap().unwrap();
    assert!(matches!(place.open(true), Err(StoreError::OutsideRoot { .. })));
    assert!(matches!(place.open(false), Err(StoreError::OutsideRoot { .. })));
    assert!(!crate::parts::read_at(&pipe, 0, &mut [0; 4]).unwrap());
}
