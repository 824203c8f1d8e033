/** Remembers how far a page was scrolled, and goes there again when it is opened anew. */
import type { Attachment } from "svelte/attachments";
import { untrack } from "svelte";
import type { App } from "../state/app.svelte";

export const keepTop =
  (app: App, what: string): Attachment<HTMLElement> =>
  (page) => {
    const top = untrack(() => app.topOf(what));
    // What it shows may come a moment later: until it is long enough, or the person scrolls, it is put there again.
    let wanted: number | null = top > 0 ? top : null;
    const put = () => {
      if (wanted === null) return;
      page.scrollTop = wanted;
      if (page.scrollTop >= wanted - 1) wanted = null;
    };
    put();
    const grows = new ResizeObserver(put);
    for (const child of page.children) grows.observe(child);
    const left = setTimeout(() => (wanted = null), 2000);
    const scrolled = () => {
      if (wanted === null) app.keepTop(what, page.scrollTop);
    };
    page.addEventListener("scroll", scrolled, { passive: true });
    return () => {
      clearTimeout(left);
      grows.disconnect();
      page.removeEventListener("scroll", scrolled);
    };
  };
