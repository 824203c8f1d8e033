/** Which rows of a long list to draw. */

export interface Slice {
  /** First row to draw. */
  from: number;
  /** One past the last. */
  to: number;
}

/** Rows that are visible, and `spare` more on either side, so that a quick turn of the wheel shows no gap. */
export function slice(count: number, rowHeight: number, top: number, viewHeight: number, spare = 8): Slice {
  if (count === 0 || rowHeight <= 0) return { from: 0, to: 0 };
  const first = Math.floor(Math.max(0, top) / rowHeight);
  const last = Math.ceil((Math.max(0, top) + viewHeight) / rowHeight);
  const to = Math.min(count, last + spare);
  return { from: Math.max(0, Math.min(first - spare, to - 1)), to };
}

/** Where a list has to be scrolled to, so that a row is whole in view. */
export function scrollFor(row: number, rowHeight: number, top: number, viewHeight: number): number {
  const [start, end] = [row * rowHeight, (row + 1) * rowHeight];
  if (start < top) return start;
  return end > top + viewHeight ? end - viewHeight : top;
}
