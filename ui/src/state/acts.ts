/** What a person can do to channels and items, with its question and its words. One place, used by rows and pages. */
import type { ChannelInfo, ItemInfo } from "../host/gen/api";
import { isErrorInfo } from "../host/host";
import { plain } from "../parts/text";
import type { App } from "./app.svelte";
import { channels } from "./place";
import { isHere } from "./world";

/** How an item is named to the node: its ID alone could fit two channels. */
export const itemArg = (item: ItemInfo): string => `${item.channel}/${item.id}`;

/**
 * Fetches an item. The answer comes when it is complete, or when the node gives up waiting while the item goes on; why it
 * does not move stands in its row, so only refusals are told.
 */
export function get(app: App, item: ItemInfo, dir: string | null = null): void {
  app.ask({ method: "get", params: { what: itemArg(item), dir } }, "got").catch((thrown: unknown) => {
    if (!isErrorInfo(thrown) || !["timed_out", "cancelled", "stopping"].includes(thrown.code)) app.fail(thrown);
  });
}

export async function getTo(app: App, item: ItemInfo): Promise<void> {
  const [folder] = await app.pick({ what: "folder" });
  if (folder) get(app, item, folder.handle);
}

export const pauseItem = (app: App, item: ItemInfo) =>
  app.attempt(() => app.ask({ method: "pause", params: { item: itemArg(item) } }, "done"));

export const resumeItem = (app: App, item: ItemInfo) =>
  app.attempt(() => app.ask({ method: "resume", params: { item: itemArg(item) } }, "done"));

export async function pauseAll(app: App, pause: boolean): Promise<void> {
  const done = await app.attempt(() => app.ask({ method: pause ? "pause" : "resume", params: "all" }, "done"));
  if (done) app.say(pause ? app.t.toast.paused : app.t.toast.resumed);
}

export const pauseChannel = (app: App, channel: ChannelInfo) =>
  app.attempt(() => app.ask({ method: channel.paused ? "resume" : "pause", params: { channel: channel.key } }, "done"));

export const openFolder = (app: App, item: ItemInfo) => app.attempt(() => app.host.openFolder(itemArg(item)));

export async function verify(app: App, item: ItemInfo): Promise<void> {
  app.say(app.t.item.verifying);
  await app.attempt(async () => {
    const report = await app.ask({ method: "verify", params: { item: itemArg(item) } }, "verified");
    const { verifiedGood, verifiedBad } = app.t.item;
    app.say(report.bad === 0 ? verifiedGood(report.good) : verifiedBad(report.bad, report.good));
  });
}

export async function locate(app: App, item: ItemInfo): Promise<void> {
  const [place] = await app.pick({ what: item.files > 1 ? "folder" : "files" });
  if (!place) return;
  const done = await app.attempt(() => app.ask({ method: "locate", params: { item: itemArg(item), path: place.handle } }, "verified"));
  if (done) app.say(app.t.item.located);
}

export async function remove(app: App, item: ItemInfo): Promise<void> {
  const { confirm, toast } = app.t;
  const answer = await app.confirm({
    title: confirm.removeTitle(plain(item.name, 80)),
    text: confirm.removeText,
    go: confirm.removeGo,
    danger: true,
    ...(item.have > 0 ? { also: confirm.removeFiles } : {}),
  });
  if (!answer) return;
  const done = await app.attempt(() => app.ask({ method: "remove", params: { item: itemArg(item), delete: answer.also } }, "done"));
  if (done) app.say(toast.removed);
}

export async function unpublish(app: App, item: ItemInfo): Promise<void> {
  const { confirm, toast } = app.t;
  const answer = await app.confirm({
    title: confirm.unpublishTitle(plain(item.name, 80)),
    text: confirm.unpublishText,
    go: confirm.unpublishGo,
    danger: true,
  });
  if (!answer) return;
  const done = await app.withSecrets(() => app.ask({ method: "unpublish", params: { item: itemArg(item) } }, "published"));
  if (done) app.say(toast.unpublished);
}

export async function leave(app: App, channel: ChannelInfo): Promise<void> {
  const name = plain(channel.name, 80) || app.t.unnamed;
  const { confirm, toast } = app.t;
  const answer = await app.confirm({
    title: confirm.leaveTitle(name),
    text: confirm.leaveText,
    go: confirm.leaveGo,
    danger: true,
    ...(channel.complete > 0 || app.world.lists.get(channel.key)?.items.some(isHere) ? { also: confirm.leaveFiles } : {}),
  });
  if (!answer) return;
  const done = await app.attempt(() => app.ask({ method: "unsubscribe", params: { channel: channel.key, delete: answer.also } }, "done"));
  if (!done) return;
  app.go(channels());
  app.say(toast.left(name));
}

/** Ends the program, after a question when something still moves. */
export async function quit(app: App): Promise<void> {
  const { confirm } = app.t;
  const answer = await app.confirm({ title: confirm.quitTitle, text: confirm.quitText, go: confirm.quitGo, danger: false });
  if (answer) await app.attempt(() => app.host.quit());
}

export async function copy(app: App, text: string, words: string): Promise<void> {
  if (await app.attempt(() => app.host.copyText(text))) app.say(words);
}
