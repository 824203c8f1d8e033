// What the window and the desktop shell tell each other beside the node's own types.
// Written from src-tauri/host.rs by `cargo xtask types`; a test fails when the two differ.

import type { ErrorInfo } from "./api";

/** Things being dragged over the window. Positions are in CSS pixels. */
export type Drag = { "phase": "over",
/** From the left. */
x: number,
/** From the top. */
y: number, } | { "phase": "left" } | { "phase": "dropped",
/** From the left. */
x: number,
/** From the top. */
y: number,
/** What was dropped. */
items: Array<Picked>, };

/** What became of a file that another program was to get. */
export type Handed = { "handed": "opened" } | { "handed": "shown" } | { "handed": "asks",
/** The file's ending in lower case, empty if it is none that is known: an answer may hold for all of a known kind. */
kind: string, };

/** Settings of the window and of the program around it. */
export type HostSettings = {
/** First start was gone through; before that the node opens no socket. */
welcomed: boolean,
/** Language. */
language: Language,
/** Theme. */
theme: Theme,
/** Closing the window hides it in the tray. */
close_to_tray: boolean,
/** Start when the user logs in. Kept by the desktop, not in our file. */
autostart: boolean,
/** By channel key. */
seen: { [key in string]: SeenMark },
/** Where the window was last. */
last: LastPlace | null,
/** Kinds of files that other programs get without a question while the route hides: endings in lower case. */
outside: Array<string>, };

/** The settings to change. */
export type HostSettingsChange = {
/** See [`HostSettings`], as all below. */
welcomed?: boolean,
/** … */
language?: Language,
/** … */
theme?: Theme,
/** … */
close_to_tray?: boolean,
/** … */
autostart?: boolean,
/** … */
seen?: { [key in string]: SeenMark },
/** … */
last?: LastPlace,
/** … */
outside?: Array<string>, };

/** Language of the window. */
export type Language = "system" | "en" | "de";

/** What the window showed last of a channel. */
export type LastPlace = {
/** Channel key, hex. */
channel: string,
/** How far its list was scrolled, in CSS pixels. */
top: number, };

/** The node behind the window. */
export type NodeState = { "state": "starting" } | { "state": "running" } | { "state": "failed",
/** Why. */
error: ErrorInfo, } | { "state": "stopping" };

/** What a person can choose with a native dialog. */
export type Pick = { "what": "files" } | { "what": "folder" } | { "what": "backup" } | { "what": "save",
/** The name to begin with. */
name: string, };

/** A file or folder that the user chose. */
export type Picked = {
/** Opaque; dies with the page that got it. */
handle: string,
/** Last part of its path: hostile text. */
name: string,
/** It is a folder. */
folder: boolean,
/** Bytes, for a file. */
bytes: number | null, };

/** The system around. */
export type Platform = "linux" | "windows" | "macos" | "browser";

/** When this person last looked at a channel. */
export type SeenMark = {
/** ms since 1970. */
at: number,
/** Items it listed then. */
items: number, };

/** What the surroundings can do; controls for the rest do not appear. */
export type Surroundings = {
/** There is a tray to hide in. */
tray: boolean,
/** Starting with the session can be switched. */
autostart: boolean,
/** Files and folders can be shown by the programs of the computer that the node runs on. */
programs: boolean,
/** Where downloads go when nothing else was chosen: text to read. */
download_dir: string,
/** Bytes free on its disk, where the system tells. */
disk_free: number | null,
/** The window's settings could not be read and began anew at this start. */
settings_lost: boolean,
/** The system. */
platform: Platform, };

/** Light or dark. */
export type Theme = "system" | "light" | "dark";
