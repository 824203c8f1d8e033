/** What kind of thing a file is, by its media type and its extension: an icon, a short label, and whether it can play. */
import type { IconName } from "./icons";

/** What a file is good for, in one word. */
export type Family = "audio" | "video" | "picture" | "text" | "archive" | "file";

export interface Kind {
  icon: IconName;
  family: Family;
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
  audio: { icon: "audio-lines", family: "audio", plays: "audio", picture: false },
  video: { icon: "film", family: "video", plays: "video", picture: false },
  picture: { icon: "image", family: "picture", plays: null, picture: true },
  vector: { icon: "image", family: "picture", plays: null, picture: false },
  text: { icon: "file-text", family: "text", plays: null, picture: false },
  captions: { icon: "captions", family: "text", plays: null, picture: false },
  archive: { icon: "file-archive", family: "archive", plays: null, picture: false },
};
const OTHER: Omit<Kind, "label"> = { icon: "file", family: "file", plays: null, picture: false };

/** By media type: only what is sure of itself. What the window shows as a picture goes by the name, see {@link kindOf}. */
const BY_MIME: [RegExp, string][] = [
  [/^audio\//, "audio"],
  [/^video\//, "video"],
  [/^image\//, "vector"],
  [/^text\/|^application\/(pdf|epub|rtf|msword|vnd\.(oasis|openxml))/, "text"],
  [/^application\/(zip|gzip|x-(tar|7z|xz|bzip2|iso9660|rar|debian)|zstd|vnd\.(debian|rar))/, "archive"],
];

/** The extension in lower case, without its dot; empty when there is none. */
export function extensionOf(name: string): string {
  const found = /\.([a-z0-9]{1,5})$/i.exec(name);
  return found?.[1]?.toLowerCase() ?? "";
}

/** The kind of one file: by its name, else by its media type. */
export function kindOf(name: string, mime: string | null = null): Kind {
  const extension = extensionOf(name);
  const family = Object.keys(BY_EXTENSION).find((key) => BY_EXTENSION[key]?.includes(extension));
  const byMime = BY_MIME.find(([fits]) => mime !== null && fits.test(mime))?.[1];
  // An unknown ending of a sound or a film is still worth telling; any other may be part of a title.
  const tells = family !== undefined || ((byMime === "audio" || byMime === "video") && extension !== "");
  return { ...(LOOKS[family ?? byMime ?? ""] ?? OTHER), label: tells ? extension.toUpperCase() : "" };
}

/** The kind of an item: a folder when it holds several files, else that of its file. */
export function kindOfItem(item: { name: string; files: number; mime?: string }): Kind {
  return item.files > 1 ? { icon: "folder", family: "file", label: "", plays: null, picture: false } : kindOf(item.name, item.mime ?? null);
}
