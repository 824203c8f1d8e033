/** Chance with a seed, so that the mock world is the same each time. */
export interface Chance {
  /** 0 up to, not including, 1. */
  next(): number;
  below(n: number): number;
  of<T>(all: readonly T[]): T;
  hex(digits: number): string;
}

export function makeChance(seed: number): Chance {
  let state = seed >>> 0;
  // Mulberry32.
  const next = () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
  const below = (n: number) => Math.floor(next() * n);
  return {
    next,
    below,
    of: (all) => all[below(all.length)] as (typeof all)[number],
    hex: (digits) => Array.from({ length: digits }, () => below(16).toString(16)).join(""),
  };
}
