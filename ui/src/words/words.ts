/** The languages of the window. A language that lacks a message does not pass the type check. */
import { de } from "./de";
import { en } from "./en";
import { localeFor, makeFormat, type Format } from "./format";

/** Languages that exist whole. */
export type Lang = "en" | "de";

/** Every message. English is the pattern; the others have to have its shape. */
export type Words = ReturnType<typeof en>;

/** A state in words: the bold part and what follows it. */
export interface Sentence {
  word: string;
  rest: string;
}

const catalogues: Record<Lang, (f: Format) => Words> = { en, de };

/** What each language calls itself. */
export const langNames: Record<Lang, string> = { en: "English", de: "Deutsch" };

/** The language to use: the chosen one, else the first of the system's that exists, else English. */
export function langFor(chosen: "system" | Lang, wanted: readonly string[]): Lang {
  if (chosen !== "system") return chosen;
  const langs = wanted.map((tag) => tag.toLowerCase().split("-")[0]);
  return langs.find((lang): lang is Lang => lang === "en" || lang === "de") ?? "en";
}

/** Messages and number formats of one language. */
export function speak(lang: Lang, wanted: readonly string[]): { t: Words; f: Format } {
  const f = makeFormat(localeFor(lang, wanted));
  return { t: catalogues[lang](f), f };
}
