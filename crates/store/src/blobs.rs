//! Blob files — `blobs/ab/<hex>`: sealed bytes, whole or not there under their name.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use data_encoding::HEXLOWER;
use protocol::params::BLOB_LEN;
use protocol::{BlobId, VerifiedBlob};

use crate::data_dir::create_private;
use crate::error::{StoreError, at};

/// The folder of blob files.
pub(crate) struct BlobFiles {
    root: PathBuf,
}

impl BlobFiles {
    pub(crate) fn open(data: &Path) -> Result<Self, StoreError> {
        let root = data.join("blobs");
        create_private(&root)?;
        Ok(Self { root })
    }

    pub(crate) fn path(&self, id: &BlobId) -> PathBuf {
        let hex = HEXLOWER.encode(id.as_bytes());
        self.root.join(&hex[..2]).join(hex)
    }

    /// Writes to a file without a name here, then renames. Not synced: the group commit does that.
    pub(crate) fn write(&self, blob: &VerifiedBlob) -> Result<(), StoreError> {
        let path = self.path(&blob.id());
        let folder = path.parent().unwrap_or(&self.root);
        create_private(folder)?;
        crate::cut::point("create");
        let mut file = tempfile::Builder::new().prefix(".new-").tempfile_in(folder).map_err(at(&path))?;
        crate::cut::point("write");
        file.write_all(blob.bytes()).map_err(at(&path))?;
        crate::cut::point("rename");
        file.persist(&path).map_err(|e| StoreError::io(&path, e.error))?;
        Ok(())
    }

    /// The blob; `None` if its file is gone or is not this blob.
    pub(crate) fn read(&self, id: &BlobId) -> Result<Option<VerifiedBlob>, StoreError> {
        Ok(self.read_raw(id)?.and_then(|bytes| VerifiedBlob::verify(*id, bytes).ok()))
    }

    /// What its file holds, at most a byte more than a blob; `None` if it is gone.
    pub(crate) fn read_raw(&self, id: &BlobId) -> Result<Option<Vec<u8>>, StoreError> {
        let path = self.path(id);
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(StoreError::io(&path, e)),
        };
        let mut bytes = Vec::with_capacity(BLOB_LEN + 1);
        file.take(BLOB_LEN as u64 + 1).read_to_end(&mut bytes).map_err(at(&path))?;
        Ok(Some(bytes))
    }

    /// Removes the file, if it is there.
    pub(crate) fn remove(&self, id: &BlobId) -> Result<(), StoreError> {
        let path = self.path(id);
        crate::cut::point("unlink");
        match fs::remove_file(&path) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => Err(StoreError::io(&path, e)),
            _ => Ok(()),
        }
    }

    /// Makes blobs and their names last: each file, each folder once, the root.
    pub(crate) fn sync(&self, ids: &[BlobId]) -> Result<(), StoreError> {
        let mut folders = std::collections::BTreeSet::new();
        for id in ids {
            let path = self.path(id);
            match crate::parts::sync_file(&path) {
                // Removed meanwhile, or by the user, which reading finds.
                Err(error) if error.is_not_found() => continue,
                other => other?,
            }
            folders.extend(path.parent().map(Path::to_path_buf));
        }
        if !folders.is_empty() {
            folders.insert(self.root.clone());
        }
        folders.iter().try_for_each(|folder| crate::parts::sync_dir(folder))
    }

    /// After an unclean stop: removes half-written files and those for which `known` is false.
    pub(crate) fn remove_strays(
        &self,
        known: &mut dyn FnMut(&BlobId) -> Result<bool, StoreError>,
    ) -> Result<(), StoreError> {
        for folder in fs::read_dir(&self.root).map_err(at(&self.root))? {
            let folder = folder.map_err(at(&self.root))?.path();
            if !folder.is_dir() {
                continue;
            }
            for file in fs::read_dir(&folder).map_err(at(&folder))? {
                let path = file.map_err(at(&folder))?.path();
                let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
                let stray = match name.parse::<BlobId>() {
                    Ok(id) => !known(&id)?,
                    Err(_) => name.starts_with(".new-"),
                };
                if stray {
                    crate::cut::point("unlink");
                    fs::remove_file(&path).map_err(at(&path))?;
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn blob(fill: u8) -> VerifiedBlob {
        let bytes = vec![fill; BLOB_LEN];
        VerifiedBlob::verify(BlobId::of(&bytes), bytes).unwrap()
    }

    #[test]
    fn a_blob_file_is_read_back_only_if_it_is_the_blob() {
        let tmp = tempfile::tempdir().unwrap();
        let files = BlobFiles::open(tmp.path()).unwrap();
        let blob = blob(1);
        assert!(files.read(&blob.id()).unwrap().is_none());
        files.write(&blob).unwrap();
        files.write(&blob).unwrap();
        files.sync(&[blob.id()]).unwrap();
        assert_eq!(files.read(&blob.id()).unwrap().unwrap().bytes(), blob.bytes());
        File::options().write(true).open(files.path(&blob.id())).unwrap().set_len(100).unwrap();
        assert!(files.read(&blob.id()).unwrap().is_none());
        files.remove(&blob.id()).unwrap();
        files.remove(&blob.id()).unwrap();
    }

    #[test]
    fn strays_go_and_known_files_stay() {
        let tmp = tempfile::tempdir().unwrap();
        let files = BlobFiles::open(tmp.path()).unwrap();
        let (kept, stray) = (blob(1), blob(2));
        files.write(&kept).unwrap();
        files.write(&stray).unwrap();
        let half = files.path(&kept.id()).with_file_name(".new-abc");
        fs::write(&half, b"half").unwrap();
        files.remove_strays(&mut |id| Ok(*id == kept.id())).unwrap();
        assert!(files.read(&kept.id()).unwrap().is_some());
        assert!(!files.path(&stray.id()).exists() && !half.exists());
    }
}
