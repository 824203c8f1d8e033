//! An item's plan: its file list and its tables are read, and what they name goes to the store table by table.
//!
//! Promises: however long an item's author made it, a few megabytes of it are in memory; nothing of it is opened that
//! the disk, the quota or [`ITEM_CHUNKS_MAX`] have no room for; and an item over whose tables the process dies is marked
//! when that happens, so that the next start does not die over it again.

use std::collections::HashSet;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use protocol::params::{BLOB_LEN, ITEM_CHUNKS_MAX};
use protocol::{BlobId, ChannelKey, Chunk, Content, FileEntry, Item, ItemId, Payload, Tree, body};
use store::{Channel, ItemRow, PlanDraft, PlanStep, Standing, Store, StoreError};

use crate::api::{Code, ErrorInfo};
use crate::ctx::Ctx;
use crate::engine::Input;
use crate::error::{Result, fail};
use crate::folders;
use crate::stream::{self, Structure, Walk};

/// Files and chunks that are written at once.
const STEPS: usize = 4096;
/// Bytes that a chunk's row takes in the database, about.
const ROW: u64 = 320;

/// As [`plan`], of an item that is to be fetched: one that is not any more is left as it is.
pub(crate) async fn wanted(ctx: &Ctx, key: ChannelKey, id: ItemId) -> Result<()> {
    let row = ctx.with_store(move |s| s.item(&key, &id)).await?;
    if row.is_some_and(|row| row.standing == Standing::Wanted && !row.paused) {
        plan(ctx, key, id).await
    } else {
        fail(Code::Cancelled, "The item is not wanted any more.")
    }
}

/// Makes an item's plan: reads its file list and tables, and records where every chunk goes.
pub(crate) async fn plan(ctx: &Ctx, key: ChannelKey, id: ItemId) -> Result<()> {
    let (channel, row) = ctx.with_store(move |s| Ok((s.channel(&key)?, s.item(&key, &id)?))).await?;
    let (Some(channel), Some(row)) = (channel, row) else {
        return fail(Code::NotFound, "This item is no longer in the list.");
    };
    if row.planned {
        let kept = ctx.with_store(move |s| s.grow_lacking(&key, &id)).await?;
        if !kept.is_empty() {
            tracing::info!(item = %id, files = kept.len(), "damaged files stay as they are, and ours grow beside them");
        }
        return Ok(());
    }
    let mark = Mark::set(ctx, key, id).await?;
    let planned = write(ctx, &channel, row).await;
    mark.lift().await?;
    planned
}

async fn write(ctx: &Ctx, channel: &Channel, row: ItemRow) -> Result<()> {
    let (key, id) = (channel.key, row.id);
    let payload = Item::from_json(&row.json)?.payload;
    let folder = payload.is_folder();
    let root = match row.root {
        Some(root) => root,
        None => {
            let base = folders::of_channel(ctx, channel).await?;
            if folder { base.join(folders::name(&row.name, &id.to_string()[..8])) } else { base }
        }
    };
    let encrypted = channel.encrypted && !ctx.with_store(move |s| s.is_opened(&key, &id)).await?;
    let place = if encrypted { ctx.config.data_dir.clone() } else { root.clone() };
    // What the plan is read from stays as long as it does: others will ask us for it. A newer list may drop some of it
    // before it is tied; then it is read again.
    let draft = loop {
        let mut structure = Structure::of_item(key, id);
        let draft = draft(ctx, (key, id), &payload, &place, &mut structure).await?;
        let blobs = structure.blobs();
        if ctx.with_store(move |s| s.tie_structure(&key, &id, &blobs)).await?.is_empty() {
            break draft;
        }
    };
    let planned = ctx.with_store(move |s| s.commit_plan(draft, &root, encrypted)).await?;
    ctx.engine.send(Input::Unhold(planned.gone)).await;
    Ok(())
}

/// Writes a plan down, to be put in force.
async fn draft(
    ctx: &Ctx,
    (key, id): (ChannelKey, ItemId),
    payload: &Payload,
    place: &Path,
    structure: &mut Structure,
) -> Result<PlanDraft> {
    let mut totals = Totals::default();
    match payload {
        Payload::File(file) => totals.add(file)?,
        Payload::Folder(files) => files.iter().try_for_each(|file| totals.add(file))?,
        // What it says of itself; its list is not here yet.
        Payload::FolderTree { size, .. } => totals.bytes = *size,
    }
    let at = place.to_owned();
    ctx.with_store(move |s| totals.check(s, (key, id), &at)).await?;
    let draft = ctx.with_store(move |s| s.begin_plan(&key, &id)).await?;
    let (mut draft, trees) = match payload {
        Payload::File(file) => named(ctx, draft, vec![file.clone()]).await?,
        Payload::Folder(files) => named(ctx, draft, files.clone()).await?,
        Payload::FolderTree { tree, .. } => {
            let place = place.to_owned();
            let read = move |store: &Store, list: &[u8]| listed(store, draft, list, (key, id), &place);
            stream::parsed(ctx, key, tree, protocol::body::FILES_STREAM_MAX, structure, read).await?
        }
    };
    let (mut steps, mut waiting) = (Vec::new(), 0);
    for (number, tree) in trees {
        let mut walk = Walk::new(key, &tree);
        steps.push(PlanStep::Again(number));
        waiting += 1;
        while let Some(chunks) = walk.next(ctx, structure).await? {
            for some in chunks.chunks(STEPS) {
                steps.push(PlanStep::Chunks(some.to_vec()));
                waiting += some.len();
                if waiting >= STEPS {
                    let full = std::mem::take(&mut steps);
                    draft = ctx.with_store(move |s| s.extend_plan(&mut draft, &full).map(|()| draft)).await?;
                    waiting = 0;
                }
            }
        }
    }
    ctx.with_store(move |s| s.extend_plan(&mut draft, &steps).map(|()| draft)).await
}

/// A plan that is begun, and the trees of those of its files whose chunks stand in trees, with the files' numbers.
type Begun = (PlanDraft, Vec<(u64, Tree)>);

/// Writes the files that the channel's list itself names.
async fn named(ctx: &Ctx, draft: PlanDraft, files: Vec<FileEntry>) -> Result<Begun> {
    ctx.with_store(move |s| {
        let mut writer = Writer::new(draft);
        files.into_iter().for_each(|file| writer.add(s, file));
        writer.end(s)
    })
    .await
}

/// Writes the files that a file list names, if there is room for all of them. Blocking.
fn listed(store: &Store, draft: PlanDraft, list: &[u8], item: (ChannelKey, ItemId), place: &Path) -> Result<Begun> {
    let (mut totals, mut wrong) = (Totals::default(), None);
    body::parse_files_each(list, &mut |file| {
        if let Ok(file) = file
            && let Err(error) = totals.add(&file)
        {
            wrong.get_or_insert(error);
        }
    })?;
    if let Some(wrong) = wrong {
        return Err(wrong);
    }
    totals.check(store, item, place)?;
    let mut writer = Writer::new(draft);
    body::parse_files_each(list, &mut |file| {
        if let Ok(file) = file {
            writer.add(store, file);
        }
    })?;
    Ok(writer.end(store)?)
}

/// Writes files to a plan, some at a time. Blocking.
struct Writer {
    draft: PlanDraft,
    steps: Vec<PlanStep>,
    /// Files and chunks among the steps.
    waiting: usize,
    files: u64,
    trees: Vec<(u64, Tree)>,
    failed: Option<StoreError>,
}

impl Writer {
    fn new(draft: PlanDraft) -> Self {
        Self { draft, steps: Vec::new(), waiting: 0, files: 0, trees: Vec::new(), failed: None }
    }

    /// After the first failure nothing more is written; [`Writer::end`] tells it.
    fn add(&mut self, store: &Store, file: FileEntry) {
        if self.failed.is_some() {
            return;
        }
        let FileEntry { path, size, mime, content } = file;
        self.steps.push(PlanStep::File { path, size, mime });
        self.waiting += 1;
        match content {
            Content::Chunks(chunks) => {
                self.waiting += chunks.len();
                self.steps.push(PlanStep::Chunks(chunks));
            }
            Content::Tree(tree) => self.trees.push((self.files, tree)),
        }
        self.files += 1;
        if self.waiting >= STEPS {
            self.flush(store);
        }
    }

    fn flush(&mut self, store: &Store) {
        self.failed = store.extend_plan(&mut self.draft, &self.steps).err();
        self.steps.clear();
        self.waiting = 0;
    }

    fn end(mut self, store: &Store) -> std::result::Result<Begun, StoreError> {
        if self.failed.is_none() {
            self.flush(store);
        }
        match self.failed {
            Some(error) => Err(error),
            None => Ok((self.draft, self.trees)),
        }
    }
}

/// What an item comes to, before any table of it is opened.
#[derive(Default)]
struct Totals {
    bytes: u64,
    chunks: u64,
    /// Tables below different roots.
    tables: u64,
    roots: HashSet<BlobId>,
}

impl Totals {
    /// Adds a file.
    fn add(&mut self, file: &FileEntry) -> Result<()> {
        let (chunks, tables) = match &file.content {
            Content::Chunks(chunks) => (chunks.len() as u64, 0),
            Content::Tree(tree) if self.roots.insert(tree.blob) => (tree.chunks(), tree.tables()),
            Content::Tree(tree) => (tree.chunks(), 0),
        };
        self.bytes = self.bytes.saturating_add(file.size);
        self.chunks = self.chunks.saturating_add(chunks);
        self.tables = self.tables.saturating_add(tables);
        if self.chunks > ITEM_CHUNKS_MAX {
            return fail(
                Code::BadContent,
                format!("the item has more than {ITEM_CHUNKS_MAX} parts, which is more than any version reads"),
            );
        }
        Ok(())
    }

    /// Whether there is room for it: for its bytes at its place, for its tables and rows in the data folder.
    fn check(
        self,
        store: &Store,
        (key, id): (ChannelKey, ItemId),
        place: &Path,
    ) -> std::result::Result<(), StoreError> {
        let beside = self.tables.saturating_mul(BLOB_LEN as u64).saturating_add(self.chunks.saturating_mul(ROW));
        store.check_plan(&key, &id, place, self.bytes, beside)
    }
}

/// Goes through the content blobs of an item that is not planned, some at a time, until `each` has seen all.
pub(crate) async fn each_blob(
    ctx: &Ctx,
    key: ChannelKey,
    payload: &Payload,
    structure: &mut Structure,
    each: &mut (dyn FnMut(&[Chunk]) + Send),
) -> Result<()> {
    let mut totals = Totals::default();
    let mut trees = Vec::new();
    let mut take = |file: &FileEntry, each: &mut (dyn FnMut(&[Chunk]) + Send)| {
        totals.add(file)?;
        match &file.content {
            Content::Chunks(chunks) => each(chunks),
            Content::Tree(tree) => trees.push(tree.clone()),
        }
        Ok::<(), ErrorInfo>(())
    };
    match payload {
        Payload::File(file) => take(file, each)?,
        Payload::Folder(files) => files.iter().try_for_each(|file| take(file, each))?,
        Payload::FolderTree { tree, .. } => {
            let read = |_: &Store, list: &[u8]| {
                let (mut totals, mut wrong) = (Totals::default(), None);
                let (mut trees, mut chunks) = (Vec::new(), Vec::new());
                body::parse_files_each(list, &mut |file| {
                    let Ok(file) = file else { return };
                    if let Err(error) = totals.add(&file) {
                        wrong.get_or_insert(error);
                    }
                    match file.content {
                        Content::Chunks(some) => chunks.extend(some),
                        Content::Tree(tree) => trees.push(tree),
                    }
                })?;
                wrong.map_or(Ok((trees, chunks)), Err)
            };
            let max = protocol::body::FILES_STREAM_MAX;
            let (more, chunks) = stream::parsed(ctx, key, tree, max, structure, read).await?;
            each(&chunks);
            trees = more;
        }
    }
    for tree in trees {
        let mut walk = Walk::new(key, &tree);
        while let Some(chunks) = walk.next(ctx, structure).await? {
            each(&chunks);
        }
    }
    Ok(())
}

/// The structure blobs of an item of ours: its tables and its file list.
pub(crate) async fn structure_of(ctx: &Ctx, key: ChannelKey, item: &Item) -> Result<Vec<BlobId>> {
    let mut structure = Structure::unbounded();
    each_blob(ctx, key, &item.payload, &mut structure, &mut |_| {}).await?;
    Ok(structure.blobs())
}

/// Marks an item while what it is made of is worked on; lifted also when the work is given up.
struct Mark {
    ctx: Ctx,
    key: ChannelKey,
    id: ItemId,
    lifted: AtomicBool,
}

impl Mark {
    async fn set(ctx: &Ctx, key: ChannelKey, id: ItemId) -> Result<Self> {
        ctx.with_store(move |s| s.set_reading(&key, &id, true)).await?;
        Ok(Self { ctx: ctx.clone(), key, id, lifted: AtomicBool::new(false) })
    }

    async fn lift(&self) -> Result<()> {
        self.lifted.store(true, Ordering::SeqCst);
        lift(&self.ctx, self.key, self.id).await
    }
}

async fn lift(ctx: &Ctx, key: ChannelKey, id: ItemId) -> Result<()> {
    let lifted = ctx.with_store(move |s| match s.set_reading(&key, &id, false) {
        // It went meanwhile, and its mark with it.
        Err(StoreError::UnknownItem | StoreError::UnknownChannel) => Ok(()),
        other => other,
    });
    lifted.await
}

impl Drop for Mark {
    fn drop(&mut self) {
        if !self.lifted.load(Ordering::SeqCst) {
            let (ctx, key, id) = (self.ctx.clone(), self.key, self.id);
            // A node that stops in order lifts every mark at its next start.
            self.ctx.spawn(async move { crate::library::log(lift(&ctx, key, id).await) });
        }
    }
}
