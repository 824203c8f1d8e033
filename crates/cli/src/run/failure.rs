//! How a command fails, and the exit code that says so.

use node::api::{Code, ErrorInfo};

/// Why a command did not do what was asked.
#[derive(Debug)]
pub(crate) enum Failure {
    /// A node, or this program, says why.
    Refused(ErrorInfo),
    /// `verify` found parts missing or changed; the report is printed.
    Changed,
    /// The leak test saw something; the report is printed.
    Leaked,
    /// Ctrl-C or SIGTERM.
    Interrupted,
    /// Nobody reads stdout any more.
    Unread,
}

/// Exit codes; the help's "Exit codes" is this table in words.
pub(super) mod exit {
    pub(in crate::run) const DONE: u8 = 0;
    pub(in crate::run) const OTHER: u8 = 1;
    pub(in crate::run) const USAGE: u8 = 2;
    pub(in crate::run) const NOT_FOUND: u8 = 3;
    pub(in crate::run) const NETWORK: u8 = 4;
    pub(in crate::run) const SECRETS: u8 = 5;
    pub(in crate::run) const DISK: u8 = 6;
    pub(in crate::run) const BAD: u8 = 7;
    pub(in crate::run) const BUSY: u8 = 8;
    pub(in crate::run) const INTERRUPTED: u8 = 130;
}

/// The exit code of an error code.
pub(super) fn exit_code(code: Code) -> u8 {
    match code {
        Code::BadArgument => exit::USAGE,
        Code::NotFound | Code::Ambiguous | Code::NothingThere => exit::NOT_FOUND,
        Code::NotPublished | Code::TimedOut | Code::PortTaken | Code::Unreachable => exit::NETWORK,
        Code::Secrets | Code::OtherKey | Code::WrongPassphrase => exit::SECRETS,
        Code::Io
        | Code::DiskFull
        | Code::Quota
        | Code::SourceChanged
        | Code::Corrupt
        | Code::NewerData
        | Code::NotWritable
        | Code::OpenToOthers
        | Code::Incomplete
        | Code::OutsideRoot
        | Code::Unsynced => exit::DISK,
        Code::BadLink | Code::OtherReadKey | Code::WrongReadKey | Code::BadContent => exit::BAD,
        Code::Busy => exit::BUSY,
        Code::Cancelled => exit::INTERRUPTED,
        Code::Exists | Code::KindMismatch | Code::NotOwn | Code::AskFirst | Code::Stopping | Code::Internal => {
            exit::OTHER
        }
    }
}

impl Failure {
    pub(super) fn exit_code(&self) -> u8 {
        match self {
            Self::Refused(error) => exit_code(error.code),
            Self::Changed => exit::DISK,
            Self::Leaked => exit::OTHER,
            Self::Interrupted => exit::INTERRUPTED,
            // As if the pipe's signal had ended it quietly: the reader has what it wanted.
            Self::Unread => exit::DONE,
        }
    }
}

pub(super) fn refused<T>(code: Code, message: impl Into<String>) -> Result<T, Failure> {
    Err(Failure::Refused(ErrorInfo { code, message: message.into() }))
}

/// The node answered with a reply of another kind: a bug, or another version.
pub(super) fn strange<T>() -> Result<T, Failure> {
    refused(Code::Internal, "The node answers in another way than this version knows")
}
