/** What is new to this person, and how old a channel's list is. */
import type { ChannelInfo, ItemInfo } from "../host/gen/api";
import type { SeenMark } from "../host/host";

/** Clocks of publishers may run ahead by this much. */
const AHEAD_MS = 24 * 3600_000;
/** Sequences below this are counters, not times: 2020-01-01. */
const FIRST_MS = 1_577_836_800_000;

/** When the newest list was signed; its sequence is that time. None when there is no list, or it counts otherwise. */
export function listTime(channel: ChannelInfo, now: number): number | null {
  const { sequence } = channel;
  return sequence >= FIRST_MS && sequence <= now + AHEAD_MS ? Math.min(sequence, now) : null;
}

/** Items that came since this person last looked. Nothing is new in a channel that was never opened: no flood on adding. */
export function freshCount(channel: ChannelInfo, seen: Record<string, SeenMark>): number {
  const mark = seen[channel.key];
  return mark && !channel.own ? Math.max(0, channel.items - mark.items) : 0;
}

/** Whether an item came after the channel was last looked at. */
export const isFresh = (item: ItemInfo, mark: SeenMark | undefined): boolean => mark !== undefined && item.published > mark.at;
