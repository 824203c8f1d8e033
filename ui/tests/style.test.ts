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

test("the heads of all sheets look as one rule says", () => {
  const sheets = readdirSync("src/sheets").filter((name) => name.endsWith("Sheet.svelte"));
  expect(sheets.length).toBeGreaterThan(10);
  const own = sheets.filter((name) => /\bh2\b[^{}]*\{[^}]*(font-size|line-height|display)/.test(readFileSync(`src/sheets/${name}`, "utf8").split("<style>")[1] ?? ""));
  expect(own).toEqual([]);
  expect(readFileSync("src/app.css", "utf8")).toMatch(/^dialog h2:not\(\.label\) \{/m);
});
