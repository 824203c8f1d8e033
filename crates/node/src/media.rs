//! Which files are given to a player, and as what.
//!
//! Owns: the list of containers, and what each begins with. Promises: nothing is served as sound, film or picture on its
//! publisher's word alone. What its first bytes contradict is not served at all: a list of addresses that calls itself
//! a song makes a player fetch those addresses, past every route.

/// Bytes of a file that are looked at.
pub(crate) const HEAD: usize = 64 << 10;

/// A container of sound, film, or a picture without scripts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Container {
    Mp4,
    Mp4Sound,
    QuickTime,
    WebM,
    WebMSound,
    Matroska,
    MatroskaSound,
    Ogg,
    OggFilm,
    Avi,
    Mpeg,
    TransportStream,
    Mp3,
    Aac,
    Flac,
    Wav,
    Png,
    Jpeg,
    Gif,
    WebP,
    Avif,
    Bmp,
}

use Container::*;

impl Container {
    /// What the publisher says it is, where that is one of these; upper and lower case, and parameters, do not count.
    pub(crate) fn of_mime(mime: &str) -> Option<Self> {
        let plain = mime.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        Some(match plain.as_str() {
            "video/mp4" | "video/x-m4v" => Mp4,
            "audio/mp4" | "audio/x-m4a" | "audio/m4a" => Mp4Sound,
            "video/quicktime" => QuickTime,
            "video/webm" => WebM,
            "audio/webm" => WebMSound,
            "video/x-matroska" | "video/matroska" => Matroska,
            "audio/x-matroska" | "audio/matroska" => MatroskaSound,
            "audio/ogg" | "audio/opus" | "audio/vorbis" => Ogg,
            "video/ogg" => OggFilm,
            "video/x-msvideo" | "video/avi" | "video/vnd.avi" => Avi,
            "video/mpeg" => Mpeg,
            "video/mp2t" | "video/vnd.dlna.mpeg-tts" => TransportStream,
            "audio/mpeg" | "audio/mp3" => Mp3,
            "audio/aac" | "audio/aacp" | "audio/x-aac" => Aac,
            "audio/flac" | "audio/x-flac" => Flac,
            "audio/wav" | "audio/x-wav" | "audio/wave" | "audio/vnd.wave" => Wav,
            "image/png" => Png,
            "image/jpeg" => Jpeg,
            "image/gif" => Gif,
            "image/webp" => WebP,
            "image/avif" => Avif,
            "image/bmp" => Bmp,
            _ => return None,
        })
    }

    /// By the ending of a name.
    pub(crate) fn of_name(path: &str) -> Option<Self> {
        let (_, ending) = path.rsplit_once('.')?;
        Some(match ending.to_ascii_lowercase().as_str() {
            "mp4" | "m4v" => Mp4,
            "webm" => WebM,
            "mkv" => Matroska,
            "mka" => MatroskaSound,
            "mov" => QuickTime,
            "avi" => Avi,
            "ogv" => OggFilm,
            "mpg" | "mpeg" => Mpeg,
            "ts" => TransportStream,
            "mp3" => Mp3,
            "m4a" => Mp4Sound,
            "aac" => Aac,
            "ogg" | "oga" | "opus" => Ogg,
            "flac" => Flac,
            "wav" => Wav,
            "png" => Png,
            "jpg" | "jpeg" => Jpeg,
            "gif" => Gif,
            "webp" => WebP,
            "avif" => Avif,
            "bmp" => Bmp,
            _ => return None,
        })
    }

    /// The media type that it is served as.
    pub(crate) fn mime(self) -> &'static str {
        match self {
            Mp4 => "video/mp4",
            Mp4Sound => "audio/mp4",
            QuickTime => "video/quicktime",
            WebM => "video/webm",
            WebMSound => "audio/webm",
            Matroska => "video/x-matroska",
            MatroskaSound => "audio/x-matroska",
            Ogg => "audio/ogg",
            OggFilm => "video/ogg",
            Avi => "video/x-msvideo",
            Mpeg => "video/mpeg",
            TransportStream => "video/mp2t",
            Mp3 => "audio/mpeg",
            Aac => "audio/aac",
            Flac => "audio/flac",
            Wav => "audio/wav",
            Png => "image/png",
            Jpeg => "image/jpeg",
            Gif => "image/gif",
            WebP => "image/webp",
            Avif => "image/avif",
            Bmp => "image/bmp",
        }
    }

    /// Whether a file that begins so can be one. `head` is its first [`HEAD`] bytes, or all of it.
    pub(crate) fn fits(self, head: &[u8]) -> bool {
        let at = |from: usize, what: &[u8]| head.get(from..).is_some_and(|rest| rest.starts_with(what));
        match self {
            // A reference movie is a list of addresses in a film's container; a compressed head can hide one.
            Mp4 | Mp4Sound | QuickTime | Avif => {
                let is_list = [&b"rmra"[..], b"rmda", b"rdrf", b"cmov"]
                    .iter()
                    .any(|list| head.windows(4).any(|four| four == *list));
                !is_list
                    && [&b"ftyp"[..], b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot"]
                        .iter()
                        .any(|box_| at(4, box_))
            }
            WebM | WebMSound | Matroska | MatroskaSound => at(0, b"\x1a\x45\xdf\xa3"),
            Ogg | OggFilm => at(0, b"OggS"),
            Avi => at(0, b"RIFF") && at(8, b"AVI "),
            Mpeg => at(0, b"\0\0\x01\xba") || at(0, b"\0\0\x01\xb3") || TransportStream.fits(head),
            // 188 bytes a packet; with four bytes of time before each, 192.
            TransportStream => {
                (at(0, b"\x47") && (head.len() <= 188 || at(188, b"\x47")))
                    || (at(4, b"\x47") && (head.len() <= 196 || at(196, b"\x47")))
            }
            // Often something else comes first; text never does.
            Mp3 | Aac => at(0, b"ID3") || (!is_text(head) && has_sync(head)),
            // A tag of MP3's before it is wrong, and usual.
            Flac => at(0, b"fLaC") || at(0, b"ID3"),
            Wav => (at(0, b"RIFF") || at(0, b"RF64")) && at(8, b"WAVE"),
            Png => at(0, b"\x89PNG\r\n\x1a\n"),
            Jpeg => at(0, b"\xff\xd8\xff"),
            Gif => at(0, b"GIF8"),
            WebP => at(0, b"RIFF") && at(8, b"WEBP"),
            Bmp => at(0, b"BM"),
        }
    }
}

/// The beginning of a frame of MPEG sound: eleven bits that are set.
fn has_sync(head: &[u8]) -> bool {
    head.windows(2).any(|two| matches!(two, [0xff, second] if second & 0xe0 == 0xe0))
}

/// Whether it begins as text does: nothing in its first bytes that no text holds.
fn is_text(head: &[u8]) -> bool {
    let first = head.get(..512).unwrap_or(head);
    let text = match std::str::from_utf8(first) {
        Ok(text) => text,
        // A character that is cut at the end.
        Err(error) if error.error_len().is_none() => {
            first.get(..error.valid_up_to()).and_then(|valid| std::str::from_utf8(valid).ok()).unwrap_or_default()
        }
        Err(_) => return starts_as_list(first),
    };
    !text.chars().any(|c| c.is_control() && !matches!(c, '\n' | '\r' | '\t' | '\u{feff}')) || starts_as_list(first)
}

/// What lists of addresses begin with, in any encoding whose letters are ASCII's.
fn starts_as_list(first: &[u8]) -> bool {
    let first = first.strip_prefix(b"\xef\xbb\xbf").unwrap_or(first).trim_ascii_start().to_ascii_lowercase();
    let lists: [&[u8]; 7] = [b"#ext", b"[playlist", b"[reference", b"<asx", b"<?xml", b"<smil", b"http"];
    lists.iter().any(|list| first.starts_with(list))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_containers_are_served_and_as_what_they_are() {
        for (mime, served) in [
            ("video/mp4", "video/mp4"),
            ("audio/x-flac", "audio/flac"),
            ("Audio/MPEG; charset=binary", "audio/mpeg"),
            ("image/png", "image/png"),
            ("video/vnd.dlna.mpeg-tts", "video/mp2t"),
        ] {
            assert_eq!(Container::of_mime(mime).map(Container::mime), Some(served), "{mime}");
        }
        // Lists of addresses, scripts, and what is no type at all.
        for bad in [
            "audio/x-mpegurl",
            "audio/mpegurl",
            "audio/x-scpls",
            "video/x-ms-asx",
            "video/x-ms-asf",
            "application/vnd.apple.mpegurl",
            "audio/x-pn-realaudio",
            "application/xspf+xml",
            "image/svg+xml",
            "text/html",
            "video/",
            "video/mp4\r\nX: y",
            "application/pdf",
            "video",
            "",
        ] {
            assert_eq!(Container::of_mime(bad), None, "{bad}");
        }
        assert_eq!(Container::of_name("a/b.tar.WebM").map(Container::mime), Some("video/webm"));
        for bad in ["page.html", "mp4", "list.m3u", "list.pls", "list.asx", "a.svg"] {
            assert_eq!(Container::of_name(bad), None, "{bad}");
        }
    }

    #[test]
    fn what_the_first_bytes_contradict_does_not_fit() {
        let wav = b"RIFF\x24\0\0\0WAVEfmt ".as_slice();
        let mp3 = [b"\0\0\0\xff\xfb\x90".as_slice(), &[0; 400]].concat();
        for (container, head) in [
            (Mp4, b"\0\0\0\x20ftypisom".as_slice()),
            (QuickTime, b"\0\0\0\x08wide\0\0"),
            (WebM, b"\x1a\x45\xdf\xa3\x01"),
            (Ogg, b"OggS\0\x02"),
            (Flac, b"fLaC\0\0\0\x22"),
            (Wav, wav),
            (Mp3, b"ID3\x04\0"),
            (Mp3, &mp3),
            (Aac, b"\xff\xf1\x50\x80"),
            (Mpeg, b"\0\0\x01\xba\x44"),
            (Png, b"\x89PNG\r\n\x1a\n\0"),
            (Jpeg, b"\xff\xd8\xff\xe0"),
            (Avif, b"\0\0\0\x1cftypavif"),
        ] {
            assert!(container.fits(head), "{container:?}");
        }
        let lists: [&[u8]; 9] = [
            b"#EXTM3U\nhttp://203.0.113.9/who-are-you.mp3\n",
            b"\xef\xbb\xbf#EXTM3U\n",
            b"\n  [playlist]\nFile1=http://203.0.113.9/\n",
            b"<asx version=\"3.0\">",
            b"<?xml version=\"1.0\"?><playlist xmlns=\"http://xspf.org/ns/0/\">",
            b"http://203.0.113.9/a.mp3\n\xff\xfb",
            b"#EXTM3U\n\xff\xfb\0\0",
            b"<html>",
            b"",
        ];
        let all = [
            Mp4,
            Mp4Sound,
            QuickTime,
            WebM,
            WebMSound,
            Matroska,
            MatroskaSound,
            Ogg,
            OggFilm,
            Avi,
            Mpeg,
            TransportStream,
            Mp3,
            Aac,
            Flac,
            Wav,
            Png,
            Jpeg,
            Gif,
            WebP,
            Avif,
            Bmp,
        ];
        for (list, container) in lists.iter().flat_map(|list| all.map(|container| (list, container))) {
            assert!(!container.fits(list), "{container:?}: {:?}", String::from_utf8_lossy(list));
        }
        assert!(!Wav.fits(b"RIFF\0\0\0\0AVI LIST") && !Mp4.fits(wav));
        let reference =
            b"\0\0\0\x50moov\0\0\0\x48rmra\0\0\0\x40rmda\0\0\0\x38rdrf\0\0\0\0url \0\0\0\x1fhttp://203.0.113.9/";
        // Behind other boxes, and in a head that has to be unpacked first.
        let behind = [b"\0\0\0\x14ftypqt  \0\0\0\0qt  \0\0\0\x08wide".as_slice(), reference].concat();
        let packed = b"\0\0\0\x30moov\0\0\0\x28cmov\0\0\0\x0cdcomzlib\0\0\0\x14cmvd\0\0\0\x50\x78\x9c";
        for list in [reference.as_slice(), &behind, packed] {
            assert!([Mp4, Mp4Sound, QuickTime, Avif].iter().all(|film| !film.fits(list)));
        }
    }
}
