import { describe, expect, test } from "vitest";
import type { Configuration, Usage } from "../api/types";
import { largest, refusal, type Rules } from "./rules";

const configuration: Configuration = {
  auth: "local",
  registration: "off",
  upload_path: "/files",
  max_size: 1000,
  checksum: "sha256",
  allowed_extensions: [".iso", ".tar.gz"],
};

const window = { limit: 500, used: 100, reserved: 100, resets_at: "2026-11-21T00:00:00Z" };

const usage: Usage = {
  daily: window,
  monthly: { ...window, limit: null },
  stored: { limit: null, used: 0 },
  size: { limit: null },
  unfinished: { limit: null, used: 0 },
};

function check(name: string, size: number, changes: Partial<Rules> = {}): string | null {
  return refusal({ name, size }, { configuration, usage: null, pending: 0, ...changes });
}

describe("formats", () => {
  test.each(["a.iso", "A.ISO", "a.b.iso", "a.tar.gz"])("takes %s", (name) => {
    expect(check(name, 1)).toBeNull();
  });

  test.each([
    ["a.exe", ".exe files are not taken here."],
    ["a.gz", ".gz files are not taken here."],
    ["iso", "Files without an extension are not taken here."],
    [".iso", "Files without an extension are not taken here."],
  ])("refuses %s, and says what to choose", (name, reason) => {
    expect(check(name, 1)).toBe(`${reason} Choose .iso or .tar.gz.`);
  });

  test("takes all where no formats are named", () => {
    expect(check("a.exe", 1, { configuration: { ...configuration, allowed_extensions: [] } })).toBeNull();
  });
});

describe("sizes", () => {
  test("takes the largest, and refuses one byte more", () => {
    expect(check("a.iso", 1000)).toBeNull();
    expect(check("a.iso", 1001)).toContain("larger than 1\u00a0kB");
  });

  test("the smaller of the server's limit and one's own holds", () => {
    expect(largest({ configuration, usage: { ...usage, size: { limit: 10 } } })).toBe(10);
    expect(largest({ configuration, usage: { ...usage, size: { limit: 5000 } } })).toBe(1000);
    expect(largest({ configuration: { ...configuration, max_size: null }, usage })).toBeNull();
  });
});

describe("quotas", () => {
  test("counts what is used, what is set aside, and what is about to be sent", () => {
    expect(check("a.iso", 300, { usage })).toBeNull();
    expect(check("a.iso", 301, { usage })).toContain("today (300\u00a0B)");
    expect(check("a.iso", 300, { usage, pending: 1 })).toContain("today (299\u00a0B)");
  });

  test("says which one, and when there is room again", () => {
    const monthly = { ...window, limit: 200, resets_at: "2026-12-01T12:00:00Z" };
    expect(check("a.iso", 1, { usage: { ...usage, daily: { ...window, limit: null }, monthly } })).toMatch(
      /this month \(0\u00a0B\).*Dec 1/,
    );
  });

  test("what is stored has to make room first", () => {
    expect(check("a.iso", 11, { usage: { ...usage, stored: { limit: 30, used: 20 } } })).toContain("Delete files");
  });
});
