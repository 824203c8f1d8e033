// Every screen of the window, and how to get there in the mock world. Used for the pictures and for the accessibility check.

const LINK = "megatorrent://c41d0a7e93f25b68e1d047aa2c9f81365e70b3c4d8291f6607fba2e5904c3dd8:4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f?bootstrap=203.0.113.24:51413";

const nav = (n) => async (page) => page.keyboard.press(`Control+${n}`);
/** Looks at a channel by the start of its key; in one pane the list is shown first. */
const channel = (head) => async (page) => page.locator(`[data-channel^="${head}"]`).first().click();
const item = (text) => async (page) => page.getByRole("button", { name: text }).first().click();
const link = (text) => async (page) => page.evaluate((t) => window.mock.link(t), text);
const sheet = (page) => page.locator("dialog[open]").last();

/** @type {{ name: string, scene?: string, lang?: string, dir?: string, minutes?: number, steps?: ((page: import("playwright-core").Page) => Promise<unknown>)[], wait?: number }[]} */
export const SCENES = [
  { name: "first-1", scene: "first" },
  { name: "first-2", scene: "first", steps: [item("Choose the folder")] },
  { name: "channels", steps: [channel("7f3a91c2")] },
  { name: "channels-hover", steps: [channel("7f3a91c2"), async (page) => page.getByRole("row").filter({ hasText: "Fog signal" }).first().hover()] },
  { name: "channels-menu", steps: [channel("7f3a91c2"), async (page) => page.getByRole("row").filter({ hasText: "Fog signal" }).first().hover(), async (page) => page.getByRole("button", { name: "More for Fog signal" }).first().click({ force: true })] },
  { name: "channels-own", steps: [channel("b06e2f19")] },
  { name: "channels-search", steps: [channel("7f3a91c2"), async (page) => page.locator("[data-search]").fill("bell"), async (page) => page.locator("[data-search]").press("Tab")] },
  { name: "channels-empty", scene: "empty" },
  { name: "channels-empty-fault", scene: "empty", steps: [async (page) => page.getByPlaceholder("megatorrent://").fill("megatorrent://7f3a91"), item("Open link")] },
  { name: "stress", scene: "stress", steps: [channel("93c0ffee")] },
  { name: "stress-scrolled", scene: "stress", steps: [channel("93c0ffee"), async (page) => page.locator(".view").first().evaluate((view) => (view.scrollTop = 200_000))] },
  { name: "stress-unknown", scene: "stress", steps: [channel("eeee")] },
  { name: "item", steps: [channel("5b07c9d1"), item("The Cabinet")] },
  { name: "item-files", steps: [channel("7f3a91c2"), item("Dawn chorus")] },
  { name: "item-menu", steps: [channel("b06e2f19"), item("August"), async (page) => page.getByRole("button", { name: "More for August" }).click()] },
  { name: "player", steps: [channel("5b07c9d1"), item("A Trip to the Moon"), item("Play"), async (page) => page.waitForFunction(() => (document.querySelector("video")?.readyState ?? 0) > 2), async (page) => page.evaluate(() => { const v = document.querySelector("video"); v.pause(); v.currentTime = 281; })], wait: 900 },
  { name: "player-audio", steps: [channel("7f3a91c2"), item("Fog signal"), item("Play")], wait: 900 },
  { name: "add-paste", steps: [async (page) => page.keyboard.press("Control+o")] },
  { name: "add-fault", steps: [async (page) => page.keyboard.press("Control+o"), async (page) => sheet(page).getByRole("textbox").fill("megatorrent://7f3a91"), async (page) => sheet(page).getByRole("button", { name: "Continue" }).click()] },
  { name: "add-link", steps: [link(LINK)] },
  { name: "add-looked", steps: [link(LINK), item("Look inside")], wait: 1400 },
  { name: "add-known", steps: [link("megatorrent://7f3a91c20be4d1556c02a9be77013f48c2ad904e51f36b1d8890f2a7e05d64d1")] },
  { name: "rule", steps: [channel("7f3a91c2"), async (page) => page.locator("button.rule").click()] },
  { name: "share", steps: [channel("7f3a91c2"), item("Share “Tidewater")] },
  { name: "share-private", steps: [channel("b06e2f19"), item("Share “Lindqvist")] },
  { name: "edit", steps: [channel("b06e2f19"), async (page) => page.getByRole("button", { name: "More for Lindqvist" }).click(), async (page) => page.getByRole("menuitem", { name: "Edit texts" }).click()] },
  { name: "leave", steps: [channel("7f3a91c2"), async (page) => page.getByRole("button", { name: "More for Tidewater" }).click(), async (page) => page.getByRole("menuitem", { name: "Stop following" }).click()] },
  { name: "publish", steps: [nav(2)] },
  { name: "publish-picked", steps: [nav(2), item("Folder…"), async (page) => page.getByLabel("Publish as").selectOption("new")] },
  { name: "publish-running", steps: [nav(2), async (page) => page.evaluate(() => (window.mock.node_.slow = 4000)), item("Folder…"), async (page) => page.getByRole("button", { name: "Publish", exact: true }).last().click()], wait: 3500 },
  { name: "published", steps: [nav(2), async (page) => page.evaluate(() => (window.mock.node_.slow = 20)), item("Folder…"), async (page) => page.getByLabel("Title").fill("Hallett Point: the last fog signal"), async (page) => page.getByLabel("Description").fill("Every blast of the final week, three microphones, with the keepers’ own words and pictures of the horn house."), async (page) => page.getByRole("button", { name: "Publish", exact: true }).last().click(), async (page) => page.getByText("The link is ready").first().waitFor()] },
  { name: "transfers", minutes: 5, steps: [nav(3), async (page) => page.clock.runFor(1000)] },
  { name: "transfers-empty", scene: "empty", steps: [nav(3)] },
  { name: "transfers-paused", scene: "paused", steps: [nav(3)] },
  { name: "identities", steps: [nav(4)] },
  { name: "identities-empty", scene: "empty", steps: [nav(4)] },
  { name: "identity-new", steps: [nav(4), item("New identity")] },
  { name: "identity-backup", steps: [nav(4), item("Back up: Lindqvist"), async (page) => sheet(page).getByLabel("Passphrase", { exact: true }).fill("nine copper kettles sing")] },
  { name: "identity-restore", steps: [nav(4), item("choose it")] },
  { name: "network", minutes: 5, steps: [nav(5), async (page) => page.clock.runFor(1000)] },
  { name: "network-lonely", scene: "lonely", steps: [nav(5)] },
  { name: "settings", steps: [nav(6)] },
  { name: "keys", steps: [nav(6), item("Show shortcuts")] },
  { name: "locked", scene: "locked" },
  { name: "unlock", scene: "locked", steps: [item("Unlock…")] },
  { name: "vault-new", scene: "nokeyring", steps: [nav(4), item("New identity")] },
  { name: "failed", scene: "failed" },
  { name: "toast", steps: [channel("7f3a91c2"), async (page) => page.keyboard.press("Control+p")] },
  { name: "de-channels", lang: "de", steps: [channel("7f3a91c2")] },
  { name: "de-add", lang: "de", steps: [link(LINK)] },
  { name: "de-publish", lang: "de", steps: [nav(2), item("Ordner …")] },
  { name: "de-transfers", lang: "de", steps: [nav(3)] },
  { name: "de-network", lang: "de", steps: [nav(5)] },
  { name: "rtl-channels", dir: "rtl", steps: [channel("7f3a91c2")] },
  { name: "rtl-transfers", dir: "rtl", steps: [nav(3)] },
];
