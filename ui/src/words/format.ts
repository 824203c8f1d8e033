/**
 * Numbers, sizes, times and dates as this person's locale writes them. Everything goes through `Intl`; what Intl has no
 * short enough form for (rates, "2 min left") is put together by the catalogue from these.
 */
import type { Lang } from "./words";

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
/** No-break space, between a number and its unit. */
const NB = "\u00a0";

const UNITS = ["B", "KB", "MB", "GB", "TB", "PB"] as const;

export interface Format {
  /** BCP 47 tag that the numbers and dates follow. */
  readonly locale: string;
  number(n: number): string;
  /** Picks by the language's plural rule. */
  plural(n: number, one: string, other: string): string;
  /** Bytes, three digits: `1.24 GB`. */
  size(bytes: number): string;
  /** Bytes a second: `4.8 MB/s`; for a scale without a place that is zero: `8 MB/s`. */
  rate(bytesPerSecond: number, scale?: boolean): string;
  /** Whole percent, never 100 before it is all: `62 %`. */
  percent(part: number, whole: number): string;
  /** `14 Nov`, `14 Nov 2025`, `Today`, `Yesterday`; inside a sentence `today`. */
  day(ms: number, now: number, inside?: boolean): string;
  /** `13:02`. */
  clock(ms: number): string;
  /** The weekday and clock for the last six days, else the date. */
  since(ms: number, now: number): string;
  /** A moment to come: `14:20`, `tomorrow 00:00`, a weekday and clock, else the date. */
  until(ms: number, now?: number): string;
  /** A list: `a, b and c`. */
  list(parts: string[]): string;
  /** Splits a length of time: whole units, largest first. */
  span(ms: number): { days: number; hours: number; minutes: number; seconds: number };
}

/** The locale of this person that speaks `lang`, else the plain language. */
export function localeFor(lang: Lang, wanted: readonly string[]): string {
  const fits = wanted.find((tag) => tag.toLowerCase().split("-")[0] === lang);
  try {
    return fits ? (Intl.getCanonicalLocales(fits)[0] ?? lang) : lang;
  } catch {
    return lang;
  }
}

/** Which whole calendar days lie between two moments, in local time. */
function daysApart(earlier: number, later: number): number {
  const midnight = (ms: number) => {
    const date = new Date(ms);
    return Date.UTC(date.getFullYear(), date.getMonth(), date.getDate());
  };
  return Math.round((midnight(later) - midnight(earlier)) / DAY);
}

const capital = (text: string, locale: string) => text.charAt(0).toLocaleUpperCase(locale) + text.slice(1);

export function makeFormat(locale: string): Format {
  const whole = new Intl.NumberFormat(locale, { maximumFractionDigits: 0 });
  const digits = [0, 1, 2].map((n) => new Intl.NumberFormat(locale, { minimumFractionDigits: n, maximumFractionDigits: n }));
  const rules = new Intl.PluralRules(locale);
  const dayMonth = new Intl.DateTimeFormat(locale, { day: "numeric", month: "short" });
  const dayMonthYear = new Intl.DateTimeFormat(locale, { day: "numeric", month: "short", year: "numeric" });
  const clock = new Intl.DateTimeFormat(locale, { hour: "2-digit", minute: "2-digit" });
  const weekday = new Intl.DateTimeFormat(locale, { weekday: "long", hour: "2-digit", minute: "2-digit" });
  const relative = new Intl.RelativeTimeFormat(locale, { numeric: "auto" });
  const and = new Intl.ListFormat(locale, { type: "conjunction" });

  const fixed = (value: number, places: number) => (digits[places] ?? whole).format(value);

  /** Value and unit, decimal steps; rounding up to 1,000 moves to the next unit. */
  function scaled(bytes: number): { value: number; unit: number } {
    let unit = 0;
    let value = Math.max(0, bytes);
    while (value >= 999.5 && unit < UNITS.length - 1) {
      value /= 1000;
      unit += 1;
    }
    return { value, unit };
  }

  const day = (ms: number, now: number, inside = false): string => {
    const apart = daysApart(ms, now);
    if (apart === 0 || apart === 1) {
      const word = relative.format(-apart, "day");
      return inside ? word : capital(word, locale);
    }
    const sameYear = new Date(ms).getFullYear() === new Date(now).getFullYear();
    return (sameYear ? dayMonth : dayMonthYear).format(ms);
  };

  return {
    locale,
    number: (n) => whole.format(n),
    plural: (n, one, other) => (rules.select(n) === "one" ? one : other),
    size(bytes) {
      const { value, unit } = scaled(bytes);
      // Bytes and KB whole; MB with one place below 10; from GB on three digits in all.
      const places = unit < 2 ? 0 : unit === 2 ? (value < 9.95 ? 1 : 0) : value < 9.995 ? 2 : value < 99.95 ? 1 : 0;
      return `${fixed(value, places)}${NB}${UNITS[unit] ?? "B"}`;
    },
    rate(bytesPerSecond, scale = false) {
      const kilo = Math.max(0, bytesPerSecond) / 1000;
      if (kilo < 999.5) return `${fixed(kilo, 0)}${NB}KB/s`;
      const { value, unit } = scaled(bytesPerSecond);
      return `${fixed(value, value >= 99.95 || (scale && Number.isInteger(value)) ? 0 : 1)}${NB}${UNITS[unit] ?? "B"}/s`;
    },
    percent(part, all) {
      if (all <= 0) return `${whole.format(0)}${NB}%`;
      const share = Math.floor((Math.min(part, all) / all) * 100);
      return `${whole.format(part < all ? Math.min(99, share) : 100)}${NB}%`;
    },
    day,
    clock: (ms) => clock.format(ms),
    since(ms, now) {
      const apart = daysApart(ms, now);
      if (apart === 0) return clock.format(ms);
      return apart > 0 && apart < 7 ? weekday.format(ms) : day(ms, now);
    },
    until(ms, now = Date.now()) {
      const ahead = daysApart(now, ms);
      if (ahead <= 0) return clock.format(ms);
      if (ahead === 1) return `${relative.format(1, "day")} ${clock.format(ms)}`;
      return ahead < 7 ? weekday.format(ms) : day(ms, now);
    },
    list: (parts) => and.format(parts),
    span(ms) {
      const seconds = Math.max(0, Math.round(ms / 1000));
      return {
        days: Math.floor(seconds / 86_400),
        hours: Math.floor((seconds % 86_400) / 3600),
        minutes: Math.floor((seconds % 3600) / 60),
        seconds: seconds % 60,
      };
    },
  };
}
