import { mount } from "svelte";
import "./app.css";
import Root from "./Root.svelte";
import type { Host } from "./host/host";

/** The desktop shell in the program; the mock world in a browser, in builds made for that. */
async function host(): Promise<Host> {
  if (import.meta.env.MODE === "mock" || (import.meta.env.DEV && !("__TAURI_INTERNALS__" in window))) {
    return (await import("./host/mock/mock")).mockFromAddress(new URLSearchParams(location.search));
  }
  return (await import("./host/tauri")).tauri;
}

const target = document.getElementById("app");
if (target) mount(Root, { target, props: { host: await host() } });
