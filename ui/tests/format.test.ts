import { describe, expect, test } from "vitest";
import { localeFor, makeFormat } from "../src/words/format";

const en = makeFormat("en-GB");
const de = makeFormat("de-AT");
const NB = "\u00a0";

describe("sizes and rates", () => {
  test("three digits at most, decimal steps, no 1000 of anything", () => {
    const cases: [number, string][] = [
      [0, "0 B"],
      [999, "999 B"],
      [999.6, "1 KB"],
      [4000, "4 KB"],
      [999_499, "999 KB"],
      [999_600, "1.0 MB"],
      [9_400_000, "9.4 MB"],
      [286_000_000, "286 MB"],
      [999_700_000, "1.00 GB"],
      [1_240_000_000, "1.24 GB"],
      [22_100_000_000, "22.1 GB"],
      [214_000_000_000, "214 GB"],
      [2.86e12, "2.86 TB"],
      [Number.MAX_SAFE_INTEGER, "9.01 PB"],
    ];
    for (const [bytes, text] of cases) expect(en.size(bytes)).toBe(text.replace(" ", NB));
  });

  test("by locale", () => {
    expect(de.size(1_240_000_000)).toBe(`1,24${NB}GB`);
    expect(de.rate(4_800_000)).toBe(`4,8${NB}MB/s`);
    expect(en.rate(240_000)).toBe(`240${NB}KB/s`);
    expect(en.rate(0)).toBe(`0${NB}KB/s`);
    expect(en.rate(8_000_000, true)).toBe(`8${NB}MB/s`);
    expect(en.rate(8_000_000)).toBe(`8.0${NB}MB/s`);
  });

  test("never 100 % before it is all", () => {
    expect(en.percent(999_999, 1_000_000)).toBe(`99${NB}%`);
    expect(en.percent(1, 1)).toBe(`100${NB}%`);
    expect(en.percent(0, 0)).toBe(`0${NB}%`);
    expect(en.percent(5, 3)).toBe(`100${NB}%`);
  });
});

describe("days", () => {
  const now = new Date(2026, 10, 23, 0, 30).getTime();
  test("calendar days, not spans of 24 hours", () => {
    expect(en.day(now - 10 * 60_000, now)).toBe("Today");
    expect(en.day(now - 40 * 60_000, now)).toBe("Yesterday");
    expect(en.day(now - 40 * 60_000, now, true)).toBe("yesterday");
    expect(de.day(now - 40 * 60_000, now)).toBe("Gestern");
    expect(en.day(new Date(2026, 10, 14).getTime(), now)).toBe("14 Nov");
    expect(en.day(new Date(2024, 1, 29).getTime(), now)).toBe("29 Feb 2024");
  });
  test("a publisher's clock that runs ahead shows its date, no negative age", () => {
    expect(en.day(now + 3 * 24 * 3600_000, now)).toBe("26 Nov");
    expect(en.span(-5000)).toEqual({ days: 0, hours: 0, minutes: 0, seconds: 0 });
  });
});

test("the locale follows the system where it speaks the language", () => {
  expect(localeFor("de", ["en-US", "de-CH"])).toBe("de-CH");
  expect(localeFor("en", ["fr-FR"])).toBe("en");
  expect(localeFor("de", ["de-!!"])).toBe("de");
});
