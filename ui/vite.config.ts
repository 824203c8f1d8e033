import { svelte } from "@sveltejs/vite-plugin-svelte";
import { svelteTesting } from "@testing-library/svelte/vite";
import { defineConfig } from "vitest/config";

// `vite build` makes the window that the desktop shell loads; `vite build --mode mock` makes the same window over the
// mock world, for a browser. The two never share a build: the mock is not part of the program.
export default defineConfig(({ mode }) => ({
  plugins: [svelte(), ...(mode === "test" ? [svelteTesting()] : [])],
  base: "./",
  build: {
    outDir: mode === "mock" ? "dist-mock" : "dist",
    target: ["safari17.5", "chrome123"],
    modulePreload: { polyfill: false },
    assetsInlineLimit: 0,
    reportCompressedSize: false,
  },
  server: { host: "127.0.0.1", port: 5173, strictPort: true },
  preview: { host: "127.0.0.1" },
  clearScreen: false,
  test: { environment: "jsdom", include: ["tests/**/*.test.ts"], setupFiles: ["tests/setup.ts"], testTimeout: 60_000, restoreMocks: true },
}));
