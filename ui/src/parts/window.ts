/** Which rows of a long list to draw. Heights may differ from row to row; they are known without drawing. */

export interface Slice {
  /** First row to draw. */
  from: number;
  /** One past the last. */
  to: number;
}

/** Where each row begins; one entry more than rows, the last is the height of all. */
export interface Tops {
  count: number;
  at(row: number): number;
}

/** Rows of one height: nothing is stored. */
export const even = (count: number, height: number): Tops => ({ count, at: (row) => row * height });

/** Rows of their own heights. */
export function uneven(heights: readonly number[]): Tops {
  const tops = [0];
  for (const height of heights) tops.push((tops.at(-1) ?? 0) + height);
  return { count: heights.length, at: (row) => tops[row] ?? 0 };
}

/** The row that covers a place: the last that begins at or before it. */
export function rowAt(tops: Tops, place: number): number {
  let [low, high] = [0, Math.max(0, tops.count - 1)];
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (tops.at(middle) <= place) low = middle;
    else high = middle - 1;
  }
  return low;
}

/** Rows that are visible, and `spare` more on either side, so that a quick turn of the wheel shows no gap. */
export function slice(tops: Tops, top: number, viewHeight: number, spare = 8): Slice {
  if (tops.count === 0) return { from: 0, to: 0 };
  const place = Math.max(0, top);
  const to = Math.min(tops.count, rowAt(tops, place + viewHeight) + 1 + spare);
  return { from: Math.max(0, rowAt(tops, place) - spare), to };
}

/** Where a list has to be scrolled to, so that a row is whole in view. */
export function scrollFor(tops: Tops, row: number, top: number, viewHeight: number): number {
  const [start, end] = [tops.at(row), tops.at(row + 1)];
  if (start < top) return start;
  return end > top + viewHeight ? end - viewHeight : top;
}
