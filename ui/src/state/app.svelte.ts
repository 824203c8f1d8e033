/**
 * The window's state: what the node told, where the person is, what lies open. Screens read it and ask through it; they
 * never speak to the host themselves, so that every refusal of the node ends in words that a person can use.
 */
import { createContext } from "svelte";
import type { ChannelInfo, ErrorInfo, Event, IdentityInfo, ItemInfo, LeakReport, Reply, Request, RouteKind, Settings } from "../host/gen/api";
import { isErrorInfo, type Drag, type Host, type HostSettings, type HostSettingsChange, type NodeState, type Pick as Choice, type Picked, type Stop, type Surroundings } from "../host/host";
import { langFor, speak } from "../words/words";
import { plain } from "../parts/text";
import { quit } from "./acts";
import { above, channels, publish, same, screen, type Place, type ScreenName } from "./place";
import { readyWords, type ReadyItems } from "./ready";
import { lockedBy, type Confirm, type Sheet, type Toast } from "./sheets";
import { emptyWorld, listOf, reduce, sampled, type World } from "./world";

/** What these say is all in the node's own words. */
const VAGUE: ReadonlySet<string> = new Set(["bad_argument", "io", "internal"]);
/** News are drawn at most this often. */
const DRAW_MS = 250;
/** The graph gets a point this often even when nothing changes. */
const SAMPLE_MS = 2000;
/** Ages ("3 min ago") are worked out anew this often. */
const AGE_MS = 60_000;
/** Something said stays this long, where it does not wait to be dismissed. */
const SAID_MS = 6000;
/** Where the person is goes to the disk this long after they came to rest there. */
const REST_MS = 1500;
/** Longest way back. */
const HISTORY = 50;

type ValueOf<K extends Reply["kind"]> = Extract<Reply, { kind: K }> extends { value: infer V } ? V : undefined;

const settingsBefore: HostSettings = {
  welcomed: true,
  language: "system",
  theme: "system",
  close_to_tray: false,
  autostart: false,
  seen: {},
  last: null,
  outside: [],
};
const surroundingsBefore: Surroundings = { tray: false, autostart: false, programs: false, download_dir: "", disk_free: null, settings_lost: false, platform: "browser" };

/** What is being published, kept while the person looks elsewhere. */
export interface Job {
  /** What the node calls it by, so that it can be called off. */
  name: string;
  title: string;
  started: number;
  private: boolean;
  state: "running" | "done" | "failed";
  result: ValueOf<"published"> | null;
  error: ErrorInfo | null;
  ended: number | null;
}

/** What the person has put together on the Publish screen. */
export interface PublishDraft {
  picked: Picked[];
  title: string;
  about: string;
  private: boolean;
}

/** A channel's list on its way, and what was told of its items since it was asked for. */
interface Reading {
  channel: string;
  meanwhile: Event[];
}

/** What an event says of an item in this channel's list, without what else it brings. */
function itemOf(event: Event, channel: string): Event[] {
  if (event.event === "item_gone") return event.data[0] === channel ? [event] : [];
  if (event.event !== "item" && event.event !== "ready") return [];
  return event.data.channel === channel ? [{ event: "item", data: event.data }] : [];
}

export class App {
  readonly host: Host;
  world = $state.raw<World>(emptyWorld);
  node = $state.raw<NodeState>({ state: "starting" });
  settings = $state.raw<HostSettings>(settingsBefore);
  surroundings = $state.raw<Surroundings>(surroundingsBefore);
  /** The host answered: settings and surroundings are the real ones. */
  settled = $state(false);
  #place = $state.raw<Place>(channels());
  sheets = $state.raw<Sheet[]>([]);
  toasts = $state.raw<Toast[]>([]);
  /** Read out by screen readers. */
  said = $state("");
  drag = $state.raw<Drag | null>(null);
  /** None before they were asked for. */
  identities = $state.raw<IdentityInfo[] | null>(null);
  /** The present, in steps of a minute. */
  now = $state(Date.now());
  job = $state.raw<Job | null>(null);
  draft = $state<PublishDraft>({ picked: [], title: "", about: "", private: false });
  /** The node's settings as they were read last; none before. */
  rules = $state.raw<Settings | null>(null);
  /** What the last leak test saw while this window was there. */
  leak = $state.raw<{ at: number; report: LeakReport } | null>(null);
  /** All downloads are on their way to another folder, asked for here. */
  moving = $state(false);

  readonly speech = $derived.by(() => {
    const wanted = typeof navigator === "undefined" ? [] : navigator.languages;
    const lang = langFor(this.settings.language, wanted);
    return { lang, ...speak(lang, wanted) };
  });

  #model: World = emptyWorld;
  #waiting: Event[] = [];
  #timer: ReturnType<typeof setTimeout> | null = null;
  #back: Place[] = [];
  /** Where the person was last on each screen. */
  readonly #places = new Map<ScreenName, Place>();
  /** How far what scrolls was scrolled, by what it is. */
  readonly #tops = new Map<string, number>();
  /** The channel that was looked at last, also in an earlier run. */
  lastChannel: string | null = null;
  #rest: ReturnType<typeof setTimeout> | null = null;
  /** Items that became ready since their message appeared, by channel. */
  readonly #ready = new Map<string, ReadyItems>();
  readonly #gone = new Map<number, ReturnType<typeof setTimeout>>();
  /** The route that was asked for and has not come up yet. */
  #routeAsked: RouteKind | null = null;
  readonly #lookers = new Set<() => void>();
  readonly #readings = new Set<Reading>();
  #stops: Stop[] = [];
  #toastId = 0;
  #dropTargets: ((drop: { x: number; y: number; items: Picked[] }) => boolean)[] = [];

  constructor(host: Host) {
    this.host = host;
  }

  get t() {
    return this.speech.t;
  }
  get f() {
    return this.speech.f;
  }
  get lang() {
    return this.speech.lang;
  }

  /** Begins to listen; what fails here is the node's state, shown whole. */
  async start(): Promise<void> {
    this.#stops.push(await this.host.node((state) => (this.node = state)));
    const [settings, surroundings] = await Promise.all([this.host.settings(), this.host.surroundings()]);
    this.settings = settings;
    this.surroundings = surroundings;
    this.lastChannel = settings.last?.channel ?? null;
    if (settings.last) this.#tops.set(`channel ${settings.last.channel}`, settings.last.top);
    this.settled = true;
    if (surroundings.settings_lost) this.#toast({ tone: "danger", text: this.t.toast.settingsLost, more: this.t.toast.settingsLostMore });
    this.#stops.push(await this.host.onClose(() => void quit(this)));
    this.#stops.push(await this.host.watch((event) => this.#take(event)));
    this.#stops.push(await this.host.onLink((link) => this.openLink(link, true)));
    this.#stops.push(await this.host.onDrag((drag) => this.#dragged(drag)));
    const age = setInterval(() => {
      if (!document.hidden) this.now = Date.now();
    }, AGE_MS);
    const sample = setInterval(() => {
      const { status, samples } = this.#model;
      if (!status) return;
      this.#model = { ...this.#model, samples: sampled(samples, status, Date.now()) };
      this.#draw();
    }, SAMPLE_MS);
    const shown = () => {
      if (document.hidden) return;
      this.now = Date.now();
      this.world = this.#model;
    };
    document.addEventListener("visibilitychange", shown);
    this.#stops.push(
      () => clearInterval(age),
      () => clearInterval(sample),
      () => document.removeEventListener("visibilitychange", shown),
    );
  }

  stop(): void {
    for (const stop of this.#stops.splice(0)) stop();
    for (const timer of [this.#timer, this.#rest, ...this.#gone.values()]) if (timer) clearTimeout(timer);
  }

  get place(): Place {
    return this.#place;
  }
  set place(place: Place) {
    this.#place = place;
    this.#places.set(place.screen, place);
    if (place.screen === "channels" && place.channel !== null) {
      this.lastChannel = place.channel;
      this.#settle();
    }
  }

  /** How far something was scrolled when it was looked at last. */
  topOf(what: string): number {
    return this.#tops.get(what) ?? 0;
  }
  keepTop(what: string, top: number): void {
    if (this.topOf(what) === top) return;
    this.#tops.set(what, top);
    if (what === `channel ${this.lastChannel}`) this.#settle();
  }

  /** Notes for the next start where the person is, once they have come to rest. */
  #settle(): void {
    if (this.#rest) clearTimeout(this.#rest);
    this.#rest = setTimeout(() => {
      this.#rest = null;
      const channel = this.lastChannel;
      if (channel === null || !this.settled) return;
      const last = { channel, top: Math.round(this.topOf(`channel ${channel}`)) };
      const before = this.settings.last;
      if (before?.channel !== last.channel || before.top !== last.top) void this.saveSettings({ last });
    }, REST_MS);
  }

  #take(event: Event): void {
    this.#waiting.push(event);
    // The first news of all is drawn at once, a burst after it together.
    if (event.event === "snapshot" || !this.#timer) this.#flush();
  }

  #flush(): void {
    const events = this.#waiting.splice(0);
    if (events.length > 0) {
      const { world, news } = reduce(this.#model, events, Date.now());
      this.#model = world;
      for (const reading of this.#readings) reading.meanwhile.push(...events.flatMap((event) => itemOf(event, reading.channel)));
      for (const one of news) {
        if (one.kind === "ready") this.#isReady(one.item);
        else this.fail(one.error);
      }
      this.#routeCame();
      for (const look of [...this.#lookers]) look();
      this.#draw();
    }
    if (this.#timer) clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      this.#timer = null;
      if (this.#waiting.length > 0) this.#flush();
    }, DRAW_MS);
  }

  /** One message a channel, however many items; none for what can be seen. */
  #isReady(item: ItemInfo): void {
    const { channel } = item;
    const key = `ready ${channel}`;
    const open = this.toasts.some((toast) => toast.key === key);
    const before = open ? (this.#ready.get(channel)?.items ?? []) : [];
    const ready: ReadyItems = { channel: this.#model.channels.get(channel)?.name ?? "", items: [...before, item] };
    this.#ready.set(channel, ready);
    const text = readyWords(ready, this.t);
    const seen = this.place.screen === "transfers" || (this.place.screen === "channels" && this.place.channel === channel);
    if (seen && !document.hidden) this.said = text;
    else this.#toast({ tone: "done", text, key });
  }

  /** The route that was asked for is up, and that is said; one that is down stands in red by itself. */
  #routeCame(): void {
    const route = this.#model.status?.route;
    if (this.#routeAsked === null || route?.kind !== this.#routeAsked || route.state.state === "starting") return;
    if (route.state.state === "up") this.say(this.t.route.changed(this.t.route.names[route.kind]));
    this.#routeAsked = null;
  }
  /** Another route was taken: it is said once it is up. */
  routeAsked(kind: RouteKind): void {
    this.#routeAsked = kind;
    this.#routeCame();
  }

  /** A channel that the node told in an answer: its own event may come later, and one that came is newer. */
  know(channel: ChannelInfo): void {
    if (this.#model.channels.has(channel.key)) return;
    this.#model = { ...this.#model, channels: new Map(this.#model.channels).set(channel.key, channel) };
    this.#draw();
  }

  /** Nothing is drawn while the window is hidden. */
  #draw(): void {
    if (!document.hidden) this.world = this.#model;
  }

  /** Waits until something of the world is there; rejects when it does not come in time. */
  until<T>(look: (world: World) => T | null, ms: number): Promise<T> {
    return new Promise((found, refuse) => {
      const once = () => {
        const value = look(this.#model);
        if (value === null) return;
        end();
        found(value);
      };
      const timer = setTimeout(() => {
        end();
        const error: ErrorInfo = { code: "timed_out", message: `not within ${ms / 1000} s` };
        refuse(error);
      }, ms);
      const end = () => {
        clearTimeout(timer);
        this.#lookers.delete(once);
      };
      this.#lookers.add(once);
      once();
    });
  }

  /** Asks the node; rejects with an {@link ErrorInfo}. */
  async ask<K extends Reply["kind"]>(request: Request, kind: K): Promise<ValueOf<K>> {
    const reply = await this.host.call(request);
    // Done, but for files that stay: a person should know which.
    if (kind === "done" && reply.kind === "kept") {
      this.warn(this.t.toast.kept(reply.value.length, plain(reply.value[0] ?? "", 80)));
      return undefined as ValueOf<K>;
    }
    if (reply.kind !== kind) {
      const error: ErrorInfo = { code: "internal", message: `asked ${request.method}, got ${reply.kind}` };
      throw error;
    }
    return ("value" in reply ? reply.value : undefined) as ValueOf<K>;
  }

  /** Does something and shows why if it fails; whether it succeeded. */
  async attempt(act: () => Promise<unknown>): Promise<boolean> {
    try {
      await act();
      return true;
    } catch (thrown) {
      this.fail(thrown);
      return false;
    }
  }

  /** Whether the secrets are within reach; asks for the vault's passphrase where that helps. */
  async unlocked(): Promise<boolean> {
    const what = lockedBy(this.world.status?.secrets);
    if (what === null) return true;
    return new Promise<boolean>((resolve) => this.open({ kind: "unlock", what, then: () => resolve(true), turned: () => resolve(false) }));
  }

  /** Like {@link attempt}, for what needs a secret. */
  async withSecrets(act: () => Promise<unknown>): Promise<boolean> {
    return (await this.unlocked()) ? this.attempt(act) : false;
  }

  /** Reads the node's settings; others may have changed them. */
  async readRules(): Promise<void> {
    await this.attempt(async () => {
      this.rules = await this.ask({ method: "settings" }, "settings");
    });
  }

  /** Changes some of the node's settings; rejects with why not. */
  async setRules(change: Partial<Settings>): Promise<void> {
    this.rules = await this.ask({ method: "set_settings", params: { download_dir: null, gateway: null, ...change } }, "settings");
  }

  /** What an error says to a person. */
  errorText(thrown: unknown): { title: string; help: string; detail: string; open: boolean } {
    const error: ErrorInfo = isErrorInfo(thrown)
      ? thrown
      : { code: "internal", message: thrown instanceof Error ? thrown.message : String(thrown) };
    const [title, help] = this.t.errors[error.code] ?? this.t.errors.internal;
    return { title, help, detail: plain(error.message, 400), open: VAGUE.has(error.code) };
  }

  fail(thrown: unknown): void {
    const { title, help, detail, open } = this.errorText(thrown);
    this.#toast({ tone: "danger", text: title, more: help, detail, open });
  }

  /** Something is done. */
  say(text: string, act: Toast["act"] = null): void {
    this.#toast({ tone: "done", text, act });
  }

  /** Something to know, neither done nor wrong. */
  tell(text: string): void {
    this.#toast({ tone: "plain", text });
  }

  /** Something did not come out as it was meant; stays until it is dismissed. */
  warn(text: string, more = "", act: Toast["act"] = null): void {
    this.#toast({ tone: "caution", text, more, act });
  }

  #toast(given: Pick<Toast, "tone" | "text"> & Partial<Toast>): void {
    const known = given.key ? this.toasts.find((other) => other.key === given.key) : undefined;
    const id = known?.id ?? (this.#toastId += 1);
    const toast: Toast = { more: "", detail: "", open: false, act: null, key: null, ...given, id };
    // Three lie on each other at most; the same words are not said twice at once.
    this.toasts = known
      ? this.toasts.map((other) => (other === known ? toast : other))
      : [...this.toasts.filter((other) => other.text !== toast.text).slice(-2), toast];
    this.said = toast.more ? `${toast.text}. ${toast.more}` : toast.text;
    clearTimeout(this.#gone.get(id));
    // What went wrong stays until it is dismissed.
    if (toast.tone === "done" || toast.tone === "plain") this.#gone.set(id, setTimeout(() => this.dismiss(id), SAID_MS));
  }

  dismiss(id: number): void {
    clearTimeout(this.#gone.get(id));
    this.#gone.delete(id);
    this.toasts = this.toasts.filter((toast) => toast.id !== id);
  }

  go(place: Place): void {
    if (same(place, this.place)) return;
    this.#back = [...this.#back, this.place].slice(-HISTORY);
    this.place = place;
  }

  /** Opens a screen where the person was on it last; the one that is open already, at its head. */
  goScreen(name: ScreenName): void {
    this.go(this.place.screen === name ? above(this.place) : (this.#places.get(name) ?? screen(name)));
  }

  /** To where the person came from, or to `home` when that is not known. */
  back(home: Place = channels()): void {
    const last = this.#back.at(-1);
    this.#back = this.#back.slice(0, -1);
    this.place = last ?? home;
  }

  open(sheet: Sheet): void {
    this.sheets = [...this.sheets, sheet];
  }

  close(sheet: Sheet): void {
    this.sheets = this.sheets.filter((other) => other !== sheet);
  }

  confirm(question: Omit<Confirm, "kind" | "answer">): Promise<{ also: boolean } | null> {
    return new Promise((answer) => this.open({ kind: "confirm", ...question, answer }));
  }

  /** Shows what a link tells. Sends nothing. */
  openLink(link: string, outside: boolean): void {
    if (!this.settings.welcomed) return void (this.#linkAfterStart = link);
    const first = this.sheets.find((sheet) => sheet.kind === "add");
    if (first) this.close(first);
    this.open({ kind: "add", link, outside });
  }
  #linkAfterStart: string | null = null;

  /** First start is through; a link that was waiting opens now. */
  async welcome(change: HostSettingsChange): Promise<boolean> {
    const saved = await this.saveSettings({ ...change, welcomed: true });
    if (saved && this.#linkAfterStart) this.openLink(this.#linkAfterStart, true);
    return saved;
  }

  async saveSettings(change: HostSettingsChange): Promise<boolean> {
    return this.attempt(async () => {
      this.settings = await this.host.setSettings(change);
    });
  }

  /** Reads a channel's list; events keep its items fresh until another list comes. */
  async readList(channel: string): Promise<void> {
    const of = this.#model.channels.get(channel)?.listed ?? 0;
    // An answer is as old as its question may be: what was told meanwhile is newer, and holds.
    const reading: Reading = { channel, meanwhile: [] };
    this.#readings.add(reading);
    try {
      const items = await this.ask({ method: "items", params: { channel } }, "items");
      const read = { ...this.#model, lists: new Map(this.#model.lists).set(channel, listOf(items, of)) };
      this.#model = reduce(read, reading.meanwhile, Date.now()).world;
      this.#draw();
    } finally {
      this.#readings.delete(reading);
    }
  }

  /** Identities tell no news of their own: asked for when a screen shows them, and after each change. */
  async readIdentities(): Promise<void> {
    await this.attempt(async () => {
      this.identities = await this.ask({ method: "id_list" }, "identities");
    });
  }

  /** Remembers that a channel was looked at now. */
  markSeen(channel: string, items: number): void {
    const before = this.settings.seen[channel];
    if (before && before.items === items && Date.now() - before.at < AGE_MS) return;
    void this.saveSettings({ seen: { ...this.settings.seen, [channel]: { at: Date.now(), items } } });
  }

  /** What a person chooses by a native dialog, or, where there is none, by looking through the node's folders. */
  pick(pick: Choice): Promise<Picked[]> {
    if (!this.host.browse) return this.host.pick(pick);
    return new Promise((answer) => this.open({ kind: "pick", pick, answer }));
  }

  /** What is to be published, added to the draft where it stands: an update stays an update. */
  addToDraft(items: Picked[]): void {
    if (this.job?.state === "running") return this.warn(this.t.publish.busy, this.t.publish.busyText);
    if (this.job?.state === "done") this.newDraft(null);
    this.draft.picked = [...this.draft.picked, ...items];
    this.goScreen("publish");
  }

  /** Opens the Publish screen for a channel of ours, to replace an item or to add one. What is finished there makes room. */
  publishTo(identity: string, update: string | null = null): void {
    if (this.job?.state === "running") {
      this.warn(this.t.publish.busy, this.t.publish.busyText);
      return this.goScreen("publish");
    }
    if (this.job?.state === "done") this.newDraft(identity);
    this.go(publish(identity, update));
  }

  /** Begins anew what is to be published. */
  newDraft(identity: string | null): void {
    Object.assign(this.draft, { picked: [], title: "", about: "" });
    this.job = null;
    const place = publish(identity);
    if (this.place.screen === "publish") this.place = place;
    else this.#places.set("publish", place);
  }

  /** Registers a place for drops; it says whether it took the drop. The last one registered is asked first. */
  onDrop(take: (drop: { x: number; y: number; items: Picked[] }) => boolean): Stop {
    this.#dropTargets = [take, ...this.#dropTargets];
    return () => (this.#dropTargets = this.#dropTargets.filter((other) => other !== take));
  }

  #dragged(drag: Drag): void {
    this.drag = drag.phase === "over" ? drag : null;
    if (drag.phase === "dropped") this.#dropTargets.some((take) => take(drag));
  }
}

export const [useApp, provideApp] = createContext<App>();
