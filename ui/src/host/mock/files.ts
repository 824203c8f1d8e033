/** Which files of a mock item are wanted. */
import type { ItemInfo } from "../gen/api";
import { filesOf } from "./data";

/** What is left out after a choice. Who names the files of a new item that are wanted does not want the others. */
export function chosenFiles(item: ItemInfo, before: ReadonlySet<string>, paths: string[], want: boolean, fresh: boolean): Set<string> {
  const after = new Set(fresh && want ? filesOf(item).map((file) => file.path) : before);
  for (const path of paths) {
    if (want) after.delete(path);
    else after.add(path);
  }
  return after;
}

export const skippedBytes = (item: ItemInfo, skipped: ReadonlySet<string>): number =>
  filesOf(item).reduce((sum, file) => sum + (skipped.has(file.path) ? file.size : 0), 0);
