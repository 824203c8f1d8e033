/** Text from strangers, made fit to be shown. It is always inserted as text; this takes away what plain text can still do. */

/** Longest name that a row, title or dialog carries. */
const NAME_LIMIT = 300;

/** Control characters, line and paragraph separators, and the marks that turn the reading direction around. */
// eslint-disable-next-line no-control-regex -- these are what is looked for
const CONTROLS = /[\u0000-\u001f\u007f-\u009f\u2028\u2029]+/g;
const BIDI = /[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/g;

/** Cuts after `limit` characters, never inside one. */
function cut(text: string, limit: number): string {
  if (text.length <= limit) return text;
  return `${Array.from(text.slice(0, limit * 2)).slice(0, limit).join("")}…`;
}

/** A name on one line: controls become a space, direction marks go, the length is bounded. */
export function plain(text: string, limit = NAME_LIMIT): string {
  return cut(text.slice(0, limit * 4).replace(BIDI, "").replace(CONTROLS, " ").trim(), limit);
}

/** A file name: what was taken away stays visible as �, so that "gpj.exe" cannot pose as a picture. */
export function plainFile(text: string, limit = NAME_LIMIT): string {
  return cut(text.slice(0, limit * 4).replace(BIDI, "\ufffd").replace(CONTROLS, "\ufffd"), limit);
}

/** A description: lines stay, everything else is as in {@link plain}. */
export function plainLines(text: string, limit = 4000): string {
  const lines = text.slice(0, limit * 4).replace(BIDI, "").split(/\r\n|\r|\n|\u2028|\u2029/);
  return cut(
    lines
      .map((line) => line.replace(CONTROLS, " ").trimEnd())
      .join("\n")
      .replace(/\n{3,}/g, "\n\n")
      .trim(),
    limit,
  );
}

/** Splits a file name so that a long one loses its middle and keeps the extension. */
export function splitName(name: string): { head: string; tail: string } {
  const dot = name.lastIndexOf(".");
  const extension = dot > 0 && name.length - dot <= 12 ? name.length - dot : 0;
  const keep = Math.min(name.length, extension + 4);
  return name.length <= keep + 8 ? { head: name, tail: "" } : { head: name.slice(0, -keep), tail: name.slice(-keep) };
}

/**
 * A name as it is drawn: whole if it fits, else the longest beginning that fits before `…` and its tail, with no blank
 * beside the `…`.
 */
export function shortened(head: string, tail: string, fits: (text: string) => boolean): string {
  if (fits(head + tail)) return head + tail;
  const letters = Array.from(head);
  const end = tail.trimStart();
  const cut = (count: number) => `${letters.slice(0, count).join("").trimEnd()}…${end}`;
  let [low, high] = [0, letters.length];
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (fits(cut(middle))) low = middle;
    else high = middle - 1;
  }
  return cut(low);
}

/** Last part of a path with either slash. */
export const baseName = (path: string): string => path.split(/[\\/]/).filter(Boolean).at(-1) ?? path;

/** `7f3a 91c2 0be4 … e05d 64d1` of a fingerprint. */
export function shortPrint(fingerprint: string, head = 3, tail = 2): string {
  const groups = fingerprint.split(/\s+/);
  return groups.length <= head + tail ? fingerprint : [...groups.slice(0, head), "…", ...groups.slice(-tail)].join(" ");
}

/** A link with the middle of its key left out; a read key is never shown. */
export function shortLink(link: string): string {
  const found = /^megatorrent:\/\/([0-9a-f]{64})(:[0-9a-f]{64})?/i.exec(link);
  const key = found?.[1];
  if (!key) return plain(link, 60);
  return `megatorrent://${key.slice(0, 12)}…${key.slice(-8)}${found[2] ? ":…" : ""}`;
}

/** What is wrong with something that wants to be a link, or null. The node parses it for real. */
export function linkFault(text: string): { cutOff: number } | "not_link" | null {
  const link = text.trim();
  const found = /^megatorrent:(?:\/\/)?([0-9a-f]*)/i.exec(link);
  if (!found) return "not_link";
  const have = found[1]?.length ?? 0;
  if (have === 64) return null;
  const rest = link.slice(found[0].length);
  return have > 0 && have < 64 && /^([:?/]|$)/.test(rest) ? { cutOff: have } : "not_link";
}

/** The key in a link that has a whole one. */
export const linkKey = (link: string): string | null => /^megatorrent:(?:\/\/)?([0-9a-f]{64})(?![0-9a-f])/i.exec(link.trim())?.[1]?.toLowerCase() ?? null;

/** An onion address without its middle, `k5w2q3…7xad.onion:6881`; any other address as it is. */
export const shortOnion = (addr: string): string => plain(addr).replace(/^([a-z2-7]{6})[a-z2-7]{46}([a-z2-7]{4}\.onion(?::\d+)?)$/, "$1…$2");

/** A reason as a sentence begins, without its full stop. */
export const sentence = (text: string): string => (text.charAt(0).toUpperCase() + text.slice(1)).replace(/\.$/, "");

/** A file's name out of a person's words: letters with their marks, digits, single dashes. Composed, as keyboards type it. */
export function fileNameOf(text: string, otherwise: string, ending: string): string {
  const words = text.normalize("NFC").replace(/[^\p{L}\p{M}\p{N}]+/gu, "-").replace(/^-|-$/g, "");
  const short = Array.from(words).slice(0, 60).join("").replace(/-$/, "");
  return `${short || otherwise}.${ending}`;
}
