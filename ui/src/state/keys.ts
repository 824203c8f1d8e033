/** Keyboard shortcuts of the whole window. Lists and the player have their own. */
import { pauseAll, quit } from "./acts";
import type { App } from "./app.svelte";
import { publish, screen, SCREENS } from "./place";

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

/** Whether it was a shortcut. */
function act(app: App, event: KeyboardEvent): boolean {
  const { place } = app;
  if (event.ctrlKey || event.metaKey) {
    if (event.shiftKey || event.altKey) return false;
    const number = Number(event.key);
    const name = SCREENS[number - 1];
    if (name) app.go(screen(name));
    else if (event.key === "k") {
      if (place.screen !== "channels") app.go(screen("channels"));
      requestAnimationFrame(() => focus("[data-find]"));
    } else if (event.key === "f") return focus("[data-search]", "[data-find]");
    else if (event.key === "o") app.open({ kind: "add", link: "", outside: false });
    else if (event.key === "n") app.go(publish());
    else if (event.key === "p") void pauseAll(app, !app.world.status?.paused);
    else if (event.key === ",") app.go(screen("settings"));
    else if (event.key === "q") void quit(app);
    else return false;
    return true;
  }
  if (event.altKey && event.key === "ArrowLeft") {
    app.back();
    return true;
  }
  if (typing(event.target) || event.altKey) return false;
  if (event.key === "?") {
    app.open({ kind: "keys" });
    return true;
  }
  if (event.key === "Escape" && place.screen === "channels" && (place.item || place.channel)) {
    app.back();
    return true;
  }
  return false;
}

export function onKeys(app: App, event: KeyboardEvent): void {
  if (event.defaultPrevented || app.sheets.length > 0 || !app.settings.welcomed || app.world.status === null) return;
  if (act(app, event)) event.preventDefault();
}
