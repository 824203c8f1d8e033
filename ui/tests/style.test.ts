import { readFileSync, readdirSync } from "node:fs";
import { expect, test } from "vitest";

test("a colour or a length that a page names is given somewhere", () => {
  // A name that nobody gave fails without a word: the text of a fault looked like any other.
  const all = readdirSync("src", { recursive: true, encoding: "utf8" }).filter((path) => /\.(svelte|css|ts)$/.test(path));
  const texts = all.map((path) => readFileSync(`src/${path}`, "utf8"));
  const given = new Set(texts.flatMap((text) => Array.from(text.matchAll(/(--[\w-]+)["']?\s*[:=]/g), (found) => found[1])));
  const named = new Set(texts.flatMap((text) => Array.from(text.matchAll(/var\((--[\w-]+)/g), (found) => found[1])));
  expect(named.size).toBeGreaterThan(20);
  expect([...named].filter((name) => !given.has(name))).toEqual([]);
});
