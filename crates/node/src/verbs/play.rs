//! One file of an item: where it lies, and an address to play it from.

use std::path::PathBuf;
use std::time::Duration;

use crate::api::{Code, FileArg, PlaceArg, Playable};
use crate::ctx::Ctx;
use crate::error::{Result, fail};
use crate::play::{Player, Track};
use crate::verbs::{fetch, find_item};
use store::{PlanFile, Standing};

/// Time for an item's list of files to come before playing is given up; it goes on being fetched.
const PLAN_TIME: Duration = Duration::from_secs(60);

/// An address from which a media element can play a file, also before it is complete. An item that nobody wanted yet is
/// wanted from now on.
pub(super) async fn play(ctx: &Ctx, args: FileArg) -> Result<Playable> {
    super::online(ctx)?;
    let row = find_item(ctx, &args.item).await?;
    let (channel, id) = (row.channel, row.id);
    if row.standing == Standing::Listed {
        fetch::start(ctx, row, None).await?;
    }
    let planned = super::wait_for(ctx, || async move {
        Ok(ctx.with_store(move |s| s.item(&channel, &id)).await?.filter(|row| row.planned))
    });
    match tokio::time::timeout(PLAN_TIME, planned).await {
        Ok(planned) => planned?,
        Err(_) => return fail(Code::TimedOut, "Nobody has sent this item's list of files yet."),
    };
    let file = file_of(ctx, &args).await?;
    let Some(mime) = media_type(&file) else {
        return fail(Code::BadArgument, "This file is neither sound, film nor picture.");
    };
    let track = Track { channel, item: id, size: file.size, mime: mime.clone(), chunks: file.chunks.into() };
    let player = ctx.player.get_or_try_init(|| Player::start(ctx)).await?;
    Ok(Playable { url: player.address(track)?, mime })
}

/// Where an item's files lie, or one of them, which must be complete.
pub(super) async fn place(ctx: &Ctx, args: PlaceArg) -> Result<PathBuf> {
    let row = find_item(ctx, &args.item).await?;
    let Some(path) = args.path else {
        return row.root.map_or_else(|| fail(Code::NotFound, "Nothing of this item is on this computer yet."), Ok);
    };
    let file = file_of(ctx, &FileArg { item: format!("{}/{}", row.channel, row.id), path }).await?;
    let disk = file.disk.clone();
    let there = crate::error::blocking(move || Ok(disk.metadata().is_ok_and(|m| m.is_file()))).await?;
    if there {
        Ok(file.disk)
    } else {
        fail(Code::NotFound, format!("{} is not complete, or was moved away.", file.disk.display()))
    }
}

async fn file_of(ctx: &Ctx, args: &FileArg) -> Result<PlanFile> {
    let row = find_item(ctx, &args.item).await?;
    let files = ctx.with_store(move |s| s.files(&row.channel, &row.id)).await?;
    match files.into_iter().find(|(file, _)| file.path.as_str() == args.path) {
        Some((file, _)) => Ok(file),
        None => fail(Code::NotFound, format!("This item has no file {:?}.", args.path)),
    }
}

/// The media type as published where it is sound, film or a picture without scripts, else by the name's ending.
fn media_type(file: &PlanFile) -> Option<String> {
    let published = file.mime.as_deref().map(str::to_ascii_lowercase).filter(|mime| is_media(mime));
    published.or_else(|| by_name(file.path.as_str()).map(str::to_owned))
}

fn is_media(mime: &str) -> bool {
    let plain = |text: &str| {
        !text.is_empty() && text.len() <= 64 && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b))
    };
    match mime.split_once('/') {
        Some(("audio" | "video", kind)) => plain(kind),
        Some(("image", kind)) => matches!(kind, "png" | "jpeg" | "gif" | "webp" | "avif" | "bmp"),
        _ => false,
    }
}

fn by_name(path: &str) -> Option<&'static str> {
    let (_, ending) = path.rsplit_once('.')?;
    Some(match ending.to_ascii_lowercase().as_str() {
        "mp4" | "m4v" => "video/mp4",
        "webm" => "video/webm",
        "mkv" => "video/x-matroska",
        "mov" => "video/quicktime",
        "avi" => "video/x-msvideo",
        "ogv" => "video/ogg",
        "mpg" | "mpeg" => "video/mpeg",
        "mp3" => "audio/mpeg",
        "m4a" | "aac" => "audio/mp4",
        "ogg" | "oga" | "opus" => "audio/ogg",
        "flac" => "audio/flac",
        "wav" => "audio/wav",
        "png" => "image/png",
        "jpg" | "jpeg" => "image/jpeg",
        "gif" => "image/gif",
        "webp" => "image/webp",
        "avif" => "image/avif",
        "bmp" => "image/bmp",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_media_is_served_as_what_it_says() {
        for good in ["video/mp4", "audio/x-flac", "image/png", "video/vnd.dlna.mpeg-tts"] {
            assert!(is_media(good), "{good}");
        }
        for bad in ["text/html", "image/svg+xml", "video/", "video/mp4\r\nX: y", "application/pdf", "video", "a/b/c"] {
            assert!(!is_media(bad), "{bad}");
        }
        assert_eq!(by_name("a/b.tar.WebM"), Some("video/webm"));
        assert_eq!(by_name("page.html"), None);
        assert_eq!(by_name("mp4"), None);
    }
}
