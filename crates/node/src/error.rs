//! One table that turns every error below into `{code, message}`.

use crate::api::{Code, ErrorInfo, paths};

/// What verbs return.
pub(crate) type Result<T> = std::result::Result<T, ErrorInfo>;

impl ErrorInfo {
    /// An error with this code and text; the system's numbers of errors are left out of it.
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        let message: String = message.into();
        Self { code, message: protocol::words::without_number(message) }
    }

    /// An I/O error at a path that the user knows.
    pub fn at_path(path: &std::path::Path, error: &std::io::Error) -> Self {
        let code = match error.kind() {
            std::io::ErrorKind::NotFound => Code::NotFound,
            std::io::ErrorKind::StorageFull => Code::DiskFull,
            _ => Code::Io,
        };
        let path = paths::shown(path);
        let text = match error.kind() {
            std::io::ErrorKind::NotFound => format!("{path} does not exist."),
            std::io::ErrorKind::AlreadyExists => format!("{path} exists already. It is not written over."),
            std::io::ErrorKind::PermissionDenied => format!("{path} cannot be opened: this account has no permission."),
            std::io::ErrorKind::StorageFull => format!("The disk with {path} is full."),
            _ => format!("{path}: {}", protocol::words::without_number(error)),
        };
        Self::new(code, text)
    }
}

/// A lower room's error as a sentence: rooms write fragments, people read sentences. A path in front stays as it is.
pub(crate) fn sentence(fragment: &impl std::fmt::Display) -> String {
    let fragment = protocol::words::without_number(fragment);
    let mut chars = fragment.chars();
    let mut text: String = chars.next().into_iter().flat_map(char::to_uppercase).collect();
    text.push_str(chars.as_str());
    if !text.ends_with(['.', '?', ':']) {
        text.push('.');
    }
    text
}

/// Shorthand for [`ErrorInfo::new`] as an `Err`.
pub(crate) fn fail<T>(code: Code, message: impl Into<String>) -> Result<T> {
    Err(ErrorInfo::new(code, message))
}

impl From<store::StoreError> for ErrorInfo {
    fn from(error: store::StoreError) -> Self {
        use store::StoreError as E;
        let code = match &error {
            E::PlanGone | E::ListGone => Code::Cancelled,
            E::Locked(_) => Code::Busy,
            E::DiskFull { .. } => Code::DiskFull,
            E::Quota { .. } => Code::Quota,
            E::Corrupt(_) => Code::Corrupt,
            E::SecretsLocked => Code::Secrets,
            E::OtherStoreKey => Code::OtherKey,
            E::Changed(_) => Code::SourceChanged,
            E::BadPlan { .. } | E::TooMuch { .. } => Code::BadContent,
            E::UnknownChannel | E::UnknownItem => Code::NotFound,
            E::Newer { .. } => Code::NewerData,
            E::Incomplete => Code::Incomplete,
            E::NothingThere(_) => Code::NothingThere,
            E::OutsideRoot { .. } => Code::OutsideRoot,
            E::Unsynced => Code::Unsynced,
            E::Closed => Code::Stopping,
            E::Open { .. } => Code::OpenToOthers,
            E::NotWritable { .. } => Code::NotWritable,
            E::Io { .. } | E::Database(_) => Code::Io,
        };
        match error {
            // Goes into a sentence about whose it is.
            E::TooMuch { .. } => Self::new(code, error.to_string()),
            _ => Self::new(code, sentence(&error)),
        }
    }
}

impl From<store::ReadError> for ErrorInfo {
    fn from(error: store::ReadError) -> Self {
        match error {
            store::ReadError::Store(error) => error.into(),
            other => Self::new(Code::Io, sentence(&other)),
        }
    }
}

impl From<protocol::link::LinkError> for ErrorInfo {
    fn from(error: protocol::link::LinkError) -> Self {
        Self::new(Code::BadLink, error.to_string())
    }
}

impl From<net::gate::GateError> for ErrorInfo {
    fn from(error: net::gate::GateError) -> Self {
        use net::gate::GateError as E;
        let code = match error {
            E::PortTaken(_) => Code::PortTaken,
            E::NotHere(_) | E::NoAddress(_) => Code::BadArgument,
            _ => Code::Io,
        };
        Self::new(code, sentence(&error))
    }
}

impl From<net::dht::DhtError> for ErrorInfo {
    fn from(error: net::dht::DhtError) -> Self {
        Self::new(Code::NotPublished, sentence(&error))
    }
}

impl From<protocol::manifest::ManifestError> for ErrorInfo {
    fn from(error: protocol::manifest::ManifestError) -> Self {
        Self::new(Code::BadContent, error.to_string())
    }
}

impl From<protocol::body::BodyError> for ErrorInfo {
    fn from(error: protocol::body::BodyError) -> Self {
        Self::new(Code::BadContent, error.to_string())
    }
}

impl From<protocol::tree::TreeError> for ErrorInfo {
    fn from(error: protocol::tree::TreeError) -> Self {
        Self::new(Code::BadContent, error.to_string())
    }
}

impl From<protocol::blob::OpenError> for ErrorInfo {
    fn from(error: protocol::blob::OpenError) -> Self {
        Self::new(Code::BadContent, error.to_string())
    }
}

/// Runs blocking work; a panic in it is a bug that is told, not spread.
pub(crate) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) => fail(Code::Internal, format!("a task ended: {error}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_can_be_told_apart_has_its_own_code() {
        use store::StoreError as E;
        let of = |error: E| ErrorInfo::from(error).code;
        assert_eq!(of(E::Incomplete), Code::Incomplete);
        assert_eq!(of(E::Unsynced), Code::Unsynced);
        assert_eq!(of(E::NothingThere("/x".into())), Code::NothingThere);
        assert_eq!(of(E::OutsideRoot { path: "/x".into() }), Code::OutsideRoot);
        assert_eq!(of(E::Newer { found: 2, known: 1 }), Code::NewerData);
        assert_eq!(of(E::Open { path: "/x".into(), why: "is yours" }), Code::OpenToOthers);
        assert_eq!(of(E::NotWritable { path: "/x".into() }), Code::NotWritable);
        assert_eq!(of(E::Closed), Code::Stopping);
        let told = ErrorInfo::from(E::NothingThere("/x".into())).message;
        assert_eq!(told, "None of the item's files is in \"/x\".");
    }

    #[test]
    fn fragments_become_sentences() {
        assert_eq!(sentence(&"the disk with \"/x\" is full"), "The disk with \"/x\" is full.");
        assert_eq!(
            sentence(&"127.0.0.1:80 is in use by another program"),
            "127.0.0.1:80 is in use by another program."
        );
        assert_eq!(sentence(&"Set it."), "Set it.");
        assert_eq!(sentence(&"\"/x\": File exists (os error 17)"), "\"/x\": File exists.");
        assert_eq!(sentence(&""), ".");
    }
}
