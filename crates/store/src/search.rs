//! Full text search over names and descriptions of items, in the database's own index.

use protocol::ChannelKey;
use rusqlite::params;

use crate::db::{array, int};
use crate::{ItemRow, Store, StoreError, channels};

/// Words of one question that are looked for.
const WORDS_MAX: usize = 16;

impl Store {
    /// Items whose name or description has all of these words or words that start with them, best first. `channel`:
    /// only its items. A question without a word finds nothing.
    pub fn search(&self, channel: Option<&ChannelKey>, text: &str, limit: usize) -> Result<Vec<ItemRow>, StoreError> {
        let Some(question) = question(text) else { return Ok(Vec::new()) };
        let found: Vec<(ChannelKey, [u8; 16])> = self.core.db.read(|tx| {
            let channel = channel.map(|key| channels::row_id(tx, key)).transpose()?;
            let mut statement = tx.prepare_cached(
                "SELECT c.key, i.item FROM search s JOIN items i ON i.id = s.rowid JOIN channels c ON c.id = i.channel
                 WHERE search MATCH ?1 AND i.item IS NOT NULL AND (?2 IS NULL OR i.channel = ?2)
                 ORDER BY bm25(search, 4.0, 1.0), i.channel, i.position LIMIT ?3",
            )?;
            let rows = statement.query_map(params![question, channel, int(limit as u64)], |row| {
                Ok((ChannelKey(array(row, 0)?), array(row, 1)?))
            })?;
            Ok(rows.collect::<Result<_, _>>()?)
        })?;
        let mut out = Vec::with_capacity(found.len());
        for (channel, item) in found {
            out.extend(self.listed_item(&channel, &protocol::ItemId(item))?);
        }
        Ok(out)
    }
}

/// The user's words as a question of the index: each quoted, so that none of them is taken for its grammar.
fn question(text: &str) -> Option<String> {
    let words: Vec<String> = text
        .split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.is_empty())
        .take(WORDS_MAX)
        .map(|word| format!("\"{word}\"*"))
        .collect();
    (!words.is_empty()).then(|| words.join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_has_no_grammar() {
        assert_eq!(question("live at pier").as_deref(), Some("\"live\"* \"at\"* \"pier\"*"));
        assert_eq!(question("a\" OR NEAR(b) -c*").as_deref(), Some("\"a\"* \"OR\"* \"NEAR\"* \"b\"* \"c\"*"));
        assert_eq!(question(" -*\"'() "), None);
        assert_eq!(question(&"x ".repeat(1000)).map(|q| q.len()), Some(16 * 5 - 1));
    }
}
