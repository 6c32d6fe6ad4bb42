import { expect, test } from "vitest";
import { duration, percent, size } from "./format";

test.each([
  [0, "0 B"],
  [999, "999 B"],
  [1000, "1 kB"],
  [1250, "1.25 kB"],
  [12_340, "12.3 kB"],
  [999_499, "999 kB"],
  [999_999, "1 MB"],
  [5_000_000_000, "5 GB"],
  [2 ** 53, "9.01 PB"],
])("%d bytes", (bytes, text) => {
  expect(size(bytes).replace("\u00a0", " ")).toBe(text);
});

test.each([
  [0.2, "1 s"],
  [59.4, "59 s"],
  [59.9, "1 min"],
  [90, "2 min"],
  [3600, "1 h"],
  [12_000, "3 h 20 min"],
  [200_000, "2 d 7 h"],
])("%d seconds", (seconds, text) => {
  expect(duration(seconds).replace(/\u00a0/g, " ")).toBe(text);
});

test("a share is complete when everything is there, and not before", () => {
  expect([percent(0, 100), percent(999, 1000), percent(1000, 1000), percent(0, 0)]).toEqual([0, 99, 100, 0]);
});
