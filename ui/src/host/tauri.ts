/**
 * The desktop shell. The only file that knows Tauri: one command `call` carries every verb of the node, one channel
 * carries its events, and a few commands carry what only the desktop can do.
 */
import { Channel, invoke } from "@tauri-apps/api/core";
import type { ErrorInfo, Event, Reply, Request } from "./gen/api";
import { isErrorInfo } from "./host";
import type { Drag, Handed, Host, HostSettings, NodeState, Pick, Picked, Playable, Stop, Surroundings } from "./host";

/** Turns whatever a command threw into the one shape that the window knows. */
function asError(thrown: unknown): ErrorInfo {
  if (isErrorInfo(thrown)) return thrown;
  return { code: "internal", message: thrown instanceof Error ? thrown.message : String(thrown) };
}

async function ask<T>(command: string, args?: Record<string, unknown>): Promise<T> {
  try {
    return await invoke<T>(command, args);
  } catch (thrown) {
    throw asError(thrown);
  }
}

/** Hands a channel to a command that writes to it until the window drops it. */
async function listen<T>(command: string, onMessage: (message: T) => void): Promise<Stop> {
  const channel = new Channel<T>();
  let open = true;
  channel.onmessage = (message) => {
    if (open) onMessage(message);
  };
  await ask(command, { channel });
  return () => {
    open = false;
  };
}

export const tauri: Host = {
  call: (request: Request) => ask<Reply>("call", { request }),
  watch: (onEvent) => listen<Event>("watch", onEvent),
  node: (onState) => listen<NodeState>("node_state", onState),
  retry: () => ask("retry"),
  rebuild: () => ask("rebuild"),
  quit: () => ask("quit"),
  onClose: (onClose) => listen<null>("closes", () => onClose()),
  stay: () => ask("stay"),
  surroundings: () => ask<Surroundings>("surroundings"),
  settings: () => ask<HostSettings>("host_settings"),
  setSettings: (change) => ask<HostSettings>("set_host_settings", { change }),
  pick: (pick: Pick) => ask<Picked[]>("pick", { pick }),
  picture: async (handle) => new Blob([await ask<ArrayBuffer>("picture", { handle })]),
  save: (name, bytes) => ask<boolean>("save", { name, bytes: Array.from(bytes) }),
  onDrag: (onDrag) => listen<Drag>("drags", onDrag),
  onLink: (onLink) => listen<string>("links", onLink),
  openFolder: (item) => ask("open_folder", { item }),
  openFile: (item, path, sure) => ask<Handed>("open_file", { item, path, sure }),
  copyText: (text) => ask("copy_text", { text }),
  play: (item, path) => ask<Playable>("play", { item, path }),
  playOutside: (item, path, sure) => ask<Handed>("play_outside", { item, path, sure }),
};
