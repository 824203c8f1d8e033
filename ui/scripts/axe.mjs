// Asks axe about every screen of the mock world, in both themes and in one pane: `npm run axe [-- --only NAME,…]`.
// Build the mock window first: `npm run build -- --mode mock`.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { browser, open, ROOT, serve } from "./browser.mjs";
import { SCENES } from "./scenes.mjs";

const { values } = parseArgs({ options: { only: { type: "string" } } });
const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const wanted = values.only?.split(",");
const scenes = SCENES.filter((scene) => !wanted || wanted.includes(scene.name));
const server = await serve(join(ROOT, "dist-mock"));
const chrome = await browser();
let found = 0;

for (const [theme, width, height] of [["light", 1180, 760], ["dark", 1180, 760], ["light", 590, 380]]) {
  const context = await chrome.newContext({ viewport: { width, height }, colorScheme: theme, locale: "en-GB", reducedMotion: "reduce" });
  for (const scene of scenes) {
    const name = `${scene.name} ${theme} ${width}x${height}`;
    try {
      const { page, complaints } = await open(context, server.url, scene, theme);
      await page.evaluate(axe);
      const violations = await page.evaluate(async () => {
        const report = await window.axe.run(document, { runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"] });
        return report.violations.map((v) => `${v.id} (${v.impact}): ${v.help}\n${v.nodes.slice(0, 3).map((n) => `    ${n.target.join(" ")}\n      ${(n.any[0] ?? n.all[0] ?? n.none[0])?.message ?? ""}`).join("\n")}`);
      });
      for (const text of [...violations, ...complaints]) {
        found += 1;
        console.log(`${name}: ${text}`);
      }
      await page.close();
    } catch (error) {
      found += 1;
      console.log(`${name}: ${String(error).split("\n").slice(0, 3).join(" ")}`);
      for (const page of context.pages()) await page.close();
    }
  }
  await context.close();
}
await chrome.close();
server.close();
console.log(`${scenes.length} scenes, ${found} findings`);
process.exitCode = found > 0 ? 1 : 0;
