/**
 * A node reached by its web interface (`megatorrent daemon --web`). One WebSocket carries the lines of the local socket
 * (JSON-RPC 2.0); a few addresses beside it carry what a socket cannot. There is no shell on the node's computer: paths
 * are chosen by looking through its folders, and a handle is a path.
 *
 * Every request shows that this page has the session, after the node showed that it has it too (`proof.ts`): no secret
 * travels, and who takes the node's port learns none.
 */
import type { Code, ErrorInfo, Event, Playable, Reply, Request } from "./gen/api";
import type { Folder, Host, HostSettings, NodeState, Stop } from "./host";
import { Refused, type Session, prove } from "./proof";

const SETTINGS = "megatorrent-settings";
/** The first wait before the next try to reach a node that went away, and the longest. */
const RETRY_MS = [500, 10_000] as const;

interface Answer {
  id?: number;
  result?: Reply;
  error?: { message: string; data?: { code: Code } };
  params?: { id: number; event: Event };
}
interface Asked {
  answer: (reply: Reply) => void;
  refuse: (error: ErrorInfo) => void;
  event?: (event: Event) => void;
}

const gone: ErrorInfo = { code: "stopping", message: "The node does not answer." };

export const webSettings = (): HostSettings => {
  const fresh: HostSettings = { welcomed: true, language: "system", theme: "system", close_to_tray: false, autostart: false, seen: {}, last: null, outside: [] };
  try {
    return { ...fresh, ...(JSON.parse(localStorage.getItem(SETTINGS) ?? "{}") as Partial<HostSettings>) };
  } catch {
    // What cannot be read is written anew at the next change.
    return fresh;
  }
};

/** A node that knows this session. `ended`: it does not any more, and somebody has to sign in. */
export function makeWeb(session: Session, ended: () => void): Host {
  let state: NodeState = { state: "starting" };
  let socket: WebSocket | null = null;
  let last = 0;
  let wait: number = RETRY_MS[0];
  let timer: ReturnType<typeof setTimeout> | undefined;
  const asked = new Map<number, Asked>();
  const states = new Set<(state: NodeState) => void>();
  const watchers = new Set<(event: Event) => void>();

  const tell = (next: NodeState) => {
    state = next;
    for (const listener of states) listener(next);
  };

  /** Sends a request; waits for the socket where it is being opened. */
  function send(request: Request, event?: (event: Event) => void): Promise<Reply> {
    return new Promise((answer, refuse) => {
      if (socket?.readyState !== WebSocket.OPEN) return refuse(gone);
      const id = (last += 1);
      asked.set(id, { answer, refuse, ...(event ? { event } : {}) });
      socket.send(JSON.stringify({ jsonrpc: "2.0", id, ...request }));
    });
  }

  function hear({ id, result, error, params }: Answer): void {
    if (params) return asked.get(params.id)?.event?.(params.event);
    if (id === undefined) return;
    const who = asked.get(id);
    // A watch goes on after its answer.
    if (!who?.event) asked.delete(id);
    if (result) who?.answer(result);
    else who?.refuse({ code: error?.data?.code ?? "internal", message: error?.message ?? "The answer is empty." });
  }

  async function watchAll(): Promise<void> {
    const spread = (event: Event) => watchers.forEach((listener) => listener(event));
    const reply = await send({ method: "watch" }, spread);
    if (reply.kind === "watching") spread({ event: "snapshot", data: reply.value });
  }

  /** Tries again after a while. */
  function later(): void {
    if (state.state !== "stopping") tell({ state: "failed", error: gone });
    timer = setTimeout(() => void open(), wait);
    wait = Math.min(wait * 2, RETRY_MS[1]);
  }

  /** Opens the socket, and again after it was lost: the world goes on from a snapshot. */
  async function open(): Promise<void> {
    clearTimeout(timer);
    let proof: string;
    try {
      proof = await prove(session, "api/socket");
    } catch (error) {
      if (error instanceof Refused && error.why === "unknown" && state.state !== "stopping") return ended();
      return later();
    }
    return new Promise((opened) => {
      const address = new URL("api/socket", location.href);
      address.protocol = address.protocol === "https:" ? "wss:" : "ws:";
      const next = new WebSocket(address, ["megatorrent", proof]);
      socket = next;
      next.onmessage = (message) => hear(JSON.parse(String(message.data)) as Answer);
      next.onopen = () => {
        wait = RETRY_MS[0];
        tell({ state: "running" });
        opened();
        if (watchers.size > 0) watchAll().catch(() => undefined); // Lost again: the close below tells.
      };
      next.onclose = () => {
        for (const { refuse } of asked.values()) refuse(gone);
        asked.clear();
        if (socket !== next) return;
        later();
        opened();
      };
    });
  }

  async function get<T>(path: string, query: Record<string, string>): Promise<T> {
    let answer: Response;
    try {
      const what = `${path}?${new URLSearchParams(query)}`;
      answer = await fetch(what, { headers: { authorization: `Proof ${await prove(session, what)}` } });
    } catch {
      throw gone;
    }
    const text = await answer.text();
    if (answer.ok) return JSON.parse(text) as T;
    if (answer.status === 422) throw JSON.parse(text) as ErrorInfo;
    const error: ErrorInfo = { code: "internal", message: text };
    throw error;
  }

  const begun = open();
  const host: Host = {
    async call(request) {
      await begun;
      return send(request);
    },
    async watch(listener): Promise<Stop> {
      await begun;
      watchers.add(listener);
      await watchAll();
      return () => watchers.delete(listener);
    },
    async node(listener) {
      states.add(listener);
      listener(state);
      return () => states.delete(listener);
    },
    retry: () => open(),
    // A node that does not start shows no pages.
    rebuild: () => Promise.reject(new Error("only where the node is started")),
    async quit() {
      tell({ state: "stopping" });
      await send({ method: "shutdown" });
    },
    async surroundings() {
      const reply = await host.call({ method: "settings" });
      const dir = reply.kind === "settings" ? reply.value.download_dir : null;
      return { tray: false, autostart: false, programs: false, download_dir: dir ?? "", disk_free: null, settings_lost: false, platform: "browser" };
    },
    settings: async () => webSettings(),
    async setSettings(change) {
      const all = { ...webSettings(), ...change };
      localStorage.setItem(SETTINGS, JSON.stringify(all));
      return all;
    },
    pick: () => Promise.reject(new Error("folders are looked through by `browse`")),
    browse: (path) => get<Folder>("api/folder", path === null ? {} : { path }),
    picture: () => Promise.reject(new Error("nothing is dropped on a page")),
    async save(name, bytes) {
      const address = URL.createObjectURL(new Blob([bytes as BlobPart]));
      load(address, name);
      setTimeout(() => URL.revokeObjectURL(address), 60_000);
      return true;
    },
    onDrag: async () => () => undefined,
    onLink: async () => () => undefined,
    onClose: async () => () => undefined,
    stay: async () => undefined,
    openFolder: () => Promise.reject(new Error("there is no file manager here")),
    // The browser saves it; what opens it then is the person's choice there.
    async openFile(item, path) {
      load(await get<string>("api/file", { item, path }), "");
      return { handed: "opened" };
    },
    copyText: (text) => navigator.clipboard.writeText(text),
    play: (item, path) => get<Playable>("api/play", { item, path }),
    // A tab of the same browser, which speaks to nobody but the node: nothing leaves by it.
    async playOutside(item, path) {
      window.open((await host.play(item, path)).url, "_blank", "noopener");
      return { handed: "opened" };
    },
  };
  return host;
}

/** Lets the browser save what lies at an address. */
function load(address: string, name: string): void {
  const link = document.createElement("a");
  link.href = address;
  link.download = name;
  link.click();
}
