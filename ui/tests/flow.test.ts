// Where a person is, and what stays there: drops, late channels, places, messages, keys, and what leaves for other programs.
import { cleanup, fireEvent, screen, waitFor, within } from "@testing-library/svelte";
import { describe, expect, test, vi } from "vitest";
import type { ItemInfo } from "../src/host/gen/api";
import { begin, ready, sheet } from "./begin";
import { all, find, one } from "./find";

const KEY = "c41d0a7e93f25b68e1d047aa2c9f81365e70b3c4d8291f6607fba2e5904c3dd8";
const OWN = "b06e2f19c3d4a5b60718293a4b5c6d7e8f90a1b2c3d4e5f60718293a4b5c07ac";
const click = async (name: string | RegExp) => fireEvent.click(await find("button", name));
const go = async (name: string) => {
  await ready();
  await fireEvent.click(await find("nav button", new RegExp(`^${name}`)));
};
const channel = async (head: string) => {
  await ready();
  await fireEvent.click(await find(`[data-channel^="${head}"]`));
};
const row = async (name: RegExp) => (await find("button", name)).closest("[role=row]") as HTMLElement;
const menu = async (from: HTMLElement, line: string) => {
  await fireEvent.click(one(from, "button", /^More for/));
  await fireEvent.click(await find("[role=menuitem]", line));
};
const drop = (name: string, folder = false) => ({ phase: "dropped" as const, x: 10, y: 10, items: [{ handle: `h-${name}`, name, folder, bytes: 12 }] });
const toasts = () => all(document.body, ".toast").map((toast) => toast.className.match(/done|plain|caution|danger/)?.[0]);

describe("what is dropped", () => {
  test("on an update stays an update of that item", async () => {
    const { host, asked } = await begin();
    await channel(OWN.slice(0, 8));
    const rows = await find("main [role=row] [data-main]");
    const item = rows.closest("[role=row]") as HTMLElement;
    const name = rows.textContent ?? "";
    await menu(item, "Publish a new version…");
    await screen.findByText(new RegExp(`^New version of “${name.slice(0, 12)}`));
    host.drag(drop("winter.pdf"));
    await screen.findByText("winter.pdf");
    await screen.findByText(/^New version of “/);
    // Neither a shortcut nor the sidebar turns it into something new, and a snapshot does not make it forget.
    await fireEvent.keyDown(window, { key: "n", ctrlKey: true });
    await go("Publish");
    host.node_.emit({ event: "snapshot", data: { status: host.node_.status, channels: host.node_.channels(), transfers: [] } });
    await click("Publish update");
    await waitFor(() => expect(asked.some((request) => request.method === "publish")).toBe(true));
    const published = asked.find((request) => request.method === "publish");
    expect(published?.method === "publish" && published.params.update).toMatch(new RegExp(`^${OWN}/[0-9a-f]+$`));
    expect(published).toMatchObject({ params: { identity: OWN } });
  });

  test("a picture without a code is no success, and can be published", async () => {
    const { host } = await begin();
    await ready();
    // No picture can be decoded here: as one that holds no code.
    vi.stubGlobal("createImageBitmap", async () => ({ width: 4, height: 4, close: () => undefined }));
    host.drag(drop("IMG_2041.jpg"));
    await find(".toast.caution b", "No code with a channel link in that picture");
    expect(toasts()).toEqual(["caution"]);
    await click("Publish the picture");
    await find("h1", "Publish");
    await screen.findByText("IMG_2041.jpg");
    vi.unstubAllGlobals();
  });

  test("what will be left out is said before anything is published", async () => {
    await begin();
    await go("Publish");
    await click("Folder…");
    await screen.findByText("1 file will be left out.");
    await screen.findByText("Windows cannot store a name with “?”.");
  });
});

describe("a new channel", () => {
  const LINK = `megatorrent://${KEY}:${"4f".repeat(32)}`;

  test("is shown, though the news of it comes late", async () => {
    const { host } = await begin();
    await channel("7f3a91c2");
    await find("h1", "Tidewater Field Recordings");
    const { emit } = host.node_;
    // The node's answer is faster than its news.
    host.node_.emit = (event) => (event.event === "channel" ? void setTimeout(() => emit.call(host.node_, event), 300) : emit.call(host.node_, event));
    host.link(LINK);
    await fireEvent.click(one(await sheet("Nothing has been sent anywhere yet."), "button", "Add channel"));
    await find("h1", "Ingrid & Pål: letters 1961–74");
    await find(".toast.done b", "Added “Ingrid & Pål: letters 1961–74”");
    await new Promise((resolve) => setTimeout(resolve, 500));
    one(document.body, "h1", "Ingrid & Pål: letters 1961–74");
  });

  test("that is private makes the vault first, where there is no place for its key", async () => {
    const { host, methods } = await begin("nokeyring");
    await ready();
    host.link(LINK);
    const add = await sheet("Nothing has been sent anywhere yet.");
    await fireEvent.click(one(add, "button", "Add channel"));
    const make = await sheet(/There is no keyring on this computer/);
    expect(methods()).not.toContain("subscribe");
    for (const label of ["Passphrase", "Passphrase again"]) await fireEvent.input(one(make, "input", label), { target: { value: "abcdefg" } });
    await within(make).findByText("At least 8 characters.");
    expect(one<HTMLButtonElement>(make, "button", "Make vault").disabled).toBe(true);
    for (const label of ["Passphrase", "Passphrase again"]) await fireEvent.input(one(make, "input", label), { target: { value: "abcdefgh" } });
    await waitFor(() => expect(one<HTMLButtonElement>(make, "button", "Make vault").disabled).toBe(false));
    await fireEvent.click(one(make, "button", "Make vault"));
    await find("h1", "Ingrid & Pål: letters 1961–74");
    expect(methods().filter((method) => method === "unlock" || method === "subscribe")).toEqual(["unlock", "subscribe"]);
  });

  test("turned back from the vault, the sheet stays and can be tried again", async () => {
    const { host, methods } = await begin("nokeyring");
    await ready();
    host.link(LINK);
    const add = await sheet("Nothing has been sent anywhere yet.");
    for (const act of ["Look inside", "Add channel"]) {
      await fireEvent.click(one(add, "button", act));
      await fireEvent.click(one(await sheet(/There is no keyring on this computer/), "button", "Cancel"));
      await waitFor(() => expect(one<HTMLButtonElement>(add, "button", "Add channel").disabled).toBe(false));
    }
    expect(methods().filter((method) => ["look", "subscribe", "unlock"].includes(method))).toEqual([]);
  });

  test("says how much of it would be fetched for others", async () => {
    const { host } = await begin();
    await ready();
    host.link(`megatorrent://${KEY}`);
    await screen.findByText(/^And up to 200\s?MB of sealed parts that you lend/);
  });
});

describe("each screen keeps its place", () => {
  test("the channel that was looked at is there again, and so is an item", async () => {
    await begin();
    await channel("f2d9481c");
    const name = (await find("main h1")).textContent;
    await go("Transfers");
    await fireEvent.keyDown(window, { key: "1", ctrlKey: true });
    await find("main h1", name ?? "");
    await fireEvent.click(await find("main [role=row] [data-main]"));
    await find("button", /^Back/);
    const item = one(document.body, "main h1").textContent;
    await go("Network");
    await go("Channels");
    await find("main h1", item ?? "");
    // Opened again while it is open, it leads up to the channel.
    await go("Channels");
    await find("main h1", name ?? "");
  });

  test("over a restart, too", async () => {
    const first = await begin();
    await channel("f2d9481c");
    await waitFor(async () => expect((await first.host.settings()).last?.channel).toMatch(/^f2d9481c/), { timeout: 8000 });
    const { last } = await first.host.settings();
    document.body.replaceChildren();
    await begin("world", { last });
    await find(`[data-channel="${last?.channel}"][aria-current=true]`);
  });

  test("a long list is where it was scrolled to, over a restart", async () => {
    const list = () => find("main [role=table] [role=rowgroup][aria-label]");
    const first = await begin("stress");
    await channel("93c0ffee");
    const before = await list();
    const kept = (top: number) => waitFor(async () => expect((await first.host.settings()).last).toMatchObject({ top }), { timeout: 8000 });
    await kept(0);
    before.scrollTop = 4800;
    await fireEvent.scroll(before);
    await find("[data-row='105']", undefined, before);
    await kept(4800);
    const { last } = await first.host.settings();
    cleanup();
    await begin("stress", { last });
    const after = await list();
    expect(after).not.toBe(before);
    await find("[data-row='105']", undefined, after);
    expect(after.scrollTop).toBe(4800);
    expect(all(after, "[data-row='0']")).toEqual([]);
  });
});

describe("messages", () => {
  const item = (host: Awaited<ReturnType<typeof begin>>["host"], n: number, more: Partial<ItemInfo> = {}): ItemInfo => {
    const [known] = host.node_.channels().filter((one) => one.key.startsWith("7f3a91c2"));
    return { id: `${n}`.padStart(32, "0"), channel: known?.key ?? "", name: `Item ${n}`, about: "", published: n, files: 1, bytes: 1, have: 1, rate: 0, state: "complete", cause: null, path: null, left_out: [], ...more };
  };

  test("many items that become ready are one message for their channel, and none where they are seen", async () => {
    const { host } = await begin();
    await channel("f2d9481c");
    await go("Settings");
    for (let n = 0; n < 12; n += 1) host.node_.emit({ event: "ready", data: item(host, n) });
    await find(".toast.done b", "12 items of “Tidewater Field Recordings” are ready");
    expect(toasts()).toHaveLength(1);
    await click("Dismiss");
    await go("Transfers");
    host.node_.emit({ event: "ready", data: item(host, 20) });
    await waitFor(() => expect(one(document.body, ".aloud[role=status]").textContent).toContain("Item 20"));
    expect(toasts()).toEqual([]);
  });

  test("what is wrong is never in the tone of what is done, and the node's words are there when asked for", async () => {
    const { host } = await begin();
    await ready();
    host.node_.emit({ event: "notice", data: { code: "io", message: "/mnt/old/x.flac: Permission denied (os error 13)" } });
    await find(".toast.danger b", "A file could not be read or written");
    expect(one(document.body, ".toast details").textContent).toContain("/mnt/old/x.flac");
    const call = host.call.bind(host);
    host.call = (request) => (request.method === "verify" ? Promise.resolve({ kind: "verified", value: { good: 7, bad: 2, files: [], kept: [] } }) : call(request));
    await channel("7f3a91c2");
    await menu(await row(/^Fog signal/), "Check files");
    await find(".toast.caution b", "2 blobs are missing or changed, 7 right");
  });

  test("Escape takes the message first, then the search, then the item, and never the screen", async () => {
    const { host } = await begin();
    await go("Publish");
    await channel2();
    await fireEvent.click(await row(/^Fog signal/).then((found) => one(found, "[data-main]")));
    await find("button", /^Back/);
    host.node_.emit({ event: "notice", data: { code: "disk_full", message: "ENOSPC" } });
    await find(".toast.danger b", "The disk is full");
    const escape = () => fireEvent.keyDown(window, { key: "Escape" });
    await escape();
    await waitFor(() => expect(toasts()).toEqual([]));
    await find("button", /^Back/);
    await escape();
    await find("h1", "Tidewater Field Recordings");
    const search = await find<HTMLInputElement>("input", "Search 1,204 items");
    await fireEvent.input(search, { target: { value: "fog" } });
    await screen.findByText("1 of 1,204 items");
    await escape();
    await waitFor(() => expect(search.value).toBe(""));
    await escape();
    await find("h1", "Tidewater Field Recordings");
  });
  const channel2 = async () => {
    await go("Channels");
    await channel("7f3a91c2");
  };
});

describe("where there is no tray", () => {
  const NOTE = "This desktop has no tray. Closing the window ends the program, after a question.";
  const around = { tray: false, platform: "linux" as const };

  test("first start says what closing does, and offers nothing that needs one", async () => {
    const { host } = await begin("first", {}, around);
    await click("Choose the route");
    await click("Choose the folder");
    await screen.findByText(NOTE);
    one(document.body, "input", /^Start with the computer, minimised/);
    expect(all(document.body, "label", /tray|Keep running/)).toEqual([]);
    await click("Start");
    await waitFor(async () => expect((await host.settings()).welcomed).toBe(true));
  });

  test("the settings say so as well", async () => {
    await begin("world", {}, around);
    await go("Settings");
    await screen.findByText(NOTE);
    one(document.body, "input", /^Start with the computer, minimised/);
    expect(all(document.body, "label", /tray|Keep running/)).toEqual([]);
  });

  test("and where there is one, its words are there instead", async () => {
    await begin();
    await go("Settings");
    await find("input", /^Keep running in the tray when the window is closed/);
    one(document.body, "input", /^Start with the computer, in the tray/);
    expect(screen.queryByText(NOTE)).toBeNull();
  });
});

describe("ending", () => {
  test("Ctrl+Q asks also while a sheet or a menu is open, and asks once", async () => {
    const { host } = await begin();
    await channel("7f3a91c2");
    const quit = vi.spyOn(host, "quit");
    await fireEvent.click(one(await row(/^Fog signal/), "button", /^More for/));
    await fireEvent.keyDown(await find("[role=menuitem]", "Files"), { key: "q", ctrlKey: true });
    await fireEvent.click(one(await sheet("Quit Megatorrent?"), "button", "Cancel"));
    await click("Add a channel");
    const add = await sheet("Paste the link that you were given.");
    await fireEvent.keyDown(one(add, "input"), { key: "q", ctrlKey: true });
    const asked = await sheet("Quit Megatorrent?");
    await fireEvent.keyDown(asked, { key: "q", ctrlKey: true });
    expect(all(document.body, "dialog")).toHaveLength(2);
    expect(quit).not.toHaveBeenCalled();
    await fireEvent.click(one(asked, "button", "Quit"));
    await waitFor(() => expect(quit).toHaveBeenCalled());
  });

  test("the cross asks the same question where it would end the program", async () => {
    const { host } = await begin();
    await ready();
    const [quit, stay] = [vi.spyOn(host, "quit"), vi.spyOn(host, "stay")];
    host.close();
    await fireEvent.click(one(await sheet("Quit Megatorrent?"), "button", "Cancel"));
    await waitFor(() => expect(stay).toHaveBeenCalled());
    expect(quit).not.toHaveBeenCalled();
    host.close();
    await fireEvent.click(one(await sheet("Quit Megatorrent?"), "button", "Quit"));
    await waitFor(() => expect(quit).toHaveBeenCalled());
  });
});

describe("other programs", () => {
  const open = async () => {
    await channel("7f3a91c2");
    await fireEvent.click(one(await row(/^Fog signal/), "[data-main]"));
    await find("button", /^Back/);
    await fireEvent.click(await find("main button", "Play"));
    await click("Play in another program");
  };

  test("get a file without a question on the direct route", async () => {
    const { host } = await begin();
    const play = vi.spyOn(host, "playOutside");
    await open();
    await waitFor(() => expect(play).toHaveBeenCalledTimes(1));
    expect(all(document.body, "dialog")).toEqual([]);
  });

  test("are asked about while the route hides; the folder is the other choice, and an answer holds for its kind", async () => {
    const { host } = await begin("tor");
    const [play, folder] = [vi.spyOn(host, "playOutside"), vi.spyOn(host, "openFolder")];
    await open();
    const first = await sheet("This program does not use your route");
    await fireEvent.click(one(first, "button", "Show in folder"));
    await waitFor(() => expect(folder).toHaveBeenCalled());
    expect(play.mock.calls.map(([, , sure]) => sure)).toEqual([false]);
    await click("Play in another program");
    const again = await sheet("This program does not use your route");
    await fireEvent.click(one(again, "input[type=checkbox]", "Do not ask again for FLAC files"));
    await fireEvent.click(one(again, "button", "Open all the same"));
    await waitFor(() => expect(play.mock.calls.map(([, , sure]) => sure)).toEqual([false, false, true]));
    await waitFor(async () => expect((await host.settings()).outside).toEqual(["flac"]));
    await click("Play in another program");
    await waitFor(() => expect(play).toHaveBeenCalledTimes(4));
    expect(all(document.body, "dialog")).toEqual([]);
  });

  test("are asked about each time where the kind is none that is known", async () => {
    const { host } = await begin("tor");
    const play = vi.spyOn(host, "playOutside").mockImplementation(async (_item, _path, sure) => (sure ? { handed: "opened" } : { handed: "asks", kind: "" }));
    const save = vi.spyOn(host, "setSettings");
    await open();
    for (const asked of [1, 2]) {
      const question = await sheet("This program does not use your route");
      expect(all(question, "input[type=checkbox]")).toEqual([]);
      await fireEvent.click(one(question, "button", "Open all the same"));
      await waitFor(() => expect(play).toHaveBeenCalledTimes(2 * asked));
      if (asked === 1) await click("Play in another program");
    }
    expect(save.mock.calls.filter(([change]) => "outside" in change)).toEqual([]);
  });
});

describe("the player", () => {
  const play = async () => {
    await channel("7f3a91c2");
    await fireEvent.click(one(await row(/^Fog signal/), "[data-main]"));
    await fireEvent.click(await find("main button", "Play"));
    return find<HTMLVideoElement>("video");
  };

  test("says that it loads, until something is there", async () => {
    await begin();
    const video = await play();
    await screen.findByText("Loading the first part");
    await fireEvent(video, new window.Event("canplay"));
    await waitFor(() => expect(screen.queryByText("Loading the first part")).toBeNull());
  });

  test("what is here and does not begin in eight seconds is said to be unplayable, with a way on", async () => {
    await begin();
    vi.useFakeTimers({ toFake: ["setInterval", "clearInterval"] });
    try {
      await play();
      await screen.findByText("Loading the first part");
      await vi.advanceTimersByTimeAsync(7000);
      expect(screen.queryByText("This program cannot play it here")).toBeNull();
      await vi.advanceTimersByTimeAsync(2000);
      await screen.findByText("This program cannot play it here");
      one(document.body, "button", "Play in another program");
    } finally {
      vi.useRealTimers();
    }
  });
});

test("a publication that waits for the route says so, hands out its link at once, and can be called off", async () => {
  const { host, asked } = await begin("tor");
  const route = { ...host.node_.status.route, state: { state: "starting" as const, percent: 14 } };
  host.node_.status = { ...host.node_.status, route };
  await go("Publish");
  await click("Folder…");
  await screen.findByText("fog-signal");
  await fireEvent.click(await find("form button[type=submit]", "Publish"));
  await screen.findByText(/Tor is not ready, 14 %/);
  await screen.findByText("You can hand it out now. It opens once the list is out.");
  await fireEvent.click(await find(".side button", "Cancel"));
  await find("h2", "Not published");
  await screen.findByText(/^Cancelled\./);
  const [published, called] = [asked.find((one) => one.method === "publish"), asked.find((one) => one.method === "cancel_publish")];
  expect(called?.method === "cancel_publish" && called.params.job).toMatch(/^[0-9a-f]{32}$/);
  expect(published?.method === "publish" && published.params.job).toBe(called?.method === "cancel_publish" && called.params.job);
});
