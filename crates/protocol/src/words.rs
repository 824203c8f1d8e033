//! Numbers and texts as people read them, for every message of every crate.
//!
//! Promises: a noun has the number that stands before it; bytes have units, rounded down, so that nothing looks fuller than
//! it is; what is quoted is quoted in one way, and never as a programmer's debug text.

/// "1 file", "2 files": the number with its noun.
pub fn count(number: u64, one: &str, many: &str) -> String {
    format!("{number} {}", plural(number, one, many))
}

/// The word that goes with this number: of a noun, or of its verb.
pub fn plural<'a>(number: u64, one: &'a str, many: &'a str) -> &'a str {
    if number == 1 { one } else { many }
}

/// Bytes in units of 1000, three digits at most before the point, rounded down: "999 B", "1.9 KB", "26.3 GB".
pub fn size(bytes: u64) -> String {
    const UNITS: [&str; 6] = ["KB", "MB", "GB", "TB", "PB", "EB"];
    if bytes < 1000 {
        return format!("{bytes} B");
    }
    let mut unit = 0;
    let mut tenths = bytes / 100;
    while tenths >= 10_000 && unit + 1 < UNITS.len() {
        tenths /= 1000;
        unit += 1;
    }
    if tenths >= 1000 {
        format!("{} {}", tenths / 10, UNITS[unit])
    } else {
        format!("{}.{} {}", tenths / 10, tenths % 10, UNITS[unit])
    }
}

/// A text or a path in quotes. It may be hostile: whoever shows it makes it harmless.
pub fn quoted(text: impl std::fmt::Display) -> String {
    format!("\"{text}\"")
}

/// A system's error as people read it: without its number, " (os error 17)".
pub fn without_number(error: impl std::fmt::Display) -> String {
    const MARK: &str = " (os error ";
    let mut text = error.to_string();
    while let Some(at) = text.find(MARK) {
        let Some(end) = text[at..].find(')') else { break };
        text.replace_range(at..=at + end, "");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_is_one_and_others_are_many() {
        assert_eq!(count(0, "part", "parts"), "0 parts");
        assert_eq!(count(1, "part", "parts"), "1 part");
        assert_eq!(count(2, "part", "parts"), "2 parts");
        assert_eq!(plural(1, "is", "are"), "is");
        assert_eq!(plural(u64::MAX, "is", "are"), "are");
    }

    #[test]
    fn sizes_have_units_and_never_round_up() {
        let table = [
            (0, "0 B"),
            (999, "999 B"),
            (1000, "1.0 KB"),
            (1999, "1.9 KB"),
            (99_999, "99.9 KB"),
            (100_000, "100 KB"),
            (999_999, "999 KB"),
            (1_000_000, "1.0 MB"),
            (26_300_000_000, "26.3 GB"),
            (u64::MAX, "18.4 EB"),
        ];
        for (bytes, text) in table {
            assert_eq!(size(bytes), text, "{bytes}");
        }
    }

    #[test]
    fn a_system_error_keeps_its_words() {
        assert_eq!(without_number("File exists (os error 17)"), "File exists");
        assert_eq!(without_number("no answer"), "no answer");
        assert_eq!(without_number("\"a\": gone (os error 2), then full (os error 28)."), "\"a\": gone, then full.");
        assert_eq!(without_number("cut (os error "), "cut (os error ");
    }

    #[test]
    fn quotes_are_no_debug_text() {
        assert_eq!(quoted("m\u{e4}rz \"1\""), "\"märz \"1\"\"");
    }
}
