//! What of a channel stays here: the rule itself, and the words that change it.
//!
//! The rule is arithmetic over a channel's list; what it names is removed by whoever asked, with
//! [`Store::remove_item`]. What the user pinned, and what was published from here, is never named.

use std::collections::{BTreeSet, HashMap};

use protocol::{ChannelKey, ItemId};
use rusqlite::params;

use crate::db::{array, form, int, uint};
use crate::store::now_ms;
use crate::{ItemRow, Keep, Standing, Store, StoreError, Urgency, channels, items};

const DAY_MS: u64 = 24 * 3600 * 1000;

/// The time by which ages are counted when something is to be deleted: the wall clock, unless it is more than a day ahead
/// of all that speaks for it. `seen_ms`: what this said when it was last asked; `ran_ms`: how long the program ran since;
/// `signed_ms`: the latest time that anybody signed, or 0. All in ms, since 1970 but for `ran_ms`.
///
/// A clock that is wrong must not empty the shelves: what is deleted is gone. One that is behind deletes less.
pub fn believable(wall_ms: u64, seen_ms: u64, ran_ms: u64, signed_ms: u64) -> u64 {
    let sure = seen_ms.saturating_add(ran_ms).max(signed_ms);
    if wall_ms <= sure.saturating_add(DAY_MS) { wall_ms } else { sure }
}

impl Urgency {
    pub(crate) fn to_sql(self) -> i64 {
        match self {
            Self::Low => -1,
            Self::Normal => 0,
            Self::High => 1,
        }
    }

    pub(crate) fn from_sql(value: i64) -> Self {
        match value {
            1.. => Self::High,
            0 => Self::Normal,
            _ => Self::Low,
        }
    }
}

/// Listed items that a rule would not keep: they need not be fetched. `rows` are a channel's items in list order.
pub fn beyond(keep: Keep, now_ms: u64, rows: &[ItemRow]) -> BTreeSet<ItemId> {
    let listed = rows.iter().filter(|row| row.position != u32::MAX);
    let mut bytes = 0_u64;
    let outside = |(number, row): &(usize, &ItemRow)| match keep {
        Keep::All => false,
        Keep::Newest(n) => *number >= n as usize,
        Keep::Days(days) => row.published < now_ms.saturating_sub(u64::from(days) * DAY_MS),
        Keep::Bytes(budget) => {
            bytes = bytes.saturating_add(row.bytes);
            bytes > budget
        }
    };
    listed.enumerate().filter(outside).filter(|(_, row)| !row.pinned).map(|(_, row)| row.id).collect()
}

/// Items that a rule removes now, in this order. A budget spares what few others hold: of the items that have to make
/// room those with the most `holders` go first, the oldest of them before the others, and the newest item never.
pub fn to_remove(keep: Keep, now_ms: u64, rows: &[ItemRow], holders: &dyn Fn(&ItemId) -> usize) -> Vec<ItemId> {
    let here = |row: &&ItemRow| matches!(row.standing, Standing::Wanted | Standing::Complete);
    let Keep::Bytes(budget) = keep else {
        // What the publisher took out of the list is older than all that is in it.
        let outside = beyond(keep, now_ms, rows);
        let gone = |row: &&ItemRow| outside.contains(&row.id) || (keep != Keep::All && row.position == u32::MAX);
        let unlisted_young = |row: &&ItemRow| match keep {
            Keep::Days(days) => {
                row.position == u32::MAX && row.published >= now_ms.saturating_sub(u64::from(days) * DAY_MS)
            }
            _ => false,
        };
        let names = rows.iter().filter(here).filter(|row| !row.pinned).filter(gone).filter(|r| !unlisted_young(r));
        return names.map(|row| row.id).collect();
    };
    let mut total: u64 = rows.iter().filter(here).map(|row| row.bytes.saturating_sub(row.skipped)).sum();
    let mut order: Vec<&ItemRow> = rows.iter().filter(here).skip(1).filter(|row| !row.pinned).collect();
    order.sort_by_key(|row| std::cmp::Reverse((holders(&row.id), row.position)));
    let mut out = Vec::new();
    for row in order {
        if total <= budget {
            break;
        }
        total = total.saturating_sub(row.bytes.saturating_sub(row.skipped));
        out.push(row.id);
    }
    out
}

impl Store {
    /// The latest time at which somebody else signed a list, as far as lists tell; ms since 1970, 0 if there is none. What
    /// lies after `wall_ms` tells nothing.
    pub fn signed_last(&self, wall_ms: u64) -> Result<u64, StoreError> {
        self.core.db.read(|tx| {
            let mut statement = tx.prepare_cached(
                "SELECT COALESCE(MAX(f.sequence), 0) FROM floors f LEFT JOIN channels c ON c.key = f.key
                 WHERE COALESCE(c.own, 0) = 0 AND f.sequence <= ?",
            )?;
            Ok(uint(statement.query_row([int(wall_ms)], |row| row.get(0))?))
        })
    }

    /// Since when each item of a channel is known here, in ms since 1970: its publisher may date it as they like. For
    /// what an earlier version of this program listed, that is the first start of one that asks.
    pub fn known_since(&self, channel: &ChannelKey) -> Result<HashMap<ItemId, u64>, StoreError> {
        self.core.db.read(|tx| {
            let mut statement = tx.prepare_cached(
                "SELECT i.item, i.seen FROM items i JOIN channels c ON c.id = i.channel
                 WHERE c.key = ? AND i.item IS NOT NULL AND i.seen > 0",
            )?;
            let rows =
                statement.query_map([channel.as_bytes()], |row| Ok((ItemId(array(row, 0)?), uint(row.get(1)?))))?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
    }

    /// Pins an item, or lets rules have it again; changes when it is fetched.
    pub fn set_care(
        &self,
        channel: &ChannelKey,
        id: &ItemId,
        pinned: Option<bool>,
        urgency: Option<Urgency>,
    ) -> Result<(), StoreError> {
        self.core.db.write(|tx| {
            let item = items::row_id(tx, channel, id)?;
            tx.prepare_cached(
                "UPDATE items SET pinned = COALESCE(?, pinned), priority = COALESCE(?, priority), changed = ? WHERE id = ?",
            )?
            .execute(params![pinned, urgency.map(Urgency::to_sql), now_ms(), item])?;
            Ok(())
        })
    }

    /// An item that is kept only encrypted is to become files: it is to be planned again, and what is here of it is copied
    /// then. `false`: it is no such item.
    pub fn open_item(&self, channel: &ChannelKey, id: &ItemId) -> Result<bool, StoreError> {
        let _layout = self.core.exclusive();
        self.core.db.write(|tx| {
            let item = items::row_id(tx, channel, id)?;
            let kept: i64 = tx.query_row("SELECT form FROM items WHERE id = ?", [item], |row| row.get(0))?;
            if kept != form::ENCRYPTED {
                return Ok(false);
            }
            crate::sweep::retire(tx, channels::row_id(tx, channel)?, item)?;
            tx.prepare_cached(
                "UPDATE items SET form = ?, root = NULL, standing = 1, reading = 0, changed = ? WHERE id = ?",
            )?
            .execute(params![form::OPENED, now_ms(), item])?;
            Ok(true)
        })
    }

    /// Whether the user wants an item as files whatever its channel's setting.
    pub fn is_opened(&self, channel: &ChannelKey, id: &ItemId) -> Result<bool, StoreError> {
        self.core.db.read(|tx| {
            let item = items::row_id(tx, channel, id)?;
            let kept: i64 = tx.query_row("SELECT form FROM items WHERE id = ?", [item], |row| row.get(0))?;
            Ok(kept == form::OPENED)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 100 * DAY_MS;

    fn row(n: u8, bytes: u64, days_old: u64) -> ItemRow {
        ItemRow {
            id: ItemId([n; 16]),
            channel: ChannelKey([0; 32]),
            name: String::new(),
            about: String::new(),
            published: NOW - days_old * DAY_MS,
            position: u32::from(n),
            files: 1,
            bytes,
            json: Vec::new(),
            standing: Standing::Complete,
            paused: false,
            root: None,
            left_out: Vec::new(),
            planned: true,
            lost_files: 0,
            pinned: false,
            urgency: Urgency::Normal,
            encrypted: false,
            skipped: 0,
            mime: None,
            deadly: false,
        }
    }

    fn rows() -> Vec<ItemRow> {
        vec![row(0, 40, 0), row(1, 30, 2), row(2, 30, 4), row(3, 30, 6)]
    }

    fn numbers(ids: impl IntoIterator<Item = ItemId>) -> Vec<u8> {
        ids.into_iter().map(|id| id.0[0]).collect()
    }

    fn removed(keep: Keep, rows: &[ItemRow], holders: &[usize]) -> Vec<u8> {
        numbers(to_remove(keep, NOW, rows, &|id| holders.get(usize::from(id.0[0])).copied().unwrap_or(0)))
    }

    #[test]
    fn each_rule_names_what_is_outside_of_it() {
        let rows = rows();
        for (keep, out) in [
            (Keep::All, &[][..]),
            (Keep::Newest(2), &[2, 3]),
            (Keep::Newest(0), &[0, 1, 2, 3]),
            (Keep::Days(4), &[3]),
            (Keep::Days(0), &[1, 2, 3]),
            (Keep::Bytes(75), &[2, 3]),
            (Keep::Bytes(1), &[0, 1, 2, 3]),
        ] {
            assert_eq!(numbers(beyond(keep, NOW, &rows)), out, "{keep:?}");
        }
        assert_eq!(removed(Keep::Newest(2), &rows, &[]), [2, 3]);
        assert_eq!(removed(Keep::Days(3), &rows, &[]), [2, 3]);
    }

    #[test]
    fn a_budget_removes_what_many_hold_before_what_is_old_and_never_the_newest() {
        let rows = rows();
        assert_eq!(removed(Keep::Bytes(100), &rows, &[]), [3]);
        assert_eq!(removed(Keep::Bytes(100), &rows, &[0, 9, 1, 1]), [1]);
        assert_eq!(removed(Keep::Bytes(70), &rows, &[0, 1, 9, 0]), [2, 1]);
        assert_eq!(removed(Keep::Bytes(1), &rows, &[9, 0, 0, 0]), [3, 2, 1]);
        assert_eq!(removed(Keep::Bytes(130), &rows, &[]), [0; 0]);
    }

    #[test]
    fn what_is_pinned_or_published_stays_and_what_left_the_list_goes_first() {
        let mut rows = rows();
        rows[3].pinned = true;
        rows[2].standing = Standing::Published;
        assert_eq!(removed(Keep::Newest(0), &rows, &[]), [0, 1]);
        assert_eq!(removed(Keep::Bytes(60), &rows, &[]), [1]);
        let mut rows = self::rows();
        rows[3].position = u32::MAX;
        assert_eq!(removed(Keep::Newest(3), &rows, &[]), [3], "three are listed; this one is none of them");
        assert_eq!(removed(Keep::Days(30), &rows, &[]), [0; 0], "young, though off the list");
        assert_eq!(removed(Keep::All, &rows, &[]), [0; 0]);
    }

    #[test]
    fn a_clock_is_believed_as_far_as_something_speaks_for_it() {
        let year = 365 * DAY_MS;
        assert_eq!(believable(NOW, NOW, 0, 0), NOW);
        assert_eq!(believable(NOW + DAY_MS, NOW, 0, 0), NOW + DAY_MS, "the computer was off for a night");
        assert_eq!(believable(NOW + year, NOW, 0, 0), NOW, "a year in no time");
        assert_eq!(believable(NOW + year, NOW, 3 * DAY_MS, 0), NOW + 3 * DAY_MS, "only what it ran");
        assert_eq!(believable(NOW + year, NOW, 0, NOW + year - 5), NOW + year, "a list of today says so, too");
        assert_eq!(believable(NOW - 9 * DAY_MS, NOW, 0, NOW), NOW - 9 * DAY_MS, "behind: it deletes less");
        assert_eq!(believable(u64::MAX, NOW, u64::MAX, 0), u64::MAX);
    }

    #[test]
    fn rules_are_kept_as_text() {
        for keep in [Keep::All, Keep::Newest(5), Keep::Days(30), Keep::Bytes(1 << 40)] {
            assert_eq!(Keep::from_text(&keep.to_text()), keep);
        }
        assert_eq!(Keep::from_text("phases of the moon 3"), Keep::All);
        assert_eq!(Keep::from_text("newest -1"), Keep::All);
    }
}
