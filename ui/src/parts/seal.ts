/**
 * The seal: a quilt that a key always sews the same way. It helps to recognise a channel and never proves one; the
 * fingerprint does.
 *
 * SHA-256 of the key's 32 bytes picks a hue of 12 and, for the four cells of one quarter, a shape of 10, a turn and one
 * of two tones. The quarter turned four times fills 4 by 4 cells. So that the picture stays legible at 20 px: at most one
 * full cell, at most three different shapes, one or two strong cells.
 */
import { sha256 } from "./sha256";

/** How many hues there are; `app.css` holds their angles. */
export const HUES = 12;

/** A shape in a cell of 1 by 1 with its heavy corner at 0,0; a closed path of `M L A` steps. */
type Step = ["M" | "L", number, number] | ["A", number, number, number];

/** `A` is radius, then the end point; every arc turns clockwise and is at most a half circle. */
const SHAPES: Step[][] = [
  // Full.
  [["M", 0, 0], ["L", 1, 0], ["L", 1, 1], ["L", 0, 1]],
  // Half, cut on the diagonal.
  [["M", 0, 0], ["L", 1, 0], ["L", 0, 1]],
  // Quarter disc.
  [["M", 0, 0], ["L", 1, 0], ["A", 1, 0, 1]],
  // Leaf.
  [["M", 0, 0], ["A", 1, 1, 1], ["A", 1, 0, 0]],
  // Half, cut straight.
  [["M", 0, 0], ["L", 1, 0], ["L", 1, 0.5], ["L", 0, 0.5]],
  // Diamond.
  [["M", 0.5, 0], ["L", 1, 0.5], ["L", 0.5, 1], ["L", 0, 0.5]],
  // Small triangle that stands on one side.
  [["M", 0, 0], ["L", 1, 0], ["L", 0.5, 0.5]],
  // Small square in the corner.
  [["M", 0, 0], ["L", 0.5, 0], ["L", 0.5, 0.5], ["L", 0, 0.5]],
  // Small quarter disc.
  [["M", 0, 0], ["L", 0.6, 0], ["A", 0.6, 0, 0.6]],
  // Half disc.
  [["M", 0, 0], ["L", 1, 0], ["A", 0.5, 0, 0]],
];
const FULL = 0;

/** One cell of the quarter. */
export interface Cell {
  shape: number;
  /** Quarter turns, 0 to 3. */
  turn: number;
  strong: boolean;
}

/** What is sewn. */
export interface Seal {
  /** Index of the hue, below {@link HUES}. */
  hue: number;
  /** The four cells of the quarter, row by row. */
  cells: Cell[];
  /** Paths in a box of 4 by 4: the middle tone and the strong one. */
  mid: string;
  strong: string;
}

function bytesOf(hex: string): Uint8Array {
  const pairs = /^([0-9a-f]{2})*$/i.test(hex) ? (hex.match(/../g) ?? []) : [];
  return pairs.length > 0 ? Uint8Array.from(pairs, (pair) => parseInt(pair, 16)) : new TextEncoder().encode(hex);
}

/** Chooses hue and cells from a digest. */
export function choose(digest: Uint8Array): { hue: number; cells: Cell[] } {
  const byte = (i: number) => digest[i] ?? 0;
  const cells: Cell[] = [];
  for (let i = 0; i < 4; i += 1) {
    let shape = byte(1 + i * 2) % SHAPES.length;
    const used = [...new Set(cells.map((cell) => cell.shape))];
    const fullAgain = () => shape === FULL && used.includes(FULL);
    const tooMany = () => used.length === 3 && !used.includes(shape);
    for (let tries = 0; tries < SHAPES.length && (fullAgain() || tooMany()); tries += 1) shape = (shape + 1) % SHAPES.length;
    cells.push({ shape, turn: byte(2 + i * 2) & 3, strong: false });
  }
  // One or two strong cells; a full cell is strong only alone, or the picture turns into a block.
  const first = byte(9) & 3;
  const second = (first + 1 + (byte(10) % 3)) & 3;
  cells.forEach((cell, i) => (cell.strong = i === first || (i === second && (byte(11) & 1) === 1 && cell.shape !== FULL)));
  return { hue: byte(0) % HUES, cells };
}

const round = (x: number) => String(Math.round(x * 1000) / 1000);

/** One cell at column, row of the 4 by 4, turned about its own middle, then with its quarter about the middle of all. */
function draw(cell: Cell, column: number, row: number, quarter: number): string {
  const place = (x: number, y: number): string => {
    let [u, v] = [x, y];
    for (let i = 0; i < cell.turn; i += 1) [u, v] = [1 - v, u];
    [u, v] = [u + column, v + row];
    for (let i = 0; i < quarter; i += 1) [u, v] = [4 - v, u];
    return `${round(u)} ${round(v)}`;
  };
  const steps = (SHAPES[cell.shape] ?? []).map((step) =>
    step[0] === "A" ? `A${round(step[1])} ${round(step[1])} 0 0 1 ${place(step[2], step[3])}` : step[0] + place(step[1], step[2]),
  );
  return `${steps.join("")}Z`;
}

const sewn = new Map<string, Seal>();

/** The seal of a key (64 hex digits). */
export function sealOf(key: string): Seal {
  const known = sewn.get(key);
  if (known) return known;
  const { hue, cells } = choose(sha256(bytesOf(key.toLowerCase())));
  const seal: Seal = { hue, cells, mid: "", strong: "" };
  for (let quarter = 0; quarter < 4; quarter += 1) {
    cells.forEach((cell, i) => {
      const path = draw(cell, i % 2, i >> 1, quarter);
      if (cell.strong) seal.strong += path;
      else seal.mid += path;
    });
  }
  if (sewn.size > 2000) sewn.clear();
  sewn.set(key, seal);
  return seal;
}
