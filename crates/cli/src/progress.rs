//! How far it is: bars on a terminal, else a plain line at most every two seconds, else JSON lines. Always on stderr.

use crate::show;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use node::api::{Event, ItemInfo, ItemState, PublishProgress};
use std::collections::HashMap;
use std::io::{IsTerminal, Write as _};
use std::time::{Duration, Instant};

/// Time between plain lines.
const PACE: Duration = Duration::from_secs(2);

/// How often a bar is drawn in a second, at most.
const REDRAWS: u8 = 4;

/// What progress is about.
pub(crate) enum Subject {
    /// A publication.
    Publication,
    /// The items that fit.
    Items(Filter),
    /// A move of all downloads.
    Move,
}

/// Which items a `get` is about.
pub(crate) enum Filter {
    /// A channel's, by key.
    Channel(String),
    /// One, by ID.
    Item(String),
    /// It is not known which.
    Any,
}

impl Filter {
    fn takes(&self, item: &ItemInfo) -> bool {
        match self {
            Self::Channel(key) => item.channel == *key,
            Self::Item(id) => item.id == *id,
            Self::Any => true,
        }
    }
}

/// A way to show progress.
enum Face {
    Json,
    Bar(ProgressBar),
    Lines { last: Option<Instant>, said: String },
}

/// Shows one command's progress.
pub(crate) struct Progress {
    subject: Subject,
    face: Face,
    items: HashMap<String, ItemInfo>,
}

impl Progress {
    pub(crate) fn new(subject: Subject, json: bool) -> Self {
        let face = if json {
            Face::Json
        } else if std::io::stderr().is_terminal() {
            let bar = ProgressBar::with_draw_target(Some(0), ProgressDrawTarget::stderr_with_hz(REDRAWS));
            // A template of ours: it parses, or the plain style stands in.
            let style = ProgressStyle::with_template("{bar:24} {wide_msg}")
                .unwrap_or_else(|_| ProgressStyle::default_bar())
                .progress_chars("██░");
            bar.set_style(style);
            Face::Bar(bar)
        } else {
            Face::Lines { last: None, said: String::new() }
        };
        Self { subject, face, items: HashMap::new() }
    }

    /// Takes an event; what is not about the subject is passed over.
    pub(crate) fn event(&mut self, event: &Event) {
        let (done, total, text) = match (&self.subject, event) {
            (Subject::Publication, Event::Publishing(progress)) => {
                let (done, total) = match progress.stage.as_str() {
                    "scan" | "seal" => (progress.done, progress.total),
                    _ => (progress.announced, progress.to_announce),
                };
                (done, total, publishing(progress))
            }
            (Subject::Items(filter), Event::Item(item) | Event::Ready(item)) if filter.takes(item) => {
                self.items.insert(item.id.clone(), item.clone());
                let all = || self.items.values().filter(|item| item.state != ItemState::Listed);
                let done = all().map(|item| item.have).fold(0, u64::saturating_add);
                let total = all().map(|item| item.bytes).fold(0, u64::saturating_add);
                (done, total, fetching(item, done, total, all().map(|item| item.rate).fold(0, u64::saturating_add)))
            }
            (Subject::Move, Event::Moving(progress)) => {
                let text = format!("{} of {}", show::size(progress.done), show::size(progress.total));
                (progress.done, progress.total, text)
            }
            (_, Event::Notice(notice)) => {
                self.say(&show::escape(&notice.message), event);
                return;
            }
            _ => return,
        };
        match &mut self.face {
            Face::Json => json_line(event),
            Face::Bar(bar) => {
                bar.set_length(total.max(1));
                bar.set_position(done.min(total));
                bar.set_message(text);
            }
            Face::Lines { last, said } => {
                if last.is_none_or(|last| last.elapsed() >= PACE) && *said != text {
                    plain_line(&text);
                    *last = Some(Instant::now());
                    *said = text;
                }
            }
        }
    }

    fn say(&self, text: &str, event: &Event) {
        match &self.face {
            Face::Json => json_line(event),
            Face::Bar(bar) => bar.println(text),
            Face::Lines { .. } => plain_line(text),
        }
    }

    /// Takes the bar away; what came of it is printed by others.
    pub(crate) fn end(self) {
        if let Face::Bar(bar) = self.face {
            bar.finish_and_clear();
        }
    }
}

fn json_line(event: &Event) {
    if let Ok(text) = serde_json::to_string(event) {
        plain_line(&text);
    }
}

fn plain_line(text: &str) {
    // A closed stderr wants to hear no more.
    let _ = writeln!(std::io::stderr().lock(), "{text}");
}

/// A publication's progress as a sentence.
pub(crate) fn publishing(progress: &PublishProgress) -> String {
    let title = show::quoted(&progress.title);
    let of = |done: String, total: u64, whole: String| if total > 0 { format!("{done} of {whole}") } else { done };
    match progress.stage.as_str() {
        "scan" => format!("{title}: looking through files"),
        "seal" => {
            let done = of(show::size(progress.done), progress.total, show::size(progress.total));
            format!("{title}: reading and sealing, {done}")
        }
        "announce" => {
            let done = of(progress.announced.to_string(), progress.to_announce, progress.to_announce.to_string());
            format!("{title}: announcing, {done}")
        }
        "publish" => format!("{title}: publishing the list"),
        other => format!("{title}: {}", show::escape(other)),
    }
}

fn fetching(item: &ItemInfo, done: u64, total: u64, rate: u64) -> String {
    let title = show::quoted(&item.name);
    let whole = format!("{} of {}", show::size(done), show::size(total));
    match &item.cause {
        Some(cause) => format!("{whole}, {title}: {}", show::escape(&cause.to_string())),
        None if item.state == ItemState::Complete => format!("{whole}, {title} is here"),
        None => format!("{whole}, {}/s, {title}", show::size(rate)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_publication_reads_as_a_sentence() {
        let mut progress =
            PublishProgress { title: "a\u{202E}b".into(), stage: "seal".into(), done: 500, ..Default::default() };
        assert_eq!(publishing(&progress), "\"a\u{FFFD}b\": reading and sealing, 500 B");
        progress.total = 2_000_000;
        assert_eq!(publishing(&progress), "\"a\u{FFFD}b\": reading and sealing, 500 B of 2.0 MB");
        progress.stage = "announce".into();
        progress.announced = 3;
        progress.to_announce = 9;
        assert_eq!(publishing(&progress), "\"a\u{FFFD}b\": announcing, 3 of 9");
    }

    #[test]
    fn only_the_items_asked_for_count() {
        let item = |id: &str, channel: &str| ItemInfo {
            id: id.into(),
            channel: channel.into(),
            bytes: 10,
            state: ItemState::Fetching,
            ..Default::default()
        };
        let mut progress = Progress {
            subject: Subject::Items(Filter::Channel("c".into())),
            face: Face::Lines { last: Some(Instant::now()), said: String::new() },
            items: HashMap::new(),
        };
        progress.event(&Event::Item(item("1", "c")));
        progress.event(&Event::Item(item("2", "other")));
        progress.event(&Event::Ready(item("3", "c")));
        let mut ids: Vec<_> = progress.items.keys().cloned().collect();
        ids.sort();
        assert_eq!(ids, ["1", "3"]);
        assert!(Filter::Any.takes(&item("1", "x")));
        assert!(!Filter::Item("2".into()).takes(&item("1", "c")));
    }
}
