//! What is printed: results on stdout, remarks and failures on stderr; with `--json` nothing but JSON on either, one value
//! a line.

use super::failure::{Failure, refused};
use crate::show;
use node::api::{Code, ErrorInfo};
use serde_json::{Value, json};
use std::io::Write as _;

/// Where results and remarks go.
#[derive(Clone, Copy)]
pub(crate) struct Out {
    pub(crate) json: bool,
}

impl Out {
    fn text(self, text: &str) -> Result<(), Failure> {
        let mut stdout = std::io::stdout().lock();
        match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
            Ok(()) => Ok(()),
            Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Err(Failure::Unread),
            Err(error) => {
                let error = node::words::without_number(error);
                refused(Code::Io, format!("The output cannot be written: {error}."))
            }
        }
    }

    fn line_of_json(self, value: &impl serde::Serialize) -> Result<(), Failure> {
        match serde_json::to_string(value) {
            Ok(text) => self.text(&format!("{text}\n")),
            Err(error) => refused(Code::Internal, format!("The answer cannot be written as JSON: {error}.")),
        }
    }

    /// One value: as JSON, or as the text that people read.
    pub(crate) fn value<T: serde::Serialize>(self, value: &T, text: impl FnOnce(&T) -> String) -> Result<(), Failure> {
        if self.json { self.line_of_json(value) } else { self.text(&text(value)) }
    }

    pub(crate) fn done(self, text: &str) -> Result<(), Failure> {
        self.value(&json!({ "done": true }), |_| format!("{text}\n"))
    }

    /// A text that is the result itself: with `--json` an object with this one member.
    pub(crate) fn whole(self, member: &str, text: &str) -> Result<(), Failure> {
        self.value(&json!({ member: text }), |_| text.to_owned())
    }

    /// A sentence for people, beside the result.
    pub(crate) fn remark(self, text: &str) {
        self.remark_with(text, []);
    }

    /// As [`Out::remark`], with members for programs.
    pub(crate) fn remark_with<const N: usize>(self, text: &str, more: [(&str, Value); N]) {
        if self.json {
            let mut remark = serde_json::Map::from_iter([("message".to_owned(), text.into())]);
            remark.extend(more.map(|(name, value)| (name.to_owned(), value)));
            said(&json!({ "remark": remark }).to_string());
        } else {
            said(&show::escape(text));
        }
    }

    /// Why it failed.
    pub(crate) fn failed(self, error: &ErrorInfo) {
        if self.json {
            said(&json!({ "error": error }).to_string());
        } else {
            said(&show::escape(&error.message));
        }
    }
}

/// A line on stderr. Who closed it wants to hear no more.
pub(crate) fn said(line: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{line}");
}
