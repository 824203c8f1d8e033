//! Where downloads go: the folder of each channel, and names for folders made from hostile text.

use std::path::PathBuf;

use protocol::SafePath;
use protocol::path::PathError;
use store::Channel;

use crate::channel;
use crate::ctx::Ctx;
use crate::error::Result;

/// Characters of a folder's name.
const NAME_CHARS: usize = 80;
/// Bytes of a folder's name: what a file system takes, less what is added to tell folders apart.
const NAME_BYTES: usize = 200;

/// Where downloads go.
pub(crate) async fn downloads(ctx: &Ctx) -> Result<PathBuf> {
    let set = ctx.with_store(|s| s.setting("download_dir")).await?;
    let set = set.as_deref().map(channel::kept_path).transpose()?;
    Ok(set.or_else(|| ctx.config.download_dir.clone()).unwrap_or_else(|| ctx.config.data_dir.join("downloads")))
}

/// A channel's folder below it. It is chosen once: the first channel of a name gets that name, another one of the same
/// name gets its key beside it. Neither a rename nor a newcomer moves anything.
pub(crate) async fn of_channel(ctx: &Ctx, channel: &Channel) -> Result<PathBuf> {
    let downloads = downloads(ctx).await?;
    let (key, text) = (channel.key, channel.key.to_string());
    let (names, below) = (names(&channel.name, &text), downloads.clone());
    let folder = ctx.with_store(move |s| s.channel_folder(&key, &below, &names)).await?;
    Ok(downloads.join(folder))
}

/// The folder that a channel has, if it has one.
pub(crate) async fn known(ctx: &Ctx, channel: &Channel) -> Result<Option<PathBuf>> {
    Ok(match &channel.folder {
        Some(folder) => Some(downloads(ctx).await?.join(folder)),
        None => None,
    })
}

/// The name that a channel's folder would have, and those that it has when others were first.
fn names(name: &str, key: &str) -> [String; 3] {
    let first = self::name(name, &key[..16]);
    let second = format!("{first} · {}", &key[..8]);
    [first, second, key.to_owned()]
}

/// A name for a folder, made from hostile text: what some file system cannot store becomes `_`, the rest stays as it is.
pub(crate) fn name(text: &str, otherwise: &str) -> String {
    let stored = |c: char| {
        // Alone a dot or a space is no name; inside of one it is.
        let alone = SafePath::parse(c.encode_utf8(&mut [0; 4]).trim_matches(['.', ' ']));
        c != '/'
            && !matches!(
                alone,
                Err(PathError::Character(_) | PathError::Control(_) | PathError::Direction(_) | PathError::Absolute)
            )
    };
    let mut cleaned: String = text.chars().map(|c| if stored(c) { c } else { '_' }).take(NAME_CHARS).collect();
    cleaned.truncate(cleaned.floor_char_boundary(NAME_BYTES));
    let cleaned = cleaned.trim().trim_end_matches(['.', ' ']);
    match SafePath::parse(cleaned) {
        Ok(path) => store::harmless(path.as_str()).into_owned(),
        Err(_) => otherwise.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_called_as_its_title_says_but_for_what_no_file_system_takes() {
        for (title, folder) in [
            ("音楽 – 潮騒", "音楽 – 潮騒"),
            ("What? #1! 100 % — “so”", "What_ #1! 100 % — “so”"),
            ("AC/DC: live", "AC_DC_ live"),
            ("👩‍👩‍👧 Holidays", "👩‍👩‍👧 Holidays"),
            ("a\\b<c>d|e\"f*g", "a_b_c_d_e_f_g"),
            ("  .. spaces and dots. . ", ".. spaces and dots"),
            ("turn\u{202e}ed", "turn_ed"),
            ("line\nbreak\u{0}", "line_break_"),
            ("con", "0123"),
            ("...", "0123"),
            ("", "0123"),
            (".directory", "_.directory"),
            ("Desktop.ini", "_Desktop.ini"),
            ("Control.{ED7BA470-8E54-465E-825C-99712043E01C}", "Control.{ED7BA470-8E54-465E-825C-99712043E01C}_"),
        ] {
            assert_eq!(name(title, "0123"), folder, "{title:?}");
        }
        let long = name(&"潮".repeat(300), "0123");
        assert!(long.len() <= NAME_BYTES && long.chars().all(|c| c == '潮'), "{long}");
    }

    #[test]
    fn a_second_channel_of_a_name_has_its_key_in_it() {
        let key = "1a2b3c4d5e6f7081".repeat(4);
        assert_eq!(names("Alice", &key), ["Alice", "Alice · 1a2b3c4d", &key]);
        assert_eq!(names("", &key)[0], key[..16]);
    }
}
