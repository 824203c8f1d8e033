/** The four steps of a publication, from what the node tells of it. */
import type { PublishProgress } from "../host/gen/api";
import { causeStanding } from "../parts/standing";
import type { Job } from "../state/app.svelte";
import type { Format } from "../words/format";
import type { Words } from "../words/words";

export interface Step {
  state: "done" | "now" | "next" | "failed" | "open";
  title: string;
  text: string;
  /** At the end of the line. */
  figure: string;
  /** Share done, when it is known. */
  share: number | null;
}

const ORDER = ["scan", "seal", "announce", "publish"];

export function steps(job: Job, progress: PublishProgress | null, t: Words, f: Format): Step[] {
  const { result } = job;
  const p = t.publish;
  // What waits is sealed: the next step begins when something can leave.
  const waits = progress?.stage === "wait" && !result ? progress : null;
  const reached = result ? ORDER.length : waits ? 2 : Math.max(0, ORDER.indexOf(progress?.stage ?? "scan"));
  const state = (index: number): Step["state"] =>
    index < reached ? "done" : index > reached ? "next" : job.state === "failed" ? "failed" : "now";
  const step = (index: number, title: string, text: string, figure = "", share: number | null = null): Step => ({
    state: state(index),
    title,
    text: state(index) === "next" ? p.waiting : text,
    figure: state(index) === "next" ? "" : figure,
    share: state(index) === "now" ? share : null,
  });
  const total = result?.bytes ?? progress?.total ?? 0;
  const sealing = progress?.stage === "seal" && !result ? progress : null;
  const [announced, all] = [progress?.announced ?? 0, progress?.to_announce ?? 0];

  const read = step(0, p.read, result ? p.readText(result.files) : reached > 0 ? "" : p.readNow, total > 0 ? f.size(total) : "");
  const sealed = step(
    1,
    p.sealed,
    result ? p.sealedText(result.blobs) : reached > 1 ? "" : p.sealNow,
    sealing && sealing.total > 0 ? f.percent(sealing.done, sealing.total) : reached > 1 ? f.percent(1, 1) : "",
    sealing && sealing.total > 0 ? sealing.done / sealing.total : null,
  );
  const why = waits?.cause ? causeStanding(waits.cause, t) : null;
  const told = step(
    2,
    p.announced,
    why ? `${why.word} ${why.rest}` : reached > 2 ? (announced < all ? p.announcedText : p.announcedDone) : p.announceNow,
    all > 0 ? p.nOf(announced, all) : "",
    all > 0 ? announced / all : null,
  );
  const list = result
    ? step(
        3,
        result.gateways > 0 ? p.seenGateways(result.gateways) : result.dht_nodes > 0 ? p.seen(result.dht_nodes) : result.pushed > 0 ? p.seenPeers(result.pushed) : p.seenNone,
        result.pushed > 0 && result.gateways + result.dht_nodes > 0 ? p.seenPeers(result.pushed) : t.channel.signed(f.since(job.ended ?? job.started, Date.now())),
      )
    : step(3, p.seenStep, p.seenNow);
  // Without a DHT nothing is announced.
  const untold = reached > 2 && progress !== null && all === 0;
  // Nobody who could show it to others has it yet: that is no step done.
  const alone = result !== null && result.gateways === 0 && result.dht_nodes === 0 && result.pushed === 0;
  return [read, sealed, untold ? { ...told, state: "open", text: p.announcedNone } : told, alone ? { ...list, state: "open", text: p.seenNoneText } : list];
}
