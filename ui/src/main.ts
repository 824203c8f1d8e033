import { mount, unmount } from "svelte";
import "./app.css";
import Root from "./Root.svelte";
import type { Host } from "./host/host";
import type { Why } from "./host/proof";

/** Nobody is signed in yet, and what was wrong with the last try. */
interface Outside {
  problem: Why | "ended" | null;
}

/**
 * The desktop shell in the program; a node's web interface in a browser; the mock world in builds made for that. None
 * while the browser has no session that the node knows.
 */
async function host(ended: () => void): Promise<Host | Outside> {
  const inShell = "__TAURI_INTERNALS__" in window;
  if (import.meta.env.MODE === "mock" || (import.meta.env.DEV && !inShell)) {
    return (await import("./host/mock/mock")).mockFromAddress(new URLSearchParams(location.search));
  }
  if (inShell) return (await import("./host/tauri")).tauri;
  const { Refused, signIn, signOut } = await import("./host/proof");
  try {
    const session = await signIn();
    return session ? (await import("./host/web")).makeWeb(session, ended) : { problem: null };
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    if (error.why === "unknown") signOut();
    return { problem: error.why };
  }
}

const target = document.getElementById("app");
if (target) {
  let root: Record<string, unknown> | null = null;
  const outside = async (props: Outside) => {
    if (root) await unmount(root);
    root = mount((await import("./screens/NoToken.svelte")).default, { target, props });
  };
  const found = await host(() => void outside({ problem: "ended" }));
  if ("call" in found) root = mount(Root, { target, props: { host: found } });
  else await outside(found);
}
