/** The menu of an item: every act that fits where it stands. */
import type { ChannelInfo, ItemInfo, ItemPriority } from "../host/gen/api";
import type { MenuLine } from "../parts/Menu.svelte";
import * as acts from "../state/acts";
import type { App } from "../state/app.svelte";
import { channels } from "../state/place";
import { isHere, isUnderWay } from "../state/world";

export function itemLines(app: App, channel: ChannelInfo, item: ItemInfo, onPage = false): MenuLine[] {
  const { t } = app;
  const lines: (MenuLine | false)[] = [
    !onPage && { label: t.item.files1, icon: "list", go: () => app.go(channels(channel.key, item.id)) },
    item.state === "listed" && { label: t.act.get, icon: "arrow-down", go: () => acts.get(app, item) },
    item.state === "listed" && { label: t.item.getTo, icon: "folder-down", go: () => void acts.getTo(app, item) },
    item.state === "changed" && { label: t.act.get, icon: "arrow-down", go: () => acts.get(app, item) },
    (item.state === "waiting" || item.state === "fetching") && { label: t.act.pause, icon: "pause", go: () => void acts.pauseItem(app, item) },
    item.state === "paused" && { label: t.act.resume, icon: "play", go: () => void acts.resumeItem(app, item) },
    ...(isUnderWay(item) && item.state !== "changed"
      ? (["high", "normal", "low"] as ItemPriority[])
          .filter((priority) => priority !== (item.priority ?? "normal"))
          .map((priority, i): MenuLine => ({ label: t.care.priority[priority], icon: "list-ordered", apart: i === 0, go: () => void acts.prioritise(app, item, priority) }))
      : []),
    item.encrypted === true && isHere(item) && { label: t.care.open, icon: "file-lock", go: () => void acts.writeFiles(app, item) },
    !channel.own && item.state !== "listed" && { label: item.pinned ? t.care.unpin : t.care.pin, icon: item.pinned ? "pin-off" : "pin", apart: true, go: () => void acts.pin(app, item) },
    isHere(item) && !item.encrypted && app.surroundings.programs && { label: t.act.openFolder, icon: "folder-open", go: () => void acts.openFolder(app, item) },
    (isHere(item) || item.state === "changed") && { label: t.item.verify, icon: "scan-search", go: () => void acts.verify(app, item) },
    (isHere(item) || item.state === "changed") && { label: t.item.locate, icon: "search", go: () => void acts.locate(app, item) },
    channel.own && { label: t.item.edit, icon: "pencil", apart: true, go: () => app.open({ kind: "edit_item", item }) },
    channel.own && { label: t.item.update, icon: "upload", go: () => app.publishTo(channel.key, item.id) },
    channel.own && { label: t.item.unpublish, icon: "trash", danger: true, go: () => void acts.unpublish(app, item) },
    !channel.own &&
      (isHere(item) || isUnderWay(item)) && { label: t.item.remove, icon: "trash", danger: true, apart: true, go: () => void acts.remove(app, item) },
  ];
  return lines.filter((line) => line !== false);
}
