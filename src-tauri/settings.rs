//! Settings of the window and the program around it: one small JSON file in the data folder.

use crate::host::{HostSettings, HostSettingsChange};
use node::api::{Code, ErrorInfo};
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};
use tokio::sync::watch;

/// Bytes of the file that are read.
const FILE_MAX: u64 = 4 << 20;
/// Channels whose last look is kept; the ones looked at longest ago go first.
const SEEN_MAX: usize = 10_000;

/// The settings and their file.
pub(crate) struct Settings {
    file: PathBuf,
    kept: watch::Sender<HostSettings>,
    lost: bool,
}

impl Settings {
    /// Reads them. A file that cannot be read is set aside, and settings begin anew.
    pub(crate) fn open(data_dir: &Path) -> Self {
        let file = data_dir.join("window.json");
        let read = read(&file);
        if let Err(why) = &read {
            let aside = file.with_extension("json.broken");
            let place = if std::fs::rename(&file, &aside).is_ok() { &aside } else { &file };
            tracing::warn!("the window's settings cannot be read ({why}) and begin anew; the old: {}", place.display());
        }
        let lost = read.is_err();
        Self { file, kept: watch::Sender::new(read.unwrap_or_default()), lost }
    }

    /// Whether they could not be read and began anew.
    pub(crate) fn lost(&self) -> bool {
        self.lost
    }

    /// All of them.
    pub(crate) fn all(&self) -> HostSettings {
        self.kept.borrow().clone()
    }

    /// Now and at each change.
    pub(crate) fn changes(&self) -> watch::Receiver<HostSettings> {
        self.kept.subscribe()
    }

    /// Takes a change in and writes the file. Blocking.
    ///
    /// # Errors
    /// The file cannot be written; the change holds until the program ends.
    pub(crate) fn change(&self, change: HostSettingsChange) -> Result<HostSettings, ErrorInfo> {
        let mut written = Ok(());
        self.kept.send_modify(|kept| {
            take(kept, change);
            written = write(&self.file, kept);
        });
        written.map_err(|e| ErrorInfo::new(Code::Io, format!("{}: {e}", self.file.display())))?;
        Ok(self.all())
    }
}

fn take(kept: &mut HostSettings, change: HostSettingsChange) {
    let HostSettingsChange { welcomed, language, theme, close_to_tray, autostart: _, seen, last, outside } = change;
    kept.welcomed = welcomed.unwrap_or(kept.welcomed);
    kept.language = language.unwrap_or(kept.language);
    kept.theme = theme.unwrap_or(kept.theme);
    kept.close_to_tray = close_to_tray.unwrap_or(kept.close_to_tray);
    if let Some(last) = last.filter(|last| is_key(&last.channel)) {
        kept.last = Some(last);
    }
    if let Some(mut outside) = outside {
        outside.retain(|kind| crate::open::is_kind(kind));
        kept.outside = outside;
    }
    if let Some(mut seen) = seen {
        seen.retain(|key, _| is_key(key));
        while seen.len() > SEEN_MAX {
            let oldest = seen.iter().min_by_key(|(_, mark)| mark.at).map(|(key, _)| key.clone());
            if let Some(key) = oldest {
                seen.remove(&key);
            }
        }
        kept.seen = seen;
    }
}

fn is_key(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|b| b.is_ascii_hexdigit())
}

fn read(file: &Path) -> Result<HostSettings, String> {
    let opened = match std::fs::File::open(file) {
        Ok(opened) => opened,
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            return Ok(HostSettings::default());
        }
        Err(error) => return Err(error.to_string()),
    };
    let mut bytes = Vec::new();
    opened.take(FILE_MAX + 1).read_to_end(&mut bytes).map_err(|e| e.to_string())?;
    if bytes.len() as u64 > FILE_MAX {
        return Err("too large".into());
    }
    serde_json::from_slice(&bytes).map_err(|e| e.to_string())
}

/// A crash leaves the old file or the new one, never half of it.
fn write(file: &Path, kept: &HostSettings) -> std::io::Result<()> {
    node::write_whole(file, &serde_json::to_vec_pretty(kept)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::{LastPlace, SeenMark, Theme};

    fn change(json: &str) -> HostSettingsChange {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn a_change_lasts_and_leaves_the_rest() {
        let dir = tempfile::tempdir().unwrap();
        let settings = Settings::open(dir.path());
        assert!(!settings.lost() && !settings.all().welcomed && settings.all().close_to_tray);
        settings.change(change(r#"{"welcomed":true,"theme":"dark"}"#)).unwrap();
        let seen = format!(r#"{{"seen":{{"{}":{{"at":5,"items":2}},"../x":{{"at":5,"items":2}}}}}}"#, "ab".repeat(32));
        settings.change(change(&seen)).unwrap();
        let again = Settings::open(dir.path());
        assert!(!again.lost());
        let kept = again.all();
        assert!(kept.welcomed && kept.theme == Theme::Dark && kept.close_to_tray);
        assert_eq!(kept.seen.len(), 1, "a key that is none is not kept");
        assert_eq!(kept.seen[&"ab".repeat(32)], SeenMark { at: 5, items: 2 });
        let last = format!(r#"{{"last":{{"channel":"{}","top":480}},"outside":["pdf","m3u","sh"]}}"#, "cd".repeat(32));
        settings.change(change(&last)).unwrap();
        settings.change(change(r#"{"last":{"channel":"none","top":1}}"#)).unwrap();
        let kept = Settings::open(dir.path()).all();
        assert_eq!(kept.last, Some(LastPlace { channel: "cd".repeat(32), top: 480 }));
        assert!(kept.outside.iter().eq(["pdf"]), "what is never opened is not remembered");
    }

    #[test]
    fn a_broken_file_is_told_and_set_aside() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("window.json"), "{\"welcomed\": tru").unwrap();
        let settings = Settings::open(dir.path());
        assert!(settings.lost());
        assert_eq!(settings.all(), HostSettings::default());
        assert!(dir.path().join("window.json.broken").exists());
        settings.change(change(r#"{"welcomed":true}"#)).unwrap();
        assert!(Settings::open(dir.path()).all().welcomed);
    }

    #[test]
    fn an_unknown_setting_is_refused() {
        assert!(serde_json::from_str::<HostSettingsChange>(r#"{"welcome":true}"#).is_err());
    }

    #[cfg(unix)]
    #[test]
    fn only_this_user_can_read_them() {
        use std::os::unix::fs::PermissionsExt as _;
        let dir = tempfile::tempdir().unwrap();
        Settings::open(dir.path()).change(change(r#"{"welcomed":true}"#)).unwrap();
        let mode = std::fs::metadata(dir.path().join("window.json")).unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0);
    }
}
