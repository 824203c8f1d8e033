import { describe, expect, test } from "vitest";
import { baseName, fileNameOf, linkFault, plain, plainFile, plainLines, shortLink, shortened, shortPrint, splitName } from "../src/parts/text";

const KEY = "7f3a91c20be4d1556c02a9be77013f48c2ad904e51f36b1d8890f2a7e05d64d1";

describe("names from strangers", () => {
  test("controls become a space, direction marks go, the rest stays as it is", () => {
    expect(plain("a\u0000b\tc\nd")).toBe("a b c d");
    expect(plain("A\u202eB\u2066C\u200f")).toBe("ABC");
    expect(plain("<b>bold</b> & “quoted”")).toBe("<b>bold</b> & “quoted”");
    expect(plain("أرشيف الأصوات")).toBe("أرشيف الأصوات");
  });

  test("a file name shows where something was taken out", () => {
    expect(plainFile("holiday\u202egpj.exe")).toBe("holiday\ufffdgpj.exe");
    expect(plainFile("a\u0007b")).toBe("a\ufffdb");
  });

  test("length is bounded, and characters are never cut in two", () => {
    const long = plain("🌊".repeat(10_000));
    expect(Array.from(long).length).toBe(301);
    expect(long.endsWith("…")).toBe(true);
    expect(plain("x".repeat(300))).toHaveLength(300);
  });

  test("descriptions keep their lines, not their voids", () => {
    expect(plainLines("a\r\nb\n\n\n\n\nc\u0000d\u202e")).toBe("a\nb\n\nc d");
  });

  test("long file names lose the middle and keep the extension", () => {
    const { head, tail } = splitName("openriver_gauges_1994-2025_daily.tar.zst");
    expect(head + tail).toBe("openriver_gauges_1994-2025_daily.tar.zst");
    expect(tail.endsWith(".zst")).toBe(true);
    expect(splitName("short.txt")).toEqual({ head: "short.txt", tail: "" });
    expect(splitName(".hidden-without-any-extension").head).toBeTruthy();
  });

  test("a name that does not fit has no blank beside its dots, and is as long as it may be", () => {
    const fits = (room: number) => (text: string) => text.length <= room;
    const drawn = (name: string, room: number) => {
      const { head, tail } = splitName(name);
      return shortened(head, tail, fits(room));
    };
    const name = "a new take of the harbour in fog abc.webm";
    expect(splitName(name).tail).toBe(" abc.webm");
    expect(drawn(name, name.length)).toBe(name);
    expect(drawn(name, 24)).toBe("a new take of t…abc.webm");
    // A blank at the cut goes, and is not made up for.
    expect(drawn(name, 20)).toBe("a new take…abc.webm");
    for (let room = 9; room < name.length; room += 1) {
      expect(drawn(name, room)).toMatch(/^(a|a.*\S)?…abc\.webm$/);
      expect(drawn(name, room).length).toBeLessThanOrEqual(room);
    }
    // Signs of two units stay whole.
    expect(drawn("🌊🌊🌊🌊🌊🌊🌊🌊🌊🌊🌊🌊🌊🌊🌊🌊 abc.webm", 14)).toBe("🌊🌊…abc.webm");
  });

  test("base names with either slash", () => {
    expect(baseName("/a/b/c.txt")).toBe("c.txt");
    expect(baseName("C:\\a\\b")).toBe("b");
    expect(baseName("alone")).toBe("alone");
  });
});

describe("links and keys", () => {
  test("a read key is never shown", () => {
    const shown = shortLink(`megatorrent://${KEY}:${"ab".repeat(32)}?bootstrap=host:1`);
    expect(shown).toBe("megatorrent://7f3a91c20be4…e05d64d1:…");
    expect(shown).not.toContain("abab");
  });

  test("what is wrong with a link", () => {
    expect(linkFault(`megatorrent://${KEY}`)).toBeNull();
    expect(linkFault(`  MEGATORRENT://${KEY.toUpperCase()}?bootstrap=h:1 `)).toBeNull();
    expect(linkFault("megatorrent://7f3a91")).toEqual({ cutOff: 6 });
    expect(linkFault("megatorrent://7f3a91?bootstrap=h:1")).toEqual({ cutOff: 6 });
    expect(linkFault("https://example.org")).toBe("not_link");
    expect(linkFault("megatorrent://")).toBe("not_link");
    expect(linkFault(`megatorrent://${KEY}00`)).toBe("not_link");
    expect(linkFault("megatorrent://xyz")).toBe("not_link");
  });

  test("a short fingerprint says that it is one", () => {
    const groups = KEY.match(/.{4}/g)?.join(" ") ?? "";
    expect(shortPrint(groups)).toBe("7f3a 91c2 0be4 … e05d 64d1");
    expect(shortPrint("7f3a 91c2")).toBe("7f3a 91c2");
  });
});

test("a file's name keeps letters as they are typed, with their marks", () => {
  expect(fileNameOf("Küchenfunk", "identity", "age")).toBe("Küchenfunk.age");
  // Taken apart, as some systems hand it over: put together again.
  expect(fileNameOf("Ku\u0308chen funk!", "identity", "age")).toBe("Küchen-funk.age");
  expect(fileNameOf("नमस्ते", "identity", "age")).toBe("नमस्ते.age");
  expect(fileNameOf("../…", "identity", "age")).toBe("identity.age");
  expect(fileNameOf("a".repeat(300), "identity", "age")).toHaveLength(64);
});
