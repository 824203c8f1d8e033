//! What of a channel stays here: the rule itself, and the words that change it.
//!
//! The rule is arithmetic over a channel's list; what it names is removed by whoever asked, with
//! [`Store::remove_item`]. What the user pinned, and what was published from here, is never named.

use std::collections::BTreeSet;

use protocol::{ChannelKey, ItemId};
use rusqlite::params;

use crate::db::form;
use crate::store::now_ms;
use crate::{ItemRow, Keep, Standing, Store, StoreError, Urgency, channels, items};

const DAY_MS: u64 = 24 * 3600 * 1000;

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
            tx.prepare_cached("UPDATE items SET form = ?, root = NULL, standing = 1, changed = ? WHERE id = ?")?
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
    fn rules_are_kept_as_text() {
        for keep in [Keep::All, Keep::Newest(5), Keep::Days(30), Keep::Bytes(1 << 40)] {
            assert_eq!(Keep::from_text(&keep.to_text()), keep);
        }
        assert_eq!(Keep::from_text("phases of the moon 3"), Keep::All);
        assert_eq!(Keep::from_text("newest -1"), Keep::All);
    }
}
