import { expect, test } from "vitest";
import { date } from "./format";

const NOW = new Date("2026-06-15T12:00:00Z");

test("a date of this year goes without the year", () => {
  expect(date("2026-03-10T12:00:00Z", NOW)).toMatch(/^Mar (9|10|11), \d\d:\d\d$/);
});

test("a date of another year has it", () => {
  expect(date("2024-03-10T12:00:00Z", NOW)).toMatch(/^Mar (9|10|11), 2024, \d\d:\d\d/);
});
