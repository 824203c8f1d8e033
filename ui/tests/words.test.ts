import { describe, expect, test } from "vitest";
import type { Cause, LeftOutReason, RouteInfo, RouteKind, RouteReason, RouteStanding } from "../src/host/gen/api";
import { causeDetail } from "../src/parts/standing";
import { langFor, speak, type Lang } from "../src/words/words";

/** Every code of a reason: a record, so that none can be missing here. */
const REASON: Record<RouteReason, true> = {
  proxy_refused: true,
  proxy_unreachable: true,
  proxy_silent: true,
  no_socks: true,
  login_wanted: true,
  login_refused: true,
  no_tor: true,
  tor_ended: true,
  control_refused: true,
  no_circuits: true,
  other: true,
};
const REASONS = Object.keys(REASON) as RouteReason[];
const LEFT_OUT: LeftOutReason[] = [
  { reason: "empty" },
  { reason: "outside" },
  { reason: "character", character: "?" },
  { reason: "invisible", code: "U+202E" },
  { reason: "device", name: "AUX" },
  { reason: "trailing" },
  { reason: "long", bytes: 1, most: 255 },
  { reason: "long", bytes: 300, most: 255 },
  { reason: "deep" },
  { reason: "same" },
  { reason: "link" },
  { reason: "no_file" },
  { reason: "empty_folder" },
  { reason: "no_text" },
  { reason: "unreadable" },
  { reason: "secret" },
  { reason: "other" },
];
const CAUSES: Cause[] = [
  { cause: "no_peers_known", asked: 0 },
  { cause: "no_peers_known", asked: 1 },
  { cause: "no_peers_known", asked: 41 },
  { cause: "none_online", known: 3 },
  { cause: "only_banned", known: 1, until: 1_800_000_000_000 },
  { cause: "only_banned", known: 3, until: 1_800_000_000_000 },
  { cause: "nobody_has_it", connected: 1 },
  { cause: "nobody_has_it", connected: 5 },
  { cause: "no_manifest" },
  { cause: "dht_unreachable" },
  { cause: "paused" },
  { cause: "queued" },
  { cause: "disk_full", free: 1.2e9, needed: 26.3e9 },
  { cause: "files_changed", files: 1 },
  { cause: "files_changed", files: 7 },
  { cause: "folder_not_writable", path: "/mnt/x" },
  { cause: "in_the_way", path: "/mnt/x" },
  { cause: "bad_content", what: "hash" },
  { cause: "locked" },
  { cause: "tor_starting", percent: 40 },
  ...REASONS.map((reason): Cause => ({ cause: "tor_down", why: "no answer", reason })),
  ...REASONS.map((reason): Cause => ({ cause: "proxy_down", why: "no answer", reason })),
  { cause: "no_way_in" },
  { cause: "died_reading" },
  { cause: "paused_until", until: 1_800_000_000_000 },
  { cause: "schedule", until: null },
  { cause: "schedule", until: 1_800_000_000_000 },
  { cause: "month_used", limit: 5e11, until: 1_800_000_000_000 },
  { cause: "quota", quota: 6e10, used: 5.9e10, needed: 2e9 },
  { cause: "wrong_read_key", what: "x" },
  { cause: "no_dht", listening: true },
  { cause: "no_dht", listening: false },
  { cause: "unreached", addr: "host.example:1", why: "no answer", dht: false },
  { cause: "trouble", code: "corrupt", what: "x" },
];
const STANDINGS: RouteStanding[] = [{ state: "up" }, { state: "starting", percent: 0 }, { state: "starting", percent: 40 }, { state: "down", why: "x", reason: "other" }];
const KINDS: RouteKind[] = ["direct", "proxy", "tor", "both"];
const ROUTES: RouteInfo[] = KINDS.flatMap((kind) =>
  STANDINGS.map((state) => ({ route: kind, kind, state, onions: [], no_inbound: null })),
);

/** Every message of a language with its place; functions are asked with numbers and words that make each branch speak. */
function messages(node: unknown, path = ""): [string, string][] {
  if (typeof node === "string") return [[path, node]];
  if (typeof node === "function") {
    if (path === ".cause" || path === ".remedy") return CAUSES.flatMap((cause) => messages((node as (cause: Cause) => unknown)(cause), path));
    if (path === ".leftOutWhy") return LEFT_OUT.flatMap((why) => messages((node as (why: LeftOutReason) => unknown)(why), path));
    if (path === ".route.why") return REASONS.flatMap((why) => messages((node as (why: RouteReason) => unknown)(why), path));
    if (path === ".foot.route") return ROUTES.flatMap((route) => messages((node as (route: RouteInfo) => unknown)(route), path));
    if (path === ".route.standing") return ROUTES.flatMap((route) => [null, "51413"].flatMap((port) => [true, false].flatMap((mapped) => messages((node as (...all: unknown[]) => unknown)(route, port, mapped), path))));
    if (path.startsWith(".route.leave")) return KINDS.flatMap((from) => KINDS.flatMap((to) => messages((node as (...all: unknown[]) => unknown)(from, to), path)));
    return [0, 1, 2, 1234].flatMap((n) => messages((node as (...all: unknown[]) => unknown)(n, n, n), path));
  }
  if (typeof node === "object" && node !== null) return Object.entries(node).flatMap(([key, value]) => messages(value, `${path}.${key}`));
  throw new Error(`${path} is ${typeof node}`);
}
const keys = (node: unknown, path = ""): string[] =>
  typeof node === "object" && node !== null ? Object.entries(node).flatMap(([key, value]) => keys(value, `${path}.${key}`)) : [path];

describe.each(["en", "de"] as Lang[])("%s", (lang) => {
  const { t } = speak(lang, []);

  test("is whole: the same places as English, nothing empty that should speak", () => {
    expect(keys(t).sort()).toEqual(keys(speak("en", []).t).sort());
    const mayBeEmpty = /\.rest$|^\.remedy$/;
    for (const [path, text] of messages(t)) if (!mayBeEmpty.test(path)) expect(text, path).not.toBe("");
  });

  test("keeps the tone: no exclamation mark, nobody begs, nothing undefined", () => {
    for (const [path, text] of messages(t)) {
      expect(text, path).not.toMatch(/!|\bplease\b|\bbitte\b(?! um)|\berror\b|\bfehler\b|undefined|\bNaN\b|\[object/i);
      expect(text, path).not.toMatch(/ {2}/);
    }
  });

  test("every cause has its words", () => {
    for (const cause of CAUSES) expect(t.cause(cause).word).not.toBe("");
  });
});

test("German says something else than English nearly everywhere", () => {
  const [en, de] = [new Map(messages(speak("en", []).t)), new Map(messages(speak("de", []).t))];
  const same = [...en].filter(([path, text]) => de.get(path) === text && /[a-z]{4}/i.test(text)).map(([path]) => path);
  // Names, and words that both languages share.
  for (const path of same) expect(path).toMatch(/app$|network\.(dht|onion|version|direct)|identities\.(link|name)|qrName|edit\.name|settings\.version|peersKinds|sequence|esc$|[pP]assphrase$|settings\.program|keys\.help|route\.names|kind\.(video|text)/);
});

test("what the node says in English stands in no sentence of another language", () => {
  const said = "connection refused (os error 111)";
  for (const lang of ["en", "de"] as Lang[]) {
    const { t } = speak(lang, []);
    const causes: Cause[] = [
      { cause: "tor_down", why: said, reason: "no_tor" },
      { cause: "proxy_down", why: said, reason: "proxy_refused" },
      { cause: "bad_content", what: said },
      { cause: "wrong_read_key", what: said },
    ];
    for (const cause of causes) {
      expect(`${t.cause(cause).word} ${t.cause(cause).rest} ${t.remedy(cause)}`).not.toContain("refused (os");
      expect(causeDetail(cause)).toBe(said);
    }
  }
  const { t } = speak("de", []);
  expect(t.leftOutWhy({ reason: "character", character: "?" })).toBe("Windows kann keinen Namen mit „?“ ablegen.");
  expect(t.remedy({ cause: "proxy_down", why: said, reason: "proxy_refused" })).toBe("An der Adresse des Proxys antwortet nichts. Es wird von selbst wieder versucht.");
});

test("the language follows the choice, then the system, then English", () => {
  expect(langFor("de", ["en-GB"])).toBe("de");
  expect(langFor("system", ["fr-FR", "de-AT", "en"])).toBe("de");
  expect(langFor("system", ["fr-FR"])).toBe("en");
});

test("plural and numbers go by language", () => {
  expect(speak("en", []).t.files(1)).toBe("1 file");
  expect(speak("en", []).t.files(1204)).toBe("1,204 files");
  expect(speak("de", []).t.files(1204)).toBe("1.204 Dateien");
  expect(speak("de", []).t.ago(3 * 24 * 3600_000)).toBe("vor 3 Tagen");
  expect(speak("en", []).t.ago(59_000)).toBe("just now");
});
