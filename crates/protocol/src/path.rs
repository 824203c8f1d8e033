//! E2 Paths — the one parser that turns hostile text into a relative path.

/// A relative path that every system can store: checked parts, `/` between them.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SafePath(Box<str>);

/// Why text is no path here.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    /// Placeholder.
    #[error("bad path")]
    Bad,
}

#[allow(clippy::todo, unused_variables)]
impl SafePath {
    /// Parses it.
    pub fn parse(text: &str) -> Result<Self, PathError> {
        todo!()
    }
    /// As text, `/` between parts.
    pub fn as_str(&self) -> &str {
        &self.0
    }
    /// Its parts.
    pub fn parts(&self) -> impl Iterator<Item = &str> {
        self.0.split('/')
    }
    /// What two paths must not share: NFC, case-folded.
    pub fn collision_key(&self) -> String {
        todo!()
    }
}
