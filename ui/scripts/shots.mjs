// Pictures of every screen, from the mock world: `npm run shots -- [--out DIR] [--only NAME,…] [--size WxH[@zoom],…]
// [--theme light,dark] [--scale N] [--forced]`. Build the mock window first: `npm run build -- --mode mock`.
import { mkdir } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { browser, open, ROOT, serve } from "./browser.mjs";
import { SCENES } from "./scenes.mjs";

const { values } = parseArgs({
  options: {
    out: { type: "string", default: join(tmpdir(), "megatorrent-shots") },
    only: { type: "string" },
    size: { type: "string", default: "1180x760,900x600,1440x900" },
    theme: { type: "string", default: "light,dark" },
    scale: { type: "string", default: "1" },
    forced: { type: "boolean", default: false },
  },
});

await mkdir(values.out, { recursive: true });
const wanted = values.only?.split(",");
const scenes = SCENES.filter((scene) => !wanted || wanted.some((name) => scene.name === name || (name.endsWith("*") && scene.name.startsWith(name.slice(0, -1)))));
const server = await serve(join(ROOT, "dist-mock"));
const chrome = await browser();
let failures = 0;

for (const size of values.size.split(",")) {
  // "1180x760@2" is that window at 200 % zoom: half the CSS pixels, twice as fine.
  const [, width, height, zoom = "1"] = /^(\d+)x(\d+)(?:@(\d+))?$/.exec(size) ?? [];
  for (const theme of values.theme.split(",")) {
    const context = await chrome.newContext({
      viewport: { width: Math.round(width / zoom), height: Math.round(height / zoom) },
      deviceScaleFactor: Number(values.scale) * zoom,
      colorScheme: theme,
      locale: "en-GB",
      reducedMotion: "reduce",
      forcedColors: values.forced ? "active" : "none",
    });
    for (const scene of scenes) {
      const name = `${scene.name}-${size.replace("@", "-zoom")}-${theme}`;
      try {
        const { page, complaints } = await open(context, server.url, scene, theme);
        await page.screenshot({ path: join(values.out, `${name}.png`) });
        if (complaints.length > 0) console.log(`${name}: ${complaints.join(" | ")}`);
        failures += complaints.length > 0 ? 1 : 0;
        await page.close();
      } catch (error) {
        failures += 1;
        console.log(`${name}: ${String(error).split("\n").slice(0, 3).join(" ")}`);
        for (const page of context.pages()) await page.close();
      }
    }
    await context.close();
  }
}
await chrome.close();
server.close();
console.log(`${values.out}: done, ${failures} with complaints`);
process.exitCode = failures > 0 ? 1 : 0;
