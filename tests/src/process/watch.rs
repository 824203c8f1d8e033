//! `megatorrent watch --json`: what happens in a node, one event a line.

use super::{Home, Killed, PATIENCE};
use anyhow::{Context, Result, bail};
use serde_json::Value;
use std::collections::VecDeque;
use std::io::{BufRead, BufReader};
use std::process::Stdio;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Events kept for the message when something does not happen.
const REMEMBERED: usize = 8;

/// A stream of events.
pub struct Watch {
    child: Option<Killed>,
    events: Receiver<Value>,
    reader: Option<JoinHandle<()>>,
    last: VecDeque<String>,
}

impl Watch {
    pub(super) fn start(home: &Home) -> Result<Self> {
        let mut command = home.command()?;
        command.args(["--json", "watch"]).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = Killed(command.spawn().context("watch does not start")?);
        let stdout = child.0.stdout.take().context("no pipe")?;
        let (sender, events) = channel();
        let reader = std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                let event = serde_json::from_str(&line).unwrap_or(Value::String(line));
                if sender.send(event).is_err() {
                    return;
                }
            }
        });
        let mut watch =
            Self { child: Some(child), events, reader: Some(reader), last: VecDeque::with_capacity(REMEMBERED) };
        watch.until("the snapshot", |event| (event["event"] == "snapshot").then_some(()))?;
        Ok(watch)
    }

    /// Reads events until `pick` finds what it wants in one.
    ///
    /// # Errors
    /// It does not come within [`PATIENCE`]; the message ends with the last events.
    pub fn until<T>(&mut self, what: &str, pick: impl FnMut(&Value) -> Option<T>) -> Result<T> {
        self.until_within(what, PATIENCE, pick)
    }

    /// As [`Self::until`], within this time.
    ///
    /// # Errors
    /// As [`Self::until`].
    pub fn until_within<T>(
        &mut self,
        what: &str,
        patience: Duration,
        mut pick: impl FnMut(&Value) -> Option<T>,
    ) -> Result<T> {
        let deadline = Instant::now() + patience;
        loop {
            match self.events.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(event) => {
                    if let Some(found) = pick(&event) {
                        return Ok(found);
                    }
                    if self.last.len() == REMEMBERED {
                        self.last.pop_front();
                    }
                    let mut text = event.to_string();
                    text.truncate(text.floor_char_boundary(400));
                    self.last.push_back(text);
                }
                Err(RecvTimeoutError::Timeout) => bail!("{what} did not happen; last events: {:#?}", self.last),
                Err(RecvTimeoutError::Disconnected) => {
                    bail!("watch ended before {what} happened; last events: {:#?}", self.last)
                }
            }
        }
    }

    /// Waits until an item of this title is complete.
    ///
    /// # Errors
    /// As [`Self::until`].
    pub fn until_ready(&mut self, title: &str) -> Result<Value> {
        self.until(&format!("{title:?} complete"), |event| {
            (event["event"] == "ready" && event["data"]["name"] == title).then(|| event["data"].clone())
        })
    }

    /// Waits until an item or channel shows this cause (its name in JSON).
    ///
    /// # Errors
    /// As [`Self::until`].
    pub fn until_cause(&mut self, cause: &str) -> Result<Value> {
        self.until(&format!("cause {cause:?}"), |event| {
            (event["data"]["cause"]["cause"] == cause).then(|| event["data"].clone())
        })
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        // The reader ends with the pipe, so the child goes first.
        drop(self.child.take());
        if let Some(reader) = self.reader.take() {
            // A reader that panicked has said so on standard error.
            let _ = reader.join();
        }
    }
}
