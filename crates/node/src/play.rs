//! Playing while it downloads: one file of an item, served to a player on this computer by `net::media`.
//!
//! Owns: which addresses there are. An address is 32 random characters that only the asker of [`crate::api::Request::Play`]
//! knows; the newest [`ADDRESSES`] hold. Promises: every byte served was verified; blobs from the play head on are asked
//! for before all others, and lose that place when the player goes or seeks away; a byte that is not here is waited for,
//! never made up; nothing is sent before the file's first bytes were seen to be what it is served as.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use net::media::{Get, MediaConn, MediaListener};
use protocol::{BlobId, ChannelKey, Chunk, ItemId, SafePath, blob};
use store::{ReadError, Standing};

use crate::api::{Code, ErrorInfo};
use crate::ctx::Ctx;
use crate::engine::Input;
use crate::error::{Result, blocking};
use crate::media::{Container, HEAD};
use crate::process::Places;

/// Addresses that hold at one time.
const ADDRESSES: usize = 64;
/// Blobs asked for from the play head on: 1 MiB each.
const AHEAD: usize = 12;
/// Chunks of a file that are read from the store at a time.
const CHUNKS_READ: u64 = 512;

/// A file that can be played.
#[derive(Clone)]
pub(crate) struct Track {
    pub(crate) channel: ChannelKey,
    pub(crate) item: ItemId,
    pub(crate) size: u64,
    pub(crate) container: Container,
    /// The file among the item's.
    pub(crate) path: SafePath,
    /// Set once the first bytes were looked at: whether they are the container's.
    pub(crate) fits: Arc<OnceLock<bool>>,
}

impl Track {
    /// Some of its chunks, in order, from the one on that holds the byte `at`: each with its first byte in the file. How
    /// many a file has nobody knows.
    async fn chunks(&self, ctx: &Ctx, at: u64) -> Result<Vec<(u64, Chunk)>> {
        let (channel, item, path) = (self.channel, self.item, self.path.clone());
        ctx.with_store(move |s| s.chunks_of(&channel, &item, &path, at, CHUNKS_READ)).await
    }
}

/// The server's addresses.
pub(crate) struct Player {
    host: String,
    tracks: Mutex<VecDeque<(String, Track)>>,
}

impl Player {
    /// Listens, and serves until the node stops.
    pub(crate) async fn start(ctx: &Ctx) -> Result<Arc<Self>> {
        let listener = MediaListener::bind()
            .await
            .map_err(|e| ErrorInfo::new(Code::Io, format!("Nothing can be played: no port on 127.0.0.1: {e}")))?;
        let player = Arc::new(Self { host: listener.host(), tracks: Mutex::new(VecDeque::new()) });
        ctx.spawn(accept(ctx.clone(), player.clone(), listener));
        Ok(player)
    }

    /// An address for a file.
    pub(crate) fn address(&self, track: Track) -> Result<String> {
        let mut random = [0; 16];
        getrandom::fill(&mut random).map_err(|e| ErrorInfo::new(Code::Internal, format!("no random numbers: {e}")))?;
        let path = format!("/{}", data_encoding::HEXLOWER.encode(&random));
        let address = format!("http://{}{path}", self.host);
        let mut tracks = self.tracks.lock().unwrap_or_else(PoisonError::into_inner);
        if tracks.len() == ADDRESSES {
            tracks.pop_front();
        }
        tracks.push_back((path, track));
        Ok(address)
    }

    fn find(&self, path: &str) -> Option<Track> {
        let tracks = self.tracks.lock().unwrap_or_else(PoisonError::into_inner);
        tracks.iter().find(|(known, _)| known == path).map(|(_, track)| track.clone())
    }
}

async fn accept(ctx: Ctx, player: Arc<Player>, listener: MediaListener) {
    let places = Arc::new(tokio::sync::Semaphore::new(Places::here().players));
    loop {
        let Ok(place) = places.clone().acquire_owned().await else { return };
        let conn = listener.accept().await;
        let (on, player) = (ctx.clone(), player.clone());
        ctx.spawn(async move {
            if let Err(error) = serve(&on, &player, conn).await {
                tracing::debug!(%error, "a player's connection ended");
            }
            drop(place);
        });
    }
}

async fn serve(ctx: &Ctx, player: &Player, mut conn: MediaConn) -> std::io::Result<()> {
    while let Some(Get { path, head, range }) = conn.next().await? {
        let Some(track) = player.find(&path) else {
            conn.refuse(404).await?;
            continue;
        };
        let part = match range.map(|ask| ask.of(track.size)) {
            Some(None) => {
                conn.out_of_range(track.size).await?;
                continue;
            }
            Some(part) => part,
            None => None,
        };
        if !fits(ctx, &track, &mut conn).await? {
            conn.refuse(415).await?;
            continue;
        }
        conn.begin(track.container.mime(), track.size, part.as_ref()).await?;
        if !head && !send(ctx, &track, part.unwrap_or(0..track.size), &mut conn).await? {
            return Ok(());
        }
    }
    Ok(())
}

/// Blobs that were asked for first; what did not come goes back among the others when the player leaves.
struct Urgent<'a> {
    ctx: &'a Ctx,
    track: &'a Track,
    asked: Vec<BlobId>,
}

impl Urgent<'_> {
    /// Asks for what is not here of the next chunks.
    async fn ask(&mut self, next: &[(u64, Chunk)]) -> Result<()> {
        let next: Vec<BlobId> = next.iter().take(AHEAD).map(|(_, chunk)| chunk.blob).collect();
        let look = move |s: &store::Store| {
            let lacks = |blob: BlobId| s.has(&blob).map(|here| (!here).then_some(blob)).transpose();
            next.into_iter().filter_map(lacks).collect::<std::result::Result<Vec<_>, _>>()
        };
        let missing = self.ctx.with_store(look).await?;
        let new: Vec<BlobId> = missing.iter().filter(|blob| !self.asked.contains(blob)).copied().collect();
        self.asked.retain(|blob| missing.contains(blob));
        self.asked.extend(&new);
        if !new.is_empty() {
            self.ctx.engine.send(Input::Stream(new, self.track.channel)).await;
        }
        Ok(())
    }
}

impl Drop for Urgent<'_> {
    fn drop(&mut self) {
        let asked = std::mem::take(&mut self.asked);
        if asked.is_empty() {
            return;
        }
        let (ctx, channel, item) = (self.ctx.clone(), self.track.channel, self.track.item);
        self.ctx.spawn(async move {
            let row = ctx.with_store(move |s| s.item(&channel, &item)).await.ok().flatten();
            let wanted = row.is_some_and(|row| row.standing == Standing::Wanted && !row.paused);
            let input =
                if wanted { Input::Want(asked, channel, swarm::Priority::Normal) } else { Input::Unwant(asked) };
            ctx.engine.send(input).await;
        });
    }
}

/// Whether the file begins as what it is served as; its first part is waited for.
async fn fits(ctx: &Ctx, track: &Track, conn: &mut MediaConn) -> std::io::Result<bool> {
    if let Some(fits) = track.fits.get() {
        return Ok(*fits);
    }
    let mut urgent = Urgent { ctx, track, asked: Vec::new() };
    let ahead = match track.chunks(ctx, 0).await {
        Ok(ahead) => ahead,
        Err(error) => {
            tracing::warn!(code = ?error.code, "nothing is played: {}", error.message);
            return Ok(false);
        }
    };
    let Some((_, first)) = ahead.first() else { return Ok(false) };
    let plain = tokio::select! {
        () = conn.gone() => return Ok(false),
        plain = chunk_of(ctx, &mut urgent, &ahead, first) => plain,
    };
    match plain {
        Ok(plain) => Ok(*track.fits.get_or_init(|| track.container.fits(plain.get(..HEAD).unwrap_or(&plain)))),
        Err(error) => {
            tracing::warn!(code = ?error.code, "nothing is played: {}", error.message);
            Ok(false)
        }
    }
}

/// A file's first bytes, if they are here.
pub(crate) async fn head_here(ctx: &Ctx, track: &Track) -> Result<Option<Vec<u8>>> {
    let Some((_, first)) = track.chunks(ctx, 0).await?.into_iter().next() else { return Ok(Some(Vec::new())) };
    let store = ctx.store.clone();
    let plain = blocking(move || read_here(&store, &first)).await?;
    Ok(plain.map(|mut plain| {
        plain.truncate(HEAD);
        plain
    }))
}

/// A chunk's plain bytes, if its blob is here. Blocking.
fn read_here(store: &store::Store, chunk: &Chunk) -> Result<Option<Vec<u8>>> {
    let sealed = match store.read_blob(&chunk.blob) {
        Ok(sealed) => sealed,
        Err(ReadError::Store(error)) => return Err(error.into()),
        Err(ReadError::Missing | ReadError::Changed { .. }) => return Ok(None),
    };
    let plain = blob::open(sealed, &chunk.key)?;
    let from = chunk.offset as usize;
    Ok(plain.get(from..from + chunk.len as usize).map(<[u8]>::to_vec))
}

/// Sends a part of a file; false when it cannot be read any more, which the player sees as a short answer.
async fn send(ctx: &Ctx, track: &Track, part: Range<u64>, conn: &mut MediaConn) -> std::io::Result<bool> {
    let mut urgent = Urgent { ctx, track, asked: Vec::new() };
    // Chunks from the play head on, some at a time.
    let mut ahead: VecDeque<(u64, Chunk)> = VecDeque::new();
    let mut at = part.start;
    while at < part.end {
        if ahead.len() <= AHEAD {
            match track.chunks(ctx, at).await {
                Ok(more) => ahead = more.into(),
                Err(error) => {
                    tracing::warn!(code = ?error.code, "playing ends: {}", error.message);
                    return Ok(false);
                }
            }
        }
        let Some((start, chunk)) = ahead.front().cloned() else { return Ok(false) };
        let whole = start..start + u64::from(chunk.len);
        if whole.start > at {
            return Ok(false);
        }
        let plain = tokio::select! {
            () = conn.gone() => return Ok(false),
            plain = chunk_of(ctx, &mut urgent, ahead.make_contiguous(), &chunk) => plain,
        };
        let plain = match plain {
            Ok(plain) => plain,
            Err(error) => {
                tracing::warn!(code = ?error.code, "playing ends: {}", error.message);
                return Ok(false);
            }
        };
        let from = usize::try_from(part.start.max(whole.start) - whole.start).unwrap_or(usize::MAX);
        let to = usize::try_from(part.end.min(whole.end) - whole.start).unwrap_or(usize::MAX);
        let Some(bytes) = plain.get(from..to) else { return Ok(false) };
        conn.write(bytes).await?;
        at = whole.end;
        ahead.pop_front();
    }
    Ok(true)
}

/// A chunk's plain bytes, once they are here.
async fn chunk_of(ctx: &Ctx, urgent: &mut Urgent<'_>, ahead: &[(u64, Chunk)], chunk: &Chunk) -> Result<Vec<u8>> {
    let mut arrived = ctx.arrived.subscribe();
    loop {
        arrived.borrow_and_update();
        urgent.ask(ahead).await?;
        let (store, chunk) = (ctx.store.clone(), chunk.clone());
        let read = blocking(move || read_here(&store, &chunk));
        if let Some(plain) = read.await? {
            return Ok(plain);
        }
        if arrived.changed().await.is_err() {
            return Err(ErrorInfo::new(Code::Stopping, "The node is stopping."));
        }
    }
}
