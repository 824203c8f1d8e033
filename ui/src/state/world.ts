/**
 * What the window knows about the node: a snapshot, and every event since. A pure reducer; it copies what an event
 * touches and nothing else, so that a screen redraws only what changed.
 */
import type { ChannelInfo, ErrorInfo, Event, ItemInfo, MoveProgress, PublishProgress, Status } from "../host/gen/api";

/** How far the graph looks back. */
export const GRAPH_MS = 5 * 60_000;

/** Rates at one moment. */
export interface Sample {
  at: number;
  down: number;
  up: number;
}

/** A channel's items and where each stands. */
export interface ItemList {
  /** The channel's `listed` when they were asked for: another one now, and they are old. */
  of: number;
  items: ItemInfo[];
  at: ReadonlyMap<string, number>;
}

export interface World {
  /** None before the first snapshot. */
  status: Status | null;
  channels: ReadonlyMap<string, ChannelInfo>;
  /** By item ID: what moves, waits, or finished since the start. */
  transfers: ReadonlyMap<string, ItemInfo>;
  /** When an item got ready while the window was there. */
  readyAt: ReadonlyMap<string, number>;
  /** Publications under way, by title. */
  publishing: ReadonlyMap<string, PublishProgress>;
  /** How far the last move of all downloads told it was. */
  moving: MoveProgress | null;
  /** Lists that were read, by channel key. */
  lists: ReadonlyMap<string, ItemList>;
  /** Oldest first, at most {@link GRAPH_MS} long. */
  samples: readonly Sample[];
}

/** What a person should be told about at once. */
export type News = { kind: "ready"; item: ItemInfo } | { kind: "notice"; error: ErrorInfo };

export const emptyWorld: World = {
  status: null,
  channels: new Map(),
  transfers: new Map(),
  readyAt: new Map(),
  publishing: new Map(),
  moving: null,
  lists: new Map(),
  samples: [],
};

/** Moves, waits, or stands still and wants to go on. */
export const isUnderWay = (item: ItemInfo): boolean =>
  item.state === "waiting" || item.state === "fetching" || item.state === "paused" || item.state === "changed";

export const isMoving = (item: ItemInfo): boolean => item.state === "fetching" && item.cause === null;

/**
 * How fast an item moves; null while that is not known. The node counts whole blobs: until the first is there, what comes in
 * belongs to the only item that moves.
 */
export function rateOf(item: ItemInfo, world: World): number | null {
  if (item.rate > 0 || !isMoving(item)) return item.rate;
  let others = 0;
  for (const other of world.transfers.values()) if (isMoving(other) && !(other.id === item.id && other.channel === item.channel)) others += 1;
  const down = (world.status?.down ?? 0) - (world.status?.lending?.rate ?? 0);
  return others === 0 && down > 0 ? down : null;
}

/** Complete here, or published from here. */
export const isHere = (item: ItemInfo): boolean => item.state === "complete" || item.state === "published";

/** Makes a list with its index. */
export function listOf(items: ItemInfo[], of: number): ItemList {
  return { of, items, at: new Map(items.map((item, i) => [item.id, i])) };
}

/** Adds the rates of now, drops what is too old for the graph. */
export function sampled(samples: readonly Sample[], status: Status, now: number): readonly Sample[] {
  const last = samples.at(-1);
  // Several states within half a second are one point.
  const kept = last && now - last.at < 500 ? samples.slice(0, -1) : samples.slice();
  const from = kept.findIndex((sample) => now - sample.at <= GRAPH_MS);
  return [...kept.slice(Math.max(0, from)), { at: now, down: status.down, up: status.up }];
}

/** A world under change: each map is copied once, when it is first touched. */
class Draft {
  world: World;
  #own = new Set<keyof World>();
  constructor(world: World) {
    this.world = { ...world };
  }
  map<K extends "channels" | "transfers" | "readyAt" | "publishing" | "lists">(name: K) {
    if (!this.#own.has(name)) {
      this.#own.add(name);
      this.world[name] = new Map(this.world[name] as ReadonlyMap<string, never>) as World[K];
    }
    return this.world[name] as World[K] extends ReadonlyMap<string, infer V> ? Map<string, V> : never;
  }
}

function putItem(draft: Draft, item: ItemInfo): void {
  const known = draft.world.transfers.has(item.id);
  if (isUnderWay(item) || (known && item.state === "complete")) draft.map("transfers").set(item.id, item);
  else if (known) draft.map("transfers").delete(item.id);

  const list = draft.world.lists.get(item.channel);
  if (!list) return;
  const at = list.at.get(item.id);
  if (at === undefined) {
    draft.map("lists").set(item.channel, listOf([item, ...list.items], list.of));
  } else {
    const items = list.items.slice();
    items[at] = item;
    draft.map("lists").set(item.channel, { ...list, items });
  }
}

function apply(draft: Draft, event: Event, now: number): News | null {
  switch (event.event) {
    case "snapshot": {
      const { status, channels, transfers } = event.data;
      draft.world.status = status;
      draft.world.channels = new Map(channels.map((channel) => [channel.key, channel]));
      draft.world.transfers = new Map(transfers.map((item) => [item.id, item]));
      // Lists may have changed unseen: they are read again when they are looked at.
      draft.world.lists = new Map();
      draft.world.publishing = new Map();
      draft.world.samples = sampled(draft.world.samples, status, now);
      return null;
    }
    case "status":
      draft.world.status = event.data;
      draft.world.samples = sampled(draft.world.samples, event.data, now);
      return null;
    case "channel":
      draft.map("channels").set(event.data.key, event.data);
      return null;
    case "channel_gone":
      draft.map("channels").delete(event.data);
      draft.map("lists").delete(event.data);
      for (const item of draft.world.transfers.values()) if (item.channel === event.data) draft.map("transfers").delete(item.id);
      return null;
    case "item":
      putItem(draft, event.data);
      return null;
    case "item_gone": {
      const [channel, id] = event.data;
      draft.map("transfers").delete(id);
      const list = draft.world.lists.get(channel);
      if (list) draft.map("lists").set(channel, listOf(list.items.filter((item) => item.id !== id), list.of));
      return null;
    }
    case "ready":
      putItem(draft, event.data);
      draft.map("transfers").set(event.data.id, event.data);
      draft.map("readyAt").set(event.data.id, now);
      return { kind: "ready", item: event.data };
    case "publishing":
      draft.map("publishing").set(event.data.title, event.data);
      return null;
    case "moving":
      draft.world.moving = event.data;
      return null;
    case "notice":
      return { kind: "notice", error: event.data };
    // Whoever asked for it sees it on the channel.
    case "waiting":
      return null;
  }
}

/** Applies events in their order. */
export function reduce(world: World, events: readonly Event[], now: number): { world: World; news: News[] } {
  const draft = new Draft(world);
  const news = events.flatMap((event) => apply(draft, event, now) ?? []);
  return { world: draft.world, news };
}

/** Moving first, then what stands still, then what is finished; within each by name of the newest. */
export function grouped(transfers: Iterable<ItemInfo>): { moving: ItemInfo[]; still: ItemInfo[]; done: ItemInfo[] } {
  const groups = { moving: [] as ItemInfo[], still: [] as ItemInfo[], done: [] as ItemInfo[] };
  for (const item of transfers) {
    if (isMoving(item)) groups.moving.push(item);
    else if (isUnderWay(item)) groups.still.push(item);
    else if (item.state === "complete") groups.done.push(item);
  }
  const newest = (a: ItemInfo, b: ItemInfo) => b.published - a.published || (a.id < b.id ? -1 : 1);
  for (const group of Object.values(groups)) group.sort(newest);
  return groups;
}
