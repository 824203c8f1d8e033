import { readFileSync } from "node:fs";
import encodeQR from "qr";
import decodeQR from "qr/decode.js";
import { describe, expect, test } from "vitest";
import { kindOf, kindOfItem } from "../src/parts/kinds";
import { qrOf } from "../src/parts/qr";
import { even, rowAt, scrollFor, slice, uneven } from "../src/parts/window";
import { causeDetail, causeStanding, itemStanding, msLeft } from "../src/parts/standing";
import { aheadOf, clockOf } from "../src/screens/playerTime";
import { steps } from "../src/screens/publishSteps";
import type { Cause, ItemInfo, ItemState, Status } from "../src/host/gen/api";
import { beyond } from "../src/state/keep";
import { readyWords } from "../src/state/ready";
import { emptyWorld, rateOf } from "../src/state/world";
import type { Job } from "../src/state/app.svelte";
import { speak } from "../src/words/words";
// @ts-expect-error -- a script without types
import { written } from "../scripts/icons.mjs";

const { t, f } = speak("en", []);

test("the icons are those that the script draws", () => {
  expect(readFileSync("src/parts/icons.ts", "utf8")).toBe(written());
});

describe("rows of a long list", () => {
  test("only what is visible is drawn, with some to spare", () => {
    const part = slice(even(10_000, 48), 48 * 5000, 480);
    expect(part.from).toBe(4992);
    expect(part.to).toBeLessThanOrEqual(5020);
    expect(slice(even(0, 48), 0, 480)).toEqual({ from: 0, to: 0 });
    expect(slice(even(3, 48), 99_999, 480).to).toBe(3);
  });
  test("rows of their own heights", () => {
    const tops = uneven([32, 56, 56, 32, 56]);
    expect([0, 31, 32, 88, 175, 9999].map((place) => rowAt(tops, place))).toEqual([0, 0, 1, 2, 3, 4]);
    expect(tops.at(5)).toBe(232);
  });
  test("the keyboard's row comes whole into view, and nothing moves when it is there", () => {
    const tops = even(100, 48);
    expect(scrollFor(tops, 0, 480, 480)).toBe(0);
    expect(scrollFor(tops, 20, 0, 480)).toBe(21 * 48 - 480);
    expect(scrollFor(tops, 12, 480, 480)).toBe(480);
  });
});

describe("kinds", () => {
  test("by extension, then by media type", () => {
    expect(kindOf("a.FLAC")).toMatchObject({ plays: "audio", label: "FLAC" });
    expect(kindOf("film.webm").plays).toBe("video");
    expect(kindOf("stream", "video/mp4").plays).toBe("video");
    expect(kindOf("photo.jpg")).toMatchObject({ picture: true, plays: null });
    // Only what the window itself draws safely is drawn by it.
    expect(kindOf("drawing.svg").picture).toBe(false);
    expect(kindOf("page.html", "image/png").picture).toBe(false);
    expect(kindOf("noextension").label).toBe("");
    expect(kindOfItem({ name: "a.flac", files: 2 }).icon).toBe("folder");
  });
});

describe("QR codes", () => {
  const link = `megatorrent://${"7f".repeat(32)}:${"4f".repeat(32)}?bootstrap=203.0.113.24:51413`;
  test("what is drawn reads back as the link", () => {
    const qr = qrOf(link);
    expect(qr).not.toBeNull();
    const scale = 4;
    const size = (qr?.size ?? 0) * scale;
    const data = new Uint8Array(size * size * 4).fill(255);
    for (const found of (qr?.path ?? "").matchAll(/M(\d+) (\d+)h(\d+)/g)) {
      const [x, y, run] = found.slice(1).map(Number) as [number, number, number];
      for (let dy = 0; dy < scale; dy += 1) {
        for (let dx = 0; dx < run * scale; dx += 1) data.set([0, 0, 0, 255], ((y * scale + dy) * size + x * scale + dx) * 4);
      }
    }
    expect(decodeQR({ width: size, height: size, data })).toBe(link);
    expect(encodeQR(link, "raw").length).toBeGreaterThan(20);
  });
  test("a text too long for any code gives none", () => {
    expect(qrOf("x".repeat(5000))).toBeNull();
  });
});

describe("standing", () => {
  const item = (state: ItemState, more: Partial<ItemInfo> = {}): ItemInfo => ({
    id: "i", channel: "c", name: "n", about: "", published: 0, files: 1, bytes: 100, have: 40, rate: 0, state, cause: null, path: null, left_out: [], ...more,
  });
  test("green moves, amber waits, red needs someone, grey is settled", () => {
    expect(itemStanding(item("fetching"), t)).toMatchObject({ tone: "moves", bar: "moving" });
    expect(itemStanding(item("waiting", { cause: { cause: "none_online", known: 2 } }), t)).toMatchObject({ tone: "waits", bar: "still" });
    expect(itemStanding(item("waiting", { have: 0, cause: { cause: "queued" } }), t)).toMatchObject({ tone: "settled", bar: "queued" });
    expect(itemStanding(item("changed"), t)).toMatchObject({ tone: "needs", bar: null });
    expect(itemStanding(item("complete"), t)).toMatchObject({ tone: "settled", bar: null, word: "Ready" });
    expect(itemStanding(item("listed"), t, true).word).toBe("New");
    expect(itemStanding(item("listed"), t).word).toBe("Not fetched");
  });
  test("an item that fetches and has a cause shows the cause, not movement", () => {
    const cause: Cause = { cause: "disk_full", free: 1, needed: 2 };
    expect(itemStanding(item("fetching", { cause }), t)).toMatchObject({ tone: "needs", bar: "still", word: "Disk full:" });
  });
  test("what a cause quotes is cleaned", () => {
    expect(causeStanding({ cause: "folder_not_writable", path: "a\u202eb\nc" }, t).rest).toBe("ab c");
    expect(causeDetail({ cause: "bad_content", what: "a\u202eb\nc" })).toBe("ab c");
  });
  test("what was left out on purpose is no whole item", () => {
    const part = item("complete", { files: 3, skipped: 43, skipped_files: 2 });
    expect(itemStanding(part, t)).toMatchObject({ word: "Ready,", rest: "1 of 3 files" });
    expect(readyWords({ channel: "c", items: [part] }, t)).toBe("“n”: 1 of 3 files ready");
    expect(readyWords({ channel: "Daily Harbour Weather", items: [part, part] }, t)).toBe("2 items of “Daily Harbour Weather” are ready");
  });
  test("what comes in before the first whole part counts, where it can only be this item's", () => {
    const [one, other] = [item("fetching"), item("fetching", { id: "j" })];
    const world = (items: ItemInfo[]) => ({ ...emptyWorld, status: { down: 400_000 } as Status, transfers: new Map(items.map((it) => [it.id, it])) });
    expect(rateOf(one, world([one]))).toBe(400_000);
    expect(rateOf(one, world([one, other]))).toBeNull();
    expect(rateOf({ ...one, rate: 7 }, world([one, other]))).toBe(7);
    expect(rateOf(item("waiting"), world([]))).toBe(0);
  });
  test("what a rule deletes is foretold", () => {
    const at = (n: number, more: Partial<ItemInfo> = {}) => item("complete", { id: String(n), have: 100, published: n * 24 * 3600_000, ...more });
    const items = [at(5), at(4), at(3, { pinned: true }), at(2, { state: "listed", have: 0 }), at(1)];
    expect(beyond("all", items, 0)).toEqual({ count: 0, bytes: 0 });
    expect(beyond({ newest: 1 }, items, 0)).toEqual({ count: 2, bytes: 200 });
    expect(beyond({ days: 2 }, items, 6 * 24 * 3600_000)).toEqual({ count: 1, bytes: 100 });
    expect(beyond({ bytes: 250 }, items, 0)).toEqual({ count: 2, bytes: 200 });
  });
  test("time left only while it moves", () => {
    expect(msLeft(item("fetching", { rate: 10 }))).toBe(6000);
    expect(msLeft(item("fetching"))).toBeNull();
    expect(msLeft(item("complete", { have: 100, rate: 10 }))).toBeNull();
  });
});

describe("player", () => {
  test("clock", () => {
    expect([0, 281, 828, 3881, NaN, Infinity, -3].map(clockOf)).toEqual(["00:00", "04:41", "13:48", "1:04:41", "00:00", "00:00", "00:00"]);
  });
  test("how far it plays without a gap", () => {
    const held = [{ from: 0, to: 30 }, { from: 60, to: 100 }];
    expect(aheadOf(held, 10)).toBe(20);
    expect(aheadOf(held, 45)).toBe(0);
    expect(aheadOf(held, 59.9)).toBeCloseTo(40.1);
  });
});

describe("steps of a publication", () => {
  const job = (more: Partial<Job> = {}): Job => ({ name: "n", title: "t", started: 0, private: false, state: "running", result: null, error: null, ended: null, ...more });
  const states = (all: { state: string }[]) => all.map((step) => step.state);
  test("one step at a time", () => {
    expect(states(steps(job(), null, t, f))).toEqual(["now", "next", "next", "next"]);
    const sealing = steps(job(), { title: "t", stage: "seal", done: 25, total: 100, announced: 0, to_announce: 0 }, t, f);
    expect(states(sealing)).toEqual(["done", "now", "next", "next"]);
    expect(sealing[1]?.share).toBe(0.25);
    const announcing = steps(job(), { title: "t", stage: "announce", done: 0, total: 0, announced: 3, to_announce: 12 }, t, f);
    expect(states(announcing)).toEqual(["done", "done", "now", "next"]);
    expect(announcing[2]?.figure).toBe("3 of 12");
  });
  test("a result ends all of them and tells who saw it", () => {
    const result = { link: "l", item: "i", sequence: 5, dht_nodes: 8, gateways: 0, shown_by: 0, pushed: 0, files: 2, bytes: 10, blobs: 1, left_out: [], seeding: true };
    const waiting = steps(job(), { title: "t", stage: "wait", done: 0, total: 0, announced: 0, to_announce: 0, cause: { cause: "tor_starting", percent: 14 } }, t, f);
    expect(states(waiting)).toEqual(["done", "done", "now", "next"]);
    expect(waiting[2]?.text).toContain("14");
    const all = steps(job({ state: "done", result }), null, t, f);
    expect(states(all)).toEqual(["done", "done", "done", "done"]);
    expect(all[3]?.title).toBe("Seen by 8 DHT nodes");
    expect(steps(job({ state: "done", result: { ...result, dht_nodes: 0 } }), null, t, f)[3]?.title).toBe("Not handed out yet");
    expect(steps(job({ state: "done", result: { ...result, dht_nodes: 0, gateways: 3 } }), null, t, f)[3]?.title).toBe("Handed to 3 gateways");
  });
  test("a failure marks the step where it stood", () => {
    const failed = steps(job({ state: "failed" }), { title: "t", stage: "seal", done: 1, total: 2, announced: 0, to_announce: 0 }, t, f);
    expect(states(failed)).toEqual(["done", "failed", "next", "next"]);
  });
});
