/** Keyboard shortcuts of the whole window. Lists and the player have their own. */
import { pauseAll, quit } from "./acts";
import type { App } from "./app.svelte";
import { channels, SCREENS } from "./place";

/** Where there is room for one pane only. */
export const ONE_PANE = "(max-width: 45rem)";

/** The shortcut list as it is shown: keys, and which words say what they do. */
export const SHORTCUTS = [
  { keys: ["Ctrl", "1 … 6"], what: "screens" },
  { keys: ["Ctrl", "K"], what: "find" },
  { keys: ["Ctrl", "F"], what: "search" },
  { keys: ["Ctrl", "O"], what: "add" },
  { keys: ["Ctrl", "N"], what: "publish" },
  { keys: ["Ctrl", "P"], what: "pauseAll" },
  { keys: ["Ctrl", ","], what: "settings" },
  { keys: ["Ctrl", "Q"], what: "quit" },
  { keys: ["@arrows"], what: "rows" },
  { keys: ["@enter"], what: "open" },
  { keys: ["@esc"], what: "back" },
  { keys: ["@space", "← →", "M", "F"], what: "player" },
  { keys: ["?"], what: "help" },
] as const;

const typing = (target: EventTarget | null): boolean =>
  target instanceof HTMLElement && target.matches("input:not([type=radio], [type=checkbox], [type=range]), textarea, select");

/** Focuses the first element that is there and visible. */
function focus(...selectors: string[]): boolean {
  for (const selector of selectors) {
    const found = document.querySelector<HTMLElement>(selector);
    if (found) {
      found.focus();
      if (found instanceof HTMLInputElement) found.select();
      return true;
    }
  }
  return false;
}

/** Clears a search that has something in it, wherever the focus is; whether there was one. */
function clearSearch(): boolean {
  for (const field of document.querySelectorAll<HTMLInputElement>("[data-search], [data-find]")) {
    if (field.value === "") continue;
    field.value = "";
    field.dispatchEvent(new window.Event("input", { bubbles: true }));
    return true;
  }
  return false;
}

/** One step out of what lies nearest: a message, a search, an item. Never to another screen. */
function escape(app: App): boolean {
  const { place } = app;
  const last = app.toasts.at(-1);
  if (last) app.dismiss(last.id);
  else if (clearSearch()) return true;
  else if (place.screen === "channels" && place.item !== null) app.go(channels(place.channel));
  // One pane at a time: the list lies below the channel.
  else if (place.screen === "channels" && place.channel !== null && window.matchMedia?.(ONE_PANE).matches) app.go(channels());
  else return false;
  return true;
}

/** Whether it was a shortcut. */
function act(app: App, event: KeyboardEvent): boolean {
  const { place } = app;
  if (event.ctrlKey || event.metaKey) {
    if (event.shiftKey || event.altKey) return false;
    const number = Number(event.key);
    const name = SCREENS[number - 1];
    if (name) app.goScreen(name);
    else if (event.key === "k") {
      if (place.screen !== "channels") app.goScreen("channels");
      if (app.place.screen === "channels" && app.place.item !== null) app.go(channels(app.place.channel));
      requestAnimationFrame(() => focus("[data-find]"));
    } else if (event.key === "f") return focus("[data-search]", "[data-find]");
    else if (event.key === "o") app.open({ kind: "add", link: "", outside: false });
    else if (event.key === "n") app.goScreen("publish");
    else if (event.key === "p") void pauseAll(app, !app.world.status?.paused);
    else if (event.key === ",") app.goScreen("settings");
    else return false;
    return true;
  }
  if (event.altKey && event.key === "ArrowLeft") {
    app.back();
    return true;
  }
  if (event.altKey) return false;
  if (event.key === "Escape" && typing(event.target)) return escape(app);
  if (typing(event.target)) return false;
  if (event.key === "?") {
    app.open({ kind: "keys" });
    return true;
  }
  return event.key === "Escape" && escape(app);
}

export function onKeys(app: App, event: KeyboardEvent): void {
  if (event.defaultPrevented || app.sheets.length > 0 || !app.settings.welcomed || app.world.status === null) return;
  if (act(app, event)) event.preventDefault();
}

/** What holds also while a sheet or a menu is open: they keep their keys to themselves, so this hears them first. */
export function onKeysFirst(app: App, event: KeyboardEvent): void {
  if (!(event.ctrlKey || event.metaKey) || event.shiftKey || event.altKey || event.key.toLowerCase() !== "q") return;
  event.preventDefault();
  event.stopPropagation();
  if (app.settings.welcomed) void quit(app);
  else void app.attempt(() => app.host.quit());
}
