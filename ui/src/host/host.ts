/**
 * What the window asks of the program around it, and nothing else. Three things stand behind it: the desktop shell
 * (`tauri.ts`), a living mock world (`mock/`), and later a node reached over HTTP.
 *
 * Paths never start here. A dialog or a drop hands out a {@link Picked} with an opaque handle; wherever a request carries a
 * path (`publish.paths`, `id_export.file`, `id_import.file`, `get.dir`, `locate.path`, `set_settings.download_dir`) the
 * window puts a handle and the shell replaces it. A path that a reply carries is text to read, never to hand back.
 */
import type { ErrorInfo, Event, Reply, Request } from "./gen/api";

/** Verb names. */
export type Method = Request["method"];

/** A file or folder that the user chose. */
export interface Picked {
  /** Opaque; dies with the window. */
  handle: string;
  /** Last part of its path: hostile text. */
  name: string;
  /** It is a folder. */
  folder: boolean;
  /** Bytes, for a file. */
  bytes: number | null;
}

/** What a chosen folder holds at its top, and in all; counting stops at a bound. */
export interface Inside {
  /** Files in all. */
  files: number;
  /** Bytes in all. */
  bytes: number;
  /** The counts are lower bounds: the folder was too large to count at once. */
  more: boolean;
  /** Its direct children, folders first, at most 50; bytes and files are sums over what lies below. */
  entries: { name: string; folder: boolean; files: number; bytes: number }[];
}

/** What a person can choose with a native dialog. */
export type Pick =
  | { what: "files" }
  | { what: "folder" }
  /** One file to read: a backup or an `identity.json`. */
  | { what: "backup" }
  /** A new file to write. */
  | { what: "save"; name: string };

/** Things being dragged over the window. Positions are in CSS pixels. */
export type Drag =
  | { phase: "over"; x: number; y: number }
  | { phase: "left" }
  | { phase: "dropped"; x: number; y: number; items: Picked[] };

/** The node behind the window. */
export type NodeState =
  | { state: "starting" }
  | { state: "running" }
  /** It did not start, or it ended by itself. `shell.retry` starts it again. */
  | { state: "failed"; error: ErrorInfo }
  /** Quit was asked for; it stores what it has. */
  | { state: "stopping" };

/** Language of the window. */
export type Language = "system" | "en" | "de";
/** Light or dark. */
export type Theme = "system" | "light" | "dark";

/** When this person last looked at a channel. */
export interface SeenMark {
  /** ms since 1970. */
  at: number;
  /** Items it listed then. */
  items: number;
}

/** Settings of the window and of the program around it; kept beside the node's data, readable by this user only. */
export interface HostSettings {
  /** First start was gone through. */
  welcomed: boolean;
  language: Language;
  theme: Theme;
  /** Closing the window hides it in the tray. */
  close_to_tray: boolean;
  /** Start when the user logs in. */
  autostart: boolean;
  /** The hint that closing hides was shown. */
  told_about_tray: boolean;
  /** By channel key. */
  seen: Record<string, SeenMark>;
}

/** What the surroundings can do; controls for the rest do not appear. */
export interface Surroundings {
  /** There is a tray to hide in. */
  tray: boolean;
  /** Starting with the session can be switched. */
  autostart: boolean;
  /** Where downloads go when nothing else was chosen: text to read. */
  download_dir: string;
  platform: "linux" | "windows" | "macos" | "browser";
}

/** Where the player finds a file; the address works while the window lives. */
export interface Playable {
  url: string;
  /** Media type. */
  mime: string;
}

/** Stops what a subscription began. */
export type Stop = () => void;

export interface Host {
  /** Asks the node. Rejects with {@link ErrorInfo}, and with nothing else. */
  call(request: Request): Promise<Reply>;
  /** News of the node, a snapshot first, and again after the node was started anew. */
  watch(onEvent: (event: Event) => void): Promise<Stop>;

  /** How the node is; told at once and at each change. */
  node(onState: (state: NodeState) => void): Promise<Stop>;
  /** Starts a node that failed. */
  retry(): Promise<void>;
  /** Ends the program; waits for the node. */
  quit(): Promise<void>;

  surroundings(): Promise<Surroundings>;
  settings(): Promise<HostSettings>;
  /** Writes the given ones, answers with all. */
  setSettings(change: Partial<HostSettings>): Promise<HostSettings>;

  /** A native dialog; an empty list when the person turned back. */
  pick(pick: Pick): Promise<Picked[]>;
  inside(handle: string): Promise<Inside>;
  /** A picture that was dropped, at most 8 MB, to look for a QR code in it. */
  picture(handle: string): Promise<Blob>;
  /** Asks where, then writes; false when the person turned back. */
  save(name: string, bytes: Uint8Array): Promise<boolean>;
  onDrag(onDrag: (drag: Drag) => void): Promise<Stop>;

  /** `megatorrent://` links handed to the program: those that wait come at once, later ones as they come. */
  onLink(onLink: (link: string) => void): Promise<Stop>;

  /** Shows an item's folder in the file manager. */
  openFolder(item: string): Promise<void>;
  /** Opens one file of an item with the program that the desktop has for it. */
  openFile(item: string, path: string): Promise<void>;
  copyText(text: string): Promise<void>;
  /** Serves one file of an item to a media element, also before it is complete. */
  play(item: string, path: string): Promise<Playable>;
  /** Opens the same address in the desktop's own player. */
  playOutside(item: string, path: string): Promise<void>;
}

/** Whether something that was thrown is an error of the node or the shell. */
export function isErrorInfo(thrown: unknown): thrown is ErrorInfo {
  return typeof thrown === "object" && thrown !== null && "code" in thrown && "message" in thrown;
}
