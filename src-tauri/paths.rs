//! Paths stay here: the window gets a handle for what a person chose or dropped, and gives the handle back.
//!
//! Promises: a path field of a request that comes from the window is a handle that was handed out to this page, or the
//! request is refused; the window can so name nothing on this disk that nobody chose. The match over the verbs is
//! complete: a new verb does not compile before somebody has said here whether it carries a path.

use crate::host::Picked;
use node::api::{Code, ErrorInfo, Request};
use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Handles that are kept; the oldest go first.
const KEPT: usize = 10_000;
/// How every handle begins, so that it is no path by any reading.
const MARK: &str = "handle:";

/// Handles and what they stand for, oldest first.
#[derive(Default)]
pub(crate) struct Paths {
    kept: Mutex<VecDeque<(String, PathBuf)>>,
}

impl Paths {
    /// A handle for a path that a person chose, and what the window may know of it.
    ///
    /// # Errors
    /// The system gives no random numbers.
    pub(crate) fn hand_out(&self, path: PathBuf) -> Result<Picked, ErrorInfo> {
        let mut random = [0; 16];
        getrandom::fill(&mut random)
            .map_err(|e| ErrorInfo::new(Code::Internal, format!("The system gives no random numbers: {e}")))?;
        let handle = format!("{MARK}{}", data_encoding::HEXLOWER.encode(&random));
        let about = std::fs::metadata(&path).ok();
        let picked = Picked {
            handle: handle.clone(),
            name: last_part(&path),
            folder: about.as_ref().is_some_and(std::fs::Metadata::is_dir),
            bytes: about.filter(std::fs::Metadata::is_file).map(|m| m.len()),
        };
        let mut kept = self.kept();
        if kept.len() == KEPT {
            kept.pop_front();
        }
        kept.push_back((handle, path));
        Ok(picked)
    }

    /// What a handle stands for.
    ///
    /// # Errors
    /// It was not handed out to this page.
    pub(crate) fn path(&self, handle: &str) -> Result<PathBuf, ErrorInfo> {
        let kept = self.kept();
        let found = kept.iter().rev().find(|(known, _)| known == handle);
        found.map(|(_, path)| path.clone()).ok_or_else(|| {
            ErrorInfo::new(Code::BadArgument, "This file or folder was not chosen in this window. Choose it again.")
        })
    }

    /// A new page knows no old handles.
    pub(crate) fn forget(&self) {
        self.kept().clear();
    }

    /// Puts paths where the window put handles, and refuses what is not the window's to ask.
    ///
    /// # Errors
    /// A handle that is none; a verb that goes another way.
    pub(crate) fn resolve(&self, mut request: Request) -> Result<Request, ErrorInfo> {
        match &mut request {
            Request::Publish(args) => args.paths.iter_mut().try_for_each(|path| self.put(path))?,
            Request::IdExport(args) => self.put(&mut args.file)?,
            Request::IdImport(args) => self.put(&mut args.file)?,
            Request::Get(args) => args.dir.iter_mut().try_for_each(|path| self.put(path))?,
            Request::Locate(args) => self.put(&mut args.path)?,
            Request::SetSettings(args) => args.download_dir.iter_mut().try_for_each(|path| self.put(path))?,
            Request::MoveData(args) => self.put(&mut args.dir)?,
            Request::Inside(args) => self.put(&mut args.path)?,
            Request::Watch | Request::Shutdown => {
                return Err(ErrorInfo::new(
                    Code::BadArgument,
                    "The window listens and quits by commands of their own.",
                ));
            }
            Request::IdNew(_)
            | Request::IdList
            | Request::IdRename(_)
            | Request::CancelPublish(_)
            | Request::Unpublish(_)
            | Request::Edit(_)
            | Request::ParseLink(_)
            | Request::Look(_)
            | Request::Subscribe(_)
            | Request::Unsubscribe(_)
            | Request::Channels
            | Request::Items(_)
            | Request::Files(_)
            | Request::Pause(_)
            | Request::Resume(_)
            | Request::Remove(_)
            | Request::Verify(_)
            | Request::Place(_)
            | Request::Play(_)
            | Request::Status
            | Request::Transfers
            | Request::Peers
            | Request::ChannelLink(_)
            | Request::SetChannel(_)
            | Request::SetItem(_)
            | Request::Choose(_)
            | Request::Open(_)
            | Request::PauseFor(_)
            | Request::Rekey(_)
            | Request::NewKey(_)
            | Request::Search(_)
            | Request::Settings
            | Request::Leak(_)
            | Request::Unlock(_)
            | Request::GiveUp(_) => {}
        }
        Ok(request)
    }

    fn put(&self, path: &mut PathBuf) -> Result<(), ErrorInfo> {
        *path = self.path(&path.to_string_lossy())?;
        Ok(())
    }

    fn kept(&self) -> MutexGuard<'_, VecDeque<(String, PathBuf)>> {
        // A panic elsewhere leaves the list whole: each change is one call.
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn last_part(path: &Path) -> String {
    path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use node::api::{IdExport, ItemArg, Publish, Settings};

    fn publish(path: &str) -> Request {
        Request::Publish(Publish { paths: vec![path.into()], ..Publish::default() })
    }

    #[test]
    fn a_handle_becomes_the_path_and_a_path_is_refused() {
        let paths = Paths::default();
        let picked = paths.hand_out("/home/x/film.webm".into()).unwrap();
        assert_eq!(picked.name, "film.webm");
        assert!(!picked.handle.contains("home"));
        let Request::Publish(args) = paths.resolve(publish(&picked.handle)).unwrap() else { panic!("another verb") };
        assert_eq!(args.paths, [PathBuf::from("/home/x/film.webm")]);
        for path in ["/home/x/film.webm", "/etc/passwd", "", "handle:", "handle:00000000000000000000000000000000"] {
            let Err(error) = paths.resolve(publish(path)) else { panic!("{path:?} was taken") };
            assert_eq!(error.code, Code::BadArgument);
        }
    }

    #[test]
    fn every_path_of_every_verb_is_a_handle() {
        let paths = Paths::default();
        let file = PathBuf::from("/tmp/x");
        let refused = [
            Request::IdExport(IdExport { identity: "me".into(), file: file.clone(), passphrase: "p".into() }),
            Request::SetSettings(Settings { download_dir: Some(file.clone()), ..Settings::default() }),
            Request::Get(node::api::Get { what: "x".into(), dir: Some(file.clone()) }),
            Request::Locate(node::api::Locate { item: "x".into(), path: file.clone() }),
            Request::IdImport(node::api::IdImport { name: None, file, passphrase: None }),
            Request::Watch,
            Request::Shutdown,
        ];
        for request in refused {
            assert!(paths.resolve(request).is_err());
        }
        assert!(paths.resolve(Request::SetSettings(Settings::default())).is_ok());
        assert!(paths.resolve(Request::Files(ItemArg { item: "x".into() })).is_ok());
    }

    #[test]
    fn handles_die_with_the_page_and_are_bounded() {
        let paths = Paths::default();
        let first = paths.hand_out("/a".into()).unwrap().handle;
        for _ in 0..KEPT {
            paths.hand_out("/b".into()).unwrap();
        }
        assert!(paths.path(&first).is_err());
        let last = paths.hand_out("/c".into()).unwrap().handle;
        assert_eq!(paths.path(&last).unwrap(), PathBuf::from("/c"));
        paths.forget();
        assert!(paths.path(&last).is_err());
    }
}
