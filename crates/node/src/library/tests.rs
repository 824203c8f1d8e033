#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use super::*;
use crate::{Node, NodeConfig};
use std::io::ErrorKind;

#[tokio::test]
async fn only_a_folder_that_cannot_be_written_is_told_as_one() {
    let tmp = tempfile::tempdir().unwrap();
    let downloads = tmp.path().join("downloads");
    let config = NodeConfig {
        data_dir: tmp.path().join("data"),
        download_dir: Some(downloads.clone()),
        passphrase: Some(zeroize::Zeroizing::new("a secret of tests".into())),
        offline: true,
        ..NodeConfig::default()
    };
    let node = Node::start(config).await.unwrap();
    let mut library = Library::new(node.ctx().clone(), None);
    let key = (ChannelKey([1; 32]), ItemId([1; 16]));
    let io = |kind: ErrorKind| StoreError::Io { path: downloads.join("film"), source: kind.into() };
    let troubles = [
        (StoreError::Corrupt("a page".into()), Code::Corrupt, "damaged"),
        (StoreError::Incomplete, Code::Incomplete, "not complete"),
        (StoreError::Unsynced, Code::Unsynced, "did not reach the disk"),
        (io(ErrorKind::AlreadyExists), Code::Io, "film"),
    ];
    for (error, code, word) in troubles {
        library.stall(key, error.into()).await;
        let Cause::Trouble { code: told, what } = &library.stalled[&key] else { panic!("{:?}", library.stalled[&key]) };
        assert!(*told == code && what.contains(word), "{told:?}: {what}");
    }
    library.stall(key, StoreError::NotWritable { path: downloads.join("film") }.into()).await;
    assert_eq!(library.stalled[&key], Cause::FolderNotWritable { path: paths::shown(&downloads) });
    std::fs::write(&downloads, "a file of somebody's").unwrap();
    library.stall(key, io(ErrorKind::NotADirectory).into()).await;
    assert_eq!(library.stalled[&key], Cause::InTheWay { path: paths::shown(&downloads) });
    // Whoever took it out of the list starts what is wanted of it.
    library.stall(key, StoreError::UnknownItem.into()).await;
    assert!(!library.stalled.contains_key(&key));
    node.stop().await.unwrap();
}
