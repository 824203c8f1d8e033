/** Times of a medium: what is loaded, how far it reaches, how it is written. */

/** A loaded stretch, in seconds. */
export interface Span {
  from: number;
  to: number;
}

export function spans(ranges: TimeRanges): Span[] {
  return Array.from({ length: ranges.length }, (_, i) => ({ from: ranges.start(i), to: ranges.end(i) }));
}

/** Seconds that can be played from `at` without a gap. */
export function aheadOf(held: readonly Span[], at: number): number {
  const span = held.find((one) => at >= one.from - 0.25 && at <= one.to);
  return span ? Math.max(0, span.to - at) : 0;
}

/** `04:41`, `1:04:41`. */
export function clockOf(seconds: number): string {
  const whole = Math.max(0, Math.floor(Number.isFinite(seconds) ? seconds : 0));
  const two = (n: number) => String(n).padStart(2, "0");
  const [hours, minutes] = [Math.floor(whole / 3600), Math.floor((whole % 3600) / 60)];
  return `${hours > 0 ? `${hours}:` : ""}${two(minutes)}:${two(whole % 60)}`;
}
