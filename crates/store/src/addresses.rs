//! E11 The address book: where peers answered in earlier runs, sealed at rest.
//!
//! Promises: at most [`BOOK_MAX`] entries, the last that answered first; one that was tried on [`DAYS_MAX`] days since and
//! never answered is forgotten; while secrets are locked nothing is remembered and nothing is told.

use protocol::{ChannelKey, PeerAddr};
use rusqlite::{Transaction, params};

use crate::db::int;
use crate::store::{Core, now_ms};
use crate::{Store, StoreError, address_text};

const BOOK_MAX: usize = 1000;
/// What its entries are sealed for.
pub(crate) const BOOK: &[u8] = b"address book";
/// Days on which an address was tried in vain, after which it goes.
const DAYS_MAX: u32 = 3;
/// One that answers all the time is noted anew after this long, in ms.
const ANEW: i64 = 3_600_000;

/// A row of the address book, opened.
struct Entry {
    row: i64,
    used: i64,
    addr: PeerAddr,
    channel: Option<ChannelKey>,
    /// Days on which nobody answered, and the last of them since 1970.
    in_vain: (u32, u64),
}

impl Entry {
    fn read(row: i64, used: i64, text: &str) -> Option<Self> {
        let mut words = text.split(' ');
        let channel = words.next()?.parse().ok();
        let addr = address_text::read(words.next()?)?;
        let days = words.next().and_then(|days| days.parse().ok());
        let last = words.next().and_then(|day| day.parse().ok());
        Some(Self { row, used, addr, channel, in_vain: days.zip(last).unwrap_or_default() })
    }
}

fn text(addr: &PeerAddr, channel: Option<&ChannelKey>, in_vain: (u32, u64)) -> String {
    let text = channel.map(ToString::to_string).unwrap_or_default() + " " + &address_text::write(addr);
    if in_vain.0 == 0 { text } else { format!("{text} {} {}", in_vain.0, in_vain.1) }
}

impl Store {
    /// Remembered addresses and the channels that they were met for, best first, at most 1000; empty while secrets are
    /// locked.
    pub fn address_book(&self) -> Result<Vec<(PeerAddr, ChannelKey)>, StoreError> {
        if self.core.sealing.locked() {
            return Ok(Vec::new());
        }
        let entries = self.core.db.read(|tx| self.core.book(tx))?;
        Ok(entries.into_iter().filter_map(|entry| Some((entry.addr, entry.channel?))).collect())
    }

    /// Notes who answered for which channel, and remembered addresses where nobody did, on this day since 1970. The oldest
    /// beyond 1000 go, and so does what was tried on three days since it last answered. While secrets are locked nothing is noted.
    pub fn note_addresses(
        &self,
        answered: &[(PeerAddr, ChannelKey)],
        unreached: &[PeerAddr],
        day: u64,
    ) -> Result<(), StoreError> {
        if self.core.sealing.locked() || (answered.is_empty() && unreached.is_empty()) {
            return Ok(());
        }
        let seal = |text: String| self.core.sealing.seal(BOOK, text.as_bytes());
        self.core.write_soon(|tx| {
            let book = self.core.book(tx)?;
            let mut delete = tx.prepare_cached("DELETE FROM addresses WHERE id = ?")?;
            let mut insert = tx.prepare_cached("INSERT INTO addresses(sealed, used) VALUES(?, ?)")?;
            // A clock that jumps back must not make the newest the oldest.
            let mut last = book.iter().map(|entry| entry.used).max().unwrap_or(0);
            let now = now_ms();
            for (addr, channel) in answered {
                let mut known = book.iter().filter(|e| e.addr == *addr && e.channel.as_ref() == Some(channel));
                let known = known.next();
                let fresh = |entry: &&Entry| entry.in_vain.0 == 0 && (entry.used..entry.used + ANEW).contains(&now);
                if known.filter(fresh).is_some() {
                    continue;
                }
                delete.execute([known.map(|entry| entry.row)])?;
                last = now.max(last + 1);
                insert.execute(params![seal(text(addr, Some(channel), (0, 0)))?, last])?;
            }
            for entry in book.iter().filter(|entry| unreached.contains(&entry.addr)) {
                let answers = answered.iter().any(|(addr, _)| *addr == entry.addr);
                let (days, noted) = entry.in_vain;
                if answers || (days > 0 && noted == day) {
                    continue;
                }
                if days + 1 >= DAYS_MAX {
                    delete.execute([entry.row])?;
                } else {
                    let sealed = seal(text(&entry.addr, entry.channel.as_ref(), (days + 1, day)))?;
                    tx.prepare_cached("UPDATE addresses SET sealed = ? WHERE id = ?")?
                        .execute(params![sealed, entry.row])?;
                }
            }
            tx.prepare_cached(
                "DELETE FROM addresses WHERE id NOT IN (SELECT id FROM addresses ORDER BY used DESC LIMIT ?)",
            )?
            .execute([int(BOOK_MAX as u64)])?;
            Ok(())
        })
    }
}

impl Core {
    /// Takes the addresses met for a channel out of the book. While secrets are locked nobody can tell which those are.
    pub(crate) fn forget_addresses(&self, tx: &Transaction<'_>, channel: &ChannelKey) -> Result<(), StoreError> {
        if self.sealing.locked() {
            return Ok(());
        }
        for entry in self.book(tx)? {
            if entry.channel.as_ref() == Some(channel) {
                tx.prepare_cached("DELETE FROM addresses WHERE id = ?")?.execute([entry.row])?;
            }
        }
        Ok(())
    }

    fn book(&self, tx: &Transaction<'_>) -> Result<Vec<Entry>, StoreError> {
        let mut statement = tx.prepare_cached("SELECT id, sealed, used FROM addresses ORDER BY used DESC")?;
        let mut rows = statement.query([])?;
        let mut out = Vec::new();
        while let Some(row) = rows.next()? {
            let Some(text) = self.sealing.open(BOOK, &row.get::<_, Vec<u8>>(1)?)? else { continue };
            let (id, used) = (row.get(0)?, row.get(2)?);
            out.extend(std::str::from_utf8(&text).ok().and_then(|text| Entry::read(id, used, text)));
        }
        Ok(out)
    }
}
