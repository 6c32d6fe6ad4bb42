import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { claim, withLock } from "./tabs";

/** A browser without locks, as on plain HTTP. */
beforeEach(() => vi.stubGlobal("navigator", {}));
afterEach(() => vi.unstubAllGlobals());

test("one tab has what several claim one after the other", async () => {
  expect(await claim("uploads.ann")).toBe(true);
  expect(await claim("uploads.ann")).toBe(false);
  expect(await claim("uploads.ann")).toBe(false);
});

test("what others claim is something else", async () => {
  expect(await Promise.all([claim("uploads.bob"), claim("uploads.cem")])).toEqual([true, true]);
});

test("a task is carried out without locks as well, and its failure told", async () => {
  expect(await withLock("session", () => Promise.resolve(1))).toBe(1);
  await expect(withLock("session", () => Promise.reject(new Error("no")))).rejects.toThrow("no");
});
