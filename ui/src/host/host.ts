/**
 * What the window asks of the program around it, and nothing else. Three things stand behind it: the desktop shell
 * (`tauri.ts`), a node reached by its web interface (`web.ts`), and a living mock world (`mock/`).
 *
 * Paths never start here. A dialog or a drop hands out a {@link Picked} with an opaque handle; wherever a request carries a
 * path (`publish.paths`, `id_export.file`, `id_import.file`, `get.dir`, `locate.path`, `set_settings.download_dir`) the
 * window puts a handle and the shell replaces it. A path that a reply carries is text to read, never to hand back.
 */
import type { ErrorInfo, Event, Playable, Rebuilt, Reply, Request } from "./gen/api";
import type { Drag, Handed, HostSettings, HostSettingsChange, NodeState, Pick, Picked, Surroundings } from "./gen/shell";

// Written from the Rust types; what stands there is not said again here.
export type { Inside, Playable } from "./gen/api";
export type { Drag, Handed, HostSettings, HostSettingsChange, Language, NodeState, Pick, Picked, SeenMark, Surroundings, Theme } from "./gen/shell";

/** Verb names. */
export type Method = Request["method"];

/** Stops what a subscription began. */
export type Stop = () => void;

/** A folder of the node's computer, and what lies in it. Names are hostile text. */
export interface Folder {
  path: string;
  parent: string | null;
  children: { name: string; path: string; folder: boolean; bytes: number | null }[];
  /** There is more than is named. */
  more: boolean;
}

export interface Host {
  /** Asks the node. Rejects with {@link ErrorInfo}, and with nothing else. */
  call(request: Request): Promise<Reply>;
  /** News of the node, a snapshot first, and again after the node was started anew. */
  watch(onEvent: (event: Event) => void): Promise<Stop>;

  /** How the node is; told at once and at each change. */
  node(onState: (state: NodeState) => void): Promise<Stop>;
  /** Starts a node that failed. */
  retry(): Promise<void>;
  /** Makes the damaged database of a node that did not start anew, then starts it; nothing where it was not damaged. */
  rebuild(): Promise<Rebuilt | null>;
  /** Ends the program; waits for the node. */
  quit(): Promise<void>;
  /** Told when the window's cross was clicked where that ends the program: the page asks, then calls `quit` or `stay`. */
  onClose(onClose: () => void): Promise<Stop>;
  /** The person does not want to end it. */
  stay(): Promise<void>;

  surroundings(): Promise<Surroundings>;
  settings(): Promise<HostSettings>;
  /** Writes the given ones, answers with all. */
  setSettings(change: HostSettingsChange): Promise<HostSettings>;

  /** A native dialog; an empty list when the person turned back. */
  pick(pick: Pick): Promise<Picked[]>;
  /** Instead of native dialogs: a folder of the node's computer; without a path, the home folder. */
  browse?: (path: string | null) => Promise<Folder>;
  /** A picture that was dropped, at most 8 MB, to look for a QR code in it. */
  picture(handle: string): Promise<Blob>;
  /** Asks where, then writes; false when the person turned back. */
  save(name: string, bytes: Uint8Array): Promise<boolean>;
  onDrag(onDrag: (drag: Drag) => void): Promise<Stop>;

  /** `megatorrent://` links handed to the program: those that wait come at once, later ones as they come. */
  onLink(onLink: (link: string) => void): Promise<Stop>;

  /** Shows an item's folder in the file manager. */
  openFolder(item: string): Promise<void>;
  /**
   * Opens one file of an item with the program that the desktop has for it. Answers that a person has to be asked, and does
   * nothing, where that program would leave a route that hides: then it is asked again, and `sure`.
   */
  openFile(item: string, path: string, sure: boolean): Promise<Handed>;
  copyText(text: string): Promise<void>;
  /** Serves one file of an item to a media element, also before it is complete. */
  play(item: string, path: string): Promise<Playable>;
  /** Opens the same address in the desktop's own player; asks as `openFile` does. */
  playOutside(item: string, path: string, sure: boolean): Promise<Handed>;
}

/** Whether something that was thrown is an error of the node or the shell. */
export function isErrorInfo(thrown: unknown): thrown is ErrorInfo {
  return typeof thrown === "object" && thrown !== null && "code" in thrown && "message" in thrown;
}
