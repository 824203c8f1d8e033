// A browser and the mock window, served the way the program serves it: from one place, under a strict policy.
import { createReadStream } from "node:fs";
import { access } from "node:fs/promises";
import { createServer } from "node:http";
import { extname, join, normalize } from "node:path";
import { fileURLToPath } from "node:url";
import { chromium } from "playwright-core";

export const ROOT = fileURLToPath(new URL("..", import.meta.url));
const TYPES = { ".html": "text/html; charset=utf-8", ".js": "text/javascript", ".css": "text/css", ".webm": "video/webm", ".svg": "image/svg+xml" };
const POLICY = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; media-src 'self' blob:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/** Serves a folder on loopback; answers Range, which media elements ask with. */
export async function serve(folder) {
  const server = createServer(async (request, response) => {
    const path = normalize(new URL(request.url ?? "/", "http://localhost").pathname).replace(/^\/+/, "") || "index.html";
    const file = join(folder, path);
    try {
      await access(file);
    } catch {
      return void response.writeHead(404).end();
    }
    const { size } = await import("node:fs").then(({ statSync }) => statSync(file));
    const head = { "content-type": TYPES[extname(file)] ?? "application/octet-stream", "content-security-policy": POLICY, "accept-ranges": "bytes" };
    const range = /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? "");
    if (!range) {
      response.writeHead(200, { ...head, "content-length": size });
      return void createReadStream(file).pipe(response);
    }
    const from = Number(range[1]);
    const to = range[2] ? Math.min(size - 1, Number(range[2])) : size - 1;
    response.writeHead(206, { ...head, "content-length": to - from + 1, "content-range": `bytes ${from}-${to}/${size}` });
    createReadStream(file, { start: from, end: to }).pipe(response);
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  return { url: `http://127.0.0.1:${server.address().port}`, close: () => server.close() };
}

/** Chromium of the machine: CHROMIUM names it, else the usual places. */
export async function browser() {
  const places = [process.env.CHROMIUM, "/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"].filter(Boolean);
  for (const executablePath of places) {
    try {
      await access(executablePath);
    } catch {
      continue;
    }
    return chromium.launch({ executablePath, args: ["--no-sandbox", "--autoplay-policy=no-user-gesture-required", "--force-color-profile=srgb"] });
  }
  throw new Error("no Chromium found; name one in CHROMIUM");
}

/** Opens a scene and walks to its screen. Whatever the page complains about comes back in `complaints`. */
export async function open(context, url, scene, theme) {
  const page = await context.newPage();
  const complaints = [];
  page.on("console", (message) => ["error", "warning"].includes(message.type()) && complaints.push(message.text()));
  page.on("pageerror", (error) => complaints.push(String(error)));
  page.setDefaultTimeout(8000);
  const query = new URLSearchParams({ scene: scene.scene ?? "world", theme, lang: scene.lang ?? "en", ...(scene.dir ? { dir: scene.dir } : {}) });
  // Minutes pass at once, and the downloads stand meanwhile: the graph gets a past.
  if (scene.minutes) {
    query.set("pace", "0.002");
    await page.clock.install();
  }
  await page.goto(`${url}/index.html?${query}`);
  if (scene.minutes) await page.clock.runFor(1000);
  await page.locator("main").first().waitFor();
  await page.waitForTimeout(150);
  if (scene.minutes) await page.clock.runFor(scene.minutes * 60_000);
  for (const step of scene.steps ?? []) {
    await step(page);
    await page.waitForTimeout(80);
  }
  await page.waitForTimeout(scene.wait ?? 250);
  return { page, complaints };
}
