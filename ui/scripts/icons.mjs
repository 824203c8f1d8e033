// Draws src/parts/icons.ts from Lucide's outlines (ISC licence): each icon becomes one path, so that a row of the list
// costs one element for its icon. Run `npm run icons` after changing the list; a test compares the file with the source.
import { readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";

/** The icons that the window uses, by Lucide's name. */
export const NAMES = [
  "archive", "archive-restore", "arrow-down", "arrow-down-up", "arrow-left", "arrow-up", "audio-lines", "captions", "check",
  "calendar-clock", "chevron-down", "chevrons-up-down", "circle-check", "circle-dot", "circle-play", "clock", "copy", "door-open",
  "download", "ellipsis", "eye", "eye-off", "file", "file-archive", "file-lock", "file-text", "film", "folder",
  "folder-down", "folder-open", "globe", "hard-drive", "hourglass", "image", "info", "key-round", "keyboard", "link",
  "list", "list-ordered", "loader-circle", "lock", "log-out", "maximize", "minimize", "pause", "pencil", "picture-in-picture-2", "pin", "pin-off", "play",
  "plus", "power", "qr-code", "refresh-cw", "repeat-2", "rewind", "rss", "scan-search", "search", "server", "share-2", "shield", "shield-alert", "shield-check", "shield-off",
  "sliders-horizontal", "trash", "triangle-alert", "unplug", "upload", "users-round", "volume-2", "volume-x",
  "waypoints", "x",
];

const num = (text) => Number(text ?? 0);

/** A path that can follow another: its first step counts from the corner, not from where the other ended. */
function absolute(d) {
  const found = /^m\s*(-?[\d.]+)[\s,]*(-?[\d.]+)\s*/.exec(d);
  if (!found) return d;
  const rest = d.slice(found[0].length);
  // Pairs that follow without a letter are lines, relative ones.
  return `M${found[1]} ${found[2]}${/^[-\d.]/.test(rest) ? "l" : ""}${rest}`;
}

/** One SVG shape as path data. */
function path(tag, a) {
  switch (tag) {
    case "path":
      return absolute(a.d);
    case "line":
      return `M${a.x1} ${a.y1}L${a.x2} ${a.y2}`;
    case "polyline":
    case "polygon":
      return `M${a.points.trim().split(/[\s,]+/).join(" ")}${tag === "polygon" ? "Z" : ""}`;
    case "circle":
    case "ellipse": {
      const rx = num(a.r ?? a.rx);
      const ry = num(a.r ?? a.ry);
      return `M${num(a.cx) - rx} ${a.cy}a${rx} ${ry} 0 1 0 ${2 * rx} 0a${rx} ${ry} 0 1 0 ${-2 * rx} 0`;
    }
    case "rect": {
      const [x, y, w, h] = [num(a.x), num(a.y), num(a.width), num(a.height)];
      const r = Math.min(num(a.rx ?? a.ry), w / 2, h / 2);
      if (r === 0) return `M${x} ${y}h${w}v${h}h${-w}Z`;
      const turn = (dx, dy) => `a${r} ${r} 0 0 1 ${dx} ${dy}`;
      const across = w - 2 * r;
      const down = h - 2 * r;
      return `M${x + r} ${y}h${across}${turn(r, r)}v${down}${turn(-r, r)}h${-across}${turn(-r, -r)}v${-down}${turn(r, -r)}`;
    }
    default:
      throw new Error(`no path is known for <${tag}>`);
  }
}

/** The whole file. */
export function written() {
  const nodes = JSON.parse(readFileSync(createRequire(import.meta.url).resolve("lucide-static/icon-nodes.json"), "utf8"));
  const lines = NAMES.map((name) => {
    if (!nodes[name]) throw new Error(`Lucide has no icon "${name}"`);
    return `  "${name}": "${nodes[name].map(([tag, attributes]) => path(tag, attributes)).join("")}",`;
  });
  return [
    "// Written by scripts/icons.mjs from Lucide's outlines; do not edit.",
    "// Lucide: ISC licence, Copyright (c) Lucide Contributors; parts from Feather, MIT licence, Copyright (c) Cole Bemis.",
    "",
    "/** Path data in a 24 by 24 box, to be stroked. */",
    "export const icons = {",
    ...lines,
    "} as const;",
    "",
    "/** Name of an icon that exists. */",
    "export type IconName = keyof typeof icons;",
    "",
  ].join("\n");
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  writeFileSync(fileURLToPath(new URL("../src/parts/icons.ts", import.meta.url)), written());
}
