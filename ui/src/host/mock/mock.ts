/** The host of the mock world. Its address chooses the scene: `?scene=stress&theme=dark&lang=de&dir=rtl`. */
import { isErrorInfo, type Drag, type Handed, type Host, type HostSettings, type NodeState, type Picked, type SeenMark } from "../host";
import { MockNode, type Scene } from "./node";
import moon from "./moon.webm?url";
import { tone } from "./tone";

const DAY = 24 * 3600_000;

export interface MockHost extends Host {
  node_: MockNode;
  /** For tests: drops, links and states as the shell would send them. */
  drag(drag: Drag): void;
  link(link: string): void;
  close(): void;
  state(state: NodeState): void;
  copied: string[];
  picks: Picked[][];
}

export function makeMock(scene: Scene = "world", change: Partial<HostSettings> = {}): MockHost {
  const node = new MockNode(scene);
  const now = Date.now();
  let settings: HostSettings = {
    welcomed: scene !== "first",
    language: "system",
    theme: "system",
    close_to_tray: true,
    autostart: false,
    seen: {},
    last: null,
    outside: [],
    ...change,
  };
  if (scene !== "first" && !change.seen) {
    // Looked at some days ago: what came since is new.
    const marks: [string, number][] = [["7f3a91c2", 3], ["a1e09c44", 1], ["f2d9481c", 4], ["5b07c9d1", 1], ["93c0ffee", scene === "stress" ? 128 : 0]];
    const seen = node.channels().map((channel): [string, SeenMark] => {
      const fresh = marks.find(([head]) => channel.key.startsWith(head))?.[1] ?? 0;
      return [channel.key, { at: now - DAY, items: channel.items - fresh }];
    });
    settings = { ...settings, seen: Object.fromEntries(seen) };
  }
  let state: NodeState = scene === "damaged" ? { state: "failed", error: { code: "corrupt", message: "The data folder is damaged: store.db: database disk image is malformed." } } : scene === "failed" ? { state: "failed", error: { code: "port_taken", message: "bind 0.0.0.0:51413: Address already in use (os error 98)" } } : { state: "running" };
  const states = new Set<(state: NodeState) => void>();
  const drags = new Set<(drag: Drag) => void>();
  const links = new Set<(link: string) => void>();
  const closes = new Set<() => void>();
  const knownKind = (path: string): string => /\.(flac|mp3|ogg|wav|webm|mp4|mkv|pdf|txt|png|jpg)$/i.exec(path)?.[1]?.toLowerCase() ?? "";
  /** As the shell does: while the route hides, another program is asked about. */
  const hand = (kind: string, sure: boolean): Handed => {
    const hides = node.status.route.kind === "tor" || node.status.route.kind === "proxy";
    return hides && !sure && !settings.outside.includes(kind) ? { handed: "asks", kind } : { handed: "opened" };
  };
  let handle = 0;

  const tell = (next: NodeState) => {
    state = next;
    for (const listener of states) listener(next);
  };
  const keep = (picked: Omit<Picked, "handle">): Picked => {
    const whole = { ...picked, handle: `handle-${(handle += 1)}` };
    node.files.set(whole.handle, whole);
    return whole;
  };
  const later = <T>(value: T): Promise<T> => new Promise((resolve) => setTimeout(() => resolve(value), 10));

  const host: MockHost = {
    node_: node,
    copied: [],
    picks: [],
    drag: (drag) => drags.forEach((listener) => listener(drag)),
    link: (link) => links.forEach((listener) => listener(link)),
    close: () => closes.forEach((listener) => listener()),
    state: tell,

    async call(request) {
      try {
        return await node.call(request);
      } catch (thrown) {
        throw isErrorInfo(thrown) ? thrown : { code: "internal", message: String(thrown) };
      }
    },
    async watch(listener) {
      node.start();
      const stop = node.watch(listener);
      return () => {
        node.stop();
        stop();
      };
    },
    async node(listener) {
      states.add(listener);
      listener(state);
      return () => states.delete(listener);
    },
    retry: async () => {
      tell({ state: "starting" });
      setTimeout(() => tell({ state: "running" }), 700);
    },
    rebuild: async () => {
      tell({ state: "starting" });
      setTimeout(() => tell({ state: "running" }), 700);
      return { rows: 81_204, torn: ["chunks"], replanned: 3, unshared: 1, kept: "/home/mira/.local/share/megatorrent/store.db.damaged1" };
    },
    quit: async () => tell({ state: "stopping" }),
    surroundings: () => later({ tray: true, autostart: true, programs: true, download_dir: "/home/mira/Documents/Megatorrent", disk_free: 152_000_000_000, settings_lost: false, platform: "browser" as const }),
    settings: () => later(settings),
    setSettings: async (more) => (settings = { ...settings, ...more }),
    async pick(pick) {
      const prepared = host.picks.shift();
      if (prepared) return prepared.map((one) => keep(one));
      if (pick.what === "folder") return [keep({ name: "Hallett Point 2026", folder: true, bytes: null })];
      if (pick.what === "backup") return [keep({ name: "lindqvist-family.age", folder: false, bytes: 412 })];
      if (pick.what === "save") return [keep({ name: pick.name, folder: false, bytes: null })];
      return [keep({ name: "Fog signal, last blast.flac", folder: false, bytes: 188_400_000 })];
    },
    picture: async () => new Blob([], { type: "image/png" }),
    save: async () => true,
    async onDrag(listener) {
      drags.add(listener);
      return () => drags.delete(listener);
    },
    async onLink(listener) {
      links.add(listener);
      return () => links.delete(listener);
    },
    async onClose(listener) {
      closes.add(listener);
      return () => closes.delete(listener);
    },
    stay: async () => undefined,
    openFolder: async () => undefined,
    // What may run is shown in its folder.
    openFile: async (_item, path, sure) => (knownKind(path) === "" ? { handed: "shown" } : hand(knownKind(path), sure)),
    async copyText(text) {
      host.copied.push(text);
    },
    play: (_item, path) => later(/\.(flac|mp3|ogg|wav)$/.test(path) ? { url: tone(), mime: "audio/wav" } : { url: moon, mime: "video/webm" }),
    playOutside: async (_item, path, sure) => hand(knownKind(path), sure),
  };
  return host;
}

/** As a page of the browser asks for it. */
export function mockFromAddress(address: URLSearchParams): MockHost {
  const language = address.get("lang");
  const theme = address.get("theme");
  if (address.get("dir") === "rtl") document.documentElement.dir = "rtl";
  const host = makeMock((address.get("scene") ?? "world") as Scene, {
    ...(language === "de" || language === "en" ? { language } : {}),
    ...(theme === "light" || theme === "dark" ? { theme } : {}),
  });
  if (address.has("pace")) host.node_.pace = Number(address.get("pace"));
  // For whoever tries things out in the browser's console, and for the pictures.
  Object.assign(window, { mock: host });
  return host;
}
