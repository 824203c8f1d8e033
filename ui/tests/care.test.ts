// Limits, space, pauses, what is kept and fetched, searching, read keys: what a person sets, and what reaches the node.
import { fireEvent, screen, waitFor, within } from "@testing-library/svelte";
import { describe, expect, test } from "vitest";
import type { Request } from "../src/host/gen/api";
import { amountIn, bytesOf, roomOf, unitFor } from "../src/parts/amount";
import { kindOf, kindOfItem } from "../src/parts/kinds";
import { readSchedule, spanFault, writeSchedule, newSpan } from "../src/parts/schedule";
import { steps } from "../src/screens/publishSteps";
import { speak } from "../src/words/words";
import { begin, ready, sheet } from "./begin";
import { all, find, one } from "./find";

const go = async (name: string) => {
  await ready();
  await fireEvent.click(await find("nav button", new RegExp(`^${name}`)));
};
const click = async (name: string | RegExp) => fireEvent.click(await find("button", name));
const channel = async (head: string) => {
  await ready();
  await fireEvent.click(await find(`[data-channel^="${head}"]`));
};
const params = (asked: Request[], method: Request["method"]) => asked.filter((one) => one.method === method).map((one) => ("params" in one ? one.params : null));
async function type(field: string, text: string) {
  const input = await find("input", field);
  await fireEvent.input(input, { target: { value: text } });
  await fireEvent.change(input);
}
const menu = async (label: RegExp, line: string) => {
  await click(label);
  await fireEvent.click(await find("[role=menuitem]", line));
};

describe("limits and space", () => {
  test("each limit is set where it stands, and what is none is refused at once", async () => {
    const { asked } = await begin();
    await go("Settings");
    await type("Down, all together", "750");
    await waitFor(() => expect(params(asked, "set_settings")).toMatchObject([{ down: 750_000 }]));
    await type("Up, to each peer", "0,5");
    await screen.findByText("At least 17 KB/s, or nothing for no limit.");
    await type("Up, to each peer", "abc");
    const fault = await screen.findByText("A number, or nothing for no limit.");
    // It is said of this field alone, to who listens too, and goes when the field is right.
    const field = one(document.body, "input", "Up, to each peer");
    expect(field.getAttribute("aria-invalid")).toBe("true");
    expect(document.getElementById(field.getAttribute("aria-describedby") ?? "")?.contains(fault)).toBe(true);
    expect(all(document.body, "[aria-invalid=true]")).toEqual([field]);
    expect(field.closest("[class*=both]")?.contains(fault)).toBe(false);
    await type("Up, to each peer", "");
    await waitFor(() => expect(all(document.body, "[aria-invalid], .fault")).toEqual([]));
    await type("Up, all together", "");
    await waitFor(() => expect(params(asked, "set_settings").at(-1)).toMatchObject({ up: 0 }));
    await type("Use at most", "1.5");
    await waitFor(() => expect(params(asked, "set_settings").at(-1)).toMatchObject({ quota: 1.5e9 }));
    await type("Lend to others", "5");
    await waitFor(() => expect(params(asked, "set_settings").at(-1)).toMatchObject({ lend: 5e9 }));
    expect(params(asked, "set_settings")).toHaveLength(4);
    await screen.findByText("61.3 GB used this month");
  });

  test("what the node refuses is told, and the field goes back", async () => {
    const { host } = await begin();
    const call = host.call.bind(host);
    host.call = (request) => (request.method === "set_settings" ? Promise.reject({ code: "bad_argument", message: "no" }) : call(request));
    await go("Settings");
    await type("Down, all together", "750");
    await screen.findByText("That does not fit together");
    await waitFor(async () => expect((await find<HTMLInputElement>("input", "Down, all together")).value).toBe(""));
  });

  test("a schedule is read, changed, and refused while it is half done", async () => {
    const { asked } = await begin();
    await go("Settings");
    await find("li fieldset");
    await click("Add a time");
    const second = () => all(document.body, "li fieldset")[1] as HTMLElement;
    await waitFor(() => expect(second()).toBeTruthy());
    for (const day of ["Mon", "Tue", "Wed", "Thu", "Fri"]) await fireEvent.click(one(second(), "button", day));
    await click("Use this schedule");
    await screen.findByText("Choose at least one day.");
    await fireEvent.click(one(second(), "button", "Sun"));
    await click("Use this schedule");
    await waitFor(() => expect(params(asked, "set_settings")).toMatchObject([{ schedule: "mon-fri 08:00-18:00 down 500000; sun 08:00-18:00 off" }]));
    await click("Remove time 2");
    await click("Remove time 1");
    await click("Use this schedule");
    await waitFor(() => expect(params(asked, "set_settings").at(-1)).toMatchObject({ schedule: "" }));
    await screen.findByText("Nothing is scheduled.");
  });

  test("downloads move to a folder by its handle, with progress", async () => {
    const { asked, host } = await begin();
    host.node_.slow = 400;
    await go("Settings");
    await click("Move downloads…");
    const question = await sheet(/^Move .* in \d+ items to “Hallett Point 2026”\?$/);
    expect(params(asked, "move_data")).toEqual([]);
    await fireEvent.click(one(question, "button", "Move"));
    await screen.findByText(/^Moving: /);
    await screen.findByText("Everything is in the new folder");
    expect(params(asked, "move_data")).toEqual([{ dir: "handle-1" }]);
    await screen.findByText("/home/mira/Hallett Point 2026");
  });

  test("turned back from the move, nothing was asked of the node", async () => {
    const { methods } = await begin();
    await go("Settings");
    await click("Move downloads…");
    await fireEvent.click(one(await sheet(/^Move .* in \d+ items to/), "button", "Cancel"));
    expect(methods()).not.toContain("move_data");
  });

  test("lending tells how much, how fast and why not, and is paused where it is seen", async () => {
    const { host, asked } = await begin();
    await go("Transfers");
    const row = await find("section", "Lending");
    expect(row.textContent).toMatch(/12\.4\s?GB of 20\.0\s?GB.*Waits for an idle line/);
    await fireEvent.click(one(row, "button", "Pause: Lending"));
    await waitFor(() => expect(params(asked, "set_settings")).toMatchObject([{ lend_paused: true }]));
    await within(row).findByText("Paused. What is here is still given.");
    await fireEvent.click(one(row, "button", "Resume: Lending"));
    await within(row).findByText("Nothing to fetch");
    expect(params(asked, "set_settings").at(-1)).toMatchObject({ lend_paused: false });
    const { status } = host.node_;
    host.node_.status = { ...status, lending: { space: 7e9, kept: 524e6, rate: 12e6, paused: false, waits: false } };
    host.node_.emit({ event: "status", data: host.node_.status });
    await waitFor(() => expect(row.textContent).toMatch(/524\s?MB of 7\.00\s?GB.*12\.0\s?MB\/s/));
    await go("Settings");
    await type("Lend for each channel", "1");
    await waitFor(() => expect(params(asked, "set_settings").at(-1)).toMatchObject({ lend_channel: 1e6 }));
    await type("Lend to others", "");
    await waitFor(() => expect(all(document.body, "input", "Lend for each channel")).toEqual([]));
  });

  test("the near network can be left alone", async () => {
    const { asked } = await begin();
    await go("Settings");
    await fireEvent.click(await find("input", /^Find neighbours/));
    await fireEvent.click(await find("input", /^Ask the router/));
    await waitFor(() => expect(params(asked, "set_settings")).toMatchObject([{ lan: false }, { port_mapping: false }]));
  });

  test("everything rests for an hour, or until tomorrow", async () => {
    const { asked } = await begin();
    await go("Transfers");
    await click("Pause for 1 h");
    await screen.findAllByText(/^Paused until /);
    await screen.findByText("It goes on by itself.");
    await click("Resume all");
    await menu(/^Other ways to pause/, "Pause until tomorrow");
    await waitFor(() => expect(params(asked, "pause_for")).toHaveLength(2));
    const [hour, tomorrow] = params(asked, "pause_for") as { seconds: number }[];
    expect(hour?.seconds).toBe(3600);
    expect(tomorrow?.seconds).toBeGreaterThan(0);
    expect(tomorrow?.seconds).toBeLessThanOrEqual(25 * 3600);
  });

  test("the limits that hold stand above the transfers and lead to the settings", async () => {
    await begin();
    await go("Transfers");
    await click(/^This month\s*61.3 GB of 500 GB/);
    await find("h1", "Settings");
  });
});

describe("a channel's rules", () => {
  test("what is kept, and whether only encrypted", async () => {
    const { asked } = await begin();
    await channel("7f3a91c2");
    await click(/^Keep:/);
    const keep = await sheet("Keep new items only encrypted");
    await fireEvent.input(one(keep, "input", "How many days to keep items"), { target: { value: "14" } });
    within(keep).getByText(/What does not fit the rule is deleted/);
    await fireEvent.click(one(keep, "input", /^Keep new items only encrypted/));
    await fireEvent.submit(one(keep, "form"));
    await waitFor(() => expect(params(asked, "set_channel")).toMatchObject([{ keep: { days: 14 }, encrypted: true, fetch: null }]));
    await find("button", /14 days/);
  });

  test("what is fetched changes without following anew", async () => {
    const { asked } = await begin();
    await channel("7f3a91c2");
    await click(/^Get automatically/);
    const rule = await sheet("Nothing; I choose each");
    await fireEvent.click(one(rule, "input", "Nothing; I choose each"));
    await fireEvent.submit(one(rule, "form"));
    await waitFor(() => expect(params(asked, "set_channel")).toMatchObject([{ fetch: "none", keep: null, encrypted: null }]));
    expect(params(asked, "subscribe")).toEqual([]);
  });

  test("what is fetched now has the focus, not the first choice", async () => {
    await begin();
    await channel("7f3a91c2");
    const choices = { none: "Nothing; I choose each", newest: /^The newest/, all: /^Everything/ };
    const set = async (to: keyof typeof choices, shown: RegExp) => {
      await click(/^Get automatically/);
      const rule = await sheet("Nothing; I choose each");
      const focused = (Object.keys(choices) as (keyof typeof choices)[]).find((kind) => one(rule, "input[type=radio]", choices[kind]) === document.activeElement);
      await fireEvent.click(one(rule, "input[type=radio]", choices[to]));
      await fireEvent.submit(one(rule, "form"));
      await waitFor(() => expect(all(document.body, "dialog")).toEqual([]));
      await find("button", shown);
      return focused;
    };
    await set("all", /^Get automatically.*everything/);
    expect(await set("newest", /^Get automatically.*newest/)).toBe("all");
    expect(await set("none", /^Get automatically.*nothing/)).toBe("newest");
    expect(await set("none", /^Get automatically.*nothing/)).toBe("none");
  });

  test("a new read key is explained, made, and its link shown", async () => {
    const { asked } = await begin();
    await channel("b06e2f19");
    await menu(/^More for Lindqvist/, "New read key…");
    const asking = await sheet(/Whoever has only the old link/);
    expect(params(asked, "rekey")).toEqual([]);
    await fireEvent.click(one(asking, "button", "Make new key"));
    await sheet("Copy link");
    expect(params(asked, "rekey")).toHaveLength(1);
  });

  test("a public channel has no read key to change", async () => {
    await begin();
    await channel("7f3a91c2");
    await click(/^More for Tidewater/);
    await find("[role=menuitem]", "Copy the key");
    expect(all(document.body, "[role=menuitem]", "New read key…")).toEqual([]);
  });

  test("a link with another read key asks before it takes the place of the old", async () => {
    const { host, asked } = await begin();
    await ready();
    const link = `megatorrent://b06e2f19c3d4a5b60718293a4b5c6d7e8f90a1b2c3d4e5f60718293a4b5c07ac:${"00".repeat(32)}`;
    host.link(link);
    const first = await sheet(/The publisher may have given it a new one/);
    await fireEvent.click(one(first, "button", "Keep the old key"));
    expect(params(asked, "new_key")).toEqual([]);
    host.link(link);
    await fireEvent.click(one(await sheet(/The publisher may have given it a new one/), "button", "Use the new key"));
    await waitFor(() => expect(params(asked, "new_key")).toEqual([{ link }]));
    await find("h1", "Lindqvist family");
  });
});

describe("an item", () => {
  test("is kept for good, and fetched first", async () => {
    const { asked } = await begin();
    await channel("7f3a91c2");
    await menu(/^More for Ice on Lake/, "Keep for good");
    await screen.findByText("Kept: no rule and no quota removes it");
    await menu(/^More for Ice on Lake/, "Fetch first");
    await waitFor(() => expect(params(asked, "set_item")).toMatchObject([{ pinned: true, priority: null }, { pinned: null, priority: "high" }]));
    await click(/^More for Ice on Lake/);
    await find("[role=menuitem]", "No longer keep for good");
    await find("[role=menuitem]", "Fetch in turn");
  });

  test("of its files only those are fetched that are wanted", async () => {
    const { asked } = await begin();
    await channel("5b07c9d1");
    await click(/^A Trip to the Moon/);
    const notes = await find<HTMLInputElement>("input", "Fetch restoration-notes.pdf");
    expect(notes.checked).toBe(true);
    await fireEvent.click(notes);
    await waitFor(() => expect(params(asked, "choose")).toMatchObject([{ paths: ["restoration-notes.pdf"], want: false }]));
    await screen.findAllByText("Left out");
    // What is here already has no choice.
    expect((await find<HTMLInputElement>("input", "Fetch moon-1902.en.srt")).disabled).toBe(true);
    const everything = await find<HTMLInputElement>("input", "Fetch all files");
    // The files are read again after the choice.
    await waitFor(() => expect(everything.indeterminate).toBe(true));
  });

  test("kept only encrypted, its files are written when asked", async () => {
    const { asked } = await begin();
    await channel("0d3b7788");
    await screen.findByText("kept encrypted");
    await click(/^Slow Signals 31/);
    await click("Write its files");
    await screen.findByText("The files are written");
    expect(params(asked, "open")).toHaveLength(1);
    await find("button", "Show in folder");
  });
});

test("one field finds channels and items, everywhere", async () => {
  const { asked } = await begin();
  await ready();
  const field = await find("input", "Find channel or item");
  await fireEvent.input(field, { target: { value: "signal" } });
  await fireEvent.click(await find("[data-item]", /^Fog signal/));
  await find("h1", /^Fog signal/);
  expect(params(asked, "search")).toEqual([{ text: "signal", channel: null, limit: 50 }]);
});

test("nothing found is said", async () => {
  await begin();
  await ready();
  await fireEvent.input(await find("input", "Find channel or item"), { target: { value: "zzzz" } });
  await screen.findByText("Nothing here has “zzzz” in it");
});

describe("a keyring that is locked", () => {
  test("and has the secrets: it is said, and tried again", async () => {
    const { asked } = await begin("ringlocked");
    await ready();
    await screen.findByText("The keyring is locked");
    await click("Unlock…");
    const asking = await sheet(/it is locked\. Unlock it where you manage/);
    await fireEvent.submit(one(asking, "form"));
    await within(asking).findByText(/The keyring is locked still/);
    await fireEvent.submit(one(asking, "form"));
    await waitFor(() => expect(all(document.body, "dialog")).toEqual([]));
    expect(params(asked, "unlock")).toEqual([{ passphrase: "" }, { passphrase: "" }]);
    await waitFor(() => expect(screen.queryByText("The keyring is locked")).toBeNull());
  });

  test("and has nothing yet: a vault is the way on", async () => {
    const { asked } = await begin("ringunused");
    await go("Identities");
    await click("New identity");
    const asking = await sheet(/or let a vault with a passphrase keep the secrets instead/);
    await fireEvent.click(one(asking, "button", "Try the keyring"));
    await within(asking).findByText(/The keyring is locked still/);
    await fireEvent.input(one(asking, "input", "Passphrase"), { target: { value: "nine copper kettles sing" } });
    await fireEvent.input(one(asking, "input", "Passphrase again"), { target: { value: "nine copper kettles sing" } });
    await fireEvent.submit(one(asking, "form"));
    await sheet("Make identity");
    expect(params(asked, "unlock").at(-1)).toEqual({ passphrase: "nine copper kettles sing" });
  });
});

describe("parts", () => {
  test("amounts as people write them", () => {
    expect(unitFor("rate", 0)).toBe(1e3);
    expect(unitFor("rate", 2e6)).toBe(1e6);
    expect(unitFor("rate", 750_000)).toBe(1e3);
    expect(unitFor("size", 1.5e12)).toBe(1e12);
    expect(unitFor("size", 1_234_567_890)).toBe(1e6);
    expect(amountIn(1.5e9, 1e9, "de")).toBe("1,5");
    expect(amountIn(0, 1e9, "en")).toBe("");
    for (const [text, bytes] of [["", 0], ["1,5", 1.5e9], [" 2 ", 2e9], ["0.25", 0.25e9], ["١٫٥", 1.5e9]] as const) expect(bytesOf(text, 1e9, text.includes("١") ? "ar-EG" : "en"), text).toBe(bytes);
    for (const bad of ["x", "-1", "1.2.3", "1e9", "99999999999"]) expect(bytesOf(bad, 1e9, "en"), bad).toBeNull();
  });

  test("room to begin with", () => {
    for (const [free, room] of [[null, 0], [152e9, 60e9], [12e9, 5e9], [1e9, 1e9]] as const) expect(roomOf(free)).toBe(room);
  });

  test("a schedule as the node writes it", () => {
    const text = "mon-fri 08:00-18:00 off; sat,sun 22:00-06:00 down 200k up 1.5M; daily 00:00-24:00 up 50k; sun-tue 01:00-02:00 off";
    const spans = readSchedule(text);
    expect(spans?.[1]).toMatchObject({ from: 1320, to: 360, down: 200_000, up: 1_500_000, off: false });
    expect(writeSchedule(spans ?? [])).toBe("mon-fri 08:00-18:00 off; sat,sun 22:00-06:00 down 200000 up 1500000; daily 00:00-24:00 up 50000; mon,tue,sun 01:00-02:00 off");
    expect(readSchedule("")).toEqual([]);
    for (const bad of ["mon", "mon 8-9 off", "xyz 08:00-09:00 off", "mon 24:00-09:00 off", "mon 08:00-08:00 off", "mon 08:00-09:00", "mon 08:00-09:00 down", "mon 08:00-09:00 down 0"]) expect(readSchedule(bad), bad).toBeNull();
    expect(spanFault({ ...newSpan(), off: false })).toBe("no_rate");
    expect(spanFault({ ...newSpan(), to: 480 })).toBe("same_time");
  });

  test("what kind of thing an item of one file is", () => {
    expect(kindOfItem({ name: "Harbour at night", files: 1, mime: "video/webm" })).toMatchObject({ family: "video", plays: "video", label: "" });
    expect(kindOfItem({ name: "Vol. 3", files: 1, mime: "application/pdf" })).toMatchObject({ family: "text", label: "" });
    expect(kindOfItem({ name: "Ice.flac", files: 1 })).toMatchObject({ family: "audio", label: "FLAC" });
    expect(kindOfItem({ name: "Ice", files: 3, mime: "audio/flac" })).toMatchObject({ icon: "folder" });
    expect(kindOf("a picture", "image/png")).toMatchObject({ family: "picture", picture: false });
    expect(kindOf("thing", "application/x-unknown").family).toBe("file");
  });

  test("a list that nobody took is no step done", () => {
    const { t, f } = speak("en", []);
    const result = { link: "", item: "x", sequence: 1, dht_nodes: 0, gateways: 0, shown_by: 0, pushed: 0, files: 1, bytes: 10, blobs: 1, left_out: [], seeding: true };
    const job = { name: "n", title: "x", started: 0, private: false, state: "done" as const, result, error: null, ended: 1 };
    const progress = { title: "x", stage: "publish", done: 10, total: 10, announced: 0, to_announce: 0 };
    const last = (more: Partial<typeof result>) => steps({ ...job, result: { ...result, ...more } }, progress, t, f).at(-1);
    expect(last({})).toMatchObject({ state: "open", title: "Not handed out yet" });
    expect(last({ pushed: 2 })).toMatchObject({ state: "done", title: "Handed to 2 peers at once" });
    expect(last({ dht_nodes: 8, pushed: 2 })).toMatchObject({ state: "done", title: "Seen by 8 DHT nodes", text: "Handed to 2 peers at once" });
    expect(steps(job, progress, t, f)[2]).toMatchObject({ state: "open", text: "There is no DHT to tell. Peers that connect ask for it." });
  });
});
