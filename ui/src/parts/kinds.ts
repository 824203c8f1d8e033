/** What kind of thing a file is, by its media type and its extension: an icon, a short label, and whether it can play. */
import type { IconName } from "./icons";

export interface Kind {
  icon: IconName;
  /** `FLAC`, `PDF`; empty when the name has no extension. */
  label: string;
  plays: "video" | "audio" | null;
  /** Shown as a picture by the window itself. */
  picture: boolean;
}

const BY_EXTENSION: Record<string, string[]> = {
  audio: ["flac", "mp3", "m4a", "aac", "ogg", "oga", "opus", "wav", "aiff", "wma"],
  video: ["mp4", "m4v", "mkv", "webm", "mov", "avi", "ogv", "ts", "mpg", "mpeg"],
  picture: ["png", "jpg", "jpeg", "gif", "webp", "avif", "bmp"],
  vector: ["svg", "tif", "tiff", "psd", "heic"],
  text: ["txt", "md", "pdf", "doc", "docx", "odt", "rtf", "epub", "html", "csv", "json", "log", "nfo"],
  captions: ["srt", "vtt", "ass", "sub"],
  archive: ["zip", "tar", "gz", "xz", "zst", "bz2", "7z", "rar", "iso", "img", "deb", "rpm"],
};

const LOOKS: Record<string, Omit<Kind, "label">> = {
  audio: { icon: "audio-lines", plays: "audio", picture: false },
  video: { icon: "film", plays: "video", picture: false },
  picture: { icon: "image", plays: null, picture: true },
  vector: { icon: "image", plays: null, picture: false },
  text: { icon: "file-text", plays: null, picture: false },
  captions: { icon: "captions", plays: null, picture: false },
  archive: { icon: "file-archive", plays: null, picture: false },
};
const OTHER: Omit<Kind, "label"> = { icon: "file", plays: null, picture: false };

/** The extension in lower case, without its dot; empty when there is none. */
export function extensionOf(name: string): string {
  const found = /\.([a-z0-9]{1,5})$/i.exec(name);
  return found?.[1]?.toLowerCase() ?? "";
}

/** The kind of one file. A media type counts only for sound and film; the rest goes by the name. */
export function kindOf(name: string, mime: string | null = null): Kind {
  const extension = extensionOf(name);
  const family = Object.keys(BY_EXTENSION).find((key) => BY_EXTENSION[key]?.includes(extension));
  const byMime = mime?.startsWith("audio/") ? "audio" : mime?.startsWith("video/") ? "video" : undefined;
  return { ...(LOOKS[family ?? byMime ?? ""] ?? OTHER), label: family || byMime ? extension.toUpperCase() : "" };
}

/** The kind of an item: a folder when it holds several files, else what its name tells. */
export function kindOfItem(item: { name: string; files: number }): Kind {
  return item.files > 1 ? { icon: "folder", label: "", plays: null, picture: false } : kindOf(item.name);
}
