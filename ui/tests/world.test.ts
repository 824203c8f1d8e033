import { describe, expect, test } from "vitest";
import type { ChannelInfo, Event, ItemInfo, Status } from "../src/host/gen/api";
import { emptyWorld, GRAPH_MS, grouped, listOf, reduce, sampled, type World } from "../src/state/world";
import { freshCount, isFresh, listTime } from "../src/state/fresh";

const status = (more: Partial<Status> = {}): Status => ({
  version: "1", data_dir: "/d", listen: null, dht_nodes: null, peers: 0, channels: 0, own: 0, blobs: 0, announced: 0, to_announce: 0,
  down: 0, up: 0, received: 0, sent: 0, paused: false, secrets: "keyring",
  route: { route: "direct", kind: "direct", state: { state: "up" }, onions: [], no_inbound: null }, ...more,
});
const channel = (key: string, more: Partial<ChannelInfo> = {}): ChannelInfo => ({
  key, fingerprint: key, name: key, about: "", private: false, own: false, sequence: 0, listed: 0, items: 0, complete: 0, bytes: 0, checked: null,
  seen_by: null, peers: 0, signed_twice: false, paused: false, fetch: "all", cause: null, ...more,
});
const item = (id: string, more: Partial<ItemInfo> = {}): ItemInfo => ({
  id, channel: "c", name: id, about: "", published: 0, files: 1, bytes: 100, have: 0, rate: 0, state: "listed", cause: null, path: null, left_out: [], ...more,
});
const after = (world: World, ...events: Event[]) => reduce(world, events, 1000).world;
const begun = after(emptyWorld, { event: "snapshot", data: { status: status(), channels: [channel("c")], transfers: [item("a", { state: "fetching" })] } });

describe("the world", () => {
  test("begins with the snapshot", () => {
    expect([...begun.channels.keys()]).toEqual(["c"]);
    expect([...begun.transfers.keys()]).toEqual(["a"]);
    expect(begun.status?.version).toBe("1");
  });

  test("a later snapshot replaces everything, lists included, and keeps the graph", () => {
    const full = after({ ...begun, lists: new Map([["c", listOf([item("a")], 0)]]) }, { event: "snapshot", data: { status: status(), channels: [channel("d")], transfers: [] } });
    expect([...full.channels.keys()]).toEqual(["d"]);
    expect(full.transfers.size).toBe(0);
    expect(full.lists.size).toBe(0);
    expect(full.samples.length).toBeGreaterThan(0);
  });

  test("does not touch what an event does not concern", () => {
    const next = after(begun, { event: "status", data: status({ down: 5 }) });
    expect(next.channels).toBe(begun.channels);
    expect(next.transfers).toBe(begun.transfers);
    expect(begun.status?.down).toBe(0);
  });

  test("an item that moves is a transfer, one that is only listed is none", () => {
    const next = after(begun, { event: "item", data: item("b", { state: "waiting" }) }, { event: "item", data: item("a", { state: "listed" }) });
    expect([...next.transfers.keys()]).toEqual(["b"]);
  });

  test("what is finished stays among the transfers; what was never one does not become one", () => {
    const next = after(begun, { event: "item", data: item("a", { state: "complete" }) }, { event: "item", data: item("z", { state: "complete" }) });
    expect([...next.transfers.keys()]).toEqual(["a"]);
  });

  test("lists follow: changed in place, new ones first, gone ones out", () => {
    const world = { ...begun, lists: new Map([["c", listOf([item("a"), item("b")], 0)]]) };
    const next = after(world, { event: "item", data: item("b", { have: 50 }) }, { event: "item", data: item("n") }, { event: "item_gone", data: ["c", "a"] });
    const list = next.lists.get("c");
    expect(list?.items.map((one) => one.id)).toEqual(["n", "b"]);
    expect(list?.items[list.at.get("b") ?? -1]?.have).toBe(50);
    expect(world.lists.get("c")?.items.map((one) => one.id)).toEqual(["a", "b"]);
  });

  test("a list keeps the number of the one it was read of, whatever happens to its items", () => {
    const world = { ...begun, lists: new Map([["c", listOf([item("a")], 7)]]) };
    const next = after(after(world, { event: "item", data: item("b") }), { event: "item_gone", data: ["c", "a"] });
    expect(next.lists.get("c")?.of).toBe(7);
    expect(after(next, { event: "channel", data: channel("c", { listed: 8 }) }).lists.get("c")?.of).toBe(7);
  });

  test("a channel that was left takes its transfers along", () => {
    const next = after(begun, { event: "channel_gone", data: "c" });
    expect(next.channels.size).toBe(0);
    expect(next.transfers.size).toBe(0);
  });

  test("ready is news and has its time; notices are news", () => {
    const { world, news } = reduce(begun, [{ event: "ready", data: item("a", { state: "complete" }) }, { event: "notice", data: { code: "io", message: "x" } }], 77);
    expect(world.readyAt.get("a")).toBe(77);
    expect(news.map((one) => one.kind)).toEqual(["ready", "notice"]);
  });

  test("publications are kept by title", () => {
    const next = after(begun, { event: "publishing", data: { title: "t", stage: "seal", done: 1, total: 2, announced: 0, to_announce: 0 } });
    expect(next.publishing.get("t")?.stage).toBe("seal");
  });
});

describe("the graph", () => {
  test("several states within half a second are one point, and what is too old goes", () => {
    let samples = sampled([], status({ down: 1 }), 0);
    samples = sampled(samples, status({ down: 2 }), 400);
    expect(samples).toHaveLength(1);
    samples = sampled(samples, status({ down: 3 }), 1000);
    expect(samples.map((s) => s.down)).toEqual([2, 3]);
    samples = sampled(samples, status({ down: 4 }), 1000 + GRAPH_MS);
    expect(samples.map((s) => s.down)).toEqual([3, 4]);
  });

  test("never grows beyond what it shows", () => {
    let samples = sampled([], status(), 0);
    for (let at = 500; at < 3 * GRAPH_MS; at += 500) samples = sampled(samples, status(), at);
    expect(samples.length).toBeLessThanOrEqual(GRAPH_MS / 500 + 2);
  });
});

test("groups: moving, not moving, finished; newest first", () => {
  const groups = grouped([
    item("a", { state: "fetching", published: 1 }),
    item("b", { state: "fetching", published: 2 }),
    item("c", { state: "fetching", cause: { cause: "queued" } }),
    item("d", { state: "changed" }),
    item("e", { state: "complete" }),
    item("f", { state: "listed" }),
  ]);
  expect(groups.moving.map((one) => one.id)).toEqual(["b", "a"]);
  expect(groups.still.map((one) => one.id).sort()).toEqual(["c", "d"]);
  expect(groups.done.map((one) => one.id)).toEqual(["e"]);
});

describe("new to this person", () => {
  test("nothing is new in a channel that was never opened, nor in an own one", () => {
    expect(freshCount(channel("c", { items: 900 }), {})).toBe(0);
    expect(freshCount(channel("c", { items: 5, own: true }), { c: { at: 0, items: 1 } })).toBe(0);
    expect(freshCount(channel("c", { items: 5 }), { c: { at: 0, items: 3 } })).toBe(2);
    expect(freshCount(channel("c", { items: 2 }), { c: { at: 0, items: 3 } })).toBe(0);
  });
  test("items that came after the last look", () => {
    expect(isFresh(item("a", { published: 10 }), { at: 5, items: 0 })).toBe(true);
    expect(isFresh(item("a", { published: 10 }), { at: 15, items: 0 })).toBe(false);
    expect(isFresh(item("a", { published: 10 }), undefined)).toBe(false);
  });
  test("a sequence is a time only where it can be one", () => {
    const now = Date.UTC(2026, 10, 23);
    expect(listTime(channel("c", { sequence: now - 5000 }), now)).toBe(now - 5000);
    expect(listTime(channel("c", { sequence: now + 3600_000 }), now)).toBe(now);
    expect(listTime(channel("c", { sequence: 0 }), now)).toBeNull();
    expect(listTime(channel("c", { sequence: 1287 }), now)).toBeNull();
    expect(listTime(channel("c", { sequence: now + 10 * 86_400_000 }), now)).toBeNull();
  });
});
