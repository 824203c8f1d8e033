// Opens the whole window over the mock host.
import { render, screen, waitFor } from "@testing-library/svelte";
import { vi } from "vitest";
import { all, one } from "./find";
import type { Request } from "../src/host/gen/api";
import { makeMock, type MockHost } from "../src/host/mock/mock";
import type { Scene } from "../src/host/mock/node";
import type { HostSettings, Surroundings } from "../src/host/host";
import Root from "../src/Root.svelte";

export interface Window {
  host: MockHost;
  /** Every request since the start. */
  asked: Request[];
  methods: () => string[];
}

export async function begin(scene: Scene = "world", change: Partial<HostSettings> = { language: "en" }, around: Partial<Surroundings> = {}): Promise<Window> {
  const host = makeMock(scene, { language: "en", ...change });
  const surroundings = host.surroundings.bind(host);
  host.surroundings = async () => ({ ...(await surroundings()), ...around });
  host.node_.slow = 5;
  const asked: Request[] = [];
  const call = host.call.bind(host);
  vi.spyOn(host, "call").mockImplementation((request) => {
    asked.push(request);
    return call(request);
  });
  render(Root, { props: { host } });
  return { host, asked, methods: () => asked.map((request) => request.method) };
}
/** The window is there, with its channels or without. */
export const ready = () => waitFor(() => one(document.body, "nav"));
/** The sheet that lies on top, once it shows some text. */
export const sheet = async (text: string | RegExp) => {
  await screen.findByText(text);
  const top = all(document.body, "dialog").at(-1);
  if (!top) throw new Error("no sheet is open");
  return top;
};
