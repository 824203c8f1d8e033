//! A command line that is none, and the help that was asked for.

use super::failure::exit;
use super::out::Out;
use clap::error::ErrorKind;
use node::api::{Code, ErrorInfo};
use std::ffi::OsString;

/// Prints why the command line was not taken, or what it asked to be shown; the exit code.
pub(crate) fn tell(error: &clap::Error, args: impl Iterator<Item = OsString>) -> u8 {
    let out = Out { json: wants_json(args) };
    let asked_for = !error.use_stderr();
    let code = if asked_for { exit::DONE } else { exit::USAGE };
    if !out.json {
        if error.kind() == ErrorKind::MissingSubcommand {
            out.failed(&ErrorInfo { code: Code::BadArgument, message: sentence(error.kind(), "") });
        } else {
            // A closed stream wants to hear no more.
            let _ = error.print();
        }
        return code;
    }
    let text = error.render().to_string();
    if asked_for {
        let member = if error.kind() == ErrorKind::DisplayVersion { "version" } else { "help" };
        return out.whole(member, text.trim_end()).map_or_else(|failure| failure.exit_code(), |()| code);
    }
    out.failed(&ErrorInfo { code: Code::BadArgument, message: sentence(error.kind(), &text) });
    code
}

/// clap's text without its frame: what is wrong, and its tips.
fn sentence(kind: ErrorKind, text: &str) -> String {
    if matches!(kind, ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand | ErrorKind::MissingSubcommand) {
        return "A command is missing. See: megatorrent help".into();
    }
    let end = ["\n\nUsage:", "\n\nFor more information"].iter().filter_map(|mark| text.find(mark)).min();
    let text = text.get(..end.unwrap_or(text.len())).unwrap_or(text);
    let words = text.strip_prefix("error: ").unwrap_or(text).split_whitespace();
    words.collect::<Vec<_>>().join(" ")
}

/// Whether `--json` stands among arguments that could not be read.
fn wants_json(args: impl Iterator<Item = OsString>) -> bool {
    args.skip(1).take_while(|arg| arg != "--").any(|arg| arg == "--json")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::Cli;
    use clap::Parser as _;

    #[test]
    fn a_usage_error_is_one_sentence() {
        let said = |line: &[&str]| {
            let error = Cli::try_parse_from(line).err().unwrap();
            sentence(error.kind(), &error.render().to_string())
        };
        for line in [&["megatorrent"] as &[_], &["megatorrent", "--json"], &["megatorrent", "id"]] {
            assert_eq!(said(line), "A command is missing. See: megatorrent help");
        }
        let unknown = said(&["megatorrent", "sing", "--json"]);
        assert!(unknown.contains("sing") && !unknown.contains('\n') && !unknown.contains("Usage"), "{unknown}");
        let missing = said(&["megatorrent", "publish"]);
        assert!(missing.contains("PATH") && !missing.starts_with("error"), "{missing}");
    }

    #[test]
    fn json_is_wanted_before_the_arguments_end() {
        let wants = |line: &[&str]| wants_json(line.iter().map(OsString::from));
        assert!(wants(&["megatorrent", "sing", "--json"]));
        assert!(!wants(&["megatorrent", "publish", "--", "--json"]));
        assert!(!wants(&["--json"]), "the program's own name");
    }
}
