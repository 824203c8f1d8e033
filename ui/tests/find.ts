// Finds elements by what they are and what they are called. jsdom takes seconds to work out roles by the book on a page
// of this size; the real browser does that, with axe, for every screen.
import { waitFor } from "@testing-library/svelte";

const fits = (text: string, name: string | RegExp) => (typeof name === "string" ? text === name : name.test(text));
/** aria-label, else a label element, else what stands in it for those who listen or look. */
function nameOf(element: Element): string {
  const label = element.getAttribute("aria-label") ?? ("labels" in element ? [...((element as HTMLInputElement).labels ?? [])].map((one) => one.textContent).join(" ") : "");
  return (label || element.textContent || "").replace(/\s+/g, " ").trim();
}

/** Every element that fits a selector and, when given, a name. */
export function all<E extends HTMLElement>(root: Element, selector: string, name?: string | RegExp): E[] {
  return [...root.querySelectorAll<E>(selector)].filter((element) => name === undefined || fits(nameOf(element), name));
}

/** The first of them; throws when there is none. */
export function one<E extends HTMLElement>(root: Element, selector: string, name?: string | RegExp): E {
  const found = all<E>(root, selector, name)[0];
  if (!found) throw new Error(`no ${selector} called ${String(name)}; there are: ${all(root, selector).map(nameOf).slice(0, 40).join(" | ")}`);
  return found;
}

/** Waits for it. */
export const find = <E extends HTMLElement>(selector: string, name?: string | RegExp, root: Element = document.body): Promise<E> =>
  waitFor(() => one<E>(root, selector, name));
