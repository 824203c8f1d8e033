/** A node that is none: answers every verb from memory, and lets time pass. */
import type { Cause, ChannelInfo, Code, ErrorInfo, Event, FileInfo, IdentityInfo, ItemInfo, LeftOut, Published, Reply, Request, RouteInfo, RouteStanding, Settings, Status } from "../gen/api";
import type { Picked } from "../host";
import { RATE_MIN } from "../../parts/amount";
import { makeChance } from "./chance";
import { chosenFiles, skippedBytes } from "./files";
import { DAY, filesOf, fingerprintOf, GB, KB, MB, peersOf, settle, stress, tidewater, world, type Made } from "./data";

export type Scene = "world" | "empty" | "first" | "locked" | "nokeyring" | "failed" | "damaged" | "paused" | "stress" | "lonely" | "tor" | "torlost" | "proxy" | "ringlocked" | "ringunused";

const done: Reply = { kind: "done" };
const leftOut: LeftOut = { path: "interviews/take?2.wav", why: "Windows cannot store a name with \"?\"", code: { reason: "character", character: "?" } };
const refuse = (code: Code, message: string): never => {
  const error: ErrorInfo = { code, message };
  throw error;
};
const wait = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));

/** A route as it is told: without its login. */
function routeOf(route: string, state: RouteStanding = { state: "up" }): RouteInfo {
  const kind = route.startsWith("tor") ? "tor" : route.startsWith("socks5") ? "proxy" : "direct";
  const addr = `${"k5w2q3".padEnd(52, "m")}7xad.onion:6881`;
  const onions = kind === "tor" && state.state === "up" ? [{ channel: "7f3a91c2".padEnd(64, "0"), addr, published: true, why: null }] : [];
  return { route: route.replace(/\/\/.*@/, "//"), kind, state, onions, no_inbound: null };
}

/** Steps of the mock clock. */
const TICK_MS = 500;

export class MockNode {
  readonly #chance = makeChance(42);
  readonly #made = new Map<string, Made>();
  readonly #listeners = new Set<(event: Event) => void>();
  readonly #links = new Map<string, string>();
  readonly files = new Map<string, Picked>();
  /** Gates of the slow verbs, for tests: how long they take. */
  slow = 900;
  /** How fast downloads grow, beside the rate that they show. */
  pace = 1;
  identities: IdentityInfo[] = [];
  settings: Settings = {
    download_dir: "/home/mira/Documents/Megatorrent",
    gateway: true,
    route: "direct",
    gateways: [],
    down: 0,
    up: 2 * MB,
    peer_down: 0,
    peer_up: 0,
    month: 500 * GB,
    quota: 400 * GB,
    lend: 20 * GB,
    lend_channel: 200 * MB,
    lend_rate: 0,
    lend_paused: false,
    lan: true,
    port_mapping: true,
    schedule: "mon-fri 08:00-18:00 down 500k",
  };
  status: Status;
  /** How often the keyring was tried. */
  #tries = 0;
  /** Files that are not wanted, by item. */
  readonly #skipped = new Map<string, Set<string>>();
  #timer: ReturnType<typeof setInterval> | null = null;
  /** Publications that were called off. */
  readonly #calledOff = new Set<string>();

  constructor(scene: Scene, now = Date.now()) {
    const all = scene === "stress" ? stress(now) : ["empty", "first", "failed", "damaged"].includes(scene) ? [] : world(now);
    for (const made of all) this.#made.set(made.channel.key, made);
    const lonely = scene === "lonely" || scene === "stress";
    this.status = {
      version: "0.1.0",
      data_dir: "/home/mira/.local/share/megatorrent",
      listen: "203.0.113.24:51413",
      dht_nodes: lonely ? 0 : 214,
      peers: lonely ? 2 : all.length > 0 ? 41 : 0,
      channels: all.length,
      own: 1,
      blobs: all.length > 0 ? 21_480 : 0,
      announced: all.length > 0 ? 3900 : 0,
      to_announce: all.length > 0 ? 21_480 : 0,
      down: all.length > 0 ? 4.8 * MB : 0,
      up: all.length > 0 ? 1.2 * MB : 0,
      received: all.length > 0 ? 6_200 * MB : 0,
      sent: all.length > 0 ? 2_900 * MB : 0,
      paused: scene === "paused",
      secrets: scene === "locked" ? "locked" : scene === "nokeyring" ? "none" : scene === "ringlocked" ? "keyring_locked" : scene === "ringunused" ? "keyring_unused" : "keyring",
      route: routeOf("direct"),
      used: all.length > 0 ? 214 * GB : 0,
      lent: all.length > 0 ? 12.4 * GB : 0,
      ...(all.length > 0 ? { lending: { space: 20 * GB, kept: 12.4 * GB, rate: 0, paused: false, waits: true } } : {}),
      month_used: all.length > 0 ? 61.3 * GB : 0,
    };
    if (scene === "tor" || scene === "torlost" || scene === "proxy") {
      this.settings = { ...this.settings, gateways: ["gate.example.org:6881", "198.51.100.7:6881", `${"k5w2q3".padEnd(52, "a")}7xad.onion:6881`] };
      this.#take(scene === "proxy" ? "socks5://10.0.0.1:1080" : "tor", scene === "torlost" ? { state: "down", why: "its control port does not answer", reason: "control_refused" } : { state: "up" });
    }
    if (all.length > 0) {
      const kept = scene === "locked" ? "vault" : "keyring";
      for (const [name, key, secret, age] of [
        ["Lindqvist family", "b06e2f19c3d4a5b60718293a4b5c6d7e8f90a1b2c3d4e5f60718293a4b5c07ac", true, 400 * DAY],
        ["Harbour Courier, weekend edition", "19d4c8e07755aa33bb22cc11dd00ee99ff8877665544332211009988776ff3b2", null, 3 * DAY],
      ] as const) {
        this.identities.push({ name, key, fingerprint: fingerprintOf(key), link: `megatorrent://${key}`, private: secret, created: now - age, kept });
      }
    }
  }

  start(): void {
    this.#timer ??= setInterval(() => this.#tick(), TICK_MS);
  }
  stop(): void {
    if (this.#timer) clearInterval(this.#timer);
    this.#timer = null;
  }

  watch(listener: (event: Event) => void): () => void {
    this.#listeners.add(listener);
    const transfers = this.#items().filter((item) => ["waiting", "fetching", "paused", "changed"].includes(item.state));
    // A few that were finished a moment ago.
    const finished = this.#items().filter((item) => item.state === "complete").slice(0, 7);
    const snapshot = { status: this.status, channels: this.channels(), transfers: [...transfers, ...finished] };
    listener({ event: "snapshot", data: snapshot });
    return () => this.#listeners.delete(listener);
  }
  emit(event: Event): void {
    for (const listener of this.#listeners) listener(event);
  }

  /** The folder behind a handle. */
  #folder(handle: string): string {
    return `/home/mira/${this.files.get(handle)?.name ?? handle}`;
  }
  #files(item: ItemInfo): FileInfo[] {
    const skipped = this.#skipped.get(item.id);
    return filesOf(item).map((file) => (skipped?.has(file.path) ? { ...file, skipped: true } : file));
  }

  /** Lending as the settings have it. */
  #lends(): void {
    const { lend = 0, lend_paused: paused = false } = this.settings;
    const { lending: before, ...status } = this.status;
    const kept = Math.min(before?.kept ?? 0, lend);
    const lending = lend > 0 ? { lending: { space: lend, kept, rate: paused ? 0 : (before?.rate ?? 0), paused, waits: !paused && (before?.waits ?? false) } } : {};
    this.status = { ...status, ...lending };
    this.emit({ event: "status", data: this.status });
  }

  /** Stands on another route at once. */
  #take(route: string, state: RouteStanding): void {
    const info = routeOf(route, state);
    this.settings = { ...this.settings, route: info.route };
    const lonely = info.kind !== "direct";
    this.status = {
      ...this.status,
      route: info,
      dht_nodes: lonely ? null : 214,
      listen: lonely ? null : "203.0.113.24:51413",
      to_announce: lonely ? 0 : this.status.blobs,
      announced: lonely ? 0 : this.status.announced,
      peers: state.state === "up" ? this.status.peers : 0,
    };
    this.emit({ event: "status", data: this.status });
  }
  /** Another route, as it comes up: Tor in steps. */
  async #change(route: string): Promise<void> {
    if (!/^(direct|tor(:\/\/.*)?|socks5h?:\/\/(.*@)?[^@]+:\d+)$/.test(route)) refuse("bad_argument", "This is no route.");
    if (route.startsWith("tor")) {
      for (const percent of [0, 25, 60]) {
        this.#take(route, { state: "starting", percent });
        await wait(this.slow / 3);
      }
    }
    this.#take(route, { state: "up" });
  }

  channels(): ChannelInfo[] {
    return [...this.#made.values()].map((made) => made.channel);
  }
  #items(): ItemInfo[] {
    return [...this.#made.values()].flatMap((made) => made.items);
  }
  #channel(text: string): Made {
    const found = this.#made.get(text) ?? [...this.#made.values()].find((made) => made.channel.name === text);
    return found ?? refuse("not_found", `There is no channel ${text}.`);
  }
  #item(text: string): { made: Made; item: ItemInfo } {
    const id = text.split("/").at(-1) ?? text;
    for (const made of this.#made.values()) {
      const item = made.items.find((one) => one.id === id);
      if (item) return { made, item };
    }
    return refuse("not_found", `There is no item ${text}.`);
  }
  #put(made: Made, id: string, change: Partial<ItemInfo>): ItemInfo {
    const at = made.items.findIndex((item) => item.id === id);
    const item = { ...(made.items[at] as ItemInfo), ...change };
    made.items[at] = item;
    this.emit({ event: "item", data: item });
    return item;
  }
  #tell(made: Made, change: Partial<ChannelInfo> = {}): ChannelInfo {
    made.channel = settle({ ...made.channel, ...change }, made.items);
    this.emit({ event: "channel", data: made.channel });
    return made.channel;
  }

  /** Why nothing moves at all. */
  #held(): Cause | null {
    const { paused, held, route } = this.status;
    if (paused) return held ?? { cause: "paused" };
    if (route.state.state === "up") return null;
    if (route.state.state === "starting") return { cause: "tor_starting", percent: route.state.percent };
    const { why, reason } = route.state;
    return route.kind === "proxy" ? { cause: "proxy_down", why, reason } : { cause: "tor_down", why, reason };
  }

  #tick(): void {
    const step = TICK_MS / 1000;
    let [down, up] = [0, 0];
    const held = this.#held();
    if (held) {
      for (const made of this.#made.values()) {
        for (const item of made.items) {
          if (item.state === "fetching" && item.cause?.cause !== held.cause) this.#put(made, item.id, { cause: held, rate: 0 });
        }
      }
    } else {
      for (const made of this.#made.values()) {
        for (const item of made.items) {
          if (item.state !== "fetching") continue;
          if (item.cause) {
            this.#put(made, item.id, { cause: null, rate: MB });
            continue;
          }
          const rate = Math.max(200 * KB, item.rate * (0.94 + this.#chance.next() * 0.12));
          const have = Math.min(item.bytes, item.have + rate * step * this.pace);
          down += rate;
          if (have < item.bytes) {
            this.#put(made, item.id, { have: Math.round(have), rate: Math.round(rate) });
          } else {
            const whole = this.#put(made, item.id, { have: item.bytes, rate: 0, state: "complete", path: `/home/mira/Documents/Megatorrent/${item.name}` });
            this.emit({ event: "ready", data: whole });
            this.#tell(made);
          }
        }
      }
      up = this.#made.size > 0 ? this.status.up * (0.9 + this.#chance.next() * 0.2) || 900 * KB : 0;
      up = Math.min(2 * MB, up);
    }
    const status = this.status;
    this.status = {
      ...status,
      down: Math.round(down),
      up: Math.round(up),
      received: Math.round(status.received + down * step),
      sent: Math.round(status.sent + up * step),
      announced: status.to_announce > 0 ? (status.announced + 12) % status.to_announce : 0,
    };
    this.emit({ event: "status", data: this.status });
  }

  async call(request: Request): Promise<Reply> {
    await wait(20);
    switch (request.method) {
      case "channels":
        return { kind: "channels", value: this.channels() };
      case "items":
        return { kind: "items", value: this.#channel(request.params.channel).items.slice() };
      case "files":
        return { kind: "files", value: this.#files(this.#item(request.params.item).item) };
      case "leak": {
        if (this.status.route.kind === "direct") return refuse("bad_argument", "The route is direct: everything leaves straight.");
        await wait(this.slow * 2);
        const { seconds } = request.params;
        return { kind: "leak", value: { route: this.status.route.route, seconds, looks: seconds * 180, through: ["127.0.0.1"], elsewhere: [] } };
      }
      case "status":
        return { kind: "status", value: this.status };
      case "transfers":
        return { kind: "transfers", value: this.#items().filter((item) => item.state !== "listed") };
      case "peers":
        return { kind: "peers", value: peersOf(this.status.peers) };
      case "settings":
        return { kind: "settings", value: this.settings };
      case "set_settings": {
        const { download_dir: dir, gateway, route, ...rest } = request.params;
        if ([rest.down, rest.up, rest.peer_down, rest.peer_up].some((rate) => typeof rate === "number" && rate > 0 && rate < RATE_MIN)) {
          refuse("bad_argument", `A limit is at least ${RATE_MIN} bytes a second; 0 is no limit.`);
        }
        const given = Object.fromEntries(Object.entries(rest).filter(([, value]) => value !== null && value !== undefined));
        this.settings = { ...this.settings, ...given };
        if (typeof dir === "string") this.settings = { ...this.settings, download_dir: this.#folder(dir) };
        this.#lends();
        if (typeof gateway === "boolean") this.settings = { ...this.settings, gateway };
        if (typeof route === "string") await this.#change(route);
        return { kind: "settings", value: this.settings };
      }
      case "parse_link":
        return { kind: "link", value: this.#parse(request.params.link) };
      case "look": {
        const info = this.#parse(request.params.link);
        await wait(this.slow);
        const made = this.#behind(info.key, info.private);
        return { kind: "looked", value: { channel: made.channel, items: made.items } };
      }
      case "subscribe": {
        const info = this.#parse(request.params.link);
        this.#links.set(info.key, request.params.link);
        const made = this.#made.get(info.key) ?? this.#behind(info.key, info.private);
        this.#made.set(info.key, made);
        return { kind: "channel", value: this.#tell(made, { fetch: request.params.fetch }) };
      }
      case "unsubscribe": {
        const { key } = this.#channel(request.params.channel).channel;
        this.#made.delete(key);
        this.emit({ event: "channel_gone", data: key });
        return done;
      }
      case "channel_link": {
        const { channel } = this.#channel(request.params.channel);
        return { kind: "link_text", value: this.#links.get(channel.key) ?? `megatorrent://${channel.key}${channel.private ? `:${"4f".repeat(32)}` : ""}?bootstrap=203.0.113.24:51413` };
      }
      case "get": {
        const { made, item } = this.#item(request.params.what);
        const got = this.#put(made, item.id, { state: "fetching", cause: null, rate: 1.4 * MB });
        return { kind: "got", value: { items: [got] } };
      }
      case "pause":
      case "resume":
        return this.#pause(request.params, request.method === "pause");
      case "remove": {
        const { made, item } = this.#item(request.params.item);
        this.#put(made, item.id, { state: "listed", have: 0, rate: 0, cause: null, path: null });
        this.#tell(made);
        return done;
      }
      case "verify":
      case "locate": {
        const { made, item } = this.#item(request.params.item);
        await wait(this.slow);
        if (request.method === "locate") this.#put(made, item.id, { state: "complete", cause: null, have: item.bytes });
        return { kind: "verified", value: { good: Math.ceil(item.bytes / MB), bad: 0, files: [], kept: [] } };
      }
      case "id_list":
        return { kind: "identities", value: this.identities };
      case "id_new":
      case "id_rename":
      case "id_import":
      case "id_export":
        return this.#identity(request);
      case "publish":
        return { kind: "published", value: await this.#publish(request.params) };
      case "cancel_publish":
        this.#calledOff.add(request.params.job);
        return done;
      case "unpublish": {
        const { made, item } = this.#item(request.params.item);
        made.items = made.items.filter((one) => one.id !== item.id);
        this.emit({ event: "item_gone", data: [item.channel, item.id] });
        this.#tell(made);
        return { kind: "published", value: this.#published(made.channel, null) };
      }
      case "edit": {
        const { what, name, about } = request.params;
        const made = this.#made.get(what);
        const change = { ...(name === null ? {} : { name }), ...(about === null ? {} : { about }) };
        if (made) this.#tell(made, change);
        else {
          const found = this.#item(what);
          this.#put(found.made, found.item.id, change);
        }
        return { kind: "published", value: this.#published(made?.channel ?? this.#item(what).made.channel, null) };
      }
      case "unlock": {
        await wait(200);
        // Its lock opens on the second try.
        if (request.params.passphrase === "") {
          if ((this.#tries += 1) < 2) refuse("secrets", "The keyring is locked.");
          this.status = { ...this.status, secrets: "keyring" };
          this.emit({ event: "status", data: this.status });
          return done;
        }
        if (request.params.passphrase === "wrong") refuse("wrong_passphrase", "The passphrase does not open the vault.");
        this.status = { ...this.status, secrets: "vault" };
        this.emit({ event: "status", data: this.status });
        return done;
      }
      case "give_up": {
        const { sure, passphrase } = request.params;
        if (this.status.secrets === "keyring" || this.status.secrets === "vault") {
          refuse("bad_argument", "The secrets of this data folder are within reach. There is nothing to give up.");
        }
        const value = {
          done: sure,
          identities: this.identities.map((one) => one.name),
          closed: this.channels().filter((one) => one.private).map((one) => one.name),
          others: true,
        };
        if (!sure) return { kind: "given_up", value };
        if (this.status.secrets === "none" && !passphrase) refuse("ask_first", "No keyring is there: give a passphrase for a vault.");
        this.identities = [];
        this.status = { ...this.status, secrets: passphrase ? "vault" : "keyring" };
        this.emit({ event: "status", data: this.status });
        return { kind: "given_up", value };
      }
      case "inside":
        return {
          kind: "inside",
          value: {
            files: 42,
            bytes: 6_800_000_000,
            more: false,
            entries: [
              { name: "fog-signal", folder: true, files: 28, bytes: 5_120_000_000 },
              { name: "interviews", folder: true, files: 9, bytes: 1_610_000_000 },
              { name: "photographs", folder: true, files: 4, bytes: 61_800_000 },
              { name: "README.txt", folder: false, files: 1, bytes: 4000 },
            ],
            left_out: [leftOut],
            lost: 1,
          },
        };
      case "place":
      case "play":
        return refuse("bad_argument", "The window asks its host for this.");
      case "watch":
        return refuse("bad_argument", "Watching has its own way.");
      case "search": {
        const words = request.params.text.toLowerCase().split(/\s+/).filter(Boolean);
        const has = (item: ItemInfo) => words.every((word) => item.name.toLowerCase().includes(word));
        return { kind: "items", value: words.length ? this.#items().filter(has) : [] };
      }
      case "set_item": {
        const { made, item } = this.#item(request.params.item);
        const { pinned, priority } = request.params;
        this.#put(made, item.id, { ...(pinned === null ? {} : { pinned }), ...(priority === null ? {} : { priority }) });
        return done;
      }
      case "set_channel": {
        const { channel, fetch, keep, encrypted, look_up } = request.params;
        const made = this.#channel(channel);
        if (made.channel.own && fetch !== null) refuse("bad_argument", "This channel is yours. Nothing of it is fetched.");
        const change = { ...(fetch === null ? {} : { fetch }), ...(keep === null ? {} : { keep }), ...(encrypted === null ? {} : { encrypted }), ...(look_up === undefined ? {} : { look_up }) };
        return { kind: "channel", value: this.#tell(made, change) };
      }
      case "choose": {
        const { made, item } = this.#item(request.params.item);
        if (item.state === "published") refuse("bad_argument", "This item is published from here.");
        const { paths, want } = request.params;
        const fresh = item.state === "listed";
        const skipped = chosenFiles(item, this.#skipped.get(item.id) ?? new Set(), paths, want, fresh);
        this.#skipped.set(item.id, skipped);
        const go = fresh && want ? { state: "fetching" as const, rate: 1.1 * MB } : {};
        this.#put(made, item.id, { skipped: skippedBytes(item, skipped), ...go });
        return done;
      }
      case "open": {
        const { made, item } = this.#item(request.params.item);
        if (!item.encrypted) refuse("bad_argument", "This item is not kept encrypted.");
        await wait(this.slow);
        this.#put(made, item.id, { encrypted: false, path: `/home/mira/Documents/Megatorrent/${item.name}` });
        return done;
      }
      case "pause_for": {
        const until = Date.now() + request.params.seconds * 1000;
        this.status = { ...this.status, paused: true, held: { cause: "paused_until", until } };
        this.emit({ event: "status", data: this.status });
        return done;
      }
      case "move_data": {
        const total = this.#items().reduce((sum, item) => sum + (item.path ? item.have : 0), 0);
        for (let i = 0; i <= 8; i += 1) {
          await wait(this.slow / 4);
          this.emit({ event: "moving", data: { done: Math.round((total * i) / 8), total } });
        }
        this.settings = { ...this.settings, download_dir: this.#folder(request.params.dir) };
        return done;
      }
      case "rekey": {
        const { channel } = this.#channel(request.params.channel);
        if (!channel.own) refuse("not_own", "This channel is not yours to change.");
        if (!channel.private) refuse("kind_mismatch", "This channel is public. It has no read key.");
        this.#links.set(channel.key, `megatorrent://${channel.key}:${this.#chance.hex(64)}?bootstrap=203.0.113.24:51413`);
        return { kind: "published", value: this.#published(channel, null) };
      }
      case "new_key": {
        const key = /^megatorrent:\/\/([0-9a-f]{64}):[0-9a-f]{64}/i.exec(request.params.link)?.[1]?.toLowerCase() ?? refuse("bad_link", "This link has no read key.");
        const made = this.#channel(key);
        this.#links.set(key, request.params.link);
        return { kind: "channel", value: this.#tell(made, { cause: null }) };
      }
      case "shutdown":
        return done;
    }
  }

  #parse(link: string) {
    const found = /^megatorrent:\/\/([0-9a-f]{64})(?::([0-9a-f]{64}))?(?:\?(.*))?$/i.exec(link.trim());
    const key = found?.[1]?.toLowerCase();
    if (!key) return refuse("bad_link", "This link is none.");
    const known = this.#made.get(key)?.channel;
    if (known && found?.[2] && known.private && found[2] === "00".repeat(32)) refuse("other_read_key", "Known with another read key.");
    const bootstrap = new URLSearchParams(found?.[3] ?? "").getAll("bootstrap");
    return { key, fingerprint: fingerprintOf(key), private: found?.[2] !== undefined, bootstrap, known: known !== undefined && !known.own, own: known?.own ?? false };
  }

  /** What is behind a link that nobody follows yet. */
  #behind(key: string, secret: boolean): Made {
    if (key.startsWith("0000")) refuse("timed_out", "Nobody showed the list.");
    const made = tidewater(Date.now(), makeChance(5));
    const items = made.items.slice(0, 212).map((item): ItemInfo => ({ ...item, channel: key, state: "listed", have: 0, rate: 0, cause: null, path: null }));
    items[0] = { ...(items[0] as ItemInfo), name: "Letters, autumn 1961" };
    items[1] = { ...(items[1] as ItemInfo), name: "Letters, winter 1961–62" };
    const channel = { ...made.channel, key, fingerprint: fingerprintOf(key), private: secret, name: "Ingrid & Pål: letters 1961–74", about: "Scans and readings, a letter a week.", fetch: "none" as const };
    return { channel: settle(channel, items), items };
  }

  #pause(target: Extract<Request, { method: "pause" }>["params"], pause: boolean): Reply {
    if (target === "all") {
      this.status = { ...this.status, paused: pause };
      delete this.status.held;
      this.emit({ event: "status", data: this.status });
    } else if ("channel" in target) {
      this.#tell(this.#channel(target.channel), { paused: pause, cause: pause ? { cause: "paused" } : null });
    } else {
      const { made, item } = this.#item(target.item);
      this.#put(made, item.id, pause ? { state: "paused", rate: 0, cause: null } : { state: "fetching", rate: 1.1 * MB, cause: null });
    }
    return done;
  }

  #identity(request: Extract<Request, { method: "id_new" | "id_rename" | "id_import" | "id_export" }>): Reply {
    if (request.method === "id_export") return done;
    if (request.method === "id_rename") {
      const { identity, name } = request.params;
      if (this.identities.some((one) => one.name === name && one.key !== identity)) refuse("exists", "That name is taken.");
      this.identities = this.identities.map((one) => (one.key === identity ? { ...one, name } : one));
      return { kind: "identity", value: this.identities.find((one) => one.key === identity) as IdentityInfo };
    }
    if (request.method === "id_import" && request.params.passphrase === "wrong") refuse("wrong_passphrase", "It does not open the backup.");
    const name = request.params.name ?? "Restored";
    if (this.identities.some((one) => one.name === name)) refuse("exists", "That name is taken.");
    const key = this.#chance.hex(64);
    const kept = this.status.secrets === "keyring" ? "keyring" : "vault";
    const identity: IdentityInfo = { name, key, fingerprint: fingerprintOf(key), link: `megatorrent://${key}`, private: null, created: Date.now(), kept };
    this.identities = [...this.identities, identity];
    return { kind: "identity", value: identity };
  }

  #published(channel: ChannelInfo, item: ItemInfo | null): Published {
    return {
      link: `megatorrent://${channel.key}${channel.private ? `:${"4f".repeat(32)}` : ""}`,
      item: item?.id ?? null,
      sequence: Date.now(),
      dht_nodes: 8,
      gateways: 0,
      shown_by: 0,
      pushed: 2,
      files: item?.files ?? 0,
      bytes: item?.bytes ?? 0,
      blobs: Math.ceil((item?.bytes ?? 0) / (1.048 * MB)),
      left_out: [],
      seeding: true,
    };
  }

  async #publish(args: Extract<Request, { method: "publish" }>["params"]): Promise<Published> {
    const identity = this.identities.find((one) => one.key === args.identity || one.name === args.identity);
    if (!identity) return refuse("not_found", "There is no such identity.");
    if (identity.private !== null && identity.private !== args.private) refuse("kind_mismatch", "It is of the other kind.");
    const title = args.title ?? "Untitled";
    const bytes = 6_800 * MB;
    const base = { title, done: 0, total: 0, announced: 0, to_announce: 0 };
    this.emit({ event: "publishing", data: { ...base, stage: "scan" } });
    for (let i = 0; i <= 8; i += 1) {
      await wait(this.slow / 4);
      this.emit({ event: "publishing", data: { ...base, stage: "seal", total: bytes, done: Math.round((bytes * i) / 8) } });
    }
    // Sealed, it waits until something can leave; whoever wants can call it off.
    const link = `megatorrent://${identity.key}`;
    while (this.status.route.state.state === "starting") {
      const { percent } = this.status.route.state;
      this.emit({ event: "publishing", data: { ...base, stage: "wait", total: bytes, done: bytes, link, cause: { cause: "tor_starting", percent } } });
      if (this.#calledOff.has(args.job ?? "")) refuse("cancelled", "It was called off.");
      await wait(20);
    }
    for (let i = 1; i <= 5; i += 1) {
      await wait(this.slow / 4);
      this.emit({ event: "publishing", data: { ...base, stage: "announce", total: bytes, done: bytes, announced: i * 248, to_announce: 1240 } });
    }
    this.emit({ event: "publishing", data: { ...base, stage: "publish", total: bytes, done: bytes, announced: 1240, to_announce: 1240 } });
    await wait(this.slow / 2);
    identity.private = args.private;
    const made = this.#made.get(identity.key) ?? {
      channel: { key: identity.key, fingerprint: identity.fingerprint, name: identity.name, about: "", private: args.private, own: true, sequence: Date.now(), listed: Date.now(), items: 0, complete: 0, bytes: 0, checked: Date.now(), seen_by: 8, peers: 2, signed_twice: false, paused: false, fetch: "all" as const, cause: null },
      items: [],
    };
    this.#made.set(identity.key, made);
    const item: ItemInfo = { id: this.#chance.hex(32), channel: identity.key, name: title, about: args.about ?? "", published: Date.now(), files: 42, bytes, have: bytes, rate: 0, state: "published", cause: null, path: null, left_out: [] };
    made.items = [item, ...made.items];
    this.#tell(made, { sequence: Date.now(), listed: Date.now() });
    return { ...this.#published(made.channel, item), left_out: [leftOut] };
  }
}
