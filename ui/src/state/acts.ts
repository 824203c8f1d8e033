/** What a person can do to channels and items, with its question and its words. One place, used by rows and pages. */
import type { ChannelInfo, ItemInfo, ItemPriority, RouteKind } from "../host/gen/api";
import { isErrorInfo, type Handed } from "../host/host";
import { isSecret } from "../parts/proxy";
import { plain, plainFile } from "../parts/text";
import type { App, Job } from "./app.svelte";
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

/** Stops, or lets go on, what is fetched for others in the space that is lent. */
export async function pauseLending(app: App, paused: boolean): Promise<void> {
  const done = await app.attempt(() => app.setRules({ lend_paused: paused }));
  if (done) app.say(paused ? app.t.space.lendPausedSay : app.t.space.lendGoesSay);
}

/** Stops everything for an hour, or until the next morning begins. */
export async function pauseFor(app: App, how: "hour" | "tomorrow"): Promise<void> {
  const now = new Date();
  const until = how === "hour" ? now.getTime() + 3600_000 : new Date(now.getFullYear(), now.getMonth(), now.getDate() + 1).getTime();
  const seconds = Math.max(1, Math.round((until - now.getTime()) / 1000));
  const done = await app.attempt(() => app.ask({ method: "pause_for", params: { seconds } }, "done"));
  if (done) app.say(app.t.pause.until(app.f.until(until, now.getTime())));
}

/**
 * Takes another way out. Asks first where something becomes visible that was hidden; whether it was changed.
 * `route` may carry a proxy's login: it goes to the node and nowhere else.
 */
export async function changeRoute(app: App, to: RouteKind, route: string): Promise<boolean> {
  const from = app.world.status?.route.kind ?? "direct";
  const { route: words } = app.t;
  const reveals: Record<RouteKind, number> = { direct: 0, both: 0, proxy: 1, tor: 2 };
  if (reveals[to] < reveals[from]) {
    const answer = await app.confirm({
      title: words.leaveTitle(from, to),
      text: words.leaveText(to),
      go: words.use(words.names[to]),
      danger: true,
    });
    if (!answer) return false;
  }
  app.said = words.changing;
  const act = () => app.setRules({ route });
  // A login is sealed before it is kept.
  const done = await (isSecret(route) ? app.withSecrets(act) : app.attempt(act));
  if (done) app.routeAsked(to);
  return done;
}

/** Seconds that the leak test watches: long enough for every dial and look-up that it provokes. */
export const LEAK_SECONDS = 8;

export async function testRoute(app: App): Promise<void> {
  await app.attempt(async () => {
    const report = await app.ask({ method: "leak", params: { seconds: LEAK_SECONDS } }, "leak");
    app.leak = { at: Date.now(), report };
    app.said = report.elsewhere.length === 0 ? app.t.leak.clean : app.t.leak.leaks;
  });
}

/** How long a route may take to come up before a test of it is given up. */
const ROUTE_MS = 90_000;

/**
 * Takes another route, tests it, and comes back to the one that leads straight. Meanwhile nothing leaves straight. When
 * something goes wrong it comes back as well, and says what.
 */
export async function testBeforeSwitching(app: App, to: RouteKind, route: string): Promise<void> {
  const { leak: words, route: names } = app.t;
  await app.attempt(async () => {
    await app.setRules({ route });
    try {
      const state = await app.until((world) => {
        const now = world.status?.route;
        return now?.kind === to && now.state.state !== "starting" ? now.state.state : null;
      }, ROUTE_MS);
      if (state === "up") await testRoute(app);
      else app.warn(words.notUp(names.names[to]), words.backAgain);
    } finally {
      await app.setRules({ route: "direct" });
    }
  });
}

export const pauseChannel = (app: App, channel: ChannelInfo) =>
  app.attempt(() => app.ask({ method: channel.paused ? "resume" : "pause", params: { channel: channel.key } }, "done"));

export const openFolder = (app: App, item: ItemInfo) => app.attempt(() => app.host.openFolder(itemArg(item)));

export async function pin(app: App, item: ItemInfo): Promise<void> {
  const pinned = !item.pinned;
  const done = await app.attempt(() => app.ask({ method: "set_item", params: { item: itemArg(item), pinned, priority: null } }, "done"));
  if (done) app.say(pinned ? app.t.care.pinnedSay : app.t.care.unpinnedSay);
}

export const prioritise = (app: App, item: ItemInfo, priority: ItemPriority) =>
  app.attempt(() => app.ask({ method: "set_item", params: { item: itemArg(item), pinned: null, priority } }, "done"));

/** Wants, or does not want, files of an item. */
export const choose = (app: App, item: ItemInfo, paths: string[], want: boolean) =>
  app.attempt(() => app.ask({ method: "choose", params: { item: itemArg(item), paths, want } }, "done"));

/** Writes the files of an item that is kept only encrypted. */
export async function writeFiles(app: App, item: ItemInfo): Promise<void> {
  app.tell(app.t.care.opening);
  if (await app.attempt(() => app.ask({ method: "open", params: { item: itemArg(item) } }, "done"))) app.say(app.t.care.opened);
}

/** Gives an own private channel a new read key, then shows the link that carries it. */
export async function rekey(app: App, channel: ChannelInfo): Promise<void> {
  const words = app.t.rekey;
  const answer = await app.confirm({
    title: words.title(plain(channel.name, 80) || app.t.unnamed),
    text: words.text,
    go: words.go,
    danger: true,
  });
  if (!answer) return;
  if (!(await app.withSecrets(() => app.ask({ method: "rekey", params: { channel: channel.key } }, "published")))) return;
  app.say(words.done);
  app.open({ kind: "share", channel: channel.key });
}

/** Moves all downloads to a folder that the person names, after a question that says how much that is. */
export async function moveData(app: App): Promise<void> {
  const [folder] = await app.pick({ what: "folder" });
  if (!folder) return;
  const from = app.rules?.download_dir ?? app.surroundings.download_dir;
  let here: ItemInfo[] = [];
  const known = await app.attempt(async () => {
    const all = await app.ask({ method: "transfers" }, "transfers");
    here = all.filter((item) => item.state !== "published" && item.path?.startsWith(from));
  });
  if (!known) return;
  const bytes = here.reduce((sum, item) => sum + item.have, 0);
  const answer = await app.confirm({
    title: app.t.space.moveTitle(app.f.size(bytes), here.length, plainFile(folder.name, 80)),
    text: app.t.space.moveAsk,
    go: app.t.space.moveGo,
    danger: false,
  });
  if (!answer) return;
  app.moving = true;
  const done = await app.attempt(() => app.ask({ method: "move_data", params: { dir: folder.handle } }, "done"));
  app.moving = false;
  await app.readRules();
  if (done) app.say(app.t.space.moved);
}

export async function verify(app: App, item: ItemInfo): Promise<void> {
  app.tell(app.t.item.verifying);
  await app.attempt(async () => {
    const report = await app.ask({ method: "verify", params: { item: itemArg(item) } }, "verified");
    const { verifiedGood, verifiedBad } = app.t.item;
    if (report.bad === 0) app.say(verifiedGood(report.good));
    else app.warn(verifiedBad(report.bad, report.good));
  });
}

export async function locate(app: App, item: ItemInfo): Promise<void> {
  const [place] = await app.pick({ what: item.files > 1 ? "folder" : "files" });
  if (!place) return;
  await app.attempt(async () => {
    const report = await app.ask({ method: "locate", params: { item: itemArg(item), path: place.handle } }, "verified");
    if (report.bad === 0) app.say(app.t.item.located);
    else app.warn(app.t.item.verifiedBad(report.bad, report.good));
  });
}

/** Gives a file to another program: opens it, or plays it there. Asks first where that would leave the route. */
async function handOver(app: App, item: ItemInfo, path: string, give: (sure: boolean) => Promise<Handed>): Promise<void> {
  const words = app.t.outside;
  await app.attempt(async () => {
    const first = await give(false);
    if (first.handed === "shown") return app.tell(words.shown(plainFile(path.split("/").at(-1) ?? path, 80)));
    if (first.handed !== "asks") return;
    const { kind } = first;
    const answer = await app.confirm({
      title: words.title,
      text: words.text(app.t.route.names[app.world.status?.route.kind ?? "tor"]),
      go: words.go,
      danger: true,
      ...(kind ? { also: words.remember(kind.toUpperCase()) } : {}),
      ...(app.surroundings.programs ? { instead: { label: app.t.act.openFolder, go: () => void openFolder(app, item) } } : {}),
    });
    if (!answer) return;
    await give(true);
    if (answer.also) await app.saveSettings({ outside: [...new Set([...app.settings.outside, kind])] });
  });
}

export const openFile = (app: App, item: ItemInfo, path: string) => handOver(app, item, path, (sure) => app.host.openFile(itemArg(item), path, sure));

export const playOutside = (app: App, item: ItemInfo, path: string) => handOver(app, item, path, (sure) => app.host.playOutside(itemArg(item), path, sure));

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

/** Calls a publication off; too late, it says so by itself. */
export const cancelPublish = (app: App, job: Job) =>
  app.attempt(() => app.ask({ method: "cancel_publish", params: { job: job.name } }, "done"));

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
  app.place = channels();
  app.say(toast.left(name));
}

/** Ends the program, after a question. Asked again while it asks, it says nothing more. */
export async function quit(app: App): Promise<void> {
  const { confirm } = app.t;
  if (app.sheets.some((sheet) => sheet.kind === "confirm" && sheet.quits)) return;
  const answer = await app.confirm({ title: confirm.quitTitle, text: confirm.quitText, go: confirm.quitGo, danger: false, quits: true });
  await app.attempt(() => (answer ? app.host.quit() : app.host.stay()));
}

export async function copy(app: App, text: string, words: string): Promise<void> {
  if (await app.attempt(() => app.host.copyText(text))) app.say(words);
}
