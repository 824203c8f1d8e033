//! Results, on stdout.

use super::failure::{Failure, refused};
use node::api::Code;
use std::io::Write as _;

/// Where results go.
pub(super) struct Out {
    pub(super) json: bool,
}

impl Out {
    pub(super) fn text(&self, text: &str) -> Result<(), Failure> {
        let mut stdout = std::io::stdout().lock();
        match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
            Ok(()) => Ok(()),
            Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Err(Failure::Unread),
            Err(error) => refused(Code::Io, format!("stdout: {error}")),
        }
    }

    pub(super) fn line_of_json(&self, value: &impl serde::Serialize) -> Result<(), Failure> {
        match serde_json::to_string(value) {
            Ok(text) => self.text(&format!("{text}\n")),
            Err(error) => refused(Code::Internal, format!("JSON: {error}")),
        }
    }

    /// One value: as JSON, or as the text that people read.
    pub(super) fn value<T: serde::Serialize>(&self, value: &T, text: impl FnOnce(&T) -> String) -> Result<(), Failure> {
        if self.json { self.line_of_json(value) } else { self.text(&text(value)) }
    }

    pub(super) fn done(&self, text: &str) -> Result<(), Failure> {
        self.value(&serde_json::json!({ "done": true }), |_| format!("{text}\n"))
    }
}
