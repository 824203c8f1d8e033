//! Fetched blobs find their places: opened under each waiting chunk's key, written to part files, held derived or stored.

use std::collections::{BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError};

use protocol::params::{BLOB_LEN, CHUNK_LEN};
use protocol::{BlobId, BlobKey, ChannelKey, ItemId, VerifiedBlob, blob};
use rusqlite::{OptionalExtension, Transaction, params};

use crate::db::{array, chunk_state, form, path, uint};
use crate::store::Core;
use crate::{Placed, Role, Store, StoreError, growing, parts, plans};

/// Places of one blob that are looked at as one: more of them are filled in turns, and the blob is stored.
pub(crate) const SPANS_MAX: i64 = 4096;

/// A chunk row: where some of a blob's plain bytes lie. A blob may have very many.
pub(crate) struct Span {
    pub(crate) file: i64,
    pub(crate) seq: i64,
    /// First byte in the opened blob.
    pub(crate) off: usize,
    pub(crate) len: usize,
    /// First byte in the file.
    pub(crate) at: u64,
    pub(crate) state: i64,
    whole: Arc<Whole>,
}

impl std::ops::Deref for Span {
    type Target = Whole;
    fn deref(&self) -> &Whole {
        &self.whole
    }
}

/// The file of a span, told once for all of its spans.
pub(crate) struct Whole {
    /// The file while it grows.
    pub(crate) part: Option<PathBuf>,
    pub(crate) disk: PathBuf,
    pub(crate) root: Option<PathBuf>,
    /// Of the file, when it was last known to be right; 0 unknown.
    pub(crate) mtime_ns: i64,
    /// The whole file's length.
    pub(crate) size: u64,
    /// Its item is kept only encrypted.
    pub(crate) encrypted: bool,
    /// By which the file is known again while it grows: see [`growing`].
    pub(crate) number: i64,
}

/// The spans of one blob in one item under one key, in order of their place in the blob.
pub(crate) struct Group {
    pub(crate) item: i64,
    pub(crate) key: BlobKey,
    pub(crate) spans: Vec<Span>,
}

impl Span {
    pub(crate) fn waits(&self) -> bool {
        self.state == chunk_state::MISSING && (self.part.is_some() || self.encrypted)
    }

    /// The growing file is to be seen to before anything is written: it was not made yet, or somebody else was at it.
    fn is_unready(&self) -> bool {
        self.part.as_deref().is_some_and(|part| !growing::is_whole(part, self.number, self.size))
            || self.number == growing::BEING_MADE
    }

    fn end(&self) -> usize {
        self.off + self.len
    }
}

impl Group {
    /// Its spans will be the whole blob, no padding behind them: once opened, the blob is made again from them alone.
    fn is_all(&self) -> bool {
        let here = self.spans.iter().filter(|span| span.state > 0 || span.waits());
        !self.spans.iter().any(|span| span.encrypted) && covered(here) == Some(CHUNK_LEN)
    }
}

/// All groups of a blob, or those of one item, with the chunks in these states.
pub(crate) fn groups(
    tx: &Transaction<'_>,
    blob: &BlobId,
    item: Option<i64>,
    states: std::ops::RangeInclusive<i64>,
) -> Result<Vec<Group>, StoreError> {
    let columns = "k.item, k.key, k.nonce, k.file, k.seq, k.off, k.len, k.at, k.state";
    some_groups(tx, blob, item, states, columns, "ORDER BY k.item, k.key, k.nonce, k.off, k.len")
}

/// As [`groups`], each piece of the blob once, wherever else it lies in the same item: enough to make the blob from.
pub(crate) fn pieces(
    tx: &Transaction<'_>,
    blob: &BlobId,
    states: std::ops::RangeInclusive<i64>,
) -> Result<Vec<Group>, StoreError> {
    // SQLite gives the other columns of the row that has the least `file`.
    let columns = "k.item, k.key, k.nonce, MIN(k.file), k.seq, k.off, k.len, k.at, k.state";
    some_groups(
        tx,
        blob,
        None,
        states,
        columns,
        "GROUP BY k.item, k.key, k.nonce, k.off, k.len ORDER BY k.item, k.key, k.nonce, k.off, k.len",
    )
}

/// Up to [`SPANS_MAX`] of a blob's chunks that wait for it.
fn waiting(tx: &Transaction<'_>, blob: &BlobId) -> Result<Vec<Group>, StoreError> {
    let columns = "k.item, k.key, k.nonce, k.file, k.seq, k.off, k.len, k.at, k.state";
    let which = format!(
        "AND (f.part IS NOT NULL OR (i.form = 1 AND i.planned = 1)) ORDER BY k.item, k.key, k.nonce, k.off, k.len LIMIT {SPANS_MAX}"
    );
    some_groups(tx, blob, None, chunk_state::MISSING..=chunk_state::MISSING, columns, &which)
}

fn some_groups(
    tx: &Transaction<'_>,
    blob: &BlobId,
    item: Option<i64>,
    states: std::ops::RangeInclusive<i64>,
    columns: &str,
    rest: &str,
) -> Result<Vec<Group>, StoreError> {
    let mut statement = tx.prepare_cached(&format!(
        "SELECT {columns}
         FROM chunks k JOIN files f ON f.id = k.file JOIN items i ON i.id = k.item
         WHERE k.blob = (SELECT id FROM blobs WHERE blob = ?1) AND k.state BETWEEN ?2 AND ?3
         AND (?4 IS NULL OR k.item = ?4) {rest}"
    ))?;
    // A plan that is being written is none yet: what its item was before says nothing of it.
    let mut file = tx.prepare_cached(
        "SELECT f.part, f.disk, i.root, f.mtime_ns, f.size, f.ino,
            CASE WHEN i.planned = 0 AND i.item IS NOT NULL THEN 0 ELSE i.form END
         FROM files f JOIN items i ON i.id = f.item WHERE f.id = ?",
    )?;
    let mut known: HashMap<i64, Arc<Whole>> = HashMap::new();
    let mut rows = statement.query(params![blob.as_bytes(), states.start(), states.end(), item])?;
    let mut out: Vec<Group> = Vec::new();
    while let Some(row) = rows.next()? {
        let item = row.get(0)?;
        let key = BlobKey { key: array(row, 1)?, nonce: array(row, 2)? };
        let number: i64 = row.get(3)?;
        let whole = match known.get(&number) {
            Some(whole) => whole.clone(),
            None => {
                let whole = file.query_row([number], |row| {
                    Ok(Arc::new(Whole {
                        part: row.get::<_, Option<Vec<u8>>>(0)?.map(path::from_sql),
                        disk: path::from_sql(row.get(1)?),
                        root: row.get::<_, Option<Vec<u8>>>(2)?.map(path::from_sql),
                        mtime_ns: row.get(3)?,
                        size: uint(row.get(4)?),
                        number: row.get(5)?,
                        encrypted: row.get::<_, i64>(6)? == form::ENCRYPTED,
                    }))
                })?;
                known.insert(number, whole.clone());
                whole
            }
        };
        let span = Span {
            file: number,
            seq: row.get(4)?,
            off: row.get::<_, u32>(5)? as usize,
            len: row.get::<_, u32>(6)? as usize,
            at: uint(row.get(7)?),
            state: row.get(8)?,
            whole,
        };
        match out.last_mut() {
            Some(group) if group.item == item && group.key == key => group.spans.push(span),
            _ => out.push(Group { item, key, spans: vec![span] }),
        }
    }
    Ok(out)
}

/// Whether more of a blob's chunks are here or wait for it than are looked at as one.
fn is_everywhere(tx: &Transaction<'_>, blob: &BlobId) -> Result<bool, StoreError> {
    let mut count = tx.prepare_cached(
        "SELECT COUNT(*) FROM (SELECT 1 FROM chunks WHERE blob = (SELECT id FROM blobs WHERE blob = ?1)
         AND state BETWEEN 0 AND 2 LIMIT ?2 + 1)",
    )?;
    Ok(count.query_row(params![blob.as_bytes(), SPANS_MAX], |row| row.get::<_, i64>(0))? > SPANS_MAX)
}

/// How many bytes from 0 on the spans cover without a gap; `None` if there is one.
pub(crate) fn covered<'a>(spans: impl Iterator<Item = &'a Span>) -> Option<usize> {
    let mut end = 0;
    for span in spans {
        if span.off > end {
            return None;
        }
        end = end.max(span.end());
    }
    Some(end)
}

/// Sets a chunk's state, and what file and item have. `false` if the chunk was not in `from` any more.
pub(crate) fn set_state(
    tx: &Transaction<'_>,
    item: i64,
    span: &Span,
    to: i64,
    unsynced: i64,
) -> Result<bool, StoreError> {
    let changed = tx
        .prepare_cached(
            "UPDATE chunks SET state = ?1, unsynced = MAX(unsynced, ?2) WHERE file = ?3 AND seq = ?4 AND state = ?5",
        )?
        .execute(params![to, unsynced, span.file, span.seq, span.state])?;
    let had = span.state > 0;
    let has = to > 0;
    if changed == 1 && had != has {
        let more = if has { span.len as i64 } else { -(span.len as i64) };
        tx.prepare_cached("UPDATE files SET have = have + ? WHERE id = ?")?.execute([more, span.file])?;
        tx.prepare_cached("UPDATE items SET have = have + ? WHERE id = ?")?.execute([more, item])?;
    }
    Ok(changed == 1)
}

impl Placed {
    /// What a later turn of the same blob brought.
    fn add(&mut self, more: Self) {
        let Self { items, finished, unopenable, lost } = more;
        self.items.retain(|(channel, id, _)| !items.iter().any(|(c, i, _)| (c, i) == (channel, id)));
        self.items.extend(items);
        for one in finished.into_iter().filter(|one| !self.finished.contains(one)).collect::<Vec<_>>() {
            self.finished.push(one);
        }
        for one in unopenable.into_iter().filter(|one| !self.unopenable.contains(one)).collect::<Vec<_>>() {
            self.unopenable.push(one);
        }
        self.lost.extend(lost);
    }
}

/// What became of one group.
struct Outcome {
    group: Group,
    opened: bool,
    derived: bool,
}

impl Store {
    /// A fetched content blob: opened under its key, written to the part files that need it, held derived where the
    /// rest is our padding, else stored. Same blob twice is no error. What an item lacks whose files are being carried
    /// elsewhere ([`Store::move_item`]) it goes on lacking.
    pub fn place(&self, blob: VerifiedBlob) -> Result<Placed, StoreError> {
        let _layout = self.core.shared();
        let id = blob.id();
        if self.core.db.read(|tx| is_everywhere(tx, &id))? {
            return self.core.place_everywhere(&blob);
        }
        let waiting = || -> Result<Vec<Group>, StoreError> {
            let states = chunk_state::MISSING..=chunk_state::DERIVED;
            let mut found = self.core.db.read(|tx| groups(tx, &id, None, states))?;
            found.retain(|group| group.spans.iter().any(Span::waits) && !self.core.is_carried(group.item));
            Ok(found)
        };
        let mut found = waiting()?;
        let unready: BTreeSet<i64> = found
            .iter()
            .flat_map(|group| group.spans.iter().filter(|span| span.waits() && span.is_unready()))
            .map(|span| span.file)
            .collect();
        let mut lost = Vec::new();
        if !unready.is_empty() {
            lost = self.core.see_to_parts(&unready)?;
            found = waiting()?;
        }
        if found.is_empty() {
            return Ok(Placed { lost, ..Placed::default() });
        }
        let plain = found.iter().flat_map(|group| &group.spans).filter(|span| span.waits() && !span.encrypted);
        let room = self.core.reserve(plain.map(|span| span.len as u64).sum())?;
        let (outcomes, sealed) = self.core.fill_all(blob, found).map_err(|error| error.needing(BLOB_LEN as u64))?;
        let keep = outcomes.iter().any(|outcome| outcome.opened && !outcome.derived);
        let written = match sealed.filter(|_| keep) {
            Some(sealed) => self.core.keep_file(&sealed)?,
            None => false,
        };
        let mut placed = self.core.write_blob(|tx| self.core.record(tx, &id, outcomes, keep, written))?;
        room.take();
        placed.lost = lost;
        Ok(placed)
    }

    /// Keeps sealed bytes: bodies, pages, tables (fetched or made by us).
    pub fn put_stored(&self, channel: &ChannelKey, role: Role, blob: &VerifiedBlob) -> Result<(), StoreError> {
        let _layout = self.core.shared();
        let written = self.core.keep_file(blob)?;
        self.core.write_blob(|tx| {
            let channel = crate::channels::row_id(tx, channel)?;
            let row = plans::blob_row(tx, &blob.id())?;
            mark_stored(tx, row, self.core.pace.number(), written)?;
            tx.prepare_cached("INSERT OR REPLACE INTO structure(channel, blob, role) VALUES(?, ?, ?)")?
                .execute(params![channel, row, role.to_sql()])?;
            Ok(())
        })
    }
}

fn mark_stored(tx: &Transaction<'_>, row: i64, number: i64, written: bool) -> Result<(), StoreError> {
    // One that is stored already and was not written again keeps its number, or none.
    tx.prepare_cached("UPDATE blobs SET stored = 1, unsynced = ?1 WHERE id = ?2 AND (stored = 0 OR ?3)")?
        .execute(params![number, row, written])?;
    Ok(())
}

/// Nothing is known of these files' bytes any more: their chunks get the state `to`, which is none of those that are
/// here. Blobs that they shared with files of their item cannot be made from those alone. Returns the blobs that are no
/// longer held.
pub(crate) fn forget_files(tx: &Transaction<'_>, files: &BTreeSet<i64>, to: i64) -> Result<Vec<BlobId>, StoreError> {
    let mut candidates = Vec::new();
    for file in files {
        let mut held = tx.prepare_cached(
            "SELECT DISTINCT b.id, b.blob FROM chunks k JOIN blobs b ON b.id = k.blob WHERE k.file = ? AND k.state = 2",
        )?;
        let held = held.query_map([file], |row| Ok((row.get::<_, i64>(0)?, BlobId(array(row, 1)?))))?;
        candidates.extend(held.collect::<Result<Vec<_>, _>>()?);
        tx.prepare_cached(
            "UPDATE chunks SET state = 1 WHERE state = 2 AND file <> ?1 AND item = (SELECT item FROM files WHERE id = ?1)
             AND blob IN (SELECT blob FROM chunks WHERE file = ?1)",
        )?
        .execute([file])?;
        tx.prepare_cached("UPDATE chunks SET state = ?, unsynced = 0 WHERE file = ? AND state > 0")?
            .execute([to, *file])?;
        tx.prepare_cached(
            "UPDATE items SET have = have - (SELECT have FROM files WHERE id = ?1)
             WHERE item IS NOT NULL AND id = (SELECT item FROM files WHERE id = ?1)",
        )?
        .execute([file])?;
        tx.prepare_cached("UPDATE files SET have = 0 WHERE id = ?")?.execute([file])?;
    }
    not_held(tx, candidates)
}

/// Those of these blobs that nothing holds.
pub(crate) fn not_held(tx: &Transaction<'_>, mut blobs: Vec<(i64, BlobId)>) -> Result<Vec<BlobId>, StoreError> {
    blobs.sort_unstable();
    blobs.dedup();
    let mut held = tx.prepare_cached(
        "SELECT stored = 1 OR EXISTS(SELECT 1 FROM chunks WHERE blob = b.id AND state = 2) FROM blobs b WHERE id = ?",
    )?;
    let mut gone = Vec::new();
    for (row, blob) in blobs {
        if !held.query_row([row], |row| row.get::<_, bool>(0)).optional()?.unwrap_or(false) {
            gone.push(blob);
        }
    }
    Ok(gone)
}

impl Core {
    /// A blob that stands in very many places: it is stored, and its plain bytes are written some places at a time.
    fn place_everywhere(&self, blob: &VerifiedBlob) -> Result<Placed, StoreError> {
        let id = blob.id();
        let mut placed = Placed::default();
        let (mut keep, mut written) = (false, false);
        let mut failed = BTreeSet::new();
        loop {
            if self.is_closed() {
                return Err(StoreError::Closed);
            }
            let mut found = self.db.read(|tx| waiting(tx, &id))?;
            found.retain(|group| !self.is_carried(group.item));
            if found.is_empty() {
                return Ok(placed);
            }
            let unready: BTreeSet<i64> = found
                .iter()
                .flat_map(|group| group.spans.iter().filter(|span| span.is_unready()))
                .map(|span| span.file)
                .collect();
            if !unready.is_empty() {
                placed.lost.extend(self.see_to_parts(&unready)?);
                continue;
            }
            let plain = found.iter().flat_map(|group| &group.spans).filter(|span| !span.encrypted);
            let room = self.reserve(plain.map(|span| span.len as u64).sum())?;
            let filled = self.fill_each(blob, found, &mut failed);
            let mut outcomes = filled.map_err(|error| error.needing(BLOB_LEN as u64))?;
            // These are some of its places only: whether the blob can be made from all nobody looked.
            outcomes.iter_mut().for_each(|outcome| outcome.derived = false);
            if !keep && outcomes.iter().any(|outcome| outcome.opened) {
                (keep, written) = (true, self.keep_file(blob)?);
            }
            let more = self.write_blob(|tx| self.record(tx, &id, outcomes, keep, written))?;
            written = false;
            room.take();
            placed.add(more);
        }
    }

    /// Opens the blob for each group. Gives it back sealed, unless its plain bytes are all that can be needed of it: then
    /// it was opened where it lay.
    fn fill_all(
        &self,
        blob: VerifiedBlob,
        groups: Vec<Group>,
    ) -> Result<(Vec<Outcome>, Option<VerifiedBlob>), StoreError> {
        match <[Group; 1]>::try_from(groups) {
            Ok([group]) if group.is_all() => Ok((vec![self.fill(blob, group)?], None)),
            groups => {
                let groups = groups.map_or_else(|many| many, Vec::from);
                let filled = self.fill_each(&blob, groups, &mut BTreeSet::new())?;
                Ok((filled, Some(blob)))
            }
        }
    }

    /// Opens the blob for each group; an item of which one key failed is not tried with its others, for its publisher
    /// could name any number.
    fn fill_each(
        &self,
        blob: &VerifiedBlob,
        groups: Vec<Group>,
        failed: &mut BTreeSet<i64>,
    ) -> Result<Vec<Outcome>, StoreError> {
        let mut outcomes = Vec::with_capacity(groups.len());
        for group in groups {
            let outcome = match failed.contains(&group.item) {
                true => Outcome { group, opened: false, derived: false },
                false => self.fill(blob.clone(), group)?,
            };
            if !outcome.opened {
                failed.insert(outcome.group.item);
            }
            outcomes.push(outcome);
        }
        Ok(outcomes)
    }

    /// Opens the blob for one group and writes what waits.
    fn fill(&self, blob: VerifiedBlob, group: Group) -> Result<Outcome, StoreError> {
        let Ok(plain) = blob::open(blob, &group.key) else {
            return Ok(Outcome { group, opened: false, derived: false });
        };
        if group.spans.iter().any(|span| span.encrypted) {
            return Ok(Outcome { group, opened: true, derived: false });
        }
        for span in group.spans.iter().filter(|span| span.waits()) {
            let (Some(part), Some(bytes)) = (&span.part, plain.get(span.off..span.end())) else { continue };
            let root = span.root.as_deref().unwrap_or(Path::new("/"));
            let file = growing::open(root, part, span.number)?;
            // The system lets one write to a file at a time; the others would wait for it awake.
            let _turn = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
            parts::write_all_at(&file, bytes, span.at).map_err(crate::error::at(part))?;
        }
        let here = group.spans.iter().filter(|span| span.state > 0 || span.waits());
        let derived = covered(here).is_some_and(|used| blob::padding_is_ours(&plain, used, &group.key));
        Ok(Outcome { group, opened: true, derived })
    }

    /// Writes the blob's file unless one is recorded and there; says whether it did.
    fn keep_file(&self, blob: &VerifiedBlob) -> Result<bool, StoreError> {
        let id = blob.id();
        let stored: bool = self.db.read(|tx| {
            let mut statement =
                tx.prepare_cached("SELECT EXISTS(SELECT 1 FROM blobs WHERE blob = ? AND stored = 1)")?;
            Ok(statement.query_row([id.as_bytes()], |row| row.get(0))?)
        })?;
        if stored && parts::length(&self.blobs.path(&id)) == Some(BLOB_LEN as u64) {
            return Ok(false);
        }
        // A file that is written again takes no more room than it had; counting it twice until the next count is safe.
        let room = self.reserve(BLOB_LEN as u64)?;
        self.blobs.write(blob).map_err(|error| error.needing(BLOB_LEN as u64))?;
        room.take();
        Ok(true)
    }

    fn record(
        &self,
        tx: &Transaction<'_>,
        id: &BlobId,
        outcomes: Vec<Outcome>,
        keep: bool,
        written: bool,
    ) -> Result<Placed, StoreError> {
        let number = self.pace.number();
        if keep {
            mark_stored(tx, plans::blob_row(tx, id)?, number, written)?;
        }
        let mut items: Vec<(i64, bool)> = Vec::new();
        let mut unopenable = Vec::new();
        for Outcome { group, opened, derived } in &outcomes {
            let mut grown = false;
            for span in &group.spans {
                let waits = span.waits();
                let to = match (opened, derived) {
                    (false, _) if waits => chunk_state::UNOPENABLE,
                    (true, true) if waits || span.state == chunk_state::PLAIN => chunk_state::DERIVED,
                    (true, false) if waits && span.encrypted => chunk_state::SEALED,
                    (true, false) if waits => chunk_state::PLAIN,
                    _ => continue,
                };
                // Of what is kept only encrypted, the blob's own row tells that it waits for the disk.
                let unsynced = if *opened && !span.encrypted { number } else { 0 };
                grown |= set_state(tx, group.item, span, to, unsynced)?;
            }
            if *opened {
                items.push((group.item, grown));
            } else {
                unopenable.push(group.item);
            }
        }
        items.sort_unstable_by_key(|(item, grown)| (*item, !grown));
        items.dedup_by_key(|(item, _)| *item);
        let mut placed = Placed::default();
        for (item, grown) in items {
            let Some((channel, item_id, have, whole)) = standing(tx, item)? else { continue };
            placed.items.push((channel, item_id, have));
            if grown && whole {
                placed.finished.push((channel, item_id));
            }
        }
        unopenable.dedup();
        for item in unopenable {
            if let Some((channel, item_id, ..)) = standing(tx, item)? {
                tracing::warn!(%channel, item = %item_id, blob = %id, "the channel names a key that does not open this blob");
                placed.unopenable.push((channel, item_id));
            }
        }
        Ok(placed)
    }
}

/// Names of an item's row, its bytes here, and whether it is wanted and lacks nothing.
fn standing(tx: &Transaction<'_>, item: i64) -> Result<Option<(ChannelKey, ItemId, u64, bool)>, StoreError> {
    let mut statement = tx.prepare_cached(
        "SELECT c.key, i.item, i.have, i.standing = 1 AND i.planned = 1
            AND NOT EXISTS(SELECT 1 FROM chunks WHERE item = i.id AND state <= 0 AND state > -3)
         FROM items i JOIN channels c ON c.id = i.channel WHERE i.id = ? AND i.item IS NOT NULL",
    )?;
    let found = statement.query_row([item], |row| {
        Ok((ChannelKey(array(row, 0)?), ItemId(array(row, 1)?), uint(row.get(2)?), row.get(3)?))
    });
    Ok(found.optional()?)
}
