/** What is said of items that became ready. */
import type { ItemInfo } from "../host/gen/api";
import { plain } from "../parts/text";
import type { Words } from "../words/words";

/** Items of one channel, in the order in which they came. */
export interface ReadyItems {
  /** The channel's name: hostile text. */
  channel: string;
  items: ItemInfo[];
}

/** How many of an item's files are wanted; all, unless some were left out. */
export const wantedFiles = (item: ItemInfo): number => Math.max(0, item.files - (item.skipped_files ?? 0));

export function readyWords({ channel, items }: ReadyItems, t: Words): string {
  const [first] = items;
  if (!first || items.length > 1) return t.toast.readyMany(items.length, plain(channel, 80) || t.unnamed);
  const name = plain(first.name, 80);
  return first.skipped_files ? t.toast.readyPart(name, wantedFiles(first), first.files) : t.toast.ready(name);
}
