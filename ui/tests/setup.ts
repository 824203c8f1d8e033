// What jsdom lacks and the window needs: nothing here decides anything.
import { cleanup } from "@testing-library/svelte";
import { configure } from "@testing-library/dom";
import { afterEach } from "vitest";

globalThis.ResizeObserver ??= class {
  observe() {}
  unobserve() {}
  disconnect() {}
};
HTMLMediaElement.prototype.load = () => undefined;
HTMLMediaElement.prototype.play = () => Promise.resolve();

// Failures name the element, not the page; slow machines get their time. Whether something is hidden is a question of
// layout, which jsdom has not: asking it at every query would only cost.
configure({ asyncUtilTimeout: 8000, defaultHidden: true, getElementError: (message) => new Error(message ?? "not found") });

afterEach(() => cleanup());
