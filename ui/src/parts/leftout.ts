// What a publication leaves out, as far as its words need to know.
import type { LeftOut, LeftOutReason } from "../host/gen/api";

/** What kind of things are left out. */
export type LeftOutKind = "files" | "folders" | "both";

/** Reasons that lie in the name alone: whoever gives another one takes the file along. */
const NAMES: ReadonlySet<LeftOutReason["reason"]> = new Set([
  "empty",
  "character",
  "invisible",
  "device",
  "trailing",
  "long",
  "same",
  "no_text",
  "other",
]);

export function kindOfLeftOut(outs: readonly LeftOut[]): LeftOutKind {
  const folders = outs.filter((out) => out.code.reason === "empty_folder").length;
  return folders === 0 ? "files" : folders === outs.length ? "folders" : "both";
}

/** How many of them a new name would bring along. */
export function namesLeftOut(outs: readonly LeftOut[]): number {
  return outs.filter((out) => NAMES.has(out.code.reason)).length;
}
