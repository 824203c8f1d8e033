//! §1.2 JSON — a strict reader over received bytes and a writer whose output JavaScript would write again unchanged.
//!
//! The reader is pulled: the caller says what it expects and gets it without a document in between, so memory follows
//! what the caller keeps. It refuses a member named twice in one object, nesting beyond [`DEPTH_MAX`], objects of more
//! than [`MEMBERS_MAX`] members, numbers that are not finite and anything behind the value. Members nobody asked for
//! are checked as strictly and skipped.

use std::borrow::Cow;
use std::collections::BTreeSet;

use data_encoding::HEXLOWER;

use crate::params::SEQUENCE_MAX;

/// Deepest nesting of arrays and objects.
pub(crate) const DEPTH_MAX: u8 = 32;
/// Members of one object.
pub(crate) const MEMBERS_MAX: usize = 1024;

/// Why bytes are not the JSON that is read here.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum JsonError {
    /// Not UTF-8.
    #[error("the JSON is not UTF-8")]
    Utf8,
    /// The text breaks JSON's grammar.
    #[error("not JSON from byte {at} on")]
    Syntax {
        /// First byte that does not fit.
        at: usize,
    },
    /// Arrays and objects in each other, too many.
    #[error("the JSON is nested more than 32 deep at byte {at}")]
    Depth {
        /// Where.
        at: usize,
    },
    /// One object names a member twice.
    #[error("the JSON names a member twice at byte {at}")]
    Twice {
        /// The second one.
        at: usize,
    },
    /// One object has too many members.
    #[error("a JSON object has more than 1024 members at byte {at}")]
    Members {
        /// Where.
        at: usize,
    },
    /// A number that no IEEE 754 double holds.
    #[error("the JSON holds a number that is not finite at byte {at}")]
    Number {
        /// Where.
        at: usize,
    },
    /// JSON, but of another type than is needed there.
    #[error("the JSON holds something else than {expected} at byte {at}")]
    Type {
        /// What is needed.
        expected: &'static str,
        /// Where.
        at: usize,
    },
}

/// What the next value is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Object,
    Array,
    Text,
    Number,
    True,
    False,
    Null,
}

/// Reads one JSON text from its front.
pub(crate) struct Reader<'a> {
    text: &'a str,
    at: usize,
    depth: u8,
}

type Result<T, E = JsonError> = std::result::Result<T, E>;

impl<'a> Reader<'a> {
    /// Over the whole text.
    pub(crate) fn new(bytes: &'a [u8]) -> Result<Self> {
        let text = std::str::from_utf8(bytes).map_err(|_| JsonError::Utf8)?;
        Ok(Self { text, at: 0, depth: 0 })
    }

    /// Nothing but white space may follow.
    pub(crate) fn end(&mut self) -> Result<()> {
        self.space();
        if self.at == self.text.len() { Ok(()) } else { self.syntax() }
    }

    /// What comes next.
    pub(crate) fn kind(&mut self) -> Result<Kind> {
        self.space();
        match self.peek() {
            Some(b'{') => Ok(Kind::Object),
            Some(b'[') => Ok(Kind::Array),
            Some(b'"') => Ok(Kind::Text),
            Some(b'-' | b'0'..=b'9') => Ok(Kind::Number),
            Some(b't') => Ok(Kind::True),
            Some(b'f') => Ok(Kind::False),
            Some(b'n') => Ok(Kind::Null),
            _ => self.syntax(),
        }
    }

    /// The place of the next byte, for errors and cuts.
    pub(crate) fn position(&self) -> usize {
        self.at
    }

    /// Reads an object; `member` must read each member's value.
    pub(crate) fn object<E: From<JsonError>>(
        &mut self,
        mut member: impl FnMut(&mut Self, &str) -> Result<(), E>,
    ) -> Result<(), E> {
        self.members(|reader, name, _| member(reader, name))
    }

    /// As [`Reader::object`], with the place of the name's opening quote.
    pub(crate) fn members<E: From<JsonError>>(
        &mut self,
        mut member: impl FnMut(&mut Self, &str, usize) -> Result<(), E>,
    ) -> Result<(), E> {
        self.need(Kind::Object, "an object")?;
        self.enter()?;
        let mut names: BTreeSet<Cow<'a, str>> = BTreeSet::new();
        self.space();
        if self.eat(b'}') {
            self.depth -= 1;
            return Ok(());
        }
        loop {
            self.space();
            let at = self.at;
            let name = self.text()?;
            if names.contains(&name) {
                return Err(JsonError::Twice { at }.into());
            }
            if names.len() == MEMBERS_MAX {
                return Err(JsonError::Members { at }.into());
            }
            self.space();
            self.take(b':')?;
            self.space();
            member(self, &name, at)?;
            names.insert(name);
            self.space();
            if self.eat(b'}') {
                self.depth -= 1;
                return Ok(());
            }
            self.take(b',')?;
        }
    }

    /// Reads an array; `element` must read each element.
    pub(crate) fn array<E: From<JsonError>>(
        &mut self,
        mut element: impl FnMut(&mut Self) -> Result<(), E>,
    ) -> Result<(), E> {
        self.need(Kind::Array, "an array")?;
        self.enter()?;
        self.space();
        if self.eat(b']') {
            self.depth -= 1;
            return Ok(());
        }
        loop {
            self.space();
            element(self)?;
            self.space();
            if self.eat(b']') {
                self.depth -= 1;
                return Ok(());
            }
            self.take(b',')?;
        }
    }

    /// Reads a text; borrowed where nothing in it is escaped.
    pub(crate) fn text(&mut self) -> Result<Cow<'a, str>> {
        self.need(Kind::Text, "a text")?;
        self.at += 1;
        let text = self.text;
        let start = self.at;
        let mut owned: Option<String> = None;
        let mut from = start;
        loop {
            match self.peek() {
                Some(b'"') => {
                    let tail = &text[from..self.at];
                    self.at += 1;
                    return Ok(match owned {
                        None => Cow::Borrowed(tail),
                        Some(mut head) => {
                            head.push_str(tail);
                            Cow::Owned(head)
                        }
                    });
                }
                Some(b'\\') => {
                    let head = owned.get_or_insert_default();
                    head.push_str(&text[from..self.at]);
                    self.at += 1;
                    let c = self.escape()?;
                    head.push(c);
                    from = self.at;
                }
                Some(0x20..) => self.at += 1,
                _ => return self.syntax(),
            }
        }
    }

    /// Reads a whole number from 0 to 2⁵³ − 1, written without fraction and exponent.
    pub(crate) fn integer(&mut self) -> Result<u64> {
        let expected = "a whole number up to 9007199254740991";
        self.need(Kind::Number, expected)?;
        let at = self.at;
        let text = self.number()?;
        let plain = text.bytes().all(|b| b.is_ascii_digit());
        match text.parse::<u64>() {
            Ok(value) if plain && value <= SEQUENCE_MAX => Ok(value),
            _ => Err(JsonError::Type { expected, at }),
        }
    }

    /// Reads `true` or `false`.
    pub(crate) fn boolean(&mut self) -> Result<bool> {
        match self.kind()? {
            Kind::True => self.literal("true").map(|()| true),
            Kind::False => self.literal("false").map(|()| false),
            _ => Err(JsonError::Type { expected: "true or false", at: self.at }),
        }
    }

    /// Reads exactly `N` bytes of lower-case hex.
    pub(crate) fn hex<const N: usize>(&mut self, expected: &'static str) -> Result<[u8; N]> {
        self.space();
        let at = self.at;
        let text = self.text()?;
        crate::id::hex_array(text.as_bytes()).map_err(|_| JsonError::Type { expected, at })
    }

    /// Reads any value and forgets it.
    pub(crate) fn skip(&mut self) -> Result<()> {
        match self.kind()? {
            Kind::Object => self.object(|reader, _| reader.skip()),
            Kind::Array => self.array(Self::skip),
            Kind::Text => self.text().map(drop),
            Kind::Number => self.number().map(drop),
            Kind::True => self.literal("true"),
            Kind::False => self.literal("false"),
            Kind::Null => self.literal("null"),
        }
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn syntax<T>(&self) -> Result<T> {
        Err(JsonError::Syntax { at: self.at })
    }

    fn space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn eat(&mut self, byte: u8) -> bool {
        let there = self.peek() == Some(byte);
        self.at += usize::from(there);
        there
    }

    fn take(&mut self, byte: u8) -> Result<()> {
        if self.eat(byte) { Ok(()) } else { self.syntax() }
    }

    fn need(&mut self, kind: Kind, expected: &'static str) -> Result<()> {
        if self.kind()? == kind { Ok(()) } else { Err(JsonError::Type { expected, at: self.at }) }
    }

    fn enter(&mut self) -> Result<()> {
        if self.depth == DEPTH_MAX {
            return Err(JsonError::Depth { at: self.at });
        }
        self.depth += 1;
        self.at += 1;
        Ok(())
    }

    fn literal(&mut self, word: &str) -> Result<()> {
        if self.text.as_bytes()[self.at..].starts_with(word.as_bytes()) {
            self.at += word.len();
            Ok(())
        } else {
            self.syntax()
        }
    }

    fn digits(&mut self) -> Result<()> {
        if !matches!(self.peek(), Some(b'0'..=b'9')) {
            return self.syntax();
        }
        while matches!(self.peek(), Some(b'0'..=b'9')) {
            self.at += 1;
        }
        Ok(())
    }

    fn number(&mut self) -> Result<&'a str> {
        let start = self.at;
        let text = self.text;
        self.eat(b'-');
        if !self.eat(b'0') {
            self.digits()?;
        }
        if self.eat(b'.') {
            self.digits()?;
        }
        if self.eat(b'e') || self.eat(b'E') {
            let _sign = self.eat(b'+') || self.eat(b'-');
            self.digits()?;
        }
        let number = &text[start..self.at];
        match number.parse::<f64>() {
            Ok(value) if value.is_finite() => Ok(number),
            _ => Err(JsonError::Number { at: start }),
        }
    }

    fn escape(&mut self) -> Result<char> {
        let c = match self.peek() {
            Some(b'"') => '"',
            Some(b'\\') => '\\',
            Some(b'/') => '/',
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => {
                self.at += 1;
                return self.unicode();
            }
            _ => return self.syntax(),
        };
        self.at += 1;
        Ok(c)
    }

    /// A `\u` escape, two of them for characters beyond U+FFFF. Half a pair is no text.
    fn unicode(&mut self) -> Result<char> {
        let first = self.unit()?;
        let code = match first {
            0xd800..0xdc00 => {
                self.take(b'\\')?;
                self.take(b'u')?;
                match self.unit()? {
                    second @ 0xdc00..0xe000 => 0x1_0000 + ((first - 0xd800) << 10) + (second - 0xdc00),
                    _ => return self.syntax(),
                }
            }
            _ => first,
        };
        char::from_u32(code).map_or_else(|| self.syntax(), Ok)
    }

    fn unit(&mut self) -> Result<u32> {
        let mut unit = 0;
        for _ in 0..4 {
            let digit = self.peek().and_then(|b| char::from(b).to_digit(16));
            match digit {
                Some(digit) => unit = unit << 4 | digit,
                None => return self.syntax(),
            }
            self.at += 1;
        }
        Ok(unit)
    }
}

/// The object's bytes as they are, without the top-level member of this name and without one comma beside it: the one
/// before it, or the one behind it if it is the first. `None` if there is no such member.
pub(crate) fn without_member(bytes: &[u8], name: &str) -> Result<Option<Vec<u8>>> {
    let mut reader = Reader::new(bytes)?;
    let mut previous_end = None;
    let mut cut = None;
    let mut next_start = None;
    reader.members(|reader, member, start| {
        if cut.is_some() && next_start.is_none() {
            next_start = Some(start);
        }
        reader.skip()?;
        if member == name {
            cut = Some((previous_end, start, reader.position()));
        }
        previous_end = Some(reader.position());
        Ok::<(), JsonError>(())
    })?;
    reader.end()?;
    let find = |from: usize| bytes[from..].iter().position(|b| *b == b',').map_or(from, |comma| from + comma);
    Ok(cut.map(|(previous_end, start, end)| {
        let (from, to) = match (previous_end, next_start) {
            (Some(previous), _) => (find(previous), end),
            (None, Some(_)) => (start, find(end) + 1),
            (None, None) => (start, end),
        };
        [&bytes[..from], &bytes[to..]].concat()
    }))
}

/// Writes one object, member by member, compactly.
pub(crate) struct Object<'a> {
    out: &'a mut Vec<u8>,
    first: bool,
}

impl<'a> Object<'a> {
    /// Opens it.
    pub(crate) fn new(out: &'a mut Vec<u8>) -> Self {
        out.push(b'{');
        Self { out, first: true }
    }

    /// A member's name; its value goes to what comes back.
    pub(crate) fn member(&mut self, name: &str) -> &mut Vec<u8> {
        if !self.first {
            self.out.push(b',');
        }
        self.first = false;
        text(self.out, name);
        self.out.push(b':');
        self.out
    }

    pub(crate) fn text(&mut self, name: &str, value: &str) {
        text(self.member(name), value);
    }

    pub(crate) fn integer(&mut self, name: &str, value: u64) {
        integer(self.member(name), value);
    }

    pub(crate) fn hex(&mut self, name: &str, value: &[u8]) {
        let out = self.member(name);
        out.push(b'"');
        out.extend_from_slice(HEXLOWER.encode(value).as_bytes());
        out.push(b'"');
    }

    /// Closes it.
    pub(crate) fn end(self) {
        self.out.push(b'}');
    }
}

/// Writes an array.
pub(crate) fn array<T>(out: &mut Vec<u8>, items: impl IntoIterator<Item = T>, mut one: impl FnMut(&mut Vec<u8>, T)) {
    out.push(b'[');
    for (i, item) in items.into_iter().enumerate() {
        if i > 0 {
            out.push(b',');
        }
        one(out, item);
    }
    out.push(b']');
}

/// Writes a whole number; what JavaScript cannot hold exactly becomes the largest that it can.
pub(crate) fn integer(out: &mut Vec<u8>, value: u64) {
    out.extend_from_slice(value.min(SEQUENCE_MAX).to_string().as_bytes());
}

/// Writes a text, escaped exactly where `JSON.stringify` escapes.
pub(crate) fn text(out: &mut Vec<u8>, value: &str) {
    out.push(b'"');
    for byte in value.bytes() {
        match byte {
            b'"' | b'\\' => out.extend_from_slice(&[b'\\', byte]),
            0x08 => out.extend_from_slice(b"\\b"),
            0x09 => out.extend_from_slice(b"\\t"),
            0x0a => out.extend_from_slice(b"\\n"),
            0x0c => out.extend_from_slice(b"\\f"),
            0x0d => out.extend_from_slice(b"\\r"),
            0x00..0x20 => {
                out.extend_from_slice(b"\\u00");
                out.extend_from_slice(HEXLOWER.encode(&[byte]).as_bytes());
            }
            _ => out.push(byte),
        }
    }
    out.push(b'"');
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;

    fn check(bytes: &[u8]) -> Result<()> {
        let mut reader = Reader::new(bytes)?;
        reader.skip()?;
        reader.end()
    }

    /// Reads anything and writes it with our writer.
    fn rewrite(reader: &mut Reader<'_>, out: &mut Vec<u8>) -> Result<()> {
        match reader.kind()? {
            Kind::Object => {
                let mut object = Object::new(out);
                reader.object(|reader, name| rewrite(reader, object.member(name)))?;
                object.end();
            }
            Kind::Array => {
                out.push(b'[');
                let mut first = true;
                reader.array(|reader| {
                    if !std::mem::take(&mut first) {
                        out.push(b',');
                    }
                    rewrite(reader, out)
                })?;
                out.push(b']');
            }
            Kind::Text => text(out, &reader.text()?),
            Kind::Number => integer(out, reader.integer()?),
            _ => return reader.syntax(),
        }
        Ok(())
    }

    fn rewritten(json: &[u8]) -> Result<Vec<u8>> {
        let mut reader = Reader::new(json)?;
        let mut out = Vec::new();
        rewrite(&mut reader, &mut out)?;
        reader.end()?;
        Ok(out)
    }

    #[test]
    fn grammar() {
        for good in ["0", "-0.5e+3", " [ ] ", "{}", r#"{"a":[true,false,null,"\u00e9\/\ud83d\ude00"]}"#, "1e308"] {
            assert_eq!(check(good.as_bytes()), Ok(()), "{good}");
        }
        for bad in [
            "",
            "01",
            "+1",
            ".5",
            "1.",
            "1e",
            "-",
            "nul",
            "[1,]",
            "[,1]",
            "{\"a\"}",
            "{a:1}",
            "{\"a\":1,}",
            "[1 2]",
            "1 2",
            "\"",
            "\"\\x\"",
            "\"\\u12g4\"",
            "\"\\u12\"",
            "\"\n\"",
            "\"\\ud800\"",
            "\"\\ud800\\u0041\"",
            "\"\\udc00\"",
            "[",
            "{",
            "]",
            "\u{feff}1",
            "NaN",
            "Infinity",
            "'a'",
            "[1]//",
        ] {
            assert!(matches!(check(bad.as_bytes()), Err(JsonError::Syntax { .. })), "{bad}");
        }
        assert_eq!(check(b"\"\xff\""), Err(JsonError::Utf8));
        assert_eq!(check(b"[1e309]"), Err(JsonError::Number { at: 1 }));
        assert_eq!(check("9".repeat(400).as_bytes()), Err(JsonError::Number { at: 0 }));
    }

    #[test]
    fn a_member_named_twice_is_refused_at_any_level() {
        assert_eq!(check(br#"{"a":1,"a":2}"#), Err(JsonError::Twice { at: 7 }));
        assert_eq!(check(br#"[{"b":{"a":1,"\u0061":2}}]"#), Err(JsonError::Twice { at: 13 }));
        assert_eq!(check(br#"{"a":{"a":1}}"#), Ok(()));
        let many: Vec<String> = (0..=MEMBERS_MAX).map(|i| format!("\"{i}\":0")).collect();
        assert!(matches!(check(format!("{{{}}}", many.join(",")).as_bytes()), Err(JsonError::Members { .. })));
        assert_eq!(check(format!("{{{}}}", many[1..].join(",")).as_bytes()), Ok(()));
    }

    #[test]
    fn nesting_ends_at_32() {
        let nested = |n: usize| format!("{}{}", "[".repeat(n), "]".repeat(n));
        assert_eq!(check(nested(32).as_bytes()), Ok(()));
        assert_eq!(check(nested(33).as_bytes()), Err(JsonError::Depth { at: 32 }));
        assert!(matches!(check("[".repeat(1 << 20).as_bytes()), Err(JsonError::Depth { .. })));
        assert!(matches!(check("{\"a\":".repeat(1 << 20).as_bytes()), Err(JsonError::Depth { .. })));
        // A closed array gives its level back.
        assert_eq!(check(format!("[{}[]]", "[],".repeat(100)).as_bytes()), Ok(()));
    }

    #[test]
    fn integers_are_whole_and_exact() {
        let read = |text: &str| Reader::new(text.as_bytes()).and_then(|mut reader| reader.integer());
        assert_eq!(read("9007199254740991"), Ok(SEQUENCE_MAX));
        for bad in ["9007199254740992", "-1", "-0", "1.0", "1e3", "\"1\"", "12345678901234567890"] {
            assert!(matches!(read(bad), Err(JsonError::Type { .. })), "{bad}");
        }
    }

    #[test]
    fn a_member_is_cut_out_with_one_comma() {
        let cut = |json: &str| without_member(json.as_bytes(), "s").unwrap().map(|out| String::from_utf8(out).unwrap());
        assert_eq!(cut(r#"{"a":1,"s":2}"#).as_deref(), Some(r#"{"a":1}"#));
        assert_eq!(cut(r#"{"s":2,"a":1}"#).as_deref(), Some(r#"{"a":1}"#));
        assert_eq!(cut(r#"{"a":1,"s":2,"b":3}"#).as_deref(), Some(r#"{"a":1,"b":3}"#));
        assert_eq!(cut(r#"{"s":2}"#).as_deref(), Some("{}"));
        assert_eq!(cut(r#"{"a":",\"s\":2"}"#), None);
        assert_eq!(cut(r#"{"a":{"s":1},"s":[1,{"s":2}]}"#).as_deref(), Some(r#"{"a":{"s":1}}"#));
        assert_eq!(cut(r#"{"a":"x,\"s\":1","\u0073":"}"}"#).as_deref(), Some(r#"{"a":"x,\"s\":1"}"#));
        assert_eq!(cut("{ \"a\" : 1 , \"s\" : 2 }").as_deref(), Some("{ \"a\" : 1  }"));
    }

    #[test]
    fn javascript_writes_our_output_again() {
        let vectors: Value = serde_json::from_str(include_str!("../../../tests/vectors/v5-vectors.json")).unwrap();
        let cases = vectors["json_reserialisation"].as_array().unwrap();
        assert_eq!(cases.len(), 8);
        // In JavaScript's output there is nothing that we write in another way: texts, order, spacing.
        for at in [0, 1, 4, 5] {
            let again = cases[at]["reserialised_text"].as_str().unwrap().as_bytes();
            assert_eq!(rewritten(again).unwrap(), again);
        }
        assert_eq!(rewritten(cases[5]["input_text"].as_str().unwrap().as_bytes()).unwrap(), br#"{"a":[1,2]}"#);
        // What JavaScript bends, we refuse: infinity, half a surrogate pair, a member named twice, inexact numbers.
        for at in [2, 3, 4, 6, 7] {
            assert!(rewritten(cases[at]["input_text"].as_str().unwrap().as_bytes()).is_err(), "{at}");
        }
        // The text of case 3 without its half pair.
        let input = cases[3]["input_text"].as_str().unwrap().replace("\\ud800", "");
        let again = cases[3]["reserialised_text"].as_str().unwrap().replace("\\ud800", "");
        assert_eq!(String::from_utf8(rewritten(input.as_bytes()).unwrap()).unwrap(), again);
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_are_read_in_peace(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let ours = check(&bytes);
            // Whatever we take, another strict reader takes.
            if ours.is_ok() {
                prop_assert!(serde_json::from_slice::<Value>(&bytes).is_ok());
            }
        }

        #[test]
        fn json_like_text_is_read_as_others_read_it(text in r#"[\[\]{}",:0-9a\\u. e-]{0,24}"#) {
            let theirs = serde_json::from_str::<Value>(&text).is_ok();
            match check(text.as_bytes()) {
                Ok(()) => prop_assert!(theirs),
                Err(JsonError::Twice { .. }) => {}
                Err(_) => prop_assert!(!theirs, "{}", text),
            }
        }

        #[test]
        fn texts_come_back(value in any::<String>()) {
            let mut out = Vec::new();
            text(&mut out, &value);
            prop_assert_eq!(serde_json::to_vec(&value).unwrap(), &*out);
            prop_assert_eq!(Reader::new(&out).unwrap().text().unwrap(), value);
        }
    }
}
