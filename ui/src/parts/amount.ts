/** Amounts that a person types: a number in their locale's way, and a unit beside it. Nothing means no limit. */

export type AmountKind = "rate" | "size";

export const UNITS_OF: Record<AmountKind, readonly { word: string; bytes: number }[]> = {
  rate: [
    { word: "KB/s", bytes: 1e3 },
    { word: "MB/s", bytes: 1e6 },
  ],
  size: [
    { word: "MB", bytes: 1e6 },
    { word: "GB", bytes: 1e9 },
    { word: "TB", bytes: 1e12 },
  ],
};

/** Smallest limit that the node takes, bytes a second: below it nothing useful moves. */
export const RATE_MIN = 16_384;
/** Largest that the node takes. */
const MOST = 9e15;

/** The largest unit in which an amount has at most two places; the usual one for none. */
export function unitFor(kind: AmountKind, bytes: number): number {
  const usual = kind === "rate" ? 1e3 : 1e9;
  if (bytes <= 0) return usual;
  const fits = UNITS_OF[kind].filter((unit) => bytes >= unit.bytes && Number.isInteger(Math.round((bytes / unit.bytes) * 1e6) / 1e4));
  return fits.at(-1)?.bytes ?? UNITS_OF[kind][0]?.bytes ?? usual;
}

/** An amount as it stands in its field; empty for no limit. */
export function amountIn(bytes: number, unit: number, locale: string): string {
  return bytes <= 0 ? "" : new Intl.NumberFormat(locale, { maximumFractionDigits: 9, useGrouping: false }).format(bytes / unit);
}

/** Bytes of what was typed; null when it is no amount. Both a comma and a point are read as the decimal sign. */
export function bytesOf(text: string, unit: number, locale: string): number | null {
  const zero = new Intl.NumberFormat(locale, { useGrouping: false }).format(0);
  const shift = zero.codePointAt(0) ?? 48;
  const plain = [...text.trim()].map((sign) => {
    const at = (sign.codePointAt(0) ?? 0) - shift;
    return at >= 0 && at <= 9 ? String(at) : sign;
  });
  const number = plain.join("").replace(/[,\u066b]/, ".");
  if (number === "") return 0;
  if (!/^\d{1,15}(\.\d{0,9})?$/.test(number)) return null;
  const bytes = Math.round(Number(number) * unit);
  return bytes <= MOST ? bytes : null;
}

/** Room to begin with on a disk with so much free: two fifths of it, in round numbers; 0, no limit, where that is not known. */
export function roomOf(free: number | null): number {
  if (free === null) return 0;
  const step = free > 50e9 ? 10e9 : 1e9;
  return Math.max(1e9, Math.round((free * 0.4) / step) * step);
}
