/**
 * The window's state: what the node told, where the person is, what lies open. Screens read it and ask through it; they
 * never speak to the host themselves, so that every refusal of the node ends in words that a person can use.
 */
import { createContext } from "svelte";
import type { ErrorInfo, Event, IdentityInfo, LeakReport, Reply, Request, Settings } from "../host/gen/api";
import { isErrorInfo, type Drag, type Host, type HostSettings, type NodeState, type Pick, type Picked, type Stop, type Surroundings } from "../host/host";
import { langFor, speak } from "../words/words";
import { plain } from "../parts/text";
import { channels, same, type Place } from "./place";
import { lockedBy, type Confirm, type Sheet, type Toast } from "./sheets";
import { emptyWorld, listOf, reduce, sampled, type World } from "./world";

/** News are drawn at most this often. */
const DRAW_MS = 250;
/** The graph gets a point this often even when nothing changes. */
const SAMPLE_MS = 2000;
/** Ages ("3 min ago") are worked out anew this often. */
const AGE_MS = 60_000;
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
};
const surroundingsBefore: Surroundings = { tray: false, autostart: false, programs: false, download_dir: "", disk_free: null, settings_lost: false, platform: "browser" };

/** What is being published, kept while the person looks elsewhere. */
export interface Job {
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

export class App {
  readonly host: Host;
  world = $state.raw<World>(emptyWorld);
  node = $state.raw<NodeState>({ state: "starting" });
  settings = $state.raw<HostSettings>(settingsBefore);
  surroundings = $state.raw<Surroundings>(surroundingsBefore);
  /** The host answered: settings and surroundings are the real ones. */
  settled = $state(false);
  place = $state.raw<Place>(channels());
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
    this.settled = true;
    if (surroundings.settings_lost) this.#toast({ tone: "danger", text: this.t.toast.settingsLost, more: this.t.toast.settingsLostMore, act: null });
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
    if (this.#timer) clearTimeout(this.#timer);
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
      for (const one of news) {
        if (one.kind === "ready") this.say(this.t.toast.ready(plain(one.item.name, 80)));
        else this.fail(one.error);
      }
      this.#draw();
    }
    if (this.#timer) clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      this.#timer = null;
      if (this.#waiting.length > 0) this.#flush();
    }, DRAW_MS);
  }

  /** Nothing is drawn while the window is hidden. */
  #draw(): void {
    if (!document.hidden) this.world = this.#model;
  }

  /** Asks the node; rejects with an {@link ErrorInfo}. */
  async ask<K extends Reply["kind"]>(request: Request, kind: K): Promise<ValueOf<K>> {
    const reply = await this.host.call(request);
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

  /** Like {@link attempt}, for what needs a secret: asks for the vault's passphrase where that helps, then goes on. */
  async withSecrets(act: () => Promise<unknown>): Promise<boolean> {
    const what = lockedBy(this.world.status?.secrets);
    if (what === null) return this.attempt(act);
    const opened = await new Promise<boolean>((resolve) =>
      this.open({ kind: "unlock", what, then: () => resolve(true), turned: () => resolve(false) }),
    );
    return opened ? this.attempt(act) : false;
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
  errorText(thrown: unknown): { title: string; help: string; detail: string } {
    const error: ErrorInfo = isErrorInfo(thrown)
      ? thrown
      : { code: "internal", message: thrown instanceof Error ? thrown.message : String(thrown) };
    const [title, help] = this.t.errors[error.code] ?? this.t.errors.internal;
    return { title, help, detail: plain(error.message, 400) };
  }

  fail(thrown: unknown): void {
    const { title, help } = this.errorText(thrown);
    this.#toast({ tone: "danger", text: title, more: help, act: null });
  }

  say(text: string, act: Toast["act"] = null): void {
    this.#toast({ tone: "plain", text, more: "", act });
  }

  #toast(toast: Omit<Toast, "id">): void {
    const id = (this.#toastId += 1);
    // Three lie on each other at most; the same words are not said twice at once.
    this.toasts = [...this.toasts.filter((other) => other.text !== toast.text).slice(-2), { ...toast, id }];
    this.said = toast.more ? `${toast.text}. ${toast.more}` : toast.text;
    // What went wrong stays until it is dismissed.
    if (toast.tone === "plain") setTimeout(() => this.dismiss(id), 6000);
  }

  dismiss(id: number): void {
    this.toasts = this.toasts.filter((toast) => toast.id !== id);
  }

  go(place: Place): void {
    if (same(place, this.place)) return;
    this.#back = [...this.#back, this.place].slice(-HISTORY);
    this.place = place;
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
  async welcome(change: Partial<HostSettings>): Promise<boolean> {
    const saved = await this.saveSettings({ ...change, welcomed: true });
    if (saved && this.#linkAfterStart) this.openLink(this.#linkAfterStart, true);
    return saved;
  }

  async saveSettings(change: Partial<HostSettings>): Promise<boolean> {
    return this.attempt(async () => {
      this.settings = await this.host.setSettings(change);
    });
  }

  /** Reads a channel's list; events keep its items fresh until another list comes. */
  async readList(channel: string): Promise<void> {
    const of = this.#model.channels.get(channel)?.listed ?? 0;
    const items = await this.ask({ method: "items", params: { channel } }, "items");
    this.#model = { ...this.#model, lists: new Map(this.#model.lists).set(channel, listOf(items, of)) };
    this.world = this.#model;
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
  pick(pick: Pick): Promise<Picked[]> {
    if (!this.host.browse) return this.host.pick(pick);
    return new Promise((answer) => this.open({ kind: "pick", pick, answer }));
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
