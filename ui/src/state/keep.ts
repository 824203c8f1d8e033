/** What a rule for keeping would delete of what is here, told before it is set. The node decides; this foretells it. */
import type { ItemInfo, KeepRule } from "../host/gen/api";
import { isUnderWay } from "./world";

const DAY = 24 * 3600_000;

/** Items that the rule removes from this device now, and their bytes here. `items` are in the order of the channel's list. */
export function beyond(rule: KeepRule, items: readonly ItemInfo[], now: number): { count: number; bytes: number } {
  const here = (item: ItemInfo) => item.state === "complete" || isUnderWay(item);
  let going: readonly ItemInfo[];
  if (rule === "all") going = [];
  else if ("newest" in rule) going = items.slice(rule.newest);
  else if ("days" in rule) going = items.filter((item) => item.published < now - rule.days * DAY);
  else {
    // Which of them have to make room goes by who else holds them; how much it is, does not.
    const size = (item: ItemInfo) => item.bytes - (item.skipped ?? 0);
    const kept = items.filter(here);
    let total = kept.reduce((sum, item) => sum + size(item), 0);
    const out: ItemInfo[] = [];
    for (const item of kept.slice(1).reverse()) {
      if (total <= rule.bytes) break;
      if (item.pinned) continue;
      total -= size(item);
      out.push(item);
    }
    going = out;
  }
  const gone = going.filter((item) => here(item) && !item.pinned);
  return { count: gone.length, bytes: gone.reduce((sum, item) => sum + item.have, 0) };
}
