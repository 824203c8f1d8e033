/**
 * The weekly schedule, as the node writes it and as the window edits it:
 * `mon-fri 08:00-18:00 off; sat,sun 20:00-23:00 down 200k up 50k`.
 */

/** A time of the week and what holds then. */
export interface Span {
  /** Monday first. */
  days: boolean[];
  /** Minutes of the day; the end may be 1440, or lie before the beginning: then it is the next day's. */
  from: number;
  to: number;
  /** Nothing moves. */
  off: boolean;
  /** Bytes a second; 0: no limit. */
  down: number;
  up: number;
}

const DAYS = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
export const DAY_MINUTES = 24 * 60;
/** Spans of one schedule. */
export const SPANS_MAX = 64;

export const newSpan = (): Span => ({ days: DAYS.map((_, i) => i < 5), from: 8 * 60, to: 18 * 60, off: true, down: 0, up: 0 });

function readDays(text: string): boolean[] | null {
  if (text === "daily") return DAYS.map(() => true);
  const days = DAYS.map(() => false);
  for (const part of text.split(",")) {
    const [first = "", last = first, ...more] = part.split("-");
    const [from, to] = [DAYS.indexOf(first), DAYS.indexOf(last)];
    if (from < 0 || to < 0 || more.length > 0) return null;
    for (let day = from; ; day = (day + 1) % 7) {
      days[day] = true;
      if (day === to) break;
    }
  }
  return days;
}

function readTime(text: string): number | null {
  const found = /^(\d{1,2}):(\d{1,2})$/.exec(text);
  if (!found) return null;
  const [hour, minute] = [Number(found[1]), Number(found[2])];
  if (hour === 24 && minute === 0) return DAY_MINUTES;
  return hour < 24 && minute < 60 ? hour * 60 + minute : null;
}

function readRate(text: string): number | null {
  const found = /^(\d+(?:\.\d+)?)([kmgt]?)b?$/i.exec(text);
  if (!found) return null;
  const unit = { "": 1, k: 1e3, m: 1e6, g: 1e9, t: 1e12 }[(found[2] ?? "").toLowerCase()] ?? 1;
  const rate = Math.round(Number(found[1]) * unit);
  return rate > 0 ? rate : null;
}

function readSpan(text: string): Span | null {
  const [dayText = "", times = "", ...rest] = text.split(/\s+/);
  const days = readDays(dayText);
  const ends = times.split("-");
  const [from, to] = [readTime(ends[0] ?? ""), readTime(ends[1] ?? "")];
  if (!days || from === null || to === null || ends.length !== 2 || from === to || from === DAY_MINUTES) return null;
  if (rest.length === 1 && rest[0] === "off") return { days, from, to, off: true, down: 0, up: 0 };
  const span: Span = { days, from, to, off: false, down: 0, up: 0 };
  for (let i = 0; i < rest.length; i += 2) {
    const [which, rate] = [rest[i], readRate(rest[i + 1] ?? "")];
    if (rate === null || (which !== "down" && which !== "up")) return null;
    span[which] = rate;
  }
  return span.down > 0 || span.up > 0 ? span : null;
}

/** Null when it says something that the editor does not know: then it is shown as it is. */
export function readSchedule(text: string): Span[] | null {
  const spans = text.split(";").map((span) => span.trim()).filter(Boolean).map(readSpan);
  return spans.every((span) => span !== null) ? spans : null;
}

export const timeText = (minutes: number): string =>
  `${String(Math.floor(minutes / 60)).padStart(2, "0")}:${String(minutes % 60).padStart(2, "0")}`;

function daysText(days: readonly boolean[]): string {
  if (days.every(Boolean)) return "daily";
  const parts: string[] = [];
  for (let day = 0; day < 7; day += 1) {
    if (!days[day]) continue;
    let last = day;
    while (last < 6 && days[last + 1]) last += 1;
    parts.push(last === day ? `${DAYS[day]}` : last === day + 1 ? `${DAYS[day]},${DAYS[last]}` : `${DAYS[day]}-${DAYS[last]}`);
    day = last;
  }
  return parts.join(",");
}

/** As the node reads it. */
export function writeSchedule(spans: readonly Span[]): string {
  return spans
    .map((span) => {
      const rates = [span.down > 0 ? `down ${span.down}` : "", span.up > 0 ? `up ${span.up}` : ""].filter(Boolean).join(" ");
      return `${daysText(span.days)} ${timeText(span.from)}-${timeText(span.to)} ${span.off ? "off" : rates}`;
    })
    .join("; ");
}

/** What keeps a span from being one. */
export function spanFault(span: Span): "no_day" | "same_time" | "no_rate" | null {
  if (!span.days.some(Boolean)) return "no_day";
  if (span.from === span.to) return "same_time";
  return !span.off && span.down === 0 && span.up === 0 ? "no_rate" : null;
}
