//! Why an item does not go on, as a person is told, and whether that may pass.

use library::{Key, Trouble};

use crate::api::{Cause, Code, ErrorInfo};
use crate::channel;
use crate::ctx::Ctx;

/// Why an item does not go on, and what went wrong.
#[derive(Debug, Clone)]
pub(crate) struct Stuck {
    pub(crate) cause: Cause,
    pub(crate) error: ErrorInfo,
}

/// What an error means for an item; `None`: the node stops.
pub(super) async fn of(ctx: &Ctx, key: Key, error: ErrorInfo) -> Option<Trouble<Stuck>> {
    let (channel, item) = key;
    let cause = match error.code {
        Code::Stopping => return None,
        Code::Cancelled => return Some(Trouble::Changed),
        // A newer list took it out, or was read meanwhile: whoever reads that starts what is wanted of it.
        Code::NotFound => return Some(Trouble::Gone),
        Code::DiskFull => channel::disk_full(ctx, channel, item).await,
        Code::Quota => channel::quota_full(ctx, channel, item).await,
        Code::BadContent => Cause::BadContent { what: error.message.clone() },
        Code::NotWritable => channel::unwritable(ctx, channel, item).await,
        Code::Io if let Some(what) = channel::in_its_way(ctx, channel, item).await => what,
        code => Cause::Trouble { code, what: error.message.trim_end_matches('.').to_owned() },
    };
    let lasts = matches!(cause, Cause::BadContent { .. });
    let stuck = Stuck { cause, error };
    Some(if lasts { Trouble::Lasting(stuck) } else { Trouble::Passing(stuck) })
}

#[cfg(test)]
mod tests {
    use std::io::ErrorKind;

    use protocol::{ChannelKey, ItemId};
    use store::StoreError;

    use super::*;
    use crate::api::paths;
    use crate::{Node, NodeConfig};

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
        let key = (ChannelKey([1; 32]), ItemId([1; 16]));
        let io = |kind: ErrorKind| StoreError::Io { path: downloads.join("film"), source: kind.into() };
        let cause = async |error: StoreError| match of(node.ctx(), key, error.into()).await {
            Some(Trouble::Passing(stuck)) => stuck.cause,
            other => panic!("{other:?}"),
        };
        let troubles = [
            (StoreError::Corrupt("a page".into()), Code::Corrupt, "damaged"),
            (StoreError::Incomplete, Code::Incomplete, "not complete"),
            (StoreError::Unsynced, Code::Unsynced, "did not reach the disk"),
            (io(ErrorKind::AlreadyExists), Code::Io, "film"),
        ];
        for (error, code, word) in troubles {
            let told = cause(error).await;
            let Cause::Trouble { code: is, what } = &told else { panic!("{told:?}") };
            assert!(*is == code && what.contains(word), "{told:?}");
        }
        let told = cause(StoreError::NotWritable { path: downloads.join("film") }).await;
        assert_eq!(told, Cause::FolderNotWritable { path: paths::shown(&downloads) });
        std::fs::write(&downloads, "a file of somebody's").unwrap();
        assert_eq!(cause(io(ErrorKind::NotADirectory)).await, Cause::InTheWay { path: paths::shown(&downloads) });
        // Whoever took it out of the list starts what is wanted of it.
        assert!(matches!(of(node.ctx(), key, StoreError::UnknownItem.into()).await, Some(Trouble::Gone)));
        node.stop().await.unwrap();
    }
}
