//! The letters of it: harmless text, sizes, ages, dates, columns.

use node::words::count;
use std::fmt::Write as _;
use std::time::{SystemTime, UNIX_EPOCH};
use unicode_segmentation::UnicodeSegmentation as _;
use unicode_width::UnicodeWidthStr;

/// What is not known.
pub(super) const UNKNOWN: &str = "–";

/// Makes text of unknown origin fit for one line of a terminal: control characters, line separators, bidirectional
/// controls and invisible characters become U+FFFD. Joiners stay where they join: within a family of emoji, and between
/// letters of scripts that are written with them; so do the tags of a flag.
pub(crate) fn escape(text: &str) -> String {
    let chars: Vec<char> = text.chars().collect();
    let mut out = String::with_capacity(text.len());
    let mut tags_until = 0;
    for (at, char) in chars.iter().copied().enumerate() {
        if char == '\u{1F3F4}' {
            let tags = chars[at + 1..].iter().take_while(|c| ('\u{E0020}'..='\u{E007E}').contains(*c)).count();
            let ends = tags > 0 && tags <= TAGS_MAX && chars.get(at + 1 + tags) == Some(&'\u{E007F}');
            tags_until = if ends { at + 1 + tags } else { 0 };
        }
        let joins = matches!(char, '\u{200C}' | '\u{200D}')
            && at
                .checked_sub(1)
                .and_then(|before| chars.get(before))
                .is_some_and(|before| chars.get(at + 1).is_some_and(|after| is_joined(*before, char, *after)));
        let harmless = joins || at <= tags_until && at > 0 && ('\u{E0020}'..='\u{E007F}').contains(&char);
        out.push(if is_harmful(char) && !harmless { char::REPLACEMENT_CHARACTER } else { char });
    }
    out
}

/// Tags that the flag of a region has, at most.
const TAGS_MAX: usize = 6;

/// Whether a joiner, or a non-joiner, does its work between these two.
fn is_joined(before: char, joiner: char, after: char) -> bool {
    let emoji = |char: char| matches!(char, '\u{203C}'..='\u{2BFF}' | '\u{3030}' | '\u{303D}' | '\u{FE0F}' | '\u{1F000}'..='\u{1FAFF}');
    // Arabic and its kin, the scripts of India and around it, Khmer, Mongolian.
    let letter = |char: char| {
        matches!(char, '\u{620}'..='\u{8FF}' | '\u{900}'..='\u{DFF}' | '\u{1000}'..='\u{109F}'
            | '\u{1780}'..='\u{17B3}' | '\u{17B6}'..='\u{17FF}' | '\u{1820}'..='\u{18AF}')
    };
    let visible = |char: char| !is_harmful(char);
    visible(before)
        && visible(after)
        && (joiner == '\u{200D}' && emoji(before) && emoji(after) || letter(before) && letter(after))
}

fn is_harmful(char: char) -> bool {
    char.is_control()
        || matches!(char,
            '\u{00AD}' | '\u{034F}' | '\u{061C}' | '\u{115F}' | '\u{1160}' | '\u{17B4}' | '\u{17B5}' | '\u{180E}'
            | '\u{200B}'..='\u{200F}'
            | '\u{2028}'..='\u{202E}'
            | '\u{2060}'..='\u{206F}'
            | '\u{3164}' | '\u{FEFF}' | '\u{FFA0}'
            | '\u{FFF9}'..='\u{FFFB}'
            | '\u{1D173}'..='\u{1D17A}'
            | '\u{E0000}'..='\u{E0FFF}')
}

/// Shortens to a width in columns, an ellipsis at the end, never within what is seen as one character. The text is escaped already.
pub(super) fn shorten(text: &str, width: usize) -> String {
    if text.width() <= width {
        return text.to_owned();
    }
    let mut short = String::new();
    for whole in text.graphemes(true) {
        if short.width() + whole.width() + 1 > width {
            break;
        }
        short.push_str(whole);
    }
    short.push('…');
    short
}

/// Shortens a file's path in the middle: its end, with the extension, stays.
pub(super) fn shorten_path(text: &str, width: usize) -> String {
    if text.width() <= width {
        return text.to_owned();
    }
    let mut tail: Vec<&str> = Vec::new();
    let mut columns = 0;
    for whole in text.graphemes(true).rev() {
        columns += whole.width();
        if columns > width / 2 {
            break;
        }
        tail.push(whole);
    }
    let tail: String = tail.into_iter().rev().collect();
    let head = shorten(text, width.saturating_sub(tail.width()));
    head + &tail
}

/// A share of a whole in percent, rounded down: 100 means all.
pub(super) fn percent(part: u64, whole: u64) -> String {
    if whole == 0 {
        return UNKNOWN.to_owned();
    }
    format!("{} %", u128::from(part.min(whole)) * 100 / u128::from(whole))
}

pub(super) fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

/// How long ago, from ms since 1970.
pub(super) fn age(then: u64, now: u64) -> String {
    let seconds = now.saturating_sub(then) / 1000;
    match seconds {
        0..60 => "just now".to_owned(),
        60..3600 => format!("{} min ago", seconds / 60),
        3600..86_400 => format!("{} h ago", seconds / 3600),
        _ => format!("{} ago", count(seconds / 86_400, "day", "days")),
    }
}

/// The UTC date of ms since 1970, `YYYY-MM-DD`.
pub(super) fn date(ms: u64) -> String {
    // Days to a civil date: eras of 400 years, years that begin in March.
    let days = ms / 86_400_000 + 719_468;
    let era = days / 146_097;
    let day_of_era = days % 146_097;
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    if ms == 0 || year > 9999 { UNKNOWN.to_owned() } else { format!("{year:04}-{month:02}-{day:02}") }
}

/// A column's head and on which side its cells align.
#[derive(Clone, Copy)]
pub(super) enum Column {
    Start(&'static str),
    End(&'static str),
}

/// Columns that the first cell of a row keeps, however narrow the terminal is.
const FIRST_WIDTH: usize = 16;

/// Columns of the terminal that results go to; none: they go elsewhere, where lines may be as long as they are.
fn terminal_width() -> Option<usize> {
    #[cfg(unix)]
    if let Ok(size) = rustix::termios::tcgetwinsize(std::io::stdout()) {
        return Some(usize::from(size.ws_col)).filter(|columns| *columns > 0);
    }
    None
}

/// Lines up cells under heads; none: no line, not even the heads. On a terminal the first cells give way to the others.
pub(super) fn table(columns: &[Column], rows: &[Vec<String>]) -> String {
    table_within(columns, rows, terminal_width())
}

/// As [`table`], in lines of this width if that can be.
pub(super) fn table_within(columns: &[Column], rows: &[Vec<String>], width: Option<usize>) -> String {
    if rows.is_empty() {
        return String::new();
    }
    let widest = |at: usize| rows.iter().filter_map(|row| row.get(at)).map(|cell| cell.width()).max().unwrap_or(0);
    let head = |column: &Column| match column {
        Column::Start(head) | Column::End(head) => head.width(),
    };
    let all: Vec<usize> = columns.iter().enumerate().map(|(at, column)| widest(at).max(head(column))).collect();
    let whole = all.iter().sum::<usize>() + 2 * columns.len().saturating_sub(1);
    let over = width.map_or(0, |width| whole.saturating_sub(width));
    let first = all.first().map_or(0, |first| first.saturating_sub(over).max(FIRST_WIDTH.min(*first)));
    let narrowed: Vec<Vec<String>>;
    let rows = if over == 0 {
        rows
    } else {
        let narrow = |row: &Vec<String>| {
            let mut row = row.clone();
            if let Some(cell) = row.first_mut() {
                *cell = shorten(cell, first);
            }
            row
        };
        narrowed = rows.iter().map(narrow).collect();
        narrowed.as_slice()
    };
    let heads: Vec<String> = columns
        .iter()
        .map(|column| match column {
            Column::Start(head) | Column::End(head) => (*head).to_owned(),
        })
        .collect();
    let widths: Vec<usize> = (0..columns.len())
        .map(|at| rows.iter().chain([&heads]).filter_map(|row| row.get(at)).map(|cell| cell.width()).max().unwrap_or(0))
        .collect();
    let mut text = String::new();
    for row in std::iter::once(&heads).chain(rows) {
        let mut line = String::new();
        for ((cell, column), width) in row.iter().zip(columns).zip(&widths) {
            let gap = " ".repeat(width.saturating_sub(cell.width()));
            match column {
                Column::Start(_) => line.extend([cell, gap.as_str(), "  "]),
                Column::End(_) => line.extend([gap.as_str(), cell, "  "]),
            }
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

/// Label and value, one a line.
pub(super) fn sheet(rows: &[(&str, String)]) -> String {
    let width = rows.iter().map(|(label, _)| label.width()).max().unwrap_or(0);
    rows.iter().fold(String::new(), |mut text, (label, value)| {
        let _ = writeln!(text, "{label:width$}  {value}");
        text
    })
}
