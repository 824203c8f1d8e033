import { createHash } from "node:crypto";
import { describe, expect, test } from "vitest";
import { choose, HUES, sealOf } from "../src/parts/seal";
import { sha256 } from "../src/parts/sha256";

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString("hex");

describe("SHA-256", () => {
  test("known answers of FIPS 180-4", () => {
    const of = (text: string) => hex(sha256(new TextEncoder().encode(text)));
    expect(of("")).toBe("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    expect(of("abc")).toBe("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  });

  test("agrees with another implementation at every length around the block edges", () => {
    for (let length = 0; length < 200; length += 1) {
      const message = Uint8Array.from({ length }, (_, i) => (i * 37 + length) & 0xff);
      expect(hex(sha256(message))).toBe(createHash("sha256").update(message).digest("hex"));
    }
  });
});

describe("seal", () => {
  const keys = Array.from({ length: 3000 }, (_, i) => createHash("sha256").update(`key ${i}`).digest("hex"));

  test("at most one full cell, three shapes, one or two strong cells", () => {
    for (const key of keys) {
      const { cells, hue } = sealOf(key);
      expect(hue).toBeGreaterThanOrEqual(0);
      expect(hue).toBeLessThan(HUES);
      expect(cells).toHaveLength(4);
      expect(cells.filter((cell) => cell.shape === 0).length).toBeLessThanOrEqual(1);
      expect(new Set(cells.map((cell) => cell.shape)).size).toBeLessThanOrEqual(3);
      const strong = cells.filter((cell) => cell.strong).length;
      expect(strong).toBeGreaterThanOrEqual(1);
      expect(strong).toBeLessThanOrEqual(2);
    }
  });

  test("every hue and every shape occurs", () => {
    const seals = keys.map((key) => sealOf(key));
    expect(new Set(seals.map((seal) => seal.hue)).size).toBe(HUES);
    expect(new Set(seals.flatMap((seal) => seal.cells.map((cell) => cell.shape))).size).toBe(10);
  });

  test("a key always gets the same seal, its case aside, and others get others", () => {
    const key = keys[0] ?? "";
    expect(sealOf(key.toUpperCase())).toEqual(sealOf(key));
    expect(new Set(keys.map((one) => sealOf(one).mid + sealOf(one).strong + String(sealOf(one).hue))).size).toBeGreaterThan(keys.length * 0.98);
  });

  test("pinned: a seal that people know does not change with the program", () => {
    const seal = choose(sha256(new Uint8Array(32)));
    expect(seal).toMatchInlineSnapshot(`
      {
        "cells": [
          {
            "shape": 4,
            "strong": false,
            "turn": 2,
          },
          {
            "shape": 3,
            "strong": true,
            "turn": 0,
          },
          {
            "shape": 8,
            "strong": false,
            "turn": 1,
          },
          {
            "shape": 3,
            "strong": true,
            "turn": 0,
          },
        ],
        "hue": 6,
      }
    `);
  });

  test("stays inside its box and turns onto itself", () => {
    for (const key of keys.slice(0, 200)) {
      const { mid, strong } = sealOf(key);
      const numbers = (mid + strong).match(/-?\d+(\.\d+)?/g)?.map(Number) ?? [];
      expect(Math.min(...numbers)).toBeGreaterThanOrEqual(0);
      expect(Math.max(...numbers)).toBeLessThanOrEqual(4);
      // Four quarters, cell by cell.
      expect((mid.match(/Z/g)?.length ?? 0) + (strong.match(/Z/g)?.length ?? 0)).toBe(16);
    }
  });

  test("something that is no key still gets a seal", () => {
    expect(sealOf("")).toBeTruthy();
    expect(sealOf("not hex").cells).toHaveLength(4);
  });
});
