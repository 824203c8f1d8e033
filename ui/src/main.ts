import { mount } from "svelte";
import "./app.css";
import Root from "./Root.svelte";
import type { Host } from "./host/host";

/**
 * The desktop shell in the program; a node's web interface in a browser; the mock world in builds made for that. None
 * while the browser has no token that the node takes.
 */
async function host(): Promise<Host | { refused: boolean }> {
  const inShell = "__TAURI_INTERNALS__" in window;
  if (import.meta.env.MODE === "mock" || (import.meta.env.DEV && !inShell)) {
    return (await import("./host/mock/mock")).mockFromAddress(new URLSearchParams(location.search));
  }
  if (inShell) return (await import("./host/tauri")).tauri;
  const web = await import("./host/web");
  const token = web.takeToken();
  if (token === null || !(await web.takes(token))) return { refused: token !== null };
  return web.makeWeb(token);
}

const target = document.getElementById("app");
if (target) {
  const found = await host();
  if ("call" in found) mount(Root, { target, props: { host: found } });
  else mount((await import("./screens/NoToken.svelte")).default, { target, props: found });
}
