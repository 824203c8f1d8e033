//! How far it is, and what it waits for: a bar on a terminal, else a plain line at most every two seconds, else JSON lines.
//! Always on stderr.
//!
//! Promises: who waits reads for what within two seconds; what lasts less than one is not said.

use crate::run::said;
use crate::show;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use node::api::{Event, ItemInfo, ItemState, PublishProgress};
use std::collections::HashMap;
use std::io::IsTerminal;
use std::time::{Duration, Instant};
use unicode_width::UnicodeWidthStr as _;

/// Time between plain lines.
const PACE: Duration = Duration::from_secs(2);
/// A reason to wait is said when it has lasted for so long.
const LASTING: Duration = Duration::from_secs(1);
/// How often a bar is drawn in a second, at most.
const REDRAWS: u8 = 4;

/// What progress is about.
pub(crate) enum Subject {
    /// A publication.
    Publication,
    /// The items that fit.
    Items(Filter),
    /// A channel's list, by key; none: which is not known.
    List(Option<String>),
    /// An item's list of files.
    Files,
    /// A move of all downloads.
    Move,
    /// A rule, and what goes by it.
    Rule,
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

impl Subject {
    /// Whether what is waited for in this channel is this command's business.
    fn waits_in(&self, channel: &str) -> bool {
        match self {
            Self::Items(Filter::Channel(key)) | Self::List(Some(key)) => key == channel,
            _ => true,
        }
    }

    /// What is done before anything is known of it.
    fn first_words(&self) -> &'static str {
        match self {
            Self::Publication => "Looking through the files",
            Self::Items(Filter::Channel(_)) | Self::List(_) => "Looking for the channel's list",
            Self::Items(Filter::Item(_) | Filter::Any) => "Waiting for the first part",
            Self::Files => "Looking for the item's list of files",
            Self::Move => "Moving",
            Self::Rule => "Deleting what the rule does not keep",
        }
    }
}

/// A way to show progress.
enum Face {
    Json,
    Bar(ProgressBar),
    Lines { last: Option<Instant> },
}

/// A line that is to be shown: text, and how much of what is done.
#[derive(Default)]
struct Line {
    text: String,
    done: u64,
    total: u64,
    /// Why it does not move, which must be read to its end.
    reason: Option<String>,
}

/// Columns of a bar with the space behind it.
const BAR_WIDTH: usize = 25;

/// Columns of the terminal on stderr.
fn terminal_width() -> usize {
    #[cfg(unix)]
    if let Ok(size) = rustix::termios::tcgetwinsize(std::io::stderr())
        && size.ws_col > 0
    {
        return size.ws_col.into();
    }
    80
}

/// Shows one command's progress.
pub(crate) struct Progress {
    subject: Subject,
    face: Face,
    items: HashMap<String, ItemInfo>,
    /// Since when an item has a reason to wait.
    waiting: HashMap<String, Instant>,
    begun: Instant,
    /// When something new came last, and what had come by then: bytes, and items that were known.
    news: Instant,
    had: (u64, usize),
    /// What was shown last.
    said: String,
    /// What is shown at that time, unless something else is to be shown by then.
    next: Option<(Instant, Line)>,
    /// The reason to wait that was heard last.
    why: String,
    /// The reason that stands above the bar.
    above: Option<String>,
    /// The link of a publication that waits is told once.
    told_link: bool,
}

impl Progress {
    /// `plainly`: no bar, though there is a terminal.
    pub(crate) fn new(subject: Subject, json: bool, plainly: bool) -> Self {
        let face = if json {
            Face::Json
        } else if std::io::stderr().is_terminal() && !plainly {
            let bar = ProgressBar::with_draw_target(Some(0), ProgressDrawTarget::stderr_with_hz(REDRAWS));
            // A template of ours: it parses, or the plain style stands in.
            let style = ProgressStyle::with_template("{bar:24} {wide_msg}")
                .unwrap_or_else(|_| ProgressStyle::default_bar())
                .progress_chars("██░");
            bar.set_style(style);
            Face::Bar(bar)
        } else {
            Face::Lines { last: None }
        };
        let now = Instant::now();
        Self {
            subject,
            face,
            items: HashMap::new(),
            waiting: HashMap::new(),
            begun: now,
            news: now,
            had: (0, 0),
            said: String::new(),
            next: None,
            why: String::new(),
            above: None,
            told_link: false,
        }
    }

    /// Takes an event; what is not about the subject is passed over.
    pub(crate) fn event(&mut self, event: &Event) {
        let line = match (&self.subject, event) {
            (Subject::Publication, Event::Publishing(progress)) => {
                let (done, total) = match progress.stage.as_str() {
                    "scan" | "seal" => (progress.done, progress.total),
                    _ => (progress.announced, progress.to_announce),
                };
                if let Some(link) = &progress.link
                    && !std::mem::replace(&mut self.told_link, true)
                {
                    let text = format!("Its link, which leads to it once it is out: {}", show::escape(link));
                    match &self.face {
                        Face::Json => {}
                        Face::Bar(bar) => bar.println(text),
                        Face::Lines { .. } => said(&text),
                    }
                }
                Line { text: publishing(progress), done, total, reason: None }
            }
            (Subject::Items(filter), Event::Item(item) | Event::Ready(item)) if filter.takes(item) => {
                let item = item.clone();
                self.item(event, item);
                return;
            }
            (Subject::Move, Event::Moving(progress)) => {
                let text = format!("{} of {}", show::size(progress.done), show::size(progress.total));
                Line { text, done: progress.done, total: progress.total, reason: None }
            }
            (_, Event::Waiting(waiting)) if self.subject.waits_in(&waiting.channel) => {
                let text = show::escape(&waiting.cause.to_string());
                self.why.clone_from(&text);
                if let Face::Lines { last } = &mut self.face {
                    // It is news: it does not wait for its turn.
                    *last = None;
                }
                Line { reason: Some(text.clone()), text, ..Line::default() }
            }
            (_, Event::Notice(notice)) => {
                match &self.face {
                    Face::Json => json_line(event),
                    Face::Bar(bar) => bar.println(show::escape(&notice.message)),
                    Face::Lines { .. } => said(&show::escape(&notice.message)),
                }
                return;
            }
            _ => return,
        };
        if let Face::Json = self.face {
            json_line(event);
        }
        self.came((line.done, 0));
        self.next = None;
        self.show(line);
    }

    fn item(&mut self, event: &Event, item: ItemInfo) {
        let now = Instant::now();
        match &item.cause {
            Some(cause) => {
                self.why = show::escape(&cause.to_string());
                self.waiting.entry(item.id.clone()).or_insert(now);
            }
            None => {
                self.waiting.remove(&item.id);
                self.why.clear();
            }
        }
        let since = self.waiting.get(&item.id).copied();
        self.items.insert(item.id.clone(), item.clone());
        let all = || self.items.values().filter(|item| item.state != ItemState::Listed);
        let done = all().map(|item| item.have).fold(0, u64::saturating_add);
        let total = all().map(|item| item.bytes).fold(0, u64::saturating_add);
        let rate = all().map(|item| item.rate).fold(0, u64::saturating_add);
        self.came((done, self.items.len()));
        if let Face::Json = self.face {
            json_line(event);
            return;
        }
        let reason = item.cause.as_ref().map(|_| self.why.clone());
        let line = Line { text: fetching(&item, done, total, rate), done, total, reason };
        match since.map(|since| since + LASTING).filter(|due| *due > now) {
            // Most reasons pass at once.
            Some(due) => self.next = Some((due, line)),
            None => {
                self.next = None;
                self.show(line);
            }
        }
    }

    fn came(&mut self, had: (u64, usize)) {
        if had != self.had {
            (self.had, self.news) = (had, Instant::now());
        }
    }

    fn show(&mut self, line: Line) {
        match &mut self.face {
            Face::Json => {}
            Face::Bar(bar) => {
                let fits = BAR_WIDTH + line.text.width() <= terminal_width();
                if let Some(reason) = line.reason.filter(|reason| !fits && self.above.as_ref() != Some(reason)) {
                    bar.println(&reason);
                    self.above = Some(reason);
                }
                bar.set_length(line.total.max(1));
                bar.set_position(line.done.min(line.total));
                bar.set_message(line.text.clone());
                self.said = line.text;
            }
            Face::Lines { last } => {
                if self.said == line.text {
                    return;
                }
                match last.map(|last| last + PACE).filter(|due| *due > Instant::now()) {
                    Some(due) => self.next = Some((due, line)),
                    None => {
                        said(&line.text);
                        *last = Some(Instant::now());
                        self.said = line.text;
                    }
                }
            }
        }
    }

    /// Shows what was put off; how long nothing new came.
    pub(crate) fn still(&mut self) -> Duration {
        let now = Instant::now();
        if let Some((_, line)) = self.next.take_if(|(due, _)| *due <= now) {
            self.show(line);
        } else if self.said.is_empty() && self.next.is_none() && now - self.begun >= LASTING {
            self.show(Line { text: self.subject.first_words().to_owned(), ..Line::default() });
        }
        now - self.news
    }

    /// What is waited for, as a sentence with a space before it; empty: nothing is known.
    pub(crate) fn why(&self) -> String {
        if self.why.is_empty() { String::new() } else { format!(" {}.", self.why.trim_end_matches('.')) }
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
        said(&text);
    }
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
        "wait" => {
            let why = progress.cause.as_ref().map(|cause| show::escape(&cause.to_string()));
            format!("{title}: ready to go out. {}", why.unwrap_or_else(|| "Nothing can leave yet".to_owned()))
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
    use node::api::{Cause, Waiting};

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
        progress.stage = "wait".into();
        progress.cause = Some(node::api::Cause::TorStarting { percent: 14 });
        assert_eq!(publishing(&progress), "\"a\u{FFFD}b\": ready to go out. Tor is not ready, 14 %");
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
        let mut progress = Progress::new(Subject::Items(Filter::Channel("c".into())), false, true);
        progress.event(&Event::Item(item("1", "c")));
        progress.event(&Event::Item(item("2", "other")));
        progress.event(&Event::Ready(item("3", "c")));
        let mut ids: Vec<_> = progress.items.keys().cloned().collect();
        ids.sort();
        assert_eq!(ids, ["1", "3"]);
        assert!(Filter::Any.takes(&item("1", "x")));
        assert!(!Filter::Item("2".into()).takes(&item("1", "c")));
    }

    #[test]
    fn a_reason_that_passes_at_once_is_not_said() {
        let mut progress = Progress::new(Subject::Items(Filter::Any), false, true);
        let mut item = ItemInfo { id: "1".into(), bytes: 10, state: ItemState::Waiting, ..Default::default() };
        item.cause = Some(Cause::NobodyHasIt { connected: 1 });
        progress.event(&Event::Item(item.clone()));
        assert_eq!(progress.said, "");
        assert!(progress.why().ends_with("missing parts."), "{}", progress.why());
        item.cause = None;
        item.have = 5;
        progress.event(&Event::Item(item.clone()));
        assert!(progress.said.starts_with("5 B of 10 B"), "{}", progress.said);
        assert_eq!(progress.why(), "");
        // One that lasts is.
        progress.waiting.insert("1".into(), Instant::now() - LASTING);
        progress.face = Face::Lines { last: None };
        item.cause = Some(Cause::NobodyHasIt { connected: 1 });
        progress.event(&Event::Item(item));
        assert!(progress.said.contains("only peer online"), "{}", progress.said);
    }

    #[test]
    fn what_is_waited_for_elsewhere_is_not_ours() {
        let key = |byte: &str| byte.repeat(64);
        let mut progress = Progress::new(Subject::List(Some(key("a"))), false, true);
        let waiting = |channel| Event::Waiting(Waiting { channel, cause: Cause::NoManifest });
        progress.event(&waiting(key("b")));
        assert_eq!(progress.said, "");
        progress.event(&waiting(key("a")));
        assert_eq!(progress.said, "Waiting: the channel's list has not been found yet");
    }

    #[test]
    fn nothing_new_is_told_from_something() {
        let mut progress = Progress::new(Subject::Items(Filter::Any), false, true);
        progress.news -= Duration::from_secs(60);
        assert!(progress.still() >= Duration::from_secs(60));
        assert_eq!(progress.said, "");
        progress.begun -= LASTING;
        progress.still();
        assert_eq!(progress.said, "Waiting for the first part");
        let item = ItemInfo { id: "1".into(), bytes: 10, have: 1, state: ItemState::Fetching, ..Default::default() };
        progress.event(&Event::Item(item.clone()));
        assert!(progress.still() < Duration::from_secs(60));
        progress.news -= Duration::from_secs(60);
        progress.event(&Event::Item(item));
        assert!(progress.still() >= Duration::from_secs(60), "the same again is nothing new");
    }
}
