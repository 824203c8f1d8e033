import js from "@eslint/js";
import svelte from "eslint-plugin-svelte";
import globals from "globals";
import ts from "typescript-eslint";
import svelteConfig from "./svelte.config.js";

const onlyThere = (...names) => ({ patterns: [{ group: names, message: "Only src/host/tauri.ts knows the desktop shell." }] });

export default ts.config(
  { ignores: ["dist/", "dist-mock/", "src/host/gen/"] },
  js.configs.recommended,
  ...ts.configs.strict,
  ...svelte.configs.recommended,
  { languageOptions: { globals: { ...globals.browser } } },
  { files: ["scripts/**", "*.config.js"], languageOptions: { globals: { ...globals.node, ...globals.browser } } },
  {
    files: ["**/*.svelte", "**/*.svelte.ts"],
    languageOptions: { parserOptions: { parser: ts.parser, extraFileExtensions: [".svelte"], svelteConfig } },
  },
  {
    rules: {
      "no-restricted-imports": ["error", onlyThere("@tauri-apps/*")],
      "no-console": "error",
      eqeqeq: "error",
      "svelte/no-at-html-tags": "error",
      // Maps here are values that are replaced, never changed in place.
      "svelte/prefer-svelte-reactivity": "off",
      // A space between inline elements that formatting would take away.
      "svelte/no-useless-mustaches": "off",
      "@typescript-eslint/no-unused-vars": ["error", { argsIgnorePattern: "^_$" }],
    },
  },
  { files: ["src/host/tauri.ts"], rules: { "no-restricted-imports": "off" } },
  { files: ["scripts/**"], rules: { "no-console": "off" } },
);
