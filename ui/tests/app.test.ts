// The whole window over the mock host: what a person does, and what reaches the node.
import { fireEvent, render, screen, waitFor, within } from "@testing-library/svelte";
import type { LeftOut } from "../src/host/gen/api";
import { begin, ready, sheet } from "./begin";
import { makeMock } from "../src/host/mock/mock";
import Root from "../src/Root.svelte";
import { all, find, one } from "./find";
import { describe, expect, test, vi } from "vitest";

const KEY = "c41d0a7e93f25b68e1d047aa2c9f81365e70b3c4d8291f6607fba2e5904c3dd8";
const LINK = `megatorrent://${KEY}:${"4f".repeat(32)}?bootstrap=203.0.113.24:51413`;

const button = (name: string | RegExp) => find("button", name);
const click = async (name: string | RegExp) => fireEvent.click(await button(name));
const channel = async (head: string) => {
  await ready();
  const found = document.querySelector(`[data-channel^="${head}"]`);
  if (!found) throw new Error(`no channel ${head}`);
  await fireEvent.click(found);
};
describe("a link", () => {
  const NOTHING = "Nothing has been sent anywhere yet.";

  test("sends nothing before consent, looks when asked, follows when told", async () => {
    const { host, methods, asked } = await begin();
    await ready();
    const before = methods().length;
    host.link(LINK);
    const add = await sheet(NOTHING);
    // What the link itself tells: fingerprint, kind, hosts.
    expect(within(add).getByText("c41d")).toBeTruthy();
    expect(within(add).getByText("Private")).toBeTruthy();
    expect(within(add).getByText(/203\.0\.113\.24:51413/)).toBeTruthy();
    const since = () => methods().slice(before).filter((method) => !["items", "peers", "settings"].includes(method));
    expect(since()).toEqual(["parse_link"]);

    await fireEvent.click(one(add, "button", "Look inside"));
    await within(add).findByText("Ingrid & Pål: letters 1961–74");
    expect(since()).toEqual(["parse_link", "look"]);

    await fireEvent.click(one(add, "button", "Add channel"));
    await waitFor(() => expect(since()).toContain("subscribe"));
    expect(asked.find((request) => request.method === "subscribe")).toMatchObject({ params: { link: LINK, fetch: "none" } });
    await find("h1", "Ingrid & Pål: letters 1961–74");
  });

  test("turned down, it leaves no trace", async () => {
    const { host, methods } = await begin();
    await ready();
    host.link(LINK);
    await fireEvent.click(one(await sheet(NOTHING), "button", "Cancel"));
    expect(all(document.body, "dialog")).toEqual([]);
    expect(methods()).not.toContain("subscribe");
    expect(methods()).not.toContain("look");
  });

  test("garbage is told before the node is asked", async () => {
    const { methods } = await begin("empty");
    await fireEvent.input(await screen.findByPlaceholderText("megatorrent://"), { target: { value: "megatorrent://7f3a91" } });
    await click("Open link");
    await screen.findByText("This link is cut off: 6 of 64 characters of the key.");
    expect(methods()).not.toContain("parse_link");
  });

  test("a known channel leads to its page, an own one too; a newer link takes the place of an older", async () => {
    const { host } = await begin();
    await ready();
    host.link("megatorrent://7f3a91c20be4d1556c02a9be77013f48c2ad904e51f36b1d8890f2a7e05d64d1");
    await sheet("You follow this channel already");
    host.link("megatorrent://b06e2f19c3d4a5b60718293a4b5c6d7e8f90a1b2c3d4e5f60718293a4b5c07ac");
    const own = await sheet("This is your own channel");
    expect(all(document.body, "dialog")).toHaveLength(1);
    await fireEvent.click(one(own, "button", "Go to the channel"));
    await find("h1", "Lindqvist family");
  });

  test("nobody shows the list: the sheet says so and stays", async () => {
    const { host } = await begin();
    await ready();
    host.link(`megatorrent://${"00".repeat(32)}`);
    const add = await sheet(NOTHING);
    await fireEvent.click(one(add, "button", "Look inside"));
    await within(add).findByText("No answer in time");
    one(add, "button", "Add channel");
  });

  test("the first choice has the focus, never the button that adds", async () => {
    const { host } = await begin();
    await ready();
    host.link(LINK);
    await sheet(NOTHING);
    expect((document.activeElement as HTMLInputElement).type).toBe("radio");
  });
});

describe("hostile text", () => {
  test("is text, in names, items and causes", async () => {
    const shout = vi.spyOn(window, "alert").mockImplementation(() => undefined);
    await begin("stress");
    expect((await screen.findAllByText(/<script>alert\('channel'\)/)).length).toBeGreaterThan(0);
    await channel("93c0ffee");
    await screen.findByText("<img src=x onerror=alert(1)><b>bold</b>");
    expect(document.querySelector("img, #app script, main script, main i")).toBeNull();
    // eslint-disable-next-line no-control-regex -- these are what is looked for
    expect(document.body.textContent).not.toMatch(/[\u202a-\u202e\u2066-\u2069\u0000]/);
    expect(shout).not.toHaveBeenCalled();
  });
});

describe("long lists", () => {
  test("10,482 items are a few dozen rows, and all of them are announced", async () => {
    await begin("stress");
    await channel("93c0ffee");
    const table = await find("[role=table][aria-rowcount='10483']");
    expect(all(table, "[role=row]").length).toBeLessThan(60);
  });

  test("the arrow keys move from row to row", async () => {
    await begin();
    await channel("7f3a91c2");
    const first = await button("Dawn chorus, Knoll Marsh");
    first.focus();
    await fireEvent.keyDown(first, { key: "ArrowDown" });
    await waitFor(() => expect(document.activeElement?.textContent).toContain("Curlews"));
    await fireEvent.keyDown(document.activeElement as HTMLElement, { key: "End" });
    await waitFor(() => expect(document.activeElement?.closest("[data-row]")?.getAttribute("data-row")).toBe("1203"));
  });

  test("the search narrows the list and says how far", async () => {
    await begin();
    await channel("7f3a91c2");
    const search = await find("input", "Search 1,204 items");
    await fireEvent.input(search, { target: { value: "fog signal" } });
    await screen.findByText("1 of 1,204 items");
    await fireEvent.input(search, { target: { value: "zzz" } });
    await screen.findByText("No item has “zzz” in its name.");
  });
});

describe("acts on items", () => {
  const row = async (name: RegExp) => (await button(name)).closest("[role=row]") as HTMLElement;

  test("get, pause, resume", async () => {
    const { asked } = await begin();
    await channel("7f3a91c2");
    const curlews = await row(/^Curlews/);
    await fireEvent.click(one(curlews, "button", "Get"));
    await waitFor(() => expect(asked.at(-1)).toMatchObject({ method: "get", params: { dir: null } }));
    await fireEvent.click(await find("button", "Pause", curlews));
    await within(curlews).findByText("Paused");
    await fireEvent.click(one(curlews, "button", "Resume"));
    await waitFor(() => expect(asked.some((request) => request.method === "resume")).toBe(true));
  });

  test("removing asks first, and deletes files only when told so", async () => {
    const { asked } = await begin();
    await channel("7f3a91c2");
    const question = async () => {
      await fireEvent.click(one(await row(/^Fog signal/), "button", /^More for/));
      await fireEvent.click(await find("[role=menuitem]", "Remove from this device…"));
      return sheet(/^Remove “Fog signal/);
    };
    await fireEvent.click(one(await question(), "button", "Cancel"));
    expect(asked.some((request) => request.method === "remove")).toBe(false);
    const again = await question();
    await fireEvent.click(one(again, "input[type=checkbox]", "Delete its files too"));
    await fireEvent.click(one(again, "button", "Remove"));
    await waitFor(() => expect(asked.find((request) => request.method === "remove")).toMatchObject({ params: { delete: true } }));
  });

  test("what was left out is named, and of very many how many more there are", async () => {
    const { host } = await begin();
    const out = (n: number): LeftOut => ({ path: `take?${n}.wav`, why: "", code: { reason: "character", character: "?" } });
    const call = vi.mocked(host.call).getMockImplementation();
    if (!call) throw new Error("no world to begin with");
    vi.mocked(host.call).mockImplementation(async (request) => {
      const reply = await call(request);
      if (reply.kind !== "items") return reply;
      return { ...reply, value: reply.value.map((item) => ({ ...item, left_out: Array.from({ length: 23 }, (_, n) => out(n)) })) };
    });
    await channel("7f3a91c2");
    await fireEvent.click(one(await row(/^Fog signal/), "[data-main]"));
    const list = (await find("h2", "23 files left out:")).nextElementSibling as HTMLElement;
    expect(all(list, "li")).toHaveLength(21);
    expect(one(list, "li", /take\?19\.wav/).textContent).toContain("Windows cannot store a name with");
    expect(all(list, "li").at(-1)?.textContent).toBe("and 3 more");
  });

  test("an item of another's channel offers nothing that only its owner may do", async () => {
    await begin();
    await channel("7f3a91c2");
    await fireEvent.click(one(await row(/^Fog signal/), "button", /^More for/));
    await find("[role=menuitem]", "Files");
    expect(all(document.body, "[role=menuitem]", /Take out|Edit texts|new version/)).toEqual([]);
  });

  test("Escape closes a menu and gives the focus back", async () => {
    await begin();
    await channel("7f3a91c2");
    const more = one(await row(/^Fog signal/), "button", /^More for/);
    await fireEvent.keyDown(more, { key: "ArrowDown" });
    const first = await find("[role=menuitem]", "Files");
    expect(document.activeElement).toBe(first);
    await fireEvent.keyDown(first, { key: "ArrowUp" });
    expect(document.activeElement?.textContent).toContain("Remove");
    await fireEvent.keyDown(document.activeElement as HTMLElement, { key: "Escape" });
    expect(document.activeElement).toBe(more);
    expect(all(document.body, "[role=menu]")).toEqual([]);
  });
});

describe("publishing", () => {
  const go = async () => fireEvent.click(await find("form button[type=submit]", "Publish"));

  test("choose, name, publish: a handle goes out, a link comes back", async () => {
    const { asked } = await begin();
    await click("Publish");
    await click("Folder…");
    await screen.findByText("fog-signal");
    await fireEvent.change(await find("select", "Publish as"), { target: { value: "new" } });
    await go();
    await screen.findByText("The channel needs a name.");
    await fireEvent.input(one(document.body, "input", "Name of the channel"), { target: { value: "Hallett Point" } });
    await fireEvent.click(one(document.body, "input[type=radio]", /With the link/));
    await go();
    await find("h2", "The link is ready");
    const published = asked.find((request) => request.method === "publish");
    expect(published).toMatchObject({ params: { private: true, title: "Hallett Point 2026", update: null } });
    expect(published?.method === "publish" && published.params.paths.every((path) => path.startsWith("handle-"))).toBe(true);
    await screen.findByText(/take\?2\.wav/);
  });

  test("needs something to publish", async () => {
    const { methods } = await begin();
    await click("Publish");
    await go();
    await screen.findByText("Choose what to publish first.");
    expect(methods()).not.toContain("publish");
  });

  test("what is dropped on the window lands here", async () => {
    const { host } = await begin();
    await ready();
    host.drag({ phase: "dropped", x: 10, y: 10, items: [{ handle: "h", name: "notes.txt", folder: false, bytes: 12 }] });
    await screen.findByText("Drop more files or folders here");
    await screen.findByText("notes.txt");
  });

  test("a failure says what happened and keeps what was chosen", async () => {
    const { host } = await begin();
    await click("Publish");
    await click("Folder…");
    await screen.findByText("fog-signal");
    vi.mocked(host.call).mockRejectedValueOnce({ code: "source_changed", message: "a.flac" });
    await go();
    await screen.findByText(/A file changed while it was read/);
    one(document.body, "button", "Leave out Hallett Point 2026");
  });
});

describe("secrets", () => {
  test("a locked vault is opened on the way, a wrong passphrase says so", async () => {
    const { asked } = await begin("locked");
    await click("Identities");
    await click("New identity");
    const unlock = await sheet("Unlock the vault");
    await fireEvent.input(one(unlock, "input"), { target: { value: "wrong" } });
    await fireEvent.click(one(unlock, "button", "Unlock"));
    await within(unlock).findByText(/The passphrase does not fit/);
    await fireEvent.input(one(unlock, "input"), { target: { value: "right" } });
    await fireEvent.click(one(unlock, "button", "Unlock"));
    await find("dialog input", "Name");
    expect(asked.filter((request) => request.method === "unlock")).toHaveLength(2);
  });

  test("turning back from the vault leaves everything as it was", async () => {
    const { methods } = await begin("locked");
    await click("Identities");
    await click("New identity");
    await fireEvent.click(one(await sheet("Unlock the vault"), "button", "Cancel"));
    expect(all(document.body, "dialog")).toEqual([]);
    expect(methods()).not.toContain("unlock");
  });

  test("where there is no keyring, a vault is made, its passphrase typed twice", async () => {
    await begin("nokeyring");
    await click("Identities");
    await click("New identity");
    const make = await sheet(/There is no keyring on this computer/);
    const go = one<HTMLButtonElement>(make, "button", "Make vault");
    await fireEvent.input(one(make, "input", "Passphrase"), { target: { value: "nine copper kettles sing" } });
    expect(go.disabled).toBe(true);
    await fireEvent.input(one(make, "input", "Passphrase again"), { target: { value: "nine copper kettles" } });
    await within(make).findByText("The two differ.");
    await fireEvent.input(one(make, "input", "Passphrase again"), { target: { value: "nine copper kettles sing" } });
    await waitFor(() => expect(go.disabled).toBe(false));
  });

  test("a backup has a passphrase of eight letters at least, whatever a letter is made of", async () => {
    const { host, methods } = await begin();
    const pick = vi.spyOn(host, "pick");
    await click("Identities");
    await click("Back up: Lindqvist family");
    const back = await sheet("Back up to a file");
    const save = one<HTMLButtonElement>(back, "button", "Save backup…");
    const type = async (text: string) => {
      for (const label of ["Passphrase", "Passphrase again"]) await fireEvent.input(one(back, "input", label), { target: { value: text } });
    };
    // The last one has seven letters, each of two units.
    for (const short of ["abc", "abcdefg", "🌊🌊🌊🌊🌊🌊🌊"]) {
      await type(short);
      await within(back).findByText("At least 8 characters.");
      expect(save.disabled).toBe(true);
      await fireEvent.submit(one(back, "form"));
    }
    // Long enough, and typed twice.
    await type("abcdefgh");
    await waitFor(() => expect(save.disabled).toBe(false));
    expect(within(back).queryByText("At least 8 characters.")).toBeNull();
    await fireEvent.input(one(back, "input", "Passphrase again"), { target: { value: "abcdefgi" } });
    await waitFor(() => expect(save.disabled).toBe(true));
    expect(pick).not.toHaveBeenCalled();
    expect(methods()).not.toContain("id_export");
  });

  test("back up and restore go by handles", async () => {
    const { asked } = await begin();
    await click("Identities");
    await click("Back up: Lindqvist family");
    const back = await sheet("Back up to a file");
    for (const label of ["Passphrase", "Passphrase again"]) await fireEvent.input(one(back, "input", label), { target: { value: "nine copper kettles sing" } });
    await waitFor(() => expect(one<HTMLButtonElement>(back, "button", "Save backup…").disabled).toBe(false));
    await fireEvent.click(one(back, "button", "Save backup…"));
    await screen.findAllByText("Saved to Lindqvist-family.age");
    await click("choose it");
    await fireEvent.click(one(await sheet("Leave it empty for an identity.json."), "button", "Restore"));
    await screen.findAllByText("“Restored” is back");
    const files = asked.flatMap((request) => (request.method === "id_export" || request.method === "id_import" ? [request.params.file] : []));
    expect(files).toHaveLength(2);
    expect(files.every((file) => file.startsWith("handle-"))).toBe(true);
  });
});

describe("beginning and ending", () => {
  test("first start: what this is, route, folder and space, done", async () => {
    const { host, asked } = await begin("first");
    await screen.findByText("Follow a link. Keep the files.");
    await click("Choose the route");
    await click("Use a SOCKS5 proxy instead");
    await click("Choose the folder");
    await screen.findByText("A proxy is an IP address and a port, such as 127.0.0.1:1080.");
    await fireEvent.click(await find("input[value=tor]"));
    await screen.findByText("If Tor is lost, nothing leaves this device until it is back.");
    await click("Choose the folder");
    const most = await find("input[type=range]", "Use at most");
    expect(most.getAttribute("aria-valuetext")).toBe("60\u00a0GB");
    await fireEvent.input(most, { target: { value: "80" } });
    await click("Choose…");
    await screen.findByText("Hallett Point 2026");
    await fireEvent.click(one(document.body, "input", /Start with the computer/));
    await click("Start");
    await screen.findByText("Paste a channel link to begin");
    expect(asked.find((request) => request.method === "set_settings")).toMatchObject({ params: { gateway: null, route: "tor", quota: 80e9, lend: 0 } });
    expect(await host.settings()).toMatchObject({ welcomed: true, autostart: true, close_to_tray: true });
  });

  test("a link that comes during first start opens after it", async () => {
    const { host } = await begin("first");
    await screen.findByText("Follow a link. Keep the files.");
    host.link(LINK);
    expect(all(document.body, "dialog")).toEqual([]);
    await click("Choose the route");
    await click("Choose the folder");
    await click("Start");
    await sheet("Nothing has been sent anywhere yet.");
  });

  test("a node that does not start: why, and what helps", async () => {
    const { host } = await begin("failed");
    await screen.findByText("Megatorrent cannot start");
    expect(one(document.body, "[role=alert]").textContent).toContain("The port is in use");
    const retry = vi.spyOn(host, "retry");
    await click("Try again");
    expect(retry).toHaveBeenCalled();
    await screen.findByText("Paste a channel link to begin");
  });

  test("a host that throws shows words, never a white page", async () => {
    const host = makeMock("world", { language: "en" });
    vi.spyOn(host, "settings").mockRejectedValue({ code: "corrupt", message: "settings.json" });
    render(Root, { props: { host } });
    expect((await find("[role=alert]")).textContent).toContain("The data folder is damaged");
  });

  test("quitting asks first", async () => {
    const { host } = await begin();
    await ready();
    const quit = vi.spyOn(host, "quit");
    await fireEvent.keyDown(window, { key: "q", ctrlKey: true });
    await fireEvent.click(one(await sheet("Quit Megatorrent?"), "button", "Quit"));
    await waitFor(() => expect(quit).toHaveBeenCalled());
    await screen.findByText("Storing what is here, then quitting");
  });
});

describe("settings", () => {
  test("the language changes at once, the look too", async () => {
    await begin();
    await ready();
    await fireEvent.keyDown(window, { key: "6", ctrlKey: true });
    await fireEvent.change(await find("select", "Language"), { target: { value: "de" } });
    await find("h1", "Einstellungen");
    expect(document.documentElement.lang).toBe("de");
    await fireEvent.change(one(document.body, "select", "Aussehen"), { target: { value: "dark" } });
    await waitFor(() => expect(document.documentElement.dataset["theme"]).toBe("dark"));
  });

  test("the gateway is a switch that the node answers", async () => {
    const { asked } = await begin();
    await ready();
    await fireEvent.keyDown(window, { key: "5", ctrlKey: true });
    await fireEvent.click(await find("input[role=switch]", /Be a gateway/));
    await waitFor(() => expect(asked.find((request) => request.method === "set_settings")).toMatchObject({ params: { download_dir: null, gateway: false } }));
  });
});

test("a refusal of the node is shown in words and stays until it is dismissed", async () => {
  const { host } = await begin();
  await ready();
  host.node_.emit({ event: "notice", data: { code: "disk_full", message: "ENOSPC" } });
  await find(".toast b", "The disk is full");
  await click("Dismiss");
  await waitFor(() => expect(all(document.body, ".toast")).toEqual([]));
});

test("what is told while a list is on its way is newer than the list", async () => {
  const { host } = await begin();
  await ready();
  const call = vi.mocked(host.call).getMockImplementation();
  const known = host.node_.channels().filter((one) => one.items > 1).at(-1);
  if (!call || !known) throw new Error("no world to begin with");
  const held: (() => void)[] = [];
  // The answer is made, and then waits on its way.
  vi.mocked(host.call).mockImplementation(async (request) => {
    const answer = await call(request);
    if (request.method === "items") await new Promise<void>((go) => held.push(go));
    return answer;
  });
  await channel(known.key.slice(0, 8));
  await waitFor(() => expect(held).not.toEqual([]));
  const reply = await call({ method: "items", params: { channel: known.key } });
  const [first, second] = reply.kind === "items" ? reply.value : [];
  if (!first || !second) throw new Error("no list");
  host.node_.emit({ event: "item", data: { ...first, name: "Told meanwhile" } });
  host.node_.emit({ event: "item_gone", data: [known.key, second.id] });
  await new Promise((resolve) => setTimeout(resolve, 600));
  held.splice(0).forEach((go) => go());
  await find("button", "Told meanwhile");
  expect(all(document.body, "button", second.name)).toEqual([]);
});

test("nothing is drawn while the window is hidden, and all of it when it is back", async () => {
  const { host } = await begin();
  await ready();
  const hidden = vi.spyOn(document, "hidden", "get").mockReturnValue(true);
  const name = "A channel that came in the dark";
  const [known] = host.node_.channels();
  host.node_.emit({ event: "channel", data: { ...(known as NonNullable<typeof known>), key: "ab".repeat(32), name } });
  await new Promise((resolve) => setTimeout(resolve, 600));
  expect(screen.queryByText(name)).toBeNull();
  hidden.mockReturnValue(false);
  document.dispatchEvent(new Event("visibilitychange"));
  await screen.findByText(name);
});
