/** What lives in the mock world: invented channels and items, with the rough edges that real ones have. */
import type { Cause, ChannelInfo, FileInfo, ItemInfo, ItemState, PeerInfo } from "../gen/api";
import { makeChance, type Chance } from "./chance";

export const KB = 1000;
export const MB = 1000 * KB;
export const GB = 1000 * MB;
export const MINUTE = 60_000;
export const HOUR = 60 * MINUTE;
export const DAY = 24 * HOUR;

export const fingerprintOf = (key: string): string => (key.match(/.{4}/g) ?? []).join(" ");

function channel(key: string, now: number, more: Partial<ChannelInfo> & { updated?: number | null }): ChannelInfo {
  const { updated, ...rest } = more;
  return {
    key,
    fingerprint: fingerprintOf(key),
    name: "",
    about: "",
    private: false,
    own: false,
    sequence: updated === null ? 0 : now - (updated ?? HOUR),
    listed: updated === null ? 0 : now - (updated ?? HOUR),
    items: 0,
    complete: 0,
    bytes: 0,
    checked: now - 20_000,
    seen_by: 8,
    peers: 0,
    signed_twice: false,
    paused: false,
    fetch: "all",
    cause: null,
    ...rest,
  };
}

export interface Made {
  channel: ChannelInfo;
  items: ItemInfo[];
}

/** One line of a channel's list: name, age in ms, bytes, and what differs from a finished download of one file. */
type Row = [name: string, age: number, bytes: number, more?: More];
type More = Partial<ItemInfo> & { share?: number };

function fill(info: ChannelInfo, rows: Row[], now: number, chance: Chance): Made {
  const items = rows.map(([name, age, bytes, more = {}]): ItemInfo => {
    const { share, ...rest } = more;
    const state: ItemState = rest.state ?? "complete";
    const here = state === "complete" || state === "published";
    return {
      id: chance.hex(32),
      channel: info.key,
      name,
      about: "",
      published: now - age,
      files: 1,
      bytes,
      have: Math.round(bytes * (share ?? (here ? 1 : 0))),
      rate: 0,
      state,
      cause: null,
      path: here || share ? `/home/mira/Documents/Megatorrent/${info.name.replace(/[^\p{L}\p{N} ]/gu, "")}/${name}` : null,
      left_out: [],
      ...rest,
    };
  });
  return { channel: settle(info, items), items };
}

/** Counts of a channel from its items. */
export function settle(info: ChannelInfo, items: readonly ItemInfo[]): ChannelInfo {
  return {
    ...info,
    items: items.length,
    complete: items.filter((item) => item.state === "complete" || item.state === "published").length,
    bytes: items.reduce((sum, item) => sum + item.bytes, 0),
  };
}

const waiting = (cause: Cause, share = 0): More => ({ state: "waiting", cause, share });
const moving = (share: number, rate: number, more: Partial<ItemInfo> = {}): More => ({ state: "fetching", share, rate, ...more });
const listed: More = { state: "listed" };

const PLACES = ["Knoll Marsh", "Hallett Point", "Fårö", "Île de Groix", "Porto", "Lake Inari", "Skagen", "Zadar", "Cromer", "Reposaari"];
const SOUNDS = ["Wind in marram grass", "Cable ferry bell", "Night rain on a tin roof", "Curlews over the flats", "Ropes at low water", "Shipyard, early shift", "Ice breaking up", "Gulls at the fish quay", "Bilge pump", "Church bell across water"];

/** Older items, so that lists are as long as real ones. */
function older(count: number, from: number, chance: Chance, states: (i: number) => More): Row[] {
  return Array.from({ length: count }, (_, i): Row => {
    const name = `${chance.of(SOUNDS)}, ${chance.of(PLACES)}, take ${1 + chance.below(9)}.flac`;
    return [name, from + i * (DAY * 1.1 + chance.below(DAY)), (20 + chance.below(500)) * MB + chance.below(MB), states(i)];
  });
}

const TIDEWATER = "7f3a91c20be4d1556c02a9be77013f48c2ad904e51f36b1d8890f2a7e05d64d1";

export function tidewater(now: number, chance: Chance): Made {
  const info = channel(TIDEWATER, now, {
    name: "Tidewater Field Recordings",
    about: "Unedited sound from estuaries, harbours and islands. CC0.",
    updated: 3 * MINUTE,
    peers: 41,
    fetch: { newest: 10 },
    keep: { bytes: 120 * GB },
  });
  const rows: Row[] = [
    ["Dawn chorus, Knoll Marsh", 3 * MINUTE, 1.24 * GB, moving(0.62, 3.1 * MB, { files: 14, about: "Two microphones in the reeds, from the first blackbird to full light.\n\nNo cuts. The aeroplane at 41 minutes is part of it." })],
    ["Curlews over the salt flats.flac", 2 * HOUR, 286 * MB, listed],
    ["Ferry engine room, MV Solveig.flac", 26 * HOUR, 412 * MB, waiting({ cause: "nobody_has_it", connected: 5 }, 0.99)],
    ["Ice on Lake Inari, contact microphones", 5 * DAY, 6.8 * GB, { files: 31, ...waiting({ cause: "queued" }) }],
    ["Fog signal, Hallett Point: final week.flac", 9 * DAY, 1.06 * GB, { pinned: true }],
    ["Microphone log and map, autumn 2026.pdf", 9 * DAY + HOUR, 9.4 * MB],
    ["Night rain on a tin roof.flac", 16 * DAY, 318 * MB, moving(0.08, 1.7 * MB, { priority: "high" })],
    ["Market hall before opening, Porto.flac", 23 * DAY, 171 * MB, { state: "changed", cause: { cause: "files_changed", files: 1 }, share: 0.4 }],
    ["Wind in marram grass.flac", 30 * DAY, 118 * MB],
    ["Cable ferry bell, Fårö.flac", 37 * DAY, 66 * MB],
    ["Shipyard, last shift before the summer", 44 * DAY, 740 * MB, { files: 8 }],
    ...older(1193, 50 * DAY, chance, (i) => (i < 380 ? {} : listed)),
  ];
  return fill(info, rows, now, chance);
}

export function world(now: number): Made[] {
  const chance = makeChance(7);
  const reel = channel("5b07c9d1e8aa40f2b3c4415d9906e7f81a2b3c4d5e6f708192a3b4c5d6e7f809", now, {
    name: "Reel Commons",
    about: "Films whose time has run out, scanned again.",
    updated: 26 * HOUR,
    peers: 22,
    fetch: "none",
  });
  const gauges = channel("2c81f00d9e3a7b6c5d4e3f201122334455667788990aabbccddeeff001122334", now, {
    name: "OpenRiver Gauges",
    about: "Water levels of 4,100 stations, every night.",
    updated: 6 * DAY,
    checked: now - 4 * MINUTE,
    peers: 0,
    cause: { cause: "none_online", known: 3 },
  });
  const family = channel("b06e2f19c3d4a5b60718293a4b5c6d7e8f90a1b2c3d4e5f60718293a4b5c07ac", now, {
    name: "Lindqvist family",
    about: "Only for us. Pictures from the summer are in August.",
    private: true,
    own: true,
    updated: 14 * DAY,
    peers: 4,
  });
  return [
    tidewater(now, chance),
    fill(
      channel("a1e09c4477d2b31f58c6e0aa9b1d23f4e5061728394a5b6c7d8e9fa0b1c2d3e4", now, { name: "Alder Linux", about: "Installation images, signed, each Thursday.", updated: 2 * HOUR, peers: 63, fetch: { newest: 1 } }),
      [
        ["alder-2026.47-desktop-amd64.iso", 2 * HOUR, 3.12 * GB, listed],
        ["alder-2026.46-desktop-amd64.iso", 7 * DAY, 3.11 * GB],
        ["alder-2026.45-desktop-amd64.iso", 14 * DAY, 3.11 * GB],
      ],
      now,
      chance,
    ),
    fill(
      channel("f2d9481c6b3055aa77ce10984f3e2d1c0b9a8776655443322110ffeeddccbbaa", now, { name: "The Harbour Courier", about: "The whole paper, every morning at six.", updated: 7 * HOUR, peers: 18 }),
      Array.from({ length: 40 }, (_, i): Row => [`Harbour Courier, no. ${4210 - i}.pdf`, i * DAY + 7 * HOUR, (18 + chance.below(9)) * MB, i === 0 ? listed : {}]),
      now,
      chance,
    ),
    fill(
      channel("0d3b7788aa11ccee99225544ff6600dd1c2b3a495867768594a3b2c1d0e0f101", now, { name: "Slow Signals", about: "One long piece of radio a month.", updated: 9 * DAY, peers: 6, keep: { newest: 12 }, encrypted: true }),
      [["Slow Signals 31: Antennas", 9 * DAY, 88 * MB, { mime: "audio/mpeg", encrypted: true, path: null }], ["Slow Signals 30: The relay keepers.mp3", 40 * DAY, 91 * MB]],
      now,
      chance,
    ),
    fill(
      reel,
      [
        ["A Trip to the Moon (1902)", 2 * DAY, 1.86 * GB, { files: 4, about: "Georges Méliès, 260 metres of film, scanned from a nitrate print. Public domain everywhere.", ...moving(0.53, 2.2 * MB) }],
        ["The Cabinet of Dr. Caligari (1920), 4K scan with tinting notes", 6 * DAY, 31.7 * GB, { files: 3, ...waiting({ cause: "disk_full", free: 1.2 * GB, needed: 26.3 * GB }, 0.17) }],
        ["Steamboat landing, Elbe (1911).mp4", 12 * DAY, 640 * MB],
        ["Poster scans", 20 * DAY, 210 * MB, { files: 64 }],
        ["Notes on nitrate storage.pdf", 33 * DAY, 4.2 * MB, listed],
      ],
      now,
      chance,
    ),
    fill(
      gauges,
      [
        ["Gauge readings 1994–2025, all basins", 6 * DAY, 22.1 * GB, { files: 9, ...waiting({ cause: "none_online", known: 3 }, 0.41) }],
        ["openriver_gauges_1994-2025_all_basins_daily_means_v3_final.tar.zst", 8 * DAY, 22.1 * GB, listed],
      ],
      now,
      chance,
    ),
    fill(family, Array.from({ length: 38 }, (_, i): Row => [i === 0 ? "August" : `Album ${38 - i}`, (14 + i * 11) * DAY, (200 + chance.below(900)) * MB, { state: "published", files: 20 + chance.below(200) }]), now, chance),
    fill(
      channel("93c0ffee00d15ea5e5ca1ab1e0ddba11feedface8badf00dcafebabe12345678", now, { name: "أرشيف الأصوات", about: "تسجيلات من الموانئ والجزر، منذ عام ١٩٦٢.", updated: 20 * DAY, peers: 3 }),
      [["مجموعة تسجيلات الميناء القديم، الجزء الثاني", 20 * DAY, 2.1 * GB, { files: 22 }]],
      now,
      chance,
    ),
    fill(
      channel("6e5d4c3b2a190817263544536271809f8e7d6c5b4a39281706f5e4d3c2b1a090", now, { name: "Cartographer’s Attic: maps nobody prints any more", about: "", updated: 60 * DAY, paused: true, cause: { cause: "paused" }, peers: 0 }),
      [["Admiralty chart 2182A, North Sea, 1916.tif", 60 * DAY, 480 * MB]],
      now,
      chance,
    ),
  ];
}

/** Names that attack, lists without end, scripts that run the other way. */
export function stress(now: number): Made[] {
  const chance = makeChance(11);
  const archive = channel("93c0ffee00d15ea5e5ca1ab1e0ddba11feedface8badf00dcafebabe12345678", now, {
    name: "أرشيف الأصوات من الموانئ والجزر",
    about: "تسجيلات من الموانئ والجزر، منذ عام ١٩٦٢.",
    updated: 2 * DAY,
    checked: now - 9 * MINUTE,
    peers: 0,
    cause: { cause: "dht_unreachable" },
    seen_by: 2,
  });
  const rows: Row[] = [
    ["مجموعة تسجيلات الميناء القديم، الجزء الثاني", HOUR, 2.1 * GB, { files: 22, ...waiting({ cause: "dht_unreachable" }) }],
    ["openriver_gauges_1994-2025_all_basins_daily_means_version_three_really_final.tar.zst", 5 * HOUR, 22.1 * GB, waiting({ cause: "none_online", known: 12 }, 0.41)],
    ["Fog signal, Hallett Point: final week.flac", DAY, 1.06 * GB],
    ["Île de Groix — l’écume, la cloche et les câbles sous la pluie de novembre, quatrième nuit.flac", 2 * DAY, 233 * MB],
    ["x", 3 * DAY, 0],
    ["<img src=x onerror=alert(1)><b>bold</b>", 4 * DAY, 12 * MB, listed],
    ["holiday\u202egpj.exe", 5 * DAY, 3 * MB, listed],
    [`${"very long name without any end ".repeat(300)}`, 6 * DAY, 118 * MB, listed],
    ["line one\nline two\u0000\u0007 end", 7 * DAY, 66 * MB, { state: "waiting", cause: { cause: "bad_content", what: "the tree's\u202e hash <i>differs</i>" }, share: 0.2 }],
    ["Folder that cannot be written", 8 * DAY, 740 * MB, { files: 8, ...waiting({ cause: "folder_not_writable", path: "/media/mira/Untitled Disk With A Long Name/Megatorrent/Incoming" }, 0.3) }],
    ...older(10_472, 9 * DAY, chance, (i) => (i < 80 ? {} : listed)),
  ];
  return [
    fill(archive, rows, now, chance),
    ...world(now).slice(0, 6),
    fill(
      channel("ee".repeat(32), now, { name: "<script>alert('channel')</script>".repeat(4), about: "A\u202eB <b>not bold</b> ".repeat(60), updated: null, checked: null, seen_by: null, cause: { cause: "no_manifest" }, signed_twice: true }),
      [],
      now,
      chance,
    ),
    fill(
      channel("dd".repeat(32), now, { name: "", updated: null, checked: null, seen_by: null, private: true, cause: { cause: "locked" } }),
      [],
      now,
      chance,
    ),
  ];
}

/** The files of an item. */
export function filesOf(item: ItemInfo): FileInfo[] {
  const file = (path: string, size: number, have: number, mime: string | null = null): FileInfo => ({ path, size, have, mime });
  if (item.name.startsWith("A Trip to the Moon")) {
    return [
      file("moon-1902-4k.webm", 1.71 * GB, Math.round(1.71 * GB * Math.min(1, item.have / item.bytes)), "video/webm"),
      file("moon-1902-colour.webm", 148 * MB, 148 * MB, "video/webm"),
      file("moon-1902.en.srt", 4 * KB, 4 * KB),
      file("restoration-notes.pdf", 2.1 * MB, 0, "application/pdf"),
    ];
  }
  if (item.files === 1) return [file(/\.\w{1,5}$/.test(item.name) ? item.name : `${item.name}.flac`, item.bytes, item.have)];
  const each = Math.floor(item.bytes / item.files);
  let left = item.have;
  return Array.from({ length: item.files }, (_, i) => {
    const size = i === item.files - 1 ? item.bytes - each * (item.files - 1) : each;
    const have = Math.max(0, Math.min(size, left));
    left -= have;
    const number = String(i + 1).padStart(2, "0");
    const name = item.name.includes("Poster") || item.channel.startsWith("b06e") ? `${number}.jpg` : i === 0 ? "README.txt" : `${number} ${item.name.split(",")[0] ?? ""}.flac`;
    return file(name, size, have);
  });
}

export function peersOf(count: number): PeerInfo[] {
  const chance = makeChance(3);
  return Array.from({ length: count }, (_, i) => ({
    addr: i % 7 === 6 ? `${chance.hex(28)}${chance.hex(28)}.onion:6881` : i % 5 === 4 ? `[2001:db8:${chance.hex(4)}::${chance.hex(3)}]:${1024 + chance.below(60_000)}` : `203.0.113.${1 + chance.below(250)}:${1024 + chance.below(60_000)}`,
    kind: i % 7 === 6 ? "onion" : "direct",
    v5: i % 20 === 19,
    inbound: chance.below(3) === 0,
    received: chance.below(900) * MB,
    sent: chance.below(300) * MB,
  }));
}
