//! What tells one file on a disk from every other, and whether anybody was at it.

use std::fs::{File, Metadata};
use std::path::Path;

/// A plain file as it was at one moment. Zeros: not known, or the system has no such number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Stamp {
    /// The device; it may have another number after a restart.
    pub(crate) dev: i64,
    /// The file on that device, under whatever name.
    pub(crate) ino: i64,
    /// In bytes.
    pub(crate) length: u64,
    /// Last change of its bytes in ns since 1970; anybody may set it.
    pub(crate) mtime_ns: i64,
    /// Last change of bytes, name or rights in ns since 1970; nobody can set it.
    pub(crate) ctime_ns: i64,
}

impl Stamp {
    /// Of the plain file that has this name; `None` if nothing has it, or a link, a folder, a device.
    pub(crate) fn at(path: &Path) -> Option<Self> {
        let meta = std::fs::symlink_metadata(path).ok().filter(Metadata::is_file)?;
        Some(Self::seen(path, &meta))
    }

    /// Of the plain file of this name that was looked at.
    pub(crate) fn seen(path: &Path, meta: &Metadata) -> Self {
        let stamp = Self::of(meta);
        #[cfg(windows)]
        let stamp = stamp.numbered(by_name(path));
        #[cfg(not(windows))]
        let _ = path;
        stamp
    }

    /// Of an open file.
    pub(crate) fn of_open(file: &File) -> std::io::Result<Self> {
        let stamp = Self::of(&file.metadata()?);
        #[cfg(windows)]
        let stamp = stamp.numbered(Ok(file));
        Ok(stamp)
    }

    #[cfg(unix)]
    fn of(meta: &Metadata) -> Self {
        use std::os::unix::fs::MetadataExt;
        Self {
            dev: meta.dev().cast_signed(),
            ino: meta.ino().cast_signed(),
            length: meta.len(),
            mtime_ns: nanoseconds(meta.mtime(), meta.mtime_nsec()),
            ctime_ns: nanoseconds(meta.ctime(), meta.ctime_nsec()),
        }
    }

    /// What a look at a name tells has no numbers.
    #[cfg(not(unix))]
    fn of(meta: &Metadata) -> Self {
        let since = meta.modified().ok().and_then(|time| time.duration_since(std::time::UNIX_EPOCH).ok());
        let mtime_ns = since.and_then(|since| i64::try_from(since.as_nanos()).ok()).unwrap_or(0);
        Self { length: meta.len(), mtime_ns, ..Self::default() }
    }

    /// With the numbers of the file that is open. One that cannot be asked has none: length and time have to do.
    #[cfg(windows)]
    fn numbered(self, open: std::io::Result<impl winapi_util::AsHandleRef>) -> Self {
        match open.and_then(winapi_util::file::information) {
            // All ones: its number is longer than this.
            Ok(told) if told.file_index() != u64::MAX => Self {
                dev: told.volume_serial_number().cast_signed(),
                ino: (told.file_index() & (u64::MAX >> 1)).cast_signed(),
                ..self
            },
            _ => self,
        }
    }

    /// Whether this is enough to know a file again without reading it.
    pub(crate) fn is_known(&self) -> bool {
        if cfg!(unix) { self.ino != 0 && self.ctime_ns != 0 } else { self.mtime_ns != 0 }
    }

    /// The same file, whatever was written to it since.
    pub(crate) fn is_same_file(&self, other: &Self) -> bool {
        self.ino != 0 && (self.dev, self.ino) == (other.dev, other.ino)
    }

    /// A number that is not 0 for a file that is there: its own on its device, where the system tells.
    pub(crate) fn number(&self) -> i64 {
        if self.ino == 0 { 1 } else { self.ino }
    }

    /// Whether `now` agrees in all that this one knows.
    pub(crate) fn agrees(&self, now: &Self) -> bool {
        let same = |known: i64, now: i64| known == 0 || known == now;
        self.length == now.length
            && same(self.dev, now.dev)
            && same(self.ino, now.ino)
            && same(self.mtime_ns, now.mtime_ns)
            && same(self.ctime_ns, now.ctime_ns)
    }
}

/// What lies before 1970 counts as not known.
#[cfg(unix)]
pub(crate) fn nanoseconds(seconds: i64, nanos: i64) -> i64 {
    if seconds < 0 { 0 } else { seconds.saturating_mul(1_000_000_000).saturating_add(nanos) }
}

/// Opens whatever has this name to be asked about, which takes no right to read it and is in nobody's way. A link is not
/// followed.
#[cfg(windows)]
fn by_name(path: &Path) -> std::io::Result<File> {
    use std::os::windows::fs::OpenOptionsExt;
    /// `FILE_FLAG_OPEN_REPARSE_POINT`.
    const THE_LINK_ITSELF: u32 = 0x0020_0000;
    File::options().access_mode(0).custom_flags(THE_LINK_ITSELF).open(path)
}
