use super::failure::exit_code;
use super::identity::is_age;
use super::*;
use crate::args::Cli;
use clap::Parser as _;

/// Every code with its exit code; a new code does not compile in `exit_code` until it has one.
const TABLE: &[(Code, u8)] = &[
    (Code::BadLink, 7),
    (Code::OtherReadKey, 7),
    (Code::WrongReadKey, 7),
    (Code::NotFound, 3),
    (Code::Ambiguous, 3),
    (Code::Exists, 1),
    (Code::BadArgument, 2),
    (Code::KindMismatch, 1),
    (Code::NotOwn, 1),
    (Code::Io, 6),
    (Code::DiskFull, 6),
    (Code::Quota, 6),
    (Code::SourceChanged, 6),
    (Code::Secrets, 5),
    (Code::OtherKey, 5),
    (Code::WrongPassphrase, 5),
    (Code::AskFirst, 1),
    (Code::NotPublished, 4),
    (Code::TimedOut, 4),
    (Code::Cancelled, 130),
    (Code::Busy, 8),
    (Code::PortTaken, 4),
    (Code::Corrupt, 6),
    (Code::NewerData, 6),
    (Code::NotWritable, 6),
    (Code::OpenToOthers, 6),
    (Code::Incomplete, 6),
    (Code::NothingThere, 3),
    (Code::OutsideRoot, 6),
    (Code::Unsynced, 6),
    (Code::Unreachable, 4),
    (Code::BadContent, 7),
    (Code::Stopping, 1),
    (Code::Internal, 1),
];

#[test]
fn exit_codes_are_those_of_the_help() {
    let help = Cli::command().render_long_help().to_string();
    let listed = help.split("Exit codes:").nth(1).unwrap();
    for (code, exit) in TABLE {
        assert_eq!(exit_code(*code), *exit, "{code:?}");
        assert!(listed.lines().any(|line| line.split_whitespace().next() == Some(&exit.to_string())), "{exit}");
    }
    assert_eq!(Failure::Interrupted.exit_code(), 130);
    assert_eq!(Failure::Changed.exit_code(), 6);
}

#[test]
fn only_what_talks_to_peers_opens_sockets() {
    let needs = |line: &str| {
        let line = std::iter::once("megatorrent").chain(line.split(' '));
        need(&Cli::try_parse_from(line).map_err(|error| error.to_string()).unwrap().command)
    };
    for line in ["publish a", "unpublish 1", "edit A --name B", "look L", "get L", "watch"] {
        assert_eq!(needs(line), Need::Network, "{line}");
    }
    assert_eq!(needs("daemon"), Need::Own);
    for line in [
        "id list",
        "id new A",
        "subscribe L",
        "unsubscribe A",
        "channels",
        "items A",
        "files 1",
        "pause",
        "resume",
        "remove 1",
        "verify 1",
        "locate 1 p",
        "status",
        "transfers",
        "peers",
        "link A",
        "set",
    ] {
        assert_eq!(needs(line), Need::Store, "{line}");
    }
}

#[test]
fn a_word_tells_what_it_names() {
    assert_eq!(kind_of(&"a".repeat(64)), Kind::Channel);
    assert_eq!(kind_of(&"a".repeat(32)), Kind::Item);
    assert_eq!(kind_of("Tidewater/3fa9"), Kind::Item);
    assert_eq!(kind_of("megatorrent://aa/bb"), Kind::Channel);
    assert_eq!(kind_of("Tidewater"), Kind::Either);
}

#[test]
fn on_and_off() {
    assert!(matches!(on_or_off("on"), Ok(true)));
    assert!(matches!(on_or_off("off"), Ok(false)));
    assert!(matches!(on_or_off("maybe"), Err(Failure::Refused(error)) if error.code == Code::BadArgument));
}

#[test]
fn a_backup_is_told_from_a_v5_file() {
    let dir = tempfile::tempdir().unwrap();
    let write = |name: &str, bytes: &[u8]| {
        let path = dir.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path
    };
    assert!(is_age(&write("a", b"age-encryption.org/v1\n-> scrypt")));
    assert!(is_age(&write("b", b"-----BEGIN AGE ENCRYPTED FILE-----\n")));
    assert!(!is_age(&write("c", br#"{"publicKey":"00","secretKey":"00"}"#)));
    assert!(!is_age(&write("d", b"age")));
    assert!(!is_age(&dir.path().join("none")));
}
