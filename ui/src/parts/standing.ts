/** Where an item or a channel stands, as it is drawn: icon, tone, words, bar. */
import type { Cause, ItemInfo } from "../host/gen/api";
import { wantedFiles } from "../state/ready";
import type { Sentence, Words } from "../words/words";
import type { IconName } from "./icons";
import { plain } from "./text";

export type Tone = "moves" | "waits" | "needs" | "settled" | "quiet";

export interface Standing extends Sentence {
  icon: IconName;
  /** Green moves, amber waits, red needs someone, grey is settled. */
  tone: Tone;
  bar: "moving" | "still" | "queued" | null;
}

const CAUSE_LOOKS: Record<Cause["cause"], { icon: IconName; tone: Tone }> = {
  no_peers_known: { icon: "hourglass", tone: "waits" },
  none_online: { icon: "hourglass", tone: "waits" },
  only_banned: { icon: "hourglass", tone: "waits" },
  nobody_has_it: { icon: "hourglass", tone: "waits" },
  blob_lookups: { icon: "lock", tone: "needs" },
  no_manifest: { icon: "hourglass", tone: "waits" },
  dht_unreachable: { icon: "unplug", tone: "waits" },
  tor_starting: { icon: "shield-off", tone: "waits" },
  tor_down: { icon: "shield-off", tone: "needs" },
  proxy_down: { icon: "unplug", tone: "needs" },
  no_way_in: { icon: "hourglass", tone: "waits" },
  no_dht: { icon: "unplug", tone: "waits" },
  unreached: { icon: "unplug", tone: "waits" },
  paused: { icon: "pause", tone: "settled" },
  paused_until: { icon: "pause", tone: "settled" },
  schedule: { icon: "calendar-clock", tone: "settled" },
  month_used: { icon: "hourglass", tone: "settled" },
  quota: { icon: "hard-drive", tone: "needs" },
  queued: { icon: "list-ordered", tone: "settled" },
  disk_full: { icon: "hard-drive", tone: "needs" },
  files_changed: { icon: "triangle-alert", tone: "needs" },
  folder_not_writable: { icon: "folder", tone: "needs" },
  in_the_way: { icon: "folder", tone: "needs" },
  died_reading: { icon: "triangle-alert", tone: "needs" },
  bad_content: { icon: "triangle-alert", tone: "needs" },
  wrong_read_key: { icon: "lock", tone: "needs" },
  locked: { icon: "lock", tone: "waits" },
  trouble: { icon: "triangle-alert", tone: "needs" },
};

/** A cause as it is drawn. What it quotes is hostile text. */
export function causeStanding(cause: Cause, t: Words): Standing {
  const { word, rest } = t.cause(cause);
  const look = CAUSE_LOOKS[cause.cause];
  return { ...look, word, rest: plain(rest), bar: cause.cause === "queued" ? "queued" : "still" };
}

/** What the node itself says of a cause, beyond what its words here say; for whoever asks for it. */
export function causeDetail(cause: Cause): string {
  switch (cause.cause) {
    case "bad_content":
    case "trouble":
    case "wrong_read_key":
      return plain(cause.what, 400);
    case "tor_down":
    case "proxy_down":
      return plain(cause.why, 400);
    default:
      return "";
  }
}

/** An item's standing. `fresh`: it came after this person last looked. */
export function itemStanding(item: ItemInfo, t: Words, fresh = false): Standing {
  const standing = bareStanding(item, t, fresh);
  // What a person set apart is said where it matters: in the queue, and of what lies here.
  const waits = item.state === "waiting" || item.state === "fetching";
  const set = waits && item.priority === "high" ? t.care.high : waits && item.priority === "low" ? t.care.low : item.encrypted && item.state === "complete" ? t.care.encrypted : "";
  if (set === "" || item.cause !== null) return standing;
  return { ...standing, word: standing.word.replace(/[,:]?$/, ","), rest: set };
}

function bareStanding(item: ItemInfo, t: Words, fresh: boolean): Standing {
  const started = item.have > 0 ? "still" : "queued";
  switch (item.state) {
    case "listed":
      return fresh
        ? { icon: "circle-dot", tone: "moves", ...t.state.new, bar: null }
        : { icon: "download", tone: "quiet", ...t.state.listed, bar: null };
    case "complete":
      if (item.cause) return { ...causeStanding(item.cause, t), bar: null };
      // Not all of it was wanted: that is ready, and more is not here.
      return { icon: "check", tone: "settled", ...(item.skipped_files ? t.state.completePart(wantedFiles(item), item.files) : t.state.complete), bar: null };
    case "published":
      return item.cause ? { ...causeStanding(item.cause, t), bar: null } : { icon: "upload", tone: "settled", ...t.state.published, bar: null };
    case "changed":
      if (item.cause) return { ...causeStanding(item.cause, t), bar: null };
      return { icon: "triangle-alert", tone: "needs", ...t.state.changed, bar: null };
    case "paused":
      return { icon: "pause", tone: "settled", ...t.state.paused, bar: started };
    case "waiting":
      if (item.cause) return { ...causeStanding(item.cause, t), bar: started };
      return { icon: "list-ordered", tone: "settled", ...t.state.waiting, bar: started };
    case "fetching":
      if (item.cause) return { ...causeStanding(item.cause, t), bar: started };
      return { icon: "arrow-down", tone: "moves", ...t.state.fetching, bar: "moving" };
  }
}

/** Time left at this rate; null when it does not move, or nobody knows. */
export const msLeft = (item: ItemInfo, rate: number | null = item.rate): number | null =>
  rate !== null && rate > 0 && item.have < item.bytes ? ((item.bytes - item.have) / rate) * 1000 : null;
